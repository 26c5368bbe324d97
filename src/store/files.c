/* The files that SQLite does not write for us: the data folder, its lock, the key.
 *
 * Durability: a file's bytes are on the disk after its fsync, its name after the fsync of the
 * folder that has the name. So a file is written under another name, synced, given its own by
 * link() or rename(), and then the folder is synced. Who ends in the middle leaves either the old
 * state or the new one, and at worst a file NAME.PID.new that nobody reads.
 *
 * The lock is an flock on DIR/lock. It belongs to the open file and not to the process, so a
 * successor that inherits the descriptor has it from the first moment, and it stays locked until
 * the last of the two has closed it. Functions here have no state; only er_dir_lock changes the
 * environment. */
#include "store/files.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

char *er_path_parent(const char *path)
{
	er_slice s = er_slice_cstr(path);
	while (s.n > 1 && s.p[s.n - 1] == '/')
		s.n--;
	while (s.n > 0 && s.p[s.n - 1] != '/')
		s.n--;
	while (s.n > 1 && s.p[s.n - 1] == '/')
		s.n--;
	return er_strdup_slice(s.n ? s : ER_LIT("."));
}

bool er_path_exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

/* Not there is empty as well: neither holds anything that could be lost. */
bool er_file_empty(const char *path)
{
	struct stat st;
	return stat(path, &st) != 0 || st.st_size == 0;
}

/* errno says why. A full disk is told in words of its own: it is the one failure that an operator
 * can mend at once. */
static bool write_failed(const char *path, er_err *err)
{
	if (errno == ENOSPC || errno == EDQUOT)
		return er_fail(err, ER_ERR_IO,
		               "the disk is full: %s could not be written and nothing was changed; free some space and try again", path);
	return er_fail_errno(err, ER_ERR_IO, "%s cannot be written", path);
}

bool er_dir_sync(const er_fault *f, const char *dir, er_err *err)
{
	if (!er_fault_pass(f, "fsync"))
		return write_failed(dir, err);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return er_fail_errno(err, ER_ERR_IO, "%s cannot be opened", dir);
	bool good = fsync(fd) == 0 || write_failed(dir, err);
	close(fd);
	return good;
}

bool er_dir_make(const char *dir, er_err *err)
{
	if (mkdir(dir, 0700) != 0) {
		struct stat st;
		/* What is wrong with the name stays wrong; a disk that is full does not. */
		bool passes = errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == ENOMEM || errno == EMLINK;
		if (errno != EEXIST)
			return er_fail_errno(err, passes ? ER_ERR_IO : ER_ERR_INVALID, "the folder %s cannot be made", dir);
		if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
			return true;
		return er_fail(err, ER_ERR_INVALID, "%s is not a folder", dir);
	}
	char *parent = er_path_parent(dir);
	bool good = er_dir_sync(&(er_fault){0}, parent, err);
	er_free(parent);
	return good;
}

bool er_dir_empty(const char *dir, bool *empty, er_err *err)
{
	*empty = true;
	DIR *d = opendir(dir);
	if (d == NULL)
		return errno == ENOENT || er_fail_errno(err, ER_ERR_IO, "%s cannot be read", dir);
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		er_slice name = er_slice_cstr(e->d_name);
		/* what a fresh file system brings along */
		if (!er_slice_eq(name, ER_LIT(".")) && !er_slice_eq(name, ER_LIT("..")) && !er_slice_eq(name, ER_LIT("lost+found")))
			*empty = false;
	}
	closedir(d);
	return true;
}

/* ---- the lock ---- */

static const char LOCK_VARIABLE[] = "ER_STORE_LOCK_FD";

