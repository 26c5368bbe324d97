/* Which sockets libcurl has. It says when it opens one, and when it closes one that was connected;
 * one that never was it closes without a word. So a hop knows what was opened for it, and when its
 * request goes out (or it ends) what of that is not the connection is gone.
 *
 * er_curl_multi.sockets says for each whose it is: the hop's that it was opened for, or, from the
 * first request on, the multi's. Each that is in there counts as a connection of the pool
 * (count.c). */
#include "base/mem.h"
#include "origin/count.h"
#include "origin/curl.h"

#include <arpa/inet.h>
#include <unistd.h>

static uint32_t id_of(curl_socket_t fd)
{
	return (uint32_t)fd + 1;
}

static void forget(er_curl_hop *h, curl_socket_t fd)
{
	for (unsigned i = 0; i < h->n_sockets; i++)
		if (h->sockets[i] == fd) {
			h->sockets[i] = h->sockets[--h->n_sockets];
			return;
		}
}

/* It is not counted any more, if it was. */
static void uncount(er_curl_multi *m, curl_socket_t fd)
{
	void *whose = er_idmap_del(&m->sockets, id_of(fd));
	if (whose == NULL)
		return;
	if (whose == m) {
		ER_ASSERT(m->settled > 0);
		m->settled--;
	} else {
		forget(whose, fd);
	}
	er_count_closed(m->pool);
}

void er_curl_socket_opened(er_curl_hop *h, curl_socket_t fd)
{
	er_curl_multi *m = h->m;
	uncount(m, fd); /* the one before of this number was closed without a word */
	if (h->n_sockets == ER_CURL_SOCKETS_MAX)
		uncount(m, h->sockets[0]); /* libcurl tries two at a time: the oldest is closed long ago */
	ER_ASSERT(fd >= 0 && h->n_sockets < ER_CURL_SOCKETS_MAX);
	h->sockets[h->n_sockets++] = fd;
	er_idmap_add(&m->sockets, id_of(fd), h);
	er_count_opened(m->pool);
}

int er_curl_socket_close(void *multi, curl_socket_t fd)
{
	er_curl_multi *m = multi;
	ER_CHECK(m, ER_CURL_MULTI_MAGIC);
	uncount(m, fd);
	return close(fd);
}

static bool is_at(curl_socket_t fd, int port)
{
	struct sockaddr_in6 a = {0};
	socklen_t n = sizeof a;
	/* at the same place in both families */
	return getsockname(fd, (struct sockaddr *)&a, &n) == 0 && ntohs(a.sin6_port) == port;
}

void er_curl_socket_settled(er_curl_hop *h, int local_port)
{
	er_curl_multi *m = h->m;
	if (!h->connected)
		m->connected++;
	h->connected = true;
	ER_ASSERT(m->connected <= m->started && h->n_sockets <= ER_CURL_SOCKETS_MAX);
	curl_socket_t it = h->n_sockets == 1 ? h->sockets[0] : CURL_SOCKET_BAD;
	for (unsigned i = 0; i < h->n_sockets && it == CURL_SOCKET_BAD; i++)
		if (is_at(h->sockets[i], local_port))
			it = h->sockets[i];
	if (it != CURL_SOCKET_BAD) {
		forget(h, it);
		(void)er_idmap_del(&m->sockets, id_of(it));
		er_idmap_add(&m->sockets, id_of(it), m);
		m->settled++;
	}
	while (h->n_sockets > 0)
		uncount(m, h->sockets[0]);
}

void er_curl_socket_dropped(er_curl_hop *h)
{
	while (h->n_sockets > 0)
		uncount(h->m, h->sockets[0]);
	ER_ASSERT(h->n_sockets == 0 && h->m->connected >= (unsigned)h->connected);
	h->m->connected -= h->connected;
	h->connected = false;
}

void er_curl_socket_fini(er_curl_multi *m)
{
	er_pool *p = m->pool;
	ER_ASSERT(p != NULL && m->settled <= m->sockets.n);
	m->pool = NULL;
	for (uint32_t n = m->sockets.n; n > 0; n--)
		er_count_closed(p);
	er_idmap_fini(&m->sockets);
}

bool er_curl_has_idle(const er_pool *p)
{
	const er_curl_multi *m = p->curl;
	/* Hops without a connection will want one as well. */
	return m != NULL && m->settled > m->started;
}
