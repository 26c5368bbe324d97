/* Does this end the process by a signal? Tried in a child that leaves no core and says nothing. */
#ifndef TEST_DIES_H
#define TEST_DIES_H

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static inline bool dies(void (*what)(void *ctx), void *ctx)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit none = {0};
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		signal(SIGSEGV, SIG_DFL);
		close(2);
		what(ctx);
		_exit(0);
	}
	int status = 0;
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
}

#endif
