#include "gateway/node.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/admin.h"
#include "gateway/listen.h"
#include "gateway/worker.h"
#include "isolate/spawner.h"

#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { MAGIC = 0x4e4f4445, READY_MS = 15000, LOOK_US = 2000 };

/* One address that clients reach us at: a descriptor a thread, owned by the threads' servers. */
typedef struct listening {
	char *address;
	unsigned port;
	int *fds;
} listening;

struct er_node {
	uint32_t magic;
	uv_loop_t *loop;
	er_config *config;
	er_spawner spawner;
	er_pulse *pulse;
	er_gate *gate;
	er_access_log *log;
	er_cidr *own;
	size_t n_own;
	er_worker **workers;
	unsigned n, running, ended; /* ended: atomic */
	listening *listens;
	size_t n_listens;
	uv_async_t async;
	bool async_open;
	er_admin *admin;
	unsigned admin_port;
	unsigned handles; /* of ours on the loop */
	bool stopping, over;
	void (*done)(void *ctx);
	void *done_ctx;
};

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

static const char *status(void *ctx)
{
	return ((er_node *)ctx)->stopping ? "stopping" : "ok";
}

static size_t routines(void *ctx)
{
	return ((er_node *)ctx)->config->n_routines;
}

/* ---- starting ---- */

