/* From an upload to what runs: checked, tried, in order, all or nothing, and back again. */
#include "control_harness.h"

#define SHOP "/v1/routines/shop"

static void one_call_deploys(void **state)
{
	harness *h = *state;
	good(h, "POST", SHOP "/deploy",
	     "{\"code\":\"addEventListener('fetch', () => env.GREETING + env.MISSING + env.get('x'))\","
	     "\"settings\":{\"name\":\"shop\",\"main\":\"src/index.ts\",\"routes\":[\"shop.example/api*\",\"taken.example/x\"],"
	     "\"vars\":{\"GREETING\":\"hi\"},\"limits\":{\"cpuMs\":100},\"kv\":[\"sessions\"]},\"description\":\"first\"}",
	     200);
	expect_number(h, "version", 1);
	expect_text(h, "environment", "production");
	expect_number(h, "versions.0.version", 1);
	expect_number(h, "versions.0.percent", 100);
	expect_number(h, "probe.cpu_us", 1234);
	expect_number(h, "probe.memory_kb", 5678);
	expect_text(h, "routes_added.0", "shop.example/api*");
	assert_int_equal(at(h, "previous")->type, ER_JSON_NULL);
	assert_true(at(h, "activation_ms")->number >= 0);
	assert_int_equal(h->activations, 1);
	assert_string_equal(h->probed_env, "{\"GREETING\":\"hi\"}");
	/* env.MISSING, the namespace, the route that node.jsonc has taken; not GREETING, not
	 * the method */
	expect_absent(h, "warnings.3");
	assert_non_null(strstr(h->text, "env.MISSING"));
	assert_null(strstr(h->text, "env.GREETING"));
	assert_non_null(strstr(h->text, "namespace sessions"));
	assert_non_null(strstr(h->text, "taken.example/x is never reached"));
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 1);
	assert_int_equal(runs(h, "shop", ER_ENV_STAGING), 0);
	/* the same again is the same version, and no new route */
	good(h, "POST", SHOP "/deploy",
	     "{\"code\":\"addEventListener('fetch', () => env.GREETING + env.MISSING + env.get('x'))\","
	     "\"settings\":{\"kv\":[\"sessions\"],\"limits\":{\"cpuMs\":100},\"vars\":{\"GREETING\":\"hi\"},"
	     "\"routes\":[\"shop.example/api*\",\"taken.example/x\"],\"main\":\"src/index.ts\"},\"description\":\"first\"}",
	     200);
	expect_number(h, "version", 1);
	assert_true(at(h, "existed")->boolean);
	expect_absent(h, "routes_added.0");
	good(h, "GET", "/v1/routes", NULL, 200);
	expect_text(h, "items.0.source", "file");
	expect_text(h, "items.1.pattern", "shop.example/api*");
	expect_text(h, "items.2.source", "store");
	expect_absent(h, "items.3");
}

