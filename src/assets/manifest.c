/* The text is written by one function and read by another, which believes nothing: it may come out
 * of a backup that somebody has changed. */
#include "assets/manifest.h"

#include "assets/types.h"
#include "base/hex.h"

#include <stdlib.h>

/* ---- paths ---- */

/* One segment, without its slashes. */
static bool segment_ok(er_slice s, const char **why)
{
	if (s.n == 0)
		*why = "two slashes stand side by side, or one at the end";
	else if (er_slice_eq(s, ER_LIT(".")) || er_slice_eq(s, ER_LIT("..")))
		*why = "\".\" and \"..\" are steps, and no names";
	else
		return true;
	return false;
}

static bool bytes_ok(er_slice path, const char **why)
{
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] < 0x20 || path.p[i] == 0x7f || path.p[i] == '\\') {
			*why = path.p[i] == '\\' ? "a backslash is a slash in a URL" : "it has a control character";
			return false;
		}
	*why = "its name is not UTF-8";
	return er_utf8_valid(path);
}

bool er_assets_path_ok(er_slice path, const char **why)
{
	if (path.n < 2 || path.p[0] != '/') {
		*why = "a path begins with a slash, and names a file";
		return false;
	}
	if (path.n > ER_ASSETS_PATH) {
		*why = "its path is longer than 1024 bytes";
		return false;
	}
	if (!bytes_ok(path, why))
		return false;
	for (er_slice rest = er_slice_from(path, 1);;) {
		size_t at = er_slice_find(rest, '/');
		if (!segment_ok(er_slice_head(rest, at), why))
			return false;
		if (at == rest.n)
			return true;
		rest = er_slice_from(rest, at + 1);
	}
}

bool er_assets_is_rules(er_slice path)
{
	return er_slice_eq(path, ER_LIT("/_headers")) || er_slice_eq(path, ER_LIT("/_redirects"));
}

/* ---- making ---- */

static int by_path(const void *a, const void *b)
{
	return er_slice_compare(((const er_assets_file *)a)->path, ((const er_assets_file *)b)->path);
}

static bool file_ok(const er_assets_file *f, er_err *err)
{
	const char *why;
	if (!er_assets_path_ok(f->path, &why))
		return er_fail(err, ER_ERR_INVALID, "the file %.*s cannot be served: %s", ER_FMT(er_slice_head(f->path, 200)), why);
	return f->bytes <= ER_ASSETS_FILE_BYTES || er_fail(err, ER_ERR_TOO_LARGE, "the file %.*s has %u bytes; a file may have %d MB",
	                                                   ER_FMT(er_slice_head(f->path, 200)), f->bytes, ER_ASSETS_FILE_BYTES >> 20);
}

bool er_assets_manifest_make(er_assets_file *files, size_t n, er_err *err)
{
	uint64_t bytes = 0;
	if (n > ER_ASSETS_FILES)
		return er_fail(err, ER_ERR_TOO_LARGE, "%zu files are more than a version may have (%d)", n, ER_ASSETS_FILES);
	if (n > 1)
		qsort(files, n, sizeof *files, by_path);
	for (size_t i = 0; i < n; i++) {
		if (!file_ok(&files[i], err))
			return false;
		if (i > 0 && er_slice_eq(files[i].path, files[i - 1].path))
			return er_fail(err, ER_ERR_INVALID, "the file %.*s is there twice", ER_FMT(er_slice_head(files[i].path, 200)));
		bytes += files[i].bytes;
		if (bytes > ER_ASSETS_VERSION_BYTES)
			return er_fail(err, ER_ERR_TOO_LARGE, "with the file %.*s the files have more than %d MB, the most of a version",
			               ER_FMT(er_slice_head(files[i].path, 200)), ER_ASSETS_VERSION_BYTES >> 20);
	}
	return true;
}

void er_assets_manifest_write(er_buf *to, const er_assets_file *files, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char hex[2 * ER_SHA256 + 1];
		er_hex(er_hash_slice(&files[i].hash), hex);
		er_buf_put(to, er_slice_of(hex, sizeof hex - 1));
		er_buf_putc(to, ' ');
		er_buf_put_u64(to, files[i].bytes);
		er_buf_putc(to, ' ');
		er_buf_put(to, files[i].path);
		er_buf_putc(to, '\n');
	}
}

/* ---- reading ---- */

static bool read_line(er_slice line, er_assets_file *out)
{
	uint64_t bytes;
	size_t at = er_slice_find(line, ' ');
	er_slice rest = er_slice_from(line, at + 1);
	size_t next = er_slice_find(rest, ' ');
	if (!er_hash_parse(er_slice_head(line, at), &out->hash) || !er_slice_u64(er_slice_head(rest, next), &bytes) ||
	    bytes > ER_ASSETS_FILE_BYTES || next == rest.n)
		return false;
	out->bytes = (uint32_t)bytes;
	out->path = er_slice_from(rest, next + 1);
	return true;
}

static size_t lines_of(er_slice text)
{
	size_t n = 0;
	for (er_slice line; er_slice_split(&text, '\n', &line);)
		n++;
	return n;
}

bool er_assets_manifest_read(er_arena *a, er_slice text, er_assets_manifest *out, er_err *err)
{
	size_t n = lines_of(text), i = 0;
	*out = (er_assets_manifest){0};
	if (n > ER_ASSETS_FILES)
		return er_fail(err, ER_ERR_TOO_LARGE, "a manifest has %zu files, more than a version may have", n);
	out->files = er_arena_alloc(a, (n + 1) * sizeof *out->files);
	for (er_slice line; er_slice_split(&text, '\n', &line); i++)
		if (!read_line(line, &out->files[i]))
			return er_fail(err, ER_ERR_INVALID, "line %zu of a manifest is none", i + 1);
	if (!er_assets_manifest_make(out->files, n, err))
		return false;
	out->n = n;
	out->by_path = er_map_new();
	for (i = 0; i < n; i++) {
		out->bytes += out->files[i].bytes;
		out->files[i].type = er_assets_type(out->files[i].path);
		(void)er_map_set(out->by_path, out->files[i].path, &out->files[i]);
	}
	return true;
}

void er_assets_manifest_fini(er_assets_manifest *m)
{
	er_map_free(m->by_path);
	*m = (er_assets_manifest){0};
}

const er_assets_file *er_assets_manifest_find(const er_assets_manifest *m, er_slice path)
{
	return m->by_path != NULL ? er_map_get(m->by_path, path) : NULL;
}
