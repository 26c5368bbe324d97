/* The memory store without a handler around it: the bytes of a response and their readers, wake-ups
 * across threads, and the index with its eviction. Run it under the thread sanitizer, too. */
#include "cache/content.h"
#include "cache/fill.h"
#include "cache/index.h"
#include "cache/task.h"

#include "base/buf.h"
#include "base/mem.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "until.h"

/* ---- a thread's loop with a port, and readers on it ---- */

typedef struct side {
	uv_loop_t loop;
	er_port *port;
} side;

static void side_open(side *s)
{
	assert_int_equal(uv_loop_init(&s->loop), 0);
	s->port = er_port_new(&s->loop);
}

static void side_close(side *s)
{
	er_port_close(s->port);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&s->loop), 0);
}

static void turn(side *s)
{
	uv_run(&s->loop, UV_RUN_NOWAIT);
}

typedef struct reader {
	er_body *body;
	er_buf got;
	bool holds;        /* does not read when it is told */
	size_t cancels_at; /* once it has so many bytes; 0: never */
	bool ended, failed, cancelled;
} reader;

static void read_on(void *ctx)
{
	reader *r = ctx;
	er_piece piece;
	while (!r->holds && !r->ended && !r->failed && !r->cancelled) {
		switch (er_body_read(r->body, 0, &piece)) {
		case ER_BODY_WAIT:
			return;
		case ER_BODY_PIECE:
			er_buf_put(&r->got, er_piece_slice(piece));
			er_piece_drop(&piece);
			if (r->cancels_at > 0 && er_buf_slice(&r->got).n >= r->cancels_at) {
				r->cancelled = true;
				er_body_cancel(r->body, ER_ERR_CLIENT_GONE);
			}
			break;
		case ER_BODY_END:
			r->ended = true;
			break;
		case ER_BODY_ERROR:
			r->failed = true;
			break;
		}
	}
}

static const er_body_sink_ops reader_ops = {.readable = read_on};

static void reader_begin(reader *r, er_content *c, side *s, uint64_t from, uint64_t n)
{
	er_buf_init(&r->got);
	r->body = er_content_read(c, s->port, from, n, ER_BODY_UNKNOWN);
	assert_non_null(r->body);
	er_body_sink(r->body, &reader_ops, r);
	read_on(r);
}

static void reader_end(reader *r)
{
	er_body_sink(r->body, NULL, NULL);
	if (!r->ended && !r->failed && !r->cancelled)
		er_body_cancel(r->body, ER_ERR_CLIENT_GONE);
	er_body_unref(r->body);
	er_buf_fini(&r->got);
}

static uint8_t byte_at(uint64_t at)
{
	return (uint8_t)(at * 31 + (at >> 8));
}

/* n bytes of the pattern, from where the content is. */
static void write_some(er_content *c, size_t n)
{
	uint64_t at = er_content_length(c);
	er_chunk *chunk = er_chunk_new(n);
	for (size_t i = 0; i < n; i++)
		chunk->bytes[i] = byte_at(at + i);
	er_content_write(c, er_piece_take(chunk, n));
}

static void assert_got(const reader *r, uint64_t from, uint64_t n)
{
	er_slice got = er_buf_slice(&r->got);
	assert_int_equal(got.n, n);
	for (size_t i = 0; i < got.n; i++)
		if (got.p[i] != byte_at(from + i))
			fail_msg("byte %zu", i);
}

/* ---- content ---- */

static void every_part_of_a_response_can_be_read(void **state)
{
	(void)state;
	side s;
	side_open(&s);
	static const size_t cuts[] = {1, 7, 2, 9000, 1, 1, 13, 9000};
	for (unsigned pieces = 0; pieces <= sizeof cuts / sizeof *cuts; pieces++) {
		er_content *c = er_content_new();
		for (unsigned i = 0; i < pieces; i++)
			write_some(c, cuts[i]);
		er_content_end(c, ER_ERR_OK);
		uint64_t length = er_content_length(c);
		uint64_t step = length > 100 ? 97 : 1;
		for (uint64_t from = 0; from <= length; from += step) {
			reader rest = {0}, some = {0};
			reader_begin(&rest, c, &s, from, UINT64_MAX);
			assert_true(rest.ended);
			assert_got(&rest, from, length - from);
			uint64_t n = (length - from + 1) / 2;
			reader_begin(&some, c, &s, from, n);
			assert_true(some.ended);
			assert_got(&some, from, n);
			reader_end(&rest);
			reader_end(&some);
		}
		assert_int_equal(er_content_readers(c), 0);
		er_content_unref(c);
	}
	side_close(&s);
}

