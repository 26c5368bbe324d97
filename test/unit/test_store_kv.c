/* KV: keys in order, values until they expire, last writer wins, readers that wait for nobody. */
#include "kv_fixture.h"

#include "base/clock.h"

#include <pthread.h>
#include <sqlite3.h>

static void put(fixture *f, const char *ns, er_kv_entry e)
{
	if (!er_kv_put(f->s, er_slice_cstr(ns), &e, 1, &f->err))
		fail_msg("put: %s", f->err.text);
}

static bool get(fixture *f, const char *ns, er_slice key, er_kv_entry *e)
{
	bool found;
	if (!er_kv_get(f->s, &f->a, er_slice_cstr(ns), key, e, &found, &f->err))
		fail_msg("get: %s", f->err.text);
	return found;
}

static int64_t in_seconds(int64_t s)
{
	return (int64_t)(er_clock_wall_us() / 1000000) + s;
}

static void what_was_put_is_there(void **state)
{
	fixture *f = *state;
	er_kv_entry e, in = {.key = er_slice_of("a\0\xff", 3),
	                     .value = er_slice_of("v\0", 2),
	                     .metadata = ER_LIT("{\"m\":1}"),
	                     .expires_s = in_seconds(100)};
	assert_false(get(f, "ns", in.key, &e));
	put(f, "ns", in);
	assert_true(get(f, "ns", in.key, &e));
	assert_true(er_slice_eq(e.value, in.value));
	assert_true(er_slice_eq(e.metadata, in.metadata));
	assert_int_equal(e.expires_s, in.expires_s);
	assert_int_equal(e.sequence, 1);
	put(f, "ns", (er_kv_entry){.key = in.key});
	assert_true(get(f, "ns", in.key, &e));
	assert_int_equal(e.value.n, 0);
	assert_int_equal(e.metadata.n, 0);
	assert_int_equal(e.expires_s, 0);
	assert_int_equal(e.sequence, 2);
	bool existed;
	assert_true(er_kv_delete(f->s, ER_LIT("ns"), in.key, &existed, &f->err));
	assert_true(existed);
	assert_true(er_kv_delete(f->s, ER_LIT("ns"), in.key, &existed, &f->err));
	assert_false(existed);
	assert_false(get(f, "ns", in.key, &e));
	/* Numbers are not given again after a delete. */
	put(f, "ns", in);
	assert_true(get(f, "ns", in.key, &e));
	assert_int_equal(e.sequence, 3);
}

static void bounds_are_said(void **state)
{
	fixture *f = *state;
	er_buf long_one;
	er_buf_init(&long_one);
	size_t n = ER_KV_VALUE_MAX + 1;
	memset(er_buf_reserve(&long_one, n), 'x', n);
	er_buf_wrote(&long_one, n);
	er_kv_entry e[] = {{.key = ER_LIT("good"), .value = ER_LIT("x")}, {.key = ER_LIT("k"), .value = er_buf_slice(&long_one)}};
	assert_false(er_kv_put(f->s, ER_LIT("ns"), e, 2, &f->err));
	assert_int_equal(f->err.kind, ER_ERR_TOO_LARGE);
	assert_false(get(f, "ns", ER_LIT("good"), &e[0])); /* all or none */
	e[1].value = er_slice_head(e[1].value, ER_KV_VALUE_MAX);
	put(f, "ns", e[1]);
	er_kv_entry bad[] = {{.key = er_slice_head(er_buf_slice(&long_one), ER_KV_KEY_MAX + 1)},
	                     {.key = ER_LIT("k"), .metadata = er_slice_head(er_buf_slice(&long_one), ER_KV_METADATA_MAX + 1)},
	                     {.key = (er_slice){0}},
	                     {.key = ER_LIT("k"), .expires_s = -1}};
	for (size_t i = 0; i < 4; i++)
		assert_false(er_kv_put(f->s, ER_LIT("ns"), &bad[i], 1, &f->err));
	assert_false(er_kv_put(f->s, ER_LIT("nobody"), e, 1, &f->err));
	assert_int_equal(f->err.kind, ER_ERR_NO_ROUTE);
	assert_non_null(strstr(f->err.text, "nobody"));
	put(f, "ns", (er_kv_entry){.key = er_slice_head(er_buf_slice(&long_one), ER_KV_KEY_MAX)});
	er_buf_fini(&long_one);
}

