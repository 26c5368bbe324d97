/* er status: the node, and how its routines fare. er routine: all of them. One answer of the node
 * is shown as facts, a table of what runs, and a line below for each environment in which a guard
 * went back. What this tool does not know of the answer is in --json. */
#include "cli/row.h"

/* ---- the node ---- */

/* Begins a line. */
static void fact(er_buf *b, const char *name)
{
	ER_ASSERT(name != NULL);
	er_buf_printf(b, "%s%-12s ", er_buf_len(b) ? "\n" : "", name);
}

static er_slice size_of(er_remote *r, const er_json *node, const char *key)
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

static void put_listeners(er_buf *b, const er_json *list)
{
	fact(b, "clients at");
	ER_JSON_EACH(one, list)
	{
		bool staging = er_slice_eq(er_json_str(one, "environment"), ER_LIT("staging"));
		er_buf_printf(b, "%s%.*s%s", one != list->first ? ", " : "", ER_FMT(er_json_str(one, "address")),
		              staging ? " (staging)" : "");
	}
}

#define NUMBER(node, key) (unsigned long long)er_json_u64(node, key)

/* What routines asked of the key-value store since the start, if anything. */
static void put_kv(er_buf *b, const er_json *node)
{
	unsigned long long memory = NUMBER(node, "kv_keys_from_memory"), keys = memory + NUMBER(node, "kv_keys_from_disk");
	unsigned long long errors = NUMBER(node, "kv_errors");
	if (keys + NUMBER(node, "kv_lists") + NUMBER(node, "kv_writes") + NUMBER(node, "kv_deletes") + errors == 0)
		return;
	fact(b, "kv");
	er_buf_printf(b, "%llu reads", NUMBER(node, "kv_reads"));
	if (keys > 0)
		er_buf_printf(b, " (%llu %% of the keys from memory)", memory * 100 / keys);
	er_buf_printf(b, ", %llu writes, %llu deletes, %llu lists", NUMBER(node, "kv_writes"), NUMBER(node, "kv_deletes"),
	              NUMBER(node, "kv_lists"));
	if (errors > 0)
		er_buf_printf(b, "; %llu failed", errors);
}

