/* Which hosts a token that is confined to routines may lead to them. Whatever puts a rule of a
 * routine into force asks here: POST routes, and each way to run a version whose settings have
 * routes.
 *
 * NAME.localhost belongs to the routine NAME, also before there is one. Hosts that were granted to
 * the token are its own. A token without granted hosts may take a host that no rule of another
 * routine has, in either environment; never all sub-hosts of a public suffix, never localhost or an
 * address, which are the node itself. No rule may come before one of another routine that meets
 * it. */
#include "control/internal.h"
#include "http/pattern.h"
#include "http/authority.h"

#include <libpsl.h>

/* ---- hosts that are not a name of somebody's ---- */

/* The list of the machine if it is newer than the library's own; kept for as long as the process
 * lives. Control thread. */
static const psl_ctx_t *suffixes(void)
{
	static psl_ctx_t *list;
	if (list == NULL)
		list = psl_latest(NULL);
	return list != NULL ? list : psl_builtin();
}

/* With `unlisted`, a name of one label that the list does not know is one as well: who runs an
 * intranet may know better. */
/* The longest name is 253 bytes, so a copy with its NUL is cheap. Without any list every host
 * counts as one: better too strict than too free. */
static bool is_public_suffix(er_arena *a, er_slice host, bool unlisted)
{
	const psl_ctx_t *list = suffixes();
	int kind = unlisted ? PSL_TYPE_ANY : PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE;
	return list == NULL || psl_is_public_suffix2(list, er_arena_cstr(a, host), kind) != 0;
}

/* [::1] or 10.0.0.1, as a request has them. */
static bool is_address(er_slice host)
{
	ER_ASSERT(host.n > 0); /* er_pattern_parse lets no empty host pass */
	uint8_t last = host.p[host.n - 1];
	if (last == ']')
		return true;
	/* A name does not end in a label of digits. */
	size_t at = host.n;
	while (at > 0 && host.p[at - 1] >= '0' && host.p[at - 1] <= '9')
		at--;
	return at < host.n && (at == 0 || host.p[at - 1] == '.');
}

/* NAME of NAME.localhost and of NAME.staging.localhost; empty for any other host. */
static er_slice local_name(er_slice host)
{
	const er_slice local = ER_LIT(".localhost"), staging = ER_LIT(".staging");
	if (!er_slice_ends(host, local))
		return (er_slice){0};
	er_slice name = er_slice_head(host, host.n - local.n);
	if (er_slice_ends(name, staging))
		name.n -= staging.n;
	return er_name_ok(name) ? name : (er_slice){0};
}

/* ---- granting ---- */

bool er_grant_read(er_arena *a, er_slice text, er_slice at, er_slice *out, er_problem *problem)
{
	static const char expected[] = "a host, as www.example.com or *.example.com";
	er_pattern p;
	er_err err = {0};
	if (!er_pattern_parse(a, text, &p, &err))
		return er_refuse_field(problem, at, expected, "%s", err.text);
	if (!p.bare)
		return er_refuse_field(problem, at, expected, "\"%.*s\": a host is granted, without a path",
		                       ER_FMT(er_slice_head(text, 200)));
	if (p.any_host || (p.sub_hosts && (er_host_local(p.host) || is_public_suffix(a, p.host, false))))
		return er_refuse_field(problem, at, expected, "\"%.*s\" is as good as every host: leave \"hosts\" out, or name the sites",
		                       ER_FMT(er_slice_head(text, 200)));
	er_slice name = local_name(p.host);
	if (name.n > 0)
		return er_refuse_field(problem, at, expected, "\"%.*s\" belongs to the routine %.*s: name it in \"routines\"",
		                       ER_FMT(er_slice_head(text, 200)), ER_FMT(name));
	return er_pattern_normal(a, text, out, NULL);
}

/* ---- rules of others ---- */

/* `text` as a pattern at the end of the buffer, which is an array of them. */
static void put(er_arena *a, er_buf *out, er_slice text)
{
	er_pattern p;
	if (er_pattern_parse(a, text, &p, NULL))
		er_buf_put(out, er_slice_of(&p, sizeof p));
}

/* Rules that somebody wrote into a list: of node.jsonc, or of the store. */
static void put_listed(er_grant *g, const er_route_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!er_actor_has(g->actor, rules[i].routine))
			put(g->arena, &g->listed, rules[i].pattern);
}

/* Rules that came with a version and are in force where it runs, in a list or not. */
static void put_own(er_arena *a, er_buf *out, er_slice settings)
{
	static const er_slice word = ER_LIT("\"routes\":[\"");
	er_settings s;
	er_problem ignored;
	/* Most versions have none. */
	if (settings.n < word.n || memmem(settings.p, settings.n, word.p, word.n) == NULL ||
	    !er_settings_parse(a, settings, &s, &ignored))
		return;
	for (size_t i = 0; i < s.n_routes; i++)
		put(a, out, s.routes[i]);
}

/* Of everything that runs there and is not the actor's. */
static void put_versions(er_grant *g, er_env env)
{
	ER_ASSERT((unsigned)env < ER_ENV_COUNT_);
	size_t n;
	er_world_routine *const *all = er_world_all(g->control->world, &n);
	for (size_t i = 0; i < n; i++) {
		const er_world_env *in = all[i]->env[env];
		if (in == NULL || er_actor_has(g->actor, all[i]->name))
			continue;
		for (int v = 0; v < ER_STORE_SPLIT && in->row.split.version[v] != 0; v++)
			put_own(g->arena, &g->own[env], in->version[v].settings);
	}
}

