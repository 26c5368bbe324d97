/* er status: the node, and how its routines fare. er routine: all of them. */
#include "cli/cli.h"
#include "cli/prompt.h"
#include "cli/remote.h"

#include <stdio.h>

/* ---- the node ---- */

static void fact(er_buf *b, const char *name)
{
	er_buf_printf(b, "%s%-12s ", er_buf_len(b) ? "\n" : "", name);
}

static er_slice size_of(er_remote *r, const json_t *node, const char *key)
{
	return er_show_size(&r->arena, er_json_u64(node, key));
}

static er_slice uptime(er_arena *a, uint64_t s)
{
	unsigned long long days = s / 86400, hours = s / 3600 % 24, minutes = s / 60 % 60;
	if (days)
		return er_arena_printf(a, "%llu d %llu h", days, hours);
	if (hours)
		return er_arena_printf(a, "%llu h %llu min", hours, minutes);
	return minutes ? er_arena_printf(a, "%llu min", minutes) : er_arena_printf(a, "%llu s", (unsigned long long)s);
}

static void put_listeners(er_buf *b, const json_t *list)
{
	size_t i;
	json_t *one;
	fact(b, "clients at");
	json_array_foreach(list, i, one)
	{
		bool staging = er_slice_eq(er_slice_cstr(er_json_str(one, "environment")), ER_LIT("staging"));
		er_buf_printf(b, "%s%s%s", i ? ", " : "", er_json_str(one, "address"), staging ? " (staging)" : "");
	}
}

#define NUMBER(node, key) (unsigned long long)er_json_u64(node, key)

/* A line a kind of fact; all of them are in --json. */
static void show_node(er_remote *r, const json_t *node)
{
	er_buf b = {0}, safe = {0};
	const char *reload = er_json_str(node, "last_reload");
	const json_t *listen = json_object_get(node, "listen");
	fact(&b, "node");
	er_buf_printf(&b, "%s: %s for %.*s, process %llu", er_target_shown(&r->target), er_json_str(node, "status"),
	              ER_FMT(uptime(&r->arena, er_json_u64(node, "uptime_s"))), NUMBER(node, "pid"));
	fact(&b, "version");
	er_buf_printf(&b, "%s with %s, sandbox level %s", er_json_str(node, "version"), er_json_str(node, "engine"),
	              er_json_str(node, "level"));
	if (json_array_size(listen))
		put_listeners(&b, listen);
	fact(&b, "load");
	er_buf_printf(&b, "%llu connections, %llu instances and %llu warm sandboxes on %llu threads", NUMBER(node, "connections"),
	              NUMBER(node, "instances"), NUMBER(node, "pool"), NUMBER(node, "threads"));
	fact(&b, "memory");
	er_buf_printf(&b, "%.*s without sandboxes, %llu descriptors", ER_FMT(size_of(r, node, "resident_bytes")),
	              NUMBER(node, "fds"));
	if (json_object_get(node, "store_bytes")) {
		fact(&b, "store");
		er_buf_printf(&b, "%llu routines, change %llu, %.*s", NUMBER(node, "routines"), NUMBER(node, "sequence"),
		              ER_FMT(size_of(r, node, "store_bytes")));
	}
	if (*reload && !er_slice_eq(er_slice_cstr(reload), ER_LIT("ok"))) {
		fact(&b, "node.jsonc");
		er_buf_puts(&b, "the last reload was refused, the configuration before is in force; the node's log says why");
	}
	er_term_put_safe(&safe, er_buf_slice(&b), true, false);
	er_buf_puts(&safe, "\n\n");
	er_show_print(er_buf_slice(&safe));
	er_buf_fini(&safe);
	er_buf_fini(&b);
}

/* ---- what runs ---- */

static er_slice guard_text(er_arena *a, const json_t *environment)
{
	const json_t *guard = json_object_get(environment, "guard");
	if (json_is_string(guard))
		return er_slice_cstr(json_string_value(guard));
	if (!json_is_object(guard))
		return ER_LIT("-");
	const char *state = er_json_str(guard, "state");
	return *state ? er_slice_cstr(state)
	              : er_arena_printf(a, "errors %llu", (unsigned long long)er_json_u64(guard, "error_percent"));
}

