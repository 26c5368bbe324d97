/* Sites in the store. One is made by the change ER_CHANGE_SITE_SET (store.h). */
#ifndef ER_STORE_SITES_H
#define ER_STORE_SITES_H

#include "store/store.h"

enum { ER_STORE_SITE_MAX = 256 << 10 /* bytes of a site's settings */ };

typedef struct er_site_row {
	er_slice name, settings, actor; /* settings: JSON */
	/* of its certificate, decrypted: er_store_sites_wipe; empty: none, or one that cannot be
	 * decrypted, which the log says */
	er_slice key;
	int64_t at_ms;
} er_site_row;
ER_MUST_CHECK bool er_store_site_there(er_store *s, er_slice site, bool *there, er_err *err);
/* By name. */
ER_MUST_CHECK bool er_store_sites(er_store *s, er_arena *a, er_site_row **out, size_t *n, er_err *err);
/* Before the arena goes: the keys go out of memory. */
void er_store_sites_wipe(er_site_row *rows, size_t n);
/* The key of one site, likewise; empty: there is none. */
ER_MUST_CHECK bool er_store_site_key(er_store *s, er_arena *a, er_slice site, er_slice *key, er_err *err);

#endif
