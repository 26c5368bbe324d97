/* A token that is confined to routines, and the hosts and paths of others: whatever puts a rule
 * into force is tried. */
#include "control_harness.h"

static char *grant_token(harness *h, const char *name, const char *routines, const char *hosts)
{
	char body[512];
	snprintf(body, sizeof body, "{\"name\":\"%s\",\"role\":\"deploy\",\"routines\":%s,\"hosts\":%s}", name, routines, hosts);
	good(h, "POST", "/v1/tokens", body, 201);
	return er_arena_cstr(&h->arena, at(h, "token")->text);
}

/* A routine `b` that others must not touch, and `a` of the token. */
static void make_two(harness *h)
{
	make_versions(h, "a", 1);
	make_versions(h, "b", 1);
	deploy(h, "a", "production", 1);
	deploy(h, "b", "production", 1);
	good(h, "PUT", "/v1/routes",
	     "{\"rules\":[{\"pattern\":\"b.example/shop*\",\"routine\":\"b\"},{\"pattern\":\"*.many.example\",\"routine\":\"b\"}]}",
	     200);
	good(h, "PUT", "/v1/routes?environment=staging", "{\"rules\":[{\"pattern\":\"try.example/*\",\"routine\":\"b\"}]}", 200);
	/* in force where the version runs, in no list */
	good(h, "POST", "/v1/routines/own/deploy",
	     "{\"code\":\"own\",\"settings\":{\"routes\":[\"own.example/x*\"]},\"routes\":false}", 200);
}

/* Every way to put a rule into force. False: one of them let it pass that should not, or the other
 * way round. */
static bool all_ways(harness *h, const char *token, const char *pattern, const char *env, bool allowed)
{
	char body[700], target[200];
	static unsigned n;
	bool ok = true;
	struct {
		const char *what, *method, *target;
	} ways[] = {{"POST routes", "POST", "/v1/routes"},
	            {"deploy", "POST", "/v1/routines/a/deploy"},
	            {"deploy without rules", "POST", "/v1/routines/a/deploy"},
	            {"canary", "POST", "/v1/routines/a/deploy"}};
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		if (i == 0)
			snprintf(body, sizeof body, "{\"pattern\":\"%s\",\"routine\":\"a\",\"environment\":\"%s\"}", pattern, env);
		else
			snprintf(body, sizeof body, "{\"code\":\"code %u\",\"environment\":\"%s\",\"settings\":{\"routes\":[\"%s\"]}%s%s}",
			         ++n, env, pattern, i == 2 ? ",\"routes\":false" : "", i == 3 && env[0] == 'p' ? ",\"percent\":10" : "");
		int status = ask_as(h, token, ways[i].method, ways[i].target, body);
		if ((status == 200) != allowed) {
			print_error("%s %s in %s: %d %s\n", ways[i].what, pattern, env, status, h->text);
			ok = false;
		}
		if (status == 200) {
			snprintf(target, sizeof target, "/v1/routes?environment=%s", env);
			good(h, "GET", target, NULL, 200);
			const er_json *last = at(h, "items")->first;
			while (last != NULL && last->next != NULL)
				last = last->next;
			if (last != NULL && er_slice_eq(er_json_get(last, ER_LIT("routine"))->text, ER_LIT("a"))) {
				snprintf(target, sizeof target, "/v1/routes?environment=%s&pattern=%.*s", env,
				         ER_FMT(er_json_get(last, ER_LIT("pattern"))->text));
				good(h, "DELETE", target, NULL, 200);
			}
			good(h, "PUT", "/v1/routines/a/environments/production", "{\"version\":1}", 200);
		} else if (status != 403 && !allowed && i != 0) {
			print_error("%s %s in %s: refused with %d: %s\n", ways[i].what, pattern, env, status, h->text);
			ok = false;
		}
	}
	return ok;
}

