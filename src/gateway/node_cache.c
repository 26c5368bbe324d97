/* The node's cache, as the control plane asks for it: what is stored, what was not and why, what a
 * URL has, and which purges of the store still matter at a start. All on the control thread; the
 * index and the threads' counters are read as any thread may. */
#include "gateway/node_internal.h"
#include "gateway/purged.h"

#include "cache/key.h"
#include "store/purges.h"

enum { TOP = 10 };

/* ---- status ---- */

static void write_memory(const er_node *n, er_out *out)
{
	er_index_stats s = er_index_statistics(n->cache);
	er_out_open(out, "memory", '{');
	er_out_u64(out, "objects", s.objects);
	er_out_u64(out, "bytes", s.bytes);
	er_out_u64(out, "max_bytes", s.max_bytes);
	er_out_u64(out, "stored", s.stored);
	er_out_u64(out, "evicted", s.evicted);
	er_out_close(out, '}');
}

/* Without a file: nothing. */
static void write_disk(const er_node *n, er_out *out)
{
	er_disk_file files[ER_DISK_VOLUMES];
	unsigned n_files = n->disk != NULL ? er_disk_list(n->disk, files) : 0;
	if (n_files == 0)
		return;
	er_disk_stats s = er_disk_statistics(n->disk);
	er_out_open(out, "disk", '{');
	er_out_u64(out, "records", s.all.records);
	er_out_u64(out, "max_bytes", s.all.bytes);
	er_out_u64(out, "hits", s.found);
	er_out_u64(out, "misses", s.missed);
	er_out_u64(out, "waiting", s.all.waiting);
	er_out_open(out, "files", '[');
	for (unsigned i = 0; i < n_files; i++) {
		er_out_open(out, NULL, '{');
		er_out_cstr(out, "path", files[i].path);
		er_out_cstr(out, "state", er_volume_states.states[files[i].state]);
		er_out_u64(out, "records", files[i].records);
		er_out_u64(out, "max_bytes", files[i].bytes);
		er_out_close(out, '}');
	}
	er_out_close(out, ']');
	er_out_close(out, '}');
}

/* What was asked of the origin, or could not be in the store. */
static void write_asked(const er_cache_stats *s, er_out *out)
{
	er_out_u64(out, "validated", s->validated);
	er_out_u64(out, "misses", s->misses);
	er_out_u64(out, "passed", s->passed);
	er_out_u64(out, "collapsed", s->collapsed);
}

/* What `er prefetch` asked, which is no hit or miss of a client. */
static void write_prefetches(const er_cache_stats *s, er_out *out)
{
	er_out_open(out, "prefetches", '{');
	er_out_u64(out, "hits", s->hits);
	write_asked(s, out);
	er_out_close(out, '}');
}

/* A hit is what no client had to wait for the origin for. */
static void write_ratio(const er_cache_stats *s, er_out *out)
{
	uint64_t hits = s->hits + s->stale, all = hits + s->misses + s->passed + s->collapsed;
	er_out_open(out, "requests", '{');
	er_out_u64(out, "hits", s->hits);
	er_out_u64(out, "stale", s->stale);
	write_asked(s, out);
	er_out_close(out, '}');
	if (all > 0)
		er_out_fixed(out, "hit_ratio", (double)hits / (double)all, 4);
}

static void write_refused(const er_cache_stats *s, er_out *out)
{
	er_out_open(out, "not_stored", '[');
	for (er_cache_refusal r = ER_CACHE_OK + 1; r < ER_CACHE_REFUSALS_N; r++) {
		if (s->refused[r] == 0)
			continue;
		er_out_open(out, NULL, '{');
		er_out_cstr(out, "reason", er_cache_refusal_name(r));
		er_out_u64(out, "answers", s->refused[r]);
		er_out_cstr(out, "text", er_cache_refusal_text(r));
		er_out_close(out, '}');
	}
	er_out_close(out, ']');
}

