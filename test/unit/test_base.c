/* The vocabulary: slices, buffers, arenas, maps, lists, rounds, chunks, address ranges. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/chunk.h"
#include "base/cidr.h"
#include "base/idmap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rounds.h"
#include "base/slice.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- slices ---- */

static void numbers_are_digits_and_do_not_overflow(void **state)
{
	(void)state;
	uint64_t v = 0;
	assert_true(er_slice_u64(ER_LIT("0"), &v) && v == 0);
	assert_true(er_slice_u64(ER_LIT("18446744073709551615"), &v) && v == UINT64_MAX);
	assert_false(er_slice_u64(ER_LIT("18446744073709551616"), &v));
	assert_false(er_slice_u64(ER_LIT("99999999999999999999"), &v));
	assert_false(er_slice_u64(ER_LIT(""), &v));
	assert_false(er_slice_u64(ER_LIT("+1"), &v));
	assert_false(er_slice_u64(ER_LIT("-1"), &v));
	assert_false(er_slice_u64(ER_LIT(" 1"), &v));
	assert_false(er_slice_u64(ER_LIT("1 "), &v));
	assert_false(er_slice_u64(ER_LIT("0x1"), &v));
}

static void slices_are_cut_where_they_should(void **state)
{
	(void)state;
	er_slice rest = ER_LIT("a,,b,"), part;
	assert_true(er_slice_split(&rest, ',', &part) && er_slice_eq(part, ER_LIT("a")));
	assert_true(er_slice_split(&rest, ',', &part) && part.n == 0);
	assert_true(er_slice_split(&rest, ',', &part) && er_slice_eq(part, ER_LIT("b")));
	assert_false(er_slice_split(&rest, ',', &part));
	rest = (er_slice){0};
	assert_false(er_slice_split(&rest, ',', &part));
	assert_true(er_slice_eq(er_slice_trim(ER_LIT(" \t a b\t ")), ER_LIT("a b")));
	assert_int_equal(er_slice_trim(ER_LIT(" \t ")).n, 0);
	assert_true(er_slice_ieq(ER_LIT("Host"), ER_LIT("hOST")));
	assert_false(er_slice_ieq(ER_LIT("a["), ER_LIT("a{")));
	assert_true(er_slice_eq((er_slice){0}, ER_LIT("")));
	assert_int_equal(er_slice_from(ER_LIT("abc"), 9).n, 0);
	assert_int_equal(er_slice_head(ER_LIT("abc"), 9).n, 3);
	assert_int_equal(er_slice_find(ER_LIT("abc"), 'x'), 3);
	assert_true(er_slice_ends(ER_LIT("a.b"), ER_LIT(".b")) && !er_slice_ends(ER_LIT("b"), ER_LIT(".b")));
}

/* ---- buffers ---- */

/* Every byte at every place of every length, against one byte at a time. */
static void case_is_of_ascii_letters_only_wherever_they_stand(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 20; n++) {
		for (size_t at = 0; at < n; at++) {
			for (unsigned x = 0; x < 256; x++) {
				uint8_t a[20], b[20], low[20];
				memset(a, 'a', sizeof a);
				memset(b, 'A', sizeof b);
				a[at] = (uint8_t)x;
				for (unsigned flip = 0x20; flip != 0; flip = flip == 0x20 ? 0x80 : 0) {
					b[at] = (uint8_t)(x ^ flip);
					assert_int_equal(er_slice_ieq(er_slice_of(a, n), er_slice_of(b, n)), er_lower(a[at]) == er_lower(b[at]));
				}
				b[at] = (uint8_t)x;
				assert_true(er_slice_ieq(er_slice_of(a, n), er_slice_of(b, n)));
				assert_ptr_equal(er_append_lower(low, er_slice_of(b, n)), low + n);
				for (size_t i = 0; i < n; i++)
					assert_int_equal(low[i], er_lower(b[i]));
			}
		}
	}
}

static void appended_bytes_are_those_of_the_slice(void **state)
{
	(void)state;
	uint8_t from[40], to[42];
	for (size_t i = 0; i < sizeof from; i++)
		from[i] = (uint8_t)(i + 1);
	for (size_t n = 0; n <= sizeof from; n++) {
		memset(to, 0, sizeof to);
		assert_ptr_equal(er_append(to + 1, er_slice_of(from, n)), to + 1 + n);
		assert_memory_equal(to + 1, from, n);
		assert_int_equal(to[0] | to[n + 1], 0);
	}
}

