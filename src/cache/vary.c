/* Rules without a state; what they write lies in the caller's arena. */
#include "cache/vary.h"

#include "base/mem.h"
#include "http/accept_encoding.h"

enum { MEMBERS = 64 };

static bool is_list_of_preferences(er_slice name)
{
	return er_slice_eq(name, ER_LIT("accept-language"));
}

/* The one form of a member: without white space, and without case if that means nothing. */
static size_t put_member(uint8_t *to, er_slice member, bool without_case)
{
	size_t n = 0;
	for (size_t i = 0; i < member.n; i++) {
		uint8_t c = member.p[i];
		if (without_case && (c == ' ' || c == '\t'))
			continue;
		to[n++] = without_case ? er_lower(c) : c;
	}
	return n;
}

static void sort(er_slice *v, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k > 0 && er_slice_compare(v[k], v[k - 1]) < 0; k--) {
			er_slice it = v[k];
			v[k] = v[k - 1];
			v[k - 1] = it;
		}
}

/* All lines, joined: what must not be brought to another form. */
static er_slice as_it_came(er_arena *a, const er_fields *request, er_slice name)
{
	size_t bytes = 0, n = 0;
	for (uint32_t i = 0; i < request->n; i++)
		if (er_slice_ieq(request->v[i].name, name))
			bytes += request->v[i].value.n + 1;
	uint8_t *all = er_arena_alloc(a, bytes + 1), *at = all;
	for (uint32_t i = 0; i < request->n; i++) {
		if (!er_slice_ieq(request->v[i].name, name))
			continue;
		if (n++ > 0)
			*at++ = ',';
		at = er_append(at, request->v[i].value);
	}
	return er_slice_of(all, (size_t)(at - all));
}

/* No list, whatever the commas in it: who a client is. Or one whose members may have commas of
 * their own. */
static bool has_no_other_form(const er_fields *request, er_slice name)
{
	if (er_slice_eq(name, ER_LIT("cookie")) || er_slice_eq(name, ER_LIT("authorization")))
		return true;
	for (uint32_t i = 0; i < request->n; i++)
		if (er_slice_ieq(request->v[i].name, name) && er_slice_find(request->v[i].value, '"') < request->v[i].value.n)
			return true;
	return false;
}

static er_slice accepted_codings(er_arena *a, const er_fields *request)
{
	er_accept_encoding said;
	er_accept_encoding_read(request, &said);
	return er_accept_encoding_text(&said, a);
}

/* `name` in lower case. A field that is missing is not the same as one that is empty:
 * NULL bytes. */
static er_slice selecting(er_arena *a, const er_fields *request, er_slice name)
{
	bool preferences = is_list_of_preferences(name);
	er_slice members[MEMBERS];
	size_t n = 0, bytes = 0;
	if (er_fields_get(request, name) == NULL)
		return (er_slice){0};
	if (er_slice_eq(name, ER_LIT("accept-encoding")))
		return accepted_codings(a, request);
	if (has_no_other_form(request, name))
		return as_it_came(a, request, name);
	for (uint32_t i = 0; i < request->n; i++) {
		if (!er_slice_ieq(request->v[i].name, name))
			continue;
		er_slice rest = request->v[i].value, part;
		while (er_slice_split(&rest, ',', &part)) {
			er_slice member = er_slice_trim(part);
			if (member.n == 0)
				continue;
			if (n == MEMBERS) /* no request with fewer has the same */
				return as_it_came(a, request, name);
			uint8_t *to = er_arena_alloc(a, member.n);
			members[n++] = er_slice_of(to, put_member(to, member, preferences));
			bytes += member.n + 1;
		}
	}
	if (preferences)
		sort(members, n);
	uint8_t *all = er_arena_alloc(a, bytes + 1);
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			all[at++] = ',';
		er_copy(all + at, members[i].p, members[i].n);
		at += members[i].n;
	}
	return er_slice_of(all, at);
}

/* The node writes these itself (http/identity.h), out of what the store's keys are made of. */
static bool is_in_the_key(er_slice name)
{
	return er_slice_eq(name, ER_LIT("x-forwarded-proto")) || er_slice_eq(name, ER_LIT("x-forwarded-host"));
}

static bool has(const er_variant *out, er_slice name)
{
	for (uint32_t i = 0; i < out->n; i++)
		if (er_slice_eq(out->v[i].name, name))
			return true;
	return false;
}

bool er_variant_add(er_arena *a, er_slice name, const er_fields *request, er_variant *out)
{
	if (has(out, name))
		return true;
	if (out->n == ER_VARY_FIELDS)
		return false;
	uint32_t at = out->n++;
	for (; at > 0 && er_slice_compare(name, out->v[at - 1].name) < 0; at--)
		out->v[at] = out->v[at - 1];
	out->v[at] = (er_field){name, selecting(a, request, name)};
	return true;
}

bool er_variant_of(er_arena *a, const er_fields *response, const er_fields *request, er_variant *out)
{
	out->n = 0;
	for (uint32_t i = 0; i < response->n; i++) {
		if (!er_slice_ieq(response->v[i].name, ER_LIT("vary")))
			continue;
		er_slice rest = response->v[i].value, part;
		while (er_slice_split(&rest, ',', &part)) {
			er_slice name = er_arena_lower(a, er_slice_trim(part));
			if (name.n == 0 || is_in_the_key(name))
				continue;
			if (er_slice_eq(name, ER_LIT("*")) || !er_variant_add(a, name, request, out))
				return false;
		}
	}
	return true;
}

void er_variant_like(er_arena *a, const er_variant *like, const er_fields *request, er_variant *out)
{
	out->n = like->n;
	for (uint32_t i = 0; i < like->n; i++)
		out->v[i] = (er_field){like->v[i].name, selecting(a, request, like->v[i].name)};
}

bool er_variant_same_names(const er_variant *a, const er_variant *b)
{
	bool same = a->n == b->n;
	for (uint32_t i = 0; same && i < a->n; i++)
		same = er_slice_eq(a->v[i].name, b->v[i].name);
	return same;
}

bool er_variant_same(const er_variant *a, const er_variant *b)
{
	bool same = er_variant_same_names(a, b);
	for (uint32_t i = 0; same && i < a->n; i++)
		same = er_variant_value_eq(a->v[i].value, b->v[i].value);
	return same;
}

bool er_variant_matches(const er_variant *variant, const er_fields *request, er_arena *a)
{
	er_variant now;
	er_variant_like(a, variant, request, &now);
	return er_variant_same(variant, &now);
}