static void what_is_wrong_is_said_and_nothing_is_done(void **state)
{
	harness *h = *state;
	refused(h, "POST", SHOP "/deploy", "{}", 400, "invalid", "code");
	refused(h, "POST", SHOP "/deploy", "{\"code\":1}", 400, "invalid", "code");
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"x\",\"setings\":{}}", 400, "invalid", "setings");
	assert_non_null(strstr(h->text, "did you mean \\\"settings\\\""));
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"x\",\"settings\":{\"limits\":{\"cpums\":5}}}", 400, "invalid",
	        "settings.limits.cpums");
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"x\",\"settings\":{\"limits\":{\"cpuMs\":0}}}", 400, "invalid",
	        "settings.limits.cpuMs");
	expect_text(h, "error.expected", "a whole number from 1 to 60000");
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"x\",\"settings\":{\"limits\":{\"cpuMs\":201}}}", 400, "invalid",
	        "settings.limits.cpuMs");
	expect_text(h, "error.expected", "at most 200");
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"x\",\"settings\":{\"name\":\"other\"}}", 400, "invalid", "settings.name");
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"x\",\"settings\":{\"routes\":[\"a.example\",\"http://b\"]}}", 400, "invalid",
	        "settings.routes[1]");
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"x\",\"settings\":{\"compat\":{\"redirect\":\"no\"}}}", 400, "invalid",
	        "settings.compat.redirect");
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"x\",\"settings\":{\"kv\":[\"A\"]}}", 400, "invalid", "settings.kv[0]");
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"x\",\"environment\":\"prod\"}", 400, "invalid", "environment");
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"x\",\"percent\":0}", 400, "invalid", "percent");
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"x\",\"percent\":10}", 400, "invalid", "percent");
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"x\",\"guard\":{\"watch\":1}}", 400, "invalid", "guard.watch");
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"x\",\"code\":\"y\"}", 400, "invalid", NULL);
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"x\",}", 400, "invalid", NULL);
	refused(h, "POST", SHOP "/deploy", "[]", 400, "invalid", NULL);
	refused(h, "POST", "/v1/routines/Shop/deploy", "{\"code\":\"x\"}", 400, "invalid", "routine");
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"throw 1\"}", 400, "invalid", "code");
	expect_text(h, "error.stack", "at src/index.ts:3:5");
	refused(h, "POST", SHOP "/deploy", "{\"code\":\"nowhere\"}", 503, "unavailable", NULL);
	good(h, "GET", "/v1/routines", NULL, 200);
	expect_text(h, "items.0.name", "from-file");
	expect_absent(h, "items.1");
}

static void code_is_bounded(void **state)
{
	harness *h = *state;
	er_buf body = {0};
	er_buf_puts(&body, "{\"code\":\"");
	for (int i = 0; i < 1024 * 1024 / 16; i++)
		er_buf_puts(&body, "0123456789abcde ");
	er_buf_puts(&body, "\"}");
	er_buf_putc(&body, 0);
	refused(h, "POST", SHOP "/deploy", (const char *)body.p, 413, "too-large", "code");
	/* one byte less will do */
	body.end -= 4;
	er_buf_puts(&body, "\"}");
	er_buf_putc(&body, 0);
	ask(h, "POST", SHOP "/deploy", (const char *)body.p);
	expect_status(h, 200);
	er_buf_fini(&body);
}

static void environments_are_pointers(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 3);
	assert_int_equal(h->activations, 0);
	deploy(h, "shop", "staging", 2);
	good(h, "POST", SHOP "/publish", "", 200);
	expect_text(h, "environment", "production");
	expect_number(h, "versions.0.version", 2);
	good(h, "PUT", SHOP "/environments/production",
	     "{\"versions\":[{\"version\":2,\"percent\":90},{\"version\":3,\"percent\":10}],\"reason\":\"canary\"}", 200);
	expect_number(h, "versions.1.percent", 10);
	expect_number(h, "previous.0.version", 2);
	good(h, "GET", SHOP "/environments/production", NULL, 200);
	expect_text(h, "reason", "deploy: canary");
	expect_text(h, "by", "socket");
	er_snapshot s;
	er_err err = {0};
	assert_true(er_control_snapshot(h->control, &h->arena, &s, &err));
	assert_int_equal(s.n_routines, 2);
	assert_int_equal(s.routines[0].n, 2);
	assert_int_equal(s.routines[0].percent, 90);
	assert_int_equal(s.routines[0].version[1].number, 3);
	good(h, "GET", SHOP "/versions", NULL, 200);
	expect_number(h, "items.0.version", 3);
	expect_text(h, "items.1.environments.1", "staging");
	good(h, "GET", SHOP "/deployments?environment=production", NULL, 200);
	expect_text(h, "items.1.reason", "publish");
	expect_absent(h, "items.2");
	good(h, "GET", SHOP "/deployments?limit=1", NULL, 200);
	char target[128];
	snprintf(target, sizeof target, SHOP "/deployments?limit=1&cursor=%.0f", at(h, "next")->number);
	good(h, "GET", target, NULL, 200);
	expect_text(h, "items.0.reason", "publish");
}

