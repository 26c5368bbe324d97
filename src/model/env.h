/* The environments to which routines are deployed. Pure, any thread. */
#ifndef ER_MODEL_ENV_H
#define ER_MODEL_ENV_H

#include "base/err.h"
#include "base/slice.h"

typedef enum er_env { ER_ENV_PRODUCTION, ER_ENV_STAGING, ER_ENV_COUNT_ } er_env;

const char *er_env_name(er_env e); /* "production", "staging" */
ER_MUST_CHECK bool er_env_parse(er_slice name, er_env *out);

#endif
