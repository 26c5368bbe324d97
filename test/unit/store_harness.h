/* Folders, stores and changes for the tests of src/store. */
#ifndef ER_TEST_STORE_HARNESS_H
#define ER_TEST_STORE_HARNESS_H

#include "base/buf.h"
#include "base/mem.h"
#include "store/kv.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define TOKEN_A "er_0123456789abcdef0123456789abcdef0123456789abcdef"

/* A new empty folder; the string is the caller's. */
static inline char *harness_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = er_printf("%s/er-store-XXXXXX", tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
	return dir;
}

static inline void harness_remove(char *dir)
{
	char *cmd = er_printf("rm -rf '%s'", dir);
	assert_int_equal(system(cmd), 0); /* NOLINT(cert-env33-c) */
	er_free(cmd);
	er_free(dir);
}

static inline er_store *harness_open(const er_store_options *o)
{
	er_err err = {0};
	er_store *s = er_store_open(o, &err);
	if (s == NULL)
		fail_msg("open: %s", err.text);
	return s;
}

static inline er_store *harness_open_dir(const char *dir)
{
	return harness_open(&(er_store_options){.dir = dir});
}

static inline void harness_refused(const er_store_options *o, const char *because)
{
	er_err err = {0};
	assert_null(er_store_open(o, &err));
	if (strstr(err.text, because) == NULL)
		fail_msg("refused with \"%s\" instead of \"%s\"", err.text, because);
}

/* ---- changes ---- */

static inline er_change change_version(const char *routine, const char *code)
{
	return (er_change){
	    .kind = ER_CHANGE_VERSION_ADD,
	    .actor = ER_LIT("ann"),
	    .source = ER_LIT("192.0.2.1"),
	    .routine = er_slice_cstr(routine),
	    .version = {.code = er_slice_cstr(code),
	                .settings = ER_LIT("{\"main\":\"index.js\"}"),
	                .description = ER_LIT("first \"try\"")},
	};
}

static inline er_change change_deploy(const char *routine, er_env env, uint32_t v0, uint32_t v1, uint32_t percent)
{
	return (er_change){
	    .kind = ER_CHANGE_DEPLOY,
	    .actor = ER_LIT("ann"),
	    .routine = er_slice_cstr(routine),
	    .env = env,
	    .split = {.version = {v0, v1}, .percent = percent},
	    .reason = ER_LIT("deploy"),
	};
}

static inline er_change change_named(er_change_kind kind, const char *routine, const char *name, const char *value)
{
	return (er_change){
	    .kind = kind,
	    .actor = ER_LIT("ann"),
	    .routine = er_slice_cstr(routine),
	    .name = er_slice_cstr(name),
	    .value = er_slice_cstr(value),
	};
}

static inline er_applied apply_all(er_store *s, const er_change *c, size_t n)
{
	er_err err = {0};
	er_applied out = {0};
	if (!er_store_apply(s, c, n, &out, &err))
		fail_msg("apply: %s", err.text);
	return out;
}

static inline er_applied apply(er_store *s, er_change c)
{
	return apply_all(s, &c, 1);
}

/* Refused with this kind and these words, and nothing changed. */
static inline void apply_refused_all(er_store *s, const er_change *c, size_t n, er_err_kind kind, const char *because)
{
	er_err err = {0};
	uint64_t before = er_store_sequence(s);
	assert_false(er_store_apply(s, c, n, NULL, &err));
	if (err.kind != kind || strstr(err.text, because) == NULL)
		fail_msg("refused as %s: \"%s\", not as %s \"%s\"", er_err_name(err.kind), err.text, er_err_name(kind), because);
	assert_int_equal(er_store_sequence(s), before);
}

static inline void apply_refused(er_store *s, er_change c, er_err_kind kind, const char *because)
{
	apply_refused_all(s, &c, 1, kind, because);
}

/* Everything the readers tell, as one text: two stores with the same text are in the same state.
 * Times are left out. The caller's buffer. */