static void pointers_are_checked(void **state)
{
	harness *h = *state;
	const char *env = SHOP "/environments/production";
	refused(h, "PUT", env, "{\"version\":1}", 404, "not-found", NULL);
	make_versions(h, "shop", 2);
	refused(h, "PUT", env, "{\"version\":9}", 404, "not-found", NULL);
	refused(h, "PUT", env, "{}", 400, "invalid", "version");
	refused(h, "PUT", env, "{\"version\":1,\"versions\":[]}", 400, "invalid", "versions");
	refused(h, "PUT", env, "{\"versions\":[{\"version\":1,\"percent\":50},{\"version\":2,\"percent\":40}]}", 400, "invalid",
	        "versions");
	refused(h, "PUT", env, "{\"versions\":[{\"version\":1,\"percent\":50},{\"version\":1,\"percent\":50}]}", 400, "invalid",
	        "versions");
	refused(h, "PUT", env, "{\"versions\":[{\"version\":1}]}", 400, "invalid", "versions[0].percent");
	refused(h, "PUT", SHOP "/environments/live", "{\"version\":1}", 400, "invalid", "environment");
	refused(h, "POST", SHOP "/publish", "{}", 409, "conflict", NULL);
	refused(h, "POST", SHOP "/rollback", "{}", 409, "conflict", NULL);
	refused(h, "POST", SHOP "/rollback", "{\"version\":7}", 404, "not-found", NULL);
	deploy(h, "shop", "production", 1);
	refused(h, "DELETE", SHOP "/versions/1", NULL, 409, "conflict", NULL);
	good(h, "DELETE", SHOP "/versions/2", NULL, 200);
	refused(h, "DELETE", SHOP "/versions/2", NULL, 404, "not-found", NULL);
	refused(h, "GET", SHOP "/versions/x", NULL, 400, "invalid", "version");
}

static void rolling_back_walks_back(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 4);
	for (int i = 1; i <= 4; i++)
		deploy(h, "shop", "production", i);
	good(h, "POST", SHOP "/rollback", "", 200);
	expect_number(h, "versions.0.version", 3);
	good(h, "POST", SHOP "/rollback", "{\"reason\":\"still bad\"}", 200);
	expect_number(h, "versions.0.version", 2);
	good(h, "POST", SHOP "/rollback", "{\"version\":4}", 200);
	expect_number(h, "versions.0.version", 4);
	good(h, "POST", SHOP "/rollback", "{}", 200);
	expect_number(h, "versions.0.version", 3);
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 3);
}

/* 2 was bad and rolled back, then 3 is bad as well: 2 is not what ran before 3. */
static void a_rollback_does_not_lead_to_what_was_rolled_back(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 3);
	deploy(h, "shop", "production", 1);
	deploy(h, "shop", "production", 2);
	good(h, "POST", SHOP "/rollback", "", 200);
	expect_number(h, "versions.0.version", 1);
	deploy(h, "shop", "production", 3);
	good(h, "POST", SHOP "/rollback", "", 200);
	expect_number(h, "versions.0.version", 1);
	ask(h, "POST", SHOP "/rollback", "");
	expect_status(h, 409); /* 1 is where it begins */
}

static void a_rollback_does_not_lead_to_what_never_came_into_force(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 3);
	deploy(h, "shop", "production", 1);
	h->activation_error = "out of descriptors";
	ask(h, "PUT", SHOP "/environments/production", "{\"version\":2}");
	expect_status(h, 503);
	h->activation_error = NULL;
	deploy(h, "shop", "production", 3);
	good(h, "POST", SHOP "/rollback", "", 200);
	expect_number(h, "versions.0.version", 1);
}

static void a_canary_shares_with_what_runs(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 1);
	deploy(h, "shop", "production", 1);
	good(h, "POST", SHOP "/deploy", "{\"code\":\"new\",\"percent\":25}", 200);
	expect_number(h, "versions.0.version", 1);
	expect_number(h, "versions.0.percent", 75);
	expect_number(h, "versions.1.version", 2);
	ask(h, "POST", SHOP "/deploy", "{\"code\":\"version 1\",\"percent\":25}");
	/* the same code as an older version: a new one all the same, since it is not the newest */
	expect_status(h, 200);
	expect_number(h, "version", 3);
	deploy(h, "shop", "production", 3);
	ask(h, "POST", SHOP "/deploy", "{\"code\":\"version 1\",\"percent\":25}");
	expect_status(h, 409);
	assert_non_null(strstr(h->text, "version 3"));
	assert_non_null(strstr(h->text, "nothing to try"));
}

