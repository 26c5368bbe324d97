/* The disk store without a handler around it: what was put is found again, also after a restart,
 * whatever the disk does; and what was dropped, or was damaged, is not. Run it under the thread
 * sanitizer, too. */
#include "disk_harness.h"

#include "state_walk.h"

enum { SHORT = 1000, LONG = 3 * ER_DISK_PART + 777 };

static const char vary[] = "Vary: Accept-Language\nContent-Type: text/plain\n";

static void states_are_sound(void **state)
{
	(void)state;
	assert_each_event_is_an_edge_or_ends_the_process(&er_volume_states);
}

/* ---- what is there ---- */

static void what_was_put_is_found(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	assert_has_not(&w, "k", "");
	put(&w, (given){.key = "k", .response = "ETag: \"1\"\nX-A: b\n", .length = SHORT, .seed = 1});
	put(&w, (given){.key = "long", .length = LONG, .seed = 2});
	put(&w, (given){.key = "empty"});
	UNTIL_WRITTEN(&w);
	er_stored *s = find(&w, "k", "");
	assert_non_null(s);
	assert_int_equal(s->status, 200);
	assert_true(er_slice_eq(s->reason, ER_LIT("OK")));
	assert_true(er_slice_eq(s->key, ER_LIT("k")));
	assert_true(er_slice_eq(*er_fields_get(&s->fields, ER_LIT("etag")), ER_LIT("\"1\"")));
	assert_int_equal(s->fresh.lifetime, 100);
	assert_reads(&w, s, 1, SHORT);
	er_stored_unref(s);
	assert_has(&w, "long", "", 2, LONG);
	assert_has(&w, "empty", "", 0, 0);
	assert_has_not(&w, "other", "");
	world_close(&w);
}

static void the_later_one_is_found(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	for (unsigned i = 1; i <= 5; i++)
		put(&w, (given){.key = "k", .length = i % 2 ? SHORT : LONG, .seed = i});
	UNTIL_WRITTEN(&w);
	assert_has(&w, "k", "", 5, SHORT);
	restart(&w);
	assert_has(&w, "k", "", 5, SHORT);
	world_close(&w);
}

static void variants_are_parted(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	for (int round = 0; round < 2; round++) {
		put(&w, (given){.key = "k", .request = "Accept-Language: de\n", .response = vary, .length = SHORT, .seed = 1});
		put(&w, (given){.key = "k", .request = "Accept-Language: en\n", .response = vary, .length = LONG, .seed = 2});
		put(&w, (given){.key = "k", .request = "", .response = vary, .length = SHORT, .seed = 3});
	}
	UNTIL_WRITTEN(&w);
	for (int round = 0; round < 2; round++) {
		assert_has(&w, "k", "Accept-Language: de\n", 1, SHORT);
		assert_has(&w, "k", "Accept-Language: en\n", 2, LONG);
		assert_has(&w, "k", "", 3, SHORT);
		assert_has_not(&w, "k", "Accept-Language: fr\n");
		restart(&w);
	}
	/* It varies no more. */
	put(&w, (given){.key = "k", .length = SHORT, .seed = 4});
	UNTIL_WRITTEN(&w);
	assert_has(&w, "k", "Accept-Language: de\n", 4, SHORT);
	/* And varies again: nothing of before comes back. */
	put(&w, (given){.key = "k", .request = "Accept-Language: fr\n", .response = vary, .length = SHORT, .seed = 5});
	UNTIL_WRITTEN(&w);
	assert_has_not(&w, "k", "Accept-Language: de\n");
	assert_has(&w, "k", "Accept-Language: fr\n", 5, SHORT);
	world_close(&w);
}

static void any_range_of_a_long_body_is_read(void **state)
{
	(void)state;
	static const uint64_t ranges[][2] = {{0, 1},
	                                     {ER_DISK_PART - 1, 2},
	                                     {ER_DISK_PART, 1},
	                                     {5, LONG - 10},
	                                     {LONG - 1, 1},
	                                     {2 * ER_DISK_PART, ER_DISK_PART},
	                                     {3 * ER_DISK_PART + 700, 500}};
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = LONG, .seed = 9});
	UNTIL_WRITTEN(&w);
	er_stored *s = find(&w, "k", "");
	assert_non_null(s);
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
		sink k;
		uint64_t from = ranges[i][0], n = ranges[i][1], left = LONG - from;
		assert_true(sink_open(&w, &k, s, from, n, false));
		UNTIL(&w, k.ended);
		assert_bytes(&k, 9, from, n < left ? n : left);
		sink_close(&k);
	}
	er_stored_unref(s);
	world_close(&w);
}

static void a_range_reads_only_its_parts(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = 40 * ER_DISK_PART, .seed = 9});
	UNTIL_WRITTEN(&w);
	er_stored *s = find(&w, "k", "");
	uint64_t before = figures(&w).read_bytes;
	sink k;
	assert_true(sink_open(&w, &k, s, 20 * ER_DISK_PART + 5, 10, false));
	UNTIL(&w, k.ended);
	sink_close(&k);
	assert_true(figures(&w).read_bytes - before < 2 * ER_DISK_PART);
	er_stored_unref(s);
	world_close(&w);
}

static void a_slow_client_holds_one_part(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = 40 * ER_DISK_PART, .seed = 3});
	UNTIL_WRITTEN(&w);
	er_stored *s = find(&w, "k", "");
	sink k;
	assert_true(sink_open(&w, &k, s, 0, UINT64_MAX, true));
	some_turns(&w);
	assert_true(er_body_buffered(k.body) <= 2 * ER_DISK_PART);
	k.holds = false;
	sink_read(&k);
	UNTIL(&w, k.ended);
	assert_bytes(&k, 3, 0, 40 * ER_DISK_PART);
	sink_close(&k);
	/* Who leaves in the middle of it leaves nothing behind. */
	assert_true(sink_open(&w, &k, s, 0, UINT64_MAX, true));
	sink_close(&k);
	er_stored_unref(s);
	world_close(&w);
}

