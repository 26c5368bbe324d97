/* er purge: what the cache may not use any more. One row; what is named goes into one request. */
#include "base/mem.h"
#include "cli/row.h"

/* "a,b": elements. */
static void put_list(er_out *body, const char *key, const char *text)
{
	er_slice rest = er_slice_cstr(text), one;
	if (text == NULL)
		return;
	er_out_open(body, key, '[');
	while (er_slice_split(&rest, ',', &one))
		if (er_slice_trim(one).n > 0)
			er_out_str(body, NULL, er_slice_trim(one));
	er_out_close(body, ']');
}

static bool names_something(const er_row_call *c)
{
	static const char *const scopes[] = {"prefix", "host", "tag", "site"};
	bool any = c->words[0] != NULL || er_row_flag(c, ER_LIT("everything"));
	for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++)
		any = any || er_row_value(c, er_slice_cstr(scopes[i])) != NULL;
	return any;
}

static bool purge_body(er_row_call *c, er_out *body)
{
	if (!names_something(c))
		return er_row_refuse(c, "what is to be purged? A URL, --prefix, --host, --tag, --site or --everything says it");
	if (c->words[0] != NULL) {
		er_out_open(body, "urls", '[');
		for (size_t i = 0; i < ER_ROW_WORDS && c->words[i] != NULL; i++)
			er_out_str(body, NULL, er_slice_cstr(c->words[i]));
		er_out_close(body, ']');
	}
	put_list(body, "prefixes", er_row_value(c, ER_LIT("prefix")));
	put_list(body, "hosts", er_row_value(c, ER_LIT("host")));
	put_list(body, "tags", er_row_value(c, ER_LIT("tag")));
	const char *site = er_row_value(c, ER_LIT("site"));
	if (site != NULL)
		er_out_str(body, "site", er_slice_cstr(site));
	if (er_row_flag(c, ER_LIT("everything")))
		er_out_bool(body, "everything", true);
	if (er_row_flag(c, ER_LIT("soft")))
		er_out_bool(body, "soft", true);
	return er_utf8_valid(er_buf_slice(&body->b)) || er_row_refuse(c, "what is to be purged is not UTF-8");
}

static void show_purged(er_row_call *c, const er_json *answer)
{
	bool soft = er_row_flag(c, ER_LIT("soft")), one = er_json_u64(answer, "purged") == 1;
	er_show_printf("purged%s: what %llu %s name%s is %s\n", soft ? " softly" : "",
	               (unsigned long long)er_json_u64(answer, "purged"), one ? "scope" : "scopes", one ? "s" : "",
	               soft ? "stale, and validated before it is used" : "not used any more");
}

const er_row er_row_purge = {
    .usage = "er purge [URL...] [--prefix P,...] [--tag T,...] [--host H,...] [--site S] [--everything] [options]",
    .about =
        "Purges the cache of the node: a URL (with its query, in both schemes and all variants), all that begins so "
        "(--prefix shop.example/images/), all of a host, all that the origin tagged so (Cache-Tag, Surrogate-Key), a site, or "
        "everything. When the command ends, the purge is on the disk and in force; what was on its way is not used either.",
    .words = {0, ER_ROW_WORDS},
    .options = {{.name = "prefix", .value = "P,...", .help = "how URLs begin, from the host on; several with commas between"},
                {.name = "tag", .value = "T,...", .help = "tags; with --site those of this site alone"},
                {.name = "host", .value = "H,...", .help = "hosts"},
                {.name = "site", .value = "S", .help = "a whole site, or whose tags are meant"},
                {.name = "everything", .help = "all that is stored"},
                {.name = "soft", .help = "make it stale: it is validated, and used if the origin fails and allows that"}},
    .request = "POST /v1/purge",
    .make_body = purge_body,
    .show = show_purged,
};
