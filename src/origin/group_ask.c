/* With one server over http:// that is trusted, and nothing to count, the exchange itself is aimed
 * at it and passed on. Else an `ask` is made: it holds the exchange, and asks one exchange of its
 * own after the other (attempt) until one is answered well or no further one may be sent. It ends
 * with the answer, or with on_cancel. */
#include "origin/group_ask.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/body_drain.h"
#include "origin/group_follow.h"

#include <stdio.h>

enum { MAGIC = 0x4741534b };

typedef struct ask {
	uint32_t magic;
	er_asker asker;
	er_group *group;  /* own reference */
	er_exchange *x;   /* own reference */
	er_exchange *now; /* the attempt under way; own reference */
	const er_handler *origin;
	size_t server;
	uint32_t tried; /* bit by index */
	unsigned failures;
	er_follow_way way; /* with redirects that were followed */
} ask;

static void attempt(ask *a);

void er_group_aim(const er_group *g, size_t server, er_exchange *x)
{
	ER_ASSERT(server < g->n);
	const er_upstream *s = &g->servers[server];
	const er_group_spec *spec = &g->spec;
	er_slice client = x->req.authority, says = s->authority;
	bool clients = spec->host == ER_GROUP_HOST_CLIENT || (spec->host == ER_GROUP_HOST_AUTO && s->is_address);
	if (spec->host == ER_GROUP_HOST_NAMED)
		says = spec->host_name;
	else if (clients && client.n > 0)
		says = client;
	er_slice name = spec->sni.n > 0 ? spec->sni : says;
	er_arena *a = &x->arena;
	x->wishes = (er_wishes){.redirect = ER_REDIRECT_MANUAL,
	                        .decompress = ER_DECOMPRESS_MANUAL,
	                        .trusted = spec->trusted,
	                        .tls = g->tls,
	                        .allow = spec->allow,
	                        .n_allow = spec->n_allow,
	                        .connect_ms = spec->connect_ms,
	                        .head_ms = spec->head_ms,
	                        .idle_ms = spec->idle_ms};
	if (!er_slice_eq(name, s->authority))
		x->wishes.connect_to = er_arena_cstr(a, er_slice_cstr(s->connect_to));
	if (!er_slice_eq(name, says))
		x->req.host = er_arena_copy(a, says);
	x->req.scheme = er_arena_copy(a, s->scheme);
	x->req.authority = er_slice_eq(name, client) ? client : er_arena_copy(a, name);
	for (size_t i = 0; i < spec->n_fields; i++)
		er_fields_set(&x->req.fields, a, er_arena_copy(a, spec->fields[i].name), er_arena_copy(a, spec->fields[i].value));
}

/* RFC 9110 9.2.2; and there is nothing that the first attempt could have taken of it. */
static bool can_be_sent_again(const er_request *req)
{
	static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};
	for (size_t i = 0; i < sizeof methods / sizeof *methods && req->body == NULL; i++)
		if (er_slice_eq(req->method, er_slice_cstr(methods[i])))
			return true;
	return false;
}

/* The server's fault, and perhaps not the next one's. An address that is refused is nobody's. */
static bool failed(const er_exchange *x)
{
	if (x->res.error != ER_ERR_OK)
		return x->res.error != ER_ERR_REFUSED_ADDRESS && x->res.error != ER_ERR_REFUSED_PORT;
	return x->res.status == 502 || x->res.status == 503 || x->res.status == 504;
}

void er_group_blame_answer(er_group *g, size_t server, const er_exchange *x)
{
	char text[40];
	snprintf(text, sizeof text, "it answered with status %d", x->res.status);
	er_group_blame(g, server, x->res.error, x->res.error != ER_ERR_OK ? x->res.error_text : er_slice_cstr(text));
}

/* The guard's word, and what helps. */
static void explain_refusal(const er_group *g, size_t server, er_exchange *x, const er_exchange *now)
{
	er_exchange_fail(
	    x, 502, ER_ERR_REFUSED_ADDRESS, NULL,
	    "%.*s\nThe origin %.*s of the site %.*s has a private address. If that is meant, say \"private\": true in the "
	    "site's origin, and name the address in \"routineAddresses\" of node.jsonc.",
	    ER_FMT(er_slice_head(now->res.error_text, 300)), ER_FMT(g->servers[server].authority), ER_FMT(g->site));
}

static void free_ask(ask *a)
{
	ER_CHECK(a, MAGIC);
	ER_ASSERT(a->now == NULL);
	a->magic = 0;
	er_group_unref(a->group);
	er_free(a);
}

/* The next question, with the answer `now` out of the way. A redirect's connection is good for
 * more. */
static void go_on(ask *a, er_exchange *now, bool redirected)
{
	if (redirected) {
		er_body_drain(now->res.body, ER_FOLLOW_DRAIN_MAX);
		now->res.body = NULL;
	} else if (now->res.body != NULL) {
		er_body_cancel(now->res.body, ER_ERR_CANCELLED);
	}
	er_exchange_unref(now);
	attempt(a);
}

