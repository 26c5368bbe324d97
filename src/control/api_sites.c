/* The API's family of sites. A site's settings are checked by the one reader (site.h), and stored
 * as they came, without their name. What a site's servers do, and which hosts are taken by
 * node.jsonc, the gateway knows. */
#include "base/clock.h"
#include "base/json_tree.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/internal.h"
#include "control/site.h"
#include "store/sites.h"

/* Who changes sites gets all of them, and can send back what was shown. */
static bool may_change(const er_call *call)
{
	return call->actor.role >= ER_ROLE_ADMIN;
}

void er_api_sites(er_call *call)
{
	er_control *c = call->control;
	er_out_open(&call->out, NULL, '{');
	er_out_open(&call->out, "items", '[');
	c->o.ops->sites(c->o.ops_ctx, (er_slice){0}, may_change(call), &call->out);
	er_out_close(&call->out, ']');
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}

static bool no_site(er_call *call)
{
	return er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND, "there is no site \"%.*s\"; what there is: er site list",
	                 ER_FMT(call->name));
}

void er_api_site(er_call *call)
{
	er_control *c = call->control;
	if (c->o.ops->sites(c->o.ops_ctx, call->name, may_change(call), &call->out) == 0) {
		no_site(call);
		er_call_refuse(call);
		return;
	}
	er_call_answer(call, 200);
}

/* A site that is set with a certificate and without its key keeps the key that it has: what GET
 * said can be sent back. */
static er_slice kept_key(er_call *call)
{
	er_slice key = {0};
	er_err err = {0};
	if (!er_store_site_key(call->control->o.store, call->arena, call->name, &key, &err))
		er_log(ER_LOG_WARN, "control", "the key of the site %.*s is not used: %s", ER_FMT(call->name), err.text);
	return key;
}

/* *key: of its certificate, said or kept. */
static bool check_site(er_call *call, const er_json *public, er_site_settings *out, er_slice *key)
{
	const er_json *whole = call->json;
	if (public == call->json) { /* no word of a key */
		*key = kept_key(call);
		whole = er_site_with_key(call->arena, public, *key);
		er_problem ignored = {0};
		/* another one's, or there is no certificate */
		if (whole == public || !er_site_read(call->arena, whole, (er_slice){0}, out, &ignored)) {
			*key = (er_slice){0};
			whole = public;
		}
	}
	return er_site_read(call->arena, whole, (er_slice){0}, out, &call->problem) &&
	       !er_site_expired(out, er_clock_wall_s(), &call->problem);
}

/* Its name is the path's. `text` is what is stored, logged and shown: the key has its own way. */
static bool read_site(er_call *call, er_site_settings *out, er_slice *text, er_slice *secret)
{
	er_slice key = ER_LIT("name");
	const er_json *said = er_json_get(call->json, key);
	if (said != NULL && (said->type != ER_JSON_STRING || !er_slice_eq(said->text, call->name)))
		return er_refuse_field(&call->problem, key, "the name in the path", "\"name\" is not \"%.*s\", as the path has it",
		                       ER_FMT(call->name));
	const er_json *public = er_site_take_key(call->arena, call->json, secret);
	er_buf b = {0};
	er_json_write(&b, er_json_with(call->arena, public, key, NULL));
	*text = er_arena_copy(call->arena, er_buf_slice(&b));
	er_buf_fini(&b);
	if (text->n > ER_STORE_SITE_MAX)
		return er_refuse(&call->problem, ER_PROBLEM_TOO_LARGE, "a site's settings have at most %d bytes", ER_STORE_SITE_MAX);
	if (!check_site(call, public, out, secret))
		return false;
	out->name = call->name;
	return true;
}

/* Of a site that is to be set. */
static bool is_free(er_call *call, const er_site_settings *s)
{
	er_control *c = call->control;
	er_slice by, what;
	if (!c->o.ops->site_taken(c->o.ops_ctx, call->arena, s, &by, &what))
		return true;
	if (what.n == 0)
		return er_refuse(&call->problem, ER_PROBLEM_CONFLICT, "the site \"%.*s\" is node.jsonc's: it is changed there",
		                 ER_FMT(s->name));
	return er_refuse_field(&call->problem, ER_LIT("hosts"), "hosts that no other site has",
	                       "the host %.*s is the site %.*s's already", ER_FMT(what), ER_FMT(by));
}

static void wipe(er_slice text)
{
	if (text.n > 0)
		explicit_bzero((void *)(uintptr_t)text.p, text.n);
}

/* The name of a site is in the keys of what is stored, and another site that comes to have it has
 * nothing of it. So all of a site is purged when it goes, and once more when one of its name comes:
 * what was asked in the site's name is over by then. The number is taken before the store has it:
 * what leaves for the origin in between is newer. */
static bool change_purging(er_call *call, er_change *change)
{
	er_purges *p = er_index_purge_table(call->control->o.cache);
	const er_purge what = {.kind = ER_PURGE_SITE, .value = change->name};
	change->purge_scope = er_slice_cstr(er_purge_kind_name(what.kind));
	change->purge_number = er_purges_next(p);
	if (!er_call_apply_one(call, change))
		return false;
	er_purges_add(p, &what, change->purge_number);
	er_purges_tidy(call->control);
	return true;
}

/* False: refused and answered. */
static bool change_site(er_call *call, er_change *change)
{
	bool there;
	er_err err = {0};
	if (!er_store_site_there(call->control->o.store, change->name, &there, &err)) {
		(void)er_refuse_err(&call->problem, &err);
		er_call_refuse(call);
		return false;
	}
	return there ? er_call_apply_one(call, change) : change_purging(call, change);
}

/* The key leaves the call's memory before the call may be answered. */
static void set_site(er_call *call, er_slice text, er_slice key)
{
	char *copy = er_strdup_slice(key);
	wipe(key);
	er_change change = er_call_change(call, ER_CHANGE_SITE_SET);
	change.name = call->name;
	change.value = text;
	change.key = er_slice_of(copy, key.n);
	bool ok = change_site(call, &change);
	wipe(change.key);
	er_free(copy);
	if (ok)
		er_call_activate(call, 200);
}

void er_api_site_put(er_call *call)
{
	er_site_settings settings;
	er_slice text, key = {0};
	ER_ASSERT(call->json != NULL && call->name.n > 0);
	if (read_site(call, &settings, &text, &key) && is_free(call, &settings)) {
		set_site(call, text, key);
		return;
	}
	wipe(key);
	er_call_refuse(call);
}

void er_api_site_delete(er_call *call)
{
	er_change change = er_call_change(call, ER_CHANGE_SITE_DELETE);
	change.name = call->name;
	if (change_purging(call, &change))
		er_call_activate(call, 200);
}
