/* Who asks, on the way through this node: what is taken off a client's request, and what every
 * request says that leaves the node.
 *
 * What a request says of its client (X-Forwarded-*, Forwarded and their like) is believed only if
 * its peer is a trusted proxy, and goes no further as it came. Via (RFC 9110 7.6.3) and CDN-Loop
 * (RFC 8586) are added to what came. */
#ifndef ER_HTTP_IDENTITY_H
#define ER_HTTP_IDENTITY_H

#include "base/cidr.h"
#include "http/exchange.h"

enum { ER_LOOP_MAX = 16 };

/* er-*: what the node says of itself, as er-error. Nobody else says it: not a client, not an
 * origin, not a routine. */
bool er_identity_own(er_slice name);
/* What is not a routine's to say. Of a request: framing, and who asks on whose behalf, by which way
 * (Host is looked at by itself). Of an answer: framing, and what the node says of itself. */
bool er_identity_not_to_ask(er_slice name);
bool er_identity_not_to_answer(er_slice name);
/* What a client may not say, in any spelling that a server behind may take for it ("_" for "-"):
 * who asks and by which way (X-Forwarded-*, Forwarded, X-Real-IP and their like), that its URL or
 * host is another one (X-Original-URL, X-Rewrite-URL, X-Host and their like), er-*, and, spelled
 * with "_", fields that the node frames by or writes itself (Content_Length, If_None_Match). */
bool er_identity_claimed(er_slice name);
/* On the way in, of answers: er-* goes. */
void er_identity_strip(er_fields *fields);
/* A client's request comes in, over a connection of x->peer: what it may not say goes, and of a GET
 * or HEAD also that it has another method (X-HTTP-Method-Override and its like). If the peer is one
 * of the `trusted` proxies, x->peer.address, scheme and authority become those of the client that
 * it speaks of (http/forwarded.h), and X-Forwarded-For is the way that can be believed, from
 * the client to the peer; for everybody else there is no X-Forwarded-For afterwards. Once for each
 * request, before anything looks at its client. */
void er_identity_arrive(er_exchange *x, const er_cidr *trusted, size_t n_trusted);
/* How often the request has been through a node of ours. More than ER_LOOP_MAX: refuse it with
 * 508. */
unsigned er_identity_loops(const er_fields *fields);
/* On the way out: sets X-Forwarded-For (the way of er_identity_arrive, or the client alone), -Proto
 * and -Host, Via and CDN-Loop of `out` from the client's exchange `from` (they may be the same
 * fields); what `out` says of these itself is dropped. Values live in `a`. */
void er_identity_forward(er_fields *out, er_arena *a, const er_exchange *from);
/* A request that a routine makes in the course of answering `parent`: it has been where that one
 * has been (Via, CDN-Loop and the way of er_identity_arrive are taken over), so that a circle
 * through a routine is noticed as well. */
void er_identity_inherit(er_exchange *x, const er_exchange *parent);
enum { ER_ADDRESS_TEXT = 46 };
/* "1.2.3.4" (also for one that came as ::ffff:1.2.3.4) or "2001:db8::1" in `text`; empty for other
 * families. */
er_slice er_address_text(const struct sockaddr_storage *client, char text[ER_ADDRESS_TEXT]);

#endif
