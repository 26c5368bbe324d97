/* er publish: production runs exactly what staging runs. er rollback: an environment runs an older version again. */
#include "cli/cli.h"
#include "cli/remote.h"
#include "cli/rollout.h"

#include <unistd.h>

static void show_running(er_remote *r, const er_answer *a, const char *name, const char *env, const char *what)
{
	if (r->json) {
		er_remote_print(a);
		return;
	}
	er_buf b = {0};
	size_t i;
	json_t *one;
	bool colour = er_term_colour(STDOUT_FILENO);
	er_term_put(&b, colour, ER_GREEN, er_slice_cstr(what));
	er_buf_printf(&b, " %s: %s runs ", name, env);
	const json_t *versions = json_object_get(a->json, "versions");
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

int er_cmd_publish(int argc, char **argv)
{
	er_remote r = {0};
	const char *name = NULL, *guard_word = NULL, *message = NULL;
	const er_option options[] = {
	    {"name", 'n', "NAME", "the routine, instead of er.jsonc's name", NULL, &name},
	    {"guard", 0, "BOUNDS", "go back by itself if it is worse than before, as er deploy --guard", NULL, &guard_word},
	    {"message", 'm', "TEXT", "why; it is in er deployments and er audit", NULL, &message},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er publish [--name NAME] [options]",
	    .about = "Lets production run what staging runs now: the same versions with the same shares. Nothing is built or "
	             "uploaded, so it is exactly what "
	             "was tried there. Variables, secrets and routes belong to their environment and stay as they are.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	};
	int rc = er_args_parse(&cmd, argc, argv, NULL);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	er_err err = {0};
	json_t *guard = guard_word ? er_rollout_guard(er_slice_cstr(guard_word), &err) : NULL, *body = json_object();
	const char *routine = NULL;
	if (guard_word && guard == NULL)
		er_remote_fail_err(&r, &err);
	else
		routine = er_remote_routine(&r, name);
	if (guard)
		(void)json_object_set_new(body, "guard", guard);
	if (message)
		(void)json_object_set_new(body, "reason", json_string(message));
	if (routine && er_remote_call(&r, "POST", er_remote_path(&r.arena, "/v1/routines/{}/publish", routine), body, &a))
		show_running(&r, &a, routine, "production", "published");
	json_decref(body);
	er_answer_fini(&a);
	return er_remote_close(&r);
}

int er_cmd_rollback(int argc, char **argv)
{
	er_remote r = {0};
	const char *name = NULL, *env = NULL, *version = NULL, *message = NULL;
	const er_option options[] = {
	    {"env", 'e', "ENV", "production (default) or staging", NULL, &env},
	    {"name", 'n', "NAME", "the routine, instead of er.jsonc's name", NULL, &name},
	    {"message", 'm', "TEXT", "why; it is in er deployments and er audit", NULL, &message},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er rollback [VERSION] [--env ENV] [options]",
	    .about = "Runs an older version again: VERSION, or without it what ran before the present deployment. Nothing is "
	             "deleted; er deployments shows what "
	             "ran when.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &version);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	uint64_t number = 0;
	const char *where = er_remote_env(&r, env);
	const char *routine = where ? er_remote_routine(&r, name) : NULL;
	if (routine && (version == NULL || er_remote_number(&r, "VERSION", version, 1, UINT32_MAX, &number))) {
		json_t *body = json_pack("{s:s}", "environment", where);
		if (number)
			(void)json_object_set_new(body, "version", json_integer((json_int_t)number));
		if (message)
			(void)json_object_set_new(body, "reason", json_string(message));
		if (er_remote_call(&r, "POST", er_remote_path(&r.arena, "/v1/routines/{}/rollback", routine), body, &a))
			show_running(&r, &a, routine, where, "rolled back");
		json_decref(body);
	}
	er_answer_fini(&a);
	return er_remote_close(&r);
}
