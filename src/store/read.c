/* What the control thread reads: each function is one statement and one kind of row. Rows are
 * collected in a buffer and moved to the caller's arena, with their texts; nothing here is kept.
 * `routine` empty means all of them, and then a statement of its own is used: one that has both
 * ways in its WHERE would use no index. *out and *n are set also on failure, so that the arena is
 * whole; the caller must not look at them then. */
#include "base/buf.h"
#include "store/room.h"

bool er_store_routines(er_store *s, er_arena *a, er_slice **out, size_t *n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_buf rows;
	er_buf_init(&rows);
	er_query q = er_query_of(s->control, "SELECT name FROM routine ORDER BY name");
	while (er_query_row(&q)) {
		er_slice name = er_col_copy(&q, 0, a);
		er_buf_put(&rows, er_slice_of(&name, sizeof name));
	}
	*out = er_rows_take(&rows, a, sizeof **out, n);
	return er_query_end(&q, err);
}

/* Zeros for a map that is not there. */
static void hash_column(const er_query *q, int column, er_hash *out)
{
	*out = (er_hash){0};
	if (er_col_bytes(q, column).n == ER_SHA256)
		er_copy(out->b, er_col_bytes(q, column).p, ER_SHA256);
}

/* The numbers of environments as they stand in the rows. */
_Static_assert(ER_ENV_PRODUCTION == 0 && ER_ENV_STAGING == 1, "stored rows and the statements below have these");

#define VERSION_COLUMNS \
	"SELECT v.routine, v.number, v.code, v.map, v.code_n, v.map_n, v.settings, v.description, v.actor, v.at_ms," \
	" p.routine IS NOT NULL, s.routine IS NOT NULL, v.assets, v.assets_files, v.assets_bytes, " \
	" (SELECT sequence FROM routine WHERE name = v.routine) FROM version v" \
	" LEFT JOIN current p ON p.routine = v.routine AND p.env = 0 AND v.number IN (p.version0, p.version1)" \
	" LEFT JOIN current s ON s.routine = v.routine AND s.env = 1 AND v.number IN (s.version0, s.version1)"

/* Newest first within a routine. */
bool er_store_versions(er_store *s, er_arena *a, er_slice routine, er_version_row **out, size_t *n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_buf rows;
	er_buf_init(&rows);
	er_query q = er_query_of(s->control, routine.n ? VERSION_COLUMNS " WHERE v.routine = ?1 ORDER BY v.number DESC"
	                                               : VERSION_COLUMNS " ORDER BY v.routine, v.number DESC");
	if (routine.n)
		er_bind_text(&q, routine);
	while (er_query_row(&q)) {
		er_version_row r = {
		    .routine = er_col_copy(&q, 0, a),
		    .born = (uint64_t)er_col_int(&q, 15),
		    .number = (uint32_t)er_col_int(&q, 1),
		    .code_n = (uint32_t)er_col_int(&q, 4),
		    .map_n = (uint32_t)er_col_int(&q, 5),
		    .settings = er_col_copy(&q, 6, a),
		    .description = er_col_copy(&q, 7, a),
		    .actor = er_col_copy(&q, 8, a),
		    .at_ms = er_col_int(&q, 9),
		    .assets_files = (uint32_t)er_col_int(&q, 13),
		    .assets_bytes = (uint64_t)er_col_int(&q, 14),
		    .deployed = {[ER_ENV_PRODUCTION] = er_col_int(&q, 10) != 0, [ER_ENV_STAGING] = er_col_int(&q, 11) != 0},
		};
		hash_column(&q, 2, &r.code);
		hash_column(&q, 3, &r.source_map);
		hash_column(&q, 12, &r.assets);
		er_buf_put(&rows, er_slice_of(&r, sizeof r));
	}
	*out = er_rows_take(&rows, a, sizeof **out, n);
	return er_query_end(&q, err);
}