static void a_renewed_head_keeps_its_parts(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	er_arena a = {0};
	er_fields request = {0}, update = {0};
	add_fields(&update, &a, "X-New: 1\nCache-Control: max-age=500\n");
	put(&w, (given){.key = "k", .response = "ETag: \"1\"\n", .length = LONG, .seed = 4});
	UNTIL_WRITTEN(&w);
	restart(&w);
	er_stored *old = find(&w, "k", "");
	uint64_t before = figures(&w).written_bytes;
	er_stored *new = er_stored_renew(old, &request, &update, 0, 0, NULL);
	er_disk_put(w.disk, new);
	UNTIL_WRITTEN(&w);
	assert_true(figures(&w).written_bytes - before < ER_DISK_PART);
	er_stored_unref(old);
	er_stored_unref(new);
	restart(&w);
	er_stored *s = find(&w, "k", "");
	assert_non_null(s);
	assert_true(er_slice_eq(*er_fields_get(&s->fields, ER_LIT("x-new")), ER_LIT("1")));
	assert_int_equal(s->fresh.lifetime, 500);
	assert_reads(&w, s, 4, LONG);
	er_stored_unref(s);
	er_arena_fini(&a);
	world_close(&w);
}

static void a_stream_is_stored_when_it_is_whole(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	er_slice key = ER_LIT("k");
	er_disk_stream *st = er_disk_stream_new(w.disk, key);
	assert_non_null(st);
	for (uint64_t at = 0; at < LONG; at += 1000) {
		er_piece p = pattern(6, at, LONG - at < 1000 ? (size_t)(LONG - at) : 1000);
		assert_true(er_disk_stream_write(st, p));
		er_piece_drop(&p);
	}
	UNTIL_WRITTEN(&w);
	assert_has_not(&w, "k", "");
	er_stored *s = make((given){.key = "k"});
	assert_true(er_disk_stream_end(st, s));
	er_disk_stream_free(st);
	er_stored_unref(s);
	UNTIL_WRITTEN(&w);
	assert_has(&w, "k", "", 6, LONG);
	/* One that breaks off is nothing. */
	st = er_disk_stream_new(w.disk, ER_LIT("broken"));
	er_piece p = pattern(6, 0, 1000);
	assert_true(er_disk_stream_write(st, p));
	er_piece_drop(&p);
	er_disk_stream_free(st);
	/* One that is too long is not stored, and says so. */
	st = er_disk_stream_new(w.disk, ER_LIT("huge"));
	p = pattern(6, 0, 1 << 20);
	unsigned n = 0;
	while (er_disk_stream_write(st, p))
		assert_true(++n < 100);
	er_piece_drop(&p);
	er_disk_stream_free(st);
	UNTIL_WRITTEN(&w);
	assert_has_not(&w, "broken", "");
	world_close(&w);
}

/* ---- drops ---- */

static void what_was_dropped_is_gone_for_good(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	put(&w, (given){.key = "v", .request = "Accept-Language: de\n", .response = vary, .length = SHORT, .seed = 2});
	UNTIL_WRITTEN(&w);
	drop(&w, "k");
	drop(&w, "v");
	drop(&w, "never-was");
	assert_has_not(&w, "k", "");
	assert_has_not(&w, "v", "Accept-Language: de\n");
	/* Also what had not been written yet. */
	SET(&w.fault[0], writes_wait, true);
	put(&w, (given){.key = "waits", .length = SHORT, .seed = 3});
	put(&w, (given){.key = "waits-too", .length = SHORT, .seed = 3});
	drop(&w, "waits");
	SET(&w.fault[0], writes_wait, false);
	UNTIL_WRITTEN(&w);
	assert_has_not(&w, "waits", "");
	assert_has(&w, "waits-too", "", 3, SHORT);
	restart(&w);
	assert_has_not(&w, "k", "");
	assert_has_not(&w, "v", "Accept-Language: de\n");
	assert_has_not(&w, "waits", "");
	assert_has(&w, "waits-too", "", 3, SHORT);
	/* And what comes later is there. */
	put(&w, (given){.key = "k", .length = SHORT, .seed = 5});
	UNTIL_WRITTEN(&w);
	restart(&w);
	assert_has(&w, "k", "", 5, SHORT);
	world_close(&w);
}

/* ---- the ring ---- */

static void the_oldest_goes_and_what_is_used_stays(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	char key[32];
	unsigned n = (unsigned)(3 * FILE_BYTES / LONG);
	put(&w, (given){.key = "used", .length = LONG, .seed = 77});
	put(&w, (given){.key = "unused", .length = LONG, .seed = 78});
	for (unsigned i = 0; i < n; i++) {
		snprintf(key, sizeof key, "k%u", i);
		put(&w, (given){.key = key, .length = LONG, .seed = i});
		UNTIL_WRITTEN(&w);
		if (i % 20 == 0)
			assert_has(&w, "used", "", 77, LONG);
	}
	assert_has(&w, "used", "", 77, LONG);
	assert_has_not(&w, "unused", "");
	assert_has_not(&w, "k0", "");
	snprintf(key, sizeof key, "k%u", n - 1);
	assert_has(&w, key, "", n - 1, LONG);
	er_volume_stats s = figures(&w);
	assert_true(s.segments_reclaimed > 10 && s.reinserted > 0 && s.damaged == 0 && s.skipped == 0);
	assert_true(s.records * ER_DISK_PART < 2 * FILE_BYTES);
	restart(&w);
	assert_has(&w, "used", "", 77, LONG);
	assert_has_not(&w, "unused", "");
	assert_has(&w, key, "", n - 1, LONG);
	world_close(&w);
}

static void a_reader_follows_what_is_copied(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	UNTIL_WRITTEN(&w);
	assert_has(&w, "k", "", 1, LONG); /* it is checked, and what takes its place is not */
	er_stored *s = find(&w, "k", "");
	sink k;
	assert_true(sink_open(&w, &k, s, 0, UINT64_MAX, true));
	char key[32];
	for (unsigned i = 0; i < FILE_BYTES / LONG + 20; i++) {
		snprintf(key, sizeof key, "k%u", i);
		put(&w, (given){.key = key, .length = LONG, .seed = i});
		UNTIL_WRITTEN(&w);
		assert_has(&w, key, "", i, LONG);
	}
	assert_true(figures(&w).segments_reclaimed > 0);
	k.holds = false;
	sink_read(&k);
	UNTIL(&w, k.ended);
	assert_bytes(&k, 1, 0, LONG);
	sink_close(&k);
	er_stored_unref(s);
	world_close(&w);
}

enum { USED = 8 };

/* All of them are asked for while the writer stands still behind a write, and found when it goes
 * on. */
static void assert_used_are_found(world *w)
{
	question q[USED];
	char key[USED][8];
	for (unsigned i = 0; i < USED; i++) {
		snprintf(key[i], sizeof key[i], "used%u", i);
		ask(w, &q[i], key[i], "");
	}
	some_turns(w);
	SET(&w->fault[0], let, GET(&w->fault[0], wrote));
	for (unsigned i = 0; i < USED; i++) {
		UNTIL(w, q[i].over);
		assert_non_null(q[i].s);
		er_stored_unref(q[i].s);
		er_arena_fini(&q[i].a);
	}
}

