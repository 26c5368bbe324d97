/* er dev: runs a routine at the desk as a node would, with the same sandbox and the same limits,
 * and again after every save.
 *
 * One loop: the bundler child says when there is a new build, the node gets it as a reload, and the
 * log shows what the node's threads report.
 *
 * Start: the port is tried, the bundler is started, and the loop runs until its first build is
 * there (`first`); only then the node starts, with that build or, if it failed, with a page that
 * shows the errors. From then on every good build takes the place of the one that runs, and a
 * failed one leaves it. A change of er.jsonc is read again a moment after the file was touched;
 * another entry or another limit of size starts the bundler anew.
 *
 * End: a signal stops the bundler and asks the node to finish (a second one: at once); when it has,
 * the loop is left, and clean_up closes what still holds it open. The node has threads from
 * er_node_new on: everything here is on the loop's. */
#include "base/clock.h"
#include "base/log.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/desk.h"
#include "cli/devfiles.h"
#include "cli/devlog.h"
#include "cli/devothers.h"
#include "cli/devvars.h"
#include "cli/ending.h"
#include "cli/file.h"
#include "cli/show.h"
#include "gateway/route.h"
#include "geo/database.h"
#include "geo/place.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DRAIN_MS = 2000, SETTLE_MS = 40, PORT_TRIES = 20, ECHO_MS = 20, DEV_ALLOW = 32 };

/* er dev from its arguments to the end of its loop. */
typedef struct dev {
	const char *entry, *host, *origin, *allow, *hosts, *with;
	/* who every client is taken for, and where: --client, --geo, --place */
	const char *client_text, *geo, *place_text;
	struct sockaddr_storage client;
	er_buf place;
	/* private addresses that subrequests may reach: this machine, and --allow */
	er_cidr allowed[DEV_ALLOW];
	size_t n_allowed;
	unsigned port;
	bool json;
	bool inspect, inspect_wait; /* --inspect, --inspect-brk */
	const char *inspect_text;   /* the debugger's port, as written */
	const char *profile_text;   /* --cpu-profile: the file */
	unsigned inspect_port;

	uv_loop_t loop;
	er_project project;
	er_bundler *bundler;
	er_devlog *log;
	er_devfiles *files;
	er_devothers *others; /* routines that it calls */
	er_node *node;
	er_inspector *inspector; /* NULL: not --inspect */
	char *script_url;        /* then, and with a profile: what the script is called */
	er_cpuprofile *profile;  /* NULL: none is taken */
	int profile_fd;          /* its file */
	er_bundle *next;         /* then: a build that waits for the samples of the version before */
	er_bundle *first;        /* the first build, until the node has started */
	size_t own_vars;         /* of .dev.vars */
	char *data;              /* folder of the key-value store; NULL: the project has none */
	er_piece code, map;      /* of the version that runs; empty: none was built yet */
	unsigned version;
	bool stopping;
	bool ending;    /* the node was asked to */
	bool broken;    /* no routine can run any more */
	uint64_t asked; /* to end, microseconds */

	uv_signal_t on_int, on_term, on_hup;
	uv_fs_event_t watch; /* the folder of er.jsonc */
	uv_timer_t settle;   /* a save is several events */
	bool watching;
} dev;

/* ---- what the node is to run ---- */

/* What answers while there is nothing else: the build's errors, as a page. */
static er_piece stand_in(const er_bundle *b)
{
	er_buf page = {0}, code = {0};
	er_buf_puts(&page, "The build failed, and there is no older version to run:\n\n");
	for (size_t i = 0; b != NULL && i < b->n_diags; i++)
		er_caret_put(&page, false, &b->diags[i]);
	er_buf_puts(&code, "addEventListener('fetch', (e) => e.respondWith(new Response(");
	er_buf_put_json(&code, er_slice_head(er_buf_slice(&page), 64 * 1024));
	er_buf_puts(&code,
	            ", { status: 500, headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' } })));");
	er_piece piece = er_piece_copy(er_buf_slice(&code));
	er_buf_fini(&page);
	er_buf_fini(&code);
	return piece;
}

/* The desk runs what the project asks for; a node may allow less. */
static void raise_maximum(dev *d, er_limits *most)
{
	if (er_limits_raise(most, &d->project.limits))
		er_devlog_note(
		    d->log, true,
		    "the limits of er.jsonc are above what a node allows by default; its operator must allow them (routineLimits)");
}

static bool host_ok(er_slice host)
{
	bool ipv6 = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	return host.n > 0 && host.n < 256 && er_slice_find(host, '/') == host.n && (ipv6 || er_slice_find(host, ':') == host.n);
}

