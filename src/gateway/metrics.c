#include "gateway/metrics.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdio.h>

/* Upper bounds in microseconds. */
static const uint64_t cpu_bounds[ER_CPU_BUCKETS] = {50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 75000, 100000};
static const uint64_t wall_bounds[ER_WALL_BUCKETS] = {250,   500,    1000,   2500,    5000,    10000,    25000,
                                                      50000, 100000, 250000, 1000000, 5000000, 30000000, 120000000};

void er_metrics_init(er_metrics *m)
{
	*m = (er_metrics){0};
	m->first = &m->nothing;
}

void er_metrics_fini(er_metrics *m)
{
	for (er_routine_metrics *r = m->first, *next; r != NULL; r = next) {
		next = r->next;
		if (r == &m->nothing)
			continue;
		er_free((void *)(uintptr_t)r->name.p);
		er_free(r);
	}
	m->first = NULL;
}

er_routine_metrics *er_metrics_of(er_metrics *m, er_slice name)
{
	for (er_routine_metrics *r = m->first; r != NULL; r = r->next)
		if (er_slice_eq(r->name, name))
			return r;
	er_routine_metrics *r = ER_NEW(er_routine_metrics);
	r->name = er_slice_of(er_strdup_slice(name), name.n);
	r->next = m->first;
	__atomic_store_n(&m->first, r, __ATOMIC_RELEASE);
	return r;
}

static void add(uint64_t *word, uint64_t n)
{
	__atomic_store_n(word, *word + n, __ATOMIC_RELAXED);
}

static void observe(uint64_t *buckets, uint64_t *sum, const uint64_t *bounds, unsigned n, uint64_t value)
{
	unsigned i = 0;
	while (i < n && value > bounds[i])
		i++;
	add(&buckets[i], 1);
	add(sum, value);
}

void er_metrics_finished(er_routine_metrics *r, const er_finished *f)
{
	const er_exchange_facts *facts = &f->x->facts;
	int class = f->status / 100;
	add(&r->requests[class > 5 ? 0 : class], 1);
	observe(r->wall, &r->wall_us, wall_bounds, ER_WALL_BUCKETS, f->wall_us);
	if (r->name.n > 0)
		observe(r->cpu, &r->cpu_us, cpu_bounds, ER_CPU_BUCKETS, facts->cpu_us);
	if (f->sent > 0)
		add(&r->bytes, f->sent);
	if (facts->cold_start)
		add(&r->cold_starts, 1);
	if (facts->subrequests > 0)
		add(&r->subrequests, facts->subrequests);
	if (f->cut)
		add(&r->cut, 1);
	if (f->x->res.error != ER_ERR_OK)
		add(&r->errors[f->x->res.error], 1);
}

/* ---- reading ---- */

