/* A call, from the exchange that the service gives it to DONE (call.h has the picture).
 *
 * The call holds up to two references of its exchange: c->x while the exchange is its to answer,
 * c->account from the answer (or the client's leaving) to the call's end. Each function that
 * answers or passes on lets go of c->x first, for the asker can use an exchange again only if
 * nobody else holds it. */
#include "isolate/internal.h"

#include "base/mem.h"
#include "http/identity.h"
#include "http/status.h"
#include "isolate/block.h"

#include <stdio.h>

enum {
	MAGIC = 0x43414c4c,
	RETRIES = 2,            /* a call that lost its instance unharmed is tried again so often */
	SHOWN_STACK = 4 * 1024, /* of a stack, to a client at the desk */
};

static void on_cancel(void *ctx, er_exchange *x, er_err_kind reason);

er_call *er_call_new(er_instance *in, er_exchange *x)
{
	ER_ASSERT(!x->answered && x->on_cancel == NULL);
	er_list *spare = er_list_pop(&in->host->spare_calls);
	er_call *c = spare ? ER_CONTAINER(spare, er_call, link) : ER_NEW(er_call);
	*c = (er_call){.magic = MAGIC, .instance = in};
	c->x = er_exchange_ref(x);
	c->started_us = x->facts.started_us != 0 ? x->facts.started_us : er_clock_mono_us();
	er_list_init(&c->link);
	c->moved_us = c->started_us;
	er_list_init(&c->queue);
	er_list_init(&c->timed);
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

/* The answer leaves before the work is over: whoever counts is to hear of the rest. */
static void keep_account(er_call *c, er_exchange *x)
{
	ER_ASSERT(c->x == x && c->account == NULL);
	c->account = er_exchange_keep(x);
}

static void settle(er_call *c)
{
	er_exchange *x = c->account;
	if (x == NULL)
		return;
	c->account = NULL;
	x->facts.cpu_us = c->cpu_us;
	er_exchange_settle(x);
}

void er_call_free(er_call *c)
{
	ER_CHECK(c, MAGIC);
	er_instance *in = c->instance;
	/* The one place where a call's questions end with it. Neither the answer nor a client that
	 * leaves ends them: a routine's work may go on (waitUntil), and its account is open as long. */
	while (!er_list_empty(&c->subs))
		er_sub_free(ER_CONTAINER(c->subs.next, er_sub, link), ER_ERR_CANCELLED);
	er_inflow_fini(&c->response, ER_ERR_CANCELLED);
	in->n_sockets -= c->switched;
	if (c->switched)
		er_outflow_cancel(&c->upload, ER_ERR_CANCELLED);
	er_outflow_fini(&c->upload);
	er_list_remove(&c->queue);
	er_list_remove(&c->link);
	er_list_remove(&c->timed);
	if (c->id != 0)
		er_idmap_del(&in->by_id, c->id);
	let_go_of_exchange(c);
	ER_ASSERT(er_list_empty(&c->subs) && c->response.body == NULL && c->upload.body == NULL);
	in->cpu_told_us += c->cpu_us;
	settle(c);
	ER_ASSERT(c->x == NULL && c->account == NULL);
	c->magic = 0;
	er_list_push(&in->host->spare_calls, &c->link);
	er_instance_call_over(in);
}

void er_call_cpu(er_call *c, uint32_t cpu_us)
{
	if (cpu_us > c->cpu_us)
		c->cpu_us = cpu_us;
	if (c->account != NULL)
		c->account->facts.cpu_us = c->cpu_us;
}

/* The client is gone. The sandbox is told, and the call stays until it says DONE: what runs there
 * still counts. */
static void on_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	er_call *c = ctx;
	ER_CHECK(c, MAGIC);
	ER_ASSERT(c->x == x);
	er_inflow_fini(&c->response, reason);
	if (c->sent) { /* what the sandbox goes on to say is still about that request */
		x->facts.cpu_us = c->cpu_us;
		keep_account(c, x);
	}
	let_go_of_exchange(c);
	if (!c->sent) {
		er_call_free(c);
		return;
	}
	er_instance_say(c->instance, (er_frame){.type = ER_FRAME_CANCEL, .id = c->id, .aux = (uint16_t)reason}, (er_slice){0});
}

