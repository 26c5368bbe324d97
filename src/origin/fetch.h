/* Inside this room: one fetch, its hops, and what a transport (libcurl, or plain HTTP/1.1 by
 * ourselves) owes a fetch.
 *
 * A fetch belongs to its er_origin, which lists the fetch until it is over. A fetch is over exactly
 * once. References only keep the memory for code that is on the stack; nobody outside is called for
 * a fetch that is over.
 *
 * A transport reports by notes (er_fetch_field, er_fetch_push, er_fetch_ended and others): these
 * only write into the fetch and never call anybody, so that they are safe inside a library's
 * callbacks. f->advance then acts on the notes: it calls the asker and the bodies, and through them
 * anything. It is fetch.c's, and a pointer because fetch.c is above all that call it. */
#ifndef ER_ORIGIN_FETCH_H
#define ER_ORIGIN_FETCH_H

#include "base/act.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "origin/complain.h"
#include "origin/fetch_states.h"
#include "origin/inflate.h"
#include "origin/origin.h"
#include "origin/pieces.h"
#include "origin/reach.h"
#include "origin/replay.h"
#include "origin/tls.h"

typedef struct er_fetch er_fetch;
typedef struct er_pool er_pool;

enum {
	ER_FETCH_MAGIC = 0x46455443,
	ER_ORIGIN_MAGIC = 0x4f524947,
	ER_ORIGIN_HEAD_MAX = 64 * 1024, /* bytes of all response fields */
	ER_ORIGIN_FIELDS_MAX = 256,
	ER_ORIGIN_DISCARD_MAX = 64 * 1024, /* of a redirect's body, to save its connection */
	ER_ORIGIN_CONNECT_MS = 10000,
	ER_ORIGIN_IDLE_MS = 60000,
	ER_ORIGIN_SWITCHED_IDLE_MS = 24 * 3600 * 1000, /* of a WebSocket; clients have socketIdleMs */
	/* bytes that a chunk counts for in a turn of the loop, beside its own */
	ER_ORIGIN_CHUNK_COST = 128,
	/* For so long a connection is not used after an answer that had no right to a body
	 * (HEAD, 204, 304). A body that comes all the same shows itself in that time; later it
	 * would be taken for the next answer. */
	ER_ORIGIN_QUARANTINE_MS = 1000,
	/* bytes that gzip may make for one fetch in one turn of the loop */
	ER_ORIGIN_TURN_INFLATE = 64 * 1024,
	/* of a server's name, for the log */
	ER_ORIGIN_SERVER_MAX = 80,
};

/* A transport: how one hop is asked. fetch.c and reach.c choose it. */
typedef struct er_hop_kind {
	const char *name;
	/* Begins the hop in f. The hop ends with one er_fetch_ended, unless it is stopped, or given
	 * up (er_fetch_again, er_fetch_readdress). Behind its notes the transport calls f->advance.
	 * `start` may do so before it returns: a caller that needs f afterwards holds a reference. */
	void (*start)(er_fetch *f);
	/* f has room again, after it was held (er_fetch_hold). Nothing happens if the transport
	 * holds nothing back. */
	void (*resume)(er_fetch *f);
	/* The upload has something to say. */
	void (*upload)(er_fetch *f);
	/* Drops the hop at once; nothing is reported any more. Harmless after the end. */
	void (*stop)(er_fetch *f);
} er_hop_kind;

struct er_fetch {
	uint32_t magic;
	uint32_t refs;
	er_list link;    /* in er_origin.fetches */
	uint64_t number; /* in the trace: one more than the fetch before has */
	er_origin *o;
	er_pool *pool;    /* until the fetch is over */
	er_exchange *x;   /* a reference; NULL when it is no longer needed */
	er_wishes wishes; /* a copy: connecting may change it */
	er_slice host;    /* the value of Host; empty: the authority */
	/* for the log, of a fetch of the node's own: the exchange may be gone when it fails */
	uint8_t server[ER_ORIGIN_SERVER_MAX];
	size_t server_n;
	uint64_t id; /* of the request */

	er_state is[FETCH_PARTS_N]; /* er_fetch_enter moves them, and nothing else */
	/* Acts on what was noted. Outside of a library's callbacks. f may be over afterwards, and
	 * is freed then if the caller holds no reference. */
	void (*advance)(er_fetch *f);
	er_act act;        /* of `advance` */
	uint64_t alive_ms; /* loop time of the last sign of life */

