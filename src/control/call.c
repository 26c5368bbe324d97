/* A call: one request of the API on its way. er_call_handle makes it, and one of these ends and
 * frees it: er_call_answer, er_call_refuse, er_call_stream, or the client's leaving while the body
 * is still read.
 *
 *   who is it → which row of the table → may they → the body (if the row has one) → the row's function → perhaps an activation → the answer
 *
 * Who it is comes first: a stranger does not even learn which paths there are. The call holds a
 * reference of its exchange and lives in the exchange's arena with all it reads, but for the body,
 * which grows in a buffer of its own. It is in control's list of calls all the while, so that
 * closing finds it.
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

/* ---- answering ---- */

void er_call_drop(er_call *call)
{
	ER_CHECK(call, ER_CALL_MAGIC);
	ER_ASSERT(!call->reading); /* the body knows nothing of it any more */
	er_list_remove(&call->link);
	ER_ASSERT(call->control->uploads >= call->body.cap);
	call->control->uploads -= call->body.cap;
	if (call->body.p != NULL)
		explicit_bzero(call->body.p, call->body.cap < 64 << 10 ? call->body.cap : 0); /* small ones may hold secrets */
	er_buf_fini(&call->body);
	er_out_fini(&call->out);
	er_exchange *x = call->x;
	call->magic = 0;
	er_free(call);
	er_exchange_unref(x); /* last: the arena that call->routine and the like lie in may go with it */
}

void er_call_header(er_call *call, er_slice name, er_slice value)
{
	ER_ASSERT(name.n > 0);
	er_fields_add(&call->x->res.fields, call->arena, name, value);
}

void er_call_stream(er_call *call, int status, er_slice type, er_body *body)
{
	er_exchange *x = call->x;
	ER_CHECK(call, ER_CALL_MAGIC);
	ER_ASSERT(x->res.body == NULL && body != NULL && status >= 200 && status < 600);
	x->res.status = status;
	x->res.body = body;
	er_call_header(call, ER_LIT("content-type"), type);
	er_call_header(call, ER_LIT("cache-control"), ER_LIT("no-store"));
	er_call_header(call, ER_LIT("x-content-type-options"), ER_LIT("nosniff"));
	er_exchange_answer(x);
	er_call_drop(call);
}

void er_call_answer(er_call *call, int status)
{
	ER_ASSERT(er_buf_len(&call->out.b) > 0); /* every answer of ours is an object */
	er_buf_putc(&call->out.b, '\n');
	er_call_stream(call, status, ER_LIT("application/json"), er_body_of(er_piece_copy(er_buf_slice(&call->out.b))));
}

void er_call_refuse(er_call *call)
{
	const er_problem *p = &call->problem;
	ER_ASSERT(p->code != ER_PROBLEM_NONE && p->message[0] != '\0');
	er_out *o = &call->out; /* whatever was written into it before is forgotten */
	er_buf_clear(&o->b);
	o->comma = false;
	er_out_open(o, NULL, '{');
	er_out_open(o, "error", '{');
	er_out_str(o, "code", er_slice_cstr(er_problem_name(p->code)));
	er_out_str(o, "message", er_slice_cstr(p->message));
	er_out_opt(o, "field", er_slice_cstr(p->field));
	er_out_opt(o, "expected", er_slice_cstr(p->expected));
	er_out_opt(o, "stack", er_slice_cstr(p->stack));
	if (p->code == ER_PROBLEM_TRIMMED)
		er_out_u64(o, "first_sequence", p->first_sequence);
	er_out_close(o, '}');
	er_out_close(o, '}');
	if (p->code == ER_PROBLEM_UNAUTHORIZED)
		er_call_header(call, ER_LIT("www-authenticate"), ER_LIT("Bearer"));
	if (p->code == ER_PROBLEM_UNAVAILABLE)
		er_call_header(call, ER_LIT("retry-after"), ER_LIT("1"));
	er_call_answer(call, er_problem_status(p->code));
}

/* ---- parameters ---- */

