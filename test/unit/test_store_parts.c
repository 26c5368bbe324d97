/* KV: values in parts, which come and go without ever being whole in memory; many operations with
 * one commit; limits of a namespace; who is told of writes. */
#include "kv_fixture.h"

#include "store/db.h"
#include "store/schema.h"

/* Bytes of which no two parts are the same. */
static er_slice bytes_of(fixture *f, size_t n, unsigned seed)
{
	uint8_t *p = er_arena_alloc(&f->a, n + 8);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 31 + (i >> 12) * 7 + seed);
	return er_slice_of(p, n);
}

static void put(fixture *f, const char *key, er_slice value)
{
	er_kv_entry e = {.key = er_slice_cstr(key), .value = value};
	if (!er_kv_put(f->s, ER_LIT("ns"), &e, 1, &f->err))
		fail_msg("put: %s", f->err.text);
}

static bool get(fixture *f, const char *key, er_kv_entry *e)
{
	bool found;
	if (!er_kv_get(f->s, &f->a, ER_LIT("ns"), er_slice_cstr(key), e, &found, &f->err))
		fail_msg("get: %s", f->err.text);
	return found;
}

static void tally_is(fixture *f, uint64_t keys, uint64_t bytes)
{
	er_kv_namespace_row *rows;
	size_t n;
	assert_true(er_kv_namespaces(f->s, &f->a, &rows, &n, &f->err));
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].keys, keys);
	assert_int_equal(rows[0].bytes, bytes);
}

static unsigned swept(fixture *f)
{
	unsigned all = 0, removed;
	do {
		assert_true(er_kv_sweep_parts(f->s, 3, &removed, &f->err));
		all += removed;
	} while (removed > 0);
	return all;
}

/* Writes a value part by part, and does not give it to a key yet. */
static int64_t write_parts(fixture *f, er_slice value)
{
	int64_t parts = 0;
	er_slice rest = value;
	for (unsigned i = 0; rest.n > 0; i++) {
		er_slice part = er_slice_head(rest, ER_KV_PART);
		er_kv_op op = {.kind = ER_KV_OP_PART, .ns = ER_LIT("ns"), .part = i, .entry = {.value = part, .parts = parts}};
		er_kv_op *ops[] = {&op};
		er_kv_write(f->s, ops, 1);
		assert_int_equal(op.err.kind, ER_ERR_OK);
		parts = op.entry.parts;
		rest = er_slice_from(rest, part.n);
	}
	return parts;
}

static void give(fixture *f, const char *key, int64_t parts, uint64_t size, er_err_kind should)
{
	er_kv_op op = {.kind = ER_KV_OP_PUT, .ns = ER_LIT("ns"), .entry = {.key = er_slice_cstr(key), .parts = parts, .size = size}};
	er_kv_op *ops[] = {&op};
	er_kv_write(f->s, ops, 1);
	if (op.err.kind != should)
		fail_msg("%d: %s", op.err.kind, op.err.text);
}

static void long_values_come_back_whole_at_every_length(void **state)
{
	fixture *f = *state;
	static const size_t lengths[] = {ER_KV_PART - 1, ER_KV_PART,          ER_KV_PART + 1,
	                                 2 * ER_KV_PART, 5 * ER_KV_PART + 77, ER_KV_VALUE_MAX};
	er_kv_entry e;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		er_slice v = bytes_of(f, lengths[i], (unsigned)i);
		put(f, "k", v);
		assert_true(get(f, "k", &e));
		assert_true(er_slice_eq(e.value, v));
		tally_is(f, 1, 1 + lengths[i]);
		(void)swept(f);
	}
	put(f, "k", ER_LIT("short"));
	tally_is(f, 1, 6);
	assert_int_equal(swept(f), ER_KV_VALUE_MAX / ER_KV_PART);
	assert_int_equal(swept(f), 0);
}

