/* The handler, and the tasks.
 *
 * A request that the store can answer is answered inside of `handle`, without a task. Every other
 * one becomes a task, which looks (`look`) until it knows what to do: read what is stored, wait for
 * a fill that another request has begun, or begin one. A task looks again when the response that it
 * waited for was for somebody else alone, or when the bytes of what it found are not there any more
 * (they have passed by, or their fill broke off): at most LOOKS times, and then asks for itself.
 *
 * A task holds its exchange, and ends with the answer (`done`) or with on_cancel. */
#include "cache/cache.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cache/condition.h"
#include "http/directives.h"
#include "cache/key.h"
#include "cache/pieces.h"
#include "cache/task.h"
#include "http/url.h"

enum { MAGIC = 0x43414348, TASK = 0x5441534b, LOOKS = 3, CLOCK_MS = 1000 };

static void look(er_task *t);
static void validate_behind(const er_cache_place *p, er_exchange *x, er_slice key, uint64_t hash, er_stored *stale);

/* ---- methods, and what they void ---- */

/* Empty: its rules need more of the request than fits a key. */
static er_slice key_of(const er_cache_place *p, er_exchange *x, er_slice target)
{
	er_slice parts;
	er_arena *a = &x->arena;
	const er_cache_wishes *w = x->wishes.cache;
	if (!er_rules_parts(p->rules, a, &x->req.fields, &parts))
		return (er_slice){0};
	target = er_rules_target(p->rules, a, target);
	if (w != NULL && w->apart)
		return er_key_apart(a, p->scope, p->origin, &x->req, target, parts, &x->wishes);
	return er_key_of(a, p->scope, p->origin, &x->req, target, parts);
}

static bool is_read(er_slice method)
{
	return er_slice_eq(method, ER_LIT("GET")) || er_slice_eq(method, ER_LIT("HEAD"));
}

/* RFC 9110 9.2.1. */
static bool is_safe(er_slice method)
{
	return is_read(method) || er_slice_eq(method, ER_LIT("OPTIONS")) || er_slice_eq(method, ER_LIT("TRACE"));
}

static void purge_key(er_cache *c, er_slice key)
{
	if (key.n == 0)
		return;
	uint64_t hash = er_index_hash(key);
	er_index_purge(c->index, key, hash);
	/* behind: what the disk finds meanwhile does not come into the index any more */
	if (c->disk != NULL)
		er_disk_drop(c->disk, key, hash);
}

static void purge(er_task *t, er_slice target)
{
	const er_cache_place *p = &t->place;
	er_arena *a = &t->x->arena;
	er_slice key = key_of(p, t->x, target);
	if (er_rules_have_parts(p->rules)) { /* the keys of other requests, too */
		er_slice any = er_key_of(a, p->scope, p->origin, &t->x->req, er_rules_target(p->rules, a, target), (er_slice){0});
		er_purges *purges = er_index_purge_table(p->cache->index);
		er_purges_void(purges, p->site, er_key_where(any), er_purges_next(purges));
	}
	if (key.n == 0)
		return;
	purge_key(p->cache, key);
	purge_key(p->cache, er_key_of_pieces(a, key));
}

/* The URL that a field of the answer names, if it is of the same origin (RFC 9111 4.4). */
static void purge_named(er_task *t, const er_fields *fields, er_slice name)
{
	const er_slice *value = er_fields_get(fields, name);
	er_exchange *x = t->x;
	er_url base, u;
	if (value == NULL)
		return;
	er_slice self =
	    er_arena_printf(&x->arena, "%.*s://%.*s%.*s", ER_FMT(x->req.scheme), ER_FMT(x->req.authority), ER_FMT(x->req.target));
	if (!er_url_parse(&base, self, NULL))
		return;
	if (er_url_parse(&u, *value, &base)) {
		if (er_slice_eq(er_url_get(&u, ER_URL_HOST), x->req.authority)) {
			er_slice target = er_arena_printf(&x->arena, "%.*s%.*s", ER_FMT(er_url_get(&u, ER_URL_PATHNAME)),
			                                  ER_FMT(er_url_get(&u, ER_URL_SEARCH)));
			purge(t, target);
		}
		er_url_fini(&u);
	}
	er_url_fini(&base);
}

