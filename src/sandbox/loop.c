/* The loop. A round takes what the node has sent, then timers that are due, then shows the node
 * what was answered; when there was nothing to do it rests. Three things must not be forgotten
 * meanwhile, and each has its moment: the engine's own timers (after each rest that they asked for,
 * and every ENGINE_EVERY batches of a busy sandbox), collecting garbage when nobody wants anything
 * for two seconds, and warming up, once, while the sandbox waits in the pool for code.
 *
 * The node is woken late on purpose: as long as there is more to do its wake-up would only take the
 * core away. JavaScript runs only inside turns (turn.h); the engine's lock is held over a batch and
 * never while waiting. Ends when the node has said CLOSE and the last request is over, or when the
 * ring is broken. */
#include "sandbox/loop.h"

#include "base/mem.h"
#include "sandbox/engine.h"
#include "sandbox/frames.h"
#include "sandbox/sandbox.h"

#include <limits.h>

enum {
	WAKE_EVERY = 4,          /* batches after which the node is woken even if there is more to do */
	BATCH = 32,              /* frames between two flushes: the node can go on meanwhile */
	BATCH_BYTES = 64 * 1024, /* pending bytes, likewise */
	/* batches between two looks at the engine's own work when there is no rest */
	ENGINE_EVERY = 64,
	TRIM_AFTER_MS = 2000, /* idle for so long: collect */
	/* so often, at most, it is asked whether a body that somebody waits for has been forgotten */
	STALLED_EVERY_MS = 2000,
	/* without code for so long: nobody waits for this sandbox, it is in the pool */
	WARM_AFTER_MS = 20,
};

static_assert((int)BATCH_BYTES < (int)ER_RING_SIZE, "a batch ends before the ring is full of its answers");

/* Handles at most BATCH frames. Returns how many. The frames lie in the ring until all are handled,
 * and so do the payloads that a request of this batch points into (er_request_keep copies what
 * stays). */
static unsigned drain_in(void)
{
	er_slice bytes = er_ring_peek(&er_sb.ch.in);
	size_t used = 0;
	unsigned n = 0;
	while (n < BATCH) {
		er_frame f;
		er_slice payload;
		size_t whole;
		er_frame_status st = er_frame_read(er_slice_from(bytes, used), &f, &payload, &whole);
		if (st == ER_FRAME_WAIT)
			break;
		ER_ASSERT(st == ER_FRAME_OK);
		er_frames_handle(&f, payload);
		used += whole;
		n++;
		if (er_out_pending() > BATCH_BYTES)
			break;
	}
	ER_ASSERT(used <= bytes.n && n <= BATCH);
	if (used && er_ring_release(&er_sb.ch.in, used))
		er_out_wake();
	return n;
}

static unsigned run_timers(void)
{
	uint64_t now = er_turn_now_ns(), seq = er_sb.timers.seq, tid;
	unsigned n = 0;
	er_request *owner;
	ER_ASSERT(!er_sb.turn.active);
	while (n < BATCH && er_timers_take(now, seq, &tid, &owner)) {
		er_turn_begin(owner, er_sb.limits.cpu_us);
		er_engine_call(ER_HOOK(timer, .tid = er_js_number((double)tid)));
		er_turn_end();
		n++;
	}
	return n;
}

/* The collector's timers. The prelude only takes note of what was finalized, and has it done in the
 * background's turns. */
static void run_engine(void)
{
	ER_ASSERT(!er_sb.turn.active);
	er_turn_begin_engine();
	er_engine_iterate();
	er_turn_end();
}

static int sleep_ms(int ms)
{
	uint64_t next = er_timers_next_ns(), now = er_turn_now_ns();
	if (next == UINT64_MAX)
		return ms;
	uint64_t wait = next > now ? (next - now + 999999) / 1000000 : 0;
	if (wait > INT_MAX)
		wait = INT_MAX;
	return ms < 0 || (int)wait < ms ? (int)wait : ms;
}

/* Returns true if it slept through `ms` (-1: for ever) without anything to do. */
static bool rest(int ms)
{
	ER_ASSERT(ms >= -1 && !er_sb.turn.active);
	uint64_t slept_at = er_turn_now_ns();
	if (!er_ring_sleep(&er_sb.ch.in))
		return false;
	bool pending = er_engine_wait(sleep_ms(ms));
	er_ring_awake(&er_sb.ch.in);
	er_turn_refresh();
	if (pending)
		run_engine();
	return ms > 0 && er_turn_now_ns() - slept_at >= (uint64_t)(ms - 1) * 1000000U;
}

/* What the first request would pay for otherwise, and what the start left behind. Not before READY:
 * a request may be waiting for that. */
static void warm(void)
{
	ER_ASSERT(!er_sb.loaded && er_sb.code_url.p == NULL);
	er_turn_begin_idle();
	er_engine_call(ER_HOOK_warm, 0, NULL);
	er_engine_collect();
	er_turn_end();
}

/* Nobody wants anything. True: done for now. */
static bool tidy(void)
{
	if (!er_turn_idle_allowed())
		return false;
	er_turn_begin_idle();
	er_engine_collect();
	er_turn_end();
	return true;
}

static struct {
	bool dirty;        /* something ran since the last collection */
	bool cold;         /* neither warmed nor given code */
	uint64_t since_ns; /* the first that ran after the last collection */
} state = {.cold = true};

/* A copy that JavaScript has begun to read and let go of keeps its client waiting until the
 * collector has found it. Readers that are only slow cost a collection now and then. */
static bool stalled(void)
{
	return state.dirty && er_turn_now_ns() - state.since_ns >= STALLED_EVERY_MS * 1000000ULL && er_held_stalled();
}

/* There was nothing to do. */
static void rest_and_tidy(void)
{
	/* What JavaScript does about it may wake others: the round is over. */
	if (er_sb.loaded && !er_sb.inspect.attached && er_frames_hung() > 0)
		return;
	bool slept = rest(state.cold ? WARM_AFTER_MS : state.dirty ? TRIM_AFTER_MS : -1);
	if (!(slept && er_sb.requests.live == 0) && !stalled())
		return;
	ER_ASSERT(!state.cold || !er_sb.loaded);
	if (state.cold)
		warm();
	else
		state.dirty = !tidy();
	er_turn_refresh(); /* what came meanwhile does not pay for it */
	state.cold = false;
}

static void after_batch(unsigned batches)
{
	if (!state.dirty)
		state.since_ns = er_turn_now_ns();
	state.dirty = er_sb.loaded;
	if (batches % ENGINE_EVERY != 0)
		return;
	er_turn_refresh();
	run_engine();
}

void er_loop_run(void)
{
	unsigned batches = 0;
	er_turn_refresh();
	while (!er_sb.ch.in.broken && !er_sb.ch.out.broken) {
		/* between turns nothing is left over */
		ER_ASSERT(er_sb.turn.forget == NULL && er_sb.turn.patches_n == 0);
		er_engine_enter();
		unsigned n = er_frames_lost();
		n += drain_in();
		n += run_timers();
		er_engine_leave();
		if (n == 0 || batches % WAKE_EVERY == 0)
			er_out_flush();
		else
			er_out_publish();
		if (er_sb.closing && er_sb.requests.live == 0 && er_out_overflow(&er_sb.out) == 0)
			return;
		state.cold &= er_sb.code_url.p == NULL;
		if (n)
			after_batch(++batches);
		else
			rest_and_tidy();
	}
}
