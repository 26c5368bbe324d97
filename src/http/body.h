/* A body: a stream of byte pieces from one source to one sink, with back-pressure.
 *
 * The source writes until er_body_write says the window is full, then waits for `resume`. The sink
 * is told `readable` when there is something to read, an end or an error, and takes pieces with
 * er_body_read. Cancelling runs the other way: a sink that loses interest calls er_body_cancel, and
 * the source is told.
 *
 * Reference-counted: the source holds one reference, whoever hands it to the sink another. One
 * thread: the loop that made it. `readable` may be called from inside er_body_write, er_body_finish
 * and er_body_fail; `resume` from inside er_body_read. Not the other way round: while er_body_read
 * runs, what the source writes is not announced (the sink reads until WAIT anyway), and while
 * er_body_write runs, a read that makes room shows in its return value. So pieces never overtake
 * each other, and the two do not call each other in turns. After er_body_sink(NULL) or
 * er_body_source(NULL) the other side is never called again. */
#ifndef ER_HTTP_BODY_H
#define ER_HTTP_BODY_H

#include "base/chunk.h"
#include "base/err.h"
#include "http/fields.h"

typedef struct er_body er_body;

/* Bytes, where each piece counts for some more: it takes memory, too. */
enum { ER_BODY_WINDOW = 128 * 1024, ER_BODY_UNKNOWN = -1 };
/* The bodies of this thread hold so much together (64 MB) that each has a window of 16 KB until
 * there is room again: sources should read less at once. */
bool er_body_scarce(void);

typedef struct er_body_source_ops {
	void (*resume)(void *ctx); /* below half of the window again: write on */
	/* nobody wants the rest; do not call the body again but unref */
	void (*cancel)(void *ctx, er_err_kind reason);
} er_body_source_ops;

typedef struct er_body_sink_ops {
	void (*readable)(void *ctx); /* er_body_read has something new to say */
} er_body_sink_ops;

typedef enum er_body_status {
	ER_BODY_PIECE, /* *out owns a reference */
	ER_BODY_WAIT,  /* nothing now; readable follows */
	ER_BODY_END,   /* complete; said again at every call */
	ER_BODY_ERROR, /* er_body_error says what; said again at every call */
} er_body_status;

/* `length`: what the message says, in bytes, or ER_BODY_UNKNOWN. */
er_body *er_body_new(int64_t length);
/* A complete body of these bytes (takes the piece); length known. */
er_body *er_body_of(er_piece piece);
/* The same of bytes that are only lent, for as long as its maker is on the stack. Who looks at them
 * (er_body_peek) copies them once and believes nothing before: they may lie in memory that somebody
 * else writes to. */
er_body *er_body_lend(er_slice bytes);
/* The loan is over: what nobody has read is copied if the body lives on. Takes the caller's
 * reference. */
void er_body_loan_over(er_body *b);
/* A further reference, for somebody who holds the body beside its source and its sink. */
er_body *er_body_ref(er_body *b);
/* The last one drops what is queued and frees. NULL is fine. */
void er_body_unref(er_body *b);

/* Called when the last reference is gone, and with it all that its source held for it. More
 * than one may want to hear of it: a body that two routines relay, one behind the other, is
 * held by both. */
void er_body_on_gone(er_body *b, void (*gone)(void *ctx), void *ctx);

/* What the message says, or ER_BODY_UNKNOWN; not what has come so far. */
int64_t er_body_length(const er_body *b);
void er_body_set_length(er_body *b, int64_t length);

/* ---- the source's side ---- */
/* ops NULL: detach. Detaching an unfinished body fails it with ER_ERR_CANCELLED. */
void er_body_source(er_body *b, const er_body_source_ops *ops, void *ctx);
/* Takes the piece (empty ones are dropped). False: the window is full, wait for resume. After a
 * cancel pieces are dropped silently. */
bool er_body_write(er_body *b, er_piece piece);
void er_body_finish(er_body *b);
void er_body_fail(er_body *b, er_err_kind kind);
/* Nobody will be its source: whoever reads it hears so, unless it is over. Takes the reference, and
 * leaves NULL there; NULL is fine. */
void er_body_forsake(er_body **b, er_err_kind kind);
/* One of both: OK finishes it. */
void er_body_end(er_body *b, er_err_kind why);

/* A field that follows the body (RFC 9110 6.5); copied. Before the end. False: the field may
 * not be a trailer, or the body has as many as it may have (64, 8 KB together), and the field
 * is dropped. */
bool er_body_trailer(er_body *b, er_slice name, er_slice value);
/* The same with each of `fields`, which may be NULL. */
void er_body_add_trailers(er_body *b, const er_fields *fields);

/* ---- the sink's side ---- */
/* ops NULL: detach. Attaching calls nothing; read first, then wait for readable. */
void er_body_sink(er_body *b, const er_body_sink_ops *ops, void *ctx);
/* At most `max` bytes (0: whatever is first in the queue). */
er_body_status er_body_read(er_body *b, size_t max, er_piece *out);
/* The sink wants no more. Buffered bytes are dropped. */
void er_body_cancel(er_body *b, er_err_kind reason);

/* The fields that follow the body, complete with ER_BODY_END; they live as long as the body.
 * NULL: none. */
const er_fields *er_body_trailers(const er_body *b);

/* ---- looking ---- */
er_err_kind er_body_error(const er_body *b);
/* The source has finished and nothing failed: buffered() is all that is left. */
bool er_body_finished(const er_body *b);
size_t er_body_buffered(const er_body *b);
/* Nothing was read from it yet, so it can still be handed to another reader from its first byte. */
bool er_body_untouched(const er_body *b);
/* Copies the first n buffered bytes without taking them; n <= er_body_buffered. */
void er_body_peek(const er_body *b, uint8_t *to, size_t n);

#endif
