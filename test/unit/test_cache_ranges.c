/* Parts of stored bodies: one and several of what is whole, one of what is still coming; and what a
 * client that leaves, or is slow, leaves behind. */
#include "cache_harness.h"

#include "cache/range.h"

enum { LONG = 500 * 1000, PIECE = 40 * 1000 };

#define GOOD "Cache-Control: max-age=60\n"
#define TYPED GOOD "Content-Type: text/x\nETag: \"1\"\nX-Other: y\n"

/* A body of the pattern, of which `bytes` have come. */
static asked *begin_body(world *w, client *c, const char *target, const char *request, const char *fields, int64_t length,
                         size_t bytes)
{
	client_ask(c, w, "GET", target, request);
	asked *a = &w->asked[w->n_asked - 1];
	origin_head(a, 200, fields, length);
	for (size_t left = bytes; left > 0;) {
		size_t n = left < PIECE ? left : PIECE;
		origin_write(a, n);
		left -= n;
		turn(w);
	}
	return a;
}

static void store_body(world *w, const char *target, const char *fields, size_t bytes)
{
	client c = {0};
	origin_end(begin_body(w, &c, target, "", fields, (int64_t)bytes, bytes), ER_ERR_OK);
	UNTIL(w, c.ended);
	client_leave(&c);
}

/* ---- several parts ---- */

static er_slice take(er_slice *rest, size_t n)
{
	assert_true(rest->n >= n);
	er_slice got = er_slice_head(*rest, n);
	*rest = er_slice_from(*rest, n);
	return got;
}

static void take_text(er_slice *rest, const char *text)
{
	er_slice want = er_slice_cstr(text), got = take(rest, want.n);
	if (!er_slice_eq(got, want))
		fail_msg("\"%.*s\" instead of \"%s\"", ER_FMT(got), text);
}

/* The answer is these parts ("from-last", blank between), of a body of the pattern that is so
 * long. */
static void assert_parts(client *c, const char *list, uint64_t length, const char *type)
{
	static const char before[] = "multipart/byteranges; boundary=";
	UNTIL(c->w, c->ended || c->failed);
	assert_true(c->ended);
	assert_int_equal(c->x->res.status, 206);
	assert_string_equal(field(c, "content-range"), "");
	er_slice says = er_slice_cstr(field(c, "content-type"));
	assert_true(er_slice_starts(says, er_slice_cstr(before)));
	const char *boundary = er_arena_cstr(&c->x->arena, er_slice_from(says, sizeof before - 1));
	assert_int_equal(strlen(boundary), 32);
	er_slice rest = er_buf_slice(&c->got), parts = er_slice_cstr(list), part;
	assert_int_equal(er_body_length(c->x->res.body), rest.n);
	for (bool first = true; er_slice_split(&parts, ' ', &part); first = false) {
		uint64_t from = 0, last = 0;
		size_t dash = er_slice_find(part, '-');
		assert_true(er_slice_u64(er_slice_head(part, dash), &from) && er_slice_u64(er_slice_from(part, dash + 1), &last));
		char text[256];
		snprintf(text, sizeof text, "%s--%s\r\n%s%s%sContent-Range: bytes %.*s/%llu\r\n\r\n", first ? "" : "\r\n", boundary,
		         type != NULL ? "Content-Type: " : "", type != NULL ? type : "", type != NULL ? "\r\n" : "", ER_FMT(part),
		         (unsigned long long)length);
		take_text(&rest, text);
		er_slice bytes = take(&rest, (size_t)(last - from + 1));
		for (size_t i = 0; i < bytes.n; i++)
			if (bytes.p[i] != byte_at(from + i))
				fail_msg("byte %llu", (unsigned long long)from + i);
	}
	take_text(&rest, "\r\n--");
	take_text(&rest, boundary);
	take_text(&rest, "--\r\n");
	assert_int_equal(rest.n, 0);
}

static void ask_range(client *c, world *w, const char *ranges)
{
	char line[256];
	snprintf(line, sizeof line, "Range: bytes=%s\n", ranges);
	client_ask(c, w, "GET", "/a", line);
}

