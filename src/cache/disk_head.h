/* What the payloads of a cache file say: a stored response as bytes, and bytes as a stored
 * response. Pure but for the times, which are arguments. What is read is checked as if a stranger
 * had written it. */
#ifndef ER_CACHE_DISK_HEAD_H
#define ER_CACHE_DISK_HEAD_H

#include "base/buf.h"
#include "cache/disk_format.h"
#include "cache/stored.h"

enum {
	ER_DISK_FIELDS = 1024, /* of a head, at most */
};

/* A coded form of the body (content.h), or the lack of one: `length` 0. */
typedef struct er_disk_form {
	uint64_t id; /* of its parts; 0: `bytes` is all of it */
	uint64_t length;
	er_slice bytes;
} er_disk_form;

/* Appends the payload of a HEAD. `id`: of its parts; 0: the body, which is `body`, is in it.
 * `forms`: one for each coding; NULL: there are none.
 * `now_us` (monotonic) and `now` (seconds since 1970) are the same moment: a head has no age but at
 * a moment that a restart does not forget. False: there is no room in a record for it. */
ER_MUST_CHECK bool er_disk_head_put(er_buf *to, const er_stored *s, uint64_t id, uint64_t length, er_slice body,
                                    const er_disk_form *forms, uint64_t now_us, int64_t now);

/* A head as it was read; slices lie in the payload, the arrays in the arena. */
typedef struct er_disk_head {
	er_slice key, reason, body;
	int status;
	er_fields fields;
	er_variant variant;
	er_freshness fresh; /* age: at `now` of er_disk_head_get */
	int64_t came;       /* since 1970 */
	uint64_t id;        /* of its parts; 0: body is all of it */
	uint64_t length;    /* of the body */
	uint64_t site;      /* of er_scopes */
	const uint64_t *tags;
	uint32_t n_tags;
	er_disk_form forms[ER_CODINGS];
} er_disk_head;

/* `now`: seconds since 1970. A clock that went back since makes nothing younger than it was. */
ER_MUST_CHECK bool er_disk_head_get(er_slice payload, int64_t now, er_arena *a, er_disk_head *out);

/* Appends the payload of a FORK: the answers of this key vary on these names. `branch` is in the
 * hashes of their heads. */
void er_disk_fork_put(er_buf *to, er_slice key, const er_variant *names, uint64_t branch);
typedef struct er_disk_fork {
	er_slice key;
	er_variant names; /* without values */
	uint64_t branch;
} er_disk_fork;
ER_MUST_CHECK bool er_disk_fork_get(er_slice payload, er_disk_fork *out);
/* Where the head of a variant is looked up. */
er_disk_hash er_disk_hash_variant(const er_disk_secret *secret, er_disk_hash key, uint64_t branch, const er_variant *v);

#endif
