/* What the commands print, and how: colours only on a terminal (and not with NO_COLOR or
 * TERM=dumb), bytes of strangers made harmless. */
#ifndef ER_CLI_TERM_H
#define ER_CLI_TERM_H

#include "base/buf.h"

typedef enum er_style { ER_PLAIN, ER_BOLD, ER_DIM, ER_RED, ER_GREEN, ER_YELLOW, ER_BLUE, ER_STYLE_COUNT_ } er_style;

/* Whether what goes to this descriptor may be coloured. */
bool er_term_colour(int fd);
/* Appends s in that style; plainly if colour is false. */
void er_term_put(er_buf *b, bool colour, er_style style, er_slice s);
/* Appends text that a stranger may have written: control characters other than tab and, if `lines`,
 * newline become \xXX; with `colour`, SGR sequences (ESC [ ... m) pass. Bytes over 127 pass. */
void er_term_put_safe(er_buf *b, er_slice s, bool lines, bool colour);
/* A number of bytes for people: 45 B, 1.3 KB. */
void er_term_put_size(er_buf *b, uint64_t bytes);
/* Writes everything, in one call if the descriptor takes it, and empties the buffer. False: it does
 * not take it (any more). */
bool er_term_flush(int fd, er_buf *b);

#endif
