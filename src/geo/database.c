/* The file is copied before it is opened. The library maps what it opens, and a mapped file that
 * somebody cuts ends the process that reads behind the cut (SIGBUS). So the bytes go into a memory
 * file that is sealed, and the library maps that.
 *
 * The library reads the search tree, and checks its bounds. It reads records by functions that
 * recurse into whatever a file says, so records are read by record.c, and the one record that the
 * library reads by itself, the metadata, is looked at before. */
#include "geo/database.h"

#include "base/mem.h"
#include "geo/record.h"

#include <maxminddb.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAGIC = 0x47454f44, BLOCK = 1024 * 1024, METADATA_MAX = 128 * 1024, TYPE_MAX = 64 };

static const char REMEDY[] = "take a new copy of the file, and put it in place by renaming it (mv), which geoipupdate does";

struct er_geo_database {
	uint32_t magic;
	uint32_t refs; /* atomic */
	er_geo_file file;
	MMDB_s mmdb;
};

/* ---- the file ---- */

static er_geo_file file_of(const struct stat *st)
{
	return (er_geo_file){
	    .device = (uint64_t)st->st_dev, .inode = (uint64_t)st->st_ino, .bytes = (uint64_t)st->st_size, .changed = st->st_mtim};
}

er_geo_file er_geo_file_of(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 ? file_of(&st) : (er_geo_file){0};
}

