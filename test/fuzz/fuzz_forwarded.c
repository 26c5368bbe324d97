/* Whole values of Forwarded and X-Forwarded-For, from a trusted proxy: the first byte says which
 * field; a newline begins another line of it. Whatever comes, everybody on the way but the client
 * is a trusted proxy. */
#include "http/forwarded.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	er_cidr trusted;
	er_fields fields = {0};
	er_forwarded said;
	er_arena a;
	if (n == 0 || !er_cidr_parse(ER_LIT("10.0.0.0/8"), &trusted))
		return 0;
	uint8_t *copy = er_alloc(n);
	er_copy(copy, data, n);
	er_arena_init(&a);
	er_slice rest = er_slice_of(copy + 1, n - 1), line;
	er_slice name = copy[0] == 'F' ? ER_LIT("forwarded") : ER_LIT("x-forwarded-for");
	while (er_slice_split(&rest, '\n', &line) && fields.n < 100)
		er_fields_add(&fields, &a, name, line);
	er_forwarded_read(&fields, &trusted, 1, &said);
	ER_ASSERT(said.n <= ER_FORWARDED_MAX);
	for (unsigned i = 0; i + 1 < said.n; i++)
		ER_ASSERT(er_cidr_has(&trusted, &said.way[i]));
	er_arena_fini(&a);
	er_free(copy);
	return 0;
}
