/* How much of a sandbox's lock-down a machine gives: each level has all of the one below it. Both
 * programs use it. Pure, any thread. */
#ifndef ER_MODEL_LEVEL_H
#define ER_MODEL_LEVEL_H

#include "base/err.h"
#include "base/slice.h"

typedef enum er_level { ER_LEVEL_NONE, ER_LEVEL_SECCOMP_ONLY, ER_LEVEL_NO_USERNS, ER_LEVEL_FULL } er_level;

/* "full", "no-userns", "seccomp-only". What a sandbox says may be any number: that is "none". */
const char *er_level_name(er_level level);
/* "none" is no level that could be asked for. */
ER_MUST_CHECK bool er_level_parse(er_slice name, er_level *out);

#endif