/* er-sandbox beside this executable, or what ER_SANDBOX says. */
static bool sandbox_path(const er_node_options *o, char *out, size_t cap, er_err *err)
{
	const char *given = o->sandbox_path != NULL ? o->sandbox_path : getenv("ER_SANDBOX");
	if (given != NULL && given[0] != '\0') {
		char *full = realpath(given, NULL);
		if (full == NULL)
			return er_fail_errno(err, ER_ERR_SYSTEM, "cannot find the sandbox program %s", given);
		snprintf(out, cap, "%s", full);
		free(full);
		return true;
	}
	ssize_t len = readlink("/proc/self/exe", out, cap - 16);
	if (len <= 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot find out where this program is");
	while (len > 0 && out[len - 1] != '/')
		len--;
	snprintf(out + len, cap - (size_t)len, "er-sandbox");
	return true;
}

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

static void on_worker_ended(void *ctx)
{
	er_node *n = ctx;
	__atomic_add_fetch(&n->ended, 1, __ATOMIC_ACQ_REL);
	uv_async_send(&n->async);
}

static bool make_workers(er_node *n, const er_node_options *o, er_err *err)
{
	uint64_t id_base = 0;
	if (getrandom(&id_base, sizeof id_base, 0) != sizeof id_base)
		id_base = er_clock_wall_us() << 20;
	/* Forty bits to count in, ten for the thread. */
	id_base &= ~((UINT64_C(1) << 50) - 1);
	n->workers = er_zalloc(n->spawner.n * sizeof *n->workers);
	for (unsigned i = 0; i < n->spawner.n; i++) {
		er_worker_options wo = {.number = i,
		                        .config = n->config,
		                        .spawner = n->spawner.sockets[i],
		                        .pulse = n->pulse,
		                        .gate = n->gate,
		                        .log = n->log,
		                        .id_base = id_base,
		                        .own = n->own,
		                        .n_own = n->n_own,
		                        .events = o->events,
		                        .ended = on_worker_ended,
		                        .ctx = n};
		n->workers[i] = er_worker_new(&wo, err);
		if (n->workers[i] == NULL)
			return false;
		n->n++;
	}
	for (; n->running < n->n; n->running++)
		if (!er_worker_run(n->workers[n->running], err))
			return false;
	return true;
}

static bool open_listening(er_node *n, const char *address, listening *out, er_err *err)
{
	*out = (listening){.fds = er_alloc(n->n * sizeof(int))};
	out->port = er_listen_open(address, out->fds, n->n, err);
	if (out->port == 0) {
		er_free(out->fds);
		return false;
	}
	out->address = er_strdup_cstr(address);
	return true;
}

/* The first sandbox of each thread must get ready, and as locked down as the operator wants it. */
static bool wait_for_sandboxes(er_node *n, er_err *err)
{
	if (n->config->pool + n->config->pool_hardened == 0 || n->config->n_routines == 0)
		return true;
	uint64_t end = er_clock_mono_us() + READY_MS * 1000ULL;
	for (unsigned i = 0; i < n->n;) {
		const er_isolate_stats *s = er_worker_view(n->workers[i], false).isolate;
		er_level level = __atomic_load_n(&s->level, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&s->pool_ready, __ATOMIC_ACQUIRE) > 0 && level >= n->config->min_level) {
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

static void give_listening(er_node *n, const listening *l)
{
	for (unsigned i = 0; i < n->n; i++)
		er_worker_listen(n->workers[i], l->fds[i]);
}

static void drop_listening(listening *l, unsigned n, bool close_fds)
{
	for (unsigned i = 0; close_fds && i < n; i++)
		close(l->fds[i]);
	er_free(l->fds);
	er_free(l->address);
	*l = (listening){0};
}

static bool start_admin(er_node *n, er_err *err)
{
	if (n->config->admin == NULL)
		return true;
	er_admin_source source = {.views = views,
	                          .log_dropped = log_dropped,
	                          .status = status,
	                          .routines = routines,
	                          .ctx = n,
	                          .min_level = n->config->min_level};
	n->admin = er_admin_new(n->loop, n->config->admin, &source, &n->admin_port, err);
	if (n->admin != NULL)
		n->handles++;
	return n->admin != NULL;
}

static void on_async(uv_async_t *async);

static bool start(er_node *n, const er_node_options *o, er_err *err)
{
	char path[PATH_MAX];
	if (!sandbox_path(o, path, sizeof path, err))
		return false;
	er_spawner_config sc = {.sandbox_path = path,
	                        .n_sockets = n->config->threads,
	                        .want = o->want_level != ER_LEVEL_NONE ? o->want_level : ER_LEVEL_FULL,
	                        .attack_hooks = o->attack_hooks};
	/* Before any thread exists. */
	if (!er_spawner_start(&n->spawner, &sc, err))
		return false;
	n->pulse = er_pulse_new(err);
	if (n->pulse == NULL)
		return false;
	uv_async_init(n->loop, &n->async, on_async);
	n->async.data = n;
	n->async_open = true;
	n->handles++;
	n->log = er_access_log_open(n->config->access_log, err);
	if (n->log == NULL || !make_workers(n, o, err))
		return false;
	n->listens = er_zalloc((n->config->n_listen + 1) * sizeof *n->listens);
	for (size_t i = 0; i < n->config->n_listen; i++) {
		if (!open_listening(n, n->config->listen[i], &n->listens[i], err))
			return false;
		n->n_listens++;
	}
	if (!start_admin(n, err) || !wait_for_sandboxes(n, err))
		return false;
	for (size_t i = 0; i < n->n_listens; i++)
		give_listening(n, &n->listens[i]);
	return true;
}

er_node *er_node_new(uv_loop_t *loop, const er_node_options *options, er_err *err)
{
	er_node *n = ER_NEW(er_node);
	*n = (er_node){.magic = MAGIC, .loop = loop, .config = er_config_ref(options->config)};
	er_config_seal(n->config);
	n->gate = er_gate_new();
	er_gate_limit(n->gate, n->config->limits.connections, n->config->limits.per_address);
	find_own_addresses(n);
	if (start(n, options, err))
		return n;
	/* Listening sockets were not handed out yet. */
	for (size_t i = 0; i < n->n_listens; i++)
		drop_listening(&n->listens[i], n->n, true);
	n->n_listens = 0;
	er_node_stop(n, NULL, NULL);
	er_node_stop(n, NULL, NULL);
	while (!n->over)
		uv_run(loop, UV_RUN_ONCE);
	er_node_free(n);
	return NULL;
}

/* ---- reloading ---- */

static bool same_slice(er_piece a, er_piece b)
{
	return er_slice_eq(er_piece_slice(a), er_piece_slice(b));
}

static bool same_routine(const er_routine *a, const er_routine *b)
{
	return a->index == b->index && er_slice_eq(a->name, b->name) && er_slice_eq(a->version, b->version) &&
	       er_slice_eq(a->source_url, b->source_url) && er_slice_eq(a->env_json, b->env_json) && same_slice(a->code, b->code) &&
	       same_slice(a->source_map, b->source_map) && memcmp(&a->limits, &b->limits, sizeof a->limits) == 0 &&
	       a->compat == b->compat && a->profile == b->profile && a->fallback == b->fallback && a->n_allow == b->n_allow &&
	       (a->n_allow == 0 || memcmp(a->allow, b->allow, a->n_allow * sizeof *a->allow) == 0);
}

/* A routine that did not change keeps its object, and with it its instances. */
static void keep_unchanged(er_config *config, const er_config *before)
{
	for (size_t i = 0; i < config->n_routines && i < before->n_routines; i++) {
		er_routine *now = config->routines[i], *old = before->routines[i];
		if (now == old || !same_routine(now, old))
			continue;
		for (size_t k = 0; k < config->n_routes; k++)
			if (config->routes[k].routine == now)
				config->routes[k].routine = old;
		config->routines[i] = er_routine_ref(old);
		er_routine_unref(now);
	}
}

static listening *find_listening(er_node *n, const char *address)
{
	for (size_t i = 0; i < n->n_listens; i++)
		if (n->listens[i].address != NULL && er_slice_eq(er_slice_cstr(n->listens[i].address), er_slice_cstr(address)))
			return &n->listens[i];
	return NULL;
}

/* Opens what is new. On failure everything opened here is closed again. */
static bool open_new(er_node *n, const er_config *config, listening *next, er_err *err)
{
	for (size_t i = 0; i < config->n_listen; i++) {
		if (find_listening(n, config->listen[i]) != NULL || open_listening(n, config->listen[i], &next[i], err))
			continue;
		while (i-- > 0)
			if (next[i].address != NULL)
				drop_listening(&next[i], n->n, true);
		return false;
	}
	return true;
}

static void swap_listening(er_node *n, const er_config *config, listening *next)
{
	for (size_t i = 0; i < config->n_listen; i++) {
		if (next[i].address != NULL) {
			give_listening(n, &next[i]);
			continue;
		}
		listening *kept = find_listening(n, config->listen[i]);
		if (kept != NULL) { /* NULL: the same address twice */
			next[i] = *kept;
			*kept = (listening){0};
		}
	}
	for (size_t i = 0; i < n->n_listens; i++) {
		if (n->listens[i].address == NULL)
			continue;
		for (unsigned k = 0; k < n->n; k++)
			er_worker_unlisten(n->workers[k], n->listens[i].fds[k]);
		drop_listening(&n->listens[i], n->n, false);
	}
	er_free(n->listens);
	n->listens = next;
	n->n_listens = config->n_listen;
}

static void warn_of_fixed(const er_config *old, const er_config *new)
{
	static const char text[] = "%s changed: it takes effect when the node is started again";
	if (old->threads != new->threads)
		er_log(ER_LOG_WARN, "gateway", text, "\"threads\"");
	if (old->pool != new->pool || old->pool_hardened != new->pool_hardened || old->max_instances != new->max_instances ||
	    old->min_level != new->min_level)
		er_log(ER_LOG_WARN, "gateway", text, "\"sandbox\"");
	bool same = (old->admin == NULL) == (new->admin == NULL) &&
	            (old->admin == NULL || er_slice_eq(er_slice_cstr(old->admin), er_slice_cstr(new->admin)));
	if (!same)
		er_log(ER_LOG_WARN, "gateway", text, "\"admin\"");
}

bool er_node_reload(er_node *n, er_config *config, er_err *err)
{
	ER_CHECK(n, MAGIC);
	if (n->stopping)
		return er_fail(err, ER_ERR_UNAVAILABLE, "the node is stopping");
	keep_unchanged(config, n->config);
	er_config_seal(config);
	listening *next = er_zalloc((config->n_listen + 1) * sizeof *next);
	if (!open_new(n, config, next, err)) {
		er_free(next);
		return false;
	}
	if (!er_access_log_reopen(n->log, config->access_log, err)) {
		for (size_t i = 0; i < config->n_listen; i++)
			if (next[i].address != NULL)
				drop_listening(&next[i], n->n, true);
		er_free(next);
		return false;
	}
	warn_of_fixed(n->config, config);
	er_gate_limit(n->gate, config->limits.connections, config->limits.per_address);
	/* The new configuration first: what comes by a new address must find its routes. */
	for (unsigned i = 0; i < n->n; i++)
		er_worker_configure(n->workers[i], config);
	swap_listening(n, config, next);
	er_config *old = n->config;
	n->config = er_config_ref(config);
	er_config_unref(old);
	return true;
}

/* ---- stopping ---- */

static void maybe_over(er_node *n)
{
	if (n->handles > 0 || n->over)
		return;
	n->over = true;
	for (unsigned i = 0; i < n->n; i++)
		er_worker_free(n->workers[i]);
	er_free(n->workers);
	n->workers = NULL;
	n->n = 0;
	er_access_log_close(n->log);
	n->log = NULL;
	er_spawner_stop(&n->spawner);
	er_pulse_free(n->pulse);
	if (n->done != NULL)
		n->done(n->done_ctx);
}

static void on_async_closed(uv_handle_t *handle)
{
	er_node *n = handle->data;
	n->handles--;
	maybe_over(n);
}

static void on_admin_closed(void *ctx)
{
	er_node *n = ctx;
	n->handles--;
	maybe_over(n);
}

/* All threads have ended: nothing is left that the admin listener could tell. */
static void close_handles(er_node *n)
{
	if (n->admin != NULL)
		er_admin_close(n->admin, on_admin_closed, n);
	n->admin = NULL;
	if (n->async_open)
		uv_close((uv_handle_t *)&n->async, on_async_closed);
	n->async_open = false;
	maybe_over(n);
}

static void on_async(uv_async_t *async)
{
	er_node *n = async->data;
	ER_CHECK(n, MAGIC);
	if (n->stopping && n->async_open && __atomic_load_n(&n->ended, __ATOMIC_ACQUIRE) == n->running)
		close_handles(n);
}

void er_node_stop(er_node *n, void (*done)(void *ctx), void *ctx)
{
	ER_CHECK(n, MAGIC);
	if (n->over)
		return;
	if (done != NULL) {
		n->done = done;
		n->done_ctx = ctx;
	}
	n->stopping = true;
	for (unsigned i = 0; i < n->running; i++)
		er_worker_stop(n->workers[i]);
	if (n->running == 0 && n->async_open)
		close_handles(n);
	else if (n->running == 0)
		maybe_over(n);
}

void er_node_free(er_node *n)
{
	if (n == NULL)
		return;
	ER_CHECK(n, MAGIC);
	ER_ASSERT(n->over);
	for (size_t i = 0; i < n->n_listens; i++)
		drop_listening(&n->listens[i], 0, false);
	er_free(n->listens);
	er_gate_free(n->gate);
	er_config_unref(n->config);
	er_free(n->own);
	n->magic = 0;
	er_free(n);
}

unsigned er_node_port(const er_node *n, size_t i)
{
	return i < n->n_listens ? n->listens[i].port : 0;
}

unsigned er_node_admin_port(const er_node *n)
{
	return n->admin_port;
}

void er_node_engine(const er_node *n, char *out, size_t cap, er_level *level)
{
	*level = ER_LEVEL_NONE;
	snprintf(out, cap, "%s", "");
	if (n->n == 0)
		return;
	const er_isolate_stats *s = er_worker_view(n->workers[0], n->stopping).isolate;
	*level = __atomic_load_n(&s->level, __ATOMIC_ACQUIRE);
	if (*level != ER_LEVEL_NONE)
		snprintf(out, cap, "%.63s", s->engine);
}
