/* One er_dns a resolver, with two of c-ares: the channel asks name servers, and `file` reads the
 * hosts file, without a socket and without waiting.
 *
 * A question is made by er_dns_ask and freed when its answer has been told. c-ares says which
 * sockets it wants to hear of; each has a watch, freed when libuv has closed it. When resolv.conf
 * has changed there is a new channel, and what the old one was asked moves to it. At the end the
 * channel is destroyed, nobody is told, and `closed` is called when the last watch is gone. */
#include "origin/dns.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "origin/dns_message.h"

#include <ares.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/stat.h>

enum {
	MAGIC = 0x444e5321,
	/* Two rounds, the second with twice the patience: for all servers together they take
	 * ER_DNS_LIMIT_MS. */
	TRIES = 2,
	ROUNDS_SUM = 3,
	LOOK_MS = 5000,
	FILE_TTL_S = 5,
	NAME_MAX_N = 254,
	SERVERS_TEXT_MAX = 512,
	CLASS_IN = 1, /* RFC 1035 3.2.4 */
	TYPE_A = 1,
	TYPE_AAAA = 28, /* RFC 3596 2.1 */
};

static const char resolv_conf[] = "/etc/resolv.conf";

/* One of c-ares, and its sockets. */
typedef struct channel {
	er_dns *d;
	ares_channel ares;
	er_list watches;
} channel;

typedef struct watch {
	er_list link;
	uv_poll_t poll;
	channel *c; /* not after closing */
	er_dns *d;
	ares_socket_t fd;
} watch;

/* One name and family on its way; freed when its answer has been told. */
typedef struct question {
	er_dns *d;
	er_dns_done *done;
	void *ctx;
	int family;
	char name[NAME_MAX_N + 1];
} question;

struct er_dns {
	uint32_t magic;
	uv_loop_t *loop;
	channel *channel;
	ares_channel file;
	char *servers; /* NULL: resolv.conf's */
	unsigned handles;
	uint64_t looked_ms;
	struct stat seen; /* resolv.conf */
	bool closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* ---- sockets ---- */

static void maybe_gone(er_dns *d)
{
	if (!d->closing || d->handles > 0)
		return;
	void (*closed)(void *) = d->closed;
	void *ctx = d->closed_ctx;
	d->magic = 0;
	er_free(d);
	closed(ctx);
}

static void on_watch_closed(uv_handle_t *handle)
{
	watch *w = handle->data;
	er_dns *d = w->d;
	er_free(w);
	ER_CHECK(d, MAGIC);
	ER_ASSERT(d->handles > 0);
	d->handles--;
	maybe_gone(d);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	const watch *w = poll->data;
	ER_ASSERT(w->c != NULL && w->c->d == w->d);
	bool readable = status < 0 || (events & UV_READABLE), writable = status < 0 || (events & UV_WRITABLE);
	ares_process_fd(w->c->ares, readable ? w->fd : ARES_SOCKET_BAD, writable ? w->fd : ARES_SOCKET_BAD);
}

static watch *watch_of(channel *c, ares_socket_t fd)
{
	ER_LIST_EACH(l, &c->watches)
	{
		watch *w = ER_CONTAINER(l, watch, link);
		if (w->fd == fd)
			return w;
	}
	return NULL;
}

static watch *watch_new(channel *c, ares_socket_t fd)
{
	watch *w = ER_NEW(watch);
	*w = (watch){.d = c->d, .c = c, .fd = fd};
	if (uv_poll_init(c->d->loop, &w->poll, fd) != 0) {
		er_free(w);
		return NULL;
	}
	w->poll.data = w;
	c->d->handles++;
	er_list_push(&c->watches, &w->link);
	return w;
}

/* c-ares wants to hear of this socket, or (nothing at all) will close it now. */
static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
	channel *c = data;
	ER_ASSERT(c != NULL);
	watch *w = watch_of(c, fd);
	int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
	if (events == 0) {
		if (w == NULL)
			return;
		er_list_remove(&w->link);
		uv_close((uv_handle_t *)&w->poll, on_watch_closed);
		return;
	}
	if (w == NULL && (w = watch_new(c, fd)) == NULL)
		return; /* its questions end by their time-out */
	(void)uv_poll_start(&w->poll, events, on_poll);
}

/* ---- channels ---- */

static unsigned count_servers(ares_channel ares)
{
	struct ares_addr_port_node *list = NULL;
	unsigned n = 0;
	if (ares_get_servers_ports(ares, &list) != ARES_SUCCESS)
		return 0;
	for (const struct ares_addr_port_node *it = list; it != NULL; it = it->next)
		n++;
	ares_free_data(list);
	return n;
}

