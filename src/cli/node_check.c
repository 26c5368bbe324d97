/* er node check: would a node start, or reload, with this configuration? What it says, the files
 * that it names, and what it would do; with --probe also each routine's top-level code in a real
 * sandbox. Nothing is opened for clients, nothing is written.
 *
 * The configuration is read by the node's own reader (gateway/config.h), so what is refused here is
 * what the node refuses. Then node_diag.c asks the machine. All that was found is in one list,
 * shown at the end. */
#include "cli/args.h"
#include "cli/show.h"
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

/* Where answers of the origin are stored. */
static void text_cache(er_buf *b, const er_config *c)
{
	if (c->origin == NULL && c->n_sites == 0)
		return;
	field(b, "cache");
	if (c->cache_mb == 0)
		er_buf_puts(b, "none");
	else
		er_buf_printf(b, "%u MB of memory", c->cache_mb);
	for (size_t i = 0; i < c->n_cache_disks && c->cache_mb > 0; i++)
		er_buf_printf(b, ", %s (%u MB)", c->cache_disks[i].path, c->cache_disks[i].size_mb);
	if (!c->cache_disks_said && c->data != NULL && c->cache_mb > 0)
		er_buf_puts(b, ", and the file cache in the data folder");
	er_buf_putc(b, '\n');
}

/* A line a site: its hosts, and where their answers come from. */
static void text_sites(er_buf *b, const er_config *c)
{
	for (size_t i = 0; i < c->n_sites; i++) {
		const er_site *s = c->sites[i];
		field(b, i == 0 ? "sites" : "");
		er_buf_printf(b, "%.*s:", ER_FMT(s->name));
		for (size_t k = 0; k < s->n_hosts; k++)
			er_buf_printf(b, " %.*s", ER_FMT(s->hosts[k].pattern));
		for (size_t k = 0; k < s->group->n; k++)
			er_buf_printf(b, "%s%.*s://%.*s%s", k == 0 ? " from " : ", ", ER_FMT(s->group->servers[k].scheme),
			              ER_FMT(s->group->servers[k].authority), s->group->servers[k].backup ? " (backup)" : "");
		er_buf_put_cstr(b, s->cache ? "\n" : ", not stored\n");
	}
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
	er_buf_printf(b, "%s\n",
	              c->origin != NULL ? c->origin
	              : c->n_sites > 0  ? "none: a host that no site has is answered with 404"
	                                : "none: what no routine takes is answered with 404");
	text_sites(b, c);
	text_cache(b, c);
	for (size_t i = 0; i < c->geo.n; i++) {
		field(b, i == 0 ? "geo" : "");
		er_buf_printf(b, "%s\n", c->geo.paths[i]);
	}
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
	const er_env_tables *site = &c->env[ER_ENV_PRODUCTION];
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

static void json_sites(er_out *o, const er_config *c)
{
	er_out_open(o, "sites", '[');
	for (size_t i = 0; i < c->n_sites; i++) {
		const er_site *s = c->sites[i];
		er_out_open(o, NULL, '{');
		er_out_str(o, "name", s->name);
		er_out_open(o, "hosts", '[');
		for (size_t k = 0; k < s->n_hosts; k++)
			er_out_str(o, NULL, s->hosts[k].pattern);
		er_out_close(o, ']');
		er_out_u64(o, "servers", s->group->n);
		er_out_bool(o, "cache", s->cache);
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
}

static void json_node(er_out *o, const er_config *c)
{
	er_out_open(o, "listen", '[');
	for (size_t i = 0; i < c->n_listen; i++) {
		er_out_open(o, NULL, '{');
		er_out_cstr(o, "address", c->listen[i].address);
		er_out_cstr(o, "environment", er_env_name(c->listen[i].env));
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
	json_sites(o, c);
	er_out_cstr(o, "admin", c->admin);
	er_out_cstr(o, "data", c->data);
	er_out_cstr(o, "origin", c->origin);
	er_out_cstr(o, "access_log", c->access_log);
	er_out_open(o, "cache", '{');
	er_out_u64(o, "memory_mb", c->cache_mb);
	er_out_open(o, "disk", '[');
	for (size_t i = 0; i < c->n_cache_disks; i++) {
		er_out_open(o, NULL, '{');
		er_out_cstr(o, "path", c->cache_disks[i].path);
		er_out_u64(o, "size_mb", c->cache_disks[i].size_mb);
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
	er_out_close(o, '}');
	er_out_open(o, "geo", '[');
	for (size_t i = 0; i < c->geo.n; i++)
		er_out_cstr(o, NULL, c->geo.paths[i]);
	er_out_close(o, ']');
	er_out_u64(o, "threads", c->threads);
	er_out_open(o, "sandbox", '{');
	er_out_cstr(o, "min_level", er_level_name(c->min_level));
	er_out_u64(o, "pool", c->pool);
	er_out_u64(o, "pool_hardened", c->pool_hardened);
	er_out_u64(o, "max_instances", c->max_instances);
	er_out_u64(o, "max_subrequests", c->max_subrequests);
	er_out_close(o, '}');
}

/* "cpuMs" of a configuration is "cpu_ms" in what er says. */
static const char *name_of(er_slice setting, char name[static 64])
{
	size_t n = 0;
	for (size_t i = 0; i < setting.n && n < 62; i++) {
		uint8_t c = setting.p[i];
		if (c >= 'A' && c <= 'Z')
			name[n++] = '_';
		name[n++] = (char)er_lower(c);
	}
	name[n] = '\0';
	return name;
}

/* The limits by the names that er uses everywhere else. */
static void json_routine(er_out *o, const er_routine *r)
{
	size_t n;
	char name[64];
	const er_limit *rows = er_limits_rows(&n);
	er_out_open(o, NULL, '{');
	er_out_str(o, "name", r->name);
	er_out_str(o, "version", r->version);
	er_out_u64(o, "bytes", r->code.n);
	er_out_cstr(o, "profile", er_profile_name(r->profile));
	er_out_bool(o, "fallback", r->fallback);
	er_out_open(o, "limits", '{');
	for (size_t i = 0; i < n; i++)
		er_out_u64(o, name_of(rows[i].name, name), er_limit_get(&rows[i], &r->limits));
	er_out_close(o, '}');
	er_out_close(o, '}');
}

/* Routines and routes as production has them; in staging they are the same ones. */
static void json_routines(er_out *o, const er_config *c)
{
	const er_env_tables *site = &c->env[ER_ENV_PRODUCTION];
	er_out_open(o, "routines", '[');
	for (size_t i = 0; i < c->n_deployments; i++)
		if (shown(c, i))
			json_routine(o, routine_of(c, i));
	er_out_close(o, ']');
	er_out_open(o, "routes", '[');
	for (size_t i = 0; i < site->n_rules; i++) {
		er_out_open(o, NULL, '{');
		er_out_str(o, "pattern", site->rules[i].route->pattern);
		er_out_str(o, "routine", c->deployments[site->rules[i].target]->name);
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
}

static void report_json(const checker *k)
{
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_bool(&o, "ok", !failed(k));
	er_out_cstr(&o, "file", k->file);
	if (k->config != NULL) {
		json_node(&o, k->config);
		json_routines(&o, k->config);
	}
	er_desk_json_error(&o, k->diags, k->n);
	er_caret_json_list(&o, "errors", k->diags, k->n, false);
	er_caret_json_list(&o, "warnings", k->diags, k->n, true);
	er_show_json(&o);
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
