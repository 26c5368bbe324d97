/* A site: the hosts that a node answers as a CDN, where their answers come from, and whether they
 * are stored; as JSON that came over the wire, lies in the store or stands in node.jsonc, checked
 * member by member. The one reader of it. Mistakes know their place in the text.
 *
 * Pure: everything it returns lives in the caller's arena (or in the JSON it was given). */
#ifndef ER_CONTROL_SITE_H
#define ER_CONTROL_SITE_H

#include "base/jsonc.h"
#include "cache/rules.h"
#include "control/problem.h"
#include "origin/group.h"

enum { ER_SITE_HOSTS = 100, ER_SITE_NAME = 253 };

typedef struct er_site_settings {
	er_slice name;   /* "shop.example": lower case letters, digits, "-" and "." */
	er_slice *hosts; /* "shop.example", "*.shop.example", "*": as patterns of routes have them */
	size_t n_hosts;
	er_group_spec origin; /* but for whom it trusts */
	bool private;         /* its servers may have private addresses */
	bool cache;           /* answers are stored, as far as the origin lets them */
	/* what else the site says of that; in the arena, uncounted. NULL: nothing */
	er_cache_rules *rules;
} er_site_settings;

/* v: an object. The path in front of field names is `at`, or empty. Without "name" the first host
 * is its name. */
ER_MUST_CHECK bool er_site_read(er_arena *a, const er_json *v, er_slice at, er_site_settings *out, er_problem *problem);
/* "cache" of a site (site_cache.c). */
ER_MUST_CHECK bool er_site_read_cache(er_arena *a, const er_json *v, er_slice at, er_site_settings *out, er_problem *problem);
/* From JSON text and a key (of the store). */
ER_MUST_CHECK bool er_site_parse(er_arena *a, er_slice json, er_slice key, er_site_settings *out, er_problem *problem);

/* ---- TLS towards the servers (site_tls.c) ---- */

/* "tls" of an origin. */
ER_MUST_CHECK bool er_site_read_tls(const er_json *v, er_slice at, er_group_spec *out, er_problem *problem);
/* A certificate of it is over: true, and the problem says which. Of a site that was read. Asked
 * when somebody sets a site, and not when a node starts: an old certificate must not take a site
 * away. */
bool er_site_expired(const er_site_settings *s, int64_t now_s, er_problem *problem);
/* A site's settings as whoever may not change them sees them: the fields that the node sends to
 * servers are there, and what they say is null, since it may be a token. In the arena. */
er_slice er_site_shown(er_arena *a, er_slice settings);
/* The site's JSON without the key of its certificate, which is in *key then; empty: there is none.
 * What is stored, logged and shown is without it. */
const er_json *er_site_take_key(er_arena *a, const er_json *site, er_slice *key);
/* With this key, if there is a certificate that has none. */
const er_json *er_site_with_key(er_arena *a, const er_json *site, er_slice key);

/* Reads a file that a person's file names, at most ER_TLS_CA_MAX bytes, into the arena. False:
 * `why` has the words. */
typedef struct er_site_file {
	bool (*read)(void *ctx, er_arena *a, er_slice path, er_slice *out, char *why, size_t n);
	void *ctx;
} er_site_file;
/* The site's JSON with the files that "tls" names (what has no line of PEM is a path) in their
 * places. NULL: the problem says which cannot be read. */
const er_json *er_site_take_files(er_arena *a, const er_json *site, const er_site_file *file, er_problem *problem);
bool er_site_name_ok(er_slice name);

#endif
