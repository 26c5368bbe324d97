/* What a process and its machine have to say about themselves, as Prometheus's own libraries call
 * it (process_...), and the listening queues. Read when somebody asks; nothing is kept. */
#ifndef ER_GATEWAY_VITALS_H
#define ER_GATEWAY_VITALS_H

#include "base/buf.h"

typedef struct er_vitals {
	double cpu_s;
	uint64_t resident, virtual_size; /* bytes */
	uint64_t fds, fds_max;
	/* connections that found a listening queue full, of everybody in this network namespace since
	 * it began */
	uint64_t overflows;
} er_vitals;

/* Reads files of /proc, so not for a thread that serves. */
void er_vitals_read(er_vitals *v);
/* Of a listening socket: how many wait to be accepted, and how many may. False: this kernel does
 * not tell. */
bool er_vitals_queue(int fd, uint32_t *waiting, uint32_t *most);

/* "# HELP", "# TYPE" and, with put_*, the value of a metric without labels. */
void er_metric_family(er_buf *out, const char *name, const char *type, const char *help);
/* A metric without labels, whole: help, type, and its one value. */
void er_metric_u64(er_buf *out, const char *name, const char *type, const char *help, uint64_t v);
void er_metric_double(er_buf *out, const char *name, const char *type, const char *help, double v);
/* A label's value, escaped. */
void er_metric_label(er_buf *out, er_slice value);

/* process_* and er_listen_overflows_total. */
void er_vitals_write(er_buf *out, uint64_t started_wall_us);

#endif
