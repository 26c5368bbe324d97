/* A transport: an ordered stream of bytes to and from one peer, and its readiness. Plain TCP is
 * one; TLS and QUIC will be others. A transport knows nothing of HTTP; its user, a session, knows
 * nothing of sockets.
 *
 * A new kind of transport is one file in src/net with an er_transport_kind, and its line in
 * ER_TRANSPORTS below. A listener of the configuration names the kind.
 *
 * The life of a transport: a listener accepts a socket and calls the kind's `open`; the listener
 * hands the transport to a server, which sets `user`, `ready` and `closed`; the user calls the
 * functions below; er_transport_close ends it, and `closed` is the last call, after which the
 * transport is gone. All of it happens on the thread of the loop. `ready` may close the transport;
 * no other function calls the user back before it has returned. */
#ifndef ER_NET_TRANSPORT_H
#define ER_NET_TRANSPORT_H

#include "base/mem.h"
#include "base/slice.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <uv.h>

/* The kinds: name in the configuration, and the er_transport_kind er_transport_<name>. */
#define ER_TRANSPORTS(X) X(tcp)

/* What a transport may be ready for, and be asked to watch for: bits. */
typedef enum er_io {
	ER_IO_READ = 1,  /* a read gives bytes, the peer's end, or an error */
	ER_IO_WRITE = 2, /* a write that was not taken whole may be tried again */
	ER_IO_GONE = 4,  /* the peer has reset the transport, or it broke; told whatever is watched */
} er_io;

typedef struct er_transport er_transport;
typedef struct er_transport_kind er_transport_kind;

/* The public part of every kind's object, which begins with it. */
struct er_transport {
	const er_transport_kind *kind;
	struct sockaddr_storage peer;
	/* The user's; set before the first er_transport_watch. */
	void *user;
	void (*ready)(void *user, unsigned io); /* bits of er_io */
	void (*closed)(void *user);             /* after er_transport_close, once */
};

struct er_transport_kind {
	const char *name; /* as in the configuration */
	bool secure;      /* what goes over it is encrypted: the scheme is https */
	/* Takes a connected, non-blocking socket, also when it fails (NULL: then the socket
	 * is closed). */
	er_transport *(*open)(uv_loop_t *loop, int fd, const struct sockaddr_storage *peer);
	/* > 0: so many bytes. 0: the peer has ended its side. -1: errno; EAGAIN is "nothing now". */
	ssize_t (*read)(er_transport *t, uint8_t *to, size_t n);
	/* How many bytes were taken; less than all means that ER_IO_WRITE follows if it is watched for.
	 * -1: errno; EAGAIN is "none now". */
	ssize_t (*writev)(er_transport *t, const struct iovec *iov, size_t n);
	/* Tells the peer that no more comes. Reading goes on. */
	void (*shutdown)(er_transport *t);
	/* The close that follows tells the peer that what it got is not all. */
	void (*break_off)(er_transport *t);
	/* `io`: READ and WRITE in any combination; replaces what was watched before. A transport that
	 * holds bytes which it has read already is ready to read. */
	void (*watch)(er_transport *t, unsigned io);
	/* The address that the peer has come to. False: not known. */
	bool (*local)(er_transport *t, struct sockaddr_storage *out);
	/* Ends at once what is not shut down. Only `closed` is called from now on. */
	void (*close)(er_transport *t);
};

#define X(name) extern const er_transport_kind er_transport_##name;
ER_TRANSPORTS(X)
#undef X

/* The kind of that name; NULL: none. */
const er_transport_kind *er_transport_find(er_slice name);
/* All names, for a message: "tcp, ...". */
const char *er_transport_names(void);

/* These call the kind's functions, whose comments above say what they do. */
static inline ssize_t er_transport_read(er_transport *t, uint8_t *to, size_t n)
{
	return t->kind->read(t, to, n);
}

static inline ssize_t er_transport_writev(er_transport *t, const struct iovec *iov, size_t n)
{
	ER_ASSERT(n > 0);
	return t->kind->writev(t, iov, n);
}

static inline void er_transport_shutdown(er_transport *t)
{
	t->kind->shutdown(t);
}

static inline void er_transport_break_off(er_transport *t)
{
	t->kind->break_off(t);
}

static inline void er_transport_watch(er_transport *t, unsigned io)
{
	ER_ASSERT(t->ready != NULL && (io & ~(unsigned)(ER_IO_READ | ER_IO_WRITE)) == 0);
	t->kind->watch(t, io);
}

static inline bool er_transport_local(er_transport *t, struct sockaddr_storage *out)
{
	return t->kind->local(t, out);
}

static inline void er_transport_close(er_transport *t)
{
	ER_ASSERT(t->closed != NULL);
	t->kind->close(t);
}

#endif
