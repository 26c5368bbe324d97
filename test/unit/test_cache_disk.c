/* The cache with a disk below its memory: what memory has forgotten is served without the origin,
 * what is on the disk follows what the origin says, and a disk that is slow or lies costs a
 * question to the origin and never a wrong byte. */
#include "cache_harness.h"
#include "disk_fault.h"

#include "cache/disk.h"
#include "cache/key.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILE_BYTES = ER_VOLUME_LEAST, LONG = 5 * ER_DISK_PART + 99, HUGE = OBJECT_MOST * 3 + 5 };

typedef struct node {
	world w;
	fault fault;
	er_disk *disk;
	char dir[64], path[96];
} node;

static void open_disk(node *n)
{
	er_volume_options o = {.io = &n->fault.io, .path = n->path, .bytes = FILE_BYTES};
	n->disk = er_disk_new(&o, 1);
	while (!er_disk_ready(n->disk))
		turn_pause();
}

/* Numbers go on, as a node sees to it. */
static void open_memory(node *n)
{
	world_open(&n->w);
	er_purges_continue(er_index_purge_table(n->w.index), er_clock_wall_us());
	er_cache_use_disk(n->w.cache, n->disk);
	er_cache_join(n->w.index, n->disk);
}

static void node_open(node *n)
{
	snprintf(n->dir, sizeof n->dir, "%s", "/tmp/er-cache-disk-XXXXXX");
	assert_non_null(mkdtemp(n->dir));
	snprintf(n->path, sizeof n->path, "%s/file", n->dir);
	fault_init(&n->fault);
	open_disk(n);
	open_memory(n);
}

/* The memory forgets everything; all that was stored is on the disk. */
static void forget(node *n)
{
	UNTIL(&n->w, er_disk_idle(n->disk));
	world_close(&n->w);
	open_memory(n);
}

/* Memory has no room for anything, and then as much as before. */
static void evict(node *n)
{
	er_index_limit(n->w.index, 1024);
	assert_int_equal(er_index_statistics(n->w.index).objects, 0);
	er_index_limit(n->w.index, STORE_BYTES);
	UNTIL(&n->w, er_disk_idle(n->disk));
}

static void restart(node *n)
{
	world_close(&n->w);
	er_disk_free(n->disk);
	open_disk(n);
	open_memory(n);
}

static void node_close(node *n)
{
	world_close(&n->w);
	er_disk_free(n->disk);
	(void)!unlink(n->path);
	assert_int_equal(rmdir(n->dir), 0);
}

/* The origin gives this once, and is away afterwards. */
static void store(node *n, const char *target, const char *request, const char *fields, const char *text)
{
	world *w = &n->w;
	unsigned before = w->n_asked;
	w->status = 200;
	w->fields = fields;
	w->text = text;
	client c = {0};
	client_ask(&c, w, "GET", target, request);
	UNTIL(w, c.ended);
	assert_int_equal(w->n_asked, before + 1);
	client_leave(&c);
	w->status = 0;
}

/* A body of the pattern, in pieces. `length`: what the head says. */
static void store_long(node *n, const char *target, uint64_t bytes, int64_t length)
{
	world *w = &n->w;
	client c = {0};
	client_ask(&c, w, "GET", target, "");
	UNTIL(w, w->n_asked > 0 && w->asked[w->n_asked - 1].x != NULL);
	asked *a = &w->asked[w->n_asked - 1];
	origin_head(a, 200, "Cache-Control: max-age=100\nETag: \"long\"\n", length);
	while (a->wrote < bytes) {
		if (a->full) {
			turn(w);
			continue;
		}
		uint64_t left = bytes - a->wrote;
		origin_write(a, left < 60000 ? (size_t)left : 60000);
	}
	origin_end(a, ER_ERR_OK);
	UNTIL(w, c.ended);
	assert_pattern(&c, 0, bytes);
	client_leave(&c);
}

static void assert_stored(node *n, const char *target, const char *request, const char *word, const char *text)
{
	unsigned before = n->w.n_asked;
	assert_gets(&n->w, target, request, word, text);
	assert_int_equal(n->w.n_asked, before);
}

static const char fresh[] = "Cache-Control: max-age=100\nETag: \"1\"\n";

/* ---- served from the disk ---- */

static void what_memory_forgot_is_served_without_the_origin(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store(&n, "/a", "", fresh, "text");
	store(&n, "/empty", "", fresh, "");
	forget(&n);
	assert_stored(&n, "/a", "", "EdgeRoutine; hit; ttl=", "text");
	assert_stored(&n, "/empty", "", "EdgeRoutine; hit; ttl=", "");
	assert_int_equal(er_cache_statistics(n.w.cache)->hits, 2);
	assert_int_equal(er_cache_statistics(n.w.cache)->misses, 0);
	/* From memory now. */
	uint64_t reads = er_disk_statistics(n.disk).all.reads;
	assert_stored(&n, "/a", "", "EdgeRoutine; hit; ttl=", "text");
	assert_int_equal(er_disk_statistics(n.disk).all.reads, reads);
	restart(&n);
	assert_stored(&n, "/a", "", "EdgeRoutine; hit; ttl=", "text");
	node_close(&n);
}

