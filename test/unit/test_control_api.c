/* Every family of the API: what it does, what it refuses, who may. */
#include "control_harness.h"

#define SHOP "/v1/routines/shop"
#define PROD SHOP "/environments/production"

static void the_root_says_what_it_is(void **state)
{
	harness *h = *state;
	good(h, "GET", "/v1", NULL, 200);
	expect_text(h, "service", "edgeroutine");
	expect_number(h, "api", 1);
	assert_int_equal(at(h, "node")->text.n, 32);
	good(h, "GET", "/v1/openapi.json", NULL, 200);
	good(h, "GET", "/v1/whoami", NULL, 200);
	expect_text(h, "name", "socket");
	expect_text(h, "role", "admin");
	refused(h, "GET", "/v1/", NULL, 404, "not-found", NULL);
	refused(h, "GET", "/v2", NULL, 404, "not-found", NULL);
	refused(h, "GET", "/v1/routines/a/b/c/d/e/f/g/h/i/j", NULL, 404, "not-found", NULL);
	refused(h, "POST", "/v1/whoami", "{}", 405, "method", NULL);
	assert_true(er_slice_eq(*er_fields_get(&h->x->res.fields, ER_LIT("allow")), ER_LIT("GET")));
	refused(h, "get", "/v1", NULL, 405, "method", NULL);
	refused(h, "GET", "/v1/routines?limt=3", NULL, 400, "invalid", "limt");
	assert_non_null(strstr(h->text, "did you mean \\\"limit\\\""));
	refused(h, "GET", "/v1/routines?limit=0", NULL, 400, "invalid", "limit");
	refused(h, "GET", "/v1/routines?limit=1&limit=2", NULL, 400, "invalid", "limit");
	refused(h, "GET", "/v1/routines?cursor=%zz", NULL, 400, "invalid", "cursor");
	refused(h, "GET", "/v1/routines/%2", NULL, 400, "invalid", "routine");
}

static void lists_come_in_pages(void **state)
{
	harness *h = *state;
	const char *names[] = {"a", "b", "c", "d", "e"};
	for (size_t i = 0; i < 5; i++)
		make_versions(h, names[i], 1);
	good(h, "GET", "/v1/routines?limit=2", NULL, 200);
	expect_text(h, "items.0.name", "from-file");
	expect_text(h, "items.2.name", "b");
	expect_text(h, "next", "b");
	good(h, "GET", "/v1/routines?limit=2&cursor=b", NULL, 200);
	expect_text(h, "items.0.name", "c");
	good(h, "GET", "/v1/routines?limit=2&cursor=d", NULL, 200);
	expect_text(h, "items.0.name", "e");
	expect_absent(h, "next");
}

static void variables_are_any_json(void **state)
{
	harness *h = *state;
	refused(h, "PUT", PROD "/vars/A", "{\"value\":1}", 404, "not-found", NULL);
	make_versions(h, "shop", 1);
	deploy(h, "shop", "production", 1);
	unsigned before = h->activations;
	good(h, "PUT", PROD "/vars/A", "{\"value\":{\"x\":[1,null]}}", 200);
	assert_int_equal(h->activations, before + 1);
	good(h, "GET", PROD "/vars/A", NULL, 200);
	expect_number(h, "value.x.0", 1);
	good(h, "GET", PROD "/vars", NULL, 200);
	expect_text(h, "items.0.name", "A");
	refused(h, "PUT", PROD "/vars/1A", "{\"value\":1}", 400, "invalid", "name");
	refused(h, "PUT", PROD "/vars/A-B", "{\"value\":1}", 400, "invalid", "name");
	refused(h, "PUT", PROD "/vars/A", "{}", 400, "invalid", "value");
	refused(h, "GET", PROD "/vars/B", NULL, 404, "not-found", NULL);
	refused(h, "DELETE", PROD "/vars/B", NULL, 404, "not-found", NULL);
	good(h, "DELETE", PROD "/vars/A", NULL, 200);
	good(h, "GET", PROD "/vars", NULL, 200);
	expect_absent(h, "items.0");
	/* the environment of nothing that runs: no activation */
	before = h->activations;
	good(h, "PUT", SHOP "/environments/staging/vars/A", "{\"value\":1}", 200);
	assert_int_equal(h->activations, before);
}

