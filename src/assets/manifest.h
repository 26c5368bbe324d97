/* The manifest of a version's static files: which paths there are, and which bytes each has, by
 * their hash. As text it is a line a file, sorted by path (memcmp):
 *
 *     <64 hexadecimal digits> <bytes> <path>
 *
 * A path begins with "/" and is what a decoded request path is compared with: UTF-8, no controls,
 * no backslash, no empty segment, no "." and "..". So no request can name what is not in the
 * manifest, whatever it writes. Pure. */
#ifndef ER_ASSETS_MANIFEST_H
#define ER_ASSETS_MANIFEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/map.h"

enum {
	ER_ASSETS_FILES = 20000,                         /* of a version */
	ER_ASSETS_PATH = 1024,                           /* bytes of a path */
	ER_ASSETS_FILE_BYTES = 25 << 20,                 /* of a file */
	ER_ASSETS_VERSION_BYTES = 1 << 30,               /* of all files of a version */
	ER_ASSETS_LINE = ER_ASSETS_PATH + 64 + 1 + 8 + 2 /* of a manifest, at most */
};

typedef struct er_assets_file {
	er_slice path;
	er_slice type; /* of er_assets_type; filled by er_assets_manifest_read */
	er_hash hash;
	uint32_t bytes;
} er_assets_file;

typedef struct er_assets_manifest {
	er_assets_file *files; /* sorted by path, each path once */
	size_t n;
	uint64_t bytes; /* of all files */
	er_map *by_path;
} er_assets_manifest;

/* May a file have this path? False: *why says what is wrong, for a person. */
ER_MUST_CHECK bool er_assets_path_ok(er_slice path, const char **why);
/* Sorts the files, and checks all bounds. False: *err names the file. */
ER_MUST_CHECK bool er_assets_manifest_make(er_assets_file *files, size_t n, er_err *err);
/* Appends the text of files that er_assets_manifest_make has sorted. */
void er_assets_manifest_write(er_buf *to, const er_assets_file *files, size_t n);
/* Reads the text, which must outlive *out; the files lie in the arena. Everything is checked.
 * er_assets_manifest_fini in either case. */
ER_MUST_CHECK bool er_assets_manifest_read(er_arena *a, er_slice text, er_assets_manifest *out, er_err *err);
void er_assets_manifest_fini(er_assets_manifest *m);
/* NULL: there is none. Files of rules (er_assets_is_rules) are found as well. */
const er_assets_file *er_assets_manifest_find(const er_assets_manifest *m, er_slice path);

/* "/_headers" and "/_redirects" say how the others are served, and are not served themselves. */
bool er_assets_is_rules(er_slice path);

#endif
