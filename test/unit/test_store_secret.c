/* Secrets: what lies on the disk tells nothing, what was moved or opened with another key is
 * noticed, and `env` is what a routine gets. */
#include "store/room.h"
#include "store/sites.h"
#include "store_harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

typedef struct fixture {
	char *dir;
	er_store *s;
	er_err err;
} fixture;

static int setup(void **state)
{
	fixture *f = ER_NEW(fixture);
	f->dir = harness_dir();
	f->s = harness_open_dir(f->dir);
	apply(f->s, change_version("shop", "x"));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture *f = *state;
	er_store_close(f->s);
	harness_remove(f->dir);
	er_free(f);
	return 0;
}

static er_change set(er_change_kind kind, er_env env, const char *name, const char *value)
{
	er_change c = change_named(kind, "shop", name, value);
	c.env = env;
	return c;
}

static void env_is(fixture *f, er_env env, const char *should)
{
	er_piece p;
	if (!er_store_env(f->s, ER_LIT("shop"), env, &p, &f->err))
		fail_msg("env: %s", f->err.text);
	if (!er_slice_eq(er_piece_slice(p), er_slice_cstr(should)))
		fail_msg("env is %.*s instead of %s", ER_FMT(er_piece_slice(p)), should);
	assert_true(p.chunk->wipe);
	er_piece_drop(&p);
}

static void env_refused(fixture *f, const char *because)
{
	er_piece p;
	f->err = (er_err){0};
	assert_false(er_store_env(f->s, ER_LIT("shop"), ER_ENV_PRODUCTION, &p, &f->err));
	assert_null(p.chunk);
	if (strstr(f->err.text, because) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", f->err.text, because);
}

static void execute(fixture *f, const char *sql)
{
	sqlite3 *db;
	char *path = er_printf("%s/control.db", f->dir), *why = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(db);
	er_free(path);
}

static void env_is_variables_then_secrets(void **state)
{
	fixture *f = *state;
	env_is(f, ER_ENV_PRODUCTION, "{}");
	er_change c[] = {
	    set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "B", "quote \" and \xc3\xa4 and \x01\n"),
	    set(ER_CHANGE_VAR_SET, ER_ENV_PRODUCTION, "Z", " { \"a\" : [ 1.50, true, ] } // as people write"),
	    set(ER_CHANGE_VAR_SET, ER_ENV_PRODUCTION, "Y", "\"text\""),
	    set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "A", ""),
	    set(ER_CHANGE_SECRET_SET, ER_ENV_STAGING, "B", "other"),
	};
	apply_all(f->s, c, 5);
	env_is(f, ER_ENV_PRODUCTION,
	       "{\"Y\":\"text\",\"Z\":{\"a\":[1.50,true]},\"A\":\"\",\"B\":\"quote \\\" and \xc3\xa4 and \\u0001\\n\"}");
	env_is(f, ER_ENV_STAGING, "{\"B\":\"other\"}");
	apply(f->s, set(ER_CHANGE_SECRET_DELETE, ER_ENV_STAGING, "B", ""));
	env_is(f, ER_ENV_STAGING, "{}");
}

static void a_long_value_of_control_characters_fits(void **state)
{
	fixture *f = *state;
	er_buf value, json;
	er_buf_init(&value);
	er_buf_init(&json);
	er_buf_puts(&json, "{\"S\":\"");
	for (int i = 0; i < ER_SETTING_MAX; i++) {
		er_buf_putc(&value, 1);
		er_buf_puts(&json, "\\u0001");
	}
	er_buf_puts(&json, "\"}");
	er_buf_putc(&json, 0);
	er_change c = set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "S", "");
	c.value = er_buf_slice(&value);
	apply(f->s, c);
	env_is(f, ER_ENV_PRODUCTION, (const char *)json.p);
	char name[32];
	for (int i = 1; i < ER_SETTINGS_BYTES / ER_SETTING_MAX - 1; i++) {
		snprintf(name, sizeof name, "S%d", i);
		c.name = er_slice_cstr(name);
		apply(f->s, c);
	}
	c.name = ER_LIT("ONE_TOO_MANY");
	apply_refused(f->s, c, ER_ERR_TOO_LARGE, "1024 KB together");
	er_buf_putc(&value, 1);
	c.value = er_buf_slice(&value);
	apply_refused(f->s, c, ER_ERR_TOO_LARGE, "65536");
	er_buf_fini(&value);
	er_buf_fini(&json);
}

