/* The writer of a volume: the one thread that opens its file and writes to it.
 *
 * It opens (disk_start.c), does what has been asked for meanwhile, and only then the volume serves:
 * what was dropped before is not found. From then on it takes job by job, and flushes whenever
 * nothing waits. A job is v->doing while it is done, so that a drop that comes meanwhile finds it.
 *
 * A response is written body first and head last. A key whose answers vary has a FORK under its own
 * hash, and heads under the hashes of their variants; dropping the fork drops them all, since the
 * next fork has another branch. A response that was renewed has the parts that it had, if they are
 * all there. */
#include "cache/disk_inside.h"

#include "base/clock.h"
#include "base/mem.h"

/* ---- records of one response ---- */

/* Nothing is under the hash any more, also after a restart. */
static bool write_gone(er_volume *v, er_disk_hash hash)
{
	er_ring_forget(v, hash);
	return er_ring_append(v, ER_DISK_GONE, hash, 0, (er_slice){0}, NULL);
}

/* The branch of the key's variants: that of the fork that is there, if it has the same names, or a
 * new one. False: the volume has failed. */
static bool branch_of(er_volume *v, const er_disk_job *j, er_disk_hash key, uint64_t *branch)
{
	er_disk_record record;
	er_disk_fork fork;
	if (!er_ring_flush(v)) /* the fork may have come with the response before this one */
		return false;
	er_disk_entry e = er_disk_index_get(v->index, key);
	er_piece payload =
	    e != 0 ? er_disk_record_read(v, er_disk_entry_at(v->index, e), er_disk_entry_units(e), false, &record) : (er_piece){0};
	bool same = payload.chunk != NULL && record.kind == ER_DISK_FORK && er_disk_hash_eq(record.hash, key) &&
	            er_disk_fork_get(er_piece_slice(payload), &fork) && er_slice_eq(fork.key, j->s->key) &&
	            er_variant_same_names(&fork.names, &j->s->variant);
	*branch = same ? fork.branch : er_volume_next_id(v);
	er_piece_drop(&payload);
	if (same) { /* it goes with its segment otherwise, and the new head with it */
		(void)er_disk_index_use(v->index, key);
		return true;
	}
	er_buf_clear(&v->payload);
	er_disk_fork_put(&v->payload, j->s->key, &j->s->variant, *branch);
	return er_ring_append(v, ER_DISK_FORK, key, 0, er_buf_slice(&v->payload), &j->dropped);
}

static bool has_parts(const er_volume *v, er_disk_hash key, uint64_t id, uint64_t length)
{
	for (uint64_t n = 0; n * ER_DISK_PART < length; n++)
		if (er_disk_index_get(v->index, er_disk_hash_part(&v->label.secret, key, id, n)) == 0)
			return false;
	return true;
}

/* The body in parts under a new id. */
static bool write_parts(er_volume *v, er_content *c, er_disk_hash key, uint64_t id, uint64_t length)
{
	uint8_t *part = er_alloc(ER_DISK_PART);
	bool ok = true;
	for (uint64_t n = 0; n * ER_DISK_PART < length && ok; n++) {
		uint64_t at = n * ER_DISK_PART;
		size_t size = length - at < ER_DISK_PART ? (size_t)(length - at) : ER_DISK_PART;
		er_content_copy(c, at, part, size);
		ok =
		    er_ring_append(v, ER_DISK_PART_OF, er_disk_hash_part(&v->label.secret, key, id, n), 0, er_slice_of(part, size), NULL);
	}
	er_free(part);
	return ok;
}

/* Sees that the content's parts are written, and says under which id. Not *there: its bytes were
 * parts that are there no more. False: the volume has failed. */
static bool parts_of(er_volume *v, er_content *c, er_disk_hash key, uint64_t length, uint64_t *id, bool *there)
{
	*there = true;
	*id = er_content_mark(c);
	if (*id != 0) {
		if (!er_ring_flush(v))
			return false;
		if (has_parts(v, key, *id, length))
			return true;
	}
	*there = !er_content_is_behind(c);
	if (!*there)
		return true;
	*id = er_volume_next_id(v);
	if (!write_parts(v, c, key, *id, length))
		return false;
	er_content_set_mark(c, *id);
	return true;
}

/* Sees that the body's parts are written, if it has parts. *there: they are, and *id is theirs; 0:
 * the body belongs into the head. */
static bool body_of(er_volume *v, const er_disk_job *j, er_disk_hash key, uint64_t *id, uint64_t *length, bool *there)
{
	er_content *c = j->s->content;
	*there = true;
	*id = j->id;
	*length = j->id != 0 ? j->length : er_content_length(c);
	/* A short one may lie in parts as well: where the memory takes less than that, it came as a
	 * stream. */
	if (j->id != 0 || (*length <= ER_DISK_INLINE && !er_content_is_behind(c)))
		return true;
	return parts_of(v, c, key, *length, id, there);
}

