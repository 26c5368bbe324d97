/* A folder of static files at the desk: which files a deployment takes of it, with their hashes.
 *
 * Hidden files (a dot before the name, but for .well-known), node_modules and er.jsonc are left
 * out, and so is what the folder's .erignore (or .assetsignore) names, in the syntax of
 * .gitignore. Links to files of the folder are files; links that lead out of it, and links to
 * folders, are mistakes. */
#ifndef ER_CLI_FOLDER_H
#define ER_CLI_FOLDER_H

#include "assets/manifest.h"
#include "base/arena.h"
#include "base/err.h"

typedef struct er_folder {
	er_arena arena;
	char *root;            /* absolute, without links */
	er_assets_file *files; /* sorted by path */
	size_t n;
	uint64_t bytes;
	char **folders; /* absolute, the root first: what a watcher watches */
	size_t n_folders;
} er_folder;

/* Reads and checks everything: bounds, paths, the rules of _headers and _redirects. False: *err
 * names the file. er_folder_free in either case. */
ER_MUST_CHECK bool er_folder_read(er_folder *f, const char *root, er_err *err);
void er_folder_free(er_folder *f);
/* The bytes of a file, into `to`, which has room for all of them. False: it cannot be read, or is
 * another one by now. */
ER_MUST_CHECK bool er_folder_file(const er_folder *f, const er_assets_file *file, uint8_t *to, er_err *err);

#endif