/* The ring writes over what it keeps before the index knows where that is now. */
static void what_is_kept_is_found_while_it_is_written(void **state)
{
	(void)state;
	world w;
	char key[32];
	world_open(&w);
	put(&w, (given){.key = "unused", .length = SHORT});
	for (unsigned i = 0; i < USED; i++) {
		snprintf(key, sizeof key, "used%u", i);
		put(&w, (given){.key = key, .length = SHORT, .seed = i});
	}
	UNTIL_WRITTEN(&w);
	SET(&w.fault[0], let, GET(&w.fault[0], wrote));
	SET(&w.fault[0], steps, true);
	for (unsigned i = 0; i < FILE_BYTES / LONG + 20; i++) {
		snprintf(key, sizeof key, "k%u", i);
		put(&w, (given){.key = key, .length = LONG, .seed = i});
		while (!er_disk_idle(w.disk)) {
			UNTIL(&w, er_disk_idle(w.disk) || GET(&w.fault[0], wrote) > GET(&w.fault[0], let));
			assert_used_are_found(&w);
		}
	}
	SET(&w.fault[0], steps, false);
	assert_true(figures(&w).segments_reclaimed > 0);
	assert_int_equal(figures(&w).damaged, 0);
	world_close(&w);
}

/* Until the writer stands still behind another write. */
static void until_next_write(world *w)
{
	uint64_t wrote = GET(&w->fault[0], wrote);
	SET(&w->fault[0], let, wrote);
	UNTIL(w, GET(&w->fault[0], wrote) > wrote || er_disk_idle(w->disk));
}

/* The drop comes when the record was read to be kept, and before it is written. */
static void what_is_dropped_while_it_is_kept_is_gone(void **state)
{
	(void)state;
	world w;
	char key[32];
	world_open(&w);
	put(&w, (given){.key = "used", .length = SHORT, .seed = 1});
	UNTIL_WRITTEN(&w);
	assert_has(&w, "used", "", 1, SHORT);
	fault *f = &w.fault[0];
	SET(f, let, GET(f, wrote));
	SET(f, steps, true);
	for (unsigned i = 0; figures(&w).segments_reclaimed == 0; i++) {
		assert_true(i < FILE_BYTES / LONG + 20);
		snprintf(key, sizeof key, "k%u", i);
		put(&w, (given){.key = key, .length = LONG, .seed = i});
		while (!er_disk_idle(w.disk) && figures(&w).segments_reclaimed == 0)
			until_next_write(&w);
	}
	/* The header of the new segment is written; next the old records are read. */
	SET(f, reads_wait, true);
	uint64_t reads = GET(f, reads);
	SET(f, let, GET(f, wrote));
	UNTIL(&w, GET(f, reads) > reads);
	er_disk_drop(w.disk, er_slice_cstr("used"), er_index_hash(er_slice_cstr("used")));
	SET(f, reads_wait, false);
	for (unsigned i = 0; i < 3; i++) { /* the kept ones, then what was put */
		until_next_write(&w);
		assert_false(er_disk_has(w.disk, er_slice_cstr("used")));
	}
	SET(f, steps, false);
	UNTIL_WRITTEN(&w);
	assert_has_not(&w, "used", "");
	restart(&w);
	assert_has_not(&w, "used", "");
	world_close(&w);
}

static void a_body_without_all_its_parts_is_not_begun(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	UNTIL_WRITTEN(&w);
	er_stored *s = find(&w, "k", "");
	char key[32];
	for (unsigned i = 0; i < 5 * FILE_BYTES / LONG; i++) {
		snprintf(key, sizeof key, "k%u", i);
		put(&w, (given){.key = key, .length = LONG, .seed = i});
		UNTIL_WRITTEN(&w);
	}
	sink k;
	assert_false(sink_open(&w, &k, s, 0, UINT64_MAX, false));
	er_stored_unref(s);
	assert_has_not(&w, "k", "");
	world_close(&w);
}

static void a_full_index_forgets_and_grows_no_further(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	stop_files(&w);
	w.record_bytes = 1 << 20; /* 64 records */
	start_files(&w);
	char key[32];
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(key, sizeof key, "k%u", i);
		put(&w, (given){.key = key, .length = 10, .seed = i});
	}
	UNTIL_WRITTEN(&w);
	assert_has(&w, "k999", "", 999, 10);
	assert_true(figures(&w).index_bytes < 4096);
	assert_true(figures(&w).records < 200);
	world_close(&w);
}

/* ---- restarts ---- */

/* The file as a kill leaves it: what was written is there, and no seal. */
static void copy_file(const char *from, const char *to)
{
	char command[256];
	snprintf(command, sizeof command, "cp --sparse=always '%s' '%s'", from, to);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
}

static void what_was_written_outlives_a_kill(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	char key[32];
	for (unsigned i = 0; i < 300; i++) {
		snprintf(key, sizeof key, "k%u", i);
		put(&w, (given){.key = key, .length = i % 3 == 0 ? LONG : SHORT, .seed = i});
	}
	UNTIL_WRITTEN(&w);
	copy_file(w.path[0], w.path[1]);
	stop_files(&w);
	assert_int_equal(rename(w.path[1], w.path[0]), 0);
	start_files(&w);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(key, sizeof key, "k%u", i);
		assert_has(&w, key, "", i, i % 3 == 0 ? LONG : SHORT);
	}
	assert_int_equal(figures(&w).damaged, 0);
	world_close(&w);
}

static void a_file_grows_and_shrinks_between_starts(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	UNTIL_WRITTEN(&w);
	stop_files(&w);
	w.bytes = 2 * FILE_BYTES;
	start_files(&w);
	assert_true(figures(&w).bytes > FILE_BYTES);
	assert_has(&w, "k", "", 1, LONG);
	stop_files(&w);
	w.bytes = FILE_BYTES;
	start_files(&w);
	assert_true(figures(&w).bytes <= FILE_BYTES);
	assert_has(&w, "k", "", 1, LONG);
	world_close(&w);
}

