/* node.jsonc of a confused operator: whatever it says, it is read or refused with a message, and
 * nothing leaks. */
#include "base/mem.h"
#include "gateway/config.h"
#include "gateway/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	er_err err = {0};
	er_config *c = er_config_read(er_slice_of(data, n), "node.jsonc", ER_LIT("/nonexistent/"), &err);
	if (c == NULL) {
		ER_ASSERT(err.kind != ER_ERR_OK && err.text[0] != '\0');
		return 0;
	}
	er_config_seal(c);
	er_found found;
	(void)!er_config_route(c, ER_ENV_PRODUCTION, ER_LIT("a.b.localhost"), ER_LIT("/x"), &found);
	(void)!er_config_route(c, ER_ENV_STAGING, ER_LIT("a.staging.localhost"), ER_LIT("/x"), &found);
	er_config_unref(c);
	/* The same bytes as a rule and as a host. */
	c = er_config_new();
	er_routine *r = er_routine_new(&(er_routine){.name = ER_LIT("a"), .limits = ER_LIMITS_DEFAULT});
	ER_ASSERT(er_config_add_routine(c, r, &err));
	bool took = er_config_add_route(c, er_slice_of(data, n), ER_LIT("a"), &err);
	er_config_seal(c);
	(void)!er_config_route(c, ER_ENV_PRODUCTION, er_slice_of(data, n), ER_LIT("/"), &found);
	(void)took;
	er_config_unref(c);
	return 0;
}
