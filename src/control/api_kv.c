/* The API's family of the key-value store, one key at a time; many at once are in api_kv_bulk.c.
 * Values go in and out as bytes, so the answer of a GET is the value and not JSON; expiry and
 * metadata travel in the fields er-expiration and er-metadata.
 *
 * A namespace is a change of the store's log and is answered at once: no configuration depends on
 * it. Keys are not in the log. */
#include "base/hex.h"
#include "base/mem.h"
#include "control/download.h"

enum { PAGE = 100, PAGE_MAX = 1000 };

/* False: refused and gone. */
static bool kept(er_call *call, bool ok, const er_err *err)
{
	if (ok)
		return true;
	(void)er_refuse_err(&call->problem, err);
	er_call_refuse(call);
	return false;
}

/* ---- namespaces ---- */

void er_api_namespaces(er_call *call)
{
	er_kv_namespace_row *rows;
	size_t n;
	er_err err = {0};
	er_out *o = &call->out;
	if (!kept(call, er_kv_namespaces(call->control->o.store, call->arena, &rows, &n, &err), &err))
		return;
	er_out_open(o, NULL, '{');
	er_out_open(o, "items", '[');
	for (size_t i = 0; i < n; i++) {
		if (!er_actor_opens(&call->actor, rows[i].name, false))
			continue;
		er_out_open(o, NULL, '{');
		er_out_str(o, "name", rows[i].name);
		er_out_u64(o, "keys", rows[i].keys);
		er_out_u64(o, "bytes", rows[i].bytes);
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

/* Answers and ends the call. */
static void change_namespace(er_call *call, er_change_kind kind)
{
	ER_ASSERT(call->ns.n > 0);
	er_change change = er_call_change(call, kind);
	change.name = call->ns;
	if (!er_call_apply_one(call, &change))
		return;
	er_call_answer(call, 200);
}

void er_api_namespace_put(er_call *call)
{
	change_namespace(call, ER_CHANGE_NAMESPACE_ADD);
}

void er_api_namespace_delete(er_call *call)
{
	change_namespace(call, ER_CHANGE_NAMESPACE_DELETE);
}

/* ---- keys ---- */

static void write_key(er_out *o, const er_kv_entry *e)
{
	er_out_open(o, NULL, '{');
	er_out_str(o, "key", e->key);
	if (e->expires_s > 0)
		er_out_u64(o, "expiration", (uint64_t)e->expires_s);
	if (e->metadata.n > 0)
		er_out_json(o, "metadata", e->metadata);
	er_out_close(o, '}');
}

/* A key may hold any bytes, so that a cursor is its bytes in hex. */
static er_slice cursor_of(er_arena *a, er_slice key)
{
	return er_hex_text(key, er_arena_alloc(a, key.n * 2 + 1));
}

/* Empty without one: from the beginning. False: call->problem. */
static bool read_cursor(er_call *call, er_slice *key)
{
	er_slice text;
	if (!er_call_query(call, ER_LIT("cursor"), &text))
		return false;
	uint8_t *to = er_arena_alloc(call->arena, text.n / 2 + 1);
	bool ok = text.n <= 2 * ER_KV_KEY_MAX && er_unhex(text, to);
	*key = er_slice_of(to, text.n / 2);
	return ok || er_refuse_field(&call->problem, ER_LIT("cursor"), "\"next\" of the page before",
	                             "\"cursor\": \"next\" of the page before is expected");
}

void er_api_keys(er_call *call)
{
	ER_ASSERT(call->ns.n > 0);
	er_slice prefix, after;
	uint64_t limit = PAGE;
	er_kv_entry *rows;
	size_t n;
	bool more;
	er_err err = {0};
	er_out *o = &call->out;
	if (!er_call_query(call, ER_LIT("prefix"), &prefix) || !read_cursor(call, &after) ||
	    !er_call_query_number(call, ER_LIT("limit"), 1, PAGE_MAX, &limit)) {
		er_call_refuse(call);
		return;
	}
	if (!kept(call,
	          er_kv_list(call->control->o.store, call->arena, call->ns, prefix, after, (unsigned)limit, &rows, &n, &more, &err),
	          &err))
		return;
	er_out_open(o, NULL, '{');
	er_out_open(o, "items", '[');
	for (size_t i = 0; i < n; i++)
		write_key(o, &rows[i]);
	er_out_close(o, ']');
	ER_ASSERT(n <= limit);
	if (more && n > 0)
		er_out_str(o, "next", cursor_of(call->arena, rows[n - 1].key));
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

/* ---- values ---- */

/* Of /values/{key}, or of /value?key=: a URL's path cannot say every key ("..", to most clients).
 * False: refused and gone. */
static bool key_there(er_call *call)
{
	ER_ASSERT(call->ns.n > 0);
	er_slice key;
	if (call->key.n > 0 || (er_call_query(call, ER_LIT("key"), &key) && er_call_take_key(call, key)))
		return true;
	er_call_refuse(call);
	return false;
}

void er_api_value(er_call *call)
{
	er_kv_entry e;
	bool found;
	er_err err = {0};
	if (!key_there(call))
		return;
	if (!kept(call, er_kv_get(call->control->o.store, call->arena, call->ns, call->key, &e, &found, &err), &err))
		return;
	if (!found) {
		er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND, "%.*s has no such key", ER_FMT(call->ns));
		er_call_refuse(call);
		return;
	}
	/* A bulk import may have stored what a field cannot hold: then it is left out rather than the
	 * value. */
	if (e.metadata.n > 0 && er_field_value_ok(e.metadata))
		er_call_header(call, ER_LIT("er-metadata"), e.metadata);
	if (e.expires_s > 0)
		er_call_header(call, ER_LIT("er-expiration"), er_arena_printf(call->arena, "%lld", (long long)e.expires_s));
	er_call_piece(call, ER_LIT("application/octet-stream"), er_piece_copy(e.value));
}

/* 0: never. One of the two ways to say it, and not a moment that is over. */
static bool read_expiry(er_call *call, int64_t *out)
{
	uint64_t at = 0, ttl = 0;
	const int64_t now = (int64_t)time(NULL);
	if (!er_call_query_number(call, ER_LIT("expiration"), 1, (uint64_t)1 << 40, &at) ||
	    !er_call_query_number(call, ER_LIT("expiration_ttl"), 1, (uint64_t)1 << 32, &ttl))
		return false;
	if (at > 0 && ttl > 0)
		return er_refuse_field(&call->problem, ER_LIT("expiration"), "expiration or expiration_ttl",
		                       "either \"expiration\" or \"expiration_ttl\" is expected, not both");
	if (at > 0 && (int64_t)at <= now)
		return er_refuse_field(&call->problem, ER_LIT("expiration"), "a Unix time in the future (seconds)",
		                       "\"expiration\" lies in the past: it is a Unix time in seconds");
	*out = ttl > 0 ? now + (int64_t)ttl : (int64_t)at;
	return true;
}

/* JSON of the caller's, kept as it came. */
static bool read_metadata(er_call *call, er_slice *out)
{
	const er_slice *header = er_fields_get(&call->x->req.fields, ER_LIT("er-metadata"));
	er_err err = {0};
	size_t at;
	*out = header != NULL ? *header : (er_slice){0};
	if (out->n == 0)
		return true;
	if (out->n > ER_KV_METADATA_MAX || er_json_parse(call->arena, *out, 1000, &at, &err) == NULL)
		return er_refuse_field(&call->problem, ER_LIT("er-metadata"), "JSON of at most 1024 bytes",
		                       "the header er-metadata: JSON of at most %d bytes is expected", ER_KV_METADATA_MAX);
	return true;
}

void er_api_value_put(er_call *call)
{
	er_kv_entry e = {.value = er_buf_slice(&call->body)};
	er_err err = {0};
	if (!key_there(call))
		return;
	ER_ASSERT(call->key.n > 0 && call->key.n <= ER_KV_KEY_MAX && e.value.n <= ER_KV_VALUE_MAX);
	e.key = call->key;
	if (!read_expiry(call, &e.expires_s) || !read_metadata(call, &e.metadata)) {
		er_call_refuse(call);
		return;
	}
	if (!kept(call, er_kv_put(call->control->o.store, call->ns, &e, 1, &err), &err))
		return;
	er_out_open(&call->out, NULL, '{');
	er_out_u64(&call->out, "stored", 1);
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}

void er_api_value_delete(er_call *call)
{
	bool existed;
	er_err err = {0};
	if (!key_there(call))
		return;
	if (!kept(call, er_kv_delete(call->control->o.store, call->ns, call->key, &existed, &err), &err))
		return;
	er_out_open(&call->out, NULL, '{');
	er_out_bool(&call->out, "existed", existed);
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}
