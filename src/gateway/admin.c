/* The admin listener: two servers on the control thread's loop, a door each. By which door somebody
 * came is what the control API goes by (`api` of the door), so the two never share a handler.
 *
 * Life: new → listen, listen_local (sockets are open, nobody is accepted) → begin → retire, if a
 * successor takes over → close. A door's descriptors up to n_begun belong to its server, the rest
 * to this object. The file of the Unix socket is removed at the end only by the process that owns
 * it, and only if it is still the same file: a successor has the same socket, and another node may
 * have put its own there. er_admin is freed when both servers have closed, and then the caller
 * hears of it. */
#include "gateway/admin.h"

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/adopt.h"
#include "gateway/metrics_kv.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	MAGIC = 0x41444d4e,
	MAX_THREADS = 1024,
	BODY_MAX = 40 * 1024 * 1024 /* a value of the KV as base64 in JSON; code and map have less */,
	BACKLOG = 128,
	PATIENCE_MS = 1000, /* for who is connected when another process takes over */
	LOOK_MS = 20
};

typedef enum door_kind { REMOTE, LOCAL, DOORS } door_kind;

/* A way in; who comes by it is known by that. */
typedef struct door {
	er_admin *admin;
	er_server *server;
	er_handler handler;
	const er_handler *api; /* or NULL */
	char *name;            /* address or path */
	int *fds;
	unsigned n_fds, n_begun; /* of these the server has the first n_begun */
} door;

/* Two doors, and one server for each that is open. */
struct er_admin {
	uint32_t magic;
	er_admin_source source;
	door doors[DOORS];
	unsigned open;
	er_server_stats stats;
	uint64_t started_us;
	uv_loop_t *loop;
	uv_timer_t timer; /* retired, and waiting for who is connected */
	bool retired;
	uint64_t until_ms;
	bool own_file;    /* the socket's file is this process's to remove */
	struct stat file; /* as it was made */
	void (*closed)(void *ctx);
	void *ctx;
};

/* Debian 12's security team marks webkit2gtk there as for trusted content only; Debian 13 gets
 * updates. */
const char *er_engine_support(void)
{
	FILE *f = fopen("/etc/os-release", "re");
	char line[256];
	const char *verdict = "unknown: nobody has said that this distribution fixes holes in it";
	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		er_slice s = er_slice_cstr(line);
		if (!er_slice_starts(s, ER_LIT("VERSION_ID=")))
			continue;
		if (er_slice_starts(s, ER_LIT("VERSION_ID=\"12\"")))
			verdict = "not updated by Debian 12: the sandbox is the boundary; for hostile tenants take Debian 13 and the "
			          "hardened profile";
		else if (er_slice_starts(s, ER_LIT("VERSION_ID=\"13\"")))
			verdict = "updated by Debian 13";
	}
	if (f != NULL)
		fclose(f);
	return verdict;
}

static void answer(er_exchange *x, int status, er_slice type, er_buf *text)
{
	x->res = (er_response){.status = status};
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("content-type"), type);
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("cache-control"), ER_LIT("no-store"));
	x->res.body = er_body_of(er_piece_copy(er_buf_slice(text)));
	er_exchange_answer(x);
}

typedef struct sums {
	uint64_t connections, pool, instances, failures;
	er_level level;
	char engine[64];
} sums;

