/* What strangers write into fields that the cache decides by. The input is lines: those before an
 * empty line are the response's, those behind it the first request's, and behind another empty line
 * the second request's; the first byte chooses status and method. Every decision must be made,
 * agree with itself, and stay within its bounds. */
#include "base/mem.h"
#include "cache/coded.h"
#include "cache/condition.h"
#include "http/directives.h"
#include "http/freshness.h"
#include "cache/pieces.h"
#include "cache/range.h"
#include "cache/vary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { NOW = 784111777 };

static er_slice read_fields(er_slice rest, er_arena *a, er_fields *to)
{
	while (rest.n > 0) {
		size_t end = er_slice_find(rest, '\n');
		er_slice line = er_slice_head(rest, end);
		rest = er_slice_from(rest, end + 1);
		if (line.n == 0)
			break;
		size_t colon = er_slice_find(line, ':');
		er_slice value = er_slice_trim(er_slice_from(line, colon + 1));
		if (er_field_value_ok(value))
			er_fields_add(to, a, er_slice_head(line, colon), value);
	}
	return rest;
}

static void check_seconds(int64_t seconds)
{
	ER_ASSERT(seconds >= ER_CACHE_ABSENT && seconds <= ER_CACHE_SECONDS_MAX);
}

static void check_directives(const er_cache_directives *d)
{
	check_seconds(d->max_age);
	check_seconds(d->s_maxage);
	check_seconds(d->stale_while_revalidate);
	check_seconds(d->stale_if_error);
}

static void check_freshness(er_slice method, const er_fields *request, int status, const er_fields *response)
{
	er_freshness f = er_freshness_of(status, response, NOW, NOW + 2);
	ER_ASSERT(f.age >= 2 && f.age <= ER_CACHE_SECONDS_MAX);
	ER_ASSERT(f.lifetime >= 0 && f.while_revalidate >= 0 && f.if_error >= 0);
	ER_ASSERT(!f.strict || (f.while_revalidate == 0 && f.if_error == 0));
	ER_ASSERT(!f.no_cache || er_freshness_use_at(&f, 0) == ER_USE_VALIDATE);
	er_cache_refusal why = er_freshness_refusal(method, request, status, response, &f);
	ER_ASSERT(why < ER_CACHE_REFUSALS_N);
	er_cache_directives d;
	if (!er_cache_control_targeted(response, &d))
		d = er_cache_control(response);
	check_directives(&d);
	if (why == ER_CACHE_OK) {
		ER_ASSERT(!d.private_ && (!d.no_store || d.must_understand));
		ER_ASSERT(er_fields_get(request, ER_LIT("authorization")) == NULL || d.public_ || d.must_revalidate ||
		          d.s_maxage != ER_CACHE_ABSENT);
	}
}

static void check_variant(er_arena *a, const er_fields *response, const er_fields *first, const er_fields *second)
{
	er_variant v, w;
	if (!er_variant_of(a, response, first, &v))
		return;
	ER_ASSERT(v.n <= ER_VARY_FIELDS && er_variant_matches(&v, first, a));
	ER_ASSERT(er_variant_of(a, response, second, &w));
	ER_ASSERT(er_variant_matches(&v, second, a) == er_variant_matches(&w, first, a));
}

/* The one text of a request means what the request means, and is its own. */
static void check_codings(er_arena *a, int status, const er_fields *response, const er_fields *request)
{
	er_exchange x = {.req = {.fields = *request}};
	er_coding order[ER_CODINGS];
	size_t n = er_coded_order(&x, ER_CODED_ALL, order);
	ER_ASSERT(n <= ER_CODINGS && er_codable_of(status, response) <= ER_CODABLE_VARIES);
	er_accept_encoding said, again;
	er_accept_encoding_read(request, &said);
	if (!said.said)
		return;
	er_slice text = er_accept_encoding_text(&said, a);
	er_fields one = {0};
	er_fields_add(&one, a, ER_LIT("accept-encoding"), text);
	er_accept_encoding_read(&one, &again);
	ER_ASSERT(er_slice_eq(er_accept_encoding_text(&again, a), text));
	for (size_t i = 0; i < n; i++)
		ER_ASSERT(er_accept_encoding_weight(&said, order[i]) > 0 && er_accept_encoding_weight(&again, order[i]) > 0);
}

/* Within the body, and no byte twice. */
static void check_ranges(const er_fields *request, const er_fields *stored, uint64_t length)
{
	er_ranges r;
	if (er_ranges_of(request, stored, length, &r) != ER_RANGE_PART)
		return;
	ER_ASSERT(r.n > 0 && r.n <= ER_RANGES_MOST);
	for (uint32_t i = 0; i < r.n; i++) {
		er_range a = r.v[i];
		ER_ASSERT(a.n > 0 && a.from < length && a.n <= length - a.from);
		for (uint32_t k = 0; k < i; k++)
			ER_ASSERT(a.from + a.n < r.v[k].from || r.v[k].from + r.v[k].n < a.from);
	}
}

/* A piece lies in what it is a piece of, and is what was asked for. */
static void check_piece(const er_fields *request, const er_fields *response)
{
	er_range part;
	er_ranges r;
	uint64_t whole;
	if (!er_range_said(response, &part, &whole))
		return;
	ER_ASSERT(part.n > 0 && part.from < whole && part.n <= whole - part.from);
	if (part.n <= INT64_MAX && er_piece_fits(request, response, (int64_t)part.n))
		ER_ASSERT(er_ranges_of(request, response, whole, &r) == ER_RANGE_PART && r.n == 1 && r.v[0].from == part.from);
	ER_ASSERT(!er_piece_fits(request, response, -1));
}

/* A 304 that was believed is believed again. */
static void check_renewal(const er_fields *stored, const er_fields *answer)
{
	(void)er_condition_renews(stored, answer);
	ER_ASSERT(er_condition_renews(stored, stored));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 1 || n > 16 * 1024)
		return 0;
	static const int statuses[] = {200, 204, 206, 302, 304, 404, 500, 599};
	int status = statuses[data[0] & 7];
	er_slice method = data[0] & 8 ? ER_LIT("HEAD") : ER_LIT("GET");
	er_arena a = {0};
	er_fields response = {0}, first = {0}, second = {0};
	er_slice rest = read_fields(er_slice_of(data + 1, n - 1), &a, &response);
	rest = read_fields(rest, &a, &first);
	read_fields(rest, &a, &second);
	er_cache_directives d = er_cache_control(&first);
	check_directives(&d);
	check_freshness(method, &first, status, &response);
	check_variant(&a, &response, &first, &second);
	check_codings(&a, status, &response, &first);
	check_ranges(&first, &response, 0);
	check_ranges(&first, &response, 10);
	check_ranges(&first, &response, UINT64_MAX / 2);
	check_ranges(&first, &response, UINT64_MAX);
	(void)er_condition_met(&first, &response, NOW);
	check_piece(&first, &response);
	check_renewal(&response, &second);
	er_arena_fini(&a);
	return 0;
}