/* What the person allows, in lower case; false: it is no list of hosts. */
static bool take_allowed(const char *text, er_buf *out)
{
	er_slice rest = er_slice_cstr(text), host;
	while (er_slice_split(&rest, ',', &host)) {
		if (!host_ok(host))
			return false;
		for (size_t i = 0; i < host.n; i++)
			er_buf_putc(out, er_lower(host.p[i]));
		er_buf_putc(out, ',');
	}
	return er_buf_len(out) > 0;
}

/* The hosts that are answered beside localhost: where it listens, what is allowed, and those of the
 * routes. A route for every host names none. */
static char *own_hosts(const dev *d)
{
	er_buf b = {0};
	bool ipv6 = strchr(d->host, ':') != NULL;
	er_buf_printf(&b, ipv6 ? "[%s]," : "%s,", d->host);
	if (d->hosts != NULL)
		(void)take_allowed(d->hosts, &b);
	er_arena arena;
	er_arena_init(&arena);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		for (size_t i = 0; i < d->project.routes[e].n; i++) {
			er_route route;
			if (!er_route_parse(&arena, d->project.routes[e].v[i], &route, NULL) || route.part.any_host)
				continue;
			er_buf_put_cstr(&b, route.part.sub_hosts ? "*." : "");
			for (size_t k = 0; k < route.part.host.n; k++)
				er_buf_putc(&b, er_lower(route.part.host.p[k]));
			er_buf_putc(&b, ',');
		}
	char *list = er_strdup_slice(er_buf_slice(&b));
	er_buf_fini(&b);
	er_arena_fini(&arena);
	return list;
}

/* Who the clients are, if the person says so, and where. */
static void tell_of_client(const dev *d, er_config *c)
{
	c->client = d->client;
	if (d->geo != NULL) {
		c->geo.paths[0] = er_strdup_cstr(d->geo);
		c->geo.n = 1;
	}
	if (er_buf_len(&d->place) > 0)
		c->geo.pretended = er_strdup_slice(er_buf_slice(&d->place));
}

/* A whole configuration for each version: the node swaps it as it would after a deploy. `failed`:
 * the build whose errors are shown if there is no code. */
static er_config *make_config(dev *d, const er_bundle *failed, er_err *err)
{
	ER_ASSERT(d->host != NULL && d->port <= 65535 && d->n_allowed <= DEV_ALLOW);
	bool ipv6 = strchr(d->host, ':') != NULL;
	er_config *c = er_config_new();
	char *listen = er_printf(ipv6 ? "[%s]:%u" : "%s:%u", d->host, d->port);
	er_config_add_listen(c, ER_ENV_PRODUCTION, er_slice_cstr(listen), &er_transport_tcp);
	er_free(listen);
	c->dev = true;
	c->own_hosts = own_hosts(d);
	/* one instance: what the routine keeps in its globals is there for the next request */
	c->threads = 1;
	c->pool = 1;
	c->pool_hardened = d->project.profile == ER_PROFILE_HARDENED ? 1 : 0;
	c->min_level = ER_LEVEL_SECCOMP_ONLY;
	c->limits.drain_ms = DRAIN_MS;
	if (d->data != NULL)
		c->data = er_strdup_cstr(d->data);
	if (d->origin)
		c->origin = er_strdup_cstr(d->origin);
	tell_of_client(d, c);
	raise_maximum(d, &c->routine_max);
	char version[32];
	int n = snprintf(version, sizeof version, "dev-%u", d->version);
	er_piece code = d->code.n ? er_piece_sub(d->code, 0, d->code.n) : d->project.main != NULL ? stand_in(failed) : (er_piece){0};
	er_piece map = er_piece_sub(d->map, 0, d->map.n);
	if (d->inspector != NULL) {
		d->project.source_url = er_slice_cstr(d->script_url);
		er_inspector_map(d->inspector, er_piece_slice(map));
	}
	er_routine *r = er_project_routine(&d->project, code, map, er_slice_of(version, (size_t)n), d->allowed, d->n_allowed);
	if (!er_config_add_routine(c, r, err)) {
		er_config_unref(c);
		return NULL;
	}
	if (er_devfiles_assets(d->files) != NULL)
		er_config_add_files(c, d->project.name, er_devfiles_assets(d->files));
	if (!er_devothers_configure(d->others, c, d->allowed, d->n_allowed, err)) {
		er_config_unref(c);
		return NULL;
	}
	er_config_seal(c);
	return c;
}

/* What runs goes on if it fails. */
static bool reload(dev *d)
{
	ER_ASSERT(d->node != NULL && !d->stopping);
	er_err err = {0};
	er_config *c = make_config(d, NULL, &err);
	bool ok = c != NULL && er_node_reload(d->node, c, NULL, NULL, &err);
	if (!ok)
		er_devlog_failed(d->log, &(er_diag){.text = er_slice_cstr(err.text)}, 1, true);
	er_config_unref(c);
	return ok;
}

