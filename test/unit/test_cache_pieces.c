/* Pieces: parts of what is not stored as a whole. Who gets them again, what may not be one, and
 * what makes them void. */
#include "cache_harness.h"

#include <stdlib.h>

#define GOOD "Cache-Control: max-age=60\n"
#define PIECE GOOD "ETag: \"1\"\nContent-Type: text/x\n"

/* A request for a part that the origin answers with these bytes of the pattern. */
static void store_piece(world *w, const char *request, const char *fields, uint64_t from, size_t n)
{
	client c = {0};
	client_ask(&c, w, "GET", "/a", request);
	asked *a = &w->asked[w->n_asked - 1];
	assert_non_null(a->x);
	a->wrote = from;
	origin_head(a, 206, fields, (int64_t)n);
	origin_write(a, n);
	origin_end(a, ER_ERR_OK);
	UNTIL(w, c.ended);
	assert_int_equal(c.x->res.status, 206);
	assert_pattern(&c, from, n);
	client_leave(&c);
}

/* Bytes 100 to 199 of 1000. */
static void store_usual(world *w)
{
	store_piece(w, "Range: bytes=100-199\n", PIECE "Content-Range: bytes 100-199/1000\n", 100, 100);
}

static void assert_part(world *w, const char *request, uint64_t from, uint64_t n)
{
	unsigned before = w->n_asked;
	client c = {0};
	client_ask(&c, w, "GET", "/a", request);
	if (w->n_asked != before)
		fail_msg("%s: the origin was asked", request);
	UNTIL(w, c.ended);
	assert_int_equal(c.x->res.status, 206);
	char range[64];
	snprintf(range, sizeof range, "bytes %u-%u/1000", (unsigned)from, (unsigned)(from + n - 1));
	assert_string_equal(field(&c, "content-range"), range);
	assert_non_null(strstr(field(&c, "cache-status"), "; hit"));
	assert_pattern(&c, from, n);
	client_leave(&c);
}

static void assert_asks(world *w, const char *method, const char *request)
{
	unsigned before = w->n_asked;
	client c = {0};
	client_ask(&c, w, method, "/a", request);
	if (w->n_asked != before + 1)
		fail_msg("%s %s: the origin was not asked", method, request);
	origin_fail(&w->asked[before]);
	UNTIL(w, c.answered);
	client_leave(&c);
}

static void any_part_of_a_piece_is_served_again(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_usual(&w);
	assert_part(&w, "Range: bytes=100-199\n", 100, 100);
	assert_part(&w, "Range: bytes=100-100\n", 100, 1);
	assert_part(&w, "Range: bytes=150-159\n", 150, 10);
	assert_part(&w, "Range: bytes=199-199, 2000-\n", 199, 1);
	static const char *const others[] = {"0-0", "99-100", "199-200", "200-", "-1", "100-", "0-", "x", "110-119,300-301", "2000-"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		char line[64];
		snprintf(line, sizeof line, "Range: bytes=%s\n", others[i]);
		assert_asks(&w, "GET", line);
	}
	assert_asks(&w, "GET", "");
	assert_asks(&w, "HEAD", "Range: bytes=100-199\n");
	assert_asks(&w, "GET", "Range: bytes=100-199\nCache-Control: no-store\n");
	assert_part(&w, "Range: bytes=100-199\nCache-Control: only-if-cached\n", 100, 100);
	/* the last bytes, however they are asked for */
	store_piece(&w, "Range: bytes=-100\n", PIECE "Content-Range: bytes 900-999/1000\n", 900, 100);
	assert_part(&w, "Range: bytes=-100\n", 900, 100);
	assert_part(&w, "Range: bytes=-7\n", 993, 7);
	assert_part(&w, "Range: bytes=950-\n", 950, 50);
	assert_part(&w, "Range: bytes=950-5000\n", 950, 50);
	assert_part(&w, "Range: bytes=100-100\n", 100, 1);
	world_close(&w);
}

