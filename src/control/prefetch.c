/* Jobs of URLs, and the one function that asks (pump).
 *
 *   start ─► in `jobs` ─► its URLs, one a turn ─► the last has come back ─► in `over` ─► forgotten
 *
 * A URL under way is a flight: one of ER_PREFETCH_AT_ONCE places, which knows its job, its site and
 * the gateway's number of it. The gateway calls on_done later, never from inside of the asking; it
 * frees the place and calls pump. A job that was cancelled has no next URL, and is over when its
 * flights are back. Places are part of er_prefetches, so a job is freed only when it has none. */
#include "control/prefetch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/internal.h"
#include "http/authority.h"

#include <stdio.h>

enum { TOLD_URL = 2048 /* bytes of a URL that is told */ };

typedef struct flight {
	er_prefetches *of;
	er_prefetch_job *job; /* NULL: the place is free */
	uint32_t index;       /* of job->order.urls */
	uint64_t site, number, since_us;
	bool late;
} flight;

struct er_prefetches {
	er_control *control;
	er_list jobs, over; /* over: the oldest first */
	unsigned n_jobs, n_over, n_flights;
	size_t bytes;
	uint64_t last_id;
	bool pumping;
	flight flights[ER_PREFETCH_AT_ONCE];
};

static void pump(er_prefetches *p);

const char *er_prefetch_end_name(er_prefetch_end end)
{
	static const char *const names[] = {
#define X(name, text, meaning) text,
	    ER_PREFETCH_ENDS(X)
#undef X
	};
	ER_ASSERT((unsigned)end < ER_PREFETCH_ENDS_N);
	return names[end];
}

/* ---- jobs ---- */

static void free_job(er_prefetch_job *job)
{
	ER_ASSERT(job->under_way == 0);
	er_list_remove(&job->link);
	er_arena_fini(&job->arena);
	er_arena_fini(&job->kept);
	er_free(job);
}

/* Its URLs go; its figures can be asked about for a while. */
static void end_job(er_prefetches *p, er_prefetch_job *job)
{
	ER_ASSERT(!job->over && job->under_way == 0 && job->next == job->order.n && p->n_jobs > 0);
	job->over = true;
	job->over_ms = (int64_t)(er_clock_wall_us() / 1000);
	p->bytes -= job->bytes;
	er_arena_fini(&job->arena);
	job->order.urls = NULL;
	job->order.fields = NULL;
	er_list_remove(&job->link);
	p->n_jobs--;
	er_list_push(&p->over, &job->link);
	if (++p->n_over > ER_PREFETCH_KEPT) {
		free_job(ER_CONTAINER(p->over.next, er_prefetch_job, link));
		p->n_over--;
	}
	er_log(ER_LOG_INFO, "control", "prefetch %016llx %s: %u URLs, %u were stored, %u are now, %u may not be, %u failed; by %.*s",
	       (unsigned long long)job->id, job->cancelled ? "was cancelled" : "is done", job->order.n, job->ends[ER_PREFETCH_HIT],
	       job->ends[ER_PREFETCH_STORED], job->ends[ER_PREFETCH_NOT_STORED], job->ends[ER_PREFETCH_FAILED],
	       ER_FMT(job->order.by));
}

static bool has_nothing_left(const er_prefetch_job *job)
{
	return job->next == job->order.n && job->under_way == 0;
}

static void tell(er_prefetch_job *job, uint32_t index, const er_prefetch_result *r)
{
	if (job->n_told == ER_PREFETCH_TOLD) {
		job->untold++;
		return;
	}
	job->told[job->n_told++] =
	    (er_prefetch_told){.url = er_arena_copy(&job->kept, er_slice_head(job->order.urls[index].url, TOLD_URL)),
	                       .end = r->end,
	                       .status = r->status,
	                       .reason = r->reason,
	                       .text = er_arena_copy(&job->kept, er_slice_cstr(r->text))};
}

static void count(er_prefetch_job *job, uint32_t index, const er_prefetch_result *r)
{
	ER_ASSERT((unsigned)r->end < ER_PREFETCH_ENDS_N);
	job->ends[r->end]++;
	if (r->end == ER_PREFETCH_STORED)
		job->stored_bytes += r->bytes;
	if (r->end == ER_PREFETCH_NOT_STORED || r->end == ER_PREFETCH_FAILED)
		tell(job, index, r);
}

/* ---- flights ---- */

