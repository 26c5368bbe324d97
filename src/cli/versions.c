/* er versions: what was uploaded of a routine. er deployments: what ran when. */
#include "cli/cli.h"
#include "cli/remote.h"

#include <stdlib.h>
#include <unistd.h>

static er_slice joined(er_arena *a, const json_t *list)
{
	er_buf b = {0};
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one)
	{
		const char *text = json_string_value(one);
		er_buf_printf(&b, "%s%s", i ? ", " : "", text ? text : "");
	}
	er_slice s = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

static er_slice number_text(er_arena *a, uint64_t n)
{
	return er_arena_printf(a, "%llu", (unsigned long long)n);
}

/* ---- list ---- */

static void version_row(er_table *t, er_arena *a, const json_t *one)
{
	er_table_add_styled(t, ER_BOLD, number_text(a, er_json_u64(one, "version")));
	er_table_add_styled(t, ER_GREEN, joined(a, json_object_get(one, "environments")));
	er_table_add(t, er_show_size(a, er_json_u64(one, "bytes")));
	er_table_add(t, er_show_time(a, er_json_str(one, "at")));
	er_table_add(t, er_slice_cstr(er_json_str(one, "by")));
	er_table_add(t, er_slice_cstr(er_json_str(one, "description")));
}

/* What is known of a routine, newest first. `what`: the last part of its path. */
static int list_of_routine(int argc, char **argv, er_command cmd, const char *what, const er_listing *listing)
{
	er_remote r = {0};
	const char *name = NULL, *limit = "20";
	const er_option options[] = {
	    {"name", 'n', "NAME", "the routine, instead of er.jsonc's name", NULL, &name},
	    {"limit", 0, "N", "the newest N; 20 if not given, 0: all", NULL, &limit},
	    ER_REMOTE_OPTIONS(&r),
	};
	cmd.details = "Times are UTC.\n" ER_EXIT_STATUSES;
	cmd.options = options;
	cmd.n_options = sizeof options / sizeof *options;
	int rc = er_args_parse(&cmd, argc, argv, NULL);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	uint64_t most = 0;
	const char *routine = er_remote_number(&r, "--limit", limit, 0, 1000000, &most) ? er_remote_routine(&r, name) : NULL;
	bool ok = routine && er_remote_pages(&r, er_remote_path(&r.arena, "/v1/routines/{}/{}", routine, what), most, &a);
	return er_remote_show_list(&r, &a, ok, listing);
}

int er_cmd_versions(int argc, char **argv)
{
	static const char *const heads[] = {">VERSION", "RUNS IN", ">SIZE", "AT", "BY", "MESSAGE"};
	er_command cmd = {
	    .usage = "er versions [list] [--name NAME] [--limit N] [options]",
	    .about = "Lists the versions of a routine, newest first: number, where it runs, size, when, by whom, and its message."};
	return list_of_routine(argc, argv, cmd, "versions",
	                       &(er_listing){heads, 6, version_row, "no versions yet; er deploy makes the first"});
}

/* ---- show ---- */

/* The bytes of the code or the map, to standard output. */
static void put_bytes(er_remote *r, const char *routine, const char *version, const char *what)
{
	er_answer a;
	er_slice path = er_remote_path(&r->arena, "/v1/routines/{}/versions/{}", routine, version);
	er_ask call = {.method = "GET", .path = er_arena_printf(&r->arena, "%.*s/%s", ER_FMT(path), what), .timeout_ms = 60000};
	if (er_remote_send(r, &call, &a))
		er_show_print(er_buf_slice(&a.reply.body));
	er_answer_fini(&a);
}

static void show(er_remote *r, const er_answer *a)
{
	const json_t *v = a->json;
	char *settings = json_dumps(json_object_get(v, "settings"), JSON_INDENT(2));
	er_buf b = {0};
	er_buf_printf(&b, "version   %llu\nruns in   ", (unsigned long long)er_json_u64(v, "version"));
	er_slice environments = joined(&r->arena, json_object_get(v, "environments"));
	er_buf_put(&b, environments.n ? environments : ER_LIT("-"));
	er_buf_puts(&b, "\nsize      ");
	er_buf_put(&b, er_show_size(&r->arena, er_json_u64(v, "bytes")));
	er_buf_printf(&b, "\nsha256    %s\nat        ", er_json_str(v, "code_sha256"));
	er_buf_put(&b, er_show_time(&r->arena, er_json_str(v, "at")));
	er_buf_puts(&b, "\nby        ");
	er_term_put_safe(&b, er_slice_cstr(er_json_str(v, "by")), false, false);
	er_buf_puts(&b, "\nmessage   ");
	er_term_put_safe(&b, er_slice_cstr(er_json_str(v, "description")), false, false);
	er_buf_puts(&b, "\nsettings  ");
	er_term_put_safe(&b, settings ? er_slice_cstr(settings) : ER_LIT("-"), true, false);
	er_buf_putc(&b, '\n');
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
	free(settings);
}

