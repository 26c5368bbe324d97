/* Sitemaps of a URL are read through the node (GET /v1/content): it knows the site and its origin,
 * which this machine may not reach, and nothing that a sitemap says makes this machine ask anybody.
 *
 * The sitemaps that an index names stand in a line (l->maps), and are read one after the other; an
 * index in the line adds to its end. The host of a sitemap is that of its URLs and of the sitemaps
 * that it names (sitemaps.org, "location"): what one site says fills nobody else's cache. A file is
 * its reader's own, and may name any. */
#include "cli/prefetch_list.h"

#include "base/mem.h"
#include "cli/sitemap.h"
#include "control/prefetch.h"
#include "control/where.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, CONTENT_MS = 120000 };

void er_urls_init(er_urls *l, er_remote *r, const char *env)
{
	*l = (er_urls){.remote = r, .env = env, .seen = er_map_new()};
}

void er_urls_fini(er_urls *l)
{
	er_map_free(l->seen);
	er_free(l->v);
	er_free(l->base);
	er_arena_fini(&l->arena);
}

static bool fail(er_urls *l, int status, const char *code, er_slice text)
{
	er_remote_fail(l->remote, status, code, er_arena_cstr(&l->arena, text));
	return false;
}

/* ---- one URL ---- */

static void tell_wrong(er_urls *l, er_slice text, const char *why)
{
	if (l->n_wrong < ER_URLS_WRONG) {
		l->wrong[l->n_wrong] = er_arena_copy(&l->arena, er_slice_head(text, 200));
		l->why[l->n_wrong] = er_slice_cstr(why);
	}
	l->n_wrong++;
}

static bool has_scheme(er_slice text)
{
	return er_slice_ieq(er_slice_head(text, 8), ER_LIT("https://")) || er_slice_ieq(er_slice_head(text, 7), ER_LIT("http://"));
}

/* False: there are too many, which was said. */
static bool keep(er_urls *l, er_slice url)
{
	if (er_map_get(l->seen, url) != NULL) {
		l->twice++;
		return true;
	}
	if (l->n == ER_URLS_MAX || l->bytes + url.n > ER_URLS_BYTES)
		return fail(l, ER_EXIT_FAILED, "too-large",
		            er_arena_printf(&l->arena, "there are more than %d URLs, or %d MB of them: prefetch them in parts",
		                            ER_URLS_MAX, ER_URLS_BYTES >> 20));
	if (l->n == l->cap) {
		l->cap = l->cap > 0 ? 2 * l->cap : 1024;
		l->v = er_realloc(l->v, l->cap * sizeof *l->v);
	}
	l->v[l->n] = er_arena_copy(&l->arena, url);
	(void)er_map_set(l->seen, url, l);
	l->bytes += url.n;
	l->n++;
	return true;
}

static void remember_base(er_urls *l, const er_where *where)
{
	er_free(l->base);
	l->base = er_printf("%.*s://%.*s", ER_FMT(where->scheme), ER_FMT(where->authority));
}

/* In the spelling of requests: two that mean the same are one. `paths`: "/path" is of the host
 * before. False: said. */
static bool add_url(er_urls *l, er_slice text, bool paths)
{
	er_arena scratch = {0};
	er_where where;
	bool ok = true;
	if (paths && text.n > 0 && text.p[0] == '/' && l->base != NULL)
		text = er_arena_printf(&scratch, "%s%.*s", l->base, ER_FMT(text));
	if (text.n > ER_PREFETCH_URL_MAX)
		tell_wrong(l, text, "is longer than 8192 bytes");
	else if (!has_scheme(text) || !er_where_read(&scratch, text, &where) || where.authority.n == 0)
		tell_wrong(l, text, "is no URL with its scheme, as https://shop.example/cart");
	else if (where.refused != NULL)
		tell_wrong(l, text, where.refused);
	else if (l->host.n > 0 && !er_slice_eq(l->host, where.authority))
		l->others++;
	else {
		er_slice url = er_arena_printf(&scratch, "%.*s://%.*s%.*s%.*s", ER_FMT(where.scheme), ER_FMT(where.authority),
		                               ER_FMT(where.path), ER_FMT(where.query));
		if (l->host.n == 0)
			remember_base(l, &where);
		ok = keep(l, url);
	}
	er_arena_fini(&scratch);
	return ok;
}

/* ---- sitemaps ---- */

static bool add_map(er_urls *l, er_slice url)
{
	er_slice name = er_slice_head(url, 300);
	if (l->deep == ER_SITEMAPS_DEEP)
		return fail(
		    l, ER_EXIT_FAILED, "sitemap",
		    er_arena_printf(&l->arena, "%.*s is named by an index in an index in an index, which is not followed", ER_FMT(name)));
	if (l->n_maps == ER_SITEMAPS_MAX)
		return fail(l, ER_EXIT_FAILED, "too-large",
		            er_arena_printf(&l->arena, "there are more than %d sitemaps: prefetch them one by one", ER_SITEMAPS_MAX));
	l->maps[l->n_maps++] =
	    (er_urls_map){.url = er_arena_copy(&l->arena, url), .host = l->host, .deep = (unsigned char)(l->deep + 1)};
	return true;
}

static bool on_entry(void *ctx, er_sitemap_kind kind, er_slice url)
{
	er_urls *l = ctx;
	l->failed = kind == ER_SITEMAP_PAGE ? !add_url(l, url, false) : !add_map(l, url);
	return !l->failed;
}