/* One c-ares of its own: `lookups` is "b" for name servers or "f" for the hosts file, and neither a
 * search list nor a domain is added to a name. */
static int init(ares_channel *out, const char *lookups, int timeout_ms, channel *c)
{
	static char no_domain[1];
	char *domains[] = {no_domain};
	char which[2] = {lookups[0], '\0'};
	struct ares_options o = {.flags = ARES_FLAG_NOSEARCH,
	                         .timeout = timeout_ms,
	                         .tries = TRIES,
	                         .ndots = 0,
	                         .domains = domains,
	                         .ndomains = 0,
	                         .lookups = which,
	                         .sock_state_cb = on_socket,
	                         .sock_state_cb_data = c};
	int what = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS |
	           (c != NULL ? ARES_OPT_SOCK_STATE_CB : 0);
	return ares_init_options(out, &o, what);
}

/* The first of the servers only, so that the time for all of them is bounded. */
static bool keep_few(ares_channel ares)
{
	struct ares_addr_port_node *list = NULL;
	if (ares_get_servers_ports(ares, &list) != ARES_SUCCESS)
		return false;
	struct ares_addr_port_node *last = list;
	for (unsigned i = 1; i < ER_DNS_SERVERS_MAX && last != NULL; i++)
		last = last->next;
	struct ares_addr_port_node *rest = last != NULL ? last->next : NULL;
	if (last != NULL)
		last->next = NULL;
	bool ok = rest == NULL || ares_set_servers_ports(ares, list) == ARES_SUCCESS;
	if (last != NULL)
		last->next = rest;
	ares_free_data(list);
	return ok;
}

static int channel_init(channel *c, const char *servers, int timeout_ms)
{
	int rc = init(&c->ares, "b", timeout_ms, c);
	if (rc == ARES_SUCCESS && servers != NULL)
		rc = ares_set_servers_ports_csv(c->ares, servers);
	if (rc == ARES_SUCCESS && !keep_few(c->ares))
		rc = ARES_ENOMEM;
	return rc;
}

/* Made twice: the first one only tells how many name servers there are. */
static channel *channel_new(er_dns *d, er_err *err)
{
	channel *c = ER_NEW(channel);
	c->d = d;
	er_list_init(&c->watches);
	/* How long to wait for one server follows from how many there are, and that is known only
	 * afterwards. */
	int rc = channel_init(c, d->servers, ER_DNS_LIMIT_MS);
	unsigned n = rc == ARES_SUCCESS ? count_servers(c->ares) : 0;
	if (c->ares != NULL)
		ares_destroy(c->ares);
	c->ares = NULL;
	if (rc == ARES_SUCCESS)
		rc = channel_init(c, d->servers, ER_DNS_LIMIT_MS / ROUNDS_SUM / (int)(n > 0 ? n : 1));
	if (rc == ARES_SUCCESS)
		return c;
	if (c->ares != NULL)
		ares_destroy(c->ares);
	er_free(c);
	er_fail(err, ER_ERR_SYSTEM, "the resolver of names does not start: %s", ares_strerror(rc));
	return NULL;
}

static void channel_free(channel *c)
{
	if (c == NULL)
		return;
	ares_destroy(c->ares); /* calls back for what is under way, and closes the sockets */
	ER_ASSERT(er_list_empty(&c->watches));
	er_free(c);
}

/* Another channel from now on. What the old one was asked is asked again when the old one gives up,
 * which is at once. */
static void renew(er_dns *d)
{
	er_err err = {0};
	channel *c = channel_new(d, &err), *old = d->channel;
	if (c == NULL) {
		er_log(ER_LOG_WARN, "origin", "%s; the name servers stay as they were", err.text);
		return;
	}
	d->channel = c;
	channel_free(old);
}

static void look_for_changes(er_dns *d)
{
	uint64_t now = uv_now(d->loop);
	struct stat st = {0};
	if (d->servers != NULL || now - d->looked_ms < LOOK_MS)
		return;
	d->looked_ms = now;
	if (stat(resolv_conf, &st) != 0)
		return;
	bool same = st.st_mtim.tv_sec == d->seen.st_mtim.tv_sec && st.st_mtim.tv_nsec == d->seen.st_mtim.tv_nsec &&
	            st.st_ino == d->seen.st_ino && st.st_size == d->seen.st_size;
	d->seen = st;
	if (!same)
		renew(d);
}

/* ---- answers ---- */