/* Whichever write fails, there is no version that nobody asked to keep. */
static void a_canary_that_fails_leaves_no_version_behind(void **state)
{
	harness *h = *state;
	unsigned failed = 0;
	make_versions(h, "shop", 1);
	deploy(h, "shop", "production", 1);
	for (unsigned n = 1;; n++) {
		h->disk_left = n;
		ask(h, "POST", SHOP "/deploy", "{\"code\":\"new\",\"percent\":25}");
		h->disk_left = 0;
		if (h->status == 200)
			break;
		expect_status(h, 503);
		failed++;
		good(h, "GET", SHOP "/versions", NULL, 200);
		expect_absent(h, "items.1");
		assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 1);
	}
	assert_true(failed > 1);
	good(h, "GET", SHOP "/environments/production", NULL, 200);
	expect_number(h, "versions.1.version", 2);
}

static void a_failed_activation_is_taken_back(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 2);
	deploy(h, "shop", "production", 1);
	h->activation_error = "out of descriptors";
	ask(h, "PUT", SHOP "/environments/production", "{\"version\":2}");
	expect_status(h, 503);
	assert_non_null(strstr(h->text, "out of descriptors"));
	assert_non_null(strstr(h->text, "taken back"));
	h->activation_error = NULL;
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 1);
	good(h, "GET", SHOP "/environments/production", NULL, 200);
	expect_text(h, "reason", "activation failed");
	/* a routine that did not exist before does not exist now, nor do its routes */
	h->activation_error = "out of descriptors";
	ask(h, "POST", "/v1/routines/new/deploy", "{\"code\":\"x\",\"settings\":{\"routes\":[\"new.example\"]}}");
	expect_status(h, 503);
	h->activation_error = NULL;
	ask(h, "GET", "/v1/routines/new", NULL);
	expect_status(h, 404);
	good(h, "GET", "/v1/routes", NULL, 200);
	expect_absent(h, "items.1");
}

static void deploys_keep_their_order(void **state)
{
	harness *h = *state;
	h->hold_probes = true;
	er_exchange *a = begin_from(h, NULL, "192.0.2.1", "POST", SHOP "/deploy", ER_LIT("{\"code\":\"a\"}"));
	er_exchange *b = begin_from(h, NULL, "192.0.2.1", "POST", SHOP "/deploy", ER_LIT("{\"code\":\"b\"}"));
	er_exchange *c = begin_from(h, NULL, "192.0.2.1", "POST", "/v1/routines/other/deploy", ER_LIT("{\"code\":\"c\"}"));
	assert_int_equal(h->n_probe, 3);
	/* b is ready first, and still waits for a; another routine's does not */
	let_probe(h, 1);
	assert_false(b->answered);
	let_probe(h, 1);
	assert_true(c->answered);
	let_probe(h, 0);
	assert_true(a->answered && b->answered);
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 2);
	take_answer(h, a);
	expect_number(h, "version", 1);
	take_answer(h, b);
	expect_number(h, "version", 2);
	take_answer(h, c);
}

static void a_rollback_waits_for_an_upload_before_it(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 2);
	deploy(h, "shop", "production", 1);
	deploy(h, "shop", "production", 2);
	h->hold_probes = true;
	er_exchange *a = begin_from(h, NULL, "192.0.2.1", "POST", SHOP "/deploy", ER_LIT("{\"code\":\"three\"}"));
	er_exchange *b = begin_from(h, NULL, "192.0.2.1", "POST", SHOP "/rollback", ER_LIT("{}"));
	assert_false(b->answered);
	let_probe(h, 0);
	take_answer(h, a);
	take_answer(h, b);
	expect_number(h, "versions.0.version", 2);
}

