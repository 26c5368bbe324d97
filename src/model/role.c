/* The names of the roles. */
#include "model/role.h"

#include "base/mem.h"

static const char *const role_names[] = {"read", "deploy", "admin"};
_Static_assert(sizeof role_names / sizeof *role_names == ER_ROLE_COUNT_, "every role has a name");

const char *er_role_name(er_role r)
{
	ER_ASSERT((unsigned)r < ER_ROLE_COUNT_);
	return role_names[r];
}

bool er_role_parse(er_slice name, er_role *out)
{
	for (unsigned r = 0; r < ER_ROLE_COUNT_; r++) {
		if (er_slice_eq(name, er_slice_cstr(role_names[r]))) {
			*out = (er_role)r;
			return true;
		}
	}
	return false;
}
