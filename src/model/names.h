/* What may be a name, and what a text: one definition for the store, the control API and
 * configuration files. Pure functions, any thread. */
#ifndef ER_MODEL_NAMES_H
#define ER_MODEL_NAMES_H

#include "base/err.h"
#include "base/slice.h"

enum { ER_NAME_MAX = 63 };

/* The name of a routine, a namespace or a token: [a-z0-9-], 1 to ER_NAME_MAX bytes, no hyphen
 * at either end. */
bool er_name_ok(er_slice name);
/* The name of a variable or a secret: [A-Za-z_][A-Za-z0-9_]*, at most ER_NAME_MAX bytes. */
bool er_var_name_ok(er_slice name);

/* er_name_ok; false: *err is INVALID and says what is expected. `what` is the kind of thing that is
 * named, for the message: "routine", "token". */
ER_MUST_CHECK bool er_name_check(const char *what, er_slice name, er_err *err);
/* er_var_name_ok; false: *err is INVALID and says what is expected. */
ER_MUST_CHECK bool er_setting_name_check(er_slice name, er_err *err);
/* UTF-8 of at most `most` bytes. False: *err is TOO_LARGE or INVALID. `what` names the text for the
 * message. */
ER_MUST_CHECK bool er_text_check(const char *what, er_slice text, size_t most, er_err *err);

#endif
