/* The node as a service of its machine (node_service.h). States, in `up`, `waits`, `over` and
 * `upgrade`:
 *
 *   new ──► up ──► (waits: the predecessor still takes connections) ──► announced ──► over
 *                                                     └─ upgrade: a successor is starting ─► over, or on as before
 *
 * Before it is up, whatever goes wrong is told to the predecessor, if there is one (`channel`), by
 * er_service_refuse. When it is up and has a predecessor, it waits until that has named this
 * process as the service; only then the service manager listens to it, and it is announced.
 *
 * An upgrade: the node is paused (no change is applied), a successor is started with the
 * descriptors, and er_upgrade calls on_accepting or on_failed exactly once. A reload that comes
 * meanwhile is done after it, by whichever of the two serves then. The service belongs to
 * cli/node.c and outlives the node. */
#include "cli/node_service.h"

#include "base/log.h"
#include "base/mem.h"
#include "cli/ending.h"
#include "gateway/notify.h"
#include "gateway/upgrade.h"
#include "gateway/watchdog.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { MAGIC = 0x53525643, STATUS_MAX = 200 };

/* From the first line of the command to its last. `upgrade` is the one that runs, if one does. */
struct er_service {
	uint32_t magic;
	er_program *program;
	er_inherited *inherited;
	er_notify *notify;
	er_watchdog *watchdog;
	er_service_node node;
	int channel; /* to the predecessor, or -1 */
	uv_poll_t predecessor;
	uv_signal_t signal;
	bool up, waits, over; /* waits: for the predecessor's end of taking connections */
	char status[STATUS_MAX];
	er_upgrade *upgrade;
	bool reload_later;
	er_service_done *done;
	void *done_ctx;
};

er_service *er_service_new(char *const *argv, er_err *err)
{
	ER_ASSERT(argv != NULL && argv[0] != NULL);
	er_program *program = er_program_note(argv);
	er_inherited *inherited = er_inherited_read(err);
	if (inherited == NULL) {
		er_program_free(program);
		return NULL;
	}
	er_service *s = ER_NEW(er_service);
	*s = (er_service){.magic = MAGIC, .program = program, .inherited = inherited, .notify = er_notify_open()};
	s->channel = er_inherited_take_one(inherited, "channel", "-");
	return s;
}

void er_service_free(er_service *s)
{
	if (s == NULL)
		return;
	ER_CHECK(s, MAGIC);
	ER_ASSERT(!s->up && !s->waits && s->upgrade == NULL);
	if (s->channel >= 0)
		close(s->channel);
	er_inherited_free(s->inherited);
	er_notify_close(s->notify);
	er_program_free(s->program);
	s->magic = 0;
	er_free(s);
}

/* ---- starting ---- */

er_inherited *er_service_inherited(er_service *s)
{
	ER_CHECK(s, MAGIC);
	return s->inherited;
}

bool er_service_before_accept(void *service, er_err *err)
{
	er_service *s = service;
	ER_CHECK(s, MAGIC);
	ER_ASSERT(!s->up && s->inherited != NULL);
	er_buf left;
	er_buf_init(&left);
	bool any = er_inherited_left(s->inherited, &left);
	if (any && s->channel >= 0)
		er_log(ER_LOG_INFO, "node", "not taken over, as the configuration does not name it any more: %.*s",
		       ER_FMT(er_buf_slice(&left)));
	else if (any)
		er_fail(err, ER_ERR_INVALID,
		        "the socket unit listens on %.*s, and neither \"listen\" nor \"admin\" of the configuration says so",
		        ER_FMT(er_buf_slice(&left)));
	er_buf_fini(&left);
	if (any && s->channel < 0)
		return false;
	er_inherited_free(s->inherited);
	s->inherited = NULL;
	return s->channel < 0 || er_upgrade_ready(s->channel, err);
}

void er_service_refuse(er_service *s, const char *why)
{
	ER_CHECK(s, MAGIC);
	ER_ASSERT(!s->up && why != NULL);
	if (s->channel >= 0)
		er_upgrade_refuse(s->channel, why);
	s->channel = -1;
}

/* The service manager hears that it is ready, and from now on that it is alive. */
static void announce(er_service *s)
{
	ER_ASSERT(s->up && !s->waits && s->watchdog == NULL);
	er_notify_ready(s->notify, s->status);
	s->watchdog = er_watchdog_start(s->node.loop, s->node.node, s->notify);
}

/* The predecessor has named this process as the service, or is gone. Before that the service
 * manager would not listen to it. */
static void on_predecessor(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	er_service *s = poll->data;
	ER_CHECK(s, MAGIC);
	ER_ASSERT(s->waits && s->channel >= 0);
	uv_poll_stop(poll);
	uv_close((uv_handle_t *)poll, NULL);
	close(s->channel);
	s->channel = -1;
	s->waits = false;
	if (!s->over)
		announce(s);
}

static void on_upgrade_signal(uv_signal_t *handle, int signum)
{
	(void)signum;
	er_service_upgrade(handle->data, NULL, NULL);
}

static void set_status(er_service *s, const char *status)
{
	snprintf(s->status, sizeof s->status, "%s", status);
}

void er_service_up(er_service *s, const er_service_node *node, const char *status)
{
	ER_CHECK(s, MAGIC);
	ER_ASSERT(!s->up && node->loop != NULL && node->node != NULL && node->handed_over != NULL && node->reload != NULL);
	s->node = *node;
	s->up = true;
	set_status(s, status);
	uv_signal_init(node->loop, &s->signal);
	s->signal.data = s;
	uv_signal_start(&s->signal, on_upgrade_signal, SIGUSR2);
	if (s->channel < 0) {
		announce(s);
		return;
	}
	er_upgrade_accepting(s->channel);
	s->waits = true;
	s->predecessor.data = s;
	uv_poll_init(node->loop, &s->predecessor, s->channel);
	uv_poll_start(&s->predecessor, UV_READABLE | UV_DISCONNECT, on_predecessor);
}

