/* Other projects at the desk (devothers.h). Each is an `other`: its project, its bundler child, the
 * last good build, its static files, and a watch on the folder of its er.jsonc.
 *
 *   added ── first build, good or bad ──► there ── saves ──► built again ...
 *
 * A build that fails leaves what ran; one whose first build failed is not served, and the note says
 * so. A change of er.jsonc loads the project again and starts its bundler anew. All of it is on the
 * loop's thread. */
#include "cli/devothers.h"

#include "base/mem.h"
#include "cli/devfiles.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SETTLE_MS = 40 };

typedef struct other {
	er_devothers *all;
	er_project project;
	char *folder;
	er_bundler *bundler;
	er_devfiles *files;
	er_piece code, map; /* empty: none was built yet */
	unsigned version;
	bool built; /* a first build has come, good or bad */
	uv_fs_event_t watch;
	uv_timer_t settle;
	bool watching;
} other;

struct er_devothers {
	uv_loop_t *loop;
	er_devlog *log;
	void (*changed)(void *ctx);
	void *ctx;
	other *v[ER_DEVOTHERS_MOST];
	size_t n;
	bool stopped;
};

er_devothers *er_devothers_new(uv_loop_t *loop, er_devlog *log, void (*changed)(void *ctx), void *ctx)
{
	ER_ASSERT(changed != NULL);
	er_devothers *o = ER_NEW(er_devothers);
	*o = (er_devothers){.loop = loop, .log = log, .changed = changed, .ctx = ctx};
	return o;
}

/* ---- builds ---- */

static void on_bundle(void *ctx, er_bundle *b)
{
	other *one = ctx;
	er_devothers *o = one->all;
	bool again = one->code.n > 0;
	one->built = true;
	er_devlog_note(o->log, !b->ok, "%.*s, which is called:", ER_FMT(one->project.name));
	if (b->ok) {
		er_piece_drop(&one->code);
		er_piece_drop(&one->map);
		one->code = b->code;
		one->map = b->map;
		b->code = b->map = (er_piece){0};
		one->version++;
		er_devlog_built(o->log, b, again);
	} else {
		er_devlog_failed(o->log, b->diags, b->n_diags, again);
	}
	bool ok = b->ok;
	er_bundle_free(b);
	if (ok)
		o->changed(o->ctx);
}

static void on_end(void *ctx)
{
	other *one = ctx;
	er_bundler_close(one->bundler);
	one->bundler = NULL;
	one->built = true;
	er_devlog_note(one->all->log, true, "saves of %.*s are not noticed any more: its bundler is gone; start er dev again",
	               ER_FMT(one->project.name));
}

static bool start_bundler(other *one, er_err *err)
{
	er_bundler_options options = {
	    .project = &one->project, .minify = ER_MINIFY_NONE, .watch = true, .on_bundle = on_bundle, .on_end = on_end, .ctx = one};
	one->built = one->project.main == NULL;
	if (one->project.main == NULL)
		return true;
	one->bundler = er_bundler_start(one->all->loop, &options, err);
	return one->bundler != NULL;
}

static void read_files(other *one)
{
	er_err err = {0};
	bool changed;
	if (!er_devfiles_read(one->files, &one->project, &changed, &err))
		er_devlog_failed(one->all->log, &(er_diag){.text = er_slice_cstr(err.text)}, 1, true);
}

static void on_files(void *ctx)
{
	other *one = ctx;
	if (one->all->stopped)
		return;
	read_files(one);
	one->version++;
	one->all->changed(one->all->ctx);
}

/* ---- er.jsonc ---- */

static void on_settled(uv_timer_t *t)
{
	other *one = t->data;
	er_devothers *o = one->all;
	er_project fresh;
	er_diag diag;
	er_err err = {0};
	if (o->stopped)
		return;
	if (!er_project_load(&fresh, one->folder, &diag)) {
		er_devlog_failed(o->log, &diag, 1, one->code.n > 0);
		er_project_free(&fresh);
		return;
	}
	if (one->bundler != NULL)
		er_bundler_close(one->bundler);
	one->bundler = NULL;
	er_project_free(&one->project);
	one->project = fresh;
	one->version++;
	read_files(one);
	er_devlog_note(o->log, false, "er.jsonc of %.*s was read again", ER_FMT(one->project.name));
	if (!start_bundler(one, &err))
		er_devlog_failed(o->log, &(er_diag){.text = er_slice_cstr(err.text)}, 1, one->code.n > 0);
	o->changed(o->ctx);
}

static void on_folder(uv_fs_event_t *h, const char *name, int events, int status)
{
	other *one = h->data;
	(void)events;
	if (status == 0 && name != NULL && er_slice_eq(er_slice_cstr(name), ER_LIT("er.jsonc")))
		(void)uv_timer_start(&one->settle, on_settled, SETTLE_MS, 0);
}

static void watch(other *one)
{
	(void)uv_timer_init(one->all->loop, &one->settle);
	(void)uv_fs_event_init(one->all->loop, &one->watch);
	one->settle.data = one->watch.data = one;
	one->watching = true;
	if (one->project.file != NULL && uv_fs_event_start(&one->watch, on_folder, one->project.root, 0) != 0)
		er_devlog_note(one->all->log, true, "changes of er.jsonc of %.*s are not noticed: the system has no file watches left",
		               ER_FMT(one->project.name));
}

/* ---- which there are ---- */

static bool has(const er_devothers *o, er_slice name)
{
	for (size_t i = 0; i < o->n; i++)
		if (er_slice_eq(o->v[i]->project.name, name))
			return true;
	return false;
}

