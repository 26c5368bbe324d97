/* Everything is checked when the file is read; the one thing that a request can bring in, what
 * stands for a placeholder, is percent-encoded. So no line of the answer's head can be made up. */
#include "assets/headers.h"

/* ---- reading ---- */

static bool refuse(er_err *err, unsigned line, const char *why, er_slice what)
{
	return er_fail(err, ER_ERR_INVALID, "_headers, line %u: %s: %.*s", line, why, ER_FMT(er_slice_head(what, 120)));
}

/* Fields that the node writes itself, because what they say depends on the request. */
static bool is_own(er_slice name)
{
	static const char *const own[] = {
	    "content-length", "content-encoding", "content-range", "accept-ranges", "etag",        "date", "host",
	    "expect",         "upgrade",          "er-error",      "last-modified", "set-cookie2", "age",  "cache-status"};
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (er_slice_ieq(name, er_slice_cstr(own[i])))
			return true;
	return er_field_hop_by_hop(name);
}

static bool read_field(er_slice line, const er_rule_pattern *of, unsigned number, er_headers_field *out, er_err *err)
{
	er_slice missing;
	*out = (er_headers_field){.away = line.p[0] == '!'};
	if (out->away)
		line = er_slice_trim(er_slice_from(line, 1));
	size_t colon = out->away ? line.n : er_slice_find(line, ':');
	out->name = er_slice_trim(er_slice_head(line, colon));
	if (!out->away && colon == line.n)
		return refuse(err, number, "a path, or \"Name: value\" is expected", line);
	if (!er_field_name_ok(out->name))
		return refuse(err, number, "this is no name of a field", out->name);
	if (is_own(out->name))
		return refuse(err, number, "the node says this field itself", out->name);
	out->value = er_slice_trim(er_slice_from(line, colon + 1));
	if (!er_field_value_ok(out->value))
		return refuse(err, number, "the value has a control character", out->name);
	if (!out->away && out->value.n == 0)
		return refuse(err, number, "a value is expected", out->name);
	/* Only what looks like one and stands in the pattern is a placeholder: values have colons. */
	(void)!er_rule_knows(of, out->value, &missing);
	return true;
}

typedef struct reading {
	er_arena *a;
	er_headers *out;
	er_headers_field *fields; /* of all rules */
	size_t n_fields;
} reading;

static bool begin_rule(reading *r, er_slice line, unsigned number, er_err *err)
{
	const char *why;
	er_headers_rule *rule = &r->out->rules[r->out->n];
	if (r->out->n == ER_HEADERS_RULES)
		return refuse(err, number, "100 rules are all that there may be", line);
	if (!er_rule_read(line, true, &rule->pattern, &why))
		return refuse(err, number, why, line);
	rule->fields = er_arena_alloc(r->a, ER_HEADERS_FIELDS * sizeof *rule->fields);
	rule->n = 0;
	r->out->n++;
	return true;
}

static bool add_field(reading *r, er_slice line, unsigned number, er_err *err)
{
	if (r->out->n == 0)
		return refuse(err, number, "a path stands before the first field", line);
	er_headers_rule *rule = &r->out->rules[r->out->n - 1];
	if (rule->n == ER_HEADERS_FIELDS)
		return refuse(err, number, "50 fields are all that a rule may have", line);
	return read_field(line, &rule->pattern, number, &rule->fields[rule->n++], err);
}

bool er_headers_read(er_arena *a, er_slice text, er_headers *out, er_err *err)
{
	unsigned number = 0;
	*out = (er_headers){.rules = er_arena_alloc(a, ER_HEADERS_RULES * sizeof *out->rules)};
	reading r = {.a = a, .out = out};
	if (text.n > ER_HEADERS_FILE)
		return er_fail(err, ER_ERR_TOO_LARGE, "_headers has %zu bytes; it may have %d", text.n, ER_HEADERS_FILE);
	if (!er_utf8_valid(text))
		return er_fail(err, ER_ERR_INVALID, "_headers is not UTF-8");
	for (er_slice line; er_rule_line(&text, &number, &line);) {
		if (line.n > ER_HEADERS_LINE)
			return refuse(err, number, "the line is longer than 2000 bytes", line);
		bool rule = line.p[0] == '/' || er_slice_starts(line, ER_LIT("https://")) || er_slice_starts(line, ER_LIT("http://"));
		if (rule ? !begin_rule(&r, line, number, err) : !add_field(&r, line, number, err))
			return false;
	}
	for (size_t i = 0; i < out->n; i++)
		if (out->rules[i].n == 0)
			return er_fail(err, ER_ERR_INVALID, "_headers: the path %.*s has no fields",
			               ER_FMT(er_slice_head(out->rules[i].pattern.path, 120)));
	return true;
}

