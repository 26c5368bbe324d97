/* Stored routines. The snapshot (control) says what each environment runs; a deployment that is the
 * same as before stays the same object, one of which only a share changed keeps the objects of its
 * versions, and all others are made anew, without their code. A version carries a key instead:
 * hashes of code and source map, which `load` turns into bytes when a first instance wants them, on
 * a thread of the pool.
 *
 * Limits and addresses are cut to what node.jsonc allows now, each time, since the operator may
 * have lowered them after a version was taken. Settings that the store has and this program does
 * not understand (a newer node wrote them) cost that deployment and no other. Control thread, but
 * for `load`. */
#include "gateway/stored.h"

#include "base/log.h"
#include "base/mem.h"
#include "control/settings.h"
#include "store/asset.h"

#include <stdio.h>

/* er_routine.key of a stored version. */
typedef struct key {
	er_hash code, source_map;
	uint32_t map_n;
	er_env env;
} key;

/* Static files of stored versions: the er_assets_source of a store. */
static bool read_manifest(void *ctx, er_slice routine, const er_hash *hash, er_piece *out, er_err *err)
{
	(void)routine;
	return er_store_blob(ctx, hash, out, err);
}

static bool read_file(void *ctx, er_slice routine, const er_assets_file *file, uint64_t from, uint8_t *to, size_t n, er_err *err)
{
	return er_asset_read(ctx, routine, &file->hash, file->bytes, from, to, n, err);
}

/* A source map that cannot be read costs positions in stacks, and no request. */
static void load_map(er_store *store, const er_routine *r, const key *k, er_code *out)
{
	er_err err = {0};
	if (k->map_n > 0 && !er_store_blob(store, &k->source_map, &out->source_map, &err))
		er_log(ER_LOG_WARN, "gateway", "routine %.*s: the source map of version %.*s cannot be read: %s", ER_FMT(r->name),
		       ER_FMT(r->version), err.text);
}

static bool load(void *ctx, const er_routine *r, er_code *out, er_err *err)
{
	er_store *store = ctx;
	key k;
	ER_ASSERT(r->key.n == sizeof k);
	memcpy(&k, r->key.p, sizeof k);
	er_piece stored = {0};
	if (!er_store_blob(store, &k.code, &out->script, err) || !er_store_env(store, r->name, k.env, &stored, err))
		return false;
	out->env = er_settings_env(r->env_json, er_piece_slice(stored));
	er_piece_drop(&stored);
	load_map(store, r, &k, out);
	return true;
}

void er_stored_source_init(er_stored_source *out, er_store *store)
{
	*out = (er_stored_source){.code = {.load = load, .ctx = store},
	                          .assets = {.manifest = read_manifest, .read = read_file, .ctx = store}};
	pthread_mutex_init(&out->code.lock, NULL);
}

void er_stored_source_fini(er_stored_source *source)
{
	pthread_mutex_destroy(&source->code.lock);
}

/* The node's maximum may have become less since the version was taken. */
static er_limits within(const er_limits *asked, const er_limits *most, er_slice name)
{
	er_limits l = *asked;
	if (er_limits_lower(&l, most))
		er_log(ER_LOG_WARN, "gateway", "routine %.*s asks for more than routineLimits allows now: it gets what is allowed",
		       ER_FMT(name));
	return l;
}

/* Of the addresses that an administrator allowed those that the operator still does. */
static size_t allowed(const er_config *c, const er_snapshot_routine *s, er_cidr out[ER_ADDRESSES_MAX])
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_allow && n < ER_ADDRESSES_MAX; i++) {
		bool ok = false;
		for (size_t k = 0; k < c->n_addresses && !ok; k++)
			ok = er_cidr_within(&s->allow[i], &c->addresses[k]);
		if (ok)
			out[n++] = s->allow[i];
	}
	if (n < s->n_allow)
		er_log(ER_LOG_WARN, "gateway",
		       "routine %.*s: %zu of its allowed addresses are not within routineAddresses of node.jsonc, and are refused to it",
		       ER_FMT(s->name), s->n_allow - n);
	return n;
}

