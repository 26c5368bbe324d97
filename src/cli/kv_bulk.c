/* er kv import, er kv export: whole namespaces as NDJSON, a key a line:
 *
 *     {"key": "a", "value": "text", "expiration": 1790000000, "metadata": {"any": "JSON"}}
 *     {"key": "b", "base64": "AAEC"}
 *
 * An import goes in parts; each is one transaction on the node. What it says about a line is shown with the line's number in the file. */
#include "cli/cli.h"
#include "cli/kv.h"
#include "cli/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PART_BYTES = 4 * 1024 * 1024,
	PART_LINES = 5000,
	READ_BYTES = 256 * 1024,
	LINE_MAX_BYTES = 4 * 1024 * 1024,
	PART_MS = 120000
};

void er_kv_put_base64(er_buf *b, er_slice bytes)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < bytes.n; i += 3) {
		size_t n = bytes.n - i < 3 ? bytes.n - i : 3;
		uint32_t v = (uint32_t)bytes.p[i] << 16 | (n > 1 ? (uint32_t)bytes.p[i + 1] << 8 : 0) | (n > 2 ? bytes.p[i + 2] : 0);
		er_buf_putc(b, (uint8_t)letters[v >> 18]);
		er_buf_putc(b, (uint8_t)letters[(v >> 12) & 63]);
		er_buf_putc(b, n > 1 ? (uint8_t)letters[(v >> 6) & 63] : '=');
		er_buf_putc(b, n > 2 ? (uint8_t)letters[v & 63] : '=');
	}
}

/* ---- import ---- */

typedef struct import {
	er_remote remote;
	const char *ns, *file;
	int fd;
	er_buf rest;   /* read, not sent */
	uint64_t line; /* of the file, sent so far */
	uint64_t keys, bytes;
	bool eof;
	er_progress progress;
} import;

