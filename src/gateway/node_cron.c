/* Routines that run by the clock: which are due, and what became of their runs (control thread).
 *
 * The entries are made of the configuration in force, one for each expression of what production
 * runs; an entry that was there before keeps what it knows. A timer goes off at each minute that
 * some entry means, and every LOOK_MS, since the clock may be set. What is due is claimed of the
 * store (store/cron.h), all of a minute in one transaction, and then run; without a store (er dev)
 * memory is enough.
 *
 *   due ── claimed ──► running ── given back ──► ok, failed
 *           │  └─ the run before still goes on ──► skipped
 *           └─ older than LATE_MINUTES (the node was down) ──► missed
 *
 * Whoever claims a time first has it: later several nodes may ask one store. */
#include "gateway/node_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/timed.h"
#include "model/cron.h"
#include "store/cron.h"

#include <stdio.h>

enum { LOOK_MS = 20000, AGAIN_MS = 1000, LATE_MINUTES = 60, ENTRIES_MOST = 100000, CONSOLE_MOST = 64 * 1024, RUNNING_MOST = 256 };

typedef struct entry {
	er_slice routine, text; /* in one piece of memory behind it */
	er_cron cron;
	int64_t minute; /* the last one that was taken; -1: none */
	int64_t next;   /* the first one behind it that is meant */
	bool known;     /* both are good */
	bool running;
	bool there; /* the configuration has it */
} entry;

struct er_node_crons {
	er_node *node;
	uv_timer_t timer;
	entry **v;
	size_t n;
	er_list running; /* er_timed.link */
	er_list back;    /* er_timed.back_to; under the node's lock */
	unsigned n_running;
	uint64_t runs[ER_CRON_OUTCOMES_N];
	void (*closed)(void *ctx);
};

static int64_t now_ms(void)
{
	return (int64_t)(er_clock_wall_us() / 1000U);
}

/* ---- which there are ---- */

static entry *find(const struct er_node_crons *c, er_slice routine, er_slice text)
{
	for (size_t i = 0; i < c->n; i++)
		if (er_slice_eq(c->v[i]->routine, routine) && er_slice_eq(c->v[i]->text, text))
			return c->v[i];
	return NULL;
}

static void add(struct er_node_crons *c, er_slice routine, er_slice text)
{
	size_t at;
	er_cron cron;
	er_err err = {0};
	entry *e = find(c, routine, text);
	if (e != NULL) {
		e->there = true;
		return;
	}
	if (c->n == ENTRIES_MOST || !er_cron_parse(text, &cron, &at, &err))
		return;
	e = er_alloc(sizeof *e + routine.n + text.n);
	uint8_t *to = (uint8_t *)(e + 1);
	er_copy(to, routine.p, routine.n);
	er_copy(to + routine.n, text.p, text.n);
	*e = (entry){.routine = er_slice_of(to, routine.n), .text = er_slice_of(to + routine.n, text.n), .cron = cron, .there = true};
	if ((c->n & (c->n - 1)) == 0) /* there is room up to the next power of two, or more */
		c->v = er_realloc(c->v, (c->n == 0 ? 1 : c->n * 2) * sizeof *c->v);
	c->v[c->n++] = e;
}

/* A running one stays until it is over. */
static void drop_others(struct er_node_crons *c)
{
	size_t kept = 0;
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i]->there || c->v[i]->running)
			c->v[kept++] = c->v[i];
		else
			er_free(c->v[i]);
	c->n = kept;
}

/* ---- running ---- */

static void count(struct er_node_crons *c, er_cron_outcome o)
{
	c->runs[o]++;
}

/* On a thread of a worker. */
static void on_back(void *node, er_timed *t)
{
	er_node *n = node;
	pthread_mutex_lock(&n->lock);
	er_list_push(&n->crons->back, &t->back_to);
	pthread_mutex_unlock(&n->lock);
	uv_async_send(&n->async);
}

static er_timed *start(struct er_node_crons *c, entry *e, er_slice routine, er_slice text, int64_t at_ms, int64_t run)
{
	er_node *n = c->node;
	er_timed *t = ER_NEW(er_timed);
	*t = (er_timed){.number = (UINT64_C(0xc) << 60) | ++n->timed_number,
	                .env = ER_ENV_PRODUCTION,
	                .at_ms = at_ms,
	                .back = on_back,
	                .node = n,
	                .run = run,
	                .entry = e};
	t->routine = er_arena_copy(&t->arena, routine);
	t->cron = er_arena_copy(&t->arena, text);
	er_list_init(&t->back_to);
	er_list_push(&c->running, &t->link);
	c->n_running++;
	if (e != NULL)
		e->running = true;
	er_worker_timed(n->workers[t->number % n->n], t);
	return t;
}

