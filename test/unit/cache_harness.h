/* What the tests of the cache share: a cache on a loop of its own, an origin behind it in the chain
 * that does what the test says, and clients in front of it. Included by one program at a time. */
#ifndef TEST_CACHE_HARNESS_H
#define TEST_CACHE_HARNESS_H

#include "cache/cache.h"
#include "cache/task.h"

#include "base/buf.h"
#include "base/mem.h"

#include "until.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { ASKED_MAX = 64, STORE_BYTES = 8 << 20, OBJECT_MOST = STORE_BYTES / 8 };

/* One question that reached the origin. */
typedef struct asked {
	er_exchange *x;   /* the origin's reference, until it has answered */
	er_fields fields; /* of the request; in the world's arena */
	er_body *source;  /* of the answer, while the origin writes it */
	uint64_t wrote;
	bool full, cancelled;
} asked;

typedef struct world {
	uv_loop_t loop;
	er_arena arena;
	er_index *index;
	er_cache *cache;
	er_cache_place place;
	er_chain chain;
	asked asked[ASKED_MAX];
	unsigned n_asked;
	/* at once: the origin answers inside of `handle` */
	int status; /* 0: it does not */
	const char *fields, *text;
	const char *host;     /* of the requests, beside their authority */
	const char *forwards; /* as the standard process: sets x-forwarded-for to this */
	bool closed, shares;
} world;

static inline void turn(world *w)
{
	uv_run(&w->loop, UV_RUN_NOWAIT);
}

/* "Name: value\n" lines. */
static inline void add_fields(er_fields *to, er_arena *a, const char *lines)
{
	er_slice rest = er_slice_cstr(lines), line;
	while (er_slice_split(&rest, '\n', &line)) {
		size_t colon = er_slice_find(line, ':');
		er_fields_add(to, a, er_arena_copy(a, er_slice_head(line, colon)),
		              er_arena_copy(a, er_slice_trim(er_slice_from(line, colon + 1))));
	}
}

static inline uint8_t byte_at(uint64_t at)
{
	return (uint8_t)('a' + at % 23);
}

/* ---- the origin ---- */

static inline void origin_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	(void)reason;
	asked *a = ctx;
	assert_ptr_equal(a->x, x);
	a->cancelled = true;
	a->x = NULL;
	er_exchange_unref(x);
}

static inline void source_resume(void *ctx)
{
	((asked *)ctx)->full = false;
}

static inline void source_cancel(void *ctx, er_err_kind reason)
{
	(void)reason;
	asked *a = ctx;
	a->cancelled = true;
	er_body *b = a->source;
	a->source = NULL;
	er_body_unref(b);
}

static const er_body_source_ops source_ops = {.resume = source_resume, .cancel = source_cancel};

static inline void answer_with(asked *a)
{
	er_exchange *x = a->x;
	a->x = NULL;
	x->on_cancel = NULL;
	er_exchange_answer(x);
	er_exchange_unref(x);
}

/* The head; `length` of the body that follows, or ER_BODY_UNKNOWN. */
static inline void origin_head(asked *a, int status, const char *fields, int64_t length)
{
	er_exchange *x = a->x;
	assert_non_null(x);
	x->res.status = status;
	add_fields(&x->res.fields, &x->arena, fields);
	a->source = er_body_new(length);
	er_body_source(a->source, &source_ops, a);
	x->res.body = er_body_ref(a->source);
	answer_with(a);
}

static inline void origin_write(asked *a, size_t n)
{
	if (a->source == NULL)
		return;
	er_chunk *c = er_chunk_new(n);
	for (size_t i = 0; i < n; i++)
		c->bytes[i] = byte_at(a->wrote + i);
	a->wrote += n;
	a->full = !er_body_write(a->source, er_piece_take(c, n));
}

