/* docs/openapi.json and the table that serves the API say the same. (That answers are what it says
 * is checked in all other tests of the API.) */
#include "openapi_check.h"

#include "control/internal.h"

static const er_json *operation_of(const openapi *o, const er_api *api)
{
	const er_json *path = er_json_get(er_json_get(o->root, ER_LIT("paths")), er_slice_cstr(api->path));
	char lower[16] = "";
	for (size_t i = 0; api->method[i] != '\0'; i++)
		lower[i] = (char)er_lower((uint8_t)api->method[i]);
	return er_json_get(path, er_slice_cstr(lower));
}

/* Names of its parameters at a place, comma between, in the order of the description. */
static void parameters(const er_json *op, const char *in, char *out, size_t cap)
{
	size_t n = 0;
	const er_json *list = er_json_get(op, ER_LIT("parameters"));
	out[0] = '\0';
	for (const er_json *p = list != NULL ? list->first : NULL; p != NULL; p = p->next)
		if (is(er_json_get(p, ER_LIT("in"))->text, in))
			n += (size_t)snprintf(out + n, cap - n, "%s%.*s", n > 0 ? "," : "", ER_FMT(er_json_get(p, ER_LIT("name"))->text));
}

static void compare(const openapi *o, const er_api *api)
{
	static const char *const roles[] = {"read", "deploy", "admin"};
	char names[400];
	const er_json *op = operation_of(o, api);
	if (op == NULL)
		fail_msg("%s %s is not described", api->method, api->path);
	if (!is(er_json_get(op, ER_LIT("x-er-role"))->text, roles[api->role]))
		fail_msg("%s %s: role %s", api->method, api->path, roles[api->role]);
	if (er_json_get(op, ER_LIT("x-er-confined"))->boolean != api->confined)
		fail_msg("%s %s: x-er-confined", api->method, api->path);
	parameters(op, "query", names, sizeof names);
	if (!is(er_slice_cstr(names), api->query))
		fail_msg("%s %s: parameters %s are described, %s are taken", api->method, api->path, names, api->query);
	const er_json *body = er_json_get(op, ER_LIT("requestBody"));
	if ((body != NULL) != (api->body != ER_API_NONE))
		fail_msg("%s %s: body", api->method, api->path);
	const er_json *json = er_json_get(er_json_get(body, ER_LIT("content")), ER_LIT("application/json"));
	if (body != NULL && (json != NULL) != (api->body == ER_API_JSON))
		fail_msg("%s %s: type of the body", api->method, api->path);
}

static void what_is_served_is_described(void **state)
{
	openapi o;
	size_t n;
	(void)state;
	openapi_open(&o);
	const er_api *table = er_api_table(&n);
	for (size_t i = 0; i < n; i++)
		compare(&o, &table[i]);
	openapi_close(&o);
}

static void what_is_described_is_served(void **state)
{
	openapi o;
	size_t n, served = 0;
	(void)state;
	openapi_open(&o);
	(void)er_api_table(&n);
	for (const er_json *p = er_json_get(o.root, ER_LIT("paths"))->first; p != NULL; p = p->next)
		for (const er_json *op = p->first; op != NULL; op = op->next)
			served++;
	/* None twice, and each of the table is there: then it is the same number only if nothing is
	 * left over. */
	assert_int_equal(served, n);
	openapi_close(&o);
}

static void members_are_the_same(const openapi *o, const char *schema, const er_member *members, size_t n)
{
	const er_json *s =
	    er_json_get(er_json_get(er_json_get(o->root, ER_LIT("components")), ER_LIT("schemas")), er_slice_cstr(schema));
	const er_json *properties = er_json_get(s, ER_LIT("properties"));
	size_t described = 0;
	for (const er_json *p = properties->first; p != NULL; p = p->next)
		described++;
	assert_int_equal(described, n);
	for (size_t i = 0; i < n; i++)
		if (er_json_get(properties, members[i].name) == NULL)
			fail_msg("%s.%.*s is not described", schema, ER_FMT(members[i].name));
}

static void the_limits_are_those_of_the_table(void **state)
{
	openapi o;
	(void)state;
	openapi_open(&o);
	const er_json *s = er_json_get(er_json_get(er_json_get(o.root, ER_LIT("components")), ER_LIT("schemas")), ER_LIT("Settings"));
	const er_json *limits =
	    er_json_get(er_json_get(er_json_get(s, ER_LIT("properties")), ER_LIT("limits")), ER_LIT("properties"));
	size_t n;
	const er_limit *rows = er_limits_rows(&n);
	for (size_t i = 0; i < n; i++) {
		const er_json *one = er_json_get(limits, rows[i].name);
		assert_true(er_json_get(one, ER_LIT("minimum"))->number == (double)rows[i].least);
		assert_true(er_json_get(one, ER_LIT("maximum"))->number == (double)rows[i].most);
	}
	const er_member guard[] = {{.name = ER_LIT("error_percent")},
	                           {.name = ER_LIT("p99_percent")},
	                           {.name = ER_LIT("least_requests")},
	                           {.name = ER_LIT("watch_s")}};
	members_are_the_same(&o, "Guard", guard, 4);
	openapi_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_served_is_described),
	    cmocka_unit_test(what_is_described_is_served),
	    cmocka_unit_test(the_limits_are_those_of_the_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
