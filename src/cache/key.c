/* Pure; the arena belongs to whoever asks. */
#include "cache/key.h"

#include "base/mem.h"

enum { PARTS_BEFORE = 3 }; /* origin, scheme, Host: each ends with a blank */

er_slice er_key_of(er_arena *a, uint8_t scope, er_slice origin, const er_request *req, er_slice target)
{
	er_slice host = er_slice_eq(req->host, req->authority) ? (er_slice){0} : req->host;
	const er_slice parts[] = {origin, req->scheme, host, req->authority, target};
	const size_t n_parts = sizeof parts / sizeof *parts;
	size_t n = 1 + PARTS_BEFORE;
	for (size_t i = 0; i < n_parts; i++)
		n += parts[i].n;
	if (n > ER_KEY_MAX)
		return (er_slice){0};
	uint8_t *to = er_arena_alloc(a, n), *q = to;
	*q++ = scope;
	for (size_t i = 0; i < n_parts; i++) {
		er_copy(q, parts[i].p, parts[i].n);
		q += parts[i].n;
		if (i < PARTS_BEFORE)
			*q++ = ' ';
	}
	ER_ASSERT(q == to + n);
	return er_slice_of(to, n);
}

er_slice er_key_where(er_slice key)
{
	for (unsigned i = 0; i < PARTS_BEFORE; i++) {
		size_t at = er_slice_find(key, ' ');
		key = er_slice_from(key, at < key.n ? at + 1 : at);
	}
	return key;
}
