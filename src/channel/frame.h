/* Frames: what the node and a sandbox say to each other over the rings. Little-endian, a head of 16
 * bytes, a payload of at most ER_FRAME_MAX bytes, padded to 8. The numbers: contract.h. No frame
 * names a tenant: the ring is the identity.
 *
 * Ids. A *request* is numbered by the node (nonzero, never used again in one instance). A
 * *subrequest* (fetch) is numbered by the sandbox (nonzero, never again while it lives), and so is
 * a copy of a body. A frame about a body names the request, or with ER_FF_SUB the subrequest, whose
 * body it is:
 *
 *                                   of a request       of a subrequest (SUB)
 *    node's (read or relayed)       its upload         its response
 *    sandbox's (JavaScript writes)  its response       its upload
 *
 * Copies. A copy of a node's body (CLONE) is numbered and named like a subrequest's response. The
 * bytes stay in the node until one of the two is read there.
 *
 * Subrequests. LOAD says how many an instance may begin, SUB_CREDIT how many more: so many as have
 * ended, for the node, with all that they held. A FETCH without that credit breaks the rules: a
 * sandbox keeps its further subrequests to itself until there is some.
 *
 * Credit. Bytes of a node's body come only as asked by PULL. A sandbox may send ER_CREDIT_START
 * bytes of a body of its own, then as much as CREDIT adds.
 *
 * A block of header fields is "name\nvalue\n" for each, Latin-1, names in lower case when the node
 * says it; the receiver checks every name and value. A "string" is a u32 length and that many
 * bytes.
 *
 * A stream's length is a u64, ER_STREAM_OPEN if nobody knows it. It is the truth about the bytes
 * that follow: a Content-Length among the fields decides nothing about a response. */
#ifndef ER_CHANNEL_FRAME_H
#define ER_CHANNEL_FRAME_H

#include "base/mem.h"
#include "base/slice.h"
#include "channel/contract.h"
#include "channel/ring.h"
#include "model/level.h"

/* Each frame: who sends it (n>s: node to sandbox; s>n: sandbox to node; both), what the head's
 * members mean in it, and its payload. "id": head.id is used; "[SUB]": ER_FF_SUB may be set. Times
 * are CPU time in microseconds. */
