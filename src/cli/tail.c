/* er tail: what happens on the node, as it happens. er logs: what happened, from the node's bounded
 * history. Both take the same filters and show the same lines.
 *
 * A tail is one answer without an end, a JSON object a line. on_data collects bytes into lines;
 * each is shown by event.h, or passed on with --json. A node that goes away is waited for, with
 * pauses that grow; one that refuses is not. It ends by a signal, when --count is reached, or when
 * nobody reads what it prints.
 *
 * The signal only sets a flag, which the client asks for several times a second (is_stopping); a
 * second signal ends the process as usual. */
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/event.h"
#include "cli/project.h"
#include "cli/remote.h"
#include "cli/rollout.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4 * 1024 * 1024, WAIT_LEAST_MS = 250, WAIT_MOST_MS = 10000, SLICE_MS = 50 };

typedef struct watch {
	er_remote remote;
	const char *name, *env, *status, *method, *path, *search, *sampling, *kinds;
	const char *since, *limit, *count;
	/* while it runs */
	er_buf line, out;
	bool all, dates;   /* all: of every routine, also in a project's folder */
	bool colour, many; /* many: lines say which routine */
	bool gone;         /* whoever read standard output */
	bool silent;       /* er tail: nothing was heard on this connection yet */
	uint64_t shown, most;
} watch;

#define WATCH_OPTIONS(w) \
	{"all", 'a', NULL, "every routine, also in the folder of an er.jsonc", &(w)->all, NULL}, \
	    {"env", 'e', "ENV", "only production, or only staging", NULL, &(w)->env}, \
	    {"status", 's', "STATUS", "only requests answered so: 404, or a class: 5xx", NULL, &(w)->status}, \
	    {"method", 0, "METHOD", "only requests with this method", NULL, &(w)->method}, \
	    {"path", 0, "PREFIX", "only requests whose path begins so", NULL, &(w)->path}, \
	    {"search", 0, "TEXT", "only events that contain this text", NULL, &(w)->search}, \
	    {"sampling", 0, "SHARE", "only this share of requests: 0.1, or 10%", NULL, &(w)->sampling}, \
	{ \
		"kind", 'k', "KINDS", "only these: request, console, exception, kill, deployment (comma between)", NULL, &(w)->kinds \
	}

/* ---- one event ---- */

/* A level that is not known shows as "log". */
static unsigned level_of(const er_json *e)
{
	const er_json *v = er_json_member(e, "level");
	for (unsigned i = 0; i < 5; i++)
		if (er_slice_eq(er_json_as_str(v), er_slice_cstr(er_event_level(i))))
			return i;
	uint64_t number = er_json_as_u64(v, 1);
	return number < 5 ? (unsigned)number : 4;
}

/* An exception has a name before its text. */
static er_slice text_of(er_arena *a, const er_json *e)
{
	er_slice name = er_json_str(e, "name"), text = er_json_str(e, "text");
	if (text.n == 0)
		text = er_json_str(e, "message");
	if (name.n == 0)
		return text;
	return er_arena_printf(a, "%.*s%s%.*s", ER_FMT(name), text.n > 0 ? ": " : "", ER_FMT(text));
}

static er_slice version_of(const er_json *e)
{
	const er_json *v = er_json_member(e, "version");
	return er_json_is(v, ER_JSON_NUMBER) ? v->text : er_json_as_str(v);
}

/* False: an event of a newer node, which is not shown. */
static bool kind_of(const er_json *e, er_event_kind *out)
{
	static const struct {
		const char *word;
		er_event_kind kind;
	} kinds[] = {{"request", ER_EVENT_REQUEST}, {"console", ER_EVENT_CONSOLE}, {"exception", ER_EVENT_EXCEPTION},
	             {"kill", ER_EVENT_KILLED},     {"killed", ER_EVENT_KILLED},   {"deployment", ER_EVENT_NOTE}};
	er_slice kind = er_json_str(e, "kind");
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (er_slice_eq(kind, er_slice_cstr(kinds[i].word))) {
			*out = kinds[i].kind;
			return true;
		}
	return false;
}

/* "used_us", "used_kb", "used_ms" or "used": whichever there is. */
static uint64_t amount_of(const er_json *e, const char *what)
{
	static const char *const units[] = {"_us", "_kb", "_ms", ""};
	char name[32];
	uint64_t v = 0;
	for (size_t i = 0; i < sizeof units / sizeof *units && v == 0; i++) {
		(void)snprintf(name, sizeof name, "%s%s", what, units[i]);
		v = er_json_u64(e, name);
	}
	return v;
}

