/* The one idea: an exchange is one request and its response inside the node, whoever asked. A
 * handler (http/chain.h) answers an exchange, or passes it on (er_exchange_pass). A handler may
 * ask questions of its own: each is an exchange as well, a child (er_exchange_child).
 *
 * Ownership: the asker makes the exchange and holds one reference; a handler that keeps the
 * exchange beyond `handle` holds another. A child holds no reference to its parent. All slices
 * of request and response live in the exchange's arena (or outlive it). One thread.
 *
 * Life: the asker fills req and wishes → er_exchange_start, or er_exchange_enter for a place in
 * a chain → the handler fills res → er_exchange_answer → the asker sends res.body.
 *
 * Cancelling: er_exchange_cancel tells the handler that works on the exchange; the handler must
 * then drop what it does and never answer. The children end with it (er_exchange_child says
 * when).
 *
 * The account: x->facts says what the exchange costs. Work may go on after the answer, or after
 * the asker has left (waitUntil). A handler says so with er_exchange_keep, which opens the
 * account, and closes the account with er_exchange_settle when the work is over. */
#ifndef ER_HTTP_EXCHANGE_H
#define ER_HTTP_EXCHANGE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "http/body.h"
#include "http/chain.h"
#include "http/data.h"
#include "http/fields.h"
#include "http/peer.h"
#include "http/wishes.h"

/* How deep children of children may go. er_exchange_enter answers deeper ones with 508. */
enum { ER_EXCHANGE_DEPTH = 8 };

/* Who made an exchange: a member of the object that waits for the answer, which finds itself by
 * ER_CONTAINER. It lives until one of its functions was called, or until it has cancelled. */
typedef struct er_asker er_asker;
struct er_asker {
	/* The response is in x->res. Once; not after a cancel. May let go of x. */
	void (*answered)(er_asker *self, er_exchange *x);
	/* The handler has ended the exchange without a response (er_exchange_break): x->res.error
	 * says why. Once, instead of `answered`. May let go of x. */
	void (*broken)(er_asker *self, er_exchange *x);
	/* May be missing: an informational response (RFC 9110 15.2) came before the response. A note:
	 * lets go of nothing, and calls nobody that may. `fields` live as long as the call. */
	void (*informed)(er_asker *self, er_exchange *x, int status, const er_fields *fields);
	/* Of a child, which must have it: what the question was asked for is over, and no answer
	 * will come. The exchange is cancelled with this call. Once, instead of `answered`. Lets go
	 * of x. */
	void (*ended)(er_asker *self, er_exchange *x, er_err_kind reason);
};

/* Who wants to hear that an open account is closed: a member of the object that waits, as
 * er_asker is. */
typedef struct er_auditor er_auditor;
struct er_auditor {
	/* x->facts is complete now. Once. Never holds x. */
	void (*settled)(er_auditor *self, er_exchange *x);
};

/* Who wants to hear how an exchange of another asker ended: a member of an object that lives as
 * long as the exchange, as in its arena. */
typedef struct er_witness er_witness;
struct er_witness {
	/* It is answered, broken, or cancelled before either: before the asker hears of it. Once. Lets
	 * go of nothing. */
	void (*over)(er_witness *self, er_exchange *x);
};

/* What is asked. The handler that passes an exchange on may change it for those behind. */
typedef struct er_request {
	er_slice method;    /* as sent, case-sensitive */
	er_slice scheme;    /* "http" or "https" */
	er_slice authority; /* host[:port], lower case, default port removed */
	/* what Host says to the origin, if not `authority`; empty: nobody said otherwise */
	er_slice host;
	er_slice target; /* raw path and query, begins with "/" (or "*" for OPTIONS) */
	/* without framing and hop-by-hop fields; Host is `authority` and is not repeated here */
	er_fields fields;
	er_body *body; /* NULL: none. The exchange owns this reference. */
	/* who is to answer, if that is a routine that was named: it is in that environment, as the
	 * gateway counts them. Empty: whoever host and path lead to. */
	er_slice routine;
	uint8_t environment;
	/* The asker can switch to WebSocket behind the head of the answer (RFC 6455 4.1): a GET
	 * without a body. Whoever answers with anything but 101 has not switched. */
	bool upgrade;
} er_request;

/* The head of a redirect that was followed on the way to an answer. */
typedef struct er_followed er_followed;
struct er_followed {
	const er_followed *before; /* the one that was followed before it, or NULL */
	int status;
	er_fields fields;
};

