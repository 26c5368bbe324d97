/* Static files (assets.db): bytes by their hash, each once a routine. What a version has of them
 * its manifest says, a text in the version (er_version_data.assets).
 *
 * A routine's files are its own: whoever may deploy one must not learn, by a hash, that another has
 * a file, nor get it; nor that the routine had it which had the name before. Files are put first,
 * and named by a version later; what no version names is removed an hour after it was last put or
 * asked for.
 *
 * Any thread. Blocking. */
#ifndef ER_STORE_ASSET_H
#define ER_STORE_ASSET_H

#include "store/store.h"

enum {
	ER_ASSET_MAX = 25 << 20, /* bytes of a file */
	ER_ASSET_GRACE_S = 3600, /* that a file stays without a version */
};
#define ER_ASSETS_QUOTA ((uint64_t)4 << 30) /* bytes of all files of a routine */
enum { ER_ASSETS_QUOTA_FILES = 200000 /* so many of them, in all its versions */ };

typedef struct er_asset {
	er_hash hash;
	er_slice bytes;
} er_asset;

/* Which of these files are not there: fills missing[]. The others count as asked for. `lengths`:
 * what they have, for who says it; or NULL. */
ER_MUST_CHECK bool er_asset_missing(er_store *s, er_slice routine, const er_hash *hashes, const uint32_t *lengths, size_t n,
                                    bool *missing, er_err *err);
/* All in one transaction, durable when it returns. INVALID: bytes without that hash; TOO_LARGE: a
 * file, or the routine's quota. */
ER_MUST_CHECK bool er_asset_put(er_store *s, er_slice routine, const er_asset *assets, size_t n, er_err *err);
/* n bytes of a file of `length` bytes, from `from` on. The whole of it is verified. */
ER_MUST_CHECK bool er_asset_read(er_store *s, er_slice routine, const er_hash *hash, uint64_t length, uint64_t from, uint8_t *to,
                                 size_t n, er_err *err);

typedef struct er_asset_tally {
	uint64_t files, bytes;
} er_asset_tally;
/* What is there of a routine. */
ER_MUST_CHECK bool er_asset_count(er_store *s, er_slice routine, er_asset_tally *out, er_err *err);

/* Removes what no version names, of the next routine in their order; *over: it was the last one,
 * and the next call begins anew. `grace_s`: ER_ASSET_GRACE_S. Takes as long as the routine has
 * files, and holds up others that write no longer than for some of them at a time. `stop`
 * (atomic; may be NULL): true ends it soon. One thread at a time; nothing happens while a backup is
 * made. */
ER_MUST_CHECK bool er_asset_sweep(er_store *s, unsigned grace_s, const bool *stop, unsigned *removed, bool *over, er_err *err);

#endif
