/* The kernel's scheduler, asked by its own system calls: the C library knows neither the slice nor
 * sched_setattr. All of it is a wish: a kernel that does not know it, or a process that may not,
 * changes nothing, and nobody is told. A process's threads are found in /proc/PID/task; one that
 * begins while they are walked is missed and has what its parent had. Called by the spawner and the
 * gateway threads for sandboxes, and by each program for its own threads. */
#include "base/sched.h"

#include "base/mem.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct sched_attr of linux/sched/types.h, first version; named otherwise, since newer C libraries
 * define it, too. */
typedef struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
} attributes;
static_assert(sizeof(attributes) == 48, "SCHED_ATTR_SIZE_VER0, the one size that every kernel takes");

void er_sched_slice(uint32_t us)
{
	attributes a = {.size = sizeof a};
	/* Only SCHED_OTHER (0) has a slice; another policy was somebody's choice and is left alone. */
	if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) != 0 || a.policy != 0)
		return;
	a.size = sizeof a;
	a.runtime = us * 1000ULL;
	(void)syscall(SYS_sched_setattr, 0, &a, 0);
}

/* The main thread gets `first`, all others get `others`. Without effect where the kernel
 * refuses. */
static void set_threads(pid_t pid, const attributes *first, const attributes *others)
{
	ER_ASSERT(pid >= 0 && first->size == sizeof *first && others->size == sizeof *others);
	attributes copy = *first;
	(void)syscall(SYS_sched_setattr, pid, &copy, 0);
	if (pid == 0)
		return;
	char path[32];
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path);
	if (tasks == NULL)
		return;
	for (const struct dirent *d; (d = readdir(tasks)) != NULL;) {
		long tid = strtol(d->d_name, NULL, 10);
		copy = *others;
		if (tid > 0 && tid != pid)
			(void)syscall(SYS_sched_setattr, (pid_t)tid, &copy, 0);
	}
	closedir(tasks);
}

void er_sched_background(pid_t pid)
{
	const attributes idle = {.size = sizeof idle, .policy = SCHED_IDLE};
	set_threads(pid, &idle, &idle);
}

void er_sched_foreground(pid_t pid, int nice, int helpers_nice, uint32_t slice_us)
{
	ER_ASSERT(nice >= -20 && nice <= 19 && helpers_nice >= -20 && helpers_nice <= 19);
	attributes a = {.size = sizeof a, .policy = SCHED_OTHER, .nice = nice, .runtime = slice_us * 1000ULL}, helper = a;
	helper.nice = helpers_nice;
	set_threads(pid, &a, &helper);
}