bool er_call_decode(er_call *call, er_slice raw, er_slice *out)
{
	uint8_t *to = er_arena_alloc(call->arena, raw.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < raw.n; i++) {
		uint8_t c = raw.p[i];
		if (c == '%') {
			if (i + 2 >= raw.n || er_hex_digit(raw.p[i + 1]) < 0 || er_hex_digit(raw.p[i + 2]) < 0)
				return false;
			c = (uint8_t)(er_hex_digit(raw.p[i + 1]) << 4 | er_hex_digit(raw.p[i + 2]));
			i += 2;
		}
		to[n++] = c;
	}
	*out = er_slice_of(to, n);
	return true;
}

bool er_call_query(er_call *call, er_slice name, er_slice *out)
{
	er_slice rest = call->query, part;
	*out = (er_slice){0};
	while (er_slice_split(&rest, '&', &part)) {
		size_t eq = er_slice_find(part, '=');
		if (!er_slice_eq(er_slice_head(part, eq), name))
			continue;
		if (out->p != NULL)
			return er_refuse_field(&call->problem, name, "given once", "\"%.*s\" is given twice", ER_FMT(name));
		if (!er_call_decode(call, er_slice_from(part, eq + 1), out))
			return er_refuse_field(&call->problem, name, "percent-encoding (%20)", "\"%.*s\" holds a broken percent-encoding",
			                       ER_FMT(name));
	}
	return true;
}

bool er_call_query_number(er_call *call, er_slice name, uint64_t least, uint64_t most, uint64_t *out)
{
	er_slice text;
	uint64_t v;
	ER_ASSERT(least <= most);
	char expected[80];
	if (!er_call_query(call, name, &text))
		return false;
	if (text.p == NULL)
		return true;
	snprintf(expected, sizeof expected, "a whole number from %llu to %llu", (unsigned long long)least, (unsigned long long)most);
	if (!er_slice_u64(text, &v) || v < least || v > most)
		return er_refuse_field(&call->problem, name, expected, "\"%.*s\": %s is expected", ER_FMT(name), expected);
	*out = v;
	return true;
}

bool er_call_query_env(er_call *call, bool required, er_env *out)
{
	er_slice text;
	*out = ER_ENV_PRODUCTION;
	if (!er_call_query(call, ER_LIT("environment"), &text))
		return false;
	if ((text.p == NULL && !required) || (text.p != NULL && er_env_parse(text, out)))
		return true;
	return er_refuse_field(&call->problem, ER_LIT("environment"), "production or staging",
	                       "\"environment\": production or staging is expected");
}

/* ---- changes ---- */

/* With the path's routine and environment; the caller fills what its kind has beside these. */
er_change er_call_change(const er_call *call, er_change_kind kind)
{
	ER_ASSERT((unsigned)kind < ER_CHANGE_KIND_COUNT_ && call->actor.name.n > 0);
	return (er_change){.kind = kind,
	                   .actor = call->actor.name,
	                   .source = er_slice_cstr(call->source),
	                   .routine = call->routine,
	                   .env = call->env};
}

bool er_control_may_change(const er_control *c, er_problem *problem)
{
	return !c->paused ||
	       er_refuse(problem, ER_PROBLEM_UNAVAILABLE,
	                 "this node is being upgraded, or ends, and takes no changes for a moment: try again in a second");
}

/* What a change means for the world, which is a picture of the store (world.h). */
static const struct effect {
	bool refresh;         /* the routine is read again */
	bool touch, all_envs; /* what the routine is started with is another one, in its environment or in all */
} effects[] = {
    [ER_CHANGE_ROUTINE_DELETE] = {.refresh = true},
    [ER_CHANGE_VERSION_ADD] = {.refresh = true},
    [ER_CHANGE_VERSION_DELETE] = {.refresh = true},
    [ER_CHANGE_DEPLOY] = {.refresh = true},
    [ER_CHANGE_VAR_SET] = {.touch = true},
    [ER_CHANGE_VAR_DELETE] = {.touch = true},
    [ER_CHANGE_SECRET_SET] = {.touch = true},
    [ER_CHANGE_SECRET_DELETE] = {.touch = true},
    [ER_CHANGE_ADDRESS_ALLOW] = {.refresh = true, .touch = true, .all_envs = true},
    [ER_CHANGE_ADDRESS_DENY] = {.refresh = true, .touch = true, .all_envs = true},
};
_Static_assert(sizeof effects / sizeof *effects == ER_CHANGE_KIND_COUNT_, "every kind of change has its effect");

