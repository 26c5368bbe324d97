/* What a person or a pipe says: secrets without an echo, whole inputs, a yes. */
#ifndef ER_CLI_PROMPT_H
#define ER_CLI_PROMPT_H

#include "base/buf.h"
#include "base/err.h"

/* Whether somebody sits at standard input. */
bool er_prompt_person(void);
/* One line from the terminal, not shown while it is typed. Wipe with er_prompt_wipe. */
ER_MUST_CHECK bool er_prompt_secret(const char *question, er_buf *out, er_err *err);
/* Everything of a file, or of standard input if path is NULL or "-"; at most `max` bytes. */
ER_MUST_CHECK bool er_prompt_read(const char *path, size_t max, er_buf *out, er_err *err);
/* True for y or yes. Without a person: false, and *err says which option means yes. */
ER_MUST_CHECK bool er_prompt_yes(const char *question, er_err *err);
/* Overwrites and frees. */
void er_prompt_wipe(er_buf *b);

#endif