	/* the hop: what is asked now */
	const er_hop_kind *hop_kind;
	er_reach reach; /* before the hop leaves */
	void *hop;      /* the transport's own, or NULL */
	er_slice method, scheme, authority, target;
	er_fields fields;       /* checked; without hop-by-hop fields, Host and Content-Length */
	er_body *upload;        /* of x->req.body; switched: an own reference of x->res.up; or NULL */
	int64_t upload_length;  /* -1: chunked, when upload != NULL */
	uint64_t uploaded;      /* bytes, by this hop */
	er_replay replay;       /* what of the upload was sent before */
	bool length_zero;       /* say Content-Length: 0 though there is no body */
	bool is_head;           /* the method is HEAD */
	bool upgrade, switched; /* asks for a WebSocket; the answer is 101 */
	unsigned hops;
	const er_followed *followed; /* the redirects, the last first; in x's arena */
	er_buf urls;                 /* of the hops so far, a line each */

	/* what came back: notes of the transport */
	int status;
	er_slice reason;
	er_fields res;
	size_t head_bytes;
	er_fields trailers;   /* that came before there was a body for them */
	er_err_kind end_kind; /* of a hop that is CUT or FAILED */
	char *end_text;       /* likewise: a sentence, er_alloc'ed */
	const char *end_word; /* likewise: the reason in one word, for ever; or NULL */
	bool refused, tried;  /* the guard refused some address; it let some pass */
	bool handshakes;      /* TLS has begun, on a connection that was opened for this hop */
	/* the hop needs a connection that nobody has used: the one before got a 421 */
	bool fresh;
	bool begins_again; /* the hop has no transport any more, and is to be begun once more */
	er_pieces in;      /* not yet delivered */
	/* gathers small parts of the body, the last of them for the last piece of `in` */
	er_chunk *tail;
	size_t tail_n;
	unsigned copies; /* parts that were copied */

	/* what goes out */
	size_t discarded; /* of a redirect's body */
	/* the source's reference; NULL: the answer has no body, or the fetch is over */
	er_body *out;
	er_inflate *inflate;
	size_t spent; /* bytes that gzip made in this turn of the loop; enough: in er_origin.later */
	er_list later;
};

/* What connections must have in common to be shared: the routine, or the node itself (NULL), and
 * the settings of TLS. */
typedef struct er_pool_key {
	const void *owner;
	const er_tls *tls;
} er_pool_key;

/* The connections of one key. Nobody is asked on a connection that another key has used. Each
 * transport has its part of the pool. */
struct er_pool {
	er_origin *o;
	er_pool_key key; /* with a reference to its settings of TLS */
	unsigned active;
	bool forgotten; /* in no map; closed with its last fetch */
	bool closed;    /* freed with its last socket */
	unsigned sockets, places;
	er_turns_line line; /* fetches that wait for a connection */
	er_resolve_payer payer;
	uint64_t idle_since_ms;
	size_t replayed; /* what er_replay keeps for its fetches */
	void *curl;      /* of transport "curl", made when needed */
	void *plain;     /* of transport "plain", made when needed */
};

/* All that one gateway thread does towards servers. */
struct er_origin {
	uint32_t magic;
	er_handler handler;
	uv_loop_t *loop;
	uv_timer_t tick;
	er_list fetches;
	uint64_t last_fetch; /* its number */
	er_complaints complaints;
	er_list later; /* later.h */
	uv_idle_t later_turn;
	er_map *pools;
	er_pool *pool_last; /* the one that was looked up last, while it is in the map */
	er_cidr *own;
	size_t n_own;
	char *ca_file;
	void *ca_store; /* X509_STORE, made when needed */
	er_resolver *resolver;
	unsigned most; /* connections at once */
	/* connections that are open or have a place: all, and those of routines */
	unsigned used, used_by_routines;
	er_turns turns; /* of pools, for connections */
	uv_timer_t turn;
	uv_timer_cb on_turn; /* reach.c's: fetches that wait take turns */
	uint64_t evicted_ms;
	unsigned handles;                /* uv handles that are not closed yet */
	void (*all_closed)(er_origin *); /* origin.c's: none is left */
	bool ticking_fast, closing;
	void (*done)(void *ctx);
	void *done_ctx;
};

/* ---- the states, see fetch_states.c ---- */
/* The event must have an edge in the present state of that part. */
void er_fetch_enter(er_fetch *f, er_fetch_part part, unsigned event);

static inline er_fetch_state er_fetch_self(const er_fetch *f)
{
	return (er_fetch_state)f->is[FETCH_SELF].now;
}

static inline er_hop_state er_fetch_hop(const er_fetch *f)
{
	return (er_hop_state)f->is[FETCH_HOP].now;
}

static inline er_fetch_upload_state er_fetch_upload_now(const er_fetch *f)
{
	return (er_fetch_upload_state)f->is[FETCH_UPLOAD].now;
}

static inline bool er_fetch_over(const er_fetch *f)
{
	return er_fetch_self(f) == FETCH_OVER;
}

/* An informational head of this hop is whole: the asker may hand it on. */
void er_fetch_informed(er_fetch *f);
/* The final head of this hop has come; what follows is body, or trailers. */
static inline bool er_fetch_head_whole(const er_fetch *f)
{
	er_hop_state s = er_fetch_hop(f);
	return s == HOP_BODY || s == HOP_WHOLE || s == HOP_CUT;
}

