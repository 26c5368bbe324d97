/* What the bytes of a cache file mean, and the table of where its records lie: what was written is
 * read as it was, and what was damaged is not read at all. */
#include "cache/disk_head.h"
#include "cache/disk_index.h"
#include "cache/disk_sum.h"

#include "base/mem.h"
#include "http/directives.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const er_disk_secret secret = {{1, 2}, {3, 4}};

static er_disk_hash hash_of(unsigned i)
{
	return er_disk_hash_of(&secret, er_slice_of(&i, sizeof i));
}

/* ---- structures ---- */

static void each_flipped_bit_of_a_structure_is_seen(void **state)
{
	(void)state;
	uint8_t label[ER_DISK_BLOCK], segment[ER_DISK_BLOCK], record[sizeof(er_disk_record)], seal[sizeof(er_disk_seal)];
	er_disk_line lines[3] = {{.hash = hash_of(1), .at = 8, .what = ER_DISK_HEAD << 24 | 1}};
	er_disk_put_label(label, ER_DISK_SEGMENT_LEAST, 7, &secret);
	er_disk_put_segment(segment, 7, 9);
	er_disk_put_record(record, ER_DISK_HEAD, hash_of(1), 9, 11, ER_LIT("payload"));
	er_disk_put_seal(seal, 9, 11, 20, lines, 3);
	er_disk_label l;
	er_disk_segment s;
	er_disk_record r;
	er_disk_seal e;
	const char *why;
	for (size_t bit = 0; bit <= sizeof(er_disk_label) * 8; bit++) {
		bool flips = bit < sizeof(er_disk_label) * 8;
		uint8_t mask = flips ? (uint8_t)(1U << bit % 8) : 0;
		size_t at = flips ? bit / 8 : 0;
		label[at] ^= mask;
		assert_int_equal(er_disk_get_label(er_slice_of(label, sizeof label), &l, &why), !flips);
		label[at] ^= mask;
		record[at] ^= mask;
		assert_int_equal(er_disk_get_record(er_slice_of(record, sizeof record), ER_DISK_UNIT, &r), !flips);
		record[at] ^= mask;
		at = at % sizeof(er_disk_segment);
		segment[at] ^= mask;
		assert_int_equal(er_disk_get_segment(er_slice_of(segment, sizeof segment), 7, &s), !flips);
		segment[at] ^= mask;
		at = at % sizeof seal;
		seal[at] ^= mask;
		assert_int_equal(er_disk_get_seal(er_slice_of(seal, sizeof seal), 9, ER_DISK_SEGMENT_LEAST, &e), !flips);
		seal[at] ^= mask;
	}
	assert_int_equal(l.file_id, 7);
	assert_int_equal(s.sequence, 9);
	assert_int_equal(r.number, 11);
	assert_true(er_disk_payload_ok(&r, ER_LIT("payload")));
	assert_false(er_disk_payload_ok(&r, ER_LIT("Payload")));
	assert_false(er_disk_payload_ok(&r, ER_LIT("payloa")));
	assert_true(er_disk_lines_ok(&e, er_slice_of(lines, sizeof lines)));
	lines[2].at = 1;
	assert_false(er_disk_lines_ok(&e, er_slice_of(lines, sizeof lines)));
}

