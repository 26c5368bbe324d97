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
/* From JSON text (of the store). */
ER_MUST_CHECK bool er_site_parse(er_arena *a, er_slice json, er_site_settings *out, er_problem *problem);
bool er_site_name_ok(er_slice name);

#endif