static void there_are_only_so_many_of_them(void **state)
{
	fixture *f = *state;
	er_change c[ER_SETTINGS_MAX + 1];
	char names[ER_SETTINGS_MAX + 1][16];
	for (int i = 0; i <= ER_SETTINGS_MAX; i++) {
		snprintf(names[i], sizeof names[i], "V%d", i);
		c[i] = set(ER_CHANGE_VAR_SET, ER_ENV_PRODUCTION, names[i], "1");
	}
	apply_all(f->s, c, ER_SETTINGS_MAX);
	apply_refused(f->s, c[ER_SETTINGS_MAX], ER_ERR_TOO_LARGE, "256 variables");
	c[0].value = ER_LIT("2");
	apply(f->s, c[0]);
}

static void a_name_is_a_variable_or_a_secret(void **state)
{
	fixture *f = *state;
	apply(f->s, set(ER_CHANGE_VAR_SET, ER_ENV_PRODUCTION, "V", "1"));
	apply(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "S", "x"));
	apply_refused(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "V", "x"), ER_ERR_INVALID, "is a variable");
	apply_refused(f->s, set(ER_CHANGE_VAR_SET, ER_ENV_PRODUCTION, "S", "1"), ER_ERR_INVALID, "is a secret");
	apply_refused(f->s, set(ER_CHANGE_VAR_DELETE, ER_ENV_PRODUCTION, "S", ""), ER_ERR_NO_ROUTE, "no variable");
	apply_refused(f->s, set(ER_CHANGE_SECRET_DELETE, ER_ENV_PRODUCTION, "X", ""), ER_ERR_NO_ROUTE, "no secret");
	apply_refused(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "U", "\xff"), ER_ERR_INVALID, "UTF-8");
	apply_refused(f->s, change_named(ER_CHANGE_VAR_SET, "nobody", "V", "1"), ER_ERR_NO_ROUTE, "no routine");
	uint64_t before = er_store_sequence(f->s);
	assert_int_equal(apply(f->s, set(ER_CHANGE_VAR_SET, ER_ENV_PRODUCTION, "V", "1")).sequence, before);
	er_setting_row *rows;
	size_t n;
	er_arena a;
	er_arena_init(&a);
	assert_true(er_store_settings(f->s, &a, ER_LIT("shop"), ER_ENV_PRODUCTION, &rows, &n, &f->err));
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].value.n, 1);
	assert_true(rows[1].secret);
	assert_int_equal(rows[1].value.n, 0);
	er_arena_fini(&a);
}

/* The whole folder, key apart, is searched for the text. */
static void nothing_readable_reaches_the_disk(void **state)
{
	fixture *f = *state;
	apply(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "S", "correct-horse-battery"));
	er_change token = change_named(ER_CHANGE_TOKEN_ADD, "", "ci", TOKEN_A);
	apply(f->s, token);
	env_is(f, ER_ENV_PRODUCTION, "{\"S\":\"correct-horse-battery\"}");
	char *cmd = er_printf("! grep -raq -e correct-horse -e %s '%s'", TOKEN_A, f->dir);
	assert_int_equal(system(cmd), 0); /* NOLINT(cert-env33-c) */
	er_free(cmd);
}

static void a_ciphertext_cannot_be_moved(void **state)
{
	fixture *f = *state;
	apply(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "PUBLIC", "a"));
	apply(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "PRIVATE", "b"));
	apply(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_STAGING, "PUBLIC", "c"));
	execute(f, "UPDATE setting SET value = (SELECT value FROM setting WHERE name = 'PRIVATE') WHERE name = 'PUBLIC' AND env = 0");
	env_refused(f, "the secret PUBLIC of \"shop\" (production) cannot be decrypted");
	execute(f, "UPDATE setting SET value = (SELECT value FROM setting WHERE name = 'PUBLIC' AND env = 1) WHERE name = 'PUBLIC' "
	           "AND env = 0");
	env_refused(f, "cannot be decrypted");
	execute(f, "UPDATE setting SET value = x'00' WHERE name = 'PUBLIC' AND env = 0");
	env_refused(f, "cannot be decrypted");
	apply(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "PUBLIC", "d"));
	env_is(f, ER_ENV_PRODUCTION, "{\"PRIVATE\":\"b\",\"PUBLIC\":\"d\"}");
}