/* Also if that is where nothing has come yet. */
static void every_part_of_what_comes_can_be_read(void **state)
{
	(void)state;
	static const size_t cuts[] = {1, 7, 2, 9000, 1, 1, 13, 9000};
	enum { PARTS = 40, N = 1 + 7 + 2 + 9000 + 1 + 1 + 13 + 9000 };
	side s;
	side_open(&s);
	for (int passes_by = 0; passes_by < 2; passes_by++) {
		for (unsigned before = 0; before <= sizeof cuts / sizeof *cuts; before++) {
			er_content *c = er_content_new();
			reader parts[PARTS] = {0}, more = {0};
			for (unsigned i = 0; i < before; i++)
				write_some(c, cuts[i]);
			for (unsigned i = 0; i < PARTS; i++)
				reader_begin(&parts[i], c, &s, i * (N / PARTS), N / PARTS + i);
			reader_begin(&more, c, &s, N - 10, 11);
			if (passes_by)
				er_content_pass_by(c);
			for (unsigned i = before; i < sizeof cuts / sizeof *cuts; i++) {
				write_some(c, cuts[i]);
				turn(&s);
			}
			/* those that wait for later bytes keep nothing that is before them */
			if (passes_by)
				assert_in_range(er_content_pieces(c), 0, 1);
			er_content_end(c, ER_ERR_OK);
			turn(&s);
			for (unsigned i = 0; i < PARTS; i++) {
				assert_true(parts[i].ended || i * (N / PARTS) + N / PARTS + i > N);
				assert_got(&parts[i], i * (N / PARTS), parts[i].ended ? N / PARTS + i : N - i * (N / PARTS));
				reader_end(&parts[i]);
			}
			assert_true(more.failed); /* it is shorter */
			assert_got(&more, N - 10, 10);
			reader_end(&more);
			assert_int_equal(er_content_readers(c), 0);
			er_content_unref(c);
		}
	}
	side_close(&s);
}

static void who_comes_while_it_fills_gets_all_of_it(void **state)
{
	(void)state;
	enum { N = 40 };
	side s;
	side_open(&s);
	er_content *c = er_content_new();
	reader readers[N] = {0};
	uint64_t length = 0;
	for (unsigned i = 0; i < N; i++) {
		reader_begin(&readers[i], c, &s, 0, UINT64_MAX);
		size_t n = i % 3 == 0 ? 1 : i % 3 == 1 ? 100 : 20000;
		write_some(c, n);
		length += n;
		if (i % 4 == 0)
			turn(&s);
	}
	er_content_end(c, ER_ERR_OK);
	for (unsigned i = 0; i < N; i++) {
		UNTIL(&s, readers[i].ended);
		assert_got(&readers[i], 0, length);
		reader_end(&readers[i]);
	}
	er_content_unref(c);
	side_close(&s);
}

/* A chunk for each byte would take a hundred times the memory that the store counts. */
static void a_response_that_drips_takes_the_memory_of_its_bytes(void **state)
{
	(void)state;
	enum { N = 100000 };
	side s;
	side_open(&s);
	er_content *c = er_content_new();
	reader along = {0}, late = {0}, part = {0};
	reader_begin(&along, c, &s, 0, UINT64_MAX);
	for (unsigned i = 0; i < N; i++) {
		write_some(c, 1);
		if (i % 100 == 0)
			turn(&s);
	}
	assert_true(er_content_pieces(c) < N / 4096 + 2);
	er_content_end(c, ER_ERR_OK);
	UNTIL(&s, along.ended);
	assert_got(&along, 0, N);
	reader_begin(&late, c, &s, 0, UINT64_MAX);
	assert_got(&late, 0, N);
	reader_begin(&part, c, &s, 777, 50001);
	assert_got(&part, 777, 50001);
	reader_end(&along);
	reader_end(&late);
	reader_end(&part);
	er_content_unref(c);
	side_close(&s);
}

static void a_reader_that_does_not_read_takes_no_more_than_its_window(void **state)
{
	(void)state;
	side s;
	side_open(&s);
	er_content *c = er_content_new();
	reader slow = {.holds = true};
	reader_begin(&slow, c, &s, 0, UINT64_MAX);
	for (unsigned i = 0; i < 100; i++) {
		write_some(c, 20000);
		turn(&s);
	}
	assert_true(er_body_buffered(slow.body) <= ER_BODY_WINDOW + 16 * 20000);
	er_content_end(c, ER_ERR_OK);
	turn(&s);
	slow.holds = false;
	read_on(&slow);
	UNTIL(&s, slow.ended);
	assert_got(&slow, 0, 2000000);
	reader_end(&slow);
	er_content_unref(c);
	side_close(&s);
}

static void readers_of_what_breaks_off_learn_of_it_and_new_ones_are_sent_away(void **state)
{
	(void)state;
	side s;
	side_open(&s);
	er_content *c = er_content_new();
	reader r = {0}, held = {.holds = true};
	write_some(c, 5000);
	reader_begin(&r, c, &s, 0, UINT64_MAX);
	reader_begin(&held, c, &s, 0, UINT64_MAX);
	er_content_end(c, ER_ERR_RESPONSE);
	UNTIL(&s, r.failed);
	assert_got(&r, 0, 5000);
	held.holds = false;
	read_on(&held);
	UNTIL(&s, held.failed);
	assert_got(&held, 0, 5000);
	assert_int_equal(er_body_error(r.body), ER_ERR_RESPONSE);
	assert_null(er_content_read(c, s.port, 0, UINT64_MAX, ER_BODY_UNKNOWN));
	reader_end(&r);
	reader_end(&held);
	er_content_unref(c);
	side_close(&s);
}

