/* How a volume finds its file: opens it, sees that it is one of its own and as large as it should
 * be, and lists every segment, the one that was begun first first, so that what was written later
 * takes the place of what was written before. On the writer's thread.
 *
 * A file that is empty, or of another version of the format, begins anew with a message. A file
 * that is no cache file is left as it is. A file may have grown or shrunk between two starts:
 * segments are told by their sequence and not by their place. */
#include "cache/disk_inside.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { LARGE_FILE = 512 << 20, LARGE_SEGMENT = 16 << 20, LOCKED_MS = 200, AHEAD = 8 };
static_assert(ER_VOLUME_LEAST / ER_DISK_SEGMENT_LEAST >= 8, "a ring of a few segments would be mostly reserve");
static_assert(ER_VOLUME_LEAST > 3 * ER_DISK_SEGMENT_MOST, "a file that shrinks has segments, whatever its label says");

static bool is_ending(er_volume *v)
{
	pthread_mutex_lock(&v->lock);
	bool ending = v->ending;
	pthread_mutex_unlock(&v->lock);
	return ending;
}

/* The process before this one may have it yet (an upgrade). */
static bool open_file(er_volume *v)
{
	bool said = false;
	for (;;) {
		int fd = v->io->open(v->io->self, v->path);
		if (fd >= 0) {
			v->fd = fd;
			return true;
		}
		if (fd != -EWOULDBLOCK) {
			er_volume_fail(v, "it cannot be opened", -fd);
			return false;
		}
		if (!said)
			er_log(ER_LOG_INFO, "cache", "the cache file %s is in use; the node waits for it", v->path);
		said = true;
		if (is_ending(v))
			return false;
		nanosleep(&(struct timespec){.tv_nsec = LOCKED_MS * 1000000L}, NULL);
	}
}

static bool write_label(er_volume *v, er_disk_label *out)
{
	uint32_t segment = v->wanted_bytes >= LARGE_FILE ? LARGE_SEGMENT : ER_DISK_SEGMENT_LEAST;
	er_disk_secret secret = {er_siphash_key_new(), er_siphash_key_new()};
	uint64_t id;
	(void)!getrandom(&id, sizeof id, 0);
	uint8_t block[ER_DISK_BLOCK];
	const char *why;
	er_disk_put_label(block, segment, id, &secret);
	ER_ASSERT(er_disk_get_label(er_slice_of(block, sizeof block), out, &why));
	int e = v->io->write(v->io->self, v->fd, block, sizeof block, 0);
	if (e != 0)
		er_volume_fail(v, "it cannot be written", -e);
	return e == 0;
}

static bool new_label(er_volume *v)
{
	return write_label(v, &v->label);
}

/* Whoever is served goes on with the label that there was. */
bool er_disk_void(er_volume *v)
{
	er_disk_label next;
	return write_label(v, &next);
}

/* All zero, as a file is whose room was promised and that was never written. */
static bool is_blank(const uint8_t *block, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (block[i] != 0)
			return false;
	return true;
}

static bool read_label(er_volume *v)
{
	uint8_t block[ER_DISK_BLOCK];
	const char *why;
	ssize_t got = v->io->read(v->io->self, v->fd, block, sizeof block, 0);
	if (got < 0) {
		er_volume_fail(v, "it cannot be read", (int)-got);
		return false;
	}
	if (is_blank(block, (size_t)got))
		return new_label(v);
	if (er_disk_get_label(er_slice_of(block, (size_t)got), &v->label, &why))
		return !v->begins_empty || new_label(v);
	if (!er_disk_is_label(er_slice_of(block, (size_t)got))) {
		er_volume_fail(v, "it is no cache file, and is left as it is; name another path, or remove it", 0);
		return false;
	}
	er_log(ER_LOG_WARN, "cache", "the cache file %s begins empty: %s", v->path, why);
	return new_label(v);
}

/* 0: there is no segment. */
static uint64_t sequence_at(er_volume *v, uint32_t slot)
{
	uint8_t head[sizeof(er_disk_segment)];
	er_disk_segment s;
	ssize_t got = v->io->read(v->io->self, v->fd, head, sizeof head, er_disk_segment_at(v, slot));
	if (got < 0)
		ER_DISK_COUNT(v, errors, 1);
	return got > 0 && er_disk_get_segment(er_slice_of(head, (size_t)got), v->label.file_id, &s) ? s.sequence : 0;
}

/* The file loses its slots from `n` on. What was dropped, or replaced, may be noted there and
 * nowhere else: what is older than that is forgotten before it is cut off, for good. No sequence is
 * given twice, since records of a segment are known by it: one of the places that become free
 * begins a segment that is behind them all. */
