/* The end of a volume at which is written.
 *
 * The ring has one open segment, or none: before the first record, and after a seal. A record goes
 * into `buf` and into `pending`; a flush writes the buffer, and then what is pending is found. A
 * record that does not fit seals the segment. The next one takes the place of the oldest, a stretch
 * at a time: what lies in a stretch is found until the end has come to it. Then what was used there
 * since it was written is read into memory, the most used first, and is written again at the end,
 * with one use less; the rest is forgotten. Of four bytes that go, three may be kept.
 *
 * All of it on the writer's thread; only the mark of a pending record that it was dropped comes
 * from others, under the lock. A segment is written once, from its beginning to its end. */
#include "cache/disk_inside.h"

#include "base/mem.h"

enum { BUFFER = 1 << 20, KEPT_PARTS = 3, PARTS = 4, STRETCHES = 16 /* of a segment */ };

/* What is saved of the oldest segment. */
typedef struct kept {
	er_piece payload;
	er_disk_record record;
	uint64_t at; /* where it was, in units */
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

/* What is found as soon as it is in the file. Dead from the beginning: what was dropped since it
 * was asked for, or since it was read to be kept. Under the lock. */
static void add_pending(er_volume *v, er_disk_pending p)
{
	if (v->n_pending == v->cap_pending) {
		v->cap_pending = v->cap_pending * 2 + 64;
		v->pending = er_realloc(v->pending, v->cap_pending * sizeof *v->pending);
	}
	v->pending[v->n_pending++] = p;
}

/* There is room in the segment. → what is to be found of it, if it is nothing that was dropped */
static er_disk_pending put_record(er_volume *v, er_disk_kind kind, er_disk_hash hash, uint64_t number, er_slice payload)
{
	er_disk_ring *r = &v->ring;
	uint32_t units = er_disk_units(payload.n);
	size_t n = rounded(units), used = sizeof(er_disk_record) + payload.n;
	ER_ASSERT(has_room(v, units) && r->at + n <= r->cleared);
	uint8_t *to = er_buf_reserve(&r->buf, n);
	er_disk_put_record(to, kind, hash, r->sequence, number, payload);
	er_copy(to + sizeof(er_disk_record), payload.p, payload.n);
	memset(to + used, 0, n - used);
	er_buf_wrote(&r->buf, n);
	add_line(r, (er_disk_line){.hash = hash, .at = r->at / ER_DISK_UNIT, .what = (uint32_t)kind << 24 | units});
	uint64_t at = (er_disk_segment_at(v, r->slot) + r->at) / ER_DISK_UNIT;
	r->at += (uint32_t)n;
	if (number > r->number)
		r->number = number;
	return (er_disk_pending){.hash = hash, .at = at, .units = units};
}

/* ---- room ---- */

static uint32_t oldest_slot(const er_volume *v)
{
	uint32_t oldest = 0;
	for (uint32_t i = 1; i < v->n_slots; i++)
		if (er_disk_sequence(v, i) < er_disk_sequence(v, oldest))
			oldest = i;
	return oldest;
}

/* Reads one record that goes; it may be damaged, and then it is not kept. */
static void keep(er_volume *v, keeping *k, const er_disk_line *line, uint64_t at, unsigned uses)
{
	kept one = {.at = at, .uses = (uint8_t)(uses - 1)};
	one.payload = er_disk_record_read(v, at, er_disk_line_units(line), false, &one.record);
	if (one.payload.chunk == NULL || !er_disk_hash_eq(one.record.hash, line->hash)) {
		er_piece_drop(&one.payload);
		(void)er_disk_index_drop_at(v->index, line->hash, at);
		return;
	}
	if (k->n == k->cap) {
		k->cap = k->cap * 2 + 16;
		k->v = er_realloc(k->v, k->cap * sizeof *k->v);
	}
	k->v[k->n++] = one;
	k->bytes += rounded(er_disk_line_units(line));
}

static bool is_late(er_volume *v)
{
	pthread_mutex_lock(&v->lock);
	bool late = er_volume_is_late(v);
	pthread_mutex_unlock(&v->lock);
	return late;
}

/* Saves what was used, the most used first and so many bytes at most, and clears the entries of the
 * rest, which is remembered as refused. */
static void clear_lines(er_volume *v, er_disk_line *lines, uint32_t n, uint64_t most, keeping *k)
{
	uint64_t base = er_disk_segment_at(v, v->ring.slot) / ER_DISK_UNIT;
	for (unsigned uses = ER_DISK_USES; uses > 0; uses--)
		for (uint32_t i = 0; i < n; i++) {
			er_disk_entry e = er_disk_index_get(v->index, lines[i].hash);
			uint64_t at = base + lines[i].at;
			bool here = e != 0 && er_disk_entry_at(v->index, e) == at && er_disk_entry_uses(e) == uses;
			uint64_t bytes = k->bytes + rounded(er_disk_line_units(&lines[i]));
			if (!here || lines[i].what == 0 || bytes > most || is_late(v))
				continue;
			keep(v, k, &lines[i], at, uses);
			lines[i].what = 0;
		}
	for (uint32_t i = 0; i < n; i++)
		if (lines[i].what != 0 && er_disk_index_drop_at(v->index, lines[i].hash, base + lines[i].at) &&
		    er_disk_line_kind(&lines[i]) != ER_DISK_PART_OF)
			er_disk_index_refuse(v->index, lines[i].hash);
}

static void put_kept(er_volume *v, keeping *k)
{
	for (uint32_t i = 0; i < k->n; i++) {
		kept *one = &k->v[i];
		er_slice payload = er_piece_slice(one->payload);
		er_disk_hash hash = one->record.hash;
		if (has_room(v, er_disk_units(payload.n))) {
			er_disk_pending p = put_record(v, (er_disk_kind)one->record.kind, hash, one->record.number, payload);
			p.uses = one->uses;
			pthread_mutex_lock(&v->lock);
			p.dead = er_disk_entry_at(v->index, er_disk_index_get(v->index, hash)) != one->at;
			add_pending(v, p);
			pthread_mutex_unlock(&v->lock);
		} else {
			(void)er_disk_index_drop_at(v->index, hash, one->at);
		}
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

/* The next stretch of the slot's old records is written over, or may be. */
static void clear_stretch(er_volume *v, keeping *k)
{
	er_disk_ring *r = &v->ring;
	uint32_t size = v->label.segment_bytes, stretch = size / STRETCHES, n = 0;
	uint32_t upto = size - r->cleared < 2 * stretch ? size : r->cleared + stretch;
	while (r->old_at + n < r->n_old && r->old[r->old_at + n].at * ER_DISK_UNIT < upto)
		n++;
	/* The parts of a long body lie side by side: what is not kept elsewhere pays for them. */
	uint64_t allowed = (uint64_t)(upto - r->cleared) / PARTS * KEPT_PARTS, before = k->bytes;
	r->debt = r->debt > allowed ? r->debt - allowed : 0;
	clear_lines(v, r->old + r->old_at, n, before + size / PARTS - r->debt, k);
	r->debt += k->bytes - before;
	ER_ASSERT(r->debt <= size / PARTS);
	r->old_at += n;
	r->cleared = upto;
}

/* Makes some room in the open segment, if all that is kept leaves any. Nothing is pending: what
 * came after the old records is in the index, and they are not taken for it. */
static bool advance(er_volume *v)
{
	er_disk_ring *r = &v->ring;
	keeping k = {0};
	ER_ASSERT(r->open && v->n_pending == 0 && er_buf_len(&r->buf) <= ER_DISK_BLOCK);
	do
		clear_stretch(v, &k);
	while (k.bytes > r->cleared - r->at && r->cleared < v->label.segment_bytes);
	if (k.n == 0)
		return true;
	ER_DISK_COUNT(v, reinserted, k.n);
	put_kept(v, &k);
	set_replaces(v, true);
	bool ok = er_ring_flush(v);
	set_replaces(v, false);
	return ok;
}

static bool open_segment(er_volume *v)
{
	er_disk_ring *r = &v->ring;
	uint32_t slot = oldest_slot(v);
	uint64_t number;
	ER_ASSERT(!r->open && v->n_pending == 0 && r->old == NULL);
	r->cleared = v->label.segment_bytes;
	r->n_old = r->old_at = 0;
	if (er_disk_sequence(v, slot) > 0) {
		__atomic_store_n(&v->wrapped, true, __ATOMIC_RELAXED);
		if (er_disk_survey(v, slot, &r->old, &r->n_old, &number))
			r->cleared = ER_DISK_BLOCK;
		er_disk_index_measure_refused(v->index);
		ER_DISK_COUNT(v, segments_reclaimed, 1);
	}
	r->slot = slot;
	r->sequence++;
	/* Before anything is written over: a reader looks at it behind its read. */
	__atomic_store_n(&v->slots[slot].sequence, r->sequence, __ATOMIC_SEQ_CST);
	er_disk_checked_clear(v->checked, er_disk_segment_at(v, slot), v->label.segment_bytes);
	r->open = true;
	r->n_lines = 0;
	r->number = 0;
	r->written = 0;
	r->at = ER_DISK_BLOCK;
	er_disk_put_segment(er_buf_reserve(&r->buf, ER_DISK_BLOCK), v->label.file_id, r->sequence);
	er_buf_wrote(&r->buf, ER_DISK_BLOCK);
	return true;
}

bool er_ring_seal(er_volume *v)
{
	er_disk_ring *r = &v->ring;
	if (!r->open)
		return true;
	if (!er_ring_flush(v))
		return false;
	while (r->cleared < v->label.segment_bytes)
		if (!advance(v))
			return false;
	er_free(r->old);
	r->old = NULL;
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

/* One step towards room for a record. */
static bool make_room(er_volume *v)
{
	er_disk_ring *r = &v->ring;
	if (!r->open)
		return open_segment(v);
	if (r->cleared == v->label.segment_bytes)
		return er_ring_seal(v);
	return er_ring_flush(v) && advance(v);
}

bool er_ring_append(er_volume *v, er_disk_kind kind, er_disk_hash hash, uint64_t number, er_slice payload, const bool *dropped)
{
	er_disk_ring *r = &v->ring;
	uint32_t units = er_disk_units(payload.n);
	while (!(r->open && r->at + rounded(units) <= r->cleared && has_room(v, units)))
		if (!make_room(v))
			return false;
	er_disk_pending p = put_record(v, kind, hash, number, payload);
	if (kind != ER_DISK_GONE) {
		pthread_mutex_lock(&v->lock);
		p.dead = dropped != NULL && *dropped;
		add_pending(v, p);
		pthread_mutex_unlock(&v->lock);
	}
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

/* The lines of the slot's records; the caller's. NULL: it has none that a start would read. */
static er_disk_line *lines_of(er_volume *v, uint32_t slot, uint32_t *n)
{
	const er_disk_ring *r = &v->ring;
	er_disk_line *lines = NULL;
	uint64_t number;
	if (r->open && slot == r->slot) {
		*n = r->n_lines;
		lines = er_alloc((r->n_lines + 1) * sizeof *lines);
		er_copy(lines, r->lines, r->n_lines * sizeof *lines);
	} else if (er_disk_sequence(v, slot) == 0 || !er_disk_survey(v, slot, &lines, n, &number)) {
		return NULL;
	}
	return lines;
}

/* Nothing of the hash is found any more. What the index has under it may be another hash's. */
static bool is_gone(er_volume *v, er_disk_hash hash, uint64_t at)
{
	er_disk_record record = {0};
	er_disk_entry e = er_disk_index_get(v->index, hash);
	if (e == 0 || er_disk_entry_at(v->index, e) == at)
		return e == 0;
	er_piece payload = er_disk_record_read(v, er_disk_entry_at(v->index, e), er_disk_entry_units(e), false, &record);
	bool same = payload.chunk != NULL && er_disk_hash_eq(record.hash, hash);
	er_piece_drop(&payload);
	return !same;
}

bool er_ring_note_gone(er_volume *v, uint32_t slot)
{
	uint32_t n = 0;
	uint64_t base = er_disk_segment_at(v, slot) / ER_DISK_UNIT;
	if (!er_ring_flush(v)) /* what is written is in the index, unless it was dropped */
		return false;
	er_disk_line *lines = lines_of(v, slot, &n);
	bool ok = true;
	for (uint32_t i = 0; lines != NULL && i < n && ok; i++) {
		er_disk_kind kind = er_disk_line_kind(&lines[i]);
		if ((kind == ER_DISK_HEAD || kind == ER_DISK_FORK) && is_gone(v, lines[i].hash, base + lines[i].at))
			ok = er_ring_append(v, ER_DISK_GONE, lines[i].hash, 0, (er_slice){0}, NULL);
	}
	er_free(lines);
	return ok && er_ring_flush(v);
}

void er_ring_clear(er_volume *v)
{
	er_disk_ring *r = &v->ring;
	pthread_mutex_lock(&v->lock);
	v->n_pending = 0;
	pthread_mutex_unlock(&v->lock);
	er_buf_clear(&r->buf);
	er_free(r->old);
	r->old = NULL;
	r->open = false;
	r->written = r->at = 0;
	r->debt = 0;
}

void er_ring_fini(er_volume *v)
{
	er_buf_fini(&v->ring.buf);
	er_free(v->ring.lines);
	er_free(v->ring.old);
}