static void secrets_go_in_and_not_out(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 1);
	good(h, "PUT", PROD "/secrets/KEY", "{\"value\":\"hunter2hunter2\"}", 200);
	good(h, "POST", PROD "/secrets", "{\"ONE\":\"first-secret\",\"TWO\":\"second-secret\"}", 200);
	good(h, "GET", PROD "/secrets", NULL, 200);
	expect_text(h, "items.0.name", "KEY");
	expect_text(h, "items.2.name", "TWO");
	assert_null(strstr(h->text, "hunter2"));
	good(h, "GET", PROD "/vars", NULL, 200);
	assert_null(strstr(h->text, "KEY"));
	good(h, "GET", "/v1/audit", NULL, 200);
	assert_null(strstr(h->text, "hunter2"));
	assert_null(strstr(h->text, "first-secret"));
	refused(h, "POST", PROD "/secrets", "{}", 400, "invalid", NULL);
	refused(h, "POST", PROD "/secrets", "{\"THREE\":\"x\",\"4\":\"y\"}", 400, "invalid", "4");
	refused(h, "POST", PROD "/secrets", "{\"THREE\":\"x\",\"FOUR\":4}", 400, "invalid", "FOUR");
	refused(h, "PUT", PROD "/secrets/KEY", "{\"value\":7}", 400, "invalid", "value");
	refused(h, "PUT", PROD "/vars/KEY", "{\"value\":7}", 400, "invalid", NULL);
	good(h, "GET", PROD "/secrets", NULL, 200);
	expect_absent(h, "items.3");
	good(h, "DELETE", PROD "/secrets/KEY", NULL, 200);
}

static void an_environment_has_room_for_so_much(void **state)
{
	harness *h = *state;
	char *body = er_alloc(30000);
	make_versions(h, "shop", 1);
	memset(body, 'x', 30000);
	memcpy(body, "{\"value\":\"", 10);
	memcpy(body + 20000, "\"}", 3);
	good(h, "PUT", PROD "/vars/BIG", body, 200);
	/* again the same name: it takes the place of the old one */
	body[15] = 'y';
	good(h, "PUT", PROD "/vars/BIG", body, 200);
	refused(h, "PUT", PROD "/vars/BIG2", body, 409, "quota", "value");
	refused(h, "PUT", PROD "/secrets/BIG2", body, 409, "quota", "value");
	er_free(body);
}

