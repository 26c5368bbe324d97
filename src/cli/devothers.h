/* Other projects at the desk: those whose routines the project of `er dev` calls
 * ("services" of er.jsonc). Each is built, watched and built again as the desk's own is;
 * all run in the one node. */
#ifndef ER_CLI_DEVOTHERS_H
#define ER_CLI_DEVOTHERS_H

#include "cli/devlog.h"
#include "cli/project.h"
#include "gateway/config.h"

#include <uv.h>

typedef struct er_devothers er_devothers;

enum { ER_DEVOTHERS_MOST = 32 };

/* `changed`: what runs is to be made anew: one of them was built, or its er.jsonc was saved. */
er_devothers *er_devothers_new(uv_loop_t *loop, er_devlog *log, void (*changed)(void *ctx), void *ctx);
/* One more project: of --with. False: *err says what is wrong with it. */
ER_MUST_CHECK bool er_devothers_add(er_devothers *o, const char *folder, er_err *err);
/* The projects that `p` and those that are there call and that are not there yet, as far as they
 * lie in a folder beside the caller's, or in it, that has the routine's name. */
void er_devothers_find(er_devothers *o, const er_project *p);
/* Nobody has what the project calls by this name. The first such target; empty: none. */
er_slice er_devothers_missing(const er_devothers *o, const er_project *p);
/* The first build of one is not there yet. */
bool er_devothers_waits(const er_devothers *o);
/* One of them opens a KV namespace. */
bool er_devothers_has_kv(const er_devothers *o);
/* The routines that are built, into a configuration of the desk behind its own. */
ER_MUST_CHECK bool er_devothers_configure(const er_devothers *o, er_config *c, er_cidr *allow, size_t n_allow, er_err *err);
/* Names of those that there are, for the person. */
size_t er_devothers_names(const er_devothers *o, er_slice out[ER_DEVOTHERS_MOST]);
/* Nothing is built or watched any more. */
void er_devothers_stop(er_devothers *o);
/* After the node; the loop has let go of the handles. NULL is fine. */
void er_devothers_free(er_devothers *o);

#endif