static void a_token_does_not_take_what_belongs_to_others(void **state)
{
	harness *h = *state;
	const char *const others[] = {"*", "*/x*",
	                              /* names of routines, there or not */
	                              "b.localhost", "b.localhost/*", "B.LocalHost/*", "b.localhost./x", "own.localhost",
	                              "from-file.localhost", "nobody.localhost/*", "b.staging.localhost", "*.localhost",
	                              "*.localhost/x*", "*.LOCALHOST./*", "*.b.localhost", "*.a.localhost", "*.staging.localhost",
	                              "\xef\xbd\x82.localhost/*", "b\xe3\x80\x82localhost/*",
	                              /* the node itself */
	                              "localhost", "localhost/*", "localhost.", "x.y.localhost", "127.0.0.1", "127.1/*", "0x7f.0.0.1",
	                              "[::1]", "[0::1]/*", "203.0.113.9/*",
	                              /* as good as every host */
	                              "*.com", "*.com/*", "*.CoM./x", "*.co.uk/*", "*.github.io", "*.example", "*.internal",
	                              "*.xn--p1ai/*", "*.\xd1\x80\xd1\x84",
	                              /* hosts with rules of others, whatever the path */
	                              "b.example", "b.example/*", "b.example/other*", "b.example/shop/deep*", "B.EXAMPLE./%73hop*",
	                              "b.example/", "x.many.example", "a.b.many.example/*", "*.many.example/x*", "*.x.many.example",
	                              "own.example/*", "own.example/y", "taken.example/x", "try.example/*"};
	make_two(h);
	char *token = make_token(h, "ann", "deploy", "[\"a\"]");
	bool ok = true;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		ok = all_ways(h, token, others[i], "production", false) && ok;
		ok = all_ways(h, token, others[i], "staging", false) && ok;
	}
	assert_true(ok);
}

static void a_token_has_its_own_name_and_hosts_that_nobody_uses(void **state)
{
	harness *h = *state;
	const char *const mine[] = {"a.localhost",  "a.localhost/x*", "A.localhost./*", "a.example",
	                            "a.example/x*", "many.example",   "*.a.example",    "*.b.example",
	                            "x.github.io",  "*.x.github.io",  "example/*",      "a.internal"};
	make_two(h);
	char *token = make_token(h, "ann", "deploy", "[\"a\"]");
	bool ok = true;
	for (size_t i = 0; i < sizeof mine / sizeof *mine; i++) {
		ok = all_ways(h, token, mine[i], "production", true) && ok;
		ok = all_ways(h, token, mine[i], "staging", true) && ok;
	}
	assert_true(ok);
	/* the other routine of the token is no stranger */
	char *both = make_token(h, "both", "deploy", "[\"a\",\"b\"]");
	assert_true(all_ways(h, both, "b.example/other*", "production", true));
	assert_true(all_ways(h, both, "b.localhost/*", "production", true));
}

static void granted_hosts_are_all_that_a_token_has(void **state)
{
	harness *h = *state;
	make_two(h);
	char *token =
	    grant_token(h, "ann", "[\"a\"]", "[\"WWW.Example.com\",\"*.a.example.com\",\"b.example\",\"own.example\",\"*.corp\"]");
	const char *const mine[] = {"www.example.com/*", "x.a.example.com", "*.a.example.com/x*", "*.y.a.example.com",
	                            "b.example/other*",  "b.example/*",     "own.example/y*",     "a.localhost/*",
	                            "*.corp/*",          "x.corp"};
	const char *const not_mine[] = {"example.com",
	                                "a.example.com",
	                                "x.example.com",
	                                "*.example.com",
	                                "free.example",
	                                "own.example/x*",
	                                "own.example/*",
	                                "own.example/x/y",
	                                "b.localhost",
	                                "*.localhost",
	                                "*",
	                                "*.many.example",
	                                "localhost",
	                                "127.0.0.1",
	                                "*.com"};
	bool ok = true;
	for (size_t i = 0; i < sizeof mine / sizeof *mine; i++)
		ok = all_ways(h, token, mine[i], "production", true) && ok;
	for (size_t i = 0; i < sizeof not_mine / sizeof *not_mine; i++)
		ok = all_ways(h, token, not_mine[i], "production", false) && ok;
	assert_true(ok);
	/* a rule of another stays the first of those that meet */
	refused_as(h, token, "POST", "/v1/routes", "{\"pattern\":\"b.example/*\",\"routine\":\"a\",\"position\":0}", 403, "forbidden",
	           NULL);
	ask_as(h, token, "GET", "/v1/whoami", NULL);
	expect_text(h, "hosts.0", "*.a.example.com");
	good(h, "GET", "/v1/tokens", NULL, 200);
	expect_text(h, "items.0.hosts.4", "www.example.com");
	good(h, "GET", "/v1/audit", NULL, 200);
	assert_non_null(strstr(h->text, "\"hosts\":[\"www.example.com\""));
	/* gone with the token */
	good(h, "DELETE", "/v1/tokens/ann", NULL, 200);
	char *next = make_token(h, "ann", "deploy", "[\"a\"]");
	assert_false(ask_as(h, next, "POST", "/v1/routes", "{\"pattern\":\"b.example/z\",\"routine\":\"a\"}") == 200);
}

