/* Whoever asks is answered at once if the host is an address, localhost, no name, or a good entry
 * of the cache. Else the question is attached to the lookup of that name, or stands in its payer's
 * line until there is room for a lookup.
 *
 * A lookup asks the hosts file, then name servers for both families. When both have answered, or
 * one has and the other is slow, release() puts the answer into the cache and moves who waited to
 * `told`; they are called from the timer, never inside er_resolve_start. A lookup that was told
 * early is freed when the slow family has answered, too, and puts the whole answer into the cache.
 * Old answers are used while nobody can tell better. */
#include "origin/resolve.h"

#include "base/map.h"
#include "base/mem.h"
#include "http/authority.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MAGIC = 0x5245534f,
	LOOKUPS_MAX = 256, /* under way */
	LOOKUPS_KEPT = 32, /* of these for the node itself */
	SHARE_LEAST = 4,   /* of one payer */
	SHARE_MOST = 64,
	LINE_MAX_N = 1024, /* who waits, of one payer */
	CACHE_MAX = 4096,  /* names, each at most a kilobyte */
	NAME_MAX_N = 253,  /* RFC 1035 3.1, as text */
	TTL_MIN_MS = 1000,
	TTL_MAX_MS = 300000,
	/* a name without an address, if its zone does not say how long that holds */
	NONE_MS = 5000,
	FAILED_MS = 2000, /* one that nobody could tell of */
	/* so long after its time an answer is good while nobody can tell (RFC 8767) */
	STALE_MS = 60000,
	OTHER_FAMILY_MS = 50, /* one family has answered: so long for the other (RFC 8305 3) */
	TICK_MS = 25,
};

typedef struct entry {
	er_list used; /* the longest unused first */
	er_addresses *found;
	const char *text;
	uint64_t until_ms, stale_ms;
	uint64_t refresh_ms; /* who asks from then on has it looked up again, without waiting */
	uint8_t n;
	char name[NAME_MAX_N + 1];
} entry;

/* It is under way until both families have answered; those who wait are told before that, if
 * one is slow. */
typedef struct lookup {
	er_list link;
	er_resolver *r;
	er_resolve_payer *payer; /* NULL: it is gone */
	bool own;                /* the payer is the node itself */
	bool told;
	er_list waiters;
	unsigned asked, answered; /* families */
	uint64_t first_ms;        /* when the first family had addresses */
	er_dns_answer v4, v6;
	uint8_t n;
	char name[NAME_MAX_N + 1];
} lookup;

