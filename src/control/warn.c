/* What is not wrong but probably not meant. Warnings never stop a deployment: they are made when it
 * is written, and go with its answer, at most as many as er_warnings holds. Each is a guess from
 * what can be seen (the code's text, the rules, the namespaces); what cannot be read gives no
 * warning. */
#include "control/warn.h"

#include "base/mem.h"
#include "http/pattern.h"

#include <stdarg.h>
#include <stdio.h>

enum { NAMES_MAX = 10, VALUES_MAX = 40000 };

void er_warn(er_warnings *w, er_arena *a, const char *fmt, ...)
{
	char text[600];
	va_list ap;
	ER_ASSERT(w->n <= sizeof w->v / sizeof *w->v);
	if (w->n == sizeof w->v / sizeof *w->v)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n > 0)
		w->v[w->n++] = er_arena_copy(a, er_slice_of(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1));
}

void er_warnings_write(const er_warnings *w, er_out *out)
{
	er_out_open(out, "warnings", '[');
	for (size_t i = 0; i < w->n; i++)
		er_out_str(out, NULL, w->v[i]);
	er_out_close(out, ']');
}

/* ---- env.NAME ---- */

static bool in_name(uint8_t c)
{
	uint8_t l = er_lower(c);
	return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || c >= 0x80;
}

/* The next `env.NAME` of the text from *at on. A method call (env.get()) and `process.env.X` are
 * not meant. */
static bool next_name(er_slice code, size_t *at, er_slice *name)
{
	static const er_slice word = ER_LIT("env.");
	for (;;) {
		er_slice rest = er_slice_from(code, *at);
		const uint8_t *hit = rest.n >= word.n ? memmem(rest.p, rest.n, word.p, word.n) : NULL;
		if (hit == NULL)
			return false;
		size_t from = (size_t)(hit - code.p), begin = from + word.n, end = begin;
		while (end < code.n && in_name(code.p[end]))
			end++;
		*at = end;
		bool alone = from == 0 || (!in_name(code.p[from - 1]) && code.p[from - 1] != '.');
		*name = er_slice_of(code.p + begin, end - begin);
		if (alone && er_var_name_ok(*name) && !(end < code.n && code.p[end] == '('))
			return true;
	}
}

/* A variable of the version, a namespace, its static files, or what the environment has. */
static bool is_known(er_slice name, const er_settings *s, const er_json *vars, const er_setting_row *rows, size_t n)
{
	bool known = er_json_get(vars, name) != NULL || (s->has_assets && er_slice_eq(name, ER_LIT("ASSETS")));
	for (size_t i = 0; i < s->n_kv && !known; i++)
		known = er_slice_eq(s->kv[i].name, name);
	for (size_t i = 0; i < s->n_services && !known; i++)
		known = er_slice_eq(s->services[i].name, name);
	for (size_t i = 0; i < n && !known; i++)
		known = er_slice_eq(rows[i].name, name);
	return known;
}

void er_warn_env(er_warnings *w, er_control *c, er_arena *a, er_slice routine, er_env env, er_slice code, const er_settings *s)
{
	er_setting_row *rows = NULL;
	er_slice said[NAMES_MAX], name;
	size_t n = 0, n_said = 0, at = 0, err_at;
	er_err err = {0};
	const er_json *vars = er_json_parse(a, s->vars, VALUES_MAX, &err_at, &err);
	if (!er_store_settings(c->o.store, a, routine, env, &rows, &n, &err))
		return;
	while (n_said < NAMES_MAX && next_name(code, &at, &name)) {
		bool again = is_known(name, s, vars, rows, n);
		for (size_t i = 0; i < n_said && !again; i++)
			again = er_slice_eq(said[i], name);
		if (again)
			continue;
		ER_ASSERT(n_said < NAMES_MAX);
		said[n_said++] = name;
		er_warn(w, a,
		        "the code seems to use env.%.*s, which is neither a variable nor a secret in %s (a guess from its text): er "
		        "secret put "
		        "%.*s, or \"vars\" of er.jsonc",
		        ER_FMT(er_slice_head(name, 60)), er_env_name(env), ER_FMT(er_slice_head(name, 60)));
	}
}

/* ---- routes ---- */

typedef struct rule {
	er_pattern pattern;
	er_slice text, routine;
	bool file;
} rule;

