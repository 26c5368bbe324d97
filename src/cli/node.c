/* er node: a node that serves the routines of its configuration until it is told to stop. This file
 * turns a command line and a file into a configuration, a node (gateway/node.h) and lines for the
 * operator; signals into what the node is asked; and the node's end into an exit status. What
 * belongs to the service manager and to upgrades is node_service.c.
 *
 * Order: er_service_new first of all, since it must see argv and the inherited descriptors
 * untouched; then the arguments, the configuration, the node (which forks its spawner before any
 * thread exists), and only when it serves the ready line. Whatever fails before that is told to
 * whoever waits for this process.
 *
 * End: a signal, the loss of the spawner, or a successor: each asks the node to stop in its way,
 * and on_stopped closes the handles that hold the loop. The struct app is on the stack of
 * er_cmd_node. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/ending.h"
#include "cli/event.h"
#include "cli/node_service.h"
#include "cli/show.h"
#include "cli/worktree.h"
#include "gateway/admin.h"
#include "gateway/node.h"
#include "gateway/node_disk.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_LISTEN = 64, N_SIGNALS = 4 };

typedef struct settings {
	const char *config; /* NULL: ./node.jsonc if it is there */
	const char *data, *admin, *origin, *threads, *trace;
	const char *listen[MAX_LISTEN];
	size_t n_listen;
	bool json;
} settings;

/* er node: one object for the life of the process, on the stack of the command. */
typedef struct app {
	settings set;
	char *config_path; /* NULL: there is no file */
	uv_loop_t loop;
	uv_signal_t signals[N_SIGNALS];
	er_node *node;
	er_service *service;
	bool stopping;
	bool broken; /* it could not go on serving */
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
		er_config_add_listen(c, ER_ENV_PRODUCTION, er_slice_cstr(s->listen[i]), &er_transport_tcp);
	for (size_t i = 0; i < old->n_listen; i++) {
		const er_listen *from = &old->listen[i];
		if (from->env != ER_ENV_PRODUCTION)
			er_config_add_listen(c, from->env, er_slice_cstr(from->address), from->transport)->prefaced = from->prefaced;
	}
	er_config_unref(old);
}

