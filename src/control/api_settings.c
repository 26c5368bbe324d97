/* The API's family of variables and secrets, of a routine in an environment. A secret's value goes
 * in and never comes out.
 *
 * Both reach the sandbox in one piece that has to fit a frame, so a new value is refused here if
 * the sum would be too large (room_for); the store has its own bounds. Where the environment runs
 * something, the call is answered when the new instances have the value; where nothing runs, at
 * once. Texts of secrets that are parsed on the way are wiped before their arena goes back. */
#include "base/mem.h"
#include "control/internal.h"
#include "control/redact.h"
#include "control/warn.h"

enum { BULK_MAX = 256, VALUES_MAX = 40000 };

/* One name and value to be set. */
typedef struct setting {
	er_slice name, value; /* value: as JSON text */
} setting;

static bool routine_there(er_call *call)
{
	ER_ASSERT(call->routine.n > 0);
	if (er_world_find(call->control->world, call->routine) != NULL)
		return true;
	return er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND,
	                 "there is no routine \"%.*s\" yet: upload a version first (er deploy, or er deploy --env staging)",
	                 ER_FMT(call->routine));
}

/* Variables and secrets reach the sandbox in one piece, which has bounds: the sum of what would be
 * there must keep them. */
static bool room_for(er_call *call, const setting *new, size_t n)
{
	er_piece stored;
	er_arena a;
	er_err err = {0};
	size_t at, total = 2;
	ER_ASSERT(n > 0);
	/* A secret that cannot be decrypted, as after a restore without its key, is mended by setting
	 * it anew: that must not be refused for it. */
	if (!er_store_env(call->control->o.store, call->routine, call->env, &stored, &err))
		return true;
	er_arena_init(&a);
	const er_json *env = er_json_parse(&a, er_piece_slice(stored), VALUES_MAX, &at, &err);
	total += stored.n;
	for (size_t i = 0; i < n; i++) {
		const er_json *old = er_json_get(env, new[i].name);
		total += new[i].name.n + new[i].value.n + 4;
		if (old != NULL)
			total -= old->end - old->at;
	}
	if (env != NULL)
		er_secrets_wipe(env);
	er_arena_fini(&a);
	er_piece_drop(&stored);
	if (total <= ER_SETTINGS_STORED)
		return true;
	er_refuse_field(&call->problem, ER_LIT("value"), "at most 24 KB together",
	                "variables and secrets of %.*s in %s would have %zu bytes together, %d is the most: put big data into KV",
	                ER_FMT(call->routine), er_env_name(call->env), total, ER_SETTINGS_STORED);
	call->problem.code = ER_PROBLEM_QUOTA;
	return false;
}

/* Secrets that would be found everywhere are not hidden; whoever sets one is told. */
static void warn_of_short(er_call *call, const er_change *changes, size_t n, er_warnings *out)
{
	for (size_t i = 0; i < n; i++)
		if (changes[i].kind == ER_CHANGE_SECRET_SET && changes[i].value.n < ER_REDACT_LEAST)
			er_warn(
			    out, call->arena,
			    "the secret %.*s has less than %d bytes: too short to be replaced by *** in tails and logs, and easily guessed",
			    ER_FMT(changes[i].name), ER_REDACT_LEAST);
}

/* Applied: answers as soon as what runs there has it. */
/* The activation that is waited for is of what runs in that environment; without it there is
 * nothing to wait for. */
static void finish(er_call *call, const er_change *changes, size_t n, const er_applied *applied)
{
	ER_ASSERT(n > 0 && applied->sequence > 0);
	er_warnings warnings = {0};
	warn_of_short(call, changes, n, &warnings);
	er_out_open(&call->out, NULL, '{');
	er_out_u64(&call->out, "sequence", applied->sequence);
	if (changes[0].kind == ER_CHANGE_SECRET_SET)
		er_warnings_write(&warnings, &call->out);
	er_out_close(&call->out, '}');
	const er_world_routine *r = er_world_find(call->control->world, call->routine);
	if (r != NULL && r->env[call->env] != NULL)
		er_call_activate(call, 200);
	else
		er_call_answer(call, 200);
}

/* Answers and ends the call. */
static void apply_one(er_call *call, er_change_kind kind, er_slice value)
{
	ER_ASSERT(call->name.n > 0 && (unsigned)call->env < ER_ENV_COUNT_);
	er_applied applied;
	er_change change = er_call_change(call, kind);
	change.name = call->name;
	change.value = value;
	if (er_call_apply(call, &change, 1, &applied))
		finish(call, &change, 1, &applied);
	else
		er_call_refuse(call);
}