static void what_belongs_to_something_else_is_not_taken(void **state)
{
	(void)state;
	uint8_t segment[ER_DISK_BLOCK], record[sizeof(er_disk_record)], seal[sizeof(er_disk_seal)];
	er_disk_segment s;
	er_disk_record r;
	er_disk_seal e;
	er_disk_put_segment(segment, 7, 9);
	assert_false(er_disk_get_segment(er_slice_of(segment, sizeof segment), 8, &s));
	er_disk_put_seal(seal, 9, 0, 20, NULL, 0);
	assert_false(er_disk_get_seal(er_slice_of(seal, sizeof seal), 8, ER_DISK_SEGMENT_LEAST, &e));
	/* beyond the segment */
	assert_false(er_disk_get_seal(er_slice_of(seal, sizeof seal), 9, 20 * ER_DISK_UNIT, &e));
	er_disk_put_record(record, ER_DISK_HEAD, hash_of(1), 9, 11, er_slice_of(segment, 600));
	assert_false(er_disk_get_record(er_slice_of(record, sizeof record), ER_DISK_UNIT, &r));
	assert_true(er_disk_get_record(er_slice_of(record, sizeof record), 2 * ER_DISK_UNIT, &r));
	er_disk_line line = {.at = 8, .what = ER_DISK_HEAD << 24 | 1};
	assert_true(er_disk_line_ok(&line, ER_DISK_SEGMENT_LEAST));
	line.at = ER_DISK_SEGMENT_LEAST / ER_DISK_UNIT;
	assert_false(er_disk_line_ok(&line, ER_DISK_SEGMENT_LEAST));
	line = (er_disk_line){.at = 8, .what = ER_DISK_KINDS_END << 24 | 1};
	assert_false(er_disk_line_ok(&line, ER_DISK_SEGMENT_LEAST));
}

/* ---- heads ---- */

typedef struct head_case {
	er_stored *s;
	er_buf bytes;
} head_case;

static const er_disk_form forms[ER_CODINGS] = {
    [ER_CODING_BR] = {.id = 77, .length = 5000}, [ER_CODING_GZIP] = {.length = 6, .bytes = {(const uint8_t *)"zipped", 6}}};

static void make_head(head_case *h, const char *body)
{
	er_arena a = {0};
	er_fields request = {0}, response = {0};
	er_fields_add(&request, &a, ER_LIT("Accept-Language"), ER_LIT("de"));
	er_fields_add(&request, &a, ER_LIT("X-Empty"), ER_LIT(""));
	er_fields_add(&response, &a, ER_LIT("Vary"), ER_LIT("Accept-Language, X-Empty, X-Missing"));
	er_fields_add(&response, &a, ER_LIT("X-Nothing"), ER_LIT(""));
	er_content *c = er_content_new();
	er_slice text = er_slice_cstr(body);
	er_content_write(c, er_piece_copy(text));
	er_content_end(c, ER_ERR_OK);
	er_freshness fresh = {.age = 5, .lifetime = 100, .strict = true, .if_error = 0};
	h->s = er_stored_new(ER_LIT("key"), 1, &request, 404, ER_LIT("Not Here"), &response, &response, &fresh, c, (int64_t)text.n,
	                     NULL);
	assert_non_null(h->s);
	er_buf_init(&h->bytes);
	assert_true(er_disk_head_put(&h->bytes, h->s, 0, text.n, text, forms, h->s->came_us + 3000000, 1000));
	er_content_unref(c);
	er_arena_fini(&a);
}

static void free_head(head_case *h)
{
	er_buf_fini(&h->bytes);
	er_stored_unref(h->s);
}

static void a_head_is_read_as_it_was(void **state)
{
	(void)state;
	head_case h;
	make_head(&h, "a body");
	er_arena a = {0};
	er_disk_head head;
	assert_true(er_disk_head_get(er_buf_slice(&h.bytes), 1010, &a, &head));
	assert_true(er_slice_eq(head.key, ER_LIT("key")));
	assert_true(er_slice_eq(head.reason, ER_LIT("Not Here")));
	assert_true(er_slice_eq(head.body, ER_LIT("a body")));
	assert_int_equal(head.status, 404);
	assert_int_equal(head.fields.n, 2);
	assert_int_equal(head.came, h.s->came);
	assert_true(er_variant_same(&head.variant, &h.s->variant));
	assert_true(head.fresh.strict && !head.fresh.no_cache && !head.fresh.heuristic);
	assert_int_equal(head.fresh.lifetime, 100);
	assert_int_equal(head.fresh.age, 5 + 3 + 10);
	for (er_coding c = 0; c < ER_CODINGS; c++) {
		assert_int_equal(head.forms[c].id, forms[c].id);
		assert_int_equal(head.forms[c].length, forms[c].length);
		assert_true(er_slice_eq(head.forms[c].bytes, forms[c].bytes));
	}
	er_arena_fini(&a);
	free_head(&h);
}

