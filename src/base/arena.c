/* The bump allocator. An arena is a chain of blocks, newest first, and a cursor in the newest one;
 * what does not fit gets a new block (and the rest of the old one is left unused). The first block
 * is small, since most requests need no more and what waits for long (an idle connection, a
 * WebSocket) keeps one; the second is larger. er_arena_reset keeps the first, and only it, for the
 * next request.
 *
 * Life: er_arena_init (or zeros) → alloc ... → reset → alloc ... → fini, by the owner of the
 * struct. What was allocated dies at reset or fini, all at once. One thread at a time. */
#include "base/arena.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
	WORDS = sizeof(void *) * 4, /* of the block and of malloc */
	FIRST_BLOCK = 2048 - WORDS,
	SECOND_BLOCK = 4096 - WORDS,
	NEXT_BLOCK = 16384 - WORDS,
};

struct er_arena_block {
	er_arena_block *next; /* older */
	size_t cap;
	_Alignas(16) uint8_t bytes[];
};
static_assert(offsetof(er_arena_block, bytes) % 16 == 0, "the first allocation of a block is aligned for any type");
static_assert(FIRST_BLOCK % 8 == 0 && SECOND_BLOCK % 8 == 0 && NEXT_BLOCK % 8 == 0,
              "and sizes are rounded up to eight, so all others are for eight");
static_assert(sizeof(er_arena_block) + SECOND_BLOCK <= 4096, "a block and malloc's own words fit a page");

void *er_arena_block_(er_arena *a, size_t n)
{
	size_t cap = a->blocks == NULL ? FIRST_BLOCK : a->blocks->next == NULL ? SECOND_BLOCK : NEXT_BLOCK;
	if (ER_SANITIZED || cap < n)
		cap = n;
	ER_ASSERT(cap >= n && cap <= SIZE_MAX - sizeof(er_arena_block));
	er_arena_block *b = er_alloc(sizeof *b + cap);
	b->next = a->blocks;
	b->cap = cap;
	a->blocks = b;
	a->at = b->bytes + n;
	a->end = b->bytes + (ER_SANITIZED ? n : cap);
	return b->bytes;
}

void er_arena_expect(er_arena *a, size_t n)
{
	ER_ASSERT(a->blocks == NULL);
	if (ER_SANITIZED) /* every allocation is a block there */
		return;
	er_arena_block *b = er_alloc(sizeof *b + n);
	*b = (er_arena_block){.cap = n};
	a->blocks = b;
	a->at = b->bytes;
	a->end = b->bytes + n;
}

void *er_arena_zalloc(er_arena *a, size_t n)
{
	void *p = er_arena_alloc(a, n);
	memset(p, 0, n);
	return p;
}

void er_arena_wipe(er_arena *a)
{
	for (er_arena_block *b = a->blocks; b != NULL; b = b->next)
		explicit_bzero(b->bytes, b->cap);
}

void er_arena_fini(er_arena *a)
{
	for (er_arena_block *b = a->blocks, *next; b != NULL; b = next) {
		next = b->next;
		er_free(b);
	}
	er_arena_init(a);
}

void er_arena_reset(er_arena *a)
{
	er_arena_block *b = a->blocks;
	if (b == NULL)
		return;
	ER_ASSERT(ER_SANITIZED || (a->at != NULL && a->at <= a->end));
	if (ER_SANITIZED || b->next != NULL || b->cap > FIRST_BLOCK) {
		er_arena_fini(a);
		return;
	}
	a->at = b->bytes;
	a->end = b->bytes + b->cap;
}

er_slice er_arena_copy(er_arena *a, er_slice s)
{
	uint8_t *p = er_arena_alloc(a, s.n);
	er_copy(p, s.p, s.n);
	return er_slice_of(p, s.n);
}

er_slice er_arena_lower(er_arena *a, er_slice s)
{
	uint8_t *to = er_arena_alloc(a, s.n);
	er_append_lower(to, s);
	return er_slice_of(to, s.n);
}

char *er_arena_cstr(er_arena *a, er_slice s)
{
	char *p = er_arena_alloc(a, s.n + 1);
	er_copy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

er_slice er_arena_u64(er_arena *a, uint64_t v)
{
	uint8_t digits[20];
	return er_arena_copy(a, er_u64_text(v, digits));
}

er_slice er_arena_printf(er_arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ER_ASSERT(n >= 0); /* only a conversion that does not exist makes it negative */
	char *p = er_arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return er_slice_of(p, (size_t)n);
}
