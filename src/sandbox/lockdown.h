/* The second half of the lock-down, inside er-sandbox (the first is the spawner's: namespaces, ids,
 * descriptors, environment).
 *
 *   er_lockdown_begin    before the engine exists and before any thread: empty root (level full),
 *                        capabilities, no_new_privs, non-dumpable, Landlock, rlimits
 *   ... the VM is created, the prelude runs, timers and eventfds are made, dates and Intl have been
 *   used once ...
 *   er_lockdown_finish   Landlock without exceptions, seccomp for all threads (TSYNC), kill by
 *                        default; standard error becomes /dev/null
 *   er_lockdown_memory   at LOAD, before any code of a tenant: RLIMIT_DATA, hard and soft; can only
 *                        be lowered afterwards
 *
 * After `finish` the process can read, write, wait, make threads, map anonymous private memory and
 * nothing else. Each step that the level asks for must succeed or the process must end: it prints
 * err.text on standard error (the spawner passes it on) and exits. So the level that it may report
 * in READY is `spawned`, no more. docs/threat-model.md says what each level holds.
 */
#ifndef ER_SANDBOX_LOCKDOWN_H
#define ER_SANDBOX_LOCKDOWN_H

#include "base/err.h"
#include "channel/frame.h"

/* Held open from `begin` on: how much memory the process has. Follows the spawner's descriptors. */
enum { ER_LOCKDOWN_STATM_FD = 6 };

typedef struct er_lockdown {
	bool hardened;     /* no mapping may ever be executable */
	bool attack_hooks; /* tests only */
	er_level spawned;  /* what the spawner reached */
} er_lockdown;

ER_MUST_CHECK bool er_lockdown_begin(const er_lockdown *l, er_err *err);
ER_MUST_CHECK bool er_lockdown_finish(const er_lockdown *l, er_err *err);
/* `kb` above what the process holds now. */
ER_MUST_CHECK bool er_lockdown_memory(uint32_t kb, er_err *err);
/* Built with AddressSanitizer: then standard error stays, memory is not limited, and the filter
 * lets the sanitizer's own calls pass (lockdown_seccomp.c). Everything else is as ever. Such a
 * build is for tests, never for tenants. */
bool er_lockdown_sanitized(void);
/* Tests only (attack_hooks): does the forbidden thing natively; the process should be dead
 * afterwards. `name` is one of er_lockdown_attacks. Returns if the name is unknown or, which is the
 * bug to find, if nothing stopped it. */
void er_lockdown_attack(const char *name);
/* Their names, NULL at the end. */
extern const char *const er_lockdown_attacks[];

#endif
