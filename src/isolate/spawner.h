/* The spawner: a small single-threaded process, forked before any thread exists, that starts
 * sandboxes and reaps them. It never sees a routine's code or data. Each gateway thread talks to
 * it over a SEQPACKET socket of its own.
 *
 * The spawner does the first half of the lock-down (namespaces, empty root, ids, capabilities;
 * docs/threat-model.md), then execs er-sandbox, which does the second half (sandbox/lockdown.h)
 * and says READY over its ring with the level reached. */
#ifndef ER_ISOLATE_SPAWNER_H
#define ER_ISOLATE_SPAWNER_H

#include "base/err.h"
#include "channel/frame.h"
#include "isolate/routine.h"

#include <sys/types.h>

typedef struct er_spawner_config {
	const char *sandbox_path; /* the er-sandbox executable, absolute */
	unsigned n_sockets;       /* one a gateway thread */
	er_level want;            /* highest level to try; normally ER_LEVEL_FULL */
	bool attack_hooks;        /* tests only: sandboxes obey the native test hook */
} er_spawner_config;

typedef struct er_spawner {
	pid_t pid;
	int *sockets; /* n_sockets, non-blocking, CLOEXEC; owned until taken */
	unsigned n;
} er_spawner;

/* The program: `given`, else what ER_SANDBOX says, else er-sandbox beside this executable (a
 * build directory) or in ../lib/edgeroutine (installed). False: it is nowhere. */
ER_MUST_CHECK bool er_spawner_find_program(const char *given, char *out, size_t cap, er_err *err);
/* Forks it. Must be called while the process has one thread. The spawner dies with its parent. */
ER_MUST_CHECK bool er_spawner_start(er_spawner *sp, const er_spawner_config *config, er_err *err);
/* Closes the sockets (the spawner then kills all its sandboxes and exits) and waits for it. */
void er_spawner_stop(er_spawner *sp);

/* Asks for a sandbox. `slot` is the caller's number for it (unique on this socket while it
 * lives). The three descriptors are passed on and stay the caller's: channel memory, eventfd
 * that wakes the sandbox, eventfd that wakes the node. Never blocks. */
/* `inspect`: the sandbox's end of the debugger's socket (channel/inspect.h); -1: it has none. */
ER_MUST_CHECK bool er_spawner_ask(int sock, uint32_t slot, enum er_profile profile, int memfd, int wake_sandbox, int wake_node,
                                  int inspect, er_err *err);
/* SIGKILL. Harmless if it is already gone; EXITED follows. */
void er_spawner_kill(int sock, uint32_t slot);

typedef struct er_spawner_event {
	enum { ER_SPAWNER_STARTED, ER_SPAWNER_FAILED, ER_SPAWNER_EXITED } what;
	uint32_t slot;
	pid_t pid;       /* STARTED: as seen from the node */
	int wait_status; /* EXITED: as of waitpid */
	er_level level;  /* the level that the spawner's half gives on this machine */
	/* For a person. FAILED: which step, and what the operator can enable. STARTED: why the level
	 * is lower than wanted, or empty. EXITED: what the sandbox said if it ended before it was
	 * locked down, or empty. */
	char text[256];
} er_spawner_event;

/* 1: an event; 0: nothing now; -1: the spawner is gone. */
int er_spawner_read(int sock, er_spawner_event *ev);

#endif