static void a_long_body_is_streamed_from_the_disk(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store_long(&n, "/long", LONG, LONG);
	forget(&n);
	for (int round = 0; round < 2; round++) {
		client c = {0};
		client_ask(&c, &n.w, "GET", "/long", "");
		UNTIL(&n.w, c.ended);
		assert_int_equal(c.x->res.status, 200);
		assert_pattern(&c, 0, LONG);
		client_leave(&c);
	}
	/* Its bytes are not in memory. */
	assert_true(er_index_statistics(n.w.index).bytes < 16 * 1024);
	assert_int_equal(n.w.n_asked, 0);
	node_close(&n);
}

static const uint8_t *skip_head(const uint8_t *p, const uint8_t *end)
{
	for (; end - p >= 4; p++)
		if (p[0] == '\r' && p[1] == '\n' && p[2] == '\r' && p[3] == '\n')
			return p + 4;
	fail_msg("%s", "no head");
	return end;
}

static void assert_three_parts(client *c)
{
	static const uint64_t from[] = {600000, 131000, 0}, n[] = {100, 269001, 1};
	er_slice got = er_buf_slice(&c->got);
	const uint8_t *p = got.p, *end = got.p + got.n;
	assert_int_equal(er_body_length(c->x->res.body), got.n);
	for (unsigned i = 0; i < 3; i++) {
		p = skip_head(p, end);
		assert_true((uint64_t)(end - p) > n[i]);
		for (uint64_t k = 0; k < n[i]; k++)
			if (*p++ != byte_at(from[i] + k))
				fail_msg("part %u, byte %llu", i, (unsigned long long)k);
		assert_memory_equal(p, "\r\n--", 4);
	}
}

static void ranges_heads_and_conditions_are_answered_from_the_disk(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store_long(&n, "/long", LONG, LONG);
	store(&n, "/a", "", fresh, "0123456789");
	forget(&n);
	client c = {0};
	client_ask(&c, &n.w, "GET", "/long", "Range: bytes=200000-300000\n");
	UNTIL(&n.w, c.ended);
	assert_int_equal(c.x->res.status, 206);
	assert_pattern(&c, 200000, 100001);
	client_leave(&c);
	/* over the edges of what lies together on the disk, the last one first */
	client_ask(&c, &n.w, "GET", "/long", "Range: bytes=600000-600099,131000-400000,0-0\n");
	assert_int_equal(c.x->res.status, 206);
	UNTIL(&n.w, c.ended);
	assert_three_parts(&c);
	client_leave(&c);
	client_ask(&c, &n.w, "GET", "/a", "Range: bytes=-3\n");
	assert_answer(&c, 206, "; hit", "789");
	client_leave(&c);
	forget(&n);
	client_ask(&c, &n.w, "HEAD", "/a", "");
	UNTIL(&n.w, c.answered);
	assert_int_equal(c.x->res.status, 200);
	assert_string_equal(field(&c, "etag"), "\"1\"");
	client_leave(&c);
	forget(&n);
	client_ask(&c, &n.w, "GET", "/a", "If-None-Match: \"1\"\n");
	assert_answer(&c, 304, "; hit", "");
	client_leave(&c);
	forget(&n);
	client_ask(&c, &n.w, "GET", "/a", "Cache-Control: only-if-cached\n");
	assert_answer(&c, 200, "; hit", "0123456789");
	client_leave(&c);
	client_ask(&c, &n.w, "GET", "/never", "Cache-Control: only-if-cached\n");
	UNTIL(&n.w, c.answered);
	assert_int_equal(c.x->res.status, 504);
	client_leave(&c);
	assert_int_equal(n.w.n_asked, 0);
	node_close(&n);
}

static void variants_are_found_on_the_disk(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	static const char vary[] = "Cache-Control: max-age=100\nVary: Accept-Language\n";
	store(&n, "/a", "Accept-Language: de\n", vary, "deutsch");
	store(&n, "/a", "Accept-Language: en\n", vary, "english");
	forget(&n);
	assert_stored(&n, "/a", "Accept-Language: de\n", "; hit", "deutsch");
	assert_stored(&n, "/a", "Accept-Language: en\n", "; hit", "english");
	client c = {0};
	client_ask(&c, &n.w, "GET", "/a", "Accept-Language: fr\n");
	UNTIL(&n.w, n.w.n_asked == 1);
	origin_answer(&n.w.asked[0], 200, vary, "francais");
	assert_answer(&c, 200, "fwd=vary-miss", "francais");
	client_leave(&c);
	node_close(&n);
}

