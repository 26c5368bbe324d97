/* A growable byte buffer, and the text that is written into one.
 *
 * [start, end) is unread, [end, cap) is free; before start lies what was consumed. er_buf_grow_
 * is the one place where bytes move: into the same memory if half of it was consumed (so that a
 * buffer which is read as fast as it is written neither grows nor copies all the time), else into
 * memory of twice the size. Therefore every slice of the buffer dies there. The struct is the
 * owner's and starts as zeros; the memory comes at the first write and goes with er_buf_fini. The
 * quick ways, which write without a call, are in the header. One thread. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void er_buf_fini(er_buf *b)
{
	er_free(b->p);
	*b = (er_buf){0};
}

void er_buf_wipe(er_buf *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->cap);
	er_buf_fini(b);
}

void er_buf_put_secret(er_buf *b, er_slice s)
{
	size_t need = er_buf_len(b) + s.n;
	if (b->p != NULL && b->cap - b->end < s.n) {
		er_buf more = {0};
		er_buf_reserve(&more, b->cap * 2 > need ? b->cap * 2 : need);
		er_buf_put(&more, er_buf_slice(b));
		er_buf_wipe(b);
		*b = more;
	}
	er_buf_put(b, s);
}

uint8_t *er_buf_grow_(er_buf *b, size_t n)
{
	size_t len = b->end - b->start;
	size_t need;
	ER_ASSERT(b->start <= b->end && b->end <= b->cap);
	ER_ASSERT(!__builtin_add_overflow(len, n, &need) && need <= SIZE_MAX / 2);
	/* Moving the unread part to the front is enough when half of the room is already consumed. */
	if (b->p != NULL && need <= b->cap && b->start >= b->cap / 2) {
		memmove(b->p, b->p + b->start, len);
	} else {
		size_t cap = b->cap ? b->cap : 256;
		while (cap < need)
			cap *= 2;
		uint8_t *p = er_alloc(cap);
		if (b->p != NULL)
			er_copy(p, b->p + b->start, len);
		er_free(b->p);
		b->p = p;
		b->cap = cap;
	}
	ER_ASSERT(b->cap >= need);
	b->start = 0;
	b->end = len;
	return b->p + b->end;
}

void er_buf_consume(er_buf *b, size_t n)
{
	ER_ASSERT(n <= b->end - b->start);
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

void er_buf_put_cstr(er_buf *b, const char *s)
{
	er_buf_put(b, er_slice_cstr(s));
}

void er_buf_put_u64(er_buf *b, uint64_t v)
{
	uint8_t digits[20];
	er_buf_put(b, er_u64_text(v, digits));
}

void er_buf_printf(er_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ER_ASSERT(n >= 0);
	char *to = (char *)er_buf_reserve(b, (size_t)n + 1);
	vsnprintf(to, (size_t)n + 1, fmt, again);
	va_end(again);
	b->end += (size_t)n;
}

size_t er_utf8_len(er_slice s)
{
	ER_ASSERT(s.n > 0);
	uint8_t c = s.p[0];
	/* C0 and C1 would be overlong forms of ASCII; F5 and higher lie beyond U+10FFFF. */
	size_t n = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : (c & 0xF0) == 0xE0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
	if (n == 0 || n > s.n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s.p[i] & 0xC0) != 0x80)
			return 0;
	/* Overlong (E0, F0), a surrogate (ED), beyond U+10FFFF (F4): the second byte says it. */
	if ((c == 0xE0 && s.p[1] < 0xA0) || (c == 0xED && s.p[1] > 0x9F) || (c == 0xF0 && s.p[1] < 0x90) ||
	    (c == 0xF4 && s.p[1] > 0x8F))
		return 0;
	return n;
}

/* Eight bytes of ASCII at once, since text is mostly that. */
size_t er_utf8_prefix(er_slice s)
{
	size_t at = 0;
	while (at < s.n) {
		uint64_t eight = 0x8080808080808080;
		if (s.n - at >= sizeof eight)
			memcpy(&eight, s.p + at, sizeof eight);
		size_t n = (eight & 0x8080808080808080) == 0 ? sizeof eight : er_utf8_len(er_slice_from(s, at));
		if (n == 0)
			break;
		at += n;
	}
	ER_ASSERT(at <= s.n);
	return at;
}

bool er_utf8_valid(er_slice s)
{
	return er_utf8_prefix(s) == s.n;
}

/* How many of the first bytes stand for themselves in a JSON string: text is mostly that. */
static size_t json_plain(er_slice s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] >= 0x20 && s.p[n] < 0x7f && s.p[n] != '"' && s.p[n] != '\\')
		n++;
	return n;
}

void er_buf_put_json(er_buf *b, er_slice s)
{
	er_buf_reserve(b, s.n + 2);
	er_buf_putc(b, '"');
	for (;;) {
		size_t plain = json_plain(s);
		er_buf_put(b, er_slice_head(s, plain));
		s = er_slice_from(s, plain);
		if (s.n == 0)
			break;
		uint8_t c = s.p[0];
		size_t n = er_utf8_len(s);
		if (n == 0) {
			er_buf_puts(b, "\\ufffd");
			n = 1;
		} else if (c == '"' || c == '\\') {
			er_buf_putc(b, '\\');
			er_buf_putc(b, c);
		} else if (c == '\n') {
			er_buf_puts(b, "\\n");
		} else if (n == 1) {
			er_buf_printf(b, "\\u%04x", c);
		} else {
			er_buf_put(b, er_slice_head(s, n));
		}
		s = er_slice_from(s, n);
	}
	er_buf_putc(b, '"');
}

/* A code point of UTF-8 that is valid, as its first n bytes. */
static uint32_t code_point(const uint8_t *p, size_t n)
{
	static const uint8_t first[] = {0x7f, 0x1f, 0x0f, 0x07};
	ER_ASSERT(n >= 1 && n <= sizeof first);
	uint32_t c = p[0] & first[n - 1];
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

void er_buf_put_json_ascii(er_buf *b, er_slice json)
{
	for (size_t n; json.n > 0; json = er_slice_from(json, n)) {
		n = er_utf8_len(json);
		uint32_t c = n > 0 ? code_point(json.p, n) : 0xfffd;
		n = n > 0 ? n : 1;
		if (c < 0x20) /* between values: in a string it is escaped */
			er_buf_putc(b, ' ');
		else if (c < 0x7f)
			er_buf_putc(b, (uint8_t)c);
		else if (c < 0x10000)
			er_buf_printf(b, "\\u%04x", c);
		else
			er_buf_printf(b, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
	}
}
