/* er versions: what was uploaded of a routine. er deployments: what ran when. Rows, but for er
 * versions show, which gives the code itself if that is asked for.
 *
 * A row (cli/row.h) is one request to the control API and how its answer is shown: arguments,
 * options and columns are data, and the functions here only make the cells that need more than a
 * member of the answer. They get an arena that lives as long as the table is shown. */
#include "base/mem.h"
#include "cli/row.h"

#include <unistd.h>

/* What is known of a routine, newest first. */
#define NEWEST .name = "limit", .value = "N", .help = "the newest N; 20 if not given, 0: all", .preset = "20", .most = 1000000

const er_row er_row_versions = {
    .usage = "er versions [list] [--name NAME] [--limit N] [options]",
    .about = "Lists the versions of a routine, newest first: number, where it runs, size, when, by whom, and its message.",
    .details = "Times are UTC.\n" ER_EXIT_STATUSES,
    .options = {{ER_ROW_NAME}, {NEWEST}},
    .routine = "name",
    .request = "GET /v1/routines/{routine}/versions",
    .paged = true,
    .columns =
        {
            {.head = ">VERSION", .key = "version", .cell = er_cell_number, .style = ER_BOLD},
            {.head = "RUNS IN", .key = "environments", .cell = er_cell_names, .style = ER_GREEN},
            {.head = ">SIZE", .key = "bytes", .cell = er_cell_size},
            {.head = "AT", .key = "at", .cell = er_cell_time},
            {.head = "BY", .key = "by"},
            {.head = "MESSAGE", .key = "description"},
        },
    .empty = "no versions yet; er deploy makes the first",
};

/* ---- show ---- */

/* The bytes of the code or the map, to standard output. */
static void put_bytes(er_remote *r, er_slice path, const char *what)
{
	ER_ASSERT(path.n > 0 && what != NULL);
	er_answer a;
	er_ask call = {.method = "GET", .path = er_arena_printf(&r->arena, "%.*s/%s", ER_FMT(path), what), .timeout_ms = 60000};
	if (er_remote_send(r, &call, &a))
		er_show_print(er_buf_slice(&a.reply.body));
	er_answer_fini(&a);
}

/* A line a fact; the settings as they were uploaded. */
static void show_version(er_remote *r, const er_answer *a)
{
	const er_json *v = a->json, *stored = er_json_member(v, "settings");
	er_buf b = {0}, settings = {0};
	if (stored != NULL)
		er_json_write_lines(&settings, stored);
	er_buf_printf(&b, "version   %llu\nruns in   ", (unsigned long long)er_json_u64(v, "version"));
	er_slice environments = er_cell_names(&r->arena, er_json_member(v, "environments"));
	er_buf_put(&b, environments.n ? environments : ER_LIT("-"));
	er_buf_puts(&b, "\nsize      ");
	er_buf_put(&b, er_show_size(&r->arena, er_json_u64(v, "bytes")));
	er_buf_printf(&b, "\nsha256    %.*s\nat        ", ER_FMT(er_json_str(v, "code_sha256")));
	er_buf_put(&b, er_show_time(&r->arena, er_json_str(v, "at")));
	er_buf_puts(&b, "\nby        ");
	er_term_put_safe(&b, er_json_str(v, "by"), false, false);
	er_buf_puts(&b, "\nmessage   ");
	er_term_put_safe(&b, er_json_str(v, "description"), false, false);
	er_buf_puts(&b, "\nsettings  ");
	er_term_put_safe(&b, stored != NULL ? er_buf_slice(&settings) : ER_LIT("-"), true, false);
	er_buf_putc(&b, '\n');
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
	er_buf_fini(&settings);
}

static void show(er_row_call *c)
{
	ER_ASSERT(c->routine != NULL && c->words[0] != NULL);
	er_remote *r = &c->remote;
	er_answer a = {0};
	er_slice path = er_remote_path(&r->arena, "/v1/routines/{}/versions/{}", c->routine, c->words[0]);
	bool code = er_row_flag(c, ER_LIT("code"));
	if (code || er_row_flag(c, ER_LIT("source-map")))
		put_bytes(r, path, code ? "code" : "source-map");
	else if (er_remote_get(r, path, &a) && r->json)
		er_remote_print(&a);
	else if (r->status == ER_EXIT_OK)
		show_version(r, &a);
	er_answer_fini(&a);
}

const er_row er_row_versions_show = {
    .usage = "er versions show VERSION [--code] [options]",
    .about = "Shows one version: where it runs, its size and hash, who uploaded it when, and its settings.",
    .words = {1, 1},
    .options = {{ER_ROW_NAME},
                {.name = "code", .help = "its script itself, to standard output"},
                {.name = "source-map", .help = "its source map"}},
    .version = true,
    .routine = "name",
    .run = show,
};

/* ---- prune, rm ---- */

static void show_pruned(er_row_call *c, const er_json *answer)
{
	ER_ASSERT(c->routine != NULL);
	uint64_t removed = er_json_u64(answer, "removed");
	er_show_printf("removed %llu version%s of %s\n", (unsigned long long)removed, removed == 1 ? "" : "s", c->routine);
}

const er_row er_row_versions_prune = {
    .usage = "er versions prune [--keep N] [options]",
    .about = "Deletes old versions. What an environment runs stays, and so do the newest N.",
    .options = {{ER_ROW_NAME},
                {.name = "keep",
                 .letter = 'k',
                 .value = "N",
                 .help = "leave the newest N; 10 if not given",
                 .preset = "10",
                 .least = 1,
                 .most = 100000}},
    .routine = "name",
    .request = "POST /v1/routines/{routine}/prune",
    .body = {{"keep", "keep", ER_ROW_NUMBER}},
    .show = show_pruned,
};

const er_row er_row_versions_rm = {
    .usage = "er versions rm VERSION [options]",
    .about = "Deletes one version. One that an environment runs is refused.",
    .words = {1, 1},
    .options = {{ER_ROW_NAME}},
    .version = true,
    .routine = "name",
    .request = "DELETE /v1/routines/{routine}/versions/{0}",
    .said = "removed version {0} of {routine}",
};

/* ---- er deployments ---- */

static er_slice running(er_arena *a, const er_json *versions)
{
	er_buf b = {0};
	bool several = er_json_count(versions) > 1;
	ER_JSON_EACH(one, versions)
	{
		er_buf_printf(&b, "%s%llu", one != versions->first ? ", " : "", (unsigned long long)er_json_u64(one, "version"));
		if (several)
			er_buf_printf(&b, " (%llu %%)", (unsigned long long)er_json_u64(one, "percent"));
	}
	er_slice s = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

const er_row er_row_deployments = {
    .usage = "er deployments [--name NAME] [--limit N] [options]",
    .about = "Lists what ran in the environments of a routine, newest first: since when, which versions, by whom and why.",
    .details = "Times are UTC.\n" ER_EXIT_STATUSES,
    .options = {{ER_ROW_NAME}, {NEWEST}},
    .routine = "name",
    .request = "GET /v1/routines/{routine}/deployments",
    .paged = true,
    .columns =
        {
            {.head = "SINCE", .key = "at", .cell = er_cell_time},
            {.head = "ENVIRONMENT", .key = "environment"},
            {.head = "VERSIONS", .key = "versions", .cell = running, .style = ER_BOLD},
            {.head = "BY", .key = "by"},
            {.head = "WHY", .key = "reason"},
        },
    .empty = "nothing was deployed yet",
};
