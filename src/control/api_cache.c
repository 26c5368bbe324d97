/* The API's family of the cache: purge, what is stored, and why a URL is or is not.
 *
 * A purge takes its number first, is written to the store with it (one transaction for all that one
 * request names), and then enters the cache's table: when it is answered it is durable, and nothing
 * that left for the origin before it can come back. What the cache itself is, the gateway knows. */
#include "base/log.h"
#include "base/mem.h"
#include "cache/index.h"
#include "control/internal.h"
#include "control/where.h"
#include "http/authority.h"
#include "store/purges.h"

#include <stdio.h>

enum { PURGES_MAX = 1000 /* in one request */ };

typedef struct purge_body {
	const er_json *urls, *prefixes, *hosts, *tags;
	er_slice site;
	bool everything, soft;
} purge_body;

/* What one request asks for. */
typedef struct purge_list {
	er_purge v[PURGES_MAX];
	size_t n;
} purge_list;

static bool no_url(er_call *call, er_slice at, er_slice text, const char *expected)
{
	return er_refuse_field(&call->problem, at, expected, "\"%.*s\" is none: %s is expected", ER_FMT(er_slice_head(text, 200)),
	                       expected);
}

/* A URL, or how URLs begin: authority and target. A star at the end of a beginning may be there. */
static bool read_place(er_call *call, er_slice at, er_slice text, bool prefix, er_slice *out)
{
	const char *expected =
	    prefix ? "the beginning of URLs, as https://shop.example/images/" : "a URL, as https://shop.example/cart";
	er_where where;
	if (prefix && text.n > 0 && text.p[text.n - 1] == '*')
		text.n--;
	if (!er_where_read(call->arena, text, &where) || where.refused != NULL || where.authority.n == 0)
		return no_url(call, at, text, expected);
	const er_control *c = call->control;
	er_slice target = er_arena_printf(call->arena, "%.*s%.*s", ER_FMT(where.path), ER_FMT(where.query));
	if (!prefix)
		target = c->o.ops->cache_target(c->o.ops_ctx, call->arena, er_host_of(where.authority), target);
	*out = er_arena_printf(call->arena, "%.*s%.*s", ER_FMT(where.authority), ER_FMT(target));
	return true;
}

static bool read_host(er_call *call, er_slice at, er_slice text, er_slice *out)
{
	er_where where;
	bool plain = er_slice_find(text, '/') == text.n && er_slice_find(text, '?') == text.n && er_slice_find(text, '@') == text.n;
	if (!plain || !er_where_read(call->arena, text, &where) || where.refused != NULL || where.authority.n == 0)
		return no_url(call, at, text, "a host, as www.shop.example");
	*out = er_host_of(where.authority);
	return true;
}

static bool read_tag(er_call *call, er_slice at, er_slice text, er_slice *out)
{
	*out = er_slice_trim(text);
	if (out->n > 0 && out->n <= ER_PURGE_TAG_MAX && er_slice_find(*out, ',') == out->n)
		return true;
	return er_refuse_field(&call->problem, at, "a tag, as Cache-Tag has it", "\"%.*s\" is no tag: 1 to %d bytes without a comma",
	                       ER_FMT(er_slice_head(text, 200)), ER_PURGE_TAG_MAX);
}

static bool read_value(er_call *call, er_purge_kind kind, er_slice at, er_slice text, er_slice *out)
{
	switch (kind) {
	case ER_PURGE_URL:
	case ER_PURGE_PREFIX:
		return read_place(call, at, text, kind == ER_PURGE_PREFIX, out);
	case ER_PURGE_HOST:
		return read_host(call, at, text, out);
	default:
		ER_ASSERT(kind == ER_PURGE_TAG);
		return read_tag(call, at, text, out);
	}
}

static bool add(er_call *call, purge_list *list, er_purge what)
{
	if (list->n == PURGES_MAX)
		return er_refuse(&call->problem, ER_PROBLEM_TOO_LARGE, "%d at a time is the most: send the rest in another request",
		                 PURGES_MAX);
	list->v[list->n++] = what;
	return true;
}