static void routes_have_an_order(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 1);
	make_versions(h, "blog", 1);
	good(h, "PUT", "/v1/routes?environment=production",
	     "{\"rules\":[{\"pattern\":\"a.example/*\",\"routine\":\"shop\"},{\"pattern\":\"b.example\",\"routine\":\"blog\"}]}",
	     200);
	good(h, "POST", "/v1/routes",
	     "{\"environment\":\"production\",\"pattern\":\"c.example\",\"routine\":\"shop\",\"position\":1}", 200);
	expect_absent(h, "warnings.0");
	good(h, "POST", "/v1/routes", "{\"pattern\":\"a.example/late\",\"routine\":\"blog\"}", 200);
	assert_non_null(strstr(h->text, "never reached"));
	good(h, "GET", "/v1/routes?environment=production", NULL, 200);
	expect_text(h, "items.1.pattern", "a.example/*");
	expect_text(h, "items.2.pattern", "c.example");
	expect_number(h, "items.3.position", 2);
	good(h, "GET", "/v1/routes?environment=staging", NULL, 200);
	expect_absent(h, "items.0");
	refused(h, "POST", "/v1/routes", "{\"pattern\":\"c.example\",\"routine\":\"blog\"}", 409, "conflict", "pattern");
	refused(h, "POST", "/v1/routes", "{\"pattern\":\"x.example\",\"routine\":\"none\"}", 400, "invalid", "routine");
	refused(h, "POST", "/v1/routes", "{\"pattern\":\"x.*.example\",\"routine\":\"blog\"}", 400, "invalid", "pattern");
	refused(h, "POST", "/v1/routes", "{\"pattern\":\"x.example\",\"routine\":\"blog\",\"position\":9}", 400, "invalid",
	        "position");
	refused(h, "PUT", "/v1/routes", "{\"rules\":[{\"pattern\":\"a.example\",\"routine\":\"shop\"},{\"pattern\":7}]}", 400,
	        "invalid", "rules[1].pattern");
	refused(h, "PUT", "/v1/routes", "{\"rules\":[{\"pattern\":\"a.example\",\"routine\":\"x\"}]}", 400, "invalid",
	        "rules[0].routine");
	refused(h, "PUT", "/v1/routes",
	        "{\"rules\":[{\"pattern\":\"a.example\",\"routine\":\"shop\"},{\"pattern\":\"a.example\",\"routine\":\"blog\"}]}",
	        400, "invalid", NULL);
	refused(h, "DELETE", "/v1/routes?pattern=taken.example/*", NULL, 404, "not-found", NULL);
	refused(h, "DELETE", "/v1/routes", NULL, 400, "invalid", "pattern");
	good(h, "DELETE", "/v1/routes?pattern=a.example%2F*&environment=production", NULL, 200);
	good(h, "GET", "/v1/routes", NULL, 200);
	expect_text(h, "items.1.pattern", "c.example");
	good(h, "GET", "/v1/routes/test?url=https://SHOP.example:8443/cart%3Fx=1", NULL, 200);
	expect_text(h, "host", "shop.example");
	expect_text(h, "path", "/cart");
	expect_text(h, "routine", "shop");
	good(h, "GET", "/v1/routes/test?url=nobody.example", NULL, 200);
	assert_false(at(h, "matched")->boolean);
	refused(h, "GET", "/v1/routes/test", NULL, 400, "invalid", "url");
	refused(h, "GET", "/v1/routes/test?url=http://", NULL, 400, "invalid", "url");
}

static void kv_is_read_and_written(void **state)
{
	harness *h = *state;
	refused(h, "PUT", "/v1/kv/s/values/a", "x", 404, "not-found", NULL);
	good(h, "PUT", "/v1/kv/s", NULL, 200);
	good(h, "PUT", "/v1/kv/s/values/a%2Fb?expiration_ttl=1000", "value of a", 200);
	ask(h, "GET", "/v1/kv/s/values/a%2Fb", NULL);
	assert_string_equal(h->text, "value of a");
	assert_non_null(er_fields_get(&h->x->res.fields, ER_LIT("er-expiration")));
	good(h, "GET", "/v1/kv/s/keys", NULL, 200);
	expect_text(h, "items.0.key", "a/b");
	good(h, "GET", "/v1/kv", NULL, 200);
	expect_text(h, "items.0.name", "s");
	expect_number(h, "items.0.keys", 1);
	refused(h, "PUT", "/v1/kv/s/values/a?expiration=5", "x", 400, "invalid", "expiration");
	refused(h, "PUT", "/v1/kv/s/values/a?expiration=99999999999&expiration_ttl=5", "x", 400, "invalid", "expiration");
	refused(h, "GET", "/v1/kv/s/values/none", NULL, 404, "not-found", NULL);
	refused(h, "GET", "/v1/kv/s/values/", NULL, 400, "invalid", "key");
	good(h, "DELETE", "/v1/kv/s/values/a%2Fb", NULL, 200);
	assert_true(at(h, "existed")->boolean);
	good(h, "DELETE", "/v1/kv/s/values/a%2Fb", NULL, 200);
	assert_false(at(h, "existed")->boolean);
	good(h, "DELETE", "/v1/kv/s", NULL, 200);
	refused(h, "DELETE", "/v1/kv/s", NULL, 404, "not-found", NULL);
}

