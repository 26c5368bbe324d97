/* The node of one file of tests (stage.h). What er dev does with a routine, this does once with a
 * script that is built already: no watching, no second version.
 *
 * Limits are the project's where a test can meet them as a request does: memory, timers, the time
 * of top-level code, and what the sandbox forbids. A test makes many requests of the routine in
 * one, so its processor time is what the test may take altogether, and it has more subrequests. The
 * script has the tests and their library in it and may be as large as a node reads.
 *
 * One loop. The node starts, `ready` is said, and the loop runs until the input ends; then the node
 * is stopped at once, for nobody waits for an answer any more. */
#include "cli/stage.h"

#include "base/mem.h"
#include "cli/args.h"
#include "cli/desk.h"
#include "cli/devfiles.h"
#include "cli/devlog.h"
#include "cli/devvars.h"
#include "store/store.h"

#include <stdio.h>
#include <unistd.h>

enum { CODE_MOST = 16 * 1024 * 1024, MAP_MOST = 64 * 1024 * 1024, SUBREQUESTS = 1000, SPARE_MS = 5000 };

typedef struct stage {
	const er_stage *s;
	uint32_t timeout_ms;
	uv_loop_t loop;
	uv_pipe_t in;
	bool listening, stopping;
	er_project project;
	er_devlog *log;
	er_devfiles *files;
	er_node *node;
	er_cidr allowed[2];
	char byte[64];
} stage;

/* The limits of a test, from those of a request. */
static void widen(stage *st, er_limits *most)
{
	er_limits *l = &st->project.limits;
	l->cpu_us = (uint64_t)st->timeout_ms * 1000;
	l->response_ms = st->timeout_ms + SPARE_MS;
	l->subrequests = l->subrequests > SUBREQUESTS ? l->subrequests : SUBREQUESTS;
	l->code_n = CODE_MOST;
	(void)er_limits_raise(most, l);
}

static er_routine *routine_of(stage *st, er_err *err)
{
	er_slice code, map;
	if (!er_project_read(&st->project.arena, st->s->code, CODE_MOST - 1, &code, err) ||
	    !er_project_read(&st->project.arena, st->s->map, MAP_MOST, &map, err))
		return NULL;
	/* requests for tests are never the files' */
	st->project.assets.routine_first = true;
	st->project.assets.n_patterns = 0;
	return er_project_routine(&st->project, er_piece_copy(code), er_piece_copy(map), ER_LIT("test"), st->allowed, 2);
}

static er_config *config_of(stage *st, er_err *err)
{
	er_config *c = er_config_new();
	er_config_add_listen(c, ER_ENV_PRODUCTION, ER_LIT("127.0.0.1:0"), &er_transport_tcp);
	c->dev = true;
	c->own_hosts = er_strdup_cstr("127.0.0.1,");
	/* one instance, so that what a file keeps in its variables is there for its next test */
	c->threads = 1;
	c->pool = st->project.profile == ER_PROFILE_HARDENED ? 0 : 1;
	c->pool_hardened = 1 - c->pool;
	c->min_level = ER_LEVEL_SECCOMP_ONLY;
	c->limits.drain_ms = 0;
	if (st->project.n_kv > 0)
		c->data = er_strdup_cstr(st->s->data);
	widen(st, &c->routine_max);
	er_routine *r = routine_of(st, err);
	if (r == NULL || !er_config_add_routine(c, r, err)) {
		er_config_unref(c);
		return NULL;
	}
	if (er_devfiles_assets(st->files) != NULL)
		er_config_add_files(c, st->project.name, er_devfiles_assets(st->files));
	er_config_seal(c);
	return c;
}

/* ---- ending ---- */

static void on_stopped(void *ctx)
{
	stage *st = ctx;
	uv_stop(&st->loop);
}

static void stop(stage *st)
{
	if (st->stopping)
		return;
	st->stopping = true;
	er_node_stop(st->node, on_stopped, st);
	er_node_stop(st->node, on_stopped, st); /* at once */
}

