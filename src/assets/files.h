/* The static files of one version: their manifest, their rules, and how they are served. Immutable,
 * counted (atomic), shared by all gateway threads; a part of the routine's version.
 *
 * A node that knows ten thousand versions pays for those that are asked for: manifest and rules are
 * read when a first request wants them, on a thread that may wait for the disk. */
#ifndef ER_ASSETS_FILES_H
#define ER_ASSETS_FILES_H

#include "assets/find.h"
#include "assets/headers.h"
#include "assets/redirects.h"
#include "base/chunk.h"

#include <pthread.h>

typedef struct er_assets er_assets;

/* What er.jsonc says of them. */
typedef struct er_assets_settings {
	er_slice directory; /* for the tool */
	er_assets_html html;
	er_assets_not_found not_found;
	bool routine_first; /* every request meets the routine first */
	/* the same for these paths, or with "!" before not for these: "/api/..." with "*" at any place.
	 * None of the first kind: no path. */
	er_slice *patterns;
	size_t n_patterns;
} er_assets_settings;

/* Where manifests and bytes come from; outlives all that is made of it. Any thread; may block. */
typedef struct er_assets_source {
	/* The text of a manifest. False: *err. */
	bool (*manifest)(void *ctx, er_slice routine, const er_hash *hash, er_piece *out, er_err *err);
	/* n bytes of a file from `from` on. The whole of a file is verified. False: *err. */
	bool (*read)(void *ctx, er_slice routine, const er_assets_file *file, uint64_t from, uint8_t *to, size_t n, er_err *err);
	void *ctx;
} er_assets_source;

/* What is in memory of a version that was asked for. */
typedef struct er_assets_table {
	er_arena arena;
	er_piece text, headers_text, redirects_text;
	er_assets_manifest manifest;
	er_headers headers;
	er_redirects redirects;
} er_assets_table;

struct er_assets {
	uint32_t magic;
	uint32_t refs; /* atomic */
	er_assets_source *source;
	er_arena arena;
	er_slice routine;
	er_hash hash; /* of the manifest */
	bool alone;   /* the version has no code */
	er_assets_settings settings;
	er_assets_table *table; /* atomic; NULL: not read yet */
	pthread_mutex_t lock;   /* one thread reads */
};

/* Copies routine and settings. One reference. */
er_assets *er_assets_new(er_assets_source *source, er_slice routine, const er_hash *manifest, bool alone,
                         const er_assets_settings *settings);
er_assets *er_assets_ref(er_assets *s);
/* NULL is fine. */
void er_assets_unref(er_assets *s);

/* NULL: er_assets_load reads it. */
static inline const er_assets_table *er_assets_table_of(const er_assets *s)
{
	return __atomic_load_n(&s->table, __ATOMIC_ACQUIRE);
}
/* Reads manifest and rules, if nobody has. Blocks. */
ER_MUST_CHECK bool er_assets_load(er_assets *s, er_err *err);

/* Does a request for this decoded path meet the routine before the files? */
bool er_assets_routine_first(const er_assets_settings *s, er_slice path);
/* A pattern of er_assets_settings: "/" or "!/" at its beginning. */
bool er_assets_pattern_ok(er_slice pattern);

#endif
