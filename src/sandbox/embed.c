/* The scripts that are built in: embed.cmake writes an assembler file with the bytes of each and
 * this table of them. Bytes of the program, for ever; nothing is copied. */
#include "sandbox/embed.h"

#include "base/mem.h"

typedef struct er_embed_entry {
	const char *name; /* NULL ends the table */
	const uint8_t *p;
	uint64_t n;
} er_embed_entry;

extern const er_embed_entry er_embed_table[];

bool er_embed_find(const char *name, er_slice *out)
{
	ER_ASSERT(name != NULL);
	for (const er_embed_entry *e = er_embed_table; e->name != NULL; e++) {
		if (!er_slice_eq(er_slice_cstr(e->name), er_slice_cstr(name)))
			continue;
		*out = er_slice_of(e->p, (size_t)e->n);
		return true;
	}
	return false;
}
