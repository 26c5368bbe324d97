/* Inside the lock-down: its steps, one file each. All run in er-sandbox's main thread. */
#ifndef ER_SANDBOX_LOCKDOWN_INTERNAL_H
#define ER_SANDBOX_LOCKDOWN_INTERNAL_H

#include "sandbox/lockdown.h"

/* lockdown_root.c: in a mount namespace of its own, replaces the root by an empty read-only one
 * with only what the engine opens at its start: /dev/urandom and this process's own /proc/self/maps
 * and statm. Needs CAP_SYS_ADMIN there. */
ER_MUST_CHECK bool er_lockdown_root(er_err *err);

/* lockdown_landlock.c: forbids every use of files by name, TCP, and signals and abstract sockets to
 * the outside, as far as the kernel's Landlock goes. `starting`: what the engine opens at its start
 * stays readable; the second layer, without it, forbids that too. Sets *have to the kernel's
 * Landlock version, 0 if there is none (that is no error). */
ER_MUST_CHECK bool er_lockdown_landlock(bool starting, int *have, er_err *err);

/* lockdown_seccomp.c: the filter, for all threads. */
ER_MUST_CHECK bool er_lockdown_seccomp(const er_lockdown *l, er_err *err);

#endif