static void only_sites_are_granted(void **state)
{
	harness *h = *state;
	const char *const bad[] = {
	    "*",       "*.localhost", "b.localhost",  "a.staging.localhost", "*.x.localhost",    "*.com",
	    "*.co.uk", "*.github.io", "a.example/x*", "a.example/",          "http://a.example", "a.example:80",
	    "",        "a b",         "*.*.example"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char body[256];
		snprintf(body, sizeof body, "{\"name\":\"t\",\"role\":\"deploy\",\"routines\":[\"a\"],\"hosts\":[\"ok.example\",\"%s\"]}",
		         bad[i]);
		refused(h, "POST", "/v1/tokens", body, 400, "invalid", "hosts[1]");
	}
	refused(h, "POST", "/v1/tokens", "{\"name\":\"t\",\"role\":\"deploy\",\"hosts\":[\"a.example\"]}", 400, "invalid", "hosts");
	refused(h, "POST", "/v1/tokens", "{\"name\":\"t\",\"role\":\"deploy\",\"routines\":[\"a\"],\"hosts\":[]}", 400, "invalid",
	        "hosts");
	refused(h, "POST", "/v1/tokens", "{\"name\":\"t\",\"role\":\"admin\",\"routines\":[\"a\"],\"hosts\":[\"a.example\"]}", 400,
	        "invalid", "routines");
}

/* A version that somebody may have made at a better time. */
static void no_earlier_version_brings_a_rule_of_others_back(void **state)
{
	harness *h = *state;
	make_two(h);
	char *token = make_token(h, "ann", "deploy", "[\"a\"]");
	const char *const codes[] = {"b.localhost/*", "late.example/*"};
	for (size_t i = 0; i < 2; i++) {
		char body[200];
		snprintf(body, sizeof body, "{\"code\":\"with %s\",\"settings\":{\"routes\":[\"%s\"]}}", codes[i], codes[i]);
		assert_int_equal(ask_as(h, token, "POST", "/v1/routines/a/versions", body), 201);
	}
	/* 3 runs while its host is free, then 1 again, and the host is given to b */
	assert_int_equal(ask_as(h, token, "PUT", "/v1/routines/a/environments/production", "{\"version\":3}"), 200);
	assert_int_equal(ask_as(h, token, "PUT", "/v1/routines/a/environments/staging", "{\"version\":3}"), 200);
	assert_int_equal(ask_as(h, token, "PUT", "/v1/routines/a/environments/production", "{\"version\":1}"), 200);
	good(h, "POST", "/v1/routes", "{\"pattern\":\"late.example/x*\",\"routine\":\"b\"}", 200);
	for (int version = 2; version <= 3; version++) {
		char body[200];
		snprintf(body, sizeof body, "{\"version\":%d}", version);
		refused_as(h, token, "PUT", "/v1/routines/a/environments/production", body, 403, "forbidden", NULL);
		snprintf(body, sizeof body, "{\"versions\":[{\"version\":1,\"percent\":99},{\"version\":%d,\"percent\":1}]}", version);
		refused_as(h, token, "PUT", "/v1/routines/a/environments/production", body, 403, "forbidden", NULL);
		snprintf(body, sizeof body, "{\"version\":%d}", version);
		refused_as(h, token, "POST", "/v1/routines/a/rollback", body, 403, "forbidden", NULL);
	}
	refused_as(h, token, "POST", "/v1/routines/a/rollback", "{}", 403, "forbidden", NULL);
	refused_as(h, token, "POST", "/v1/routines/a/publish", "{}", 403, "forbidden", NULL);
	/* nor may it touch the rule itself */
	refused_as(h, token, "DELETE", "/v1/routes?pattern=late.example/x*", NULL, 404, "not-found", NULL);
	refused_as(h, token, "DELETE", "/v1/routes?pattern=LATE.example./%78*", NULL, 404, "not-found", NULL);
	refused_as(h, token, "PUT", "/v1/routes", "{\"rules\":[]}", 403, "forbidden", NULL);
	/* who administrates may do all of it */
	good(h, "POST", "/v1/routines/a/rollback", "{\"version\":3}", 200);
}

