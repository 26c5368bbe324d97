/* --wait-guard: waits until the node's guard has decided about a deployment. The guard itself is
 * the node's (control/guard.c) and goes on if this command is ended. */
#ifndef ER_CLI_GUARD_WAIT_H
#define ER_CLI_GUARD_WAIT_H

#include "cli/remote.h"
#include "cli/rollout.h"

/* False: --wait-guard stands without a --guard, which was said. */
bool er_guard_wait_ok(er_remote *r, bool wanted, bool guarded);
/* Waits; at a terminal a line says for how long. `answer` is what the node said to the deployment,
 * `guard` what was asked for. Says how it ended (not with --json), sets r->status, and returns
 * {"state": "passed" | "went-back" | "replaced" | "unknown", "why", "versions"}, in r's arena. */
const er_json *er_guard_wait(er_remote *r, const char *name, const char *env, const er_json *answer,
                             const er_rollout_guard *guard);

#endif
