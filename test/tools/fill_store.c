/* Fills a store with N routines of V versions each, all deployed in production (the last version)
 *   and every tenth in staging as well: fill-store DIR N V
 * For tests and figures of a node that knows very many routines. */
#include "base/arena.h"
#include "base/mem.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 500 };

static void add(er_arena *a, er_change *out, size_t *n, unsigned routine, unsigned versions)
{
	er_slice name = er_arena_printf(a, "r%u", routine);
	er_change like = {.actor = ER_LIT("fill-store"), .routine = name, .reason = ER_LIT("deploy")};
	for (unsigned v = 1; v <= versions; v++) {
		er_change *c = &out[(*n)++];
		*c = like;
		c->kind = ER_CHANGE_VERSION_ADD;
		c->version.code = er_arena_printf(
		    a, "addEventListener('fetch', e => e.respondWith(new Response('routine %u, version %u')))", routine, v);
		c->version.settings = er_arena_printf(a, "{\"limits\":{\"cpuMs\":50},\"routes\":[\"r%u.example/*\"]}", routine);
	}
	for (er_env e = 0; e < (routine % 10 == 0 ? ER_ENV_COUNT_ : 1); e++) {
		er_change *c = &out[(*n)++];
		*c = like;
		c->kind = ER_CHANGE_DEPLOY;
		c->env = e;
		c->split = (er_split){.version = {versions, 0}, .percent = 100};
	}
}

int main(int argc, char **argv)
{
	unsigned routines = argc == 4 ? (unsigned)atoi(argv[2]) : 0, versions = argc == 4 ? (unsigned)atoi(argv[3]) : 0;
	er_err err = {0};
	if (routines == 0 || versions == 0) {
		fprintf(stderr, "fill-store DIR ROUTINES VERSIONS\n");
		return 2;
	}
	er_store_options so = {.dir = argv[1]};
	er_store *s = er_store_open(&so, &err);
	er_change *changes = er_alloc((size_t)BATCH * (versions + ER_ENV_COUNT_) * sizeof *changes);
	bool ok = s != NULL;
	for (unsigned r = 0; ok && r < routines;) {
		er_arena a;
		size_t n = 0;
		er_arena_init(&a);
		for (unsigned i = 0; i < BATCH && r < routines; i++)
			add(&a, changes, &n, r++, versions);
		er_applied applied;
		ok = er_store_apply(s, changes, n, &applied, &err);
		er_arena_fini(&a);
	}
	if (!ok)
		fprintf(stderr, "fill-store: %s\n", err.text);
	er_free(changes);
	er_store_close(s);
	return ok ? 0 : 1;
}
