/* All that is done with pieces beside storing them, on top of the index. A key has as many pieces
 * in memory as variants (ER_INDEX_VARIANTS), and looking at all of them is the price of a range
 * that is not stored as a whole. */
#include "cache/pieces.h"

#include "base/mem.h"
#include "cache/condition.h"

enum {
	PARTIAL = 206,
	JOINED_MOST = 4 << 20, /* bytes that one request puts together */
};

static bool is_multipart(const er_fields *response)
{
	const er_slice *type = er_fields_get(response, ER_LIT("content-type"));
	return type != NULL && type->n >= 10 && er_slice_ieq(er_slice_head(*type, 10), ER_LIT("multipart/"));
}

bool er_piece_fits(const er_fields *request, const er_fields *response, int64_t length)
{
	er_range said;
	er_ranges asked;
	uint64_t whole;
	return er_range_said(response, &said, &whole) && length >= 0 && (uint64_t)length == said.n && !is_multipart(response) &&
	       er_condition_strong(response) && er_ranges_of(request, response, whole, &asked) == ER_RANGE_PART && asked.n == 1 &&
	       asked.v[0].from == said.from && asked.v[0].n == said.n;
}

/* These ranges of the whole lie in the piece, and can be read from it. */
static bool holds(er_stored *piece, const er_ranges *r)
{
	er_range has = piece->piece;
	for (uint32_t i = 0; i < r->n; i++)
		if (r->v[i].from < has.from || r->v[i].from + r->v[i].n > has.from + has.n)
			return false;
	return r->n == 1 || er_content_kept(piece->content);
}

bool er_piece_covers(er_stored *piece, const er_fields *request, er_ranges *out)
{
	return piece->status == PARTIAL && piece->whole > 0 &&
	       er_ranges_of(request, &piece->fields, piece->whole, out) == ER_RANGE_PART && holds(piece, out);
}

/* The request would have selected it, but for its range. */
static bool selects(const er_stored *piece, const er_fields *request, er_arena *a)
{
	er_variant now;
	er_variant_like(a, &piece->variant, request, &now);
	for (uint32_t i = 0; i < now.n; i++)
		if (!er_slice_eq(now.v[i].name, ER_LIT("range")) && !er_variant_value_eq(now.v[i].value, piece->variant.v[i].value))
			return false;
	return true;
}

static bool same_field(const er_fields *a, const er_fields *b, er_slice name)
{
	const er_slice *one = er_fields_get(a, name), *other = er_fields_get(b, name);
	return one == NULL || other == NULL ? one == other : er_slice_eq(*one, *other);
}

static bool same_validators(const er_fields *a, const er_fields *b)
{
	return same_field(a, b, ER_LIT("etag")) && same_field(a, b, ER_LIT("last-modified"));
}

/* ---- several pieces as one ---- */

static bool same_tags(const er_scopes *a, const er_scopes *b)
{
	for (uint32_t i = 0; i < a->n_tags && a->n_tags == b->n_tags; i++)
		if (a->tags[i] != b->tags[i])
			return false;
	return a->n_tags == b->n_tags && a->site == b->site;
}

/* They say the same of the whole, and in the same way. */
static bool belong_together(const er_stored *a, const er_stored *b)
{
	return a->whole == b->whole && same_validators(&a->fields, &b->fields) && same_tags(&a->scopes, &b->scopes) &&
	       same_field(&a->fields, &b->fields, ER_LIT("content-type")) &&
	       same_field(&a->fields, &b->fields, ER_LIT("content-encoding")) &&
	       same_field(&a->fields, &b->fields, ER_LIT("cache-control")) && same_field(&a->fields, &b->fields, ER_LIT("vary"));
}

static uint64_t end_of(const er_stored *s)
{
	return s->piece.from + s->piece.n;
}

/* Of the pieces that have the byte at `at`, and belong to `like` if there is one, the one that goes
 * farthest. NULL: none has it. */
static er_stored *farthest(er_stored *const *v, size_t n, uint64_t at, const er_stored *like)
{
	er_stored *most = NULL;
	for (size_t i = 0; i < n; i++)
		if (v[i]->piece.from <= at && end_of(v[i]) > at && (like == NULL || belong_together(v[i], like)) &&
		    (most == NULL || end_of(v[i]) > end_of(most)))
			most = v[i];
	return most;
}

/* The pieces in order that together have the range: in `out`, which may get all. 0: there are none,
 * or they are too much. */
static size_t way_through(er_stored *const *v, size_t n, er_range r, uint64_t most, er_stored **out)
{
	size_t found = 0;
	uint64_t at = r.from;
	while (at < r.from + r.n) {
		er_stored *next = found < n ? farthest(v, n, at, found > 0 ? out[0] : NULL) : NULL;
		if (next == NULL || end_of(next) - (found > 0 ? out[0] : next)->piece.from > most)
			return 0;
		out[found++] = next;
		at = end_of(next);
	}
	return found;
}

static int64_t left_of(const er_stored *s, uint64_t now_us)
{
	return s->fresh.lifetime - er_stored_age_used(s, now_us);
}

