/* The short way for what a busy relay does all day: GET and HEAD over http:// to a server whose address libcurl has just found and
 * connected to, on kept connections. One write, one read, bytes not copied; a third of libcurl's time. Whatever is not so simple (TLS, uploads,
 * a name to resolve, a connection that turns out dead) is libcurl's. The rules are the fetch's, the same for both; the parser is llhttp. */
#include "base/mem.h"
#include "origin/fetch.h"

#include <llhttp.h>

enum {
	MAGIC = 0x504c4149,
	READ_FIRST = 16 * 1024, /* most answers fit */
	READ_NEXT = 64 * 1024,
	IDLE_MAX = 64,
	CONNECTIONS_MAX = 512,
	IDLE_MS = 60000,
	KNOWN_MS = 30000,
	KNOWN_MAX = 256,
};

typedef struct known {
	struct sockaddr_storage sa;
	uint64_t until_ms;
} known;

typedef struct plain {
	er_origin *o;
	er_list idle; /* the longest idle first */
	unsigned idles, connections;
	er_map *known; /* key -> known: where libcurl got through */
	bool dead;
} plain;

typedef struct conn {
	uint32_t magic;
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	er_list link; /* in idle */
	plain *p;
	er_fetch *f;  /* NULL: idle, or closing */
	er_slice key; /* owned */
	struct sockaddr_storage sa;
	llhttp_t parser;
	er_buf out, name, value, reason;
	er_chunk *chunk; /* being read into, and parsed */
	bool used;       /* answered something before */
	bool reading, writing, closing, status_noted, any, complete;
	size_t read_size;
	uint64_t idle_since_ms;
} conn;

static er_slice key_of(const er_fetch *f)
{
	return f->opt.connect_to != NULL ? er_slice_cstr(f->opt.connect_to) : f->authority;
}

static void plain_free_if_done(plain *p)
{
	if (!p->dead || p->connections > 0)
		return;
	size_t at = 0;
	er_slice key;
	for (void *k; er_map_next(p->known, &at, &key, &k);)
		er_free(k);
	er_map_free(p->known);
	er_free(p);
}

static void on_closed(uv_handle_t *handle)
{
	conn *c = handle->data;
	plain *p = c->p;
	er_origin *o = p->o;
	er_chunk_unref(c->chunk);
	er_buf_fini(&c->out);
	er_buf_fini(&c->name);
	er_buf_fini(&c->value);
	er_buf_fini(&c->reason);
	er_free((void *)(uintptr_t)c->key.p);
	c->magic = 0;
	er_free(c);
	p->connections--;
	plain_free_if_done(p);
	er_origin_handle_closed(o);
}

