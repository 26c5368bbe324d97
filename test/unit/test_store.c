/* What the store adds changes up to: numbers, pointers, routes, settings, tokens, and the log
 * that says so. */
#include "store_harness.h"

#include <sys/stat.h>

typedef struct fixture {
	char *dir;
	er_store *s;
	er_arena a;
	er_err err;
} fixture;

static int setup(void **state)
{
	fixture *f = ER_NEW(fixture);
	f->dir = harness_dir();
	f->s = harness_open(&(er_store_options){.dir = f->dir, .versions_quota = 5});
	er_arena_init(&f->a);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture *f = *state;
	er_store_close(f->s);
	er_arena_fini(&f->a);
	harness_remove(f->dir);
	er_free(f);
	return 0;
}

static void reopen(fixture *f)
{
	er_store_close(f->s);
	f->s = harness_open(&(er_store_options){.dir = f->dir, .versions_quota = 5});
}

static void equal(er_slice is, const char *should)
{
	if (!er_slice_eq(is, er_slice_cstr(should)))
		fail_msg("\"%.*s\" instead of \"%s\"", ER_FMT(is), should);
}

static void mode_is(const char *dir, const char *name, unsigned mode)
{
	struct stat st;
	char *path = er_printf("%s/%s", dir, name);
	if (stat(path, &st) != 0 || (st.st_mode & 0777) != mode)
		fail_msg("%s has mode %o", path, st.st_mode & 0777);
	er_free(path);
}

static void a_new_folder_is_private_and_has_an_id(void **state)
{
	fixture *f = *state;
	char *dir = er_printf("%s/new", f->dir);
	er_store *s = harness_open_dir(dir);
	assert_int_equal(er_store_node_id(s).n, 32);
	assert_int_equal(er_store_sequence(s), 0);
	er_change c[] = {change_version("shop", "x"), change_named(ER_CHANGE_SECRET_SET, "shop", "S", "v")};
	apply_all(s, c, 2);
	mode_is(dir, "", 0700);
	for (const char *const *n =
	         (const char *const[]){"control.db", "control.db-wal", "control.db-shm", "kv.db", "assets.db", "key", "lock", NULL};
	     *n; n++)
		mode_is(dir, *n, 0600);
	char id[33];
	snprintf(id, sizeof id, "%.*s", ER_FMT(er_store_node_id(s)));
	er_store_close(s);
	s = harness_open_dir(dir);
	equal(er_store_node_id(s), id);
	er_store_close(s);
	er_free(dir);
}

static void versions_are_numbered_for_ever(void **state)
{
	fixture *f = *state;
	er_applied one = apply(f->s, change_version("shop", "one"));
	assert_int_equal(one.version, 1);
	assert_int_equal(one.sequence, 1);
	assert_false(one.existed);
	er_applied again = apply(f->s, change_version("shop", "one"));
	assert_true(again.existed);
	assert_int_equal(again.version, 1);
	assert_int_equal(again.sequence, 1);
	assert_int_equal(apply(f->s, change_version("shop", "two")).version, 2);
	/* The content of an older one is a new version: order is meaning. */
	assert_int_equal(apply(f->s, change_version("shop", "one")).version, 3);
	apply(f->s, (er_change){.kind = ER_CHANGE_VERSION_DELETE, .routine = ER_LIT("shop"), .number = 3});
	assert_int_equal(apply(f->s, change_version("shop", "three")).version, 4);
	apply(f->s, (er_change){.kind = ER_CHANGE_ROUTINE_DELETE, .routine = ER_LIT("shop")});
	assert_int_equal(apply(f->s, change_version("shop", "anew")).version, 5);
	assert_int_equal(apply(f->s, change_version("other", "one")).version, 1);
}

static void settings_and_source_map_make_a_version_too(void **state)
{
	fixture *f = *state;
	apply(f->s, change_version("shop", "x"));
	er_change c = change_version("shop", "x");
	c.version.settings = ER_LIT("{\"main\":\"other.js\"}");
	assert_int_equal(apply(f->s, c).version, 2);
	c.version.source_map = ER_LIT("{}");
	assert_int_equal(apply(f->s, c).version, 3);
	c.version.description = ER_LIT("said otherwise");
	assert_true(apply(f->s, c).existed);
	c.version.settings = ER_LIT("[]");
	apply_refused(f->s, c, ER_ERR_INVALID, "JSON object");
	c.version.settings = ER_LIT("{\"a\":");
	apply_refused(f->s, c, ER_ERR_INVALID, "JSON object");
}

