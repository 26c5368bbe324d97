/* What the control plane asks of the node (er_control_ops), and the way to it.
 *
 * activate, reload and upgrade are answered later, once; probe is a trial: it waits in `trials`, is
 * on a thread (at most NODE_TRIALS at once), comes back in `tried` under the lock, and is answered
 * and freed on the control thread; the others are answered at once. When the node stops nobody is
 * answered any more, and er_node_stop_control takes down finders, tail and control, in that order,
 * and says when all have closed. */
#include "gateway/node_internal.h"
#include "gateway/route.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- changes ---- */

static void activate(void *ctx, er_control_done *done, void *done_ctx)
{
	er_node_wish(ctx, NULL, NULL, done, done_ctx);
}

static void reload(void *ctx, er_control_done *done, void *done_ctx)
{
	er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	er_err err = {0};
	er_config *file = NULL;
	if (n->options.load == NULL)
		er_fail(&err, ER_ERR_UNAVAILABLE, "there is no configuration file to read again");
	else
		file = n->options.load(n->options.ctx, &err);
	if (file == NULL || !er_node_reload(n, file, done, done_ctx, &err)) {
		er_node_reloaded(n, false);
		done(done_ctx, &err);
	}
	er_config_unref(file);
}

static void upgrade(void *ctx, er_control_done *done, void *done_ctx)
{
	er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	er_err err = {0};
	if (n->options.upgrade != NULL) {
		n->options.upgrade(n->options.ctx, done, done_ctx);
		return;
	}
	er_fail(&err, ER_ERR_UNAVAILABLE, "this node cannot hand over to another program while it runs: start it again");
	done(done_ctx, &err);
}

/* ---- versions that are tried ---- */

static void free_trial(er_trial *t)
{
	er_routine_unref(t->routine);
	er_buf_fini(&t->error);
	er_buf_fini(&t->stack);
	er_free(t);
}

/* On a thread of a worker. */
static void on_tried(void *ctx, const er_isolate_start *start)
{
	er_trial *t = ctx;
	er_node *n = t->node;
	t->result = *start;
	er_buf_put(&t->error, start->error);
	er_buf_put(&t->stack, start->stack);
	pthread_mutex_lock(&n->lock);
	er_list_push(&n->tried, &t->link);
	pthread_mutex_unlock(&n->lock);
	uv_async_send(&n->async);
}

/* Each takes a sandbox of the pool that requests may want: so many at once. */
static void begin_trials(er_node *n)
{
	er_list *l;
	ER_ASSERT(n->n > 0);
	while (n->trying < NODE_TRIALS && (l = er_list_pop(&n->trials)) != NULL) {
		er_trial *t = ER_CONTAINER(l, er_trial, link);
		n->trying++;
		er_worker_try(n->workers[n->next_worker++ % n->n], er_routine_ref(t->routine), on_tried, t);
	}
}

void er_node_tried(er_node *n)
{
	er_list back;
	er_list_init(&back);
	pthread_mutex_lock(&n->lock);
	er_list_take(&back, &n->tried);
	pthread_mutex_unlock(&n->lock);
	for (er_list *l; (l = er_list_pop(&back)) != NULL;) {
		er_trial *t = ER_CONTAINER(l, er_trial, link);
		ER_ASSERT(n->trying > 0 && n->trying <= NODE_TRIALS && t->node == n);
		n->trying--;
		er_probe_result result = {.loaded = t->result.loaded,
		                          .cpu_us = t->result.cpu_us,
		                          .memory_kb = t->result.memory_kb,
		                          .why = t->result.why,
		                          .error = er_buf_slice(&t->error),
		                          .stack = er_buf_slice(&t->stack)};
		if (!n->stopping)
			t->done(t->ctx, &result);
		free_trial(t);
	}
	for (er_list *l; n->stopping && (l = er_list_pop(&n->trials)) != NULL;)
		free_trial(ER_CONTAINER(l, er_trial, link));
	if (!n->stopping)
		begin_trials(n);
}

static void probe(void *ctx, er_routine *r, er_control_probed *done, void *done_ctx)
{
	er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	ER_ASSERT(r != NULL && done != NULL);
	er_trial *t = ER_NEW(er_trial);
	*t = (er_trial){.node = n, .routine = r, .done = done, .ctx = done_ctx};
	er_list_init(&t->link);
	er_list_push(&n->trials, &t->link);
	begin_trials(n);
}

/* ---- what it tells ---- */