static void a_clock_that_jumps_makes_nothing_younger(void **state)
{
	(void)state;
	head_case h;
	make_head(&h, "");
	er_arena a = {0};
	er_disk_head head;
	static const int64_t clocks[] = {1000, 999, 990, 989, 0, -1, INT64_MIN, INT64_MAX, 1000 + (int64_t)ER_CACHE_SECONDS_MAX};
	for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
		assert_true(er_disk_head_get(er_buf_slice(&h.bytes), clocks[i], &a, &head));
		assert_true(head.fresh.age >= 8);
		assert_int_equal(head.fresh.age == 8, clocks[i] <= 1000 && clocks[i] >= 990);
		if (clocks[i] < 990) /* nobody knows how old it is */
			assert_true(head.fresh.age > (int64_t)ER_CACHE_SECONDS_MAX);
	}
	er_arena_fini(&a);
	free_head(&h);
}

static void a_head_that_is_cut_is_not_read(void **state)
{
	(void)state;
	head_case h;
	make_head(&h, "a body");
	er_arena a = {0};
	er_disk_head head;
	er_slice all = er_buf_slice(&h.bytes);
	for (size_t n = 0; n < all.n; n++) {
		/* Exactly as long, so that the sanitizer sees a step too far. */
		er_piece part = er_piece_copy(er_slice_head(all, n));
		assert_false(er_disk_head_get(er_piece_slice(part), 1010, &a, &head));
		er_piece_drop(&part);
	}
	er_buf_putc(&h.bytes, 0);
	assert_false(er_disk_head_get(er_buf_slice(&h.bytes), 1010, &a, &head));
	er_arena_fini(&a);
	free_head(&h);
}

static void a_fork_is_read_as_it_was(void **state)
{
	(void)state;
	er_variant v = {.n = 2, .v = {{ER_LIT("accept"), ER_LIT("x")}, {ER_LIT("b"), {0}}}};
	er_buf b;
	er_buf_init(&b);
	er_disk_fork_put(&b, ER_LIT("key"), &v, 99);
	er_disk_fork fork;
	assert_true(er_disk_fork_get(er_buf_slice(&b), &fork));
	assert_true(er_slice_eq(fork.key, ER_LIT("key")) && fork.branch == 99 && er_variant_same_names(&fork.names, &v));
	for (size_t n = 0; n < er_buf_len(&b); n++)
		assert_false(er_disk_fork_get(er_slice_head(er_buf_slice(&b), n), &fork));
	er_buf_fini(&b);
	/* A value that is missing is not one that is empty, and names are no values. */
	er_variant w = v;
	w.v[1].value = ER_LIT("");
	er_disk_hash key = hash_of(1);
	assert_false(er_disk_hash_eq(er_disk_hash_variant(&secret, key, 99, &v), er_disk_hash_variant(&secret, key, 99, &w)));
	assert_false(er_disk_hash_eq(er_disk_hash_variant(&secret, key, 99, &v), er_disk_hash_variant(&secret, key, 98, &v)));
}

/* ---- the index ---- */

#define UNITS ((1ULL << 34) - 1)

static void an_entry_keeps_its_place_and_a_bound_of_its_size(void **state)
{
	(void)state;
	er_disk_index *ix = er_disk_index_new(100, UNITS);
	for (uint32_t units = 1; units < 5000; units++) {
		uint64_t at = (1ULL << 34) - 1 - units;
		er_disk_index_put(ix, hash_of(units), at, units, units % 4);
		er_disk_entry e = er_disk_index_get(ix, hash_of(units));
		assert_int_equal(er_disk_entry_at(ix, e), at);
		assert_int_equal(er_disk_entry_uses(e), units % 4);
		uint32_t most = units < 8 ? 8 : units + (units + 7) / 8;
		assert_true(er_disk_entry_units(e) >= units && er_disk_entry_units(e) <= most);
		er_disk_index_drop(ix, hash_of(units));
		assert_int_equal(er_disk_index_get(ix, hash_of(units)), 0);
	}
	assert_int_equal(er_disk_index_count(ix), 0);
	er_disk_index_free(ix);
}

