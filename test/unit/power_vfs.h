/* A disk whose power can be cut: a SQLite VFS that knows what was written and not yet synced. At
 * the cut it makes an image of the folder as a machine might find it afterwards: what was synced,
 * and of the rest any part, in sectors of 512 bytes, and of new and removed names any as well. From
 * then on nothing more reaches the disk.
 *
 * Model: a sync makes a file's writes durable; the first sync of a new log or journal syncs its
 * folder too (as SQLite does), and so all names in it. Writes that were not synced may be there, be
 * missing, or be torn, each for itself and in any order. */
#ifndef ER_TEST_POWER_VFS_H
#define ER_TEST_POWER_VFS_H

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

enum { POWER_SECTOR = 512 };

typedef struct power_write {
	er_list link;
	int64_t at; /* a write, or with n 0 a truncation to `at` */
	size_t n;
	uint8_t bytes[];
} power_write;

/* A name and what stands under it. One that was removed and made anew is two nodes. */
typedef struct power_node {
	er_list link;
	char name[64];
	bool named;   /* the name is on the disk */
	bool removed; /* and its removal is not yet */
	er_buf disk;  /* what was synced */
	er_list writes;
} power_node;

typedef enum power_mode { POWER_NOTHING, POWER_ALL, POWER_PREFIX, POWER_TORN, POWER_MODES } power_mode;

typedef struct power {
	sqlite3_vfs base;
	sqlite3_vfs *real;
	er_list nodes;
	unsigned long ops, cut_at; /* cut_at 0: never */
	power_mode mode;
	uint64_t random;
	bool dead;
	/* syncs do nothing, as on a disk that lies or in a program that forgot them */
	bool lying;
	const char *image; /* the folder to make */
} power;

typedef struct power_file {
	sqlite3_file base;
	power *power;
	power_node *node; /* NULL: a temporary file */
	sqlite3_file *real;
} power_file;

static inline uint64_t power_random(power *p)
{
	p->random = p->random * 6364136223846793005u + 1442695040888963407u;
	return p->random >> 33;
}

static inline void power_drop_writes(power_node *n)
{
	for (er_list *l; (l = er_list_pop(&n->writes)) != NULL;)
		er_free(ER_CONTAINER(l, power_write, link));
}

static inline void power_node_free(power_node *n)
{
	er_list_remove(&n->link);
	power_drop_writes(n);
	er_buf_fini(&n->disk);
	er_free(n);
}

static inline void power_resize(er_buf *b, size_t n)
{
	size_t have = er_buf_len(b);
	if (n > have) {
		memset(er_buf_reserve(b, n - have), 0, n - have);
		er_buf_wrote(b, n - have);
	}
	b->end = b->start + n;
}

/* One sector at a time; `keep` says which. */
static inline void power_put(power *p, er_buf *to, const power_write *w, bool torn)
{
	if (w->n == 0) {
		power_resize(to, (size_t)w->at);
		return;
	}
	for (size_t done = 0, n; done < w->n; done += n) {
		size_t at = (size_t)w->at + done;
		n = POWER_SECTOR - at % POWER_SECTOR;
		if (n > w->n - done)
			n = w->n - done;
		if (torn && power_random(p) % 2)
			continue;
		if (er_buf_len(to) < at + n)
			power_resize(to, at + n);
		er_copy(to->p + to->start + at, w->bytes + done, n);
	}
}

static inline void power_sync_node(power *p, power_node *n)
{
	ER_LIST_EACH(l, &n->writes)
	power_put(p, &n->disk, ER_CONTAINER(l, power_write, link), false);
	power_drop_writes(n);
}

static inline void power_sync_folder(power *p)
{
	ER_LIST_EACH(l, &p->nodes)
	{
		power_node *n = ER_CONTAINER(l, power_node, link);
		if (n->removed)
			power_node_free(n);
		else
			n->named = true;
	}
}

/* ---- the cut ---- */

