/* The first bytes of a connection on which a header of the PROXY protocol must come. A header that
 * is whole was not whole before its last byte; and what was refused once stays refused. */
#include "base/mem.h"
#include "net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	er_proxy_header header;
	bool refused = false;
	for (size_t k = 0; k <= n && k <= ER_PROXY_MAX + 1; k += k < 128 || k + 97 > n ? 1 : 97) {
		/* A piece of its own, so that a sanitizer sees a read behind its end. */
		uint8_t *copy = er_alloc(k);
		er_copy(copy, data, k);
		int whole = er_proxy_read(er_slice_of(copy, k), &header);
		er_free(copy);
		ER_ASSERT(!refused || whole < 0);
		ER_ASSERT(whole <= 0 || (size_t)whole <= k);
		refused = whole < 0;
		if (whole > 0)
			break;
	}
	return 0;
}
