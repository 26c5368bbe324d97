/* The end of a volume at which is written.
 *
 * The ring has one open segment, or none: before the first record, and after a seal. A record goes
 * into `buf` and into `pending`; a flush writes the buffer, and then what is pending is found. A
 * record that does not fit seals the segment. The next one takes the place of the oldest: what was
 * used there since it was written is read into memory first, three quarters of a segment at most,
 * the most used first, and is written again at the beginning, with one use less.
 *
 * All of it on the writer's thread; only the mark of a pending record that it was dropped comes
 * from others, under the lock. A segment is written once, from its beginning to its end. */
#include "cache/disk_inside.h"

#include "base/mem.h"

enum { BUFFER = 1 << 20, KEPT_PARTS = 3, PARTS = 4 };

/* What is saved of the oldest segment. */
typedef struct kept {
	er_piece payload;
	er_disk_record record;
	uint8_t uses;
} kept;

typedef struct keeping {
	kept *v;
	uint32_t n, cap;
	uint64_t bytes;
} keeping;

static size_t rounded(uint32_t units)
{
	return (size_t)units * ER_DISK_UNIT;
}

/* With its line and the seal. */
static bool has_room(const er_volume *v, uint32_t units)
{
	size_t lines = (v->ring.n_lines + 1) * sizeof(er_disk_line);
	return v->ring.at + rounded(units) + lines + sizeof(er_disk_seal) <= v->label.segment_bytes;
}

static bool write_at(er_volume *v, const void *p, size_t n, uint64_t at)
{
	int e = v->io->write(v->io->self, v->fd, p, n, at);
	if (e != 0) {
		ER_DISK_COUNT(v, errors, 1);
		er_volume_fail(v, "it cannot be written", -e);
		return false;
	}
	ER_DISK_COUNT(v, written_bytes, n);
	return true;
}

bool er_ring_flush(er_volume *v)
{
	er_disk_ring *r = &v->ring;
	er_slice bytes = er_buf_slice(&r->buf);
	ER_ASSERT(r->written + bytes.n == (r->open ? r->at : 0));
	if (bytes.n > 0 && !write_at(v, bytes.p, bytes.n, er_disk_segment_at(v, r->slot) + r->written))
		return false;
	r->written += (uint32_t)bytes.n;
	er_buf_clear(&r->buf);
	pthread_mutex_lock(&v->lock);
	bool failed = v->state.now == VOLUME_FAILED;
	for (uint32_t i = 0; i < v->n_pending && !failed; i++) {
		const er_disk_pending *p = &v->pending[i];
		if (!p->dead)
			er_disk_index_put(v->index, p->hash, p->at, p->units, p->uses);
	}
	v->n_pending = 0;
	pthread_mutex_unlock(&v->lock);
	return !failed;
}

static void add_line(er_disk_ring *r, er_disk_line line)
{
	if (r->n_lines == r->cap_lines) {
		r->cap_lines = r->cap_lines * 2 + 256;
		r->lines = er_realloc(r->lines, r->cap_lines * sizeof *r->lines);
	}
	r->lines[r->n_lines++] = line;
}

static void add_pending(er_volume *v, er_disk_pending p, const bool *dropped)
{
	pthread_mutex_lock(&v->lock);
	if (v->n_pending == v->cap_pending) {
		v->cap_pending = v->cap_pending * 2 + 64;
		v->pending = er_realloc(v->pending, v->cap_pending * sizeof *v->pending);
	}
	p.dead = dropped != NULL && *dropped;
	v->pending[v->n_pending++] = p;
	pthread_mutex_unlock(&v->lock);
}

/* There is room in the segment. */
static void put_record(er_volume *v, er_disk_kind kind, er_disk_hash hash, uint64_t number, er_slice payload, unsigned uses,
                       const bool *dropped)
{
	er_disk_ring *r = &v->ring;
	uint32_t units = er_disk_units(payload.n);
	size_t n = rounded(units), used = sizeof(er_disk_record) + payload.n;
	uint8_t *to = er_buf_reserve(&r->buf, n);
	er_disk_put_record(to, kind, hash, r->sequence, number, payload);
	er_copy(to + sizeof(er_disk_record), payload.p, payload.n);
	memset(to + used, 0, n - used);
	er_buf_wrote(&r->buf, n);
	add_line(r, (er_disk_line){.hash = hash, .at = r->at / ER_DISK_UNIT, .what = (uint32_t)kind << 24 | units});
	uint64_t at = (er_disk_segment_at(v, r->slot) + r->at) / ER_DISK_UNIT;
	if (kind != ER_DISK_GONE)
		add_pending(v, (er_disk_pending){.hash = hash, .at = at, .units = units, .uses = (uint8_t)uses}, dropped);
	r->at += (uint32_t)n;
	if (number > r->number)
		r->number = number;
}

/* ---- room ---- */

static uint32_t oldest_slot(const er_volume *v)
{
	uint32_t oldest = 0;
	for (uint32_t i = 1; i < v->n_slots; i++)
		if (v->slots[i].sequence < v->slots[oldest].sequence)
			oldest = i;
	return oldest;
}

/* Reads one record of the segment that goes; it may be damaged, and then it goes, too. */
static void keep(er_volume *v, keeping *k, const er_disk_line *line, uint64_t at, unsigned uses)
{
	kept one = {.uses = (uint8_t)(uses - 1)};
	one.payload = er_disk_record_read(v, at, er_disk_line_units(line), false, &one.record);
	if (one.payload.chunk == NULL || !er_disk_hash_eq(one.record.hash, line->hash)) {
		er_piece_drop(&one.payload);
		er_disk_index_drop_at(v->index, line->hash, at);
		return;
	}
	if (k->n == k->cap) {
		k->cap = k->cap * 2 + 16;
		k->v = er_realloc(k->v, k->cap * sizeof *k->v);
	}
	k->v[k->n++] = one;
	k->bytes += rounded(er_disk_line_units(line));
}