static uint64_t get(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

enum { WORDS = (sizeof(er_routine_metrics) - offsetof(er_routine_metrics, requests)) / sizeof(uint64_t) };
_Static_assert(offsetof(er_routine_metrics, requests) % sizeof(uint64_t) == 0, "the counters are an array of words");

/* Everything behind the name is counters: summed word by word. */
static void sum_up(er_routine_metrics *to, const er_routine_metrics *from)
{
	uint64_t *a = (uint64_t *)(void *)((char *)to + offsetof(er_routine_metrics, requests));
	const uint64_t *b = (const uint64_t *)(const void *)((const char *)from + offsetof(er_routine_metrics, requests));
	for (size_t i = 0; i < WORDS; i++)
		a[i] += get(&b[i]);
}

static void put_name(er_buf *out, er_slice name)
{
	/* A routine's name has only letters, digits and hyphens. */
	er_buf_printf(out, "routine=\"%.*s\"", ER_FMT(name));
}

static void family(er_buf *out, const char *name, const char *type, const char *help)
{
	er_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

typedef struct table {
	er_routine_metrics *v;
	size_t n;
} table;

static void put_counter(er_buf *out, const table *t, const char *name, size_t at, const char *help)
{
	family(out, name, "counter", help);
	for (size_t i = 0; i < t->n; i++) {
		const uint64_t *word = (const uint64_t *)(const void *)((const char *)&t->v[i] + at);
		er_buf_printf(out, "%s{", name);
		put_name(out, t->v[i].name);
		er_buf_printf(out, "} %llu\n", (unsigned long long)*word);
	}
}

/* One line a routine and kind that has happened. */
static void put_by_kind(er_buf *out, const table *t, const char *name, size_t at, const char *label, const char *help)
{
	family(out, name, "counter", help);
	for (size_t i = 0; i < t->n; i++) {
		const uint64_t *words = (const uint64_t *)(const void *)((const char *)&t->v[i] + at);
		for (int k = 1; k < ER_ERR_COUNT_; k++) {
			if (words[k] == 0)
				continue;
			er_buf_printf(out, "%s{", name);
			put_name(out, t->v[i].name);
			er_buf_printf(out, ",%s=\"%s\"} %llu\n", label, er_err_name((er_err_kind)k), (unsigned long long)words[k]);
		}
	}
}

static void put_histogram(er_buf *out, const er_routine_metrics *r, const char *name, const uint64_t *buckets,
                          const uint64_t *bounds, unsigned n, uint64_t sum_us)
{
	uint64_t total = 0;
	for (unsigned i = 0; i <= n; i++) {
		total += buckets[i];
		er_buf_printf(out, "%s_bucket{", name);
		put_name(out, r->name);
		if (i < n)
			er_buf_printf(out, ",le=\"%g\"} %llu\n", (double)bounds[i] / 1e6, (unsigned long long)total);
		else
			er_buf_printf(out, ",le=\"+Inf\"} %llu\n", (unsigned long long)total);
	}
	er_buf_printf(out, "%s_sum{", name);
	put_name(out, r->name);
	er_buf_printf(out, "} %.6f\n%s_count{", (double)sum_us / 1e6, name);
	put_name(out, r->name);
	er_buf_printf(out, "} %llu\n", (unsigned long long)total);
}

static void put_routines(er_buf *out, const table *t)
{
	static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
	family(out, "er_requests_total", "counter", "Requests by routine (empty: none) and class of status (none: the client left).");
	for (size_t i = 0; i < t->n; i++)
		for (int k = 0; k < 6; k++) {
			er_buf_puts(out, "er_requests_total{");
			put_name(out, t->v[i].name);
			er_buf_printf(out, ",status=\"%s\"} %llu\n", classes[k], (unsigned long long)t->v[i].requests[k]);
		}
	family(out, "er_cpu_seconds", "histogram", "CPU time of a request in its routine.");
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].name.n > 0)
			put_histogram(out, &t->v[i], "er_cpu_seconds", t->v[i].cpu, cpu_bounds, ER_CPU_BUCKETS, t->v[i].cpu_us);
	family(out, "er_request_seconds", "histogram", "From a request's head to the last byte of its answer.");
	for (size_t i = 0; i < t->n; i++)
		put_histogram(out, &t->v[i], "er_request_seconds", t->v[i].wall, wall_bounds, ER_WALL_BUCKETS, t->v[i].wall_us);
#define AT(member) offsetof(er_routine_metrics, member)
	put_counter(out, t, "er_response_bytes_total", AT(bytes), "Bytes of response bodies.");
	put_counter(out, t, "er_cold_starts_total", AT(cold_starts), "Requests that had to start an instance.");
	put_counter(out, t, "er_cut_total", AT(cut), "Answers that broke off, and clients that left.");
	put_counter(out, t, "er_subrequests_total", AT(subrequests), "Subrequests of routines.");
	put_counter(out, t, "er_exceptions_total", AT(exceptions), "Uncaught exceptions and unhandled rejections.");
	put_by_kind(out, t, "er_kills_total", AT(kills), "limit", "Instances ended by a limit or a crash.");
	put_by_kind(out, t, "er_errors_total", AT(errors), "kind", "Answers of the node's own making (header er-error).");
#undef AT
}

