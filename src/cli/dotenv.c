/* A reader of .env files. It goes over the text once, from the front: blank lines and comments are
 * passed, everything else must be one NAME=value, whose value is either quoted (and may have
 * several lines) or ends with its line. The reader counts lines as it passes them, so that each
 * refusal names the line. Text that could be meant in two ways is refused. No message shows a value
 * or a line that may be a part of one, and the buffer of a value is wiped, since values are
 * secrets. */
#include "cli/dotenv.h"

#include "base/map.h"
#include "base/mem.h"
#include "control/settings.h"

typedef struct reader {
	er_slice rest;
	unsigned line;
	er_out *out;
	er_map *names; /* that were read */
	er_err *err;
} reader;

static void skip(reader *r, size_t n)
{
	ER_ASSERT(n <= r->rest.n);
	for (size_t i = 0; i < n; i++)
		r->line += r->rest.p[i] == '\n';
	r->rest = er_slice_from(r->rest, n);
}

/* The rest of the line, without its end; the reader goes behind it. */
static er_slice take_line(reader *r)
{
	size_t n = er_slice_find(r->rest, '\n');
	er_slice line = er_slice_head(r->rest, n);
	skip(r, n < r->rest.n ? n + 1 : n);
	return er_slice_trim(er_slice_ends(line, ER_LIT("\r")) ? er_slice_head(line, line.n - 1) : line);
}

/* What the letter behind a backslash stands for; 0: for nothing. */
static uint8_t escaped(uint8_t c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case '"':
	case '\\':
		return c;
	default:
		return 0;
	}
}

/* From behind the opening quote to behind the closing one, and the end of its line. */
static bool take_quoted(reader *r, uint8_t quote, er_slice name, er_buf *value)
{
	ER_ASSERT(quote == '"' || quote == '\'' || quote == '`');
	unsigned began = r->line;
	size_t i = 0;
	for (; i < r->rest.n && r->rest.p[i] != quote; i++) {
		uint8_t c = r->rest.p[i], meant = 0;
		if (quote == '"' && c == '\\' && i + 1 < r->rest.n)
			meant = escaped(r->rest.p[i + 1]);
		er_buf_putc(value, meant != 0 ? meant : c);
		i += meant != 0;
	}
	if (i == r->rest.n)
		return er_fail(r->err, ER_ERR_INVALID, "line %u: the quote (%c) before the value of %.*s has no end", began, quote,
		               ER_FMT(name));
	skip(r, i + 1);
	unsigned line = r->line;
	er_slice behind = take_line(r);
	return behind.n == 0 || behind.p[0] == '#' ||
	       er_fail(r->err, ER_ERR_INVALID,
	               "line %u: something stands behind the closing quote of %.*s (a quote within the value is written \\\" between "
	               "double "
	               "quotes)",
	               line, ER_FMT(name));
}

/* To the end of the line. What looks like a comment behind a value, or like the first line of a
 * key, is refused: both are guesses. */
static bool take_plain(reader *r, er_slice name, er_buf *value)
{
	unsigned line = r->line;
	er_slice text = take_line(r);
	if (er_slice_starts(text, ER_LIT("-----BEGIN ")))
		return er_fail(r->err, ER_ERR_INVALID, "line %u: a value of several lines, as that of %.*s, is expected in quotes", line,
		               ER_FMT(name));
	if (memmem(text.p, text.n, " #", 2) != NULL || memmem(text.p, text.n, "\t#", 2) != NULL)
		return er_fail(
		    r->err, ER_ERR_INVALID,
		    "line %u: is the # a part of the value of %.*s? Put the value into quotes; a comment stands on a line of its own",
		    line, ER_FMT(name));
	er_buf_put(value, text);
	return true;
}

/* Blanks behind the equals sign, but no line. */
static void skip_blanks(reader *r)
{
	while (r->rest.n > 0 && (r->rest.p[0] == ' ' || r->rest.p[0] == '\t'))
		skip(r, 1);
}

static bool take_value(reader *r, er_slice name, er_buf *value)
{
	skip_blanks(r);
	uint8_t first = r->rest.n > 0 ? r->rest.p[0] : 0;
	if (first != '"' && first != '\'' && first != '`')
		return take_plain(r, name, value);
	skip(r, 1);
	return take_quoted(r, first, name, value);
}

/* A name has one value; the second one would silently win. */
static bool put_in(reader *r, unsigned line, er_slice name, er_slice v)
{
	static char present;
	char key[ER_NAME_MAX + 1];
	ER_ASSERT(name.n > 0 && name.n < sizeof key);
	er_copy(key, name.p, name.n);
	key[name.n] = '\0';
	if (er_map_set(r->names, name, &present) != NULL)
		return er_fail(r->err, ER_ERR_INVALID, "line %u: %s stands here for the second time", line, key);
	if (v.n == 0)
		return er_fail(r->err, ER_ERR_INVALID, "line %u: %s has no value", line, key);
	if (!er_utf8_valid(v))
		return er_fail(r->err, ER_ERR_INVALID, "line %u: the value of %s is not UTF-8; encode it, as base64 for example", line,
		               key);
	er_out_str(r->out, key, v);
	return true;
}

/* One NAME=value; the reader stands at the line's first letter. */
static bool take_one(reader *r)
{
	ER_ASSERT(r->rest.n > 0);
	unsigned line = r->line;
	er_slice whole = er_slice_head(r->rest, er_slice_find(r->rest, '\n'));
	size_t equals = er_slice_find(whole, '='), export = er_slice_starts(whole, ER_LIT("export ")) ? 7 : 0;
	er_slice name = export < equals ? er_slice_trim(er_slice_from(er_slice_head(whole, equals), export)) : (er_slice){0};
	/* The line itself may be a piece of a secret: it is not shown. */
	if (equals == whole.n || !er_var_name_ok(name))
		return er_fail(r->err, ER_ERR_INVALID,
		               "line %u: NAME=value is expected (NAME: letters, digits and _, at most 63); a value of several lines "
		               "stands in quotes",
		               line);
	er_buf value = {0};
	skip(r, equals + 1);
	bool ok = take_value(r, name, &value) && put_in(r, line, name, er_buf_slice(&value));
	if (value.p != NULL)
		explicit_bzero(value.p, value.cap);
	er_buf_fini(&value);
	return ok;
}

bool er_dotenv_parse(er_slice text, er_out *out, size_t *n, er_err *err)
{
	reader r = {.rest = text, .line = 1, .out = out, .names = er_map_new(), .err = err};
	bool ok = true;
	if (er_slice_starts(text, ER_LIT("\xef\xbb\xbf")))
		r.rest = er_slice_from(text, 3);
	while (ok && r.rest.n > 0) {
		uint8_t c = r.rest.p[0];
		if (c == '#')
			(void)take_line(&r);
		else if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			skip(&r, 1);
		else
			ok = take_one(&r);
	}
	*n = er_map_len(r.names);
	er_map_free(r.names);
	return ok;
}
