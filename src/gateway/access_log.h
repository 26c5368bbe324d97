/* The access log: one JSON line a request, gathered per thread and written by a thread of its own,
 * so that a slow disk never holds up a request. When it falls behind by more than 16 MB, records
 * are dropped and counted. */
#ifndef ER_GATEWAY_ACCESS_LOG_H
#define ER_GATEWAY_ACCESS_LOG_H

#include "base/buf.h"
#include "gateway/server.h"

typedef struct er_access_log er_access_log;

/* "-": standard output. NULL: nowhere, for now. */
er_access_log *er_access_log_open(const char *path, er_err *err);
/* Goes on in another file, or in a new one of the same name (after rotation). On failure nothing
 * changes. */
ER_MUST_CHECK bool er_access_log_reopen(er_access_log *log, const char *path, er_err *err);
/* Writes what is there, ends the thread, closes. */
void er_access_log_close(er_access_log *log);
/* Takes the bytes of `lines` and leaves it empty. Any thread. */
void er_access_log_submit(er_access_log *log, er_buf *lines, uint64_t n_lines);
uint64_t er_access_log_dropped(const er_access_log *log);
/* Appends the record of a request as a JSON line. Returns where in `line` the figure of its CPU
 * begins. */
size_t er_access_log_record(er_buf *line, const er_finished *f);
/* Appends a line that was made before the figure was known, with it. `running`: more may come. */
void er_access_log_settle(er_buf *out, er_slice line, size_t cpu_at, uint64_t cpu_us, bool running);

#endif
