/* A control plane over a real store in a folder of its own, with a gateway that only pretends: what
 * it is told it remembers, and it fails when a test says so. */
#ifndef ER_TEST_CONTROL_HARNESS_H
#define ER_TEST_CONTROL_HARNESS_H

#include "base/jsonc.h"
#include "base/mem.h"
#include "control/control.h"
#include "openapi_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

enum { TICK_MS = 20 /* how often control's guards look here */ };

typedef struct pending {
	er_control_done *done;
	er_control_probed *probed;
	void *ctx;
	char name[64]; /* of a probe: the routine's */
} pending;

/* A URL that the gateway is to ask for. */
typedef struct asked_url {
	uint64_t number;
	er_prefetch_done *done;
	void *ctx;
	char url[256], fields[256];
	bool refresh, stopped;
	er_env env;
	size_t most;
} asked_url;

typedef struct harness {
	er_asker asker;
	uv_loop_t loop;
	char dir[64];
	er_store *store;
	er_control *control;
	er_index *cache; /* NULL: there is none; of the test that sets it before harness_start */
	er_arena arena;
	openapi api;
	/* the gateway that pretends */
	unsigned activations, probes;
	const char *activation_error; /* the next ones fail with it */
	bool hold_activation, hold_probes;
	pending activation, probe[8];
	unsigned n_probe;
	asked_url asked[64]; /* under way, the oldest first */
	unsigned n_asked, asked_ever;
	er_version_counters counters[2];
	er_tail_want want;
	char probed_env[256], probed_name[64];
	unsigned disk_left; /* the write with this number fails; 0: none does */
	/* the last answer */
	int status;
	bool answered;
	char *text;
	const er_json *json;
	er_exchange *x;
} harness;

/* ---- the gateway that pretends ---- */

static inline void fake_activate(void *ctx, er_control_done *done, void *done_ctx)
{
	harness *h = ctx;
	h->activations++;
	if (h->hold_activation) {
		h->activation = (pending){.done = done, .ctx = done_ctx};
		return;
	}
	er_err err = {.kind = ER_ERR_SYSTEM};
	if (h->activation_error != NULL)
		snprintf(err.text, sizeof err.text, "%s", h->activation_error);
	done(done_ctx, h->activation_error != NULL ? &err : NULL);
}

static inline void let_activate(harness *h, const char *error)
{
	pending p = h->activation;
	er_err err = {.kind = ER_ERR_SYSTEM};
	h->activation = (pending){0};
	if (error != NULL)
		snprintf(err.text, sizeof err.text, "%s", error);
	p.done(p.ctx, error != NULL ? &err : NULL);
}

static inline void fake_probe(void *ctx, er_routine *r, er_control_probed *done, void *done_ctx)
{
	harness *h = ctx;
	er_slice code = er_piece_slice(r->code);
	bool throws = code.n > 0 && memmem(code.p, code.n, "throw", 5) != NULL;
	er_probe_result result = {.loaded = !throws, .cpu_us = 1234, .memory_kb = 5678, .why = ER_ERR_EXCEPTION};
	h->probes++;
	snprintf(h->probed_env, sizeof h->probed_env, "%.*s", ER_FMT(er_slice_head(r->env_json, 250)));
	snprintf(h->probed_name, sizeof h->probed_name, "%.*s", ER_FMT(r->name));
	if (throws) {
		result.error = ER_LIT("TypeError: x is not a function");
		result.stack = ER_LIT("at src/index.ts:3:5");
	}
	if (code.n > 0 && memmem(code.p, code.n, "nowhere", 7) != NULL)
		result = (er_probe_result){.why = ER_ERR_UNAVAILABLE, .error = ER_LIT("no sandbox")};
	er_routine_unref(r);
	if (h->hold_probes) {
		h->probe[h->n_probe] = (pending){.probed = done, .ctx = done_ctx};
		snprintf(h->probe[h->n_probe].name, 64, "%s", h->probed_name);
		h->n_probe++;
		return;
	}
	done(done_ctx, &result);
}

