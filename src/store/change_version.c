/* The changes of routines and their versions. Called by apply.c, within its transaction.
 *
 * A version is immutable: its code, source map and settings stay as they came. It has the next
 * number of its routine, which is never given again, also not after the routine was deleted
 * (`numbering` outlives it). A routine is there from its first version on. The bytes lie in `blob`
 * under their hash, once, however many versions and routines name them; a blob goes with the last
 * version that names it.
 *
 * Adding what the newest version is already adds nothing and answers that version. What an
 * environment runs cannot be deleted: the foreign keys of `current` would refuse it, and
 * not_deployed says it in words before that. */
#include "store/apply.h"

#include "base/jsonc.h"

enum { BLOBS = 3 }; /* that a version names at most */

typedef struct version_hashes {
	er_hash code, map, assets;
	bool has_map, has_assets;
} version_hashes;

static void bind_hash(er_query *q, const er_hash *h)
{
	er_bind_blob(q, er_slice_of(h->b, ER_SHA256));
}

/* A version without a map has NULL there. */
static void bind_map(er_query *q, const version_hashes *h)
{
	if (h->has_map)
		bind_hash(q, &h->map);
	else
		er_bind_null(q);
}

static void bind_assets(er_query *q, const version_hashes *h)
{
	if (h->has_assets)
		bind_hash(q, &h->assets);
	else
		er_bind_null(q);
}

/* The settings were read member by member by the API; here they must be an object, since readers of
 * this store parse them. */
static bool data_check(er_apply *a, const er_version_data *v)
{
	if (v->code.n > ER_BLOB_MAX || v->source_map.n > ER_BLOB_MAX)
		return er_fail(a->err, ER_ERR_TOO_LARGE, "code and source map may have %d MB each", ER_BLOB_MAX >> 20);
	if (!er_text_check("description", v->description, ER_STORE_TEXT_MAX, a->err) ||
	    !er_text_check("settings of a version", v->settings, ER_STORE_SETTINGS_MAX, a->err))
		return false;
	er_arena arena;
	er_err why = {0};
	size_t at;
	er_arena_init(&arena);
	const er_json *j = er_jsonc_parse(&arena, v->settings, &at, &why);
	bool good = j != NULL && j->type == ER_JSON_OBJECT;
	er_arena_fini(&arena);
	return good ||
	       er_fail(a->err, ER_ERR_INVALID, "the settings of a version are a JSON object%s%s", why.text[0] ? ": " : "", why.text);
}

/* The newest version's number; *same: it is what is to be added. Its description is not looked
 * at. */
static bool newest(er_apply *a, const er_change *c, const version_hashes *h, uint32_t *number, bool *same)
{
	er_query q = er_query_of(a->db, "SELECT number, code = ?2 AND map IS ?3 AND settings = ?4 AND assets IS ?5 FROM version"
	                                " WHERE routine = ?1 ORDER BY number DESC LIMIT 1");
	er_bind_text(&q, c->routine);
	bind_hash(&q, &h->code);
	bind_map(&q, h);
	er_bind_text(&q, c->version.settings);
	bind_assets(&q, h);
	*number = 0;
	*same = false;
	if (er_query_row(&q)) {
		*number = (uint32_t)er_col_int(&q, 0);
		*same = er_col_int(&q, 1) != 0;
	}
	return er_query_end(&q, a->err);
}

static bool within_quota(er_apply *a, er_slice routine)
{
	er_query q = er_query_of(a->db, "SELECT count(*) FROM version WHERE routine = ?1");
	er_bind_text(&q, routine);
	int64_t n = er_query_row(&q) ? er_col_int(&q, 0) : 0;
	if (!er_query_end(&q, a->err))
		return false;
	return n < (int64_t)a->s->quota || er_fail(a->err, ER_ERR_TOO_LARGE,
	                                           "\"%.*s\" has %lld versions, and this node keeps at most %u of a routine: remove "
	                                           "old ones with `er versions prune`",
	                                           ER_FMT(routine), (long long)n, a->s->quota);
}

/* The same bytes may be there already, of another version or routine. */
static bool store_blob(er_apply *a, const er_hash *hash, er_slice bytes)
{
	er_query q = er_query_of(a->db, "INSERT INTO blob(hash, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING");
	bind_hash(&q, hash);
	er_bind_blob(&q, bytes);
	return er_query_run(&q, a->err);
}

/* Of the routine's name, whatever became of the routines that had it. */
static bool next_number(er_apply *a, er_slice routine, uint32_t *number)
{
	er_query q = er_query_of(
	    a->db, "INSERT INTO numbering(routine, last) VALUES (?1, 1) ON CONFLICT (routine) DO UPDATE SET last = last + 1"
	           " RETURNING last");
	er_bind_text(&q, routine);
	*number = er_query_row(&q) ? (uint32_t)er_col_int(&q, 0) : 0;
	return er_query_run(&q, a->err);
}

