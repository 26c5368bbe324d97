/* Volumes, and which of them a key is on.
 *
 * A volume's share of the keys is as its share of the bytes (weighted rendezvous hashing of its
 * path and the key): a file that is added or taken out moves only the keys that it gets or had. A
 * key is only ever looked for where it belongs now.
 *
 * The volumes in use are a set that never changes, and another set takes its place as a whole, for
 * threads look at it without a lock. A volume that is in no set any more is ended, and freed with
 * the disk: who reads from it, or writes a body to it, goes on. So are sets. */
#include "cache/disk.h"

#include "base/mem.h"
#include "cache/disk_index.h"

#include <math.h>

enum { MAGIC = 0x4449534b, STREAM = 0x44535452, OBJECT_PART = 10, CHANGES = 64 };

typedef struct place {
	er_volume *v;
	char *path;    /* own */
	uint64_t name; /* of it */
	uint64_t bytes;
} place;

typedef struct set {
	unsigned n;
	uint64_t max_object;
	place places[ER_DISK_VOLUMES];
} set;

struct er_disk {
	uint32_t magic;
	set *now;               /* atomic */
	uint64_t found, missed; /* atomic */
	/* of the one thread that makes changes; entries below n: atomic */
	set *sets[CHANGES];
	unsigned n_sets;
	place all[ER_DISK_VOLUMES * CHANGES]; /* all that there ever were */
	unsigned n_all;                       /* atomic */
};

/* No secret: paths do not change between two starts, and nor must this. */
static const er_siphash_key spread = {0x65646765, 0x726f7574};

static const set *set_of(const er_disk *d)
{
	ER_CHECK(d, MAGIC);
	return __atomic_load_n(&d->now, __ATOMIC_ACQUIRE);
}

static const place *place_of(const set *s, const char *path)
{
	for (unsigned i = 0; s != NULL && i < s->n; i++)
		if (er_slice_eq(er_slice_cstr(s->places[i].path), er_slice_cstr(path)))
			return &s->places[i];
	return NULL;
}

static bool has_volume(const set *s, const er_volume *v)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->places[i].v == v)
			return true;
	return false;
}

/* A new volume. The one before it that has the file lets go of it first (er_volume_end). Of a file
 * that was not in use a moment ago, or had failed, nobody knows what was made void meanwhile: it
 * begins empty. */
static place open_place(er_disk *d, const set *old, const er_volume_options *from)
{
	er_volume_options options = *from, *o = &options;
	const place *was = old != NULL ? place_of(old, o->path) : NULL;
	o->begins_empty = old != NULL && (was == NULL || er_volume_failed(was->v));
	place p = {.path = er_strdup_cstr(o->path), .name = er_siphash(&spread, er_slice_cstr(o->path)), .bytes = o->bytes};
	p.v = er_volume_new(o);
	d->all[d->n_all] = p;
	__atomic_store_n(&d->n_all, d->n_all + 1, __ATOMIC_RELEASE);
	return p;
}

bool er_disk_change(er_disk *d, const er_volume_options *files, unsigned n, bool again)
{
	ER_CHECK(d, MAGIC);
	ER_ASSERT(n <= ER_DISK_VOLUMES);
	set *old = d->now, *s = ER_NEW(set);
	*s = (set){.n = n, .max_object = n > 0 ? UINT64_MAX : 0};
	unsigned kept = 0;
	for (unsigned i = 0; i < n; i++) {
		const place *same = place_of(old, files[i].path);
		bool keeps = same != NULL && same->bytes == files[i].bytes && !(again && er_volume_failed(same->v));
		if (keeps)
			s->places[i] = *same;
		kept += keeps;
		if (files[i].bytes / OBJECT_PART < s->max_object)
			s->max_object = files[i].bytes / OBJECT_PART;
	}
	bool nothing = old != NULL && kept == n && old->n == n, room = d->n_sets < CHANGES;
	if (nothing || !room) {
		er_free(s);
		return nothing;
	}
	for (unsigned i = 0; old != NULL && i < old->n; i++)
		if (!has_volume(s, old->places[i].v))
			er_volume_end(old->places[i].v);
	for (unsigned i = 0; i < n; i++)
		if (s->places[i].v == NULL)
			s->places[i] = open_place(d, old, &files[i]);
	d->sets[d->n_sets++] = s;
	__atomic_store_n(&d->now, s, __ATOMIC_RELEASE);
	return true;
}

er_disk *er_disk_new(const er_volume_options *files, unsigned n)
{
	er_disk *d = ER_NEW(er_disk);
	*d = (er_disk){.magic = MAGIC};
	bool ok = er_disk_change(d, files, n, false);
	ER_ASSERT(ok);
	return d;
}

uint64_t er_disk_bytes_of(const er_disk *d, const char *path)
{
	const place *p = place_of(set_of(d), path);
	return p != NULL ? p->bytes : 0;
}

unsigned er_disk_files_in_use(const er_disk *d)
{
	return set_of(d)->n;
}

void er_disk_end(er_disk *d)
{
	ER_CHECK(d, MAGIC);
	for (unsigned i = 0; i < d->n_all; i++)
		er_volume_end(d->all[i].v);
}

