/* Answers out: the head and a small body in one buffer and one write; longer bodies piece by piece,
 * without copying, as far as the transport takes them. What the transport does not take waits in
 * the session's segments; the answer's source then meets a full window. */
#include "gateway/h1_session.h"

#include <errno.h>
#include <sys/uio.h>

/* The whole body is here and small. */
static bool fits(const er_h1_session *c, const er_body *b)
{
	return c->framing == ER_H1_LENGTH && er_body_finished(b) && er_body_untouched(b) && er_body_buffered(b) <= SMALL_BODY &&
	       er_body_buffered(b) == (uint64_t)er_body_length(b);
}

void er_h1_session_put_head(er_h1_session *c)
{
	er_stream *st = &c->stream;
	er_response *res = &st->x->res;
	er_body *b = res->body;
	ER_ASSERT(st->state.now == STREAM_ANSWERED);
	c->framing = er_h1_write_head(&c->out, res, &c->info, c->keep, er_server_date(c->base.server));
	if (c->framing == ER_H1_UNTIL_CLOSE)
		c->keep = false;
	c->progress_ms = uv_now(c->base.server->loop);
	if (b == NULL || c->framing == ER_H1_NO_BODY) {
		if (b != NULL)
			er_body_cancel(b, ER_ERR_CANCELLED);
		if (c->framing == ER_H1_CHUNKED)
			er_h1_write_last_chunk(&c->out, NULL);
		er_stream_all(st, 0);
		return;
	}
	if (c->framing == ER_H1_LENGTH && er_body_length(b) < 0 && er_body_finished(b))
		er_body_set_length(b, (int64_t)er_body_buffered(b));
	if (fits(c, b)) {
		size_t n = er_body_buffered(b);
		er_body_peek(b, er_buf_reserve(&c->out, n), n);
		er_buf_wrote(&c->out, n);
		er_stream_all(st, n);
		return;
	}
	er_stream_send(st, c->framing == ER_H1_LENGTH);
	if (c->framing == ER_H1_SWITCHED)
		er_stream_switch(st);
}

static segment *new_segment(er_h1_session *c)
{
	ER_ASSERT(c->n_segments < SEGMENTS);
	segment *seg = &c->segments[c->n_segments++];
	*seg = (segment){0};
	return seg;
}

static void prefix(segment *seg, er_slice s)
{
	ER_ASSERT(seg->prefix_n + s.n <= sizeof seg->prefix);
	er_copy(seg->prefix + seg->prefix_n, s.p, s.n);
	seg->prefix_n = (uint8_t)(seg->prefix_n + s.n);
}

static void queue_piece(er_h1_session *c, er_piece piece)
{
	segment *seg = new_segment(c);
	seg->piece = piece;
	c->queued += piece.n;
	if (c->framing != ER_H1_CHUNKED)
		return;
	/* A chunk of no bytes would be the last one. */
	ER_ASSERT(piece.n > 0);
	uint8_t size[ER_H1_CHUNK_SIZE];
	prefix(seg, er_h1_chunk_size(piece.n, size));
	seg->suffix_n = 2;
}

static void queue_last_chunk(er_h1_session *c, const er_fields *trailers)
{
	segment *seg = new_segment(c);
	if (trailers == NULL) {
		prefix(seg, ER_LIT("0\r\n\r\n"));
		return;
	}
	er_buf text;
	er_buf_init(&text);
	er_h1_write_last_chunk(&text, trailers);
	seg->trailers = true;
	seg->piece = er_piece_copy(er_buf_slice(&text));
	c->queued += seg->piece.n;
	er_buf_fini(&text);
}

/* Takes what the answer has, as far as there is room. */
static void fill(er_h1_session *c)
{
	er_stream *st = &c->stream;
	while (st->down != NULL && c->n_segments < SEGMENTS && c->queued < WRITE_BYTES) {
		er_piece piece;
		switch (er_stream_next(st, &piece)) {
		case ER_BODY_WAIT:
			return;
		case ER_BODY_PIECE:
			queue_piece(c, piece);
			break;
		case ER_BODY_END:
			if (c->framing == ER_H1_CHUNKED)
				queue_last_chunk(c, c->info.trailers ? er_body_trailers(st->x->res.body) : NULL);
			return;
		case ER_BODY_ERROR:
			if (c->framing == ER_H1_UNTIL_CLOSE || c->framing == ER_H1_SWITCHED)
				er_transport_break_off(c->base.transport);
			return;
		}
	}
}