/* Of all threads; the level is the lowest that a sandbox has reported. */
static sums sum_up(const er_metrics_view *v, unsigned n)
{
	ER_ASSERT(n <= MAX_THREADS);
	sums s = {.level = ER_LEVEL_NONE};
	for (unsigned i = 0; i < n; i++) {
		er_level l = __atomic_load_n(&v[i].isolate->level, __ATOMIC_ACQUIRE);
		s.connections += __atomic_load_n(&v[i].server->connections, __ATOMIC_RELAXED);
		s.pool += __atomic_load_n(&v[i].isolate->pool_ready, __ATOMIC_RELAXED);
		s.instances += __atomic_load_n(&v[i].isolate->instances, __ATOMIC_RELAXED);
		s.failures += __atomic_load_n(&v[i].isolate->spawn_failures, __ATOMIC_RELAXED);
		if (l != ER_LEVEL_NONE && (s.level == ER_LEVEL_NONE || l < s.level))
			s.level = l;
		if (s.engine[0] == '\0' && l != ER_LEVEL_NONE)
			snprintf(s.engine, sizeof s.engine, "%.60s", v[i].isolate->engine);
	}
	return s;
}

void er_admin_state(const er_admin *a, er_out *o, bool *ok)
{
	ER_CHECK(a, MAGIC);
	const char *status = a->source.status(a->source.ctx);
	er_metrics_view *v = er_alloc(MAX_THREADS * sizeof *v);
	unsigned n = a->source.views(a->source.ctx, v, MAX_THREADS);
	sums s = sum_up(v, n);
	/* Between start and first sandbox there is no level yet: that is no fault. */
	bool routines = a->source.remote != NULL || a->source.routines(a->source.ctx) > 0;
	if (routines && s.level != ER_LEVEL_NONE && s.level < a->source.min_level)
		status = "degraded";
	*ok = er_slice_eq(er_slice_cstr(status), ER_LIT("ok"));
	er_out_cstr(o, "status", status);
	er_out_str(o, "version", ER_LIT(ER_VERSION));
	er_out_cstr(o, "engine", s.engine);
	er_out_cstr(o, "level", er_level_name(s.level));
	er_out_cstr(o, "min_level", er_level_name(a->source.min_level));
	er_out_u64(o, "threads", n);
	er_out_u64(o, "routines", a->source.routines(a->source.ctx));
	er_out_u64(o, "connections", s.connections);
	er_out_u64(o, "instances", s.instances);
	er_out_u64(o, "pool", s.pool);
	er_out_u64(o, "sandbox_failures", s.failures);
	er_out_u64(o, "uptime_s", (er_clock_mono_us() - a->started_us) / 1000000U);
	er_out_u64(o, "pid", (uint64_t)getpid());
	er_metrics_kv_state(o, v, n);
	er_free(v);
	a->source.more_state(a->source.ctx, o);
}

static void health(er_admin *a, er_exchange *x)
{
	bool ok;
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_admin_state(a, &o, &ok);
	er_out_close(&o, '}');
	er_out_line(&o);
	answer(x, ok ? 200 : 503, ER_LIT("application/json"), &o.b);
	er_out_fini(&o);
}

static void metrics(er_admin *a, er_exchange *x)
{
	er_metrics_view *v = er_alloc(MAX_THREADS * sizeof *v);
	unsigned n = a->source.views(a->source.ctx, v, MAX_THREADS);
	er_buf b;
	er_buf_init(&b);
	er_metrics_write(&b, v, n, a->source.log_dropped(a->source.ctx));
	a->source.more_metrics(a->source.ctx, &b);
	answer(x, 200, ER_LIT("text/plain; version=0.0.4; charset=utf-8"), &b);
	er_buf_fini(&b);
	er_free(v);
}

static bool of_api(er_slice path)
{
	return er_slice_starts(path, ER_LIT("/v1")) && (path.n == 3 || path.p[3] == '/');
}

/* The handler of both doors: /v1 goes on to the control API, /health and /metrics are answered
 * here. */
