/* er cache: what the cache of a node has, and why a URL is or is not in it. Rows; what the node
 * says as figures is said here in sentences. */
#include "base/mem.h"
#include "cli/row.h"

#define U(v, name) (unsigned long long)er_json_u64(v, name)

static void show_memory(er_arena *a, const er_json *m)
{
	er_show_printf("memory    %llu objects, %.*s of %.*s; %llu stored and %llu evicted since the start\n", U(m, "objects"),
	               ER_FMT(er_show_size(a, er_json_u64(m, "bytes"))), ER_FMT(er_show_size(a, er_json_u64(m, "max_bytes"))),
	               U(m, "stored"), U(m, "evicted"));
}

/* One line, and one more of each file that there is something to say about. */
static void show_disk(er_arena *a, const er_json *d)
{
	if (d == NULL)
		return;
	const er_json *files = er_json_member(d, "files");
	size_t n = er_json_count(files);
	er_show_printf("disk      %llu records, %.*s in %zu file%s; %llu requests answered from it\n", U(d, "records"),
	               ER_FMT(er_show_size(a, er_json_u64(d, "max_bytes"))), n, n == 1 ? "" : "s", U(d, "hits"));
	ER_JSON_EACH(f, files)
	{
		er_slice state = er_json_str(f, "state");
		if (n > 1 || !er_slice_eq(state, ER_LIT("serving")))
			er_show_printf("          %.*s: %.*s, %llu records, %.*s\n", ER_FMT(er_json_str(f, "path")), ER_FMT(state),
			               U(f, "records"), ER_FMT(er_show_size(a, er_json_u64(f, "max_bytes"))));
	}
}

static uint64_t all_of(const er_json *requests)
{
	return er_json_u64(requests, "hits") + er_json_u64(requests, "stale") + er_json_u64(requests, "misses") +
	       er_json_u64(requests, "passed") + er_json_u64(requests, "collapsed");
}

static void show_requests(const er_json *answer, const er_json *r)
{
	uint64_t all = all_of(r);
	if (all == 0) {
		er_show_printf("requests  none yet\n");
		return;
	}
	er_show_printf(
	    "requests  %llu: %.1f %% answered from the store (%llu fresh, %llu stale), %llu waited for another one's answer, %llu "
	    "asked the origin, %llu could not be in the store\n",
	    (unsigned long long)all, er_json_as_double(er_json_member(answer, "hit_ratio"), 0) * 100, U(r, "hits"), U(r, "stale"),
	    U(r, "collapsed"), U(r, "misses"), U(r, "passed"));
}

static void show_prefetches(const er_json *p)
{
	uint64_t asked = er_json_u64(p, "misses") + er_json_u64(p, "collapsed") + er_json_u64(p, "passed");
	if (asked + er_json_u64(p, "hits") > 0)
		er_show_printf("prefetch  %llu were stored already, %llu asked the origin\n", U(p, "hits"), (unsigned long long)asked);
}

static void show_compression(er_arena *a, const er_json *z)
{
	uint64_t made = er_json_u64(z, "br") + er_json_u64(z, "zstd") + er_json_u64(z, "gzip");
	if (made > 0)
		er_show_printf("compressed  %llu times: %.*s became %.*s\n", (unsigned long long)made,
		               ER_FMT(er_show_size(a, er_json_u64(z, "bytes_in"))), ER_FMT(er_show_size(a, er_json_u64(z, "bytes_out"))));
}

/* Of one site, the lines above have said it. */
static void show_sites(const er_json *sites)
{
	if (er_json_count(sites) < 2)
		return;
	er_show_printf("\nby site:\n");
	ER_JSON_EACH(site, sites)
	{
		unsigned long long all = all_of(er_json_member(site, "requests"));
		double ratio = er_json_as_double(er_json_member(site, "hit_ratio"), 0);
		er_show_printf("  %5.1f %% hits  %8llu requests  %.*s\n", ratio * 100, all, ER_FMT(er_json_str(site, "name")));
	}
}

