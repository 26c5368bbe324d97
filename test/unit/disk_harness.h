/* What the tests of the disk store share: responses, files, and a loop that asks for what is in
 * them. Included by one program at a time. */
#ifndef TEST_DISK_HARNESS_H
#define TEST_DISK_HARNESS_H

#include "cache/disk.h"
#include "cache/index.h"

#include "base/buf.h"
#include "base/mem.h"

#include "disk_fault.h"
#include "until.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILE_BYTES = ER_VOLUME_LEAST };

/* ---- a world: a loop, a disk of up to four files ---- */

enum { FILES_MOST = 4 };

typedef struct world {
	uv_loop_t loop;
	er_port *port;
	er_disk *disk;
	fault fault[FILES_MOST];
	char dir[64], path[FILES_MOST][96];
	unsigned n;
	uint64_t bytes, queue;
	uint32_t record_bytes;
} world;

static inline void turn(world *w)
{
	uv_run(&w->loop, UV_RUN_NOWAIT);
	turn_pause();
}

/* Opens the files, as a node does when it starts. */
static inline void start_files(world *w)
{
	er_volume_options o[FILES_MOST];
	for (unsigned i = 0; i < w->n; i++)
		o[i] = (er_volume_options){.io = &w->fault[i].io,
		                           .path = w->path[i],
		                           .bytes = w->bytes,
		                           .queue_bytes = w->queue,
		                           .record_bytes = w->record_bytes};
	w->disk = er_disk_new(o, w->n);
	UNTIL(w, er_disk_ready(w->disk));
}

static inline void world_open_files(world *w, unsigned n)
{
	*w = (world){.n = n, .bytes = FILE_BYTES};
	snprintf(w->dir, sizeof w->dir, "%s", "/tmp/er-disk-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	for (unsigned i = 0; i < FILES_MOST; i++) {
		snprintf(w->path[i], sizeof w->path[i], "%s/file%u", w->dir, i);
		fault_init(&w->fault[i]);
	}
	assert_int_equal(uv_loop_init(&w->loop), 0);
	w->port = er_port_new(&w->loop);
	start_files(w);
}

static inline void world_open(world *w)
{
	world_open_files(w, 1);
}

/* As a node does when it ends well. */
static inline void stop_files(world *w)
{
	er_disk_free(w->disk);
	w->disk = NULL;
}

static inline void restart(world *w)
{
	stop_files(w);
	start_files(w);
}

static inline void world_close(world *w)
{
	stop_files(w);
	er_port_close(w->port);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	for (unsigned i = 0; i < FILES_MOST; i++)
		(void)!unlink(w->path[i]);
	assert_int_equal(rmdir(w->dir), 0);
}

/* All that was put is in the file. */
#define UNTIL_WRITTEN(w) UNTIL(w, er_disk_idle((w)->disk))

/* ---- responses ---- */

static inline uint8_t byte_at(uint64_t seed, uint64_t at)
{
	return (uint8_t)((seed * 131 + at * 7 + (at >> 9)) % 251);
}

typedef struct given {
	const char *key, *request, *response; /* "Name: value\n" lines */
	uint64_t length, seed;                /* of the body */
	int64_t lifetime;
} given;

static inline void add_fields(er_fields *to, er_arena *a, const char *lines)
{
	er_slice rest = er_slice_cstr(lines), line;
	while (er_slice_split(&rest, '\n', &line)) {
		size_t colon = er_slice_find(line, ':');
		er_fields_add(to, a, er_slice_head(line, colon), er_slice_trim(er_slice_from(line, colon + 1)));
	}
}

static inline er_piece pattern(uint64_t seed, uint64_t from, size_t n)
{
	er_chunk *c = er_chunk_new(n);
	for (size_t i = 0; i < n; i++)
		c->bytes[i] = byte_at(seed, from + i);
	return er_piece_take(c, n);
}

/* A response whose content is whole. */
static inline er_stored *make(given g)
{
	er_arena a = {0};
	er_fields request = {0}, response = {0};
	add_fields(&request, &a, g.request);
	add_fields(&response, &a, g.response);
	er_content *c = er_content_new();
	for (uint64_t at = 0; at < g.length;) {
		size_t n = g.length - at < 50000 ? (size_t)(g.length - at) : 50000;
		er_content_write(c, pattern(g.seed, at, n));
		at += n;
	}
	er_content_end(c, ER_ERR_OK);
	er_slice key = er_slice_cstr(g.key);
	er_freshness fresh = {.lifetime = g.lifetime > 0 ? g.lifetime : 100};
	er_stored *s = er_stored_new(key, er_index_hash(key), &request, 200, ER_LIT("OK"), &response, &response, &fresh, c,
	                             (int64_t)g.length, NULL);
	assert_non_null(s);
	er_content_unref(c);
	er_arena_fini(&a);
	return s;
}