/* What the command line says goes over the file. */
static bool apply(const settings *s, er_config *c, er_err *err)
{
	ER_ASSERT(s->n_listen <= MAX_LISTEN);
	if (s->n_listen > 0) {
		replace_listen(s, c);
	} else if (!any_production(c)) {
		er_config_add_listen(c, ER_ENV_PRODUCTION, ER_LIT("127.0.0.1:8787"), &er_transport_tcp);
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
		if (!er_group_server_url(er_slice_cstr(s->origin), &scheme, &authority, err))
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

/* The file as it is now, and the command line over it: at the start, and again for each reload. */
static er_config *load(const app *a, er_err *err)
{
	er_config *c = a->config_path != NULL ? er_config_load(a->config_path, err) : er_config_new();
	if (c != NULL && !apply(&a->set, c, err)) {
		er_config_unref(c);
		return NULL;
	}
	return c;
}

/* For POST /v1/reload, which the node asks for by this. */
static er_config *load_again(void *ctx, er_err *err)
{
	return load(ctx, err);
}

/* The file that was named; or node.jsonc here, which may be missing when --data or --origin says
 * what to serve. */
static bool find_config(app *a, er_err *err)
{
	ER_ASSERT(a->config_path == NULL);
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

static unsigned long long id_of(const er_exchange *x)
{
	return x != NULL ? (unsigned long long)x->id : 0;
}

/* The three below come on gateway threads; er_log is for any. */
static void on_console(void *ctx, const er_routine *r, er_exchange *x, unsigned level, er_slice text)
{
	(void)ctx;
	er_log(level >= 4   ? ER_LOG_ERROR
	       : level == 3 ? ER_LOG_WARN
	                    : ER_LOG_INFO,
	       "console", "%.*s %016llx %s: %.*s", ER_FMT(r->name), id_of(x), er_event_level(level), ER_FMT(text));
}

static void on_exception(void *ctx, const er_routine *r, er_exchange *x, er_slice name, er_slice text, er_slice stack, bool fatal)
{
	(void)ctx;
	er_log(fatal ? ER_LOG_ERROR : ER_LOG_WARN, "routine", "%.*s %016llx %s %.*s: %.*s\n%.*s", ER_FMT(r->name), id_of(x),
	       fatal ? "exception:" : "unhandled rejection:", ER_FMT(name), ER_FMT(text), ER_FMT(stack));
}

static void on_killed(void *ctx, const er_routine *r, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit,
                      uint64_t asked, const char *budget)
{
	(void)ctx;
	const char *unit = why == ER_ERR_CPU ? "us" : why == ER_ERR_MEMORY ? "KB" : why == ER_ERR_TIMEOUT ? "ms" : "";
	char more[48] = "";
	if (asked > 0)
		snprintf(more, sizeof more, "; asked=%lluKB", (unsigned long long)asked);
	er_log(ER_LOG_WARN, "routine", "%.*s %016llx limit: %s; used=%llu%s; limit=%llu%s%s%s%s", ER_FMT(r->name), id_of(x),
	       er_err_name(why), (unsigned long long)used, unit, (unsigned long long)limit, unit, budget ? "; budget=" : "",
	       budget ? budget : "", more);
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

/* As a person can type it; the port is the one that the system gave, if 0 was asked for. */
static void put_url(er_buf *b, const char *address, unsigned port)
{
	ER_ASSERT(address != NULL && port <= 65535);
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
	(void)er_term_flush(STDOUT_FILENO, b);
	er_buf_fini(b);
}

static void listen_json(const app *a, const er_config *c, er_env env, const char *key, er_out *o)
{
	er_buf url = {0};
	er_out_open(o, key, '[');
	for (size_t i = 0; i < c->n_listen; i++) {
		if (c->listen[i].env != env)
			continue;
		er_buf_clear(&url);
		put_url(&url, c->listen[i].address, er_node_port(a->node, i));
		er_out_str(o, NULL, er_buf_slice(&url));
	}
	er_out_close(o, ']');
	er_buf_fini(&url);
}

/* One object in a line, the first that the process prints: scripts wait for it. */
static void say_ready_json(const app *a, const er_config *c, const char *engine, er_level level)
{
	ER_ASSERT(a->node != NULL);
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_cstr(&o, "event", "ready");
	listen_json(a, c, ER_ENV_PRODUCTION, "listen", &o);
	listen_json(a, c, ER_ENV_STAGING, "staging", &o);
	if (c->admin != NULL) {
		er_buf url = {0};
		put_url(&url, c->admin, er_node_admin_port(a->node));
		er_out_str(&o, "admin", er_buf_slice(&url));
		er_buf_fini(&url);
	}
	if (er_node_admin_path(a->node) != NULL)
		er_out_cstr(&o, "socket", er_node_admin_path(a->node));
	er_out_u64(&o, "pid", (uint64_t)getpid());
	er_out_u64(&o, "threads", c->threads);
	er_out_u64(&o, "routines", n_routines(c));
	er_out_cstr(&o, "version", ER_VERSION);
	er_out_cstr(&o, "engine", engine);
	er_out_cstr(&o, "level", er_level_name(level));
	er_out_cstr(&o, "min_level", er_level_name(c->min_level));
	er_show_json(&o);
}

enum { SHOWN = 20 };

/* The first SHOWN of them: a node may have thousands. */
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

/* It has none, and nothing can be deployed here. Would one run? */
static void put_no_routine(const er_config *c, er_level level, er_buf *b)
{
	er_buf_puts(b, "  no routine runs here (--data DIR takes deployments)");
	if (level == ER_LEVEL_NONE)
		er_buf_puts(b, "; no sandbox was started, so that their level is not known");
	else if (level < c->min_level)
		er_buf_printf(b, "; none could: sandboxes reach only level %s, and sandbox.minLevel is %s", er_level_name(level),
		              er_level_name(c->min_level));
	else
		er_buf_printf(b, "; sandboxes would have level %s", er_level_name(level));
	er_buf_putc(b, '\n');
}

/* Where to go now: addresses, routines, the admin's doors. One line in the log, and the rest for
 * whoever watches the terminal. */
/* What is answered as a CDN, and where that is kept. */
static void put_sites(const er_config *c, er_buf *b)
{
	const char *before = "  ";
	if (c->n_sites > 0) {
		er_buf_printf(b, "  %zu %s answered from %s servers", c->n_sites, c->n_sites == 1 ? "site is" : "sites are",
		              c->n_sites == 1 ? "its" : "their");
		before = ", ";
	}
	if (c->origin != NULL)
		er_buf_printf(b, "%severything else from %s", before, c->origin);
	else if (c->n_sites == 0)
		return;
	if (c->cache_mb > 0)
		er_buf_printf(b, "; what may be stored is kept (%u MB of memory%s)", c->cache_mb,
		              er_node_has_disk(c) ? ", and on disk" : "");
	er_buf_putc(b, '\n');
}

static void say_ready(const app *a, const er_config *c)
{
	ER_ASSERT(a->node != NULL);
	char engine[64];
	er_level level;
	er_node_engine(a->node, engine, sizeof engine, &level);
	er_log(ER_LOG_INFO, "node", "er %s; engine %s (%s); sandboxes %s%s; %u threads", ER_VERSION,
	       engine[0] ? engine : "not started yet", er_engine_support(), level == ER_LEVEL_NONE ? "not started yet" : "at level ",
	       level == ER_LEVEL_NONE ? "" : er_level_name(level), c->threads);
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
	if (n_routines(c) == 0 && c->data == NULL)
		put_no_routine(c, level, &b);
	put_sites(c, &b);
	if (c->admin != NULL) {
		er_buf_puts(&b, "admin on ");
		put_url(&b, c->admin, er_node_admin_port(a->node));
		er_buf_puts(&b, "/health and /metrics\n");
	}
	if (er_node_admin_path(a->node) != NULL)
		er_buf_printf(&b, "control API on %s\n", er_node_admin_path(a->node));
	write_out(&b);
}

/* Who commits a project with its node's data gives the key of the secrets away. */
static void warn_of_worktree(const er_config *c)
{
	er_arena a;
	er_arena_init(&a);
	const char *root = c->data != NULL ? er_worktree_of(&a, c->data) : NULL;
	if (root != NULL)
		er_log(ER_LOG_WARN, "node",
		       "the data folder %s is in the git work tree %s, which does not ignore it: it has secrets and their key. Move it "
		       "elsewhere (--data ~/er-data), or put it into .gitignore",
		       c->data, root);
	er_arena_fini(&a);
}

/* ---- signals ---- */

static void on_stopped(void *ctx)
{
	app *a = ctx;
	ER_ASSERT(a->stopping);
	uv_signal_t *all[N_SIGNALS];
	for (int i = 0; i < N_SIGNALS; i++)
		all[i] = &a->signals[i];
	er_ending_close_signals(all, N_SIGNALS);
	er_service_down(a->service);
}

/* The second one makes the node end at once. */
static void on_stop_signal(uv_signal_t *handle, int signum)
{
	app *a = handle->data;
	er_log(ER_LOG_INFO, "node", "%s: %s", signum == SIGINT ? "interrupted" : "asked to end",
	       a->stopping ? "ending at once" : "finishing what runs (again: at once)");
	a->stopping = true;
	er_service_stopping(a->service);
	er_node_stop(a->node, on_stopped, a);
}

/* Whoever supervises it starts another, which has a spawner: what can still be answered is. */
static void on_broken(void *ctx)
{
	app *a = ctx;
	er_log(ER_LOG_ERROR, "node", "no routine can run here any more: finishing what runs and ending with status 1");
	a->broken = true;
	if (a->stopping)
		return;
	a->stopping = true;
	er_service_stopping(a->service);
	er_node_stop(a->node, on_stopped, a);
}

/* Another process serves now. */
static void on_handed_over(void *ctx)
{
	app *a = ctx;
	ER_ASSERT(!a->stopping); /* an upgrade is cancelled when the end begins */
	a->stopping = true;
	er_node_hand_over(a->node, on_stopped, a);
}

/* One line for the service manager. */
static const char *status_of(const er_config *c, char *out, size_t cap)
{
	snprintf(out, cap, "er %s serves %zu routines with %u threads", ER_VERSION, n_routines(c), c->threads);
	return out;
}

/* Of a reload that the node has taken, or could not; also of one whose file could not be read. */
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
	       c->env[ER_ENV_PRODUCTION].n_rules);
	er_service_reloaded(a->service, status_of(c, status, sizeof status));
}

/* By SIGHUP, or when an upgrade that came between has failed. */
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

/* Whoever rotates logs has renamed the file: it is opened anew under its name. */
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
	ER_ASSERT(a->node != NULL);
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

static void start_upgrade(void *ctx, er_node_done *done, void *done_ctx)
{
	er_service_upgrade(((app *)ctx)->service, done, done_ctx);
}

static bool before_accept(void *ctx, er_err *err)
{
	return er_service_before_accept(((app *)ctx)->service, err);
}

/* The exit status. */
static int run(app *a)
{
	ER_ASSERT(a->service != NULL && a->node == NULL);
	er_err err = {0};
	er_config *c = NULL;
	if (find_config(a, &err))
		c = load(a, &err);
	if (c == NULL) {
		er_show_error(a->set.json, "failed", er_slice_cstr(err.text), NULL);
		er_service_refuse(a->service, err.text);
		return ER_EXIT_FAILED;
	}
	er_log_setup(ER_LOG_INFO, c->log_json || a->set.json);
	uv_loop_init(&a->loop);
	const char *hooks = getenv("ER_ATTACK_HOOKS");
	bool attack_hooks = hooks != NULL && strcmp(hooks, "1") == 0;
	if (attack_hooks)
		er_log(ER_LOG_WARN, "node",
		       "ER_ATTACK_HOOKS=1: sandboxes obey the attack hooks of the tests; never do this in production");
	er_node_options o = {.config = c,
	                     .load = a->config_path != NULL ? load_again : NULL,
	                     .broken = on_broken,
	                     .ctx = a,
	                     .events = {.isolate = {.console = on_console, .exception = on_exception, .killed = on_killed}},
	                     .attack_hooks = attack_hooks,
	                     .trace = a->set.trace,
	                     .upgrade = start_upgrade,
	                     .inherited = er_service_inherited(a->service),
	                     .before_accept = before_accept};
	a->node = er_node_new(&a->loop, &o, &err);
	if (a->node == NULL) {
		er_show_error(a->set.json, "failed", er_slice_cstr(err.text), NULL);
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
		warn_of_worktree(er_node_config(a->node));
		uv_run(&a->loop, UV_RUN_DEFAULT);
		er_node_free(a->node);
	}
	er_config_unref(c);
	uv_run(&a->loop, UV_RUN_DEFAULT);
	uv_loop_close(&a->loop);
	return a->node == NULL || a->broken ? ER_EXIT_FAILED : ER_EXIT_OK;
}

/* --listen may be given several times: er_args_parse keeps the last value only, so these are taken
 * out first. */
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
		ER_ASSERT(s->n_listen <= MAX_LISTEN);
		if (s->n_listen == MAX_LISTEN)
			return false;
		s->listen[s->n_listen++] = joined ? argv[i] + 9 : argv[++i];
	}
	ER_ASSERT(kept <= *argc);
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
		er_show_error(er_args_json(argc, argv), "failed", er_slice_cstr(err.text), NULL);
	return a->service != NULL;
}

int er_cmd_node(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	app a = {0};
	settings *s = &a.set;
	const char *ignored = NULL;
	const er_option options[] = {
	    {"config", 'c', "FILE", "the node's configuration; default ./node.jsonc", NULL, &s->config},
	    {"data", 0, "DIR", "the folder of the store: what is deployed here; made if it is not there", NULL, &s->data},
	    {"listen", 'l', "ADDR", "where clients come, instead of the configuration's; may be repeated", NULL, &ignored},
	    {"admin", 0, "ADDR", "where /health and /metrics are, and the control API for who has a token", NULL, &s->admin},
	    {"origin", 0, "URL", "what answers when no routine does: an instant CDN node", NULL, &s->origin},
	    {"trace", 0, "HOST", "log each step that a connection with requests for this host takes", NULL, &s->trace},
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
		er_show_error(er_args_json(argc, argv), "usage", ER_LIT("more than 64 --listen"), NULL);
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