static void a_version_row_says_it_all(void **state)
{
	fixture *f = *state;
	er_change c[] = {change_version("shop", "code"), change_deploy("shop", ER_ENV_STAGING, ER_VERSION_ADDED, 0, 0),
	                 change_version("shop", "code 2")};
	c[0].version.source_map = ER_LIT("map");
	er_applied done = apply_all(f->s, c, 3);
	assert_int_equal(done.sequence, 3);
	assert_int_equal(done.version, 2);
	reopen(f);
	er_version_row *v;
	size_t n;
	assert_true(er_store_versions(f->s, &f->a, ER_LIT("shop"), &v, &n, &f->err));
	assert_int_equal(n, 2);
	assert_int_equal(v[0].number, 2);
	assert_int_equal(v[1].number, 1);
	assert_int_equal(v[1].code_n, 4);
	assert_int_equal(v[1].map_n, 3);
	assert_true(v[1].deployed[ER_ENV_STAGING]);
	assert_false(v[1].deployed[ER_ENV_PRODUCTION]);
	assert_false(v[0].deployed[ER_ENV_STAGING]);
	equal(v[1].description, "first \"try\"");
	equal(v[1].actor, "ann");
	equal(v[1].settings, "{\"main\":\"index.js\"}");
	er_piece p;
	assert_true(er_store_blob(f->s, &v[1].code, &p, &f->err));
	equal(er_piece_slice(p), "code");
	er_piece_drop(&p);
	assert_true(er_store_blob(f->s, &v[1].source_map, &p, &f->err));
	equal(er_piece_slice(p), "map");
	er_piece_drop(&p);
	assert_false(er_store_blob(f->s, &(er_hash){{1}}, &p, &f->err));
	assert_int_equal(f->err.kind, ER_ERR_NO_ROUTE);
}

static void a_blob_goes_with_the_last_version_that_names_it(void **state)
{
	fixture *f = *state;
	er_change shared = change_version("a", "shared");
	shared.version.source_map = ER_LIT("shared"); /* a map may have the bytes of a code */
	apply(f->s, shared);
	apply(f->s, change_version("b", "shared"));
	er_version_row *v;
	size_t n;
	assert_true(er_store_versions(f->s, &f->a, ER_LIT("a"), &v, &n, &f->err));
	er_hash h = v[0].code;
	er_piece p;
	apply(f->s, (er_change){.kind = ER_CHANGE_VERSION_DELETE, .routine = ER_LIT("b"), .number = 1});
	assert_true(er_store_blob(f->s, &h, &p, &f->err));
	er_piece_drop(&p);
	apply(f->s, (er_change){.kind = ER_CHANGE_ROUTINE_DELETE, .routine = ER_LIT("a")});
	assert_false(er_store_blob(f->s, &h, &p, &f->err));
	assert_int_equal(f->err.kind, ER_ERR_NO_ROUTE);
}

/* On a full disk a prune is what makes room again: it must not need as much as it frees. */
static void a_prune_writes_little(void **state)
{
	fixture *f = *state;
	enum { BIG = 400000 };
	char *code = er_alloc(BIG), *wal = er_printf("%s/control.db-wal", f->dir);
	for (int i = 0; i < 4; i++) {
		memset(code, 'a' + i, BIG - 1);
		code[BIG - 1] = '\0';
		apply(f->s, change_version("shop", code));
	}
	er_free(code);
	/* What was written goes from the log into the database when the last one closes it. */
	reopen(f);
	struct stat before, after;
	unsigned removed;
	apply(f->s, change_named(ER_CHANGE_VAR_SET, "shop", "A", "1"));
	assert_int_equal(stat(wal, &before), 0);
	assert_true(er_store_prune(f->s, ER_LIT("shop"), 1, ER_LIT("ann"), ER_LIT(""), &removed, &f->err));
	assert_int_equal(removed, 3);
	assert_int_equal(stat(wal, &after), 0);
	assert_true(after.st_size - before.st_size < BIG / 2);
	er_free(wal);
}

static void the_quota_says_what_to_do_and_prune_does_it(void **state)
{
	fixture *f = *state;
	char code[32];
	for (int i = 0; i < 5; i++) {
		snprintf(code, sizeof code, "code %d", i);
		apply(f->s, change_version("shop", code));
	}
	apply_refused(f->s, change_version("shop", "more"), ER_ERR_TOO_LARGE, "er versions prune");
	apply(f->s, change_deploy("shop", ER_ENV_PRODUCTION, 2, 1, 90));
	unsigned removed;
	uint64_t before = er_store_sequence(f->s);
	assert_true(er_store_prune(f->s, ER_LIT("shop"), 1, ER_LIT("ann"), ER_LIT(""), &removed, &f->err));
	assert_int_equal(removed, 2); /* 3 and 4: 5 is the newest, 1 and 2 run */
	assert_int_equal(er_store_sequence(f->s), before + 2);
	er_version_row *v;
	size_t n;
	assert_true(er_store_versions(f->s, &f->a, ER_LIT("shop"), &v, &n, &f->err));
	assert_int_equal(n, 3);
	assert_int_equal(apply(f->s, change_version("shop", "more")).version, 6);
	assert_true(er_store_prune(f->s, ER_LIT("shop"), 9, ER_LIT("ann"), ER_LIT(""), &removed, &f->err));
	assert_int_equal(removed, 0);
	assert_false(er_store_prune(f->s, ER_LIT("nobody"), 9, ER_LIT("ann"), ER_LIT(""), &removed, &f->err));
	assert_int_equal(f->err.kind, ER_ERR_NO_ROUTE);
}

