/* The API's family of routes: which routine answers which host and path, the rules of an
 * environment in their order.
 *
 * The store takes the whole list, so each change reads it, makes the new one in the call's arena,
 * and puts it back (put_rules); all of that is one turn of the control thread, and nothing comes
 * between. Patterns are brought into their one spelling before they are stored or compared.
 *
 * A token that is confined to routines sees the rules of its own, may have CONFINED_RULES_MAX of
 * each, puts new ones behind those of others only, and only for hosts that are its own (grant.c).
 * What belongs to others is never named in its answers. */
#include "base/mem.h"
#include "control/internal.h"
#include "control/warn.h"
#include "control/where.h"
#include "http/authority.h"
#include "http/pattern.h"

enum { RULES_MAX = 50000, CONFINED_RULES_MAX = 1000, PATTERN_MAX = 2048 };

typedef struct rule_body {
	er_slice environment, pattern, routine;
	uint32_t position;
} rule_body;

/* In the call's arena. False: call->problem. */
static bool stored_rules(er_call *call, er_env env, er_route_rule **rules, size_t *n)
{
	er_err err = {0};
	return er_store_routes(call->control->o.store, call->arena, env, rules, n, &err) || er_refuse_err(&call->problem, &err);
}

/* The pattern is in its one spelling afterwards. */
static bool check_rule(er_call *call, er_slice at, rule_body *rule)
{
	er_err err = {0};
	er_path path = er_path_member(at, ER_LIT("pattern"));
	if (!er_pattern_normal(call->arena, rule->pattern, &rule->pattern, &err))
		return er_refuse_field(&call->problem, er_slice_cstr(path.text), "host/path*, *.host/path* or *", "%s", err.text);
	path = er_path_member(at, ER_LIT("routine"));
	if (er_world_find(call->control->world, rule->routine) != NULL)
		return true;
	return er_refuse_field(&call->problem, er_slice_cstr(path.text), "the name of a routine that was deployed here",
	                       "there is no routine \"%.*s\" to lead to", ER_FMT(er_slice_head(rule->routine, 63)));
}

/* ---- the list ---- */

/* Those that the caller may see; a position is that of the whole list. */
static void write_rules(er_call *call, const er_route_rule *rules, size_t n, const char *source)
{
	er_out *o = &call->out;
	for (size_t i = 0; i < n; i++) {
		if (!er_actor_has(&call->actor, rules[i].routine))
			continue;
		er_out_open(o, NULL, '{');
		er_out_u64(o, "position", i);
		er_out_str(o, "pattern", rules[i].pattern);
		er_out_str(o, "routine", rules[i].routine);
		er_out_str(o, "source", er_slice_cstr(source));
		er_out_close(o, '}');
	}
}

void er_api_routes(er_call *call)
{
	ER_CHECK(call, ER_CALL_MAGIC);
	er_control *c = call->control;
	er_route_rule *stored, *file = NULL;
	size_t n;
	er_env env;
	if (!er_call_query_env(call, false, &env) || !stored_rules(call, env, &stored, &n)) {
		er_call_refuse(call);
		return;
	}
	size_t n_file = c->o.ops->file_routes(c->o.ops_ctx, call->arena, env, &file);
	er_out_open(&call->out, NULL, '{');
	er_out_open(&call->out, "items", '[');
	write_rules(call, file, n_file, "file");
	write_rules(call, stored, n, "store");
	er_out_close(&call->out, ']');
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}

/* ---- changing it ---- */

