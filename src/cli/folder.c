/* The walk goes folder by folder, in the order of their names, and takes what is a file. Which
 * names are left out is decided once, for files and folders alike: what is in a folder that is left
 * out is never looked at. */
#include "cli/folder.h"

#include "assets/headers.h"
#include "assets/redirects.h"
#include "store/crypt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IGNORE_MAX = 64 * 1024, FOLDERS_MAX = 20000 };

typedef struct pattern {
	char *text;
	bool not, folders, anchored;
} pattern;

typedef struct walk {
	er_folder *f;
	er_buf files, folders; /* er_assets_file; char * */
	pattern *patterns;
	size_t n_patterns;
	er_err *err;
} walk;

/* ---- bytes ---- */

/* At most `most` bytes of a file, into the buffer. */
static bool read_all(const char *path, size_t most, er_buf *to, er_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;
	while (n > 0) {
		size_t room = most + 1 - er_buf_len(to);
		n = room > 0 ? read(fd, er_buf_reserve(to, room), room) : 0;
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			er_buf_wrote(to, (size_t)n);
	}
	bool ok = n == 0 || er_fail_errno(err, ER_ERR_IO, "cannot read %s", path);
	if (fd >= 0)
		close(fd);
	return ok && (er_buf_len(to) <= most ||
	              er_fail(err, ER_ERR_TOO_LARGE, "%s has more than %zu bytes, the most that it may have", path, most));
}

bool er_folder_file(const er_folder *f, const er_assets_file *file, uint8_t *to, er_err *err)
{
	er_buf b = {0};
	er_hash is;
	char *path = er_printf("%s%.*s", f->root, ER_FMT(file->path));
	(void)er_buf_reserve(&b, file->bytes + 1);
	bool ok = read_all(path, ER_ASSETS_FILE_BYTES, &b, err);
	er_sha256(er_buf_slice(&b), (er_slice){0}, &is);
	if (ok && (er_buf_len(&b) != file->bytes || memcmp(is.b, file->hash.b, ER_SHA256) != 0))
		ok = er_fail(err, ER_ERR_IO, "%s was changed while it was read: try again", path);
	if (ok)
		er_copy(to, b.p, file->bytes);
	er_buf_fini(&b);
	er_free(path);
	return ok;
}

/* ---- what is left out ---- */

static bool read_pattern(er_arena *a, er_slice line, pattern *out)
{
	*out = (pattern){.not = er_slice_starts(line, ER_LIT("!"))};
	line = er_slice_from(line, out->not );
	while (er_slice_starts(line, ER_LIT("**/")))
		line = er_slice_from(line, 3);
	if (line.n > 1 && line.p[line.n - 1] == '/') {
		out->folders = true;
		line.n--;
	}
	out->anchored = er_slice_find(line, '/') < line.n;
	if (er_slice_starts(line, ER_LIT("/")))
		line = er_slice_from(line, 1);
	out->text = er_arena_cstr(a, line);
	return line.n > 0;
}

static bool read_ignore(walk *w, const char *name)
{
	er_buf b = {0};
	er_slice line;
	char *path = er_printf("%s/%s", w->f->root, name);
	bool there = access(path, F_OK) == 0, ok = !there || read_all(path, IGNORE_MAX, &b, w->err);
	er_slice text = er_arena_copy(&w->f->arena, er_buf_slice(&b));
	w->patterns = er_arena_alloc(&w->f->arena, (text.n / 2 + 1) * sizeof *w->patterns);
	while (ok && er_slice_split(&text, '\n', &line)) {
		line = er_slice_trim(er_slice_head(line, er_slice_find(line, '\r')));
		if (line.n > 0 && line.p[0] != '#' && read_pattern(&w->f->arena, line, &w->patterns[w->n_patterns]))
			w->n_patterns++;
	}
	er_buf_fini(&b);
	er_free(path);
	return ok;
}