/* A line a kind of fact; all of them are in --json. */
static void show_node(er_remote *r, const er_json *node)
{
	ER_ASSERT(r->target.url != NULL);
	er_buf b = {0}, safe = {0};
	er_slice reload = er_json_str(node, "last_reload"), status = er_json_str(node, "status");
	const er_json *listen = er_json_member(node, "listen");
	fact(&b, "node");
	er_buf_printf(&b, "%s: %.*s for %.*s, process %llu", er_target_shown(&r->target), ER_FMT(status),
	              ER_FMT(uptime(&r->arena, er_json_u64(node, "uptime_s"))), NUMBER(node, "pid"));
	fact(&b, "version");
	er_slice level = er_json_str(node, "level"), least = er_json_str(node, "min_level");
	bool started = !er_slice_eq(level, ER_LIT("none"));
	er_buf_printf(&b, "%.*s with %.*s, sandbox level %.*s", ER_FMT(er_json_str(node, "version")),
	              ER_FMT(started ? er_json_str(node, "engine") : ER_LIT("no engine yet")),
	              ER_FMT(started ? level : ER_LIT("not known: no sandbox was started yet")));
	if (started && er_slice_eq(status, ER_LIT("degraded")))
		er_buf_printf(&b, ", below sandbox.minLevel (%.*s): routines do not run", ER_FMT(least));
	if (er_json_first(listen, ER_JSON_ARRAY) != NULL)
		put_listeners(&b, listen);
	fact(&b, "load");
	er_buf_printf(&b, "%llu connections, %llu instances and %llu warm sandboxes on %llu threads", NUMBER(node, "connections"),
	              NUMBER(node, "instances"), NUMBER(node, "pool"), NUMBER(node, "threads"));
	fact(&b, "memory");
	er_buf_printf(&b, "%.*s without sandboxes, %llu descriptors", ER_FMT(size_of(r, node, "resident_bytes")),
	              NUMBER(node, "fds"));
	if (er_json_member(node, "store_bytes")) {
		fact(&b, "store");
		er_buf_printf(&b, "%llu routines, change %llu, %.*s", NUMBER(node, "routines"), NUMBER(node, "sequence"),
		              ER_FMT(size_of(r, node, "store_bytes")));
	}
	put_kv(&b, node);
	if (reload.n > 0 && !er_slice_eq(reload, ER_LIT("ok"))) {
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

static bool went_back(const er_json *environment)
{
	return er_slice_eq(er_json_str(environment, "guard"), ER_LIT("went-back"));
}

/* What the node says of the guard; older ones said an object. */
static er_slice guard_text(er_arena *a, const er_json *environment)
{
	const er_json *guard = er_json_member(environment, "guard");
	if (went_back(environment))
		return ER_LIT("went back");
	if (er_json_is(guard, ER_JSON_STRING))
		return guard->text;
	if (!er_json_is(guard, ER_JSON_OBJECT))
		return ER_LIT("-");
	er_slice state = er_json_str(guard, "state");
	return state.n > 0 ? state : er_arena_printf(a, "errors %llu", (unsigned long long)er_json_u64(guard, "error_percent"));
}

/* One row of the table: its cells are the heads of `show`, in that order. */
static void add_version(er_arena *a, er_table *t, er_slice name, const er_json *environment, const er_json *v)
{
	ER_ASSERT(t->columns == 8 && t->n % t->columns == 0);
	uint64_t requests = er_json_u64(v, "requests"), errors = er_json_u64(v, "errors");
	double p99 = er_json_as_double(er_json_member(v, "p99_ms"), 0);
	er_table_add_styled(t, ER_BOLD, name);
	er_table_add(t, environment->key);
	er_table_add(t, er_arena_printf(a, "%llu (%llu %%)", (unsigned long long)er_json_u64(v, "version"),
	                                (unsigned long long)er_json_u64(v, "percent")));
	er_table_add(t, er_arena_printf(a, "%llu", (unsigned long long)requests));
	if (errors)
		er_table_add_styled(t, ER_RED, er_arena_printf(a, "%llu", (unsigned long long)errors));
	else
		er_table_add(t, ER_LIT("0"));
	er_table_add(t, p99 > 0 ? er_arena_printf(a, "%.1f ms", p99) : ER_LIT("-"));
	er_table_add(t, er_show_time(a, er_json_str(environment, "deployed")));
	er_table_add(t, guard_text(a, environment));
	ER_ASSERT(t->n % t->columns == 0);
}

/* One row a version that runs. */
static size_t add_routine(er_arena *a, er_table *t, const er_json *routine)
{
	size_t n = 0;
	ER_JSON_MEMBERS(environment, er_json_member(routine, "environments"))
	{
		ER_JSON_EACH(v, er_json_member(environment, "versions"))
		{
			add_version(a, t, er_json_str(routine, "name"), environment, v);
			n++;
		}
	}
	return n;
}

/* "2", or "2 (10 % of clients) beside 1" with the version that is to blame first: the one that does
 * not run any more. */
static void put_left(er_buf *b, const er_json *from, uint64_t kept)
{
	bool several = er_json_count(from) > 1;
	ER_JSON_EACH(one, from)
	{
		if (several && er_json_u64(one, "version") == kept)
			continue;
		er_buf_printf(b, "version %llu", (unsigned long long)er_json_u64(one, "version"));
		if (several)
			er_buf_printf(b, " (for %llu %% of clients)", (unsigned long long)er_json_u64(one, "percent"));
		return;
	}
}

/* A line below the table for each environment in which a guard went back and nothing was deployed
 * since. */
static void put_went_back(er_arena *a, er_buf *b, const er_json *routine)
{
	static const er_slice own = ER_LIT("guard: ");
	ER_JSON_MEMBERS(e, er_json_member(routine, "environments"))
	{
		if (!went_back(e))
			continue;
		uint64_t now = er_json_u64(er_json_first(er_json_member(e, "versions"), ER_JSON_ARRAY), "version");
		er_slice why = er_json_str(e, "reason"), when = er_show_time(a, er_json_str(e, "deployed"));
		why = er_slice_from(why, er_slice_starts(why, own) ? own.n : 0);
		er_buf_printf(b, "\n%.*s in %.*s: the guard went back at %.*s from ", ER_FMT(er_json_str(routine, "name")),
		              ER_FMT(e->key), ER_FMT(when));
		put_left(b, er_json_member(e, "went_back_from"), now);
		er_buf_printf(b, " to version %llu: %.*s", (unsigned long long)now, ER_FMT(why));
	}
}

/* A routine of the node's own configuration, or one that nothing runs of. */
static void add_idle(er_table *t, const er_json *routine)
{
	ER_ASSERT(t->columns == 8 && t->n % t->columns == 0);
	bool file = er_slice_eq(er_json_str(routine, "source"), ER_LIT("file"));
	er_table_add_styled(t, ER_BOLD, er_json_str(routine, "name"));
	er_table_add(t, file ? ER_LIT("node.jsonc") : ER_LIT("not deployed"));
	er_table_add(t, file ? er_json_str(routine, "version") : ER_LIT("-"));
	for (int i = 0; i < 5; i++)
		er_table_add(t, ER_LIT("-"));
}

static bool wanted(const er_json *routine, const char *name)
{
	return name == NULL || er_slice_eq(er_slice_cstr(name), er_json_str(routine, "name"));
}

/* False: there is no such routine, which was said. */
static bool there(er_remote *r, const er_json *all, const char *name)
{
	ER_JSON_EACH(one, er_json_member(all, "routines"))
	{
		if (wanted(one, name))
			return true;
	}
	er_slice text = er_arena_printf(
	    &r->arena, "there is no routine \"%s\" on this node; er routine list shows them, er deploy makes it", name);
	er_remote_fail(r, ER_EXIT_NOT_FOUND, "not-found", er_arena_cstr(&r->arena, text));
	return false;
}

/* The answer without the other routines. */
static void print_json(er_remote *r, const er_answer *a, const char *name)
{
	if (name == NULL) {
		er_remote_print(a);
		return;
	}
	er_json_list list = {0};
	ER_JSON_EACH(one, er_json_member(a->json, "routines"))
	{
		if (wanted(one, name))
			er_json_add(&r->arena, &list, one);
	}
	const er_json *rest = er_json_list_value(&r->arena, &list);
	er_show_tree(er_json_with(&r->arena, a->json, ER_LIT("routines"), rest));
}

/* The node first, if all of it was asked for; then the table, then what guards did. */
static void show(er_remote *r, const er_json *all, const char *name)
{
	static const char *const heads[] = {"ROUTINE", "ENVIRONMENT", "VERSION", ">REQUESTS", ">ERRORS", ">P99", "SINCE", "GUARD"};
	er_table t;
	_Static_assert(sizeof heads / sizeof *heads == ER_TABLE_COLUMNS, "as many as a table has");
	er_buf back = {0}, safe = {0};
	er_table_init(&t, &r->arena, heads, 8);
	ER_JSON_EACH(one, er_json_member(all, "routines"))
	{
		if (!wanted(one, name))
			continue;
		if (add_routine(&r->arena, &t, one) == 0)
			add_idle(&t, one);
		put_went_back(&r->arena, &back, one);
	}
	if (name == NULL)
		show_node(r, er_json_member(all, "node"));
	er_table_print(&t, "nothing runs yet; er deploy changes that");
	er_term_put_safe(&safe, er_buf_slice(&back), true, false);
	if (er_buf_len(&safe) > 0)
		er_buf_putc(&safe, '\n');
	er_show_print(er_buf_slice(&safe));
	er_buf_fini(&back);
	er_buf_fini(&safe);
}

static void status(er_row_call *c)
{
	er_remote *r = &c->remote;
	const char *name = c->words[0];
	er_answer a = {0};
	if (er_remote_get(r, ER_LIT("/v1/status"), &a) && (name == NULL || there(r, a.json, name))) {
		if (r->json)
			print_json(r, &a, name);
		else
			show(r, a.json, name);
	}
	er_answer_fini(&a);
}

const er_row er_row_status = {
    .usage = "er status [NAME] [options]",
    .about = "Shows the node, and of every version that runs: its share of clients, requests, errors and 99th percentile "
             "since it was deployed, since when, "
             "and whether a guard still watches it, or went back: when, from which version, and why. With NAME that routine "
             "alone.",
    .details = "Times are UTC.\n" ER_EXIT_STATUSES,
    .words = {0, 1},
    .run = status,
};

/* ---- er routine ---- */

/* The versions that an environment runs. */
static er_slice pointer_text(er_arena *a, const er_json *v)
{
	if (er_json_is(v, ER_JSON_NUMBER))
		return v->text;
	const er_json *list = er_json_is(v, ER_JSON_OBJECT) ? er_json_member(v, "versions") : v;
	er_buf b = {0};
	ER_JSON_EACH(one, list)
	{
		if (one != list->first)
			er_buf_puts(&b, ", ");
		er_buf_put_u64(&b, er_json_as_u64(one, er_json_u64(one, "version")));
	}
	er_slice s = er_buf_len(&b) ? er_arena_copy(a, er_buf_slice(&b)) : ER_LIT("-");
	er_buf_fini(&b);
	return s;
}

static er_slice production(er_arena *a, const er_json *one)
{
	bool file = er_slice_eq(er_json_str(one, "source"), ER_LIT("file"));
	return file ? ER_LIT("node.jsonc") : pointer_text(a, er_json_member(one, "production"));
}

const er_row er_row_routine_list = {
    .usage = "er routine [list] [options]",
    .about = "Lists the routines of the node: how many versions, the newest, and what production and staging run.",
    .request = "GET /v1/routines",
    .paged = true,
    .columns =
        {
            {.head = "ROUTINE", .key = "name", .style = ER_BOLD},
            {.head = ">VERSIONS", .key = "versions", .cell = er_cell_number},
            {.head = ">NEWEST", .key = "newest", .cell = er_cell_number},
            {.head = "PRODUCTION", .cell = production},
            {.head = "STAGING", .key = "staging", .cell = pointer_text},
        },
    .empty = "there are no routines; er deploy makes one",
};

const er_row er_row_routine_rm = {
    .usage = "er routine rm NAME [--yes] [options]",
    .about = "Deletes a routine: its versions, deployments, variables and secrets. Its requests go to the origin, or get "
             "404, from then on.",
    .words = {1, 1},
    .options = {{ER_ROW_YES}},
    .routine = "0",
    .question = "Delete the routine {0} with all its versions, variables and secrets?",
    .request = "DELETE /v1/routines/{routine}",
    .said = "deleted the routine {routine}",
};