static void buffer_keeps_every_byte_through_growing_and_moving(void **state)
{
	(void)state;
	er_buf b;
	er_buf_init(&b);
	uint32_t in = 0, out = 0, seed = 1;
	for (int i = 0; i < 20000; i++) {
		seed = seed * 1103515245 + 12345;
		size_t n = seed >> 16 & 255;
		uint8_t *to = er_buf_reserve(&b, n);
		for (size_t k = 0; k < n; k++)
			to[k] = (uint8_t)in++;
		er_buf_wrote(&b, n);
		size_t take = (seed >> 8) % (er_buf_len(&b) + 1);
		if (er_buf_len(&b) > 50000)
			take = er_buf_len(&b);
		er_slice s = er_buf_slice(&b);
		for (size_t k = 0; k < take; k++)
			assert_int_equal(s.p[k], (uint8_t)out++);
		er_buf_consume(&b, take);
	}
	assert_int_equal(er_buf_len(&b), in - out);
	er_buf_fini(&b);
}

static void json_text_is_always_valid(void **state)
{
	(void)state;
	er_buf b;
	er_buf_init(&b);
	er_buf_put_json(&b, er_slice_of("a\"\\\n\r\t\0\x7f<\xc3\xa9\xf0\x9f\x98\x80", 15));
	assert_true(er_slice_eq(er_buf_slice(&b), ER_LIT("\"a\\\"\\\\\\n\\u000d\\u0009\\u0000\\u007f<\xc3\xa9\xf0\x9f\x98\x80\"")));
	static const char *const bad[] = {"\x80",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
	                                  "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf8",
	                                  "\xc3",         "\xe2\x82"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		er_buf_clear(&b);
		er_buf_put_json(&b, er_slice_cstr(bad[i]));
		for (size_t k = 0; k < er_buf_len(&b); k++)
			assert_true(er_buf_slice(&b).p[k] < 0x80);
		assert_true(er_slice_starts(er_buf_slice(&b), ER_LIT("\"\\ufffd")));
	}
	er_buf_clear(&b);
	er_buf_put_u64(&b, UINT64_MAX);
	er_buf_putc(&b, ' ');
	er_buf_put_u64(&b, 0);
	er_buf_printf(&b, " %d", 7);
	assert_true(er_slice_eq(er_buf_slice(&b), ER_LIT("18446744073709551615 0 7")));
	er_buf_fini(&b);
}

/* ---- arenas ---- */

static void arena_memory_is_aligned_and_apart(void **state)
{
	(void)state;
	er_arena a;
	er_arena_init(&a);
	for (int round = 0; round < 20; round++) {
		uint8_t *all[300];
		size_t sizes[300];
		for (int i = 0; i < 300; i++) {
			sizes[i] = (size_t)i * 37 % 700 + (i == 150 ? 100000 : 0);
			all[i] = er_arena_alloc(&a, sizes[i]);
			assert_int_equal((uintptr_t)all[i] % 8, 0);
			memset(all[i], i, sizes[i]);
		}
		for (int i = 0; i < 300; i++)
			for (size_t k = 0; k < sizes[i]; k++)
				assert_int_equal(all[i][k], (uint8_t)i);
		er_arena_reset(&a);
	}
	assert_string_equal(er_arena_cstr(&a, ER_LIT("text")), "text");
	assert_true(er_slice_eq(er_arena_printf(&a, "%s-%d", "x", 5), ER_LIT("x-5")));
	er_arena_fini(&a);
}

/* ---- maps ---- */

