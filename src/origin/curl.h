/* Inside this room's libcurl transport: one multi handle a pool, driven by the loop.
 *
 * libcurl forbids most calls from inside its callbacks, and a call to a body or to an asker may
 * end in any of them. So callbacks only take notes (er_fetch_push and the like) and queue their
 * hop; er_curl_drain acts when libcurl has returned. */
#ifndef ER_ORIGIN_CURL_H
#define ER_ORIGIN_CURL_H

#include "base/idmap.h"
#include "origin/decode.h"

#include <curl/curl.h>

typedef struct er_curl_hop er_curl_hop;
typedef struct er_curl_tunnel er_curl_tunnel;

enum {
	ER_CURL_MULTI_MAGIC = 0x43555232,
	ER_CURL_HOP_MAGIC = 0x43555248,
	ER_CURL_IDLE_MAX = 64,
	ER_CURL_NAMES_MAX = 128,
	ER_CURL_SOCKETS_MAX = 8,
};

/* Where a connection leads from and to: "10.0.0.1 4711 10.0.0.2 80". No two connections have the
 * same at one time. */
typedef struct er_curl_ends {
	char text[2 * 46 + 2 * 6 + 4];
} er_curl_ends;

/* What is known of a connection that libcurl put back into its pool, for the next request on it
 * (door.c). */
typedef struct er_curl_kept {
	er_list link; /* in er_curl_multi.kept */
	er_curl_ends ends;
	curl_socket_t fd;
	uint64_t clean_ms; /* loop time before which it is in quarantine */
} er_curl_kept;

/* libcurl's multi handle of one pool: its connections, and the hops on them. */
typedef struct er_curl_multi {
	uint32_t magic;
	CURLM *multi;
	er_pool *pool;
	/* descriptor + 1 -> the hop that opened the socket; or this multi, when a request went
	 * out on it */
	er_idmap sockets;
	unsigned settled;            /* sockets that a request went out on */
	unsigned started, connected; /* hops: all, and those that have a connection */
	/* "host:port" whose addresses libcurl was given, a ring; libcurl forgets one when it is
	 * told to */
	char *names[ER_CURL_NAMES_MAX];
	uint64_t first_name, end_name;
	CURLSH *share; /* TLS sessions, of this pool only */
	er_origin *o;
	uv_timer_t timer; /* libcurl's */
	uv_idle_t soon;   /* ours: drain in the loop's next turn */
	unsigned handles; /* not closed yet */
	er_list ready;    /* hops with something to act on */
	er_list resting;  /* hops that took their share of this turn */
	er_list kept;     /* the longest kept first */
	unsigned n_kept;
	er_act act; /* er_curl_drain */
	/* curl_hop.c's: acts on what h has noted. h may be gone afterwards. */
	void (*serve)(er_curl_hop *h);
	bool in_curl;
	bool kick; /* libcurl wants to be called at once */
	bool dead; /* free it when er_curl_drain is over */
} er_curl_multi;

/* One hop on libcurl, from `start` to its end. Notes of callbacks are members; er_curl_drain acts
 * on them. */
struct er_curl_hop {
	uint32_t magic;
	er_list link; /* in er_curl_multi.ready */
	er_list rest; /* in er_curl_multi.resting */
	size_t turn;  /* bytes that were taken at turn_ms, the loop's time */
	uint64_t turn_ms;
	er_curl_multi *m;
	CURL *easy;
	er_fetch *f;
	struct curl_slist *headers, *connect_to, *resolve;
	char *name; /* that `resolve` has the addresses of, or NULL */
	/* the names before this one are in `resolve` to be forgotten */
	uint64_t forgotten;
	curl_socket_t sockets[ER_CURL_SOCKETS_MAX]; /* opened, and no request went out on them yet */
	unsigned n_sockets;
	bool literal, unresolved, connected;
	er_buf text; /* scratch */
	bool added, done;
	CURLcode result;
	bool rested; /* paused for the rest of its turn */
	bool write_paused, read_paused, want_upload, upload_end;
	bool news; /* something of the answer came since the last service */
	/* the connection: set when it is about to carry the request */
	bool asked; /* the request has gone out on one */
	bool again; /* the request goes out a second time, on a fresh connection */
	bool seen;  /* the server has asked for a certificate of the node */
	bool h2;    /* HTTP/2, where each frame says whose it is */
	/* it may not carry the request; libcurl was told to stop, and asks on a fresh one */
	bool unfit;
	er_curl_ends ends;
	er_decode decode;       /* HTTP/1 */
	er_curl_tunnel *tunnel; /* of a WebSocket, once libcurl has connected */
	er_piece *up;           /* of the upload, not yet given to libcurl */
	unsigned up_n, up_at;
	char error[CURL_ERROR_SIZE];
};

