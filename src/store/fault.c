/* Where tests make the disk fail. With a hook, er_fault_vfs_new registers a VFS of its own with
 * SQLite, which passes everything on to the system's, and asks the hook before what may fail. Each
 * test's store has a VFS of its own name, so that stores of one process do not share a hook.
 * Without a hook there is none, and SQLite uses the system's: production never comes through here
 * but for er_fault_pass, which is one comparison.
 *
 * A file of this VFS is one block of memory that SQLite allocates: ours, and behind it the
 * system's. */
#include "store/fault.h"

#include "base/mem.h"

#include <errno.h>
#include <sqlite3.h>

enum { MAGIC = 0x6674766d };

struct er_fault_vfs {
	sqlite3_vfs base; /* first: SQLite hands this back */
	uint32_t magic;
	er_fault fault;
	sqlite3_vfs *real;
	char *name;
};

/* SQLite allocates it: ours first, then the real file's. */
typedef struct fault_file {
	sqlite3_file base;
	er_fault_vfs *vfs;
	sqlite3_file *real;
} fault_file;

_Static_assert(offsetof(er_fault_vfs, base) == 0 && offsetof(fault_file, base) == 0, "SQLite's pointers are ours");
_Static_assert(sizeof(fault_file) % _Alignof(sqlite3_int64) == 0, "the system's file behind ours is aligned");

bool er_fault_pass(const er_fault *f, const char *what)
{
	ER_ASSERT(f != NULL && what != NULL);
	if (f->hook == NULL || f->hook(f->ctx, what))
		return true;
	errno = EIO;
	return false;
}

static er_fault_vfs *vfs_of(sqlite3_vfs *v)
{
	er_fault_vfs *f = (er_fault_vfs *)(void *)v;
	ER_CHECK(f, MAGIC);
	return f;
}

static fault_file *file_of(sqlite3_file *f)
{
	return (fault_file *)(void *)f;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
	ER_ASSERT(file_of(f)->real == (sqlite3_file *)(void *)(file_of(f) + 1));
	return file_of(f)->real;
}

static bool pass(sqlite3_file *f, const char *what)
{
	return er_fault_pass(&file_of(f)->vfs->fault, what);
}

/* ---- what may fail ---- */

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	return pass(f, "write") ? real_of(f)->pMethods->xWrite(real_of(f), p, n, at) : SQLITE_FULL;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return pass(f, "truncate") ? real_of(f)->pMethods->xTruncate(real_of(f), size) : SQLITE_IOERR_TRUNCATE;
}

static int file_sync(sqlite3_file *f, int flags)
{
	return pass(f, "fsync") ? real_of(f)->pMethods->xSync(real_of(f), flags) : SQLITE_IOERR_FSYNC;
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int sync)
{
	er_fault_vfs *f = vfs_of(v);
	return er_fault_pass(&f->fault, "delete") ? f->real->xDelete(f->real, name, sync) : SQLITE_IOERR_DELETE;
}

/* ---- what only passes through ---- */

static int file_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}
static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}
static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), size);
}
static int file_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}
static int file_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}
static int file_reserved(sqlite3_file *f, int *out)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}
static int file_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}
static int file_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}
static int file_device(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}
static int shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}
static int shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}
static void shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}
static int shm_unmap(sqlite3_file *f, int remove)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2, /* 3 would be memory-mapped reads: writes stay visible to us without */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_device,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	er_fault_vfs *vfs = vfs_of(v);
	fault_file *file = file_of(f);
	*file = (fault_file){.vfs = vfs, .real = (sqlite3_file *)(void *)(file + 1)};
	int rc = vfs->real->xOpen(vfs->real, name, file->real, flags, out);
	/* Without methods SQLite does not close: right, if the real one has none either. */
	if (file->real->pMethods != NULL) {
		/* the shared memory of WAL: we pass it on */
		ER_ASSERT(file->real->pMethods->iVersion >= 2);
		file->base.pMethods = &file_methods;
	}
	return rc;
}
static int vfs_access(sqlite3_vfs *v, const char *name, int flags, int *out)
{
	return vfs_of(v)->real->xAccess(vfs_of(v)->real, name, flags, out);
}
static int vfs_full(sqlite3_vfs *v, const char *name, int n, char *out)
{
	return vfs_of(v)->real->xFullPathname(vfs_of(v)->real, name, n, out);
}
static int vfs_random(sqlite3_vfs *v, int n, char *out)
{
	return vfs_of(v)->real->xRandomness(vfs_of(v)->real, n, out);
}
static int vfs_sleep(sqlite3_vfs *v, int us)
{
	return vfs_of(v)->real->xSleep(vfs_of(v)->real, us);
}
static int vfs_time(sqlite3_vfs *v, sqlite3_int64 *out)
{
	return vfs_of(v)->real->xCurrentTimeInt64(vfs_of(v)->real, out);
}
static int vfs_errno(sqlite3_vfs *v, int n, char *out)
{
	return vfs_of(v)->real->xGetLastError(vfs_of(v)->real, n, out);
}

er_fault_vfs *er_fault_vfs_new(er_fault fault)
{
	if (fault.hook == NULL)
		return NULL;
	er_fault_vfs *v = ER_NEW(er_fault_vfs);
	v->magic = MAGIC;
	v->fault = fault;
	v->real = sqlite3_vfs_find(NULL);
	ER_ASSERT(v->real != NULL);
	v->name = er_printf("er-fault-%p", (void *)v);
	v->base = (sqlite3_vfs){
	    .iVersion = 2,
	    .szOsFile = (int)sizeof(fault_file) + v->real->szOsFile,
	    .mxPathname = v->real->mxPathname,
	    .zName = v->name,
	    .xOpen = vfs_open,
	    .xDelete = vfs_delete,
	    .xAccess = vfs_access,
	    .xFullPathname = vfs_full,
	    .xRandomness = vfs_random,
	    .xSleep = vfs_sleep,
	    .xGetLastError = vfs_errno,
	    .xCurrentTimeInt64 = vfs_time,
	};
	int rc = sqlite3_vfs_register(&v->base, 0);
	ER_ASSERT(rc == SQLITE_OK);
	return v;
}

void er_fault_vfs_free(er_fault_vfs *v)
{
	if (v == NULL)
		return;
	ER_CHECK(v, MAGIC);
	/* No connection may be open: SQLite would go on calling what is freed below. */
	sqlite3_vfs_unregister(&v->base);
	er_free(v->name);
	v->magic = 0;
	er_free(v);
}

const char *er_fault_vfs_name(const er_fault_vfs *v)
{
	return v == NULL ? NULL : v->name;
}
