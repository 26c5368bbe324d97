/* URLs against the data files of web-platform-tests, where they are at hand (ER_WPT_DATA, or
 * ../shared/wpt-data beside the source tree; skipped with a message otherwise), and against what
 * the node itself relies on. */
#include "base/json_tree.h"
#include "base/mem.h"
#include "http/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <cmocka.h>

static const struct {
	const char *name;
	er_url_part part;
} parts[] = {
    {"href", ER_URL_HREF},     {"protocol", ER_URL_PROTOCOL}, {"username", ER_URL_USERNAME}, {"password", ER_URL_PASSWORD},
    {"host", ER_URL_HOST},     {"hostname", ER_URL_HOSTNAME}, {"port", ER_URL_PORT},         {"pathname", ER_URL_PATHNAME},
    {"search", ER_URL_SEARCH}, {"hash", ER_URL_HASH},
};

/* Where the trees of the files lie. */
static er_arena arena;

static int no_files(void **state)
{
	(void)state;
	er_arena_fini(&arena);
	return 0;
}

/* Lone surrogates become U+FFFD, as they do before a string reaches the URL class. */
static const er_json *load(const char *name)
{
	const char *dir = getenv("ER_WPT_DATA");
	char *path = dir != NULL ? er_printf("%s/%s", dir, name) : er_printf("%s/../shared/wpt-data/%s", ER_SOURCE_DIR, name);
	FILE *f = fopen(path, "rb");
	if (f == NULL) {
		print_message("%s is not there; set ER_WPT_DATA to a copy of web-platform-tests' url/resources\n", path);
		er_free(path);
		skip();
		return NULL;
	}
	er_free(path);
	er_buf b;
	er_buf_init(&b);
	for (size_t n; (n = fread(er_buf_reserve(&b, 65536), 1, 65536, f)) > 0;)
		er_buf_wrote(&b, n);
	fclose(f);
	er_err err = {0};
	size_t at = 0;
	const er_json *root = er_json_parse(&arena, er_buf_slice(&b), SIZE_MAX, &at, &err);
	if (root == NULL)
		fail_msg("%s: %s at line %u", name, err.text, er_text_where(er_buf_slice(&b), at).line);
	er_buf_fini(&b);
	return root;
}

/* The getter's text; a port is written out. */
static er_slice get(const er_url *u, er_url_part part, char digits[8])
{
	if (part != ER_URL_PORT)
		return er_url_get(u, part);
	if (u->port == ER_URL_ABSENT)
		return (er_slice){0};
	return er_slice_of(digits, (size_t)snprintf(digits, 8, "%u", u->port));
}

static int differs(const er_url *u, const er_json *want, er_slice input)
{
	int bad = 0;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		char digits[8];
		const er_json *v = er_json_member(want, parts[i].name);
		er_slice got = get(u, parts[i].part, digits);
		if (v != NULL && !er_slice_eq(got, er_json_as_str(v))) {
			print_message("<%.*s> %s: got <%.*s>, wanted <%.*s>\n", ER_FMT(input), parts[i].name, ER_FMT(got),
			              ER_FMT(er_json_as_str(v)));
			bad = 1;
		}
	}
	return bad;
}

static int check_parse(const er_json *it)
{
	er_slice input = er_json_str(it, "input");
	const er_json *base_text = er_json_member(it, "base");
	bool want = !er_json_true(it, "failure");
	er_url base, u;
	bool has_base = er_json_is(base_text, ER_JSON_STRING);
	if (has_base && !er_url_parse(&base, er_json_as_str(base_text), NULL))
		return want;
	int bad = 0;
	bool ok = er_url_parse(&u, input, has_base ? &base : NULL);
	if (ok != want) {
		print_message("<%.*s> base <%.*s>: %s\n", ER_FMT(input), ER_FMT(er_json_as_str(base_text)),
		              ok ? "must fail" : "must not fail");
		bad = 1;
	} else if (ok) {
		bad = differs(&u, it, input);
		const er_json *origin = er_json_member(it, "origin");
		er_buf o;
		er_buf_init(&o);
		er_url_origin(&u, &o);
		if (origin != NULL && !er_slice_eq(er_buf_slice(&o), er_json_as_str(origin))) {
			print_message("<%.*s> origin: got <%.*s>\n", ER_FMT(input), ER_FMT(er_buf_slice(&o)));
			bad = 1;
		}
		er_buf_fini(&o);
	}
	if (ok)
		er_url_fini(&u);
	if (has_base)
		er_url_fini(&base);
	return bad;
}