void er_disk_free(er_disk *d)
{
	if (d == NULL)
		return;
	er_disk_end(d); /* all at once, and then one after the other */
	for (unsigned i = 0; i < d->n_all; i++) {
		er_volume_free(d->all[i].v);
		er_free(d->all[i].path);
	}
	for (unsigned i = 0; i < d->n_sets; i++)
		er_free(d->sets[i]);
	d->magic = 0;
	er_free(d);
}

uint64_t er_disk_max_object(const er_disk *d)
{
	return set_of(d)->max_object;
}

er_volume *er_disk_volume_of(const er_disk *d, er_slice key)
{
	const set *s = set_of(d);
	er_volume *best = NULL;
	double most = 0;
	uint64_t h = s->n > 1 ? er_siphash(&spread, key) : 0;
	for (unsigned i = 0; i < s->n; i++) {
		const place *p = &s->places[i];
		if (er_volume_failed(p->v))
			continue;
		if (s->n == 1)
			return p->v;
		const uint64_t both[] = {h, p->name};
		double u = ((double)(er_siphash(&spread, er_slice_of(both, sizeof both)) >> 11) + 0.5) / (double)(1ULL << 53);
		double score = (double)p->bytes / -log(u);
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

void er_disk_refuse(er_disk *d, er_slice key)
{
	ER_CHECK(d, MAGIC);
	er_volume *v = er_disk_volume_of(d, key);
	if (v != NULL)
		er_volume_refuse(v, key);
}

void er_disk_put(er_disk *d, er_stored *s)
{
	ER_CHECK(d, MAGIC);
	er_volume *v = er_disk_volume_of(d, s->key);
	if (v == NULL)
		return;
	if (er_content_length(s->content) <= er_disk_max_object(d))
		(void)!er_volume_put(v, s); /* the volume counts what it does not take */
	else
		er_volume_drop(v, s->key, s->hash, NULL); /* what is there is older */
}

/* From every file: a key may have been another one's before files came, went or failed, and may
 * become that one's again. Where nothing is of it, this is a look into the index. */
void er_disk_drop_told(er_disk *d, er_slice key, uint64_t hash, er_latch *told)
{
	ER_CHECK(d, MAGIC);
	const set *s = set_of(d);
	for (unsigned i = 0; i < s->n; i++)
		if (!er_volume_failed(s->places[i].v))
			er_volume_drop(s->places[i].v, key, hash, told);
}

void er_disk_drop(er_disk *d, er_slice key, uint64_t hash)
{
	er_disk_drop_told(d, key, hash, NULL);
}

static bool takes(er_volume *v)
{
	return v != NULL && er_volume_serves(v) && er_volume_writes(v);
}

bool er_disk_takes(const er_disk *d, er_slice key)
{
	return takes(er_disk_volume_of(d, key));
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
	if (!takes(v))
		return NULL;
	er_disk_stream *w = ER_NEW(er_disk_stream);
	*w = (er_disk_stream){
	    .magic = STREAM, .v = v, .key = er_volume_hash(v, key), .id = er_volume_next_id(v), .most = er_disk_max_object(d)};
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

/* What there is: of the volumes in use. What was counted: of all that there ever were. */
er_disk_stats er_disk_statistics(er_disk *d)
{
	const set *now = set_of(d);
	er_disk_stats all = {.files = now->n,
	                     .found = __atomic_load_n(&d->found, __ATOMIC_RELAXED),
	                     .missed = __atomic_load_n(&d->missed, __ATOMIC_RELAXED)};
	unsigned n = __atomic_load_n(&d->n_all, __ATOMIC_ACQUIRE);
	for (unsigned i = 0; i < n; i++) {
		er_volume_stats s = er_volume_statistics(d->all[i].v), *a = &all.all;
#define ADD(counter) a->counter += s.counter
		ADD(written_bytes), ADD(read_bytes), ADD(reads), ADD(skipped), ADD(waiting);
		ADD(refused), ADD(damaged), ADD(errors), ADD(segments_reclaimed), ADD(reinserted);
		if (s.number > a->number)
			a->number = s.number;
		if (!has_volume(now, d->all[i].v))
			continue;
		all.failed += er_volume_failed(d->all[i].v);
		ADD(bytes), ADD(records), ADD(index_bytes);
#undef ADD
	}
	return all;
}

unsigned er_disk_list(er_disk *d, er_disk_file out[ER_DISK_VOLUMES])
{
	const set *s = set_of(d);
	for (unsigned i = 0; i < s->n; i++) {
		const place *p = &s->places[i];
		out[i] = (er_disk_file){
		    .path = p->path, .state = er_volume_now(p->v), .bytes = p->bytes, .records = er_volume_statistics(p->v).records};
	}
	return s->n;
}

bool er_disk_ready(er_disk *d)
{
	const set *s = set_of(d);
	bool ready = true;
	for (unsigned i = 0; i < s->n; i++)
		ready = ready && er_volume_now(s->places[i].v) != VOLUME_OPENING;
	return ready;
}

bool er_disk_idle(er_disk *d)
{
	unsigned n = __atomic_load_n(&d->n_all, __ATOMIC_ACQUIRE);
	bool idle = true;
	for (unsigned i = 0; i < n; i++)
		idle = idle && er_volume_idle(d->all[i].v);
	return idle;
}
