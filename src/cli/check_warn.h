/* What er check warns of beyond what the bundler says: limits above those of a default node,
 * top-level code near its budget, and globals that do not exist in the sandbox. */
#ifndef ER_CLI_CHECK_WARN_H
#define ER_CLI_CHECK_WARN_H

#include "cli/bundler.h"
#include "cli/probe.h"

/* Of b->globals those that the sandbox does not have: it is asked. Any number of them; `out` has
 * room for b->n_globals. */
size_t er_check_globals(er_project *p, const er_bundle *b, er_diag *out);
/* Limits of er.jsonc that a node without routineLimits refuses; at most one a limit,
 * ER_CHECK_LIMITS in all. */
enum { ER_CHECK_LIMITS = 8 };
size_t er_check_limits(er_project *p, er_diag *out);
/* True: *out says that top-level code takes half of its limit or more, and which files and packages
 * took the time, or, if that cannot be measured, what the script is made of. `r`: what was
 * tried. */
bool er_check_budget(er_project *p, const er_bundle *b, er_routine *r, const er_probe *probe, er_diag *out);

#endif
