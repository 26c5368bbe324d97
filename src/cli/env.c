/* er env: variables of a routine in one environment; they go over those of er.jsonc. */
#include "cli/cli.h"
#include "cli/remote.h"

#include <stdlib.h>

#define ENV_OPTIONS(env, name) \
	{"env", 'e', "ENV", "production (default) or staging", NULL, (env)}, \
	{ \
		"name", 'n', "NAME", "the routine, instead of er.jsonc's name", NULL, (name) \
	}

/* The value of a list's item for people: strings as they are, the rest as JSON. */
static er_slice value_text(er_arena *a, const json_t *v)
{
	if (json_is_string(v))
		return er_slice_of(json_string_value(v), json_string_length(v));
	char *text = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	er_slice s = text ? er_arena_copy(a, er_slice_cstr(text)) : ER_LIT("-");
	free(text);
	return s;
}

static void variable_row(er_table *t, er_arena *a, const json_t *one)
{
	er_table_add_styled(t, ER_BOLD, er_slice_cstr(er_json_str(one, "name")));
	er_table_add(t, value_text(a, json_object_get(one, "value")));
	er_table_add(t, er_show_time(a, er_json_str(one, "at")));
	er_table_add(t, er_slice_cstr(er_json_str(one, "by")));
}

int er_cmd_env_list(int argc, char **argv)
{
	er_remote r = {0};
	const char *env = NULL, *name = NULL;
	const er_option options[] = {ENV_OPTIONS(&env, &name), ER_REMOTE_OPTIONS(&r)};
	const er_command cmd = {
	    .usage = "er env [list] [--env ENV] [options]",
	    .about = "Lists the variables of a routine in an environment. They reach the code as env.NAME and go over \"vars\" of "
	             "er.jsonc.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	};
	int rc = er_args_parse(&cmd, argc, argv, NULL);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	const char *where = er_remote_env(&r, env);
	const char *routine = where ? er_remote_routine(&r, name) : NULL;
	static const char *const heads[] = {"NAME", "VALUE", "SET AT", "BY"};
	bool ok =
	    routine && er_remote_list(&r, er_remote_path(&r.arena, "/v1/routines/{}/environments/{}/vars", routine, where), 0, &a);
	return er_remote_show_list(
	    &r, &a, ok,
	    &(er_listing){heads, 4, variable_row, "there are no variables of this environment; er env set NAME VALUE makes one"});
}

int er_cmd_env_set(int argc, char **argv)
{
	er_remote r = {0};
	const char *env = NULL, *name = NULL, *words[2] = {NULL};
	bool is_json = false;
	const er_option options[] = {
	    ENV_OPTIONS(&env, &name),
	    {"parse", 0, NULL, "VALUE is JSON (true, 5, {\"a\": 1}), not text", &is_json, NULL},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er env set NAME VALUE [--env ENV] [--parse] [options]",
	    .about = "Sets a variable of a routine in an environment; what runs there gets it at once. What nobody may see is a "
	             "secret: er secret put.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 2,
	    .least_words = 2,
	};
	int rc = er_args_parse(&cmd, argc, argv, words);
	if (rc >= 0)
		return rc;
	json_error_t why;
	const char *where = er_remote_env(&r, env);
	const char *routine = where ? er_remote_routine(&r, name) : NULL;
	json_t *value = is_json ? json_loads(words[1], JSON_DECODE_ANY, &why) : json_string(words[1]);
	json_t *body = value ? json_pack("{s:o}", "value", value) : NULL;
	if (routine && body == NULL)
		er_remote_fail(&r, ER_EXIT_USAGE, "invalid",
		               is_json ? "VALUE is no JSON; without --parse it is taken as text" : "VALUE is not UTF-8");
	else if (routine)
		er_remote_change(&r, "PUT", er_remote_path(&r.arena, "/v1/routines/{}/environments/{}/vars/{}", routine, where, words[0]),
		                 body, "set %s for %s in %s\n", words[0], routine, where);
	json_decref(body);
	return er_remote_close(&r);
}

int er_cmd_env_rm(int argc, char **argv)
{
	er_remote r = {0};
	const char *env = NULL, *name = NULL, *variable = NULL;
	const er_option options[] = {ENV_OPTIONS(&env, &name), ER_REMOTE_OPTIONS(&r)};
	const er_command cmd = {
	    .usage = "er env rm NAME [--env ENV] [options]",
	    .about = "Removes a variable of a routine from an environment; what er.jsonc says in \"vars\" is seen again.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &variable);
	if (rc >= 0)
		return rc;
	const char *where = er_remote_env(&r, env);
	const char *routine = where ? er_remote_routine(&r, name) : NULL;
	if (routine)
		er_remote_change(&r, "DELETE",
		                 er_remote_path(&r.arena, "/v1/routines/{}/environments/{}/vars/{}", routine, where, variable), NULL,
		                 "removed %s of %s from %s\n", variable, routine, where);
	return er_remote_close(&r);
}
