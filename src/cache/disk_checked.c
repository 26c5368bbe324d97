/* A table of bits in atomic words. It is as long as the file, and most of it is never touched, so
 * the kernel gives its memory page by page. */
#include "cache/disk_checked.h"

#include "base/mem.h"

enum { MAGIC = 0x43484b44, BITS = 64 };

struct er_disk_checked {
	uint32_t magic;
	uint64_t n; /* words */
	uint64_t *words;
};

er_disk_checked *er_disk_checked_new(uint64_t bytes)
{
	er_disk_checked *c = ER_NEW(er_disk_checked);
	*c = (er_disk_checked){.magic = MAGIC, .n = bytes / ER_DISK_BLOCK / BITS + 1};
	c->words = er_zalloc(c->n * sizeof *c->words);
	return c;
}

void er_disk_checked_free(er_disk_checked *c)
{
	if (c == NULL)
		return;
	ER_CHECK(c, MAGIC);
	er_free(c->words);
	c->magic = 0;
	er_free(c);
}

static uint64_t *word_of(er_disk_checked *c, uint64_t block)
{
	ER_CHECK(c, MAGIC);
	ER_ASSERT(block / BITS < c->n);
	return &c->words[block / BITS];
}

void er_disk_checked_set(er_disk_checked *c, uint64_t at)
{
	uint64_t block = at / ER_DISK_BLOCK;
	__atomic_fetch_or(word_of(c, block), 1ULL << block % BITS, __ATOMIC_SEQ_CST);
}

bool er_disk_checked_take(er_disk_checked *c, uint64_t at)
{
	uint64_t block = at / ER_DISK_BLOCK, bit = 1ULL << block % BITS, *word = word_of(c, block);
	if ((__atomic_load_n(word, __ATOMIC_RELAXED) & bit) == 0)
		return false;
	return (__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST) & bit) != 0;
}

void er_disk_checked_clear(er_disk_checked *c, uint64_t at, uint64_t n)
{
	uint64_t block = at / ER_DISK_BLOCK, end = (at + n + ER_DISK_BLOCK - 1) / ER_DISK_BLOCK;
	while (block < end) {
		uint64_t first = block % BITS, left = end - block, some = left < BITS - first ? left : BITS - first;
		uint64_t mask = (some == BITS ? UINT64_MAX : (1ULL << some) - 1) << first, *word = word_of(c, block);
		if ((__atomic_load_n(word, __ATOMIC_RELAXED) & mask) != 0)
			__atomic_fetch_and(word, ~mask, __ATOMIC_SEQ_CST);
		block += some;
	}
}
