/* Files that come with er: the bundler's script and the examples. They are looked for beside the
 * executable, in ../lib/edgeroutine (installed), and in ../tools and .. (a build directory in the
 * source tree). */
#ifndef ER_CLI_SHARE_H
#define ER_CLI_SHARE_H

#include "base/buf.h"
#include "base/err.h"

/* Fills `path` with a NUL-terminated path. False: it is nowhere; *err says where was looked. */
ER_MUST_CHECK bool er_share_find(const char *name, er_buf *path, er_err *err);

#endif