/* ---- builds ---- */

/* The version that runs keeps its own pieces: they are counted. */
static void take_code(dev *d, er_bundle *b)
{
	ER_ASSERT(b->ok);
	er_piece_drop(&d->code);
	er_piece_drop(&d->map);
	d->code = b->code;
	d->map = b->map;
	d->version++;
	b->code = b->map = (er_piece){0};
}

/* Takes b. */
static void take_bundle(dev *d, er_bundle *b)
{
	if (!b->ok) {
		er_devlog_failed(d->log, b->diags, b->n_diags, d->code.n > 0);
	} else {
		bool again = d->code.n > 0;
		take_code(d, b);
		if (reload(d))
			er_devlog_built(d->log, b, again);
	}
	er_bundle_free(b);
}

/* The version before ends with its last request, and what was sampled of it with it. */
static void on_sampled(void *ctx)
{
	dev *d = ctx;
	er_bundle *b = d->next;
	d->next = NULL;
	if (b != NULL && !d->stopping)
		take_bundle(d, b);
	else
		er_bundle_free(b);
}

/* Takes b. */
static void on_bundle(void *ctx, er_bundle *b)
{
	dev *d = ctx;
	ER_ASSERT(b != NULL && !d->stopping);
	if (d->node == NULL) {
		er_bundle_free(d->first);
		d->first = b;
	} else if (d->profile != NULL && b->ok) {
		er_bundle_free(d->next);
		d->next = b;
		er_inspector_finish(d->inspector, on_sampled, d);
	} else {
		take_bundle(d, b);
	}
}

/* The child has ended by itself. The node goes on with what it has. */
static void on_bundler_end(void *ctx)
{
	dev *d = ctx;
	er_bundler_close(d->bundler);
	d->bundler = NULL;
	if (d->node)
		er_devlog_note(d->log, true, "saves are not noticed any more: the bundler is gone; start er dev again");
}

/* The one before is closed, or on its way. */
static bool start_bundler(dev *d, er_err *err)
{
	er_bundler_options o = {.project = &d->project,
	                        .minify = ER_MINIFY_NONE,
	                        .watch = true,
	                        .on_bundle = on_bundle,
	                        .on_end = on_bundler_end,
	                        .ctx = d};
	d->bundler = er_bundler_start(&d->loop, &o, err);
	return d->bundler != NULL;
}

/* ---- the routines that it calls ---- */

static void on_others(void *ctx)
{
	dev *d = ctx;
	if (d->node != NULL && !d->stopping)
		(void)reload(d);
}

/* Those of --with, and those that lie beside it. */
static bool take_others(dev *d, er_err *err)
{
	er_slice rest = d->with != NULL ? er_slice_cstr(d->with) : (er_slice){0}, one;
	while (er_slice_split(&rest, ',', &one)) {
		char *folder = er_strdup_slice(er_slice_trim(one));
		bool ok = er_devothers_add(d->others, folder, err);
		er_free(folder);
		if (!ok)
			return false;
	}
	er_devothers_find(d->others, &d->project);
	return true;
}

static void tell_of_others(dev *d, const char *url)
{
	er_slice names[ER_DEVOTHERS_MOST], missing = er_devothers_missing(d->others, &d->project);
	size_t n = er_devothers_names(d->others, names);
	const char *port = strrchr(url, ':');
	for (size_t i = 0; i < n; i++)
		er_devlog_note(d->log, false, "%.*s runs here, too: http://%.*s.localhost%s", ER_FMT(names[i]), ER_FMT(names[i]), port);
	if (missing.n > 0)
		er_devlog_note(d->log, true,
		               "the routine %.*s, which \"services\" names, is not here: er dev --with FOLDER takes its project "
		               "(one in ../%.*s or ./%.*s is found by itself)",
		               ER_FMT(missing), ER_FMT(missing), ER_FMT(missing));
}

/* ---- static files ---- */

/* As they are now. What is wrong with them is shown, and what was served goes on. */
static void read_files(dev *d, bool say)
{
	er_err err = {0};
	bool other;
	if (!er_devfiles_read(d->files, &d->project, &other, &err))
		er_devlog_failed(d->log, &(er_diag){.text = er_slice_cstr(err.text)}, 1, true);
	else if (other && say && reload(d))
		er_devlog_note(d->log, false, "the static files were read again");
}

static void on_files(void *ctx)
{
	dev *d = ctx;
	if (d->node != NULL && !d->stopping)
		read_files(d, true);
}

