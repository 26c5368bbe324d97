/* Which records of a file were right when they last came from the disk, so that they are not summed
 * again while the kernel has them in memory: a bit for each block of the file, that of the block in
 * which the record begins. A record that is shorter than two blocks has none, so no two that have
 * one begin in the same block.
 *
 * Any thread, no lock. A bit too few costs a sum. A bit too many is what must not be: whoever makes
 * the kernel read from the disk takes the bits of what is read away. */
#ifndef ER_CACHE_DISK_CHECKED_H
#define ER_CACHE_DISK_CHECKED_H

#include "cache/disk_format.h"

typedef struct er_disk_checked er_disk_checked;

/* Of a file of so many bytes: one of memory for 32 KiB. None is checked. */
er_disk_checked *er_disk_checked_new(uint64_t bytes);
/* NULL is fine. */
void er_disk_checked_free(er_disk_checked *c);

/* A record with such a payload has a bit. */
static inline bool er_disk_checked_has(size_t payload)
{
	return payload >= 2 * (size_t)ER_DISK_BLOCK;
}
/* `at`: where the record begins, in bytes. */
void er_disk_checked_set(er_disk_checked *c, uint64_t at);
/* Takes the bit away, and says whether it was there. */
bool er_disk_checked_take(er_disk_checked *c, uint64_t at);
/* Takes all bits of these bytes away. */
void er_disk_checked_clear(er_disk_checked *c, uint64_t at, uint64_t n);

#endif
