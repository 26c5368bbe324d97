/* The tee of a body. It is the sink of its source, and the watcher of its branches
 * (body_internal.h).
 *
 * Life: er_body_tee makes it and its first two branches. It holds the source until that has ended,
 * failed or is wanted by nobody; afterwards it only counts what its branches still hold. It holds
 * no reference to a branch: a branch that is gone says so, and the last one takes the tee along.
 *
 * By base/act.h: `readable` of the source and `less` and `gone` of the branches take notes, and
 * act() does the rest. What those callbacks say is all to be seen in the bodies themselves, hence
 * the only note is that there is one. Records of branches are freed at the end of act() alone, so a
 * round may walk the list whatever its callbacks do; new branches are added at the list's end, and
 * `got` says which pieces each has.
 *
 * A sandbox chooses how many branches there are (up to its budget) and how little each reads at a
 * time. So a branch that changes is weighed by itself (changed()), and the walk over all of them is
 * taken only where it may lead to something: a piece to read, a branch to drop, a source to cancel.
 *
 * Who is slow: `low` is how far the tee reads ahead without anybody's asking (a window, or the
 * smallest limit). A branch below it is hungry. Pieces are read while one is hungry and nobody is
 * waited for, so a branch at its limit is strictly behind the hungry one. */
#include "http/body_tee.h"

#include "base/act.h"
#include "base/mem.h"
#include "http/body_internal.h"

enum { TEE = 0x54454521, BRANCH = 0x42524e43, BUDGET = 0x42444754 };

struct er_tee_budget {
	uint32_t magic;
	uint32_t refs;
	size_t held, most;
};

typedef struct tee {
	uint32_t magic;
	er_act act;
	er_body *source;       /* own reference; NULL: it has ended, or nobody wants more */
	er_list branches;      /* those that were read lately come last */
	size_t n;              /* of them */
	size_t live;           /* of them, that are written to */
	size_t gone;           /* of them, whose bodies are gone and whose records are still there */
	uint64_t pieces;       /* that were read from the source */
	bool dry;              /* the source has nothing, and says when it has */
	size_t low;            /* of the last picture */
	size_t bytes, charged; /* counted with the thread's bodies, with the budget */
	size_t cost;           /* of the pieces of all branches */
	/* so many branches that may have been the longest have become shorter since `bytes`
	 * was looked up */
	size_t stale;
	er_tee_budget *budget; /* own reference, or NULL */
} tee;

/* One reader of the tee, and the body that it reads. */
typedef struct branch {
	uint32_t magic;
	er_tee_policy policy;
	tee *t;
	er_list link;
	er_body *body; /* NULL: gone */
	size_t limit;
	size_t bytes, cost; /* of the body, as the tee has counted it */
	uint64_t got;       /* of tee->pieces */
	bool over;          /* nothing more is written to it */
} branch;

/* ---- the budget ---- */

er_tee_budget *er_tee_budget_new(size_t most)
{
	er_tee_budget *budget = ER_NEW(er_tee_budget);
	*budget = (er_tee_budget){.magic = BUDGET, .refs = 1, .most = most};
	return budget;
}

er_tee_budget *er_tee_budget_ref(er_tee_budget *budget)
{
	if (budget != NULL) {
		ER_CHECK(budget, BUDGET);
		budget->refs++;
	}
	return budget;
}

void er_tee_budget_unref(er_tee_budget *budget)
{
	if (budget == NULL)
		return;
	ER_CHECK(budget, BUDGET);
	ER_ASSERT(budget->refs > 0);
	if (--budget->refs > 0)
		return;
	ER_ASSERT(budget->held == 0);
	budget->magic = 0;
	er_free(budget);
}

void er_tee_budget_most(er_tee_budget *budget, size_t most)
{
	ER_CHECK(budget, BUDGET);
	budget->most = most;
}

bool er_tee_budget_full(const er_tee_budget *budget)
{
	ER_CHECK(budget, BUDGET);
	return budget->held + ER_TEE_BRANCH_COST > budget->most;
}

size_t er_tee_budget_held(const er_tee_budget *budget)
{
	ER_CHECK(budget, BUDGET);
	return budget->held;
}

/* ---- looking at the branches ---- */

/* The body's own cost is that of its pieces; their bytes are the tee's. */
static size_t weight(const branch *b)
{
	ER_ASSERT(b->body != NULL && b->body->watch != NULL);
	return b->body->buffered + b->body->cost;
}

static size_t weight_counted(const branch *b)
{
	return b->bytes + b->cost;
}

