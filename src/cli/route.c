/* er route: which host and path goes to which routine. */
#include "cli/cli.h"
#include "cli/remote.h"

#include <stdio.h>

static void rule_row(er_table *t, er_arena *a, const json_t *one)
{
	er_table_add(t, er_arena_printf(a, "%llu", (unsigned long long)er_json_u64(one, "position")));
	er_table_add_styled(t, ER_BOLD, er_slice_cstr(er_json_str(one, "pattern")));
	er_table_add(t, er_slice_cstr(er_json_str(one, "routine")));
	er_table_add(t, er_slice_cstr(er_json_str(one, "source")));
}

int er_cmd_route_list(int argc, char **argv)
{
	er_remote r = {0};
	const char *env = NULL;
	const er_option options[] = {
	    {"env", 'e', "ENV", "production (default) or staging", NULL, &env},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er route [list] [--env ENV] [options]",
	    .about = "Lists the rules of an environment in their order; the first that matches wins. Rules of source \"file\" are "
	             "the node's configuration and come first.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	};
	int rc = er_args_parse(&cmd, argc, argv, NULL);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	const char *where = er_remote_env(&r, env);
	static const char *const heads[] = {">POSITION", "PATTERN", "ROUTINE", "SOURCE"};
	bool ok = where && er_remote_list(&r, er_remote_path(&r.arena, "/v1/routes?environment={}", where), 0, &a);
	return er_remote_show_list(
	    &r, &a, ok,
	    &(er_listing){heads, 4, rule_row,
	                  "there are no rules; every routine answers at NAME.localhost, and er route add PATTERN makes one"});
}

int er_cmd_route_add(int argc, char **argv)
{
	er_remote r = {0};
	const char *env = NULL, *position = NULL, *words[2] = {NULL};
	const er_option options[] = {
	    {"env", 'e', "ENV", "production (default) or staging", NULL, &env},
	    {"position", 0, "N", "where in the node's own list, from 0; at its end if not given", NULL, &position},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er route add PATTERN [ROUTINE] [--position N] [options]",
	    .about = "Sends what matches to a routine (er.jsonc's, if none is named). PATTERN: host/path*, host/path (exactly), host "
	             "(all of it), *.host/path* "
	             "(sub-hosts), */path*, *. A star stands only at "
	             "the front of the host and at the end of the path. Quote it: 'shop.example/api/*'.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 2,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, words);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	uint64_t at = 0;
	const char *where = er_remote_env(&r, env);
	const char *routine = where ? er_remote_routine(&r, words[1]) : NULL;
	if (routine && (position == NULL || er_remote_number(&r, "--position", position, 0, 1000000, &at))) {
		json_t *body = json_pack("{s:s, s:s, s:s}", "environment", where, "pattern", words[0], "routine", routine);
		if (position && body)
			(void)json_object_set_new(body, "position", json_integer((json_int_t)at));
		if (body == NULL) {
			er_remote_fail(&r, ER_EXIT_USAGE, "invalid", "the pattern is not UTF-8");
		} else if (er_remote_call(&r, "POST", ER_LIT("/v1/routes"), body, &a)) {
			if (r.json)
				er_remote_done(&a);
			else
				er_show_printf("%s goes to %s in %s\n", words[0], routine, where);
			er_remote_warnings(&r, a.json);
		}
		json_decref(body);
	}
	er_answer_fini(&a);
	return er_remote_close(&r);
}

int er_cmd_route_rm(int argc, char **argv)
{
	er_remote r = {0};
	const char *env = NULL, *pattern = NULL;
	const er_option options[] = {
	    {"env", 'e', "ENV", "production (default) or staging", NULL, &env},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er route rm PATTERN [--env ENV] [options]",
	    .about = "Takes the rule with this pattern, as er route list shows it, away.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &pattern);
	if (rc >= 0)
		return rc;
	const char *where = er_remote_env(&r, env);
	if (where)
		er_remote_change(&r, "DELETE", er_remote_path(&r.arena, "/v1/routes?environment={}&pattern={}", where, pattern), NULL,
		                 "removed the rule %s from %s\n", pattern, where);
	return er_remote_close(&r);
}

static void show_test(const json_t *found, const char *url)
{
	if (!json_is_true(json_object_get(found, "matched"))) {
		er_show_printf("no rule takes %s: the origin answers it, or 404\n", url);
		return;
	}
	const char *source = er_json_str(found, "source"), *pattern = er_json_str(found, "pattern");
	if (json_is_true(json_object_get(found, "foreign")))
		er_show_printf("%s goes to a routine that your token does not see\n", url);
	else if (*pattern == 0)
		er_show_printf("%s goes to %s by its name\n", url, er_json_str(found, "routine"));
	else
		er_show_printf("%s goes to %s by the rule %s (position %llu, source %s)\n", url, er_json_str(found, "routine"), pattern,
		               (unsigned long long)er_json_u64(found, "position"), source);
}

int er_cmd_route_test(int argc, char **argv)
{
	er_remote r = {0};
	const char *env = NULL, *url = NULL;
	const er_option options[] = {
	    {"env", 'e', "ENV", "production (default) or staging", NULL, &env},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er route test URL [--env ENV] [options]",
	    .about = "Shows which rule a URL takes, and to which routine. No request is made.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &url);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	const char *where = er_remote_env(&r, env);
	if (where && er_remote_get(&r, er_remote_path(&r.arena, "/v1/routes/test?environment={}&url={}", where, url), &a)) {
		if (r.json)
			er_remote_print(&a);
		else
			show_test(a.json, url);
	}
	er_answer_fini(&a);
	return er_remote_close(&r);
}
