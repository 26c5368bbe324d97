/* What the sandbox is answering: requests (numbered by the node), subrequests (numbered by the
 * prelude, owned by a request), and bodies of ours that are already complete and go out as the node
 * gives credit.
 *
 * Records are pooled: a small request allocates nothing once the process is warm. A request that is
 * over is forgotten at the end of the turn, so that the turn's CPU is still charged to it. Request
 * 0 (`background`) owns top-level code and lives for ever. */
#ifndef ER_SANDBOX_REQUEST_H
#define ER_SANDBOX_REQUEST_H

#include "base/buf.h"
#include "base/list.h"
#include "base/slice.h"
#include "channel/frame.h"
#include "sandbox/held.h"

/* A request, from its REQUEST frame until all of it is over. Records are used again. */
typedef struct er_request {
	uint32_t id;
	uint32_t upload;   /* its length, or ER_LEN_UNKNOWN */
	uint8_t flags;     /* of the REQUEST frame */
	bool over;         /* forgotten at the end of the turn */
	bool done_told;    /* the node knows: RESPONSE with DONE, or DONE */
	bool draining;     /* JavaScript is done with it, a body of ours still goes out */
	bool metered;      /* a METER is due */
	bool streaming;    /* JavaScript writes the answer's body as the node gives credit */
	bool debugged;     /* a debugger was there in one of its turns: its CPU time has no limit */
	bool told_hung;    /* JavaScript has heard that nothing can wake it */
	uint32_t timers_n; /* live */
	uint32_t logs_n;   /* LOG frames sent */
	/* used by its turns so far, as far as it counts against the limit; and what does not any more,
	 * because a socket's message has begun the account anew (er_turn_begin_message) */
	uint64_t cpu_ns, cpu_past_ns;
	uint32_t sockets_n;    /* open WebSockets */
	uint64_t relieved_ns;  /* with sockets: when the account was last relieved */
	er_list held;          /* what ends with it: timers, subrequests and the rest (held.h) */
	er_held reading;       /* its upload, once JavaScript reads it as a stream */
	uint64_t upload_asked; /* bytes of it that were asked for and have not come */
	er_buf frame;          /* private copy of the payload, once it is kept */
	/* the slices point into it: in the ring during the first turn, later in `frame` */
	er_slice payload;
	er_slice method, url, block, info, inline_body;
	struct er_request *next;  /* in a bucket, or free */
	struct er_request *later; /* over, forgotten at the end of the turn */
} er_request;

/* A subrequest, or a copy of a body in the node, which is numbered as one and has nothing but a
 * response's body. */
typedef struct er_sub {
	/* the subrequest's number, which this side gives */
	uint32_t fid;
	bool down, up;  /* the response / the upload still has something to say */
	bool headed;    /* the response's head has come, or never comes: a copy of a body */
	bool begun;     /* something of the response's body was asked for */
	bool kept;      /* the node still has the response's head, as it was said here */
	uint64_t asked; /* bytes of it that were asked for and have not come */
	er_held held;
	er_list waits; /* er_requests.waiting, while the node has no room for it */
	er_buf fetch;  /* then: the whole frame */
	/* else where its FETCH lies, until the node sees what was written up to the mark; NULL: not in
	 * the ring */
	uint8_t *fetch_head;
	uint64_t fetch_mark;
	struct er_sub *next;
} er_sub;

/* A complete body of ours that was too large to ride in the head's frame. */
typedef struct er_send {
	er_list link;
	uint32_t id;
	bool sub;
	/* bytes that the node will take now */
	uint64_t credit;
	er_buf bytes;
	/* its owner: the request, also of a subrequest's. DONE when sent, if that is draining */
	er_held held;
} er_send;

enum { ER_BUCKETS = 256, ER_POOLED = 256, ER_POOLED_FRAME = 4096 };

/* All that is being answered. `background` owns what no request does, with id 0. */
typedef struct er_requests {
	er_request background;
	er_request *buckets[ER_BUCKETS];
	er_sub *sub_buckets[ER_BUCKETS];
	er_request *free;
	unsigned free_n;
	unsigned live;
	er_list sends;
	er_list waiting;     /* subrequests that the node has not been asked for, in their order */
	uint32_t sub_credit; /* that may still be asked for */
	uint32_t awake;      /* id of a request that could be woken when it was last looked at */
} er_requests;

void er_requests_init(er_requests *rs);
/* Borrows the payload. NULL: it is malformed or the id is taken. */
er_request *er_request_new(const er_frame *f, er_slice payload);
/* It outlives its first turn, and with it the payload in the ring: copies that. */
void er_request_keep(er_request *r);
/* NULL: unknown. 0 finds the background. */
er_request *er_request_find(uint32_t id);
/* JavaScript is done with it: all that hangs on it ends now, the record at the end of the turn. */
void er_request_over(er_request *r);
/* JavaScript is done with it, but a body of ours still goes out: only that is left to do. */
void er_request_drain(er_request *r);
/* Live requests of which none can be woken: nothing that C holds for any of them, or for the
 * background, calls JavaScript by itself. They are told one after another: the next that was not
 * told yet, or NULL. */
er_request *er_request_next_hung(void);
/* Tells the node that the request is over, once. */
void er_request_tell_done(er_request *r);

/* What JavaScript calls the body of a request or subrequest. */
static inline uint64_t er_body_key(uint32_t id, bool sub)
{
	return (uint64_t)id * 2 + (sub ? 1 : 0);
}

er_sub *er_sub_new(uint32_t fid, er_request *owner, bool up);
er_sub *er_sub_find(uint32_t fid);
static inline er_request *er_sub_owner(const er_sub *s)
{
	return s->held.owner;
}
/* Asks the node for it: the frame, of whole->n payload bytes, now or when there is credit. Where
 * its payload goes; its frame ends with er_sub_asked. */
uint8_t *er_sub_ask(er_sub *s, const er_frame *fetch);
void er_sub_asked(er_sub *s);
/* What the subrequest brings is to be the answer of its request. False: too late, the node may have
 * answered it already. */
bool er_sub_answer(er_sub *s);
static inline bool er_sub_waits(const er_sub *s)
{
	return !er_list_empty(&s->waits);
}
/* The first that waits has been asked for now; NULL: none waits, or there is no credit. */
er_sub *er_sub_next(er_frame *fetch);
/* Forgets the subrequest when neither direction has anything left to say. */
void er_sub_settle(er_sub *s);

/* Nothing more will come of the node's body, or be sent of ours. Not known: harmless. */
void er_body_down_over(uint32_t id, bool sub);
void er_body_up_over(uint32_t id, bool sub);
/* n bytes of the body were asked for, or have come. Not known: harmless. */
void er_asked_more(uint32_t id, bool sub, uint32_t n);
void er_asked_came(uint32_t id, bool sub, uint32_t n);

/* Sends `bytes` (copied) as the body of request or subrequest `id` as credit comes, and `credit`
 * bytes at once. */
void er_send_new(uint32_t id, bool sub, er_slice bytes, er_request *owner, uint32_t credit);
er_send *er_send_find(uint32_t id, bool sub);
void er_send_pump(er_send *s);
/* The reader wants no more of it. */
void er_send_drop(er_send *s);

#endif