/* For the guard: of the versions of the present deployment, over all threads. */
static void counters(void *ctx, er_slice routine, er_env env, er_version_counters out[ER_STORE_SPLIT])
{
	er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	const er_deployment *d = er_config_find(n->config, env, routine);
	for (unsigned i = 0; i < ER_STORE_SPLIT; i++)
		out[i] = (er_version_counters){0};
	if (d == NULL || d->id == 0)
		return;
	er_tally_sum *sum = er_zalloc(ER_STORE_SPLIT * sizeof *sum);
	for (unsigned i = 0; i < n->n; i++) {
		const er_routine_metrics *m =
		    er_metrics_find(&n->finders[i], er_worker_view(n->workers[i], n->stopping).metrics, env, routine);
		if (m != NULL)
			er_tally_add(sum, __atomic_load_n(&m->tally, __ATOMIC_ACQUIRE), d->id);
	}
	for (unsigned i = 0; i < ER_STORE_SPLIT; i++)
		out[i] = (er_version_counters){
		    .requests = sum[i].requests, .errors = sum[i].failures, .p99_us = er_tally_percentile(&sum[i], 99)};
	er_free(sum);
}

/* Where clients come, with the ports that were got: a tool that has deployed asks there. */
static void put_listen(const er_node *n, er_out *o)
{
	er_out_open(o, "listen", '[');
	for (size_t i = 0; i < n->n_listens && i < n->config->n_listen; i++) {
		er_slice address = er_slice_cstr(n->config->listen[i].address);
		size_t host = address.n;
		while (host > 0 && address.p[host - 1] != ':')
			host--;
		er_arena a;
		er_arena_init(&a);
		er_out_open(o, NULL, '{');
		er_out_str(o, "address", er_arena_printf(&a, "%.*s%u", ER_FMT(er_slice_head(address, host)), n->listens[i].port));
		er_out_cstr(o, "environment", er_env_name(n->config->listen[i].env));
		er_out_close(o, '}');
		er_arena_fini(&a);
	}
	er_out_close(o, ']');
}

static void status(void *ctx, er_out *o)
{
	er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	bool ok;
	if (n->admin == NULL)
		return;
	er_admin_state(n->admin, o, &ok);
	put_listen(n, o);
}

static void route_test(void *ctx, er_arena *a, er_env env, er_slice host, er_slice path, er_route_found *out)
{
	er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	er_found found;
	*out = (er_route_found){0};
	if (!er_config_route(n->config, env, host, path, &found))
		return;
	*out = (er_route_found){.matched = true, .source = ER_ROUTE_NAME, .routine = er_arena_copy(a, found.deployment->name)};
	if (found.rule == NULL)
		return;
	out->source = found.rule->stored ? ER_ROUTE_STORE : ER_ROUTE_FILE;
	out->position = found.rule->position;
	out->pattern = er_arena_copy(a, found.rule->route->pattern);
}

static size_t sites(void *ctx, er_slice name, bool whole, er_out *out)
{
	const er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	return er_node_write_sites(n, name, whole, out);
}

static bool site_taken(void *ctx, er_arena *a, const er_site_settings *s, er_slice *by, er_slice *what)
{
	const er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	return er_node_site_taken(n, a, s, by, what);
}

static er_slice cache_target(void *ctx, er_arena *a, er_slice host, er_slice target)
{
	const er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	const er_site *site = er_config_site(n->config, host);
	return site != NULL ? er_rules_target(site->rules, a, target) : target;
}

static void cache(void *ctx, er_out *out)
{
	const er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	er_node_write_cache(n, out);
}

static void explain(void *ctx, er_arena *a, er_env env, const er_where *where, er_out *out)
{
	const er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	const er_site *site = er_node_explain_site(n, where, out);
	if (site != NULL)
		er_node_explain_cache(n, a, env, site, where, out);
}

static bool prefetch_site(void *ctx, er_slice host, uint64_t *hash)
{
	const er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	const er_site *site = er_config_site(n->config, host);
	if (site != NULL)
		*hash = site->hash;
	return site != NULL;
}

static uint64_t prefetch(void *ctx, const er_prefetch_ask *ask, er_prefetch_done *done, void *done_ctx)
{
	er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	return er_node_prefetch(n, ask, done, done_ctx);
}

static void crons(void *ctx, er_slice routine, er_out *out)
{
	er_node_write_crons(ctx, routine, out);
}

static bool cron_run(void *ctx, er_slice routine, er_slice cron, er_control_ran *done, void *done_ctx, er_err *err)
{
	return er_node_cron_run(ctx, routine, cron, done, done_ctx, err);
}

static void prefetch_stop(void *ctx, uint64_t number)
{
	er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	er_node_prefetch_stop(n, number);
}

static size_t file_routes(void *ctx, er_arena *a, er_env env, er_route_rule **out)
{
	const er_config *file = ((er_node *)ctx)->file;
	const er_env_tables *s = &file->env[env];
	*out = er_arena_alloc(a, s->n_rules * sizeof **out);
	for (size_t i = 0; i < s->n_rules; i++)
		(*out)[i] = (er_route_rule){.pattern = er_arena_copy(a, s->rules[i].route->pattern),
		                            .routine = er_arena_copy(a, file->deployments[s->rules[i].target]->name)};
	return s->n_rules;
}

