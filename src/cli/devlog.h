/* What `er dev` shows of a running node: console output, exceptions, kills, a line per request.
 *
 * The node reports on gateway threads; reports are copied into a bounded queue and written by the
 * loop's thread. If routines talk faster than the terminal takes it, reports are dropped and
 * counted. Text for a person, or one JSON object a line. */
#ifndef ER_CLI_DEVLOG_H
#define ER_CLI_DEVLOG_H

#include "cli/bundler.h"
#include "cli/inspect.h"
#include "gateway/node.h"

typedef struct er_devlog er_devlog;

er_devlog *er_devlog_new(uv_loop_t *loop, bool json);
/* Before er_devlog_events: sandboxes are for this debugger, which also hears of
 * exceptions. Borrowed. */
void er_devlog_debug(er_devlog *log, er_inspector *inspector);
/* For er_node_new; the log must live until the node is freed. */
er_node_events er_devlog_events(er_devlog *log);
/* Writes what is queued and closes; freed when the loop has closed its handle. */
void er_devlog_close(er_devlog *log);

/* The rest is for the loop's thread. */
void er_devlog_ready(er_devlog *log, const er_project *p, const char *url, const char *level, const char *engine);
/* `again`: it replaces a version that runs. */
void er_devlog_built(er_devlog *log, const er_bundle *b, bool again);
/* A failed build, or a mistake in er.jsonc. `running`: an older version goes on. */
void er_devlog_failed(er_devlog *log, const er_diag *diags, size_t n, bool running);
void er_devlog_note(er_devlog *log, bool warning, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