static inline void origin_end(asked *a, er_err_kind why)
{
	er_body *b = a->source;
	a->source = NULL;
	if (b == NULL)
		return;
	if (why == ER_ERR_OK)
		er_body_finish(b);
	else
		er_body_fail(b, why);
	er_body_source(b, NULL, NULL);
	er_body_unref(b);
}

/* All of it at once. */
static inline void origin_answer(asked *a, int status, const char *fields, const char *text)
{
	er_exchange *x = a->x;
	assert_non_null(x);
	x->res.status = status;
	add_fields(&x->res.fields, &x->arena, fields);
	x->res.body = text != NULL ? er_body_of(er_piece_copy(er_slice_cstr(text))) : NULL;
	answer_with(a);
}

static inline void origin_fail(asked *a)
{
	er_exchange_fail(a->x, 502, ER_ERR_CONNECT, NULL, "The origin is away.");
	answer_with(a);
}

static inline void origin_handle(void *self, er_exchange *x)
{
	world *w = self;
	assert_true(w->n_asked < ASKED_MAX);
	asked *a = &w->asked[w->n_asked++];
	*a = (asked){.x = er_exchange_ref(x)};
	for (uint32_t i = 0; i < x->req.fields.n; i++)
		er_fields_add(&a->fields, &w->arena, er_arena_copy(&w->arena, x->req.fields.v[i].name),
		              er_arena_copy(&w->arena, x->req.fields.v[i].value));
	if (w->forwards != NULL)
		er_fields_set(&x->req.fields, &x->arena, ER_LIT("x-forwarded-for"), er_slice_cstr(w->forwards));
	er_fields_set(&x->req.fields, &x->arena, ER_LIT("x-forwarded-proto"), x->req.scheme);
	x->on_cancel = origin_cancel;
	x->handler_ctx = a;
	if (w->status != 0)
		origin_answer(a, w->status, w->fields, w->text);
}

/* ---- clients ---- */

typedef struct client {
	er_asker asker;
	world *w;
	er_exchange *x;
	er_buf got;
	bool answered, ended, failed;
	bool holds; /* does not read */
	bool goes;  /* leaves inside of the answer */
	er_wishes wishes;
	unsigned informed;
} client;

static inline void client_read(void *ctx)
{
	client *c = ctx;
	er_piece piece;
	while (!c->holds && !c->ended && !c->failed) {
		switch (er_body_read(c->x->res.body, 0, &piece)) {
		case ER_BODY_WAIT:
			return;
		case ER_BODY_PIECE:
			er_buf_put(&c->got, er_piece_slice(piece));
			er_piece_drop(&piece);
			break;
		case ER_BODY_END:
			c->ended = true;
			break;
		case ER_BODY_ERROR:
			c->failed = true;
			break;
		}
	}
}

static const er_body_sink_ops client_ops = {.readable = client_read};

static inline void client_answered(er_asker *asker, er_exchange *x)
{
	client *c = ER_CONTAINER(asker, client, asker);
	assert_ptr_equal(c->x, x);
	assert_false(c->answered);
	c->answered = true;
	if (c->goes) {
		er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
		c->failed = true;
		return;
	}
	if (x->res.body == NULL) {
		c->ended = true;
		return;
	}
	er_body_sink(x->res.body, &client_ops, c);
	client_read(c);
}

static inline void client_informed(er_asker *asker, er_exchange *x, int status, const er_fields *fields)
{
	(void)x, (void)fields;
	assert_int_equal(status, 103);
	ER_CONTAINER(asker, client, asker)->informed++;
}

static inline void client_broken(er_asker *asker, er_exchange *x)
{
	(void)x;
	client *c = ER_CONTAINER(asker, client, asker);
	c->answered = c->failed = true;
}

