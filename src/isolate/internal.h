/* Inside the isolate room. From the ground up:
 *
 *   box        a sandbox process and its channel: starting, warm, in use, dying (box.c)
 *   instance   a box that runs one routine version; its calls (instance.c)
 *   call       one exchange in an instance (call.c)
 *   sub        one subrequest of a call (sub.c)
 *   flow       a body on its way through the channel, either direction (flow.c)
 *   service    a routine version on this thread: its instance, failures, suspension (service.c)
 *   host       all of it, with the pool, the spawner's socket and the ticks (host.c, pool.c)
 */
#ifndef ER_ISOLATE_INTERNAL_H
#define ER_ISOLATE_INTERNAL_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/idmap.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "isolate/isolate.h"
#include "isolate/sourcemap.h"
#include "isolate/spawner.h"

typedef struct er_box er_box;
typedef struct er_instance er_instance;
typedef struct er_call er_call;
typedef struct er_sub er_sub;
typedef struct er_service er_service;

enum {
	ER_BOX_NICE = 2, /* as the spawner starts them */
	HOG_US = 2000,   /* of CPU within a tick, without a word */
	PULSE_US = 500,  /* likewise: cores' turns are kept short (base/pulse.h) for PULSE_TICK_US, and while a sandbox starts */
	PULSE_TICK_US = 15000,
	PULSE_START_US = 60000,
	TICK_MS = 5,     /* supervision while something runs */
	SWEEP_MS = 1000, /* idle instances, stray CPU */
	/* The node's own CPU rules are the second lock: they fire only where no honest sandbox gets. It sees the whole process. Beyond its requests'
	 * limits a sandbox may use ER_TURN_ENGINE_US (400 ms) at once and then some of the time in the long run for the engine's own work, a tenth for what
	 * no request owns, and a second or so on the compilers' threads, which go on while JavaScript waits for something and says nothing. */
	CPU_GRACE_US = 1500000,
	CPU_SHARE = 25,      /* per cent of the time, on top */
	CPU_IDLE_SHARE = 25, /* likewise while no request is under way */
	MEMORY_EVERY_US = 100000,
	MEMORY_MARGIN_KB = 48 * 1024, /* above the limit and an empty sandbox: what was reserved before is not in the kernel's sum */
	START_MS = 30000,             /* from fork to READY */
	CLOSE_MS = 2000,              /* an instance told to end, or a call told that its time is up, has this long to obey */
	RETRIES = 2,                  /* a call that lost its instance unharmed is tried again so often */
	DRAIN_BYTES = 512 * 1024,     /* read from one sandbox before others get their turn */
	MAX_LOGS = 1100,              /* LOG frames of one call; the sandbox itself stops at 1000 */
	MAX_FIELDS = 100,
	MAX_HEADER = 32 * 1024,
};

/* ---- box ---- */

typedef enum box_state { BOX_STARTING, BOX_WARM, BOX_USED, BOX_DYING, BOX_GONE } box_state;

struct er_box {
	uint32_t magic;
	er_isolate_host *host;
	uint32_t slot;
	enum er_profile profile;
	box_state state;
	pid_t pid;
	er_channel channel;
	int wake_sandbox, wake_node; /* eventfds, -1 when closed */
	uv_poll_t poll;
	bool demoted; /* in the background, since it computes without a word */
	bool counted; /* in host->starting: it has not said READY yet */
	er_instance *instance;
	er_list link;   /* host->boxes */
	er_list warm;   /* host->warm[profile] */
	er_list active; /* host->active: its ring is looked at before each sleep */
	uint64_t born_us;
};

/* ---- flow ---- */

/* A node's body on its way into the sandbox: only as much as PULL asked for. */
typedef struct er_outflow {
	er_instance *instance;
	er_body *body; /* own reference; NULL: none */
	uint32_t id;
	bool sub;
	bool attached, over, pumping;
	uint64_t credit;
	er_list blocked; /* instance->blocked: waits for room in the ring */
} er_outflow;

/* A sandbox's body on its way out. */
typedef struct er_inflow {
	er_instance *instance;
	er_body *body; /* own reference; NULL: none or over */
	uint32_t id;
	bool sub;
	bool full;
	uint32_t allowed; /* bytes the sandbox may still send */
	uint32_t owed;    /* bytes taken and not yet granted again */
	bool *left;       /* of an er_inflow_data on the stack: the flow ended under it */
} er_inflow;

void er_outflow_init(er_outflow *f, er_instance *in, er_body *body, uint32_t id, bool sub);
void er_outflow_fini(er_outflow *f);
void er_outflow_pull(er_outflow *f, uint32_t n);
void er_outflow_pump(er_outflow *f);
/* The body itself for a relay: taken from the flow, whose sink is detached. NULL if there is none. One reference. */
er_body *er_outflow_take(er_outflow *f);
void er_outflow_drain(er_outflow *f);

