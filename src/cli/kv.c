/* er kv: data on the node. Single values here, whole namespaces in kv_bulk.c. A key goes in the
 * query (/value?key=) and not in the path, which cannot say every key. A value is bytes: it goes
 * out as it is to a pipe or a file, made harmless to a terminal, and as text or base64 with
 * --json. */
#include "cli/file.h"
#include "cli/prompt.h"
#include "cli/row.h"
#include "base/base64.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { VALUE_MAX = 25 * 1024 * 1024, VALUE_MS = 60000 };

/* ---- namespaces ---- */

static er_slice namespace_name(er_arena *a, const er_json *one)
{
	(void)a;
	er_slice name = er_json_str(one, "name");
	return name.n > 0 ? name : er_json_str(one, "namespace");
}

const er_row er_row_kv_namespace_list = {
    .usage = "er kv namespace [list] [options]",
    .about = "Lists the namespaces of the node with their number of keys and bytes.",
    .request = "GET /v1/kv",
    .columns =
        {
            {.head = "NAMESPACE", .cell = namespace_name, .style = ER_BOLD},
            {.head = ">KEYS", .key = "keys", .cell = er_cell_number},
            {.head = ">SIZE", .key = "bytes", .cell = er_cell_size},
        },
    .empty = "there are no namespaces; er kv namespace add NAME makes one",
};

const er_row er_row_kv_namespace_add = {
    .usage = "er kv namespace add NAMESPACE [options]",
    .about = "Makes a namespace. NAMESPACE: a to z, 0 to 9 and -, at most 63. Routines name those that they open in \"kv\" "
             "of er.jsonc.",
    .words = {1, 1},
    .request = "PUT /v1/kv/{0}",
    .said = "the namespace {0} is there",
};

const er_row er_row_kv_namespace_rm = {
    .usage = "er kv namespace rm NAMESPACE [--yes] [options]",
    .about = "Deletes a namespace with all its keys.",
    .words = {1, 1},
    .options = {{ER_ROW_YES}},
    .question = "Delete the namespace {0} with all its keys?",
    .request = "DELETE /v1/kv/{0}",
    .said = "deleted the namespace {0}",
};

/* ---- get ---- */

static bool write_to(const char *path, er_slice bytes, er_err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return er_write_close(fd, bytes) || er_fail_errno(err, ER_ERR_IO, "cannot write %s", path);
}

