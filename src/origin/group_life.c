/* A redirect with a lifetime bounds by it. One without is temporary (302, 303, 307: may not be used
 * again, RFC 9110 15.1), so that the answer is stale at once: it is stored, and each use asks the
 * whole way, with conditions. Or it is permanent (301, 308) and bounds nothing.
 *
 * The bound is written into Cache-Control and CDN-Cache-Control, so that it holds for every cache
 * on the way to the client as well as for the node's own. */
#include "origin/group_life.h"

#include "base/mem.h"
#include "http/directives.h"
#include "http/freshness.h"

/* A lifetime that the response says, and not one that is estimated. */
static bool says_lifetime(const er_fields *response)
{
	er_cache_directives d;
	if (!er_cache_control_targeted(response, &d))
		d = er_cache_control(response);
	return d.s_maxage != ER_CACHE_ABSENT || d.max_age != ER_CACHE_ABSENT || er_fields_get(response, ER_LIT("expires")) != NULL;
}

void er_way_life_note(er_way_life *life, int status, const er_fields *redirect, int64_t asked, int64_t came)
{
	if ((status == 301 || status == 308) && !says_lifetime(redirect))
		return;
	const er_freshness f = er_freshness_of(status, redirect, asked, came);
	int64_t left = says_lifetime(redirect) && f.lifetime > f.age ? f.lifetime - f.age : 0;
	if (!life->bound || came + left < life->until)
		life->until = came + left;
	if (!life->bound || f.while_revalidate < life->while_revalidate)
		life->while_revalidate = f.while_revalidate;
	life->strict = life->strict || f.strict;
	life->bound = true;
}

static int64_t least(int64_t x, int64_t y)
{
	return x < y ? x : y;
}

static bool is_one_of(er_slice member, const char *const *names, size_t n)
{
	er_slice name = er_slice_trim(er_slice_head(member, er_slice_find(member, '=')));
	for (size_t i = 0; i < n; i++)
		if (er_slice_ieq(name, er_slice_cstr(names[i])))
			return true;
	return false;
}

/* All lines of the field as one, without what says how long. */
static er_slice others_of(const er_fields *fields, er_slice name, er_arena *a)
{
	static const char *const life[] = {"max-age", "s-maxage", "stale-while-revalidate"};
	er_slice all = {0};
	for (uint32_t i = 0; i < fields->n; i++) {
		er_slice rest = fields->v[i].value;
		if (!er_slice_ieq(fields->v[i].name, name))
			continue;
		for (er_slice one; er_slice_split(&rest, ',', &one);) {
			one = er_slice_trim(one);
			if (one.n > 0 && !is_one_of(one, life, sizeof life / sizeof *life))
				all = er_arena_printf(a, "%.*s%s%.*s", ER_FMT(all), all.n > 0 ? ", " : "", ER_FMT(one));
		}
	}
	return all;
}

static er_slice with(er_arena *a, er_slice list, const char *directive, int64_t seconds)
{
	if (seconds == ER_CACHE_ABSENT)
		return list;
	return er_arena_printf(a, "%.*s%s%s=%lld", ER_FMT(list), list.n > 0 ? ", " : "", directive, (long long)seconds);
}

/* The field again, with no more than `most` seconds of each of its lifetimes. */
static void write_field(const er_way_life *life, er_fields *fields, er_slice name, const er_cache_directives *d, int64_t most,
                        er_arena *a)
{
	er_slice list = others_of(fields, name, a);
	list = with(a, list, "max-age", least(d->max_age, most));
	list = with(a, list, "s-maxage", least(d->s_maxage, most));
	list = with(a, list, "stale-while-revalidate", least(d->stale_while_revalidate, life->while_revalidate));
	if (life->strict && !d->must_revalidate)
		list = er_arena_printf(a, "%.*s%smust-revalidate", ER_FMT(list), list.n > 0 ? ", " : "");
	if (list.n > 0)
		er_fields_set(fields, a, name, list);
}

void er_way_life_answer(const er_way_life *life, int status, er_fields *response, er_arena *a, int64_t came)
{
	if (!life->bound)
		return;
	const er_freshness f = er_freshness_of(status, response, came, came);
	er_cache_directives targeted, all = er_cache_control(response);
	int64_t most = f.age + (life->until > came ? life->until - came : 0);
	if (er_cache_control_targeted(response, &targeted))
		write_field(life, response, ER_LIT("cdn-cache-control"), &targeted, most, a);
	else
		er_fields_del(response, ER_LIT("cdn-cache-control")); /* nobody may read more out of it */
	/* A lifetime that stands elsewhere, or is estimated, is said here. */
	if (all.max_age == ER_CACHE_ABSENT && (er_fields_get(response, ER_LIT("expires")) != NULL || f.heuristic))
		all.max_age = least(f.lifetime, most);
	er_fields_del(response, ER_LIT("expires"));
	write_field(life, response, ER_LIT("cache-control"), &all, most, a);
}
