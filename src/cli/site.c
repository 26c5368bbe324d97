/* er site: hosts that the node answers as a CDN, and where their answers come from. Rows; er site
 * test stands beside er cache explain (cache.c), which says the same of a URL. */
#include "base/mem.h"
#include "cli/prompt.h"
#include "cli/row.h"
#include "control/site.h"

#include <stdio.h>

enum { SETTINGS_MAX = 256 << 10 };

/* "CN=a (until 2027-01-31T12:00:00Z), ..." */
static void show_certificates(er_arena *a, const char *what, const er_json *list)
{
	er_slice all = {0};
	ER_JSON_EACH(it, list)
	{
		all = er_arena_printf(a, "%.*s%s%.*s (until %.*s)", ER_FMT(all), all.n > 0 ? ", " : "",
		                      ER_FMT(er_json_str(it, "subject")), ER_FMT(er_json_str(it, "until")));
	}
	if (all.n > 0)
		er_show_printf("  %s %.*s\n", what, ER_FMT(all));
}

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
		er_slice failure = er_cell_failure(a, er_json_member(server, "lastFailure"));
		if (failure.n > 0)
			er_show_printf("           last failure: %.*s\n", ER_FMT(failure));
	}
	const er_json *tls = er_json_member(s, "tls"), *settings = er_json_member(s, "settings");
	show_certificates(a, "believes", er_json_member(tls, "ca"));
	show_certificates(a, "is      ", er_json_member(tls, "certificate"));
	if (settings == NULL)
		return;
	/* Certificates are no text for people: what they say stands above. --json has them. */
	const er_json *origin = er_json_member(settings, "origin");
	if (tls != NULL)
		settings = er_json_with(a, settings, ER_LIT("origin"), er_json_with(a, origin, ER_LIT("tls"), NULL));
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

/* er_site_file.read: the tool sends the text, since the file is here and the node elsewhere. */
static bool read_pem(void *ctx, er_arena *a, er_slice path, er_slice *out, char *why, size_t n)
{
	const er_slice *folder = ctx;
	er_buf text = {0};
	er_err err = {0};
	bool absolute = path.p[0] == '/';
	er_slice whole = er_arena_printf(a, "%.*s%.*s", absolute ? 0 : (int)folder->n, folder->p, ER_FMT(path));
	bool ok = er_prompt_read(er_arena_cstr(a, whole), ER_TLS_CA_MAX, &text, &err);
	*out = er_arena_copy(a, er_buf_slice(&text));
	er_prompt_wipe(&text);
	snprintf(why, n, "%s", err.text);
	return ok;
}

static er_slice folder_of(const char *file)
{
	er_slice whole = er_slice_cstr(file);
	while (whole.n > 0 && whole.p[whole.n - 1] != '/')
		whole.n--;
	return whole;
}

/* The whole settings, out of a file. */
static bool body_of_file(er_row_call *c, const char *file, er_out *body)
{
	er_arena *a = &c->remote.arena;
	er_buf text = {0};
	er_err err = {0};
	er_problem problem = {0};
	size_t at = 0;
	er_slice folder = folder_of(file);
	const er_site_file beside = {.read = read_pem, .ctx = &folder};
	bool ok = er_prompt_read(file, SETTINGS_MAX, &text, &err);
	const er_json *v = ok ? er_jsonc_parse(a, er_arena_copy(a, er_buf_slice(&text)), &at, &err) : NULL;
	er_buf_fini(&text);
	if (v == NULL || v->type != ER_JSON_OBJECT) {
		er_slice said = er_arena_printf(a, "%s: %s", file, v != NULL ? "an object is expected" : err.text);
		return er_row_refuse(c, er_arena_cstr(a, said));
	}
	if ((v = er_site_take_files(a, v, &beside, &problem)) == NULL)
		return er_row_refuse(c, er_arena_cstr(a, er_arena_printf(a, "%s: %s", file, problem.message)));
	ER_JSON_MEMBERS(m, v)
	{
		er_buf value = {0};
		er_json_write(&value, m);
		er_out_json(body, er_arena_cstr(a, m->key), er_buf_slice(&value));
		er_buf_fini(&value);
	}
	return true;
}

