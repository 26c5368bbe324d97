/* The node: how it starts, what its threads bring back, how it ends.
 *
 * Starting is one line of steps (start, start_listening), each of which needs the one before; the
 * order is there for three reasons. The spawner is forked before any thread exists and before a
 * secret is in memory. Addresses are looked at before the data folder is touched. Nobody is
 * accepted before sandboxes are ready and `before_accept` has said yes. A step that fails ends the
 * node by the same way as any other end: er_node_stop, and the loop is turned until it is over.
 *
 * Ending: stopping → every thread has ended (on_async counts) → the admin listener, the control
 * plane and the tail close → our own handles close → over: threads are joined, `done` is called →
 * er_node_free. `handles` counts what must still close, each by one_handle_less.
 *
 * Threads bring things back under `lock` (configurations that they let go of, trials) or in atomic
 * words (acknowledged, ended, broken), and wake the loop; on_async looks at all of it, whatever
 * woke it. */
#include "gateway/node_internal.h"

#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { ASSETS_MB = 64, READY_MS = 15000, LOOK_US = 2000 };

/* ---- what the node is asked about itself ---- */

static unsigned views(void *ctx, er_metrics_view *out, unsigned cap)
{
	er_node *n = ctx;
	unsigned i = 0;
	for (; i < n->n && i < cap; i++)
		out[i] = er_worker_view(n->workers[i], n->stopping);
	return i;
}

static uint64_t log_dropped(void *ctx)
{
	return er_access_log_dropped(((er_node *)ctx)->log);
}

static bool is_broken(const er_node *n)
{
	return __atomic_load_n(&n->broken, __ATOMIC_ACQUIRE);
}

static const char *status(void *ctx)
{
	const er_node *n = ctx;
	return is_broken(n) ? "broken" : n->stopping ? "stopping" : "ok";
}

static size_t routines(void *ctx)
{
	const er_config *c = ((er_node *)ctx)->config;
	size_t n = 0;
	for (size_t i = 0; i < c->n_deployments; i++)
		n += c->deployments[i]->env == ER_ENV_PRODUCTION;
	return n;
}

static void more_metrics(void *ctx, er_buf *out)
{
	er_node_write_metrics(ctx, out);
}

static void more_state(void *ctx, er_out *out)
{
	er_node_write_state(ctx, out);
}

/* ---- starting ---- */

static void find_own_addresses(er_node *n)
{
	struct ifaddrs *list;
	if (getifaddrs(&list) != 0)
		return;
	for (struct ifaddrs *it = list; it != NULL; it = it->ifa_next) {
		struct in6_addr addr;
		if (it->ifa_addr == NULL || !er_cidr_of_sockaddr(it->ifa_addr, &addr))
			continue;
		n->own = er_realloc(n->own, (n->n_own + 1) * sizeof *n->own);
		n->own[n->n_own++] = (er_cidr){.addr = addr, .bits = 128};
	}
	freeifaddrs(list);
}

/* Wherever on loopback it listens: it is no service of a routine's. */
static void own_service(er_node *n, unsigned port)
{
	er_cidr four, six;
	bool ok = er_cidr_parse(ER_LIT("127.0.0.0/8"), &four) && er_cidr_parse(ER_LIT("::1"), &six);
	ER_ASSERT(ok && n->workers == NULL);
	if (port == 0)
		return;
	four.port = six.port = (uint16_t)port;
	n->own = er_realloc(n->own, (n->n_own + 2) * sizeof *n->own);
	n->own[n->n_own++] = four;
	n->own[n->n_own++] = six;
}

/* The next three: on threads of workers. */
static void on_configured(void *ctx)
{
	er_node *n = ctx;
	__atomic_add_fetch(&n->acknowledged, 1, __ATOMIC_ACQ_REL);
	uv_async_send(&n->async);
}

static void on_let_go(void *ctx, er_config *config)
{
	er_node *n = ctx;
	pthread_mutex_lock(&n->lock);
	if (n->n_let_go == n->cap_let_go) {
		n->cap_let_go = n->cap_let_go * 2 + 8;
		n->let_go = er_realloc(n->let_go, n->cap_let_go * sizeof(er_config *));
	}
	n->let_go[n->n_let_go++] = config;
	pthread_mutex_unlock(&n->lock);
	uv_async_send(&n->async);
}

/* On a worker's thread. */
static void on_spawner_gone(void *ctx)
{
	er_node *n = ctx;
	__atomic_store_n(&n->broken, true, __ATOMIC_RELEASE);
	uv_async_send(&n->async);
}

