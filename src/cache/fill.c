/* Fills. er_fill_start sends the question as an exchange of its own, which no client's leaving
 * ends. on_answer decides what the response is (decide), moves the state, and tells all that wait.
 * The disk is asked before that, if it may have the response; take_found has the same choice to
 * make. What is STORED is then written into its content by `pump`, the one function that acts on
 * the body; the fill goes with the last byte. Whatever else it became, it goes at once.
 *
 * References: the fill's own, from er_fill_new to `over`; the index's, while listed; one of each
 * task that waits or has not read yet. */
#include "cache/fill.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/condition.h"
#include "cache/key.h"
#include "cache/pieces.h"
#include "cache/task.h"

#include <stdio.h>

enum {
	WINDOW = 1024 * 1024,  /* of a content that passes by, before its slowest reader */
	WEIGH = 128 * 1024,    /* so much may come before the index hears of it */
	KEEP_ON = 1024 * 1024, /* so much is read to its end although nobody waits for it any more */
	/* so long the slowest reader of a content that passes by may hold up the others */
	PATIENCE_MS = 5000,
	FIND_MS = 2000, /* so long the disk may take; then the origin is asked */
	STATUS_OK = 200,
	STATUS_PARTIAL = 206,
	STATUS_LEAST_ERROR = 500,
};

static void on_answer(er_asker *asker, er_exchange *x);
static void on_broken(er_asker *asker, er_exchange *x);
static void on_informed(er_asker *asker, er_exchange *x, int status, const er_fields *fields);
static void on_room(er_wait *wait);

er_fill *er_fill_new(const er_cache_place *place, er_slice key, uint64_t hash, er_stored *stale)
{
	er_cache *c = place->cache;
	er_fill *f = ER_NEW(er_fill);
	*f = (er_fill){.magic = ER_FILL_MAGIC, .refs = 1, .cache = c, .hash = hash, .coding = ER_CODINGS};
	f->stats = place->stats != NULL ? place->stats : &c->stats;
	pthread_mutex_init(&f->lock, NULL);
	er_list_init(&f->waiting);
	f->key = er_arena_copy(&f->arena, key);
	f->rules = er_cache_rules_ref(place->rules);
	if (key.n > 0) {
		f->number = er_purges_next(er_index_purge_table(c->index));
		f->scopes = er_scopes_of(&f->arena, er_key_where(f->key), place->site, NULL);
	}
	f->asker = (er_asker){.answered = on_answer, .broken = on_broken, .informed = on_informed};
	f->stale = stale != NULL ? er_stored_ref(stale) : NULL;
	er_wait_init(&f->room, c->port, on_room);
	er_list_push(&c->fills, &f->link);
	er_cache_fills_add(c, 1);
	return f;
}

/* Nothing more is done with it. */
static void over(er_fill *f)
{
	er_cache *c = f->cache;
	er_list_remove(&f->link);
	er_cache_fills_add(c, -1);
	bool last = c->closing && er_list_empty(&c->fills);
	er_fill_unref(f);
	if (last)
		c->over(c);
}

/* The head is there: whoever waits hears of it, and then the task that began the fill. `alone`:
 * answers of the key are for one, lately. */
static void settle(er_fill *f, er_exchange *x, er_fill_event event, er_stored *stored, bool alone, er_cache_refusal why)
{
	er_task *first = f->first;
	pthread_mutex_lock(&f->lock);
	er_states_move(&er_fill_states, &f->state, event, 0);
	f->stored = stored;
	er_wait_post_all(&f->waiting);
	pthread_mutex_unlock(&f->lock);
	if (f->listed)
		er_index_over(f->cache->index, f->key, f->hash, f, alone ? why : ER_CACHE_OK, er_clock_mono_us());
	f->listed = false;
	f->first = NULL;
	if (first != NULL)
		f->cache->head(first, x, why);
}

/* What those that wait get of a fill that fails. Before it is settled. */
static void note_failure(er_fill *f, int status, er_err_kind error, er_slice text)
{
	pthread_mutex_lock(&f->lock);
	f->status = status;
	f->error = error;
	snprintf(f->text, sizeof f->text, "%.*s", ER_FMT(text));
	pthread_mutex_unlock(&f->lock);
}