static void what_is_dropped_stays_so_when_the_note_of_it_is_cut_off(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	char key[16];
	put(&w, (given){.key = "old", .length = LONG, .seed = 1});
	put(&w, (given){.key = "replaced", .length = LONG, .seed = 1});
	UNTIL_WRITTEN(&w);
	stop_files(&w);
	w.bytes = 2 * FILE_BYTES;
	start_files(&w);
	/* Past the size that the file has had. */
	for (unsigned i = 0; i * LONG < FILE_BYTES + FILE_BYTES / 4; i++) {
		snprintf(key, sizeof key, "k%u", i);
		put(&w, (given){.key = key, .length = LONG, .seed = i});
		if (i % 16 == 0)
			UNTIL_WRITTEN(&w);
	}
	drop(&w, "old");
	put(&w, (given){.key = "replaced", .length = LONG, .seed = 2});
	UNTIL_WRITTEN(&w);
	stop_files(&w);
	w.bytes = FILE_BYTES;
	/* and again, when nothing is cut off any more */
	for (int i = 0; i < 2; i++) {
		start_files(&w);
		assert_has_not(&w, "old", "");
		assert_has_not(&w, "replaced", "");
		stop_files(&w);
	}
	start_files(&w);
	put(&w, (given){.key = "old", .length = LONG, .seed = 3});
	UNTIL_WRITTEN(&w);
	restart(&w);
	assert_has(&w, "old", "", 3, LONG);
	assert_int_equal(figures(&w).damaged, 0);
	world_close(&w);
}

static void overwrite(const char *path, uint64_t at, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, (off_t)at), n);
	close(fd);
}

static void another_version_begins_empty(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	UNTIL_WRITTEN(&w);
	stop_files(&w);
	overwrite(w.path[0], 8, "\xff", 1);
	start_files(&w);
	assert_has_not(&w, "k", "");
	put(&w, (given){.key = "k", .length = LONG, .seed = 2});
	UNTIL_WRITTEN(&w);
	restart(&w);
	assert_has(&w, "k", "", 2, LONG);
	world_close(&w);
}

/* Right by its checksum, and made by somebody else. */
static void a_label_of_large_segments_leaves_a_small_file_of_use(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	stop_files(&w);
	uint8_t block[ER_DISK_BLOCK];
	er_disk_secret secret = {{1, 2}, {3, 4}};
	er_disk_put_label(block, ER_DISK_SEGMENT_MOST, 7, &secret);
	overwrite(w.path[0], 0, block, sizeof block);
	er_disk_put_segment(block, 7, UINT64_MAX);
	overwrite(w.path[0], ER_DISK_BLOCK, block, sizeof block);
	er_disk_put_segment(block, 7, UINT64_MAX / 2);
	overwrite(w.path[0], ER_DISK_BLOCK + ER_DISK_SEGMENT_MOST, block, sizeof block);
	start_files(&w);
	char key[32];
	for (unsigned i = 0; i < 2 * FILE_BYTES / LONG; i++) {
		snprintf(key, sizeof key, "k%u", i);
		put(&w, (given){.key = key, .length = LONG, .seed = i});
		UNTIL_WRITTEN(&w);
	}
	assert_has(&w, "k300", "", 300, LONG);
	assert_int_equal(er_disk_statistics(w.disk).failed, 0);
	world_close(&w);
}

static void a_truncated_file_loses_what_it_lost(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	UNTIL_WRITTEN(&w);
	stop_files(&w);
	assert_int_equal(truncate(w.path[0], 100000), 0);
	start_files(&w);
	er_stored *s = find(&w, "k", "");
	er_stored_unref(s); /* its head may be there */
	put(&w, (given){.key = "k", .length = LONG, .seed = 2});
	UNTIL_WRITTEN(&w);
	assert_has(&w, "k", "", 2, LONG);
	stop_files(&w);
	assert_int_equal(truncate(w.path[0], 0), 0);
	start_files(&w);
	assert_has_not(&w, "k", "");
	world_close(&w);
}

static void a_file_that_is_not_ours_is_left_alone(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	stop_files(&w);
	FILE *f = fopen(w.path[0], "we");
	assert_non_null(f);
	fputs("a letter to somebody", f);
	fclose(f);
	start_files(&w);
	assert_int_equal(er_disk_statistics(w.disk).failed, 1);
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	drop(&w, "k");
	assert_has_not(&w, "k", "");
	char text[64] = {0};
	f = fopen(w.path[0], "re");
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	assert_string_equal(text, "a letter to somebody");
	world_close(&w);
}

static void the_file_is_one_process_s_at_a_time(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	UNTIL_WRITTEN(&w);
	er_disk *before = w.disk;
	er_volume_options o = {.io = &w.fault[1].io, .path = w.path[0], .bytes = w.bytes};
	w.disk = er_disk_new(&o, 1);
	for (int i = 0; i < 100; i++)
		turn(&w);
	assert_false(er_disk_ready(w.disk));
	put(&w, (given){.key = "early", .length = SHORT, .seed = 2});
	er_disk_end(before);
	UNTIL(&w, er_disk_ready(w.disk));
	assert_has(&w, "k", "", 1, LONG);
	UNTIL_WRITTEN(&w);
	assert_has(&w, "early", "", 2, SHORT);
	/* The one before still reads. */
	er_disk *after = w.disk;
	w.disk = before;
	assert_has(&w, "k", "", 1, LONG);
	put(&w, (given){.key = "late", .length = SHORT, .seed = 2});
	er_disk_free(before);
	w.disk = after;
	assert_has_not(&w, "late", "");
	world_close(&w);
}

/* ---- damage ---- */

static void a_flipped_bit_is_a_miss(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .response = "X-A: b\n", .length = LONG, .seed = 1});
	put(&w, (given){.key = "s", .response = "X-A: b\n", .length = SHORT, .seed = 2});
	UNTIL_WRITTEN(&w);
	copy_file(w.path[0], w.path[1]);
	int fd = open(w.path[1], O_RDWR | O_CLOEXEC);
	unsigned whole = 0, rounds = 0;
	for (uint64_t at = ER_DISK_BLOCK; at < 2 * ER_DISK_BLOCK + LONG + 4 * SHORT; at += rounds < 40 ? 37 : 8191, rounds++) {
		uint8_t b, flipped;
		assert_int_equal(pread(fd, &b, 1, (off_t)at), 1);
		flipped = b ^ (uint8_t)(1U << rounds % 8);
		overwrite(w.path[0], at, &flipped, 1);
		er_stored *s = find(&w, "s", "");
		if (s != NULL) {
			assert_reads(&w, s, 2, SHORT);
			whole++;
		}
		er_stored_unref(s);
		s = find(&w, "k", "");
		sink k;
		if (s != NULL && sink_open(&w, &k, s, 0, UINT64_MAX, false)) {
			UNTIL(&w, k.ended || k.failed != ER_ERR_OK);
			if (k.ended)
				assert_bytes(&k, 1, 0, LONG);
			sink_close(&k);
		}
		er_stored_unref(s);
		stop_files(&w);
		copy_file(w.path[1], w.path[0]);
		start_files(&w);
	}
	close(fd);
	assert_true(whole > 0);
	world_close(&w);
}

