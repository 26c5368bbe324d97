/* What the memory store is held against: traces of requests, and caches that answer them as they
 * are described, with nothing beside: LRU, and S3-FIFO as its paper has it (Yang and others, SOSP
 * 2023). Used by a unit test and by test/tools/cache_trace.c. */
#ifndef TEST_CACHE_MODEL_H
#define TEST_CACHE_MODEL_H

#include "base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* ---- traces ---- */

/* Objects are numbered from 0. */
typedef struct trace {
	uint32_t *id; /* of each request */
	size_t n, cap;
	uint64_t *size; /* of each object: bytes of its body */
	uint32_t objects, objects_cap;
} trace;

static inline void trace_add(trace *t, uint32_t id)
{
	if (t->n == t->cap) {
		t->cap = t->cap * 2 + 1024;
		t->id = er_realloc(t->id, t->cap * sizeof *t->id);
	}
	t->id[t->n++] = id;
}

static inline uint32_t trace_object(trace *t, uint64_t size)
{
	if (t->objects == t->objects_cap) {
		t->objects_cap = t->objects_cap * 2 + 1024;
		t->size = er_realloc(t->size, t->objects_cap * sizeof *t->size);
	}
	t->size[t->objects] = size;
	return t->objects++;
}

static inline void trace_fini(trace *t)
{
	er_free(t->id);
	er_free(t->size);
	*t = (trace){0};
}

/* splitmix64: the same numbers everywhere. */
static inline uint64_t model_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline double model_unit(uint64_t *state)
{
	return ((double)(model_random(state) >> 11) + 0.5) / (double)(1ULL << 53);
}

typedef struct trace_plan {
	uint32_t objects;  /* that have a popularity */
	size_t requests;   /* in all */
	double skew;       /* the r-th most popular one is asked for 1/r^skew as often as the first */
	size_t scan_every; /* requests between two scans; 0: none */
	size_t scan;       /* objects of a scan, each asked for once and never again */
	size_t drift;      /* requests between two changes of popularity; 0: none */
	uint64_t size;     /* of each object; 0: by chance, half of them below 8 KiB, up to 1 MiB */
	uint64_t seed;
} trace_plan;

static inline uint64_t plan_size(const trace_plan *p, uint64_t *random)
{
	if (p->size > 0)
		return p->size;
	/* log-normal, from two uniform numbers (Box and Muller) */
	double u = model_unit(random), v = model_unit(random), z = sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
	double size = 8192 * exp(1.3 * z);
	return size < 100 ? 100 : size > 1048576 ? 1048576 : (uint64_t)size;
}

/* With drift, at each change a random one of the more popular tenth gives its place to an object
 * that was never asked for. */
static inline trace trace_make(const trace_plan *p)
{
	trace t = {0};
	uint64_t random = p->seed;
	double *upto = er_alloc(p->objects * sizeof *upto), sum = 0;
	uint32_t *at_rank = er_alloc(p->objects * sizeof *at_rank);
	for (uint32_t r = 0; r < p->objects; r++) {
		upto[r] = sum += 1 / pow(r + 1, p->skew);
		at_rank[r] = trace_object(&t, plan_size(p, &random));
	}
	/* Sizes say nothing of popularity, nor do numbers. */
	for (uint32_t r = p->objects; r > 1; r--) {
		uint32_t other = (uint32_t)(model_random(&random) % r), swap = at_rank[r - 1];
		at_rank[r - 1] = at_rank[other];
		at_rank[other] = swap;
	}
	for (size_t i = 0; t.n < p->requests; i++) {
		if (p->scan_every > 0 && i % p->scan_every == p->scan_every - 1)
			for (size_t s = 0; s < p->scan && t.n < p->requests; s++)
				trace_add(&t, trace_object(&t, plan_size(p, &random)));
		if (p->drift > 0 && i % p->drift == p->drift - 1)
			at_rank[model_random(&random) % (p->objects / 10 + 1)] = trace_object(&t, plan_size(p, &random));
		double want = model_unit(&random) * sum;
		uint32_t low = 0, high = p->objects - 1;
		while (low < high) {
			uint32_t mid = low + (high - low) / 2;
			if (upto[mid] < want)
				low = mid + 1;
			else
				high = mid;
		}
		trace_add(&t, at_rank[low]);
	}
	er_free(upto);
	er_free(at_rank);
	return t;
}

/* What all objects cost that are asked for; an object costs its size and `head`. */
static inline uint64_t trace_bytes(const trace *t, uint64_t head)
{
	bool *seen = er_zalloc(t->objects);
	uint64_t bytes = 0;
	for (size_t i = 0; i < t->n; i++) {
		if (!seen[t->id[i]])
			bytes += t->size[t->id[i]] + head;
		seen[t->id[i]] = true;
	}
	er_free(seen);
	return bytes;
}

typedef struct misses {
	uint64_t objects, bytes; /* requests that the cache could not answer */
} misses;

/* ---- queues of objects ---- */

enum { MODEL_NONE = UINT32_MAX };

/* By number, oldest first. An object is in one queue at most of those that share `links`. */
typedef struct model_links {
	uint32_t *next, *prev;
} model_links;

typedef struct model_queue {
	model_links *links;
	uint32_t first, last, n;
	uint64_t bytes;
} model_queue;

static inline model_links model_links_new(uint32_t objects)
{
	return (model_links){er_alloc(objects * sizeof(uint32_t)), er_alloc(objects * sizeof(uint32_t))};
}

