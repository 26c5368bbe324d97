#include "isolate/sourcemap.h"

#include "base/mem.h"

#include <jansson.h>

enum {
	MAX_JSON = 32 * 1024 * 1024,
	MAX_SOURCES = 1 << 16,
	MAX_SOURCE_NAME = 512,
	MAX_MAPPINGS = 1 << 20,
	MAX_LINES = 1 << 20,
	MAX_COORD = 1 << 24,
	MAX_FRAMES = 50,
	MAX_RAW_FRAMES = 200, /* looked at, with those left out */
	MAX_FRAME_LINE = 4096,
	MAX_NAME = 128,
};

/* All from 0. */
typedef struct mapping {
	uint32_t column;   /* of the script */
	uint32_t source;   /* NO_SOURCE: from here on nothing is mapped */
	uint32_t line, at; /* of the source */
} mapping;
#define NO_SOURCE UINT32_MAX

struct er_sourcemap {
	er_slice *sources;
	size_t n_sources;
	mapping *v;
	size_t n, cap;
	uint32_t *lines; /* lines[i]: the first mapping of line i; lines[n_lines]: n */
	size_t n_lines, cap_lines;
};

void er_sourcemap_free(er_sourcemap *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n_sources; i++)
		er_free((void *)(uintptr_t)m->sources[i].p);
	er_free(m->sources);
	er_free(m->v);
	er_free(m->lines);
	er_free(m);
}

/* ---- parsing ---- */

static int base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* A base64 VLQ (ECMA-426 5.2): the lowest bit of the value is its sign. */
static bool vlq(er_slice *s, int64_t *out)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift <= 30; shift += 5) {
		int digit = s->n ? base64_digit(s->p[0]) : -1;
		if (digit < 0)
			return false;
		*s = er_slice_from(*s, 1);
		v |= (uint64_t)(digit & 31) << shift;
		if (!(digit & 32)) {
			*out = v & 1 ? -(int64_t)(v >> 1) : (int64_t)(v >> 1);
			return true;
		}
	}
	return false;
}

static bool add_line(er_sourcemap *m)
{
	if (m->n_lines >= MAX_LINES)
		return false;
	if (m->n_lines + 1 >= m->cap_lines) {
		m->cap_lines = m->cap_lines ? m->cap_lines * 2 : 64;
		m->lines = er_realloc(m->lines, m->cap_lines * sizeof *m->lines);
	}
	m->lines[m->n_lines++] = (uint32_t)m->n;
	return true;
}

static bool add_mapping(er_sourcemap *m, mapping at)
{
	if (m->n >= MAX_MAPPINGS)
		return false;
	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 256;
		m->v = er_realloc(m->v, m->cap * sizeof *m->v);
	}
	m->v[m->n++] = at;
	return true;
}

typedef struct decoder {
	int64_t column, source, line, at; /* running sums */
} decoder;

static bool in_range(int64_t v)
{
	return v >= 0 && v < MAX_COORD;
}

/* One segment: 1, 4 or 5 numbers. Columns of a line must not go back, which keeps them sorted. */
static bool segment(er_sourcemap *m, decoder *d, er_slice *rest)
{
	int64_t delta[5];
	size_t n = 0;
	while (rest->n && rest->p[0] != ',' && rest->p[0] != ';') {
		if (n == 5 || !vlq(rest, &delta[n++]))
			return false;
	}
	if (n != 1 && n != 4 && n != 5)
		return false;
	d->column += delta[0];
	if (!in_range(d->column) || delta[0] < 0)
		return false;
	if (n == 1)
		return add_mapping(m, (mapping){.column = (uint32_t)d->column, .source = NO_SOURCE});
	d->source += delta[1];
	d->line += delta[2];
	d->at += delta[3];
	if (!in_range(d->source) || (size_t)d->source >= m->n_sources || !in_range(d->line) || !in_range(d->at))
		return false;
	return add_mapping(
	    m, (mapping){
	           .column = (uint32_t)d->column, .source = (uint32_t)d->source, .line = (uint32_t)d->line, .at = (uint32_t)d->at});
}

