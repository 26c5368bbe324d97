/* Static files, the pure part: which file a path means, what rules of _headers and _redirects do,
 * what a manifest may say, and that no text of theirs gets more out of it. */
#include "assets/assets.h"
#include "assets/types.h"
#include "base/mem.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void equal(er_slice is, const char *should)
{
	if (!er_slice_eq(is, er_slice_cstr(should)))
		fail_msg("\"%.*s\" instead of \"%s\"", ER_FMT(is), should);
}

/* ---- manifests ---- */

typedef struct site {
	er_arena arena;
	er_buf text;
	er_assets_manifest m;
} site;

/* Files of these paths, in any order. */
static void make_site(site *s, const char *const *paths)
{
	er_assets_file files[32] = {0};
	size_t n = 0;
	er_err err = {0};
	*s = (site){0};
	for (; paths[n] != NULL; n++) {
		files[n].path = er_slice_cstr(paths[n]);
		files[n].hash.b[0] = (uint8_t)n;
		files[n].bytes = (uint32_t)n + 1;
	}
	if (!er_assets_manifest_make(files, n, &err))
		fail_msg("%s", err.text);
	er_assets_manifest_write(&s->text, files, n);
	if (!er_assets_manifest_read(&s->arena, er_buf_slice(&s->text), &s->m, &err))
		fail_msg("%s", err.text);
	assert_int_equal(s->m.n, n);
}

static void free_site(site *s)
{
	er_assets_manifest_fini(&s->m);
	er_buf_fini(&s->text);
	er_arena_fini(&s->arena);
}

static void paths_that_are_steps_or_no_text_are_no_files(void **state)
{
	(void)state;
	static const char *const bad[] = {"",      "/",     "a",     "//a",    "/a//b", "/a/",  "/..", "/a/../b",  "/./a",
	                                  "/a/..", "/a\\b", "/a\nb", "/a\x7f", "/\xff", "/a/.", "\\a", "/\xc0\xaf"};
	const char *why;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (er_assets_path_ok(er_slice_cstr(bad[i]), &why))
			fail_msg("%s is taken", bad[i]);
	char longer[ER_ASSETS_PATH + 3] = "/";
	memset(longer + 1, 'a', ER_ASSETS_PATH);
	assert_false(er_assets_path_ok(er_slice_cstr(longer), &why));
	longer[ER_ASSETS_PATH] = '\0';
	assert_true(er_assets_path_ok(er_slice_cstr(longer), &why));
	assert_true(er_assets_path_ok(er_slice_cstr("/...a/b c/\xc3\xa4.html"), &why));
}

static void a_file_that_is_there_twice_or_too_large_is_named(void **state)
{
	(void)state;
	er_err err = {0};
	er_assets_file twice[] = {{.path = ER_LIT("/a")}, {.path = ER_LIT("/b")}, {.path = ER_LIT("/a")}};
	assert_false(er_assets_manifest_make(twice, 3, &err));
	assert_non_null(strstr(err.text, "/a is there twice"));
	er_assets_file large[] = {{.path = ER_LIT("/film"), .bytes = ER_ASSETS_FILE_BYTES + 1}};
	assert_false(er_assets_manifest_make(large, 1, &err));
	assert_non_null(strstr(err.text, "/film"));
	assert_int_equal(err.kind, ER_ERR_TOO_LARGE);
	er_assets_file *many = er_zalloc((ER_ASSETS_FILES + 1) * sizeof *many);
	assert_false(er_assets_manifest_make(many, ER_ASSETS_FILES + 1, &err));
	assert_int_equal(err.kind, ER_ERR_TOO_LARGE);
	er_free(many);
	er_assets_file sum[64] = {0};
	char names[64][8];
	for (size_t i = 0; i < 64; i++) {
		snprintf(names[i], sizeof names[i], "/%zu", i);
		sum[i] = (er_assets_file){.path = er_slice_cstr(names[i]), .bytes = ER_ASSETS_FILE_BYTES};
	}
	assert_false(er_assets_manifest_make(sum, 64, &err));
	assert_int_equal(err.kind, ER_ERR_TOO_LARGE);
}