static void failed(er_fill *f, er_exchange *x)
{
	note_failure(f, x->res.status >= 400 ? x->res.status : 502, x->res.error, x->res.error_text);
	settle(f, x, FILL_ON_ERROR, NULL, false, ER_CACHE_OK);
	over(f);
}

/* ---- the question ---- */

/* Asks the origin. */
static void ask_origin(er_fill *f)
{
	er_exchange *own = f->x;
	if (f->counts && !f->again)
		er_cache_count(f->listed ? &f->stats->misses : &f->stats->passed);
	if (f->stale != NULL)
		er_fill_validators(own, f->stale);
	own->facts.started_us = er_clock_mono_us();
	f->asked = er_clock_wall_s();
	er_exchange_start(own, er_chain_behind(f->chain, ER_AT_CACHE));
}

/* ---- the disk ---- */

/* The response is a piece: it lies under the key of pieces. */
static void turn_to_pieces(er_fill *f)
{
	ER_ASSERT(!f->listed && !f->of_piece && f->piece_key.n > 0);
	f->of_piece = true;
	f->key = f->piece_key;
	f->hash = f->piece_hash;
	f->purges = f->piece_purges;
}

/* A request for a part, of which the whole may not be stored. */
static void note_pieces(er_fill *f)
{
	const er_request *req = &f->x->req;
	if (f->listed || !er_slice_eq(req->method, ER_LIT("GET")) || req->body != NULL ||
	    er_fields_get(&f->wanted, ER_LIT("range")) == NULL)
		return;
	f->piece_key = er_key_of_pieces(&f->arena, f->key);
	if (f->piece_key.n == 0)
		return;
	f->piece_hash = er_index_hash(f->piece_key);
	f->piece_purges = er_index_purges(f->cache->index, f->piece_hash);
}

/* False: purged meanwhile; those that wait have asked before. */
static bool put_in_index(er_fill *f, er_stored *s)
{
	er_index *ix = f->cache->index;
	return f->listed ? er_index_put(ix, s, f) : er_index_put_late(ix, s, f->purges);
}

/* It has no form of the coding that was asked for; who makes one wants to keep it. */
static bool lacks_form(const er_fill *f, const er_stored *s)
{
	return f->cache->compressor != NULL && f->coding < ER_CODINGS && s->codable != ER_CODABLE_NOT &&
	       (er_content_forms(s->content) & 1u << f->coding) == 0;
}

/* The response that the disk has may be used, in memory or not: those that wait have asked. */
static void use_found(er_fill *f, er_stored *s)
{
	er_exchange *x = f->x;
	f->x = NULL;
	f->from_disk = true;
	if (f->counts)
		er_cache_count(&f->stats->hits);
	(void)!er_index_put_found(f->cache->index, s, f->listed ? f : NULL, f->purges, lacks_form(f, s));
	settle(f, x, FILL_ON_KEPT, s, false, ER_CACHE_OK);
	er_exchange_unref(x);
	over(f);
}

static void not_found(er_fill *f)
{
	er_exchange *x = f->x;
	f->x = NULL;
	er_exchange_fail(x, 504, ER_ERR_UNAVAILABLE, "only-if-cached", "The request wants a stored response, and there is none.");
	failed(f, x);
	er_exchange_unref(x);
}

/* A number that was not given yet: the clock, which numbers begin with, was set back between two
 * starts. Which purges came after it nobody knows. */
static bool purged(er_fill *f, er_stored *s)
{
	er_purges *p = er_index_purge_table(f->cache->index);
	if (s->number > er_purges_last(p)) {
		er_log(ER_LOG_WARN, "cache", "the clock was set back since answers were stored on disk: all of them are taken as purged");
		uint64_t highest = er_disk_statistics(f->cache->disk).all.number;
		er_purges_continue(p, highest > s->number ? highest : s->number);
		er_purges_add(p, &(er_purge){.kind = ER_PURGE_ALL}, er_purges_next(p));
	}
	return er_purges_look(p, &s->scopes, s->number, &s->look) == ER_PURGED_HARD;
}

/* The disk has nothing that can be used as it is. */
static void go_on_to_origin(er_fill *f)
{
	if (f->asks_disk_only)
		not_found(f);
	else
		ask_origin(f);
}

