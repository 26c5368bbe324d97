/* Pure. Each line is looked at once. What an honest prelude cannot say is refused like what a
 * person has written wrongly: nothing of it is believed. */
#include "isolate/wish.h"

#include "base/mem.h"
#include "channel/contract.h"
#include "http/authority.h"

enum { TAG_MAX = 1024 };

typedef struct reading {
	er_cache_wishes *w;
	er_slice scheme;
	er_arena *a;
	uint8_t *tags; /* where the next tag goes */
	size_t n_tags;
	bool resolves;
} reading;

/* No control characters: neither in a key, nor in what becomes part of a field. */
static bool is_text(er_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.n > 0;
}

static bool read_seconds(er_slice text, int64_t *out)
{
	uint64_t n;
	if (er_slice_eq(text, ER_LIT("-1"))) {
		*out = -1;
		return true;
	}
	if (!er_slice_u64(text, &n) || n > ER_WISHED_SECONDS_MAX)
		return false;
	*out = (int64_t)n;
	return true;
}

static const char *read_key(reading *r, er_slice value)
{
	if (r->w->key.n > 0 || !is_text(value) || value.n > ER_WISHED_KEY_MAX)
		return "cacheKey is a text of 1 to 4096 bytes without control characters";
	r->w->key = value;
	return NULL;
}

static const char *read_ttl(reading *r, er_slice value)
{
	if (r->w->has_ttl || !read_seconds(value, &r->w->ttl))
		return "cacheTtl is a number of seconds, or -1";
	r->w->has_ttl = true;
	return NULL;
}

static const char *read_status(reading *r, er_slice value)
{
	static const char why[] = "cacheTtlByStatus has at most 32 members, as \"200-299\": 86400";
	er_cache_wishes *w = r->w;
	size_t dash = er_slice_find(value, '-'), is = er_slice_find(value, '=');
	uint64_t least, most;
	int64_t seconds;
	if (w->n_by_status == ER_WISHED_TTLS || dash >= is || is == value.n)
		return why;
	if (!er_slice_u64(er_slice_head(value, dash), &least) ||
	    !er_slice_u64(er_slice_of(value.p + dash + 1, is - dash - 1), &most) ||
	    !read_seconds(er_slice_from(value, is + 1), &seconds) || least < 100 || most > 599 || least > most)
		return why;
	w->by_status[w->n_by_status++] = (er_wished_ttl){.least = (uint16_t)least, .most = (uint16_t)most, .seconds = seconds};
	return NULL;
}

static const char *read_tag(reading *r, er_slice value)
{
	value = er_slice_trim(value);
	if (r->n_tags == ER_WISHED_TAGS || !is_text(value) || value.n > TAG_MAX || er_slice_find(value, ',') < value.n)
		return "cacheTags has at most 100 tags of 1 to 1024 bytes without a comma or control characters";
	if (r->n_tags++ > 0)
		*r->tags++ = ',';
	er_copy(r->tags, value.p, value.n);
	r->tags += value.n;
	return NULL;
}

static const char *read_everything(reading *r, er_slice value)
{
	if (r->w->everything || !er_slice_eq(value, ER_LIT("1")))
		return "cacheEverything is true or false";
	r->w->everything = true;
	return NULL;
}

static const char *read_resolve(reading *r, er_slice value)
{
	er_slice host = er_arena_copy(r->a, value);
	if (r->resolves || !er_authority_read(r->a, host, r->scheme, &r->w->resolve) || r->w->resolve.n == 0)
		return "resolveOverride is a host, or a host and a port";
	r->resolves = true;
	return NULL;
}

static const struct {
	const char *word;
	const char *(*read)(reading *r, er_slice value);
} words[] = {
    {"key", read_key},        {"ttl", read_ttl}, {"status", read_status}, {"tag", read_tag}, {"everything", read_everything},
    {"resolve", read_resolve}};

static const char *read_line(reading *r, er_slice word, er_slice value)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (er_slice_eq(word, er_slice_cstr(words[i].word)))
			return words[i].read(r, value);
	return "what is wished of the cache is not known here";
}

static bool take_line(er_slice *rest, er_slice *line)
{
	size_t n = er_slice_find(*rest, '\n');
	if (n == rest->n)
		return false;
	*line = er_slice_head(*rest, n);
	*rest = er_slice_from(*rest, n + 1);
	return true;
}

bool er_wish_read(er_slice text, er_slice scheme, er_arena *a, er_cache_wishes *out, const char **why)
{
	er_slice word, value;
	*out = (er_cache_wishes){0};
	*why = "what is wished of the cache has more than 16 KB";
	if (text.n > ER_WISHES_MAX)
		return false;
	uint8_t *tags = er_arena_alloc(a, text.n + 1);
	reading r = {.w = out, .scheme = scheme, .a = a, .tags = tags};
	while (text.n > 0) {
		*why = "what is wished of the cache is malformed";
		if (!take_line(&text, &word) || !take_line(&text, &value))
			return false;
		const char *wrong = read_line(&r, word, value);
		if (wrong != NULL) {
			*why = wrong;
			return false;
		}
	}
	out->tags = er_slice_of(tags, (size_t)(r.tags - tags));
	return true;
}

bool er_wish_stores(const er_cache_wishes *w)
{
	return w->key.n > 0 || w->has_ttl || w->n_by_status > 0 || w->everything;
}
