/* What a volume's owner, its writer and its readers share: its state, reading one record, listing
 * one segment, and taking the file out of service. */
#include "cache/disk_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>

enum { ERRORS_MOST = 16, WINDOW = 1 << 20, END_US = 2000 * 1000 /* so long an end may write */ };
static_assert(WINDOW >= ER_DISK_PAYLOAD + 2 * ER_DISK_UNIT, "a record fits into the window");

static const uint8_t next[VOLUME_STATES_N][VOLUME_EVENTS_N] = {
    [VOLUME_OPENING] = {[VOLUME_ON_OPENED] = ER_TO(VOLUME_SERVING),
                        [VOLUME_ON_END] = ER_TO(VOLUME_ENDED),
                        [VOLUME_ON_FAIL] = ER_TO(VOLUME_FAILED)},
    [VOLUME_SERVING] = {[VOLUME_ON_END] = ER_TO(VOLUME_READ_ONLY), [VOLUME_ON_FAIL] = ER_TO(VOLUME_FAILED)},
    [VOLUME_READ_ONLY] = {[VOLUME_ON_FAIL] = ER_TO(VOLUME_FAILED)},
};

const er_states er_volume_states = ER_STATES_TABLE("volume", VOLUME, ER_VOLUME_STATES, ER_VOLUME_EVENTS, next);

/* ---- the state ---- */

er_volume_state er_volume_now(er_volume *v)
{
	pthread_mutex_lock(&v->lock);
	er_volume_state now = (er_volume_state)v->state.now;
	pthread_mutex_unlock(&v->lock);
	return now;
}

bool er_volume_serves(const er_volume *v)
{
	return __atomic_load_n(&v->serves, __ATOMIC_ACQUIRE);
}

bool er_volume_failed(const er_volume *v)
{
	return __atomic_load_n(&v->failed, __ATOMIC_ACQUIRE);
}

uint64_t er_volume_next_id(er_volume *v)
{
	uint64_t id = __atomic_add_fetch(&v->next_id, 1, __ATOMIC_RELAXED);
	return id != 0 ? id : __atomic_add_fetch(&v->next_id, 1, __ATOMIC_RELAXED);
}

bool er_volume_is_late(const er_volume *v)
{
	return v->ending && er_clock_mono_us() - v->ending_us > END_US;
}

void er_disk_job_free(er_disk_job *j)
{
	if (j->s != NULL)
		er_stored_unref(j->s);
	er_piece_drop(&j->piece);
	er_free((void *)(uintptr_t)j->text.p);
	if (j->told != NULL)
		er_latch_done(j->told);
	er_free(j);
}

void er_disk_job_done(er_volume *v, const er_disk_job *j)
{
	ER_ASSERT(v->queued > 0 && v->queued_bytes >= j->cost);
	v->queued--;
	v->queued_bytes -= j->cost;
	if (j->work == ER_WORK_PUT) {
		ER_ASSERT(v->puts[j->hash % ER_DISK_GROUPS] > 0);
		v->puts[j->hash % ER_DISK_GROUPS]--;
	}
}

/* Frees what is in a list of jobs, which nobody else has any more. */
static void free_jobs(er_list *jobs)
{
	for (er_list *l; (l = er_list_pop(jobs)) != NULL;)
		er_disk_job_free(ER_CONTAINER(l, er_disk_job, link));
}

