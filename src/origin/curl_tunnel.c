/* A WebSocket that libcurl connects: over TLS, or to a server of several addresses.
 *
 * libcurl does the connecting (CURLOPT_CONNECT_ONLY) under the same rules as for every request:
 * names, addresses, the guard, TLS. Then the connection is ours. The request goes out and the
 * answer is taken apart as in plain.c, and after a 101 bytes go both ways; libcurl only encrypts
 * and decrypts them (curl_easy_send, curl_easy_recv).
 *
 * curl_hop.c calls er_curl_tunnel_open when libcurl has connected, and er_curl_tunnel_step whenever
 * something may have changed: the socket is ready (on_ready), the reader has room, the asker has
 * sent something, a new turn of the loop has begun. A step writes and reads until both wait.
 * er_curl_tunnel_close comes before libcurl closes the socket; on_closed frees the tunnel. */
#include "base/mem.h"
#include "origin/count.h"
#include "origin/curl.h"
#include "origin/message.h"

#include <sys/socket.h>

enum {
	READ = ER_CHUNK_KEPT, /* a record of TLS, and threads keep its chunks */
	/* of one connection in one turn of the loop: the others wait meanwhile */
	TURN_BYTES = 256 * 1024,
};

struct er_curl_tunnel {
	uv_poll_t poll;
	er_curl_hop *h; /* NULL: closed */
	er_origin *o;
	curl_socket_t fd;
	int watched;     /* UV_READABLE, UV_WRITABLE */
	er_buf out;      /* of the request: what the server has not taken yet */
	er_piece up;     /* of what the asker sends: likewise */
	er_chunk *chunk; /* being read into */
	bool up_over;    /* the asker has sent its last */
	bool over;       /* nothing more comes: er_fetch_ended was noted */
};

static void on_closed(uv_handle_t *handle)
{
	er_curl_tunnel *t = handle->data;
	er_origin *o = t->o;
	ER_ASSERT(t->h == NULL);
	er_free(t);
	er_count_handle_closed(o);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	er_curl_tunnel *t = poll->data;
	(void)events; /* a step finds out by itself */
	ER_CHECK(t->h, ER_CURL_HOP_MAGIC);
	if (status < 0)
		t->watched = 0; /* the loop gave up on it: reading says why */
	er_curl_queue(t->h);
	er_curl_drain(t->h->m);
}

static void watch(er_curl_tunnel *t, int events)
{
	if (events == t->watched)
		return;
	t->watched = events;
	if (events == 0)
		uv_poll_stop(&t->poll);
	else if (uv_poll_start(&t->poll, events, on_ready) != 0)
		t->watched = 0;
}

/* libcurl has let go of the socket: its own watch is gone. */
bool er_curl_tunnel_open(er_curl_hop *h)
{
	er_curl_tunnel *t = ER_NEW(er_curl_tunnel);
	er_origin *o = h->m->o;
	ER_ASSERT(h->tunnel == NULL && h->done && h->f->upgrade);
	if (curl_easy_getinfo(h->easy, CURLINFO_ACTIVESOCKET, &t->fd) != CURLE_OK || t->fd == CURL_SOCKET_BAD ||
	    uv_poll_init(o->loop, &t->poll, t->fd) != 0) {
		er_free(t);
		return false;
	}
	er_count_handle_opened(o);
	t->poll.data = t;
	t->h = h;
	t->o = o;
	h->tunnel = t;
	er_decode_begin(&h->decode);
	er_message_write(h->f, &t->out);
	return true;
}

void er_curl_tunnel_close(er_curl_hop *h)
{
	er_curl_tunnel *t = h->tunnel;
	if (t == NULL)
		return;
	ER_ASSERT(t->h == h);
	h->tunnel = NULL;
	t->h = NULL;
	er_buf_fini(&t->out);
	er_piece_drop(&t->up);
	er_chunk_unref(t->chunk);
	t->chunk = NULL;
	uv_close((uv_handle_t *)&t->poll, on_closed);
}

/* ---- writing ---- */

/* What the server has taken of p, 0: it takes nothing now; -1: it never will. */
static ssize_t send_some(er_curl_hop *h, er_slice p)
{
	size_t n = 0;
	h->m->in_curl = true;
	CURLcode rc = curl_easy_send(h->easy, p.p, p.n, &n);
	h->m->in_curl = false;
	return rc == CURLE_OK ? (ssize_t)n : rc == CURLE_AGAIN ? 0 : -1;
}

/* The next piece of what the asker sends. The source may do anything meanwhile, and end the fetch.
 * False: there is none now. */
