/* What the store costs on this machine: store-bench DIR [ROUTINES]. Makes a store of ROUTINES
 * (10000) with 3 versions each in DIR, which must not exist, and prints how long things take. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/kv.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

static void must(bool good, const er_err *err)
{
	if (good)
		return;
	fprintf(stderr, "store-bench: %s\n", err->text);
	exit(1);
}

static double ms(uint64_t from_us)
{
	return (double)(er_clock_mono_us() - from_us) / 1000;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void say(const char *what, double *times, size_t n)
{
	qsort(times, n, sizeof *times, by_value);
	printf("%-44s median %8.3f ms   p99 %8.3f ms   (%zu times)\n", what, times[n / 2], times[n * 99 / 100], n);
}

static er_change version_of(const char *routine, er_buf *code, unsigned i)
{
	er_buf_clear(code);
	er_buf_printf(code, "addEventListener('fetch', e => e.respondWith(new Response('%s %u')))", routine, i);
	while (er_buf_len(code) < 1500)
		er_buf_puts(code, "/* the rest of a small routine, bundled and minified */");
	return (er_change){
	    .kind = ER_CHANGE_VERSION_ADD,
	    .actor = ER_LIT("bench"),
	    .routine = er_slice_cstr(routine),
	    .version = {.code = er_buf_slice(code), .settings = ER_LIT("{\"main\":\"index.js\",\"limits\":{\"cpuMs\":50}}")},
	};
}

static er_change deploy_of(const char *routine, er_env env)
{
	return (er_change){.kind = ER_CHANGE_DEPLOY,
	                   .actor = ER_LIT("bench"),
	                   .routine = er_slice_cstr(routine),
	                   .env = env,
	                   .split = {.version = {ER_VERSION_ADDED}, .percent = 100},
	                   .reason = ER_LIT("deploy")};
}

/* A hundred routines a transaction: this is not what is measured. */
static void fill(er_store *s, unsigned n, er_err *err)
{
	er_route_rule *rules = er_zalloc(n * sizeof *rules);
	for (unsigned at = 0; at < n; at += 100) {
		er_change c[500];
		er_buf code[300];
		char names[100][16];
		size_t k = 0;
		for (unsigned i = 0; i < 100 && at + i < n; i++) {
			snprintf(names[i], sizeof names[i], "r%u", at + i);
			for (unsigned v = 0; v < 3; v++) {
				er_buf_init(&code[i * 3 + v]);
				c[k++] = version_of(names[i], &code[i * 3 + v], v);
				if (v > 0)
					c[k++] = deploy_of(names[i], v == 1 ? ER_ENV_PRODUCTION : ER_ENV_STAGING);
			}
			rules[at + i] =
			    (er_route_rule){er_slice_cstr(er_printf("%s.example/*", names[i])), er_slice_cstr(er_printf("%s", names[i]))};
		}
		must(er_store_apply(s, c, k, NULL, err), err);
		for (size_t i = 0; i < k / 5 * 3; i++)
			er_buf_fini(&code[i]);
	}
	er_change routes = {.kind = ER_CHANGE_ROUTES, .actor = ER_LIT("bench"), .rules = rules, .n_rules = n};
	must(er_store_apply(s, &routes, 1, NULL, err), err);
	for (unsigned i = 0; i < n; i++) {
		er_free((void *)rules[i].pattern.p);
		er_free((void *)rules[i].routine.p);
	}
	er_free(rules);
}

static void bench_deploys(er_store *s, er_err *err)
{
	enum { N = 300 };
	double whole[N], named[N];
	er_buf code;
	er_buf_init(&code);
	for (unsigned i = 0; i < N; i++) {
		char name[16];
		unsigned removed;
		snprintf(name, sizeof name, "r%u", i % 7);
		er_change c[] = {version_of(name, &code, 1000 + i), deploy_of(name, ER_ENV_PRODUCTION)};
		uint64_t from = er_clock_mono_us();
		must(er_store_apply(s, c, 2, NULL, err), err);
		whole[i] = ms(from);
		from = er_clock_mono_us();
		er_change v = {
		    .kind = ER_CHANGE_SECRET_SET, .routine = er_slice_cstr(name), .name = ER_LIT("S"), .value = er_slice_cstr(name)};
		must(er_store_apply(s, &v, 1, NULL, err), err);
		named[i] = ms(from);
		must(er_store_prune(s, er_slice_cstr(name), 20, ER_LIT("bench"), ER_LIT(""), &removed, err), err);
	}
	er_buf_fini(&code);
	say("apply: version and deployment, synced", whole, N);
	say("apply: secret, synced", named, N);
}

