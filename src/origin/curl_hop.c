/* One request by libcurl: its callbacks, its upload, its end.
 *
 * An er_curl_hop is made by `start` and freed by `release`; in between f->hop points to it. It
 * waits in the multi's `ready` list, is added to libcurl by `serve`, and libcurl calls back:
 * on_open for a socket, on_before_request when a connection is to carry the request, on_read for
 * the upload, on_header and on_write for the answer. These only take notes and queue the hop.
 * er_curl_drain (curl.c) calls `serve`, which acts on them, outside of libcurl: it asks once more
 * on a fresh connection where that is due (again_fresh), takes more of the upload (refill), notes
 * the end and releases the hop, and then advances the fetch. Whatever it calls may stop the hop, so
 * the hop is touched afterwards only as long as f->hop says that it is there. */
#include "base/mem.h"
#include "origin/count.h"
#include "origin/curl.h"
#include "origin/message.h"
#include "origin/server.h"

#include <arpa/inet.h>

/* libcurl keeps these for as long as a transfer lasts, also while nothing comes: as much as TLS
 * gives at once, and as little as it takes. */
enum { BUFFER = 16 * 1024, TURN_BYTES = 256 * 1024, UPLOAD_BUFFER = 16 * 1024, UP_PIECES = 8, UP_BYTES = 64 * 1024 };

/* ---- callbacks: notes only ---- */

/* Bytes of an HTTP/1 answer as they came, also the chunked coding's: libcurl only follows where the
 * message ends. False: it is broken. */
static bool feed(er_curl_hop *h, er_slice bytes)
{
	ER_ASSERT(!h->h2);
	uint64_t chunks = h->decode.chunks;
	er_decode_state state = er_decode_feed(&h->decode, h->f, &bytes, NULL);
	h->turn += (size_t)(h->decode.chunks - chunks) * ER_ORIGIN_CHUNK_COST;
	/* What was sent unasked is of nobody's answer; libcurl would throw this part away, and keep the
	 * connection. */
	if (state == ER_DECODE_OVER && (bytes.n > 0 || !er_decode_keeps(&h->decode)))
		curl_easy_setopt(h->easy, CURLOPT_FORBID_REUSE, 1L);
	return state != ER_DECODE_BROKEN;
}

/* libcurl (7.88) reads from one connection as long as there is something, a hundred times 64 KB,
 * and others wait meanwhile: pausing is the only way out. */
static bool turn_is_over(er_curl_hop *h, size_t n)
{
	uint64_t now = uv_now(h->m->o->loop);
	if (now != h->turn_ms)
		h->turn = 0;
	h->turn_ms = now;
	if (h->turn >= TURN_BYTES)
		return true;
	h->turn += n;
	return false;
}

/* Bytes of a body. Pausing is the only back-pressure that libcurl has: while the reader is full,
 * and for the rest of this turn when the hop has had its share. */