bool er_geo_file_same(const er_geo_file *a, const er_geo_file *b)
{
	return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool write_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, p, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* So many bytes of `from`, not more if it has grown and not fewer. */
static bool copy_bytes(int from, int to, uint64_t bytes, const char *path, er_err *err)
{
	uint8_t *block = er_alloc(BLOCK);
	bool ok = true;
	while (bytes > 0 && ok) {
		ssize_t k = read(from, block, bytes < BLOCK ? (size_t)bytes : BLOCK);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			ok = er_fail_errno(err, ER_ERR_IO, "%s: cannot be read", path);
		else if (k == 0)
			ok = er_fail(err, ER_ERR_IO, "%s: became shorter while it was read; %s", path, REMEDY);
		else if (!write_all(to, block, (size_t)k))
			ok = er_fail_errno(err, ER_ERR_MEMORY, "%s: there is no memory for it", path);
		else
			bytes -= (uint64_t)k;
	}
	er_free(block);
	return ok;
}

static bool is_usable(int fd, const char *path, er_geo_file *file, er_err *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return er_fail_errno(err, ER_ERR_IO, "%s", path);
	if (!S_ISREG(st.st_mode))
		return er_fail(err, ER_ERR_INVALID, "%s: is no file; name a database in MaxMind's format (GeoLite2-City.mmdb)", path);
	if (st.st_size == 0 || (uint64_t)st.st_size > ER_GEO_FILE_MAX)
		return er_fail(err, ER_ERR_INVALID, "%s: has %lld bytes; a database has some, and at most 1 GB", path,
		               (long long)st.st_size);
	*file = file_of(&st);
	return true;
}

/* A sealed memory file with the bytes of `fd`; -1: *err. */
static int copy_of(int fd, const char *path, er_geo_file *file, er_err *err)
{
	struct stat after;
	if (!is_usable(fd, path, file, err))
		return -1;
	int copy = memfd_create("er-geo", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0) {
		(void)er_fail_errno(err, ER_ERR_MEMORY, "%s: there is no memory for it", path);
		return -1;
	}
	bool ok = copy_bytes(fd, copy, file->bytes, path, err);
	if (ok && fstat(fd, &after) == 0) {
		er_geo_file now = file_of(&after);
		ok = er_geo_file_same(file, &now) || er_fail(err, ER_ERR_IO, "%s: was written to while it was read; %s", path, REMEDY);
	}
	if (ok && fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
		ok = er_fail_errno(err, ER_ERR_SYSTEM, "%s: its copy cannot be sealed", path);
	if (ok)
		return copy;
	close(copy);
	return -1;
}

/* ---- the database ---- */

/* Its metadata, at the end: the library walks it by recursion. */
static bool metadata_good(int copy, uint64_t bytes)
{
	static const er_slice marker = ER_LIT("\xab\xcd\xef"
	                                      "MaxMind.com");
	size_t n = bytes < METADATA_MAX ? (size_t)bytes : METADATA_MAX;
	uint8_t *end = er_alloc(n);
	bool good = false;
	if (pread(copy, end, n, (off_t)(bytes - n)) == (ssize_t)n)
		for (size_t i = n + 1; i-- > marker.n && !good;)
			if (er_slice_eq(er_slice_of(end + i - marker.n, marker.n), marker)) {
				good = er_record_shallow(er_slice_of(end + i, n - i), 0);
				break; /* the last one counts */
			}
	er_free(end);
	return good;
}

static bool open_copy(er_geo_database *d, int copy, const char *path, er_err *err)
{
	char name[40];
	if (!metadata_good(copy, d->file.bytes))
		return er_fail(err, ER_ERR_INVALID, "%s: is no database in MaxMind's format, or is cut off; %s", path, REMEDY);
	(void)snprintf(name, sizeof name, "/proc/self/fd/%d", copy);
	int rc = MMDB_open(name, MMDB_MODE_MMAP, &d->mmdb);
	return rc == MMDB_SUCCESS || er_fail(err, ER_ERR_INVALID, "%s: %s; %s", path, MMDB_strerror(rc), REMEDY);
}

er_geo_database *er_geo_database_open(const char *path, er_err *err)
{
	/* O_NONBLOCK: what is no file is refused, not waited for */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		(void)er_fail_errno(err, ER_ERR_IO, "%s", path);
		return NULL;
	}
	er_geo_database *d = ER_NEW(er_geo_database);
	*d = (er_geo_database){.magic = MAGIC, .refs = 1};
	int copy = copy_of(fd, path, &d->file, err);
	bool ok = copy >= 0 && open_copy(d, copy, path, err);
	close(fd);
	if (copy >= 0)
		close(copy); /* it is mapped */
	if (ok)
		return d;
	er_free(d);
	return NULL;
}

er_geo_database *er_geo_database_ref(er_geo_database *d)
{
	ER_CHECK(d, MAGIC);
	__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
	return d;
}

void er_geo_database_unref(er_geo_database *d)
{
	if (d == NULL)
		return;
	ER_CHECK(d, MAGIC);
	if (__atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	MMDB_close(&d->mmdb);
	d->magic = 0;
	er_free(d);
}

const er_geo_file *er_geo_database_file(const er_geo_database *d)
{
	return &d->file;
}

/* It is shown to people and machines: nothing of it is what does not show. */
er_slice er_geo_database_type(const er_geo_database *d)
{
	er_slice type = er_slice_cstr(d->mmdb.metadata.database_type);
	for (size_t i = 0; i < type.n; i++)
		if (type.p[i] <= ' ' || type.p[i] > '~')
			return ER_LIT("unknown");
	return type.n == 0 ? ER_LIT("unknown") : er_slice_head(type, TYPE_MAX);
}

uint64_t er_geo_database_built(const er_geo_database *d)
{
	return d->mmdb.metadata.build_epoch;
}

bool er_geo_database_find(const er_geo_database *d, const struct sockaddr *address, size_t *record)
{
	int rc = MMDB_SUCCESS;
	ER_CHECK(d, MAGIC);
	MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&d->mmdb, address, &rc);
	if (rc != MMDB_SUCCESS || !found.found_entry)
		return false;
	*record = found.entry.offset;
	return true;
}

er_slice er_geo_database_data(const er_geo_database *d)
{
	return er_slice_of(d->mmdb.data_section, d->mmdb.data_section_size);
}