/* A scope is a byte, and 0 is one. */
static void a_piece_is_of_its_own_url_in_every_scope(void **state)
{
	(void)state;
	for (uint8_t scope = 0; scope < 3; scope++) {
		world w;
		world_open(&w);
		w.place.scope = scope;
		store_usual(&w);
		client c = {0};
		client_ask(&c, &w, "GET", "/b", "Range: bytes=100-199\n");
		assert_int_equal(w.n_asked, 2);
		origin_fail(&w.asked[1]);
		client_leave(&c);
		w.place.scope = (uint8_t)(scope + 1);
		assert_asks(&w, "GET", "Range: bytes=100-199\n");
		w.place.scope = scope;
		assert_part(&w, "Range: bytes=100-199\n", 100, 100);
		er_purges *p = er_index_purge_table(w.index);
		er_purges_add(p, &(er_purge){.kind = ER_PURGE_URL, .value = ER_LIT("a.example/a")}, er_purges_next(p));
		assert_asks(&w, "GET", "Range: bytes=100-199\n");
		world_close(&w);
	}
}

static void several_parts_of_one_piece_are_one_answer(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_usual(&w);
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "Range: bytes=190-191,100-101\n");
	UNTIL(&w, c.ended);
	assert_int_equal(w.n_asked, 1);
	assert_int_equal(c.x->res.status, 206);
	assert_string_equal(field(&c, "content-range"), "");
	const char *boundary = field(&c, "content-type") + strlen("multipart/byteranges; boundary=");
	char want[512];
	int n = snprintf(want, sizeof want,
	                 "--%s\r\nContent-Type: text/x\r\nContent-Range: bytes 190-191/1000\r\n\r\n%c%c\r\n"
	                 "--%s\r\nContent-Type: text/x\r\nContent-Range: bytes 100-101/1000\r\n\r\n%c%c\r\n--%s--\r\n",
	                 boundary, byte_at(190), byte_at(191), boundary, byte_at(100), byte_at(101), boundary);
	er_slice got = er_buf_slice(&c.got);
	assert_int_equal(got.n, n);
	assert_memory_equal(got.p, want, got.n);
	client_leave(&c);
	world_close(&w);
}