static void a_manifest_that_was_changed_is_refused(void **state)
{
	(void)state;
#define H "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	static const char *const bad[] = {"x\n",
	                                  H "\n",
	                                  H " 1\n",
	                                  H " /a\n",
	                                  H " -1 /a\n",
	                                  H " 1 a\n",
	                                  H " 1 /../a\n",
	                                  H " 99999999 /a\n",
	                                  H " 1 /a\n" H " 1 /a\n"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		er_arena a = {0};
		er_assets_manifest m;
		er_err err = {0};
		if (er_assets_manifest_read(&a, er_slice_cstr(bad[i]), &m, &err))
			fail_msg("%s is taken", bad[i]);
		assert_true(err.text[0] != '\0');
		er_assets_manifest_fini(&m);
		er_arena_fini(&a);
	}
}

/* ---- types ---- */

static void a_file_has_the_type_of_its_end(void **state)
{
	(void)state;
	equal(er_assets_type(ER_LIT("/a.html")), "text/html; charset=utf-8");
	equal(er_assets_type(ER_LIT("/a.b/c.JS")), "text/javascript; charset=utf-8");
	equal(er_assets_type(ER_LIT("/x.wasm")), "application/wasm");
	equal(er_assets_type(ER_LIT("/x.webp")), "image/webp");
	equal(er_assets_type(ER_LIT("/3.3mf")), "model/3mf");
	equal(er_assets_type(ER_LIT("/x.zst")), "application/zstd");
	equal(er_assets_type(ER_LIT("/a.html/b")), "application/octet-stream");
	equal(er_assets_type(ER_LIT("/LICENSE")), "application/octet-stream");
	equal(er_assets_type(ER_LIT("/a.averyveryverylongend")), "application/octet-stream");
}

static void types_stand_in_the_order_that_they_are_looked_up_in(void **state)
{
	(void)state;
	er_slice before = {0};
#define X(end, type) \
	assert_true(er_slice_compare(before, ER_LIT(end)) < 0); \
	before = ER_LIT(end); \
	assert_true(er_slice_find(ER_LIT(type), '/') < sizeof(type) - 1);
	ER_ASSETS_TYPES(X)
#undef X
}

/* ---- finding ---- */

/* The file, "> path" for another address, or "-". */
static void finds(site *s, er_assets_html html, const char *path, const char *should)
{
	er_assets_found f = er_assets_find(&s->m, html, er_slice_cstr(path), &s->arena);
	er_slice is = f.moved.n > 0    ? er_arena_printf(&s->arena, "> %.*s", ER_FMT(f.moved))
	              : f.file != NULL ? f.file->path
	                               : ER_LIT("-");
	if (!er_slice_eq(is, er_slice_cstr(should)))
		fail_msg("%s finds \"%.*s\" instead of \"%s\"", path, ER_FMT(is), should);
}

static const char *const pages[] = {"/index.html", "/about.html", "/blog/index.html", "/both.html", "/both/index.html",
                                    "/a.css",      "/plain",      "/plain.html",      "/404.html",  "/blog/404.html",
                                    "/_headers",   "/_redirects", "/blog/x.html",     NULL};

