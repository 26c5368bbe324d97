/* Copies of a node's data, and a data folder out of such a copy.
 *
 * A backup is made while the node runs, on any thread: each database is copied by a connection of
 * its own (VACUUM INTO, one picture of it, compact), into DIR.PID.partial beside the target. The
 * files are synced, then the folder, and only then it gets its name, by a rename that never
 * replaces anything. So a folder of that name is a whole backup, whenever the process or the
 * machine ended. What a process left half done is removed by the next one of its number.
 *
 * A restore is made while no node uses the folder. It looks at every page of the backup and at
 * every hash of code first, copies into files of other names, and gives them theirs with control.db
 * last: until that is there, the folder is not one that a node starts from (store.c, nothing_lost).
 *
 * Neither copies the key of the secrets: who has the backup alone can read no secret. */
#include "store/files.h"
#include "store/room.h"
#include "store/schema.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A compact copy of an open database; the new file has mode 0600. */
static bool copy_database(er_db *from, const er_fault *f, const char *to, er_err *err)
{
	ER_ASSERT(!er_db_in_transaction(from)); /* SQLite refuses VACUUM in one */
	char *sql = sqlite3_mprintf("VACUUM INTO %Q", to);
	ER_ASSERT(sql != NULL);
	bool good = er_db_exec(from, sql, err);
	sqlite3_free(sql);
	return good && (chmod(to, 0600) == 0 || er_fail_errno(err, ER_ERR_IO, "%s cannot be made private", to)) &&
	       er_file_sync(f, to, err);
}

/* A connection of its own, so that deploys and reads go on meanwhile. */
static bool backup_one(er_store *s, const char *path, const char *to_dir, const char *name, er_err *err)
{
	er_db *db = er_db_open_plain(path, er_store_vfs(s), err);
	if (db == NULL)
		return false;
	char *to = er_printf("%s/%s", to_dir, name);
	bool good = copy_database(db, &s->fault, to, err);
	er_free(to);
	er_db_close(db);
	return good;
}

/* Of a backup or a restore that did not come to its end. Other files of the folder are not ours:
 * rmdir fails then, and they stay. */
static void remove_files(const char *dir)
{
	static const char *const names[] = {"control.db", "control.db-journal", "kv.db", "kv.db-journal",
	                                    "assets.db",  "assets.db-journal",  NULL};
	for (const char *const *name = names; *name != NULL; name++) {
		char *path = er_printf("%s/%s", dir, *name);
		(void)unlink(path);
		er_free(path);
	}
}

/* The rename is on the disk only when the folder that holds the name is. */
static bool give_name(const er_fault *f, const char *tmp, const char *dir, er_err *err)
{
	if (!er_fault_pass(f, "rename") || renameat2(AT_FDCWD, tmp, AT_FDCWD, dir, RENAME_NOREPLACE) != 0)
		return er_fail_errno(err, ER_ERR_IO, "the backup cannot be given its name %s", dir);
	char *parent = er_path_parent(dir);
	bool good = er_dir_sync(f, parent, err);
	er_free(parent);
	return good;
}

bool er_store_backup(er_store *s, const char *dir, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	ER_ASSERT(dir != NULL);
	if (er_path_exists(dir))
		return er_fail(err, ER_ERR_INVALID, "%s exists already: name a folder that does not, a backup never overwrites one", dir);
	er_slice bare = er_slice_cstr(dir);
	while (bare.n > 1 && bare.p[bare.n - 1] == '/')
		bare.n--;
	char *tmp = er_printf("%.*s.%d.partial", ER_FMT(bare), (int)getpid());
	remove_files(tmp); /* of a process of the same number that ended in the middle */
	bool good = er_dir_make(tmp, err);
	/* Control first: a namespace that is made in between has values and no name, and they are
	 * swept. No file is swept meanwhile that a version of the copy names. */
	pthread_mutex_lock(&s->sweep_lock);
	good = good && backup_one(s, s->control_path, tmp, "control.db", err) && backup_one(s, s->kv_path, tmp, "kv.db", err) &&
	       backup_one(s, s->assets_path, tmp, "assets.db", err);
	pthread_mutex_unlock(&s->sweep_lock);
	good = good && er_dir_sync(&s->fault, tmp, err) && give_name(&s->fault, tmp, dir, err);
	if (!good && er_path_exists(tmp)) {
		remove_files(tmp);
		(void)rmdir(tmp);
	}
	er_free(tmp);
	return good;
}

/* ---- restoring ---- */

/* Code is verified against its hash whenever it is read; a backup that cannot be read is better
 * found now than after the old disk is gone. */
static bool blobs_check(er_db *db, const char *path, er_err *err)
{
	bool good = true;
	er_query q = er_query_of(db, "SELECT hash, bytes FROM blob");
	while (good && er_query_row(&q)) {
		er_hash is;
		er_sha256(er_col_bytes(&q, 1), (er_slice){0}, &is);
		good = er_slice_eq(er_col_bytes(&q, 0), er_slice_of(is.b, ER_SHA256));
	}
	if (!er_query_end(&q, err))
		return false;
	return good ||
	       er_fail(err, ER_ERR_IO, "%s is damaged (code does not have the hash it is stored under): take another backup", path);
}

