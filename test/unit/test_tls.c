/* Certificates and keys as an administrator sends them: what is taken, what is refused and by which
 * words, and what a connection then believes. */
#include "base/buf.h"
#include "base/mem.h"
#include "origin/tls.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct made {
	EVP_PKEY *key;
	X509 *x;
	char cert[4096], pem[4096]; /* pem: the key */
} made;

static size_t text_of(BIO *b, char *to, size_t n)
{
	int got = BIO_read(b, to, (int)n - 1);
	assert_true(got > 0);
	to[got] = '\0';
	BIO_free(b);
	return (size_t)got;
}

/* By itself, or by another one; good for so many seconds from now on. */
static made make(const char *name, const made *by, long seconds)
{
	made m = {.key = EVP_EC_gen("P-256"), .x = X509_new()};
	X509_set_version(m.x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(m.x), 7);
	X509_gmtime_adj(X509_getm_notBefore(m.x), -100000);
	X509_gmtime_adj(X509_getm_notAfter(m.x), seconds);
	X509_set_pubkey(m.x, m.key);
	X509_NAME *n = X509_get_subject_name(m.x);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(m.x, by != NULL ? X509_get_subject_name(by->x) : n);
	X509_sign(m.x, by != NULL ? by->key : m.key, EVP_sha256());
	BIO *b = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(b, m.x);
	text_of(b, m.cert, sizeof m.cert);
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PKCS8PrivateKey(b, m.key, NULL, NULL, 0, NULL, NULL);
	text_of(b, m.pem, sizeof m.pem);
	return m;
}

static void drop(made *m)
{
	EVP_PKEY_free(m->key);
	X509_free(m->x);
}

static er_slice s(const char *text)
{
	return er_slice_cstr(text);
}

static void refused(const char *ca, const char *certificate, const char *key, er_tls_part part, const char *because)
{
	er_tls_part wrong;
	er_err err = {0};
	assert_null(er_tls_new(&(er_tls_pem){s(ca), s(certificate), s(key)}, &wrong, &err));
	if (wrong != part || strstr(err.text, because) == NULL)
		fail_msg("part %d, \"%s\" instead of \"%s\"", (int)wrong, err.text, because);
	assert_null(strstr(err.text, "MHc"));
}

static er_tls *taken(er_slice ca, const char *certificate, const char *key)
{
	er_tls_part wrong;
	er_err err = {0};
	er_tls *t = er_tls_new(&(er_tls_pem){ca, s(certificate), s(key)}, &wrong, &err);
	if (t == NULL)
		fail_msg("%s", err.text);
	return t;
}

static void a_bundle_is_taken_with_the_words_between(void **state)
{
	(void)state;
	made a = make("A", NULL, 1000), b = make("B, of \xc3\xa4\x01", NULL, 1000);
	er_arena arena = {0};
	char text[9000];
	snprintf(text, sizeof text, "# authorities\r\n%s\nand\n\n%s", a.cert, b.cert);
	er_tls *t = taken(s(text), "", "");
	assert_int_equal(er_tls_count(t, ER_TLS_CA), 2);
	assert_int_equal(er_tls_count(t, ER_TLS_CERTIFICATE), 0);
	assert_true(er_tls_has_ca(t));
	assert_true(er_slice_eq(er_tls_show(t, ER_TLS_CA, 0, &arena).subject, ER_LIT("CN=A")));
	er_slice other = er_tls_show(t, ER_TLS_CA, 1, &arena).subject;
	for (size_t i = 0; i < other.n; i++) /* nothing that a terminal obeys */
		assert_in_range(other.p[i], ' ', '~');
	assert_int_equal(er_tls_show(t, ER_TLS_CA, 0, &arena).until.n, 20);
	er_tls_unref(t);
	er_arena_fini(&arena);
	drop(&a);
	drop(&b);
}

static void what_is_no_bundle_is_refused_with_the_block_that_is_wrong(void **state)
{
	(void)state;
	made a = make("A", NULL, 1000);
	char text[9000];
	refused("hello", "", "", ER_TLS_CA, "there is no certificate in it");
	snprintf(text, sizeof text, "%s%s", a.cert, a.pem);
	refused(text, "", "", ER_TLS_CA, "block 2 (PRIVATE KEY) is no certificate");
	snprintf(text, sizeof text, "%s%.200s", a.cert, a.cert);
	refused(text, "", "", ER_TLS_CA, "block 2 (unfinished)");
	snprintf(text, sizeof text, "%s%s", a.cert, a.cert);
	memcpy(text + strlen(a.cert) + 40, "AAAAAAAA", 8);
	refused(text, "", "", ER_TLS_CA, "block 2 (CERTIFICATE) cannot be read");
	/* Bounds: bytes, and certificates. */
	er_buf b = {0};
	for (unsigned i = 0; i < ER_TLS_CERTIFICATES + 1; i++)
		er_buf_put(&b, s(a.cert));
	er_buf_putc(&b, '\0');
	if (er_buf_len(&b) <= ER_TLS_CA_MAX)
		refused((const char *)b.p + b.start, "", "", ER_TLS_CA, "more than 100 certificates");
	while (er_buf_len(&b) <= ER_TLS_CA_MAX)
		er_buf_puts(&b, "more");
	er_tls_part wrong;
	er_err err = {0};
	assert_null(er_tls_new(&(er_tls_pem){.ca = er_buf_slice(&b)}, &wrong, &err));
	assert_int_equal(err.kind, ER_ERR_TOO_LARGE);
	er_buf_fini(&b);
	drop(&a);
}

