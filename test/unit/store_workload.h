/* A life of a node in steps, each one transaction: the same step on the same state has the same
 * result, so a store that was hurt can be compared with one that was not. */
#ifndef ER_TEST_STORE_WORKLOAD_H
#define ER_TEST_STORE_WORKLOAD_H

#include "store/schema.h"
#include "store_harness.h"

/* So little is kept that trimming is part of nearly every step. */
#define WORK_KEEP .keep = {.changes = 25, .deployments = 3}

static inline const char *work_routine(unsigned i)
{
	static const char *const names[] = {"shop", "blog", "auth"};
	return names[i % 3];
}

/* The newest version of a routine, or 0. */
static inline uint32_t work_newest(er_store *s, const char *routine, size_t *n)
{
	er_arena a;
	er_err err;
	er_version_row *v;
	er_arena_init(&a);
	assert_true(er_store_versions(s, &a, er_slice_cstr(routine), &v, n, &err));
	uint32_t newest = *n ? v[0].number : 0;
	er_arena_fini(&a);
	return newest;
}

/* Code of its own for every step, up to 60 KB: some dozens of steps fill the log of SQLite, and it
 * is folded in. */
static inline char *work_code(unsigned i)
{
	size_t n = (size_t)i * 7919 % 60000 + 32;
	char *code = er_alloc(n + 1);
	memset(code, 'a' + (int)(i % 26), n);
	code[n] = '\0';
	int head = snprintf(code, 32, "/* %u */", i);
	code[head] = ' ';
	return code;
}

static inline bool work_deploy(er_store *s, unsigned i, er_env env, er_err *err)
{
	char *code = work_code(i);
	er_route_rule rules[12];
	char patterns[12][32];
	size_t n = i % 12 + 1;
	for (size_t k = 0; k < n; k++) {
		snprintf(patterns[k], sizeof patterns[k], "%zu.example/*", k + (i % 5 ? 0 : i));
		rules[k] = (er_route_rule){er_slice_cstr(patterns[k]), er_slice_cstr(work_routine(i))};
	}
	er_change c[] = {change_version(work_routine(i), code),
	                 change_deploy(work_routine(i), env, ER_VERSION_ADDED, 0, 100),
	                 {.kind = ER_CHANGE_ROUTES, .env = env, .rules = rules, .n_rules = n}};
	bool good = er_store_apply(s, c, 3, NULL, err);
	er_free(code);
	return good;
}

static inline bool work_named(er_store *s, unsigned i, er_err *err)
{
	char name[32], value[32];
	snprintf(name, sizeof name, "N%u", i % 40);
	snprintf(value, sizeof value, "%u", i);
	er_change c[] = {change_version(work_routine(i), "always the same"),
	                 change_named(ER_CHANGE_VAR_SET, work_routine(i), name, value),
	                 change_named(ER_CHANGE_SECRET_SET, work_routine(i), "SECRET", value)};
	return er_store_apply(s, c, 3, NULL, err);
}

static inline bool work_access(er_store *s, unsigned i, er_err *err)
{
	char name[32];
	snprintf(name, sizeof name, "t%u", i);
	er_change c[] = {change_named(ER_CHANGE_NAMESPACE_ADD, "", name, ""), change_named(ER_CHANGE_TOKEN_ADD, "", name, TOKEN_A),
	                 change_named(ER_CHANGE_NAMESPACE_ADD, "", "kv", "")};
	return er_store_apply(s, c, 3, NULL, err);
}

static inline bool work_split(er_store *s, unsigned i, er_err *err)
{
	size_t n;
	uint32_t newest = work_newest(s, work_routine(i), &n);
	if (newest == 0)
		return work_deploy(s, i, ER_ENV_STAGING, err);
	/* The new version in either place: as the canary it is the second. */
	char *code = work_code(i);
	er_change c[] = {change_version(work_routine(i), code),
	                 i % 2 ? change_deploy(work_routine(i), ER_ENV_PRODUCTION, newest, ER_VERSION_ADDED, 1 + i % 99)
	                       : change_deploy(work_routine(i), ER_ENV_PRODUCTION, ER_VERSION_ADDED, newest, 1 + i % 99)};
	bool good = er_store_apply(s, c, 2, NULL, err);
	er_free(code);
	return good;
}

static inline bool work_remove(er_store *s, unsigned i, er_err *err)
{
	size_t n;
	unsigned removed;
	if (work_newest(s, work_routine(i), &n) == 0)
		return work_named(s, i, err);
	if (i % 4 == 3)
		return er_store_apply(s, &(er_change){.kind = ER_CHANGE_ROUTINE_DELETE, .routine = er_slice_cstr(work_routine(i))}, 1,
		                      NULL, err);
	return er_store_prune(s, er_slice_cstr(work_routine(i)), 2, ER_LIT("ann"), ER_LIT(""), &removed, err);
}

