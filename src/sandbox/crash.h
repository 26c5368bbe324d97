/* Signals of crashes: SIGSEGV and its like end the process with an obituary. */
#ifndef ER_SANDBOX_CRASH_H
#define ER_SANDBOX_CRASH_H

#include "base/err.h"

/* Handlers, on a stack of their own. Before the engine, which chains to them. */
ER_MUST_CHECK bool er_crash_setup(er_err *err);

#endif