static void what_cannot_be_told_apart_is_no_piece(void **state)
{
	(void)state;
#define RANGE "Content-Range: bytes 100-199/1000\n"
#define DATED "Date: Sun, 06 Nov 1994 08:49:37 GMT\nCache-Control: max-age=2000000000\n"
	static const struct {
		const char *asked, *fields;
		bool stored;
	} cases[] = {
	    {"100-199", PIECE RANGE, true},
	    {"100-199", GOOD "ETag: W/\"1\"\n" RANGE, false},
	    {"100-199", GOOD RANGE, false},
	    {"100-199", GOOD "ETag: 1\n" RANGE, false},
	    {"100-199", DATED "Last-Modified: Sat, 05 Nov 1994 08:49:37 GMT\n" RANGE, true},
	    {"100-199", DATED "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\n" RANGE, false},
	    {"100-199", PIECE, false},
	    {"100-199", PIECE RANGE RANGE, false},
	    {"100-199", PIECE "Content-Range: bytes 100-199/*\n", false},
	    {"100-199", PIECE "Content-Range: bytes 0-99/1000\n", false},
	    {"100-199", PIECE "Content-Range: bytes 100-198/1000\n", false},
	    {"100-199", PIECE "Content-Range: bytes 100-199/150\n", false},
	    {"100-199", PIECE "Content-Range: bytes 199-100/1000\n", false},
	    {"100-199", PIECE "Content-Range: bytes */1000\n", false},
	    {"100-199", PIECE "Content-Range: bytes=100-199/1000\n", false},
	    {"100-199", PIECE "Content-Range: lines 100-199/1000\n", false},
	    {"100-199", PIECE "Content-Range: bytes 100-199/99999999999999999999999\n", false},
	    {"100-300", PIECE RANGE, false},
	    {"0-99", PIECE RANGE, false},
	    {"100-199,300-399", PIECE RANGE, false},
	    {"-100", PIECE RANGE, false},
	    {"100-199", "Cache-Control: max-age=60, private\nETag: \"1\"\n" RANGE, false},
	    {"100-199", "Cache-Control: no-store\nETag: \"1\"\n" RANGE, false},
	    {"100-199", PIECE "Vary: *\n" RANGE, false},
	    {"100-199", PIECE "Set-Cookie: a=b\n" RANGE, false},
	    {"100-199", GOOD "ETag: \"1\"\nContent-Type: Multipart/ByteRanges; boundary=x\n" RANGE, false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		world w;
		world_open(&w);
		char line[64];
		snprintf(line, sizeof line, "Range: bytes=%s\n", cases[i].asked);
		store_piece(&w, line, cases[i].fields, 100, 100);
		client c = {0};
		client_ask(&c, &w, "GET", "/a", line);
		if (w.n_asked != (cases[i].stored ? 1 : 2))
			fail_msg("%s: %s", cases[i].asked, cases[i].fields);
		if (!cases[i].stored)
			origin_fail(&w.asked[1]);
		UNTIL(&w, c.answered);
		client_leave(&c);
		assert_int_equal(er_index_statistics(w.index).objects, cases[i].stored);
		world_close(&w);
	}
}

static void what_is_shorter_than_it_says_is_no_piece(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	/* a body that is longer or shorter than its Content-Range, and one that breaks off */
	store_piece(&w, "Range: bytes=100-199\n", PIECE "Content-Range: bytes 100-199/1000\n", 100, 99);
	store_piece(&w, "Range: bytes=100-199\n", PIECE "Content-Range: bytes 100-199/1000\n", 100, 101);
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "Range: bytes=100-199\n");
	w.asked[2].wrote = 100;
	origin_head(&w.asked[2], 206, PIECE "Content-Range: bytes 100-199/1000\n", 100);
	origin_write(&w.asked[2], 50);
	assert_part(&w, "Range: bytes=110-119\n", 110, 10); /* it is there already */
	origin_end(&w.asked[2], ER_ERR_IO);
	UNTIL(&w, c.failed);
	client_leave(&c);
	assert_int_equal(er_index_statistics(w.index).objects, 0);
	assert_asks(&w, "GET", "Range: bytes=100-199\n");
	world_close(&w);
}

static void pieces_of_two_versions_are_never_there_together(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_usual(&w);
	store_piece(&w, "Range: bytes=300-399\n", PIECE "Content-Range: bytes 300-399/1000\n", 300, 100);
	/* The first one of another version takes the place of all others, */
	store_piece(&w, "Range: bytes=500-599\n", GOOD "ETag: \"2\"\nContent-Range: bytes 500-599/1000\n", 500, 100);
	assert_int_equal(er_index_statistics(w.index).objects, 1);
	assert_asks(&w, "GET", "Range: bytes=100-199\n");
	assert_part(&w, "Range: bytes=500-599\n", 500, 100);
	/* So does a whole. */
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "");
	origin_answer(&w.asked[w.n_asked - 1], 200, GOOD "ETag: \"3\"\n", "0123456789");
	assert_answer(&c, 200, "stored", "0123456789");
	client_leave(&c);
	assert_int_equal(er_index_statistics(w.index).objects, 1);
	/* what other requests select is another matter. */
	world_close(&w);
	world_open(&w);
	store_piece(&w, "Range: bytes=100-199\nAccept-Language: de\n",
	            GOOD "ETag: \"de\"\nVary: Accept-Language\nContent-Range: bytes 100-199/1000\n", 100, 100);
	store_piece(&w, "Range: bytes=100-199\nAccept-Language: en\n",
	            GOOD "ETag: \"en\"\nVary: Accept-Language\nContent-Range: bytes 100-199/1000\n", 100, 100);
	assert_part(&w, "Range: bytes=100-199\nAccept-Language: de\n", 100, 100);
	assert_part(&w, "Range: bytes=100-199\nAccept-Language: en\n", 100, 100);
	/* A whole of the same version does not, and comes first. */
	world_close(&w);
	world_open(&w);
	store_usual(&w);
	client_ask(&c, &w, "GET", "/a", "");
	origin_answer(&w.asked[1], 200, GOOD "ETag: \"1\"\n", "0123456789");
	client_leave(&c);
	assert_int_equal(er_index_statistics(w.index).objects, 2);
	client_ask(&c, &w, "GET", "/a", "Range: bytes=2-3\n");
	assert_answer(&c, 206, "; hit", "23");
	client_leave(&c);
	world_close(&w);
}

