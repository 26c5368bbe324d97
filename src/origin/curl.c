/* libcurl's multi interface on the thread's loop.
 *
 * A pool's er_curl_multi is made for its first hop that libcurl takes, and destroyed with the
 * pool; the memory is freed when its two uv handles are closed. libcurl says which sockets and
 * which time it waits for (on_socket, on_timeout); the loop calls on_poll, on_timer and on_soon;
 * each of them calls libcurl and then er_curl_drain. While libcurl is called `in_curl` is set:
 * its callbacks (curl_hop.c) only take notes and queue their hop. er_curl_drain is the one
 * function that acts: it has queued hops served (`serve`, of curl_hop.c, which is above) until
 * there is none, and calls libcurl again where libcurl asked for that. A multi whose pool is closed
 * in the middle of its drain is `dead`, and destroyed when the drain is over. */
#include "origin/curl.h"

#include "base/mem.h"
#include "origin/count.h"

#include <openssl/x509.h>

enum { KICKS = 4 };

/* A socket of libcurl's while libcurl waits for it. libcurl says when it loses interest, and does
 * so before it closes one, but not which of the two it is (it closes some past
 * CURLOPT_CLOSESOCKETFUNCTION). So the watch is closed there and then: later, the number may be
 * another's, and closing the watch would take that one out of the loop. */
typedef struct sock {
	uv_poll_t poll;
	er_curl_multi *m; /* not after closing */
	er_origin *o;
	curl_socket_t fd;
	int active; /* what the loop watches: UV_READABLE, UV_WRITABLE */
} sock;

static void act(er_curl_multi *m, curl_socket_t fd, int what);

bool er_curl_global(er_err *err)
{
	CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);
	return rc == CURLE_OK || er_fail(err, ER_ERR_SYSTEM, "libcurl does not start: %s", curl_easy_strerror(rc));
}

void er_curl_global_done(void *store)
{
	if (store != NULL)
		X509_STORE_free(store);
	curl_global_cleanup();
}

/* ---- sockets ---- */

static void on_sock_closed(uv_handle_t *handle)
{
	sock *s = handle->data;
	er_origin *o = s->o;
	ER_ASSERT(o != NULL);
	er_free(s);
	er_count_handle_closed(o);
}

/* A socket of libcurl's is ready, or the loop cannot watch it any more. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
	sock *s = poll->data;
	ER_CHECK(s->m, ER_CURL_MULTI_MAGIC);
	int what = 0;
	if (status < 0) {
		/* The loop gave up on it (the peer reset the connection). Reading finds out what it is;
		 * told only of an error, libcurl would not try again on a fresh connection. */
		what = CURL_CSELECT_IN | CURL_CSELECT_OUT;
		s->active = 0;
	}
	if (events & UV_READABLE)
		what |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		what |= CURL_CSELECT_OUT;
	act(s->m, s->fd, what);
}

static sock *sock_new(er_curl_multi *m, curl_socket_t fd)
{
	sock *s = ER_NEW(sock);
	s->m = m;
	s->o = m->o;
	s->fd = fd;
	s->poll.data = s;
	if (uv_poll_init(m->o->loop, &s->poll, fd) != 0) {
		er_free(s);
		return NULL;
	}
	er_count_handle_opened(m->o);
	return s;
}

/* libcurl wants to hear of a socket, of other events on it, or no more of it. `known` is what
 * curl_multi_assign has kept for us: the watch. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *multi, void *known)
{
	(void)easy;
	er_curl_multi *m = multi;
	sock *s = known;
	ER_CHECK(m, ER_CURL_MULTI_MAGIC);
	ER_ASSERT(s == NULL || (s->fd == fd && s->m == m));
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL)
			uv_close((uv_handle_t *)&s->poll, on_sock_closed);
		curl_multi_assign(m->multi, fd, NULL);
		return 0;
	}
	if (s == NULL) {
		if ((s = sock_new(m, fd)) == NULL)
			return 0;
		curl_multi_assign(m->multi, fd, s);
	}
	int want = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
	if (want == s->active)
		return 0;
	s->active = want;
	if (want == 0)
		uv_poll_stop(&s->poll);
	else if (uv_poll_start(&s->poll, want, on_poll) != 0)
		s->active = 0;
	return 0;
}

/* ---- the multi handle ---- */

/* A new turn of the loop: hops that rest go on. */
static void wake(er_curl_multi *m)
{
	for (er_list *l; (l = er_list_pop(&m->resting)) != NULL;) {
		er_curl_hop *h = ER_CONTAINER(l, er_curl_hop, rest);
		h->turn = 0;
		er_curl_queue(h);
	}
}

static void on_soon(uv_idle_t *idle)
{
	er_curl_multi *m = idle->data;
	ER_CHECK(m, ER_CURL_MULTI_MAGIC);
	uv_idle_stop(idle);
	wake(m);
	er_curl_drain(m);
}

void er_curl_drain_soon(er_curl_multi *m)
{
	if (!m->dead)
		uv_idle_start(&m->soon, on_soon);
}

/* Nothing is done inside of a timer: libuv (1.44) goes on with timers as long as one is due, and
 * libcurl asks for the next one while it works, so that nobody else would get a turn as long as a
 * server sends. What runs when the loop is idle runs once a turn. */
static void on_timer(uv_timer_t *timer)
{
	er_curl_multi *m = timer->data;
	ER_CHECK(m, ER_CURL_MULTI_MAGIC);
	m->kick = true;
	er_curl_drain_soon(m);
}

