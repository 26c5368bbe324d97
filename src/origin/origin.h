/* Back to origin and subrequests: outgoing HTTP by libcurl's multi interface on the thread's loop. One er_origin a gateway thread.
 *
 * Streams both ways with back-pressure; redirects by our own code with all checks again on each hop; the resolved address is checked when
 * connecting (CURLOPT_OPENSOCKETFUNCTION) and again for reused connections (CURLOPT_PREREQFUNCTION), so that rebinding a name gains nothing;
 * no proxy or netrc from the environment; TLS is always verified; connections are pooled per key. */
#ifndef ER_ORIGIN_ORIGIN_H
#define ER_ORIGIN_ORIGIN_H

#include "base/err.h"
#include "base/cidr.h"
#include "http/exchange.h"

#include <uv.h>

typedef struct er_origin er_origin;

typedef enum er_redirect { ER_REDIRECT_FOLLOW, ER_REDIRECT_MANUAL, ER_REDIRECT_ERROR } er_redirect;
typedef enum er_decompress { ER_DECOMPRESS, ER_DECOMPRESS_FALLBACK_IDENTITY, ER_DECOMPRESS_MANUAL } er_decompress;

typedef struct er_fetch_options {
	er_redirect redirect;
	er_decompress decompress;
	unsigned max_hops; /* redirects allowed; more: SUB fails with ER_ERR_RESPONSE */
	const void *pool; /* connections are shared only between fetches with the same pool key (the routine; NULL: the node's own) */
	const er_cidr *allow; /* ranges allowed beyond the guard; must outlive the fetch */
	size_t n_allow;
	bool trusted;           /* the operator's own origin: no address guard */
	unsigned connect_ms;    /* 0: 10 s */
	unsigned idle_ms;       /* nothing moved for this long: TIMEOUT; 0: 60 s */
	const char *connect_to; /* "host:port" to connect to instead of the URL's (the operator's origin), or NULL; must outlive */
} er_fetch_options;

/* `own`: addresses of the node itself, which no routine may reach. */
er_origin *er_origin_new(uv_loop_t *loop, const er_cidr *own, size_t n_own, er_err *err);
/* Cancels everything; `done` when all handles are closed and it is freed. */
void er_origin_close(er_origin *o, void (*done)(void *ctx), void *ctx);

/* The owner of this pool key is gone (a routine that is freed): its connections close when their fetches are over, and never serve whoever has
 * the same address next. Must be called before the key's memory is freed. */
void er_origin_forget(er_origin *o, const void *pool);

/* Certificates of authorities in PEM that TLS origins are verified against, instead of the system's. Copied; before the first fetch. */
void er_origin_ca(er_origin *o, const char *file);

/* Answers x from the network: x->req (scheme, authority, target, fields, body) says what to ask. The request itself is counted by whoever asks;
 * every redirect that is followed raises x->facts.subrequests (and subrequests_by_class[3]) by one.
 * A failure (address refused, DNS, connect, TLS, time-out, bad response, a request that cannot be sent) answers 502, 504 or 403 through
 * er_exchange_fail, with res.error set. After the answer a failure fails res.body.
 * Content-Length given in req.fields: exactly that many body bytes are sent, or the fetch fails; else the length that the body knows; else chunked.
 * In res.fields Content-Length is kept if it is true of res.body, for whoever wants to read it; writers go by er_body_length(res.body).
 * The answer to HEAD has a body that is over, with the length the origin said. res.url_list says which URLs were asked.
 * ER_DECOMPRESS: gzip is undone, any other coding fails. FALLBACK_IDENTITY: gzip is undone, others stay as they are. Both ask for gzip
 * if req.fields has no Accept-Encoding. MANUAL: bytes as they come. */
void er_origin_fetch(er_origin *o, er_exchange *x, const er_fetch_options *opt);

/* The guard by itself: is this address refused? `own` wins over `allow`, but for loopback addresses, where `allow` decides. (loopback, private, link-local, CGNAT, documentation, multicast, reserved; IPv4-mapped,
 * NAT64, 6to4 and Teredo forms of them; the node's own.) */
bool er_guard_refuses(const struct sockaddr *sa, const er_cidr *allow, size_t n_allow, const er_cidr *own, size_t n_own);

#endif
