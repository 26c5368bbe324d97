/* er route: which host and path goes to which routine. Rows; the node keeps one spelling of a
 * pattern and says which, so what was typed is shown beside it where they differ. */
#include "base/mem.h"
#include "cli/row.h"

const er_row er_row_route_list = {
    .usage = "er route [list] [--env ENV] [options]",
    .about = "Lists the rules of an environment in their order; the first that matches wins. Rules of source \"file\" are "
             "the node's configuration and come first.",
    .options = {{ER_ROW_ENV}},
    .request = "GET /v1/routes?environment={env}",
    .columns =
        {
            {.head = ">POSITION", .key = "position", .cell = er_cell_number},
            {.head = "PATTERN", .key = "pattern", .style = ER_BOLD},
            {.head = "ROUTINE", .key = "routine"},
            {.head = "SOURCE", .key = "source"},
        },
    .empty = "there are no rules; every routine answers at NAME.localhost, and er route add PATTERN makes one",
};

/* The node keeps one spelling of a pattern: punycode for letters beyond ASCII, small letters, no
 * "..". */
static void show_added(er_row_call *c, const er_json *answer)
{
	ER_ASSERT(c->words[0] != NULL && c->routine != NULL);
	er_slice pattern = er_json_str(answer, "pattern");
	const char *written = c->words[0], *env = er_row_value(c, ER_LIT("env"));
	if (pattern.n == 0 || er_slice_eq(pattern, er_slice_cstr(written)))
		er_show_printf("%s goes to %s in %s\n", written, c->routine, env);
	else
		er_show_printf("%.*s (written %s) goes to %s in %s\n", ER_FMT(pattern), written, c->routine, env);
}

const er_row er_row_route_add = {
    .usage = "er route add PATTERN [ROUTINE] [--position N] [options]",
    .about = "Sends what matches to a routine (er.jsonc's, if none is named). PATTERN: host/path*, host/path (exactly), host "
             "(all of it), *.host/path* "
             "(sub-hosts), */path*, *. A star stands only at "
             "the front of the host and at the end of the path. Quote it: 'shop.example/api/*'.",
    .words = {1, 2},
    .options = {{ER_ROW_ENV},
                {.name = "position",
                 .value = "N",
                 .help = "where in the node's own list, from 0; at its end if not given",
                 .most = 1000000}},
    .routine = "1",
    .request = "POST /v1/routes",
    .body = {{"environment", "env", ER_ROW_TEXT},
             {"pattern", "0", ER_ROW_TEXT},
             {"routine", "routine", ER_ROW_TEXT},
             {"position", "position", ER_ROW_NUMBER}},
    .not_utf8 = "the pattern is not UTF-8",
    .show = show_added,
};

const er_row er_row_route_rm = {
    .usage = "er route rm PATTERN [--env ENV] [options]",
    .about = "Takes the rule with this pattern, as er route list shows it, away.",
    .words = {1, 1},
    .options = {{ER_ROW_ENV}},
    .request = "DELETE /v1/routes?environment={env}&pattern={0}",
    .said = "removed the rule {0} from {env}",
};

static void show_test(er_row_call *c, const er_json *found)
{
	ER_ASSERT(c->words[0] != NULL);
	const char *url = c->words[0];
	er_slice refused = er_json_str(found, "refused");
	if (refused.n > 0) {
		er_show_printf("the node refuses %s with status 400: %.*s\n", url, ER_FMT(refused));
		return;
	}
	if (!er_json_true(found, "matched")) {
		er_show_printf("no rule takes %s: the origin answers it, or 404\n", url);
		return;
	}
	er_slice source = er_json_str(found, "source"), pattern = er_json_str(found, "pattern");
	er_slice routine = er_json_str(found, "routine");
	if (er_json_true(found, "foreign"))
		er_show_printf("%s goes to a routine that your token does not see\n", url);
	else if (pattern.n == 0)
		er_show_printf("%s goes to %.*s by its name\n", url, ER_FMT(routine));
	else
		er_show_printf("%s goes to %.*s by the rule %.*s (position %llu, source %.*s)\n", url, ER_FMT(routine), ER_FMT(pattern),
		               (unsigned long long)er_json_u64(found, "position"), ER_FMT(source));
}

const er_row er_row_route_test = {
    .usage = "er route test URL [--env ENV] [options]",
    .about = "Shows which rule a URL takes, and to which routine. No request is made.",
    .words = {1, 1},
    .options = {{ER_ROW_ENV}},
    .request = "GET /v1/routes/test?environment={env}&url={0}",
    .show = show_test,
};
