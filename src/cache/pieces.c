/* All that is done with pieces beside storing them, on top of the index. A key has as many pieces
 * in memory as variants (ER_INDEX_VARIANTS), and looking at all of them is the price of a range
 * that is not stored as a whole. */
#include "cache/pieces.h"

#include "base/mem.h"
#include "cache/condition.h"

enum { PARTIAL = 206 };

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

er_stored *er_piece_find(er_index *ix, er_slice key, uint64_t hash, const er_fields *request, uint64_t now_us)
{
	er_index_entry all;
	er_arena scratch = {0};
	er_ranges r;
	er_range_kind kind = ER_RANGE_WHOLE;
	uint64_t whole = 0; /* that r is of */
	er_stored *found = NULL;
	er_index_explain(ix, key, hash, now_us, &all);
	for (size_t i = 0; i < all.n; i++) {
		er_stored *it = all.variants[i];
		if (found == NULL && it->whole != whole) { /* once: the list may be long */
			whole = it->whole;
			kind = er_ranges_asked(request, whole, &r);
		}
		if (found == NULL && kind == ER_RANGE_PART && holds(it, &r) && er_condition_of_range(request, &it->fields) &&
		    er_freshness_use_at(&it->fresh, er_stored_age_used(it, now_us)) == ER_USE_FRESH && selects(it, request, &scratch))
			found = it;
		else
			er_stored_unref(it);
	}
	er_arena_fini(&scratch);
	if (found != NULL)
		er_index_used(found);
	return found;
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
