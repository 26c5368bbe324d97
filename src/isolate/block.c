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
		er_slice name = fields->v[i].name;
		for (size_t k = 0; k < name.n; k++)
			*w->p++ = er_lower(name.p[k]);
		*w->p++ = '\n';
		er_put_bytes(w, fields->v[i].value);
		*w->p++ = '\n';
	}
}

static er_slice line(er_slice *block)
{
	size_t n = er_slice_find(*block, '\n');
	er_slice l = er_slice_head(*block, n);
	*block = er_slice_from(*block, n + 1);
	return l;
}

_Static_assert(ER_BLOCK_MAX == 64 * 1024 && ER_BLOCK_FIELDS == 256, "the sentences below say so");

bool er_block_read(er_slice block, er_arena *a, er_fields *out, bool (*dropped)(er_slice name), const char **why)
{
	*why = "its header has more than 64 KB";
	if (block.n > ER_BLOCK_MAX)
		return false;
	while (block.n > 0) {
		er_slice name = line(&block), value = er_slice_trim(line(&block));
		*why = "its header has a malformed field";
		if (!er_field_name_ok(name) || !er_field_value_ok(value))
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
		*name = line(&block);
		er_slice value = er_slice_trim(line(&block));
		if (!er_field_name_ok(*name) || !er_field_value_ok(value))
			return true;
	}
	return false;
}
