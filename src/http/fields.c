/* Header fields: a vector of pairs of slices that grows in the message's arena (what it grew out of
 * stays there, unused). Looking up is a scan, deleting closes the gap and keeps the order. The
 * struct is a part of er_request and er_response and is never freed by itself. The checks of names
 * and values are the ones that every way into the node uses: HTTP/1 (client, origin) and the block
 * that a routine sends. Pure. */
#include "http/fields.h"

#include "base/mem.h"

void er_fields_add(er_fields *f, er_arena *a, er_slice name, er_slice value)
{
	ER_ASSERT(f->n <= f->cap);
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
	/* Up to the first that goes nothing moves, and mostly there is none. */
	while (kept < f->n && !er_slice_ieq(f->v[kept].name, name))
		kept++;
	for (uint32_t i = kept + 1; i < f->n; i++)
		if (!er_slice_ieq(f->v[i].name, name))
			f->v[kept++] = f->v[i];
	ER_ASSERT(kept <= f->n);
	uint32_t removed = f->n - kept;
	f->n = kept;
	return removed;
}

void er_fields_set(er_fields *f, er_arena *a, er_slice name, er_slice value)
{
	er_fields_del(f, name);
	/* At the end: order matters only among fields of one name (RFC 9110 5.3). */
	er_fields_add(f, a, name, value);
}

/* RFC 9110 5.6.2 tchar. */
static const bool tchar[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1,         ['+'] = 1,         ['-'] = 1,
    ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1,  ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

size_t er_field_name_n(er_slice s)
{
	size_t n = 0;
	while (n < s.n && tchar[s.p[n]])
		n++;
	return n;
}

bool er_field_name_ok(er_slice name)
{
	/* Without a branch for each: almost all names are well-formed. */
	bool ok = name.n > 0;
	for (size_t i = 0; i < name.n; i++)
		ok &= tchar[name.p[i]];
	return ok;
}

/* Eight at a time: true if one may be a control character. Some that are none are suspected too,
 * which costs a closer look. */
static bool suspicious(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101U, highs = 0x8080808080808080U;
	/* A byte below 0x20 borrows into its high bit when 0x20 is taken off, and had none before; 0x7f
	 * is looked for as the zero byte of the exclusive or. */
	uint64_t del = w ^ (0x7f * ones);
	return (((w - 0x20 * ones) & ~w) | ((del - ones) & ~del)) & highs;
}

static bool value_byte_ok(uint8_t c)
{
	return c >= 0x20 ? c != 0x7f : c == '\t';
}

size_t er_field_value_n(er_slice s)
{
	size_t i = 0;
	while (i + 8 <= s.n && !suspicious(er_load_eight(s.p + i)))
		i += 8;
	while (i < s.n && value_byte_ok(s.p[i]))
		i++;
	return i;
}

static bool value_eight_ok(const uint8_t *p)
{
	return !suspicious(er_load_eight(p)) || er_field_value_n(er_slice_of(p, 8)) == 8;
}

/* The last eight overlap those before them. */
bool er_field_value_ok(er_slice value)
{
	if (value.n < 8)
		return er_field_value_n(value) == value.n;
	for (size_t i = 0; i + 8 < value.n; i += 8)
		if (!value_eight_ok(value.p + i))
			return false;
	return value_eight_ok(value.p + value.n - 8);
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
	/* By length: this is asked of every field, and most are none of these. */
	switch (name.n) {
	case 2:
		return er_slice_ieq(name, ER_LIT("te"));
	case 7:
		return er_slice_ieq(name, ER_LIT("trailer")) || er_slice_ieq(name, ER_LIT("upgrade"));
	case 10:
		return er_slice_ieq(name, ER_LIT("connection")) || er_slice_ieq(name, ER_LIT("keep-alive"));
	case 16:
		return er_slice_ieq(name, ER_LIT("proxy-connection"));
	case 17:
		return er_slice_ieq(name, ER_LIT("transfer-encoding"));
	case 18:
		return er_slice_ieq(name, ER_LIT("proxy-authenticate"));
	case 19:
		return er_slice_ieq(name, ER_LIT("proxy-authorization"));
	default:
		return false;
	}
}

/* What a Connection field may not make us drop (RFC 9110 7.6.1 lets intermediaries refuse; these
 * carry identity). */
static bool protected_field(er_slice name)
{
	const er_slice list[] = {ER_LIT("host"),     ER_LIT("cookie"), ER_LIT("authorization"),
	                         ER_LIT("cdn-loop"), ER_LIT("via"),    ER_LIT("forwarded")};
	return in_list(list, sizeof list / sizeof *list, name) ||
	       (name.n > 12 && er_slice_ieq(er_slice_head(name, 12), ER_LIT("x-forwarded-")));
}

bool er_field_trailer_ok(er_slice name)
{
	static const char *const early[] = {"content-length",
	                                    "content-encoding",
	                                    "content-type",
	                                    "content-range",
	                                    "host",
	                                    "expect",
	                                    "max-forwards",
	                                    "range",
	                                    "authorization",
	                                    "www-authenticate",
	                                    "cookie",
	                                    "set-cookie",
	                                    "cache-control",
	                                    "age",
	                                    "date",
	                                    "expires",
	                                    "location",
	                                    "retry-after",
	                                    "vary",
	                                    "if-match",
	                                    "if-none-match",
	                                    "if-modified-since",
	                                    "if-unmodified-since",
	                                    "if-range",
	                                    "pragma",
	                                    "warning",
	                                    "proxy-authentication-info",
	                                    "authentication-info"};
	if (!er_field_name_ok(name) || er_field_hop_by_hop(name))
		return false;
	for (size_t i = 0; i < sizeof early / sizeof *early; i++)
		if (er_slice_ieq(name, er_slice_cstr(early[i])))
			return false;
	return true;
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
	ER_ASSERT(f->n == 0 || f->v != NULL);
	/* Connection and the other fixed names go last, since the first loop still had to read
	 * Connection. */
	uint32_t kept = 0;
	for (uint32_t i = 0; i < f->n; i++)
		if (f->v[i].name.n > 0 && !er_field_hop_by_hop(f->v[i].name))
			f->v[kept++] = f->v[i];
	f->n = kept;
}