static void on_worker_ended(void *ctx)
{
	er_node *n = ctx;
	__atomic_add_fetch(&n->ended, 1, __ATOMIC_ACQ_REL);
	uv_async_send(&n->async);
}

/* All of them are made before the first one runs, so that a failure has no thread to end. */
static bool make_workers(er_node *n, const er_node_options *o, er_err *err)
{
	uint64_t id_base = 0;
	if (getrandom(&id_base, sizeof id_base, 0) != sizeof id_base)
		id_base = er_clock_wall_us() << 20;
	/* Forty bits to count in, ten for the thread. */
	id_base &= ~((UINT64_C(1) << 50) - 1);
	er_files files = er_files_plan(n->file, er_files_limit());
	n->workers = er_zalloc(n->spawner.n * sizeof *n->workers);
	for (unsigned i = 0; i < n->spawner.n; i++) {
		er_worker_options wo = {.number = i,
		                        .of = n->spawner.n,
		                        .config = n->config,
		                        .tail = n->tail,
		                        .spawner = n->spawner.sockets[i],
		                        .pulse = n->pulse,
		                        .gate = n->gate,
		                        .files = files,
		                        .log = n->log,
		                        .cache = n->cache,
		                        .disk = n->disk,
		                        .compressor = n->compressor,
		                        .assets = n->assets,
		                        .kv = n->kv,
		                        .geo = n->geo,
		                        .id_base = id_base,
		                        .trace = o->trace,
		                        .own = n->own,
		                        .n_own = n->n_own,
		                        .events = o->events,
		                        .configured = on_configured,
		                        .let_go = on_let_go,
		                        .purged = er_node_on_purged,
		                        .ended = on_worker_ended,
		                        .spawner_gone = on_spawner_gone,
		                        .ctx = n};
		n->workers[i] = er_worker_new(&wo, err);
		if (n->workers[i] == NULL)
			return false;
		n->n++;
	}
	ER_ASSERT(n->n == n->spawner.n);
	for (; n->running < n->n; n->running++)
		if (!er_worker_run(n->workers[n->running], err))
			return false;
	return true;
}

/* The first sandbox of each thread must get ready, and as locked down as the operator wants it. */
static bool wait_for_sandboxes(er_node *n, er_err *err)
{
	if (n->config->pool + n->config->pool_hardened == 0)
		return true;
	uint64_t end = er_clock_mono_us() + READY_MS * 1000ULL;
	for (unsigned i = 0; i < n->n;) {
		const er_isolate_stats *s = er_worker_view(n->workers[i], false).isolate;
		er_level level = __atomic_load_n(&s->level, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&s->pool_ready, __ATOMIC_RELAXED) > 0 && level >= n->config->min_level) {
			i++;
			continue;
		}
		if (level != ER_LEVEL_NONE && level < n->config->min_level)
			return er_fail(
			    err, ER_ERR_SYSTEM,
			    "sandboxes reach only level \"%s\" here, and sandbox.minLevel is \"%s\". For \"full\": run as root, or allow "
			    "unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
			    "kernel.apparmor_restrict_unprivileged_userns=0; in a container: a seccomp profile that permits unshare and "
			    "mount). "
			    "Or accept less: \"sandbox\": {\"minLevel\": \"%s\"}",
			    er_level_name(level), er_level_name(n->config->min_level), er_level_name(level));
		if (is_broken(n))
			return er_fail(err, ER_ERR_SYSTEM, "the spawner of sandboxes ended while the node was starting");
		if (__atomic_load_n(&s->spawn_failures, __ATOMIC_RELAXED) >= 3)
			return er_fail(
			    err, ER_ERR_SYSTEM,
			    "no sandbox gets ready (the log above says why). For level \"full\" run as root, or allow unprivileged user "
			    "namespaces (sysctl kernel.unprivileged_userns_clone=1)");
		if (er_clock_mono_us() > end)
			return er_fail(err, ER_ERR_TIMEOUT, "no sandbox got ready within %d s", READY_MS / 1000);
		usleep(LOOK_US);
	}
	return true;
}

/* A node that has no routine and no place to deploy one serves its origin without sandboxes; but it
 * says what they are like. */
