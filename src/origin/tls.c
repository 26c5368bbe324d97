/* Reading PEM that an administrator sent, strictly: every block must be what its place takes, and
 * the first that is not is named. Blocks of a bundle are taken one at a time, so that a mistake
 * has a number. An encrypted key is refused and its password never asked for: OpenSSL would ask
 * whoever sits at the terminal.
 *
 * The node's certificate and key are tried in a context of OpenSSL before they are taken: what it
 * would refuse at the first handshake (a key that is too short, one of another certificate) is
 * refused here. */
#include "origin/tls.h"

#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { MAGIC = 0x544c5353, SUBJECT_MAX = 200 };

struct er_tls {
	uint32_t magic, refs;
	STACK_OF(X509) * ca, *chain; /* chain: the node's own certificate first */
	X509_STORE *store;           /* of `ca`; NULL: the system's */
	EVP_PKEY *key;
};

/* ---- texts ---- */

static const char *what_openssl_says(void)
{
	const char *said = ERR_reason_error_string(ERR_peek_last_error());
	return said != NULL ? said : "OpenSSL does not say why";
}

/* ASCII, whatever the certificate has. */
static void subject_of(const X509 *x, char out[SUBJECT_MAX])
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	ER_ASSERT(b != NULL);
	X509_NAME_print_ex(b, X509_get_subject_name(x), 0, XN_FLAG_RFC2253);
	long n = BIO_get_mem_data(b, &text);
	snprintf(out, SUBJECT_MAX, "%.*s", n > 0 && n < SUBJECT_MAX ? (int)n : n > 0 ? SUBJECT_MAX - 1 : 1, n > 0 ? text : "-");
	BIO_free(b);
}

