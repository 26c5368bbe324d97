/* The second half of the lock-down, inside er-sandbox (the first is the spawner's: namespaces, empty root, ids).
 *
 *   er_lockdown_begin    before the engine exists: capabilities, no_new_privs, non-dumpable, Landlock, rlimits
 *   ... the VM is created, the prelude runs ...
 *   er_lockdown_finish   seccomp for all threads (TSYNC), kill by default
 *   er_lockdown_memory   at LOAD, before any code of a tenant: RLIMIT_DATA, hard and soft; can only be lowered afterwards
 *
 * After `finish` the process can read, write, wait, map anonymous memory and nothing else. */
#ifndef ER_SANDBOX_LOCKDOWN_H
#define ER_SANDBOX_LOCKDOWN_H

#include "base/err.h"
#include "channel/frame.h"

typedef struct er_lockdown {
	bool hardened;     /* no mapping may ever be executable */
	bool attack_hooks; /* tests only */
	er_level spawned;  /* what the spawner reached */
} er_lockdown;

ER_MUST_CHECK bool er_lockdown_begin(const er_lockdown *l, er_err *err);
ER_MUST_CHECK bool er_lockdown_finish(const er_lockdown *l, er_err *err);
/* `kb` above what the process holds now. */
ER_MUST_CHECK bool er_lockdown_memory(uint32_t kb, er_err *err);
/* Tests only (attack_hooks): does the forbidden thing natively; the process should be dead afterwards. `name`: "socket", "open", "execve", ... */
void er_lockdown_attack(const char *name);

#endif