static void what_is_too_large_for_the_memory_goes_to_the_disk(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store_long(&n, "/said", HUGE, HUGE);
	store_long(&n, "/unsaid", HUGE, ER_BODY_UNKNOWN);
	forget(&n);
	static const char *const targets[] = {"/said", "/unsaid"};
	for (unsigned i = 0; i < 2; i++) {
		client c = {0};
		client_ask(&c, &n.w, "GET", targets[i], "");
		UNTIL(&n.w, c.ended);
		assert_pattern(&c, 0, HUGE);
		client_leave(&c);
		client_ask(&c, &n.w, "GET", targets[i], "Range: bytes=3000000-3000009\n");
		UNTIL(&n.w, c.ended);
		assert_int_equal(c.x->res.status, 206);
		assert_pattern(&c, 3000000, 10);
		client_leave(&c);
	}
	assert_int_equal(n.w.n_asked, 0);
	node_close(&n);
}

/* A part of what is not stored as a whole, of any length. */
static void store_piece(node *n, const char *request, const char *range, uint64_t from, uint64_t bytes)
{
	world *w = &n->w;
	client c = {0};
	char fields[160];
	snprintf(fields, sizeof fields, "%sContent-Range: bytes %s/9000000\n", fresh, range);
	client_ask(&c, w, "GET", "/film", request);
	UNTIL(w, w->n_asked > 0 && w->asked[w->n_asked - 1].x != NULL);
	asked *a = &w->asked[w->n_asked - 1];
	origin_head(a, 206, fields, (int64_t)bytes);
	a->wrote = from;
	while (a->wrote < from + bytes) {
		uint64_t left = from + bytes - a->wrote;
		if (!a->full)
			origin_write(a, left < 60000 ? (size_t)left : 60000);
		turn(w);
	}
	origin_end(a, ER_ERR_OK);
	UNTIL(w, c.ended);
	assert_pattern(&c, from, bytes);
	client_leave(&c);
}

static void assert_piece(node *n, const char *request, uint64_t from, uint64_t bytes)
{
	client c = {0};
	client_ask(&c, &n->w, "GET", "/film", request);
	UNTIL(&n->w, c.ended);
	assert_int_equal(c.x->res.status, 206);
	assert_non_null(strstr(field(&c, "cache-status"), "; hit"));
	assert_pattern(&c, from, bytes);
	client_leave(&c);
}

static void pieces_come_from_the_disk_too(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store_piece(&n, "Range: bytes=500-599\n", "500-599", 500, 100);
	store_piece(&n, "Range: bytes=100000-399999\n", "100000-399999", 100000, 300000);
	/* too long for the memory */
	store_piece(&n, "Range: bytes=1000000-5999999\n", "1000000-5999999", 1000000, 5000000);
	for (int again = 0; again < 2; again++) {
		if (again)
			restart(&n);
		else
			forget(&n);
		assert_piece(&n, "Range: bytes=500-599\n", 500, 100);
		assert_piece(&n, "Range: bytes=510-519\n", 510, 10); /* it is in memory again */
		assert_piece(&n, "Range: bytes=1000000-5999999\n", 1000000, 5000000);
		assert_piece(&n, "Range: bytes=3000000-3000009\n", 3000000, 10);
		assert_piece(&n, "Range: bytes=100000-399999\nIf-Range: \"1\"\n", 100000, 300000);
		assert_piece(&n, "Range: bytes=100000-399999\nCache-Control: only-if-cached\n", 100000, 300000);
	}
	assert_int_equal(n.w.n_asked, 0);
	/* What voids the URL voids them there. */
	client c = {0};
	client_ask(&c, &n.w, "POST", "/film", "");
	origin_answer(&n.w.asked[0], 204, "", NULL);
	client_leave(&c);
	for (int again = 0; again < 2; again++) {
		static const char *const requests[] = {"Range: bytes=500-599\n", "Range: bytes=1000000-5999999\n"};
		for (unsigned i = 0; i < 2; i++) {
			unsigned before = n.w.n_asked;
			client_ask(&c, &n.w, "GET", "/film", requests[i]);
			UNTIL(&n.w, n.w.n_asked == before + 1);
			origin_fail(&n.w.asked[before]);
			client_leave(&c);
		}
		if (!again)
			restart(&n);
	}
	node_close(&n);
}

/* What unsafe requests made void of a site whose keys have parts is not known after a start. */
static void after_a_start_a_site_with_parts_in_its_keys_asks_first(void **state)
{
	(void)state;
	static const char lives[] = "Cache-Control: max-age=100, stale-if-error=100\nETag: \"1\"\n";
	node n;
	node_open(&n);
	er_cache_rules like = {.cookies.n = 1};
	like.cookies.v[0] = ER_LIT("currency");
	er_cache_rules *rules = er_cache_rules_new(&like);
	n.w.place.rules = rules;
	store(&n, "/a", "Cookie: currency=EUR\n", lives, "text");
	store(&n, "/b", "Cookie: currency=EUR\n", lives, "text");
	restart(&n);
	n.w.place.rules = rules;
	client c = {0};
	client_ask(&c, &n.w, "GET", "/a", "Cookie: currency=EUR\n");
	UNTIL(&n.w, n.w.n_asked == 1);
	assert_non_null(er_fields_get(&n.w.asked[0].fields, ER_LIT("if-none-match")));
	origin_answer(&n.w.asked[0], 304, lives, NULL);
	assert_answer(&c, 200, "fwd=stale; fwd-status=304", "text");
	client_leave(&c);
	assert_stored(&n, "/a", "Cookie: currency=EUR\n", "; hit", "text"); /* once */
	/* and if the origin fails it has nothing */
	client_ask(&c, &n.w, "GET", "/b", "Cookie: currency=EUR\n");
	UNTIL(&n.w, n.w.n_asked == 2);
	origin_fail(&n.w.asked[1]);
	UNTIL(&n.w, c.answered);
	assert_int_equal(c.x->res.status, 502);
	client_leave(&c);
	n.w.place.rules = NULL;
	er_cache_rules_unref(rules);
	node_close(&n);
}

