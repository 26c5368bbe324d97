/* A disk that is full or broken: whichever write or sync fails, the change is refused with a
 * sentence, nothing of it is there, and the store goes on as soon as the disk does. */
#include "store_workload.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

typedef struct disk {
	unsigned long ops, fail_at; /* fail_at 0: never */
	bool stays;                 /* what failed once goes on failing */
	unsigned failed;
} disk;

static bool ask_disk(void *ctx, const char *what)
{
	disk *d = ctx;
	(void)what;
	d->ops++;
	if (d->fail_at == 0 || (d->stays ? d->ops < d->fail_at : d->ops != d->fail_at))
		return true;
	d->failed++;
	return false;
}

static void arm(disk *d, unsigned long at)
{
	*d = (disk){.fail_at = at, .stays = d->stays};
}

static er_store *open_on(const char *dir, disk *d, er_err *err)
{
	return er_store_open(&(er_store_options){.dir = dir, WORK_KEEP, .fault = ask_disk, .fault_ctx = d}, err);
}

static void is_a_sentence(const er_err *err)
{
	if (err->kind != ER_ERR_IO || err->text[0] == '\0' || strchr(err->text, ' ') == NULL)
		fail_msg("%s \"%s\"", er_err_name(err->kind), err->text);
}

static void every_write_fails_once(bool stays)
{
	enum { STEPS = 28 };
	work_states w = work_expect(STEPS);
	disk d = {.stays = stays};
	er_err err = {0};
	char *dir = harness_dir();
	er_store *s = open_on(dir, &d, &err);
	unsigned refused = 0;
	assert_non_null(s);
	for (unsigned i = 0; i < STEPS; i++) {
		for (unsigned long n = 1;; n++) {
			arm(&d, n);
			if (work_step(s, i, &err))
				break; /* after its commit a failure is only one of tidying up */
			assert_true(d.failed > 0);
			is_a_sentence(&err);
			refused++;
			arm(&d, 0);
			if (!work_is(s, &w, i))
				fail_msg("step %u failed at write %lu and left something behind", i, n);
		}
		arm(&d, 0);
		if (!work_is(s, &w, i + 1))
			fail_msg("step %u is not what it should be", i);
	}
	assert_true(refused > 100);
	er_store_close(s);
	s = harness_open_dir(dir);
	assert_true(work_is(s, &w, STEPS));
	er_store_close(s);
	work_integrity(dir);
	harness_remove(dir);
	work_states_fini(&w);
}

static void one_write_fails(void **state)
{
	(void)state;
	every_write_fails_once(false);
}

static void the_disk_stays_full(void **state)
{
	(void)state;
	every_write_fails_once(true);
}

/* The process ends in the middle of its trouble. */
static void what_was_answered_before_survives_the_trouble(void **state)
{
	(void)state;
	enum { STEPS = 28 };
	work_states w = work_expect(STEPS);
	for (unsigned long n = 1; n < 400; n += 7) {
		disk d = {.stays = true};
		er_err err = {0};
		char *dir = harness_dir();
		unsigned answered = 0;
		arm(&d, n);
		er_store *s = open_on(dir, &d, &err);
		while (s != NULL && answered < STEPS && work_step(s, answered, &err))
			answered++;
		er_store_close(s);
		s = harness_open_dir(dir);
		(void)work_recovered(s, &w, answered);
		er_store_close(s);
		work_integrity(dir);
		harness_remove(dir);
	}
	work_states_fini(&w);
}

static void opening_fails_and_works_the_next_time(void **state)
{
	(void)state;
	unsigned long n = 1;
	for (bool done = false; !done; n++) {
		disk d = {0};
		er_err err = {0};
		char *dir = harness_dir();
		arm(&d, n);
		er_store *s = open_on(dir, &d, &err);
		done = d.failed == 0;
		if (s == NULL)
			is_a_sentence(&err);
		er_store_close(s);
		arm(&d, 0);
		s = open_on(dir, &d, &err);
		if (s == NULL)
			fail_msg("after failure %lu: %s", n, err.text);
		assert_true(work_step(s, 0, &err));
		er_store_close(s);
		harness_remove(dir);
	}
	assert_true(n > 10);
}

static void kv_fails_and_goes_on(void **state)
{
	(void)state;
	disk d = {0};
	er_err err = {0};
	char *dir = harness_dir();
	unsigned refused = 0;
	er_store *s = open_on(dir, &d, &err);
	assert_true(work_step(s, 0, &err));
	assert_true(work_kv(s, 0, &err));
	for (unsigned i = 1; i < 20; i++) {
		for (unsigned long n = 1;; n++) {
			bool existed, put;
			unsigned removed;
			arm(&d, n);
			put = work_kv(s, i, &err);
			if (!put)
				is_a_sentence(&err);
			if (put && er_kv_delete(s, ER_LIT("kv"), ER_LIT("other"), &existed, &err) && er_kv_sweep(s, 10, &removed, &err) &&
			    d.failed == 0)
				break;
			refused += !put;
			arm(&d, 0);
			assert_int_equal(work_kv_check(s), put ? i : i - 1);
			if (put)
				break;
		}
		arm(&d, 0);
	}
	assert_true(refused > 20);
	er_store_close(s);
	work_integrity(dir);
	harness_remove(dir);
}

