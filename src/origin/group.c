/* Choosing: among those that are not tried and not out the primaries, else the backups, else those
 * that are out; by weight. The turn of a group counts requests of all threads; a multiplication
 * spreads it over the weights, so that shares are exact over some hundred requests and no server
 * gets its share in one piece.
 *
 * A server that was left alone long enough gets one request on trial: whoever chooses it moves its
 * end of the pause on, so that the others do not follow before the trial has an answer. */
#include "origin/group.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/authority.h"
#include "http/pattern.h"
#include "http/url.h"

#include <stdio.h>

enum { MAGIC = 0x47525550, TRIAL_US = 1000 * 1000 };

/* ---- reading a URL ---- */

/* A host beyond ASCII is known under its punycode: *err names that. */
static bool writes_beyond_ascii(er_slice url, er_err *err)
{
	er_url parsed;
	if (er_slice_ascii(url) || !er_url_parse(&parsed, url, NULL))
		return false;
	er_fail(err, ER_ERR_INVALID, "\"%.*s\" is not an origin as it is written: its host is \"%.*s//%.*s\" on the wire, write that",
	        ER_FMT(er_slice_head(url, 200)), ER_FMT(er_url_get(&parsed, ER_URL_PROTOCOL)),
	        ER_FMT(er_url_get(&parsed, ER_URL_HOST)));
	er_url_fini(&parsed);
	return true;
}

bool er_group_server_url(er_slice url, er_slice *scheme, er_slice *authority, er_err *err)
{
	bool https = er_slice_starts(url, ER_LIT("https://"));
	er_slice rest = er_slice_from(url, https ? 8 : 7);
	if (rest.n > 0 && rest.p[rest.n - 1] == '/')
		rest.n--;
	bool ok = (https || er_slice_starts(url, ER_LIT("http://"))) && rest.n > 0;
	for (size_t i = 0; i < rest.n && ok; i++)
		ok = rest.p[i] > ' ' && rest.p[i] < 0x7f && er_slice_find(ER_LIT("/?#@\\\"'<>"), rest.p[i]) == 9;
	er_slice host = er_host_of(rest);
	uint64_t port;
	if (host.n < rest.n)
		ok = ok && host.n > 0 && er_slice_u64(er_slice_from(rest, host.n + 1), &port) && port > 0 && port < 65536;
	if (!ok && writes_beyond_ascii(url, err))
		return false;
	if (!ok)
		return er_fail(err, ER_ERR_INVALID,
		               "\"%.*s\" is not an origin: \"http://HOST[:PORT]\" or \"https://HOST[:PORT]\" is expected, without a path",
		               ER_FMT(url));
	ER_ASSERT(rest.n > 0 && rest.n < url.n);
	*scheme = https ? ER_LIT("https") : ER_LIT("http");
	*authority = rest;
	return true;
}

/* ---- making ---- */

er_group_spec er_group_defaults(void)
{
	return (er_group_spec){.retries = 1,
	                       .failures = 5,
	                       .out_ms = 10000,
	                       .timeout_ms = 2000,
	                       .healthy = 2,
	                       .unhealthy = 3,
	                       .status_least = 200,
	                       .status_most = 399};
}

/* Named by an address, and not by a name that the origin itself may want to hear. */
static bool is_address(er_slice host)
{
	er_cidr ignored;
	if (host.n > 2 && host.p[0] == '[')
		return true;
	return er_slice_ieq(host, ER_LIT("localhost")) || er_cidr_parse(host, &ignored);
}

static void make_server(er_group *g, er_upstream *to, const er_upstream_spec *from)
{
	er_arena *a = &g->arena;
	er_slice host = er_host_of(from->authority);
	const char *port = host.n < from->authority.n ? "" : er_slice_eq(from->scheme, ER_LIT("https")) ? ":443" : ":80";
	ER_ASSERT(from->weight > 0 && host.n > 0);
	*to = (er_upstream){.scheme = er_arena_copy(a, from->scheme),
	                    .authority = er_arena_copy(a, from->authority),
	                    .connect_to = er_arena_cstr(a, er_arena_printf(a, "%.*s%s", ER_FMT(from->authority), port)),
	                    .weight = from->weight,
	                    .backup = from->backup,
	                    .is_address = is_address(host)};
}

