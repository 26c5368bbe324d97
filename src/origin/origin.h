/* Back to origin and subrequests: outgoing HTTP on the thread's loop. One er_origin a gateway
 * thread.
 *
 * Bodies stream both ways with back-pressure. Redirects are followed by our own code, with all
 * checks again on each hop. The resolved address is checked when a connection is opened
 * (CURLOPT_OPENSOCKETFUNCTION) and again before a request goes out on any connection
 * (CURLOPT_PREREQFUNCTION), so that rebinding a name gains nothing. No proxy or netrc is taken
 * from the environment. TLS is always verified. Connections are pooled per key. */
#ifndef ER_ORIGIN_ORIGIN_H
#define ER_ORIGIN_ORIGIN_H

#include "base/err.h"
#include "http/exchange.h"

#include <uv.h>

typedef struct er_origin er_origin;

/* `own`: addresses of the node itself, which no routine may reach. */
er_origin *er_origin_new(uv_loop_t *loop, const er_cidr *own, size_t n_own, er_err *err);
/* Cancels everything. Calls `done` when all handles are closed and the er_origin is freed. */
void er_origin_close(er_origin *o, void (*done)(void *ctx), void *ctx);

/* The owner of this pool key is gone (a routine that is freed). Its connections close when their
 * fetches are over, and never serve an owner that has the same address later. Must be called
 * before the key's memory is freed. */
void er_origin_forget(er_origin *o, const void *pool);

/* Name servers to ask instead of those of resolv.conf: "192.0.2.53,[2001:db8::53]:5353". NULL:
 * those of resolv.conf. At any time. */
void er_origin_name_servers(er_origin *o, const char *servers);
/* How many connections there may be at once, idle ones included; see origin/reach.h. At any
 * time. */
void er_origin_limit(er_origin *o, unsigned connections);

typedef struct er_origin_stats {
	unsigned connections, waiting; /* idle ones included; fetches that wait for one */
	/* names that are looked up, and requests that wait for that */
	unsigned lookups, lookups_waiting;
	uint64_t lookups_total;
} er_origin_stats;
er_origin_stats er_origin_stat(const er_origin *o);

/* A file of certificates in PEM, of the authorities that TLS origins are verified against,
 * instead of the system's. The name is copied. Before the first fetch. */
void er_origin_ca(er_origin *o, const char *file);

/* The handler that answers from the network. x->req (scheme, authority, target, fields, body) says
 * what to ask, x->req.host what Host says where that is not the authority, and x->wishes how.
 *
 * The asker counts the request itself. Every redirect that is followed raises x->facts.subrequests
 * (and subrequests_by_class[3]) by one.
 *
 * A failure (address refused, DNS, connect, TLS, time-out, bad response, a request that cannot be
 * sent) answers 502, 504 or 403 through er_exchange_fail, with res.error set. A failure after the
 * answer fails res.body.
 *
 * Content-Length in req.fields: exactly so many body bytes are sent, or the fetch fails. Without it
 * the length that the body knows is said; a body of unknown length is sent chunked. A redirect that
 * keeps method and body (origin/redirect.h) sends the body again if wishes.replay says that this
 * can be done; ER_REPLAY_MAX bytes are kept for that.
 *
 * Content-Length stays in res.fields if it is true of res.body, for readers of the fields; writers
 * of a message go by er_body_length(res.body). The answer to HEAD has a body that is over, with the
 * length that the origin said. res.url_list says which URLs were asked.
 *
 * ER_DECOMPRESS: gzip is undone; other codings stay as they are, but fail with `classic`.
 * FALLBACK_IDENTITY: gzip is undone, other codings stay as they are. Both offer the codings that
 * req.fields accept and the node can undo: gzip if the fields say nothing, identity if they ask
 * for a range. MANUAL: bytes stay as they come. */
const er_handler *er_origin_handler(const er_origin *o);

/* The guard by itself: is this address refused? Refused are loopback, private, link-local,
 * CGNAT, documentation, multicast and reserved addresses, their IPv4-mapped, NAT64, 6to4 and
 * Teredo forms, and the node's own. `own` wins over `allow`, but not for loopback addresses,
 * where `allow` decides. Loopback, link-local and metadata addresses are opened only by a range
 * that lies inside of these. */
bool er_guard_refuses(const struct sockaddr *sa, const er_cidr *allow, size_t n_allow, const er_cidr *own, size_t n_own);
/* The fetch standard's bad ports, which no subrequest may go to. */
bool er_guard_refuses_port(uint16_t port);

#endif
