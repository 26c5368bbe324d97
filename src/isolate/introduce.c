/* Combines first, so that what is added is looked for once. A block has 256 fields at most
 * (er_block_read), hence each name is simply looked for in the others. */
#include "isolate/introduce.h"

#include "base/mem.h"
#include "channel/contract.h"
#include "channel/frame.h"

/* The values of all fields of this name from the i-th on, in one. Only that one keeps its name. */
static er_slice joined(er_fields *fields, uint32_t i, er_arena *a)
{
	const er_slice name = fields->v[i].name;
	const er_slice between = er_slice_ieq(name, ER_LIT("cookie")) ? ER_LIT("; ") : ER_LIT(", ");
	er_slice value = fields->v[i].value;
	size_t n = value.n;
	for (uint32_t k = i + 1; k < fields->n; k++)
		n += er_slice_ieq(fields->v[k].name, name) ? between.n + fields->v[k].value.n : 0;
	if (n == value.n)
		return value;
	uint8_t *all = er_arena_alloc(a, n), *to = er_append(all, value);
	for (uint32_t k = i + 1; k < fields->n; k++) {
		if (!er_slice_ieq(fields->v[k].name, name))
			continue;
		to = er_append(er_append(to, between), fields->v[k].value);
		fields->v[k].name = (er_slice){0};
	}
	ER_ASSERT(to == all + n);
	return er_slice_of(all, n);
}

/* Fields of one name become one, where the first of them was (Fetch, "combine"; RFC 9110 5.3). */
static void combine(er_fields *fields, er_arena *a)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < fields->n; i++) {
		if (fields->v[i].name.n == 0)
			continue;
		er_slice value = joined(fields, i, a);
		fields->v[kept++] = (er_field){fields->v[i].name, value};
	}
	fields->n = kept;
}

void er_introduce(er_exchange *x, uint16_t aux)
{
	er_fields *fields = &x->req.fields;
	if (aux & ER_FETCH_SELF)
		return;
	combine(fields, &x->arena);
	if (er_fields_get(fields, ER_LIT("accept")) == NULL)
		er_fields_add(fields, &x->arena, ER_LIT("accept"), ER_LIT("*/*"));
	if (er_fields_get(fields, ER_LIT("user-agent")) == NULL)
		er_fields_add(fields, &x->arena, ER_LIT("user-agent"), ER_LIT("EdgeRoutine"));
}