/* Takes the project. */
static bool add(er_devothers *o, er_project *p, er_err *err)
{
	if (o->n == ER_DEVOTHERS_MOST) {
		er_project_free(p);
		return er_fail(err, ER_ERR_INVALID, "er dev runs at most %d other projects", ER_DEVOTHERS_MOST);
	}
	other *one = ER_NEW(other);
	*one = (other){.all = o, .project = *p, .version = 1};
	one->folder = er_strdup_cstr(p->root);
	one->files = er_devfiles_new(o->loop, on_files, one);
	o->v[o->n++] = one;
	watch(one);
	bool changed;
	return er_devfiles_read(one->files, &one->project, &changed, err) && start_bundler(one, err);
}

bool er_devothers_add(er_devothers *o, const char *folder, er_err *err)
{
	er_project p;
	er_diag diag;
	bool ok = er_project_load(&p, folder, &diag);
	if (!ok)
		er_fail(err, ER_ERR_INVALID, "--with %.200s: %.*s%s%.*s", folder, ER_FMT(er_slice_head(diag.path, 100)),
		        diag.path.n > 0 ? ": " : "", ER_FMT(er_slice_head(diag.text, 200)));
	else if (has(o, p.name))
		ok = er_fail(err, ER_ERR_INVALID, "--with %.200s: there is a routine %.*s already", folder, ER_FMT(p.name));
	if (ok)
		return add(o, &p, err);
	er_project_free(&p);
	return false;
}

/* True: the folder has a project of that name, as its er.jsonc says, and it is taken. */
static bool take_folder(er_devothers *o, const char *folder, er_slice target)
{
	er_project p;
	er_diag diag;
	er_err err = {0};
	char *file = er_printf("%s/er.jsonc", folder);
	bool there = access(file, R_OK) == 0;
	er_free(file);
	if (!there)
		return false;
	if (!er_project_load(&p, folder, &diag) || !er_slice_eq(p.name, target)) {
		er_project_free(&p);
		return false;
	}
	if (!add(o, &p, &err))
		er_devlog_note(o->log, true, "%.*s, which is called: %s", ER_FMT(target), err.text);
	return true;
}

/* What lies beside the caller's folder, or in it, and has the name. */
static void find_one(er_devothers *o, const er_project *caller, er_slice target)
{
	char *beside = er_printf("%s/../%.*s", caller->root, ER_FMT(target));
	char *inside = er_printf("%s/%.*s", caller->root, ER_FMT(target));
	(void)(take_folder(o, beside, target) || take_folder(o, inside, target));
	er_free(beside);
	er_free(inside);
}

static void find_of(er_devothers *o, const er_project *own, const er_project *caller)
{
	for (size_t i = 0; i < caller->n_services && o->n < ER_DEVOTHERS_MOST; i++) {
		er_slice target = caller->services[i].target;
		if (!er_slice_eq(target, own->name) && !has(o, target))
			find_one(o, caller, target);
	}
}

void er_devothers_find(er_devothers *o, const er_project *p)
{
	find_of(o, p, p);
	for (size_t i = 0; i < o->n; i++) /* grows meanwhile */
		find_of(o, p, &o->v[i]->project);
}

er_slice er_devothers_missing(const er_devothers *o, const er_project *p)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (!er_slice_eq(p->services[i].target, p->name) && !has(o, p->services[i].target))
			return p->services[i].target;
	return (er_slice){0};
}

bool er_devothers_waits(const er_devothers *o)
{
	for (size_t i = 0; i < o->n; i++)
		if (!o->v[i]->built)
			return true;
	return false;
}

bool er_devothers_has_kv(const er_devothers *o)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->v[i]->project.n_kv > 0)
			return true;
	return false;
}

size_t er_devothers_names(const er_devothers *o, er_slice out[ER_DEVOTHERS_MOST])
{
	for (size_t i = 0; i < o->n; i++)
		out[i] = o->v[i]->project.name;
	return o->n;
}

/* ---- what runs ---- */

static bool configure(const other *one, er_config *c, er_cidr *allow, size_t n_allow, er_err *err)
{
	char version[32];
	int n = snprintf(version, sizeof version, "dev-%u", one->version);
	if (one->code.n == 0 && one->project.main != NULL)
		return true;
	(void)er_limits_raise(&c->routine_max, &one->project.limits);
	er_routine *r = er_project_routine(&one->project, er_piece_sub(one->code, 0, one->code.n),
	                                   er_piece_sub(one->map, 0, one->map.n), er_slice_of(version, (size_t)n), allow, n_allow);
	if (!er_config_add_routine(c, r, err))
		return false;
	if (er_devfiles_assets(one->files) != NULL)
		er_config_add_files(c, one->project.name, er_devfiles_assets(one->files));
	return true;
}

bool er_devothers_configure(const er_devothers *o, er_config *c, er_cidr *allow, size_t n_allow, er_err *err)
{
	for (size_t i = 0; i < o->n; i++)
		if (!configure(o->v[i], c, allow, n_allow, err))
			return false;
	return true;
}

/* ---- ending ---- */

static void close_handle(void *h)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

void er_devothers_stop(er_devothers *o)
{
	if (o->stopped)
		return;
	o->stopped = true;
	for (size_t i = 0; i < o->n; i++) {
		other *one = o->v[i];
		if (one->bundler != NULL)
			er_bundler_close(one->bundler);
		one->bundler = NULL;
		er_devfiles_stop(one->files);
		close_handle(&one->watch);
		close_handle(&one->settle);
	}
}

void er_devothers_free(er_devothers *o)
{
	for (size_t i = 0; o != NULL && i < o->n; i++) {
		other *one = o->v[i];
		ER_ASSERT(o->stopped && one->bundler == NULL);
		er_devfiles_free(one->files);
		er_piece_drop(&one->code);
		er_piece_drop(&one->map);
		er_project_free(&one->project);
		er_free(one->folder);
		er_free(one);
	}
	er_free(o);
}