/* ---- er.jsonc ---- */

/* It begins or goes on without code. */
static void drop_code(dev *d)
{
	if (d->bundler != NULL)
		er_bundler_close(d->bundler);
	d->bundler = NULL;
	er_piece_drop(&d->code);
	er_piece_drop(&d->map);
	d->version++;
}

/* er.jsonc was touched and a moment has passed. What it says now takes the place of the project;
 * what is wrong in it is shown, and the old one stays. */
static void on_settled(uv_timer_t *t)
{
	dev *d = t->data;
	er_project fresh;
	er_diag diag;
	er_err err;
	if (d->stopping)
		return;
	if (!er_project_load(&fresh, d->entry, &diag) || !er_devvars_take(&fresh, &d->own_vars, &diag)) {
		er_devlog_failed(d->log, &diag, 1, d->code.n > 0);
		er_project_free(&fresh);
		return;
	}
	bool other_main = !er_slice_eq(er_slice_cstr(fresh.main), er_slice_cstr(d->project.main));
	bool other_limit = fresh.limits.code_n != d->project.limits.code_n;
	er_project_free(&d->project);
	d->project = fresh;
	er_devlog_note(d->log, false,
	               d->own_vars > 0 ? "er.jsonc and " ER_DEVVARS_FILE " were read again" : "er.jsonc was read again");
	d->version++;
	read_files(d, false);
	er_devothers_find(d->others, &d->project);
	if (d->project.main == NULL) {
		drop_code(d);
		(void)reload(d);
	} else if (other_main || other_limit || d->bundler == NULL) {
		if (d->bundler)
			er_bundler_close(d->bundler);
		if (!start_bundler(d, &err))
			er_devlog_failed(d->log, &(er_diag){.text = er_slice_cstr(err.text)}, 1, d->code.n > 0);
	} else if (d->code.n > 0) {
		(void)reload(d);
	}
}

/* Editors write a file by renaming another one over it, so the folder is watched and not the
 * file. */
static void on_folder(uv_fs_event_t *h, const char *name, int events, int status)
{
	dev *d = h->data;
	(void)events;
	er_slice file = er_slice_cstr(name != NULL ? name : "");
	if (status == 0 && (er_slice_eq(file, ER_LIT("er.jsonc")) || er_slice_eq(file, ER_LIT(ER_DEVVARS_FILE))))
		(void)uv_timer_start(&d->settle, on_settled, SETTLE_MS, 0);
}

/* ---- ending ---- */

static void close_handle(void *h)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

/* The node has answered what it had to. */
static void on_stopped(void *ctx)
{
	dev *d = ctx;
	er_ending_close_signals((uv_signal_t *[]){&d->on_int, &d->on_term, &d->on_hup}, 3);
	uv_stop(&d->loop); /* the log is still open */
}

/* Nothing is built or read any more; the node is asked by the caller. */
static void begin_to_end(dev *d)
{
	d->stopping = true;
	if (d->bundler)
		er_bundler_close(d->bundler);
	d->bundler = NULL;
	if (d->watching)
		close_handle(&d->watch);
	er_devfiles_stop(d->files);
	er_devothers_stop(d->others);
	close_handle(&d->settle);
}

static void stop_node(void *ctx)
{
	dev *d = ctx;
	if (!d->ending)
		er_node_stop(d->node, on_stopped, d);
	d->ending = true;
}

/* The first one ends it well; the second one is passed on to the node, which then ends at once. */
static void on_signal(uv_signal_t *h, int number)
{
	dev *d = h->data;
	(void)number;
	uint64_t now = er_clock_mono_us();
	/* One Ctrl-C may arrive twice: timeout, npm and the like pass it on to a child that has it from
	 * the terminal already. */
	if (d->stopping && now - d->asked < ECHO_MS * 1000)
		return;
	if (!d->stopping) {
		d->asked = now;
		if (!d->json && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO))
			(void)!write(STDOUT_FILENO, "\n", 1); /* behind the terminal's ^C */
		er_devlog_note(d->log, false, "ending");
		begin_to_end(d);
		if (d->profile != NULL)
			er_inspector_finish(d->inspector, stop_node, d);
		else
			stop_node(d);
		return;
	}
	d->ending = true;
	er_node_stop(d->node, on_stopped, d);
}

static void on_broken(void *ctx)
{
	dev *d = ctx;
	d->broken = true;
	er_devlog_note(d->log, true, "the process that starts sandboxes is gone, so no routine can run any more; start er dev again");
	if (d->stopping)
		return;
	begin_to_end(d);
	stop_node(d);
}

/* ---- starting ---- */

/* True: nobody listens there. The node's own listeners share ports among themselves, so this asks
 * without sharing. */