static void kv_in_bulk(void **state)
{
	harness *h = *state;
	good(h, "PUT", "/v1/kv/s", NULL, 200);
	good(
	    h, "POST", "/v1/kv/s/bulk",
	    "{\"key\":\"a\",\"value\":\"1\",\"metadata\":{\"n\":1}}\r\n\n{\"key\":\"b\",\"base64\":\"/wA=\",\"expiration_ttl\":60}\n",
	    200);
	expect_number(h, "stored", 2);
	/* all or nothing */
	ask(h, "POST", "/v1/kv/s/bulk", "{\"key\":\"c\",\"value\":\"1\"}\n{\"key\":\"d\"}\n");
	expect_status(h, 400);
	expect_text(h, "error.field", "line[2].value");
	ask(h, "POST", "/v1/kv/s/bulk", "{\"key\":\"c\",\"value\":\"1\"}\n{\"key\":");
	expect_text(h, "error.field", "line[2]");
	ask(h, "POST", "/v1/kv/s/bulk", "{\"key\":\"c\",\"base64\":\"/wB=\"}");
	expect_text(h, "error.field", "line[1].base64");
	good(h, "GET", "/v1/kv/s/keys?limit=1", NULL, 200);
	expect_number(h, "items.0.metadata.n", 1);
	char target[128];
	snprintf(target, sizeof target, "/v1/kv/s/keys?cursor=%.*s", ER_FMT(at(h, "next")->text));
	good(h, "GET", target, NULL, 200);
	expect_text(h, "items.0.key", "b");
	expect_absent(h, "next");
	ask(h, "GET", "/v1/kv/s/bulk", NULL);
	expect_status(h, 200);
	assert_non_null(strstr(
	    h->text, "{\"key\":\"a\",\"value\":\"1\",\"metadata\":{\"n\":1}}\n{\"key\":\"b\",\"base64\":\"/wA=\",\"expiration\":"));
	ask(h, "GET", "/v1/kv/none/bulk", NULL);
	expect_status(h, 404);
	refused(h, "GET", "/v1/kv/s/keys?cursor=xyz", NULL, 400, "invalid", "cursor");
}

static void large_exports_wait_for_their_reader(void **state)
{
	harness *h = *state;
	er_buf body = {0};
	good(h, "PUT", "/v1/kv/s", NULL, 200);
	for (int i = 0; i < 500; i++)
		er_buf_printf(&body, "{\"key\":\"k%03d\",\"value\":\"%01000d\"}\n", i, i);
	er_buf_putc(&body, 0);
	good(h, "POST", "/v1/kv/s/bulk", (const char *)body.p, 200);
	er_exchange *x = begin_from(h, NULL, "192.0.2.1", "GET", "/v1/kv/s/bulk?prefix=k", (er_slice){0});
	assert_int_equal(x->res.status, 200);
	assert_true(er_body_buffered(x->res.body) < ER_BODY_WINDOW * 2);
	er_buf out = {0};
	while (!read_all(x->res.body, &out))
		;
	size_t lines = 0;
	for (size_t i = 0; i < er_buf_len(&out); i++)
		lines += out.p[i] == '\n';
	assert_int_equal(lines, 500);
	er_exchange_unref(x);
	/* one that leaves in the middle, and one that is there when the node stops */
	x = begin_from(h, NULL, "192.0.2.1", "GET", "/v1/kv/s/bulk", (er_slice){0});
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	er_exchange_unref(x);
	x = begin_from(h, NULL, "192.0.2.1", "GET", "/v1/kv/s/bulk", (er_slice){0});
	harness_stop(h);
	harness_start(h);
	er_buf_clear(&out);
	assert_true(read_all(x->res.body, &out));
	assert_int_equal(er_body_error(x->res.body), ER_ERR_CANCELLED);
	er_exchange_unref(x);
	er_buf_fini(&out);
	er_buf_fini(&body);
}