static void what_runs_cannot_be_deleted(void **state)
{
	fixture *f = *state;
	apply(f->s, change_version("shop", "1"));
	apply(f->s, change_version("shop", "2"));
	apply(f->s, change_deploy("shop", ER_ENV_STAGING, 2, 1, 10));
	for (uint32_t v = 1; v <= 2; v++)
		apply_refused(f->s, (er_change){.kind = ER_CHANGE_VERSION_DELETE, .routine = ER_LIT("shop"), .number = v}, ER_ERR_INVALID,
		              "runs in staging");
	apply_refused(f->s, (er_change){.kind = ER_CHANGE_VERSION_DELETE, .routine = ER_LIT("shop"), .number = 9}, ER_ERR_NO_ROUTE,
	              "no version 9");
	apply(f->s, change_deploy("shop", ER_ENV_STAGING, 2, 0, 100));
	apply(f->s, (er_change){.kind = ER_CHANGE_VERSION_DELETE, .routine = ER_LIT("shop"), .number = 1});
}

static void a_routine_that_is_made_anew_is_another_one(void **state)
{
	fixture *f = *state;
	uint64_t born[3];
	for (int i = 0; i < 3; i++) {
		er_version_row *v;
		size_t n;
		born[i] = apply(f->s, change_version("shop", "1")).sequence;
		apply(f->s, change_version("shop", "2"));
		reopen(f);
		assert_true(er_store_versions(f->s, &f->a, i == 1 ? (er_slice){0} : ER_LIT("shop"), &v, &n, &f->err));
		assert_int_equal(n, 2);
		assert_int_equal(v[0].born, born[i]);
		assert_int_equal(v[1].born, born[i]);
		assert_true(i == 0 || born[i] > born[i - 1]);
		apply(f->s, (er_change){.kind = ER_CHANGE_ROUTINE_DELETE, .routine = ER_LIT("shop")});
	}
}

static void deployments_point_and_remember(void **state)
{
	fixture *f = *state;
	er_change both[] = {change_version("shop", "1"), change_deploy("shop", ER_ENV_PRODUCTION, ER_VERSION_ADDED, 0, 100)};
	er_applied first = apply_all(f->s, both, 2);
	assert_int_equal(first.version, 1);
	apply(f->s, change_version("shop", "2"));
	er_change canary = change_deploy("shop", ER_ENV_PRODUCTION, 1, 2, 90);
	canary.guard = (er_guard){.on = true, .error_percent = 2, .p99_percent = 50, .least_requests = 100, .watch_s = 60};
	er_applied second = apply(f->s, canary);
	assert_true(second.deployment > first.deployment);
	/* The same once more is no change: going back must not go to where we are. */
	er_applied third = apply(f->s, canary);
	assert_int_equal(third.deployment, second.deployment);
	assert_int_equal(third.sequence, second.sequence);
	reopen(f);
	er_deployment_row *d;
	size_t n;
	assert_true(er_store_current(f->s, &f->a, (er_slice){0}, &d, &n, &f->err));
	assert_int_equal(n, 1);
	assert_int_equal(d[0].id, second.deployment);
	assert_int_equal(d[0].sequence, second.sequence);
	assert_int_equal(d[0].split.version[0], 1);
	assert_int_equal(d[0].split.version[1], 2);
	assert_int_equal(d[0].split.percent, 90);
	assert_true(d[0].guard.on);
	assert_int_equal(d[0].guard.p99_percent, 50);
	assert_int_equal(d[0].guard.watch_s, 60);
	assert_true(er_store_history(f->s, &f->a, ER_LIT("shop"), 0, 10, &d, &n, &f->err));
	assert_int_equal(n, 2);
	assert_int_equal(d[1].id, first.deployment);
	assert_true(er_store_history(f->s, &f->a, (er_slice){0}, d[0].id, 10, &d, &n, &f->err));
	assert_int_equal(n, 1);
}