/* The answer to an unsafe request that went well: what is stored of its URL is void. */
static void invalidate(er_task *t, const er_exchange *from)
{
	if (is_safe(t->x->req.method) || from->res.error != ER_ERR_OK || from->res.status < 200 || from->res.status >= 400)
		return;
	purge(t, t->x->req.target);
	purge_named(t, &from->res.fields, ER_LIT("location"));
	purge_named(t, &from->res.fields, ER_LIT("content-location"));
}

/* ---- tasks ---- */

static void free_task(er_task *t)
{
	ER_CHECK(t, TASK);
	ER_ASSERT(t->fill == NULL && t->wait.place == ER_WAIT_NOWHERE);
	t->magic = 0;
	er_cache_rules_unref(t->place.rules);
	er_free(t);
}

/* x->res is filled. */
static void done(er_task *t)
{
	er_exchange *x = t->x;
	free_task(t);
	x->on_cancel = NULL;
	er_exchange_answer(x);
	er_exchange_unref(x);
}

static void let_go_of_fill(er_task *t)
{
	er_fill *f = t->fill;
	t->fill = NULL;
	t->began = false;
	er_fill_unref(f);
}

static void on_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	(void)reason;
	er_task *t = ctx;
	ER_CHECK(t, TASK);
	ER_ASSERT(t->x == x);
	er_fill *f = t->fill;
	if (f != NULL) {
		er_wait_cancel(&t->wait, &f->lock);
		if (t->began)
			er_fill_left(f);
		let_go_of_fill(t);
	}
	free_task(t);
	er_exchange_unref(x);
}

/* A body that is on its way may become one that is compressed. */
static bool may_be_coded(const er_stored *s)
{
	return er_content_whole(s->content) ? er_coded_length_ok(er_content_length(s->content))
	                                    : s->promised < 0 || er_coded_length_ok((uint64_t)s->promised);
}

/* The representation that this request gets: of those that are there the one that it wants most, as
 * long as the one that it wants most of all is being made. One reference to the content. */
static er_answer_form choose_form(const er_cache_place *p, const er_exchange *x, er_stored *s)
{
	er_answer_form form = {0};
	er_coding order[ER_CODINGS];
	er_cache *c = p->cache;
	unsigned allowed = er_rules_codings(p->rules);
	if (s->codable == ER_CODABLE_NOT || allowed == 0 || c->compressor == NULL || er_answer_is_own(x) || !may_be_coded(s))
		return form;
	form.varies = s->codable == ER_CODABLE;
	size_t n = er_content_whole(s->content) ? er_coded_order(x, allowed, order) : 0;
	for (size_t i = 0; i < n && form.content == NULL; i++) {
		form.coding = order[i];
		form.content = er_content_form(s->content, order[i]);
	}
	if (n > 0 && (form.content == NULL || form.coding != order[0]))
		er_compressor_want(c->compressor, s, order[0]);
	form.no_range = n > 0 && er_condition_by_date(&x->req.fields);
	if (form.content != NULL)
		er_keep_form(c->index, c->disk, s, form.coding);
	return form;
}

/* Fills the answer. False: its bytes are not there any more. It is out of the store then. */
static bool read_stored(const er_cache_place *p, er_exchange *x, er_stored *s, uint64_t now_us, const er_cache_use *use)
{
	er_cache *c = p->cache;
	er_answer_form form = choose_form(p, x, s);
	bool there = er_answer_stored(x, s, &form, c->port, now_us, use);
	if (!there && form.content != NULL) {
		er_content_form_lost(s->content, form.coding, form.content);
		er_content_unref(form.content);
		form.content = NULL;
		there = er_answer_stored(x, s, &form, c->port, now_us, use);
	}
	er_content_unref(form.content);
	if (!there)
		er_index_drop(c->index, s);
	return there;
}

typedef enum found_use {
	USED,  /* the answer is filled */
	ASK,   /* nothing is stored, or it is to be validated first */
	AGAIN, /* what was stored is not there any more */
	APART, /* it comes too late for this request, which is better asked for itself */
} found_use;

