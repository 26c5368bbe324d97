/* What purges a response is matched with: where it lies, its site, and its tags. */
#include "base/mem.h"
#include "cache/purge_table.h"
#include "http/authority.h"
#include "http/wishes.h"

uint64_t er_scopes_site(er_slice name)
{
	return er_purge_hash(name);
}

bool er_scopes_field(er_slice name)
{
	return er_slice_ieq(name, ER_LIT("cache-tag")) || er_slice_ieq(name, ER_LIT("surrogate-key"));
}

/* The next tag of a field's value, cut off *rest. False: there is none. */
static bool next_tag(er_slice *rest, char between, er_slice *tag)
{
	while (rest->n > 0) {
		size_t n = er_slice_find(*rest, between);
		*tag = er_slice_trim(er_slice_head(*rest, n));
		*rest = er_slice_from(*rest, n < rest->n ? n + 1 : n);
		if (tag->n > 0)
			return true;
	}
	return false;
}

/* Calls `each` with every tag of the response. */
static void each_tag(const er_fields *response, void (*each)(void *ctx, er_slice tag), void *ctx)
{
	for (uint32_t i = 0; i < response->n; i++) {
		const er_field *f = &response->v[i];
		if (!er_scopes_field(f->name))
			continue;
		bool commas = er_slice_ieq(f->name, ER_LIT("cache-tag"));
		er_slice rest = f->value, tag;
		while (next_tag(&rest, commas ? ',' : ' ', &tag))
			each(ctx, tag);
	}
}

typedef struct tag_count {
	size_t n;
	bool too_long;
} tag_count;

static void count_tag(void *ctx, er_slice tag)
{
	tag_count *count = ctx;
	count->n++;
	count->too_long = count->too_long || tag.n > ER_PURGE_TAG_MAX;
}

bool er_scopes_all(const er_fields *response)
{
	tag_count count = {0};
	each_tag(response, count_tag, &count);
	return count.n <= ER_PURGE_TAGS && !count.too_long;
}

typedef struct tag_list {
	uint64_t *v;
	size_t n, cap;
} tag_list;

static void keep_tag(void *ctx, er_slice tag)
{
	tag_list *list = ctx;
	if (list->n < list->cap)
		list->v[list->n++] = er_purge_hash(tag);
}

er_scopes er_scopes_of(er_arena *a, er_slice where, uint64_t site, const er_fields *response)
{
	er_slice authority = er_slice_head(where, er_slice_find(where, '/'));
	er_scopes s = {.where = where, .site = site, .host = er_purge_hash(er_host_of(authority)), .url = er_purge_hash(where)};
	tag_count count = {0};
	if (response != NULL)
		each_tag(response, count_tag, &count);
	if (count.n == 0)
		return s;
	tag_list list = {.cap = count.n < ER_PURGE_TAGS ? count.n : ER_PURGE_TAGS};
	list.v = er_arena_alloc(a, list.cap * sizeof *list.v);
	each_tag(response, keep_tag, &list);
	s.tags = list.v;
	s.n_tags = (uint32_t)list.n;
	return s;
}

void er_scopes_copy_tags(er_arena *a, er_scopes *to, const er_scopes *from)
{
	uint64_t *tags = er_arena_alloc(a, from->n_tags * sizeof *tags);
	er_copy(tags, from->tags, from->n_tags * sizeof *tags);
	to->tags = tags;
	to->n_tags = from->n_tags;
}

static bool has_tag(const er_scopes *s, uint64_t tag)
{
	for (uint32_t i = 0; i < s->n_tags; i++)
		if (s->tags[i] == tag)
			return true;
	return false;
}

bool er_scopes_add_tags(er_arena *a, er_scopes *s, er_slice tags)
{
	er_slice rest = tags, tag;
	uint64_t new[ER_WISHED_TAGS];
	size_t n = 0;
	while (next_tag(&rest, ',', &tag)) {
		ER_ASSERT(n < ER_WISHED_TAGS);
		new[n] = er_purge_hash(tag);
		n += !has_tag(s, new[n]);
	}
	if (s->n_tags + n > ER_PURGE_TAGS)
		return false;
	if (n == 0)
		return true;
	uint64_t *all = er_arena_alloc(a, (s->n_tags + n) * sizeof *all);
	er_copy(all, s->tags, s->n_tags * sizeof *all);
	er_copy(all + s->n_tags, new, n * sizeof *all);
	s->tags = all;
	s->n_tags += (uint32_t)n;
	return true;
}