/* KV is not a confined token's, and does not become it by a deploy. */
static void code_of_a_confined_token_opens_no_namespace_that_its_routine_does_not_open(void **state)
{
	harness *h = *state;
	static const char kv[] = "{\"code\":\"%s\",\"settings\":{\"kv\":%s},\"environment\":\"%s\"}";
	char body[300];
	make_two(h);
	good(h, "PUT", "/v1/kv/secrets-of-b", NULL, 200);
	const char *token = grant_token(h, "a-team", "[\"a\"]", "[\"a.example\"]");
	static const char *const opens[] = {"[\"secrets-of-b\"]", "{\"KV\":\"secrets-of-b\"}", "[\"later\"]"};
	for (size_t i = 0; i < 3; i++)
		for (int e = 0; e < 2; e++) {
			snprintf(body, sizeof body, kv, "new", opens[i], e ? "staging" : "production");
			assert_int_equal(ask_as(h, token, "POST", "/v1/routines/a/deploy", body), 403);
			assert_non_null(strstr(h->text, "opens the KV namespace"));
		}
	/* nor in two steps */
	snprintf(body, sizeof body, "{\"code\":\"uploaded\",\"settings\":{\"kv\":[\"secrets-of-b\"]}}");
	int status = ask_as(h, token, "POST", "/v1/routines/a/versions", body);
	if (status == 200 || status == 201) {
		snprintf(body, sizeof body, "{\"version\":%u}", (unsigned)at(h, "version")->number);
		assert_int_equal(ask_as(h, token, "PUT", "/v1/routines/a/environments/production", body), 403);
	}
	/* once somebody who may has deployed it, the code may change */
	snprintf(body, sizeof body, kv, "by an administrator", "[\"secrets-of-b\"]", "production");
	good(h, "POST", "/v1/routines/a/deploy", body, 200);
	snprintf(body, sizeof body, kv, "newer", "{\"KV\":\"secrets-of-b\"}", "production");
	assert_int_equal(ask_as(h, token, "POST", "/v1/routines/a/deploy", body), 200);
	snprintf(body, sizeof body, kv, "newest", "[\"secrets-of-b\",\"more\"]", "production");
	assert_int_equal(ask_as(h, token, "POST", "/v1/routines/a/deploy", body), 403);
}

static void a_token_opens_the_namespaces_that_were_granted_to_it_and_no_others(void **state)
{
	harness *h = *state;
	char body[300];
	static const char opens[] = "{\"code\":\"%s\",\"settings\":{\"kv\":[\"%s\"]}}";
	make_two(h);
	static const char *const names[] = {"mine", "shown", "theirs"};
	for (size_t i = 0; i < 3; i++) {
		snprintf(body, sizeof body, "/v1/kv/%s", names[i]);
		good(h, "PUT", body, NULL, 200);
		snprintf(body, sizeof body, "/v1/kv/%s/values/k", names[i]);
		good(h, "PUT", body, "v", 200);
	}
	good(h, "POST", "/v1/tokens",
	     "{\"name\":\"team\",\"role\":\"deploy\",\"routines\":[\"a\"],\"kv\":[\"mine\",\"shown:ro\",\"later\"]}", 201);
	const char *token = er_arena_cstr(&h->arena, at(h, "token")->text);
	assert_int_equal(ask_as(h, token, "GET", "/v1/whoami", NULL), 200);
	assert_non_null(strstr(h->text, "\"kv\":[\"later\",\"mine\",\"shown:ro\"]"));
	assert_int_equal(ask_as(h, token, "GET", "/v1/kv", NULL), 200);
	assert_non_null(strstr(h->text, "mine"));
	assert_non_null(strstr(h->text, "shown"));
	assert_null(strstr(h->text, "theirs"));
	static const struct {
		const char *method, *path, *body;
		bool writes;
	} ways[] = {{"GET", "keys", NULL, false},
	            {"GET", "values/k", NULL, false},
	            {"GET", "value?key=k", NULL, false},
	            {"GET", "bulk", NULL, false},
	            {"PUT", "values/k", "w", true},
	            {"PUT", "value?key=k", "w", true},
	            {"DELETE", "values/x", NULL, true},
	            {"DELETE", "value?key=x", NULL, true},
	            {"POST", "bulk", "{\"key\":\"b\",\"value\":\"1\"}\n", true}};
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		for (size_t k = 0; k < 3; k++) {
			snprintf(body, sizeof body, "/v1/kv/%s/%s", names[k], ways[i].path);
			int status = ask_as(h, token, ways[i].method, body, ways[i].body);
			bool allowed = k == 0 || (k == 1 && !ways[i].writes);
			if (status != (allowed ? 200 : 403))
				fail_msg("%s %s: %d", ways[i].method, body, status);
			if (!allowed)
				assert_non_null(strstr(h->text, "er token add --kv"));
		}
	/* What is not there is told from what was not granted only to whom it was granted. */
	assert_int_equal(ask_as(h, token, "GET", "/v1/kv/later/values/k", NULL), 404);
	assert_int_equal(ask_as(h, token, "GET", "/v1/kv/never/values/k", NULL), 403);
	refused_as(h, token, "PUT", "/v1/kv/later", NULL, 403, "forbidden", NULL);
	refused_as(h, token, "DELETE", "/v1/kv/mine", NULL, 403, "forbidden", NULL);
	/* and by what it deploys */
	for (size_t k = 0; k < 3; k++) {
		snprintf(body, sizeof body, opens, names[k], names[k]);
		assert_int_equal(ask_as(h, token, "POST", "/v1/routines/a/deploy", body), k == 0 ? 200 : 403);
		if (k > 0)
			assert_non_null(strstr(h->text, k == 1 ? "it may only read" : "was not granted to it"));
	}
}

