/* Sites: what an administrator said of hosts and their origins, as JSON that the API has checked.
 * Called by apply.c, within its transaction. What the JSON means, and that no two sites have one
 * host, is not looked at here. */
#include "store/apply.h"
#include "store/sites.h"

bool er_apply_site_set(er_apply *a, const er_change *c)
{
	ER_ASSERT(c->kind == ER_CHANGE_SITE_SET);
	if (!er_text_check("name of a site", c->name, ER_STORE_TEXT_MAX, a->err) ||
	    !er_text_check("settings of a site", c->value, ER_STORE_SITE_MAX, a->err))
		return false;
	er_query q = er_query_of(a->db, "INSERT INTO site(name, settings, at_ms, actor) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO"
	                                " UPDATE SET settings = excluded.settings, at_ms = excluded.at_ms, actor = excluded.actor"
	                                " WHERE settings <> excluded.settings");
	er_bind_text(&q, c->name);
	er_bind_text(&q, c->value);
	er_bind_int(&q, a->now_ms);
	er_bind_text(&q, c->actor);
	if (!er_query_run(&q, a->err))
		return false;
	if (er_db_changes(a->db) == 0) /* it is so already: that is all that was asked for */
		return true;
	er_out data = er_log_begin();
	er_out_str(&data, "site", c->name);
	er_out_json(&data, "settings", c->value);
	return er_apply_log(a, c, &data);
}

bool er_apply_site_delete(er_apply *a, const er_change *c)
{
	ER_ASSERT(c->kind == ER_CHANGE_SITE_DELETE);
	if (!er_apply_run_text(a, "DELETE FROM site WHERE name = ?1", c->name))
		return false;
	if (er_db_changes(a->db) == 0)
		return er_fail(a->err, ER_ERR_NO_ROUTE, "there is no site \"%.*s\" in the store", ER_FMT(er_slice_head(c->name, 80)));
	er_out data = er_log_begin();
	er_out_str(&data, "site", c->name);
	return er_apply_log(a, c, &data);
}

bool er_store_sites(er_store *s, er_arena *a, er_site_row **out, size_t *n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_buf rows;
	er_buf_init(&rows);
	er_query q = er_query_of(s->control, "SELECT name, settings, at_ms, actor FROM site ORDER BY name");
	while (er_query_row(&q)) {
		er_site_row r = {.name = er_col_copy(&q, 0, a),
		                 .settings = er_col_copy(&q, 1, a),
		                 .at_ms = er_col_int(&q, 2),
		                 .actor = er_col_copy(&q, 3, a)};
		er_buf_put(&rows, er_slice_of(&r, sizeof r));
	}
	*out = er_rows_take(&rows, a, sizeof **out, n);
	return er_query_end(&q, err);
}
