/* er routine allow, deny, addresses: private addresses that a deployed routine may reach. Rows
 * alone: the node knows the routines and what its operator allows (routineAddresses), so nothing is
 * checked here. */
#include "cli/row.h"

static er_slice in_force(er_arena *a, const er_json *v)
{
	(void)a;
	return er_json_is_true(v) ? ER_LIT("yes") : ER_LIT("no: not in routineAddresses");
}

const er_row er_row_routine_addresses = {
    .usage = "er routine addresses [NAME] [options]",
    .about = "Lists the private addresses that a routine (er.jsonc's, if none is named) may reach. One that the node's "
             "\"routineAddresses\" does not cover any more is not in force.",
    .words = {0, 1},
    .routine = "0",
    .request = "GET /v1/routines/{routine}/addresses",
    .columns =
        {
            {.head = "ADDRESS", .key = "address", .style = ER_BOLD},
            {.head = "IN FORCE", .key = "in_force", .cell = in_force},
            {.head = "ALLOWED AT", .key = "at", .cell = er_cell_time},
            {.head = "BY", .key = "by"},
        },
    .empty = "it may reach no private address; er routine allow NAME ADDRESS changes that",
};

const er_row er_row_routine_allow = {
    .usage = "er routine allow NAME ADDRESS [options]",
    .about = "Lets a deployed routine's subrequests reach a private address or range (10.1.2.3, 10.0.0.0/8, fd00::/8), or "
             "one port there (10.1.2.3:5432, [fd00::1]:443), in every environment and from now on. It takes an administrator, "
             "and the node's operator must name the range, or one around "
             "it, in \"routineAddresses\" of node.jsonc. The node's own addresses stay refused.",
    .words = {2, 2},
    .routine = "0",
    .request = "POST /v1/routines/{routine}/addresses",
    .body = {{"address", "1", ER_ROW_TEXT}},
    .not_utf8 = "the address is not UTF-8",
    .said = "{routine} may reach {1}",
};

const er_row er_row_routine_deny = {
    .usage = "er routine deny NAME ADDRESS [options]",
    .about = "Takes back what er routine allow gave. ADDRESS: as er routine addresses shows it.",
    .words = {2, 2},
    .routine = "0",
    .request = "DELETE /v1/routines/{routine}/addresses?address={1}",
    .said = "{routine} may not reach {1} any more",
};