static bool decode(er_sourcemap *m, er_slice text)
{
	decoder d = {0};
	if (!add_line(m))
		return false;
	while (text.n) {
		uint8_t c = text.p[0];
		if (c == ';') {
			d.column = 0;
			if (!add_line(m))
				return false;
		}
		if (c == ';' || c == ',')
			text = er_slice_from(text, 1);
		else if (!segment(m, &d, &text))
			return false;
	}
	m->lines[m->n_lines] = (uint32_t)m->n; /* add_line keeps room for it */
	return true;
}

static bool take_sources(er_sourcemap *m, const json_t *list, er_err *err)
{
	size_t n = json_array_size(list);
	if (!json_is_array(list) || n > MAX_SOURCES)
		return er_fail(err, ER_ERR_INVALID, "source map: \"sources\" is no array of at most %d names", MAX_SOURCES);
	m->sources = er_zalloc((n + 1) * sizeof *m->sources);
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(list, i);
		er_slice s = json_is_string(v) ? er_slice_of(json_string_value(v), json_string_length(v)) : ER_LIT("(unknown)");
		s = er_slice_head(s, MAX_SOURCE_NAME);
		m->sources[m->n_sources++] = er_slice_of(er_strdup_slice(s), s.n);
	}
	return true;
}

er_sourcemap *er_sourcemap_parse(er_slice json, er_err *err)
{
	if (json.n == 0 || json.n > MAX_JSON) {
		er_fail(err, ER_ERR_INVALID, "source map: empty or larger than %d MB", MAX_JSON >> 20);
		return NULL;
	}
	json_error_t why;
	json_t *root = json_loadb((const char *)json.p, json.n, JSON_ALLOW_NUL, &why);
	if (root == NULL) {
		er_fail(err, ER_ERR_INVALID, "source map: line %d: %s", why.line, why.text);
		return NULL;
	}
	er_sourcemap *m = ER_NEW(er_sourcemap);
	const json_t *mappings = json_object_get(root, "mappings");
	bool ok = true;
	if (json_integer_value(json_object_get(root, "version")) != 3)
		ok = er_fail(err, ER_ERR_INVALID, "source map: \"version\" is not 3");
	else if (json_object_get(root, "sections") != NULL)
		ok = er_fail(err, ER_ERR_INVALID, "source map: maps of sections are not taken");
	else if (!json_is_string(mappings))
		ok = er_fail(err, ER_ERR_INVALID, "source map: \"mappings\" is no string");
	ok = ok && take_sources(m, json_object_get(root, "sources"), err);
	if (ok && !decode(m, er_slice_of(json_string_value(mappings), json_string_length(mappings))))
		ok = er_fail(err, ER_ERR_INVALID, "source map: \"mappings\" is malformed or has more than %d entries", MAX_MAPPINGS);
	json_decref(root);
	if (ok)
		return m;
	er_sourcemap_free(m);
	return NULL;
}

bool er_sourcemap_find(const er_sourcemap *m, uint32_t line, uint32_t column, er_source_pos *out)
{
	if (line == 0 || line > m->n_lines || column == 0)
		return false;
	/* The last mapping of the line at or before the column. */
	size_t first = m->lines[line - 1], low = first, high = m->lines[line];
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (m->v[mid].column <= column - 1)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == first || m->v[low - 1].source == NO_SOURCE)
		return false;
	const mapping *hit = &m->v[low - 1];
	*out = (er_source_pos){m->sources[hit->source], hit->line + 1, hit->at + 1};
	return true;
}

/* ---- stacks ---- */

typedef struct frame {
	er_slice name, url;
	uint32_t line, column; /* 0: not known */
} frame;

