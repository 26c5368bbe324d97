/* The Encoding Standard's labels, and what decodes each encoding. Pure tables. */
#ifndef ER_SANDBOX_API_LABELS_H
#define ER_SANDBOX_API_LABELS_H

#include "base/slice.h"

typedef struct er_encoding {
	const char *name; /* lower case, as TextDecoder.encoding says it */
	enum {
		ER_ENC_UTF8,
		ER_ENC_UTF16LE,
		ER_ENC_UTF16BE,
		ER_ENC_ICU,
		ER_ENC_ISO2022JP, /* by iso2022jp.c, with ICU's EUC-JP for its two bytes */
		ER_ENC_USER,      /* x-user-defined */
		ER_ENC_LATIN10,   /* ISO-8859-16, which ICU does not have */
		ER_ENC_REPLACEMENT,
	} kind;
	const char *icu;
	const char *labels; /* separated by spaces; contains the name */
} er_encoding;

/* White space around it and case do not matter. NULL: unknown. */
const er_encoding *er_encoding_find(er_slice label);
/* The character of a byte from 80 on, of USER and LATIN10. */
uint16_t er_encoding_high(const er_encoding *e, uint8_t byte);
/* What a byte alone stands for where ICU's table is not the standard's: a character, U+FFFD if it
 * means nothing, 0 if ICU is right. */
uint16_t er_encoding_mended(const er_encoding *e, uint8_t byte);

#endif