/* The rules of node.jsonc, then those of the store. */
static rule *all_rules(er_control *c, er_arena *a, er_env env, const er_route_rule *stored, size_t n_stored, size_t *n)
{
	er_route_rule *file = NULL;
	size_t n_file = c->o.ops->file_routes(c->o.ops_ctx, a, env, &file);
	rule *v = er_arena_alloc(a, (n_file + n_stored + 1) * sizeof *v);
	*n = 0;
	for (size_t i = 0; i < n_file + n_stored; i++) {
		const er_route_rule *r = i < n_file ? &file[i] : &stored[i - n_file];
		if (er_pattern_parse(a, r->pattern, &v[*n].pattern, NULL)) {
			v[*n].text = r->pattern;
			v[*n].routine = r->routine;
			v[(*n)++].file = i < n_file;
		}
	}
	ER_ASSERT(*n <= n_file + n_stored);
	return v;
}

/* Of a route that a version brings: its own rule may be the one that covers it. */
static void warn_of_cover(er_warnings *w, er_arena *a, er_slice routine, er_slice route, const rule *rules, size_t n)
{
	er_pattern wanted;
	if (!er_pattern_parse(a, route, &wanted, NULL))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!er_pattern_covers(&rules[i].pattern, &wanted))
			continue;
		/* The first one that covers it takes it; one of its own is what is wanted. */
		if (!er_slice_eq(rules[i].routine, routine))
			er_warn(w, a, "the route %.*s is never reached: %.*s, an earlier rule%s, gives all of it to %.*s",
			        ER_FMT(er_slice_head(route, 120)), ER_FMT(er_slice_head(rules[i].text, 120)),
			        rules[i].file ? " of node.jsonc" : "", ER_FMT(rules[i].routine));
		return;
	}
}

void er_warn_routes(er_warnings *w, er_control *c, er_arena *a, er_slice routine, er_env env, const er_settings *s,
                    const er_route_rule *stored, size_t n_stored)
{
	size_t n, own = 0;
	ER_ASSERT((unsigned)env < ER_ENV_COUNT_);
	rule *rules = all_rules(c, a, env, stored, n_stored, &n);
	er_file_routine *files = NULL;
	size_t n_files = c->o.ops->file_routines(c->o.ops_ctx, a, &files);
	for (size_t i = 0; i < n_files; i++)
		if (er_slice_eq(files[i].name, routine))
			er_warn(w, a, "node.jsonc has a routine %.*s as well, and the file's is the one that runs", ER_FMT(routine));
	for (size_t i = 0; i < s->n_routes; i++)
		warn_of_cover(w, a, routine, s->routes[i], rules, n);
	for (size_t i = 0; i < n; i++)
		own += er_slice_eq(rules[i].routine, routine);
	if (own == 0)
		er_warn(w, a, "no route leads to %.*s in %s: only http://%.*s%s.localhost reaches it; er route add HOST/PATH* %.*s",
		        ER_FMT(routine), er_env_name(env), ER_FMT(routine), env == ER_ENV_STAGING ? ".staging" : "", ER_FMT(routine));
}

/* ---- KV ---- */

void er_warn_kv(er_warnings *w, er_control *c, er_arena *a, const er_settings *s)
{
	er_kv_namespace_row *rows = NULL;
	size_t n = 0;
	er_err err = {0};
	if (s->n_kv == 0 || !er_kv_namespaces(c->o.store, a, &rows, &n, &err))
		return;
	for (size_t i = 0; i < s->n_kv; i++) {
		bool there = false;
		for (size_t k = 0; k < n && !there; k++)
			there = er_slice_eq(rows[k].name, s->kv[i].target);
		if (!there)
			er_warn(w, a, "there is no KV namespace %.*s yet: er kv namespace add %.*s", ER_FMT(s->kv[i].target),
			        ER_FMT(s->kv[i].target));
	}
}

/* ---- services ---- */

void er_warn_services(er_warnings *w, er_control *c, er_arena *a, er_slice routine, er_env env, const er_settings *s)
{
	er_file_routine *files = NULL;
	size_t n_files = s->n_services > 0 ? c->o.ops->file_routines(c->o.ops_ctx, a, &files) : 0;
	for (size_t i = 0; i < s->n_services; i++) {
		er_slice target = s->services[i].target;
		const er_world_routine *r = er_world_find(c->world, target);
		bool there = er_slice_eq(target, routine) || (r != NULL && r->env[env] != NULL);
		for (size_t k = 0; k < n_files && !there; k++)
			there = er_slice_eq(files[k].name, target);
		if (!there)
			er_warn(w, a, "there is no routine %.*s in %s yet: env.%.*s.fetch fails until it is deployed there", ER_FMT(target),
			        er_env_name(env), ER_FMT(s->services[i].name));
	}
}
