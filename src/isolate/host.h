/* Inside the isolate room: what its files share on one gateway thread. The host has the lists of
 * boxes, services and instances, the counters, and the handles of the loop. isolate.c makes it. */
#ifndef ER_ISOLATE_HOST_H
#define ER_ISOLATE_HOST_H

#include "base/idmap.h"
#include "base/map.h"
#include "isolate/box.h"
#include "isolate/isolate.h"
#include "isolate/lease.h"

enum {
	ER_HOST_MAGIC = 0x484f5354,
	ER_PROFILES_N = ER_PROFILE_HARDENED + 1,
	/* the timers of supervision */
	TICK_MS = 5,     /* while something runs */
	SWEEP_MS = 1000, /* always */
};

/* Freed when it was closed and the last of its handles and readings is gone. */
struct er_isolate_host {
	uint32_t magic;
	uv_loop_t *loop;
	int spawner; /* this thread's socket to it; not owned */
	uv_poll_t spawner_poll;
	/* before each sleep of the loop: the rings of `active` boxes */
	uv_prepare_t prepare;
	uv_timer_t tick, sweep;
	bool ticking, closing, spawner_gone;
	bool no_sockets;       /* er_isolate_end_sockets was called */
	bool privileged;       /* it may take back what it did to the scheduling of a sandbox */
	unsigned open_handles; /* and readings of code: the host is freed with the last one */
	uint32_t last_instance;
	er_origin *origin;
	er_isolate_config config;
	er_isolate_stats stats;
	er_leases *leases;
	void (*box_woken)(er_box *box); /* a sandbox has woken the node: its ring is to be looked at */
	er_idmap slots;                 /* slot -> box */
	uint32_t next_slot;
	/* every box; those whose ring may have something */
	er_list boxes, active;
	er_list warm[ER_PROFILES_N];
	er_list waiting[ER_PROFILES_N]; /* instances without a box */
	/* boxes that have not said READY yet */
	unsigned starting[ER_PROFILES_N];
	bool pool_was_full;     /* once: what is missing since then is what was used */
	unsigned spawn_strikes; /* failures in a row */
	uint64_t spawn_not_before_us;
	bool level_told;     /* why the level is lower than wanted has been logged */
	er_list spare_calls; /* freed ones, for the next request */
	er_list resting;     /* services without an instance */
	er_list instances;   /* oldest first */
	unsigned n_instances;
	er_map *services; /* by routine pointer */
	void (*on_closed)(void *);
	void *on_closed_ctx;
};

/* One of the host's handles or readings is closed. Frees the host with the last one. */
void er_host_handle_closed(er_isolate_host *h);
/* Something runs: ticks begin, and go on until nothing does. */
void er_host_need_tick(er_isolate_host *h);

#endif
