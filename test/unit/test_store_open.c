/* Opening: one node a folder, old databases brought up to date, newer and damaged ones refused with
 * what to do; backup and restore. */
#include "store/schema.h"
#include "store_harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

typedef struct fixture {
	char *dir, *control, *kv, *backup;
	er_arena a;
	er_err err;
} fixture;

static int setup(void **state)
{
	fixture *f = ER_NEW(fixture);
	f->dir = harness_dir();
	f->control = er_printf("%s/control.db", f->dir);
	f->kv = er_printf("%s/kv.db", f->dir);
	f->backup = er_printf("%s.backup", f->dir);
	er_arena_init(&f->a);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture *f = *state;
	harness_remove(f->backup);
	harness_remove(f->dir);
	er_free(f->control);
	er_free(f->kv);
	er_arena_fini(&f->a);
	er_free(f);
	return 0;
}

static void execute(const char *path, const char *sql)
{
	sqlite3 *db;
	char *why = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(db);
}

static int64_t ask(const char *path, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *q;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	int64_t v = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	return v;
}

static void write_file(const char *path, int64_t at, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
	close(fd);
}

static char *read_file(const char *path)
{
	er_buf b;
	er_buf_init(&b);
	FILE *in = fopen(path, "r");
	if (in == NULL)
		fail_msg("%s is not there", path);
	for (size_t n; (n = fread(er_buf_reserve(&b, 65537), 1, 65536, in)) > 0;)
		er_buf_wrote(&b, n);
	fclose(in);
	er_buf_putc(&b, 0);
	return (char *)b.p;
}

static void fill(er_store *s)
{
	er_err err;
	er_change c[] = {change_version("shop", "one"),
	                 change_version("shop", "two"),
	                 change_deploy("shop", ER_ENV_PRODUCTION, 1, 2, 90),
	                 change_named(ER_CHANGE_VAR_SET, "shop", "GREETING", "\"hello\""),
	                 change_named(ER_CHANGE_SECRET_SET, "shop", "PASSWORD", "correct horse"),
	                 change_named(ER_CHANGE_NAMESPACE_ADD, "", "sessions", "")};
	apply_all(s, c, sizeof c / sizeof c[0]);
	er_kv_entry e = {.key = ER_LIT("k"), .value = ER_LIT("v")};
	assert_true(er_kv_put(s, ER_LIT("sessions"), &e, 1, &err));
}

static void refused(fixture *f, const char *because)
{
	harness_refused(&(er_store_options){.dir = f->dir}, because);
}

/* ---- one node a folder ---- */

static void a_second_node_is_refused_and_told_who_is_there(void **state)
{
	fixture *f = *state;
	er_store *s = harness_open_dir(f->dir);
	char *who = er_printf("process %d", (int)getpid());
	refused(f, "in use by another node");
	refused(f, who);
	er_free(who);
	er_store_close(s);
	er_store_close(harness_open_dir(f->dir));
	harness_refused(&(er_store_options){.dir = "/proc/nowhere/at/all"}, "cannot be made");
}

/* What an upgrade does: the new process opens with the lock it inherited, writes, and outlives
 * the old one. */
static void a_successor_takes_over_with_the_lock(void **state)
{
	fixture *f = *state;
	int go[2];
	er_store *s = harness_open_dir(f->dir);
	fill(s);
	assert_int_equal(pipe(go), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char number[16];
		er_err err;
		snprintf(number, sizeof number, "%d", er_store_lock_fd(s));
		setenv("ER_STORE_LOCK_FD", number, 1);
		er_store *mine = er_store_open(&(er_store_options){.dir = f->dir}, &err);
		if (mine == NULL || getenv("ER_STORE_LOCK_FD") != NULL)
			_exit(1);
		er_change c = change_named(ER_CHANGE_VAR_SET, "shop", "BY", "\"successor\"");
		if (!er_store_apply(mine, &c, 1, NULL, &err))
			_exit(2);
		char byte;
		(void)!read(go[0], &byte, 1); /* the old one is gone */
		er_store *third = er_store_open(&(er_store_options){.dir = f->dir}, &err);
		_exit(third == NULL && err.kind == ER_ERR_UNAVAILABLE ? 0 : 3);
	}
	/* Until it goes, the old one reads what the new one wrote. */
	er_piece env = {0};
	for (int i = 0; i < 2000; i++) {
		assert_true(er_store_env(s, ER_LIT("shop"), ER_ENV_PRODUCTION, &env, &f->err));
		if (memmem(env.p, env.n, "successor", 9) != NULL)
			break;
		er_piece_drop(&env);
		usleep(2000);
	}
	assert_int_not_equal(env.n, 0);
	er_piece_drop(&env);
	er_store_close(s);
	assert_int_equal(write(go[1], "x", 1), 1);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(go[0]);
	close(go[1]);
	s = harness_open_dir(f->dir);
	assert_int_equal(er_store_sequence(s), 7);
	er_store_close(s);
}

