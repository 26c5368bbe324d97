/* What the control API says when it refuses: one code from the table, a sentence for a person, the
 * field that is wrong and what would have been right. A value that its owner puts on the stack;
 * functions that check fill it and return false. */
#ifndef ER_CONTROL_PROBLEM_H
#define ER_CONTROL_PROBLEM_H

#include "base/err.h"
#include "base/jsonc.h"
#include "base/slice.h"

/* name, code, HTTP status */
#define ER_PROBLEM_TABLE(X) \
	X(NONE, "none", 200) \
	X(INVALID, "invalid", 400) \
	X(UNAUTHORIZED, "unauthorized", 401) \
	X(FORBIDDEN, "forbidden", 403) \
	X(NOT_FOUND, "not-found", 404) \
	X(METHOD, "method", 405) \
	X(CONFLICT, "conflict", 409) \
	X(TRIMMED, "trimmed", 410) \
	X(TOO_LARGE, "too-large", 413) \
	X(QUOTA, "quota", 409) \
	X(RATE_LIMITED, "rate-limited", 429) \
	X(INTERNAL, "internal", 500) \
	X(UNAVAILABLE, "unavailable", 503)

typedef enum er_problem_code {
#define X(name, code, status) ER_PROBLEM_##name,
	ER_PROBLEM_TABLE(X)
#undef X
	    ER_PROBLEM_COUNT_
} er_problem_code;

enum { ER_PROBLEM_FIELD = 160, ER_PROBLEM_TEXT = 800 };

typedef struct er_problem {
	er_problem_code code;
	char field[ER_PROBLEM_FIELD];   /* "settings.limits.cpuMs", or empty */
	char expected[ER_PROBLEM_TEXT]; /* or empty */
	char message[ER_PROBLEM_TEXT];
	char stack[ER_PROBLEM_TEXT]; /* where code that does not load threw, a frame a line; or empty */
	uint64_t first_sequence;     /* TRIMMED: where the change log begins now */
	const char *role;            /* FORBIDDEN: that is needed; NULL: it is not the role */
	bool confined;               /* FORBIDDEN: the token is confined to other routines or hosts */
	/* where in the JSON text it stands: [at, end); 0, 0: it was not said */
	size_t at, end;
} er_problem;

const char *er_problem_name(er_problem_code code);
int er_problem_status(er_problem_code code);

/* Fills *p and returns false. `expected` may be NULL. */
bool er_refuse(er_problem *p, er_problem_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same with the field and what was expected. */
bool er_refuse_field(er_problem *p, er_slice field, const char *expected, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* FORBIDDEN: the caller's role is too small. */
bool er_refuse_role(er_problem *p, const char *needed, const char *had);
/* FORBIDDEN: the caller's token is confined, and this is outside of it. */
bool er_refuse_confined(er_problem *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Says where: at this value. Returns false. */
bool er_refuse_at(er_problem *p, const er_json *v);
/* What the store said, in the API's codes. */
bool er_refuse_err(er_problem *p, const er_err *err);

#endif