static void map_finds_what_was_put_and_nothing_else(void **state)
{
	(void)state;
	er_map *m = er_map_new();
	static int values[2000];
	for (int round = 0; round < 5; round++) {
		for (uint32_t i = 0; i < 2000; i++)
			assert_null(er_map_set(m, er_map_u32(&i), &values[i]));
		for (uint32_t i = 0; i < 2000; i++)
			assert_ptr_equal(er_map_get(m, er_map_u32(&i)), &values[i]);
		assert_int_equal(er_map_len(m), 2000);
		size_t at = 0, n = 0;
		er_slice key;
		void *value;
		while (er_map_next(m, &at, &key, &value)) {
			uint32_t id;
			memcpy(&id, key.p, 4);
			assert_ptr_equal(value, &values[id]);
			if (id % 2) {
				assert_ptr_equal(er_map_del(m, key), value);
			}
			n++;
		}
		assert_int_equal(n, 2000);
		for (uint32_t i = 0; i < 2000; i++)
			assert_ptr_equal(er_map_get(m, er_map_u32(&i)), i % 2 ? NULL : &values[i]);
		for (uint32_t i = 0; i < 2000; i += 2)
			assert_ptr_equal(er_map_del(m, er_map_u32(&i)), &values[i]);
		assert_int_equal(er_map_len(m), 0);
	}
	assert_null(er_map_set(m, ER_LIT(""), &values[0]));
	assert_ptr_equal(er_map_set(m, ER_LIT(""), &values[1]), &values[0]);
	assert_ptr_equal(er_map_get(m, ER_LIT("")), &values[1]);
	er_map_free(m);
}

static void idmap_survives_ids_chosen_to_collide(void **state)
{
	(void)state;
	er_idmap m;
	er_idmap_init(&m);
	static int values[20000];
	/* multiples of 2^16 have equal low bits: with a bad hash this takes seconds */
	for (uint32_t i = 1; i < 20000; i++)
		er_idmap_add(&m, i << 16 | i >> 16, &values[i]);
	for (uint32_t i = 1; i < 20000; i += 3)
		assert_ptr_equal(er_idmap_del(&m, i << 16 | i >> 16), &values[i]);
	for (uint32_t i = 1; i < 20000; i++)
		assert_ptr_equal(er_idmap_get(&m, i << 16 | i >> 16), i % 3 == 1 ? NULL : &values[i]);
	assert_null(er_idmap_get(&m, 0));
	assert_null(er_idmap_del(&m, 77));
	for (void *v; (v = er_idmap_any(&m)) != NULL;) {
		uint32_t i = (uint32_t)((int *)v - values);
		assert_ptr_equal(er_idmap_del(&m, i << 16 | i >> 16), v);
	}
	er_idmap_fini(&m);
}

/* ---- lists, chunks ---- */

typedef struct item {
	int n;
	er_list link;
} item;

static void list_can_be_left_while_it_is_walked(void **state)
{
	(void)state;
	item items[10];
	er_list head;
	er_list_init(&head);
	for (int i = 0; i < 10; i++) {
		items[i].n = i;
		er_list_push(&head, &items[i].link);
	}
	int sum = 0;
	ER_LIST_EACH(it, &head)
	{
		item *i = ER_CONTAINER(it, item, link);
		sum += i->n;
		if (i->n % 2)
			er_list_remove(it);
	}
	assert_int_equal(sum, 45);
	er_list_remove(&items[1].link); /* harmless */
	for (int i = 0; i < 10; i += 2)
		assert_ptr_equal(er_list_pop(&head), &items[i].link);
	assert_null(er_list_pop(&head));
	assert_true(er_list_empty(&head));
}

static void pieces_share_their_bytes(void **state)
{
	(void)state;
	er_piece all = er_piece_copy(ER_LIT("hello world"));
	er_piece world = er_piece_sub(all, 6, 5);
	er_piece_drop(&all);
	assert_null(all.chunk);
	assert_true(er_slice_eq(er_piece_slice(world), ER_LIT("world")));
	er_piece_drop(&world);
	er_piece none = {NULL, (const uint8_t *)"static", 6};
	er_piece part = er_piece_sub(none, 0, 4);
	assert_true(er_slice_eq(er_piece_slice(part), ER_LIT("stat")));
	er_piece_drop(&part);
	er_piece_drop(&none);
}

/* ---- address ranges ---- */

static bool has(const char *range, const char *addr)
{
	er_cidr r;
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct in6_addr a;
	assert_true(er_cidr_parse(er_slice_cstr(range), &r));
	if (inet_pton(AF_INET, addr, &v4.sin_addr) == 1)
		assert_true(er_cidr_of_sockaddr((struct sockaddr *)&v4, &a));
	else if (inet_pton(AF_INET6, addr, &v6.sin6_addr) == 1)
		assert_true(er_cidr_of_sockaddr((struct sockaddr *)&v6, &a));
	else
		fail_msg("%s", addr);
	return er_cidr_has(&r, &a);
}

