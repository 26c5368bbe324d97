/* Types for the editor of an author (er types): the package of types that comes with er, copied
 * into the project's .er/types, and er-env.d.ts, which says what env has. */
#ifndef ER_CLI_TYPES_H
#define ER_CLI_TYPES_H

#include "cli/project.h"

#define ER_TYPES_ENV "er-env.d.ts"
#define ER_TYPES_FOLDER ".er/types"

/* Writes both, over what is there. The project's variables are those that env shall have. */
ER_MUST_CHECK bool er_types_write(const er_project *p, er_err *err);

#endif