static void a_client_may_leave_inside_of_a_write(void **state)
{
	(void)state;
	side s;
	side_open(&s);
	for (unsigned at = 0; at < 2; at++) {
		er_content *c = er_content_new();
		reader leaves = {.cancels_at = 1}, stays = {0};
		if (at == 0)
			write_some(c, 9000);
		reader_begin(&leaves, c, &s, 0, UINT64_MAX);
		reader_begin(&stays, c, &s, 0, UINT64_MAX);
		for (unsigned i = 0; i < 5; i++)
			write_some(c, 9000);
		UNTIL(&s, leaves.cancelled);
		er_content_end(c, ER_ERR_OK);
		UNTIL(&s, stays.ended);
		assert_int_equal(er_content_readers(c), 0);
		reader_end(&leaves);
		reader_end(&stays);
		er_content_unref(c);
	}
	side_close(&s);
}

typedef struct note {
	er_wait wait;
	er_wait *cancels; /* another one, when it is called */
	pthread_mutex_t *lock;
	unsigned news;
} note;

static void on_note(er_wait *w)
{
	note *n = ER_CONTAINER(w, note, wait);
	n->news++;
	if (n->cancels != NULL)
		er_wait_cancel(n->cancels, n->lock);
}

static void what_passes_by_is_kept_only_for_the_slowest(void **state)
{
	(void)state;
	enum { MOST = 100000 };
	side s;
	side_open(&s);
	er_content *c = er_content_new();
	reader fast = {0}, slow = {0};
	note room = {0};
	er_wait_init(&room.wait, s.port, on_note);
	reader_begin(&fast, c, &s, 0, UINT64_MAX);
	reader_begin(&slow, c, &s, 0, UINT64_MAX);
	slow.holds = true;
	er_content_pass_by(c);
	uint64_t length = 0;
	unsigned waits = 0;
	bool full = false;
	for (unsigned i = 0; i < 200; i++) {
		write_some(c, 10000);
		length += 10000;
		full = er_content_full(c, MOST, &room.wait);
		turn(&s);
		assert_true(er_content_pieces(c) <= MOST / 10000 + 2);
		if (!full)
			continue;
		waits++;
		some_turns(&s);
		assert_int_equal(room.news, waits - 1); /* not before the slow one reads */
		slow.holds = false;
		read_on(&slow);
		UNTIL(&s, room.news == waits);
		slow.holds = true;
	}
	assert_true(waits > 0);
	/* its beginning is gone */
	assert_null(er_content_read(c, s.port, 0, UINT64_MAX, ER_BODY_UNKNOWN));
	er_content_end(c, ER_ERR_OK);
	slow.holds = false;
	read_on(&slow);
	UNTIL(&s, slow.ended && fast.ended);
	assert_got(&slow, 0, length);
	assert_got(&fast, 0, length);
	assert_null(er_content_read(c, s.port, 0, UINT64_MAX, ER_BODY_UNKNOWN));
	reader_end(&fast);
	reader_end(&slow);
	er_content_unref(c);
	side_close(&s);
}

static void a_writer_goes_on_when_the_slowest_leaves(void **state)
{
	(void)state;
	side s;
	side_open(&s);
	er_content *c = er_content_new();
	reader slow = {.holds = true};
	note room = {0};
	er_wait_init(&room.wait, s.port, on_note);
	reader_begin(&slow, c, &s, 0, UINT64_MAX);
	er_content_pass_by(c);
	for (bool full = false; !full; full = er_content_full(c, 300000, &room.wait)) {
		write_some(c, 50000);
		turn(&s);
	}
	reader_end(&slow);
	UNTIL(&s, room.news == 1);
	assert_int_equal(er_content_pieces(c), 0);
	er_content_end(c, ER_ERR_OK);
	er_content_unref(c);
	side_close(&s);
}

/* ---- ports ---- */

static void who_waits_no_more_is_not_called(void **state)
{
	(void)state;
	side s;
	side_open(&s);
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	er_list list;
	er_list_init(&list);
	note notes[4] = {0};
	for (unsigned i = 0; i < 4; i++) {
		er_wait_init(&notes[i].wait, s.port, on_note);
		er_wait_list(&notes[i].wait, &list);
	}
	er_wait_cancel(&notes[0].wait, &lock); /* while it is listed */
	er_wait_post_all(&list);
	assert_true(er_list_empty(&list));
	er_wait_cancel(&notes[1].wait, &lock); /* while it is posted */
	notes[2].cancels = &notes[3].wait;     /* while its turn comes */
	notes[2].lock = &lock;
	some_turns(&s);
	assert_int_equal(notes[0].news + notes[1].news + notes[3].news, 0);
	assert_int_equal(notes[2].news, 1);
	er_wait_cancel(&notes[2].wait, &lock); /* while it is nowhere */
	er_wait_list(&notes[2].wait, &list);
	er_wait_post(&notes[2].wait);
	notes[2].cancels = NULL;
	UNTIL(&s, notes[2].news == 2);
	side_close(&s);
}

/* ---- threads: one writes, two read ---- */