static size_t on_write(char *p, size_t size, size_t count, void *hop)
{
	er_curl_hop *h = hop;
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	er_curl_queue(h);
	if (er_fetch_full(h->f)) {
		h->write_paused = true;
		er_fetch_hold(h->f);
		return CURL_WRITEFUNC_PAUSE;
	}
	er_slice bytes = er_slice_of(p, size * count);
	if (turn_is_over(h, bytes.n)) {
		er_curl_rest(h);
		h->write_paused = h->rested = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	h->news = true;
	if (!h->h2)
		return feed(h, bytes) ? bytes.n : 0;
	er_fetch_push_copy(h->f, bytes);
	return bytes.n;
}

/* "HTTP/2 200", as libcurl writes it. */
static bool status_line(er_fetch *f, er_slice line)
{
	er_slice rest = er_slice_from(line, er_slice_find(line, ' ') + 1);
	uint64_t status;
	if (!er_slice_u64(er_slice_head(rest, 3), &status) || rest.n < 3 || (rest.n > 3 && rest.p[3] != ' ')) {
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s did not answer in HTTP", ER_FMT(f->authority));
		return false;
	}
	return er_fetch_status(f, (unsigned)status, er_slice_trim(er_slice_from(rest, 4)));
}

/* One line of a head, or of what follows the body. Of HTTP/1 all lines go through the decoder,
 * which decides; of HTTP/2 there is no decoder, and the lines are what libcurl made of the
 * frames. */
static size_t on_header(char *p, size_t size, size_t count, void *hop)
{
	er_curl_hop *h = hop;
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	er_fetch *f = h->f;
	er_slice line = er_slice_of(p, size * count);
	if (er_fetch_head_whole(f)) {
		size_t colon = er_slice_find(line, ':');
		if (colon < line.n)
			er_fetch_trailer(f, er_slice_head(line, colon), er_slice_trim(er_slice_from(line, colon + 1)));
		return line.n;
	}
	size_t all = line.n;
	if (!h->h2) {
		bool ok = feed(h, line);
		h->news = h->news || er_fetch_head_whole(f);
		er_curl_queue(h);
		return ok ? all : 0;
	}
	while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	if (line.n == 0) {
		uint64_t length;
		if (f->status >= 200 && er_message_framing(f, false, &length) == ER_FRAMING_BROKEN)
			return 0;
		if (f->status >= 200) {
			er_fetch_head(f);
			h->news = true;
		} else {
			er_fetch_informed(f);
			h->news = false;
		}
		er_curl_queue(h);
		return all;
	}
	if (er_slice_starts(line, ER_LIT("HTTP/")) && er_slice_find(line, ' ') < er_slice_find(line, ':'))
		return status_line(f, line) ? all : 0;
	/* A line without a colon leaves the name as the whole line, with its spaces: refused like any
	 * bad name. So is a folded one. */
	size_t colon = er_slice_find(line, ':');
	return er_fetch_field(f, er_slice_head(line, colon), er_slice_trim(er_slice_from(line, colon + 1))) ? all : 0;
}

/* libcurl wants bytes of the upload. They were taken out of the body beforehand (`up`), for no body
 * may be called in here; with none there it pauses, and the drain gets some. */
static size_t on_read(char *to, size_t size, size_t count, void *hop)
{
	er_curl_hop *h = hop;
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	size_t room = size * count;
	if (h->up_at < h->up_n) {
		er_piece *piece = &h->up[h->up_at];
		size_t n = piece->n < room ? piece->n : room;
		er_copy(to, piece->p, n);
		piece->p += n;
		piece->n -= n;
		if (piece->n == 0) {
			er_piece_drop(piece);
			h->up_at++;
		}
		return n;
	}
	if (h->upload_end)
		return 0;
	h->read_paused = h->want_upload = true;
	er_curl_queue(h);
	return CURL_READFUNC_PAUSE;
}

/* Behind the last chunk of an upload over HTTP/1: the fields that came behind it. libcurl
 * frees the list. */
static int on_trailers(struct curl_slist **list, void *hop)
{
	er_curl_hop *h = hop;
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	ER_ASSERT(h->upload_end);
	const er_fields *trailers = h->f->upload != NULL ? er_body_trailers(h->f->upload) : NULL;
	er_buf line = {0};
	for (uint32_t i = 0; trailers != NULL && i < trailers->n; i++) {
		er_buf_clear(&line);
		er_buf_printf(&line, "%.*s: %.*s", ER_FMT(trailers->v[i].name), ER_FMT(trailers->v[i].value));
		er_buf_putc(&line, 0);
		struct curl_slist *longer = curl_slist_append(*list, (const char *)er_buf_slice(&line).p);
		ER_ASSERT(longer != NULL);
		*list = longer;
	}
	er_buf_fini(&line);
	return CURL_TRAILERFUNC_OK;
}

static curl_socket_t on_open(void *hop, curlsocktype purpose, struct curl_sockaddr *a)
{
	er_curl_hop *h = hop;
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	if (purpose != CURLSOCKTYPE_IPCXN || er_fetch_refuses(h->f, &a->addr))
		return CURL_SOCKET_BAD;
	er_curl_name_read(h);
	curl_socket_t fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	if (fd >= 0)
		er_curl_socket_opened(h, fd);
	return fd;
}

static bool may_repeat(const er_fetch *f)
{
	static const char *const safe[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};
	for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
		if (er_slice_eq(f->method, er_slice_cstr(safe[i])))
			return true;
	return false;
}

/* Before a request goes out, also on a connection that was used before. */
static int on_before_request(void *hop, char *peer, char *local, int peer_port, int local_port)
{
	er_curl_hop *h = hop;
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	/* A server of HTTP/2 may answer and then end the stream with HTTP_1_1_REQUIRED. libcurl
	 * (7.88) asks it again over HTTP/1.1, but the answer to this hop has begun, perhaps the
	 * asker has its head, and there is no place for another one. */
	if (er_fetch_head_whole(h->f)) {
		er_fetch_ended(h->f, ER_ERR_RESPONSE, "%.*s broke off its answer", ER_FMT(h->f->authority));
		return CURL_PREREQFUNC_ABORT;
	}
	/* Some of the request may have been carried out already: only what may be done twice is asked
	 * again (RFC 9110 9.2.2). */
	if (h->asked && !h->h2 && !may_repeat(h->f)) {
		er_fetch_ended(h->f, ER_ERR_RESPONSE, "%.*s closed the connection without an answer", ER_FMT(h->f->authority));
		return CURL_PREREQFUNC_ABORT;
	}
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)peer_port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)peer_port)};
	const void *sa = NULL;
	if (inet_pton(AF_INET, peer, &v4.sin_addr) == 1)
		sa = &v4;
	else if (inet_pton(AF_INET6, peer, &v6.sin6_addr) == 1)
		sa = &v6;
	er_curl_name_read(h);
	er_curl_socket_settled(h, local_port);
	if (sa == NULL || er_fetch_refuses(h->f, sa))
		return CURL_PREREQFUNC_ABORT;
	h->unfit = !er_curl_door(h, peer, peer_port, local, local_port);
	/* libcurl closes it; a place for another connection is kept, if the hop has one */
	if (h->unfit)
		return CURL_PREREQFUNC_ABORT;
	er_count_give_place(h->f);
	h->asked = true;
	er_fetch_connected(h->f);
	er_server_prove(h->f, sa);
	return CURL_PREREQFUNC_OK;
}

