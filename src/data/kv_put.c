/* PUT: the value is read from the body of the question as it comes. A short one is one write. A
 * long one is written part by part, each on the disk before the next is read, and becomes the value
 * of its key with a last write: so no more than a part of it is ever in memory, and who asks hears
 * only of what is on the disk. What is left off on the way has no key, and the sweep takes it.
 *
 * One job is out at a time. Notes: `back`, `gone`, and that the body has something new; `go_on`
 * acts on them. */
#include "data/kv_inside.h"

#include "base/act.h"
#include "base/json_tree.h"
#include "base/mem.h"

#include <time.h>

typedef struct putting {
	er_kv_place *place;
	er_exchange *x; /* own reference; NULL: answered or cancelled */
	er_body *body;  /* own reference; NULL: there is none, or it is over */
	er_arena arena;
	er_kv_ask ask;
	er_kv_entry entry; /* without value and key; parts: held */
	er_buf bytes;      /* what has come and is not written yet */
	uint64_t total;
	unsigned part;
	er_kv_job *out, *back;
	bool ended;   /* all of it has come */
	bool written; /* the last write is out, or done */
	bool gone, over;
	er_act act;
} putting;

static void go_on(putting *w);

static void free_putting(putting *w)
{
	er_kv_place *p = w->place;
	ER_ASSERT(w->x == NULL && w->out == NULL && w->back == NULL);
	if (w->body != NULL) {
		er_body_sink(w->body, NULL, NULL);
		er_body_cancel(w->body, ER_ERR_CANCELLED);
		er_body_unref(w->body);
	}
	if (w->entry.parts > 0)
		er_kv_let_go(er_kv_work_store(p->work), w->entry.parts);
	er_buf_fini(&w->bytes);
	er_arena_fini(&w->arena);
	er_free(w);
	er_kv_settle(p);
}

/* ---- notes ---- */

static void on_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	putting *w = ctx;
	(void)reason;
	ER_ASSERT(w->x == x);
	w->x = NULL;
	w->gone = true;
	er_kv_counts_end(x, ER_KV_RESULT_CANCELLED);
	er_exchange_unref(x);
	go_on(w);
}

static void on_readable(void *ctx)
{
	go_on(ctx);
}

static void on_done(er_kv_job *j)
{
	putting *w = j->owner;
	er_kv_back(w->place);
	ER_ASSERT(w->out == j && w->back == NULL);
	w->out = NULL;
	w->back = j;
	go_on(w);
}

/* ---- acting ---- */

static void refuse(putting *w, const er_err *err)
{
	er_exchange *x = w->x;
	w->over = true;
	w->x = NULL;
	if (x != NULL)
		er_kv_refuse(x, err);
	er_exchange_unref(x);
}

static void take_back(putting *w)
{
	er_kv_job *j = w->back;
	const er_err err = j->op.err;
	w->back = NULL;
	if (err.kind == ER_ERR_OK && j->op.kind == ER_KV_OP_PART) {
		w->entry.parts = j->op.entry.parts;
		w->part++;
	}
	er_kv_job_free(j);
	if (err.kind != ER_ERR_OK) {
		refuse(w, &err);
	} else if (w->written && w->x != NULL) {
		er_exchange *x = w->x;
		w->over = true;
		w->x = NULL;
		x->on_cancel = NULL;
		x->res.status = 200;
		er_kv_counts_written(x->data.counts, w->total);
		er_kv_counts_end(x, ER_KV_RESULT_OK);
		er_exchange_answer(x);
		er_exchange_unref(x);
	}
}

/* What has come goes with the job. */
static void write_job(putting *w, er_kv_op_kind kind)
{
	er_kv_job *j = er_kv_job_of(w->place, ER_KV_JOB_WRITE, &w->ask, on_done, w);
	j->op = (er_kv_op){.kind = kind, .ns = j->name, .entry = w->entry, .part = w->part};
	j->op.entry.key = j->key;
	j->op.entry.metadata = er_arena_copy(&j->arena, w->entry.metadata);
	j->bytes = w->bytes;
	w->bytes = (er_buf){0};
	j->op.entry.value = er_buf_slice(&j->bytes);
	j->op.entry.size = w->total;
	w->out = j;
	er_kv_send(w->place, j);
}

static void broken(putting *w)
{
	er_err err = {0};
	er_fail(&err, er_body_error(w->body), "the value broke off; nothing was stored");
	refuse(w, &err);
}

