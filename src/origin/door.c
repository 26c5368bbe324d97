/* The door of libcurl's pool. libcurl (7.88) puts a connection back after a complete answer and
 * takes it out again if its peer has not closed it, though bytes may be waiting that nobody asked
 * for: they would be the answer to the next request, and every answer from then on somebody else's.
 * So whatever is to carry a request is looked at first, on its socket, just before.
 *
 * er_curl_keep remembers a connection by its two ends when its transfer has ended well, and
 * er_curl_door finds it again by them. An er_curl_kept is freed there, when it is among the oldest
 * of too many, or with its multi. A connection of HTTP/1 that is used again and is not remembered
 * does not pass. */
#include "base/mem.h"
#include "base/sock.h"
#include "origin/curl.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

enum { KEPT_MAX = 128 }; /* twice of what libcurl keeps: it closes some without a word */

static SSL *ssl_of(er_curl_hop *h)
{
	struct curl_tlssessioninfo *info = NULL;
	if (curl_easy_getinfo(h->easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || info == NULL)
		return NULL;
	return info->internals;
}

static bool speaks_h2(SSL *ssl)
{
	const unsigned char *name = NULL;
	unsigned n = 0;
	SSL_get0_alpn_selected(ssl, &name, &n);
	return er_slice_eq(er_slice_of(name, n), ER_LIT("h2"));
}

static void drop(er_curl_multi *m, er_curl_kept *k)
{
	ER_ASSERT(m->n_kept > 0);
	er_list_remove(&k->link);
	m->n_kept--;
	er_free(k);
}

void er_curl_forget_all(er_curl_multi *m)
{
	while (!er_list_empty(&m->kept))
		drop(m, ER_CONTAINER(m->kept.next, er_curl_kept, link));
	ER_ASSERT(m->n_kept == 0);
}

static er_curl_kept *kept_of(er_curl_multi *m, const er_curl_ends *ends)
{
	for (er_list *l = m->kept.prev; l != &m->kept; l = l->prev) {
		er_curl_kept *k = ER_CONTAINER(l, er_curl_kept, link);
		if (strcmp(k->ends.text, ends->text) == 0)
			return k;
	}
	return NULL;
}

static void ends_of(er_curl_ends *ends, const char *peer, int peer_port, const char *local, int local_port)
{
	int n = snprintf(ends->text, sizeof ends->text, "%s %d %s %d", local, local_port, peer, peer_port);
	ER_ASSERT(n > 0 && (size_t)n < sizeof ends->text);
}

bool er_curl_door(er_curl_hop *h, const char *peer, int peer_port, const char *local, int local_port)
{
	er_curl_multi *m = h->m;
	ends_of(&h->ends, peer, peer_port, local, local_port);
	SSL *ssl = er_slice_eq(h->f->scheme, ER_LIT("https")) ? ssl_of(h) : NULL;
	h->h2 = ssl != NULL && speaks_h2(ssl);
	er_curl_kept *k = kept_of(m, &h->ends);
	long made = 0;
	curl_easy_getinfo(h->easy, CURLINFO_NUM_CONNECTS, &made);
	/* a new one has no past, and frames of HTTP/2 may come at any time */
	bool fit = made > 0 || h->h2;
	if (!fit && k != NULL)
		fit = k->clean_ms <= uv_now(m->o->loop) && er_sock_silent(k->fd) && (ssl == NULL || SSL_has_pending(ssl) == 0);
	if (k != NULL)
		drop(m, k);
	return fit;
}

void er_curl_keep(er_curl_hop *h)
{
	er_curl_multi *m = h->m;
	curl_socket_t fd = CURL_SOCKET_BAD;
	if (h->h2 || curl_easy_getinfo(h->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd == CURL_SOCKET_BAD)
		return;
	ER_ASSERT(h->decode.state == ER_DECODE_OVER);
	er_curl_kept *k = kept_of(m, &h->ends);
	if (k != NULL)
		drop(m, k);
	if (m->n_kept >= KEPT_MAX)
		drop(m, ER_CONTAINER(m->kept.next, er_curl_kept, link));
	k = ER_NEW(er_curl_kept);
	k->ends = h->ends;
	k->fd = fd;
	k->clean_ms = uv_now(m->o->loop) + (h->decode.bodyless ? ER_ORIGIN_QUARANTINE_MS : 0);
	er_list_push(&m->kept, &k->link);
	m->n_kept++;
	ER_ASSERT(m->n_kept <= KEPT_MAX);
}
