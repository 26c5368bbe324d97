/* Built for processors with AVX2, and called on those alone. */
#include "cache/disk_sum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t er_disk_sum_wide(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}
