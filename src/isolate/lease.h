/* Inside the isolate room: a lease is the right to have one subrequest under way.
 *
 * What a live subrequest holds (connection, buffers, windows) belongs to the node, not to the
 * sandbox, so it is bounded here, three times:
 *
 *   instance  begins as many as LOAD and SUB_CREDIT allow it; its further ones wait in the sandbox
 *   routine   all its versions on this thread together, so that nobody multiplies a share
 *             by deploying
 *   thread    all routines together
 *
 * A lease lasts as long as anything of the subrequest does, also after the request that began it
 * is over. Its references are the subrequest and the body of its answer, which may go on to a
 * client. Whoever takes leases is their holder, and hears when one of them is over. */
#ifndef ER_ISOLATE_LEASE_H
#define ER_ISOLATE_LEASE_H

#include "base/list.h"
#include "base/slice.h"
#include "http/body.h"
#include "http/body_tee.h"

#include <stdbool.h>

typedef struct er_leases er_leases; /* of a thread */
typedef struct er_share er_share;   /* of a routine on this thread: counted */
typedef struct er_lease er_lease;   /* of a subrequest: counted */

/* A member of whatever takes leases. */
typedef struct er_lease_holder {
	er_list leases; /* of its subrequests under way */
	/* One of them is over, and its place is free again. */
	void (*back)(struct er_lease_holder *holder);
} er_lease_holder;

er_leases *er_leases_new(unsigned max);
/* The host is going. Leases that live on keep what they need. */
void er_leases_let_go(er_leases *all);
/* How many leases one routine may have. */
unsigned er_leases_share(const er_leases *all);

er_share *er_share_of(er_leases *all, er_slice routine);
void er_share_unref(er_share *s);
/* What the copies of bodies may hold that the routine's versions on this thread make, together;
 * `memory_kb` is the limit of the version that asks. */
er_tee_budget *er_share_copies(er_share *s, uint32_t memory_kb);

void er_lease_holder_init(er_lease_holder *holder, void (*back)(er_lease_holder *holder));
/* The holder goes: the leases that it has live on, and tell nobody when they are over. */
void er_lease_holder_fini(er_lease_holder *holder);
/* One reference. NULL: there are too many; *text says whose, for a person. */
er_lease *er_lease_take(er_share *s, er_lease_holder *holder, const char **text);
/* The body keeps it until it is freed. */
void er_lease_body(er_lease *l, er_body *body);
void er_lease_unref(er_lease *l);

#endif
