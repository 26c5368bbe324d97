/* er secret: values that go to the node and never come back. They are taken from a prompt, a pipe
 * or a file: an argument is seen by everybody on the machine. Buffers that held a value are wiped;
 * what libcurl sent is libcurl's. Many at once come from a JSON object or a .env file (dotenv.h),
 * in one change. */
#include "base/mem.h"
#include "cli/dotenv.h"
#include "cli/prompt.h"
#include "cli/row.h"

enum { SECRET_MAX = 64 * 1024, BULK_MAX = 1024 * 1024 };

static er_slice secret_name(er_arena *a, const er_json *one)
{
	(void)a;
	return er_json_is(one, ER_JSON_STRING) ? one->text : er_json_str(one, "name");
}

const er_row er_row_secret_list = {
    .usage = "er secret [list] [--env ENV] [options]",
    .about = "Lists the names of a routine's secrets in an environment. Values never leave the node.",
    .options = {{ER_ROW_ENV}, {ER_ROW_NAME}},
    .routine = "name",
    .request = "GET /v1/routines/{routine}/environments/{env}/secrets",
    .columns =
        {
            {.head = "NAME", .cell = secret_name, .style = ER_BOLD},
            {.head = "SET AT", .key = "at", .cell = er_cell_time},
            {.head = "BY", .key = "by"},
        },
    .empty = "there are no secrets; er secret put NAME makes one",
};

/* ---- put ---- */

/* The value: of --value, a file, a pipe or a person. One newline at the end is the editor's, not
 * the secret's. */
static bool take_value(const char *secret, const char *value, const char *file, er_buf *out, er_err *err)
{
	if (value) {
		er_show_note(ER_YELLOW, "warning: ",
		             ER_LIT("a secret in an argument is in the shell's history and seen by everybody on this machine; a prompt "
		                    "or a pipe is better"));
		er_buf_put_cstr(out, value);
		return true;
	}
	if (file == NULL && er_prompt_person()) {
		er_buf question = {0};
		er_buf_printf(&question, "Value of %s (not shown): ", secret);
		er_buf_putc(&question, 0);
		bool ok = er_prompt_secret((const char *)er_buf_slice(&question).p, out, err);
		er_buf_fini(&question);
		return ok;
	}
	if (!er_prompt_read(file, SECRET_MAX, out, err))
		return false;
	if (er_buf_len(out) && out->p[out->end - 1] == '\n')
		out->end--;
	if (er_buf_len(out) && out->p[out->end - 1] == '\r')
		out->end--;
	return true;
}

/* Says what became of it. */
static void send_value(er_row_call *c, er_slice value)
{
	ER_ASSERT(c->routine != NULL && c->words[0] != NULL);
	const char *env = er_row_value(c, ER_LIT("env")), *secret = c->words[0];
	if (value.n == 0 || !er_utf8_valid(value)) {
		er_remote_fail(&c->remote, ER_EXIT_USAGE, "invalid",
		               value.n ? "the value is not UTF-8; encode it, as base64 for example"
		                       : "the value is empty; nothing was set");
		return;
	}
	/* Room from the beginning, as in take_bulk. */
	er_out body = {0};
	(void)er_buf_reserve(&body.b, ER_DOTENV_GROWTH * value.n + 16);
	er_out_open(&body, NULL, '{');
	er_out_str(&body, "value", value);
	er_out_close(&body, '}');
	er_remote_change(&c->remote, "PUT",
	                 er_remote_path(&c->remote.arena, "/v1/routines/{}/environments/{}/secrets/{}", c->routine, env, secret),
	                 er_buf_slice(&body.b), "set the secret %s for %s in %s\n", secret, c->routine, env);
	er_prompt_wipe(&body.b);
}

static void put(er_row_call *c)
{
	ER_ASSERT(c->words[0] != NULL);
	er_buf value = {0};
	er_err err = {0};
	if (take_value(c->words[0], er_row_value(c, ER_LIT("value")), er_row_value(c, ER_LIT("file")), &value, &err))
		send_value(c, er_buf_slice(&value));
	else
		er_remote_fail_err(&c->remote, &err);
	er_prompt_wipe(&value);
}

