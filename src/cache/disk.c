/* Volumes, and which of them a key is on.
 *
 * A volume's share of the keys is as its share of the bytes (weighted rendezvous hashing of its
 * path and the key): a file that is added or taken out moves only the keys that it gets or had. A
 * key is only ever looked for where it belongs now. */
#include "cache/disk.h"

#include "base/mem.h"
#include "cache/disk_index.h"

#include <math.h>

enum { MAGIC = 0x4449534b, STREAM = 0x44535452, OBJECT_PART = 10 };

typedef struct place {
	er_volume *v;
	uint64_t name; /* of its path */
	double weight;
} place;

struct er_disk {
	uint32_t magic;
	unsigned n;
	uint64_t max_object;
	uint64_t found, missed; /* atomic */
	place places[ER_DISK_VOLUMES];
};

/* No secret: paths do not change between two starts, and nor must this. */
static const er_siphash_key spread = {0x65646765, 0x726f7574};

er_disk *er_disk_new(const er_volume_options *files, unsigned n)
{
	ER_ASSERT(n > 0 && n <= ER_DISK_VOLUMES);
	er_disk *d = ER_NEW(er_disk);
	*d = (er_disk){.magic = MAGIC, .n = n, .max_object = UINT64_MAX};
	for (unsigned i = 0; i < n; i++) {
		d->places[i] = (place){.v = er_volume_new(&files[i]),
		                       .name = er_siphash(&spread, er_slice_cstr(files[i].path)),
		                       .weight = (double)files[i].bytes};
		if (files[i].bytes / OBJECT_PART < d->max_object)
			d->max_object = files[i].bytes / OBJECT_PART;
	}
	return d;
}

void er_disk_end(er_disk *d)
{
	ER_CHECK(d, MAGIC);
	for (unsigned i = 0; i < d->n; i++)
		er_volume_end(d->places[i].v);
}

void er_disk_free(er_disk *d)
{
	if (d == NULL)
		return;
	er_disk_end(d); /* all at once, and then one after the other */
	for (unsigned i = 0; i < d->n; i++)
		er_volume_free(d->places[i].v);
	d->magic = 0;
	er_free(d);
}

uint64_t er_disk_max_object(const er_disk *d)
{
	return d->max_object;
}

er_volume *er_disk_volume_of(const er_disk *d, er_slice key)
{
	ER_CHECK(d, MAGIC);
	er_volume *best = NULL;
	double most = 0;
	uint64_t h = d->n > 1 ? er_siphash(&spread, key) : 0;
	for (unsigned i = 0; i < d->n; i++) {
		const place *p = &d->places[i];
		if (er_volume_failed(p->v))
			continue;
		if (d->n == 1)
			return p->v;
		const uint64_t both[] = {h, p->name};
		double u = ((double)(er_siphash(&spread, er_slice_of(both, sizeof both)) >> 11) + 0.5) / (double)(1ULL << 53);
		double score = p->weight / -log(u);
		if (best == NULL || score > most) {
			best = p->v;
			most = score;
		}
	}
	return best;
}

/* ---- storing ---- */

bool er_disk_wants(er_disk *d, er_slice key)
{
	ER_CHECK(d, MAGIC);
	er_volume *v = er_disk_volume_of(d, key);
	return v != NULL && er_volume_wants(v, key);
}

void er_disk_put(er_disk *d, er_stored *s)
{
	ER_CHECK(d, MAGIC);
	er_volume *v = er_disk_volume_of(d, s->key);
	if (v != NULL && er_content_length(s->content) <= d->max_object)
		(void)!er_volume_put(v, s); /* the volume counts what it does not take */
}

void er_disk_drop(er_disk *d, er_slice key, uint64_t hash)
{
	ER_CHECK(d, MAGIC);
	er_volume *v = er_disk_volume_of(d, key);
	if (v != NULL)
		er_volume_drop(v, key, hash);
}

bool er_disk_takes(const er_disk *d, er_slice key)
{
	er_volume *v = er_disk_volume_of(d, key);
	return v != NULL && er_volume_serves(v) && er_volume_writes(v);
}

struct er_disk_stream {
	uint32_t magic;
	er_volume *v;
	er_disk_hash key;
	uint64_t id, n; /* parts that were put */
	uint64_t length, most;
	er_chunk *part; /* that fills up; NULL: there is none */
	size_t have;    /* of it */
	bool failed;
};

