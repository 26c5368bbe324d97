/* Bodies from the disk.
 *
 * A place says where the parts of a body are; the content and all readers hold it. Before a reader
 * begins, all parts that it will need are counted as used, so that they survive when their segment
 * makes room; if one of them is missing, the response is dropped and its asker looks again. A part
 * that is not there later, or is damaged, breaks the reader off: never a wrong byte goes out.
 *
 * A reader is the source of one body. It holds one part at a time and reads the next one when the
 * body has room again. Its callbacks (room, news of a read, cancel) take notes, and `act` acts. It
 * ends with the last byte, with a failure, or with the cancel. */
#include "cache/disk_body.h"

#include "base/act.h"
#include "base/mem.h"

enum { PLACE = 0x44504c43, READER = 0x44524452 };

typedef struct place {
	uint32_t magic;
	uint32_t refs; /* atomic */
	er_volume *v;
	er_disk_hash key, head;
	uint64_t id, length;
	bool gone; /* atomic: a part is missing */
} place;

typedef struct reader {
	uint32_t magic;
	er_act act;
	place *p; /* own reference */
	er_wait wait;
	er_disk_read *read;
	er_body *body; /* own reference */
	uint64_t at, end;
	bool full, over; /* over: nobody wants the rest */
} reader;

static void unref_place(void *ctx)
{
	place *p = ctx;
	ER_CHECK(p, PLACE);
	if (__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	p->magic = 0;
	er_free(p);
}

static er_disk_hash part_at(const place *p, uint64_t at)
{
	return er_volume_hash_part(p->v, p->key, p->id, at / ER_DISK_PART);
}

/* The response is of no use any more: neither this content nor its head, if that lives of it. */
static void lose(place *p)
{
	__atomic_store_n(&p->gone, true, __ATOMIC_RELAXED);
	if (p->head.a != 0 || p->head.b != 0)
		er_volume_forget(p->v, p->head);
}

static void free_reader(reader *r)
{
	er_body *body = r->body;
	er_disk_read_over(r->read, &r->wait);
	er_body_source(body, NULL, NULL);
	er_body_unref(body);
	unref_place(r->p);
	r->magic = 0;
	er_free(r);
}

/* Begins to read the part at r->at, if it is not being read. False: it is not there. */
static bool fetch(reader *r)
{
	if (r->read == NULL)
		r->read = er_volume_read(r->p->v, part_at(r->p, r->at), true, &r->wait);
	return r->read != NULL;
}

/* Gives the body what was read. False: it is not what it should be. */
static bool deliver(reader *r)
{
	uint64_t skip = r->at % ER_DISK_PART, begin = r->at - skip, left = r->p->length - begin;
	size_t size = left < ER_DISK_PART ? (size_t)left : ER_DISK_PART;
	er_piece part = er_disk_read_take(r->read, ER_DISK_PART_OF, NULL);
	er_disk_read_over(r->read, &r->wait);
	r->read = NULL;
	if (part.chunk == NULL || part.n != size) {
		er_piece_drop(&part);
		return false;
	}
	uint64_t wanted = r->end - r->at, there = size - skip;
	size_t n = (size_t)(wanted < there ? wanted : there);
	r->at += n;
	if (!er_body_write(r->body, er_piece_sub(part, (size_t)skip, n)))
		r->full = true;
	er_piece_drop(&part);
	return true;
}

/* One step. False: nothing more is to be done now. */
static bool step(reader *r, bool *ended, er_err_kind *why)
{
	if (r->over) {
		*ended = true;
		*why = ER_ERR_CANCELLED;
		return false;
	}
	if (r->at == r->end) {
		*ended = true;
		return false;
	}
	if (r->full)
		return false;
	if (fetch(r) && !er_disk_read_done(r->read))
		return false;
	if (r->read != NULL && deliver(r))
		return true;
	lose(r->p);
	*ended = true;
	*why = ER_ERR_IO;
	return false;
}

static void act(reader *r)
{
	bool ended = false;
	er_err_kind why = ER_ERR_OK;
	if (!er_act_begin(&r->act))
		return;
	do {
		while (step(r, &ended, &why)) {
		}
	} while (!ended && er_act_again(&r->act));
	if (ended && !r->over)
		er_body_end(r->body, why);
	er_act_end(&r->act);
	if (ended)
		free_reader(r);
}

static void on_news(er_wait *wait)
{
	reader *r = ER_CONTAINER(wait, reader, wait);
	ER_CHECK(r, READER);
	act(r);
}

static void on_resume(void *ctx)
{
	reader *r = ctx;
	ER_CHECK(r, READER);
	r->full = false;
	act(r);
}

static void on_cancel(void *ctx, er_err_kind reason)
{
	(void)reason;
	reader *r = ctx;
	ER_CHECK(r, READER);
	r->over = true;
	act(r);
}

static const er_body_source_ops source_ops = {.resume = on_resume, .cancel = on_cancel};

/* All parts from `from` to `end` are there, and count as used. */
static bool all_there(const place *p, uint64_t from, uint64_t end)
{
	for (uint64_t at = from - from % ER_DISK_PART; at < end; at += ER_DISK_PART)
		if (!er_volume_use(p->v, part_at(p, at)))
			return false;
	return true;
}

/* The same; if not, the response is lost. */
static bool is_there(place *p, uint64_t from, uint64_t end)
{
	if (__atomic_load_n(&p->gone, __ATOMIC_RELAXED) || !er_volume_serves(p->v))
		return false;
	if (all_there(p, from, end))
		return true;
	lose(p);
	return false;
}

static bool there_behind(void *ctx, uint64_t from, uint64_t n)
{
	place *p = ctx;
	ER_CHECK(p, PLACE);
	ER_ASSERT(from <= p->length && n <= p->length - from);
	return is_there(p, from, from + n);
}

static er_body *read_behind(void *ctx, er_port *port, uint64_t from, uint64_t n, int64_t length)
{
	place *p = ctx;
	ER_CHECK(p, PLACE);
	ER_ASSERT(from <= p->length);
	uint64_t end = n < p->length - from ? from + n : p->length;
	if (!is_there(p, from, end))
		return NULL;
	__atomic_fetch_add(&p->refs, 1, __ATOMIC_RELAXED);
	reader *r = ER_NEW(reader);
	er_body *body = er_body_new(length);
	*r = (reader){.magic = READER, .p = p, .body = er_body_ref(body), .at = from, .end = end};
	er_wait_init(&r->wait, port, on_news);
	er_body_source(body, &source_ops, r);
	act(r);
	return body;
}

/* Part by part, each read for itself. */
static bool fetch_behind(void *ctx, uint64_t from, uint8_t *to, size_t n)
{
	place *p = ctx;
	ER_CHECK(p, PLACE);
	while (n > 0) {
		size_t skip = (size_t)(from % ER_DISK_PART);
		er_piece part = er_volume_read_part(p->v, part_at(p, from));
		size_t there = part.n > skip ? part.n - skip : 0, take = there < n ? there : n;
		if (take > 0)
			er_copy(to, part.p + skip, take);
		er_piece_drop(&part);
		if (take == 0)
			return false;
		to += take;
		from += take;
		n -= take;
	}
	return true;
}

static const er_content_behind behind = {.read = read_behind, .there = there_behind, .free = unref_place, .fetch = fetch_behind};

er_content *er_disk_body_content(er_volume *v, er_disk_hash key, er_disk_hash head, uint64_t id, uint64_t length)
{
	place *p = ER_NEW(place);
	*p = (place){.magic = PLACE, .refs = 1, .v = v, .key = key, .head = head, .id = id, .length = length};
	return er_content_new_behind(&behind, p, length, id);
}
