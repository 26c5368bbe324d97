/* "Did you mean ...?": the known word that is closest to one a person mistyped. */
#ifndef ER_BASE_NEAREST_H
#define ER_BASE_NEAREST_H

#include "base/slice.h"

/* By edit distance without case; empty if nothing is near (more than a third of the letters
 * differ). Words over 64 bytes match nothing. */
er_slice er_nearest(er_slice word, const er_slice *known, size_t n);

#endif