static void the_higher_sequence_wins(void **state)
{
	fixture *f = *state;
	er_kv_entry e, late = {.key = ER_LIT("k"), .value = ER_LIT("late"), .sequence = 100};
	put(f, "ns", late);
	put(f, "ns", (er_kv_entry){.key = ER_LIT("k"), .value = ER_LIT("early"), .sequence = 50});
	assert_true(get(f, "ns", ER_LIT("k"), &e));
	assert_true(er_slice_eq(e.value, ER_LIT("late")));
	/* One of this node's own comes after all it has seen. */
	put(f, "ns", (er_kv_entry){.key = ER_LIT("k"), .value = ER_LIT("own")});
	assert_true(get(f, "ns", ER_LIT("k"), &e));
	assert_true(er_slice_eq(e.value, ER_LIT("own")));
	assert_int_equal(e.sequence, 101);
}

static void list_is(fixture *f, er_slice prefix, er_slice after, unsigned most, const char *should, bool should_more)
{
	er_kv_entry *e;
	size_t n;
	bool more;
	er_buf got;
	er_buf_init(&got);
	assert_true(er_kv_list(f->s, &f->a, ER_LIT("ns"), prefix, after, most, &e, &n, &more, &f->err));
	for (size_t i = 0; i < n; i++)
		er_buf_printf(&got, "%.*s ", ER_FMT(e[i].key));
	if (!er_slice_eq(er_buf_slice(&got), er_slice_cstr(should)) || more != should_more)
		fail_msg("[%.*s] %d instead of [%s] %d", ER_FMT(er_buf_slice(&got)), more, should, should_more);
	er_buf_fini(&got);
}

static void lists_are_ordered_and_paged(void **state)
{
	fixture *f = *state;
	for (const char *const *k = (const char *const[]){"b/2", "a", "b/10", "b", "c", "b/1", "B", "b\xff", NULL}; *k; k++)
		put(f, "ns", (er_kv_entry){.key = er_slice_cstr(*k), .value = ER_LIT("x")});
	put(f, "ns", (er_kv_entry){.key = ER_LIT("b/0"), .expires_s = in_seconds(-1)});
	list_is(f, (er_slice){0}, (er_slice){0}, 100, "B a b b/1 b/10 b/2 b\xff c ", false);
	list_is(f, ER_LIT("b/"), (er_slice){0}, 2, "b/1 b/10 ", true);
	list_is(f, ER_LIT("b/"), ER_LIT("b/10"), 2, "b/2 ", false);
	list_is(f, ER_LIT("b/"), ER_LIT("b/10"), 1, "b/2 ", false);
	list_is(f, ER_LIT("b/"), ER_LIT("a"), 9, "b/1 b/10 b/2 ", false);
	list_is(f, ER_LIT("b/"), ER_LIT("b"), 9, "b/1 b/10 b/2 ", false);
	list_is(f, ER_LIT("b/"), ER_LIT("c"), 9, "", false);
	list_is(f, ER_LIT("b\xff"), (er_slice){0}, 9, "b\xff ", false);
	list_is(f, ER_LIT("b"), ER_LIT("b"), 9, "b/1 b/10 b/2 b\xff ", false);
	list_is(f, (er_slice){0}, ER_LIT("b\xff"), 9, "c ", false);
	list_is(f, ER_LIT("x"), (er_slice){0}, 9, "", false);
	list_is(f, (er_slice){0}, (er_slice){0}, 0, "", true);
}