/* What runs keeps its place in the split: who is drawn stays drawn while the share grows. */
static void a_canary_is_one_transaction(void **state)
{
	fixture *f = *state;
	er_change first[] = {change_version("shop", "1"), change_deploy("shop", ER_ENV_PRODUCTION, ER_VERSION_ADDED, 0, 100)};
	apply_all(f->s, first, 2);
	er_change canary[] = {change_version("shop", "2"), change_deploy("shop", ER_ENV_PRODUCTION, 1, ER_VERSION_ADDED, 90)};
	er_applied both = apply_all(f->s, canary, 2);
	assert_int_equal(both.version, 2);
	er_deployment_row *d;
	size_t n;
	assert_true(er_store_current(f->s, &f->a, ER_LIT("shop"), &d, &n, &f->err));
	assert_int_equal(d[0].split.version[0], 1);
	assert_int_equal(d[0].split.version[1], 2);
	assert_int_equal(d[0].split.percent, 90);
	/* One that cannot be deployed leaves no version: neither the split nor the code is there. */
	er_change bad[] = {change_version("shop", "3"), change_deploy("shop", ER_ENV_PRODUCTION, 9, ER_VERSION_ADDED, 90)};
	apply_refused_all(f->s, bad, 2, ER_ERR_NO_ROUTE, "no version 9");
	er_version_row *v;
	assert_true(er_store_versions(f->s, &f->a, ER_LIT("shop"), &v, &n, &f->err));
	assert_int_equal(n, 2);
	/* What turns out to be the version it would share with. */
	er_change same[] = {change_version("shop", "2"), change_deploy("shop", ER_ENV_PRODUCTION, 2, ER_VERSION_ADDED, 90)};
	apply_refused_all(f->s, same, 2, ER_ERR_CONFLICT, "nothing to try");
}

static void a_deployment_that_makes_no_sense_is_refused(void **state)
{
	fixture *f = *state;
	apply_refused(f->s, change_deploy("shop", ER_ENV_PRODUCTION, 1, 0, 100), ER_ERR_NO_ROUTE, "no routine \"shop\"");
	apply(f->s, change_version("shop", "1"));
	apply(f->s, change_version("shop", "2"));
	apply(f->s, change_version("other", "1"));
	apply_refused(f->s, change_deploy("shop", ER_ENV_PRODUCTION, 7, 0, 100), ER_ERR_NO_ROUTE, "no version 7");
	apply_refused(f->s, change_deploy("shop", ER_ENV_PRODUCTION, 1, 7, 50), ER_ERR_NO_ROUTE, "no version 7");
	apply_refused(f->s, change_deploy("shop", ER_ENV_PRODUCTION, 1, 2, 100), ER_ERR_INVALID, "1 to 99");
	apply_refused(f->s, change_deploy("shop", ER_ENV_PRODUCTION, 1, 2, 0), ER_ERR_INVALID, "1 to 99");
	apply_refused(f->s, change_deploy("shop", ER_ENV_PRODUCTION, 1, 0, 50), ER_ERR_INVALID, "second one");
	apply_refused(f->s, change_deploy("shop", ER_ENV_PRODUCTION, 1, 1, 50), ER_ERR_INVALID, "itself");
	apply_refused(f->s, change_deploy("shop", ER_ENV_PRODUCTION, 0, 0, 100), ER_ERR_INVALID, "names a version");
	apply_refused(f->s, change_deploy("shop", ER_ENV_PRODUCTION, ER_VERSION_ADDED, 0, 100), ER_ERR_INVALID, "just added");
	apply_refused(f->s, change_deploy("shop", ER_ENV_PRODUCTION, 1, ER_VERSION_ADDED, 50), ER_ERR_INVALID, "just added");
	er_change mixed[] = {change_version("other", "2"), change_deploy("shop", ER_ENV_PRODUCTION, ER_VERSION_ADDED, 0, 100)};
	apply_refused_all(f->s, mixed, 2, ER_ERR_INVALID, "just added");
	er_change twice[] = {change_version("shop", "3"),
	                     change_deploy("shop", ER_ENV_PRODUCTION, ER_VERSION_ADDED, ER_VERSION_ADDED, 50)};
	apply_refused_all(f->s, twice, 2, ER_ERR_INVALID, "itself");
	er_change guard = change_deploy("shop", ER_ENV_PRODUCTION, 1, 0, 100);
	guard.guard = (er_guard){.on = true, .error_percent = 101, .watch_s = 1};
	apply_refused(f->s, guard, ER_ERR_INVALID, "error_percent");
	/* Nothing of a refused list stays. */
	er_version_row *v;
	size_t n;
	assert_true(er_store_versions(f->s, &f->a, ER_LIT("other"), &v, &n, &f->err));
	assert_int_equal(n, 1);
}

static void names_are_checked(void **state)
{
	fixture *f = *state;
	for (const char *const *n = (const char *const[]){"", "A", "-a", "a-", "a.b", "a b", "\xc3\xa4", NULL}; *n; n++)
		apply_refused(f->s, change_version(*n, "x"), ER_ERR_INVALID, "name");
	char name[65];
	memset(name, 'a', 64);
	name[64] = '\0';
	apply_refused(f->s, change_version(name, "x"), ER_ERR_INVALID, "63");
	name[63] = '\0';
	apply(f->s, change_version(name, "x"));
	for (const char *const *n = (const char *const[]){"", "1A", "a-b", "a b", "\"", NULL}; *n; n++)
		apply_refused(f->s, change_named(ER_CHANGE_VAR_SET, name, *n, "1"), ER_ERR_INVALID, "name");
}

