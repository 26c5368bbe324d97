/* Landlock: no file, no TCP, no signal or abstract socket to the outside. Twice: at the start with
 * three exceptions, which the engine needs while it starts, and at the end without any. Layers add
 * up, and none can be taken off. A kernel that has no Landlock is told to the caller, who knows
 * whether the level asks for it; a kernel that has it and refuses ends the start. */
#include "sandbox/lockdown_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The interface is declared here, not taken from <linux/landlock.h>: Debian 12's header knows
 * version 2, its kernels may be newer. */
struct ruleset {
	uint64_t fs;     /* version 1 */
	uint64_t net;    /* 4 */
	uint64_t scoped; /* 6 */
};

struct path_beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

static_assert(sizeof(struct path_beneath) == 12 && sizeof(struct ruleset) == 24, "as the kernel has them");
static_assert(offsetof(struct ruleset, net) == 8 && offsetof(struct ruleset, scoped) == 16, "a version adds a member at the end");

enum {
	CREATE_RULESET_VERSION = 1,
	RULE_PATH_BENEATH = 1,
	FS_READ_FILE = 1 << 2,
	NET_ALL = 3,    /* bind and connect TCP */
	SCOPED_ALL = 3, /* abstract UNIX sockets, signals */
};

/* All file rights that a version handles. */
static uint64_t fs_rights(int version)
{
	ER_ASSERT(version >= 1);
	if (version >= 5)
		return (1U << 16) - 1; /* ioctl of devices */
	if (version >= 3)
		return (1U << 15) - 1; /* truncate */
	if (version == 2)
		return (1U << 14) - 1; /* refer */
	return (1U << 13) - 1;
}

/* An exception of the first layer: this one file may be read. */
static bool allow_reading(int ruleset, const char *path, er_err *err)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot find %s", path);
	struct path_beneath rule = {.allowed = FS_READ_FILE, .fd = fd};
	bool ok = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) == 0;
	if (!ok)
		er_fail_errno(err, ER_ERR_SYSTEM, "cannot make a Landlock rule for %s", path);
	close(fd);
	return ok;
}

bool er_lockdown_landlock(bool starting, int *have, er_err *err)
{
	int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	*have = version > 0 ? version : 0;
	if (version < 1)
		return true;
	struct ruleset set = {.fs = fs_rights(version), .net = version >= 4 ? NET_ALL : 0};
	/* Only the first layer, which all threads will share: kernels before 6.15 take a scope for a
	 * thread's, not for a process's, and the collector must be able to signal the main thread and
	 * back. */
	if (starting && version >= 6)
		set.scoped = SCOPED_ALL;
	size_t n = version >= 6 ? sizeof set : version >= 4 ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, net);
	int fd = (int)syscall(SYS_landlock_create_ruleset, &set, n, 0);
	if (fd < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot make a Landlock ruleset");
	bool ok = !starting || (allow_reading(fd, "/dev/urandom", err) && allow_reading(fd, "/proc/self/maps", err) &&
	                        allow_reading(fd, "/proc/self/statm", err));
	if (ok && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		ok = er_fail_errno(err, ER_ERR_SYSTEM, "cannot enforce Landlock");
	close(fd);
	return ok;
}
