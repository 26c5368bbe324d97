/* The node's log: one line an event on standard error, as text for a person or as JSON for a
 * machine. Thread-safe, and whole: no line is cut by another, of this process or one that shares a
 * pipe with it (up to 4 KB). Never log secrets or header values of clients. */
#ifndef ER_BASE_LOG_H
#define ER_BASE_LOG_H

#include "base/err.h"

typedef enum er_log_level { ER_LOG_DEBUG, ER_LOG_INFO, ER_LOG_WARN, ER_LOG_ERROR } er_log_level;

enum { ER_LOG_BEHIND_MAX = 4 * 1024 * 1024 }; /* bytes that may wait to be written */

/* Set once in main, before threads. */
void er_log_setup(er_log_level least, int json);
/* `room` is a short literal: "gateway", "isolate", ... */
void er_log(er_log_level level, const char *room, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* From now on a thread writes, and whoever logs never waits for standard error: its reader may be
 * slow, or stopped, and routines decide how much is said. What is more than ER_LOG_BEHIND_MAX
 * behind is dropped, and how many lines that were is said when the reader goes on. A forked process
 * writes by itself, as before. */
ER_MUST_CHECK bool er_log_start(er_err *err);
/* Writes what waits, for two seconds at most, and ends the thread. Nothing happens if there is
 * none. */
void er_log_stop(void);

#endif
