/* Sites in the store. One is made by the change ER_CHANGE_SITE_SET (store.h). */
#ifndef ER_STORE_SITES_H
#define ER_STORE_SITES_H

#include "store/store.h"

enum { ER_STORE_SITE_MAX = 64 << 10 /* bytes of a site's settings */ };

typedef struct er_site_row {
	er_slice name, settings, actor; /* settings: JSON */
	int64_t at_ms;
} er_site_row;
/* By name. */
ER_MUST_CHECK bool er_store_sites(er_store *s, er_arena *a, er_site_row **out, size_t *n, er_err *err);

#endif