/* ---- the request ---- */

/* What is known of the client, or of the time that it is. */
static er_slice info_of(const er_call *c, er_exchange *x)
{
	if (!x->timed.on)
		return c->instance->host->config.place != NULL ? c->instance->host->config.place(c->instance->host->config.place_ctx, x)
		                                               : (er_slice){0};
	return er_arena_printf(&x->arena, "cron\n%.*s\nscheduledTime\n%lld\n", ER_FMT(x->timed.cron), (long long)x->timed.at_ms);
}

bool er_call_send(er_call *c)
{
	er_exchange *x = c->x;
	er_instance *in = c->instance;
	ER_CHECK(c, MAGIC);
	ER_ASSERT(x != NULL && !c->sent && c->id != 0);
	char client[ER_ADDRESS_TEXT];
	er_slice remote = er_address_text(&x->peer.address, client);
	size_t block = er_block_n(&x->req.fields);
	size_t url = x->req.scheme.n + 3 + x->req.authority.n + x->req.target.n;
	const er_slice key1 = ER_LIT("remote_addr\n"), key2 = ER_LIT("\nscheme\n"), key3 = ER_LIT("\nhttpProtocol\n");
	er_slice protocol = er_protocol_name(x->peer.protocol), place = info_of(c, x);
	size_t info = key1.n + remote.n + key2.n + x->req.scheme.n + key3.n + protocol.n + 1 + place.n;
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
			/* a length that nobody said stays unknown: whether all of it is here by now is
			 * chance */
			flags |= ER_FF_INLINE;
		}
	}
	er_frame f = {.n = (uint32_t)(whole + inline_n), .type = ER_FRAME_REQUEST, .flags = flags, .aux = x->timed.on, .id = c->id};
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
	er_put_bytes(&w, key3);
	er_put_bytes(&w, protocol);
	*w.p++ = '\n';
	er_put_bytes(&w, place);
	ER_ASSERT(w.p == p + whole);
	if (inline_n > 0)
		er_body_peek(body, w.p, inline_n);
	c->sent = true;
	er_list_remove(&c->queue);
	if (body != NULL)
		er_outflow_init(&c->upload, in, body, c->id, false);
	return true;
}

/* ---- the response ---- */

static er_body *relayed_body(er_call *c, er_reader *r, er_body **up)
{
	uint32_t id = er_get_u32(r), is_sub = er_get_u32(r);
	*up = NULL;
	if (r->bad)
		return NULL;
	if (is_sub) {
		er_sub *s = er_idmap_get(&c->instance->subs, id);
		return s != NULL && s->call == c ? er_sub_relay(s, up) : NULL;
	}
	return id == c->id ? er_outflow_take(&c->upload) : NULL;
}

/* The answer's body, in one of its three forms (RESPONSE in channel/frame.h). False: against the
 * rules. */
static bool response_body(er_call *c, const er_frame *f, er_reader *r)
{
	er_exchange *x = c->x;
	if (f->flags & ER_FF_INLINE) {
		if (r->rest.n > 0)
			x->res.body = er_body_lend(r->rest);
	} else if (f->flags & ER_FF_STREAM) {
		uint64_t n = er_get_u64(r);
		if (r->bad)
			return false;
		int64_t length = n <= INT64_MAX ? (int64_t)n : ER_BODY_UNKNOWN;
		/* What the routine says of a length is about another body, or no more than its word. */
		er_fields_del(&x->res.fields, ER_LIT("content-length"));
		x->res.body = er_inflow_init(&c->response, c->instance, c->id, false, length);
	} else if (f->flags & ER_FF_RELAY) {
		x->res.body = relayed_body(c, r, &x->res.up);
		return !r->bad && x->res.body != NULL;
	}
	return true;
}

/* The other direction of a 101, as whoever gives the answer's body has it: the sandbox itself, or
 * what it relays. An answer of another status has none. False: there cannot be such an answer. */
