/* Bytes to a descriptor, whole. For files that a command writes, and for what it prints
 * (cli/term.h). */
#ifndef ER_CLI_FILE_H
#define ER_CLI_FILE_H

#include "base/slice.h"

/* Writes all of it: goes on after an interrupt, and waits where the descriptor takes nothing now.
 * False: it takes no more, and errno says why. The descriptor stays open. */
bool er_write_all(int fd, er_slice bytes);
/* The same, and closes the descriptor, also on failure. A negative descriptor, as a failed open
 * gives it, is a failure whose errno is left alone. */
bool er_write_close(int fd, er_slice bytes);

#endif
