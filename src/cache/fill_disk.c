/* What a fill does with the disk beside asking it: hands it what came.
 *
 * A response whose content is whole in memory is put as it is, when its last byte has come; or, if
 * the disk is full and did not refuse the key lately, when memory has no room for it any more and
 * it was used there (er_keep_evicted), or when the node ends (er_keep_hot). What is asked for once
 * takes nobody's place, and what memory has is not in both for long. One that is too long for the
 * memory is a stream: its bytes go to the disk as they pass by, and its head follows when they are
 * all there. A key that was purged while its fill was under way is dropped again, behind what was
 * put: the purge may have come before.
 *
 * A coded form that is made later is put with the head of its response, and with its body if that
 * lies in the head. */
#include "cache/fill.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cache/index_inside.h"
#include "cache/task.h"

#include <stdlib.h>

enum { AT_ONCE = ER_DISK_PART, WORTH_S = 10, HOT_BYTES = 48 << 20 /* fit into the queue of a volume */ };

/* It may be used for so long without asking that a write is worth it. */
static bool lives(const er_stored *s)
{
	const er_freshness *f = &s->fresh;
	int64_t stale = f->while_revalidate > f->if_error ? f->while_revalidate : f->if_error;
	return f->lifetime + stale - er_stored_age(s, er_clock_mono_us()) >= WORTH_S;
}

/* The same, or it can be validated without its bytes. */
static bool is_worth(const er_stored *s)
{
	return lives(s) || er_fields_get(&s->fields, ER_LIT("etag")) != NULL ||
	       er_fields_get(&s->fields, ER_LIT("last-modified")) != NULL;
}

static void put(er_disk *d, er_stored *s)
{
	__atomic_store_n(&s->kept_on_disk, true, __ATOMIC_RELAXED);
	er_disk_put(d, s);
	if (er_stored_purged(s))
		er_disk_drop(d, s->key, s->hash);
}

/* What took its place in the index meanwhile may have been put on the disk before it: then the key
 * has nothing there any more, which is never wrong. */
void er_keep_form(er_index *ix, er_disk *d, er_stored *s, er_coding coding)
{
	unsigned bit = 1u << coding, before = __atomic_fetch_or(&s->forms, (uint8_t)bit, __ATOMIC_RELAXED);
	if ((before & bit) != 0 || !er_index_weigh(ix, s))
		return;
	if (d == NULL || !__atomic_load_n(&s->kept_on_disk, __ATOMIC_RELAXED) || !is_worth(s))
		return;
	put(d, s);
	if (!er_index_weigh(ix, s))
		er_disk_drop(d, s->key, s->hash);
}

/* What came in its place meanwhile may be on the disk already, and is newer. */
void er_keep_evicted(void *disk, er_index *ix, er_stored *s, uint64_t purges)
{
	uint32_t hits = __atomic_load_n(&s->hits, __ATOMIC_RELAXED);
	if (er_disk_used(disk, s->key, hits) || !er_content_kept(s->content) || !is_worth(s))
		return;
	if (hits == 0) {
		er_disk_refuse(disk, s->key);
		return;
	}
	put(disk, s);
	if (er_index_purged_since(ix, s->hash, purges) || er_index_has(ix, s->key, s->hash))
		er_disk_drop(disk, s->key, s->hash);
}

/* Counted once: who hands over serves on, and its hits count on. */
typedef struct hot_one {
	er_stored *s;
	uint32_t hits;
} hot_one;

typedef struct hot {
	hot_one *v;
	size_t n, cap;
} hot;

static void add_hot(void *ctx, er_index *ix, er_index_shard *shard, er_index_key *e)
{
	(void)shard;
	hot *h = ctx;
	for (er_stored *it = e->variants; it != NULL; it = it->next_in_key) {
		uint32_t hits = __atomic_load_n(&it->hits, __ATOMIC_RELAXED);
		if (hits == 0 || !er_content_kept(it->content) || er_index_purged(ix, it))
			continue;
		if (h->n == h->cap) {
			h->cap = h->cap * 2 + 64;
			h->v = er_realloc(h->v, h->cap * sizeof *h->v);
		}
		h->v[h->n++] = (hot_one){.s = er_stored_ref(it), .hits = hits};
	}
}

static int by_hits(const void *a, const void *b)
{
	uint32_t x = ((const hot_one *)a)->hits, y = ((const hot_one *)b)->hits;
	return (x < y) - (x > y);
}

