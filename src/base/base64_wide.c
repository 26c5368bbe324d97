/* Built for processors with AVX2, and called on those alone. Both directions after Mula and Lemire
 * ("Faster Base64 Encoding and Decoding Using AVX2 Instructions"): values are moved to their bits
 * by multiplication, and a character's upper half says which range of the alphabet it is in. */
#include "base/base64_wide.h"

#include <immintrin.h>

enum { BYTES = 24, DIGITS = 32, HALF = 12 };

static __m256i twice(__m128i half)
{
	return _mm256_broadcastsi128_si256(half);
}

/* 12 bytes in each half become 16 values of 6 bits. */
static __m256i values_of(const uint8_t *p)
{
	__m256i in = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p)),
	                                     _mm_loadu_si128((const __m128i *)(const void *)(p + HALF)), 1);
	in = _mm256_shuffle_epi8(in, twice(_mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10)));
	__m256i first = _mm256_mulhi_epu16(_mm256_and_si256(in, _mm256_set1_epi32(0x0fc0fc00)), _mm256_set1_epi32(0x04000040));
	__m256i second = _mm256_mullo_epi16(_mm256_and_si256(in, _mm256_set1_epi32(0x003f03f0)), _mm256_set1_epi32(0x01000010));
	return _mm256_or_si256(first, second);
}

/* What is to be added to a value is found by its range: 0 for a to z, 1 to 10 for the digits, 11
 * and 12 for the signs, 13 for A to Z. */
static __m256i digits_of(__m256i values)
{
	__m256i range = _mm256_subs_epu8(values, _mm256_set1_epi8(51));
	__m256i upper = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), values);
	range = _mm256_or_si256(range, _mm256_and_si256(upper, _mm256_set1_epi8(13)));
	__m256i add = twice(_mm_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
	                                  '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0));
	return _mm256_add_epi8(values, _mm256_shuffle_epi8(add, range));
}

size_t er_base64_write_wide(er_slice bytes, uint8_t *to)
{
	size_t i = 0;
	/* it looks at four more than it takes */
	for (; bytes.n - i >= BYTES + 4; i += BYTES, to += DIGITS)
		_mm256_storeu_si256((__m256i *)(void *)to, digits_of(values_of(bytes.p + i)));
	return i;
}

/* False: one is no digit. Each half of a character says by a bit which of the other it does not go
 * with. */
static bool read_digits(__m256i in, __m256i *values)
{
	__m256i by_low =
	    twice(_mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a));
	__m256i by_high =
	    twice(_mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10));
	__m256i add = twice(_mm_setr_epi8(0, 63 - '/', 62 - '+', 52 - '0', -'A', -'A', 26 - 'a', 26 - 'a', 0, 0, 0, 0, 0, 0, 0, 0));
	__m256i high = _mm256_and_si256(_mm256_srli_epi32(in, 4), _mm256_set1_epi8(0x0f));
	__m256i low = _mm256_and_si256(in, _mm256_set1_epi8(0x0f));
	if (!_mm256_testz_si256(_mm256_shuffle_epi8(by_low, low), _mm256_shuffle_epi8(by_high, high)))
		return false;
	/* "/" is in the range of "+" and has a place of its own, the one before. */
	__m256i slash = _mm256_cmpeq_epi8(in, _mm256_set1_epi8('/'));
	*values = _mm256_add_epi8(in, _mm256_shuffle_epi8(add, _mm256_add_epi8(high, slash)));
	return true;
}

/* 24 bytes, and eight behind them that do not count. */
static __m256i bytes_of(__m256i values)
{
	__m256i pairs = _mm256_maddubs_epi16(values, _mm256_set1_epi32(0x01400140));
	__m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
	__m256i halves = _mm256_shuffle_epi8(fours, twice(_mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1)));
	return _mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7));
}

size_t er_base64_read_wide(er_slice digits, uint8_t *to)
{
	enum { ROOM = 44 }; /* as many digits are more than 32 bytes */
	size_t i = 0;
	for (; digits.n - i >= ROOM; i += DIGITS, to += BYTES) {
		__m256i values;
		if (!read_digits(_mm256_loadu_si256((const __m256i *)(const void *)(digits.p + i)), &values))
			break;
		_mm256_storeu_si256((__m256i *)(void *)to, bytes_of(values));
	}
	return i;
}