static void what_breaks_off_is_not_stored(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	client c = {0};
	client_ask(&c, &n.w, "GET", "/huge", "");
	UNTIL(&n.w, n.w.n_asked == 1);
	origin_head(&n.w.asked[0], 200, fresh, HUGE);
	origin_write(&n.w.asked[0], 400000);
	some_turns(&n.w);
	origin_end(&n.w.asked[0], ER_ERR_IO);
	UNTIL(&n.w, c.failed);
	client_leave(&c);
	forget(&n);
	client_ask(&c, &n.w, "GET", "/huge", "");
	UNTIL(&n.w, n.w.n_asked == 1);
	client_leave(&c);
	node_close(&n);
}

/* ---- one asks, others wait ---- */

static void many_that_want_the_same_wait_for_one_look(void **state)
{
	(void)state;
	enum { MANY = 20 };
	node n;
	node_open(&n);
	store(&n, "/a", "", fresh, "text");
	forget(&n);
	SET(&n.fault, reads_wait, true);
	uint64_t reads = GET(&n.fault, reads);
	static client c[MANY];
	for (unsigned i = 0; i < MANY; i++)
		client_ask(&c[i], &n.w, "GET", "/a", "");
	some_turns(&n.w);
	client_leave(&c[0]); /* the one that asked */
	SET(&n.fault, reads_wait, false);
	for (unsigned i = 1; i < MANY; i++) {
		assert_answer(&c[i], 200, "EdgeRoutine; hit", "text");
		client_leave(&c[i]);
	}
	assert_int_equal(GET(&n.fault, reads), reads + 1);
	assert_int_equal(n.w.n_asked, 0);
	node_close(&n);
}

static void a_disk_that_stands_still_costs_a_question_to_the_origin(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store(&n, "/a", "", fresh, "text");
	forget(&n);
	SET(&n.fault, reads_wait, true);
	n.w.status = 200;
	n.w.fields = fresh;
	n.w.text = "again";
	client all = {0}, alone = {0};
	client_ask(&all, &n.w, "GET", "/a", "");
	client_ask(&alone, &n.w, "GET", "/a", "Range: bytes=0-1\n");
	assert_answer(&all, 200, "fwd=uri-miss", "again");
	UNTIL(&n.w, alone.ended);
	client_leave(&all);
	client_leave(&alone);
	SET(&n.fault, reads_wait, false);
	node_close(&n);
}

static void who_leaves_while_the_disk_is_asked_leaves_nothing(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store(&n, "/a", "", fresh, "text");
	forget(&n);
	SET(&n.fault, reads_wait, true);
	client c = {0}, d = {0};
	client_ask(&c, &n.w, "GET", "/a", "Range: bytes=0-1\n"); /* alone */
	client_ask(&d, &n.w, "GET", "/a", "");
	some_turns(&n.w);
	client_leave(&c);
	client_leave(&d);
	some_turns(&n.w);
	/* And the node ends meanwhile. */
	world_close(&n.w);
	SET(&n.fault, reads_wait, false);
	open_memory(&n);
	assert_stored(&n, "/a", "", "; hit", "text");
	node_close(&n);
}

/* ---- what the origin says ---- */

static void what_is_stale_on_the_disk_is_validated(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store(&n, "/a", "", "Cache-Control: max-age=100\nAge: 200\nETag: \"1\"\n", "text");
	forget(&n);
	client c = {0};
	client_ask(&c, &n.w, "GET", "/a", "");
	UNTIL(&n.w, n.w.n_asked == 1);
	const er_slice *etag = er_fields_get(&n.w.asked[0].fields, ER_LIT("if-none-match"));
	assert_true(etag != NULL && er_slice_eq(*etag, ER_LIT("\"1\"")));
	origin_answer(&n.w.asked[0], 304, "Cache-Control: max-age=500\n", NULL);
	assert_answer(&c, 200, "fwd-status=304", "text");
	client_leave(&c);
	forget(&n);
	assert_stored(&n, "/a", "", "; hit", "text");
	node_close(&n);
}

