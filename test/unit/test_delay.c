/* The delay of loops: what is counted, and how it is written. */
#include "gateway/delay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void a_loop_that_was_away_was_late_for_each_period(void **state)
{
	(void)state;
	er_delay_stats s = {0};
	er_delay_note(&s, 0);
	er_delay_note(&s, 1000);
	er_delay_note(&s, 1001);
	assert_int_equal(s.buckets[0], 2);
	assert_int_equal(s.buckets[1], 1);
	assert_int_equal(s.most_us, 1001);
	er_delay_note(&s, 450000); /* and 350, 250, 150, 50 ms */
	assert_int_equal(s.buckets[8] + s.buckets[7] + s.buckets[6] + s.buckets[5], 5);
	assert_int_equal(s.most_us, 450000);
	assert_int_equal(s.sum_us, 2001 + 450000 + 350000 + 250000 + 150000 + 50000);
	er_delay_note(&s, 6000000);
	assert_int_equal(s.buckets[ER_DELAY_BUCKETS], 10); /* from 6 s to 5.1 s */
	assert_int_equal(s.buckets[ER_DELAY_BUCKETS - 1], 40);
}

static void written(const er_delay_stats *one, const char *line)
{
	er_buf out;
	er_buf_init(&out);
	er_delay_write(&out, &one, 1);
	er_buf_putc(&out, '\0');
	assert_non_null(strstr((const char *)er_buf_slice(&out).p, line));
	er_buf_fini(&out);
}

static void on_alive(uv_timer_t *timer)
{
	(void)timer;
}

static void a_loop_that_is_held_up_shows_it(void **state)
{
	(void)state;
	uv_loop_t loop;
	er_delay d;
	assert_int_equal(uv_loop_init(&loop), 0);
	er_delay_start(&d, &loop);
	uv_timer_t alive; /* the delay's own does not keep the loop */
	uv_timer_init(&loop, &alive);
	uv_timer_start(&alive, on_alive, 60000, 0);
	while (d.stats.buckets[0] + d.stats.buckets[1] + d.stats.buckets[2] < 2)
		uv_run(&loop, UV_RUN_ONCE);
	uint64_t before = d.stats.most_us;
	usleep(700 * 1000);
	while (d.stats.most_us == before)
		uv_run(&loop, UV_RUN_ONCE);
	assert_true(d.stats.most_us >= 590000);
	written(&d.stats, "er_loop_delay_seconds_bucket{thread=\"0\",le=\"0.005\"} ");
	written(&d.stats, "er_loop_delay_max_seconds{thread=\"0\"} ");
	er_delay_end(&d);
	uv_close((uv_handle_t *)&alive, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_loop_that_was_away_was_late_for_each_period),
	    cmocka_unit_test(a_loop_that_is_held_up_shows_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
