/* Subrequests over TLS: the certificate is always verified, for its issuer and for its name; HTTP/2
 * is spoken where the server does. */
#include "origin_harness.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

/* ---- a server with a certificate of its own making, for "localhost" only ---- */

typedef struct tls_server {
	SSL_CTX *ctx;
	int fd;
	unsigned port;
	char ca[64];
	pthread_t thread;
} tls_server;

static void *tls_accept(void *arg)
{
	tls_server *s = arg;
	for (int fd; (fd = accept(s->fd, NULL, NULL)) >= 0; close(fd)) {
		SSL *ssl = SSL_new(s->ctx);
		SSL_set_fd(ssl, fd);
		char in[8192];
		size_t n = 0;
		if (SSL_accept(ssl) == 1) {
			for (int got; n < sizeof in && (got = SSL_read(ssl, in + n, (int)(sizeof in - n))) > 0;) {
				n += (size_t)got;
				char *end = memmem(in, n, "\r\n\r\n", 4);
				if (end == NULL)
					continue;
				const char *answer = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret";
				SSL_write(ssl, answer, (int)strlen(answer));
				n = 0;
			}
			SSL_shutdown(ssl);
		}
		SSL_free(ssl);
	}
	return NULL;
}

static X509 *certificate(EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_gmtime_adj(X509_getm_notBefore(x), -1000);
	X509_gmtime_adj(X509_getm_notAfter(x), 100000);
	X509_set_pubkey(x, key);
	X509_NAME *name = X509_get_subject_name(x);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509V3_CTX v3;
	X509V3_set_ctx_nodb(&v3);
	X509V3_set_ctx(&v3, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &v3, NID_subject_alt_name, "DNS:localhost");
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	X509_sign(x, key, EVP_sha256());
	return x;
}

static tls_server *tls_start(void)
{
	tls_server *s = ER_NEW(tls_server);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = certificate(key);
	s->ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(s->ctx, x);
	SSL_CTX_use_PrivateKey(s->ctx, key);
	strcpy(s->ca, "/tmp/er-test-ca-XXXXXX");
	FILE *f = fdopen(mkstemp(s->ca), "w");
	PEM_write_X509(f, x);
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(s->fd, 16), 0);
	getsockname(s->fd, (struct sockaddr *)&a, &len);
	s->port = ntohs(a.sin_port);
	pthread_create(&s->thread, NULL, tls_accept, s);
	return s;
}

/* Before the program ends: OpenSSL takes down what the thread would still use. */
static void tls_stop(tls_server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	unlink(s->ca);
}

static tls_server *tls;

static call *get_tls(const char *host)
{
	call *c = call_new("GET", "/");
	c->x->req.scheme = ER_LIT("https");
	c->x->req.authority = er_arena_printf(&c->x->arena, "%s:%u", host, tls->port);
	begin(c);
	finish(c);
	return c;
}

/* ---- tests ---- */

static void test_a_known_issuer_and_the_right_name_are_enough(void **state)
{
	(void)state;
	er_origin_ca(origin, tls->ca);
	for (int i = 0; i < 3; i++) {
		call *c = get_tls("localhost");
		assert_body(c, "secret");
		call_free(c);
	}
}

static void test_a_stranger_s_certificate_is_refused(void **state)
{
	(void)state;
	call *c = get_tls("localhost");
	assert_failed(c, 502, ER_ERR_TLS);
	call_free(c);
}

static void test_a_certificate_for_another_name_is_refused(void **state)
{
	(void)state;
	er_origin_ca(origin, tls->ca);
	call *c = get_tls("127.0.0.1");
	assert_failed(c, 502, ER_ERR_TLS);
	call_free(c);
}

static void test_no_certificates_is_no_excuse(void **state)
{
	(void)state;
	er_origin_ca(origin, "/does/not/exist");
	call *c = get_tls("localhost");
	assert_failed(c, 502, ER_ERR_TLS);
	call_free(c);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* the node does, too */
	tls = tls_start();
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_known_issuer_and_the_right_name_are_enough, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_stranger_s_certificate_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_certificate_for_another_name_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_certificates_is_no_excuse, setup, teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	tls_stop(tls);
	return failed;
}
