/* Rules without placeholders lie in a map, the others in a list that a request walks, at most a
 * hundred of them. Both know their place in the file, and the earlier one counts. */
#include "assets/redirects.h"

enum { PARTS = 4, FOUND = 302, REWRITE = 200 };

/* ---- reading ---- */

static bool refuse(er_err *err, unsigned line, const char *why, er_slice what)
{
	return er_fail(err, ER_ERR_INVALID, "_redirects, line %u: %s: %.*s", line, why, ER_FMT(er_slice_head(what, 120)));
}

/* What is between white space; what begins with "#" behind a space begins a comment. */
static size_t cut(er_slice line, er_slice parts[PARTS])
{
	size_t n = 0;
	while (n < PARTS && (line = er_slice_trim(line)).n > 0) {
		size_t end = 0;
		while (end < line.n && line.p[end] != ' ' && line.p[end] != '\t')
			end++;
		if (n > 0 && line.p[0] == '#')
			break;
		parts[n++] = er_slice_head(line, end);
		line = er_slice_from(line, end);
	}
	return n;
}

static bool read_status(er_slice text, int *out)
{
	static const int known[] = {200, 301, 302, 303, 307, 308};
	uint64_t number;
	if (!er_slice_u64(text, &number))
		return false;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (number == (uint64_t)known[i]) {
			*out = known[i];
			return true;
		}
	return false;
}

static bool is_url(er_slice text)
{
	return er_slice_starts(text, ER_LIT("https://")) || er_slice_starts(text, ER_LIT("http://"));
}

/* Where a rule leads: printable, and bytes that are no ASCII encoded. */
static bool read_to(er_arena *a, er_slice text, er_slice *out)
{
	er_buf b = {0};
	bool ok = is_url(text) || (text.n > 0 && text.p[0] == '/');
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		ok = ok && c > 0x20 && c != 0x7f && c != '\\' && c != '"' && c != '<' && c != '>';
		if (c < 0x80)
			er_buf_putc(&b, c);
		else
			er_rule_encode(&b, er_slice_of(&c, 1));
	}
	*out = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	return ok;
}

static bool rule_ok(const er_redirects_rule *r, er_slice line, unsigned number, er_err *err)
{
	er_slice missing;
	if (!er_rule_knows(&r->pattern, r->to, &missing))
		return refuse(err, number, "it leads to a placeholder that the path has not", missing);
	if (r->status == REWRITE && r->to.p[0] != '/')
		return refuse(err, number, "status 200 answers with a file of this site: a path is expected", r->to);
	if (r->status != REWRITE && er_slice_eq(r->pattern.path, r->to))
		return refuse(err, number, "it leads to itself", line);
	return true;
}

static bool read_rule(er_arena *a, er_slice line, unsigned number, er_redirects_rule *out, er_err *err)
{
	er_slice parts[PARTS];
	const char *why;
	size_t n = cut(line, parts);
	*out = (er_redirects_rule){.status = FOUND, .order = number};
	if (n < 2 || n > 3)
		return refuse(err, number, "a path, where it leads, and perhaps a status are expected", line);
	if (!er_rule_read(parts[0], false, &out->pattern, &why))
		return refuse(err, number, why, parts[0]);
	if (er_slice_find(parts[0], '?') < parts[0].n || er_slice_find(parts[0], '#') < parts[0].n)
		return refuse(err, number, "a path is matched without its query", parts[0]);
	if (!read_to(a, parts[1], &out->to))
		return refuse(err, number, "a path of this site or a URL with https:// or http:// is expected", parts[1]);
	if (n == 3 && !read_status(parts[2], &out->status))
		return refuse(err, number, "200, 301, 302, 303, 307 or 308 is expected", parts[2]);
	return rule_ok(out, line, number, err);
}

/* Both kinds of a path stand beside each other, by a first byte that no path begins with. */
static er_slice key_of(er_slice path, bool rewrite, uint8_t *room, size_t cap)
{
	if (path.n + 1 > cap)
		return (er_slice){0};
	room[0] = rewrite ? 'w' : 'r';
	er_copy(room + 1, path.p, path.n);
	return er_slice_of(room, path.n + 1);
}

