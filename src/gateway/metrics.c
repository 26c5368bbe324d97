/* The counters. Each gateway thread has a list of records, one for a routine in an environment and
 * one for "no routine" in each; a record is made at its first request, shown by one atomic store of
 * the list's head, and never taken out, so the control thread walks the list without a lock. Only
 * its thread writes to a record, word by word with relaxed stores; a reader may see one word newer
 * than another, never half a word. Behind `requests` a record is nothing but words, which are
 * summed as an array.
 *
 * er_metrics_write makes the text: sums over the threads first, then family by family, as
 * Prometheus's format demands that lines of one family stand together. */
#include "gateway/metrics.h"

#include "base/map.h"
#include "base/mem.h"
#include "gateway/metrics_kv.h"
#include "gateway/vitals.h"

#include <stdio.h>

/* Upper bounds in microseconds. */
static const uint64_t cpu_bounds[ER_CPU_BUCKETS] = {50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 75000, 100000};
static const uint64_t wall_bounds[ER_WALL_BUCKETS] = {250,   500,    1000,   2500,    5000,    10000,    25000,
                                                      50000, 100000, 250000, 1000000, 5000000, 30000000, 120000000};

void er_metrics_init(er_metrics *m)
{
	*m = (er_metrics){0};
	for (er_env e = 0; e < ER_ENV_COUNT_; e++) {
		m->nothing[e].env = e;
		m->nothing[e].next = m->first;
		m->first = &m->nothing[e];
		m->by_name[e] = er_map_new();
	}
	m->sites = er_map_new();
	er_kv_counts_init(&m->kv);
}

void er_metrics_fini(er_metrics *m)
{
	for (er_routine_metrics *r = m->first, *next; r != NULL; r = next) {
		next = r->next;
		if (r->name.n == 0)
			continue;
		er_free((void *)(uintptr_t)r->name.p);
		er_tally_free(r->tally);
		er_free(r);
	}
	m->first = NULL;
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		er_map_free(m->by_name[e]);
	for (er_site_metrics *s = m->first_site, *next; s != NULL; s = next) {
		next = s->next;
		er_free((void *)(uintptr_t)s->name.p);
		er_free(s);
	}
	m->first_site = NULL;
	er_map_free(m->sites);
	er_kv_counts_fini(&m->kv);
}

er_cache_stats *er_metrics_site(er_metrics *m, er_slice name)
{
	er_site_metrics *s = er_map_get(m->sites, name);
	if (s != NULL)
		return &s->cache;
	s = ER_NEW(er_site_metrics);
	*s = (er_site_metrics){.next = m->first_site, .name = er_slice_of(er_strdup_slice(name), name.n)};
	er_map_set(m->sites, s->name, s);
	__atomic_store_n(&m->first_site, s, __ATOMIC_RELEASE);
	return &s->cache;
}

er_routine_metrics *er_metrics_of(er_metrics *m, er_env env, er_slice name)
{
	ER_ASSERT((unsigned)env < ER_ENV_COUNT_ && name.n > 0);
	er_routine_metrics *r = er_map_get(m->by_name[env], name);
	if (r != NULL) {
		ER_ASSERT(r->env == env);
		return r;
	}
	r = ER_NEW(er_routine_metrics);
	r->name = er_slice_of(er_strdup_slice(name), name.n);
	r->env = env;
	er_map_set(m->by_name[env], r->name, r);
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
	static_assert(sizeof(((er_routine_metrics *)0)->cpu) / sizeof(uint64_t) == ER_CPU_BUCKETS + 1 &&
	                  sizeof(((er_routine_metrics *)0)->wall) / sizeof(uint64_t) == ER_WALL_BUCKETS + 1,
	              "one bucket more than bounds, for what is above all of them");
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
	static_assert(sizeof r->requests / sizeof *r->requests == 6, "1xx to 5xx, and none at 0");
	ER_ASSERT(f->status >= 0);
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
	ER_ASSERT((unsigned)f->x->res.error < ER_ERR_COUNT_);
	if (f->x->res.error != ER_ERR_OK)
		add(&r->errors[f->x->res.error], 1);
	const er_deployment *d = f->served->deployment;
	if (d == NULL || d->id == 0)
		return;
	if (r->tally == NULL)
		__atomic_store_n(&r->tally, ER_NEW(er_tally), __ATOMIC_RELEASE);
	er_tally_count(r->tally, d, f->served->routine, f->wall_us, er_metrics_failed(f));
}