static void replace_key(fixture *f, const char *text, unsigned mode)
{
	char *path = er_printf("%s/key", f->dir);
	er_store_close(f->s);
	(void)unlink(path);
	if (text != NULL) {
		int fd = open(path, O_WRONLY | O_CREAT, mode);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
		close(fd);
	}
	er_free(path);
	f->s = harness_open_dir(f->dir);
}

static void the_key_is_missed_and_a_wrong_one_is_known(void **state)
{
	fixture *f = *state;
	char key[80] = "", *path = er_printf("%s/key", f->dir);
	apply(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "S", "x"));
	int fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, key, sizeof key), 65);
	close(fd);
	replace_key(f, NULL, 0);
	env_refused(f, "put it back");
	/* No new key is made over the loss of the old one. */
	apply_refused(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "T", "y"), ER_ERR_INVALID, "put it back");
	assert_int_not_equal(access(path, F_OK), 0);
	replace_key(f, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0600);
	env_refused(f, "is not the one");
	apply_refused(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "T", "y"), ER_ERR_INVALID, "is not the one");
	replace_key(f, "short", 0600);
	env_refused(f, "64 hexadecimal digits");
	replace_key(f, key, 0644);
	env_refused(f, "chmod 600");
	replace_key(f, key, 0400);
	env_is(f, ER_ENV_PRODUCTION, "{\"S\":\"x\"}");
	/* Whoever uses no secrets needs no key. */
	replace_key(f, NULL, 0);
	apply(f->s, set(ER_CHANGE_VAR_SET, ER_ENV_STAGING, "V", "1"));
	env_is(f, ER_ENV_STAGING, "{\"V\":1}");
	er_free(path);
}

static void who_has_lost_the_key_begins_anew_without_secrets(void **state)
{
	fixture *f = *state;
	apply(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "S", "x"));
	replace_key(f, NULL, 0);
	apply_refused(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "S", "y"), ER_ERR_INVALID, "er secret rm");
	apply(f->s, set(ER_CHANGE_SECRET_DELETE, ER_ENV_PRODUCTION, "S", ""));
	apply(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "S", "y"));
	env_is(f, ER_ENV_PRODUCTION, "{\"S\":\"y\"}");
	/* and the new key is watched over like the first */
	replace_key(f, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0600);
	env_refused(f, "is not the one");
	apply(f->s, set(ER_CHANGE_SECRET_DELETE, ER_ENV_PRODUCTION, "S", ""));
	apply(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "S", "z"));
	env_is(f, ER_ENV_PRODUCTION, "{\"S\":\"z\"}");
}

static void the_key_may_lie_elsewhere(void **state)
{
	fixture *f = *state;
	char *key = er_printf("%s/elsewhere", f->dir), *inside = er_printf("%s/key", f->dir);
	er_store_close(f->s);
	f->s = harness_open(&(er_store_options){.dir = f->dir, .key_file = key});
	apply(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "S", "x"));
	assert_int_equal(access(key, F_OK), 0);
	assert_int_not_equal(access(inside, F_OK), 0);
	er_free(key);
	er_free(inside);
}

/* ---- a new key ---- */

static unsigned rotate(fixture *f)
{
	uint64_t sequence = 0;
	unsigned n = 0;
	if (!er_store_rotate_key(f->s, ER_LIT("ann"), ER_LIT("192.0.2.1"), &sequence, &n, &f->err))
		fail_msg("rotation: %s", f->err.text);
	assert_int_equal(sequence, er_store_sequence(f->s));
	return n;
}