/* Lets the i-th of those that are held end well. */
static inline void let_probe(harness *h, unsigned i)
{
	pending p = h->probe[i];
	const er_probe_result good = {.loaded = true, .cpu_us = 1, .memory_kb = 1};
	for (unsigned k = i; k + 1 < h->n_probe; k++)
		h->probe[k] = h->probe[k + 1];
	h->n_probe--;
	p.probed(p.ctx, &good);
}

static inline void fake_counters(void *ctx, er_slice routine, er_env env, er_version_counters out[ER_STORE_SPLIT])
{
	harness *h = ctx;
	(void)routine, (void)env;
	out[0] = h->counters[0];
	out[1] = h->counters[1];
}

static inline void fake_status(void *ctx, er_out *o)
{
	(void)ctx;
	er_out_u64(o, "threads", 2);
}

static inline void fake_reload(void *ctx, er_control_done *done, void *done_ctx)
{
	(void)ctx;
	done(done_ctx, NULL);
}

static inline void fake_upgrade(void *ctx, er_control_done *done, void *done_ctx)
{
	(void)ctx;
	const er_err err = {.kind = ER_ERR_UNAVAILABLE, .text = "the new binary does not start"};
	done(done_ctx, &err);
}

static inline void fake_route_test(void *ctx, er_arena *a, er_env env, er_slice host, er_slice path, er_route_found *out)
{
	(void)ctx, (void)a, (void)env, (void)path;
	*out = (er_route_found){0};
	if (er_slice_eq(host, ER_LIT("shop.example")))
		*out = (er_route_found){.matched = true,
		                        .source = ER_ROUTE_STORE,
		                        .position = 3,
		                        .pattern = ER_LIT("shop.example/*"),
		                        .routine = ER_LIT("shop")};
}

static inline size_t fake_file_routes(void *ctx, er_arena *a, er_env env, er_route_rule **out)
{
	(void)ctx;
	*out = er_arena_alloc(a, sizeof **out);
	**out = (er_route_rule){ER_LIT("taken.example/*"), ER_LIT("from-file")};
	return env == ER_ENV_PRODUCTION;
}

static inline size_t fake_file_routines(void *ctx, er_arena *a, er_file_routine **out)
{
	(void)ctx;
	*out = er_arena_alloc(a, sizeof **out);
	**out = (er_file_routine){ER_LIT("from-file"), ER_LIT("abc")};
	return 1;
}

static inline void fake_tail(void *ctx, er_tail_want want)
{
	((harness *)ctx)->want = want;
}

/* SITE-N.example and what is below are of site N. */
static inline bool fake_prefetch_site(void *ctx, er_slice host, uint64_t *site)
{
	(void)ctx;
	*site = host.n > 5 ? host.p[5] : 0;
	return er_slice_starts(host, ER_LIT("site-"));
}

static inline uint64_t fake_prefetch(void *ctx, const er_prefetch_ask *ask, er_prefetch_done *done, void *done_ctx)
{
	harness *h = ctx;
	assert_true(h->n_asked < 64);
	asked_url *a = &h->asked[h->n_asked++];
	*a = (asked_url){
	    .number = ++h->asked_ever, .done = done, .ctx = done_ctx, .refresh = ask->refresh, .env = ask->env, .most = ask->most};
	snprintf(a->url, sizeof a->url, "%.*s://%.*s%.*s", ER_FMT(ask->scheme), ER_FMT(ask->authority), ER_FMT(ask->target));
	for (uint32_t i = 0; i < ask->n_fields; i++) {
		size_t n = strlen(a->fields);
		snprintf(a->fields + n, sizeof a->fields - n, "%.*s=%.*s;", ER_FMT(ask->fields[i].name), ER_FMT(ask->fields[i].value));
	}
	return a->number;
}

static inline void fake_crons(void *ctx, er_slice routine, er_out *out)
{
	(void)ctx;
	er_out_open(out, NULL, '{');
	er_out_str(out, "routine", routine.n > 0 ? routine : ER_LIT("all"));
	er_out_cstr(out, "cron", "* * * * *");
	er_out_close(out, '}');
}

