/* The header of the PROXY protocol, and connections that begin with one. */
#include "conn_harness.h"

#include "http/identity.h"
#include "net/listen.h"
#include "net/proxy.h"

#include <arpa/inet.h>

/* ---- the header by itself ---- */

/* Reads it whole, and at each length before that. `expected`: the client and its port; "" for
 * nobody; NULL: refused, at the latest when all is there. */
static void reads(er_slice bytes, size_t header, const char *expected)
{
	er_proxy_header got;
	char text[ER_ADDRESS_TEXT + 8], address[ER_ADDRESS_TEXT];
	for (size_t n = 0; n < header; n++) {
		/* of its own, so that a sanitizer sees a read behind its end */
		uint8_t *part = er_alloc(n);
		er_copy(part, bytes.p, n);
		int rc = er_proxy_read(er_slice_of(part, n), &got);
		er_free(part);
		if (rc != 0 && !(expected == NULL && rc == -1))
			fail_msg("%zu of %zu bytes: %d", n, header, rc);
	}
	int rc = er_proxy_read(bytes, &got);
	if (expected == NULL) {
		assert_int_equal(rc, -1);
		return;
	}
	assert_int_equal(rc, header);
	er_slice who = er_address_text(&got.client, address);
	unsigned port = ntohs(((const struct sockaddr_in *)(const void *)&got.client)->sin_port);
	int n = who.n > 0 ? snprintf(text, sizeof text, "%.*s %u", ER_FMT(who), port) : 0;
	if (!er_slice_eq(er_slice_of(text, (size_t)n), er_slice_cstr(expected)))
		fail_msg("%.*s and not %s", n, text, expected);
}

static void line(const char *text, const char *expected)
{
	er_slice bytes = er_slice_cstr(text);
	reads(bytes, expected != NULL ? er_slice_find(bytes, '\n') + 1 : bytes.n, expected);
}

static void a_line_says_whose_connection_it_is(void **state)
{
	(void)state;
	line("PROXY TCP4 198.51.100.7 192.0.2.1 51234 443\r\n", "198.51.100.7 51234");
	line("PROXY TCP4 198.51.100.7 192.0.2.1 51234 443\r\nGET / HTTP/1.1\r\n", "198.51.100.7 51234");
	line("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n\r\n", "255.255.255.255 65535");
	line("PROXY TCP6 2001:db8::7 ::1 0 80\r\n", "2001:db8::7 0");
	line("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535");
	line("PROXY UNKNOWN\r\nGET", "");
	line("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", "");
}

static void a_line_that_is_not_quite_one_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"GET / HTTP/1.1\r\n",
	                                  "\r\n\r\nGET",
	                                  "proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
	                                  "PROXY\r\n",
	                                  "PROXY \r\n",
	                                  "PROXY \n",
	                                  "PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
	                                  "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n",
	                                  "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
	                                  "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n",
	                                  "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n",
	                                  "PROXY TCP4 1.2.3.4  1.2.3.4 1 1\r\n",
	                                  "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\r\n",
	                                  "PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n",
	                                  "PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n",
	                                  "PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n",
	                                  "PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n",
	                                  "PROXY TCP4 1.2.3.4 1.2.3.4  1\r\n",
	                                  "PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n",
	                                  "PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n",
	                                  "PROXY TCP4 ::1 ::1 1 1\r\n",
	                                  "PROXY TCP4 1.2.3.4 x 1 1\r\n",
	                                  "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n",
	                                  "PROXY TCP6 fe80::1%lo ::1 1 1\r\n",
	                                  "PROXY TCP6 [::1] ::1 1 1\r\n",
	                                  "PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n",
	                                  "PROXY UNKNOWNS\r\n",
	                                  "PROXY UNKNOWN \r\n"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		line(bad[i], NULL);
	/* a NUL in an address, and a line that does not end */
	reads(ER_LIT("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 1\r\n"), 34, NULL);
	char endless[200];
	memset(endless, 'x', sizeof endless);
	er_copy(endless, "PROXY UNKNOWN ", 14);
	reads(er_slice_of(endless, sizeof endless), sizeof endless, NULL);
	er_copy(endless + 106, "\r\n", 2);
	reads(er_slice_of(endless, sizeof endless), 108, NULL);
}