static void a_variable_that_names_another_descriptor_is_no_lock(void **state)
{
	fixture *f = *state;
	er_store *s = harness_open_dir(f->dir);
	for (const char *const *v = (const char *const[]){"0", "9999", "-1", "x", "", "99999999999999", NULL}; *v; v++) {
		setenv("ER_STORE_LOCK_FD", *v, 1);
		refused(f, "in use");
	}
	unsetenv("ER_STORE_LOCK_FD");
	er_store_close(s);
}

/* ---- schema ---- */

/* The first schema had only a text for people, of which these are the beginnings. */
static const struct {
	const char *reason;
	er_cause cause;
} old_reasons[] = {{"deploy: rollback of prices", ER_CAUSE_DEPLOY},
                   {"publish: sale", ER_CAUSE_PUBLISH},
                   {"rollback", ER_CAUSE_ROLLBACK},
                   {"guard: p99 9.0 ms against 1.0 ms", ER_CAUSE_GUARD},
                   {"activation failed", ER_CAUSE_UNDO}};
enum { N_OLD = sizeof old_reasons / sizeof *old_reasons };

static void write_old_reasons(const char *db)
{
	for (size_t i = 0; i < N_OLD; i++) {
		char *sql = er_printf("INSERT INTO deployment VALUES(%zu, 3, 'shop', 1, 1, NULL, 100, 0, 0, 0, 0, 0, 0, 'ann', '%s')",
		                      i + 2, old_reasons[i].reason);
		execute(db, sql);
		er_free(sql);
	}
}

static void expect_causes(fixture *f, er_store *s)
{
	er_deployment_row *d;
	size_t n;
	assert_true(er_store_history(s, &f->a, ER_LIT("shop"), 0, 100, &d, &n, &f->err));
	assert_int_equal(n, N_OLD + 1);
	for (size_t i = 0; i < N_OLD; i++)
		assert_int_equal(d[N_OLD - 1 - i].cause, old_reasons[i].cause);
	assert_int_equal(d[N_OLD].cause, ER_CAUSE_DEPLOY);
}

static void the_first_schema_still_opens(void **state)
{
	fixture *f = *state;
	char *control = read_file(ER_SOURCE_DIR "/test/unit/data/store_v1_control.sql");
	char *kv = read_file(ER_SOURCE_DIR "/test/unit/data/store_v1_kv.sql"), *key = er_printf("%s/key", f->dir);
	execute(f->control, control);
	execute(f->kv, kv);
	write_old_reasons(f->control);
	write_file(key, 0, "18f286bf17e72ed16fff30a8717e6d4f931b6f668e9d45a2a01f00cbb5a2ad00\n", 65);
	er_store *s = harness_open_dir(f->dir);
	assert_int_equal(er_store_sequence(s), 8);
	er_deployment_row *d;
	er_token_row t;
	er_piece env;
	er_kv_entry e;
	size_t n;
	bool found;
	assert_true(er_store_current(s, &f->a, ER_LIT("shop"), &d, &n, &f->err));
	assert_int_equal(n, 1);
	assert_int_equal(d[0].split.percent, 90);
	expect_causes(f, s);
	assert_true(er_store_token_find(s, &f->a, ER_LIT(TOKEN_A), &t, &f->err));
	if (!er_store_env(s, ER_LIT("shop"), ER_ENV_PRODUCTION, &env, &f->err))
		fail_msg("%s", f->err.text);
	assert_true(er_slice_eq(er_piece_slice(env), ER_LIT("{\"GREETING\":\"hello\",\"PASSWORD\":\"correct horse\"}")));
	er_piece_drop(&env);
	assert_true(er_kv_get(s, &f->a, ER_LIT("sessions"), ER_LIT("k"), &e, &found, &f->err) && found);
	assert_int_equal(apply(s, change_version("shop", "three")).version, 3);
	er_store_close(s);
	assert_int_equal(ask(f->control, "PRAGMA user_version"), er_schema_control.n_steps);
	assert_int_equal(ask(f->kv, "PRAGMA user_version"), er_schema_kv.n_steps);
	er_free(control);
	er_free(kv);
	er_free(key);
}