static void bench_reads(er_store *s, er_err *err)
{
	er_arena a;
	size_t n;
	er_arena_init(&a);
	uint64_t all = er_clock_mono_us(), from = all;
	er_slice *names;
	must(er_store_routines(s, &a, &names, &n, err), err);
	printf("%-44s %8.1f ms   (%zu rows)\n", "read all routines", ms(from), n);
	from = er_clock_mono_us();
	er_version_row *v;
	must(er_store_versions(s, &a, (er_slice){0}, &v, &n, err), err);
	printf("%-44s %8.1f ms   (%zu rows)\n", "read all versions", ms(from), n);
	from = er_clock_mono_us();
	er_deployment_row *d;
	must(er_store_current(s, &a, (er_slice){0}, &d, &n, err), err);
	printf("%-44s %8.1f ms   (%zu rows)\n", "read what every environment runs", ms(from), n);
	from = er_clock_mono_us();
	er_route_rule *r;
	must(er_store_routes(s, &a, ER_ENV_PRODUCTION, &r, &n, err), err);
	printf("%-44s %8.1f ms   (%zu rows)\n", "read all routes", ms(from), n);
	printf("%-44s %8.1f ms\n", "all four together", ms(all));
	enum { N = 2000 };
	double blob[N], env[N];
	for (unsigned i = 0; i < N; i++) {
		er_piece p;
		from = er_clock_mono_us();
		must(er_store_blob(s, &v[i].code, &p, err), err);
		blob[i] = ms(from);
		er_piece_drop(&p);
		from = er_clock_mono_us();
		must(er_store_env(s, ER_LIT("r1"), ER_ENV_PRODUCTION, &p, err), err);
		env[i] = ms(from);
		er_piece_drop(&p);
	}
	say("a version's code", blob, N);
	say("env with one secret", env, N);
	er_arena_fini(&a);
}

static void bench_kv(er_store *s, er_err *err)
{
	enum { N = 2000, BULK = 20000 };
	double put[N], get[N];
	char key[32];
	er_arena a;
	er_arena_init(&a);
	er_change ns = {.kind = ER_CHANGE_NAMESPACE_ADD, .name = ER_LIT("bench")};
	must(er_store_apply(s, &ns, 1, NULL, err), err);
	for (unsigned i = 0; i < N; i++) {
		bool found;
		snprintf(key, sizeof key, "key %u", i);
		er_kv_entry e = {.key = er_slice_cstr(key), .value = ER_LIT("some bytes of a session, not many")};
		uint64_t from = er_clock_mono_us();
		must(er_kv_put(s, ER_LIT("bench"), &e, 1, err), err);
		put[i] = ms(from);
		from = er_clock_mono_us();
		must(er_kv_get(s, &a, ER_LIT("bench"), e.key, &e, &found, err) && found, err);
		get[i] = ms(from);
	}
	say("KV put, one key", put, N);
	say("KV get", get, N);
	er_kv_entry *bulk = er_zalloc(BULK * sizeof *bulk);
	for (unsigned i = 0; i < BULK; i++)
		bulk[i] = (er_kv_entry){.key = er_arena_printf(&a, "bulk %u", i), .value = ER_LIT("some bytes of a session, not many")};
	uint64_t from = er_clock_mono_us();
	must(er_kv_put(s, ER_LIT("bench"), bulk, BULK, err), err);
	printf("%-44s %8.1f ms   (%d keys)\n", "KV put, bulk", ms(from), BULK);
	er_free(bulk);
	er_arena_fini(&a);
}

int main(int argc, char **argv)
{
	er_err err = {0};
	if (argc < 2) {
		fprintf(stderr, "store-bench DIR [ROUTINES]\n");
		return 2;
	}
	unsigned n = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 10000;
	er_store_options options = {.dir = argv[1], .versions_quota = 1000};
	er_store *s = er_store_open(&options, &err);
	must(s != NULL, &err);
	uint64_t from = er_clock_mono_us();
	fill(s, n, &err);
	printf("%-44s %8.1f ms\n", "made all that", ms(from));
	er_store_close(s);
	from = er_clock_mono_us();
	s = er_store_open(&options, &err);
	must(s != NULL, &err);
	printf("%-44s %8.1f ms\n", "open, with its checks", ms(from));
	bench_reads(s, &err);
	bench_deploys(s, &err);
	bench_reads(s, &err);
	bench_kv(s, &err);
	from = er_clock_mono_us();
	char *backup = er_printf("%s.backup", argv[1]);
	must(er_store_backup(s, backup, &err), &err);
	printf("%-44s %8.1f ms\n", "backup", ms(from));
	er_free(backup);
	er_store_close(s);
	return 0;
}