static void several_ranges_are_one_answer_with_a_part_for_each(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_body(&w, "/a", TYPED, LONG);
	static const struct {
		const char *asked, *given;
	} cases[] = {
	    {"0-9,20-29", "0-9 20-29"},      {"20-29, 0-9", "20-29 0-9"},
	    {"0-0,-1", "0-0 499999-499999"}, {"0-199999,250000-", "0-199999 250000-499999"},
	    {"1-1,600000-,5-5", "1-1 5-5"},  {"0-4,100-104,3-6", "0-6 100-104"},
	};
	client c = {0};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ask_range(&c, &w, cases[i].asked);
		assert_parts(&c, cases[i].given, LONG, "text/x");
		assert_string_equal(field(&c, "x-other"), "y");
		assert_string_equal(field(&c, "etag"), "\"1\"");
		client_leave(&c);
	}
	/* What is left may be one part, or none. */
	ask_range(&c, &w, "0-4,3-9");
	UNTIL(&w, c.ended);
	assert_string_equal(field(&c, "content-range"), "bytes 0-9/500000");
	assert_string_equal(field(&c, "content-type"), "text/x");
	assert_pattern(&c, 0, 10);
	client_leave(&c);
	ask_range(&c, &w, "500000-,600000-700000");
	assert_answer(&c, 416, "hit", "");
	assert_string_equal(field(&c, "content-range"), "bytes */500000");
	client_leave(&c);
	client_ask(&c, &w, "HEAD", "/a", "Range: bytes=0-1,4-5\n");
	assert_int_equal(c.x->res.status, 200);
	assert_string_equal(field(&c, "content-type"), "text/x");
	client_leave(&c);
	client_ask(&c, &w, "GET", "/a", "Range: bytes=0-1,4-5\nIf-Range: \"2\"\n");
	UNTIL(&w, c.ended);
	assert_int_equal(c.x->res.status, 200);
	assert_pattern(&c, 0, LONG);
	client_leave(&c);
	client_ask(&c, &w, "GET", "/a", "Range: bytes=0-1,4-5\nIf-Range: \"1\"\n");
	assert_parts(&c, "0-1 4-5", LONG, "text/x");
	client_leave(&c);
	client_ask(&c, &w, "GET", "/a", "Range: bytes=0-1,4-5\nIf-None-Match: \"1\"\n");
	assert_answer(&c, 304, "hit", "");
	client_leave(&c);
	assert_int_equal(w.n_asked, 1);
	world_close(&w);
}

static void what_has_no_type_has_none_in_its_parts(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_body(&w, "/a", GOOD, 100);
	client c = {0};
	ask_range(&c, &w, "0-9,20-29");
	assert_parts(&c, "0-9 20-29", 100, NULL);
	client_leave(&c);
	world_close(&w);
}

static void nobody_can_foresee_a_boundary(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_body(&w, "/a", GOOD, 100);
	char seen[20][80];
	for (unsigned i = 0; i < 20; i++) {
		client c = {0};
		ask_range(&c, &w, "0-9,20-29");
		snprintf(seen[i], sizeof seen[i], "%s", field(&c, "content-type"));
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(seen[i], seen[k]);
		client_leave(&c);
	}
	world_close(&w);
}

/* Wherever it stops reading, and wherever it leaves. */
static void who_leaves_in_the_middle_of_several_parts_leaves_nothing(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_body(&w, "/a", GOOD, LONG);
	client c = {.goes = true};
	ask_range(&c, &w, "0-199999,250000-");
	client_leave(&c);
	for (size_t pieces = 0; pieces < 18; pieces++) {
		c = (client){.holds = true};
		ask_range(&c, &w, "0-199999,250000-");
		assert_true(c.answered);
		er_piece piece;
		for (size_t i = 0; i < pieces && er_body_read(c.x->res.body, 0, &piece) == ER_BODY_PIECE; i++)
			er_piece_drop(&piece);
		client_leave(&c);
	}
	/* One that comes back to it reads on. */
	c = (client){.holds = true};
	ask_range(&c, &w, "0-199999,250000-");
	some_turns(&w);
	assert_in_range(er_body_buffered(c.x->res.body), 1, 2 * ER_BODY_WINDOW);
	c.holds = false;
	client_read(&c);
	assert_parts(&c, "0-199999 250000-499999", LONG, NULL);
	client_leave(&c);
	world_close(&w);
}

