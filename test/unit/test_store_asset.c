/* Static files in the store: each routine's own, whole or not there, and gone when no version names
 * them, but never one that a version has. */
#include "store_harness.h"

#include "base/hex.h"
#include "store/asset.h"
#include "store/crypt.h"

#include <sqlite3.h>

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

static er_asset asset(er_slice bytes)
{
	er_asset a = {.bytes = bytes};
	er_sha256(bytes, (er_slice){0}, &a.hash);
	return a;
}

static void put(fixture *f, const char *routine, er_slice bytes)
{
	er_asset a = asset(bytes);
	if (!er_asset_put(f->s, er_slice_cstr(routine), &a, 1, &f->err))
		fail_msg("put: %s", f->err.text);
}

static bool there(fixture *f, const char *routine, er_slice bytes)
{
	er_asset a = asset(bytes);
	bool missing;
	if (!er_asset_missing(f->s, er_slice_cstr(routine), &a.hash, NULL, 1, &missing, &f->err))
		fail_msg("missing: %s", f->err.text);
	return !missing;
}

/* A version whose manifest names these bytes. */
static uint32_t version(fixture *f, const char *routine, const char *code, er_slice bytes)
{
	er_asset a = asset(bytes);
	char hex[2 * ER_SHA256 + 1];
	er_hex(er_hash_slice(&a.hash), hex);
	er_buf text = {0};
	er_buf_printf(&text, "%s %zu /file\n", hex, bytes.n);
	er_change c = change_version(routine, code);
	c.version.assets = er_buf_slice(&text);
	c.version.assets_files = 1;
	c.version.assets_bytes = bytes.n;
	er_applied out;
	if (!er_store_apply(f->s, &c, 1, &out, &f->err))
		fail_msg("apply: %s", f->err.text);
	er_buf_fini(&text);
	return out.version;
}

/* All of it, without mercy for what is young. */
static unsigned sweep(fixture *f)
{
	unsigned removed, sum = 0;
	bool over = false;
	/* one second older than now: nothing was put later than this */
	sleep(1);
	while (!over) {
		if (!er_asset_sweep(f->s, 0, NULL, &removed, &over, &f->err))
			fail_msg("sweep: %s", f->err.text);
		sum += removed;
	}
	return sum;
}

static void what_was_put_is_read_in_any_part(void **state)
{
	fixture *f = *state;
	size_t n = 700 * 1000;
	uint8_t *bytes = er_alloc(n), *to = er_alloc(n);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	er_asset a = asset(er_slice_of(bytes, n));
	put(f, "shop", a.bytes);
	static const struct {
		size_t from, n;
	} parts[] = {{0, 1}, {0, 700000}, {131071, 2}, {131072, 131072}, {699999, 1}, {300000, 400000}, {5, 0}};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (!er_asset_read(f->s, ER_LIT("shop"), &a.hash, n, parts[i].from, to, parts[i].n, &f->err))
			fail_msg("read: %s", f->err.text);
		assert_memory_equal(to, bytes + parts[i].from, parts[i].n);
	}
	/* a routine's files are its own */
	assert_false(there(f, "other", a.bytes));
	assert_false(er_asset_read(f->s, ER_LIT("other"), &a.hash, n, 0, to, 1, &f->err));
	/* who says another length has another file */
	const uint32_t lengths[] = {(uint32_t)n, (uint32_t)n - 1};
	const er_hash twice[] = {a.hash, a.hash};
	bool missing[2];
	assert_true(er_asset_missing(f->s, ER_LIT("shop"), twice, lengths, 2, missing, &f->err));
	assert_true(!missing[0] && missing[1]);
	assert_false(er_asset_read(f->s, ER_LIT("shop"), &a.hash, n - 1, 0, to, 1, &f->err));
	er_free(bytes);
	er_free(to);
}

static void bytes_of_another_hash_are_refused_with_all_that_came_with_them(void **state)
{
	fixture *f = *state;
	er_asset both[] = {asset(ER_LIT("good")), asset(ER_LIT("bad"))};
	both[1].bytes = ER_LIT("worse");
	assert_false(er_asset_put(f->s, ER_LIT("shop"), both, 2, &f->err));
	assert_int_equal(f->err.kind, ER_ERR_INVALID);
	assert_false(there(f, "shop", ER_LIT("good")));
	assert_false(er_asset_put(f->s, ER_LIT("../shop"), both, 1, &f->err));
	er_asset empty = asset(ER_LIT(""));
	assert_true(er_asset_put(f->s, ER_LIT("shop"), &empty, 1, &f->err));
	assert_true(er_asset_read(f->s, ER_LIT("shop"), &empty.hash, 0, 0, NULL, 0, &f->err));
}