/* ---- the handle ---- */

/* What no request changes. */
static void set_constant_options(er_curl_hop *h)
{
	CURL *e = h->easy;
	curl_easy_setopt(e, CURLOPT_PRIVATE, h);
	curl_easy_setopt(e, CURLOPT_SHARE, h->m->share);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	/* The bytes as they come: decode.c undoes the chunked coding, and bounds it. */
	curl_easy_setopt(e, CURLOPT_HTTP_TRANSFER_DECODING, 0L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, er_curl_tls_begin);
	curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, h);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)BUFFER);
	curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(e, CURLOPT_READDATA, h);
	curl_easy_setopt(e, CURLOPT_TRAILERFUNCTION, on_trailers);
	curl_easy_setopt(e, CURLOPT_TRAILERDATA, h);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, h);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, er_curl_socket_close);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, h->m);
	curl_easy_setopt(e, CURLOPT_RESOLVER_START_FUNCTION, er_curl_name_needed);
	curl_easy_setopt(e, CURLOPT_RESOLVER_START_DATA, h);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_before_request);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, h);
}

/* A handle serves one request. libcurl (7.88) keeps a pointer to the last header field of a
 * handle's last answer, which is freed when the next request begins; a line that continues nothing,
 * at the start of the next answer, would be joined to it. */
static er_curl_hop *hop_new(er_curl_multi *m)
{
	er_curl_hop *h = ER_NEW(er_curl_hop);
	h->magic = ER_CURL_HOP_MAGIC;
	er_list_init(&h->link);
	er_list_init(&h->rest);
	h->m = m;
	h->easy = curl_easy_init();
	ER_ASSERT(h->easy != NULL);
	set_constant_options(h);
	return h;
}

static void hop_free(er_curl_hop *h)
{
	ER_ASSERT(er_list_empty(&h->link) && er_list_empty(&h->rest) && h->n_sockets == 0 && h->name == NULL);
	curl_easy_cleanup(h->easy);
	er_buf_fini(&h->text);
	er_decode_fini(&h->decode);
	er_free(h->up);
	h->magic = 0;
	er_free(h);
}

/* Ends what h does, and h. */
static void release(er_curl_hop *h)
{
	er_curl_multi *m = h->m;
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	ER_ASSERT(!m->in_curl && h->f->hop == h && m->started > 0);
	er_list_remove(&h->link);
	er_list_remove(&h->rest);
	er_curl_tunnel_close(h);
	if (h->done && h->result == CURLE_OK && h->f->end_kind == ER_ERR_OK && !h->f->upgrade)
		er_curl_keep(h);
	if (h->added) {
		m->in_curl = true;
		curl_multi_remove_handle(m->multi, h->easy);
		m->in_curl = false;
	}
	if (h->done)
		er_curl_name_read(h);
	er_curl_name_done(h);
	er_curl_socket_dropped(h);
	m->started--;
	er_count_freed(m->o);
	curl_slist_free_all(h->headers);
	curl_slist_free_all(h->connect_to);
	while (h->up_at < h->up_n)
		er_piece_drop(&h->up[h->up_at++]);
	h->f->hop = NULL;
	hop_free(h);
}

/* ---- going on ---- */