/* Once for all the patterns that are asked about. */
static bool read_others(er_grant *g, er_problem *problem)
{
	er_err err = {0};
	if (g->read)
		return true;
	g->read = true;
	for (er_env e = 0; e < ER_ENV_COUNT_; e++) {
		er_route_rule *rules = NULL, *file = NULL;
		size_t n = 0, n_file = g->control->o.ops->file_routes(g->control->o.ops_ctx, g->arena, e, &file);
		if (!er_store_routes(g->control->o.store, g->arena, e, &rules, &n, &err))
			return er_refuse_err(problem, &err);
		put_listed(g, file, n_file);
		put_listed(g, rules, n);
		put_versions(g, e);
	}
	return true;
}

typedef bool meets(const er_pattern *mine, const er_pattern *other);

static bool same_host(const er_pattern *mine, const er_pattern *other)
{
	/* A rule for every host is nobody's claim on this one. */
	return !other->any_host && er_pattern_hosts_meet(mine, other);
}

/* Is there one among them that meets it in that way? */
static bool any(const er_buf *patterns, const er_pattern *mine, meets *how)
{
	const er_pattern *v = (const void *)er_buf_slice(patterns).p;
	size_t n = er_buf_len(patterns) / sizeof *v;
	ER_ASSERT(er_buf_len(patterns) % sizeof *v == 0);
	for (size_t i = 0; i < n; i++)
		if (how(mine, &v[i]))
			return true;
	return false;
}

void er_grant_init(er_grant *g, er_control *control, er_arena *a, const er_actor *actor, er_env env)
{
	ER_ASSERT(control != NULL && a != NULL && actor != NULL && (unsigned)env < ER_ENV_COUNT_);
	*g = (er_grant){.control = control, .arena = a, .actor = actor, .env = env};
}

void er_grant_fini(er_grant *g)
{
	er_buf_fini(&g->listed);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		er_buf_fini(&g->own[e]);
}

/* ---- the question ---- */

static bool refuse_host(er_problem *problem, er_slice text, const char *why)
{
	return er_refuse_confined(problem, "this token is confined to routines: it cannot add \"%.*s\", %s",
	                          ER_FMT(er_slice_head(text, 200)), why);
}

/* A grant covers the whole host, or sub-hosts, of the rule. */
static bool is_granted(const er_grant *g, const er_pattern *p)
{
	for (size_t i = 0; i < g->actor->n_hosts; i++) {
		er_pattern host;
		if (er_pattern_parse(g->arena, g->actor->hosts[i], &host, NULL) && er_pattern_host_covers(&host, p))
			return true;
	}
	return false;
}

/* In neither environment: what staging has today, production gets tomorrow. */
static bool is_free(const er_grant *g, const er_pattern *p)
{
	ER_ASSERT(g->read);
	bool taken = any(&g->listed, p, same_host);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		taken = taken || any(&g->own[e], p, same_host);
	return !taken;
}

/* A host that nobody granted: without any grant, what no one else uses. */
static bool may_take(const er_grant *g, const er_pattern *p, er_slice text, er_problem *problem)
{
	if (g->actor->n_hosts > 0)
		return refuse_host(problem, text, "whose host is not among those that were granted to it (er whoami)");
	if (er_host_local(p->host) || is_address(p->host))
		return refuse_host(problem, text, "which is the node itself: an administrator can grant it (er token add --hosts)");
	if (p->sub_hosts && is_public_suffix(g->arena, p->host, true))
		return refuse_host(problem, text, "which is as good as every host: the sites of many lie under a public suffix");
	return is_free(g, p) ||
	       refuse_host(problem, text,
	                   "another routine has rules for its host: an administrator can grant it (er token add --hosts)");
}

/* The host alone; whether the rule would come before another's is asked after this. */
static bool may_take_host(const er_grant *g, const er_pattern *p, er_slice text, er_problem *problem)
{
	if (p->any_host)
		return refuse_host(problem, text, "which takes every host");
	if (p->sub_hosts && er_host_local(p->host))
		return refuse_host(problem, text, "which is as good as every host: NAME.localhost belongs to the routine NAME");
	er_slice name = local_name(p->host);
	if (name.n > 0)
		return er_actor_has(g->actor, name) || refuse_host(problem, text, "because NAME.localhost belongs to the routine NAME");
	return is_granted(g, p) || may_take(g, p, text, problem);
}

bool er_grant_allows(er_grant *g, er_slice pattern, er_problem *problem)
{
	er_pattern p;
	er_err err = {0};
	ER_ASSERT(g->actor != NULL && g->arena != NULL);
	if (g->actor->n_routines == 0)
		return true;
	if (!er_pattern_parse(g->arena, pattern, &p, &err))
		return er_refuse(problem, ER_PROBLEM_INVALID, "%s", err.text);
	if (!read_others(g, problem) || !may_take_host(g, &p, pattern, problem))
		return false;
	/* What came with a version stands behind all lists, so even the last place in a list is before
	 * it. */
	return !any(&g->own[g->env], &p, er_pattern_meet) ||
	       refuse_host(problem, pattern, "which would come before a rule of another routine");
}
