/* The one idea: an exchange is one request and its response inside the node, whoever asked. A handler answers an exchange; it may
 * pass it on to the next handler of the chain, or start child exchanges of its own.
 *
 * Who owns what: whoever makes the exchange is its asker and holds one reference; a handler that keeps it beyond `handle` holds another.
 * All slices of request and response live in the exchange's arena (or outlive it). One thread.
 *
 * The life of an exchange:  asker fills req → er_exchange_start → handler fills res → er_exchange_answer → asker sends res.body.
 * Cancelling: er_exchange_cancel tells the handler that works on it; a handler must then drop what it does and never answer. */
#ifndef ER_HTTP_EXCHANGE_H
#define ER_HTTP_EXCHANGE_H

#include "base/arena.h"
#include "base/err.h"
#include "http/body.h"
#include "http/fields.h"

#include <sys/socket.h>

typedef struct er_exchange er_exchange;

/* A handler answers exchanges. `self` is the handler's own. */
typedef struct er_handler {
	const char *name;
	/* Answers now or later, exactly once, unless cancelled first. Must not block. */
	void (*handle)(void *self, er_exchange *x);
	void *self;
	const struct er_handler *next; /* the rest of the chain, or NULL */
} er_handler;

typedef struct er_request {
	er_slice method;    /* as sent, case-sensitive */
	er_slice scheme;    /* "http" or "https" */
	er_slice authority; /* host[:port], lower case, default port removed */
	er_slice target;    /* raw path and query, begins with "/" (or "*" for OPTIONS) */
	er_fields fields;   /* without framing and hop-by-hop fields; Host is `authority` and is not repeated here */
	er_body *body;      /* NULL: none. The exchange owns this reference. */
} er_request;

typedef struct er_response {
	int status;       /* 100-599, three digits */
	er_slice reason;  /* may be empty: the codec writes the standard one */
	er_fields fields; /* without framing and hop-by-hop fields */
	er_body *body;    /* NULL: empty. The exchange owns this reference. */
	/* What went wrong, when the answer is of the node's own making; OK otherwise. For er-error, logs and metrics. */
	er_err_kind error;
	er_slice error_text;
	/* Of a fetch: every URL of the redirect chain, newline between, the last is the one that answered. Empty if nobody recorded it. */
	er_slice url_list;
} er_response;

/* What the access log and the metrics want to know; handlers fill what they know. */
typedef struct er_exchange_facts {
	uint64_t started_us; /* monotonic */
	uint64_t cpu_us;
	uint32_t subrequests;
	uint32_t subrequests_by_class[6]; /* 1xx..5xx at 1..5; failures at 0 */
	er_slice routine;                 /* name, in the arena */
	er_slice version;
	bool cold_start;
	er_err_kind failed; /* what failed in the routine, also if something else answered for it or the head was out already */
} er_exchange_facts;

struct er_exchange {
	uint32_t magic;
	uint32_t refs;
	er_arena arena;
	uint64_t id; /* unique in the node; shown in logs as 16 hex digits */
	struct sockaddr_storage client;
	er_request req;
	er_response res;
	er_exchange_facts facts;
	er_exchange *spare; /* the next one that waits to be used again; of exchange.c */
	uint8_t depth;      /* 0 for a client's request; children have one more */

	/* the asker's */
	void (*on_answer)(void *asker, er_exchange *x);
	void *asker;
	/* the current handler's: called at most once; the handler sets it while it works, and clears it before it answers */
	void (*on_cancel)(void *handler_ctx, er_exchange *x, er_err_kind reason);
	void *handler_ctx;
	bool answered;
	bool cancelled;
	void *user; /* the asker's scratch */
};

er_exchange *er_exchange_new(void);
/* Gives back what this thread has kept of exchanges that are over. At a thread's end. */
void er_exchange_trim(void);
er_exchange *er_exchange_ref(er_exchange *x);
void er_exchange_unref(er_exchange *x);
/* Makes a used exchange fresh again without freeing its first arena block. Only the asker, holding the last reference; false (and nothing
 * done) when somebody else still holds one. */
bool er_exchange_reset(er_exchange *x);

/* Hands it to a handler. */
void er_exchange_start(er_exchange *x, const er_handler *h);
/* The response is ready in x->res. The asker's callback may unref x: the handler must hold its own reference if it goes on. Ignored after a cancel. */
void er_exchange_answer(er_exchange *x);
/* The asker has lost interest. The response body, if the handler already gave one, is cancelled as well. */
void er_exchange_cancel(er_exchange *x, er_err_kind reason);

/* Fills res with a plain-text answer of the node's own: status, `er-error: <kind>[; detail]`, a sentence. Then call er_exchange_answer. */
void er_exchange_fail(er_exchange *x, int status, er_err_kind kind, const char *detail, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