enum { ROUNDS = 3000, THREADS = 2 };

typedef struct race {
	pthread_mutex_t lock;
	pthread_cond_t news;
	er_content *c; /* of this round */
	unsigned round, done;
	uint64_t length;
	bool passes_by;
} race;

typedef struct racer {
	race *of;
	unsigned seed;
	pthread_t thread;
	uint64_t wrong, sent_away, bytes;
} racer;

static void race_once(racer *me, side *s, er_content *c)
{
	reader r = {.holds = (me->seed++ % 3) == 0, .cancels_at = me->seed % 7 == 0 ? 3000 : 0};
	er_buf_init(&r.got);
	r.body = er_content_read(c, s->port, 0, UINT64_MAX, ER_BODY_UNKNOWN);
	if (r.body == NULL) {
		me->sent_away++;
		return;
	}
	er_body_sink(r.body, &reader_ops, &r);
	for (unsigned i = 0; !r.ended && !r.failed && !r.cancelled; i++) {
		if (i == 2)
			r.holds = false;
		read_on(&r);
		uv_run(&s->loop, UV_RUN_NOWAIT);
	}
	er_slice got = er_buf_slice(&r.got);
	for (size_t i = 0; i < got.n; i++)
		me->wrong += got.p[i] != byte_at(i);
	me->wrong += r.ended && got.n != er_content_length(c);
	me->bytes += got.n;
	reader_end(&r);
}

static void *run_racer(void *ctx)
{
	racer *me = ctx;
	race *of = me->of;
	side s;
	side_open(&s);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		pthread_mutex_lock(&of->lock);
		while (of->round < round)
			pthread_cond_wait(&of->news, &of->lock);
		er_content *c = er_content_ref(of->c);
		pthread_mutex_unlock(&of->lock);
		race_once(me, &s, c);
		er_content_unref(c);
		pthread_mutex_lock(&of->lock);
		of->done++;
		pthread_cond_broadcast(&of->news);
		pthread_mutex_unlock(&of->lock);
	}
	side_close(&s);
	return NULL;
}

/* The writer of a content: as a fill does it. */
static void write_round(side *s, er_content *c, unsigned round)
{
	static const size_t cuts[] = {1, 3, 500, 1, 4000, 9000, 20000};
	note room = {0};
	er_wait_init(&room.wait, s->port, on_note);
	unsigned n = 3 + round % 20, seen = 0;
	bool passes_by = false, waits = false;
	for (unsigned i = 0; i < n; i++) {
		write_some(c, cuts[(i + round) % (sizeof cuts / sizeof *cuts)]);
		if (round % 3 == 0 && i == n / 2) {
			er_content_pass_by(c);
			passes_by = true;
		}
		waits = passes_by && er_content_full(c, 20000, &room.wait);
		while (waits && i + 1 < n) {
			turn(s);
			waits = room.news == seen;
		}
		seen = room.news;
	}
	if (waits)
		er_content_wait_over(c, &room.wait);
	er_content_end(c, round % 5 == 0 ? ER_ERR_RESPONSE : ER_ERR_OK);
}

static void what_one_thread_writes_the_others_read_as_it_was(void **state)
{
	(void)state;
	side s;
	side_open(&s);
	race of = {.lock = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER};
	racer racers[THREADS];
	for (unsigned i = 0; i < THREADS; i++) {
		racers[i] = (racer){.of = &of, .seed = i};
		assert_int_equal(pthread_create(&racers[i].thread, NULL, run_racer, &racers[i]), 0);
	}
	for (unsigned round = 1; round <= ROUNDS; round++) {
		er_content *c = er_content_new();
		pthread_mutex_lock(&of.lock);
		of.c = c;
		of.round = round;
		of.done = 0;
		pthread_cond_broadcast(&of.news);
		pthread_mutex_unlock(&of.lock);
		write_round(&s, c, round);
		pthread_mutex_lock(&of.lock);
		while (of.done < THREADS)
			pthread_cond_wait(&of.news, &of.lock);
		pthread_mutex_unlock(&of.lock);
		er_content_unref(c);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(racers[i].thread, NULL);
		assert_int_equal(racers[i].wrong, 0);
		assert_true(racers[i].bytes > 0);
	}
	side_close(&s);
}

/* ---- the index ---- */

static er_fields vary(er_arena *a, const char *foo)
{
	er_fields f = {0};
	er_fields_add(&f, a, ER_LIT("foo"), er_slice_cstr(foo));
	return f;
}

/* A stored response of `n` bytes; with `foo`, it varies on Foo. */
static er_stored *stored(er_slice key, uint64_t hash, const char *foo, size_t n)
{
	er_arena a = {0};
	er_fields response = {0}, request = vary(&a, foo != NULL ? foo : "");
	if (foo != NULL)
		er_fields_add(&response, &a, ER_LIT("vary"), ER_LIT("foo"));
	er_content *c = er_content_new();
	if (n > 0)
		write_some(c, n);
	er_content_end(c, ER_ERR_OK);
	er_stored *s = er_stored_new(key, hash, &request, 200, ER_LIT("OK"), &response, &response, &(er_freshness){.lifetime = 60}, c,
	                             (int64_t)n, NULL);
	er_content_unref(c);
	er_arena_fini(&a);
	assert_non_null(s);
	return s;
}

