/* The node's log: one line an event on standard error, as text for a person or as JSON for a machine.
 * Thread-safe: a line is one write. Never log secrets or header values of clients. */
#ifndef ER_BASE_LOG_H
#define ER_BASE_LOG_H

typedef enum er_log_level { ER_LOG_DEBUG, ER_LOG_INFO, ER_LOG_WARN, ER_LOG_ERROR } er_log_level;

/* Set once in main, before threads. */
void er_log_setup(er_log_level least, int json);
/* `room` is a short literal: "gateway", "isolate", ... */
void er_log(er_log_level level, const char *room, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