/* ---- of what is still coming ---- */

static void a_part_of_what_comes_is_served_as_soon_as_it_is_there(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client whole = {0}, begin = {0}, later = {0}, last = {0}, beyond = {0}, both = {0};
	asked *a = begin_body(&w, &whole, "/a", "", GOOD, LONG, 2 * PIECE);
	ask_range(&begin, &w, "10-19");
	UNTIL(&w, begin.ended);
	assert_int_equal(begin.x->res.status, 206);
	assert_string_equal(field(&begin, "content-range"), "bytes 10-19/500000");
	assert_pattern(&begin, 10, 10);
	ask_range(&later, &w, "100000-299999");
	ask_range(&last, &w, "-5");
	ask_range(&beyond, &w, "500000-");
	assert_answer(&beyond, 416, "hit", "");
	/* several would wait for each other */
	ask_range(&both, &w, "0-9,20-29");
	assert_true(both.answered);
	assert_int_equal(both.x->res.status, 200);
	some_turns(&w);
	assert_true(later.answered && last.answered);
	assert_int_equal(er_buf_len(&later.got), 0);
	for (uint64_t came = 2 * PIECE; came < LONG; came += PIECE) {
		origin_write(a, came + PIECE <= LONG ? PIECE : (size_t)(LONG - came));
		some_turns(&w);
		/* not a byte later than it has come */
		uint64_t there = a->wrote < 100000 ? 0 : a->wrote > 300000 ? 200000 : a->wrote - 100000;
		assert_int_equal(er_buf_len(&later.got), there);
		assert_int_equal(later.ended, there == 200000);
	}
	origin_end(a, ER_ERR_OK);
	UNTIL(&w, whole.ended && later.ended && last.ended && both.ended);
	assert_pattern(&whole, 0, LONG);
	assert_pattern(&later, 100000, 200000);
	assert_pattern(&last, LONG - 5, 5);
	assert_pattern(&both, 0, LONG);
	assert_int_equal(w.n_asked, 1);
	client_leave(&whole);
	client_leave(&begin);
	client_leave(&later);
	client_leave(&last);
	client_leave(&beyond);
	client_leave(&both);
	world_close(&w);
}

static void a_part_of_a_length_that_nobody_said_is_the_whole(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client whole = {0}, part = {0};
	asked *a = begin_body(&w, &whole, "/a", "", GOOD, ER_BODY_UNKNOWN, PIECE);
	ask_range(&part, &w, "-5");
	assert_true(part.answered);
	assert_int_equal(part.x->res.status, 200);
	origin_end(a, ER_ERR_OK);
	UNTIL(&w, whole.ended && part.ended);
	assert_pattern(&part, 0, PIECE);
	client_leave(&whole);
	client_leave(&part);
	world_close(&w);
}

/* It said more than it sends, or breaks off. */
static void a_part_that_never_comes_is_cut(void **state)
{
	(void)state;
	for (int breaks = 0; breaks < 2; breaks++) {
		world w;
		world_open(&w);
		client whole = {0}, before = {0}, over = {0}, behind = {0};
		asked *a = begin_body(&w, &whole, "/a", "", GOOD, LONG, PIECE);
		ask_range(&before, &w, "0-39999");
		ask_range(&over, &w, "39990-40009");
		ask_range(&behind, &w, "100000-100009");
		assert_int_equal(w.n_asked, 1);
		origin_end(a, breaks ? ER_ERR_IO : ER_ERR_OK);
		UNTIL(&w, before.ended && over.failed && behind.failed);
		assert_pattern(&before, 0, PIECE);
		assert_int_equal(er_buf_len(&over.got), 10);
		assert_int_equal(er_buf_len(&behind.got), 0);
		client_leave(&whole);
		client_leave(&before);
		client_leave(&over);
		client_leave(&behind);
		world_close(&w);
	}
}

