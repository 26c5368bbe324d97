/* Counters of one gateway thread, by routine and environment; made at the first request. Written by
 * that thread alone and read by the control thread without a lock: each word by itself is right.
 * The text is Prometheus's exposition format; labels are bounded by the routines this process has
 * ever served, versions by those that a routine's present deployments name, sites by those that
 * this process has ever served, and namespaces of the KV by those that routines have asked, of
 * which data/kv_stats.h has a most. */
#ifndef ER_GATEWAY_METRICS_H
#define ER_GATEWAY_METRICS_H

#include "base/buf.h"
#include "base/err.h"
#include "cache/cache.h"
#include "data/kv_stats.h"
#include "gateway/delay.h"
#include "gateway/server.h"
#include "gateway/tally.h"
#include "isolate/isolate.h"

enum { ER_CPU_BUCKETS = 12, ER_WALL_BUCKETS = 14 };

typedef struct er_routine_metrics {
	/* set before it is shown; never freed before the thread's metrics are */
	struct er_routine_metrics *next;
	er_slice name;        /* empty: requests that no routine took */
	uint64_t env;         /* er_env */
	er_tally *tally;      /* of a stored routine; made at its first request (atomic) */
	uint64_t requests[6]; /* by class; 0: the client left before an answer */
	/* histograms: a count for each bound and one for what is above all, and the sum in us */
	uint64_t cpu[ER_CPU_BUCKETS + 1], cpu_us;
	uint64_t wall[ER_WALL_BUCKETS + 1], wall_us;
	/* `cut`: answers that broke off, and clients that left */
	uint64_t bytes, cold_starts, cut, subrequests;
	uint64_t exceptions;
	/* instances that were ended, by reason */
	uint64_t kills[ER_ERR_COUNT_];
	uint64_t errors[ER_ERR_COUNT_]; /* answers of the node's own making */
} er_routine_metrics;

/* What the cache did with the requests of one site. */
typedef struct er_site_metrics {
	/* set before it is shown; never freed before the thread's metrics are */
	struct er_site_metrics *next;
	er_slice name;
	er_cache_stats cache;
} er_site_metrics;

typedef struct er_metrics {
	er_routine_metrics *first;                 /* atomic */
	er_routine_metrics nothing[ER_ENV_COUNT_]; /* of no routine */
	struct er_map *by_name[ER_ENV_COUNT_];     /* the thread's own */
	er_site_metrics *first_site;               /* atomic */
	struct er_map *sites;                      /* the thread's own: by name */
	er_kv_counts kv;
} er_metrics;

/* The thread's, before its first request; zeroes and makes the maps. */
void er_metrics_init(er_metrics *m);
/* When nobody reads them any more: after the control thread has let go of the thread. */
void er_metrics_fini(er_metrics *m);
/* The counters of that name, made if need be. */
er_routine_metrics *er_metrics_of(er_metrics *m, er_env env, er_slice name);
/* The same of a site, for what its requests do in the cache. */
er_cache_stats *er_metrics_site(er_metrics *m, er_slice name);
/* Counts a request in all that /metrics says of it. */
void er_metrics_finished(er_routine_metrics *r, const er_finished *f);
/* CPU of a request that was counted before its work was over. */
void er_metrics_late_cpu(er_routine_metrics *r, uint64_t cpu_us);
/* The node answered for the routine: an exception, a limit, a crash; not that the client left or
 * asked for too much. */
bool er_metrics_failed(const er_finished *f);
/* One more. Only the thread that owns the word. */
static inline void er_metrics_count(uint64_t *word)
{
	__atomic_store_n(word, *word + 1, __ATOMIC_RELAXED);
}

/* What one thread has to show. */
typedef struct er_metrics_view {
	const er_metrics *metrics;
	const er_server_stats *server;
	const er_isolate_stats *isolate;
	const er_cache_stats *cache;      /* NULL: nothing is stored, or not any more */
	const er_cache_stats *prefetches; /* likewise */
	const er_delay_stats *delay;
} er_metrics_view;

/* Finds the counters of a routine on one thread, from the control thread. Zeroed before the first
 * use. */
typedef struct er_metrics_finder {
	const er_routine_metrics *seen; /* those from here on are in the map */
	struct er_map *by_name[ER_ENV_COUNT_];
} er_metrics_finder;
/* NULL: it has had no request there. */
const er_routine_metrics *er_metrics_find(er_metrics_finder *f, const er_metrics *m, er_env env, er_slice name);
/* Frees the maps, not the counters, which are the threads'. */
void er_metrics_finder_fini(er_metrics_finder *f);

/* Of all threads: what clients asked, and what was asked to fill the cache. */
er_cache_stats er_metrics_cache(const er_metrics_view *threads, unsigned n);
er_cache_stats er_metrics_prefetches(const er_metrics_view *threads, unsigned n);
/* The same by site, sorted by name: *n of them, in the arena; the names are the threads'. */
er_site_metrics *er_metrics_sites(er_arena *a, const er_metrics_view *threads, unsigned n_threads, size_t *n);
/* Appends everything as text. `log_dropped`: lines of the access log that were lost. */
void er_metrics_write(er_buf *out, const er_metrics_view *threads, unsigned n, uint64_t log_dropped);

#endif
