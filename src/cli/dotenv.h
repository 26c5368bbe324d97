/* Files of NAME=value, as .env files have them. */
#ifndef ER_CLI_DOTENV_H
#define ER_CLI_DOTENV_H

#include "base/err.h"
#include "base/slice.h"

#include <jansson.h>

/* An object of strings, or NULL and *err with the line. A line is NAME=value, with `export ` before
 * it or not; # begins a comment line. A value in quotes may have several lines: "..." knows \n, \r,
 * \t, \\ and \" (other backslashes stay), '...' and `...` are as they are. Without quotes it ends
 * with the line and loses the blanks around it. What could be meant in two ways is refused. */
json_t *er_dotenv_parse(er_slice text, er_err *err);

#endif
