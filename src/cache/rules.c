/* Pure but for the count. An answer is not judged in another way because of rules: what it says is
 * rewritten (er_rules_said), and then read as every answer is. */
#include "cache/rules.h"

#include "base/buf.h"
#include "base/mem.h"
#include "http/directives.h"

#include <stdlib.h>

enum { MAGIC = 0x52554c45, PARAMETERS = 256 };

/* ---- life ---- */

static void copy_names(er_arena *a, er_rules_names *to, const er_rules_names *from)
{
	ER_ASSERT(from->n <= ER_RULES_NAMES);
	for (size_t i = 0; i < from->n; i++)
		to->v[i] = er_arena_copy(a, from->v[i]);
	to->n = from->n;
}

er_cache_rules *er_cache_rules_new(const er_cache_rules *like)
{
	er_cache_rules *r = ER_NEW(er_cache_rules);
	*r = *like;
	r->magic = MAGIC;
	r->refs = 1;
	r->arena = (er_arena){0};
	er_arena *a = &r->arena;
	copy_names(a, &r->query_names, &like->query_names);
	copy_names(a, &r->headers, &like->headers);
	copy_names(a, &r->cookies, &like->cookies);
	copy_names(a, &r->ignore, &like->ignore);
	copy_names(a, &r->bypass_cookies, &like->bypass_cookies);
	copy_names(a, &r->bypass_paths, &like->bypass_paths);
	ER_ASSERT(like->n_ttl <= ER_RULES_TTLS);
	for (size_t i = 0; i < like->n_ttl; i++)
		r->ttl[i].path = er_arena_copy(a, like->ttl[i].path);
	return r;
}

er_cache_rules *er_cache_rules_ref(er_cache_rules *r)
{
	if (r != NULL)
		__atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED);
	return r;
}