static bool port_free(const char *host, unsigned port, int *why)
{
	char service[8];
	(void)snprintf(service, sizeof service, "%u", port);
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *list = NULL;
	*why = EADDRNOTAVAIL;
	if (getaddrinfo(host, service, &hints, &list) != 0)
		return false;
	int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	bool ok = fd >= 0 && bind(fd, list->ai_addr, list->ai_addrlen) == 0 && listen(fd, 1) == 0;
	*why = errno;
	if (fd >= 0)
		close(fd);
	freeaddrinfo(list);
	return ok;
}

/* Asked before anything is built: a port in use is the most usual mistake, and the next free one
 * can be named. */
static bool check_port(const dev *d, er_err *err)
{
	int why;
	if (d->port == 0 || port_free(d->host, d->port, &why))
		return true;
	if (why == EACCES)
		return er_fail(err, ER_ERR_IO, "port %u needs privileges; take one above 1023: er dev --port 8787", d->port);
	if (why != EADDRINUSE)
		return er_fail(err, ER_ERR_IO, "cannot listen on %s port %u: %s", d->host, d->port, strerror(why));
	for (unsigned i = 1; i <= PORT_TRIES && d->port + i < 65536; i++)
		if (port_free(d->host, d->port + i, &why))
			return er_fail(err, ER_ERR_IO, "port %u is in use, perhaps by another er dev; port %u is free: er dev --port %u",
			               d->port, d->port + i, d->port + i);
	return er_fail(err, ER_ERR_IO, "port %u is in use, and so are the next %d; choose one with --port", d->port, PORT_TRIES);
}

/* Signals, and the folder of er.jsonc. */
static void watch(dev *d)
{
	ER_ASSERT(d->node != NULL && !d->watching);
	uv_signal_t *signals[] = {&d->on_int, &d->on_term, &d->on_hup};
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		(void)uv_signal_init(&d->loop, signals[i]);
		signals[i]->data = d;
		(void)uv_signal_start(signals[i], on_signal, numbers[i]);
	}
	(void)uv_timer_init(&d->loop, &d->settle);
	d->settle.data = d;
	if (d->project.file == NULL)
		return;
	(void)uv_fs_event_init(&d->loop, &d->watch);
	d->watch.data = d;
	d->watching = true;
	if (uv_fs_event_start(&d->watch, on_folder, d->project.root, 0) != 0)
		er_devlog_note(d->log, true, "changes of er.jsonc are not noticed: the system has no file watches left");
}

/* A folder of the project's own for its key-value store, which no repository takes in. A
 * project that names no namespace has none; if there can be none, that is said. */