static bool other_direction(er_call *c, const er_frame *f)
{
	er_exchange *x = c->x;
	if (er_status_switches(f->aux) && (f->flags & ER_FF_STREAM)) {
		x->res.up = er_body_new(ER_BODY_UNKNOWN);
		er_outflow_init(&c->upload, c->instance, x->res.up, c->id, false);
		c->upload.messages = c->switched = true;
		c->instance->n_sockets++;
		er_list_remove(&c->timed);
	} else if (!er_status_switches(f->aux)) {
		er_body_forsake(&x->res.up, ER_ERR_CANCELLED);
	}
	return er_status_switches(f->aux) == (x->res.up != NULL);
}

/* The sandbox says no more of a request when its response said DONE as well, also if the response
 * was refused. */
static void end_if_done(er_call *c, const er_frame *f)
{
	if (f->flags & ER_FF_DONE)
		er_call_free(c);
}

/* `why`: as er_block_read says it. */
static void refuse_head(er_call *c, er_slice block, const char *why)
{
	er_slice name, said;
	er_err_kind kind = ER_ERR_HEADER;
	er_arena *a = &c->x->arena;
	if (!er_block_malformed(block, &name)) {
		kind = ER_ERR_TOO_LARGE;
		said = er_arena_printf(a, "The routine's response cannot be sent: %s.", why);
	} else if (!er_field_name_ok(name)) {
		said = ER_LIT("The routine's response has a header whose name is no token: HTTP cannot carry it.");
	} else {
		said = er_arena_printf(a,
		                       "The routine's response has a control character in the value of the header \"%.*s\": "
		                       "HTTP cannot carry it.",
		                       ER_FMT(er_slice_head(name, 100)));
	}
	er_call_fail(c, 599, kind, 0, 0, er_arena_cstr(a, said));
}

static void refuse_body(er_call *c)
{
	/* It broke off, or was let go, while the sandbox said this. */
	er_call_fail(c, 502, ER_ERR_RESPONSE, 0, 0, "The body that the routine wanted to pass on is not there any more.");
}

/* BAD: the sandbox broke the rules. REFUSED: the call has failed. */
typedef enum head { HEAD_READ, HEAD_REFUSED, HEAD_BAD } head;

/* The payload is shared with the sandbox: each length is read once, each piece copied once before
 * anybody looks at it. */
static head response_head(er_call *c, er_reader *r)
{
	er_exchange *x = c->x;
	er_slice reason = er_arena_copy(&x->arena, er_get_string(r));
	er_slice block = er_arena_copy(&x->arena, er_get_string(r));
	if (r->bad)
		return HEAD_BAD;
	if (er_field_value_ok(reason))
		x->res.reason = reason;
	const char *why;
	if (er_block_read(block, &x->arena, &x->res.fields, er_identity_not_to_answer, &why))
		return HEAD_READ;
	refuse_head(c, block, why);
	return HEAD_REFUSED;
}

/* The head that the node said to the sandbox (SUB_HEAD with KEPT). `r` is a copy: the body's key is
 * read again by whoever takes the body. */
static head kept_head(er_call *c, const er_frame *f, er_reader r)
{
	uint32_t id = er_get_u32(&r), is_sub = er_get_u32(&r);
	if (r.bad || !(f->flags & ER_FF_RELAY) || !is_sub)
		return HEAD_BAD;
	const er_sub *s = er_idmap_get(&c->instance->subs, id);
	if (s == NULL || s->call != c) {
		refuse_body(c);
		return HEAD_REFUSED;
	}
	if (s->kept == NULL)
		return HEAD_BAD;
	er_sub_copy_head(&s->kept->res, &c->x->res, &c->x->arena);
	return HEAD_READ;
}

void er_call_answer_with(er_call *c, er_exchange *with)
{
	er_exchange *x = c->x;
	ER_CHECK(c, MAGIC);
	ER_ASSERT(x != NULL && !c->answered && with != x);
	x->res = (er_response){.status = with->res.status};
	er_sub_copy_head(&with->res, &x->res, &x->arena);
	if (with->res.body != NULL)
		x->res.body = er_body_ref(with->res.body);
	x->res.up = with->res.up;
	with->res.up = NULL;
	c->answered = true;
	x->facts.cpu_us = c->cpu_us;
	er_call_moved(c);
	keep_account(c, x);
	let_go_of_exchange(c);
	er_exchange_answer(x);
}