static bool add_all(er_call *call, purge_list *list, er_purge_kind kind, const char *member, const er_json *values,
                    const purge_body *body)
{
	er_slice name = er_slice_cstr(member);
	if (values != NULL && !er_members_strings(values, name, 1, ER_PURGE_VALUE_MAX, &call->problem))
		return false;
	size_t i = 0;
	for (const er_json *m = values != NULL ? values->first : NULL; m != NULL; m = m->next, i++) {
		er_path at = er_path_element(name, i);
		er_purge what = {.kind = kind, .soft = body->soft, .site = kind == ER_PURGE_TAG ? body->site : (er_slice){0}};
		if (!read_value(call, kind, er_slice_cstr(at.text), m->text, &what.value) || !add(call, list, what))
			return false;
	}
	return true;
}

/* "site" beside tags says whose they are; alone it is the whole site. */
static bool read_body(er_call *call, purge_list *list)
{
	static const er_member members[] = {ER_MEMBER(purge_body, "urls", urls, ER_MEMBER_ARRAY, false, 0, PURGES_MAX),
	                                    ER_MEMBER(purge_body, "prefixes", prefixes, ER_MEMBER_ARRAY, false, 0, PURGES_MAX),
	                                    ER_MEMBER(purge_body, "hosts", hosts, ER_MEMBER_ARRAY, false, 0, PURGES_MAX),
	                                    ER_MEMBER(purge_body, "tags", tags, ER_MEMBER_ARRAY, false, 0, PURGES_MAX),
	                                    ER_MEMBER(purge_body, "site", site, ER_MEMBER_STRING, false, 1, 253),
	                                    ER_MEMBER(purge_body, "everything", everything, ER_MEMBER_BOOL, false, 0, 0),
	                                    ER_MEMBER(purge_body, "soft", soft, ER_MEMBER_BOOL, false, 0, 0)};
	purge_body body = {0};
	bool ok = er_call_members(call, members, &body) && add_all(call, list, ER_PURGE_URL, "urls", body.urls, &body) &&
	          add_all(call, list, ER_PURGE_PREFIX, "prefixes", body.prefixes, &body) &&
	          add_all(call, list, ER_PURGE_HOST, "hosts", body.hosts, &body) &&
	          add_all(call, list, ER_PURGE_TAG, "tags", body.tags, &body);
	if (ok && body.site.n > 0 && body.tags == NULL)
		ok = add(call, list, (er_purge){.kind = ER_PURGE_SITE, .value = body.site, .soft = body.soft});
	if (ok && body.everything)
		ok = add(call, list, (er_purge){.kind = ER_PURGE_ALL, .soft = body.soft});
	if (ok && list->n == 0)
		ok = er_refuse(&call->problem, ER_PROBLEM_INVALID,
		               "what is to be purged? \"urls\", \"prefixes\", \"hosts\", \"tags\", \"site\" or \"everything\" says it");
	return ok;
}

static er_change change_of(er_change who, const er_purge *what, uint64_t number)
{
	who.name = er_slice_cstr(er_purge_kind_name(what->kind));
	who.value = what->value;
	who.site = what->site;
	who.soft = what->soft;
	who.purge_number = number;
	return who;
}

/* The number is taken before the store has it: what leaves for the origin in between is newer. */
static bool write_down(er_call *call, const purge_list *list, uint64_t number, er_applied *applied)
{
	er_change *changes = er_zalloc(list->n * sizeof *changes);
	for (size_t i = 0; i < list->n; i++)
		changes[i] = change_of(er_call_change(call, ER_CHANGE_PURGE), &list->v[i], number);
	bool ok = er_call_apply(call, changes, list->n, applied);
	er_free(changes);
	return ok;
}

static er_slice actor_of(er_arena *a, er_slice routine)
{
	return er_arena_printf(a, "routine %.*s", ER_FMT(er_slice_head(routine, 100)));
}