static bool sandboxes_good(er_node *n, er_err *err)
{
	er_err why = {0};
	if (n->config->n_deployments > 0 || n->control != NULL)
		return wait_for_sandboxes(n, err);
	if (!wait_for_sandboxes(n, &why))
		er_log(ER_LOG_WARN, "gateway",
		       "no routine can run on this node, which has none now: one that comes with a reload is answered with 503. %s",
		       why.text);
	return true;
}

static bool start_admin(er_node *n, er_err *err)
{
	if (n->config->admin == NULL && n->control == NULL)
		return true;
	er_admin_source source = {.views = views,
	                          .log_dropped = log_dropped,
	                          .status = status,
	                          .routines = routines,
	                          .more_metrics = more_metrics,
	                          .more_state = more_state,
	                          .ctx = n,
	                          .min_level = n->config->min_level,
	                          .remote = n->control != NULL ? er_control_remote(n->control) : NULL,
	                          .local = n->control != NULL ? er_control_local(n->control) : NULL};
	er_inherited *from = n->options.inherited;
	n->admin = er_admin_new(n->loop, &source);
	n->handles++;
	if (n->config->admin != NULL && !er_admin_listen(n->admin, from, n->config->admin, &n->admin_port, err))
		return false;
	own_service(n, n->admin_port);
	return n->control == NULL || er_admin_listen_local(n->admin, from, n->admin_path, err);
}

static void on_async(uv_async_t *async);

/* Addresses are open before the sandboxes are tried, and served after: who connects meanwhile waits
 * in the kernel. */
static bool start_listening(er_node *n, er_err *err)
{
	n->listens = er_zalloc((n->config->n_listen + 1) * sizeof *n->listens);
	for (size_t i = 0; i < n->config->n_listen; i++) {
		if (!er_node_open(n, &n->config->listen[i], &n->listens[i], err))
			return false;
		n->n_listens++;
	}
	if (!sandboxes_good(n, err))
		return false;
	if (n->options.before_accept != NULL && !n->options.before_accept(n->options.ctx, err))
		return false;
	if (n->admin != NULL && !er_admin_begin(n->admin, err))
		return false;
	for (size_t i = 0; i < n->n_listens; i++)
		er_node_give(n, &n->listens[i]);
	return true;
}

/* Before anything is written: a node that finds its addresses taken leaves no data folder
 * behind. */
static bool addresses_free(const er_node *n, er_err *err)
{
	const er_inherited *from = n->options.inherited;
	for (size_t i = 0; i < n->file->n_listen; i++) {
		const char *address = n->file->listen[i].address;
		if (!er_inherited_has(from, "listen", address) && !er_listen_check(address, err))
			return false;
	}
	return n->file->admin == NULL || er_inherited_has(from, "admin", n->file->admin) || er_listen_check(n->file->admin, err);
}

/* The order is what matters: the spawner is forked first, then come threads, store, configuration,
 * workers, listeners. On failure the caller stops what was started. */
static bool start(er_node *n, const er_node_options *o, er_err *err)
{
	char path[PATH_MAX];
	if (!er_spawner_find_program(o->sandbox_path, path, sizeof path, err))
		return false;
	er_spawner_config sc = {.sandbox_path = path,
	                        .n_sockets = n->file->threads,
	                        .want = o->want_level != ER_LEVEL_NONE ? o->want_level : ER_LEVEL_FULL,
	                        .attack_hooks = o->attack_hooks};
	/* Before any thread exists, and before there is a secret in memory. */
	if (!er_spawner_start(&n->spawner, &sc, err))
		return false;
	if (!er_log_start(err))
		return false;
	n->pulse = er_pulse_new(err);
	if (n->pulse == NULL)
		return false;
	uv_async_init(n->loop, &n->async, on_async);
	n->async.data = n;
	uv_timer_init(n->loop, &n->trim);
	uv_unref((uv_handle_t *)&n->trim);
	n->trim.data = n;
	n->async_open = true;
	n->handles += 2;
	er_node_start_geo(n);
	n->cache = er_index_new((uint64_t)n->file->cache_mb * 1024 * 1024);
	if (n->file->data != NULL && (!addresses_free(n, err) || !er_node_start_control(n, err)))
		return false;
	n->config = er_node_assemble(n, n->file, err);
	if (n->config == NULL)
		return false;
	er_mem_trim();
	n->log = er_access_log_open(n->config->access_log, err);
	n->disk = er_node_open_disk(n->config);
	er_cache_join(n->cache, n->disk);
	n->compressor = er_compressor_new(n->cache, n->disk, n->spawner.n / 4 + 1);
	n->assets = er_assets_memory_new((uint64_t)ASSETS_MB * 1024 * 1024);
	if (!er_node_start_purges(n, err))
		return false;
	er_control_stored_on_disk(n->control, er_disk_files_in_use(n->disk) > 0);
	/* The admin's port is known before a worker is: no routine may reach it. */
	if (n->log == NULL || !start_admin(n, err) || !make_workers(n, o, err) || !start_listening(n, err))
		return false;
	er_node_start_crons(n);
	return true;
}