static inline bool work_step(er_store *s, unsigned i, er_err *err)
{
	switch (i % 7) {
	case 0:
		return work_access(s, i, err);
	case 1:
	case 4:
		return work_deploy(s, i, ER_ENV_PRODUCTION, err);
	case 2:
		return work_named(s, i, err);
	case 3:
		return work_split(s, i, err);
	case 5:
		return work_deploy(s, i, ER_ENV_STAGING, err);
	default:
		return work_remove(s, i, err);
	}
}

/* Two keys that always say the same; from the first step on there is a namespace for them. */
static inline bool work_kv(er_store *s, unsigned i, er_err *err)
{
	char value[3000];
	memset(value, ' ', sizeof value);
	snprintf(value, 32, "%u", i);
	er_slice v = er_slice_of(value, sizeof value);
	er_kv_entry e[] = {{.key = ER_LIT("a"), .value = v}, {.key = ER_LIT("b"), .value = v}};
	return er_kv_put(s, ER_LIT("kv"), e, 2, err);
}

/* -1: neither is there. */
static inline long work_kv_check(er_store *s)
{
	er_arena a;
	er_err err;
	er_kv_entry e[2];
	bool found[2];
	er_arena_init(&a);
	for (int k = 0; k < 2; k++)
		if (!er_kv_get(s, &a, ER_LIT("kv"), k ? ER_LIT("b") : ER_LIT("a"), &e[k], &found[k], &err))
			found[k] = false; /* no namespace yet */
	assert_int_equal(found[0], found[1]);
	if (found[0] && !er_slice_eq(e[0].value, e[1].value))
		fail_msg("half of a KV transaction is there");
	long v = found[0] ? strtol((const char *)e[0].value.p, NULL, 10) : -1;
	er_arena_fini(&a);
	return v;
}

/* ---- what should be ---- */

typedef struct work_states {
	unsigned steps;
	er_buf *after; /* steps + 1 dumps: before any step, after the first, ... */
} work_states;

static inline work_states work_expect(unsigned steps)
{
	work_states w = {.steps = steps, .after = er_zalloc((steps + 1) * sizeof(er_buf))};
	char *dir = harness_dir();
	er_err err;
	er_store *s = harness_open(&(er_store_options){.dir = dir, WORK_KEEP});
	harness_dump(s, &w.after[0]);
	for (unsigned i = 0; i < steps; i++) {
		if (!work_step(s, i, &err))
			fail_msg("step %u: %s", i, err.text);
		harness_dump(s, &w.after[i + 1]);
	}
	er_store_close(s);
	harness_remove(dir);
	return w;
}

static inline void work_states_fini(work_states *w)
{
	for (unsigned i = 0; i <= w->steps; i++)
		er_buf_fini(&w->after[i]);
	er_free(w->after);
}

static inline bool work_is(er_store *s, const work_states *w, unsigned steps)
{
	er_buf now;
	er_buf_init(&now);
	harness_dump(s, &now);
	bool same = er_slice_eq(er_buf_slice(&now), er_buf_slice(&w->after[steps]));
	er_buf_fini(&now);
	return same;
}

/* How many steps are in it: those that were answered, or the one more that was under way, whole.
 * Anything else fails the test. */
static inline unsigned work_recovered(er_store *s, const work_states *w, unsigned answered)
{
	if (work_is(s, w, answered))
		return answered;
	if (answered < w->steps && work_is(s, w, answered + 1))
		return answered + 1;
	er_buf now;
	er_buf_init(&now);
	harness_dump(s, &now);
	fail_msg("%u steps were answered; it should be\n%.*s\nand is\n%.*s", answered, ER_FMT(er_buf_slice(&w->after[answered])),
	         ER_FMT(er_buf_slice(&now)));
	return 0;
}

/* SQLite's own view of all pages, and that no row points nowhere. The store must not be open:
 * taking a second look at an open database's file would drop this process's locks on it. */
static inline void work_integrity(const char *dir)
{
	static const struct {
		const char *name;
		const er_schema *schema;
	} all[] = {{"control.db", &er_schema_control}, {"kv.db", &er_schema_kv}, {"assets.db", &er_schema_assets}};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		er_err err = {0};
		char *path = er_printf("%s/%s", dir, all[i].name);
		er_db *db = er_db_open_plain(path, NULL, &err);
		if (db == NULL || !er_db_check(db, all[i].schema, true, &err))
			fail_msg("%s", err.text);
		er_db_close(db);
		er_free(path);
	}
}

#endif
