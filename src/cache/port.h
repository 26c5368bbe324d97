/* How a thread hears from another one that something it waits for is there. A port belongs to a
 * thread with a loop; a wait is a member of what waits on that thread. Whoever has news posts the
 * wait to its port, from any thread; the port's thread then calls it.
 *
 * A wait is in one place at a time: nowhere, in the list of what it waits for, or in its port. What
 * it waits for guards its list with a lock of its own, which is taken before the port's. */
#ifndef ER_CACHE_PORT_H
#define ER_CACHE_PORT_H

#include "base/err.h"
#include "base/list.h"

#include <pthread.h>
#include <uv.h>

typedef struct er_port er_port;

typedef enum er_wait_place { ER_WAIT_NOWHERE, ER_WAIT_LISTED, ER_WAIT_POSTED } er_wait_place;

typedef struct er_wait {
	er_list link;
	er_port *port;
	er_wait_place place;                /* written under the list's lock, or the port's */
	void (*news)(struct er_wait *self); /* on the port's thread */
} er_wait;

er_port *er_port_new(uv_loop_t *loop);
uv_loop_t *er_port_loop(const er_port *p);
/* On its thread, when nothing waits any more. Frees itself when the loop has let go of it. */
void er_port_close(er_port *p);

void er_wait_init(er_wait *w, er_port *port, void (*news)(er_wait *self));
/* Under the lock of the list's owner. */
void er_wait_list(er_wait *w, er_list *list);
/* Takes a listed wait off its list, and calls it on its thread. Under the lock of the
 * list's owner. */
void er_wait_post(er_wait *w);
/* Has it called on its thread, wherever it is. Under the lock of the list that it may be in. */
void er_wait_poke(er_wait *w);
/* Posts all that are in the list. Under its lock. */
void er_wait_post_all(er_list *list);
/* It waits for nothing any more, and is not called. On its own thread. `lock`: of the list that it
 * may be in, not held. */
void er_wait_cancel(er_wait *w, pthread_mutex_t *lock);

/* Some things that are done on other threads, and one wait that is called when all of them are.
 * Reference-counted: whoever waits has one reference, and each of the things. */
typedef struct er_latch er_latch;
er_latch *er_latch_new(void);
void er_latch_unref(er_latch *l);
/* One more thing; er_latch_done gives its reference back. */
er_latch *er_latch_hold(er_latch *l);
void er_latch_done(er_latch *l);
/* False: all are done, and `w` is not called. */
ER_MUST_CHECK bool er_latch_wait(er_latch *l, er_wait *w);
/* `w` is not called. */
void er_latch_cancel(er_latch *l, er_wait *w);

#endif