static void keep_plain(er_arena *a, er_redirects *out, const er_redirects_rule *rule)
{
	uint8_t room[ER_REDIRECTS_LINE + 1];
	er_slice key = key_of(rule->pattern.path, rule->status == REWRITE, room, sizeof room);
	if (er_map_get(out->plain, key) != NULL)
		return; /* the first one counts */
	er_redirects_rule *kept = er_arena_alloc(a, sizeof *kept);
	*kept = *rule;
	(void)er_map_set(out->plain, key, kept);
}

bool er_redirects_read(er_arena *a, er_slice text, er_redirects *out, er_err *err)
{
	unsigned number = 0;
	size_t plain = 0;
	*out = (er_redirects){.plain = er_map_new(), .rules = er_arena_alloc(a, ER_REDIRECTS_RULES * sizeof *out->rules)};
	if (text.n > ER_REDIRECTS_FILE)
		return er_fail(err, ER_ERR_TOO_LARGE, "_redirects has %zu bytes; it may have %d", text.n, ER_REDIRECTS_FILE);
	if (!er_utf8_valid(text))
		return er_fail(err, ER_ERR_INVALID, "_redirects is not UTF-8");
	for (er_slice line; er_rule_line(&text, &number, &line);) {
		er_redirects_rule rule;
		if (line.n > ER_REDIRECTS_LINE)
			return refuse(err, number, "the line is longer than 1000 bytes", line);
		if (!read_rule(a, line, number, &rule, err))
			return false;
		if (rule.pattern.plain && plain++ == ER_REDIRECTS_PLAIN)
			return refuse(err, number, "2000 rules without placeholders are all that there may be", line);
		if (!rule.pattern.plain && out->n == ER_REDIRECTS_RULES)
			return refuse(err, number, "100 rules with placeholders are all that there may be", line);
		if (rule.pattern.plain)
			keep_plain(a, out, &rule);
		else
			out->rules[out->n++] = rule;
	}
	return true;
}

void er_redirects_fini(er_redirects *r)
{
	er_map_free(r->plain);
	*r = (er_redirects){0};
}

/* ---- using ---- */

const er_redirects_rule *er_redirects_find(const er_redirects *r, er_slice path, bool rewrite, er_rule_found *found)
{
	uint8_t room[ER_REDIRECTS_LINE + 1];
	const er_redirects_rule *plain = NULL;
	found->n = 0;
	if (r->plain != NULL && er_map_len(r->plain) > 0) {
		er_slice key = key_of(path, rewrite, room, sizeof room);
		plain = key.n > 0 ? er_map_get(r->plain, key) : NULL;
	}
	for (size_t i = 0; i < r->n && (plain == NULL || r->rules[i].order < plain->order); i++)
		if ((r->rules[i].status == REWRITE) == rewrite &&
		    er_rule_match(&r->rules[i].pattern, (er_slice){0}, (er_slice){0}, path, found))
			return &r->rules[i];
	found->n = 0;
	return plain;
}

/* A query goes before the fragment. */
static void put_query(er_buf *to, er_slice target, er_slice query)
{
	size_t hash = er_slice_find(target, '#');
	er_buf_put(to, er_slice_head(target, hash));
	if (query.n > 0 && er_slice_find(er_slice_head(target, hash), '?') == hash) {
		er_buf_putc(to, '?');
		er_buf_put(to, query);
	}
	er_buf_put(to, er_slice_from(target, hash));
}

er_slice er_redirects_target(const er_redirects_rule *r, const er_rule_found *found, er_slice query, er_arena *a)
{
	er_buf filled = {0}, whole = {0};
	bool fits = er_rule_fill(&filled, r->to, found);
	er_slice target = er_buf_slice(&filled);
	while (r->to.p[0] == '/' && target.n > 1 && target.p[1] == '/')
		target = er_slice_from(target, 1);
	if (fits)
		put_query(&whole, target, query);
	er_slice out = er_arena_copy(a, er_buf_slice(&whole));
	er_buf_fini(&filled);
	er_buf_fini(&whole);
	return out;
}
