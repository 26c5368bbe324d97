/* The API's family of tokens: who may use the API from elsewhere. The store keeps a salted hash;
 * the token itself is shown once, to whoever made it. A token that is removed is nobody's from the
 * next request on, and tails that were opened with it end at once. Administrators only. */
#include "base/mem.h"
#include "control/internal.h"

enum { ROUTINES_MAX = 1000, HOSTS_MAX = 1000, KV_MAX = 1000 };

/* False: call->problem. */
static bool all_tokens(er_call *call, er_token_row **rows, size_t *n)
{
	ER_ASSERT(call->actor.role == ER_ROLE_ADMIN);
	er_err err = {0};
	return er_store_tokens(call->control->o.store, call->arena, rows, n, &err) || er_refuse_err(&call->problem, &err);
}

static void write_list(er_out *o, const char *key, const er_slice *v, size_t n)
{
	er_out_open(o, key, '[');
	for (size_t i = 0; i < n; i++)
		er_out_str(o, NULL, v[i]);
	er_out_close(o, ']');
}

void er_api_tokens(er_call *call)
{
	er_token_row *rows;
	size_t n;
	er_out *o = &call->out;
	if (!all_tokens(call, &rows, &n)) {
		er_call_refuse(call);
		return;
	}
	er_out_open(o, NULL, '{');
	er_out_open(o, "items", '[');
	for (size_t i = 0; i < n; i++) {
		er_out_open(o, NULL, '{');
		er_out_str(o, "name", rows[i].name);
		er_out_str(o, "role", er_slice_cstr(er_role_name(rows[i].role)));
		write_list(o, "routines", rows[i].routines, rows[i].n_routines);
		write_list(o, "hosts", rows[i].hosts, rows[i].n_hosts);
		write_list(o, "kv", rows[i].kv, rows[i].n_kv);
		er_out_time(o, "at", rows[i].at_ms);
		er_out_str(o, "by", rows[i].actor);
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

typedef struct token_body {
	er_slice name, role;
	const er_json *routines, *hosts, *kv;
} token_body;

static bool read_role(er_call *call, er_slice text, er_role *out)
{
	return er_role_parse(text, out) || er_refuse_field(&call->problem, ER_LIT("role"), "read, deploy or admin",
	                                                   "\"role\": read, deploy or admin is expected");
}

/* Names need not be there yet: a token may be made before the routine. */
static bool read_routines(er_call *call, const er_json *array, er_slice **out, size_t *n)
{
	*n = 0;
	*out = NULL;
	if (array == NULL)
		return true;
	if (!er_members_strings(array, ER_LIT("routines"), 1, ER_NAME_MAX, &call->problem))
		return false;
	*out = er_arena_alloc(call->arena, ROUTINES_MAX * sizeof **out);
	for (const er_json *v = array->first; v != NULL; v = v->next) {
		er_path path = er_path_element(ER_LIT("routines"), *n);
		if (!er_name_ok(v->text))
			return er_refuse_field(&call->problem, er_slice_cstr(path.text), "a routine's name",
			                       "\"%s\": this is no name of a routine", path.text);
		ER_ASSERT(*n < ROUTINES_MAX); /* the array was counted by er_members_read */
		(*out)[(*n)++] = v->text;
	}
	return true;
}

/* Each in its one spelling. */
static bool read_hosts(er_call *call, const er_json *array, er_slice **out, size_t *n)
{
	*n = 0;
	*out = NULL;
	if (array == NULL)
		return true;
	if (!er_members_strings(array, ER_LIT("hosts"), 1, ER_STORE_HOST_MAX, &call->problem))
		return false;
	*out = er_arena_alloc(call->arena, HOSTS_MAX * sizeof **out);
	for (const er_json *v = array->first; v != NULL; v = v->next) {
		ER_ASSERT(*n < HOSTS_MAX);
		er_path path = er_path_element(ER_LIT("hosts"), *n);
		if (!er_grant_read(call->arena, v->text, er_slice_cstr(path.text), &(*out)[*n], &call->problem))
			return false;
		(*n)++;
	}
	return true;
}

/* Namespaces need not be there yet either. */
static bool read_kv(er_call *call, const er_json *array, er_slice **out, size_t *n)
{
	*n = 0;
	*out = NULL;
	if (array == NULL)
		return true;
	if (!er_members_strings(array, ER_LIT("kv"), 1, ER_NAME_MAX + 3, &call->problem))
		return false;
	*out = er_arena_alloc(call->arena, KV_MAX * sizeof **out);
	for (const er_json *v = array->first; v != NULL; v = v->next) {
		bool writes;
		er_path path = er_path_element(ER_LIT("kv"), *n);
		ER_ASSERT(*n < KV_MAX);
		if (!er_name_ok(er_kv_grant_name(v->text, &writes)))
			return er_refuse_field(&call->problem, er_slice_cstr(path.text), "NAME of a KV namespace, or NAME:ro to read alone",
			                       "\"%s\": the name of a KV namespace is expected, with :ro behind it to read alone", path.text);
		(*out)[(*n)++] = v->text;
	}
	return true;
}

/* The store would refuse it as well; here it is a conflict, which a client can tell from a
 * mistake. */
static bool is_new_name(er_call *call, er_slice name)
{
	er_token_row *rows;
	size_t n;
	if (!er_name_ok(name))
		return er_refuse_field(&call->problem, ER_LIT("name"), "a to z, 0 to 9 and -, at most 63, no hyphen at either end",
		                       "\"name\": a to z, 0 to 9 and - are expected, at most 63, no hyphen at either end");
	/* The change log must not take somebody's token for the socket, or for automatic rollback. */
	if (er_slice_eq(name, ER_LIT("socket")) || er_slice_eq(name, ER_LIT("guard")))
		return er_refuse_field(&call->problem, ER_LIT("name"), "another name",
		                       "\"%.*s\" is what the change log calls the node itself: choose another name", ER_FMT(name));
	if (!all_tokens(call, &rows, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (er_slice_eq(rows[i].name, name)) {
			er_refuse_field(&call->problem, ER_LIT("name"), "a name that is not taken", "there is a token \"%.*s\" already",
			                ER_FMT(name));
			call->problem.code = ER_PROBLEM_CONFLICT;
			return false;
		}
	return true;
}

/* Fills the change; its texts lie in the call's arena. */
static bool read_token(er_call *call, er_change *change)
{
	static const er_member members[] = {ER_MEMBER(token_body, "name", name, ER_MEMBER_STRING, true, 1, ER_NAME_MAX),
	                                    ER_MEMBER(token_body, "role", role, ER_MEMBER_STRING, true, 1, 10),
	                                    ER_MEMBER(token_body, "routines", routines, ER_MEMBER_ARRAY, false, 1, ROUTINES_MAX),
	                                    ER_MEMBER(token_body, "hosts", hosts, ER_MEMBER_ARRAY, false, 1, HOSTS_MAX),
	                                    ER_MEMBER(token_body, "kv", kv, ER_MEMBER_ARRAY, false, 1, KV_MAX)};
	token_body body = {0};
	er_slice *routines, *hosts, *kv;
	if (!er_call_members(call, members, &body) || !read_role(call, body.role, &change->role) ||
	    !read_routines(call, body.routines, &routines, &change->n_routines) ||
	    !read_hosts(call, body.hosts, &hosts, &change->n_hosts) || !read_kv(call, body.kv, &kv, &change->n_kv) ||
	    !is_new_name(call, body.name))
		return false;
	change->name = body.name;
	change->routines = routines;
	change->hosts = hosts;
	change->kv = kv;
	if (change->role == ER_ROLE_ADMIN && change->n_routines > 0)
		return er_refuse_field(&call->problem, ER_LIT("routines"), "absent for the role admin",
		                       "a token of the role admin cannot be confined: take \"deploy\"");
	if (change->n_hosts > 0 && change->n_routines == 0)
		return er_refuse_field(&call->problem, ER_LIT("hosts"), "absent without \"routines\"",
		                       "hosts are granted to a token that is confined to routines: name these in \"routines\"");
	if (change->n_kv > 0 && change->n_routines == 0)
		return er_refuse_field(&call->problem, ER_LIT("kv"), "absent without \"routines\"",
		                       "KV namespaces are granted to a token that is confined to routines (every other opens all): name "
		                       "these in \"routines\"");
	return true;
}

void er_api_token_add(er_call *call)
{
	ER_ASSERT(call->actor.role == ER_ROLE_ADMIN && call->json != NULL);
	er_change change = er_call_change(call, ER_CHANGE_TOKEN_ADD);
	er_applied applied;
	if (!read_token(call, &change)) {
		er_call_refuse(call);
		return;
	}
	change.value = er_auth_token(call->arena);
	if (!er_call_apply(call, &change, 1, &applied)) {
		er_call_refuse(call);
		return;
	}
	/* The only time that the token leaves the node. */
	er_out *o = &call->out;
	er_out_open(o, NULL, '{');
	er_out_str(o, "name", change.name);
	er_out_str(o, "role", er_slice_cstr(er_role_name(change.role)));
	write_list(o, "routines", change.routines, change.n_routines);
	write_list(o, "hosts", change.hosts, change.n_hosts);
	write_list(o, "kv", change.kv, change.n_kv);
	er_out_str(o, "token", change.value);
	er_out_u64(o, "sequence", applied.sequence);
	er_out_close(o, '}');
	er_call_answer(call, 201);
}

void er_api_token_delete(er_call *call)
{
	ER_ASSERT(call->actor.role == ER_ROLE_ADMIN && call->name.n > 0);
	er_change change = er_call_change(call, ER_CHANGE_TOKEN_DELETE);
	change.name = call->name;
	if (!er_call_apply_one(call, &change))
		return;
	er_hub_revoked(call->control->hub, change.name);
	er_call_answer(call, 200);
}
