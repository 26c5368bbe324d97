/* The life of an exchange: made → started → (passed on …) → answered, broken or cancelled → let go.
 * A handler is told of a cancel at most once, and the asker of the answer or of the break at most
 * once, never of both.
 *
 * Parents and children: a child is in its parent's list from er_exchange_child until it is
 * answered or cancelled, and knows its parent as long. Neither holds a reference to the other,
 * so that a connection can use its exchange again although a child's handler still takes its
 * leave of the child. end_children() is the one place where children end with their parent. */
#include "http/exchange.h"

#include "base/mem.h"
#include "http/status.h"

#include <stdarg.h>
#include <stdio.h>

enum { MAGIC = 0x45584348, SPARES = 128, NAMED_METHOD = 64, NAMED_HOST = 256, NAMED_TARGET = 512 };

/* Used ones with their first arena block, for the next subrequest of this thread. Not under a
 * sanitizer, which would not see them used too late. */
static _Thread_local er_exchange *spares;
static _Thread_local unsigned spares_n;

static er_exchange *take_spare(void)
{
	er_exchange *x = spares;
	if (x == NULL)
		return NULL;
	ER_ASSERT(spares_n > 0 && x->magic == 0 && x->refs == 0);
	spares = x->spare;
	spares_n--;
	return x;
}

/* As new, but with the arena that it has. */
static void make_fresh(er_exchange *x)
{
	er_arena arena = x->arena;
	*x = (er_exchange){.magic = MAGIC, .refs = 1, .arena = arena};
	er_list_init(&x->sibling);
	er_list_init(&x->children);
}

static bool give_spare(er_exchange *x)
{
	if (ER_SANITIZED || spares_n >= SPARES)
		return false;
	er_arena_reset(&x->arena);
	x->spare = spares;
	spares = x;
	spares_n++;
	return true;
}

void er_exchange_trim(void)
{
	for (er_exchange *x; (x = take_spare()) != NULL; er_free(x))
		er_arena_fini(&x->arena);
}

er_exchange *er_exchange_new(void)
{
	er_exchange *x = take_spare();
	if (x == NULL)
		x = ER_NEW(er_exchange);
	make_fresh(x);
	return x;
}

er_exchange *er_exchange_child(er_exchange *parent, er_asker *asker)
{
	ER_CHECK(parent, MAGIC);
	ER_ASSERT(asker->answered != NULL && asker->ended != NULL);
	/* Nobody works for an exchange that is cancelled, unless its account says so. */
	ER_ASSERT(!parent->cancelled || parent->facts.open);
	er_exchange *x = er_exchange_new();
	x->asker = asker;
	x->parent = parent;
	x->chain = parent->chain;
	x->depth = (uint8_t)(parent->depth < UINT8_MAX ? parent->depth + 1 : UINT8_MAX);
	x->fanout = parent->fanout;
	if (x->fanout != NULL)
		x->fanout->refs++;
	if (!parent->facts.open)
		x->peer = parent->peer;
	er_list_push(&parent->children, &x->sibling);
	parent->facts.subrequests++;
	return x;
}

static void drop_fanout(er_exchange *x)
{
	er_fanout *f = x->fanout;
	x->fanout = NULL;
	ER_ASSERT(f == NULL || f->refs > 0);
	if (f != NULL && --f->refs == 0)
		er_free(f);
}

bool er_exchange_may_call(er_exchange *x, uint32_t most)
{
	ER_CHECK(x, MAGIC);
	if (x->fanout == NULL) {
		x->fanout = ER_NEW(er_fanout);
		*x->fanout = (er_fanout){.refs = 1, .left = most};
	}
	if (x->fanout->left == 0)
		return false;
	x->fanout->left--;
	return true;
}

er_slice er_exchange_home(const er_exchange *x)
{
	ER_CHECK(x, MAGIC);
	return x->req.routine.n == 0 ? x->req.authority : x->wishes.cache != NULL ? x->wishes.cache->home : (er_slice){0};
}

