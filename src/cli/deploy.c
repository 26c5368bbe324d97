/* er deploy: from the sources to answers of the new code, with what each step took. Two ways: build
 * and upload (send_new), or, with --versions, let versions run that are on the node already
 * (send_split). What was typed is understood first, before anything is built or asked (understand).
 *
 * After the node has answered, the deployment stands. What comes then (the first answer of the new
 * code, the waiting for the guard) only tells, and sets the exit status: 6 if the new code's answer
 * is a failure, 7 if the guard went back.
 *
 * A deploy is on the stack of er_cmd_deploy. Its project and bundle exist while the code is built
 * and sent; the rest is in the remote's arena. */
#include "cli/rollout.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/desk.h"
#include "cli/guard_wait.h"
#include "cli/remote.h"
#include "cli/upload.h"

enum { DEPLOY_MS = 120000, ASK_MS = 5000, FAILURE = 500 };

/* One deployment as it goes through the command: what was asked for, what was built, and how long
 * each step took, in us. */
typedef struct deploy {
	er_remote remote;
	const char *entry, *env_word, *name_word, *canary, *versions, *message, *guard_word;
	bool no_routes, dry_run, no_ask, minify, wait_guard;
	/* worked out */
	const char *env, *name;
	unsigned percent;       /* 0: all */
	er_rollout_guard guard; /* if guard_word is there */
	er_rollout_split split; /* if `versions` is there */
	er_project project;
	er_bundle *bundle;
	er_folder folder; /* of static files; no root: there is none */
	er_upload sent;   /* of them */
	uint64_t began;
	uint64_t build_us, files_us, upload_us, check_us, live_us, first_us;
} deploy;

/* ---- what is shown ---- */