/* A start forgets what unsafe requests made void of a site whose keys have parts (voids.h). */
static bool may_be_void(const er_fill *f, const er_stored *s)
{
	return er_rules_have_parts(f->rules) && er_purges_forgotten(er_index_purge_table(f->cache->index), s->number);
}

static er_freshness_use usable(const er_fill *f, const er_stored *s)
{
	return f->refresh || may_be_void(f, s) ? ER_USE_VALIDATE
	                                       : er_freshness_use_at(&s->fresh, er_stored_age_used(s, er_clock_mono_us()));
}

/* What the disk said of a piece; takes the reference. One that is stale is not validated. */
static void take_found_piece(er_fill *f, er_stored *s)
{
	er_ranges r;
	f->finds = false;
	if (s != NULL && !purged(f, s) && usable(f, s) == ER_USE_FRESH && er_piece_covers(s, &f->wanted, &r)) {
		turn_to_pieces(f);
		use_found(f, s);
		return;
	}
	er_stored_unref(s);
	go_on_to_origin(f);
}

static void on_found_piece(er_disk_find *find, er_stored *s)
{
	er_fill *f = ER_CONTAINER(find, er_fill, find);
	ER_CHECK(f, ER_FILL_MAGIC);
	take_found_piece(f, s);
}

/* True: what it says comes later. */
static bool find(er_fill *f, er_slice key, uint64_t hash, void (*found)(er_disk_find *find, er_stored *s), er_stored **out)
{
	er_cache *c = f->cache;
	f->finds = er_disk_find_start(&f->find, c->disk, c->port, key, hash, &f->wanted, found, out);
	if (f->finds) {
		f->finds_since_ms = uv_now(c->loop);
		c->watch(c);
	}
	return f->finds;
}

/* What the disk said; takes the reference. */
static void take_found(er_fill *f, er_stored *s)
{
	ER_ASSERT(f->x != NULL && f->state.now == FILL_ASKED);
	f->finds = false;
	if (s != NULL && purged(f, s)) {
		er_stored_unref(s);
		s = NULL;
	}
	if (s != NULL && usable(f, s) != ER_USE_VALIDATE) {
		use_found(f, s);
		return;
	}
	if (s != NULL && f->listed) {
		f->stale = er_stored_ref(s);
		f->unsure = may_be_void(f, s);
	}
	er_stored_unref(s);
	if (f->piece_key.n == 0)
		go_on_to_origin(f);
	else if (!find(f, f->piece_key, f->piece_hash, on_found_piece, &s))
		take_found_piece(f, s);
}

static void on_found(er_disk_find *find, er_stored *s)
{
	er_fill *f = ER_CONTAINER(find, er_fill, find);
	ER_CHECK(f, ER_FILL_MAGIC);
	take_found(f, s);
}

static void ask_disk(er_fill *f)
{
	er_stored *s;
	if (!find(f, f->key, f->hash, on_found, &s))
		take_found(f, s);
}

bool er_fill_is_late(const er_fill *f)
{
	return f->finds && uv_now(f->cache->loop) - f->finds_since_ms >= FIND_MS;
}

void er_fill_go_on(er_fill *f)
{
	ER_CHECK(f, ER_FILL_MAGIC);
	ER_ASSERT(f->finds);
	er_disk_find_stop(&f->find);
	f->finds = false;
	go_on_to_origin(f);
}

void er_fill_start(er_fill *f, const er_exchange *x, const er_chain *chain)
{
	ER_CHECK(f, ER_FILL_MAGIC);
	ER_ASSERT(f->x == NULL && f->state.now == FILL_ASKED);
	f->chain = chain;
	if (x->wishes.prefetch)
		f->stats = &f->cache->prefetches;
	er_fill_question(f, x);
	er_coding order[ER_CODINGS];
	if (er_coded_order(x, er_rules_codings(f->rules), order) > 0)
		f->coding = order[0];
	if (f->key.n > 0) {
		f->purges = er_index_purges(f->cache->index, f->hash);
		note_pieces(f);
	}
	if (f->asks_disk && f->cache->disk != NULL && f->key.n > 0 && f->stale == NULL)
		ask_disk(f);
	else
		go_on_to_origin(f);
}