static void add_version(er_arena *a, er_table *t, const char *name, const char *env, const json_t *environment, const json_t *v)
{
	uint64_t requests = er_json_u64(v, "requests"), errors = er_json_u64(v, "errors");
	const json_t *p99 = json_object_get(v, "p99_ms");
	er_table_add_styled(t, ER_BOLD, er_slice_cstr(name));
	er_table_add(t, er_slice_cstr(env));
	er_table_add(t, er_arena_printf(a, "%llu (%llu %%)", (unsigned long long)er_json_u64(v, "version"),
	                                (unsigned long long)er_json_u64(v, "percent")));
	er_table_add(t, er_arena_printf(a, "%llu", (unsigned long long)requests));
	if (errors)
		er_table_add_styled(t, ER_RED, er_arena_printf(a, "%llu", (unsigned long long)errors));
	else
		er_table_add(t, ER_LIT("0"));
	er_table_add(t, json_is_number(p99) && json_number_value(p99) > 0 ? er_arena_printf(a, "%.1f ms", json_number_value(p99))
	                                                                  : ER_LIT("-"));
	er_table_add(t, er_show_time(a, er_json_str(environment, "deployed")));
	er_table_add(t, guard_text(a, environment));
}

/* One row a version that runs. */
static size_t add_routine(er_arena *a, er_table *t, const json_t *routine)
{
	const char *env, *name = er_json_str(routine, "name");
	json_t *environment, *v;
	size_t i, n = 0;
	json_object_foreach(json_object_get(routine, "environments"), env, environment)
	{
		json_array_foreach(json_object_get(environment, "versions"), i, v)
		{
			add_version(a, t, name, env, environment, v);
			n++;
		}
	}
	return n;
}

/* A routine of the node's own configuration, or one that nothing runs of. */
static void add_idle(er_arena *a, er_table *t, const json_t *routine)
{
	bool file = er_slice_eq(er_slice_cstr(er_json_str(routine, "source")), ER_LIT("file"));
	er_table_add_styled(t, ER_BOLD, er_slice_cstr(er_json_str(routine, "name")));
	er_table_add(t, file ? ER_LIT("node.jsonc") : ER_LIT("not deployed"));
	er_table_add(t, file ? er_arena_printf(a, "%s", er_json_str(routine, "version")) : ER_LIT("-"));
	for (int i = 0; i < 5; i++)
		er_table_add(t, ER_LIT("-"));
}

static bool wanted(const json_t *routine, const char *name)
{
	return name == NULL || er_slice_eq(er_slice_cstr(name), er_slice_cstr(er_json_str(routine, "name")));
}

static void show(er_remote *r, const json_t *all, const char *name)
{
	static const char *const heads[] = {"ROUTINE", "ENVIRONMENT", "VERSION", ">REQUESTS", ">ERRORS", ">P99", "SINCE", "GUARD"};
	er_table t;
	size_t i, found = 0;
	json_t *one;
	er_table_init(&t, &r->arena, heads, 8);
	json_array_foreach(json_object_get(all, "routines"), i, one)
	{
		if (!wanted(one, name))
			continue;
		found++;
		if (add_routine(&r->arena, &t, one) == 0)
			add_idle(&r->arena, &t, one);
	}
	if (name && found == 0) {
		er_slice text = er_arena_printf(
		    &r->arena, "there is no routine \"%s\" on this node; er routine list shows them, er deploy makes it", name);
		er_remote_fail(r, ER_EXIT_NOT_FOUND, "not-found", er_arena_cstr(&r->arena, text));
		return;
	}
	if (name == NULL)
		show_node(r, json_object_get(all, "node"));
	er_table_print(&t, "nothing runs yet; er deploy changes that");
}