static void unpause(er_curl_hop *h)
{
	er_curl_multi *m = h->m;
	ER_ASSERT(!m->in_curl);
	m->in_curl = true;
	curl_easy_pause(h->easy, (h->write_paused ? CURLPAUSE_RECV : 0) | (h->read_paused ? CURLPAUSE_SEND : 0));
	m->in_curl = false;
	er_curl_drain_soon(m);
}

/* Takes more of the upload. The source may do anything meanwhile: h is ours only as long as
 * f->hop says so. */
static void refill(er_curl_hop *h, er_fetch *f)
{
	if (h->up == NULL)
		h->up = er_alloc(UP_PIECES * sizeof *h->up);
	ER_ASSERT(h->want_upload && h->up_at == h->up_n);
	h->up_at = h->up_n = 0;
	size_t bytes = 0;
	while (f->hop == h && h->up_n < UP_PIECES && bytes < UP_BYTES) {
		er_piece piece;
		er_body_status s = er_fetch_upload(f, 0, &piece);
		if (f->hop != h) {
			if (s == ER_BODY_PIECE)
				er_piece_drop(&piece);
			return;
		}
		if (s == ER_BODY_PIECE) {
			bytes += piece.n;
			h->up[h->up_n++] = piece;
			continue;
		}
		h->upload_end = s == ER_BODY_END;
		break;
	}
	if (f->hop != h || (h->up_n == 0 && !h->upload_end))
		return;
	h->want_upload = h->read_paused = false;
	unpause(h);
}

/* ---- the end ---- */

/* What libcurl's code means for the asker. A refused address counts only if no other one was
 * tried. */
static er_err_kind kind_of(const er_fetch *f, CURLcode code)
{
	if (f->refused && !f->tried)
		return ER_ERR_REFUSED_ADDRESS;
	switch (code) {
	case CURLE_OK:
		return ER_ERR_OK;
	case CURLE_COULDNT_RESOLVE_HOST:
		return ER_ERR_DNS;
	case CURLE_COULDNT_CONNECT:
		return ER_ERR_CONNECT;
	case CURLE_OPERATION_TIMEDOUT:
		return ER_ERR_TIMEOUT;
	default:
		return ER_ERR_RESPONSE;
	}
}

/* libcurl is done with the hop. Its success is ours only if the message was whole. */
static void note_end(er_curl_hop *h)
{
	er_fetch *f = h->f;
	ER_ASSERT(h->done && f->hop == h);
	er_err_kind kind = kind_of(f, h->result);
	er_tls_fault fault;
	bool whole = h->result == CURLE_OK && (h->h2 ? er_fetch_head_whole(f) : er_decode_end(&h->decode, f) == ER_DECODE_OVER);
	if (whole)
		er_fetch_ended(f, ER_ERR_OK, " ");
	else if (h->result == CURLE_OK)
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s closed the connection without an answer", ER_FMT(f->authority));
	else if (h->result == CURLE_BAD_FUNCTION_ARGUMENT)
		/* a folded first line */
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s answered in malformed HTTP", ER_FMT(f->authority));
	else if (kind == ER_ERR_REFUSED_ADDRESS)
		er_fetch_ended(f, kind, "%.*s has an address that subrequests may not reach", ER_FMT(f->authority));
	else if (er_curl_tls_fault(h, &fault))
		er_fetch_ended_by(f, kind == ER_ERR_TIMEOUT ? kind : ER_ERR_TLS, fault.word, "%.*s: %s", ER_FMT(f->authority),
		                  fault.text);
	else if (h->result == CURLE_GOT_NOTHING)
		er_fetch_ended(f, kind, "%.*s closed the connection without an answer", ER_FMT(f->authority));
	else
		er_fetch_ended(f, kind, "%.*s: %s", ER_FMT(f->authority), h->error[0] ? h->error : curl_easy_strerror(h->result));
}

/* The connection that libcurl took may not carry the request, which has not gone out. */
static void again_fresh(er_curl_hop *h)
{
	er_curl_multi *m = h->m;
	ER_ASSERT(h->added && h->done && !m->in_curl);
	m->in_curl = true;
	curl_multi_remove_handle(m->multi, h->easy);
	m->in_curl = false;
	er_curl_socket_dropped(h);
	curl_easy_setopt(h->easy, CURLOPT_FRESH_CONNECT, 1L);
	h->added = h->done = h->unfit = h->asked = false;
	h->again = true;
	h->error[0] = '\0';
}

/* A server's GOAWAY crossed the request on a connection that was used before: libcurl (7.88)
 * fails for it. */
static bool crossed(const er_curl_hop *h)
{
	const er_fetch *f = h->f;
	return h->h2 && !h->again && h->result == CURLE_HTTP2 && f->status == 0 && f->upload == NULL && may_repeat(f);
}