/* Makes the body that the sandbox will fill; returns a second reference for the reader. */
er_body *er_inflow_init(er_inflow *f, er_instance *in, uint32_t id, bool sub, int64_t length);
void er_inflow_fini(er_inflow *f, er_err_kind reason);
/* False: the sandbox broke the rules. */
bool er_inflow_data(er_inflow *f, er_slice bytes, bool fin);

/* ---- call ---- */

struct er_call {
	uint32_t magic;
	uint32_t id;
	er_instance *instance;
	er_exchange *x;       /* own reference; NULL: the client is gone, the sandbox still works on it */
	er_exchange *streams; /* own reference while the body is on its way: what it costs meanwhile is told it, too */
	er_list link;         /* instance->calls, oldest first */
	er_list queue;        /* instance->queue until the REQUEST is written */
	uint64_t started_us;
	uint32_t cpu_us;
	uint32_t subrequests;
	uint32_t logs;
	uint8_t retries;
	bool sent;    /* REQUEST is in the ring */
	bool touched; /* something of it was consumed or has left: it cannot be tried again */
	bool answered;
	bool expired; /* its time was up; the sandbox was told */
	er_outflow upload;
	er_inflow response;
	er_list subs;
};

er_call *er_call_new(er_instance *in, er_exchange *x);
/* Writes REQUEST; false: no room now. */
bool er_call_send(er_call *c);
/* Frees it and ends what it holds; the exchange must have been answered, passed on or let go. */
void er_call_free(er_call *c);
/* Answers with a failure of the node's making (or the rest of the chain, if the routine says so); cuts the body if the head is out. */
void er_call_fail(er_call *c, int status, er_err_kind kind, uint64_t used, uint64_t limit, const char *text);
/* The instance died under it. */
void er_call_orphaned(er_call *c, bool blamed, er_err_kind why, uint64_t used, uint64_t limit);
bool er_call_on_response(er_call *c, const er_frame *f, er_slice payload);
void er_call_on_pass(er_call *c);
void er_call_on_exception(er_instance *in, er_call *c, const er_frame *f, er_slice payload);
/* What the sandbox says it has used so far. */
void er_call_cpu(er_call *c, uint32_t cpu_us);
/* Its body ends: nothing is told to the exchange any more, which its asker may now use again. */
void er_call_streamed(er_call *c);
/* The time of the call is up. */
void er_call_expire(er_call *c);

/* ---- sub ---- */

struct er_sub {
	uint32_t magic;
	uint32_t id;
	er_call *call;
	er_list link;   /* call->subs */
	er_exchange *x; /* own reference until it is answered */
	er_outflow response;
	er_inflow upload;
};

/* FETCH. False: the sandbox broke the rules. */
bool er_sub_start(er_instance *in, const er_frame *f, er_slice payload);
void er_sub_free(er_sub *s, er_err_kind reason);

/* ---- instance ---- */

typedef enum instance_state { INSTANCE_WAITING, INSTANCE_LOADING, INSTANCE_READY, INSTANCE_DEAD } instance_state;

struct er_instance {
	uint32_t magic;
	er_isolate_host *host;
	er_service *service;
	er_routine *routine; /* own reference */
	er_box *box;         /* NULL while waiting for one */
	instance_state state;
	er_list link;    /* host->instances, least recently used first */
	er_list waiting; /* host->waiting[profile] */
	er_list calls;   /* all, oldest first */
	er_list queue;   /* not sent yet */
	er_list blocked; /* outflows that wait for room */
	er_buf said;     /* whole frames that found no room */
	er_idmap by_id, subs;
	uint32_t next_id;
	unsigned n_calls;
	size_t load_at; /* bytes of code written so far */
	bool load_begun, loaded;
	bool closing; /* no further calls; ends with the last one */
	/* supervision */
	bool heard;              /* a frame came since the last tick */
	uint64_t cpu_base_us;    /* the process's CPU clock when it was last heard */
	uint64_t cpu_idle_us;    /* the same when it became idle */
	uint64_t cpu_busy_us;    /* the same when its first call came */
	uint64_t cpu_allowed_us; /* sum of the limits of the calls since then */
	uint64_t last_used_us, closing_us;
	uint64_t busy_since_us, idle_since_us;
	uint64_t memory_at_us;   /* when its memory was last looked at */
	uint64_t memory_base_kb; /* before it got code */
	uint64_t memory_peak_kb; /* seen since, without that */
	bool culprit_gone;       /* who is to blame for its end has its answer already */
	er_err_kind kill_reason; /* why the node itself killed it */
	uint64_t kill_used, kill_limit;
};