/* libcurl wants to be called in `ms`; at once is left to whoever is calling it now. */
static int on_timeout(CURLM *handle, long ms, void *multi)
{
	(void)handle;
	er_curl_multi *m = multi;
	ER_CHECK(m, ER_CURL_MULTI_MAGIC);
	if (ms == 0) {
		m->kick = true; /* whoever called libcurl drains afterwards */
	} else if (ms < 0) {
		m->kick = false;
		uv_timer_stop(&m->timer);
	} else {
		/* Never early: libcurl would find nothing due, and not ask again. */
		uv_update_time(m->o->loop);
		uv_timer_start(&m->timer, on_timer, (uint64_t)ms + 1, 0);
	}
	return 0;
}

/* Notes which transfers are over. */
static void collect(er_curl_multi *m)
{
	int left;
	for (CURLMsg *msg; (msg = curl_multi_info_read(m->multi, &left)) != NULL;) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		er_curl_hop *h = NULL;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&h);
		ER_CHECK(h, ER_CURL_HOP_MAGIC);
		ER_ASSERT(h->m == m && h->added && !h->done);
		h->done = true;
		h->result = msg->data.result;
		er_curl_queue(h);
	}
}

static void call_curl(er_curl_multi *m, curl_socket_t fd, int what)
{
	int running;
	ER_ASSERT(!m->in_curl);
	m->in_curl = true;
	CURLMcode rc = curl_multi_socket_action(m->multi, fd, what, &running);
	m->in_curl = false;
	ER_ASSERT(rc == CURLM_OK || rc == CURLM_BAD_SOCKET);
	collect(m);
}

static void act(er_curl_multi *m, curl_socket_t fd, int what)
{
	call_curl(m, fd, what);
	er_curl_drain(m);
}

static void on_multi_closed(uv_handle_t *handle)
{
	er_curl_multi *m = handle->data;
	er_origin *o = m->o;
	ER_CHECK(m, ER_CURL_MULTI_MAGIC);
	ER_ASSERT(m->handles > 0);
	if (--m->handles == 0) {
		m->magic = 0;
		er_free(m);
	}
	er_count_handle_closed(o);
}

static void destroy(er_curl_multi *m)
{
	ER_ASSERT(!m->in_curl && !m->act.acting && m->started == 0 && er_list_empty(&m->ready));
	er_curl_forget_all(m);
	m->in_curl = true;
	curl_multi_cleanup(m->multi); /* closes the connections */
	curl_share_cleanup(m->share);
	er_curl_name_fini(m);
	er_curl_socket_fini(m);
	uv_close((uv_handle_t *)&m->timer, on_multi_closed);
	uv_close((uv_handle_t *)&m->soon, on_multi_closed);
}

void er_curl_drain(er_curl_multi *m)
{
	ER_CHECK(m, ER_CURL_MULTI_MAGIC);
	if (m->in_curl || !er_act_begin(&m->act))
		return;
	unsigned kicks = 0;
	while (!m->dead) {
		er_list *l = er_list_pop(&m->ready);
		if (l != NULL) {
			m->serve(ER_CONTAINER(l, er_curl_hop, link));
		} else if (m->kick && kicks++ < KICKS) {
			m->kick = false;
			call_curl(m, CURL_SOCKET_TIMEOUT, 0);
		} else {
			break;
		}
	}
	er_act_end(&m->act);
	if (m->dead)
		destroy(m);
	else if (m->kick)
		er_curl_drain_soon(m);
}

void er_curl_queue(er_curl_hop *h)
{
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	er_list_remove(&h->link);
	er_list_push(&h->m->ready, &h->link);
}

void er_curl_rest(er_curl_hop *h)
{
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	er_list_remove(&h->rest);
	er_list_push(&h->m->resting, &h->rest);
	er_curl_drain_soon(h->m);
}

er_curl_multi *er_curl_multi_of(er_pool *p, void (*serve)(er_curl_hop *h))
{
	if (p->curl != NULL)
		return p->curl;
	ER_ASSERT(!p->closed);
	er_curl_multi *m = ER_NEW(er_curl_multi);
	m->magic = ER_CURL_MULTI_MAGIC;
	m->serve = serve;
	m->o = p->o;
	m->pool = p;
	er_idmap_init(&m->sockets);
	er_list_init(&m->ready);
	er_list_init(&m->kept);
	er_list_init(&m->resting);
	m->multi = curl_multi_init();
	m->share = curl_share_init();
	ER_ASSERT(m->multi != NULL && m->share != NULL);
	curl_share_setopt(m->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	curl_multi_setopt(m->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(m->multi, CURLMOPT_SOCKETDATA, m);
	curl_multi_setopt(m->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(m->multi, CURLMOPT_TIMERDATA, m);
	curl_multi_setopt(m->multi, CURLMOPT_MAXCONNECTS, (long)ER_CURL_IDLE_MAX);
	/* One stream a connection: with several, a reader that waits holds up the others of its
	 * connection. */
	curl_multi_setopt(m->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	ER_ASSERT(uv_timer_init(m->o->loop, &m->timer) == 0 && uv_idle_init(m->o->loop, &m->soon) == 0);
	m->timer.data = m->soon.data = m;
	m->handles = 2;
	er_count_handle_opened(m->o);
	er_count_handle_opened(m->o);
	p->curl = m;
	return m;
}

void er_curl_pool_close(er_pool *p)
{
	er_curl_multi *m = p->curl;
	p->curl = NULL;
	if (m == NULL)
		return;
	if (m->act.acting)
		m->dead = true;
	else
		destroy(m);
}
