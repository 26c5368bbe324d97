/* Questions to name servers, by c-ares on the thread's loop. One question is one name and one
 * family of addresses. There is no thread, and one descriptor for each name server (UDP, and TCP
 * when an answer was cut). Answers are hostile input: c-ares parses them, and takes no answer whose
 * number and question are not its own.
 *
 * Names are asked as they are, without search domains and ndots: the name in a URL is the whole
 * name. resolv.conf says which name servers are asked, unless the operator does. It is read
 * again when it has changed. */
#ifndef ER_ORIGIN_DNS_H
#define ER_ORIGIN_DNS_H

#include "base/err.h"
#include "base/slice.h"

#include <netinet/in.h>
#include <uv.h>

enum {
	ER_DNS_ADDRESSES_MAX = 16, /* of one family that are kept */
	ER_DNS_LIMIT_MS = 5000,    /* a question is over after this, whatever the name servers do */
	ER_DNS_SERVERS_MAX = 3,
};
#define ER_DNS_TTL_UNKNOWN UINT32_MAX

typedef union er_address {
	struct sockaddr sa; /* the port is 0 */
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
} er_address;

typedef enum er_dns_outcome {
	ER_DNS_FOUND,
	ER_DNS_NONE,   /* the name does not exist, or has no address of this family */
	ER_DNS_FAILED, /* nobody knows: no answer, or one that says nothing */
} er_dns_outcome;

typedef struct er_dns_answer {
	er_dns_outcome outcome;
	const char *text; /* why it is not FOUND: "there is no such name" */
	uint32_t ttl_s;   /* of NONE: how long that holds (RFC 2308), or ER_DNS_TTL_UNKNOWN */
	unsigned n;
	er_address v[ER_DNS_ADDRESSES_MAX];
} er_dns_answer;

typedef struct er_dns er_dns;
/* Called from inside c-ares, or from inside er_dns_ask: takes notes only. */
typedef void er_dns_done(void *ctx, int family, const er_dns_answer *a);

/* `servers`: "192.0.2.1,192.0.2.2:5353,[2001:db8::1]:53", or NULL: resolv.conf's. */
er_dns *er_dns_new(uv_loop_t *loop, const char *servers, er_err *err);
/* Asks these from now on, also the questions that are under way. False: they were asked before. */
bool er_dns_servers(er_dns *d, const char *servers);
/* Would er_dns_new take this list? */
ER_MUST_CHECK bool er_dns_servers_ok(er_slice servers, er_err *err);
/* What /etc/hosts says of the name. */
void er_dns_file(er_dns *d, const char *name, er_dns_answer *out);
/* `done` exactly once, with `ctx`; after er_dns_close it is not called any more. */
void er_dns_ask(er_dns *d, const char *name, int family, er_dns_done *done, void *ctx);
/* Time passes: to be called every 50 ms or so while something is asked. */
void er_dns_tick(er_dns *d);
/* Calls `closed` when the last handle is closed. */
void er_dns_close(er_dns *d, void (*closed)(void *ctx), void *ctx);

#endif
