/* A routine version and its code (routine.h). The routine is counted with atomics, for every
 * gateway thread has it. The code of a routine with a source is counted under the source's lock:
 * `held` is the one copy in memory, and NULL when no instance has it. A routine without a source
 * gives each instance pieces of its own code, which are counted themselves. */
#include "isolate/routine.h"

#include "base/mem.h"

static er_slice copy_string(uint8_t **at, er_slice s)
{
	er_slice copy = er_slice_of(*at, s.n);
	er_copy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

static size_t bytes_of(const er_data_binding *v, size_t n)
{
	size_t bytes = 0;
	for (size_t i = 0; i < n; i++)
		bytes += v[i].name.n + v[i].target.n;
	return bytes;
}

static void copy_bindings(er_data_binding *to, const er_data_binding *from, size_t n, uint8_t **at)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (er_data_binding){.name = copy_string(at, from[i].name), .target = copy_string(at, from[i].target)};
}

/* The lists and the strings lie behind the struct: a node may know very many routines. */
er_routine *er_routine_new(const er_routine *like)
{
	const er_slice strings[] = {like->name, like->version, like->source_url, like->env_json, like->key, like->crons};
	enum { N = sizeof strings / sizeof *strings };
	const size_t n_bindings = like->n_kv + like->n_services;
	size_t bytes = bytes_of(like->kv, like->n_kv) + bytes_of(like->services, like->n_services);
	size_t allow = like->n_allow * sizeof *like->allow, bindings = n_bindings * sizeof *like->kv;
	static_assert(_Alignof(er_data_binding) <= _Alignof(er_routine) && _Alignof(er_cidr) <= _Alignof(er_data_binding),
	              "they lie behind it");
	for (size_t i = 0; i < N; i++)
		bytes += strings[i].n;
	ER_ASSERT(like->name.n > 0 && (like->n_allow == 0 || like->allow != NULL) && like->profile <= ER_PROFILE_HARDENED);
	er_routine *r = er_alloc(sizeof *r + bindings + allow + bytes);
	uint8_t *at = (uint8_t *)(r + 1) + bindings + allow;
	*r = *like;
	r->refs = 1;
	r->held = NULL;
	r->kv = like->n_kv > 0 ? (er_data_binding *)(r + 1) : NULL;
	r->services = like->n_services > 0 ? (er_data_binding *)(r + 1) + like->n_kv : NULL;
	r->allow = like->n_allow > 0 ? (er_cidr *)((uint8_t *)(r + 1) + bindings) : NULL;
	er_copy(r->allow, like->allow, allow);
	er_slice *owned[N] = {&r->name, &r->version, &r->source_url, &r->env_json, &r->key, &r->crons};
	for (size_t i = 0; i < N; i++)
		*owned[i] = copy_string(&at, strings[i]);
	copy_bindings(r->kv, like->kv, like->n_kv, &at);
	copy_bindings(r->services, like->services, like->n_services, &at);
	ER_ASSERT(at == (uint8_t *)(r + 1) + bindings + allow + bytes);
	return r;
}

er_slice er_routine_remedy(const er_routine *r, er_arena *a)
{
	switch (r->home) {
	case ER_HOME_FILE:
		return er_arena_printf(
		    a,
		    "the node's operator can allow a private one: \"allowAddresses\" of %.*s in node.jsonc, and its own "
		    "admin address only with the port",
		    ER_FMT(r->name));
	case ER_HOME_STORE:
		return er_arena_printf(a,
		                       "an administrator of the node can allow a private one: er routine allow %.*s ADDRESS, within "
		                       "\"routineAddresses\" of node.jsonc, and the node's admin address only as ADDRESS:PORT",
		                       ER_FMT(r->name));
	case ER_HOME_DESK:
		return ER_LIT("er dev --allow ADDRESS allows a private one here; a node has its own setting (er routine allow)");
	default:
		ER_ASSERT(false && "a home that there is not");
		return (er_slice){0};
	}
}

er_routine *er_routine_ref(er_routine *r)
{
	uint32_t refs = __atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
	ER_ASSERT(refs > 1);
	return r;
}

void er_routine_unref(er_routine *r)
{
	if (r == NULL || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	ER_ASSERT(r->held == NULL); /* who has its code has the routine, too */
	er_piece_drop(&r->code);
	er_piece_drop(&r->source_map);
	er_free(r);
}

/* ---- code ---- */

/* Variables of a source hold secrets, and are nobody else's. */
static void free_code(er_code *c)
{
	if (c->env.chunk != NULL)
		explicit_bzero(c->env.chunk->bytes, c->env.chunk->cap);
	er_piece_drop(&c->script);
	er_piece_drop(&c->source_map);
	er_piece_drop(&c->env);
	er_free(c);
}

/* Takes the code if nobody else was quicker; the code to use, with a reference. */
static er_code *share(er_routine *r, er_code *fresh)
{
	pthread_mutex_lock(&r->source->lock);
	er_code *c = r->held;
	if (c == NULL)
		c = r->held = fresh;
	if (c != NULL) {
		ER_ASSERT(c->refs < UINT32_MAX);
		c->refs++;
	}
	pthread_mutex_unlock(&r->source->lock);
	if (fresh != NULL && c != fresh)
		free_code(fresh);
	return c;
}

er_code *er_routine_code(er_routine *r)
{
	if (r->source != NULL)
		return share(r, NULL);
	er_code *c = ER_NEW(er_code);
	*c = (er_code){.refs = 1,
	               .script = er_piece_sub(r->code, 0, r->code.n),
	               .source_map = er_piece_sub(r->source_map, 0, r->source_map.n),
	               .env = {NULL, r->env_json.p, r->env_json.n}};
	return c;
}

er_code *er_routine_read(er_routine *r, er_err *err)
{
	ER_ASSERT(r->source != NULL);
	er_code *c = ER_NEW(er_code);
	if (r->source->load(r->source->ctx, r, c, err))
		return share(r, c);
	free_code(c);
	return NULL;
}

void er_routine_drop(er_routine *r, er_code *code)
{
	if (code == NULL)
		return;
	if (r->source == NULL) {
		free_code(code);
		return;
	}
	pthread_mutex_lock(&r->source->lock);
	ER_ASSERT(code == r->held && code->refs > 0);
	bool last = --code->refs == 0;
	if (last)
		r->held = NULL;
	pthread_mutex_unlock(&r->source->lock);
	if (last)
		free_code(code);
}
