/* The checksum of a cache file: XXH3, 64 bits. What is long is summed with the widest vectors that
 * this processor and the build have in common: the result is the same. */
#ifndef ER_CACHE_DISK_SUM_H
#define ER_CACHE_DISK_SUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t er_disk_sum(const void *p, size_t n);

/* ---- of disk_sum.c ---- */
/* For tests: with the vectors that every processor of this kind has. */
uint64_t er_disk_sum_narrow(const void *p, size_t n);
/* disk_sum_wide.c, which is built for processors that not every machine has. */
uint64_t er_disk_sum_wide(const void *p, size_t n);

#endif