int er_cmd_versions_show(int argc, char **argv)
{
	er_remote r = {0};
	const char *name = NULL, *version = NULL;
	bool code = false, map = false;
	const er_option options[] = {
	    {"name", 'n', "NAME", "the routine, instead of er.jsonc's name", NULL, &name},
	    {"code", 0, NULL, "its script itself, to standard output", &code, NULL},
	    {"source-map", 0, NULL, "its source map", &map, NULL},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er versions show VERSION [--code] [options]",
	    .about = "Shows one version: where it runs, its size and hash, who uploaded it when, and its settings.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &version);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	uint64_t number;
	const char *routine = er_remote_number(&r, "VERSION", version, 1, UINT32_MAX, &number) ? er_remote_routine(&r, name) : NULL;
	if (routine && (code || map)) {
		put_bytes(&r, routine, version, code ? "code" : "source-map");
	} else if (routine && er_remote_get(&r, er_remote_path(&r.arena, "/v1/routines/{}/versions/{}", routine, version), &a)) {
		if (r.json)
			er_remote_print(&a);
		else
			show(&r, &a);
	}
	er_answer_fini(&a);
	return er_remote_close(&r);
}

/* ---- prune, rm ---- */

int er_cmd_versions_prune(int argc, char **argv)
{
	er_remote r = {0};
	const char *name = NULL, *keep = "10";
	const er_option options[] = {
	    {"name", 'n', "NAME", "the routine, instead of er.jsonc's name", NULL, &name},
	    {"keep", 'k', "N", "leave the newest N; 10 if not given", NULL, &keep},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er versions prune [--keep N] [options]",
	    .about = "Deletes old versions. What an environment runs stays, and so do the newest N.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	};
	int rc = er_args_parse(&cmd, argc, argv, NULL);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	uint64_t number;
	const char *routine = er_remote_number(&r, "--keep", keep, 1, 100000, &number) ? er_remote_routine(&r, name) : NULL;
	if (routine) {
		json_t *body = json_pack("{s:I}", "keep", (json_int_t)number);
		if (er_remote_call(&r, "POST", er_remote_path(&r.arena, "/v1/routines/{}/prune", routine), body, &a)) {
			uint64_t removed = er_json_u64(a.json, "removed");
			if (r.json)
				er_remote_print(&a);
			else
				er_show_printf("removed %llu version%s of %s\n", (unsigned long long)removed, removed == 1 ? "" : "s", routine);
		}
		json_decref(body);
	}
	er_answer_fini(&a);
	return er_remote_close(&r);
}

int er_cmd_versions_rm(int argc, char **argv)
{
	er_remote r = {0};
	const char *name = NULL, *version = NULL;
	const er_option options[] = {
	    {"name", 'n', "NAME", "the routine, instead of er.jsonc's name", NULL, &name},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er versions rm VERSION [options]",
	    .about = "Deletes one version. One that an environment runs is refused.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &version);
	if (rc >= 0)
		return rc;
	uint64_t number;
	const char *routine = er_remote_number(&r, "VERSION", version, 1, UINT32_MAX, &number) ? er_remote_routine(&r, name) : NULL;
	if (routine)
		er_remote_change(&r, "DELETE", er_remote_path(&r.arena, "/v1/routines/{}/versions/{}", routine, version), NULL,
		                 "removed version %s of %s\n", version, routine);
	return er_remote_close(&r);
}

/* ---- er deployments ---- */

static er_slice running(er_arena *a, const json_t *versions)
{
	er_buf b = {0};
	size_t i;
	json_t *one;
	json_array_foreach(versions, i, one)
	{
		er_buf_printf(&b, "%s%llu", i ? ", " : "", (unsigned long long)er_json_u64(one, "version"));
		if (json_array_size(versions) > 1)
			er_buf_printf(&b, " (%llu %%)", (unsigned long long)er_json_u64(one, "percent"));
	}
	er_slice s = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

static void deployment_row(er_table *t, er_arena *a, const json_t *one)
{
	er_table_add(t, er_show_time(a, er_json_str(one, "at")));
	er_table_add(t, er_slice_cstr(er_json_str(one, "environment")));
	er_table_add_styled(t, ER_BOLD, running(a, json_object_get(one, "versions")));
	er_table_add(t, er_slice_cstr(er_json_str(one, "by")));
	er_table_add(t, er_slice_cstr(er_json_str(one, "reason")));
}

int er_cmd_deployments(int argc, char **argv)
{
	static const char *const heads[] = {"SINCE", "ENVIRONMENT", "VERSIONS", "BY", "WHY"};
	er_command cmd = {
	    .usage = "er deployments [--name NAME] [--limit N] [options]",
	    .about = "Lists what ran in the environments of a routine, newest first: since when, which versions, by whom and why."};
	return list_of_routine(argc, argv, cmd, "deployments", &(er_listing){heads, 5, deployment_row, "nothing was deployed yet"});
}