static void what_expired_is_gone_and_swept(void **state)
{
	fixture *f = *state;
	er_kv_entry e;
	unsigned removed;
	char key[32];
	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof key, "old%d", i);
		put(f, "ns", (er_kv_entry){.key = er_slice_cstr(key), .value = ER_LIT("x"), .expires_s = 1000});
	}
	put(f, "ns", (er_kv_entry){.key = ER_LIT("new"), .value = ER_LIT("x"), .expires_s = in_seconds(100)});
	assert_false(get(f, "ns", ER_LIT("old3"), &e));
	bool existed;
	assert_true(er_kv_delete(f->s, ER_LIT("ns"), ER_LIT("old3"), &existed, &f->err));
	assert_false(existed);
	assert_true(er_kv_sweep(f->s, 4, &removed, &f->err));
	assert_int_equal(removed, 4);
	assert_true(er_kv_sweep(f->s, 100, &removed, &f->err));
	assert_int_equal(removed, 5);
	assert_true(er_kv_sweep(f->s, 100, &removed, &f->err));
	assert_int_equal(removed, 0);
	assert_true(get(f, "ns", ER_LIT("new"), &e));
}

static void tally_is(fixture *f, const char *ns, uint64_t keys, uint64_t bytes)
{
	er_kv_namespace_row *rows;
	size_t n;
	assert_true(er_kv_namespaces(f->s, &f->a, &rows, &n, &f->err));
	for (size_t i = 0; i < n; i++) {
		if (!er_slice_eq(rows[i].name, er_slice_cstr(ns)))
			continue;
		assert_int_equal(rows[i].keys, keys);
		assert_int_equal(rows[i].bytes, bytes);
		return;
	}
	fail_msg("no namespace %s", ns);
}

static void a_deleted_namespace_does_not_come_back(void **state)
{
	fixture *f = *state;
	er_kv_entry e;
	unsigned removed;
	put(f, "ns", (er_kv_entry){.key = ER_LIT("k"), .value = ER_LIT("secret")});
	put(f, "ns", (er_kv_entry){.key = ER_LIT("l"), .value = ER_LIT("x")});
	put(f, "ns", (er_kv_entry){.key = ER_LIT("l"), .value = ER_LIT("xyz")});
	tally_is(f, "ns", 2, 11);
	apply(f->s, change_named(ER_CHANGE_NAMESPACE_DELETE, "", "ns", ""));
	apply_refused(f->s, change_named(ER_CHANGE_NAMESPACE_DELETE, "", "ns", ""), ER_ERR_NO_ROUTE, "no KV namespace");
	bool found;
	assert_false(er_kv_get(f->s, &f->a, ER_LIT("ns"), ER_LIT("k"), &e, &found, &f->err));
	apply(f->s, change_named(ER_CHANGE_NAMESPACE_ADD, "", "ns", ""));
	assert_false(get(f, "ns", ER_LIT("k"), &e));
	tally_is(f, "ns", 0, 0);
	put(f, "ns", (er_kv_entry){.key = ER_LIT("k"), .value = ER_LIT("new")});
	assert_true(er_kv_sweep(f->s, 1, &removed, &f->err));
	assert_int_equal(removed, 1);
	assert_true(er_kv_sweep(f->s, 100, &removed, &f->err));
	assert_int_equal(removed, 1);
	assert_true(get(f, "ns", ER_LIT("k"), &e));
	tally_is(f, "ns", 1, 4);
	er_store_close(f->s);
	f->s = harness_open_dir(f->dir);
	assert_true(get(f, "ns", ER_LIT("k"), &e));
}

/* ---- threads ---- */

typedef struct worker {
	fixture *f;
	int number;
	bool stop;
	unsigned done;
} worker;

static void *reads(void *arg)
{
	worker *w = arg;
	er_arena a;
	er_arena_init(&a);
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		er_kv_entry x, y;
		er_err err = {0};
		bool found;
		er_piece env;
		if (!er_kv_get(w->f->s, &a, ER_LIT("ns"), ER_LIT("x"), &x, &found, &err) || !found)
			er_panic(__FILE__, __LINE__, err.text);
		if (!er_kv_get(w->f->s, &a, ER_LIT("ns"), ER_LIT("y"), &y, &found, &err) || !found)
			er_panic(__FILE__, __LINE__, err.text);
		if (y.sequence < x.sequence) /* written together, read one after the other */
			er_panic(__FILE__, __LINE__, "an older state than before");
		if (!er_store_env(w->f->s, ER_LIT("shop"), ER_ENV_PRODUCTION, &env, &err))
			er_panic(__FILE__, __LINE__, err.text);
		er_piece_drop(&env);
		er_arena_reset(&a);
		w->done++;
	}
	er_arena_fini(&a);
	return NULL;
}