typedef struct due {
	er_cron_claim *claims;
	entry **entries;
	size_t n;
} due;

/* False: the store does not say. */
static bool know(const struct er_node_crons *c, entry *e)
{
	er_err err = {0};
	e->minute = -1;
	e->known = c->node->store == NULL || er_store_cron_last(c->node->store, e->routine, e->text, &e->minute, &err);
	e->next = e->minute < 0 ? 0 : er_cron_next(&e->cron, e->minute + 1);
	if (!e->known)
		er_log(ER_LOG_ERROR, "cron", "when %.*s ran last cannot be read, and it waits: %s", ER_FMT(e->routine), err.text);
	return e->known;
}

/* The last time that is meant and was not taken. */
static void look_at(const struct er_node_crons *c, entry *e, int64_t minute, due *d)
{
	if ((!e->known && !know(c, e)) || minute < e->next)
		return;
	int64_t last = e->minute < 0 ? minute : er_cron_last(&e->cron, minute);
	if (last <= e->minute)
		return;
	bool late = minute - last > LATE_MINUTES, begins = e->minute < 0;
	d->entries[d->n] = e;
	d->claims[d->n++] = (er_cron_claim){.run = {.routine = e->routine,
	                                            .cron = e->text,
	                                            .minute = last,
	                                            .at_ms = now_ms(),
	                                            .outcome = late         ? ER_CRON_MISSED
	                                                       : e->running ? ER_CRON_SKIPPED
	                                                                    : ER_CRON_RUNNING},
	                                    .begins = begins,
	                                    .taken = true};
}

static void begin(struct er_node_crons *c, entry *e, const er_cron_claim *claim)
{
	const er_cron_run *r = &claim->run;
	e->minute = r->minute;
	e->next = er_cron_next(&e->cron, r->minute + 1);
	if (!claim->taken || claim->begins)
		return;
	if (r->outcome == ER_CRON_RUNNING) {
		(void)start(c, e, e->routine, e->text, r->minute * 60000, r->id);
		return;
	}
	count(c, r->outcome);
	er_log(ER_LOG_WARN, "cron", "routine %.*s: \"%.*s\" did not run: %s", ER_FMT(e->routine), ER_FMT(e->text),
	       r->outcome == ER_CRON_SKIPPED ? "the run before it still goes on"
	                                     : "no node was up at its time, and that is more than an hour ago");
}

/* What is due by now. */
static void look(struct er_node_crons *c)
{
	er_err err = {0};
	int64_t minute = now_ms() / 60000;
	due d = {.claims = er_alloc((c->n + 1) * sizeof *d.claims), .entries = er_alloc((c->n + 1) * sizeof *d.entries)};
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i]->there)
			look_at(c, c->v[i], minute, &d);
	bool ok = d.n == 0 || c->node->store == NULL || er_store_cron_claim(c->node->store, d.claims, d.n, &err);
	if (!ok)
		er_log(ER_LOG_ERROR, "cron", "what is due now cannot be noted, and waits: %s", err.text);
	for (size_t i = 0; i < d.n && ok; i++)
		begin(c, d.entries[i], &d.claims[i]);
	er_free(d.claims);
	er_free(d.entries);
}

static void on_timer(uv_timer_t *timer);

/* To the next minute that is meant. What could not be claimed is tried again in a second. */
static void arm(struct er_node_crons *c)
{
	int64_t now = now_ms(), next = now + LOOK_MS;
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i]->there && c->v[i]->known && c->v[i]->next * 60000 < next)
			next = c->v[i]->next * 60000;
	uint64_t wait = next > now ? (uint64_t)(next - now) + 1 : AGAIN_MS;
	if (c->n == 0)
		uv_timer_stop(&c->timer);
	else
		uv_timer_start(&c->timer, on_timer, wait, 0);
}

/* While another process takes over, what is due is its to run, or ours a moment later. */
static void look_and_arm(struct er_node_crons *c)
{
	const er_node *n = c->node;
	if (n->stopping)
		return;
	if (n->control == NULL || er_control_changes(n->control))
		look(c);
	arm(c);
}