/* Answers from what was found, if that may be used without asking; counts it. */
static found_use use_found(const er_cache_place *p, er_exchange *x, er_slice key, uint64_t hash, er_stored *s, uint64_t now_us)
{
	er_freshness_use how = s != NULL ? er_freshness_use_at(&s->fresh, er_stored_age_used(s, now_us)) : ER_USE_VALIDATE;
	/* Who fills the cache waits for what a client would not wait for. */
	if (how == ER_USE_VALIDATE || (how == ER_USE_STALE && x->wishes.prefetch))
		return ASK;
	if (er_answer_waits(x, s))
		return APART;
	if (!read_stored(p, x, s, now_us, &(er_cache_use){0}))
		return AGAIN;
	if (how == ER_USE_STALE) {
		er_cache_count(&er_cache_stats_of(p, &x->wishes)->stale);
		validate_behind(p, x, key, hash, s);
	} else {
		er_cache_count(&er_cache_stats_of(p, &x->wishes)->hits);
	}
	return USED;
}

/* What another request's fill has become. */
static void read_fill(er_task *t)
{
	er_fill *f = t->fill;
	pthread_mutex_lock(&f->lock);
	er_fill_state now = (er_fill_state)f->state.now;
	er_stored *s = now != FILL_ALONE && f->stored != NULL ? er_stored_ref(f->stored) : NULL;
	int status = f->status;
	er_err_kind error = f->error;
	bool from_disk = f->from_disk;
	char text[sizeof f->text];
	er_copy(text, f->text, sizeof text);
	pthread_mutex_unlock(&f->lock);
	ER_ASSERT(now != FILL_ASKED);
	t->refresh = false; /* it is as new as what this one would have asked for */
	er_cache_stats *stats = er_cache_stats_of(&t->place, &t->x->wishes);
	er_cache_use use = {.forward = t->forward, .collapsed = true, .spared = now == FILL_STALE};
	if (from_disk) /* nothing was forwarded */
		use = (er_cache_use){.forward = FWD_NONE, .from_disk = true};
	if (now == FILL_FAILED) {
		let_go_of_fill(t);
		er_cache_count(&stats->collapsed);
		er_answer_failed(t->x, status, error, text, &use);
		done(t);
		return;
	}
	bool served = s != NULL && er_variant_matches(&s->variant, &t->x->req.fields, &t->x->arena) &&
	              read_stored(&t->place, t->x, s, er_clock_mono_us(), &use);
	er_stored_unref(s);
	let_go_of_fill(t); /* after the content: the fill goes on as long as somebody reads */
	if (!served) {
		look(t);
		return;
	}
	if (from_disk)
		er_cache_count(&stats->hits);
	else
		er_cache_count(&stats->collapsed);
	done(t);
}

static void on_news(er_wait *wait)
{
	er_task *t = ER_CONTAINER(wait, er_task, wait);
	ER_CHECK(t, TASK);
	read_fill(t);
}

/* What the origin followed for a routine is of the account of its request (origin.h). */
static void count_redirects(er_exchange *x, const er_exchange *from)
{
	er_exchange_facts *to = &x->facts;
	if (x->wishes.cache == NULL || !x->wishes.cache->foreign)
		return;
	to->subrequests += from->facts.subrequests;
	for (size_t i = 0; i < sizeof to->subrequests_by_class / sizeof *to->subrequests_by_class; i++)
		to->subrequests_by_class[i] += from->facts.subrequests_by_class[i];
}

static void on_head(er_task *t, er_exchange *from, er_cache_refusal why)
{
	ER_CHECK(t, TASK);
	er_fill *f = t->fill;
	count_redirects(t->x, from);
	er_cache_use use = {.forward = t->forward, .status = from->res.error == ER_ERR_OK ? from->res.status : 0, .refusal = why};
	if (f->stale != NULL && t->forward == FWD_MISS) /* the disk had it */
		use.forward = FWD_STALE;
	if (f->stored != NULL) {
		use.stored = f->state.now == FILL_STORED;
		use.spared = f->state.now == FILL_STALE;
		use.lost = use.stored && !f->kept && !f->from_disk;
		if (f->from_disk)
			use = (er_cache_use){.forward = FWD_NONE, .from_disk = true};
		if (!read_stored(&t->place, t->x, f->stored, er_clock_mono_us(), &use)) {
			let_go_of_fill(t);
			look(t);
			return;
		}
		if (f->state.now == FILL_STALE)
			er_cache_count(&er_cache_stats_of(&t->place, &t->x->wishes)->stale);
	} else if (er_answer_is_own(t->x)) {
		er_answer_miss(t->x);
	} else {
		if (t->key.n == 0) /* not a question for the store: no word about why it was not stored */
			use.refusal = ER_CACHE_OK;
		invalidate(t, from);
		er_answer_alone(t->x, from, &use);
	}
	let_go_of_fill(t);
	done(t);
}