/* ---- curl.c ---- */
/* Of the pool, made when there is none yet. `serve`: the same for all. */
er_curl_multi *er_curl_multi_of(er_pool *p, void (*serve)(er_curl_hop *h));
/* Acts on what was noted. Called whenever libcurl has returned; does nothing while `in_curl` is
 * set. */
void er_curl_drain(er_curl_multi *m);
/* The same in the loop's next turn: a reader that asks for more and more must not keep all others
 * waiting. */
void er_curl_drain_soon(er_curl_multi *m);
/* m->serve will be called for h, by the drain. */
void er_curl_queue(er_curl_hop *h);
/* h has had its share of this turn: it is queued in the next one. */
void er_curl_rest(er_curl_hop *h);

/* ---- curl_tls.c ---- */
/* CURLOPT_SSL_CTX_FUNCTION: TCP is connected, and TLS begins. */
CURLcode er_curl_tls_begin(CURL *easy, void *ctx, void *hop);
typedef struct er_tls_fault {
	const char *word, *text; /* "certificate-expired", and a sentence of the server ("its ...") */
} er_tls_fault;
/* The hop has failed: true if TLS is why. The texts live as long as the hop. */
bool er_curl_tls_fault(const er_curl_hop *h, er_tls_fault *out);

/* ---- curl_request.c ---- */
/* Sets what h's handle is to ask, and of which addresses. Once a hop. */
void er_curl_request(er_curl_hop *h);

/* ---- curl_tunnel.c: WebSockets ---- */
/* libcurl has connected: from now on the connection is the tunnel's, until er_curl_tunnel_close.
 * False: the loop cannot watch it. */
ER_MUST_CHECK bool er_curl_tunnel_open(er_curl_hop *h);
/* Moves what can be moved. False: the hop is over, and er_fetch_ended was noted. f->hop may be gone
 * afterwards; the caller has a reference to f. */
ER_MUST_CHECK bool er_curl_tunnel_step(er_curl_hop *h, er_fetch *f);
/* Before libcurl closes the socket. Harmless without a tunnel. */
void er_curl_tunnel_close(er_curl_hop *h);

/* ---- curl_socket.c: the sockets that libcurl has ---- */
void er_curl_socket_opened(er_curl_hop *h, curl_socket_t fd);
/* CURLOPT_CLOSESOCKETFUNCTION. libcurl does not call it for a socket that was never connected. */
int er_curl_socket_close(void *multi, curl_socket_t fd);
/* The request goes out, from this local port. */
void er_curl_socket_settled(er_curl_hop *h, int local_port);
/* The hop is over. */
void er_curl_socket_dropped(er_curl_hop *h);
/* libcurl has closed all sockets. */
void er_curl_socket_fini(er_curl_multi *m);

/* ---- curl_name.c: libcurl never looks up a name, but is given the addresses ---- */
void er_curl_name_set(er_curl_hop *h);
/* libcurl has read the addresses that it was given. */
void er_curl_name_read(er_curl_hop *h);
void er_curl_name_done(er_curl_hop *h);
void er_curl_name_fini(er_curl_multi *m);
/* CURLOPT_RESOLVER_START_FUNCTION */
int er_curl_name_needed(void *state, void *reserved, void *hop);

/* ---- door.c: connections that were used before ---- */
/* Called from inside libcurl's callback before a request goes out. Fills ends and h2. False: the
 * connection is out of step with its peer, or nobody can say that it is not. */
bool er_curl_door(er_curl_hop *h, const char *peer, int peer_port, const char *local, int local_port);
/* The transfer has ended well: remembers the connection, if libcurl keeps it. */
void er_curl_keep(er_curl_hop *h);
void er_curl_forget_all(er_curl_multi *m);

#endif
