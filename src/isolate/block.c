/* Blocks of fields are written into the ring, whose reader is a sandbox, and read from private
 * copies of what a sandbox wrote: nothing in such a block may be trusted, and nothing here asserts
 * anything of it. */
#include "isolate/block.h"

size_t er_block_n(const er_fields *fields)
{
	size_t n = 0;
	for (uint32_t i = 0; i < fields->n; i++)
		n += fields->v[i].name.n + fields->v[i].value.n + 2;
	return n;
}

void er_block_put(er_writer *w, const er_fields *fields)
{
	ER_ASSERT(w->p != NULL);
	for (uint32_t i = 0; i < fields->n; i++) {
		w->p = er_append_lower(w->p, fields->v[i].name);
		*w->p++ = '\n';
		er_put_bytes(w, fields->v[i].value);
		*w->p++ = '\n';
	}
}

/* Takes a line off the block, of which the first n bytes are well formed. False: another one is
 * not. */
static bool take(er_slice *block, size_t n, er_slice *text)
{
	bool ends = n == block->n || block->p[n] == '\n';
	*text = er_slice_head(*block, ends ? n : er_slice_find(*block, '\n'));
	*block = er_slice_from(*block, text->n + 1);
	return ends;
}

/* The next field: each byte is looked at once. False: it is malformed. */
static bool take_field(er_slice *block, er_slice *name, er_slice *value)
{
	if (!take(block, er_field_name_n(*block), name) || name->n == 0 || !take(block, er_field_value_n(*block), value))
		return false;
	*value = er_slice_trim(*value);
	return true;
}

_Static_assert(ER_BLOCK_MAX == 64 * 1024 && ER_BLOCK_FIELDS == 256, "the sentences below say so");

bool er_block_read(er_slice block, er_arena *a, er_fields *out, bool (*dropped)(er_slice name), const char **why)
{
	*why = "its header has more than 64 KB";
	if (block.n > ER_BLOCK_MAX)
		return false;
	while (block.n > 0) {
		er_slice name, value;
		*why = "its header has a malformed field";
		if (!take_field(&block, &name, &value))
			return false;
		*why = "its header has more than 256 fields";
		if (out->n >= ER_BLOCK_FIELDS)
			return false;
		if (!dropped(name))
			er_fields_add(out, a, name, value);
	}
	return true;
}

bool er_block_malformed(er_slice block, er_slice *name)
{
	while (block.n > 0) {
		er_slice value;
		if (!take_field(&block, name, &value))
			return true;
	}
	return false;
}