static void charge(tee *t, size_t bytes)
{
	er_body_hold(bytes, t->bytes);
	t->bytes = bytes;
	if (t->budget == NULL)
		return;
	size_t charged = bytes + t->cost + (t->n - t->gone) * ER_TEE_BRANCH_COST;
	ER_ASSERT(t->budget->held >= t->charged);
	t->budget->held = t->budget->held - t->charged + charged;
	t->charged = charged;
}

/* The branches have parts of one stream that end at the same byte, so the longest has them all. */
static void count(tee *t)
{
	size_t bytes = 0;
	ER_LIST_EACH(l, &t->branches)
	{
		const branch *b = ER_CONTAINER(l, branch, link);
		bytes = b->bytes > bytes ? b->bytes : bytes;
	}
	t->stale = 0;
	charge(t, bytes);
}

/* What the body holds now. Looking for the longest takes a walk, hence not each time among many:
 * until then the tee counts a little too much. */
static void weigh(branch *b)
{
	tee *t = b->t;
	size_t bytes = b->body != NULL ? b->body->buffered : 0, cost = b->body != NULL ? b->body->cost : 0;
	ER_ASSERT(t->cost >= b->cost);
	t->cost = t->cost - b->cost + cost;
	t->stale += bytes < b->bytes && b->bytes == t->bytes;
	b->bytes = bytes;
	b->cost = cost;
	if (t->stale * 8 > t->n)
		count(t);
	else
		charge(t, bytes > t->bytes ? bytes : t->bytes);
}

typedef struct picture {
	size_t low;       /* below this a branch is hungry */
	bool hungry;      /* there is such a branch */
	bool patient;     /* there is a branch of WAIT */
	er_err_kind left; /* why one of the others is not live, if none is */
} picture;

/* How far the branches are, in one walk: the lowest limit, whether somebody waits for bytes, and
 * why the last one left. */
static picture look(tee *t)
{
	picture p = {.low = er_body_window(), .left = ER_ERR_CANCELLED};
	ER_LIST_EACH(l, &t->branches)
	{
		branch *b = ER_CONTAINER(l, branch, link);
		if (b->body != NULL && b->body->cancelled)
			p.left = b->body->error;
		if (b->over)
			continue;
		ER_ASSERT(b->body != NULL && !b->body->cancelled);
		p.low = b->limit < p.low ? b->limit : p.low;
		p.patient = p.patient || b->policy == ER_TEE_WAIT;
	}
	ER_LIST_EACH(l, &t->branches)
	{
		const branch *b = ER_CONTAINER(l, branch, link);
		p.hungry = p.hungry || (!b->over && weight(b) < p.low);
	}
	ER_ASSERT(t->live + t->gone <= t->n && (t->live > 0 || !p.hungry));
	t->low = p.low;
	return p;
}

static bool overdrawn(const tee *t)
{
	return t->budget != NULL && t->budget->held > t->budget->most;
}

/* Nothing more is written to it. */
static void die(branch *b)
{
	if (b->over)
		return;
	ER_ASSERT(b->t->live > 0);
	b->over = true;
	b->t->live--;
}

/* The branch weighed `before`, and is lighter now, or has died. May that make a difference to what
 * is read next? Whoever is hungry then was so before, unless it is this one; whoever was waited for
 * still is, unless it was this one. */
static bool matters(const branch *b, size_t before, bool was_tight, bool died)
{
	const tee *t = b->t;
	if (t->source == NULL)
		return false;
	if (died && t->live == 0)
		return true;
	if (t->dry)
		return false;
	if (was_tight || before >= b->limit || (died && (b->policy == ER_TEE_WAIT || b->limit <= t->low)))
		return true;
	return !b->over && before >= t->low && weight(b) < t->low;
}

/* Is the branch so far behind that something has to happen before more is read? */
static bool slow(const branch *b, const picture *p, bool tight)
{
	if (b->over)
		return false;
	size_t w = weight(b);
	if (tight)
		return w >= p->low;
	return w >= b->limit && (b->policy != ER_TEE_EITHER || p->patient);
}

static bool waited_for(const branch *b, const picture *p)
{
	ER_ASSERT(b->policy < ER_TEE_POLICY_COUNT_);
	return b->policy == ER_TEE_WAIT || (b->policy == ER_TEE_EITHER && p->patient);
}

typedef enum verdict { READ, WAIT, DROP } verdict;

/* What to do next for the hungry one. *victim: who is dropped. */
static verdict judge(const tee *t, const picture *p, branch **victim)
{
	bool tight = overdrawn(t);
	*victim = NULL;
	if (!p->hungry)
		return WAIT;
	ER_LIST_EACH(l, &t->branches)
	{
		branch *b = ER_CONTAINER(l, branch, link);
		if (!slow(b, p, tight))
			continue;
		if (!waited_for(b, p)) {
			if (*victim == NULL || weight(b) > weight(*victim))
				*victim = b;
		} else {
			return WAIT;
		}
	}
	return *victim != NULL ? DROP : READ;
}

