/* For whom a front asks, and what of it goes further. */
#include "http/forwarded.h"
#include "http/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

/* An exchange whose head is `head` ("name: value" lines), from a peer; the proxies are 10/8,
 * 192.0.2.1 and fd00::/8. What is left of it, as text: client, scheme, authority, fields. */
static void asks(er_slice method, const char *peer, const char *authority, const char *head, const char *expected)
{
	er_cidr trusted[3], from;
	assert_true(er_cidr_parse(ER_LIT("10.0.0.0/8"), &trusted[0]) && er_cidr_parse(ER_LIT("192.0.2.1"), &trusted[1]) &&
	            er_cidr_parse(ER_LIT("fd00::/8"), &trusted[2]) && er_cidr_parse(er_slice_cstr(peer), &from));
	er_exchange *x = er_exchange_new();
	er_cidr_to_sockaddr(&from.addr, &x->peer.address);
	x->req.method = method;
	x->req.scheme = ER_LIT("http");
	x->req.authority = er_arena_copy(&x->arena, er_slice_cstr(authority));
	er_slice rest = er_slice_cstr(head), line;
	while (er_slice_split(&rest, '\n', &line)) {
		size_t colon = er_slice_find(line, ':');
		if (line.n > 0)
			er_fields_add(&x->req.fields, &x->arena, er_slice_head(line, colon), er_slice_trim(er_slice_from(line, colon + 1)));
	}
	er_identity_arrive(x, trusted, 3);
	er_buf got;
	char text[ER_ADDRESS_TEXT];
	er_buf_init(&got);
	er_buf_printf(&got, "%.*s %.*s://%.*s", ER_FMT(er_address_text(&x->peer.address, text)), ER_FMT(x->req.scheme),
	              ER_FMT(x->req.authority));
	for (uint32_t i = 0; i < x->req.fields.n; i++)
		er_buf_printf(&got, " {%.*s: %.*s}", ER_FMT(x->req.fields.v[i].name), ER_FMT(x->req.fields.v[i].value));
	er_slice is = er_buf_slice(&got);
	if (!er_slice_eq(is, er_slice_cstr(expected)))
		fail_msg("from %s:\n%s\nis  %.*s\nnot %s", peer, head, ER_FMT(is), expected);
	er_buf_fini(&got);
	er_exchange_unref(x);
}

static void arrives_at(const char *peer, const char *authority, const char *head, const char *expected)
{
	asks(ER_LIT("GET"), peer, authority, head, expected);
}

static void arrives(const char *peer, const char *head, const char *expected)
{
	arrives_at(peer, "a", head, expected);
}

#define FOR "X-Forwarded-For: "
#define WAY " {x-forwarded-for: "

static void a_stranger_is_not_believed_in_any_spelling(void **state)
{
	(void)state;
	arrives("203.0.113.9",
	        "Accept: */*\n" FOR "6.6.6.6\nX-Forwarded-Proto: https\nx-forwarded-host: b\nX-Forwarded: x\nForwarded: for=6.6.6.6\n"
	        "X-Real-IP: 6.6.6.6\nX-Client-IP: 6\nTrue-Client-IP: 6\nCF-Connecting-IP: 6\nCF-Connecting-IPv6: 6\n"
	        "Fastly-Client-IP: 6\nX-Cluster-Client-IP: 6\ner-secret: 1\nX-Forwarded-Anything-New: 1",
	        "203.0.113.9 http://a {Accept: */*}");
	arrives("203.0.113.9",
	        "X_Forwarded_For: 6\nX_FORWARDED_FOR: 6\nX-Forwarded_Proto: https\nx_forwarded-host: b\nX_Real_IP: 6\n"
	        "True_Client-IP: 6\nCf_Connecting_Ip: 6\nFastly_client_ip: 6\nX_Cluster_Client_IP: 6\nX_Client_IP: 6\n"
	        "Content_Length: 5\ncontent_length: 5\nTransfer_Encoding: chunked\nKeep_Alive: 1\nProxy_Connection: close\n"
	        "Proxy_Authorization: x\nCDN_Loop: other\nAccept_Encoding: br\nIf_None_Match: *\nIf_Modified_Since: x\nEr_Secret: 1\n"
	        "Cookie: a_b=c",
	        "203.0.113.9 http://a {Cookie: a_b=c}");
	arrives("203.0.113.9",
	        "X-Original-URL: /a\nX-Original-URI: /a\nX-Rewrite-URL: /a\nX_Rewrite_Url: /a\nX-Original-Host: b\nX-Host: b\n"
	        "X-HTTP-Host-Override: b\nX-HTTP-Method-Override: PUT\nX_Http_Method: PUT\nX-Method-Override: PUT",
	        "203.0.113.9 http://a");
	asks(ER_LIT("HEAD"), "203.0.113.9", "a", "X-HTTP-Method: PUT", "203.0.113.9 http://a");
	asks(ER_LIT("POST"), "203.0.113.9", "a", "X-HTTP-Method: PUT\nX-Host: b", "203.0.113.9 http://a {X-HTTP-Method: PUT}");
	/* and what only looks like it stays */
	arrives("203.0.113.9", "X-Forwarde: 1\nX-Forward-For: 1\nContent_Type: 1\nReal_IP: 1\nX_Custom: 1\nErr_or: 1\nErase: 1",
	        "203.0.113.9 http://a {X-Forwarde: 1} {X-Forward-For: 1} {Content_Type: 1} {Real_IP: 1} {X_Custom: 1} {Err_or: 1} "
	        "{Erase: 1}");
}

