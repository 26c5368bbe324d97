/* er node: a node that serves the routines of its configuration until it is told to stop. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/node_service.h"
#include "gateway/admin.h"
#include "gateway/node.h"
#include "gateway/standard.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_LISTEN = 64, N_SIGNALS = 4 };

typedef struct settings {
	const char *config; /* NULL: ./node.jsonc if it is there */
	const char *data, *admin, *origin, *threads;
	const char *listen[MAX_LISTEN];
	size_t n_listen;
	bool json;
} settings;

typedef struct app {
	settings set;
	char *config_path; /* NULL: there is no file */
	uv_loop_t loop;
	uv_signal_t signals[N_SIGNALS];
	er_node *node;
	er_service *service;
	bool stopping;
} app;

/* ---- what to serve ---- */

static bool any_production(const er_config *c)
{
	for (size_t i = 0; i < c->n_listen; i++)
		if (c->listen[i].env == ER_ENV_PRODUCTION)
			return true;
	return false;
}

/* --listen stands for the configuration's "listen", and not for that of "staging". */
static void replace_listen(const settings *s, er_config *c)
{
	er_config *old = er_config_copy(c);
	er_config_clear_listen(c);
	for (size_t i = 0; i < s->n_listen; i++)
		er_config_add_listen(c, ER_ENV_PRODUCTION, er_slice_cstr(s->listen[i]));
	for (size_t i = 0; i < old->n_listen; i++)
		if (old->listen[i].env != ER_ENV_PRODUCTION)
			er_config_add_listen(c, old->listen[i].env, er_slice_cstr(old->listen[i].address));
	er_config_unref(old);
}

static bool apply(const settings *s, er_config *c, er_err *err)
{
	if (s->n_listen > 0) {
		replace_listen(s, c);
	} else if (!any_production(c)) {
		er_config_add_listen(c, ER_ENV_PRODUCTION, ER_LIT("127.0.0.1:8787"));
	}
	if (s->admin != NULL) {
		er_free(c->admin);
		c->admin = er_strdup_cstr(s->admin);
	}
	if (s->data != NULL) {
		er_free(c->data);
		c->data = er_strdup_cstr(s->data);
	}
	if (s->origin != NULL) {
		er_slice scheme, authority;
		if (!er_standard_origin(er_slice_cstr(s->origin), &scheme, &authority, err))
			return false;
		er_free(c->origin);
		c->origin = er_strdup_cstr(s->origin);
	}
	if (s->threads != NULL) {
		uint64_t n;
		if (!er_slice_u64(er_slice_cstr(s->threads), &n) || n < 1 || n > 256)
			return er_fail(err, ER_ERR_INVALID, "--threads: a number from 1 to 256 is expected, not \"%s\"", s->threads);
		c->threads = (unsigned)n;
	}
	return true;
}

static er_config *load(const app *a, er_err *err)
{
	er_config *c = a->config_path != NULL ? er_config_load(a->config_path, err) : er_config_new();
	if (c != NULL && !apply(&a->set, c, err)) {
		er_config_unref(c);
		return NULL;
	}
	return c;
}

static er_config *load_again(void *ctx, er_err *err)
{
	return load(ctx, err);
}

/* The file that was named; or node.jsonc here, which may be missing when --data or --origin says what to serve. */
static bool find_config(app *a, er_err *err)
{
	const char *name = a->set.config != NULL ? a->set.config : "node.jsonc";
	char full[PATH_MAX];
	if (realpath(name, full) != NULL) {
		a->config_path = er_strdup_cstr(full);
		return true;
	}
	if (a->set.config == NULL && (a->set.origin != NULL || a->set.data != NULL))
		return true;
	if (a->set.config != NULL)
		return er_fail_errno(err, ER_ERR_IO, "cannot read %s", name);
	return er_fail(err, ER_ERR_IO,
	               "there is no node.jsonc here. Name one (--config FILE), say where deployments are kept (--data DIR), or which "
	               "site to serve (--origin http://HOST:PORT); "
	               "docs/operators.md shows what a node.jsonc looks like. For a single routine: er dev");
}

/* ---- what routines say ---- */