/* The machinery of steps, with steps of the test's own. */
static void steps_are_taken_once_and_whole(void **state)
{
	fixture *f = *state;
	static const char *const steps[] = {"CREATE TABLE t(a INTEGER) STRICT; INSERT INTO t VALUES (1);",
	                                    "INSERT INTO t VALUES (2);", "INSERT INTO t VALUES (3); INSERT INTO nowhere VALUES (4);"};
	static const char *const repaired[] = {"", "", "INSERT INTO t VALUES (3);", "INSERT INTO t VALUES (5);"};
	er_schema schema = {.application_id = 7, .full_sync = true, .steps = steps, .n_steps = 1};
	er_db_close(er_db_open(f->control, NULL, &schema, &f->err));
	assert_int_equal(ask(f->control, "SELECT sum(a) FROM t"), 1);
	schema.n_steps = 2;
	er_db_close(er_db_open(f->control, NULL, &schema, &f->err));
	er_db_close(er_db_open(f->control, NULL, &schema, &f->err));
	assert_int_equal(ask(f->control, "SELECT sum(a) FROM t"), 3);
	schema.n_steps = 3;
	assert_null(er_db_open(f->control, NULL, &schema, &f->err));
	assert_int_equal(ask(f->control, "SELECT sum(a) FROM t"), 3);
	assert_int_equal(ask(f->control, "PRAGMA user_version"), 2);
	schema.steps = repaired;
	schema.n_steps = 4;
	er_db_close(er_db_open(f->control, NULL, &schema, &f->err));
	assert_int_equal(ask(f->control, "SELECT sum(a) FROM t"), 11);
	assert_int_equal(ask(f->control, "PRAGMA user_version"), 4);
}

static void a_newer_database_is_refused(void **state)
{
	fixture *f = *state;
	er_store_close(harness_open_dir(f->dir));
	execute(f->kv, "PRAGMA user_version = 99");
	refused(f, "start the newer er");
	execute(f->kv, "PRAGMA user_version = 1");
	execute(f->control, "PRAGMA user_version = 99");
	refused(f, "version 99");
	assert_int_equal(ask(f->control, "PRAGMA user_version"), 99);
	execute(f->control, "PRAGMA user_version = -1");
	refused(f, "damaged");
}

static void another_programs_database_is_left_alone(void **state)
{
	fixture *f = *state;
	execute(f->control, "CREATE TABLE precious(a); INSERT INTO precious VALUES (1);");
	refused(f, "another program");
	assert_int_equal(ask(f->control, "SELECT a FROM precious"), 1);
}

/* ---- damage ---- */

static void a_damaged_database_says_restore(void **state)
{
	fixture *f = *state;
	char junk[4096];
	memset(junk, 'j', sizeof junk);
	er_store *s = harness_open_dir(f->dir);
	fill(s);
	er_store_close(s);
	char *whole = er_printf("cp '%s' '%s.good'", f->control, f->control),
	     *again = er_printf("cp '%s.good' '%s'", f->control, f->control);
	assert_int_equal(system(whole), 0); /* NOLINT(cert-env33-c) */
	int64_t pages = ask(f->control, "PRAGMA page_count"), noticed = 0;
	assert_true(pages > 10);
	for (int64_t p = 0; p < pages; p++) {
		er_err err = {0};
		assert_int_equal(system(again), 0); /* NOLINT(cert-env33-c) */
		write_file(f->control, p * 4096 + (p == 0 ? 100 : 0), junk, p == 0 ? 3000 : sizeof junk);
		s = er_store_open(&(er_store_options){.dir = f->dir}, &err);
		if (s == NULL && strstr(err.text, "is damaged") != NULL && strstr(err.text, "er node restore") != NULL)
			noticed++;
		else if (s == NULL)
			fail_msg("page %lld: %s", (long long)p, err.text);
		er_store_close(s);
	}
	/* All but the pages of code, which is verified when it is read, and pointer maps and free
	 * pages, which hold no data. */
	assert_true(noticed >= pages - 4);
	write_file(f->control, 0, junk, sizeof junk);
	refused(f, "is damaged");
	assert_int_equal(system(again), 0); /* NOLINT(cert-env33-c) */
	write_file(f->kv, 0, junk, sizeof junk);
	refused(f, "kv.db is damaged");
	er_free(whole);
	er_free(again);
}

