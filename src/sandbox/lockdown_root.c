/* An empty root, in the mount namespace that the spawner made: three files, read-only, and nothing
 * else that a path could name. The order: mounts become private, a small file system is mounted and
 * filled, the roots change places, the old one is taken off, and only then read-only. Level full
 * only: elsewhere there is no namespace to do it in. */
#include "sandbox/lockdown_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Any directory that every system has does: the mount namespace is ours alone and what lies under
 * it is gone in a moment anyway. */
#define ANY_DIR "/usr"

/* A single file of the old root in the new one. */
static bool keep_file(const char *from, const char *to, er_err *err)
{
	int fd = open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
	if (fd < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot make %s in the empty root", to);
	close(fd);
	if (mount(from, to, NULL, MS_BIND, NULL) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot keep %s in the empty root", from);
	return true;
}

/* Directories, and the files that JavaScriptCore and ICU read at their start. */
static bool fill(er_err *err)
{
	if (mkdir("dev", 0755) < 0 || mkdir("proc", 0755) < 0 || mkdir("proc/self", 0755) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot make directories in the empty root");
	return keep_file("/dev/urandom", "dev/urandom", err) && keep_file("/proc/self/maps", "proc/self/maps", err) &&
	       keep_file("/proc/self/statm", "proc/self/statm", err);
}

bool er_lockdown_root(er_err *err)
{
	/* Nothing done here may reach the machine's own mounts. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot make its mounts private");
	if (mount("er", ANY_DIR, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,nr_inodes=16,mode=0755") < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot mount an empty root");
	if (chdir(ANY_DIR) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot enter the empty root");
	if (!fill(err))
		return false;
	/* The old root ends up on top of the new one and is taken off with all that hangs below it
	 * (pivot_root(2), NOTES). */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot change to the empty root");
	if (umount2(".", MNT_DETACH) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot detach the machine's root");
	if (chdir("/") < 0 || mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot make the empty root read-only");
	return true;
}