static const char *name_of_level(unsigned level)
{
	static const char *const names[] = {"debug", "log", "info", "warn", "error"};
	return names[level < 5 ? level : 4];
}

static unsigned long long id_of(const er_exchange *x)
{
	return x != NULL ? (unsigned long long)x->id : 0;
}

static void on_console(void *ctx, const er_routine *r, er_exchange *x, unsigned level, er_slice text)
{
	(void)ctx;
	er_log(level >= 4   ? ER_LOG_ERROR
	       : level == 3 ? ER_LOG_WARN
	                    : ER_LOG_INFO,
	       "console", "%.*s %016llx %s: %.*s", ER_FMT(r->name), id_of(x), name_of_level(level), ER_FMT(text));
}

static void on_exception(void *ctx, const er_routine *r, er_exchange *x, er_slice name, er_slice text, er_slice stack, bool fatal)
{
	(void)ctx;
	er_log(fatal ? ER_LOG_ERROR : ER_LOG_WARN, "routine", "%.*s %016llx %s %.*s: %.*s\n%.*s", ER_FMT(r->name), id_of(x),
	       fatal ? "exception:" : "unhandled rejection:", ER_FMT(name), ER_FMT(text), ER_FMT(stack));
}

static void on_killed(void *ctx, const er_routine *r, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit)
{
	(void)ctx;
	const char *unit = why == ER_ERR_CPU ? "us" : why == ER_ERR_MEMORY ? "KB" : why == ER_ERR_TIMEOUT ? "ms" : "";
	er_log(ER_LOG_WARN, "routine", "%.*s %016llx limit: %s; used=%llu%s; limit=%llu%s", ER_FMT(r->name), id_of(x),
	       er_err_name(why), (unsigned long long)used, unit, (unsigned long long)limit, unit);
}

/* ---- saying that it is ready ---- */

/* Of production. */
static size_t n_routines(const er_config *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->n_deployments; i++)
		n += c->deployments[i]->env == ER_ENV_PRODUCTION;
	return n;
}

static void put_url(er_buf *b, const char *address, unsigned port)
{
	er_slice s = er_slice_cstr(address), host = s;
	for (size_t i = s.n; i-- > 0;)
		if (s.p[i] == ':') {
			host = er_slice_head(s, i);
			break;
		}
	if (host.n == 0 || er_slice_eq(host, ER_LIT("*")))
		host = ER_LIT("[::]");
	er_buf_printf(b, "http://%.*s:%u", ER_FMT(host), port);
}

static void write_out(er_buf *b)
{
	er_slice s = er_buf_slice(b);
	while (s.n > 0) {
		ssize_t n = write(STDOUT_FILENO, s.p, s.n);
		if (n <= 0)
			break;
		s = er_slice_from(s, (size_t)n);
	}
	er_buf_fini(b);
}

static void put_listen_json(const app *a, const er_config *c, er_env env, er_buf *b)
{
	er_buf url = {0};
	bool any = false;
	for (size_t i = 0; i < c->n_listen; i++) {
		if (c->listen[i].env != env)
			continue;
		er_buf_clear(&url);
		put_url(&url, c->listen[i].address, er_node_port(a->node, i));
		er_buf_put_cstr(b, any ? "," : "");
		er_buf_put_json(b, er_buf_slice(&url));
		any = true;
	}
	er_buf_fini(&url);
}

static void say_ready_json(const app *a, const er_config *c, const char *engine, er_level level)
{
	er_buf b, url;
	er_buf_init(&b);
	er_buf_init(&url);
	er_buf_puts(&b, "{\"event\":\"ready\",\"listen\":[");
	put_listen_json(a, c, ER_ENV_PRODUCTION, &b);
	er_buf_puts(&b, "],\"staging\":[");
	put_listen_json(a, c, ER_ENV_STAGING, &b);
	er_buf_puts(&b, "]");
	if (c->admin != NULL) {
		er_buf_clear(&url);
		put_url(&url, c->admin, er_node_admin_port(a->node));
		er_buf_puts(&b, ",\"admin\":");
		er_buf_put_json(&b, er_buf_slice(&url));
	}
	if (er_node_admin_path(a->node) != NULL) {
		er_buf_puts(&b, ",\"socket\":");
		er_buf_put_json(&b, er_slice_cstr(er_node_admin_path(a->node)));
	}
	er_buf_printf(&b, ",\"pid\":%ld,\"threads\":%u,\"routines\":%zu,\"version\":\"%s\",\"engine\":", (long)getpid(), c->threads,
	              n_routines(c), ER_VERSION);
	er_buf_put_json(&b, er_slice_cstr(engine));
	er_buf_printf(&b, ",\"level\":\"%s\"}\n", er_level_name(level));
	er_buf_fini(&url);
	write_out(&b);
}

