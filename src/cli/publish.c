/* er publish: production runs exactly what staging runs. er rollback: an environment runs an older
 * version again. Neither builds or uploads anything: the node has the versions, and decides which
 * one is meant (control/deploy.c). */
#include "base/mem.h"
#include "cli/guard_wait.h"
#include "cli/rollout.h"
#include "cli/row.h"

#include <stdlib.h>
#include <unistd.h>

#define WHY .name = "message", .letter = 'm', .value = "TEXT", .help = "why; it is in er deployments and er audit"

/* "published shop: production runs version 3". */
static void show_running(const json_t *answer, const char *name, const char *env, const char *what)
{
	ER_ASSERT(name != NULL && env != NULL && what != NULL);
	er_buf b = {0};
	size_t i;
	json_t *one;
	bool colour = er_term_colour(STDOUT_FILENO);
	er_term_put(&b, colour, ER_GREEN, er_slice_cstr(what));
	er_buf_printf(&b, " %s: %s runs ", name, env);
	const json_t *versions = json_object_get(answer, "versions");
	json_array_foreach(versions, i, one)
	{
		er_buf_printf(&b, "%sversion %llu", i ? ", " : "", (unsigned long long)er_json_u64(one, "version"));
		if (json_array_size(versions) > 1)
			er_buf_printf(&b, " for %llu %% of clients", (unsigned long long)er_json_u64(one, "percent"));
	}
	er_buf_putc(&b, '\n');
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

/* `guard`: it is waited for. */
static void show_published(er_remote *r, const er_answer *a, const char *name, const json_t *guard)
{
	if (!r->json)
		show_running(a->json, name, "production", "published");
	json_t *end = guard ? er_guard_wait(r, name, "production", a->json, guard) : NULL;
	if (r->json && end == NULL) {
		er_remote_print(a);
	} else if (r->json) {
		(void)json_object_set(a->json, "guard", end);
		char *text = json_dumps(a->json, JSON_COMPACT | JSON_REAL_PRECISION(6));
		er_show_printf("%s\n", text);
		free(text);
	}
	json_decref(end);
}

/* More than a row: --guard is a body of its own, and --wait-guard asks again and again. */
static void publish(er_row_call *c)
{
	er_remote *r = &c->remote;
	er_answer a = {0};
	er_err err = {0};
	const char *word = er_row_value(c, ER_LIT("guard")), *message = er_row_value(c, ER_LIT("message")), *routine = NULL;
	bool wait = er_row_flag(c, ER_LIT("wait-guard"));
	json_t *guard = word ? er_rollout_guard(er_slice_cstr(word), &err) : NULL, *body = json_object();
	if (word && guard == NULL)
		er_remote_fail_err(r, &err);
	else if (er_guard_wait_ok(r, wait, guard))
		routine = er_remote_routine(r, er_row_value(c, ER_LIT("name")));
	if (guard)
		(void)json_object_set_new(body, "guard", guard);
	if (message)
		(void)json_object_set_new(body, "reason", json_string(message));
	if (routine && er_remote_call(r, "POST", er_remote_path(&r->arena, "/v1/routines/{}/publish", routine), body, &a))
		show_published(r, &a, routine, wait ? guard : NULL);
	json_decref(body);
	er_answer_fini(&a);
}

const er_row er_row_publish = {
    .usage = "er publish [--name NAME] [options]",
    .about = "Lets production run what staging runs now: the same versions with the same shares. Nothing is built or "
             "uploaded, so it is exactly what "
             "was tried there. Variables, secrets and routes belong to their environment and stay as they are.",
    .details = ER_EXIT_STATUSES "7 the guard went back (--wait-guard).\n",
    .options = {{ER_ROW_NAME},
                {.name = "guard",
                 .value = "BOUNDS",
                 .help = "go back by itself if it is worse than before, as er deploy --guard"},
                {.name = "wait-guard", .help = "wait until the guard has decided"},
                {WHY}},
    .run = publish,
};

static void show_rolled_back(er_row_call *c, const json_t *answer)
{
	ER_ASSERT(c->routine != NULL && er_row_value(c, ER_LIT("env")) != NULL);
	show_running(answer, c->routine, er_row_value(c, ER_LIT("env")), "rolled back");
}

const er_row er_row_rollback = {
    .usage = "er rollback [VERSION] [--env ENV] [options]",
    .about = "Runs an older version again: VERSION, or without it what ran before the present deployment. Nothing is "
             "deleted; er deployments shows what "
             "ran when.",
    .words = {0, 1},
    .options = {{ER_ROW_ENV}, {ER_ROW_NAME}, {WHY}},
    .routine = "name",
    .request = "POST /v1/routines/{routine}/rollback",
    .body = {{"environment", "env", ER_ROW_TEXT}, {"version", "0", ER_ROW_VERSION}, {"reason", "message", ER_ROW_TEXT}},
    .show = show_rolled_back,
};
