/* What TLS towards the servers of an origin group needs beyond a name: the authorities that may
 * have signed the servers' certificates, and the certificate by which the node says who it is.
 *
 * Immutable, counted (atomic), for any thread. Whoever has a connection pool for it (pool.c) holds
 * a reference, so that another one never has its address while there are connections of it. */
#ifndef ER_ORIGIN_TLS_H
#define ER_ORIGIN_TLS_H

#include "base/arena.h"
#include "base/err.h"

#include <openssl/ssl.h>

enum {
	ER_TLS_CA_MAX = 64 << 10, /* bytes of PEM */
	ER_TLS_CERTIFICATE_MAX = 32 << 10,
	ER_TLS_KEY_MAX = 16 << 10,
	ER_TLS_CERTIFICATES = 100 /* in one text */
};

/* All in PEM (RFC 7468). */
typedef struct er_tls_pem {
	er_slice ca;          /* certificates, instead of the system's; empty: the system's */
	er_slice certificate; /* the node's, and those between it and its authority; empty: none */
	er_slice key;         /* of `certificate`, not encrypted */
} er_tls_pem;

typedef enum er_tls_part { ER_TLS_CA, ER_TLS_CERTIFICATE, ER_TLS_KEY } er_tls_part;

typedef struct er_tls er_tls;

/* One reference. NULL: *wrong says which text, and *err which certificate of it and why. Time is
 * not looked at. */
er_tls *er_tls_new(const er_tls_pem *pem, er_tls_part *wrong, er_err *err);
er_tls *er_tls_ref(const er_tls *t);
void er_tls_unref(const er_tls *t); /* NULL is fine */

/* A certificate that is over at `now_s` (since 1970) serves nobody: true, and *err says which. */
bool er_tls_expired(const er_tls *t, int64_t now_s, er_tls_part *which, er_err *err);

/* How a certificate is shown: its subject and the end of its time. */
typedef struct er_tls_shown {
	er_slice subject, until; /* "CN=shop", "2027-01-31T12:00:00Z" */
} er_tls_shown;
size_t er_tls_count(const er_tls *t, er_tls_part part);
er_tls_shown er_tls_show(const er_tls *t, er_tls_part part, size_t i, er_arena *a);

/* Whether it says itself who may sign; else the system's authorities are those of the caller. */
bool er_tls_has_ca(const er_tls *t);
/* A connection that is about to shake hands is made one of these settings. */
ER_MUST_CHECK bool er_tls_use(const er_tls *t, SSL_CTX *ctx);

#endif