/* ---- the body ---- */

static void let_go_of_body(er_fill *f, bool cancel)
{
	er_body *down = f->down;
	f->down = NULL;
	er_body_sink(down, NULL, NULL);
	if (cancel)
		er_body_cancel(down, ER_ERR_CANCELLED);
	er_body_unref(down);
}

/* The body is over, well or not. */
static void finish(er_fill *f, er_err_kind why)
{
	if (f->waits)
		er_content_wait_over(f->content, &f->room);
	f->waits = false;
	let_go_of_body(f, why != ER_ERR_OK);
	/* What breaks off is in nobody's place: what was there may be needed if the origin fails. */
	if (why != ER_ERR_OK && f->stale != NULL)
		er_index_put_back(f->cache->index, f->stale, f->written);
	else if (why != ER_ERR_OK)
		er_index_drop(f->cache->index, f->written);
	er_content_end(f->content, why);
	er_fill_stream_end(f, why == ER_ERR_OK);
	if (why == ER_ERR_OK && !f->passes_by) {
		(void)er_index_weigh(f->cache->index, f->written);
		er_fill_store(f, f->written);
		if (f->coding < ER_CODINGS)
			er_compressor_want(f->cache->compressor, f->written, f->coding);
	}
	over(f);
}

/* Nobody reads it, and a good deal is left. */
static bool unwanted(const er_fill *f)
{
	if (er_content_readers(f->content) > 0 || __atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) > 1)
		return false;
	uint64_t have = er_content_length(f->content);
	int64_t promised = f->written->promised;
	return f->passes_by || promised < 0 ? have > KEEP_ON : (uint64_t)promised > have + KEEP_ON;
}

/* The origin has another response than the stored one, also if nobody wants all of that now: the
 * next one that asks for a part does not begin it again. */
static void let_go_of_outdated(er_fill *f)
{
	if (f->stale == NULL)
		return;
	er_index_drop(f->cache->index, f->stale);
	er_fill_void(f);
	er_stored_unref(f->stale);
	f->stale = NULL;
}

/* Has the index count what came, and make room for it. False: it is too large, or has been evicted
 * or purged meanwhile. Nobody counts its memory then. */
static bool stays(er_fill *f)
{
	er_index *ix = f->cache->index;
	uint64_t have = er_content_length(f->content);
	if (have > er_index_max_object(ix)) {
		er_index_drop(ix, f->written);
		return false;
	}
	if (have - f->weighed < WEIGH)
		return true;
	f->weighed = have;
	return er_index_weigh(ix, f->written);
}

/* Takes what the body has. */
static void pump(er_fill *f)
{
	ER_CHECK(f, ER_FILL_MAGIC);
	while (!f->waits) {
		er_piece piece;
		switch (er_body_read(f->down, 0, &piece)) {
		case ER_BODY_WAIT:
			return;
		case ER_BODY_PIECE:
			er_fill_stream_piece(f, piece);
			er_content_write(f->content, piece);
			break;
		case ER_BODY_END:
			finish(f, ER_ERR_OK);
			return;
		case ER_BODY_ERROR:
			finish(f, er_body_error(f->down));
			return;
		}
		if (unwanted(f)) {
			let_go_of_outdated(f);
			finish(f, ER_ERR_CANCELLED);
			return;
		}
		if (!f->passes_by && !stays(f)) {
			er_fill_stream(f);
			f->passes_by = true;
			er_content_pass_by(f->content);
		}
		if (f->passes_by && er_content_full(f->content, WINDOW, &f->room)) {
			f->waits = true;
			f->waits_since_ms = uv_now(f->cache->loop);
			f->cache->watch(f->cache);
		}
	}
}

bool er_fill_watch(er_fill *f)
{
	ER_CHECK(f, ER_FILL_MAGIC);
	if (f->waits && uv_now(f->cache->loop) - f->waits_since_ms >= PATIENCE_MS)
		er_content_cut(f->content, WINDOW / 2);
	return f->waits || f->finds;
}

static void on_readable(void *ctx)
{
	pump(ctx);
}