static void leave_parent(er_exchange *x)
{
	er_list_remove(&x->sibling);
	x->parent = NULL;
}

/* What an answered child cost is the parent's cost, too. */
static void count_in_parent(const er_exchange *x)
{
	er_exchange_facts *to = &x->parent->facts;
	const unsigned n = sizeof to->subrequests_by_class / sizeof *to->subrequests_by_class;
	unsigned class = x->res.error == ER_ERR_OK ? (unsigned)x->res.status / 100 : 0;
	to->subrequests_by_class[class < n ? class : 0]++;
	if (x->req.routine.n > 0)
		return;
	to->subrequests += x->facts.subrequests;
	to->kv_reads += x->facts.kv_reads;
	to->kv_writes += x->facts.kv_writes;
	for (unsigned i = 0; i < n; i++)
		to->subrequests_by_class[i] += x->facts.subrequests_by_class[i];
}

/* Each asker is told, and each child cancelled. An asker may make no further child: `x` is over. */
static void end_children(er_exchange *x, er_err_kind reason)
{
	for (er_list *l; (l = er_list_pop(&x->children)) != NULL;) {
		er_exchange *child = er_exchange_ref(ER_CONTAINER(l, er_exchange, sibling));
		ER_ASSERT(child->parent == x && !child->answered && !child->cancelled);
		child->parent = NULL;
		child->asker->ended(child->asker, child, reason);
		er_exchange_cancel(child, reason);
		er_exchange_unref(child);
	}
}

er_exchange *er_exchange_ref(er_exchange *x)
{
	ER_CHECK(x, MAGIC);
	ER_ASSERT(x->refs > 0 && x->refs < UINT32_MAX);
	x->refs++;
	return x;
}

static void drop_bodies(er_exchange *x)
{
	er_body_unref(x->req.body);
	er_body_unref(x->res.body);
	x->req.body = x->res.body = NULL;
	er_body_forsake(&x->res.up, ER_ERR_CANCELLED);
}

void er_exchange_unref(er_exchange *x)
{
	if (x == NULL)
		return;
	ER_CHECK(x, MAGIC);
	ER_ASSERT(x->refs > 0);
	if (x->refs > 1) {
		x->refs--;
		return;
	}
	end_children(x, ER_ERR_CANCELLED); /* under the last reference */
	ER_ASSERT(x->refs == 1 && !x->facts.open);
	x->refs = 0;
	leave_parent(x);
	drop_bodies(x);
	drop_fanout(x);
	x->magic = 0;
	if (give_spare(x))
		return;
	er_arena_fini(&x->arena);
	er_free(x);
}

/* What the exchange holds goes, but for the words that name its request. */
static void keep_the_name(er_exchange *x)
{
	drop_bodies(x);
	er_slice method = er_slice_head(x->req.method, NAMED_METHOD), authority = er_slice_head(x->req.authority, NAMED_HOST),
	         target = er_slice_head(x->req.target, NAMED_TARGET);
	er_arena kept = {0};
	er_arena_expect(&kept, method.n + authority.n + target.n + 3 * 8);
	er_request req = {.method = er_arena_copy(&kept, method),
	                  .authority = er_arena_copy(&kept, authority),
	                  .target = er_arena_copy(&kept, target)};
	er_arena_fini(&x->arena);
	x->arena = kept;
	x->req = req;
	x->res = (er_response){0};
	x->facts.routine = x->facts.version = (er_slice){0};
}

void er_exchange_leave(er_exchange *x)
{
	if (x != NULL && x->refs == 2 && x->facts.open)
		keep_the_name(x);
	er_exchange_unref(x);
}

