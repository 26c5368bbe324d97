/* One connection to one SQLite database. The rest of the room uses SQLite through this file alone
 * (backup.c and fault.c apart).
 *
 * Life: opened (file made if it is not there, identity asked, settings of the connection, schema
 * brought up, tables checked), used by one thread at a time, closed. A statement is prepared when
 * its text first comes and kept until the connection closes; a text is known by its address, so
 * that finding it costs no comparing. That is why texts are literals.
 *
 * A use of a statement is an er_query on its caller's stack. Its first mistake sticks in rc, later
 * binds and rows do nothing, and er_query_end says it in a sentence. A statement is used by one
 * query at a time.
 *
 * The schema grows by steps, each in a transaction with the number that it leads to, so that a
 * process that ends in the middle leaves the step before. A database of another program, or of a
 * newer er, is refused and not touched. */
#include "store/db.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BUSY_MS = 5000, /* a node that takes over may hold the write lock for a moment */
	MAX_STATEMENTS = 96,
	MAGIC = 0x65726462,
};

/* A connection and its prepared statements, which live as long as it does. */
struct er_db {
	uint32_t magic;
	sqlite3 *sql;
	char *path;
	size_t n;
	struct {
		const char *text; /* a literal: its address is its name */
		sqlite3_stmt *stmt;
	} statements[MAX_STATEMENTS];
};

/* ---- errors ---- */

/* SQLite's code as a sentence that says what to do. Always false. */
static bool fail(er_db *db, int rc, er_err *err)
{
	ER_ASSERT(rc != SQLITE_OK);
	const char *why = sqlite3_errmsg(db->sql);
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return er_fail(err, ER_ERR_IO,
		               "the disk is full: %s could not be written and nothing was changed; free some space and try again",
		               db->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return er_fail(
		    err, ER_ERR_IO,
		    "%s is damaged (%s): stop the node, move its data folder away, and restore it from a backup (er node restore)",
		    db->path, why);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return er_fail(err, ER_ERR_IO, "%s is being written by another process; nothing was changed, try again", db->path);
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return er_fail(err, ER_ERR_IO,
		               "%s cannot be opened or written (%s): look at the owner and mode of the file and of its folder", db->path,
		               why);
	case SQLITE_IOERR:
		return er_fail(err, ER_ERR_IO,
		               "%s could not be read or written (%s); nothing was changed; look at the disk and the kernel's log",
		               db->path, sqlite3_errstr(rc));
	default:
		return er_fail(err, ER_ERR_INTERNAL, "%s: %s", db->path, why);
	}
}

/* ---- statements ---- */