static inline void power_image_node(power *p, power_node *n)
{
	size_t count = 0, keep, i = 0;
	ER_LIST_EACH(l, &n->writes)
	count++;
	keep = p->mode == POWER_NOTHING ? 0 : p->mode == POWER_PREFIX ? power_random(p) % (count + 1) : count;
	ER_LIST_EACH(l, &n->writes)
	{
		if (i++ < keep && (p->mode != POWER_TORN || power_random(p) % 4))
			power_put(p, &n->disk, ER_CONTAINER(l, power_write, link), p->mode == POWER_TORN && power_random(p) % 2);
	}
	char *path = er_printf("%s/%s", p->image, n->name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ER_ASSERT(fd >= 0);
	er_slice all = er_buf_slice(&n->disk);
	ER_ASSERT(write(fd, all.p, all.n) == (ssize_t)all.n);
	close(fd);
	er_free(path);
}

/* A removed node comes first in the list, so that what was made later under its name
 * replaces it. */
static inline void power_cut(power *p)
{
	p->dead = true;
	ER_LIST_EACH(l, &p->nodes)
	{
		power_node *n = ER_CONTAINER(l, power_node, link);
		bool there = n->removed ? power_random(p) % 2 : n->named || p->mode == POWER_ALL || power_random(p) % 2;
		if (there)
			power_image_node(p, n);
	}
}

/* Before everything that changes the disk. */
static inline bool power_on(power *p)
{
	if (!p->dead && ++p->ops == p->cut_at)
		power_cut(p);
	return !p->dead;
}

/* ---- the file ---- */

static inline power_file *power_file_of(sqlite3_file *f)
{
	return (power_file *)(void *)f;
}

static inline void power_note(power_file *f, const void *bytes, size_t n, int64_t at)
{
	if (f->node == NULL)
		return;
	power_write *w = er_alloc(sizeof *w + n);
	w->at = at;
	w->n = n;
	er_copy(w->bytes, bytes, n);
	er_list_push(&f->node->writes, &w->link);
}

#define POWER_REAL(f) (power_file_of(f)->real)
#define POWER_CALL(f, method, ...) (POWER_REAL(f)->pMethods->method(POWER_REAL(f), ##__VA_ARGS__))

static inline int power_write_file(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	if (!power_on(power_file_of(f)->power))
		return SQLITE_IOERR_WRITE;
	power_note(power_file_of(f), p, (size_t)n, at);
	return POWER_CALL(f, xWrite, p, n, at);
}
static inline int power_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	if (!power_on(power_file_of(f)->power))
		return SQLITE_IOERR_TRUNCATE;
	power_note(power_file_of(f), NULL, 0, size);
	return POWER_CALL(f, xTruncate, size);
}
static inline int power_sync(sqlite3_file *f, int flags)
{
	power_file *file = power_file_of(f);
	(void)flags; /* the disk itself need not be waited for */
	if (!power_on(file->power))
		return SQLITE_IOERR_FSYNC;
	if (file->node == NULL || file->power->lying)
		return SQLITE_OK;
	power_sync_node(file->power, file->node);
	if (!file->node->named)
		power_sync_folder(file->power);
	return SQLITE_OK;
}
static inline int power_close(sqlite3_file *f)
{
	return POWER_CALL(f, xClose);
}
static inline int power_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return POWER_CALL(f, xRead, p, n, at);
}
static inline int power_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return POWER_CALL(f, xFileSize, size);
}
static inline int power_lock(sqlite3_file *f, int level)
{
	return POWER_CALL(f, xLock, level);
}
static inline int power_unlock(sqlite3_file *f, int level)
{
	return POWER_CALL(f, xUnlock, level);
}
static inline int power_reserved(sqlite3_file *f, int *out)
{
	return POWER_CALL(f, xCheckReservedLock, out);
}
static inline int power_control(sqlite3_file *f, int op, void *arg)
{
	return POWER_CALL(f, xFileControl, op, arg);
}
static inline int power_sector(sqlite3_file *f)
{
	return POWER_CALL(f, xSectorSize);
}
static inline int power_device(sqlite3_file *f)
{
	return POWER_CALL(f, xDeviceCharacteristics);
}
static inline int power_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return POWER_CALL(f, xShmMap, page, size, extend, out);
}
static inline int power_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return POWER_CALL(f, xShmLock, offset, n, flags);
}
static inline void power_shm_barrier(sqlite3_file *f)
{
	POWER_CALL(f, xShmBarrier);
}
static inline int power_shm_unmap(sqlite3_file *f, int remove)
{
	return POWER_CALL(f, xShmUnmap, remove);
}

static const sqlite3_io_methods power_methods = {
    .iVersion = 2,
    .xClose = power_close,
    .xRead = power_read,
    .xWrite = power_write_file,
    .xTruncate = power_truncate,
    .xSync = power_sync,
    .xFileSize = power_size,
    .xLock = power_lock,
    .xUnlock = power_unlock,
    .xCheckReservedLock = power_reserved,
    .xFileControl = power_control,
    .xSectorSize = power_sector,
    .xDeviceCharacteristics = power_device,
    .xShmMap = power_shm_map,
    .xShmLock = power_shm_lock,
    .xShmBarrier = power_shm_barrier,
    .xShmUnmap = power_shm_unmap,
};

/* ---- the VFS ---- */

static inline power_node *power_find(power *p, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	ER_LIST_EACH(l, &p->nodes)
	{
		power_node *n = ER_CONTAINER(l, power_node, link);
		if (!n->removed && strcmp(n->name, name) == 0)
			return n;
	}
	return NULL;
}

/* What lay on the disk before we looked. */
static inline void power_load(power_node *n, const char *path)
{
	int fd = open(path, O_RDONLY);
	for (ssize_t got = 1; fd >= 0 && got > 0;) {
		got = read(fd, er_buf_reserve(&n->disk, 65536), 65536);
		if (got > 0)
			er_buf_wrote(&n->disk, (size_t)got);
	}
	if (fd >= 0)
		close(fd);
}

