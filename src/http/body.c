#include "http/body.h"

#include "base/list.h"
#include "base/mem.h"

typedef struct node {
	er_list link;
	er_piece piece;
} node;

enum {
	MAGIC = 0x424f4459,
	/* What a piece takes in memory beside its bytes: it counts against the window, or single bytes would fill a hundred windows. */
	PIECE_COST = 128,
};

struct er_body {
	uint32_t magic;
	uint32_t refs;
	int64_t length;
	er_list queue;
	node first; /* most bodies have one piece: it needs no memory of its own */
	bool first_used;
	bool lent; /* the only piece is not ours */
	size_t buffered;
	size_t cost; /* buffered, and PIECE_COST for each piece */
	bool finished, cancelled, touched;
	bool full;    /* the source is to wait */
	bool writing; /* inside a write whose return value tells the source all it needs to know */
	bool reading; /* inside a read: the sink will ask again, and must not be called before it has this piece */
	er_err_kind error;
	const er_body_source_ops *source;
	void *source_ctx;
	const er_body_sink_ops *sink;
	void *sink_ctx;
};

er_body *er_body_new(int64_t length)
{
	er_body *b = ER_NEW(er_body);
	b->magic = MAGIC;
	b->refs = 1;
	b->length = length;
	er_list_init(&b->queue);
	return b;
}

er_body *er_body_of(er_piece piece)
{
	er_body *b = er_body_new((int64_t)piece.n);
	(void)er_body_write(b, piece);
	er_body_finish(b);
	return b;
}

er_body *er_body_lend(er_slice bytes)
{
	er_body *b = er_body_of((er_piece){.p = bytes.p, .n = bytes.n});
	b->lent = true;
	return b;
}

static void make_own(er_body *b)
{
	b->lent = false;
	if (er_list_empty(&b->queue))
		return;
	node *n = ER_CONTAINER(b->queue.next, node, link);
	n->piece = er_piece_copy(er_piece_slice(n->piece));
}

void er_body_loan_over(er_body *b)
{
	ER_CHECK(b, MAGIC);
	if (b->lent && b->refs > 1)
		make_own(b);
	er_body_unref(b);
}

er_body *er_body_ref(er_body *b)
{
	if (b != NULL) {
		ER_CHECK(b, MAGIC);
		b->refs++;
	}
	return b;
}

static node *new_node(er_body *b)
{
	if (b->first_used)
		return ER_NEW(node);
	b->first_used = true;
	return &b->first;
}

static void free_node(er_body *b, node *n)
{
	if (n == &b->first)
		b->first_used = false;
	else
		er_free(n);
}

static void drop_queue(er_body *b)
{
	for (er_list *l; (l = er_list_pop(&b->queue)) != NULL;) {
		node *n = ER_CONTAINER(l, node, link);
		er_piece_drop(&n->piece);
		free_node(b, n);
	}
	b->buffered = b->cost = 0;
}

void er_body_unref(er_body *b)
{
	if (b == NULL)
		return;
	ER_CHECK(b, MAGIC);
	if (--b->refs > 0)
		return;
	drop_queue(b);
	b->magic = 0;
	er_free(b);
}

int64_t er_body_length(const er_body *b)
{
	return b->length;
}

void er_body_set_length(er_body *b, int64_t length)
{
	b->length = length;
}

static void tell_sink(er_body *b)
{
	if (b->sink != NULL && !b->reading)
		b->sink->readable(b->sink_ctx);
}

void er_body_source(er_body *b, const er_body_source_ops *ops, void *ctx)
{
	ER_CHECK(b, MAGIC);
	b->source = ops;
	b->source_ctx = ctx;
	if (ops == NULL && !b->finished && b->error == ER_ERR_OK && !b->cancelled)
		er_body_fail(b, ER_ERR_CANCELLED);
}

