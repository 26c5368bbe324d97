/* What the KV's methods have in common: how answers look, and jobs of a place. */
#include "base/clock.h"
#include "data/kv_inside.h"

#include "base/mem.h"

static int status_of(er_err_kind kind)
{
	switch (kind) {
	case ER_ERR_NO_ROUTE:
		return 404;
	case ER_ERR_INVALID:
		return 400;
	case ER_ERR_TOO_LARGE:
		return 413;
	default:
		return 503;
	}
}

void er_kv_refuse(er_exchange *x, const er_err *err)
{
	ER_ASSERT(err->kind != ER_ERR_OK);
	x->on_cancel = NULL;
	er_kv_counts_end(x, ER_KV_RESULT_ERROR);
	er_exchange_fail(x, status_of(err->kind), err->kind, NULL, "%s", err->text);
	er_exchange_answer(x);
}

bool er_kv_alive(const er_hot_value *v)
{
	return v->found && (v->expires_s == 0 || v->expires_s > er_clock_wall_s());
}

void er_kv_answer_head(er_exchange *x, const er_hot_value *v)
{
	x->on_cancel = NULL;
	x->res.status = 200;
	if (v->expires_s > 0)
		er_fields_add(&x->res.fields, &x->arena, ER_LIT("expiration"), er_arena_u64(&x->arena, (uint64_t)v->expires_s));
	if (v->metadata.n > 0)
		er_fields_add(&x->res.fields, &x->arena, ER_LIT("metadata"), er_piece_slice(v->metadata));
	er_kv_counts_end(x, ER_KV_RESULT_OK);
	er_exchange_answer(x);
}

void er_kv_answer(er_exchange *x, const er_hot_value *v)
{
	if (!er_kv_alive(v)) {
		x->on_cancel = NULL;
		x->res.status = 404;
		er_kv_counts_end(x, ER_KV_RESULT_NONE);
		er_exchange_answer(x);
		return;
	}
	er_kv_counts_read(x->data.counts, v->value.n);
	x->res.body = er_body_of(er_piece_sub(v->value, 0, v->value.n));
	er_kv_answer_head(x, v);
}

bool er_kv_number(const er_exchange *x, er_slice name, uint64_t *out, er_err *err)
{
	const er_slice *text = er_fields_get(&x->req.fields, name);
	*out = 0;
	return text == NULL || er_slice_u64(*text, out) ||
	       er_fail(err, ER_ERR_INVALID, "%.*s: a whole number is expected", ER_FMT(name));
}

er_kv_job *er_kv_job_of(er_kv_place *p, er_kv_job_kind kind, const er_kv_ask *ask, void (*done)(er_kv_job *j), void *owner)
{
	er_kv_job *j = er_kv_job_new(kind, p->port, done, owner);
	j->name = er_arena_copy(&j->arena, ask->name);
	j->key = er_arena_copy(&j->arena, ask->key);
	j->ns = ask->ns;
	j->place = p;
	return j;
}

void er_kv_send(er_kv_place *p, er_kv_job *j)
{
	ER_CHECK(p, ER_KV_PLACE_MAGIC);
	p->jobs++;
	er_kv_submit(p->work, j);
}

void er_kv_back(er_kv_place *p)
{
	ER_CHECK(p, ER_KV_PLACE_MAGIC);
	ER_ASSERT(p->jobs > 0);
	p->jobs--;
}

static void on_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	er_kv_job *j = ctx;
	(void)reason;
	ER_ASSERT(j->owner == x);
	j->owner = NULL;
	er_kv_counts_end(x, ER_KV_RESULT_CANCELLED);
	er_exchange_unref(x);
}

void er_kv_ask_once(er_kv_place *p, er_exchange *x, er_kv_job *j)
{
	j->owner = er_exchange_ref(x);
	x->on_cancel = on_cancel;
	x->handler_ctx = j;
	er_kv_send(p, j);
}

void er_kv_settle(er_kv_place *p)
{
	if (!p->closing || p->jobs > 0 || !er_list_empty(&p->readings) || !er_list_empty(&p->lists))
		return;
	void (*closed)(void *) = p->closed;
	void *ctx = p->closed_ctx;
	er_port_close(p->port);
	p->magic = 0;
	er_free(p);
	closed(ctx);
}