enum { SHOWN = 20 };

static void put_routines(const app *a, const er_config *c, er_buf *b)
{
	size_t shown = 0, all = n_routines(c);
	for (size_t i = 0; i < c->n_deployments && shown < SHOWN; i++) {
		er_slice name = c->deployments[i]->name;
		if (c->deployments[i]->env != ER_ENV_PRODUCTION)
			continue;
		er_buf_printf(b, "  %.*s   http://%.*s.localhost:%u/\n", ER_FMT(name), ER_FMT(name), er_node_port(a->node, 0));
		shown++;
	}
	if (all > shown)
		er_buf_printf(b, "  and %zu more routines\n", all - shown);
}

static void say_ready(const app *a, const er_config *c)
{
	char engine[64];
	er_level level;
	er_node_engine(a->node, engine, sizeof engine, &level);
	er_log(ER_LOG_INFO, "node", "er %s; engine %s (%s); sandboxes at level %s; %u threads", ER_VERSION,
	       engine[0] ? engine : "not started yet", er_engine_support(), er_level_name(level), c->threads);
	if (a->set.json) {
		say_ready_json(a, c, engine, level);
		return;
	}
	er_buf b;
	er_buf_init(&b);
	for (size_t i = 0; i < c->n_listen; i++) {
		er_buf_puts(&b, "ready on ");
		put_url(&b, c->listen[i].address, er_node_port(a->node, i));
		er_buf_put_cstr(&b, c->listen[i].env == ER_ENV_STAGING ? " (staging)\n" : "\n");
	}
	put_routines(a, c, &b);
	if (c->origin != NULL)
		er_buf_printf(&b, "  everything else from %s\n", c->origin);
	if (c->admin != NULL) {
		er_buf_puts(&b, "admin on ");
		put_url(&b, c->admin, er_node_admin_port(a->node));
		er_buf_puts(&b, "/health and /metrics\n");
	}
	if (er_node_admin_path(a->node) != NULL)
		er_buf_printf(&b, "control API on %s\n", er_node_admin_path(a->node));
	write_out(&b);
}

/* ---- signals ---- */

static void on_stopped(void *ctx)
{
	app *a = ctx;
	for (int i = 0; i < N_SIGNALS; i++)
		uv_close((uv_handle_t *)&a->signals[i], NULL);
	er_service_down(a->service);
}

static void on_stop_signal(uv_signal_t *handle, int signum)
{
	app *a = handle->data;
	er_log(ER_LOG_INFO, "node", "%s: %s", signum == SIGINT ? "interrupted" : "asked to end",
	       a->stopping ? "ending at once" : "finishing what runs (again: at once)");
	a->stopping = true;
	er_service_stopping(a->service);
	er_node_stop(a->node, on_stopped, a);
}

/* Another process serves now. */
static void on_handed_over(void *ctx)
{
	app *a = ctx;
	a->stopping = true;
	er_node_hand_over(a->node, on_stopped, a);
}

static const char *status_of(const er_config *c, char *out, size_t cap)
{
	snprintf(out, cap, "er %s serves %zu routines with %u threads", ER_VERSION, n_routines(c), c->threads);
	return out;
}

