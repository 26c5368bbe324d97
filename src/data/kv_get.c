/* GET and MANY. A value that is in memory is answered at once. For every other a `reading` asks the
 * threads, key by key, and part by part while its reader takes them.
 *
 *   GET of a short value   look → answer → over
 *   GET of a long one      look → answer with an empty body → part → part → ... → over
 *   MANY                   answer with an empty body → look → value → look → part → ... → over
 *
 * One job of a reading is out at a time. Notes: `back` (the job's news are there), `full`, `gone`;
 * `go_on` acts on them. */
#include "data/kv_inside.h"

#include "base/act.h"
#include "base/json_tree.h"
#include "base/mem.h"

enum { JSON_MAX = 512 * 1024 /* of MANY: a byte of a key may take six */ };

typedef struct reading {
	er_list link; /* place->readings */
	er_kv_place *place;
	er_exchange *x; /* own reference, until it is answered; NULL: it is, or was cancelled */
	/* the source's reference; NULL: not answered yet, or it has said its end */
	er_body *body;
	er_kv_stats *counts; /* NULL: nothing is counted */
	er_arena arena;
	er_kv_ask ask; /* without a key */
	er_slice *keys;
	size_t n, at; /* keys[at] is the next */
	bool many;
	er_body *in;   /* MANY: own reference, until all keys are there */
	er_buf json;   /* of it */
	int64_t parts; /* of the value that is being sent: held; 0: none */
	unsigned part;
	uint64_t left;  /* of it */
	uint64_t total; /* MANY: bytes of values so far */
	er_kv_job *out, *back;
	bool full, gone, over;
	er_act act;
} reading;

static void go_on(reading *r);

static void drop_in(reading *r)
{
	if (r->in == NULL)
		return;
	er_body_sink(r->in, NULL, NULL);
	er_body_cancel(r->in, ER_ERR_CANCELLED);
	er_body_unref(r->in);
	r->in = NULL;
}

static void free_reading(reading *r)
{
	ER_ASSERT(r->x == NULL && r->out == NULL && r->back == NULL && r->body == NULL);
	er_kv_place *p = r->place;
	drop_in(r);
	er_buf_fini(&r->json);
	if (r->parts > 0)
		er_kv_let_go(er_kv_work_store(p->work), r->parts);
	er_list_remove(&r->link);
	er_arena_fini(&r->arena);
	er_free(r);
	er_kv_settle(p);
}

/* ---- notes ---- */

static void on_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	reading *r = ctx;
	(void)reason;
	ER_ASSERT(r->x == x);
	r->x = NULL;
	r->gone = true;
	er_kv_counts_end(x, ER_KV_RESULT_CANCELLED);
	er_exchange_unref(x);
	go_on(r);
}

static void on_readable(void *ctx)
{
	go_on(ctx);
}

static void on_resume(void *ctx)
{
	reading *r = ctx;
	r->full = false;
	go_on(r);
}

static void on_body_cancel(void *ctx, er_err_kind reason)
{
	reading *r = ctx;
	(void)reason;
	r->gone = true;
	go_on(r);
}

static void on_done(er_kv_job *j)
{
	reading *r = j->owner;
	er_kv_back(r->place);
	ER_ASSERT(r->out == j && r->back == NULL);
	r->out = NULL;
	r->back = j;
	go_on(r);
}

/* ---- acting ---- */

static void submit(reading *r, er_kv_job *j)
{
	r->out = j;
	er_kv_send(r->place, j);
}

/* The body is at its end, or broken. */
static void end_body(reading *r, er_err_kind why)
{
	er_body *body = r->body;
	r->over = true;
	r->body = NULL;
	er_body_end(body, why);
	er_body_source(body, NULL, NULL);
	er_body_unref(body);
}

static void fail(reading *r, const er_err *err)
{
	er_exchange *x = r->x;
	r->over = true;
	r->x = NULL;
	if (x != NULL)
		er_kv_refuse(x, err);
	else
		end_body(r, err->kind);
	er_exchange_unref(x);
}

static void write_piece(reading *r, er_piece piece)
{
	ER_ASSERT(r->body != NULL);
	if (piece.n == 0)
		er_piece_drop(&piece);
	else if (!er_body_write(r->body, piece))
		r->full = true;
}

static void answer(reading *r, const er_hot_value *v, int64_t length)
{
	static const er_body_source_ops ops = {.resume = on_resume, .cancel = on_body_cancel};
	er_exchange *x = r->x;
	r->x = NULL;
	r->body = er_body_new(length);
	er_body_source(r->body, &ops, r);
	x->res.body = er_body_ref(r->body);
	er_kv_answer_head(x, v);
	er_exchange_unref(x);
}