static void what_is_stale_and_long_is_validated_without_its_bytes(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	world *w = &n.w;
	client c = {0};
	client_ask(&c, w, "GET", "/l", "");
	UNTIL(w, w->n_asked == 1);
	origin_head(&w->asked[0], 200, "Cache-Control: max-age=100\nAge: 200\nETag: \"1\"\n", LONG);
	while (w->asked[0].wrote < LONG) {
		uint64_t left = LONG - w->asked[0].wrote;
		origin_write(&w->asked[0], left < 60000 ? (size_t)left : 60000);
		turn(w);
	}
	origin_end(&w->asked[0], ER_ERR_OK);
	UNTIL(w, c.ended);
	client_leave(&c);
	forget(&n);
	uint64_t written = er_disk_statistics(n.disk).all.written_bytes;
	client_ask(&c, w, "GET", "/l", "");
	UNTIL(w, w->n_asked == 1);
	origin_answer(&w->asked[0], 304, "Cache-Control: max-age=500\n", NULL);
	UNTIL(w, c.ended);
	assert_pattern(&c, 0, LONG);
	client_leave(&c);
	forget(&n);
	assert_true(er_disk_statistics(n.disk).all.written_bytes - written < ER_DISK_PART);
	client_ask(&c, w, "GET", "/l", "");
	UNTIL(w, c.ended);
	assert_pattern(&c, 0, LONG);
	client_leave(&c);
	assert_int_equal(w->n_asked, 0);
	node_close(&n);
}

static void a_stale_one_stands_in_for_an_origin_that_is_away(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store(&n, "/a", "", "Cache-Control: max-age=1, stale-if-error=1000\nAge: 200\nETag: \"1\"\n", "text");
	forget(&n);
	client c = {0};
	client_ask(&c, &n.w, "GET", "/a", "");
	UNTIL(&n.w, n.w.n_asked == 1);
	origin_fail(&n.w.asked[0]);
	assert_answer(&c, 200, NULL, "text");
	client_leave(&c);
	node_close(&n);
}

static void what_may_be_used_stale_is_used_at_once(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store(&n, "/a", "", "Cache-Control: max-age=1, stale-while-revalidate=1000\nAge: 200\nETag: \"1\"\n", "text");
	forget(&n);
	assert_stored(&n, "/a", "", "; hit", "text");
	node_close(&n);
}

static void what_lives_for_seconds_is_not_written(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	world *w = &n.w;
	store(&n, "/a", "", "Cache-Control: max-age=100\nAge: 200\nETag: \"1\"\n", "old");
	store(&n, "/b", "", "Cache-Control: max-age=100, stale-if-error=300\nAge: 200\n", "old");
	store(&n, "/c", "", "Cache-Control: max-age=1\n", "old");
	forget(&n);
	assert_int_equal(er_disk_statistics(n.disk).all.records, 2);
	client c = {0};
	client_ask(&c, w, "GET", "/b", "");
	UNTIL(w, w->n_asked == 1);
	origin_answer(&w->asked[0], 200, "Cache-Control: max-age=1\n", "new");
	assert_answer(&c, 200, NULL, "new");
	client_leave(&c);
	UNTIL(w, er_disk_idle(n.disk));
	assert_int_equal(er_disk_statistics(n.disk).all.records, 1);
	/* What is validated again and again is not written each time, and stays. */
	uint64_t written = er_disk_statistics(n.disk).all.written_bytes;
	client_ask(&c, w, "GET", "/a", "");
	UNTIL(w, w->n_asked == 2);
	origin_answer(&w->asked[1], 304, "Cache-Control: max-age=1\n", NULL);
	assert_answer(&c, 200, NULL, "old");
	client_leave(&c);
	UNTIL(w, er_disk_idle(n.disk));
	assert_int_equal(er_disk_statistics(n.disk).all.written_bytes, written);
	assert_int_equal(er_disk_statistics(n.disk).all.records, 1);
	node_close(&n);
}

static void what_is_asked_for_once_takes_no_place_on_a_full_disk(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	char target[32];
	for (unsigned i = 0; er_disk_statistics(n.disk).all.segments_reclaimed == 0; i++) {
		assert_true(i < 300);
		snprintf(target, sizeof target, "/fill/%u", i);
		store_long(&n, target, LONG, LONG);
		forget(&n);
	}
	uint64_t written = er_disk_statistics(n.disk).all.written_bytes;
	store(&n, "/once", "", fresh, "text");
	store_long(&n, "/huge", HUGE, HUGE);
	UNTIL(&n.w, er_disk_idle(n.disk));
	assert_int_equal(er_disk_statistics(n.disk).all.written_bytes, written);
	/* Used in memory: it has one as soon as memory has none for it. */
	assert_stored(&n, "/once", "", "; hit", "text");
	UNTIL(&n.w, er_disk_idle(n.disk));
	assert_int_equal(er_disk_statistics(n.disk).all.written_bytes, written);
	evict(&n);
	assert_stored(&n, "/once", "", "; hit", "text");
	/* Not used there: it has none, and would have one if it came again. */
	written = er_disk_statistics(n.disk).all.written_bytes;
	store(&n, "/twice", "", fresh, "text");
	evict(&n);
	assert_int_equal(er_disk_statistics(n.disk).all.written_bytes, written);
	store(&n, "/twice", "", fresh, "text");
	UNTIL(&n.w, er_disk_idle(n.disk));
	assert_true(er_disk_statistics(n.disk).all.written_bytes > written);
	/* Asked of the origin again: it was refused not long ago. */
	store_long(&n, "/huge", HUGE, HUGE);
	forget(&n);
	client c = {0};
	client_ask(&c, &n.w, "GET", "/huge", "");
	UNTIL(&n.w, c.ended);
	assert_int_equal(n.w.n_asked, 0);
	assert_pattern(&c, 0, HUGE);
	client_leave(&c);
	node_close(&n);
}