/* Of an option that names a file of PEM. */
static bool put_pem(er_row_call *c, er_out *body, const char *option)
{
	er_arena *a = &c->remote.arena;
	const char *file = er_row_value(c, er_slice_cstr(option));
	er_slice text, here = {0};
	char why[300];
	if (file == NULL)
		return true;
	if (file[0] == '\0' || !read_pem(&here, a, er_slice_cstr(file), &text, why, sizeof why))
		return er_row_refuse(
		    c, er_arena_cstr(a, er_arena_printf(a, "--%s: %s", option, file[0] == '\0' ? "a file is expected" : why)));
	er_out_str(body, option, text);
	return true;
}

static bool put_tls(er_row_call *c, er_out *body)
{
	static const char *const options[] = {"ca", "certificate", "key"};
	bool any = false, ok = true;
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		any = any || er_row_value(c, er_slice_cstr(options[i])) != NULL;
	if (!any)
		return true;
	er_out_open(body, "tls", '{');
	for (size_t i = 0; i < sizeof options / sizeof *options && ok; i++)
		ok = put_pem(c, body, options[i]);
	er_out_close(body, '}');
	return ok;
}

static bool cache_body(er_row_call *c, er_out *body)
{
	const char *compress = er_row_value(c, ER_LIT("compress"));
	bool off = er_row_flag(c, ER_LIT("no-cache"));
	if (off && compress != NULL)
		return er_row_refuse(c, "--compress is said of what is stored, and --no-cache stores nothing");
	if (off)
		er_out_bool(body, "cache", false);
	if (compress == NULL)
		return true;
	er_slice codings = er_slice_cstr(compress);
	er_out_open(body, "cache", '{');
	if (er_slice_eq(codings, ER_LIT("off")) || er_slice_eq(codings, ER_LIT("on")))
		er_out_bool(body, "compress", er_slice_eq(codings, ER_LIT("on")));
	else
		er_row_list(body, "compress", codings);
	er_out_close(body, '}');
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
	if (er_row_flag(c, ER_LIT("follow-redirects")))
		er_out_bool(body, "followRedirects", true);
	if (!put_tls(c, body))
		return false;
	er_out_close(body, '}');
	if (!cache_body(c, body))
		return false;
	return er_utf8_valid(er_buf_slice(&body->b)) || er_row_refuse(c, "what is said of the site is not UTF-8");
}

const er_row er_row_site_add = {
    .usage = "er site add NAME --origin URL,... [--hosts H,...] [options]",
    .about =
        "Adds a site, or sets it anew: its hosts (NAME, if --hosts names none) are answered from these servers, and stored as "
        "far as the origin allows. Health checks, weights, time-outs and more are said in a file: --settings.",
    .words = {1, 1},
    .options =
        {{.name = "origin", .value = "URL,...", .help = "http(s)://HOST[:PORT]; several with commas between"},
         {.name = "hosts", .value = "H,...", .help = "hosts, *.HOST for all below one, * for every host"},
         {.name = "host", .value = "HOST", .help = "what Host says to the servers: client, server, or a host"},
         {.name = "private", .help = "the servers may have private addresses that routineAddresses of the node allows"},
         {.name = "follow-redirects", .help = "the node follows redirects of the servers, at most 5, instead of the client"},
         {.name = "no-cache", .help = "store nothing"},
         {.name = "ca", .value = "FILE", .help = "PEM: whose certificates the servers must have, instead of the system's"},
         {.name = "certificate", .value = "FILE", .help = "PEM: by which the node says to the servers who it is"},
         {.name = "key", .value = "FILE", .help = "PEM: of the certificate, not encrypted; nobody is shown it again"},
         {.name = "compress",
          .value = "on|off|CODING,...",
          .help = "codings (br, zstd, gzip) in which stored answers are compressed; default: on, all of them"},
         {.name = "settings", .value = "FILE", .help = "the whole site as JSON, as in \"sites\" of node.jsonc; - is a pipe"}},
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