static void on_reloaded(void *ctx, const er_err *err)
{
	const app *a = ctx;
	char status[128];
	if (err != NULL) {
		er_err later = {0};
		er_log(ER_LOG_ERROR, "node", "not reloaded, the old configuration stays: %s", err->text);
		er_node_reloaded(a->node, false);
		er_service_reloaded(a->service, "the last reload failed, the old configuration stays");
		/* Whoever rotated the log counts on it, whatever is wrong elsewhere. */
		if (!er_node_reopen_log(a->node, &later))
			er_log(ER_LOG_ERROR, "node", "%s", later.text);
		return;
	}
	const er_config *c = er_node_config(a->node);
	er_log(ER_LOG_INFO, "node", "reloaded %s: %zu routines, %zu routes", a->config_path, n_routines(c),
	       c->site[ER_ENV_PRODUCTION].n_rules);
	er_service_reloaded(a->service, status_of(c, status, sizeof status));
}

static void reload(void *ctx)
{
	app *a = ctx;
	er_err err = {0};
	if (a->config_path == NULL) {
		er_log(ER_LOG_WARN, "node", "there is no configuration file to read again");
		return;
	}
	if (!er_service_reloading(a->service))
		return;
	er_config *c = load(a, &err);
	if (c == NULL || !er_node_reload(a->node, c, on_reloaded, a, &err))
		on_reloaded(a, &err);
	er_config_unref(c);
}

static void on_reload_signal(uv_signal_t *handle, int signum)
{
	(void)signum;
	reload(handle->data);
}

static void on_log_signal(uv_signal_t *handle, int signum)
{
	(void)signum;
	app *a = handle->data;
	er_err err = {0};
	if (!er_node_reopen_log(a->node, &err))
		er_log(ER_LOG_ERROR, "node", "%s", err.text);
}

static void watch_signals(app *a)
{
	static const struct {
		int number;
		uv_signal_cb obey;
	} table[N_SIGNALS] = {
	    {SIGINT, on_stop_signal}, {SIGTERM, on_stop_signal}, {SIGHUP, on_reload_signal}, {SIGUSR1, on_log_signal}};
	for (int i = 0; i < N_SIGNALS; i++) {
		uv_signal_init(&a->loop, &a->signals[i]);
		a->signals[i].data = a;
		uv_signal_start(&a->signals[i], table[i].obey, table[i].number);
	}
}

/* ---- running ---- */

