/* What a routine has purged, on its way from a gateway thread to the store and back: the routine
 * hears that it is purged when that is on the disk.
 *
 * Two hold it: the gateway thread, whose exchange waits, and the control thread. The exchange may
 * be cancelled at any time; the purge is made all the same. */
#ifndef ER_GATEWAY_PURGED_H
#define ER_GATEWAY_PURGED_H

#include "base/list.h"
#include "cache/port.h"
#include "cache/purge.h"

enum { ER_PURGED_MOST = 30 }; /* by one call of a routine */

typedef struct er_purged_by {
	er_list link;
	er_arena arena; /* what the rest points to */
	er_slice routine;
	er_purge v[ER_PURGED_MOST];
	size_t n;
	er_err err; /* of the control thread, before er_purged_over: OK, or why it is not purged */

	uint32_t refs; /* atomic */
	pthread_mutex_t lock;
	er_list waiting; /* the wait, under the lock */
	/* of the gateway thread */
	er_wait wait;
	struct er_exchange *x; /* own reference; NULL: answered or cancelled */
} er_purged_by;

/* With one reference; `news` is called on the port's thread when it is over. */
er_purged_by *er_purged_new(er_port *port, void (*news)(er_wait *self));
er_purged_by *er_purged_ref(er_purged_by *p);
void er_purged_unref(er_purged_by *p);
/* On the control thread: who waits is told. */
void er_purged_over(er_purged_by *p);

#endif