static void time_of(const ASN1_TIME *t, char out[32])
{
	struct tm tm;
	if (ASN1_TIME_to_tm(t, &tm) != 1 || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(out, 32, "a time that is none");
}

/* ---- reading ---- */

/* "2", or "2 of CN=x"; why the n-th block is not taken. */
static bool block_is_wrong(er_err *err, size_t n, const char *kind, const char *why)
{
	return er_fail(err, ER_ERR_INVALID, "block %zu (%.60s) %s", n, kind, why);
}

static X509 *certificate_of(const uint8_t *der, long n)
{
	const uint8_t *p = der;
	X509 *x = d2i_X509(NULL, &p, n);
	if (x != NULL && p == der + n && X509_get0_pubkey(x) != NULL)
		return x;
	X509_free(x);
	return NULL;
}

/* One block of PEM; *over: there was none left. */
static bool next_certificate(BIO *b, STACK_OF(X509) * to, bool *over, er_err *err)
{
	char *kind = NULL, *head = NULL;
	uint8_t *der = NULL;
	long n = 0;
	size_t number = (size_t)sk_X509_num(to) + 1;
	ERR_clear_error();
	if (PEM_read_bio(b, &kind, &head, &der, &n) != 1) {
		*over = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
		return *over || block_is_wrong(err, number, "unfinished", what_openssl_says());
	}
	bool ok = false;
	X509 *x = NULL;
	if (strcmp(kind, "CERTIFICATE") != 0 && strcmp(kind, "X509 CERTIFICATE") != 0)
		block_is_wrong(err, number, kind, "is no certificate: only certificates belong here");
	else if (number > ER_TLS_CERTIFICATES)
		er_fail(err, ER_ERR_TOO_LARGE, "more than %d certificates", ER_TLS_CERTIFICATES);
	else if ((x = certificate_of(der, n)) == NULL)
		block_is_wrong(err, number, kind, "cannot be read: it is damaged, or of a kind that is not known");
	else
		ok = sk_X509_push(to, x) > 0;
	OPENSSL_free(kind);
	OPENSSL_free(head);
	OPENSSL_clear_free(der, (size_t)n); /* it may have been a key, in the wrong place */
	return ok;
}

/* NULL: *err says why. */
static STACK_OF(X509) * read_certificates(er_slice pem, size_t most, er_err *err)
{
	if (pem.n > most) {
		er_fail(err, ER_ERR_TOO_LARGE, "%zu bytes: %zu are the most", pem.n, most);
		return NULL;
	}
	BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
	STACK_OF(X509) *list = sk_X509_new_null();
	ER_ASSERT(b != NULL && list != NULL);
	bool over = false, ok = true;
	while (ok && !over)
		ok = next_certificate(b, list, &over, err);
	if (ok && sk_X509_num(list) == 0)
		ok = er_fail(err, ER_ERR_INVALID, "there is no certificate in it: \"-----BEGIN CERTIFICATE-----\" is expected");
	BIO_free(b);
	ERR_clear_error();
	if (ok)
		return list;
	sk_X509_pop_free(list, X509_free);
	return NULL;
}

static int no_password(char *to, int size, int writing, void *asked)
{
	(void)to;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static EVP_PKEY *read_key(er_slice pem, er_err *err)
{
	bool encrypted = false;
	if (pem.n > ER_TLS_KEY_MAX) {
		er_fail(err, ER_ERR_TOO_LARGE, "%zu bytes: %d are the most", pem.n, ER_TLS_KEY_MAX);
		return NULL;
	}
	BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
	ER_ASSERT(b != NULL);
	ERR_clear_error();
	EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, no_password, &encrypted);
	BIO_free(b);
	ERR_clear_error();
	if (key == NULL && encrypted)
		er_fail(err, ER_ERR_INVALID, "the key is encrypted: decrypt it first (openssl pkey -in KEY -out PLAIN)");
	else if (key == NULL)
		er_fail(err, ER_ERR_INVALID,
		        "there is no private key in it that can be read: \"-----BEGIN PRIVATE KEY-----\" is expected");
	return key;
}

static X509_STORE *store_of(STACK_OF(X509) * ca)
{
	X509_STORE *store = X509_STORE_new();
	ER_ASSERT(store != NULL);
	for (int i = 0; i < sk_X509_num(ca); i++)
		ER_ASSERT(X509_STORE_add_cert(store, sk_X509_value(ca, i)) == 1);
	/* A certificate that is named is believed, also if it signed itself for nobody else or has
	 * authorities above it. */
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
	return store;
}

/* OpenSSL takes both, and they belong together. */
static bool fits(const er_tls *t, er_tls_part *wrong, er_err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	ER_ASSERT(ctx != NULL);
	ERR_clear_error();
	X509 *own = sk_X509_value(t->chain, 0);
	*wrong = ER_TLS_CERTIFICATE;
	bool ok = SSL_CTX_use_certificate(ctx, own) == 1 || er_fail(err, ER_ERR_INVALID, "certificate 1: %s", what_openssl_says());
	if (ok && X509_check_private_key(own, t->key) != 1) {
		*wrong = ER_TLS_KEY;
		ok = er_fail(err, ER_ERR_INVALID, "the key is not that of the certificate (the first one of its text)");
	}
	ok = ok && (er_tls_use(t, ctx) || er_fail(err, ER_ERR_INVALID, "certificates: %s", what_openssl_says()));
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

er_tls *er_tls_new(const er_tls_pem *pem, er_tls_part *wrong, er_err *err)
{
	er_tls *t = ER_NEW(er_tls);
	*t = (er_tls){.magic = MAGIC, .refs = 1};
	*wrong = ER_TLS_CA;
	bool ok = pem->ca.n == 0 || (t->ca = read_certificates(pem->ca, ER_TLS_CA_MAX, err)) != NULL;
	if (ok && t->ca != NULL)
		t->store = store_of(t->ca);
	if (ok && pem->certificate.n > 0) {
		*wrong = ER_TLS_CERTIFICATE;
		ok = (t->chain = read_certificates(pem->certificate, ER_TLS_CERTIFICATE_MAX, err)) != NULL;
	}
	if (ok && (t->chain != NULL || pem->key.n > 0)) {
		*wrong = t->chain != NULL ? ER_TLS_KEY : ER_TLS_CERTIFICATE;
		if (pem->key.n == 0 || t->chain == NULL)
			ok = er_fail(err, ER_ERR_INVALID, "a certificate and its key belong together, and this one is missing");
		else
			ok = (t->key = read_key(pem->key, err)) != NULL && fits(t, wrong, err);
	}
	if (ok)
		return t;
	er_tls_unref(t);
	return NULL;
}

er_tls *er_tls_ref(const er_tls *t)
{
	er_tls *it = (er_tls *)(uintptr_t)t;
	ER_CHECK(it, MAGIC);
	__atomic_fetch_add(&it->refs, 1, __ATOMIC_RELAXED);
	return it;
}

void er_tls_unref(const er_tls *t)
{
	er_tls *it = (er_tls *)(uintptr_t)t;
	if (it == NULL)
		return;
	ER_CHECK(it, MAGIC);
	if (__atomic_sub_fetch(&it->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	sk_X509_pop_free(it->ca, X509_free);
	sk_X509_pop_free(it->chain, X509_free);
	X509_STORE_free(it->store);
	EVP_PKEY_free(it->key);
	it->magic = 0;
	er_free(it);
}

/* ---- looking ---- */

static STACK_OF(X509) * certificates(const er_tls *t, er_tls_part part)
{
	ER_CHECK(t, MAGIC);
	return part == ER_TLS_CA ? t->ca : part == ER_TLS_CERTIFICATE ? t->chain : NULL;
}

size_t er_tls_count(const er_tls *t, er_tls_part part)
{
	STACK_OF(X509) *list = certificates(t, part);
	return list != NULL ? (size_t)sk_X509_num(list) : 0;
}

er_tls_shown er_tls_show(const er_tls *t, er_tls_part part, size_t i, er_arena *a)
{
	ER_ASSERT(i < er_tls_count(t, part));
	const X509 *x = sk_X509_value(certificates(t, part), (int)i);
	char subject[SUBJECT_MAX], until[32];
	subject_of(x, subject);
	time_of(X509_get0_notAfter(x), until);
	return (er_tls_shown){.subject = er_arena_copy(a, er_slice_cstr(subject)), .until = er_arena_copy(a, er_slice_cstr(until))};
}

bool er_tls_expired(const er_tls *t, int64_t now_s, er_tls_part *which, er_err *err)
{
	time_t now = (time_t)now_s;
	for (er_tls_part part = ER_TLS_CA; part <= ER_TLS_CERTIFICATE; part++) {
		for (size_t i = 0; i < er_tls_count(t, part); i++) {
			const X509 *x = sk_X509_value(certificates(t, part), (int)i);
			if (X509_cmp_time(X509_get0_notAfter(x), &now) > 0)
				continue;
			char subject[SUBJECT_MAX], until[32];
			subject_of(x, subject);
			time_of(X509_get0_notAfter(x), until);
			*which = part;
			er_fail(err, ER_ERR_INVALID, "certificate %zu (%s) has expired: it was good until %s", i + 1, subject, until);
			return true;
		}
	}
	return false;
}

/* ---- using ---- */

bool er_tls_has_ca(const er_tls *t)
{
	ER_CHECK(t, MAGIC);
	return t->store != NULL;
}

bool er_tls_use(const er_tls *t, SSL_CTX *ctx)
{
	ER_CHECK(t, MAGIC);
	if (t->store != NULL)
		SSL_CTX_set1_cert_store(ctx, t->store);
	if (t->chain == NULL)
		return true;
	if (SSL_CTX_use_certificate(ctx, sk_X509_value(t->chain, 0)) != 1 || SSL_CTX_use_PrivateKey(ctx, t->key) != 1)
		return false;
	for (int i = 1; i < sk_X509_num(t->chain); i++)
		if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(t->chain, i)) != 1)
			return false;
	return true;
}
