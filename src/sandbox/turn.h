/* Turns: every call from C into JavaScript, each with an owner, to whom its CPU is charged.
 *
 * Accounting costs no system call for short turns. A turn of less than 200 us is charged its wall time (one reading of the monotonic clock a
 * turn, shared with the neighbour in a batch), which is too much when the kernel ran somebody else meanwhile; a longer one, and every turn of an owner
 * that has used half of its limit, is charged thread CPU time: sharing a core costs nobody the request. What never ends is met by a
 * timer on the thread's CPU clock, armed once, that ticks every 5 ms of CPU burnt: its handler ends the process when the owner's sum is
 * above its limit (nothing gentler stops a native loop or an endless chain of microtasks). */
#ifndef ER_SANDBOX_TURN_H
#define ER_SANDBOX_TURN_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct er_request;

enum {
	ER_TURN_SHORT_NS = 200 * 1000, /* up to here wall time is good enough */
	ER_TURN_SYNC_NS = 1000 * 1000, /* after so much charged by wall time the CPU clock is read again */
	ER_TURN_STALE_NS =
	    500 *
	    1000, /* likewise after a rest; what was done meanwhile for nobody makes the next long turn's reading so much too high at most */
	ER_TURN_LONG_NS = 5 * 1000 * 1000, /* a METER after so much */
	ER_TURN_TICK_NS = 5 * 1000 * 1000, /* the handler's period */
	ER_TURN_ENGINE_US = 400 * 1000,    /* of the engine's own work, relieved by half of the time that passes */
	ER_TURN_PATCHES = 8,               /* answers of one turn whose CPU is filled in at its end */
};

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
	uint64_t refused;              /* er_death_refused() when it began */
	uint64_t background_ns;        /* when the background's account was last relieved */
	struct {
		uint8_t *head;
		struct er_request *r;
	} patches[ER_TURN_PATCHES];
	unsigned patches_n;
	struct er_request *forget; /* over; a chain through later_ */
} er_turn;

/* Arms the tick. Once, before seccomp. */
ER_MUST_CHECK bool er_turn_setup(er_err *err);
/* Fresh readings of the clocks, of the CPU's if the last one is old: at every waking, and now and then in a long batch. */
void er_turn_refresh(void);
/* The time up to now is nobody's: called when another process may have run. */
void er_turn_skip(void);
/* `limit_us`: for the owner's turns in all. */
void er_turn_begin(struct er_request *owner, uint64_t limit_us);
/* The engine's own work (collections, and the JavaScript that follows asynchronous compilation): the owner is `owner`, but it does not pay for
 * collecting other requests' garbage. It has an account of its own, with a limit that no honest collection reaches. */
void er_turn_begin_engine(struct er_request *owner);
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
/* At the end of the turn writes r's CPU into the `arg` of the frame whose head lies at `head` (NULL: nothing to do). */
void er_turn_patch(uint8_t *head, struct er_request *r);
/* The record lives until the end of the turn. */
void er_turn_forget_later(struct er_request *r);

#endif
