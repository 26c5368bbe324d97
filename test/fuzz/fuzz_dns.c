/* Whole answers of a name server. Whatever time is read is one that a cache can count with. */
#include "base/mem.h"
#include "origin/dns_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* A piece of its own, so that a sanitizer sees a read behind its end. */
	uint8_t *copy = er_alloc(n);
	er_copy(copy, data, n);
	uint32_t ttl_s = 0;
	if (er_dns_negative_ttl(er_slice_of(copy, n), &ttl_s))
		ER_ASSERT(ttl_s <= INT32_MAX);
	er_free(copy);
	return 0;
}