static void what_is_read_stays_until_it_is_let_go(void **state)
{
	fixture *f = *state;
	er_slice v = bytes_of(f, 3 * ER_KV_PART + 5, 1);
	er_kv_entry e;
	er_piece piece;
	bool found, existed;
	put(f, "k", v);
	assert_true(er_kv_look(f->s, &f->a, ER_LIT("ns"), ER_LIT("k"), &e, &found, &f->err) && found);
	assert_true(e.parts > 0 && e.value.n == 0 && e.size == v.n);
	assert_true(er_kv_delete(f->s, ER_LIT("ns"), ER_LIT("k"), &existed, &f->err) && existed);
	assert_int_equal(swept(f), 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(er_kv_part(f->s, e.parts, i, &piece, &f->err));
		assert_true(er_slice_eq(er_piece_slice(piece), er_slice_head(er_slice_from(v, i * ER_KV_PART), ER_KV_PART)));
		er_piece_drop(&piece);
	}
	er_kv_let_go(f->s, e.parts);
	assert_int_equal(swept(f), 4);
	assert_false(er_kv_part(f->s, e.parts, 0, &piece, &f->err));
	tally_is(f, 0, 0);
}

static void a_value_that_comes_in_parts_is_there_when_all_of_it_is(void **state)
{
	fixture *f = *state;
	er_slice v = bytes_of(f, 2 * ER_KV_PART + 9, 2);
	er_kv_entry e;
	int64_t parts = write_parts(f, v);
	assert_false(get(f, "k", &e));
	give(f, "k", parts, v.n - 1, ER_ERR_IO); /* not all of it, or too much */
	give(f, "k", parts, v.n + ER_KV_PART, ER_ERR_IO);
	assert_false(get(f, "k", &e));
	give(f, "k", parts, v.n, ER_ERR_OK);
	er_kv_let_go(f->s, parts);
	assert_true(get(f, "k", &e));
	assert_true(er_slice_eq(e.value, v));
	assert_int_equal(swept(f), 0);
	/* one that is never finished */
	parts = write_parts(f, v);
	assert_int_equal(swept(f), 0);
	er_kv_let_go(f->s, parts);
	assert_int_equal(swept(f), 3);
	give(f, "l", parts, v.n, ER_ERR_IO);
	tally_is(f, 1, 1 + v.n);
}

static void what_a_process_left_unfinished_is_swept_by_the_next(void **state)
{
	fixture *f = *state;
	er_slice v = bytes_of(f, 2 * ER_KV_PART, 3);
	(void)write_parts(f, v);
	put(f, "k", v);
	er_store_close(f->s);
	f->s = harness_open_dir(f->dir);
	assert_int_equal(swept(f), 2);
	er_kv_entry e;
	assert_true(get(f, "k", &e));
	assert_true(er_slice_eq(e.value, v));
}

static void one_of_many_fails_by_itself(void **state)
{
	fixture *f = *state;
	er_kv_entry e;
	er_slice v = bytes_of(f, ER_KV_PART + 1, 4);
	er_kv_op ops[] = {
	    {.kind = ER_KV_OP_PUT, .ns = ER_LIT("ns"), .entry = {.key = ER_LIT("a"), .value = ER_LIT("1")}},
	    {.kind = ER_KV_OP_PUT, .ns = ER_LIT("ns"), .entry = {.key = (er_slice){0}, .value = ER_LIT("2")}},
	    {.kind = ER_KV_OP_PUT, .ns = ER_LIT("nobody"), .entry = {.key = ER_LIT("c"), .value = ER_LIT("3")}},
	    {.kind = ER_KV_OP_PUT, .ns = ER_LIT("ns"), .entry = {.key = ER_LIT("d"), .parts = 12345, .size = 200000}},
	    {.kind = ER_KV_OP_PUT, .ns = ER_LIT("ns"), .entry = {.key = ER_LIT("e"), .value = v}},
	    {.kind = ER_KV_OP_DELETE, .ns = ER_LIT("ns"), .entry = {.key = ER_LIT("a")}},
	    {.kind = ER_KV_OP_DELETE, .ns = ER_LIT("ns"), .entry = {.key = ER_LIT("z")}},
	    {.kind = ER_KV_OP_PUT, .ns = ER_LIT("ns"), .entry = {.key = ER_LIT("f"), .value = ER_LIT("6")}},
	};
	static const er_err_kind should[] = {ER_ERR_OK, ER_ERR_INVALID, ER_ERR_NO_ROUTE, ER_ERR_IO,
	                                     ER_ERR_OK, ER_ERR_OK,      ER_ERR_OK,       ER_ERR_OK};
	enum { N = sizeof ops / sizeof *ops };
	er_kv_op *all[N];
	for (size_t i = 0; i < N; i++)
		all[i] = &ops[i];
	er_kv_write(f->s, all, N);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(ops[i].err.kind, should[i]);
	assert_true(ops[5].existed && !ops[6].existed);
	assert_false(get(f, "a", &e));
	assert_true(get(f, "e", &e) && er_slice_eq(e.value, v));
	assert_true(get(f, "f", &e) && e.sequence == 3);
	tally_is(f, 2, 1 + v.n + 2);
	assert_int_equal(swept(f), 0);
}

