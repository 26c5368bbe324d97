/* The KV's handler on a gateway thread. kv.h says what is asked and answered.
 *
 * What is in memory is answered at once (hot.h). Everything else is a job for the threads
 * (kv_work.h); its `done` comes back on this loop. An exchange that is cancelled while its job is
 * out leaves the job's owner behind, which waits for the job and frees itself.
 *
 * Closing: the exchanges are over by then, since whoever asked them has closed. Answers whose body
 * is still under way break off; the place is freed when the last job is back. */
#include "data/kv_inside.h"

#include "base/mem.h"

/* ---- what is asked ---- */

static bool opens(const er_data_ask *who, er_slice name)
{
	for (size_t i = 0; i < who->n_namespaces; i++)
		if (er_slice_eq(who->namespaces[i].target, name))
			return true;
	return false;
}

/* Anything may be said here. */
static bool read_ask(er_kv_place *p, const er_exchange *x, er_kv_ask *ask, er_err *err)
{
	size_t slash = er_slice_find(x->req.target, '/');
	ask->name = er_slice_head(x->req.target, slash);
	ask->key = slash < x->req.target.n ? er_slice_from(x->req.target, slash + 1) : (er_slice){0};
	if (!opens(&x->data, ask->name))
		return er_fail(err, ER_ERR_INVALID,
		               "the routine %.*s does not open the KV namespace \"%.*s\": name it in \"kv\" of er.jsonc",
		               ER_FMT(x->data.routine), ER_FMT(er_slice_head(ask->name, 63)));
	return er_kv_namespace(er_kv_work_store(p->work), ask->name, &ask->ns, err);
}

static bool key_ok(er_slice key, er_err *err)
{
	if (key.n > 0 && key.n <= ER_KV_KEY_MAX)
		return true;
	return er_fail(err, key.n > 0 ? ER_ERR_TOO_LARGE : ER_ERR_INVALID, "a key has 1 to %d bytes, not %zu", ER_KV_KEY_MAX, key.n);
}

static const struct method {
	er_slice name;
	bool key; /* it needs one */
	er_kv_method counted;
	void (*handle)(er_kv_place *p, er_exchange *x, const er_kv_ask *ask);
} methods[] = {
    {ER_LIT("GET"), true, ER_KV_METHOD_GET, er_kv_get_one},          {ER_LIT("PUT"), true, ER_KV_METHOD_PUT, er_kv_put_one},
    {ER_LIT("DELETE"), true, ER_KV_METHOD_DELETE, er_kv_delete_one}, {ER_LIT("LIST"), false, ER_KV_METHOD_LIST, er_kv_list_some},
    {ER_LIT("MANY"), false, ER_KV_METHOD_MANY, er_kv_get_many},
};

static void handle(void *self, er_exchange *x)
{
	er_kv_place *p = self;
	er_kv_ask ask;
	er_err err = {0};
	ER_CHECK(p, ER_KV_PLACE_MAGIC);
	ER_ASSERT(!p->closing && x->data.kind == ER_DATA_KV);
	const struct method *m = methods, *end = methods + sizeof methods / sizeof *methods;
	while (m < end && !er_slice_eq(m->name, x->req.method))
		m++;
	if (m == end)
		er_fail(&err, ER_ERR_INVALID, "the key-value store has no method %.*s", ER_FMT(er_slice_head(x->req.method, 20)));
	else if (read_ask(p, x, &ask, &err)) {
		if (p->counts != NULL)
			er_kv_counts_ask(p->counts, x, ask.name, m->counted);
		if (!m->key || key_ok(ask.key, &err))
			m->handle(p, x, &ask);
	}
	if (err.kind != ER_ERR_OK)
		er_kv_refuse(x, &err);
}

/* ---- DELETE: one job, one answer ---- */

static void on_deleted(er_kv_job *j)
{
	er_exchange *x = j->owner;
	er_kv_place *p = j->place;
	er_kv_back(p);
	if (x != NULL && j->op.err.kind != ER_ERR_OK) {
		er_kv_refuse(x, &j->op.err);
	} else if (x != NULL) {
		x->on_cancel = NULL;
		x->res.status = j->op.existed ? 200 : 404;
		er_kv_counts_end(x, j->op.existed ? ER_KV_RESULT_OK : ER_KV_RESULT_NONE);
		er_exchange_answer(x);
	}
	er_exchange_unref(x);
	er_kv_job_free(j);
	er_kv_settle(p);
}

void er_kv_delete_one(er_kv_place *p, er_exchange *x, const er_kv_ask *ask)
{
	er_kv_job *j = er_kv_job_of(p, ER_KV_JOB_WRITE, ask, on_deleted, NULL);
	j->op = (er_kv_op){.kind = ER_KV_OP_DELETE, .ns = j->name, .entry = {.key = j->key}};
	er_kv_ask_once(p, x, j);
}

/* ---- life ---- */

er_kv_place *er_kv_place_new(uv_loop_t *loop, er_kv_work *w, er_kv_counts *counts)
{
	ER_ASSERT(w != NULL);
	er_kv_place *p = ER_NEW(er_kv_place);
	*p = (er_kv_place){.magic = ER_KV_PLACE_MAGIC, .work = w, .counts = counts, .port = er_port_new(loop)};
	er_list_init(&p->readings);
	er_list_init(&p->lists);
	er_list_init(&p->shares);
	return p;
}

er_handler er_kv_place_handler(er_kv_place *p)
{
	return (er_handler){.name = "kv", .handle = handle, .self = p};
}

void er_kv_place_close(er_kv_place *p, void (*closed)(void *ctx), void *ctx)
{
	ER_CHECK(p, ER_KV_PLACE_MAGIC);
	ER_ASSERT(!p->closing);
	er_kv_end_readings(p);
	er_kv_end_lists(p);
	p->closing = true;
	p->closed = closed;
	p->closed_ctx = ctx;
	er_kv_settle(p);
}