/* Of the next URL; those that no site has are done with here. False: it has no next one. */
static bool find_site(er_prefetches *p, er_prefetch_job *job, uint64_t *site)
{
	const er_control_options *o = &p->control->o;
	for (; job->next < job->order.n; job->next++) {
		er_slice host = er_host_of(er_prefetch_authority(&job->order.urls[job->next]));
		if (o->ops->prefetch_site(o->ops_ctx, host, site))
			return true;
		er_prefetch_result r = {.end = ER_PREFETCH_FAILED, .reason = "no-site"};
		snprintf(r.text, sizeof r.text, "no site of this node has the host %.*s: er site add, or \"sites\" of node.jsonc",
		         ER_FMT(er_slice_head(host, 100)));
		count(job, job->next, &r);
	}
	return false;
}

static unsigned share_of(const er_prefetches *p, uint64_t site)
{
	unsigned n = 0;
	for (unsigned i = 0; i < ER_PREFETCH_AT_ONCE; i++)
		n += p->flights[i].job != NULL && p->flights[i].site == site;
	return n;
}

static void on_done(void *ctx, const er_prefetch_result *r)
{
	flight *f = ctx;
	er_prefetches *p = f->of;
	er_prefetch_job *job = f->job;
	ER_ASSERT(job != NULL && job->under_way > 0 && p->n_flights > 0 && !p->pumping);
	er_prefetch_result late = {.end = ER_PREFETCH_FAILED, .reason = "timeout"};
	snprintf(late.text, sizeof late.text, "it had not come in %d s", ER_PREFETCH_LATE_S);
	count(job, f->index, f->late && r->end == ER_PREFETCH_STOPPED ? &late : r);
	job->under_way--;
	p->n_flights--;
	f->job = NULL;
	if (has_nothing_left(job))
		end_job(p, job);
	pump(p);
}

static void begin(er_prefetches *p, er_prefetch_job *job, uint64_t site)
{
	flight *f = p->flights;
	while (f->job != NULL)
		f++;
	ER_ASSERT(f < p->flights + ER_PREFETCH_AT_ONCE);
	er_prefetch_ask ask = {
	    .env = job->order.env, .fields = job->order.fields, .n_fields = job->order.n_fields, .refresh = job->order.refresh};
	er_prefetch_set_url(&ask, &job->order.urls[job->next]);
	*f = (flight){.of = p, .job = job, .index = job->next++, .site = site, .since_us = er_clock_mono_us()};
	job->under_way++;
	p->n_flights++;
	f->number = p->control->o.ops->prefetch(p->control->o.ops_ctx, &ask, on_done, f);
}

/* The next job that may ask now: it goes to the end of the line. NULL: none. Jobs that have nothing
 * left are ended on the way. */
static er_prefetch_job *take_turn(er_prefetches *p, uint64_t *site)
{
	er_list *next;
	for (er_list *l = p->jobs.next; l != &p->jobs; l = next) {
		er_prefetch_job *job = ER_CONTAINER(l, er_prefetch_job, link);
		next = l->next;
		if (!find_site(p, job, site)) {
			if (has_nothing_left(job))
				end_job(p, job);
			continue;
		}
		if (share_of(p, *site) >= job->order.parallel)
			continue;
		er_list_remove(l);
		er_list_push(&p->jobs, l);
		return job;
	}
	return NULL;
}

static void pump(er_prefetches *p)
{
	er_prefetch_job *job;
	uint64_t site;
	ER_ASSERT(!p->pumping);
	p->pumping = true;
	while (p->n_flights < ER_PREFETCH_AT_ONCE && (job = take_turn(p, &site)) != NULL)
		begin(p, job, site);
	p->pumping = false;
}

static void stop_flights(er_prefetches *p, const er_prefetch_job *job)
{
	for (unsigned i = 0; i < ER_PREFETCH_AT_ONCE; i++)
		if (p->flights[i].job == job)
			p->control->o.ops->prefetch_stop(p->control->o.ops_ctx, p->flights[i].number);
}

void er_prefetches_tick(er_prefetches *p, uint64_t now_us)
{
	for (unsigned i = 0; i < ER_PREFETCH_AT_ONCE; i++) {
		flight *f = &p->flights[i];
		if (f->job == NULL || f->late || now_us - f->since_us < (uint64_t)ER_PREFETCH_LATE_S * 1000000)
			continue;
		f->late = true;
		p->control->o.ops->prefetch_stop(p->control->o.ops_ctx, f->number);
	}
}

/* ---- what the API asks ---- */