/* MANY: what stands before each value. */
static void write_head(reading *r, const er_hot_value *v, uint64_t size, bool there)
{
	er_buf b = {0};
	er_buf_put_le32(&b, there);
	er_buf_put_le32(&b, there ? (uint32_t)v->metadata.n : 0);
	er_buf_put_le32(&b, there ? (uint32_t)size : 0);
	er_buf_put_le32(&b, 0);
	if (there)
		er_buf_put(&b, er_piece_slice(v->metadata));
	write_piece(r, er_piece_copy(er_buf_slice(&b)));
	er_buf_fini(&b);
}

/* `parts`: a value in parts, whose hold is taken over; 0: it is in v. A value may expire at any
 * moment: whether it is there is asked once. */
static void take_value(reading *r, const er_hot_value *v, int64_t parts, uint64_t size)
{
	er_err err = {0};
	bool there = er_kv_alive(v);
	ER_ASSERT(r->parts == 0);
	if (!there && parts > 0) {
		er_kv_let_go(er_kv_work_store(r->place->work), parts);
		parts = 0;
	}
	r->parts = parts;
	r->part = 0;
	r->left = parts > 0 ? size : 0;
	if (!r->many && parts == 0) {
		er_exchange *x = r->x;
		r->over = true;
		r->x = NULL;
		er_kv_answer(x, v);
		er_exchange_unref(x);
		return;
	}
	if (!r->many) {
		er_kv_counts_read(r->counts, size);
		answer(r, v, (int64_t)size);
		return;
	}
	if (parts == 0)
		size = there ? v->value.n : 0;
	r->total += size;
	if (r->total > ER_KV_MANY_BYTES) {
		er_fail(&err, ER_ERR_TOO_LARGE, "the values of one get have more than 25 MB together");
		fail(r, &err);
		return;
	}
	er_kv_counts_read(r->counts, size);
	write_head(r, v, size, there);
	if (parts == 0 && there)
		write_piece(r, er_piece_sub(v->value, 0, v->value.n));
}

static void take_back(reading *r)
{
	er_kv_job *j = r->back;
	r->back = NULL;
	if (r->gone && j->kind == ER_KV_JOB_LOOK)
		r->parts = j->err.kind == ER_ERR_OK ? j->parts : 0;
	else if (r->gone)
		;
	else if (j->err.kind != ER_ERR_OK)
		fail(r, &j->err);
	else if (j->kind == ER_KV_JOB_LOOK)
		take_value(r, &j->found, j->parts, j->size);
	else {
		ER_ASSERT(j->piece.n > 0 && j->piece.n <= r->left);
		r->left -= j->piece.n;
		r->part++;
		write_piece(r, er_piece_sub(j->piece, 0, j->piece.n));
	}
	er_kv_job_free(j);
}

static void ask_part(reading *r)
{
	if (r->left == 0) {
		er_kv_let_go(er_kv_work_store(r->place->work), r->parts);
		r->parts = 0;
		return;
	}
	er_kv_job *j = er_kv_job_of(r->place, ER_KV_JOB_PART, &r->ask, on_done, r);
	j->parts = r->parts;
	j->part = r->part;
	submit(r, j);
}

static void ask_key(reading *r)
{
	er_hot_value v;
	er_kv_ask ask = r->ask;
	ask.key = r->keys[r->at++];
	bool hot = r->many && er_hot_get(er_kv_work_hot(r->place->work), ask.ns, ask.key, &v);
	er_kv_counts_key(r->counts, hot);
	if (hot) {
		take_value(r, &v, 0, 0);
		er_hot_value_drop(&v);
		return;
	}
	submit(r, er_kv_job_of(r->place, ER_KV_JOB_LOOK, &ask, on_done, r));
}

/* The keys as JSON. */
static bool read_keys(reading *r, er_err *err)
{
	size_t at;
	const er_json *v = er_json_parse(&r->arena, er_buf_slice(&r->json), ER_KV_MANY + 2, &at, err);
	if (v == NULL || v->type != ER_JSON_ARRAY)
		return er_fail(err, ER_ERR_INVALID, "a get of many keys takes an array of at most %d keys", ER_KV_MANY);
	r->keys = er_arena_alloc(&r->arena, ER_KV_MANY * sizeof *r->keys);
	for (const er_json *e = v->first; e != NULL; e = e->next) {
		if (r->n == ER_KV_MANY)
			return er_fail(err, ER_ERR_INVALID, "a get takes at most %d keys", ER_KV_MANY);
		if (e->type != ER_JSON_STRING || e->text.n == 0 || e->text.n > ER_KV_KEY_MAX)
			return er_fail(err, ER_ERR_INVALID, "a key has 1 to %d bytes", ER_KV_KEY_MAX);
		r->keys[r->n++] = e->text;
	}
	return true;
}