static inline void model_links_free(model_links *l)
{
	er_free(l->next);
	er_free(l->prev);
}

static inline void model_push(model_queue *q, uint32_t id, uint64_t cost)
{
	q->links->prev[id] = q->last;
	q->links->next[id] = MODEL_NONE;
	*(q->last != MODEL_NONE ? &q->links->next[q->last] : &q->first) = id;
	q->last = id;
	q->n++;
	q->bytes += cost;
}

static inline void model_take(model_queue *q, uint32_t id, uint64_t cost)
{
	uint32_t next = q->links->next[id], prev = q->links->prev[id];
	*(prev != MODEL_NONE ? &q->links->next[prev] : &q->first) = next;
	*(next != MODEL_NONE ? &q->links->prev[next] : &q->last) = prev;
	q->n--;
	q->bytes -= cost;
}

/* ---- LRU ---- */

static inline misses model_lru(const trace *t, uint64_t capacity, uint64_t head)
{
	misses m = {0};
	model_links links = model_links_new(t->objects);
	bool *in = er_zalloc(t->objects);
	model_queue q = {.links = &links, .first = MODEL_NONE, .last = MODEL_NONE};
	for (size_t i = 0; i < t->n; i++) {
		uint32_t id = t->id[i];
		uint64_t cost = t->size[id] + head;
		if (in[id])
			model_take(&q, id, cost);
		m.objects += !in[id];
		m.bytes += in[id] ? 0 : t->size[id];
		in[id] = cost <= capacity;
		if (!in[id])
			continue;
		while (q.bytes + cost > capacity) {
			in[q.first] = false;
			model_take(&q, q.first, t->size[q.first] + head);
		}
		model_push(&q, id, cost);
	}
	model_links_free(&links);
	er_free(in);
	return m;
}

/* ---- S3-FIFO ---- */

typedef enum s3_place { S3_OUT, S3_SMALL, S3_MAIN } s3_place;

typedef struct s3 {
	const trace *t;
	uint64_t capacity, head;
	unsigned threshold; /* uses that take an object from small to main */
	model_links links, ghost_links;
	model_queue small, main, ghost;
	uint8_t *place, *uses;
	bool *is_ghost;
} s3;

static inline uint64_t s3_cost(const s3 *c, uint32_t id)
{
	return c->t->size[id] + c->head;
}

/* As many as main has place for, if its objects are like all. */
static inline void s3_remember(s3 *c, uint32_t id)
{
	c->is_ghost[id] = true;
	model_push(&c->ghost, id, 0);
	while (c->ghost.n > (c->small.n + c->main.n) * 9 / 10 + 1) {
		c->is_ghost[c->ghost.first] = false;
		model_take(&c->ghost, c->ghost.first, 0);
	}
}

static inline void s3_room_in_small(s3 *c)
{
	uint32_t id = c->small.first;
	model_take(&c->small, id, s3_cost(c, id));
	bool stays = c->uses[id] >= c->threshold;
	c->place[id] = stays ? S3_MAIN : S3_OUT;
	c->uses[id] = 0;
	if (stays)
		model_push(&c->main, id, s3_cost(c, id));
	else
		s3_remember(c, id);
}

static inline void s3_room_in_main(s3 *c)
{
	uint32_t id = c->main.first;
	model_take(&c->main, id, s3_cost(c, id));
	if (c->uses[id] > 0) {
		c->uses[id]--;
		model_push(&c->main, id, s3_cost(c, id));
	} else {
		c->place[id] = S3_OUT;
	}
}

static inline void s3_put(s3 *c, uint32_t id)
{
	uint64_t cost = s3_cost(c, id);
	if (cost > c->capacity)
		return;
	while (c->small.bytes + c->main.bytes + cost > c->capacity) {
		if (c->small.n > 0 && (c->small.bytes >= c->capacity / 10 || c->main.n == 0))
			s3_room_in_small(c);
		else
			s3_room_in_main(c);
	}
	bool known = c->is_ghost[id];
	if (known)
		model_take(&c->ghost, id, 0);
	c->is_ghost[id] = false;
	c->uses[id] = 0;
	c->place[id] = known ? S3_MAIN : S3_SMALL;
	model_push(known ? &c->main : &c->small, id, cost);
}

static inline misses model_s3fifo(const trace *t, uint64_t capacity, uint64_t head, unsigned threshold)
{
	misses m = {0};
	s3 c = {.t = t, .capacity = capacity, .head = head, .threshold = threshold};
	c.links = model_links_new(t->objects);
	c.ghost_links = model_links_new(t->objects);
	c.small = c.main = (model_queue){.links = &c.links, .first = MODEL_NONE, .last = MODEL_NONE};
	c.ghost = (model_queue){.links = &c.ghost_links, .first = MODEL_NONE, .last = MODEL_NONE};
	c.place = er_zalloc(t->objects);
	c.uses = er_zalloc(t->objects);
	c.is_ghost = er_zalloc(t->objects);
	for (size_t i = 0; i < t->n; i++) {
		uint32_t id = t->id[i];
		if (c.place[id] != S3_OUT) {
			c.uses[id] += c.uses[id] < 3;
			continue;
		}
		m.objects++;
		m.bytes += t->size[id];
		s3_put(&c, id);
	}
	model_links_free(&c.links);
	model_links_free(&c.ghost_links);
	er_free(c.place);
	er_free(c.uses);
	er_free(c.is_ghost);
	return m;
}

#endif
