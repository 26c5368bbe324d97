/* Many keys at once, as lines of JSON, a key a line.
 *
 * In: all of one body or none of it, in one transaction; a client with more sends several. The
 * lines are parsed into the call's arena; a mistake is told with the number of its line.
 *
 * Out: a stream of its own (struct export), which outlives its call and is freed when the client
 * has everything, has left, or control closes. It reads a page of keys, writes one line a key, and
 * stops when the body's window is full; on_resume goes on. A long value goes part by part. So a
 * namespace of any size takes the memory of a page of keys and of one short value. The keys are
 * those that are there when their page is read; a value that is gone by then is left out.
 *
 * Re-entrancy: er_body_write may call on_cancel or on_resume of the same export in the middle.
 * `pumping` says that pump is on the stack: then they only leave a note (gone) or nothing, and pump
 * acts on it. */
#include "base/log.h"
#include "base/mem.h"
#include "base/base64.h"
#include "control/download.h"

#include <stdio.h>

enum { LINES_MAX = 10000, LINE_VALUES = 10000, PAGE = 64, TEXT_MAX = 1 << 20 };

/* ---- in ---- */

typedef struct line_body {
	er_slice key, value, base64;
	uint32_t expiration, expiration_ttl;
	const er_json *metadata;
} line_body;

/* One object: key, a value in one of two forms, and what may come with it. False: call->problem. */
static bool read_line(er_call *call, er_slice at, const er_json *v, er_kv_entry *out)
{
	static const er_member members[] = {
	    ER_MEMBER(line_body, "key", key, ER_MEMBER_STRING, true, 1, ER_KV_KEY_MAX),
	    ER_MEMBER(line_body, "value", value, ER_MEMBER_STRING, false, 0, ER_KV_VALUE_MAX),
	    ER_MEMBER(line_body, "base64", base64, ER_MEMBER_STRING, false, 0, ER_KV_VALUE_MAX / 3 * 4 + 8),
	    ER_MEMBER(line_body, "expiration", expiration, ER_MEMBER_NUMBER, false, 1, UINT32_MAX),
	    ER_MEMBER(line_body, "expiration_ttl", expiration_ttl, ER_MEMBER_NUMBER, false, 1, UINT32_MAX),
	    ER_MEMBER(line_body, "metadata", metadata, ER_MEMBER_ANY, false, 0, 0)};
	line_body line = {0};
	er_buf metadata = {0};
	if (!ER_MEMBERS_READ(v, at, members, &line, &call->problem))
		return false;
	er_path path = er_path_member(at, ER_LIT("value"));
	if ((line.value.p == NULL) == (line.base64.p == NULL))
		return er_refuse_field(&call->problem, er_slice_cstr(path.text), "\"value\" or \"base64\"",
		                       "%.*s: either \"value\" (text) or \"base64\" is expected", ER_FMT(at));
	path = er_path_member(at, ER_LIT("base64"));
	if (line.base64.p != NULL && !er_base64_decode(call->arena, line.base64, &line.value))
		return er_refuse_field(&call->problem, er_slice_cstr(path.text), "base64 (RFC 4648) with padding",
		                       "\"%s\": this is no base64", path.text);
	ER_ASSERT(line.key.n > 0 && line.value.p != NULL);
	*out = (er_kv_entry){.key = line.key, .value = line.value, .expires_s = line.expiration};
	if (line.expiration_ttl > 0)
		out->expires_s = (int64_t)time(NULL) + line.expiration_ttl;
	if (line.metadata == NULL)
		return true;
	er_json_write(&metadata, line.metadata);
	out->metadata = er_arena_copy(call->arena, er_buf_slice(&metadata));
	er_buf_fini(&metadata);
	return true;
}

/* `entries` has room for LINES_MAX. */
static bool read_lines(er_call *call, er_kv_entry *entries, size_t *n)
{
	er_slice rest = er_buf_slice(&call->body), text;
	char at[32];
	*n = 0;
	for (size_t number = 1; er_slice_split(&rest, '\n', &text); number++) {
		er_err err = {0};
		size_t where = 0;
		if (text.n > 0 && text.p[text.n - 1] == '\r')
			text.n--;
		if (text.n == 0)
			continue;
		snprintf(at, sizeof at, "line[%zu]", number);
		if (*n == LINES_MAX)
			return er_refuse(&call->problem, ER_PROBLEM_TOO_LARGE, "more than %d lines: send them in several requests",
			                 LINES_MAX);
		const er_json *v = er_json_parse(call->arena, text, LINE_VALUES, &where, &err);
		if (v == NULL)
			return er_refuse_field(&call->problem, er_slice_cstr(at), "one JSON object a line",
			                       "line %zu is no JSON, at byte %zu: %s", number, where + 1, err.text);
		if (!read_line(call, er_slice_cstr(at), v, &entries[(*n)++]))
			return false;
	}
	return true;
}

