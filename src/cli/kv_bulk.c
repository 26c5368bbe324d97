/* er kv import, er kv export: whole namespaces as NDJSON, a key a line:
 *
 *     {"key": "a", "value": "text", "expiration": 1790000000, "metadata": {"any": "JSON"}}
 *     {"key": "b", "base64": "AAEC"}
 *
 * An import goes in parts; each is one transaction on the node. What it says about a line is shown
 * with the line's number in the file. */
#include "base/mem.h"
#include "cli/file.h"
#include "cli/row.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PART_BYTES = 4 * 1024 * 1024,
	PART_LINES = 5000,
	READ_BYTES = 256 * 1024,
	LINE_MAX_BYTES = 36 * 1024 * 1024, /* 25 MB as base64, and the key */
	PART_MS = 120000
};

/* ---- import ---- */

/* A file of lines on its way to the node, portion by portion. */
typedef struct import {
	er_remote *remote;
	const char *ns, *file;
	int fd;
	er_buf rest;   /* read, not sent */
	uint64_t line; /* of the file, sent so far */
	uint64_t keys, bytes;
	bool eof;
	er_progress progress;
} import;

/* Reads until a part is there, or so many bytes, or the end. */
static bool fill(import *m, size_t least, er_err *err)
{
	ER_ASSERT(m->fd >= 0);
	while (!m->eof && er_buf_len(&m->rest) < least) {
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

/* Whole lines from the front of what was read: how many bytes, lines, and lines that say
 * something. */
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
	ER_ASSERT(end <= all.n && *keys <= *lines && *lines <= PART_LINES);
	return end;
}

/* "line 3: ..." of a part is line 5003 of the file. */
static void refused(import *m, er_answer *a)
{
	if (er_json_member(a->json, "error") != NULL && m->keys && !m->remote->json) {
		er_slice text =
		    er_arena_printf(&m->remote->arena, "%llu keys of the lines before %llu are stored; lines are counted from there:",
		                    (unsigned long long)m->keys, (unsigned long long)m->line + 1);
		er_show_note(ER_YELLOW, "", text);
	}
	er_remote_refused(m->remote, a);
}

/* One transaction of the node. What it has is counted and forgotten; what it refuses ends the
 * import, and what went before stays. */
static bool send_part(import *m, size_t n, uint64_t lines, uint64_t keys)
{
	ER_ASSERT(n > 0 && n <= er_buf_len(&m->rest) && m->remote->client != NULL);
	er_err err = {0};
	er_answer a = {0};
	er_remote *r = m->remote;
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
		a.json = er_json_answer(&r->arena, er_buf_slice(&a.reply.body));
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

/* False: said. */
static bool import_all(import *m)
{
	er_err err = {0};
	uint64_t lines, keys;
	size_t least = PART_BYTES;
	while (!m->eof || er_buf_len(&m->rest)) {
		if (!fill(m, least, &err)) {
			er_remote_fail_err(m->remote, &err);
			return false;
		}
		size_t n = part_of(m, &lines, &keys);
		least = PART_BYTES;
		if (n == 0 && !m->eof && er_buf_len(&m->rest) < LINE_MAX_BYTES) {
			least = er_buf_len(&m->rest) + PART_BYTES; /* a long line */
			continue;
		}
		if (n == 0 && er_buf_len(&m->rest)) {
			er_slice text = er_arena_printf(&m->remote->arena, "line %llu has more than 36 MB; a value may have 25 MB",
			                                (unsigned long long)m->line + 1);
			er_remote_fail(m->remote, ER_EXIT_FAILED, "too-large", er_arena_cstr(&m->remote->arena, text));
			return false;
		}
		if (n && !send_part(m, n, lines, keys))
			return false;
	}
	return true;
}

/* A file's size is known, and then progress is told in per cent. */
static bool open_input(import *m)
{
	er_err err = {0};
	struct stat st;
	bool from_stdin = m->file == NULL || er_slice_eq(er_slice_cstr(m->file), ER_LIT("-"));
	m->fd = from_stdin ? STDIN_FILENO : open(m->file, O_RDONLY | O_CLOEXEC);
	if (m->fd < 0) {
		er_fail_errno(&err, ER_ERR_IO, "cannot read %s", m->file);
		er_remote_fail_err(m->remote, &err);
		return false;
	}
	bool sized = fstat(m->fd, &st) == 0 && S_ISREG(st.st_mode);
	er_progress_init(&m->progress, "importing", sized ? (uint64_t)st.st_size : 0);
	return true;
}

static void show_sum(const char *what, const char *name, uint64_t keys, uint64_t bytes)
{
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_cstr(&o, what, name);
	er_out_u64(&o, "keys", keys);
	er_out_u64(&o, "bytes", bytes);
	er_show_json(&o);
}

static void import_file(er_row_call *c)
{
	ER_ASSERT(c->words[0] != NULL);
	er_remote *r = &c->remote;
import m = {.remote = r, .ns = c->words[0], .file = c->words[1] };
	if (!er_remote_connect(r) || !open_input(&m))
		return;
	bool ok = import_all(&m);
	er_progress_end(&m.progress);
	if (ok && r->json)
		show_sum("namespace", m.ns, m.keys, m.bytes);
	else if (ok)
		er_show_printf("imported %llu keys into %s, %.*s\n", (unsigned long long)m.keys, m.ns,
		               ER_FMT(er_show_size(&r->arena, m.bytes)));
	if (m.fd > STDIN_FILENO)
		close(m.fd);
	er_buf_fini(&m.rest);
}

const er_row er_row_kv_import = {
    .usage = "er kv import NAMESPACE [FILE] [options]",
    .about = "Stores many keys from NDJSON, a line each: {\"key\": \"a\", \"value\": \"text\"} or {\"key\": \"b\", \"base64\": "
             "\"AAEC\"}, with \"expiration\" (seconds since "
             "1970) and \"metadata\" if there are any. FILE or standard input; any size. Keys that are there get the new value.",
    .details = "It goes in parts of some MB, each whole or not at all; importing again does no harm. Progress is shown at a "
               "terminal.\n" ER_EXIT_STATUSES,
    .words = {1, 2},
    .run = import_file,
};

/* ---- export ---- */

typedef struct export
{
	er_remote *remote;
	int fd;
	uint64_t keys, bytes;
	bool failed;
	er_progress progress;
}
export;

/* A piece of the answer, as it comes: counted and written. False ends the call. */
static bool on_export(void *ctx, er_slice bytes)
{
	export *x = ctx;
	ER_ASSERT(x->fd >= 0 && !x->failed);
	x->bytes += bytes.n;
	for (er_slice rest = bytes; rest.n; rest = er_slice_from(rest, er_slice_find(rest, '\n') + 1))
		x->keys += er_slice_find(rest, '\n') < rest.n;
	if (!er_write_all(x->fd, bytes)) {
		x->failed = true;
		return false;
	}
	er_progress_to(&x->progress, x->bytes, x->keys);
	return true;
}

/* One answer, written as it comes. A file that could not be written is told after the call that it
 * ended. */
static void export_all(export *x, er_slice path, const char *file)
{
	er_answer a = {0};
	er_err err = {0};
	er_ask call = {.method = "GET", .path = path, .on_data = on_export, .ctx = x};
	er_progress_init(&x->progress, "exporting", 0);
	bool ok = er_remote_send(x->remote, &call, &a);
	er_progress_end(&x->progress);
	if (ok && x->failed) {
		er_fail_errno(&err, ER_ERR_IO, "cannot write %s", file ? file : "standard output");
		er_remote_fail_err(x->remote, &err);
	} else if (ok && file) {
		er_slice size = er_show_size(&x->remote->arena, x->bytes);
		if (x->remote->json)
			show_sum("file", file, x->keys, x->bytes);
		else
			er_show_printf("exported %llu keys to %s, %.*s\n", (unsigned long long)x->keys, file, ER_FMT(size));
	}
	er_answer_fini(&a);
}

/* Lines of JSON as import_file reads them. A file is readable for its owner only: values may be
 * secrets. */
static void export_file(er_row_call *c)
{
	ER_ASSERT(c->words[0] != NULL);
	er_remote *r = &c->remote;
	export x = {.remote = r, .fd = STDOUT_FILENO};
	er_err err = {0};
	const char *file = c->words[1] && !er_slice_eq(er_slice_cstr(c->words[1]), ER_LIT("-")) ? c->words[1] : NULL;
	er_slice path = er_remote_path(&r->arena, "/v1/kv/{}/bulk", c->words[0]);
	if (file)
		x.fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (x.fd < 0) {
		er_fail_errno(&err, ER_ERR_IO, "cannot write %s", file);
		er_remote_fail_err(r, &err);
		return;
	}
	export_all(&x, er_remote_query(&r->arena, path, "prefix", er_row_value(c, ER_LIT("prefix"))), file);
	if (file)
		close(x.fd);
}

const er_row er_row_kv_export = {
    .usage = "er kv export NAMESPACE [FILE] [--prefix TEXT] [options]",
    .about = "Writes a namespace as NDJSON, as er kv import takes it, to FILE or standard output; any size.",
    .words = {1, 2},
    .options = {{.name = "prefix", .value = "TEXT", .help = "only keys that begin so"}},
    .run = export_file,
};