/* `pattern`: of the one that is added or removed, or empty. */
static void put_rules(er_call *call, er_env env, const er_route_rule *rules, size_t n, er_slice pattern,
                      const er_warnings *warnings)
{
	er_applied applied;
	ER_ASSERT(n == 0 || rules != NULL);
	er_change change = er_call_change(call, ER_CHANGE_ROUTES);
	change.env = env;
	change.rules = rules;
	change.n_rules = n;
	if (!er_call_apply(call, &change, 1, &applied)) {
		er_call_refuse(call);
		return;
	}
	er_out_open(&call->out, NULL, '{');
	er_out_u64(&call->out, "sequence", applied.sequence);
	er_out_u64(&call->out, "rules", n);
	er_out_opt(&call->out, "pattern", pattern);
	er_warnings_write(warnings, &call->out);
	er_out_close(&call->out, '}');
	er_call_activate(call, 200);
}

typedef struct rules_body {
	const er_json *rules;
} rules_body;

static const er_member rule_members[] = {ER_MEMBER(rule_body, "pattern", pattern, ER_MEMBER_STRING, true, 1, PATTERN_MAX),
                                         ER_MEMBER(rule_body, "routine", routine, ER_MEMBER_STRING, true, 1, 63)};

/* `rules` has room for all of the array. */
static bool read_rules(er_call *call, const er_json *array, er_route_rule *rules, size_t *n)
{
	*n = 0;
	for (const er_json *v = array->first; v != NULL; v = v->next) {
		er_path at = er_path_element(ER_LIT("rules"), *n);
		rule_body rule = {0};
		if (!er_members_read(v, er_slice_cstr(at.text), rule_members, 2, &rule, &call->problem) ||
		    !check_rule(call, er_slice_cstr(at.text), &rule))
			return false;
		rules[(*n)++] = (er_route_rule){.pattern = rule.pattern, .routine = rule.routine};
	}
	return true;
}

static size_t length_of(const er_json *array)
{
	size_t n = 0;
	for (const er_json *v = array->first; v != NULL; v = v->next)
		n++;
	return n;
}

void er_api_routes_put(er_call *call)
{
	static const er_member members[] = {ER_MEMBER(rules_body, "rules", rules, ER_MEMBER_ARRAY, true, 0, RULES_MAX)};
	rules_body body = {0};
	er_warnings none = {0};
	er_env env;
	size_t n;
	/* the table lets no confined token come here */
	ER_ASSERT(call->actor.n_routines == 0 && call->json != NULL);
	if (!er_call_query_env(call, false, &env) || !er_call_members(call, members, &body)) {
		er_call_refuse(call);
		return;
	}
	er_route_rule *rules = er_arena_alloc(call->arena, (length_of(body.rules) + 1) * sizeof *rules);
	if (read_rules(call, body.rules, rules, &n))
		put_rules(call, env, rules, n, (er_slice){0}, &none);
	else
		er_call_refuse(call);
}

/* A confined token leaves room for the rules of others. */
static bool within_share(er_call *call, const rule_body *body, const er_route_rule *old, size_t n)
{
	size_t own = 0;
	if (call->actor.n_routines == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		own += er_slice_eq(old[i].routine, body->routine);
	return own < CONFINED_RULES_MAX || er_refuse(&call->problem, ER_PROBLEM_QUOTA,
	                                             "a token that is confined to routines may have %d rules of one; remove some (er "
	                                             "route rm), or ask an administrator",
	                                             CONFINED_RULES_MAX);
}

/* A confined token may not come before a rule of others, nor take hosts that are not its own. */
static bool may_add(er_call *call, er_env env, const rule_body *body, const er_route_rule *rules, size_t n)
{
	if (call->actor.n_routines == 0)
		return true;
	ER_ASSERT(body->position <= n);
	er_grant grant;
	er_grant_init(&grant, call->control, call->arena, &call->actor, env);
	bool allowed = er_grant_allows(&grant, body->pattern, &call->problem);
	er_grant_fini(&grant);
	if (!allowed)
		return false;
	for (size_t i = body->position; i < n; i++)
		if (!er_actor_has(&call->actor, rules[i].routine))
			return er_refuse_confined(
			    &call->problem,
			    "this token is confined to routines: it cannot put a rule before one of others; leave \"position\" out");
	return true;
}

/* The first rule before it that takes everything it would. */
static void warn_of_cover(er_call *call, const rule_body *body, const er_route_rule *rules, size_t n, er_warnings *out)
{
	er_pattern wanted, other;
	if (!er_pattern_parse(call->arena, body->pattern, &wanted, NULL))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!er_pattern_parse(call->arena, rules[i].pattern, &other, NULL) || !er_pattern_covers(&other, &wanted))
			continue;
		if (er_actor_has(&call->actor, rules[i].routine))
			er_warn(out, call->arena, "it is never reached: the earlier rule %.*s gives all of it to %.*s",
			        ER_FMT(er_slice_head(rules[i].pattern, 200)), ER_FMT(rules[i].routine));
		else
			er_warn(out, call->arena, "it is never reached: an earlier rule gives all of it to another routine");
		return;
	}
}

