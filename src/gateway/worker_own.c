/* What routines have to do with the cache beside fetching: caches of their own (cache/own.h), and
 * purges of their own site.
 *
 * A purge is in force and on the disk when it is answered: the control thread writes it to the
 * store, many with one sync, and enters it into the cache's table, as it does for an operator. All
 * purges are entered by that one thread, so that none comes into the table while another one is
 * taken out (er_index_settle). What a routine may purge is of the site of its request; how much in
 * a second is bounded, since the table and the store are everybody's. */
#include "gateway/worker_internal.h"

#include "base/map.h"
#include "base/mem.h"
#include "control/where.h"
#include "gateway/purged.h"
#include "http/authority.h"

/* On one thread: of one routine, and of all. */
enum { PURGES_A_SECOND = 100, PURGES_OF_ALL = 400 };

er_purged_by *er_purged_new(er_port *port, void (*news)(er_wait *self))
{
	er_purged_by *p = ER_NEW(er_purged_by);
	*p = (er_purged_by){.refs = 1};
	er_list_init(&p->link);
	er_list_init(&p->waiting);
	er_wait_init(&p->wait, port, news);
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

er_purged_by *er_purged_ref(er_purged_by *p)
{
	(void)__atomic_fetch_add(&p->refs, 1, __ATOMIC_RELAXED);
	return p;
}

void er_purged_unref(er_purged_by *p)
{
	if (__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	ER_ASSERT(p->x == NULL && p->wait.place == ER_WAIT_NOWHERE);
	pthread_mutex_destroy(&p->lock);
	er_arena_fini(&p->arena);
	er_free(p);
}

void er_purged_over(er_purged_by *p)
{
	pthread_mutex_lock(&p->lock);
	er_wait_post_all(&p->waiting);
	pthread_mutex_unlock(&p->lock);
}

static bool fail(er_exchange *x, int status, const char *text)
{
	er_exchange_fail(x, status, ER_ERR_INVALID, NULL, "%s", text);
	return false;
}

/* ---- routines by name ---- */

er_worker_guest *er_worker_guest_of(er_worker *w, er_slice routine)
{
	er_worker_guest *g = er_map_get(w->guests, routine);
	if (g == NULL) {
		g = er_zalloc(sizeof *g);
		er_map_set(w->guests, routine, g);
	}
	return g;
}

void er_worker_free_guests(er_worker *w)
{
	void *guest;
	er_slice name;
	for (size_t at = 0; er_map_next(w->guests, &at, &name, &guest);)
		er_free(guest);
	er_map_free(w->guests);
}

/* ---- what is to be purged ---- */

typedef struct reading {
	const er_config *config;
	const er_site *site;
	er_exchange *x;
	er_purged_by *p;
	bool soft;
} reading;

static bool is_of_site(const reading *r, er_slice authority)
{
	return er_config_site(r->config, er_host_of(authority)) == r->site;
}

static bool read_place(reading *r, er_purge *to, er_slice text)
{
	er_arena *a = &r->p->arena;
	er_where where;
	bool prefix = to->kind == ER_PURGE_PREFIX;
	if (prefix && text.n > 0 && text.p[text.n - 1] == '*')
		text.n--;
	if (!er_where_read(a, text, &where) || where.refused != NULL || where.authority.n == 0)
		return fail(r->x, 400,
		            prefix ? "a prefix is the beginning of URLs, as https://shop.example/images/"
		                   : "a URL is expected, as https://shop.example/cart");
	if (!is_of_site(r, where.authority))
		return fail(r->x, 403, "a routine purges URLs of the site of its request alone");
	er_slice target = er_arena_printf(a, "%.*s%.*s", ER_FMT(where.path), ER_FMT(where.query));
	if (!prefix)
		target = er_rules_target(r->site->rules, a, target);
	to->value = er_arena_printf(a, "%.*s%.*s", ER_FMT(where.authority), ER_FMT(target));
	to->site = r->site->name;
	return true;
}

static bool read_host(reading *r, er_purge *to, er_slice text)
{
	er_where where;
	bool plain = er_slice_find(text, '/') == text.n && er_slice_find(text, '?') == text.n && er_slice_find(text, '@') == text.n;
	if (!plain || !er_where_read(&r->p->arena, text, &where) || where.refused != NULL || where.authority.n == 0)
		return fail(r->x, 400, "a host is expected, as www.shop.example");
	if (!is_of_site(r, where.authority))
		return fail(r->x, 403, "a routine purges hosts of the site of its request alone");
	to->value = er_host_of(where.authority);
	to->site = r->site->name;
	return true;
}

static bool read_tag(reading *r, er_purge *to, er_slice text)
{
	to->value = er_arena_copy(&r->p->arena, er_slice_trim(text));
	to->site = r->site->name;
	if (to->value.n == 0 || to->value.n > ER_PURGE_TAG_MAX || er_slice_find(to->value, ',') < to->value.n)
		return fail(r->x, 400, "a tag has 1 to 1024 bytes and no comma");
	return true;
}

static bool read_one(reading *r, er_slice name, er_slice value)
{
	er_purged_by *p = r->p;
	if (er_slice_eq(name, ER_LIT("soft"))) {
		r->soft = true;
		return true;
	}
	er_purge *to = &p->v[p->n];
	if (p->n == ER_PURGED_MOST || value.n > ER_PURGE_VALUE_MAX)
		return fail(r->x, 413, "a routine purges 30 things at a time, of 8 KB at most each");
	*to = (er_purge){.kind = er_slice_eq(name, ER_LIT("everything")) ? ER_PURGE_SITE : ER_PURGE_ALL};
	if (to->kind != ER_PURGE_SITE && !er_purge_kind_parse(name, &to->kind))
		return fail(r->x, 400, "what is to be purged is not known here");
	bool ok;
	switch (to->kind) {
	case ER_PURGE_URL:
	case ER_PURGE_PREFIX:
		ok = read_place(r, to, value);
		break;
	case ER_PURGE_HOST:
		ok = read_host(r, to, value);
		break;
	case ER_PURGE_TAG:
		ok = read_tag(r, to, value);
		break;
	case ER_PURGE_SITE:
		to->value = r->site->name;
		ok = true;
		break;
	default:
		ok = fail(r->x, 400, "what is to be purged is not known here");
		break;
	}
	p->n += ok;
	return ok;
}

static bool read_all(reading *r)
{
	const er_fields *f = &r->x->req.fields;
	for (uint32_t i = 0; i < f->n; i++)
		if (!read_one(r, f->v[i].name, f->v[i].value))
			return false;
	for (size_t i = 0; i < r->p->n; i++)
		r->p->v[i].soft = r->soft;
	return r->p->n > 0 || fail(r->x, 400, "what is to be purged? urls, prefixes, hosts, tags or everything says it");
}

/* ---- how much ---- */

static bool has_room(er_worker_guest *g, uint64_t second, size_t n, size_t most)
{
	if (g->second != second)
		*g = (er_worker_guest){.second = second};
	return g->purges + n <= most;
}

static bool may_purge(er_worker *w, er_slice routine, size_t n)
{
	er_worker_guest *one = er_worker_guest_of(w, routine), *all = er_worker_guest_of(w, (er_slice){0});
	uint64_t second = uv_now(&w->loop) / 1000;
	if (!has_room(one, second, n, PURGES_A_SECOND) || !has_room(all, second, n, PURGES_OF_ALL))
		return false;
	one->purges += n;
	all->purges += n;
	return true;
}

/* ---- purging ---- */

static void on_purged(er_wait *wait)
{
	er_purged_by *p = ER_CONTAINER(wait, er_purged_by, wait);
	er_exchange *x = p->x;
	p->x = NULL;
	x->on_cancel = NULL;
	if (p->err.kind != ER_ERR_OK) {
		er_exchange_fail(x, 503, p->err.kind, NULL, "it is not purged: %s", p->err.text);
	} else {
		x->res = (er_response){.status = 200};
		er_fields_add(&x->res.fields, &x->arena, ER_LIT("er-purged"), er_arena_u64(&x->arena, p->n));
	}
	er_exchange_answer(x);
	er_exchange_unref(x);
	er_purged_unref(p);
}

static void on_purge_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	er_purged_by *p = ctx;
	(void)reason;
	ER_ASSERT(p->x == x);
	er_wait_cancel(&p->wait, &p->lock);
	p->x = NULL;
	er_exchange_unref(x);
	er_purged_unref(p);
}

/* Nothing of it points into the exchange from here on. */
static void hand_over(er_worker *w, er_exchange *x, er_purged_by *p)
{
	p->routine = er_arena_copy(&p->arena, x->data.routine);
	for (size_t i = 0; i < p->n; i++) {
		p->v[i].value = er_arena_copy(&p->arena, p->v[i].value);
		p->v[i].site = er_arena_copy(&p->arena, p->v[i].site);
	}
	p->x = er_exchange_ref(x);
	x->on_cancel = on_purge_cancel;
	x->handler_ctx = p;
	pthread_mutex_lock(&p->lock);
	er_wait_list(&p->wait, &p->waiting);
	pthread_mutex_unlock(&p->lock);
	w->o.purged(w->o.ctx, er_purged_ref(p));
}

static void purge(er_worker_door *d, er_exchange *x, const er_site *site)
{
	er_worker *w = d->worker;
	er_purged_by *p = er_purged_new(w->port, on_purged);
	reading r = {.config = w->current->config, .site = site, .x = x, .p = p};
	bool ok = site != NULL ? read_all(&r)
	                       : fail(x, 403, "the host of this request is of no site of this node: there is nothing to purge");
	if (ok && !may_purge(w, x->data.routine, p->n))
		ok = fail(x, 429, "too much was purged by routines within a second (100 things of one routine): try again later");
	if (ok) {
		hand_over(w, x, p);
		return;
	}
	er_purged_unref(p);
	er_exchange_answer(x);
}

/* ---- the handler ---- */

/* What a routine keeps for itself is of the site of its request: a purge of that takes it along. */
static void handle(void *self, er_exchange *x)
{
	er_worker_door *d = self;
	ER_ASSERT(x->parent != NULL);
	const er_site *home = er_config_site(d->worker->current->config, er_host_of(er_exchange_home(x->parent)));
	if (er_slice_eq(x->req.method, ER_LIT("PURGE"))) {
		purge(d, x, home);
		return;
	}
	d->own.place.site = home != NULL ? home->hash : 0;
	er_handler own = er_own_handler(&d->own);
	er_exchange_pass(x, &own);
}

void er_worker_serve_own(er_worker_door *d)
{
	d->own.place = d->cache;
	d->own.place.stats = &d->own_stats;
	er_data_serve(&d->data, ER_DATA_CACHE, (er_handler){.name = "own cache", .handle = handle, .self = d});
}
