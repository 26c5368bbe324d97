/* er node check: would a node start, or reload, with this configuration? What it says, the files
 * that it names, and what it would do; with --probe also each routine's top-level code in a real
 * sandbox. Nothing is opened for clients, nothing is written.
 *
 * The configuration is read by the node's own reader (gateway/config.h), so what is refused here is
 * what the node refuses. Then node_diag.c asks the machine. All that was found is in one list,
 * shown at the end. */
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/desk.h"
#include "cli/node_diag.h"
#include "cli/probe.h"
#include "cli/term.h"
#include "gateway/config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What was found so far; errors and warnings in the order in which they came up. */
typedef struct checker {
	er_arena arena;
	const char *file;
	er_config *config;
	er_diag *diags;
	size_t n, cap;
	bool json, probe;
} checker;

static void add(checker *k, const er_diag *d)
{
	if (k->n == k->cap) {
		k->cap = k->cap * 2 + 8;
		k->diags = er_realloc(k->diags, k->cap * sizeof *k->diags);
	}
	ER_ASSERT(k->n < k->cap);
	k->diags[k->n++] = *d;
}

static void say(checker *k, bool warning, er_slice text)
{
	add(k, &(er_diag){.warning = warning, .path = er_slice_cstr(k->file), .text = text});
}

static bool failed(const checker *k)
{
	for (size_t i = 0; i < k->n; i++)
		if (!k->diags[i].warning)
			return true;
	return false;
}

/* ---- what it would do ---- */

static er_routine *routine_of(const er_config *c, size_t i)
{
	ER_ASSERT(i < c->n_deployments && c->deployments[i]->version[0] != NULL);
	return c->deployments[i]->version[0];
}

/* Routines of node.jsonc stand once for each environment. */
static bool shown(const er_config *c, size_t i)
{
	ER_ASSERT(i < c->n_deployments);
	return c->deployments[i]->env == ER_ENV_PRODUCTION;
}

static size_t count_routines(const er_config *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->n_deployments; i++)
		n += shown(c, i);
	return n;
}

static void field(er_buf *b, const char *name)
{
	er_buf_printf(b, "  %-11s ", name);
}

/* A line a setting, as it would be in force. */
static void text_node(er_buf *b, const er_config *c)
{
	field(b, "listen");
	for (size_t i = 0; i < c->n_listen; i++)
		er_buf_printf(b, "%s%s%s", i > 0 ? ", " : "", c->listen[i].address,
		              c->listen[i].env == ER_ENV_STAGING ? " (staging)" : "");
	er_buf_putc(b, '\n');
	field(b, "admin");
	er_buf_printf(b, "%s%s\n", c->admin != NULL ? c->admin : "no address",
	              c->data != NULL ? " and the socket in the data folder" : "");
	field(b, "data");
	er_buf_printf(b, "%s\n", c->data != NULL ? c->data : "none: nothing can be deployed here");
	field(b, "origin");
	er_buf_printf(b, "%s\n", c->origin != NULL ? c->origin : "none: what no routine takes is answered with 404");
	field(b, "threads");
	er_buf_printf(b, "%u\n", c->threads);
	field(b, "sandboxes");
	er_buf_printf(b, "level %s at least; a thread keeps %u warm (%u hardened), at most %u with a routine, and %u subrequests\n",
	              er_level_name(c->min_level), c->pool, c->pool_hardened, c->max_instances, c->max_subrequests);
	field(b, "access log");
	er_buf_printf(b, "%s\n", c->access_log == NULL ? "none" : c->access_log[0] == '-' ? "standard output" : c->access_log);
}

/* Those of node.jsonc and their rules; what is deployed is not the configuration's. */
static void text_routines(er_buf *b, const er_config *c)
{
	const er_site *site = &c->site[ER_ENV_PRODUCTION];
	field(b, "routines");
	er_buf_printf(b, "%zu\n", count_routines(c));
	for (size_t i = 0; i < c->n_deployments; i++) {
		er_routine *r = routine_of(c, i);
		if (!shown(c, i))
			continue;
		er_buf_printf(b, "    %.*s: ", ER_FMT(r->name));
		er_term_put_size(b, r->code.n);
		er_buf_printf(b, ", %u ms CPU, %u MB%s%s\n", r->limits.cpu_us / 1000, r->limits.memory_kb / 1024,
		              r->profile == ER_PROFILE_HARDENED ? ", hardened" : "", r->fallback ? ", falls back to the origin" : "");
	}
	if (site->n_rules == 0)
		return;
	field(b, "routes");
	er_buf_puts(b, "the first that matches\n");
	for (size_t i = 0; i < site->n_rules; i++) {
		er_buf_puts(b, "    ");
		er_term_put_safe(b, site->rules[i].route->pattern, false, false);
		er_buf_printf(b, " -> %.*s\n", ER_FMT(c->deployments[site->rules[i].target]->name));
	}
}

