/* TLS of libcurl's connections: whom to believe and who to be, said to OpenSSL when a handshake
 * begins; and what went wrong, in words that say what to do.
 *
 * libcurl's own words for a failed handshake are OpenSSL's ("error:0A00045C:SSL routines:...").
 * The tables below know those that people meet. The reason is one word, for er-error and logs. */
#include "base/mem.h"
#include "origin/curl.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

/* Loading a machine's certificates takes milliseconds: once a thread, not once a connection. */
static bool use_system(er_origin *o, SSL_CTX *ctx)
{
	if (o->ca_store == NULL) {
		X509_STORE *store = X509_STORE_new();
		bool ok = store != NULL &&
		          (o->ca_file != NULL ? X509_STORE_load_file(store, o->ca_file) : X509_STORE_set_default_paths(store)) == 1;
		if (!ok) {
			X509_STORE_free(store);
			return false;
		}
		o->ca_store = store;
	}
	SSL_CTX_set1_cert_store(ctx, o->ca_store);
	return true;
}

/* The server asks for a certificate; with none the handshake goes on without. */
static int on_certificate(SSL *ssl, void *hop)
{
	(void)ssl;
	er_curl_hop *h = hop;
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	h->seen = true;
	return 1;
}

CURLcode er_curl_tls_begin(CURL *easy, void *ctx, void *hop)
{
	(void)easy;
	er_curl_hop *h = hop;
	ER_CHECK(h, ER_CURL_HOP_MAGIC);
	/* The pool's, so that whoever of it uses the connection later has said the same. */
	const er_tls *tls = h->m->pool->key.tls;
	ER_ASSERT(h->f->pool == h->m->pool);
	h->f->handshakes = true;
	if ((tls == NULL || !er_tls_has_ca(tls)) && !use_system(h->m->o, ctx)) {
		er_fetch_ended(h->f, ER_ERR_TLS, "the certificates of authorities cannot be loaded");
		return CURLE_SSL_CACERT_BADFILE;
	}
	if (tls != NULL && !er_tls_use(tls, ctx)) {
		er_fetch_ended(h->f, ER_ERR_TLS, "the site's certificate and key cannot be used");
		return CURLE_SSL_CERTPROBLEM;
	}
	SSL_CTX_set_cert_cb(ctx, on_certificate, h);
	/* The hop ends with its request, the connection does not: nobody may ask for a certificate
	 * after the first handshake. */
	SSL_CTX_set_post_handshake_auth(ctx, 0);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	/* An answer that ends with its connection is whole only if TLS says that this was the end (RFC
	 * 9112 9.8). libcurl asks OpenSSL not to look. */
	SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	return CURLE_OK;
}

/* ---- what went wrong ---- */

/* The server's certificate was refused. */
static const struct refusal {
	long verify; /* X509_V_ERR_* */
	er_tls_fault fault;
} refusals[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, {"certificate-expired", "its certificate, or one above it, has expired"}},
    {X509_V_ERR_CERT_NOT_YET_VALID, {"certificate-expired", "its certificate, or one above it, is not valid yet"}},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
     {"certificate-self-signed", "its certificate is signed by itself; if it is the right one, name it as the site's \"ca\""}},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
     {"certificate-unknown", "its certificate is signed by an authority that is not believed"}},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
     {"certificate-unknown", "its certificate is signed by an authority that is not believed, or the server does not send "
                             "the certificates between"}},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
     {"certificate-unknown", "its certificate is signed by an authority that is not believed"}},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
     {"certificate-unknown", "its certificate is signed by an authority that is not believed, or the server does not send "
                             "the certificates between"}},
};

/* What OpenSSL says of the handshake has these words. */
static const struct words {
	const char *words;
	er_tls_fault fault;
} handshakes[] = {
    {"alert certificate required", {"client-certificate", "it requires a certificate of the node, and the site has none"}},
    {"alert bad certificate", {"client-certificate", "it does not take the node's certificate"}},
    {"alert unknown ca", {"client-certificate", "it does not know who signed the node's certificate"}},
    {"alert certificate unknown", {"client-certificate", "it does not take the node's certificate"}},
    {"alert certificate expired", {"client-certificate", "it says that the node's certificate has expired"}},
    {"alert certificate revoked", {"client-certificate", "it says that the node's certificate was revoked"}},
    {"alert unsupported certificate", {"client-certificate", "it does not take certificates like the node's"}},
    {"alert access denied", {"client-certificate", "it does not let the node in"}},
    {"unrecognized name", {"server-name", "it has no certificate for this name"}},
    {"unsupported protocol", {"protocol", "it speaks no version of TLS from 1.2 on"}},
    {"alert protocol version", {"protocol", "it speaks no version of TLS from 1.2 on"}},
    {"wrong version number", {"protocol", "it does not speak TLS on this port"}},
    {"http request", {"protocol", "it does not speak TLS on this port"}},
    {"SSL_ERROR_SYSCALL", {"handshake", "it broke off the TLS handshake"}},
    {"reset by peer", {"handshake", "it broke off the TLS handshake"}},
    {"unexpected eof", {"handshake", "it broke off the TLS handshake"}},
    {"alert handshake failure",
     {"handshake", "it ended the handshake: it has no cipher in common with the node, or asks for a certificate of the node"}},
};

static bool by_words(const char *error, er_tls_fault *out)
{
	for (size_t i = 0; i < sizeof handshakes / sizeof *handshakes; i++) {
		if (strstr(error, handshakes[i].words) == NULL)
			continue;
		*out = handshakes[i].fault;
		return true;
	}
	return false;
}

static er_tls_fault by_verdict(const er_curl_hop *h)
{
	long verify = X509_V_OK;
	curl_easy_getinfo(h->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
		if (refusals[i].verify == verify)
			return refusals[i].fault;
	if (strstr(h->error, "subject name") != NULL || strstr(h->error, "common name") != NULL)
		return (er_tls_fault){"certificate-name", "its certificate is not for this name"};
	return (er_tls_fault){"certificate", X509_verify_cert_error_string(verify)};
}

bool er_curl_tls_fault(const er_curl_hop *h, er_tls_fault *out)
{
	ER_ASSERT(h->done && h->result != CURLE_OK);
	switch (h->result) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		*out = by_verdict(h);
		return true;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		if (!by_words(h->error, out))
			*out = (er_tls_fault){"handshake", h->error[0] != '\0' ? h->error : curl_easy_strerror(h->result)};
		return true;
	case CURLE_OPERATION_TIMEDOUT:
		*out = (er_tls_fault){"handshake", "it did not end the TLS handshake in time"};
		return h->f->handshakes && !h->asked;
	default:
		/* With TLS 1.3 a server looks at the node's certificate when the handshake is over for the
		 * node: its refusal comes in place of an answer, or is lost because the connection is reset
		 * behind it. */
		if (!h->f->handshakes || h->f->status != 0 || !h->seen)
			return false;
		if (!by_words(h->error, out) || strcmp(out->word, "client-certificate") != 0)
			*out = (er_tls_fault){"client-certificate",
			                      "it asked for a certificate of the node, and closed the connection without an answer"};
		return true;
	}
}