static void who_voids_a_url_voids_its_pieces(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		world w;
		world_open(&w);
		store_usual(&w);
		client late = {0}, c = {0};
		client_ask(&late, &w, "GET", "/a", "Range: bytes=300-399\n"); /* on its way */
		if (how == 0) {
			client_ask(&c, &w, "POST", "/a", "");
			origin_answer(&w.asked[2], 204, "", NULL);
		} else if (how == 1) {
			client_ask(&c, &w, "POST", "/b", "");
			origin_answer(&w.asked[2], 201, "Location: /a\n", NULL);
		} else {
			er_purges *p = er_index_purge_table(w.index);
			er_purges_add(p, &(er_purge){.kind = ER_PURGE_URL, .value = ER_LIT("a.example/a")}, er_purges_next(p));
		}
		if (how < 2)
			client_leave(&c);
		w.asked[1].wrote = 300;
		origin_head(&w.asked[1], 206, PIECE "Content-Range: bytes 300-399/1000\n", 100);
		origin_write(&w.asked[1], 100);
		origin_end(&w.asked[1], ER_ERR_OK);
		UNTIL(&w, late.ended);
		client_leave(&late);
		assert_asks(&w, "GET", "Range: bytes=100-199\n");
		assert_asks(&w, "GET", "Range: bytes=300-399\n");
		world_close(&w);
	}
}

static void conditions_hold_for_pieces_too(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_usual(&w);
	assert_part(&w, "Range: bytes=100-199\nIf-Range: \"1\"\n", 100, 100);
	assert_asks(&w, "GET", "Range: bytes=100-199\nIf-Range: \"2\"\n");
	assert_asks(&w, "GET", "Range: bytes=100-199\nIf-Range: W/\"1\"\n");
	assert_asks(&w, "GET", "Range: bytes=100-199\nIf-Match: \"1\"\n");
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "Range: bytes=100-199\nIf-None-Match: \"1\"\n");
	assert_answer(&c, 304, "; hit", "");
	assert_string_equal(field(&c, "content-range"), "");
	client_leave(&c);
	/* The origin says that the condition of If-Range does not hold, or does what it has not. */
	client_ask(&c, &w, "GET", "/b", "Range: bytes=2-4\nIf-Range: \"7\"\n");
	origin_answer(&w.asked[w.n_asked - 1], 206, PIECE "Content-Range: bytes 2-4/10\n", "234");
	assert_answer(&c, 206, NULL, "234");
	client_leave(&c);
	assert_int_equal(er_index_statistics(w.index).objects, 1);
	world_close(&w);
}

static void a_piece_is_for_those_who_select_it(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_piece(&w, "Range: bytes=100-199\nAccept-Language: de\n",
	            PIECE "Vary: Accept-Language\nContent-Range: bytes 100-199/1000\n", 100, 100);
	assert_part(&w, "Range: bytes=110-119\nAccept-Language: de\n", 110, 10);
	assert_asks(&w, "GET", "Range: bytes=110-119\nAccept-Language: en\n");
	assert_asks(&w, "GET", "Range: bytes=110-119\n");
	/* as many names as are kept, and one for the range */
	store_piece(&w, "Range: bytes=300-399\n", PIECE "Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o\nContent-Range: bytes 300-399/1000\n",
	            300, 100);
	assert_part(&w, "Range: bytes=300-399\n", 300, 100);
	store_piece(&w, "Range: bytes=500-599\n", PIECE "Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p\nContent-Range: bytes 500-599/1000\n",
	            500, 100);
	assert_asks(&w, "GET", "Range: bytes=500-599\n");
	store_piece(&w, "Range: bytes=700-799\n", PIECE "Vary: Range\nContent-Range: bytes 700-799/1000\n", 700, 100);
	assert_part(&w, "Range: bytes=700-799\n", 700, 100);
	world_close(&w);
}

