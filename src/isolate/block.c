#include "isolate/block.h"

enum { FIELDS_MAX = 100, BLOCK_MAX = 32 * 1024 };

size_t er_block_n(const er_fields *fields)
{
	size_t n = 0;
	for (uint32_t i = 0; i < fields->n; i++)
		n += fields->v[i].name.n + fields->v[i].value.n + 2;
	return n;
}

void er_block_put(er_writer *w, const er_fields *fields)
{
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

bool er_block_read(er_slice block, er_arena *a, er_fields *out, bool (*dropped)(er_slice name))
{
	if (block.n > BLOCK_MAX)
		return false;
	while (block.n > 0) {
		er_slice name = line(&block), value = er_slice_trim(line(&block));
		if (!er_field_name_ok(name) || !er_field_value_ok(value) || out->n >= FIELDS_MAX)
			return false;
		if (!dropped(name))
			er_fields_add(out, a, name, value);
	}
	return true;
}
