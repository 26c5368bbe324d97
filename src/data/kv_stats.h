/* What routines do with the KV, counted by routine, environment and namespace, for one gateway
 * thread. That thread alone writes, word by word; the control thread reads without a lock, so each
 * word by itself is right (gateway/metrics.h has the same rule).
 *
 * A record is made at the first question and never goes before the counts do. There are at most
 * ER_KV_STATS_MOST; what comes later is counted in one record without names. */
#ifndef ER_DATA_KV_STATS_H
#define ER_DATA_KV_STATS_H

#include "http/exchange.h"

enum { ER_KV_STATS_MOST = 4096, ER_KV_BUCKETS = 10, ER_KV_STATS_KEY = 160 };

/* name, the word of the metrics. */
#define ER_KV_METHODS(X) \
	X(GET, "get") \
	X(MANY, "get-many") \
	X(PUT, "put") \
	X(DELETE, "delete") \
	X(LIST, "list")

typedef enum er_kv_method {
#define X(name, word) ER_KV_METHOD_##name,
	ER_KV_METHODS(X)
#undef X
	    ER_KV_METHODS_N
} er_kv_method;

/* How a question ended: `none`: there is no such key; `cancelled`: nobody waited for the answer any
 * more. */
#define ER_KV_RESULTS(X) \
	X(OK, "ok") \
	X(NONE, "none") \
	X(ERROR, "error") \
	X(CANCELLED, "cancelled")

typedef enum er_kv_result {
#define X(name, word) ER_KV_RESULT_##name,
	ER_KV_RESULTS(X)
#undef X
	    ER_KV_RESULTS_N
} er_kv_result;

typedef struct er_kv_stats {
	/* set before it is shown */
	struct er_kv_stats *next;
	er_slice routine, name; /* of the namespace */
	uint64_t environment;   /* as the routine's owner counts them */
	/* from here on counters, and nothing else */
	uint64_t results[ER_KV_METHODS_N][ER_KV_RESULTS_N];
	/* keys of GET and MANY that memory had, and those that the disk was asked for */
	uint64_t memory, disk;
	/* of values and lists that were answered; of values that were written */
	uint64_t read_bytes, written_bytes;
	/* from the question to the head of its answer; the last bucket is above all bounds */
	uint64_t wall[ER_KV_METHODS_N][ER_KV_BUCKETS + 1], wall_us[ER_KV_METHODS_N];
} er_kv_stats;

typedef struct er_kv_counts {
	er_kv_stats *first;     /* atomic */
	struct er_map *by_name; /* the thread's own */
	size_t n;
	er_kv_stats rest; /* of those beyond the most */
} er_kv_counts;

/* Zeroes, and makes the map. */
void er_kv_counts_init(er_kv_counts *c);
/* When nobody reads them any more. */
void er_kv_counts_fini(er_kv_counts *c);

/* The exchange is a question of the KV: from now on it is counted (x->data.counts). */
void er_kv_counts_ask(er_kv_counts *c, er_exchange *x, er_slice name, er_kv_method method);
/* It is over, or its answer has its head. A question that is not counted is fine. */
void er_kv_counts_end(const er_exchange *x, er_kv_result result);
/* A key was looked up; bytes of values or lists were answered; of values were written.
 * NULL is fine.
 */
void er_kv_counts_key(er_kv_stats *s, bool in_memory);
void er_kv_counts_read(er_kv_stats *s, uint64_t bytes);
void er_kv_counts_written(er_kv_stats *s, uint64_t bytes);

/* ER_KV_BUCKETS upper bounds, in microseconds. */
const uint64_t *er_kv_bounds(void);
/* What a record is found by: environment, routine and namespace, in `out`. */
er_slice er_kv_stats_key(uint8_t out[static ER_KV_STATS_KEY], uint64_t environment, er_slice routine, er_slice name);

#endif
