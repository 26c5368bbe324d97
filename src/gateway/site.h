/* A site as it is served: its hosts, its origin group, and what the cache knows it by. Immutable
 * but for the state of the group's servers; counted (atomic); shared by every configuration in
 * which nothing of it changed, so that what is known of its servers stays. */
#ifndef ER_GATEWAY_SITE_H
#define ER_GATEWAY_SITE_H

#include "control/site.h"
#include "gateway/route.h"
#include "origin/group.h"

typedef struct er_site {
	uint32_t refs;
	er_arena arena;
	er_slice name;
	er_slice settings; /* JSON: the same text, the same site */
	er_slice known_as; /* part of the cache's keys */
	uint64_t hash;     /* er_scopes_site of the name */
	er_group *group;   /* own reference */
	er_route *hosts;   /* as patterns without a path */
	size_t n_hosts;
	er_cache_rules *rules; /* own reference; NULL: none */
	bool cache, stored;    /* stored: it came from the store */
	bool guards;           /* the addresses of the configuration are part of what it is */
} er_site;

/* Takes what it needs of the settings. `trusted`: the operator wrote it; else its servers are
 * guarded, but for `allow`. One reference. */
er_site *er_site_new(const er_site_settings *s, er_slice settings, bool stored, const er_cidr *allow, size_t n_allow);
/* The one site of a node that has nothing but an origin: every host. `origin` is a checked URL. */
er_site *er_site_default(er_slice origin);
er_site *er_site_ref(er_site *s);
void er_site_unref(er_site *s);

typedef struct er_sites er_sites;

/* Which of them a host belongs to: its own name before a wildcard, a longer wildcard before a
 * shorter one. Takes references; n of them. */
er_sites *er_sites_new(er_site *const *list, size_t n);
void er_sites_free(er_sites *s);
/* All of them, in the order in which they came. */
er_site *const *er_sites_list(const er_sites *s, size_t *n);
/* `host`: lower case, without port. NULL: none. Borrowed. */
const er_site *er_sites_find(const er_sites *s, er_slice host);

#endif