static void go_on(er_curl_hop *h, er_fetch *f)
{
	bool woken = h->rested && er_list_empty(&h->rest);
	/* An answer before the end of the upload: libcurl (7.88) may mean to send no more, but waits
	 * for ever if sending was paused just then. If it does want more, it asks again. */
	bool early = h->read_paused && h->news;
	if (woken)
		h->rested = h->write_paused = false;
	if (early)
		h->read_paused = h->news = false;
	if (woken || early)
		unpause(h);
	if (h->want_upload && !early)
		refill(h, f);
}

/* A WebSocket: libcurl has connected. */
static void go_through(er_curl_hop *h, er_fetch *f)
{
	if (h->tunnel == NULL && !er_curl_tunnel_open(h))
		er_fetch_ended(f, ER_ERR_IO, "reading from %.*s failed", ER_FMT(f->authority));
	bool goes_on = h->tunnel != NULL && er_curl_tunnel_step(h, f);
	if (!goes_on && f->hop == h)
		release(h);
}

/* er_curl_multi.serve */
static void serve(er_curl_hop *h)
{
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	ER_ASSERT(h->f->hop == h && !h->m->in_curl);
	er_fetch *f = er_fetch_ref(h->f);
	er_curl_multi *m = h->m;
	if (h->done && !er_fetch_ended_already(f) && (h->unfit || crossed(h)))
		again_fresh(h);
	if (!h->added && !h->done) {
		h->added = true;
		m->in_curl = true;
		CURLMcode rc = curl_multi_add_handle(m->multi, h->easy);
		m->in_curl = false;
		ER_ASSERT(rc == CURLM_OK);
	}
	if (h->done && h->unresolved && f->status == 0 && f->uploaded == 0 && !f->reach.again) {
		/* A kept connection was dead, and the addresses for another one are not good any more. */
		release(h);
		er_fetch_readdress(f);
	} else if (f->upgrade && h->done && h->result == CURLE_OK) {
		go_through(h, f);
	} else if (h->done) {
		note_end(h);
		release(h);
	} else {
		go_on(h, f);
	}
	f->advance(f);
	er_fetch_unref(f);
}

/* ---- what a fetch calls ---- */

/* er_hop_kind.start: makes a handle, sets it up, and leaves the rest to the drain. */
static void start(er_fetch *f)
{
	ER_ASSERT(f->hop == NULL && er_fetch_upload_now(f) != FETCH_UPLOAD_REPEATS);
	er_curl_multi *m = er_curl_multi_of(f->pool, serve);
	er_curl_hop *h = hop_new(m);
	h->f = f;
	f->hop = h;
	m->started++;
	/* Without a place of its own it must not open one more than there are. */
	curl_multi_setopt(m->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, f->reach.place ? 0L : (long)m->sockets.n);
	er_decode_begin(&h->decode);
	curl_easy_setopt(h->easy, CURLOPT_FORBID_REUSE, 0L);
	curl_easy_setopt(h->easy, CURLOPT_FRESH_CONNECT, f->fresh || f->upgrade ? 1L : 0L);
	if (f->upgrade) { /* HTTP/2 has another way (RFC 8441), which libcurl has not */
		curl_easy_setopt(h->easy, CURLOPT_CONNECT_ONLY, 1L);
		curl_easy_setopt(h->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	}
	/* Idle ones go, one after the other, while only other pools wait for connections. */
	bool others = f->o->turns.waiting > 0 && f->pool->line.n == 0;
	curl_multi_setopt(m->multi, CURLMOPT_MAXCONNECTS, others ? 1L : (long)ER_CURL_IDLE_MAX);
	er_curl_request(h);
	/* Added by the drain, which may be the one that we are called from. */
	er_curl_queue(h);
	er_curl_drain(m);
}

static void resume(er_fetch *f)
{
	er_curl_hop *h = f->hop;
	if (!h->write_paused || (h->done && h->tunnel == NULL))
		return;
	h->write_paused = false;
	if (h->tunnel == NULL) {
		unpause(h);
		return;
	}
	er_curl_queue(h);
	er_curl_drain(h->m);
}

static void upload(er_fetch *f)
{
	er_curl_hop *h = f->hop;
	if (!h->want_upload && h->tunnel == NULL)
		return;
	er_curl_queue(h);
	er_curl_drain(h->m);
}

static void stop(er_fetch *f)
{
	if (f->hop != NULL)
		release(f->hop);
}

const er_hop_kind er_hop_curl = {.name = "curl", .start = start, .resume = resume, .upload = upload, .stop = stop};