bool er_body_write(er_body *b, er_piece piece)
{
	ER_CHECK(b, MAGIC);
	if (piece.n == 0 || b->cancelled || b->error != ER_ERR_OK || b->finished) {
		er_piece_drop(&piece);
		return !b->full;
	}
	node *n = new_node(b);
	n->piece = piece;
	er_list_push(&b->queue, &n->link);
	b->buffered += piece.n;
	b->cost += piece.n + PIECE_COST;
	er_body_ref(b);
	/* Full is decided before the sink reads, and taken back by the read that makes room. A source that was told to wait by an earlier
	 * write is told by `resume` and no other way. */
	bool was_writing = b->writing;
	if (!b->full) {
		b->full = b->cost >= ER_BODY_WINDOW;
		b->writing = true;
	}
	tell_sink(b);
	b->writing = was_writing;
	bool go_on = !b->full;
	er_body_unref(b);
	return go_on;
}

void er_body_finish(er_body *b)
{
	ER_CHECK(b, MAGIC);
	if (b->finished || b->cancelled || b->error != ER_ERR_OK)
		return;
	b->finished = true;
	tell_sink(b);
}

void er_body_fail(er_body *b, er_err_kind kind)
{
	ER_CHECK(b, MAGIC);
	if (b->finished || b->cancelled || b->error != ER_ERR_OK)
		return;
	b->error = kind;
	tell_sink(b);
}

void er_body_sink(er_body *b, const er_body_sink_ops *ops, void *ctx)
{
	ER_CHECK(b, MAGIC);
	b->sink = ops;
	b->sink_ctx = ctx;
}

static void made_room(er_body *b)
{
	if (!b->full || b->cost > ER_BODY_WINDOW / 2)
		return;
	b->full = false;
	if (b->writing || b->source == NULL || b->finished || b->error != ER_ERR_OK)
		return;
	er_body_ref(b);
	bool was_reading = b->reading;
	b->reading = true;
	b->source->resume(b->source_ctx);
	b->reading = was_reading;
	er_body_unref(b);
}

er_body_status er_body_read(er_body *b, size_t max, er_piece *out)
{
	ER_CHECK(b, MAGIC);
	if (b->cancelled)
		return ER_BODY_ERROR;
	if (er_list_empty(&b->queue))
		return b->error != ER_ERR_OK ? ER_BODY_ERROR : b->finished ? ER_BODY_END : ER_BODY_WAIT;
	if (b->lent)
		make_own(b);
	node *n = ER_CONTAINER(b->queue.next, node, link);
	b->touched = true;
	if (max == 0 || n->piece.n <= max) {
		*out = n->piece;
		er_list_remove(&n->link);
		free_node(b, n);
		b->cost -= PIECE_COST;
	} else {
		*out = er_piece_sub(n->piece, 0, max);
		n->piece.p += max;
		n->piece.n -= max;
	}
	b->buffered -= out->n;
	b->cost -= out->n;
	made_room(b);
	return ER_BODY_PIECE;
}

void er_body_cancel(er_body *b, er_err_kind reason)
{
	ER_CHECK(b, MAGIC);
	if (b->cancelled)
		return;
	bool over = b->finished || b->error != ER_ERR_OK;
	b->cancelled = true;
	b->touched = true;
	if (b->error == ER_ERR_OK)
		b->error = reason;
	b->sink = NULL;
	drop_queue(b);
	const er_body_source_ops *source = b->source;
	b->source = NULL;
	if (source != NULL && !over)
		source->cancel(b->source_ctx, reason);
}

er_err_kind er_body_error(const er_body *b)
{
	return b->error;
}

bool er_body_finished(const er_body *b)
{
	return b->finished && b->error == ER_ERR_OK;
}

size_t er_body_buffered(const er_body *b)
{
	return b->buffered;
}

bool er_body_untouched(const er_body *b)
{
	return !b->touched;
}

void er_body_peek(const er_body *b, uint8_t *to, size_t n)
{
	ER_ASSERT(n <= b->buffered);
	for (const er_list *l = b->queue.next; n > 0; l = l->next) {
		const node *it = ER_CONTAINER(l, node, link);
		size_t take = it->piece.n < n ? it->piece.n : n;
		er_copy(to, it->piece.p, take);
		to += take;
		n -= take;
	}
}
