/* A table of URLs for each site that has any, with a floor under them. A site's table that is full
 * goes, and its floor rises. Nothing is forgotten otherwise: what an unsafe request made void may
 * lie in the store for as long as it is fresh. */
#include "cache/voids.h"

#include "base/map.h"
#include "base/mem.h"

typedef struct site {
	er_map *urls; /* to uint64_t: the number */
	uint64_t floor;
} site;

struct er_voids {
	size_t most, of_site, most_sites, n;
	er_map *sites;
	uint64_t floor; /* of all sites */
};

static er_slice key_of(const uint64_t *id)
{
	return er_slice_of(id, sizeof *id);
}

er_voids *er_voids_new(size_t most, size_t of_site, size_t sites)
{
	er_voids *v = ER_NEW(er_voids);
	*v = (er_voids){.most = most, .of_site = of_site, .most_sites = sites, .sites = er_map_new()};
	return v;
}

static void empty(er_voids *v, site *s)
{
	void *number;
	er_slice url;
	for (size_t at = 0; er_map_next(s->urls, &at, &url, &number);)
		er_free(number);
	v->n -= er_map_len(s->urls);
	er_map_free(s->urls);
	s->urls = er_map_new();
}

void er_voids_free(er_voids *v)
{
	void *it;
	er_slice id;
	if (v == NULL)
		return;
	for (size_t at = 0; er_map_next(v->sites, &at, &id, &it);) {
		site *s = it;
		empty(v, s);
		er_map_free(s->urls);
		er_free(s);
	}
	er_map_free(v->sites);
	er_free(v);
}

/* NULL: there are too many. */
static site *site_of(er_voids *v, uint64_t id)
{
	site *s = er_map_get(v->sites, key_of(&id));
	if (s != NULL || er_map_len(v->sites) >= v->most_sites)
		return s;
	s = ER_NEW(site);
	*s = (site){.urls = er_map_new()};
	(void)er_map_set(v->sites, key_of(&id), s);
	return s;
}

void er_voids_add(er_voids *v, uint64_t site_id, uint64_t url, uint64_t number)
{
	site *s = site_of(v, site_id);
	if (s == NULL) {
		v->floor = number > v->floor ? number : v->floor;
		return;
	}
	uint64_t *last = er_map_get(s->urls, key_of(&url));
	if (last == NULL && (er_map_len(s->urls) >= v->of_site || v->n >= v->most)) {
		empty(v, s);
		s->floor = number > s->floor ? number : s->floor;
		return;
	}
	if (last == NULL) {
		last = ER_NEW(uint64_t);
		(void)er_map_set(s->urls, key_of(&url), last);
		v->n++;
	}
	*last = number > *last ? number : *last;
}

uint64_t er_voids_number(const er_voids *v, uint64_t site_id, uint64_t url)
{
	const site *s = er_map_get(v->sites, key_of(&site_id));
	if (s == NULL)
		return v->floor;
	const uint64_t *last = er_map_get(s->urls, key_of(&url));
	uint64_t floor = s->floor > v->floor ? s->floor : v->floor;
	return last != NULL && *last > floor ? *last : floor;
}

size_t er_voids_count(const er_voids *v)
{
	return v->n;
}
