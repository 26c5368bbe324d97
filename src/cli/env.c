/* er env: variables of a routine in one environment; they go over those of er.jsonc. Rows alone; a
 * value is text unless --parse says that it is JSON. */
#include "base/mem.h"
#include "cli/row.h"

const er_row er_row_env_list = {
    .usage = "er env [list] [--env ENV] [options]",
    .about = "Lists the variables of a routine in an environment. They reach the code as env.NAME and go over \"vars\" of "
             "er.jsonc.",
    .options = {{ER_ROW_ENV}, {ER_ROW_NAME}},
    .routine = "name",
    .request = "GET /v1/routines/{routine}/environments/{env}/vars",
    .columns =
        {
            {.head = "NAME", .key = "name", .style = ER_BOLD},
            {.head = "VALUE", .key = "value", .cell = er_cell_value},
            {.head = "SET AT", .key = "at", .cell = er_cell_time},
            {.head = "BY", .key = "by"},
        },
    .empty = "there are no variables of this environment; er env set NAME VALUE makes one",
};

static bool variable_body(er_row_call *c, er_out *body)
{
	ER_ASSERT(c->words[0] != NULL && c->words[1] != NULL);
	bool parse = er_row_flag(c, ER_LIT("parse"));
	er_slice value = er_slice_cstr(c->words[1]);
	if (parse ? er_json_answer(&c->remote.arena, value) == NULL : !er_utf8_valid(value)) {
		er_remote_fail(&c->remote, ER_EXIT_USAGE, "invalid",
		               parse ? "VALUE is no JSON; without --parse it is taken as text" : "VALUE is not UTF-8");
		return false;
	}
	if (parse)
		er_out_json(body, "value", value);
	else
		er_out_str(body, "value", value);
	return true;
}

const er_row er_row_env_set = {
    .usage = "er env set NAME VALUE [--env ENV] [--parse] [options]",
    .about = "Sets a variable of a routine in an environment; what runs there gets it at once. What nobody may see is a "
             "secret: er secret put.",
    .words = {2, 2},
    .options = {{ER_ROW_ENV}, {ER_ROW_NAME}, {.name = "parse", .help = "VALUE is JSON (true, 5, {\"a\": 1}), not text"}},
    .routine = "name",
    .request = "PUT /v1/routines/{routine}/environments/{env}/vars/{0}",
    .make_body = variable_body,
    .said = "set {0} for {routine} in {env}",
};

const er_row er_row_env_rm = {
    .usage = "er env rm NAME [--env ENV] [options]",
    .about = "Removes a variable of a routine from an environment; what er.jsonc says in \"vars\" is seen again.",
    .words = {1, 1},
    .options = {{ER_ROW_ENV}, {ER_ROW_NAME}},
    .routine = "name",
    .request = "DELETE /v1/routines/{routine}/environments/{env}/vars/{0}",
    .said = "removed {0} of {routine} from {env}",
};