/* v as text, in the arena. */
static er_slice json_of(er_arena *a, const er_json *v)
{
	ER_ASSERT(v != NULL);
	er_buf b = {0};
	er_json_write(&b, v);
	er_slice s = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

/* ---- reading ---- */

/* False: refused and gone. */
static bool rows_of(er_call *call, er_setting_row **rows, size_t *n)
{
	er_err err = {0};
	bool ok = routine_there(call);
	if (ok && !er_store_settings(call->control->o.store, call->arena, call->routine, call->env, rows, n, &err))
		ok = er_refuse_err(&call->problem, &err);
	if (!ok)
		er_call_refuse(call);
	return ok;
}

/* The store gives no value for a secret; the member is left out as well. */
static void write_row(er_out *o, const er_setting_row *row)
{
	ER_ASSERT(!row->secret || row->value.n == 0);
	er_out_open(o, NULL, '{');
	er_out_str(o, "name", row->name);
	if (!row->secret)
		er_out_json(o, "value", row->value);
	er_out_time(o, "at", row->at_ms);
	er_out_str(o, "by", row->actor);
	er_out_close(o, '}');
}

/* Those of one kind. */
static void list(er_call *call, bool secret)
{
	er_setting_row *rows;
	size_t n;
	if (!rows_of(call, &rows, &n))
		return;
	er_out_open(&call->out, NULL, '{');
	er_out_open(&call->out, "items", '[');
	for (size_t i = 0; i < n; i++)
		if (rows[i].secret == secret)
			write_row(&call->out, &rows[i]);
	er_out_close(&call->out, ']');
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}

void er_api_vars(er_call *call)
{
	list(call, false);
}

void er_api_secrets(er_call *call)
{
	list(call, true);
}

void er_api_var(er_call *call)
{
	ER_ASSERT(call->name.n > 0);
	er_setting_row *rows;
	size_t n;
	if (!rows_of(call, &rows, &n))
		return;
	for (size_t i = 0; i < n; i++)
		if (!rows[i].secret && er_slice_eq(rows[i].name, call->name)) {
			write_row(&call->out, &rows[i]);
			er_call_answer(call, 200);
			return;
		}
	er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND, "%.*s has no variable %.*s in %s", ER_FMT(call->routine), ER_FMT(call->name),
	          er_env_name(call->env));
	er_call_refuse(call);
}

/* ---- writing ---- */

typedef struct var_body {
	const er_json *value;
} var_body;

void er_api_var_put(er_call *call)
{
	static const er_member members[] = {ER_MEMBER(var_body, "value", value, ER_MEMBER_ANY, true, 0, 0)};
	ER_ASSERT(call->name.n > 0 && call->json != NULL);
	var_body body = {0};
	setting new = {.name = call->name};
	bool ok = er_call_members(call, members, &body) && routine_there(call);
	if (ok) {
		new.value = json_of(call->arena, body.value);
		ok = room_for(call, &new, 1);
	}
	if (ok)
		apply_one(call, ER_CHANGE_VAR_SET, new.value);
	else
		er_call_refuse(call);
}

void er_api_var_delete(er_call *call)
{
	if (routine_there(call))
		apply_one(call, ER_CHANGE_VAR_DELETE, (er_slice){0});
	else
		er_call_refuse(call);
}

typedef struct secret_body {
	er_slice value;
} secret_body;

void er_api_secret_put(er_call *call)
{
	static const er_member members[] = {ER_MEMBER(secret_body, "value", value, ER_MEMBER_STRING, true, 1, ER_SETTINGS_STORED)};
	ER_ASSERT(call->name.n > 0 && call->json != NULL);
	secret_body body = {0};
	bool ok = er_call_members(call, members, &body) && routine_there(call);
	if (ok) {
		const setting new = {.name = call->name, .value = json_of(call->arena, er_json_get(call->json, ER_LIT("value")))};
		ok = room_for(call, &new, 1);
	}
	if (ok)
		apply_one(call, ER_CHANGE_SECRET_SET, body.value);
	else
		er_call_refuse(call);
}

void er_api_secret_delete(er_call *call)
{
	if (routine_there(call))
		apply_one(call, ER_CHANGE_SECRET_DELETE, (er_slice){0});
	else
		er_call_refuse(call);
}

/* {"NAME": "value", ...}; both arrays have room for BULK_MAX. False: call->problem. */
static bool read_secrets(er_call *call, setting *new, er_change *changes, size_t *n)
{
	ER_ASSERT(call->json != NULL && call->json->type == ER_JSON_OBJECT);
	*n = 0;
	for (const er_json *m = call->json->first; m != NULL; m = m->next) {
		er_slice field = er_slice_head(m->key, 100);
		if (*n == BULK_MAX)
			return er_refuse(&call->problem, ER_PROBLEM_TOO_LARGE, "more than %d secrets at once", BULK_MAX);
		if (!er_var_name_ok(m->key))
			return er_refuse_field(
			    &call->problem, field, "letters, digits and _, at most 63, not beginning with a digit",
			    "\"%.*s\" is no name of a secret: letters, digits and _ are expected, at most 63, not beginning with a "
			    "digit",
			    ER_FMT(field));
		if (m->type != ER_JSON_STRING || m->text.n == 0)
			return er_refuse_field(&call->problem, field, "a string that is not empty",
			                       "\"%.*s\": a string that is not empty is expected", ER_FMT(field));
		new[*n] = (setting){.name = m->key, .value = json_of(call->arena, m)};
		changes[*n] = er_call_change(call, ER_CHANGE_SECRET_SET);
		changes[*n].name = m->key;
		changes[(*n)++].value = m->text;
	}
	return *n > 0 || er_refuse_field(&call->problem, ER_LIT(""), "{\"NAME\": \"value\", ...}", "the body names no secret");
}

void er_api_secret_bulk(er_call *call)
{
	setting *new = er_arena_alloc(call->arena, BULK_MAX * sizeof *new);
	er_change *changes = er_arena_alloc(call->arena, BULK_MAX * sizeof *changes);
	er_applied applied;
	size_t n;
	if (read_secrets(call, new, changes, &n) && routine_there(call) && room_for(call, new, n) &&
	    er_call_apply(call, changes, n, &applied))
		finish(call, changes, n, &applied);
	else
		er_call_refuse(call);
}