static er_change routes(er_env env, const er_route_rule *rules, size_t n)
{
	return (er_change){.kind = ER_CHANGE_ROUTES, .actor = ER_LIT("ann"), .env = env, .rules = rules, .n_rules = n};
}

static void routes_keep_their_order(void **state)
{
	fixture *f = *state;
	apply(f->s, change_version("a", "x"));
	apply(f->s, change_version("b", "x"));
	er_route_rule r[] = {{ER_LIT("one/*"), ER_LIT("a")}, {ER_LIT("two/*"), ER_LIT("b")}, {ER_LIT("three"), ER_LIT("a")}};
	uint64_t first = apply(f->s, routes(ER_ENV_PRODUCTION, r, 2)).sequence;
	assert_int_equal(apply(f->s, routes(ER_ENV_PRODUCTION, r, 2)).sequence, first);
	apply(f->s, routes(ER_ENV_PRODUCTION, r, 3));
	er_route_rule moved[] = {r[2], r[1], r[0]};
	apply(f->s, routes(ER_ENV_PRODUCTION, moved, 3));
	apply(f->s, routes(ER_ENV_STAGING, r, 1));
	reopen(f);
	er_route_rule *out;
	size_t n;
	assert_true(er_store_routes(f->s, &f->a, ER_ENV_PRODUCTION, &out, &n, &f->err));
	assert_int_equal(n, 3);
	equal(out[0].pattern, "three");
	equal(out[1].pattern, "two/*");
	equal(out[2].pattern, "one/*");
	equal(out[1].routine, "b");
	er_route_rule twice[] = {r[0], r[0]};
	apply_refused(f->s, routes(ER_ENV_PRODUCTION, twice, 2), ER_ERR_INVALID, "twice");
	er_route_rule unknown[] = {{ER_LIT("x"), ER_LIT("nobody")}};
	apply_refused(f->s, routes(ER_ENV_PRODUCTION, unknown, 1), ER_ERR_NO_ROUTE, "nobody");
	/* A deleted routine takes its routes along, and the rest can be changed afterwards. */
	apply(f->s, (er_change){.kind = ER_CHANGE_ROUTINE_DELETE, .routine = ER_LIT("b")});
	er_route_rule rest[] = {r[2], {ER_LIT("new"), ER_LIT("a")}, r[0]};
	apply(f->s, routes(ER_ENV_PRODUCTION, rest, 3));
	assert_true(er_store_routes(f->s, &f->a, ER_ENV_PRODUCTION, &out, &n, &f->err));
	assert_int_equal(n, 3);
	equal(out[1].pattern, "new");
	er_log_row *l;
	assert_true(er_store_log(f->s, &f->a, er_store_sequence(f->s) - 1, 10, &l, &n, &f->err));
	equal(l[0].data,
	      "{\"environment\":\"production\",\"at\":1,\"removed\":[],\"added\":[{\"pattern\":\"new\",\"routine\":\"a\"}]}");
	apply(f->s, routes(ER_ENV_PRODUCTION, NULL, 0));
	assert_true(er_store_routes(f->s, &f->a, ER_ENV_PRODUCTION, &out, &n, &f->err));
	assert_int_equal(n, 0);
}

static void a_routine_keeps_its_addresses_until_it_goes(void **state)
{
	fixture *f = *state;
	er_change made = change_version("shop", "1"), allow = change_named(ER_CHANGE_ADDRESS_ALLOW, "shop", "10.0.0.0/8", "");
	er_address_row *rows;
	size_t n;
	apply_all(f->s, &made, 1);
	uint64_t sequence = apply_all(f->s, &allow, 1).sequence;
	assert_int_equal(apply_all(f->s, &allow, 1).sequence, sequence); /* allowed already */
	reopen(f);
	assert_true(er_store_addresses(f->s, &f->a, ER_LIT("shop"), &rows, &n, &f->err));
	assert_int_equal(n, 1);
	assert_true(er_slice_eq(rows[0].range, ER_LIT("10.0.0.0/8")));
	static const char *const bad[] = {"10.0.0.0/08", "10.1.0.0/8", "ten", ""};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		er_change c = change_named(ER_CHANGE_ADDRESS_ALLOW, "shop", bad[i], "");
		assert_false(er_store_apply(f->s, &c, 1, NULL, &f->err));
	}
	er_change deny = change_named(ER_CHANGE_ADDRESS_DENY, "shop", "10.0.0.1", "");
	assert_false(er_store_apply(f->s, &deny, 1, NULL, &f->err));
	assert_int_equal(f->err.kind, ER_ERR_NO_ROUTE);
	for (unsigned i = 1; i < ER_ADDRESSES_MAX; i++) {
		char range[32];
		snprintf(range, sizeof range, "10.0.0.%u", i);
		er_change c = change_named(ER_CHANGE_ADDRESS_ALLOW, "shop", range, "");
		apply_all(f->s, &c, 1);
	}
	er_change more = change_named(ER_CHANGE_ADDRESS_ALLOW, "shop", "10.0.1.0", "");
	assert_false(er_store_apply(f->s, &more, 1, NULL, &f->err));
	assert_int_equal(f->err.kind, ER_ERR_TOO_LARGE);
	er_change gone = {.kind = ER_CHANGE_ROUTINE_DELETE, .actor = ER_LIT("bob"), .routine = ER_LIT("shop")};
	apply_all(f->s, &gone, 1);
	assert_true(er_store_addresses(f->s, &f->a, (er_slice){0}, &rows, &n, &f->err));
	assert_int_equal(n, 0);
}

