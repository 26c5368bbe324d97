/* Tests only: `__er_attack(name)`, a global of routines when the node was started with attack hooks. Does natively what a routine could do only
 * after it had broken out of the engine, so that tests can see that the process around it holds. */
#include "sandbox/api/api.h"

#include <stdio.h>

ER_NATIVE(n_attack)
{
	char name[64];
	er_text text;
	if (!er_js_utf8(argc > 0 ? argv[0] : NULL, &text, exception))
		return NULL;
	snprintf(name, sizeof name, "%.*s", ER_FMT(er_text_slice(&text)));
	er_text_fini(&text);
	er_lockdown_attack(name);
	return er_js_undefined();
}

const er_native er_api_attack[] = {ER_NATIVE_AS("attack", n_attack), ER_NATIVES_END};
