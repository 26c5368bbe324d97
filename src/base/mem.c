/* The allocator's door: malloc and free with two additions.
 *
 * Refusal. There is no answer to "no memory" that a caller could use, so er_alloc and its kin end
 * the process, after counting the refusal: the sandbox's handler for SIGABRT reads the counter to
 * call the death by its name (sandbox/death.c).
 *
 * Keeping. glibc caches seven pieces of a size for each thread. A gateway thread frees dozens of a
 * size in one turn of its loop and asks for them again in the next, so a thread that said
 * er_mem_keep_here keeps more: a list for each size class, of pieces that came from malloc and go
 * back there when a list is full or the thread says er_mem_keep_here(false). Whoever frees a piece
 * keeps it, on whatever thread it was allocated. Under AddressSanitizer nothing is kept, or it
 * would not see a use after free.
 *
 * No lock: the lists are thread-local, and what a signal handler may ask (er_mem_refusals) is
 * atomic. */
#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void er_panic(const char *file, int line, const char *what)
{
	char msg[512];
	int n = snprintf(msg, sizeof msg, "er: internal error at %s:%d: %s\n", file, line, what);
	if (n > 0)
		(void)!write(STDERR_FILENO, msg, (size_t)n < sizeof msg ? (size_t)n : sizeof msg - 1);
	abort();
}

void er_mem_learn(size_t most)
{
	void *volatile p = malloc(most / 2);
	free(p);
}

void er_mem_keep(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 32 * 1024 * 1024);
	(void)mallopt(M_TOP_PAD, 256 * 1024);
}

/* How often malloc has said no. Atomic: any thread. */
static uint64_t refusals;

uint64_t er_mem_refusals(void)
{
	return __atomic_load_n(&refusals, __ATOMIC_RELAXED);
}

/* Counted first: whoever catches the abort can tell it from other ones. */
static _Noreturn void refused(int line)
{
	__atomic_add_fetch(&refusals, 1, __ATOMIC_RELAXED);
	er_panic(__FILE__, line, "out of memory");
}

enum {
	CACHED = 1024,
	/* glibc's pieces: multiples of 16 bytes, of which 8 are its own, and never less than 32. */
	STEP = 16,
	OWN = 8,
	LEAST = 32,
	CLASSES = (CACHED + OWN + STEP - 1) / STEP + 1,
	LARGE = 0, /* the class of ER_MEM_LARGE: no small piece has this number */
	KEPT = 128,
	KEPT_LARGE = 32,
	NO_CLASS = -1,
};

static_assert((int)CACHED < (int)ER_MEM_LARGE, "a large piece is no small one");
static_assert(LEAST / STEP > LARGE, "the number of the large class is free");
static_assert((CACHED + OWN + STEP - 1) / STEP < CLASSES, "every small size has a class");

/* A free piece that its thread keeps: the link lies in the piece itself. */
typedef struct spare {
	struct spare *next;
} spare;
static_assert(sizeof(spare) <= LEAST - OWN, "the link fits the smallest piece");

static __thread struct {
	bool on;
	spare *first[CLASSES];
	unsigned n[CLASSES];
} kept;

/* Asking: the class whose pieces have room for n bytes (rounds up). */
static int class_for(size_t n)
{
	if (n > CACHED)
		return n == ER_MEM_LARGE ? LARGE : NO_CLASS;
	size_t whole = (n + OWN + STEP - 1) / STEP;
	return whole * STEP < LEAST ? LEAST / STEP : (int)whole;
}

/* Giving back: the class of a piece that has room for n bytes (rounds down). malloc may give more
 * room than was asked for, so a piece can come back into a higher class than it came from, never
 * into one that promises more than it has. */
static int class_of(size_t n)
{
	size_t whole = (n + OWN) / STEP;
	/* less than a step: no class, and not that of the large ones */
	if (whole > 0 && whole < CLASSES)
		return (int)whole;
	return n == ER_MEM_LARGE ? LARGE : NO_CLASS;
}

void er_mem_keep_here(bool on)
{
	kept.on = on && !ER_SANITIZED;
	for (unsigned i = 0; !on && i < CLASSES; i++) {
		for (spare *s; (s = kept.first[i]) != NULL; kept.n[i]--) {
			kept.first[i] = s->next;
			free(s);
		}
		ER_ASSERT(kept.n[i] == 0);
	}
}

void *er_alloc(size_t n)
{
	int class = kept.on ? class_for(n) : NO_CLASS;
	if (class != NO_CLASS && kept.first[class] != NULL) {
		spare *s = kept.first[class];
		kept.first[class] = s->next;
		ER_ASSERT(kept.n[class] > 0);
		kept.n[class]--;
		return s;
	}
	void *p = malloc(n ? n : 1);
	if (p == NULL)
		refused(__LINE__);
	return p;
}

void *er_zalloc(size_t n)
{
	/* glibc's calloc goes past the cache that its malloc has for small sizes. */
	if (n <= CACHED)
		return memset(er_alloc(n), 0, n);
	void *p = calloc(1, n);
	if (p == NULL)
		refused(__LINE__);
	return p;
}

void *er_realloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);
	if (q == NULL)
		refused(__LINE__);
	return q;
}

void er_free(void *p)
{
	int class = kept.on && p != NULL ? class_of(malloc_usable_size(p)) : NO_CLASS;
	if (class == NO_CLASS || kept.n[class] >= (class == LARGE ? KEPT_LARGE : KEPT)) {
		free(p);
		return;
	}
	spare *s = p;
	s->next = kept.first[class];
	kept.first[class] = s;
	kept.n[class]++;
}

void er_mem_trim(void)
{
	(void)malloc_trim(0);
}

char *er_strdup_slice(er_slice s)
{
	ER_ASSERT(s.n < SIZE_MAX);
	char *p = er_alloc(s.n + 1);
	er_copy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

char *er_strdup_cstr(const char *s)
{
	return er_strdup_slice(er_slice_cstr(s));
}

char *er_printf(const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ER_ASSERT(n >= 0);
	char *p = er_alloc((size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}
