/* er cron: what runs by the clock, how it went, and a run now. Rows (cli/row.h). */
#include "base/mem.h"
#include "cli/row.h"

#include <unistd.h>

static er_slice last_cell(er_arena *a, const er_json *one)
{
	er_slice outcome = er_json_str(one, "outcome");
	if (er_json_true(one, "running"))
		return ER_LIT("running");
	if (outcome.n == 0)
		return ER_LIT("-");
	return er_arena_printf(a, "%.*s, %.*s", ER_FMT(er_cell_time(a, er_json_member(one, "last"))), ER_FMT(outcome));
}

const er_row er_row_cron_list = {
    .usage = "er cron [list] [options]",
    .about = "Lists what runs by the clock on the node: \"crons\" of what production runs. Times are UTC.",
    .request = "GET /v1/crons",
    .columns =
        {
            {.head = "ROUTINE", .key = "routine", .style = ER_BOLD},
            {.head = "CRON", .key = "cron"},
            {.head = "NEXT", .key = "next", .cell = er_cell_time},
            {.head = "LAST", .cell = last_cell},
        },
    .empty = "nothing runs by the clock: name times in \"crons\" of er.jsonc, as [\"*/5 * * * *\"], and er deploy",
};

static er_slice why_cell(er_arena *a, const er_json *one)
{
	er_slice error = er_json_str(one, "error");
	(void)a;
	return error.n > 0 ? error : er_json_true(one, "manual") ? ER_LIT("er cron run") : (er_slice){0};
}

const er_row er_row_cron_history = {
    .usage = "er cron history NAME [--limit N] [options]",
    .about = "Shows how the last runs of a routine went, newest first. A node remembers 100.",
    .words = {1, 1},
    .options = {{.name = "limit", .value = "N", .help = "the newest N; 20 if not given, 0: all", .preset = "20", .most = 100}},
    .request = "GET /v1/routines/{0}/crons/history",
    .paged = true,
    .columns =
        {
            {.head = "SCHEDULED", .key = "scheduled", .cell = er_cell_time},
            {.head = "CRON", .key = "cron"},
            {.head = "OUTCOME", .key = "outcome", .style = ER_BOLD},
            {.head = ">CPU US", .key = "cpu_us", .cell = er_cell_number},
            {.head = ">WALL US", .key = "wall_us", .cell = er_cell_number},
            {.head = "WHY", .cell = why_cell},
        },
    .empty = "it has not run yet",
};

/* What it said, and how it went; a run that failed is the command's failure. */
static void show_run(er_row_call *c, const er_json *answer)
{
	er_buf b = {0};
	er_slice error = er_json_str(answer, "error");
	bool ok = er_slice_eq(er_json_str(answer, "outcome"), ER_LIT("ok"));
	ER_JSON_EACH(line, er_json_member(answer, "console"))
	{
		er_term_put_safe(&b, er_json_as_str(line), true, false);
		er_buf_putc(&b, '\n');
	}
	er_buf_put_cstr(&b, ok ? "ok" : "failed");
	if (error.n > 0) {
		er_buf_puts(&b, ": ");
		er_term_put_safe(&b, error, true, false);
	}
	er_buf_printf(&b, "  (\"%.*s\", %llu us CPU, %llu us)\n", ER_FMT(er_json_str(answer, "cron")),
	              (unsigned long long)er_json_u64(answer, "cpu_us"), (unsigned long long)er_json_u64(answer, "wall_us"));
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
	if (!ok)
		c->remote.status = ER_EXIT_FAILED;
}

const er_row er_row_cron_run = {
    .usage = "er cron run NAME [EXPRESSION] [options]",
    .about = "Runs now what the routine does at the time of EXPRESSION, or of the first one that it has, and shows how that went "
             "and what it said. The clock goes on as if it had not run.",
    .words = {1, 2},
    .request = "POST /v1/routines/{0}/crons/run",
    .wait_ms = 3700000,
    .body = {{"cron", "1", ER_ROW_TEXT}},
    .show = show_run,
};
