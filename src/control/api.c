/* The table of the API: what there is, who may, what the body is, and which function answers.
 * docs/openapi.json says the same for machines, and a test holds them together.
 *
 * call.c asks er_api_match when it knows who it is. A path is cut at its slashes, before any
 * decoding, so that %2F in a name is a part of the name. The first row of the method whose path
 * fits is taken; its parameters are decoded, checked and put into the call, each by the name it has
 * in the row. So a function of the table finds in its call what its row names, already checked, and
 * asserts it. */
#include "base/mem.h"
#include "base/nearest.h"
#include "control/internal.h"

enum { SMALL = 64 << 10, MEDIUM = 4 << 20, ASSETS = 28 << 20, SEGMENTS = 10, JOB_DIGITS = 16 };

#define R "/v1/routines/{routine}"
#define E R "/environments/{environment}"
#define KV "/v1/kv/{namespace}"
#define TAIL_QUERY "routine,environment,status,method,path,search,sampling,kinds"

static const er_api table[] = {
    {"GET", "/v1", "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_root},
    {"GET", "/v1/openapi.json", "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_openapi},
    {"GET", "/v1/whoami", "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_whoami},
    {"GET", "/v1/status", "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_status},

    {"GET", "/v1/routines", "cursor,limit", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_routines},
    {"GET", R, "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_routine},
    {"DELETE", R, "", ER_ROLE_DEPLOY, true, ER_API_NONE, 0, er_api_routine_delete},
    {"GET", R "/versions", "cursor,limit", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_versions},
    {"POST", R "/versions", "", ER_ROLE_DEPLOY, true, ER_API_JSON, ER_BODY_MAX, er_deploy_version},
    {"GET", R "/versions/{version}", "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_version},
    {"DELETE", R "/versions/{version}", "", ER_ROLE_DEPLOY, true, ER_API_NONE, 0, er_api_version_delete},
    {"GET", R "/versions/{version}/code", "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_version_code},
    {"GET", R "/versions/{version}/source-map", "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_version_map},
    {"POST", R "/assets/missing", "", ER_ROLE_DEPLOY, true, ER_API_JSON, MEDIUM, er_api_assets_missing},
    {"POST", R "/assets", "", ER_ROLE_DEPLOY, true, ER_API_BYTES, ASSETS, er_api_assets_put},
    {"POST", R "/prune", "", ER_ROLE_DEPLOY, true, ER_API_JSON, SMALL, er_api_prune},

    {"POST", R "/deploy", "", ER_ROLE_DEPLOY, true, ER_API_JSON, ER_BODY_MAX, er_deploy_new},
    {"POST", R "/publish", "", ER_ROLE_DEPLOY, true, ER_API_JSON, SMALL, er_deploy_publish},
    {"POST", R "/rollback", "", ER_ROLE_DEPLOY, true, ER_API_JSON, SMALL, er_deploy_rollback},
    {"GET", R "/deployments", "environment,cursor,limit", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_deployments},
    {"GET", E, "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_environment},
    {"PUT", E, "", ER_ROLE_DEPLOY, true, ER_API_JSON, SMALL, er_deploy_set},

    {"GET", E "/vars", "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_vars},
    {"GET", E "/vars/{name}", "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_var},
    {"PUT", E "/vars/{name}", "", ER_ROLE_DEPLOY, true, ER_API_JSON, SMALL, er_api_var_put},
    {"DELETE", E "/vars/{name}", "", ER_ROLE_DEPLOY, true, ER_API_NONE, 0, er_api_var_delete},
    {"GET", E "/secrets", "", ER_ROLE_DEPLOY, true, ER_API_NONE, 0, er_api_secrets},
    {"POST", E "/secrets", "", ER_ROLE_DEPLOY, true, ER_API_JSON, SMALL, er_api_secret_bulk},
    {"PUT", E "/secrets/{name}", "", ER_ROLE_DEPLOY, true, ER_API_JSON, SMALL, er_api_secret_put},
    {"DELETE", E "/secrets/{name}", "", ER_ROLE_DEPLOY, true, ER_API_NONE, 0, er_api_secret_delete},

    {"GET", "/v1/crons", "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_crons_all},
    {"GET", R "/crons", "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_crons},
    {"POST", R "/crons/run", "", ER_ROLE_DEPLOY, true, ER_API_JSON, SMALL, er_api_cron_run},
    {"GET", R "/crons/history", "cursor,limit", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_cron_history},

    {"GET", R "/addresses", "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_addresses},
    {"POST", R "/addresses", "", ER_ROLE_ADMIN, false, ER_API_JSON, SMALL, er_api_address_allow},
    {"DELETE", R "/addresses", "address", ER_ROLE_ADMIN, false, ER_API_NONE, 0, er_api_address_deny},

    {"GET", "/v1/routes", "environment", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_routes},
    {"PUT", "/v1/routes", "environment", ER_ROLE_DEPLOY, false, ER_API_JSON, MEDIUM, er_api_routes_put},
    {"POST", "/v1/routes", "", ER_ROLE_DEPLOY, true, ER_API_JSON, SMALL, er_api_route_add},
    {"DELETE", "/v1/routes", "environment,pattern", ER_ROLE_DEPLOY, true, ER_API_NONE, 0, er_api_route_delete},
    {"GET", "/v1/routes/test", "environment,url", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_route_test},

    {"GET", "/v1/kv", "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_namespaces},
    {"PUT", KV, "", ER_ROLE_DEPLOY, false, ER_API_NONE, 0, er_api_namespace_put},
    {"DELETE", KV, "", ER_ROLE_DEPLOY, false, ER_API_NONE, 0, er_api_namespace_delete},
    {"GET", KV "/keys", "prefix,cursor,limit", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_keys},
    {"GET", KV "/values/{key}", "", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_value},
    {"PUT", KV "/values/{key}", "expiration,expiration_ttl", ER_ROLE_DEPLOY, true, ER_API_BYTES, ER_KV_VALUE_MAX,
     er_api_value_put},
    {"DELETE", KV "/values/{key}", "", ER_ROLE_DEPLOY, true, ER_API_NONE, 0, er_api_value_delete},
    {"GET", KV "/value", "key", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_value},
    {"PUT", KV "/value", "key,expiration,expiration_ttl", ER_ROLE_DEPLOY, true, ER_API_BYTES, ER_KV_VALUE_MAX, er_api_value_put},
    {"DELETE", KV "/value", "key", ER_ROLE_DEPLOY, true, ER_API_NONE, 0, er_api_value_delete},
    {"GET", KV "/bulk", "prefix", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_bulk_out},
    {"POST", KV "/bulk", "", ER_ROLE_DEPLOY, true, ER_API_BYTES, ER_BULK_MAX, er_api_bulk_in},

    {"GET", "/v1/sites", "", ER_ROLE_READ, false, ER_API_NONE, 0, er_api_sites},
    {"GET", "/v1/sites/{site}", "", ER_ROLE_READ, false, ER_API_NONE, 0, er_api_site},
    {"PUT", "/v1/sites/{site}", "", ER_ROLE_ADMIN, false, ER_API_JSON, MEDIUM, er_api_site_put},
    {"DELETE", "/v1/sites/{site}", "", ER_ROLE_ADMIN, false, ER_API_NONE, 0, er_api_site_delete},

    {"POST", "/v1/purge", "", ER_ROLE_DEPLOY, false, ER_API_JSON, MEDIUM, er_api_purge},
    {"POST", "/v1/prefetch", "", ER_ROLE_DEPLOY, false, ER_API_JSON, MEDIUM, er_api_prefetch},
    {"GET", "/v1/prefetch", "", ER_ROLE_READ, false, ER_API_NONE, 0, er_api_prefetch_list},
    {"GET", "/v1/prefetch/{job}", "", ER_ROLE_READ, false, ER_API_NONE, 0, er_api_prefetch_job},
    {"DELETE", "/v1/prefetch/{job}", "", ER_ROLE_DEPLOY, false, ER_API_NONE, 0, er_api_prefetch_cancel},
    {"GET", "/v1/content", "environment,url", ER_ROLE_DEPLOY, false, ER_API_NONE, 0, er_api_content},
    {"GET", "/v1/cache", "", ER_ROLE_READ, false, ER_API_NONE, 0, er_api_cache},
    {"GET", "/v1/explain", "environment,url", ER_ROLE_READ, false, ER_API_NONE, 0, er_api_explain},

    {"GET", "/v1/tokens", "", ER_ROLE_ADMIN, false, ER_API_NONE, 0, er_api_tokens},
    {"POST", "/v1/tokens", "", ER_ROLE_ADMIN, false, ER_API_JSON, SMALL, er_api_token_add},
    {"DELETE", "/v1/tokens/{token}", "", ER_ROLE_ADMIN, false, ER_API_NONE, 0, er_api_token_delete},

    {"GET", "/v1/tail", TAIL_QUERY, ER_ROLE_READ, true, ER_API_NONE, 0, er_api_tail},
    {"GET", "/v1/logs", TAIL_QUERY ",since,limit", ER_ROLE_READ, true, ER_API_NONE, 0, er_api_logs},
    {"GET", "/v1/audit", "after,limit", ER_ROLE_ADMIN, false, ER_API_NONE, 0, er_api_audit},
    {"POST", "/v1/backup", "", ER_ROLE_ADMIN, false, ER_API_JSON, SMALL, er_api_backup},
    {"POST", "/v1/rotate-key", "", ER_ROLE_ADMIN, false, ER_API_NONE, 0, er_api_rotate_key},
    {"POST", "/v1/reload", "", ER_ROLE_ADMIN, false, ER_API_NONE, 0, er_api_reload},
    {"POST", "/v1/upgrade", "", ER_ROLE_ADMIN, false, ER_API_NONE, 0, er_api_upgrade},
};

const er_api *er_api_table(size_t *n)
{
	ER_ASSERT(n != NULL);
	*n = sizeof table / sizeof *table;
	return table;
}

typedef struct segments {
	er_slice v[SEGMENTS];
	size_t n;
} segments;

/* False: it does not begin with a slash, or has more parts than any row. */
static bool cut(er_slice path, segments *out)
{
	*out = (segments){0};
	if (path.n == 0 || path.p[0] != '/')
		return false;
	path = er_slice_from(path, 1);
	for (;;) {
		if (out->n == SEGMENTS)
			return false;
		size_t at = er_slice_find(path, '/');
		out->v[out->n++] = er_slice_head(path, at);
		if (at == path.n)
			return true;
		path = er_slice_from(path, at + 1);
	}
}

static bool is_parameter(er_slice segment)
{
	return segment.n > 2 && segment.p[0] == '{';
}

static bool same_path(const segments *pattern, const segments *path)
{
	if (pattern->n != path->n)
		return false;
	for (size_t i = 0; i < path->n; i++)
		if (!is_parameter(pattern->v[i]) && !er_slice_eq(pattern->v[i], path->v[i]))
			return false;
	return true;
}

/* Of a routine, a namespace or a token: `what` says which, for the message. */
static bool take_name(er_call *call, er_slice what, er_slice value, er_slice *out)
{
	if (!er_name_ok(value))
		return er_refuse_field(
		    &call->problem, what, "a to z, 0 to 9 and -, at most 63, no hyphen at either end",
		    "\"%.*s\" is no name of a %.*s: a to z, 0 to 9 and - are expected, at most 63, no hyphen at either end",
		    ER_FMT(er_slice_head(value, 80)), ER_FMT(what));
	*out = value;
	return true;
}

static bool take_job(er_call *call, er_slice value)
{
	for (size_t i = 0; value.n == JOB_DIGITS && i < value.n && er_hex_digit(value.p[i]) >= 0; i++) {
		call->number = call->number << 4 | (uint64_t)er_hex_digit(value.p[i]);
		if (i + 1 == value.n)
			return true;
	}
	return er_refuse_field(&call->problem, ER_LIT("job"), "16 digits from 0 to f",
	                       "\"%.*s\" is no job: 16 digits from 0 to f are expected, as its start was answered with",
	                       ER_FMT(er_slice_head(value, 80)));
}

/* One parameter of the path, by the name that the table gives it. */
static bool take(er_call *call, er_slice what, er_slice value)
{
	uint64_t number;
	if (er_slice_eq(what, ER_LIT("routine")))
		return take_name(call, what, value, &call->routine);
	if (er_slice_eq(what, ER_LIT("namespace")))
		return take_name(call, what, value, &call->ns);
	if (er_slice_eq(what, ER_LIT("token")))
		return take_name(call, what, value, &call->name);
	if (er_slice_eq(what, ER_LIT("site"))) {
		call->name = value;
		return er_site_name_ok(value) ||
		       er_refuse_field(&call->problem, what, "a to z, 0 to 9, - and ., at most 253",
		                       "\"%.*s\" is no name of a site: a to z, 0 to 9, - and . are expected, at most 253",
		                       ER_FMT(er_slice_head(value, 80)));
	}
	if (er_slice_eq(what, ER_LIT("environment")))
		return er_env_parse(value, &call->env) ||
		       er_refuse_field(&call->problem, what, "production or staging",
		                       "\"%.*s\" is no environment: production and staging are", ER_FMT(er_slice_head(value, 80)));
	if (er_slice_eq(what, ER_LIT("version"))) {
		bool ok = er_slice_u64(value, &number) && number > 0 && number <= UINT32_MAX;
		call->version = ok ? (uint32_t)number : 0;
		return ok || er_refuse_field(&call->problem, what, "a version's number",
		                             "\"%.*s\" is no version's number: 1, 2, 3 ... are", ER_FMT(er_slice_head(value, 80)));
	}
	if (er_slice_eq(what, ER_LIT("job")))
		return take_job(call, value);
	if (er_slice_eq(what, ER_LIT("name"))) {
		call->name = value;
		return er_var_name_ok(value) ||
		       er_refuse_field(&call->problem, what, "letters, digits and _, at most 63, not beginning with a digit",
		                       "\"%.*s\" is no name of a variable or secret: letters, digits and _ are expected, at most 63, not "
		                       "beginning with a digit",
		                       ER_FMT(er_slice_head(value, 80)));
	}
	ER_ASSERT(er_slice_eq(what, ER_LIT("key")));
	return er_call_take_key(call, value);
}

/* Both have as many segments: same_path has compared them. */
static bool take_all(er_call *call, const segments *pattern, const segments *path)
{
	ER_ASSERT(pattern->n == path->n);
	for (size_t i = 0; i < path->n; i++) {
		er_slice value, what = pattern->v[i];
		if (!is_parameter(what))
			continue;
		what = er_slice_of(what.p + 1, what.n - 2);
		if (!er_call_decode(call, path->v[i], &value))
			return er_refuse_field(&call->problem, what, "percent-encoding (%2F)", "the path holds a broken percent-encoding");
		if (!take(call, what, value))
			return false;
	}
	return true;
}

/* Every parameter of the query is known. */
static bool known_query(er_call *call)
{
	er_slice rest = call->query, part, names[16];
	size_t n = 0;
	ER_ASSERT(call->api != NULL);
	er_slice known = er_slice_cstr(call->api->query);
	for (er_slice name; n < 16 && er_slice_split(&known, ',', &name);)
		names[n++] = name;
	while (er_slice_split(&rest, '&', &part)) {
		er_slice name = er_slice_head(part, er_slice_find(part, '='));
		bool found = name.n == 0;
		for (size_t i = 0; i < n && !found; i++)
			found = er_slice_eq(names[i], name);
		if (found)
			continue;
		er_slice hint = er_nearest(name, names, n);
		return er_refuse_field(&call->problem, er_slice_head(name, 60), call->api->query,
		                       "no parameter \"%.*s\" is known here%s%.*s%s", ER_FMT(er_slice_head(name, 60)),
		                       hint.n > 0 ? "; did you mean \""
		                       : n > 0    ? "; known: "
		                                  : "; there is none",
		                       ER_FMT(hint.n > 0 ? hint : er_slice_cstr(call->api->query)), hint.n > 0 ? "\"?" : "");
	}
	return true;
}

/* The path is another one's, or nobody's: 405 with what it takes, or 404. */
static bool no_such_method(er_call *call, const segments *path)
{
	er_buf allow = {0};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		segments pattern;
		if (!cut(er_slice_cstr(table[i].path), &pattern) || !same_path(&pattern, path))
			continue;
		if (er_buf_len(&allow) > 0)
			er_buf_puts(&allow, ", ");
		er_buf_put_cstr(&allow, table[i].method);
	}
	er_slice methods = er_arena_copy(call->arena, er_buf_slice(&allow));
	er_buf_fini(&allow);
	if (methods.n == 0)
		return er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND, "the API has no %.*s; what it has: GET /v1/openapi.json",
		                 ER_FMT(er_slice_head(call->path, 120)));
	er_call_header(call, ER_LIT("allow"), methods);
	return er_refuse(&call->problem, ER_PROBLEM_METHOD, "%.*s takes %.*s", ER_FMT(er_slice_head(call->path, 120)),
	                 ER_FMT(methods));
}

bool er_api_match(er_call *call)
{
	segments path, pattern;
	ER_CHECK(call, ER_CALL_MAGIC);
	ER_ASSERT(call->api == NULL && call->problem.code == ER_PROBLEM_NONE);
	if (!cut(call->path, &path))
		return er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND, "the API has no such path; what it has: GET /v1/openapi.json");
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (!er_slice_eq(er_slice_cstr(table[i].method), call->x->req.method) || !cut(er_slice_cstr(table[i].path), &pattern) ||
		    !same_path(&pattern, &path))
			continue;
		call->api = &table[i];
		return take_all(call, &pattern, &path) && known_query(call);
	}
	return no_such_method(call, &path);
}