/* `path`: of the folder, with its slash at the beginning. The last pattern that matches counts. */
static bool left_out(const walk *w, const char *path, const char *name, bool folder)
{
	bool out = (name[0] == '.' && strcmp(name, ".well-known") != 0) || (folder && strcmp(name, "node_modules") == 0) ||
	           strcmp(path, "/er.jsonc") == 0;
	for (size_t i = 0; i < w->n_patterns; i++) {
		const pattern *p = &w->patterns[i];
		if (p->folders && !folder)
			continue;
		if (fnmatch(p->text, p->anchored ? path + 1 : name, p->anchored ? FNM_PATHNAME | FNM_LEADING_DIR : 0) == 0)
			out = !p->not ;
	}
	return out;
}

/* ---- the walk ---- */

static bool take_file(walk *w, const char *full, const char *path)
{
	er_buf b = {0};
	const char *why;
	er_assets_file file = {.path = er_arena_copy(&w->f->arena, er_slice_cstr(path))};
	bool ok = er_assets_path_ok(file.path, &why) || er_fail(w->err, ER_ERR_INVALID, "%s cannot be served: %s", full, why);
	ok = ok && read_all(full, ER_ASSETS_FILE_BYTES, &b, w->err);
	if (ok) {
		file.bytes = (uint32_t)er_buf_len(&b);
		er_sha256(er_buf_slice(&b), (er_slice){0}, &file.hash);
		er_buf_put(&w->files, er_slice_of(&file, sizeof file));
		ok = er_buf_len(&w->files) / sizeof file <= ER_ASSETS_FILES ||
		     er_fail(w->err, ER_ERR_TOO_LARGE, "%s has more than %d files, the most of a version: %s is the first too many",
		             w->f->root, ER_ASSETS_FILES, path);
	}
	er_buf_fini(&b);
	return ok;
}

/* A link may stand for a file of the folder, and for nothing else. */
static bool take_link(walk *w, const char *full, const char *path)
{
	char real[PATH_MAX];
	struct stat st;
	er_slice root = er_slice_cstr(w->f->root);
	if (realpath(full, real) == NULL || stat(real, &st) != 0)
		return er_fail_errno(w->err, ER_ERR_IO, "the link %s leads nowhere", full);
	er_slice to = er_slice_cstr(real);
	if (!er_slice_starts(to, root) || to.n <= root.n || to.p[root.n] != '/')
		return er_fail(w->err, ER_ERR_INVALID,
		               "the link %s leads out of the folder, to %s: copy the file, or leave it out (.erignore)", full, real);
	if (!S_ISREG(st.st_mode))
		return er_fail(w->err, ER_ERR_INVALID, "the link %s leads to no file: links to folders are not followed", full);
	return take_file(w, full, path);
}

static bool take_folder(walk *w, const char *path)
{
	char *kept = er_arena_cstr(&w->f->arena, er_slice_cstr(path));
	er_buf_put(&w->folders, er_slice_of(&kept, sizeof kept));
	return er_buf_len(&w->folders) / sizeof kept <= FOLDERS_MAX ||
	       er_fail(w->err, ER_ERR_TOO_LARGE, "%s has more than %d folders", w->f->root, FOLDERS_MAX);
}

/* One entry of the folder `path`. */
static bool take_entry(walk *w, const char *path, const char *name)
{
	char *own = er_printf("%s/%s", path, name), *full = er_printf("%s%s", w->f->root, own);
	struct stat st;
	bool ok = lstat(full, &st) == 0 || er_fail_errno(w->err, ER_ERR_IO, "cannot read %s", full);
	if (ok && !left_out(w, own, name, S_ISDIR(st.st_mode))) {
		if (S_ISDIR(st.st_mode))
			ok = take_folder(w, own);
		else if (S_ISLNK(st.st_mode))
			ok = take_link(w, full, own);
		else if (S_ISREG(st.st_mode))
			ok = take_file(w, full, own);
		else
			ok = er_fail(w->err, ER_ERR_INVALID, "%s is no regular file: leave it out (.erignore)", full);
	}
	er_free(own);
	er_free(full);
	return ok;
}