void er_metrics_late_cpu(er_routine_metrics *r, uint64_t cpu_us)
{
	if (r->name.n > 0)
		add(&r->cpu_us, cpu_us);
}

bool er_metrics_failed(const er_finished *f)
{
	const er_exchange *x = f->x;
	if (f->served->routine == NULL)
		return false;
	switch (x->facts.failed) {
	case ER_ERR_EXCEPTION:
	case ER_ERR_HUNG:
	case ER_ERR_CPU:
	case ER_ERR_MEMORY:
	case ER_ERR_CODE_SIZE:
	case ER_ERR_CRASH:
	case ER_ERR_PROTOCOL:
	case ER_ERR_SUSPENDED:
	case ER_ERR_TIMEOUT:
	case ER_ERR_TOO_LARGE:
	case ER_ERR_HEADER:
	case ER_ERR_UNAVAILABLE:
		return true;
	default:
		return x->res.error == ER_ERR_UNAVAILABLE || x->res.error == ER_ERR_SUSPENDED;
	}
}

/* ---- finding ---- */

const er_routine_metrics *er_metrics_find(er_metrics_finder *f, const er_metrics *m, er_env env, er_slice name)
{
	ER_ASSERT((unsigned)env < ER_ENV_COUNT_);
	const er_routine_metrics *first = __atomic_load_n(&m->first, __ATOMIC_ACQUIRE);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		if (f->by_name[e] == NULL)
			f->by_name[e] = er_map_new();
	for (const er_routine_metrics *r = first; r != NULL && r != f->seen; r = r->next)
		if (r->name.n > 0)
			er_map_set(f->by_name[r->env], r->name, (void *)(uintptr_t)r);
	f->seen = first;
	return er_map_get(f->by_name[env], name);
}

void er_metrics_finder_fini(er_metrics_finder *f)
{
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		er_map_free(f->by_name[e]);
}

/* ---- reading ---- */

