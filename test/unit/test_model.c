/* model: names are read as they are written, and the tables of limits are what the
 * documents say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/jsonc.h"
#include "base/mem.h"
#include "model/env.h"
#include "model/level.h"
#include "model/limits.h"
#include "model/profile.h"
#include "model/role.h"

static void names_are_read_as_they_are_written(void **state)
{
	(void)state;
	er_env env;
	er_level level;
	er_role role;
	enum er_profile profile;
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		assert_true(er_env_parse(er_slice_cstr(er_env_name(e)), &env) && env == e);
	for (er_level l = ER_LEVEL_SECCOMP_ONLY; l <= ER_LEVEL_FULL; l++)
		assert_true(er_level_parse(er_slice_cstr(er_level_name(l)), &level) && level == l);
	for (enum er_profile p = ER_PROFILE_STANDARD; p <= ER_PROFILE_HARDENED; p++)
		assert_true(er_profile_parse(er_slice_cstr(er_profile_name(p)), &profile) && profile == p);
	for (er_role r = 0; r < ER_ROLE_COUNT_; r++)
		assert_true(er_role_parse(er_slice_cstr(er_role_name(r)), &role) && role == r);
	assert_false(er_env_parse(ER_LIT("Production"), &env));
	assert_false(er_level_parse(ER_LIT("none"), &level));
	assert_false(er_profile_parse(ER_LIT(""), &profile));
	assert_string_equal(er_level_name((er_level)77), "none");
}

static er_slice file_of(er_arena *a, const char *path)
{
	char full[300];
	snprintf(full, sizeof full, "%s/%s", ER_SOURCE_DIR, path);
	FILE *f = fopen(full, "re");
	assert_non_null(f);
	uint8_t *to = er_arena_alloc(a, 256 * 1024);
	size_t n = fread(to, 1, 256 * 1024, f);
	fclose(f);
	return er_slice_of(to, n);
}

static void says(er_slice document, const char *text)
{
	if (memmem(document.p, document.n, text, strlen(text)) == NULL)
		fail_msg("the document does not say: %s", text);
}

static double number_of(const er_json *object, const char *key)
{
	const er_json *v = er_json_get(object, er_slice_cstr(key));
	assert_non_null(v);
	return v->number;
}

static const er_json *limits_of(er_arena *a, const char *path)
{
	er_err err = {0};
	size_t at = 0;
	const er_json *root = er_jsonc_parse(a, file_of(a, path), &at, &err);
	assert_non_null(root);
	return er_json_get(er_json_get(er_json_get(root, ER_LIT("properties")), ER_LIT("limits")), ER_LIT("properties"));
}

static void schema_has(const er_json *limits, const er_limit *row)
{
	const er_json *one = er_json_get(limits, row->name);
	assert_non_null(one);
	assert_true(number_of(one, "default") == (double)row->normal);
	assert_true(number_of(one, "minimum") == (double)row->least);
	assert_true(row->most == ER_LIMIT_NONE || number_of(one, "maximum") == (double)row->most);
}

static void the_limits_are_those_of_the_documents(void **state)
{
	(void)state;
	er_arena a;
	size_t n;
	char line[400];
	const er_limits node = ER_LIMITS_NODE;
	er_arena_init(&a);
	er_slice operators = file_of(&a, "docs/operators.md");
	const er_json *schema = limits_of(&a, "docs/schema/er.schema.json");
	const er_limit *rows = er_limits_rows(&n);
	for (size_t i = 0; i < n; i++) {
		snprintf(line, sizeof line, "| `%.*s` | %llu | %llu | %s |", ER_FMT(rows[i].name), (unsigned long long)rows[i].normal,
		         (unsigned long long)er_limit_get(&rows[i], &node), rows[i].meaning);
		says(operators, line);
		schema_has(schema, &rows[i]);
	}
	schema = limits_of(&a, "docs/schema/node.schema.json");
	rows = er_gateway_limits_rows(&n);
	for (size_t i = 0; i < n; i++) {
		snprintf(line, sizeof line, "`%.*s`", ER_FMT(rows[i].name));
		says(operators, line);
		schema_has(schema, &rows[i]);
	}
	er_arena_fini(&a);
}

static void each_row_is_its_member(void **state)
{
	(void)state;
	size_t n;
	er_limits l = ER_LIMITS_DEFAULT;
	er_gateway_limits g = ER_GATEWAY_LIMITS_DEFAULT;
	const er_limit *rows = er_limits_rows(&n);
	for (size_t i = 0; i < n; i++) {
		assert_true(er_limit_get(&rows[i], &l) == rows[i].normal);
		assert_true(rows[i].least <= rows[i].normal && rows[i].normal <= rows[i].most);
		er_limit_set(&rows[i], &l, rows[i].most);
		assert_true(er_limit_get(&rows[i], &l) == rows[i].most);
	}
	assert_int_equal(l.memory_kb, 4096 * 1024);
	rows = er_gateway_limits_rows(&n);
	for (size_t i = 0; i < n; i++) {
		assert_true(er_limit_get(&rows[i], &g) == rows[i].normal);
		er_limit_set(&rows[i], &g, rows[i].most);
		assert_true(er_limit_get(&rows[i], &g) == rows[i].most);
	}
	assert_true(g.body == ER_LIMIT_NONE);
}

static void a_node_s_maximum_lowers_what_is_above_it(void **state)
{
	(void)state;
	er_limits l = ER_LIMITS_DEFAULT, most = ER_LIMITS_NODE;
	assert_null(er_limits_above(&l, &most));
	assert_false(er_limits_lower(&l, &most));
	most.cpu_us = 10000;
	most.timers = 5;
	l.timers = 7;
	er_limits_lower_defaults(&l, &most);
	assert_int_equal(l.cpu_us, 10000);
	assert_int_equal(l.timers, 7); /* somebody's wish */
	assert_true(er_slice_eq(er_limits_above(&l, &most)->name, ER_LIT("timers")));
	assert_true(er_limits_lower(&l, &most));
	assert_int_equal(l.timers, 5);
	assert_null(er_limits_above(&l, &most));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_read_as_they_are_written),
	    cmocka_unit_test(the_limits_are_those_of_the_documents),
	    cmocka_unit_test(each_row_is_its_member),
	    cmocka_unit_test(a_node_s_maximum_lowers_what_is_above_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