/* Of the hosts file. */
static void take_addresses(const struct ares_addrinfo *info, er_dns_answer *a)
{
	for (const struct ares_addrinfo_node *it = info->nodes; it != NULL && a->n < ER_DNS_ADDRESSES_MAX; it = it->ai_next) {
		er_address *to = &a->v[a->n];
		if (it->ai_family == AF_INET && it->ai_addrlen >= sizeof to->v4)
			er_copy(&to->v4, it->ai_addr, sizeof to->v4);
		else if (it->ai_family == AF_INET6 && it->ai_addrlen >= sizeof to->v6)
			er_copy(&to->v6, it->ai_addr, sizeof to->v6);
		else
			continue;
		a->n++;
	}
}

/* NONE is an answer and may be kept; FAILED is the lack of one. */
static er_dns_outcome outcome_of(int status, const char **text)
{
	switch (status) {
	case ARES_SUCCESS:
	case ARES_ENODATA:
		*text = "the name has no address";
		return ER_DNS_NONE;
	case ARES_ENOTFOUND:
		*text = "there is no such name";
		return ER_DNS_NONE;
	case ARES_EBADNAME:
	case ARES_EBADQUERY:
	case ARES_EBADSTR:
		*text = "that cannot be a name";
		return ER_DNS_NONE;
	case ARES_ETIMEOUT:
		*text = "no name server answered in time";
		return ER_DNS_FAILED;
	case ARES_ECONNREFUSED:
		*text = "the name servers fail, or cannot be reached";
		return ER_DNS_FAILED;
	case ARES_EFORMERR:
	case ARES_EBADRESP:
		*text = "the name server's answer is malformed";
		return ER_DNS_FAILED;
	default: /* SERVFAIL, REFUSED, NOTIMP, and what is the library's own trouble */
		*text = "the name servers fail";
		return ER_DNS_FAILED;
	}
}

/* A and AAAA records, and how long they hold: c-ares gives each the least time of its record and of
 * the aliases that led to it. */
static int take_records(int family, const unsigned char *message, int n, er_dns_answer *a)
{
	struct ares_addrttl v4[ER_DNS_ADDRESSES_MAX];
	struct ares_addr6ttl v6[ER_DNS_ADDRESSES_MAX];
	int found = ER_DNS_ADDRESSES_MAX, ttl = INT32_MAX;
	int status = family == AF_INET ? ares_parse_a_reply(message, n, NULL, v4, &found)
	                               : ares_parse_aaaa_reply(message, n, NULL, v6, &found);
	if (status != ARES_SUCCESS)
		return status;
	ER_ASSERT(found >= 0 && found <= ER_DNS_ADDRESSES_MAX);
	for (int i = 0; i < found; i++) {
		er_address *to = &a->v[a->n++];
		int one = family == AF_INET ? v4[i].ttl : v6[i].ttl;
		if (family == AF_INET)
			to->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = v4[i].ipaddr};
		else {
			to->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
			er_copy(&to->v6.sin6_addr, &v6[i].ip6addr, sizeof to->v6.sin6_addr);
		}
		ttl = one < ttl ? one : ttl;
	}
	a->ttl_s = ttl < 0 ? 0 : (uint32_t)ttl;
	return ARES_SUCCESS;
}

static void read_message(int family, int status, const unsigned char *message, int n, er_dns_answer *a)
{
	*a = (er_dns_answer){.ttl_s = ER_DNS_TTL_UNKNOWN};
	if (status == ARES_SUCCESS)
		status = take_records(family, message, n, a);
	a->outcome = a->n > 0 ? ER_DNS_FOUND : outcome_of(status, &a->text);
	uint32_t ttl_s;
	if (a->outcome == ER_DNS_NONE && message != NULL && er_dns_negative_ttl(er_slice_of(message, (size_t)n), &ttl_s))
		a->ttl_s = ttl_s;
}

static void ask(question *q);

static void on_answer(void *arg, int status, int timeouts, unsigned char *message, int n)
{
	(void)timeouts;
	question *q = arg;
	er_dns *d = q->d;
	er_dns_answer a;
	if (status == ARES_EDESTRUCTION && !d->closing) {
		ask(q); /* the other channel */
		return;
	}
	read_message(q->family, status, message, n, &a);
	if (!d->closing)
		q->done(q->ctx, q->family, &a);
	er_free(q);
}

static void ask(question *q)
{
	ares_query(q->d->channel->ares, q->name, CLASS_IN, q->family == AF_INET ? TYPE_A : TYPE_AAAA, on_answer, q);
}

void er_dns_ask(er_dns *d, const char *name, int family, er_dns_done *done, void *ctx)
{
	ER_CHECK(d, MAGIC);
	er_slice n = er_slice_cstr(name);
	ER_ASSERT(n.n <= NAME_MAX_N && !d->closing);
	ER_ASSERT((family == AF_INET || family == AF_INET6) && done != NULL);
	look_for_changes(d);
	question *q = ER_NEW(question);
	*q = (question){.d = d, .done = done, .ctx = ctx, .family = family};
	er_copy(q->name, n.p, n.n);
	ask(q);
}

