/* A project or node file, or an answer: whatever it holds, the parser ends, and what it took can be
 * written as plain JSON and read again, also changed, and by whoever wants only a part of it. */
#include "base/json_tree.h"

#include <stdlib.h>

/* What is written and read again is the same bytes. */
static void check_answer(er_arena *a, er_slice text)
{
	static const er_slice wanted[] = {ER_LIT("a"), ER_LIT("name")};
	er_err err;
	size_t at = 0;
	const er_json *v = er_json_answer(a, text);
	er_json_bounds some = {.values = 1000, .depth = ER_JSON_DEPTH_MOST, .only = wanted, .n_only = 2};
	if (er_json_read(a, text, &some, &at, &err) == NULL && v != NULL && text.n < 1000)
		abort();
	if (at > text.n)
		abort();
	if (v == NULL)
		return;
	er_buf once = {0}, lines = {0}, again = {0};
	er_json_write(&once, v);
	er_json_write_lines(&lines, v);
	er_json_write(&again, er_json_made(a, er_buf_slice(&lines)));
	if (!er_slice_eq(er_buf_slice(&once), er_buf_slice(&again)))
		abort();
	const er_json *changed = er_json_with(a, er_json_with(a, v, ER_LIT("a"), v), ER_LIT("a"), NULL);
	if (er_json_member(changed, "a") != NULL)
		abort();
	er_buf_fini(&once);
	er_buf_fini(&lines);
	er_buf_fini(&again);
}

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
	check_answer(&a, text);
	er_arena_fini(&a);
	return 0;
}