/* Nothing more comes in this hop. */
static inline bool er_fetch_ended_already(const er_fetch *f)
{
	return er_fetch_hop(f) >= HOP_WHOLE;
}

static inline bool er_fetch_reader_full(const er_fetch *f)
{
	return f->is[FETCH_FLOW].now == FLOW_FULL || f->is[FETCH_FLOW].now == FLOW_FULL_HELD;
}

static inline bool er_fetch_held(const er_fetch *f)
{
	return f->is[FETCH_FLOW].now == FLOW_HELD || f->is[FETCH_FLOW].now == FLOW_FULL_HELD;
}

/* A sign of life: the fetch's time-out begins anew. */
static inline void er_fetch_alive(er_fetch *f)
{
	f->alive_ms = uv_now(f->o->loop);
}

/* ---- fetch_notes.c: a transport's notes ---- */
/* The request is about to go out on a connection. Another connection may carry it later, as long
 * as no head has come. */
void er_fetch_connected(er_fetch *f);
/* A new head begins (also after an informational one). False: this status cannot be answered. */
bool er_fetch_status(er_fetch *f, unsigned status, er_slice reason);
/* Copies. False: the field was refused, and er_fetch_ended was noted. */
bool er_fetch_field(er_fetch *f, er_slice name, er_slice value);
/* A field behind the body; copied. Dropped if it may be no trailer, or if there are too many. */
void er_fetch_trailer(er_fetch *f, er_slice name, er_slice value);
/* The final head is whole. */
void er_fetch_head(er_fetch *f);
/* Takes the piece. */
void er_fetch_push(er_fetch *f, er_piece piece);
/* Copies. Small parts are gathered into pieces of a good size: a server that sends single bytes
 * must not cause a write for each of them. */
void er_fetch_push_copy(er_fetch *f, er_slice bytes);
/* No more pieces, please. A transport that has some all the same holds them back until `resume`,
 * and says so. */
bool er_fetch_full(const er_fetch *f);
void er_fetch_hold(er_fetch *f);
/* Only the first one of a hop counts. kind OK: the message is complete, as its framing says. */
void er_fetch_ended(er_fetch *f, er_err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same with the reason in one word, which lives for ever. */
void er_fetch_ended_by(er_fetch *f, er_err_kind kind, const char *word, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Asks the guard whether the address is refused, and notes what it said. */
bool er_fetch_refuses(er_fetch *f, const struct sockaddr *sa);
/* The transport has let go of the hop before anything of an answer came: `advance` has libcurl ask
 * once more. */
void er_fetch_again(er_fetch *f);
/* libcurl has let go of the hop, because it needs the addresses of the server once more: `advance`
 * has them found. Once a hop. */
void er_fetch_readdress(er_fetch *f);
/* fetch.c's: nothing is known of an answer, because another hop is asked. */
void er_fetch_forget(er_fetch *f);

/* The life of f has one reference, and whoever needs f behind a call that may end it. */
er_fetch *er_fetch_ref(er_fetch *f);
void er_fetch_unref(er_fetch *f);

/* ---- fetch_upload.c: outside of callbacks ---- */
/* The next bytes of the upload, counted against its length: PIECE, WAIT, END, or ERROR
 * (er_fetch_ended was noted). Calls the body's source. */
er_body_status er_fetch_upload(er_fetch *f, size_t max, er_piece *out);

/* ---- fetch.c, for er_origin ---- */
void er_fetch_start(er_origin *o, er_exchange *x);
/* Ends the fetch when there was no sign of life for too long, and says whether it did. */
bool er_fetch_tick(er_fetch *f, uint64_t now_ms);
/* Cancels as if the asker had. */
void er_fetch_abort(er_fetch *f, er_err_kind kind);

/* ---- transports ---- */
extern const er_hop_kind er_hop_curl, er_hop_plain;
/* Whether er_hop_plain can do f's hop; er_hop_curl can do every one. */
bool er_plain_takes(const er_fetch *f);
void er_curl_pool_close(er_pool *p);
void er_plain_pool_close(er_pool *p);
void er_plain_pool_tick(er_pool *p, uint64_t now_ms);
/* Begins f's hop on an idle connection, as er_hop_kind.start would. False: there is none, and
 * nothing has begun. */
bool er_plain_start_idle(er_fetch *f);
bool er_plain_has_idle(const er_fetch *f);
unsigned er_plain_idles(const er_pool *p);
/* Closes the connection that is idle longest. False: none is idle. */
bool er_plain_drop_idle(er_pool *p);
/* libcurl has a connection to spare: one more hop needs no new one. */
bool er_curl_has_idle(const er_pool *p);
ER_MUST_CHECK bool er_curl_global(er_err *err);
/* `store`: er_origin.ca_store, or NULL. */
void er_curl_global_done(void *store);

#endif