static void on_room(er_wait *wait)
{
	er_fill *f = ER_CONTAINER(wait, er_fill, room);
	ER_CHECK(f, ER_FILL_MAGIC);
	f->waits = false;
	pump(f);
}

static const er_body_sink_ops sink_ops = {.readable = on_readable};

/* ---- the answer ---- */

/* The node writes some fields of a request itself, before the origin sees them: who the client
 * is, the way. A response that varies on one of them was chosen by what no later request shows
 * the store. */
static bool selected_by_the_client(const er_fill *f, const er_exchange *x, const er_fields *response)
{
	er_arena scratch = {0};
	er_variant v;
	bool alike = er_variant_of(&scratch, response, &f->wanted, &v) &&
	             (!f->of_piece || er_variant_add(&scratch, ER_LIT("range"), &f->wanted, &v)) &&
	             er_variant_matches(&v, &x->req.fields, &scratch);
	er_arena_fini(&scratch);
	return alike;
}

/* Pieces of another version than this response are of no use any more. */
static void void_other_pieces(er_fill *f, er_exchange *x)
{
	er_index *ix = f->cache->index;
	er_slice key = f->of_piece ? f->key : er_key_of_pieces(&x->arena, f->key);
	uint64_t hash = er_index_hash(key);
	if (key.n > 0 && er_pieces_outdated(ix, key, hash, &f->wanted, &x->res.fields) && f->cache->disk != NULL)
		er_disk_drop(f->cache->disk, key, hash);
}

/* `said`: what the answer says to this cache. */
static void kept(er_fill *f, er_exchange *x, const er_fields *said, const er_freshness *fresh)
{
	er_index *ix = f->cache->index;
	er_body *down = x->res.body;
	int64_t promised = down != NULL ? er_body_length(down) : 0;
	er_content *content = er_content_new();
	er_stored *s = er_stored_new(f->key, f->hash, &f->wanted, x->res.status, x->res.reason, &x->res.fields, said, fresh, content,
	                             promised, f->rules);
	ER_ASSERT(s != NULL); /* selected_by_the_client has seen what it varies on */
	er_stored_asked(s, f->scopes.site, f->number);
	if (f->wishes != NULL)
		/* decide has counted them */
		(void)!er_scopes_add_tags(&s->arena, &s->scopes, f->wishes->tags);
	void_other_pieces(f, x);
	x->res.body = NULL;
	f->passes_by = promised > (int64_t)er_index_max_object(ix);
	f->kept = f->passes_by || put_in_index(f, s);
	f->content = content;
	f->written = s;
	f->down = down;
	if (f->passes_by) {
		er_content_pass_by(content);
		er_fill_stream(f);
	}
	settle(f, x, FILL_ON_KEPT, er_stored_ref(s), false, ER_CACHE_OK);
	if (down == NULL) {
		er_content_end(content, ER_ERR_OK);
		er_fill_store(f, s);
		over(f);
		return;
	}
	er_body_sink(down, &sink_ops, f);
	pump(f);
}

/* It is this request that does not let the response be stored: says nothing of the next one's. */
static bool is_of_the_request(er_cache_refusal why)
{
	return why == ER_CACHE_REQUEST_NO_STORE || why == ER_CACHE_REQUEST_BODY || why == ER_CACHE_REQUEST_QUERY ||
	       why == ER_CACHE_AUTHORIZATION;
}

/* Redirects were followed to the answer: it is good for as long as they are, too. */
static er_cache_refusal bound_by_redirects(const er_fill *f, er_exchange *x, int status, er_freshness *fresh)
{
	const er_law_times times = {f->asked, er_clock_wall_s()};
	return er_law_bound(&f->law, &x->arena, x->req.method, &f->wanted, status, x->res.followed, times, fresh);
}

/* May what a 304 has renewed stay in the store? `s` NULL: it varies on everything now. */
static er_cache_refusal refusal_of_renewed(const er_fill *f, er_exchange *x, er_stored *s)
{
	if (s == NULL)
		return ER_CACHE_VARY;
	const er_fields *said = er_law_said(&f->law, &x->arena, s->status, &s->fields);
	er_cache_refusal why = er_freshness_refusal(x->req.method, &f->wanted, s->status, said, &s->fresh);
	if (why == ER_CACHE_OK)
		why = bound_by_redirects(f, x, s->status, &s->fresh);
	if (why == ER_CACHE_OK && !er_scopes_all(&x->res.fields))
		return ER_CACHE_TAGS;
	return why == ER_CACHE_OK && !selected_by_the_client(f, x, said) ? ER_CACHE_VARY : why;
}