static void the_log_tells_every_change_and_no_secret(void **state)
{
	fixture *f = *state;
	er_slice confined[] = {ER_LIT("shop")};
	er_change token = change_named(ER_CHANGE_TOKEN_ADD, "", "ci", TOKEN_A);
	token.role = ER_ROLE_DEPLOY;
	token.routines = confined;
	token.n_routines = 1;
	er_change c[] = {
	    change_version("shop", "1"),
	    change_deploy("shop", ER_ENV_PRODUCTION, ER_VERSION_ADDED, 0, 100),
	    change_named(ER_CHANGE_VAR_SET, "shop", "GREETING", "\"hello\""),
	    change_named(ER_CHANGE_SECRET_SET, "shop", "PASSWORD", "correct horse"),
	    token,
	    change_named(ER_CHANGE_NAMESPACE_ADD, "", "sessions", ""),
	    change_named(ER_CHANGE_NAMESPACE_ADD, "", "sessions", ""), /* there already: no row */
	    change_named(ER_CHANGE_SECRET_DELETE, "shop", "PASSWORD", ""),
	    change_named(ER_CHANGE_VAR_DELETE, "shop", "GREETING", ""),
	    change_named(ER_CHANGE_TOKEN_DELETE, "", "ci", ""),
	    change_named(ER_CHANGE_NAMESPACE_DELETE, "", "sessions", ""),
	    {.kind = ER_CHANGE_ROUTINE_DELETE, .actor = ER_LIT("bob"), .routine = ER_LIT("shop")},
	};
	size_t n_changes = sizeof c / sizeof c[0];
	assert_int_equal(apply_all(f->s, c, n_changes).sequence, n_changes - 1);
	reopen(f);
	assert_int_equal(er_store_sequence(f->s), n_changes - 1);
	er_log_row *l;
	size_t n;
	assert_true(er_store_log(f->s, &f->a, 0, 100, &l, &n, &f->err));
	assert_int_equal(n, n_changes - 1);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(l[i].sequence, i + 1);
		assert_int_equal(l[i].kind, c[i < 6 ? i : i + 1].kind);
		assert_true(l[i].at_ms > 1700000000000);
		assert_null(memmem(l[i].data.p, l[i].data.n, "horse", 5));
		assert_null(memmem(l[i].data.p, l[i].data.n, "er_0123", 7));
	}
	equal(l[0].source, "192.0.2.1");
	equal(l[1].data, "{\"environment\":\"production\",\"deployment\":1,\"versions\":[{\"version\":1,\"percent\":100}],\"cause\":"
	                 "\"deploy\",\"reason\":\"deploy\"}");
	equal(l[2].data, "{\"environment\":\"production\",\"name\":\"GREETING\",\"value\":\"hello\"}");
	equal(l[3].data, "{\"environment\":\"production\",\"name\":\"PASSWORD\"}");
	equal(l[4].data, "{\"name\":\"ci\",\"role\":\"deploy\",\"routines\":[\"shop\"]}");
	equal(l[10].actor, "bob");
	assert_true(er_store_log(f->s, &f->a, 3, 2, &l, &n, &f->err));
	assert_int_equal(n, 2);
	assert_int_equal(l[0].sequence, 4);
}

/* ---- the past ---- */

static uint64_t log_first(fixture *f)
{
	uint64_t first = 0;
	assert_true(er_store_log_first(f->s, &first, &f->err));
	return first;
}

static size_t log_length(fixture *f)
{
	er_log_row *l;
	size_t n;
	assert_true(er_store_log(f->s, &f->a, 0, 1000000, &l, &n, &f->err));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(l[i].sequence, er_store_sequence(f->s) - n + 1 + i);
	return n;
}

static void set_variable(fixture *f, unsigned value)
{
	char text[16];
	snprintf(text, sizeof text, "%u", value);
	apply(f->s, change_named(ER_CHANGE_VAR_SET, "shop", "V", text));
}