static void what_no_version_names_is_swept_and_what_one_names_stays(void **state)
{
	fixture *f = *state;
	er_asset_tally t;
	put(f, "shop", ER_LIT("one"));
	put(f, "shop", ER_LIT("two"));
	put(f, "shop", ER_LIT("loose"));
	put(f, "other", ER_LIT("one"));
	uint32_t one = version(f, "shop", "a", ER_LIT("one"));
	uint32_t two = version(f, "shop", "b", ER_LIT("two"));
	assert_true(er_asset_count(f->s, ER_LIT("shop"), &t, &f->err));
	assert_int_equal(t.files, 3);
	assert_int_equal(t.bytes, 11);
	/* what is young stays */
	unsigned removed;
	for (bool over = false; !over;) {
		assert_true(er_asset_sweep(f->s, ER_ASSET_GRACE_S, NULL, &removed, &over, &f->err));
		assert_int_equal(removed, 0);
	}
	assert_int_equal(sweep(f), 2); /* the loose one, and that of a routine without a version */
	assert_false(there(f, "shop", ER_LIT("loose")) || there(f, "other", ER_LIT("one")));
	assert_true(there(f, "shop", ER_LIT("one")) && there(f, "shop", ER_LIT("two")));
	er_change gone = change_version("shop", "");
	gone.kind = ER_CHANGE_VERSION_DELETE;
	gone.number = one;
	apply(f->s, gone);
	assert_int_equal(sweep(f), 1);
	assert_false(there(f, "shop", ER_LIT("one")));
	assert_true(there(f, "shop", ER_LIT("two")));
	gone.kind = ER_CHANGE_ROUTINE_DELETE;
	apply(f->s, gone);
	assert_int_equal(sweep(f), 1);
	assert_true(er_asset_count(f->s, ER_LIT("shop"), &t, &f->err));
	assert_int_equal(t.files, 0);
	(void)two;
}

static void a_version_is_the_same_only_with_the_same_files(void **state)
{
	fixture *f = *state;
	put(f, "shop", ER_LIT("one"));
	put(f, "shop", ER_LIT("two"));
	uint32_t first = version(f, "shop", "a", ER_LIT("one"));
	assert_int_equal(version(f, "shop", "a", ER_LIT("one")), first);
	assert_int_equal(version(f, "shop", "a", ER_LIT("two")), first + 1);
	/* without code, files are all that it is */
	assert_int_equal(version(f, "static", "", ER_LIT("one")), 1);
	er_arena a = {0};
	er_version_row *rows;
	size_t n;
	assert_true(er_store_versions(f->s, &a, ER_LIT("shop"), &rows, &n, &f->err));
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].assets_files, 1);
	assert_int_equal(rows[0].assets_bytes, 3);
	er_piece text;
	assert_true(er_store_blob(f->s, &rows[0].assets, &text, &f->err));
	assert_true(er_slice_ends(er_piece_slice(text), ER_LIT(" 3 /file\n")));
	er_piece_drop(&text);
	er_arena_fini(&a);
}

static void the_next_routine_of_a_name_neither_sees_nor_names_files_of_the_one_before(void **state)
{
	fixture *f = *state;
	er_asset_tally t;
	uint8_t to[6];
	er_asset a = asset(ER_LIT("secret"));
	unsigned removed;
	bool over;
	put(f, "shop", a.bytes);
	put(f, "shop", ER_LIT("old"));
	(void)version(f, "shop", "a", a.bytes);
	assert_true(there(f, "shop", a.bytes));
	apply(f->s, (er_change){.kind = ER_CHANGE_ROUTINE_DELETE, .routine = ER_LIT("shop")});
	assert_false(there(f, "shop", a.bytes));
	er_store_close(f->s);
	f->s = harness_open_dir(f->dir);
	assert_false(there(f, "shop", a.bytes));
	put(f, "shop", a.bytes);
	assert_true(there(f, "shop", a.bytes));
	(void)version(f, "shop", "b", a.bytes);
	/* young, but nobody's */
	assert_true(er_asset_sweep(f->s, ER_ASSET_GRACE_S, NULL, &removed, &over, &f->err));
	assert_int_equal(removed, 1);
	assert_true(er_asset_count(f->s, ER_LIT("shop"), &t, &f->err));
	assert_int_equal(t.files, 1);
	assert_true(er_asset_read(f->s, ER_LIT("shop"), &a.hash, 6, 0, to, 6, &f->err));
	apply(f->s, (er_change){.kind = ER_CHANGE_ROUTINE_DELETE, .routine = ER_LIT("shop")});
	assert_false(there(f, "shop", a.bytes));
}