static void the_node_is_asked(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 1);
	deploy(h, "shop", "production", 1);
	h->counters[0] = (er_version_counters){.requests = 10, .errors = 1, .p99_us = 2500};
	good(h, "GET", "/v1/status", NULL, 200);
	expect_number(h, "node.threads", 2);
	expect_text(h, "routines.0.source", "file");
	expect_number(h, "routines.1.environments.production.versions.0.requests", 10);
	expect_number(h, "routines.1.environments.production.versions.0.p99_ms", 2.5);
	good(h, "POST", "/v1/reload", NULL, 200);
	refused(h, "POST", "/v1/upgrade", NULL, 503, "unavailable", NULL);
	refused(h, "POST", "/v1/backup", "{\"dir\":\"relative\"}", 400, "invalid", "dir");
	char body[128];
	snprintf(body, sizeof body, "{\"dir\":\"%s/copy\"}", h->dir);
	good(h, "POST", "/v1/backup", body, 201);
	refused(h, "POST", "/v1/backup", body, 400, "invalid", NULL);
	good(h, "GET", "/v1/audit?limit=1", NULL, 200);
	expect_text(h, "items.0.kind", "version-add");
	expect_text(h, "items.0.by", "socket");
	expect_text(h, "items.0.from", "192.0.2.7");
	expect_number(h, "next", 1);
}

static void secrets_get_a_new_key(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 1);
	good(h, "PUT", SHOP "/environments/production/secrets/KEY", "{\"value\":\"s3cret\"}", 200);
	good(h, "POST", "/v1/rotate-key", NULL, 200);
	expect_number(h, "secrets", 1);
	expect_number(h, "sequence", 3);
	good(h, "GET", "/v1/audit?after=2", NULL, 200);
	expect_text(h, "items.0.kind", "key-rotate");
	expect_text(h, "items.0.by", "socket");
	expect_number(h, "items.0.data.secrets", 1);
	/* While another process takes over, the key stays what that one has read. */
	er_control_pause(h->control, true);
	refused(h, "POST", "/v1/rotate-key", NULL, 503, "unavailable", NULL);
	er_control_pause(h->control, false);
	er_piece env;
	er_err err = {0};
	assert_true(er_store_env(h->store, ER_LIT("shop"), ER_ENV_PRODUCTION, &env, &err));
	assert_true(er_slice_eq(er_piece_slice(env), ER_LIT("{\"KEY\":\"s3cret\"}")));
	er_piece_drop(&env);
}

static void who_follows_a_trimmed_log_is_told(void **state)
{
	harness *h = *state;
	char body[32];
	good(h, "GET", "/v1", NULL, 200);
	expect_number(h, "first_sequence", 1);
	make_versions(h, "shop", 1);
	er_store_keep(h->store, &(er_retention){.changes = 5});
	for (int i = 0; i < 12; i++) {
		snprintf(body, sizeof body, "{\"value\":%d}", i);
		good(h, "PUT", SHOP "/environments/production/vars/N", body, 200);
	}
	good(h, "GET", "/v1", NULL, 200);
	expect_number(h, "sequence", 13);
	expect_number(h, "first_sequence", 9);
	const char *const late[] = {"/v1/audit?after=0", "/v1/audit?after=7"};
	for (size_t i = 0; i < 2; i++) {
		refused(h, "GET", late[i], NULL, 410, "trimmed", NULL);
		expect_number(h, "error.first_sequence", 9);
	}
	good(h, "GET", "/v1/audit?after=8", NULL, 200);
	expect_number(h, "items.0.sequence", 9);
	good(h, "GET", "/v1/audit?after=13", NULL, 200);
	expect_absent(h, "items.0");
	good(h, "GET", "/v1/audit", NULL, 200);
	expect_number(h, "items.0.sequence", 9);
}

static void a_backup_outlives_a_stop(void **state)
{
	harness *h = *state;
	char body[128];
	snprintf(body, sizeof body, "{\"dir\":\"%s/copy\"}", h->dir);
	er_exchange *x = begin_from(h, NULL, "192.0.2.1", "POST", "/v1/backup", er_slice_cstr(body));
	harness_stop(h);
	assert_int_equal(x->res.status, 503);
	er_exchange_unref(x);
	harness_start(h);
}