static void the_log_does_not_grow_for_ever(void **state)
{
	fixture *f = *state;
	assert_int_equal(log_first(f), 1);
	er_store_keep(f->s, &(er_retention){.changes = 10});
	apply(f->s, change_version("shop", "1"));
	for (unsigned i = 0; i < 9; i++)
		set_variable(f, i);
	assert_int_equal(log_first(f), 1);
	for (unsigned i = 100; i < 120; i++) {
		set_variable(f, i);
		assert_int_equal(log_length(f), 10);
	}
	assert_int_equal(log_first(f), 21);
	assert_int_equal(er_store_sequence(f->s), 30); /* the numbers go on */
	reopen(f);
	assert_int_equal(log_first(f), 21);
}

/* After an update of a node that has been there for years, no deploy waits until all of
 * it is gone. */
static void a_long_past_is_trimmed_bit_by_bit(void **state)
{
	fixture *f = *state;
	apply(f->s, change_version("shop", "1"));
	er_change c[2500];
	for (size_t i = 0; i < 2500; i++)
		c[i] = change_named(ER_CHANGE_VAR_SET, "shop", "V", i % 2 ? "1" : "2");
	apply_all(f->s, c, 2500);
	er_store_keep(f->s, &(er_retention){.changes = 5});
	size_t before = log_length(f), changes = 0;
	for (unsigned i = 10; log_length(f) > 5; i++, changes++) {
		set_variable(f, i);
		assert_true(log_length(f) + 1100 > before);
		before = log_length(f);
	}
	assert_in_range(changes, 3, 5);
}

static size_t deployments_kept(fixture *f, uint64_t *oldest)
{
	er_deployment_row *d;
	size_t n;
	assert_true(er_store_history(f->s, &f->a, ER_LIT("shop"), 0, 1000, &d, &n, &f->err));
	*oldest = n > 0 ? d[n - 1].id : 0;
	return n;
}

static er_applied deploy_as(fixture *f, er_env env, uint32_t version, er_cause cause)
{
	er_change c = change_deploy("shop", env, version, 0, 100);
	c.cause = cause;
	return apply(f->s, c);
}

/* Where a rollback leads to; 0: nowhere. */
static uint32_t before_now(fixture *f, er_env env)
{
	er_split split;
	bool found;
	assert_true(er_store_before(f->s, ER_LIT("shop"), env, &split, &found, &f->err));
	return found ? split.version[0] : 0;
}

static void deployments_are_not_kept_for_ever(void **state)
{
	fixture *f = *state;
	uint64_t oldest;
	er_store_keep(f->s, &(er_retention){.deployments = 4});
	for (unsigned i = 1; i <= 3; i++) {
		char code[8];
		snprintf(code, sizeof code, "%u", i);
		apply(f->s, change_version("shop", code));
	}
	apply(f->s, change_version("other", "1"));
	apply(f->s, change_deploy("other", ER_ENV_PRODUCTION, 1, 0, 100));
	for (uint32_t i = 0; i < 30; i++)
		deploy_as(f, ER_ENV_PRODUCTION, 1 + i % 3, ER_CAUSE_DEPLOY);
	assert_int_equal(deployments_kept(f, &oldest), 4);
	assert_int_equal(before_now(f, ER_ENV_PRODUCTION), 2);
	er_deployment_row *d;
	size_t n;
	assert_true(er_store_current(f->s, &f->a, (er_slice){0}, &d, &n, &f->err));
	assert_int_equal(n, 2); /* the other routine's, too, however old it is */
}

/* Production is where it has been for a year, and staging is deployed all the time. */
static void what_runs_and_where_a_rollback_leads_are_kept(void **state)
{
	fixture *f = *state;
	uint64_t oldest;
	er_store_keep(f->s, &(er_retention){.deployments = 3});
	for (unsigned i = 1; i <= 4; i++) {
		char code[8];
		snprintf(code, sizeof code, "%u", i);
		apply(f->s, change_version("shop", code));
	}
	deploy_as(f, ER_ENV_PRODUCTION, 1, ER_CAUSE_DEPLOY);
	uint64_t target = deploy_as(f, ER_ENV_PRODUCTION, 2, ER_CAUSE_DEPLOY).deployment;
	deploy_as(f, ER_ENV_PRODUCTION, 3, ER_CAUSE_DEPLOY);
	deploy_as(f, ER_ENV_PRODUCTION, 4, ER_CAUSE_DEPLOY);
	deploy_as(f, ER_ENV_PRODUCTION, 3, ER_CAUSE_ROLLBACK);
	assert_int_equal(before_now(f, ER_ENV_PRODUCTION), 2);
	for (uint32_t i = 0; i < 20; i++) {
		deploy_as(f, ER_ENV_STAGING, 1 + i % 2, ER_CAUSE_DEPLOY);
		assert_int_equal(before_now(f, ER_ENV_PRODUCTION), 2);
	}
	/* 3 of staging, and of production: what runs, where it ran first, and what was before that */
	assert_int_equal(deployments_kept(f, &oldest), 6);
	assert_int_equal(oldest, target);
	er_deployment_row *d;
	size_t n;
	assert_true(er_store_current(f->s, &f->a, ER_LIT("shop"), &d, &n, &f->err));
	assert_int_equal(d[0].split.version[0], 3);
	deploy_as(f, ER_ENV_PRODUCTION, 2, ER_CAUSE_ROLLBACK);
	assert_int_equal(before_now(f, ER_ENV_STAGING), 1);
}

