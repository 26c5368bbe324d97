/* Values of the KV in memory: what is kept, what goes, and that a reader who was overtaken by a
 * writer leaves nothing behind. */
#include "data/hot.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static er_hot_value value_of(const char *text)
{
	return (er_hot_value){.found = true, .value = er_piece_copy(er_slice_cstr(text))};
}

static void keep(er_hot *h, int64_t ns, const char *key, const char *text)
{
	er_hot_value v = value_of(text);
	er_hot_put(h, ns, er_slice_cstr(key), er_hot_mark(h, ns, er_slice_cstr(key)), &v);
	er_hot_value_drop(&v);
}

static bool is(er_hot *h, int64_t ns, const char *key, const char *text)
{
	er_hot_value v;
	if (!er_hot_get(h, ns, er_slice_cstr(key), &v))
		return false;
	bool same = er_slice_eq(er_piece_slice(v.value), er_slice_cstr(text));
	er_hot_value_drop(&v);
	return same;
}

static void a_value_is_kept_by_namespace_and_key(void **state)
{
	(void)state;
	er_hot *h = er_hot_new(1 << 20);
	assert_true(er_hot_empty(h));
	keep(h, 1, "k", "one");
	keep(h, 2, "k", "two");
	assert_true(is(h, 1, "k", "one") && is(h, 2, "k", "two"));
	er_hot_value v, none = {.found = false};
	assert_false(er_hot_get(h, 3, ER_LIT("k"), &v));
	/* that there is none is worth knowing */
	er_hot_put(h, 3, ER_LIT("k"), er_hot_mark(h, 3, ER_LIT("k")), &none);
	assert_true(er_hot_get(h, 3, ER_LIT("k"), &v) && !v.found);
	er_hot_changed(h, 1, ER_LIT("k"));
	assert_false(er_hot_get(h, 1, ER_LIT("k"), &v));
	assert_true(is(h, 2, "k", "two"));
	er_hot_changed(h, 0, (er_slice){0});
	assert_true(er_hot_empty(h));
	er_hot_free(h);
}

static void who_read_before_a_write_leaves_nothing(void **state)
{
	(void)state;
	er_hot *h = er_hot_new(1 << 20);
	er_hot_value old = value_of("old"), v;
	uint64_t mark = er_hot_mark(h, 1, ER_LIT("k"));
	er_hot_changed(h, 1, ER_LIT("k"));
	er_hot_put(h, 1, ER_LIT("k"), mark, &old);
	assert_false(er_hot_get(h, 1, ER_LIT("k"), &v));
	mark = er_hot_mark(h, 1, ER_LIT("k"));
	er_hot_changed(h, 0, (er_slice){0});
	er_hot_put(h, 1, ER_LIT("k"), mark, &old);
	assert_false(er_hot_get(h, 1, ER_LIT("k"), &v));
	er_hot_value_drop(&old);
	er_hot_free(h);
}

static void it_never_has_more_than_its_bytes(void **state)
{
	(void)state;
	enum { BYTES = 256 << 10, N = 2000, SIZE = 1000 };
	er_hot *h = er_hot_new(BYTES);
	char key[32], text[SIZE + 1];
	memset(text, 'x', SIZE);
	text[SIZE] = 0;
	unsigned there = 0;
	for (int i = 0; i < N; i++) {
		snprintf(key, sizeof key, "%d", i);
		keep(h, 1, key, text);
		assert_true(is(h, 1, key, text));
	}
	for (int i = 0; i < N; i++) {
		snprintf(key, sizeof key, "%d", i);
		there += is(h, 1, key, text);
	}
	assert_true(there > 0 && there * SIZE < BYTES);
	er_chunk *c = er_chunk_new(BYTES);
	memset(c->bytes, 'y', BYTES);
	er_hot_value big = {.found = true, .value = er_piece_take(c, BYTES)}, v;
	er_hot_put(h, 1, ER_LIT("big"), er_hot_mark(h, 1, ER_LIT("big")), &big);
	assert_false(er_hot_get(h, 1, ER_LIT("big"), &v));
	er_hot_value_drop(&big);
	er_hot_free(h);
	h = er_hot_new(0); /* nothing is kept */
	keep(h, 1, "k", "v");
	assert_true(er_hot_empty(h));
	er_hot_free(h);
}

/* ---- threads: one writes a growing number, others read it and keep it ---- */

typedef struct race {
	er_hot *h;
	uint64_t stored, answered; /* atomic: what the store has, and what its writer was told */
	bool stop;
	unsigned stale;
} race;

static void *reads(void *arg)
{
	race *r = arg;
	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		uint64_t least = __atomic_load_n(&r->answered, __ATOMIC_ACQUIRE), got;
		er_hot_value v;
		if (er_hot_get(r->h, 1, ER_LIT("k"), &v)) {
			memcpy(&got, v.value.p, sizeof got);
			er_hot_value_drop(&v);
			if (got < least)
				__atomic_add_fetch(&r->stale, 1, __ATOMIC_RELAXED);
			continue;
		}
		uint64_t mark = er_hot_mark(r->h, 1, ER_LIT("k"));
		got = __atomic_load_n(&r->stored, __ATOMIC_ACQUIRE);
		v = (er_hot_value){.found = true, .value = er_piece_copy(er_slice_of(&got, sizeof got))};
		er_hot_put(r->h, 1, ER_LIT("k"), mark, &v);
		er_hot_value_drop(&v);
	}
	return NULL;
}

static void no_reader_gets_what_an_answered_write_replaced(void **state)
{
	(void)state;
	race r = {.h = er_hot_new(1 << 20)};
	pthread_t t[3];
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, reads, &r), 0);
	for (uint64_t i = 1; i < 200000; i++) {
		__atomic_store_n(&r.stored, i, __ATOMIC_RELEASE);
		er_hot_changed(r.h, 1, ER_LIT("k"));
		__atomic_store_n(&r.answered, i, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(r.stale, 0);
	er_hot_free(r.h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_value_is_kept_by_namespace_and_key),
	    cmocka_unit_test(who_read_before_a_write_leaves_nothing),
	    cmocka_unit_test(it_never_has_more_than_its_bytes),
	    cmocka_unit_test(no_reader_gets_what_an_answered_write_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