/* 304: what is stored is good, with a new head. That may say that it is for one alone now. */
static void renewed(er_fill *f, er_exchange *x)
{
	er_stored *s = er_stored_renew(f->stale, &f->wanted, &x->res.fields, f->asked, er_clock_wall_s(), &f->law);
	er_cache_refusal why = refusal_of_renewed(f, x, s);
	if (s != NULL)
		er_stored_asked(s, f->scopes.site, f->number);
	if (why == ER_CACHE_OK && f->wishes != NULL && !er_scopes_add_tags(&s->arena, &s->scopes, f->wishes->tags))
		why = ER_CACHE_TAGS;
	er_cache_count(&f->stats->validated);
	if (why == ER_CACHE_OK) {
		f->kept = er_index_put(f->cache->index, s, f);
		er_fill_store(f, s);
	} else if (!is_of_the_request(why)) {
		er_index_drop(f->cache->index, f->stale);
		er_fill_void(f);
	}
	settle(f, x, why == ER_CACHE_OK ? FILL_ON_KEPT : FILL_ON_OWN, s != NULL ? s : er_stored_ref(f->stale),
	       why != ER_CACHE_OK && !is_of_the_request(why), why);
	over(f);
}

static void spared(er_fill *f, er_exchange *x)
{
	settle(f, x, FILL_ON_SPARED, er_stored_ref(f->stale), false, ER_CACHE_OK);
	over(f);
}

static void own(er_fill *f, er_exchange *x, er_cache_refusal why)
{
	er_cache_count(&f->stats->refused[why]);
	/* What the client's request forbids says nothing of the next one: else one client could keep a
	 * page out of the store. */
	settle(f, x, FILL_ON_OWN, NULL, !is_of_the_request(why) && x->res.status < STATUS_LEAST_ERROR, why);
	over(f);
}

static bool may_be_spared(const er_fill *f, const er_exchange *x)
{
	if (f->stale == NULL || f->unsure || (x->res.error == ER_ERR_OK && x->res.status < STATUS_LEAST_ERROR))
		return false;
	return er_freshness_on_error(&f->stale->fresh, er_stored_age_used(f->stale, er_clock_mono_us()));
}

/* What the origin says is good is not what is stored: that is of no use any more, and the origin is
 * asked for all of it (RFC 9111 4.3.4). Once: this question has no conditions, so that another 304
 * is no answer to it. */
static void ask_again(er_fill *f, const er_exchange *x)
{
	er_index_drop(f->cache->index, f->stale);
	er_fill_void(f);
	er_stored_unref(f->stale);
	f->stale = NULL;
	f->again = true;
	er_fill_question_again(f, x);
	ask_origin(f);
}

static bool is_piece(const er_fill *f, const er_exchange *x)
{
	return f->piece_key.n > 0 && x->res.status == STATUS_PARTIAL && x->res.body != NULL &&
	       er_piece_fits(&f->wanted, &x->res.fields, er_body_length(x->res.body));
}

/* Its own and those that the routine wishes. */
static bool has_room_for_tags(const er_fill *f, er_exchange *x)
{
	if (!er_scopes_all(&x->res.fields))
		return false;
	if (f->wishes == NULL || f->wishes->tags.n == 0)
		return true;
	er_scopes all = er_scopes_of(&x->arena, (er_slice){0}, 0, &x->res.fields);
	return er_scopes_add_tags(&x->arena, &all, f->wishes->tags);
}

