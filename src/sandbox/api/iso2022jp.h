/* ISO-2022-JP as the Encoding Standard decodes it (12.2.1). ICU's converter takes other escapes and
 * passes control characters on. */
#ifndef ER_SANDBOX_API_ISO2022JP_H
#define ER_SANDBOX_API_ISO2022JP_H

#include "base/slice.h"

#include <stdbool.h>
#include <unicode/ucnv.h>

typedef enum er_iso2022jp_state {
	ER_JP_ASCII,
	ER_JP_ROMAN,
	ER_JP_KATAKANA,
	ER_JP_LEAD,
	ER_JP_TRAIL,
	ER_JP_ESCAPE_START,
	ER_JP_ESCAPE,
} er_iso2022jp_state;

/* Zeroed: at the beginning. */
typedef struct er_iso2022jp {
	er_iso2022jp_state state, output; /* where it is; where it is when an escape has failed */
	uint8_t lead;
	bool escaped; /* the last thing was an escape */
} er_iso2022jp;

/* `out` has room for a unit for each byte, and three more. euc_jp: has the characters of two bytes.
 * False: fatal and malformed. Begins anew after an end or a failure. */
bool er_iso2022jp_decode(er_iso2022jp *d, UConverter *euc_jp, er_slice s, bool flush, bool fatal, uint16_t *out, size_t *n);

#endif