/* What is answered: the handler fills it before er_exchange_answer. */
typedef struct er_response {
	int status;       /* http/status.h: one that is final */
	er_slice reason;  /* may be empty: the codec writes the standard one */
	er_fields fields; /* without framing and hop-by-hop fields */
	er_body *body;    /* NULL: empty. The exchange owns this reference. */
	/* With 101, and only there: the bytes of the other direction. `body` has those that go to the
	 * asker; of `up` the answerer is the reader, and the asker becomes the source. `up` may end
	 * first; the end of `body`, and a failure of either, is the end of both. The exchange owns this
	 * reference. */
	er_body *up;
	/* What went wrong, when the answer is of the node's own making; OK otherwise. For er-error,
	 * logs and metrics. */
	er_err_kind error;
	er_slice error_text;
	/* Of a fetch: every URL of the redirect chain, newline between, the last is the one that
	 * answered. Empty if nobody recorded it. */
	er_slice url_list;
	const er_followed *followed; /* likewise: the last of its redirects; in the exchange's arena */
} er_response;

/* What the store has of a response, once it is answered. */
typedef enum er_kept {
	ER_KEPT_NOT,    /* nothing, or nobody says */
	ER_KEPT_BEFORE, /* it was there, whole */
	ER_KEPT_NOW,    /* it came with this request, or its body is still on its way */
	ER_KEPT_STALE,  /* what was there, since the origin fails */
} er_kept;

/* How many more calls of routines one client's request may cause, however they are nested: shared
 * by its exchange and all below, also behind its answer. Counted. */
typedef struct er_fanout {
	uint32_t refs, left;
} er_fanout;

/* The account of an exchange: what the access log and the metrics want to know. Handlers fill
 * what they know; children and followed redirects are counted by exchange.c and by the origin. */
typedef struct er_exchange_facts {
	uint64_t started_us; /* monotonic */
	uint64_t cpu_us;
	uint32_t subrequests;             /* children, and the redirects that were followed for them */
	uint32_t subrequests_by_class[6]; /* those answered: 1xx..5xx at 1..5; failures at 0 */
	uint32_t kv_reads, kv_writes;     /* of the subrequests: questions of the key-value store */
	er_slice routine;                 /* name, in the arena */
	er_slice version;
	const char *cache; /* what the cache did, as one word that lives for ever; NULL: nothing */
	er_kept kept;
	/* NOT: why the cache does not store the response, as one word that lives for ever; NULL:
	 * nobody says */
	const char *not_kept;
	bool cold_start;
	uint8_t environment; /* of the routine that works on it, as the gateway counts them */
	/* er_exchange_keep was called, and er_exchange_settle not yet: work goes on */
	bool open;
	/* what failed in the routine, also if something else answered for it or the head was
	 * out already */
	er_err_kind failed;
} er_exchange_facts;

/* An event that is no request: it was time. The handler's answer says how it went. All zero: a
 * request. */
typedef struct er_timed_event {
	bool on;
	er_slice cron; /* the expression, as it was written */
	int64_t at_ms; /* the time that was meant, since 1970 */
} er_timed_event;

struct er_exchange {
	uint32_t magic;
	uint32_t refs;
	er_arena arena;
	uint64_t id;  /* unique in the node; shown in logs as 16 hex digits */
	er_peer peer; /* of the client */
	er_request req;
	er_wishes wishes;
	er_timed_event timed;
	er_data_ask data; /* of a question for data; else all zero */
	er_response res;
	er_exchange_facts facts;
	er_exchange *spare; /* the next one that waits to be used again; of exchange.c */

	const er_chain *chain; /* that it entered; NULL: none */
	er_exchange *parent;   /* of a child under way; NULL: not a child, or answered, or cancelled */
	er_list sibling;       /* parent->children */
	er_list children;      /* under way, oldest first */
	uint8_t depth;         /* 0: not a child; 1: a child; 2: a child's child ... */
	er_fanout *fanout;     /* own reference; NULL: no routine has called another one yet */

	er_asker *asker;     /* NULL: has let go of it */
	er_witness *witness; /* NULL: nobody watches */
	er_auditor *auditor; /* NULL: nobody asks */
	/* the current handler's: called at most once; the handler sets it while it works, and clears
	 * it before it answers */
	void (*on_cancel)(void *handler_ctx, er_exchange *x, er_err_kind reason);
	void *handler_ctx;
	bool answered;
	bool cancelled;
};