/* Some dozens in a connection's life: a walk over addresses costs less than a map. */
static sqlite3_stmt *statement(er_db *db, const char *text, int *rc)
{
	for (size_t i = 0; i < db->n; i++)
		if (db->statements[i].text == text)
			return db->statements[i].stmt;
	ER_ASSERT(db->n < MAX_STATEMENTS);
	sqlite3_stmt *stmt = NULL;
	*rc = sqlite3_prepare_v3(db->sql, text, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (*rc != SQLITE_OK)
		return NULL;
	db->statements[db->n].text = text;
	db->statements[db->n++].stmt = stmt;
	return stmt;
}

er_query er_query_of(er_db *db, const char *sql)
{
	ER_CHECK(db, MAGIC);
	er_query q = {.db = db, .rc = SQLITE_OK};
	q.stmt = statement(db, sql, &q.rc);
	ER_ASSERT(q.stmt == NULL || !sqlite3_stmt_busy(q.stmt));
	return q;
}

/* The place of the next value: they come in the order of ?1, ?2, ... */
static int next_place(er_query *q)
{
	ER_ASSERT(q->stmt != NULL && q->bound < sqlite3_bind_parameter_count(q->stmt));
	return ++q->bound;
}

static void bound(er_query *q, int rc)
{
	if (q->rc == SQLITE_OK)
		q->rc = rc;
}

void er_bind_text(er_query *q, er_slice s)
{
	if (q->rc == SQLITE_OK) /* no pointer would be NULL and not the empty text */
		bound(q, sqlite3_bind_text64(q->stmt, next_place(q), s.n ? (const char *)s.p : "", s.n, SQLITE_STATIC, SQLITE_UTF8));
}

void er_bind_blob(er_query *q, er_slice s)
{
	if (q->rc == SQLITE_OK)
		bound(q, sqlite3_bind_blob64(q->stmt, next_place(q), s.n ? (const void *)s.p : "", s.n, SQLITE_STATIC));
}

void er_bind_int(er_query *q, int64_t v)
{
	if (q->rc == SQLITE_OK)
		bound(q, sqlite3_bind_int64(q->stmt, next_place(q), v));
}

void er_bind_null(er_query *q)
{
	if (q->rc == SQLITE_OK)
		bound(q, sqlite3_bind_null(q->stmt, next_place(q)));
}

bool er_query_row(er_query *q)
{
	if (q->rc != SQLITE_OK && q->rc != SQLITE_ROW)
		return false;
	ER_ASSERT(q->stmt != NULL); /* it was not ended yet */
	q->rc = sqlite3_step(q->stmt);
	return q->rc == SQLITE_ROW;
}

bool er_query_end(er_query *q, er_err *err)
{
	ER_CHECK(q->db, MAGIC);
	bool good = q->rc == SQLITE_OK || q->rc == SQLITE_ROW || q->rc == SQLITE_DONE;
	if (!good)
		(void)fail(q->db, q->rc, err);
	/* Reset also after a mistake: a statement that is not would hold its read transaction open, and
	 * with it the log of the database. */
	if (q->stmt != NULL) {
		sqlite3_reset(q->stmt);
		sqlite3_clear_bindings(q->stmt);
	}
	q->stmt = NULL;
	return good;
}

bool er_query_run(er_query *q, er_err *err)
{
	while (er_query_row(q))
		;
	return er_query_end(q, err);
}

er_slice er_col_bytes(const er_query *q, int column)
{
	ER_ASSERT(q->rc == SQLITE_ROW && column < sqlite3_column_count(q->stmt));
	const void *p = sqlite3_column_blob(q->stmt, column);
	return er_slice_of(p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(q->stmt, column));
}

int64_t er_col_int(const er_query *q, int column)
{
	ER_ASSERT(q->rc == SQLITE_ROW && column < sqlite3_column_count(q->stmt));
	return sqlite3_column_int64(q->stmt, column);
}

/* ---- transactions ---- */

bool er_db_exec(er_db *db, const char *sql, er_err *err)
{
	int rc = sqlite3_exec(db->sql, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK || fail(db, rc, err);
}

/* IMMEDIATE takes the write lock now: a transaction that reads first and writes then could find, at
 * the write, that what it read is old. */
bool er_db_begin(er_db *db, er_err *err)
{
	ER_ASSERT(!er_db_in_transaction(db));
	er_query q = er_query_of(db, "BEGIN IMMEDIATE");
	return er_query_run(&q, err);
}

bool er_db_begin_read(er_db *db, er_err *err)
{
	ER_ASSERT(!er_db_in_transaction(db));
	er_query q = er_query_of(db, "BEGIN");
	return er_query_run(&q, err);
}

bool er_db_commit(er_db *db, er_err *err)
{
	ER_ASSERT(er_db_in_transaction(db));
	er_query q = er_query_of(db, "COMMIT");
	if (er_query_run(&q, err))
		return true;
	/* A commit that failed (the disk is full) leaves the transaction open. */
	er_db_rollback(db);
	return false;
}

void er_db_rollback(er_db *db)
{
	/* SQLite has rolled back already after some mistakes. */
	if (!sqlite3_get_autocommit(db->sql))
		(void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
}

bool er_db_in_transaction(const er_db *db)
{
	ER_CHECK(db, MAGIC);
	return !sqlite3_get_autocommit(db->sql);
}

int64_t er_db_changes(er_db *db)
{
	return sqlite3_changes64(db->sql);
}

/* ---- opening ---- */

void er_db_close(er_db *db)
{
	if (db == NULL)
		return;
	ER_CHECK(db, MAGIC);
	for (size_t i = 0; i < db->n; i++)
		sqlite3_finalize(db->statements[i].stmt);
	/* It is OK only if no statement is left: all of them were ours. */
	int rc = sqlite3_close(db->sql);
	ER_ASSERT(rc == SQLITE_OK);
	er_free(db->path);
	db->magic = 0;
	er_free(db);
}

/* What every connection has, whatever it is for. NOMUTEX: one thread at a time uses it, which is
 * the caller's affair. */
static er_db *connect_to(const char *path, const char *vfs, er_err *err)
{
	ER_ASSERT(path != NULL);
	er_db *db = ER_NEW(er_db);
	db->magic = MAGIC;
	db->path = er_strdup_cstr(path);
	int rc = sqlite3_open_v2(path, &db->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, vfs);
	if (rc == SQLITE_OK) {
		sqlite3_extended_result_codes(db->sql, 1);
		sqlite3_busy_timeout(db->sql, BUSY_MS);
		/* The file is data, not code: whatever its schema says, it gets no functions with side
		 * effects. */
		/* FAST: overwriting whole pages that get free would need as much of the disk as a prune is
		 * there to give back. */
		rc = sqlite3_exec(db->sql, "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = FAST;", NULL,
		                  NULL, NULL);
	}
	if (rc == SQLITE_OK)
		return db;
	(void)fail(db, rc, err);
	er_db_close(db);
	return NULL;
}

/* SQLite gives WAL and shared memory the mode of the database, so the database's is enough. */
static bool create_file(const char *path, er_err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return true;
	if (fd < 0)
		return er_fail_errno(err, ER_ERR_IO, "%s cannot be made", path);
	close(fd);
	return true;
}

static bool pragma_int(er_db *db, const char *sql, int64_t *out, er_err *err)
{
	er_query q = er_query_of(db, sql);
	*out = er_query_row(&q) ? er_col_int(&q, 0) : 0;
	return er_query_end(&q, err);
}

/* Is it ours, and do we know its schema? An empty file is ours to make. */
static bool identity(er_db *db, const er_schema *schema, int64_t *version, er_err *err)
{
	int64_t application, tables;
	if (!pragma_int(db, "PRAGMA application_id", &application, err) || !pragma_int(db, "PRAGMA user_version", version, err) ||
	    !pragma_int(db, "SELECT count(*) FROM sqlite_schema", &tables, err))
		return false;
	bool empty = application == 0 && *version == 0 && tables == 0;
	if (!empty && application != schema->application_id)
		return er_fail(err, ER_ERR_INVALID, "%s is a database of another program: choose another data folder", db->path);
	if (*version < 0)
		return er_fail(
		    err, ER_ERR_INVALID,
		    "%s is damaged (its schema has the version %lld): stop the node, move its data folder away, and restore it from a "
		    "backup (er node restore)",
		    db->path, (long long)*version);
	if (*version > (int64_t)schema->n_steps)
		return er_fail(err, ER_ERR_INVALID,
		               "%s was written by a newer er (its schema is version %lld, this er knows %u): start the newer er, or "
		               "restore a backup "
		               "from before the upgrade (er node restore)",
		               db->path, (long long)*version, schema->n_steps);
	return true;
}

/* One step, or none if another process did it meanwhile. */
static bool step_up(er_db *db, const er_schema *schema, er_err *err)
{
	int64_t version;
	if (!er_db_begin(db, err))
		return false;
	/* Read again under the lock: another process may have been here. */
	if (!pragma_int(db, "PRAGMA user_version", &version, err)) {
		er_db_rollback(db);
		return false;
	}
	if (version >= (int64_t)schema->n_steps)
		return er_db_commit(db, err);
	char *mark =
	    er_printf("PRAGMA user_version = %lld; PRAGMA application_id = %d", (long long)version + 1, (int)schema->application_id);
	bool good = er_db_exec(db, schema->steps[version], err) && er_db_exec(db, mark, err);
	er_free(mark);
	if (good)
		return er_db_commit(db, err);
	er_db_rollback(db);
	return false;
}

/* `version` counts up to the newest; step_up reads the real one each time. */
static bool migrate(er_db *db, const er_schema *schema, int64_t version, er_err *err)
{
	for (; version < (int64_t)schema->n_steps; version++)
		if (!step_up(db, schema, err))
			return false;
	return true;
}

/* For checks that answer with one text, "ok" or what is wrong. Not kept as a statement: it is asked
 * once. */
static bool check_with(er_db *db, const char *sql, er_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db->sql, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	bool good = rc == SQLITE_ROW && er_slice_eq(er_slice_cstr((const char *)sqlite3_column_text(stmt, 0)), ER_LIT("ok"));
	if (rc != SQLITE_ROW)
		(void)fail(db, rc, err);
	else if (!good)
		(void)er_fail(
		    err, ER_ERR_IO,
		    "%s is damaged (%.200s): stop the node, move its data folder away, and restore it from a backup (er node restore)",
		    db->path, (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	return good;
}

static bool unchecked(const er_schema *schema, er_slice table)
{
	for (size_t i = 0; i < sizeof schema->unchecked / sizeof *schema->unchecked; i++)
		if (schema->unchecked[i] != NULL && er_slice_eq(table, er_slice_cstr(schema->unchecked[i])))
			return true;
	return false;
}

/* Every table but those with the bytes: a check of all pages would read all code and all values
 * that a node ever got. */
static bool check_tables(er_db *db, const er_schema *schema, er_err *err)
{
	er_query q = er_query_of(db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
	bool good = true;
	while (good && er_query_row(&q)) {
		er_slice name = er_col_bytes(&q, 0);
		if (unchecked(schema, name))
			continue;
		char *sql = er_printf("PRAGMA quick_check(\"%.*s\")", ER_FMT(name));
		good = check_with(db, sql, err);
		er_free(sql);
	}
	return er_query_end(&q, good ? err : NULL) && good;
}

bool er_db_check(er_db *db, const er_schema *schema, bool thorough, er_err *err)
{
	int64_t version;
	if (!identity(db, schema, &version, err))
		return false;
	if (thorough)
		return check_with(db, "PRAGMA integrity_check(1)", err) &&
		       check_with(db,
		                  "SELECT coalesce((SELECT 'a row points nowhere: ' || \"table\" FROM pragma_foreign_key_check), 'ok')",
		                  err);
	return check_tables(db, schema, err);
}

/* WAL once set stays in the file; the rest is the connection's. The limit gives back the space of a
 * log that one big change made long. */
static bool configure(er_db *db, const er_schema *schema, int64_t version, er_err *err)
{
	if (version == 0 && !er_db_exec(db, "PRAGMA auto_vacuum = INCREMENTAL", err))
		return false;
	return er_db_exec(db, "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 16777216", err) &&
	       er_db_exec(db, schema->full_sync ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", err);
}

er_db *er_db_open(const char *path, const char *vfs, const er_schema *schema, er_err *err)
{
	ER_ASSERT(schema != NULL && schema->n_steps > 0);
	if (!create_file(path, err))
		return NULL;
	er_db *db = connect_to(path, vfs, err);
	if (db == NULL)
		return NULL;
	int64_t version = 0;
	/* auto_vacuum can be chosen only while the file is empty, so configure comes before the first
	 * step. */
	if (identity(db, schema, &version, err) && configure(db, schema, version, err) && migrate(db, schema, version, err) &&
	    er_db_check(db, schema, false, err))
		return db;
	er_db_close(db);
	return NULL;
}

er_db *er_db_open_plain(const char *path, const char *vfs, er_err *err)
{
	return connect_to(path, vfs, err);
}

er_db *er_db_open_reader(const char *path, const char *vfs, er_err *err)
{
	er_db *db = connect_to(path, vfs, err);
	if (db != NULL && !er_db_exec(db, "PRAGMA query_only = ON", err)) {
		er_db_close(db);
		return NULL;
	}
	return db;
}

bool er_query_any(er_query *q, bool *found, er_err *err)
{
	*found = er_query_row(q);
	return er_query_end(q, err);
}

void *er_rows_take(er_buf *rows, er_arena *a, size_t row_size, size_t *n)
{
	er_slice all = er_buf_slice(rows);
	ER_ASSERT(row_size > 0 && all.n % row_size == 0);
	void *to = er_arena_alloc(a, all.n);
	er_copy(to, all.p, all.n);
	*n = all.n / row_size;
	er_buf_fini(rows);
	return to;
}
