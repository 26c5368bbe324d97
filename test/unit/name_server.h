/* A name server for tests, on the test's own loop: the first label of a name says what it does.
 * Included by one program at a time. */
#ifndef TEST_NAME_SERVER_H
#define TEST_NAME_SERVER_H

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

enum { NS_A = 1, NS_AAAA = 28, NS_MESSAGE_MAX = 16 * 1024 };

typedef struct name_server {
	uv_udp_t udp;
	uv_tcp_t tcp;
	unsigned port;
	unsigned asked; /* questions for A */
	unsigned asked_v6, asked_tcp;
	bool has_tcp;
	bool silent;      /* whatever is asked */
	char servers[32]; /* as er_resolver_new wants it */
} name_server;

typedef struct ns_later {
	uv_timer_t timer;
	name_server *ns;
	struct sockaddr_storage from;
	uint8_t in[512];
	size_t n;
} ns_later;

typedef struct ns_out {
	uint8_t v[NS_MESSAGE_MAX];
	size_t n;
} ns_out;

static inline void ns_put(ns_out *o, unsigned value, unsigned bytes)
{
	for (unsigned i = bytes; i-- > 0;)
		o->v[o->n++] = (uint8_t)(value >> (8 * i));
}

/* "a.b.c" of the question; returns the bytes behind the header that it takes with type
 * and class. */
static inline size_t ns_name(const uint8_t *in, size_t n, char *name, size_t cap)
{
	size_t at = 12, to = 0;
	while (at < n && in[at] != 0 && at + in[at] < n && to + in[at] + 2 < cap) {
		memcpy(name + to, in + at + 1, in[at]);
		to += in[at];
		name[to++] = '.';
		at += 1 + in[at];
	}
	name[to > 0 ? to - 1 : 0] = '\0';
	return at + 5 - 12;
}

static inline bool ns_is(const char *name, const char *label)
{
	return strncasecmp(name, label, strlen(label)) == 0 && name[strlen(label)] == '.';
}

static inline void ns_record(ns_out *o, unsigned type, unsigned ttl, unsigned number, bool private_one)
{
	ns_put(o, 0xc00c, 2);
	ns_put(o, type, 2);
	ns_put(o, 1, 2);
	ns_put(o, ttl, 4);
	if (type == NS_A) {
		ns_put(o, 4, 2);
		/* 127.0.0.n or 93.184.216.n */
		ns_put(o, (private_one ? 0x7f000000U : 0x5db8d800U) + number, 4);
		return;
	}
	ns_put(o, 16, 2);
	ns_put(o, 0x2a001450, 4);
	for (int i = 0; i < 2; i++)
		ns_put(o, 0, 4);
	ns_put(o, number, 4);
}

/* "zone5" in a name: its zone's SOA says that what is not there stays so for five seconds. 0: the
 * answer has none. */
static inline unsigned ns_minimum(const char *name)
{
	const char *zone = strstr(name, ".zone");
	return zone != NULL ? (unsigned)strtoul(zone + 5, NULL, 10) : 0;
}

static inline void ns_soa(ns_out *o, unsigned minimum)
{
	ns_put(o, 0xc00c, 2);
	ns_put(o, 6, 2);
	ns_put(o, 1, 2);
	ns_put(o, 3600, 4);
	ns_put(o, 4 + 20, 2);
	ns_put(o, 0xc00cc00c, 4);
	for (int i = 0; i < 4; i++)
		ns_put(o, 7200, 4);
	ns_put(o, minimum, 4);
}

/* The answer; false: none. */
static inline bool ns_answer(name_server *ns, const uint8_t *in, size_t n, bool tcp, ns_out *o)
{
	char name[300];
	if (n < 17)
		return false;
	size_t question = ns_name(in, n, name, sizeof name);
	unsigned type = (unsigned)in[12 + question - 4] << 8 | in[12 + question - 3];
	ns->asked += type == NS_A && !tcp;
	ns->asked_v6 += type == NS_AAAA && !tcp;
	ns->asked_tcp += tcp;
	if (ns->silent || ns_is(name, "silent") || (ns_is(name, "only4") && type == NS_AAAA))
		return false;
	unsigned flags = 0x8180, records = type == NS_A ? 1 : 0, ttl = 60;
	if (ns_is(name, "nx"))
		flags |= 3, records = 0;
	if (ns_is(name, "servfail"))
		flags |= 2, records = 0;
	if (ns_is(name, "empty"))
		records = 0;
	if (ns_is(name, "v6") || ns_is(name, "both"))
		records = type == NS_AAAA || ns_is(name, "both");
	if (ns_is(name, "many"))
		records = type == NS_A ? 25 : 0;
	if (ns_is(name, "short"))
		ttl = 0;
	if (ns_is(name, "long"))
		ttl = 0x7ffffff0;
	bool cut = ns_is(name, "cut") && !tcp;
	o->n = 0;
	ns_put(o, (unsigned)in[0] << 8 | in[1], 2);
	if (ns_is(name, "wrongid"))
		o->v[1] ^= 1;
	ns_put(o, flags | (cut ? 0x200 : 0), 2);
	ns_put(o, 1, 2);
	unsigned minimum = records == 0 ? ns_minimum(name) : 0;
	ns_put(o, cut ? 0 : records, 2);
	ns_put(o, minimum > 0, 2);
	ns_put(o, 0, 2);
	memcpy(o->v + o->n, in + 12, question);
	if (ns_is(name, "wrongname"))
		o->v[o->n + 1] ^= 1;
	o->n += question;
	for (unsigned i = 0; i < records && !cut; i++)
		ns_record(o, type, ttl, i + 1, ns_is(name, "private"));
	if (minimum > 0)
		ns_soa(o, minimum);
	if (ns_is(name, "garbage")) /* a head, and nonsense behind it */
		memset(o->v + 4, 0xff, o->n - 4);
	if (ns_is(name, "brief"))
		o->n -= 3;
	return true;
}

