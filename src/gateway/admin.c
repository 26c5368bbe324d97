#include "gateway/admin.h"

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/listen.h"

#include <stdio.h>
#include <unistd.h>

enum { MAGIC = 0x41444d4e, MAX_THREADS = 1024 };

struct er_admin {
	uint32_t magic;
	er_admin_source source;
	er_server *server;
	er_server_stats stats;
	er_handler handler;
	uint64_t started_us;
	void (*closed)(void *ctx);
	void *ctx;
};

/* Debian 12's security team marks webkit2gtk there as for trusted content only; Debian 13 gets updates. */
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

static void health(er_admin *a, er_exchange *x, const er_metrics_view *v, unsigned n)
{
	const char *status = a->source.status(a->source.ctx);
	uint64_t connections = 0, pool = 0, instances = 0, failures = 0;
	er_level level = ER_LEVEL_NONE;
	char engine[64] = "";
	for (unsigned i = 0; i < n; i++) {
		connections += __atomic_load_n(&v[i].server->connections, __ATOMIC_RELAXED);
		pool += __atomic_load_n(&v[i].isolate->pool_ready, __ATOMIC_RELAXED);
		instances += __atomic_load_n(&v[i].isolate->instances, __ATOMIC_RELAXED);
		failures += __atomic_load_n(&v[i].isolate->spawn_failures, __ATOMIC_RELAXED);
		er_level l = __atomic_load_n(&v[i].isolate->level, __ATOMIC_ACQUIRE);
		if (l != ER_LEVEL_NONE && (level == ER_LEVEL_NONE || l < level))
			level = l;
		if (engine[0] == '\0' && l != ER_LEVEL_NONE)
			snprintf(engine, sizeof engine, "%.60s", v[i].isolate->engine);
	}
	/* Between start and first sandbox there is no level yet: that is no fault. */
	if (level != ER_LEVEL_NONE && level < a->source.min_level)
		status = "degraded";
	er_buf b;
	er_buf_init(&b);
	er_buf_puts(&b, "{\"status\":");
	er_buf_put_json(&b, er_slice_cstr(status));
	er_buf_puts(&b, ",\"version\":\"" ER_VERSION "\",\"engine\":");
	er_buf_put_json(&b, er_slice_cstr(engine));
	er_buf_printf(&b, ",\"level\":\"%s\",\"threads\":%u,\"routines\":%zu", er_level_name(level), n,
	              a->source.routines(a->source.ctx));
	er_buf_printf(&b, ",\"connections\":%llu,\"instances\":%llu,\"pool\":%llu", (unsigned long long)connections,
	              (unsigned long long)instances, (unsigned long long)pool);
	er_buf_printf(&b, ",\"sandbox_failures\":%llu,\"uptime_s\":%llu}\n", (unsigned long long)failures,
	              (unsigned long long)((er_clock_mono_us() - a->started_us) / 1000000U));
	answer(x, er_slice_eq(er_slice_cstr(status), ER_LIT("ok")) ? 200 : 503, ER_LIT("application/json"), &b);
	er_buf_fini(&b);
}

static void handle(void *self, er_exchange *x)
{
	er_admin *a = self;
	ER_CHECK(a, MAGIC);
	er_slice path = er_slice_head(x->req.target, er_slice_find(x->req.target, '?'));
	bool is_health = er_slice_eq(path, ER_LIT("/health")), is_metrics = er_slice_eq(path, ER_LIT("/metrics"));
	if (!is_health && !is_metrics) {
		er_exchange_fail(x, 404, ER_ERR_NO_ROUTE, NULL,
		                 "This is the admin address of an EdgeRoutine node: /health and /metrics are here.");
		er_exchange_answer(x);
		return;
	}
	if (!er_slice_eq(x->req.method, ER_LIT("GET")) && !er_slice_eq(x->req.method, ER_LIT("HEAD"))) {
		er_exchange_fail(x, 405, ER_ERR_INVALID, NULL, "GET or HEAD, please.");
		er_fields_add(&x->res.fields, &x->arena, ER_LIT("allow"), ER_LIT("GET, HEAD"));
		er_exchange_answer(x);
		return;
	}
	er_metrics_view *v = er_alloc(MAX_THREADS * sizeof *v);
	unsigned n = a->source.views(a->source.ctx, v, MAX_THREADS);
	if (is_health) {
		health(a, x, v, n);
	} else {
		er_buf b;
		er_buf_init(&b);
		er_metrics_write(&b, v, n, a->source.log_dropped(a->source.ctx));
		answer(x, 200, ER_LIT("text/plain; version=0.0.4; charset=utf-8"), &b);
		er_buf_fini(&b);
	}
	er_free(v);
}

er_admin *er_admin_new(uv_loop_t *loop, const char *address, const er_admin_source *source, unsigned *port, er_err *err)
{
	int fd;
	*port = er_listen_open(address, &fd, 1, err);
	if (*port == 0)
		return NULL;
	er_admin *a = ER_NEW(er_admin);
	*a = (er_admin){.magic = MAGIC, .source = *source, .started_us = er_clock_mono_us()};
	a->handler = (er_handler){.name = "admin", .handle = handle, .self = a};
	er_gateway_limits limits = {.request_line = 4096,
	                            .field = 4096,
	                            .header = 16384,
	                            .fields = 50,
	                            .header_ms = 10000,
	                            .min_body_rate = 240,
	                            .keep_alive_ms = 60000,
	                            .body = 4096};
	er_server_options so = {.loop = loop, .handler = &a->handler, .limits = limits, .stats = &a->stats};
	a->server = er_server_new(&so);
	if (er_server_listen(a->server, fd, err))
		return a;
	close(fd);
	*port = 0;
	er_admin_close(a, NULL, NULL);
	return NULL;
}

static void on_closed(void *ctx)
{
	er_admin *a = ctx;
	ER_CHECK(a, MAGIC);
	void (*closed)(void *) = a->closed;
	void *closed_ctx = a->ctx;
	a->magic = 0;
	er_free(a);
	if (closed != NULL)
		closed(closed_ctx);
}

void er_admin_close(er_admin *a, void (*closed)(void *ctx), void *ctx)
{
	a->closed = closed;
	a->ctx = ctx;
	er_server_close(a->server, on_closed, a);
}
