/* The preface of a connection: what a front says, before the first byte of the client, about whose
 * connection it is (net/proxy.h). An er_preface has a connected socket while the header is awaited;
 * only what belongs to the header is taken from the socket, so that any kind of transport can be
 * opened on it afterwards.
 *
 * The life of a preface: er_preface_new; then `over`, once, unless its owner calls er_preface_cut
 * before; then `closed`, after which the memory is gone. The owner keeps the time: er_preface_cut
 * ends what takes too long. All of it on the thread of the loop. */
#ifndef ER_NET_PREFACE_H
#define ER_NET_PREFACE_H

#include "base/list.h"
#include "net/transport.h"

typedef struct er_preface er_preface;

/* How it ended. */
typedef enum er_preface_end {
	ER_PREFACE_READ,  /* the header is in */
	ER_PREFACE_WRONG, /* something else came, or the connection ended within the header */
	/* the connection ended before a byte came: somebody looked whether we listen */
	ER_PREFACE_NONE,
} er_preface_end;

typedef struct er_preface_ops {
	/* READ: the socket `fd` is the callee's, and `client` is whose connection it is: the front's
	 * own peer address, if the header names nobody. Else `fd` is -1, and the socket is closed. */
	void (*over)(er_preface *p, er_preface_end end, int fd, const struct sockaddr_storage *client);
	void (*closed)(void *user);
} er_preface_ops;

/* The public part. */
struct er_preface {
	/* the owner's, for which it has to be nothing more than a member of its list */
	er_list link;
	void *user;
	uint64_t since_ms;
	const er_transport_kind *kind;
	/* the other one's */
	struct sockaddr_storage peer;
	const er_preface_ops *ops;
};

/* Takes the connected, non-blocking socket, also when it fails (NULL: then the socket is closed).
 * The members of the owner are zero. */
er_preface *er_preface_new(uv_loop_t *loop, int fd, const struct sockaddr_storage *peer, const er_preface_ops *ops);
/* Closes the socket. Only `closed` is called from now on. Not after `over`. */
void er_preface_cut(er_preface *p);

#endif