static inline void harness_dump(er_store *s, er_buf *out)
{
	er_err err = {0};
	er_arena a;
	size_t n;
	er_arena_init(&a);
	er_buf_printf(out, "sequence %llu\n", (unsigned long long)er_store_sequence(s));
	er_version_row *v;
	assert_true(er_store_versions(s, &a, (er_slice){0}, &v, &n, &err));
	for (size_t i = 0; i < n; i++)
		er_buf_printf(out, "version %.*s %u %02x%02x %u %d%d\n", ER_FMT(v[i].routine), v[i].number, v[i].code.b[0],
		              v[i].code.b[1], v[i].code_n, v[i].deployed[0], v[i].deployed[1]);
	er_deployment_row *d;
	assert_true(er_store_current(s, &a, (er_slice){0}, &d, &n, &err));
	for (size_t i = 0; i < n; i++)
		er_buf_printf(out, "current %.*s %s %u:%u/%u id %llu\n", ER_FMT(d[i].routine), er_env_name(d[i].env),
		              d[i].split.version[0], d[i].split.percent, d[i].split.version[1], (unsigned long long)d[i].id);
	assert_true(er_store_history(s, &a, (er_slice){0}, 0, 1000000, &d, &n, &err));
	for (size_t i = 0; i < n; i++)
		er_buf_printf(out, "deployment %llu %.*s %s %u:%u/%u\n", (unsigned long long)d[i].id, ER_FMT(d[i].routine),
		              er_env_name(d[i].env), d[i].split.version[0], d[i].split.percent, d[i].split.version[1]);
	for (int e = 0; e < ER_ENV_COUNT_; e++) {
		er_route_rule *r;
		assert_true(er_store_routes(s, &a, (er_env)e, &r, &n, &err));
		for (size_t i = 0; i < n; i++)
			er_buf_printf(out, "route %d %.*s %.*s\n", e, ER_FMT(r[i].pattern), ER_FMT(r[i].routine));
	}
	er_slice *names;
	assert_true(er_store_routines(s, &a, &names, &n, &err));
	for (size_t i = 0; i < n; i++) {
		for (int e = 0; e < ER_ENV_COUNT_; e++) {
			er_setting_row *set;
			size_t n_set;
			assert_true(er_store_settings(s, &a, names[i], (er_env)e, &set, &n_set, &err));
			for (size_t k = 0; k < n_set; k++)
				er_buf_printf(out, "setting %.*s %d %.*s=%.*s %d\n", ER_FMT(names[i]), e, ER_FMT(set[k].name),
				              ER_FMT(set[k].value), set[k].secret);
		}
	}
	er_log_row *l;
	assert_true(er_store_log(s, &a, 0, 1000000, &l, &n, &err));
	for (size_t i = 0; i < n; i++)
		er_buf_printf(out, "log %llu %s %.*s %.*s\n", (unsigned long long)l[i].sequence, er_change_name(l[i].kind),
		              ER_FMT(l[i].routine), ER_FMT(l[i].data));
	er_token_row *t;
	assert_true(er_store_tokens(s, &a, &t, &n, &err));
	for (size_t i = 0; i < n; i++)
		er_buf_printf(out, "token %.*s %d %zu\n", ER_FMT(t[i].name), t[i].role, t[i].n_routines);
	er_arena_fini(&a);
}

/* The same of the KV, whose last moments a power cut may take. */
static inline void harness_dump_kv(er_store *s, er_buf *out)
{
	er_err err = {0};
	er_arena a;
	size_t n;
	er_arena_init(&a);
	er_kv_namespace_row *ns;
	assert_true(er_kv_namespaces(s, &a, &ns, &n, &err));
	for (size_t i = 0; i < n; i++)
		er_buf_printf(out, "namespace %.*s %llu %llu\n", ER_FMT(ns[i].name), (unsigned long long)ns[i].keys,
		              (unsigned long long)ns[i].bytes);
	er_arena_fini(&a);
}

#endif
