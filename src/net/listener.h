/* A listener: takes connections of one listening socket, makes each a transport of its kind, and
 * hands the transport over. One listener per socket and loop; all calls on the loop's thread. */
#ifndef ER_NET_LISTENER_H
#define ER_NET_LISTENER_H

#include "base/err.h"
#include "base/list.h"
#include "net/transport.h"

typedef struct er_listener er_listener;

typedef struct er_listener_ops {
	/* False: nobody more may come now. The listener rests until er_listener_resume; clients wait in
	 * the kernel's queue. */
	bool (*room)(void *ctx);
	/* False: this peer may not come, and its socket is closed. */
	bool (*admit)(void *ctx, const struct sockaddr_storage *peer);
	/* The transport is the callee's. NULL: it could not be opened; what `admit` counted is over. */
	void (*accepted)(void *ctx, er_transport *t, const struct sockaddr_storage *peer);
	/* NULL: connections have no preface. Else the socket is the callee's, in place of `accepted`:
	 * it reads the preface (net/preface.h), and opens a transport of this kind itself. */
	void (*prefaced)(void *ctx, int fd, const er_transport_kind *kind, const struct sockaddr_storage *peer);
	/* The process has no descriptor left: one client was told so by a close. */
	void (*shed)(void *ctx);
	/* After er_listener_end, once; the listener is gone. */
	void (*ended)(void *ctx);
} er_listener_ops;

/* Takes the listening, non-blocking socket `fd` when it succeeds. */
ER_MUST_CHECK er_listener *er_listener_new(uv_loop_t *loop, int fd, const er_transport_kind *kind, const er_listener_ops *ops,
                                           void *ctx, er_err *err);
/* Connections that wait already are taken first; then the socket is closed. */
void er_listener_end(er_listener *l);
void er_listener_resume(er_listener *l);
int er_listener_fd(const er_listener *l);
/* Makes a connected socket a transport as if it had been accepted. */
void er_listener_hand(const er_transport_kind *kind, uv_loop_t *loop, int fd, const struct sockaddr_storage *peer,
                      const er_listener_ops *ops, void *ctx);

#endif
