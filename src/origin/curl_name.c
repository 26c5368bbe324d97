/* Addresses for libcurl, which would make a thread for each name that it has to look up. They are
 * found before (origin/reach.h) and given to it with the request, for its cache of names; names
 * that were not used for long are taken out of that again.
 *
 * er_curl_multi.names is a ring of the names that libcurl has, the oldest first. er_curl_name_set
 * gives libcurl the hop's name with its addresses, and the oldest names to be forgotten, as one
 * list. libcurl reads the list when it begins the transfer, which its first callback or its end
 * tells (er_curl_name_read): only then the ring changes. A hop that is stopped before that changes
 * nothing (er_curl_name_done). When libcurl needs a name that it has forgotten, the hop fails with
 * `unresolved`, and the fetch finds the addresses once more (er_fetch_readdress). */
#include "base/mem.h"
#include "origin/curl.h"
#include "origin/server.h"

#include <arpa/inet.h>

/* names in libcurl's cache; more by as many as there are requests that begin at once */
enum { KEPT = 64 };

static const char *text_of(er_curl_hop *h)
{
	er_buf_putc(&h->text, '\0');
	return (const char *)h->text.p + h->text.start;
}

static void add(er_curl_hop *h)
{
	struct curl_slist *list = curl_slist_append(h->resolve, text_of(h));
	ER_ASSERT(list != NULL);
	h->resolve = list;
}

static void put_address(er_buf *to, const er_address *a)
{
	char text[INET6_ADDRSTRLEN];
	bool v6 = a->sa.sa_family == AF_INET6;
	const void *from = v6 ? (const void *)&a->v6.sin6_addr : &a->v4.sin_addr;
	ER_ASSERT(inet_ntop(a->sa.sa_family, from, text, sizeof text) != NULL);
	if (v6)
		er_buf_putc(to, '[');
	er_buf_put_cstr(to, text);
	if (v6)
		er_buf_putc(to, ']');
}

/* "-host:port" for each of the oldest names, which libcurl is to forget. */
static void put_old_names(er_curl_hop *h)
{
	er_curl_multi *m = h->m;
	h->forgotten = m->end_name - m->first_name > KEPT ? m->end_name - KEPT : m->first_name;
	for (uint64_t i = m->first_name; i < h->forgotten; i++) {
		er_buf_clear(&h->text);
		er_buf_putc(&h->text, '-');
		er_buf_put_cstr(&h->text, m->names[i % ER_CURL_NAMES_MAX]);
		add(h);
	}
}

void er_curl_name_set(er_curl_hop *h)
{
	ER_ASSERT(h->name == NULL && h->resolve == NULL);
	const er_addresses *a = h->f->reach.addresses;
	er_address literal;
	uint16_t port;
	er_slice host = er_server_host(h->f, &port);
	h->literal = er_resolve_literal(host, &literal);
	if (!h->literal) {
		ER_ASSERT(a != NULL && a->n > 0);
		put_old_names(h);
		h->name = er_printf("%.*s:%u", ER_FMT(host), port);
		er_buf_clear(&h->text);
		er_buf_putc(&h->text, '+'); /* not for ever */
		er_buf_put_cstr(&h->text, h->name);
		for (unsigned i = 0; i < a->n; i++) {
			er_buf_putc(&h->text, i == 0 ? ':' : ',');
			put_address(&h->text, &a->v[(a->first + i) % a->n]);
		}
		add(h);
	}
	curl_easy_setopt(h->easy, CURLOPT_RESOLVE, h->resolve);
}

static bool knows(const er_curl_multi *m, const char *name)
{
	for (uint64_t i = m->first_name; i < m->end_name; i++)
		if (er_slice_eq(er_slice_cstr(m->names[i % ER_CURL_NAMES_MAX]), er_slice_cstr(name)))
			return true;
	return false;
}

static void pop_name(er_curl_multi *m)
{
	ER_ASSERT(m->first_name < m->end_name && m->end_name - m->first_name <= ER_CURL_NAMES_MAX);
	er_free(m->names[m->first_name++ % ER_CURL_NAMES_MAX]);
}

void er_curl_name_read(er_curl_hop *h)
{
	er_curl_multi *m = h->m;
	if (h->name == NULL)
		return;
	while (m->first_name < h->forgotten)
		pop_name(m);
	char *name = h->name;
	h->name = NULL;
	if (knows(m, name)) {
		er_free(name);
		return;
	}
	if (m->end_name - m->first_name == ER_CURL_NAMES_MAX)
		pop_name(m); /* its time in libcurl's cache will end */
	m->names[m->end_name++ % ER_CURL_NAMES_MAX] = name;
}

void er_curl_name_done(er_curl_hop *h)
{
	er_free(h->name);
	h->name = NULL;
	curl_slist_free_all(h->resolve);
	h->resolve = NULL;
	h->unresolved = false;
}

void er_curl_name_fini(er_curl_multi *m)
{
	while (m->first_name < m->end_name)
		pop_name(m);
}

int er_curl_name_needed(void *state, void *reserved, void *hop)
{
	(void)state, (void)reserved;
	er_curl_hop *h = hop;
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	if (h->literal)
		return 0;
	h->unresolved = true;
	return 1;
}