static bool fill(import *m, er_err *err)
{
	while (!m->eof && er_buf_len(&m->rest) < PART_BYTES) {
		ssize_t n = read(m->fd, er_buf_reserve(&m->rest, READ_BYTES), READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return er_fail_errno(err, ER_ERR_IO, "cannot read %s", m->file ? m->file : "standard input");
		m->eof = n == 0;
		er_buf_wrote(&m->rest, (size_t)n);
	}
	return true;
}

/* Whole lines from the front of what was read: how many bytes, lines, and lines that say something. */
static size_t part_of(const import *m, uint64_t *lines, uint64_t *keys)
{
	er_slice all = er_buf_slice(&m->rest);
	size_t end = 0;
	*lines = *keys = 0;
	while (end < all.n && *lines < PART_LINES) {
		er_slice line = er_slice_from(all, end);
		size_t n = er_slice_find(line, '\n');
		bool whole = n < line.n;
		if ((!whole && !m->eof) || (end > 0 && end + n > PART_BYTES))
			break;
		*keys += er_slice_trim(er_slice_head(line, n)).n > 0;
		(*lines)++;
		end += n + whole;
	}
	return end;
}

/* "line 3: ..." of a part is line 5003 of the file. */
static void refused(import *m, er_answer *a)
{
	json_t *error = json_object_get(a->json, "error");
	if (error && m->keys && !m->remote.json) {
		er_slice text =
		    er_arena_printf(&m->remote.arena, "%llu keys of the lines before %llu are stored; lines are counted from there:",
		                    (unsigned long long)m->keys, (unsigned long long)m->line + 1);
		er_show_note(ER_YELLOW, "", text);
	}
	er_remote_refused(&m->remote, a);
}

static bool send_part(import *m, size_t n, uint64_t lines, uint64_t keys)
{
	er_err err = {0};
	er_answer a = {0};
	er_remote *r = &m->remote;
	er_ask call = {.method = "POST",
	               .path = er_remote_path(&r->arena, "/v1/kv/{}/bulk", m->ns),
	               .body = er_slice_head(er_buf_slice(&m->rest), n),
	               .content_type = "application/x-ndjson",
	               .timeout_ms = r->wait_ms ? r->wait_ms : PART_MS};
	bool ok = er_client_call(r->client, &call, &a.reply, &err);
	if (!ok) {
		er_progress_end(&m->progress);
		er_remote_fail_err(r, &err);
	} else if (a.reply.status < 200 || a.reply.status >= 300) {
		er_slice body = er_buf_slice(&a.reply.body);
		json_error_t why;
		a.json = json_loadb((const char *)body.p, body.n, 0, &why);
		er_progress_end(&m->progress);
		refused(m, &a);
		ok = false;
	} else {
		m->line += lines;
		m->keys += keys;
		m->bytes += n;
		er_buf_consume(&m->rest, n);
		er_progress_to(&m->progress, m->bytes, m->keys);
	}
	er_answer_fini(&a);
	return ok;
}

static bool import_all(import *m)
{
	er_err err = {0};
	uint64_t lines, keys;
	while (!m->eof || er_buf_len(&m->rest)) {
		if (!fill(m, &err)) {
			er_remote_fail_err(&m->remote, &err);
			return false;
		}
		size_t n = part_of(m, &lines, &keys);
		if (n == 0 && !m->eof && er_buf_len(&m->rest) < LINE_MAX_BYTES)
			continue;
		if (n == 0 && er_buf_len(&m->rest)) {
			er_slice text = er_arena_printf(&m->remote.arena, "line %llu has more than 4 MB; a value may have 2 MB",
			                                (unsigned long long)m->line + 1);
			er_remote_fail(&m->remote, ER_EXIT_FAILED, "too-large", er_arena_cstr(&m->remote.arena, text));
			return false;
		}
		if (n && !send_part(m, n, lines, keys))
			return false;
	}
	return true;
}

static bool open_input(import *m)
{
	er_err err = {0};
	struct stat st;
	bool from_stdin = m->file == NULL || er_slice_eq(er_slice_cstr(m->file), ER_LIT("-"));
	m->fd = from_stdin ? STDIN_FILENO : open(m->file, O_RDONLY | O_CLOEXEC);
	if (m->fd < 0) {
		er_fail_errno(&err, ER_ERR_IO, "cannot read %s", m->file);
		er_remote_fail_err(&m->remote, &err);
		return false;
	}
	bool sized = fstat(m->fd, &st) == 0 && S_ISREG(st.st_mode);
	er_progress_init(&m->progress, "importing", sized ? (uint64_t)st.st_size : 0);
	return true;
}

int er_cmd_kv_import(int argc, char **argv)
{
import m = {0 };
	er_remote *r = &m.remote;
	const char *words[2] = {NULL};
	const er_option options[] = {ER_REMOTE_OPTIONS(r)};
	const er_command cmd = {
	    .usage = "er kv import NAMESPACE [FILE] [options]",
	    .about =
	        "Stores many keys from NDJSON, a line each: {\"key\": \"a\", \"value\": \"text\"} or {\"key\": \"b\", \"base64\": "
	        "\"AAEC\"}, with \"expiration\" (seconds since "
	        "1970) and \"metadata\" if there are any. FILE or standard input; any size. Keys that are there get the new value.",
	    .details = "It goes in parts of some MB, each whole or not at all; importing again does no harm. Progress is shown at a "
	               "terminal.\n" ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 2,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, words);
	if (rc >= 0)
		return rc;
	m.ns = words[0];
	m.file = words[1];
	if (er_remote_connect(r) && open_input(&m)) {
		bool ok = import_all(&m);
		er_progress_end(&m.progress);
		if (ok && r->json)
			er_show_printf("{\"namespace\":\"%s\",\"keys\":%llu,\"bytes\":%llu}\n", m.ns, (unsigned long long)m.keys,
			               (unsigned long long)m.bytes);
		else if (ok)
			er_show_printf("imported %llu keys into %s, %.*s\n", (unsigned long long)m.keys, m.ns,
			               ER_FMT(er_show_size(&r->arena, m.bytes)));
		if (m.fd > STDIN_FILENO)
			close(m.fd);
	}
	er_buf_fini(&m.rest);
	return er_remote_close(r);
}

/* ---- export ---- */

typedef struct export
{
	er_remote remote;
	int fd;
	uint64_t keys, bytes;
	bool failed;
	er_progress progress;
}
export;

static bool on_export(void *ctx, er_slice bytes)
{
	export *x = ctx;
	x->bytes += bytes.n;
	for (er_slice rest = bytes; rest.n; rest = er_slice_from(rest, er_slice_find(rest, '\n') + 1))
		x->keys += er_slice_find(rest, '\n') < rest.n;
	while (bytes.n) {
		ssize_t n = write(x->fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			x->failed = true;
			return false;
		}
		bytes = er_slice_from(bytes, (size_t)n);
	}
	er_progress_to(&x->progress, x->bytes, x->keys);
	return true;
}

static void export_all(export *x, er_slice path, const char *file)
{
	er_answer a = {0};
	er_err err = {0};
	er_ask call = {.method = "GET", .path = path, .on_data = on_export, .ctx = x};
	er_progress_init(&x->progress, "exporting", 0);
	bool ok = er_remote_send(&x->remote, &call, &a);
	er_progress_end(&x->progress);
	if (ok && x->failed) {
		er_fail_errno(&err, ER_ERR_IO, "cannot write %s", file ? file : "standard output");
		er_remote_fail_err(&x->remote, &err);
	} else if (ok && file) {
		er_slice size = er_show_size(&x->remote.arena, x->bytes);
		if (x->remote.json)
			er_show_printf("{\"file\":\"%s\",\"keys\":%llu,\"bytes\":%llu}\n", file, (unsigned long long)x->keys,
			               (unsigned long long)x->bytes);
		else
			er_show_printf("exported %llu keys to %s, %.*s\n", (unsigned long long)x->keys, file, ER_FMT(size));
	}
	er_answer_fini(&a);
}

int er_cmd_kv_export(int argc, char **argv)
{
	export x = {.fd = STDOUT_FILENO};
	er_remote *r = &x.remote;
	const char *words[2] = {NULL}, *prefix = NULL;
	const er_option options[] = {
	    {"prefix", 0, "TEXT", "only keys that begin so", NULL, &prefix},
	    ER_REMOTE_OPTIONS(r),
	};
	const er_command cmd = {
	    .usage = "er kv export NAMESPACE [FILE] [--prefix TEXT] [options]",
	    .about = "Writes a namespace as NDJSON, as er kv import takes it, to FILE or standard output; any size.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 2,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, words);
	if (rc >= 0)
		return rc;
	er_err err = {0};
	const char *file = words[1] && !er_slice_eq(er_slice_cstr(words[1]), ER_LIT("-")) ? words[1] : NULL;
	if (file)
		x.fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (x.fd < 0) {
		er_fail_errno(&err, ER_ERR_IO, "cannot write %s", file);
		er_remote_fail_err(r, &err);
		return er_remote_close(r);
	}
	export_all(&x, er_remote_query(&r->arena, er_remote_path(&r->arena, "/v1/kv/{}/bulk", words[0]), "prefix", prefix), file);
	if (file)
		close(x.fd);
	return er_remote_close(r);
}
