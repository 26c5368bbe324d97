/* Who asks, and what they may do. call.c asks er_auth_check before anything else of a call is
 * looked at, then er_auth_allows when the row of the table is known. What comes by the socket is
 * the administrator's.
 *
 * Tokens are long random strings, so that guessing is hopeless; the count of failures per address
 * is there to keep the log quiet and the hashing cheap. It is a small table of fixed size (er_auth,
 * control's, freed with it): a place is found by a seeded hash, and nothing a stranger sends makes
 * it grow. */
#include "base/cidr.h"
#include "base/clock.h"
#include "base/mem.h"
#include "control/internal.h"

#include <stdlib.h>
#include <sys/random.h>

enum { SLOTS = 512, WAYS = 4, FAILURES = 10, WINDOW_US = 60000000, TOKEN_BYTES = 32, TOKEN_MAX = 200 };

_Static_assert(ER_ROLE_READ < ER_ROLE_DEPLOY && ER_ROLE_DEPLOY < ER_ROLE_ADMIN,
               "roles are compared: each may what those below it may");

/* Failures of one address since `from_us`. An IPv6 client is its /64: it has all of these
 * addresses. */
typedef struct failures {
	struct in6_addr addr;
	uint64_t from_us;
	uint32_t n;
} failures;

_Static_assert(SLOTS % WAYS == 0, "a set is WAYS places of one hash");

struct er_auth {
	failures slots[SLOTS];
	uint32_t seed;
};

er_auth *er_auth_new(void)
{
	er_auth *a = ER_NEW(er_auth);
	if (getrandom(&a->seed, sizeof a->seed, 0) != sizeof a->seed)
		a->seed = (uint32_t)er_clock_wall_us();
	return a;
}

void er_auth_free(er_auth *a)
{
	er_free(a);
}

/* IPv4 as ::ffff:a.b.c.d whole, IPv6 cut to its /64; zeros for a socket without an address. */
static struct in6_addr address_of(const er_exchange *x)
{
	struct in6_addr addr = {0};
	const uint8_t *b = addr.s6_addr;
	if (!er_cidr_of_sockaddr((const struct sockaddr *)(const void *)&x->peer.address, &addr))
		return (struct in6_addr){0};
	bool mapped = b[10] == 0xff && b[11] == 0xff;
	for (int i = 0; i < 10 && mapped; i++)
		mapped = b[i] == 0;
	for (int i = 8; i < 16 && !mapped; i++)
		addr.s6_addr[i] = 0;
	return addr;
}

/* Its entry, or the one that it replaces: of four places the one whose count began first. An
 * attacker with very many addresses can push entries out; what protects then is the length of a
 * token. */
static failures *entry(er_auth *a, const struct in6_addr *addr, uint64_t now)
{
	uint32_t h = a->seed;
	for (int i = 0; i < 16; i++)
		h = (h ^ addr->s6_addr[i]) * 0x01000193U;
	failures *set = &a->slots[(h % (SLOTS / WAYS)) * WAYS], *oldest = set;
	for (int i = 0; i < WAYS; i++) {
		if (memcmp(&set[i].addr, addr, sizeof *addr) == 0) {
			oldest = &set[i];
			break;
		}
		if (set[i].from_us < oldest->from_us)
			oldest = &set[i];
	}
	bool same = memcmp(&oldest->addr, addr, sizeof *addr) == 0;
	ER_ASSERT(oldest >= set && oldest < set + WAYS);
	if (!same || now - oldest->from_us > WINDOW_US)
		*oldest = (failures){.addr = *addr, .from_us = now};
	return oldest;
}

/* Empty: there is none, or it is longer than a token can be. */
static er_slice bearer(const er_exchange *x)
{
	const er_slice *v = er_fields_get(&x->req.fields, ER_LIT("authorization"));
	if (v == NULL || v->n < 7 || !er_slice_ieq(er_slice_head(*v, 7), ER_LIT("bearer ")))
		return (er_slice){0};
	er_slice token = er_slice_trim(er_slice_from(*v, 7));
	return token.n <= TOKEN_MAX ? token : (er_slice){0};
}

bool er_auth_check(er_auth *a, er_store *store, er_call *call)
{
	ER_CHECK(call, ER_CALL_MAGIC);
	ER_ASSERT(call->actor.name.n == 0);
	if (call->local) {
		call->actor = (er_actor){.name = ER_LIT("socket"), .role = ER_ROLE_ADMIN};
		return true;
	}
	struct in6_addr addr = address_of(call->x);
	failures *f = entry(a, &addr, er_clock_mono_us());
	if (f->n >= FAILURES) {
		er_call_header(call, ER_LIT("retry-after"), ER_LIT("60"));
		return er_refuse(&call->problem, ER_PROBLEM_RATE_LIMITED,
		                 "too many requests without a valid token from this address: wait a minute");
	}
	er_token_row row;
	er_err err = {0};
	er_slice token = bearer(call->x);
	/* No token at all takes the same way as a wrong one, so that both take the same time. */
	if (!er_store_token_find(store, call->arena, token.n > 0 ? token : ER_LIT("er_"), &row, &err) || token.n == 0) {
		if (err.kind != ER_ERR_OK)
			return er_refuse_err(&call->problem, &err);
		f->n++;
		return er_refuse(&call->problem, ER_PROBLEM_UNAUTHORIZED,
		                 "a valid token is needed: authorization: Bearer TOKEN (an administrator makes one: er token add NAME)");
	}
	call->actor = er_actor_of(&row);
	return true;
}