static bool walk_folder(walk *w, const char *path)
{
	struct dirent **names;
	char *full = er_printf("%s%s", w->f->root, path);
	int n = scandir(full, &names, NULL, alphasort);
	bool ok = n >= 0 || er_fail_errno(w->err, ER_ERR_IO, "cannot read the folder %s", full);
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		if (ok && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			ok = take_entry(w, path, name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	er_free(full);
	return ok;
}

/* ---- rules ---- */

static bool read_rules(const er_folder *f, const char *name, er_slice *out, er_err *err)
{
	*out = (er_slice){0};
	for (size_t i = 0; i < f->n; i++) {
		if (!er_slice_eq(f->files[i].path, er_slice_cstr(name)))
			continue;
		uint8_t *to = er_alloc(f->files[i].bytes + 1);
		*out = er_slice_of(to, f->files[i].bytes);
		return er_folder_file(f, &f->files[i], to, err);
	}
	return true;
}

static bool rules_ok(const er_folder *f, er_err *err)
{
	er_arena a = {0};
	er_slice headers = {0}, redirects = {0};
	er_headers h;
	er_redirects r = {0};
	bool ok = read_rules(f, "/_headers", &headers, err) && read_rules(f, "/_redirects", &redirects, err) &&
	          er_headers_read(&a, headers, &h, err) && er_redirects_read(&a, redirects, &r, err);
	er_redirects_fini(&r);
	er_arena_fini(&a);
	er_free((void *)headers.p);
	er_free((void *)redirects.p);
	return ok;
}

/* ---- all of it ---- */

static bool find_root(er_folder *f, const char *root, er_err *err)
{
	char real[PATH_MAX];
	struct stat st;
	if (realpath(root, real) == NULL || stat(real, &st) != 0)
		return er_fail_errno(err, ER_ERR_IO, "the folder of static files %s", root);
	f->root = er_arena_cstr(&f->arena, er_slice_cstr(real));
	return S_ISDIR(st.st_mode) ||
	       er_fail(err, ER_ERR_INVALID, "%s is no folder: \"assets\" names the folder of static files", root);
}

static bool walk_all(walk *w)
{
	bool ok = read_ignore(w, ".erignore") && (w->n_patterns > 0 || read_ignore(w, ".assetsignore")) && take_folder(w, "");
	for (size_t i = 0; ok && i < er_buf_len(&w->folders) / sizeof(char *); i++)
		ok = walk_folder(w, ((char **)(void *)w->folders.p)[i]);
	return ok;
}

static void take_rows(er_folder *f, const walk *w)
{
	f->n = er_buf_len(&w->files) / sizeof *f->files;
	f->files = er_arena_alloc(&f->arena, er_buf_len(&w->files) + 1);
	er_copy(f->files, w->files.p, er_buf_len(&w->files));
	f->n_folders = er_buf_len(&w->folders) / sizeof(char *);
	f->folders = er_arena_alloc(&f->arena, er_buf_len(&w->folders) + 1);
	for (size_t i = 0; i < f->n_folders; i++)
		f->folders[i] = er_arena_cstr(&f->arena, er_arena_printf(&f->arena, "%s%s", f->root, ((char **)(void *)w->folders.p)[i]));
	for (size_t i = 0; i < f->n; i++)
		f->bytes += f->files[i].bytes;
}

bool er_folder_read(er_folder *f, const char *root, er_err *err)
{
	*f = (er_folder){0};
	er_arena_init(&f->arena);
	walk w = {.f = f, .err = err};
	bool ok = find_root(f, root, err) && walk_all(&w);
	if (ok)
		take_rows(f, &w);
	er_buf_fini(&w.files);
	er_buf_fini(&w.folders);
	if (ok && f->n == 0)
		ok = er_fail(err, ER_ERR_INVALID, "the folder %s has no files to serve", root);
	return ok && er_assets_manifest_make(f->files, f->n, err) && rules_ok(f, err);
}

void er_folder_free(er_folder *f)
{
	er_arena_fini(&f->arena);
	*f = (er_folder){0};
}
