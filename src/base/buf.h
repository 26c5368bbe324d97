/* A growable byte buffer with a read cursor: write at the end, consume at the front.
 * The caller owns the struct (init/fini); slices taken from it die at the next write. */
#ifndef ER_BASE_BUF_H
#define ER_BASE_BUF_H

#include "base/mem.h"
#include "base/slice.h"

typedef struct er_buf {
	uint8_t *p;
	size_t start; /* first unread byte */
	size_t end;   /* first free byte */
	size_t cap;
} er_buf;

/* An empty buffer has no memory; all zero is empty, too. */
static inline void er_buf_init(er_buf *b)
{
	*b = (er_buf){0};
}
/* Frees the bytes; the buffer is empty afterwards and may be used again. */
void er_buf_fini(er_buf *b);
/* The same for bytes that nobody may find afterwards: all of the memory is overwritten first. */
void er_buf_wipe(er_buf *b);
/* Appends a copy, as er_buf_put; where the bytes move, none are left behind. */
void er_buf_put_secret(er_buf *b, er_slice s);
/* er_buf_reserve where the room has to be made: bytes move. */
uint8_t *er_buf_grow_(er_buf *b, size_t n) __attribute__((cold, noinline));
/* Makes room for n more bytes and returns where to write them; follow with er_buf_wrote. */
static inline uint8_t *er_buf_reserve(er_buf *b, size_t n)
{
	if (__builtin_expect(b->cap - b->end >= n && b->p != NULL, 1))
		return b->p + b->end;
	return er_buf_grow_(b, n);
}
/* n bytes were written where er_buf_reserve said; n is at most what was reserved. */
static inline void er_buf_wrote(er_buf *b, size_t n)
{
	ER_ASSERT(n <= b->cap - b->end);
	b->end += n;
}
/* All that is unread. Borrowed: gone with the next write. */
static inline er_slice er_buf_slice(const er_buf *b)
{
	/* Adding nothing to no pointer is undefined in C. */
	return er_slice_of(b->start > 0 ? b->p + b->start : b->p, b->end - b->start);
}
static inline size_t er_buf_len(const er_buf *b)
{
	return b->end - b->start;
}
/* Drops n bytes from the front. */
void er_buf_consume(er_buf *b, size_t n);
/* Forgets what is unread and keeps the memory. */
static inline void er_buf_clear(er_buf *b)
{
	b->start = b->end = 0;
}

/* Appends a copy; `s` may not lie in the buffer itself, which may move. */
static inline void er_buf_put(er_buf *b, er_slice s)
{
	er_copy(er_buf_reserve(b, s.n), s.p, s.n);
	b->end += s.n;
}
static inline void er_buf_putc(er_buf *b, uint8_t c)
{
	*er_buf_reserve(b, 1) = c;
	b->end++;
}
/* For literals, whose length the compiler knows. */
#define er_buf_puts(b, lit) er_buf_put((b), ER_LIT(lit))
void er_buf_put_cstr(er_buf *b, const char *s);
void er_buf_put_u64(er_buf *b, uint64_t v); /* decimal */
void er_buf_printf(er_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Appends s as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD. */
void er_buf_put_json(er_buf *b, er_slice s);
/* JSON text on one line of ASCII, as a header field can have it: what is not ASCII stands in
 * strings alone, and is escaped. */
void er_buf_put_json_ascii(er_buf *b, er_slice json);

/* Length of the valid UTF-8 sequence that s (not empty) begins with (RFC 3629), or 0. */
size_t er_utf8_len(er_slice s);
/* How many bytes of s are valid UTF-8, from its beginning on. */
size_t er_utf8_prefix(er_slice s);
/* RFC 3629, from the first byte to the last. */
bool er_utf8_valid(er_slice s);

/* Little-endian fixed-size numbers, for frames. */
static inline void er_buf_put_le32(er_buf *b, uint32_t v)
{
	memcpy(er_buf_reserve(b, 4), &v, 4);
	b->end += 4;
}
static inline void er_buf_put_le64(er_buf *b, uint64_t v)
{
	memcpy(er_buf_reserve(b, 8), &v, 8);
	b->end += 8;
}

#endif
