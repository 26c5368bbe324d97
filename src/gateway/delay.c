/* One timer, started anew each time it fires; due_us is when it should fire next, by the clock that
 * the loop itself goes by. The loop counts in whole milliseconds: a delay below one is none. */
#include "gateway/delay.h"

#include "gateway/vitals.h"

/* Upper bounds in microseconds. */
static const uint64_t bounds[ER_DELAY_BUCKETS] = {1000,   2000,   5000,   10000,   20000,  50000,
                                                  100000, 200000, 500000, 1000000, 5000000};

static void on_timer(uv_timer_t *timer);

static void again(er_delay *d)
{
	d->due_us = (uv_now(d->timer.loop) + ER_DELAY_EVERY_MS) * 1000;
	uv_timer_start(&d->timer, on_timer, ER_DELAY_EVERY_MS, 0);
}

static void on_timer(uv_timer_t *timer)
{
	er_delay *d = timer->data;
	uint64_t now_us = uv_hrtime() / 1000;
	er_delay_note(&d->stats, now_us > d->due_us ? now_us - d->due_us : 0);
	again(d);
}

/* The loop's time is old before its first turn, which is not the thread's fault. */
static void on_first(uv_timer_t *timer)
{
	again(timer->data);
}

void er_delay_start(er_delay *d, uv_loop_t *loop)
{
	*d = (er_delay){0};
	uv_timer_init(loop, &d->timer);
	d->timer.data = d;
	uv_unref((uv_handle_t *)&d->timer);
	uv_timer_start(&d->timer, on_first, 1, 0);
}

void er_delay_end(er_delay *d)
{
	uv_close((uv_handle_t *)&d->timer, NULL);
}

static void add(uint64_t *word, uint64_t n)
{
	__atomic_store_n(word, *word + n, __ATOMIC_RELAXED);
}

void er_delay_note(er_delay_stats *s, uint64_t late_us)
{
	if (late_us > s->most_us)
		__atomic_store_n(&s->most_us, late_us, __ATOMIC_RELAXED);
	for (;;) {
		unsigned i = 0;
		while (i < ER_DELAY_BUCKETS && late_us > bounds[i])
			i++;
		add(&s->buckets[i], 1);
		add(&s->sum_us, late_us);
		if (late_us < ER_DELAY_EVERY_MS * 1000)
			return;
		late_us -= ER_DELAY_EVERY_MS * 1000;
	}
}

static uint64_t get(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void write_thread(er_buf *out, const er_delay_stats *s, unsigned thread)
{
	uint64_t total = 0;
	for (unsigned i = 0; i <= ER_DELAY_BUCKETS; i++) {
		total += get(&s->buckets[i]);
		if (i < ER_DELAY_BUCKETS)
			er_buf_printf(out, "er_loop_delay_seconds_bucket{thread=\"%u\",le=\"%g\"} %llu\n", thread, (double)bounds[i] / 1e6,
			              (unsigned long long)total);
		else
			er_buf_printf(out, "er_loop_delay_seconds_bucket{thread=\"%u\",le=\"+Inf\"} %llu\n", thread,
			              (unsigned long long)total);
	}
	er_buf_printf(out, "er_loop_delay_seconds_sum{thread=\"%u\"} %.6f\ner_loop_delay_seconds_count{thread=\"%u\"} %llu\n", thread,
	              (double)get(&s->sum_us) / 1e6, thread, (unsigned long long)total);
}

void er_delay_write(er_buf *out, const er_delay_stats *const *threads, unsigned n)
{
	er_metric_family(out, "er_loop_delay_seconds", "histogram",
	                 "How late the loop of a gateway thread came to a timer, ten times a second.");
	for (unsigned i = 0; i < n; i++)
		write_thread(out, threads[i], i);
	er_metric_family(out, "er_loop_delay_max_seconds", "gauge", "The latest of these since the start.");
	for (unsigned i = 0; i < n; i++)
		er_buf_printf(out, "er_loop_delay_max_seconds{thread=\"%u\"} %.6f\n", i, (double)get(&threads[i]->most_us) / 1e6);
}