/* A binary header, as the test makes it. */
typedef struct header {
	er_buf b;
} header;

static void begin(header *h, uint8_t command, uint8_t family)
{
	er_buf_init(&h->b);
	er_buf_put(&h->b, ER_LIT("\r\n\r\n\0\r\nQUIT\n"));
	const uint8_t head[4] = {command, family, 0, 0};
	er_buf_put(&h->b, er_slice_of(head, 4));
}

static uint8_t *bytes_of(header *h)
{
	return (uint8_t *)(uintptr_t)er_buf_slice(&h->b).p;
}

static void put(header *h, const void *bytes, size_t n)
{
	er_buf_put(&h->b, er_slice_of(bytes, n));
	size_t behind = er_buf_len(&h->b) - 16;
	bytes_of(h)[14] = (uint8_t)(behind >> 8);
	bytes_of(h)[15] = (uint8_t)behind;
}

static void record(header *h, uint8_t type, const void *value, size_t n)
{
	const uint8_t head[3] = {type, (uint8_t)(n >> 8), (uint8_t)n};
	put(h, head, 3);
	put(h, value, n);
}

static void put_v4(header *h)
{
	put(h, (const uint8_t[]){198, 51, 100, 7, 192, 0, 2, 1, 200, 34, 1, 187}, 12);
}

static void put_v6(header *h)
{
	uint8_t a[36] = {0x20, 0x01, 0x0d, 0xb8};
	a[15] = 7;
	a[31] = 1;
	a[32] = 200;
	a[33] = 34;
	put(h, a, 36);
}

static void is(header *h, const char *expected)
{
	size_t n = er_buf_len(&h->b);
	if (expected != NULL) /* what follows is the client's */
		er_buf_put(&h->b, ER_LIT("GET / HTTP/1.1\r\n"));
	reads(er_buf_slice(&h->b), n, expected);
	er_buf_fini(&h->b);
}

static void the_binary_header_says_whose_connection_it_is(void **state)
{
	(void)state;
	header h;
	begin(&h, 0x21, 0x11);
	put_v4(&h);
	is(&h, "198.51.100.7 51234");
	begin(&h, 0x21, 0x21);
	put_v6(&h);
	is(&h, "2001:db8::7 51234");
	begin(&h, 0x20, 0x00);
	is(&h, "");
	begin(&h, 0x20, 0x31); /* LOCAL with whatever */
	put(&h, "nonsense", 8);
	is(&h, "");
	begin(&h, 0x21, 0x00);
	is(&h, "");
	/* records: no-op, authority, an empty one, one of nobody's, and as many as fit */
	begin(&h, 0x21, 0x11);
	put_v4(&h);
	record(&h, 0x04, "\0\0\0", 3);
	record(&h, 0x02, "example.com", 11);
	record(&h, 0xee, "", 0);
	static const uint8_t much[ER_PROXY_MAX] = {0};
	record(&h, 0x04, much, ER_PROXY_MAX - er_buf_len(&h.b) - 3);
	assert_int_equal(er_buf_len(&h.b), ER_PROXY_MAX);
	is(&h, "198.51.100.7 51234");
}