er_disk_stream *er_disk_stream_new(er_disk *d, er_slice key)
{
	ER_CHECK(d, MAGIC);
	er_volume *v = er_disk_volume_of(d, key);
	if (!er_disk_takes(d, key))
		return NULL;
	er_disk_stream *w = ER_NEW(er_disk_stream);
	*w = (er_disk_stream){
	    .magic = STREAM, .v = v, .key = er_volume_hash(v, key), .id = er_volume_next_id(v), .most = d->max_object};
	return w;
}

/* Puts the part that is full, or the last one. */
static bool put_part(er_disk_stream *w)
{
	er_piece piece = er_piece_take(w->part, w->have);
	bool ok = er_volume_put_part(w->v, w->key, w->id, w->n++, piece);
	w->part = NULL;
	w->have = 0;
	er_piece_drop(&piece);
	return ok;
}

bool er_disk_stream_write(er_disk_stream *w, er_piece piece)
{
	ER_CHECK(w, STREAM);
	er_slice rest = er_piece_slice(piece);
	w->length += rest.n;
	w->failed = w->failed || w->length > w->most;
	while (rest.n > 0 && !w->failed) {
		if (w->part == NULL)
			w->part = er_chunk_new(ER_DISK_PART);
		size_t room = ER_DISK_PART - w->have, n = rest.n < room ? rest.n : room;
		er_copy(w->part->bytes + w->have, rest.p, n);
		w->have += n;
		rest = er_slice_from(rest, n);
		if (w->have == ER_DISK_PART)
			w->failed = !put_part(w);
	}
	return !w->failed;
}

bool er_disk_stream_end(er_disk_stream *w, er_stored *s)
{
	ER_CHECK(w, STREAM);
	if (!w->failed && w->have > 0)
		w->failed = !put_part(w);
	return !w->failed && w->length > 0 && er_volume_put_head(w->v, s, w->id, w->length);
}

void er_disk_stream_free(er_disk_stream *w)
{
	if (w == NULL)
		return;
	ER_CHECK(w, STREAM);
	er_chunk_unref(w->part);
	w->magic = 0;
	er_free(w);
}

/* ---- finding: on the asker's thread ---- */

bool er_disk_has(const er_disk *d, er_slice key)
{
	ER_CHECK(d, MAGIC);
	er_volume *v = er_disk_volume_of(d, key);
	return v != NULL && er_volume_serves(v) && er_volume_has(v, er_volume_hash(v, key));
}

bool er_disk_used(er_disk *d, er_slice key, uint32_t uses)
{
	ER_CHECK(d, MAGIC);
	er_volume *v = er_disk_volume_of(d, key);
	if (v == NULL || !er_volume_serves(v))
		return false;
	er_disk_hash hash = er_volume_hash(v, key);
	bool there = er_volume_has(v, hash);
	for (uint32_t i = 0; there && i < uses && i < ER_DISK_USES; i++)
		there = er_volume_use(v, hash);
	return there;
}

void er_disk_found(er_disk *d, bool found)
{
	__atomic_fetch_add(found ? &d->found : &d->missed, 1, __ATOMIC_RELAXED);
}

/* ---- figures ---- */

er_disk_stats er_disk_statistics(er_disk *d)
{
	ER_CHECK(d, MAGIC);
	er_disk_stats all = {.files = d->n,
	                     .found = __atomic_load_n(&d->found, __ATOMIC_RELAXED),
	                     .missed = __atomic_load_n(&d->missed, __ATOMIC_RELAXED)};
	for (unsigned i = 0; i < d->n; i++) {
		er_volume_stats s = er_volume_statistics(d->places[i].v), *a = &all.all;
		all.failed += er_volume_failed(d->places[i].v);
#define ADD(counter) a->counter += s.counter
		ADD(bytes), ADD(records), ADD(index_bytes), ADD(written_bytes), ADD(read_bytes), ADD(reads), ADD(skipped);
		ADD(waiting), ADD(refused), ADD(damaged), ADD(errors), ADD(segments_reclaimed), ADD(reinserted);
#undef ADD
		if (s.number > a->number)
			a->number = s.number;
	}
	return all;
}

bool er_disk_ready(er_disk *d)
{
	ER_CHECK(d, MAGIC);
	bool ready = true;
	for (unsigned i = 0; i < d->n; i++)
		ready = ready && er_volume_now(d->places[i].v) != VOLUME_OPENING;
	return ready;
}

bool er_disk_idle(er_disk *d)
{
	ER_CHECK(d, MAGIC);
	bool idle = true;
	for (unsigned i = 0; i < d->n; i++)
		idle = idle && er_volume_idle(d->places[i].v);
	return idle;
}