void er_api_bulk_in(er_call *call)
{
	ER_ASSERT(call->ns.n > 0);
	er_kv_entry *entries = er_arena_alloc(call->arena, LINES_MAX * sizeof *entries);
	size_t n;
	er_err err = {0};
	if (!read_lines(call, entries, &n) ||
	    (!er_kv_put(call->control->o.store, call->ns, entries, n, &err) && !er_refuse_err(&call->problem, &err))) {
		er_call_refuse(call);
		return;
	}
	er_out_open(&call->out, NULL, '{');
	er_out_u64(&call->out, "stored", n);
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}

/* ---- out ---- */

typedef struct export
{
	er_list link;
	er_store *store;
	er_body *body;
	er_arena keep;       /* names */
	er_slice ns, prefix; /* in keep */
	er_buf after;        /* the last key written */
	er_arena page;       /* its keys */
	er_arena value;      /* what is being written */
	er_kv_entry *rows;
	size_t n, at;
	/* of a long value whose line is begun */
	int64_t parts; /* held; 0: there is none */
	unsigned part;
	uint64_t left;    /* bytes */
	uint8_t carry[2]; /* what three bytes of base64 lack */
	size_t n_carry;
	bool more, pumping, gone;
	er_control *control;
}
export;

/* The body goes on to whoever reads it; its source has said the end, or is taken away. */
static void free_export(export *e)
{
	er_download_end(e->control, 0);
	if (e->parts > 0)
		er_kv_let_go(e->store, e->parts);
	er_list_remove(&e->link);
	er_body_unref(e->body);
	er_buf_fini(&e->after);
	er_arena_fini(&e->keep);
	er_arena_fini(&e->page);
	er_arena_fini(&e->value);
	er_free(e);
}

void er_exports_drop(er_control *c)
{
	while (!er_list_empty(&c->exports)) {
		export *e = ER_CONTAINER(c->exports.next, export, link);
		er_body *body = er_body_ref(e->body);
		e->pumping = true; /* whoever reads now must not free it */
		er_body_source(body, NULL, NULL);
		free_export(e);
		er_body_unref(body);
	}
}

/* Behind the last key that was written. The page before is not needed any more. */
static bool next_page(export *e, er_err *err)
{
	ER_ASSERT(e->at == e->n);
	er_arena_reset(&e->page);
	e->at = e->n = 0;
	return er_kv_list(e->store, &e->page, e->ns, e->prefix, er_buf_slice(&e->after), PAGE, &e->rows, &e->n, &e->more, err);
}

/* A value that is no text, or long (an escape takes six bytes), goes as base64; both ways are read
 * back by er_api_bulk_in. */
static void write_entry(er_out *o, const er_kv_entry *e)
{
	er_out_open(o, NULL, '{');
	er_out_str(o, "key", e->key);
	if (e->value.n <= TEXT_MAX && er_utf8_valid(e->value)) {
		er_out_str(o, "value", e->value);
	} else {
		er_buf base64 = {0};
		er_base64_encode(&base64, e->value);
		er_out_str(o, "base64", er_buf_slice(&base64));
		er_buf_fini(&base64);
	}
	if (e->expires_s > 0)
		er_out_u64(o, "expiration", (uint64_t)e->expires_s);
	if (e->metadata.n > 0)
		er_out_json(o, "metadata", e->metadata);
	er_out_close(o, '}');
	er_buf_putc(&o->b, '\n');
}

/* The line of a value that is too long for one piece, up to its bytes. */
static bool begin_long(export *e, const er_kv_entry *entry)
{
	er_out line = {0};
	er_out_open(&line, NULL, '{');
	er_out_str(&line, "key", entry->key);
	if (entry->expires_s > 0)
		er_out_u64(&line, "expiration", (uint64_t)entry->expires_s);
	if (entry->metadata.n > 0)
		er_out_json(&line, "metadata", entry->metadata);
	er_buf_put(&line.b, ER_LIT(",\"base64\":\""));
	e->parts = entry->parts;
	e->part = 0;
	e->left = entry->size;
	e->n_carry = 0;
	bool go_on = er_body_write(e->body, er_piece_copy(er_buf_slice(&line.b)));
	er_out_fini(&line);
	return go_on;
}

