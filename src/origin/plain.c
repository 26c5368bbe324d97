/* The short way for what a busy relay does all day: GET and HEAD over http:// to a server that has
 * one address, or one that libcurl has just connected to, on kept connections. One write, one read,
 * bytes not copied; a third of libcurl's time. Whatever is not so simple (TLS, uploads, several
 * addresses to try, a connection that turns out dead) is libcurl's. The rules are the fetch's and
 * decode.c's, the same for both.
 *
 * A `conn` is made by `start`, connects for one fetch, and carries one at a time (`begin`,
 * `detach`). Between two it rests in its pool's part, `plain`: idle, or in quarantine behind an
 * answer that had no body. It closes when its peer does, when what came was not a clean answer,
 * when room is needed, and with its pool. on_closed frees it, and behind the last one the pool's
 * part. The fetch takes its hop away with `stop`; the connection tells the fetch by notes, and by
 * f->advance behind them. What follows f->advance touches neither of the two without a reference.
 *
 * A connection passes one door before it carries a request (`at_the_door`): nothing has come on it
 * unasked, and its peer has not closed it. */
#include "base/mem.h"
#include "base/sock.h"
#include "origin/count.h"
#include "origin/decode.h"
#include "origin/message.h"
#include "origin/server.h"

enum {
	MAGIC = 0x504c4149,
	READ_FIRST = ER_CHUNK_KEPT, /* most answers fit, and threads keep its chunks */
	READ_NEXT = 64 * 1024,
	/* of one connection in one turn of the loop: the others wait meanwhile */
	TURN_BYTES = 256 * 1024,
	IDLE_MAX = 64,
	/* these go on top of the idle ones: an origin that answers 304 all day has many */
	QUARANTINE_MAX = 256,
	IDLE_MS = 60000,
};

/* A pool's part of this transport; freed with its last connection. */
typedef struct plain {
	er_origin *o;
	er_list idle;       /* the longest idle first */
	er_list quarantine; /* likewise: idle, but not to be used yet */
	unsigned idles, quarantined, connections;
	bool dead;
} plain;

/* One TCP connection: connecting, carrying a fetch, idle, or closing. */
typedef struct conn {
	uint32_t magic;
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	uv_shutdown_t shutdown;
	er_list link; /* in idle or quarantine */
	plain *p;
	er_pool *pool; /* for counting */
	er_fetch *f;   /* NULL: idle, or closing */
	er_slice key;  /* owned */
	struct sockaddr_storage sa;
	er_decode decode;
	er_buf out;
	er_piece up;     /* of what the asker sends once the fetch has switched: on its way out */
	bool up_over;    /* the asker has sent its last */
	er_chunk *chunk; /* being read into, and parsed */
	bool used;       /* answered something before */
	bool reading, writing, closing, quarantined;
	size_t read_size, turn; /* bytes that this turn of the loop has taken */
	uint64_t idle_since_ms;
} conn;

static er_slice key_of(const er_fetch *f)
{
	return f->wishes.connect_to != NULL ? er_slice_cstr(f->wishes.connect_to) : f->authority;
}

static void plain_free_if_done(plain *p)
{
	if (!p->dead || p->connections > 0)
		return;
	er_free(p);
}

/* The last call about a connection: only now its place may be given to another one. */
static void on_closed(uv_handle_t *handle)
{
	conn *c = handle->data;
	ER_CHECK(c, MAGIC);
	plain *p = c->p;
	ER_ASSERT(c->closing && c->f == NULL && p->connections > 0 && er_list_empty(&c->link));
	er_pool *pool = c->pool;
	er_origin *o = p->o;
	er_chunk_unref(c->chunk);
	er_piece_drop(&c->up);
	er_buf_fini(&c->out);
	er_decode_fini(&c->decode);
	er_free((void *)(uintptr_t)c->key.p);
	c->magic = 0;
	er_free(c);
	p->connections--;
	plain_free_if_done(p);
	er_count_closed(pool);
	er_count_handle_closed(o);
}

static void leave_list(conn *c)
{
	if (er_list_empty(&c->link))
		return;
	er_list_remove(&c->link);
	ER_ASSERT(c->quarantined ? c->p->quarantined > 0 : c->p->idles > 0);
	if (c->quarantined)
		c->p->quarantined--;
	else
		c->p->idles--;
	c->quarantined = false;
}

