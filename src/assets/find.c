/* A page has one address, and others that lead to it: "/about" is the page "/about.html", and
 * "/about.html", "/about/" and "/about/index" lead there. Which of the addresses it is, the setting
 * says. A page whose name is that of another page's address (/about.html beside /about/index.html)
 * is found by whichever of the two the address means first. */
#include "assets/find.h"

er_slice er_assets_html_name(er_assets_html h)
{
	static const er_slice names[ER_HTMLS_N] = {ER_LIT("auto-trailing-slash"), ER_LIT("force-trailing-slash"),
	                                           ER_LIT("drop-trailing-slash"), ER_LIT("none")};
	ER_ASSERT((unsigned)h < ER_HTMLS_N);
	return names[h];
}

er_slice er_assets_not_found_name(er_assets_not_found n)
{
	static const er_slice names[ER_NOT_FOUNDS_N] = {ER_LIT("none"), ER_LIT("404-page"), ER_LIT("single-page")};
	ER_ASSERT((unsigned)n < ER_NOT_FOUNDS_N);
	return names[n];
}

/* Never one of rules: they are not served. */
static const er_assets_file *get(const er_assets_manifest *m, er_slice path)
{
	const er_assets_file *f = er_assets_manifest_find(m, path);
	return f != NULL && !er_assets_is_rules(f->path) ? f : NULL;
}

static const er_assets_file *get_with(const er_assets_manifest *m, er_arena *a, er_slice base, er_slice end)
{
	return get(m, er_arena_printf(a, "%.*s%.*s", ER_FMT(base), ER_FMT(end)));
}

/* A page by what its address has in common with it: "/about" for /about.html, "/blog" (or "" for
 * the root) for /blog/index.html. */
typedef struct page {
	const er_assets_file *file;
	bool folder;
} page;

static page page_of(const er_assets_manifest *m, er_arena *a, er_slice base, bool folder_first)
{
	page p = {0};
	for (int i = 0; i < 2 && p.file == NULL; i++) {
		p.folder = (i == 0) == folder_first;
		if (p.folder || base.n > 0)
			p.file = get_with(m, a, base, p.folder ? ER_LIT("/index.html") : ER_LIT(".html"));
	}
	return p;
}

/* The path of which a page would be at this address, and how it was written. */
static er_slice base_of(er_slice path, bool *slash, bool *as_file)
{
	*slash = path.p[path.n - 1] == '/';
	*as_file = false;
	if (*slash)
		return er_slice_head(path, path.n - 1);
	static const char *const ends[] = {"/index.html", "/index", ".html"};
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (er_slice_ends(path, er_slice_cstr(ends[i]))) {
			*as_file = true;
			return er_slice_head(path, path.n - er_slice_cstr(ends[i]).n);
		}
	return path;
}

/* A path of a page that may have another address. `exact`: the file of just that name, or NULL. */
static er_assets_found find_page(const er_assets_manifest *m, er_assets_html html, er_slice path, const er_assets_file *exact,
                                 er_arena *a)
{
	bool slash, as_file;
	er_slice base = base_of(path, &slash, &as_file);
	bool folder_first = slash || er_slice_ends(path, ER_LIT("/index.html")) || er_slice_ends(path, ER_LIT("/index"));
	page p = page_of(m, a, base, folder_first);
	if (p.file == NULL)
		return (er_assets_found){.file = exact};
	bool wants_slash = html == ER_HTML_SLASH || (html == ER_HTML_AUTO && p.folder) || base.n == 0;
	if (!as_file && slash == wants_slash)
		return (er_assets_found){.file = p.file};
	return (er_assets_found){.file = p.file, .moved = er_arena_printf(a, "%.*s%s", ER_FMT(base), wants_slash ? "/" : "")};
}

/* A file of just that name is what is meant, unless it is a page. */
static er_assets_found look(const er_assets_manifest *m, er_assets_html html, er_slice path, er_arena *a)
{
	const er_assets_file *exact = get(m, path);
	if (html == ER_HTML_NONE || (exact != NULL && !er_slice_ends(path, ER_LIT(".html"))))
		return (er_assets_found){.file = exact};
	return find_page(m, html, path, exact, a);
}

er_assets_found er_assets_find(const er_assets_manifest *m, er_assets_html html, er_slice path, er_arena *a)
{
	if (path.n == 0 || path.n > ER_ASSETS_PATH)
		return (er_assets_found){0};
	er_assets_found found = look(m, html, path, a);
	if (found.moved.n == 0)
		return found;
	/* Where the address belongs to another file, the page stays where it is. */
	er_assets_found there = look(m, html, found.moved, a);
	if (there.moved.n > 0 || there.file != found.file)
		return (er_assets_found){.file = found.file};
	return (er_assets_found){.moved = found.moved};
}

const er_assets_file *er_assets_instead(const er_assets_manifest *m, er_assets_not_found how, er_slice path, er_arena *a)
{
	if (how == ER_NOT_FOUND_NONE)
		return NULL;
	if (how == ER_NOT_FOUND_APP)
		return get(m, ER_LIT("/index.html"));
	path = er_slice_head(path, ER_ASSETS_PATH);
	while (path.n > 0) {
		while (path.n > 0 && path.p[path.n - 1] != '/')
			path.n--;
		if (path.n == 0)
			return NULL;
		path.n--;
		const er_assets_file *f = get_with(m, a, path, ER_LIT("/404.html"));
		if (f != NULL)
			return f;
	}
	return NULL;
}

/* A slash that was encoded is a part of a name for some and a step for others: no file has it. */
static bool decode(er_slice path, uint8_t *to, size_t *n)
{
	for (size_t i = 0; i < path.n; i++) {
		uint8_t c = path.p[i];
		if (c == '%') {
			int high = i + 2 < path.n ? er_hex_digit(path.p[i + 1]) : -1, low = high >= 0 ? er_hex_digit(path.p[i + 2]) : -1;
			if (low < 0)
				return false;
			c = (uint8_t)(high << 4 | low);
			i += 2;
			if (c == '/' || c == '\\' || c < 0x20 || c == 0x7f)
				return false;
		}
		to[(*n)++] = c;
	}
	return true;
}

bool er_assets_decode(er_arena *a, er_slice target, er_slice *out)
{
	er_slice path = er_slice_head(target, er_slice_find(target, '?'));
	size_t n = 0;
	*out = path;
	if (path.n == 0 || path.p[0] != '/')
		return false;
	if (er_slice_find(path, '%') == path.n)
		return true;
	uint8_t *to = er_arena_alloc(a, path.n);
	if (!decode(path, to, &n))
		return false;
	*out = er_slice_of(to, n);
	return true;
}