static inline void put(world *w, given g)
{
	er_stored *s = make(g);
	er_disk_put(w->disk, s);
	er_stored_unref(s);
}

static inline void drop(world *w, const char *key)
{
	er_slice k = er_slice_cstr(key);
	er_disk_drop(w->disk, k, er_index_hash(k));
}

/* ---- questions ---- */

typedef struct question {
	er_disk_find find;
	er_arena a;
	er_fields request;
	bool over;
	er_stored *s;
} question;

static inline void on_found(er_disk_find *f, er_stored *s)
{
	question *q = ER_CONTAINER(f, question, find);
	q->s = s;
	q->over = true;
}

static inline void ask(world *w, question *q, const char *key, const char *request)
{
	*q = (question){0};
	add_fields(&q->request, &q->a, request);
	er_slice k = er_slice_cstr(key);
	q->over = !er_disk_find_start(&q->find, w->disk, w->port, k, er_index_hash(k), &q->request, on_found, &q->s);
}

/* What is found; the caller's reference, or NULL. */
static inline er_stored *find(world *w, const char *key, const char *request)
{
	question q;
	ask(w, &q, key, request);
	UNTIL(w, q.over);
	er_arena_fini(&q.a);
	return q.s;
}

typedef struct sink {
	er_body *body;
	er_buf got;
	bool holds, ended;
	er_err_kind failed;
} sink;

static inline void sink_read(void *ctx)
{
	sink *s = ctx;
	er_piece piece;
	while (!s->holds && !s->ended && s->failed == ER_ERR_OK) {
		switch (er_body_read(s->body, 0, &piece)) {
		case ER_BODY_WAIT:
			return;
		case ER_BODY_PIECE:
			er_buf_put(&s->got, er_piece_slice(piece));
			er_piece_drop(&piece);
			break;
		case ER_BODY_END:
			s->ended = true;
			break;
		case ER_BODY_ERROR:
			s->failed = er_body_error(s->body);
			break;
		}
	}
}

static const er_body_sink_ops sink_ops = {.readable = sink_read};

/* False: the bytes are not there any more. */
static inline bool sink_open(world *w, sink *k, er_stored *s, uint64_t from, uint64_t n, bool holds)
{
	*k = (sink){.holds = holds};
	k->body = er_content_read(s->content, w->port, from, n, ER_BODY_UNKNOWN);
	if (k->body == NULL)
		return false;
	er_body_sink(k->body, &sink_ops, k);
	sink_read(k);
	return true;
}

static inline void sink_close(sink *k)
{
	er_body_sink(k->body, NULL, NULL);
	if (!k->ended && k->failed == ER_ERR_OK)
		er_body_cancel(k->body, ER_ERR_CANCELLED);
	er_body_unref(k->body);
	er_buf_fini(&k->got);
}

static inline void assert_bytes(const sink *k, uint64_t seed, uint64_t from, uint64_t n)
{
	er_slice got = er_buf_slice(&k->got);
	assert_int_equal(got.n, n);
	for (size_t i = 0; i < got.n; i++)
		if (got.p[i] != byte_at(seed, from + i))
			fail_msg("byte %zu", i);
}

/* The response has exactly this body. */
static inline void assert_reads(world *w, er_stored *s, uint64_t seed, uint64_t length)
{
	sink k;
	assert_int_equal(er_content_length(s->content), length);
	assert_true(sink_open(w, &k, s, 0, UINT64_MAX, false));
	UNTIL(w, k.ended || k.failed != ER_ERR_OK);
	assert_true(k.ended);
	assert_bytes(&k, seed, 0, length);
	sink_close(&k);
}

static inline void assert_has(world *w, const char *key, const char *request, uint64_t seed, uint64_t length)
{
	er_stored *s = find(w, key, request);
	if (s == NULL)
		fail_msg("%s is not there", key);
	assert_reads(w, s, seed, length);
	er_stored_unref(s);
}

static inline void assert_has_not(world *w, const char *key, const char *request)
{
	assert_null(find(w, key, request));
}

static inline er_volume_stats figures(world *w)
{
	return er_disk_statistics(w->disk).all;
}

#endif
