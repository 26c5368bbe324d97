/* The access log. Gateway threads gather lines in a buffer of their own and submit it now and then;
 * a submitted buffer is a batch in a list, and the log's one thread takes batch after batch and
 * writes it. `waiting` counts the bytes of batches that are not written yet; a batch that would
 * make it more than BEHIND_MAX is dropped, and its lines are counted.
 *
 * Under `lock`: the list, `waiting`, `ending`, `next_fd`. The descriptor itself belongs to the
 * thread: a reopen only leaves the new one in next_fd, which the thread takes before the next
 * batch. Close lets it write what is there and joins it; nobody may submit any more then.
 *
 * When the file cannot be written (a full disk), lines are dropped and counted, until one can be
 * written again: the node's log says so at both ends. A line that was cut is ended first.
 *
 * A line is made by er_access_log_record when a request is finished. If the routine works on, the
 * line waits in worker_events.c until the CPU figure in it is known (er_access_log_settle). */
#include "gateway/access_log.h"

#include "base/json_out.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

enum { BEHIND_MAX = 16 * 1024 * 1024, PATH_BYTES = 2048, AGENT_BYTES = 512, NO_CHANGE = -2 };

typedef struct batch {
	struct batch *next;
	er_buf bytes;
} batch;

/* Batches wait in a list under the lock; the thread takes them from its front. `waiting` counts
 * their bytes. */
struct er_access_log {
	int fd;      /* the thread's */
	int next_fd; /* to go on with, or NO_CHANGE */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	batch *first, **last;
	size_t waiting;
	bool ending;
	uint64_t dropped; /* atomic */
	/* the thread's: the last write failed; lines that were lost since; the file ends in a line that
	 * is not whole */
	bool failing, torn;
	uint64_t lost;
};

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* What could not be written, with errno; empty: all was. */
static er_slice write_some(int fd, er_slice s)
{
	while (s.n > 0) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		s = er_slice_from(s, (size_t)n);
	}
	return s;
}

static uint64_t lines_of(er_slice s)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

static void fails(er_access_log *log, er_slice left, int error)
{
	uint64_t n = lines_of(left);
	log->lost += n;
	__atomic_add_fetch(&log->dropped, n, __ATOMIC_RELAXED);
	if (!log->failing)
		er_log(ER_LOG_ERROR, "gateway",
		       "cannot write the access log: %s. Its lines are dropped until it can be written again; "
		       "er_access_log_dropped_total counts them",
		       strerror(error));
	log->failing = true;
}

static void write_batch(er_access_log *log, er_slice lines)
{
	if (log->torn && write_some(log->fd, ER_LIT("\n")).n > 0) {
		fails(log, lines, errno);
		return;
	}
	log->torn = false;
	er_slice left = write_some(log->fd, lines);
	if (left.n > 0) {
		int error = errno;
		log->torn = left.n < lines.n && left.p[-1] != '\n';
		fails(log, left, error);
	} else if (log->failing) {
		log->failing = false;
		er_log(ER_LOG_INFO, "gateway", "the access log is written again; %llu lines were dropped", (unsigned long long)log->lost);
		log->lost = 0;
	}
}

/* The thread of the log: writes batch after batch without the lock, and takes another file when it
 * is given one. Ends when it is told to and nothing is left. */
static void *writer(void *arg)
{
	er_access_log *log = arg;
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	pthread_mutex_lock(&log->lock);
	for (;;) {
		while (log->first == NULL && !log->ending && log->next_fd == NO_CHANGE)
			pthread_cond_wait(&log->wake, &log->lock);
		if (log->next_fd != NO_CHANGE) {
			close_fd(log->fd);
			log->fd = log->next_fd;
			log->next_fd = NO_CHANGE;
			log->torn = false;
			continue;
		}
		batch *b = log->first;
		if (b == NULL)
			break;
		ER_ASSERT(log->waiting >= er_buf_len(&b->bytes));
		log->first = b->next;
		if (log->first == NULL)
			log->last = &log->first;
		pthread_mutex_unlock(&log->lock);
		size_t n = er_buf_len(&b->bytes);
		if (log->fd >= 0)
			write_batch(log, er_buf_slice(&b->bytes));
		er_buf_fini(&b->bytes);
		er_free(b);
		pthread_mutex_lock(&log->lock);
		ER_ASSERT(log->waiting >= n);
		log->waiting -= n;
	}
	pthread_mutex_unlock(&log->lock);
	return NULL;
}

