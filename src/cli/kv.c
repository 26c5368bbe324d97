/* er kv: data on the node. Single values here, whole namespaces in kv_bulk.c. */
#include "cli/cli.h"
#include "cli/kv.h"
#include "cli/prompt.h"
#include "cli/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { VALUE_MAX = 2 * 1024 * 1024, VALUE_MS = 60000 };

/* ---- namespaces ---- */

static void namespace_row(er_table *t, er_arena *a, const json_t *one)
{
	const char *name = er_json_str(one, "name");
	er_table_add_styled(t, ER_BOLD, er_slice_cstr(*name ? name : er_json_str(one, "namespace")));
	er_table_add(t, er_arena_printf(a, "%llu", (unsigned long long)er_json_u64(one, "keys")));
	er_table_add(t, er_show_size(a, er_json_u64(one, "bytes")));
}

int er_cmd_kv_namespace_list(int argc, char **argv)
{
	er_remote r = {0};
	const er_option options[] = {ER_REMOTE_OPTIONS(&r)};
	const er_command cmd = {
	    .usage = "er kv namespace [list] [options]",
	    .about = "Lists the namespaces of the node with their number of keys and bytes.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	};
	int rc = er_args_parse(&cmd, argc, argv, NULL);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	static const char *const heads[] = {"NAMESPACE", ">KEYS", ">SIZE"};
	bool ok = er_remote_list(&r, ER_LIT("/v1/kv"), 0, &a);
	return er_remote_show_list(
	    &r, &a, ok, &(er_listing){heads, 3, namespace_row, "there are no namespaces; er kv namespace add NAME makes one"});
}

int er_cmd_kv_namespace_add(int argc, char **argv)
{
	er_remote r = {0};
	const char *name = NULL;
	const er_option options[] = {ER_REMOTE_OPTIONS(&r)};
	const er_command cmd = {
	    .usage = "er kv namespace add NAMESPACE [options]",
	    .about = "Makes a namespace. NAMESPACE: a to z, 0 to 9 and -, at most 63. Routines name those that they open in \"kv\" "
	             "of er.jsonc.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &name);
	if (rc >= 0)
		return rc;
	er_remote_change(&r, "PUT", er_remote_path(&r.arena, "/v1/kv/{}", name), NULL, "the namespace %s is there\n", name);
	return er_remote_close(&r);
}

int er_cmd_kv_namespace_rm(int argc, char **argv)
{
	er_remote r = {0};
	const char *name = NULL;
	bool yes = false;
	const er_option options[] = {
	    {"yes", 'y', NULL, "do not ask", &yes, NULL},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er kv namespace rm NAMESPACE [--yes] [options]",
	    .about = "Deletes a namespace with all its keys.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &name);
	if (rc >= 0)
		return rc;
	er_err err = {0};
	char question[192];
	(void)snprintf(question, sizeof question, "Delete the namespace %.63s with all its keys?", name);
	if (!yes && !er_prompt_yes(question, &err))
		er_remote_fail_err(&r, &err);
	else
		er_remote_change(&r, "DELETE", er_remote_path(&r.arena, "/v1/kv/{}", name), NULL, "deleted the namespace %s\n", name);
	return er_remote_close(&r);
}

/* ---- get ---- */

static bool write_to(const char *path, er_slice bytes, er_err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool ok = fd >= 0;
	while (ok && bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		ok = n > 0 || (n < 0 && errno == EINTR);
		if (n > 0)
			bytes = er_slice_from(bytes, (size_t)n);
	}
	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	return ok || er_fail_errno(err, ER_ERR_IO, "cannot write %s", path);
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

static void show_value_json(const er_reply *reply, const char *key)
{
	er_slice v = er_buf_slice(&reply->body);
	er_buf b = {0};
	er_buf_puts(&b, "{\"key\":");
	er_buf_put_json(&b, er_slice_cstr(key));
	json_t *text = json_stringn((const char *)(v.n ? v.p : (const uint8_t *)""), v.n);
	if (text) {
		er_buf_puts(&b, ",\"value\":");
		er_buf_put_json(&b, v);
	} else {
		er_buf_puts(&b, ",\"base64\":\"");
		er_kv_put_base64(&b, v);
		er_buf_putc(&b, '"');
	}
	json_decref(text);
	if (reply->metadata)
		er_buf_printf(&b, ",\"metadata\":%s", reply->metadata);
	if (reply->expires_s)
		er_buf_printf(&b, ",\"expiration\":%llu", (unsigned long long)reply->expires_s);
	er_buf_puts(&b, "}\n");
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

int er_cmd_kv_get(int argc, char **argv)
{
	er_remote r = {0};
	const char *words[2] = {NULL}, *file = NULL;
	const er_option options[] = {
	    {"out", 'o', "FILE", "write it there instead of to standard output", NULL, &file},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er kv get NAMESPACE KEY [--out FILE] [options]",
	    .about = "Prints a value as it is, without a newline behind it (at a terminal: made harmless, with one).",
	    .details =
	        "--json: {\"key\", \"value\" (or \"base64\" if it is no text), \"metadata\", \"expiration\"}.\n" ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 2,
	    .least_words = 2,
	};
	int rc = er_args_parse(&cmd, argc, argv, words);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	er_err err = {0};
	er_ask call = {
	    .method = "GET", .path = er_remote_path(&r.arena, "/v1/kv/{}/values/{}", words[0], words[1]), .timeout_ms = VALUE_MS};
	if (er_remote_send(&r, &call, &a)) {
		if (file && !write_to(file, er_buf_slice(&a.reply.body), &err))
			er_remote_fail_err(&r, &err);
		else if (!file && r.json)
			show_value_json(&a.reply, words[1]);
		else if (!file)
			show_value(er_buf_slice(&a.reply.body));
	}
	er_answer_fini(&a);
	return er_remote_close(&r);
}

/* ---- put ---- */

typedef struct put_options {
	const char *words[3], *file, *ttl, *expires, *metadata;
} put_options;

static bool check_put(er_remote *r, put_options *p, er_slice *path)
{
	uint64_t number;
	json_error_t why;
	if (p->words[2] && p->file) {
		er_remote_fail(r, ER_EXIT_USAGE, "invalid", "a VALUE and --file are two values; give one");
		return false;
	}
	if ((p->ttl && !er_remote_number(r, "--ttl", p->ttl, 1, UINT32_MAX, &number)) ||
	    (p->expires && !er_remote_number(r, "--expires", p->expires, 1, UINT64_MAX / 2, &number)))
		return false;
	json_t *metadata = p->metadata ? json_loads(p->metadata, JSON_DECODE_ANY, &why) : json_null();
	if (metadata == NULL) {
		er_remote_fail(r, ER_EXIT_USAGE, "invalid", "--metadata: JSON is expected, for example '{\"type\":\"image/png\"}'");
		return false;
	}
	/* It travels in a header: one line of ASCII. */
	char *line = json_dumps(metadata, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	p->metadata = p->metadata ? er_arena_cstr(&r->arena, er_slice_cstr(line)) : NULL;
	free(line);
	json_decref(metadata);
	*path = er_remote_path(&r->arena, "/v1/kv/{}/values/{}", p->words[0], p->words[1]);
	*path = er_remote_query(&r->arena, *path, "expiration_ttl", p->ttl);
	*path = er_remote_query(&r->arena, *path, "expiration", p->expires);
	return true;
}

int er_cmd_kv_put(int argc, char **argv)
{
	er_remote r = {0};
	put_options p = {0};
	const er_option options[] = {
	    {"file", 'f', "FILE", "take the value from this file; - is standard input", NULL, &p.file},
	    {"ttl", 0, "SECONDS", "it is gone after this time", NULL, &p.ttl},
	    {"expires", 0, "TIME", "it is gone at this time (seconds since 1970)", NULL, &p.expires},
	    {"metadata", 0, "JSON", "kept beside the value", NULL, &p.metadata},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er kv put NAMESPACE KEY [VALUE] [--file FILE] [--ttl SECONDS] [options]",
	    .about =
	        "Stores a value: VALUE, or the bytes of a file or of standard input. At most 512 bytes of key and 2 MB of value.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 3,
	    .least_words = 2,
	};
	int rc = er_args_parse(&cmd, argc, argv, p.words);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	er_err err = {0};
	er_buf bytes = {0};
	er_ask call = {.method = "PUT", .content_type = "application/octet-stream", .timeout_ms = VALUE_MS};
	bool ok = check_put(&r, &p, &call.path);
	if (ok && p.words[2]) {
		er_buf_put_cstr(&bytes, p.words[2]);
	} else if (ok && !er_prompt_read(p.file, VALUE_MAX, &bytes, &err)) {
		er_remote_fail_err(&r, &err);
		ok = false;
	}
	call.metadata = p.metadata;
	call.body = er_buf_slice(&bytes);
	if (ok && er_remote_send(&r, &call, &a)) {
		if (r.json)
			er_remote_done(&a);
		else
			er_show_printf("stored %s in %s, %zu byte%s\n", p.words[1], p.words[0], call.body.n, call.body.n == 1 ? "" : "s");
	}
	er_buf_fini(&bytes);
	er_answer_fini(&a);
	return er_remote_close(&r);
}

/* ---- delete, list ---- */

int er_cmd_kv_delete(int argc, char **argv)
{
	er_remote r = {0};
	const char *words[2] = {NULL};
	const er_option options[] = {ER_REMOTE_OPTIONS(&r)};
	const er_command cmd = {
	    .usage = "er kv delete NAMESPACE KEY [options]",
	    .about = "Deletes a key.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 2,
	    .least_words = 2,
	};
	int rc = er_args_parse(&cmd, argc, argv, words);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	if (er_remote_call(&r, "DELETE", er_remote_path(&r.arena, "/v1/kv/{}/values/{}", words[0], words[1]), NULL, &a)) {
		if (r.json)
			er_remote_done(&a);
		else
			er_show_printf(json_is_false(json_object_get(a.json, "existed")) ? "%s was not in %s\n" : "deleted %s from %s\n",
			               words[1], words[0]);
	}
	er_answer_fini(&a);
	return er_remote_close(&r);
}

static er_slice expiry_text(er_arena *a, const json_t *v)
{
	if (json_is_string(v))
		return er_show_time(a, json_string_value(v));
	time_t at = (time_t)json_integer_value(v);
	struct tm tm;
	if (at <= 0 || gmtime_r(&at, &tm) == NULL)
		return ER_LIT("-");
	return er_arena_printf(a, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
	                       tm.tm_min, tm.tm_sec);
}

static void key_row(er_table *t, er_arena *a, const json_t *one)
{
	const json_t *metadata = json_object_get(one, "metadata");
	char *text = metadata ? json_dumps(metadata, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	er_table_add_styled(t, ER_BOLD, er_slice_cstr(er_json_str(one, "key")));
	er_table_add(t, expiry_text(a, json_object_get(one, "expiration")));
	er_table_add(t, text ? er_slice_cstr(text) : ER_LIT("-"));
	free(text);
}

int er_cmd_kv_list(int argc, char **argv)
{
	er_remote r = {0};
	const char *ns = NULL, *prefix = NULL, *limit = "1000";
	const er_option options[] = {
	    {"prefix", 0, "TEXT", "only keys that begin so", NULL, &prefix},
	    {"limit", 0, "N", "at most so many; 1000 if not given, 0: all", NULL, &limit},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er kv list NAMESPACE [--prefix TEXT] [--limit N] [options]",
	    .about = "Lists keys in their order, with expiry and metadata.",
	    .details = "Times are UTC.\n" ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &ns);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	uint64_t most = 0;
	er_slice path = er_remote_query(&r.arena, er_remote_path(&r.arena, "/v1/kv/{}/keys", ns), "prefix", prefix);
	static const char *const heads[] = {"KEY", "EXPIRES", "METADATA"};
	bool ok = er_remote_number(&r, "--limit", limit, 0, 100000000, &most) && er_remote_pages(&r, path, most, &a);
	return er_remote_show_list(&r, &a, ok,
	                           &(er_listing){heads, 3, key_row, prefix ? "no key begins so" : "the namespace is empty"});
}
