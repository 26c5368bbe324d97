/* er publish: production runs exactly what staging runs. er rollback: an environment runs an older
 * version again. Neither builds or uploads anything: the node has the versions, and decides which
 * one is meant (control/deploy.c). */
#include "base/mem.h"
#include "cli/guard_wait.h"
#include "cli/row.h"

#include <unistd.h>

#define WHY .name = "message", .letter = 'm', .value = "TEXT", .help = "why; it is in er deployments and er audit"

/* "published shop: production runs version 3". */
static void show_running(const er_json *answer, const char *name, const char *env, const char *what)
{
	ER_ASSERT(name != NULL && env != NULL && what != NULL);
	er_buf b = {0};
	bool colour = er_term_colour(STDOUT_FILENO);
	er_term_put(&b, colour, ER_GREEN, er_slice_cstr(what));
	er_buf_printf(&b, " %s: %s runs ", name, env);
	const er_json *versions = er_json_member(answer, "versions");
	bool several = er_json_count(versions) > 1;
	ER_JSON_EACH(one, versions)
	{
		er_buf_printf(&b, "%sversion %llu", one != versions->first ? ", " : "", (unsigned long long)er_json_u64(one, "version"));
		if (several)
			er_buf_printf(&b, " for %llu %% of clients", (unsigned long long)er_json_u64(one, "percent"));
	}
	er_buf_putc(&b, '\n');
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

/* `guard`: it is waited for. */
static void show_published(er_remote *r, const er_answer *a, const char *name, const er_rollout_guard *guard)
{
	if (!r->json)
		show_running(a->json, name, "production", "published");
	const er_json *end = guard ? er_guard_wait(r, name, "production", a->json, guard) : NULL;
	if (r->json && end == NULL)
		er_remote_print(a);
	else if (r->json)
		er_show_tree(er_json_with(&r->arena, a->json, ER_LIT("guard"), end));
}

/* More than a row: --guard is a body of its own, and --wait-guard asks again and again. */
static void publish(er_row_call *c)
{
	er_remote *r = &c->remote;
	er_answer a = {0};
	er_err err = {0};
	const char *word = er_row_value(c, ER_LIT("guard")), *message = er_row_value(c, ER_LIT("message")), *routine = NULL;
	bool wait = er_row_flag(c, ER_LIT("wait-guard"));
	er_rollout_guard guard;
	if (word && !er_rollout_read_guard(er_slice_cstr(word), &guard, &err))
		er_remote_fail_err(r, &err);
	else if (er_guard_wait_ok(r, wait, word != NULL))
		routine = er_remote_routine(r, er_row_value(c, ER_LIT("name")));
	er_out body = {0};
	er_out_open(&body, NULL, '{');
	if (word && routine)
		er_rollout_put_guard(&body, "guard", &guard);
	if (message)
		er_out_cstr(&body, "reason", message);
	er_out_close(&body, '}');
	if (routine &&
	    er_remote_call(r, "POST", er_remote_path(&r->arena, "/v1/routines/{}/publish", routine), er_buf_slice(&body.b), &a))
		show_published(r, &a, routine, wait ? &guard : NULL);
	er_out_fini(&body);
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

static void show_rolled_back(er_row_call *c, const er_json *answer)
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
