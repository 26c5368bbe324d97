/* The names of the profiles. */
#include "model/profile.h"

const char *er_profile_name(enum er_profile p)
{
	return p == ER_PROFILE_HARDENED ? "hardened" : "standard";
}

bool er_profile_parse(er_slice name, enum er_profile *out)
{
	for (enum er_profile p = ER_PROFILE_STANDARD; p <= ER_PROFILE_HARDENED; p++)
		if (er_slice_eq(name, er_slice_cstr(er_profile_name(p)))) {
			*out = p;
			return true;
		}
	return false;
}
