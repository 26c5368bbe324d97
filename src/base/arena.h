/* A bump allocator for things that live and die together: one per exchange, one per parse. Nothing
 * in it is freed singly. `er_arena_reset` keeps the first block for the next request, so that a
 * keep-alive connection allocates nothing. In ASan builds every allocation is a malloc of its
 * own. */
#ifndef ER_BASE_ARENA_H
#define ER_BASE_ARENA_H

#include "base/mem.h"

typedef struct er_arena_block er_arena_block;

typedef struct er_arena {
	uint8_t *at;
	uint8_t *end;
	er_arena_block *blocks; /* newest first */
} er_arena;

/* All zero is an empty arena, too: the first allocation makes its first block. */
static inline void er_arena_init(er_arena *a)
{
	*a = (er_arena){0};
}
/* Frees all that was allocated from it. Nobody may hold a slice of it any more. */
void er_arena_fini(er_arena *a);
/* Overwrites all that was allocated: it held secrets. Nobody may read it any more. */
void er_arena_wipe(er_arena *a);
/* As er_arena_fini, but the first block is kept for what comes next. */
void er_arena_reset(er_arena *a);
/* An empty arena gets a first block of `n` bytes instead of one of 4 KB: for the little that is
 * kept for long. */
void er_arena_expect(er_arena *a, size_t n);
/* er_arena_alloc where a new block is needed; n is a multiple of eight. */
void *er_arena_block_(er_arena *a, size_t n) __attribute__((cold, noinline, returns_nonnull));
/* 8-byte aligned, not zeroed, never NULL. */
static inline void *er_arena_alloc(er_arena *a, size_t n) __attribute__((alloc_size(2), returns_nonnull));
/* The same, zeroed. */
void *er_arena_zalloc(er_arena *a, size_t n) __attribute__((alloc_size(2), returns_nonnull));
/* A copy of the bytes, for a slice whose memory goes before the arena does. */
er_slice er_arena_copy(er_arena *a, er_slice s);
/* A copy in lower case (ASCII). */
er_slice er_arena_lower(er_arena *a, er_slice s);
/* NUL-terminated, for interfaces that want C strings. */
char *er_arena_cstr(er_arena *a, er_slice s);
/* v in decimal. */
er_slice er_arena_u64(er_arena *a, uint64_t v);
er_slice er_arena_printf(er_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline void *er_arena_alloc(er_arena *a, size_t n)
{
	ER_ASSERT(n <= SIZE_MAX - 16);
	n = (n + 7) & ~(size_t)7;
	if (__builtin_expect(!ER_SANITIZED && (size_t)(a->end - a->at) >= n && a->at != NULL, 1)) {
		void *p = a->at;
		a->at += n;
		return p;
	}
	return er_arena_block_(a, n);
}

#endif
