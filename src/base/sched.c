#include "base/sched.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct sched_attr of linux/sched/types.h, first version; named otherwise, since newer C libraries define it, too. */
typedef struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
} attributes;

void er_sched_slice(uint32_t us)
{
	attributes a = {.size = sizeof a};
	if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) != 0 || a.policy != 0)
		return;
	a.size = sizeof a;
	a.runtime = us * 1000ULL;
	(void)syscall(SYS_sched_setattr, 0, &a, 0);
}

static void set_threads(pid_t pid, const attributes *first, const attributes *others)
{
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
	attributes a = {.size = sizeof a, .policy = SCHED_OTHER, .nice = nice, .runtime = slice_us * 1000ULL}, helper = a;
	helper.nice = helpers_nice;
	set_threads(pid, &a, &helper);
}