static void a_url_has_no_more_pieces_than_variants(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	enum { N = ER_INDEX_VARIANTS + 8 };
	for (unsigned i = 0; i < N; i++) {
		char line[64], fields[160];
		snprintf(line, sizeof line, "Range: bytes=%u-%u\n", i * 10, i * 10 + 9);
		snprintf(fields, sizeof fields, PIECE "Content-Range: bytes %u-%u/1000\n", i * 10, i * 10 + 9);
		store_piece(&w, line, fields, (uint64_t)i * 10, 10);
	}
	assert_int_equal(er_index_statistics(w.index).objects, ER_INDEX_VARIANTS);
	assert_part(&w, "Range: bytes=390-399\n", 390, 10);
	assert_asks(&w, "GET", "Range: bytes=0-9\n");
	world_close(&w);
}

static void a_stale_piece_is_asked_for_again(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_piece(
	    &w, "Range: bytes=100-199\n",
	    "Cache-Control: max-age=10, stale-while-revalidate=60, stale-if-error=60\nAge: 20\nETag: \"1\"\nContent-Range: bytes "
	    "100-199/1000\n",
	    100, 100);
	assert_asks(&w, "GET", "Range: bytes=100-199\n");
	assert_string_equal(er_arena_cstr(&w.arena, *er_fields_get(&w.asked[1].fields, ER_LIT("range"))), "bytes=100-199");
	assert_null(er_fields_get(&w.asked[1].fields, ER_LIT("if-none-match")));
	store_usual(&w);
	assert_part(&w, "Range: bytes=100-199\n", 100, 100);
	world_close(&w);
}

/* Players begin so. */
static void who_asks_for_all_as_a_range_has_it_stored(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c[3] = {0};
	for (unsigned i = 0; i < 3; i++)
		client_ask(&c[i], &w, "GET", "/a", "Range: bytes=0-\n");
	assert_int_equal(w.n_asked, 1);
	assert_null(er_fields_get(&w.asked[0].fields, ER_LIT("range")));
	origin_answer(&w.asked[0], 200, GOOD "ETag: \"1\"\n", "0123456789");
	for (unsigned i = 0; i < 3; i++) {
		assert_answer(&c[i], 206, i == 0 ? "stored" : "collapsed", "0123456789");
		assert_string_equal(field(&c[i], "content-range"), "bytes 0-9/10");
		client_leave(&c[i]);
	}
	assert_gets(&w, "/a", "", "; hit", "0123456789");
	world_close(&w);
}

static void a_range_of_a_stale_whole_validates_it(void **state)
{
	(void)state;
	for (int new = 0; new < 2; new ++) {
		world w;
		world_open(&w);
		client c = {0};
		client_ask(&c, &w, "GET", "/a", "");
		origin_answer(&w.asked[0], 200, "Cache-Control: no-cache\nETag: \"1\"\n", "0123456789");
		client_leave(&c);
		client_ask(&c, &w, "GET", "/a", "Range: bytes=2-4\n");
		assert_int_equal(w.n_asked, 2);
		assert_null(er_fields_get(&w.asked[1].fields, ER_LIT("range")));
		assert_non_null(er_fields_get(&w.asked[1].fields, ER_LIT("if-none-match")));
		if (new)
			origin_answer(&w.asked[1], 200, GOOD "ETag: \"2\"\n", "abcdefghij");
		else
			origin_answer(&w.asked[1], 304, GOOD "ETag: \"1\"\n", NULL);
		assert_answer(&c, 206, "fwd=stale", new ? "cde" : "234");
		client_leave(&c);
		world_close(&w);
	}
}

