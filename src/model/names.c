/* What is let in as a name or a text. The functions that end in _ok only answer; those that
 * end in _check also say what would have been right. No state, any
 * thread. */
#include "model/names.h"

#include "base/buf.h"
#include "base/mem.h"

/* Names stand in buffers of this size, in paths of the API, and in NAME.localhost, where a label of
 * DNS has at most 63 bytes. */
_Static_assert(ER_NAME_MAX == 63, "a routine's name is a label of a host");

bool er_name_ok(er_slice name)
{
	bool good = name.n > 0 && name.n <= ER_NAME_MAX && name.p[0] != '-' && name.p[name.n - 1] != '-';
	for (size_t i = 0; good && i < name.n; i++) {
		uint8_t c = name.p[i];
		good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
	}
	return good;
}

bool er_var_name_ok(er_slice name)
{
	bool good = name.n > 0 && name.n <= ER_NAME_MAX && !(name.p[0] >= '0' && name.p[0] <= '9');
	for (size_t i = 0; good && i < name.n; i++) {
		uint8_t c = er_lower(name.p[i]);
		good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
	}
	return good;
}

bool er_name_check(const char *what, er_slice name, er_err *err)
{
	ER_ASSERT(what != NULL);
	return er_name_ok(name) ||
	       er_fail(err, ER_ERR_INVALID, "\"%.*s\" cannot be a %s's name: a-z, 0-9 and \"-\", at most %d, no \"-\" at either end",
	               ER_FMT(er_slice_head(name, 80)), what, ER_NAME_MAX);
}

bool er_setting_name_check(er_slice name, er_err *err)
{
	return er_var_name_ok(name) ||
	       er_fail(err, ER_ERR_INVALID,
	               "\"%.*s\" cannot be the name of a variable or secret: letters, digits and _, at most %d, no digit first",
	               ER_FMT(er_slice_head(name, 80)), ER_NAME_MAX);
}

bool er_text_check(const char *what, er_slice text, size_t most, er_err *err)
{
	ER_ASSERT(what != NULL);
	if (text.n > most)
		return er_fail(err, ER_ERR_TOO_LARGE, "the %s has %zu bytes, %zu is the most", what, text.n, most);
	return er_utf8_valid(text) || er_fail(err, ER_ERR_INVALID, "the %s is not UTF-8", what);
}