static void range_holds_exactly_its_addresses(void **state)
{
	(void)state;
	assert_true(has("127.0.0.0/8", "127.255.255.255"));
	assert_false(has("127.0.0.0/8", "128.0.0.0"));
	assert_true(has("127.0.0.0/8", "::ffff:127.0.0.1"));
	assert_true(has("172.16.0.0/12", "172.31.255.255"));
	assert_false(has("172.16.0.0/12", "172.32.0.0"));
	assert_true(has("10.1.2.3", "10.1.2.3"));
	assert_false(has("10.1.2.3", "10.1.2.2"));
	assert_true(has("0.0.0.0/0", "8.8.8.8"));
	assert_false(has("0.0.0.0/0", "2001:db8::1"));
	assert_true(has("::/0", "2001:db8::1"));
	assert_true(has("fc00::/7", "fdff::1"));
	assert_false(has("fc00::/7", "fe00::1"));
	assert_true(has("::1", "::1"));
}

/* Against one bit at a time. */
static void range_ends_at_its_last_bit(void **state)
{
	(void)state;
	er_cidr r = {.addr = {{{0x20, 0x01, 0xff, 0, 0x80, 1, 2, 3, 0xfe, 5, 6, 7, 8, 9, 0xaa, 0x55}}}};
	for (unsigned bits = 0; bits <= 128; bits++) {
		r.bits = (uint8_t)bits;
		assert_true(er_cidr_has(&r, &r.addr));
		for (unsigned flipped = 0; flipped < 128; flipped++) {
			struct in6_addr a = r.addr;
			a.s6_addr[flipped / 8] ^= (uint8_t)(0x80 >> flipped % 8);
			assert_int_equal(er_cidr_has(&r, &a), flipped >= bits);
		}
	}
}

static void range_has_one_spelling(void **state)
{
	(void)state;
	static const char *const same[][2] = {{"10.1.2.3/8", "10.0.0.0/8"},
	                                      {"10.1.2.3/32", "10.1.2.3"},
	                                      {"::ffff:10.0.0.0/104", "10.0.0.0/8"},
	                                      {"FD00:0:0::7/8", "fd00::/8"},
	                                      {"::1/128", "::1"},
	                                      {"0.0.0.0/0", "0.0.0.0/0"},
	                                      {"::/0", "::/0"},
	                                      {"10.255.255.255/25", "10.255.255.128/25"}};
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		er_cidr r;
		char text[ER_CIDR_TEXT];
		assert_true(er_cidr_parse(er_slice_cstr(same[i][0]), &r));
		er_slice s = er_cidr_text(&r, text);
		if (!er_slice_eq(s, er_slice_cstr(same[i][1])))
			fail_msg("%s is spelled %.*s", same[i][0], ER_FMT(s));
	}
}

static void a_service_has_one_spelling(void **state)
{
	(void)state;
	static const char *const same[][2] = {{"10.1.2.3", "10.1.2.3"},           {"fd00::1", "fd00::1"},
	                                      {"10.1.2.3:5432", "10.1.2.3:5432"}, {"10.1.2.3/8:80", "10.0.0.0/8:80"},
	                                      {"10.1.2.3/32:080", "10.1.2.3:80"}, {"[FD00::1]:65535", "[fd00::1]:65535"},
	                                      {"[fd00::1/8]:1", "[fd00::/8]:1"},  {"[::ffff:10.1.2.3]:80", "10.1.2.3:80"}};
	static const char *const bad[] = {"",
	                                  ":80",
	                                  "10.1.2.3:",
	                                  "10.1.2.3:0",
	                                  "10.1.2.3:65536",
	                                  "10.1.2.3:-1",
	                                  "10.1.2.3:8x",
	                                  "10.1.2.3:80/8",
	                                  "[10.1.2.3]:80",
	                                  "[fd00::1]",
	                                  "[fd00::1]80",
	                                  "[fd00::1:80",
	                                  "[fd00::1]:",
	                                  "[fd00::1]:80]",
	                                  "localhost:80",
	                                  "[]:80",
	                                  "[",
	                                  "10.1.2.3::80",
	                                  "10.1.2.3:80:80",
	                                  "[fd00::1]/8:80"};
	er_cidr r;
	char text[ER_CIDR_TEXT];
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		assert_true(er_cidr_parse_service(er_slice_cstr(same[i][0]), &r));
		if (!er_slice_eq(er_cidr_text(&r, text), er_slice_cstr(same[i][1])))
			fail_msg("%s is spelled %s", same[i][0], text);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (er_cidr_parse_service(er_slice_cstr(bad[i]), &r))
			fail_msg("<%s> is no service", bad[i]);
	assert_false(er_cidr_parse(ER_LIT("10.1.2.3:80"), &r));
	er_cidr all, one;
	assert_true(er_cidr_parse_service(ER_LIT("10.0.0.0/8"), &all) && er_cidr_parse_service(ER_LIT("10.1.2.3:80"), &one));
	assert_true(er_cidr_within(&one, &all));
	assert_false(er_cidr_within(&all, &one));
	assert_true(er_cidr_parse_service(ER_LIT("10.1.2.3"), &all));
	assert_false(er_cidr_within(&all, &one));
	assert_true(er_cidr_parse_service(ER_LIT("10.0.0.0/8:81"), &all));
	assert_false(er_cidr_within(&one, &all));
}