/* "17:20:03" of an RFC 3339 time; with `date` "2026-01-31 17:20:03". */
static er_slice clock_of(er_arena *a, const er_json *e, bool date)
{
	er_slice s = er_json_str(e, "at");
	if (s.n < 19)
		return (er_slice){NULL, 0};
	return date ? er_show_time(a, s) : er_slice_head(er_slice_from(s, 11), 8);
}

/* Of milliseconds with a fraction. */
static uint64_t us_of(const er_json *ms)
{
	double us = er_json_as_double(ms, 0) * 1000 + 0.5;
	return us >= 0 && us < (double)UINT32_MAX * 1000 ? (uint64_t)us : 0;
}

/* As a person reads it; what has no kind that is known is left out. */
static void put_event(watch *w, const er_json *json)
{
	er_arena a;
	er_event e = {.level = level_of(json)};
	er_arena_init(&a);
	if (kind_of(json, &e.kind)) {
		er_slice version = version_of(json), method = er_json_str(json, "method"), path = er_json_str(json, "path");
		er_slice routine = w->many || version.n == 0 ? er_json_str(json, "routine") : (er_slice){0};
		bool staging = e.kind != ER_EVENT_NOTE && er_slice_eq(er_json_str(json, "environment"), ER_LIT("staging"));
		e.when = clock_of(&a, json, w->dates);
		e.source = er_arena_printf(&a, "%.*s%s%.*s%s", ER_FMT(routine), version.n ? "@" : "", ER_FMT(version),
		                           staging ? " staging" : "");
		if (method.n > 0)
			e.where = er_arena_printf(&a, "%.*s %.*s", ER_FMT(method), ER_FMT(path));
		e.fatal = er_json_true(json, "fatal");
		e.cut = er_json_true(json, "cut");
		e.cold = er_json_true(json, "cold_start");
		e.status = (int)er_json_u64(json, "status");
		e.error = er_json_str(json, "error");
		e.text = text_of(&a, json);
		e.stack = er_json_str(json, "stack");
		e.wall_us = us_of(er_json_member(json, "wall_ms"));
		e.cpu_us = er_json_u64(json, "cpu_us");
		e.bytes = er_json_u64(json, "bytes");
		e.used = amount_of(json, "used");
		e.asked = amount_of(json, "asked");
		e.limit = amount_of(json, "limit");
		e.budget = er_json_str(json, "budget");
		er_event_put(&w->out, w->colour, &e);
	}
	er_arena_fini(&a);
}

/* ---- lines ---- */

/* False: nobody reads it any more. */
static bool flush(watch *w)
{
	return er_term_flush(STDOUT_FILENO, &w->out);
}

/* False: that was the last one wanted. */
static bool take_line(watch *w, er_slice line)
{
	ER_ASSERT(w->most == 0 || w->shown <= w->most);
	/* The node's first line says that it listens; a person is told, on the other channel. */
	if (w->silent)
		er_show_note(ER_DIM, "",
		             er_arena_printf(&w->remote.arena, "watching %s; Ctrl-C ends it", er_target_shown(&w->remote.target)));
	w->silent = false;
	if (line.n == 0 || er_slice_eq(line, ER_LIT("{}")))
		return true;
	er_arena a;
	er_arena_init(&a);
	const er_json *json = er_json_answer(&a, line);
	uint64_t dropped = er_json_u64(json, "dropped");
	bool event = er_json_member(json, "kind") != NULL;
	if (w->remote.json && json) {
		er_buf_put(&w->out, line);
		er_buf_putc(&w->out, '\n');
	} else if (dropped) {
		w->gone |= !flush(w);
		er_slice text = er_arena_printf(&w->remote.arena, "%llu events were left out: they came faster than they could be sent",
		                                (unsigned long long)dropped);
		er_show_note(ER_YELLOW, "warning: ", text);
	} else if (event) {
		put_event(w, json);
	}
	er_arena_fini(&a);
	w->shown += event;
	return w->most == 0 || w->shown < w->most;
}

/* A piece of the answer: whole lines are shown, the rest waits. False ends the call. */
static bool on_data(void *ctx, er_slice bytes)
{
	watch *w = ctx;
	bool more = true;
	ER_ASSERT(!w->gone);
	er_buf_put(&w->line, bytes);
	while (more) {
		er_slice all = er_buf_slice(&w->line);
		size_t end = er_slice_find(all, '\n');
		if (end == all.n) {
			more = all.n <= LINE_MAX_BYTES;
			break;
		}
		more = take_line(w, er_slice_head(all, end));
		er_buf_consume(&w->line, end + 1);
	}
	w->gone |= !flush(w);
	return more && !w->gone;
}

/* ---- the request ---- */