/* ---- acting ---- */

static void leave_source(tee *t)
{
	er_body *source = t->source;
	t->source = NULL;
	er_body_sink(source, NULL, NULL);
	er_body_unref(source);
}

/* To every branch that lacks it. A reader may end any of them meanwhile, and add one, which then
 * has or lacks it as its sibling does. */
static void give(tee *t, er_piece piece)
{
	t->pieces++;
	ER_LIST_EACH(l, &t->branches)
	{
		branch *b = ER_CONTAINER(l, branch, link);
		ER_CHECK(b, BRANCH);
		if (b->body == NULL || b->over || b->got == t->pieces)
			continue;
		ER_ASSERT(b->got + 1 == t->pieces);
		b->got = t->pieces;
		(void)er_body_write(b->body, er_piece_sub(piece, 0, piece.n));
		weigh(b);
	}
	er_piece_drop(&piece);
}

/* The source has ended, or with `kind` failed. */
static void end(tee *t, er_err_kind kind)
{
	er_body *source = er_body_ref(t->source);
	leave_source(t);
	ER_LIST_EACH(l, &t->branches)
	{
		branch *b = ER_CONTAINER(l, branch, link);
		if (b->body == NULL || b->over)
			continue;
		die(b);
		er_body_add_trailers(b->body, er_body_trailers(source));
		er_body_end(b->body, kind);
	}
	er_body_unref(source);
}

static void nobody_wants_it(tee *t, er_err_kind reason)
{
	er_body *source = er_body_ref(t->source);
	leave_source(t);
	er_body_cancel(source, reason);
	er_body_unref(source);
}

static void drop(branch *b)
{
	ER_ASSERT(!b->over && b->policy != ER_TEE_WAIT);
	die(b);
	er_body_break(b->body, ER_ERR_BEHIND);
	weigh(b);
}

/* One piece on, or as far as it goes. False: nothing is to be done until somebody calls. */
static bool step(tee *t)
{
	if (t->stale > 0 && overdrawn(t))
		count(t);
	picture p = look(t);
	if (t->live == 0) {
		nobody_wants_it(t, p.left);
		return false;
	}
	branch *victim;
	switch (judge(t, &p, &victim)) {
	case WAIT:
		return false;
	case DROP:
		drop(victim);
		return true;
	case READ:
		break;
	}
	er_piece piece;
	switch (er_body_read(t->source, 0, &piece)) {
	case ER_BODY_PIECE:
		give(t, piece);
		return true;
	case ER_BODY_WAIT:
		t->dry = true;
		return false;
	case ER_BODY_END:
		end(t, ER_ERR_OK);
		return false;
	case ER_BODY_ERROR:
		end(t, er_body_error(t->source));
		return false;
	}
	ER_ASSERT(false && "er_body_read says one of these");
	return false;
}

static void forget(branch *b)
{
	tee *t = b->t;
	ER_ASSERT(b->body == NULL && b->bytes == 0 && b->cost == 0 && t->n > 0 && t->gone > 0);
	er_list_remove(&b->link);
	b->magic = 0;
	er_free(b);
	t->n--;
	t->gone--;
}

/* Records whose body is gone; with the last one the tee. */
static void sweep(tee *t)
{
	ER_LIST_EACH(l, &t->branches)
	{
		if (t->gone == 0)
			break;
		branch *b = ER_CONTAINER(l, branch, link);
		if (b->body == NULL)
			forget(b);
	}
	ER_ASSERT(t->gone == 0);
	if (t->n > 0)
		return;
	count(t);
	ER_ASSERT(t->source == NULL && t->bytes == 0 && t->charged == 0 && t->cost == 0);
	er_tee_budget_unref(t->budget);
	t->magic = 0;
	er_free(t);
}

static void act(tee *t)
{
	ER_CHECK(t, TEE);
	if (!er_act_begin(&t->act))
		return;
	do {
		while (t->source != NULL && step(t))
			;
	} while (er_act_again(&t->act));
	er_act_end(&t->act);
	sweep(t);
}

/* ---- the callbacks ---- */

static void on_readable(void *ctx)
{
	tee *t = ctx;
	ER_CHECK(t, TEE);
	t->dry = false;
	act(t);
}

static const er_body_sink_ops sink_ops = {.readable = on_readable};

