/* The KV's counts as text. A record of the sum is made for each routine, environment and namespace
 * that any thread has; only what has happened gets a line, so that a namespace that is only read
 * has none of writes. */
#include "gateway/metrics_kv.h"

#include "base/map.h"
#include "base/mem.h"
#include "gateway/vitals.h"

static const char *const methods[ER_KV_METHODS_N] = {
#define X(name, word) [ER_KV_METHOD_##name] = word,
    ER_KV_METHODS(X)
#undef X
};
static const char *const results[ER_KV_RESULTS_N] = {
#define X(name, word) [ER_KV_RESULT_##name] = word,
    ER_KV_RESULTS(X)
#undef X
};

enum { WORDS = (sizeof(er_kv_stats) - offsetof(er_kv_stats, results)) / sizeof(uint64_t) };
static_assert(offsetof(er_kv_stats, results) % sizeof(uint64_t) == 0, "the counters are an array of words");

typedef struct table {
	er_kv_stats *v;
	size_t n;
} table;

static const er_kv_stats *first_of(const er_metrics_view *thread)
{
	return __atomic_load_n(&thread->metrics->kv.first, __ATOMIC_ACQUIRE);
}

static void sum_up(er_kv_stats *to, const er_kv_stats *from)
{
	uint64_t *a = (uint64_t *)(void *)((char *)to + offsetof(er_kv_stats, results));
	const uint64_t *b = (const uint64_t *)(const void *)((const char *)from + offsetof(er_kv_stats, results));
	for (size_t i = 0; i < WORDS; i++)
		a[i] += __atomic_load_n(&b[i], __ATOMIC_RELAXED);
}

static int by_name(const void *one, const void *other)
{
	const er_kv_stats *a = one, *b = other;
	int order = er_slice_compare(a->routine, b->routine);
	if (order == 0)
		order = er_slice_compare(a->name, b->name);
	return order != 0 ? order : (a->environment > b->environment) - (a->environment < b->environment);
}

/* The caller frees t->v. A record that is shown while this counts waits for the next time. */
static table gather(const er_metrics_view *threads, unsigned n)
{
	size_t most = 0;
	for (unsigned k = 0; k < n; k++)
		for (const er_kv_stats *s = first_of(&threads[k]); s != NULL; s = s->next)
			most++;
	table t = {.v = er_zalloc((most + 1) * sizeof *t.v)};
	er_map *found = er_map_new();
	for (unsigned k = 0; k < n; k++)
		for (const er_kv_stats *s = first_of(&threads[k]); s != NULL; s = s->next) {
			uint8_t text[ER_KV_STATS_KEY];
			er_slice key = er_kv_stats_key(text, s->environment, s->routine, s->name);
			er_kv_stats *sum = er_map_get(found, key);
			if (sum == NULL && t.n == most)
				continue;
			if (sum == NULL) {
				sum = &t.v[t.n++];
				sum->routine = s->routine;
				sum->name = s->name;
				sum->environment = s->environment;
				er_map_set(found, key, sum);
			}
			sum_up(sum, s);
		}
	er_map_free(found);
	if (t.n > 0)
		qsort(t.v, t.n, sizeof *t.v, by_name);
	return t;
}

/* Names have only letters, digits and hyphens; they are empty in the record of the rest. */
static void begin(er_buf *out, const char *name, const er_kv_stats *s)
{
	er_buf_printf(out, "%s{routine=\"%.*s\",environment=\"%s\",namespace=\"%.*s\"", name, ER_FMT(s->routine),
	              s->routine.n > 0 ? er_env_name((er_env)s->environment) : "", ER_FMT(s->name));
}

static void put(er_buf *out, const char *name, const er_kv_stats *s, const char *label, const char *value, uint64_t v)
{
	if (v == 0)
		return;
	begin(out, name, s);
	if (label != NULL)
		er_buf_printf(out, ",%s=\"%s\"", label, value);
	er_buf_printf(out, "} %llu\n", (unsigned long long)v);
}

static void put_results(er_buf *out, const table *t)
{
	er_metric_family(out, "er_kv_requests_total", "counter", "Questions of routines to the key-value store.");
	for (size_t i = 0; i < t->n; i++)
		for (unsigned m = 0; m < ER_KV_METHODS_N; m++)
			for (unsigned r = 0; r < ER_KV_RESULTS_N; r++) {
				if (t->v[i].results[m][r] == 0)
					continue;
				begin(out, "er_kv_requests_total", &t->v[i]);
				er_buf_printf(out, ",method=\"%s\",result=\"%s\"} %llu\n", methods[m], results[r],
				              (unsigned long long)t->v[i].results[m][r]);
			}
}

