/* The past of a node: where a rollback leads to, and how much of the log and of the deployments is
 * kept.
 *
 * A rollback leads to what ran before the present deployment, and not to what was itself left by
 * going back: after 1, 2, 3 and a rollback to 2, the next rollback leads to 1 and not to 3. So
 * deployments are walked from the newest back, and one that restored something counts as the place
 * where that ran first (struct walk).
 *
 * What is too much of the past is removed by the change that makes it too much, in its transaction,
 * at most TRIM_MOST rows: a node whose limit is lowered gets there change by change. What runs,
 * where it ran first and what a rollback leads to stay, however old. Called on the control
 * thread. */
#include "store/apply.h"

/* rows that one change removes: a long past goes bit by bit, and no deploy waits for all of it */
enum { TRIM_MOST = 1000 };

static const char *const causes[] = {"deploy", "publish", "rollback", "guard", "undo"};
_Static_assert(sizeof causes / sizeof *causes == ER_CAUSE_COUNT_, "every cause has a name");

const char *er_cause_name(er_cause c)
{
	ER_ASSERT((unsigned)c < ER_CAUSE_COUNT_);
	return causes[c];
}

er_cause er_cause_of(er_slice name)
{
	for (unsigned c = 0; c < ER_CAUSE_COUNT_; c++)
		if (er_slice_eq(name, er_slice_cstr(causes[c])))
			return (er_cause)c;
	return ER_CAUSE_DEPLOY;
}

/* Without a second version the share is 100 in both, whatever the number says. */
bool er_split_same(const er_split *a, const er_split *b)
{
	return a->version[0] == b->version[0] && a->version[1] == b->version[1] && (a->version[1] == 0 || a->percent == b->percent);
}

/* ---- where a rollback leads to ---- */

typedef struct past {
	uint64_t id;
	er_split split;
	bool restores; /* it went back to what ran before */
} past;

/* From the newest deployment of an environment back to the one that a rollback leads to.
 * Restorations count as the deployment that they restored, so that going back twice goes back two
 * steps. */
typedef struct walk {
	bool begun, found;
	bool looking; /* what runs was restored, and where it ran before that is still to be found */
	past now;     /* what runs */
	/* where it ran first; id 0: it is no restoration, or that is not known any more */
	past original;
	past target;
} walk;

/* One deployment further back; true: the target is found. */
static bool walk_back(walk *w, const past *p)
{
	ER_ASSERT(!w->looking || w->now.restores);
	if (!w->begun) {
		*w = (walk){.begun = true, .looking = p->restores, .now = *p};
		return false;
	}
	bool same = er_split_same(&p->split, &w->now.split);
	if (w->looking && same && !p->restores) {
		/* What ran between the two was left by going back. */
		w->looking = w->found = false;
		w->original = *p;
	} else if (!same && !w->found) {
		/* While it is looked for, this is what counts if it is not found. */
		w->found = true;
		w->target = *p;
	}
	return w->found && !w->looking;
}

static bool restores(er_cause cause)
{
	switch (cause) {
	case ER_CAUSE_ROLLBACK:
	case ER_CAUSE_GUARD:
	case ER_CAUSE_UNDO:
		return true;
	default:
		return false;
	}
}

/* The deployments of an environment from the newest back, until walk_back has seen enough. */
static bool walk_all(er_db *db, er_slice routine, er_env env, walk *w, er_err *err)
{
	er_query q = er_query_of(
	    db, "SELECT id, version0, version1, percent, cause FROM deployment WHERE routine = ?1 AND env = ?2 ORDER BY id DESC");
	er_bind_text(&q, routine);
	er_bind_int(&q, env);
	*w = (walk){0};
	while (er_query_row(&q)) {
		past p = {.id = (uint64_t)er_col_int(&q, 0),
		          .split = {.version = {(uint32_t)er_col_int(&q, 1), (uint32_t)er_col_int(&q, 2)},
		                    .percent = (uint32_t)er_col_int(&q, 3)},
		          .restores = restores(er_cause_of(er_col_bytes(&q, 4)))};
		if (walk_back(w, &p))
			break;
	}
	return er_query_end(&q, err);
}

