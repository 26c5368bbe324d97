/* What a sandbox may have put into its ring: the bytes as they are, frame after frame, as the node
 * reads them. */
#include "base/mem.h"
#include "cache/key.h"
#include "cache/law.h"
#include "cache/purge.h"
#include "channel/frame.h"
#include "http/freshness.h"
#include "isolate/wish.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void read_payload(er_slice payload)
{
	er_reader r = {.rest = payload};
	size_t total = 0;
	for (int i = 0; i < 1000 && !r.bad && r.rest.n > 0; i++) {
		er_slice s = i % 3 == 0 ? er_get_bytes(&r, er_get_u32(&r) & 15) : er_get_string(&r);
		total += s.n;
		for (size_t k = 0; k < s.n; k += 64)
			ER_ASSERT(s.p[k] == s.p[k]);
	}
	ER_ASSERT(total <= payload.n);
	if (r.bad) {
		ER_ASSERT(er_get_u32(&r) == 0);
		ER_ASSERT(er_get_string(&r).n == 0);
	}
}

/* Whatever a routine wishes, what is stored of it is under its own name, where nobody
 * else's key is. */
static void check_keys(er_arena *a, er_cache_wishes *w)
{
	er_request req = {.scheme = ER_LIT("https"), .authority = ER_LIT("shop.example")};
	const er_slice target = ER_LIT("/p?q"), origin = ER_LIT("shop"), stores[] = {{0}, ER_LIT("default")};
	w->owner = ER_LIT("r");
	er_slice plain = er_key_of(a, 1, origin, &req, target, (er_slice){0}), name;
	uint8_t scope;
	ER_ASSERT(!er_key_owner(plain, &scope, &name));
	for (size_t i = 0; i < 2; i++) {
		w->store = stores[i];
		er_slice key = er_key_apart(a, 1, origin, &req, target, (er_slice){0}, &(er_wishes){.cache = w});
		ER_ASSERT(key.n <= ER_KEY_MAX);
		if (key.n == 0)
			continue;
		ER_ASSERT(er_key_owner(key, &scope, &name) && scope == 1 && er_slice_eq(name, ER_LIT("r")));
		er_slice where = er_key_where(key);
		ER_ASSERT(er_slice_find(where, '/') < where.n && !er_slice_eq(key, plain));
		for (size_t k = 0; k < where.n; k++)
			ER_ASSERT(where.p[k] > ' ');
	}
}

/* What is said of an answer is said in the words that every cache reads. */
static void check_law(er_arena *a, const er_cache_wishes *w)
{
	static const int statuses[] = {200, 302, 404, 500};
	er_fields response = {0}, request = {0};
	er_fields_add(&response, a, ER_LIT("set-cookie"), ER_LIT("a=b"));
	const er_cache_law law = {.wishes = w, .target = ER_LIT("/p")};
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		const er_fields *said = er_law_said(&law, a, statuses[i], &response);
		er_freshness f = er_freshness_of(statuses[i], said, 1000, 1000);
		ER_ASSERT(f.lifetime >= 0 && f.lifetime <= ER_WISHED_SECONDS_MAX);
		ER_ASSERT(er_freshness_refusal(ER_LIT("GET"), &request, statuses[i], said, &f) != ER_CACHE_OK);
	}
	er_scopes scopes = er_scopes_of(a, ER_LIT("shop.example/p"), 1, &response);
	ER_ASSERT(er_scopes_add_tags(a, &scopes, w->tags) && scopes.n_tags <= ER_WISHED_TAGS);
}

/* What a FETCH wishes of the cache: what is taken keeps within its bounds and cannot break a line
 * of anything. */
static void read_wishes(er_slice text)
{
	er_arena a = {0};
	er_cache_wishes w;
	const char *why = NULL;
	if (er_wish_read(er_arena_copy(&a, text), ER_LIT("https"), &a, &w, &why)) {
		ER_ASSERT(w.key.n <= ER_WISHED_KEY_MAX && w.n_by_status <= ER_WISHED_TTLS && w.tags.n <= ER_WISHES_MAX);
		const er_slice texts[] = {w.key, w.tags, w.resolve};
		for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
			for (size_t k = 0; k < texts[i].n; k++)
				ER_ASSERT(texts[i].p[k] >= ' ');
		for (size_t i = 0; i < w.n_by_status; i++)
			ER_ASSERT(w.by_status[i].least >= 100 && w.by_status[i].least <= w.by_status[i].most && w.by_status[i].most <= 599 &&
			          w.by_status[i].seconds >= -1);
		ER_ASSERT(!w.admitted && !w.apart && !w.foreign && w.owner.n == 0 && w.store.n == 0);
		check_keys(&a, &w);
		check_law(&a, &w);
	} else {
		ER_ASSERT(why != NULL);
	}
	er_arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* A copy of exactly this size, so that a byte too far is seen. */
	uint8_t *copy = er_alloc(n);
	er_copy(copy, data, n);
	er_slice bytes = er_slice_of(copy, n);
	er_frame f;
	er_slice payload;
	size_t whole;
	er_frame_status got;
	while ((got = er_frame_read(bytes, &f, &payload, &whole)) == ER_FRAME_OK) {
		ER_ASSERT(whole >= ER_FRAME_HEAD && whole % 8 == 0 && whole <= bytes.n && payload.n == f.n);
		ER_ASSERT(er_frame_name(f.type)[0] != '\0');
		read_payload(payload);
		read_wishes(payload);
		bytes = er_slice_from(bytes, whole);
	}
	ER_ASSERT((got == ER_FRAME_WAIT) == (bytes.n == 0));
	er_free(copy);
	return 0;
}
