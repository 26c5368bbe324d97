/* An address to listen on, from whoever had it before if there was somebody, else opened anew. */
#ifndef ER_GATEWAY_ADOPT_H
#define ER_GATEWAY_ADOPT_H

#include "base/err.h"
#include "gateway/inherit.h"

/* *fds (to be freed by er_free) gets at least `want` sockets: all that were inherited for the
 * address, however many there are, because a connection may wait in each; if they are too few, more
 * of the same. Those are to be served only after er_listen_begin. `from` may be NULL. Returns the
 * port; 0: nothing is open, and *err says why. */
unsigned er_adopt(er_inherited *from, const char *kind, const char *address, unsigned want, int **fds, unsigned *n, er_err *err);

#endif
