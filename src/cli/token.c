/* er token: who may use the admin API. er audit: what everybody did. A new token is printed alone
 * on standard output, so that a pipe has it and nothing else; what there is to say about it goes to
 * standard error. */
#include "base/mem.h"
#include "cli/row.h"

#include <unistd.h>

static er_slice routines(er_arena *a, const er_json *v)
{
	er_slice names = er_cell_names(a, v);
	return names.n > 0 ? names : ER_LIT("all");
}

/* A token that is confined and has no hosts may take those that nobody uses (control/grant.c). */
static er_slice hosts(er_arena *a, const er_json *one)
{
	er_slice names = er_cell_names(a, er_json_member(one, "hosts"));
	bool confined = er_json_first(er_json_member(one, "routines"), ER_JSON_ARRAY) != NULL;
	return names.n > 0 ? names : confined ? ER_LIT("unused") : ER_LIT("all");
}

/* A token that is confined opens no namespaces but those that were granted to it. */
static er_slice kv(er_arena *a, const er_json *one)
{
	er_slice names = er_cell_names(a, er_json_member(one, "kv"));
	bool confined = er_json_first(er_json_member(one, "routines"), ER_JSON_ARRAY) != NULL;
	return names.n > 0 ? names : confined ? ER_LIT("none") : ER_LIT("all");
}

const er_row er_row_token_list = {
    .usage = "er token [list] [options]",
    .about = "Lists the tokens of the node: name, role, and the routines they are confined to. The tokens themselves are not "
             "kept.",
    .request = "GET /v1/tokens",
    .columns =
        {
            {.head = "NAME", .key = "name", .style = ER_BOLD},
            {.head = "ROLE", .key = "role"},
            {.head = "ROUTINES", .key = "routines", .cell = routines},
            {.head = "HOSTS", .cell = hosts},
            {.head = "KV", .cell = kv},
            {.head = "MADE AT", .key = "at", .cell = er_cell_time},
            {.head = "BY", .key = "by"},
        },
    .empty = "there are no tokens: only the node's socket lets commands in; er token add NAME makes one",
};

static void show_token(er_row_call *c, const er_json *answer)
{
	ER_ASSERT(c->words[0] != NULL && er_row_value(c, ER_LIT("role")) != NULL);
	er_slice note =
	    er_arena_printf(&c->remote.arena, "the token \"%s\" (%s) is shown this once; keep it safe. er token rm %s ends it",
	                    c->words[0], er_row_value(c, ER_LIT("role")), c->words[0]);
	er_show_printf("%.*s\n", ER_FMT(er_json_str(answer, "token")));
	er_show_note(ER_YELLOW, "", note);
}

const er_row er_row_token_add = {
    .usage = "er token add NAME [--role read|deploy|admin] [--routines A,B [--hosts H,I] [--kv N,O:ro]] [options]",
    .about = "Makes a token and prints it, alone on standard output: now and never again. read sees, deploy changes "
             "routines, admin everything.",
    .details = "On another machine: er login URL takes it.\n" ER_EXIT_STATUSES,
    .words = {1, 1},
    .options =
        {
            {.name = "role", .letter = 'r', .value = "ROLE", .help = "read, deploy (default) or admin", .preset = "deploy"},
            {.name = "routines", .value = "NAMES", .help = "confine it to these routines (comma between)"},
            {.name = "hosts",
             .value = "HOSTS",
             .help = "with --routines: lead only these hosts there, as www.example.com,*.example.org"},
            {.name = "kv",
             .value = "NAMESPACES",
             .help = "with --routines: KV namespaces that it opens, as sessions,catalog:ro (ro: to read alone)"},
        },
    .request = "POST /v1/tokens",
    .body = {{"name", "0", ER_ROW_TEXT},
             {"role", "role", ER_ROW_TEXT},
             {"routines", "routines", ER_ROW_LIST},
             {"hosts", "hosts", ER_ROW_LIST},
             {"kv", "kv", ER_ROW_LIST}},
    .not_utf8 = "the name is not UTF-8",
    .show = show_token,
};

