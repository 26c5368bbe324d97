/* Receiving a request of the API: a call is made, and its body read, until the function of its row
 * runs.
 *
 *   who is it → which row of the table → may they → the body (if the row has one) → the row's
 *   function → perhaps an activation → the answer
 *
 * Who it is comes first: a stranger does not even learn which paths there are.
 *
 * A client that leaves while its body is read has asked for nothing yet: the call is dropped. From
 * the moment the function runs (run), leaving changes nothing: what was asked for is done, and the
 * answer goes nowhere.
 *
 * Bodies are bounded three times: each by its row, all of one token by ER_UPLOADS_SHARE, all
 * together by ER_UPLOADS_MAX. */
#include "base/mem.h"
#include "control/internal.h"

#include <arpa/inet.h>
#include <stdio.h>

/* ---- the body ---- */

/* An empty body is an empty object: a client need not send {} to say nothing. */
static bool parse_body(er_call *call)
{
	ER_ASSERT(call->api->body == ER_API_JSON && call->json == NULL);
	er_err err = {0};
	size_t at = 0;
	er_slice text = er_buf_slice(&call->body);
	call->json = er_json_parse(&call->parsed, text.n > 0 ? text : ER_LIT("{}"), ER_JSON_VALUES, &at, &err);
	if (call->json == NULL) {
		er_text_pos pos = er_text_where(text, at);
		return er_refuse_field(&call->problem, ER_LIT(""), "a JSON object", "the body is no JSON: line %u, column %u: %s",
		                       pos.line, pos.column, err.text);
	}
	if (call->json->type != ER_JSON_OBJECT)
		return er_refuse_field(&call->problem, ER_LIT(""), "a JSON object", "the body: an object is expected, not %s",
		                       er_json_type_name(call->json->type));
	return true;
}

/* The body is whole, or there is none. */
static void run(er_call *call)
{
	ER_ASSERT(!call->reading && call->api->run != NULL);
	/* A client that leaves from here on changes nothing: what it asked for is done. */
	call->x->on_cancel = NULL;
	if (call->control->closing)
		(void)er_refuse(&call->problem, ER_PROBLEM_UNAVAILABLE, "the node is stopping");
	else if (call->api->body != ER_API_JSON || parse_body(call)) {
		call->api->run(call);
		return;
	}
	er_call_refuse(call);
}

/* From here on the body does not call us any more. */
static void stop_reading(er_call *call)
{
	if (call->reading)
		er_body_sink(call->x->req.body, NULL, NULL);
	call->reading = false;
}

/* Whatever of the body is still to come is not read. */
static void refuse_body(er_call *call, er_problem_code code, const char *text)
{
	stop_reading(call);
	call->x->on_cancel = NULL;
	(void)er_refuse(&call->problem, code, "%s", text);
	er_call_refuse(call);
}

void er_call_abandon(er_call *call)
{
	refuse_body(call, ER_PROBLEM_UNAVAILABLE, "the node is stopping");
}

/* Bytes of the bodies that came with this call's token. */
static size_t share_of(const er_call *call)
{
	size_t sum = 0;
	ER_LIST_EACH(l, &call->control->calls)
	{
		const er_call *other = ER_CONTAINER(l, er_call, link);
		sum += er_call_same_token(call, other) ? other->body.cap : 0;
	}
	return sum;
}

/* The buffer's capacity is what is counted, not its length: that is what the memory costs. False:
 * refused, and the call is gone. */
static bool take_piece(er_call *call, er_piece *piece)
{
	ER_ASSERT(call->reading);
	size_t before = call->body.cap;
	er_buf_put_secret(&call->body, er_piece_slice(*piece));
	er_piece_drop(piece);
	call->control->uploads += call->body.cap - before;
	if (er_buf_len(&call->body) > call->api->most) {
		char text[160];
		snprintf(text, sizeof text, "the body has more than %u bytes, which is the most that is taken here", call->api->most);
		refuse_body(call, ER_PROBLEM_TOO_LARGE, text);
		return false;
	}
	if (call->control->uploads > ER_UPLOADS_MAX || (call->body.cap != before && share_of(call) > ER_UPLOADS_SHARE)) {
		refuse_body(call, ER_PROBLEM_UNAVAILABLE, "too many uploads at the same time: try again in a moment");
		return false;
	}
	return true;
}

/* As much as there is now. The call may be gone when this returns. */
static void read_body(void *ctx)
{
	er_call *call = ctx;
	ER_CHECK(call, ER_CALL_MAGIC);
	for (;;) {
		er_piece piece;
		switch (er_body_read(call->x->req.body, 0, &piece)) {
		case ER_BODY_PIECE:
			if (!take_piece(call, &piece))
				return;
			break;
		case ER_BODY_WAIT:
			return;
		case ER_BODY_END:
			stop_reading(call);
			run(call);
			return;
		case ER_BODY_ERROR:
			refuse_body(call, ER_PROBLEM_INVALID, "the body broke off");
			return;
		}
	}
}

/* Only while the body is read: run takes this away. */
static void on_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	er_call *call = ctx;
	(void)x, (void)reason;
	ER_CHECK(call, ER_CALL_MAGIC);
	stop_reading(call);
	er_call_drop(call);
}

/* A length that is said and too large is refused before a byte is taken. */
static void begin_body(er_call *call)
{
	static const er_body_sink_ops ops = {.readable = read_body};
	er_body *body = call->x->req.body;
	if (call->api->body == ER_API_NONE || body == NULL) {
		run(call);
		return;
	}
	if (er_body_length(body) > (int64_t)call->api->most) {
		char text[160];
		snprintf(text, sizeof text, "the body has %lld bytes; at most %u are taken here", (long long)er_body_length(body),
		         call->api->most);
		refuse_body(call, ER_PROBLEM_TOO_LARGE, text);
		return;
	}
	/* A body of a length that is not said comes here as well, and take_piece counts it. */
	ER_ASSERT(!call->reading);
	call->reading = true;
	call->x->handler_ctx = call;
	call->x->on_cancel = on_cancel;
	er_body_sink(body, &ops, call);
	read_body(call);
}

/* ---- beginning ---- */

static void write_source(er_call *call)
{
	const struct sockaddr_storage *sa = &call->x->peer.address;
	if (sa->ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, call->source, sizeof call->source);
	else if (sa->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, call->source, sizeof call->source);
}

void er_call_handle(void *self, er_exchange *x, bool local)
{
	er_control *c = self;
	ER_CHECK(c, ER_CONTROL_MAGIC);
	ER_ASSERT(x != NULL && x->res.body == NULL);
	er_call *call = ER_NEW(er_call);
	size_t query = er_slice_find(x->req.target, '?');
	*call = (er_call){.magic = ER_CALL_MAGIC,
	                  .control = c,
	                  .x = er_exchange_ref(x),
	                  .arena = &x->arena,
	                  .local = local,
	                  .path = er_slice_head(x->req.target, query),
	                  .query = er_slice_from(x->req.target, query + 1)};
	er_list_push(&c->calls, &call->link);
	write_source(call);
	/* Who it is comes first: a stranger does not even learn which paths there are. */
	if (er_auth_check(c->auth, c->o.store, call) && er_api_match(call) && er_auth_allows(call))
		begin_body(call);
	else
		er_call_refuse(call);
}