static bool insert_version(er_apply *a, const er_change *c, const version_hashes *h, uint32_t number)
{
	ER_ASSERT(number > 0);
	const er_version_data *v = &c->version;
	er_query q = er_query_of(
	    a->db, "INSERT INTO version(routine, number, code, map, code_n, map_n, settings, description, actor, at_ms,"
	           " assets, assets_files, assets_bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)");
	er_bind_text(&q, c->routine);
	er_bind_int(&q, number);
	bind_hash(&q, &h->code);
	bind_map(&q, h);
	er_bind_int(&q, (int64_t)v->code.n);
	er_bind_int(&q, (int64_t)v->source_map.n);
	er_bind_text(&q, v->settings);
	er_bind_text(&q, v->description);
	er_bind_text(&q, c->actor);
	er_bind_int(&q, a->now_ms);
	bind_assets(&q, h);
	er_bind_int(&q, v->assets_files);
	er_bind_int(&q, (int64_t)v->assets_bytes);
	return er_query_run(&q, a->err);
}

static bool log_version(er_apply *a, const er_change *c, const version_hashes *h, uint32_t number)
{
	er_out data = er_log_begin();
	er_out_u64(&data, "version", number);
	er_out_u64(&data, "bytes", c->version.code.n);
	er_out_hex(&data, "code_sha256", er_slice_of(h->code.b, ER_SHA256));
	if (h->has_map)
		er_out_hex(&data, "source_map_sha256", er_slice_of(h->map.b, ER_SHA256));
	if (h->has_assets)
		er_out_hex(&data, "assets_sha256", er_slice_of(h->assets.b, ER_SHA256));
	er_out_str(&data, "description", c->version.description);
	return er_apply_log(a, c, &data);
}

static bool add_routine(er_apply *a, er_slice name)
{
	er_query q = er_query_of(a->db, "INSERT INTO routine(name, sequence) VALUES (?1, ?2) ON CONFLICT DO NOTHING");
	er_bind_text(&q, name);
	er_bind_int(&q, (int64_t)a->out.sequence + 1);
	return er_query_run(&q, a->err);
}

bool er_apply_version_add(er_apply *a, const er_change *c)
{
	version_hashes h = {.has_map = c->version.source_map.n > 0, .has_assets = c->version.assets.n > 0};
	uint32_t number;
	bool same;
	ER_ASSERT(c->kind == ER_CHANGE_VERSION_ADD);
	if (!er_name_check("routine", c->routine, a->err) || !data_check(a, &c->version))
		return false;
	er_sha256(c->version.code, (er_slice){0}, &h.code);
	if (h.has_map)
		er_sha256(c->version.source_map, (er_slice){0}, &h.map);
	if (h.has_assets)
		er_sha256(c->version.assets, (er_slice){0}, &h.assets);
	if (!newest(a, c, &h, &number, &same))
		return false;
	/* For a DEPLOY of ER_VERSION_ADDED behind it, also if nothing is added. */
	a->added = c->routine;
	a->out.existed = same;
	a->out.version = number;
	if (same)
		return true;
	if (!within_quota(a, c->routine) || !store_blob(a, &h.code, c->version.code) ||
	    (h.has_map && !store_blob(a, &h.map, c->version.source_map)) ||
	    (h.has_assets && !store_blob(a, &h.assets, c->version.assets)) || !add_routine(a, c->routine) ||
	    !next_number(a, c->routine, &number) || !insert_version(a, c, &h, number))
		return false;
	a->out.version = number;
	return log_version(a, c, &h, number);
}

/* ---- deleting ---- */

/* If no version names it any more, as code, as a map or as a manifest. */
static bool drop_blob(er_apply *a, er_slice hash)
{
	ER_ASSERT(hash.n == ER_SHA256);
	er_query q = er_query_of(a->db, "DELETE FROM blob WHERE hash = ?1 AND NOT EXISTS (SELECT 1 FROM version WHERE code = ?1)"
	                                " AND NOT EXISTS (SELECT 1 FROM version WHERE map = ?1)"
	                                " AND NOT EXISTS (SELECT 1 FROM version WHERE assets = ?1)");
	er_bind_blob(&q, hash);
	a->freed = true;
	return er_query_run(&q, a->err);
}

static bool not_deployed(er_apply *a, er_slice routine, uint32_t number)
{
	er_query q = er_query_of(a->db, "SELECT env FROM current WHERE routine = ?1 AND (version0 = ?2 OR version1 = ?2)");
	er_bind_text(&q, routine);
	er_bind_int(&q, number);
	bool deployed = er_query_row(&q);
	er_env env = deployed && er_col_int(&q, 0) == ER_ENV_STAGING ? ER_ENV_STAGING : ER_ENV_PRODUCTION;
	if (!er_query_end(&q, a->err))
		return false;
	return !deployed || er_fail(a->err, ER_ERR_INVALID, "version %u of \"%.*s\" runs in %s: deploy another one there first",
	                            number, ER_FMT(routine), er_env_name(env));
}

