/* Tallies: figures of one deployment on one thread, in memory that is used again for the next
 * deployment. The writer marks the change: `deployment` is 0 while it sets everything back. A
 * reader takes figures only between two looks at `deployment` that both show the one it wants, and
 * throws them away otherwise; so there is no lock, and a sum is never of two deployments. */
#include "gateway/tally.h"

#include "base/mem.h"

static_assert(ER_TALLY_BUCKETS % 8 == 0, "whole doublings");
enum { UNIT_SHIFT = 3, LINEAR = 8 }; /* units of 8 us; the first eight buckets are one unit wide */

static unsigned bucket_of(uint64_t us)
{
	uint64_t v = us >> UNIT_SHIFT;
	if (v < LINEAR)
		return (unsigned)v;
	unsigned octave = 63 - (unsigned)__builtin_clzll(v); /* of the highest bit: 3 and up */
	ER_ASSERT(octave >= 3);
	unsigned i = (octave - 2) * LINEAR + (unsigned)(v >> (octave - 3) & (LINEAR - 1));
	return i < ER_TALLY_BUCKETS ? i : ER_TALLY_BUCKETS - 1;
}

/* The least time that is above the bucket. */
static uint64_t end_of(unsigned i)
{
	if (i < LINEAR)
		return (uint64_t)(i + 1) << UNIT_SHIFT;
	unsigned octave = i / LINEAR + 2;
	return (uint64_t)(LINEAR + i % LINEAR + 1) << (octave - 3) << UNIT_SHIFT;
}

/* A reader that sees any figure of a deployment sees, when it looks at `deployment` again, that it
 * began: every figure is released after that and acquired before it looks. */
static void put(uint64_t *word, uint64_t v)
{
	__atomic_store_n(word, v, __ATOMIC_RELEASE);
}

static void put32(uint32_t *word, uint32_t v)
{
	__atomic_store_n(word, v, __ATOMIC_RELEASE);
}

static void begin(er_tally *t, const er_deployment *d)
{
	put(&t->deployment, 0);
	for (unsigned i = 0; i < ER_STORE_SPLIT; i++) {
		er_tally_version *v = t->version[i];
		if (v == NULL)
			continue;
		put32(&v->number, d->number[i]);
		put(&v->requests, 0);
		put32(&v->failures, 0);
		for (unsigned k = 0; k < ER_TALLY_BUCKETS; k++)
			put32(&v->wall[k], 0);
	}
	put(&t->deployment, d->id);
}

void er_tally_count(er_tally *t, const er_deployment *d, const er_routine *version, uint64_t wall_us, bool failed)
{
	if (t->deployment < d->id)
		begin(t, d);
	else if (t->deployment != d->id)
		return;
	ER_ASSERT(d->id != 0 && t->deployment == d->id && (version == d->version[0] || version == d->version[1]));
	unsigned i = version != d->version[0];
	if (t->version[i] == NULL) {
		er_tally_version *fresh = ER_NEW(er_tally_version);
		fresh->number = d->number[i];
		__atomic_store_n(&t->version[i], fresh, __ATOMIC_RELEASE);
	}
	er_tally_version *v = t->version[i];
	uint32_t *bucket = &v->wall[bucket_of(wall_us)];
	put(&v->requests, v->requests + 1);
	put32(&v->failures, v->failures + failed);
	put32(bucket, *bucket + 1);
}

void er_tally_add(er_tally_sum sum[ER_STORE_SPLIT], const er_tally *t, uint64_t deployment)
{
	er_tally_sum before[ER_STORE_SPLIT];
	if (t == NULL || __atomic_load_n(&t->deployment, __ATOMIC_ACQUIRE) != deployment)
		return;
	er_copy(before, sum, sizeof before);
	for (unsigned i = 0; i < ER_STORE_SPLIT; i++) {
		const er_tally_version *v = __atomic_load_n(&t->version[i], __ATOMIC_ACQUIRE);
		if (v == NULL)
			continue;
		sum[i].requests += __atomic_load_n(&v->requests, __ATOMIC_ACQUIRE);
		sum[i].failures += __atomic_load_n(&v->failures, __ATOMIC_ACQUIRE);
		for (unsigned k = 0; k < ER_TALLY_BUCKETS; k++)
			sum[i].wall[k] += __atomic_load_n(&v->wall[k], __ATOMIC_ACQUIRE);
	}
	/* It began anew while we read. */
	if (__atomic_load_n(&t->deployment, __ATOMIC_ACQUIRE) != deployment)
		er_copy(sum, before, sizeof before);
}

void er_tally_free(er_tally *t)
{
	for (unsigned i = 0; t != NULL && i < ER_STORE_SPLIT; i++)
		er_free(t->version[i]);
	er_free(t);
}

uint64_t er_tally_percentile(const er_tally_sum *s, unsigned percent)
{
	uint64_t total = 0, below = 0;
	ER_ASSERT(percent <= 100);
	for (unsigned i = 0; i < ER_TALLY_BUCKETS; i++)
		total += s->wall[i];
	for (unsigned i = 0; i < ER_TALLY_BUCKETS; i++) {
		below += s->wall[i];
		if (below > 0 && below * 100 >= total * percent)
			return end_of(i);
	}
	return 0;
}
