/* Purges of the cache: what no stored response may be used for any more, by scope, with the number
 * that decides about it (cache/purge.h). Called by apply.c, within its transaction.
 *
 * A row is kept as long as the cache may have something that it matches; then the cache says so and
 * it goes (er_store_purges_forget). A purge that stands for others from now on removes their rows
 * in its own transaction. So there are as many as the cache's own table has, and no purge is lost
 * by a crash. What a scope is, only the cache and the API know: here it is a text. */
#include "store/apply.h"
#include "store/purges.h"

/* What the purge stands for from now on, as the row has its numbers. */
static bool remove_covered(er_apply *a, const er_change *c)
{
	static const char sql[] = "DELETE FROM purge WHERE kind = ?1 AND site = ?2 AND value >= ?3 AND value < ?4"
	                          " AND hard <= (SELECT hard FROM purge WHERE kind = ?5 AND site = ?6 AND value = ?7)"
	                          " AND soft <= (SELECT max(hard, soft) FROM purge WHERE kind = ?5 AND site = ?6 AND value = ?7)";
	for (size_t i = 0; i < c->n_covers; i++) {
		const er_purge_range *r = &c->covers[i];
		er_query q = er_query_of(a->db, sql);
		er_bind_text(&q, r->scope);
		er_bind_text(&q, r->site);
		er_bind_text(&q, r->from);
		er_bind_text(&q, r->below);
		er_bind_text(&q, c->name);
		er_bind_text(&q, c->site);
		er_bind_text(&q, c->value);
		if (!er_query_run(&q, a->err))
			return false;
	}
	return true;
}

static bool write_purge(er_apply *a, er_slice scope, er_slice site, er_slice value, bool soft, uint64_t number)
{
	ER_ASSERT(number > 0 && number <= INT64_MAX);
	er_query q = er_query_of(
	    a->db, "INSERT INTO purge(kind, site, value, hard, soft) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (kind, site, value)"
	           " DO UPDATE SET hard = max(hard, excluded.hard), soft = max(soft, excluded.soft)");
	er_bind_text(&q, scope);
	er_bind_text(&q, site);
	er_bind_text(&q, value);
	er_bind_int(&q, soft ? 0 : (int64_t)number);
	er_bind_int(&q, soft ? (int64_t)number : 0);
	return er_query_run(&q, a->err);
}

bool er_apply_purge_of_site(er_apply *a, const er_change *c)
{
	return c->purge_scope.n == 0 || write_purge(a, c->purge_scope, (er_slice){0}, c->name, false, c->purge_number);
}

bool er_apply_purge(er_apply *a, const er_change *c)
{
	ER_ASSERT(c->kind == ER_CHANGE_PURGE && c->purge_number > 0 && c->purge_number <= INT64_MAX);
	if (!er_text_check("scope of a purge", c->name, ER_STORE_TEXT_MAX, a->err) ||
	    !er_text_check("site of a purge", c->site, ER_STORE_TEXT_MAX, a->err) ||
	    !er_text_check("what is purged", c->value, ER_STORE_PURGE_MAX, a->err))
		return false;
	if (!write_purge(a, c->name, c->site, c->value, c->soft, c->purge_number) || !remove_covered(a, c))
		return false;
	er_out data = er_log_begin();
	er_out_str(&data, "scope", c->name);
	er_out_opt(&data, "value", c->value);
	er_out_opt(&data, "site", c->site);
	er_out_bool(&data, "soft", c->soft);
	return er_apply_log(a, c, &data);
}

bool er_store_purges(er_store *s, er_arena *a, er_purge_row **out, size_t *n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_buf rows;
	er_buf_init(&rows);
	er_query q = er_query_of(s->control, "SELECT kind, site, value, hard, soft FROM purge ORDER BY max(hard, soft)");
	while (er_query_row(&q)) {
		er_purge_row r = {.scope = er_col_copy(&q, 0, a),
		                  .site = er_col_copy(&q, 1, a),
		                  .value = er_col_copy(&q, 2, a),
		                  .hard = (uint64_t)er_col_int(&q, 3),
		                  .soft = (uint64_t)er_col_int(&q, 4)};
		er_buf_put(&rows, er_slice_of(&r, sizeof r));
	}
	*out = er_rows_take(&rows, a, sizeof **out, n);
	return er_query_end(&q, err);
}

bool er_store_purges_forget(er_store *s, uint64_t upto, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_query q = er_query_of(s->control, "DELETE FROM purge WHERE hard <= ?1 AND soft <= ?1");
	er_bind_int(&q, upto > INT64_MAX ? INT64_MAX : (int64_t)upto);
	return er_query_run(&q, err);
}