/* ---- who may ---- */

static void strangers_learn_nothing(void **state)
{
	harness *h = *state;
	const char *targets[] = {"/v1", "/v1/none", "/v1/routines/shop", "/v1/openapi.json"};
	for (size_t i = 0; i < 4; i++) {
		refused_as(h, i % 2 ? "er_wrong" : "", "GET", targets[i], NULL, 401, "unauthorized", NULL);
		assert_string_equal(h->text,
		                    "{\"error\":{\"code\":\"unauthorized\",\"message\":\"a valid token is needed: authorization: Bearer "
		                    "TOKEN (an administrator makes one: er token add NAME)\"}}\n");
	}
}

static void failures_are_counted_by_address(void **state)
{
	harness *h = *state;
	char *token = make_token(h, "ann", "read", NULL);
	for (int i = 0; i < 10; i++) {
		ask_as(h, "er_wrong", "GET", "/v1", NULL);
		expect_status(h, 401);
	}
	ask_as(h, token, "GET", "/v1", NULL);
	expect_status(h, 429);
	assert_non_null(er_fields_get(&h->x->res.fields, ER_LIT("retry-after")));
	ask_from(h, token, "192.0.2.8", "GET", "/v1", (er_slice){0});
	expect_status(h, 200);
	/* the socket is never counted */
	good(h, "GET", "/v1", NULL, 200);
}

static void roles_are_kept(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 1);
	good(h, "PUT", "/v1/kv/s", NULL, 200);
	char *reader = make_token(h, "reader", "read", NULL), *deployer = make_token(h, "deployer", "deploy", NULL);
	char *admin = make_token(h, "admin", "admin", NULL);
	const struct {
		const char *method, *target, *body;
		int least; /* 0 read, 1 deploy, 2 admin */
	} all[] = {
	    {"GET", "/v1/status", NULL, 0},       {"GET", SHOP "/versions/1/code", NULL, 0},
	    {"GET", PROD "/vars", NULL, 0},       {"GET", "/v1/kv/s/keys", NULL, 0},
	    {"GET", PROD "/secrets", NULL, 1},    {"POST", SHOP "/versions", "{\"code\":\"version 1\"}", 1},
	    {"PUT", PROD, "{\"version\":1}", 1},  {"PUT", PROD "/vars/A", "{\"value\":1}", 1},
	    {"PUT", "/v1/kv/s/values/a", "x", 1}, {"PUT", "/v1/routes", "{\"rules\":[]}", 1},
	    {"GET", "/v1/tokens", NULL, 2},       {"GET", "/v1/audit", NULL, 2},
	    {"POST", "/v1/reload", NULL, 2},      {"POST", "/v1/rotate-key", NULL, 2},
	};
	const char *tokens[] = {reader, deployer, admin};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		for (int role = 0; role < 3; role++) {
			if (role < all[i].least)
				refused_as(h, tokens[role], all[i].method, all[i].target, all[i].body, 403, "forbidden", NULL);
			else
				assert_int_equal(ask_as(h, tokens[role], all[i].method, all[i].target, all[i].body), 200);
		}
	good(h, "GET", PROD, NULL, 200);
	expect_text(h, "by", "deployer");
	/* a token that is gone is nobody's */
	good(h, "DELETE", "/v1/tokens/reader", NULL, 200);
	ask_as(h, reader, "GET", "/v1", NULL);
	expect_status(h, 401);
	refused(h, "DELETE", "/v1/tokens/reader", NULL, 404, "not-found", NULL);
}

