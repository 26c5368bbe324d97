/* Each reading of the folder makes the files anew: a manifest, the table of which is read at once,
 * and bytes that are read from the folder when a request wants them. So what is served is one state
 * of the folder, and a file that was changed after it was read is refused rather than mixed in; the
 * next reading is on its way then. The source of bytes is one for the whole life: contents in
 * memory hold it longer than the version that they were of.
 *
 * A watch is a handle of its own for each folder, because the system watches no trees. All of them
 * are replaced when the folders are others. */
#include "cli/devfiles.h"

#include "base/list.h"
#include "cli/folder.h"
#include "store/crypt.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { SETTLE_MS = 40, WATCHES_MOST = 4000 };

typedef struct watch {
	er_list link;
	uv_fs_event_t event;
} watch;

struct er_devfiles {
	uv_loop_t *loop;
	void (*changed)(void *ctx);
	void *ctx;
	er_assets *now;
	er_assets_source source;
	er_list watches;
	uv_timer_t settle;
	bool stopped;
	pthread_mutex_t lock; /* what follows: threads read it */
	char *root;           /* or NULL */
	er_piece text;        /* of the manifest */
	er_hash hash;         /* of the text */
};

/* ---- the source; any thread ---- */

static bool read_manifest(void *ctx, er_slice routine, const er_hash *hash, er_piece *out, er_err *err)
{
	er_devfiles *f = ctx;
	(void)routine;
	pthread_mutex_lock(&f->lock);
	bool same = f->text.n > 0 && memcmp(hash->b, f->hash.b, ER_SHA256) == 0;
	if (same)
		*out = er_piece_sub(f->text, 0, f->text.n);
	pthread_mutex_unlock(&f->lock);
	return same || er_fail(err, ER_ERR_IO, "the folder was changed: ask again");
}

static bool read_part(int fd, uint64_t from, uint8_t *to, size_t n)
{
	while (n > 0) {
		ssize_t got = pread(fd, to, n, (off_t)from);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		from += (uint64_t)got;
		n -= (size_t)got;
	}
	return true;
}

static bool read_file(void *ctx, er_slice routine, const er_assets_file *file, uint64_t from, uint8_t *to, size_t n, er_err *err)
{
	er_devfiles *f = ctx;
	er_hash is;
	(void)routine;
	pthread_mutex_lock(&f->lock);
	char *path = er_printf("%s%.*s", f->root != NULL ? f->root : "", ER_FMT(file->path));
	pthread_mutex_unlock(&f->lock);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && read_part(fd, from, to, n);
	if (fd >= 0)
		close(fd);
	if (ok && from == 0 && n == file->bytes) {
		er_sha256(er_slice_of(to, n), (er_slice){0}, &is);
		ok = memcmp(is.b, file->hash.b, ER_SHA256) == 0;
	}
	if (!ok)
		(void)er_fail(err, ER_ERR_IO, "%s was changed or taken away: ask again", path);
	er_free(path);
	return ok;
}

/* ---- watching ---- */

static void on_closed(uv_handle_t *h)
{
	er_free(ER_CONTAINER(h, watch, event));
}

static void unwatch(er_devfiles *f)
{
	for (er_list *l; (l = er_list_pop(&f->watches)) != NULL;)
		uv_close((uv_handle_t *)&ER_CONTAINER(l, watch, link)->event, on_closed);
}

static void on_settled(uv_timer_t *t)
{
	er_devfiles *f = t->data;
	if (!f->stopped)
		f->changed(f->ctx);
}

/* A save is several events. */
static void on_event(uv_fs_event_t *h, const char *name, int events, int status)
{
	er_devfiles *f = h->data;
	(void)name, (void)events, (void)status;
	if (!f->stopped)
		(void)uv_timer_start(&f->settle, on_settled, SETTLE_MS, 0);
}

/* What the system does not watch, a save elsewhere brings. */
static void watch_all(er_devfiles *f, const er_folder *folder)
{
	unwatch(f);
	for (size_t i = 0; i < folder->n_folders && i < WATCHES_MOST; i++) {
		watch *w = ER_NEW(watch);
		(void)uv_fs_event_init(f->loop, &w->event);
		w->event.data = f;
		er_list_push(&f->watches, &w->link);
		(void)uv_fs_event_start(&w->event, on_event, folder->folders[i], 0);
	}
}

/* ---- reading ---- */

static void take_text(er_devfiles *f, const er_folder *folder)
{
	er_buf text = {0};
	er_assets_manifest_write(&text, folder->files, folder->n);
	pthread_mutex_lock(&f->lock);
	er_free(f->root);
	f->root = er_strdup_cstr(folder->root);
	er_piece_drop(&f->text);
	f->text = er_piece_copy(er_buf_slice(&text));
	er_sha256(er_buf_slice(&text), (er_slice){0}, &f->hash);
	pthread_mutex_unlock(&f->lock);
	er_buf_fini(&text);
}

static bool take_folder(er_devfiles *f, const er_project *p, const er_folder *folder, er_err *err)
{
	take_text(f, folder);
	er_assets *made = er_assets_new(&f->source, p->name, &f->hash, p->main == NULL, &p->assets);
	if (!er_assets_load(made, err)) {
		er_assets_unref(made);
		return false;
	}
	er_assets_unref(f->now);
	f->now = made;
	return true;
}

bool er_devfiles_read(er_devfiles *f, const er_project *p, bool *other, er_err *err)
{
	er_folder folder;
	er_hash before = f->hash;
	bool had = f->now != NULL;
	*other = had;
	if (p->assets_folder == NULL) {
		unwatch(f);
		er_assets_unref(f->now);
		f->now = NULL;
		return true;
	}
	bool ok = er_folder_read(&folder, p->assets_folder, err);
	if (folder.n_folders > 0)
		watch_all(f, &folder);
	ok = ok && take_folder(f, p, &folder, err);
	*other = ok && (!had || memcmp(before.b, f->hash.b, ER_SHA256) != 0);
	er_folder_free(&folder);
	return ok;
}

er_assets *er_devfiles_assets(const er_devfiles *f)
{
	return f->now;
}

/* ---- life ---- */

er_devfiles *er_devfiles_new(uv_loop_t *loop, void (*changed)(void *ctx), void *ctx)
{
	er_devfiles *f = ER_NEW(er_devfiles);
	*f = (er_devfiles){.loop = loop, .changed = changed, .ctx = ctx};
	f->source = (er_assets_source){.manifest = read_manifest, .read = read_file, .ctx = f};
	pthread_mutex_init(&f->lock, NULL);
	er_list_init(&f->watches);
	(void)uv_timer_init(loop, &f->settle);
	f->settle.data = f;
	return f;
}

void er_devfiles_stop(er_devfiles *f)
{
	if (f->stopped)
		return;
	f->stopped = true;
	unwatch(f);
	uv_close((uv_handle_t *)&f->settle, NULL);
}

void er_devfiles_free(er_devfiles *f)
{
	if (f == NULL)
		return;
	ER_ASSERT(f->stopped);
	er_assets_unref(f->now);
	er_piece_drop(&f->text);
	er_free(f->root);
	pthread_mutex_destroy(&f->lock);
	er_free(f);
}
