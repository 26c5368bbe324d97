/* The prelude's scripts, built into the executable (embed.S is made by the build). */
#ifndef ER_SANDBOX_EMBED_H
#define ER_SANDBOX_EMBED_H

#include "base/slice.h"

/* `name` is the file's name without ".js". */
bool er_embed_find(const char *name, er_slice *out);

#endif
