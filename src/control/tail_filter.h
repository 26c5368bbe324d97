/* Which events somebody wants to see, and how one is written. */
#ifndef ER_CONTROL_TAIL_FILTER_H
#define ER_CONTROL_TAIL_FILTER_H

#include "control/internal.h"

enum { ER_TAIL_STATUSES = 8 };

/* All conditions hold together; what was not asked for passes. */
typedef struct er_tail_filter {
	er_slice *routines; /* those the token is confined to; n_routines 0: all */
	size_t n_routines;
	er_slice routine;
	bool has_env;
	er_env env;
	struct {
		int from, to;
	} status[ER_TAIL_STATUSES];
	size_t n_status; /* any: only requests have one, so nothing else passes */
	er_slice method, path, search;
	unsigned kinds;    /* bit of each er_tail_kind */
	uint32_t sampling; /* of 2^32 - 1: all */
} er_tail_filter;

/* From the query; slices live in a. False: call->problem. */
ER_MUST_CHECK bool er_tail_filter_read(er_call *call, er_arena *a, er_tail_filter *out);
bool er_tail_filter_passes(const er_tail_filter *f, const er_tail_event *e);
/* One JSON object. */
void er_tail_write(er_out *o, const char *key, const er_tail_event *e);

#endif