static void code_that_changed_on_the_disk_is_not_run(void **state)
{
	fixture *f = *state;
	er_store *s = harness_open_dir(f->dir);
	fill(s);
	execute(f->control, "UPDATE blob SET bytes = x'6576696c' WHERE bytes = CAST('one' AS BLOB)");
	er_version_row *v;
	er_piece p;
	size_t n;
	assert_true(er_store_versions(s, &f->a, ER_LIT("shop"), &v, &n, &f->err));
	assert_false(er_store_blob(s, &v[1].code, &p, &f->err));
	assert_non_null(strstr(f->err.text, "is damaged"));
	assert_null(p.chunk);
	/* Nor does it come out of a backup. */
	char *to = er_printf("%s/new", f->dir);
	assert_true(er_store_backup(s, f->backup, &f->err));
	assert_false(er_store_restore(f->backup, to, &f->err));
	assert_non_null(strstr(f->err.text, "damaged"));
	assert_int_not_equal(access(to, F_OK), 0);
	er_free(to);
	er_store_close(s);
}

static void a_lost_control_db_is_not_a_new_node(void **state)
{
	fixture *f = *state;
	er_store *s = harness_open_dir(f->dir);
	fill(s);
	er_store_close(s);
	assert_int_equal(truncate(f->control, 0), 0);
	refused(f, "control.db is missing");
	assert_int_equal(unlink(f->control), 0);
	refused(f, "er node restore");
	assert_int_not_equal(access(f->control, F_OK), 0);
}

/* ---- backup ---- */

static void same_state(er_store *a, er_store *b)
{
	er_buf x, y;
	er_buf_init(&x);
	er_buf_init(&y);
	harness_dump(a, &x);
	harness_dump(b, &y);
	harness_dump_kv(a, &x);
	harness_dump_kv(b, &y);
	if (!er_slice_eq(er_buf_slice(&x), er_buf_slice(&y)))
		fail_msg("%.*s\nis not\n%.*s", ER_FMT(er_buf_slice(&x)), ER_FMT(er_buf_slice(&y)));
	er_buf_fini(&x);
	er_buf_fini(&y);
}