static void a_binary_header_that_does_not_add_up_is_refused(void **state)
{
	(void)state;
	header h;
	static const uint8_t much[ER_PROXY_MAX + 1] = {0};
	begin(&h, 0x11, 0x11); /* version 1 */
	put_v4(&h);
	is(&h, NULL);
	begin(&h, 0x22, 0x11); /* no such command */
	put_v4(&h);
	is(&h, NULL);
	static const uint8_t families[] = {0x01, 0x10, 0x12, 0x22, 0x20, 0x31, 0x32, 0x41, 0xff};
	for (size_t i = 0; i < sizeof families; i++) {
		begin(&h, 0x21, families[i]);
		put_v4(&h);
		put(&h, much, 204);
		is(&h, NULL);
	}
	begin(&h, 0x21, 0x11); /* too short for its addresses */
	put(&h, much, 11);
	is(&h, NULL);
	begin(&h, 0x21, 0x21);
	put_v4(&h);
	is(&h, NULL);
	begin(&h, 0x21, 0x11); /* records that end within their head, or within their value */
	put_v4(&h);
	put(&h, "\x04\0", 2);
	is(&h, NULL);
	begin(&h, 0x21, 0x11);
	put_v4(&h);
	put(&h,
	    "\x04\0\x05"
	    "1234",
	    7);
	is(&h, NULL);
	begin(&h, 0x21, 0x11); /* longer than a header may be: its sixteenth byte says so */
	put_v4(&h);
	record(&h, 0x04, much, ER_PROXY_MAX - 28 - 3 + 1);
	is(&h, NULL);
}

/* The checksum as the protocol says it, by another way than the reader's: a table of bytes. */
static uint32_t crc32c(er_slice bytes)
{
	uint32_t table[256], crc = UINT32_MAX;
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t v = i;
		for (int k = 0; k < 8; k++)
			v = v & 1 ? v >> 1 ^ 0x82f63b78U : v >> 1;
		table[i] = v;
	}
	for (size_t i = 0; i < bytes.n; i++)
		crc = table[(crc ^ bytes.p[i]) & 0xff] ^ crc >> 8;
	return ~crc;
}

static void with_sum(header *h, uint32_t change)
{
	begin(h, 0x21, 0x11);
	put_v4(h);
	record(h, 0x02, "example.com", 11);
	record(h, 0x03, "\0\0\0\0", 4);
	record(h, 0x04, "pad", 3);
	uint32_t crc = crc32c(er_buf_slice(&h->b)) ^ change;
	for (int i = 0; i < 4; i++)
		bytes_of(h)[16 + 12 + 14 + 3 + i] = (uint8_t)(crc >> (24 - 8 * i));
}

static void a_checksum_must_hold(void **state)
{
	(void)state;
	header h;
	assert_int_equal(crc32c(ER_LIT("123456789")), 0xe3069283U); /* RFC 3720's check value */
	with_sum(&h, 0);
	is(&h, "198.51.100.7 51234");
	with_sum(&h, 1);
	is(&h, NULL);
	with_sum(&h, 0);
	bytes_of(&h)[19] ^= 1; /* the client's address */
	is(&h, NULL);
	with_sum(&h, 0);
	record(&h, 0x03, "\0\0\0\0", 4); /* two of them */
	is(&h, NULL);
	begin(&h, 0x21, 0x11);
	put_v4(&h);
	record(&h, 0x03, "\0\0\0", 3);
	is(&h, NULL);
}

/* ---- connections ---- */

static unsigned listening(world *w)
{
	int fd;
	unsigned port = er_listen_open("127.0.0.1:0", &fd, 1, NULL);
	assert_true(port != 0 && er_server_listen(w->server, fd, &er_transport_tcp, true, NULL));
	return port;
}

static void client_connect(client *c, world *w, unsigned port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	*c = (client){.w = w, .fd = fd};
}