bool er_store_addresses(er_store *s, er_arena *a, er_slice routine, er_address_row **out, size_t *n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
#define ADDRESSES "SELECT routine, range, actor, at_ms FROM address"
	er_buf rows;
	er_buf_init(&rows);
	er_query q = er_query_of(s->control,
	                         routine.n ? ADDRESSES " WHERE routine = ?1 ORDER BY range" : ADDRESSES " ORDER BY routine, range");
	if (routine.n)
		er_bind_text(&q, routine);
	while (er_query_row(&q)) {
		er_address_row r = {.routine = er_col_copy(&q, 0, a),
		                    .range = er_col_copy(&q, 1, a),
		                    .actor = er_col_copy(&q, 2, a),
		                    .at_ms = er_col_int(&q, 3)};
		er_buf_put(&rows, er_slice_of(&r, sizeof r));
	}
	*out = er_rows_take(&rows, a, sizeof **out, n);
	return er_query_end(&q, err);
#undef ADDRESSES
}

#define DEPLOYMENT_COLUMNS \
	"SELECT d.id, d.sequence, d.routine, d.env, d.version0, d.version1, d.percent, d.guard, d.error_percent, d.p99_percent," \
	" d.least_requests, d.watch_s, d.at_ms, d.actor, d.reason, d.cause"

/* Rows of DEPLOYMENT_COLUMNS. */
static bool deployments(er_query *q, er_arena *a, er_deployment_row **out, size_t *n, er_err *err)
{
	er_buf rows;
	er_buf_init(&rows);
	while (er_query_row(q)) {
		er_deployment_row r = {
		    .id = (uint64_t)er_col_int(q, 0),
		    .sequence = (uint64_t)er_col_int(q, 1),
		    .routine = er_col_copy(q, 2, a),
		    .env = er_col_int(q, 3) == ER_ENV_STAGING ? ER_ENV_STAGING : ER_ENV_PRODUCTION,
		    .split = {.version = {(uint32_t)er_col_int(q, 4), (uint32_t)er_col_int(q, 5)}, .percent = (uint32_t)er_col_int(q, 6)},
		    .guard = {.on = er_col_int(q, 7) != 0,
		              .error_percent = (uint32_t)er_col_int(q, 8),
		              .p99_percent = (uint32_t)er_col_int(q, 9),
		              .least_requests = (uint32_t)er_col_int(q, 10),
		              .watch_s = (uint32_t)er_col_int(q, 11)},
		    .at_ms = er_col_int(q, 12),
		    .actor = er_col_copy(q, 13, a),
		    .reason = er_col_copy(q, 14, a),
		    .cause = er_cause_of(er_col_bytes(q, 15)),
		};
		er_buf_put(&rows, er_slice_of(&r, sizeof r));
	}
	*out = er_rows_take(&rows, a, sizeof **out, n);
	return er_query_end(q, err);
}

bool er_store_current(er_store *s, er_arena *a, er_slice routine, er_deployment_row **out, size_t *n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
#define CURRENT DEPLOYMENT_COLUMNS " FROM current c JOIN deployment d ON d.id = c.deployment"
	er_query q = er_query_of(s->control,
	                         routine.n ? CURRENT " WHERE c.routine = ?1 ORDER BY c.env" : CURRENT " ORDER BY c.routine, c.env");
#undef CURRENT
	if (routine.n)
		er_bind_text(&q, routine);
	return deployments(&q, a, out, n, err);
}

bool er_store_history(er_store *s, er_arena *a, er_slice routine, uint64_t before, unsigned most, er_deployment_row **out,
                      size_t *n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_query q =
	    er_query_of(s->control, routine.n ? DEPLOYMENT_COLUMNS
	                                " FROM deployment d WHERE d.id < ?1 AND d.routine = ?3 ORDER BY d.id DESC LIMIT ?2"
	                                      : DEPLOYMENT_COLUMNS " FROM deployment d WHERE d.id < ?1 ORDER BY d.id DESC LIMIT ?2");
	er_bind_int(&q, before == 0 || before > INT64_MAX ? INT64_MAX : (int64_t)before);
	er_bind_int(&q, most);
	if (routine.n)
		er_bind_text(&q, routine);
	return deployments(&q, a, out, n, err);
}

bool er_store_routes(er_store *s, er_arena *a, er_env env, er_route_rule **out, size_t *n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	ER_ASSERT((unsigned)env < ER_ENV_COUNT_);
	er_buf rows;
	er_buf_init(&rows);
	er_query q = er_query_of(s->control, "SELECT pattern, routine FROM route WHERE env = ?1 ORDER BY position");
	er_bind_int(&q, env);
	while (er_query_row(&q)) {
		er_route_rule r = {.pattern = er_col_copy(&q, 0, a), .routine = er_col_copy(&q, 1, a)};
		er_buf_put(&rows, er_slice_of(&r, sizeof r));
	}
	*out = er_rows_take(&rows, a, sizeof **out, n);
	return er_query_end(&q, err);
}

