#include "isolate/internal.h"

#include "base/mem.h"
#include "http/identity.h"
#include "isolate/block.h"

#include <stdio.h>

enum { MAGIC = 0x43414c4c };

static void on_cancel(void *ctx, er_exchange *x, er_err_kind reason);

er_call *er_call_new(er_instance *in, er_exchange *x)
{
	er_list *spare = er_list_pop(&in->host->spare_calls);
	er_call *c = spare ? ER_CONTAINER(spare, er_call, link) : ER_NEW(er_call);
	*c = (er_call){.magic = MAGIC, .instance = in};
	c->x = er_exchange_ref(x);
	c->started_us = x->facts.started_us != 0 ? x->facts.started_us : er_clock_mono_us();
	er_list_init(&c->link);
	er_list_init(&c->queue);
	er_list_init(&c->subs);
	x->on_cancel = on_cancel;
	x->handler_ctx = c;
	return c;
}

static void let_go_of_exchange(er_call *c)
{
	er_exchange *x = c->x;
	if (x == NULL)
		return;
	c->x = NULL;
	if (!x->answered) {
		x->on_cancel = NULL;
		x->handler_ctx = NULL;
	}
	er_exchange_unref(x);
}

void er_call_free(er_call *c)
{
	ER_CHECK(c, MAGIC);
	er_instance *in = c->instance;
	while (!er_list_empty(&c->subs))
		er_sub_free(ER_CONTAINER(c->subs.next, er_sub, link), ER_ERR_CANCELLED);
	er_inflow_fini(&c->response, ER_ERR_CANCELLED);
	er_outflow_fini(&c->upload);
	er_list_remove(&c->queue);
	er_list_remove(&c->link);
	if (c->id != 0)
		er_idmap_del(&in->by_id, c->id);
	let_go_of_exchange(c);
	er_call_streamed(c);
	c->magic = 0;
	er_list_push(&in->host->spare_calls, &c->link);
	er_instance_call_over(in);
}

void er_call_cpu(er_call *c, uint32_t cpu_us)
{
	if (cpu_us > c->cpu_us)
		c->cpu_us = cpu_us;
	if (c->streams == NULL)
		return;
	c->streams->facts.cpu_us = c->cpu_us;
	c->streams->facts.subrequests = c->subrequests;
}

void er_call_streamed(er_call *c)
{
	er_exchange_unref(c->streams);
	c->streams = NULL;
}

/* The client is gone. The sandbox is told, and the call stays until it says DONE: what runs there still counts. */
static void on_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	er_call *c = ctx;
	ER_CHECK(c, MAGIC);
	ER_ASSERT(c->x == x);
	er_inflow_fini(&c->response, reason);
	let_go_of_exchange(c);
	if (!c->sent) {
		er_call_free(c);
		return;
	}
	er_instance_say(c->instance, (er_frame){.type = ER_FRAME_CANCEL, .id = c->id, .aux = (uint16_t)reason}, (er_slice){0});
}

/* ---- the request ---- */

