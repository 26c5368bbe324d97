/* The node's log. er_log makes a whole line in a buffer of its own and then does one of two things.
 *
 * Before er_log_start, after er_log_stop, and in a process that was forked: it writes the line
 * itself, in pieces that a pipe takes whole, and gives up on a reader that does not read for two
 * seconds.
 *
 * In between: it puts the line into the queue, under the lock, and goes on; the thread "er-log"
 * takes the whole queue, lets go of the lock, and writes for as long as the reader takes. A queue
 * of more than ER_LOG_BEHIND_MAX takes no more lines, they are counted, and the count is said where
 * they would have been. So a thread that serves never waits for whoever reads standard error.
 *
 * States of the writer:  off → on (er_log_start) → ending (er_log_stop) → ended (the thread's last
 * word). er_log_stop waits two seconds for that word, then leaves the thread behind: the process
 * ends. A fork happens under the lock, so that the child's copy is whole, and the child is
 * `off`. */
#include "base/log.h"

#include "base/json_out.h"
#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
	LAST_WORDS_S = 2,
	GATHER_MS = 2,
	/* PIPE_BUF: what shares a pipe with another process's lines is not cut by them (pipe(7)) */
	PIECE = 4096,
};

static struct {
	er_log_level least;
	int json;
} setup = {ER_LOG_INFO, 0};

static_assert(PIECE <= PIPE_BUF, "a write of a piece to a pipe is whole (pipe(7))");
static_assert(ER_LOG_BEHIND_MAX >= 1024 * PIECE, "a flood of lines is held for a while before any is dropped");

/* The thread that writes, and what waits for it. Everything here is under `lock`. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	pthread_t thread;
	er_buf queue;
	size_t writing;        /* bytes it has taken from the queue and not written yet */
	unsigned long dropped; /* lines that found no room */
	unsigned long lost;    /* lines that standard error refused: said with the next ones */
	bool on, idle, ending, ended;
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

void er_log_setup(er_log_level least, int json)
{
	setup.least = least;
	setup.json = json;
}

/* For a person's terminal: no text may forge a line of its own or move the cursor. */
static void tame(char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < 0x20 && *text != '\t' && *text != '\n') || *text == 0x7f)
			*text = '?';
}

static void put_lines(er_buf *b, const char *text)
{
	er_slice rest = er_slice_cstr(text), line;
	for (bool first = true; er_slice_split(&rest, '\n', &line); first = false) {
		if (!first)
			er_buf_puts(b, "    ");
		er_buf_put(b, line);
		er_buf_putc(b, '\n');
	}
}

/* One record, as a line of text or of JSON. `text` is changed: what a terminal would obey is made
 * harmless. */
static void put_line(er_buf *b, er_log_level level, const char *room, char *text)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	static_assert(sizeof names / sizeof *names == ER_LOG_ERROR + 1, "a name for each level");
	ER_ASSERT((unsigned)level <= ER_LOG_ERROR && room != NULL);
	uint64_t now = er_clock_wall_us();
	time_t sec = (time_t)(now / 1000000U);
	struct tm tm;
	gmtime_r(&sec, &tm);
	char when[40];
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
	if (setup.json) {
		er_out o = er_out_into(b);
		er_out_open(&o, NULL, '{');
		er_out_time(&o, "time", (int64_t)(now / 1000U));
		er_out_cstr(&o, "level", names[level]);
		er_out_cstr(&o, "room", room);
		er_out_cstr(&o, "message", text);
		er_out_close(&o, '}');
		er_out_line(&o);
		er_out_back(&o, b);
	} else {
		tame(text);
		er_buf_printf(b, "%s.%03uZ %-5s %s: ", when, (unsigned)(now / 1000U % 1000U), names[level], room);
		put_lines(b, text[0] != '\0' ? text : " ");
	}
}

/* The first whole lines that make at most a piece, or one longer line. */
static er_slice piece_of(er_slice s)
{
	ER_ASSERT(s.n > 0);
	size_t n = s.n < PIECE ? s.n : PIECE;
	while (n > 0 && s.p[n - 1] != '\n')
		n--;
	if (n == 0)
		n = er_slice_find(s, '\n') + 1;
	return er_slice_head(s, n < s.n ? n : s.n);
}

