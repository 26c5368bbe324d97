/* Plays the node for real sandboxes started by the real spawner: starts, loads a script, reports
 * how it ended and how long each step took.
 *
 *   lockdown_driver SANDBOX [level=L] [profile=P] [user=UID] [script=FILE] [attack=NAME] [rounds=N]
 *   [memory=KB] [hold] [list]
 *
 * `attack` runs __er_attack(NAME) as top-level code. `hold` prints the pid and waits for a key.
 * `list` prints the names of attacks and ends. Exit status: 0 ended as asked, 2 the sandbox failed
 * to start, 3 an attack did not kill it. */
#include "isolate/spawner.h"
#include "sandbox/lockdown.h"

#include "base/buf.h"
#include "base/clock.h"
#include "channel/frame.h"
#include "../unit/i386_calls.h"

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct driver {
	er_spawner sp;
	er_channel ch;
	int wake_sandbox, wake_node;
	uint32_t slot;
	pid_t pid;
	bool ready, loaded, exited;
	int status;
	uint64_t asked_us, started_us, ready_us, loaded_us;
	const char *script, *attack;
	enum er_profile profile;
	er_level level;
	unsigned rounds, memory, user;
	bool hold;
} driver;

static _Noreturn void give_up(int status, const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(status);
}

static void on_event(driver *d)
{
	er_spawner_event ev;
	while (er_spawner_read(d->sp.sockets[0], &ev) == 1) {
		if (ev.what == ER_SPAWNER_FAILED)
			give_up(2, "not started", ev.text);
		if (ev.what == ER_SPAWNER_STARTED) {
			d->started_us = er_clock_mono_us();
			d->pid = ev.pid;
			if (ev.text[0] && d->rounds == 1)
				printf("level %s: %s\n", er_level_name(ev.level), ev.text);
		} else if (ev.slot == d->slot) {
			d->exited = true;
			d->status = ev.wait_status;
			if (!d->ready)
				give_up(2, "died before it was ready", ev.text);
		}
	}
}

/* Handles all that is there. True: there was something. */
static bool on_frames(driver *d)
{
	er_slice bytes = er_ring_peek(&d->ch.in), payload;
	size_t used = 0, whole;
	er_frame f;
	while (er_frame_read(er_slice_from(bytes, used), &f, &payload, &whole) == ER_FRAME_OK) {
		used += whole;
		if (f.type == ER_FRAME_READY) {
			d->ready = true;
			d->ready_us = er_clock_mono_us();
			if (d->rounds == 1)
				printf("ready: pid %d, level %s\n", d->pid, er_level_name((er_level)f.aux));
		} else if (f.type == ER_FRAME_LOADED) {
			d->loaded = true;
			d->loaded_us = er_clock_mono_us();
			if (f.aux && d->rounds == 1)
				printf("loaded with %s: %.*s\n", er_err_name((er_err_kind)f.aux), ER_FMT(payload));
		} else if (f.type == ER_FRAME_LOG) {
			printf("console: %.*s\n", ER_FMT(payload));
		}
	}
	uint64_t one = 1;
	if (used && er_ring_release(&d->ch.in, used) && write(d->wake_sandbox, &one, sizeof one) < 0)
		give_up(1, "wake", "failed");
	return used > 0;
}

static void step(driver *d)
{
	uint64_t n;
	struct pollfd p[2] = {{.fd = d->wake_node, .events = POLLIN}, {.fd = d->sp.sockets[0], .events = POLLIN}};
	/* What was waited for may have come: the caller looks before anybody sleeps. */
	if (on_frames(d) || !er_ring_sleep(&d->ch.in))
		return;
	if (poll(p, 2, 45000) == 0)
		give_up(2, "nothing for 45 seconds while waiting for", !d->ready ? "READY" : !d->loaded ? "LOADED" : "its end");
	if (p[1].revents)
		on_event(d);
	if (p[0].revents && read(d->wake_node, &n, sizeof n) < 0)
		give_up(1, "eventfd", "unreadable");
	er_ring_awake(&d->ch.in);
	on_frames(d);
}

static void start(driver *d)
{
	er_err err;
	int mem = er_channel_memfd(&err);
	if (mem < 0 || !er_channel_map(&d->ch, mem, true, &err))
		give_up(1, "channel", err.text);
	d->wake_sandbox = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	d->wake_node = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	d->ready = d->loaded = d->exited = false;
	d->pid = 0;
	d->slot++;
	d->asked_us = er_clock_mono_us();
	if (!er_spawner_ask(d->sp.sockets[0], d->slot, d->profile, mem, d->wake_sandbox, d->wake_node, -1, &err))
		give_up(1, "ask", err.text);
	close(mem);
	while (!d->ready || !d->pid)
		step(d);
}

static void put(driver *d, er_frame f, const void *p)
{
	uint8_t *at = er_frame_write(&d->ch.out, &f);
	if (!at)
		give_up(1, "ring", "full");
	er_copy(at, p, f.n);
	uint64_t one = 1;
	if (er_ring_publish(&d->ch.out) && write(d->wake_sandbox, &one, sizeof one) < 0)
		give_up(1, "wake", "failed");
}