er_instance *er_instance_new(er_service *s);
/* A ready box for it; loading begins. */
void er_instance_give_box(er_instance *in, er_box *box);
void er_instance_add(er_instance *in, er_call *c);
/* Writes what waits: code, requests, bodies. */
void er_instance_pump(er_instance *in);
/* One frame from the sandbox; `payload` still lies in the ring. False: it broke the rules. */
bool er_instance_frame(er_instance *in, const er_frame *f, er_slice payload);
/* Its process is gone, or must go. */
void er_instance_died(er_instance *in, int wait_status);
void er_instance_kill(er_instance *in, er_err_kind why, uint64_t used, uint64_t limit);
/* No further calls; ends when the last one is over. */
void er_instance_close(er_instance *in);
void er_instance_tick(er_instance *in, uint64_t now_us);
void er_instance_sweep(er_instance *in, uint64_t now_us);
void er_instance_call_over(er_instance *in);
/* Its memory as last seen, worth telling (0 if it was seen far below its limit, as when one huge allocation was refused). */
uint64_t er_instance_used_kb(const er_instance *in);
/* Room for a frame that its sender can put off (requests, code, bodies): NULL means wait for er_instance_pump. */
uint8_t *er_instance_frame_out(er_instance *in, const er_frame *f);
/* A frame that must not be lost: kept in order behind what waits already when the ring is full. */
void er_instance_say(er_instance *in, er_frame f, er_slice payload);

/* ---- service ---- */

struct er_service {
	er_isolate_host *host;
	er_routine *routine; /* own reference */
	er_sourcemap *map;
	bool map_tried;
	er_instance *instance; /* the one that takes calls, or NULL */
	unsigned n_instances;  /* with those that are closing */
	bool retired;
	/* failures and back-off */
	uint64_t failed_us[16]; /* times of the last failures, newest first; at least as many as the lightest need to suspend */
	unsigned weight[16];
	uint64_t suspended_until_us;
	uint32_t backoff_ms;
};

er_service *er_service_of(er_isolate_host *h, er_routine *r);
void er_service_failed(er_service *s, er_err_kind why);
/* It has just done something that ends an instance: for a moment it gets only the CPU that others leave. */
bool er_service_suspect(const er_service *s, uint64_t now_us);
/* Frees it if nothing holds it any more. */
void er_service_let_go(er_service *s);
/* The routine takes the exchange (again). */
void er_service_dispatch(er_service *s, er_exchange *x, uint8_t retries);
const er_sourcemap *er_service_map(er_service *s);

/* ---- host ---- */

struct er_isolate_host {
	uint32_t magic;
	uv_loop_t *loop;
	int spawner;
	uv_poll_t spawner_poll;
	uv_prepare_t prepare;
	uv_timer_t tick, sweep;
	bool ticking, closing, spawner_gone;
	unsigned open_handles;
	er_origin *origin;
	const er_handler *standard;
	er_isolate_config config;
	er_isolate_stats stats;
	er_idmap slots; /* slot -> box */
	uint32_t next_slot;
	er_list boxes, active;
	er_list warm[2];
	er_list waiting[2]; /* instances without a box */
	unsigned starting[2];
	bool pool_was_full;     /* once: what is missing now is what was used */
	unsigned spawn_strikes; /* failures in a row */
	uint64_t spawn_not_before_us;
	bool level_told;     /* why the level is lower than wanted has been logged */
	er_list spare_calls; /* freed ones, for the next request */
	er_list instances;
	unsigned n_instances;
	er_map *services; /* by routine pointer */
	void (*on_closed)(void *);
	void *on_closed_ctx;
};

/* pool.c */
void er_pool_fill(er_isolate_host *h);
er_box *er_pool_take(er_isolate_host *h, enum er_profile p);
void er_pool_hurry(er_isolate_host *h, enum er_profile p); /* for somebody who waits */
void er_pool_box_ready(er_box *box);
void er_pool_box_lost(er_box *box, const char *why);
/* box.c */
er_box *er_box_start(er_isolate_host *h, enum er_profile profile, er_err *err);
void er_box_kill(er_box *box);
void er_box_on_spawner(er_isolate_host *h, const er_spawner_event *ev);
void er_box_drain(er_box *box);
void er_box_publish(er_box *box);
void er_box_activate(er_box *box);
void er_box_poke(er_box *box); /* the loop looks at it in its next round */
uint64_t er_box_cpu_us(const er_box *box);
void er_box_demote(er_box *box, bool on);        /* while it computes on and on it gets what the others leave */
uint64_t er_box_anonymous_kb(const er_box *box); /* 0: not known */
void er_box_sweep(er_box *box, uint64_t now_us);
void er_box_close(er_box *box);
void er_host_handle_closed(er_isolate_host *h);
void er_host_need_tick(er_isolate_host *h);

#endif
