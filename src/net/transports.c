/* The kinds of transports by their names. */
#include "net/transport.h"

static const er_transport_kind *const kinds[] = {
#define X(name) &er_transport_##name,
    ER_TRANSPORTS(X)
#undef X
};

const er_transport_kind *er_transport_find(er_slice name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (er_slice_eq(name, er_slice_cstr(kinds[i]->name)))
			return kinds[i];
	return NULL;
}

const char *er_transport_names(void)
{
#define X(name) ", " #name
	static const char names[] = ER_TRANSPORTS(X);
#undef X
	return names + 2;
}