static void rotation_refused(fixture *f, const char *because)
{
	uint64_t sequence = 0, before = er_store_sequence(f->s);
	unsigned n = 0;
	f->err = (er_err){0};
	assert_false(er_store_rotate_key(f->s, ER_LIT("ann"), ER_LIT(""), &sequence, &n, &f->err));
	if (strstr(f->err.text, because) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", f->err.text, because);
	assert_int_equal(er_store_sequence(f->s), before);
}

static void read_key(fixture *f, const char *name, char key[80])
{
	char *path = er_printf("%s/%s", f->dir, name);
	int fd = open(path, O_RDONLY);
	memset(key, 0, 80);
	if (fd >= 0) {
		assert_int_equal(read(fd, key, 79), 65);
		close(fd);
	}
	er_free(path);
}

static void some_secrets(fixture *f)
{
	er_change c[] = {
	    set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "A", "x"),
	    set(ER_CHANGE_VAR_SET, ER_ENV_PRODUCTION, "B", "1"),
	    set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "C", ""),
	    set(ER_CHANGE_SECRET_SET, ER_ENV_STAGING, "A", "z"),
	    change_version("zoo", "x"),
	    change_named(ER_CHANGE_SECRET_SET, "zoo", "K", "w"),
	};
	apply_all(f->s, c, 6);
}

static void secrets_are_all_there(fixture *f)
{
	env_is(f, ER_ENV_PRODUCTION, "{\"B\":1,\"A\":\"x\",\"C\":\"\"}");
	env_is(f, ER_ENV_STAGING, "{\"A\":\"z\"}");
	er_piece p;
	assert_true(er_store_env(f->s, ER_LIT("zoo"), ER_ENV_PRODUCTION, &p, &f->err));
	assert_true(er_slice_eq(er_piece_slice(p), ER_LIT("{\"K\":\"w\"}")));
	er_piece_drop(&p);
}

static void a_new_key_opens_everything_and_the_old_one_nothing(void **state)
{
	fixture *f = *state;
	char old[80], new[80];
	some_secrets(f);
	read_key(f, "key", old);
	assert_int_equal(rotate(f), 4);
	secrets_are_all_there(f);
	read_key(f, "key", new);
	assert_string_not_equal(old, new);
	assert_int_equal(rotate(f), 4);
	secrets_are_all_there(f);
	apply(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_STAGING, "A", "z"));
	read_key(f, "key", new);
	replace_key(f, new, 0600); /* opens the folder again */
	secrets_are_all_there(f);
	replace_key(f, old, 0600);
	env_refused(f, "is not the one");
	/* The log has it, with who did it. */
	er_arena a;
	er_log_row *l;
	size_t n;
	er_arena_init(&a);
	assert_true(er_store_log(f->s, &a, er_store_sequence(f->s) - 2, 1, &l, &n, &f->err));
	assert_int_equal(l[0].kind, ER_CHANGE_KEY_ROTATE);
	assert_true(er_slice_eq(l[0].actor, ER_LIT("ann")) && er_slice_eq(l[0].data, ER_LIT("{\"secrets\":4}")));
	er_arena_fini(&a);
	apply_refused(f->s, (er_change){.kind = ER_CHANGE_KEY_ROTATE}, ER_ERR_INVALID, "by itself");
}

static void a_key_can_be_new_before_there_are_secrets(void **state)
{
	fixture *f = *state;
	assert_int_equal(rotate(f), 0);
	some_secrets(f);
	assert_int_equal(rotate(f), 4);
	secrets_are_all_there(f);
}

static void what_cannot_be_opened_is_not_lost_by_a_rotation(void **state)
{
	fixture *f = *state;
	char old[80], now[80];
	some_secrets(f);
	execute(f, "UPDATE setting SET value = x'00' WHERE name = 'C'");
	read_key(f, "key", old);
	rotation_refused(f, "the secret C of \"shop\" (production) cannot be decrypted");
	read_key(f, "key", now);
	assert_string_equal(old, now);
	apply(f->s, set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "C", ""));
	assert_int_equal(rotate(f), 4);
	secrets_are_all_there(f);
	/* A key that is gone is not replaced by one that opens nothing. */
	replace_key(f, NULL, 0);
	rotation_refused(f, "put it back");
}

/* A key on a volume of its own: the new one would take the link's place, and the volume would keep
 * the old one. */
static void a_key_that_is_a_link_is_left_alone(void **state)
{
	fixture *f = *state;
	some_secrets(f);
	er_store_close(f->s);
	char *cmd = er_printf("cd '%s' && mv key elsewhere && ln -s elsewhere key", f->dir);
	assert_int_equal(system(cmd), 0); /* NOLINT(cert-env33-c) */
	er_free(cmd);
	f->s = harness_open_dir(f->dir);
	secrets_are_all_there(f);
	rotation_refused(f, "is a link");
	secrets_are_all_there(f);
}