static void a_namespace_has_no_more_than_its_limit(void **state)
{
	fixture *f = *state;
	er_kv_entry e = {.key = ER_LIT("k"), .value = bytes_of(f, 700 << 10, 5)};
	er_kv_limit(f->s, 1 << 20);
	put(f, "k", e.value);
	put(f, "k", e.value); /* in its own place */
	e.key = ER_LIT("l");
	assert_false(er_kv_put(f->s, ER_LIT("ns"), &e, 1, &f->err));
	assert_int_equal(f->err.kind, ER_ERR_TOO_LARGE);
	assert_non_null(strstr(f->err.text, "limits.kvNamespaceMb"));
	int64_t parts = write_parts(f, e.value);
	give(f, "l", parts, e.value.n, ER_ERR_TOO_LARGE);
	er_kv_let_go(f->s, parts);
	put(f, "k", ER_LIT("shorter"));
	put(f, "l", e.value);
	tally_is(f, 2, 8 + 1 + e.value.n);
	er_kv_limit(f->s, 1024); /* what is there stays, and may become less */
	put(f, "l", bytes_of(f, 600 << 10, 6));
	assert_true(get(f, "l", &e));
}

static void what_expired_leaves_its_room_and_short_keys_take_some(void **state)
{
	fixture *f = *state;
	er_kv_entry e = {.key = ER_LIT("old"), .value = bytes_of(f, 700 << 10, 5), .expires_s = 1000};
	er_kv_limit(f->s, 1 << 20);
	assert_true(er_kv_put(f->s, ER_LIT("ns"), &e, 1, &f->err));
	put(f, "k", e.value); /* in the room of what nobody sees any more */
	er_kv_entry *many = er_arena_zalloc(&f->a, 9000 * sizeof *many);
	for (int i = 0; i < 9000; i++)
		many[i].key = er_arena_printf(&f->a, "%d", i);
	assert_false(er_kv_put(f->s, ER_LIT("ns"), many, 9000, &f->err));
	assert_int_equal(f->err.kind, ER_ERR_TOO_LARGE);
}

typedef struct hearing {
	unsigned told;
	char key[64];
} hearing;

static void told(void *ctx, int64_t ns, er_slice key)
{
	hearing *h = ctx;
	(void)ns;
	h->told++;
	snprintf(h->key, sizeof h->key, "%.*s", ER_FMT(key));
}

static void every_way_of_writing_is_told(void **state)
{
	fixture *f = *state;
	bool existed;
	hearing h = {0};
	er_kv_watch(f->s, told, &h);
	put(f, "a", ER_LIT("1"));
	assert_true(h.told == 1 && strcmp(h.key, "a") == 0);
	assert_true(er_kv_delete(f->s, ER_LIT("ns"), ER_LIT("b"), &existed, &f->err));
	assert_true(h.told == 2 && strcmp(h.key, "b") == 0);
	int64_t parts = write_parts(f, bytes_of(f, ER_KV_PART + 1, 7));
	assert_int_equal(h.told, 2);
	give(f, "c", parts, ER_KV_PART + 1, ER_ERR_OK);
	er_kv_let_go(f->s, parts);
	assert_true(h.told == 3 && strcmp(h.key, "c") == 0);
	enum { N = 1000 };
	er_kv_entry *many = er_arena_zalloc(&f->a, N * sizeof *many);
	for (int i = 0; i < N; i++)
		many[i] = (er_kv_entry){.key = er_arena_printf(&f->a, "%d", i), .value = ER_LIT("x")};
	assert_true(er_kv_put(f->s, ER_LIT("ns"), many, N, &f->err));
	assert_true(h.told == 4 && h.key[0] == 0); /* any key */
}