static void close_conn(conn *c)
{
	ER_CHECK(c, MAGIC);
	if (c->closing)
		return;
	c->closing = true;
	leave_list(c);
	uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* Idle from now on, for whoever comes next. */
static void rest(conn *c)
{
	plain *p = c->p;
	ER_ASSERT(c->f == NULL && !c->closing && !c->writing && er_list_empty(&c->link));
	c->quarantined = c->decode.bodyless;
	if (c->quarantined ? p->quarantined >= QUARANTINE_MAX : p->idles >= IDLE_MAX) {
		close_conn(c);
		return;
	}
	er_chunk_unref(c->chunk); /* idle connections are many */
	c->chunk = NULL;
	c->used = true;
	c->idle_since_ms = uv_now(p->o->loop);
	*(c->quarantined ? &p->quarantined : &p->idles) += 1;
	er_list_push(c->quarantined ? &p->quarantine : &p->idle, &c->link);
	er_count_freed(p->o);
}

/* Takes the hop away from the connection, which is then idle or closing. */
static void detach(conn *c, bool keep)
{
	ER_CHECK(c, MAGIC);
	ER_ASSERT(c->f != NULL && c->f->hop == c);
	c->f->hop = NULL;
	c->f = NULL;
	if (keep && !c->p->dead)
		rest(c);
	else
		close_conn(c);
}

/* Lets go of the hop, which begins again when f is advanced. Only before anything of an answer was
 * seen: GET and HEAD may be asked twice (RFC 9110 9.2.2). */
static void hand_over(conn *c)
{
	er_fetch *f = c->f;
	detach(c, false);
	er_fetch_again(f);
}

/* ---- reading ---- */

/* Where libuv reads to: the chunk of the read before, as long as nobody else has a part of it. */
static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
	(void)hint;
	conn *c = handle->data;
	ER_CHECK(c, MAGIC);
	if (c->turn >= TURN_BYTES) { /* libuv leaves it for this turn, and says so to on_read */
		*buf = uv_buf_init(NULL, 0);
		return;
	}
	if (er_body_scarce())
		c->read_size = READ_FIRST;
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
	if (!c->decode.begun && c->used) {
		hand_over(c);
		return;
	}
	/* A reset ends nothing well, not even an answer that ends with its connection. */
	if (n != UV_EOF)
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s broke off its answer: %s", ER_FMT(f->authority), uv_strerror((int)n));
	else if (er_decode_end(&c->decode, f) == ER_DECODE_OVER)
		er_fetch_ended(f, ER_ERR_OK, " ");
	detach(c, false);
}

/* A socket that waits keeps no chunk: there may be very many. */
static void rest_switched(conn *c)
{
	er_chunk_unref(c->chunk);
	c->chunk = NULL;
	if (!c->writing)
		er_buf_fini(&c->out);
	er_decode_fini(&c->decode);
}

/* n bytes lie in the chunk. The connection leaves its fetch when the answer is over or broken. */
static void parse(conn *c, size_t n)
{
	er_fetch *f = c->f;
	ER_ASSERT(c->chunk != NULL && n <= c->chunk->cap);
	if (er_fetch_head_whole(f)) /* a head has its time as a whole */
		er_fetch_alive(f);
	er_slice in = er_slice_of(c->chunk->bytes, n);
	uint64_t chunks = c->decode.chunks;
	er_decode_state state = er_decode_feed(&c->decode, f, &in, c->chunk);
	size_t cost = (size_t)(c->decode.chunks - chunks) * ER_ORIGIN_CHUNK_COST;
	if (c->turn > 0)
		c->turn += cost;
	if (state == ER_DECODE_OVER) {
		er_fetch_ended(f, ER_ERR_OK, " ");
		/* What was sent unasked is of nobody's answer. */
		detach(c, in.n == 0 && !c->writing && er_decode_keeps(&c->decode));
	} else if (state == ER_DECODE_BROKEN) {
		detach(c, false);
	} else {
		/* Of single bytes in chunks a large read is a millisecond's work, and others send
		 * such, too. */
		if (cost > n)
			c->read_size = READ_FIRST;
		else if (n == c->chunk->cap)
			c->read_size = READ_NEXT;
		if (er_fetch_full(f)) {
			er_fetch_hold(f);
			c->reading = false;
			uv_read_stop((uv_stream_t *)&c->tcp);
		}
	}
}

/* All of it happens under a reference, because the fetch may end while it is advanced. */
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	(void)buf;
	conn *c = stream->data;
	ER_CHECK(c, MAGIC);
	/* After a read that did not fill its buffer libuv goes on to others by itself. */
	bool all = n < 0 || c->chunk == NULL || (size_t)n < c->chunk->cap;
	c->turn = all ? 0 : c->turn + (size_t)n;
	if (n == 0 || n == UV_ENOBUFS || c->closing)
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
	if (f->switched && c->f == f && all)
		rest_switched(c);
	f->advance(f);
	er_fetch_unref(f);
}

static bool read_on(conn *c)
{
	if (!c->reading)
		c->reading = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0;
	return c->reading;
}

/* ---- writing ---- */

static void upload(er_fetch *f);