bool er_store_settings(er_store *s, er_arena *a, er_slice routine, er_env env, er_setting_row **out, size_t *n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	ER_ASSERT((unsigned)env < ER_ENV_COUNT_);
	er_buf rows;
	er_buf_init(&rows);
	er_query q = er_query_of(s->control, "SELECT name, secret, iif(secret, x'', value), at_ms, actor FROM setting"
	                                     " WHERE routine = ?1 AND env = ?2 ORDER BY secret, name");
	er_bind_text(&q, routine);
	er_bind_int(&q, env);
	while (er_query_row(&q)) {
		er_setting_row r = {
		    .name = er_col_copy(&q, 0, a),
		    .secret = er_col_int(&q, 1) != 0,
		    .value = er_col_copy(&q, 2, a),
		    .at_ms = er_col_int(&q, 3),
		    .actor = er_col_copy(&q, 4, a),
		};
		er_buf_put(&rows, er_slice_of(&r, sizeof r));
	}
	*out = er_rows_take(&rows, a, sizeof **out, n);
	return er_query_end(&q, err);
}

static er_change_kind kind_of(er_slice name)
{
	for (unsigned k = 0; k < ER_CHANGE_KIND_COUNT_; k++)
		if (er_slice_eq(name, er_slice_cstr(er_change_name((er_change_kind)k))))
			return (er_change_kind)k;
	return ER_CHANGE_KIND_COUNT_; /* cannot be: a database of a newer er is refused */
}

bool er_store_log(er_store *s, er_arena *a, uint64_t after, unsigned most, er_log_row **out, size_t *n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_buf rows;
	er_buf_init(&rows);
	er_query q = er_query_of(s->control, "SELECT sequence, at_ms, kind, actor, source, routine, data FROM log WHERE sequence > ?1"
	                                     " ORDER BY sequence LIMIT ?2");
	er_bind_int(&q, after > INT64_MAX ? INT64_MAX : (int64_t)after);
	er_bind_int(&q, most);
	while (er_query_row(&q)) {
		er_log_row r = {
		    .sequence = (uint64_t)er_col_int(&q, 0),
		    .at_ms = er_col_int(&q, 1),
		    .kind = kind_of(er_col_bytes(&q, 2)),
		    .actor = er_col_copy(&q, 3, a),
		    .source = er_col_copy(&q, 4, a),
		    .routine = er_col_copy(&q, 5, a),
		    .data = er_col_copy(&q, 6, a),
		};
		if (r.kind < ER_CHANGE_KIND_COUNT_)
			er_buf_put(&rows, er_slice_of(&r, sizeof r));
	}
	*out = er_rows_take(&rows, a, sizeof **out, n);
	return er_query_end(&q, err);
}

/* The versions to go become changes like any other: in the log, in one transaction. */
bool er_store_prune(er_store *s, er_slice routine, unsigned keep, er_slice actor, er_slice source, unsigned *removed, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_buf rows;
	*removed = 0;
	if (!er_routine_known(s->control, routine, err))
		return false;
	er_buf_init(&rows);
	er_query q = er_query_of(
	    s->control, "SELECT number FROM (SELECT number FROM version WHERE routine = ?1 ORDER BY number DESC LIMIT -1 OFFSET ?2)"
	                " AS old WHERE NOT EXISTS (SELECT 1 FROM current WHERE routine = ?1 AND old.number IN (version0, version1))"
	                " ORDER BY number");
	er_bind_text(&q, routine);
	er_bind_int(&q, keep);
	while (er_query_row(&q)) {
		er_change c = {.kind = ER_CHANGE_VERSION_DELETE, .actor = actor, .source = source, .routine = routine};
		c.number = (uint32_t)er_col_int(&q, 0);
		er_buf_put(&rows, er_slice_of(&c, sizeof c));
	}
	ER_ASSERT(er_buf_len(&rows) % sizeof(er_change) == 0);
	size_t n = er_buf_len(&rows) / sizeof(er_change);
	bool good = er_query_end(&q, err) && er_store_apply(s, (const er_change *)(const void *)rows.p, n, NULL, err);
	*removed = good ? (unsigned)n : 0;
	er_buf_fini(&rows);
	return good;
}