/* The head of the piece that ends first, so that nothing is fresh for longer than it said. */
static er_stored *head_of_all(er_stored *const *v, size_t n, const er_fields *request, er_range is, er_content *all,
                              uint64_t now_us)
{
	er_arena scratch = {0};
	er_variant variant;
	const er_stored *first = v[0];
	uint64_t number = v[0]->number;
	for (size_t i = 1; i < n; i++) {
		first = left_of(v[i], now_us) < left_of(first, now_us) ? v[i] : first;
		number = v[i]->number < number ? v[i]->number : number;
	}
	er_fields fields = {0};
	for (uint32_t i = 0; i < first->fields.n; i++)
		er_fields_add(&fields, &scratch, first->fields.v[i].name, first->fields.v[i].value);
	er_fields_set(&fields, &scratch, ER_LIT("content-range"),
	              er_arena_printf(&scratch, "bytes %llu-%llu/%llu", (unsigned long long)is.from,
	                              (unsigned long long)(is.from + is.n - 1), (unsigned long long)first->whole));
	er_variant_like(&scratch, &first->variant, request, &variant);
	er_freshness fresh = first->fresh;
	fresh.age = er_stored_age(first, now_us);
	er_stored *s = er_stored_restore(first->key, first->hash, PARTIAL, first->reason, &fields, &variant, &fresh, all);
	s->came = first->came;
	s->kept_on_disk = false; /* when it is evicted, it goes there */
	er_scopes_copy_tags(&s->arena, &s->scopes, &first->scopes);
	er_stored_asked(s, first->scopes.site, number);
	er_arena_fini(&scratch);
	return s;
}

/* One reference to what is put together of these, which are fresh, in memory, and selected by the
 * request; or NULL. */
static er_stored *join(er_index *ix, er_stored *const *v, size_t n, er_range r, const er_fields *request, uint64_t purges,
                       uint64_t now_us)
{
	er_stored *way[ER_INDEX_VARIANTS];
	/* What would not stay would be put together for each request. */
	uint64_t most = er_index_max_object(ix) / 2;
	size_t parts = way_through(v, n, r, most < JOINED_MOST ? most : JOINED_MOST, way);
	if (parts < 2)
		return NULL;
	er_content *all = er_content_new();
	uint64_t from = way[0]->piece.from, at = from;
	for (size_t i = 0; i < parts; at = end_of(way[i++]))
		er_content_write_part(all, way[i]->content, at - way[i]->piece.from, end_of(way[i]) - at);
	er_content_end(all, ER_ERR_OK);
	er_stored *s = head_of_all(way, parts, request, (er_range){.from = from, .n = at - from}, all, now_us);
	er_content_unref(all);
	/* What it has, those need not have any more. */
	if (er_index_put_late(ix, s, purges))
		for (size_t i = 0; i < n; i++)
			if (belong_together(v[i], s) && v[i]->piece.from >= from && end_of(v[i]) <= at)
				er_index_drop(ix, v[i]);
	return s;
}

er_stored *er_piece_find(er_index *ix, er_slice key, uint64_t hash, const er_fields *request, uint64_t now_us)
{
	er_index_entry all;
	er_arena scratch = {0};
	er_ranges r;
	er_range_kind kind = ER_RANGE_WHOLE;
	uint64_t whole = 0; /* that r is of */
	er_stored *found = NULL, *some[ER_INDEX_VARIANTS];
	er_range asked = {0}; /* of those that `some` are of */
	size_t n = 0;
	uint64_t purges = er_index_purges(ix, hash);
	er_index_explain(ix, key, hash, now_us, &all);
	for (size_t i = 0; i < all.n; i++) {
		er_stored *it = all.variants[i];
		if (found == NULL && it->whole != whole) { /* once: the list may be long */
			whole = it->whole;
			kind = er_ranges_asked(request, whole, &r);
		}
		bool fits = found == NULL && kind == ER_RANGE_PART && er_condition_of_range(request, &it->fields) &&
		            er_freshness_use_at(&it->fresh, er_stored_age_used(it, now_us)) == ER_USE_FRESH &&
		            selects(it, request, &scratch);
		if (fits && holds(it, &r))
			found = it;
		else if (fits && r.n == 1 && (n == 0 || it->whole == some[0]->whole) && er_content_kept(it->content) &&
		         !er_content_is_behind(it->content)) {
			asked = r.v[0];
			some[n++] = it;
		} else
			er_stored_unref(it);
	}
	er_arena_fini(&scratch);
	if (found == NULL && n > 1)
		found = join(ix, some, n, asked, request, purges, now_us);
	for (size_t i = 0; i < n; i++)
		er_stored_unref(some[i]);
	if (found != NULL)
		er_index_used(found);
	return found;
}

bool er_pieces_outdated(er_index *ix, er_slice key, uint64_t hash, const er_fields *request, const er_fields *response)
{
	er_index_entry all;
	er_arena scratch = {0};
	bool any = false;
	er_index_explain(ix, key, hash, 0, &all);
	for (size_t i = 0; i < all.n; i++) {
		er_stored *it = all.variants[i];
		if (!same_validators(&it->fields, response) && selects(it, request, &scratch)) {
			er_index_drop(ix, it);
			any = true;
		}
		er_stored_unref(it);
	}
	er_arena_fini(&scratch);
	return any;
}