static unsigned entries(const char *dir)
{
	unsigned n = 0;
	DIR *d = opendir(dir);
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void a_backup_that_failed_is_not_there(void **state)
{
	(void)state;
	disk d = {0};
	er_err err = {0};
	char *dir = harness_dir(), *aside = harness_dir(), *backup = er_printf("%s/backup", aside), *to = er_printf("%s/new", aside);
	er_store *s = open_on(dir, &d, &err);
	for (unsigned i = 0; i < 14; i++)
		assert_true(work_step(s, i, &err));
	unsigned long n = 1;
	for (;; n++) {
		arm(&d, n);
		if (er_store_backup(s, backup, &err))
			break;
		is_a_sentence(&err);
		/* It has its name already when the very last sync fails: then it stays, whole. */
		if (entries(aside) != 0)
			break;
	}
	assert_true(n > 20);
	arm(&d, 0);
	if (!er_store_restore(backup, to, &err))
		fail_msg("%s", err.text);
	er_store_close(s);
	harness_remove(dir);
	harness_remove(aside);
	er_free(backup);
	er_free(to);
}

/* A secret is answered only when its key is on the disk too. */
static void a_key_that_cannot_be_written_is_not_used(void **state)
{
	(void)state;
	disk d = {0};
	er_err err = {0};
	char *dir = harness_dir(), *key = er_printf("%s/key", dir);
	er_store *s = open_on(dir, &d, &err);
	er_piece env;
	apply(s, change_version("shop", "x"));
	er_change c = change_named(ER_CHANGE_SECRET_SET, "shop", "S", "v");
	unsigned long n = 1;
	for (;; n++) {
		arm(&d, n);
		if (er_store_apply(s, &c, 1, NULL, &err))
			break;
		is_a_sentence(&err);
		arm(&d, 0);
		assert_true(er_store_env(s, ER_LIT("shop"), ER_ENV_PRODUCTION, &env, &err));
		assert_true(er_slice_eq(er_piece_slice(env), ER_LIT("{}")));
		er_piece_drop(&env);
	}
	assert_true(n > 5);
	arm(&d, 0);
	assert_int_equal(access(key, F_OK), 0);
	assert_true(er_store_env(s, ER_LIT("shop"), ER_ENV_PRODUCTION, &env, &err));
	er_piece_drop(&env);
	/* three databases of three files each, key, lock: no half-made key is left */
	assert_int_equal(entries(dir), 11);
	er_store_close(s);
	er_free(key);
	harness_remove(dir);
}

/* ---- a disk that is really full ---- */

static void write_filler(const char *path)
{
	static char block[4096];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	while (write(fd, block, sizeof block) > 0)
		;
	close(fd);
}

/* In a process with file systems of its own. 77: this machine does not allow that. */
static int live_on_a_small_disk(const char *dir)
{
	er_err err = {0};
	if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return 77;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("small", dir, "tmpfs", 0, "size=2m,mode=0700") != 0)
		return 77;
	char *filler = er_printf("%s/filler", dir);
	er_store *s = er_store_open(&(er_store_options){.dir = dir}, &err);
	unsigned steps = 0;
	er_buf before, after;
	er_buf_init(&before);
	er_buf_init(&after);
	if (s == NULL || !work_step(s, 0, &err) || !work_step(s, 1, &err))
		return 1;
	write_filler(filler);
	for (steps = 2; work_step(s, steps, &err); steps++)
		;
	if (err.kind != ER_ERR_IO || strstr(err.text, "the disk is full") == NULL || strstr(err.text, "free some space") == NULL) {
		fprintf(stderr, "step %u: %s\n", steps, err.text);
		return 2;
	}
	harness_dump(s, &before);
	er_store_close(s);
	/* It starts on a full disk, and goes on when there is room. */
	s = er_store_open(&(er_store_options){.dir = dir}, &err);
	if (s == NULL) {
		fprintf(stderr, "%s\n", err.text);
		return 3;
	}
	harness_dump(s, &after);
	if (!er_slice_eq(er_buf_slice(&before), er_buf_slice(&after)))
		return 4;
	(void)unlink(filler);
	return work_step(s, steps, &err) ? 0 : 5;
}

static void a_full_disk_says_what_to_do(void **state)
{
	(void)state;
	int status;
	char *dir = harness_dir();
	pid_t pid = fork();
	if (pid == 0)
		_exit(live_on_a_small_disk(dir));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	harness_remove(dir);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("no mounts here: not tested\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_write_fails),
	    cmocka_unit_test(the_disk_stays_full),
	    cmocka_unit_test(what_was_answered_before_survives_the_trouble),
	    cmocka_unit_test(opening_fails_and_works_the_next_time),
	    cmocka_unit_test(kv_fails_and_goes_on),
	    cmocka_unit_test(a_backup_that_failed_is_not_there),
	    cmocka_unit_test(a_key_that_cannot_be_written_is_not_used),
	    cmocka_unit_test(a_full_disk_says_what_to_do),
	};
	return cmocka_run_group_tests_name("store and failing disks", tests, NULL, NULL);
}
