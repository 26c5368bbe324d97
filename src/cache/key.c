/* Pure; the arena belongs to whoever asks. */
#include "cache/key.h"

#include "base/mem.h"
#include "http/url.h"

enum { BEFORE = 3 }; /* origin, scheme, Host: each ends with a blank */

/* All that is in a key beside scope and parts. */
typedef struct key_texts {
	er_slice origin, scheme, host, authority, target;
} key_texts;

static er_slice join(er_arena *a, uint8_t scope, const key_texts *k, er_slice parts)
{
	const er_slice texts[] = {k->origin, k->scheme, k->host, k->authority, k->target};
	const size_t n_texts = sizeof texts / sizeof *texts;
	size_t n = 1 + BEFORE + (parts.n > 0) + parts.n;
	for (size_t i = 0; i < n_texts; i++)
		n += texts[i].n;
	if (n > ER_KEY_MAX)
		return (er_slice){0};
	uint8_t *to = er_arena_alloc(a, n), *q = to;
	*q++ = scope;
	for (size_t i = 0; i < n_texts; i++) {
		er_copy(q, texts[i].p, texts[i].n);
		q += texts[i].n;
		if (i < BEFORE)
			*q++ = ' ';
	}
	if (parts.n > 0)
		*q++ = ' ';
	er_copy(q, parts.p, parts.n);
	q += parts.n;
	ER_ASSERT(q == to + n);
	return er_slice_of(to, n);
}

static er_slice host_in_key(const er_request *req)
{
	return er_slice_eq(req->host, req->authority) ? (er_slice){0} : req->host;
}

er_slice er_key_of(er_arena *a, uint8_t scope, er_slice origin, const er_request *req, er_slice target, er_slice parts)
{
	const key_texts k = {origin, req->scheme, host_in_key(req), req->authority, target};
	return join(a, scope, &k, parts);
}

/* A key that is a URL is known by that URL's authority and target, also to purges. */
static bool key_is_url(er_arena *a, er_slice key, key_texts *k)
{
	er_url u;
	if (!er_slice_starts(key, ER_LIT("http://")) && !er_slice_starts(key, ER_LIT("https://")))
		return false;
	if (!er_url_parse(&u, key, NULL))
		return false;
	er_slice protocol = er_url_get(&u, ER_URL_PROTOCOL);
	k->scheme = er_arena_printf(a, "%.*s:%.*s", ER_FMT(k->scheme), ER_FMT(er_slice_head(protocol, protocol.n - 1)));
	k->authority = er_arena_copy(a, er_url_get(&u, ER_URL_HOST));
	k->target = er_arena_printf(a, "%.*s%.*s", ER_FMT(er_url_get(&u, ER_URL_PATHNAME)), ER_FMT(er_url_get(&u, ER_URL_SEARCH)));
	er_url_fini(&u);
	return true;
}

/* A key that is no URL has the place of a path. Neither a blank, which ends it, nor a line's end is
 * left in it, and no two keys become one. */
static er_slice key_as_path(er_arena *a, er_slice key)
{
	static const char hex[] = "0123456789ABCDEF";
	uint8_t *to = er_arena_alloc(a, 1 + 3 * key.n), *q = to;
	*q++ = '/';
	for (size_t i = 0; i < key.n; i++) {
		uint8_t c = key.p[i];
		if (c > ' ' && c < 0x7f && c != '%') {
			*q++ = c;
			continue;
		}
		*q++ = '%';
		*q++ = (uint8_t)hex[c >> 4];
		*q++ = (uint8_t)hex[c & 15];
	}
	return er_slice_of(to, (size_t)(q - to));
}

er_slice er_key_apart(er_arena *a, uint8_t scope, er_slice origin, const er_request *req, er_slice target, er_slice parts,
                      const er_wishes *wishes)
{
	static const char *const modes[] = {
	    [ER_REDIRECT_FOLLOW] = "", [ER_REDIRECT_MANUAL] = "manual", [ER_REDIRECT_ERROR] = "error"};
	const er_cache_wishes *w = wishes->cache;
	const char *kind = w->store.n > 0 ? "cache:" : w->key.n > 0 ? "key" : w->foreign ? "fetch" : "site";
	er_slice scheme = er_arena_printf(a, "routine:%.*s:", ER_FMT(w->owner));
	if (w->born > 0)
		scheme = er_arena_printf(a, "%.*s%llu:", ER_FMT(scheme), (unsigned long long)w->born);
	scheme = er_arena_printf(a, "%.*s%s%.*s", ER_FMT(scheme), kind, ER_FMT(w->store));
	key_texts k = {origin, scheme, host_in_key(req), req->authority, target};
	if (w->key.n == 0) {
		k.scheme = er_arena_printf(a, "%.*s:%.*s", ER_FMT(k.scheme), ER_FMT(req->scheme));
	} else {
		k.host = parts = (er_slice){0};
		if (!key_is_url(a, w->key, &k))
			k.target = key_as_path(a, w->key);
	}
	if (w->resolve.n > 0)
		parts = er_arena_printf(a, "%.*sresolve %.*s\n", ER_FMT(parts), ER_FMT(w->resolve));
	if (w->foreign && wishes->redirect != ER_REDIRECT_FOLLOW)
		parts = er_arena_printf(a, "%.*sredirect %s\n", ER_FMT(parts), modes[wishes->redirect]);
	return join(a, scope, &k, parts);
}

bool er_key_owner(er_slice key, uint8_t *scope, er_slice *routine)
{
	const er_slice mark = ER_LIT("routine:");
	if (key.n == 0)
		return false;
	er_slice rest = er_slice_from(key, 1);
	rest = er_slice_from(rest, er_slice_find(rest, ' ') + 1);
	if (!er_slice_starts(rest, mark))
		return false;
	*scope = key.p[0];
	rest = er_slice_from(rest, mark.n);
	*routine = er_slice_head(rest, er_slice_find(rest, ':'));
	return true;
}

/* How much of the key is before the scheme of its URL, and where that ends. */
static size_t before_scheme(er_slice key, size_t *end)
{
	size_t at = er_slice_find(key, ' ') + 1;
	*end = at + er_slice_find(er_slice_from(key, at), ' ');
	size_t colon = *end;
	while (colon > at && key.p[colon - 1] != ':')
		colon--;
	return colon;
}

er_slice er_key_scheme(er_slice key)
{
	size_t end, begin = before_scheme(key, &end);
	return er_slice_of(key.p + begin, end - begin);
}

er_slice er_key_store(er_slice key)
{
	size_t end;
	return er_slice_head(key, before_scheme(key, &end));
}

/* Further parts (rules.c) begin otherwise, and each ends with a line feed. */
er_slice er_key_of_pieces(er_arena *a, er_slice key)
{
	const er_slice end = ER_LIT(" pieces");
	if (key.n + end.n > ER_KEY_MAX)
		return (er_slice){0};
	/* not printed: its first byte, the scope, may be 0 */
	uint8_t *to = er_arena_alloc(a, key.n + end.n);
	er_copy(to, key.p, key.n);
	er_copy(to + key.n, end.p, end.n);
	return er_slice_of(to, key.n + end.n);
}

er_slice er_key_where(er_slice key)
{
	for (unsigned i = 0; i < BEFORE; i++) {
		size_t at = er_slice_find(key, ' ');
		key = er_slice_from(key, at < key.n ? at + 1 : at);
	}
	return er_slice_head(key, er_slice_find(key, ' '));
}

er_slice er_key_target(er_slice key)
{
	er_slice where = er_key_where(key);
	return er_slice_from(where, er_slice_find(where, '/'));
}