static void handle(void *self, er_exchange *x)
{
	const door *from = self;
	er_admin *a = from->admin;
	ER_CHECK(a, MAGIC);
	er_slice path = er_slice_head(x->req.target, er_slice_find(x->req.target, '?'));
	bool is_health = er_slice_eq(path, ER_LIT("/health")), is_metrics = er_slice_eq(path, ER_LIT("/metrics"));
	if (of_api(path) && from->api != NULL) {
		er_exchange_pass(x, from->api);
		return;
	}
	if (!is_health && !is_metrics) {
		er_exchange_fail(x, 404, ER_ERR_NO_ROUTE, NULL,
		                 from->api != NULL
		                     ? "This is the admin address of an EdgeRoutine node: /health, /metrics and /v1 are here."
		                     : "This is the admin address of an EdgeRoutine node: /health and /metrics are here. The control "
		                       "API (/v1) needs a folder for its data: start the node with --data DIR, or set \"data\".");
		er_exchange_answer(x);
		return;
	}
	if (!er_slice_eq(x->req.method, ER_LIT("GET")) && !er_slice_eq(x->req.method, ER_LIT("HEAD"))) {
		er_exchange_fail(x, 405, ER_ERR_INVALID, NULL, "GET or HEAD, please.");
		er_fields_add(&x->res.fields, &x->arena, ER_LIT("allow"), ER_LIT("GET, HEAD"));
		er_exchange_answer(x);
		return;
	}
	if (is_health)
		health(a, x);
	else
		metrics(a, x);
}

/* ---- life ---- */

er_admin *er_admin_new(uv_loop_t *loop, const er_admin_source *source)
{
	er_admin *a = ER_NEW(er_admin);
	*a = (er_admin){.magic = MAGIC, .source = *source, .loop = loop, .started_us = er_clock_mono_us()};
	const er_gateway_limits limits = {.request_line = 8192,
	                                  .field = 8192,
	                                  .header = 16384,
	                                  .fields = 50,
	                                  .header_ms = 10000,
	                                  .min_body_rate = 240,
	                                  .keep_alive_ms = 60000,
	                                  .body = BODY_MAX};
	for (door_kind k = REMOTE; k < DOORS; k++) {
		door *d = &a->doors[k];
		*d = (door){.admin = a, .api = k == LOCAL ? source->local : source->remote};
		d->handler = (er_handler){.name = "admin", .handle = handle, .self = d};
		er_server_options so = {
		    .loop = loop, .handler = &d->handler, .limits = limits, .stats = &a->stats, .number = k, .secret = true};
		d->server = er_server_new(&so);
		a->open++;
	}
	return a;
}

bool er_admin_listen(er_admin *a, er_inherited *from, const char *address, unsigned *port, er_err *err)
{
	door *d = &a->doors[REMOTE];
	ER_ASSERT(d->n_fds == 0 && d->name == NULL);
	*port = er_adopt(from, "admin", address, 1, &d->fds, &d->n_fds, err);
	if (*port != 0)
		d->name = er_strdup_cstr(address);
	return *port != 0;
}

/* A socket in the file system that only this user may open, in place of one that a node before has
 * left. -1: *err. */
static int open_local(const char *path, er_err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	er_slice name = er_slice_cstr(path);
	if (name.n >= sizeof sa.sun_path) {
		er_fail(err, ER_ERR_INVALID, "%s is too long for a socket (%zu bytes at most): choose a shorter data folder", path,
		        sizeof sa.sun_path - 1);
		return -1;
	}
	er_copy(sa.sun_path, name.p, name.n);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		er_fail_errno(err, ER_ERR_SYSTEM, "cannot make a socket");
		return -1;
	}
	if (unlink(path) != 0 && errno != ENOENT)
		er_fail_errno(err, ER_ERR_IO, "cannot replace %s", path);
	else if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)&sa, sizeof sa) != 0 || chmod(path, 0600) != 0 ||
	         listen(fd, BACKLOG) != 0)
		er_fail_errno(err, ER_ERR_IO, "cannot listen on %s", path);
	else
		return fd;
	close(fd);
	return -1;
}

