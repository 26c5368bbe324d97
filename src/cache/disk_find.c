/* A question to the disk. The record under the key's hash is the head, or a fork, which says under
 * which hash the head of the request's variant is: two reads at most. What was read is checked
 * against the whole key and the variant, and becomes a stored response: with a body in memory if it
 * was short, and with one that is read from the disk if not. */
#include "cache/disk.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cache/disk_body.h"

static er_content *in_memory(er_slice bytes)
{
	er_content *c = er_content_new();
	er_content_write(c, er_piece_copy(bytes));
	er_content_end(c, ER_ERR_OK);
	return c;
}

/* A form whose parts are lost is made again; the response is none the worse. */
static void restore_forms(er_disk_find *f, const er_disk_head *head, er_content *c)
{
	for (er_coding i = 0; i < ER_CODINGS; i++) {
		const er_disk_form *it = &head->forms[i];
		if (it->length == 0 || !er_content_form_begin(c, i))
			continue;
		er_content *form = it->id == 0 ? in_memory(it->bytes)
		                               : er_disk_body_content(f->volume, er_volume_hash(f->volume, f->key), (er_disk_hash){0},
		                                                      it->id, it->length);
		er_content_form_end(c, i, ER_FORM_MADE, form);
		er_content_unref(form);
	}
}

/* The same of bytes that lie in the piece: without a copy, if little else is in its chunk. */
static er_content *in_piece(er_piece piece, er_slice bytes)
{
	if (bytes.n == 0 || bytes.n < piece.chunk->cap / 5 * 4)
		return in_memory(bytes);
	er_content *c = er_content_new();
	er_content_write(c, er_piece_sub(piece, (size_t)(bytes.p - piece.p), bytes.n));
	er_content_end(c, ER_ERR_OK);
	return c;
}

static er_stored *restore(er_disk_find *f, er_piece payload, uint64_t number)
{
	er_arena a = {0};
	er_disk_head head;
	er_stored *s = NULL;
	int64_t now = er_clock_wall_s();
	if (er_disk_head_get(er_piece_slice(payload), now, &a, &head) && er_slice_eq(head.key, f->key) &&
	    er_variant_matches(&head.variant, f->request, &a)) {
		er_content *c = head.id != 0
		                    ? er_disk_body_content(f->volume, er_volume_hash(f->volume, f->key), f->at, head.id, head.length)
		                    : in_piece(payload, head.body);
		restore_forms(f, &head, c);
		s = er_stored_restore(head.key, f->hash, head.status, head.reason, &head.fields, &head.variant, &head.fresh, c);
		s->came = head.came;
		er_stored_asked(s, head.site, number);
		er_scopes_copy_tags(&s->arena, &s->scopes, &(er_scopes){.tags = head.tags, .n_tags = head.n_tags});
		er_content_unref(c);
	}
	er_arena_fini(&a);
	return s;
}

/* Where the head of the request's variant is, by the fork that was read. */
static bool branch(er_disk_find *f, er_piece payload)
{
	er_arena a = {0};
	er_disk_fork fork;
	er_variant mine;
	bool ok = er_disk_fork_get(er_piece_slice(payload), &fork) && er_slice_eq(fork.key, f->key);
	if (ok) {
		er_variant_like(&a, &fork.names, f->request, &mine);
		f->at = er_volume_hash_variant(f->volume, er_volume_hash(f->volume, f->key), &fork, &mine);
	}
	er_arena_fini(&a);
	return ok;
}

/* Uses what was read: the response, or NULL with *again if another read is needed. */
static er_stored *use(er_disk_find *f, bool *again)
{
	er_disk_read *r = f->read;
	uint64_t number = 0;
	er_stored *s = NULL;
	*again = false;
	er_piece payload = {0};
	er_disk_kind kind = er_disk_read_kind(r);
	if (kind == ER_DISK_HEAD || kind == ER_DISK_FORK)
		payload = er_disk_read_take(r, kind, &number);
	er_disk_read_over(r, &f->wait);
	f->read = NULL;
	if (kind == ER_DISK_HEAD) {
		s = restore(f, payload, number);
	} else if (kind == ER_DISK_FORK && !f->at_variant) {
		*again = branch(f, payload);
		f->at_variant = true;
	}
	er_piece_drop(&payload);
	return s;
}

/* Reads and uses until it has to wait (true), or is over. */
static bool go_on(er_disk_find *f, er_stored **out)
{
	*out = NULL;
	for (bool again = true; again;) {
		if (f->read == NULL)
			f->read = er_volume_read(f->volume, f->at, false, &f->wait);
		if (f->read == NULL)
			break;
		if (!er_disk_read_done(f->read))
			return true;
		*out = use(f, &again);
	}
	er_disk_found(f->disk, *out != NULL);
	return false;
}

static void on_news(er_wait *wait)
{
	er_disk_find *f = ER_CONTAINER(wait, er_disk_find, wait);
	er_stored *s;
	if (!go_on(f, &s))
		f->found(f, s);
}

bool er_disk_find_start(er_disk_find *f, er_disk *d, er_port *port, er_slice key, uint64_t hash, const er_fields *request,
                        void (*found)(er_disk_find *f, er_stored *s), er_stored **out)
{
	*f = (er_disk_find){
	    .disk = d, .volume = er_disk_volume_of(d, key), .key = key, .hash = hash, .request = request, .found = found};
	er_wait_init(&f->wait, port, on_news);
	*out = NULL;
	if (f->volume == NULL || !er_volume_serves(f->volume))
		return false;
	f->at = er_volume_hash(f->volume, key);
	return go_on(f, out);
}

void er_disk_find_stop(er_disk_find *f)
{
	if (f->read != NULL)
		er_disk_read_over(f->read, &f->wait);
	f->read = NULL;
}
