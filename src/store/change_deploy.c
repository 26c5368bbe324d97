/* The changes that decide what is served: which version an environment runs, and which routine
 * answers which URL. Called by apply.c, within its transaction.
 *
 * A deployment is one row that is never changed; `current` points to the one that runs. A rollback
 * is one more deployment. Its split names one version or two, and may say ER_VERSION_ADDED for what
 * the VERSION_ADD before it in the same list became: the number is known only here, under the lock.
 * Deploying what runs already, just so, is no change, and its answer is the deployment that runs.
 *
 * Routes are given as the whole list of an environment. The store compares it with what is there
 * and writes from the first difference on; the log keeps the difference as a splice. */
#include "store/apply.h"

#include "base/map.h"

/* ---- deployments ---- */

static bool version_exists(er_apply *a, er_slice routine, uint32_t number)
{
	bool found;
	er_query q = er_query_of(a->db, "SELECT 1 FROM version WHERE routine = ?1 AND number = ?2");
	er_bind_text(&q, routine);
	er_bind_int(&q, number);
	if (!er_query_any(&q, &found, a->err))
		return false;
	return found || er_fail(a->err, ER_ERR_NO_ROUTE, "\"%.*s\" has no version %u; `er versions` lists what there is",
	                        ER_FMT(er_slice_head(routine, 80)), number);
}

/* Puts the number of the version that was just added where the change says so. */
static bool resolve_added(er_apply *a, const er_change *c, er_split *split)
{
	*split = c->split;
	if (split->version[0] == 0)
		return er_fail(a->err, ER_ERR_INVALID, "a deployment names a version");
	for (int i = 0; i < ER_STORE_SPLIT; i++) {
		if (split->version[i] != ER_VERSION_ADDED)
			continue;
		if (!er_slice_eq(a->added, c->routine))
			return er_fail(a->err, ER_ERR_INVALID, "a deployment of what was just added follows that");
		split->version[i] = a->out.version;
		if (split->version[0] == split->version[1] && c->split.version[0] != c->split.version[1])
			return er_fail(a->err, ER_ERR_CONFLICT,
			               "this is version %u already, which has the rest of the clients: there is nothing to try",
			               a->out.version);
	}
	return true;
}

/* A split has two different versions that share 100 %. */
static bool resolve_split(er_apply *a, const er_change *c, er_split *split)
{
	if (!resolve_added(a, c, split))
		return false;
	if (split->version[1] == 0 && split->percent == 0)
		split->percent = 100;
	if (split->version[1] == 0 && split->percent != 100)
		return er_fail(a->err, ER_ERR_INVALID,
		               "one version gets 100 %% of the clients, not %u %%: name a second one for the rest", split->percent);
	if (split->version[1] != 0 && (split->percent < 1 || split->percent > 99))
		return er_fail(a->err, ER_ERR_INVALID, "each of two versions gets 1 to 99 %% of the clients, not %u %%", split->percent);
	if (split->version[0] == split->version[1])
		return er_fail(a->err, ER_ERR_INVALID, "version %u cannot share with itself: name two versions, or deploy it alone",
		               split->version[0]);
	return version_exists(a, c->routine, split->version[0]) &&
	       (split->version[1] == 0 || version_exists(a, c->routine, split->version[1]));
}

/* The upper bounds of times and counts are the API's; here stands what the tables and the guard's
 * arithmetic rely on. */
static bool guard_check(er_apply *a, const er_guard *g)
{
	if (!g->on)
		return true;
	if (g->error_percent > 100)
		return er_fail(a->err, ER_ERR_INVALID, "a guard's error_percent is 0 to 100, not %u", g->error_percent);
	return g->watch_s > 0 || er_fail(a->err, ER_ERR_INVALID, "a guard watches for at least one second (watch_s)");
}

/* A guard that is off has zeros, so that two deployments without one are the same to
 * runs_already. */
static void bind_guard(er_query *q, const er_guard *g)
{
	er_guard off = {0};
	if (!g->on)
		g = &off;
	er_bind_int(q, g->on);
	er_bind_int(q, g->error_percent);
	er_bind_int(q, g->p99_percent);
	er_bind_int(q, g->least_requests);
	er_bind_int(q, g->watch_s);
}

/* NULL and not 0 for a second version that is not there: a foreign key lets NULL be. */
static void bind_split(er_query *q, const er_split *split)
{
	ER_ASSERT(split->version[0] != 0 && split->version[0] != ER_VERSION_ADDED && split->version[1] != ER_VERSION_ADDED);
	er_bind_int(q, split->version[0]);
	if (split->version[1] != 0)
		er_bind_int(q, split->version[1]);
	else
		er_bind_null(q);
}

/* *id 0: the environment runs something else. Deploying what runs already is no change: it would
 * only hide the deployment to go back to. */