/* A routine without its code, which the first instance reads by this key. */
static er_routine *make_version(const er_config *c, const er_snapshot_routine *s, const er_snapshot_version *v,
                                const er_settings *settings, er_stored_source *source)
{
	ER_ASSERT((unsigned)s->env < ER_ENV_COUNT_);
	char version[16];
	int n = snprintf(version, sizeof version, "%u", v->number);
	key k;
	memset(&k, 0, sizeof k);
	k.code = v->code;
	k.source_map = v->source_map;
	k.map_n = v->map_n;
	k.env = s->env;
	er_cidr allow[ER_ADDRESSES_MAX];
	size_t n_allow = allowed(c, s, allow);
	ER_ASSERT(n > 0 && (size_t)n < sizeof version && n_allow <= ER_ADDRESSES_MAX);
	return er_routine_new(&(er_routine){.environment = (uint8_t)s->env,
	                                    .home = ER_HOME_STORE,
	                                    .name = s->name,
	                                    .born = s->born,
	                                    .version = er_slice_of(version, (size_t)n),
	                                    .source_url = ER_LIT("routine.js"),
	                                    .source = &source->code,
	                                    .key = er_slice_of(&k, sizeof k),
	                                    .env_json = settings->vars,
	                                    .limits = within(&settings->limits, &c->routine_max, s->name),
	                                    .compat = settings->compat,
	                                    .profile = settings->profile,
	                                    .fallback = settings->fallback,
	                                    .files = v->has_assets,
	                                    .kv = settings->kv,
	                                    .n_kv = settings->n_kv,
	                                    .services = settings->services,
	                                    .n_services = settings->n_services,
	                                    .crons = settings->crons,
	                                    .allow = allow,
	                                    .n_allow = n_allow});
}

/* The same version with the same variables: it stays the object that it is, and keeps its instances
 * when only its share of the clients changes, or who is beside it. A number means one version for
 * ever. */
static er_routine *kept_version(const er_deployment *old, const er_snapshot_routine *s, uint32_t number)
{
	if (old == NULL || old->id == 0 || old->env_revision != s->env_revision)
		return NULL;
	for (unsigned i = 0; i < ER_STORE_SPLIT; i++)
		if (old->version[i] != NULL && old->number[i] == number)
			return er_routine_ref(old->version[i]);
	return NULL;
}

/* Its static files: those that it had, or new ones. */
static er_assets *files_of(const er_deployment *old, const er_snapshot_routine *s, const er_snapshot_version *v,
                           const er_settings *settings, er_stored_source *source)
{
	if (!v->has_assets)
		return NULL;
	for (unsigned i = 0; old != NULL && old->id != 0 && i < ER_STORE_SPLIT; i++)
		if (old->assets[i] != NULL && old->number[i] == v->number)
			return er_assets_ref(old->assets[i]);
	return er_assets_new(&source->assets, s->name, &v->assets, v->code_n == 0, &settings->assets);
}

/* The rules that came with a version, as far as they are rules. */
static void own_rules(er_arena *a, const er_settings *settings, er_deployment *d, er_route *rules, size_t cap)
{
	for (size_t i = 0; i < settings->n_routes && d->n_own < cap; i++) {
		bool ok = er_route_parse(a, settings->routes[i], &rules[d->n_own], NULL);
		for (size_t k = 0; ok && k < d->n_own; k++)
			ok = !er_slice_eq(rules[k].pattern, rules[d->n_own].pattern);
		d->n_own += ok;
		ER_ASSERT(d->n_own <= cap);
	}
}