static void a_front_says_who_its_client_is(void **state)
{
	(void)state;
	arrives("10.0.0.1", FOR "198.51.100.7", "198.51.100.7 http://a" WAY "198.51.100.7, 10.0.0.1}");
	arrives("10.0.0.1", FOR "198.51.100.7:51234\nX-Forwarded-Proto: https",
	        "198.51.100.7 https://a" WAY "198.51.100.7, 10.0.0.1}");
	arrives("fd00::1", FOR "2001:db8::7", "2001:db8::7 http://a" WAY "2001:db8::7, fd00::1}");
	arrives("10.0.0.1", FOR "[2001:db8::7]:443", "2001:db8::7 http://a" WAY "2001:db8::7, 10.0.0.1}");
	arrives("10.0.0.1", FOR "[2001:DB8::7]", "2001:db8::7 http://a" WAY "2001:db8::7, 10.0.0.1}");
	arrives("10.0.0.1", FOR "::ffff:198.51.100.7", "198.51.100.7 http://a" WAY "198.51.100.7, 10.0.0.1}");
	arrives("10.0.0.1", "Forwarded: for=198.51.100.7;proto=https;by=10.0.0.1;host=b",
	        "198.51.100.7 https://a" WAY "198.51.100.7, 10.0.0.1}");
	arrives("10.0.0.1", "forwarded: For=\"[2001:db8::7]:80\" ; Proto=HTTPS",
	        "2001:db8::7 https://a" WAY "2001:db8::7, 10.0.0.1}");
	arrives("10.0.0.1", "Forwarded: for=\"198.51.100.7:_p.1\"", "198.51.100.7 http://a" WAY "198.51.100.7, 10.0.0.1}");
	/* one that says nothing is the client itself */
	arrives("10.0.0.1", "Accept: */*", "10.0.0.1 http://a {Accept: */*}");
	arrives("10.0.0.1", "X-Forwarded-Proto: https\nX-Real-IP: 6.6.6.6", "10.0.0.1 https://a");
}

static void a_chain_is_believed_as_far_as_its_proxies_are_trusted(void **state)
{
	(void)state;
	arrives("10.0.0.1", FOR "6.6.6.6, 198.51.100.7, 10.0.0.3, 192.0.2.1",
	        "198.51.100.7 http://a" WAY "198.51.100.7, 10.0.0.3, 192.0.2.1, 10.0.0.1}");
	arrives("10.0.0.1", FOR "6.6.6.6\nX-Other: 1\n" FOR "198.51.100.7\n" FOR "10.0.0.3",
	        "198.51.100.7 http://a {X-Other: 1}" WAY "198.51.100.7, 10.0.0.3, 10.0.0.1}");
	arrives("10.0.0.1", "Forwarded: for=6.6.6.6, for=198.51.100.7;proto=https\nForwarded: for=10.0.0.3;proto=http",
	        "198.51.100.7 https://a" WAY "198.51.100.7, 10.0.0.3, 10.0.0.1}");
	/* nobody but proxies: the one that is furthest */
	arrives("10.0.0.1", FOR "10.0.0.4, 10.0.0.3", "10.0.0.4 http://a" WAY "10.0.0.4, 10.0.0.3, 10.0.0.1}");
	arrives("10.0.0.1", FOR " ,, 198.51.100.7 ,\t, ", "198.51.100.7 http://a" WAY "198.51.100.7, 10.0.0.1}");
}