/* ---- looking ---- */

/* A fill that others may wait for. NULL: there is one already, or answers of the key
 * are for one. */
static er_fill *listed_fill(const er_cache_place *p, er_slice key, uint64_t hash, er_stored *stale)
{
	er_fill *f = er_fill_new(p, key, hash, stale);
	f->listed = er_index_begin(p->cache->index, key, hash, f, er_clock_mono_us());
	if (f->listed)
		return f;
	er_list_remove(&f->link);
	er_cache_fills_add(p->cache, -1);
	er_fill_unref(f);
	return NULL;
}

/* The task asks by this fill. Not the disk again, if what it has could not be read. */
static void begin(er_task *t, er_fill *f)
{
	f->first = t;
	f->counts = true;
	f->asks_disk = is_read(t->x->req.method) && t->x->req.body == NULL && !t->alone && t->looks <= LOOKS;
	f->refresh = t->refresh;
	t->refresh = false;
	t->began = true;
	t->fill = er_fill_ref(f);
	er_fill_start(f, t->x, t->place.chain);
}

/* Asks for this request alone. */
static void ask_alone(er_task *t)
{
	begin(t, er_fill_new(&t->place, t->key, t->hash, NULL));
}

/* For a part of what comes. */
static void ask_apart(er_task *t)
{
	t->forward = FWD_PARTIAL;
	t->alone = true; /* the disk has not got it either */
	ask_alone(t);
}

/* Validates what is stored, while it is used as it is. */
static void validate_behind(const er_cache_place *p, er_exchange *x, er_slice key, uint64_t hash, er_stored *stale)
{
	if (er_cache_control(&x->req.fields).only_if_cached)
		return;
	er_fill *f = listed_fill(p, key, hash, stale);
	if (f != NULL)
		er_fill_start(f, x, p->chain);
}

/* Asks the disk and nobody else. */
static void ask_disk(er_task *t)
{
	er_fill *f = er_fill_new(&t->place, t->key, t->hash, NULL);
	f->asks_disk_only = true;
	begin(t, f);
}

static void ask_for_all(er_task *t, er_stored *stale)
{
	er_fill *f = listed_fill(&t->place, t->key, t->hash, stale);
	if (f == NULL) { /* another thread was faster */
		look(t);
		return;
	}
	begin(t, f);
}

static void wait_for(er_task *t, er_fill *f)
{
	t->fill = f;
	if (!er_fill_wait(f, &t->wait))
		read_fill(t);
}

/* It asks for less than the whole. Players begin with all of it, as a range. */
static bool asks_for_part(const er_exchange *x)
{
	const er_slice *range = er_fields_get(&x->req.fields, ER_LIT("range"));
	return range != NULL && !er_slice_ieq(*range, ER_LIT("bytes=0-"));
}

/* May the answer to this request be one that all can have? */
static bool may_be_for_all(const er_exchange *x, const er_cache_directives *said)
{
	return !said->no_store && er_slice_eq(x->req.method, ER_LIT("GET")) && x->req.body == NULL &&
	       er_fields_get(&x->req.fields, ER_LIT("if-match")) == NULL &&
	       er_fields_get(&x->req.fields, ER_LIT("if-unmodified-since")) == NULL;
}

