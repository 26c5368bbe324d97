/* Refusals (problem.h). All of them are made here, so that each has a code of the table and a
 * sentence, and texts that are too long are cut and not lost.
 *
 * An er_problem is the caller's, usually the call's, and holds its texts itself: nothing has to be
 * freed, and a refusal may be made from slices that are gone a moment later. The functions give
 * false, so that `return er_refuse(...)` refuses and leaves. */
#include "control/problem.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

const char *er_problem_name(er_problem_code code)
{
	static const char *const names[] = {
#define X(name, text, status) text,
	    ER_PROBLEM_TABLE(X)
#undef X
	};
	_Static_assert(sizeof names / sizeof *names == ER_PROBLEM_COUNT_, "every code has a name");
	ER_ASSERT((unsigned)code < ER_PROBLEM_COUNT_);
	return names[code];
}

int er_problem_status(er_problem_code code)
{
	static const int statuses[] = {
#define X(name, text, status) status,
	    ER_PROBLEM_TABLE(X)
#undef X
	};
	_Static_assert(sizeof statuses / sizeof *statuses == ER_PROBLEM_COUNT_, "every code has a status");
	ER_ASSERT((unsigned)code < ER_PROBLEM_COUNT_);
	return statuses[code];
}

bool er_refuse(er_problem *p, er_problem_code code, const char *fmt, ...)
{
	va_list ap;
	ER_ASSERT(code != ER_PROBLEM_NONE && (unsigned)code < ER_PROBLEM_COUNT_);
	*p = (er_problem){.code = code};
	va_start(ap, fmt);
	vsnprintf(p->message, sizeof p->message, fmt, ap);
	va_end(ap);
	return false;
}

bool er_refuse_field(er_problem *p, er_slice field, const char *expected, const char *fmt, ...)
{
	va_list ap;
	*p = (er_problem){.code = ER_PROBLEM_INVALID};
	snprintf(p->field, sizeof p->field, "%.*s", ER_FMT(field));
	if (expected != NULL)
		snprintf(p->expected, sizeof p->expected, "%s", expected);
	va_start(ap, fmt);
	vsnprintf(p->message, sizeof p->message, fmt, ap);
	va_end(ap);
	return false;
}

bool er_refuse_role(er_problem *p, const char *needed, const char *had)
{
	er_refuse(p, ER_PROBLEM_FORBIDDEN, "this needs the role \"%s\", and the token has \"%s\"", needed, had);
	p->role = needed;
	return false;
}

bool er_refuse_confined(er_problem *p, const char *fmt, ...)
{
	va_list ap;
	*p = (er_problem){.code = ER_PROBLEM_FORBIDDEN, .confined = true};
	va_start(ap, fmt);
	vsnprintf(p->message, sizeof p->message, fmt, ap);
	va_end(ap);
	return false;
}

bool er_refuse_at(er_problem *p, const er_json *v)
{
	ER_ASSERT(p->code != ER_PROBLEM_NONE && v->at <= v->end);
	p->at = v->at;
	p->end = v->end;
	return false;
}

bool er_refuse_err(er_problem *p, const er_err *err)
{
	er_problem_code code;
	ER_ASSERT(err != NULL);
	switch (err->kind) {
	case ER_ERR_INVALID:
		code = ER_PROBLEM_INVALID;
		break;
	case ER_ERR_NO_ROUTE:
		code = ER_PROBLEM_NOT_FOUND;
		break;
	case ER_ERR_CONFLICT:
		code = ER_PROBLEM_CONFLICT;
		break;
	case ER_ERR_TOO_LARGE:
		code = ER_PROBLEM_QUOTA;
		break;
	case ER_ERR_IO:
	case ER_ERR_UNAVAILABLE:
	case ER_ERR_TIMEOUT:
		code = ER_PROBLEM_UNAVAILABLE;
		break;
	default:
		code = ER_PROBLEM_INTERNAL;
		break;
	}
	return er_refuse(p, code, "%s", err->text[0] != '\0' ? err->text : "it failed, and nothing says why");
}
