/* A place says which file it is; the content and all readers hold it. A reader is the source of one
 * body: while the body has room, one part is being read on a thread of the pool. Its callbacks
 * (room, cancel, the part that was read) take notes, and `act` acts. It ends with the last byte, a
 * failure or the cancel, but never while a thread reads for it. */
#include "assets/long.h"

#include "base/act.h"
#include "base/log.h"
#include "base/mem.h"

#include <uv.h>

enum { PLACE = 0x41504c43, READER = 0x41524452 };

typedef struct place {
	uint32_t magic;
	uint32_t refs; /* atomic */
	er_assets_source *source;
	er_assets_file file;
	er_slice routine;
	uint8_t names[]; /* of both */
} place;

typedef struct reader {
	uint32_t magic;
	er_act act;
	place *p;      /* own reference */
	er_body *body; /* own reference */
	uv_loop_t *loop;
	uv_work_t work;
	bool reading; /* a thread does */
	bool full, over;
	uint64_t at, end;
	/* of the thread while it reads */
	er_chunk *chunk;
	size_t n;
	bool ok;
} reader;

static void unref_place(void *ctx)
{
	place *p = ctx;
	ER_CHECK(p, PLACE);
	if (__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	p->magic = 0;
	er_free(p);
}

static bool fetch(const place *p, uint64_t from, uint8_t *to, size_t n)
{
	er_err err = {0};
	bool ok = p->source->read(p->source->ctx, p->routine, &p->file, from, to, n, &err);
	if (!ok)
		er_log(ER_LOG_ERROR, "assets", "%.*s of %.*s cannot be read: %s", ER_FMT(p->file.path), ER_FMT(p->routine), err.text);
	return ok;
}

/* ---- a reader ---- */

static void act(reader *r);

static void read_part(uv_work_t *work)
{
	reader *r = work->data;
	r->ok = fetch(r->p, r->at, r->chunk->bytes, r->n);
}

static void on_read(uv_work_t *work, int status)
{
	reader *r = work->data;
	ER_CHECK(r, READER);
	(void)status;
	r->reading = false;
	act(r);
}

static void begin_part(reader *r)
{
	uint64_t left = r->end - r->at;
	r->n = left < ER_ASSETS_PART ? (size_t)left : ER_ASSETS_PART;
	r->chunk = er_chunk_new(r->n);
	r->reading = true;
	r->work.data = r;
	uv_queue_work(r->loop, &r->work, read_part, on_read);
}

static void deliver(reader *r)
{
	er_piece piece = er_piece_take(r->chunk, r->n);
	r->chunk = NULL;
	r->at += r->n;
	if (!er_body_write(r->body, piece))
		r->full = true;
}

/* One step. False: nothing more is to be done now. */
static bool step(reader *r, bool *ended, er_err_kind *why)
{
	if (r->reading)
		return false;
	if (r->over || r->at == r->end || (r->chunk != NULL && !r->ok)) {
		*ended = true;
		*why = r->over ? ER_ERR_CANCELLED : r->at == r->end ? ER_ERR_OK : ER_ERR_IO;
		return false;
	}
	if (r->chunk != NULL) {
		deliver(r);
		return true;
	}
	if (!r->full)
		begin_part(r);
	return false;
}

static void free_reader(reader *r)
{
	er_body *body = r->body;
	ER_ASSERT(!r->reading);
	er_chunk_unref(r->chunk);
	er_body_source(body, NULL, NULL);
	er_body_unref(body);
	unref_place(r->p);
	r->magic = 0;
	er_free(r);
}

static void act(reader *r)
{
	bool ended = false;
	er_err_kind why = ER_ERR_OK;
	if (!er_act_begin(&r->act))
		return;
	do {
		while (step(r, &ended, &why)) {
		}
	} while (!ended && er_act_again(&r->act));
	if (ended && !r->over)
		er_body_end(r->body, why);
	er_act_end(&r->act);
	if (ended)
		free_reader(r);
}

static void on_resume(void *ctx)
{
	reader *r = ctx;
	ER_CHECK(r, READER);
	r->full = false;
	act(r);
}

static void on_cancel(void *ctx, er_err_kind reason)
{
	(void)reason;
	reader *r = ctx;
	ER_CHECK(r, READER);
	r->over = true;
	act(r);
}

static const er_body_source_ops source_ops = {.resume = on_resume, .cancel = on_cancel};

/* ---- the content ---- */

static er_body *read_behind(void *ctx, er_port *port, uint64_t from, uint64_t n, int64_t length)
{
	place *p = ctx;
	ER_CHECK(p, PLACE);
	ER_ASSERT(from <= p->file.bytes);
	uint64_t end = n < p->file.bytes - from ? from + n : p->file.bytes;
	__atomic_fetch_add(&p->refs, 1, __ATOMIC_RELAXED);
	reader *r = ER_NEW(reader);
	er_body *body = er_body_new(length);
	*r = (reader){.magic = READER, .p = p, .body = er_body_ref(body), .loop = er_port_loop(port), .at = from, .end = end};
	er_body_source(body, &source_ops, r);
	act(r);
	return body;
}

static bool there_behind(void *ctx, uint64_t from, uint64_t n)
{
	const place *p = ctx;
	ER_CHECK(p, PLACE);
	return from <= p->file.bytes && n <= p->file.bytes - from;
}

static bool fetch_behind(void *ctx, uint64_t from, uint8_t *to, size_t n)
{
	const place *p = ctx;
	ER_CHECK(p, PLACE);
	return fetch(p, from, to, n);
}

static const er_content_behind behind = {.read = read_behind, .there = there_behind, .free = unref_place, .fetch = fetch_behind};

er_content *er_assets_long(er_assets_source *source, er_slice routine, const er_assets_file *file)
{
	place *p = er_zalloc(sizeof *p + routine.n + file->path.n);
	*p = (place){.magic = PLACE, .refs = 1, .source = source, .file = *file, .routine = routine};
	uint8_t *at = p->names;
	er_move_in(&at, &p->routine);
	er_move_in(&at, &p->file.path);
	return er_content_new_behind(&behind, p, file->bytes, 0);
}