/* Entries before a mistake have been taken. */
static bool read_map(er_urls *l, er_slice name, er_slice bytes)
{
	er_err err = {0};
	l->failed = false;
	l->sitemaps++;
	if (!er_sitemap_read(bytes, &(er_sitemap_reader){on_entry, l}, &err))
		return fail(l, ER_EXIT_FAILED, "sitemap",
		            er_arena_printf(&l->arena, "%.*s: %s", ER_FMT(er_slice_head(name, 300)), err.text));
	return !l->failed;
}

static bool ask_for(er_urls *l, const er_urls_map *map)
{
	er_where where;
	if (!has_scheme(map->url) || !er_where_read(&l->arena, map->url, &where) || where.authority.n == 0)
		return fail(l, ER_EXIT_FAILED, "sitemap",
		            er_arena_printf(&l->arena, "\"%.*s\" is no URL of a sitemap, as https://shop.example/sitemap.xml",
		                            ER_FMT(er_slice_head(map->url, 300))));
	if (map->host.n > 0 && !er_slice_eq(map->host, where.authority)) {
		l->others++;
		return true;
	}
	er_slice path = er_remote_query(&l->arena, ER_LIT("/v1/content"), "environment", l->env);
	path = er_remote_query(&l->arena, path, "url", er_arena_cstr(&l->arena, map->url));
	const er_ask call = {.method = "GET", .path = path, .timeout_ms = CONTENT_MS};
	er_answer a = {0};
	l->host = where.authority;
	l->deep = map->deep;
	bool ok = er_remote_send(l->remote, &call, &a) && read_map(l, map->url, er_buf_slice(&a.reply.body));
	er_answer_fini(&a);
	return ok;
}

/* All that stand in the line, and what they add to it. */
static bool read_maps(er_urls *l)
{
	bool ok = true;
	for (size_t i = 0; ok && i < l->n_maps; i++)
		ok = ask_for(l, &l->maps[i]);
	l->n_maps = 0;
	l->deep = 0;
	l->host = (er_slice){0};
	return ok;
}

/* ---- files ---- */

static bool cannot_read(er_urls *l, const char *name)
{
	er_err err = {0};
	er_fail_errno(&err, ER_ERR_IO, "cannot read %s", name);
	er_remote_fail_err(l->remote, &err);
	return false;
}

static bool read_all(er_urls *l, int fd, const char *name, er_buf *out)
{
	for (;;) {
		ssize_t n = read(fd, er_buf_reserve(out, READ_BYTES), READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cannot_read(l, name);
		if (n == 0)
			return true;
		er_buf_wrote(out, (size_t)n);
		if (er_buf_len(out) > ER_URL_FILE_BYTES)
			return fail(l, ER_EXIT_FAILED, "too-large",
			            er_arena_printf(&l->arena, "%s has more than %d MB", name, ER_URL_FILE_BYTES >> 20));
	}
}

/* A URL a line; "#" begins a comment. */
static bool add_lines(er_urls *l, er_slice text)
{
	er_slice rest = er_slice_starts(text, ER_LIT("\xef\xbb\xbf")) ? er_slice_from(text, 3) : text, line;
	while (er_slice_split(&rest, '\n', &line)) {
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		line = er_slice_trim(line);
		if (line.n > 0 && line.p[0] != '#' && !add_url(l, line, true))
			return false;
	}
	return true;
}

static bool add_bytes(er_urls *l, const char *name, er_slice bytes, bool sitemap)
{
	if (!sitemap && !er_sitemap_looks(bytes))
		return add_lines(l, bytes);
	return read_map(l, er_slice_cstr(name), bytes) && read_maps(l);
}

static bool add_file(er_urls *l, const char *name, bool sitemap)
{
	bool is_stdin = er_slice_eq(er_slice_cstr(name), ER_LIT("-"));
	int fd = is_stdin ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	er_buf bytes = {0};
	if (fd < 0)
		return cannot_read(l, name);
	const char *shown = is_stdin ? "standard input" : name;
	bool ok = read_all(l, fd, shown, &bytes) && add_bytes(l, shown, er_buf_slice(&bytes), sitemap);
	if (!is_stdin)
		close(fd);
	er_buf_fini(&bytes);
	return ok;
}

/* ---- words ---- */

static bool is_file(const char *word)
{
	struct stat st;
	return er_slice_eq(er_slice_cstr(word), ER_LIT("-")) || (stat(word, &st) == 0 && !S_ISDIR(st.st_mode));
}

bool er_urls_add_word(er_urls *l, const char *word, bool sitemap)
{
	er_slice text = er_slice_cstr(word);
	uint64_t wrong = l->n_wrong;
	bool url = has_scheme(text) || (l->base != NULL && er_slice_starts(text, ER_LIT("/")) && !is_file(word));
	if (url && sitemap && !has_scheme(text))
		text = er_arena_printf(&l->arena, "%s%.*s", l->base, ER_FMT(text));
	if (url && sitemap) {
		er_where where;
		if (er_where_read(&l->arena, text, &where) && where.authority.n > 0)
			remember_base(l, &where);
		l->maps[l->n_maps++] = (er_urls_map){.url = text};
		return read_maps(l);
	}
	if (!url && is_file(word))
		return add_file(l, word, sitemap);
	if (url && !add_url(l, text, true))
		return false;
	if (url && l->n_wrong == wrong)
		return true;
	const char *why = url ? er_arena_cstr(&l->arena, l->why[l->n_wrong - 1 < ER_URLS_WRONG ? l->n_wrong - 1 : ER_URLS_WRONG - 1])
	                      : "is neither a URL with its scheme, as https://shop.example/cart, nor a file";
	return fail(l, ER_EXIT_USAGE, "invalid", er_arena_printf(&l->arena, "\"%.*s\" %s", ER_FMT(er_slice_head(text, 300)), why));
}
