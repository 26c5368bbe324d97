/* The only door to the allocator. Allocation failure ends the process with a message: a node that
 * cannot get a few bytes cannot do anything useful, and no caller could test its way out of it.
 * Sizes that a peer controls are bounded before they come here. */
#ifndef ER_BASE_MEM_H
#define ER_BASE_MEM_H

#include "base/slice.h"

/* Whether AddressSanitizer is in it: what keeps memory for later would hide mistakes from it, and its own memory has no limit. GCC says it by a macro,
 * Clang by a feature. */
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

/* For a program that takes and gives back memory without end: what is free is kept for the next request instead of being returned to the
 * kernel at once, page by page, and taken again. Once, at the start. */
void er_mem_keep(void);
void *er_alloc(size_t n) __attribute__((malloc, alloc_size(1), returns_nonnull));
/* Zeroed. */
void *er_zalloc(size_t n) __attribute__((malloc, alloc_size(1), returns_nonnull));
void *er_realloc(void *p, size_t n) __attribute__((returns_nonnull));
void er_free(void *p);
/* Gives the system back what is free, after something large was taken apart. Slow. */
void er_mem_trim(void);
/* A NUL-terminated copy; free with er_free. */
char *er_strdup_slice(er_slice s) __attribute__((malloc, returns_nonnull));
char *er_strdup_cstr(const char *s) __attribute__((malloc, returns_nonnull));
/* Formats into memory that the caller frees with er_free. */
char *er_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

#define ER_NEW(type) ((type *)er_zalloc(sizeof(type)))

/* n may be 0 and then p may be NULL. */
static inline void er_copy(void *to, const void *from, size_t n)
{
	if (n)
		memcpy(to, from, n);
}

/* A broken invariant: says where, and ends the process. Stays on in release builds. */
_Noreturn void er_panic(const char *file, int line, const char *what);
#define ER_ASSERT(cond) \
	do { \
		if (__builtin_expect(!(cond), 0)) \
			er_panic(__FILE__, __LINE__, #cond); \
	} while (0)

/* Long-lived structs carry `uint32_t magic` as a member and check it where a void pointer comes back. */
#define ER_CHECK(obj, MAGIC) ER_ASSERT((obj) != NULL && (obj)->magic == (MAGIC))

#endif