/* A terminal gets what it can show; a pipe or file the bytes themselves. */
static void show_value(er_slice value)
{
	if (!isatty(STDOUT_FILENO)) {
		er_show_print(value);
		return;
	}
	er_buf b = {0};
	er_term_put_safe(&b, value, true, false);
	er_buf_putc(&b, '\n');
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

/* A value that is UTF-8 as "value", any other as "base64". */
static void show_value_json(const er_reply *reply, const char *key)
{
	ER_ASSERT(key != NULL);
	er_slice v = er_buf_slice(&reply->body);
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_cstr(&o, "key", key);
	if (er_utf8_valid(v)) {
		er_out_str(&o, "value", v);
	} else {
		er_buf base64 = {0};
		er_base64_encode(&base64, v);
		er_out_str(&o, "base64", er_buf_slice(&base64));
		er_buf_fini(&base64);
	}
	if (reply->metadata)
		er_out_json(&o, "metadata", er_slice_cstr(reply->metadata));
	if (reply->expires_s)
		er_out_u64(&o, "expiration", reply->expires_s);
	er_show_json(&o);
}

/* To a file, as JSON, or as it is to standard output. */
static void get(er_row_call *c)
{
	ER_ASSERT(c->words[0] != NULL && c->words[1] != NULL);
	er_answer a = {0};
	er_err err = {0};
	er_remote *r = &c->remote;
	const char *file = er_row_value(c, ER_LIT("out"));
	er_ask call = {.method = "GET",
	               .path = er_remote_path(&r->arena, "/v1/kv/{}/value?key={}", c->words[0], c->words[1]),
	               .timeout_ms = VALUE_MS};
	if (er_remote_send(r, &call, &a)) {
		if (file && !write_to(file, er_buf_slice(&a.reply.body), &err))
			er_remote_fail_err(r, &err);
		else if (!file && r->json)
			show_value_json(&a.reply, c->words[1]);
		else if (!file)
			show_value(er_buf_slice(&a.reply.body));
	}
	er_answer_fini(&a);
}

const er_row er_row_kv_get = {
    .usage = "er kv get NAMESPACE KEY [--out FILE] [options]",
    .about = "Prints a value as it is, without a newline behind it (at a terminal: made harmless, with one).",
    .details = "--json: {\"key\", \"value\" (or \"base64\" if it is no text), \"metadata\", \"expiration\"}.\n" ER_EXIT_STATUSES,
    .words = {2, 2},
    .options = {{.name = "out", .letter = 'o', .value = "FILE", .help = "write it there instead of to standard output"}},
    .run = get,
};

/* ---- put ---- */

/* --metadata travels in a header: one line of ASCII. False: said. */
static bool take_metadata(er_row_call *c, const char **out)
{
	const char *text = er_row_value(c, ER_LIT("metadata"));
	const er_json *metadata = text ? er_json_answer(&c->remote.arena, er_slice_cstr(text)) : NULL;
	if (text && metadata == NULL) {
		er_remote_fail(&c->remote, ER_EXIT_USAGE, "invalid",
		               "--metadata: JSON is expected, for example '{\"type\":\"image/png\"}'");
		return false;
	}
	if (metadata == NULL)
		return true;
	er_buf line = {0};
	er_buf_put_json_ascii(&line, er_cell_json(&c->remote.arena, metadata));
	*out = er_arena_cstr(&c->remote.arena, er_buf_slice(&line));
	er_buf_fini(&line);
	return true;
}

/* Everything that can be wrong is found before a value is read. False: said. */
static bool check_put(er_row_call *c, er_ask *call)
{
	uint64_t number;
	er_arena *a = &c->remote.arena;
	const char *ttl = er_row_value(c, ER_LIT("ttl")), *expires = er_row_value(c, ER_LIT("expires"));
	if (c->words[2] && er_row_value(c, ER_LIT("file"))) {
		er_remote_fail(&c->remote, ER_EXIT_USAGE, "invalid", "a VALUE and --file are two values; give one");
		return false;
	}
	if ((ttl && !er_row_number(c, ER_LIT("ttl"), &number)) || (expires && !er_row_number(c, ER_LIT("expires"), &number)))
		return false;
	call->path = er_remote_path(a, "/v1/kv/{}/value?key={}", c->words[0], c->words[1]);
	call->path = er_remote_query(a, call->path, "expiration_ttl", ttl);
	call->path = er_remote_query(a, call->path, "expiration", expires);
	return take_metadata(c, &call->metadata);
}

/* The value is the third word, or comes from a file or standard input. */
static void put(er_row_call *c)
{
	ER_ASSERT(c->words[0] != NULL && c->words[1] != NULL);
	er_answer a = {0};
	er_err err = {0};
	er_buf bytes = {0};
	er_ask call = {.method = "PUT", .content_type = "application/octet-stream", .timeout_ms = VALUE_MS};
	bool ok = check_put(c, &call);
	if (ok && c->words[2]) {
		er_buf_put_cstr(&bytes, c->words[2]);
	} else if (ok && !er_prompt_read(er_row_value(c, ER_LIT("file")), VALUE_MAX, &bytes, &err)) {
		er_remote_fail_err(&c->remote, &err);
		ok = false;
	}
	call.body = er_buf_slice(&bytes);
	if (ok && er_remote_send(&c->remote, &call, &a)) {
		if (c->remote.json)
			er_remote_done(&a);
		else
			er_show_printf("stored %s in %s, %zu byte%s\n", c->words[1], c->words[0], call.body.n, call.body.n == 1 ? "" : "s");
	}
	er_buf_fini(&bytes);
	er_answer_fini(&a);
}

const er_row er_row_kv_put = {
    .usage = "er kv put NAMESPACE KEY [VALUE] [--file FILE] [--ttl SECONDS] [options]",
    .about = "Stores a value: VALUE, or the bytes of a file or of standard input. At most 512 bytes of key and 25 MB of value.",
    .words = {2, 3},
    .options = {{.name = "file", .letter = 'f', .value = "FILE", .help = "take the value from this file; - is standard input"},
                {.name = "ttl", .value = "SECONDS", .help = "it is gone after this time", .least = 1, .most = UINT32_MAX},
                {.name = "expires",
                 .value = "TIME",
                 .help = "it is gone at this time (seconds since 1970)",
                 .least = 1,
                 .most = UINT64_MAX / 2},
                {.name = "metadata", .value = "JSON", .help = "kept beside the value"}},
    .run = put,
};

/* ---- delete, list ---- */

static void show_deleted(er_row_call *c, const er_json *answer)
{
	ER_ASSERT(c->words[0] != NULL && c->words[1] != NULL);
	const er_json *v = er_json_member(answer, "existed");
	bool existed = !er_json_is(v, ER_JSON_BOOL) || v->boolean;
	er_show_printf(existed ? "deleted %s from %s\n" : "%s was not in %s\n", c->words[1], c->words[0]);
}

const er_row er_row_kv_delete = {
    .usage = "er kv delete NAMESPACE KEY [options]",
    .about = "Deletes a key.",
    .words = {2, 2},
    .request = "DELETE /v1/kv/{0}/value?key={1}",
    .show = show_deleted,
};

/* Seconds since 1970, or a time as text. */
static er_slice expires(er_arena *a, const er_json *v)
{
	if (er_json_is(v, ER_JSON_STRING))
		return er_show_time(a, v->text);
	time_t at = (time_t)er_json_as_u64(v, 0);
	struct tm tm;
	if (at <= 0 || gmtime_r(&at, &tm) == NULL)
		return ER_LIT("-");
	return er_arena_printf(a, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
	                       tm.tm_min, tm.tm_sec);
}

const er_row er_row_kv_list = {
    .usage = "er kv list NAMESPACE [--prefix TEXT] [--limit N] [options]",
    .about = "Lists keys in their order, with expiry and metadata.",
    .details = "Times are UTC.\n" ER_EXIT_STATUSES,
    .words = {1, 1},
    .options =
        {
            {.name = "prefix", .value = "TEXT", .help = "only keys that begin so"},
            {.name = "limit",
             .value = "N",
             .help = "at most so many; 1000 if not given, 0: all",
             .preset = "1000",
             .most = 100000000},
        },
    .request = "GET /v1/kv/{0}/keys",
    .query = "prefix",
    .columns =
        {
            {.head = "KEY", .key = "key", .style = ER_BOLD},
            {.head = "EXPIRES", .key = "expiration", .cell = expires},
            {.head = "METADATA", .key = "metadata", .cell = er_cell_json},
        },
    .empty = "the namespace is empty",
    .paged = true,
    .unmatched = "no key begins so",
};
