/* Files of the disk store, as the kernel has them. No state: a descriptor is all there is to a
 * file. The writer thread of disk_volume.h opens, sizes, writes and closes it; its readers, and
 * loops by read_now, read it meanwhile. */
#include "cache/disk_file.h"

#include "base/mem.h"
#include "base/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

/* The folder alone, not those above it: a mistyped path makes no tree. */
static void make_folder(const char *path)
{
	er_slice all = er_slice_cstr(path);
	size_t n = all.n;
	while (n > 0 && all.p[n - 1] != '/')
		n--;
	if (n <= 1)
		return;
	char *folder = er_strdup_slice(er_slice_head(all, n - 1));
	(void)!mkdir(folder, 0700);
	er_free(folder);
}

static int file_open(void *self, const char *path)
{
	(void)self;
	make_folder(path);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	struct stat st;
	int why = fstat(fd, &st) != 0 ? errno : !S_ISREG(st.st_mode) ? EINVAL : 0;
	if (why == 0 && flock(fd, LOCK_EX | LOCK_NB) != 0)
		why = errno;
	/* What is read is what was asked for: a record that the kernel reads ahead of its readers would
	 * be in memory unchecked. */
	if (why == 0)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	if (why == 0)
		return fd;
	(void)!close(fd);
	return -why;
}

static int64_t file_size(void *self, int fd)
{
	(void)self;
	struct stat st;
	return fstat(fd, &st) == 0 ? (int64_t)st.st_size : -errno;
}

/* Asking for more than there is would take all that is left, from everybody else, for as long as
 * the file system tries. */
static bool has_room(int fd, const struct stat *now, uint64_t size)
{
	struct statvfs fs;
	uint64_t have = (uint64_t)now->st_blocks * 512;
	return size <= have || fstatvfs(fd, &fs) != 0 || size - have <= (uint64_t)fs.f_bavail * fs.f_frsize;
}

static int file_resize(void *self, int fd, uint64_t size)
{
	(void)self;
	struct stat st;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (!has_room(fd, &st, size))
		return -ENOSPC;
	if (ftruncate(fd, (off_t)size) != 0)
		return -errno;
	if (fallocate(fd, 0, 0, (off_t)size) == 0)
		return 0;
	/* A file system that cannot promise room: a full disk shows when it is written. */
	int e = errno == EOPNOTSUPP || errno == ENOSYS ? 0 : errno;
	if (e != 0)
		(void)!ftruncate(fd, st.st_size);
	return -e;
}

static ssize_t file_read(void *self, int fd, void *to, size_t n, uint64_t at)
{
	(void)self;
	size_t have = 0;
	while (have < n) {
		ssize_t got = pread(fd, (uint8_t *)to + have, n - have, (off_t)(at + have));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

static ssize_t file_read_now(void *self, int fd, void *to, size_t n, uint64_t at)
{
	(void)self;
	struct iovec v = {.iov_base = to, .iov_len = n};
	ssize_t got = preadv2(fd, &v, 1, (off_t)at, RWF_NOWAIT);
	/* A part is as good as nothing, and an error is for those who may wait to find. */
	return got == (ssize_t)n ? got : -EAGAIN;
}

static int file_write(void *self, int fd, const void *from, size_t n, uint64_t at)
{
	(void)self;
	size_t done = 0;
	while (done < n) {
		ssize_t put = pwrite(fd, (const uint8_t *)from + done, n - done, (off_t)(at + done));
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -ENOSPC;
		done += (size_t)put;
	}
	return 0;
}

static void file_unlock(void *self, int fd)
{
	(void)self;
	(void)!flock(fd, LOCK_UN);
}

static void file_close(void *self, int fd)
{
	(void)self;
	(void)!close(fd);
}

const er_disk_io er_disk_files = {.open = file_open,
                                  .size = file_size,
                                  .resize = file_resize,
                                  .read = file_read,
                                  .read_now = file_read_now,
                                  .write = file_write,
                                  .unlock = file_unlock,
                                  .close = file_close};