bool er_call_send(er_call *c)
{
	er_exchange *x = c->x;
	er_instance *in = c->instance;
	char client[ER_ADDRESS_TEXT];
	er_slice remote = er_address_text(&x->client, client);
	size_t block = er_block_n(&x->req.fields);
	size_t url = x->req.scheme.n + 3 + x->req.authority.n + x->req.target.n;
	const er_slice key1 = ER_LIT("remote_addr\n"), key2 = ER_LIT("\nscheme\n");
	size_t info = key1.n + remote.n + key2.n + x->req.scheme.n + 1;
	size_t whole = 4 * 4 + x->req.method.n + url + block + info;
	if (whole > ER_FRAME_MAX) {
		er_call_fail(c, 431, ER_ERR_TOO_LARGE, 0, 0, "The request's head does not fit what a routine may get.");
		er_call_free(c);
		return true;
	}

	er_body *body = x->req.body;
	size_t inline_n = 0;
	uint8_t flags = 0;
	int64_t length = body ? er_body_length(body) : 0;
	if (body != NULL) {
		flags = ER_FF_BODY;
		if (er_body_finished(body) && er_body_buffered(body) <= ER_INLINE_BODY && er_body_untouched(body) &&
		    whole + er_body_buffered(body) <= ER_FRAME_MAX) {
			inline_n = er_body_buffered(body);
			flags |= ER_FF_INLINE;
			length = (int64_t)inline_n;
		}
	}
	er_frame f = {.n = (uint32_t)(whole + inline_n), .type = ER_FRAME_REQUEST, .flags = flags, .id = c->id};
	f.arg = length < 0 || length >= ER_LEN_UNKNOWN ? ER_LEN_UNKNOWN : (uint32_t)length;
	uint8_t *p = er_instance_frame_out(in, &f);
	if (p == NULL)
		return false;
	er_writer w = {p};
	er_put_string(&w, x->req.method);
	er_put_u32(&w, (uint32_t)url);
	er_put_bytes(&w, x->req.scheme);
	er_put_bytes(&w, ER_LIT("://"));
	er_put_bytes(&w, x->req.authority);
	er_put_bytes(&w, x->req.target);
	er_put_u32(&w, (uint32_t)block);
	er_block_put(&w, &x->req.fields);
	er_put_u32(&w, (uint32_t)info);
	er_put_bytes(&w, key1);
	er_put_bytes(&w, remote);
	er_put_bytes(&w, key2);
	er_put_bytes(&w, x->req.scheme);
	*w.p++ = '\n';
	if (inline_n > 0)
		er_body_peek(body, w.p, inline_n);
	c->sent = true;
	er_list_remove(&c->queue);
	if (body != NULL)
		er_outflow_init(&c->upload, in, body, c->id, false);
	return true;
}

/* ---- the response ---- */

static er_body *relayed_body(er_call *c, er_reader *r)
{
	uint32_t id = er_get_u32(r), is_sub = er_get_u32(r);
	if (r->bad)
		return NULL;
	if (is_sub) {
		er_sub *s = er_idmap_get(&c->instance->subs, id);
		return s != NULL && s->call == c ? er_outflow_take(&s->response) : NULL;
	}
	return id == c->id ? er_outflow_take(&c->upload) : NULL;
}

static bool response_body(er_call *c, const er_frame *f, er_reader *r)
{
	er_exchange *x = c->x;
	if (f->flags & ER_FF_INLINE) {
		if (r->rest.n > 0)
			x->res.body = er_body_lend(r->rest);
	} else if (f->flags & ER_FF_STREAM) {
		const er_slice *cl = er_fields_get(&x->res.fields, ER_LIT("content-length"));
		uint64_t n;
		int64_t length = cl && er_slice_u64(*cl, &n) && n <= INT64_MAX ? (int64_t)n : ER_BODY_UNKNOWN;
		x->res.body = er_inflow_init(&c->response, c->instance, c->id, false, length);
	} else if (f->flags & ER_FF_RELAY) {
		x->res.body = relayed_body(c, r);
		return !r->bad && x->res.body != NULL;
	}
	return true;
}

/* False: the sandbox broke the rules of the channel. A head that is merely too large or malformed is the routine's error, and fails its request. */
bool er_call_on_response(er_call *c, const er_frame *f, er_slice payload)
{
	if (c->answered)
		return false;
	er_exchange *x = c->x;
	c->cpu_us = f->arg;
	if (x == NULL) { /* the client has left */
		/* The sandbox has not heard of it yet: what it may send of the body at first is no fault of its. */
		c->response.allowed = f->flags & ER_FF_STREAM ? ER_CREDIT_START : 0;
		if (f->flags & ER_FF_STREAM)
			er_instance_say(c->instance, (er_frame){.type = ER_FRAME_BODY_CANCEL, .id = c->id, .aux = ER_ERR_CLIENT_GONE},
			                (er_slice){0});
		if (f->flags & ER_FF_DONE)
			er_call_free(c);
		else
			c->answered = true;
		return true;
	}
	/* The payload is shared with the sandbox: each length is read once, each piece copied once before anybody looks at it. */
	er_reader r = {.rest = payload};
	er_slice reason = er_arena_copy(&x->arena, er_get_string(&r));
	er_slice block = er_arena_copy(&x->arena, er_get_string(&r));
	if (r.bad || f->aux < 200 || f->aux > 599)
		return false;
	x->res = (er_response){.status = f->aux};
	if (er_field_value_ok(reason))
		x->res.reason = reason;
	if (!er_block_read(block, &x->arena, &x->res.fields, er_field_hop_by_hop)) {
		er_call_fail(c, 599, ER_ERR_TOO_LARGE, 0, 0,
		             "The routine's response head is malformed or too large (32 KB, 100 fields).");
		return true;
	}
	if (!response_body(c, f, &r)) {
		if (r.bad)
			return false;
		/* It broke off, or was let go, while the sandbox said this. */
		er_call_fail(c, 502, ER_ERR_RESPONSE, 0, 0, "The body that the routine wanted to pass on is not there any more.");
		return true;
	}
	er_body *lent = f->flags & ER_FF_INLINE ? er_body_ref(x->res.body) : NULL;
	c->answered = true;
	x->facts.cpu_us = c->cpu_us;
	x->facts.subrequests = c->subrequests;
	/* Let go first: the asker holds x as well, and can only use it again for the next request when nobody else does. */
	if ((f->flags & ER_FF_DONE) && c->response.body == NULL)
		er_call_free(c);
	else {
		if (c->response.body != NULL)
			c->streams = er_exchange_ref(x);
		let_go_of_exchange(c);
	}
	er_exchange_answer(x);
	if (lent != NULL)
		er_body_loan_over(lent);
	return true;
}