void er_volume_fail(er_volume *v, const char *what, int error)
{
	er_list jobs;
	er_list_init(&jobs);
	pthread_mutex_lock(&v->lock);
	bool first = v->state.now != VOLUME_FAILED;
	if (first)
		er_states_move(&er_volume_states, &v->state, VOLUME_ON_FAIL, 0);
	__atomic_store_n(&v->serves, false, __ATOMIC_RELEASE);
	__atomic_store_n(&v->failed, true, __ATOMIC_RELEASE);
	er_list_take(&jobs, &v->jobs);
	er_list_take(&jobs, &v->drops);
	v->queued = v->queued_bytes = 0;
	v->unnoted = 0;
	memset(v->puts, 0, sizeof v->puts);
	v->n_pending = 0;
	pthread_cond_broadcast(&v->to_read);
	pthread_cond_broadcast(&v->to_write);
	pthread_mutex_unlock(&v->lock);
	free_jobs(&jobs);
	if (first)
		er_log(ER_LOG_ERROR, "cache", "the cache file %s is out of service: %s%s%s. The node serves without it", v->path, what,
		       error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
}

/* One bad block is a miss; a disk that fails again and again is a disk that fails. */
static void read_failed(er_volume *v, int error)
{
	if (__atomic_add_fetch(&v->stats.errors, 1, __ATOMIC_RELAXED) == ERRORS_MOST)
		er_volume_fail(v, "it cannot be read", error);
}

/* The record, which was read before this is asked, is one of the segment that its slot has: nothing
 * was written over any of its bytes meanwhile. The slot's number is asked for by an addition, since
 * a load alone may come before the read. */
static bool stands(er_volume *v, uint64_t from, const er_disk_record *r)
{
	uint64_t slot = (from - ER_DISK_BLOCK) / v->label.segment_bytes;
	return slot < v->n_slots && __atomic_fetch_add(&v->slots[slot].sequence, 0, __ATOMIC_SEQ_CST) == r->sequence &&
	       !__atomic_load_n(&v->shared, __ATOMIC_SEQ_CST);
}

/* Reads `n` bytes. *checked: what begins there was right when it came from the disk, and has been
 * in the kernel's memory since then. Its mark is taken away: also a read that waits for nothing may
 * have the kernel read from the disk, and somebody else find the bytes before they were checked. */
static ssize_t read_some(er_volume *v, void *to, size_t n, uint64_t from, bool now, bool *checked)
{
	*checked = n >= 2 * (size_t)ER_DISK_BLOCK && er_disk_checked_take(v->checked, from) && now;
	ssize_t got = -EAGAIN;
	if (now)
		got = v->io->read_now(v->io->self, v->fd, to, n, from);
	if (got < 0)
		er_disk_checked_clear(v->checked, from, n); /* of what lies behind it, too */
	if (!now)
		got = v->io->read(v->io->self, v->fd, to, n, from);
	return got;
}

er_piece er_disk_record_read(er_volume *v, uint64_t at, uint32_t units, bool now, er_disk_record *out)
{
	uint64_t from = at * ER_DISK_UNIT, end = er_disk_segment_at(v, v->n_slots), left = from < end ? end - from : 0;
	size_t n = (size_t)((uint64_t)units * ER_DISK_UNIT < left ? (uint64_t)units * ER_DISK_UNIT : left);
	if (n < ER_DISK_UNIT || from < ER_DISK_BLOCK)
		return (er_piece){0};
	bool checked;
	er_chunk *c = er_chunk_new(n);
	ssize_t got = read_some(v, c->bytes, n, from, now, &checked);
	bool ok = got > 0 && er_disk_get_record(er_slice_of(c->bytes, (size_t)got), (uint64_t)got, out);
	bool marks = ok && er_disk_checked_has(out->length) && stands(v, from, out);
	ok = ok && ((checked && marks) || er_disk_payload_ok(out, er_slice_of(c->bytes + sizeof *out, out->length)));
	if (ok && marks)
		er_disk_checked_set(v->checked, from);
	if (got > 0)
		ER_DISK_COUNT(v, read_bytes, (uint64_t)got);
	if (!now && got < (ssize_t)n)
		read_failed(v, got < 0 ? (int)-got : ENODATA);
	if (!ok) {
		er_chunk_unref(c);
		return (er_piece){0};
	}
	return (er_piece){c, c->bytes + sizeof *out, out->length};
}

/* ---- a segment's list ---- */

typedef struct list {
	er_disk_line *v;
	uint32_t n, cap;
} list;

static void add(list *l, er_disk_line line)
{
	if (l->n == l->cap) {
		l->cap = l->cap * 2 + 64;
		l->v = er_realloc(l->v, l->cap * sizeof *l->v);
	}
	l->v[l->n++] = line;
}

static bool read_all(er_volume *v, void *to, size_t n, uint64_t at)
{
	ssize_t got = v->io->read(v->io->self, v->fd, to, n, at);
	if (got == (ssize_t)n)
		return true;
	read_failed(v, got < 0 ? (int)-got : ENODATA);
	return false;
}

/* By the seal. False: there is none, or it is damaged. */
static bool by_seal(er_volume *v, uint32_t slot, uint64_t sequence, list *out, uint64_t *number)
{
	uint64_t base = er_disk_segment_at(v, slot);
	uint8_t last[sizeof(er_disk_seal)];
	er_disk_seal seal;
	if (!read_all(v, last, sizeof last, base + v->label.segment_bytes - sizeof last) ||
	    !er_disk_get_seal(er_slice_of(last, sizeof last), sequence, v->label.segment_bytes, &seal))
		return false;
	size_t n = seal.n_lines * sizeof(er_disk_line);
	out->v = er_alloc(n);
	bool ok =
	    read_all(v, out->v, n, base + (uint64_t)seal.lines_at * ER_DISK_UNIT) && er_disk_lines_ok(&seal, er_slice_of(out->v, n));
	for (uint32_t i = 0; i < seal.n_lines && ok; i++)
		ok = er_disk_line_ok(&out->v[i], v->label.segment_bytes);
	out->n = out->cap = ok ? seal.n_lines : 0;
	*number = seal.number;
	if (ok)
		return true;
	er_free(out->v);
	*out = (list){0};
	return false;
}

/* Record by record, up to the first that is not whole, or is of what was here before. */
static void by_walk(er_volume *v, uint32_t slot, uint64_t sequence, list *out, uint64_t *number)
{
	uint64_t base = er_disk_segment_at(v, slot), end = v->label.segment_bytes, from = ER_DISK_BLOCK, have = 0;
	uint8_t *window = er_alloc(WINDOW);
	for (uint64_t at = ER_DISK_BLOCK; at < end;) {
		er_disk_record r;
		if (at + ER_DISK_PAYLOAD + 2 * ER_DISK_UNIT > from + have && from + have < end) {
			from = at;
			have = end - at < WINDOW ? end - at : WINDOW;
			if (!read_all(v, window, have, base + from))
				break;
		}
		er_slice here = er_slice_of(window + (at - from), have - (at - from));
		if (!er_disk_get_record(here, here.n, &r) || r.sequence != sequence ||
		    !er_disk_payload_ok(&r, er_slice_head(er_slice_from(here, sizeof r), r.length)))
			break;
		uint32_t units = er_disk_units(r.length);
		add(out, (er_disk_line){.hash = r.hash, .at = (uint32_t)(at / ER_DISK_UNIT), .what = r.kind << 24 | units});
		*number = r.number > *number ? r.number : *number;
		at += (uint64_t)units * ER_DISK_UNIT;
	}
	er_free(window);
}

bool er_disk_survey(er_volume *v, uint32_t slot, er_disk_line **lines, uint32_t *n, uint64_t *number)
{
	list found = {0};
	uint64_t sequence = er_disk_sequence(v, slot), highest = 0;
	ER_ASSERT(slot < v->n_slots && sequence > 0);
	if (!by_seal(v, slot, sequence, &found, &highest)) {
		highest = 0;
		by_walk(v, slot, sequence, &found, &highest);
	}
	*lines = found.v;
	*n = found.n;
	*number = highest;
	return found.v != NULL;
}
