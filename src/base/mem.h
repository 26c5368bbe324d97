/* The only door to the allocator. Allocation failure ends the process with a message: a node that
 * cannot get a few bytes cannot do anything useful, and no caller could test its way out of it.
 * Sizes that a peer controls are bounded before they come here. */
#ifndef ER_BASE_MEM_H
#define ER_BASE_MEM_H

#include "base/slice.h"

#include <assert.h>

/* Whether AddressSanitizer is in it: what keeps memory for later would hide mistakes from it, and
 * its own memory has no limit. GCC says it by a macro, Clang by a feature. */
#if defined(__SANITIZE_ADDRESS__)
#define ER_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ER_SANITIZED 1
#endif
#endif
#ifndef ER_SANITIZED
#define ER_SANITIZED 0
#endif

/* For a program that takes and gives back memory without end: what is free is kept for the next
 * request instead of being returned to the kernel at once, page by page, and taken again. Once, at
 * the start. */
void er_mem_keep(void);
/* The same for a process that is to give memory back when it rests, and whose pieces may be large:
 * malloc keeps up to `most` bytes of what is free, and more once it has seen larger pieces come and
 * go (mallopt(3), M_MMAP_THRESHOLD). Costs no memory. Once, at the start. */
void er_mem_learn(size_t most);
/* The calling thread keeps what it frees, for what it asks for next: up to 128 pieces of each size
 * up to 1 KB, and 32 of ER_MEM_LARGE; false gives them back, and belongs before the thread's end.
 * For the thread of a busy loop: one turn frees dozens of a size, and malloc's own cache takes
 * seven. */
enum { ER_MEM_LARGE = 16 * 1024 + 24 };
void er_mem_keep_here(bool on);
/* Not zeroed; aligned for every type. n may be 0. */
void *er_alloc(size_t n) __attribute__((malloc, alloc_size(1), returns_nonnull));
/* Zeroed. */
void *er_zalloc(size_t n) __attribute__((malloc, alloc_size(1), returns_nonnull));
/* `p` may be NULL. The old pointer is gone, wherever the new one is. */
void *er_realloc(void *p, size_t n) __attribute__((returns_nonnull));
/* NULL is fine. */
void er_free(void *p);
/* How often the system has refused memory to these: the last of it ends the process.
 * Async-signal-safe. */
uint64_t er_mem_refusals(void);
/* Gives the system back what is free, after something large was taken apart. Slow. */
void er_mem_trim(void);
/* A NUL-terminated copy; free with er_free. */
char *er_strdup_slice(er_slice s) __attribute__((malloc, returns_nonnull));
char *er_strdup_cstr(const char *s) __attribute__((malloc, returns_nonnull));
/* Formats into memory that the caller frees with er_free. */
char *er_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

/* One of that type, all zero; er_free frees it. */
#define ER_NEW(type) ((type *)er_zalloc(sizeof(type)))

/* n may be 0 and then p may be NULL. */
static inline void er_copy(void *to, const void *from, size_t n)
{
	if (n)
		memcpy(to, from, n);
}

/* Returns where to go on writing. What a head is made of is short: two overlapping words copy it
 * without a call. */
static inline uint8_t *er_append(uint8_t *to, er_slice s)
{
	if (s.n >= 8 && s.n <= 16) {
		uint64_t first = er_load_eight(s.p), last = er_load_eight(s.p + s.n - 8);
		memcpy(to, &first, sizeof first);
		memcpy(to + s.n - 8, &last, sizeof last);
	} else {
		er_copy(to, s.p, s.n);
	}
	return to + s.n;
}

/* The same of a slice that then names its copy. */
static inline void er_move_in(uint8_t **to, er_slice *s)
{
	er_copy(*to, s->p, s->n);
	s->p = *to;
	*to += s->n;
}

/* A broken invariant: says where, and ends the process. Stays on in release builds, so a condition
 * is cheap, and it is one that only a mistake of this program can make false: what comes from
 * outside is checked and answered, never asserted. What the compiler can know is a
 * static_assert. */
_Noreturn void er_panic(const char *file, int line, const char *what);
#define ER_ASSERT(cond) \
	do { \
		if (__builtin_expect(!(cond), 0)) \
			er_panic(__FILE__, __LINE__, #cond); \
	} while (0)

/* Long-lived structs carry `uint32_t magic` as a member and check it where a void pointer comes
 * back. */
#define ER_CHECK(obj, MAGIC) ER_ASSERT((obj) != NULL && (obj)->magic == (MAGIC))

#endif