static void make_hosts(er_group *g, const er_group_spec *spec)
{
	er_arena *a = &g->arena;
	g->spec.hosts = NULL;
	g->n_hosts = g->spec.n_hosts = spec->n_hosts;
	g->hosts = er_arena_alloc(a, (spec->n_hosts + 1) * sizeof *g->hosts);
	for (size_t i = 0; i < spec->n_hosts; i++) {
		bool ok = er_pattern_parse(a, er_arena_copy(a, spec->hosts[i]), &g->hosts[i], NULL);
		ER_ASSERT(ok);
	}
}

/* Its reader has tried the same. */
static er_tls *make_tls(const er_tls_pem *pem)
{
	er_tls_part wrong;
	if (pem->ca.n == 0 && pem->certificate.n == 0)
		return NULL;
	er_tls *tls = er_tls_new(pem, &wrong, NULL);
	ER_ASSERT(tls != NULL);
	return tls;
}

er_group *er_group_new(er_slice site, const er_group_spec *spec)
{
	ER_ASSERT(spec->n > 0 && spec->n <= ER_GROUP_SERVERS && spec->n_fields <= ER_GROUP_FIELDS);
	er_group *g = ER_NEW(er_group);
	*g = (er_group){.magic = MAGIC, .refs = 1, .spec = *spec, .n = spec->n};
	pthread_mutex_init(&g->lock, NULL);
	er_arena *a = &g->arena;
	g->site = er_arena_copy(a, site);
	g->spec.host_name = er_arena_copy(a, spec->host_name);
	g->spec.sni = er_arena_copy(a, spec->sni);
	g->spec.path = er_arena_copy(a, spec->path);
	make_hosts(g, spec);
	g->tls = make_tls(&spec->tls);
	g->spec.tls = (er_tls_pem){0};
	for (size_t i = 0; i < spec->n_fields; i++)
		g->spec.fields[i] = (er_field){er_arena_copy(a, spec->fields[i].name), er_arena_copy(a, spec->fields[i].value)};
	er_cidr *allow = er_arena_alloc(a, spec->n_allow * sizeof *allow + 1);
	er_copy(allow, spec->allow, spec->n_allow * sizeof *allow);
	g->spec.allow = allow;
	for (size_t i = 0; i < spec->n; i++)
		make_server(g, &g->servers[i], &spec->servers[i]);
	return g;
}

er_group *er_group_ref(er_group *g)
{
	ER_CHECK(g, MAGIC);
	__atomic_fetch_add(&g->refs, 1, __ATOMIC_RELAXED);
	return g;
}

