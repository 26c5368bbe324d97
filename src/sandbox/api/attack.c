/* Tests only: `__er_attack(name)`, a global of routines when the node was started with attack
 * hooks. Does natively what a routine could do only after it had broken out of the engine, so that
 * tests can see that the process around it holds. */
#include "sandbox/api/api.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

/* Deaths for want of memory that are no refusal to the engine: our own allocator's, and a library's
 * that aborts. */
static void run_out(er_slice name)
{
	void *(*volatile take)(size_t) = malloc;
	const size_t much = (size_t)1 << 40;
	if (er_slice_eq(name, ER_LIT("memory-ours")))
		er_free(er_alloc(much));
	else if (er_slice_eq(name, ER_LIT("memory-library")) && take(much) == NULL)
		abort();
	else if (er_slice_eq(name, ER_LIT("memory-refused")))
		(void)take(much);
}

ER_NATIVE_PRIVATE(n_attack)
{
	char name[64];
	er_text text;
	if (!er_js_utf8(argc > 0 ? argv[0] : NULL, &text, exception))
		return NULL;
	snprintf(name, sizeof name, "%.*s", ER_FMT(er_text_slice(&text)));
	er_text_fini(&text);
	run_out(er_slice_cstr(name));
	er_lockdown_attack(name);
	return er_js_undefined();
}

const er_native er_api_attack = ER_NATIVE_AS("attack", n_attack);