static void a_body_that_is_damaged_breaks_off_and_is_dropped(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	UNTIL_WRITTEN(&w);
	er_stored *s = find(&w, "k", "");
	/* In the second part. */
	overwrite(w.path[0], 2 * ER_DISK_BLOCK + ER_DISK_PART + 5000, "damage", 6);
	sink k;
	assert_true(sink_open(&w, &k, s, 0, UINT64_MAX, false));
	UNTIL(&w, k.ended || k.failed != ER_ERR_OK);
	assert_int_equal(k.failed, ER_ERR_IO);
	assert_bytes(&k, 1, 0, ER_DISK_PART);
	sink_close(&k);
	assert_false(sink_open(&w, &k, s, 0, UINT64_MAX, false));
	er_stored_unref(s);
	assert_has_not(&w, "k", "");
	assert_int_equal(figures(&w).damaged, 1);
	world_close(&w);
}

/* A record that was right is not summed again as long as the kernel has it in memory. */
static void damage_behind_a_hit_is_found_when_the_bytes_come_from_the_disk_again(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	put(&w, (given){.key = "short", .length = ER_DISK_INLINE, .seed = 2});
	UNTIL_WRITTEN(&w);
	for (unsigned i = 0; i < 3; i++) {
		assert_has(&w, "k", "", 1, LONG);
		assert_has(&w, "short", "", 2, ER_DISK_INLINE);
	}
	assert_int_equal(figures(&w).damaged, 0);
	overwrite(w.path[0], 2 * ER_DISK_BLOCK + ER_DISK_PART + 5000, "damage", 6);
	overwrite(w.path[0], 2 * ER_DISK_BLOCK + LONG + 30000, "damage", 6);
	SET(&w.fault[0], read_ms, 1); /* nothing is in memory any more */
	assert_has_not(&w, "short", "");
	er_stored *s = find(&w, "k", "");
	sink k;
	assert_true(sink_open(&w, &k, s, 0, UINT64_MAX, false));
	UNTIL(&w, k.ended || k.failed != ER_ERR_OK);
	assert_int_equal(k.failed, ER_ERR_IO);
	assert_bytes(&k, 1, 0, ER_DISK_PART);
	sink_close(&k);
	er_stored_unref(s);
	assert_int_equal(figures(&w).damaged, 2);
	world_close(&w);
}

/* ---- disks that fail, or are slow ---- */

static void a_slow_disk_never_holds_up_the_loop(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	UNTIL_WRITTEN(&w);
	SET(&w.fault[0], read_ms, 500);
	uint64_t began = er_clock_mono_us(), reads = GET(&w.fault[0], reads);
	question q;
	ask(&w, &q, "k", "");
	assert_false(q.over);
	/* A read takes longer than this whole loop of turns would, if it did not wait for it. */
	assert_true(er_clock_mono_us() - began < 400000);
	UNTIL(&w, q.over);
	assert_true(er_clock_mono_us() - began >= 500000);
	assert_true(GET(&w.fault[0], reads) > reads);
	assert_non_null(q.s);
	er_stored_unref(q.s);
	er_arena_fini(&q.a);
	SET(&w.fault[0], read_ms, 0);
	world_close(&w);
}

static void questions_to_a_slow_disk_are_bounded(void **state)
{
	(void)state;
	enum { MANY = 200 };
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	UNTIL_WRITTEN(&w);
	SET(&w.fault[0], read_ms, 200);
	static question q[MANY];
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < MANY; i++)
			ask(&w, &q[i], "k", "");
		if (round == 0) { /* half of them leave */
			for (unsigned i = 0; i < MANY; i++)
				er_disk_find_stop(&q[i].find);
			assert_null(q[0].s);
			for (unsigned i = 0; i < MANY; i++)
				er_arena_fini(&q[i].a);
			assert_has(&w, "k", "", 1, LONG); /* it knows now how slow it is */
			continue;
		}
		for (unsigned i = 0; i < MANY; i++) {
			UNTIL(&w, q[i].over);
			er_stored_unref(q[i].s);
			er_arena_fini(&q[i].a);
		}
	}
	assert_true(figures(&w).refused > 0);
	SET(&w.fault[0], read_ms, 0);
	world_close(&w);
}

static void a_disk_that_was_slow_is_asked_again(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = SHORT, .seed = 1});
	UNTIL_WRITTEN(&w);
	SET(&w.fault[0], read_ms, 4000);
	question q[8];
	for (unsigned i = 0; i < 8; i++)
		ask(&w, &q[i], "k", "");
	for (unsigned i = 0; i < 8; i++) {
		UNTIL(&w, q[i].over);
		er_stored_unref(q[i].s);
		er_arena_fini(&q[i].a);
	}
	SET(&w.fault[0], read_ms, 1);
	for (unsigned i = 0; i < 40; i++) {
		er_stored *s = find(&w, "k", "");
		er_stored_unref(s);
	}
	for (unsigned i = 0; i < 8; i++)
		ask(&w, &q[i], "k", "");
	for (unsigned i = 0; i < 8; i++) {
		UNTIL(&w, q[i].over);
		assert_non_null(q[i].s);
		er_stored_unref(q[i].s);
		er_arena_fini(&q[i].a);
	}
	SET(&w.fault[0], read_ms, 0);
	world_close(&w);
}

/* Many bodies from a disk that is too slow for new questions: none of them breaks off. */
static void bodies_from_a_slow_disk_come_to_their_end(void **state)
{
	(void)state;
	enum { MANY = 24 };
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	UNTIL_WRITTEN(&w);
	er_stored *s = find(&w, "k", "");
	SET(&w.fault[0], read_ms, 60);
	sink k[MANY];
	for (unsigned i = 0; i < MANY; i++)
		assert_true(sink_open(&w, &k[i], s, 0, UINT64_MAX, false));
	for (unsigned i = 0; i < MANY; i++) {
		UNTIL(&w, k[i].ended || k[i].failed != ER_ERR_OK);
		assert_true(k[i].ended);
		assert_bytes(&k[i], 1, 0, LONG);
		sink_close(&k[i]);
	}
	er_stored_unref(s);
	SET(&w.fault[0], read_ms, 0);
	world_close(&w);
}