static bool same_file(int fd, const char *path)
{
	struct stat a, b;
	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The variable is a hint from outside: only a descriptor of this very file counts, and it is used
 * once. */
static int inherited_lock(const char *path)
{
	uint64_t fd;
	const char *text = getenv(LOCK_VARIABLE);
	if (text == NULL || !er_slice_u64(er_slice_cstr(text), &fd) || fd > INT32_MAX || !same_file((int)fd, path))
		return -1;
	unsetenv(LOCK_VARIABLE);
	(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	return (int)fd;
}

static int lock_failed(int fd, const char *dir, er_err *err)
{
	char owner[24] = "";
	if (errno == EWOULDBLOCK) {
		ssize_t n = pread(fd, owner, sizeof owner - 1, 0);
		owner[n > 0 ? n : 0] = '\0';
		(void)er_fail(
		    err, ER_ERR_UNAVAILABLE,
		    "%s is in use by another node (process %s): stop that one, or give this one a data folder of its own (--data)", dir,
		    n > 0 ? owner : "unknown");
	} else {
		(void)er_fail_errno(err, ER_ERR_IO, "%s/lock cannot be locked", dir);
	}
	close(fd);
	return -1;
}

int er_dir_lock(const char *dir, bool *inherited, er_err *err)
{
	char *path = er_printf("%s/lock", dir);
	int fd = inherited_lock(path);
	*inherited = fd >= 0;
	if (fd < 0)
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		(void)er_fail_errno(err, ER_ERR_IO, "%s cannot be opened", path);
	er_free(path);
	if (fd < 0)
		return -1;
	/* The same open file as the predecessor's: taking the lock again is no contradiction, and it
	 * outlives that process. */
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return lock_failed(fd, dir, err);
	/* For the message above, no more. */
	char pid[24]; /* more digits than a pid has */
	int n = snprintf(pid, sizeof pid, "%d", (int)getpid());
	ER_ASSERT(n > 0 && (size_t)n < sizeof pid);
	if (ftruncate(fd, 0) == 0)
		(void)!pwrite(fd, pid, (size_t)n, 0);
	return fd;
}

/* ---- who uses the folder ---- */

/* Every process that has the folder open has a shared lock on the lock's file, on a description of
 * its own (OFD, which knows nothing of flock). Who has it exclusively is alone. It ends with the
 * process, however that ends. */
static bool use_lock(int fd, short type, bool waits)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
	int r;
	do
		r = fcntl(fd, waits ? F_OFD_SETLKW : F_OFD_SETLK, &l);
	while (r != 0 && errno == EINTR);
	return r == 0;
}

int er_dir_use(const char *dir, er_err *err)
{
	char *path = er_printf("%s/lock", dir);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	/* waits for a sweep of another process, which is short */
	if (fd >= 0 && !use_lock(fd, F_RDLCK, true)) {
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		(void)er_fail_errno(err, ER_ERR_IO, "%s cannot be locked", path);
	er_free(path);
	return fd;
}

bool er_dir_alone(int use_fd)
{
	return use_lock(use_fd, F_WRLCK, false);
}

void er_dir_share(int use_fd)
{
	(void)use_lock(use_fd, F_RDLCK, false);
}

/* ---- files ---- */

bool er_file_sync(const er_fault *f, const char *path, er_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return er_fail_errno(err, ER_ERR_IO, "%s cannot be opened", path);
	bool good = (er_fault_pass(f, "fsync") && fsync(fd) == 0) || write_failed(path, err);
	close(fd);
	return good;
}

/* The bytes, and their fsync. */
static bool write_all(const er_fault *f, int fd, const char *path, er_slice content, er_err *err)
{
	while (content.n > 0) {
		ssize_t n = er_fault_pass(f, "write") ? write(fd, content.p, content.n) : -1;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return write_failed(path, err);
		ER_ASSERT((size_t)n <= content.n);
		content = er_slice_from(content, (size_t)n);
	}
	return (er_fault_pass(f, "fsync") && fsync(fd) == 0) || write_failed(path, err);
}

/* link() and not rename(): it never replaces what is there. */
static bool give_name(const er_fault *f, const char *tmp, const char *path, bool *made, er_err *err)
{
	bool linked = er_fault_pass(f, "rename") && link(tmp, path) == 0;
	if (!linked && errno != EEXIST)
		return write_failed(path, err);
	*made = linked;
	char *parent = er_path_parent(path);
	bool good = er_dir_sync(f, parent, err);
	er_free(parent);
	return good;
}

bool er_file_make(const er_fault *f, const char *path, er_slice content, bool *made, er_err *err)
{
	ER_ASSERT(made != NULL);
	char *tmp = er_printf("%s.%d.new", path, (int)getpid());
	(void)unlink(tmp);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool good = fd >= 0 || write_failed(tmp, err);
	if (fd >= 0) {
		good = write_all(f, fd, tmp, content, err);
		close(fd);
		good = good && give_name(f, tmp, path, made, err);
		(void)unlink(tmp);
	}
	er_free(tmp);
	return good;
}

bool er_file_replace(const er_fault *f, const char *from, const char *to, er_err *err)
{
	if (!er_fault_pass(f, "rename") || rename(from, to) != 0)
		return write_failed(to, err);
	char *parent = er_path_parent(to);
	bool good = er_dir_sync(f, parent, err);
	er_free(parent);
	return good;
}

bool er_file_read_private(const char *path, uint8_t *to, size_t cap, size_t *n, bool *found, er_err *err)
{
	ER_ASSERT(to != NULL && cap > 0);
	*found = false;
	*n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || er_fail_errno(err, ER_ERR_IO, "%s cannot be opened", path);
	*found = true;
	struct stat st;
	bool good = true;
	if (fstat(fd, &st) == 0 && (st.st_mode & 077) != 0)
		good = er_fail(err, ER_ERR_INVALID,
		               "%s can be read by others than its owner: chmod 600 it, and think of its secrets as known", path);
	/* One byte more than fits is tried for, in the last byte of `to`: a file of exactly cap bytes
	 * is too long. */
	while (good) {
		ssize_t got = read(fd, to + *n, cap - *n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			good = er_fail_errno(err, ER_ERR_IO, "%s cannot be read", path);
		if (got <= 0)
			break;
		*n += (size_t)got;
		ER_ASSERT(*n <= cap);
		if (*n == cap)
			good = er_fail(err, ER_ERR_TOO_LARGE, "%s is too long", path);
	}
	close(fd);
	return good;
}