/* Sites that have been asked for since the start. */
static void write_sites(const er_metrics_view *threads, unsigned n_threads, er_out *out)
{
	er_arena a = {0};
	size_t n;
	const er_site_metrics *sites = er_metrics_sites(&a, threads, n_threads, &n);
	er_out_open(out, "sites", '[');
	for (size_t i = 0; i < n; i++) {
		er_out_open(out, NULL, '{');
		er_out_str(out, "name", sites[i].name);
		write_ratio(&sites[i].cache, out);
		write_refused(&sites[i].cache, out);
		er_out_close(out, '}');
	}
	er_out_close(out, ']');
	er_arena_fini(&a);
}

static void write_compression(const er_node *n, er_out *out)
{
	er_compressor_stats s = er_compressor_statistics(n->compressor);
	er_out_open(out, "compression", '{');
	for (er_coding c = 0; c < ER_CODINGS; c++)
		er_out_u64(out, (const char *)er_coding_name(c).p, s.made[c]);
	er_out_u64(out, "bytes_in", s.bytes_in);
	er_out_u64(out, "bytes_out", s.bytes_out);
	er_out_u64(out, "worthless", s.worthless);
	er_out_u64(out, "skipped", s.skipped);
	er_out_u64(out, "waiting", s.waiting);
	er_out_close(out, '}');
}

static void write_top(const er_node *n, er_out *out)
{
	er_stored *top[TOP];
	size_t found = er_index_top(n->cache, top, TOP);
	er_out_open(out, "top", '[');
	for (size_t i = 0; i < found; i++) {
		er_out_open(out, NULL, '{');
		er_out_str(out, "url", er_key_where(top[i]->key));
		er_out_u64(out, "hits", __atomic_load_n(&top[i]->hits, __ATOMIC_RELAXED));
		er_out_u64(out, "bytes", er_content_length(top[i]->content));
		er_out_close(out, '}');
		er_stored_unref(top[i]);
	}
	er_out_close(out, ']');
}

void er_node_write_cache(const er_node *n, er_out *out)
{
	er_metrics_view *threads = er_zalloc((n->n + 1) * sizeof *threads);
	for (unsigned i = 0; i < n->n; i++)
		threads[i] = er_worker_view(n->workers[i], n->stopping);
	er_cache_stats stats = er_metrics_cache(threads, n->n), filled = er_metrics_prefetches(threads, n->n);
	er_out_bool(out, "on", (n->config->origin != NULL || n->config->n_sites > 0) && n->config->cache_mb > 0);
	write_memory(n, out);
	write_disk(n, out);
	write_ratio(&stats, out);
	write_refused(&stats, out);
	write_sites(threads, n->n, out);
	er_free(threads);
	write_prefetches(&filled, out);
	write_compression(n, out);
	er_out_u64(out, "purges", er_purges_count(er_index_purge_table(n->cache)));
	write_top(n, out);
}

/* ---- a URL ---- */

/* What would be done with it now. */
static const char *state_of(const er_stored *s, uint64_t now_us)
{
	if (__atomic_load_n(&s->look.soft, __ATOMIC_RELAXED))
		return "purged softly";
	switch (er_freshness_use_at(&s->fresh, er_stored_age(s, now_us))) {
	case ER_USE_FRESH:
		return "fresh";
	case ER_USE_STALE:
		return "stale, used while it is validated";
	default:
		return "stale";
	}
}

static void write_field(const er_stored *s, const char *name, const char *member, er_out *out)
{
	const er_slice *value = er_fields_get(&s->fields, er_slice_cstr(name));
	if (value != NULL)
		er_out_str(out, member, *value);
}

/* What the key has behind its target: "field accept-language=de", a part each. */
static void write_parts(const er_stored *s, er_out *out)
{
	er_slice where = er_key_where(s->key), rest, one;
	size_t used = (size_t)(where.p - s->key.p) + where.n;
	if (used == s->key.n)
		return;
	rest = er_slice_from(s->key, used + 1);
	er_out_open(out, "parts", '[');
	while (er_slice_split(&rest, '\n', &one))
		if (one.n > 0 && !er_slice_eq(er_slice_trim(one), ER_LIT("pieces")))
			er_out_str(out, NULL, one);
	er_out_close(out, ']');
}

