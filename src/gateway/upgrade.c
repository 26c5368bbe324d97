/* Handing over: the protocol of upgrade.h, from both ends.
 *
 * The old node's side is one object with three handles on the loop (channel, time-out, and a timer
 * that asks for a quiet moment). Its states:
 *
 *    started → ready (READY came) → committed (GO was said) → over (ACCEPTING came)
 *    any of them → over (refused, ended, late, cancelled): the new process is killed and reaped
 *
 * "Over" is entered once (end), then exactly one of the caller's two functions is called, and the
 * memory goes when the third handle has closed. What comes over the channel is another program's:
 * an unexpected byte fails the upgrade and is never asserted.
 *
 * The new node's side are three calls that block for a moment, before its loop runs. er_program is
 * how this process was started, noted first thing in main. */
#include "gateway/upgrade.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAGIC = 0x55504752, FIRST_FD = 3, TEXT_MAX = 512, LOOK_MS = 5, WAIT_GO_MS = 60000 };
/* What goes over the channel: a byte each, REFUSED with its reason behind it. */
enum { READY = 'R', GO = 'G', ACCEPTING = 'A', REFUSED = 'E' };

struct er_program {
	/* absolute, not resolved: a link that points to a newer program is followed then */
	char *path;
	char **argv; /* ends with NULL */
	int folder;  /* where it was started */
};

/* One attempt, from fork to success or failure. The successor is `pid`, and `channel` our end of
 * the talk with it. */
struct er_upgrade {
	uint32_t magic;
	er_upgrade_options o;
	pid_t pid;
	int channel;
	bool ready, committed, over;
	unsigned handles;
	uv_poll_t poll;
	uv_timer_t timer, look; /* look: ready, and the moment does not suit yet */
	char refusal[TEXT_MAX];
	size_t refusal_n;
	bool refused;
};

extern char **environ;

/* ---- how this process was started ---- */

static bool executable(const char *path)
{
	return access(path, X_OK) == 0;
}

/* The file of this process as the kernel knows it; one that was replaced has " (deleted)" behind
 * its name. */
static bool running_file(char *out, size_t cap)
{
	static const char deleted[] = " (deleted)";
	ssize_t n = readlink("/proc/self/exe", out, cap - 1);
	if (n <= 0)
		return false;
	out[n] = '\0';
	er_slice s = er_slice_of(out, (size_t)n);
	if (er_slice_ends(s, er_slice_cstr(deleted)))
		out[s.n - (sizeof deleted - 1)] = '\0';
	return true;
}

er_program *er_program_note(char *const *argv)
{
	er_program *p = ER_NEW(er_program);
	char path[2 * PATH_MAX], folder[PATH_MAX];
	/* As it was executed: after a search of PATH, before links are followed. */
	const char *as =
	    /* NOLINT(performance-no-int-to-ptr): the kernel's way to hand over a string */
	    (const char *)getauxval(AT_EXECFN);
	bool have = as != NULL && as[0] == '/';
	if (have)
		snprintf(path, sizeof path, "%s", as);
	else if (as != NULL && as[0] != '\0' && getcwd(folder, sizeof folder) != NULL)
		have = snprintf(path, sizeof path, "%s/%s", folder, as) < (int)sizeof path;
	have = have && executable(path);
	if (have || running_file(path, sizeof path))
		p->path = er_strdup_cstr(path);
	size_t n = 0;
	while (argv[n] != NULL)
		n++;
	p->argv = er_zalloc((n + 1) * sizeof *p->argv);
	for (size_t i = 0; i < n; i++)
		p->argv[i] = er_strdup_cstr(i == 0 && p->path != NULL ? p->path : argv[i]);
	p->folder = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return p;
}

void er_program_free(er_program *p)
{
	if (p == NULL)
		return;
	for (char **a = p->argv; *a != NULL; a++)
		er_free(*a);
	er_free(p->argv);
	er_free(p->path);
	if (p->folder >= 0)
		close(p->folder);
	er_free(p);
}

/* ---- starting the successor ---- */

/* The environment of this process, but for what was meant for it alone. The strings are borrowed
 * but for the last, *mine. */
static char **environment(const char *upgrade, char **mine)
{
	static const char *const names[] = {"ER_UPGRADE=", "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=", "WATCHDOG_PID="};
	size_t n = 0, kept = 0;
	while (environ[n] != NULL)
		n++;
	char **out = er_zalloc((n + 2) * sizeof *out);
	for (size_t i = 0; i < n; i++) {
		bool drop = false;
		for (size_t k = 0; k < sizeof names / sizeof *names; k++)
			drop = drop || er_slice_starts(er_slice_cstr(environ[i]), er_slice_cstr(names[k]));
		if (!drop)
			out[kept++] = environ[i];
	}
	er_buf b;
	er_buf_init(&b);
	er_buf_puts(&b, "ER_UPGRADE=");
	er_buf_put_cstr(&b, upgrade);
	*mine = er_strdup_slice(er_buf_slice(&b));
	er_buf_fini(&b);
	ER_ASSERT(kept <= n);
	out[kept] = *mine;
	return out;
}

