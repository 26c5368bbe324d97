/* A pool: what connections may be shared, and for how long they are kept.
 *
 * It is made for the first fetch of its key, and each transport makes its part of it when needed
 * (curl.c, plain.c). It is closed when nobody has used it for a minute (er_pool_sweep), when its
 * owner is gone (er_pool_forget) and its last fetch is over, when its connections must make room
 * (reach.c), or with its er_origin. Its memory goes with its last socket (count.c). A pool that is
 * forgotten is in no map any more, so that a new owner of the same address gets another one.
 * Settings of TLS have no such moment: the pool holds a reference to them, so that no others have
 * their address while it lives. */
#include "origin/pool.h"

#include "base/mem.h"
#include "origin/count.h"

_Static_assert(sizeof(er_pool_key) == 2 * sizeof(void *), "a key is compared byte by byte");

static er_slice slice_of(const er_pool_key *key)
{
	return er_slice_of(key, sizeof *key);
}

static er_pool *pool_of(er_origin *o, er_pool_key key)
{
	if (o->pool_last != NULL && o->pool_last->key.owner == key.owner && o->pool_last->key.tls == key.tls)
		return o->pool_last;
	er_pool *p = er_map_get(o->pools, slice_of(&key));
	if (p != NULL)
		return o->pool_last = p;
	p = ER_NEW(er_pool);
	p->o = o;
	p->key = key;
	if (key.tls != NULL)
		(void)er_tls_ref(key.tls);
	er_turns_line_init(&p->line);
	er_resolve_payer_init(&p->payer, er_count_own(p));
	er_map_set(o->pools, slice_of(&key), p);
	return o->pool_last = p;
}

/* From here on nobody finds it. */
static void unmap(er_pool *p)
{
	er_map_del(p->o->pools, slice_of(&p->key));
	if (p->o->pool_last == p)
		p->o->pool_last = NULL;
}

void er_pool_enter(er_fetch *f)
{
	ER_ASSERT(f->pool == NULL && !f->o->closing);
	f->pool = pool_of(f->o, (er_pool_key){.owner = f->wishes.pool, .tls = f->wishes.tls});
	ER_ASSERT(!f->pool->closed && !f->pool->forgotten);
	f->pool->active++;
}

void er_pool_leave(er_fetch *f)
{
	er_pool *p = f->pool;
	ER_ASSERT(p != NULL && p->active > 0);
	f->pool = NULL;
	p->idle_since_ms = uv_now(f->o->loop);
	if (--p->active == 0 && p->forgotten)
		er_pool_close(p);
}

void er_pool_close(er_pool *p)
{
	ER_ASSERT(p->active == 0 && p->line.n == 0 && p->places == 0 && !p->closed);
	if (!p->forgotten)
		unmap(p);
	er_curl_pool_close(p);
	er_plain_pool_close(p);
	er_resolve_payer_fini(p->o->resolver, &p->payer);
	er_count_pool_closed(p);
}

void er_pool_forget(er_origin *o, const void *owner)
{
	er_pool_key key = {.owner = owner}; /* routines have no settings of TLS */
	er_pool *p = er_map_get(o->pools, slice_of(&key));
	if (p == NULL)
		return;
	ER_ASSERT(p->key.owner == owner && !p->forgotten);
	if (p->active == 0) {
		er_pool_close(p);
		return;
	}
	unmap(p);
	p->forgotten = true;
}

void er_pool_sweep(er_origin *o, uint64_t now_ms, uint64_t idle_ms)
{
	size_t at = 0;
	er_slice key;
	for (void *value; er_map_next(o->pools, &at, &key, &value);) {
		er_pool *p = value;
		if (p->active == 0 && now_ms - p->idle_since_ms >= idle_ms)
			er_pool_close(p);
		else
			er_plain_pool_tick(p, now_ms);
	}
}
