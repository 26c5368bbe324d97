/* Reads the pattern of a route (model/pattern.h). A pattern is read by the same parsers as the host
 * and the path of a request (url_host.h, target.h), so that it means the same in whatever spelling
 * it was written: a name with letters beyond ASCII is its punycode. Pure. */
#ifndef ER_HTTP_PATTERN_H
#define ER_HTTP_PATTERN_H

#include "base/arena.h"
#include "base/err.h"
#include "model/pattern.h"

/* Slices point into `text`, or lie in the arena where the spelling had to be changed. False: *err
 * says what cannot be there. */
ER_MUST_CHECK bool er_pattern_parse(er_arena *a, er_slice text, er_pattern *out, er_err *err);
/* The pattern in its one spelling: `text` itself if it is in that. False: as er_pattern_parse. */
ER_MUST_CHECK bool er_pattern_normal(er_arena *a, er_slice text, er_slice *out, er_err *err);
/* Both are patterns, and the same one. */
bool er_pattern_same(er_arena *a, er_slice one, er_slice other);

#endif
