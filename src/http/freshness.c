/* Rules without a state. er_freshness_of reads what a response says about its life once, when it
 * comes; what is asked at every hit is arithmetic on that.
 *
 * A targeted field (CDN-Cache-Control) is read instead of Cache-Control and Expires, not beside
 * them (RFC 9213 2.1). */
#include "http/freshness.h"

#include "base/mem.h"
#include "http/directives.h"
#include "http/date.h"

enum {
	HEURISTIC_PART = 10,        /* of the time since it was last modified (RFC 9111 4.2.2) */
	HEURISTIC_MOST = 24 * 3600, /* and a day at most */
};

const char *er_cache_refusal_name(er_cache_refusal r)
{
	static const char *const names[] = {
#define X(name, token, text) token,
	    ER_CACHE_REFUSALS(X)
#undef X
	};
	ER_ASSERT(r < ER_CACHE_REFUSALS_N);
	return names[r];
}

const char *er_cache_refusal_text(er_cache_refusal r)
{
	static const char *const texts[] = {
#define X(name, token, text) text,
	    ER_CACHE_REFUSALS(X)
#undef X
	};
	ER_ASSERT(r < ER_CACHE_REFUSALS_N);
	return texts[r];
}

/* RFC 9110 15.1: cacheable without a word about it. 206 is not, since parts are not stored. */
static bool heuristic_status(int status)
{
	switch (status) {
	case 200:
	case 203:
	case 204:
	case 300:
	case 301:
	case 308:
	case 404:
	case 405:
	case 410:
	case 414:
	case 501:
		return true;
	default:
		return false;
	}
}

/* Whose caching this cache knows (RFC 9111 5.2.2.3). */
static bool understood(int status)
{
	switch (status) {
	case 302:
	case 303:
	case 307:
	case 400:
	case 403:
	case 500:
	case 502:
	case 503:
	case 504:
		return true;
	default:
		return heuristic_status(status);
	}
}

bool er_freshness_date(const er_fields *fields, er_slice name, int64_t now, int64_t *at)
{
	const er_slice *value = NULL;
	for (uint32_t i = 0; i < fields->n; i++) {
		if (!er_slice_ieq(fields->v[i].name, name))
			continue;
		if (value != NULL)
			return false;
		value = &fields->v[i].value;
	}
	return value != NULL && er_date_parse(*value, now, at);
}

/* The first member of the first line (RFC 9111 5.1). What is no number is ignored. */
static int64_t age_value(const er_fields *response)
{
	const er_slice *line = er_fields_get(response, ER_LIT("age"));
	uint64_t n;
	if (line == NULL)
		return 0;
	er_slice first = er_slice_trim(er_slice_head(*line, er_slice_find(*line, ',')));
	if (first.n == 0)
		return 0;
	for (size_t i = 0; i < first.n; i++)
		if (first.p[i] < '0' || first.p[i] > '9')
			return 0;
	if (!er_slice_u64(first, &n) || n > ER_CACHE_SECONDS_MAX)
		return ER_CACHE_SECONDS_MAX;
	return (int64_t)n;
}

static bool has(const er_fields *fields, er_slice name)
{
	return er_fields_get(fields, name) != NULL;
}

/* Which of the two fields speaks to this cache. */
static er_cache_directives directives_of(const er_fields *response, bool *targeted)
{
	er_cache_directives d;
	*targeted = er_cache_control_targeted(response, &d);
	return *targeted ? d : er_cache_control(response);
}

static int64_t clamp(int64_t seconds)
{
	return seconds < 0 ? 0 : seconds > ER_CACHE_SECONDS_MAX ? ER_CACHE_SECONDS_MAX : seconds;
}

/* RFC 9111 4.2.1. ER_CACHE_ABSENT: the response says nothing. */
static int64_t explicit_lifetime(const er_fields *response, const er_cache_directives *d, bool targeted, int64_t date,
                                 int64_t came)
{
	if (d->s_maxage != ER_CACHE_ABSENT)
		return d->s_maxage;
	if (d->max_age != ER_CACHE_ABSENT)
		return d->max_age;
	if (targeted || !has(response, ER_LIT("expires")))
		return ER_CACHE_ABSENT;
	int64_t expires;
	/* A date that is none is one in the past (RFC 9111 5.3). */
	return er_freshness_date(response, ER_LIT("expires"), came, &expires) ? clamp(expires - date) : 0;
}

