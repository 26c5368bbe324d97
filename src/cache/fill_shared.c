/* What others than a fill's own thread do with a fill: hold it, wait for its head, let go of it. */
#include "cache/fill.h"

#include "base/mem.h"

static const uint8_t next[FILL_STATES_N][FILL_EVENTS_N] = {
    [FILL_ASKED] = {[FILL_ON_KEPT] = ER_TO(FILL_STORED),
                    [FILL_ON_SPARED] = ER_TO(FILL_STALE),
                    [FILL_ON_OWN] = ER_TO(FILL_ALONE),
                    [FILL_ON_ERROR] = ER_TO(FILL_FAILED)},
};

const er_states er_fill_states = ER_STATES_TABLE("fill", FILL, ER_FILL_STATES, ER_FILL_EVENTS, next);

er_fill *er_fill_ref(er_fill *f)
{
	ER_CHECK(f, ER_FILL_MAGIC);
	__atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED);
	return f;
}

void er_fill_unref(er_fill *f)
{
	if (f == NULL)
		return;
	ER_CHECK(f, ER_FILL_MAGIC);
	if (__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	ER_ASSERT(er_list_empty(&f->waiting) && f->x == NULL && f->down == NULL && f->stream == NULL && !f->finds);
	er_stored_unref(f->stored);
	er_stored_unref(f->stale);
	er_stored_unref(f->written);
	er_cache_rules_unref(f->rules);
	er_content_unref(f->content);
	er_arena_fini(&f->arena);
	pthread_mutex_destroy(&f->lock);
	f->magic = 0;
	er_free(f);
}

bool er_fill_wait(er_fill *f, er_wait *wait)
{
	ER_CHECK(f, ER_FILL_MAGIC);
	pthread_mutex_lock(&f->lock);
	bool waits = f->state.now == FILL_ASKED;
	if (waits)
		er_wait_list(wait, &f->waiting);
	pthread_mutex_unlock(&f->lock);
	return waits;
}
