/* Times that were taken, and runs (cron.h). `cron` has a row for each expression of a routine,
 * `cron_run` the last runs. Both go with their routine (change_version.c). */
#include "store/cron.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/room.h"

static const char *const outcomes[] = {
#define X(name, word) word,
    ER_CRON_OUTCOMES(X)
#undef X
};

const char *er_cron_outcome_name(er_cron_outcome o)
{
	ER_ASSERT((unsigned)o < ER_CRON_OUTCOMES_N);
	return outcomes[o];
}

static er_cron_outcome outcome_of(er_slice word)
{
	for (unsigned o = 0; o < ER_CRON_OUTCOMES_N; o++)
		if (er_slice_eq(word, er_slice_cstr(outcomes[o])))
			return (er_cron_outcome)o;
	return ER_CRON_LOST;
}

/* *taken: it was an earlier one until now. */
static bool take(er_store *s, const er_cron_claim *c, bool *taken, er_err *err)
{
	er_query q = er_query_of(s->control, "INSERT INTO cron(routine, cron, minute) VALUES (?1, ?2, ?3)"
	                                     " ON CONFLICT (routine, cron) DO UPDATE SET minute = excluded.minute"
	                                     " WHERE minute < excluded.minute");
	er_bind_text(&q, c->run.routine);
	er_bind_text(&q, c->run.cron);
	er_bind_int(&q, c->run.minute);
	if (!er_query_run(&q, err))
		return false;
	*taken = er_db_changes(s->control) > 0;
	return true;
}

static bool note(er_store *s, er_cron_run *r, er_err *err)
{
	er_query q =
	    er_query_of(s->control, "INSERT INTO cron_run(routine, cron, minute, at_ms, outcome, manual, status, error, cpu_us,"
	                            " wall_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, '', 0, 0) RETURNING id");
	er_bind_text(&q, r->routine);
	er_bind_text(&q, r->cron);
	er_bind_int(&q, r->minute);
	er_bind_int(&q, r->at_ms);
	er_bind_text(&q, er_slice_cstr(outcomes[r->outcome]));
	er_bind_int(&q, r->manual);
	r->id = er_query_row(&q) ? er_col_int(&q, 0) : 0;
	return er_query_end(&q, err);
}

static bool trim(er_store *s, er_slice routine, er_err *err)
{
	er_query q = er_query_of(s->control, "DELETE FROM cron_run WHERE routine = ?1 AND id <= (SELECT id FROM cron_run WHERE"
	                                     " routine = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)");
	er_bind_text(&q, routine);
	er_bind_int(&q, ER_CRON_RUNS);
	return er_query_run(&q, err);
}

static bool claim(er_store *s, er_cron_claim *c, er_err *err)
{
	c->taken = true;
	if (!c->run.manual && !take(s, c, &c->taken, err))
		return false;
	return !c->taken || c->begins || (note(s, &c->run, err) && trim(s, c->run.routine, err));
}

bool er_store_cron_claim(er_store *s, er_cron_claim *v, size_t n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	bool ok = er_db_begin(s->control, err);
	if (!ok)
		return false;
	for (size_t i = 0; i < n && ok; i++)
		ok = claim(s, &v[i], err);
	ok = ok && er_db_commit(s->control, err);
	if (!ok)
		er_db_rollback(s->control);
	return ok;
}

bool er_store_cron_end(er_store *s, const er_cron_run *r, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_query q = er_query_of(
	    s->control, "UPDATE cron_run SET outcome = ?1, status = ?2, error = ?3, cpu_us = ?4, wall_us = ?5 WHERE id = ?6");
	er_bind_text(&q, er_slice_cstr(outcomes[r->outcome]));
	er_bind_int(&q, r->status);
	er_bind_text(&q, r->error);
	er_bind_int(&q, (int64_t)r->cpu_us);
	er_bind_int(&q, (int64_t)r->wall_us);
	er_bind_int(&q, r->id);
	return er_query_run(&q, err);
}

bool er_store_cron_last(er_store *s, er_slice routine, er_slice cron, int64_t *minute, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_query q = er_query_of(s->control, "SELECT minute FROM cron WHERE routine = ?1 AND cron = ?2");
	er_bind_text(&q, routine);
	er_bind_text(&q, cron);
	*minute = er_query_row(&q) ? er_col_int(&q, 0) : -1;
	return er_query_end(&q, err);
}

bool er_store_cron_lost(er_store *s, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_query q = er_query_of(s->control, "UPDATE cron_run SET outcome = 'lost' WHERE outcome = 'running'");
	return er_query_run(&q, err);
}

bool er_store_cron_runs(er_store *s, er_arena *a, er_slice routine, int64_t before, unsigned most, er_cron_run **out, size_t *n,
                        er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_buf rows;
	er_buf_init(&rows);
	er_query q = er_query_of(s->control, "SELECT id, cron, minute, at_ms, outcome, manual, status, error, cpu_us, wall_us"
	                                     " FROM cron_run WHERE routine = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3");
	er_bind_text(&q, routine);
	er_bind_int(&q, before > 0 ? before : INT64_MAX);
	er_bind_int(&q, most);
	while (er_query_row(&q)) {
		er_cron_run r = {.id = er_col_int(&q, 0),
		                 .routine = routine,
		                 .cron = er_col_copy(&q, 1, a),
		                 .minute = er_col_int(&q, 2),
		                 .at_ms = er_col_int(&q, 3),
		                 .outcome = outcome_of(er_col_bytes(&q, 4)),
		                 .manual = er_col_int(&q, 5) != 0,
		                 .status = (int)er_col_int(&q, 6),
		                 .error = er_col_copy(&q, 7, a),
		                 .cpu_us = (uint64_t)er_col_int(&q, 8),
		                 .wall_us = (uint64_t)er_col_int(&q, 9)};
		er_buf_put(&rows, er_slice_of(&r, sizeof r));
	}
	*out = er_rows_take(&rows, a, sizeof **out, n);
	return er_query_end(&q, err);
}