/* Answers from a stored piece of what is not stored as a whole. */
static bool use_piece(er_task *t)
{
	er_exchange *x = t->x;
	er_cache *c = t->place.cache;
	er_slice key = er_key_of_pieces(&x->arena, t->key);
	uint64_t now_us = er_clock_mono_us();
	er_stored *s = key.n > 0 ? er_piece_find(c->index, key, er_index_hash(key), &x->req.fields, now_us) : NULL;
	bool used = s != NULL && read_stored(&t->place, x, s, now_us, &(er_cache_use){0});
	if (used)
		er_cache_count(&er_cache_stats_of(&t->place, &x->wishes)->hits);
	er_stored_unref(s);
	return used;
}

/* Goes on from what was found, which cannot be used as it is. The references stay the caller's. */
static void go_on(er_task *t, const er_index_found *found)
{
	er_exchange *x = t->x;
	er_cache_directives said = er_cache_control(&x->req.fields);
	t->forward = found->stored != NULL ? FWD_STALE : found->others ? FWD_VARY : FWD_MISS;
	t->alone = found->alone;
	bool all = may_be_for_all(x, &said), part = all && asks_for_part(x);
	if (part && found->stored == NULL && !x->wishes.refresh && use_piece(t)) {
		done(t);
	} else if (said.only_if_cached && t->place.cache->disk != NULL && t->looks <= LOOKS && found->stored == NULL) {
		ask_disk(t);
	} else if (said.only_if_cached) {
		er_answer_only_if_cached(x);
		done(t);
	} else if (found->alone || !all || (part && found->stored == NULL)) {
		ask_alone(t);
	} else if (found->fill != NULL) {
		wait_for(t, er_fill_ref(found->fill));
	} else {
		ask_for_all(t, found->stored);
	}
}

static void let_go_of_found(er_index_found *found)
{
	er_stored_unref(found->stored);
	er_fill_unref(found->fill);
}

static void look(er_task *t)
{
	er_exchange *x = t->x;
	uint64_t now_us = er_clock_mono_us();
	bool looked = t->key.n == 0 || t->looks++ == LOOKS;
	if (looked && er_cache_control(&x->req.fields).only_if_cached) {
		er_answer_only_if_cached(x);
		done(t);
		return;
	}
	if (looked) {
		ask_alone(t);
		return;
	}
	er_index_found found = er_index_find(t->place.cache->index, t->key, t->hash, &x->req.fields, &x->arena, now_us);
	switch (t->refresh ? ASK : use_found(&t->place, x, t->key, t->hash, found.stored, now_us)) {
	case USED: /* it came meanwhile */
		done(t);
		break;
	case ASK:
		go_on(t, &found);
		break;
	case AGAIN:
		look(t);
		break;
	case APART:
		ask_apart(t);
		break;
	}
	let_go_of_found(&found);
}

/* ---- the handler ---- */

static er_task *new_task(const er_cache_place *p, er_exchange *x, er_slice key, uint64_t hash)
{
	er_task *t = ER_NEW(er_task);
	*t = (er_task){.magic = TASK, .x = er_exchange_ref(x), .place = *p, .key = key, .hash = hash};
	t->place.origin = er_arena_copy(&x->arena, p->origin);
	t->place.rules = er_cache_rules_ref(p->rules);
	t->forward = key.n > 0 ? FWD_MISS : FWD_METHOD;
	t->refresh = x->wishes.refresh;
	er_wait_init(&t->wait, p->cache->port, on_news);
	x->on_cancel = on_cancel;
	x->handler_ctx = t;
	return t;
}

static void handle(void *self, er_exchange *x)
{
	er_cache_place *p = self;
	ER_CHECK(p->cache, MAGIC);
	const er_cache_rules *rules = p->rules;
	if (rules != NULL && rules->device) /* the origin hears by what its answer may be chosen */
		er_fields_set(&x->req.fields, &x->arena, ER_LIT("er-device"), er_rules_device(&x->req.fields));
	bool reads = is_read(x->req.method), passes = er_rules_bypass(rules, x->req.target, &x->req.fields);
	er_slice key = reads && !passes ? key_of(p, x, x->req.target) : (er_slice){0};
	if (key.n == 0) {
		er_task *t = new_task(p, x, key, 0);
		if (reads)
			t->forward = FWD_BYPASS;
		look(t);
		return;
	}
	uint64_t hash = er_index_hash(key), now_us = er_clock_mono_us();
	er_index_found found = er_index_find(p->cache->index, key, hash, &x->req.fields, &x->arena, now_us);
	found_use use = x->wishes.refresh ? ASK : use_found(p, x, key, hash, found.stored, now_us);
	if (use == USED) {
		er_exchange_answer(x);
	} else {
		er_task *t = new_task(p, x, key, hash);
		if (use == ASK) {
			t->looks = 1;
			go_on(t, &found);
		} else if (use == APART) {
			ask_apart(t);
		} else {
			look(t);
		}
	}
	let_go_of_found(&found);
}