static bool open_file(const char *path, int *fd, er_err *err)
{
	*fd = -1;
	if (path == NULL)
		return true;
	bool standard = path[0] == '-' && path[1] == '\0';
	*fd = standard ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	return *fd >= 0 || er_fail_errno(err, ER_ERR_SYSTEM, "cannot open the access log %s", path);
}

er_access_log *er_access_log_open(const char *path, er_err *err)
{
	int fd;
	if (!open_file(path, &fd, err))
		return NULL;
	er_access_log *log = ER_NEW(er_access_log);
	log->fd = fd;
	log->next_fd = NO_CHANGE;
	log->last = &log->first;
	pthread_mutex_init(&log->lock, NULL);
	pthread_cond_init(&log->wake, NULL);
	if (pthread_create(&log->thread, NULL, writer, log) != 0) {
		er_fail(err, ER_ERR_SYSTEM, "cannot start the access log's thread");
		close_fd(fd);
		er_free(log);
		return NULL;
	}
	return log;
}

bool er_access_log_reopen(er_access_log *log, const char *path, er_err *err)
{
	int fd;
	if (!open_file(path, &fd, err))
		return false;
	pthread_mutex_lock(&log->lock);
	if (log->next_fd != NO_CHANGE)
		close_fd(log->next_fd);
	log->next_fd = fd;
	pthread_cond_signal(&log->wake);
	pthread_mutex_unlock(&log->lock);
	return true;
}

void er_access_log_close(er_access_log *log)
{
	if (log == NULL)
		return;
	pthread_mutex_lock(&log->lock);
	log->ending = true;
	pthread_cond_signal(&log->wake);
	pthread_mutex_unlock(&log->lock);
	pthread_join(log->thread, NULL);
	ER_ASSERT(log->first == NULL && log->waiting == 0 && log->next_fd == NO_CHANGE);
	pthread_mutex_destroy(&log->lock);
	pthread_cond_destroy(&log->wake);
	close_fd(log->fd);
	er_free(log);
}

void er_access_log_submit(er_access_log *log, er_buf *lines, uint64_t n_lines)
{
	size_t n = er_buf_len(lines);
	ER_ASSERT(n == 0 || n_lines > 0);
	if (n == 0)
		return;
	ER_ASSERT(log != NULL);
	pthread_mutex_lock(&log->lock);
	bool full = log->waiting + n > BEHIND_MAX;
	if (!full) {
		batch *b = ER_NEW(batch);
		b->bytes = *lines;
		er_buf_init(lines);
		*log->last = b;
		log->last = &b->next;
		log->waiting += n;
		pthread_cond_signal(&log->wake);
	}
	pthread_mutex_unlock(&log->lock);
	if (full) {
		er_buf_clear(lines);
		__atomic_add_fetch(&log->dropped, n_lines, __ATOMIC_RELAXED);
	}
}

uint64_t er_access_log_dropped(const er_access_log *log)
{
	return log == NULL ? 0 : __atomic_load_n(&log->dropped, __ATOMIC_RELAXED);
}

/* A header of the client, if there is one. Of a URL without the query and the fragment, for the
 * same reason as with the path. */
static void put_field(er_out *out, const char *key, const er_exchange *x, er_slice name, size_t most)
{
	const er_slice *v = er_fields_get(&x->req.fields, name);
	if (v == NULL)
		return;
	er_slice text = *v;
	if (er_slice_eq(name, ER_LIT("referer")))
		text = er_slice_head(er_slice_head(text, er_slice_find(text, '?')), er_slice_find(text, '#'));
	er_out_str(out, key, er_slice_head(text, most));
}

