/* Base64 of RFC 4648 4, 48 bytes and 64 digits at a time: digits and their values are converted
 * into each other 16 at once, and eight values become six bytes in one register. The last block is
 * filled up and its rest thrown away. Before that goes what a processor with AVX2 does at once
 * (base64_wide.h).
 *
 * The decoder of JSON's values is strict, so that a text has one meaning and bytes have one text:
 * what is exported comes back the same. */
#include "base/base64.h"

#include "base/base64_wide.h"
#include "base/mem.h"

/* Six bytes are read and written as eight. */
enum { BLOCK = 64, BLOCK_BYTES = BLOCK / 4 * 3, BLOCK_ROOM = BLOCK_BYTES + 2 };

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first of eight values lies in the lowest bits");
static_assert(BLOCK % 8 == 0 && BLOCK_BYTES == BLOCK / 8 * 6, "eight values are six bytes");

/* 16 characters, or 16 values. A comparison gives all bits where it holds, and none elsewhere; it
 * is one of signed bytes, which the processor has, and so 0x80 and above are less than all. */
typedef uint8_t several __attribute__((vector_size(16)));
typedef int8_t compared __attribute__((vector_size(16)));

#ifdef ER_WIDE_BASE64
static bool is_wide(void)
{
	return __builtin_cpu_supports("avx2");
}
#else
static bool is_wide(void)
{
	return false;
}

size_t er_base64_write_wide(er_slice bytes, uint8_t *to)
{
	(void)bytes, (void)to;
	return 0;
}

size_t er_base64_read_wide(er_slice digits, uint8_t *to)
{
	(void)digits, (void)to;
	return 0;
}
#endif

static several load(const uint8_t *p)
{
	several v;
	memcpy(&v, p, sizeof v);
	return v;
}

static several at_least(several c, int8_t first)
{
	return (several)((compared)c >= first);
}

static several within(several c, int8_t first, int8_t last)
{
	return at_least(c, first) & (several)((compared)c <= last);
}

/* False: a character is no digit. */
static bool values_of(const uint8_t *digits, uint8_t *values)
{
	several ok = ~(several){0};
	for (unsigned i = 0; i < BLOCK; i += sizeof(several)) {
		several c = load(digits + i), upper = within(c, 'A', 'Z'), lower = within(c, 'a', 'z'), number = within(c, '0', '9');
		several plus = (several)(c == '+'), slash = (several)(c == '/');
		several v = (upper & (c - 'A')) | (lower & (c - ('a' - 26))) | (number & (c + (52 - '0'))) | (plus & 62) | (slash & 63);
		ok &= upper | lower | number | plus | slash;
		memcpy(values + i, &v, sizeof v);
	}
	uint64_t half[2];
	memcpy(half, &ok, sizeof half);
	return (half[0] & half[1]) == UINT64_MAX;
}

/* Each comparison moves to the next range of the alphabet, up or down. */
static void digits_of(const uint8_t *values, uint8_t *digits)
{
	for (unsigned i = 0; i < BLOCK; i += sizeof(several)) {
		several v = load(values + i), c = v + 'A';
		c += at_least(v, 26) & ('a' - 'Z' - 1);
		c -= at_least(v, 52) & ('z' + 1 - '0');
		c -= at_least(v, 62) & ('9' + 1 - '+');
		c += at_least(v, 63) & ('/' - '+' - 1);
		memcpy(digits + i, &c, sizeof c);
	}
}

/* Values of 6 bits, then of 12, 24 and 48, the first one highest. */
static void pack(const uint8_t values[BLOCK], uint8_t bytes[BLOCK_ROOM])
{
	for (unsigned i = 0; i < BLOCK / 8; i++) {
		uint64_t w;
		memcpy(&w, values + (size_t)8 * i, 8);
		w = __builtin_bswap64(w);
		w = (w & 0x3F003F003F003F00) >> 2 | (w & 0x003F003F003F003F);
		w = (w & 0x0FFF00000FFF0000) >> 4 | (w & 0x00000FFF00000FFF);
		w = (w & 0x00FFFFFF00000000) >> 8 | (w & 0x0000000000FFFFFF);
		w = __builtin_bswap64(w << 16);
		memcpy(bytes + (size_t)6 * i, &w, 8);
	}
}