/* A thousand readers may be here, each of which reads a little at a time: what changes nothing for
 * the others takes no walk over them. */
static void changed(branch *b)
{
	tee *t = b->t;
	size_t before = weight_counted(b);
	bool tight = overdrawn(t), died = !b->over && (b->body == NULL || b->body->cancelled);
	weigh(b);
	if (died)
		die(b);
	if (t->act.acting || matters(b, before, tight, died)) {
		act(t);
		return;
	}
	if (b->body == NULL) {
		forget(b);
		sweep(t);
		return;
	}
	er_list_remove(&b->link);
	er_list_push(&t->branches, &b->link);
}

static void on_less(void *ctx)
{
	branch *b = ctx;
	ER_CHECK(b, BRANCH);
	changed(b);
}

static void on_gone(void *ctx)
{
	branch *b = ctx;
	ER_CHECK(b, BRANCH);
	ER_ASSERT(b->body != NULL);
	b->body = NULL;
	b->t->gone++;
	changed(b);
}

static const er_body_watch watch = {.less = on_less, .gone = on_gone};

/* ---- making branches ---- */

static branch *branch_of(const er_body *b)
{
	if (b->watch != &watch)
		return NULL;
	branch *it = b->watch_ctx;
	ER_CHECK(it, BRANCH);
	ER_ASSERT(it->body == b);
	return it;
}

/* A branch like `model`, which is the source or a sibling. */
static branch *add(tee *t, const er_body *model, size_t limit, er_tee_policy policy)
{
	ER_ASSERT(policy < ER_TEE_POLICY_COUNT_ && limit > 0);
	ER_ASSERT(policy != ER_TEE_EITHER || t->budget != NULL);
	branch *b = ER_NEW(branch);
	*b = (branch){.magic = BRANCH, .policy = policy, .t = t, .body = er_body_new(model->length), .limit = limit};
	b->body->touched = model->touched;
	er_body_watched(b->body, &watch, b);
	er_list_push(&t->branches, &b->link);
	t->n++;
	t->live++;
	weigh(b);
	return b;
}

/* It has what its sibling has not read, and has ended if that one has. */
static void catch_up(branch *b, const branch *sibling)
{
	const er_body *from = sibling->body;
	ER_LIST_EACH(l, &from->queue)
	{
		er_piece piece = ER_CONTAINER(l, er_body_node, link)->piece;
		(void)er_body_write(b->body, er_piece_sub(piece, 0, piece.n));
	}
	b->got = sibling->got;
	if (sibling->over)
		die(b);
	er_body_add_trailers(b->body, er_body_trailers(from));
	if (from->finished)
		er_body_finish(b->body);
	if (from->error != ER_ERR_OK)
		er_body_fail(b->body, from->error);
	weigh(b);
	ER_ASSERT(b->body->buffered == from->buffered && b->body->cost == from->cost);
}

void er_body_tee(er_body *source, size_t limit, er_tee_policy policy, er_body *out[2])
{
	er_body_tee_within(NULL, source, limit, policy, out);
}

void er_body_tee_within(er_tee_budget *budget, er_body *source, size_t limit, er_tee_policy policy, er_body *out[2])
{
	branch *sibling = branch_of(source);
	if (sibling != NULL) {
		branch *b = add(sibling->t, source, limit, policy);
		catch_up(b, sibling);
		sibling->limit = limit;
		sibling->policy = policy;
		out[0] = source;
		out[1] = b->body;
		act(b->t);
		return;
	}
	ER_ASSERT(source->sink == NULL);
	tee *t = ER_NEW(tee);
	*t = (tee){.magic = TEE, .source = source, .budget = er_tee_budget_ref(budget)};
	er_list_init(&t->branches);
	out[0] = add(t, source, limit, policy)->body;
	out[1] = add(t, source, limit, policy)->body;
	er_body_sink(source, &sink_ops, t);
	act(t); /* frees nothing: the caller has both */
}

bool er_body_is_branch(const er_body *b)
{
	return b->watch == &watch;
}

void er_body_tee_policy(er_body *body, size_t limit, er_tee_policy policy)
{
	branch *b = branch_of(body);
	if (b == NULL)
		return;
	ER_ASSERT(policy < ER_TEE_POLICY_COUNT_ && limit > 0);
	ER_ASSERT(policy != ER_TEE_EITHER || b->t->budget != NULL);
	bool waited = b->policy == ER_TEE_WAIT || weight(b) >= b->t->low || b->limit <= b->t->low || limit <= b->t->low;
	b->limit = limit;
	b->policy = policy;
	if (b->t->source != NULL && !b->t->dry && waited)
		act(b->t);
}