static void what_is_no_grant_of_a_namespace_is_refused(void **state)
{
	harness *h = *state;
	static const char *const wrong[] = {"[\"A\"]", "[\"a:rw\"]", "[\":ro\"]", "[\"a:ro:ro\"]", "[5]", "[\"\"]"};
	char body[300];
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		snprintf(body, sizeof body, "{\"name\":\"t\",\"role\":\"deploy\",\"routines\":[\"a\"],\"kv\":%s}", wrong[i]);
		refused(h, "POST", "/v1/tokens", body, 400, "invalid", "kv[0]");
	}
	refused(h, "POST", "/v1/tokens", "{\"name\":\"t\",\"role\":\"deploy\",\"kv\":[\"a\"]}", 400, "invalid", "kv");
	/* with the role read there is nothing to write with */
	good(h, "PUT", "/v1/kv/a", NULL, 200);
	good(h, "POST", "/v1/tokens", "{\"name\":\"r\",\"role\":\"read\",\"routines\":[\"a\"],\"kv\":[\"a\"]}", 201);
	const char *token = er_arena_cstr(&h->arena, at(h, "token")->text);
	assert_int_equal(ask_as(h, token, "GET", "/v1/kv/a/keys", NULL), 200);
	refused_as(h, token, "PUT", "/v1/kv/a/values/k", "v", 403, "forbidden", NULL);
	/* what is ended is ended, and its name is free with all that was granted to it */
	good(h, "DELETE", "/v1/tokens/r", NULL, 200);
	good(h, "POST", "/v1/tokens", "{\"name\":\"r\",\"role\":\"read\",\"routines\":[\"a\"]}", 201);
	token = er_arena_cstr(&h->arena, at(h, "token")->text);
	assert_int_equal(ask_as(h, token, "GET", "/v1/kv/a/keys", NULL), 403);
}

static void code_of_a_confined_token_calls_no_routine_that_is_not_its_own(void **state)
{
	harness *h = *state;
	static const char calls[] = "{\"code\":\"%s();\",\"settings\":{\"services\":%s},\"environment\":\"production\"}";
	char body[400];
	make_two(h);
	const char *token = grant_token(h, "a-team", "[\"a\",\"mine\"]", "[\"a.example\"]");
	snprintf(body, sizeof body, calls, "one", "[\"mine\",\"a\"]");
	assert_int_equal(ask_as(h, token, "POST", "/v1/routines/a/deploy", body), 200);
	static const char *const others[] = {"[\"b\"]", "{\"B\":\"b\"}", "[\"a\",\"later\"]"};
	for (size_t i = 0; i < 3; i++) {
		snprintf(body, sizeof body, calls, "two", others[i]);
		assert_int_equal(ask_as(h, token, "POST", "/v1/routines/a/deploy", body), 403);
		assert_non_null(strstr(h->text, "calls the routine"));
	}
	/* What somebody who may has deployed stays allowed. */
	snprintf(body, sizeof body, calls, "three", "{\"OF_B\":\"b\"}");
	good(h, "POST", "/v1/routines/a/deploy", body, 200);
	snprintf(body, sizeof body, calls, "four", "[\"b\"]");
	assert_int_equal(ask_as(h, token, "POST", "/v1/routines/a/deploy", body), 200);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
	    T(a_token_does_not_take_what_belongs_to_others),
	    T(a_token_has_its_own_name_and_hosts_that_nobody_uses),
	    T(granted_hosts_are_all_that_a_token_has),
	    T(only_sites_are_granted),
	    T(a_token_opens_the_namespaces_that_were_granted_to_it_and_no_others),
	    T(what_is_no_grant_of_a_namespace_is_refused),
	    T(no_earlier_version_brings_a_rule_of_others_back),
	    T(code_of_a_confined_token_opens_no_namespace_that_its_routine_does_not_open),
	    T(code_of_a_confined_token_calls_no_routine_that_is_not_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
