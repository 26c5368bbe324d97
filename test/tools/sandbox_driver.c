/* Plays the node for one er-sandbox, without a node: makes the channel, starts the program, loads a
 * script, sends requests, measures.
 *
 *   sandbox_driver SANDBOX SCRIPT [requests=N] [batch=N] [level=L] [profile=P] [cpu=US] [memory=KB]
 *   [show] [idle] [method=M] [body=TEXT]
 *
 * `show` prints every frame that comes back. `idle` prints memory after READY, after LOADED and
 * after the run. Every subrequest is answered at once with a file's head. Figures are of the
 * sandbox alone. */
#include "base/buf.h"
#include "base/clock.h"
#include "channel/frame.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct driver {
	er_channel ch;
	int wake_sandbox, wake_node;
	pid_t pid;
	bool show, idle, ready, loaded, fetched;
	unsigned answered, failed, done;
	uint64_t cpu_us; /* said by the sandbox */
	const char *level, *profile, *method, *body;
	unsigned requests, batch, cpu, memory;
} driver;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void start(driver *d, const char *path)
{
	er_err err;
	int mem = er_channel_memfd(&err);
	if (mem < 0 || !er_channel_map(&d->ch, mem, true, &err))
		die(err.text);
	d->wake_sandbox = eventfd(0, EFD_NONBLOCK);
	d->wake_node = eventfd(0, EFD_NONBLOCK);
	d->pid = fork();
	if (d->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int fds[3] = {dup2(mem, 20), dup2(d->wake_sandbox, 21), dup2(d->wake_node, 22)};
		for (int i = 0; i < 3; i++)
			dup2(fds[i], 3 + i);
		close_range(6, ~0U, 0);
		execl(path, path, "--profile", d->profile, "--level", d->level, (char *)NULL);
		die(path);
	}
	close(mem);
}

static void wake(driver *d)
{
	uint64_t one = 1;
	if (er_ring_publish(&d->ch.out))
		(void)!write(d->wake_sandbox, &one, sizeof one);
}

static void show(const er_frame *f, er_slice p)
{
	printf("%-12s id=%u aux=%u flags=%u arg=%u n=%u ", er_frame_name(f->type), f->id, f->aux, f->flags, f->arg, f->n);
	for (size_t i = 0; i < p.n && i < 400; i++)
		putchar(p.p[i] == 10 ? 124 : p.p[i] >= 32 ? p.p[i] : 46);
	putchar('\n');
}

/* An origin answers every subrequest: the head of a file as servers send it, with a body that stays
 * in the node. */
static void answer_fetch(driver *d, uint32_t id)
{
	er_buf b = {0};
	const char *strings[] = {
	    "OK",
	    "server\nnginx/1.22.1\ndate\nMon, 23 Nov 2026 20:00:00 GMT\ncontent-type\ntext/html\ncontent-length\n10240\n"
	    "last-modified\nMon, 23 Nov 2026 20:00:00 GMT\netag\n\"6560b1a2-2800\"\naccept-ranges\nbytes\n",
	    "http://127.0.0.1:9310/"};
	for (size_t i = 0; i < 3; i++) {
		er_buf_put_le32(&b, (uint32_t)strlen(strings[i]));
		er_buf_put_cstr(&b, strings[i]);
	}
	er_frame f = {.type = ER_FRAME_SUB_HEAD,
	              .id = id,
	              .aux = 200,
	              .arg = 10240,
	              .flags = ER_FF_BODY | ER_FF_SUB,
	              .n = (uint32_t)er_buf_len(&b)};
	uint8_t *p = er_frame_write(&d->ch.out, &f);
	if (p == NULL)
		die("no room for an origin's answer");
	memcpy(p, b.p, er_buf_len(&b));
	er_buf_fini(&b);
	d->fetched = true;
}

static void take(driver *d, const er_frame *f, er_slice payload)
{
	if (d->show)
		show(f, payload);
	if (f->type == ER_FRAME_READY)
		d->ready = true;
	if (f->type == ER_FRAME_LOADED) {
		d->loaded = true;
		if (f->aux) {
			show(f, payload);
			exit(1);
		}
	}
	if (f->type == ER_FRAME_RESPONSE) {
		d->answered++;
		d->cpu_us += f->arg;
	}
	if (f->type == ER_FRAME_EXCEPTION && (f->flags & ER_FF_FATAL))
		d->failed++;
	if ((f->type == ER_FRAME_RESPONSE && (f->flags & ER_FF_DONE)) || f->type == ER_FRAME_DONE)
		d->done++;
	if (f->type == ER_FRAME_FETCH)
		answer_fetch(d, f->id);
	if (f->type == ER_FRAME_BODY_DATA) { /* a reader that reads */
		er_frame credit = {.type = ER_FRAME_CREDIT, .id = f->id, .flags = f->flags & ER_FF_SUB, .arg = f->n};
		if (!(f->flags & ER_FF_FIN) && er_frame_write(&d->ch.out, &credit) == NULL)
			die("no room for credit");
		wake(d);
	}
}