/* Each question for a part of what has changed must not have the origin begin all of it. */
static void a_range_of_an_outdated_whole_begins_it_once(void **state)
{
	(void)state;
	enum { LONG = 3 << 20, SOME = 100000 };
	world w;
	world_open_at(&w, er_index_new(256 << 20));
	w.shares = false;
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "");
	origin_answer(&w.asked[0], 200, "Cache-Control: no-cache\nETag: \"1\"\n", "0123456789");
	client_leave(&c);
	client_ask(&c, &w, "GET", "/a", "Range: bytes=2-4\n");
	origin_head(&w.asked[1], 200, "Cache-Control: no-cache\nETag: \"2\"\n", LONG);
	while (!w.asked[1].cancelled && w.asked[1].wrote < LONG) {
		origin_write(&w.asked[1], SOME);
		turn(&w);
	}
	assert_true(w.asked[1].cancelled && w.asked[1].wrote < 2 << 20);
	assert_pattern(&c, 2, 3);
	client_leave(&c);
	assert_int_equal(er_index_statistics(w.index).objects, 0);
	assert_asks(&w, "GET", "Range: bytes=2-4\n");
	assert_non_null(er_fields_get(&w.asked[2].fields, ER_LIT("range")));
	world_close(&w);
}

/* Bytes of 1000. */
static void store_bytes(world *w, unsigned from, unsigned to, const char *fields)
{
	char range[64], all[300];
	snprintf(range, sizeof range, "Range: bytes=%u-%u\n", from, to);
	snprintf(all, sizeof all, "%sContent-Range: bytes %u-%u/1000\n", fields, from, to);
	store_piece(w, range, all, from, to - from + 1);
}

static unsigned stored(world *w)
{
	return (unsigned)er_index_statistics(w->index).objects;
}

static void pieces_that_touch_or_overlap_are_one_for_whoever_needs_both(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_bytes(&w, 100, 199, PIECE);
	store_bytes(&w, 200, 299, PIECE);
	store_bytes(&w, 250, 399, PIECE);
	store_bytes(&w, 500, 599, PIECE);
	assert_int_equal(stored(&w), 4);
	assert_part(&w, "Range: bytes=150-249\n", 150, 100);
	assert_int_equal(stored(&w), 3); /* the first two are one now */
	assert_part(&w, "Range: bytes=100-299\n", 100, 200);
	assert_part(&w, "Range: bytes=199-200\n", 199, 2);
	assert_part(&w, "Range: bytes=100-399\n", 100, 300);
	assert_int_equal(stored(&w), 2);
	assert_part(&w, "Range: bytes=350-399\n", 350, 50);
	/* What lies between, nobody has. */
	assert_asks(&w, "GET", "Range: bytes=399-400\n");
	assert_asks(&w, "GET", "Range: bytes=300-550\n");
	assert_asks(&w, "GET", "Range: bytes=99-150\n");
	store_bytes(&w, 400, 499, PIECE);
	assert_part(&w, "Range: bytes=100-599\n", 100, 500);
	assert_int_equal(stored(&w), 1);
	store_bytes(&w, 0, 99, PIECE);
	store_bytes(&w, 600, 999, PIECE);
	assert_part(&w, "Range: bytes=-1000\n", 0, 1000);
	assert_part(&w, "Range: bytes=-500\n", 500, 500);
	assert_int_equal(stored(&w), 1);
	world_close(&w);
}

/* Two pieces that touch. Whatever the second says that the first does not, they stay two. */
static void pieces_that_do_not_say_the_same_stay_apart(void **state)
{
	(void)state;
	static const char *const others[] = {
	    "Cache-Control: max-age=61\nETag: \"1\"\nContent-Type: text/x\n",
	    GOOD "ETag: \"1\"\nContent-Type: text/y\n",
	    PIECE "Cache-Tag: red\n",
	    PIECE "Content-Encoding: gzip\n",
	};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		world w;
		world_open(&w);
		store_bytes(&w, 100, 199, PIECE);
		store_bytes(&w, 200, 299, others[i]);
		assert_asks(&w, "GET", "Range: bytes=150-249\n");
		assert_part(&w, "Range: bytes=150-199\n", 150, 50);
		assert_part(&w, "Range: bytes=200-249\n", 200, 50);
		world_close(&w);
	}
}