/* The successor's descriptors are 3, 4, ... and nothing else is open there: `high` are copies above
 * all of these, so that none is overwritten before it was copied. */
static int plan(posix_spawn_file_actions_t *fa, const er_program *p, const int *high, unsigned n)
{
	int rc = p->folder >= 0 ? posix_spawn_file_actions_addfchdir_np(fa, p->folder) : 0;
	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = posix_spawn_file_actions_adddup2(fa, high[i], FIRST_FD + (int)i);
	return rc != 0 ? rc : posix_spawn_file_actions_addclosefrom_np(fa, FIRST_FD + (int)n);
}

static int spawn(const er_program *p, const int *high, unsigned n, char *const *env, pid_t *pid)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	int rc = plan(&fa, p, high, n);
	if (rc == 0)
		rc = posix_spawn(pid, p->path, &fa, &attr, p->argv, env);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	return rc;
}

/* Copies above what the successor will use. */
static bool copy_high(const er_inherited *give, int *high, unsigned n)
{
	er_inherited_list(give, high);
	for (unsigned i = 0; i < n; i++) {
		high[i] = fcntl(high[i], F_DUPFD_CLOEXEC, FIRST_FD + (int)n);
		if (high[i] >= 0)
			continue;
		while (i-- > 0)
			close(high[i]);
		return false;
	}
	return true;
}

static bool launch(const er_upgrade_options *o, int channel, pid_t *pid, er_err *err)
{
	if (o->program->path == NULL || !executable(o->program->path))
		return er_fail(err, ER_ERR_SYSTEM, "the program %s is not there any more, or cannot be executed",
		               o->program->path != NULL ? o->program->path : "of this process");
	er_inherited_add(o->give, "channel", "-", &channel, 1);
	unsigned n = er_inherited_count(o->give);
	int *high = er_alloc(n * sizeof *high);
	if (!copy_high(o->give, high, n)) {
		er_free(high);
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot copy %u descriptors for the new process", n);
	}
	er_buf text;
	er_buf_init(&text);
	er_inherited_text(o->give, FIRST_FD, &text);
	er_buf_putc(&text, '\0');
	char *mine;
	char **env = environment((const char *)er_buf_slice(&text).p, &mine);
	int rc = spawn(o->program, high, n, env, pid);
	for (unsigned i = 0; i < n; i++)
		close(high[i]);
	er_free(high);
	er_free(mine);
	er_free(env);
	er_buf_fini(&text);
	errno = rc;
	return rc == 0 || er_fail_errno(err, ER_ERR_SYSTEM, "cannot start %s", o->program->path);
}

/* ---- the old node ---- */

static void on_closed(uv_handle_t *handle)
{
	er_upgrade *u = handle->data;
	ER_CHECK(u, MAGIC);
	ER_ASSERT(u->over && u->handles > 0);
	if (--u->handles > 0)
		return;
	close(u->channel);
	u->magic = 0;
	er_free(u);
}

static void end(er_upgrade *u)
{
	ER_ASSERT(!u->over && u->handles == 3);
	u->over = true;
	uv_close((uv_handle_t *)&u->poll, on_closed);
	uv_close((uv_handle_t *)&u->timer, on_closed);
	uv_close((uv_handle_t *)&u->look, on_closed);
}