static void ended(driver *d)
{
	int status;
	struct rusage ru;
	wait4(d->pid, &status, 0, &ru);
	const er_obituary *o = &d->ch.control->obituary;
	printf("sandbox ended: %s %d; obituary: %s request=%u cpu=%u us detail=%u; max rss %ld KB\n",
	       WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
	       er_err_name((er_err_kind)atomic_load(&o->reason)), atomic_load(&o->request), atomic_load(&o->cpu_us),
	       atomic_load(&o->detail), ru.ru_maxrss);
	printf("answered %u failed %u done %u\n", d->answered, d->failed, d->done);
	exit(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 2);
}

/* Reads all that is there; when nothing is, waits for at most ms. */
static bool step(driver *d, int ms)
{
	er_slice bytes = er_ring_peek(&d->ch.in);
	size_t used = 0, whole;
	er_frame f;
	er_slice payload;
	while (er_frame_read(er_slice_from(bytes, used), &f, &payload, &whole) == ER_FRAME_OK) {
		take(d, &f, payload);
		used += whole;
	}
	uint64_t one = 1;
	if (used && er_ring_release(&d->ch.in, used))
		(void)!write(d->wake_sandbox, &one, sizeof one);
	if (d->fetched)
		wake(d);
	d->fetched = false;
	if (used || ms == 0 || !er_ring_sleep(&d->ch.in))
		return used != 0;
	struct pollfd p = {.fd = d->wake_node, .events = POLLIN};
	int n = poll(&p, 1, ms);
	(void)!read(d->wake_node, &one, sizeof one);
	er_ring_awake(&d->ch.in);
	if (n == 0) {
		int status;
		if (waitpid(d->pid, &status, WNOHANG | WNOWAIT) != 0)
			ended(d);
	}
	return n > 0;
}

static uint8_t *put(driver *d, const er_frame *f)
{
	uint8_t *p;
	while ((p = er_frame_write(&d->ch.out, f)) == NULL) {
		wake(d);
		step(d, 100);
	}
	return p;
}

static void load(driver *d, const char *script)
{
	FILE *in = fopen(script, "r");
	if (in == NULL)
		die(script);
	static char code[1 << 20];
	size_t n = fread(code, 1, sizeof code, in);
	fclose(in);
	er_buf b = {0};
	const char *strings[] = {"test", "v1", "test.js", "{\"NAME\":\"value\"}"};
	for (size_t i = 0; i < 4; i++) {
		er_buf_put_le32(&b, (uint32_t)strlen(strings[i]));
		er_buf_put_cstr(&b, strings[i]);
	}
	uint32_t limits[] = {d->cpu, d->cpu, d->memory, 32, 1000, (uint32_t)n, 0, UINT32_MAX / 2, 1 << 24};
	static_assert(sizeof limits == sizeof(er_load_limits), "every limit is said");
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		er_buf_put_le32(&b, limits[i]);
	er_frame f = {.type = ER_FRAME_LOAD, .n = (uint32_t)er_buf_len(&b)};
	memcpy(put(d, &f), b.p, er_buf_len(&b));
	er_buf_fini(&b);
	for (size_t at = 0; at < n || at == 0;) {
		size_t part = n - at < ER_FRAME_MAX ? n - at : ER_FRAME_MAX;
		f = (er_frame){.type = ER_FRAME_CODE, .n = (uint32_t)part, .flags = at + part == n ? ER_FF_FIN : 0};
		memcpy(put(d, &f), code + at, part);
		wake(d);
		at += part;
	}
}

static void request(driver *d, uint32_t id)
{
	er_buf b = {0};
	const char *strings[] = {d->method, "http://hello.localhost:8787/path?q=1", "user-agent\nwrk/4.1\naccept\n*/*\n",
	                         "remote_addr\n127.0.0.1\nscheme\nhttp\n"};
	for (size_t i = 0; i < 4; i++) {
		er_buf_put_le32(&b, (uint32_t)strlen(strings[i]));
		er_buf_put_cstr(&b, strings[i]);
	}
	er_frame f = {.type = ER_FRAME_REQUEST, .id = id};
	if (d->body != NULL) {
		er_buf_put_cstr(&b, d->body);
		f.flags = ER_FF_BODY | ER_FF_INLINE;
		f.arg = (uint32_t)strlen(d->body);
	}
	f.n = (uint32_t)er_buf_len(&b);
	memcpy(put(d, &f), b.p, er_buf_len(&b));
	er_buf_fini(&b);
}