int er_cmd_status(int argc, char **argv)
{
	er_remote r = {0};
	const char *name = NULL;
	const er_option options[] = {ER_REMOTE_OPTIONS(&r)};
	const er_command cmd = {
	    .usage = "er status [NAME] [options]",
	    .about = "Shows the node, and of every version that runs: its share of clients, requests, errors and 99th percentile "
	             "since it was deployed, since when, "
	             "and whether a guard still watches it. With NAME that routine alone.",
	    .details = "Times are UTC.\n" ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &name);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	if (er_remote_get(&r, ER_LIT("/v1/status"), &a)) {
		if (r.json)
			er_remote_print(&a);
		else
			show(&r, a.json, name);
	}
	er_answer_fini(&a);
	return er_remote_close(&r);
}

/* ---- er routine ---- */

static er_slice pointer_text(er_arena *a, const json_t *v)
{
	if (json_is_integer(v))
		return er_arena_printf(a, "%lld", (long long)json_integer_value(v));
	const json_t *list = json_is_object(v) ? json_object_get(v, "versions") : v;
	er_buf b = {0};
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one) er_buf_printf(
	    &b, "%s%llu", i ? ", " : "",
	    (unsigned long long)(json_is_integer(one) ? (uint64_t)json_integer_value(one) : er_json_u64(one, "version")));
	er_slice s = er_buf_len(&b) ? er_arena_copy(a, er_buf_slice(&b)) : ER_LIT("-");
	er_buf_fini(&b);
	return s;
}

static void routine_row(er_table *t, er_arena *a, const json_t *one)
{
	er_table_add_styled(t, ER_BOLD, er_slice_cstr(er_json_str(one, "name")));
	bool file = er_slice_eq(er_slice_cstr(er_json_str(one, "source")), ER_LIT("file"));
	er_table_add(t, er_arena_printf(a, "%llu", (unsigned long long)er_json_u64(one, "versions")));
	er_table_add(t, er_arena_printf(a, "%llu", (unsigned long long)er_json_u64(one, "newest")));
	er_table_add(t, file ? ER_LIT("node.jsonc") : pointer_text(a, json_object_get(one, "production")));
	er_table_add(t, pointer_text(a, json_object_get(one, "staging")));
}

int er_cmd_routine_list(int argc, char **argv)
{
	er_remote r = {0};
	const er_option options[] = {ER_REMOTE_OPTIONS(&r)};
	const er_command cmd = {
	    .usage = "er routine [list] [options]",
	    .about = "Lists the routines of the node: how many versions, the newest, and what production and staging run.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	};
	int rc = er_args_parse(&cmd, argc, argv, NULL);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	static const char *const heads[] = {"ROUTINE", ">VERSIONS", ">NEWEST", "PRODUCTION", "STAGING"};
	bool ok = er_remote_pages(&r, ER_LIT("/v1/routines"), 0, &a);
	return er_remote_show_list(&r, &a, ok, &(er_listing){heads, 5, routine_row, "there are no routines; er deploy makes one"});
}

int er_cmd_routine_rm(int argc, char **argv)
{
	er_remote r = {0};
	const char *name = NULL;
	bool yes = false;
	const er_option options[] = {
	    {"yes", 'y', NULL, "do not ask", &yes, NULL},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er routine rm NAME [--yes] [options]",
	    .about = "Deletes a routine: its versions, deployments, variables and secrets. Its requests go to the origin, or get "
	             "404, from then on.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &name);
	if (rc >= 0)
		return rc;
	er_err err = {0};
	const char *routine = er_remote_routine(&r, name);
	char question[192];
	(void)snprintf(question, sizeof question, "Delete the routine %s with all its versions, variables and secrets?", name);
	if (routine && !yes && !er_prompt_yes(question, &err))
		er_remote_fail_err(&r, &err);
	else if (routine)
		er_remote_change(&r, "DELETE", er_remote_path(&r.arena, "/v1/routines/{}", routine), NULL, "deleted the routine %s\n",
		                 routine);
	return er_remote_close(&r);
}