static void a_disk_that_cannot_follow_stores_less(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	stop_files(&w);
	w.queue = 10 * LONG;
	start_files(&w);
	put(&w, (given){.key = "k0", .length = LONG, .seed = 9});
	put(&w, (given){.key = "k20", .length = LONG, .seed = 9});
	UNTIL_WRITTEN(&w);
	SET(&w.fault[0], writes_wait, true);
	char key[32];
	for (unsigned i = 0; i < 30; i++) {
		snprintf(key, sizeof key, "k%u", i);
		put(&w, (given){.key = key, .length = LONG, .seed = i});
	}
	/* What could not be taken is not there in an older form, either. */
	assert_has_not(&w, "k20", "");
	SET(&w.fault[0], writes_wait, false);
	UNTIL_WRITTEN(&w);
	assert_true(figures(&w).skipped >= 19);
	assert_has(&w, "k0", "", 0, LONG);
	assert_has_not(&w, "k20", "");
	restart(&w);
	assert_has_not(&w, "k20", "");
	world_close(&w);
}

/* ---- more is dropped than a slow disk can note ---- */

enum { DROPS = 600, PAGE = 30000 };

static const char *drop_key(unsigned i)
{
	static char key[32];
	snprintf(key, sizeof key, "k%u", i);
	return key;
}

/* Some hundred short ones, and two of somebody else; the queue has room for half of their drops. */
static void world_with_many(world *w)
{
	world_open(w);
	stop_files(w);
	w->queue = 64 << 10;
	start_files(w);
	for (unsigned i = 0; i < DROPS; i++) {
		put(w, (given){.key = drop_key(i), .length = 10, .seed = 1});
		if (i % 8 == 0)
			UNTIL_WRITTEN(w);
	}
	put(w, (given){.key = "calm", .length = 10, .seed = 2});
	put(w, (given){.key = "page", .length = PAGE, .seed = 3});
	UNTIL_WRITTEN(w);
	assert_has(w, drop_key(0), "", 1, 10);
}

static void drop_all(world *w)
{
	for (unsigned i = 0; i < DROPS; i++)
		drop(w, drop_key(i));
}

static void assert_dropped(world *w, unsigned but)
{
	for (unsigned i = 0; i < DROPS; i++)
		if (i != but)
			assert_has_not(w, drop_key(i), "");
}

static void who_drops_too_much_for_a_slow_disk_takes_it_from_nobody(void **state)
{
	(void)state;
	world w;
	world_with_many(&w);
	SET(&w.fault[0], writes_wait, true);
	drop_all(&w);
	assert_dropped(&w, DROPS);
	assert_has(&w, "calm", "", 2, 10);
	assert_true(figures(&w).waiting < 300);
	SET(&w.fault[0], writes_wait, false);
	UNTIL_WRITTEN(&w);
	assert_int_equal(er_disk_statistics(w.disk).failed, 0);
	put(&w, (given){.key = drop_key(5), .length = 10, .seed = 4});
	put(&w, (given){.key = "later", .length = 10, .seed = 5});
	UNTIL_WRITTEN(&w);
	for (unsigned go = 0; go < 2; go++) {
		assert_dropped(&w, 5);
		assert_has(&w, drop_key(5), "", 4, 10);
		assert_has(&w, "calm", "", 2, 10);
		assert_has(&w, "page", "", 3, PAGE);
		assert_has(&w, "later", "", 5, 10);
		restart(&w);
	}
	world_close(&w);
}

/* What is put while the drops are noted is not taken for what was dropped. */
static void what_is_put_while_drops_are_noted_stays(void **state)
{
	(void)state;
	world w;
	world_with_many(&w);
	SET(&w.fault[0], writes_wait, true);
	drop_all(&w);
	SET(&w.fault[0], writes_wait, false);
	for (unsigned i = 0; i < DROPS; i += 3) {
		put(&w, (given){.key = drop_key(i), .length = 10, .seed = 6});
		if (i % 8 == 0)
			UNTIL_WRITTEN(&w);
	}
	UNTIL_WRITTEN(&w);
	restart(&w);
	unsigned found = 0;
	for (unsigned i = 0; i < DROPS; i++) {
		er_stored *s = find(&w, drop_key(i), "");
		if (s == NULL)
			continue;
		assert_int_equal(i % 3, 0);
		assert_reads(&w, s, 6, 10);
		er_stored_unref(s);
		found++;
	}
	assert_true(found > DROPS / 10); /* the queue may have been too short for some */
	assert_has(&w, "calm", "", 2, 10);
	world_close(&w);
}

static void an_end_that_cannot_note_all_drops_leaves_nothing_of_them(void **state)
{
	(void)state;
	world w;
	world_with_many(&w);
	SET(&w.fault[0], writes_wait, true);
	drop_all(&w);
	er_disk_end(w.disk);
	sleep_ms(2100); /* longer than an end may take to write */
	SET(&w.fault[0], writes_wait, false);
	assert_has(&w, "calm", "", 2, 10);
	restart(&w);
	assert_dropped(&w, DROPS);
	assert_has_not(&w, "calm", "");
	put(&w, (given){.key = "calm", .length = 10, .seed = 7});
	UNTIL_WRITTEN(&w);
	restart(&w);
	assert_has(&w, "calm", "", 7, 10);
	world_close(&w);
}

static void a_file_that_opens_slowly_begins_empty_if_too_much_is_dropped_meanwhile(void **state)
{
	(void)state;
	world w;
	world_with_many(&w);
	stop_files(&w);
	SET(&w.fault[0], reads_wait, true);
	er_volume_options o = {.io = &w.fault[0].io, .path = w.path[0], .bytes = w.bytes, .queue_bytes = w.queue};
	w.disk = er_disk_new(&o, 1);
	drop_all(&w);
	assert_true(figures(&w).waiting < 300);
	SET(&w.fault[0], reads_wait, false);
	UNTIL(&w, er_disk_ready(w.disk));
	UNTIL_WRITTEN(&w);
	assert_int_equal(er_disk_statistics(w.disk).failed, 0);
	assert_dropped(&w, DROPS);
	assert_has_not(&w, "page", "");
	put(&w, (given){.key = "page", .length = PAGE, .seed = 8});
	UNTIL_WRITTEN(&w);
	restart(&w);
	assert_dropped(&w, DROPS);
	assert_has(&w, "page", "", 8, PAGE);
	world_close(&w);
}