/* Where a coded form is: in the head, or in parts that are seen to. Without a length if it is not
 * to be had any more. `room`: for one that lies in the head. False: the volume has failed. */
static bool form_of(er_volume *v, er_content *c, er_disk_hash key, uint8_t *room, er_disk_form *out)
{
	uint64_t length = er_content_length(c);
	*out = (er_disk_form){0};
	if (length <= ER_DISK_INLINE && !er_content_is_behind(c)) {
		er_content_copy(c, 0, room, length);
		*out = (er_disk_form){.length = length, .bytes = er_slice_of(room, length)};
		return true;
	}
	bool there = true;
	uint64_t id = 0;
	if (!parts_of(v, c, key, length, &id, &there))
		return false;
	if (there)
		*out = (er_disk_form){.id = id, .length = length};
	return true;
}

/* `room`: ER_DISK_INLINE for each coding. */
static bool forms_of(er_volume *v, const er_stored *s, er_disk_hash key, uint8_t *room, er_disk_form *out)
{
	bool ok = true;
	for (er_coding i = 0; i < ER_CODINGS && ok; i++) {
		er_content *form = er_content_form(s->content, i);
		out[i] = (er_disk_form){0};
		if (form != NULL)
			ok = form_of(v, form, key, room + (size_t)i * ER_DISK_INLINE, &out[i]);
		er_content_unref(form);
	}
	return ok;
}

/* The payload of the head, with the coded forms if there is room for them. False: not without them
 * either. */
static bool make_head(er_volume *v, const er_stored *s, uint64_t id, uint64_t length, er_slice body, const er_disk_form *forms)
{
	uint64_t now_us = er_clock_mono_us();
	int64_t now = er_clock_wall_s();
	er_buf_clear(&v->payload);
	if (er_disk_head_put(&v->payload, s, id, length, body, forms, now_us, now))
		return true;
	er_buf_clear(&v->payload);
	return er_disk_head_put(&v->payload, s, id, length, body, NULL, now_us, now);
}

static bool write_head(er_volume *v, const er_disk_job *j, er_disk_hash key, uint64_t id, uint64_t length)
{
	const er_stored *s = j->s;
	er_disk_hash hash = key;
	er_disk_form forms[ER_CODINGS];
	if (v->room == NULL)
		v->room = er_alloc((1 + ER_CODINGS) * (size_t)ER_DISK_INLINE);
	uint8_t *body = v->room;
	bool ok = forms_of(v, s, key, body + ER_DISK_INLINE, forms);
	if (ok && s->variant.n > 0) {
		uint64_t branch;
		ok = branch_of(v, j, key, &branch);
		hash = ok ? er_disk_hash_variant(&v->label.secret, key, branch, &s->variant) : hash;
	}
	if (ok && id == 0 && length > 0)
		er_content_copy(s->content, 0, body, length);
	if (ok && make_head(v, s, id, length, er_slice_of(body, id == 0 ? length : 0), forms))
		ok = er_ring_append(v, ER_DISK_HEAD, hash, s->number, er_buf_slice(&v->payload), &j->dropped);
	else if (ok)
		ok = write_gone(v, hash); /* too large a head: what was there is old */
	return ok;
}

static bool do_put(er_volume *v, const er_disk_job *j)
{
	er_disk_hash key = er_disk_hash_of(&v->label.secret, j->s->key);
	uint64_t id, length;
	bool there;
	if (!body_of(v, j, key, &id, &length, &there))
		return false;
	if (there)
		return write_head(v, j, key, id, length);
	return write_gone(v, key);
}

/* The first job, which stays where it is; NULL: there is none. Under the lock. */
static er_disk_job *first(const er_volume *v)
{
	const er_list *of = er_list_empty(&v->drops) ? &v->jobs : &v->drops;
	return er_list_empty(of) ? NULL : ER_CONTAINER(of->next, er_disk_job, link);
}

/* The records of drops are in the file, or will never be. */
static void tell(er_volume *v)
{
	er_latch *told;
	for (er_slice rest = er_buf_slice(&v->to_tell); rest.n > 0; rest = er_slice_from(rest, sizeof told)) {
		er_copy(&told, rest.p, sizeof told);
		er_latch_done(told);
	}
	er_buf_clear(&v->to_tell);
}

/* In the file at once, since a kill must not undo it; or with those that are next. Who waits for it
 * hears of it behind that. */
static bool do_drop(er_volume *v, er_disk_job *j)
{
	if (j->told != NULL)
		er_buf_put(&v->to_tell, er_slice_of(&j->told, sizeof j->told));
	j->told = NULL;
	bool ok = write_gone(v, j->text.n > 0 ? er_disk_hash_of(&v->label.secret, j->text) : j->key);
	pthread_mutex_lock(&v->lock);
	const er_disk_job *next = first(v);
	bool more = ok && next != NULL && next->work == ER_WORK_DROP;
	pthread_mutex_unlock(&v->lock);
	if (more)
		return true;
	ok = ok && er_ring_flush(v);
	tell(v);
	return ok;
}