static const uint8_t crlf[2] = {13, 10};

static size_t gather(er_h1_session *c, struct iovec *iov)
{
	size_t n = 0;
	if (er_buf_len(&c->out) > 0)
		iov[n++] = (struct iovec){(void *)(uintptr_t)er_buf_slice(&c->out).p, er_buf_len(&c->out)};
	for (unsigned i = 0; i < c->n_segments; i++) {
		segment *seg = &c->segments[i];
		if (seg->prefix_sent < seg->prefix_n)
			iov[n++] = (struct iovec){seg->prefix + seg->prefix_sent, (size_t)(seg->prefix_n - seg->prefix_sent)};
		if (seg->sent < seg->piece.n)
			iov[n++] = (struct iovec){(void *)(uintptr_t)(seg->piece.p + seg->sent), seg->piece.n - seg->sent};
		if (seg->suffix_sent < seg->suffix_n)
			iov[n++] = (struct iovec){(void *)(uintptr_t)(crlf + seg->suffix_sent), (size_t)(seg->suffix_n - seg->suffix_sent)};
	}
	return n;
}

/* n bytes went out. */
static void sent(er_h1_session *c, size_t n)
{
	size_t k = er_buf_len(&c->out);
	k = n < k ? n : k;
	er_buf_consume(&c->out, k);
	n -= k;
	unsigned done = 0;
	for (; done < c->n_segments; done++) {
		segment *seg = &c->segments[done];
		k = (size_t)(seg->prefix_n - seg->prefix_sent);
		k = n < k ? n : k;
		seg->prefix_sent = (uint8_t)(seg->prefix_sent + k);
		n -= k;
		k = seg->piece.n - seg->sent;
		k = n < k ? n : k;
		seg->sent += k;
		c->stream.sent += seg->trailers ? 0 : k;
		ER_ASSERT(c->queued >= k);
		c->queued -= k;
		n -= k;
		k = (size_t)(seg->suffix_n - seg->suffix_sent);
		k = n < k ? n : k;
		seg->suffix_sent = (uint8_t)(seg->suffix_sent + k);
		n -= k;
		if (seg->prefix_sent < seg->prefix_n || seg->sent < seg->piece.n || seg->suffix_sent < seg->suffix_n)
			break;
		er_piece_drop(&seg->piece);
	}
	ER_ASSERT(n == 0 && done <= c->n_segments);
	for (unsigned i = done; i < c->n_segments; i++)
		c->segments[i - done] = c->segments[i];
	c->n_segments -= done;
}

static ssize_t write_some(er_h1_session *c, size_t *asked)
{
	struct iovec iov[1 + 3 * SEGMENTS];
	size_t n = gather(c, iov);
	ER_ASSERT(n > 0 && n <= sizeof iov / sizeof *iov);
	*asked = 0;
	for (size_t i = 0; i < n; i++)
		*asked += iov[i].iov_len;
	return er_transport_writev(c->base.transport, iov, n);
}

bool er_h1_session_pump(er_h1_session *c, bool cork)
{
	for (;;) {
		fill(c);
		if (er_h1_closed(c))
			return true;
		if (c->blocked || er_h1_session_flushed(c))
			return true;
		/* Behind a break nothing comes that could take a held answer along. */
		if (cork && c->stream.state.now == STREAM_SENT && c->n_segments == 0 && er_buf_len(&c->out) < CORK_BYTES)
			return true;
		size_t asked;
		ssize_t n = write_some(c, &asked);
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n > 0) {
			er_stat_add(&c->base.server->stats->bytes_out, (uint64_t)n);
			c->progress_ms = uv_now(c->base.server->loop);
			sent(c, (size_t)n);
		}
		if (n < (ssize_t)asked) {
			c->blocked = true;
			return true;
		}
		if (er_buf_len(&c->out) == 0 && c->out.cap > BUFFER_KEPT)
			er_buf_fini(&c->out);
	}
}

void er_h1_session_drop_out(er_h1_session *c)
{
	for (unsigned i = 0; i < c->n_segments; i++)
		er_piece_drop(&c->segments[i].piece);
	c->n_segments = 0;
	c->queued = 0;
	er_buf_clear(&c->out);
}
