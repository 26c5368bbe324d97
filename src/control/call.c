/* A call: one request of the API on its way. receive.c makes it, and one of these ends and frees
 * it: er_call_answer, er_call_refuse, er_call_stream, er_call_drop.
 *
 * The call holds a reference of its exchange and lives in the exchange's arena with all it reads,
 * but for the body, which grows in a buffer of its own. It is in control's list of calls all the
 * while, so that closing finds it. Here is what every family of the API does with its call:
 * answers, parameters, changes. */
#include "base/mem.h"
#include "control/internal.h"

/* ---- answering ---- */

void er_call_drop(er_call *call)
{
	ER_CHECK(call, ER_CALL_MAGIC);
	ER_ASSERT(!call->reading); /* the body knows nothing of it any more */
	er_list_remove(&call->link);
	ER_ASSERT(call->control->uploads >= call->body.cap);
	call->control->uploads -= call->body.cap;
	er_buf_wipe(&call->body);
	er_arena_wipe(&call->parsed);
	er_arena_fini(&call->parsed);
	er_out_fini(&call->out);
	er_exchange *x = call->x;
	call->magic = 0;
	er_free(call);
	/* last: the arena that call->routine and the like lie in may go with it */
	er_exchange_unref(x);
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
	if (p->role != NULL)
		er_out_str(o, "role", er_slice_cstr(p->role));
	if (p->confined)
		er_out_bool(o, "confined", true);
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

bool er_call_take_key(er_call *call, er_slice value)
{
	ER_CHECK(call, ER_CALL_MAGIC);
	call->key = value;
	return (value.n > 0 && value.n <= ER_KV_KEY_MAX) ||
	       er_refuse_field(&call->problem, ER_LIT("key"), "1 to 512 bytes", "a key has 1 to %d bytes, not %zu", ER_KV_KEY_MAX,
	                       value.n);
}

/* ---- changes ---- */

bool er_call_same_token(const er_call *a, const er_call *b)
{
	return !a->local && !b->local && er_slice_eq(a->actor.name, b->actor.name);
}

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
	bool refresh; /* the routine is read again */
	/* what the routine is started with is another one, in its environment or in all */
	bool touch, all_envs;
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
    [ER_CHANGE_PURGE] = {0},    /* nothing that is configured */
    [ER_CHANGE_SITE_SET] = {0}, /* nothing of a routine; nor are those below */
    [ER_CHANGE_SITE_DELETE] = {0},
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
