/* One body: a queue of pieces between a source and a sink.
 *
 * Life: er_body_new by the source, one reference each for source and sink, freed with the last.
 * States: open, then one of finished (er_body_finish), failed (er_body_fail) and cancelled
 * (er_body_cancel); the first of them is the last word, and the queue of a finished or failed body
 * is still read to its end. What the bodies of a thread hold together is counted in `held`, which
 * makes their windows small when it is much.
 *
 * A body with a watch is a branch of a tee (body_tee.c), which writes to it and bounds it. */
#include "http/body_internal.h"

#include "base/mem.h"

enum {
	MAGIC = 0x424f4459,
	/* What all bodies of a thread may hold with full windows; beyond it each gets a small one. Many
	 * readers that do not read, or many answers that nobody asks for, then hold a bounded amount,
	 * and those that flow go on flowing. */
	PLENTY = 64 * 1024 * 1024,
	SMALL_WINDOW = 16 * 1024,
	TRAILERS = 64,
	TRAILERS_BYTES = 8 * 1024,
};

typedef er_body_after trailers;
typedef er_body_node node;

static _Thread_local size_t held; /* the cost of all bodies of this thread */

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

bool er_body_scarce(void)
{
	return held >= PLENTY;
}

size_t er_body_window(void)
{
	return er_body_scarce() ? SMALL_WINDOW : ER_BODY_WINDOW;
}

void er_body_hold(size_t more, size_t fewer)
{
	ER_ASSERT(held + more >= fewer);
	held = held + more - fewer;
}

/* What a piece counts. A branch's bytes are counted by its tee. */
static size_t cost_of(const er_body *b, size_t n)
{
	return b->watch == NULL ? n : 0;
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
	ER_ASSERT(held >= b->cost);
	held -= b->cost;
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
	ER_ASSERT(!b->reading && !b->writing);
	if (b->trailers != NULL)
		er_arena_fini(&b->trailers->arena);
	er_free(b->trailers);
	er_body_gone gone = b->gone;
	const er_body_watch *watch = b->watch;
	void *watch_ctx = b->watch_ctx;
	b->magic = 0;
	er_free(b);
	if (gone.fn != NULL)
		gone.fn(gone.ctx);
	for (er_body_gone *one = gone.next, *next; one != NULL; one = next) {
		next = one->next;
		one->fn(one->ctx);
		er_free(one);
	}
	if (watch != NULL)
		watch->gone(watch_ctx);
}

void er_body_on_gone(er_body *b, void (*gone)(void *ctx), void *ctx)
{
	ER_CHECK(b, MAGIC);
	if (b->gone.fn == NULL) {
		b->gone = (er_body_gone){.fn = gone, .ctx = ctx};
		return;
	}
	er_body_gone *more = ER_NEW(er_body_gone);
	*more = (er_body_gone){.fn = gone, .ctx = ctx, .next = b->gone.next};
	b->gone.next = more;
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
	ER_ASSERT(ops == NULL || b->watch == NULL);
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
	size_t cost = cost_of(b, piece.n) + ER_BODY_PIECE_COST;
	b->buffered += piece.n;
	b->cost += cost;
	held += cost;
	er_body_ref(b);
	/* Full is decided before the sink reads, and taken back by the read that makes room. A source
	 * that was told to wait by an earlier write is told by `resume` and no other way. */
	bool was_writing = b->writing;
	if (!b->full) {
		b->full = b->watch == NULL && b->cost >= er_body_window();
		b->writing = true;
	}
	tell_sink(b);
	b->writing = was_writing;
	bool go_on = !b->full;
	er_body_unref(b);
	return go_on;
}

bool er_body_trailer(er_body *b, er_slice name, er_slice value)
{
	ER_CHECK(b, MAGIC);
	if (b->finished || !er_field_trailer_ok(name) || !er_field_value_ok(value))
		return false;
	trailers *t = b->trailers;
	if (t == NULL) {
		t = b->trailers = ER_NEW(trailers);
		er_arena_init(&t->arena);
	}
	if (t->fields.n == TRAILERS || t->bytes + name.n + value.n > TRAILERS_BYTES)
		return false;
	t->bytes += name.n + value.n;
	er_fields_add(&t->fields, &t->arena, er_arena_copy(&t->arena, name), er_arena_copy(&t->arena, value));
	return true;
}

void er_body_add_trailers(er_body *b, const er_fields *fields)
{
	for (uint32_t i = 0; fields != NULL && i < fields->n; i++)
		(void)er_body_trailer(b, fields->v[i].name, fields->v[i].value);
}

const er_fields *er_body_trailers(const er_body *b)
{
	ER_CHECK(b, MAGIC);
	return b->trailers != NULL && b->trailers->fields.n > 0 ? &b->trailers->fields : NULL;
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
	ER_ASSERT(kind != ER_ERR_OK);
	b->error = kind;
	tell_sink(b);
}

void er_body_forsake(er_body **b, er_err_kind kind)
{
	er_body *was = *b;
	*b = NULL;
	if (was == NULL)
		return;
	er_body_fail(was, kind);
	er_body_unref(was);
}

void er_body_end(er_body *b, er_err_kind why)
{
	if (why == ER_ERR_OK)
		er_body_finish(b);
	else
		er_body_fail(b, why);
}

void er_body_sink(er_body *b, const er_body_sink_ops *ops, void *ctx)
{
	ER_CHECK(b, MAGIC);
	b->sink = ops;
	b->sink_ctx = ctx;
}

/* The watcher may write, end the body, or let the last reference go; the sink is not called for it,
 * for it is about to ask again. */
static void tell_watch(er_body *b)
{
	if (b->watch == NULL)
		return;
	er_body_ref(b);
	bool was_reading = b->reading;
	b->reading = true;
	b->watch->less(b->watch_ctx);
	b->reading = was_reading;
	er_body_unref(b);
}

/* The sink has read. Below half of the window the source may go on; not earlier, so that the two do
 * not call each other for every piece. */
static void made_room(er_body *b)
{
	if (b->watch != NULL) {
		tell_watch(b);
		return;
	}
	if (!b->full || b->cost > er_body_window() / 2)
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
		b->cost -= ER_BODY_PIECE_COST;
		held -= ER_BODY_PIECE_COST;
	} else {
		*out = er_piece_sub(n->piece, 0, max);
		n->piece.p += max;
		n->piece.n -= max;
	}
	ER_ASSERT(out->n > 0 && b->buffered >= out->n && b->cost >= cost_of(b, out->n));
	b->buffered -= out->n;
	b->cost -= cost_of(b, out->n);
	held -= cost_of(b, out->n);
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
	else
		tell_watch(b); /* a branch has no other source */
}

void er_body_watched(er_body *b, const er_body_watch *watch, void *ctx)
{
	ER_CHECK(b, MAGIC);
	ER_ASSERT(b->watch == NULL && b->source == NULL && b->cost == 0);
	ER_ASSERT(watch != NULL && watch->less != NULL && watch->gone != NULL);
	b->watch = watch;
	b->watch_ctx = ctx;
}

void er_body_break(er_body *b, er_err_kind kind)
{
	ER_CHECK(b, MAGIC);
	ER_ASSERT(kind != ER_ERR_OK);
	if (b->cancelled || b->error != ER_ERR_OK)
		return;
	drop_queue(b);
	b->error = kind;
	b->touched = true; /* what is lost cannot be read from the first byte any more */
	tell_sink(b);
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