/* An origin that does not know ranges sends all of it, and the client gets what it asked for. */
static void a_part_is_cut_from_an_answer_of_an_origin_that_ignores_ranges(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client part = {0};
	asked *a = begin_body(&w, &part, "/a", "Range: bytes=100000-100009\n", GOOD, LONG, 3 * PIECE);
	assert_string_equal(field(&part, "content-range"), "bytes 100000-100009/500000");
	UNTIL(&w, part.ended);
	assert_pattern(&part, 100000, 10);
	client_leave(&part);
	while (a->wrote < LONG)
		origin_write(a, a->wrote + PIECE <= LONG ? PIECE : (size_t)(LONG - a->wrote));
	origin_end(a, ER_ERR_OK);
	ask_range(&part, &w, "0-9,20-29");
	assert_parts(&part, "0-9 20-29", LONG, NULL);
	client_leave(&part);
	assert_int_equal(w.n_asked, 1);
	world_close(&w);
}

/* A film that has just begun to come, and a viewer who looks at its end. */
static void who_wants_what_is_far_from_coming_is_not_kept_waiting(void **state)
{
	(void)state;
	enum { FILM = 3 << 20, FAR = 2 << 20 };
	static const char *const says[] = {GOOD, GOOD "Accept-Ranges: bytes\n"};
	for (int can = 0; can < 2; can++) {
		world w;
		world_open_at(&w, er_index_new(256 << 20));
		w.shares = false;
		client whole = {0}, near = {0}, far = {0}, store_only = {0};
		asked *a = begin_body(&w, &whole, "/a", "", says[can], FILM, PIECE);
		ask_range(&near, &w, "1000000-1000009");
		client_ask(&store_only, &w, "GET", "/a", "Cache-Control: only-if-cached\nRange: bytes=2097152-2097161\n");
		assert_int_equal(w.n_asked, 1);
		ask_range(&far, &w, "2097152-2097161");
		assert_int_equal(w.n_asked, can ? 2 : 1);
		if (can) {
			assert_string_equal(er_arena_cstr(&w.arena, *er_fields_get(&w.asked[1].fields, ER_LIT("range"))),
			                    "bytes=2097152-2097161");
			origin_answer(&w.asked[1], 206, GOOD "Content-Range: bytes 2097152-2097161/3145728\n", "0123456789");
			assert_answer(&far, 206, "fwd=partial; fwd-status=206", "0123456789");
		}
		while (a->wrote < FILM) {
			origin_write(a, a->wrote + PIECE <= FILM ? PIECE : (size_t)(FILM - a->wrote));
			turn(&w);
		}
		origin_end(a, ER_ERR_OK);
		UNTIL(&w, whole.ended && near.ended && far.ended && store_only.ended);
		assert_pattern(&near, 1000000, 10);
		assert_pattern(&store_only, FAR, 10);
		client_leave(&whole);
		client_leave(&near);
		client_leave(&far);
		client_leave(&store_only);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(several_ranges_are_one_answer_with_a_part_for_each),
	    cmocka_unit_test(what_has_no_type_has_none_in_its_parts),
	    cmocka_unit_test(nobody_can_foresee_a_boundary),
	    cmocka_unit_test(who_leaves_in_the_middle_of_several_parts_leaves_nothing),
	    cmocka_unit_test(a_part_of_what_comes_is_served_as_soon_as_it_is_there),
	    cmocka_unit_test(a_part_of_a_length_that_nobody_said_is_the_whole),
	    cmocka_unit_test(a_part_that_never_comes_is_cut),
	    cmocka_unit_test(a_part_is_cut_from_an_answer_of_an_origin_that_ignores_ranges),
	    cmocka_unit_test(who_wants_what_is_far_from_coming_is_not_kept_waiting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
