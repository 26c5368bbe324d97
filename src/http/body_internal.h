/* What body.c shows to body_tee.c, and to nobody else: the body itself, and how somebody
 * watches one.
 *
 * A watched body is a branch of a tee. The tee writes to it and minds how much it holds, so
 * such a body is never full, and its bytes, which its siblings have as well, are counted once,
 * by the tee. */
#ifndef ER_HTTP_BODY_INTERNAL_H
#define ER_HTTP_BODY_INTERNAL_H

#include "base/arena.h"
#include "base/list.h"
#include "http/body.h"

enum {
	/* What a piece takes in memory beside its bytes: it counts against the window, or single bytes
	 * would fill a hundred windows. */
	ER_BODY_PIECE_COST = 128,
};

typedef struct er_body_node {
	er_list link;
	er_piece piece;
} er_body_node;

/* The fields behind a body. */
typedef struct er_body_after {
	er_arena arena;
	er_fields fields;
	size_t bytes;
} er_body_after;

typedef struct er_body_watch {
	/* the sink has taken a piece, or wants no more; from inside its call */
	void (*less)(void *ctx);
	void (*gone)(void *ctx); /* the last reference is gone, and the body with it */
} er_body_watch;

/* Somebody who wants to hear that a body is gone. The first one lies in the body. */
typedef struct er_body_gone {
	void (*fn)(void *ctx);
	void *ctx;
	struct er_body_gone *next;
} er_body_gone;

/* A queue of pieces with a source and a sink. `finished`, `cancelled` and the error are for
 * good. */
struct er_body {
	uint32_t magic;
	uint32_t refs;
	int64_t length;
	er_list queue;
	er_body_node first; /* most bodies have one piece: it needs no memory of its own */
	bool first_used;
	bool lent; /* the only piece is not ours */
	size_t buffered;
	size_t cost; /* buffered (if it is not watched), and ER_BODY_PIECE_COST for each piece */
	bool finished, cancelled, touched;
	bool full;    /* the source is to wait */
	bool writing; /* inside a write whose return value tells the source all it needs to know */
	/* inside a read: the sink will ask again, and must not be called before it has this piece */
	bool reading;
	er_err_kind error;
	const er_body_source_ops *source;
	void *source_ctx;
	const er_body_sink_ops *sink;
	void *sink_ctx;
	const er_body_watch *watch; /* NULL: it is no branch of a tee */
	void *watch_ctx;
	er_body_gone gone;
	er_body_after *trailers; /* NULL: none */
};

/* From now on, and before anything was written. The watcher holds no reference. */
void er_body_watched(er_body *b, const er_body_watch *watch, void *ctx);
/* Drops what nobody has read, and fails. Nothing happens to a body that was cancelled or
 * has failed. */
void er_body_break(er_body *b, er_err_kind kind);
/* How much a body of this thread may hold now. */
size_t er_body_window(void);
/* So many bytes more (or fewer) are held by the bodies of this thread together. */
void er_body_hold(size_t more, size_t fewer);

#endif
