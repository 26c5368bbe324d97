/* Counters of one gateway thread, by routine. Written by that thread alone and read by the control thread without a lock: each word by
 * itself is right. The text is Prometheus's exposition format; labels are bounded by the routines this process has ever served. */
#ifndef ER_GATEWAY_METRICS_H
#define ER_GATEWAY_METRICS_H

#include "base/buf.h"
#include "base/err.h"
#include "gateway/server.h"
#include "isolate/isolate.h"

enum { ER_CPU_BUCKETS = 12, ER_WALL_BUCKETS = 14 };

typedef struct er_routine_metrics {
	struct er_routine_metrics *next; /* set before it is shown; never freed before the thread's metrics are */
	er_slice name;                   /* empty: requests that no routine took */
	uint64_t requests[6];            /* by class; 0: the client left before an answer */
	uint64_t cpu[ER_CPU_BUCKETS + 1], cpu_us;
	uint64_t wall[ER_WALL_BUCKETS + 1], wall_us;
	uint64_t bytes, cold_starts, cut, subrequests;
	uint64_t exceptions;
	uint64_t kills[ER_ERR_COUNT_];
	uint64_t errors[ER_ERR_COUNT_]; /* answers of the node's own making */
} er_routine_metrics;

typedef struct er_metrics {
	er_routine_metrics *first;  /* atomic */
	er_routine_metrics nothing; /* of no routine */
} er_metrics;

void er_metrics_init(er_metrics *m);
void er_metrics_fini(er_metrics *m);
/* The counters of that name, made if need be. */
er_routine_metrics *er_metrics_of(er_metrics *m, er_slice name);
void er_metrics_finished(er_routine_metrics *r, const er_finished *f);
static inline void er_metrics_count(uint64_t *word)
{
	__atomic_store_n(word, *word + 1, __ATOMIC_RELAXED);
}

/* What one thread has to show. */
typedef struct er_metrics_view {
	const er_metrics *metrics;
	const er_server_stats *server;
	const er_isolate_stats *isolate;
} er_metrics_view;

void er_metrics_write(er_buf *out, const er_metrics_view *threads, unsigned n, uint64_t log_dropped);

#endif
