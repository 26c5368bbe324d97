/* Readings of one thread of the gateway: each is done once by a thread of the pool, for all that
 * wait for it here. A reading holds the version, and lives from its first waiter to its callback,
 * also if nobody waits any more. */
#include "assets/host.h"

#include "base/log.h"

enum { MAGIC = 0x41484f53, PIECE = 128 * 1024 };

typedef struct reading {
	er_list link; /* of the host */
	uv_work_t work;
	er_assets_host *host;
	er_assets *s;               /* own reference */
	const er_assets_file *file; /* of s; NULL: the table */
	er_list waiters;
	er_content *content;
	bool ok;
	er_err err;
} reading;

er_assets_host *er_assets_host_new(uv_loop_t *loop, er_assets_memory *memory, er_compressor *compressor)
{
	er_assets_host *h = ER_NEW(er_assets_host);
	*h = (er_assets_host){.magic = MAGIC, .loop = loop, .port = er_port_new(loop), .memory = memory, .compressor = compressor};
	er_list_init(&h->readings);
	return h;
}

static void close_if_quiet(er_assets_host *h)
{
	if (!h->closing || !er_list_empty(&h->readings))
		return;
	void (*closed)(void *) = h->closed;
	void *ctx = h->closed_ctx;
	er_port_close(h->port);
	h->magic = 0;
	er_free(h);
	closed(ctx);
}

void er_assets_host_close(er_assets_host *h, void (*closed)(void *ctx), void *ctx)
{
	ER_CHECK(h, MAGIC);
	h->closing = true;
	h->closed = closed;
	h->closed_ctx = ctx;
	close_if_quiet(h);
}

/* ---- on a thread of the pool ---- */

/* In pieces that bodies are made of: one chunk for each. */
static void write_content(er_content *c, er_chunk *whole, size_t n)
{
	er_piece all = er_piece_take(whole, n);
	for (size_t at = 0; at < n; at += PIECE)
		er_content_write(c, er_piece_sub(all, at, n - at < PIECE ? n - at : PIECE));
	er_piece_drop(&all);
	er_content_end(c, ER_ERR_OK);
}

static void read_file(reading *r)
{
	er_assets_source *source = r->s->source;
	size_t n = r->file->bytes;
	er_chunk *chunk = er_chunk_new(n);
	r->ok = source->read(source->ctx, r->s->routine, r->file, 0, chunk->bytes, n, &r->err);
	if (!r->ok) {
		er_chunk_unref(chunk);
		return;
	}
	r->content = er_content_new();
	write_content(r->content, chunk, n);
}

static void read_it(uv_work_t *work)
{
	reading *r = work->data;
	if (r->file != NULL)
		read_file(r);
	else
		r->ok = er_assets_load(r->s, &r->err);
}

/* ---- on the loop ---- */

static void on_read(uv_work_t *work, int status)
{
	reading *r = work->data;
	er_assets_host *h = r->host;
	(void)status;
	ER_CHECK(h, MAGIC);
	er_list_remove(&r->link);
	if (!r->ok)
		er_log(ER_LOG_ERROR, "assets", "routine %.*s: %.*s cannot be read: %s", ER_FMT(r->s->routine),
		       ER_FMT(r->file != NULL ? r->file->path : ER_LIT("the manifest of its files")), r->err.text);
	if (r->content != NULL)
		r->content = er_assets_memory_put(h->memory, r->s->routine, &r->file->hash, r->content);
	for (er_list *l; (l = er_list_pop(&r->waiters)) != NULL;) {
		er_assets_waiter *w = ER_CONTAINER(l, er_assets_waiter, link);
		w->news(w, r->ok, r->content);
	}
	er_content_unref(r->content);
	er_assets_unref(r->s);
	er_free(r);
	close_if_quiet(h);
}

static reading *under_way(er_assets_host *h, const er_assets *s, const er_assets_file *file)
{
	ER_LIST_EACH(l, &h->readings)
	{
		reading *r = ER_CONTAINER(l, reading, link);
		if (r->s == s && r->file == file)
			return r;
	}
	return NULL;
}

void er_assets_read(er_assets_host *h, er_assets *s, const er_assets_file *file, er_assets_waiter *w)
{
	ER_CHECK(h, MAGIC);
	reading *r = under_way(h, s, file);
	if (r == NULL) {
		r = ER_NEW(reading);
		*r = (reading){.host = h, .s = er_assets_ref(s), .file = file};
		er_list_init(&r->waiters);
		er_list_push(&h->readings, &r->link);
		r->work.data = r;
		uv_queue_work(h->loop, &r->work, read_it, on_read);
	}
	er_list_push(&r->waiters, &w->link);
}
