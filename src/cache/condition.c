/* Rules without a state. Entity tags are compared as opaque text: strongly for ranges, weakly for
 * the rest (RFC 9110 8.8.3.2). */
#include "cache/condition.h"

#include "http/date.h"

static er_slice opaque(er_slice tag)
{
	return er_slice_starts(tag, ER_LIT("W/")) ? er_slice_from(tag, 2) : tag;
}

/* The next member of a list of entity tags, which may have commas inside of their quotes. */
static bool next_tag(er_slice *rest, er_slice *tag)
{
	while (rest->n > 0 && (rest->p[0] == ',' || rest->p[0] == ' ' || rest->p[0] == '\t'))
		*rest = er_slice_from(*rest, 1);
	if (rest->n == 0)
		return false;
	size_t i = 0;
	for (bool quoted = false; i < rest->n && (quoted || rest->p[i] != ','); i++)
		quoted = rest->p[i] == '"' ? !quoted : quoted;
	*tag = er_slice_trim(er_slice_head(*rest, i));
	*rest = er_slice_from(*rest, i);
	return true;
}

static bool none_match(const er_fields *request, const er_slice *etag, bool *asked)
{
	for (uint32_t i = 0; i < request->n; i++) {
		if (!er_slice_ieq(request->v[i].name, ER_LIT("if-none-match")))
			continue;
		*asked = true;
		er_slice rest = request->v[i].value, tag;
		while (next_tag(&rest, &tag))
			if (er_slice_eq(tag, ER_LIT("*")) || (etag != NULL && er_slice_eq(opaque(tag), opaque(*etag))))
				return true;
	}
	return false;
}

bool er_condition_met(const er_fields *request, const er_fields *stored, int64_t came)
{
	bool asked = false;
	if (none_match(request, er_fields_get(stored, ER_LIT("etag")), &asked))
		return true;
	const er_slice *since = er_fields_get(request, ER_LIT("if-modified-since"));
	int64_t then, modified;
	if (asked || since == NULL || !er_date_parse(*since, came, &then))
		return false;
	const er_slice *from = er_fields_get(stored, ER_LIT("last-modified"));
	if (from == NULL)
		from = er_fields_get(stored, ER_LIT("date"));
	if (from == NULL || !er_date_parse(*from, came, &modified))
		modified = came;
	return modified <= then;
}

/* The second in which it was last modified was over when it was sent: nothing else has this date
 * (RFC 9110 8.8.2.2). */
static bool is_strong_date(const er_slice *modified, const er_slice *sent)
{
	int64_t then, now;
	return sent != NULL && er_date_parse(*sent, 0, &now) && er_date_parse(*modified, 0, &then) && then < now;
}

static bool same_date(er_slice a, er_slice b)
{
	int64_t one, other;
	return er_slice_eq(a, b) || (er_date_parse(a, 0, &one) && er_date_parse(b, 0, &other) && one == other);
}

bool er_condition_renews(const er_fields *stored, const er_fields *answer)
{
	const er_slice *had = er_fields_get(stored, ER_LIT("etag")), *has = er_fields_get(answer, ER_LIT("etag")),
	               *was = er_fields_get(stored, ER_LIT("last-modified")), *is = er_fields_get(answer, ER_LIT("last-modified"));
	if (had != NULL && has != NULL)
		return er_slice_eq(opaque(*had), opaque(*has));
	if (is != NULL)
		return was != NULL && same_date(*was, *is);
	return has == NULL;
}

bool er_condition_strong(const er_fields *response)
{
	const er_slice *etag = er_fields_get(response, ER_LIT("etag")), *modified = er_fields_get(response, ER_LIT("last-modified"));
	if (etag != NULL)
		return etag->n >= 2 && etag->p[0] == '"' && etag->p[etag->n - 1] == '"';
	return modified != NULL && is_strong_date(modified, er_fields_get(response, ER_LIT("date")));
}

static bool is_tag(er_slice text)
{
	return er_slice_starts(text, ER_LIT("\"")) || er_slice_starts(text, ER_LIT("W/"));
}

bool er_condition_by_date(const er_fields *request)
{
	const er_slice *it = er_fields_get(request, ER_LIT("if-range"));
	return it != NULL && !is_tag(*it);
}

bool er_condition_of_range(const er_fields *request, const er_fields *stored)
{
	const er_slice *it = NULL;
	for (uint32_t i = 0; i < request->n; i++) {
		if (!er_slice_ieq(request->v[i].name, ER_LIT("if-range")))
			continue;
		if (it != NULL) /* nobody may send two */
			return false;
		it = &request->v[i].value;
	}
	if (it == NULL)
		return true;
	const er_slice *etag = er_fields_get(stored, ER_LIT("etag")), *modified = er_fields_get(stored, ER_LIT("last-modified"));
	if (is_tag(*it))
		return etag != NULL && it->p[0] == '"' && er_slice_eq(*it, *etag);
	return modified != NULL && er_slice_eq(*it, *modified) && is_strong_date(modified, er_fields_get(stored, ER_LIT("date")));
}