static void a_backup_restores_to_the_same_node(void **state)
{
	fixture *f = *state;
	er_store *s = harness_open_dir(f->dir);
	struct stat st;
	fill(s);
	if (!er_store_backup(s, f->backup, &f->err))
		fail_msg("%s", f->err.text);
	assert_false(er_store_backup(s, f->backup, &f->err));
	assert_non_null(strstr(f->err.text, "exists already"));
	assert_int_equal(stat(f->backup, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	char *to = er_printf("%s/new", f->dir), *key = er_printf("cp '%s/key' '%s/new/key'", f->dir, f->dir);
	if (!er_store_restore(f->backup, to, &f->err))
		fail_msg("%s", f->err.text);
	assert_false(er_store_restore(f->backup, to, &f->err));
	assert_non_null(strstr(f->err.text, "not empty"));
	assert_false(er_store_restore(f->backup, f->dir, &f->err));
	er_store *copy = harness_open_dir(to);
	assert_true(er_slice_eq(er_store_node_id(s), er_store_node_id(copy)));
	same_state(s, copy);
	er_piece env;
	/* the key is not in a backup */
	assert_false(er_store_env(copy, ER_LIT("shop"), ER_ENV_PRODUCTION, &env, &f->err));
	assert_non_null(strstr(f->err.text, "put it back"));
	assert_int_equal(system(key), 0); /* NOLINT(cert-env33-c) */
	assert_true(er_store_env(copy, ER_LIT("shop"), ER_ENV_PRODUCTION, &env, &f->err));
	er_piece_drop(&env);
	er_kv_entry e;
	bool found;
	assert_true(er_kv_get(copy, &f->a, ER_LIT("sessions"), ER_LIT("k"), &e, &found, &f->err) && found);
	er_store_close(copy);
	er_store_close(s);
	er_free(to);
	er_free(key);
}

typedef struct deployer {
	er_store *s;
	bool stop;
	unsigned done; /* of what was asked for, so much is there */
} deployer;

static void *deploys(void *arg)
{
	deployer *d = arg;
	char text[32];
	for (unsigned n = 1; !__atomic_load_n(&d->stop, __ATOMIC_RELAXED); n++) {
		er_err err;
		snprintf(text, sizeof text, "%u", n);
		er_change c[] = {change_version("busy", text), change_deploy("busy", ER_ENV_PRODUCTION, ER_VERSION_ADDED, 0, 100)};
		if (!er_store_apply(d->s, c, 2, NULL, &err))
			er_panic(__FILE__, __LINE__, err.text);
		er_kv_entry e = {.key = er_slice_cstr(text), .value = er_slice_cstr(text)};
		if (!er_kv_put(d->s, ER_LIT("sessions"), &e, 1, &err))
			er_panic(__FILE__, __LINE__, err.text);
		__atomic_store_n(&d->done, n, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void a_backup_under_load_is_one_moment(void **state)
{
	fixture *f = *state;
	er_store *s = harness_open(&(er_store_options){.dir = f->dir, .versions_quota = 100000});
	fill(s);
	deployer d = {.s = s};
	pthread_t t;
	assert_int_equal(pthread_create(&t, NULL, deploys, &d), 0);
	while (__atomic_load_n(&d.done, __ATOMIC_ACQUIRE) == 0)
		usleep(1000);
	for (int i = 0; i < 8; i++) {
		char *backup = er_printf("%s/backup%d", f->dir, i), *to = er_printf("%s/restored%d", f->dir, i);
		usleep(20000);
		if (!er_store_backup(s, backup, &f->err) || !er_store_restore(backup, to, &f->err))
			fail_msg("%s", f->err.text);
		er_store *copy = harness_open_dir(to);
		er_version_row *v;
		er_deployment_row *now;
		size_t n_v, n_now;
		assert_true(er_store_versions(copy, &f->a, ER_LIT("busy"), &v, &n_v, &f->err));
		assert_true(er_store_current(copy, &f->a, ER_LIT("busy"), &now, &n_now, &f->err));
		assert_true(n_v > 0 && n_now == 1);
		/* version and deployment went in together */
		assert_int_equal(now[0].split.version[0], v[0].number);
		assert_int_equal(er_store_sequence(copy), 6 + 2 * n_v);
		er_store_close(copy);
		er_free(backup);
		er_free(to);
	}
	__atomic_store_n(&d.stop, true, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	er_store_close(s);
}

static void what_is_no_backup_is_not_restored(void **state)
{
	fixture *f = *state;
	char *to = er_printf("%s/new", f->dir), *control = er_printf("%s/control.db", f->backup), junk[4096];
	er_store *s = harness_open_dir(f->dir);
	fill(s);
	assert_false(er_store_restore(f->backup, to, &f->err));
	assert_non_null(strstr(f->err.text, "not a backup"));
	assert_true(er_store_backup(s, f->backup, &f->err));
	memset(junk, 'j', sizeof junk);
	write_file(control, 4096 * 4, junk, sizeof junk);
	assert_false(er_store_restore(f->backup, to, &f->err));
	assert_non_null(strstr(f->err.text, "damaged"));
	assert_int_not_equal(access(to, F_OK), 0);
	/* A folder that was there stays, empty. */
	assert_int_equal(mkdir(to, 0700), 0);
	assert_false(er_store_restore(f->backup, to, &f->err));
	assert_int_equal(rmdir(to), 0);
	er_store_close(s);
	er_free(to);
	er_free(control);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(a_second_node_is_refused_and_told_who_is_there),
	    T(a_successor_takes_over_with_the_lock),
	    T(a_variable_that_names_another_descriptor_is_no_lock),
	    T(the_first_schema_still_opens),
	    T(steps_are_taken_once_and_whole),
	    T(a_newer_database_is_refused),
	    T(another_programs_database_is_left_alone),
	    T(a_damaged_database_says_restore),
	    T(code_that_changed_on_the_disk_is_not_run),
	    T(a_lost_control_db_is_not_a_new_node),
	    T(a_backup_restores_to_the_same_node),
	    T(a_backup_under_load_is_one_moment),
	    T(what_is_no_backup_is_not_restored),
	};
	return cmocka_run_group_tests_name("store opening", tests, NULL, NULL);
}