static void the_session_begins_behind_the_header_with_the_client_for_a_peer(void **state)
{
	(void)state;
	static const char all[] = "PROXY TCP4 198.51.100.7 192.0.2.1 51234 443\r\nGET /hold HTTP/1.1\r\nHost: a\r\n\r\n";
	for (size_t cut = 0; cut < sizeof all - 1; cut += 9) {
		world *w = world_new(NULL);
		unsigned port = listening(w);
		client c;
		char text[ER_ADDRESS_TEXT];
		client_connect(&c, w, port);
		assert_int_equal(send(c.fd, all, cut, MSG_NOSIGNAL), cut);
		some_turns(w);
		assert_int_equal(w->n_asked, 0);
		assert_int_equal(w->stats.connections, 1);
		say(&c, all + cut);
		UNTIL(w, w->n_asked == 1);
		assert_true(er_slice_eq(er_address_text(&w->asked[0].x->peer.address, text), ER_LIT("198.51.100.7")));
		answer_text(&w->asked[0], 200, "yes");
		UNTIL(w, count(&c, "yes") == 1);
		say(&c, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
		UNTIL(w, count(&c, "/now") == 1);
		assert_int_equal(w->stats.accepted, 1);
		client_close(&c);
		world_free(w);
	}
}

static void what_is_no_header_ends_the_connection_without_a_word(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	unsigned port = listening(w);
	client bad, half, look;
	client_connect(&bad, w, port);
	say(&bad, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
	UNTIL(w, ended(&bad));
	assert_int_equal(er_buf_len(&bad.got), 0);
	assert_int_equal(w->stats.prefaces_refused, 1);
	client_connect(&half, w, port);
	say(&half, "PROXY TCP4 198.51");
	assert_int_equal(shutdown(half.fd, SHUT_WR), 0);
	UNTIL(w, ended(&half));
	assert_int_equal(w->stats.prefaces_refused, 2);
	/* a front that only looks whether somebody listens */
	client_connect(&look, w, port);
	assert_int_equal(shutdown(look.fd, SHUT_WR), 0);
	UNTIL(w, ended(&look));
	assert_int_equal(w->stats.prefaces_refused, 2);
	assert_int_equal(w->n_asked, 0);
	client_close(&bad);
	client_close(&half);
	client_close(&look);
	world_free(w);
}

static void a_header_that_does_not_come_costs_no_more_than_the_time_of_a_head(void **state)
{
	(void)state;
	er_gateway_limits limits = usual_limits();
	limits.header_ms = 100;
	world *w = world_new(&limits);
	unsigned port = listening(w);
	client mute, half;
	client_connect(&mute, w, port);
	client_connect(&half, w, port);
	say(&half, "PROXY TCP4 ");
	UNTIL(w, ended(&mute) && ended(&half));
	assert_int_equal(w->stats.prefaces_refused, 2);
	assert_int_equal(w->stats.connections, 0);
	client_close(&mute);
	client_close(&half);
	world_free(w);
}

static void a_server_that_closes_waits_for_no_header(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	unsigned port = listening(w);
	client c;
	client_connect(&c, w, port);
	say(&c, "PROXY TCP4 ");
	UNTIL(w, w->stats.connections == 1);
	world_free(w); /* which asserts that nothing is left */
	client_close(&c);
}

static void only_a_trusted_front_may_come_if_there_is_one(void **state)
{
	(void)state;
	er_cidr trusted;
	assert_true(er_cidr_parse(ER_LIT("10.0.0.0/8"), &trusted));
	world *w = world_new(NULL);
	er_server_trust(w->server, &trusted, 1);
	unsigned port = listening(w);
	client c;
	client_connect(&c, w, port);
	UNTIL(w, ended(&c));
	assert_int_equal(w->stats.prefaces_refused, 1);
	client_close(&c);
	assert_true(er_cidr_parse(ER_LIT("127.0.0.1"), &trusted));
	client_connect(&c, w, port);
	say(&c, "PROXY UNKNOWN\r\nGET /now HTTP/1.1\r\nHost: a\r\n\r\n");
	UNTIL(w, count(&c, "/now") == 1);
	client_close(&c);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_line_says_whose_connection_it_is),
	    cmocka_unit_test(a_line_that_is_not_quite_one_is_refused),
	    cmocka_unit_test(the_binary_header_says_whose_connection_it_is),
	    cmocka_unit_test(a_binary_header_that_does_not_add_up_is_refused),
	    cmocka_unit_test(a_checksum_must_hold),
	    cmocka_unit_test(the_session_begins_behind_the_header_with_the_client_for_a_peer),
	    cmocka_unit_test(what_is_no_header_ends_the_connection_without_a_word),
	    cmocka_unit_test(a_header_that_does_not_come_costs_no_more_than_the_time_of_a_head),
	    cmocka_unit_test(a_server_that_closes_waits_for_no_header),
	    cmocka_unit_test(only_a_trusted_front_may_come_if_there_is_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
