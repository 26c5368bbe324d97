/* What people ask of the index: what there is of a key or a URL, and what is used most. */
#include "cache/index_inside.h"

#include "cache/key.h"

void er_index_explain(er_index *ix, er_slice key, uint64_t hash, uint64_t now_us, er_index_entry *out)
{
	*out = (er_index_entry){0};
	er_index_shard *s = er_index_shard_of(ix, hash);
	pthread_mutex_lock(&s->lock);
	const er_index_key *e = *er_index_place_of(s, key, hash);
	for (er_stored *it = e != NULL ? e->variants : NULL; it != NULL && out->n < ER_INDEX_VARIANTS; it = it->next_in_key)
		if (!er_index_purged(ix, it))
			out->variants[out->n++] = er_stored_ref(it);
	out->under_way = e != NULL && e->fill != NULL;
	if (e != NULL && e->alone_until_us > now_us)
		out->alone = e->why_alone;
	pthread_mutex_unlock(&s->lock);
}

typedef struct where_question {
	er_slice where;
	er_index_entry *out;
} where_question;

static void explain_one(void *ctx, er_index *ix, er_index_shard *s, er_index_key *e)
{
	(void)s;
	const where_question *q = ctx;
	er_index_entry *out = q->out;
	if (!er_slice_eq(er_key_where(e->key), q->where))
		return;
	out->under_way = out->under_way || e->fill != NULL;
	for (er_stored *it = e->variants; it != NULL && out->n < ER_INDEX_VARIANTS; it = it->next_in_key)
		if (!er_index_purged(ix, it))
			out->variants[out->n++] = er_stored_ref(it);
}

void er_index_explain_where(er_index *ix, er_slice where, er_index_entry *out)
{
	*out = (er_index_entry){0};
	er_index_walk(ix, explain_one, &(where_question){where, out});
}

static uint32_t hits_of(const er_stored *it)
{
	return __atomic_load_n(&it->hits, __ATOMIC_RELAXED);
}

/* Puts it where it belongs; what has no place any more is let go of. */
static size_t insert_by_hits(er_stored **out, size_t n, size_t most, er_stored *it)
{
	if (n == most && hits_of(out[n - 1]) >= hits_of(it))
		return n;
	if (n == most)
		er_stored_unref(out[--n]);
	size_t at = n;
	while (at > 0 && hits_of(out[at - 1]) < hits_of(it)) {
		out[at] = out[at - 1];
		at--;
	}
	out[at] = er_stored_ref(it);
	return n + 1;
}

static bool listed_among(er_stored *const *list, size_t n, const er_stored *it)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == it)
			return true;
	return false;
}

typedef struct top_question {
	er_stored **out;
	size_t n, most;
} top_question;

static void top_of_one(void *ctx, er_index *ix, er_index_shard *s, er_index_key *e)
{
	(void)s;
	top_question *q = ctx;
	for (er_stored *it = e->variants; it != NULL; it = it->next_in_key)
		if (hits_of(it) > 0 && !er_index_purged(ix, it) && !listed_among(q->out, q->n, it))
			q->n = insert_by_hits(q->out, q->n, q->most, it);
}

size_t er_index_top(er_index *ix, er_stored **out, size_t most)
{
	ER_ASSERT(most > 0);
	top_question q = {.out = out, .most = most};
	er_index_walk(ix, top_of_one, &q);
	return q.n;
}