static void memory(driver *d, const char *when)
{
	char path[64], line[256];
	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)d->pid);
	FILE *in = fopen(path, "r");
	if (in == NULL)
		return;
	printf("%s:", when);
	while (fgets(line, sizeof line, in) != NULL) {
		long kb;
		if (sscanf(line, "Rss: %ld", &kb) == 1)
			printf(" rss %ld", kb);
		if (sscanf(line, "Private_Clean: %ld", &kb) == 1)
			printf(" private clean %ld", kb);
		if (sscanf(line, "Private_Dirty: %ld", &kb) == 1)
			printf(" private dirty %ld KB", kb);
	}
	printf("\n");
	fclose(in);
}

static uint64_t cpu_us(const driver *d)
{
	clockid_t id;
	if (clock_getcpuclockid(d->pid, &id) != 0)
		return 0;
	return er_clock_us_(id);
}

static void parse(driver *d, int argc, char **argv)
{
	for (int i = 3; i < argc; i++) {
		(void)sscanf(argv[i], "requests=%u", &d->requests);
		(void)sscanf(argv[i], "batch=%u", &d->batch);
		(void)sscanf(argv[i], "cpu=%u", &d->cpu);
		(void)sscanf(argv[i], "memory=%u", &d->memory);
		if (strncmp(argv[i], "level=", 6) == 0)
			d->level = argv[i] + 6;
		if (strncmp(argv[i], "profile=", 8) == 0)
			d->profile = argv[i] + 8;
		if (strncmp(argv[i], "method=", 7) == 0)
			d->method = argv[i] + 7;
		if (strncmp(argv[i], "body=", 5) == 0)
			d->body = argv[i] + 5;
		d->show |= strcmp(argv[i], "show") == 0;
		d->idle |= strcmp(argv[i], "idle") == 0;
	}
}

static void run(driver *d)
{
	uint64_t t0 = er_clock_mono_us(), c0 = cpu_us(d);
	uint32_t id = 1;
	while (d->done < d->requests) {
		unsigned flight = id - 1 - d->done;
		if (id <= d->requests && flight < d->batch) {
			for (; id <= d->requests && id - 1 - d->done < d->batch; id++)
				request(d, id);
			wake(d);
		}
		step(d, 1000);
	}
	uint64_t us = er_clock_mono_us() - t0, cpu = cpu_us(d) - c0;
	printf("%u requests: %.0f/s wall, sandbox CPU %.3f us each (itself says %.3f)\n", d->requests, d->requests * 1e6 / (double)us,
	       (double)cpu / d->requests, (double)d->cpu_us / d->requests);
}

int main(int argc, char **argv)
{
	static driver d = {.requests = 1,
	                   .batch = 64,
	                   .cpu = 50000,
	                   .memory = 128 * 1024,
	                   .level = "seccomp-only",
	                   .profile = "standard",
	                   .method = "GET"};
	if (argc < 3) {
		fprintf(stderr, "usage: sandbox_driver SANDBOX SCRIPT [name=value...]\n");
		return 1;
	}
	parse(&d, argc, argv);
	uint64_t t0 = er_clock_mono_us();
	start(&d, argv[1]);
	while (!d.ready)
		step(&d, 1000);
	uint64_t t1 = er_clock_mono_us();
	if (d.idle) {
		usleep(300000);
		memory(&d, "after READY");
	}
	uint64_t t2 = er_clock_mono_us();
	load(&d, argv[2]);
	while (!d.loaded)
		step(&d, 1000);
	uint64_t t3 = er_clock_mono_us();
	request(&d, 1000000000);
	wake(&d);
	while (d.answered + d.failed < 1)
		step(&d, 1000);
	uint64_t t4 = er_clock_mono_us();
	d.answered = d.failed = d.done = 0;
	d.cpu_us = 0;
	printf("exec to READY %.2f ms, LOAD to LOADED %.2f ms, first response %.2f ms\n", (double)(t1 - t0) / 1e3,
	       (double)(t3 - t2) / 1e3, (double)(t4 - t3) / 1e3);
	if (d.idle)
		memory(&d, "after first response");
	run(&d);
	if (d.idle) {
		memory(&d, "after the run");
		sleep(4);
		memory(&d, "4 s later");
	}
	er_frame close_frame = {.type = ER_FRAME_CLOSE};
	put(&d, &close_frame);
	wake(&d);
	for (;;)
		step(&d, 200);
}
