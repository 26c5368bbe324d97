/* The cache's table of purges and the store's rows of them are kept short together. Called when a
 * purge is in force; nothing here can fail it, and what fails is tried again by the next purge.
 *
 * In memory everything that is stored can be looked at, so that purges go which match nothing any
 * more. Nobody knows of which purges a disk still has something: there the hosts and sites with the
 * most purges are purged as a whole instead (er_purges_coarser), and nobody pays for what others
 * purge. The store has it first: a crash in between finds both, and both together purge no less. */
#include "base/log.h"
#include "base/mem.h"
#include "cache/index.h"
#include "control/internal.h"
#include "store/purges.h"

static er_change change_of(const er_purge *what, uint64_t number)
{
	return (er_change){.kind = ER_CHANGE_PURGE,
	                   .actor = ER_LIT("node"),
	                   .name = er_slice_cstr(er_purge_kind_name(what->kind)),
	                   .value = what->value,
	                   .site = what->site,
	                   .soft = what->soft,
	                   .purge_number = number};
}

static bool apply(er_control *c, const er_change *changes, size_t n)
{
	er_applied applied;
	er_problem problem = {0};
	return er_control_apply(c, changes, n, &applied, &problem);
}

static void forget_rows(er_control *c, uint64_t upto)
{
	er_err err = {0};
	if (!er_store_purges_forget(c->o.store, upto, &err))
		er_log(ER_LOG_WARN, "control", "old purges stay in the store: %s", err.text);
}

/* In the store one purge of everything takes the place of all up to that number. */
static void one_for_all(er_control *c, uint64_t number)
{
	er_change change = change_of(&(er_purge){.kind = ER_PURGE_ALL}, number);
	if (apply(c, &change, 1))
		forget_rows(c, number - 1);
}

enum { RANGES = 4 };

/* The rows that a coarser purge stands for. A host's authorities are itself and itself with a
 * port. */
static size_t ranges_of(er_arena *a, const er_purge *what, er_purge_range out[static RANGES])
{
	static const er_purge_kind of_host[] = {ER_PURGE_URL, ER_PURGE_PREFIX},
	                           of_site[] = {ER_PURGE_URL, ER_PURGE_PREFIX, ER_PURGE_HOST};
	size_t n = 0;
	if (what->kind == ER_PURGE_TAG)
		out[n++] = (er_purge_range){.scope = er_slice_cstr(er_purge_kind_name(ER_PURGE_TAG)),
		                            .site = what->site,
		                            .from = ER_LIT("\x01"), /* a tag has a byte at least */
		                            .below = ER_LIT("\xf4\x8f\xbf\xbf")};
	for (size_t i = 0; what->kind == ER_PURGE_SITE && i < 3; i++)
		out[n++] = (er_purge_range){.scope = er_slice_cstr(er_purge_kind_name(of_site[i])),
		                            .site = what->value,
		                            .from = ER_LIT("\x01"),
		                            .below = ER_LIT("\xf4\x8f\xbf\xbf")};
	for (size_t i = 0; what->kind == ER_PURGE_HOST && i < 2; i++) {
		er_slice scope = er_slice_cstr(er_purge_kind_name(of_host[i]));
		static const char first[] = "/:", behind[] = "0;";
		for (size_t k = 0; k < 2; k++)
			out[n++] = (er_purge_range){.scope = scope,
			                            .from = er_arena_printf(a, "%.*s%c", ER_FMT(what->value), first[k]),
			                            .below = er_arena_printf(a, "%.*s%c", ER_FMT(what->value), behind[k])};
	}
	return n;
}

/* One change for its hard number and one for its soft one. The last one removes the rows. */
static size_t changes_of(er_arena *a, const er_purge_coarse *coarse, er_change out[static 2])
{
	size_t n = 0;
	er_purge what = coarse->what;
	if (coarse->hard > 0)
		out[n++] = change_of(&what, coarse->hard);
	what.soft = true;
	if (coarse->soft > 0)
		out[n++] = change_of(&what, coarse->soft);
	ER_ASSERT(n > 0);
	er_purge_range *ranges = er_arena_alloc(a, RANGES * sizeof *ranges);
	out[n - 1].n_covers = ranges_of(a, &what, ranges);
	out[n - 1].covers = ranges;
	return n;
}

static void say(const er_purge_coarse *coarse, size_t n)
{
	if (coarse[n - 1].what.kind == ER_PURGE_ALL)
		er_log(ER_LOG_WARN, "control",
		       "too many purges of too many hosts to remember them one by one: what was stored before the older half of them is"
		       " purged");
	for (size_t i = 0; i < n && i < 3; i++)
		if (coarse[i].what.kind == ER_PURGE_HOST)
			er_log(ER_LOG_WARN, "control", "too many purges to remember them one by one: all of the host %.*s is purged",
			       ER_FMT(coarse[i].what.value));
		else if (coarse[i].what.kind == ER_PURGE_SITE)
			er_log(ER_LOG_WARN, "control", "too many purges to remember them one by one: all of the site %.*s is purged",
			       ER_FMT(coarse[i].what.value));
		else if (coarse[i].what.kind == ER_PURGE_TAG)
			er_log(ER_LOG_WARN, "control", "too many purges to remember them one by one: all that has a tag%s%.*s is purged",
			       coarse[i].what.site.n > 0 ? " of the site " : "", ER_FMT(coarse[i].what.site));
	if (n > 3)
		er_log(ER_LOG_WARN, "control", "so are the next %zu; `er audit` has all of them", n - 3);
}

static void make_coarser(er_control *c, er_purges *p, er_arena *a)
{
	er_purge_coarse *coarse;
	size_t n = er_purges_coarser(p, a, &coarse), n_changes = 0;
	if (n == 0)
		return;
	er_change *changes = er_arena_alloc(a, 2 * n * sizeof *changes);
	for (size_t i = 0; i < n; i++)
		n_changes += changes_of(a, &coarse[i], &changes[n_changes]);
	if (!apply(c, changes, n_changes))
		return;
	er_purges_coarsen(p, coarse, n);
	const er_purge_coarse *last = &coarse[n - 1];
	if (last->what.kind == ER_PURGE_ALL)
		forget_rows(c, (last->hard > last->soft ? last->hard : last->soft) - 1);
	say(coarse, n);
}

void er_purges_tidy(er_control *c)
{
	er_purges *p = er_index_purge_table(c->o.cache);
	if (er_purges_crowded(p) && !c->on_disk) {
		/* A file of an earlier run, which may be configured again, is void from then on. */
		uint64_t upto = er_purges_last(p);
		er_index_settle(c->o.cache);
		one_for_all(c, upto);
	}
	if (er_purges_crowded(p)) {
		er_arena a = {0};
		make_coarser(c, p, &a);
		er_arena_fini(&a);
	}
}
