/* What a routine's sandbox has of the engine. Pure, any thread. */
#ifndef ER_MODEL_PROFILE_H
#define ER_MODEL_PROFILE_H

#include "base/err.h"
#include "base/slice.h"

/* HARDENED: no JIT, no WebAssembly. */
enum er_profile { ER_PROFILE_STANDARD, ER_PROFILE_HARDENED };

const char *er_profile_name(enum er_profile p); /* "standard", "hardened" */
ER_MUST_CHECK bool er_profile_parse(er_slice name, enum er_profile *out);

#endif
