/* What the engine cannot be told to refuse in a WebAssembly module, and who pays for its
 * compilers. */
#include "sandbox/api/api.h"

#include "base/mem.h"

enum { HEAD = 8, MEMORY_SECTION = 5, HAS_MAXIMUM = 1, SHARED = 2 };

/* LEB128, at most `bits` long. False: cut off or too long. */
static bool number(er_slice *rest, unsigned bits, uint64_t *out)
{
	ER_ASSERT(bits <= 64);
	*out = 0;
	for (unsigned shift = 0; rest->n > 0 && shift < bits; shift += 7) {
		uint8_t byte = rest->p[0];
		*rest = er_slice_from(*rest, 1);
		*out |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

static bool shared_in(er_slice section)
{
	uint64_t left, flags, pages;
	for (bool ok = number(&section, 32, &left); ok && left > 0; left--) {
		ok = number(&section, 32, &flags);
		if (ok && (flags & SHARED))
			return true;
		ok = ok && number(&section, 64, &pages) && (!(flags & HAS_MAXIMUM) || number(&section, 64, &pages));
	}
	return false;
}

/* Does a module declare a shared memory of its own? What is malformed is left to the engine to
 * refuse. */
static bool declares_shared(er_slice module)
{
	er_slice rest = er_slice_from(module, module.n < HEAD ? module.n : HEAD);
	while (rest.n > 0) {
		ER_ASSERT(rest.n <= module.n);
		uint8_t id = rest.p[0];
		uint64_t n;
		rest = er_slice_from(rest, 1);
		if (!number(&rest, 32, &n) || n > rest.n)
			return false;
		if (id == MEMORY_SECTION && shared_in(er_slice_head(rest, (size_t)n)))
			return true;
		rest = er_slice_from(rest, (size_t)n);
	}
	return false;
}

ER_NATIVE(wasmShared)
{
	er_slice module;
	(void)exception;
	if (!er_js_bytes(a->source, &module))
		return er_js_undefined();
	return er_js_bool(declares_shared(module));
}

ER_NATIVE(compileBegin)
{
	er_turn_compile_begin();
	return er_js_undefined();
}

ER_NATIVE(compileEnd)
{
	er_turn_compile_end();
	return er_js_undefined();
}
