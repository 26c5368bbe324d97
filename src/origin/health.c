/* A probe for each server of each group that wants to be checked. One timer looks at all of them
 * ten times a second: a probe whose time has come asks (an exchange of its own), one that takes too
 * long is cancelled and counts as failed. At most ASKED exchanges are under way at once; the others
 * wait for the next look. A server is asked for the first time at once, and then at its group's
 * pace, which begins with the answer: a slow server is not asked faster than it answers.
 *
 * er_health_watch keeps the probes of groups that stay, so that a reload changes
 * nothing of them. */
#include "origin/health.h"

#include "base/mem.h"
#include "origin/group_ask.h"

enum { MAGIC = 0x484c5448, LOOK_MS = 100, ASKED = 256 };

typedef struct probe {
	er_health *health;
	er_group *group; /* own reference */
	size_t server;
	er_asker asker;
	er_exchange *x; /* own reference, while it asks */
	uint64_t next_ms, until_ms;
} probe;

struct er_health {
	uint32_t magic;
	uv_loop_t *loop;
	uv_timer_t timer;
	const er_handler *origin;
	probe **probes;
	size_t n;
	unsigned asked;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* ---- one probe ---- */

static void over(probe *p, bool well)
{
	ER_ASSERT(p->health->asked > 0);
	p->health->asked--;
	p->x = NULL;
	p->next_ms = uv_now(p->health->loop) + p->group->spec.every_ms;
	er_group_probed(p->group, p->server, well);
}

static void on_answered(er_asker *asker, er_exchange *x)
{
	probe *p = ER_CONTAINER(asker, probe, asker);
	const er_group_spec *spec = &p->group->spec;
	ER_ASSERT(p->x == x);
	uint32_t status = (uint32_t)x->res.status;
	bool well = x->res.error == ER_ERR_OK && status >= spec->status_least && status <= spec->status_most;
	if (!well)
		er_group_blame_answer(p->group, p->server, x);
	over(p, well);
	if (x->res.body != NULL)
		er_body_cancel(x->res.body, ER_ERR_CANCELLED);
	er_exchange_unref(x);
}

static void on_broken(er_asker *asker, er_exchange *x)
{
	over(ER_CONTAINER(asker, probe, asker), false);
	er_exchange_unref(x);
}

/* Nobody waits for it any more. */
static void stop(probe *p)
{
	er_exchange *x = p->x;
	if (x == NULL)
		return;
	p->x = NULL;
	p->health->asked--;
	er_exchange_cancel(x, ER_ERR_CANCELLED);
	er_exchange_unref(x);
}

static void ask(probe *p, uint64_t now_ms)
{
	er_exchange *x = p->x = er_exchange_new();
	const er_group_spec *spec = &p->group->spec;
	p->health->asked++;
	p->until_ms = now_ms + spec->timeout_ms;
	x->asker = &p->asker;
	x->req.method = ER_LIT("GET");
	x->req.target = er_arena_copy(&x->arena, spec->path);
	er_fields_add(&x->req.fields, &x->arena, ER_LIT("user-agent"), ER_LIT("EdgeRoutine-health-check"));
	er_group_aim(p->group, p->server, x);
	er_exchange_start(x, p->health->origin); /* may answer at once */
}

static void look(probe *p, uint64_t now_ms)
{
	if (p->x != NULL && now_ms >= p->until_ms) {
		er_exchange *x = p->x;
		er_group_blame(p->group, p->server, ER_ERR_TIMEOUT, ER_LIT("it did not answer its health check in time"));
		over(p, false);
		er_exchange_cancel(x, ER_ERR_TIMEOUT);
		er_exchange_unref(x);
	} else if (p->x == NULL && now_ms >= p->next_ms && p->health->asked < ASKED) {
		ask(p, now_ms);
	}
}

/* ---- all ---- */

static void on_timer(uv_timer_t *timer)
{
	er_health *h = timer->data;
	ER_CHECK(h, MAGIC);
	uint64_t now_ms = uv_now(h->loop);
	for (size_t i = 0; i < h->n; i++)
		look(h->probes[i], now_ms);
}

er_health *er_health_new(uv_loop_t *loop, const er_handler *origin)
{
	er_health *h = ER_NEW(er_health);
	*h = (er_health){.magic = MAGIC, .loop = loop, .origin = origin};
	uv_timer_init(loop, &h->timer);
	h->timer.data = h;
	uv_unref((uv_handle_t *)&h->timer);
	return h;
}

static void free_probe(probe *p)
{
	stop(p);
	er_group_unref(p->group);
	er_free(p);
}

/* The probe that there is of it, taken out of the list; or a new one. */
static probe *probe_of(er_health *h, er_group *g, size_t server)
{
	for (size_t i = 0; i < h->n; i++) {
		probe *p = h->probes[i];
		if (p == NULL || p->group != g || p->server != server)
			continue;
		h->probes[i] = NULL;
		return p;
	}
	probe *p = ER_NEW(probe);
	*p =
	    (probe){.health = h, .group = er_group_ref(g), .server = server, .asker = {.answered = on_answered, .broken = on_broken}};
	return p;
}

void er_health_watch(er_health *h, er_group *const *groups, size_t n)
{
	ER_CHECK(h, MAGIC);
	size_t wanted = 0, k = 0;
	for (size_t i = 0; i < n; i++)
		wanted += groups[i]->spec.every_ms > 0 ? groups[i]->n : 0;
	probe **probes = er_alloc(wanted * sizeof(probe *));
	for (size_t i = 0; i < n; i++)
		for (size_t s = 0; groups[i]->spec.every_ms > 0 && s < groups[i]->n; s++)
			probes[k++] = probe_of(h, groups[i], s);
	ER_ASSERT(k == wanted);
	for (size_t i = 0; i < h->n; i++)
		if (h->probes[i] != NULL)
			free_probe(h->probes[i]);
	er_free(h->probes);
	h->probes = probes;
	h->n = k;
	if (k > 0 && !uv_is_active((uv_handle_t *)&h->timer))
		uv_timer_start(&h->timer, on_timer, 0, LOOK_MS);
	else if (k == 0)
		uv_timer_stop(&h->timer);
}

static void on_closed(uv_handle_t *timer)
{
	er_health *h = timer->data;
	void (*closed)(void *) = h->closed;
	void *ctx = h->closed_ctx;
	h->magic = 0;
	er_free(h);
	closed(ctx);
}

void er_health_close(er_health *h, void (*closed)(void *ctx), void *ctx)
{
	er_health_watch(h, NULL, 0);
	ER_ASSERT(h->asked == 0);
	er_free(h->probes);
	h->closed = closed;
	h->closed_ctx = ctx;
	uv_close((uv_handle_t *)&h->timer, on_closed);
}