static void close_conn(conn *c)
{
	ER_CHECK(c, MAGIC);
	if (c->closing)
		return;
	c->closing = true;
	if (c->f == NULL && !er_list_empty(&c->link)) {
		er_list_remove(&c->link);
		c->p->idles--;
	}
	uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* Takes the hop away from the connection, which is then idle or closing. */
static void detach(conn *c, bool keep)
{
	c->f->hop = NULL;
	c->f = NULL;
	if (!keep || c->p->dead || c->p->idles >= IDLE_MAX) {
		close_conn(c);
		return;
	}
	er_chunk_unref(c->chunk); /* idle connections are many */
	c->chunk = NULL;
	c->used = true;
	c->idle_since_ms = uv_now(c->p->o->loop);
	c->p->idles++;
	er_list_push(&c->p->idle, &c->link);
}

/* The hop begins again, by libcurl. Only before anything of an answer was seen: GET and HEAD may be asked twice (RFC 9110 9.2.2). */
static void hand_over(conn *c)
{
	er_fetch *f = c->f;
	detach(c, false);
	f->status = 0;
	f->res = (er_fields){0};
	f->head_bytes = 0;
	f->ended = f->head_ready = f->refused = f->tried = false;
	er_free(f->end_text);
	f->end_text = NULL;
	f->connected = false;
	f->transport = &er_transport_curl;
	f->transport->start(f);
}

/* ---- what comes back: llhttp's callbacks take notes ---- */

static bool note_status(conn *c)
{
	if (c->status_noted)
		return true;
	c->status_noted = true;
	return er_fetch_status(c->f, (unsigned)c->parser.status_code, er_buf_slice(&c->reason));
}

/* A part of a line, which may come in several. */
static int part(conn *c, er_buf *to, const char *at, size_t n)
{
	if (er_buf_len(to) + n > ER_ORIGIN_HEAD_MAX) {
		er_fetch_ended(c->f, ER_ERR_RESPONSE, "the header of %.*s's answer is larger than %d bytes", ER_FMT(c->f->authority),
		               ER_ORIGIN_HEAD_MAX);
		return -1;
	}
	er_buf_put(to, er_slice_of(at, n));
	return 0;
}

static int on_status(llhttp_t *parser, const char *at, size_t n)
{
	conn *c = parser->data;
	return part(c, &c->reason, at, n);
}

static int on_name(llhttp_t *parser, const char *at, size_t n)
{
	conn *c = parser->data;
	return part(c, &c->name, at, n);
}

static int on_value(llhttp_t *parser, const char *at, size_t n)
{
	conn *c = parser->data;
	/* A value comes in several parts where one read ends and the next begins, or where the parser unfolds a line (RFC 9112 5.2), which we do
	 * not take. */
	if (er_buf_len(&c->value) > 0 && (const uint8_t *)at > c->chunk->bytes) {
		er_fetch_ended(c->f, ER_ERR_RESPONSE, "%.*s answered with a folded header field", ER_FMT(c->f->authority));
		return -1;
	}
	return part(c, &c->value, at, n);
}

static int on_field(llhttp_t *parser)
{
	conn *c = parser->data;
	if (c->f->head_ready) { /* a trailer: dropped */
		er_buf_clear(&c->name);
		er_buf_clear(&c->value);
		return 0;
	}
	bool ok = note_status(c) && er_fetch_field(c->f, er_buf_slice(&c->name), er_slice_trim(er_buf_slice(&c->value)));
	er_buf_clear(&c->name);
	er_buf_clear(&c->value);
	return ok ? 0 : -1;
}

static int on_head(llhttp_t *parser)
{
	conn *c = parser->data;
	if (!note_status(c))
		return -1;
	c->f->head_ready = parser->status_code >= 200;
	return c->f->is_head ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t n)
{
	conn *c = parser->data;
	/* A piece of the chunk that was read into, unless it is so small a part that a reader who waits would keep mostly air alive. */
	if (n >= c->chunk->cap / 4)
		er_fetch_push(c->f, (er_piece){er_chunk_ref(c->chunk), (const uint8_t *)at, n});
	else
		er_fetch_push(c->f, er_piece_copy(er_slice_of(at, n)));
	return 0;
}

static int on_complete(llhttp_t *parser)
{
	conn *c = parser->data;
	if (!c->f->head_ready) { /* informational: the answer is still to come */
		c->status_noted = false;
		er_buf_clear(&c->reason);
		return 0;
	}
	c->complete = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_status = on_status,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_field,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
	(void)hint;
	conn *c = handle->data;
	ER_CHECK(c, MAGIC);
	/* A chunk that somebody else has a part of, too, is theirs. */
	if (c->chunk != NULL && (__atomic_load_n(&c->chunk->refs, __ATOMIC_ACQUIRE) > 1 || c->chunk->cap != c->read_size)) {
		er_chunk_unref(c->chunk);
		c->chunk = NULL;
	}
	if (c->chunk == NULL)
		c->chunk = er_chunk_new(c->read_size);
	*buf = uv_buf_init((char *)c->chunk->bytes, (unsigned)c->chunk->cap);
}

static void on_end(conn *c, ssize_t n)
{
	er_fetch *f = c->f;
	if (!c->any && c->used) {
		hand_over(c);
		return;
	}
	if (n == UV_EOF && f->head_ready)
		(void)llhttp_finish(&c->parser); /* says on_complete if the end of the connection is the end of the message */
	if (c->complete)
		er_fetch_ended(f, ER_ERR_OK, " ");
	else if (!c->any)
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s closed the connection without an answer", ER_FMT(f->authority));
	else
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s broke off its answer", ER_FMT(f->authority));
	detach(c, false);
}

static void parse(conn *c, size_t n)
{
	er_fetch *f = c->f;
	c->any = true;
	f->moved_ms = uv_now(c->p->o->loop);
	const char *at = (const char *)c->chunk->bytes;
	llhttp_errno_t rc = llhttp_execute(&c->parser, at, n);
	if (c->complete) {
		bool rest = llhttp_get_error_pos(&c->parser) != at + n;
		bool keep = !rest && !c->writing && llhttp_should_keep_alive(&c->parser) == 1;
		er_fetch_ended(f, ER_ERR_OK, " ");
		detach(c, keep);
	} else if (rc == HPE_UNEXPECTED_CONTENT_LENGTH && !f->head_ready) {
		hand_over(c); /* the same length said twice, perhaps: libcurl can cope, and message.c looks at it */
	} else if (rc != HPE_OK) {
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s answered in malformed HTTP (%s)", ER_FMT(f->authority),
		               llhttp_get_error_reason(&c->parser));
		detach(c, false);
	} else {
		if (n == c->chunk->cap)
			c->read_size = READ_NEXT;
		if (er_fetch_full(f)) {
			f->stalled = true;
			c->reading = false;
			uv_read_stop((uv_stream_t *)&c->tcp);
		}
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	(void)buf;
	conn *c = stream->data;
	ER_CHECK(c, MAGIC);
	if (n == 0 || c->closing)
		return;
	if (c->f == NULL) { /* an idle connection has nothing to say */
		close_conn(c);
		return;
	}
	er_fetch *f = er_fetch_ref(c->f);
	if (n < 0)
		on_end(c, n);
	else
		parse(c, (size_t)n);
	er_fetch_advance(f);
	er_fetch_unref(f);
}

static bool read_on(conn *c)
{
	if (!c->reading)
		c->reading = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0;
	return c->reading;
}

/* ---- writing ---- */

static void on_written(uv_write_t *req, int status)
{
	conn *c = req->data;
	c->writing = false;
	/* A peer that does not read any more may have answered before: reading tells. */
	if (status < 0 && !c->closing && c->f != NULL)
		(void)read_on(c);
}

static void put_request(conn *c)
{
	er_fetch *f = c->f;
	er_buf *b = &c->out;
	er_buf_clear(b);
	er_buf_put(b, f->method);
	er_buf_putc(b, ' ');
	er_buf_put(b, f->target);
	er_buf_puts(b, " HTTP/1.1\r\nHost: ");
	er_buf_put(b, f->authority);
	er_buf_puts(b, "\r\n");
	for (uint32_t i = 0; i < f->fields.n; i++) {
		er_buf_put(b, f->fields.v[i].name);
		er_buf_puts(b, ": ");
		er_buf_put(b, f->fields.v[i].value);
		er_buf_puts(b, "\r\n");
	}
	if (f->length_zero)
		er_buf_puts(b, "Content-Length: 0\r\n");
	er_buf_puts(b, "\r\n");
}

/* False: the connection is dead. */
static bool send_request(conn *c)
{
	c->f->connected = true;
	c->f->moved_ms = uv_now(c->p->o->loop);
	c->any = c->complete = c->status_noted = false;
	c->read_size = READ_FIRST;
	er_buf_clear(&c->name);
	er_buf_clear(&c->value);
	er_buf_clear(&c->reason);
	llhttp_init(&c->parser, HTTP_RESPONSE, &settings);
	c->parser.data = c;
	put_request(c);
	er_slice all = er_buf_slice(&c->out);
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)all.p, (unsigned)all.n);
	int n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
	if (n < 0 && n != UV_EAGAIN)
		return false;
	er_buf_consume(&c->out, n > 0 ? (size_t)n : 0);
	if (er_buf_len(&c->out) > 0) {
		all = er_buf_slice(&c->out);
		buf = uv_buf_init((char *)(uintptr_t)all.p, (unsigned)all.n);
		c->write.data = c;
		if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0)
			return false;
		c->writing = true;
	}
	return read_on(c);
}

