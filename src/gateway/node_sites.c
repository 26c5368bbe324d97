/* The node's sites, as the control plane asks for them: which there are and how their servers do,
 * whose a host is, and what a URL takes. All on the control thread. */
#include "gateway/node_internal.h"

#include "base/map.h"
#include "http/authority.h"

static void write_server(er_group *g, size_t i, uint64_t now_us, er_out *out)
{
	const er_upstream *s = &g->servers[i];
	er_arena a = {0};
	er_out_open(out, NULL, '{');
	er_out_str(out, "url", er_arena_printf(&a, "%.*s://%.*s", ER_FMT(s->scheme), ER_FMT(s->authority)));
	er_out_u64(out, "weight", s->weight);
	er_out_bool(out, "backup", s->backup);
	er_out_cstr(out, "state", er_upstream_state_name(er_group_state(g, i, now_us)));
	er_out_u64(out, "asked", __atomic_load_n(&s->asked, __ATOMIC_RELAXED));
	er_out_u64(out, "failed", __atomic_load_n(&s->failed, __ATOMIC_RELAXED));
	er_upstream_failure last = er_group_blamed(g, i);
	if (last.at_ms != 0) {
		er_out_open(out, "lastFailure", '{');
		er_out_time(out, "at", last.at_ms);
		er_out_cstr(out, "kind", last.kind == ER_ERR_OK ? "status" : er_err_name(last.kind));
		er_out_str(out, "text", er_slice_cstr(last.text));
		er_out_close(out, '}');
	}
	er_out_close(out, '}');
	er_arena_fini(&a);
}

static void write_servers(er_group *g, er_out *out)
{
	uint64_t now_us = er_clock_mono_us();
	er_out_open(out, "servers", '[');
	for (size_t i = 0; i < g->n; i++)
		write_server(g, i, now_us, out);
	er_out_close(out, ']');
}

static void write_certificates(const er_tls *tls, er_tls_part part, const char *name, er_out *out)
{
	er_arena a = {0};
	size_t n = er_tls_count(tls, part);
	if (n == 0)
		return;
	er_out_open(out, name, '[');
	for (size_t i = 0; i < n; i++) {
		er_tls_shown it = er_tls_show(tls, part, i, &a);
		er_out_open(out, NULL, '{');
		er_out_str(out, "subject", it.subject);
		er_out_str(out, "until", it.until);
		er_out_close(out, '}');
	}
	er_out_close(out, ']');
	er_arena_fini(&a);
}

static void write_tls(const er_tls *tls, er_out *out)
{
	if (tls == NULL)
		return;
	er_out_open(out, "tls", '{');
	write_certificates(tls, ER_TLS_CA, "ca", out);
	write_certificates(tls, ER_TLS_CERTIFICATE, "certificate", out);
	er_out_close(out, '}');
}

static void write_settings(const er_site *s, bool whole, er_out *out)
{
	er_arena a = {0};
	if (s->settings.n > 0)
		er_out_json(out, "settings", whole ? s->settings : er_site_shown(&a, s->settings));
	er_arena_fini(&a);
}

static void write_site(const er_site *s, bool whole, er_out *out)
{
	er_out_open(out, NULL, '{');
	er_out_str(out, "name", s->name);
	er_out_cstr(out, "source", s->stored ? "store" : "file");
	er_out_open(out, "hosts", '[');
	for (size_t i = 0; i < s->n_hosts; i++)
		er_out_str(out, NULL, s->hosts[i].pattern);
	er_out_close(out, ']');
	er_out_bool(out, "cache", s->cache);
	write_servers(s->group, out);
	write_tls(s->group->tls, out);
	write_settings(s, whole, out);
	er_out_close(out, '}');
}

size_t er_node_write_sites(const er_node *n, er_slice name, bool whole, er_out *out)
{
	const er_config *c = n->config;
	size_t written = 0, all;
	er_site *const *list = er_sites_list(c->by_host, &all);
	for (size_t i = 0; i < all; i++) {
		if (name.n > 0 && !er_slice_eq(list[i]->name, name))
			continue;
		write_site(list[i], whole, out);
		written++;
	}
	return written;
}

bool er_node_site_taken(const er_node *n, er_arena *a, const er_site_settings *s, er_slice *by, er_slice *what)
{
	*by = *what = (er_slice){0};
	const er_config *c = n->config;
	uintptr_t same = (uintptr_t)er_map_get(c->site_names, s->name);
	if (same != 0 && !c->sites[same - 1]->stored)
		return true;
	for (size_t i = 0; i < s->n_hosts; i++) {
		uintptr_t other = (uintptr_t)er_map_get(c->site_hosts, s->hosts[i]);
		if (other == 0 || other == same) /* nobody's, or its own */
			continue;
		*by = er_arena_copy(a, c->sites[other - 1]->name);
		*what = s->hosts[i];
		return true;
	}
	return false;
}

const er_site *er_node_explain_site(const er_node *n, const er_where *where, er_out *out)
{
	const er_site *site = er_config_site(n->config, er_host_of(where->authority));
	if (site == NULL)
		return NULL;
	er_out_str(out, "site", site->name);
	write_servers(site->group, out);
	return site;
}