static bool sampling_ok(watch *w, const char **out)
{
	ER_ASSERT(w->sampling != NULL);
	char *end = NULL;
	double v = strtod(w->sampling, &end);
	er_slice rest = er_slice_cstr(end);
	bool percent = er_slice_eq(rest, ER_LIT("%"));
	v = percent ? v / 100 : v;
	if (end == w->sampling || (rest.n > 0 && !percent) || !(v > 0 && v <= 1)) {
		er_remote_fail(&w->remote, ER_EXIT_USAGE, "invalid",
		               "--sampling: a share above 0 and at most 1 is expected: 0.1, or 10%");
		return false;
	}
	*out = er_arena_cstr(&w->remote.arena, er_arena_printf(&w->remote.arena, "%.6g", v));
	return true;
}

/* In a project's folder it is about that project. False: said. */
static bool default_name(watch *w)
{
	er_project p;
	er_diag diag;
	if (w->name || w->all)
		return true;
	(void)!er_project_load(&p, NULL, &diag);
	bool project = p.file != NULL;
	er_project_free(&p);
	if (!project)
		return true;
	w->name = er_remote_routine(&w->remote, NULL);
	if (w->name && !w->remote.json)
		er_show_note(
		    ER_DIM, "",
		    er_arena_printf(&w->remote.arena, "only %s, because of the er.jsonc here; --all shows every routine", w->name));
	return w->name != NULL;
}

/* The options become parameters of the path. False: said. */
static bool filters(watch *w, er_slice *path)
{
	ER_ASSERT(path->n > 0);
	er_remote *r = &w->remote;
	er_arena *a = &r->arena;
	if (!default_name(w))
		return false;
	const char *sampling = NULL, *env = w->env ? er_remote_env(r, w->env) : NULL;
	if ((w->env && env == NULL) || (w->sampling && !sampling_ok(w, &sampling)) ||
	    (w->name && er_remote_routine(r, w->name) == NULL))
		return false;
	w->many = w->name == NULL;
	w->colour = er_term_colour(STDOUT_FILENO);
	*path = er_remote_query(a, *path, "routine", w->name);
	*path = er_remote_query(a, *path, "environment", env);
	*path = er_remote_query(a, *path, "status", w->status);
	*path = er_remote_query(a, *path, "method", w->method);
	*path = er_remote_query(a, *path, "path", w->path);
	*path = er_remote_query(a, *path, "search", w->search);
	*path = er_remote_query(a, *path, "sampling", sampling);
	*path = er_remote_query(a, *path, "kinds", w->kinds);
	return true;
}

static int finish(watch *w)
{
	(void)flush(w);
	er_buf_fini(&w->line);
	er_buf_fini(&w->out);
	return er_remote_close(&w->remote);
}

/* ---- er tail ---- */

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

static bool is_stopping(void *ctx)
{
	(void)ctx;
	return stopping;
}

static void wait_ms(unsigned ms)
{
	struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
	for (unsigned waited = 0; waited < ms && !stopping; waited += SLICE_MS)
		(void)nanosleep(&slice, NULL);
}

/* Goes on until it is told to stop, has shown enough, or is refused. A node that goes away is
 * waited for. */
static void follow(watch *w, er_slice path)
{
	er_remote *r = &w->remote;
	er_ask call = {.method = "GET", .path = path, .on_data = on_data, .stop = is_stopping, .ctx = w};
	unsigned wait = WAIT_LEAST_MS; /* doubles with every try that brought nothing */
	bool was_there = false, told = false;
	_Static_assert(SLICE_MS < WAIT_LEAST_MS && WAIT_LEAST_MS < WAIT_MOST_MS, "a pause is made of slices");
	if (!er_remote_connect(r))
		return;
	while (!stopping) {
		er_reply reply;
		er_err err = {0};
		uint64_t before = w->shown;
		w->silent = true;
		bool ok = er_client_call(r->client, &call, &reply, &err);
		bool live = reply.status >= 200 && reply.status < 300;
		if (ok && !live && !reply.stopped) {
			er_answer a = {.reply = reply, .json = er_json_answer(&r->arena, er_buf_slice(&reply.body))};
			bool again = was_there && reply.status == 503;
			if (!again)
				er_remote_refused(r, &a);
			er_answer_fini(&a);
			if (!again)
				return;
		} else {
			er_reply_fini(&reply);
			if (reply.stopped || stopping || w->gone || (ok && live && w->most && w->shown >= w->most))
				return;
		}
		was_there |= live;
		if (!ok && !was_there) {
			er_remote_fail_err(r, &err);
			return;
		}
		if (w->most && w->shown >= w->most)
			return;
		if (live || w->shown > before)
			wait = WAIT_LEAST_MS;
		if (!told || live)
			er_show_note(ER_YELLOW, "", ER_LIT("the node ended the connection; waiting for it"));
		told = true;
		er_buf_clear(&w->line);
		wait_ms(wait);
		wait = wait * 2 < WAIT_MOST_MS ? wait * 2 : WAIT_MOST_MS;
	}
}

