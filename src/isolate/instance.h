/* Inside the isolate room: an instance is one routine version in one sandbox. Its states are a
 * table (instance_states.h). dispatch.c makes it when a request, a warm-up or a trial needs one; it
 * gets its code and a box (supply.h), takes calls, is watched (supervise.h), and is freed when its
 * process is gone, or by the sweep if it never had one (death.h). */
#ifndef ER_ISOLATE_INSTANCE_H
#define ER_ISOLATE_INSTANCE_H

#include "base/buf.h"
#include "base/idmap.h"
#include "base/list.h"
#include "channel/frame.h"
#include "channel/inspect.h"
#include "isolate/box.h"
#include "isolate/call.h"
#include "isolate/instance_states.h"
#include "isolate/service.h"

typedef struct er_start er_start; /* start.h */

enum { ER_INSTANCE_MAGIC = 0x494e5354 };

struct er_instance {
	uint32_t magic;
	uint32_t number; /* of the host's; for traces */
	er_isolate_host *host;
	er_service *service;
	er_routine *routine; /* own reference */
	er_code *code;       /* own reference; NULL while the code is read */
	er_reading *reading; /* of its code; NULL: none is under way */
	er_start *start;     /* own; NULL: nobody but its calls waits for it to have loaded */
	er_box *box;         /* NULL while it has none */
	er_state state;      /* of er_instance_states */
	er_list link;        /* host->instances, in the order in which they were made */
	er_list waiting;     /* host->waiting[profile], in state WAITING */
	er_list calls;       /* all, oldest first */
	er_list timed;       /* the same, in the order in which they last moved (er_call_moved) */
	er_list queue;       /* calls whose REQUEST is not written yet */
	er_list blocked;     /* outflows that wait for room in the ring */
	er_buf said;         /* whole frames that found no room in the ring, in order */
	er_idmap by_id;      /* its calls */
	er_idmap subs;       /* subrequests of its calls */
	/* of its subrequests under way */
	er_lease_holder leases;
	uint32_t sub_most;   /* subrequests that it may have under way */
	uint32_t sub_credit; /* that it may still begin, as the sandbox knows */
	/* that have ended without the sandbox having been told; with the credit at most sub_most */
	uint32_t sub_owed;
	uint32_t next_id;
	unsigned n_calls; /* length of `calls` */
	/* WebSockets that the sandbox ends: calls and subrequests that have switched */
	unsigned n_sockets;
	size_t load_at;  /* bytes of code written so far */
	bool load_begun; /* LOAD is in the ring */
	bool closing;    /* takes no further calls; ends with the last one */

	/* supervision (supervise.c) */
	bool heard;                        /* a frame came since the last tick */
	er_inspect_state debug;            /* what its sandbox says of a debugger */
	uint64_t cpu_base_us;              /* the process's CPU clock when it was last heard */
	uint64_t cpu_idle_us;              /* the same when it became idle; 0: the next sweep looks */
	uint64_t born_us;                  /* when it got its box */
	unsigned quiet_ticks;              /* since it last used CPU */
	uint64_t cpu_tick_us;              /* the CPU clock at the last tick */
	uint64_t ticked_us;                /* when that was */
	uint64_t cpu_busy_us;              /* the CPU clock when its first call came */
	uint64_t cpu_told_us;              /* CPU of calls that ended since then */
	uint64_t cpu_allowed_us;           /* sum of the limits of all calls since then */
	uint64_t last_used_us, closing_us; /* closing_us: when it was told to end; 0: not yet */
	uint64_t busy_since_us, idle_since_us;
	uint64_t memory_at_us;   /* when its memory was last looked at */
	uint64_t memory_base_kb; /* before it got code */
	/* the last figure and the largest, without memory_base_kb */
	uint64_t memory_seen_kb, memory_peak_kb;

	/* its end */
	bool culprit_gone;       /* the call that is to blame has its answer already */
	er_err_kind kill_reason; /* why the node itself killed it; OK: it has not */
	uint64_t kill_used, kill_limit;
	er_budget budget; /* of CPU: whose ran out, if that is why it ends */
};

/* The event must have an edge in the present state (instance_states.c). */
void er_instance_move(er_instance *in, er_instance_event event);
static inline bool er_instance_ready(const er_instance *in)
{
	return in->state.now == INSTANCE_READY;
}
er_instance *er_instance_new(er_service *s);
/* When the sandbox is gone and the last call has been ended. The service may go with it. */
void er_instance_free(er_instance *in);
/* Takes the call: gives it an id, and puts it into the queue. */
void er_instance_add(er_instance *in, er_call *c);
/* The call that a frame is about. NULL: there is none (any more), or the sandbox has not been told
 * of it yet: then it only guessed the number. */
static inline er_call *er_instance_call(er_instance *in, uint32_t id)
{
	er_call *c = er_idmap_get(&in->by_id, id);
	ER_ASSERT(c == NULL || (c->id == id && c->instance == in));
	return c != NULL && c->sent ? c : NULL;
}
/* The call for which the sandbox asks something (FETCH, CLONE): from now on the call cannot be
 * tried again. NULL: it is over, or the sandbox only guessed its number. */
er_call *er_instance_asking(er_instance *in, uint32_t id);
/* Ends the process. The instance lives until the spawner says that it is gone. The first reason
 * counts. */
void er_instance_kill(er_instance *in, er_err_kind why, uint64_t used, uint64_t limit);
/* Counts that a limit ended something and tells the host's `killed`. `used` and `limit` in us
 * (CPU, TIMEOUT) or KB (MEMORY). */
void er_instance_report(er_instance *in, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit);
/* The most memory that the instance was seen to use. 0 if that is far below its limit: one huge
 * allocation that was refused was never seen, and a small figure would mislead. */
uint64_t er_instance_memory_kb(const er_instance *in);
/* What it says that it was refused last, if that is not known; else 0. KB. */
uint64_t er_instance_asked_kb(const er_instance *in);
/* The instance takes no further calls, and ends when the last one is over. */
void er_instance_close(er_instance *in);
/* Its sockets end: the clients hear that the server goes (1001). */
void er_instance_end_sockets(er_instance *in);
/* n bytes of a socket go to the sandbox: each message in them may use a request's CPU time. */
void er_instance_messages(er_instance *in, size_t n);
/* A call has left the instance. */
void er_instance_call_over(er_instance *in);

/* Room in the ring for a frame that its sender can put off (requests, code, bodies): where the
 * payload goes. NULL: there is none now; the sender waits for er_supply_pump. */
uint8_t *er_instance_frame_out(er_instance *in, const er_frame *f);
/* The same for a frame that must not be lost: a full ring keeps it, in order, behind the frames
 * that wait already. NULL: there is no sandbox any more that could read it. All f->n bytes must
 * be written. */
uint8_t *er_instance_saying(er_instance *in, const er_frame *f);
void er_instance_say(er_instance *in, er_frame f, er_slice payload);
/* Writes the frames that a full ring kept. False: not all of them. */
bool er_instance_pump_said(er_instance *in);
/* A subrequest that the instance began has ended, or came to nothing: the instance may begin
 * another one, and its sandbox is told so, soon. */
void er_instance_sub_back(er_instance *in);

#endif
