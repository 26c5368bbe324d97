/* The power goes at any write, and of what was not synced any part is lost: what was answered is
 * there, what was not is there whole or not at all. ER_POWER_CUTS sets how many; ER_POWER_SEED
 * repeats one that failed. */
#include "power_vfs.h"
#include "store_workload.h"

#include "base/clock.h"

enum { STEPS = 120, CUTS = 100 };

typedef struct life {
	unsigned answered;
	long kv; /* the last KV write that was answered */
} life;

/* From what is in the folder on until the power goes or the end; the store is closed. */
static life live(const char *dir, unsigned from)
{
	life l = {.answered = from, .kv = -1};
	er_err err;
	er_store *s = er_store_open(&(er_store_options){.dir = dir, WORK_KEEP}, &err);
	for (unsigned i = from; s != NULL && i < STEPS; i++) {
		if (!work_step(s, i, &err))
			break;
		l.answered = i + 1;
		if (!work_kv(s, i, &err))
			break;
		l.kv = i;
	}
	er_store_close(s);
	return l;
}

/* The key is not SQLite's; it is synced before a secret is. */
static void copy_key(const char *from, const char *to)
{
	char *cmd = er_printf("cp '%s/key' '%s/' 2>/dev/null || true", from, to);
	assert_int_equal(system(cmd), 0); /* NOLINT(cert-env33-c) */
	er_free(cmd);
}

/* The machine starts again. Returns the steps that are there. */
static unsigned look(const char *image, const work_states *w, const life *l, unsigned long long seed, power_mode mode)
{
	er_err err = {0};
	er_store *s = er_store_open(&(er_store_options){.dir = image}, &err);
	if (s == NULL)
		fail_msg("seed %llu: %s", seed, err.text);
	unsigned at = work_recovered(s, w, l->answered);
	long kv = work_kv_check(s);
	if (kv > (long)l->answered || (mode == POWER_ALL && kv < l->kv))
		fail_msg("seed %llu: KV is at %ld after %ld", seed, kv, l->kv);
	er_store_close(s);
	work_integrity(image);
	return at;
}

static unsigned long count_ops(void)
{
	power p;
	char *dir = harness_dir();
	power_init(&p, dir, dir, 0, POWER_NOTHING);
	assert_int_equal(live(dir, 0).answered, STEPS);
	unsigned long ops = p.ops;
	power_fini(&p);
	harness_remove(dir);
	return ops;
}

/* Two cuts in one life: the second hits a disk that already recovered once. */
static void cut(const work_states *w, unsigned long ops, uint64_t seed)
{
	char *dir = harness_dir();
	unsigned from = 0;
	for (int k = 0; k < 2; k++) {
		power p;
		char *image = harness_dir();
		power_mode mode = (power_mode)((seed + (unsigned)k) % POWER_MODES);
		power_init(&p, dir, image, seed, mode);
		p.cut_at = power_random(&p) % (k == 0 ? ops : ops / 2) + 1;
		life l = live(dir, from);
		if (!p.dead)
			power_cut(&p); /* after the last of it */
		power_fini(&p);
		copy_key(dir, image);
		from = look(image, w, &l, seed, mode);
		harness_remove(dir);
		dir = image;
	}
	/* And it goes on from there. */
	life l = live(dir, from);
	if (l.answered != STEPS)
		fail_msg("seed %llu: it does not go on after step %u", (unsigned long long)seed, l.answered);
	assert_int_equal(look(dir, w, &l, seed, POWER_ALL), STEPS);
	harness_remove(dir);
}

static unsigned setting(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);
	uint64_t v;
	return text != NULL && er_slice_u64(er_slice_cstr(text), &v) ? (unsigned)v : otherwise;
}

static void what_was_answered_survives_power_cuts(void **state)
{
	(void)state;
	work_states w = work_expect(STEPS);
	unsigned long ops = count_ops();
	unsigned cuts = setting("ER_POWER_CUTS", CUTS), seed = setting("ER_POWER_SEED", 0);
	for (unsigned i = 0; i < cuts / 2; i++)
		cut(&w, ops, seed ? seed : i + (er_clock_wall_us() & 0xffffff) * 1000);
	print_message("%u power cuts, somewhere in %lu writes and syncs\n", cuts / 2 * 2, ops);
	work_states_fini(&w);
}

/* The test must be able to fail: a database that does not sync what it answers loses some of it. */
static void a_store_that_does_not_sync_is_found_out(void **state)
{
	(void)state;
	work_states w = work_expect(STEPS);
	unsigned long ops = count_ops();
	unsigned lost = 0;
	for (unsigned i = 0; i < 10; i++) {
		power p;
		er_err err;
		char *dir = harness_dir(), *image = harness_dir();
		power_init(&p, dir, image, i, POWER_NOTHING);
		p.cut_at = ops * 9 / 10 * (i + 1) / 10;
		p.lying = true;
		life l = live(dir, 0);
		power_fini(&p);
		copy_key(dir, image);
		er_store *s = er_store_open(&(er_store_options){.dir = image}, &err);
		lost += s == NULL || !(work_is(s, &w, l.answered) || work_is(s, &w, l.answered + 1));
		er_store_close(s);
		harness_remove(dir);
		harness_remove(image);
	}
	assert_true(lost >= 8);
	work_states_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_answered_survives_power_cuts),
	    cmocka_unit_test(a_store_that_does_not_sync_is_found_out),
	};
	return cmocka_run_group_tests_name("store and power cuts", tests, NULL, NULL);
}
