/* Counters of what routines do with the KV. The picture is that of gateway/metrics.c: a list whose
 * head is set by one atomic store, records that are never taken out, and words that one thread
 * writes with relaxed stores. */
#include "data/kv_stats.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

static const uint64_t bounds[ER_KV_BUCKETS] = {50, 100, 250, 1000, 2500, 10000, 50000, 250000, 1000000, 5000000};

void er_kv_counts_init(er_kv_counts *c)
{
	*c = (er_kv_counts){.by_name = er_map_new()};
	c->first = &c->rest;
}

void er_kv_counts_fini(er_kv_counts *c)
{
	for (er_kv_stats *s = c->first, *next; s != NULL; s = next) {
		next = s->next;
		if (s == &c->rest)
			continue;
		er_free((void *)(uintptr_t)s->routine.p);
		er_free((void *)(uintptr_t)s->name.p);
		er_free(s);
	}
	c->first = NULL;
	er_map_free(c->by_name);
	c->by_name = NULL;
}

const uint64_t *er_kv_bounds(void)
{
	return bounds;
}

er_slice er_kv_stats_key(uint8_t out[static ER_KV_STATS_KEY], uint64_t environment, er_slice routine, er_slice name)
{
	size_t n = 1;
	ER_ASSERT(routine.n + name.n + 2 <= ER_KV_STATS_KEY);
	out[0] = (uint8_t)environment;
	er_copy(out + n, routine.p, routine.n);
	n += routine.n;
	out[n++] = '/';
	er_copy(out + n, name.p, name.n);
	return er_slice_of(out, n + name.n);
}

static er_kv_stats *stats_of(er_kv_counts *c, const er_data_ask *who, er_slice name)
{
	uint8_t text[ER_KV_STATS_KEY];
	if (who->routine.n + name.n + 2 > sizeof text)
		return &c->rest;
	er_slice key = er_kv_stats_key(text, who->environment, who->routine, name);
	er_kv_stats *s = er_map_get(c->by_name, key);
	if (s != NULL)
		return s;
	if (c->n == ER_KV_STATS_MOST)
		return &c->rest;
	s = ER_NEW(er_kv_stats);
	*s = (er_kv_stats){.next = c->first,
	                   .routine = er_slice_of(er_strdup_slice(who->routine), who->routine.n),
	                   .name = er_slice_of(er_strdup_slice(name), name.n),
	                   .environment = who->environment};
	c->n++;
	er_map_set(c->by_name, key, s);
	__atomic_store_n(&c->first, s, __ATOMIC_RELEASE);
	return s;
}

static void add(uint64_t *word, uint64_t n)
{
	__atomic_store_n(word, *word + n, __ATOMIC_RELAXED);
}

static bool writes(er_kv_method method)
{
	return method == ER_KV_METHOD_PUT || method == ER_KV_METHOD_DELETE;
}

void er_kv_counts_ask(er_kv_counts *c, er_exchange *x, er_slice name, er_kv_method method)
{
	ER_ASSERT(method < ER_KV_METHODS_N && x->data.counts == NULL);
	x->data.counts = stats_of(c, &x->data, name);
	x->data.method = (uint8_t)method;
	if (x->facts.started_us == 0)
		x->facts.started_us = er_clock_mono_us();
	if (x->parent == NULL)
		return;
	/* In whose account it is now: a question that is given up was asked as well. */
	if (writes(method))
		x->parent->facts.kv_writes++;
	else
		x->parent->facts.kv_reads++;
}

static void observe(er_kv_stats *s, er_kv_method method, uint64_t us)
{
	unsigned i = 0;
	while (i < ER_KV_BUCKETS && us > bounds[i])
		i++;
	add(&s->wall[method][i], 1);
	add(&s->wall_us[method], us);
}

void er_kv_counts_end(const er_exchange *x, er_kv_result result)
{
	er_kv_stats *s = x->data.counts;
	ER_ASSERT(result < ER_KV_RESULTS_N && x->data.method < ER_KV_METHODS_N);
	if (s == NULL)
		return;
	add(&s->results[x->data.method][result], 1);
	observe(s, (er_kv_method)x->data.method, er_clock_mono_us() - x->facts.started_us);
}

void er_kv_counts_key(er_kv_stats *s, bool in_memory)
{
	if (s != NULL)
		add(in_memory ? &s->memory : &s->disk, 1);
}

void er_kv_counts_read(er_kv_stats *s, uint64_t bytes)
{
	if (s != NULL)
		add(&s->read_bytes, bytes);
}

void er_kv_counts_written(er_kv_stats *s, uint64_t bytes)
{
	if (s != NULL)
		add(&s->written_bytes, bytes);
}
