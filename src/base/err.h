/* Errors are values: a kind from the one table below, and a sentence for a person that says what
 * happened and, where it can, what to do next. Functions that can fail return er_status and fill an
 * er_err that the caller owns. */
#ifndef ER_BASE_ERR_H
#define ER_BASE_ERR_H

#include <stdbool.h>

/* name, text. The text is what a log or an `er-error` header calls it. */
#define ER_ERR_TABLE(X) \
	X(OK, "ok") \
	X(INTERNAL, "internal") \
	X(INVALID, "invalid") \
	X(IO, "io") \
	X(SYSTEM, "system") \
	X(TIMEOUT, "timeout") \
	X(TOO_LARGE, "too-large") \
	X(UNAVAILABLE, "unavailable") \
	X(CANCELLED, "cancelled") \
	X(CLIENT_GONE, "client-gone") \
	X(EXCEPTION, "exception") \
	X(CPU, "cpu") \
	X(MEMORY, "memory") \
	X(CODE_SIZE, "code-size") \
	X(SUBREQUESTS, "subrequests") \
	X(CRASH, "crash") \
	X(PROTOCOL, "protocol") \
	X(SUSPENDED, "suspended") \
	X(REFUSED_ADDRESS, "refused-address") \
	X(DNS, "dns") \
	X(CONNECT, "connect") \
	X(TLS, "tls") \
	X(RESPONSE, "bad-response") \
	X(NO_ROUTE, "no-route") \
	X(CONFLICT, "conflict") \
	X(HEADER, "bad-header") \
	X(REFUSED_PORT, "refused-port") \
	X(BEHIND, "behind") \
	X(HUNG, "hung")

typedef enum er_err_kind {
#define X(name, text) ER_ERR_##name,
	ER_ERR_TABLE(X)
#undef X
	    ER_ERR_COUNT_
} er_err_kind;

typedef struct er_err {
	er_err_kind kind;
	char text[512];
} er_err;

#define ER_MUST_CHECK __attribute__((warn_unused_result))

/* The kind's text in the table: "cpu", "memory", ...; "unknown" for a number that is no kind, since
 * kinds also come out of frames that a sandbox wrote. */
const char *er_err_name(er_err_kind kind);
/* The end of a JSON member's name that says how much of this limit was used: "_us" (microseconds),
 * "_kb", "_ms", or "" for a count. */
const char *er_err_unit(er_err_kind limit);
/* Fills *err (may be NULL) and returns false, so that `return er_fail(err, ...)` reads well. `kind`
 * is not OK. */
bool er_fail(er_err *err, er_err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same, with ": strerror(errno)" at the end. */
bool er_fail_errno(er_err *err, er_err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