er_actor er_actor_of(const er_token_row *row)
{
	ER_ASSERT((unsigned)row->role < ER_ROLE_COUNT_);
	return (er_actor){.name = row->name,
	                  .role = row->role,
	                  .routines = row->routines,
	                  .n_routines = row->n_routines,
	                  .hosts = row->hosts,
	                  .n_hosts = row->n_hosts,
	                  .kv = row->kv,
	                  .n_kv = row->n_kv};
}

bool er_actor_has(const er_actor *actor, er_slice routine)
{
	ER_ASSERT(actor->n_routines == 0 || actor->routines != NULL);
	for (size_t i = 0; i < actor->n_routines; i++)
		if (er_slice_eq(actor->routines[i], routine))
			return true;
	return actor->n_routines == 0;
}

bool er_actor_opens(const er_actor *actor, er_slice namespace, bool to_write)
{
	for (size_t i = 0; i < actor->n_kv; i++) {
		bool writes;
		er_slice name = er_kv_grant_name(actor->kv[i], &writes);
		if (er_slice_eq(name, namespace) && (writes || !to_write))
			return true;
	}
	return actor->n_routines == 0;
}

er_slice er_actor_routines(er_call *call)
{
	enum { SHOWN = 10 };
	const er_actor *actor = &call->actor;
	ER_ASSERT(actor->n_routines > 0);
	er_buf b = {0};
	for (size_t i = 0; i < actor->n_routines && i < SHOWN; i++) {
		er_buf_put_cstr(&b, i > 0 ? ", " : "");
		er_buf_put(&b, er_slice_head(actor->routines[i], 63));
	}
	if (actor->n_routines > SHOWN)
		er_buf_printf(&b, " and %zu more", actor->n_routines - SHOWN);
	er_slice s = er_arena_copy(call->arena, er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

/* Said before anybody looks whether there is such a namespace. */
static bool opens(er_call *call)
{
	bool to_write = call->api->role > ER_ROLE_READ;
	if (er_actor_opens(&call->actor, call->ns, to_write))
		return true;
	if (to_write && er_actor_opens(&call->actor, call->ns, false))
		return er_refuse_confined(&call->problem,
		                          "this token may only read the KV namespace %.*s: an administrator can grant more (er token add "
		                          "--kv %.*s)",
		                          ER_FMT(call->ns), ER_FMT(call->ns));
	return er_refuse_confined(&call->problem,
	                          "this token is confined to %.*s, and the KV namespace %.*s was not granted to it: an administrator "
	                          "can grant it (er token add --kv %.*s)",
	                          ER_FMT(er_actor_routines(call)), ER_FMT(call->ns), ER_FMT(call->ns));
}

bool er_auth_allows(er_call *call)
{
	const er_api *api = call->api;
	ER_ASSERT(api != NULL && call->actor.name.n > 0);
	if (call->actor.role < api->role)
		return er_refuse_role(&call->problem, er_role_name(api->role), er_role_name(call->actor.role));
	if (call->actor.n_routines > 0 && !api->confined && call->ns.n > 0)
		return er_refuse_confined(
		    &call->problem, "this token is confined to %.*s: it neither makes nor deletes KV namespaces; an administrator does",
		    ER_FMT(er_actor_routines(call)));
	if (call->actor.n_routines > 0 && !api->confined)
		return er_refuse_confined(&call->problem, "this token is confined to %.*s, and this is not about one routine",
		                          ER_FMT(er_actor_routines(call)));
	/* Said before anybody looks whether there is such a routine. */
	if (call->routine.n > 0 && !er_actor_has(&call->actor, call->routine))
		return er_refuse_confined(&call->problem, "this token is confined to %.*s", ER_FMT(er_actor_routines(call)));
	return call->ns.n == 0 || opens(call);
}

er_slice er_auth_token(er_arena *a)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t random[TOKEN_BYTES];
	er_buf b = {0};
	ER_ASSERT(getrandom(random, sizeof random, 0) == sizeof random);
	er_buf_puts(&b, "er_");
	/* 256 bits in 43 digits of six. */
	for (unsigned bit = 0; bit < TOKEN_BYTES * 8; bit += 6) {
		unsigned at = bit / 8, v = (unsigned)random[at] << 8 | (at + 1 < TOKEN_BYTES ? random[at + 1] : 0);
		er_buf_putc(&b, (uint8_t)digits[v >> (10 - bit % 8) & 63]);
	}
	ER_ASSERT(er_buf_len(&b) == 3 + 43);
	er_slice token = er_arena_copy(a, er_buf_slice(&b));
	explicit_bzero(random, sizeof random);
	er_buf_fini(&b);
	return token;
}
