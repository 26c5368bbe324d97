#include "isolate/routine.h"

#include "base/mem.h"

static er_slice own(er_slice s)
{
	return er_slice_of(er_strdup_slice(s), s.n);
}

er_routine *er_routine_new(const er_routine *like)
{
	er_routine *r = er_alloc(sizeof *r);
	*r = *like;
	r->refs = 1;
	r->name = own(like->name);
	r->version = own(like->version);
	r->source_url = own(like->source_url);
	r->env_json = own(like->env_json);
	r->allow = er_alloc(like->n_allow * sizeof *r->allow);
	er_copy(r->allow, like->allow, like->n_allow * sizeof *r->allow);
	return r;
}

er_routine *er_routine_ref(er_routine *r)
{
	__atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
	return r;
}

void er_routine_unref(er_routine *r)
{
	if (r == NULL || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	er_slice *owned[] = {&r->name, &r->version, &r->source_url, &r->env_json};
	for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
		er_free((void *)(uintptr_t)owned[i]->p);
	er_piece_drop(&r->code);
	er_piece_drop(&r->source_map);
	er_free(r->allow);
	er_free(r);
}
