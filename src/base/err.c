#include "base/err.h"

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
	return (unsigned)kind < ER_ERR_COUNT_ ? names[kind] : "unknown";
}

bool er_fail(er_err *err, er_err_kind kind, const char *fmt, ...)
{
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
	int saved = errno;
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