void er_keep_hot(er_index *ix, er_disk *d)
{
	hot h = {0};
	size_t bytes = 0;
	er_index_walk(ix, add_hot, &h);
	if (h.n > 0)
		qsort(h.v, h.n, sizeof *h.v, by_hits);
	for (size_t i = 0; i < h.n; i++) {
		er_stored *s = h.v[i].s;
		size_t cost = er_stored_cost(s);
		if (bytes + cost <= HOT_BYTES && er_disk_takes(d, s->key) && !er_disk_has(d, s->key) && is_worth(s)) {
			bytes += cost;
			put(d, s);
			/* Who hands over serves on: what came in its place may be on the disk already. */
			if (!er_index_weigh(ix, s))
				er_disk_drop(d, s->key, s->hash);
		}
		er_stored_unref(s);
	}
	er_free(h.v);
}

void er_keep_put(er_disk *d, er_index *ix, er_stored *s, bool in)
{
	if (d == NULL)
		return;
	if (!in || !is_worth(s) || !er_disk_wants(d, s->key)) {
		er_disk_drop(d, s->key, s->hash);
		return;
	}
	put(d, s);
	/* what is there now is newer */
	if (!er_index_weigh(ix, s) && er_index_has(ix, s->key, s->hash))
		er_disk_drop(d, s->key, s->hash);
}

void er_fill_store(er_fill *f, er_stored *s)
{
	er_disk *d = f->cache->disk;
	bool renewed = f->stale != NULL && s->content == f->stale->content;
	if (d == NULL || !f->kept || !er_content_kept(s->content))
		return;
	if (renewed ? lives(s) : is_worth(s)) {
		if (er_disk_wants(d, f->key))
			put(d, s);
		/* While it came, it may have left the index: a purge did not find it there then, and what
		 * is there now is newer. */
		er_index *ix = f->cache->index;
		if (er_index_purged_since(ix, f->hash, f->purges) || (!er_index_weigh(ix, s) && er_index_has(ix, f->key, f->hash)))
			er_disk_drop(d, f->key, f->hash);
	} else if (!renewed) {
		/* what is there is older; of one that was renewed it has the content, and may stay */
		er_disk_drop(d, f->key, f->hash);
	}
}

void er_fill_void(er_fill *f)
{
	if (f->cache->disk != NULL && f->key.n > 0)
		er_disk_drop(f->cache->disk, f->key, f->hash);
}

bool er_fill_fits_disk(const er_fill *f, int64_t length)
{
	const er_disk *d = f->cache->disk;
	return d != NULL && f->key.n > 0 && length > 0 && (uint64_t)length <= er_disk_max_object(d) && er_disk_takes(d, f->key);
}

void er_fill_stream(er_fill *f)
{
	er_disk *d = f->cache->disk;
	ER_ASSERT(f->stream == NULL);
	if (d == NULL || !f->kept || er_stored_purged(f->written) || !is_worth(f->written))
		return;
	if (!er_disk_wants(d, f->key)) {
		er_disk_refuse(d, f->key); /* memory does not have it meanwhile */
		return;
	}
	f->stream = er_disk_stream_new(d, f->key);
	uint64_t have = er_content_length(f->content);
	for (uint64_t at = 0; at < have && f->stream != NULL;) {
		size_t n = have - at < AT_ONCE ? (size_t)(have - at) : AT_ONCE;
		er_chunk *c = er_chunk_new(n);
		er_content_copy(f->content, at, c->bytes, n);
		er_piece piece = er_piece_take(c, n);
		er_fill_stream_piece(f, piece);
		er_piece_drop(&piece);
		at += n;
	}
}

static void end_stream(er_fill *f)
{
	er_disk_stream *w = f->stream;
	f->stream = NULL;
	er_disk_stream_free(w);
}

void er_fill_stream_piece(er_fill *f, er_piece piece)
{
	if (f->stream != NULL && !er_disk_stream_write(f->stream, piece))
		end_stream(f);
}

void er_fill_stream_end(er_fill *f, bool whole)
{
	if (f->stream == NULL)
		return;
	bool put = whole && er_disk_stream_end(f->stream, f->written);
	if (put && er_index_purged_since(f->cache->index, f->hash, f->purges))
		er_disk_drop(f->cache->disk, f->key, f->hash);
	end_stream(f);
}