bool er_exchange_reset(er_exchange *x)
{
	ER_CHECK(x, MAGIC);
	if (x->refs != 1)
		return false;
	ER_ASSERT(!x->facts.open && x->parent == NULL);
	end_children(x, ER_ERR_CANCELLED);
	drop_bodies(x);
	drop_fanout(x);
	er_arena_reset(&x->arena);
	make_fresh(x);
	return true;
}

void er_exchange_start(er_exchange *x, const er_handler *h)
{
	ER_CHECK(x, MAGIC);
	ER_ASSERT(!x->answered && x->on_cancel == NULL && h->handle != NULL);
	h->handle(h->self, x);
}

void er_exchange_enter(er_exchange *x, const er_chain *chain, er_place place)
{
	ER_CHECK(x, MAGIC);
	ER_ASSERT(!x->answered && !x->cancelled && chain != NULL);
	x->chain = chain;
	if (x->depth > ER_EXCHANGE_DEPTH) {
		er_exchange_fail(x, 508, ER_ERR_INVALID, "loop", "Questions of this request are nested more than %d deep.",
		                 ER_EXCHANGE_DEPTH);
		er_exchange_answer(x);
		return;
	}
	er_exchange_start(x, er_chain_at(chain, place));
}

void er_exchange_pass(er_exchange *x, const er_handler *next)
{
	ER_CHECK(x, MAGIC);
	ER_ASSERT(!x->answered && next->handle != NULL);
	x->on_cancel = NULL;
	x->handler_ctx = NULL;
	if (!x->cancelled)
		next->handle(next->self, x);
}

static void tell_witness(er_exchange *x)
{
	er_witness *w = x->witness;
	x->witness = NULL;
	if (w != NULL)
		w->over(w, x);
}

/* The handler is done with it. */
static void done(er_exchange *x)
{
	ER_ASSERT(!x->answered && x->asker != NULL);
	x->answered = true;
	x->on_cancel = NULL;
	tell_witness(x);
	if (x->parent != NULL) {
		count_in_parent(x);
		leave_parent(x);
	}
}

void er_exchange_answer(er_exchange *x)
{
	ER_CHECK(x, MAGIC);
	if (x->cancelled) {
		/* Nobody will read it: its source must learn that. */
		if (x->res.body != NULL)
			er_body_cancel(x->res.body, ER_ERR_CANCELLED);
		er_body_forsake(&x->res.up, ER_ERR_CANCELLED);
		return;
	}
	bool switches = er_status_switches(x->res.status);
	ER_ASSERT(switches ? x->req.upgrade && x->res.body != NULL : er_status_final(x->res.status));
	ER_ASSERT(switches == (x->res.up != NULL));
	done(x);
	x->asker->answered(x->asker, x);
}

void er_exchange_break(er_exchange *x, er_err_kind reason)
{
	ER_CHECK(x, MAGIC);
	ER_ASSERT(reason != ER_ERR_OK && x->res.body == NULL);
	if (x->cancelled)
		return;
	x->res = (er_response){.error = reason};
	er_body *upload = x->req.body;
	x->req.body = NULL;
	done(x);
	x->asker->broken(x->asker, x); /* may let go of x */
	if (upload != NULL)
		er_body_cancel(upload, reason);
	er_body_unref(upload);
}

static void copy_fields(er_exchange *x, er_fields *to, const er_fields *from)
{
	er_arena *a = &x->arena;
	*to = (er_fields){.v = er_arena_alloc(a, (from->n + 4) * sizeof(er_field)), .cap = from->n + 4};
	for (uint32_t i = 0; i < from->n; i++)
		to->v[to->n++] = (er_field){er_arena_copy(a, from->v[i].name), er_arena_copy(a, from->v[i].value)};
}

