/* The debugger's session between two strangers: what the client says and what the sandbox says,
 * each in lines. What comes out is JSON, whatever went in. And the wire to the sandbox, where each
 * message takes a part of the bytes and no more than there are. */
#include "base/json_tree.h"
#include "base/mem.h"
#include "cli/cdp.h"
#include "cli/inspect_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void is_json(void *ctx, er_slice json)
{
	er_arena a;
	(void)ctx;
	er_arena_init(&a);
	ER_ASSERT(er_json_is(er_json_answer(&a, json), ER_JSON_OBJECT));
	er_arena_fini(&a);
}

static void lines(er_slice text)
{
	er_cdp *c = er_cdp_new(&(er_cdp_ports){.to_client = is_json, .to_engine = is_json});
	er_slice line;
	while (er_slice_split(&text, '\n', &line)) {
		switch (line.n > 0 ? line.p[0] : 0) {
		case 'b':
			er_cdp_began(c, ER_LIT("file:///a.js"), ER_LIT(""));
			break;
		case 'e':
			er_cdp_ended(c);
			break;
		case '<':
			er_cdp_engine(c, er_slice_from(line, 1));
			break;
		default:
			er_cdp_client(c, line);
		}
	}
	er_cdp_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = er_alloc(n);
	er_copy(copy, data, n);
	er_slice rest = er_slice_of(copy, n);
	er_wire_message m;
	size_t whole;
	while (er_wire_read(rest, &m, &whole) == ER_WIRE_OK) {
		ER_ASSERT(whole > 0 && whole <= rest.n && m.name.n < whole && m.text.n < whole);
		rest = er_slice_from(rest, whole);
	}
	lines(er_slice_of(copy, n));
	er_free(copy);
	return 0;
}
