/* er-sandbox. Started by the node's spawner with the channel on descriptor 3 and the two eventfds
 * on 4 and 5; nothing else is open. The order of the start is the order of trust:
 *
 *    arguments, environment     what the engine will read
 *    the channel                mapped, and its descriptor closed
 *    er_lockdown_begin          before the engine and before any thread
 *    crash, clock, engine       all that needs system calls which are forbidden later
 *    er_lockdown_finish         from here on the process can be given a tenant's code
 *    READY, then the loop       LOAD, CODE, requests, until CLOSE
 *
 * A start that fails says why on standard error, which the spawner reads, and exits with 1. The
 * process never cleans up: _exit, and the kernel does the rest. er_sb, the one context, lives
 * here. */
#include "sandbox/sandbox.h"

#include "base/clock.h"
#include "base/mem.h"
#include "model/level.h"
#include "sandbox/crash.h"
#include "sandbox/engine.h"
#include "sandbox/frames.h"
#include "sandbox/freeze.h"
#include "sandbox/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREAD_STACK = 2 * 1024 * 1024 };
static_assert(ER_FD_CHANNEL == STDERR_FILENO + 1 && ER_FD_WAKE_SANDBOX == ER_FD_CHANNEL + 1 &&
                  ER_FD_WAKE_NODE == ER_FD_CHANNEL + 2,
              "the spawner leaves these open, and nothing above them");
static_assert(ER_LOCKDOWN_STATM_FD == ER_FD_WAKE_NODE + 1, "the first number that is free");

er_sandbox er_sb;

/* The engine's compilers start when code gets hot, after the memory limit is set, and their stacks
 * count against it whole. */
static void small_thread_stacks(void)
{
	pthread_attr_t attr;
	if (pthread_attr_init(&attr) != 0)
		return;
	if (pthread_attr_setstacksize(&attr, THREAD_STACK) == 0)
		(void)pthread_setattr_default_np(&attr);
	pthread_attr_destroy(&attr);
}

/* The engine reads these once. The spawner sets them; set here too, so that the program can be run
 * by hand. */
static void set_environment(bool hardened)
{
	static const char *const always[][2] = {
	    {"GIGACAGE_ENABLED", "0"},
	    {"JSC_useConcurrentGC", "0"},
	    {"JSC_numberOfGCMarkers", "1"},
	    /* On the JavaScript thread the last tier compiles for tens of milliseconds at a time, and
	     * whose turn it was would pay for it. */
	    {"JSC_useConcurrentJIT", "1"},
	    {"JSC_numberOfDFGCompilerThreads", "1"},
	    {"JSC_numberOfFTLCompilerThreads", "1"},
	    {"LC_ALL", "C.UTF-8"},
	    {"TZ", "UTC"},
	    {"JSC_forceRAMSize", "134217728"},
	    {"JSC_jitMemoryReservationSize", "67108864"},
	};
	static const char *const hard[][2] = {{"JSC_useJIT", "0"}, {"JSC_useWasm", "0"}};
	for (size_t i = 0; i < sizeof always / sizeof *always; i++)
		setenv(always[i][0], always[i][1], 0);
	for (size_t i = 0; hardened && i < sizeof hard / sizeof *hard; i++)
		setenv(hard[i][0], hard[i][1], 1);
}

static bool parse_args(int argc, char **argv, er_lockdown *l, er_err *err)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		if (strcmp(argv[i], "--attack-hooks") == 0) {
			l->attack_hooks = true;
		} else if (strcmp(argv[i], "--inspect") == 0) {
			er_sb.inspect.on = true;
		} else if (strcmp(argv[i], "--public-api") == 0) {
			er_engine_public_only = true;
		} else if (strcmp(argv[i], "--profile") == 0 && (strcmp(value, "standard") == 0 || strcmp(value, "hardened") == 0)) {
			l->hardened = strcmp(value, "hardened") == 0;
			i++;
		} else if (strcmp(argv[i], "--level") == 0 && er_level_parse(er_slice_cstr(value), &l->spawned)) {
			i++;
		} else {
			return er_fail(err, ER_ERR_INVALID, "not an argument: %s %s", argv[i], value);
		}
	}
	return l->spawned != ER_LEVEL_NONE || er_fail(err, ER_ERR_INVALID, "--level is missing; the spawner starts this program");
}

/* The engine says on standard error that the Gigacage is off, at every start. A descriptor that
 * cannot be written swallows that. */
static bool start_engine_quietly(er_err *err)
{
	int ends[2], keep = dup(STDERR_FILENO);
	if (keep < 0 || pipe(ends) != 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot keep standard error aside");
	dup2(ends[0], STDERR_FILENO);
	close(ends[0]);
	close(ends[1]);
	bool ok = er_engine_start(err);
	dup2(keep, STDERR_FILENO);
	close(keep);
	return ok;
}

/* What arrays that are garbage have left is there for the next ones, until the sandbox rests and
 * gives all of it back (er_engine_collect). */
enum { KEPT_BYTES = 8 << 20 };

/* The order of lockdown.h's picture: what comes before `begin` trusts nobody's code, and what comes
 * after `finish` can do no more harm than the level allows. */
static bool start(int argc, char **argv, er_err *err)
{
	if (!parse_args(argc, argv, &er_sb.lock, err))
		return false;
	set_environment(er_sb.lock.hardened);
	er_mem_learn(KEPT_BYTES);
	ER_ASSERT(er_sb.ch.control == NULL && er_sb.lock.spawned != ER_LEVEL_NONE);
	er_sb.wake_me = ER_FD_WAKE_SANDBOX;
	er_sb.wake_node = ER_FD_WAKE_NODE;
	er_requests_init(&er_sb.requests);
	er_helds_init(&er_sb.helds);
	if (!er_channel_map(&er_sb.ch, ER_FD_CHANNEL, false, err))
		return false;
	close(ER_FD_CHANNEL);
	er_sb.began_ns = er_clock_mono_us() * 1000;
	if (!er_lockdown_begin(&er_sb.lock, err) || !er_crash_setup(err))
		return false;
	small_thread_stacks();
	er_freeze_start();
	signal(SIGXFSZ, SIG_IGN); /* standard error may be a file, and the process may write none */
	if (!start_engine_quietly(err) || !er_turn_setup(err))
		return false;
	return er_lockdown_finish(&er_sb.lock, err);
}

int main(int argc, char **argv)
{
	er_err err = {0};
	if (!start(argc, argv, &err)) {
		fprintf(stderr, "er-sandbox: %s\n", err.text);
		return 1;
	}
	er_frames_ready();
	er_loop_run();
	/* nothing to clean up that the kernel does not, and the engine's destructors take time */
	_exit(0);
}