static void a_list_is_applied_whole_or_not_at_all(void **state)
{
	fixture *f = *state;
	er_change c[] = {change_version("shop", "1"), change_deploy("shop", ER_ENV_PRODUCTION, ER_VERSION_ADDED, 0, 100),
	                 change_named(ER_CHANGE_NAMESPACE_ADD, "", "sessions", ""),
	                 change_named(ER_CHANGE_VAR_SET, "shop", "A", "not json")};
	apply_refused_all(f->s, c, 4, ER_ERR_INVALID, "no JSON");
	er_buf dump;
	er_buf_init(&dump);
	harness_dump(f->s, &dump);
	equal(er_buf_slice(&dump), "sequence 0\n");
	er_buf_fini(&dump);
	bool found;
	er_kv_entry e;
	assert_false(er_kv_get(f->s, &f->a, ER_LIT("sessions"), ER_LIT("k"), &e, &found, &f->err));
}

static void tokens_are_known_by_their_hash(void **state)
{
	fixture *f = *state;
	er_slice confined[] = {ER_LIT("shop"), ER_LIT("not-there-yet")};
	er_change c = change_named(ER_CHANGE_TOKEN_ADD, "", "ci", TOKEN_A);
	c.role = ER_ROLE_DEPLOY;
	c.routines = confined;
	c.n_routines = 2;
	apply(f->s, c);
	apply_refused(f->s, c, ER_ERR_INVALID, "already");
	apply_refused(f->s, change_named(ER_CHANGE_TOKEN_ADD, "", "short", "er_secret"), ER_ERR_INVALID, "characters");
	er_change admin = change_named(ER_CHANGE_TOKEN_ADD, "", "root", TOKEN_A "x");
	admin.role = ER_ROLE_ADMIN;
	apply(f->s, admin);
	reopen(f);
	er_token_row t, *all;
	size_t n;
	assert_true(er_store_token_find(f->s, &f->a, ER_LIT(TOKEN_A), &t, &f->err));
	equal(t.name, "ci");
	assert_int_equal(t.role, ER_ROLE_DEPLOY);
	assert_int_equal(t.n_routines, 2);
	equal(t.routines[1], "shop");
	assert_true(er_store_token_find(f->s, &f->a, ER_LIT(TOKEN_A "x"), &t, &f->err));
	assert_int_equal(t.role, ER_ROLE_ADMIN);
	assert_int_equal(t.n_routines, 0);
	f->err.kind = ER_ERR_IO;
	assert_false(er_store_token_find(f->s, &f->a, ER_LIT(TOKEN_A "y"), &t, &f->err));
	assert_int_equal(f->err.kind, ER_ERR_OK);
	assert_false(er_store_token_find(f->s, &f->a, ER_LIT(""), &t, &f->err));
	assert_true(er_store_tokens(f->s, &f->a, &all, &n, &f->err));
	assert_int_equal(n, 2);
	equal(all[0].name, "ci");
	apply(f->s, change_named(ER_CHANGE_TOKEN_DELETE, "", "ci", ""));
	assert_false(er_store_token_find(f->s, &f->a, ER_LIT(TOKEN_A), &t, &f->err));
	apply_refused(f->s, change_named(ER_CHANGE_TOKEN_DELETE, "", "ci", ""), ER_ERR_NO_ROUTE, "no token");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(a_new_folder_is_private_and_has_an_id),
	    T(versions_are_numbered_for_ever),
	    T(settings_and_source_map_make_a_version_too),
	    T(a_version_row_says_it_all),
	    T(a_blob_goes_with_the_last_version_that_names_it),
	    T(a_prune_writes_little),
	    T(the_quota_says_what_to_do_and_prune_does_it),
	    T(what_runs_cannot_be_deleted),
	    T(a_routine_that_is_made_anew_is_another_one),
	    T(deployments_point_and_remember),
	    T(a_canary_is_one_transaction),
	    T(a_deployment_that_makes_no_sense_is_refused),
	    T(names_are_checked),
	    T(routes_keep_their_order),
	    T(a_routine_keeps_its_addresses_until_it_goes),
	    T(the_log_tells_every_change_and_no_secret),
	    T(the_log_does_not_grow_for_ever),
	    T(a_long_past_is_trimmed_bit_by_bit),
	    T(deployments_are_not_kept_for_ever),
	    T(what_runs_and_where_a_rollback_leads_are_kept),
	    T(a_list_is_applied_whole_or_not_at_all),
	    T(tokens_are_known_by_their_hash),
	};
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