er_node *er_node_new(uv_loop_t *loop, const er_node_options *options, er_err *err)
{
	er_node *n = ER_NEW(er_node);
	*n = (er_node){.magic = NODE_MAGIC, .loop = loop, .file = er_config_ref(options->config), .options = *options};
	er_rounds_init(&n->wishes);
	er_list_init(&n->trials);
	er_list_init(&n->tried);
	er_list_init(&n->prefetched);
	er_list_init(&n->purged);
	pthread_mutex_init(&n->lock, NULL);
	n->gate = er_gate_new();
	er_node_limit(n, n->file);
	find_own_addresses(n);
	n->started_us = n->last_reload_us = er_clock_wall_us();
	bool ok = start(n, options, err);
	n->options.inherited = NULL;
	if (ok)
		return n;
	/* Listening sockets were not handed out yet. */
	for (size_t i = 0; i < n->n_listens; i++)
		er_node_forget(&n->listens[i], true);
	n->n_listens = 0;
	/* The caller has no node yet that it could be told about. */
	n->options.broken = NULL;
	er_node_stop(n, NULL, NULL);
	er_node_stop(n, NULL, NULL);
	while (!n->over)
		uv_run(loop, UV_RUN_ONCE);
	er_node_free(n);
	return NULL;
}

/* ---- what threads bring back ---- */

static void free_let_go(er_node *n)
{
	pthread_mutex_lock(&n->lock);
	er_config **configs = n->let_go;
	size_t count = n->n_let_go;
	n->let_go = NULL;
	n->n_let_go = n->cap_let_go = 0;
	pthread_mutex_unlock(&n->lock);
	for (size_t i = 0; i < count; i++)
		er_config_unref(configs[i]);
	er_free(configs);
}

/* ---- stopping ---- */

/* When the last handle has closed: what is left has no loop any more, and is freed in the reverse
 * order. */
static void maybe_over(er_node *n)
{
	if (n->handles > 0 || n->over)
		return;
	ER_ASSERT(n->stopping && n->admin == NULL && n->control == NULL && !n->async_open);
	n->over = true;
	for (unsigned i = 0; i < n->n; i++)
		er_worker_free(n->workers[i]);
	er_free(n->workers);
	n->workers = NULL;
	if (n->geo != NULL)
		er_geo_free(n->geo);
	n->geo = NULL;
	n->n = 0;
	er_node_tried(n); /* they go with what they were for */
	er_node_prefetched(n);
	er_node_timed_back(n);
	er_node_purged(n);
	free_let_go(n);
	er_access_log_close(n->log);
	n->log = NULL;
	er_spawner_stop(&n->spawner);
	er_pulse_free(n->pulse);
	if (n->done != NULL)
		n->done(n->done_ctx);
}

static void one_handle_less(void *ctx)
{
	er_node *n = ctx;
	ER_CHECK(n, NODE_MAGIC);
	ER_ASSERT(n->handles > 0);
	n->handles--;
	maybe_over(n);
}

static void on_async_closed(uv_handle_t *handle)
{
	one_handle_less(handle->data);
}

static void stop_control(er_node *n)
{
	n->handles++;
	er_node_stop_control(n, one_handle_less, n);
}

static void on_admin_closed(void *ctx)
{
	er_node *n = ctx;
	stop_control(n);
	one_handle_less(n);
}

/* All threads have ended: nothing is left that the admin listener could tell. Whoever asks the API
 * is gone before the API is. */
static void close_handles(er_node *n)
{
	ER_ASSERT(n->stopping);
	bool admin = n->admin != NULL, open = n->async_open;
	n->async_open = false;
	if (admin)
		er_admin_close(n->admin, on_admin_closed, n);
	else
		stop_control(n);
	n->admin = NULL;
	if (open) {
		uv_close((uv_handle_t *)&n->async, on_async_closed);
		uv_close((uv_handle_t *)&n->trim, on_async_closed);
		n->handles += er_node_stop_crons(n, one_handle_less);
		n->handles++;
		er_node_stop_geo(n, one_handle_less, n);
	}
}