static inline void ns_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
	static char room[4096];
	(void)h, (void)hint;
	*buf = uv_buf_init(room, sizeof room);
}

static inline void ns_send(name_server *ns, const uint8_t *in, size_t n, const struct sockaddr *from)
{
	static ns_out o;
	if (!ns_answer(ns, in, n, false, &o))
		return;
	uv_buf_t buf = uv_buf_init((char *)o.v, (unsigned)o.n);
	uv_udp_try_send(&ns->udp, &buf, 1, from);
}

static inline void ns_late_closed(uv_handle_t *h)
{
	er_free(h->data);
}

static inline void ns_on_later(uv_timer_t *timer)
{
	ns_later *l = timer->data;
	ns_send(l->ns, l->in, l->n, (const struct sockaddr *)&l->from);
	uv_close((uv_handle_t *)timer, ns_late_closed);
}

static inline void ns_on_udp(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
	(void)flags;
	char name[300];
	name_server *ns = udp->data;
	if (n <= 0 || from == NULL || n > 512)
		return;
	ns_name((const uint8_t *)buf->base, (size_t)n, name, sizeof name);
	if (!ns_is(name, "slow")) {
		ns_send(ns, (const uint8_t *)buf->base, (size_t)n, from);
		return;
	}
	ns_later *l = ER_NEW(ns_later);
	l->ns = ns;
	l->n = (size_t)n;
	memcpy(l->in, buf->base, l->n);
	memcpy(&l->from, from, sizeof(struct sockaddr_in));
	uv_timer_init(udp->loop, &l->timer);
	l->timer.data = l;
	uv_timer_start(&l->timer, ns_on_later, 150, 0);
}

static inline void ns_tcp_closed(uv_handle_t *h)
{
	er_free(h);
}

static inline void ns_on_tcp(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	static ns_out o, framed;
	if (n < 0) {
		uv_close((uv_handle_t *)s, ns_tcp_closed);
		return;
	}
	/* Every question in what was read, each behind its length. */
	for (const uint8_t *at = (const uint8_t *)buf->base, *end = at + n; end - at > 2; at += 2 + ((size_t)at[0] << 8 | at[1])) {
		size_t one = (size_t)at[0] << 8 | at[1];
		if (one > (size_t)(end - at - 2) || !ns_answer(s->data, at + 2, one, true, &o))
			continue;
		framed.n = 0;
		ns_put(&framed, (unsigned)o.n, 2);
		memcpy(framed.v + 2, o.v, o.n);
		uv_buf_t out = uv_buf_init((char *)framed.v, (unsigned)(o.n + 2));
		uv_try_write(s, &out, 1);
	}
}

static inline void ns_on_connection(uv_stream_t *listener, int status)
{
	uv_tcp_t *c = ER_NEW(uv_tcp_t);
	(void)status;
	uv_tcp_init(listener->loop, c);
	c->data = listener->data;
	if (uv_accept(listener, (uv_stream_t *)c) == 0)
		uv_read_start((uv_stream_t *)c, ns_alloc, ns_on_tcp);
	else
		uv_close((uv_handle_t *)c, ns_tcp_closed);
}

static inline void ns_start(name_server *ns, uv_loop_t *on)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int len = sizeof a;
	*ns = (name_server){0};
	uv_udp_init(on, &ns->udp);
	uv_tcp_init(on, &ns->tcp);
	ns->udp.data = ns->tcp.data = ns;
	ER_ASSERT(uv_udp_bind(&ns->udp, (struct sockaddr *)&a, 0) == 0);
	uv_udp_getsockname(&ns->udp, (struct sockaddr *)&a, &len);
	ns->port = ntohs(a.sin_port);
	/* The same port for TCP, which may be somebody's: then it has only UDP, and only one
	 * test minds. */
	(void)uv_tcp_bind(&ns->tcp, (struct sockaddr *)&a, 0);
	ns->has_tcp = uv_listen((uv_stream_t *)&ns->tcp, 16, ns_on_connection) == 0;
	uv_udp_recv_start(&ns->udp, ns_alloc, ns_on_udp);
	snprintf(ns->servers, sizeof ns->servers, "127.0.0.1:%u", ns->port);
}

static inline void ns_stop(name_server *ns)
{
	uv_close((uv_handle_t *)&ns->udp, NULL);
	uv_close((uv_handle_t *)&ns->tcp, NULL);
}

#endif