#define ER_FRAME_TABLE(X) \
	/* n>s: what to run. Payload: the strings routine name, version, source URL, environment as \
	   JSON; then er_load_limits as u32s in order; then, if there are any, the string of what \
	   else env has: "kv\nNAME\nNAMESPACE\n", "service\nNAME\nROUTINE\n", "assets\nNAME\n\n" for \
	   each. CODE frames follow. Once. */ \
	X(LOAD) \
	/* n>s: bytes of the script (UTF-8); FIN on the last. */ \
	X(CODE) \
	/* n>s id: a request. Payload: the strings method, URL, fields block, info block \
	   ("remote_addr\n1.2.3.4\nscheme\nhttp\n", and what else the node knows: \
	   sandbox/js/client.js); with INLINE then the whole upload. arg: length of \
	   the upload, or ER_LEN_UNKNOWN. flags: BODY (there is an upload), INLINE. aux 1: no request, \
	   but a time: the info block is "cron\nEXPRESSION\nscheduledTime\nMILLISECONDS\n". */ \
	X(REQUEST) \
	/* both id [SUB] [FIN]: bytes of a body. arg, where a sandbox ends a response's body: its CPU \
	   time so far. */ \
	X(BODY_DATA) \
	/* both id [SUB]: the body broke off. aux: er_err_kind. */ \
	X(BODY_FAIL) \
	/* n>s id [SUB]: the sandbox may send arg bytes more of its body. */ \
	X(CREDIT) \
	/* s>n id [SUB]: the node may send arg bytes more of its body. */ \
	X(PULL) \
	/* s>n id [SUB]: JavaScript wants no more of the node's body, which is read to its end and \
	   thrown away in the node. */ \
	X(DRAIN) \
	/* both id [SUB]: the reader of a body wants no more of it; n>s: of the sandbox's body, s>n: of \
	   the node's. aux: er_err_kind. */ \
	X(BODY_CANCEL) \
	/* n>s id SUB: the head of a subrequest's response. aux: status. arg: length of the body, or \
	   ER_LEN_UNKNOWN. flags: BODY, KEPT (a RESPONSE that relays the body need not say the head \
	   again), DONE (FETCH_ANSWER: the request is answered with it, and the body is gone), INLINE \
	   (what there is to read of the body is the end of the payload; the node has it as well until \
	   DRAIN, or a relay), with INLINE perhaps FIN (FETCH_PULL: the node has let go of it). \
	   Payload: the strings reason, fields block, list of URLs ("\n" between, the last one \
	   answered); then with INLINE the body. */ \
	X(SUB_HEAD) \
	/* n>s id SUB: the subrequest failed. aux: er_err_kind. Payload: text for a person. */ \
	X(SUB_FAIL) \
	/* n>s id: the client is gone or the time is up: request.signal aborts, and the node wants \
	   nothing more of this request. aux: er_err_kind. */ \
	X(CANCEL) \
	/* n>s: arg more subrequests may be begun; LOAD said how many at first. */ \
	X(SUB_CREDIT) \
	/* n>s: no more requests will come: finish what is running, then exit with 0. */ \
	X(CLOSE) \
	/* s>n: the sandbox is locked down and waits for LOAD. aux: er_level. Payload: the string of \
	   the engine's version. */ \
	X(READY) \
	/* s>n: the script has run. arg: its CPU time. aux: 0, or er_err_kind and then a payload as in \
	   EXCEPTION. */ \
	X(LOADED) \
	/* s>n id: the answer. aux: status. arg: CPU time so far. flags: DONE (the request is over with \
	   it), and at most one of INLINE, STREAM, RELAY. Payload: the strings reason, fields block; \
	   then with INLINE the body, with STREAM its length as a u64 (BODY_DATA follows), with RELAY a \
	   u32 id and a u32 that is 1 for a subrequest's body and 0 for the upload. KEPT, with RELAY: \
	   reason and fields are those of that subrequest's SUB_HEAD, which had KEPT, and the payload \
	   has neither. */ \
	X(RESPONSE) \
	/* s>n id: the routine does not answer, the rest of the chain does. Whether the upload can still \
	   be handed on is for the node to say. */ \
	X(PASS) \
	/* s>n id: all of the request is over, waitUntil too. arg: its CPU time in all. */ \
	X(DONE) \
	/* s>n id: arg: the request's CPU time so far. After a long turn. */ \
	X(METER) \
	/* s>n id SUB's: a subrequest begins. arg: id of the request that owns it. aux: ER_FETCH_*. \
	   flags and the payload's end: as in RESPONSE. Payload: the strings method, URL, fields \
	   block. FETCH_REQUEST in aux: all of these are the owner's REQUEST's and not in the payload, \
	   and RELAY in flags if its upload goes along. FETCH_ANSWER in aux: the response is the \
	   request's answer; only if the request has none when it comes, and the subrequest does not \
	   fail. FETCH_WISHES in aux: then comes a string, what the routine wishes of the cache \
	   (isolate/wish.h). FETCH_SERVICE in aux: that string is a name of "service" in LOAD, and the \
	   routine behind it answers. A FETCH_DATA_* in aux: the URL is what that kind of data calls a \
	   thing, and any UTF-8. */ \
	X(FETCH) \
	/* s>n id of a subrequest: the routine aborted it. */ \
	X(FETCH_CANCEL) \
	/* s>n id: a copy, numbered as a subrequest is. arg: the request that owns the copy. Payload: a \
	   u32 id and a u32 that is 1 for a subrequest's body and 0 for the upload: the node's body that \
	   is copied, of which nothing was asked yet. Frames about the copy are those about a \
	   subrequest's response; BODY_FAIL comes at once if there is no such body. */ \
	X(CLONE) \
	/* s>n: only of a sandbox that is being debugged. aux: er_inspect_state (channel/inspect.h). */ \
	X(DEBUG) \
	/* s>n id (0: no request's): a line of the console. aux: ER_CONSOLE_*. Payload: UTF-8 text. */ \
	X(LOG) \
	/* s>n id: an exception. aux: er_err_kind (EXCEPTION, MEMORY, ...). flags: FATAL (the request \
	   failed with it), else it is only reported. arg: CPU time so far. Payload: the strings name, \
	   message, stack. */ \
	X(EXCEPTION)

typedef enum er_frame_type {
	ER_FRAME_NONE,
#define X(name) ER_FRAME_##name,
	ER_FRAME_TABLE(X)
#undef X
	    ER_FRAME_COUNT_
} er_frame_type;

enum {
	/* the last bytes of a body, or of the code */
	ER_FF_FIN = 1,
	/* the id is a subrequest's */
	ER_FF_SUB = 2,
	/* there is a body */
	ER_FF_BODY = 4,
	/* the whole body is the end of the payload */
	ER_FF_INLINE = 8,
	/* the body follows in BODY_DATA */
	ER_FF_STREAM = 16,
	/* the body is one that the node has */
	ER_FF_RELAY = 32,
	/* the request is over with this answer */
	ER_FF_DONE = 64,
	/* the request failed with this exception */
	ER_FF_FATAL = 128,
	/* of heads: the node keeps it, or is to take the one that it kept */
	ER_FF_KEPT = 128,
};

#define ER_LEN_UNKNOWN UINT32_MAX /* also said for lengths that do not fit 32 bits */
#define ER_STREAM_OPEN UINT64_MAX