/* It was there before the purge, whichever of its parts came when; and it has their tags. */
static void what_is_put_together_is_purged_with_any_of_its_parts(void **state)
{
	(void)state;
	for (unsigned by_tag = 0; by_tag < 2; by_tag++) {
		world w;
		world_open(&w);
		er_purges *p = er_index_purge_table(w.index);
		store_bytes(&w, 100, 199, PIECE "Cache-Tag: red\n");
		store_bytes(&w, 200, 299, PIECE "Cache-Tag: red\n");
		assert_part(&w, "Range: bytes=150-249\n", 150, 100);
		er_purge what = {.kind = by_tag ? ER_PURGE_TAG : ER_PURGE_URL, .value = by_tag ? ER_LIT("red") : ER_LIT("a.example/a")};
		er_purges_add(p, &what, er_purges_next(p));
		assert_asks(&w, "GET", "Range: bytes=150-249\n");
		assert_asks(&w, "GET", "Range: bytes=120-130\n");
		world_close(&w);
	}
}

/* An Age of 50 of 60 seconds: the other one is fresh for a minute, and both together are not. */
static void what_is_put_together_ends_with_the_first_of_its_parts(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_bytes(&w, 100, 199, PIECE "Age: 50\n");
	store_bytes(&w, 200, 299, PIECE);
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "Range: bytes=150-249\n");
	UNTIL(&w, c.ended);
	assert_pattern(&c, 150, 100);
	long age = strtol(field(&c, "age"), NULL, 10);
	assert_true(age >= 50 && age < 60);
	client_leave(&c);
	world_close(&w);
}

static void as_much_is_put_together_as_one_turn_of_the_loop_can(void **state)
{
	(void)state;
	for (unsigned mb = 1; mb <= 3; mb += 2) {
		const unsigned part = mb << 20;
		world w;
		world_open_at(&w, er_index_new(64 << 20));
		w.shares = false;
		for (unsigned i = 0; i < 2; i++) {
			char range[80], all[300];
			snprintf(range, sizeof range, "Range: bytes=%u-%u\n", i * part, (i + 1) * part - 1);
			snprintf(all, sizeof all, PIECE "Content-Range: bytes %u-%u/%u\n", i * part, (i + 1) * part - 1, 4 * part);
			store_piece(&w, range, all, i * part, part);
		}
		char line[64];
		snprintf(line, sizeof line, "Range: bytes=%u-%u\n", part - 1, part);
		if (mb == 3) {
			assert_asks(&w, "GET", line);
		} else {
			client c = {0};
			client_ask(&c, &w, "GET", "/a", line);
			assert_int_equal(w.n_asked, 2);
			UNTIL(&w, c.ended);
			assert_pattern(&c, part - 1, 2);
			client_leave(&c);
		}
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_part_of_a_piece_is_served_again),
	    cmocka_unit_test(pieces_that_touch_or_overlap_are_one_for_whoever_needs_both),
	    cmocka_unit_test(pieces_that_do_not_say_the_same_stay_apart),
	    cmocka_unit_test(what_is_put_together_is_purged_with_any_of_its_parts),
	    cmocka_unit_test(what_is_put_together_ends_with_the_first_of_its_parts),
	    cmocka_unit_test(as_much_is_put_together_as_one_turn_of_the_loop_can),
	    cmocka_unit_test(a_piece_is_of_its_own_url_in_every_scope),
	    cmocka_unit_test(several_parts_of_one_piece_are_one_answer),
	    cmocka_unit_test(what_cannot_be_told_apart_is_no_piece),
	    cmocka_unit_test(what_is_shorter_than_it_says_is_no_piece),
	    cmocka_unit_test(pieces_of_two_versions_are_never_there_together),
	    cmocka_unit_test(who_voids_a_url_voids_its_pieces),
	    cmocka_unit_test(conditions_hold_for_pieces_too),
	    cmocka_unit_test(a_piece_is_for_those_who_select_it),
	    cmocka_unit_test(a_url_has_no_more_pieces_than_variants),
	    cmocka_unit_test(a_stale_piece_is_asked_for_again),
	    cmocka_unit_test(who_asks_for_all_as_a_range_has_it_stored),
	    cmocka_unit_test(a_range_of_a_stale_whole_validates_it),
	    cmocka_unit_test(a_range_of_an_outdated_whole_begins_it_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
