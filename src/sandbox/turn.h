/* Turns: every call from C into JavaScript, each with an owner, to whom its CPU is charged.
 *
 * Accounting costs no system call for short turns. A turn of less than 200 us is charged its wall
 * time (one reading of the monotonic clock a turn, shared with the neighbour in a batch), which is
 * too much when the kernel ran somebody else meanwhile; a longer one, and every turn of an owner
 * that has used half of its limit, is charged thread CPU time: sharing a core costs nobody the
 * request. What never ends is met by a timer on the thread's CPU clock, armed once, that ticks
 * every 5 ms of CPU burnt: its handler ends the process when the owner's sum is above its limit
 * (nothing gentler stops a native loop or an endless chain of microtasks).
 *
 * No JavaScript of the routine runs outside a turn of a request or of the background, and the
 * background has a tenth of the time: what it has to do waits while its account is above a quarter
 * of a request's limit, and the process ends when the account is above the whole. The compilers of
 * WebAssembly modules work on a thread of their own while JavaScript waits for them: the turn pays
 * for both. What is left is the collector's own timers (a tenth of the time, ER_ENGINE_CPU_US at
 * once), and the compilers of code that has got hot, which the node bounds from outside
 * (isolate/supervise.c). */
#ifndef ER_SANDBOX_TURN_H
#define ER_SANDBOX_TURN_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct er_request;

enum {
	/* A turn shorter than this is charged its wall time. */
	ER_TURN_SHORT_NS = 200 * 1000,
	/* After so much charged by wall time the thread's CPU clock is read again. */
	ER_TURN_SYNC_NS = 1000 * 1000,
	/* So old a reading of the CPU clock is renewed after a rest. CPU that the sandbox used for no
	 * owner since that reading makes the next long turn's figure too high, by this much at most. */
	ER_TURN_STALE_NS = 500 * 1000,
	/* A turn this long is told to the node in a METER frame. */
	ER_TURN_LONG_NS = 5 * 1000 * 1000,
	/* The period of the timer on the CPU clock. */
	ER_TURN_TICK_NS = 5 * 1000 * 1000,
	/* The most that loading a part of the prelude takes off an owner's account. */
	ER_TURN_GIFT_NS = 100 * 1000 * 1000,
	/* Answers of one turn whose CPU figure is filled in at the turn's end. */
	ER_TURN_PATCHES = 8,
};

/* The turn that runs, or the last one. What is volatile is read by the tick's signal handler. */
typedef struct er_turn {
	volatile bool active;
	struct er_request *volatile owner;
	volatile uint32_t owner_id;
	uint64_t *account;           /* what the turn is charged to: the owner's, or engine_ns */
	uint64_t engine_ns;          /* of the engine's own work, lately */
	volatile uint64_t start_ns;  /* CLOCK_MONOTONIC; also the latest reading between turns */
	volatile uint64_t before_ns; /* the owner's CPU in earlier turns */
	volatile uint64_t limit_ns;
	volatile uint64_t cpu_base_ns; /* thread CPU at the last exact reading */
	volatile uint64_t charged_ns;  /* wall time charged since then */
	uint64_t synced_ns;            /* CLOCK_MONOTONIC at that reading */
	bool exact;                    /* the owner has used half of its limit */
	volatile unsigned compiling;   /* how deep in calls that wait for the compilers' threads */
	volatile uint64_t helpers_ns;  /* CPU of the other threads when the outermost began */
	volatile uint64_t helped_ns;   /* theirs in this turn, of such calls that are over */
	uint64_t refused;              /* er_death_refused() when it began */
	/* when the background's and the engine's accounts were last relieved */
	uint64_t relieved_ns;
	struct {
		uint8_t *head;
		struct er_request *r;
	} patches[ER_TURN_PATCHES];
	/* of `patches`: answers whose CPU figure is filled in at the end */
	unsigned patches_n;
	struct er_request *forget; /* over; a chain through `later` */
	/* what is done with each of these at the end of the turn: request.c's, which lies above */
	void (*forgets)(struct er_request *r);
} er_turn;

/* Arms the tick. Once, before seccomp. */
ER_MUST_CHECK bool er_turn_setup(er_err *err);
/* Fresh readings of the clocks, of the CPU's if the last one is old: at every waking, and now and
 * then in a long batch. */
void er_turn_refresh(void);
/* `limit_us`: for the owner's turns in all. An owner with WebSockets may live for days: its account
 * is relieved by a tenth of the time. */
void er_turn_begin(struct er_request *owner, uint64_t limit_us);
/* Likewise; but the owner's account begins anew: something has come on a WebSocket of the owner. */
void er_turn_begin_message(struct er_request *owner, uint64_t limit_us);
/* The engine's own work (the collector's timers): nobody pays for collecting other requests'
 * garbage. It has an account of its own, with a limit that no honest collection reaches. The
 * routine's JavaScript does not run in it. */
void er_turn_begin_engine(void);
/* Likewise, of what the sandbox does by itself because nobody wants anything: charged, but nothing
 * ends for it. */
void er_turn_begin_idle(void);
/* The engine's account is so far from its limit that more of its work may be done for no reason but
 * tidiness. */
bool er_turn_idle_allowed(void);
/* A call that waits for the compilers' threads, inside a turn: the turn pays for what they do
 * meanwhile. */
void er_turn_compile_begin(void);
void er_turn_compile_end(void);
/* The prelude loads a script of its own, once in an instance, inside a turn: that is not the
 * owner's, up to ER_TURN_GIFT_NS. */
typedef struct er_turn_gift {
	uint64_t wall_ns, cpu_ns; /* when it began */
} er_turn_gift;
er_turn_gift er_turn_gift_begin(void);
void er_turn_gift_end(er_turn_gift began);
/* How long the background has to wait before its next turn; 0: not at all. */
uint64_t er_turn_background_rest_ns(void);
/* In a turn of the background: it may begin the next piece of its work at once. */
bool er_turn_background_may_go_on(void);
/* Charges, fills in, forgets. The process may end here. */
void er_turn_end(void);

/* The turn's owner; the background outside turns. */
struct er_request *er_turn_owner(void);
/* The instant that JavaScript sees, as CLOCK_MONOTONIC: the beginning of the turn. */
uint64_t er_turn_now_ns(void);
/* CPU of a request in us, with what the present turn has used so far if it is its owner. */
uint32_t er_turn_cpu_us(const struct er_request *r);
/* Async-signal-safe: of the present turn's owner, up to now; 0 outside turns. */
uint64_t er_turn_sum_us(void);
/* At the end of the turn writes r's CPU into the `arg` of the frame whose head lies at `head`
 * (NULL: nothing to do). */
void er_turn_patch(uint8_t *head, struct er_request *r);
/* The record lives until the end of the turn. */
void er_turn_forget_later(struct er_request *r);

#endif