/* All or nothing. */
static bool purge_lists(er_control *c, er_purged_list *lists, size_t n)
{
	er_purges *p = er_index_purge_table(c->o.cache);
	er_arena a = {0};
	er_applied applied;
	er_problem problem = {0};
	size_t count = 0;
	uint64_t number = er_purges_next(p);
	for (size_t i = 0; i < n; i++)
		count += lists[i].n;
	er_change *changes = er_arena_zalloc(&a, count * sizeof *changes);
	count = 0;
	for (size_t i = 0; i < n; i++) {
		const er_change who = {.kind = ER_CHANGE_PURGE, .actor = actor_of(&a, lists[i].routine)};
		for (size_t k = 0; k < lists[i].n; k++)
			changes[count++] = change_of(who, &lists[i].v[k], number);
	}
	bool ok = er_control_apply(c, changes, count, &applied, &problem);
	er_arena_fini(&a);
	for (size_t i = 0; i < n; i++) {
		lists[i].err = (er_err){0};
		if (!ok)
			(void)er_fail(&lists[i].err, ER_ERR_UNAVAILABLE, "%s", problem.message);
		for (size_t k = 0; ok && k < lists[i].n; k++)
			er_purges_add(p, &lists[i].v[k], number);
	}
	return ok;
}

void er_control_purged(er_control *c, er_purged_list *lists, size_t n)
{
	bool ok = purge_lists(c, lists, n);
	/* one that cannot be written is no reason to refuse the others */
	for (size_t i = 0; !ok && n > 1 && i < n; i++)
		(void)purge_lists(c, &lists[i], 1);
	er_purges_tidy(c);
}

void er_api_purge(er_call *call)
{
	ER_CHECK(call, ER_CALL_MAGIC);
	er_control *c = call->control;
	er_purges *p = er_index_purge_table(c->o.cache);
	purge_list *list = er_zalloc(sizeof *list);
	er_applied applied;
	uint64_t number = 0;
	bool ok = read_body(call, list);
	if (ok) {
		number = er_purges_next(p);
		ok = write_down(call, list, number, &applied);
	}
	size_t n = list->n;
	for (size_t i = 0; ok && i < n; i++)
		er_purges_add(p, &list->v[i], number);
	er_free(list);
	if (!ok) {
		er_call_refuse(call);
		return;
	}
	er_purges_tidy(c);
	er_out_open(&call->out, NULL, '{');
	er_out_u64(&call->out, "sequence", applied.sequence);
	er_out_u64(&call->out, "purged", n);
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}

void er_api_cache(er_call *call)
{
	er_control *c = call->control;
	er_out_open(&call->out, NULL, '{');
	c->o.ops->cache(c->o.ops_ctx, &call->out);
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}

/* What takes a URL, in the order of the chain: the rule of a routine, then the site, and what the
 * cache has. */
void er_api_explain(er_call *call)
{
	er_control *c = call->control;
	er_out *o = &call->out;
	er_slice text;
	er_where where = {0};
	er_env env;
	bool ok = er_call_query_env(call, false, &env) && er_call_query(call, ER_LIT("url"), &text);
	if (ok && !er_where_read(call->arena, text, &where))
		ok = no_url(call, ER_LIT("url"), text, "a URL, as https://shop.example/cart");
	if (!ok) {
		er_call_refuse(call);
		return;
	}
	er_out_open(o, NULL, '{');
	er_out_str(o, "url",
	           er_arena_printf(call->arena, "%.*s://%.*s%.*s%.*s", ER_FMT(where.scheme), ER_FMT(where.authority),
	                           ER_FMT(where.path), ER_FMT(where.query)));
	er_out_cstr(o, "environment", er_env_name(env));
	if (where.refused != NULL) {
		er_out_cstr(o, "refused", where.refused);
	} else {
		er_route_found found;
		c->o.ops->route_test(c->o.ops_ctx, call->arena, env, er_host_of(where.authority), where.path, &found);
		if (found.matched) {
			er_out_str(o, "routine", found.routine);
			er_out_opt(o, "pattern", found.pattern);
		}
		c->o.ops->explain(c->o.ops_ctx, call->arena, env, &where, o);
	}
	er_out_close(o, '}');
	er_call_answer(call, 200);
}
