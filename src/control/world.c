/* What every environment runs, in memory (world.h): an array of routines sorted by name. At the
 * start the store is read once for all of them; after that er_control_apply has a routine read
 * again when a change touched it (er_world_refresh), or notes that what it is started with is
 * another one (er_world_touch). So the world is what the store says, at the end of every change.
 *
 * A routine is freed and made anew when it is read again; who holds one must not hold it across a
 * change. Its texts are one block of memory (own). What lives longer than one reading (secrets for
 * the tail, the revisions of variables) moves over to the new one (put_in).
 *
 * A revision says to the gateway whether an object may be kept: it is the sequence of the last
 * change of deployment, variables or addresses. */
#include "control/world.h"

#include "base/mem.h"

#include <stdlib.h>

struct er_world {
	er_store *store;
	er_world_routine **v; /* sorted by name */
	size_t n, cap;
};

/* Where the name is or would be. */
static size_t place(const er_world *w, er_slice name, bool *there)
{
	size_t low = 0, high = w->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (er_slice_compare(w->v[mid]->name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	ER_ASSERT(low <= w->n);
	*there = low < w->n && er_slice_eq(w->v[low]->name, name);
	return low;
}

/* With its secrets, which are wiped. */
static void free_routine(er_world_routine *r)
{
	for (int e = 0; e < ER_ENV_COUNT_; e++) {
		if (r->env[e] != NULL) {
			er_secrets_free(r->env[e]->secrets);
			er_secrets_free(r->env[e]->before);
		}
		er_free(r->env[e]);
	}
	er_free(r->text);
	er_free(r->allow);
	er_free(r);
}

static int versions_in(const er_world_env *env)
{
	return env->row.split.version[1] != 0 ? 2 : 1;
}

/* Settings and names come in one block of memory: an idle routine should cost next to nothing. */
static void own(er_world_routine *r)
{
	size_t n = r->name.n + 1;
	for (int e = 0; e < ER_ENV_COUNT_; e++) {
		const er_world_env *env = r->env[e];
		n += env != NULL ? env->row.actor.n + env->row.reason.n : 0;
		for (int i = 0; env != NULL && i < versions_in(env); i++)
			n += env->version[i].settings.n;
	}
	uint8_t *to = r->text = er_alloc(n);
	er_move_in(&to, &r->name);
	for (int e = 0; e < ER_ENV_COUNT_; e++) {
		er_world_env *env = r->env[e];
		if (env == NULL)
			continue;
		env->row.routine = r->name;
		er_move_in(&to, &env->row.actor);
		er_move_in(&to, &env->row.reason);
		for (int i = 0; i < versions_in(env); i++)
			er_move_in(&to, &env->version[i].settings);
	}
}

/* The settings are borrowed from the row until `own` moves them in. */
static er_snapshot_version version_of(const er_version_row *row)
{
	return (er_snapshot_version){.number = row->number,
	                             .code = row->code,
	                             .source_map = row->source_map,
	                             .assets = row->assets,
	                             .has_assets = row->assets_files > 0,
	                             .code_n = row->code_n,
	                             .map_n = row->map_n,
	                             .settings = row->settings};
}

/* What is no range any more to this program is allowed no more. */
static void take_addresses(er_world_routine *r, const er_address_row *rows, size_t n)
{
	ER_ASSERT(r->allow == NULL && r->n_allow == 0);
	if (n == 0)
		return;
	r->allow = er_alloc(n * sizeof *r->allow);
	for (size_t i = 0; i < n; i++)
		r->n_allow += er_cidr_parse_service(rows[i].range, &r->allow[r->n_allow]);
}

/* From the rows of this routine alone. */
static er_world_routine *make(er_slice name, const er_version_row *versions, size_t n, const er_deployment_row *now, size_t n_now)
{
	er_world_routine *r = ER_NEW(er_world_routine);
	ER_ASSERT(n > 0);
	*r = (er_world_routine){.name = name, .born = versions[0].born, .n_versions = (uint32_t)n};
	for (size_t i = 0; i < n; i++)
		if (versions[i].number > r->newest)
			r->newest = versions[i].number;
	for (size_t i = 0; i < n_now; i++) {
		ER_ASSERT(now[i].split.version[0] != 0 && (unsigned)now[i].env < ER_ENV_COUNT_);
		size_t in = now[i].split.version[1] != 0 ? 2 : 1;
		er_world_env *env = er_zalloc(sizeof *env + in * sizeof *env->version);
		env->row = now[i];
		env->revision = now[i].sequence;
		for (size_t k = 0; k < n; k++)
			for (size_t s = 0; s < in; s++)
				if (versions[k].number == now[i].split.version[s])
					env->version[s] = version_of(&versions[k]);
		r->env[now[i].env] = env;
	}
	own(r);
	return r;
}

/* In its place, or instead of the one that has it. Takes r. */
static void put_in(er_world *w, er_world_routine *r)
{
	bool there;
	size_t at = place(w, r->name, &there);
	if (there) {
		ER_ASSERT(w->v != NULL && at < w->n);
		for (int e = 0; e < ER_ENV_COUNT_; e++) {
			er_world_env *old = w->v[at]->env[e], *new = r->env[e];
			if (new == NULL || old == NULL)
				continue;
			if (old->revision > new->revision)
				new->revision = old->revision;
			new->env_revision = old->env_revision;
			new->secrets = old->secrets;
			new->before = old->before;
			old->secrets = old->before = NULL;
		}
		free_routine(w->v[at]);
		w->v[at] = r;
		return;
	}
	if (w->n == w->cap) {
		w->cap = w->cap > 0 ? w->cap * 2 : 64;
		w->v = er_realloc(w->v, w->cap * sizeof *w->v);
	}
	ER_ASSERT(at <= w->n && w->n < w->cap);
	memmove(&w->v[at + 1], &w->v[at], (w->n - at) * sizeof *w->v);
	w->v[at] = r;
	w->n++;
}

static void take_out(er_world *w, er_slice name)
{
	bool there;
	size_t at = place(w, name, &there);
	if (!there)
		return;
	ER_ASSERT(at < w->n);
	free_routine(w->v[at]);
	w->n--;
	memmove(&w->v[at], &w->v[at + 1], (w->n - at) * sizeof *w->v);
}

/* What the store has of one routine, or of all if none is named. In the arena. */
typedef struct stored {
	er_version_row *versions;
	er_deployment_row *now;
	er_address_row *addresses;
	size_t n_versions, n_now, n_addresses;
} stored;

static bool read_rows(er_store *store, er_arena *a, er_slice routine, stored *out, er_err *err)
{
	return er_store_versions(store, a, routine, &out->versions, &out->n_versions, err) &&
	       er_store_current(store, a, routine, &out->now, &out->n_now, err) &&
	       er_store_addresses(store, a, routine, &out->addresses, &out->n_addresses, err);
}

bool er_world_refresh(er_world *w, er_slice routine, er_err *err)
{
	er_arena a;
	stored of;
	er_arena_init(&a);
	bool ok = read_rows(w->store, &a, routine, &of, err);
	if (ok && of.n_versions > 0) {
		er_world_routine *r = make(routine, of.versions, of.n_versions, of.now, of.n_now);
		take_addresses(r, of.addresses, of.n_addresses);
		put_in(w, r);
	} else if (ok) {
		take_out(w, routine);
	}
	er_arena_fini(&a);
	return ok;
}

void er_world_touch(er_world *w, er_slice routine, er_env env, uint64_t sequence)
{
	er_world_routine *r = er_world_find(w, routine);
	er_world_env *in = r != NULL ? r->env[env] : NULL;
	if (in == NULL)
		return;
	ER_ASSERT(sequence >= in->revision);
	in->revision = in->env_revision = sequence;
	if (in->secrets != NULL) {
		er_secrets_free(in->before);
		in->before = in->secrets;
	}
	in->secrets = NULL;
}

er_world_routine *er_world_find(const er_world *w, er_slice routine)
{
	bool there;
	size_t at = place(w, routine, &there);
	return there ? w->v[at] : NULL;
}

er_world_routine *const *er_world_all(const er_world *w, size_t *n)
{
	ER_ASSERT(n != NULL);
	*n = w->n;
	return w->v;
}

size_t er_world_after(const er_world *w, er_slice name)
{
	bool there;
	size_t at = place(w, name, &there);
	return at + there;
}

static int versions_by_routine(const void *a, const void *b)
{
	return er_slice_compare(((const er_version_row *)a)->routine, ((const er_version_row *)b)->routine);
}

static int deployments_by_routine(const void *a, const void *b)
{
	return er_slice_compare(((const er_deployment_row *)a)->routine, ((const er_deployment_row *)b)->routine);
}

/* All at once: the store is walked twice, however many routines there are. */
static void take_all(er_world *w, er_version_row *versions, size_t n, er_deployment_row *now, size_t n_now)
{
	size_t k = 0;
	qsort(versions, n, sizeof *versions, versions_by_routine);
	qsort(now, n_now, sizeof *now, deployments_by_routine);
	for (size_t i = 0; i < n;) {
		er_slice name = versions[i].routine;
		size_t end = i, from;
		while (end < n && er_slice_eq(versions[end].routine, name))
			end++;
		while (k < n_now && er_slice_compare(now[k].routine, name) < 0)
			k++;
		from = k;
		while (k < n_now && er_slice_eq(now[k].routine, name))
			k++;
		put_in(w, make(name, versions + i, end - i, now + from, k - from));
		i = end;
	}
}

/* They come by routine. */
static void take_all_addresses(er_world *w, const er_address_row *rows, size_t n)
{
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i; end < n && er_slice_eq(rows[end].routine, rows[i].routine);)
			end++;
		er_world_routine *r = er_world_find(w, rows[i].routine);
		if (r != NULL)
			take_addresses(r, rows + i, end - i);
	}
}

er_world *er_world_new(er_store *store, er_err *err)
{
	er_world *w = ER_NEW(er_world);
	er_arena a;
	stored of;
	*w = (er_world){.store = store};
	er_arena_init(&a);
	bool ok = read_rows(store, &a, (er_slice){0}, &of, err);
	if (ok) {
		take_all(w, of.versions, of.n_versions, of.now, of.n_now);
		take_all_addresses(w, of.addresses, of.n_addresses);
	}
	er_arena_fini(&a);
	if (ok)
		return w;
	er_world_free(w);
	return NULL;
}

void er_world_free(er_world *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->n; i++)
		free_routine(w->v[i]);
	er_free(w->v);
	er_free(w);
}
