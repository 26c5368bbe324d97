/* What an exchange means to the files of a version: a rule of _redirects, a file, the address of a
 * page, another file instead, or nothing. Decided at once, from the table in memory. */
#include "assets/assets.h"

enum { MOVED = 307 };

static er_slice query_of(const er_exchange *x)
{
	return er_slice_from(x->req.target, er_slice_find(x->req.target, '?') + 1);
}

static bool reads(const er_exchange *x)
{
	return er_slice_eq(x->req.method, ER_LIT("GET")) || er_slice_eq(x->req.method, ER_LIT("HEAD"));
}

/* A person goes to a page (Fetch 3.2.4): Sec-Fetch-Mode says so. */
static bool navigates(const er_exchange *x)
{
	const er_slice *mode = er_fields_get(&x->req.fields, ER_LIT("sec-fetch-mode"));
	return mode != NULL && er_slice_eq(*mode, ER_LIT("navigate"));
}

/* The address of a page, with the query that was asked with. */
static er_slice address(er_exchange *x, er_slice path)
{
	er_buf b = {0};
	er_slice query = query_of(x);
	er_rule_encode(&b, path);
	if (query.n > 0) {
		er_buf_putc(&b, '?');
		er_buf_put(&b, query);
	}
	er_slice out = er_arena_copy(&x->arena, er_buf_slice(&b));
	er_buf_fini(&b);
	return out;
}

/* A file that is at a path that a rule of _redirects names, whatever its page's address is. */
static const er_assets_file *rewritten(const er_assets *s, const er_assets_table *t, er_exchange *x, er_slice path)
{
	er_rule_found found;
	er_slice to;
	const er_redirects_rule *r = er_redirects_find(&t->redirects, path, true, &found);
	if (r == NULL || !er_assets_decode(&x->arena, er_redirects_target(r, &found, (er_slice){0}, &x->arena), &to))
		return NULL;
	er_assets_found there = er_assets_find(&t->manifest, s->settings.html, to, &x->arena);
	if (there.moved.n > 0)
		there = er_assets_find(&t->manifest, s->settings.html, there.moved, &x->arena);
	return there.file;
}

/* False: there is nothing at this path. */
static bool resolve(const er_assets *s, const er_assets_table *t, er_exchange *x, er_assets_plan *plan)
{
	er_rule_found found;
	const er_redirects_rule *r = er_redirects_find(&t->redirects, plan->path, false, &found);
	if (r != NULL) {
		plan->status = r->status;
		plan->location = er_redirects_target(r, &found, query_of(x), &x->arena);
		if (plan->location.n > 0)
			return true;
		plan->location = (er_slice){0}; /* it would be too long: there is nothing */
		return false;
	}
	er_assets_found there = er_assets_find(&t->manifest, s->settings.html, plan->path, &x->arena);
	if (there.moved.n > 0) {
		plan->status = MOVED;
		plan->location = address(x, there.moved);
		return true;
	}
	plan->file = there.file != NULL ? there.file : rewritten(s, t, x, plan->path);
	plan->status = 200;
	return plan->file != NULL;
}

static void plan_instead(const er_assets *s, const er_assets_table *t, er_exchange *x, er_assets_plan *plan)
{
	plan->file = er_assets_instead(&t->manifest, s->settings.not_found, plan->path, &x->arena);
	plan->status = plan->file != NULL && s->settings.not_found == ER_NOT_FOUND_APP ? 200 : 404;
}

er_assets_turn er_assets_look(const er_assets *s, er_exchange *x, bool alone, er_assets_plan *plan)
{
	const er_assets_table *t = er_assets_table_of(s);
	if (t == NULL)
		return ER_ASSETS_WAIT;
	*plan = (er_assets_plan){0};
	bool named = er_assets_decode(&x->arena, x->req.target, &plan->path);
	if (!alone && (!reads(x) || er_assets_routine_first(&s->settings, plan->path)))
		return ER_ASSETS_ROUTINE;
	if (!reads(x)) {
		plan->status = 405;
		return ER_ASSETS_TAKE;
	}
	if (named && resolve(s, t, x, plan))
		return ER_ASSETS_TAKE;
	if (!alone && (s->settings.not_found == ER_NOT_FOUND_NONE || !navigates(x)))
		return ER_ASSETS_ROUTINE;
	plan_instead(s, t, x, plan);
	return ER_ASSETS_TAKE;
}
