/* er site: hosts that the node answers as a CDN, and where their answers come from. Rows; er site
 * test stands beside er cache explain (cache.c), which says the same of a URL. */
#include "base/mem.h"
#include "cli/prompt.h"
#include "cli/row.h"

enum { SETTINGS_MAX = 64 << 10 };

/* "https://a.example, https://b.example (backup, sick)" */
static er_slice cell_servers(er_arena *a, const er_json *v)
{
	er_slice all = {0};
	ER_JSON_EACH(s, v)
	{
		er_slice state = er_json_str(s, "state");
		bool backup = er_json_true(s, "backup"), well = er_slice_eq(state, ER_LIT("up"));
		const char *notes = backup && !well ? " (backup, " : backup ? " (backup" : well ? "" : " (";
		all = er_arena_printf(a, "%.*s%s%.*s%s%.*s%s", ER_FMT(all), all.n > 0 ? ", " : "", ER_FMT(er_json_str(s, "url")), notes,
		                      ER_FMT(well ? ER_LIT("") : state), backup || !well ? ")" : "");
	}
	return all;
}

static er_slice cell_cache(er_arena *a, const er_json *v)
{
	(void)a;
	return er_json_is_true(v) ? ER_LIT("on") : ER_LIT("off");
}

#define SITE_COLUMNS \
	{ \
		{.head = "NAME", .key = "name", .style = ER_BOLD}, {.head = "HOSTS", .key = "hosts", .cell = er_cell_names}, \
		    {.head = "SERVERS", .key = "servers", .cell = cell_servers}, {.head = "CACHE", .key = "cache", .cell = cell_cache}, \
		{ \
			.head = "SOURCE", .key = "source" \
		} \
	}

const er_row er_row_site_list = {
    .usage = "er site [list] [options]",
    .about =
        "Lists the sites of the node: their hosts, and the servers that their answers come from. Sites of source \"file\" are "
        "the node's configuration.",
    .request = "GET /v1/sites",
    .columns = SITE_COLUMNS,
    .empty = "there are no sites; er site add example.com --origin https://origin.example makes one",
};

static void show_site(er_row_call *c, const er_json *s)
{
	er_arena *a = &c->remote.arena;
	er_show_printf("%.*s (%.*s)\n", ER_FMT(er_json_str(s, "name")), ER_FMT(er_json_str(s, "source")));
	er_show_printf("  hosts    %.*s\n", ER_FMT(er_cell_names(a, er_json_member(s, "hosts"))));
	er_show_printf("  cache    %s\n", er_json_true(s, "cache") ? "on" : "off");
	ER_JSON_EACH(server, er_json_member(s, "servers"))
	{
		er_slice state = er_json_str(server, "state");
		uint64_t asked = er_json_u64(server, "asked");
		er_show_printf("  server   %.*s%s, weight %llu: %.*s", ER_FMT(er_json_str(server, "url")),
		               er_json_true(server, "backup") ? " (backup)" : "", (unsigned long long)er_json_u64(server, "weight"),
		               ER_FMT(state));
		/* A server alone that needs no guard is not counted: there is nothing to choose. */
		if (asked > 0)
			er_show_printf("; asked %llu times, %llu failed", (unsigned long long)asked,
			               (unsigned long long)er_json_u64(server, "failed"));
		er_show_printf("\n");
	}
	const er_json *settings = er_json_member(s, "settings");
	if (settings == NULL)
		return;
	er_buf b = {0};
	er_json_write_lines(&b, settings);
	er_show_printf("%.*s\n", ER_FMT(er_buf_slice(&b)));
	er_buf_fini(&b);
}

const er_row er_row_site_show = {
    .usage = "er site show NAME [options]",
    .about = "Shows a site: its hosts, how its servers do, and its settings.",
    .words = {1, 1},
    .request = "GET /v1/sites/{0}",
    .show = show_site,
};

/* ---- adding ---- */

/* The whole settings, out of a file. */
static bool body_of_file(er_row_call *c, const char *file, er_out *body)
{
	er_buf text = {0};
	er_err err = {0};
	size_t at = 0;
	bool ok = er_prompt_read(file, SETTINGS_MAX, &text, &err);
	const er_json *v =
	    ok ? er_jsonc_parse(&c->remote.arena, er_arena_copy(&c->remote.arena, er_buf_slice(&text)), &at, &err) : NULL;
	er_buf_fini(&text);
	if (v == NULL || v->type != ER_JSON_OBJECT) {
		er_slice said = er_arena_printf(&c->remote.arena, "%s: %s", file, v != NULL ? "an object is expected" : err.text);
		return er_row_refuse(c, er_arena_cstr(&c->remote.arena, said));
	}
	ER_JSON_MEMBERS(m, v)
	{
		er_buf value = {0};
		er_json_write(&value, m);
		er_out_json(body, er_arena_cstr(&c->remote.arena, m->key), er_buf_slice(&value));
		er_buf_fini(&value);
	}
	return true;
}

static bool site_body(er_row_call *c, er_out *body)
{
	const char *file = er_row_value(c, ER_LIT("settings")), *origin = er_row_value(c, ER_LIT("origin")),
	           *hosts = er_row_value(c, ER_LIT("hosts")), *host = er_row_value(c, ER_LIT("host"));
	if ((file != NULL) == (origin != NULL))
		return er_row_refuse(c, "either --origin URL,... or --settings FILE is needed");
	if (file != NULL)
		return body_of_file(c, file, body);
	er_row_list(body, "hosts", er_slice_cstr(hosts != NULL ? hosts : c->words[0]));
	er_out_open(body, "origin", '{');
	er_row_list(body, "servers", er_slice_cstr(origin));
	if (host != NULL)
		er_out_str(body, "host", er_slice_cstr(host));
	if (er_row_flag(c, ER_LIT("private")))
		er_out_bool(body, "private", true);
	er_out_close(body, '}');
	if (er_row_flag(c, ER_LIT("no-cache")))
		er_out_bool(body, "cache", false);
	return er_utf8_valid(er_buf_slice(&body->b)) || er_row_refuse(c, "what is said of the site is not UTF-8");
}

const er_row er_row_site_add = {
    .usage = "er site add NAME --origin URL,... [--hosts H,...] [options]",
    .about =
        "Adds a site, or sets it anew: its hosts (NAME, if --hosts names none) are answered from these servers, and stored as "
        "far as the origin allows. Health checks, weights, time-outs and more are said in a file: --settings.",
    .words = {1, 1},
    .options = {{.name = "origin", .value = "URL,...", .help = "http(s)://HOST[:PORT]; several with commas between"},
                {.name = "hosts", .value = "H,...", .help = "hosts, *.HOST for all below one, * for every host"},
                {.name = "host", .value = "HOST", .help = "what Host says to the servers: client, server, or a host"},
                {.name = "private", .help = "the servers may have private addresses that routineAddresses of the node allows"},
                {.name = "no-cache", .help = "store nothing"},
                {.name = "settings",
                 .value = "FILE",
                 .help = "the whole site as JSON, as in \"sites\" of node.jsonc; - is a pipe"}},
    .request = "PUT /v1/sites/{0}",
    .make_body = site_body,
    .said = "the site {0} is in force",
};

const er_row er_row_site_rm = {
    .usage = "er site rm NAME [--yes] [options]",
    .about = "Removes a site. Its hosts are not answered any more; what is stored of them is not used.",
    .words = {1, 1},
    .options = {{ER_ROW_YES}},
    .question = "remove the site {0}?",
    .request = "DELETE /v1/sites/{0}",
    .said = "removed the site {0}",
};