/* Answers at once; "* * * * *" is all that there is. */
static inline bool fake_cron_run(void *ctx, er_slice routine, er_slice cron, er_control_ran *done, void *done_ctx, er_err *err)
{
	(void)ctx;
	if (cron.n > 0 && !er_slice_eq(cron, ER_LIT("* * * * *")))
		return er_fail(err, ER_ERR_NO_ROUTE, "no such expression");
	er_cron_run run = {.routine = routine, .cron = ER_LIT("* * * * *"), .minute = 1, .outcome = ER_CRON_OK, .status = 204};
	done(done_ctx, &run, ER_LIT("one\ntwo\n"));
	return true;
}

static inline void fake_prefetch_stop(void *ctx, uint64_t number)
{
	harness *h = ctx;
	for (unsigned i = 0; i < h->n_asked; i++)
		h->asked[i].stopped = h->asked[i].stopped || h->asked[i].number == number;
}

/* The gateway answers the i-th of those that are under way. */
static inline void let_prefetch(harness *h, unsigned i, er_prefetch_result result)
{
	assert_true(i < h->n_asked);
	asked_url a = h->asked[i];
	for (unsigned k = i; k + 1 < h->n_asked; k++)
		h->asked[k] = h->asked[k + 1];
	h->n_asked--;
	a.done(a.ctx, &result);
}

static const er_control_ops fake_ops = {.activate = fake_activate,
                                        .probe = fake_probe,
                                        .counters = fake_counters,
                                        .status = fake_status,
                                        .reload = fake_reload,
                                        .upgrade = fake_upgrade,
                                        .route_test = fake_route_test,
                                        .file_routes = fake_file_routes,
                                        .file_routines = fake_file_routines,
                                        .tail = fake_tail,
                                        .prefetch_site = fake_prefetch_site,
                                        .prefetch = fake_prefetch,
                                        .prefetch_stop = fake_prefetch_stop,
                                        .crons = fake_crons,
                                        .cron_run = fake_cron_run};

/* ---- a disk that fills up ---- */

static inline bool fake_disk(void *ctx, const char *what)
{
	harness *h = ctx;
	(void)what;
	return h->disk_left == 0 || --h->disk_left > 0;
}

/* ---- beginning and end ---- */

static inline void harness_start(harness *h)
{
	er_err err = {0};
	er_store_options so = {.dir = h->dir, .fault = fake_disk, .fault_ctx = h};
	h->store = er_store_open(&so, &err);
	if (h->store == NULL)
		fail_msg("store: %s", err.text);
	er_limits most = ER_LIMITS_DEFAULT;
	most.cpu_us = 200000;
	er_control_options o = {.loop = &h->loop,
	                        .store = h->store,
	                        .ops = &fake_ops,
	                        .ops_ctx = h,
	                        .cache = h->cache,
	                        .routine_max = most,
	                        .history_bytes = 64 << 10,
	                        .tick_ms = TICK_MS};
	h->control = er_control_new(&o, &err);
	if (h->control == NULL)
		fail_msg("control: %s", err.text);
}

static inline void harness_stop(harness *h)
{
	er_control_close(h->control, NULL, NULL);
	uv_run(&h->loop, UV_RUN_DEFAULT);
	er_store_close(h->store);
}

static inline void forget_answer(harness *h)
{
	if (h->x != NULL)
		er_exchange_unref(h->x);
	er_free(h->text);
	h->x = NULL;
	h->text = NULL;
	h->json = NULL;
	h->answered = false;
	h->status = 0;
}

