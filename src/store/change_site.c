/* Sites: what an administrator said of hosts and their origins, as JSON that the API has checked.
 * Called by apply.c, within its transaction. What the JSON means, and that no two sites have one
 * host, is not looked at here.
 *
 * The key of a site's certificate is not in the JSON. It is encrypted as secrets are (crypt.h) and
 * bound to its site; the log has nothing of it. A site that is set without one has none. */
#include "store/apply.h"
#include "store/sites.h"

#include "base/log.h"

/* Of this site, sealed, in `to`. */
static bool seal(er_apply *a, const er_change *c, er_buf *to)
{
	uint8_t key[ER_SEAL_KEY];
	size_t n;
	if (!er_key_get(a->s, a->db, true, key, a->err))
		return false;
	char *about = er_site_key_about(c->name, &n);
	er_seal(key, er_slice_of(about, n), c->key, er_buf_reserve(to, c->key.n + ER_SEAL_MORE));
	er_buf_wrote(to, c->key.n + ER_SEAL_MORE);
	er_wipe(key, sizeof key);
	er_free(about);
	return true;
}

/* A key that is given is always written: whether it is the same cannot be told without opening the
 * old one. */
static bool write_site(er_apply *a, const er_change *c, er_slice sealed)
{
	er_query q =
	    er_query_of(a->db, "INSERT INTO site(name, settings, at_ms, actor, key) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name) DO"
	                       " UPDATE SET settings = excluded.settings, at_ms = excluded.at_ms, actor = excluded.actor,"
	                       " key = excluded.key WHERE settings <> excluded.settings OR excluded.key IS NOT NULL");
	er_bind_text(&q, c->name);
	er_bind_text(&q, c->value);
	er_bind_int(&q, a->now_ms);
	er_bind_text(&q, c->actor);
	if (sealed.n > 0)
		er_bind_blob(&q, sealed);
	else
		er_bind_null(&q);
	return er_query_run(&q, a->err);
}

bool er_apply_site_set(er_apply *a, const er_change *c)
{
	ER_ASSERT(c->kind == ER_CHANGE_SITE_SET);
	if (!er_text_check("name of a site", c->name, ER_STORE_TEXT_MAX, a->err) ||
	    !er_text_check("settings of a site", c->value, ER_STORE_SITE_MAX, a->err))
		return false;
	er_buf sealed = {0};
	bool good = (c->key.n == 0 || seal(a, c, &sealed)) && write_site(a, c, er_buf_slice(&sealed));
	er_buf_fini(&sealed);
	if (!good || er_db_changes(a->db) == 0) /* it is so already: that is all that was asked for */
		return good;
	if (!er_apply_purge_of_site(a, c))
		return false;
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
	if (!er_apply_purge_of_site(a, c))
		return false;
	er_out data = er_log_begin();
	er_out_str(&data, "site", c->name);
	return er_apply_log(a, c, &data);
}

/* ---- reading ---- */

bool er_store_site_there(er_store *s, er_slice site, bool *there, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_query q = er_query_of(s->control, "SELECT 1 FROM site WHERE name = ?1");
	er_bind_text(&q, site);
	*there = er_query_row(&q);
	return er_query_end(&q, err);
}

/* Empty if there is none. False: it does not open. */
static bool open_key(er_store *s, er_arena *a, er_slice site, er_slice sealed, er_slice *out, er_err *err)
{
	uint8_t key[ER_SEAL_KEY];
	size_t n;
	*out = (er_slice){0};
	if (sealed.n == 0)
		return true;
	if (!er_key_get(s, s->control, false, key, err))
		return false;
	uint8_t *text = er_arena_alloc(a, sealed.n);
	char *about = er_site_key_about(site, &n);
	bool good = er_unseal(key, er_slice_of(about, n), sealed, text);
	er_wipe(key, sizeof key);
	er_free(about);
	if (good)
		*out = er_slice_of(text, sealed.n - ER_SEAL_MORE);
	return good ||
	       er_fail(err, ER_ERR_IO, "it cannot be decrypted: it was changed outside of er; set the site again (er site add)");
}

bool er_store_sites(er_store *s, er_arena *a, er_site_row **out, size_t *n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_buf rows;
	er_buf_init(&rows);
	er_query q = er_query_of(s->control, "SELECT name, settings, at_ms, actor, key FROM site ORDER BY name");
	while (er_query_row(&q)) {
		er_site_row r = {.name = er_col_copy(&q, 0, a),
		                 .settings = er_col_copy(&q, 1, a),
		                 .at_ms = er_col_int(&q, 2),
		                 .actor = er_col_copy(&q, 3, a),
		                 .key = er_col_copy(&q, 4, a)}; /* as it is stored */
		er_buf_put(&rows, er_slice_of(&r, sizeof r));
	}
	er_site_row *all = *out = er_rows_take(&rows, a, sizeof **out, n);
	if (!er_query_end(&q, err))
		return false;
	for (size_t i = 0; i < *n; i++) {
		er_err why = {0};
		if (!open_key(s, a, all[i].name, all[i].key, &all[i].key, &why))
			er_log(ER_LOG_ERROR, "store", "the key of the site %.*s is not used: %s", ER_FMT(all[i].name), why.text);
	}
	return true;
}

void er_store_sites_wipe(er_site_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		er_wipe((void *)(uintptr_t)rows[i].key.p, rows[i].key.n);
		rows[i].key = (er_slice){0};
	}
}

bool er_store_site_key(er_store *s, er_arena *a, er_slice site, er_slice *key, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_query q = er_query_of(s->control, "SELECT key FROM site WHERE name = ?1");
	er_bind_text(&q, site);
	er_slice sealed = er_query_row(&q) ? er_col_copy(&q, 0, a) : (er_slice){0};
	return er_query_end(&q, err) && open_key(s, a, site, sealed, key, err);
}
