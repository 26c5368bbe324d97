/* Static files at the desk: the folder of a project, watched, and served as a node serves it. */
#ifndef ER_CLI_DEVFILES_H
#define ER_CLI_DEVFILES_H

#include "assets/files.h"
#include "cli/project.h"

#include <uv.h>

typedef struct er_devfiles er_devfiles;

/* `changed`: something in the folder was touched, a moment ago. */
er_devfiles *er_devfiles_new(uv_loop_t *loop, void (*changed)(void *ctx), void *ctx);
/* Nothing is watched any more, and `changed` is not called. */
void er_devfiles_stop(er_devfiles *f);
/* After the node that served them; the loop has let go of its handles. NULL is fine. */
void er_devfiles_free(er_devfiles *f);

/* Reads the folder of the project, if it has one. False: *err says what is wrong, and what was read
 * before stays. *other: they are not what they were. */
ER_MUST_CHECK bool er_devfiles_read(er_devfiles *f, const er_project *p, bool *other, er_err *err);
/* What was read last, borrowed until the next reading; NULL: the project has none. */
er_assets *er_devfiles_assets(const er_devfiles *f);

#endif