/* ---- running ---- */

bool er_service_reloading(er_service *s)
{
	ER_CHECK(s, MAGIC);
	if (s->upgrade != NULL) {
		er_log(ER_LOG_INFO, "node", "the configuration will be read again after the upgrade that runs");
		s->reload_later = true;
		return false;
	}
	er_notify_reloading(s->notify);
	return true;
}

void er_service_reloaded(er_service *s, const char *status)
{
	ER_CHECK(s, MAGIC);
	set_status(s, status);
	er_notify_ready(s->notify, s->status);
}

void er_service_stopping(er_service *s)
{
	ER_CHECK(s, MAGIC);
	if (s->over)
		return;
	s->over = true;
	if (s->upgrade != NULL)
		er_upgrade_cancel(s->upgrade, "the node was told to end");
	er_notify_send(s->notify, "STOPPING=1\nSTATUS=finishing what runs");
}

static void close_signal(er_service *s)
{
	if (s->up)
		er_ending_close_signals((uv_signal_t *[]){&s->signal}, 1);
	s->up = false;
}

void er_service_down(er_service *s)
{
	ER_CHECK(s, MAGIC);
	s->over = true;
	if (s->waits) {
		uv_poll_stop(&s->predecessor);
		uv_close((uv_handle_t *)&s->predecessor, NULL);
	}
	s->waits = false;
	er_watchdog_end(s->watchdog);
	s->watchdog = NULL;
	close_signal(s);
}

/* ---- the successor ---- */

/* The upgrade is over: err NULL, the successor serves. `done` may begin something, so the notes are
 * cleared before. */
static void finish(er_service *s, const er_err *err)
{
	ER_ASSERT(s->upgrade != NULL);
	er_service_done *done = s->done;
	void *ctx = s->done_ctx;
	s->upgrade = NULL;
	s->done = NULL;
	if (err != NULL)
		er_node_pause(s->node.node, false);
	if (done != NULL)
		done(ctx, err);
}

/* The successor takes connections: from here on this process only finishes what it has. A reload
 * that was put off is the successor's. */
static void on_accepting(void *ctx, pid_t pid)
{
	er_service *s = ctx;
	ER_CHECK(s, MAGIC);
	er_log(ER_LOG_INFO, "node", "upgraded: process %ld serves now; finishing what runs", (long)pid);
	er_notify_send(s->notify, "MAINPID=%ld", (long)pid);
	er_watchdog_end(s->watchdog);
	s->watchdog = NULL;
	s->over = true;
	if (s->reload_later)
		kill(pid, SIGHUP);
	finish(s, NULL);
	s->node.handed_over(s->node.ctx);
}

/* Whatever was paused goes on; a reload that was put off is done here. */
static void on_failed(void *ctx, const er_err *err)
{
	er_service *s = ctx;
	ER_CHECK(s, MAGIC);
	er_log(ER_LOG_ERROR, "node", "not upgraded, this process goes on: %s", err->text);
	er_node_upgrade_failed(s->node.node);
	bool reload = s->reload_later && !s->over;
	s->reload_later = false;
	finish(s, err);
	if (reload)
		s->node.reload(s->node.ctx);
}

/* Asked before the successor reads the store: no change may be on its way. */
static bool quiet(void *ctx)
{
	const er_service *s = ctx;
	return er_node_quiet(s->node.node);
}

/* One upgrade at a time, and none while this process is beginning or ending. */
static bool may_begin(const er_service *s, er_err *err)
{
	if (s->over)
		return er_fail(err, ER_ERR_UNAVAILABLE, "this node is ending");
	if (s->upgrade != NULL)
		return er_fail(err, ER_ERR_UNAVAILABLE, "an upgrade runs already");
	if (s->waits)
		return er_fail(err, ER_ERR_UNAVAILABLE, "the last upgrade is not over yet");
	if (getpid() == 1)
		return er_fail(err, ER_ERR_UNAVAILABLE,
		               "process 1 of a container cannot be replaced from within: the container would end with it. Start the node "
		               "under an init (docker run --init)");
	return true;
}

void er_service_upgrade(er_service *s, er_service_done *done, void *ctx)
{
	ER_CHECK(s, MAGIC);
	er_err err = {0};
	if (may_begin(s, &err)) {
		ER_ASSERT(s->up && s->done == NULL);
		er_upgrade_options o = {.loop = s->node.loop,
		                        .program = s->program,
		                        .give = er_inherited_new(),
		                        .timeout_ms = s->node.upgrade_ms,
		                        .quiet = quiet,
		                        .accepting = on_accepting,
		                        .failed = on_failed,
		                        .ctx = s};
		er_node_endow(s->node.node, o.give);
		er_log(ER_LOG_INFO, "node", "upgrading: starting the program again");
		er_node_pause(s->node.node, true);
		s->upgrade = er_upgrade_start(&o, &err);
		if (s->upgrade != NULL) {
			s->done = done;
			s->done_ctx = ctx;
			return;
		}
		er_node_pause(s->node.node, false);
	}
	er_log(ER_LOG_ERROR, "node", "not upgraded, this process goes on: %s", err.text);
	if (done != NULL)
		done(ctx, &err);
}
