/* What a token may do. Ordered: each role may do all that those before it may. Pure, any thread. */
#ifndef ER_MODEL_ROLE_H
#define ER_MODEL_ROLE_H

#include "base/err.h"
#include "base/slice.h"

typedef enum er_role { ER_ROLE_READ, ER_ROLE_DEPLOY, ER_ROLE_ADMIN, ER_ROLE_COUNT_ } er_role;
const char *er_role_name(er_role r); /* "read", "deploy", "admin" */
ER_MUST_CHECK bool er_role_parse(er_slice name, er_role *out);

#endif