void er_cache_rules_unref(er_cache_rules *r)
{
	if (r == NULL)
		return;
	ER_CHECK(r, MAGIC);
	if (__atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	er_arena_fini(&r->arena);
	r->magic = 0;
	er_free(r);
}

/* ---- names ---- */

static bool matches(er_slice pattern, er_slice text)
{
	bool star = pattern.n > 0 && pattern.p[pattern.n - 1] == '*';
	return star ? er_slice_starts(text, er_slice_head(pattern, pattern.n - 1)) : er_slice_eq(text, pattern);
}

static bool among(const er_rules_names *names, er_slice text)
{
	for (size_t i = 0; i < names->n; i++)
		if (matches(names->v[i], text))
			return true;
	return false;
}

static er_slice path_of(er_slice target)
{
	return er_slice_head(target, er_slice_find(target, '?'));
}

/* The next cookie of the request: "name" and its value. State: which field, and what is left
 * of it. */
typedef struct cookies {
	const er_fields *fields;
	uint32_t next;
	er_slice rest;
} cookies;

static bool next_cookie(cookies *c, er_slice *name, er_slice *value)
{
	er_slice one;
	for (;;) {
		while (er_slice_split(&c->rest, ';', &one)) {
			size_t n = er_slice_find(one, '=');
			*name = er_slice_trim(er_slice_head(one, n));
			*value = er_slice_trim(er_slice_from(one, n < one.n ? n + 1 : n));
			if (name->n > 0)
				return true;
		}
		while (c->next < c->fields->n && !er_slice_ieq(c->fields->v[c->next].name, ER_LIT("cookie")))
			c->next++;
		if (c->next == c->fields->n)
			return false;
		c->rest = c->fields->v[c->next++].value;
	}
}

bool er_rules_bypass(const er_cache_rules *r, er_slice target, const er_fields *request)
{
	if (r == NULL)
		return false;
	if (r->bypass_paths.n > 0 && among(&r->bypass_paths, path_of(target)))
		return true;
	cookies c = {.fields = request};
	er_slice name, value;
	while (r->bypass_cookies.n > 0 && next_cookie(&c, &name, &value))
		if (among(&r->bypass_cookies, name))
			return true;
	return false;
}

/* ---- the query ---- */

static bool in_key(const er_cache_rules *r, er_slice parameter)
{
	er_slice name = er_slice_head(parameter, er_slice_find(parameter, '='));
	switch (r->query) {
	case ER_RULES_QUERY_NONE:
		return false;
	case ER_RULES_QUERY_ONLY:
		return among(&r->query_names, name);
	case ER_RULES_QUERY_EXCEPT:
		return !among(&r->query_names, name);
	default:
		return true;
	}
}

/* By name; those of one name keep their order, which may mean something. */
static int by_name(const void *one, const void *other)
{
	const er_slice *a = one, *b = other;
	er_slice x = er_slice_head(*a, er_slice_find(*a, '=')), y = er_slice_head(*b, er_slice_find(*b, '='));
	int rank = er_slice_compare(x, y);
	return rank != 0 ? rank : a->p < b->p ? -1 : a->p > b->p;
}

er_slice er_rules_target(const er_cache_rules *r, er_arena *a, er_slice target)
{
	size_t at = er_slice_find(target, '?');
	if (r == NULL || at == target.n || (r->query == ER_RULES_QUERY_ALL && !r->sort_query))
		return target;
	er_slice rest = er_slice_from(target, at + 1), one, kept[PARAMETERS];
	size_t n = 0;
	while (er_slice_split(&rest, '&', &one)) {
		if (!in_key(r, one) || (r->sort_query && one.n == 0))
			continue;
		if (n == PARAMETERS) /* as it is: a key of its own */
			return target;
		kept[n++] = one;
	}
	if (r->sort_query)
		qsort(kept, n, sizeof *kept, by_name);
	uint8_t *to = er_arena_alloc(a, target.n + 1), *p = to;
	er_copy(p, target.p, at);
	p += at;
	for (size_t i = 0; i < n; i++) {
		*p++ = i == 0 ? '?' : '&';
		er_copy(p, kept[i].p, kept[i].n);
		p += kept[i].n;
	}
	ER_ASSERT((size_t)(p - to) <= target.n + 1);
	return er_slice_of(to, (size_t)(p - to));
}

/* ---- further parts of the key ---- */

static bool contains(er_slice text, er_slice part)
{
	for (size_t i = 0; i + part.n <= text.n; i++)
		if (er_slice_ieq(er_slice_of(text.p + i, part.n), part))
			return true;
	return false;
}

er_slice er_rules_device(const er_fields *request)
{
	static const struct {
		const char *part, *device;
	} signs[] = {
	    {"bot", "bot"},     {"crawler", "bot"},   {"spider", "bot"},     {"slurp", "bot"},
	    {"ipad", "tablet"}, {"tablet", "tablet"}, {"kindle", "tablet"},  {"iphone", "mobile"},
	    {"ipod", "mobile"}, {"mobi", "mobile"},   {"android", "tablet"}, /* without "Mobile" */
	};
	const er_slice *agent = er_fields_get(request, ER_LIT("user-agent"));
	er_slice text = agent != NULL ? er_slice_head(*agent, 512) : (er_slice){0};
	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
		if (contains(text, er_slice_cstr(signs[i].part)))
			return er_slice_cstr(signs[i].device);
	return ER_LIT("desktop");
}

/* A line that no field's value can hold: values have no line ends. */
static void put_part(er_buf *b, const char *kind, er_slice name, er_slice value, bool there)
{
	er_buf_put_cstr(b, kind);
	er_buf_put(b, name);
	er_buf_putc(b, there ? '=' : '!');
	er_buf_put(b, value);
	er_buf_putc(b, '\n');
}

static void put_header(er_buf *b, er_slice name, const er_fields *request)
{
	bool there = false;
	for (uint32_t i = 0; i < request->n; i++) {
		if (!er_slice_ieq(request->v[i].name, name))
			continue;
		put_part(b, "field ", name, er_slice_trim(request->v[i].value), true);
		there = true;
	}
	if (!there)
		put_part(b, "field ", name, (er_slice){0}, false);
}

static void put_cookies(er_buf *b, const er_rules_names *names, const er_fields *request)
{
	cookies c = {.fields = request};
	er_slice name, value;
	while (names->n > 0 && next_cookie(&c, &name, &value))
		if (among(names, name) && er_buf_len(b) <= ER_RULES_PARTS)
			put_part(b, "cookie ", name, value, true);
}

bool er_rules_have_parts(const er_cache_rules *r)
{
	return r != NULL && (r->headers.n > 0 || r->cookies.n > 0 || r->device);
}

bool er_rules_parts(const er_cache_rules *r, er_arena *a, const er_fields *request, er_slice *out)
{
	*out = (er_slice){0};
	if (!er_rules_have_parts(r))
		return true;
	er_buf b = {0};
	for (size_t i = 0; i < r->headers.n; i++)
		put_header(&b, r->headers.v[i], request);
	put_cookies(&b, &r->cookies, request);
	if (r->device)
		put_part(&b, "", ER_LIT("device"), er_rules_device(request), true);
	bool ok = er_buf_len(&b) <= ER_RULES_PARTS;
	if (ok)
		*out = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	return ok;
}

/* ---- answers ---- */

unsigned er_rules_codings(const er_cache_rules *r)
{
	return ER_CODED_ALL & ~(r != NULL ? (unsigned)r->no_coding : 0);
}

bool er_rules_hides(const er_cache_rules *r, er_slice name)
{
	return r != NULL && r->ignore.n > 0 && er_slice_ieq(name, ER_LIT("set-cookie")) && among(&r->ignore, ER_LIT("set-cookie"));
}

static bool ignored(const er_cache_rules *r, er_slice name)
{
	for (size_t i = 0; i < r->ignore.n; i++)
		if (er_slice_ieq(name, r->ignore.v[i]))
			return true;
	return false;
}

static const er_rules_ttl *ttl_of(const er_cache_rules *r, er_slice target, int status)
{
	for (size_t i = 0; i < r->n_ttl; i++) {
		const er_rules_ttl *t = &r->ttl[i];
		if (status >= t->status_least && status <= t->status_most && matches(t->path, path_of(target)))
			return t;
	}
	return NULL;
}

/* Not for a shared cache, whatever lifetime the operator says. */
static bool kept_from_others(const er_fields *said)
{
	er_cache_directives d;
	if (!er_cache_control_targeted(said, &d))
		d = er_cache_control(said);
	bool shared = d.public_ || d.s_maxage != ER_CACHE_ABSENT;
	return d.private_ || d.no_store || (er_fields_get(said, ER_LIT("set-cookie")) != NULL && !shared);
}

void er_rules_put_lifetime(er_fields *said, er_arena *a, int64_t seconds)
{
	er_cache_directives d;
	if (!er_cache_control_targeted(said, &d))
		d = er_cache_control(said);
	er_buf b = {0};
	er_buf_printf(&b, "max-age=%lld", (long long)seconds);
	if (d.public_ || d.s_maxage != ER_CACHE_ABSENT)
		er_buf_puts(&b, ", public");
	if (d.stale_while_revalidate > 0)
		er_buf_printf(&b, ", stale-while-revalidate=%lld", (long long)d.stale_while_revalidate);
	if (d.stale_if_error > 0)
		er_buf_printf(&b, ", stale-if-error=%lld", (long long)d.stale_if_error);
	(void)er_fields_del(said, ER_LIT("age")); /* it counts from now */
	er_fields_set(said, a, ER_LIT("cdn-cache-control"), er_arena_copy(a, er_buf_slice(&b)));
	er_buf_fini(&b);
}

const er_fields *er_rules_said(const er_cache_rules *r, er_arena *a, er_slice target, int status, const er_fields *response)
{
	if (r == NULL || (r->ignore.n == 0 && r->n_ttl == 0))
		return response;
	er_fields *said = er_arena_alloc(a, sizeof *said);
	*said = (er_fields){0};
	for (uint32_t i = 0; i < response->n; i++)
		if (!ignored(r, response->v[i].name))
			er_fields_add(said, a, response->v[i].name, response->v[i].value);
	const er_rules_ttl *ttl = ttl_of(r, target, status);
	if (ttl != NULL && !kept_from_others(said))
		er_rules_put_lifetime(said, a, ttl->seconds);
	return said;
}

void er_rules_stale(const er_cache_rules *r, er_freshness *fresh)
{
	if (r == NULL || fresh->strict)
		return;
	if (fresh->while_revalidate == 0)
		fresh->while_revalidate = r->while_revalidate;
	if (fresh->if_error == 0)
		fresh->if_error = r->if_error;
}
