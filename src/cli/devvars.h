/* Values for the desk alone: the file .dev.vars beside er.jsonc, NAME=value lines (dotenv.h). `er
 * dev` and `er test` read it; no other command does, so what stands there never leaves the
 * machine. */
#ifndef ER_CLI_DEVVARS_H
#define ER_CLI_DEVVARS_H

#include "cli/project.h"

#define ER_DEVVARS_FILE ".dev.vars"

/* Puts the file's values over the project's "vars", and says in *n how many there are; without the
 * file nothing happens. False: *diag says what is wrong and where; it lives as long as the project,
 * whose variables stay as they were. */
ER_MUST_CHECK bool er_devvars_take(er_project *p, size_t *n, er_diag *diag);

#endif
