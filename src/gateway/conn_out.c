/* Answers out: the head and a small body in one buffer and one write; longer bodies piece by piece, without copying, as far as the socket takes
 * them. What it does not take waits; the body's source then meets a full window. */
#include "gateway/server_internal.h"

#include <errno.h>
#include <sys/uio.h>

static void on_readable(void *ctx)
{
	er_conn_run(ctx);
}

static const er_body_sink_ops sink_ops = {.readable = on_readable};

/* The whole body is here and small. */
static bool fits(const er_conn *c, const er_body *b)
{
	return c->framing == ER_H1_LENGTH && er_body_finished(b) && er_body_untouched(b) && er_body_buffered(b) <= SMALL_BODY &&
	       er_body_buffered(b) == (uint64_t)er_body_length(b);
}

void er_conn_put_head(er_conn *c)
{
	er_response *res = &c->x->res;
	er_body *b = res->body;
	c->framing = er_h1_write_head(&c->out, res, &c->info, c->keep, er_server_date(c->server));
	if (c->framing == ER_H1_UNTIL_CLOSE)
		c->keep = false;
	c->sent = 0;
	c->progress_ms = uv_now(c->server->loop);
	if (b == NULL || c->framing == ER_H1_NO_BODY) {
		if (b != NULL)
			er_body_cancel(b, ER_ERR_CANCELLED);
		if (c->framing == ER_H1_CHUNKED)
			er_h1_write_last_chunk(&c->out);
		c->all_queued = true;
		return;
	}
	if (er_body_length(b) < 0 && er_body_finished(b))
		er_body_set_length(b, (int64_t)er_body_buffered(b));
	if (fits(c, b)) {
		size_t n = er_body_buffered(b);
		er_body_peek(b, er_buf_reserve(&c->out, n), n);
		er_buf_wrote(&c->out, n);
		c->sent = n;
		c->all_queued = true;
		return;
	}
	c->left = c->framing == ER_H1_LENGTH ? (uint64_t)er_body_length(b) : UINT64_MAX;
	c->down = b;
	er_body_sink(b, &sink_ops, c);
}

static segment *new_segment(er_conn *c)
{
	segment *seg = &c->segments[c->n_segments++];
	*seg = (segment){0};
	return seg;
}

static void prefix(segment *seg, er_slice s)
{
	er_copy(seg->prefix + seg->prefix_n, s.p, s.n);
	seg->prefix_n = (uint8_t)(seg->prefix_n + s.n);
}

static void queue_piece(er_conn *c, er_piece piece)
{
	if (piece.n > c->left) /* more than was said: what is too much would be read as the next answer */
		piece.n = (size_t)c->left;
	c->left -= piece.n;
	segment *seg = new_segment(c);
	seg->piece = piece;
	c->queued += piece.n;
	if (c->framing != ER_H1_CHUNKED)
		return;
	static const char hex[] = "0123456789abcdef";
	uint8_t size[18];
	size_t at = sizeof size, n = piece.n;
	size[--at] = '\n';
	size[--at] = '\r';
	do
		size[--at] = (uint8_t)hex[n & 15];
	while ((n >>= 4) > 0);
	prefix(seg, er_slice_of(size + at, sizeof size - at));
	seg->suffix_n = 2;
}

static void body_over(er_conn *c, bool well)
{
	er_body_sink(c->down, NULL, NULL);
	c->down = NULL;
	c->all_queued = true;
	if (well && c->framing == ER_H1_CHUNKED)
		prefix(new_segment(c), ER_LIT("0\r\n\r\n"));
	c->cut = !well || (c->framing == ER_H1_LENGTH && c->left > 0);
	if (c->cut && c->framing == ER_H1_UNTIL_CLOSE) {
		/* Only a reset tells a client of HTTP/1.0 that this was not all. */
		struct linger reset = {.l_onoff = 1, .l_linger = 0};
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	}
}

/* Takes what the body has, as far as there is room. */
static void fill(er_conn *c)
{
	while (c->down != NULL && c->n_segments < SEGMENTS && c->queued < WRITE_BYTES) {
		/* Everything that was promised is there: no need to wait for the body to say so. */
		if (c->left == 0) {
			er_body *b = c->down;
			body_over(c, true);
			er_body_cancel(b, ER_ERR_CANCELLED);
			return;
		}
		er_piece piece;
		switch (er_body_read(c->down, 0, &piece)) {
		case ER_BODY_WAIT:
			return;
		case ER_BODY_PIECE:
			if (c->closed || c->left == 0)
				er_piece_drop(&piece);
			else
				queue_piece(c, piece);
			break;
		case ER_BODY_END:
			body_over(c, true);
			return;
		case ER_BODY_ERROR:
			if (c->x->res.error == ER_ERR_OK)
				c->x->res.error = er_body_error(c->down);
			body_over(c, false);
			return;
		}
		if (c->closed)
			return;
	}
}

static const uint8_t crlf[2] = {13, 10};

static size_t gather(er_conn *c, struct iovec *iov)
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
static void sent(er_conn *c, size_t n)
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
		c->sent += k;
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
	for (unsigned i = done; i < c->n_segments; i++)
		c->segments[i - done] = c->segments[i];
	c->n_segments -= done;
}

static ssize_t write_some(er_conn *c, size_t *asked)
{
	struct iovec iov[1 + 3 * SEGMENTS];
	struct msghdr msg = {.msg_iov = iov};
	msg.msg_iovlen = gather(c, iov);
	*asked = 0;
	for (size_t i = 0; i < msg.msg_iovlen; i++)
		*asked += iov[i].iov_len;
	ssize_t n;
	do {
		if (msg.msg_iovlen == 1)
			n = send(c->fd, iov[0].iov_base, iov[0].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n;
}

bool er_conn_pump(er_conn *c, bool cork)
{
	for (;;) {
		fill(c);
		if (c->closed)
			return true;
		if (c->blocked || er_conn_flushed(c))
			return true;
		if (cork && c->all_queued && c->n_segments == 0 && er_buf_len(&c->out) < CORK_BYTES)
			return true;
		size_t asked;
		ssize_t n = write_some(c, &asked);
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n > 0) {
			er_stat_add(&c->server->stats->bytes_out, (uint64_t)n);
			c->progress_ms = uv_now(c->server->loop);
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

void er_conn_drop_out(er_conn *c)
{
	for (unsigned i = 0; i < c->n_segments; i++)
		er_piece_drop(&c->segments[i].piece);
	c->n_segments = 0;
	c->queued = 0;
	er_buf_clear(&c->out);
	if (c->down != NULL)
		er_body_sink(c->down, NULL, NULL);
	c->down = NULL;
}