static void show_status(er_row_call *c, const er_json *answer)
{
	er_arena *a = &c->remote.arena;
	if (!er_json_true(answer, "on"))
		er_show_printf("the cache is off: the node has no site and no origin, or no memory for it (cache.memoryMb)\n");
	show_memory(a, er_json_member(answer, "memory"));
	show_disk(a, er_json_member(answer, "disk"));
	show_requests(answer, er_json_member(answer, "requests"));
	show_prefetches(er_json_member(answer, "prefetches"));
	show_compression(a, er_json_member(answer, "compression"));
	show_sites(er_json_member(answer, "sites"));
	const er_json *why = er_json_member(answer, "not_stored"), *top = er_json_member(answer, "top");
	if (er_json_count(why) > 0)
		er_show_printf("\nnot stored:\n");
	ER_JSON_EACH(row, why)
	er_show_printf("  %8llu  %.*s\n", U(row, "answers"), ER_FMT(er_json_str(row, "text")));
	if (er_json_count(top) > 0)
		er_show_printf("\nmost used:\n");
	ER_JSON_EACH(row, top)
	{
		er_slice url = er_json_str(row, "url");
		er_show_printf("  %8llu hits  %10.*s  %.*s\n", U(row, "hits"), ER_FMT(er_show_size(a, er_json_u64(row, "bytes"))),
		               ER_FMT(url));
	}
}

const er_row er_row_cache_status = {
    .usage = "er cache [status] [options]",
    .about =
        "Shows what the cache of the node has: objects, memory, files, how many requests it answers in all and of each site, why "
        "answers were not stored, and the URLs with the most hits.",
    .request = "GET /v1/cache",
    .show = show_status,
};

/* ---- one URL ---- */

/* What the key has beside the URL, by the rules of the site. */
static void show_parts(const er_json *parts)
{
	const char *before = "    for requests of ";
	ER_JSON_EACH(part, parts)
	{
		er_show_printf("%s%.*s", before, ER_FMT(er_json_as_str(part)));
		before = ", ";
	}
	if (er_json_count(parts) > 0)
		er_show_printf("\n");
}

/* "accept-language: de, accept-encoding: (none)" */
static void show_vary(const er_json *vary)
{
	const char *before = "    for requests with ";
	ER_JSON_EACH(v, vary)
	{
		er_slice value = er_json_str(v, "value");
		er_show_printf("%s%.*s: %.*s", before, ER_FMT(er_json_str(v, "field")),
		               ER_FMT(er_json_member(v, "value") != NULL ? value : ER_LIT("(none)")));
		before = ", ";
	}
	if (er_json_count(vary) > 0)
		er_show_printf("\n");
}

/* "br 4.2 KB, gzip 5.1 KB" */
static void show_forms(er_arena *a, const er_json *forms)
{
	const char *before = "    compressed, too: ";
	ER_JSON_EACH(f, forms)
	{
		er_show_printf("%s%.*s %.*s", before, ER_FMT(er_json_str(f, "coding")), ER_FMT(er_show_size(a, er_json_u64(f, "bytes"))));
		before = ", ";
	}
	if (er_json_count(forms) > 0)
		er_show_printf("\n");
}

static void show_variant(er_arena *a, const er_json *v)
{
	er_slice control = er_json_str(v, "cdn_cache_control");
	if (control.n == 0)
		control = er_json_str(v, "cache_control");
	er_show_printf("stored: status %llu, %.*s%s, %llu hits; %.*s: %llu s old, %llu s left\n", U(v, "status"),
	               ER_FMT(er_show_size(a, er_json_u64(v, "bytes"))), er_json_true(v, "whole") ? "" : " so far", U(v, "hits"),
	               ER_FMT(er_json_str(v, "state")), U(v, "age_s"), U(v, "left_s"));
	if (er_json_true(v, "estimated"))
		er_show_printf("    its lifetime of %llu s was estimated from Last-Modified: the origin says none\n", U(v, "lifetime_s"));
	else if (control.n > 0)
		er_show_printf("    the origin says %.*s\n", ER_FMT(control));
	show_parts(er_json_member(v, "parts"));
	show_vary(er_json_member(v, "vary"));
	show_forms(a, er_json_member(v, "compressed"));
	if (er_json_u64(v, "tags") > 0)
		er_show_printf("    it has %llu tags\n", U(v, "tags"));
}