static void on_file_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	(void)timeouts;
	er_dns_answer *a = arg;
	*a = (er_dns_answer){0};
	if (status == ARES_SUCCESS && info != NULL)
		take_addresses(info, a);
	if (info != NULL)
		ares_freeaddrinfo(info);
	a->outcome = a->n > 0 ? ER_DNS_FOUND : outcome_of(status, &a->text);
}

void er_dns_file(er_dns *d, const char *name, er_dns_answer *out)
{
	ER_CHECK(d, MAGIC);
	struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	*out = (er_dns_answer){.outcome = ER_DNS_FAILED};
	/* has no sockets: is over when it returns */
	ares_getaddrinfo(d->file, name, NULL, &hints, on_file_answer, out);
	out->ttl_s = FILE_TTL_S;
}

void er_dns_tick(er_dns *d)
{
	ER_CHECK(d, MAGIC);
	ER_ASSERT(d->channel != NULL);
	ares_process_fd(d->channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* ---- life ---- */

/* c-ares takes any number for a port. */
static bool ports_ok(er_slice servers)
{
	er_slice one;
	while (er_slice_split(&servers, ',', &one)) {
		size_t close = er_slice_find(one, ']'), colon = er_slice_find(one, ':');
		bool bare_v6 = close == one.n && er_slice_find(er_slice_from(one, colon + 1), ':') < er_slice_from(one, colon + 1).n;
		er_slice port = er_slice_from(one, close < one.n ? close + 2 : bare_v6 ? one.n : colon + 1);
		uint64_t n = 0;
		if (port.n > 0 && (!er_slice_u64(port, &n) || n == 0 || n > 65535))
			return false;
	}
	return true;
}

bool er_dns_servers_ok(er_slice servers, er_err *err)
{
	ares_channel probe = NULL;
	char *text = er_strdup_slice(servers);
	int rc = servers.n > 0 && ports_ok(servers) && servers.n < SERVERS_TEXT_MAX ? init(&probe, "b", ER_DNS_LIMIT_MS, NULL)
	                                                                            : ARES_EBADSTR;
	if (rc == ARES_SUCCESS)
		rc = ares_set_servers_ports_csv(probe, text);
	if (rc == ARES_SUCCESS && count_servers(probe) == 0)
		rc = ARES_EBADSTR;
	if (probe != NULL)
		ares_destroy(probe);
	er_free(text);
	return rc == ARES_SUCCESS ||
	       er_fail(err, ER_ERR_INVALID,
	               "an address of a name server is expected: \"192.0.2.53\", \"192.0.2.53:5353\", \"[2001:db8::53]\"");
}

bool er_dns_servers(er_dns *d, const char *servers)
{
	ER_CHECK(d, MAGIC);
	if ((servers == NULL) == (d->servers == NULL) && er_slice_eq(er_slice_cstr(servers), er_slice_cstr(d->servers)))
		return false;
	er_free(d->servers);
	d->servers = servers != NULL ? er_strdup_cstr(servers) : NULL;
	renew(d);
	return true;
}

er_dns *er_dns_new(uv_loop_t *loop, const char *servers, er_err *err)
{
	er_dns *d = ER_NEW(er_dns);
	*d = (er_dns){.magic = MAGIC, .loop = loop, .servers = servers != NULL ? er_strdup_cstr(servers) : NULL};
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS || init(&d->file, "f", ER_DNS_LIMIT_MS, NULL) != ARES_SUCCESS) {
		er_fail(err, ER_ERR_SYSTEM, "the resolver of names (c-ares) does not start");
		goto fail;
	}
	(void)stat(resolv_conf, &d->seen);
	d->looked_ms = uv_now(loop);
	d->channel = channel_new(d, err);
	if (d->channel != NULL)
		return d;
fail:
	if (d->file != NULL)
		ares_destroy(d->file);
	er_free(d->servers);
	er_free(d);
	return NULL;
}

void er_dns_close(er_dns *d, void (*closed)(void *ctx), void *ctx)
{
	ER_CHECK(d, MAGIC);
	ER_ASSERT(!d->closing);
	d->closed = closed;
	d->closed_ctx = ctx;
	d->handles++;
	d->closing = true;
	channel_free(d->channel);
	d->channel = NULL;
	ares_destroy(d->file);
	ares_library_cleanup();
	er_free(d->servers);
	d->servers = NULL;
	d->handles--;
	maybe_gone(d);
}