/* Returns whether the short way was gone. */
static bool same_both_ways(er_slice input)
{
	er_url plain, u;
	if (!er_url_plain(&plain, input))
		return false;
	if (!er_url_parse(&u, input, NULL) || !er_slice_eq(er_url_href(&u), input))
		fail_msg("<%.*s> was taken as it is", ER_FMT(input));
	assert_int_equal(plain.protocol_end, u.protocol_end);
	assert_int_equal(plain.username_end, u.username_end);
	assert_int_equal(plain.host_start, u.host_start);
	assert_int_equal(plain.host_end, u.host_end);
	assert_int_equal(plain.port, u.port);
	assert_int_equal(plain.pathname_start, u.pathname_start);
	assert_int_equal(plain.search_start, u.search_start);
	assert_int_equal(plain.hash_start, u.hash_start);
	er_url_fini(&u);
	return true;
}

static void url_is_what_every_browser_makes_of_it(void **state)
{
	(void)state;
	const er_json *root = load("urltestdata.json");
	size_t n = 0, bad = 0;
	ER_JSON_EACH(it, root)
	{
		if (!er_json_is(it, ER_JSON_OBJECT))
			continue;
		n++;
		bad += (size_t)check_parse(it);
		(void)same_both_ways(er_json_str(it, "input"));
	}
	print_message("urltestdata: %zu of %zu\n", n - bad, n);
	assert_int_equal(bad, 0);
}

static void the_short_way_changes_no_url(void **state)
{
	(void)state;
	static const char *const urls[] = {"http://ab.c-d:81/p/q.r?s=t&u#v", "https://1.2.3.45/%41/", "http://a/",
	                                   "https://x.y/.z?//..#/."};
	unsigned short_way = 0;
	for (size_t k = 0; k < sizeof urls / sizeof *urls; k++) {
		er_slice url = er_slice_cstr(urls[k]);
		for (size_t at = 0; at <= url.n; at++) {
			for (unsigned c = 0; c < 3 * 256; c++) {
				/* The byte inserted, put in the place of another, or twice. */
				er_buf b;
				er_buf_init(&b);
				er_buf_put(&b, er_slice_head(url, at));
				er_buf_putc(&b, (uint8_t)c);
				if (c >= 512)
					er_buf_putc(&b, (uint8_t)c);
				er_buf_put(&b, er_slice_from(url, at + (c >= 256 && c < 512)));
				short_way += same_both_ways(er_buf_slice(&b));
				er_buf_fini(&b);
			}
		}
	}
	assert_true(short_way > 5000);
	assert_true(same_both_ways(ER_LIT("http://127.0.0.1:8080/")));
	assert_true(same_both_ways(ER_LIT("https://www.example.com/a/b-c_d/e~f.html?q=1&r=%20#top")));
}

static void setters_change_what_they_may_and_nothing_else(void **state)
{
	(void)state;
	const er_json *root = load("setters_tests.json");
	size_t n = 0, bad = 0;
	for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
		ER_JSON_EACH(it, er_json_member(root, parts[k].name))
		{
			er_url u;
			er_slice value = er_json_str(it, "new_value");
			assert_true(er_url_parse(&u, er_json_str(it, "href"), NULL));
			n++;
			(void)er_url_set(&u, parts[k].part, value);
			if (differs(&u, er_json_member(it, "expected"), value)) {
				print_message("  ... set %s of %.*s to <%.*s>\n", parts[k].name, ER_FMT(er_json_str(it, "href")), ER_FMT(value));
				bad++;
			}
			er_url_fini(&u);
		}
	}
	print_message("setters: %zu of %zu\n", n - bad, n);
	assert_int_equal(bad, 0);
}