static void uses_are_counted_up_to_three(void **state)
{
	(void)state;
	er_disk_index *ix = er_disk_index_new(100, UNITS);
	assert_false(er_disk_index_use(ix, hash_of(1)));
	er_disk_index_put(ix, hash_of(1), 10, 1, 0);
	for (unsigned i = 1; i < 6; i++) {
		assert_true(er_disk_index_use(ix, hash_of(1)));
		assert_int_equal(er_disk_entry_uses(er_disk_index_get(ix, hash_of(1))), i < 3 ? i : 3);
	}
	er_disk_index_drop_at(ix, hash_of(1), 11);
	assert_int_equal(er_disk_entry_at(ix, er_disk_index_get(ix, hash_of(1))), 10);
	er_disk_index_drop_at(ix, hash_of(1), 10);
	assert_int_equal(er_disk_index_get(ix, hash_of(1)), 0);
	er_disk_index_free(ix);
}

/* A file may be read by another machine than wrote it. */
static void all_processors_have_the_same_checksum(void **state)
{
	(void)state;
	enum { MOST = ER_DISK_PAYLOAD };
	uint8_t *bytes = er_alloc(MOST + 3);
	for (unsigned i = 0; i < MOST + 3; i++)
		bytes[i] = (uint8_t)(i * 31 + (i >> 7));
	for (size_t n = 0; n <= MOST; n = n < 5000 ? n + 1 : n * 3 / 2) {
		const uint8_t *p = bytes + n % 3;
		assert_int_equal(er_disk_sum(p, n), er_disk_sum_narrow(p, n));
#ifdef __x86_64__
		if (__builtin_cpu_supports("avx2"))
			assert_int_equal(er_disk_sum_wide(p, n), er_disk_sum_narrow(p, n));
#endif
	}
	bytes[MOST / 2] ^= 1;
	assert_int_equal(er_disk_sum(bytes, MOST), er_disk_sum_narrow(bytes, MOST));
	er_free(bytes);
}

static unsigned count_refused(const er_disk_index *ix, unsigned from, unsigned to)
{
	unsigned n = 0;
	for (unsigned i = from; i < to; i++)
		n += er_disk_index_refused(ix, hash_of(i));
	return n;
}

/* As many as there are records, and the oldest are forgotten first. */
static void what_was_refused_is_remembered_for_a_while(void **state)
{
	(void)state;
	enum { N = 10000 };
	er_disk_index *ix = er_disk_index_new(N, UNITS);
	for (unsigned i = 0; i < N; i++)
		er_disk_index_put(ix, hash_of(i), i + 1, 10, 0);
	er_disk_index_measure_refused(ix);
	assert_true(count_refused(ix, 0, N) < 5);
	for (unsigned i = 0; i < N * 3 / 4; i++)
		er_disk_index_refuse(ix, hash_of(i));
	for (unsigned i = 0; i < N * 3 / 4; i++) /* again is not once more */
		er_disk_index_refuse(ix, hash_of(i));
	assert_true(count_refused(ix, 0, N * 3 / 4) > N * 7 / 10);
	for (unsigned i = 0; i < 50; i++) /* about as many: nothing is forgotten */
		er_disk_index_drop(ix, hash_of(i));
	er_disk_index_measure_refused(ix);
	assert_true(count_refused(ix, 0, N * 3 / 4) > N * 7 / 10);
	for (unsigned i = N; i < N * 7 / 4; i++)
		er_disk_index_refuse(ix, hash_of(i));
	assert_true(count_refused(ix, N, N * 7 / 4) > N * 7 / 10);
	assert_true(count_refused(ix, 0, N / 4) < N / 10);
	for (unsigned i = 2 * N; i < 20 * N; i++)
		er_disk_index_refuse(ix, hash_of(i));
	assert_true(count_refused(ix, 0, 2 * N) < 50);
	er_disk_index_free(ix);
}

