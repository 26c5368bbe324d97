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

void er_mem_keep(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 32 * 1024 * 1024);
	(void)mallopt(M_TOP_PAD, 256 * 1024);
}

enum { CACHED = 1024 };

void *er_alloc(size_t n)
{
	void *p = malloc(n ? n : 1);
	if (p == NULL)
		er_panic(__FILE__, __LINE__, "out of memory");
	return p;
}

void *er_zalloc(size_t n)
{
	/* glibc's calloc goes past the cache that its malloc has for small sizes. */
	if (n <= CACHED)
		return memset(er_alloc(n), 0, n);
	void *p = calloc(1, n);
	if (p == NULL)
		er_panic(__FILE__, __LINE__, "out of memory");
	return p;
}

void *er_realloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);
	if (q == NULL)
		er_panic(__FILE__, __LINE__, "out of memory");
	return q;
}

void er_free(void *p)
{
	free(p);
}

void er_mem_trim(void)
{
	(void)malloc_trim(0);
}

char *er_strdup_slice(er_slice s)
{
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
