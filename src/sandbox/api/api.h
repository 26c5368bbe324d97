/* What the natives share: keys of bodies, and how an error is told to the node. */
#ifndef ER_SANDBOX_API_API_H
#define ER_SANDBOX_API_API_H

#include "sandbox/engine.h"
#include "sandbox/sandbox.h"

/* key = id * 2 names a request's body, key = fid * 2 + 1 a subrequest's. */
typedef struct er_key {
	uint32_t id;
	bool sub;
} er_key;

static inline er_key er_key_from(uint64_t k)
{
	return (er_key){(uint32_t)(k >> 1), (k & 1) != 0};
}

static inline er_key er_key_of(er_value v)
{
	return er_key_from(er_js_to_u64(v));
}

static inline uint8_t er_key_flag(er_key k)
{
	return k.sub ? ER_FF_SUB : 0;
}

static inline er_value er_key_value(uint32_t id, bool sub)
{
	return er_js_number((double)er_body_key(id, sub));
}

/* How long a stream is that JavaScript sends; negative: it cannot say. */
static inline uint64_t er_js_to_length(er_value v)
{
	return v != NULL && er_js_to_number(v) >= 0 ? er_js_to_u64(v) : ER_STREAM_OPEN;
}

/* A complete body as bytes: borrowed from a buffer, or a string's UTF-8 in *text, which must be
 * finished in either case but failure. */
ER_MUST_CHECK bool er_whole_body(er_value v, er_text *text, er_slice *out, er_value *exception);

/* name, message and stack of whatever was thrown, each cut to what a log line can bear. */
typedef struct er_report {
	er_text name, message, stack;
	er_err_kind kind; /* MEMORY when the engine ran out of it, else EXCEPTION */
} er_report;
void er_report_of(er_report *rep, er_value error);
void er_report_fini(er_report *rep);
/* Bytes of its three strings in a frame, and writing them. */
uint32_t er_report_n(const er_report *rep);
void er_report_put(const er_report *rep, er_writer *w);
/* Sends EXCEPTION. If memory ran out and it is fatal, the process ends. */
void er_report_send(uint32_t id, const er_report *rep, bool fatal);

#endif