int er_cmd_tail(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	watch w = {0};
	const er_option options[] = {
	    WATCH_OPTIONS(&w),
	    {"count", 'c', "N", "end after N events", NULL, &w.count},
	    ER_REMOTE_OPTIONS(&w.remote),
	};
	const er_command cmd = {
	    .usage = "er tail [NAME] [--status 5xx] [--path /api] [--search TEXT] [options]",
	    .about =
	        "Shows what happens on the node as it happens: requests, console output, exceptions with their stack in the sources, "
	        "limits, deployments. With NAME, and in a project's folder, "
	        "that routine alone. If the node restarts, it waits and goes on. Secrets' values are shown as ***. Ctrl-C ends it.",
	    .details = "--json: one event a line, as the node sends them. Times are UTC.\n" ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &w.name);
	if (rc >= 0)
		return rc;
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	er_slice path = ER_LIT("/v1/tail");
	if ((w.count == NULL || er_remote_number(&w.remote, "--count", w.count, 1, 1000000000, &w.most)) && filters(&w, &path))
		follow(&w, path);
	return finish(&w);
}

/* ---- er logs ---- */

/* "10m" ago, or a time as it is. */
static bool since_of(watch *w, const char **out)
{
	uint64_t seconds;
	struct tm tm;
	if (w->since == NULL)
		return true;
	er_slice s = er_slice_cstr(w->since);
	if (s.n >= 19 && s.p[10] == 'T') {
		*out = w->since;
		return true;
	}
	if (!er_rollout_seconds(s, &seconds)) {
		er_remote_fail(&w->remote, ER_EXIT_USAGE, "invalid",
		               "--since: how long ago (90s, 10m, 2h, 1d) or a time (2026-01-31T12:00:00Z) is expected");
		return false;
	}
	time_t then = time(NULL) - (time_t)seconds;
	er_arena *a = &w->remote.arena;
	gmtime_r(&then, &tm);
	*out = er_arena_cstr(a, er_arena_printf(a, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
	                                        tm.tm_hour, tm.tm_min, tm.tm_sec));
	return true;
}

/* A node that answers with lines instead of a list is shown line by line. */
static void show_history(watch *w, const er_answer *a)
{
	const er_json *items = er_json_member(a->json, "items");
	if (!er_json_is(a->json, ER_JSON_OBJECT)) {
		(void)on_data(w, er_buf_slice(&a->reply.body));
	} else if (w->remote.json) {
		er_remote_print(a);
	} else {
		ER_JSON_EACH(one, items)
		{
			put_event(w, one);
		}
		w->shown = er_json_count(items);
	}
	(void)flush(w);
	if (w->shown == 0 && !w->remote.json)
		er_show_note(ER_DIM, "", ER_LIT("nothing that fits is in the node's history; er tail shows what comes"));
}

int er_cmd_logs(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	watch w = {.dates = true};
	const er_option options[] = {
	    WATCH_OPTIONS(&w),
	    {"since", 0, "TIME", "how far back: 90s, 10m, 2h, 1d, or a time", NULL, &w.since},
	    {"limit", 0, "N", "the newest N; 100 if not given, at most 1000", NULL, &w.limit},
	    ER_REMOTE_OPTIONS(&w.remote),
	};
	const er_command cmd = {
	    .usage = "er logs [NAME] [--since 10m] [--status 5xx] [options]",
	    .about = "Shows what happened: the node keeps console output, exceptions, limits, failed requests and a share of the "
	             "others, as many as its memory for it "
	             "holds. With NAME, and in a project's folder, of that routine alone. The filters are those of er tail.",
	    .details = "Times are UTC.\n" ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &w.name);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	uint64_t limit;
	const char *since = NULL;
	er_slice path = ER_LIT("/v1/logs");
	bool ok = since_of(&w, &since) && (w.limit == NULL || er_remote_number(&w.remote, "--limit", w.limit, 1, 1000, &limit)) &&
	          filters(&w, &path);
	if (ok) {
		path = er_remote_query(&w.remote.arena, path, "since", since);
		path = er_remote_query(&w.remote.arena, path, "limit", w.limit);
		er_ask call = {.method = "GET", .path = path, .timeout_ms = 60000};
		if (er_remote_send(&w.remote, &call, &a))
			show_history(&w, &a);
	}
	er_answer_fini(&a);
	return finish(&w);
}
