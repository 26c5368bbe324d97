#include "cache/disk_sum.h"

#include <stdbool.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { WIDE_FROM = 1024 };

uint64_t er_disk_sum_narrow(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}

#ifdef ER_WIDE_SUM
static bool is_wide(void)
{
	return __builtin_cpu_supports("avx2");
}
#else
static bool is_wide(void)
{
	return false;
}

uint64_t er_disk_sum_wide(const void *p, size_t n)
{
	return er_disk_sum_narrow(p, n);
}
#endif

uint64_t er_disk_sum(const void *p, size_t n)
{
	return n >= WIDE_FROM && is_wide() ? er_disk_sum_wide(p, n) : er_disk_sum_narrow(p, n);
}
