/* Configurations on their way in. One at a time: it is made of what node.jsonc and the store say,
 * given to all threads, and in force when the last of them has acknowledged it. Whoever wants
 * something meanwhile is served, all together, by the next one (base/rounds.h). */
#include "gateway/node_internal.h"

enum { LARGE = 1000, TRIM_MS = 2000 }; /* deployments whose tables are worth giving back */

/* er dev: what the project names is there. */
static void make_namespaces(er_node *n, const er_config *file)
{
	for (size_t i = 0; i < file->n_deployments; i++) {
		const er_routine *r = file->deployments[i]->version[0];
		for (size_t k = 0; k < r->n_kv; k++) {
			er_change change = {
			    .kind = ER_CHANGE_NAMESPACE_ADD, .actor = ER_LIT("er dev"), .source = ER_LIT("-"), .name = r->kv[k].target};
			er_applied applied;
			er_err err = {0};
			int64_t id;
			if (!er_kv_namespace(n->store, change.name, &id, &err) && !er_store_apply(n->store, &change, 1, &applied, &err))
				er_log(ER_LOG_WARN, "gateway", "the KV namespace %.*s could not be made: %s", ER_FMT(change.name), err.text);
		}
	}
}

er_config *er_node_assemble(er_node *n, er_config *file, er_err *err)
{
	er_arena a;
	er_arena_init(&a);
	er_snapshot snapshot = {0};
	er_config *c = NULL;
	if (file->dev && n->store != NULL)
		make_namespaces(n, file);
	if (n->control == NULL || er_control_snapshot(n->control, &a, &snapshot, err)) {
		c = er_config_copy(file);
		if (n->config != NULL)
			er_config_keep(c, n->config);
		er_stored_add(c, n->config, &snapshot, &n->source);
		if (n->config != NULL)
			er_config_keep_sites(c, n->config);
		er_config_seal(c);
		ER_ASSERT(c->sealed);
	}
	er_store_sites_wipe(snapshot.sites, snapshot.n_sites);
	er_arena_fini(&a);
	return c;
}

/* ---- wishes ---- */

static void free_listening(er_listening *next, size_t count)
{
	for (size_t i = 0; next != NULL && i < count; i++)
		if (next[i].address != NULL)
			er_node_forget(&next[i], true);
	er_free(next);
}

static void free_wish(er_wish *w)
{
	free_listening(w->next, w->file != NULL ? w->file->n_listen : 0);
	er_config_unref(w->file);
	er_free(w);
}

/* Ends a wish that is in no list any more. Whoever is told may wish anew. */
static void tell(er_node *n, er_wish *w, const er_err *err)
{
	er_node_done *done = w->done;
	void *ctx = w->ctx;
	free_wish(w);
	if (done != NULL && !n->stopping)
		done(ctx, err);
}

/* The change that was under way is over. */
static void tell_all(er_node *n, const er_err *err)
{
	er_list told;
	er_rounds_end(&n->wishes, &told);
	for (er_list *l; (l = er_list_pop(&told)) != NULL;)
		tell(n, ER_CONTAINER(l, er_wish, link), err);
}

void er_node_drop_wishes(er_node *n)
{
	for (er_list *l; (l = er_rounds_drop(&n->wishes)) != NULL;)
		tell(n, ER_CONTAINER(l, er_wish, link), NULL);
}

/* Of several readings of node.jsonc the last one holds. */
static er_wish *last_of_file(er_list *wishes)
{
	for (er_list *l = wishes->prev; l != wishes; l = l->prev)
		if (ER_CONTAINER(l, er_wish, link)->file != NULL)
			return ER_CONTAINER(l, er_wish, link);
	return NULL;
}

/* Takes all wishes together and gives the configuration that they add up to to every thread. If it
 * cannot be made they are told, and what was wished meanwhile is next. */
static void begin(er_node *n)
{
	er_err err = {0};
	while (!n->stopping && er_rounds_begin(&n->wishes)) {
		ER_ASSERT(n->changing == NULL);
		er_wish *w = last_of_file(&n->wishes.served);
		n->changing = er_node_assemble(n, w != NULL ? w->file : n->file, &err);
		if (n->changing == NULL) {
			tell_all(n, &err);
			continue;
		}
		ER_ASSERT(n->changing->sealed);
		__atomic_store_n(&n->acknowledged, 0, __ATOMIC_RELEASE);
		for (unsigned i = 0; i < n->n; i++)
			er_worker_configure(n->workers[i], n->changing);
	}
}