/* A second rule of a pattern would never be reached. Whose the first one is, is told only to those
 * who may know. */
static bool is_new_pattern(er_call *call, const rule_body *body, const er_route_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!er_pattern_same(call->arena, rules[i].pattern, body->pattern))
			continue;
		bool mine = er_actor_has(&call->actor, rules[i].routine);
		er_refuse_field(&call->problem, ER_LIT("pattern"), "a pattern that has no rule yet",
		                "there is a rule %.*s already, to %.*s", ER_FMT(er_slice_head(body->pattern, 200)),
		                ER_FMT(mine ? rules[i].routine : ER_LIT("another routine")));
		call->problem.code = ER_PROBLEM_CONFLICT;
		return false;
	}
	return true;
}

/* Without a position: at the end (UINT32_MAX until the list is known). */
static bool read_add(er_call *call, rule_body *body, er_env *env)
{
	static const er_member members[] = {ER_MEMBER(rule_body, "environment", environment, ER_MEMBER_STRING, false, 1, 20),
	                                    ER_MEMBER(rule_body, "pattern", pattern, ER_MEMBER_STRING, true, 1, PATTERN_MAX),
	                                    ER_MEMBER(rule_body, "routine", routine, ER_MEMBER_STRING, true, 1, 63),
	                                    ER_MEMBER(rule_body, "position", position, ER_MEMBER_NUMBER, false, 0, RULES_MAX)};
	*env = ER_ENV_PRODUCTION;
	*body = (rule_body){.position = UINT32_MAX};
	if (!er_call_members(call, members, body))
		return false;
	if (body->environment.p != NULL && !er_env_parse(body->environment, env))
		return er_refuse_field(&call->problem, ER_LIT("environment"), "production or staging",
		                       "\"environment\": production or staging is expected");
	/* Whose it is comes before whether it is there. */
	if (!er_actor_has(&call->actor, body->routine))
		return er_refuse_confined(&call->problem, "this token is confined to other routines");
	return check_rule(call, (er_slice){0}, body);
}

void er_api_route_add(er_call *call)
{
	rule_body body;
	er_env env;
	er_route_rule *old;
	size_t n;
	er_warnings warnings = {0};
	ER_ASSERT(call->json != NULL);
	bool ok = read_add(call, &body, &env) && stored_rules(call, env, &old, &n);
	if (ok && body.position != UINT32_MAX && body.position > n)
		ok = er_refuse_field(&call->problem, ER_LIT("position"), "at most the number of rules",
		                     "\"position\" is %u, and there are %zu rules", body.position, n);
	if (ok && body.position == UINT32_MAX)
		body.position = (uint32_t)n;
	if (ok && n >= RULES_MAX)
		ok = er_refuse(&call->problem, ER_PROBLEM_QUOTA, "%d rules is the most", RULES_MAX);
	if (!ok || !within_share(call, &body, old, n) || !is_new_pattern(call, &body, old, n) || !may_add(call, env, &body, old, n)) {
		er_call_refuse(call);
		return;
	}
	warn_of_cover(call, &body, old, body.position, &warnings);
	ER_ASSERT(body.position <= n && n < RULES_MAX);
	er_route_rule *rules = er_arena_alloc(call->arena, (n + 1) * sizeof *rules);
	for (size_t i = 0, k = 0; k <= n; k++)
		rules[k] = k == body.position ? (er_route_rule){.pattern = body.pattern, .routine = body.routine} : old[i++];
	put_rules(call, env, rules, n + 1, body.pattern, &warnings);
}

