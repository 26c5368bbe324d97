/* Writing JSON: the commas take care of themselves. A NULL key: an element of an array. Keys are
 * ours and need no escaping. */
#ifndef ER_BASE_JSON_OUT_H
#define ER_BASE_JSON_OUT_H

#include "base/arena.h"
#include "base/buf.h"

/* {0} is one without anything. */
typedef struct er_out {
	er_buf b;
	bool comma; /* before the next member or element */
} er_out;

static inline void er_out_fini(er_out *o)
{
	er_buf_fini(&o->b);
}
/* One that goes on in *b, whose bytes it takes; er_out_back gives them back. */
static inline er_out er_out_into(er_buf *b)
{
	er_out o = {.b = *b};
	*b = (er_buf){0};
	return o;
}
static inline void er_out_back(er_out *o, er_buf *b)
{
	*b = o->b;
	*o = (er_out){0};
}
/* The text, in the arena; nothing is left of *o. */
er_slice er_out_take(er_out *o, er_arena *a);
/* Begins an object or an array as a member of what is open. */
void er_out_open(er_out *o, const char *key, char bracket);
void er_out_close(er_out *o, char bracket);
void er_out_str(er_out *o, const char *key, er_slice s);
/* NULL: null. */
void er_out_cstr(er_out *o, const char *key, const char *s);
/* Not written at all when s is empty. */
void er_out_opt(er_out *o, const char *key, er_slice s);
void er_out_u64(er_out *o, const char *key, uint64_t v);
void er_out_bool(er_out *o, const char *key, bool v);
/* So many digits behind the point. */
void er_out_fixed(er_out *o, const char *key, double v, int digits);
/* 16 hexadecimal digits, as a string. */
void er_out_id(er_out *o, const char *key, uint64_t v);
/* Microseconds as milliseconds, three digits behind the point. */
void er_out_ms(er_out *o, const char *key, uint64_t us);
/* RFC 3339, UTC, with milliseconds. */
void er_out_time(er_out *o, const char *key, int64_t ms);
void er_out_hex(er_out *o, const char *key, er_slice bytes);
/* JSON text as it is; empty: null. */
void er_out_json(er_out *o, const char *key, er_slice json);
/* Behind a whole value: the next one is on a line of its own. */
void er_out_line(er_out *o);

/* "2026-01-31T12:34:56.789Z" to milliseconds since 1970; fractions and "Z" may be missing, offsets
 * are refused. */
bool er_time_parse(er_slice text, int64_t *ms);

#endif