static void a_page_has_one_address_and_the_others_lead_to_it(void **state)
{
	(void)state;
	site s;
	make_site(&s, pages);
	static const struct {
		const char *path, *should;
	} cases[] = {
	    {"/", "/index.html"},
	    {"/index", "> /"},
	    {"/index.html", "> /"},
	    {"/about", "/about.html"},
	    {"/about.html", "> /about"},
	    {"/about/", "> /about"},
	    {"/about/index", "> /about"},
	    {"/about/index.html", "> /about"},
	    {"/blog/", "/blog/index.html"},
	    {"/blog", "> /blog/"},
	    {"/blog.html", "> /blog/"},
	    {"/blog/index", "> /blog/"},
	    {"/blog/x", "/blog/x.html"},
	    {"/both", "/both.html"},
	    {"/both/", "/both/index.html"},
	    {"/both.html", "> /both"},
	    {"/both/index.html", "> /both/"},
	    {"/a.css", "/a.css"},
	    {"/a.css/", "-"},
	    {"/a", "-"},
	    {"/plain", "/plain"},
	    {"/plain.html", "/plain.html"}, /* its address is another file's */
	    {"/_headers", "-"},
	    {"/nothing", "-"},
	    {"//", "-"},
	    {"/../index.html", "-"},
	    {"/ABOUT", "-"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		finds(&s, ER_HTML_AUTO, cases[i].path, cases[i].should);
	free_site(&s);
}

static void the_setting_says_whether_addresses_end_with_a_slash(void **state)
{
	(void)state;
	site s;
	make_site(&s, pages);
	finds(&s, ER_HTML_SLASH, "/about", "> /about/");
	finds(&s, ER_HTML_SLASH, "/about/", "/about.html");
	finds(&s, ER_HTML_SLASH, "/about.html", "> /about/");
	finds(&s, ER_HTML_SLASH, "/blog", "> /blog/");
	finds(&s, ER_HTML_BARE, "/about/", "> /about");
	finds(&s, ER_HTML_BARE, "/blog/", "> /blog");
	finds(&s, ER_HTML_BARE, "/blog", "/blog/index.html");
	finds(&s, ER_HTML_BARE, "/", "/index.html");
	finds(&s, ER_HTML_BARE, "/index.html", "> /");
	finds(&s, ER_HTML_NONE, "/about.html", "/about.html");
	finds(&s, ER_HTML_NONE, "/about", "-");
	finds(&s, ER_HTML_NONE, "/", "-");
	finds(&s, ER_HTML_NONE, "/_redirects", "-");
	free_site(&s);
}

static void the_nearest_404_page_answers_for_what_is_not_there(void **state)
{
	(void)state;
	site s;
	make_site(&s, pages);
	equal(er_assets_instead(&s.m, ER_NOT_FOUND_PAGE, ER_LIT("/x"), &s.arena)->path, "/404.html");
	equal(er_assets_instead(&s.m, ER_NOT_FOUND_PAGE, ER_LIT("/blog/x"), &s.arena)->path, "/blog/404.html");
	equal(er_assets_instead(&s.m, ER_NOT_FOUND_PAGE, ER_LIT("/blog/y/z/"), &s.arena)->path, "/blog/404.html");
	equal(er_assets_instead(&s.m, ER_NOT_FOUND_APP, ER_LIT("/blog/x"), &s.arena)->path, "/index.html");
	assert_null(er_assets_instead(&s.m, ER_NOT_FOUND_NONE, ER_LIT("/x"), &s.arena));
	free_site(&s);
	make_site(&s, (const char *const[]){"/a", NULL});
	assert_null(er_assets_instead(&s.m, ER_NOT_FOUND_PAGE, ER_LIT("/x/y"), &s.arena));
	free_site(&s);
}

static void a_path_is_decoded_once_and_a_hidden_slash_is_no_name(void **state)
{
	(void)state;
	er_arena a = {0};
	er_slice out;
	static const struct {
		const char *target, *path;
	} good[] = {{"/a?b=/c", "/a"},  {"/a%20b", "/a b"}, {"/%C3%A4", "/\xc3\xa4"},
	            {"/%252e", "/%2e"}, {"/a;b", "/a;b"},   {"/", "/"}};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(er_assets_decode(&a, er_slice_cstr(good[i].target), &out));
		equal(out, good[i].path);
	}
	static const char *const bad[] = {"/a%2Fb", "/a%2fb", "/%5C", "/%00", "/%0A", "/%", "/%4", "/%zz", "", "a", "*", "/%7f"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (er_assets_decode(&a, er_slice_cstr(bad[i]), &out))
			fail_msg("%s is decoded", bad[i]);
	er_arena_fini(&a);
}

/* ---- rules ---- */

/* "name=value ..." of what stands for the placeholders, or "-". */
static void matches(const char *pattern, const char *path, const char *should)
{
	er_rule_pattern p;
	er_rule_found found;
	const char *why;
	er_buf b = {0};
	if (!er_rule_read(er_slice_cstr(pattern), true, &p, &why))
		fail_msg("%s: %s", pattern, why);
	if (!er_rule_match(&p, ER_LIT("https"), ER_LIT("a.example"), er_slice_cstr(path), &found))
		er_buf_puts(&b, "-");
	else
		for (size_t i = 0; i < found.n; i++)
			er_buf_printf(&b, "%s%.*s=%.*s", i > 0 ? " " : "", ER_FMT(found.v[i].name), ER_FMT(found.v[i].value));
	if (!er_slice_eq(er_buf_slice(&b), er_slice_cstr(should)))
		fail_msg("%s of %s: \"%.*s\" instead of \"%s\"", pattern, path, ER_FMT(er_buf_slice(&b)), should);
	er_buf_fini(&b);
}

static void a_pattern_finds_whole_segments_and_what_a_star_stands_for(void **state)
{
	(void)state;
	matches("/a", "/a", "");
	matches("/a", "/a/", "-");
	matches("/*", "/", "splat=");
	matches("/*", "/a/b", "splat=a/b");
	matches("/a/*", "/a", "-");
	matches("/*.css", "/x/y.css", "splat=x/y");
	matches("/*.css", "/.css", "splat=");
	matches("/*.css", "/x.css2", "-");
	matches("/a/:x/b", "/a/1/b", "x=1");
	matches("/a/:x/b", "/a//b", "-");
	matches("/a/:x", "/a/1/2", "-");
	matches("/:y/:m/*", "/2020/05/a/b", "y=2020 m=05 splat=a/b");
	matches("https://a.example/*", "/x", "splat=x");
	matches("http://a.example/*", "/x", "-");
	matches("https://b.example/*", "/x", "-");
	matches("https://*.example/*", "/x", "splat=x");
	matches("https://:sub.example/x", "/x", "sub=a");
	static const char *const bad[] = {"",        "a",     "/a b",     "/**",       "/*/*",      "/a:b",
	                                  "/x/:a-b", "/*/:a", "https://", "https:///", "ftp://a/b", "/:a/:b/:c/:d/:e/:f/:g/:h/:i",
	                                  "/a\tb"};
	er_rule_pattern p;
	const char *why;
	for (size_t i = 3; i < sizeof bad / sizeof *bad; i++)
		if (!er_slice_eq(er_slice_cstr(bad[i]), ER_LIT("/a:b")) && er_rule_read(er_slice_cstr(bad[i]), true, &p, &why))
			fail_msg("%s is taken", bad[i]);
	for (size_t i = 0; i < 3; i++)
		assert_false(er_rule_read(er_slice_cstr(bad[i]), true, &p, &why));
}

static void refuses_headers(const char *text, const char *because)
{
	er_arena a = {0};
	er_headers h;
	er_err err = {0};
	assert_false(er_headers_read(&a, er_slice_cstr(text), &h, &err));
	if (strstr(err.text, because) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", err.text, because);
	er_arena_fini(&a);
}

static void a_mistake_in_headers_is_told_with_its_line(void **state)
{
	(void)state;
	refuses_headers("\n# c\nX-A: 1\n", "line 3: a path stands before the first field");
	refuses_headers("/a\n  X-A\n", "line 2: a path, or \"Name: value\"");
	refuses_headers("/a\n  X A: 1\n", "line 2: this is no name of a field");
	refuses_headers("/a\n  Content-Length: 1\n", "line 2: the node says this field itself");
	refuses_headers("/a\n  transfer-encoding: chunked\n", "line 2: the node says");
	refuses_headers("/a\n  X-A: a\x01z\n", "line 2: the value has a control");
	refuses_headers("/a\n  X-A:\n", "line 2: a value is expected");
	refuses_headers("/a\n", "has no fields");
	refuses_headers("/a/*/*\n  X: 1\n", "line 1: one * is all");
	refuses_headers("/\xff\n", "not UTF-8");
	er_buf b = {0};
	for (int i = 0; i <= ER_HEADERS_RULES; i++)
		er_buf_printf(&b, "/%d\n X: 1\n", i);
	er_buf_putc(&b, 0);
	refuses_headers((const char *)b.p, "100 rules");
	er_buf_clear(&b);
	er_buf_puts(&b, "/a\n");
	for (int i = 0; i <= ER_HEADERS_FIELDS; i++)
		er_buf_puts(&b, " X: 1\n");
	er_buf_putc(&b, 0);
	refuses_headers((const char *)b.p, "50 fields");
	er_buf_fini(&b);
}

static void fields_of_all_rules_that_match_are_put_together(void **state)
{
	(void)state;
	er_arena a = {0};
	er_headers h;
	er_err err = {0};
	er_fields f = {0};
	static const char text[] =
	    "/*\n  X-All: 1\n  Cache-Control: a\n/x/:name\r\n\tX-All: 2\r\n\tX-Name: <:name>\n"
	    "  Cache-Control: b\n/x/gone\n  ! X-All\n  ! ETag2\n  Set-Cookie: c=1\n  Set-Cookie: d=1\n  Vary: Cookie\n";
	assert_true(er_headers_read(&a, er_slice_cstr(text), &h, &err));
	er_fields_add(&f, &a, ER_LIT("cache-control"), ER_LIT("own"));
	er_fields_add(&f, &a, ER_LIT("vary"), ER_LIT("accept-encoding"));
	er_headers_apply(&h, ER_LIT("https"), ER_LIT("h"), ER_LIT("/x/a\r\nX: y"), &f, &a);
	equal(*er_fields_get(&f, ER_LIT("x-all")), "1, 2");
	equal(*er_fields_get(&f, ER_LIT("cache-control")), "a, b");
	equal(*er_fields_get(&f, ER_LIT("x-name")), "<a%0D%0AX:%20y>");
	f.n = 0;
	er_fields_add(&f, &a, ER_LIT("vary"), ER_LIT("accept-encoding"));
	er_headers_apply(&h, ER_LIT("https"), ER_LIT("h"), ER_LIT("/x/gone"), &f, &a);
	assert_null(er_fields_get(&f, ER_LIT("x-all")));
	equal(*er_fields_get(&f, ER_LIT("vary")), "accept-encoding, Cookie");
	assert_int_equal(er_fields_del(&f, ER_LIT("set-cookie")), 2);
	er_arena_fini(&a);
}

static void refuses_redirects(const char *text, const char *because)
{
	er_arena a = {0};
	er_redirects r;
	er_err err = {0};
	assert_false(er_redirects_read(&a, er_slice_cstr(text), &r, &err));
	if (strstr(err.text, because) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", err.text, because);
	er_redirects_fini(&r);
	er_arena_fini(&a);
}

static void a_mistake_in_redirects_is_told_with_its_line(void **state)
{
	(void)state;
	refuses_redirects("/a\n", "line 1: a path, where it leads");
	refuses_redirects("# x\n/a /b 301 x\n", "line 2: a path, where it leads");
	refuses_redirects("/a /b 404\n", "200, 301, 302, 303, 307 or 308");
	refuses_redirects("/a /b 301!\n", "200, 301");
	refuses_redirects("a /b\n", "a path begins with /");
	refuses_redirects("/a b\n", "a path of this site or a URL");
	refuses_redirects("/a javascript:alert(1)\n", "a path of this site or a URL");
	refuses_redirects("/a /a\n", "it leads to itself");
	refuses_redirects("/a?x=1 /b\n", "without its query");
	refuses_redirects("/a /:splat\n", "a placeholder that the path has not: splat");
	refuses_redirects("/a https://b.example 200\n", "status 200 answers with a file of this site");
	refuses_redirects("/a /b\\c\n", "a path of this site");
	er_buf b = {0};
	for (int i = 0; i <= ER_REDIRECTS_RULES; i++)
		er_buf_printf(&b, "/%d/* /x\n", i);
	er_buf_putc(&b, 0);
	refuses_redirects((const char *)b.p, "line 101: 100 rules with placeholders");
	er_buf_clear(&b);
	for (int i = 0; i <= ER_REDIRECTS_PLAIN; i++)
		er_buf_printf(&b, "/%d /x\n", i);
	er_buf_putc(&b, 0);
	refuses_redirects((const char *)b.p, "line 2001: 2000 rules");
	er_buf_clear(&b);
	er_buf_puts(&b, "/a /");
	for (int i = 0; i < ER_REDIRECTS_LINE; i++)
		er_buf_putc(&b, 'b');
	er_buf_putc(&b, 0);
	refuses_redirects((const char *)b.p, "line 1: the line is longer");
	er_buf_fini(&b);
}

static void leads(const er_redirects *r, er_arena *a, const char *path, const char *query, const char *should)
{
	er_rule_found found;
	const er_redirects_rule *rule = er_redirects_find(r, er_slice_cstr(path), false, &found);
	er_slice is = rule == NULL ? ER_LIT("-")
	                           : er_arena_printf(a, "%d %.*s", rule->status,
	                                             ER_FMT(er_redirects_target(rule, &found, er_slice_cstr(query), a)));
	if (!er_slice_eq(is, er_slice_cstr(should)))
		fail_msg("%s leads to \"%.*s\" instead of \"%s\"", path, ER_FMT(is), should);
}

static void the_first_rule_that_matches_counts_and_never_leads_to_another_host_by_a_path(void **state)
{
	(void)state;
	er_arena a = {0};
	er_redirects r;
	er_err err = {0};
	er_rule_found found;
	static const char text[] = "/old /new 301 # moved\n"
	                           "/old /newer\n"
	                           "/early/* /splat/:splat 308\n"
	                           "/early/x /never\n"
	                           "/b/:year/:name https://blog.example/:name?y=:year 302\n"
	                           "/q /r?a=1#f\n"
	                           "/f /r#f 307\n"
	                           "/o/* /:splat\n"
	                           "/u /\xc3\xa4\n"
	                           "/app/* /index.html 200\n";
	if (!er_redirects_read(&a, er_slice_cstr(text), &r, &err))
		fail_msg("%s", err.text);
	leads(&r, &a, "/old", "", "301 /new");
	leads(&r, &a, "/old", "a=b", "301 /new?a=b");
	leads(&r, &a, "/early/x", "", "308 /splat/x");
	leads(&r, &a, "/b/2020/a b", "", "302 https://blog.example/a%20b?y=2020");
	leads(&r, &a, "/q", "z=1", "302 /r?a=1#f");
	leads(&r, &a, "/f", "z=1", "307 /r?z=1#f");
	leads(&r, &a, "/o//evil.example/x", "", "302 /evil.example/x");
	leads(&r, &a, "/o///evil.example", "", "302 /evil.example");
	leads(&r, &a, "/o/\r\nX: 1", "", "302 /%0D%0AX:%201");
	leads(&r, &a, "/u", "", "302 /%C3%A4");
	leads(&r, &a, "/app/x", "", "-");
	leads(&r, &a, "/nothing", "", "-");
	assert_non_null(er_redirects_find(&r, ER_LIT("/app/x"), true, &found));
	assert_null(er_redirects_find(&r, ER_LIT("/old"), true, &found));
	er_redirects_fini(&r);
	er_arena_fini(&a);
}

static size_t head_bytes(const er_fields *f)
{
	size_t n = 0;
	for (uint32_t i = 0; i < f->n; i++)
		n += f->v[i].name.n + f->v[i].value.n + 4;
	return n;
}

static void rules_that_name_a_long_path_many_times_make_no_endless_head(void **state)
{
	(void)state;
	er_arena a = {0};
	er_buf text = {0}, path = {0};
	er_headers h;
	er_redirects r;
	er_err err = {0};
	er_fields f = {0};
	er_rule_found found;
	er_buf_puts(&path, "/");
	for (int i = 0; i < 15000; i++)
		er_buf_putc(&path, '"');
	for (int i = 0; i < ER_HEADERS_RULES; i++) {
		er_buf_puts(&text, "/*\n");
		for (int k = 0; k < 20; k++)
			er_buf_printf(&text, " X-%d-%d: :splat:splat:splat:splat:splat:splat:splat:splat:splat\n X-%d-%d: %0*d\n", i, k, i, k,
			              50, 1);
	}
	assert_true(er_headers_read(&a, er_buf_slice(&text), &h, &err));
	er_headers_apply(&h, ER_LIT("https"), ER_LIT("h"), er_buf_slice(&path), &f, &a);
	assert_true(f.n > 10 && f.n <= ER_HEADERS_ADDED && head_bytes(&f) <= ER_HEADERS_ANSWER + 4 * (size_t)f.n);
	/* values that are too many cost neither memory nor time without end */
	er_arena_fini(&a);
	er_arena_init(&a);
	er_buf_clear(&text);
	for (int i = 0; i < ER_HEADERS_RULES; i++) {
		er_buf_puts(&text, "/*\n");
		for (int k = 0; k < ER_HEADERS_FIELDS; k++)
			er_buf_puts(&text, " x:a:splat\n");
	}
	assert_true(er_headers_read(&a, er_buf_slice(&text), &h, &err));
	f = (er_fields){0};
	size_t before = mallinfo2().uordblks;
	er_headers_apply(&h, ER_LIT("https"), ER_LIT("h"), er_slice_head(er_buf_slice(&path), 2700), &f, &a);
	assert_true(mallinfo2().uordblks < before + (2 << 20));
	/* one field that all rules add to */
	er_arena_fini(&a);
	er_arena_init(&a);
	er_buf_clear(&text);
	for (int i = 0; i < ER_HEADERS_RULES; i++) {
		er_buf_puts(&text, "/*\n");
		for (int k = 0; k < ER_HEADERS_FIELDS; k++)
			er_buf_puts(&text, " X: 12345678\n");
	}
	assert_true(er_headers_read(&a, er_buf_slice(&text), &h, &err));
	f = (er_fields){0};
	er_headers_apply(&h, ER_LIT("https"), ER_LIT("h"), ER_LIT("/a"), &f, &a);
	assert_int_equal(f.n, 1);
	assert_true(f.v[0].value.n > 1000 && f.v[0].value.n < ER_HEADERS_ANSWER);
	er_buf_clear(&text);
	er_buf_puts(&text, "/* /");
	for (int i = 0; i < 150; i++)
		er_buf_puts(&text, ":splat");
	assert_true(er_redirects_read(&a, er_buf_slice(&text), &r, &err));
	const er_redirects_rule *rule = er_redirects_find(&r, er_buf_slice(&path), false, &found);
	assert_non_null(rule);
	assert_int_equal(er_redirects_target(rule, &found, ER_LIT("q"), &a).n, 0);
	assert_non_null(er_redirects_find(&r, ER_LIT("/a"), false, &found));
	assert_int_equal(er_redirects_target(rule, &found, (er_slice){0}, &a).n, 151);
	er_redirects_fini(&r);
	er_buf_fini(&text);
	er_buf_fini(&path);
	er_arena_fini(&a);
}

/* ---- which first ---- */

static void patterns_say_which_paths_meet_the_routine_first(void **state)
{
	(void)state;
	er_slice patterns[] = {ER_LIT("/api/*"), ER_LIT("!/api/docs/*"), ER_LIT("/exact"), ER_LIT("/*.cgi")};
	er_assets_settings s = {.patterns = patterns, .n_patterns = 4};
	assert_true(er_assets_routine_first(&s, ER_LIT("/api/x")));
	assert_false(er_assets_routine_first(&s, ER_LIT("/api/docs/x")));
	assert_true(er_assets_routine_first(&s, ER_LIT("/exact")));
	assert_false(er_assets_routine_first(&s, ER_LIT("/exactly")));
	assert_true(er_assets_routine_first(&s, ER_LIT("/a/b.cgi")));
	assert_false(er_assets_routine_first(&s, ER_LIT("/cgi")));
	s.routine_first = true;
	assert_true(er_assets_routine_first(&s, ER_LIT("/cgi")));
	assert_false(er_assets_routine_first(&s, ER_LIT("/api/docs/")));
	assert_true(er_assets_pattern_ok(ER_LIT("!/a*b")));
	assert_false(er_assets_pattern_ok(ER_LIT("a")));
	assert_false(er_assets_pattern_ok(ER_LIT("/*/*")));
}

/* ---- memory ---- */

static er_content *content_of(size_t n)
{
	er_content *c = er_content_new();
	er_chunk *chunk = er_chunk_new(n);
	memset(chunk->bytes, 'x', n);
	er_content_write(c, er_piece_take(chunk, n));
	er_content_end(c, ER_ERR_OK);
	return c;
}

static er_hash hash_of(uint32_t i)
{
	er_hash h = {{0}};
	memcpy(h.b + 1, &i, sizeof i);
	return h;
}

static void memory_holds_what_was_used_within_its_bytes_and_a_routine_sees_its_own(void **state)
{
	(void)state;
	er_assets_memory *m = er_assets_memory_new(16 * 64 * 1024);
	er_slice shop = ER_LIT("shop"), other = ER_LIT("other");
	er_hash first = hash_of(0);
	er_content_unref(er_assets_memory_put(m, shop, &first, content_of(1000)));
	assert_null(er_assets_memory_get(m, other, &first));
	for (uint32_t i = 1; i < 1000; i++) {
		er_hash h = hash_of(i);
		er_content *c = er_assets_memory_get(m, shop, &first);
		if (c == NULL)
			fail_msg("what is used all the time was evicted, after %u", i);
		er_content_unref(c);
		er_content_unref(er_assets_memory_put(m, shop, &h, content_of(1000)));
	}
	er_assets_memory_stats s = er_assets_memory_statistics(m);
	assert_true(s.bytes <= 64 * 1024 && s.files > 40 && s.evicted > 900);
	/* another thread was faster: its bytes are everybody's */
	er_content *there = er_assets_memory_get(m, shop, &first), *again = er_assets_memory_put(m, shop, &first, content_of(1000));
	assert_ptr_equal(there, again);
	er_content_unref(there);
	er_content_unref(again);
	er_assets_memory_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths_that_are_steps_or_no_text_are_no_files),
	    cmocka_unit_test(a_file_that_is_there_twice_or_too_large_is_named),
	    cmocka_unit_test(a_manifest_that_was_changed_is_refused),
	    cmocka_unit_test(a_file_has_the_type_of_its_end),
	    cmocka_unit_test(types_stand_in_the_order_that_they_are_looked_up_in),
	    cmocka_unit_test(a_page_has_one_address_and_the_others_lead_to_it),
	    cmocka_unit_test(the_setting_says_whether_addresses_end_with_a_slash),
	    cmocka_unit_test(the_nearest_404_page_answers_for_what_is_not_there),
	    cmocka_unit_test(a_path_is_decoded_once_and_a_hidden_slash_is_no_name),
	    cmocka_unit_test(a_pattern_finds_whole_segments_and_what_a_star_stands_for),
	    cmocka_unit_test(a_mistake_in_headers_is_told_with_its_line),
	    cmocka_unit_test(fields_of_all_rules_that_match_are_put_together),
	    cmocka_unit_test(a_mistake_in_redirects_is_told_with_its_line),
	    cmocka_unit_test(the_first_rule_that_matches_counts_and_never_leads_to_another_host_by_a_path),
	    cmocka_unit_test(rules_that_name_a_long_path_many_times_make_no_endless_head),
	    cmocka_unit_test(patterns_say_which_paths_meet_the_routine_first),
	    cmocka_unit_test(memory_holds_what_was_used_within_its_bytes_and_a_routine_sees_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