/* A connection is a descriptor, and so is every sandbox's wake-up. */
static void raise_files(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

static void start_upgrade(void *ctx, er_node_done *done, void *done_ctx)
{
	er_service_upgrade(((app *)ctx)->service, done, done_ctx);
}

static bool before_accept(void *ctx, er_err *err)
{
	return er_service_before_accept(((app *)ctx)->service, err);
}

static int run(app *a)
{
	er_err err = {0};
	er_config *c = NULL;
	if (find_config(a, &err))
		c = load(a, &err);
	if (c == NULL) {
		fprintf(stderr, "error: %s\n", err.text);
		er_service_refuse(a->service, err.text);
		return ER_EXIT_FAILED;
	}
	er_log_setup(ER_LOG_INFO, c->log_json || a->set.json);
	raise_files();
	uv_loop_init(&a->loop);
	const char *hooks = getenv("ER_ATTACK_HOOKS");
	bool attack_hooks = hooks != NULL && strcmp(hooks, "1") == 0;
	if (attack_hooks)
		er_log(ER_LOG_WARN, "node",
		       "ER_ATTACK_HOOKS=1: sandboxes obey the attack hooks of the tests; never do this in production");
	er_node_options o = {.config = c,
	                     .load = a->config_path != NULL ? load_again : NULL,
	                     .ctx = a,
	                     .events = {.isolate = {.console = on_console, .exception = on_exception, .killed = on_killed}},
	                     .attack_hooks = attack_hooks,
	                     .upgrade = start_upgrade,
	                     .inherited = er_service_inherited(a->service),
	                     .before_accept = before_accept};
	a->node = er_node_new(&a->loop, &o, &err);
	if (a->node == NULL) {
		fprintf(stderr, "error: %s\n", err.text);
		er_service_refuse(a->service, err.text);
	} else {
		char status[128];
		er_service_node sn = {.loop = &a->loop,
		                      .node = a->node,
		                      .upgrade_ms = c->limits.upgrade_ms,
		                      .handed_over = on_handed_over,
		                      .reload = reload,
		                      .ctx = a};
		watch_signals(a);
		er_service_up(a->service, &sn, status_of(er_node_config(a->node), status, sizeof status));
		say_ready(a, er_node_config(a->node));
		uv_run(&a->loop, UV_RUN_DEFAULT);
		er_node_free(a->node);
	}
	er_config_unref(c);
	uv_run(&a->loop, UV_RUN_DEFAULT);
	uv_loop_close(&a->loop);
	return a->node == NULL ? ER_EXIT_FAILED : ER_EXIT_OK;
}

/* --listen may be given several times: er_args_parse keeps the last value only, so these are taken out first. */
static bool take_listens(settings *s, int *argc, char **argv)
{
	int kept = 1;
	for (int i = 1; i < *argc; i++) {
		er_slice arg = er_slice_cstr(argv[i]);
		bool joined = er_slice_starts(arg, ER_LIT("--listen="));
		bool apart = er_slice_eq(arg, ER_LIT("--listen")) && i + 1 < *argc;
		if (!joined && !apart) {
			argv[kept++] = argv[i];
			continue;
		}
		if (s->n_listen == MAX_LISTEN)
			return false;
		s->listen[s->n_listen++] = joined ? argv[i] + 9 : argv[++i];
	}
	*argc = kept;
	return true;
}

/* `er node ...`, as it should be started again: before anything takes words out of argv. */
static bool note_start(app *a, int argc, char **argv)
{
	er_err err = {0};
	char **whole = er_zalloc(((size_t)argc + 2) * sizeof *whole);
	char name[] = "er";
	whole[0] = name;
	for (int i = 0; i < argc; i++)
		whole[i + 1] = argv[i];
	a->service = er_service_new(whole, &err);
	er_free(whole);
	if (a->service == NULL)
		fprintf(stderr, "error: %s\n", err.text);
	return a->service != NULL;
}

int er_cmd_node(int argc, char **argv)
{
	app a = {0};
	settings *s = &a.set;
	const char *ignored = NULL;
	const er_option options[] = {
	    {"config", 'c', "FILE", "the node's configuration; default ./node.jsonc", NULL, &s->config},
	    {"data", 0, "DIR", "the folder of the store: what is deployed here; made if it is not there", NULL, &s->data},
	    {"listen", 'l', "ADDR", "where clients come, instead of the configuration's; may be repeated", NULL, &ignored},
	    {"admin", 0, "ADDR", "where /health and /metrics are, and the control API for who has a token", NULL, &s->admin},
	    {"origin", 0, "URL", "what answers when no routine does: an instant CDN node", NULL, &s->origin},
	    {"threads", 't', "N", "gateway threads; default: one a core", NULL, &s->threads},
	    {"json", 0, NULL, "ready line and log as JSON", &s->json, NULL},
	};
	static const char details[] =
	    "er node check says whether a configuration is right; er node backup and er node restore copy a node's data, "
	    "er node rotate-key makes a new key for its secrets (--help of each tells more).\n"
	    "Signals: INT and TERM finish what runs and end (a second one: at once); HUP reads the configuration again; USR1 opens "
	    "the access log anew; USR2 starts the program on disk, which takes over without a refused connection.\n"
	    "Exit status: 0 ended as asked, 1 failed, 2 called wrongly.\n";
	const er_command cmd = {
	    .usage = "er node [--config FILE] [--listen ADDR]... [--admin ADDR] [--origin URL] [options]",
	    .about = "Runs a node: takes requests, runs the routine of their host and path in a sandbox, or asks the origin.",
	    .details = details,
	    .options = options,
	    .n_options = sizeof options / sizeof *options};
	if (!note_start(&a, argc, argv))
		return ER_EXIT_FAILED;
	int status = -1;
	if (!take_listens(s, &argc, argv)) {
		fprintf(stderr, "error: more than %d --listen\n", MAX_LISTEN);
		status = ER_EXIT_USAGE;
	}
	if (status < 0)
		status = er_args_parse(&cmd, argc, argv, NULL);
	if (status < 0)
		status = run(&a);
	else
		er_service_refuse(a.service, "it does not understand its arguments");
	er_free(a.config_path);
	er_service_free(a.service);
	return status;
}