static bool runs_already(er_apply *a, const er_change *c, const er_split *split, uint64_t *id)
{
	er_query q = er_query_of(
	    a->db, "SELECT d.id FROM current c JOIN deployment d ON d.id = c.deployment WHERE c.routine = ?1 AND c.env = ?2"
	           " AND c.version0 = ?3 AND c.version1 IS ?4 AND d.percent = ?5 AND d.guard = ?6 AND d.error_percent = ?7"
	           " AND d.p99_percent = ?8 AND d.least_requests = ?9 AND d.watch_s = ?10");
	er_bind_text(&q, c->routine);
	er_bind_int(&q, c->env);
	bind_split(&q, split);
	er_bind_int(&q, split->percent);
	bind_guard(&q, &c->guard);
	/* then to its end: a statement that is not finished has done nothing */
	*id = er_query_row(&q) ? (uint64_t)er_col_int(&q, 0) : 0;
	return er_query_end(&q, a->err);
}

static bool insert_deployment(er_apply *a, const er_change *c, const er_split *split, uint64_t *id)
{
	er_query q =
	    er_query_of(a->db, "INSERT INTO deployment(routine, env, version0, version1, percent, guard, error_percent, p99_percent,"
	                       " least_requests, watch_s, sequence, at_ms, actor, reason, cause) VALUES"
	                       " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) RETURNING id");
	er_bind_text(&q, c->routine);
	er_bind_int(&q, c->env);
	bind_split(&q, split);
	er_bind_int(&q, split->percent);
	bind_guard(&q, &c->guard);
	er_bind_int(&q, (int64_t)a->out.sequence + 1);
	er_bind_int(&q, a->now_ms);
	er_bind_text(&q, c->actor);
	er_bind_text(&q, c->reason);
	er_bind_text(&q, er_slice_cstr(er_cause_name(c->cause)));
	*id = er_query_row(&q) ? (uint64_t)er_col_int(&q, 0) : 0;
	return er_query_run(&q, a->err);
}

/* From here on the environment runs it. */
static bool point_to(er_apply *a, const er_change *c, const er_split *split, uint64_t id)
{
	ER_ASSERT(id != 0);
	er_query q = er_query_of(
	    a->db, "INSERT OR REPLACE INTO current(routine, env, deployment, version0, version1) VALUES (?1, ?2, ?3, ?4, ?5)");
	er_bind_text(&q, c->routine);
	er_bind_int(&q, c->env);
	er_bind_int(&q, (int64_t)id);
	bind_split(&q, split);
	return er_query_run(&q, a->err);
}

static void log_version(er_out *data, uint32_t version, uint32_t percent)
{
	er_out_open(data, NULL, '{');
	er_out_u64(data, "version", version);
	er_out_u64(data, "percent", percent);
	er_out_close(data, '}');
}

static void log_guard(er_out *data, const er_guard *g)
{
	er_out_open(data, "guard", '{');
	er_out_u64(data, "error_percent", g->error_percent);
	er_out_u64(data, "p99_percent", g->p99_percent);
	er_out_u64(data, "least_requests", g->least_requests);
	er_out_u64(data, "watch_s", g->watch_s);
	er_out_close(data, '}');
}

static bool log_deployment(er_apply *a, const er_change *c, const er_split *split, uint64_t id)
{
	er_out data = er_log_begin();
	er_log_env(&data, c->env);
	er_out_u64(&data, "deployment", id);
	er_out_open(&data, "versions", '[');
	log_version(&data, split->version[0], split->percent);
	if (split->version[1] != 0)
		log_version(&data, split->version[1], 100 - split->percent);
	er_out_close(&data, ']');
	if (c->guard.on)
		log_guard(&data, &c->guard);
	er_out_cstr(&data, "cause", er_cause_name(c->cause));
	er_out_str(&data, "reason", c->reason);
	return er_apply_log(a, c, &data);
}

bool er_apply_deploy(er_apply *a, const er_change *c)
{
	er_split split;
	uint64_t id;
	ER_ASSERT(c->kind == ER_CHANGE_DEPLOY && (unsigned)c->cause < ER_CAUSE_COUNT_);
	if (!er_apply_known(a, c->routine) || !er_text_check("reason", c->reason, ER_STORE_TEXT_MAX, a->err) ||
	    !guard_check(a, &c->guard) || !resolve_split(a, c, &split) || !runs_already(a, c, &split, &id))
		return false;
	ER_ASSERT((split.version[1] == 0) == (split.percent == 100));
	if (id == 0 && (!insert_deployment(a, c, &split, &id) || !point_to(a, c, &split, id) || !log_deployment(a, c, &split, id) ||
	                !er_trim_deployments(a, c->routine)))
		return false;
	a->out.deployment = id;
	return true;
}

/* ---- routes ---- */

/* The list as it is, in its order. Positions only rise; they have gaps where rules were taken
 * away. */
typedef struct old_routes {
	er_arena arena;
	er_route_rule *rules;
	int64_t *positions;
	size_t n;
} old_routes;