void er_node_wish(er_node *n, er_config *file, er_listening *next, er_node_done *done, void *ctx)
{
	ER_CHECK(n, NODE_MAGIC);
	ER_ASSERT((file == NULL) == (next == NULL));
	er_wish *w = ER_NEW(er_wish);
	*w = (er_wish){.file = file != NULL ? er_config_ref(file) : NULL, .next = next, .done = done, .ctx = ctx};
	er_rounds_join(&n->wishes, &w->link);
	begin(n);
}

/* ---- listening ---- */

static er_listening *find_in(er_listening *of, size_t count, const er_listen *at)
{
	for (size_t i = 0; i < count; i++) {
		er_listening *l = &of[i];
		if (l->address != NULL && l->env == at->env && l->transport == at->transport && l->prefaced == at->prefaced &&
		    er_slice_eq(er_slice_cstr(l->address), er_slice_cstr(at->address)))
			return l;
	}
	return NULL;
}

/* Open, or on its way in. */
static bool known(er_node *n, const er_listen *at)
{
	er_wish *w = last_of_file(&n->wishes.served);
	return find_in(n->listens, n->n_listens, at) != NULL || (w != NULL && find_in(w->next, w->file->n_listen, at) != NULL);
}

static er_listening *find_address(er_listening *of, size_t count, const char *address)
{
	for (size_t i = 0; i < count; i++)
		if (of[i].address != NULL && er_slice_eq(er_slice_cstr(of[i].address), er_slice_cstr(address)))
			return &of[i];
	return NULL;
}

/* What listens at this address now, if it is to end: in another environment, or without
 * a preface. */
static er_listening *find_replaced(er_node *n, const er_config *file, const char *address)
{
	er_listening *was = find_address(n->listens, n->n_listens, address);
	for (size_t i = 0; was != NULL && i < file->n_listen; i++)
		if (find_in(was, 1, &file->listen[i]) != NULL)
			return NULL;
	return was;
}

static bool open_one(er_node *n, const er_config *file, er_listening *next, size_t i, er_err *err)
{
	const er_listen *at = &file->listen[i];
	if (known(n, at))
		return true;
	er_listening *was = find_replaced(n, file, at->address);
	if (was != NULL && find_address(next, i, at->address) == NULL)
		return er_node_open_again(was, at, &next[i], err);
	return er_node_open(n, at, &next[i], err);
}

/* Opens what is new. On failure everything opened here is closed again. */
static bool open_new(er_node *n, const er_config *file, er_listening *next, er_err *err)
{
	for (size_t i = 0; i < file->n_listen; i++) {
		if (open_one(n, file, next, i, err))
			continue;
		while (i-- > 0)
			if (next[i].address != NULL)
				er_node_forget(&next[i], true);
		return false;
	}
	return true;
}

/* New addresses are given out, what is not wanted any more closes, the others stay. */
static void swap_listening(er_node *n, const er_config *file, er_listening *next)
{
	for (size_t i = 0; i < file->n_listen; i++) {
		if (next[i].address != NULL) {
			er_node_give(n, &next[i]);
			continue;
		}
		er_listening *kept = find_in(n->listens, n->n_listens, &file->listen[i]);
		if (kept != NULL) { /* NULL: the same address twice */
			next[i] = *kept;
			*kept = (er_listening){0};
		}
	}
	for (size_t i = 0; i < n->n_listens; i++) {
		if (n->listens[i].address == NULL)
			continue;
		for (unsigned k = 0; k < n->listens[i].n; k++)
			er_worker_unlisten(n->workers[k % n->n], n->listens[i].fds[k]);
		er_node_forget(&n->listens[i], false);
	}
	er_free(n->listens);
	n->listens = next;
	n->n_listens = file->n_listen;
}

/* ---- in force ---- */

static bool same_text(const char *a, const char *b)
{
	return (a == NULL) == (b == NULL) && (a == NULL || er_slice_eq(er_slice_cstr(a), er_slice_cstr(b)));
}