static void touch(er_control *c, const er_change *ch, const struct effect *effect, uint64_t sequence)
{
	ER_ASSERT(sequence > 0);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		if (effect->all_envs || e == ch->env)
			er_world_touch(c->world, ch->routine, e, sequence);
}

bool er_control_apply(er_control *c, const er_change *changes, size_t n, er_applied *applied, er_problem *problem)
{
	er_err err = {0};
	*applied = (er_applied){0};
	if (!er_control_may_change(c, problem))
		return false;
	ER_ASSERT(n > 0 && changes != NULL);
	const uint64_t before = er_store_sequence(c->o.store);
	if (!er_store_apply(c->o.store, changes, n, applied, &err))
		return er_refuse_err(problem, &err);
	/* From here on the store has it: what fails below leaves the world behind the store until the
	 * next change of that routine. */
	ER_ASSERT(applied->sequence >= before);
	for (size_t i = 0; i < n; i++) {
		const struct effect *effect = &effects[changes[i].kind];
		if (effect->refresh && !er_world_refresh(c->world, changes[i].routine, &err))
			return er_refuse_err(problem, &err);
		/* A variable that has that value already starts nothing anew. */
		if (effect->touch && applied->sequence != before)
			touch(c, &changes[i], effect, applied->sequence);
	}
	return true;
}

bool er_call_apply(er_call *call, const er_change *changes, size_t n, er_applied *applied)
{
	return er_control_apply(call->control, changes, n, applied, &call->problem);
}

bool er_call_apply_one(er_call *call, const er_change *change)
{
	er_applied applied;
	if (!er_call_apply(call, change, 1, &applied)) {
		er_call_refuse(call);
		return false;
	}
	er_out_open(&call->out, NULL, '{');
	er_out_u64(&call->out, "sequence", applied.sequence);
	er_out_close(&call->out, '}');
	return true;
}

/* The change is in force on every thread, or cannot be put into force: then the store keeps it all
 * the same. */
static void on_activated(void *ctx, const er_err *err)
{
	er_call *call = ctx; /* alive: a client that left has ended nothing */
	ER_CHECK(call, ER_CALL_MAGIC);
	if (err == NULL) {
		er_call_answer(call, call->status);
		return;
	}
	er_refuse(
	    &call->problem, ER_PROBLEM_UNAVAILABLE,
	    "the change is recorded, but this node could not put it into force: %s. It takes effect with the next change that can "
	    "be; until then the node goes on as before",
	    err->text);
	er_call_refuse(call);
}

void er_call_activate(er_call *call, int status)
{
	ER_ASSERT(er_buf_len(&call->out.b) > 0 && call->activation.done == NULL);
	call->status = status;
	call->activation = (er_activation){.done = on_activated, .ctx = call};
	er_activate(call->control, &call->activation);
}

/* ---- the body ---- */

/* An empty body is an empty object: a client need not send {} to say nothing. */
static bool parse_body(er_call *call)
{
	ER_ASSERT(call->api->body == ER_API_JSON && call->json == NULL);
	er_err err = {0};
	size_t at = 0;
	er_slice text = er_buf_slice(&call->body);
	call->json = er_json_parse(call->arena, text.n > 0 ? text : ER_LIT("{}"), ER_JSON_VALUES, &at, &err);
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

bool er_call_same_token(const er_call *a, const er_call *b)
{
	return !a->local && !b->local && er_slice_eq(a->actor.name, b->actor.name);
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
	er_buf_put(&call->body, er_piece_slice(*piece));
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