static unsigned long lines_of(er_slice s)
{
	unsigned long n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

/* False: standard error does not take it. `patience_ms`: for one that says "later", which somebody
 * made it who shares the terminal or pipe; -1: for ever. */
static bool write_piece(er_slice s, int patience_ms)
{
	while (s.n > 0) {
		ssize_t n = write(STDERR_FILENO, s.p, s.n);
		if (n > 0) {
			s = er_slice_from(s, (size_t)n);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
		if (n == 0 || errno != EAGAIN || poll(&p, 1, patience_ms) == 0)
			return false;
	}
	return true;
}

/* Returns how many lines were lost. */
static unsigned long write_lines(er_slice s, int patience_ms)
{
	unsigned long lost = 0;
	while (s.n > 0) {
		er_slice piece = piece_of(s);
		ER_ASSERT(piece.n > 0 && piece.n <= s.n); /* so this ends */
		if (!write_piece(piece, patience_ms))
			lost += lines_of(piece);
		s = er_slice_from(s, piece.n);
	}
	return lost;
}

/* Where the lines would have been that were dropped. */
static void put_dropped(void)
{
	char text[120];
	if (writer.dropped == 0)
		return;
	snprintf(text, sizeof text, "%lu lines were dropped here: standard error did not take them fast enough", writer.dropped);
	writer.dropped = 0;
	put_line(&writer.queue, ER_LOG_WARN, "log", text);
}

/* False: the caller is to write it. */
static bool queue(er_slice line)
{
	pthread_mutex_lock(&writer.lock);
	bool on = writer.on;
	if (on && writer.writing + er_buf_len(&writer.queue) + line.n > ER_LOG_BEHIND_MAX) {
		writer.dropped++;
	} else if (on) {
		writer.dropped += writer.lost;
		writer.lost = 0;
		put_dropped();
		er_buf_put(&writer.queue, line);
		if (writer.idle)
			pthread_cond_signal(&writer.work);
		writer.idle = false;
	}
	pthread_mutex_unlock(&writer.lock);
	return on;
}

void er_log(er_log_level level, const char *room, const char *fmt, ...)
{
	if (level < setup.least)
		return;
	char text[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	er_buf b;
	er_buf_init(&b);
	er_buf_reserve(&b, sizeof text / 2);
	put_line(&b, level, room, text);
	if (!queue(er_buf_slice(&b)))
		(void)write_lines(er_buf_slice(&b), LAST_WORDS_S * 1000);
	er_buf_fini(&b);
}

/* One round of the thread, which holds the lock before and after it: what waits by now is
 * written. */
static void write_waiting(void)
{
	ER_ASSERT(writer.writing == 0);
	if (!writer.ending) { /* lines come in floods: one wake-up for many */
		pthread_mutex_unlock(&writer.lock);
		(void)nanosleep(&(struct timespec){.tv_nsec = GATHER_MS * 1000000L}, NULL);
		pthread_mutex_lock(&writer.lock);
	}
	put_dropped();
	er_buf taken = writer.queue;
	er_buf_init(&writer.queue);
	writer.writing = er_buf_len(&taken);
	pthread_mutex_unlock(&writer.lock);
	unsigned long lost = write_lines(er_buf_slice(&taken), -1);
	er_buf_fini(&taken);
	pthread_mutex_lock(&writer.lock);
	writer.writing = 0;
	writer.lost += lost;
}

/* The log's thread: writes while there is something, and waits. */
static void *write_queued(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&writer.lock);
	for (;;) {
		if (er_buf_len(&writer.queue) > 0 || writer.dropped > 0) {
			write_waiting();
			continue;
		}
		if (writer.ending)
			break;
		writer.idle = true;
		pthread_cond_wait(&writer.work, &writer.lock);
	}
	writer.ended = true;
	pthread_cond_signal(&writer.done);
	pthread_mutex_unlock(&writer.lock);
	return NULL;
}

/* A forked process has no such thread, and what waits is its parent's to write. */
static void before_fork(void)
{
	pthread_mutex_lock(&writer.lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&writer.lock);
}

static void in_child(void)
{
	writer.on = false;
	pthread_mutex_unlock(&writer.lock);
}

bool er_log_start(er_err *err)
{
	ER_ASSERT(!writer.on);
	static bool once;
	if (!once)
		pthread_atfork(before_fork, after_fork, in_child);
	once = true;
	/* Signals are the main thread's. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	writer.ending = writer.ended = false;
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&writer.done, &attr);
	pthread_condattr_destroy(&attr);
	int e = pthread_create(&writer.thread, NULL, write_queued, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = e;
	if (e != 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot start the log's thread");
	pthread_setname_np(writer.thread, "er-log");
	pthread_mutex_lock(&writer.lock);
	writer.on = true;
	pthread_mutex_unlock(&writer.lock);
	return true;
}

void er_log_stop(void)
{
	pthread_mutex_lock(&writer.lock);
	bool on = writer.on;
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += LAST_WORDS_S;
	writer.ending = true;
	writer.on = false;
	pthread_cond_signal(&writer.work);
	int e = 0;
	while (on && !writer.ended && e == 0)
		e = pthread_cond_timedwait(&writer.done, &writer.lock, &until);
	bool ended = writer.ended;
	pthread_mutex_unlock(&writer.lock);
	if (on && ended)
		pthread_join(writer.thread, NULL);
	else if (on)
		pthread_detach(writer.thread); /* nobody reads: the process may end without it */
}