static void tokens_are_made_with_care(void **state)
{
	harness *h = *state;
	char *token = make_token(h, "ann", "deploy", "[\"shop\"]");
	assert_int_equal(strlen(token), 46);
	good(h, "GET", "/v1/tokens", NULL, 200);
	expect_text(h, "items.0.routines.0", "shop");
	assert_null(strstr(h->text, token));
	refused(h, "POST", "/v1/tokens", "{\"name\":\"ann\",\"role\":\"read\"}", 409, "conflict", "name");
	refused(h, "POST", "/v1/tokens", "{\"name\":\"guard\",\"role\":\"read\"}", 400, "invalid", "name");
	refused(h, "POST", "/v1/tokens", "{\"name\":\"Bob\",\"role\":\"read\"}", 400, "invalid", "name");
	refused(h, "POST", "/v1/tokens", "{\"name\":\"bob\",\"role\":\"root\"}", 400, "invalid", "role");
	refused(h, "POST", "/v1/tokens", "{\"name\":\"bob\",\"role\":\"read\",\"routines\":[\"A\"]}", 400, "invalid", "routines[0]");
	refused(h, "POST", "/v1/tokens", "{\"name\":\"bob\",\"role\":\"read\",\"routines\":[]}", 400, "invalid", "routines");
	refused(h, "POST", "/v1/tokens", "{\"name\":\"bob\",\"role\":\"admin\",\"routines\":[\"a\"]}", 400, "invalid", "routines");
}

static void the_confined_see_their_own(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 1);
	make_versions(h, "blog", 1);
	good(h, "PUT", "/v1/routes",
	     "{\"rules\":[{\"pattern\":\"shop.example/*\",\"routine\":\"shop\"},{\"pattern\":\"b.example\",\"routine\":\"blog\"}]}",
	     200);
	char *t = make_token(h, "blogger", "deploy", "[\"blog\",\"new\"]");
	ask_as(h, t, "GET", "/v1/routines", NULL);
	expect_text(h, "items.0.name", "blog");
	expect_absent(h, "items.1");
	ask_as(h, t, "GET", "/v1/routes", NULL);
	expect_text(h, "items.0.pattern", "b.example");
	expect_absent(h, "items.1");
	ask_as(h, t, "GET", "/v1/status", NULL);
	expect_absent(h, "routines.1");
	/* the same answer for one that is and one that is not */
	refused_as(h, t, "GET", SHOP, NULL, 403, "forbidden", NULL);
	char *first = er_strdup_cstr(h->text);
	refused_as(h, t, "GET", "/v1/routines/none", NULL, 403, "forbidden", NULL);
	assert_string_equal(first, h->text);
	er_free(first);
	refused_as(h, t, "POST", "/v1/routines/shop/deploy", "{\"code\":\"x\"}", 403, "forbidden", NULL);
	/* there is one, which was not granted to it */
	good(h, "PUT", "/v1/kv/s", NULL, 200);
	assert_int_equal(ask_as(h, t, "GET", "/v1/kv", NULL), 200);
	assert_non_null(strstr(h->text, "\"items\":[]"));
	refused_as(h, t, "GET", "/v1/kv/s/keys", NULL, 403, "forbidden", NULL);
	refused_as(h, t, "PUT", "/v1/routes", "{\"rules\":[]}", 403, "forbidden", NULL);
	refused_as(h, t, "DELETE", "/v1/routes?pattern=shop.example/*", NULL, 404, "not-found", NULL);
	refused_as(h, t, "POST", "/v1/routes", "{\"pattern\":\"x.example\",\"routine\":\"shop\"}", 403, "forbidden", NULL);
	refused_as(h, t, "POST", "/v1/routes", "{\"pattern\":\"x.example\",\"routine\":\"nobody\"}", 403, "forbidden", NULL);
	refused_as(h, t, "POST", "/v1/routes", "{\"pattern\":\"*\",\"routine\":\"blog\"}", 403, "forbidden", NULL);
	refused_as(h, t, "POST", "/v1/routes", "{\"pattern\":\"x.example\",\"routine\":\"blog\",\"position\":0}", 403, "forbidden",
	           NULL);
	refused_as(h, t, "POST", "/v1/routines/new/deploy", "{\"code\":\"x\",\"settings\":{\"routes\":[\"*/x\"]}}", 403, "forbidden",
	           NULL);
	/* nor by way of a version whose routes are in force where it runs */
	refused_as(h, t, "POST", "/v1/routines/new/deploy", "{\"code\":\"x\",\"settings\":{\"routes\":[\"*\"]},\"routes\":false}",
	           403, "forbidden", NULL);
	assert_int_equal(ask_as(h, t, "POST", "/v1/routines/new/versions", "{\"code\":\"x\",\"settings\":{\"routes\":[\"*\"]}}"),
	                 201);
	refused_as(h, t, "PUT", "/v1/routines/new/environments/production", "{\"version\":1}", 403, "forbidden", NULL);
	good(h, "POST", "/v1/routes", "{\"pattern\":\"*\",\"routine\":\"new\"}", 200);
	assert_int_equal(ask_as(h, t, "PUT", "/v1/routines/new/environments/production", "{\"version\":1}"), 200);
	refused_as(h, t, "PUT", "/v1/routines/new/environments/staging", "{\"version\":1}", 403, "forbidden", NULL);
	good(h, "DELETE", "/v1/routines/new", NULL, 200);
	refused_as(h, t, "POST", "/v1/routes", "{\"pattern\":\"shop.example/*\",\"routine\":\"blog\"}", 409, "conflict", "pattern");
	assert_null(strstr(h->text, "to shop"));
	assert_int_equal(ask_as(h, t, "POST", "/v1/routes", "{\"pattern\":\"x.example\",\"routine\":\"blog\"}"), 200);
	assert_int_equal(ask_as(h, t, "POST", "/v1/routines/new/deploy", "{\"code\":\"x\"}"), 200);
	assert_int_equal(ask_as(h, t, "GET", "/v1/routes/test?url=http://shop.example/", NULL), 200);
	assert_null(strstr(h->text, "\"routine\""));
	refused_as(h, t, "GET", "/v1/logs?routine=shop", NULL, 403, "forbidden", NULL);
}

