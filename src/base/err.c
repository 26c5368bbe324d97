/* Errors: the names of the kinds, and the two functions that fill an er_err of the caller's. A
 * sentence that is longer than er_err.text is cut; nothing is allocated, so that also an error
 * about memory can be told. Any thread. */
#include "base/err.h"

#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *er_err_name(er_err_kind kind)
{
	static const char *const names[] = {
#define X(name, text) text,
	    ER_ERR_TABLE(X)
#undef X
	};
	static_assert(sizeof names / sizeof *names == ER_ERR_COUNT_, "a name for each kind");
	return (unsigned)kind < ER_ERR_COUNT_ ? names[kind] : "unknown";
}

const char *er_err_unit(er_err_kind limit)
{
	return limit == ER_ERR_CPU ? "_us" : limit == ER_ERR_MEMORY ? "_kb" : limit == ER_ERR_TIMEOUT ? "_ms" : "";
}

bool er_fail(er_err *err, er_err_kind kind, const char *fmt, ...)
{
	ER_ASSERT(kind != ER_ERR_OK && (unsigned)kind < ER_ERR_COUNT_);
	if (err == NULL)
		return false;
	va_list ap;
	va_start(ap, fmt);
	err->kind = kind;
	vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	return false;
}

bool er_fail_errno(er_err *err, er_err_kind kind, const char *fmt, ...)
{
	int saved = errno; /* vsnprintf may change it */
	ER_ASSERT(kind != ER_ERR_OK && (unsigned)kind < ER_ERR_COUNT_);
	if (err == NULL)
		return false;
	va_list ap;
	va_start(ap, fmt);
	err->kind = kind;
	int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof err->text)
		snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", strerror(saved));
	return false;
}