/* As if the ring had come round to it. */
static void leave_disk(node *n, const char *target)
{
	er_request req = {.scheme = ER_LIT("http"), .authority = ER_LIT("a.example")};
	er_slice key = er_key_of(&n->w.arena, 0, (er_slice){0}, &req, er_slice_cstr(target), (er_slice){0});
	assert_true(er_disk_has(n->disk, key));
	er_disk_drop(n->disk, key, er_index_hash(key));
	UNTIL(&n->w, er_disk_idle(n->disk));
	assert_false(er_disk_has(n->disk, key));
}

static void what_was_used_in_memory_is_kept_when_the_memory_is_full(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store(&n, "/used", "", fresh, "text");
	store(&n, "/unused", "", fresh, "text");
	store(&n, "/purged", "", fresh, "text");
	assert_stored(&n, "/used", "", "; hit", "text");
	assert_stored(&n, "/purged", "", "; hit", "text");
	UNTIL(&n.w, er_disk_idle(n.disk));
	leave_disk(&n, "/used");
	leave_disk(&n, "/unused");
	leave_disk(&n, "/purged");
	er_purges *p = er_index_purge_table(n.w.index);
	er_purges_add(p, &(er_purge){.kind = ER_PURGE_URL, .value = ER_LIT("a.example/purged")}, er_purges_next(p));
	evict(&n);
	assert_stored(&n, "/used", "", "; hit", "text");
	store(&n, "/unused", "", fresh, "new"); /* the origin is asked */
	store(&n, "/purged", "", fresh, "new");
	node_close(&n);
}

static void what_was_used_in_memory_outlives_an_end(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store(&n, "/used", "", fresh, "text");
	store(&n, "/unused", "", fresh, "text");
	store(&n, "/purged", "", fresh, "text");
	assert_stored(&n, "/used", "", "; hit", "text");
	assert_stored(&n, "/purged", "", "; hit", "text");
	UNTIL(&n.w, er_disk_idle(n.disk));
	leave_disk(&n, "/used");
	leave_disk(&n, "/unused");
	leave_disk(&n, "/purged");
	er_purges *p = er_index_purge_table(n.w.index);
	er_purges_add(p, &(er_purge){.kind = ER_PURGE_URL, .value = ER_LIT("a.example/purged")}, er_purges_next(p));
	er_cache_leave(n.w.index, n.disk);
	er_cache_leave(n.w.index, n.disk); /* handed over, and over */
	restart(&n);
	assert_stored(&n, "/used", "", "; hit", "text");
	store(&n, "/unused", "", fresh, "new"); /* the origin is asked */
	store(&n, "/purged", "", fresh, "new");
	node_close(&n);
}

static void the_disk_forgets_what_the_origin_takes_back(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	world *w = &n.w;
	store(&n, "/a", "", "Cache-Control: max-age=100\nAge: 200\nETag: \"1\"\n", "old");
	store(&n, "/b", "", fresh, "old");
	store(&n, "/c", "", fresh, "old");
	forget(&n);
	/* It is private now. */
	client c = {0};
	client_ask(&c, w, "GET", "/a", "");
	UNTIL(w, w->n_asked == 1);
	origin_answer(&w->asked[0], 200, "Cache-Control: private\n", "mine");
	assert_answer(&c, 200, NULL, "mine");
	client_leave(&c);
	/* It was changed by a request. */
	client_ask(&c, w, "POST", "/b", "");
	UNTIL(w, w->n_asked == 2);
	origin_answer(&w->asked[1], 200, "", "done");
	assert_answer(&c, 200, NULL, "done");
	client_leave(&c);
	restart(&n);
	static const char *const gone[] = {"/a", "/b"};
	for (unsigned i = 0; i < 2; i++) {
		client_ask(&c, w, "GET", gone[i], "");
		UNTIL(w, w->n_asked == i + 1);
		origin_answer(&w->asked[i], 200, fresh, "new");
		assert_answer(&c, 200, "fwd=uri-miss", "new");
		client_leave(&c);
	}
	assert_stored(&n, "/c", "", "; hit", "old");
	restart(&n);
	assert_stored(&n, "/a", "", "; hit", "new");
	assert_stored(&n, "/b", "", "; hit", "new");
	node_close(&n);
}

