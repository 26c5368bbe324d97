/* Content and its readers.
 *
 * A content is FILLING until er_content_end, then WHOLE or BROKEN for ever. Its pieces are in an
 * array that only grows at its end; what passes by drops pieces at its beginning, which all readers
 * have left behind. All of it is under one lock, but for the count of references.
 *
 * Small pieces that follow each other are joined in one chunk, `tail`, behind the bytes that
 * readers share already: so the memory is that of the bytes, however they came. The last piece may
 * grow therefore, and a reader that has all of it stays there until there is a next one.
 *
 * A content whose bytes lie elsewhere (the disk) has no pieces and no readers: who reads it gets a
 * body from there.
 *
 * Coded forms are contents of their own, which the content holds from the moment in which they are
 * whole. Most contents never have one: the table of them is made with the first, and is there for
 * good then.
 *
 * A reader is the source of one body, on one thread. It takes what there is when its body has room,
 * and waits (port.h) when there is nothing. It lives from er_content_read until its body is done,
 * cancelled, or ended. */
#include "cache/content.h"

#include "base/mem.h"

enum { MAGIC = 0x434f4e54, READER = 0x43524452, AT_ONCE = 16, JOINED = 8 * 1024 };

typedef enum content_state { FILLING, WHOLE, BROKEN } content_state;

typedef enum form_state { FORM_NONE, FORM_BEING_MADE, FORM_THERE, FORM_WORTHLESS } form_state;

/* Under the content's lock. */
typedef struct forms {
	form_state state[ER_CODINGS];
	er_content *v[ER_CODINGS]; /* THERE: own reference */
} forms;

struct er_content {
	uint32_t magic;
	uint32_t refs; /* atomic */
	pthread_mutex_t lock;
	content_state state;
	er_err_kind why; /* BROKEN */
	bool passes_by;
	er_piece *v;
	size_t n, cap; /* of v */
	/* the chunk of the last piece, if that may grow; not a reference */
	er_chunk *tail;
	uint64_t gone;                   /* pieces that were dropped before v[0] */
	uint64_t begin;                  /* where v[0] begins, in bytes */
	uint64_t length;                 /* where the last piece ends */
	uint64_t mark;                   /* atomic */
	const er_content_behind *behind; /* NULL: the bytes are here */
	void *behind_ctx;
	er_list readers; /* all */
	unsigned n_readers;
	er_list waiting; /* those that have all there is */
	er_wait *writer; /* waits until the slowest reader is near; NULL: does not */
	er_list writers; /* where it is listed */
	size_t near;
	forms *forms;         /* atomic; NULL: there never was one */
	uint64_t forms_bytes; /* atomic: of all forms, in memory */
};

typedef struct reader {
	uint32_t magic;
	er_content *c;
	er_wait wait;
	er_list link;   /* c->readers */
	er_body *body;  /* own reference; NULL: done */
	uint64_t piece; /* where it is, counted from the first that ever was */
	size_t skip;    /* bytes of it that are not wanted, or are sent */
	uint64_t at;    /* where that is, in bytes */
	uint64_t begin; /* what comes before is not wanted */
	uint64_t end;
	bool full;          /* the body has no room */
	bool waiting;       /* on_news comes */
	bool pumping, over; /* over while it pumps: pump lets go of it */
	bool cut;           /* too slow for the others: gets nothing more (under the lock) */
} reader;

er_content *er_content_new(void)
{
	er_content *c = ER_NEW(er_content);
	*c = (er_content){.magic = MAGIC, .refs = 1};
	pthread_mutex_init(&c->lock, NULL);
	er_list_init(&c->readers);
	er_list_init(&c->waiting);
	er_list_init(&c->writers);
	return c;
}

er_content *er_content_new_behind(const er_content_behind *ops, void *ctx, uint64_t length, uint64_t mark)
{
	er_content *c = er_content_new();
	c->state = WHOLE;
	c->length = length;
	c->behind = ops;
	c->behind_ctx = ctx;
	c->mark = mark;
	return c;
}

er_content *er_content_ref(er_content *c)
{
	ER_CHECK(c, MAGIC);
	__atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED);
	return c;
}