static void range_is_within_another_or_not(void **state)
{
	(void)state;
	er_cidr a, b;
	assert_true(er_cidr_parse(ER_LIT("10.1.0.0/16"), &a) && er_cidr_parse(ER_LIT("10.0.0.0/8"), &b));
	assert_true(er_cidr_within(&a, &b) && er_cidr_within(&a, &a));
	assert_false(er_cidr_within(&b, &a));
	assert_true(er_cidr_parse(ER_LIT("11.1.0.0/16"), &a));
	assert_false(er_cidr_within(&a, &b));
}

static void what_is_no_range_is_refused(void **state)
{
	(void)state;
	er_cidr r;
	static const char *const bad[] = {"",       "/8",        "10.0.0.0/", "10.0.0.0/33",  "10.0.0.0/-1", "10.0.0.0/8/8", "::/129",
	                                  "10.0.0", "10.0.0.0 ", "localhost", "fe80::1%eth0", "[::1]",       "256.0.0.0"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (er_cidr_parse(er_slice_cstr(bad[i]), &r))
			fail_msg("<%s> is no range", bad[i]);
	assert_false(er_cidr_parse(er_slice_of("10.0.0.0\0x", 10), &r));
	struct sockaddr other = {.sa_family = AF_UNIX};
	struct in6_addr a;
	assert_false(er_cidr_of_sockaddr(&other, &a));
}

/* Every size on both sides of every class: a piece that is used again has room for what
 * was asked. */
static void memory_that_a_thread_keeps_has_room_for_what_is_asked(void **state)
{
	(void)state;
	enum { MOST = 1100, ROUNDS = 300 };
	er_mem_keep_here(true);
	uint8_t *all[MOST];
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t shift = round * 7 % MOST;
		for (size_t i = 0; i < MOST; i++) {
			size_t n = (i + shift) % MOST;
			all[i] = er_alloc(n);
			memset(all[i], (int)(i & 0xff), n);
		}
		for (size_t i = 0; i < MOST; i++) {
			size_t n = (i + shift) % MOST;
			for (size_t k = 0; k < n; k++)
				if (all[i][k] != (i & 0xff))
					fail_msg("byte %zu of %zu belongs to two", k, n);
			er_free(all[i]);
		}
	}
	uint8_t *zeroed = er_zalloc(100);
	for (size_t k = 0; k < 100; k++)
		assert_int_equal(zeroed[k], 0);
	er_free(er_realloc(zeroed, 5000));
	er_free(NULL);
	/* The last one given back is the first one used, also the large ones; then all goes back. */
	void *large = er_alloc(ER_MEM_LARGE), *kept = large;
	er_free(large);
	large = er_alloc(ER_MEM_LARGE);
	if (!ER_SANITIZED)
		assert_ptr_equal(large, kept);
	er_free(large);
	er_mem_keep_here(false);
}

/* ---- rounds ---- */

/* Somebody who waits, and who may want more when it is told. */
typedef struct guest {
	er_list link;
	struct table *table;
	unsigned round; /* in which it was served; 0: not yet */
	struct guest *brings;
} guest;

/* Work that ends when the test says so, or at once. */
typedef struct table {
	er_rounds rounds;
	unsigned round, guests; /* rounds that began; for how many the last one is */
	bool at_once;
} table;

static void serve(table *t);

static void join(table *t, guest *g)
{
	*g = (guest){.table = t, .brings = g->brings};
	er_list_init(&g->link);
	er_rounds_join(&t->rounds, &g->link);
	serve(t);
}