static void unpack(const uint8_t bytes[BLOCK_ROOM], uint8_t values[BLOCK])
{
	for (unsigned i = 0; i < BLOCK / 8; i++) {
		uint64_t w;
		memcpy(&w, bytes + (size_t)6 * i, 8);
		w = __builtin_bswap64(w) >> 16;
		w = (w & 0x0000FFFFFF000000) << 8 | (w & 0x0000000000FFFFFF);
		w = (w & 0x00FFF00000FFF000) << 4 | (w & 0x00000FFF00000FFF);
		w = (w & 0x0FC00FC00FC00FC0) << 2 | (w & 0x003F003F003F003F);
		w = __builtin_bswap64(w);
		memcpy(values + (size_t)8 * i, &w, 8);
	}
}

/* At most a block. */
static bool read_last(er_slice digits, uint8_t *to)
{
	uint8_t text[BLOCK], values[BLOCK], bytes[BLOCK_ROOM];
	ER_ASSERT(digits.n <= BLOCK);
	memset(text, 'A', sizeof text);
	memcpy(text, digits.p, digits.n);
	if (!values_of(text, values))
		return false;
	pack(values, bytes);
	memcpy(to, bytes, digits.n * 3 / 4);
	return true;
}

bool er_base64_read_narrow(er_slice digits, uint8_t *to)
{
	uint8_t values[BLOCK], bytes[BLOCK_ROOM];
	if (digits.n % 4 == 1)
		return false;
	for (; digits.n >= BLOCK; digits = er_slice_from(digits, BLOCK)) {
		if (!values_of(digits.p, values))
			return false;
		pack(values, bytes);
		memcpy(to, bytes, BLOCK_BYTES);
		to += BLOCK_BYTES;
	}
	return digits.n == 0 || read_last(digits, to);
}

bool er_base64_read(er_slice digits, uint8_t *to)
{
	size_t read = is_wide() ? er_base64_read_wide(digits, to) : 0;
	return er_base64_read_narrow(er_slice_from(digits, read), to + read / 4 * 3);
}

/* At most a block. */
static void write_last(er_slice bytes, uint8_t *to)
{
	uint8_t values[BLOCK], digits[BLOCK], all[BLOCK_ROOM] = {0};
	size_t used = (bytes.n * 4 + 2) / 3, room = er_base64_length(bytes.n);
	ER_ASSERT(bytes.n <= BLOCK_BYTES);
	memcpy(all, bytes.p, bytes.n);
	unpack(all, values);
	digits_of(values, digits);
	memset(digits + used, '=', room - used);
	memcpy(to, digits, room);
}

void er_base64_write_narrow(er_slice bytes, uint8_t *to)
{
	uint8_t values[BLOCK];
	for (; bytes.n >= BLOCK_ROOM; bytes = er_slice_from(bytes, BLOCK_BYTES)) {
		unpack(bytes.p, values);
		digits_of(values, to);
		to += BLOCK;
	}
	if (bytes.n > BLOCK_BYTES) { /* no more bytes after the block, which is read as if there were */
		write_last(er_slice_of(bytes.p, BLOCK_BYTES), to);
		to += BLOCK;
		bytes = er_slice_from(bytes, BLOCK_BYTES);
	}
	if (bytes.n > 0)
		write_last(bytes, to);
}

void er_base64_write(er_slice bytes, uint8_t *to)
{
	size_t written = is_wide() ? er_base64_write_wide(bytes, to) : 0;
	er_base64_write_narrow(er_slice_from(bytes, written), to + written / 3 * 4);
}

bool er_base64_decode(er_arena *a, er_slice text, er_slice *out)
{
	size_t pad = 0;
	if (text.n % 4 != 0)
		return false;
	/* Four digits are three bytes, so pad characters make the last group one or two bytes long. */
	while (pad < 2 && pad < text.n && text.p[text.n - 1 - pad] == '=')
		pad++;
	er_slice digits = er_slice_of(text.p, text.n - pad);
	uint8_t *to = er_arena_alloc(a, text.n / 4 * 3 + 1);
	if (!er_base64_read(digits, to))
		return false;
	/* What hangs over the last byte must be nothing, or two texts would mean the same bytes. */
	int stray = pad ? er_base64_digit(digits.p[digits.n - 1]) & (pad == 1 ? 3 : 15) : 0;
	*out = er_slice_of(to, digits.n * 3 / 4);
	return stray == 0;
}

void er_base64_encode(er_buf *b, er_slice bytes)
{
	size_t n = er_base64_length(bytes.n);
	er_base64_write(bytes, er_buf_reserve(b, n));
	er_buf_wrote(b, n);
}