static void a_disk_that_fails_is_taken_out(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	UNTIL_WRITTEN(&w);
	SET(&w.fault[0], write_error, EIO);
	put(&w, (given){.key = "k2", .length = LONG, .seed = 1});
	UNTIL(&w, er_disk_statistics(w.disk).failed == 1);
	assert_has_not(&w, "k", "");
	put(&w, (given){.key = "k", .length = LONG, .seed = 1});
	drop(&w, "k");
	assert_null(er_disk_stream_new(w.disk, ER_LIT("k")));
	SET(&w.fault[0], write_error, 0);
	restart(&w);
	assert_has(&w, "k", "", 1, LONG);
	/* Reads that fail again and again. */
	SET(&w.fault[0], read_error, EIO);
	char key[32];
	for (unsigned i = 0; i < 40; i++) {
		snprintf(key, sizeof key, "x%u", i);
		put(&w, (given){.key = key, .length = 10, .seed = i});
	}
	UNTIL_WRITTEN(&w);
	for (unsigned i = 0; i < 40; i++) {
		snprintf(key, sizeof key, "x%u", i);
		assert_has_not(&w, key, "");
	}
	assert_int_equal(er_disk_statistics(w.disk).failed, 1);
	SET(&w.fault[0], read_error, 0);
	world_close(&w);
}

static void several_files_share_the_keys(void **state)
{
	(void)state;
	enum { KEYS = 400 };
	world w;
	world_open_files(&w, 3);
	char key[32];
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "k%u", i);
		put(&w, (given){.key = key, .length = SHORT, .seed = i});
	}
	UNTIL_WRITTEN(&w);
	restart(&w);
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "k%u", i);
		assert_has(&w, key, "", i, SHORT);
	}
	/* One fails: a third is lost, and the others take its keys from now on. */
	SET(&w.fault[1], write_error, EIO);
	for (unsigned i = 0; er_disk_statistics(w.disk).failed == 0; i++) {
		snprintf(key, sizeof key, "n%u", i);
		put(&w, (given){.key = key, .length = SHORT, .seed = i});
		turn(&w);
	}
	unsigned there = 0;
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "k%u", i);
		er_stored *s = find(&w, key, "");
		there += s != NULL;
		er_stored_unref(s);
		put(&w, (given){.key = key, .length = SHORT, .seed = i});
	}
	assert_true(there > KEYS / 2 && there < KEYS * 5 / 6);
	UNTIL_WRITTEN(&w);
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "k%u", i);
		assert_has(&w, key, "", i, SHORT);
	}
	world_close(&w);
}

/* ---- threads ---- */

typedef struct asker {
	pthread_t thread;
	er_disk *disk;
	bool *over;
	uint64_t found;
} asker;

static void *ask_on(void *ctx)
{
	asker *a = ctx;
	world w = {.disk = a->disk};
	assert_int_equal(uv_loop_init(&w.loop), 0);
	w.port = er_port_new(&w.loop);
	char key[32];
	for (unsigned i = 0; !__atomic_load_n(a->over, __ATOMIC_RELAXED); i++) {
		snprintf(key, sizeof key, "k%u", i % 50);
		er_stored *s = find(&w, key, "");
		sink k;
		if (s != NULL && sink_open(&w, &k, s, 0, UINT64_MAX, false)) {
			UNTIL(&w, k.ended || k.failed != ER_ERR_OK);
			if (k.ended)
				assert_bytes(&k, i % 50, 0, er_content_length(s->content));
			sink_close(&k);
			a->found++;
		}
		er_stored_unref(s);
		if (i % 7 == 0)
			drop(&w, key);
	}
	er_port_close(w.port);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	return NULL;
}

static void change(world *w, unsigned n, uint64_t bytes, bool again)
{
	er_volume_options o[FILES_MOST];
	for (unsigned i = 0; i < n; i++)
		o[i] = (er_volume_options){.io = &w->fault[i].io, .path = w->path[i], .bytes = bytes};
	assert_true(er_disk_change(w->disk, o, n, again));
	UNTIL(w, er_disk_ready(w->disk));
}

static unsigned found_of(world *w, unsigned keys)
{
	unsigned n = 0;
	char key[32];
	for (unsigned i = 0; i < keys; i++) {
		snprintf(key, sizeof key, "k%u", i);
		er_stored *s = find(w, key, "");
		n += s != NULL;
		er_stored_unref(s);
	}
	return n;
}

static void put_all(world *w, unsigned keys)
{
	char key[32];
	for (unsigned i = 0; i < keys; i++) {
		snprintf(key, sizeof key, "k%u", i);
		put(w, (given){.key = key, .length = SHORT, .seed = i});
	}
	UNTIL_WRITTEN(w);
}

static void files_change_while_they_are_in_use(void **state)
{
	(void)state;
	enum { KEYS = 200 };
	world w;
	world_open(&w);
	put_all(&w, KEYS);
	put(&w, (given){.key = "long", .length = LONG, .seed = 9});
	UNTIL_WRITTEN(&w);
	er_stored *s = find(&w, "long", "");
	sink k;
	assert_true(sink_open(&w, &k, s, 0, UINT64_MAX, true));
	change(&w, 1, 2 * FILE_BYTES, false); /* larger: what was in it is there */
	assert_int_equal(found_of(&w, KEYS), KEYS);
	assert_in_range(figures(&w).bytes, 3 * FILE_BYTES / 2, 2 * FILE_BYTES);
	k.holds = false; /* who reads from the file before reads to the end */
	sink_read(&k);
	UNTIL(&w, k.ended);
	assert_bytes(&k, 9, 0, LONG);
	sink_close(&k);
	er_stored_unref(s);
	change(&w, 2, 2 * FILE_BYTES, false); /* one more gets its share of the keys */
	assert_int_equal(er_disk_statistics(w.disk).files, 2);
	assert_in_range(found_of(&w, KEYS), KEYS / 4, KEYS * 3 / 4);
	put_all(&w, KEYS);
	assert_int_equal(found_of(&w, KEYS), KEYS);
	uint64_t written = figures(&w).written_bytes;
	change(&w, 1, 2 * FILE_BYTES, false);
	assert_int_equal(er_disk_statistics(w.disk).files, 1);
	assert_true(figures(&w).written_bytes >= written);
	/* It was away: nobody knows what was purged meanwhile. */
	change(&w, 2, 2 * FILE_BYTES, false);
	assert_in_range(found_of(&w, KEYS), KEYS / 4, KEYS * 3 / 4);
	change(&w, 0, 0, false);
	assert_int_equal(found_of(&w, KEYS), 0);
	assert_null(er_disk_stream_new(w.disk, ER_LIT("k")));
	world_close(&w);
}

