/* Reads a sitemap (sitemaps.org): XML, or a text with a URL a line, either of them perhaps in gzip.
 * Whoever wrote it is a stranger: it has bounds, a document type is refused (so there are no
 * entities but those of XML itself, and nothing is loaded), and what is not a page's or a sitemap's
 * address is passed over. Pure. */
#ifndef ER_CLI_SITEMAP_H
#define ER_CLI_SITEMAP_H

#include "base/err.h"
#include "base/slice.h"

enum {
	ER_SITEMAP_BYTES = 50 << 20, /* without gzip: what sitemaps.org allows */
	ER_SITEMAP_URL = 8192,       /* longer ones are passed over */
	ER_SITEMAP_DEPTH = 16,       /* of elements */
};

typedef enum er_sitemap_kind {
	ER_SITEMAP_PAGE, /* the address of a page */
	ER_SITEMAP_MAP,  /* of an index: the address of a sitemap */
} er_sitemap_kind;

typedef struct er_sitemap_reader {
	/* `url` has 1 to ER_SITEMAP_URL bytes without white space at its ends, and may be anything
	 * else. It lives as long as the call. False ends the reading. */
	bool (*entry)(void *ctx, er_sitemap_kind kind, er_slice url);
	void *ctx;
} er_sitemap_reader;

/* Whether it is XML or gzip, and not a list of lines. */
bool er_sitemap_looks(er_slice bytes);
/* Calls `entry` for each, in their order. False: *err says what is wrong, and where; entries before
 * that were given. True also if `entry` ended it. */
ER_MUST_CHECK bool er_sitemap_read(er_slice bytes, const er_sitemap_reader *r, er_err *err);

#endif