void er_exchange_copy_request(er_exchange *to, const er_exchange *from)
{
	er_arena *a = &to->arena;
	const er_request *req = &from->req;
	ER_CHECK(to, MAGIC);
	ER_ASSERT(to->req.method.n == 0 && to->req.body == NULL);
	to->req = (er_request){.method = er_arena_copy(a, req->method),
	                       .scheme = er_arena_copy(a, req->scheme),
	                       .authority = er_arena_copy(a, req->authority),
	                       .host = er_arena_copy(a, req->host),
	                       .target = er_arena_copy(a, req->target),
	                       .upgrade = req->upgrade,
	                       .body = req->body != NULL ? er_body_ref(req->body) : NULL};
	copy_fields(to, &to->req.fields, &req->fields);
}

void er_exchange_adopt(er_exchange *x, er_exchange *from)
{
	er_arena *a = &x->arena;
	const er_response *res = &from->res;
	ER_CHECK(x, MAGIC);
	ER_ASSERT(!x->answered && x->res.body == NULL);
	x->res = (er_response){.status = res->status,
	                       .reason = er_arena_copy(a, res->reason),
	                       .error = res->error,
	                       .error_text = er_arena_copy(a, res->error_text),
	                       .url_list = er_arena_copy(a, res->url_list),
	                       .body = res->body,
	                       .up = res->up};
	copy_fields(x, &x->res.fields, &res->fields);
	from->res.body = from->res.up = NULL;
}

void er_exchange_inform(er_exchange *x, int status, const er_fields *fields)
{
	ER_CHECK(x, MAGIC);
	ER_ASSERT(er_status_handed_on(status));
	if (!x->cancelled && !x->answered && x->asker != NULL && x->asker->informed != NULL)
		x->asker->informed(x->asker, x, status, fields);
}

void er_exchange_cancel(er_exchange *x, er_err_kind reason)
{
	ER_CHECK(x, MAGIC);
	if (x->cancelled)
		return;
	x->cancelled = true;
	er_exchange_ref(x);
	leave_parent(x);
	if (x->req.body != NULL)
		er_body_cancel(x->req.body, reason);
	if (x->answered) {
		if (x->res.body != NULL)
			er_body_cancel(x->res.body, reason);
		er_body_forsake(&x->res.up, reason);
	} else if (x->on_cancel != NULL) {
		void (*on_cancel)(void *, er_exchange *, er_err_kind) = x->on_cancel;
		x->on_cancel = NULL;
		on_cancel(x->handler_ctx, x, reason);
	}
	tell_witness(x);
	if (!x->facts.open)
		end_children(x, reason);
	er_exchange_unref(x);
}

er_exchange *er_exchange_keep(er_exchange *x)
{
	ER_CHECK(x, MAGIC);
	ER_ASSERT(!x->facts.open);
	x->facts.open = true;
	return er_exchange_ref(x);
}

void er_exchange_settle(er_exchange *x)
{
	ER_CHECK(x, MAGIC);
	ER_ASSERT(x->facts.open);
	x->facts.open = false;
	if (x->cancelled)
		end_children(x, ER_ERR_CANCELLED);
	er_auditor *auditor = x->auditor;
	x->auditor = NULL;
	if (auditor != NULL)
		auditor->settled(auditor, x);
	er_exchange_unref(x);
}

void er_exchange_fail(er_exchange *x, int status, er_err_kind kind, const char *detail, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text - 1, fmt, ap);
	va_end(ap);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof text - 1 ? (size_t)n : sizeof text - 2;
	text[len++] = '\n';

	er_body_unref(x->res.body);
	er_body_forsake(&x->res.up, kind);
	x->res = (er_response){.status = status, .error = kind};
	x->res.error_text = er_arena_copy(&x->arena, er_slice_of(text, len - 1));
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("content-type"), ER_LIT("text/plain;charset=UTF-8"));
	er_slice header = detail ? er_arena_printf(&x->arena, "%s; %s", er_err_name(kind), detail) : er_slice_cstr(er_err_name(kind));
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("er-error"), header);
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("cache-control"), ER_LIT("no-store"));
	x->res.body = er_body_of(er_piece_copy(er_slice_of(text, len)));
}
