/* How a configuration comes into force on a thread. Where a version runs that it replaces, an
 * instance of the next one is started first: so no request waits for it. Requests that came before
 * the swap finish with what they were given. */
#include "gateway/worker_internal.h"

#include "base/mem.h"

enum { WARM_MS = 1000 };

void er_worker_release(er_worker *w, er_worker_snapshot *s)
{
	ER_ASSERT(s->config != NULL && s->current == (s == w->current));
	if (s->current || s->uses > 0)
		return;
	w->o.let_go(w->o.ctx, s->config);
	er_free(s->metrics);
	er_free(s);
}

/* A version that the present configuration serves. */
static bool lives(void *ctx, const er_routine *r)
{
	const er_config *c = ((er_worker *)ctx)->current->config;
	/* One of node.jsonc serves every environment. */
	const er_deployment *d = er_config_find(c, (er_env)r->environment, r->name);
	return d != NULL && (d->version[0] == r || d->version[1] == r);
}

/* How it gets out. */
void er_worker_reach(er_worker *w)
{
	const er_config *c = w->current->config;
	er_files files = er_files_plan(c, er_files_limit());
	er_origin_limit(w->origin, files.servers / w->o.of);
	er_origin_name_servers(w->origin, c->name_servers);
}

void er_worker_watch(er_worker *w)
{
	size_t n;
	if (w->health == NULL)
		return;
	er_site *const *sites = er_sites_list(w->current->config->by_host, &n);
	er_group **groups = er_alloc((n + 1) * sizeof(er_group *));
	for (size_t i = 0; i < n; i++)
		groups[i] = sites[i]->group;
	er_health_watch(w->health, groups, n);
	er_free(groups);
}

void er_worker_use(er_worker *w, er_config *config)
{
	ER_ASSERT(config->sealed);
	er_worker_snapshot *s = ER_NEW(er_worker_snapshot), *old = w->current;
	*s = (er_worker_snapshot){.config = er_config_ref(config), .current = true};
	s->metrics = er_zalloc(config->n_deployments * sizeof *s->metrics);
	w->current = s;
	if (old == NULL)
		return;
	for (er_env e = 0; e < ER_ENV_COUNT_; e++) {
		er_server_limit(w->doors[e].server, &config->limits);
		er_server_trust(w->doors[e].server, config->trusted, config->n_trusted);
	}
	er_worker_reach(w);
	er_worker_watch(w);
	er_isolate_retire(w->isolate, lives, w);
	old->current = false;
	er_worker_release(w, old);
}

/* The configuration comes into force now: from here on no request finds the old one. */
void er_worker_finish_change(er_worker *w)
{
	er_worker_change *ch = w->change;
	if (ch == NULL)
		return;
	er_config *config = ch->config;
	ER_ASSERT(config != NULL && ch->worker == w);
	w->change = NULL;
	ch->config = NULL;
	uv_timer_stop(&w->warm_timer);
	er_worker_use(w, config);
	er_config_unref(config); /* never the last reference: the node has one */
	w->o.configured(w->o.ctx);
}

static void one_less(er_worker_change *ch)
{
	ER_ASSERT(ch->waiting > 0);
	if (--ch->waiting > 0)
		return;
	if (ch->config != NULL)
		er_worker_finish_change(ch->worker);
	er_free(ch);
}

static void on_warm(void *ctx, const er_isolate_start *start)
{
	(void)start; /* one that fails will say so to its first request, as it would have anyway */
	one_less(ctx);
}

static void on_warm_timer(uv_timer_t *timer)
{
	er_worker_finish_change(timer->data);
}

typedef struct successors {
	const er_config *config;
	er_routine **v;
	size_t n, cap;
} successors;

/* A version that runs here and is replaced: whoever takes its place must be ready first. */
static void find_successors(void *ctx, er_routine *r)
{
	successors *s = ctx;
	const er_deployment *d = er_config_find(s->config, (er_env)r->environment, r->name);
	for (unsigned i = 0; d != NULL && i < ER_STORE_SPLIT; i++) {
		if (d->version[i] == NULL || d->version[i] == r || !er_deployment_runs(d, i))
			continue;
		if (s->n == s->cap) {
			s->cap = s->cap * 2 + 8;
			s->v = er_realloc(s->v, s->cap * sizeof(er_routine *));
		}
		s->v[s->n++] = d->version[i];
	}
}

void er_worker_begin_change(er_worker *w, er_config *config)
{
	ER_ASSERT(w->change == NULL);
	er_worker_change *ch = w->change = ER_NEW(er_worker_change);
	*ch = (er_worker_change){.worker = w, .config = er_config_ref(config), .waiting = 1};
	successors s = {.config = config};
	if (!config->dev)
		er_isolate_running(w->isolate, find_successors, &s);
	if (s.n > 0) {
		uv_timer_start(&w->warm_timer, on_warm_timer, WARM_MS, 0);
		uv_unref((uv_handle_t *)&w->warm_timer);
	}
	ch->waiting += (unsigned)s.n;
	for (size_t i = 0; i < s.n; i++)
		er_isolate_warm(w->isolate, s.v[i], on_warm, ch);
	er_free(s.v);
	one_less(ch);
}