static void make_data(dev *d)
{
	er_err err = {0};
	if (d->project.n_kv == 0 && !er_devothers_has_kv(d->others))
		return;
	char *folder = er_printf("%s/.er", d->project.root), *ignore = er_printf("%s/.gitignore", folder);
	(void)mkdir(folder, 0755);
	int fd = open(ignore, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	bool there = fd >= 0 ? er_write_close(fd, ER_LIT("*\n")) : errno == EEXIST;
	if (!there)
		(void)er_fail_errno(&err, ER_ERR_IO, "%s", ignore);
	d->data = there ? er_printf("%s/dev", folder) : NULL;
	er_store *s = there ? er_store_open(&(er_store_options){.dir = d->data}, &err) : NULL;
	if (s != NULL) {
		er_store_close(s);
	} else {
		er_devlog_note(d->log, true, "there is no key-value store: %s", err.text);
		er_free(d->data);
		d->data = NULL;
	}
	er_free(folder);
	er_free(ignore);
}

/* With the build that is there; a save that came meanwhile is taken after it. */
static bool start_node(dev *d, er_err *err)
{
	er_bundle *b = d->first;
	ER_ASSERT(b != NULL && d->node == NULL);
	d->first = NULL;
	if (b->ok)
		take_code(d, b);
	make_data(d);
	er_config *c = make_config(d, b, err);
	if (c != NULL && b->ok)
		er_devlog_built(d->log, b, false);
	else if (c != NULL)
		er_devlog_failed(d->log, b->diags, b->n_diags, false);
	er_devlog_debug(d->log, d->inspector);
	er_node_options o = {.config = c, .broken = on_broken, .ctx = d, .events = er_devlog_events(d->log)};
	d->node = c != NULL ? er_node_new(&d->loop, &o, err) : NULL;
	er_config_unref(c);
	er_bundle_free(b);
	/* A save while the node was starting. */
	if (d->node != NULL && d->first != NULL) {
		b = d->first;
		d->first = NULL;
		on_bundle(d, b);
	}
	return d->node != NULL;
}

/* The address as a person can open it: one for "any address", and brackets around IPv6. */
static void say_ready(dev *d)
{
	ER_ASSERT(d->node != NULL);
	char engine[64], url[320];
	er_level level;
	er_node_engine(d->node, engine, sizeof engine, &level);
	er_slice host = er_slice_cstr(d->host);
	bool any = er_slice_eq(host, ER_LIT("0.0.0.0")) || er_slice_eq(host, ER_LIT("::"));
	bool ipv6 = strchr(d->host, ':') != NULL;
	(void)snprintf(url, sizeof url, ipv6 && !any ? "http://[%s]:%u" : "http://%s:%u", any ? "127.0.0.1" : d->host,
	               er_node_port(d->node, 0));
	er_devlog_ready(d->log, &d->project, url, er_level_name(level), engine);
	if (d->own_vars > 0)
		er_devlog_note(d->log, false, "%zu variable%s of " ER_DEVVARS_FILE " go%s over those of er.jsonc", d->own_vars,
		               d->own_vars == 1 ? "" : "s", d->own_vars == 1 ? "es" : "");
	tell_of_others(d, url);
	if (d->profile != NULL)
		er_devlog_note(d->log, false, "a profile of CPU time is taken; when er dev ends, it is in %s", d->profile_text);
	else if (d->inspector != NULL)
		er_devlog_note(d->log, false, "a debugger can attach: chrome://inspect, VS Code, or ws://%s",
		               er_inspector_address(d->inspector));
	if (d->data != NULL && d->project.n_kv > 0)
		er_devlog_note(d->log, false, "its key-value store: er kv list %.*s --node %s/admin.sock",
		               ER_FMT(d->project.kv[0].target), d->data);
	if (level != ER_LEVEL_FULL)
		er_devlog_note(
		    d->log, true,
		    "this system gives sandboxes only the level %s; a node refuses to start below \"full\". Run only code you trust",
		    er_level_name(level));
}

/* Everything that still holds the loop open is closed, and the loop runs dry. */
static void clean_up(dev *d)
{
	if (d->bundler)
		er_bundler_close(d->bundler);
	if (d->node)
		er_node_free(d->node);
	er_devlog_debug(d->log, NULL);
	if (d->inspector)
		er_inspector_close(d->inspector);
	er_devlog_close(d->log);
	er_devfiles_stop(d->files);
	er_devothers_stop(d->others);
	(void)uv_run(&d->loop, UV_RUN_DEFAULT);
	er_devfiles_free(d->files);
	er_devothers_free(d->others);
	(void)uv_loop_close(&d->loop);
	er_bundle_free(d->first);
	er_bundle_free(d->next);
	er_piece_drop(&d->code);
	er_piece_drop(&d->map);
	er_free(d->data);
	er_free(d->script_url);
	er_cpuprofile_free(d->profile);
}

/* The first build, which comes later; of static files alone it is there. */
static bool start_build(dev *d, er_err *err)
{
	if (d->project.main != NULL)
		return start_bundler(d, err);
	d->first = er_bundle_none();
	return true;
}

/* What a debugger knows the script by. It is one folder below the project, where the map's
 * sourceRoot leads back from, and is no file, so that no debugger takes an older build for it. */
static char *script_url(const dev *d)
{
	static const er_slice special = ER_LIT("%#?\\ \"<>`{}");
	er_buf b = {0};
	er_buf_puts(&b, "file://");
	for (const char *p = d->project.root; *p; p++) {
		uint8_t c = (uint8_t)*p;
		bool plain = c > 0x20 && c < 0x7f && er_slice_find(special, c) == special.n;
		er_buf_printf(&b, plain ? "%c" : "%%%02X", c);
	}
	er_buf_puts(&b, "/.er/routine.js");
	char *url = er_strdup_slice(er_buf_slice(&b));
	er_buf_fini(&b);
	return url;
}

/* --inspect: the door is open before there is anything to debug. */
static bool start_inspector(dev *d, er_err *err)
{
	if (!d->inspect && d->profile_text == NULL)
		return true;
	if (d->profile_text != NULL) {
		d->profile_fd = open(d->profile_text, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (d->profile_fd < 0)
			return er_fail_errno(err, ER_ERR_IO, "--cpu-profile: %s", d->profile_text);
		d->profile = er_cpuprofile_new();
	}
	d->script_url = script_url(d);
	char *title = er_strdup_slice(d->project.name);
	er_inspector_options o = {.loop = &d->loop,
	                          .port = d->inspect_port,
	                          .wait = d->inspect_wait,
	                          .url = d->script_url,
	                          .title = title,
	                          .profile = d->profile};
	d->inspector = er_inspector_new(&o, err);
	er_free(title);
	return d->inspector != NULL;
}

/* Of --cpu-profile: the file is open since the start, and may have had another profile in it. */
static void write_profile(dev *d)
{
	if (d->profile == NULL)
		return;
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_cpuprofile_put(d->profile, &o);
	er_out_close(&o, '}');
	bool ok = ftruncate(d->profile_fd, 0) == 0;
	if (er_write_close(d->profile_fd, er_buf_slice(&o.b)) && ok)
		er_devlog_note(d->log, false, "the profile of CPU time is in %s: %llu samples", d->profile_text,
		               (unsigned long long)er_cpuprofile_count(d->profile));
	else
		er_devlog_note(d->log, true, "the profile could not be written to %s: %s", d->profile_text, strerror(errno));
	er_out_fini(&o);
}

/* From a loaded project to the end. The exit status. */
static int run(dev *d)
{
	er_err err = {0};
	int rc = uv_loop_init(&d->loop);
	ER_ASSERT(rc == 0);
	d->log = er_devlog_new(&d->loop, d->json);
	d->files = er_devfiles_new(&d->loop, on_files, d);
	d->others = er_devothers_new(&d->loop, d->log, on_others, d);
	bool other, ok = check_port(d, &err) && start_inspector(d, &err) && er_devfiles_read(d->files, &d->project, &other, &err) &&
	                 take_others(d, &err) && start_build(d, &err);
	while (ok && (d->first == NULL || er_devothers_waits(d->others)) && uv_run(&d->loop, UV_RUN_ONCE))
		;
	ok = ok && start_node(d, &err);
	if (ok) {
		watch(d);
		say_ready(d);
		(void)uv_run(&d->loop, UV_RUN_DEFAULT);
		write_profile(d);
	} else {
		er_desk_show_failure(&(er_diag){.text = er_slice_cstr(err.text)}, 1, d->json);
	}
	clean_up(d);
	return ok && !d->broken ? ER_EXIT_OK : ER_EXIT_FAILED;
}

/* This machine, and what --allow says: ranges with commas between. */
static bool parse_allow(dev *d)
{
	er_slice rest = er_slice_cstr(d->allow), one;
	bool ok = er_cidr_parse(ER_LIT("127.0.0.0/8"), &d->allowed[0]) && er_cidr_parse(ER_LIT("::1"), &d->allowed[1]);
	ER_ASSERT(ok);
	/* Two are there already. */
	for (d->n_allowed = 2; ok && d->allow != NULL && er_slice_split(&rest, ',', &one); d->n_allowed++)
		ok = d->n_allowed < DEV_ALLOW && er_cidr_parse_service(er_slice_trim(one), &d->allowed[d->n_allowed]);
	return ok;
}

/* --client, --geo and --place. A database that cannot be read ends the start: nobody is served by
 * it yet. */
static bool parse_client(dev *d, er_err *err)
{
	er_cidr one;
	er_err why = {0};
	if (d->client_text != NULL) {
		if (!er_cidr_parse(er_slice_cstr(d->client_text), &one) || one.bits != 128)
			return er_fail(err, ER_ERR_INVALID, "--client: an address is expected (203.0.113.5, 2001:db8::1), not \"%.200s\"",
			               d->client_text);
		er_cidr_to_sockaddr(&one.addr, &d->client);
	}
	if (d->place_text != NULL && !er_geo_place_parse(er_slice_cstr(d->place_text), &d->place, &why))
		return er_fail(err, ER_ERR_INVALID, "--place: %s", why.text);
	if (d->geo == NULL)
		return true;
	er_geo_database *database = er_geo_database_open(d->geo, &why);
	er_geo_database_unref(database);
	return database != NULL || er_fail(err, ER_ERR_INVALID, "--geo: %s", why.text);
}

static bool parse_port(const char *text, unsigned *port)
{
	uint64_t v = 8787;
	bool ok = text == NULL || (er_slice_u64(er_slice_cstr(text), &v) && v <= 65535);
	*port = (unsigned)v;
	return ok;
}

int er_cmd_dev(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	dev d = {.host = "127.0.0.1"};
	const char *port = NULL;
	const er_option options[] = {
	    {"port", 'p', "N", "port to listen on; 8787 if not given, 0: any", NULL, &port},
	    {"host", 0, "ADDR", "address to listen on; 127.0.0.1 if not given", NULL, &d.host},
	    {"allow-host", 0, "HOSTS", "hosts to answer beside localhost and those of the routes: NAME,*.NAME, or * for every host",
	     NULL, &d.hosts},
	    {"origin", 0, "URL", "what is behind the routine: fetch(request) and requests that it passes on go there", NULL,
	     &d.origin},
	    {"client", 0, "ADDR", "the client that every request is taken to come from", NULL, &d.client_text},
	    {"geo", 0, "FILE", "a database of places in MaxMind's format, for request.info and request.cf", NULL, &d.geo},
	    {"place", 0, "FIELDS", "without a database: where every client is, as country=DE,city=Berlin", NULL, &d.place_text},
	    {"allow", 0, "ADDRESSES", "private addresses that subrequests may reach, as 10.0.0.0/8,192.168.1.5", NULL, &d.allow},
	    {"with", 0, "FOLDERS", "projects of routines that it calls (\"services\" of er.jsonc), as ../auth,../mail", NULL,
	     &d.with},
	    {"inspect", 0, NULL, "a debugger (Chrome, VS Code) can attach at 127.0.0.1 port 9229; =PORT: at that port, =0: at any",
	     &d.inspect, &d.inspect_text},
	    {"inspect-brk", 0, NULL, "the same, and the code waits until one is there and lets it run", &d.inspect_wait,
	     &d.inspect_text},
	    {"cpu-profile", 0, "FILE", "take a profile of CPU time from the start, and write it (.cpuprofile) at the end", NULL,
	     &d.profile_text},
	    {"json", 0, NULL, "one JSON object a line on standard output: ready, build, console, exception, killed, request", &d.json,
	     NULL},
	};
	const er_command cmd = {
	    .usage = "er dev [ENTRY] [--port N] [--origin URL] [options]",
	    .about = "Runs a routine as a node would (same sandbox, same limits), rebuilds it on every save and shows what it does.\n"
	             "ENTRY is a source file or a folder; without it the project (er.jsonc) here or in a folder above. Subrequests "
	             "to this machine "
	             "(127.0.0.0/8, ::1) are allowed at the desk, other private addresses with --allow; a node refuses both unless "
	             "its operator says otherwise.",
	    .details = "Requests for other hosts get 421, so that no page of a stranger can read what runs here (DNS rebinding): see "
	               "--allow-host.\n"
	               "Ctrl-C lets running requests finish (two seconds at most) and ends; a second Ctrl-C ends at once.\n"
	               "Exit status: 0 ended by a signal, 1 it could not start, 2 wrong usage.\n",
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &d.entry);
	if (rc >= 0)
		return rc;
	er_err err;
	er_slice scheme, authority;
	err = (er_err){0};
	bool ok = parse_port(port, &d.port) ||
	          er_fail(&err, ER_ERR_INVALID, "--port: a number from 0 to 65535 is expected, not \"%.200s\"", port);
	d.inspect |= d.inspect_wait;
	d.inspect_port = 9229;
	if (ok && d.inspect_text != NULL && !parse_port(d.inspect_text, &d.inspect_port))
		ok = er_fail(&err, ER_ERR_INVALID, "--inspect: a port from 0 to 65535 is expected, not \"%.200s\"", d.inspect_text);
	if (ok && d.inspect && d.profile_text != NULL)
		ok = er_fail(&err, ER_ERR_INVALID, "--cpu-profile goes without --inspect: a debugger takes profiles itself");
	if (ok && !parse_allow(&d))
		ok = er_fail(
		    &err, ER_ERR_INVALID,
		    "--allow: at most %d addresses or ranges with commas between are expected (10.0.0.0/8,fd00::5), not \"%.200s\"",
		    DEV_ALLOW - 2, d.allow);
	er_buf hosts = {0};
	if (ok && d.hosts != NULL && !take_allowed(d.hosts, &hosts))
		ok = er_fail(&err, ER_ERR_INVALID,
		             "--allow-host: hosts between commas, without scheme, port and path, are expected, not \"%.200s\"", d.hosts);
	er_buf_fini(&hosts);
	ok = ok && parse_client(&d, &err);
	er_err origin = {0};
	if (ok && d.origin && !er_group_server_url(er_slice_cstr(d.origin), &scheme, &authority, &origin))
		ok = er_fail(&err, ER_ERR_INVALID, "--origin: %s", origin.text);
	if (!ok) {
		er_buf_fini(&d.place);
		er_show_error(d.json, "invalid", er_slice_cstr(err.text), NULL);
		return ER_EXIT_USAGE;
	}
	er_log_setup(ER_LOG_WARN, d.json);
	er_diag diag;
	rc = ER_EXIT_FAILED;
	if (er_project_load(&d.project, d.entry, &diag) && er_devvars_take(&d.project, &d.own_vars, &diag))
		rc = run(&d);
	else
		er_desk_show_failure(&diag, 1, d.json);
	er_project_free(&d.project);
	er_buf_fini(&d.place);
	return rc;
}
