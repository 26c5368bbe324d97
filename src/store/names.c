#include "store/names.h"

#include "base/buf.h"
#include "store/store.h"

bool er_name_check(const char *what, er_slice name, er_err *err)
{
	bool good = name.n > 0 && name.n <= ER_STORE_NAME_MAX && name.p[0] != '-' && name.p[name.n - 1] != '-';
	for (size_t i = 0; good && i < name.n; i++) {
		uint8_t c = name.p[i];
		good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
	}
	return good ||
	       er_fail(err, ER_ERR_INVALID, "\"%.*s\" cannot be a %s's name: a-z, 0-9 and \"-\", at most %d, no \"-\" at either end",
	               ER_FMT(er_slice_head(name, 80)), what, ER_STORE_NAME_MAX);
}

bool er_setting_name_check(er_slice name, er_err *err)
{
	bool good = name.n > 0 && name.n <= ER_STORE_NAME_MAX && !(name.p[0] >= '0' && name.p[0] <= '9');
	for (size_t i = 0; good && i < name.n; i++) {
		uint8_t c = er_lower(name.p[i]);
		good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
	}
	return good ||
	       er_fail(err, ER_ERR_INVALID,
	               "\"%.*s\" cannot be the name of a variable or secret: letters, digits and _, at most %d, no digit first",
	               ER_FMT(er_slice_head(name, 80)), ER_STORE_NAME_MAX);
}

bool er_text_check(const char *what, er_slice text, size_t most, er_err *err)
{
	if (text.n > most)
		return er_fail(err, ER_ERR_TOO_LARGE, "the %s has %zu bytes, %zu is the most", what, text.n, most);
	return er_utf8_valid(text) || er_fail(err, ER_ERR_INVALID, "the %s is not UTF-8", what);
}
