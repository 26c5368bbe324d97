/* --wait-guard asks the node twice a second how the deployment stands, until one of these is known,
 * or a minute after the guard's own time:
 *
 *   passed      the deployment still runs, and its guard does not watch any more
 *   went-back   another deployment runs, and the one right after ours was made by the guard
 *   replaced    another deployment runs that somebody else made, or the routine is gone
 *   unknown     none of it in time, or the node does not answer
 *
 * A call that fails is tried again at the next look. Nothing is changed on the node. A look has an
 * arena of its own, since there may be very many of them; how it ended is in the er_remote's. */
#include "cli/guard_wait.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 500, GRACE_S = 60, HISTORY = 100 };

typedef struct waiting {
	er_remote *r;
	const char *name, *env;
	uint64_t deployment;
	er_slice path; /* of the environment */
	int status;    /* of the last call: 0, there was no answer */
} waiting;

bool er_guard_wait_ok(er_remote *r, bool wanted, bool guarded)
{
	if (!wanted || guarded)
		return true;
	er_remote_fail(r, ER_EXIT_USAGE, "invalid", "--wait-guard waits for a guard: it goes with --guard (--guard on)");
	return false;
}

/* `row`: a deployment, or NULL. Of its versions a copy is made, since its arena goes with the look;
 * it is no deeper than the answer that it stood in. */
static const er_json *end(waiting *w, const char *state, const er_json *row, er_slice why)
{
	ER_ASSERT(state != NULL);
	er_buf versions = {0};
	const er_json *list = er_json_member(row, "versions");
	if (list != NULL)
		er_json_write(&versions, list);
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_cstr(&o, "state", state);
	er_out_str(&o, "why", why);
	er_out_json(&o, "versions", er_buf_slice(&versions));
	er_out_close(&o, '}');
	er_buf_fini(&versions);
	return er_json_made(&w->r->arena, er_out_take(&o, &w->r->arena));
}

/* Something else runs now: what came right after ours says how ours ended. */
static const er_json *after_ours(waiting *w, er_arena *a)
{
	ER_ASSERT(w->name != NULL && w->env != NULL);
	static const er_slice own = ER_LIT("guard: ");
	char limit[16];
	(void)snprintf(limit, sizeof limit, "%d", HISTORY);
	er_slice path = er_remote_path(a, "/v1/routines/{}/deployments", w->name);
	path = er_remote_query(a, path, "environment", w->env);
	path = er_remote_query(a, path, "limit", limit);
	const er_json *list = er_remote_try(w->r, a, path, &w->status), *next = NULL;
	ER_JSON_EACH(one, er_json_member(list, "items"))
	{
		if (er_json_u64(one, "deployment") <= w->deployment)
			break;
		next = one;
	}
	er_slice why = er_json_str(next, "reason");
	if (next != NULL && er_slice_eq(er_json_str(next, "by"), ER_LIT("guard")))
		return end(w, "went-back", next, er_slice_from(why, er_slice_starts(why, own) ? own.n : 0));
	return list != NULL ? end(w, "replaced", next, ER_LIT("something else was deployed before the guard had decided")) : NULL;
}

/* How it stands now: NULL, not decided or not known yet. */
static const er_json *look(waiting *w)
{
	er_arena a;
	er_arena_init(&a);
	const er_json *now = er_remote_try(w->r, &a, w->path, &w->status), *out = NULL;
	if (w->status == 404)
		out = end(w, "replaced", NULL, ER_LIT("the routine is gone"));
	else if (now != NULL && er_json_u64(now, "deployment") != w->deployment)
		out = after_ours(w, &a);
	else if (now != NULL && !er_slice_eq(er_json_str(now, "guard_state"), ER_LIT("watching")))
		out = end(w, "passed", now, ER_LIT("it was not worse than the guard allows"));
	er_arena_fini(&a);
	return out;
}

static void show_time(const er_remote *r, uint64_t passed_us, uint64_t watch_s)
{
	if (!r->json && isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[Kthe guard watches, %llu of %llu s (Ctrl-C ends the waiting, not the guard)",
		        (unsigned long long)(passed_us / 1000000), (unsigned long long)watch_s);
}

/* NULL: the time is over. */
static const er_json *wait_for(waiting *w, uint64_t watch_s)
{
	uint64_t began = er_clock_mono_us(), passed = 0;
	const er_json *found = NULL;
	while (found == NULL && passed < (watch_s + GRACE_S) * 1000000) {
		found = look(w);
		if (found == NULL) {
			show_time(w->r, passed, watch_s);
			const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
			(void)nanosleep(&pause, NULL);
		}
		passed = er_clock_mono_us() - began;
	}
	if (passed > LOOK_MS * 1000 && !w->r->json && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	return found;
}

/* The exit status: passed leaves what was before, went-back has one of its own, anything else is a
 * failure. */
static void say(er_remote *r, const er_json *end)
{
	er_slice state = er_json_str(end, "state");
	bool passed = er_slice_eq(state, ER_LIT("passed")), back = er_slice_eq(state, ER_LIT("went-back"));
	r->status = passed ? r->status : back ? ER_EXIT_WENT_BACK : r->status ? r->status : ER_EXIT_FAILED;
	if (r->json)
		return;
	er_buf b = {0};
	er_term_put(&b, er_term_colour(STDOUT_FILENO), passed ? ER_GREEN : ER_RED, ER_LIT("guard"));
	er_buf_printf(&b, "     %.*s: ", ER_FMT(back ? ER_LIT("went back") : state));
	er_term_put_safe(&b, er_json_str(end, "why"), false, false);
	er_buf_putc(&b, '\n');
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

const er_json *er_guard_wait(er_remote *r, const char *name, const char *env, const er_json *answer,
                             const er_rollout_guard *guard)
{
	ER_ASSERT(name != NULL && env != NULL && guard != NULL);
	waiting w = {.r = r,
	             .name = name,
	             .env = env,
	             .deployment = er_json_u64(answer, "deployment"),
	             .path = er_remote_path(&r->arena, "/v1/routines/{}/environments/{}", name, env)};
	const er_json *out = wait_for(&w, guard->watch_s);
	if (out == NULL) {
		out = end(&w, "unknown", NULL,
		          w.status ? ER_LIT("the node does not say how it ended") : ER_LIT("the node does not answer"));
		r->status = w.status ? ER_EXIT_FAILED : ER_EXIT_UNREACHABLE;
	}
	say(r, out);
	return out;
}
