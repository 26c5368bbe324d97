/* URLs that unsafe requests have made void, of sites whose keys have parts that nobody can list: a
 * response is void if its URL has a higher number than it has (purge.h). Clients choose the URLs,
 * so all of it is bounded, and a site pays for its own clients: one that has too many URLs is void
 * as a whole up to its newest. If all sites together have too many, the site with the most pays.
 * Not locked: the table of purges does that. */
#ifndef ER_CACHE_VOIDS_H
#define ER_CACHE_VOIDS_H

#include "base/slice.h"

typedef struct er_voids er_voids;

/* `most` URLs in all, `of_site` of them of one site, of so many sites. */
er_voids *er_voids_new(size_t most, size_t of_site, size_t sites);
void er_voids_free(er_voids *v);
/* `site`, `url`: as purges know them. */
void er_voids_add(er_voids *v, uint64_t site, uint64_t url, uint64_t number);
/* The number up to which the URL's responses are void; 0: none are. */
uint64_t er_voids_number(const er_voids *v, uint64_t site, uint64_t url);
/* URLs that it holds. */
size_t er_voids_count(const er_voids *v);

#endif
