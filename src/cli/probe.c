#include "cli/probe.h"

#include "base/buf.h"
#include "base/clock.h"
#include "isolate/sourcemap.h"
#include "isolate/spawner.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOT = 1, PROBE_S = 10, CODE_FRAME = 32 * 1024, CONSOLE_MAX = 64 * 1024 };

typedef struct probe {
	er_arena *arena;
	const er_routine *routine;
	er_probe *out;
	er_channel channel;
	int wake_sandbox, wake_node, sock;
	er_sourcemap *map;
	er_buf console;
	bool ready, load_begun, sent, over;
	size_t sent_n;
} probe;

static void publish(probe *p)
{
	uint64_t one = 1;
	if (er_ring_publish(&p->channel.out) && write(p->wake_sandbox, &one, sizeof one) < 0)
		p->over = true; /* an eventfd does not fail */
}

/* False: no room now. */
static bool write_load(probe *p)
{
	const er_routine *r = p->routine;
	const er_slice strings[] = {r->name, r->version, r->source_url, r->env_json};
	const er_limits *l = &r->limits;
	const uint32_t numbers[] = {l->cpu_us, l->load_cpu_us,      l->memory_kb, l->subrequests,
	                            l->timers, (uint32_t)r->code.n, r->compat};
	size_t n = sizeof numbers;
	for (size_t i = 0; i < 4; i++)
		n += 4 + strings[i].n;
	ER_ASSERT(n <= ER_FRAME_MAX); /* the project bounds all of it */
	uint8_t *at = er_frame_write(&p->channel.out, &(er_frame){.n = (uint32_t)n, .type = ER_FRAME_LOAD});
	if (at == NULL)
		return false;
	er_writer w = {at};
	for (size_t i = 0; i < 4; i++)
		er_put_string(&w, strings[i]);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		er_put_u32(&w, numbers[i]);
	return true;
}

static void send_code(probe *p)
{
	er_slice code = er_piece_slice(p->routine->code);
	if (!p->ready || p->sent)
		return;
	if (!p->load_begun && !(p->load_begun = write_load(p)))
		return;
	while (!p->sent) {
		er_slice part = er_slice_head(er_slice_from(code, p->sent_n), CODE_FRAME);
		bool last = p->sent_n + part.n == code.n;
		uint8_t *at = er_frame_write(&p->channel.out,
		                             &(er_frame){.n = (uint32_t)part.n, .type = ER_FRAME_CODE, .flags = last ? ER_FF_FIN : 0});
		if (at == NULL)
			break;
		er_copy(at, part.p, part.n);
		p->sent_n += part.n;
		p->sent = last;
	}
	publish(p);
}

static void take_error(probe *p, const er_frame *f, er_slice payload)
{
	er_reader r = {.rest = payload};
	er_slice name = er_get_string(&r), message = er_get_string(&r), raw = er_get_string(&r);
	er_buf stack = {0};
	er_sourcemap_stack(p->map, p->routine->source_url, raw, &stack);
	p->out->why = f->aux < ER_ERR_COUNT_ && f->aux != ER_ERR_OK ? (er_err_kind)f->aux : ER_ERR_EXCEPTION;
	p->out->error = er_arena_printf(p->arena, "%.*s%s%.*s", ER_FMT(name), message.n && name.n ? ": " : "", ER_FMT(message));
	p->out->stack = er_arena_copy(p->arena, er_buf_slice(&stack));
	er_buf_fini(&stack);
}

static void take_frame(probe *p, const er_frame *f, er_slice payload)
{
	switch (f->type) {
	case ER_FRAME_READY:
		p->ready = true;
		p->out->level = f->aux <= ER_LEVEL_FULL ? (er_level)f->aux : ER_LEVEL_NONE;
		send_code(p);
		break;
	case ER_FRAME_LOADED:
		p->out->loaded = f->aux == ER_ERR_OK;
		p->out->cpu_us = f->arg;
		if (!p->out->loaded)
			take_error(p, f, payload);
		p->over = true;
		break;
	case ER_FRAME_LOG:
		if (er_buf_len(&p->console) + payload.n < CONSOLE_MAX) {
			er_buf_put(&p->console, payload);
			er_buf_putc(&p->console, '\n');
		}
		break;
	default:
		break; /* rejections without a catch and the like: they do not stop a load */
	}
}

