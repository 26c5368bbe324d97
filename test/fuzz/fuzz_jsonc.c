/* A project or node file: whatever it holds, the parser ends, and what it took can be written as
 * plain JSON and read again. */
#include "base/jsonc.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	er_arena a;
	er_err err;
	size_t at;
	er_arena_init(&a);
	er_slice text = er_slice_of(data, n);
	const er_json *v = er_jsonc_parse(&a, text, &at, &err);
	if (v == NULL) {
		er_text_pos pos = er_text_where(text, at);
		if (at > n || pos.line_text.n > n || pos.line == 0)
			abort();
	} else {
		er_buf out = {0};
		er_json_write(&out, v);
		if (er_jsonc_parse(&a, er_buf_slice(&out), &at, &err) == NULL && er_buf_len(&out) < 1 << 20)
			abort();
		er_buf_fini(&out);
	}
	/* What the wire's stricter reader takes, this one takes as well. */
	if (er_json_parse(&a, text, 1000, &at, &err) != NULL && v == NULL && n <= 1 << 20)
		abort();
	if (at > n)
		abort();
	er_arena_fini(&a);
	return 0;
}