void er_group_unref(er_group *g)
{
	if (g == NULL)
		return;
	ER_CHECK(g, MAGIC);
	if (__atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	er_tls_unref(g->tls);
	pthread_mutex_destroy(&g->lock);
	er_arena_fini(&g->arena);
	g->magic = 0;
	er_free(g);
}

/* ---- state ---- */

er_upstream_state er_group_state(const er_group *g, size_t server, uint64_t now_us)
{
	ER_ASSERT(server < g->n);
	const er_upstream *s = &g->servers[server];
	if (__atomic_load_n(&s->sick, __ATOMIC_RELAXED))
		return ER_UPSTREAM_SICK;
	return __atomic_load_n(&s->out_until_us, __ATOMIC_RELAXED) > now_us ? ER_UPSTREAM_LEFT_ALONE : ER_UPSTREAM_UP;
}

const char *er_upstream_state_name(er_upstream_state s)
{
	static const char *const names[] = {
	    [ER_UPSTREAM_UP] = "up", [ER_UPSTREAM_LEFT_ALONE] = "left alone", [ER_UPSTREAM_SICK] = "sick"};
	ER_ASSERT(s < sizeof names / sizeof *names);
	return names[s];
}

void er_group_tell(er_group *g, size_t server, bool failed, uint64_t now_us)
{
	ER_ASSERT(server < g->n);
	er_upstream *s = &g->servers[server];
	__atomic_fetch_add(&s->asked, 1, __ATOMIC_RELAXED);
	if (!failed) {
		if (__atomic_exchange_n(&s->failures, 0, __ATOMIC_RELAXED) >= g->spec.failures && g->spec.failures > 0 &&
		    __atomic_exchange_n(&s->out_until_us, 0, __ATOMIC_RELAXED) != 0)
			er_log(ER_LOG_INFO, "origin", "site %.*s: %.*s answers again", ER_FMT(g->site), ER_FMT(s->authority));
		return;
	}
	__atomic_fetch_add(&s->failed, 1, __ATOMIC_RELAXED);
	uint32_t n = __atomic_add_fetch(&s->failures, 1, __ATOMIC_RELAXED);
	if (g->spec.failures == 0 || n < g->spec.failures)
		return;
	__atomic_store_n(&s->out_until_us, now_us + (uint64_t)g->spec.out_ms * 1000, __ATOMIC_RELAXED);
	if (n == g->spec.failures && g->n > 1)
		er_log(ER_LOG_WARN, "origin", "site %.*s: %.*s failed %u times in a row and is left alone for %u ms", ER_FMT(g->site),
		       ER_FMT(s->authority), n, g->spec.out_ms);
}

void er_group_blame(er_group *g, size_t server, er_err_kind kind, er_slice text)
{
	ER_ASSERT(server < g->n);
	er_upstream *s = &g->servers[server];
	er_upstream_failure f = {.at_ms = (int64_t)(er_clock_wall_us() / 1000), .kind = kind};
	text = er_slice_head(text, er_slice_find(text, '\n'));
	snprintf(f.text, sizeof f.text, "%.*s", ER_FMT(er_slice_head(text, sizeof f.text - 1)));
	pthread_mutex_lock(&g->lock);
	s->last = f;
	pthread_mutex_unlock(&g->lock);
}

er_upstream_failure er_group_blamed(er_group *g, size_t server)
{
	ER_ASSERT(server < g->n);
	pthread_mutex_lock(&g->lock);
	er_upstream_failure f = g->servers[server].last;
	pthread_mutex_unlock(&g->lock);
	return f;
}

void er_group_probed(er_group *g, size_t server, bool well)
{
	ER_ASSERT(server < g->n && g->spec.every_ms > 0);
	er_upstream *s = &g->servers[server];
	s->good = well ? s->good + 1 : 0;
	s->bad = well ? 0 : s->bad + 1;
	bool sick = __atomic_load_n(&s->sick, __ATOMIC_RELAXED);
	if (!sick && s->bad >= g->spec.unhealthy) {
		__atomic_store_n(&s->sick, true, __ATOMIC_RELAXED);
		er_log(ER_LOG_WARN, "origin", "site %.*s: %.*s fails its health check and is not asked", ER_FMT(g->site),
		       ER_FMT(s->authority));
	} else if (sick && s->good >= g->spec.healthy) {
		__atomic_store_n(&s->sick, false, __ATOMIC_RELAXED);
		er_log(ER_LOG_INFO, "origin", "site %.*s: %.*s passes its health check again", ER_FMT(g->site), ER_FMT(s->authority));
	}
}

/* ---- choosing ---- */

/* Those of `among` (bit by index), by weight. */
static size_t by_weight(er_group *g, uint32_t among)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < g->n; i++)
		sum += among & 1u << i ? g->servers[i].weight : 0;
	ER_ASSERT(sum > 0);
	uint64_t turn = __atomic_fetch_add(&g->turn, 1, __ATOMIC_RELAXED);
	/* Steps of the golden ratio through 2^32, cut to the sum. */
	uint64_t at = ((turn * 2654435769u & UINT32_MAX) * sum) >> 32;
	for (size_t i = 0; i < g->n; i++) {
		if (!(among & 1u << i))
			continue;
		if (at < g->servers[i].weight)
			return i;
		at -= g->servers[i].weight;
	}
	ER_ASSERT(false);
	return 0;
}

size_t er_group_choose(er_group *g, uint32_t tried, uint64_t now_us)
{
	ER_CHECK(g, MAGIC);
	uint32_t all = (uint32_t)(((uint64_t)1 << g->n) - 1), primary = 0, backup = 0, left = all & ~tried;
	if (left == 0)
		left = all;
	for (size_t i = 0; i < g->n; i++)
		if (left & 1u << i && er_group_state(g, i, now_us) == ER_UPSTREAM_UP)
			*(g->servers[i].backup ? &backup : &primary) |= 1u << i;
	size_t i = by_weight(g, primary != 0 ? primary : backup != 0 ? backup : left);
	er_upstream *s = &g->servers[i];
	uint64_t until = __atomic_load_n(&s->out_until_us, __ATOMIC_RELAXED);
	if (until != 0 && until <= now_us)
		__atomic_compare_exchange_n(&s->out_until_us, &until, now_us + TRIAL_US, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return i;
}
