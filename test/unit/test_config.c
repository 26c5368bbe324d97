/* node.jsonc: what it may say, and that every mistake is shown at its place. */
#include "gateway/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/er-test-config-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof path, "%s%s", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	put("/a.js", "addEventListener('fetch', () => {})");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	char path[128];
	snprintf(path, sizeof path, "%s/a.js", folder);
	unlink(path);
	rmdir(folder);
	return 0;
}

static er_config *parse(const char *text, er_err *err)
{
	char where[64];
	snprintf(where, sizeof where, "%s/", folder);
	return er_config_read(er_slice_cstr(text), "node.jsonc", er_slice_cstr(where), err);
}

static void refused(const char *text, const char *message)
{
	er_err err = {0};
	er_config *c = parse(text, &err);
	if (c != NULL || strstr(err.text, message) == NULL)
		print_error("for %s\nexpected: %s\ngot:      %s\n", text, message, err.text);
	assert_null(c);
	assert_non_null(strstr(err.text, message));
}

static void everything_is_read(void **state)
{
	(void)state;
	er_err err = {0};
	er_config *c = parse(
	    "// a node\n"
	    "{ \"listen\": [\"127.0.0.1:0\", \"[::1]:80\"], \"admin\": \":9000\", \"threads\": 3, \"origin\": "
	    "\"http://10.0.0.5:8080\",\n"
	    "  \"sandbox\": {\"minLevel\": \"no-userns\", \"pool\": 7, \"poolHardened\": 2, \"maxInstances\": 50, "
	    "\"maxSubrequests\": 60},\n"
	    "  \"limits\": {\"requests\": 0, \"body\": 5000000000, \"drainMs\": 5},\n"
	    "  \"routineAddresses\": [\"10.0.0.0/8\", \"fd00::5\"],\n"
	    "  \"routineLimits\": {\"cpuMs\": 200}, \"history\": {\"changes\": 500, \"deployments\": 0},\n"
	    "  \"accessLog\": \"-\", \"log\": \"json\", \"resolver\": {\"servers\": [\"192.0.2.53\", \"[2001:db8::53]:5353\"]},\n"
	    "  \"routines\": [{\"name\": \"a\", \"main\": \"a.js\", \"limits\": {\"cpuMs\": 100, \"memoryMb\": 64, \"responseMs\": "
	    "5000},\n"
	    "     \"vars\": {\"X\": [1, \"two\"]}, \"profile\": \"hardened\", \"fallback\": true, \"routes\": [\"own.example\"],\n"
	    "     \"compat\": {\"envLast\": true, \"redirect\": \"manual\"}, \"allowAddresses\": [\"10.0.0.0/8\"]},],\n"
	    "  \"routes\": [{\"pattern\": \"Shop.Example/api*\", \"routine\": \"a\"}],\n"
	    "}",
	    &err);
	if (c == NULL)
		print_error("%s\n", err.text);
	assert_non_null(c);
	assert_int_equal(c->n_listen, 2);
	assert_string_equal(c->listen[1].address, "[::1]:80");
	assert_string_equal(c->admin, ":9000");
	assert_int_equal(c->threads, 3);
	assert_int_equal(c->min_level, ER_LEVEL_NO_USERNS);
	assert_int_equal(c->pool, 7);
	assert_int_equal(c->max_instances, 50);
	assert_int_equal(c->max_subrequests, 60);
	assert_int_equal(c->limits.requests, 0);
	assert_true(c->limits.body == 5000000000U);
	assert_int_equal(c->keep.changes, 500);
	assert_int_equal(c->keep.deployments, 0);
	assert_string_equal(c->access_log, "-");
	assert_string_equal(c->name_servers, "192.0.2.53,[2001:db8::53]:5353");
	assert_true(c->log_json);
	assert_int_equal(c->n_file, 1);
	assert_int_equal(c->n_addresses, 2);
	assert_int_equal(c->addresses[1].bits, 128);
	const er_deployment *d = er_config_find(c, ER_ENV_PRODUCTION, ER_LIT("a"));
	assert_non_null(d);
	const er_routine *r = d->version[0];
	assert_ptr_equal(er_config_find(c, ER_ENV_STAGING, ER_LIT("a"))->version[0], r);
	assert_int_equal(r->limits.cpu_us, 100000);
	assert_int_equal(r->limits.memory_kb, 65536);
	assert_int_equal(r->limits.subrequests, 32);
	assert_true(er_slice_eq(r->env_json, ER_LIT("{\"X\":[1,\"two\"]}")));
	assert_int_equal(r->profile, ER_PROFILE_HARDENED);
	assert_true(r->fallback);
	assert_int_equal(r->compat, ER_COMPAT_ENV_LAST | ER_COMPAT_REDIRECT_MANUAL);
	assert_int_equal(r->n_allow, 1);
	assert_int_equal(r->version.n, 12);
	/* the file's routes come before the routine's own */
	for (er_env e = 0; e < ER_ENV_COUNT_; e++) {
		const er_env_tables *site = &c->env[e];
		assert_int_equal(site->n_rules, 2);
		assert_true(er_slice_eq(site->rules[0].route->part.host, ER_LIT("shop.example")));
		assert_true(er_slice_eq(site->rules[1].route->part.host, ER_LIT("own.example")));
		assert_int_equal(site->rules[1].position, 1);
	}
	er_config_unref(c);
}