static void what_was_purged_while_it_came_is_not_on_the_disk(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	world *w = &n.w;
	static const int64_t lengths[] = {LONG, HUGE, ER_BODY_UNKNOWN};
	for (unsigned i = 0; i < 3; i++) {
		unsigned before = w->n_asked;
		client c = {0}, post = {0};
		client_ask(&c, w, "GET", "/x", "");
		UNTIL(w, w->n_asked == before + 1);
		asked *a = &w->asked[before];
		origin_head(a, 200, fresh, lengths[i]);
		origin_write(a, 60000);
		client_ask(&post, w, "POST", "/x", "");
		UNTIL(w, w->n_asked == before + 2);
		origin_answer(&w->asked[before + 1], 200, "", "done");
		UNTIL(w, post.ended);
		client_leave(&post);
		uint64_t bytes = i == 0 ? LONG : HUGE;
		while (a->wrote < bytes) {
			uint64_t left = bytes - a->wrote;
			if (!a->full)
				origin_write(a, left < 60000 ? (size_t)left : 60000);
			turn(w);
		}
		origin_end(a, ER_ERR_OK);
		UNTIL(w, c.ended);
		client_leave(&c);
		forget(&n);
		client_ask(&c, w, "GET", "/x", "");
		UNTIL(w, w->n_asked == 1);
		origin_fail(&w->asked[0]);
		UNTIL(w, c.answered);
		client_leave(&c);
	}
	node_close(&n);
}

/* A new process has the purges of the one before. */
static void what_is_purged_is_purged_on_the_disk_and_after_a_restart(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	world *w = &n.w;
	store(&n, "/a", "", "Cache-Control: max-age=100\nCache-Tag: red, green\n", "a");
	store(&n, "/b", "", "Cache-Control: max-age=100\nCache-Tag: blue\n", "b");
	store(&n, "/c", "", "Cache-Control: max-age=100, stale-if-error=100\nETag: \"1\"\nSurrogate-Key: black\n", "c");
	forget(&n);
	er_purges *p = er_index_purge_table(w->index);
	uint64_t number = er_purges_next(p);
	const er_purge red = {.kind = ER_PURGE_TAG, .value = ER_LIT("red")};
	const er_purge black = {.kind = ER_PURGE_TAG, .value = ER_LIT("black"), .soft = true};
	er_purges_add(p, &red, number);
	er_purges_add(p, &black, number);
	for (unsigned i = 0; i < 2; i++) {
		client c = {0};
		unsigned before = w->n_asked;
		client_ask(&c, w, "GET", "/a", "");
		UNTIL(w, w->n_asked == before + 1);
		origin_fail(&w->asked[before]);
		UNTIL(w, c.answered);
		client_leave(&c);
		assert_stored(&n, "/b", "", "hit", "b");
		before = w->n_asked;
		client_ask(&c, w, "GET", "/c", "");
		UNTIL(w, w->n_asked == before + 1);
		assert_non_null(er_fields_get(&w->asked[before].fields, ER_LIT("if-none-match")));
		origin_fail(&w->asked[before]);
		assert_answer(&c, 200, "fwd=stale", "c");
		client_leave(&c);
		restart(&n);
		p = er_index_purge_table(w->index);
		er_purges_add(p, &red, number);
		er_purges_add(p, &black, number);
	}
	/* What is stored after the purge is not matched by it. */
	store(&n, "/a", "", "Cache-Control: max-age=100\nCache-Tag: red\n", "new");
	forget(&n);
	p = er_index_purge_table(w->index);
	er_purges_add(p, &red, number);
	assert_stored(&n, "/a", "", "hit", "new");
	node_close(&n);
}

/* Numbers begin with the time: nobody knows then which purges came after what is on the disk. */
static void a_clock_that_was_set_back_brings_nothing_back_that_was_purged(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store(&n, "/a", "", fresh, "old");
	store(&n, "/b", "", fresh, "old");
	world_close(&n.w);
	er_disk_free(n.disk);
	open_disk(&n);
	world_open(&n.w); /* numbers begin with 1 */
	er_cache_use_disk(n.w.cache, n.disk);
	er_purges *p = er_index_purge_table(n.w.index);
	er_purges_add(p, &(er_purge){.kind = ER_PURGE_URL, .value = ER_LIT("a.example/a")}, er_purges_next(p));
	store(&n, "/a", "", fresh, "new"); /* asked for when that was not known yet: not stored */
	store(&n, "/b", "", fresh, "new");
	store(&n, "/a", "", fresh, "newer");
	assert_stored(&n, "/a", "", "hit", "newer");
	assert_stored(&n, "/b", "", "hit", "new");
	node_close(&n);
}

/* ---- damage ---- */

static void a_damaged_record_is_fetched_again(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store(&n, "/a", "", fresh, "text");
	store_long(&n, "/long", LONG, LONG);
	forget(&n);
	int fd = open(n.path, O_WRONLY | O_CLOEXEC);
	uint8_t zeros[4096] = {0};
	for (off_t at = 2 * ER_DISK_BLOCK; at < 2 * ER_DISK_BLOCK + LONG / 2; at += (off_t)sizeof zeros)
		assert_int_equal(pwrite(fd, zeros, sizeof zeros, at), sizeof zeros);
	close(fd);
	n.w.status = 200;
	n.w.fields = fresh;
	n.w.text = "new";
	assert_gets(&n.w, "/a", "", "fwd=uri-miss", "new");
	/* Its head is whole, its parts are not: who comes first is cut off, and never gets a wrong
	 * byte. */
	client c = {0};
	client_ask(&c, &n.w, "GET", "/long", "");
	UNTIL(&n.w, c.ended || c.failed);
	assert_true(c.failed);
	assert_pattern(&c, 0, er_buf_len(&c.got));
	client_leave(&c);
	assert_gets(&n.w, "/long", "", "fwd=uri-miss", "new");
	assert_stored(&n, "/long", "", "; hit", "new");
	node_close(&n);
}