bool er_store_before(er_store *s, er_slice routine, er_env env, er_split *out, bool *found, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	ER_ASSERT((unsigned)env < ER_ENV_COUNT_);
	walk w;
	if (!walk_all(s->control, routine, env, &w, err))
		return false;
	*found = w.found;
	*out = w.target.split;
	return true;
}

/* ---- how much is kept ---- */

void er_store_keep(er_store *s, const er_retention *keep)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	s->keep = *keep;
}

/* *id 0: there are not more than are kept. */
static bool first_beyond(er_apply *a, er_slice routine, uint64_t *id)
{
	ER_ASSERT(a->s->keep.deployments > 0);
	er_query q = er_query_of(a->db, "SELECT id FROM deployment WHERE routine = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2");
	er_bind_text(&q, routine);
	er_bind_int(&q, a->s->keep.deployments);
	*id = er_query_row(&q) ? (uint64_t)er_col_int(&q, 0) : 0;
	return er_query_end(&q, a->err);
}

bool er_trim_deployments(er_apply *a, er_slice routine)
{
	_Static_assert(ER_ENV_COUNT_ == 2, "the statement below has two places, ?4 to ?7, of two environments");
	ER_ASSERT(er_db_in_transaction(a->db));
	uint64_t beyond = 0;
	walk w[ER_ENV_COUNT_];
	if (a->s->keep.deployments == 0)
		return true;
	if (!first_beyond(a, routine, &beyond))
		return false;
	if (beyond == 0)
		return true;
	/* Every environment's walk needs rows of its own, so both are asked before anything goes. */
	for (unsigned e = 0; e < ER_ENV_COUNT_; e++)
		if (!walk_all(a->db, routine, (er_env)e, &w[e], a->err))
			return false;
	er_query q =
	    er_query_of(a->db, "DELETE FROM deployment WHERE id IN (SELECT id FROM deployment WHERE routine = ?1 AND id <= ?2"
	                       " AND id NOT IN (SELECT deployment FROM current WHERE routine = ?1)"
	                       " AND id NOT IN (?4, ?5, ?6, ?7) ORDER BY id LIMIT ?3)");
	er_bind_text(&q, routine);
	er_bind_int(&q, (int64_t)beyond);
	er_bind_int(&q, TRIM_MOST);
	for (unsigned e = 0; e < ER_ENV_COUNT_; e++) {
		er_bind_int(&q, (int64_t)w[e].original.id);
		er_bind_int(&q, (int64_t)w[e].target.id);
	}
	return er_query_run(&q, a->err);
}

/* *first 0: the log is empty. */
static bool read_first(er_db *db, uint64_t *first, er_err *err)
{
	er_query q = er_query_of(db, "SELECT min(sequence) FROM log");
	*first = er_query_row(&q) ? (uint64_t)er_col_int(&q, 0) : 0;
	return er_query_end(&q, err);
}

bool er_trim_log(er_apply *a, uint64_t before)
{
	ER_ASSERT(er_db_in_transaction(a->db) && a->out.sequence > before);
	uint64_t first = 0, last;
	const uint32_t keep = a->s->keep.changes;
	if (keep == 0 || a->out.sequence <= keep)
		return true;
	if (!read_first(a->db, &first, a->err))
		return false;
	last = a->out.sequence - keep;
	if (first == 0 || first > last)
		return true;
	/* As many as this transaction added, and TRIM_MOST of what was too much before. */
	if (last - first > TRIM_MOST + (a->out.sequence - before))
		last = first + TRIM_MOST + (a->out.sequence - before);
	a->freed |= last - first >= TRIM_MOST;
	er_query q = er_query_of(a->db, "DELETE FROM log WHERE sequence <= ?1");
	er_bind_int(&q, (int64_t)last);
	return er_query_run(&q, a->err);
}

bool er_store_log_first(er_store *s, uint64_t *first, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	if (!read_first(s->control, first, err))
		return false;
	if (*first == 0)
		*first = s->sequence + 1;
	return true;
}
