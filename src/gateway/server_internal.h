/* Inside the server: what server.c (listeners, time), conn.c (requests in) and conn_out.c (answers out) share. */
#ifndef ER_GATEWAY_SERVER_INTERNAL_H
#define ER_GATEWAY_SERVER_INTERNAL_H

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "gateway/server.h"
#include "http/date.h"
#include "http/h1.h"

enum {
	TICK_MS = 250,
	DATE_MS = 100,          /* a Date may be that old */
	READ_BYTES = 64 * 1024, /* one read */
	HELD_BYTES = 64 * 1024, /* input of requests to come: above it no more is read */
	SMALL_BODY = 4 * 1024,  /* is copied behind the head; longer ones go out beside it, uncopied, in the same write */
	CORK_BYTES = 32 * 1024, /* answers to pipelined requests that are held for one write */
	SEGMENTS = 16,          /* pieces of a body in one write */
	WRITE_BYTES = 256 * 1024,
	DRAIN_BYTES = 256 * 1024,
	DRAIN_MS = 1000,
	HALF_CLOSE_MS = 1000,
	LINGER_MS = 1000,
	LINGER_BYTES = 64 * 1024 * 1024,
	GRACE_MS = 5000,   /* before an upload's rate counts */
	CREDIT_MS = 60000, /* silence that a fast upload may earn */
	BUFFER_KEPT = 16 * 1024,
};

/* Which list of the server a connection waits in. Each list but WATCH has one duration, so it is in order of time. */
typedef enum conn_wait {
	WAIT_NONE,   /* the handler's turn: its own limits apply */
	WAIT_IDLE,   /* between requests */
	WAIT_HEAD,   /* for the rest of a head */
	WAIT_WATCH,  /* looked at every tick: upload's rate, stalled reader, half-closed */
	WAIT_DRAIN,  /* for the rest of an upload nobody wants */
	WAIT_LINGER, /* all is sent and shut down; for the client's end */
	WAIT_COUNT_
} conn_wait;

/* A piece of a body on its way out, with the framing before it. */
typedef struct segment {
	uint8_t prefix[20], prefix_n, prefix_sent;
	uint8_t suffix_n, suffix_sent; /* of CR LF */
	er_piece piece;                /* may be empty: the last chunk */
	size_t sent;
} segment;

typedef struct er_conn {
	uint32_t magic;
	er_server *server;
	int fd;
	uv_poll_t poll;
	int watched; /* events asked for */
	er_list link, timed;
	conn_wait wait;
	uint64_t since_ms; /* when it began to wait */
	struct sockaddr_storage peer;

	/* requests in */
	er_h1 *h1;
	er_h1_head_info info;
	er_exchange *x;
	er_served served;
	er_buf in;      /* input not parsed yet */
	er_slice fresh; /* the same, but still in the server's read buffer */
	uint32_t requests;
	er_body *upload;    /* the source's reference; NULL: none, or unwanted */
	uint64_t discarded; /* bytes of an unwanted upload */
	int64_t rate_ms;    /* silence that the upload may still have */
	bool upload_full;
	bool invited; /* 100 Continue was sent */

	/* where the exchange is */
	bool head_seen;  /* x->req is there */
	bool started;    /* the handler has it */
	bool complete;   /* the whole request was read */
	bool answered;   /* the head of the answer is in `out` */
	bool all_queued; /* so is the rest of it */
	bool cut;
	bool keep;     /* go on after this answer */
	bool draining; /* the answer is out, the upload is not in */
	bool closing;  /* what is in `out` is the last */
	bool running, again, closed, eof, lingering;

	/* answers out */
	er_buf out;
	segment segments[SEGMENTS];
	unsigned n_segments;
	size_t queued; /* bytes in segments */
	er_body *down; /* borrowed from x->res */
	er_h1_framing framing;
	uint64_t left; /* of a body of known length */
	uint64_t sent;
	bool blocked; /* the socket takes no more */
	uint64_t progress_ms;
} er_conn;

struct er_server {
	uint32_t magic;
	uv_loop_t *loop;
	er_server_options o;
	er_server_stats *stats;
	er_list conns, listeners;
	er_list waits[WAIT_COUNT_];
	uv_timer_t tick;
	bool ticking, draining, closing, full;
	unsigned handles;
	int reserve;          /* a descriptor kept for the moment when there are no more */
	uint64_t patience_ms; /* draining: loop time until which idle connections may stay */
	uint64_t last_id;
	uint64_t date_ms; /* loop time when it was written */
	uint8_t date[ER_DATE_N];
	void (*on_closed)(void *ctx);
	void *on_closed_ctx;
	uint8_t scratch[READ_BYTES];
};

/* server.c */
void er_server_handle_gone(er_server *s);
void er_server_wait(er_conn *c, conn_wait wait);
er_slice er_server_date(er_server *s);
static inline void er_stat_add(uint64_t *word, uint64_t n)
{
	__atomic_store_n(word, *word + n, __ATOMIC_RELAXED);
}

/* conn.c */
void er_conn_open(er_server *s, int fd, const struct sockaddr_storage *peer);
/* Does what can be done now; the only way into a connection's machine. */
void er_conn_run(er_conn *c);
/* The client is gone, or must be: ends the exchange and the connection at once. */
void er_conn_gone(er_conn *c, er_err_kind why);
/* A tick's look at a connection of WAIT_WATCH. */
void er_conn_watch(er_conn *c, uint64_t now_ms);
/* Its time in another list is over. */
void er_conn_expired(er_conn *c);
void er_conn_close(er_conn *c);
bool er_conn_idle(const er_conn *c);

/* conn_out.c */
void er_conn_put_head(er_conn *c);
/* Moves the answer on. False: the connection is gone. */
ER_MUST_CHECK bool er_conn_pump(er_conn *c, bool cork);
static inline bool er_conn_flushed(const er_conn *c)
{
	return er_buf_len(&c->out) == 0 && c->n_segments == 0;
}
void er_conn_drop_out(er_conn *c);

#endif