static int64_t number(fixture *f, const char *sql)
{
	char *path = er_printf("%s/kv.db", f->dir);
	er_db *db = er_db_open_plain(path, NULL, &f->err);
	assert_non_null(db);
	er_query q = er_query_of(db, sql);
	int64_t n = er_query_row(&q) ? er_col_int(&q, 0) : 0;
	assert_true(er_query_end(&q, &f->err));
	er_db_close(db);
	er_free(path);
	return n;
}

static const char ON_DISK[] = "SELECT sum(length(bytes)) FROM part", WASTE[] = "SELECT sum(bytes) FROM waste",
                  TALLY[] = "SELECT sum(bytes) FROM waste_tally";

static void values_that_are_replaced_faster_than_the_sweep_is_have_a_bound_on_the_disk(void **state)
{
	fixture *f = *state;
	enum { LIMIT = 1 << 20, BOUND = 2 * LIMIT + ER_KV_VALUE_MAX };
	er_slice v = bytes_of(f, 900 << 10, 7);
	er_kv_limit(f->s, LIMIT);
	for (int i = 0; i < 60; i++) {
		if (i % 2 == 0) {
			put(f, "k", v);
		} else {
			int64_t parts = write_parts(f, v);
			give(f, "k", parts, v.n, ER_ERR_OK);
			er_kv_let_go(f->s, parts);
		}
	}
	assert_in_range(number(f, ON_DISK), v.n, BOUND);
	assert_int_equal(number(f, ON_DISK), number(f, WASTE) + (int64_t)v.n);
	assert_int_equal(number(f, TALLY), number(f, WASTE));
	/* as many as are read at once cannot be removed, and nobody gets more room by that */
	int64_t held[64];
	size_t n = 0, refused = 0;
	for (; n < 64 && refused == 0; n++) {
		er_kv_entry e;
		bool found;
		assert_true(er_kv_look(f->s, &f->a, ER_LIT("ns"), ER_LIT("k"), &e, &found, &f->err) && found);
		held[n] = e.parts;
		e = (er_kv_entry){.key = ER_LIT("k"), .value = v};
		if (!er_kv_put(f->s, ER_LIT("ns"), &e, 1, &f->err)) {
			assert_int_equal(f->err.kind, ER_ERR_UNAVAILABLE);
			refused++;
		}
	}
	assert_int_equal(refused, 1);
	assert_in_range(number(f, ON_DISK), v.n, BOUND);
	put(f, "short", ER_LIT("goes in"));
	while (n > 0)
		er_kv_let_go(f->s, held[--n]);
	put(f, "k", v);
	(void)swept(f);
	assert_int_equal(number(f, ON_DISK), v.n);
	assert_int_equal(number(f, WASTE) + number(f, TALLY), 0);
	assert_int_equal(number(f, "SELECT count(*) FROM waste_tally"), 0);
}

static void values_that_nobody_finishes_have_the_same_bound(void **state)
{
	fixture *f = *state;
	enum { LIMIT = 1 << 20, BOUND = 2 * LIMIT + ER_KV_VALUE_MAX, MOST = BOUND / ER_KV_PART };
	er_slice part = bytes_of(f, ER_KV_PART, 8);
	int64_t held[MOST + 1];
	er_kv_limit(f->s, LIMIT);
	size_t n = 0;
	for (; n <= MOST; n++) {
		er_kv_op op = {.kind = ER_KV_OP_PART, .ns = ER_LIT("ns"), .entry = {.value = part}};
		er_kv_op *ops[] = {&op};
		er_kv_write(f->s, ops, 1);
		held[n] = op.entry.parts;
		if (op.err.kind != ER_ERR_OK)
			break;
	}
	assert_int_equal(n, MOST);
	assert_int_equal(held[n], 0);
	while (n > 0)
		er_kv_let_go(f->s, held[--n]);
	/* nobody's now, and in nobody's way */
	er_kv_entry e = {.key = ER_LIT("k"), .value = bytes_of(f, 900 << 10, 9)};
	assert_true(er_kv_put(f->s, ER_LIT("ns"), &e, 1, &f->err));
}