/* How it ended, in words; it is dead, or about to be. */
static void bury(er_upgrade *u, char *out, size_t cap)
{
	int status = 0;
	pid_t got;
	while ((got = waitpid(u->pid, &status, 0)) < 0 && errno == EINTR)
		;
	if (got == u->pid && WIFSIGNALED(status))
		snprintf(out, cap, "it was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(out, cap, "it ended with status %d", got == u->pid ? WEXITSTATUS(status) : -1);
}

static void fail_with(er_upgrade *u, const char *why)
{
	char how[128];
	er_err err = {0};
	if (u->over)
		return;
	kill(u->pid, SIGKILL);
	bury(u, how, sizeof how);
	er_fail(&err, ER_ERR_UNAVAILABLE, "the new process (%ld) did not take over: %s", (long)u->pid, why != NULL ? why : how);
	end(u);
	u->o.failed(u->o.ctx, &err);
}

/* The channel ended. So did the process, as a rule: what kills it again then changes nothing. */
static void on_end(er_upgrade *u)
{
	char text[TEXT_MAX + 1];
	snprintf(text, sizeof text, "%.*s", (int)u->refusal_n, u->refusal);
	fail_with(u, u->refusal_n > 0 ? text : NULL);
}

static void commit(er_upgrade *u)
{
	static const char go = GO;
	ER_ASSERT(u->ready && !u->committed && !u->over);
	if (u->o.quiet != NULL && !u->o.quiet(u->o.ctx))
		return;
	uv_timer_stop(&u->look);
	u->committed = true;
	if (send(u->channel, &go, 1, MSG_NOSIGNAL) != 1)
		fail_with(u, "it cannot be told to begin");
}

static void on_look(uv_timer_t *timer)
{
	commit(timer->data);
}

static void on_byte(er_upgrade *u, char byte)
{
	if (u->refused) {
		ER_ASSERT(u->refusal_n <= sizeof u->refusal);
		if (u->refusal_n < sizeof u->refusal)
			u->refusal[u->refusal_n++] = byte;
	} else if (byte == REFUSED) {
		u->refused = true;
	} else if (byte == READY && !u->ready) {
		u->ready = true;
		uv_timer_start(&u->look, on_look, LOOK_MS, LOOK_MS);
		commit(u);
	} else if (byte == ACCEPTING && u->committed) {
		end(u);
		u->o.accepting(u->o.ctx, u->pid);
	} else {
		fail_with(u, "it says what no node says; is it another program?");
	}
}

static void on_channel(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	er_upgrade *u = poll->data;
	ER_CHECK(u, MAGIC);
	char bytes[TEXT_MAX];
	while (!u->over) {
		ssize_t n = recv(u->channel, bytes, sizeof bytes, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			on_end(u);
			return;
		}
		for (ssize_t i = 0; i < n && !u->over; i++)
			on_byte(u, bytes[i]);
	}
}

static void on_late(uv_timer_t *timer)
{
	er_upgrade *u = timer->data;
	char text[128];
	snprintf(text, sizeof text, "%s within %u ms", u->ready ? "this node had no quiet moment" : "it was not ready",
	         u->o.timeout_ms);
	fail_with(u, text);
}

static er_upgrade *watch(const er_upgrade_options *options, int channel, pid_t pid)
{
	ER_ASSERT(pid > 0 && channel >= 0 && options->accepting != NULL && options->failed != NULL);
	er_upgrade *u = ER_NEW(er_upgrade);
	*u = (er_upgrade){.magic = MAGIC, .o = *options, .pid = pid, .channel = channel, .handles = 3};
	u->o.give = NULL;
	uv_poll_init(options->loop, &u->poll, channel);
	uv_timer_init(options->loop, &u->timer);
	uv_timer_init(options->loop, &u->look);
	u->poll.data = u->timer.data = u->look.data = u;
	uv_poll_start(&u->poll, UV_READABLE | UV_DISCONNECT, on_channel);
	uv_timer_start(&u->timer, on_late, options->timeout_ms, 0);
	return u;
}

er_upgrade *er_upgrade_start(const er_upgrade_options *options, er_err *err)
{
	int pair[2];
	pid_t pid = -1;
	bool ok = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0;
	if (!ok) {
		er_fail_errno(err, ER_ERR_SYSTEM, "cannot make a channel to the new process");
	} else {
		ok = launch(options, pair[1], &pid, err);
		close(pair[1]);
		if (!ok)
			close(pair[0]);
	}
	er_inherited_free(options->give);
	return ok ? watch(options, pair[0], pid) : NULL;
}

void er_upgrade_cancel(er_upgrade *u, const char *why)
{
	ER_CHECK(u, MAGIC);
	ER_ASSERT(why != NULL);
	fail_with(u, why);
}

/* ---- the new node ---- */

bool er_upgrade_ready(int channel, er_err *err)
{
	static const char ready = READY;
	char answer = 0;
	struct pollfd p = {.fd = channel, .events = POLLIN};
	if (send(channel, &ready, 1, MSG_NOSIGNAL) != 1)
		return true;
	int rc;
	while ((rc = poll(&p, 1, WAIT_GO_MS)) < 0 && errno == EINTR)
		;
	if (rc == 0)
		return er_fail(err, ER_ERR_TIMEOUT, "the node that is to be taken over from does not answer");
	ssize_t n = recv(channel, &answer, 1, 0);
	if (n == 1 && answer == GO)
		return true;
	if (n == 1)
		return er_fail(err, ER_ERR_PROTOCOL, "the node that is to be taken over from says what no node says");
	er_log(ER_LOG_WARN, "node", "the node that is to be taken over from is gone: this one goes on without it");
	return true;
}

void er_upgrade_accepting(int channel)
{
	static const char accepting = ACCEPTING;
	(void)!send(channel, &accepting, 1, MSG_NOSIGNAL);
}

void er_upgrade_refuse(int channel, const char *why)
{
	char text[TEXT_MAX];
	int n = snprintf(text, sizeof text, "%c%s", REFUSED, why);
	if (n > 0)
		(void)!send(channel, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, MSG_NOSIGNAL);
	close(channel);
}