static void on_timer(uv_timer_t *timer)
{
	look_and_arm(timer->data);
}

void er_node_crons_renew(er_node *n)
{
	struct er_node_crons *c = n->crons;
	if (c == NULL || n->stopping)
		return;
	for (size_t i = 0; i < c->n; i++)
		c->v[i]->there = false;
	for (size_t i = 0; i < n->config->n_deployments; i++) {
		const er_deployment *d = n->config->deployments[i];
		er_slice rest = d->version[0]->crons, one;
		if (d->env == ER_ENV_PRODUCTION && rest.n > 0)
			while (er_slice_split(&rest, '\n', &one))
				add(c, d->name, one);
	}
	drop_others(c);
	look_and_arm(c);
}

/* ---- how it went ---- */

static void over(struct er_node_crons *c, er_timed *t)
{
	er_node *n = c->node;
	er_err err = {0};
	entry *e = t->entry;
	bool ok = t->error == ER_ERR_OK && t->status > 0 && t->status < 400;
	er_cron_run r = {.id = t->run,
	                 .routine = t->routine,
	                 .cron = t->cron,
	                 .minute = t->at_ms / 60000,
	                 .outcome = ok ? ER_CRON_OK : ER_CRON_FAILED,
	                 .status = t->status,
	                 .error = er_slice_cstr(t->text),
	                 .cpu_us = t->cpu_us,
	                 .wall_us = t->wall_us};
	if (n->store != NULL && t->run != 0 && !er_store_cron_end(n->store, &r, &err))
		er_log(ER_LOG_ERROR, "cron", "how a run of %.*s went cannot be noted: %s", ER_FMT(t->routine), err.text);
	count(c, r.outcome);
	if (!ok)
		er_log(ER_LOG_WARN, "cron", "routine %.*s: \"%.*s\" failed: %s", ER_FMT(t->routine), ER_FMT(t->cron),
		       t->text[0] ? t->text : er_err_name(t->error));
	if (e != NULL)
		e->running = false;
	if (t->done != NULL && !n->stopping)
		t->done(t->done_ctx, &r, er_buf_slice(&t->console));
	er_list_remove(&t->link);
	c->n_running--;
	er_arena_fini(&t->arena);
	er_buf_fini(&t->console);
	er_free(t);
}

void er_node_timed_back(er_node *n)
{
	er_list back;
	if (n->crons == NULL)
		return;
	er_list_init(&back);
	pthread_mutex_lock(&n->lock);
	er_list_take(&back, &n->crons->back);
	pthread_mutex_unlock(&n->lock);
	if (!er_list_empty(&back) && n->tail != NULL)
		er_tail_drain(n->tail); /* what it said came before */
	for (er_list *l; (l = er_list_pop(&back)) != NULL;)
		over(n->crons, ER_CONTAINER(l, er_timed, back_to));
}

/* What a run says that somebody waits for. */
void er_node_timed_says(er_node *n, const er_tail_event *e)
{
	if (n->crons == NULL || e->request_id >> 60 != 0xc || (e->kind != ER_TAIL_CONSOLE && e->kind != ER_TAIL_EXCEPTION))
		return;
	ER_LIST_EACH(l, &n->crons->running)
	{
		er_timed *t = ER_CONTAINER(l, er_timed, link);
		if (t->number != e->request_id || t->done == NULL || er_buf_len(&t->console) + e->text.n > CONSOLE_MOST)
			continue;
		if (e->kind == ER_TAIL_EXCEPTION)
			er_buf_printf(&t->console, "%.*s: ", ER_FMT(e->name));
		er_buf_put(&t->console, e->text);
		er_buf_putc(&t->console, '\n');
		if (e->stack.n > 0) {
			er_buf_put(&t->console, e->stack);
			er_buf_putc(&t->console, '\n');
		}
	}
}

/* ---- for the control plane ---- */