/* Saves what was used, the most used first, and clears the entries of the rest. */
static void empty_slot(er_volume *v, uint32_t slot, keeping *k)
{
	er_disk_line *lines;
	uint32_t n;
	uint64_t number, base = er_disk_segment_at(v, slot) / ER_DISK_UNIT,
	                 most = (uint64_t)v->label.segment_bytes / PARTS * KEPT_PARTS;
	if (!er_disk_survey(v, slot, &lines, &n, &number))
		return;
	for (unsigned uses = ER_DISK_USES; uses > 0; uses--)
		for (uint32_t i = 0; i < n; i++) {
			er_disk_entry e = er_disk_index_get(v->index, lines[i].hash);
			uint64_t at = base + lines[i].at;
			bool here = e != 0 && er_disk_entry_at(v->index, e) == at && er_disk_entry_uses(e) == uses;
			if (!here || lines[i].what == 0)
				continue;
			if (k->bytes + rounded(er_disk_line_units(&lines[i])) <= most)
				keep(v, k, &lines[i], at, uses);
			else
				er_disk_index_drop_at(v->index, lines[i].hash, at);
			lines[i].what = 0;
		}
	for (uint32_t i = 0; i < n; i++)
		if (lines[i].what != 0)
			er_disk_index_drop_at(v->index, lines[i].hash, base + lines[i].at);
	er_free(lines);
	ER_DISK_COUNT(v, segments_reclaimed, 1);
	ER_DISK_COUNT(v, reinserted, k->n);
}

static void put_kept(er_volume *v, keeping *k)
{
	for (uint32_t i = 0; i < k->n; i++) {
		kept *one = &k->v[i];
		er_slice payload = er_piece_slice(one->payload);
		ER_ASSERT(has_room(v, er_disk_units(payload.n)));
		put_record(v, (er_disk_kind)one->record.kind, one->record.hash, one->record.number, payload, one->uses, NULL);
		er_piece_drop(&one->payload);
	}
	er_free(k->v);
}

static void set_replaces(er_volume *v, bool replaces)
{
	pthread_mutex_lock(&v->lock);
	v->replaces = replaces;
	pthread_cond_broadcast(&v->replaced);
	pthread_mutex_unlock(&v->lock);
}

static bool open_segment(er_volume *v)
{
	er_disk_ring *r = &v->ring;
	keeping k = {0};
	uint32_t slot = oldest_slot(v);
	ER_ASSERT(!r->open && v->n_pending == 0);
	if (v->slots[slot].sequence > 0) {
		__atomic_store_n(&v->wrapped, true, __ATOMIC_RELAXED);
		empty_slot(v, slot, &k);
		er_disk_index_measure_refused(v->index);
	}
	r->slot = slot;
	r->sequence++;
	v->slots[slot].sequence = r->sequence;
	r->open = true;
	r->n_lines = 0;
	r->number = 0;
	r->written = 0;
	r->at = ER_DISK_BLOCK;
	er_disk_put_segment(er_buf_reserve(&r->buf, ER_DISK_BLOCK), v->label.file_id, r->sequence);
	er_buf_wrote(&r->buf, ER_DISK_BLOCK);
	put_kept(v, &k);
	set_replaces(v, true);
	bool ok = er_ring_flush(v);
	set_replaces(v, false);
	return ok;
}

bool er_ring_seal(er_volume *v)
{
	er_disk_ring *r = &v->ring;
	if (!r->open)
		return true;
	if (!er_ring_flush(v))
		return false;
	uint8_t seal[sizeof(er_disk_seal)];
	uint64_t base = er_disk_segment_at(v, r->slot);
	ER_ASSERT(r->at % ER_DISK_UNIT == 0 && r->at + r->n_lines * sizeof *r->lines + sizeof seal <= v->label.segment_bytes);
	er_disk_put_seal(seal, r->sequence, r->number, r->at / ER_DISK_UNIT, r->lines, r->n_lines);
	uint64_t lines_at = base + r->at;
	r->open = false;
	r->written = r->at = 0;
	return write_at(v, r->lines, r->n_lines * sizeof *r->lines, lines_at) &&
	       write_at(v, seal, sizeof seal, base + v->label.segment_bytes - sizeof seal);
}

bool er_ring_append(er_volume *v, er_disk_kind kind, er_disk_hash hash, uint64_t number, er_slice payload, const bool *dropped)
{
	er_disk_ring *r = &v->ring;
	uint32_t units = er_disk_units(payload.n);
	if (r->open && !has_room(v, units) && !er_ring_seal(v))
		return false;
	if (!r->open && !open_segment(v))
		return false;
	ER_ASSERT(has_room(v, units));
	put_record(v, kind, hash, number, payload, 0, dropped);
	return er_buf_len(&r->buf) < BUFFER || er_ring_flush(v);
}

void er_ring_forget(er_volume *v, er_disk_hash hash)
{
	pthread_mutex_lock(&v->lock);
	for (uint32_t i = 0; i < v->n_pending; i++)
		if (er_disk_hash_eq(v->pending[i].hash, hash))
			v->pending[i].dead = true;
	er_disk_index_drop(v->index, hash);
	pthread_mutex_unlock(&v->lock);
}

void er_ring_fini(er_volume *v)
{
	er_buf_fini(&v->ring.buf);
	er_free(v->ring.lines);
}