static bool do_job(er_volume *v, er_disk_job *j)
{
	er_disk_hash hash;
	switch (j->work) {
	case ER_WORK_PUT:
		return do_put(v, j);
	case ER_WORK_PART:
		hash = er_disk_hash_part(&v->label.secret, j->key, j->id, j->n);
		return er_ring_append(v, ER_DISK_PART_OF, hash, 0, er_piece_slice(j->piece), NULL);
	case ER_WORK_DROP:
		return do_drop(v, j);
	}
	ER_ASSERT(false);
	return false;
}

/* ---- the thread ---- */

/* It is not worth writing any more: its key was dropped, or the end has taken long enough. What is
 * to be dropped always is. Under the lock. */
static bool is_void(const er_volume *v, const er_disk_job *j)
{
	return j->work != ER_WORK_DROP && (j->dropped || er_volume_is_late(v));
}

/* Does the first job. The lock is held before and after. False: the volume has failed, and no job
 * is left. */
static bool do_first(er_volume *v)
{
	er_disk_job *j = first(v);
	bool skip = is_void(v, j);
	er_list_remove(&j->link);
	v->doing = j;
	pthread_mutex_unlock(&v->lock);
	bool ok = skip || do_job(v, j);
	pthread_mutex_lock(&v->lock);
	v->doing = NULL;
	if (v->state.now != VOLUME_FAILED) /* else nothing is counted any more */
		er_disk_job_done(v, j);
	pthread_mutex_unlock(&v->lock);
	er_disk_job_free(j);
	pthread_mutex_lock(&v->lock);
	return ok && v->state.now != VOLUME_FAILED;
}

static bool flush_unlocked(er_volume *v)
{
	pthread_mutex_unlock(&v->lock);
	bool ok = er_ring_flush(v);
	pthread_mutex_lock(&v->lock);
	return ok;
}

static bool start_anew_unlocked(er_volume *v)
{
	pthread_mutex_unlock(&v->lock);
	bool ok = er_disk_start_anew(v);
	pthread_mutex_lock(&v->lock);
	return ok;
}

/* What was asked for while the file was not open; then it serves. The lock is held. */
static bool begin(er_volume *v)
{
	for (;;) {
		for (uint64_t n = v->queued; n > 0; n--)
			if (!do_first(v))
				return false;
		if (!flush_unlocked(v) || v->state.now == VOLUME_FAILED)
			return false;
		if (v->unnoted == 0)
			break;
		v->unnoted = 0;
		if (!start_anew_unlocked(v))
			return false;
	}
	er_states_move(&er_volume_states, &v->state, VOLUME_ON_OPENED, 0);
	__atomic_store_n(&v->serves, true, __ATOMIC_RELEASE);
	return true;
}

/* One slot's part of the drops that were not noted. An end that has taken its time makes all of the
 * file void instead. The lock is held. */
static bool note_gone(er_volume *v)
{
	bool late = er_volume_is_late(v);
	uint32_t slot = --v->unnoted;
	if (late)
		v->unnoted = 0;
	pthread_mutex_unlock(&v->lock);
	bool ok = late ? er_disk_void(v) : er_ring_note_gone(v, slot);
	pthread_mutex_lock(&v->lock);
	return ok && v->state.now != VOLUME_FAILED;
}

static bool work(er_volume *v)
{
	for (;;) {
		if (first(v) != NULL) {
			if (!do_first(v))
				return false;
		} else if (v->unnoted > 0) {
			if (!note_gone(v))
				return false;
		} else if (er_buf_len(&v->ring.buf) > 0) {
			if (!flush_unlocked(v))
				return false;
		} else if (v->ending) {
			return true;
		} else {
			pthread_cond_wait(&v->to_write, &v->lock);
		}
	}
}

void *er_disk_writer(void *volume)
{
	er_volume *v = volume;
	ER_CHECK(v, ER_VOLUME_MAGIC);
	pthread_setname_np(pthread_self(), "er-disk-writer");
	bool ok = er_disk_start(v);
	pthread_mutex_lock(&v->lock);
	ok = ok && begin(v) && work(v);
	pthread_mutex_unlock(&v->lock);
	if (ok)
		(void)!er_ring_seal(v);
	tell(v);
	__atomic_store_n(&v->shared, true, __ATOMIC_SEQ_CST); /* before the other process writes */
	if (v->fd >= 0)
		v->io->unlock(v->io->self, v->fd);
	pthread_mutex_lock(&v->lock);
	if (v->state.now != VOLUME_FAILED)
		er_states_move(&er_volume_states, &v->state, VOLUME_ON_END, 0);
	pthread_mutex_unlock(&v->lock);
	return NULL;
}