/* The rules of an environment as they are now, with their positions. */
static bool read_routes(er_apply *a, er_env env, old_routes *old)
{
	er_buf rules, positions;
	size_t same_n;
	er_buf_init(&rules);
	er_buf_init(&positions);
	er_query q = er_query_of(a->db, "SELECT position, pattern, routine FROM route WHERE env = ?1 ORDER BY position");
	er_bind_int(&q, env);
	while (er_query_row(&q)) {
		er_route_rule r = {.pattern = er_col_copy(&q, 1, &old->arena), .routine = er_col_copy(&q, 2, &old->arena)};
		int64_t position = er_col_int(&q, 0);
		er_buf_put(&rules, er_slice_of(&r, sizeof r));
		er_buf_put(&positions, er_slice_of(&position, sizeof position));
	}
	old->rules = er_rows_take(&rules, &old->arena, sizeof *old->rules, &old->n);
	old->positions = er_rows_take(&positions, &old->arena, sizeof *old->positions, &same_n);
	ER_ASSERT(old->n == same_n);
	return er_query_end(&q, a->err);
}

static bool same_rule(const er_route_rule *x, const er_route_rule *y)
{
	return er_slice_eq(x->pattern, y->pattern) && er_slice_eq(x->routine, y->routine);
}

/* Patterns are texts here: what one means, and whether another covers it, the API has asked
 * (http/pattern.h). */
static bool rules_check(er_apply *a, const er_change *c)
{
	er_map *seen = er_map_new();
	bool good = true;
	for (size_t i = 0; good && i < c->n_rules; i++) {
		const er_route_rule *r = &c->rules[i];
		good = r->pattern.n > 0 || er_fail(a->err, ER_ERR_INVALID, "route %zu has no pattern", i + 1);
		good = good && er_text_check("pattern of a route", r->pattern, ER_STORE_TEXT_MAX, a->err);
		if (good && er_map_set(seen, r->pattern, (void *)r) != NULL)
			good = er_fail(a->err, ER_ERR_INVALID, "the route %.*s stands there twice: the second would never match",
			               ER_FMT(er_slice_head(r->pattern, 200)));
	}
	er_map_free(seen);
	return good;
}

/* From the first rule that differs on, everything is written anew: adding at the end, the usual
 * case, touches one row. */
static bool write_routes(er_apply *a, const er_change *c, const old_routes *old, size_t from)
{
	ER_ASSERT(from <= old->n && from <= c->n_rules);
	int64_t position = from > 0 ? old->positions[from - 1] + 1 : 0;
	er_query gone = er_query_of(a->db, "DELETE FROM route WHERE env = ?1 AND position >= ?2");
	er_bind_int(&gone, c->env);
	er_bind_int(&gone, position);
	if (!er_query_run(&gone, a->err))
		return false;
	for (size_t i = from; i < c->n_rules; i++) {
		if (!er_apply_known(a, c->rules[i].routine))
			return false;
		er_query q = er_query_of(a->db, "INSERT INTO route(env, position, pattern, routine) VALUES (?1, ?2, ?3, ?4)");
		er_bind_int(&q, c->env);
		er_bind_int(&q, position++);
		er_bind_text(&q, c->rules[i].pattern);
		er_bind_text(&q, c->rules[i].routine);
		if (!er_query_run(&q, a->err))
			return false;
	}
	return true;
}

static void log_rules(er_out *data, const char *name, const er_route_rule *rules, size_t n)
{
	er_out_open(data, name, '[');
	for (size_t i = 0; i < n; i++) {
		er_out_open(data, NULL, '{');
		er_out_str(data, "pattern", rules[i].pattern);
		er_out_str(data, "routine", rules[i].routine);
		er_out_close(data, '}');
	}
	er_out_close(data, ']');
}

/* The log keeps the difference, as a splice at an index: a list of ten thousand routes does not go
 * into it for every new one. */
static bool log_routes(er_apply *a, const er_change *c, const old_routes *old, size_t from)
{
	size_t tail = 0;
	while (tail < old->n - from && tail < c->n_rules - from &&
	       same_rule(&old->rules[old->n - 1 - tail], &c->rules[c->n_rules - 1 - tail]))
		tail++;
	er_out data = er_log_begin();
	er_log_env(&data, c->env);
	er_out_u64(&data, "at", from);
	log_rules(&data, "removed", old->rules + from, old->n - from - tail);
	log_rules(&data, "added", c->rules + from, c->n_rules - from - tail);
	return er_apply_log(a, c, &data);
}

bool er_apply_routes(er_apply *a, const er_change *c)
{
	ER_ASSERT(c->kind == ER_CHANGE_ROUTES && (c->n_rules == 0 || c->rules != NULL));
	old_routes old = {0};
	size_t from = 0;
	er_arena_init(&old.arena);
	bool good = rules_check(a, c) && read_routes(a, c->env, &old);
	while (good && from < old.n && from < c->n_rules && same_rule(&old.rules[from], &c->rules[from]))
		from++;
	if (good && (from < old.n || from < c->n_rules))
		good = write_routes(a, c, &old, from) && log_routes(a, c, &old, from);
	er_arena_fini(&old.arena);
	return good;
}