const er_row er_row_token_rm = {
    .usage = "er token rm NAME [options]",
    .about = "Ends a token at once.",
    .words = {1, 1},
    .request = "DELETE /v1/tokens/{0}",
    .said = "the token \"{0}\" is no longer valid",
};

/* ---- er audit ---- */

enum { DETAILS_SHOWN = 120 };

/* Without --after the end of the change log is shown, which is known from its numbers. */
static bool audit_from(er_row_call *c, uint64_t limit, uint64_t *out)
{
	er_answer a = {0};
	ER_ASSERT(out != NULL);
	if (er_row_value(c, ER_LIT("after")))
		return er_row_number(c, ER_LIT("after"), out);
	bool ok = er_remote_get(&c->remote, ER_LIT("/v1"), &a);
	uint64_t sequence = er_json_u64(a.json, "sequence"), first = er_json_u64(a.json, "first_sequence");
	*out = limit && sequence > limit ? sequence - limit : 0;
	if (*out + 1 < first)
		*out = first - 1;
	er_answer_fini(&a);
	return ok;
}

/* A list whose pages go on behind the last number ("after"), and not with a cursor. */
static bool audit_pages(er_remote *r, uint64_t after, uint64_t most, er_answer *out)
{
	enum { PAGE = 1000 };
	er_json_list items = {0};
	for (bool more = true; more;) {
		ER_ASSERT(most == 0 || items.n < most);
		uint64_t left = most ? most - items.n : PAGE;
		er_slice path = er_arena_printf(&r->arena, "/v1/audit?after=%llu&limit=%llu", (unsigned long long)after,
		                                (unsigned long long)(left < PAGE ? left : PAGE));
		er_answer_fini(out);
		if (!er_remote_get(r, path, out))
			return false;
		ER_JSON_EACH(one, er_json_member(out->json, "items"))
		{
			er_json_add(&r->arena, &items, one);
		}
		after = er_json_u64(out->json, "next");
		more = after > 0 && !(most && items.n >= most);
	}
	er_remote_set_items(r, out, &items);
	return true;
}

static er_slice details(er_arena *a, const er_json *v)
{
	er_slice text = er_json_first(v, ER_JSON_OBJECT) != NULL ? er_cell_json(a, v) : (er_slice){NULL, 0};
	/* a pipe gets everything */
	return isatty(STDOUT_FILENO) ? er_slice_head(text, DETAILS_SHOWN) : text;
}

/* Its pages go by numbers, so it is more than a row. */
static void audit(er_row_call *c)
{
	er_answer a = {0};
	uint64_t most, from;
	bool ok = er_row_number(c, ER_LIT("limit"), &most) && audit_from(c, most, &from) && audit_pages(&c->remote, from, most, &a);
	er_remote_show_list(&c->remote, &a, ok, c->row->columns, "nothing was changed yet");
}

const er_row er_row_audit = {
    .usage = "er audit [--after N] [--limit N] [options]",
    .about = "Shows the change log: every change of the node, who made it, from where and when, in its order. Values of "
             "secrets and tokens are never in it.",
    .details = "Times are UTC.\n" ER_EXIT_STATUSES,
    .options =
        {{.name = "after", .value = "N", .help = "changes behind this number; without it the newest", .most = UINT64_MAX / 2},
         {.name = "limit",
          .value = "N",
          .help = "at most so many; 50 if not given, 0: all",
          .preset = "50",
          .most = UINT64_MAX / 2}},
    .columns =
        {
            {.head = ">CHANGE", .key = "sequence", .cell = er_cell_number},
            {.head = "AT", .key = "at", .cell = er_cell_time},
            {.head = "BY", .key = "by"},
            {.head = "FROM", .key = "from"},
            {.head = "WHAT", .key = "kind", .style = ER_BOLD},
            {.head = "ROUTINE", .key = "routine"},
            {.head = "DETAILS", .key = "data", .cell = details},
        },
    .run = audit,
};
