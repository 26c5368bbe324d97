/* What a sandbox may have put into its ring: the bytes as they are, frame after frame, as the node
 * reads them. */
#include "base/mem.h"
#include "channel/frame.h"
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
		ER_ASSERT(!w.admitted && !w.apart && !w.foreign && w.owner.n == 0);
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
