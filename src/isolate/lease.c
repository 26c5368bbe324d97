/* One er_leases a thread, made and let go by the host; one er_share in it for each routine name
 * that has a service or a lease; one er_lease for each subrequest under way.
 *
 * sub.c takes a lease when a subrequest begins and gives its reference back when the subrequest is
 * freed. The body of the answer has a reference of its own (er_lease_body), for it may go on to a
 * client. With the last reference the place is free, and the holder (an instance), if it still
 * lives, hears of it. A holder that ends leaves its leases orphaned: they count on, and tell
 * nobody.
 *
 * Shares and leases may outlive the host. Each share holds the er_leases, each lease its share. */
#include "isolate/lease.h"

#include "base/map.h"
#include "base/mem.h"

enum {
	MAGIC = 0x4c454153,
	SHARES = 4, /* one routine gets at most the fourth part of a thread's */
	/* Copies of bodies may hold this part of the routine's own memory limit, and at most so much:
	 * what nobody has read yet is in the node, not in the sandbox. */
	COPIES = 8,
	COPIES_MOST = 16 * 1024 * 1024,
};
_Static_assert(SHARES > 0 && COPIES > 0, "a share is a part");

struct er_leases {
	unsigned refs; /* the host's, and each share's */
	unsigned live, max;
	er_map *shares;
};

struct er_share {
	er_leases *all;
	unsigned refs; /* services' and leases' */
	unsigned live;
	er_slice name;         /* owned */
	er_tee_budget *copies; /* own reference; NULL: no body was copied yet */
};

struct er_lease {
	uint32_t magic;
	uint32_t refs;
	er_share *share;
	er_lease_holder *holder; /* NULL: gone */
	er_list link;            /* holder->leases */
};

er_leases *er_leases_new(unsigned max)
{
	er_leases *all = ER_NEW(er_leases);
	*all = (er_leases){.refs = 1, .max = max, .shares = er_map_new()};
	return all;
}

void er_leases_let_go(er_leases *all)
{
	ER_ASSERT(all->refs > 0);
	if (--all->refs > 0)
		return;
	ER_ASSERT(all->live == 0);
	er_map_free(all->shares);
	er_free(all);
}

unsigned er_leases_share(const er_leases *all)
{
	return all->max < SHARES ? 1 : all->max / SHARES;
}

er_share *er_share_of(er_leases *all, er_slice routine)
{
	er_share *s = er_map_get(all->shares, routine);
	if (s == NULL) {
		s = ER_NEW(er_share);
		*s = (er_share){.all = all, .name = er_slice_of(er_strdup_slice(routine), routine.n)};
		er_map_set(all->shares, routine, s);
		all->refs++;
	}
	s->refs++;
	return s;
}

void er_share_unref(er_share *s)
{
	ER_ASSERT(s->refs > 0);
	if (--s->refs > 0)
		return;
	ER_ASSERT(s->live == 0);
	er_tee_budget_unref(s->copies);
	er_leases *all = s->all;
	er_map_del(all->shares, s->name);
	er_free((void *)(uintptr_t)s->name.p);
	er_free(s);
	er_leases_let_go(all);
}

void er_lease_holder_init(er_lease_holder *holder, void (*back)(er_lease_holder *holder))
{
	ER_ASSERT(back != NULL);
	*holder = (er_lease_holder){.back = back};
	er_list_init(&holder->leases);
}

void er_lease_holder_fini(er_lease_holder *holder)
{
	for (er_list *l; (l = er_list_pop(&holder->leases)) != NULL;)
		ER_CONTAINER(l, er_lease, link)->holder = NULL;
}

er_lease *er_lease_take(er_share *s, er_lease_holder *holder, const char **text)
{
	er_leases *all = s->all;
	ER_ASSERT(holder->back != NULL);
	ER_ASSERT(s->live <= all->live && all->live <= all->max);
	if (s->live >= er_leases_share(all)) {
		*text =
		    "the routine's versions have as many subrequests under way together as one routine may have on this node; wait for "
		    "some to end";
		return NULL;
	}
	if (all->live >= all->max) {
		*text = "this node has as many subrequests under way as it takes (sandbox.maxSubrequests); try again later";
		return NULL;
	}
	er_lease *l = ER_NEW(er_lease);
	*l = (er_lease){.magic = MAGIC, .refs = 1, .share = s, .holder = holder};
	er_list_push(&holder->leases, &l->link);
	s->refs++;
	s->live++;
	all->live++;
	return l;
}

er_tee_budget *er_share_copies(er_share *s, uint32_t memory_kb)
{
	size_t most = (size_t)memory_kb * 1024 / COPIES;
	most = most > COPIES_MOST ? COPIES_MOST : most;
	ER_ASSERT(s->refs > 0 && most > 0);
	if (s->copies == NULL)
		s->copies = er_tee_budget_new(most);
	er_tee_budget_most(s->copies, most);
	return s->copies;
}

static void on_body_gone(void *lease)
{
	er_lease_unref(lease);
}

void er_lease_body(er_lease *l, er_body *body)
{
	ER_CHECK(l, MAGIC);
	ER_ASSERT(l->refs > 0 && body != NULL);
	l->refs++;
	er_body_on_gone(body, on_body_gone, l);
}

void er_lease_unref(er_lease *l)
{
	ER_CHECK(l, MAGIC);
	ER_ASSERT(l->refs > 0 && l->share->live > 0 && l->share->all->live > 0);
	if (--l->refs > 0)
		return;
	er_share *s = l->share;
	er_lease_holder *holder = l->holder;
	er_list_remove(&l->link);
	l->magic = 0;
	er_free(l);
	ER_ASSERT(s->live > 0 && s->all->live >= s->live);
	s->live--;
	s->all->live--;
	er_share_unref(s);
	if (holder != NULL)
		holder->back(holder);
}