static bool put(er_index *ix, const char *key, const char *foo, size_t n, const er_fill *fill)
{
	er_slice k = er_slice_cstr(key);
	er_stored *s = stored(k, er_index_hash(k), foo, n);
	bool in = er_index_put(ix, s, fill);
	er_stored_unref(s);
	return in;
}

/* What a request for the key gets, as a length; -1: nothing, -2: nothing, but there are
 * other variants. */
static int64_t find(er_index *ix, const char *key, const char *foo)
{
	er_arena a = {0};
	er_slice k = er_slice_cstr(key);
	er_fields request = vary(&a, foo != NULL ? foo : "");
	er_index_found found = er_index_find(ix, k, er_index_hash(k), &request, &a, 0);
	int64_t n = found.stored != NULL ? (int64_t)er_content_length(found.stored->content) : found.others ? -2 : -1;
	er_stored_unref(found.stored);
	er_fill_unref(found.fill);
	er_arena_fini(&a);
	return n;
}

/* What another store gives, under the fill or none. */
static bool put_found(er_index *ix, const char *key, size_t n, bool must)
{
	er_slice k = er_slice_cstr(key);
	uint64_t hash = er_index_hash(k);
	er_stored *s = stored(k, hash, NULL, n);
	bool in = er_index_put_found(ix, s, NULL, er_index_purges(ix, hash), must);
	er_stored_unref(s);
	return in;
}

/* A scan of what the disk has does not push out what memory has. */
static void what_the_disk_has_takes_room_in_memory_when_it_comes_twice(void **state)
{
	(void)state;
	enum { N = 25, SIZE = 40000 }; /* nearly all that there is room for */
	er_index *ix = er_index_new(1 << 20);
	char key[32];
	for (unsigned i = 0; i < N; i++) { /* there is room */
		snprintf(key, sizeof key, "old %u", i);
		assert_true(put_found(ix, key, SIZE, false));
	}
	uint64_t evicted = er_index_statistics(ix).evicted;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(key, sizeof key, "scan %u", i);
		assert_false(put_found(ix, key, SIZE * 2, false));
		assert_int_equal(find(ix, key, NULL), -1);
	}
	assert_int_equal(er_index_statistics(ix).evicted, evicted);
	assert_true(put_found(ix, "scan 99", SIZE * 2, false));
	assert_int_equal(find(ix, "scan 99", NULL), SIZE * 2);
	assert_false(put_found(ix, "scan 1", SIZE * 2, false)); /* too long ago */
	assert_true(put_found(ix, "wanted", SIZE * 2, true));
	assert_true(put_found(ix, "wanted", SIZE * 2 + 1, false)); /* in place of what there is */
	assert_int_equal(find(ix, "wanted", NULL), SIZE * 2 + 1);
	er_slice k = er_slice_cstr("scan 98");
	uint64_t hash = er_index_hash(k), purges = er_index_purges(ix, hash);
	er_stored *s = stored(k, hash, NULL, 1);
	er_index_purge(ix, k, hash);
	assert_false(er_index_put_found(ix, s, NULL, purges, true));
	er_stored_unref(s);
	er_index_free(ix);
}

static void what_was_put_in_is_found_until_it_is_purged(void **state)
{
	(void)state;
	er_index *ix = er_index_new(1 << 20);
	char key[32];
	for (unsigned i = 0; i < 300; i++) { /* the table grows */
		snprintf(key, sizeof key, "key %u", i);
		assert_true(put(ix, key, NULL, i, NULL));
	}
	assert_int_equal(er_index_statistics(ix).objects, 300);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(key, sizeof key, "key %u", i);
		assert_int_equal(find(ix, key, NULL), i);
	}
	assert_true(put(ix, "key 7", NULL, 1000, NULL)); /* in its place */
	assert_int_equal(find(ix, "key 7", NULL), 1000);
	assert_int_equal(er_index_statistics(ix).objects, 300);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(key, sizeof key, "key %u", i);
		er_slice k = er_slice_cstr(key);
		er_index_purge(ix, k, er_index_hash(k));
		assert_int_equal(find(ix, key, NULL), -1);
		er_index_purge(ix, k, er_index_hash(k));
	}
	assert_int_equal(er_index_statistics(ix).objects, 0);
	assert_int_equal(er_index_statistics(ix).bytes, 0);
	er_index_free(ix);
}

static void less_memory_by_a_reload_makes_room_at_once_and_more_can_be_used(void **state)
{
	(void)state;
	er_index *ix = er_index_new(1 << 20);
	char key[32];
	for (unsigned i = 0; i < 100; i++) {
		snprintf(key, sizeof key, "key %u", i);
		assert_true(put(ix, key, NULL, 8000, NULL));
	}
	assert_true(find(ix, "key 0", NULL) == 8000);
	er_index_limit(ix, 1 << 18);
	assert_true(er_index_statistics(ix).bytes <= 1 << 18 && er_index_statistics(ix).objects > 10);
	er_index_limit(ix, 0);
	assert_int_equal(er_index_statistics(ix).objects, 0);
	assert_false(put(ix, "none", NULL, 1, NULL));
	er_index_limit(ix, 1 << 22);
	assert_int_equal(er_index_max_object(ix), (1 << 22) / 8);
	assert_true(put(ix, "large", NULL, 400000, NULL));
	assert_int_equal(find(ix, "large", NULL), 400000);
	er_index_free(ix);
}