/* ---- applying ---- */

/* An answer that rules are applied to. */
typedef struct applying {
	er_fields *fields;
	er_arena *arena;
	uint32_t n_own; /* the first so many came with the answer, and not from rules */
	size_t left;    /* bytes that it may still get */
	size_t copies;  /* bytes that may still be copied to put values together */
	size_t work;    /* bytes that may still be filled in, whether they are added or are too many */
	unsigned added; /* fields that it has got */
} applying;

/* Empty: it is too long, and left out. Filling costs time also where nothing comes of it: when that
 * is used up, the answer gets no more. */
static er_slice value_for(applying *to, const er_headers_field *f, const er_rule_found *found)
{
	if (found->n == 0)
		return f->value;
	er_buf b = {0};
	bool fits = er_rule_fill(&b, f->value, found) && er_buf_len(&b) <= to->left;
	er_slice value = fits ? er_arena_copy(to->arena, er_buf_slice(&b)) : (er_slice){0};
	size_t n = er_buf_len(&b);
	to->work -= n < to->work ? n : to->work;
	if (to->work == 0)
		to->left = 0;
	er_buf_fini(&b);
	return value;
}

static er_field *find(applying *to, er_slice name, uint32_t *at)
{
	for (*at = 0; *at < to->fields->n; ++*at)
		if (er_slice_ieq(to->fields->v[*at].name, name))
			return &to->fields->v[*at];
	return NULL;
}

static void join(applying *to, er_field *f, er_slice value)
{
	size_t n = f->value.n + value.n + 2;
	if (n > to->copies)
		return;
	to->copies -= n;
	f->value = er_arena_printf(to->arena, "%.*s, %.*s", ER_FMT(f->value), ER_FMT(value));
}

/* Fields of rules stand behind those that the answer came with, and take their place: what a rule
 * says next is added to what a rule has said. */
static void put(applying *to, er_slice name, er_slice value)
{
	uint32_t at;
	er_fields *fields = to->fields;
	er_field *f = er_slice_ieq(name, ER_LIT("set-cookie")) ? NULL : find(to, name, &at);
	if (f == NULL) {
		if (to->added++ < ER_HEADERS_ADDED)
			er_fields_add(fields, to->arena, name, value);
	} else if (at >= to->n_own || er_slice_ieq(name, ER_LIT("vary"))) {
		join(to, f, value);
	} else {
		er_field said = {f->name, value};
		memmove(f, f + 1, (fields->n - at - 1) * sizeof *f);
		fields->v[fields->n - 1] = said;
		to->n_own--;
	}
}

static void take_away(applying *to, er_slice name)
{
	uint32_t at;
	if (find(to, name, &at) != NULL && at < to->n_own)
		to->n_own--;
	(void)er_fields_del(to->fields, name);
}

static void apply_field(applying *to, const er_headers_field *f, const er_rule_found *found)
{
	if (f->away) {
		take_away(to, f->name);
		return;
	}
	if (to->left == 0)
		return;
	er_slice value = value_for(to, f, found);
	size_t n = f->name.n + value.n + 4;
	if (value.n == 0 || n > to->left)
		return;
	to->left -= n;
	put(to, f->name, value);
}

void er_headers_apply(const er_headers *h, er_slice scheme, er_slice host, er_slice path, er_fields *fields, er_arena *a)
{
	applying to = {.fields = fields,
	               .arena = a,
	               .n_own = fields->n,
	               .left = ER_HEADERS_ANSWER,
	               .copies = 8 * ER_HEADERS_ANSWER,
	               .work = 16 * ER_HEADERS_ANSWER};
	er_rule_found found;
	for (size_t i = 0; i < h->n && to.left > 0; i++) {
		const er_headers_rule *rule = &h->rules[i];
		if (!er_rule_match(&rule->pattern, scheme, host, path, &found))
			continue;
		for (size_t k = 0; k < rule->n; k++)
			apply_field(&to, &rule->fields[k], &found);
	}
}