/* The coded forms that are there. */
static void write_forms(const er_stored *s, er_out *out)
{
	er_out_open(out, "compressed", '[');
	for (er_coding c = 0; c < ER_CODINGS; c++) {
		er_content *form = er_content_form(s->content, c);
		if (form == NULL)
			continue;
		er_out_open(out, NULL, '{');
		er_out_str(out, "coding", er_coding_name(c));
		er_out_u64(out, "bytes", er_content_length(form));
		er_out_close(out, '}');
		er_content_unref(form);
	}
	er_out_close(out, ']');
}

static void write_variant(const er_stored *s, uint64_t now_us, er_out *out)
{
	int64_t age = er_stored_age(s, now_us), left = s->fresh.lifetime - age;
	er_out_open(out, NULL, '{');
	er_out_u64(out, "status", (uint64_t)s->status);
	er_out_cstr(out, "state", state_of(s, now_us));
	er_out_u64(out, "age_s", (uint64_t)age);
	er_out_u64(out, "lifetime_s", (uint64_t)s->fresh.lifetime);
	er_out_u64(out, "left_s", left > 0 ? (uint64_t)left : 0);
	er_out_bool(out, "estimated", s->fresh.heuristic);
	er_out_u64(out, "while_revalidate_s", (uint64_t)s->fresh.while_revalidate);
	er_out_u64(out, "if_error_s", (uint64_t)s->fresh.if_error);
	er_out_u64(out, "bytes", er_content_length(s->content));
	er_out_bool(out, "whole", er_content_whole(s->content));
	er_out_time(out, "at", s->came * 1000);
	er_out_u64(out, "hits", __atomic_load_n(&s->hits, __ATOMIC_RELAXED));
	er_out_u64(out, "tags", s->scopes.n_tags);
	write_field(s, "cache-control", "cache_control", out);
	write_field(s, "cdn-cache-control", "cdn_cache_control", out);
	write_field(s, "etag", "etag", out);
	write_field(s, "last-modified", "last_modified", out);
	write_parts(s, out);
	write_forms(s, out);
	er_out_open(out, "vary", '[');
	for (uint32_t i = 0; i < s->variant.n; i++) {
		er_out_open(out, NULL, '{');
		er_out_str(out, "field", s->variant.v[i].name);
		if (s->variant.v[i].value.p != NULL)
			er_out_str(out, "value", s->variant.v[i].value);
		er_out_close(out, '}');
	}
	er_out_close(out, ']');
	er_out_close(out, '}');
}

static void write_entry(er_index_entry *entry, uint64_t now_us, er_out *out)
{
	for (size_t i = 0; i < entry->n; i++) {
		write_variant(entry->variants[i], now_us, out);
		er_stored_unref(entry->variants[i]);
	}
}

/* What is stored of the URL as parts alone, under a key of its own. */
static void write_pieces(const er_node *n, er_slice key, uint64_t now_us, er_out *out)
{
	if (key.n == 0)
		return;
	er_index_entry *entry = er_zalloc(sizeof *entry);
	er_index_explain(n->cache, key, er_index_hash(key), now_us, entry);
	write_entry(entry, now_us, out);
	er_free(entry);
}

void er_node_explain_cache(const er_node *n, er_arena *a, er_env env, const er_site *site, const er_where *where, er_out *out)
{
	bool on = site->cache && n->config->cache_mb > 0;
	er_out_open(out, "cache", '{');
	er_out_bool(out, "on", on);
	er_request req = {.scheme = where->scheme, .authority = where->authority, .host = where->authority};
	er_slice target = er_arena_printf(a, "%.*s%.*s", ER_FMT(where->path), ER_FMT(where->query));
	er_slice key = er_key_of(a, (uint8_t)env, site->known_as, &req, er_rules_target(site->rules, a, target), (er_slice){0});
	er_index_entry *entry = er_zalloc(sizeof *entry);
	uint64_t now_us = er_clock_mono_us();
	bool parts = er_rules_have_parts(site->rules);
	if (on && key.n > 0 && parts)
		er_index_explain_where(n->cache, er_key_where(key), entry);
	else if (on && key.n > 0)
		er_index_explain(n->cache, key, er_index_hash(key), now_us, entry);
	if (key.n > 0)
		er_out_str(out, "key", er_slice_from(key, 1));
	er_out_bool(out, "under_way", entry->under_way);
	er_out_open(out, "stored", '[');
	write_entry(entry, now_us, out);
	if (on && key.n > 0 && !parts)
		write_pieces(n, er_key_of_pieces(a, key), now_us, out);
	er_out_close(out, ']');
	if (entry->alone != ER_CACHE_OK) {
		er_out_cstr(out, "refused_because", er_cache_refusal_name(entry->alone));
		er_out_cstr(out, "refused_text", er_cache_refusal_text(entry->alone));
	}
	er_out_close(out, '}');
	er_free(entry);
}

