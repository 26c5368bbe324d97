/* Pure; the arena belongs to whoever asks. */
#include "cache/key.h"

#include "base/mem.h"

enum { BEFORE = 3 }; /* origin, scheme, Host: each ends with a blank */

er_slice er_key_of(er_arena *a, uint8_t scope, er_slice origin, const er_request *req, er_slice target, er_slice parts)
{
	er_slice host = er_slice_eq(req->host, req->authority) ? (er_slice){0} : req->host;
	const er_slice texts[] = {origin, req->scheme, host, req->authority, target};
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
