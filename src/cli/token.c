/* er token: who may use the admin API. er audit: what everybody did. */
#include "cli/cli.h"
#include "cli/remote.h"

#include <stdio.h>
#include <stdlib.h>

static void token_row(er_table *t, er_arena *a, const json_t *one)
{
	size_t j;
	json_t *name;
	er_buf routines = {0};
	json_array_foreach(json_object_get(one, "routines"), j, name)
	    er_buf_printf(&routines, "%s%s", j ? ", " : "", json_string_value(name));
	er_table_add_styled(t, ER_BOLD, er_slice_cstr(er_json_str(one, "name")));
	er_table_add(t, er_slice_cstr(er_json_str(one, "role")));
	er_table_add(t, er_buf_len(&routines) ? er_buf_slice(&routines) : ER_LIT("all"));
	er_table_add(t, er_show_time(a, er_json_str(one, "at")));
	er_table_add(t, er_slice_cstr(er_json_str(one, "by")));
	er_buf_fini(&routines);
}

int er_cmd_token_list(int argc, char **argv)
{
	er_remote r = {0};
	const er_option options[] = {ER_REMOTE_OPTIONS(&r)};
	const er_command cmd = {
	    .usage = "er token [list] [options]",
	    .about = "Lists the tokens of the node: name, role, and the routines they are confined to. The tokens themselves are not "
	             "kept.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	};
	int rc = er_args_parse(&cmd, argc, argv, NULL);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	static const char *const heads[] = {"NAME", "ROLE", "ROUTINES", "MADE AT", "BY"};
	bool ok = er_remote_list(&r, ER_LIT("/v1/tokens"), 0, &a);
	return er_remote_show_list(
	    &r, &a, ok,
	    &(er_listing){heads, 5, token_row,
	                  "there are no tokens: only the node's socket lets commands in; er token add NAME makes one"});
}

static json_t *token_body(const char *name, const char *role, const char *routines)
{
	json_t *body = json_pack("{s:s, s:s}", "name", name, "role", role);
	if (body == NULL || routines == NULL)
		return body;
	json_t *list = json_array();
	er_slice rest = er_slice_cstr(routines), part;
	while (er_slice_split(&rest, ',', &part)) {
		part = er_slice_trim(part);
		(void)json_array_append_new(list, json_stringn((const char *)part.p, part.n));
	}
	(void)json_object_set_new(body, "routines", list);
	return body;
}

int er_cmd_token_add(int argc, char **argv)
{
	er_remote r = {0};
	const char *name = NULL, *role = "deploy", *routines = NULL;
	const er_option options[] = {
	    {"role", 'r', "ROLE", "read, deploy (default) or admin", NULL, &role},
	    {"routines", 0, "NAMES", "confine it to these routines (comma between)", NULL, &routines},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er token add NAME [--role read|deploy|admin] [--routines A,B] [options]",
	    .about = "Makes a token and prints it, alone on standard output: now and never again. read sees, deploy changes "
	             "routines, admin everything.",
	    .details = "On another machine: er login URL takes it.\n" ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &name);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	json_t *body = token_body(name, role, routines);
	if (body == NULL)
		er_remote_fail(&r, ER_EXIT_USAGE, "invalid", "the name is not UTF-8");
	else if (er_remote_call(&r, "POST", ER_LIT("/v1/tokens"), body, &a)) {
		if (r.json) {
			er_remote_print(&a);
		} else {
			er_show_printf("%s\n", er_json_str(a.json, "token"));
			er_show_note(ER_YELLOW, "",
			             er_arena_printf(&r.arena,
			                             "the token \"%s\" (%s) is shown this once; keep it safe. er token rm %s ends it", name,
			                             role, name));
		}
	}
	json_decref(body);
	er_answer_fini(&a);
	return er_remote_close(&r);
}

int er_cmd_token_rm(int argc, char **argv)
{
	er_remote r = {0};
	const char *name = NULL;
	const er_option options[] = {ER_REMOTE_OPTIONS(&r)};
	const er_command cmd = {
	    .usage = "er token rm NAME [options]",
	    .about = "Ends a token at once.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &name);
	if (rc >= 0)
		return rc;
	er_remote_change(&r, "DELETE", er_remote_path(&r.arena, "/v1/tokens/{}", name), NULL, "the token \"%s\" is no longer valid\n",
	                 name);
	return er_remote_close(&r);
}

/* ---- er audit ---- */

/* Without --after the end of the change log is shown, which is known from its numbers. */
static bool audit_from(er_remote *r, const char *after, uint64_t limit, uint64_t *out)
{
	er_answer a = {0};
	if (after)
		return er_remote_number(r, "--after", after, 0, UINT64_MAX / 2, out);
	bool ok = er_remote_get(r, ER_LIT("/v1"), &a);
	uint64_t sequence = er_json_u64(a.json, "sequence"), first = er_json_u64(a.json, "first_sequence");
	*out = sequence > limit ? sequence - limit : 0;
	if (*out + 1 < first)
		*out = first - 1;
	er_answer_fini(&a);
	return ok;
}

static void show_audit(er_remote *r, const json_t *items)
{
	static const char *const heads[] = {">CHANGE", "AT", "BY", "FROM", "WHAT", "ROUTINE", "DETAILS"};
	er_table t;
	size_t i;
	json_t *one;
	er_table_init(&t, &r->arena, heads, 7);
	json_array_foreach(items, i, one)
	{
		const json_t *data = json_object_get(one, "data");
		char *text = json_object_size(data) ? json_dumps(data, JSON_COMPACT) : NULL;
		er_table_add(&t, er_arena_printf(&r->arena, "%llu", (unsigned long long)er_json_u64(one, "sequence")));
		er_table_add(&t, er_show_time(&r->arena, er_json_str(one, "at")));
		er_table_add(&t, er_slice_cstr(er_json_str(one, "by")));
		er_table_add(&t, er_slice_cstr(er_json_str(one, "from")));
		er_table_add_styled(&t, ER_BOLD, er_slice_cstr(er_json_str(one, "kind")));
		er_table_add(&t, er_slice_cstr(er_json_str(one, "routine")));
		er_table_add(&t, er_slice_head(er_slice_cstr(text), 120));
		free(text);
	}
	er_table_print(&t, "nothing was changed yet");
}

int er_cmd_audit(int argc, char **argv)
{
	er_remote r = {0};
	const char *after = NULL, *limit = "50";
	const er_option options[] = {
	    {"after", 0, "N", "changes behind this number; without it the newest", NULL, &after},
	    {"limit", 0, "N", "at most so many; 50 if not given, 1000 at most", NULL, &limit},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er audit [--after N] [--limit N] [options]",
	    .about = "Shows the change log: every change of the node, who made it, from where and when, in its order. Values of "
	             "secrets and tokens are never in it.",
	    .details = "Times are UTC.\n" ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	};
	int rc = er_args_parse(&cmd, argc, argv, NULL);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	uint64_t most, from;
	if (er_remote_number(&r, "--limit", limit, 1, 1000, &most) && audit_from(&r, after, most, &from)) {
		er_slice path =
		    er_arena_printf(&r.arena, "/v1/audit?after=%llu&limit=%llu", (unsigned long long)from, (unsigned long long)most);
		if (er_remote_get(&r, path, &a)) {
			if (r.json)
				er_remote_print(&a);
			else
				show_audit(&r, json_object_get(a.json, "items"));
		}
	}
	er_answer_fini(&a);
	return er_remote_close(&r);
}