static void on_broken(void *ctx)
{
	stage *st = ctx;
	er_devlog_note(st->log, true, "the process that starts sandboxes is gone");
	stop(st);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	stage *st = h->data;
	(void)suggested;
	*buf = uv_buf_init(st->byte, sizeof st->byte);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	(void)buf;
	if (n < 0)
		stop(s->data);
}

/* ---- starting ---- */

static void on_files(void *ctx)
{
	(void)ctx; /* a file of tests runs on the files as they were */
}

static bool start(stage *st, er_err *err)
{
	bool other;
	bool ok = er_cidr_parse(ER_LIT("127.0.0.0/8"), &st->allowed[0]) && er_cidr_parse(ER_LIT("::1"), &st->allowed[1]);
	ER_ASSERT(ok);
	if (!er_devfiles_read(st->files, &st->project, &other, err))
		return false;
	if (st->project.n_kv > 0) {
		er_store *s = er_store_open(&(er_store_options){.dir = st->s->data}, err);
		if (s == NULL)
			return false;
		er_store_close(s);
	}
	er_config *c = config_of(st, err);
	er_node_options o = {.config = c, .broken = on_broken, .ctx = st, .events = er_devlog_events(st->log)};
	st->node = c != NULL ? er_node_new(&st->loop, &o, err) : NULL;
	er_config_unref(c);
	return st->node != NULL;
}

static void say_ready(stage *st)
{
	char engine[64], url[64];
	er_level level;
	er_node_engine(st->node, engine, sizeof engine, &level);
	(void)snprintf(url, sizeof url, "http://127.0.0.1:%u", er_node_port(st->node, 0));
	er_devlog_ready(st->log, &st->project, url, er_level_name(level), engine);
}

static void listen_for_end(stage *st)
{
	(void)uv_pipe_init(&st->loop, &st->in, 0);
	st->in.data = st;
	st->listening = true;
	if (uv_pipe_open(&st->in, STDIN_FILENO) != 0 || uv_read_start((uv_stream_t *)&st->in, on_alloc, on_read) != 0)
		stop(st);
}

static void clean_up(stage *st)
{
	if (st->listening)
		uv_close((uv_handle_t *)&st->in, NULL);
	if (st->node != NULL)
		er_node_free(st->node);
	er_devlog_close(st->log);
	er_devfiles_stop(st->files);
	(void)uv_run(&st->loop, UV_RUN_DEFAULT);
	er_devfiles_free(st->files);
	(void)uv_loop_close(&st->loop);
}

static int run(stage *st)
{
	er_err err = {0};
	int rc = uv_loop_init(&st->loop);
	ER_ASSERT(rc == 0);
	st->log = er_devlog_new(&st->loop, true);
	st->files = er_devfiles_new(&st->loop, on_files, st);
	bool ok = start(st, &err);
	if (ok) {
		say_ready(st);
		listen_for_end(st);
		(void)uv_run(&st->loop, UV_RUN_DEFAULT);
	} else {
		er_devlog_failed(st->log, &(er_diag){.text = er_slice_cstr(err.text)}, 1, false);
	}
	clean_up(st);
	return ok ? ER_EXIT_OK : ER_EXIT_FAILED;
}

int er_stage_run(const er_stage *s)
{
	stage st = {.s = s};
	er_diag diag;
	uint64_t ms;
	size_t n;
	int rc = ER_EXIT_FAILED;
	if (!er_slice_u64(er_slice_cstr(s->timeout), &ms) || ms == 0 || ms > UINT32_MAX / 2)
		return ER_EXIT_USAGE;
	st.timeout_ms = (uint32_t)ms;
	if (er_project_load(&st.project, s->where, &diag) && er_devvars_take(&st.project, &n, &diag))
		rc = run(&st);
	else
		er_desk_show_failure(&diag, 1, true);
	er_project_free(&st.project);
	return rc;
}