static void a_disk_that_fails_costs_its_hits_alone(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store(&n, "/a", "", fresh, "text");
	forget(&n);
	SET(&n.fault, write_error, EIO);
	store(&n, "/b", "", fresh, "text");
	UNTIL(&n.w, er_disk_statistics(n.disk).failed == 1);
	assert_stored(&n, "/b", "", "; hit", "text");
	store(&n, "/a", "", fresh, "text");
	store_long(&n, "/long", LONG, LONG);
	store_long(&n, "/huge", HUGE, HUGE);
	client c = {0};
	client_ask(&c, &n.w, "POST", "/a", "");
	UNTIL(&n.w, n.w.asked[n.w.n_asked - 1].x != NULL);
	origin_answer(&n.w.asked[n.w.n_asked - 1], 200, "", "done");
	assert_answer(&c, 200, NULL, "done");
	client_leave(&c);
	node_close(&n);
}

/* ---- filled without a client ---- */

static er_exchange_facts prefetch(node *n, const char *target, bool refresh)
{
	client c = {.wishes = {.prefetch = true, .refresh = refresh}};
	client_ask(&c, &n->w, "GET", target, "");
	UNTIL(&n->w, c.ended);
	er_exchange_facts facts = c.x->facts;
	client_leave(&c);
	return facts;
}

static void what_the_disk_has_need_not_be_prefetched(void **state)
{
	(void)state;
	node n;
	node_open(&n);
	store(&n, "/a", "", fresh, "text");
	store_long(&n, "/long", LONG, LONG);
	forget(&n);
	unsigned before = n.w.n_asked;
	assert_int_equal(prefetch(&n, "/a", false).kept, ER_KEPT_BEFORE);
	assert_int_equal(prefetch(&n, "/long", false).kept, ER_KEPT_BEFORE);
	assert_int_equal(n.w.n_asked, before);
	assert_int_equal(er_cache_prefetches(n.w.cache)->hits, 2);
	forget(&n);
	/* a refresh validates what the disk has */
	n.w.status = 304;
	n.w.fields = fresh;
	n.w.text = NULL;
	assert_int_equal(prefetch(&n, "/a", true).kept, ER_KEPT_NOW);
	assert_int_equal(n.w.n_asked, before + 1);
	assert_non_null(er_fields_get(&n.w.asked[before].fields, ER_LIT("if-none-match")));
	assert_stored(&n, "/a", "", "hit", "text");
	node_close(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_memory_forgot_is_served_without_the_origin),
	    cmocka_unit_test(what_the_disk_has_need_not_be_prefetched),
	    cmocka_unit_test(a_long_body_is_streamed_from_the_disk),
	    cmocka_unit_test(ranges_heads_and_conditions_are_answered_from_the_disk),
	    cmocka_unit_test(variants_are_found_on_the_disk),
	    cmocka_unit_test(what_is_too_large_for_the_memory_goes_to_the_disk),
	    cmocka_unit_test(pieces_come_from_the_disk_too),
	    cmocka_unit_test(after_a_start_a_site_with_parts_in_its_keys_asks_first),
	    cmocka_unit_test(what_breaks_off_is_not_stored),
	    cmocka_unit_test(many_that_want_the_same_wait_for_one_look),
	    cmocka_unit_test(a_disk_that_stands_still_costs_a_question_to_the_origin),
	    cmocka_unit_test(who_leaves_while_the_disk_is_asked_leaves_nothing),
	    cmocka_unit_test(what_is_stale_on_the_disk_is_validated),
	    cmocka_unit_test(what_is_stale_and_long_is_validated_without_its_bytes),
	    cmocka_unit_test(a_stale_one_stands_in_for_an_origin_that_is_away),
	    cmocka_unit_test(what_may_be_used_stale_is_used_at_once),
	    cmocka_unit_test(what_lives_for_seconds_is_not_written),
	    cmocka_unit_test(what_is_asked_for_once_takes_no_place_on_a_full_disk),
	    cmocka_unit_test(what_was_used_in_memory_is_kept_when_the_memory_is_full),
	    cmocka_unit_test(what_was_used_in_memory_outlives_an_end),
	    cmocka_unit_test(the_disk_forgets_what_the_origin_takes_back),
	    cmocka_unit_test(what_was_purged_while_it_came_is_not_on_the_disk),
	    cmocka_unit_test(what_is_purged_is_purged_on_the_disk_and_after_a_restart),
	    cmocka_unit_test(a_clock_that_was_set_back_brings_nothing_back_that_was_purged),
	    cmocka_unit_test(a_damaged_record_is_fetched_again),
	    cmocka_unit_test(a_disk_that_fails_costs_its_hits_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