const er_row er_row_secret_put = {
    .usage = "er secret put NAME [--env ENV] [--file FILE] [options]",
    .about = "Sets a secret; the code sees it as env.NAME at once. At a terminal the value is asked for and not shown; "
             "otherwise it is read from standard input. "
             "One newline at its end is left out. The node keeps it encrypted and never gives it back.",
    .words = {1, 1},
    .options = {{ER_ROW_ENV},
                {ER_ROW_NAME},
                {.name = "file", .letter = 'f', .value = "FILE", .help = "take the value from this file; - is standard input"},
                {.name = "value", .value = "TEXT", .help = "the value itself; others on this machine can see it"}},
    .routine = "name",
    .run = put,
};

const er_row er_row_secret_rm = {
    .usage = "er secret rm NAME [--env ENV] [options]",
    .about = "Removes a secret from an environment.",
    .words = {1, 1},
    .options = {{ER_ROW_ENV}, {ER_ROW_NAME}},
    .routine = "name",
    .request = "DELETE /v1/routines/{routine}/environments/{env}/secrets/{0}",
    .said = "removed the secret {0} of {routine} from {env}",
};

/* ---- bulk ---- */

/* Every value is looked at, and none is kept. */
static bool check_strings(const er_json *all, size_t *n, er_err *err)
{
	ER_JSON_MEMBERS(one, all)
	{
		if (one->type != ER_JSON_STRING)
			return er_fail(err, ER_ERR_INVALID, "\"%.*s\": a string is expected", ER_FMT(one->key));
		explicit_bzero((void *)(uintptr_t)one->text.p, one->text.n);
		(*n)++;
	}
	return true;
}

/* An object of strings: it goes out as it is. */
static bool take_json(er_slice text, er_out *body, size_t *n, er_err *err)
{
	er_err why = {0};
	size_t at = 0;
	er_arena a;
	er_arena_init(&a);
	const er_json *all = er_json_parse(&a, text, BULK_MAX, &at, &why);
	bool ok = all != NULL ? check_strings(all, n, err)
	                      : er_fail(err, ER_ERR_INVALID, "line %u: %s", er_text_where(text, at).line, why.text);
	er_arena_fini(&a);
	er_out_json(body, NULL, text);
	return ok;
}

static bool take_lines(er_slice text, er_out *body, size_t *n, er_err *err)
{
	er_out_open(body, NULL, '{');
	bool ok = er_dotenv_parse(text, body, n, err);
	er_out_close(body, '}');
	return ok;
}

/* What begins with a brace is JSON. The body's buffer has room from the beginning, so that no part
 * of it is left behind where it was before. */
static bool take_bulk(er_slice text, er_out *body, size_t *n, er_err *err)
{
	er_slice rest = text;
	while (rest.n && (rest.p[0] == ' ' || rest.p[0] == '\n' || rest.p[0] == '\t' || rest.p[0] == '\r'))
		rest = er_slice_from(rest, 1);
	(void)er_buf_reserve(&body->b, ER_DOTENV_GROWTH * text.n + 16);
	return er_slice_starts(rest, ER_LIT("{")) ? take_json(text, body, n, err) : take_lines(text, body, n, err);
}

/* All or none: one request with the whole file. */
static void put_all(er_row_call *c)
{
	ER_ASSERT(c->routine != NULL);
	er_buf text = {0};
	er_out body = {0};
	er_err err = {0};
	size_t n = 0;
	const char *env = er_row_value(c, ER_LIT("env"));
	if (!er_prompt_read(c->words[0], BULK_MAX, &text, &err) || !take_bulk(er_buf_slice(&text), &body, &n, &err))
		er_remote_fail_err(&c->remote, &err);
	else if (n == 0)
		er_remote_fail(&c->remote, ER_EXIT_USAGE, "invalid", "there are no secrets in it");
	else
		er_remote_change(&c->remote, "POST",
		                 er_remote_path(&c->remote.arena, "/v1/routines/{}/environments/{}/secrets", c->routine, env),
		                 er_buf_slice(&body.b), "set %zu secrets for %s in %s\n", n, c->routine, env);
	er_prompt_wipe(&body.b);
	er_prompt_wipe(&text);
}

const er_row er_row_secret_bulk = {
    .usage = "er secret bulk [FILE] [--env ENV] [options]",
    .about = "Sets many secrets in one change: all or none. FILE (or standard input) is a JSON object {\"NAME\": \"value\"} "
             "or lines NAME=value; a value of several lines stands in quotes, and \\n between double quotes is a newline. What "
             "is not understood is refused with its line.",
    .words = {0, 1},
    .options = {{ER_ROW_ENV}, {ER_ROW_NAME}},
    .routine = "name",
    .run = put_all,
};