static void nonsense_is_nobody_and_what_is_right_of_it_counts(void **state)
{
	(void)state;
	static const char *const nobody[] = {FOR "unknown",
	                                     FOR "198.51.100.7.",
	                                     FOR "198.51.100",
	                                     FOR "198.51.100.7:",
	                                     FOR "198.51.100.7:123456",
	                                     FOR "198.51.100.7:99999",
	                                     FOR "198.51.100.7/32",
	                                     FOR "[198.51.100.7]",
	                                     FOR "[2001:db8::7",
	                                     FOR "2001:db8::7]",
	                                     FOR "[2001:db8::7]80",
	                                     FOR "[]",
	                                     FOR "[",
	                                     FOR "\"198.51.100.7\"",
	                                     FOR "fe80::1%eth0",
	                                     FOR "198.51.100.7 10.0.0.3",
	                                     FOR "0x7f.1",
	                                     FOR "2001:db8:::7",
	                                     "Forwarded: for=unknown",
	                                     "Forwarded: for=_hidden",
	                                     "Forwarded: for=\"_SEVKISEK\"",
	                                     "Forwarded: for=198.51.100.7:80",
	                                     "Forwarded: for=[2001:db8::7]",
	                                     "Forwarded: for=\"2001:db8::7\"",
	                                     "Forwarded: for",
	                                     "Forwarded: for=",
	                                     "Forwarded: =1",
	                                     "Forwarded: for=198.51.100.7;for=198.51.100.7",
	                                     "Forwarded: for = 198.51.100.7",
	                                     "Forwarded: for=\"198.51.100.7",
	                                     "Forwarded: for=\"198.51.100.7\"x",
	                                     "Forwarded: for=\"198.51.100.\\7\"",
	                                     "Forwarded: by=10.0.0.3",
	                                     "Forwarded: for=198.51.100.7 by=10.0.0.3",
	                                     "Forwarded: ;",
	                                     "Forwarded: ",
	                                     FOR "",
	                                     FOR ","};
	for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++)
		arrives("10.0.0.1", nobody[i], "10.0.0.1 http://a");
	arrives("10.0.0.1", FOR "6.6.6.6, nonsense, 10.0.0.3", "10.0.0.3 http://a" WAY "10.0.0.3, 10.0.0.1}");
	arrives("10.0.0.1", "Forwarded: for=6.6.6.6, for=_x, for=10.0.0.3", "10.0.0.3 http://a" WAY "10.0.0.3, 10.0.0.1}");
	/* a stranger's quote that stays open, before what the proxy appended */
	arrives("10.0.0.1", "Forwarded: for=\"6.6.6.6, for=198.51.100.7", "198.51.100.7 http://a" WAY "198.51.100.7, 10.0.0.1}");
	arrives("10.0.0.1", "Forwarded: for=6.6.6.6;x=\"\\, for=\"[2001:db8::7]\";proto=https",
	        "2001:db8::7 https://a" WAY "2001:db8::7, 10.0.0.1}");
	arrives("10.0.0.1", "Forwarded: for=6.6.6.6, for=198.51.100.7;host=\"b,for=6.6.6.6\"",
	        "198.51.100.7 http://a" WAY "198.51.100.7, 10.0.0.1}");
	arrives("10.0.0.1", "Forwarded: host=\"\\\"\";;for=198.51.100.7;", "198.51.100.7 http://a" WAY "198.51.100.7, 10.0.0.1}");
}

static void the_scheme_is_http_or_https_or_not_said(void **state)
{
	(void)state;
	arrives("10.0.0.1", FOR "198.51.100.7\nX-Forwarded-Proto: ftp", "198.51.100.7 http://a" WAY "198.51.100.7, 10.0.0.1}");
	arrives("10.0.0.1", FOR "198.51.100.7\nX-Forwarded-Proto: javascript:alert(1)",
	        "198.51.100.7 http://a" WAY "198.51.100.7, 10.0.0.1}");
	/* what the peer itself said stands last */
	arrives("10.0.0.1", "X-Forwarded-Proto: http, HTTPS", "10.0.0.1 https://a");
	arrives("10.0.0.1", "X-Forwarded-Proto: https\nX-Forwarded-Proto: http", "10.0.0.1 http://a");
	arrives("10.0.0.1", "Forwarded: proto=https", "10.0.0.1 https://a");
	arrives("10.0.0.1", "Forwarded: proto=https\nX-Forwarded-Proto: http", "10.0.0.1 http://a");
	/* and which port goes without saying follows it */
	arrives_at("10.0.0.1", "a:443", "X-Forwarded-Proto: https", "10.0.0.1 https://a");
	arrives_at("10.0.0.1", "a:8443", "X-Forwarded-Proto: https", "10.0.0.1 https://a:8443");
}