static void staging_has_listeners_and_hosts_of_its_own(void **state)
{
	(void)state;
	er_err err = {0};
	er_config *c = parse("{\"listen\": \":80\", \"data\": \"data\", \"staging\": {\"listen\": [\"127.0.0.1:81\", \":82\"], "
	                     "\"hosts\": \"*.Staging.Example\"}}",
	                     &err);
	assert_non_null(c);
	assert_int_equal(c->n_listen, 3);
	assert_int_equal(c->listen[0].env, ER_ENV_PRODUCTION);
	assert_int_equal(c->listen[1].env, ER_ENV_STAGING);
	assert_string_equal(c->listen[2].address, ":82");
	assert_int_equal(c->n_staging_hosts, 1);
	assert_string_equal(c->staging_hosts[0], "*.staging.example");
	assert_non_null(strstr(c->data, "/data"));
	er_config *again = er_config_copy(c);
	assert_int_equal(again->n_listen, 3);
	assert_string_equal(again->staging_hosts[0], "*.staging.example");
	er_config_unref(again);
	er_config_unref(c);
}

static void mistakes_are_shown_at_their_place(void **state)
{
	(void)state;
	refused("{\"resolver\": {\"servers\": [\"ns.example\"]}}", "node.jsonc:1:27: an address of a name server is expected");
	refused("{\"resolver\": {\"servers\": []}}", "\"resolver.servers\" has 0 elements: an array of 1 to 3 elements is expected");
	refused("{\"resolver\": {\"servers\": \"192.0.2.53\"}}", "an array of 1 to 3 elements is expected, not a string");
	refused("{\"limits\": {\"originConnections\": 0}}", "from 16 to");
	refused("{\n\t\"lisen\": []}", "node.jsonc:2:2: \"lisen\" is not known here; did you mean \"listen\"?");
	refused("{\"something\": 1}", "node.jsonc:1:2: \"something\" is not known here; known: listen, staging");
	refused("{\"threads\": 1.5}", "node.jsonc:1:13: \"threads\" is 1.5: a whole number from 1 to 256 is expected");
	refused("{\"listen\": []}", "at least one address");
	refused("{\"listen\": [\"127.0.0.1\"]}", "node.jsonc:1:13");
	refused("{\"listen\": [\"127.0.0.1:70000\"]}", "not an address to listen on");
	refused("{\"listen\": [\"1.2.3:80\"]}", "not an address to listen on");
	refused("{\"origin\": \"http://host/path\"}", "without a path");
	refused("{\"origin\": \"http://user@host\"}", "is not an origin");
	refused("{\"sandbox\": {\"pool\": -1}}", "\"sandbox.pool\" is -1: a whole number from 0");
	refused("{\"log\": true}", "\"log\": \"text\" or \"json\" is expected");
	refused("{\"log\": \"xml\"}", "\"log\": \"text\" or \"json\" is expected");
	refused("{\"routes\": [{\"pattern\": \"a\"}]}", "\"routes.routine\" is missing");
	refused("{\"routines\": {}}", "\"routines\": an array of 0 to 100000 elements is expected, not an object");
	refused("{\"routines\": [5]}", "a routine is an object");
	refused("{\"routines\": [{\"name\": \"a\", \"main\": \"a.js\", \"vars\": 5}]}",
	        "node.jsonc:1:53: \"vars\": an object is expected, not a number");
	refused("{\"routines\": [{\"name\": \"a\", \"main\": \"a.js\", \"limits\": {\"cpu\": 5}}]}", "did you mean \"cpuMs\"?");
	refused("{\"routines\": [{\"name\": \"a\", \"main\": \"a.js\"}, {\"name\": \"a\", \"main\": \"a.js\"}]}",
	        "two routines of the name a");
	refused("{\"routineAddresses\": [\"10.0.0.0/8\", \"ten\"]}", "an address or a range");
	refused("{\"routineAddresses\": \"10.0.0.0/8\"}", "an array of addresses");
	refused("{\"routines\": [{\"name\": \"a\", \"main\": \"a.js\", \"allowAddresses\": [\"ten\"]}]}", "an address or a range");
	refused("{\"routines\": [{\"name\": \"a\", \"main\": \"a.js\", \"limits\": {\"memoryMb\": 600}}]}",
	        "memoryMb is 600, and this node allows at most 512");
	refused("{\"routines\": [{\"name\": \"a\", \"main\": \"a.js\", \"routes\": [\"http://x\"]}]}", "cannot be in a host");
	refused("{\"staging\": []}", "node.jsonc:1:13: \"staging\": an object is expected, not an array");
	refused("{\"staging\": {\"listn\": []}}", "node.jsonc:1:14: \"staging.listn\" is not known here; did you mean \"listen\"?");
	refused("{\"staging\": {\"listen\": [\"nowhere\"]}}", "node.jsonc:1:25");
	refused("{\"staging\": {\"hosts\": [5]}}", "a host as a string");
	refused("{\"staging\": {\"hosts\": \"a.example/x\"}}",
	        "\"hosts\": \"*.staging.example.com\" or a host is expected, without a path");
	refused("{\"staging\": {\"hosts\": [\"*\"]}}", "\"*.staging.example.com\" or a host is expected");
	refused("{\"staging\": {\"hosts\": {}}}", "a host, or an array of hosts, is expected");
	refused("{\"data\": 5}", "\"data\": a string of 1 to 4096 bytes is expected, not a number");
	refused("", "node.jsonc:1:1");
	refused("[]", "an object is expected, not an array");
}

static void code_of_the_limit_is_refused_and_one_byte_less_is_not(void **state)
{
	(void)state;
	er_err err = {0};
	for (unsigned n = 999; n <= 1000; n++) {
		er_config *c = er_config_new();
		er_limits limits = ER_LIMITS_DEFAULT;
		limits.code_n = 1000;
		er_chunk *code = er_chunk_new(n);
		memset(code->bytes, ' ', n);
		er_routine *r = er_routine_new(&(er_routine){.name = ER_LIT("a"), .code = er_piece_take(code, n), .limits = limits});
		assert_int_equal(er_config_add_routine(c, r, &err), n == 999);
		er_config_unref(c);
	}
	assert_non_null(strstr(err.text, "has 1000 bytes; it must have less than 1000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(everything_is_read),
	    cmocka_unit_test(staging_has_listeners_and_hosts_of_its_own),
	    cmocka_unit_test(mistakes_are_shown_at_their_place),
	    cmocka_unit_test(code_of_the_limit_is_refused_and_one_byte_less_is_not),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