static void put_value(er_buf *out, const char *name, const char *type, const char *help, uint64_t v)
{
	family(out, name, type, help);
	er_buf_printf(out, "%s %llu\n", name, (unsigned long long)v);
}

static void put_threads(er_buf *out, const er_metrics_view *threads, unsigned n)
{
	er_server_stats s = {0};
	er_isolate_stats i = {0};
	for (unsigned k = 0; k < n; k++) {
		const er_server_stats *a = threads[k].server;
		const er_isolate_stats *b = threads[k].isolate;
		s.accepted += get(&a->accepted);
		s.refused += get(&a->refused);
		s.connections += get(&a->connections);
		s.idle += get(&a->idle);
		s.bad_requests += get(&a->bad_requests);
		s.timeouts += get(&a->timeouts);
		s.bytes_in += get(&a->bytes_in);
		s.bytes_out += get(&a->bytes_out);
		i.pool_ready += get(&b->pool_ready);
		i.instances += get(&b->instances);
		i.cold_starts += get(&b->cold_starts);
		i.spawned += get(&b->spawned);
		i.spawn_failures += get(&b->spawn_failures);
		i.suspended += get(&b->suspended);
	}
	put_value(out, "er_connections", "gauge", "Open client connections.", s.connections);
	put_value(out, "er_connections_idle", "gauge", "Client connections between requests.", s.idle);
	put_value(out, "er_connections_accepted_total", "counter", "Client connections accepted.", s.accepted);
	put_value(out, "er_connections_refused_total", "counter", "Client connections over a cap, or without a descriptor.",
	          s.refused);
	put_value(out, "er_bad_requests_total", "counter", "Requests refused for their form.", s.bad_requests);
	put_value(out, "er_client_timeouts_total", "counter", "Clients that were too slow.", s.timeouts);
	put_value(out, "er_received_bytes_total", "counter", "Bytes from clients.", s.bytes_in);
	put_value(out, "er_sent_bytes_total", "counter", "Bytes to clients.", s.bytes_out);
	put_value(out, "er_pool_ready", "gauge", "Warm sandboxes waiting for code.", i.pool_ready);
	put_value(out, "er_instances", "gauge", "Sandboxes that hold a routine.", i.instances);
	put_value(out, "er_instances_started_total", "counter", "Instances of routines started.", i.cold_starts);
	put_value(out, "er_sandboxes_spawned_total", "counter", "Sandbox processes started.", i.spawned);
	put_value(out, "er_sandbox_failures_total", "counter", "Sandbox processes that did not get ready.", i.spawn_failures);
	put_value(out, "er_suspensions_total", "counter", "Times a routine was suspended after repeated failures.", i.suspended);
	put_value(out, "er_threads", "gauge", "Gateway threads.", n);
}

void er_metrics_write(er_buf *out, const er_metrics_view *threads, unsigned n, uint64_t log_dropped)
{
	er_map *by_name = er_map_new();
	size_t cap = 0;
	for (unsigned k = 0; k < n; k++)
		for (const er_routine_metrics *r = __atomic_load_n(&threads[k].metrics->first, __ATOMIC_ACQUIRE); r != NULL; r = r->next)
			cap++;
	table t = {.v = er_zalloc((cap + 1) * sizeof *t.v)};
	for (unsigned k = 0; k < n && t.n < cap; k++)
		for (const er_routine_metrics *r = __atomic_load_n(&threads[k].metrics->first, __ATOMIC_ACQUIRE); r != NULL;
		     r = r->next) {
			er_routine_metrics *sum = er_map_get(by_name, r->name);
			if (sum == NULL && t.n < cap) {
				sum = &t.v[t.n++];
				sum->name = r->name;
				er_map_set(by_name, r->name, sum);
			}
			if (sum != NULL)
				sum_up(sum, r);
		}
	put_routines(out, &t);
	put_threads(out, threads, n);
	put_value(out, "er_access_log_dropped_total", "counter", "Access log records that the disk was too slow for.", log_dropped);
	er_map_free(by_name);
	er_free(t.v);
}
