/* The URLs that er prefetch was given, out of words, files and sitemaps: each once, in the order in
 * which they came. What is no URL is told and not sent. */
#ifndef ER_CLI_PREFETCH_LIST_H
#define ER_CLI_PREFETCH_LIST_H

#include "base/map.h"
#include "cli/remote.h"

enum {
	ER_URLS_MAX = 1000000,         /* of one command */
	ER_URLS_BYTES = 256 << 20,     /* of them */
	ER_URL_FILE_BYTES = 256 << 20, /* of a file, or of standard input */
	ER_SITEMAPS_MAX = 1000,        /* that are read */
	ER_SITEMAPS_DEEP = 2,          /* an index, and an index in it */
	ER_URLS_WRONG = 100,           /* of what is no URL so many are told */
};

/* A sitemap that is to be read. */
typedef struct er_urls_map {
	er_slice url, host; /* only if it is of that host; empty: any */
	unsigned char deep; /* how many indexes lead to it */
} er_urls_map;

typedef struct er_urls {
	er_remote *remote;
	const char *env;
	er_arena arena;
	er_slice *v; /* in the arena of the list */
	size_t n, cap, bytes;
	er_map *seen;
	char *base; /* "https://shop.example" of the last URL, for "/path"; or NULL */
	uint64_t twice, sitemaps;
	/* lines and entries that are no URL, and why */
	er_slice wrong[ER_URLS_WRONG], why[ER_URLS_WRONG];
	uint64_t n_wrong;
	er_urls_map maps[ER_SITEMAPS_MAX];
	size_t n_maps;
	/* of the sitemap that is being read */
	er_slice host; /* only its URLs are taken; empty: any host's */
	unsigned char deep;
	bool failed;
	uint64_t others; /* URLs and sitemaps of other hosts, passed over */
} er_urls;

void er_urls_init(er_urls *l, er_remote *r, const char *env);
void er_urls_fini(er_urls *l);
/* A word of the command line: a URL, a file, a path of the host before, or "-"; with `sitemap` a
 * sitemap is there. False: it was said why not. */
ER_MUST_CHECK bool er_urls_add_word(er_urls *l, const char *word, bool sitemap);

#endif