/* Databases are made and named by the store before SQLite sees them, and the store is trusted with
 * that here. */
static inline power_node *power_node_of(power *p, const char *path, int flags, bool existed)
{
	power_node *n = power_find(p, path);
	if (n != NULL)
		return n;
	n = ER_NEW(power_node);
	snprintf(n->name, sizeof n->name, "%s", strrchr(path, '/') + 1);
	n->named = existed || (flags & SQLITE_OPEN_MAIN_DB) != 0;
	er_list_init(&n->writes);
	power_load(n, path);
	er_list_push(&p->nodes, &n->link);
	return n;
}

static inline int power_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	power *p = (power *)(void *)v;
	power_file *file = power_file_of(f);
	*file = (power_file){.power = p, .real = (sqlite3_file *)(void *)(file + 1)};
	bool existed = name != NULL && access(name, F_OK) == 0;
	int rc = p->real->xOpen(p->real, name, file->real, flags, out);
	if (file->real->pMethods != NULL)
		file->base.pMethods = &power_methods;
	if (rc == SQLITE_OK && name != NULL && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)))
		file->node = power_node_of(p, name, flags, existed);
	return rc;
}

static inline int power_delete(sqlite3_vfs *v, const char *name, int sync)
{
	power *p = (power *)(void *)v;
	if (!power_on(p))
		return SQLITE_IOERR_DELETE;
	power_node *n = power_find(p, name);
	if (n != NULL) {
		n->removed = true;
		if (!n->named)
			power_node_free(n);
	}
	if (sync)
		power_sync_folder(p);
	return p->real->xDelete(p->real, name, sync);
}
static inline int power_access(sqlite3_vfs *v, const char *name, int flags, int *out)
{
	sqlite3_vfs *real = ((power *)(void *)v)->real;
	return real->xAccess(real, name, flags, out);
}
static inline int power_full_path(sqlite3_vfs *v, const char *name, int n, char *out)
{
	sqlite3_vfs *real = ((power *)(void *)v)->real;
	return real->xFullPathname(real, name, n, out);
}
static inline int power_randomness(sqlite3_vfs *v, int n, char *out)
{
	sqlite3_vfs *real = ((power *)(void *)v)->real;
	return real->xRandomness(real, n, out);
}
static inline int power_sleep(sqlite3_vfs *v, int us)
{
	sqlite3_vfs *real = ((power *)(void *)v)->real;
	return real->xSleep(real, us);
}
static inline int power_time(sqlite3_vfs *v, sqlite3_int64 *out)
{
	sqlite3_vfs *real = ((power *)(void *)v)->real;
	return real->xCurrentTimeInt64(real, out);
}
static inline int power_error(sqlite3_vfs *v, int n, char *out)
{
	sqlite3_vfs *real = ((power *)(void *)v)->real;
	return real->xGetLastError(real, n, out);
}

/* What an earlier life left is on the disk, whether it is opened again or not. */
static inline void power_watch(power *p, const char *dir)
{
	static const char *const names[] = {"control.db", "control.db-wal", "control.db-journal",
	                                    "kv.db",      "kv.db-wal",      "kv.db-journal",
	                                    "assets.db",  "assets.db-wal",  "assets.db-journal"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char *path = er_printf("%s/%s", dir, names[i]);
		if (access(path, F_OK) == 0)
			(void)power_node_of(p, path, 0, true);
		er_free(path);
	}
}

/* From now on every database of this process lies on this disk, until power_fini. */
static inline void power_init(power *p, const char *dir, const char *image, uint64_t seed, power_mode mode)
{
	sqlite3_vfs *real = sqlite3_vfs_find("unix");
	*p = (power){
	    .real = real,
	    .mode = mode,
	    .random = seed,
	    .image = image,
	    .base = {.iVersion = 2,
	             .szOsFile = (int)sizeof(power_file) + real->szOsFile,
	             .mxPathname = real->mxPathname,
	             .zName = "er-power",
	             .xOpen = power_open,
	             .xDelete = power_delete,
	             .xAccess = power_access,
	             .xFullPathname = power_full_path,
	             .xRandomness = power_randomness,
	             .xSleep = power_sleep,
	             .xGetLastError = power_error,
	             .xCurrentTimeInt64 = power_time},
	};
	er_list_init(&p->nodes);
	power_watch(p, dir);
	sqlite3_vfs_register(&p->base, 1);
}

static inline void power_fini(power *p)
{
	sqlite3_vfs_unregister(&p->base);
	sqlite3_vfs_register(p->real, 1);
	ER_LIST_EACH(l, &p->nodes)
	power_node_free(ER_CONTAINER(l, power_node, link));
}

#endif