static void ends(table *t)
{
	er_list told;
	unsigned round = t->round;
	er_rounds_end(&t->rounds, &told);
	for (er_list *l; (l = er_list_pop(&told)) != NULL;) {
		guest *g = ER_CONTAINER(l, guest, link);
		g->round = round;
		if (g->brings != NULL)
			join(t, g->brings);
	}
	serve(t);
}

static void serve(table *t)
{
	while (er_rounds_begin(&t->rounds)) {
		t->round++;
		t->guests = 0;
		ER_LIST_EACH(it, &t->rounds.served)
		t->guests++;
		if (t->at_once)
			ends(t);
	}
}

static void who_comes_during_a_round_shares_the_next(void **state)
{
	(void)state;
	table t = {0};
	guest g[5] = {0};
	er_rounds_init(&t.rounds);
	assert_true(er_rounds_idle(&t.rounds));
	join(&t, &g[0]);
	for (int i = 1; i < 4; i++)
		join(&t, &g[i]);
	assert_true(t.round == 1 && t.guests == 1);
	/* One of them does not wait any longer. */
	er_list_remove(&g[2].link);
	ends(&t);
	assert_true(g[0].round == 1 && g[1].round == 0);
	assert_true(t.round == 2 && t.guests == 2);
	ends(&t);
	assert_true(g[1].round == 2 && g[2].round == 0 && g[3].round == 2);
	assert_true(er_rounds_idle(&t.rounds));
}

static void who_is_told_may_come_again(void **state)
{
	(void)state;
	for (int at_once = 0; at_once < 2; at_once++) {
		table t = {.at_once = at_once};
		guest g[3] = {0};
		g[0].brings = &g[2];
		er_rounds_init(&t.rounds);
		t.rounds.running = true; /* so that both share a round */
		join(&t, &g[0]);
		join(&t, &g[1]);
		t.rounds.running = false;
		serve(&t);
		while (!er_rounds_idle(&t.rounds))
			ends(&t);
		assert_true(g[0].round == 1 && g[1].round == 1 && g[2].round == 2);
		assert_int_equal(t.round, 2);
	}
}

static void an_owner_that_ends_finds_everybody(void **state)
{
	(void)state;
	table t = {0};
	guest g[3] = {0};
	er_rounds_init(&t.rounds);
	for (int i = 0; i < 3; i++)
		join(&t, &g[i]);
	assert_ptr_equal(er_rounds_drop(&t.rounds), &g[1].link);
	assert_ptr_equal(er_rounds_drop(&t.rounds), &g[2].link);
	assert_ptr_equal(er_rounds_drop(&t.rounds), &g[0].link);
	assert_null(er_rounds_drop(&t.rounds));
	assert_false(er_rounds_idle(&t.rounds));
	ends(&t);
	assert_true(er_rounds_idle(&t.rounds));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_digits_and_do_not_overflow),
	    cmocka_unit_test(slices_are_cut_where_they_should),
	    cmocka_unit_test(case_is_of_ascii_letters_only_wherever_they_stand),
	    cmocka_unit_test(appended_bytes_are_those_of_the_slice),
	    cmocka_unit_test(buffer_keeps_every_byte_through_growing_and_moving),
	    cmocka_unit_test(json_text_is_always_valid),
	    cmocka_unit_test(arena_memory_is_aligned_and_apart),
	    cmocka_unit_test(memory_that_a_thread_keeps_has_room_for_what_is_asked),
	    cmocka_unit_test(map_finds_what_was_put_and_nothing_else),
	    cmocka_unit_test(idmap_survives_ids_chosen_to_collide),
	    cmocka_unit_test(list_can_be_left_while_it_is_walked),
	    cmocka_unit_test(who_comes_during_a_round_shares_the_next),
	    cmocka_unit_test(who_is_told_may_come_again),
	    cmocka_unit_test(an_owner_that_ends_finds_everybody),
	    cmocka_unit_test(pieces_share_their_bytes),
	    cmocka_unit_test(range_holds_exactly_its_addresses),
	    cmocka_unit_test(range_ends_at_its_last_bit),
	    cmocka_unit_test(range_has_one_spelling),
	    cmocka_unit_test(a_service_has_one_spelling),
	    cmocka_unit_test(range_is_within_another_or_not),
	    cmocka_unit_test(what_is_no_range_is_refused),
	};
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
