/* How late a thread's loop comes to its work: a timer that ought to fire every ER_DELAY_EVERY_MS,
 * and how much later it did. Whatever holds the loop up shows here: a callback that computes or
 * waits for long, and a machine that has no CPU to give. Costs nothing while requests are served.
 *
 * Written by the thread; read by the control thread without a lock, as all of metrics.h. */
#ifndef ER_GATEWAY_DELAY_H
#define ER_GATEWAY_DELAY_H

#include "base/buf.h"

#include <uv.h>

enum { ER_DELAY_EVERY_MS = 100, ER_DELAY_BUCKETS = 11 };

/* A histogram: a count for each bound and one for what is above all, the sum, and the longest. All
 * of it is words. */
typedef struct er_delay_stats {
	uint64_t buckets[ER_DELAY_BUCKETS + 1], sum_us, most_us;
} er_delay_stats;

typedef struct er_delay {
	uv_timer_t timer;
	uint64_t due_us; /* as er_clock_mono_us counts */
	er_delay_stats stats;
} er_delay;

/* Begins with the loop's first turn, and does not keep the loop alive. */
void er_delay_start(er_delay *d, uv_loop_t *loop);
/* Closes the timer. The memory must stay until the loop has closed it. */
void er_delay_end(er_delay *d);
/* It came so late. A loop that was away for several periods was late for each of them. */
void er_delay_note(er_delay_stats *s, uint64_t late_us);
/* er_loop_delay_seconds and er_loop_delay_max_seconds, by thread. */
void er_delay_write(er_buf *out, const er_delay_stats *const *threads, unsigned n);

#endif