static bool take_up(er_curl_hop *h, er_fetch *f)
{
	er_curl_tunnel *t = h->tunnel;
	er_piece piece;
	if (!f->switched || f->upload == NULL || t->up_over)
		return false;
	er_body_status s = er_fetch_upload(f, 0, &piece);
	if (f->hop != h) {
		if (s == ER_BODY_PIECE)
			er_piece_drop(&piece);
		return false;
	}
	if (s == ER_BODY_PIECE) {
		t->up = piece;
	} else if (s == ER_BODY_END) {
		/* Without the alert that TLS would send: libcurl has no way of asking for one, and a
		 * WebSocket has said goodbye in its own frames. */
		t->up_over = true;
		(void)shutdown(t->fd, SHUT_WR);
	}
	return s == ER_BODY_PIECE;
}

/* True: the server takes no more at present. */
static bool write_on(er_curl_hop *h, er_fetch *f)
{
	while (f->hop == h && !er_fetch_ended_already(f)) {
		er_curl_tunnel *t = h->tunnel;
		bool request = er_buf_len(&t->out) > 0;
		if (!request && t->up.n == 0 && !take_up(h, f))
			return false;
		er_slice bytes = request ? er_buf_slice(&t->out) : er_slice_of(t->up.p, t->up.n);
		ssize_t n = bytes.n > 0 ? send_some(h, bytes) : 0;
		/* a server that does not read any more may have answered before: reading tells */
		if (n < 0)
			return false;
		if (request)
			er_buf_consume(&t->out, (size_t)n);
		else
			t->up.p += n, t->up.n -= (size_t)n;
		if ((size_t)n < bytes.n)
			return true;
		if (!request)
			er_piece_drop(&t->up);
	}
	return false;
}

/* ---- reading ---- */

/* The connection has ended. */
static void end(er_curl_hop *h, er_fetch *f, CURLcode rc)
{
	if (rc != CURLE_OK)
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s broke off its answer: %s", ER_FMT(f->authority), curl_easy_strerror(rc));
	else if (er_decode_end(&h->decode, f) == ER_DECODE_OVER)
		er_fetch_ended(f, ER_ERR_OK, " ");
	h->tunnel->over = true;
}

static void parse(er_curl_hop *h, er_fetch *f, size_t n)
{
	er_curl_tunnel *t = h->tunnel;
	er_slice in = er_slice_of(t->chunk->bytes, n);
	if (er_fetch_head_whole(f)) /* a head has its time as a whole */
		er_fetch_alive(f);
	uint64_t chunks = h->decode.chunks;
	er_decode_state state = er_decode_feed(&h->decode, f, &in, t->chunk);
	h->turn += (size_t)(h->decode.chunks - chunks) * ER_ORIGIN_CHUNK_COST;
	if (state == ER_DECODE_OVER)
		er_fetch_ended(f, ER_ERR_OK, " ");
	t->over = state == ER_DECODE_OVER || state == ER_DECODE_BROKEN;
}

/* Where the next bytes go: a chunk that somebody else has a part of is theirs. */
static er_chunk *room(er_curl_tunnel *t)
{
	if (t->chunk != NULL && __atomic_load_n(&t->chunk->refs, __ATOMIC_ACQUIRE) > 1) {
		er_chunk_unref(t->chunk);
		t->chunk = NULL;
	}
	if (t->chunk == NULL)
		t->chunk = er_chunk_new(READ);
	return t->chunk;
}

/* True: the reader and the turn leave room, and the server has nothing more at present. */
static bool read_on(er_curl_hop *h, er_fetch *f)
{
	er_curl_tunnel *t = h->tunnel;
	while (!t->over) {
		if (er_fetch_full(f)) {
			er_fetch_hold(f);
			h->write_paused = true;
			return false;
		}
		if (h->turn >= TURN_BYTES) { /* TLS may hold bytes that no socket tells of */
			er_curl_rest(h);
			return false;
		}
		size_t n = 0;
		er_chunk *to = room(t);
		h->m->in_curl = true;
		CURLcode rc = curl_easy_recv(h->easy, to->bytes, to->cap, &n);
		h->m->in_curl = false;
		if (rc == CURLE_AGAIN)
			return true;
		h->turn += n;
		if (rc == CURLE_OK && n > 0)
			parse(h, f, n);
		else
			end(h, f, rc);
	}
	return false;
}

bool er_curl_tunnel_step(er_curl_hop *h, er_fetch *f)
{
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	ER_ASSERT(f->hop == h && h->tunnel != NULL && !h->m->in_curl);
	er_curl_tunnel *t = h->tunnel;
	if (!er_list_empty(&h->rest)) /* it has had its share of this turn */
		return true;
	bool waits = write_on(h, f);
	if (f->hop != h)
		return true;
	bool reads = read_on(h, f);
	watch(t, (reads ? UV_READABLE : 0) | (waits ? UV_WRITABLE : 0));
	if (reads && f->switched) { /* a socket that waits keeps no chunk: there may be very many */
		er_chunk_unref(t->chunk);
		t->chunk = NULL;
		er_decode_fini(&h->decode);
	}
	return !t->over && !er_fetch_ended_already(f);
}