/* Code points that were not assigned when this ICU was made: it can only refuse them. */
static bool newer_than_icu(er_slice text)
{
	for (int32_t at = 0; at < (int32_t)text.n;) {
		UChar32 c;
		U8_NEXT_OR_FFFD(text.p, at, (int32_t)text.n, c);
		if (u_charType(c) == U_UNASSIGNED)
			return true;
	}
	return false;
}

/* As the host of a URL: that is how the domains of these files are tried in browsers. */
static size_t check_domains(const char *file)
{
	const er_json *root = load(file);
	size_t n = 0, bad = 0;
	ER_JSON_EACH(it, root)
	{
		er_slice input = er_json_str(it, "input");
		if (!er_json_is(it, ER_JSON_OBJECT) || input.n == 0)
			continue;
		const er_json *want = er_json_member(it, "output");
		er_buf out;
		er_buf_init(&out);
		bool ok;
		{
			er_url u;
			er_buf text;
			er_buf_init(&text);
			er_buf_puts(&text, "https://");
			er_buf_put(&text, input);
			er_buf_puts(&text, "/x");
			ok = er_url_parse(&u, er_buf_slice(&text), NULL);
			if (ok) {
				er_buf_put(&out, er_url_get(&u, ER_URL_HOST));
				er_url_fini(&u);
			}
			er_buf_fini(&text);
		}
		n++;
		if (ok != er_json_is(want, ER_JSON_STRING) || (ok && !er_slice_eq(er_buf_slice(&out), er_json_as_str(want)))) {
			if (!ok && newer_than_icu(input)) {
				print_message("%s <%.*s>: newer than this ICU's Unicode\n", file, ER_FMT(input));
				er_buf_fini(&out);
				continue;
			}
			print_message("%s <%.*s>: got <%.*s>, wanted <%.*s>\n", file, ER_FMT(input), ER_FMT(er_buf_slice(&out)),
			              ER_FMT(er_json_is(want, ER_JSON_STRING) ? want->text : ER_LIT("failure")));
			bad++;
		}
		er_buf_fini(&out);
	}
	print_message("%s: %zu of %zu\n", file, n - bad, n);
	return bad;
}

static void foreign_names_reach_the_right_host(void **state)
{
	(void)state;
	assert_int_equal(check_domains("toascii.json"), 0);
}

static void every_idna_case_of_unicode(void **state)
{
	(void)state;
	assert_int_equal(check_domains("IdnaTestV2.json"), 0);
}

static void query_is_encoded_as_utf8(void **state)
{
	(void)state;
	const er_json *root = load("percent-encoding.json");
	ER_JSON_EACH(it, root)
	{
		if (!er_json_is(it, ER_JSON_OBJECT))
			continue;
		er_url u;
		assert_true(er_url_parse(&u, ER_LIT("https://example.com/"), NULL));
		assert_true(er_url_set(&u, ER_URL_SEARCH, er_json_str(it, "input")));
		er_slice got = er_slice_from(er_url_get(&u, ER_URL_SEARCH), 1);
		er_slice want = er_json_str(er_json_member(it, "output"), "utf-8");
		if (!er_slice_eq(got, want))
			fail_msg("got %.*s, wanted %.*s", ER_FMT(got), ER_FMT(want));
		er_url_fini(&u);
	}
}

/* ---- without the files ---- */

static void parses_to(const char *input, const char *base_text, const char *want)
{
	er_url base, u;
	if (base_text != NULL)
		assert_true(er_url_parse(&base, er_slice_cstr(base_text), NULL));
	bool ok = er_url_parse(&u, er_slice_cstr(input), base_text != NULL ? &base : NULL);
	if (ok != (want != NULL) || (ok && !er_slice_eq(er_url_href(&u), er_slice_cstr(want))))
		fail_msg("<%s>: got <%.*s>, wanted <%s>", input, ok ? (int)er_url_href(&u).n : 0,
		         ok ? (const char *)er_url_href(&u).p : "", want ? want : "failure");
	if (ok)
		er_url_fini(&u);
	if (base_text != NULL)
		er_url_fini(&base);
}