static void load(driver *d, er_slice code)
{
	er_buf b = {0};
	const char *strings[] = {"test", "v1", "test.js", "{}"};
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
		er_buf_put_le32(&b, (uint32_t)er_slice_cstr(strings[i]).n);
		er_buf_put_cstr(&b, strings[i]);
	}
	uint32_t cpu = 60 * 1000 * 1000;
	uint32_t limits[] = {cpu, cpu, d->memory, 32, 1000, (uint32_t)code.n, 0, 1000, 1 << 24};
	static_assert(sizeof limits == sizeof(er_load_limits), "every limit is said");
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		er_buf_put_le32(&b, limits[i]);
	put(d, (er_frame){.type = ER_FRAME_LOAD, .n = (uint32_t)er_buf_len(&b)}, b.p);
	er_buf_fini(&b);
	put(d, (er_frame){.type = ER_FRAME_CODE, .n = (uint32_t)code.n, .flags = ER_FF_FIN}, code.p);
	while (!d->loaded && !d->exited)
		step(d);
}

static er_slice script_of(const driver *d)
{
	static char code[ER_FRAME_MAX];
	size_t n = 0;
	if (d->attack)
		return er_slice_of(code, (size_t)snprintf(code, sizeof code, "__er_attack('%s')", d->attack));
	FILE *in = fopen(d->script, "r");
	if (!in)
		give_up(1, d->script, "cannot be opened");
	n = fread(code, 1, sizeof code, in);
	fclose(in);
	return er_slice_of(code, n);
}

static void stop(driver *d)
{
	er_spawner_kill(d->sp.sockets[0], d->slot);
	while (!d->exited)
		step(d);
	er_channel_unmap(&d->ch);
	close(d->wake_sandbox);
	close(d->wake_node);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void measure(driver *d)
{
	uint64_t *started = er_alloc(d->rounds * sizeof *started), *ready = er_alloc(d->rounds * sizeof *ready);
	for (unsigned i = 0; i < d->rounds; i++) {
		start(d);
		started[i] = d->started_us - d->asked_us;
		ready[i] = d->ready_us - d->asked_us;
		stop(d);
	}
	qsort(started, d->rounds, sizeof *started, by_number);
	qsort(ready, d->rounds, sizeof *ready, by_number);
	printf("%u starts: ask to exec median %lu us, p95 %lu us; ask to READY median %lu us, p95 %lu us\n", d->rounds,
	       (unsigned long)started[d->rounds / 2], (unsigned long)started[d->rounds * 95 / 100],
	       (unsigned long)ready[d->rounds / 2], (unsigned long)ready[d->rounds * 95 / 100]);
	er_free(started);
	er_free(ready);
}

static int once(driver *d)
{
	start(d);
	if (d->attack || d->script)
		load(d, script_of(d));
	if (d->exited)
		printf("ended: %s %d\n", WIFSIGNALED(d->status) ? "signal" : "exit",
		       WIFSIGNALED(d->status) ? WTERMSIG(d->status) : WEXITSTATUS(d->status));
	else if (d->hold)
		getchar();
	bool survived = d->attack && !d->exited;
	if (!d->exited)
		stop(d);
	return survived ? 3 : 0;
}

static void parse(driver *d, int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		(void)sscanf(argv[i], "rounds=%u", &d->rounds);
		(void)sscanf(argv[i], "memory=%u", &d->memory);
		(void)sscanf(argv[i], "user=%u", &d->user);
		er_slice arg = er_slice_cstr(argv[i]);
		if (er_slice_starts(arg, ER_LIT("script=")))
			d->script = argv[i] + 7;
		if (er_slice_starts(arg, ER_LIT("attack=")))
			d->attack = argv[i] + 7;
		for (er_level l = ER_LEVEL_SECCOMP_ONLY; l <= ER_LEVEL_FULL; l++)
			if (er_slice_starts(arg, ER_LIT("level=")) && er_slice_eq(er_slice_from(arg, 6), er_slice_cstr(er_level_name(l))))
				d->level = l;
		if (er_slice_eq(arg, ER_LIT("profile=hardened")))
			d->profile = ER_PROFILE_HARDENED;
		d->hold |= er_slice_eq(arg, ER_LIT("hold"));
	}
}

int main(int argc, char **argv)
{
	driver d = {.rounds = 1, .memory = 128 * 1024, .level = ER_LEVEL_FULL};
	er_err err;
	if (argc > 2 && er_slice_eq(er_slice_cstr(argv[2]), ER_LIT("list"))) {
		for (int i = 0; er_lockdown_attacks[i]; i++)
			puts(er_lockdown_attacks[i]);
		return 0;
	}
	if (argc > 2 && er_slice_eq(er_slice_cstr(argv[2]), ER_LIT("i386"))) {
		puts(machine_takes_i386_calls() ? "yes" : "no");
		return 0;
	}
	if (argc < 2)
		give_up(1, "usage", "lockdown_driver SANDBOX [name=value...]");
	parse(&d, argc, argv);
	if (d.user && (setgroups(0, NULL) < 0 || setresgid(d.user, d.user, d.user) < 0 || setresuid(d.user, d.user, d.user) < 0))
		give_up(1, "user", "only root can become another user");
	if (!er_spawner_start(&d.sp, &(er_spawner_config){argv[1], 1, d.level, true}, &err))
		give_up(2, "spawner", err.text);
	setvbuf(stdout, NULL, _IOLBF, 0);
	int status = 0;
	if (d.rounds > 1)
		measure(&d);
	else
		status = once(&d);
	er_spawner_stop(&d.sp);
	return status;
}
