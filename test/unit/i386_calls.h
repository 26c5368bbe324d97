/* Does this machine's kernel take system calls in the convention of i386 at all? Where it does
 * not (ia32_emulation=0, some hypervisors), the attack of that name dies of SIGSEGV before any
 * filter is asked. */
#ifndef TEST_I386_CALLS_H
#define TEST_I386_CALLS_H

#include "sandbox/lockdown.h"

#include "dies.h"

static inline void make_i386_call(void *ctx)
{
	(void)ctx;
	er_lockdown_attack("i386"); /* nothing is locked down here: it asks for its own process id */
}

static inline bool machine_takes_i386_calls(void)
{
	return !dies(make_i386_call, NULL);
}

#endif