/* A record takes no more than 13 bytes however many there are, and next to nothing is lost. */
static void the_index_grows_with_what_is_in_it(void **state)
{
	(void)state;
	enum { N = 200000 };
	for (unsigned room = 1; room <= 100; room *= 10) {
		er_disk_index *ix = er_disk_index_new((uint64_t)N * room, (1 << 25) - 1);
		unsigned lost = 0;
		for (unsigned i = 0; i < N; i++) {
			er_disk_index_put(ix, hash_of(i), i + 1, 10, 0);
			/* Small ones have the first pages of the table. */
			if (i % 1000 == 0 && i > N * room / 20)
				assert_true(er_disk_index_bytes(ix) <= (uint64_t)i * 13);
		}
		er_disk_index_measure_refused(ix);
		for (unsigned i = 0; i < N; i++)
			lost += er_disk_entry_at(ix, er_disk_index_get(ix, hash_of(i))) != i + 1;
		printf("%u of %d lost, %.2f bytes a record\n", lost, N, (double)er_disk_index_bytes(ix) / N);
		assert_true(lost < 5); /* two of one tag */
		if (room < 100)        /* 20 million have room: the first pages alone take 6 MB */
			assert_true(er_disk_index_bytes(ix) <= (uint64_t)N * 13);
		assert_true(er_disk_index_count(ix) >= N - lost);
		er_disk_index_free(ix);
	}
}

typedef struct looking {
	er_disk_index *ix;
	bool over;       /* atomic */
	unsigned missed; /* of what is there */
} looking;

enum { OLD = 1000 };

static void *look(void *ctx)
{
	looking *l = ctx;
	while (!__atomic_load_n(&l->over, __ATOMIC_RELAXED))
		for (unsigned i = 0; i < OLD; i++)
			l->missed += !er_disk_index_use(l->ix, hash_of(i));
	return NULL;
}

/* Others look and count uses all the time: what they look for moves, and is not missed. */
static void what_moves_while_the_index_grows_is_found(void **state)
{
	(void)state;
	enum { N = 300000 };
	looking l = {.ix = er_disk_index_new(N, UNITS)};
	pthread_t thread;
	for (unsigned i = 0; i < OLD; i++)
		er_disk_index_put(l.ix, hash_of(i), i + 1, 10, 3);
	uint64_t before = er_disk_index_bytes(l.ix);
	pthread_create(&thread, NULL, look, &l);
	for (unsigned i = OLD; i < N; i++)
		er_disk_index_put(l.ix, hash_of(i), i + 1, 10, 0);
	__atomic_store_n(&l.over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_true(er_disk_index_bytes(l.ix) > 4 * before);
	assert_int_equal(l.missed, 0);
	er_disk_index_free(l.ix);
}

static void what_is_used_most_is_lost_last(void **state)
{
	(void)state;
	enum { N = 1000, MORE = 20000 };
	er_disk_index *ix = er_disk_index_new(N, UNITS);
	for (unsigned i = 0; i < N / 4; i++)
		er_disk_index_put(ix, hash_of(i), i + 1, 10, 3);
	for (unsigned i = N; i < N + MORE; i++)
		er_disk_index_put(ix, hash_of(i), i + 1, 10, 0);
	unsigned there = 0;
	for (unsigned i = 0; i < N / 4; i++)
		there += er_disk_entry_at(ix, er_disk_index_get(ix, hash_of(i))) == i + 1;
	assert_true(there > N / 4 - N / 40);
	er_disk_index_free(ix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_flipped_bit_of_a_structure_is_seen),
	    cmocka_unit_test(what_belongs_to_something_else_is_not_taken),
	    cmocka_unit_test(a_head_is_read_as_it_was),
	    cmocka_unit_test(a_clock_that_jumps_makes_nothing_younger),
	    cmocka_unit_test(a_head_that_is_cut_is_not_read),
	    cmocka_unit_test(a_fork_is_read_as_it_was),
	    cmocka_unit_test(an_entry_keeps_its_place_and_a_bound_of_its_size),
	    cmocka_unit_test(uses_are_counted_up_to_three),
	    cmocka_unit_test(all_processors_have_the_same_checksum),
	    cmocka_unit_test(what_was_refused_is_remembered_for_a_while),
	    cmocka_unit_test(the_index_grows_with_what_is_in_it),
	    cmocka_unit_test(what_moves_while_the_index_grows_is_found),
	    cmocka_unit_test(what_is_used_most_is_lost_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
