/* LIST: the threads make all of a page as JSON, which may have some megabytes. It goes into the
 * body of the answer as its reader takes it; until then a `listing` has it, and what all listings
 * of a place have together is bounded.
 *
 * Who has the most gives way: if there is no room for a list, the oldest one of the routine that
 * has the most unread breaks off, as long as that is more than the asker would have. So routines
 * that read slowly, however many they are, leave each other and everybody else an equal share. */
#include "data/kv_inside.h"

#include "base/act.h"
#include "base/hex.h"
#include "base/mem.h"

enum { UNREAD_MOST = 32 << 20, PIECE = 64 << 10 };

/* What a routine has not read yet; there is one as long as it has a listing. */
typedef struct share {
	er_list link;     /* place->shares */
	er_list listings; /* oldest first */
	uint64_t unread;  /* bytes */
	size_t name_n;
	uint8_t name[];
} share;

typedef struct listing {
	er_list link; /* place->lists */
	er_list mine; /* share->listings */
	er_kv_place *place;
	share *share;
	er_body *body; /* the source's reference */
	er_piece text;
	size_t at; /* so much is in the body */
	bool full, gone;
	er_act act;
} listing;

/* ---- shares ---- */

static share *find_share(const er_kv_place *p, er_slice routine)
{
	ER_LIST_EACH(l, &p->shares)
	{
		share *s = ER_CONTAINER(l, share, link);
		if (er_slice_eq(er_slice_of(s->name, s->name_n), routine))
			return s;
	}
	return NULL;
}

static void join_share(listing *l, er_slice routine)
{
	share *s = find_share(l->place, routine);
	if (s == NULL) {
		s = er_alloc(sizeof *s + routine.n);
		*s = (share){.name_n = routine.n};
		er_copy(s->name, routine.p, routine.n);
		er_list_init(&s->link);
		er_list_init(&s->listings);
		er_list_push(&l->place->shares, &s->link);
	}
	l->share = s;
	er_list_init(&l->mine);
	er_list_push(&s->listings, &l->mine);
	s->unread += l->text.n;
	l->place->unread += l->text.n;
}

static void leave_share(listing *l)
{
	share *s = l->share;
	ER_ASSERT(s->unread >= l->text.n && l->place->unread >= l->text.n);
	s->unread -= l->text.n;
	l->place->unread -= l->text.n;
	er_list_remove(&l->mine);
	l->share = NULL;
	if (!er_list_empty(&s->listings))
		return;
	ER_ASSERT(s->unread == 0);
	er_list_remove(&s->link);
	er_free(s);
}

/* ---- a listing ---- */

static void free_listing(listing *l)
{
	er_kv_place *p = l->place;
	leave_share(l);
	er_list_remove(&l->link);
	er_body_source(l->body, NULL, NULL);
	er_body_unref(l->body);
	er_piece_drop(&l->text);
	er_free(l);
	er_kv_settle(p);
}

static void write_some(listing *l)
{
	while (!l->full && !l->gone && l->at < l->text.n) {
		size_t n = l->text.n - l->at < PIECE ? l->text.n - l->at : PIECE;
		er_piece piece = er_piece_sub(l->text, l->at, n);
		l->at += n;
		if (!er_body_write(l->body, piece))
			l->full = true;
	}
}

static void go_on(listing *l)
{
	if (!er_act_begin(&l->act))
		return;
	do
		write_some(l);
	while (er_act_again(&l->act));
	bool whole = l->at == l->text.n;
	if (whole && !l->gone)
		er_body_finish(l->body);
	er_act_end(&l->act);
	if (whole || l->gone)
		free_listing(l);
}

static void on_resume(void *ctx)
{
	listing *l = ctx;
	l->full = false;
	go_on(l);
}

static void on_cancel(void *ctx, er_err_kind reason)
{
	listing *l = ctx;
	(void)reason;
	l->gone = true;
	go_on(l);
}

static void break_off(listing *l)
{
	er_body_source(l->body, NULL, NULL);
	er_body_end(l->body, ER_ERR_UNAVAILABLE);
	free_listing(l);
}