static void bodies_are_bounded(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 1);
	er_exchange *x = er_exchange_new();
	x->req.method = ER_LIT("PUT");
	x->req.target = ER_LIT(PROD "/vars/A");
	x->req.body = er_body_new(1 << 30);
	h->asker.answered = on_answer;
	x->asker = &h->asker;
	er_exchange_start(x, er_control_local(h->control));
	assert_int_equal(x->res.status, 413);
	take_answer(h, x);
	expect_text(h, "error.code", "too-large");
	/* one that does not say how long it is */
	x = er_exchange_new();
	x->req.method = ER_LIT("PUT");
	x->req.target = ER_LIT(PROD "/vars/A");
	x->req.body = er_body_new(ER_BODY_UNKNOWN);
	h->asker.answered = on_answer;
	x->asker = &h->asker;
	er_exchange_start(x, er_control_local(h->control));
	for (int i = 0; i < 70; i++)
		(void)er_body_write(x->req.body, er_piece_copy(er_slice_of(h->dir, 0)));
	uint8_t *kb = er_zalloc(1024);
	for (int i = 0; i < 70; i++)
		(void)er_body_write(x->req.body, er_piece_copy(er_slice_of(kb, 1024)));
	er_free(kb);
	assert_int_equal(x->res.status, 413);
	take_answer(h, x);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
	    T(the_root_says_what_it_is),
	    T(lists_come_in_pages),
	    T(variables_are_any_json),
	    T(secrets_go_in_and_not_out),
	    T(an_environment_has_room_for_so_much),
	    T(routes_have_an_order),
	    T(kv_is_read_and_written),
	    T(kv_in_bulk),
	    T(large_exports_wait_for_their_reader),
	    T(the_node_is_asked),
	    T(secrets_get_a_new_key),
	    T(who_follows_a_trimmed_log_is_told),
	    T(a_backup_outlives_a_stop),
	    T(strangers_learn_nothing),
	    T(failures_are_counted_by_address),
	    T(roles_are_kept),
	    T(tokens_are_made_with_care),
	    T(the_confined_see_their_own),
	    T(bodies_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