static void show_cache(er_arena *a, const er_json *cache)
{
	if (!er_json_true(cache, "on")) {
		er_show_printf("nothing is stored of this site: the node has no memory for it, or the site says \"cache\": false\n");
		return;
	}
	const er_json *stored = er_json_member(cache, "stored");
	ER_JSON_EACH(v, stored)
	show_variant(a, v);
	if (er_json_true(cache, "under_way"))
		er_show_printf("an answer is on its way\n");
	er_slice why = er_json_str(cache, "refused_text");
	if (why.n > 0)
		er_show_printf("not stored lately: %.*s\n", ER_FMT(why));
	else if (er_json_count(stored) == 0)
		er_show_printf(
		    "not stored: nobody asked for it lately, or its answer may not be stored (then Cache-Status of an answer says "
		    "why)\n");
}

/* Shared with er site test. */
static void show_explained(er_row_call *c, const er_json *answer)
{
	er_slice url = er_json_str(answer, "url"), refused = er_json_str(answer, "refused"), site = er_json_str(answer, "site");
	if (refused.n > 0) {
		er_show_printf("the node refuses %.*s with status 400: %.*s\n", ER_FMT(url), ER_FMT(refused));
		return;
	}
	er_slice routine = er_json_str(answer, "routine"), pattern = er_json_str(answer, "pattern");
	if (routine.n > 0)
		er_show_printf("the routine %.*s takes %.*s by %s%.*s; what it hands on goes further\n", ER_FMT(routine), ER_FMT(url),
		               pattern.n > 0 ? "the rule " : "its name", ER_FMT(pattern));
	if (site.n == 0) {
		er_show_printf("no site has the host of %.*s: %s\n", ER_FMT(url), routine.n > 0 ? "what it hands on gets 404" : "404");
		return;
	}
	er_show_printf("the site %.*s has %.*s; its servers:\n", ER_FMT(site), ER_FMT(url));
	ER_JSON_EACH(s, er_json_member(answer, "servers"))
	{
		er_show_printf("    %.*s%s, weight %llu: %.*s\n", ER_FMT(er_json_str(s, "url")),
		               er_json_true(s, "backup") ? " (backup)" : "", U(s, "weight"), ER_FMT(er_json_str(s, "state")));
		er_slice failure = er_cell_failure(&c->remote.arena, er_json_member(s, "lastFailure"));
		if (failure.n > 0)
			er_show_printf("        last failure: %.*s\n", ER_FMT(failure));
	}
	const er_json *cache = er_json_member(answer, "cache");
	er_slice key = er_json_str(cache, "key");
	if (key.n > 0)
		er_show_printf("cache key: %.*s\n", ER_FMT(key));
	show_cache(&c->remote.arena, cache);
}

const er_row er_row_cache_explain = {
    .usage = "er cache explain URL [--env ENV] [options]",
    .about =
        "Says what the cache has of a URL: what is stored, how old it is and how long it is good, for which requests, and if "
        "nothing is stored, why. No request is made.",
    .words = {1, 1},
    .options = {{ER_ROW_ENV}},
    .request = "GET /v1/explain?environment={env}&url={0}",
    .show = show_explained,
};

const er_row er_row_site_test = {
    .usage = "er site test URL [--env ENV] [options]",
    .about =
        "Shows what takes a URL: the rule of a routine, the site, its servers and how they do, the key under which the cache "
        "knows it, and what is stored. No request is made.",
    .words = {1, 1},
    .options = {{ER_ROW_ENV}},
    .request = "GET /v1/explain?environment={env}&url={0}",
    .show = show_explained,
};
