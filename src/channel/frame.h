/* Frames: what the node and a sandbox say to each other over the rings. Little-endian, a head of 16 bytes, a payload of at most
 * ER_FRAME_MAX bytes, padded to 8. No frame names a tenant: the ring is the identity.
 *
 * Ids. A *request* is numbered by the node (nonzero, never used again in one instance). A *subrequest* (fetch) is numbered by the
 * sandbox (nonzero, never again while it lives). A frame about a body names the request, or with ER_FF_SUB the subrequest, whose body it is:
 *
 *    node's bodies (the sandbox may read or relay them):    request's upload (id)       subrequest's response (id, SUB)
 *    sandbox's bodies (streams JavaScript writes):          request's response (id)     subrequest's upload (id, SUB)
 *
 * Credit. Bytes of a node's body come only as asked by PULL. A sandbox may send ER_CREDIT_START bytes of a body of its own, then as much as CREDIT adds.
 *
 * A block of header fields is "name\nvalue\n" for each, Latin-1, names in lower case when the node says it; the receiver checks every name and value.
 * A "string" is a u32 length and that many bytes. */
#ifndef ER_CHANNEL_FRAME_H
#define ER_CHANNEL_FRAME_H

#include "base/mem.h"
#include "base/slice.h"
#include "channel/ring.h"

enum {
	ER_FRAME_HEAD = 16,
	ER_FRAME_MAX = 64 * 1024,  /* payload */
	ER_FRAME_DATA = 16 * 1024, /* the most bytes in one BODY_DATA */
	ER_CREDIT_START = 64 * 1024,
	ER_INLINE_BODY = 8 * 1024, /* a complete body up to this size rides in the head's frame */
};

/* name: direction and payload. n>s: node to sandbox; s>n: sandbox to node. */
#define ER_FRAME_TABLE(X) \
	/* n>s: strings: routine name, version, source url, env JSON; then er_load_limits as u32s in order; then CODE frames */ \
	X(LOAD) \
	/* n>s: bytes of the script (UTF-8); FIN on the last */ \
	X(CODE) \
	/* n>s id: strings: method, url, fields block, info block ("remote_addr\n1.2.3.4\nscheme\nhttp\n"); arg: length of the upload, or \
	   ER_LEN_UNKNOWN; flags: BODY (there is an upload), INLINE (the rest of the payload is all of it) */ \
	X(REQUEST) \
	/* both id [SUB] [FIN]: bytes; s>n, with FIN, of a response: arg: CPU us so far */ \
	X(BODY_DATA) \
	/* both id [SUB], aux: er_err_kind; the body broke off */ \
	X(BODY_FAIL) \
	/* n>s id [SUB], arg: bytes more of the sandbox's body that may be sent */ \
	X(CREDIT) \
	/* s>n id [SUB], arg: bytes more of the node's body that may be sent */ \
	X(PULL) \
	/* s>n id [SUB]: drain what is left of the node's body natively ("ignore") */ \
	X(DRAIN) \
	/* both id [SUB], aux: reason; the reader of the body wants no more of it. n>s: of the sandbox's body; s>n: of the node's body */ \
	X(BODY_CANCEL) \
	/* n>s id SUB: aux: status; arg: body length or ER_LEN_UNKNOWN; flags: BODY; strings: reason, fields block, url list (\n between, last is final) */ \
	X(SUB_HEAD) \
	/* n>s id SUB: aux: er_err_kind; payload: text for a person */ \
	X(SUB_FAIL) \
	/* n>s id: aux: er_err_kind; the client is gone or the time is up; request.signal aborts, nothing more is wanted */ \
	X(CANCEL) \
	/* n>s: no more requests will come; finish what is running, then exit 0 */ \
	X(CLOSE) \
	/* s>n: the sandbox is locked down and waits for code; aux: er_level; string: engine version */ \
	X(READY) \
	/* s>n: top-level code has run; arg: CPU in us; aux: 0 or er_err_kind, then strings as in EXCEPTION */ \
	X(LOADED) \
	/* s>n id: aux: status; arg: CPU us so far; flags: DONE, and one of INLINE (rest of payload is the body), STREAM (BODY_DATA follows), \
	   RELAY (u32: id, u32: 1 if SUB after the strings), none: empty; strings: reason, fields block */ \
	X(RESPONSE) \
	/* s>n id: the routine does not answer: the rest of the chain does. Body untouched or already read from: the node decides */ \
	X(PASS) \
	/* s>n id: everything of the request is over, waitUntil too; arg: CPU us in all */ \
	X(DONE) \
	/* s>n id: arg: CPU us so far; sent after long turns */ \
	X(METER) \
	/* s>n id: of the subrequest; arg: the request that owns it; aux: er_fetch_options; flags: as RESPONSE for the body; strings: method, url, fields block */ \
	X(FETCH) \
	/* s>n id: the routine aborted the fetch */ \
	X(FETCH_CANCEL) \
	/* s>n id (0: top-level), aux: level 0 debug, 1 log, 2 info, 3 warn, 4 error; payload: UTF-8 text */ \
	X(LOG) \
	/* s>n id: aux: er_err_kind (EXCEPTION, MEMORY, ...); flags: FATAL (the request failed with it), else only reported; \
	   strings: name, message, stack */ \
	X(EXCEPTION)