static void activations_are_shared(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 4);
	h->hold_activation = true;
	er_exchange *x[4];
	for (int i = 0; i < 4; i++) {
		char body[32];
		snprintf(body, sizeof body, "{\"version\":%d}", i + 1);
		x[i] = begin_from(h, NULL, "192.0.2.1", "PUT", SHOP "/environments/production", er_slice_cstr(body));
	}
	assert_int_equal(h->activations, 1);
	let_activate(h, NULL);
	assert_true(x[0]->answered);
	assert_false(x[1]->answered);
	assert_int_equal(h->activations, 2);
	let_activate(h, NULL);
	assert_true(x[1]->answered && x[2]->answered && x[3]->answered);
	assert_int_equal(h->activations, 2);
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 4);
	for (int i = 0; i < 4; i++)
		take_answer(h, x[i]);
}

static void a_failure_does_not_undo_what_came_later(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 3);
	deploy(h, "shop", "production", 1);
	h->hold_activation = true;
	er_exchange *a = begin_from(h, NULL, "192.0.2.1", "PUT", SHOP "/environments/production", ER_LIT("{\"version\":2}"));
	er_exchange *b = begin_from(h, NULL, "192.0.2.1", "PUT", SHOP "/environments/production", ER_LIT("{\"version\":3}"));
	let_activate(h, "no");
	assert_false(a->answered); /* the node is given the picture again first */
	let_activate(h, NULL);
	assert_true(a->answered);
	assert_int_equal(a->res.status, 503);
	let_activate(h, NULL);
	assert_int_equal(b->res.status, 200);
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 3);
	er_exchange_unref(a);
	er_exchange_unref(b);
}

static void a_client_that_leaves_changes_nothing(void **state)
{
	harness *h = *state;
	h->hold_probes = h->hold_activation = true;
	er_exchange *a = begin_from(h, NULL, "192.0.2.1", "POST", SHOP "/deploy", ER_LIT("{\"code\":\"a\"}"));
	er_exchange_cancel(a, ER_ERR_CLIENT_GONE);
	er_exchange_unref(a);
	let_probe(h, 0);
	let_activate(h, NULL);
	h->hold_probes = h->hold_activation = false;
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 1);
}

static void half_an_upload_is_none(void **state)
{
	harness *h = *state;
	er_exchange *x = er_exchange_new();
	x->req.method = ER_LIT("POST");
	x->req.target = ER_LIT(SHOP "/deploy");
	x->req.body = er_body_new(ER_BODY_UNKNOWN);
	h->asker.answered = on_answer;
	x->asker = &h->asker;
	(void)er_body_write(x->req.body, er_piece_copy(ER_LIT("{\"code\":\"abc")));
	er_exchange_start(x, er_control_local(h->control));
	(void)er_body_write(x->req.body, er_piece_copy(ER_LIT("def")));
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	er_exchange_unref(x);
	assert_int_equal(h->probes, 0);
	assert_int_equal(er_store_sequence(h->store), 0);
}

static void a_stop_answers_what_waits(void **state)
{
	harness *h = *state;
	h->hold_probes = true;
	er_exchange *a = begin_from(h, NULL, "192.0.2.1", "POST", SHOP "/deploy", ER_LIT("{\"code\":\"a\"}"));
	h->hold_probes = false;
	h->hold_activation = true;
	er_exchange *b = begin_from(h, NULL, "192.0.2.1", "POST", "/v1/routines/other/deploy", ER_LIT("{\"code\":\"b\"}"));
	harness_stop(h);
	assert_int_equal(a->res.status, 503);
	assert_int_equal(b->res.status, 503);
	er_exchange_unref(a);
	er_exchange_unref(b);
	/* what was written is there; what was not is not */
	h->hold_activation = false;
	harness_start(h);
	assert_int_equal(runs(h, "other", ER_ENV_PRODUCTION), 1);
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 0);
}

