/* What a routine has purged, on its way from a gateway thread to the store. */
#ifndef ER_GATEWAY_PURGED_H
#define ER_GATEWAY_PURGED_H

#include "base/list.h"
#include "cache/purge.h"

enum { ER_PURGED_MOST = 30 }; /* by one call of a routine */

typedef struct er_purged_by {
	er_list link;
	er_arena arena; /* what the rest points to */
	er_slice routine;
	uint64_t number;
	er_purge v[ER_PURGED_MOST];
	size_t n;
} er_purged_by;

void er_purged_free(er_purged_by *p);

#endif
