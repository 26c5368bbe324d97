/* One connection to one SQLite database: opened with what every connection of ours needs,
 * statements prepared once and kept, errors as sentences. A connection belongs to one thread at a
 * time. SQL texts given to er_query_of are literals: they are known by their address. */
#ifndef ER_STORE_DB_H
#define ER_STORE_DB_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct sqlite3;
struct sqlite3_stmt;
typedef struct er_db er_db;

/* What a database of ours is. Step i (from 0) makes schema version i + 1 out of version i. */
typedef struct er_schema {
	int32_t application_id;
	/* an answered commit is on the disk; otherwise only consistency is promised after a power
	 * cut */
	bool full_sync;
	const char *const *steps;
	unsigned n_steps;
	const char *unchecked[2]; /* tables that the check at the start leaves out; NULL: none */
} er_schema;

/* The owner creates the file if it is not there (mode 0600), brings it to the newest schema and
 * checks it. `vfs`: NULL is SQLite's own. */
er_db *er_db_open(const char *path, const char *vfs, const er_schema *schema, er_err *err);
/* A further connection that only reads. */
er_db *er_db_open_reader(const char *path, const char *vfs, er_err *err);
/* A connection that sets nothing and brings nothing up to date: for backups. */
er_db *er_db_open_plain(const char *path, const char *vfs, er_err *err);
/* NULL is fine. */
void er_db_close(er_db *db);

/* Application, schema version and (thorough: every page) form of a database that is open. */
ER_MUST_CHECK bool er_db_check(er_db *db, const er_schema *schema, bool thorough, er_err *err);

/* Statements without parameters and rows, one or more. */
ER_MUST_CHECK bool er_db_exec(er_db *db, const char *sql, er_err *err);
ER_MUST_CHECK bool er_db_begin(er_db *db, er_err *err); /* to write */
/* one view of the data until er_db_rollback */
ER_MUST_CHECK bool er_db_begin_read(er_db *db, er_err *err);
/* False: nothing of the transaction is there. */
ER_MUST_CHECK bool er_db_commit(er_db *db, er_err *err);
/* Nothing of the transaction is kept; also after a commit that failed. Harmless outside of one. */
void er_db_rollback(er_db *db);
/* Between er_db_begin or er_db_begin_read and the end of that. */
bool er_db_in_transaction(const er_db *db);
int64_t er_db_changes(er_db *db); /* rows that the last statement changed */

/* One use of a statement. Mistakes stick: bind and read without looking, er_query_end tells. Every
 * er_query_of has its er_query_end (or er_query_run), after which what the columns gave is gone.
 * Slices that were bound must live until then. */
typedef struct er_query {
	er_db *db;
	struct sqlite3_stmt *stmt;
	/* SQLite's; the first mistake stays */
	int rc;
	/* parameters so far */
	int bound;
} er_query;

/* Prepares the statement at its first use, and takes the prepared one afterwards. */
er_query er_query_of(er_db *db, const char *sql);
/* The next parameter, from the first to the last; `s` is borrowed until er_query_end. */
void er_bind_text(er_query *q, er_slice s);
void er_bind_blob(er_query *q, er_slice s);
void er_bind_int(er_query *q, int64_t v);
void er_bind_null(er_query *q);
/* The next row; false: no more, or a mistake. */
bool er_query_row(er_query *q);
/* False: something went wrong since er_query_of, and *err says what. */
ER_MUST_CHECK bool er_query_end(er_query *q, er_err *err);
/* For statements that give no rows. */
ER_MUST_CHECK bool er_query_run(er_query *q, er_err *err);

/* Columns of the present row, from 0; slices live until the next row. */
er_slice er_col_bytes(const er_query *q, int column);
/* 0 for NULL. */
int64_t er_col_int(const er_query *q, int column);

/* Is there a row? For statements that only ask. */
ER_MUST_CHECK bool er_query_any(er_query *q, bool *found, er_err *err);
/* Moves rows that were collected in `rows` into the arena. */
void *er_rows_take(er_buf *rows, er_arena *a, size_t row_size, size_t *n);

#endif