/* What a reader does that has its picture of the database from before a rotation: it is the only
 * one that still has the old key. */
static void a_reader_from_before_a_rotation_still_reads(void **state)
{
	fixture *f = *state;
	some_secrets(f);
	for (int warm = 0; warm < 2; warm++) {
		if (!warm) { /* not even the process knows the key yet */
			er_store_close(f->s);
			f->s = harness_open_dir(f->dir);
		}
		er_db *db = er_pool_take(&f->s->readers, &f->err);
		uint8_t key[ER_SEAL_KEY], plain[8];
		assert_true(er_db_begin_read(db, &f->err));
		er_query q = er_query_of(db, "SELECT value FROM setting WHERE routine = 'zoo' AND name = 'K'");
		assert_true(er_query_row(&q));
		assert_int_equal(rotate(f), 4);
		assert_true(er_key_get(f->s, db, false, key, &f->err));
		assert_true(er_unseal(key, ER_LIT("er secret 1 zoo production K"), er_col_bytes(&q, 0), plain));
		assert_int_equal(plain[0], 'w');
		assert_true(er_query_end(&q, &f->err));
		er_db_rollback(db);
		er_pool_give(&f->s->readers, db);
		secrets_are_all_there(f);
	}
}

/* ---- and an end at any point of it ---- */

typedef struct trap {
	unsigned left; /* the operation with this number is the last; 0: none is */
	bool kills;
} trap;

static bool step_on(void *ctx, const char *what)
{
	trap *t = ctx;
	(void)what;
	if (t->left == 0 || --t->left > 0)
		return true;
	if (t->kills)
		kill(getpid(), SIGKILL);
	return false;
}

static void every_failing_write_leaves_readable_secrets(void **state)
{
	fixture *f = *state;
	trap t = {0};
	some_secrets(f);
	er_store_close(f->s);
	f->s = harness_open(&(er_store_options){.dir = f->dir, .fault = step_on, .fault_ctx = &t});
	unsigned failed = 0, done = 0;
	for (unsigned n = 1; done < 3; n++) {
		uint64_t sequence;
		unsigned secrets;
		t.left = n;
		bool good = er_store_rotate_key(f->s, ER_LIT("ann"), ER_LIT(""), &sequence, &secrets, &f->err);
		failed += !good;
		done += good && t.left > 0; /* nothing failed any more */
		t.left = 0;
		secrets_are_all_there(f);
		if (n % 3 == 0) {
			er_store_close(f->s);
			f->s = harness_open(&(er_store_options){.dir = f->dir, .fault = step_on, .fault_ctx = &t});
			secrets_are_all_there(f);
		}
	}
	assert_true(failed > 5);
}

static _Noreturn void rotate_and_die(const char *dir, trap *t, unsigned at)
{
	er_err err;
	er_store *s = er_store_open(&(er_store_options){.dir = dir, .fault = step_on, .fault_ctx = t}, &err);
	uint64_t sequence;
	unsigned secrets;
	if (s == NULL)
		_exit(3);
	t->left = at;
	bool good = er_store_rotate_key(s, ER_LIT("ann"), ER_LIT(""), &sequence, &secrets, &err);
	_exit(good ? 0 : 4);
}

/* The process ends before each write, fsync and rename of a rotation in turn. */
static void kill_9_at_every_step_leaves_readable_secrets(void **state)
{
	fixture *f = *state;
	unsigned killed = 0, renamed_later = 0;
	char before[80], after[80], next[80];
	trap t = {.kills = true};
	some_secrets(f);
	for (unsigned at = 1;; at++) {
		int status;
		read_key(f, "key", before);
		er_store_close(f->s);
		pid_t pid = fork();
		if (pid == 0)
			rotate_and_die(f->dir, &t, at);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
		killed += WIFSIGNALED(status);
		read_key(f, "key", after);
		f->s = harness_open_dir(f->dir);
		secrets_are_all_there(f);
		/* Killed between commit and rename: the start made good for it. */
		read_key(f, "key", next);
		renamed_later += strcmp(after, next) != 0;
		if (!WIFSIGNALED(status)) {
			assert_string_not_equal(before, after);
			break;
		}
	}
	print_message("killed at %u steps, %u of them between commit and rename\n", killed, renamed_later);
	assert_true(killed > 5);
	assert_true(renamed_later > 0);
	assert_int_equal(rotate(f), 4);
	secrets_are_all_there(f);
}