static void report_text(const checker *k)
{
	ER_ASSERT(failed(k) || k->config != NULL);
	er_desk_show(k->diags, k->n);
	if (failed(k))
		return;
	er_buf b = {0};
	er_term_put(&b, er_term_colour(STDOUT_FILENO), ER_GREEN, ER_LIT("ok "));
	er_buf_printf(&b, "%s\n", k->file);
	text_node(&b, k->config);
	text_routines(&b, k->config);
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

static void json_text(er_buf *b, const char *key, const char *value)
{
	er_buf_printf(b, ",\"%s\":", key);
	if (value != NULL)
		er_buf_put_json(b, er_slice_cstr(value));
	else
		er_buf_puts(b, "null");
}

/* What the node itself would do with the file. */
static void json_node(er_buf *b, const er_config *c)
{
	er_buf_puts(b, ",\"listen\":[");
	for (size_t i = 0; i < c->n_listen; i++) {
		er_buf_put_cstr(b, i > 0 ? ",{\"address\":" : "{\"address\":");
		er_buf_put_json(b, er_slice_cstr(c->listen[i].address));
		er_buf_printf(b, ",\"environment\":\"%s\"}", er_env_name(c->listen[i].env));
	}
	er_buf_putc(b, ']');
	json_text(b, "admin", c->admin);
	json_text(b, "data", c->data);
	json_text(b, "origin", c->origin);
	json_text(b, "access_log", c->access_log);
	er_buf_printf(b,
	              ",\"threads\":%u,\"sandbox\":{\"min_level\":\"%s\",\"pool\":%u,\"pool_hardened\":%u,\"max_instances\":%u,"
	              "\"max_subrequests\":%u}",
	              c->threads, er_level_name(c->min_level), c->pool, c->pool_hardened, c->max_instances, c->max_subrequests);
}

/* "cpuMs" of a configuration is "cpu_ms" in what er says. */
static void put_name(er_buf *b, const char *setting)
{
	er_buf_putc(b, '"');
	for (; *setting != '\0'; setting++) {
		uint8_t c = (uint8_t)*setting;
		if (c >= 'A' && c <= 'Z')
			er_buf_putc(b, '_');
		er_buf_putc(b, er_lower(c));
	}
	er_buf_puts(b, "\":");
}

/* The limits by the names that er uses everywhere else. */
static void json_routine(er_buf *b, const er_routine *r)
{
	er_buf_puts(b, "{\"name\":");
	er_buf_put_json(b, r->name);
	er_buf_puts(b, ",\"version\":");
	er_buf_put_json(b, r->version);
	er_buf_printf(b, ",\"bytes\":%zu,\"profile\":\"%s\",\"fallback\":%s,\"limits\":{", r->code.n,
	              r->profile == ER_PROFILE_HARDENED ? "hardened" : "standard", r->fallback ? "true" : "false");
	const char *comma = "";
#define X(name, least, most, unit, member) \
	er_buf_put_cstr(b, comma); \
	put_name(b, #name); \
	er_buf_printf(b, "%u", r->limits.member / (unit)); \
	comma = ",";
	ER_LIMITS_TABLE(X)
#undef X
	er_buf_puts(b, "}}");
}

/* Routines and routes as production has them; in staging they are the same ones. */
static void json_routines(er_buf *b, const er_config *c)
{
	const er_site *site = &c->site[ER_ENV_PRODUCTION];
	const char *comma = "";
	er_buf_puts(b, ",\"routines\":[");
	for (size_t i = 0; i < c->n_deployments; i++) {
		if (!shown(c, i))
			continue;
		er_buf_put_cstr(b, comma);
		json_routine(b, routine_of(c, i));
		comma = ",";
	}
	er_buf_puts(b, "],\"routes\":[");
	for (size_t i = 0; i < site->n_rules; i++) {
		er_buf_put_cstr(b, i > 0 ? ",{\"pattern\":" : "{\"pattern\":");
		er_buf_put_json(b, site->rules[i].route->pattern);
		er_buf_puts(b, ",\"routine\":");
		er_buf_put_json(b, c->deployments[site->rules[i].target]->name);
		er_buf_putc(b, '}');
	}
	er_buf_putc(b, ']');
}

static void report_json(const checker *k)
{
	er_buf b = {0};
	er_buf_printf(&b, "{\"ok\":%s,\"file\":", failed(k) ? "false" : "true");
	er_buf_put_json(&b, er_slice_cstr(k->file));
	if (k->config != NULL) {
		json_node(&b, k->config);
		json_routines(&b, k->config);
	}
	er_desk_put_error(&b, k->diags, k->n);
	er_buf_puts(&b, ",\"errors\":");
	er_caret_put_json_list(&b, k->diags, k->n, false);
	er_buf_puts(&b, ",\"warnings\":");
	er_caret_put_json_list(&b, k->diags, k->n, true);
	er_buf_puts(&b, "}\n");
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

/* ---- the routines' code ---- */

/* One after the other; without a sandbox there is one error, and not one a routine. */
static void probe_all(checker *k)
{
	ER_ASSERT(k->config != NULL && k->probe);
	const er_config *c = k->config;
	for (size_t i = 0; i < c->n_deployments; i++) {
		er_probe probe;
		er_err err = {0};
		er_routine *r = routine_of(c, i);
		if (!shown(c, i))
			continue;
		if (!er_probe_run(&k->arena, r, &probe, &err)) {
			say(k, false, er_arena_copy(&k->arena, er_slice_cstr(err.text)));
			return;
		}
		if (!probe.loaded)
			say(k, false,
			    er_arena_printf(&k->arena, "routine %.*s does not load (%s): %.*s", ER_FMT(r->name), er_err_name(probe.why),
			                    ER_FMT(probe.error)));
	}
}

static bool has_production(const er_config *c)
{
	for (size_t i = 0; i < c->n_listen; i++)
		if (c->listen[i].env == ER_ENV_PRODUCTION)
			return true;
	return false;
}

/* Reads the file as a node does, looks for what is probably not meant, and tries the routines if
 * that is asked for. */
static int check(checker *k)
{
	ER_ASSERT(k->file != NULL && k->config == NULL && k->n == 0);
	er_err err = {0};
	k->config = er_config_load(k->file, &err);
	if (k->config == NULL) {
		er_diag d = er_node_diag(&k->arena, k->file, err.text);
		add(k, &d);
	} else {
		if (!has_production(k->config))
			er_config_add_listen(k->config, ER_ENV_PRODUCTION, ER_LIT("127.0.0.1:8787"), &er_transport_tcp);
		er_node_warnings w = {.arena = &k->arena, .file = k->file};
		er_node_warn(&w, k->config);
		for (size_t i = 0; i < w.n; i++)
			add(k, &w.v[i]);
		if (k->probe)
			probe_all(k);
	}
	if (k->json)
		report_json(k);
	else
		report_text(k);
	return failed(k) ? ER_EXIT_FAILED : ER_EXIT_OK;
}

int er_cmd_node_check(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	checker k = {.file = "node.jsonc"};
	const er_option options[] = {
	    {"config", 'c', "FILE", "the node's configuration; default ./node.jsonc", NULL, &k.file},
	    {"probe", 0, NULL, "also run each routine's top-level code in a real sandbox", &k.probe, NULL},
	    {"json", 0, NULL, "the result as one JSON object on standard output", &k.json, NULL},
	};
	const er_command cmd = {
	    .usage = "er node check [--config FILE] [--probe] [--json]",
	    .about = "Says whether a node would start (or reload) with this configuration: reads it and every file that it names, "
	             "and shows what the node would do. Opens no port and writes nothing; a node that runs is not touched.",
	    .details = "Exit status: 0 it would, 1 it would not (each reason with its place), 2 wrong usage.\n",
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	};
	int rc = er_args_parse(&cmd, argc, argv, NULL);
	if (rc >= 0)
		return rc;
	er_arena_init(&k.arena);
	rc = check(&k);
	er_config_unref(k.config);
	er_free(k.diags);
	er_arena_fini(&k.arena);
	return rc;
}