static void forget(plain *p, er_slice key)
{
	er_free(er_map_del(p->known, key));
}

static void on_connect(uv_connect_t *req, int status)
{
	conn *c = req->data;
	ER_CHECK(c, MAGIC);
	if (c->closing)
		return;
	if (status == 0 && send_request(c))
		return;
	forget(c->p, c->key);
	er_fetch *f = er_fetch_ref(c->f);
	hand_over(c); /* which looks the name up again, tries every address, and knows how to say what is wrong */
	er_fetch_advance(f);
	er_fetch_unref(f);
}

/* ---- the hop ---- */

static conn *conn_new(plain *p, er_slice key, const struct sockaddr_storage *sa)
{
	conn *c = ER_NEW(conn);
	c->magic = MAGIC;
	c->p = p;
	c->key = er_slice_of(er_strdup_slice(key), key.n);
	c->sa = *sa;
	er_list_init(&c->link);
	ER_ASSERT(uv_tcp_init(p->o->loop, &c->tcp) == 0);
	c->tcp.data = c->connect.data = c;
	er_origin_handle_opened(p->o);
	p->connections++;
	return c;
}

static conn *idle_conn(plain *p, er_slice key)
{
	for (er_list *l = p->idle.prev; l != &p->idle; l = l->prev) {
		conn *c = ER_CONTAINER(l, conn, link);
		if (er_slice_eq(c->key, key))
			return c;
	}
	return NULL;
}

