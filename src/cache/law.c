/* Pure. */
#include "cache/law.h"

#include "base/mem.h"
#include "http/directives.h"

/* The answer itself says for how long it is good, or that it is for nobody else. */
static bool says_something(const er_fields *said)
{
	er_cache_directives d;
	if (!er_cache_control_targeted(said, &d))
		d = er_cache_control(said);
	return d.no_store || d.no_cache || d.private_ || d.max_age != ER_CACHE_ABSENT || d.s_maxage != ER_CACHE_ABSENT ||
	       er_fields_get(said, ER_LIT("expires")) != NULL;
}

/* RFC 9111 3.5 has no word for cookies: who sets one means one client, unless it says otherwise. */
static bool sets_a_cookie_for_one(const er_fields *said)
{
	er_cache_directives d;
	if (!er_cache_control_targeted(said, &d))
		d = er_cache_control(said);
	return er_fields_get(said, ER_LIT("set-cookie")) != NULL && !d.public_ && d.s_maxage == ER_CACHE_ABSENT;
}

/* What `ttl` is meant for: an error that lasts as long as a page helps nobody. */
static bool is_a_page(int status)
{
	return (status >= 200 && status < 400) || status == 404 || status == 410;
}

static int64_t usual_ttl(int status)
{
	switch (status) {
	case 200:
	case 203:
	case 204:
	case 300:
	case 301:
	case 308:
		return 7200;
	case 302:
	case 303:
	case 307:
		return 1200;
	case 404:
	case 410:
		return 180;
	default:
		return ER_CACHE_ABSENT;
	}
}

/* The routine says for how long answers with this status are good, whatever they say. */
static bool said_ttl(const er_cache_wishes *w, int status, int64_t *ttl)
{
	ER_ASSERT(w->n_by_status <= ER_WISHED_TTLS);
	for (size_t i = 0; i < w->n_by_status; i++)
		if (status >= w->by_status[i].least && status <= w->by_status[i].most) {
			*ttl = w->by_status[i].seconds;
			return true;
		}
	if (w->has_ttl && is_a_page(status)) {
		*ttl = w->ttl;
		return true;
	}
	return false;
}

/* False: the routine wishes nothing of answers with this status. */
static bool wished_ttl(const er_cache_wishes *w, int status, const er_fields *said, int64_t *ttl)
{
	if (said_ttl(w, status, ttl))
		return true;
	*ttl = w->everything && !says_something(said) ? usual_ttl(status) : ER_CACHE_ABSENT;
	return *ttl != ER_CACHE_ABSENT;
}

static er_fields *copy(er_arena *a, const er_fields *from)
{
	er_fields *to = er_arena_zalloc(a, sizeof *to);
	for (uint32_t i = 0; i < from->n; i++)
		er_fields_add(to, a, from->v[i].name, from->v[i].value);
	return to;
}

const er_fields *er_law_said(const er_cache_law *law, er_arena *a, int status, const er_fields *response)
{
	if (law == NULL)
		return response;
	const er_fields *said = er_rules_said(law->rules, a, law->target, status, response);
	int64_t ttl;
	if (law->wishes == NULL || !wished_ttl(law->wishes, status, said, &ttl))
		return said;
	if (ttl >= 0 && sets_a_cookie_for_one(said))
		return said;
	er_fields *own = copy(a, said);
	if (ttl >= 0)
		er_rules_put_lifetime(own, a, ttl);
	else
		er_fields_set(own, a, ER_LIT("cdn-cache-control"), ER_LIT("no-store"));
	return own;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

er_cache_refusal er_law_bound(const er_cache_law *law, er_arena *a, er_slice method, const er_fields *request, int status,
                              const er_followed *followed, er_law_times times, er_freshness *fresh)
{
	int64_t ttl;
	bool wished = law->wishes != NULL && said_ttl(law->wishes, status, &ttl);
	for (const er_followed *r = followed; r != NULL; r = r->before) {
		if (wished && !said_ttl(law->wishes, r->status, &ttl))
			continue;
		const er_fields *said = er_law_said(law, a, r->status, &r->fields);
		er_freshness own = er_freshness_of(r->status, said, times.asked, times.came);
		er_cache_refusal why = er_freshness_refusal(method, request, r->status, said, &own);
		if (why == ER_CACHE_OK && er_fields_get(said, ER_LIT("vary")) != NULL)
			why = ER_CACHE_VARY;
		if (why != ER_CACHE_OK)
			return why;
		int64_t left = own.lifetime > own.age ? own.lifetime - own.age : 0;
		fresh->lifetime = least(fresh->lifetime, fresh->age + left);
		fresh->no_cache = fresh->no_cache || own.no_cache;
		fresh->strict = fresh->strict || own.strict;
		fresh->while_revalidate = least(fresh->while_revalidate, own.while_revalidate);
		fresh->if_error = least(fresh->if_error, own.if_error);
	}
	return ER_CACHE_OK;
}
