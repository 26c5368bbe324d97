/* What the options of a deployment mean (rollout.h): texts that a person types, read strictly,
 * since what is misread here runs in production. Pure. */
#include "cli/rollout.h"

#include "base/mem.h"

enum { SECONDS_MAX = 30 * 86400 };

bool er_rollout_seconds(er_slice text, uint64_t *out)
{
	ER_ASSERT(out != NULL);
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	uint64_t unit = 1;
	for (size_t i = 0; text.n && i < sizeof units / sizeof *units; i++)
		if (text.p[text.n - 1] == (uint8_t)units[i].letter) {
			unit = units[i].seconds;
			text.n--;
			break;
		}
	return er_slice_u64(text, out) && !__builtin_mul_overflow(*out, unit, out) && *out <= SECONDS_MAX;
}

bool er_rollout_percent(er_slice text, unsigned *out, er_err *err)
{
	uint64_t n = 0;
	ER_ASSERT(out != NULL && err != NULL);
	er_slice number = er_slice_ends(text, ER_LIT("%")) ? er_slice_head(text, text.n - 1) : text;
	if (!er_slice_u64(number, &n) || n < 1 || n > 99)
		return er_fail(err, ER_ERR_INVALID, "--canary: a share of clients from 1%% to 99%% is expected, not \"%.*s\"",
		               ER_FMT(text));
	*out = (unsigned)n;
	return true;
}

bool er_rollout_read_split(er_slice text, er_rollout_split *out, er_err *err)
{
	er_slice rest = text, part;
	uint64_t sum = 0;
	ER_ASSERT(out != NULL && err != NULL);
	*out = (er_rollout_split){0};
	bool ok = text.n > 0;
	while (ok && er_slice_split(&rest, ',', &part)) {
		size_t colon = er_slice_find(part, ':');
		er_slice share = er_slice_from(part, colon + 1);
		uint64_t version = 0, percent = 100;
		if (er_slice_ends(share, ER_LIT("%")))
			share.n--;
		ok = out->n < ER_ROLLOUT_VERSIONS && er_slice_u64(er_slice_head(part, colon), &version) && version > 0 &&
		     version <= UINT32_MAX && (colon == part.n || er_slice_u64(share, &percent)) && percent > 0 && percent <= 100;
		if (!ok)
			break;
		sum += percent;
		out->v[out->n].version = version;
		out->v[out->n++].percent = percent;
	}
	return (ok && sum == 100) ||
	       er_fail(err, ER_ERR_INVALID,
	               "--versions: one version (12), or two with shares that make 100 (12:90,13:10), is expected, not \"%.*s\"; er "
	               "versions lists them",
	               ER_FMT(text));
}

void er_rollout_put_split(er_out *o, const char *key, const er_rollout_split *split)
{
	ER_ASSERT(split->n > 0 && split->n <= ER_ROLLOUT_VERSIONS);
	er_out_open(o, key, '[');
	for (size_t i = 0; i < split->n; i++) {
		er_out_open(o, NULL, '{');
		er_out_u64(o, "version", split->v[i].version);
		er_out_u64(o, "percent", split->v[i].percent);
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
}

/* "errors=5": one of the bounds. */
static bool take_bound(er_slice part, er_rollout_guard *g)
{
	size_t equals = er_slice_find(part, '=');
	er_slice name = er_slice_head(part, equals), value = er_slice_from(part, equals + 1);
	if (er_slice_ends(value, ER_LIT("%")))
		value.n--;
	if (er_slice_eq(name, ER_LIT("errors")))
		return er_slice_u64(value, &g->error_percent) && g->error_percent <= 100;
	if (er_slice_eq(name, ER_LIT("p99")))
		return er_slice_u64(value, &g->p99_percent) && g->p99_percent <= 100000;
	if (er_slice_eq(name, ER_LIT("requests")))
		return er_slice_u64(value, &g->least_requests) && g->least_requests > 0 && g->least_requests <= 1000000000;
	return er_slice_eq(name, ER_LIT("watch")) && er_rollout_seconds(value, &g->watch_s) && g->watch_s > 0 && g->watch_s <= 86400;
}

bool er_rollout_read_guard(er_slice text, er_rollout_guard *out, er_err *err)
{
	er_slice rest = er_slice_eq(text, ER_LIT("on")) ? (er_slice){NULL, 0} : text, part;
	ER_ASSERT(out != NULL && err != NULL);
	*out = (er_rollout_guard){.error_percent = 5, .least_requests = 50, .watch_s = 300};
	bool ok = text.n > 0;
	while (ok && er_slice_split(&rest, ',', &part))
		ok = take_bound(part, out);
	return ok || er_fail(err, ER_ERR_INVALID,
	                     "--guard: \"on\", or some of errors=POINTS,p99=PERCENT,requests=LEAST,watch=TIME is expected "
	                     "(errors=5,p99=50,requests=100,watch=10m), "
	                     "not \"%.*s\"",
	                     ER_FMT(text));
}

void er_rollout_put_guard(er_out *o, const char *key, const er_rollout_guard *guard)
{
	er_out_open(o, key, '{');
	er_out_u64(o, "error_percent", guard->error_percent);
	er_out_u64(o, "p99_percent", guard->p99_percent);
	er_out_u64(o, "least_requests", guard->least_requests);
	er_out_u64(o, "watch_s", guard->watch_s);
	er_out_close(o, '}');
}

static void put_names(er_out *o, const char *key, const er_slice *names, size_t n)
{
	er_out_open(o, key, '[');
	for (size_t i = 0; i < n; i++)
		er_out_str(o, NULL, names[i]);
	er_out_close(o, ']');
}

void er_rollout_put_settings(er_out *o, const char *key, const er_project *p, er_env env)
{
	ER_ASSERT((unsigned)env < ER_ENV_COUNT_ && (p->main != NULL || p->assets_json.n > 0));
	er_out_open(o, key, '{');
	if (p->main != NULL)
		er_out_cstr(o, "main", p->main);
	if (p->compat_json.n)
		er_out_json(o, "compat", p->compat_json);
	if (p->limits_json.n)
		er_out_json(o, "limits", p->limits_json);
	er_out_json(o, "vars", p->vars);
	er_out_cstr(o, "profile", er_profile_name(p->profile));
	er_out_bool(o, "fallback", p->fallback);
	put_names(o, "routes", p->routes[env].v, p->routes[env].n);
	er_out_json(o, "kv", p->kv_json.n ? p->kv_json : ER_LIT("[]"));
	if (p->services_json.n > 0)
		er_out_json(o, "services", p->services_json);
	if (p->crons_json.n > 0)
		er_out_json(o, "crons", p->crons_json);
	if (p->assets_json.n)
		er_out_json(o, "assets", p->assets_json);
	er_out_close(o, '}');
}