static void values_of_before_are_counted_when_they_are_left(void **state)
{
	fixture *f = *state;
	er_store_close(f->s);
	char *path = er_printf("%s/kv.db", f->dir);
	assert_int_equal(unlink(path), 0);
	er_schema old = er_schema_kv;
	old.n_steps = 2;
	er_db *db = er_db_open(path, NULL, &old, &f->err);
	assert_non_null(db);
	assert_true(er_db_exec(db,
	                       "INSERT INTO part VALUES (1, 0, x'010203'), (1, 1, x'04'), (2, 0, x'05');"
	                       "INSERT INTO loose VALUES (1);"
	                       "INSERT INTO kv(ns, key, expires_s, sequence, metadata, value, parts, size)"
	                       " VALUES (7, x'6b', 0, 1, '', x'', 2, 1)",
	                       &f->err));
	er_db_close(db);
	f->s = harness_open_dir(f->dir);
	assert_int_equal(number(f, WASTE), 4);
	db = er_db_open_plain(path, NULL, &f->err);
	/* a predecessor's */
	assert_true(er_db_exec(db, "DELETE FROM kv; INSERT INTO loose VALUES (9)", &f->err));
	er_db_close(db);
	er_free(path);
	assert_int_equal(number(f, TALLY), 5);
	assert_int_equal(swept(f), 3);
	assert_int_equal(number(f, "SELECT count(*) FROM loose") + number(f, TALLY), 0);
}

/* Two processes have the folder open, and neither knows what the other one holds. */
static void nobody_sweeps_while_two_processes_have_the_folder(void **state)
{
	fixture *f = *state;
	er_slice v = bytes_of(f, 2 * ER_KV_PART, 3);
	put(f, "k", v);
	put(f, "k", v);
	char number[16];
	snprintf(number, sizeof number, "%d", dup(er_store_lock_fd(f->s)));
	setenv("ER_STORE_LOCK_FD", number, 1);
	fixture next = {.dir = f->dir, .s = harness_open_dir(f->dir)};
	int64_t parts = write_parts(&next, v);
	assert_int_equal(swept(f), 0);
	give(&next, "l", parts, v.n, ER_ERR_OK);
	er_kv_let_go(next.s, parts);
	parts = write_parts(f, v);
	assert_int_equal(swept(&next), 0);
	give(f, "m", parts, v.n, ER_ERR_OK);
	er_kv_let_go(f->s, parts);
	er_store_close(next.s);
	assert_int_equal(swept(f), 2);
}

static void another_process_that_writes_is_noticed(void **state)
{
	fixture *f = *state;
	int64_t before, after;
	assert_true(er_kv_foreign(f->s, &before, &f->err));
	put(f, "a", ER_LIT("1"));
	assert_true(er_kv_foreign(f->s, &after, &f->err));
	assert_int_equal(before, after);
	char *path = er_printf("%s/kv.db", f->dir);
	er_db *db = er_db_open_plain(path, NULL, &f->err);
	assert_non_null(db);
	assert_true(er_db_exec(db, "UPDATE kv SET expires_s = 7", &f->err));
	er_db_close(db);
	er_free(path);
	assert_true(er_kv_foreign(f->s, &after, &f->err));
	assert_int_not_equal(before, after);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(long_values_come_back_whole_at_every_length),
	    T(what_is_read_stays_until_it_is_let_go),
	    T(a_value_that_comes_in_parts_is_there_when_all_of_it_is),
	    T(what_a_process_left_unfinished_is_swept_by_the_next),
	    T(one_of_many_fails_by_itself),
	    T(a_namespace_has_no_more_than_its_limit),
	    T(what_expired_leaves_its_room_and_short_keys_take_some),
	    T(every_way_of_writing_is_told),
	    T(values_that_are_replaced_faster_than_the_sweep_is_have_a_bound_on_the_disk),
	    T(values_that_nobody_finishes_have_the_same_bound),
	    T(values_of_before_are_counted_when_they_are_left),
	    T(nobody_sweeps_while_two_processes_have_the_folder),
	    T(another_process_that_writes_is_noticed),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}