void er_api_route_delete(er_call *call)
{
	er_slice pattern;
	er_env env;
	er_route_rule *rules;
	size_t n, at = 0;
	er_warnings none = {0};
	ER_CHECK(call, ER_CALL_MAGIC);
	bool ok = er_call_query(call, ER_LIT("pattern"), &pattern) && er_call_query_env(call, false, &env);
	if (ok && pattern.n == 0)
		ok = er_refuse_field(&call->problem, ER_LIT("pattern"), "the pattern of a rule", "\"pattern\" is missing: which rule?");
	if (!ok || !stored_rules(call, env, &rules, &n)) {
		er_call_refuse(call);
		return;
	}
	while (at < n && !(er_pattern_same(call->arena, rules[at].pattern, pattern) && er_actor_has(&call->actor, rules[at].routine)))
		at++;
	if (at == n) {
		er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND, "%s has no rule %.*s%s", er_env_name(env),
		          ER_FMT(er_slice_head(pattern, 200)),
		          call->actor.n_routines > 0 ? " of your routines" : " in the store (those of node.jsonc are changed there)");
		er_call_refuse(call);
		return;
	}
	/* As it is stored, and not as it was asked for. */
	pattern = rules[at].pattern;
	for (size_t i = at; i + 1 < n; i++)
		rules[i] = rules[i + 1];
	put_rules(call, env, rules, n - 1, pattern, &none);
}

/* ---- which rule takes a URL ---- */

/* What a request for the URL of the query asks for. */
static bool read_url(er_call *call, er_where *where)
{
	er_slice text;
	if (!er_call_query(call, ER_LIT("url"), &text))
		return false;
	return er_where_read(call->arena, text, where) ||
	       er_refuse_field(&call->problem, ER_LIT("url"), "a URL, as https://shop.example/cart",
	                       "\"url\": a URL is expected, as https://shop.example/cart");
}

void er_api_route_test(er_call *call)
{
	static const char *const sources[] = {[ER_ROUTE_FILE] = "file", [ER_ROUTE_STORE] = "store", [ER_ROUTE_NAME] = "name"};
	er_control *c = call->control;
	er_where where;
	er_env env;
	er_route_found found = {0};
	er_out *o = &call->out;
	if (!er_call_query_env(call, false, &env) || !read_url(call, &where)) {
		er_call_refuse(call);
		return;
	}
	er_slice host = er_host_of(where.authority);
	if (where.refused == NULL)
		c->o.ops->route_test(c->o.ops_ctx, call->arena, env, host, where.path, &found);
	er_out_open(o, NULL, '{');
	er_out_bool(o, "matched", found.matched);
	er_out_str(o, "host", host);
	er_out_str(o, "path", where.path);
	if (where.refused != NULL)
		er_out_str(o, "refused", er_slice_cstr(where.refused));
	if (found.matched && !er_actor_has(&call->actor, found.routine)) {
		er_out_bool(o, "foreign", true);
	} else if (found.matched) {
		er_out_opt(o, "pattern", found.pattern);
		ER_ASSERT((unsigned)found.source < sizeof sources / sizeof *sources);
		if (found.source != ER_ROUTE_NAME)
			er_out_u64(o, "position", found.position);
		er_out_str(o, "routine", found.routine);
		er_out_str(o, "source", er_slice_cstr(sources[found.source]));
	}
	er_out_close(o, '}');
	er_call_answer(call, 200);
}
