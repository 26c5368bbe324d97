/* Which file a path means: the rules for pages and slashes at the end, and what answers where there
 * is no file. Pure. */
#ifndef ER_ASSETS_FIND_H
#define ER_ASSETS_FIND_H

#include "assets/manifest.h"

/* How pages are named in URLs: "/about.html" and "/blog/index.html". */
typedef enum er_assets_html {
	ER_HTML_AUTO,  /* a file without a slash at its end, a folder with one: /about, /blog/ */
	ER_HTML_SLASH, /* all with one: /about/, /blog/ */
	ER_HTML_BARE,  /* all without: /about, /blog */
	ER_HTML_NONE,  /* as the files are named */
	ER_HTMLS_N
} er_assets_html;

typedef enum er_assets_not_found {
	ER_NOT_FOUND_NONE, /* 404, or the routine */
	ER_NOT_FOUND_PAGE, /* the nearest 404.html, above the path or beside it, with 404 */
	ER_NOT_FOUND_APP,  /* /index.html with 200: a single-page application */
	ER_NOT_FOUNDS_N
} er_assets_not_found;

/* "auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash", "none". */
er_slice er_assets_html_name(er_assets_html h);
/* "none", "404-page", "single-page". */
er_slice er_assets_not_found_name(er_assets_not_found n);

typedef struct er_assets_found {
	const er_assets_file *file; /* NULL: none */
	/* file: NULL; the page is at this path. In the arena. Empty: there is none */
	er_slice moved;
} er_assets_found;

/* `path` is decoded. */
er_assets_found er_assets_find(const er_assets_manifest *m, er_assets_html html, er_slice path, er_arena *a);
/* What answers instead; NULL: nothing. */
const er_assets_file *er_assets_instead(const er_assets_manifest *m, er_assets_not_found how, er_slice path, er_arena *a);

/* The path of a request's target, decoded once. False: no file can have it. *out is a part of the
 * target if nothing was encoded. */
bool er_assets_decode(er_arena *a, er_slice target, er_slice *out);

#endif