/* One line: what was done, about what, and how long it took (0: not said). Nothing with --json. */
static void step(deploy *d, er_style style, const char *what, er_slice text, uint64_t us)
{
	ER_ASSERT((unsigned)style < ER_STYLE_COUNT_ && what != NULL);
	if (d->remote.json)
		return;
	er_buf b = {0};
	bool colour = er_term_colour(STDOUT_FILENO);
	er_slice took = us ? er_show_us(&d->remote.arena, us) : (er_slice){NULL, 0};
	er_term_put(&b, colour, style, er_slice_cstr(what));
	for (size_t n = er_slice_cstr(what).n; n < 10; n++)
		er_buf_putc(&b, ' ');
	er_term_put_safe(&b, text, false, false);
	if (took.n) {
		er_buf_puts(&b, "  ");
		er_term_put(&b, colour, ER_DIM, took);
	}
	er_buf_putc(&b, '\n');
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

/* "13", or "12 to 90 %, 13 to 10 %" */
static er_slice split_text(er_arena *a, const er_json *versions)
{
	er_buf b = {0};
	bool several = er_json_count(versions) > 1;
	ER_JSON_EACH(one, versions)
	{
		if (one != versions->first)
			er_buf_puts(&b, ", ");
		er_buf_printf(&b, "version %llu", (unsigned long long)er_json_as_u64(one, er_json_u64(one, "version")));
		if (several)
			er_buf_printf(&b, " for %llu %% of clients", (unsigned long long)er_json_u64(one, "percent"));
	}
	er_slice s = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

/* What runs now, and what ran before. */
static void show_live(deploy *d, const er_json *answer)
{
	ER_ASSERT(d->env != NULL);
	er_arena *a = &d->remote.arena;
	const er_json *previous = er_json_member(answer, "previous");
	const er_json *list = er_json_is(previous, ER_JSON_OBJECT) ? er_json_member(previous, "versions") : previous;
	er_slice now = split_text(a, er_json_member(answer, "versions")), old = split_text(a, list), before = {NULL, 0};
	uint64_t number = er_json_as_u64(previous, 0);
	if (old.n > 0 && er_slice_eq(old, now))
		before = ER_LIT(", as before");
	else if (old.n > 0)
		before = er_arena_printf(a, ", instead of %.*s", ER_FMT(old));
	else if (number > 0)
		before = er_arena_printf(a, ", instead of version %llu", (unsigned long long)number);
	step(d, ER_GREEN, "live", er_arena_printf(a, "%.*s in %s%.*s", ER_FMT(now), d->env, ER_FMT(before)), d->live_us);
}

/* ---- the first answer of the new code ---- */

/* The address of a listener for production (staging has its host names there as well), else of
 * any. */
static er_slice listener(const er_json *status)
{
	const er_json *list = er_json_member(er_json_member(status, "node"), "listen");
	ER_JSON_EACH(one, list)
	{
		if (er_slice_eq(er_json_str(one, "environment"), ER_LIT("production")))
			return er_json_str(one, "address");
	}
	return er_json_str(er_json_first(list, ER_JSON_ARRAY), "address");
}

/* The host of an admin URL, without its port. */
static er_slice host_of(const char *url)
{
	er_slice s = er_slice_cstr(url);
	s = er_slice_from(s, er_slice_find(s, ':') + 3);
	return er_slice_head(s, s.n && s.p[0] == '[' ? er_slice_find(s, ']') + 1 : er_slice_find(s, ':'));
}

/* Where clients come, as seen from here: the node says its listeners, we know its host. */
static bool clients_url(deploy *d, er_buf *url)
{
	int status;
	er_slice address = listener(er_remote_try(&d->remote, &d->remote.arena, ER_LIT("/v1/status"), &status));
	size_t colon = address.n;
	while (colon > 0 && address.p[colon - 1] != ':')
		colon--;
	er_slice host = er_slice_head(address, colon ? colon - 1 : 0), port = er_slice_from(address, colon);
	bool any = host.n == 0 || er_slice_eq(host, ER_LIT("0.0.0.0")) || er_slice_eq(host, ER_LIT("[::]")) ||
	           er_slice_eq(host, ER_LIT("*"));
	if (any)
		host = d->remote.target.socket ? ER_LIT("127.0.0.1") : host_of(d->remote.target.url);
	er_buf_printf(url, "http://%.*s:%.*s", ER_FMT(host), ER_FMT(port));
	return port.n > 0;
}

/* What the new code answered, for --json. */
static er_slice answered(er_arena *a, er_slice url, const er_reply *reply)
{
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_str(&o, "url", url);
	er_out_u64(&o, "status", (uint64_t)reply->status);
	er_out_bool(&o, "ok", reply->status < FAILURE);
	er_out_u64(&o, "us", reply->head_us);
	er_out_close(&o, '}');
	return er_out_take(&o, a);
}

/* One GET / to NAME.localhost. Not reaching it is no failure of the deployment: then "null". */
static er_slice ask(deploy *d)
{
	ER_ASSERT(d->env != NULL && d->name != NULL);
	er_arena *a = &d->remote.arena;
	er_buf url = {0};
	er_err err = {0};
	er_reply reply = {0};
	if (!clients_url(d, &url)) {
		er_buf_fini(&url);
		return ER_LIT("null");
	}
	bool staging = er_slice_eq(er_slice_cstr(d->env), ER_LIT("staging"));
	char *host = er_arena_cstr(a, er_arena_printf(a, "%s%s.localhost", d->name, staging ? ".staging" : ""));
	er_target t = {.url = er_strdup_slice(er_buf_slice(&url))};
	er_client *c = er_client_new(&t, &err);
	bool ok = c != NULL && er_client_call(c, &(er_ask){.method = "GET", .path = ER_LIT("/"), .host = host, .timeout_ms = ASK_MS},
	                                      &reply, &err);
	d->first_us = reply.head_us;
	er_slice port = er_buf_slice(&url);
	port = er_slice_from(port, er_slice_find(er_slice_from(port, 7), ':') + 7);
	er_slice shown = er_arena_printf(a, "http://%s%.*s/", host, ER_FMT(port));
	if (ok)
		step(d, reply.status < FAILURE ? ER_GREEN : ER_RED, "answered",
		     er_arena_printf(a, "%d from %.*s%s%s", reply.status, ER_FMT(shown), reply.error[0] ? ": " : "", reply.error),
		     reply.head_us);
	else
		step(d, ER_YELLOW, "answered", er_arena_printf(a, "not asked: %s", err.text), 0);
	er_slice out = ok ? answered(a, shown, &reply) : ER_LIT("null");
	if (ok && reply.status >= FAILURE)
		d->remote.status = ER_EXIT_ANSWER;
	er_reply_fini(&reply);
	er_client_free(c);
	er_target_fini(&t);
	er_buf_fini(&url);
	return out;
}

/* ---- sending ---- */

/* False: the code is not UTF-8, which JSON cannot carry. */
static bool put_body(deploy *d, er_out *body)
{
	ER_ASSERT(d->bundle != NULL && d->bundle->ok && d->env != NULL);
	const er_bundle *b = d->bundle;
	er_slice code = er_piece_slice(b->code), map = er_piece_slice(b->map);
	er_env env = er_slice_eq(er_slice_cstr(d->env), ER_LIT("staging")) ? ER_ENV_STAGING : ER_ENV_PRODUCTION;
	if (!er_utf8_valid(code))
		return false;
	er_out_open(body, NULL, '{');
	if (code.n > 0)
		er_out_str(body, "code", code);
	if (d->folder.root != NULL)
		er_upload_put(body, "assets", &d->folder);
	er_rollout_put_settings(body, "settings", &d->project, env);
	er_out_cstr(body, "environment", d->env);
	er_out_bool(body, "routes", !d->no_routes);
	er_out_opt(body, "source_map", map);
	if (d->message)
		er_out_cstr(body, "description", d->message);
	if (d->percent)
		er_out_u64(body, "percent", d->percent);
	if (d->guard_word)
		er_rollout_put_guard(body, "guard", &d->guard);
	er_out_close(body, '}');
	return true;
}

/* Of milliseconds that a node says, which may be anything. */
static uint64_t us_of(const er_json *ms)
{
	double us = er_json_as_double(ms, 0) * 1000;
	return us >= 0 && us < (double)UINT32_MAX * 1000 ? (uint64_t)us : 0;
}

/* The node's own part is told by the node; the rest of the time until its answer is taken for the
 * check. */
static void show_timings(deploy *d, const er_reply *reply, const er_json *answer)
{
	er_arena *a = &d->remote.arena;
	const er_json *probe = er_json_member(answer, "probe");
	d->upload_us = reply->sent_us;
	d->live_us = us_of(er_json_member(answer, "activation_ms"));
	uint64_t rest = reply->head_us > reply->sent_us ? reply->head_us - reply->sent_us : 0;
	d->check_us = rest > d->live_us ? rest - d->live_us : 0;
	bool existed = er_json_true(answer, "existed");
	step(d, ER_GREEN, "uploaded",
	     er_arena_printf(a, "%s version %llu%s", d->name, (unsigned long long)er_json_u64(answer, "version"),
	                     existed ? ", the same as before" : ""),
	     d->upload_us);
	er_slice checked = d->project.main != NULL ? ER_LIT("the same code was checked before") : ER_LIT("no code to run");
	if (er_json_is(probe, ER_JSON_OBJECT))
		checked = er_arena_printf(a, "top-level code used %.*s CPU, an instance has %.*s",
		                          ER_FMT(er_show_us(a, er_json_u64(probe, "cpu_us"))),
		                          ER_FMT(er_show_size(a, er_json_u64(probe, "memory_kb") * 1024)));
	step(d, ER_GREEN, "checked", checked, d->check_us);
}

static er_slice timings(deploy *d, uint64_t total_us)
{
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_ms(&o, "build_ms", d->build_us);
	if (d->folder.root != NULL)
		er_out_ms(&o, "files_ms", d->files_us);
	er_out_ms(&o, "upload_ms", d->upload_us);
	er_out_ms(&o, "check_ms", d->check_us);
	er_out_ms(&o, "live_ms", d->live_us);
	er_out_ms(&o, "first_byte_ms", d->first_us);
	er_out_ms(&o, "total_ms", total_us);
	er_out_close(&o, '}');
	return er_out_take(&o, &d->remote.arena);
}

static er_slice sent(deploy *d)
{
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_u64(&o, "files", d->sent.files);
	er_out_u64(&o, "bytes", d->sent.bytes);
	er_out_close(&o, '}');
	return er_out_take(&o, &d->remote.arena);
}

/* Behind the answer, which is shown by now: warnings, routes, the first answer, the guard. With
 * --json all of it is one object. */
static void finish(deploy *d, const er_json *answer)
{
	er_arena *a = &d->remote.arena;
	er_remote_warnings(&d->remote, answer);
	ER_JSON_EACH(pattern, er_json_member(answer, "routes_added"))
	{
		step(d, ER_GREEN, "routed", er_json_as_str(pattern), 0);
	}
	er_slice first = d->no_ask ? ER_LIT("null") : ask(d);
	uint64_t total = er_clock_mono_us() - d->began;
	step(d, ER_BOLD, "total", er_show_us(a, total), 0);
	const er_json *guard = d->wait_guard ? er_guard_wait(&d->remote, d->name, d->env, answer, &d->guard) : NULL;
	if (!d->remote.json)
		return;
	if (guard)
		answer = er_json_with(a, answer, ER_LIT("guard"), guard);
	if (d->folder.root != NULL)
		answer = er_json_with(a, answer, ER_LIT("sent"), er_json_made(a, sent(d)));
	answer = er_json_with(a, answer, ER_LIT("timings"), er_json_made(a, timings(d, total)));
	er_show_tree(er_json_with(a, answer, ER_LIT("answered"), er_json_made(a, first)));
}

/* Static files go before the version that names them. False: said. */
static bool send_files(deploy *d)
{
	er_arena *a = &d->remote.arena;
	uint64_t began = er_clock_mono_us();
	if (d->folder.root == NULL)
		return true;
	if (!er_upload_files(&d->remote, d->name, &d->folder, &d->sent))
		return false;
	d->files_us = er_clock_mono_us() - began;
	step(d, ER_GREEN, "files",
	     er_arena_printf(a, "%zu, %.*s; %llu of them sent, %.*s", d->folder.n, ER_FMT(er_show_size(a, d->folder.bytes)),
	                     (unsigned long long)d->sent.files, ER_FMT(er_show_size(a, d->sent.bytes))),
	     d->files_us);
	return true;
}

/* The code in one request: the node checks it, writes it and puts it into force before it
 * answers. */
static void send_new(deploy *d)
{
	ER_ASSERT(d->name != NULL && d->versions == NULL);
	er_answer a = {0};
	er_out body = {0};
	if (!send_files(d))
		return;
	if (!put_body(d, &body)) {
		er_remote_fail(&d->remote, ER_EXIT_FAILED, "invalid", "the bundle is not UTF-8; save the sources as UTF-8");
		return;
	}
	er_ask call = {.method = "POST",
	               .path = er_remote_path(&d->remote.arena, "/v1/routines/{}/deploy", d->name),
	               .body = er_buf_slice(&body.b),
	               .content_type = "application/json",
	               .timeout_ms = DEPLOY_MS};
	if (er_remote_send(&d->remote, &call, &a)) {
		show_timings(d, &a.reply, a.json);
		show_live(d, a.json);
		finish(d, a.json);
	}
	er_out_fini(&body);
	er_answer_fini(&a);
}

/* Nothing is uploaded: the environment is pointed to versions that are there. */
static void send_split(deploy *d)
{
	ER_ASSERT(d->name != NULL && d->versions != NULL && d->bundle == NULL);
	er_answer a = {0};
	er_out body = {0};
	er_out_open(&body, NULL, '{');
	er_rollout_put_split(&body, "versions", &d->split);
	if (d->guard_word)
		er_rollout_put_guard(&body, "guard", &d->guard);
	if (d->message)
		er_out_cstr(&body, "reason", d->message);
	er_out_close(&body, '}');
	if (er_remote_call(&d->remote, "PUT", er_remote_path(&d->remote.arena, "/v1/routines/{}/environments/{}", d->name, d->env),
	                   er_buf_slice(&body.b), &a)) {
		d->live_us = a.reply.total_us;
		show_live(d, a.json);
		finish(d, a.json);
	}
	er_out_fini(&body);
	er_answer_fini(&a);
}

static void show_rehearsal(const deploy *d, bool fresh, uint64_t newest)
{
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_bool(&o, "dry_run", true);
	er_out_cstr(&o, "routine", d->name);
	er_out_cstr(&o, "environment", d->env);
	er_out_bool(&o, "new", fresh);
	er_out_u64(&o, "newest", newest);
	er_out_u64(&o, "bytes", d->bundle ? d->bundle->bytes : 0);
	if (d->folder.root != NULL) {
		er_out_open(&o, "assets", '{');
		er_out_u64(&o, "files", d->folder.n);
		er_out_u64(&o, "bytes", d->folder.bytes);
		er_out_close(&o, '}');
	}
	er_show_json(&o);
}

/* What a deploy would do, without doing it. */
static void rehearse(deploy *d)
{
	er_arena *arena = &d->remote.arena;
	int status;
	const er_json *there = er_remote_try(&d->remote, arena, er_remote_path(arena, "/v1/routines/{}", d->name), &status);
	bool fresh = status == 404;
	uint64_t newest = er_json_u64(there, "newest");
	if (status != 200 && !fresh) {
		er_answer a; /* once more, aloud */
		(void)er_remote_get(&d->remote, er_remote_path(arena, "/v1/routines/{}", d->name), &a);
		er_answer_fini(&a);
	} else if (d->remote.json) {
		show_rehearsal(d, fresh, newest);
	} else if (fresh) {
		step(d, ER_YELLOW, "dry run",
		     er_arena_printf(arena, "would make the routine %s and run its first version in %s", d->name, d->env), 0);
	} else {
		step(d, ER_YELLOW, "dry run",
		     er_arena_printf(arena, "would add a version behind %llu of %s and run it in %s", (unsigned long long)newest, d->name,
		                     d->env),
		     0);
	}
}

/* ---- the command ---- */

/* False: said. */
static bool understand(deploy *d)
{
	er_err err = {0};
	er_remote *r = &d->remote;
	d->env = er_remote_env(r, d->env_word);
	if (d->env == NULL)
		return false;
	bool ok = (d->canary == NULL || er_rollout_percent(er_slice_cstr(d->canary), &d->percent, &err)) &&
	          (d->guard_word == NULL || er_rollout_read_guard(er_slice_cstr(d->guard_word), &d->guard, &err)) &&
	          (d->versions == NULL || er_rollout_read_split(er_slice_cstr(d->versions), &d->split, &err));
	if (ok && d->versions && (d->entry || d->canary))
		ok =
		    er_fail(&err, ER_ERR_INVALID, "--versions runs what is on the node already: it goes with neither ENTRY nor --canary");
	if (!ok)
		er_remote_fail_err(r, &err);
	return ok && er_guard_wait_ok(r, d->wait_guard, d->guard_word != NULL);
}

/* The static files, if the project has some. False: said. */
static bool read_folder(deploy *d)
{
	er_err err = {0};
	if (d->project.assets_folder == NULL || er_folder_read(&d->folder, d->project.assets_folder, &err))
		return true;
	er_remote_fail(&d->remote, ER_EXIT_FAILED, er_err_name(err.kind), err.text);
	return false;
}

/* False: said. The project must be freed in either case. */
static bool build(deploy *d)
{
	ER_ASSERT(d->bundle == NULL && d->name == NULL);
	d->bundle = er_desk_build(&d->project, d->entry, d->minify ? ER_MINIFY_FULL : ER_MINIFY_DEFAULT, false, d->remote.json);
	if (d->bundle == NULL) {
		d->remote.status = ER_EXIT_FAILED;
		return false;
	}
	er_arena *a = &d->remote.arena;
	d->build_us = er_clock_mono_us() - d->began;
	d->name = er_remote_routine(&d->remote, d->name_word ? d->name_word : er_arena_cstr(a, d->project.name));
	if (d->name != NULL && !read_folder(d))
		d->name = NULL;
	if (d->project.main != NULL)
		step(d, ER_GREEN, "built",
		     er_arena_printf(a, "%.*s from %llu file%s", ER_FMT(er_show_size(a, d->bundle->bytes)),
		                     (unsigned long long)d->bundle->files, d->bundle->files == 1 ? "" : "s"),
		     d->build_us);
	return d->name != NULL;
}

/* The exit status is the remote's. What was made on the way is freed here. */
static int run(deploy *d)
{
	if (understand(d)) {
		if (d->versions) {
			d->name = er_remote_routine(&d->remote, d->name_word);
			if (d->name && d->dry_run)
				rehearse(d);
			else if (d->name)
				send_split(d);
		} else {
			if (build(d) && d->dry_run)
				rehearse(d);
			else if (d->name)
				send_new(d);
			er_bundle_free(d->bundle);
			er_folder_free(&d->folder);
			er_project_free(&d->project);
		}
	}
	return er_remote_close(&d->remote);
}

int er_cmd_deploy(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	deploy d = {.began = er_clock_mono_us()};
	const er_option options[] = {
	    {"env", 'e', "ENV", "production (default) or staging", NULL, &d.env_word},
	    {"name", 'n', "NAME", "the routine, instead of er.jsonc's name", NULL, &d.name_word},
	    {"canary", 0, "PERCENT", "give the new version only to this share of clients, the present one to the rest", NULL,
	     &d.canary},
	    {"versions", 0, "N|N:P,M:Q", "build nothing: run these versions, split by per cent of clients", NULL, &d.versions},
	    {"guard", 0, "BOUNDS", "go back by itself if the new version is worse: on, or errors=5,p99=50,requests=100,watch=10m",
	     NULL, &d.guard_word},
	    {"wait-guard", 0, NULL, "wait until the guard has decided", &d.wait_guard, NULL},
	    {"message", 'm', "TEXT", "what this version is about", NULL, &d.message},
	    {"minify", 0, NULL, "shorten names too", &d.minify, NULL},
	    {"no-routes", 0, NULL, "leave the node's routes alone", &d.no_routes, NULL},
	    {"no-ask", 0, NULL, "do not ask the new code for a first answer (GET / to NAME.localhost)", &d.no_ask, NULL},
	    {"dry-run", 0, NULL, "build, and say what would be done", &d.dry_run, NULL},
	    ER_REMOTE_OPTIONS(&d.remote),
	};
	const er_command cmd = {
	    .usage = "er deploy [ENTRY] [--env staging] [--canary 10%] [options]",
	    .about = "Builds a routine, uploads it as a new version, lets the node check it (size, er.jsonc, top-level code in a "
	             "sandbox) and runs it: when this "
	             "ends, every request is answered by the new code. The first deploy makes the routine. What is refused changes "
	             "nothing.",
	    .details =
	        "Guard: errors = percentage points more failed requests than the version before, p99 = per cent more time (0: "
	        "not looked at), requests = "
	        "how many before it judges, watch = for how long. Routes of er.jsonc that the node does not have are added.\n"
	        "The first answer is a failure if its status is 500 or more; the code stays live. Not reaching it is none.\n"
	        "--json: the node's answer with \"timings\", \"answered\" and (--wait-guard) \"guard\"; a failed build is told as er "
	        "build --json "
	        "does.\n" ER_EXIT_STATUSES "6 live, and its first answer is a failure, 7 the guard went back (--wait-guard).\n",
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &d.entry);
	if (rc >= 0)
		return rc;
	return run(&d);
}
