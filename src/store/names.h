/* What names and texts the store accepts. Pure. */
#ifndef ER_STORE_NAMES_H
#define ER_STORE_NAMES_H

#include "base/err.h"
#include "base/slice.h"

/* [a-z0-9-], 1 to ER_STORE_NAME_MAX, no hyphen at either end. `what`: "routine", "token", ... for the message. */
ER_MUST_CHECK bool er_name_check(const char *what, er_slice name, er_err *err);
/* A name in `env`: a letter or _, then letters, digits, _; at most ER_STORE_NAME_MAX. */
ER_MUST_CHECK bool er_setting_name_check(er_slice name, er_err *err);
/* UTF-8 of at most `most` bytes. */
ER_MUST_CHECK bool er_text_check(const char *what, er_slice text, size_t most, er_err *err);

#endif