static bool forget_older_than_cut(er_volume *v, uint32_t n, uint32_t had)
{
	uint8_t block[ER_DISK_BLOCK] = {0};
	uint64_t cut = 0, highest = 0, last = 0;
	uint32_t forgotten = 0;
	int e = 0;
	for (uint32_t i = 0; i < had; i++) {
		uint64_t sequence = sequence_at(v, i);
		highest = sequence > highest ? sequence : highest;
		cut = i >= n && sequence > cut ? sequence : cut;
	}
	for (uint32_t i = 0; i < n && e == 0; i++) {
		uint64_t sequence = sequence_at(v, i);
		if (sequence == 0 || sequence > cut)
			continue;
		last = er_disk_segment_at(v, i);
		e = v->io->write(v->io->self, v->fd, block, sizeof block, last);
		forgotten++;
	}
	er_disk_put_segment(block, v->label.file_id, highest + 1);
	if (forgotten > 0 && e == 0)
		e = v->io->write(v->io->self, v->fd, block, sizeof block, last);
	if (e != 0) {
		er_volume_fail(v, "it cannot be written", -e);
		return false;
	}
	if (forgotten > 0)
		er_log(ER_LOG_INFO, "cache",
		       "the cache file %s is smaller than it was: %u of %u segments are older than what is cut off, "
		       "and are forgotten with it",
		       v->path, forgotten, n);
	return true;
}

static er_disk_index *new_index(const er_volume *v, uint64_t bytes)
{
	return er_disk_index_new(bytes / v->record_bytes, bytes / ER_DISK_UNIT);
}

static bool size_file(er_volume *v)
{
	uint64_t segment = v->label.segment_bytes, n = (v->wanted_bytes - ER_DISK_BLOCK) / segment;
	uint64_t bytes = ER_DISK_BLOCK + n * segment;
	ER_ASSERT(n > 0 && n < UINT32_MAX);
	int64_t now = v->io->size(v->io->self, v->fd);
	if (now > (int64_t)bytes && !forget_older_than_cut(v, (uint32_t)n, (uint32_t)(((uint64_t)now - ER_DISK_BLOCK) / segment)))
		return false;
	int e = now == (int64_t)bytes ? 0 : v->io->resize(v->io->self, v->fd, bytes);
	if (e != 0) {
		er_volume_fail(v, "there is no room for it", -e);
		return false;
	}
	v->index = new_index(v, bytes);
	v->n_slots = (uint32_t)n;
	v->slots = er_zalloc(n * sizeof *v->slots);
	v->checked = er_disk_checked_new(bytes);
	__atomic_store_n(&v->stats.bytes, bytes, __ATOMIC_RELAXED);
	return true;
}

bool er_disk_start_anew(er_volume *v)
{
	ER_ASSERT(!er_volume_serves(v) && v->index != NULL);
	er_ring_clear(v);
	memset(v->slots, 0, v->n_slots * sizeof *v->slots);
	__atomic_store_n(&v->wrapped, false, __ATOMIC_RELAXED);
	er_disk_index_free(v->index);
	v->index = new_index(v, er_disk_segment_at(v, v->n_slots));
	return new_label(v);
}

typedef struct order {
	uint64_t sequence;
	uint32_t slot;
} order;

static int earlier(const void *a, const void *b)
{
	const order *x = a, *y = b;
	return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

/* Which slots have a segment, the oldest first. */
static uint32_t find_segments(er_volume *v, order *found)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < v->n_slots; i++) {
		uint64_t sequence = sequence_at(v, i);
		if (sequence == 0)
			continue;
		v->slots[i].sequence = sequence;
		found[n++] = (order){sequence, i};
	}
	qsort(found, n, sizeof *found, earlier);
	return n;
}

static void list_segment(er_volume *v, uint32_t slot)
{
	er_disk_line *lines;
	uint32_t n;
	uint64_t number;
	if (!er_disk_survey(v, slot, &lines, &n, &number))
		return;
	uint64_t base = er_disk_segment_at(v, slot) / ER_DISK_UNIT;
	for (uint32_t i = 0; i < n; i++) {
		if (i + AHEAD < n)
			er_disk_index_expect(v->index, lines[i + AHEAD].hash);
		if (er_disk_line_kind(&lines[i]) == ER_DISK_GONE)
			er_disk_index_drop(v->index, lines[i].hash);
		else
			er_disk_index_put(v->index, lines[i].hash, base + lines[i].at, er_disk_line_units(&lines[i]), 0);
	}
	er_free(lines);
	if (number > v->stats.number)
		__atomic_store_n(&v->stats.number, number, __ATOMIC_RELAXED);
}

bool er_disk_start(er_volume *v)
{
	if (!open_file(v) || !read_label(v) || !size_file(v))
		return false;
	order *found = er_alloc(v->n_slots * sizeof *found);
	uint32_t n = find_segments(v, found);
	bool whole = true;
	for (uint32_t i = 0; i < n && whole; i++) {
		list_segment(v, found[i].slot);
		v->ring.sequence = found[i].sequence;
		whole = !is_ending(v);
	}
	er_free(found);
	__atomic_store_n(&v->wrapped, n == v->n_slots, __ATOMIC_RELAXED);
	return whole && er_volume_now(v) != VOLUME_FAILED;
}
