/* base64.c's loops for processors with AVX2, 32 digits at a time. They do whole groups only, as far
 * as they can without touching what is behind the buffers; base64.c does the rest. */
#ifndef ER_BASE_BASE64_WIDE_H
#define ER_BASE_BASE64_WIDE_H

#include "base/slice.h"

/* How many bytes were written as digits: a multiple of 24. */
size_t er_base64_write_wide(er_slice bytes, uint8_t *to);
/* How many digits were read: a multiple of 32. It stops before what is no digit. `to` may be where
 * the digits are. */
size_t er_base64_read_wide(er_slice digits, uint8_t *to);
/* er_base64_write and er_base64_read as they are on any processor. */
void er_base64_write_narrow(er_slice bytes, uint8_t *to);
bool er_base64_read_narrow(er_slice digits, uint8_t *to);

#endif