static bool has_room(const er_prefetches *p, const er_prefetch_order *order, size_t bytes, er_problem *problem)
{
	unsigned own = 0;
	ER_LIST_EACH(l, &p->jobs)
	{
		const er_prefetch_order *other = &ER_CONTAINER(l, er_prefetch_job, link)->order;
		own += !order->local && !other->local && er_slice_eq(other->by, order->by);
	}
	if (own >= ER_PREFETCH_JOBS_SHARE)
		return er_refuse(problem, ER_PROBLEM_UNAVAILABLE,
		                 "%u prefetches of this token are not done, which is the most: wait for one of them, or cancel it", own);
	return (p->n_jobs < ER_PREFETCH_JOBS && p->bytes + bytes <= ER_PREFETCH_BYTES) ||
	       er_refuse(problem, ER_PROBLEM_UNAVAILABLE,
	                 "%u prefetches are not done, and there is no room for another one: try again when they are", p->n_jobs);
}

static void copy_order(er_prefetch_job *job, const er_prefetch_order *order)
{
	er_arena *a = &job->arena;
	er_prefetch_url *urls = er_arena_alloc(a, order->n * sizeof *urls);
	er_field *fields = er_arena_alloc(a, (order->n_fields + 1) * sizeof *fields);
	for (uint32_t i = 0; i < order->n; i++) {
		urls[i] = order->urls[i];
		urls[i].url = er_arena_copy(a, urls[i].url);
	}
	for (uint32_t i = 0; i < order->n_fields; i++)
		fields[i] =
		    (er_field){.name = er_arena_copy(a, order->fields[i].name), .value = er_arena_copy(a, order->fields[i].value)};
	job->order = *order;
	job->order.urls = urls;
	job->order.fields = fields;
	job->order.by = er_arena_copy(&job->kept, order->by);
}

er_prefetch_job *er_prefetch_start(er_prefetches *p, const er_prefetch_order *order, er_problem *problem)
{
	size_t bytes = 0;
	ER_ASSERT(order->n > 0 && order->n <= ER_PREFETCH_URLS && order->parallel > 0);
	for (uint32_t i = 0; i < order->n; i++)
		bytes += order->urls[i].url.n + sizeof *order->urls;
	if (!has_room(p, order, bytes, problem))
		return NULL;
	er_prefetch_job *job = ER_NEW(er_prefetch_job);
	*job = (er_prefetch_job){.id = ++p->last_id, .bytes = bytes, .at_ms = (int64_t)(er_clock_wall_us() / 1000)};
	copy_order(job, order);
	p->bytes += bytes;
	p->n_jobs++;
	er_list_init(&job->link);
	er_list_push(&p->jobs, &job->link);
	pump(p);
	return job;
}

er_prefetch_job *er_prefetch_find(er_prefetches *p, uint64_t id)
{
	er_list *const lists[] = {&p->jobs, &p->over};
	for (int i = 0; i < 2; i++)
		ER_LIST_EACH(l, lists[i])
		{
			er_prefetch_job *job = ER_CONTAINER(l, er_prefetch_job, link);
			if (job->id == id)
				return job;
		}
	return NULL;
}

void er_prefetch_cancel(er_prefetches *p, er_prefetch_job *job)
{
	if (job->over || job->cancelled)
		return;
	job->cancelled = true;
	job->next = job->order.n;
	stop_flights(p, job);
	if (has_nothing_left(job))
		end_job(p, job);
}

void er_prefetch_each(er_prefetches *p, void (*each)(void *ctx, const er_prefetch_job *job), void *ctx)
{
	er_list *const lists[] = {&p->jobs, &p->over};
	for (int i = 0; i < 2; i++)
		for (const er_list *l = lists[i]->prev; l != lists[i]; l = l->prev)
			each(ctx, ER_CONTAINER(l, er_prefetch_job, link));
}

/* ---- life ---- */

/* Numbers go on from the time of the start: one of before a restart is nobody's now. */
er_prefetches *er_prefetches_new(er_control *c)
{
	er_prefetches *p = ER_NEW(er_prefetches);
	*p = (er_prefetches){.control = c, .last_id = er_clock_wall_us()};
	er_list_init(&p->jobs);
	er_list_init(&p->over);
	return p;
}

void er_prefetches_free(er_prefetches *p)
{
	er_list *const lists[] = {&p->jobs, &p->over};
	for (int i = 0; i < 2; i++)
		while (!er_list_empty(lists[i])) {
			er_prefetch_job *job = ER_CONTAINER(lists[i]->next, er_prefetch_job, link);
			job->under_way = 0;
			free_job(job);
		}
	er_free(p);
}
