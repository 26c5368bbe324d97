/* Expressions of times: what is understood comes, at a minute that is meant, and the last time
 * before it is not later. */
#include "model/cron.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	er_slice text = er_slice_of(data, n);
	er_cron c;
	size_t at;
	er_err err = {0};
	if (!er_cron_parse(text, &c, &at, &err)) {
		ER_ASSERT(at <= n && err.text[0] != 0);
		return 0;
	}
	int64_t next = er_cron_next(&c, 29000000), last = er_cron_last(&c, next);
	ER_ASSERT(next >= 29000000 && er_cron_is(&c, next) && last == next);
	return 0;
}
