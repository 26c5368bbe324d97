/* Inside the isolate room. From the ground up:
 *
 *   box        a sandbox process and its channel: starting, warm, in use, dying (box.c)
 *   instance   a box that runs one routine version; its calls (instance.c), and how it gets its code (load.c)
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
#include "isolate/box.h"
#include "isolate/flow.h"
#include "isolate/isolate.h"
#include "isolate/sourcemap.h"
#include "isolate/spawner.h"

typedef struct er_call er_call;
typedef struct er_sub er_sub;
typedef struct er_service er_service;
typedef struct er_reading er_reading; /* load.c */

enum {
	ER_BOX_NICE_SMALL = 19, /* a seventieth of an ordinary one's share: many of them together are still less than a gateway */
	FED_US = 500,           /* of CPU in a tick: it is not starved */
	QUIET_TICKS = 20,       /* without any CPU, and a heavy one is done, or waits for something */
	YOUNG_US = 1000000,     /* an instance whose code the compilers are at */
	BACKGROUND_MS = 250,    /* where the others leave it nothing */
	HOG_US = 2000,          /* of CPU within a tick, without a word */
	HEAVY_US = 10000,       /* of CPU that a request has used, on average */
	PULSE_US = 500, /* likewise: cores' turns are kept short (base/pulse.h) for PULSE_TICK_US, and while a sandbox starts */
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
	DRAIN_BYTES = 64 * 1024,      /* read from one sandbox before others get their turn */
	FRAME_BYTES = 512,            /* what a frame counts there besides its bytes */
	TRY_MS = 10000,               /* a start that nobody's request waits for */
	MAX_LOGS = 1100,              /* LOG frames of one call; the sandbox itself stops at 1000 */
};

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

/* READING its code, WAITING for a box, LOADING the code into it. */
typedef enum instance_state {
	INSTANCE_READING,
	INSTANCE_WAITING,
	INSTANCE_LOADING,
	INSTANCE_READY,
	INSTANCE_DEAD
} instance_state;

/* Somebody waits for an instance to have loaded: it is warmed up, or only tried. */
typedef struct er_start {
	bool trial;
	uint64_t since_us;
	er_isolate_started *done;
	void *ctx;
	er_isolate_start result; /* its slices: of the buffers */
	er_buf console, error, stack;
} er_start;

struct er_instance {
	uint32_t magic;
	er_isolate_host *host;
	er_service *service;
	er_routine *routine; /* own reference */
	er_code *code;       /* likewise; NULL while it is read */
	er_reading *reading; /* of its code */
	er_start *start;     /* NULL: nobody but its calls waits for it */
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
	uint64_t born_us;        /* when it got its sandbox */
	unsigned quiet_ticks;    /* since it last used CPU */
	uint64_t cpu_tick_us;    /* at the last tick */
	uint64_t ticked_us;      /* when that was */
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
/* It has its code: now it needs a box. */
void er_instance_find_box(er_instance *in);
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
/* A frame that must not be lost: kept in order behind what waits already when the ring is full. Where its payload goes, all f->n bytes of it; NULL: there is
 * nobody any more to hear it. */
uint8_t *er_instance_saying(er_instance *in, const er_frame *f);
void er_instance_say(er_instance *in, er_frame f, er_slice payload);

/* ---- load ---- */

/* Gets the instance its code, at once or later. */
void er_load_code(er_instance *in);
/* Writes the code as far as there is room. False: not all of it. */
bool er_load_pump(er_instance *in);
/* LOADED. False: the sandbox broke the rules. */
bool er_load_done(er_instance *in, const er_frame *f, er_slice payload);
/* What a trial prints is kept for its result; false: it is none. */
bool er_load_printed(er_instance *in, er_slice text);
void er_start_begin(er_instance *in, bool trial, er_isolate_started *done, void *ctx);
/* Tells whoever waits that it will not load; nothing if nobody does. */
void er_start_failed(er_instance *in, er_err_kind why, uint64_t used, uint64_t limit);

/* ---- service ---- */

struct er_service {
	er_isolate_host *host;
	er_routine *routine; /* own reference */
	er_sourcemap *map;
	bool map_tried;
	er_instance *instance; /* the one that takes calls, or NULL */
	unsigned n_instances;  /* with those that are closing */
	er_list resting;       /* host->resting, while it has none */
	er_reading *reading;   /* of its code; NULL: none is under way */
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
/* An instance of it is gone. Without any it rests: the next sweep frees it unless its failures still count. */
void er_service_let_go(er_service *s);
/* The routine takes the exchange (again). */
void er_service_dispatch(er_service *s, er_exchange *x, uint8_t retries);
/* The parsed source map of that code; kept while there are instances. */
const er_sourcemap *er_service_map(er_service *s, const er_code *code);
void er_service_sweep(er_isolate_host *h, uint64_t now_us);

/* ---- host ---- */

struct er_isolate_host {
	uint32_t magic;
	uv_loop_t *loop;
	int spawner;
	uv_poll_t spawner_poll;
	uv_prepare_t prepare;
	uv_timer_t tick, sweep;
	bool ticking, closing, spawner_gone;
	bool privileged; /* it may take back what it did to the scheduling of a sandbox */
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
	er_list resting;     /* services without an instance */
	er_list instances;
	unsigned n_instances;
	er_map *services; /* by routine pointer */
	void (*on_closed)(void *);
	void *on_closed_ctx;
};

/* pool.c */
void er_pool_fill(er_isolate_host *h);
er_box *er_pool_box_take(er_isolate_host *h, enum er_profile p);
/* Those that are starting leave the background when somebody who is no suspect waits for them. */
void er_pool_hurry(er_isolate_host *h, enum er_profile p);
void er_pool_box_ready(er_box *box);
void er_pool_box_lost(er_box *box, const char *why);
/* host.c */
void er_host_handle_closed(er_isolate_host *h);
void er_host_need_tick(er_isolate_host *h);

#endif