/* `old`: what ran before under the same limits of the node, or NULL. */
static er_deployment *make_deployment(const er_config *c, const er_snapshot_routine *s, const er_deployment *old,
                                      er_stored_source *source)
{
	er_arena a;
	er_arena_init(&a);
	enum { RULES = ER_SETTINGS_ROUTES * ER_STORE_SPLIT };
	er_route *rules = er_arena_alloc(&a, RULES * sizeof *rules);
	er_deployment like = {.env = s->env,
	                      .id = s->deployment,
	                      .revision = s->revision,
	                      .env_revision = s->env_revision,
	                      .percent = s->percent,
	                      .own = rules};
	bool ok = s->n > 0;
	for (uint32_t i = 0; i < s->n && i < ER_STORE_SPLIT && ok; i++) {
		er_settings settings;
		er_problem problem;
		ok = er_settings_parse(&a, s->version[i].settings, &settings, &problem);
		if (!ok) {
			er_log(ER_LOG_ERROR, "gateway",
			       "routine %.*s: version %u is not served, its settings in the store are not understood: %s", ER_FMT(s->name),
			       s->version[i].number, problem.message);
			break;
		}
		like.version[i] = kept_version(old, s, s->version[i].number);
		if (like.version[i] == NULL)
			like.version[i] = make_version(c, s, &s->version[i], &settings, source);
		like.number[i] = s->version[i].number;
		like.assets[i] = files_of(old, s, &s->version[i], &settings, source);
		own_rules(&a, &settings, &like, rules, RULES);
	}
	er_deployment *d = ok ? er_deployment_new(&like) : NULL;
	for (unsigned i = 0; !ok && i < ER_STORE_SPLIT; i++) {
		er_routine_unref(like.version[i]);
		er_assets_unref(like.assets[i]);
	}
	er_arena_fini(&a);
	return d;
}

/* One that node.jsonc has the name or a host of is not served; whoever sets one is told before. */
static void add_site(er_config *c, const er_site_row *row)
{
	er_arena a = {0};
	er_site_settings settings;
	er_problem problem = {0};
	er_err err = {0};
	if (!er_site_parse(&a, row->settings, row->key, &settings, &problem)) {
		er_log(ER_LOG_ERROR, "gateway", "site %.*s is not served, its settings in the store are not understood: %s",
		       ER_FMT(row->name), problem.message);
	} else {
		settings.name = row->name;
		er_site *s = er_site_new(&settings, row->settings, true, c->addresses, c->n_addresses);
		if (!er_config_add_site(c, s, &err))
			er_log(ER_LOG_WARN, "gateway", "site %.*s of the store is not served: %s", ER_FMT(row->name), err.text);
	}
	er_arena_fini(&a);
}

void er_stored_add(er_config *c, const er_config *before, const er_snapshot *snapshot, er_stored_source *source)
{
	bool same_limits =
	    before != NULL && memcmp(&before->routine_max, &c->routine_max, sizeof c->routine_max) == 0 &&
	    before->n_addresses == c->n_addresses &&
	    (c->n_addresses == 0 || memcmp(before->addresses, c->addresses, c->n_addresses * sizeof *c->addresses) == 0);
	ER_ASSERT(!c->sealed && source != NULL);
	c->n_hidden = 0;
	for (size_t i = 0; i < snapshot->n_routines; i++) {
		const er_snapshot_routine *s = &snapshot->routines[i];
		if (er_config_find(c, s->env, s->name) != NULL) {
			c->n_hidden++;
			continue;
		}
		er_deployment *old = same_limits ? er_config_find(before, s->env, s->name) : NULL;
		bool same = old != NULL && old->id != 0 && old->id == s->deployment && old->revision == s->revision;
		er_deployment *d = same ? er_deployment_ref(old) : make_deployment(c, s, old, source);
		if (d != NULL)
			er_config_add_deployment(c, d);
	}
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		for (size_t i = 0; i < snapshot->n_routes[e]; i++) {
			const er_route_rule *rule = &snapshot->routes[e][i];
			/* One whose routine is gone, or not deployed here, waits for it. */
			(void)!er_config_add_rule(c, e, rule->pattern, rule->routine, (uint32_t)i);
		}
	for (size_t i = 0; i < snapshot->n_sites; i++)
		add_site(c, &snapshot->sites[i]);
	for (size_t i = 0; i < c->n_deployments; i++)
		if (c->deployments[i]->id != 0)
			er_config_add_own_rules(c, c->deployments[i]);
	if (c->n_hidden > 0 && (before == NULL || before->n_hidden != c->n_hidden))
		er_log(ER_LOG_WARN, "gateway", "%zu deployments of the store are not served: node.jsonc has routines of the same names",
		       c->n_hidden);
}
