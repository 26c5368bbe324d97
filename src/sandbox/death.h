/* How a sandbox ends when it must: the obituary (a hint for the node's log), what is safe to
 * publish, _exit.
 *
 * Also watches memory: the kernel's refusals (RLIMIT_DATA) are counted where the engine maps
 * memory, so that a crash that follows one is called by its name: the engine answers most refusals
 * by crashing on purpose. */
#ifndef ER_SANDBOX_DEATH_H
#define ER_SANDBOX_DEATH_H

#include "base/err.h"

#include <stdint.h>

enum { ER_EXIT_OBITUARY = 86 };

/* Async-signal-safe. */
_Noreturn void er_die(er_err_kind reason, uint32_t request, uint64_t cpu_us, int detail);
/* How often the kernel has refused memory so far. */
uint64_t er_death_refused(void);
/* Is the process at its memory limit right now? */
bool er_death_at_limit(void);

#endif