/* One a thread: the cache of names, and the lookups under way. */
struct er_resolver {
	uint32_t magic;
	uv_loop_t *loop;
	er_dns *dns;
	uv_timer_t timer; /* the tick while something is looked up; at once when an answer has come */
	er_map *cache;    /* name -> entry */
	er_list used;
	er_addresses *localhost;
	er_map *lookups; /* name -> lookup that is not told yet */
	er_list under_way, told;
	unsigned n_under_way, n_routines;
	er_turns turns;
	uint64_t asked;
	bool telling;
	unsigned open;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* ---- addresses ---- */

static er_addresses *addresses_new(unsigned n)
{
	er_addresses *a = er_zalloc(sizeof *a + n * sizeof *a->v);
	a->refs = 1;
	a->n = n;
	return a;
}

er_addresses *er_addresses_ref(er_addresses *a)
{
	ER_ASSERT(a->refs > 0);
	a->refs++;
	return a;
}

void er_addresses_unref(er_addresses *a)
{
	if (a != NULL && --a->refs == 0)
		er_free(a);
}

bool er_resolve_literal(er_slice host, er_address *out)
{
	char text[INET6_ADDRSTRLEN + 1] = {0};
	bool v6 = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	if (v6)
		host = er_slice_of(host.p + 1, host.n - 2);
	if (host.n >= sizeof text)
		return false;
	er_copy(text, host.p, host.n);
	*out = (er_address){0};
	if (v6) {
		out->v6.sin6_family = AF_INET6;
		return inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1;
	}
	out->v4.sin_family = AF_INET;
	return inet_pton(AF_INET, text, &out->v4.sin_addr) == 1;
}

static er_addresses *localhost(void)
{
	er_addresses *a = addresses_new(2);
	a->v[0].v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	a->v[1].v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	return a;
}

/* Would a packet there leave this machine at all? Sends none. */
static bool has_route(const er_address *a)
{
	er_address to = *a;
	socklen_t n = to.sa.sa_family == AF_INET ? sizeof to.v4 : sizeof to.v6;
	to.v4.sin_port = htons(443); /* at the same place in both */
	int fd = socket(to.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && connect(fd, &to.sa, n) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

/* IPv6 first (RFC 6724), unless this machine has none. */
static er_addresses *addresses_of(const er_dns_answer *v4, const er_dns_answer *v6)
{
	er_addresses *a = addresses_new(v4->n + v6->n);
	bool six_first = v6->n > 0 && (v4->n == 0 || has_route(&v6->v[0]));
	const er_dns_answer *first = six_first ? v6 : v4, *second = six_first ? v4 : v6;
	er_copy(a->v, first->v, first->n * sizeof *a->v);
	er_copy(a->v + first->n, second->v, second->n * sizeof *a->v);
	return a;
}

/* ---- the cache ---- */

static void entry_free(er_resolver *r, entry *e)
{
	er_list_remove(&e->used);
	er_map_del(r->cache, er_slice_of(e->name, e->n));
	er_addresses_unref(e->found);
	er_free(e);
}

/* The place of a name in the cache, made if need be; the one that was unused for longest makes
 * room. */
static entry *entry_of(er_resolver *r, er_slice name)
{
	entry *e = er_map_get(r->cache, name);
	if (e != NULL) {
		er_list_remove(&e->used);
		er_list_push(&r->used, &e->used);
		return e;
	}
	if (er_map_len(r->cache) >= CACHE_MAX)
		entry_free(r, ER_CONTAINER(r->used.next, entry, used));
	ER_ASSERT(name.n <= NAME_MAX_N);
	e = ER_NEW(entry);
	e->n = (uint8_t)name.n;
	er_copy(e->name, name.p, name.n);
	er_list_init(&e->used);
	er_list_push(&r->used, &e->used);
	er_map_set(r->cache, name, e);
	return e;
}

static void keep(er_resolver *r, er_slice name, er_addresses *found, const char *text, uint64_t ms)
{
	entry *e = entry_of(r, name);
	uint64_t now = uv_now(r->loop);
	er_addresses_unref(e->found);
	e->found = found;
	e->text = text;
	e->until_ms = now + ms;
	e->stale_ms = found != NULL ? e->until_ms + STALE_MS : 0;
	e->refresh_ms = found != NULL ? now + ms - ms / 8 : UINT64_MAX;
}

static uint64_t ms_of(uint32_t ttl_s)
{
	uint64_t ms = ttl_s * 1000ULL;
	return ms < TTL_MIN_MS ? TTL_MIN_MS : ms > TTL_MAX_MS ? TTL_MAX_MS : ms;
}

/* Both questions of a name are answered. The shorter time of the two holds; a failure leaves what
 * was known before in place. */
static void keep_answer(lookup *l)
{
	er_resolver *r = l->r;
	er_slice name = er_slice_of(l->name, l->n);
	uint64_t now = uv_now(r->loop);
	if (l->v4.n + l->v6.n > 0) {
		uint32_t ttl = l->v4.n > 0 ? l->v4.ttl_s : l->v6.ttl_s;
		if (l->v6.n > 0 && l->v6.ttl_s < ttl)
			ttl = l->v6.ttl_s;
		keep(r, name, addresses_of(&l->v4, &l->v6), NULL, ms_of(ttl));
		return;
	}
	bool failed = l->v4.outcome == ER_DNS_FAILED || l->v6.outcome == ER_DNS_FAILED;
	const er_dns_answer *tells = l->v6.outcome == ER_DNS_FAILED ? &l->v6 : &l->v4;
	entry *e = er_map_get(r->cache, name);
	if (failed && e != NULL && e->found != NULL && now < e->stale_ms) {
		e->until_ms = e->refresh_ms = now + FAILED_MS; /* what it was is better than nothing */
		return;
	}
	uint32_t ttl = l->v4.ttl_s < l->v6.ttl_s ? l->v4.ttl_s : l->v6.ttl_s;
	keep(r, name, NULL, tells->text, failed ? FAILED_MS : ttl == ER_DNS_TTL_UNKNOWN ? NONE_MS : ms_of(ttl));
}

static void answer_of(const entry *e, er_resolve *q)
{
	ER_ASSERT(q->found == NULL);
	q->found = e->found != NULL ? er_addresses_ref(e->found) : NULL;
	q->text = e->text;
}

/* ---- lookups ---- */

static void on_timer(uv_timer_t *timer);

static void wake(er_resolver *r)
{
	ER_ASSERT(uv_timer_start(&r->timer, on_timer, 0, TICK_MS) == 0);
}

static void on_answer(void *ctx, int family, const er_dns_answer *a)
{
	lookup *l = ctx;
	*(family == AF_INET ? &l->v4 : &l->v6) = *a;
	l->answered++;
	ER_ASSERT(l->answered <= l->asked);
	if (a->n > 0 && l->first_ms == 0)
		l->first_ms = uv_now(l->r->loop);
	if (l->answered == l->asked)
		wake(l->r);
}

/* Asks the hosts file, then name servers. */
static void ask(lookup *l)
{
	er_resolver *r = l->r;
	er_dns_answer file;
	er_dns_file(r->dns, l->name, &file);
	if (file.outcome == ER_DNS_FOUND) {
		for (unsigned i = 0; i < file.n; i++) {
			er_dns_answer *to = file.v[i].sa.sa_family == AF_INET ? &l->v4 : &l->v6;
			to->v[to->n++] = file.v[i];
			to->ttl_s = file.ttl_s;
		}
		wake(r);
		return;
	}
	l->asked = 2;
	er_dns_ask(r->dns, l->name, AF_INET, on_answer, l);
	er_dns_ask(r->dns, l->name, AF_INET6, on_answer, l);
}

/* A new lookup: everybody who wants the same name waits for this one. The payer's share was looked
 * at before. */
static lookup *lookup_start(er_resolver *r, er_resolve_payer *payer, er_slice name)
{
	ER_ASSERT(name.n > 0 && name.n <= NAME_MAX_N && r->n_under_way < LOOKUPS_MAX);
	lookup *l = ER_NEW(lookup);
	l->r = r;
	l->payer = payer;
	l->own = payer->own;
	l->n = (uint8_t)name.n;
	er_copy(l->name, name.p, name.n);
	er_list_init(&l->waiters);
	er_list_init(&l->link);
	er_list_push(&r->under_way, &l->link);
	er_map_set(r->lookups, name, l);
	payer->under_way++;
	r->n_under_way++;
	r->n_routines += !payer->own;
	r->asked++;
	if (!uv_is_active((uv_handle_t *)&r->timer))
		ER_ASSERT(uv_timer_start(&r->timer, on_timer, TICK_MS, TICK_MS) == 0);
	ask(l);
	return l;
}

static bool has_room(const er_resolver *r, const er_resolve_payer *p)
{
	if (r->n_under_way >= LOOKUPS_MAX)
		return false;
	return p->own || (r->n_routines < LOOKUPS_MAX - LOOKUPS_KEPT &&
	                  p->under_way < er_turns_share(LOOKUPS_MAX - LOOKUPS_KEPT, r->n_routines, SHARE_LEAST, SHARE_MOST));
}

/* ---- who asks ---- */

static void attach(lookup *l, er_resolve *q)
{
	ER_ASSERT(!l->told && !q->in_line && q->found == NULL);
	q->waiting = true;
	er_list_push(&l->waiters, &q->link);
}

/* In the form that the cache knows; false: that is no name. */
static bool canonical(er_slice host, char name[static NAME_MAX_N + 1], er_slice *out)
{
	if (host.n == 0 || host.n > NAME_MAX_N)
		return false;
	for (size_t i = 0; i < host.n; i++) {
		uint8_t c = er_lower(host.p[i]);
		if (c <= ' ' || c >= 0x7f || er_slice_find(ER_LIT("/:[\\]"), c) < 5)
			return false;
		name[i] = (char)c;
	}
	name[host.n] = '\0';
	*out = er_slice_of(name, host.n);
	return true;
}

/* From the cache, or somebody else's lookup; else a lookup of its own. */
static bool begin(er_resolver *r, er_resolve *q, er_slice name)
{
	entry *e = er_map_get(r->cache, name);
	lookup *l = er_map_get(r->lookups, name);
	uint64_t now = uv_now(r->loop);
	bool good = e != NULL && now < e->until_ms;
	if (good && now >= e->refresh_ms && l == NULL && has_room(r, q->payer))
		lookup_start(r, q->payer, name);
	if (good) {
		er_list_remove(&e->used);
		er_list_push(&r->used, &e->used);
		answer_of(e, q);
		return true;
	}
	if (l == NULL && has_room(r, q->payer) && q->payer->line.n == 0)
		l = lookup_start(r, q->payer, name);
	if (l == NULL)
		return false;
	attach(l, q);
	return true;
}

bool er_resolve_start(er_resolver *r, er_resolve *q, er_resolve_payer *payer, er_slice host, void (*done)(er_resolve *q))
{
	ER_CHECK(r, MAGIC);
	er_address one;
	char name[NAME_MAX_N + 1];
	er_slice canon;
	*q = (er_resolve){.payer = payer, .name = host, .done = done};
	er_list_init(&q->link);
	if (er_resolve_literal(host, &one)) {
		q->found = addresses_new(1);
		q->found->v[0] = one;
		return true;
	}
	if (!canonical(host, name, &canon)) {
		q->text = "that cannot be a name";
		return true;
	}
	if (er_slice_ends(canon, ER_LIT(".onion"))) { /* RFC 7686 2: not a name server's business */
		q->text = "names in .onion are not looked up";
		return true;
	}
	if (er_host_local(canon)) {
		q->found = er_addresses_ref(r->localhost);
		return true;
	}
	if (begin(r, q, canon))
		return !q->waiting;
	if (payer->line.n >= LINE_MAX_N) {
		q->text = "too many names of this routine wait to be looked up already; wait for answers before asking for more";
		return true;
	}
	q->waiting = q->in_line = true;
	er_turns_join(&r->turns, &payer->line, &q->link);
	return false;
}

void er_resolve_cancel(er_resolver *r, er_resolve *q)
{
	if (!q->waiting)
		return;
	if (q->in_line)
		er_turns_leave(&r->turns, &q->payer->line, &q->link);
	else
		er_list_remove(&q->link);
	q->waiting = q->in_line = false;
	er_addresses_unref(q->found);
	q->found = NULL;
}

void er_resolve_payer_init(er_resolve_payer *p, bool own)
{
	*p = (er_resolve_payer){.own = own};
	er_turns_line_init(&p->line);
}

void er_resolve_payer_fini(er_resolver *r, er_resolve_payer *p)
{
	ER_ASSERT(p->line.n == 0);
	ER_LIST_EACH(it, &r->under_way)
	{
		lookup *l = ER_CONTAINER(it, lookup, link);
		if (l->payer == p)
			l->payer = NULL;
	}
	p->under_way = 0;
}

/* ---- what is finished is told ---- */

/* To the cache, and from the lookup to its waiters: each is told from a list of the resolver's, so
 * that any of them may cancel any other meanwhile. */
static void release(lookup *l)
{
	er_resolver *r = l->r;
	er_slice name = er_slice_of(l->name, l->n);
	if (!l->told)
		er_map_del(r->lookups, name);
	l->told = true;
	keep_answer(l);
	const entry *e = er_map_get(r->cache, name);
	for (er_list *it; (it = er_list_pop(&l->waiters)) != NULL;) {
		answer_of(e, ER_CONTAINER(it, er_resolve, link));
		er_list_push(&r->told, it);
	}
}

static void lookup_free(lookup *l)
{
	er_resolver *r = l->r;
	ER_ASSERT(er_list_empty(&l->waiters) && l->told && r->n_under_way > 0);
	ER_ASSERT(l->own || r->n_routines > 0);
	ER_ASSERT(l->payer == NULL || l->payer->under_way > 0);
	r->n_under_way--;
	r->n_routines -= !l->own;
	if (l->payer != NULL)
		l->payer->under_way--;
	er_list_remove(&l->link);
	er_free(l);
}

static void settle(er_resolver *r)
{
	uint64_t now = uv_now(r->loop);
	ER_LIST_EACH(it, &r->under_way)
	{
		lookup *l = ER_CONTAINER(it, lookup, link);
		bool whole = l->answered == l->asked, patient = l->first_ms == 0 || now - l->first_ms < OTHER_FAMILY_MS;
		/* The slow family may have brought addresses after all. */
		bool more = l->told && whole && l->v4.n > 0 && l->v6.n > 0;
		if ((!l->told && (whole || !patient)) || more)
			release(l);
		if (whole)
			lookup_free(l);
	}
}

static bool may_begin(void *ctx, er_turns_line *line)
{
	return has_room(ctx, ER_CONTAINER(line, er_resolve_payer, line));
}

/* Whoever has waited in line and is first now. */
static void serve_lines(er_resolver *r)
{
	for (er_list *it; (it = er_turns_take(&r->turns, may_begin, r)) != NULL;) {
		er_resolve *q = ER_CONTAINER(it, er_resolve, link);
		char name[NAME_MAX_N + 1];
		er_slice canon;
		q->waiting = q->in_line = false;
		ER_ASSERT(canonical(q->name, name, &canon));
		const entry *e = er_map_get(r->cache, canon);
		lookup *l = er_map_get(r->lookups, canon);
		if (e != NULL && uv_now(r->loop) < e->until_ms) {
			answer_of(e, q);
			er_list_push(&r->told, &q->link);
			q->waiting = true;
		} else {
			attach(l != NULL ? l : lookup_start(r, q->payer, canon), q);
		}
	}
}

static void tell(er_resolver *r)
{
	if (r->telling)
		return;
	r->telling = true;
	for (er_list *it; (it = er_list_pop(&r->told)) != NULL;) {
		er_resolve *q = ER_CONTAINER(it, er_resolve, link);
		ER_ASSERT(q->waiting && !q->in_line);
		q->waiting = false;
		q->done(q);
	}
	r->telling = false;
}

static void on_timer(uv_timer_t *timer)
{
	er_resolver *r = timer->data;
	ER_CHECK(r, MAGIC);
	er_dns_tick(r->dns);
	settle(r);
	serve_lines(r);
	tell(r);
	if (r->n_under_way == 0)
		uv_timer_stop(timer);
}

/* ---- life ---- */

er_resolver *er_resolver_new(uv_loop_t *loop, const char *servers, er_err *err)
{
	er_dns *dns = er_dns_new(loop, servers, err);
	if (dns == NULL)
		return NULL;
	er_resolver *r = ER_NEW(er_resolver);
	*r = (er_resolver){.magic = MAGIC, .loop = loop, .dns = dns, .cache = er_map_new(), .lookups = er_map_new()};
	r->localhost = localhost();
	er_list_init(&r->used);
	er_list_init(&r->under_way);
	er_list_init(&r->told);
	er_turns_init(&r->turns);
	ER_ASSERT(uv_timer_init(loop, &r->timer) == 0);
	r->timer.data = r;
	return r;
}

void er_resolver_servers(er_resolver *r, const char *servers)
{
	ER_CHECK(r, MAGIC);
	if (!er_dns_servers(r->dns, servers))
		return;
	while (!er_list_empty(&r->used))
		entry_free(r, ER_CONTAINER(r->used.next, entry, used));
}

static void one_less(er_resolver *r)
{
	if (--r->open > 0)
		return;
	void (*closed)(void *) = r->closed;
	void *ctx = r->closed_ctx;
	r->magic = 0;
	er_free(r);
	closed(ctx);
}

static void on_timer_closed(uv_handle_t *handle)
{
	one_less(handle->data);
}

static void on_dns_closed(void *ctx)
{
	one_less(ctx);
}

void er_resolver_close(er_resolver *r, void (*closed)(void *ctx), void *ctx)
{
	ER_CHECK(r, MAGIC);
	ER_ASSERT(r->turns.waiting == 0 && er_list_empty(&r->told));
	r->closed = closed;
	r->closed_ctx = ctx;
	r->open = 2;
	uv_close((uv_handle_t *)&r->timer, on_timer_closed);
	while (!er_list_empty(&r->used))
		entry_free(r, ER_CONTAINER(r->used.next, entry, used));
	er_addresses_unref(r->localhost);
	er_map_free(r->cache);
	er_map_free(r->lookups);
	er_dns_close(r->dns, on_dns_closed, r); /* nobody calls back about a lookup any more */
	for (er_list *it; (it = er_list_pop(&r->under_way)) != NULL;) {
		lookup *l = ER_CONTAINER(it, lookup, link);
		ER_ASSERT(er_list_empty(&l->waiters));
		er_free(l);
	}
}

er_resolver_stats er_resolver_stat(const er_resolver *r)
{
	return (er_resolver_stats){
	    .asked = r->asked, .under_way = r->n_under_way, .waiting = r->turns.waiting, .cached = (unsigned)er_map_len(r->cache)};
}
