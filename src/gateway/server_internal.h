/* Inside the server: what server.c (listeners, lists of waiting sessions, reports), the sessions
 * and the streams share. */
#ifndef ER_GATEWAY_SERVER_INTERNAL_H
#define ER_GATEWAY_SERVER_INTERNAL_H

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "gateway/server.h"
#include "gateway/session.h"
#include "http/date.h"

enum {
	TICK_MS = 250,
	DATE_MS = 100,          /* a Date may be that old */
	READ_BYTES = 64 * 1024, /* one read */
	DRAIN_MS = 1000,
	LINGER_MS = 1000,
};

/* One loop's: sessions stand in `sessions`, and each of them in one of the lists `waits` or in
 * none. */
struct er_server {
	uint32_t magic;
	uv_loop_t *loop;
	er_server_options o;
	er_server_stats *stats;
	er_list sessions, listeners;
	er_list prefaces;       /* connections whose preface is awaited, oldest first */
	const er_cidr *trusted; /* borrowed (er_server_trust) */
	size_t n_trusted;
	er_list waits[ER_WAITS_N];
	uv_timer_t tick;
	bool ticking, draining, closing;
	bool full;            /* a listener rests until the gate is open again */
	unsigned handles;     /* of the loop, each of which calls er_server_handle_gone at its end */
	uint64_t patience_ms; /* draining: loop time until which idle sessions may stay */
	uint64_t last_id;
	uint64_t date_ms; /* loop time when `date` was written */
	uint8_t date[ER_DATE_N];
	void (*on_closed)(void *ctx);
	void *on_closed_ctx;
	/* What one read gives; and small parts of one upload while the session that gathers
	 * them parses. */
	uint8_t scratch[READ_BYTES];
	uint8_t gather[16 * 1024];
	size_t gathered;
};

void er_server_handle_gone(er_server *s);
/* Serves the connected, non-blocking socket `fd` over plain TCP as if it had been accepted. */
void er_server_take(er_server *s, int fd, const struct sockaddr_storage *peer);
/* Fills the members of a new session and links it. Its kind calls er_server_left when it has closed
 * the transport, and er_server_handle_gone when the transport says so. */
void er_server_join(er_server *s, er_session *session, const er_session_kind *kind, er_transport *t);
/* The session has closed its transport, and is no longer counted; it is freed when the transport is
 * gone. */
void er_server_left(er_session *session);
/* Moves the session to that list, unless it stands there already; its time in the list begins. */
void er_server_wait(er_session *session, er_session_wait wait);
/* The Date of an answer. */
er_slice er_server_date(er_server *s);
/* Tells `finished` of the stream's exchange. `status` 0: no answer was sent. */
void er_server_finished(er_stream *st, int status, bool cut);

/* Only the server's thread writes; any thread may read a word. */
static inline void er_stat_add(uint64_t *word, uint64_t n)
{
	__atomic_store_n(word, *word + n, __ATOMIC_RELAXED);
}

#endif