static void on_written(uv_write_t *req, int status)
{
	conn *c = req->data;
	ER_CHECK(c, MAGIC);
	ER_ASSERT(c->writing);
	c->writing = false;
	er_piece_drop(&c->up);
	/* A peer that does not read any more may have answered before: reading tells. */
	if (status < 0 && !c->closing && c->f != NULL)
		(void)read_on(c);
	if (status == 0 && !c->closing && c->f != NULL && c->f->switched)
		upload(c->f);
}

/* False: the connection is dead. */
static bool send_request(conn *c)
{
	er_fetch_connected(c->f);
	er_decode_begin(&c->decode);
	c->read_size = READ_FIRST;
	er_message_write(c->f, &c->out);
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

static void on_connect(uv_connect_t *req, int status)
{
	conn *c = req->data;
	ER_CHECK(c, MAGIC);
	if (c->closing)
		return;
	if (status == 0 && send_request(c))
		return;
	er_fetch *f = er_fetch_ref(c->f);
	er_server_disprove(f);
	hand_over(c); /* libcurl tries every address, and knows how to say what is wrong */
	f->advance(f);
	er_fetch_unref(f);
}

/* ---- the hop ---- */

static conn *conn_new(er_pool *pool, er_slice key)
{
	plain *p = pool->plain;
	conn *c = ER_NEW(conn);
	c->magic = MAGIC;
	c->p = p;
	c->pool = pool;
	c->key = er_slice_of(er_strdup_slice(key), key.n);
	er_list_init(&c->link);
	ER_ASSERT(uv_tcp_init(p->o->loop, &c->tcp) == 0);
	c->tcp.data = c->connect.data = c;
	er_count_handle_opened(p->o);
	er_count_opened(pool);
	p->connections++;
	return c;
}

/* Those that were in quarantine long enough are as good as any. */
static void end_quarantine(plain *p, uint64_t now_ms)
{
	while (!er_list_empty(&p->quarantine)) {
		conn *c = ER_CONTAINER(p->quarantine.next, conn, link);
		if (now_ms - c->idle_since_ms < ER_ORIGIN_QUARANTINE_MS)
			return;
		leave_list(c);
		if (p->idles >= IDLE_MAX) {
			close_conn(c);
			continue;
		}
		p->idles++;
		er_list_push(&p->idle, &c->link);
	}
}

/* May it carry a request? Not if its peer has closed it or has sent something unasked, which the
 * loop need not have told us yet: it would be taken for the answer. */
static bool at_the_door(const conn *c)
{
	ER_ASSERT(c->f == NULL && !c->closing && !c->writing && !c->quarantined && c->decode.state == ER_DECODE_OVER);
	int fd;
	return uv_fileno((const uv_handle_t *)&c->tcp, &fd) == 0 && er_sock_silent(fd);
}

/* The one used last that passes the door; it stays in its list. NULL: none. */
static conn *idle_conn(plain *p, er_slice key)
{
	if (p == NULL)
		return NULL;
	end_quarantine(p, uv_now(p->o->loop));
	for (er_list *l = p->idle.prev, *before; l != &p->idle; l = before) {
		before = l->prev;
		conn *c = ER_CONTAINER(l, conn, link);
		if (!er_slice_eq(c->key, key))
			continue;
		if (at_the_door(c))
			return c;
		close_conn(c);
	}
	return NULL;
}

static void begin(conn *c, er_fetch *f)
{
	ER_ASSERT(c->f == NULL && !c->closing && f->hop == NULL && f->upload == NULL);
	leave_list(c);
	c->f = f;
	f->hop = c;
}

static void refuse(er_fetch *f)
{
	er_fetch_ended(f, ER_ERR_REFUSED_ADDRESS, "%.*s has an address that subrequests may not reach", ER_FMT(f->authority));
	f->advance(f);
}

bool er_plain_has_idle(const er_fetch *f)
{
	return idle_conn(f->pool->plain, key_of(f)) != NULL;
}

bool er_plain_start_idle(er_fetch *f)
{
	plain *p = f->pool->plain;
	conn *c;
	while ((c = idle_conn(p, key_of(f))) != NULL) {
		if (er_fetch_refuses(f, (const struct sockaddr *)&c->sa)) {
			close_conn(c);
			refuse(f);
			return true;
		}
		begin(c, f);
		if (send_request(c))
			return true;
		detach(c, false);
	}
	return false;
}

/* The first of its addresses that it may reach; false: there is none. */
static bool choose(er_fetch *f, struct sockaddr_storage *sa)
{
	const er_addresses *a = f->reach.addresses;
	ER_ASSERT(a != NULL && a->n > 0 && a->first < a->n);
	uint16_t port;
	(void)er_server_host(f, &port);
	for (unsigned i = 0; i < a->n; i++) {
		er_address it = a->v[(a->first + i) % a->n];
		it.v4.sin_port = htons(port); /* at the same place in both */
		if (er_fetch_refuses(f, &it.sa))
			continue;
		*sa = (struct sockaddr_storage){0};
		memcpy(sa, &it, sizeof it);
		return true;
	}
	return false;
}

/* er_hop_kind.start: a new connection. An idle one was looked for before (er_plain_start_idle). */
static void start(er_fetch *f)
{
	struct sockaddr_storage sa;
	if (!choose(f, &sa)) {
		refuse(f);
		return;
	}
	plain *p = f->pool->plain;
	if (p == NULL) {
		p = f->pool->plain = ER_NEW(plain);
		p->o = f->o;
		er_list_init(&p->idle);
		er_list_init(&p->quarantine);
	}
	conn *c = conn_new(f->pool, key_of(f));
	c->sa = sa;
	begin(c, f);
	er_count_give_place(f);
	if (uv_tcp_connect(&c->connect, &c->tcp, (const struct sockaddr *)&c->sa, on_connect) != 0) {
		hand_over(c);
		f->advance(f);
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
}

static void resume(er_fetch *f)
{
	conn *c = f->hop;
	ER_CHECK(c, MAGIC);
	ER_ASSERT(c->f == f);
	if (!read_on(c)) {
		er_fetch_ended(f, ER_ERR_IO, "reading from %.*s failed", ER_FMT(f->authority));
		detach(c, false);
		f->advance(f);
	}
}

/* The rest of the piece is written when the socket takes it; until then no more is taken. */
static bool write_up(conn *c)
{
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)c->up.p, (unsigned)c->up.n);
	int n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
	if (n < 0 && n != UV_EAGAIN)
		return false;
	c->up.p += n > 0 ? n : 0;
	c->up.n -= n > 0 ? (size_t)n : 0;
	if (c->up.n == 0) {
		er_piece_drop(&c->up);
		return true;
	}
	buf = uv_buf_init((char *)(uintptr_t)c->up.p, (unsigned)c->up.n);
	c->write.data = c;
	c->writing = uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) == 0;
	return c->writing;
}

