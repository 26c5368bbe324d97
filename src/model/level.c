/* The names of the levels. */
#include "model/level.h"

const char *er_level_name(er_level level)
{
	switch (level) {
	case ER_LEVEL_FULL:
		return "full";
	case ER_LEVEL_NO_USERNS:
		return "no-userns";
	case ER_LEVEL_SECCOMP_ONLY:
		return "seccomp-only";
	case ER_LEVEL_NONE:
	default:
		return "none";
	}
}

bool er_level_parse(er_slice name, er_level *out)
{
	for (er_level l = ER_LEVEL_SECCOMP_ONLY; l <= ER_LEVEL_FULL; l++)
		if (er_slice_eq(name, er_slice_cstr(er_level_name(l)))) {
			*out = l;
			return true;
		}
	return false;
}
