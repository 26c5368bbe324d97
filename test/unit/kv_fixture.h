/* A store with one namespace, "ns": what the tests of KV begin with. */
#ifndef ER_TEST_KV_FIXTURE_H
#define ER_TEST_KV_FIXTURE_H

#include "store_harness.h"

typedef struct fixture {
	char *dir;
	er_store *s;
	er_arena a;
	er_err err;
} fixture;

static inline int setup(void **state)
{
	fixture *f = ER_NEW(fixture);
	f->dir = harness_dir();
	f->s = harness_open_dir(f->dir);
	er_arena_init(&f->a);
	apply(f->s, change_named(ER_CHANGE_NAMESPACE_ADD, "", "ns", ""));
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	fixture *f = *state;
	er_store_close(f->s);
	er_arena_fini(&f->a);
	harness_remove(f->dir);
	er_free(f);
	return 0;
}

#endif
