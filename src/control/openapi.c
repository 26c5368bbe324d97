/* docs/openapi.json, as it stands in the tree, inside the program. */
#include "base/mem.h"
#include "control/internal.h"

__asm__(".pushsection .rodata\n"
        ".globl er_openapi_begin\n"
        ".globl er_openapi_end\n"
        "er_openapi_begin: .incbin \"" ER_OPENAPI_FILE "\"\n"
        "er_openapi_end: .byte 0\n"
        ".popsection\n");
/* It is never freed: the body gets a piece without a chunk, which borrows. */
extern const uint8_t er_openapi_begin[], er_openapi_end[];

void er_api_openapi(er_call *call)
{
	er_slice text = er_slice_of(er_openapi_begin, (size_t)((uintptr_t)er_openapi_end - (uintptr_t)er_openapi_begin));
	ER_ASSERT(text.n > 0 && text.p[0] == '{');
	er_call_stream(call, 200, ER_LIT("application/json"), er_body_of((er_piece){NULL, text.p, text.n}));
}
