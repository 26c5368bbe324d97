/* Frames: what one side writes the other reads, and what is not a frame is not read. */
#include "base/mem.h"
#include "channel/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void pair(er_channel *node, er_channel *box)
{
	er_err err;
	int fd = er_channel_memfd(&err);
	assert_true(fd >= 0);
	assert_true(er_channel_map(node, fd, true, &err));
	assert_true(er_channel_map(box, fd, false, &err));
	close(fd);
}

static void frames_come_out_as_they_went_in(void **state)
{
	(void)state;
	er_channel node, box;
	pair(&node, &box);
	const uint32_t sizes[] = {0, 1, 7, 8, 9, 15, 16, 17, 1000, ER_FRAME_MAX - 1, ER_FRAME_MAX};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		er_frame f = {.n = sizes[i], .type = ER_FRAME_BODY_DATA, .flags = ER_FF_FIN, .aux = 513, .id = 70000, .arg = UINT32_MAX};
		uint8_t *to = er_frame_write(&node.out, &f);
		assert_non_null(to);
		memset(to, (int)i, f.n);
		assert_false(er_ring_publish(&node.out));
		er_frame got;
		er_slice payload;
		size_t whole;
		assert_int_equal(er_frame_read(er_ring_peek(&box.in), &got, &payload, &whole), ER_FRAME_OK);
		assert_memory_equal(&got, &f, sizeof f);
		assert_int_equal(payload.n, f.n);
		assert_int_equal(whole % 8, 0);
		for (size_t k = 0; k < payload.n; k++)
			assert_int_equal(payload.p[k], i);
		(void)!er_ring_release(&box.in, whole);
		assert_int_equal(er_frame_read(er_ring_peek(&box.in), &got, &payload, &whole), ER_FRAME_WAIT);
	}
	er_channel_unmap(&node);
	er_channel_unmap(&box);
}

static void full_ring_takes_no_frame_and_loses_none(void **state)
{
	(void)state;
	er_channel node, box;
	pair(&node, &box);
	uint32_t sent = 0, got_n = 0;
	for (int round = 0; round < 50; round++) {
		er_frame f = {.n = 1001, .type = ER_FRAME_LOG, .id = sent};
		for (uint8_t *to; (to = er_frame_write(&box.out, &f)) != NULL; f.id = ++sent)
			memset(to, (int)(uint8_t)sent, f.n);
		(void)!er_ring_publish(&box.out);
		for (int k = 0; k < 100; k++) {
			er_frame got;
			er_slice payload;
			size_t whole;
			assert_int_equal(er_frame_read(er_ring_peek(&node.in), &got, &payload, &whole), ER_FRAME_OK);
			assert_int_equal(got.id, got_n);
			assert_int_equal(payload.p[1000], (uint8_t)got_n);
			got_n++;
			(void)!er_ring_release(&node.in, whole);
		}
	}
	er_channel_unmap(&node);
	er_channel_unmap(&box);
}

static er_frame_status read_raw(er_frame head, size_t n)
{
	uint8_t bytes[256] = {0};
	memcpy(bytes, &head, sizeof head);
	/* exactly n bytes, so that a sanitizer sees one too far */
	uint8_t *copy = er_alloc(n);
	er_copy(copy, bytes, n);
	er_frame f;
	er_slice payload;
	size_t whole;
	er_frame_status got = er_frame_read(er_slice_of(copy, n), &f, &payload, &whole);
	er_free(copy);
	return got;
}

static void what_is_not_a_frame_is_not_read(void **state)
{
	(void)state;
	er_frame good = {.n = 20, .type = ER_FRAME_LOG};
	assert_int_equal(read_raw(good, 40), ER_FRAME_OK);
	assert_int_equal(read_raw(good, 0), ER_FRAME_WAIT);
	for (size_t n = 1; n < 40; n++)
		assert_int_equal(read_raw(good, n), ER_FRAME_BROKEN);
	er_frame bad = good;
	bad.n = UINT32_MAX;
	assert_int_equal(read_raw(bad, 40), ER_FRAME_BROKEN);
	bad.n = UINT32_MAX - 7;
	assert_int_equal(read_raw(bad, 40), ER_FRAME_BROKEN);
	bad.n = ER_FRAME_MAX + 1;
	assert_int_equal(read_raw(bad, 40), ER_FRAME_BROKEN);
	bad = good;
	bad.type = ER_FRAME_NONE;
	assert_int_equal(read_raw(bad, 40), ER_FRAME_BROKEN);
	bad.type = ER_FRAME_COUNT_;
	assert_int_equal(read_raw(bad, 40), ER_FRAME_BROKEN);
	bad.type = 255;
	assert_int_equal(read_raw(bad, 40), ER_FRAME_BROKEN);
}

static void reader_that_failed_stays_failed(void **state)
{
	(void)state;
	uint8_t bytes[64];
	er_writer w = {bytes};
	er_put_u32(&w, 7);
	er_put_string(&w, ER_LIT("name"));
	er_put_string(&w, ER_LIT(""));
	er_put_u32(&w, UINT32_MAX); /* a string that is not there */
	er_put_u32(&w, 1);
	er_reader r = {.rest = er_slice_of(bytes, (size_t)(w.p - bytes))};
	assert_int_equal(er_get_u32(&r), 7);
	assert_true(er_slice_eq(er_get_string(&r), ER_LIT("name")));
	assert_int_equal(er_get_string(&r).n, 0);
	assert_false(r.bad);
	er_slice none = er_get_string(&r);
	assert_true(r.bad && none.n == 0 && none.p != NULL);
	assert_int_equal(er_get_u32(&r), 0);
	assert_int_equal(er_get_bytes(&r, 0).n, 0);
	assert_true(r.bad);
}

static void every_frame_has_a_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ER_FRAME_COUNT_; i++)
		assert_string_not_equal(er_frame_name(i), "unknown");
	assert_string_equal(er_frame_name(ER_FRAME_COUNT_), "unknown");
	assert_string_equal(er_frame_name(UINT32_MAX), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frames_come_out_as_they_went_in), cmocka_unit_test(full_ring_takes_no_frame_and_loses_none),
	    cmocka_unit_test(what_is_not_a_frame_is_not_read), cmocka_unit_test(reader_that_failed_stays_failed),
	    cmocka_unit_test(every_frame_has_a_name),
	};
	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