/* Deletes the row and gives the hashes of its blobs, one to three. */
static bool take_version(er_apply *a, er_slice routine, uint32_t number, er_hash hashes[BLOBS], size_t *n_hashes)
{
	er_query q = er_query_of(a->db, "DELETE FROM version WHERE routine = ?1 AND number = ?2 RETURNING code, map, assets");
	er_bind_text(&q, routine);
	er_bind_int(&q, number);
	bool found = er_query_row(&q);
	*n_hashes = 0;
	for (int i = 0; found && i < BLOBS; i++)
		if (er_col_bytes(&q, i).n == ER_SHA256)
			er_copy(hashes[(*n_hashes)++].b, er_col_bytes(&q, i).p, ER_SHA256);
	if (!er_query_run(&q, a->err))
		return false;
	return found || er_fail(a->err, ER_ERR_NO_ROUTE, "\"%.*s\" has no version %u; `er versions` lists what there is",
	                        ER_FMT(er_slice_head(routine, 80)), number);
}

bool er_apply_version_delete(er_apply *a, const er_change *c)
{
	er_hash hashes[BLOBS];
	size_t n;
	ER_ASSERT(c->kind == ER_CHANGE_VERSION_DELETE);
	if (!er_apply_known(a, c->routine) || !not_deployed(a, c->routine, c->number) ||
	    !take_version(a, c->routine, c->number, hashes, &n))
		return false;
	ER_ASSERT(n <= sizeof hashes / sizeof *hashes);
	for (size_t i = 0; i < n; i++)
		if (!drop_blob(a, er_slice_of(hashes[i].b, ER_SHA256)))
			return false;
	er_out data = er_log_begin();
	er_out_u64(&data, "version", c->number);
	return er_apply_log(a, c, &data);
}

/* The hashes that versions of a routine name, each once. */
static bool hashes_of(er_apply *a, er_slice routine, er_buf *hashes)
{
	er_query q =
	    er_query_of(a->db, "SELECT code FROM version WHERE routine = ?1 UNION SELECT map FROM version WHERE routine = ?1 AND map"
	                       " IS NOT NULL UNION SELECT assets FROM version WHERE routine = ?1 AND assets IS NOT NULL");
	er_bind_text(&q, routine);
	while (er_query_row(&q))
		if (er_col_bytes(&q, 0).n == ER_SHA256)
			er_buf_put(hashes, er_col_bytes(&q, 0));
	return er_query_end(&q, a->err);
}

/* In an order that the foreign keys allow: what points before what is pointed to. */
static bool delete_rows(er_apply *a, er_slice routine)
{
	static const char *const tables[] = {
	    "DELETE FROM current WHERE routine = ?1", "DELETE FROM deployment WHERE routine = ?1",
	    "DELETE FROM setting WHERE routine = ?1", "DELETE FROM address WHERE routine = ?1",
	    "DELETE FROM route WHERE routine = ?1",   "DELETE FROM version WHERE routine = ?1",
	    "DELETE FROM cron WHERE routine = ?1",    "DELETE FROM cron_run WHERE routine = ?1",
	    "DELETE FROM routine WHERE name = ?1",    NULL,
	};
	for (const char *const *sql = tables; *sql != NULL; sql++)
		if (!er_apply_run_text(a, *sql, routine))
			return false;
	return true;
}

/* Whoever has the name from now on is another one, to what is not in this database as well. */
static bool note_end(er_apply *a, er_slice routine)
{
	er_query q = er_query_of(a->db, "UPDATE numbering SET ended = ?2 WHERE routine = ?1");
	er_bind_text(&q, routine);
	er_bind_int(&q, (int64_t)a->out.sequence + 1);
	return er_query_run(&q, a->err);
}

/* With everything it has: what it runs, its versions, history, settings and routes. Its numbering
 * stays. */
bool er_apply_routine_delete(er_apply *a, const er_change *c)
{
	er_buf hashes;
	ER_ASSERT(c->kind == ER_CHANGE_ROUTINE_DELETE);
	er_buf_init(&hashes);
	bool good = er_apply_known(a, c->routine) && hashes_of(a, c->routine, &hashes) && delete_rows(a, c->routine) &&
	            note_end(a, c->routine);
	ER_ASSERT(er_buf_len(&hashes) % ER_SHA256 == 0);
	for (er_slice rest = er_buf_slice(&hashes); good && rest.n > 0; rest = er_slice_from(rest, ER_SHA256))
		good = drop_blob(a, er_slice_head(rest, ER_SHA256));
	er_buf_fini(&hashes);
	if (!good)
		return false;
	er_out data = er_log_begin();
	return er_apply_log(a, c, &data);
}
