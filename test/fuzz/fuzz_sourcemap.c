/* A map and a stack, split at the first NUL byte; both are hostile. */
#include "isolate/sourcemap.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	er_slice all = er_slice_of(data, n);
	size_t cut = er_slice_find(all, 0);
	er_slice json = er_slice_head(all, cut), stack = er_slice_from(all, cut + 1);
	er_err err;
	er_sourcemap *m = er_sourcemap_parse(json, &err);
	er_buf out = {0};
	er_sourcemap_stack(m, ER_LIT("routine.js"), stack, &out);
	if (er_buf_len(&out) > 200 * 600 + 16)
		abort();
	for (size_t i = 0; i < er_buf_len(&out); i++)
		if ((er_buf_slice(&out).p[i] < 0x20 && er_buf_slice(&out).p[i] != '\n') || er_buf_slice(&out).p[i] == 0x7f)
			abort();
	er_buf_clear(&out);
	er_sourcemap_text(m, ER_LIT("routine.js"), stack, &out);
	if (er_buf_len(&out) > stack.n + 200 * 600)
		abort();
	er_buf_fini(&out);
	er_sourcemap_free(m);
	return 0;
}
