/* A table of URLs for each site that has any, with a floor under them. When a table is full the
 * site's own table goes, and its floor rises; when all tables together are too many URLs, the
 * table with the most URLs goes, whoever asks. So a site whose clients make few URLs void loses
 * nothing to one whose clients make many. Nothing is forgotten otherwise: what an unsafe request
 * made void may lie in the store for as long as it is fresh.
 *
 * Sites lie in lists by the length of their tables, so that the fullest one is found without
 * looking at the others: any visitor may be the one who fills the table. */
#include "cache/voids.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

typedef struct site {
	er_list list; /* of by_length[number of its URLs] */
	uint64_t id;
	er_map *urls; /* to uint64_t: the number */
	uint64_t floor;
	uint64_t last; /* number of its newest void */
} site;

struct er_voids {
	size_t most, of_site, most_sites, n;
	er_map *sites;
	er_list *by_length; /* of_site + 1 */
	size_t longest;     /* no table is longer */
	uint64_t floor;     /* of all sites that are not in the map */
};

static er_slice key_of(const uint64_t *id)
{
	return er_slice_of(id, sizeof *id);
}

er_voids *er_voids_new(size_t most, size_t of_site, size_t sites)
{
	ER_ASSERT(most > 0 && of_site > 0 && sites > 0);
	er_voids *v = ER_NEW(er_voids);
	*v = (er_voids){.most = most, .of_site = of_site, .most_sites = sites, .sites = er_map_new()};
	v->by_length = er_zalloc((of_site + 1) * sizeof *v->by_length);
	for (size_t i = 0; i <= of_site; i++)
		er_list_init(&v->by_length[i]);
	return v;
}

/* The site's table has another length than it had. */
static void sort_in(er_voids *v, site *s)
{
	size_t n = er_map_len(s->urls);
	ER_ASSERT(n <= v->of_site);
	er_list_remove(&s->list);
	er_list_push(&v->by_length[n], &s->list);
	v->longest = n > v->longest ? n : v->longest;
}

static void drop_urls(er_voids *v, site *s)
{
	void *number;
	er_slice url;
	for (size_t at = 0; er_map_next(s->urls, &at, &url, &number);)
		er_free(number);
	v->n -= er_map_len(s->urls);
	er_map_free(s->urls);
	s->urls = NULL;
}

static void empty(er_voids *v, site *s)
{
	drop_urls(v, s);
	s->urls = er_map_new();
	s->floor = s->last;
	sort_in(v, s);
}

static void site_free(er_voids *v, site *s)
{
	er_list_remove(&s->list);
	drop_urls(v, s);
	er_free(s);
}

void er_voids_free(er_voids *v)
{
	void *it;
	er_slice id;
	if (v == NULL)
		return;
	for (size_t at = 0; er_map_next(v->sites, &at, &id, &it);)
		site_free(v, it);
	er_map_free(v->sites);
	er_free(v->by_length);
	er_free(v);
}

static site *fullest(er_voids *v)
{
	while (v->longest > 0 && er_list_empty(&v->by_length[v->longest]))
		v->longest--;
	ER_ASSERT(v->longest > 0);
	return ER_CONTAINER(v->by_length[v->longest].next, site, list);
}

/* Only an operator makes sites, so this is rare: the one whose clients made something void longest
 * ago goes, and what all unknown sites have stored is void up to then. */
static void forget_a_site(er_voids *v)
{
	site *oldest = NULL;
	void *it;
	er_slice id;
	for (size_t at = 0; er_map_next(v->sites, &at, &id, &it);)
		if (oldest == NULL || ((site *)it)->last < oldest->last)
			oldest = it;
	ER_ASSERT(oldest != NULL);
	v->floor = oldest->last > v->floor ? oldest->last : v->floor;
	(void)er_map_del(v->sites, key_of(&oldest->id));
	site_free(v, oldest);
}

static site *site_of(er_voids *v, uint64_t id)
{
	site *s = er_map_get(v->sites, key_of(&id));
	if (s != NULL)
		return s;
	if (er_map_len(v->sites) >= v->most_sites)
		forget_a_site(v);
	s = ER_NEW(site);
	/* What was forgotten may have been this one. */
	*s = (site){.id = id, .urls = er_map_new(), .floor = v->floor, .last = v->floor};
	er_list_init(&s->list);
	sort_in(v, s);
	(void)er_map_set(v->sites, key_of(&s->id), s);
	return s;
}

void er_voids_add(er_voids *v, uint64_t site_id, uint64_t url, uint64_t number)
{
	site *s = site_of(v, site_id);
	uint64_t *last = er_map_get(s->urls, key_of(&url));
	s->last = number > s->last ? number : s->last;
	if (last == NULL && er_map_len(s->urls) >= v->of_site) {
		empty(v, s);
		return;
	}
	if (last == NULL && v->n >= v->most) {
		site *most = fullest(v);
		empty(v, most);
		if (most == s)
			return;
	}
	if (last == NULL) {
		last = ER_NEW(uint64_t);
		*last = 0;
		(void)er_map_set(s->urls, key_of(&url), last);
		v->n++;
		sort_in(v, s);
	}
	*last = number > *last ? number : *last;
}

uint64_t er_voids_number(const er_voids *v, uint64_t site_id, uint64_t url)
{
	const site *s = er_map_get(v->sites, key_of(&site_id));
	if (s == NULL)
		return v->floor;
	const uint64_t *last = er_map_get(s->urls, key_of(&url));
	return last != NULL && *last > s->floor ? *last : s->floor;
}

size_t er_voids_count(const er_voids *v)
{
	return v->n;
}