static void a_key_has_many_variants_and_drops_the_oldest(void **state)
{
	(void)state;
	er_index *ix = er_index_new(1 << 20);
	char foo[16];
	for (unsigned i = 0; i < ER_INDEX_VARIANTS + 5; i++) {
		snprintf(foo, sizeof foo, "%u", i);
		assert_true(put(ix, "k", foo, i, NULL));
	}
	assert_int_equal(er_index_statistics(ix).objects, ER_INDEX_VARIANTS);
	for (unsigned i = 0; i < ER_INDEX_VARIANTS + 5; i++) {
		snprintf(foo, sizeof foo, "%u", i);
		assert_int_equal(find(ix, "k", foo), i < 5 ? -2 : (int)i);
	}
	assert_true(put(ix, "k", "9", 999, NULL)); /* the same variant again */
	assert_int_equal(find(ix, "k", "9"), 999);
	assert_int_equal(er_index_statistics(ix).objects, ER_INDEX_VARIANTS);
	er_index_purge(ix, ER_LIT("k"), er_index_hash(ER_LIT("k")));
	assert_int_equal(find(ix, "k", "9"), -1);
	assert_int_equal(er_index_statistics(ix).objects, 0);
	er_index_free(ix);
}

/* Under the lock, it is brought to its form once, and not for each variant. */
static void a_long_field_is_read_once_for_all_variants(void **state)
{
	(void)state;
	enum { LONG = 60000 };
	if (ER_SANITIZED)
		skip();
	er_index *ix = er_index_new(1 << 20);
	char small[16], *large = er_zalloc(LONG + 1);
	memset(large, 'x', LONG);
	for (unsigned i = 0; i < ER_INDEX_VARIANTS; i++) {
		snprintf(small, sizeof small, "%u", i);
		assert_true(put(ix, "k", small, i, NULL));
	}
	er_arena a = {0};
	er_fields request = vary(&a, large);
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
	assert_true(er_index_find(ix, ER_LIT("k"), er_index_hash(ER_LIT("k")), &request, &a, 0).others);
	assert_true(mallinfo2().uordblks + mallinfo2().hblkhd - before < 3 * LONG);
	er_arena_fini(&a);
	er_free(large);
	er_index_free(ix);
}

static void two_keys_of_one_hash_are_two(void **state)
{
	(void)state;
	er_index *ix = er_index_new(1 << 20);
	er_stored *a = stored(ER_LIT("a"), 5, NULL, 1), *b = stored(ER_LIT("b"), 5, NULL, 2);
	assert_true(er_index_put(ix, a, NULL) && er_index_put(ix, b, NULL));
	er_arena scratch = {0};
	er_index_found found = er_index_find(ix, ER_LIT("a"), 5, &(er_fields){0}, &scratch, 0);
	assert_ptr_equal(found.stored, a);
	er_stored_unref(found.stored);
	er_index_purge(ix, ER_LIT("a"), 5);
	found = er_index_find(ix, ER_LIT("b"), 5, &(er_fields){0}, &scratch, 0);
	assert_ptr_equal(found.stored, b);
	er_stored_unref(found.stored);
	er_stored_unref(a);
	er_stored_unref(b);
	er_arena_fini(&scratch);
	er_index_free(ix);
}

static void on_cache_closed(void *ctx)
{
	*(bool *)ctx = true;
}

static void let_go(er_fill *f)
{
	er_list_remove(&f->link);
	er_fill_unref(f);
}

/* What was asked before a purge must not come back by its answer. */
static void a_purge_voids_a_fill_under_way(void **state)
{
	(void)state;
	uv_loop_t loop;
	uv_loop_init(&loop);
	er_index *ix = er_index_new(1 << 20);
	er_cache *c = er_cache_new(&loop, ix);
	er_slice k = ER_LIT("k");
	uint64_t hash = er_index_hash(k);
	er_fill *f = er_fill_new(&(er_cache_place){.cache = c}, k, hash, NULL),
	        *second = er_fill_new(&(er_cache_place){.cache = c}, k, hash, NULL);
	assert_true(er_index_begin(ix, k, hash, f, 0));
	assert_false(er_index_begin(ix, k, hash, second, 0));
	assert_true(put(ix, "k", "1", 10, f));
	er_index_purge(ix, k, hash);
	assert_int_equal(find(ix, "k", "1"), -1);
	assert_false(put(ix, "k", "1", 10, f));
	assert_int_equal(find(ix, "k", "1"), -1);
	assert_true(er_index_begin(ix, k, hash, second, 0)); /* asked after the purge */
	er_index_over(ix, k, hash, f, ER_CACHE_PRIVATE, 0);  /* is nobody's word any more */
	assert_true(put(ix, "k", "1", 11, second));
	assert_int_equal(find(ix, "k", "1"), 11);
	er_index_over(ix, k, hash, second, ER_CACHE_OK, 0);
	let_go(f);
	let_go(second);
	bool closed = false;
	er_cache_close(c, on_cache_closed, &closed);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(closed);
	assert_int_equal(uv_loop_close(&loop), 0);
	er_index_free(ix);
}

