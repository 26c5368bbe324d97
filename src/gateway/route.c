#include "gateway/route.h"

#include "base/map.h"
#include "base/mem.h"

enum { NONE = UINT32_MAX, MAX_LABELS = 128 };

/* Rules with the same host, in order. */
typedef struct chain {
	uint32_t first, last;
} chain;

struct er_route_index {
	const er_config *config;
	uint32_t *next;    /* of each rule: the next of its chain */
	er_map *hosts;     /* host -> chain */
	er_map *sub_hosts; /* "example.com" of "*.example.com" -> chain */
	chain any;
	er_map *names; /* routine name -> routine */
};

static void append(er_route_index *ix, chain *ch, uint32_t i)
{
	ix->next[i] = NONE;
	if (ch->first == NONE)
		ch->first = i;
	else
		ix->next[ch->last] = i;
	ch->last = i;
}

static chain *chain_of(er_map *m, er_slice host)
{
	chain *ch = er_map_get(m, host);
	if (ch == NULL) {
		ch = ER_NEW(chain);
		*ch = (chain){NONE, NONE};
		er_map_set(m, host, ch);
	}
	return ch;
}

er_route_index *er_route_index_new(const er_config *c)
{
	er_route_index *ix = ER_NEW(er_route_index);
	*ix = (er_route_index){.config = c,
	                       .next = er_alloc(c->n_routes * sizeof *ix->next + 1),
	                       .hosts = er_map_new(),
	                       .sub_hosts = er_map_new(),
	                       .any = {NONE, NONE},
	                       .names = er_map_new()};
	for (uint32_t i = 0; i < c->n_routes; i++) {
		const er_route *r = &c->routes[i];
		append(ix, r->any_host ? &ix->any : chain_of(r->sub_hosts ? ix->sub_hosts : ix->hosts, r->host), i);
	}
	for (size_t i = 0; i < c->n_routines; i++)
		er_map_set(ix->names, c->routines[i]->name, c->routines[i]);
	return ix;
}

static void free_chains(er_map *m)
{
	size_t at = 0;
	er_slice key;
	void *value;
	while (er_map_next(m, &at, &key, &value))
		er_free(value);
	er_map_free(m);
}

void er_route_index_free(er_route_index *ix)
{
	if (ix == NULL)
		return;
	free_chains(ix->hosts);
	free_chains(ix->sub_hosts);
	er_map_free(ix->names);
	er_free(ix->next);
	er_free(ix);
}

static bool path_matches(const er_route *r, er_slice path)
{
	return r->path_prefix ? er_slice_starts(path, r->path) : er_slice_eq(path, r->path);
}

/* The first rule of the chain that matches and comes before `best`. */
static uint32_t better(const er_route_index *ix, const chain *ch, er_slice path, uint32_t best)
{
	for (uint32_t i = ch != NULL ? ch->first : NONE; i < best; i = ix->next[i])
		if (path_matches(&ix->config->routes[i], path))
			return i;
	return best;
}

er_routine *er_route_index_find(const er_route_index *ix, er_slice host, er_slice path)
{
	uint32_t best = NONE;
	/* The same host with the root's dot at its end. */
	if (host.n > 1 && host.p[host.n - 1] == '.')
		host.n--;
	if (er_map_len(ix->hosts) > 0)
		best = better(ix, er_map_get(ix->hosts, host), path, best);
	if (er_map_len(ix->sub_hosts) > 0) {
		er_slice rest = host;
		for (unsigned labels = 0; labels < MAX_LABELS; labels++) {
			size_t dot = er_slice_find(rest, '.');
			if (dot == rest.n)
				break;
			rest = er_slice_from(rest, dot + 1);
			best = better(ix, er_map_get(ix->sub_hosts, rest), path, best);
		}
	}
	best = better(ix, &ix->any, path, best);
	if (best != NONE)
		return ix->config->routes[best].routine;
	const er_slice local = ER_LIT(".localhost");
	if (!er_slice_ends(host, local))
		return NULL;
	return er_map_get(ix->names, er_slice_head(host, host.n - local.n));
}