static void put_histogram(er_buf *out, const er_kv_stats *s, er_kv_method m)
{
	uint64_t total = 0;
	for (unsigned i = 0; i <= ER_KV_BUCKETS; i++)
		total += s->wall[m][i];
	if (total == 0)
		return;
	total = 0;
	for (unsigned i = 0; i <= ER_KV_BUCKETS; i++) {
		total += s->wall[m][i];
		begin(out, "er_kv_seconds_bucket", s);
		if (i < ER_KV_BUCKETS)
			er_buf_printf(out, ",method=\"%s\",le=\"%g\"} %llu\n", methods[m], (double)er_kv_bounds()[i] / 1e6,
			              (unsigned long long)total);
		else
			er_buf_printf(out, ",method=\"%s\",le=\"+Inf\"} %llu\n", methods[m], (unsigned long long)total);
	}
	begin(out, "er_kv_seconds_sum", s);
	er_buf_printf(out, ",method=\"%s\"} %.6f\n", methods[m], (double)s->wall_us[m] / 1e6);
	begin(out, "er_kv_seconds_count", s);
	er_buf_printf(out, ",method=\"%s\"} %llu\n", methods[m], (unsigned long long)total);
}

void er_metrics_kv_write(er_buf *out, const er_metrics_view *threads, unsigned n)
{
	table t = gather(threads, n);
	put_results(out, &t);
	er_metric_family(out, "er_kv_keys_total", "counter", "Keys that routines read, by where the answer was.");
	for (size_t i = 0; i < t.n; i++) {
		put(out, "er_kv_keys_total", &t.v[i], "from", "memory", t.v[i].memory);
		put(out, "er_kv_keys_total", &t.v[i], "from", "disk", t.v[i].disk);
	}
	er_metric_family(out, "er_kv_read_bytes_total", "counter", "Bytes of values and lists that routines were answered.");
	for (size_t i = 0; i < t.n; i++)
		put(out, "er_kv_read_bytes_total", &t.v[i], NULL, NULL, t.v[i].read_bytes);
	er_metric_family(out, "er_kv_written_bytes_total", "counter", "Bytes of values that routines have written.");
	for (size_t i = 0; i < t.n; i++)
		put(out, "er_kv_written_bytes_total", &t.v[i], NULL, NULL, t.v[i].written_bytes);
	er_metric_family(out, "er_kv_seconds", "histogram", "From a question to the key-value store to the head of its answer.");
	for (size_t i = 0; i < t.n; i++)
		for (unsigned m = 0; m < ER_KV_METHODS_N; m++)
			put_histogram(out, &t.v[i], (er_kv_method)m);
	er_free(t.v);
}

static uint64_t of_method(const table *t, er_kv_method m)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < t->n; i++)
		for (unsigned r = 0; r < ER_KV_RESULTS_N; r++)
			sum += t->v[i].results[m][r];
	return sum;
}

void er_metrics_kv_state(er_out *out, const er_metrics_view *threads, unsigned n)
{
	table t = gather(threads, n);
	uint64_t errors = 0, memory = 0, disk = 0, read = 0, written = 0;
	for (size_t i = 0; i < t.n; i++) {
		for (unsigned m = 0; m < ER_KV_METHODS_N; m++)
			errors += t.v[i].results[m][ER_KV_RESULT_ERROR];
		memory += t.v[i].memory;
		disk += t.v[i].disk;
		read += t.v[i].read_bytes;
		written += t.v[i].written_bytes;
	}
	er_out_u64(out, "kv_reads", of_method(&t, ER_KV_METHOD_GET) + of_method(&t, ER_KV_METHOD_MANY));
	er_out_u64(out, "kv_lists", of_method(&t, ER_KV_METHOD_LIST));
	er_out_u64(out, "kv_writes", of_method(&t, ER_KV_METHOD_PUT));
	er_out_u64(out, "kv_deletes", of_method(&t, ER_KV_METHOD_DELETE));
	er_out_u64(out, "kv_errors", errors);
	er_out_u64(out, "kv_keys_from_memory", memory);
	er_out_u64(out, "kv_keys_from_disk", disk);
	er_out_u64(out, "kv_read_bytes", read);
	er_out_u64(out, "kv_written_bytes", written);
	er_free(t.v);
}
