/* Writing the JSON of an answer: the commas take care of themselves. A NULL key: an element of an
 * array. */
#ifndef ER_CONTROL_OUT_H
#define ER_CONTROL_OUT_H

#include "base/buf.h"
#include "store/store.h"

typedef struct er_out {
	er_buf b;
	bool comma; /* before the next member or element */
} er_out;

static inline void er_out_fini(er_out *o)
{
	er_buf_fini(&o->b);
}
/* Begins an object or an array as a member of what is open. */
void er_out_open(er_out *o, const char *key, char bracket);
void er_out_close(er_out *o, char bracket);
void er_out_str(er_out *o, const char *key, er_slice s);
/* Not written at all when s is empty. */
void er_out_opt(er_out *o, const char *key, er_slice s);
void er_out_u64(er_out *o, const char *key, uint64_t v);
void er_out_bool(er_out *o, const char *key, bool v);
/* One digit behind the point. */
void er_out_tenth(er_out *o, const char *key, double v);
/* Microseconds as milliseconds, three digits behind the point. */
void er_out_ms(er_out *o, const char *key, uint64_t us);
/* RFC 3339, UTC, with milliseconds. */
void er_out_time(er_out *o, const char *key, int64_t ms);
void er_out_hash(er_out *o, const char *key, const er_hash *h);
/* JSON text as it is; empty: null. */
void er_out_json(er_out *o, const char *key, er_slice json);

/* "2026-01-31T12:34:56.789Z" to milliseconds since 1970; fractions and "Z" may be missing, offsets
 * are refused. */
bool er_time_parse(er_slice text, int64_t *ms);

#endif
