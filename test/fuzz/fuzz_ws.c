/* Bytes of a WebSocket. The first byte says what was agreed on and how the rest is cut: whatever
 * the cut, the same comes out, and never more than a message may have. */
#include "http/ws.h"

#include "base/mem.h"

enum { MOST = 5000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void run(er_slice bytes, bool client, bool deflate, size_t step, er_buf *out)
{
	er_ws w = {.client = client, .deflate = deflate, .most = MOST};
	er_ws_event e = ER_WS_MORE;
	while (bytes.n > 0 && e == ER_WS_MORE) {
		er_slice part = er_slice_head(bytes, step);
		bytes = er_slice_from(bytes, part.n);
		er_ws_said said;
		while ((e = er_ws_next(&w, &part, &said)) != ER_WS_MORE) {
			ER_ASSERT(e == ER_WS_BROKEN || said.payload.n <= MOST);
			if (e == ER_WS_MESSAGE && said.opcode == ER_WS_TEXT)
				ER_ASSERT(er_utf8_valid(said.payload));
			er_buf_printf(out, "%d %d %d ", e, e == ER_WS_BROKEN ? 0 : said.opcode, said.code);
			if (e != ER_WS_BROKEN)
				er_buf_put(out, said.payload);
			if (e == ER_WS_CLOSED || e == ER_WS_BROKEN)
				break;
		}
	}
	er_ws_fini(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 1)
		return 0;
	bool client = data[0] & 1, deflate = data[0] & 2;
	size_t step = (size_t)(data[0] >> 2) + 1;
	er_buf whole = {0}, cut = {0}, answer = {0};
	er_slice bytes = er_slice_of(data + 1, n - 1);
	run(bytes, client, deflate, SIZE_MAX, &whole);
	run(bytes, client, deflate, step, &cut);
	ER_ASSERT(er_slice_eq(er_buf_slice(&whole), er_buf_slice(&cut)));
	int bits = er_ws_accept_offer(bytes, &answer);
	ER_ASSERT(bits == er_ws_agreed(er_buf_slice(&answer), false));
	er_buf_fini(&whole);
	er_buf_fini(&cut);
	er_buf_fini(&answer);
	return 0;
}