static void fields_that_contradict_each_other_are_not_believed(void **state)
{
	(void)state;
	arrives("10.0.0.1", "Forwarded: for=6.6.6.6;proto=https\n" FOR "198.51.100.7\nX-Forwarded-Proto: https", "10.0.0.1 http://a");
	arrives("10.0.0.1", "Forwarded: for=_x\n" FOR "198.51.100.7", "10.0.0.1 http://a");
	arrives("10.0.0.1", "Forwarded: for=6.6.6.6\n" FOR "nonsense", "10.0.0.1 http://a");
	arrives("10.0.0.1", "Forwarded: for=198.51.100.7\n" FOR "6.6.6.6, 198.51.100.7",
	        "198.51.100.7 http://a" WAY "198.51.100.7, 10.0.0.1}");
}

static void a_list_is_looked_at_only_so_far(void **state)
{
	(void)state;
	er_buf head, expected;
	er_buf_init(&head);
	er_buf_init(&expected);
	er_buf_puts(&head, FOR "198.51.100.7");
	er_buf_puts(&expected, "10.0.0.9 http://a" WAY);
	for (unsigned i = 0; i < ER_FORWARDED_MAX; i++) {
		er_buf_puts(&head, ", 10.0.0.9");
		er_buf_puts(&expected, "10.0.0.9, ");
	}
	er_buf_puts(&expected, "10.0.0.1}");
	er_buf_putc(&head, '\0');
	er_buf_putc(&expected, '\0');
	arrives("10.0.0.1", (const char *)er_buf_slice(&head).p, (const char *)er_buf_slice(&expected).p);
	er_buf_clear(&head);
	er_buf_puts(&head, FOR "198.51.100.7");
	for (unsigned i = 0; i < ER_FORWARDED_MAX; i++)
		er_buf_puts(&head, ",");
	er_buf_putc(&head, '\0');
	arrives("10.0.0.1", (const char *)er_buf_slice(&head).p, "10.0.0.1 http://a");
	er_buf_fini(&head);
	er_buf_fini(&expected);
}

static void the_way_goes_on_with_the_request_and_with_what_a_routine_asks_of_its_host(void **state)
{
	(void)state;
	er_cidr trusted;
	assert_true(er_cidr_parse(ER_LIT("10.0.0.1"), &trusted));
	er_exchange *x = er_exchange_new(), *own = er_exchange_new();
	er_cidr_to_sockaddr(&trusted.addr, &x->peer.address);
	x->req.scheme = ER_LIT("http");
	x->req.authority = ER_LIT("a");
	er_fields_add(&x->req.fields, &x->arena, ER_LIT("X-Forwarded-For"), ER_LIT("198.51.100.7"));
	er_identity_arrive(x, &trusted, 1);
	er_identity_inherit(own, x);
	const er_slice *way = er_fields_get(&own->req.fields, ER_LIT("x-forwarded-for"));
	assert_true(way != NULL && er_slice_eq(*way, ER_LIT("198.51.100.7, 10.0.0.1")));
	er_fields out = {0};
	er_identity_forward(&out, &own->arena, x);
	assert_true(er_slice_eq(*er_fields_get(&out, ER_LIT("x-forwarded-for")), ER_LIT("198.51.100.7, 10.0.0.1")));
	er_identity_forward(&x->req.fields, &x->arena, x);
	assert_int_equal(er_fields_del(&x->req.fields, ER_LIT("x-forwarded-for")), 1);
	er_exchange_unref(own);
	er_exchange_unref(x);
	er_exchange_trim();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_stranger_is_not_believed_in_any_spelling),
	    cmocka_unit_test(a_front_says_who_its_client_is),
	    cmocka_unit_test(a_chain_is_believed_as_far_as_its_proxies_are_trusted),
	    cmocka_unit_test(nonsense_is_nobody_and_what_is_right_of_it_counts),
	    cmocka_unit_test(the_scheme_is_http_or_https_or_not_said),
	    cmocka_unit_test(fields_that_contradict_each_other_are_not_believed),
	    cmocka_unit_test(a_list_is_looked_at_only_so_far),
	    cmocka_unit_test(the_way_goes_on_with_the_request_and_with_what_a_routine_asks_of_its_host),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
