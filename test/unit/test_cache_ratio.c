/* The memory store answers as many requests as S3-FIFO does that is written down plainly, and more
 * than LRU: on traces that are the same on every machine. */
#include "cache/index.h"

#include "cache_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { PROMISED = 64 };

/* A response of which the index believes that so many bytes will come: they cost what bytes do, and
 * need none. */
static er_stored *response(er_slice key, uint64_t hash, uint64_t size)
{
	er_content *c = er_content_new();
	er_fields none = {0};
	er_freshness fresh = {.lifetime = 100};
	er_stored *s = er_stored_new(key, hash, &none, 200, ER_LIT("OK"), &none, &none, &fresh, c, (int64_t)size, NULL);
	assert_non_null(s);
	er_content_unref(c);
	return s;
}

static er_slice key_of(char text[static 32], uint32_t id)
{
	return er_slice_of(text, (size_t)snprintf(text, 32, "a.example/objects/%010u", id));
}

static misses replay(const trace *t, uint64_t capacity)
{
	misses m = {0};
	er_index *ix = er_index_new(capacity);
	for (size_t i = 0; i < t->n; i++) {
		char text[32];
		er_arena a = {0};
		er_slice key = key_of(text, t->id[i]);
		uint64_t hash = er_index_hash(key), size = t->size[t->id[i]];
		er_stored *s = er_index_find(ix, key, hash, &(er_fields){0}, &a, 0).stored;
		if (s == NULL) {
			m.objects++;
			m.bytes += size;
			s = response(key, hash, size);
			(void)!er_index_put(ix, s, NULL);
		}
		er_stored_unref(s);
		er_arena_fini(&a);
	}
	assert_true(er_index_statistics(ix).bytes <= capacity);
	er_index_free(ix);
	return m;
}

static uint64_t head_cost(void)
{
	char text[32];
	er_slice key = key_of(text, 1);
	er_stored *s = response(key, er_index_hash(key), PROMISED);
	uint64_t cost = er_stored_cost(s) - PROMISED;
	er_stored_unref(s);
	return cost;
}

/* Within one percent of the requests, and of the bytes. */
static void assert_as_good(const trace_plan *p, double part)
{
	trace t = trace_make(p);
	uint64_t head = head_cost(), capacity = (uint64_t)((double)trace_bytes(&t, head) * part), bytes = 0;
	for (size_t i = 0; i < t.n; i++)
		bytes += t.size[t.id[i]];
	misses lru = model_lru(&t, capacity, head), fifo = model_s3fifo(&t, capacity, head, 1), ours = replay(&t, capacity);
	if (ours.objects > fifo.objects + t.n / 100 || ours.bytes > fifo.bytes + bytes / 100)
		fail_msg("%llu misses of %zu, S3-FIFO %llu", (unsigned long long)ours.objects, t.n, (unsigned long long)fifo.objects);
	assert_true(fifo.objects < lru.objects);
	assert_true(ours.objects < lru.objects);
	trace_fini(&t);
}

/* 400 MB and more of objects, a cache of a tenth: one shard, or a few. */
static const trace_plan plan = {.objects = 20000, .requests = 200000, .skew = 0.9, .seed = 7};

static void popular_objects_are_hit_as_often_as_they_should_be(void **state)
{
	(void)state;
	assert_as_good(&plan, 0.1);
	assert_as_good(&plan, 0.01);
}

static void a_scan_takes_nobodys_place(void **state)
{
	(void)state;
	trace_plan p = plan;
	p.scan_every = 5000;
	p.scan = 1500;
	assert_as_good(&p, 0.1);
}

static void what_becomes_popular_finds_its_place(void **state)
{
	(void)state;
	trace_plan p = plan;
	p.drift = 60;
	assert_as_good(&p, 0.1);
}

static void several_shards_are_as_good_as_one(void **state)
{
	(void)state;
	trace_plan p = plan;
	p.size = 256 * 1024; /* 520 MB in a cache of that tenth: 16 shards */
	assert_as_good(&p, 0.1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(popular_objects_are_hit_as_often_as_they_should_be),
	    cmocka_unit_test(a_scan_takes_nobodys_place),
	    cmocka_unit_test(what_becomes_popular_finds_its_place),
	    cmocka_unit_test(several_shards_are_as_good_as_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
