/* A deployer's files of rules and manifest, and a client's path: whatever they say, reading ends,
 * what was taken keeps its bounds, and no answer has a line that nobody wrote. The first byte says
 * what the rest is; a path stands before the first line's end. */
#include "assets/find.h"
#include "assets/headers.h"
#include "assets/redirects.h"

#include <stdlib.h>

static void expect(bool ok)
{
	if (!ok)
		abort();
}

static void try_manifest(er_arena *a, er_slice path, er_slice text)
{
	er_assets_manifest m;
	er_err err = {0};
	er_slice decoded;
	bool ok = er_assets_manifest_read(a, text, &m, &err);
	expect(ok || err.kind != ER_ERR_OK);
	for (size_t i = 0; ok && i < m.n; i++) {
		const char *why;
		expect(er_assets_path_ok(m.files[i].path, &why));
	}
	if (ok && er_assets_decode(a, path, &decoded)) {
		for (er_assets_html html = 0; html < ER_HTMLS_N; html++) {
			er_assets_found f = er_assets_find(&m, html, decoded, a);
			expect(f.file == NULL || (!er_assets_is_rules(f.file->path) && f.moved.n == 0));
			expect(f.moved.n < 2 || f.moved.p[1] != '/');
			/* one step, and it is there */
			if (f.moved.n > 0)
				expect(er_assets_find(&m, html, f.moved, a).file != NULL);
		}
		for (er_assets_not_found how = 0; how < ER_NOT_FOUNDS_N; how++)
			(void)er_assets_instead(&m, how, decoded, a);
	}
	er_assets_manifest_fini(&m);
}

static void try_headers(er_arena *a, er_slice path, er_slice text)
{
	er_headers h;
	er_err err = {0};
	er_fields f = {0};
	if (!er_headers_read(a, text, &h, &err))
		return;
	er_fields_add(&f, a, ER_LIT("cache-control"), ER_LIT("x"));
	er_headers_apply(&h, ER_LIT("https"), ER_LIT("a.example"), path, &f, a);
	for (uint32_t i = 0; i < f.n; i++)
		expect(er_field_name_ok(f.v[i].name) && er_field_value_ok(f.v[i].value));
}

static void try_redirects(er_arena *a, er_slice path, er_slice text)
{
	er_redirects r;
	er_err err = {0};
	er_rule_found found;
	bool ok = er_redirects_read(a, text, &r, &err);
	for (int rewrite = 0; ok && rewrite < 2; rewrite++) {
		const er_redirects_rule *rule = er_redirects_find(&r, path, rewrite == 1, &found);
		if (rule == NULL)
			continue;
		er_slice to = er_redirects_target(rule, &found, ER_LIT("q=1"), a);
		if (to.n == 0)
			continue; /* too long */
		expect(er_field_value_ok(to) && er_slice_find(to, ' ') == to.n);
		expect(rule->to.p[0] != '/' || to.n == 1 || to.p[1] != '/');
	}
	er_redirects_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	er_arena a;
	er_slice all = er_slice_of(data, n);
	er_arena_init(&a);
	if (n > 0) {
		er_slice rest = er_slice_from(all, 1);
		size_t line = er_slice_find(rest, '\n');
		er_slice path = er_slice_head(rest, line), text = er_slice_from(rest, line + 1);
		switch (data[0] % 3) {
		case 0:
			try_manifest(&a, path, text);
			break;
		case 1:
			try_headers(&a, path, text);
			break;
		default:
			try_redirects(&a, path, text);
			break;
		}
	}
	er_arena_fini(&a);
	return 0;
}
