/* Anybody's bytes as requests of the control API: first byte a method, then a path to the end of
 * the line, then a body to a NUL, and again. Over a real store in memory-backed files and a gateway
 * that says yes; whatever is asked, the answer is one, and nothing leaks or stays. */
#include "base/log.h"
#include "base/mem.h"
#include "control/control.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { REQUESTS_MAX = 16, FRESH_AFTER = 2000 };

typedef struct node {
	er_asker asker;
	uv_loop_t loop;
	char dir[32];
	er_store *store;
	er_control *control;
	unsigned answered, used;
} node;

static void activate(void *ctx, er_control_done *done, void *done_ctx)
{
	node *me = ctx;
	er_arena a;
	er_snapshot s;
	er_err err = {0};
	er_arena_init(&a);
	bool ok = er_control_snapshot(me->control, &a, &s, &err);
	ER_ASSERT(ok);
	for (size_t i = 0; i < s.n_routines; i++)
		ER_ASSERT(s.routines[i].version[0].number != 0);
	er_arena_fini(&a);
	done(done_ctx, NULL);
}

static void probe(void *ctx, er_routine *r, er_control_probed *done, void *done_ctx)
{
	(void)ctx;
	const er_probe_result result = {.loaded = r->code.n % 7 != 0, .why = ER_ERR_EXCEPTION, .error = ER_LIT("no")};
	er_routine_unref(r);
	done(done_ctx, &result);
}

static void counters(void *ctx, er_slice routine, er_env env, er_version_counters out[ER_STORE_SPLIT])
{
	(void)ctx, (void)routine, (void)env;
	out[0] = out[1] = (er_version_counters){0};
}

static void status(void *ctx, er_out *o)
{
	(void)ctx, (void)o;
}

static void reload(void *ctx, er_control_done *done, void *done_ctx)
{
	(void)ctx;
	done(done_ctx, NULL);
}

static void route_test(void *ctx, er_arena *a, er_env env, er_slice host, er_slice path, er_route_found *out)
{
	(void)ctx, (void)a, (void)env, (void)host, (void)path;
	*out = (er_route_found){0};
}

static size_t no_routes(void *ctx, er_arena *a, er_env env, er_route_rule **out)
{
	(void)ctx, (void)env;
	*out = er_arena_alloc(a, sizeof **out);
	return 0;
}

static size_t no_routines(void *ctx, er_arena *a, er_file_routine **out)
{
	(void)ctx;
	*out = er_arena_alloc(a, sizeof **out);
	return 0;
}

static void tail(void *ctx, er_tail_want want)
{
	(void)ctx, (void)want;
}

static const er_control_ops ops = {.activate = activate,
                                   .probe = probe,
                                   .counters = counters,
                                   .status = status,
                                   .reload = reload,
                                   .upgrade = reload,
                                   .route_test = route_test,
                                   .file_routes = no_routes,
                                   .file_routines = no_routines,
                                   .tail = tail};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void stop(node *me)
{
	er_control_close(me->control, NULL, NULL);
	uv_run(&me->loop, UV_RUN_DEFAULT);
	ER_ASSERT(uv_loop_close(&me->loop) == 0);
	er_store_close(me->store);
	nftw(me->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void start(node *me)
{
	er_err err = {0};
	*me = (node){0};
	snprintf(me->dir, sizeof me->dir, "%s/er-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	ER_ASSERT(mkdtemp(me->dir) != NULL && uv_loop_init(&me->loop) == 0);
	me->store = er_store_open(&(er_store_options){.dir = me->dir}, &err);
	ER_ASSERT(me->store != NULL);
	er_control_options o = {.loop = &me->loop,
	                        .store = me->store,
	                        .ops = &ops,
	                        .ops_ctx = me,
	                        .routine_max = ER_LIMITS_DEFAULT,
	                        .history_bytes = 4096};
	me->control = er_control_new(&o, &err);
	ER_ASSERT(me->control != NULL);
}

static void on_answer(er_asker *asker, er_exchange *x)
{
	node *me = ER_CONTAINER(asker, node, asker);
	me->answered++;
	ER_ASSERT(x->res.status >= 200 && x->res.status < 600 && x->res.body != NULL);
}

static void event(node *me, er_slice text)
{
	er_control_event(me->control, &(er_tail_event){.kind = ER_TAIL_CONSOLE, .routine = ER_LIT("a"), .text = text, .path = text});
}

static void ask(node *me, uint8_t method, er_slice target, er_slice body)
{
	static const er_slice methods[] = {ER_LIT("GET"), ER_LIT("PUT"), ER_LIT("POST"), ER_LIT("DELETE"), ER_LIT("PATCH")};
	er_exchange *x = er_exchange_new();
	unsigned before = me->answered;
	x->req.method = methods[method % 5];
	x->req.target = er_arena_copy(&x->arena, target);
	x->peer.address.ss_family = AF_INET;
	me->asker.answered = on_answer;
	x->asker = &me->asker;
	if (body.n > 0)
		x->req.body = er_body_of(er_piece_copy(body));
	er_exchange_start(x, method >= 0x80 ? er_control_remote(me->control) : er_control_local(me->control));
	/* Only a backup takes time. */
	while (me->answered == before)
		uv_run(&me->loop, UV_RUN_ONCE);
	event(me, body);
	er_piece piece;
	while (er_body_read(x->res.body, 0, &piece) == ER_BODY_PIECE)
		er_piece_drop(&piece);
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	er_exchange_unref(x);
}

/* A backup goes where the request says: the fuzzer must not write all over the machine. */
static bool is_harmless(er_slice target)
{
	return memmem(target.p, target.n, "backup", 6) == NULL;
}

static node nd;

static void leave_nothing(void)
{
	stop(&nd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool begun;
	if (!begun || nd.used >= FRESH_AFTER) {
		if (begun) {
			stop(&nd);
		} else {
			er_log_setup(ER_LOG_ERROR, 0);
			atexit(leave_nothing);
		}
		start(&nd);
		begun = true;
	}
	er_slice rest = er_slice_of(data, n);
	for (int i = 0; i < REQUESTS_MAX && rest.n > 1; i++) {
		uint8_t method = rest.p[0];
		rest = er_slice_from(rest, 1);
		size_t line = er_slice_find(rest, '\n');
		er_slice target = er_slice_head(rest, line);
		rest = er_slice_from(rest, line + 1);
		size_t end = er_slice_find(rest, '\0');
		if (target.n > 0 && is_harmless(target))
			ask(&nd, method, target, er_slice_head(rest, end));
		rest = er_slice_from(rest, end + 1);
		nd.used++;
	}
	return 0;
}
