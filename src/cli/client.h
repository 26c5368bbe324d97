/* One HTTP client for everything that talks to a node: over a unix socket or TCP, with or without
 * TLS, with a bearer token. libcurl's easy interface; a connection is kept for the next call.
 * Blocking, one thread.
 *
 * An answer of any status is an answer: er_client_call fails only when there was none, or not a
 * whole one. */
#ifndef ER_CLI_CLIENT_H
#define ER_CLI_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

/* Where a node is. Everything is owned. */
typedef struct er_target {
	/* "http://host:port", without a slash at the end; of a socket "http://localhost" */
	char *url;
	char *socket;  /* path of a unix socket, or NULL */
	char *token;   /* or NULL */
	char *ca;      /* file of certificates to trust, or NULL: the system's */
	char *profile; /* its name, or NULL: it came from elsewhere */
} er_target;

/* "https://host[:port]", "host:port", "unix:/path", "/path", "./path". False: *err says what is
 * expected. */
ER_MUST_CHECK bool er_target_parse(er_target *t, er_slice where, er_err *err);
void er_target_fini(er_target *t);
/* As a person would write it: the path of the socket, or the URL. */
const char *er_target_shown(const er_target *t);
/* On this machine: a socket, or an address of the loopback interface. */
bool er_target_local(const er_target *t);

/* One call. All of it is borrowed until er_client_call returns. */
typedef struct er_ask {
	const char *method;
	er_slice path; /* from the first slash, query included */
	er_slice body; /* sent if content_type is set */
	const char *content_type;
	const char *metadata; /* the field er-metadata; or NULL */
	const char *host;     /* another Host than the target's; or NULL */
	/* 0: none in all, but the other side must say something at least every 45 s */
	unsigned timeout_ms;
	/* Bytes of a 2xx answer as they come, instead of in the reply's body. False ends the call. */
	bool (*on_data)(void *ctx, er_slice bytes);
	/* Asked several times a second; true ends the call. */
	bool (*stop)(void *ctx);
	/* How much of the body was sent. */
	void (*on_sent)(void *ctx, uint64_t bytes);
	void *ctx;
} er_ask;

/* What came back; owned by the caller, and filled anew by each call. */
typedef struct er_reply {
	int status;
	er_buf body;
	char type[64];          /* content-type, without parameters */
	char *metadata;         /* the field er-metadata, or NULL */
	uint64_t retry_after_s; /* 0: not said */
	uint64_t expires_s;     /* the field er-expiration, 0: not said */
	/* the field er-error: why the node answered instead of a routine; or empty */
	char error[160];
	/* from the beginning to the body's last byte sent, to the answer's first byte */
	uint64_t sent_us, head_us;
	uint64_t total_us;
	bool stopped; /* by on_data or stop */
} er_reply;

void er_reply_fini(er_reply *r);

typedef struct er_client er_client;

/* The target must outlive it. */
er_client *er_client_new(const er_target *target, er_err *err);
void er_client_free(er_client *c);
/* The reply is filled anew, also on failure (what came until then); er_reply_fini in either case.
 * Failures: CONNECT, DNS, TLS, TIMEOUT, IO (cut). */
ER_MUST_CHECK bool er_client_call(er_client *c, const er_ask *call, er_reply *reply, er_err *err);

#endif