/* One more WebSocket. False: the call has failed. */
static bool has_room(er_call *c)
{
	uint32_t most = c->instance->routine->limits.sockets;
	if (c->instance->n_sockets < most)
		return true;
	char text[200];
	snprintf(text, sizeof text, "The routine has %u WebSockets open in this instance already (limits.sockets).", most);
	c->response.allowed = ER_CREDIT_START; /* what it may send before it hears of this */
	er_call_fail(c, 503, ER_ERR_UNAVAILABLE, 0, 0, text);
	return false;
}

/* False: the sandbox broke the rules of the channel. A head that is merely too large or malformed
 * is the routine's error, and fails its request. */
bool er_call_on_response(er_call *c, const er_frame *f, er_slice payload)
{
	if (c->answered)
		return false;
	er_exchange *x = c->x;
	er_call_cpu(c, f->arg);
	/* else nothing of it follows: no clock is read */
	if ((f->flags & (ER_FF_DONE | ER_FF_STREAM)) != ER_FF_DONE)
		er_call_moved(c);
	if (x == NULL) { /* the client has left */
		/* The sandbox has not heard of it yet: what it may send of the body at first is no
		 * fault of its. */
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
	er_reader r = {.rest = payload};
	if (er_status_switches(f->aux) ? !x->req.upgrade : !er_status_final(f->aux))
		return false;
	x->res = (er_response){.status = f->aux};
	switch (f->flags & ER_FF_KEPT ? kept_head(c, f, r) : response_head(c, &r)) {
	case HEAD_BAD:
		return false;
	case HEAD_REFUSED:
		end_if_done(c, f);
		return true;
	case HEAD_READ:
		break;
	}
	if (er_status_switches(f->aux) && (f->flags & ER_FF_STREAM) && !has_room(c)) {
		er_instance_say(c->instance, (er_frame){.type = ER_FRAME_BODY_CANCEL, .id = c->id, .aux = ER_ERR_UNAVAILABLE},
		                (er_slice){0});
		return true;
	}
	if (!response_body(c, f, &r) || !other_direction(c, f)) {
		if (r.bad)
			return false;
		refuse_body(c);
		end_if_done(c, f);
		return true;
	}
	if (c->switched && (c->instance->closing || c->instance->host->no_sockets))
		er_instance_say(c->instance, (er_frame){.type = ER_FRAME_CANCEL, .id = c->id, .aux = ER_ERR_CANCELLED}, (er_slice){0});
	er_body *lent = f->flags & ER_FF_INLINE ? er_body_ref(x->res.body) : NULL;
	c->answered = true;
	x->facts.cpu_us = c->cpu_us;
	/* Let go first: the asker holds x as well, and can only use it again for the next request when
	 * nobody else does. */
	if ((f->flags & ER_FF_DONE) && c->response.body == NULL)
		er_call_free(c);
	else {
		keep_account(c, x);
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
	ER_CHECK(c, MAGIC);
	ER_ASSERT(status >= 500 || status == 431);
	if (c->answered || x == NULL) {
		if (c->account != NULL)
			c->account->facts.failed = kind;
		er_inflow_fini(&c->response, kind);
		return;
	}
	c->answered = true;
	keep_account(c, x); /* until the call is freed, which may be at once */
	x->facts.failed = status >= 500 ? kind : ER_ERR_OK;
	x->facts.cpu_us = c->cpu_us;
	x->on_cancel = NULL;
	if (c->instance->routine->fallback && !x->timed.on && !(x->req.body != NULL && !er_body_untouched(x->req.body))) {
		er_exchange_ref(x);
		er_outflow_pass(&c->upload);
		let_go_of_exchange(c);
		er_exchange_pass(x, er_chain_behind(x->chain, ER_AT_ROUTINE));
		er_exchange_unref(x);
		return;
	}
	char detail[120];
	uint64_t asked = kind == ER_ERR_MEMORY ? er_instance_asked_kb(c->instance) : 0;
	if (kind == ER_ERR_MEMORY && used > 0)
		snprintf(detail, sizeof detail, "used=%lluMB; limit=%lluMB", (unsigned long long)(used + 1023) / 1024,
		         (unsigned long long)limit / 1024);
	else if (kind == ER_ERR_MEMORY && asked > 0)
		snprintf(detail, sizeof detail, "limit=%lluMB; asked=%lluMB", (unsigned long long)limit / 1024,
		         (unsigned long long)(asked + 1023) / 1024);
	else if (kind == ER_ERR_MEMORY)
		snprintf(detail, sizeof detail, "limit=%lluMB", (unsigned long long)limit / 1024);
	else if (kind == ER_ERR_CPU && limit > 0)
		snprintf(detail, sizeof detail, "used=%llums; limit=%llums; budget=%s", (unsigned long long)(used + 999) / 1000,
		         (unsigned long long)limit / 1000, er_budget_name(c->instance->budget));
	else if (limit > 0)
		snprintf(detail, sizeof detail, "used=%llums; limit=%llums", (unsigned long long)(used + 999) / 1000,
		         (unsigned long long)limit / 1000);
	er_slice all = er_slice_cstr(text);
	size_t line = er_slice_find(all, '\n');
	char first[600];
	snprintf(first, sizeof first, "%.*s", (int)(line < sizeof first ? line : sizeof first - 1), text);
	er_exchange_fail(x, status, kind, limit > 0 ? detail : NULL, "%s", first);
	if (line < all.n) {
		er_body_unref(x->res.body);
		x->res.body = er_body_of(er_piece_copy(all));
	}
	let_go_of_exchange(c);
	er_exchange_answer(x);
}

static const char *text_of_cpu(er_budget budget)
{
	switch (budget) {
	case ER_BUDGET_TOP_LEVEL:
		return "The routine's top-level code used more CPU time than it may (limits.loadCpuMs).";
	case ER_BUDGET_BACKGROUND:
		return "What the routine does outside of requests used more CPU time than it may.";
	case ER_BUDGET_ENGINE:
		return "Collecting the routine's garbage used more CPU time than it may.";
	case ER_BUDGET_INSTANCE:
		return "The routine's sandbox used more CPU time than all its requests may.";
	default:
		return "The routine used more CPU time than a request may (limits.cpuMs).";
	}
}

static const char *text_of(er_err_kind why)
{
	switch (why) {
	case ER_ERR_MEMORY:
		return "The routine used more memory than it may, or asked for more at once than was left.";
	case ER_ERR_PROTOCOL:
		return "The routine's sandbox broke the rules and was ended.";
	case ER_ERR_UNAVAILABLE:
		return "No sandbox could be started for the routine.";
	case ER_ERR_CANCELLED:
		return "The node is stopping.";
	case ER_ERR_HUNG:
		return "The routine can never answer: it waits for a promise that nothing under way can settle (no timer, no subrequest, "
		       "no read, no other request of the same instance).";
	default:
		return "The routine's sandbox crashed.";
	}
}

er_exchange *er_call_orphaned(er_call *c, bool blamed, er_err_kind why, uint64_t used, uint64_t limit, uint8_t *retries)
{
	er_exchange *x = c->x;
	ER_CHECK(c, MAGIC);
	ER_ASSERT(c->instance->state.now == INSTANCE_DEAD && c->retries <= RETRIES);
	bool again = x != NULL && !c->answered && !c->touched && !blamed && c->retries < RETRIES && why != ER_ERR_CANCELLED &&
	             why != ER_ERR_UNAVAILABLE && (x->req.body == NULL || er_body_untouched(x->req.body));
	if (again) {
		*retries = c->retries + 1;
		er_exchange_ref(x);
		er_call_free(c);
		return x;
	}
	if (blamed && why == ER_ERR_CPU)
		c->cpu_us = (uint32_t)used;
	int status = why == ER_ERR_UNAVAILABLE || why == ER_ERR_CANCELLED ? 503 : 599;
	if (blamed)
		er_call_fail(c, status, why, used, limit, why == ER_ERR_CPU ? text_of_cpu(c->instance->budget) : text_of(why));
	else
		er_call_fail(c, status, why, 0, 0,
		             why == ER_ERR_UNAVAILABLE || why == ER_ERR_CANCELLED
		                 ? text_of(why)
		                 : "The routine's sandbox was ended while another request was running in it, and this one could not be "
		                   "tried again.");
	er_call_free(c);
	return NULL;
}

void er_call_moved(er_call *c)
{
	if (c->expired || c->switched || c->id == 0)
		return;
	c->moved_us = er_clock_mono_us();
	er_list_remove(&c->timed);
	er_list_push(&c->instance->timed, &c->timed);
}

void er_call_expire(er_call *c)
{
	const er_limits *l = &c->instance->routine->limits;
	ER_ASSERT(!c->expired);
	c->expired = true;
	uint64_t used_us = er_clock_mono_us() - c->moved_us;
	er_instance_report(c->instance, er_call_exchange(c), ER_ERR_TIMEOUT, used_us, l->response_ms * 1000ULL);
	er_call_fail(c, 504, ER_ERR_TIMEOUT, used_us, l->response_ms * 1000ULL, "The routine did not finish its response in time.");
	if (!c->sent)
		er_call_free(c);
	else
		er_instance_say(c->instance, (er_frame){.type = ER_FRAME_CANCEL, .id = c->id, .aux = ER_ERR_TIMEOUT}, (er_slice){0});
}

/* The routine does not answer: the rest of the chain does, with a body that nobody has
 * read from. */
void er_call_on_pass(er_call *c)
{
	er_exchange *x = c->x;
	if (c->answered || x == NULL)
		return;
	if (x->req.body != NULL && !er_body_untouched(x->req.body)) {
		er_call_fail(c, 599, ER_ERR_EXCEPTION, 0, 0, "The routine read the request's body and then passed the request on.");
		return;
	}
	ER_ASSERT(x->chain != NULL && !x->answered);
	c->answered = true;
	x->facts.cpu_us = c->cpu_us;
	keep_account(c, x);
	er_outflow_pass(&c->upload);
	er_exchange_ref(x);
	let_go_of_exchange(c);
	er_exchange_pass(x, er_chain_behind(x->chain, ER_AT_ROUTINE));
	er_exchange_unref(x);
}

/* The request fails with what its code threw. At the desk the client sees what that was,
 * and where. */
static void fail_with(er_call *c, er_err_kind kind, er_slice name, er_slice message, er_slice stack)
{
	const er_instance *in = c->instance;
	if (kind == ER_ERR_MEMORY) {
		er_call_fail(c, 599, kind, in->kill_used, in->routine->limits.memory_kb, text_of(kind));
		return;
	}
	if (kind == ER_ERR_HUNG || !in->host->config.show_errors) {
		er_call_fail(c, 599, kind, 0, 0, kind == ER_ERR_HUNG ? text_of(kind) : "The routine threw an exception.");
		return;
	}
	er_buf text = {0};
	er_buf_printf(&text, "The routine threw: %.*s: %.*s", ER_FMT(er_slice_head(name, 60)), ER_FMT(er_slice_head(message, 400)));
	er_buf_putc(&text, '\n');
	er_buf_put(&text, er_slice_head(stack, SHOWN_STACK));
	er_buf_putc(&text, '\0');
	er_call_fail(c, 599, kind, 0, 0, (const char *)er_buf_slice(&text).p);
	er_buf_fini(&text);
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
	er_err_kind kind = f->aux == ER_ERR_MEMORY || f->aux == ER_ERR_HUNG ? (er_err_kind)f->aux : ER_ERR_EXCEPTION;
	er_stat_add(&in->host->stats.kills[kind == ER_ERR_HUNG ? ER_ERR_HUNG : ER_ERR_EXCEPTION], fatal);
	if (ev->exception)
		ev->exception(ev->ctx, in->routine, c ? er_call_exchange(c) : NULL, name, message, er_buf_slice(&stack), fatal);
	/* Whose memory ran out may be in any state: it must not answer another request, whatever it
	 * does next. */
	if (fatal && f->aux == ER_ERR_MEMORY) {
		in->culprit_gone = c != NULL;
		er_instance_kill(in, ER_ERR_MEMORY, er_instance_memory_kb(in), in->routine->limits.memory_kb);
	}
	if (fatal && c != NULL) {
		er_call_cpu(c, f->arg);
		fail_with(c, kind, name, message, er_buf_slice(&stack));
		er_call_free(c);
	}
	er_buf_fini(&copy);
	er_buf_fini(&stack);
}
