/* Long answers, and how many of them there may be. A client that reads slowly makes the node hold
 * what it has not read: so an answer of more than a body's window is a download. Its bytes go into
 * the body as the client takes them, it is counted until the last one has gone, and all downloads
 * have a bound together, in number and in bytes. What comes above is refused, and tried again by
 * whoever asked. */
#include "control/download.h"

#include "base/act.h"
#include "base/mem.h"

typedef struct download {
	er_list link; /* control->downloads */
	er_control *control;
	er_body *body; /* the source's reference */
	er_piece piece;
	size_t at; /* so much is in the body */
	bool full, gone;
	er_act act;
} download;

bool er_download_begin(er_call *call, uint64_t bytes)
{
	er_control *c = call->control;
	if (c->n_downloads >= ER_DOWNLOADS || (c->n_downloads > 0 && c->download_bytes + bytes > ER_DOWNLOADS_BYTES))
		return er_refuse(
		    &call->problem, ER_PROBLEM_UNAVAILABLE,
		    "too many long answers are still being read (%d, or %d MB together, are the most): try again in a moment",
		    ER_DOWNLOADS, ER_DOWNLOADS_BYTES >> 20);
	c->n_downloads++;
	c->download_bytes += bytes;
	return true;
}

void er_download_end(er_control *c, uint64_t bytes)
{
	ER_ASSERT(c->n_downloads > 0 && c->download_bytes >= bytes);
	c->n_downloads--;
	c->download_bytes -= bytes;
}

static void free_download(download *d)
{
	er_download_end(d->control, d->piece.n);
	er_list_remove(&d->link);
	er_body_source(d->body, NULL, NULL);
	er_body_unref(d->body);
	er_piece_drop(&d->piece);
	er_free(d);
}

static void write_some(download *d)
{
	while (!d->full && !d->gone && d->at < d->piece.n) {
		size_t n = d->piece.n - d->at < ER_DOWNLOAD_LEAST ? d->piece.n - d->at : ER_DOWNLOAD_LEAST;
		er_piece some = er_piece_copy(er_slice_of(d->piece.p + d->at, n));
		d->at += n;
		d->full = !er_body_write(d->body, some);
	}
}

static void go_on(download *d)
{
	if (!er_act_begin(&d->act))
		return;
	do
		write_some(d);
	while (er_act_again(&d->act));
	bool whole = d->at == d->piece.n;
	if (whole && !d->gone)
		er_body_finish(d->body);
	er_act_end(&d->act);
	if (whole || d->gone)
		free_download(d);
}

static void on_resume(void *ctx)
{
	download *d = ctx;
	d->full = false;
	go_on(d);
}

static void on_cancel(void *ctx, er_err_kind reason)
{
	download *d = ctx;
	(void)reason;
	d->gone = true;
	go_on(d);
}

void er_call_piece(er_call *call, er_slice type, er_piece piece)
{
	static const er_body_source_ops ops = {.resume = on_resume, .cancel = on_cancel};
	er_control *c = call->control;
	if (piece.n <= ER_DOWNLOAD_LEAST) {
		er_call_stream(call, 200, type, er_body_of(piece));
		return;
	}
	if (!er_download_begin(call, piece.n)) {
		er_piece_drop(&piece);
		er_call_refuse(call);
		return;
	}
	download *d = ER_NEW(download);
	*d = (download){.control = c, .body = er_body_new((int64_t)piece.n), .piece = piece};
	er_list_init(&d->link);
	er_list_push(&c->downloads, &d->link);
	er_body_source(d->body, &ops, d);
	/* Whoever takes the answer may cancel it at once. */
	bool begun = er_act_begin(&d->act);
	ER_ASSERT(begun);
	er_call_stream(call, 200, type, er_body_ref(d->body));
	er_act_end(&d->act);
	go_on(d);
}

void er_downloads_drop(er_control *c)
{
	while (!er_list_empty(&c->downloads)) {
		download *d = ER_CONTAINER(c->downloads.next, download, link);
		er_body_source(d->body, NULL, NULL);
		er_body_end(d->body, ER_ERR_UNAVAILABLE);
		free_download(d);
	}
}
