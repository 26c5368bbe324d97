/* Any list of changes, however odd: the store takes it whole or refuses it with a sentence and no
 * trace, `env` is JSON, and what runs exists. One store lives through all inputs; each starts by
 * deleting the routines of the one before. */
#include "base/buf.h"
#include "base/jsonc.h"
#include "base/mem.h"
#include "store/kv.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static er_store *store;
static char dir[64];

static void clean_up(void)
{
	er_store_close(store);
	char *cmd = er_printf("rm -rf '%s'", dir);
	(void)!system(cmd); /* NOLINT(cert-env33-c) */
	er_free(cmd);
}

static void start(void)
{
	er_err err;
	snprintf(dir, sizeof dir, "%s/er-fuzz-store-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(dir) == NULL ||
	    (store = er_store_open(&(er_store_options){.dir = dir, .versions_quota = 4, .keep = {.changes = 9, .deployments = 2}},
	                           &err)) == NULL)
		abort();
	atexit(clean_up);
}

static uint8_t byte(er_slice *in)
{
	if (in->n == 0)
		return 0;
	uint8_t b = in->p[0];
	*in = er_slice_from(*in, 1);
	return b;
}

/* Mostly names that others use too; sometimes bytes of the input. */
static er_slice word(er_slice *in)
{
	static const char *const known[] = {"a", "b", "shop", "A", "B", "\"x\"", "{\"m\":1}", "0123456789abcdef0123456789abcdef", ""};
	uint8_t b = byte(in);
	if (b < 200)
		return er_slice_cstr(known[b % 9]);
	er_slice s = er_slice_head(*in, b - 200u);
	*in = er_slice_from(*in, s.n);
	return s;
}

static uint32_t number(er_slice *in)
{
	uint8_t b = byte(in);
	return b < 200 ? b % 4 : ER_VERSION_ADDED;
}

static er_change change(er_slice *in, er_route_rule rules[3], er_slice routines[3])
{
	er_change c = {.kind = (er_change_kind)(byte(in) % (ER_CHANGE_KIND_COUNT_ + 1)), .env = (er_env)(byte(in) % 2)};
	c.actor = ER_LIT("fuzz");
	c.routine = word(in);
	c.name = word(in);
	c.value = word(in);
	c.reason = word(in);
	c.version = (er_version_data){.code = word(in), .source_map = word(in), .settings = word(in), .description = word(in)};
	c.number = byte(in);
	c.split = (er_split){.version = {number(in), number(in)}, .percent = byte(in) % 102};
	c.guard = (er_guard){.on = byte(in) % 2, .error_percent = byte(in), .watch_s = byte(in)};
	c.role = (er_role)(byte(in) % 4);
	c.n_rules = byte(in) % 4;
	c.n_routines = byte(in) % 4;
	for (size_t i = 0; i < c.n_rules; i++)
		rules[i] = (er_route_rule){word(in), word(in)};
	for (size_t i = 0; i < c.n_routines; i++)
		routines[i] = word(in);
	c.rules = rules;
	c.routines = routines;
	return c;
}

/* How many changes the log has, which is the sequence. */
static uint64_t log_end(er_arena *a)
{
	er_err err;
	er_log_row *rows;
	size_t n;
	uint64_t from = er_store_sequence(store);
	if (!er_store_log(store, a, from > 20 ? from - 20 : 0, 100, &rows, &n, &err))
		abort();
	for (size_t i = 0; i < n; i++) {
		size_t at;
		if (er_jsonc_parse(a, rows[i].data, &at, &err) == NULL || (i > 0 && rows[i].sequence != rows[i - 1].sequence + 1))
			abort();
	}
	return n ? rows[n - 1].sequence : 0;
}

static void check(er_arena *a)
{
	er_err err;
	er_deployment_row *d;
	er_version_row *v;
	er_slice *names;
	size_t n, n_d, n_v, at;
	if (log_end(a) != er_store_sequence(store) || !er_store_current(store, a, (er_slice){0}, &d, &n_d, &err) ||
	    !er_store_versions(store, a, (er_slice){0}, &v, &n_v, &err) || !er_store_routines(store, a, &names, &n, &err))
		abort();
	for (size_t i = 0; i < n_d; i++) {
		unsigned there = 0;
		for (size_t k = 0; k < n_v; k++)
			there += er_slice_eq(v[k].routine, d[i].routine) && v[k].deployed[d[i].env] &&
			         (v[k].number == d[i].split.version[0] || v[k].number == d[i].split.version[1]);
		if (there != (d[i].split.version[1] ? 2 : 1))
			abort();
	}
	for (size_t i = 0; i < n_v; i++) {
		er_piece code;
		if (!er_store_blob(store, &v[i].code, &code, &err) || code.n != v[i].code_n)
			abort();
		er_piece_drop(&code);
	}
	for (size_t i = 0; i < n; i++) {
		er_piece env;
		if (!er_store_env(store, names[i], ER_ENV_PRODUCTION, &env, &err) ||
		    er_jsonc_parse(a, er_piece_slice(env), &at, &err) == NULL)
			abort();
		er_piece_drop(&env);
	}
}

static void forget(er_arena *a)
{
	er_err err;
	er_slice *names;
	er_token_row *tokens;
	er_kv_namespace_row *spaces;
	size_t n, n_t, n_s;
	if (!er_store_routines(store, a, &names, &n, &err) || !er_store_tokens(store, a, &tokens, &n_t, &err) ||
	    !er_kv_namespaces(store, a, &spaces, &n_s, &err))
		abort();
	size_t all = n + n_t + n_s, k = 0;
	er_change *c = er_arena_zalloc(a, all * sizeof *c);
	for (size_t i = 0; i < n; i++)
		c[k++] = (er_change){.kind = ER_CHANGE_ROUTINE_DELETE, .routine = names[i]};
	for (size_t i = 0; i < n_t; i++)
		c[k++] = (er_change){.kind = ER_CHANGE_TOKEN_DELETE, .name = tokens[i].name};
	for (size_t i = 0; i < n_s; i++)
		c[k++] = (er_change){.kind = ER_CHANGE_NAMESPACE_DELETE, .name = spaces[i].name};
	if (!er_store_apply(store, c, k, NULL, &err))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	er_slice in = er_slice_of(data, n);
	er_arena a;
	er_arena_init(&a);
	if (store == NULL)
		start();
	forget(&a);
	while (in.n > 0) {
		er_change list[MOST];
		er_route_rule rules[MOST][3];
		er_slice routines[MOST][3];
		er_err err = {0};
		size_t n_list = byte(&in) % MOST + 1u;
		for (size_t i = 0; i < n_list; i++)
			list[i] = change(&in, rules[i], routines[i]);
		uint64_t before = er_store_sequence(store);
		bool taken = er_store_apply(store, list, n_list, NULL, &err);
		uint64_t after = er_store_sequence(store);
		if (taken ? after > before + n_list
		          : after != before || err.kind == ER_ERR_IO || err.kind == ER_ERR_INTERNAL || err.text[0] == '\0')
			abort();
	}
	check(&a);
	er_arena_fini(&a);
	return 0;
}