static void on_shut(uv_shutdown_t *req, int status)
{
	(void)req;
	(void)status;
}

/* Once the fetch has switched, the server gets what the asker sends. A source may do anything
 * meanwhile, and end the fetch. Before that there is no upload (er_plain_takes). */
static void upload(er_fetch *f)
{
	conn *c = f->hop;
	er_fetch_ref(f);
	bool broke = false;
	while (f->hop == c && f->switched && f->upload != NULL && !c->writing && !c->up_over && !broke) {
		er_piece piece;
		er_body_status s = er_fetch_upload(f, 0, &piece);
		if (s == ER_BODY_WAIT)
			break;
		if (s == ER_BODY_PIECE && f->hop != c) {
			er_piece_drop(&piece);
		} else if (s == ER_BODY_PIECE) {
			c->up = piece;
			broke = !write_up(c);
		} else if (s == ER_BODY_END && f->hop == c) {
			c->up_over = true;
			broke = uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shut) != 0;
		} else {
			break; /* er_fetch_ended was noted, or the fetch is over */
		}
	}
	if (broke && f->hop == c)
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s takes no more", ER_FMT(f->authority));
	f->advance(f);
	er_fetch_unref(f);
}

static void stop(er_fetch *f)
{
	conn *c = f->hop;
	if (c == NULL)
		return;
	if (er_fetch_hop(f) == HOP_UNSENT) /* perhaps it is not there any more */
		er_server_disprove(f);
	detach(c, false);
}

const er_hop_kind er_hop_plain = {.name = "plain", .start = start, .resume = resume, .upload = upload, .stop = stop};

bool er_plain_takes(const er_fetch *f)
{
	return f->upload == NULL && (f->is_head || er_slice_eq(f->method, ER_LIT("GET"))) && er_slice_eq(f->scheme, ER_LIT("http"));
}

unsigned er_plain_idles(const er_pool *pool)
{
	const plain *p = pool->plain;
	return p != NULL ? p->idles + p->quarantined : 0;
}

bool er_plain_drop_idle(er_pool *pool)
{
	plain *p = pool->plain;
	if (p == NULL || er_plain_idles(pool) == 0)
		return false;
	const er_list *from = er_list_empty(&p->idle) ? &p->quarantine : &p->idle;
	close_conn(ER_CONTAINER(from->next, conn, link));
	return true;
}

void er_plain_pool_tick(er_pool *pool, uint64_t now_ms)
{
	plain *p = pool->plain;
	if (p == NULL)
		return;
	end_quarantine(p, now_ms);
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
	ER_ASSERT(!p->dead);
	p->dead = true;
	while (!er_list_empty(&p->idle))
		close_conn(ER_CONTAINER(p->idle.next, conn, link));
	while (!er_list_empty(&p->quarantine))
		close_conn(ER_CONTAINER(p->quarantine.next, conn, link));
	plain_free_if_done(p);
}