static void too_large(putting *w)
{
	er_err err = {0};
	er_fail(&err, ER_ERR_TOO_LARGE, "a value has at most %d bytes (25 MB); nothing was stored", ER_KV_VALUE_MAX);
	refuse(w, &err);
}

/* Until a part is full, or nothing is there now. */
static void read_some(putting *w)
{
	er_piece piece;
	while (!w->ended && !w->over && er_buf_len(&w->bytes) < ER_KV_PART) {
		switch (er_body_read(w->body, ER_KV_PART - er_buf_len(&w->bytes), &piece)) {
		case ER_BODY_PIECE:
			er_buf_put(&w->bytes, er_piece_slice(piece));
			w->total += piece.n;
			er_piece_drop(&piece);
			if (w->total > ER_KV_VALUE_MAX)
				too_large(w);
			break;
		case ER_BODY_END:
			w->ended = true;
			break;
		case ER_BODY_ERROR:
			broken(w);
			break;
		case ER_BODY_WAIT:
		default:
			return;
		}
	}
}

/* False: nothing to do now. */
static bool step(putting *w)
{
	if (w->back != NULL) {
		take_back(w);
		return true;
	}
	if (w->out != NULL || w->over)
		return false;
	if (w->gone) {
		w->over = true;
		return false;
	}
	if (w->body != NULL)
		read_some(w);
	if (w->over || w->gone)
		return true;
	bool full = er_buf_len(&w->bytes) >= ER_KV_PART;
	if (w->entry.parts > 0 && w->ended && er_buf_len(&w->bytes) == 0) {
		w->written = true;
		write_job(w, ER_KV_OP_PUT);
	} else if (w->ended && w->entry.parts == 0 && !full) {
		w->written = true;
		write_job(w, ER_KV_OP_PUT);
	} else if (full || w->ended) {
		write_job(w, ER_KV_OP_PART);
	}
	return false;
}

static void go_on(putting *w)
{
	if (!er_act_begin(&w->act))
		return;
	while (step(w) || er_act_again(&w->act))
		;
	er_act_end(&w->act);
	if (w->over && w->out == NULL)
		free_putting(w);
}

/* ---- beginning ---- */

static bool read_expiry(const er_exchange *x, int64_t *out, er_err *err)
{
	uint64_t at, ttl;
	const uint64_t now = (uint64_t)time(NULL), most = (uint64_t)1 << 40;
	if (!er_kv_number(x, ER_LIT("expiration"), &at, err) || !er_kv_number(x, ER_LIT("expiration-ttl"), &ttl, err))
		return false;
	if (at > most || ttl > most || (at > 0 && ttl > 0))
		return er_fail(err, ER_ERR_INVALID, "expiration: either a Unix time in seconds or a number of seconds is expected");
	if (at > 0 && at <= now)
		return er_fail(err, ER_ERR_INVALID, "expiration lies in the past: it is a Unix time in seconds");
	*out = (int64_t)(ttl > 0 ? now + ttl : at);
	return true;
}

static bool read_metadata(const er_exchange *x, er_arena *a, er_slice *out, er_err *err)
{
	const er_slice *json = er_fields_get(&x->req.fields, ER_LIT("metadata"));
	size_t at;
	if (json == NULL)
		return true;
	if (json->n > ER_KV_METADATA_MAX || er_json_parse(a, *json, ER_KV_METADATA_MAX, &at, err) == NULL)
		return er_fail(err, ER_ERR_INVALID, "metadata: JSON of at most %d bytes is expected", ER_KV_METADATA_MAX);
	*out = er_arena_copy(a, *json);
	return true;
}

void er_kv_put_one(er_kv_place *p, er_exchange *x, const er_kv_ask *ask)
{
	static const er_body_sink_ops ops = {.readable = on_readable};
	putting *w = ER_NEW(putting);
	er_err err = {0};
	*w = (putting){.place = p, .x = er_exchange_ref(x), .ask = *ask};
	w->ask.name = er_arena_copy(&w->arena, ask->name);
	w->ask.key = er_arena_copy(&w->arena, ask->key);
	x->on_cancel = on_cancel;
	x->handler_ctx = w;
	w->body = x->req.body;
	x->req.body = NULL;
	w->ended = w->body == NULL;
	if (w->body != NULL)
		er_body_sink(w->body, &ops, w);
	if (!read_expiry(x, &w->entry.expires_s, &err) || !read_metadata(x, &w->arena, &w->entry.metadata, &err))
		refuse(w, &err);
	else if (w->body != NULL && er_body_length(w->body) > ER_KV_VALUE_MAX)
		too_large(w);
	go_on(w);
}