/* The next part of it, and with the last one the end of the line. */
static bool write_part(export *e, er_err *err)
{
	er_piece piece;
	if (!er_kv_part(e->store, e->parts, e->part++, &piece, err))
		return false;
	if (piece.n == 0 || piece.n > e->left) {
		er_piece_drop(&piece);
		return er_fail(err, ER_ERR_IO, "a value is damaged");
	}
	er_buf bytes = {0}, text = {0};
	er_buf_put(&bytes, er_slice_of(e->carry, e->n_carry));
	er_buf_put(&bytes, er_piece_slice(piece));
	e->left -= piece.n;
	er_piece_drop(&piece);
	er_slice all = er_buf_slice(&bytes);
	e->n_carry = e->left > 0 ? all.n % 3 : 0;
	er_copy(e->carry, all.p + all.n - e->n_carry, e->n_carry);
	er_base64_encode(&text, er_slice_head(all, all.n - e->n_carry));
	if (e->left == 0) {
		er_buf_put(&text, ER_LIT("\"}\n"));
		er_kv_let_go(e->store, e->parts);
		e->parts = 0;
	}
	bool go_on = er_body_write(e->body, er_piece_copy(er_buf_slice(&text)));
	er_buf_fini(&bytes);
	er_buf_fini(&text);
	return go_on;
}

/* One line, or how a long one begins; false: the client has enough for now, or something failed. */
static bool write_next(export *e, er_err *err)
{
	ER_ASSERT(e->at < e->n && e->parts == 0);
	const er_slice key = e->rows[e->at++].key;
	er_kv_entry entry;
	bool found;
	er_out line = {0};
	er_arena_reset(&e->value);
	er_buf_clear(&e->after);
	er_buf_put(&e->after, key);
	if (!er_kv_look(e->store, &e->value, e->ns, key, &entry, &found, err))
		return false;
	if (!found)
		return true; /* gone since the page was read */
	if (entry.parts > 0 && entry.size > TEXT_MAX)
		return begin_long(e, &entry);
	if (entry.parts > 0) {
		er_kv_let_go(e->store, entry.parts);
		if (!er_kv_get(e->store, &e->value, e->ns, key, &entry, &found, err))
			return false;
		if (!found)
			return true;
	}
	write_entry(&line, &entry);
	bool go_on = er_body_write(e->body, er_piece_copy(er_buf_slice(&line.b)));
	er_out_fini(&line);
	return go_on;
}

/* Writes until the client has enough, or all is written, or it failed; in the last two cases e is
 * freed. */
static void pump(export *e)
{
	er_err err = {0};
	bool go_on = true;
	ER_ASSERT(!e->pumping && !e->gone);
	e->pumping = true;
	while (go_on && !e->gone && err.kind == ER_ERR_OK && (e->parts > 0 || e->at < e->n || e->more)) {
		if (e->parts > 0)
			go_on = write_part(e, &err);
		else if (e->at == e->n)
			go_on = next_page(e, &err) && e->n > 0;
		else
			go_on = write_next(e, &err);
	}
	if (err.kind != ER_ERR_OK) {
		er_log(ER_LOG_WARN, "control", "a bulk answer broke off: %s", err.text);
		er_body_fail(e->body, err.kind);
	} else if (e->parts == 0 && e->at == e->n && !e->more) {
		er_body_finish(e->body);
	} else if (!e->gone) {
		e->pumping = false;
		return;
	}
	free_export(e);
}

/* The client has taken what it had. */
static void on_resume(void *ctx)
{
	export *e = ctx;
	if (!e->pumping)
		pump(e);
}

/* The client has left. */
static void on_cancel(void *ctx, er_err_kind reason)
{
	export *e = ctx;
	(void)reason;
	e->gone = true;
	if (!e->pumping)
		free_export(e);
}

void er_api_bulk_out(er_call *call)
{
	static const er_body_source_ops ops = {.resume = on_resume, .cancel = on_cancel};
	er_slice prefix;
	er_err err = {0};
	if (!er_call_query(call, ER_LIT("prefix"), &prefix)) {
		er_call_refuse(call);
		return;
	}
	ER_ASSERT(call->ns.n > 0);
	if (!er_download_begin(call, 0)) {
		er_call_refuse(call);
		return;
	}
	export *e = ER_NEW(export);
	*e = (export){.store = call->control->o.store, .control = call->control};
	er_arena_init(&e->keep);
	er_arena_init(&e->page);
	er_arena_init(&e->value);
	e->ns = er_arena_copy(&e->keep, call->ns);
	e->prefix = er_arena_copy(&e->keep, prefix);
	er_list_push(&call->control->exports, &e->link);
	if (!next_page(e, &err)) {
		free_export(e);
		(void)er_refuse_err(&call->problem, &err);
		er_call_refuse(call);
		return;
	}
	e->body = er_body_new(ER_BODY_UNKNOWN);
	/* A reference of the answer's: pump may end here and free e before the answer is given. */
	er_body *body = er_body_ref(e->body);
	er_body_source(e->body, &ops, e);
	pump(e);
	er_call_stream(call, 200, ER_LIT("application/x-ndjson"), body);
}