static uint64_t get(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

enum { WORDS = (sizeof(er_routine_metrics) - offsetof(er_routine_metrics, requests)) / sizeof(uint64_t) };
static_assert(offsetof(er_routine_metrics, requests) % sizeof(uint64_t) == 0, "the counters are an array of words");
static_assert((sizeof(er_routine_metrics) - offsetof(er_routine_metrics, requests)) % sizeof(uint64_t) == 0, "and nothing else");

/* Everything behind the name is counters: summed word by word. */
static void sum_up(er_routine_metrics *to, const er_routine_metrics *from)
{
	uint64_t *a = (uint64_t *)(void *)((char *)to + offsetof(er_routine_metrics, requests));
	const uint64_t *b = (const uint64_t *)(const void *)((const char *)from + offsetof(er_routine_metrics, requests));
	for (size_t i = 0; i < WORDS; i++)
		a[i] += get(&b[i]);
}

static void put_name(er_buf *out, const er_routine_metrics *r)
{
	/* A routine's name has only letters, digits and hyphens. */
	er_buf_printf(out, "routine=\"%.*s\",environment=\"%s\"", ER_FMT(r->name), er_env_name((er_env)r->env));
}

static void family(er_buf *out, const char *name, const char *type, const char *help)
{
	er_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

typedef struct table {
	er_routine_metrics *v;
	size_t n;
	struct er_version_totals *versions; /* beside v */
} table;

typedef struct er_version_total {
	uint32_t number;
	uint64_t requests, failures;
} er_version_total;

/* Of the newest deployment that a thread has seen: one that has had no request of it yet has
 * nothing to add. */
typedef struct er_version_totals {
	uint64_t deployment;
	er_version_total v[ER_STORE_SPLIT];
} er_version_totals;

/* Adds what a thread has of the newest deployment; a newer one than before begins anew. */
static void sum_versions(er_version_totals *to, const er_routine_metrics *from)
{
	const er_tally *t = __atomic_load_n(&from->tally, __ATOMIC_ACQUIRE);
	uint64_t id = t != NULL ? __atomic_load_n(&t->deployment, __ATOMIC_ACQUIRE) : 0;
	if (id == 0 || id < to->deployment)
		return;
	if (id > to->deployment)
		*to = (er_version_totals){.deployment = id};
	ER_ASSERT(to->deployment == id);
	for (unsigned i = 0; i < ER_STORE_SPLIT; i++) {
		const er_tally_version *v = __atomic_load_n(&t->version[i], __ATOMIC_ACQUIRE);
		if (v == NULL)
			continue;
		to->v[i].number = __atomic_load_n(&v->number, __ATOMIC_RELAXED);
		to->v[i].requests += get(&v->requests);
		to->v[i].failures += __atomic_load_n(&v->failures, __ATOMIC_RELAXED);
	}
}

static void put_counter(er_buf *out, const table *t, const char *name, size_t at, const char *help)
{
	ER_ASSERT(at >= offsetof(er_routine_metrics, requests) && at + sizeof(uint64_t) <= sizeof(er_routine_metrics));
	family(out, name, "counter", help);
	for (size_t i = 0; i < t->n; i++) {
		const uint64_t *word = (const uint64_t *)(const void *)((const char *)&t->v[i] + at);
		er_buf_printf(out, "%s{", name);
		put_name(out, &t->v[i]);
		er_buf_printf(out, "} %llu\n", (unsigned long long)*word);
	}
}

/* One line a routine and kind that has happened. */
static void put_by_kind(er_buf *out, const table *t, const char *name, size_t at, const char *label, const char *help)
{
	ER_ASSERT(at >= offsetof(er_routine_metrics, requests) &&
	          at + ER_ERR_COUNT_ * sizeof(uint64_t) <= sizeof(er_routine_metrics));
	family(out, name, "counter", help);
	for (size_t i = 0; i < t->n; i++) {
		const uint64_t *words = (const uint64_t *)(const void *)((const char *)&t->v[i] + at);
		for (int k = 1; k < ER_ERR_COUNT_; k++) {
			if (words[k] == 0)
				continue;
			er_buf_printf(out, "%s{", name);
			put_name(out, &t->v[i]);
			er_buf_printf(out, ",%s=\"%s\"} %llu\n", label, er_err_name((er_err_kind)k), (unsigned long long)words[k]);
		}
	}
}

/* Cumulative, as the format wants it, in seconds. */
static void put_histogram(er_buf *out, const er_routine_metrics *r, const char *name, const uint64_t *buckets,
                          const uint64_t *bounds, unsigned n, uint64_t sum_us)
{
	uint64_t total = 0;
	for (unsigned i = 0; i <= n; i++) {
		total += buckets[i];
		er_buf_printf(out, "%s_bucket{", name);
		put_name(out, r);
		if (i < n)
			er_buf_printf(out, ",le=\"%g\"} %llu\n", (double)bounds[i] / 1e6, (unsigned long long)total);
		else
			er_buf_printf(out, ",le=\"+Inf\"} %llu\n", (unsigned long long)total);
	}
	er_buf_printf(out, "%s_sum{", name);
	put_name(out, r);
	er_buf_printf(out, "} %.6f\n%s_count{", (double)sum_us / 1e6, name);
	put_name(out, r);
	er_buf_printf(out, "} %llu\n", (unsigned long long)total);
}

/* What one version of a present deployment has had, over all threads. */
static void put_versions(er_buf *out, const table *t)
{
	static const char *const help[] = {"Requests since the present deployment, by version.",
	                                   "Of these, those that the node answered for the routine."};
	static const char *const names[] = {"er_version_requests_total", "er_version_failures_total"};
	for (int k = 0; k < 2; k++) {
		family(out, names[k], "counter", help[k]);
		for (size_t i = 0; i < t->n; i++)
			for (unsigned v = 0; v < ER_STORE_SPLIT; v++) {
				const er_version_total *total = &t->versions[i].v[v];
				if (t->versions[i].deployment == 0 || total->number == 0)
					continue;
				er_buf_printf(out, "%s{", names[k]);
				put_name(out, &t->v[i]);
				er_buf_printf(out, ",version=\"%u\"} %llu\n", total->number,
				              (unsigned long long)(k == 0 ? total->requests : total->failures));
			}
	}
}

static void put_routines(er_buf *out, const table *t)
{
	static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
	family(out, "er_requests_total", "counter", "Requests by routine (empty: none) and class of status (none: the client left).");
	for (size_t i = 0; i < t->n; i++)
		for (int k = 0; k < 6; k++) {
			er_buf_puts(out, "er_requests_total{");
			put_name(out, &t->v[i]);
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
	put_versions(out, t);
}

static void put_value(er_buf *out, const char *name, const char *type, const char *help, uint64_t v)
{
	family(out, name, type, help);
	er_buf_printf(out, "%s %llu\n", name, (unsigned long long)v);
}

/* What is counted by thread and not by routine. */
static void put_threads(er_buf *out, const er_metrics_view *threads, unsigned n)
{
	er_server_stats s = {0};
	er_isolate_stats i = {0};
	for (unsigned k = 0; k < n; k++) {
		const er_server_stats *a = threads[k].server;
		const er_isolate_stats *b = threads[k].isolate;
		s.accepted += get(&a->accepted);
		s.refused += get(&a->refused);
		s.prefaces_refused += get(&a->prefaces_refused);
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
	put_value(out, "er_proxy_headers_refused_total", "counter",
	          "Connections without a good header of the PROXY protocol, or of a peer that may not send one.", s.prefaces_refused);
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

/* NULL is fine. */
static void add_cache(er_cache_stats *sum, const er_cache_stats *one)
{
	_Static_assert(sizeof(er_cache_stats) % sizeof(uint64_t) == 0, "words, and nothing else");
	uint64_t *to = &sum->hits;
	const uint64_t *from = one != NULL ? &one->hits : NULL;
	for (size_t i = 0; from != NULL && i < sizeof *sum / sizeof *to; i++)
		to[i] += get(&from[i]);
}

static const er_site_metrics *first_site(const er_metrics_view *thread)
{
	return __atomic_load_n(&thread->metrics->first_site, __ATOMIC_ACQUIRE);
}

er_cache_stats er_metrics_cache(const er_metrics_view *threads, unsigned n)
{
	er_cache_stats sum = {0};
	for (unsigned k = 0; k < n; k++) {
		add_cache(&sum, threads[k].cache);
		for (const er_site_metrics *s = first_site(&threads[k]); s != NULL; s = s->next)
			add_cache(&sum, &s->cache);
	}
	return sum;
}

static int by_site_name(const void *one, const void *other)
{
	const er_site_metrics *a = one, *b = other;
	return er_slice_compare(a->name, b->name);
}

er_site_metrics *er_metrics_sites(er_arena *a, const er_metrics_view *threads, unsigned n_threads, size_t *n)
{
	size_t most = 0;
	for (unsigned k = 0; k < n_threads; k++)
		for (const er_site_metrics *s = first_site(&threads[k]); s != NULL; s = s->next)
			most++;
	er_site_metrics *all = er_arena_alloc(a, (most + 1) * sizeof *all);
	er_map *by_name = er_map_new();
	*n = 0;
	for (unsigned k = 0; k < n_threads; k++)
		for (const er_site_metrics *s = first_site(&threads[k]); s != NULL && *n < most; s = s->next) {
			er_site_metrics *sum = er_map_get(by_name, s->name);
			if (sum == NULL) {
				sum = &all[(*n)++];
				*sum = (er_site_metrics){.name = s->name};
				er_map_set(by_name, sum->name, sum);
			}
			add_cache(&sum->cache, &s->cache);
		}
	er_map_free(by_name);
	if (*n > 0)
		qsort(all, *n, sizeof *all, by_site_name);
	return all;
}

er_cache_stats er_metrics_prefetches(const er_metrics_view *threads, unsigned n)
{
	er_cache_stats sum = {0};
	for (unsigned k = 0; k < n; k++)
		add_cache(&sum, threads[k].prefetches);
	return sum;
}

/* `site`: empty, or its label. */
static void put_results(er_buf *out, const char *name, er_slice site, const er_cache_stats *s)
{
	const struct {
		const char *result;
		uint64_t n;
	} results[] = {{"hit", s->hits}, {"stale", s->stale}, {"miss", s->misses}, {"pass", s->passed}, {"collapsed", s->collapsed}};
	for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
		er_buf_printf(out, "%s{", name);
		if (site.n > 0) {
			er_buf_puts(out, "site=");
			er_metric_label(out, site);
			er_buf_puts(out, ",");
		}
		er_buf_printf(out, "result=\"%s\"} %llu\n", results[i].result, (unsigned long long)results[i].n);
	}
}

static void put_sites(er_buf *out, const er_metrics_view *threads, unsigned n_threads)
{
	er_arena a = {0};
	size_t n;
	er_site_metrics *sites = er_metrics_sites(&a, threads, n_threads, &n);
	family(out, "er_cache_site_requests_total", "counter", "The same by site.");
	for (size_t i = 0; i < n; i++)
		put_results(out, "er_cache_site_requests_total", sites[i].name, &sites[i].cache);
	er_arena_fini(&a);
}

/* What became of the requests that came to the cache. */
static void put_cache(er_buf *out, const er_metrics_view *threads, unsigned n)
{
	er_cache_stats s = er_metrics_cache(threads, n), filled = er_metrics_prefetches(threads, n);
	family(out, "er_cache_requests_total", "counter", "Requests that came to the cache.");
	put_results(out, "er_cache_requests_total", (er_slice){0}, &s);
	put_sites(out, threads, n);
	family(out, "er_cache_prefetches_total", "counter", "Requests that er prefetch made to fill the cache.");
	put_results(out, "er_cache_prefetches_total", (er_slice){0}, &filled);
	family(out, "er_cache_not_stored_total", "counter", "Answers that were not stored, by the reason.");
	for (er_cache_refusal r = ER_CACHE_OK + 1; r < ER_CACHE_REFUSALS_N; r++)
		er_buf_printf(out, "er_cache_not_stored_total{reason=\"%s\"} %llu\n", er_cache_refusal_name(r),
		              (unsigned long long)s.refused[r]);
	put_value(out, "er_cache_fills", "gauge", "Questions of the cache that are under way.", s.fills);
	put_value(out, "er_cache_validated_total", "counter", "Stored answers that the origin said are good.", s.validated);
}

static void put_delays(er_buf *out, const er_metrics_view *threads, unsigned n)
{
	const er_delay_stats **stats = er_zalloc((n + 1) * sizeof *stats);
	for (unsigned k = 0; k < n; k++)
		stats[k] = threads[k].delay;
	er_delay_write(out, stats, n);
	er_free(stats);
}

void er_metrics_write(er_buf *out, const er_metrics_view *threads, unsigned n, uint64_t log_dropped)
{
	er_map *by_name[ER_ENV_COUNT_];
	size_t cap = 0;
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		by_name[e] = er_map_new();
	for (unsigned k = 0; k < n; k++)
		for (const er_routine_metrics *r = __atomic_load_n(&threads[k].metrics->first, __ATOMIC_ACQUIRE); r != NULL; r = r->next)
			cap++;
	table t = {.v = er_zalloc((cap + 1) * sizeof *t.v), .versions = er_zalloc((cap + 1) * sizeof *t.versions)};
	for (unsigned k = 0; k < n && t.n < cap; k++)
		for (const er_routine_metrics *r = __atomic_load_n(&threads[k].metrics->first, __ATOMIC_ACQUIRE); r != NULL;
		     r = r->next) {
			er_routine_metrics *sum = er_map_get(by_name[r->env], r->name);
			if (sum == NULL && t.n < cap) {
				sum = &t.v[t.n++];
				sum->name = r->name;
				sum->env = r->env;
				er_map_set(by_name[r->env], r->name, sum);
			}
			if (sum == NULL)
				continue;
			ER_ASSERT(sum >= t.v && sum < t.v + t.n && t.n <= cap);
			sum_up(sum, r);
			sum_versions(&t.versions[sum - t.v], r);
		}
	put_routines(out, &t);
	put_threads(out, threads, n);
	put_cache(out, threads, n);
	er_metrics_kv_write(out, threads, n);
	put_delays(out, threads, n);
	put_value(out, "er_access_log_dropped_total", "counter", "Access log records that the disk was too slow for.", log_dropped);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		er_map_free(by_name[e]);
	er_free(t.v);
	er_free(t.versions);
}