static void a_key_of_private_answers_is_remembered_for_some_seconds(void **state)
{
	(void)state;
	enum { KEYS = 5000, S = 1000000 };
	uv_loop_t loop;
	uv_loop_init(&loop);
	er_index *ix = er_index_new(1 << 20);
	er_cache *c = er_cache_new(&loop, ix);
	char key[1024];
	unsigned alone = 0;
	for (unsigned i = 0; i < KEYS; i++) {
		er_slice k = er_slice_of(key, (size_t)snprintf(key, sizeof key, "key %01000u", i));
		er_fill *f = er_fill_new(&(er_cache_place){.cache = c}, k, er_index_hash(k), NULL);
		assert_true(er_index_begin(ix, k, f->hash, f, 1));
		er_index_over(ix, k, f->hash, f, ER_CACHE_PRIVATE, 1);
		assert_false(er_index_begin(ix, k, f->hash, f, 2 * S));
		let_go(f);
	}
	/* the oldest are forgotten: half a megabyte of keys is kept */
	for (unsigned i = 0; i < KEYS; i++) {
		er_slice k = er_slice_of(key, (size_t)snprintf(key, sizeof key, "key %01000u", i));
		er_arena a = {0};
		alone += er_index_find(ix, k, er_index_hash(k), &(er_fields){0}, &a, 2 * S).alone;
		assert_false(er_index_find(ix, k, er_index_hash(k), &(er_fields){0}, &a, 11 * S).alone);
		er_arena_fini(&a);
	}
	assert_in_range(alone, 400, 512 * 1024 / 1000);
	er_slice last = er_slice_of(key, (size_t)snprintf(key, sizeof key, "key %01000u", KEYS - 1));
	assert_true(put(ix, key, NULL, 1, NULL)); /* one that all may have came */
	er_arena a = {0};
	er_index_found found = er_index_find(ix, last, er_index_hash(last), &(er_fields){0}, &a, 2 * S);
	assert_false(found.alone);
	er_stored_unref(found.stored);
	er_arena_fini(&a);
	bool closed = false;
	er_cache_close(c, on_cache_closed, &closed);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	er_index_free(ix);
}

/* ---- eviction, beside a model of S3-FIFO ---- */

enum { MODEL_KEYS = 300, MODEL_STEPS = 60000, MODEL_BYTES = 200 * 1024 };

typedef struct model {
	struct {
		bool in, in_main;
		unsigned used;
		uint64_t cost, order; /* in its queue */
		uint64_t ghost;       /* the how many-th; 0: none */
	} o[MODEL_KEYS];
	uint64_t small, main, clock, ghosts, n;
} model;

static int oldest(const model *m, bool in_main)
{
	int found = -1;
	for (int i = 0; i < MODEL_KEYS; i++)
		if (m->o[i].in && m->o[i].in_main == in_main && (found < 0 || m->o[i].order < m->o[found].order))
			found = i;
	return found;
}

static void model_out(model *m, int i)
{
	*(m->o[i].in_main ? &m->main : &m->small) -= m->o[i].cost;
	m->o[i].in = false;
	m->n--;
}

static void model_in(model *m, int i, bool in_main, uint64_t cost)
{
	m->o[i].in = true;
	m->o[i].in_main = in_main;
	m->o[i].cost = cost;
	m->o[i].order = ++m->clock;
	m->n++;
	*(in_main ? &m->main : &m->small) += cost;
}

static void model_room(model *m)
{
	while (m->small + m->main > MODEL_BYTES) {
		int small = oldest(m, false), main = oldest(m, true);
		if (small >= 0 && (m->small > MODEL_BYTES / 10 || main < 0)) {
			model_out(m, small);
			if (m->o[small].used > 0)
				model_in(m, small, true, m->o[small].cost);
			else
				m->o[small].ghost = ++m->ghosts;
			m->o[small].used = 0;
		} else {
			model_out(m, main);
			if (m->o[main].used > 0) {
				m->o[main].used--;
				model_in(m, main, true, m->o[main].cost);
			}
		}
	}
}

static void model_put(model *m, int i, uint64_t cost)
{
	/* as many ghosts as main has place for */
	bool ghost = m->o[i].ghost > 0 && m->ghosts - m->o[i].ghost < m->n - m->n / 10 + 1;
	bool in_main = ghost || (m->o[i].in && m->o[i].in_main);
	m->o[i].ghost = 0;
	if (m->o[i].in)
		model_out(m, i);
	m->o[i].used = 0;
	model_in(m, i, in_main, cost);
	model_room(m);
}

