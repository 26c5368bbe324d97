/* Descriptors that come to a process from outside instead of being opened by it: from the node that
 * this one takes over from (ER_UPGRADE), or from systemd (LISTEN_FDS). The same table, the other
 * way round, is what a node gives to its successor.
 *
 * ER_UPGRADE is text: "1\n", then a line "KIND FD[,FD...] NAME" for each. Kinds:
 *   listen   sockets of one address that clients come to; NAME as configuration spells it
 *   admin    likewise, of an admin address
 *   channel  to the node that started this one (upgrade.h)
 *   what else a node has to give (the lock on its store, an admin socket in the file system), under
 *   a name that both ends know
 * What systemd gives has the kind "any", and is found by the address that it is bound to.
 *
 * A table that was read owns its descriptors, all of them close-on-exec, until they are taken. One
 * that was made to be given borrows them. */
#ifndef ER_GATEWAY_INHERIT_H
#define ER_GATEWAY_INHERIT_H

#include "base/buf.h"
#include "base/err.h"

typedef struct er_inherited er_inherited;

/* What this process was given; both variables are taken out of the environment, so that no child
 * mistakes them for its own. Never NULL but for a mistake in them. */
er_inherited *er_inherited_read(er_err *err);
/* An empty table to be given to a successor. */
er_inherited *er_inherited_new(void);
/* Closes what is owned and was not taken. */
void er_inherited_free(er_inherited *t);

/* Borrows. `name` must not have a newline. */
void er_inherited_add(er_inherited *t, const char *kind, const char *name, const int *fds, unsigned n);
/* Moves the first that fits to the caller: *fds is to be freed by er_free. Addresses ("listen",
 * "admin") fit if they are the same address, however they are spelled. 0: there is none. */
unsigned er_inherited_take(er_inherited *t, const char *kind, const char *name, int **fds);
/* Is there one? Nothing is taken. */
bool er_inherited_has(const er_inherited *t, const char *kind, const char *name);
/* The single descriptor of that kind, or -1. */
int er_inherited_take_one(er_inherited *t, const char *kind, const char *name);
/* "[::]:8080, /run/x.sock" of what nobody took; false: nothing is left. */
bool er_inherited_left(const er_inherited *t, er_buf *out);

/* ---- for whoever starts the successor ---- */
/* All descriptors in the order in which er_inherited_text names them as first, first + 1, ... */
unsigned er_inherited_count(const er_inherited *t);
/* Their numbers, in the order in which er_inherited_text names them; room for
 * er_inherited_count. */
void er_inherited_list(const er_inherited *t, int *fds);
/* The value of ER_UPGRADE. */
void er_inherited_text(const er_inherited *t, unsigned first, er_buf *out);

#endif