/* Cuts ":digits" off the end. */
static bool cut_number(er_slice *s, uint32_t *out)
{
	size_t i = s->n;
	while (i > 0 && s->p[i - 1] >= '0' && s->p[i - 1] <= '9')
		i--;
	uint64_t v;
	if (i == s->n || i == 0 || s->p[i - 1] != ':' || !er_slice_u64(er_slice_from(*s, i), &v) || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	*s = er_slice_head(*s, i - 1);
	return true;
}

/* "fn@url:1:2", "@url:1:2", "fn@[native code]", "url:1:2" (a global frame without a name). */
static frame frame_of(er_slice text)
{
	frame f = {0};
	size_t at = text.n;
	while (at > 0 && text.p[at - 1] != '@')
		at--;
	if (at > 0)
		f.name = er_slice_head(text, at - 1);
	f.url = er_slice_from(text, at);
	uint32_t last;
	er_slice url = f.url;
	if (cut_number(&url, &last)) {
		if (cut_number(&url, &f.line))
			f.column = last;
		else
			f.line = last;
		f.url = url;
	}
	static const er_slice async = ER_LIT("async ");
	if (er_slice_starts(f.name, async))
		f.name = er_slice_from(f.name, async.n);
	return f;
}

/* Text of strangers: no control characters, not too long, cut between characters. */
static void put_clean(er_buf *out, er_slice s, size_t most)
{
	bool cut = s.n > most;
	if (cut) {
		while (most > 0 && (s.p[most] & 0xc0) == 0x80)
			most--;
		s.n = most;
	}
	for (size_t i = 0; i < s.n; i++)
		er_buf_putc(out, s.p[i] < 0x20 || s.p[i] == 0x7f ? '?' : s.p[i]);
	if (cut)
		er_buf_puts(out, "...");
}

static void put_frame(er_buf *out, er_slice name, er_slice source, uint32_t line, uint32_t column)
{
	bool named = name.n && !er_slice_eq(name, ER_LIT("global code")) && !er_slice_eq(name, ER_LIT("module code"));
	er_buf_puts(out, "    at ");
	if (named) {
		put_clean(out, name, MAX_NAME);
		er_buf_puts(out, " (");
	}
	put_clean(out, source, MAX_NAME * 2);
	if (line)
		er_buf_printf(out, ":%u", line);
	if (line && column)
		er_buf_printf(out, ":%u", column);
	er_buf_put_cstr(out, named ? ")\n" : "\n");
}

/* True: something was written. */
static bool rewrite(const er_sourcemap *m, er_slice source_url, const frame *f, bool first, er_buf *out)
{
	er_source_pos pos;
	if (er_slice_starts(f->url, ER_LIT("er:")) || er_slice_starts(f->name, ER_LIT("er:")))
		return false;
	if (m != NULL && er_slice_eq(f->url, source_url)) {
		/* A bundle is one function that global code calls: the call itself is nothing that the author wrote. */
		if (!first && er_slice_eq(f->name, ER_LIT("global code")))
			return false;
		if (er_sourcemap_find(m, f->line, f->column, &pos)) {
			put_frame(out, f->name, pos.source, pos.line, pos.column);
			return true;
		}
		/* The bundle's own wrapping: the author never wrote it. */
		if (f->name.n == 0 || er_slice_eq(f->name, ER_LIT("global code")))
			return false;
	}
	if (f->line == 0 && er_slice_eq(f->url, ER_LIT("[native code]"))) {
		if (f->name.n == 0)
			return false;
		put_frame(out, f->name, ER_LIT("native"), 0, 0);
		return true;
	}
	put_frame(out, f->name, f->url, f->line, f->column);
	return true;
}

void er_sourcemap_stack(const er_sourcemap *m, er_slice source_url, er_slice jsc_stack, er_buf *out)
{
	er_slice text;
	unsigned written = 0;
	for (unsigned looked = 0; er_slice_split(&jsc_stack, '\n', &text); looked++) {
		if (written == MAX_FRAMES || looked == MAX_RAW_FRAMES) {
			er_buf_puts(out, "    ...\n");
			return;
		}
		text = er_slice_head(er_slice_trim(text), MAX_FRAME_LINE);
		if (text.n == 0)
			continue;
		frame f = frame_of(text);
		written += rewrite(m, source_url, &f, written == 0, out);
	}
}