/* ---- failures ---- */

void er_call_fail(er_call *c, int status, er_err_kind kind, uint64_t used, uint64_t limit, const char *text)
{
	er_exchange *x = c->x;
	if (c->answered || x == NULL) {
		if (c->streams != NULL)
			c->streams->facts.failed = kind;
		er_inflow_fini(&c->response, kind);
		return;
	}
	c->answered = true;
	x->facts.failed = status >= 500 ? kind : ER_ERR_OK;
	x->facts.cpu_us = c->cpu_us;
	x->facts.subrequests = c->subrequests;
	x->on_cancel = NULL;
	if (c->instance->routine->fallback && !(x->req.body != NULL && !er_body_untouched(x->req.body))) {
		er_exchange_ref(x);
		er_outflow_fini(&c->upload);
		let_go_of_exchange(c);
		er_exchange_start(x, c->instance->host->standard);
		er_exchange_unref(x);
		return;
	}
	char detail[80];
	if (kind == ER_ERR_MEMORY && used > 0)
		snprintf(detail, sizeof detail, "used=%lluMB; limit=%lluMB", (unsigned long long)(used + 1023) / 1024,
		         (unsigned long long)limit / 1024);
	else if (kind == ER_ERR_MEMORY)
		snprintf(detail, sizeof detail, "limit=%lluMB", (unsigned long long)limit / 1024);
	else if (limit > 0)
		snprintf(detail, sizeof detail, "used=%llums; limit=%llums", (unsigned long long)(used + 999) / 1000,
		         (unsigned long long)limit / 1000);
	er_exchange_fail(x, status, kind, limit > 0 ? detail : NULL, "%s", text);
	let_go_of_exchange(c);
	er_exchange_answer(x);
}

static const char *text_of(er_err_kind why)
{
	switch (why) {
	case ER_ERR_CPU:
		return "The routine used more CPU time than a request may.";
	case ER_ERR_MEMORY:
		return "The routine used more memory than it may.";
	case ER_ERR_PROTOCOL:
		return "The routine's sandbox broke the rules and was ended.";
	case ER_ERR_UNAVAILABLE:
		return "No sandbox could be started for the routine.";
	case ER_ERR_CANCELLED:
		return "The node is stopping.";
	default:
		return "The routine's sandbox crashed.";
	}
}

void er_call_orphaned(er_call *c, bool blamed, er_err_kind why, uint64_t used, uint64_t limit)
{
	er_exchange *x = c->x;
	bool again = x != NULL && !c->answered && !c->touched && !blamed && c->retries < RETRIES && why != ER_ERR_CANCELLED &&
	             why != ER_ERR_UNAVAILABLE && (x->req.body == NULL || er_body_untouched(x->req.body));
	if (again) {
		uint8_t retries = c->retries + 1;
		er_service *s = c->instance->service;
		er_exchange_ref(x);
		er_call_free(c);
		er_service_dispatch(s, x, retries);
		er_exchange_unref(x);
		return;
	}
	if (blamed && why == ER_ERR_CPU)
		c->cpu_us = (uint32_t)used;
	int status = why == ER_ERR_UNAVAILABLE || why == ER_ERR_CANCELLED ? 503 : 599;
	if (blamed)
		er_call_fail(c, status, why, used, limit, text_of(why));
	else
		er_call_fail(c, status, why, 0, 0,
		             why == ER_ERR_UNAVAILABLE || why == ER_ERR_CANCELLED
		                 ? text_of(why)
		                 : "The routine's sandbox was ended while another request was running in it, and this one could not be "
		                   "tried again.");
	er_call_free(c);
}