/* ---- at a start ---- */

/* A purge of before this start, as the store has it. */
static void remember(er_purges *p, const er_purge_row *row)
{
	er_purge what = {.value = row->value, .site = row->site};
	if (!er_purge_kind_parse(row->scope, &what.kind))
		return;
	if (row->hard > 0)
		er_purges_add(p, &what, row->hard);
	what.soft = true;
	if (row->soft > 0)
		er_purges_add(p, &what, row->soft);
}

bool er_node_start_purges(er_node *n, er_err *err)
{
	er_arena a = {0};
	er_purge_row *rows = NULL;
	size_t count = 0;
	er_purges *p = er_index_purge_table(n->cache);
	/* Numbers are given for ever: the time is behind all that were given before, as long as nobody
	 * gives a million a second. */
	er_purges_continue(p, er_clock_wall_us());
	bool ok = n->store == NULL || er_store_purges(n->store, &a, &rows, &count, err);
	for (size_t i = 0; ok && i < count; i++)
		er_purges_continue(p, rows[i].hard > rows[i].soft ? rows[i].hard : rows[i].soft);
	/* Also without a disk, where they match nothing yet: a file of an earlier run may be configured
	 * again. */
	for (size_t i = 0; ok && i < count; i++)
		remember(p, &rows[i]);
	er_arena_fini(&a);
	return ok;
}

/* ---- what routines purge ---- */

enum { AT_ONCE = 32 };

void er_node_on_purged(void *ctx, struct er_purged_by *p)
{
	er_node *n = ctx;
	pthread_mutex_lock(&n->lock);
	er_list_push(&n->purged, &p->link);
	pthread_mutex_unlock(&n->lock);
	uv_async_send(&n->async);
}

/* Without a store there is nobody to write it down, and what a routine has purged holds as long as
 * the node runs. */
static void purge_here(er_purges *table, const er_purged_by *p)
{
	uint64_t number = er_purges_next(table);
	for (size_t i = 0; i < p->n; i++)
		er_purges_add(table, &p->v[i], number);
}

static void purge_some(er_node *n, er_purged_by *const *some, size_t count)
{
	er_purged_list lists[AT_ONCE];
	for (size_t i = 0; i < count; i++)
		lists[i] = (er_purged_list){.v = some[i]->v, .n = some[i]->n, .routine = some[i]->routine};
	if (n->control != NULL)
		er_control_purged(n->control, lists, count);
	for (size_t i = 0; i < count; i++) {
		if (n->control == NULL)
			purge_here(er_index_purge_table(n->cache), some[i]);
		some[i]->err = lists[i].err;
		er_purged_over(some[i]);
		er_purged_unref(some[i]);
	}
}

void er_node_purged(er_node *n)
{
	er_list all;
	er_purged_by *some[AT_ONCE];
	size_t count = 0;
	er_list_init(&all);
	pthread_mutex_lock(&n->lock);
	er_list_take(&all, &n->purged);
	pthread_mutex_unlock(&n->lock);
	for (er_list *l; (l = er_list_pop(&all)) != NULL;) {
		some[count++] = ER_CONTAINER(l, er_purged_by, link);
		if (count == AT_ONCE || er_list_empty(&all)) {
			purge_some(n, some, count);
			count = 0;
		}
	}
}
