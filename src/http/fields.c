#include "http/fields.h"

#include "base/mem.h"

void er_fields_add(er_fields *f, er_arena *a, er_slice name, er_slice value)
{
	if (f->n == f->cap) {
		uint32_t cap = f->cap ? f->cap * 2 : 16;
		er_field *v = er_arena_alloc(a, cap * sizeof *v);
		er_copy(v, f->v, f->n * sizeof *v);
		f->v = v;
		f->cap = cap;
	}
	f->v[f->n++] = (er_field){name, value};
}

const er_slice *er_fields_get(const er_fields *f, er_slice name)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (er_slice_ieq(f->v[i].name, name))
			return &f->v[i].value;
	return NULL;
}

uint32_t er_fields_del(er_fields *f, er_slice name)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < f->n; i++)
		if (!er_slice_ieq(f->v[i].name, name))
			f->v[kept++] = f->v[i];
	uint32_t removed = f->n - kept;
	f->n = kept;
	return removed;
}

void er_fields_set(er_fields *f, er_arena *a, er_slice name, er_slice value)
{
	er_fields_del(f, name);
	er_fields_add(f, a, name, value);
}

/* RFC 9110 5.6.2 tchar. */
static const bool tchar[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1,         ['+'] = 1,         ['-'] = 1,
    ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1,  ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

bool er_field_name_ok(er_slice name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!tchar[name.p[i]])
			return false;
	return name.n > 0;
}

bool er_field_value_ok(er_slice value)
{
	for (size_t i = 0; i < value.n; i++) {
		uint8_t c = value.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool in_list(const er_slice *list, size_t n, er_slice name)
{
	for (size_t i = 0; i < n; i++)
		if (er_slice_ieq(list[i], name))
			return true;
	return false;
}

bool er_field_hop_by_hop(er_slice name)
{
	const er_slice list[] = {
	    ER_LIT("connection"), ER_LIT("keep-alive"), ER_LIT("proxy-connection"),   ER_LIT("transfer-encoding"),  ER_LIT("te"),
	    ER_LIT("trailer"),    ER_LIT("upgrade"),    ER_LIT("proxy-authenticate"), ER_LIT("proxy-authorization")};
	return in_list(list, sizeof list / sizeof *list, name);
}

/* What a Connection field may not make us drop (RFC 9110 7.6.1 lets intermediaries refuse; these carry identity). */
static bool protected_field(er_slice name)
{
	const er_slice list[] = {ER_LIT("host"), ER_LIT("cookie"), ER_LIT("authorization"), ER_LIT("cdn-loop"), ER_LIT("via")};
	return in_list(list, sizeof list / sizeof *list, name) ||
	       (name.n > 12 && er_slice_ieq(er_slice_head(name, 12), ER_LIT("x-forwarded-")));
}

bool er_field_has_token(er_slice value, er_slice token)
{
	for (er_slice part; er_slice_split(&value, ',', &part);)
		if (er_slice_ieq(er_slice_trim(part), token))
			return true;
	return false;
}

/* Takes the name from all fields that have it; a field without a name is one to be dropped. */
static void unname(er_fields *f, er_slice name)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (er_slice_ieq(f->v[i].name, name))
			f->v[i].name.n = 0;
}

void er_fields_strip_hop_by_hop(er_fields *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		if (!er_slice_ieq(f->v[i].name, ER_LIT("connection")))
			continue;
		er_slice list = f->v[i].value;
		for (er_slice part; er_slice_split(&list, ',', &part);) {
			part = er_slice_trim(part);
			/* Those go anyway, and Connection itself is still needed. */
			if (part.n > 0 && !er_field_hop_by_hop(part) && !protected_field(part))
				unname(f, part);
		}
	}
	uint32_t kept = 0;
	for (uint32_t i = 0; i < f->n; i++)
		if (f->v[i].name.n > 0 && !er_field_hop_by_hop(f->v[i].name))
			f->v[kept++] = f->v[i];
	f->n = kept;
}