static void what_is_evicted_is_what_the_model_evicts(void **state)
{
	(void)state;
	er_index *ix = er_index_new(MODEL_BYTES);
	model m = {0};
	er_arena a = {0};
	unsigned hits = 0;
	uint64_t random = 1;
	for (unsigned step = 0; step < MODEL_STEPS; step++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		/* Small numbers come more often. */
		unsigned r = (unsigned)(random >> 40), i = (r % MODEL_KEYS) * ((r >> 9) % MODEL_KEYS) / MODEL_KEYS;
		char key[16];
		er_slice k = er_slice_of(key, (size_t)snprintf(key, sizeof key, "%u", i));
		er_index_found found = er_index_find(ix, k, i + 1, &(er_fields){0}, &a, 0);
		assert_int_equal(found.stored != NULL, m.o[i].in);
		if (m.o[i].in && m.o[i].used < 3)
			m.o[i].used++;
		hits += m.o[i].in;
		if (found.stored == NULL || step % 50 == 0) {
			er_stored *s = stored(k, i + 1, NULL, (i * 37 + step) % 4000);
			assert_true(er_index_put(ix, s, NULL));
			model_put(&m, (int)i, er_stored_cost(s));
			er_stored_unref(s);
		} else if (step % 51 == 0) {
			er_index_drop(ix, found.stored);
			model_out(&m, (int)i);
		}
		er_stored_unref(found.stored);
		er_arena_fini(&a);
		er_index_stats all = er_index_statistics(ix);
		assert_int_equal(all.bytes, m.small + m.main);
		assert_true(all.bytes <= MODEL_BYTES);
	}
	assert_true(hits > MODEL_STEPS / 4);
	assert_true(er_index_statistics(ix).evicted > 1000);
	er_index_free(ix);
}

/* What the process takes is what the store counts, or little more, also for small objects. */
static void small_objects_take_the_memory_that_is_counted(void **state)
{
	(void)state;
	enum { N = 3000 };
	char foo[6000];
	memset(foo, 'x', sizeof foo - 1);
	foo[sizeof foo - 1] = '\0';
	er_stored *s = stored(ER_LIT("k"), 1, foo, 10);
	assert_true(er_stored_cost(s) > sizeof foo); /* what selects it is written by a client */
	er_stored_unref(s);
	if (ER_SANITIZED)
		skip();
	er_index *ix = er_index_new(64 << 20);
	size_t before = mallinfo2().uordblks;
	char key[64];
	for (unsigned i = 0; i < N; i++) {
		snprintf(key, sizeof key, "a key of some length, as keys are: %u", i);
		assert_true(put(ix, key, i % 2 ? "1" : NULL, 300, NULL));
	}
	size_t took = mallinfo2().uordblks - before;
	assert_true(took < er_index_statistics(ix).bytes * 5 / 4);
	er_index_free(ix);
}

static void an_object_is_never_larger_than_its_part(void **state)
{
	(void)state;
	for (uint64_t mb = 1; mb <= 4096; mb *= 4) {
		er_index *ix = er_index_new(mb << 20);
		assert_true(er_index_max_object(ix) > 0 && er_index_max_object(ix) <= (mb << 20) / 8);
		assert_true(er_index_max_object(ix) <= 64 << 20);
		assert_true(er_index_statistics(ix).max_bytes <= mb << 20);
		er_index_free(ix);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_part_of_a_response_can_be_read),
	    cmocka_unit_test(every_part_of_what_comes_can_be_read),
	    cmocka_unit_test(who_comes_while_it_fills_gets_all_of_it),
	    cmocka_unit_test(a_response_that_drips_takes_the_memory_of_its_bytes),
	    cmocka_unit_test(a_reader_that_does_not_read_takes_no_more_than_its_window),
	    cmocka_unit_test(readers_of_what_breaks_off_learn_of_it_and_new_ones_are_sent_away),
	    cmocka_unit_test(a_client_may_leave_inside_of_a_write),
	    cmocka_unit_test(what_passes_by_is_kept_only_for_the_slowest),
	    cmocka_unit_test(a_writer_goes_on_when_the_slowest_leaves),
	    cmocka_unit_test(who_waits_no_more_is_not_called),
	    cmocka_unit_test(what_one_thread_writes_the_others_read_as_it_was),
	    cmocka_unit_test(what_was_put_in_is_found_until_it_is_purged),
	    cmocka_unit_test(what_the_disk_has_takes_room_in_memory_when_it_comes_twice),
	    cmocka_unit_test(less_memory_by_a_reload_makes_room_at_once_and_more_can_be_used),
	    cmocka_unit_test(a_key_has_many_variants_and_drops_the_oldest),
	    cmocka_unit_test(a_long_field_is_read_once_for_all_variants),
	    cmocka_unit_test(two_keys_of_one_hash_are_two),
	    cmocka_unit_test(a_purge_voids_a_fill_under_way),
	    cmocka_unit_test(a_key_of_private_answers_is_remembered_for_some_seconds),
	    cmocka_unit_test(what_is_evicted_is_what_the_model_evicts),
	    cmocka_unit_test(small_objects_take_the_memory_that_is_counted),
	    cmocka_unit_test(an_object_is_never_larger_than_its_part),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