static void a_certificate_and_its_key_belong_together(void **state)
{
	(void)state;
	made a = make("A", NULL, 1000), one = make("one", &a, 1000), two = make("two", &a, 1000);
	char chain[9000], encrypted[4096];
	snprintf(chain, sizeof chain, "%s%s", one.cert, a.cert);
	er_tls *t = taken((er_slice){0}, chain, one.pem);
	assert_int_equal(er_tls_count(t, ER_TLS_CERTIFICATE), 2);
	assert_false(er_tls_has_ca(t));
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	assert_true(er_tls_use(t, ctx));
	assert_int_equal(X509_cmp(SSL_CTX_get0_certificate(ctx), one.x), 0);
	STACK_OF(X509) *more = NULL;
	SSL_CTX_get0_chain_certs(ctx, &more);
	assert_int_equal(sk_X509_num(more), 1);
	/* The connection outlives the settings. */
	er_tls_unref(t);
	assert_int_equal(SSL_CTX_check_private_key(ctx), 1);
	SSL_CTX_free(ctx);

	refused("", one.cert, two.pem, ER_TLS_KEY, "not that of the certificate");
	refused("", one.cert, "", ER_TLS_KEY, "belong together");
	refused("", "", one.pem, ER_TLS_CERTIFICATE, "belong together");
	refused("", one.cert, one.cert, ER_TLS_KEY, "no private key");
	refused("", one.pem, one.pem, ER_TLS_CERTIFICATE, "block 1 (PRIVATE KEY)");
	/* Nobody is asked for a password. */
	BIO *b = BIO_new(BIO_s_mem());
	PEM_write_bio_PKCS8PrivateKey(b, one.key, EVP_aes_256_cbc(), "pw", 2, NULL, NULL);
	text_of(b, encrypted, sizeof encrypted);
	refused("", one.cert, encrypted, ER_TLS_KEY, "the key is encrypted");
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey_traditional(b, one.key, EVP_aes_256_cbc(), (const unsigned char *)"pw", 2, NULL, NULL);
	text_of(b, encrypted, sizeof encrypted);
	refused("", one.cert, encrypted, ER_TLS_KEY, "the key is encrypted");
	/* As older tools write it, with the curve in front. */
	char parameters[8192] = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey_traditional(b, one.key, NULL, NULL, 0, NULL, NULL);
	text_of(b, parameters + strlen(parameters), sizeof parameters - strlen(parameters));
	er_tls_unref(taken((er_slice){0}, one.cert, parameters));
	drop(&a);
	drop(&one);
	drop(&two);
}

static void a_certificate_that_is_over_is_named(void **state)
{
	(void)state;
	made good = make("good", NULL, 1000), old = make("old", NULL, -1000);
	char text[9000];
	er_tls_part part;
	er_err err = {0};
	snprintf(text, sizeof text, "%s%s", good.cert, old.cert);
	er_tls *t = taken(s(text), good.cert, good.pem);
	int64_t now = time(NULL);
	assert_true(er_tls_expired(t, now, &part, &err));
	assert_int_equal(part, ER_TLS_CA);
	assert_non_null(strstr(err.text, "certificate 2 (CN=old) has expired"));
	assert_false(er_tls_expired(t, now - 2000, &part, &err));
	er_tls_unref(t);
	t = taken(s(good.cert), old.cert, old.pem);
	assert_true(er_tls_expired(t, now, &part, &err));
	assert_int_equal(part, ER_TLS_CERTIFICATE);
	assert_true(er_tls_expired(t, now + 2000, &part, &err));
	assert_int_equal(part, ER_TLS_CA);
	er_tls_unref(t);
	drop(&good);
	drop(&old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_bundle_is_taken_with_the_words_between),
	    cmocka_unit_test(what_is_no_bundle_is_refused_with_the_block_that_is_wrong),
	    cmocka_unit_test(a_certificate_and_its_key_belong_together),
	    cmocka_unit_test(a_certificate_that_is_over_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
