/* What /metrics and the status of a node say of the KV: the counts of all gateway threads
 * (data/kv_stats.h) together. For the control thread. */
#ifndef ER_GATEWAY_METRICS_KV_H
#define ER_GATEWAY_METRICS_KV_H

#include "base/json_out.h"
#include "gateway/metrics.h"

/* Appends everything as text. */
void er_metrics_kv_write(er_buf *out, const er_metrics_view *threads, unsigned n);
/* The sums over all routines, as members kv_... of the object that is open. */
void er_metrics_kv_state(er_out *out, const er_metrics_view *threads, unsigned n);

#endif
