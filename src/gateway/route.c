#include "gateway/route.h"

#include "base/map.h"
#include "base/mem.h"

enum { NONE = UINT32_MAX, MAX_LABELS = 128 };

/* Rules with the same host, in order. */
typedef struct chain {
	uint32_t first, last;
} chain;

struct er_route_index {
	const er_route *rules;
	uint32_t *next;    /* of each rule: the next of its chain */
	er_map *hosts;     /* host -> chain */
	er_map *sub_hosts; /* "example.com" of "*.example.com" -> chain */
	chain any;
};

/* ---- rules ---- */

bool er_route_parse(er_slice pattern, er_route *out, er_err *err)
{
	size_t slash = er_slice_find(pattern, '/');
	er_slice host = er_slice_head(pattern, slash), path = er_slice_from(pattern, slash);
	*out = (er_route){.pattern = pattern};
	if (er_slice_eq(host, ER_LIT("*"))) {
		out->any_host = true;
		host = (er_slice){NULL, 0};
	} else if (er_slice_starts(host, ER_LIT("*."))) {
		out->sub_hosts = true;
		host = er_slice_from(host, 2);
	}
	if (!out->any_host && host.n == 0)
		return er_fail(err, ER_ERR_INVALID, "route \"%.*s\": a host is expected: host/path*, *.host or *", ER_FMT(pattern));
	for (size_t i = 0; i < host.n; i++) {
		uint8_t ch = er_lower(host.p[i]);
		bool ok = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '.' || ch == '_' || ch == '[' ||
		          ch == ']' || (ch == ':' && host.p[0] == '[');
		if (!ok)
			return er_fail(
			    err, ER_ERR_INVALID,
			    "route \"%.*s\": \"%c\" cannot be in a host; no scheme, no port, and \"*\" only at its front as \"*.\"",
			    ER_FMT(pattern), ch);
	}
	if (path.n == 0) {
		path = ER_LIT("/");
		out->path_prefix = true;
	} else if (path.p[path.n - 1] == '*') {
		out->path_prefix = true;
		path.n--;
	}
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] == '*' || path.p[i] == '?' || path.p[i] == '#' || path.p[i] <= ' ')
			return er_fail(err, ER_ERR_INVALID, "route \"%.*s\": \"%c\" cannot be in a path; \"*\" only at its end",
			               ER_FMT(pattern), path.p[i] < ' ' ? ' ' : path.p[i]);
	out->host = host;
	out->path = path;
	return true;
}

size_t er_route_bytes(const er_route *r)
{
	return r->pattern.n + r->host.n + r->path.n;
}

uint8_t *er_route_copy(er_route *to, const er_route *from, uint8_t *at)
{
	*to = *from;
	er_slice *strings[] = {&to->pattern, &to->path, &to->host};
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
		er_copy(at, strings[i]->p, strings[i]->n);
		*strings[i] = er_slice_of(at, strings[i]->n);
		at += strings[i]->n;
	}
	for (uint8_t *p = at - to->host.n; p < at; p++)
		*p = er_lower(*p);
	return at;
}

/* ---- the index ---- */

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

er_route_index *er_route_index_new(const er_route *rules, size_t n)
{
	er_route_index *ix = ER_NEW(er_route_index);
	*ix = (er_route_index){.rules = rules,
	                       .next = er_alloc(n * sizeof *ix->next),
	                       .hosts = er_map_new(),
	                       .sub_hosts = er_map_new(),
	                       .any = {NONE, NONE}};
	for (uint32_t i = 0; i < n; i++) {
		const er_route *r = &rules[i];
		append(ix, r->any_host ? &ix->any : chain_of(r->sub_hosts ? ix->sub_hosts : ix->hosts, r->host), i);
	}
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
		if (path_matches(&ix->rules[i], path))
			return i;
	return best;
}

const er_route *er_route_index_find(const er_route_index *ix, er_slice host, er_slice path)
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