/* Their number, and by class of status those that there were. */
static void put_subrequests(er_out *out, const er_exchange_facts *facts)
{
	static const char *const classes[] = {"failed", "1xx", "2xx", "3xx", "4xx", "5xx"};
	er_out_u64(out, "subrequests", facts->subrequests);
	if (facts->subrequests == 0)
		return;
	static_assert(sizeof classes / sizeof *classes == sizeof facts->subrequests_by_class / sizeof *facts->subrequests_by_class,
	              "a name for each class");
	er_out_open(out, "subrequest_status", '{');
	for (int i = 0; i < 6; i++)
		if (facts->subrequests_by_class[i] != 0)
			er_out_u64(out, classes[i], facts->subrequests_by_class[i]);
	er_out_close(out, '}');
}

/* Questions of the key-value store among them, if there were any. */
static void put_kv(er_out *out, const er_exchange_facts *facts)
{
	if (facts->kv_reads == 0 && facts->kv_writes == 0)
		return;
	er_out_open(out, "kv", '{');
	er_out_u64(out, "reads", facts->kv_reads);
	er_out_u64(out, "writes", facts->kv_writes);
	er_out_close(out, '}');
}

size_t er_access_log_record(er_buf *line, const er_finished *f)
{
	er_out o = er_out_into(line), *out = &o;
	const er_exchange *x = f->x;
	const er_routine *r = f->served->routine;
	er_slice target = x->req.target;
	char address[ER_ADDRESS_TEXT];
	er_out_open(out, NULL, '{');
	er_out_time(out, "time", (int64_t)(er_clock_wall_us() / 1000));
	er_out_id(out, "id", x->id);
	if (r != NULL) {
		er_out_str(out, "routine", r->name);
		er_out_str(out, "environment", er_slice_cstr(er_env_name(f->served->deployment->env)));
		er_out_str(out, "version", r->version);
	}
	er_out_str(out, "client", er_address_text(&x->peer.address, address));
	er_out_str(out, "method", er_slice_head(x->req.method, 64));
	er_out_str(out, "host", er_slice_head(x->req.authority, 256));
	/* Without the query: it may hold what must not be in a log. */
	er_out_str(out, "path", er_slice_head(er_slice_head(target, er_slice_find(target, '?')), PATH_BYTES));
	if (x->req.method.n > 0)
		er_out_str(out, "protocol", er_protocol_name(x->peer.protocol));
	put_field(out, "user_agent", x, ER_LIT("user-agent"), AGENT_BYTES);
	put_field(out, "referer", x, ER_LIT("referer"), PATH_BYTES);
	er_out_u64(out, "status", (uint64_t)f->status);
	er_out_u64(out, "bytes", f->sent);
	size_t cpu_at = er_buf_len(&out->b) + sizeof(",\"cpu_us\":") - 1;
	er_out_u64(out, "cpu_us", x->facts.cpu_us);
	er_out_ms(out, "wall_ms", f->wall_us);
	put_subrequests(out, &x->facts);
	put_kv(out, &x->facts);
	if (x->facts.cache != NULL)
		er_out_cstr(out, "cache", x->facts.cache);
	if (x->facts.cold_start)
		er_out_bool(out, "cold_start", true);
	if (f->cut)
		er_out_bool(out, "cut", true);
	if (x->res.error != ER_ERR_OK) {
		er_out_str(out, "error", er_slice_cstr(er_err_name(x->res.error)));
		if (x->res.error_text.n > 0)
			er_out_str(out, "message", er_slice_head(x->res.error_text, 512));
	}
	er_out_close(out, '}');
	er_out_line(out);
	er_out_back(out, line);
	return cpu_at;
}

void er_access_log_settle(er_buf *out, er_slice line, size_t cpu_at, uint64_t cpu_us, bool running)
{
	ER_ASSERT(cpu_at < line.n && line.p[line.n - 1] == '\n' && line.p[line.n - 2] == '}');
	er_slice rest = er_slice_from(line, cpu_at);
	while (rest.n > 0 && rest.p[0] >= '0' && rest.p[0] <= '9')
		rest = er_slice_from(rest, 1);
	er_buf_put(out, er_slice_head(line, cpu_at));
	er_buf_printf(out, "%llu", (unsigned long long)cpu_us);
	er_buf_put(out, er_slice_head(rest, rest.n - 2)); /* without the brace and the line's end */
	er_buf_put_cstr(out, running ? ",\"running\":true}\n" : "}\n");
}