static void address_guard_sees_the_host_that_is_meant(void **state)
{
	(void)state;
	parses_to("http://0x7f.1/", NULL, "http://127.0.0.1/");
	parses_to("http://2130706433", NULL, "http://127.0.0.1/");
	parses_to("http://0177.0.0.01", NULL, "http://127.0.0.1/");
	parses_to("http://127.1", NULL, "http://127.0.0.1/");
	parses_to("http://%31%32%37.0.0.1", NULL, "http://127.0.0.1/");
	parses_to("http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1", NULL, "http://127.0.0.1/");
	parses_to("http://[::ffff:127.0.0.1]", NULL, "http://[::ffff:7f00:1]/");
	parses_to("http://[0:0:0:0:0:0:0:1]", NULL, "http://[::1]/");
	parses_to("http://good.example\\@evil.example/", NULL, "http://good.example/@evil.example/");
	parses_to("http://good.example@evil.example/", NULL, "http://good.example@evil.example/");
	parses_to("http:evil.example", NULL, "http://evil.example/");
	parses_to("http:\\\\evil.example", NULL, "http://evil.example/");
	parses_to("\thttp://ev\nil.example ", NULL, "http://evil.example/");
	parses_to("http://evil.example\xe3\x80\x82/", NULL, "http://evil.example./");
	parses_to("http://256.1.1.1", NULL, NULL);
	parses_to("http://1.2.3.4.5", NULL, NULL);
	parses_to("http://a b/", NULL, NULL);
	parses_to("http://a%00b/", NULL, NULL);
	parses_to("http://\xff/", NULL, NULL);
	parses_to("http://[::1%25eth0]/", NULL, NULL);
	parses_to("http://a:65536/", NULL, NULL);
	parses_to("http://", NULL, NULL);
	parses_to("/path", NULL, NULL);
}

static void redirect_goes_where_location_says(void **state)
{
	(void)state;
	const char *base = "https://a.example:8443/dir/page?q#f";
	parses_to("", base, "https://a.example:8443/dir/page?q");
	parses_to("other", base, "https://a.example:8443/dir/other");
	parses_to("/root?x", base, "https://a.example:8443/root?x");
	parses_to("//b.example/x", base, "https://b.example/x");
	parses_to("?only", base, "https://a.example:8443/dir/page?only");
	parses_to("../../../up", base, "https://a.example:8443/up");
	parses_to("http://c.example:80/%7Efoo/caf\xc3\xa9", base, "http://c.example/%7Efoo/caf%C3%A9");
	parses_to("javascript:alert(1)", base, "javascript:alert(1)");
}

static void input_has_a_bound(void **state)
{
	(void)state;
	er_buf b;
	er_buf_init(&b);
	er_buf_puts(&b, "http://a/");
	while (er_buf_len(&b) < 64 * 1024)
		er_buf_puts(&b, "\"");
	er_url u;
	assert_true(er_url_parse(&u, er_buf_slice(&b), NULL));
	assert_int_equal(er_url_href(&u).n, 9 + 3 * (64 * 1024 - 9));
	er_buf_putc(&b, 'x');
	assert_false(er_url_set(&u, ER_URL_PATHNAME, er_buf_slice(&b)));
	er_url_fini(&u);
	assert_false(er_url_parse(&u, er_buf_slice(&b), NULL));
	er_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(url_is_what_every_browser_makes_of_it),
	    cmocka_unit_test(the_short_way_changes_no_url),
	    cmocka_unit_test(setters_change_what_they_may_and_nothing_else),
	    cmocka_unit_test(foreign_names_reach_the_right_host),
	    cmocka_unit_test(every_idna_case_of_unicode),
	    cmocka_unit_test(query_is_encoded_as_utf8),
	    cmocka_unit_test(address_guard_sees_the_host_that_is_meant),
	    cmocka_unit_test(redirect_goes_where_location_says),
	    cmocka_unit_test(input_has_a_bound),
	};
	return cmocka_run_group_tests_name("url", tests, NULL, no_files);
}