/* What went wrong where a redirect led. */
static void explain_way(const ask *a, const char *why, er_exchange *x, const er_exchange *now)
{
	if (why != NULL)
		er_exchange_fail(x, 502, ER_ERR_RESPONSE, NULL, "The origin of the site %.*s redirects %s; the last answer was of %.*s.",
		                 ER_FMT(a->group->site), why, ER_FMT(er_slice_head(a->way.authority, 200)));
	else
		er_exchange_fail(
		    x, now->res.error == ER_ERR_TIMEOUT ? 504 : 502, now->res.error, NULL,
		    "%.*s\nThe origin of the site %.*s redirects there.%s", ER_FMT(er_slice_head(now->res.error_text, 300)),
		    ER_FMT(a->group->site),
		    now->res.error == ER_ERR_REFUSED_ADDRESS
		        ? " If that is meant, name it among the site's servers, or say \"private\": true in the site's origin "
		          "and name the address in \"routineAddresses\" of node.jsonc."
		        : "");
}

/* The answer is there, and no further question is asked. */
static void answer(ask *a, er_exchange *now, const char *why)
{
	er_exchange *x = a->x;
	if (why != NULL || (a->way.foreign && now->res.error != ER_ERR_OK)) {
		if (now->res.body != NULL)
			er_body_cancel(now->res.body, ER_ERR_CANCELLED);
		explain_way(a, why, x, now);
	} else if (now->res.error == ER_ERR_REFUSED_ADDRESS && !a->group->spec.trusted) {
		explain_refusal(a->group, a->server, x, now);
	} else {
		er_exchange_adopt(x, now);
		er_follow_answer(&a->way, x);
	}
	er_exchange_unref(now);
	free_ask(a);
	x->on_cancel = NULL;
	er_exchange_answer(x);
	er_exchange_unref(x);
}

static void on_answered(er_asker *asker, er_exchange *now)
{
	ask *a = ER_CONTAINER(asker, ask, asker);
	ER_CHECK(a, MAGIC);
	ER_ASSERT(a->now == now);
	er_exchange *x = a->x;
	const char *why = NULL;
	bool bad = failed(now);
	a->now = NULL;
	if (!a->way.foreign) {
		er_group_tell(a->group, a->server, bad, er_clock_mono_us());
		if (bad)
			er_group_blame_answer(a->group, a->server, now);
		if (bad && ++a->failures <= a->group->spec.retries && can_be_sent_again(&x->req)) {
			go_on(a, now, false);
			return;
		}
	}
	if (er_follow_next(a->group, x, now, now->req.scheme, &a->way, &why) != ER_FOLLOW_ON) {
		answer(a, now, why);
		return;
	}
	a->tried &= ~(1u << a->server); /* it did well */
	x->facts.subrequests++;
	x->facts.subrequests_by_class[3]++;
	go_on(a, now, true);
}

static void on_broken(er_asker *asker, er_exchange *now)
{
	er_exchange_fail(now, 502, now->res.error, NULL, "The origin gave no answer.");
	on_answered(asker, now);
}

static void on_informed(er_asker *asker, er_exchange *now, int status, const er_fields *fields)
{
	(void)now;
	er_exchange_inform(ER_CONTAINER(asker, ask, asker)->x, status, fields);
}

static void on_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	ask *a = ctx;
	ER_CHECK(a, MAGIC);
	ER_ASSERT(a->x == x);
	er_exchange *now = a->now;
	a->now = NULL;
	er_exchange_cancel(now, reason);
	er_exchange_unref(now);
	free_ask(a);
	er_exchange_unref(x);
}

/* Asks the next server, or where a redirect leads. May answer, and end `a`, before it returns. */
static void attempt(ask *a)
{
	er_exchange *x = a->x, *now = a->now = er_exchange_new();
	now->id = x->id;
	now->peer = x->peer;
	now->depth = x->depth;
	now->asker = &a->asker;
	now->facts.started_us = er_clock_mono_us();
	er_exchange_copy_request(now, x);
	if (a->way.hops > 0)
		er_follow_ask(a->group, &a->way, now);
	if (!a->way.foreign) {
		a->server = er_group_choose(a->group, a->tried, er_clock_mono_us());
		a->tried |= 1u << a->server;
		er_group_aim(a->group, a->server, now);
	}
	er_exchange_start(now, a->origin);
}

/* There is nothing to choose, to count, or to say of it. */
static bool is_simple(const er_group *g)
{
	return g->n == 1 && g->spec.retries == 0 && g->spec.trusted && g->spec.redirects == 0 &&
	       er_slice_eq(g->servers[0].scheme, ER_LIT("http"));
}

void er_group_ask(er_group *g, er_exchange *x, const er_handler *origin)
{
	if (is_simple(g)) {
		er_group_aim(g, 0, x);
		er_exchange_pass(x, origin);
		return;
	}
	ask *a = ER_NEW(ask);
	*a = (ask){.magic = MAGIC,
	           .asker = {.answered = on_answered, .broken = on_broken, .informed = on_informed},
	           .group = er_group_ref(g),
	           .x = er_exchange_ref(x),
	           .origin = origin,
	           .way = er_follow_begin(x)};
	x->on_cancel = on_cancel;
	x->handler_ctx = a;
	attempt(a);
}