static void decide(er_fill *f, er_exchange *x)
{
	const char *unasked = er_fill_unasked(x);
	if (unasked != NULL) {
		if (x->res.body != NULL)
			er_body_cancel(x->res.body, ER_ERR_CANCELLED);
		er_exchange_fail(x, 502, ER_ERR_RESPONSE, x->res.status == 304 ? "304" : "206", "%s", unasked);
	}
	if (may_be_spared(f, x)) {
		spared(f, x);
		return;
	}
	if (x->res.error != ER_ERR_OK) {
		failed(f, x);
		return;
	}
	if (f->stale != NULL && x->res.status == 304) {
		if (er_condition_renews(&f->stale->fields, &x->res.fields))
			renewed(f, x);
		else
			ask_again(f, x);
		return;
	}
	if (is_piece(f, x))
		turn_to_pieces(f);
	/* A part may be stored where the whole may. */
	int status = f->of_piece ? STATUS_OK : x->res.status;
	const er_fields *said = er_law_said(&f->law, &x->arena, status, &x->res.fields);
	er_freshness fresh = er_freshness_of(status, said, f->asked, er_clock_wall_s());
	er_rules_stale(f->rules, &fresh);
	er_cache_refusal why = er_freshness_refusal(x->req.method, &f->wanted, status, said, &fresh);
	if (why == ER_CACHE_OK)
		why = bound_by_redirects(f, x, status, &fresh);
	if (why == ER_CACHE_OK && x->res.body != NULL &&
	    er_body_length(x->res.body) > (int64_t)er_index_max_object(f->cache->index) &&
	    !er_fill_fits_disk(f, er_body_length(x->res.body)))
		why = ER_CACHE_TOO_LARGE;
	if (why == ER_CACHE_OK && !has_room_for_tags(f, x))
		why = ER_CACHE_TAGS;
	if (why == ER_CACHE_OK && !selected_by_the_client(f, x, said))
		why = ER_CACHE_VARY;
	if (why == ER_CACHE_OK && f->with_body)
		why = ER_CACHE_REQUEST_BODY;
	if (why == ER_CACHE_OK && f->own_target)
		why = ER_CACHE_REQUEST_QUERY;
	/* What was stored is not what the origin says now. */
	if (why != ER_CACHE_OK && !is_of_the_request(why) && x->res.status < STATUS_LEAST_ERROR) {
		if (f->stale != NULL)
			er_index_drop(f->cache->index, f->stale);
		if (f->listed)
			er_fill_void(f);
	}
	if (why == ER_CACHE_OK && f->key.n > 0)
		kept(f, x, said, &fresh);
	else
		own(f, x, why);
}

static void on_answer(er_asker *asker, er_exchange *x)
{
	er_fill *f = ER_CONTAINER(asker, er_fill, asker);
	ER_CHECK(f, ER_FILL_MAGIC);
	ER_ASSERT(f->x == x);
	f->x = NULL;
	decide(f, x);
	if (x->res.body != NULL) /* nobody has taken it */
		er_body_cancel(x->res.body, ER_ERR_CANCELLED);
	er_exchange_unref(x);
}

static void on_broken(er_asker *asker, er_exchange *x)
{
	er_exchange_fail(x, 502, x->res.error, NULL, "The origin gave no answer.");
	on_answer(asker, x);
}

/* To the client that began it; those that wait begin with the response. */
static void on_informed(er_asker *asker, er_exchange *x, int status, const er_fields *fields)
{
	(void)x;
	const er_fill *f = ER_CONTAINER(asker, er_fill, asker);
	ER_CHECK(f, ER_FILL_MAGIC);
	if (f->first != NULL)
		er_exchange_inform(f->first->x, status, fields);
}

/* ---- the end ---- */

void er_fill_stop(er_fill *f, er_err_kind why)
{
	ER_CHECK(f, ER_FILL_MAGIC);
	if (f->down != NULL) {
		finish(f, why);
		return;
	}
	er_exchange *x = f->x;
	f->x = NULL;
	f->first = NULL;
	note_failure(f, 503, why, ER_LIT("The request was ended."));
	settle(f, NULL, FILL_ON_ERROR, NULL, false, ER_CACHE_OK);
	if (f->finds) { /* it has not begun */
		er_disk_find_stop(&f->find);
		f->finds = false;
	} else {
		er_exchange_cancel(x, why);
	}
	er_exchange_unref(x);
	over(f);
}

void er_fill_left(er_fill *f)
{
	ER_CHECK(f, ER_FILL_MAGIC);
	f->first = NULL;
	if (!f->listed && f->x != NULL)
		er_fill_stop(f, ER_ERR_CANCELLED);
}