static void begin(conn *c, er_fetch *f)
{
	c->f = f;
	f->hop = c;
}

static void refuse(er_fetch *f)
{
	er_fetch_ended(f, ER_ERR_REFUSED_ADDRESS, "%.*s has an address that subrequests may not reach", ER_FMT(f->authority));
	er_fetch_advance(f);
}

static void start(er_fetch *f)
{
	plain *p = f->pool->plain;
	er_slice key = key_of(f);
	conn *c;
	while ((c = idle_conn(p, key)) != NULL) {
		if (er_fetch_refuses(f, (const struct sockaddr *)&c->sa)) {
			refuse(f);
			return;
		}
		er_list_remove(&c->link);
		p->idles--;
		begin(c, f);
		if (send_request(c))
			return;
		detach(c, false);
	}
	const known *k = er_map_get(p->known, key);
	if (k == NULL || p->connections >= CONNECTIONS_MAX) {
		f->connected = false;
		f->transport = &er_transport_curl;
		f->transport->start(f);
		return;
	}
	if (er_fetch_refuses(f, (const struct sockaddr *)&k->sa)) {
		refuse(f);
		return;
	}
	c = conn_new(p, key, &k->sa);
	begin(c, f);
	if (uv_tcp_connect(&c->connect, &c->tcp, (const struct sockaddr *)&k->sa, on_connect) != 0) {
		hand_over(c);
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
}

static void resume(er_fetch *f)
{
	conn *c = f->hop;
	if (!read_on(c)) {
		er_fetch_ended(f, ER_ERR_IO, "reading from %.*s failed", ER_FMT(f->authority));
		detach(c, false);
		er_fetch_advance(f);
	}
}

static void upload(er_fetch *f)
{
	(void)f;
}

static void stop(er_fetch *f)
{
	conn *c = f->hop;
	if (c == NULL)
		return;
	if (!f->connected) /* perhaps it is not there any more */
		forget(c->p, c->key);
	detach(c, false);
}

const er_transport er_transport_plain = {.name = "plain", .start = start, .resume = resume, .upload = upload, .stop = stop};

const er_transport *er_transport_of(const er_fetch *f)
{
	plain *p = f->pool->plain;
	bool simple =
	    f->upload == NULL && (f->is_head || er_slice_eq(f->method, ER_LIT("GET"))) && er_slice_eq(f->scheme, ER_LIT("http"));
	if (p == NULL || !simple)
		return &er_transport_curl;
	known *k = er_map_get(p->known, key_of(f));
	uint64_t now = uv_now(p->o->loop);
	if (k == NULL)
		return &er_transport_curl;
	if (k->until_ms > now)
		return &er_transport_plain;
	/* One fetch looks the name up again; the others go on meanwhile. */
	k->until_ms = now + KNOWN_MS;
	return &er_transport_curl;
}

void er_plain_learn(er_fetch *f, const struct sockaddr *sa, size_t n)
{
	if (!er_slice_eq(f->scheme, ER_LIT("http")))
		return;
	plain *p = f->pool->plain;
	if (p == NULL) {
		p = ER_NEW(plain);
		p->o = f->o;
		er_list_init(&p->idle);
		p->known = er_map_new();
		f->pool->plain = p;
	}
	if (er_map_len(p->known) >= KNOWN_MAX) {
		size_t at = 0;
		er_slice key;
		for (void *old; er_map_next(p->known, &at, &key, &old);)
			forget(p, key);
	}
	known *k = er_map_get(p->known, key_of(f));
	if (k == NULL) {
		k = ER_NEW(known);
		er_map_set(p->known, key_of(f), k);
	}
	er_copy(&k->sa, sa, n);
	k->until_ms = uv_now(p->o->loop) + KNOWN_MS;
}

void er_plain_pool_tick(er_pool *pool, uint64_t now_ms)
{
	plain *p = pool->plain;
	if (p == NULL)
		return;
	while (!er_list_empty(&p->idle)) {
		conn *c = ER_CONTAINER(p->idle.next, conn, link);
		if (now_ms - c->idle_since_ms < IDLE_MS)
			return;
		close_conn(c);
	}
}

void er_plain_pool_close(er_pool *pool)
{
	plain *p = pool->plain;
	pool->plain = NULL;
	if (p == NULL)
		return;
	p->dead = true;
	while (!er_list_empty(&p->idle))
		close_conn(ER_CONTAINER(p->idle.next, conn, link));
	plain_free_if_done(p);
}
