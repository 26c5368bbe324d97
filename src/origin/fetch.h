/* Inside this room: one fetch, its hops, and what a transport (libcurl, or plain HTTP/1.1 by ourselves) owes it.
 *
 * A fetch belongs to its er_origin, which lists it until it is over. It is over exactly once (er_fetch_over). References only keep the
 * memory for code that is on the stack; after f->over nobody outside is called.
 *
 * A transport reports with er_fetch_field, er_fetch_push, er_fetch_ended: these only take notes and never call anybody, so that they are safe
 * inside a library's callbacks. er_fetch_advance then acts on the notes; it calls the asker, the bodies, and through them anything. */
#ifndef ER_ORIGIN_FETCH_H
#define ER_ORIGIN_FETCH_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "origin/inflate.h"
#include "origin/origin.h"

typedef struct er_fetch er_fetch;
typedef struct er_pool er_pool;

enum {
	ER_ORIGIN_HEAD_MAX = 64 * 1024, /* bytes of all response fields */
	ER_ORIGIN_FIELDS_MAX = 200,
	ER_ORIGIN_DISCARD_MAX = 64 * 1024, /* of a redirect's body, to save its connection */
	ER_ORIGIN_CONNECT_MS = 10000,
	ER_ORIGIN_IDLE_MS = 60000,
};

typedef struct er_transport {
	const char *name;
	/* Begins the hop in f. Ends with one er_fetch_ended, unless stopped. May advance f before it returns: whoever needs f then holds a reference. */
	void (*start)(er_fetch *f);
	/* f has room again (it said er_fetch_full before). Nothing happens if nothing waited. */
	void (*resume)(er_fetch *f);
	/* The upload has something to say. */
	void (*upload)(er_fetch *f);
	/* Drop the hop at once; nothing is reported any more. Harmless after the end. */
	void (*stop)(er_fetch *f);
} er_transport;

typedef struct er_pieces {
	er_piece *v;
	uint32_t first, n, cap;
	size_t bytes;
} er_pieces;

struct er_fetch {
	uint32_t magic;
	uint32_t refs;
	er_list link; /* in er_origin.fetches */
	er_origin *o;
	er_pool *pool;
	er_exchange *x; /* a reference; NULL when it is no longer needed */
	er_fetch_options opt;

	/* the hop: what is asked now */
	const er_transport *transport;
	void *hop; /* the transport's own, or NULL */
	er_slice method, scheme, authority, target;
	er_fields fields;      /* checked; without hop-by-hop, Host, Content-Length */
	er_body *upload;       /* borrowed from x->req.body; NULL: none (any more) */
	int64_t upload_length; /* -1: chunked, when upload != NULL */
	uint64_t uploaded;
	bool length_zero; /* say Content-Length: 0 though there is no body */
	unsigned hops;
	er_buf urls;

	/* what came back: notes of the transport */
	int status;
	er_slice reason;
	er_fields res;
	size_t head_bytes;
	bool head_ready; /* fields are complete */
	bool ended;
	er_err_kind end_kind; /* OK: the message is complete */
	char *end_text;       /* a sentence, er_alloc'ed, or NULL */
	bool refused, tried;  /* the guard said no to some address; yes to some */
	er_pieces in;         /* not yet delivered */

	/* where we are */
	bool head_seen, discarding, is_head, answered, over;
	bool advancing, again;
	bool stalled;   /* the transport holds something back until resume; it sets this, er_fetch_advance clears it */
	bool body_full; /* the reader has no room */
	size_t discarded;
	er_body *out; /* the source's reference */
	er_inflate *inflate;
	uint64_t moved_ms; /* loop time when something last moved */
	bool connected;
};

struct er_pool {
	er_origin *o;
	const void *key;
	unsigned active;
	bool forgotten; /* in no map; closed with its last fetch */
	uint64_t idle_since_ms;
	void *curl;  /* of transport "curl", made when needed */
	void *plain; /* of transport "plain", made when needed */
};

struct er_origin {
	uint32_t magic;
	uv_loop_t *loop;
	uv_timer_t tick;
	er_list fetches;
	er_map *pools;
	er_cidr *own;
	size_t n_own;
	char *ca_file;
	void *ca_store; /* X509_STORE, made when needed */
	uint64_t evicted_ms;
	unsigned handles; /* uv handles that are not closed yet */
	bool ticking_fast, closing;
	void (*done)(void *ctx);
	void *done_ctx;
};

/* ---- a transport's notes ---- */
/* A new head begins (also after an informational one). False: not a status that can be answered. */
bool er_fetch_status(er_fetch *f, unsigned status, er_slice reason);
/* Copies; false: refused (er_fetch_ended was noted). */
bool er_fetch_field(er_fetch *f, er_slice name, er_slice value);
/* Takes the piece. */
void er_fetch_push(er_fetch *f, er_piece piece);
/* No more pieces, please, until resume. */
bool er_fetch_full(const er_fetch *f);
/* The first word stands. */
void er_fetch_ended(er_fetch *f, er_err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool er_fetch_refuses(er_fetch *f, const struct sockaddr *sa);

/* ---- outside of callbacks ---- */
void er_fetch_advance(er_fetch *f);
/* Next bytes of the upload, counted against its length: PIECE, WAIT, END, or ERROR (er_fetch_ended was noted). Calls the body's source. */
er_body_status er_fetch_upload(er_fetch *f, size_t max, er_piece *out);
er_fetch *er_fetch_ref(er_fetch *f);
void er_fetch_unref(er_fetch *f);

/* ---- er_origin's ---- */
void er_fetch_start(er_origin *o, er_exchange *x, const er_fetch_options *opt);
/* Time passes: ends it when nothing moved for too long, and says so. */
bool er_fetch_tick(er_fetch *f, uint64_t now_ms);
/* Cancels as if the asker had. */
void er_fetch_abort(er_fetch *f, er_err_kind kind);
er_pool *er_pool_of(er_origin *o, const void *key);
void er_origin_fetch_began(er_fetch *f);
void er_origin_fetch_over(er_fetch *f);
/* Every uv handle of the room is counted, so that closing can tell when the last is closed. */
void er_origin_handle_opened(er_origin *o);
void er_origin_handle_closed(er_origin *o);

static inline void er_fetch_moved(er_fetch *f)
{
	f->moved_ms = uv_now(f->o->loop);
}

/* ---- message.c: the rules of requests and responses ---- */
/* Fills f's hop from x->req. False: cannot be sent; *why says so. */
bool er_message_request(er_fetch *f, const char **why);
/* "host" and "host:port" in their canonical form and nothing else (no user, no path). */
bool er_message_authority_ok(er_slice scheme, er_slice authority);
/* Makes f->res fit to hand on: framing and hop-by-hop fields off, Content-Length checked, content coding decided. On success *length is that of the
 * body as it will be delivered, *gzip whether to undo it. */
bool er_message_response(er_fetch *f, int64_t *length, bool *gzip, const char **why);

/* ---- transports ---- */
extern const er_transport er_transport_curl, er_transport_plain;
/* Which one takes this hop. */
const er_transport *er_transport_of(const er_fetch *f);
void er_curl_pool_close(er_pool *p);
void er_plain_pool_close(er_pool *p);
void er_plain_pool_tick(er_pool *p, uint64_t now_ms);
/* libcurl has a connection for this hop: here is where. Takes notes only. */
void er_plain_learn(er_fetch *f, const struct sockaddr *sa, size_t n);
ER_MUST_CHECK bool er_curl_global(er_err *err);
/* `store`: er_origin.ca_store, or NULL. */
void er_curl_global_done(void *store);

#endif