static void old_versions_are_pruned(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 6);
	deploy(h, "shop", "production", 1);
	refused(h, "POST", SHOP "/prune", "{\"keep\":0}", 400, "invalid", "keep");
	good(h, "POST", SHOP "/prune", "{\"keep\":2}", 200);
	expect_number(h, "removed", 3);
	good(h, "GET", SHOP "/versions?limit=2", NULL, 200);
	expect_number(h, "items.1.version", 5);
	expect_number(h, "next", 5);
	good(h, "GET", SHOP "/versions?cursor=5", NULL, 200);
	expect_number(h, "items.0.version", 1);
	expect_absent(h, "next");
	ask(h, "GET", SHOP "/versions/5/code", NULL);
	assert_string_equal(h->text, "version 5");
	ask(h, "GET", SHOP "/versions/5/source-map", NULL);
	expect_status(h, 404);
}

static void a_routine_can_go(void **state)
{
	harness *h = *state;
	refused(h, "DELETE", SHOP, NULL, 404, "not-found", NULL);
	good(h, "POST", SHOP "/deploy", "{\"code\":\"a\",\"settings\":{\"routes\":[\"a.example\"]}}", 200);
	good(h, "DELETE", SHOP, NULL, 200);
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 0);
	assert_int_equal(h->activations, 2);
	ask(h, "GET", SHOP, NULL);
	expect_status(h, 404);
}

static void the_picture_says_what_changed(void **state)
{
	harness *h = *state;
	er_snapshot before, after;
	er_err err = {0};
	make_versions(h, "a", 2);
	make_versions(h, "b", 1);
	deploy(h, "a", "production", 1);
	deploy(h, "b", "production", 1);
	assert_true(er_control_snapshot(h->control, &h->arena, &before, &err));
	good(h, "PUT", "/v1/routines/a/environments/production/secrets/KEY", "{\"value\":\"s3cret\"}", 200);
	assert_true(er_control_snapshot(h->control, &h->arena, &after, &err));
	assert_int_equal(after.routines[0].deployment, before.routines[0].deployment);
	assert_true(after.routines[0].revision > before.routines[0].revision);
	assert_true(after.routines[0].env_revision > before.routines[0].env_revision);
	assert_int_equal(after.routines[1].revision, before.routines[1].revision);
	/* a deployment is no change of variables */
	deploy(h, "a", "production", 2);
	assert_true(er_control_snapshot(h->control, &h->arena, &before, &err));
	assert_true(before.routines[0].revision > after.routines[0].revision);
	assert_int_equal(before.routines[0].env_revision, after.routines[0].env_revision);
	/* nor is a variable that has the value already */
	good(h, "PUT", "/v1/routines/a/environments/production/vars/V", "{\"value\":1}", 200);
	deploy(h, "b", "staging", 1);
	assert_true(er_control_snapshot(h->control, &h->arena, &before, &err));
	good(h, "PUT", "/v1/routines/a/environments/production/vars/V", "{\"value\":1}", 200);
	assert_true(er_control_snapshot(h->control, &h->arena, &after, &err));
	assert_int_equal(before.routines[0].revision, after.routines[0].revision);
	assert_int_equal(before.routines[0].env_revision, after.routines[0].env_revision);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
	    T(one_call_deploys),
	    T(what_is_wrong_is_said_and_nothing_is_done),
	    T(code_is_bounded),
	    T(environments_are_pointers),
	    T(pointers_are_checked),
	    T(rolling_back_walks_back),
	    T(a_rollback_does_not_lead_to_what_was_rolled_back),
	    T(a_rollback_does_not_lead_to_what_never_came_into_force),
	    T(a_canary_shares_with_what_runs),
	    T(a_canary_that_fails_leaves_no_version_behind),
	    T(a_failed_activation_is_taken_back),
	    T(deploys_keep_their_order),
	    T(a_rollback_waits_for_an_upload_before_it),
	    T(activations_are_shared),
	    T(a_failure_does_not_undo_what_came_later),
	    T(a_client_that_leaves_changes_nothing),
	    T(half_an_upload_is_none),
	    T(a_stop_answers_what_waits),
	    T(old_versions_are_pruned),
	    T(a_routine_can_go),
	    T(the_picture_says_what_changed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