void er_content_unref(er_content *c)
{
	if (c == NULL)
		return;
	ER_CHECK(c, MAGIC);
	if (__atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	ER_ASSERT(er_list_empty(&c->readers) && er_list_empty(&c->writers));
	for (size_t i = 0; i < c->n; i++)
		er_piece_drop(&c->v[i]);
	er_free(c->v);
	if (c->behind != NULL)
		c->behind->free(c->behind_ctx);
	for (er_coding i = 0; c->forms != NULL && i < ER_CODINGS; i++)
		er_content_unref(c->forms->v[i]);
	er_free(c->forms);
	pthread_mutex_destroy(&c->lock);
	c->magic = 0;
	er_free(c);
}

/* ---- the writer ---- */

/* Puts the piece behind the last one, if both together are small. Under the lock. */
static bool join(er_content *c, er_piece piece)
{
	er_piece *last = c->n > 0 ? &c->v[c->n - 1] : NULL;
	if (last == NULL || last->n + piece.n > JOINED)
		return false;
	if (c->tail == NULL || c->tail->cap - last->n < piece.n) {
		size_t cap = (last->n + piece.n) * 2;
		er_chunk *chunk = er_chunk_new(cap < JOINED ? cap : JOINED);
		er_copy(chunk->bytes, last->p, last->n);
		size_t n = last->n;
		er_piece_drop(last);
		*last = er_piece_take(chunk, n);
		c->tail = chunk;
	}
	/* Nobody reads behind the end of a piece. */
	er_copy(c->tail->bytes + last->n, piece.p, piece.n);
	last->n += piece.n;
	return true;
}

/* Takes the piece. Under the lock. */
static void add(er_content *c, er_piece piece)
{
	/* A part of a large chunk would hold all of it. */
	if (piece.chunk != NULL && piece.n < piece.chunk->cap / 2) {
		er_piece copy = er_piece_copy(er_piece_slice(piece));
		er_piece_drop(&piece);
		piece = copy;
	}
	if (c->n == c->cap) {
		c->cap = c->cap * 2 + 4;
		c->v = er_realloc(c->v, c->cap * sizeof *c->v);
	}
	c->v[c->n++] = piece;
	c->tail = NULL;
}

void er_content_write(er_content *c, er_piece piece)
{
	ER_CHECK(c, MAGIC);
	if (piece.n == 0) {
		er_piece_drop(&piece);
		return;
	}
	pthread_mutex_lock(&c->lock);
	ER_ASSERT(c->state == FILLING);
	uint64_t length = c->length + piece.n;
	if (join(c, piece))
		er_piece_drop(&piece);
	else
		add(c, piece);
	__atomic_store_n(&c->length, length, __ATOMIC_RELAXED);
	er_wait_post_all(&c->waiting);
	pthread_mutex_unlock(&c->lock);
}

/* The memory that has the byte at `at`, as far as it goes, but n bytes at most. */
static er_piece part_at(er_content *c, uint64_t at, uint64_t n)
{
	er_piece part = {0};
	pthread_mutex_lock(&c->lock);
	ER_ASSERT(c->state == WHOLE && c->behind == NULL && c->begin == 0 && at < c->length);
	uint64_t begin = 0;
	for (size_t i = 0; i < c->n && part.n == 0; begin += c->v[i++].n)
		if (at < begin + c->v[i].n) {
			uint64_t left = begin + c->v[i].n - at;
			part = er_piece_sub(c->v[i], (size_t)(at - begin), (size_t)(left < n ? left : n));
		}
	pthread_mutex_unlock(&c->lock);
	ER_ASSERT(part.n > 0);
	return part;
}

void er_content_write_part(er_content *c, er_content *from, uint64_t at, uint64_t n)
{
	ER_CHECK(from, MAGIC);
	while (n > 0) {
		er_piece part = part_at(from, at, n);
		at += part.n;
		n -= part.n;
		er_content_write(c, part);
	}
}

void er_content_end(er_content *c, er_err_kind why)
{
	ER_CHECK(c, MAGIC);
	pthread_mutex_lock(&c->lock);
	ER_ASSERT(c->state == FILLING);
	__atomic_store_n(&c->state, why == ER_ERR_OK ? WHOLE : BROKEN, __ATOMIC_RELEASE);
	c->why = why;
	ER_ASSERT(c->writer == NULL);
	er_wait_post_all(&c->waiting);
	pthread_mutex_unlock(&c->lock);
}

/* Where the slowest reader is, in bytes. Under the lock. */
static uint64_t slowest(const er_content *c)
{
	uint64_t at = c->length;
	ER_LIST_EACH(l, &c->readers)
	{
		const reader *r = ER_CONTAINER(l, reader, link);
		at = !r->cut && r->at < at ? r->at : at;
	}
	return at;
}

/* Drops what all readers have, and tells a writer that waits. Under the lock. */
static void pass(er_content *c)
{
	uint64_t first = c->gone + c->n;
	ER_LIST_EACH(l, &c->readers)
	{
		const reader *r = ER_CONTAINER(l, reader, link);
		first = !r->cut && r->piece < first ? r->piece : first;
	}
	size_t drop = (size_t)(first - c->gone);
	for (size_t i = 0; i < drop; i++) {
		c->begin += c->v[i].n;
		er_piece_drop(&c->v[i]);
	}
	if (drop > 0)
		memmove(c->v, c->v + drop, (c->n - drop) * sizeof *c->v);
	c->n -= drop;
	c->gone += drop;
	if (c->n == 0)
		c->tail = NULL;
	if (c->writer != NULL && c->length - slowest(c) < c->near) {
		er_wait_post(c->writer);
		c->writer = NULL;
	}
}

void er_content_pass_by(er_content *c)
{
	ER_CHECK(c, MAGIC);
	pthread_mutex_lock(&c->lock);
	c->passes_by = true;
	pass(c);
	pthread_mutex_unlock(&c->lock);
}

bool er_content_full(er_content *c, size_t most, er_wait *wait)
{
	ER_CHECK(c, MAGIC);
	pthread_mutex_lock(&c->lock);
	ER_ASSERT(c->passes_by && c->writer == NULL);
	bool full = c->length - slowest(c) > most;
	if (full) {
		c->writer = wait;
		c->near = most / 2;
		er_wait_list(wait, &c->writers);
	}
	pthread_mutex_unlock(&c->lock);
	return full;
}

void er_content_cut(er_content *c, size_t most)
{
	ER_CHECK(c, MAGIC);
	pthread_mutex_lock(&c->lock);
	bool keeps_up = false;
	ER_LIST_EACH(l, &c->readers)
	{
		const reader *r = ER_CONTAINER(l, reader, link);
		keeps_up = keeps_up || (!r->cut && c->length - r->at <= most);
	}
	ER_LIST_EACH(l, &c->readers)
	{
		reader *r = ER_CONTAINER(l, reader, link);
		if (!keeps_up || r->cut || c->length - r->at <= most)
			continue;
		r->cut = true;
		er_wait_poke(&r->wait);
	}
	if (c->passes_by)
		pass(c);
	pthread_mutex_unlock(&c->lock);
}

void er_content_wait_over(er_content *c, er_wait *wait)
{
	ER_CHECK(c, MAGIC);
	pthread_mutex_lock(&c->lock);
	c->writer = NULL; /* a reader that goes on must not post it once it is off the list */
	pthread_mutex_unlock(&c->lock);
	er_wait_cancel(wait, &c->lock);
}

size_t er_content_pieces(er_content *c)
{
	ER_CHECK(c, MAGIC);
	pthread_mutex_lock(&c->lock);
	size_t n = c->n;
	pthread_mutex_unlock(&c->lock);
	return n;
}

unsigned er_content_readers(const er_content *c)
{
	return __atomic_load_n(&c->n_readers, __ATOMIC_RELAXED);
}

uint64_t er_content_length(const er_content *c)
{
	return __atomic_load_n(&c->length, __ATOMIC_RELAXED);
}

bool er_content_whole(const er_content *c)
{
	return __atomic_load_n(&c->state, __ATOMIC_ACQUIRE) == WHOLE;
}

bool er_content_kept(er_content *c)
{
	ER_CHECK(c, MAGIC);
	pthread_mutex_lock(&c->lock);
	bool kept = c->state == WHOLE && !c->passes_by;
	pthread_mutex_unlock(&c->lock);
	return kept;
}

uint64_t er_content_memory(const er_content *c)
{
	return (c->behind != NULL ? 0 : er_content_length(c)) + __atomic_load_n(&c->forms_bytes, __ATOMIC_RELAXED);
}

bool er_content_is_behind(const er_content *c)
{
	return c->behind != NULL;
}

uint64_t er_content_mark(const er_content *c)
{
	return __atomic_load_n(&c->mark, __ATOMIC_RELAXED);
}

void er_content_set_mark(er_content *c, uint64_t mark)
{
	__atomic_store_n(&c->mark, mark, __ATOMIC_RELAXED);
}

bool er_content_there(er_content *c, uint64_t from, uint64_t n)
{
	ER_CHECK(c, MAGIC);
	return c->behind != NULL ? c->behind->there(c->behind_ctx, from, n) : er_content_kept(c);
}

void er_content_copy(er_content *c, uint64_t from, uint8_t *to, size_t n)
{
	ER_CHECK(c, MAGIC);
	pthread_mutex_lock(&c->lock);
	ER_ASSERT(c->behind == NULL && c->gone == 0 && from <= c->length && n <= c->length - from);
	uint64_t at = 0;
	for (size_t i = 0; i < c->n && n > 0; at += c->v[i++].n) {
		const er_piece *p = &c->v[i];
		if (from >= at + p->n)
			continue;
		size_t skip = (size_t)(from - at), part = p->n - skip < n ? p->n - skip : n;
		er_copy(to, p->p + skip, part);
		to += part;
		from += part;
		n -= part;
	}
	ER_ASSERT(n == 0);
	pthread_mutex_unlock(&c->lock);
}

bool er_content_fetch(er_content *c, uint64_t from, uint8_t *to, size_t n)
{
	ER_CHECK(c, MAGIC);
	if (c->behind != NULL) {
		ER_ASSERT(from <= c->length && n <= c->length - from);
		return c->behind->fetch(c->behind_ctx, from, to, n);
	}
	er_content_copy(c, from, to, n);
	return true;
}

/* ---- coded forms ---- */

static forms *forms_of(const er_content *c)
{
	return __atomic_load_n(&c->forms, __ATOMIC_ACQUIRE);
}

er_content *er_content_form(er_content *c, er_coding coding)
{
	ER_CHECK(c, MAGIC);
	ER_ASSERT(coding < ER_CODINGS);
	const forms *f = forms_of(c);
	if (f == NULL)
		return NULL;
	pthread_mutex_lock(&c->lock);
	er_content *form = f->v[coding] != NULL ? er_content_ref(f->v[coding]) : NULL;
	pthread_mutex_unlock(&c->lock);
	return form;
}

unsigned er_content_forms(const er_content *c)
{
	unsigned there = 0;
	const forms *f = forms_of(c);
	for (er_coding i = 0; f != NULL && i < ER_CODINGS; i++)
		there |= __atomic_load_n(&f->state[i], __ATOMIC_RELAXED) == FORM_THERE ? 1u << i : 0;
	return there;
}

bool er_content_form_none(const er_content *c, er_coding coding)
{
	const forms *f = forms_of(c);
	return f == NULL || __atomic_load_n(&f->state[coding], __ATOMIC_RELAXED) == FORM_NONE;
}

bool er_content_form_begin(er_content *c, er_coding coding)
{
	ER_CHECK(c, MAGIC);
	ER_ASSERT(coding < ER_CODINGS);
	pthread_mutex_lock(&c->lock);
	ER_ASSERT(c->state == WHOLE);
	if (c->forms == NULL)
		__atomic_store_n(&c->forms, er_zalloc(sizeof *c->forms), __ATOMIC_RELEASE);
	form_state *state = &c->forms->state[coding];
	bool begins = *state == FORM_NONE;
	if (begins)
		__atomic_store_n(state, FORM_BEING_MADE, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&c->lock);
	return begins;
}

/* Under the lock. */
static void set_form(er_content *c, er_coding coding, form_state state, er_content *form)
{
	er_content *old = c->forms->v[coding];
	uint64_t bytes = c->forms_bytes + (form != NULL ? er_content_memory(form) : 0) - (old != NULL ? er_content_memory(old) : 0);
	__atomic_store_n(&c->forms_bytes, bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&c->forms->state[coding], state, __ATOMIC_RELAXED);
	c->forms->v[coding] = form;
}

void er_content_form_end(er_content *c, er_coding coding, er_form_end how, er_content *form)
{
	static const form_state then[] = {
	    [ER_FORM_MADE] = FORM_THERE, [ER_FORM_WORTHLESS] = FORM_WORTHLESS, [ER_FORM_NOT_NOW] = FORM_NONE};
	ER_CHECK(c, MAGIC);
	ER_ASSERT((how == ER_FORM_MADE) == (form != NULL) && (form == NULL || (er_content_whole(form) && form->forms == NULL)));
	pthread_mutex_lock(&c->lock);
	ER_ASSERT(c->forms != NULL && c->forms->state[coding] == FORM_BEING_MADE);
	set_form(c, coding, then[how], form != NULL ? er_content_ref(form) : NULL);
	pthread_mutex_unlock(&c->lock);
}

void er_content_form_lost(er_content *c, er_coding coding, const er_content *form)
{
	ER_CHECK(c, MAGIC);
	er_content *old = NULL;
	pthread_mutex_lock(&c->lock);
	if (c->forms->v[coding] == form) {
		old = c->forms->v[coding];
		set_form(c, coding, FORM_NONE, NULL);
	}
	pthread_mutex_unlock(&c->lock);
	er_content_unref(old);
}

/* ---- readers ---- */

/* The reader goes. Its body lives on with whoever reads it. */
static void let_go(reader *r)
{
	ER_CHECK(r, READER);
	ER_ASSERT(!r->pumping);
	er_content *c = r->c;
	er_body *body = r->body;
	er_wait_cancel(&r->wait, &c->lock);
	pthread_mutex_lock(&c->lock);
	er_list_remove(&r->link);
	__atomic_store_n(&c->n_readers, c->n_readers - 1, __ATOMIC_RELAXED);
	if (c->passes_by)
		pass(c);
	pthread_mutex_unlock(&c->lock);
	r->magic = 0;
	r->body = NULL;
	er_free(r);
	er_content_unref(c);
	er_body_unref(body);
}

typedef struct taken {
	er_piece v[AT_ONCE];
	unsigned n;
	bool end;
	er_err_kind why;
} taken;

/* To the next piece, if there is one and this one is done. Under the lock. */
static void step(reader *r)
{
	const er_content *c = r->c;
	if (r->piece + 1 < c->gone + c->n && r->skip == c->v[r->piece - c->gone].n) {
		r->piece++;
		r->skip = 0;
	}
}

/* Takes what there is, or has the reader wait. Under the lock. */
static void take(reader *r, taken *t)
{
	er_content *c = r->c;
	if (r->cut) {
		t->why = ER_ERR_BEHIND;
		return;
	}
	uint64_t was = r->at;
	while (t->n < AT_ONCE && r->at < r->end && r->at < c->length) {
		step(r);
		er_piece piece = c->v[r->piece - c->gone];
		bool wanted = r->at >= r->begin;
		uint64_t until = wanted ? r->end : r->begin;
		size_t left = piece.n - r->skip, n = until - r->at < left ? (size_t)(until - r->at) : left;
		if (wanted)
			t->v[t->n++] = er_piece_sub(piece, r->skip, n);
		r->at += n;
		r->skip += n;
	}
	step(r);
	if (r->at > was && c->passes_by)
		pass(c);
	if (r->at >= r->end || (c->state == WHOLE && r->at == c->length && r->end == UINT64_MAX))
		t->end = true;
	else if (c->state == WHOLE && r->at == c->length) /* shorter than was said */
		t->why = ER_ERR_RESPONSE;
	else if (c->state == BROKEN && r->at == c->length)
		t->why = c->why;
	else if (t->n == 0) {
		r->waiting = true;
		er_wait_list(&r->wait, &c->waiting);
	}
}

static const er_body_source_ops source_ops, done_ops;

/* The body has all that it gets. */
static void end(reader *r, er_err_kind why)
{
	er_body *body = er_body_ref(r->body);
	er_body_source(body, &done_ops, NULL); /* an end may call the sink, and the sink the source */
	let_go(r);
	er_body_end(body, why);
	er_body_source(body, NULL, NULL);
	er_body_unref(body);
}

/* Fills the body until it has no room or there is nothing. A write may call the sink, and the sink
 * cancel: the reader is over then. */
static void pump(reader *r)
{
	ER_CHECK(r, READER);
	ER_ASSERT(!r->pumping && !r->waiting);
	taken t;
	do {
		t = (taken){.why = ER_ERR_OK};
		pthread_mutex_lock(&r->c->lock);
		take(r, &t);
		pthread_mutex_unlock(&r->c->lock);
		r->pumping = true;
		for (unsigned i = 0; i < t.n; i++) {
			if (r->over)
				er_piece_drop(&t.v[i]);
			else if (!er_body_write(r->body, t.v[i]))
				r->full = true;
		}
		r->pumping = false;
		if (r->over) {
			let_go(r);
			return;
		}
		if (t.end || t.why != ER_ERR_OK) {
			end(r, t.why);
			return;
		}
	} while (t.n > 0 && !r->full);
}

static void on_news(er_wait *wait)
{
	reader *r = ER_CONTAINER(wait, reader, wait);
	ER_CHECK(r, READER);
	r->waiting = false;
	pthread_mutex_lock(&r->c->lock);
	bool cut = r->cut;
	pthread_mutex_unlock(&r->c->lock);
	if (cut)
		end(r, ER_ERR_BEHIND);
	else if (!r->full)
		pump(r);
}

static void on_resume(void *ctx)
{
	reader *r = ctx;
	ER_CHECK(r, READER);
	r->full = false;
	if (!r->waiting && !r->pumping)
		pump(r);
}

static void on_cancel(void *ctx, er_err_kind reason)
{
	(void)reason;
	reader *r = ctx;
	ER_CHECK(r, READER);
	if (r->pumping)
		r->over = true;
	else
		let_go(r);
}

static void on_done_resume(void *ctx)
{
	(void)ctx;
}

static void on_done_cancel(void *ctx, er_err_kind reason)
{
	(void)ctx, (void)reason;
}

static const er_body_source_ops source_ops = {.resume = on_resume, .cancel = on_cancel},
                                done_ops = {.resume = on_done_resume, .cancel = on_done_cancel};

/* Where `from` is; or the end of what there is, if it is to come yet. False: it is not there any
 * more, or will never be. Under the lock. */
static bool seek(reader *r, uint64_t from)
{
	const er_content *c = r->c;
	size_t i = 0;
	uint64_t at = c->begin;
	if (from < at || c->state == BROKEN || (c->state == WHOLE && from > c->length))
		return false;
	r->begin = from;
	r->at = from < c->length ? from : c->length;
	for (; i + 1 < c->n && at + c->v[i].n <= r->at; i++)
		at += c->v[i].n;
	ER_ASSERT(r->at - at <= (i < c->n ? c->v[i].n : 0));
	r->piece = c->gone + i;
	r->skip = (size_t)(r->at - at);
	return true;
}

/* The usual case: all of it is there, in one piece. */
static er_body *read_at_once(er_content *c, uint64_t from, uint64_t n)
{
	er_body *body = NULL;
	pthread_mutex_lock(&c->lock);
	uint64_t left = from < c->length ? c->length - from : 0;
	if (c->state == WHOLE && c->n == 1 && c->gone == 0 && left > 0 && (n <= left || n == UINT64_MAX)) {
		body = er_body_of(er_piece_sub(c->v[0], (size_t)from, (size_t)(n < left ? n : left)));
	}
	pthread_mutex_unlock(&c->lock);
	return body;
}

er_body *er_content_read(er_content *c, er_port *port, uint64_t from, uint64_t n, int64_t length)
{
	ER_CHECK(c, MAGIC);
	if (c->behind != NULL)
		return c->behind->read(c->behind_ctx, port, from, n, length);
	er_body *body = read_at_once(c, from, n);
	if (body != NULL)
		return body;
	reader *r = ER_NEW(reader);
	*r = (reader){.magic = READER, .c = c, .end = n > UINT64_MAX - from ? UINT64_MAX : from + n};
	er_wait_init(&r->wait, port, on_news);
	pthread_mutex_lock(&c->lock);
	bool there = seek(r, from);
	if (there) {
		er_list_push(&c->readers, &r->link);
		__atomic_store_n(&c->n_readers, c->n_readers + 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&c->lock);
	if (!there) {
		er_free(r);
		return NULL;
	}
	er_content_ref(c);
	body = er_body_new(length);
	r->body = er_body_ref(body);
	er_body_source(body, &source_ops, r);
	pump(r);
	return body;
}
