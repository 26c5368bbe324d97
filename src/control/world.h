/* What every environment runs, in memory: read from the store at start, and again for one routine
 * when a change touched it. So the gateway's picture and the lists of the API cost no walk through
 * ten thousand routines in the database. Control thread. */
#ifndef ER_CONTROL_WORLD_H
#define ER_CONTROL_WORLD_H

#include "control/control.h"
#include "control/redact.h"

typedef struct er_world er_world;

/* What one environment of a routine runs. */
typedef struct er_world_env {
	er_deployment_row row;           /* slices are the world's own */
	uint64_t revision, env_revision; /* of er_snapshot_routine */
	er_secrets *secrets;             /* for the tail; NULL: not read yet */
	/* those before the last change: what still runs may say them */
	er_secrets *before;
	er_snapshot_version version[]; /* one, or two with a split */
} er_world_env;

typedef struct er_world_routine {
	er_slice name;
	uint64_t born; /* of er_version_row */
	uint32_t n_versions, newest;
	er_world_env *env[ER_ENV_COUNT_]; /* NULL: it runs nothing of it */
	er_cidr *allow;                   /* private addresses that an administrator allowed it */
	size_t n_allow;
	uint8_t *text; /* what the slices point into */
} er_world_routine;

/* Reads all of it from the store, which it borrows. NULL: *err. */
er_world *er_world_new(er_store *store, er_err *err);
void er_world_free(er_world *w);
/* Reads one routine again: it may be new, changed or gone. */
ER_MUST_CHECK bool er_world_refresh(er_world *w, er_slice routine, er_err *err);
/* What it is started with in that environment changed at that sequence: variables, secrets,
 * addresses. */
void er_world_touch(er_world *w, er_slice routine, er_env env, uint64_t sequence);
/* NULL: there is none. */
er_world_routine *er_world_find(const er_world *w, er_slice routine);
/* All, sorted by name. */
er_world_routine *const *er_world_all(const er_world *w, size_t *n);
/* The first one after that name in the order. */
size_t er_world_after(const er_world *w, er_slice name);

#endif