er_handler er_cache_handler(er_cache_place *place)
{
	return (er_handler){.name = "cache", .handle = handle, .self = place};
}

/* ---- life ---- */

static void on_clock_closed(uv_handle_t *clock)
{
	er_free(clock);
}

/* The disk takes too long for it. */
static er_fill *late_fill(const er_cache *c)
{
	ER_LIST_EACH(l, &c->fills)
	{
		er_fill *f = ER_CONTAINER(l, er_fill, link);
		if (er_fill_is_late(f))
			return f;
	}
	return NULL;
}

static void on_clock(uv_timer_t *clock)
{
	er_cache *c = clock->data;
	bool any = false;
	/* One after the other: what goes on may end others. */
	for (er_fill *f; (f = late_fill(c)) != NULL;)
		er_fill_go_on(f);
	ER_LIST_EACH(l, &c->fills)
	any = er_fill_watch(ER_CONTAINER(l, er_fill, link)) || any;
	if (!any)
		uv_timer_stop(clock);
}

static void on_watch(er_cache *c)
{
	if (!uv_is_active((uv_handle_t *)c->clock))
		uv_timer_start(c->clock, on_clock, CLOCK_MS, CLOCK_MS);
}

static void on_over(er_cache *c)
{
	ER_ASSERT(er_list_empty(&c->fills));
	er_port_close(c->port);
	c->clock->data = NULL;
	uv_close((uv_handle_t *)c->clock, on_clock_closed);
	void (*closed)(void *) = c->closed;
	void *ctx = c->closed_ctx;
	c->magic = 0;
	er_free(c);
	closed(ctx);
}

er_cache *er_cache_new(uv_loop_t *loop, er_index *index)
{
	er_cache *c = ER_NEW(er_cache);
	*c = (er_cache){.magic = MAGIC,
	                .loop = loop,
	                .index = index,
	                .port = er_port_new(loop),
	                .head = on_head,
	                .over = on_over,
	                .watch = on_watch,
	                .clock = ER_NEW(uv_timer_t)};
	er_list_init(&c->fills);
	uv_timer_init(loop, c->clock);
	c->clock->data = c;
	return c;
}

void er_cache_join(er_index *index, er_disk *disk)
{
	er_index_on_evicted(index, er_disk_files_in_use(disk) > 0 ? er_keep_evicted : NULL, disk);
}

void er_cache_leave(er_index *index, er_disk *disk)
{
	er_keep_hot(index, disk);
	er_disk_end(disk);
}

void er_cache_use_disk(er_cache *c, er_disk *disk)
{
	ER_CHECK(c, MAGIC);
	c->disk = disk;
}

void er_cache_use_compressor(er_cache *c, er_compressor *compressor)
{
	ER_CHECK(c, MAGIC);
	c->compressor = compressor;
}

const er_cache_stats *er_cache_statistics(const er_cache *c)
{
	return &c->stats;
}

const er_cache_stats *er_cache_prefetches(const er_cache *c)
{
	return &c->prefetches;
}

void er_cache_close(er_cache *c, void (*closed)(void *ctx), void *ctx)
{
	ER_CHECK(c, MAGIC);
	c->closing = true;
	c->closed = closed;
	c->closed_ctx = ctx;
	if (er_list_empty(&c->fills)) {
		on_over(c);
		return;
	}
	/* The last one ends the cache. */
	bool last = false;
	while (!last) {
		last = c->fills.next == c->fills.prev;
		er_fill_stop(ER_CONTAINER(c->fills.next, er_fill, link), ER_ERR_CANCELLED);
	}
}