static void read_frames(probe *p)
{
	while (!p->over) {
		er_frame f;
		er_slice payload;
		size_t whole;
		er_frame_status st = er_frame_read(er_ring_peek(&p->channel.in), &f, &payload, &whole);
		if (st == ER_FRAME_BROKEN) {
			p->out->why = ER_ERR_PROTOCOL;
			p->over = true;
		}
		if (st != ER_FRAME_OK)
			return;
		/* A private copy: the sandbox could change what lies in the ring. */
		er_slice copy = er_arena_copy(p->arena, payload);
		uint64_t one = 1;
		if (er_ring_release(&p->channel.in, whole) && write(p->wake_sandbox, &one, sizeof one) < 0)
			p->over = true;
		take_frame(p, &f, copy);
	}
}

/* The sandbox ended by itself: its obituary says why, if it could still write one. */
static void take_death(probe *p, int wait_status)
{
	const er_obituary *o = &p->channel.control->obituary;
	uint32_t reason = o->reason;
	p->out->cpu_us = o->cpu_us;
	p->out->why = reason > ER_ERR_OK && reason < ER_ERR_COUNT_ ? (er_err_kind)reason : ER_ERR_CRASH;
	if (p->out->why == ER_ERR_CRASH && WIFSIGNALED(wait_status))
		p->out->error = er_arena_printf(p->arena, "the sandbox died of signal %d", WTERMSIG(wait_status));
	p->over = true;
}

static bool take_spawner(probe *p, er_err *err)
{
	er_spawner_event ev;
	int rc;
	while ((rc = er_spawner_read(p->sock, &ev)) == 1) {
		if (ev.what == ER_SPAWNER_FAILED)
			return er_fail(err, ER_ERR_SYSTEM, "no sandbox could be started: %s", ev.text);
		if (ev.what == ER_SPAWNER_EXITED && ev.slot == SLOT) {
			read_frames(p);
			if (!p->over)
				take_death(p, ev.wait_status);
		}
	}
	return rc >= 0 || er_fail(err, ER_ERR_SYSTEM, "the spawner ended; no sandbox could be started");
}

static bool converse(probe *p, er_err *err)
{
	uint64_t until = er_clock_mono_us() + (uint64_t)PROBE_S * 1000000 + p->routine->limits.load_cpu_us;
	while (!p->over) {
		uint64_t now = er_clock_mono_us(), count;
		if (now >= until) {
			if (!p->ready)
				return er_fail(err, ER_ERR_TIMEOUT, "the sandbox did not become ready within %d s", PROBE_S);
			p->out->why = ER_ERR_TIMEOUT;
			return true;
		}
		read_frames(p);
		send_code(p);
		struct pollfd fds[] = {{.fd = p->sock, .events = POLLIN}, {.fd = p->wake_node, .events = POLLIN}};
		if (!p->over && er_ring_sleep(&p->channel.in))
			(void)poll(fds, 2, (int)((until - now) / 1000 + 1));
		er_ring_awake(&p->channel.in);
		if (fds[1].revents && read(p->wake_node, &count, sizeof count) < 0)
			continue; /* somebody else's wake-up: nothing to do */
		if (!p->over && !take_spawner(p, err))
			return false;
	}
	return true;
}

bool er_probe_run(er_arena *a, const er_routine *r, er_probe *out, er_err *err)
{
	*out = (er_probe){0};
	probe p = {.arena = a, .routine = r, .out = out, .wake_sandbox = -1, .wake_node = -1};
	char path[PATH_MAX];
	er_spawner sp = {0};
	er_err ignored;
	if (!er_spawner_find_program(NULL, path, sizeof path, err) ||
	    !er_spawner_start(&sp, &(er_spawner_config){.sandbox_path = path, .n_sockets = 1, .want = ER_LEVEL_FULL}, err))
		return false;
	p.sock = sp.sockets[0];
	p.map = r->source_map.n ? er_sourcemap_parse(er_piece_slice(r->source_map), &ignored) : NULL;
	p.wake_sandbox = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p.wake_node = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int memfd = er_channel_memfd(err);
	bool mapped = memfd >= 0 && er_channel_map(&p.channel, memfd, true, err);
	bool ok = mapped && p.wake_sandbox >= 0 && p.wake_node >= 0 &&
	          er_spawner_ask(p.sock, SLOT, r->profile, memfd, p.wake_sandbox, p.wake_node, err) && converse(&p, err);
	out->console = er_arena_copy(a, er_buf_slice(&p.console));
	er_spawner_stop(&sp);
	if (mapped)
		er_channel_unmap(&p.channel);
	int fds[] = {memfd, p.wake_sandbox, p.wake_node};
	for (size_t i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	er_buf_fini(&p.console);
	er_sourcemap_free(p.map);
	return ok;
}