/* MANY: the keys, and the answer when all are there. False: the rest is still to come. */
static bool read_in(reading *r)
{
	static const er_hot_value none;
	er_piece piece;
	er_err err = {0};
	er_body_status status;
	while (err.kind == ER_ERR_OK && (status = er_body_read(r->in, 0, &piece)) == ER_BODY_PIECE) {
		er_buf_put(&r->json, er_piece_slice(piece));
		er_piece_drop(&piece);
		if (er_buf_len(&r->json) > JSON_MAX)
			er_fail(&err, ER_ERR_TOO_LARGE, "the keys of one get have more than %d KB together", JSON_MAX / 1024);
	}
	if (err.kind == ER_ERR_OK && status == ER_BODY_WAIT)
		return false;
	if (err.kind == ER_ERR_OK && status == ER_BODY_ERROR)
		er_fail(&err, er_body_error(r->in), "the keys broke off");
	drop_in(r);
	if (err.kind != ER_ERR_OK || !read_keys(r, &err))
		fail(r, &err);
	else
		answer(r, &none, ER_BODY_UNKNOWN);
	return true;
}

/* False: nothing to do now. */
static bool step(reading *r)
{
	if (r->back != NULL) {
		take_back(r);
		return true;
	}
	if (r->out != NULL || r->over)
		return false;
	if (r->gone) {
		er_body_unref(r->body);
		r->body = NULL;
		r->over = true;
		return false;
	}
	if (r->full)
		return false;
	if (r->in != NULL)
		return read_in(r);
	if (r->parts > 0)
		ask_part(r);
	else if (r->at < r->n)
		ask_key(r);
	else
		end_body(r, ER_ERR_OK);
	return true;
}

static void go_on(reading *r)
{
	if (!er_act_begin(&r->act))
		return;
	while (step(r) || er_act_again(&r->act))
		;
	er_act_end(&r->act);
	if (r->over && r->out == NULL) {
		if (r->body != NULL) { /* cancelled while it failed */
			er_body_unref(r->body);
			r->body = NULL;
		}
		free_reading(r);
	}
}

/* ---- beginning ---- */

static reading *new_reading(er_kv_place *p, er_exchange *x, const er_kv_ask *ask)
{
	reading *r = ER_NEW(reading);
	*r = (reading){.place = p, .x = er_exchange_ref(x), .counts = x->data.counts, .ask = *ask};
	r->ask.name = er_arena_copy(&r->arena, ask->name);
	r->ask.key = (er_slice){0};
	er_list_init(&r->link);
	er_list_push(&p->readings, &r->link);
	x->on_cancel = on_cancel;
	x->handler_ctx = r;
	return r;
}

void er_kv_get_one(er_kv_place *p, er_exchange *x, const er_kv_ask *ask)
{
	er_hot_value v;
	if (er_hot_get(er_kv_work_hot(p->work), ask->ns, ask->key, &v)) {
		er_kv_counts_key(x->data.counts, true);
		er_kv_answer(x, &v);
		er_hot_value_drop(&v);
		return;
	}
	reading *r = new_reading(p, x, ask);
	r->keys = er_arena_alloc(&r->arena, sizeof *r->keys);
	r->keys[0] = er_arena_copy(&r->arena, ask->key);
	r->n = 1;
	go_on(r);
}

void er_kv_get_many(er_kv_place *p, er_exchange *x, const er_kv_ask *ask)
{
	static const er_body_sink_ops ops = {.readable = on_readable};
	reading *r = new_reading(p, x, ask);
	er_err err = {0};
	r->many = true;
	r->in = x->req.body;
	x->req.body = NULL;
	if (r->in != NULL) {
		er_body_sink(r->in, &ops, r);
	} else {
		er_fail(&err, ER_ERR_INVALID, "a get of many keys names them");
		fail(r, &err);
	}
	go_on(r);
}

void er_kv_end_readings(er_kv_place *p)
{
	ER_LIST_EACH(l, &p->readings)
	{
		reading *r = ER_CONTAINER(l, reading, link);
		if (r->body != NULL)
			er_body_source(r->body, NULL, NULL);
		r->gone = true;
		go_on(r);
	}
}