static void put_entry(const er_node *n, const entry *e, er_out *out)
{
	er_cron_run *runs = NULL;
	size_t n_runs = 0;
	er_err err = {0};
	er_arena a;
	er_arena_init(&a);
	er_out_open(out, NULL, '{');
	er_out_str(out, "routine", e->routine);
	er_out_str(out, "cron", e->text);
	er_out_time(out, "next", er_cron_next(&e->cron, now_ms() / 60000 + 1) * 60000);
	er_out_bool(out, "running", e->running);
	if (n->store != NULL && er_store_cron_runs(n->store, &a, e->routine, 0, ER_CRON_RUNS, &runs, &n_runs, &err))
		for (size_t i = 0; i < n_runs; i++)
			if (er_slice_eq(runs[i].cron, e->text)) {
				er_out_time(out, "last", runs[i].minute * 60000);
				er_out_cstr(out, "outcome", er_cron_outcome_name(runs[i].outcome));
				break;
			}
	er_out_close(out, '}');
	er_arena_fini(&a);
}

void er_node_write_crons(const er_node *n, er_slice routine, er_out *out)
{
	for (size_t i = 0; n->crons != NULL && i < n->crons->n; i++)
		if (n->crons->v[i]->there && (routine.n == 0 || er_slice_eq(routine, n->crons->v[i]->routine)))
			put_entry(n, n->crons->v[i], out);
}

bool er_node_cron_run(er_node *n, er_slice routine, er_slice cron, er_control_ran *done, void *ctx, er_err *err)
{
	struct er_node_crons *c = n->crons;
	entry *e = NULL;
	for (size_t i = 0; i < c->n && e == NULL; i++)
		if (c->v[i]->there && er_slice_eq(c->v[i]->routine, routine) && (cron.n == 0 || er_slice_eq(c->v[i]->text, cron)))
			e = c->v[i];
	if (e == NULL)
		return er_fail(err, ER_ERR_NO_ROUTE, "%.*s has %s%.*s%s in \"crons\" of what production runs", ER_FMT(routine),
		               cron.n > 0 ? "no \"" : "nothing", ER_FMT(er_slice_head(cron, 130)), cron.n > 0 ? "\"" : "");
	if (c->n_running >= RUNNING_MOST)
		return er_fail(err, ER_ERR_UNAVAILABLE, "%d runs are under way on this node: try again later", RUNNING_MOST);
	int64_t at = now_ms();
	er_cron_claim claim = {.run = {.routine = e->routine,
	                               .cron = e->text,
	                               .minute = at / 60000,
	                               .at_ms = at,
	                               .outcome = ER_CRON_RUNNING,
	                               .manual = true}};
	if (n->store != NULL && !er_store_cron_claim(n->store, &claim, 1, err))
		return false;
	er_timed *t = start(c, NULL, e->routine, e->text, at, claim.run.id);
	t->done = done;
	t->done_ctx = ctx;
	return true;
}

void er_node_write_cron_metrics(const er_node *n, er_buf *out)
{
	if (n->crons == NULL)
		return;
	er_buf_puts(out, "# HELP er_cron_runs_total Runs of routines by the clock, by what became of them.\n"
	                 "# TYPE er_cron_runs_total counter\n");
	for (er_cron_outcome o = ER_CRON_OK; o < ER_CRON_LOST; o++)
		er_buf_printf(out, "er_cron_runs_total{outcome=\"%s\"} %llu\n", er_cron_outcome_name(o),
		              (unsigned long long)n->crons->runs[o]);
}

/* ---- life ---- */

void er_node_start_crons(er_node *n)
{
	er_err err = {0};
	struct er_node_crons *c = n->crons = ER_NEW(struct er_node_crons);
	*c = (struct er_node_crons){.node = n};
	er_list_init(&c->running);
	er_list_init(&c->back);
	if (n->store != NULL && !er_store_cron_lost(n->store, &err))
		er_log(ER_LOG_ERROR, "cron", "runs that were cut cannot be noted: %s", err.text);
	uv_timer_init(n->loop, &c->timer);
	c->timer.data = c;
	er_node_crons_renew(n);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct er_node_crons *c = handle->data;
	c->closed(c->node);
}

bool er_node_stop_crons(er_node *n, void (*closed)(void *ctx))
{
	if (n->crons == NULL)
		return false;
	n->crons->closed = closed;
	uv_close((uv_handle_t *)&n->crons->timer, on_timer_closed);
	return true;
}

void er_node_free_crons(er_node *n)
{
	struct er_node_crons *c = n->crons;
	for (size_t i = 0; c != NULL && i < c->n; i++)
		er_free(c->v[i]);
	if (c != NULL)
		er_free(c->v);
	er_free(c);
	n->crons = NULL;
}