er_freshness er_freshness_of(int status, const er_fields *response, int64_t asked, int64_t came)
{
	bool targeted;
	er_cache_directives d = directives_of(response, &targeted);
	int64_t date, modified, age = age_value(response) + clamp(came - asked);
	if (!er_freshness_date(response, ER_LIT("date"), came, &date))
		date = came;
	er_freshness f = {.age = clamp(age > came - date ? age : came - date), .no_cache = d.no_cache};
	f.strict = d.must_revalidate || d.proxy_revalidate || d.s_maxage != ER_CACHE_ABSENT || d.no_cache;
	f.while_revalidate = f.strict || d.stale_while_revalidate < 0 ? 0 : d.stale_while_revalidate;
	f.if_error = f.strict || d.stale_if_error < 0 ? 0 : d.stale_if_error;
	int64_t lifetime = explicit_lifetime(response, &d, targeted, date, came);
	if (lifetime == ER_CACHE_ABSENT && (heuristic_status(status) || d.public_) &&
	    er_freshness_date(response, ER_LIT("last-modified"), came, &modified) && modified < date) {
		f.heuristic = true;
		lifetime = (date - modified) / HEURISTIC_PART;
		lifetime = lifetime > HEURISTIC_MOST ? HEURISTIC_MOST : lifetime;
	}
	f.lifetime = lifetime > 0 ? lifetime : 0;
	return f;
}

static bool has_validator(const er_fields *response)
{
	return has(response, ER_LIT("etag")) || has(response, ER_LIT("last-modified"));
}

static bool varies_on_all(const er_fields *response)
{
	for (uint32_t i = 0; i < response->n; i++)
		if (er_slice_ieq(response->v[i].name, ER_LIT("vary")) && er_field_has_token(response->v[i].value, ER_LIT("*")))
			return true;
	return false;
}

/* Somebody else than the client that sent Authorization may have it (RFC 9111 3.5). A targeted
 * field says so in the same words (RFC 9213 2.1). */
static bool shared(const er_cache_directives *d)
{
	return d->public_ || d->s_maxage != ER_CACHE_ABSENT;
}

/* Somebody else than the client that gets the cookie may have it. No RFC says when: a lifetime that
 * is meant for this cache does. */
static bool shares_cookie(const er_cache_directives *d, bool targeted)
{
	return shared(d) || (targeted && d->max_age != ER_CACHE_ABSENT);
}

er_cache_refusal er_freshness_refusal(er_slice method, const er_fields *request, int status, const er_fields *response,
                                      const er_freshness *fresh)
{
	bool targeted, said;
	er_cache_directives d = directives_of(response, &targeted);
	if (!er_slice_eq(method, ER_LIT("GET")))
		return ER_CACHE_METHOD;
	/* By what the client asked of the response, not by what there is: wrong for all others. */
	if (status == 206 || status == 304 || status == 412 || status == 416)
		return ER_CACHE_PARTIAL;
	if (er_cache_control(request).no_store)
		return ER_CACHE_REQUEST_NO_STORE;
	if (d.must_understand && !understood(status))
		return ER_CACHE_UNDERSTAND;
	if (d.no_store && !d.must_understand)
		return ER_CACHE_NO_STORE;
	if (d.private_)
		return ER_CACHE_PRIVATE;
	if (has(request, ER_LIT("authorization")) && !shared(&d) && !d.must_revalidate)
		return ER_CACHE_AUTHORIZATION;
	if (has(response, ER_LIT("set-cookie")) && !shares_cookie(&d, targeted))
		return ER_CACHE_SET_COOKIE;
	if (varies_on_all(response))
		return ER_CACHE_VARY;
	said = d.max_age != ER_CACHE_ABSENT || d.s_maxage != ER_CACHE_ABSENT || (!targeted && has(response, ER_LIT("expires")));
	if (!said && !heuristic_status(status) && !d.public_)
		return ER_CACHE_STATUS;
	/* Stale at once, and nothing to validate it with: never of use. */
	bool useful = fresh->lifetime > fresh->age || fresh->while_revalidate > 0 || fresh->if_error > 0;
	return (useful && !fresh->no_cache) || has_validator(response) ? ER_CACHE_OK : ER_CACHE_NO_LIFETIME;
}

er_freshness_use er_freshness_use_at(const er_freshness *f, int64_t age)
{
	if (f->no_cache)
		return ER_USE_VALIDATE;
	if (age < f->lifetime)
		return ER_USE_FRESH;
	return age - f->lifetime < f->while_revalidate ? ER_USE_STALE : ER_USE_VALIDATE;
}

bool er_freshness_on_error(const er_freshness *f, int64_t age)
{
	return !f->no_cache && (age < f->lifetime || age - f->lifetime < f->if_error);
}