static _Noreturn void rotate_for_ever(const char *dir)
{
	er_err err;
	er_store *s = er_store_open(&(er_store_options){.dir = dir}, &err);
	uint64_t sequence;
	unsigned secrets;
	while (s != NULL && er_store_rotate_key(s, ER_LIT("ann"), ER_LIT(""), &sequence, &secrets, &err))
		;
	_exit(3);
}

static void kill_9_at_any_moment_leaves_readable_secrets(void **state)
{
	fixture *f = *state;
	some_secrets(f);
	for (unsigned i = 0; i < 40; i++) {
		int status;
		er_store_close(f->s);
		pid_t pid = fork();
		if (pid == 0)
			rotate_for_ever(f->dir);
		usleep(3000 + i * 7919 % 20000);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		f->s = harness_open_dir(f->dir);
		secrets_are_all_there(f);
	}
}

/* NIST's GCM test case 16: our use of the cipher is the standard's. */
static void the_cipher_is_the_standards(void **state)
{
	(void)state;
	uint8_t key[32], about[20], sealed[12 + 60 + 16], plain[60], should[60];
	assert_true(er_unhex(ER_LIT("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"), key));
	assert_true(er_unhex(ER_LIT("feedfacedeadbeeffeedfacedeadbeefabaddad2"), about));
	assert_true(er_unhex(ER_LIT("cafebabefacedbaddecaf888"
	                            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
	                            "c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"),
	                     sealed));
	assert_true(er_unhex(ER_LIT("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
	                            "b16aedf5aa0de657ba637b39"),
	                     should));
	assert_true(er_unseal(key, er_slice_of(about, 20), er_slice_of(sealed, sizeof sealed), plain));
	assert_memory_equal(plain, should, 60);
	for (size_t i = 0; i < sizeof sealed; i++) {
		sealed[i] ^= 1;
		assert_false(er_unseal(key, er_slice_of(about, 20), er_slice_of(sealed, sizeof sealed), plain));
		sealed[i] ^= 1;
	}
	assert_false(er_unseal(key, er_slice_of(about, 19), er_slice_of(sealed, sizeof sealed), plain));
	assert_false(er_unseal(key, er_slice_of(about, 20), er_slice_of(sealed, 27), plain));
	er_hash h;
	char hex[65];
	er_sha256(ER_LIT("a"), ER_LIT("bc"), &h);
	er_hex(er_slice_of(h.b, 32), hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void a_wiped_chunk_is_wiped(void **state)
{
	(void)state;
	er_chunk *c = er_chunk_new(16);
	c->wipe = true;
	memset(c->bytes, 'x', 16);
	er_piece one = er_piece_take(c, 16), two = er_piece_sub(one, 4, 4);
	er_piece_drop(&one);
	assert_int_equal(two.p[0], 'x'); /* not before the last reference */
	er_piece_drop(&two);
}

/* ---- the key of a site ---- */

static er_change site(const char *name, const char *settings, const char *key)
{
	er_change c = change_named(ER_CHANGE_SITE_SET, "", name, settings);
	c.key = er_slice_cstr(key);
	return c;
}

static void site_key_is(fixture *f, const char *name, const char *should)
{
	er_arena a = {0};
	er_site_row *rows;
	size_t n;
	er_slice alone;
	assert_true(er_store_sites(f->s, &a, &rows, &n, &f->err));
	assert_true(er_store_site_key(f->s, &a, er_slice_cstr(name), &alone, &f->err));
	assert_true(er_slice_eq(alone, er_slice_cstr(should)));
	bool found = false;
	for (size_t i = 0; i < n; i++) {
		if (!er_slice_eq(rows[i].name, er_slice_cstr(name)))
			continue;
		found = true;
		assert_true(er_slice_eq(rows[i].key, er_slice_cstr(should)));
	}
	assert_true(found);
	er_store_sites_wipe(rows, n);
	er_arena_fini(&a);
}

static void a_site_s_key_is_kept_as_secrets_are(void **state)
{
	fixture *f = *state;
	apply(f->s, site("one", "{\"a\":1}", "the key of one"));
	apply(f->s, site("two", "{\"a\":2}", ""));
	site_key_is(f, "one", "the key of one");
	site_key_is(f, "two", "");
	/* Neither the tables nor the log have a word of it. */
	char *command = er_printf("cat '%s'/control.db* | grep -q 'the key of'", f->dir);
	assert_int_not_equal(system(command), 0); /* NOLINT(cert-env33-c) */
	er_free(command);
	/* It is written with the node's key, also as the only secret, and anew by a rotation. */
	assert_int_equal(rotate(f), 1);
	site_key_is(f, "one", "the key of one");
	er_store_close(f->s);
	f->s = harness_open_dir(f->dir);
	site_key_is(f, "one", "the key of one");
	/* Another site cannot have it. */
	execute(f, "UPDATE site SET key = (SELECT key FROM site WHERE name = 'one') WHERE name = 'two'");
	er_arena a = {0};
	er_slice key;
	assert_false(er_store_site_key(f->s, &a, ER_LIT("two"), &key, &f->err));
	assert_int_equal(key.n, 0);
	er_site_row *rows;
	size_t n;
	assert_true(er_store_sites(f->s, &a, &rows, &n, &f->err));
	assert_int_equal(n, 2);
	assert_int_equal(rows[1].key.n, 0);
	er_arena_fini(&a);
	uint64_t sequence;
	unsigned secrets;
	assert_false(er_store_rotate_key(f->s, ER_LIT("ann"), ER_LIT(""), &sequence, &secrets, &f->err));
	assert_non_null(strstr(f->err.text, "the key of the site two cannot be decrypted"));
	/* Set anew, or without one. */
	apply(f->s, site("two", "{\"a\":2}", "another"));
	site_key_is(f, "two", "another");
	apply(f->s, site("two", "{\"a\":3}", ""));
	site_key_is(f, "two", "");
	assert_int_equal(rotate(f), 1);
}

static void a_lost_key_is_missed_by_a_site_too(void **state)
{
	fixture *f = *state;
	apply(f->s, site("one", "{\"a\":1}", "the key of one"));
	er_store_close(f->s);
	char *path = er_printf("%s/key", f->dir);
	assert_int_equal(unlink(path), 0);
	er_free(path);
	f->s = harness_open_dir(f->dir);
	er_arena a = {0};
	er_slice key;
	assert_false(er_store_site_key(f->s, &a, ER_LIT("one"), &key, &f->err));
	assert_non_null(strstr(f->err.text, "is not there: put it back"));
	er_arena_fini(&a);
	/* No new key takes the place of the one that is missed. */
	er_change secret = set(ER_CHANGE_SECRET_SET, ER_ENV_PRODUCTION, "S", "v");
	er_applied out;
	assert_false(er_store_apply(f->s, &secret, 1, &out, &f->err));
	er_change gone = change_named(ER_CHANGE_SITE_DELETE, "", "one", "");
	apply(f->s, gone);
	apply(f->s, secret);
	env_is(f, ER_ENV_PRODUCTION, "{\"S\":\"v\"}");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(env_is_variables_then_secrets),
	    T(a_long_value_of_control_characters_fits),
	    T(there_are_only_so_many_of_them),
	    T(a_name_is_a_variable_or_a_secret),
	    T(nothing_readable_reaches_the_disk),
	    T(a_ciphertext_cannot_be_moved),
	    T(the_key_is_missed_and_a_wrong_one_is_known),
	    T(who_has_lost_the_key_begins_anew_without_secrets),
	    T(the_key_may_lie_elsewhere),
	    T(a_new_key_opens_everything_and_the_old_one_nothing),
	    T(a_key_can_be_new_before_there_are_secrets),
	    T(what_cannot_be_opened_is_not_lost_by_a_rotation),
	    T(a_key_that_is_a_link_is_left_alone),
	    T(a_reader_from_before_a_rotation_still_reads),
	    T(a_site_s_key_is_kept_as_secrets_are),
	    T(a_lost_key_is_missed_by_a_site_too),
	    T(every_failing_write_leaves_readable_secrets),
	    T(kill_9_at_every_step_leaves_readable_secrets),
	    T(kill_9_at_any_moment_leaves_readable_secrets),
	    cmocka_unit_test(the_cipher_is_the_standards),
	    cmocka_unit_test(a_wiped_chunk_is_wiped),
	};
	return cmocka_run_group_tests_name("store secrets", tests, NULL, NULL);
}
