/* Sites, and the table that finds one by a host. The table is that of the routes (route.h): a host
 * is a rule without a path, and the order of the rules is made here, so that the one that says most
 * comes first. */
#include "gateway/site.h"

#include "base/mem.h"
#include "cache/purge.h"

#include <stdlib.h>

struct er_sites {
	er_site **list; /* references */
	size_t n;
	er_rule *rules;
	er_route_index *index;
};

/* ---- one ---- */

static er_site *make(er_slice name, er_slice settings, const er_slice *hosts, size_t n_hosts)
{
	er_site *s = ER_NEW(er_site);
	*s = (er_site){.refs = 1, .n_hosts = n_hosts};
	er_arena *a = &s->arena;
	s->name = er_arena_copy(a, name);
	s->settings = er_arena_copy(a, settings);
	s->known_as = s->name;
	s->hash = er_scopes_site(s->name);
	s->hosts = er_arena_alloc(a, n_hosts * sizeof *s->hosts);
	for (size_t i = 0; i < n_hosts; i++) {
		bool ok = er_route_parse(a, er_arena_copy(a, hosts[i]), &s->hosts[i], NULL);
		ER_ASSERT(ok); /* its reader has checked it */
	}
	return s;
}

er_site *er_site_new(const er_site_settings *from, er_slice settings, bool stored, const er_cidr *allow, size_t n_allow)
{
	er_site *s = make(from->name, settings, from->hosts, from->n_hosts);
	er_group_spec spec = from->origin;
	spec.trusted = !stored;
	spec.hosts = from->hosts;
	spec.n_hosts = from->n_hosts;
	if (from->private) {
		spec.allow = allow;
		spec.n_allow = n_allow;
	}
	s->group = er_group_new(s->name, &spec);
	s->rules = from->rules != NULL ? er_cache_rules_new(from->rules) : NULL;
	s->cache = from->cache;
	s->stored = stored;
	s->guards = stored || from->private;
	return s;
}

/* Its answers are those of its origin: with another origin nothing of the old one is found. */
er_site *er_site_default(er_slice origin)
{
	const er_slice all = ER_LIT("*");
	er_group_spec spec = er_group_defaults();
	spec.n = 1;
	spec.servers[0].weight = 1;
	bool ok = er_group_server_url(origin, &spec.servers[0].scheme, &spec.servers[0].authority, NULL);
	ER_ASSERT(ok);
	spec.retries = 0;
	spec.trusted = true;
	er_site *s = make(ER_LIT("default"), (er_slice){0}, &all, 1);
	s->known_as = er_arena_copy(&s->arena, origin);
	s->group = er_group_new(s->name, &spec);
	s->cache = true;
	return s;
}

er_site *er_site_ref(er_site *s)
{
	__atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void er_site_unref(er_site *s)
{
	if (s == NULL || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	er_group_unref(s->group);
	er_cache_rules_unref(s->rules);
	er_arena_fini(&s->arena);
	er_free(s);
}

/* ---- all ---- */

/* Names, then wildcards, the longer first, then the star; of the same, the earlier site. */
static int says_more(const void *one, const void *other)
{
	const er_rule *a = one, *b = other;
	const er_pattern *p = &a->route->part, *q = &b->route->part;
	int rank = (p->sub_hosts + 2 * p->any_host) - (q->sub_hosts + 2 * q->any_host);
	if (rank != 0)
		return rank;
	if (p->host.n != q->host.n)
		return p->host.n > q->host.n ? -1 : 1;
	return a->target < b->target ? -1 : a->target > b->target;
}

er_sites *er_sites_new(er_site *const *list, size_t n)
{
	er_sites *s = ER_NEW(er_sites);
	size_t rules = 0;
	for (size_t i = 0; i < n; i++)
		rules += list[i]->n_hosts;
	*s = (er_sites){.list = er_alloc(n * sizeof(er_site *)), .n = n, .rules = er_alloc(rules * sizeof(er_rule))};
	for (size_t i = 0, k = 0; i < n; i++) {
		s->list[i] = er_site_ref(list[i]);
		for (size_t h = 0; h < list[i]->n_hosts; h++)
			s->rules[k++] = (er_rule){.route = &list[i]->hosts[h], .target = (uint32_t)i};
	}
	if (rules > 0)
		qsort(s->rules, rules, sizeof *s->rules, says_more);
	s->index = er_route_index_new(s->rules, rules);
	return s;
}

void er_sites_free(er_sites *s)
{
	if (s == NULL)
		return;
	er_route_index_free(s->index);
	for (size_t i = 0; i < s->n; i++)
		er_site_unref(s->list[i]);
	er_free(s->list);
	er_free(s->rules);
	er_free(s);
}

er_site *const *er_sites_list(const er_sites *s, size_t *n)
{
	*n = s->n;
	return s->list;
}

const er_site *er_sites_find(const er_sites *s, er_slice host)
{
	/* The same host with the root's dot at its end. */
	if (host.n > 1 && host.p[host.n - 1] == '.')
		host.n--;
	const er_rule *rule = er_route_index_find(s->index, host, ER_LIT("/"));
	ER_ASSERT(rule == NULL || rule->target < s->n);
	return rule != NULL ? s->list[rule->target] : NULL;
}