static void on_async(uv_async_t *async)
{
	er_node *n = async->data;
	ER_CHECK(n, NODE_MAGIC);
	free_let_go(n);
	er_node_tried(n);
	er_node_prefetched(n);
	er_node_timed_back(n);
	er_node_purged(n);
	er_node_changed(n);
	if (is_broken(n) && !n->broken_told) {
		n->broken_told = true;
		if (n->options.broken != NULL)
			n->options.broken(n->options.ctx);
	}
	if (n->stopping && n->async_open && __atomic_load_n(&n->ended, __ATOMIC_ACQUIRE) == n->running)
		close_handles(n);
}

void er_node_stop(er_node *n, void (*done)(void *ctx), void *ctx)
{
	ER_CHECK(n, NODE_MAGIC);
	if (n->over)
		return;
	if (done != NULL) {
		n->done = done;
		n->done_ctx = ctx;
	}
	n->stopping = true;
	er_node_pause(n, true);
	er_node_drop_wishes(n);
	for (unsigned i = 0; i < n->running; i++)
		er_worker_stop(n->workers[i]);
	if (n->running == 0 && n->async_open)
		close_handles(n);
	else if (n->running == 0)
		maybe_over(n);
}

void er_node_hand_over(er_node *n, void (*done)(void *ctx), void *ctx)
{
	ER_CHECK(n, NODE_MAGIC);
	n->done = done;
	n->done_ctx = ctx;
	if (n->stopping)
		return;
	n->stopping = true;
	er_node_drop_wishes(n);
	if (n->disk != NULL) /* the successor waits for the files */
		er_cache_leave(n->cache, n->disk);
	for (unsigned i = 0; i < n->running; i++)
		er_worker_hand_over(n->workers[i]);
	if (n->admin != NULL)
		er_admin_retire(n->admin);
}

void er_node_endow(const er_node *n, er_inherited *out)
{
	for (size_t i = 0; i < n->n_listens; i++) {
		const er_listening *l = &n->listens[i];
		if (l->address != NULL)
			er_inherited_add(out, er_node_listen_kind(l->env), l->address, l->fds, l->n);
	}
	if (n->admin != NULL)
		er_admin_endow(n->admin, out);
	int lock = n->store != NULL ? er_store_lock_fd(n->store) : -1;
	if (lock >= 0)
		er_inherited_add(out, "store", "lock", &lock, 1);
}

bool er_node_ping(er_node *n, unsigned *late)
{
	ER_CHECK(n, NODE_MAGIC);
	if (is_broken(n))
		return false;
	for (unsigned i = 0; i < n->n; i++)
		if (er_worker_pong(n->workers[i]) < n->pinged) {
			*late = i;
			return false;
		}
	n->pinged++;
	for (unsigned i = 0; i < n->n; i++)
		er_worker_ping(n->workers[i], n->pinged);
	return true;
}

void er_node_free(er_node *n)
{
	if (n == NULL)
		return;
	ER_CHECK(n, NODE_MAGIC);
	ER_ASSERT(n->over && n->handles == 0 && n->n == 0);
	for (size_t i = 0; i < n->n_listens; i++)
		er_node_forget(&n->listens[i], false);
	er_free(n->listens);
	er_gate_free(n->gate);
	er_compressor_free(n->compressor);
	er_assets_memory_free(n->assets);
	if (n->disk != NULL)
		er_cache_leave(n->cache, n->disk);
	er_disk_free(n->disk);
	er_index_free(n->cache);
	er_config_unref(n->changing);
	er_config_unref(n->config);
	er_config_unref(n->file);
	er_kv_work_free(n->kv);
	if (n->store != NULL) { /* the versions that it has the code of are gone */
		er_stored_source_fini(&n->source);
		er_store_close(n->store);
	}
	er_node_free_crons(n);
	er_free(n->admin_path);
	pthread_mutex_destroy(&n->lock);
	er_free(n->own);
	n->magic = 0;
	er_free(n);
	er_log_stop();
}

unsigned er_node_port(const er_node *n, size_t i)
{
	return i < n->n_listens ? n->listens[i].port : 0;
}

unsigned er_node_admin_port(const er_node *n)
{
	return n->admin_port;
}

const char *er_node_admin_path(const er_node *n)
{
	return n->admin_path;
}

const er_config *er_node_config(const er_node *n)
{
	return n->config;
}
