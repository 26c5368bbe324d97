/* Files of NAME=value, as .env files have them. */
#ifndef ER_CLI_DOTENV_H
#define ER_CLI_DOTENV_H

#include "base/err.h"
#include "base/json_out.h"

/* Writes a member with a string for each line into the object that is open, and says how many. What
 * it writes is at most ER_DOTENV_GROWTH times as long as the text, so that a buffer of secrets need
 * not move. False: *err with the line. A line is NAME=value, with `export ` before
 * it or not; # begins a comment line. A value in quotes may have several lines: "..." knows \n, \r,
 * \t, \\ and \" (other backslashes stay), '...' and `...` are as they are. Without quotes it ends
 * with the line and loses the blanks around it. What could be meant in two ways is refused. */
ER_MUST_CHECK bool er_dotenv_parse(er_slice text, er_out *out, size_t *n, er_err *err);
enum { ER_DOTENV_GROWTH = 8 };

#endif