static size_t file_routines(void *ctx, er_arena *a, er_file_routine **out)
{
	const er_config *file = ((er_node *)ctx)->file;
	size_t n = 0;
	*out = er_arena_alloc(a, file->n_deployments * sizeof **out);
	for (size_t i = 0; i < file->n_deployments; i++) {
		const er_deployment *d = file->deployments[i];
		if (d->env == ER_ENV_PRODUCTION)
			(*out)[n++] =
			    (er_file_routine){.name = er_arena_copy(a, d->name), .version = er_arena_copy(a, d->version[0]->version)};
	}
	return n;
}

/* ---- the tail ---- */

static void tail(void *ctx, er_tail_want want)
{
	er_tail_set(((er_node *)ctx)->tail, want == ER_TAIL_WANT_ALL ? ER_TAIL_ALL : ER_TAIL_SOME);
}

static void on_event(void *ctx, const er_tail_event *event)
{
	er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	if (n->stopping)
		return;
	er_node_timed_says(n, event);
	er_control_event(n->control, event);
}

static void on_lost(void *ctx, uint64_t lost)
{
	er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	if (!n->stopping)
		er_control_event_lost(n->control, lost);
}

/* ---- life ---- */

static const er_control_ops ops = {.activate = activate,
                                   .probe = probe,
                                   .counters = counters,
                                   .status = status,
                                   .reload = reload,
                                   .upgrade = upgrade,
                                   .route_test = route_test,
                                   .file_routes = file_routes,
                                   .file_routines = file_routines,
                                   .tail = tail,
                                   .sites = sites,
                                   .site_taken = site_taken,
                                   .cache_target = cache_target,
                                   .cache = cache,
                                   .explain = explain,
                                   .prefetch_site = prefetch_site,
                                   .prefetch = prefetch,
                                   .prefetch_stop = prefetch_stop,
                                   .crons = crons,
                                   .cron_run = cron_run};

bool er_node_start_control(er_node *n, er_err *err)
{
	char full[PATH_MAX];
	er_store_options so = {.dir = n->file->data, .keep = n->file->keep};
	/* The predecessor's lock on the folder, as the store expects it (er_store_lock_fd). */
	int lock = er_inherited_take_one(n->options.inherited, "store", "lock");
	if (lock >= 0) {
		char number[16];
		snprintf(number, sizeof number, "%d", lock);
		setenv("ER_STORE_LOCK_FD", number, 1);
	}
	n->store = er_store_open(&so, err);
	if (n->store == NULL)
		return false;
	er_kv_limit(n->store, (uint64_t)n->file->limits.kv_namespace_mb << 20);
	n->kv = er_kv_work_new(n->store, (uint64_t)n->file->limits.kv_memory_mb << 20);
	if (realpath(n->file->data, full) == NULL)
		return er_fail_errno(err, ER_ERR_IO, "cannot find the data folder %s", n->file->data);
	n->admin_path = er_printf("%s/admin.sock", full);
	er_stored_source_init(&n->source, n->store);
	n->finders = er_zalloc(n->file->threads * sizeof *n->finders);
	n->tail = er_tail_new(n->loop, &(er_tail_reader){.event = on_event, .lost = on_lost, .ctx = n});
	er_tail_set(n->tail, ER_TAIL_SOME);
	er_control_options co = {.loop = n->loop,
	                         .store = n->store,
	                         .ops = &ops,
	                         .ops_ctx = n,
	                         .routine_max = n->file->routine_max,
	                         .addresses = n->file->addresses,
	                         .n_addresses = n->file->n_addresses,
	                         .cache = n->cache};
	n->control = er_control_new(&co, err);
	return n->control != NULL;
}

void er_node_pause(er_node *n, bool on)
{
	ER_CHECK(n, NODE_MAGIC);
	if (n->control != NULL)
		er_control_pause(n->control, on);
}

bool er_node_quiet(const er_node *n)
{
	return n->changing == NULL && (n->control == NULL || er_control_quiet(n->control));
}

/* Counts what has still to close. */
typedef struct ending {
	er_node *node;
	unsigned waiting;
	void (*closed)(void *ctx);
	void *ctx;
} ending;

static void one_closed(void *ctx)
{
	ending *e = ctx;
	ER_ASSERT(e->waiting > 0);
	if (--e->waiting > 0)
		return;
	void (*closed)(void *) = e->closed;
	void *closed_ctx = e->ctx;
	er_free(e);
	closed(closed_ctx);
}

void er_node_stop_control(er_node *n, void (*closed)(void *ctx), void *ctx)
{
	ending *e = ER_NEW(ending);
	*e = (ending){.node = n, .waiting = 1, .closed = closed, .ctx = ctx};
	for (unsigned i = 0; n->finders != NULL && i < n->n; i++)
		er_metrics_finder_fini(&n->finders[i]);
	er_free(n->finders);
	n->finders = NULL;
	if (n->tail != NULL) {
		e->waiting++;
		er_tail_close(n->tail, one_closed, e);
	}
	if (n->control != NULL) {
		e->waiting++;
		er_control_close(n->control, one_closed, e);
	}
	n->tail = NULL;
	n->control = NULL;
	one_closed(e);
}