er_exchange *er_exchange_new(void);
/* A question that is asked for `parent`: a new exchange, of which the caller is the asker. The
 * caller fills request and wishes, and lets it enter a chain (er_exchange_enter).
 *
 * The child counts in the parent's account: as a subrequest now, by the class of its status when
 * it is answered, and its own subrequests with that, unless a named routine made these. It has the
 * parent's peer, unless the parent's account is open: then the work goes on in nobody's name.
 *
 * The child ends with the parent, at the latest when the parent's last reference goes. If the
 * parent is cancelled, the child ends at once, or, while the parent's account is open, with
 * er_exchange_settle. An asker whose child must not outlive something shorter cancels the child
 * itself. */
er_exchange *er_exchange_child(er_exchange *parent, er_asker *asker);
/* Takes one call of a routine from what x's client may cause in all: `most`, for the first of
 * them. False: none is left. */
bool er_exchange_may_call(er_exchange *x, uint32_t most);
/* The authority in whose name a routine works on x: that of the client's request, also where
 * another routine has asked and named a host of its own choice. Empty: nobody's. */
er_slice er_exchange_home(const er_exchange *x);
/* Gives back what this thread has kept of exchanges that are over. At a thread's end. */
void er_exchange_trim(void);
er_exchange *er_exchange_ref(er_exchange *x);
void er_exchange_unref(er_exchange *x);
/* Makes a used exchange fresh again without freeing its first arena block. Only the asker may,
 * with the last reference: false (and nothing done) when somebody else still holds one. */
bool er_exchange_reset(er_exchange *x);
/* Drops the asker's reference. If only the keeper of an open account (facts.open) has another
 * one, what the exchange holds goes at once. The facts stay, and so do method, authority and
 * target, cut to lengths that do for a log. */
void er_exchange_leave(er_exchange *x);

/* The asker hands the exchange to the first handler. The handler may answer, and the asker let
 * go of the exchange, before this returns. */
void er_exchange_start(er_exchange *x, const er_handler *h);
/* The same, with the handler that the chain has at this place (er_chain_at). A child that is
 * nested too deeply is answered with 508. */
void er_exchange_enter(er_exchange *x, const er_chain *chain, er_place place);
/* The handler that works on the exchange goes on in the chain: from now on only `next` answers,
 * and hears of a cancel. This is the one way to go on. A handler that needs x afterwards holds a
 * reference. Not after the answer; after a cancel nothing happens. */
void er_exchange_pass(er_exchange *x, const er_handler *next);
/* The response is ready in x->res. The asker's callback may unref x: a handler that needs x
 * afterwards holds a reference. Ignored after a cancel. */
void er_exchange_answer(er_exchange *x);
/* The handler has no response, and nobody is to give one: what waits for it breaks off before its
 * head (HTTP/1: the connection ends; HTTP/2: the stream is reset; a fetch: it is rejected). Behind
 * the head a body says the same with er_body_fail. `reason` is not OK. Cancels the request's body.
 * Ignored after a cancel. */
void er_exchange_break(er_exchange *x, er_err_kind reason);
/* Hands an informational response on to the asker, if that takes any: 102, 103 and what else there
 * may be, not 100 and 101, which concern one connection. */
void er_exchange_inform(er_exchange *x, int status, const er_fields *fields);
/* The asker has lost interest. Cancels the response body as well, if the handler already gave
 * one. */
void er_exchange_cancel(er_exchange *x, er_err_kind reason);

/* The same question, in an exchange that is asked in the other's stead: a copy of the request. The
 * body is shared. */
void er_exchange_copy_request(er_exchange *to, const er_exchange *from);
/* The answer of an exchange that was asked in this one's stead: a copy of the head, and the bodies,
 * which are taken. x has no answer yet. */
void er_exchange_adopt(er_exchange *x, er_exchange *from);

/* Work for the exchange goes on after its answer, or after its asker has left: opens the
 * account. Returns a reference, which er_exchange_settle gives back. Once. */
er_exchange *er_exchange_keep(er_exchange *x);
/* That work is over: closes the account, tells the auditor, and drops the reference of
 * er_exchange_keep. */
void er_exchange_settle(er_exchange *x);

/* Fills res with a plain-text answer of the node's own: status, `er-error: <kind>[; detail]`, a
 * sentence. Then call er_exchange_answer. */
void er_exchange_fail(er_exchange *x, int status, er_err_kind kind, const char *detail, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
