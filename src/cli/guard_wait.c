/* --wait-guard asks the node twice a second how the deployment stands, until one of these is known,
 * or a minute after the guard's own time:
 *
 *   passed      the deployment still runs, and its guard does not watch any more
 *   went-back   another deployment runs, and the one right after ours was made by the guard
 *   replaced    another deployment runs that somebody else made, or the routine is gone
 *   unknown     none of it in time, or the node does not answer
 *
 * A call that fails is tried again at the next look. Nothing is changed on the node. */
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

bool er_guard_wait_ok(er_remote *r, bool wanted, const json_t *guard)
{
	if (!wanted || guard != NULL)
		return true;
	er_remote_fail(r, ER_EXIT_USAGE, "invalid", "--wait-guard waits for a guard: it goes with --guard (--guard on)");
	return false;
}

static json_t *end(const char *state, const json_t *row, const char *why)
{
	ER_ASSERT(state != NULL && why != NULL);
	json_t *versions = json_object_get(row, "versions");
	return json_pack("{s:s, s:s, s:O?}", "state", state, "why", why, "versions", versions);
}

/* Something else runs now: what came right after ours says how ours ended. */
static json_t *after_ours(waiting *w)
{
	ER_ASSERT(w->name != NULL && w->env != NULL);
	static const er_slice own = ER_LIT("guard: ");
	char limit[16];
	(void)snprintf(limit, sizeof limit, "%d", HISTORY);
	er_slice path = er_remote_path(&w->r->arena, "/v1/routines/{}/deployments", w->name);
	path = er_remote_query(&w->r->arena, path, "environment", w->env);
	path = er_remote_query(&w->r->arena, path, "limit", limit);
	json_t *list = er_remote_try(w->r, path, &w->status), *out = NULL;
	const json_t *items = json_object_get(list, "items"), *next = NULL;
	for (size_t i = 0; i < json_array_size(items) && er_json_u64(json_array_get(items, i), "deployment") > w->deployment; i++)
		next = json_array_get(items, i);
	er_slice by = er_slice_cstr(er_json_str(next, "by")), why = er_slice_cstr(er_json_str(next, "reason"));
	if (next != NULL && er_slice_eq(by, ER_LIT("guard")))
		out = end("went-back", next, (const char *)why.p + (er_slice_starts(why, own) ? own.n : 0));
	else if (list != NULL)
		out = end("replaced", next, "something else was deployed before the guard had decided");
	json_decref(list);
	return out;
}

/* How it stands now: NULL, not decided or not known yet. */
static json_t *look(waiting *w)
{
	json_t *now = er_remote_try(w->r, w->path, &w->status), *out = NULL;
	if (w->status == 404)
		out = end("replaced", NULL, "the routine is gone");
	else if (now != NULL && er_json_u64(now, "deployment") != w->deployment)
		out = after_ours(w);
	else if (now != NULL && !er_slice_eq(er_slice_cstr(er_json_str(now, "guard_state")), ER_LIT("watching")))
		out = end("passed", now, "it was not worse than the guard allows");
	json_decref(now);
	return out;
}

static void show_time(const er_remote *r, uint64_t passed_us, uint64_t watch_s)
{
	if (!r->json && isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[Kthe guard watches, %llu of %llu s (Ctrl-C ends the waiting, not the guard)",
		        (unsigned long long)(passed_us / 1000000), (unsigned long long)watch_s);
}

/* NULL: the time is over. */
static json_t *wait_for(waiting *w, uint64_t watch_s)
{
	uint64_t began = er_clock_mono_us(), passed = 0;
	json_t *found = NULL;
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
static void say(er_remote *r, const char *state, const char *why)
{
	bool passed = er_slice_eq(er_slice_cstr(state), ER_LIT("passed"));
	bool back = er_slice_eq(er_slice_cstr(state), ER_LIT("went-back"));
	r->status = passed ? r->status : back ? ER_EXIT_WENT_BACK : r->status ? r->status : ER_EXIT_FAILED;
	if (r->json)
		return;
	er_buf b = {0};
	er_term_put(&b, er_term_colour(STDOUT_FILENO), passed ? ER_GREEN : ER_RED, ER_LIT("guard"));
	er_buf_printf(&b, "     %s: ", back ? "went back" : state);
	er_term_put_safe(&b, er_slice_cstr(why), false, false);
	er_buf_putc(&b, '\n');
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

json_t *er_guard_wait(er_remote *r, const char *name, const char *env, const json_t *answer, const json_t *guard)
{
	ER_ASSERT(name != NULL && env != NULL && guard != NULL);
	waiting w = {.r = r,
	             .name = name,
	             .env = env,
	             .deployment = er_json_u64(answer, "deployment"),
	             .path = er_remote_path(&r->arena, "/v1/routines/{}/environments/{}", name, env)};
	json_t *out = wait_for(&w, er_json_u64(guard, "watch_s"));
	if (out == NULL) {
		out = end("unknown", NULL, w.status ? "the node does not say how it ended" : "the node does not answer");
		r->status = w.status ? ER_EXIT_FAILED : ER_EXIT_UNREACHABLE;
	}
	say(r, er_json_str(out, "state"), er_json_str(out, "why"));
	return out;
}