/* In LOAD, as u32s in this order. */
typedef struct er_load_limits {
	uint32_t cpu_us;      /* a request */
	uint32_t load_cpu_us; /* top-level code */
	uint32_t memory_kb;   /* of the whole instance, above what an empty one takes */
	uint32_t subrequests; /* a request */
	uint32_t timers;      /* live, a request */
	uint32_t code_n;      /* bytes of CODE that follow */
	uint32_t compat;      /* ER_COMPAT_* */
	uint32_t live_subs;   /* subrequests that the instance may have under way; never 0 */
	uint32_t message_n;   /* bytes of a WebSocket's message that comes */
} er_load_limits;

/* Whose CPU time ran out. In the obituary's `detail` when its reason is CPU; INSTANCE is the node's
 * own verdict on the whole process. */
#define ER_BUDGET_TABLE(X) \
	X(REQUEST, "request")       /* all turns of one request: cpu_us */ \
	X(TOP_LEVEL, "top-level")   /* the script until it has loaded: load_cpu_us */ \
	X(BACKGROUND, "background") /* what no request owns: cpu_us at once, a tenth of the time */ \
	/* the collector's timers: ER_ENGINE_CPU_US at once, a tenth of it */ \
	X(ENGINE, "engine") \
	X(INSTANCE, "instance") /* the process, with the engine's threads */
typedef enum er_budget {
#define X(name, word) ER_BUDGET_##name,
	ER_BUDGET_TABLE(X)
#undef X
	    ER_BUDGET_COUNT_
} er_budget;
enum { ER_ENGINE_CPU_US = 400 * 1000 };
/* "top-level". What a sandbox says may be any number: that is "request". */
const char *er_budget_name(uint32_t budget);

/* The head of a frame, copied out of the ring. */
typedef struct er_frame {
	uint32_t n; /* payload bytes, without padding */
	uint8_t type;
	/* ER_FF_*; what these and the three below mean in each type, ER_FRAME_TABLE says */
	uint8_t flags;
	uint16_t aux;
	uint32_t id;
	uint32_t arg;
} er_frame;
static_assert(sizeof(er_frame) == ER_FRAME_HEAD, "the layout on the wire");

/* For logs and traces, also of a type that the other side has made up. */
const char *er_frame_name(unsigned type);

/* ---- writing ---- */
/* Room for a frame with exactly f->n payload bytes: writes head and padding, returns where the
 * payload goes; NULL: no room now (wait) or broken ring. Commits: the payload must be filled before
 * the next er_ring_publish. f->n <= ER_FRAME_MAX. */
uint8_t *er_frame_write(er_ring *out, const er_frame *f);

/* Fills a payload from front to back. It checks no end: whoever wrote f->n has counted the same
 * bytes. */
typedef struct er_writer {
	uint8_t *p;
} er_writer;
static inline void er_put_u32(er_writer *w, uint32_t v)
{
	ER_ASSERT(w->p != NULL);
	memcpy(w->p, &v, 4);
	w->p += 4;
}
static inline void er_put_u64(er_writer *w, uint64_t v)
{
	ER_ASSERT(w->p != NULL);
	memcpy(w->p, &v, 8);
	w->p += 8;
}
static inline void er_put_bytes(er_writer *w, er_slice s)
{
	ER_ASSERT(w->p != NULL);
	er_copy(w->p, s.p, s.n);
	w->p += s.n;
}
/* A length and the bytes, as er_get_string reads them. */
static inline void er_put_string(er_writer *w, er_slice s)
{
	ER_ASSERT(s.n <= ER_FRAME_MAX);
	er_put_u32(w, (uint32_t)s.n);
	er_put_bytes(w, s);
}

/* ---- reading ---- */
typedef enum er_frame_status { ER_FRAME_OK, ER_FRAME_WAIT, ER_FRAME_BROKEN } er_frame_status;
/* Looks at the first frame of `bytes` (from er_ring_peek). OK: *f is a copy of the head, *payload
 * still lies in the ring, *whole is what to release or skip. BROKEN: a length that cannot be, an
 * unknown type, a frame cut by the published end. */
er_frame_status er_frame_read(er_slice bytes, er_frame *f, er_slice *payload, size_t *whole);

/* Reads a payload, in the ring or in a copy of it. Numbers are read once. A string that a sandbox
 * sent still lies where the sandbox can change it: copy it, then look at it. Sticky: after the
 * first failure all reads give zeros and `bad` stays set. */
typedef struct er_reader {
	er_slice rest;
	bool bad;
} er_reader;
/* Zero once something was missing; look at `bad` when all is read. */
uint32_t er_get_u32(er_reader *r);
uint64_t er_get_u64(er_reader *r);
/* n bytes where they lie. Empty, and `bad`, if there are not so many. */
er_slice er_get_bytes(er_reader *r, size_t n);
er_slice er_get_string(er_reader *r);

#endif