static inline void client_ask(client *c, world *w, const char *method, const char *target, const char *fields)
{
	bool holds = c->holds, goes = c->goes;
	const er_wishes wishes = c->wishes;
	*c = (client){.w = w,
	              .wishes = wishes,
	              .holds = holds,
	              .goes = goes,
	              .asker = {.answered = client_answered, .broken = client_broken, .informed = client_informed}};
	er_buf_init(&c->got);
	er_exchange *x = c->x = er_exchange_new();
	x->asker = &c->asker;
	x->wishes = wishes;
	x->req.method = er_arena_copy(&x->arena, er_slice_cstr(method));
	x->req.scheme = ER_LIT("http");
	x->req.authority = ER_LIT("a.example");
	x->req.target = er_arena_copy(&x->arena, er_slice_cstr(target));
	x->req.host = er_slice_cstr(w->host);
	add_fields(&x->req.fields, &x->arena, fields);
	er_exchange_enter(x, &w->chain, ER_AT_CACHE);
}

/* Leaves, wherever it is. */
static inline void client_leave(client *c)
{
	er_exchange *x = c->x;
	if (x == NULL)
		return;
	c->x = NULL;
	if (!c->ended && !c->failed)
		er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	else if (x->res.body != NULL)
		er_body_sink(x->res.body, NULL, NULL);
	er_exchange_unref(x);
	er_buf_fini(&c->got);
}

static inline const char *field(const client *c, const char *name)
{
	const er_slice *v = er_fields_get(&c->x->res.fields, er_slice_cstr(name));
	return v == NULL ? "" : er_arena_cstr(&c->x->arena, *v);
}

/* It gets this status, this word in Cache-Status, and this body. */
static inline void assert_answer(client *c, int status, const char *word, const char *text)
{
	UNTIL(c->w, c->ended);
	assert_int_equal(c->x->res.status, status);
	const char *said = field(c, "cache-status");
	if (word != NULL && strstr(said, word) == NULL)
		fail_msg("Cache-Status: %s", said);
	if (text == NULL)
		return;
	er_slice got = er_buf_slice(&c->got);
	if (!er_slice_eq(got, er_slice_cstr(text)))
		fail_msg("\"%.*s\" instead of \"%s\"", ER_FMT(got), text);
}

static inline void assert_pattern(client *c, uint64_t from, uint64_t n)
{
	er_slice got = er_buf_slice(&c->got);
	assert_int_equal(got.n, n);
	for (size_t i = 0; i < got.n; i++)
		if (got.p[i] != byte_at(from + i))
			fail_msg("byte %zu", i);
}

/* One request, answered by the store or by an origin that answers at once. */
static inline void assert_gets(world *w, const char *target, const char *fields, const char *word, const char *text)
{
	client c = {0};
	client_ask(&c, w, "GET", target, fields);
	assert_answer(&c, 200, word, text);
	client_leave(&c);
}

/* ---- life ---- */

/* With a store that others share. */
static inline void world_open_at(world *w, er_index *index)
{
	*w = (world){.index = index, .shares = true};
	assert_int_equal(uv_loop_init(&w->loop), 0);
	w->cache = er_cache_new(&w->loop, w->index);
	/* The scope is that of production: a byte that ends texts of C. */
	w->place = (er_cache_place){.cache = w->cache, .chain = &w->chain, .scope = 0};
	er_chain_add(&w->chain, ER_AT_CACHE, er_cache_handler(&w->place));
	er_chain_add(&w->chain, ER_AT_STANDARD, (er_handler){.name = "origin", .handle = origin_handle, .self = w});
}

static inline void world_open(world *w)
{
	world_open_at(w, er_index_new(STORE_BYTES));
	w->shares = false;
}

static inline void world_on_closed(void *ctx)
{
	((world *)ctx)->closed = true;
}

static inline void world_close(world *w)
{
	er_cache_close(w->cache, world_on_closed, w);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_true(w->closed);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	for (unsigned i = 0; i < w->n_asked; i++) {
		assert_null(w->asked[i].x); /* answered or cancelled */
		origin_end(&w->asked[i], ER_ERR_CANCELLED);
	}
	if (!w->shares)
		er_index_free(w->index);
	er_arena_fini(&w->arena);
	er_exchange_trim();
}

#endif