static void *writes(void *arg)
{
	worker *w = arg;
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		er_err err = {0};
		er_kv_entry both[] = {{.key = ER_LIT("x"), .value = ER_LIT("1")}, {.key = ER_LIT("y"), .value = ER_LIT("1")}};
		if (!er_kv_put(w->f->s, ER_LIT("ns"), both, 2, &err))
			er_panic(__FILE__, __LINE__, err.text);
		w->done++;
	}
	return NULL;
}

static void threads_read_and_write_while_deploys_go_on(void **state)
{
	fixture *f = *state;
	enum { N = 6 };
	worker w[N];
	pthread_t t[N];
	apply(f->s, change_version("shop", "x"));
	apply(f->s, change_named(ER_CHANGE_SECRET_SET, "shop", "S", "x"));
	er_kv_entry both[] = {{.key = ER_LIT("x"), .value = ER_LIT("0")}, {.key = ER_LIT("y"), .value = ER_LIT("0")}};
	assert_true(er_kv_put(f->s, ER_LIT("ns"), both, 2, &f->err));
	for (int i = 0; i < N; i++) {
		w[i] = (worker){.f = f, .number = i};
		assert_int_equal(pthread_create(&t[i], NULL, i < 4 ? reads : writes, &w[i]), 0);
	}
	uint64_t end = er_clock_mono_us() + 700000;
	char value[32];
	for (unsigned i = 0; er_clock_mono_us() < end; i++) {
		unsigned removed;
		snprintf(value, sizeof value, "%u", i);
		apply(f->s, change_named(ER_CHANGE_VAR_SET, "shop", "V", value));
		apply(f->s, change_named(i % 2 ? ER_CHANGE_NAMESPACE_DELETE : ER_CHANGE_NAMESPACE_ADD, "", "other", ""));
		assert_true(er_kv_sweep(f->s, 10, &removed, &f->err));
	}
	for (int i = 0; i < N; i++)
		__atomic_store_n(&w[i].stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < N; i++) {
		pthread_join(t[i], NULL);
		assert_true(w[i].done > 0);
	}
}

/* Another writer holds both databases: every reading function still answers, at once. */
static void readers_do_not_wait_for_a_writer(void **state)
{
	fixture *f = *state;
	sqlite3 *held[2];
	er_kv_entry e, *all;
	er_piece env;
	size_t n;
	bool more;
	apply(f->s, change_version("shop", "x"));
	put(f, "ns", (er_kv_entry){.key = ER_LIT("k"), .value = ER_LIT("x")});
	for (int i = 0; i < 2; i++) {
		char *path = er_printf("%s/%s.db", f->dir, i ? "kv" : "control");
		assert_int_equal(sqlite3_open(path, &held[i]), SQLITE_OK);
		assert_int_equal(sqlite3_exec(held[i], "BEGIN IMMEDIATE; CREATE TABLE other(a);", NULL, NULL, NULL), SQLITE_OK);
		er_free(path);
	}
	uint64_t before = er_clock_mono_us();
	assert_true(get(f, "ns", ER_LIT("k"), &e));
	assert_true(er_kv_list(f->s, &f->a, ER_LIT("ns"), (er_slice){0}, (er_slice){0}, 10, &all, &n, &more, &f->err));
	assert_true(er_store_env(f->s, ER_LIT("shop"), ER_ENV_PRODUCTION, &env, &f->err));
	er_piece_drop(&env);
	assert_true(er_clock_mono_us() - before < 1000000);
	for (int i = 0; i < 2; i++)
		sqlite3_close(held[i]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(what_was_put_is_there),
	    T(bounds_are_said),
	    T(the_higher_sequence_wins),
	    T(lists_are_ordered_and_paged),
	    T(what_expired_is_gone_and_swept),
	    T(a_deleted_namespace_does_not_come_back),
	    T(threads_read_and_write_while_deploys_go_on),
	    T(readers_do_not_wait_for_a_writer),
	};
	return cmocka_run_group_tests_name("store kv", tests, NULL, NULL);
}