static share *heaviest(const er_kv_place *p)
{
	share *most = NULL;
	ER_LIST_EACH(l, &p->shares)
	{
		share *s = ER_CONTAINER(l, share, link);
		if (most == NULL || s->unread > most->unread)
			most = s;
	}
	return most;
}

/* For so many bytes of this routine. False: it has the most itself. */
static bool make_room(er_kv_place *p, er_slice routine, uint64_t n)
{
	while (p->unread + n > UNREAD_MOST) {
		const share *mine = find_share(p, routine);
		share *most = heaviest(p);
		if (most == NULL || most->unread <= n + (mine != NULL ? mine->unread : 0))
			return false;
		break_off(ER_CONTAINER(most->listings.next, listing, mine));
	}
	return true;
}

static void answer(er_kv_place *p, er_exchange *x, er_slice json)
{
	static const er_body_source_ops ops = {.resume = on_resume, .cancel = on_cancel};
	er_err err = {0};
	if (!make_room(p, x->data.routine, json.n)) {
		er_fail(&err, ER_ERR_UNAVAILABLE,
		        "lists that were not read yet take more than %d MB, and this routine has the most of them; read them first",
		        UNREAD_MOST >> 20);
		er_kv_refuse(x, &err);
		return;
	}
	listing *l = ER_NEW(listing);
	*l = (listing){.place = p, .body = er_body_new((int64_t)json.n), .text = er_piece_copy(json)};
	join_share(l, x->data.routine);
	er_list_init(&l->link);
	er_list_push(&p->lists, &l->link);
	er_body_source(l->body, &ops, l);
	x->on_cancel = NULL;
	x->res.status = 200;
	x->res.body = er_body_ref(l->body);
	er_kv_counts_read(x->data.counts, json.n);
	er_kv_counts_end(x, ER_KV_RESULT_OK);
	/* Whoever takes the answer may cancel it at once. */
	bool begun = er_act_begin(&l->act);
	ER_ASSERT(begun);
	er_exchange_answer(x);
	er_act_end(&l->act);
	go_on(l);
}

static void on_listed(er_kv_job *j)
{
	er_exchange *x = j->owner;
	er_kv_place *p = j->place;
	er_kv_back(p);
	if (x != NULL && j->err.kind != ER_ERR_OK)
		er_kv_refuse(x, &j->err);
	else if (x != NULL)
		answer(p, x, er_buf_slice(&j->bytes));
	er_exchange_unref(x);
	er_kv_job_free(j);
	er_kv_settle(p);
}

static bool read_list(const er_exchange *x, er_kv_job *j, er_err *err)
{
	uint64_t limit;
	const er_slice *cursor = er_fields_get(&x->req.fields, ER_LIT("cursor"));
	if (!er_kv_number(x, ER_LIT("limit"), &limit, err))
		return false;
	if (limit > ER_KV_LIST_MOST)
		return er_fail(err, ER_ERR_INVALID, "limit: a list has at most %d keys; ask for the next with its cursor",
		               ER_KV_LIST_MOST);
	j->most = limit > 0 ? (unsigned)limit : ER_KV_LIST_MOST;
	if (cursor == NULL || cursor->n == 0)
		return true;
	uint8_t *to = er_arena_alloc(&j->arena, cursor->n / 2 + 1);
	j->after = er_slice_of(to, cursor->n / 2);
	return (cursor->n <= 2 * ER_KV_KEY_MAX && er_unhex(*cursor, to)) ||
	       er_fail(err, ER_ERR_INVALID, "cursor: what the list before gave is expected");
}

void er_kv_list_some(er_kv_place *p, er_exchange *x, const er_kv_ask *ask)
{
	er_kv_job *j = er_kv_job_of(p, ER_KV_JOB_LIST, ask, on_listed, NULL);
	er_err err = {0};
	if (read_list(x, j, &err)) {
		er_kv_ask_once(p, x, j);
		return;
	}
	er_kv_job_free(j);
	er_kv_refuse(x, &err);
}

void er_kv_end_lists(er_kv_place *p)
{
	while (!er_list_empty(&p->lists))
		free_listing(ER_CONTAINER(p->lists.next, listing, link));
}