static void a_file_that_failed_is_tried_again(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put_all(&w, 20);
	SET(&w.fault[0], write_error, EIO);
	put(&w, (given){.key = "more", .length = SHORT});
	UNTIL(&w, er_disk_statistics(w.disk).failed == 1);
	SET(&w.fault[0], write_error, 0);
	change(&w, 1, FILE_BYTES, false); /* some other change */
	assert_int_equal(er_disk_statistics(w.disk).failed, 1);
	change(&w, 1, FILE_BYTES, true);
	assert_int_equal(er_disk_statistics(w.disk).failed, 0);
	/* what was made void while it was out of use, nobody knows */
	assert_int_equal(found_of(&w, 20), 0);
	put_all(&w, 30);
	assert_int_equal(found_of(&w, 30), 30);
	world_close(&w);
}

/* A key is at home in another file when one comes, and at its first home again when that one
 * goes. */
static void what_is_dropped_while_its_key_is_at_home_elsewhere_is_gone_for_good(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	put_all(&w, 20);
	change(&w, 2, FILE_BYTES, false);
	char key[32];
	for (unsigned i = 0; i < 20; i++) {
		snprintf(key, sizeof key, "k%u", i);
		drop(&w, key);
	}
	UNTIL_WRITTEN(&w);
	change(&w, 1, FILE_BYTES, false);
	assert_int_equal(found_of(&w, 20), 0);
	restart(&w);
	assert_int_equal(found_of(&w, 20), 0);
	world_close(&w);
}

/* As where the memory takes less than a head has room for. */
static void a_short_body_that_lies_in_parts_can_be_put_again(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	er_disk_stream *st = er_disk_stream_new(w.disk, ER_LIT("k"));
	er_piece p = pattern(6, 0, SHORT);
	assert_true(er_disk_stream_write(st, p));
	er_piece_drop(&p);
	er_stored *s = make((given){.key = "k"});
	assert_true(er_disk_stream_end(st, s));
	er_disk_stream_free(st);
	er_stored_unref(s);
	UNTIL_WRITTEN(&w);
	s = find(&w, "k", "");
	assert_non_null(s);
	assert_true(er_content_is_behind(s->content));
	er_disk_put(w.disk, s); /* renewed */
	er_stored_unref(s);
	UNTIL_WRITTEN(&w);
	assert_has(&w, "k", "", 6, SHORT);
	restart(&w);
	assert_has(&w, "k", "", 6, SHORT);
	world_close(&w);
}

static void many_threads_read_while_the_ring_turns(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	bool over = false;
	asker askers[3];
	for (unsigned i = 0; i < 3; i++) {
		askers[i] = (asker){.disk = w.disk, .over = &over};
		assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_on, &askers[i]), 0);
	}
	char key[32];
	/* What comes while the writer is busy is not stored, so the ring turns when it may. */
	for (unsigned i = 0; i < 400 || (figures(&w).segments_reclaimed == 0 && i < 20000); i++) {
		snprintf(key, sizeof key, "k%u", i % 50);
		put(&w, (given){.key = key, .length = i % 4 == 0 ? SHORT : LONG, .seed = i % 50});
		if (i % 40 == 0)
			UNTIL_WRITTEN(&w);
	}
	UNTIL_WRITTEN(&w);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	uint64_t found = 0;
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(askers[i].thread, NULL);
		found += askers[i].found;
	}
	assert_true(found > 0);
	assert_true(figures(&w).segments_reclaimed > 0);
	assert_int_equal(figures(&w).errors, 0);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(states_are_sound),
	    cmocka_unit_test(what_was_put_is_found),
	    cmocka_unit_test(the_later_one_is_found),
	    cmocka_unit_test(variants_are_parted),
	    cmocka_unit_test(any_range_of_a_long_body_is_read),
	    cmocka_unit_test(a_range_reads_only_its_parts),
	    cmocka_unit_test(a_slow_client_holds_one_part),
	    cmocka_unit_test(a_renewed_head_keeps_its_parts),
	    cmocka_unit_test(a_stream_is_stored_when_it_is_whole),
	    cmocka_unit_test(what_was_dropped_is_gone_for_good),
	    cmocka_unit_test(the_oldest_goes_and_what_is_used_stays),
	    cmocka_unit_test(a_reader_follows_what_is_copied),
	    cmocka_unit_test(what_is_kept_is_found_while_it_is_written),
	    cmocka_unit_test(what_is_dropped_while_it_is_kept_is_gone),
	    cmocka_unit_test(a_body_without_all_its_parts_is_not_begun),
	    cmocka_unit_test(a_full_index_forgets_and_grows_no_further),
	    cmocka_unit_test(what_was_written_outlives_a_kill),
	    cmocka_unit_test(a_file_grows_and_shrinks_between_starts),
	    cmocka_unit_test(what_is_dropped_stays_so_when_the_note_of_it_is_cut_off),
	    cmocka_unit_test(another_version_begins_empty),
	    cmocka_unit_test(a_label_of_large_segments_leaves_a_small_file_of_use),
	    cmocka_unit_test(a_truncated_file_loses_what_it_lost),
	    cmocka_unit_test(a_file_that_is_not_ours_is_left_alone),
	    cmocka_unit_test(the_file_is_one_process_s_at_a_time),
	    cmocka_unit_test(a_flipped_bit_is_a_miss),
	    cmocka_unit_test(a_body_that_is_damaged_breaks_off_and_is_dropped),
	    cmocka_unit_test(damage_behind_a_hit_is_found_when_the_bytes_come_from_the_disk_again),
	    cmocka_unit_test(a_slow_disk_never_holds_up_the_loop),
	    cmocka_unit_test(questions_to_a_slow_disk_are_bounded),
	    cmocka_unit_test(a_disk_that_was_slow_is_asked_again),
	    cmocka_unit_test(bodies_from_a_slow_disk_come_to_their_end),
	    cmocka_unit_test(a_disk_that_cannot_follow_stores_less),
	    cmocka_unit_test(who_drops_too_much_for_a_slow_disk_takes_it_from_nobody),
	    cmocka_unit_test(what_is_put_while_drops_are_noted_stays),
	    cmocka_unit_test(an_end_that_cannot_note_all_drops_leaves_nothing_of_them),
	    cmocka_unit_test(a_file_that_opens_slowly_begins_empty_if_too_much_is_dropped_meanwhile),
	    cmocka_unit_test(a_disk_that_fails_is_taken_out),
	    cmocka_unit_test(several_files_share_the_keys),
	    cmocka_unit_test(files_change_while_they_are_in_use),
	    cmocka_unit_test(a_file_that_failed_is_tried_again),
	    cmocka_unit_test(what_is_dropped_while_its_key_is_at_home_elsewhere_is_gone_for_good),
	    cmocka_unit_test(a_short_body_that_lies_in_parts_can_be_put_again),
	    cmocka_unit_test(many_threads_read_while_the_ring_turns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