static void a_backup_has_the_files_and_one_without_them_does_not_start(void **state)
{
	fixture *f = *state;
	char *copy = er_printf("%s/copy", f->dir), *back = er_printf("%s/back", f->dir);
	uint8_t to[3];
	er_asset a = asset(ER_LIT("one"));
	put(f, "shop", a.bytes);
	(void)version(f, "shop", "a", a.bytes);
	if (!er_store_backup(f->s, copy, &f->err) || !er_store_restore(copy, back, &f->err))
		fail_msg("%s", f->err.text);
	er_store *s = harness_open_dir(back);
	assert_true(er_asset_read(s, ER_LIT("shop"), &a.hash, 3, 0, to, 3, &f->err));
	assert_memory_equal(to, "one", 3);
	er_store_close(s);
	char *lost = er_printf("%s/assets.db", back);
	assert_int_equal(unlink(lost), 0);
	harness_refused(&(er_store_options){.dir = back}, "assets.db is missing");
	er_free(lost);
	er_free(copy);
	er_free(back);
}

static void say_in_database(fixture *f, const char *sql)
{
	sqlite3 *db;
	char *path = er_printf("%s/assets.db", f->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	er_free(path);
}

/* Empty ones cost no bytes, but rows and time. */
static void a_routine_has_no_more_files_than_its_quota_however_small_they_are(void **state)
{
	fixture *f = *state;
	put(f, "shop", ER_LIT("one"));
	put(f, "other", ER_LIT("one"));
	say_in_database(f, "UPDATE asset_tally SET files = 199999 WHERE routine = 'shop'");
	put(f, "shop", ER_LIT(""));
	er_asset more = asset(ER_LIT("more"));
	assert_false(er_asset_put(f->s, ER_LIT("shop"), &more, 1, &f->err));
	assert_int_equal(f->err.kind, ER_ERR_TOO_LARGE);
	assert_non_null(strstr(f->err.text, "\"shop\" would have more than 200000 files"));
	assert_non_null(strstr(f->err.text, "er versions prune"));
	assert_false(there(f, "shop", more.bytes));
	put(f, "shop", ER_LIT("one")); /* it is there */
	put(f, "other", more.bytes);
}

/* More than one transaction removes. */
static void many_files_are_swept_and_what_is_asked_for_meanwhile_stays(void **state)
{
	enum { MANY = 700 };
	fixture *f = *state;
	er_asset v[MANY];
	uint32_t numbers[MANY];
	unsigned removed;
	bool over, stop = true;
	for (uint32_t i = 0; i < MANY; i++) {
		numbers[i] = i;
		v[i] = asset(er_slice_of(&numbers[i], sizeof numbers[i]));
	}
	assert_true(er_asset_put(f->s, ER_LIT("shop"), v, MANY, &f->err));
	(void)version(f, "shop", "a", v[3].bytes);
	say_in_database(f, "UPDATE asset SET at_s = 1");
	assert_true(there(f, "shop", v[5].bytes)); /* whoever deploys it next asks for it */
	assert_true(er_asset_sweep(f->s, ER_ASSET_GRACE_S, &stop, &removed, &over, &f->err));
	assert_int_equal(removed, 0);
	stop = false;
	assert_true(er_asset_sweep(f->s, ER_ASSET_GRACE_S, &stop, &removed, &over, &f->err));
	assert_int_equal(removed, MANY - 2);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(there(f, "shop", v[i].bytes), i == 3 || i == 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_was_put_is_read_in_any_part, setup, teardown),
	    cmocka_unit_test_setup_teardown(bytes_of_another_hash_are_refused_with_all_that_came_with_them, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_no_version_names_is_swept_and_what_one_names_stays, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_routine_has_no_more_files_than_its_quota_however_small_they_are, setup, teardown),
	    cmocka_unit_test_setup_teardown(many_files_are_swept_and_what_is_asked_for_meanwhile_stays, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_version_is_the_same_only_with_the_same_files, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_next_routine_of_a_name_neither_sees_nor_names_files_of_the_one_before, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(a_backup_has_the_files_and_one_without_them_does_not_start, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