static void warn_of_fixed(const er_config *old, const er_config *new)
{
	static const char text[] = "%s changed: it takes effect when the node is started again";
	if (old->threads != new->threads)
		er_log(ER_LOG_WARN, "gateway", text, "\"threads\"");
	if (old->pool != new->pool || old->pool_hardened != new->pool_hardened || old->max_instances != new->max_instances ||
	    old->max_subrequests != new->max_subrequests || old->min_level != new->min_level)
		er_log(ER_LOG_WARN, "gateway", text, "\"sandbox\"");
	if (old->limits.kv_memory_mb != new->limits.kv_memory_mb)
		er_log(ER_LOG_WARN, "gateway", text, "\"limits.kvMemoryMb\"");
	if (!same_text(old->admin, new->admin))
		er_log(ER_LOG_WARN, "gateway", text, "\"admin\"");
	if (!same_text(old->data, new->data))
		er_log(ER_LOG_WARN, "gateway", text, "\"data\"");
}

/* What node.jsonc says beside routines, now that every thread has these. */
static void take_file(er_node *n, er_wish *w)
{
	ER_ASSERT(w->file != NULL && w->next != NULL);
	warn_of_fixed(n->file, w->file);
	er_node_limit(n, w->file);
	er_index_limit(n->cache, (uint64_t)w->file->cache_mb * 1024 * 1024);
	swap_listening(n, w->file, w->next);
	w->next = NULL;
	er_config_unref(n->file);
	n->file = er_config_ref(w->file);
	er_node_renew_geo(n);
	er_node_reloaded(n, true);
	if (n->control == NULL)
		return;
	er_control_limits(n->control, &n->file->routine_max, n->file->addresses, n->file->n_addresses);
	er_store_keep(n->store, &n->file->keep);
	er_kv_limit(n->store, (uint64_t)n->file->limits.kv_namespace_mb << 20);
}

/* The first site of a node may have come by the control API. */
static void change_disk(er_node *n, bool again)
{
	er_node_change_disk(n->disk, n->config, again);
	er_cache_join(n->cache, n->disk);
	er_control_stored_on_disk(n->control, er_disk_files_in_use(n->disk) > 0);
}

static void on_trim(uv_timer_t *timer)
{
	(void)timer;
	er_mem_trim();
}

void er_node_changed(er_node *n)
{
	ER_CHECK(n, NODE_MAGIC);
	if (n->changing == NULL || __atomic_load_n(&n->acknowledged, __ATOMIC_ACQUIRE) < n->n || n->stopping)
		return;
	ER_ASSERT(n->changing->sealed && __atomic_load_n(&n->acknowledged, __ATOMIC_ACQUIRE) == n->n);
	er_config *old = n->config;
	n->config = n->changing;
	n->changing = NULL;
	n->activations++;
	er_config_unref(old);
	er_node_crons_renew(n);
	er_wish *w = last_of_file(&n->wishes.served);
	if (w != NULL)
		take_file(n, w);
	change_disk(n, w != NULL);
	tell_all(n, NULL);
	if (n->config->n_deployments > LARGE && !n->stopping)
		uv_timer_start(&n->trim, on_trim, TRIM_MS, 0);
	begin(n);
}

/* A later reading takes the place of one that waits: what is left of that is a wish for the later
 * one. */
static er_wish *replace_waiting(er_node *n)
{
	er_wish *w = last_of_file(&n->wishes.waiting);
	if (w == NULL)
		return NULL;
	/* before the same addresses are opened for the later one */
	free_listening(w->next, w->file->n_listen);
	er_config_unref(w->file);
	w->next = NULL;
	w->file = NULL;
	ER_ASSERT(last_of_file(&n->wishes.waiting) == NULL);
	return w;
}

static bool open_all(er_node *n, const er_config *file, er_listening *next, er_err *err)
{
	if (!open_new(n, file, next, err)) {
		er_free(next);
		return false;
	}
	if (er_access_log_reopen(n->log, file->access_log, err))
		return true;
	free_listening(next, file->n_listen);
	return false;
}

bool er_node_reload(er_node *n, er_config *file, er_node_done *done, void *ctx, er_err *err)
{
	ER_CHECK(n, NODE_MAGIC);
	if (n->stopping)
		return er_fail(err, ER_ERR_UNAVAILABLE, "the node is stopping");
	er_wish *waiting = replace_waiting(n);
	er_listening *next = er_zalloc((file->n_listen + 1) * sizeof *next);
	if (open_all(n, file, next, err)) {
		er_node_wish(n, file, next, done, ctx);
		return true;
	}
	if (waiting != NULL) { /* neither holds */
		er_list_remove(&waiting->link);
		tell(n, waiting, err);
	}
	return false;
}

bool er_node_reopen_log(er_node *n, er_err *err)
{
	return n->log == NULL || er_access_log_reopen(n->log, n->file->access_log, err);
}
