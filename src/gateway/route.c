/* The index of rules. A chain holds the rules of one host in their order: `first`, then next[] of
 * each rule (numbers of rules, ascending). There is a chain for each host, one for each "*.host",
 * and one for "*". A look-up walks the chain of the host, those of each of its parents, and the one
 * of "*", and keeps the smallest number that matches: rules are numbered by precedence, so a walk
 * ends at the first rule that is not better than what was found already. Made once, then only read,
 * by all threads. */
#include "gateway/route.h"

#include "base/map.h"
#include "base/mem.h"

enum { NONE = UINT32_MAX, MAX_LABELS = 128 };

/* Rules with the same host, in order. */
typedef struct chain {
	uint32_t first, last;
} chain;

struct er_route_index {
	const er_rule *rules;
	uint32_t *next; /* of each rule: the next of its chain */
	chain *chains;  /* of hosts; as many as there may be */
	size_t n_chains;
	er_map *hosts;     /* host -> its chain */
	er_map *sub_hosts; /* "example.com" of "*.example.com" -> chain */
	chain any;
};

/* ---- routes ---- */

bool er_route_parse(er_arena *a, er_slice pattern, er_route *out, er_err *err)
{
	*out = (er_route){.pattern = pattern};
	return er_pattern_parse(a, pattern, &out->part, err);
}

size_t er_route_bytes(const er_route *r)
{
	return r->pattern.n + r->part.host.n + r->part.path.n;
}

uint8_t *er_route_copy(er_route *to, const er_route *from, uint8_t *at)
{
	*to = *from;
	er_slice *strings[] = {&to->pattern, &to->part.host, &to->part.path};
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
		er_copy(at, strings[i]->p, strings[i]->n);
		*strings[i] = er_slice_of(at, strings[i]->n);
		at += strings[i]->n;
	}
	return at;
}

/* ---- the index ---- */

static void append(er_route_index *ix, chain *ch, uint32_t i)
{
	ER_ASSERT((ch->first == NONE) == (ch->last == NONE) && (ch->first == NONE || ch->last < i));
	ix->next[i] = NONE;
	if (ch->first == NONE)
		ch->first = i;
	else
		ix->next[ch->last] = i;
	ch->last = i;
}

static chain *chain_of(er_route_index *ix, er_map *m, er_slice host)
{
	chain *ch = er_map_get(m, host);
	if (ch == NULL) {
		ch = &ix->chains[ix->n_chains++];
		*ch = (chain){NONE, NONE};
		er_map_set(m, host, ch);
	}
	return ch;
}

er_route_index *er_route_index_new(const er_rule *rules, size_t n)
{
	er_route_index *ix = ER_NEW(er_route_index);
	*ix = (er_route_index){.rules = rules,
	                       .next = er_alloc(n * sizeof *ix->next),
	                       .chains = er_alloc(n * sizeof *ix->chains),
	                       .hosts = er_map_new(),
	                       .sub_hosts = er_map_new(),
	                       .any = {NONE, NONE}};
	ER_ASSERT(n < NONE);
	for (uint32_t i = 0; i < n; i++) {
		const er_pattern *p = &rules[i].route->part;
		append(ix, p->any_host ? &ix->any : chain_of(ix, p->sub_hosts ? ix->sub_hosts : ix->hosts, p->host), i);
	}
	ER_ASSERT(ix->n_chains <= n);
	return ix;
}

void er_route_index_free(er_route_index *ix)
{
	if (ix == NULL)
		return;
	er_map_free(ix->hosts);
	er_map_free(ix->sub_hosts);
	er_free(ix->chains);
	er_free(ix->next);
	er_free(ix);
}

static bool path_matches(const er_pattern *p, er_slice path)
{
	return p->path_prefix ? er_slice_starts(path, p->path) : er_slice_eq(path, p->path);
}

/* The first rule of the chain that matches and comes before `best`. */
static uint32_t better(const er_route_index *ix, const chain *ch, er_slice path, uint32_t best)
{
	for (uint32_t i = ch != NULL ? ch->first : NONE; i < best; i = ix->next[i])
		if (path_matches(&ix->rules[i].route->part, path))
			return i;
	return best;
}

const er_rule *er_route_index_find(const er_route_index *ix, er_slice host, er_slice path)
{
	uint32_t best = NONE;
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
	return best != NONE ? &ix->rules[best] : NULL;
}