typedef enum er_frame_type {
	ER_FRAME_NONE,
#define X(name) ER_FRAME_##name,
	ER_FRAME_TABLE(X)
#undef X
	    ER_FRAME_COUNT_
} er_frame_type;

enum {
	ER_FF_FIN = 1,
	ER_FF_SUB = 2,
	ER_FF_BODY = 4,
	ER_FF_INLINE = 8,
	ER_FF_STREAM = 16,
	ER_FF_RELAY = 32,
	ER_FF_DONE = 64,
	ER_FF_FATAL = 128,
};

#define ER_LEN_UNKNOWN UINT32_MAX /* also said for lengths that do not fit 32 bits */

/* aux of FETCH */
enum {
	ER_FETCH_REDIRECT_MASK = 3,    /* 0 follow, 1 manual, 2 error */
	ER_FETCH_CDN_PROXY = 4,        /* cdnProxy: true */
	ER_FETCH_SELF = 8,             /* fetch(event.request): the standard process of the request's own host */
	ER_FETCH_DECOMPRESS_SHIFT = 4, /* two bits: 0 decompress, 1 fallbackIdentity, 2 manual */
};

typedef enum er_level { ER_LEVEL_NONE, ER_LEVEL_SECCOMP_ONLY, ER_LEVEL_NO_USERNS, ER_LEVEL_FULL } er_level;
const char *er_level_name(er_level level);

/* In LOAD, as u32s in this order. */
typedef struct er_load_limits {
	uint32_t cpu_us;      /* a request */
	uint32_t load_cpu_us; /* top-level code */
	uint32_t memory_kb;   /* of the whole instance, above what an empty one takes */
	uint32_t subrequests; /* a request */
	uint32_t timers;      /* live, a request */
	uint32_t code_n;      /* bytes of CODE that follow */
	uint32_t compat;      /* ER_COMPAT_* */
} er_load_limits;

enum {
	ER_COMPAT_ENV_LAST = 1,        /* fetch(request, ctx, env) instead of (request, env, ctx) */
	ER_COMPAT_REDIRECT_MANUAL = 2, /* fetch's default redirect mode is manual */
};

/* The head of a frame, copied out of the ring. */
typedef struct er_frame {
	uint32_t n; /* payload bytes, without padding */
	uint8_t type;
	uint8_t flags;
	uint16_t aux;
	uint32_t id;
	uint32_t arg;
} er_frame;
_Static_assert(sizeof(er_frame) == ER_FRAME_HEAD, "the layout on the wire");

const char *er_frame_name(unsigned type);

/* ---- writing ---- */
/* Room for a frame with exactly f->n payload bytes: writes head and padding, returns where the payload goes; NULL: no room now (wait) or
 * broken ring. Commits: the payload must be filled before the next er_ring_publish. f->n <= ER_FRAME_MAX. */
uint8_t *er_frame_write(er_ring *out, const er_frame *f);

typedef struct er_writer {
	uint8_t *p;
} er_writer;
static inline void er_put_u32(er_writer *w, uint32_t v)
{
	memcpy(w->p, &v, 4);
	w->p += 4;
}
static inline void er_put_bytes(er_writer *w, er_slice s)
{
	er_copy(w->p, s.p, s.n);
	w->p += s.n;
}
static inline void er_put_string(er_writer *w, er_slice s)
{
	er_put_u32(w, (uint32_t)s.n);
	er_put_bytes(w, s);
}

/* ---- reading ---- */
typedef enum er_frame_status { ER_FRAME_OK, ER_FRAME_WAIT, ER_FRAME_BROKEN } er_frame_status;
/* Looks at the first frame of `bytes` (from er_ring_peek). OK: *f is a copy of the head, *payload still lies in the ring, *whole is
 * what to release or skip. BROKEN: a length that cannot be, an unknown type, a frame cut by the published end. */
er_frame_status er_frame_read(er_slice bytes, er_frame *f, er_slice *payload, size_t *whole);

/* Reads a payload (a private copy of it, when it comes from a sandbox). Sticky: after the first failure all reads give zeros and `bad` stays set. */
typedef struct er_reader {
	er_slice rest;
	bool bad;
} er_reader;
uint32_t er_get_u32(er_reader *r);
er_slice er_get_bytes(er_reader *r, size_t n);
er_slice er_get_string(er_reader *r);

#endif