/* The same of static files, part by part. */
static bool assets_check(er_db *db, const char *path, er_err *err)
{
	bool good = true;
	er_buf file = {0};
	er_query q = er_query_of(db, "SELECT a.id, a.hash, p.bytes FROM asset a LEFT JOIN part p ON p.id BETWEEN a.id * 256 AND"
	                             " a.id * 256 + 255 ORDER BY a.id, p.id");
	int64_t id = 0;
	er_hash should = {0}, is;
	for (bool row = true, first = true; good && row; first = false) {
		row = er_query_row(&q);
		if (!first && (!row || er_col_int(&q, 0) != id)) {
			er_sha256(er_buf_slice(&file), (er_slice){0}, &is);
			good = id == 0 || memcmp(is.b, should.b, ER_SHA256) == 0;
			er_buf_clear(&file);
		}
		if (!row)
			break;
		id = er_col_int(&q, 0);
		if (er_col_bytes(&q, 1).n == ER_SHA256)
			er_copy(should.b, er_col_bytes(&q, 1).p, ER_SHA256);
		er_buf_put(&file, er_col_bytes(&q, 2));
	}
	er_buf_fini(&file);
	if (!er_query_end(&q, err))
		return false;
	return good ||
	       er_fail(err, ER_ERR_IO, "%s is damaged (a file does not have the hash it is stored under): take another backup", path);
}

static bool content_check(er_db *db, const er_schema *schema, const char *path, er_err *err)
{
	return (schema != &er_schema_control || blobs_check(db, path, err)) &&
	       (schema != &er_schema_assets || assets_check(db, path, err));
}

/* Opens a database of the backup, looks at all of it, and copies it to `to`. */
static bool restore_one(const char *backup, const char *name, const er_schema *schema, const char *to, er_err *err)
{
	char *path = er_printf("%s/%s", backup, name);
	er_db *db = NULL;
	bool good =
	    er_path_exists(path) || er_fail(err, ER_ERR_INVALID, "%s is not there: %s is not a backup of a node", path, backup);
	good = good && (db = er_db_open_plain(path, NULL, err)) != NULL && er_db_check(db, schema, true, err) &&
	       content_check(db, schema, path, err) && copy_database(db, &(er_fault){0}, to, err);
	er_db_close(db);
	er_free(path);
	return good;
}

static bool rename_to(const char *dir, const char *from, const char *to, er_err *err)
{
	char *target = er_printf("%s/%s", dir, to);
	bool good = rename(from, target) == 0 || er_fail_errno(err, ER_ERR_IO, "%s cannot be made", target);
	er_free(target);
	return good;
}

/* A backup of before there were static files has none, and no version that names one; a start
 * would miss them (store.c, no_assets_lost). */
static bool restore_assets(const char *backup, const char *dir, const char *to, er_err *err)
{
	char *path = er_printf("%s/assets.db", backup);
	bool good = !er_path_exists(path) ||
	            (restore_one(backup, "assets.db", &er_schema_assets, to, err) && rename_to(dir, to, "assets.db", err));
	er_free(path);
	return good;
}

/* File by file into the folder and not a rename of the folder: it may be a mount point. control.db
 * comes last; until it is there, the folder is not one that a node starts from. */
static bool restore_into(const char *backup, const char *dir, er_err *err)
{
	char *kv = er_printf("%s/restoring-kv.db", dir), *control = er_printf("%s/restoring-control.db", dir);
	char *assets = er_printf("%s/restoring-assets.db", dir);
	bool good = restore_one(backup, "control.db", &er_schema_control, control, err) &&
	            restore_one(backup, "kv.db", &er_schema_kv, kv, err) && restore_assets(backup, dir, assets, err) &&
	            rename_to(dir, kv, "kv.db", err) && er_dir_sync(&(er_fault){0}, dir, err) &&
	            rename_to(dir, control, "control.db", err) && er_dir_sync(&(er_fault){0}, dir, err);
	if (!good) {
		(void)unlink(kv);
		(void)unlink(control);
		(void)unlink(assets);
	}
	er_free(assets);
	er_free(kv);
	er_free(control);
	return good;
}

bool er_store_restore(const char *backup, const char *dir, er_err *err)
{
	ER_ASSERT(backup != NULL && dir != NULL);
	bool empty, existed = er_path_exists(dir);
	if (!er_dir_empty(dir, &empty, err))
		return false;
	if (!empty)
		return er_fail(err, ER_ERR_INVALID,
		               "%s is not empty: a backup is restored into a new data folder; stop the node and move the old one away",
		               dir);
	if (!er_dir_make(dir, err))
		return false;
	if (restore_into(backup, dir, err))
		return true;
	remove_files(dir);
	if (!existed)
		(void)rmdir(dir);
	return false;
}
