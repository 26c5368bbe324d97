/* What the options of a deployment mean (rollout.h): texts that a person types, read strictly,
 * since what is misread here runs in production. Pure but for the JSON that is made; the caller has
 * it. */
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

json_t *er_rollout_split(er_slice text, er_err *err)
{
	er_slice rest = text, part;
	uint64_t sum = 0;
	ER_ASSERT(err != NULL);
	json_t *list = json_array();
	bool ok = text.n > 0;
	while (ok && er_slice_split(&rest, ',', &part)) {
		size_t colon = er_slice_find(part, ':');
		er_slice share = er_slice_from(part, colon + 1);
		uint64_t version = 0, percent = 100;
		if (er_slice_ends(share, ER_LIT("%")))
			share.n--;
		ok = er_slice_u64(er_slice_head(part, colon), &version) && version > 0 && version <= UINT32_MAX &&
		     (colon == part.n || er_slice_u64(share, &percent)) && percent > 0 && percent <= 100;
		sum += percent;
		(void)json_array_append_new(list,
		                            json_pack("{s:I, s:I}", "version", (json_int_t)version, "percent", (json_int_t)percent));
	}
	if (ok && sum == 100 && json_array_size(list) <= 2)
		return list;
	json_decref(list);
	er_fail(err, ER_ERR_INVALID,
	        "--versions: one version (12), or two with shares that make 100 (12:90,13:10), is expected, not \"%.*s\"; er "
	        "versions lists them",
	        ER_FMT(text));
	return NULL;
}

json_t *er_rollout_guard(er_slice text, er_err *err)
{
	uint64_t errors = 5, p99 = 0, requests = 50, watch = 300;
	er_slice rest = er_slice_eq(text, ER_LIT("on")) ? (er_slice){NULL, 0} : text, part;
	bool ok = text.n > 0;
	while (ok && er_slice_split(&rest, ',', &part)) {
		size_t equals = er_slice_find(part, '=');
		er_slice name = er_slice_head(part, equals), value = er_slice_from(part, equals + 1);
		if (er_slice_ends(value, ER_LIT("%")))
			value.n--;
		if (er_slice_eq(name, ER_LIT("errors")))
			ok = er_slice_u64(value, &errors) && errors <= 100;
		else if (er_slice_eq(name, ER_LIT("p99")))
			ok = er_slice_u64(value, &p99) && p99 <= 100000;
		else if (er_slice_eq(name, ER_LIT("requests")))
			ok = er_slice_u64(value, &requests) && requests > 0 && requests <= 1000000000;
		else if (er_slice_eq(name, ER_LIT("watch")))
			ok = er_rollout_seconds(value, &watch) && watch > 0 && watch <= 86400;
		else
			ok = false;
	}
	if (!ok) {
		er_fail(err, ER_ERR_INVALID,
		        "--guard: \"on\", or some of errors=POINTS,p99=PERCENT,requests=LEAST,watch=TIME is expected "
		        "(errors=5,p99=50,requests=100,watch=10m), "
		        "not \"%.*s\"",
		        ER_FMT(text));
		return NULL;
	}
	return json_pack("{s:I, s:I, s:I, s:I}", "error_percent", (json_int_t)errors, "p99_percent", (json_int_t)p99,
	                 "least_requests", (json_int_t)requests, "watch_s", (json_int_t)watch);
}

static json_t *text_of(er_slice s)
{
	return json_stringn((const char *)(s.n ? s.p : (const uint8_t *)""), s.n);
}

/* JSON that this process wrote itself. */
static json_t *parsed(er_slice s)
{
	json_error_t why;
	return json_loadb((const char *)s.p, s.n, 0, &why);
}

json_t *er_rollout_settings(const er_project *p, er_env env)
{
	ER_ASSERT((unsigned)env < ER_ENV_COUNT_ && p->main != NULL);
	json_t *s = json_object(), *list;
	(void)json_object_set_new(s, "main", json_string(p->main));
	if (p->compat_json.n)
		(void)json_object_set_new(s, "compat", parsed(p->compat_json));
	if (p->limits_json.n)
		(void)json_object_set_new(s, "limits", parsed(p->limits_json));
	(void)json_object_set_new(s, "vars", parsed(p->vars));
	(void)json_object_set_new(s, "profile", json_string(er_profile_name(p->profile)));
	(void)json_object_set_new(s, "fallback", json_boolean(p->fallback));
	list = json_array();
	for (size_t i = 0; i < p->routes[env].n; i++)
		(void)json_array_append_new(list, text_of(p->routes[env].v[i]));
	(void)json_object_set_new(s, "routes", list);
	list = json_array();
	for (size_t i = 0; i < p->n_kv; i++)
		(void)json_array_append_new(list, text_of(p->kv[i]));
	(void)json_object_set_new(s, "kv", list);
	return s;
}