void er_call_expire(er_call *c)
{
	const er_limits *l = &c->instance->routine->limits;
	c->expired = true;
	uint64_t used_us = er_clock_mono_us() - c->started_us;
	const er_isolate_events *ev = &c->instance->host->config.events;
	er_stat_add(&c->instance->host->stats.kills[ER_ERR_TIMEOUT], 1);
	if (ev->killed)
		ev->killed(ev->ctx, c->instance->routine, c->x, ER_ERR_TIMEOUT, used_us / 1000, l->response_ms);
	er_call_fail(c, 504, ER_ERR_TIMEOUT, used_us, l->response_ms * 1000ULL, "The routine did not finish its response in time.");
	if (!c->sent)
		er_call_free(c);
	else
		er_instance_say(c->instance, (er_frame){.type = ER_FRAME_CANCEL, .id = c->id, .aux = ER_ERR_TIMEOUT}, (er_slice){0});
}

/* The routine does not answer: the rest of the chain does, with a body that nobody has read from. */
void er_call_on_pass(er_call *c)
{
	er_exchange *x = c->x;
	if (c->answered || x == NULL)
		return;
	if (x->req.body != NULL && !er_body_untouched(x->req.body)) {
		er_call_fail(c, 599, ER_ERR_EXCEPTION, 0, 0, "The routine read the request's body and then passed the request on.");
		return;
	}
	c->answered = true;
	x->facts.cpu_us = c->cpu_us;
	er_outflow_fini(&c->upload);
	er_exchange_ref(x);
	let_go_of_exchange(c);
	er_exchange_start(x, c->instance->host->standard);
	er_exchange_unref(x);
}

void er_call_on_exception(er_instance *in, er_call *c, const er_frame *f, er_slice payload)
{
	er_buf copy, stack;
	er_buf_init(&copy);
	er_buf_init(&stack);
	er_buf_put(&copy, payload);
	er_reader r = {.rest = er_buf_slice(&copy)};
	er_slice name = er_get_string(&r), message = er_get_string(&r), raw = er_get_string(&r);
	er_sourcemap_stack(er_service_map(in->service, in->code), in->routine->source_url, raw, &stack);
	bool fatal = f->flags & ER_FF_FATAL;
	const er_isolate_events *ev = &in->host->config.events;
	er_stat_add(&in->host->stats.kills[ER_ERR_EXCEPTION], fatal);
	if (ev->exception)
		ev->exception(ev->ctx, in->routine, c ? c->x : NULL, name, message, er_buf_slice(&stack), fatal);
	/* Whose memory ran out may be in any state: it must not answer another request, whatever it does next. */
	if (fatal && f->aux == ER_ERR_MEMORY) {
		in->culprit_gone = c != NULL;
		er_instance_kill(in, ER_ERR_MEMORY, er_instance_used_kb(in), in->routine->limits.memory_kb);
	}
	if (fatal && c != NULL) {
		char text[600] = "The routine threw an exception.";
		if (in->host->config.show_errors)
			snprintf(text, sizeof text, "The routine threw: %.*s: %.*s", ER_FMT(er_slice_head(name, 60)),
			         ER_FMT(er_slice_head(message, 400)));
		c->cpu_us = f->arg;
		er_call_fail(c, 599, f->aux == ER_ERR_MEMORY ? ER_ERR_MEMORY : ER_ERR_EXCEPTION,
		             f->aux == ER_ERR_MEMORY ? in->kill_used : 0, f->aux == ER_ERR_MEMORY ? in->routine->limits.memory_kb : 0,
		             f->aux == ER_ERR_MEMORY ? text_of(ER_ERR_MEMORY) : text);
		er_call_free(c);
	}
	er_buf_fini(&copy);
	er_buf_fini(&stack);
}
