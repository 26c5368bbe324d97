/* Stops one thread of another process, as if it were stuck, until standard input ends: hold_thread
 * TID. Prints "held". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char byte;
	int status;
	pid_t tid = argc > 1 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0 || ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0) {
		perror("ptrace");
		return errno == EPERM ? 77 : 1;
	}
	if (waitpid(tid, &status, __WALL) != tid)
		return 1;
	printf("held\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	ptrace(PTRACE_DETACH, tid, NULL, NULL);
	return 0;
}
