/* PEM that an administrator sends: whatever it holds, it is read to its end or refused with words,
 * and what was taken can be shown. The bytes are a bundle, and a certificate with a key behind
 * it. */
#include "base/mem.h"
#include "origin/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void try(const er_tls_pem *pem)
{
	er_tls_part wrong = ER_TLS_KEY;
	er_err err = {0};
	er_tls *t = er_tls_new(pem, &wrong, &err);
	if (t == NULL) {
		ER_ASSERT(err.kind != ER_ERR_OK && err.text[0] != '\0');
		return;
	}
	er_arena a = {0};
	for (er_tls_part part = ER_TLS_CA; part <= ER_TLS_CERTIFICATE; part++) {
		ER_ASSERT(er_tls_count(t, part) <= ER_TLS_CERTIFICATES);
		for (size_t i = 0; i < er_tls_count(t, part); i++)
			ER_ASSERT(er_tls_show(t, part, i, &a).subject.n > 0);
	}
	(void)er_tls_expired(t, 1800000000, &wrong, &err);
	er_arena_fini(&a);
	er_tls_unref(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	er_slice all = er_slice_of(data, n);
	size_t cut = er_slice_find(all, 0);
	try(&(er_tls_pem){.ca = all});
	try(&(er_tls_pem){.certificate = er_slice_head(all, cut), .key = er_slice_from(all, cut < n ? cut + 1 : n)});
	return 0;
}