static inline int harness_setup(void **state)
{
	harness *h = ER_NEW(harness);
	const char *tmp = getenv("TMPDIR");
	snprintf(h->dir, sizeof h->dir, "%.40s/er-control-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(h->dir) == NULL || uv_loop_init(&h->loop) != 0)
		return -1;
	er_arena_init(&h->arena);
	openapi_open(&h->api);
	harness_start(h);
	*state = h;
	return 0;
}

static inline int harness_teardown(void **state)
{
	harness *h = *state;
	forget_answer(h);
	harness_stop(h);
	int left = uv_loop_close(&h->loop);
	char *cmd = er_printf("rm -rf '%s'", h->dir);
	int rc = system(cmd); /* NOLINT(cert-env33-c) */
	er_free(cmd);
	openapi_close(&h->api);
	er_arena_fini(&h->arena);
	er_free(h);
	return left != 0 ? left : rc;
}

/* ---- asking ---- */

static inline void on_answer(er_asker *asker, er_exchange *x)
{
	harness *h = ER_CONTAINER(asker, harness, asker);
	h->answered = true;
	h->status = x->res.status;
}

/* Who asks: NULL is the socket; "" nobody; else a token. */
static inline er_exchange *begin_from(harness *h, const char *token, const char *address, const char *method, const char *target,
                                      er_slice body)
{
	er_exchange *x = er_exchange_new();
	x->req.method = er_slice_cstr(method);
	x->req.target = er_arena_copy(&x->arena, er_slice_cstr(target));
	struct sockaddr_in *sa = (struct sockaddr_in *)(void *)&x->peer.address;
	sa->sin_family = AF_INET;
	inet_pton(AF_INET, address, &sa->sin_addr);
	if (token != NULL && token[0] != '\0')
		er_fields_add(&x->req.fields, &x->arena, ER_LIT("Authorization"), er_arena_printf(&x->arena, "Bearer %s", token));
	if (body.p != NULL)
		x->req.body = er_body_of(er_piece_copy(body));
	h->asker.answered = on_answer;
	x->asker = &h->asker;
	h->answered = false;
	h->status = 0;
	er_exchange_start(x, token != NULL ? er_control_remote(h->control) : er_control_local(h->control));
	return x;
}

/* What the body holds now; false: more may come. */
static inline bool read_all(er_body *body, er_buf *out)
{
	for (;;) {
		er_piece piece;
		switch (body != NULL ? er_body_read(body, 0, &piece) : ER_BODY_END) {
		case ER_BODY_PIECE:
			er_buf_put(out, er_piece_slice(piece));
			er_piece_drop(&piece);
			break;
		case ER_BODY_WAIT:
			return false;
		default:
			return true;
		}
	}
}

/* Takes the exchange's answer as the last one. */
static inline void take_answer(harness *h, er_exchange *x)
{
	er_buf b = {0};
	er_err err = {0};
	size_t at;
	assert_true(read_all(x->res.body, &b));
	er_slice text = er_buf_slice(&b);
	const er_slice *type = er_fields_get(&x->res.fields, ER_LIT("content-type"));
	openapi_check(&h->api, x->req.method, x->req.target, x->res.status, *type, text);
	er_free(h->text);
	h->text = er_strdup_slice(text);
	h->json = er_json_parse(&h->arena, er_slice_cstr(h->text), 100000, &at, &err);
	h->status = x->res.status;
	er_buf_fini(&b);
	if (h->x != NULL)
		er_exchange_unref(h->x);
	h->x = x;
}

static inline int ask_from(harness *h, const char *token, const char *address, const char *method, const char *target,
                           er_slice body)
{
	er_exchange *x = begin_from(h, token, address, method, target, body);
	while (!h->answered)
		uv_run(&h->loop, UV_RUN_ONCE);
	take_answer(h, x);
	return h->status;
}

static inline int ask_as(harness *h, const char *token, const char *method, const char *target, const char *body)
{
	return ask_from(h, token, "192.0.2.7", method, target, er_slice_cstr(body));
}

static inline int ask(harness *h, const char *method, const char *target, const char *body)
{
	return ask_as(h, NULL, method, target, body);
}

/* "error.code", "items.0.name" of the last answer; NULL: not there. */
static inline const er_json *at(harness *h, const char *path)
{
	const er_json *v = h->json;
	er_slice rest = er_slice_cstr(path), part;
	while (v != NULL && er_slice_split(&rest, '.', &part)) {
		uint64_t i;
		if (v->type == ER_JSON_ARRAY && er_slice_u64(part, &i)) {
			v = v->first;
			while (i-- > 0 && v != NULL)
				v = v->next;
		} else {
			v = er_json_get(v, part);
		}
	}
	return v;
}

static inline void expect_text(harness *h, const char *path, const char *text)
{
	const er_json *v = at(h, path);
	if (v == NULL || !er_slice_eq(v->text, er_slice_cstr(text)))
		fail_msg("%s is not %s in: %s", path, text, h->text);
}

static inline void expect_number(harness *h, const char *path, double n)
{
	const er_json *v = at(h, path);
	if (v == NULL || v->type != ER_JSON_NUMBER || v->number < n || v->number > n)
		fail_msg("%s is not %g in: %s", path, n, h->text);
}

static inline void expect_absent(harness *h, const char *path)
{
	if (at(h, path) != NULL)
		fail_msg("%s should not be there: %s", path, h->text);
}

static inline void expect_status(harness *h, int status)
{
	if (h->status != status)
		fail_msg("status %d instead of %d: %s", h->status, status, h->text != NULL ? h->text : "");
}

/* Asks, and it must be this. */
static inline void good(harness *h, const char *method, const char *target, const char *body, int status)
{
	ask(h, method, target, body);
	if (h->status != status)
		fail_msg("%s %s: status %d instead of %d: %s", method, target, h->status, status, h->text);
	if (h->json == NULL)
		fail_msg("%s %s: no JSON: %s", method, target, h->text);
}

/* Refused with this, and nothing has changed. `field` NULL: none. */
static inline void refused_as(harness *h, const char *token, const char *method, const char *target, const char *body, int status,
                              const char *code, const char *field)
{
	uint64_t before = er_store_sequence(h->store);
	unsigned activations = h->activations;
	ask_as(h, token, method, target, body);
	if (h->status != status)
		fail_msg("%s %s: status %d instead of %d: %s", method, target, h->status, status, h->text);
	expect_text(h, "error.code", code);
	if (field != NULL)
		expect_text(h, "error.field", field);
	else
		expect_absent(h, "error.field");
	const er_json *message = at(h, "error.message");
	assert_true(message != NULL && message->text.n > 0);
	assert_int_equal(er_store_sequence(h->store), before);
	assert_int_equal(h->activations, activations);
}

static inline void refused(harness *h, const char *method, const char *target, const char *body, int status, const char *code,
                           const char *field)
{
	refused_as(h, NULL, method, target, body, status, code, field);
}

/* A routine with that many versions, none deployed. */
static inline void make_versions(harness *h, const char *routine, int n)
{
	for (int i = 1; i <= n; i++) {
		char target[128], body[128];
		snprintf(target, sizeof target, "/v1/routines/%s/versions", routine);
		snprintf(body, sizeof body, "{\"code\":\"version %d\"}", i);
		good(h, "POST", target, body, 201);
		expect_number(h, "version", i);
	}
}

static inline void deploy(harness *h, const char *routine, const char *env, int version)
{
	char target[128], body[128];
	snprintf(target, sizeof target, "/v1/routines/%s/environments/%s", routine, env);
	snprintf(body, sizeof body, "{\"version\":%d}", version);
	good(h, "PUT", target, body, 200);
}

/* What runs, by the store and by the snapshot. */
static inline uint32_t runs(harness *h, const char *routine, er_env env)
{
	er_snapshot s;
	er_err err = {0};
	assert_true(er_control_snapshot(h->control, &h->arena, &s, &err));
	for (size_t i = 0; i < s.n_routines; i++)
		if (s.routines[i].env == env && er_slice_eq(s.routines[i].name, er_slice_cstr(routine)))
			return s.routines[i].version[0].number;
	return 0;
}

static inline char *make_token(harness *h, const char *name, const char *role, const char *routines)
{
	char body[256];
	snprintf(body, sizeof body, "{\"name\":\"%s\",\"role\":\"%s\"%s%s}", name, role, routines != NULL ? ",\"routines\":" : "",
	         routines != NULL ? routines : "");
	good(h, "POST", "/v1/tokens", body, 201);
	return er_arena_cstr(&h->arena, at(h, "token")->text);
}

#endif
