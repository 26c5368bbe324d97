/* The names of the environments, in one table that is read both ways. */
#include "model/env.h"

#include "base/mem.h"

static const char *const names[] = {"production", "staging"};
_Static_assert(sizeof names / sizeof *names == ER_ENV_COUNT_, "every environment has a name");

const char *er_env_name(er_env e)
{
	ER_ASSERT((unsigned)e < ER_ENV_COUNT_);
	return names[e];
}

bool er_env_parse(er_slice name, er_env *out)
{
	for (unsigned e = 0; e < ER_ENV_COUNT_; e++) {
		if (er_slice_eq(name, er_slice_cstr(names[e]))) {
			*out = (er_env)e;
			return true;
		}
	}
	return false;
}