bool er_admin_listen_local(er_admin *a, er_inherited *from, const char *path, er_err *err)
{
	door *d = &a->doors[LOCAL];
	ER_ASSERT(d->n_fds == 0 && d->name == NULL);
	d->n_fds = er_inherited_take(from, "admin-socket", path, &d->fds);
	if (d->n_fds == 0) {
		int fd = open_local(path, err);
		if (fd < 0)
			return false;
		d->fds = er_alloc(sizeof *d->fds);
		d->fds[d->n_fds++] = fd;
		a->own_file = true;
	}
	d->name = er_strdup_cstr(path);
	(void)stat(path, &a->file);
	return true;
}

bool er_admin_begin(er_admin *a, er_err *err)
{
	ER_CHECK(a, MAGIC);
	for (door_kind k = REMOTE; k < DOORS; k++)
		for (door *d = &a->doors[k]; d->n_begun < d->n_fds; d->n_begun++)
			if (!er_server_listen(d->server, d->fds[d->n_begun], &er_transport_tcp, false, err))
				return false;
	a->own_file = true;
	return true;
}

void er_admin_endow(const er_admin *a, er_inherited *out)
{
	static const char *const kinds[DOORS] = {[REMOTE] = "admin", [LOCAL] = "admin-socket"};
	for (door_kind k = REMOTE; k < DOORS; k++)
		if (a->doors[k].n_fds > 0)
			er_inherited_add(out, kinds[k], a->doors[k].name, a->doors[k].fds, a->doors[k].n_fds);
}

void er_admin_retire(er_admin *a)
{
	ER_CHECK(a, MAGIC);
	ER_ASSERT(!a->retired);
	a->own_file = false;
	a->retired = true;
	a->until_ms = uv_now(a->loop) + PATIENCE_MS + PATIENCE_MS;
	for (door_kind k = REMOTE; k < DOORS; k++)
		er_server_drain(a->doors[k].server, PATIENCE_MS);
}

/* One door is closed; the last one takes the object with it. */
static void on_closed(void *ctx)
{
	er_admin *a = ctx;
	ER_CHECK(a, MAGIC);
	ER_ASSERT(a->open > 0 && a->open <= DOORS);
	if (--a->open > 0)
		return;
	void (*closed)(void *) = a->closed;
	void *closed_ctx = a->ctx;
	a->magic = 0;
	for (door_kind k = REMOTE; k < DOORS; k++) {
		er_free(a->doors[k].name);
		er_free(a->doors[k].fds);
	}
	er_free(a);
	if (closed != NULL)
		closed(closed_ctx);
}

static void close_all(er_admin *a)
{
	struct stat now;
	const char *path = a->own_file ? a->doors[LOCAL].name : NULL;
	if (path != NULL && stat(path, &now) == 0 && now.st_dev == a->file.st_dev && now.st_ino == a->file.st_ino)
		(void)unlink(path);
	for (door_kind k = REMOTE; k < DOORS; k++) {
		door *d = &a->doors[k];
		ER_ASSERT(d->n_begun <= d->n_fds && d->server != NULL);
		for (unsigned i = d->n_begun; i < d->n_fds; i++)
			close(d->fds[i]);
		er_server_close(d->server, on_closed, a);
	}
}

static void on_timer_closed(uv_handle_t *handle)
{
	close_all(handle->data);
}

static void on_timer(uv_timer_t *timer)
{
	er_admin *a = timer->data;
	ER_CHECK(a, MAGIC);
	if (a->stats.connections == 0 || uv_now(a->loop) >= a->until_ms)
		uv_close((uv_handle_t *)timer, on_timer_closed);
}

void er_admin_close(er_admin *a, void (*closed)(void *ctx), void *ctx)
{
	ER_CHECK(a, MAGIC);
	ER_ASSERT(a->closed == NULL);
	a->closed = closed;
	a->ctx = ctx;
	if (!a->retired) {
		close_all(a);
		return;
	}
	uv_timer_init(a->loop, &a->timer);
	a->timer.data = a;
	uv_timer_start(&a->timer, on_timer, 0, LOOK_MS);
}
