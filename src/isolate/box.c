/* A box's life: er_box_start asks the spawner for it (STARTING); it says READY (WARM, in the pool);
 * an instance takes it (USED); the node kills it (DYING); the spawner says that its process is
 * gone, or the host closes (GONE); when libuv has let go of its handle it is freed.
 *
 *    STARTING ──► WARM ──► USED ──► DYING ──► GONE        from each state also to DYING and to GONE
 *
 * The box is in host->boxes and has a slot until it is GONE; it is in host->warm while it is WARM.
 * A box that held code never goes back into the pool.
 *
 * This file knows nothing of what goes through the ring but READY: frames.c reads it, and
 * host->box_woken is how the box calls there. */
#include "isolate/internal.h"

#include "base/mem.h"
#include "base/sched.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	MAGIC = 0x424f5858,
	/* a seventieth of an ordinary one's share: many of them together are still less
	 * than a gateway */
	NICE_SMALL = 19,
	BACKGROUND_MS = 250,    /* where the others leave it nothing */
	PULSE_START_US = 60000, /* cores' turns are kept short (base/pulse.h) while a sandbox starts */
	START_MS = 30000,       /* from fork to READY */
};

/* The process-wide CPU clock of another process, as clock_getcpuclockid computes it, without its
 * system call. */
uint64_t er_box_cpu_us(const er_box *box)
{
	clockid_t clock = (clockid_t)(~(unsigned)box->pid << 3 | 2U);
	struct timespec ts;
	if (box->pid <= 0 || clock_gettime(clock, &ts) != 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000U + (uint64_t)ts.tv_nsec / 1000U;
}

static void set_share(er_box *box, box_share share)
{
	ER_ASSERT(box->pid > 0 && box->host->privileged && share <= BOX_SMALL);
	box->share = share;
	if (share == BOX_BACKGROUND) {
		box->background_us = er_clock_mono_us();
		er_sched_background(box->pid);
	} else {
		er_sched_foreground(box->pid, share == BOX_SMALL ? NICE_SMALL : ER_NICE_SANDBOX, ER_NICE_HELPERS, ER_SLICE_US);
	}
}

/* Taking it back needs privilege: without it a sandbox that once computed long would stay slow. */
void er_box_demote(er_box *box, bool on)
{
	if (!box->host->privileged || box->pid <= 0)
		return;
	if (!on) {
		if (box->share != BOX_ORDINARY)
			set_share(box, BOX_ORDINARY);
	} else if (box->share == BOX_ORDINARY) {
		set_share(box, BOX_BACKGROUND);
	} else if (box->share == BOX_BACKGROUND && er_clock_mono_us() - box->background_us > BACKGROUND_MS * 1000U) {
		set_share(box, BOX_SMALL);
	}
}

void er_box_fed(er_box *box, uint64_t now_us)
{
	box->background_us = now_us;
}

static void wake(int fd)
{
	uint64_t one = 1;
	while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

void er_box_publish(er_box *box)
{
	if (box->state != BOX_GONE && er_ring_publish(&box->channel.out))
		wake(box->wake_sandbox);
}

void er_box_wake(er_box *box)
{
	wake(box->wake_sandbox);
}

void er_box_poke(er_box *box)
{
	wake(box->wake_node);
}

/* Its ring is looked at before the loop sleeps, so it need not wake us meanwhile. */
void er_box_activate(er_box *box)
{
	ER_CHECK(box, MAGIC);
	ER_ASSERT(box->state != BOX_GONE);
	if (!er_list_empty(&box->active))
		return;
	er_list_push(&box->host->active, &box->active);
	er_ring_awake(&box->channel.in);
}

bool er_box_on_ready(er_box *box, const er_frame *f, er_slice payload)
{
	er_isolate_host *h = box->host;
	er_reader r = {.rest = payload};
	er_slice engine = er_get_string(&r);
	if (box->state != BOX_STARTING || r.bad)
		return false;
	/* Once: all sandboxes are the same program. Whoever sees a level finds the name. */
	if (h->stats.engine[0] == '\0')
		snprintf(h->stats.engine, sizeof h->stats.engine, "%.*s", ER_FMT(er_slice_head(engine, sizeof h->stats.engine - 1)));
	__atomic_store_n(&h->stats.level, f->aux, __ATOMIC_RELEASE);
	if (f->aux < h->config.min_level) {
		er_log(ER_LOG_ERROR, "isolate", "a sandbox reached level \"%s\" only, \"%s\" is the least allowed", er_level_name(f->aux),
		       er_level_name(h->config.min_level));
		er_box_kill(box);
		return true;
	}
	ER_ASSERT(box->counted && h->starting[box->profile] > 0 && box->instance == NULL);
	box->state = BOX_WARM;
	box->counted = false;
	h->starting[box->profile]--;
	return true;
}

/* The sandbox has written after a silence, or has read and made room. */
static void on_wake(uv_poll_t *poll, int status, int events)
{
	(void)events;
	er_box *box = poll->data;
	ER_CHECK(box, MAGIC);
	if (status < 0)
		return;
	uint64_t n;
	if (box->state == BOX_GONE)
		return;
	while (read(box->wake_node, &n, sizeof n) < 0 && errno == EINTR)
		;
	er_box_activate(box);
	box->host->box_woken(box);
}

er_box *er_box_start(er_isolate_host *h, enum er_profile profile, er_err *err)
{
	ER_ASSERT(profile <= ER_PROFILE_HARDENED && !h->closing);
	er_box *box = ER_NEW(er_box);
	*box = (er_box){
	    .magic = MAGIC, .host = h, .profile = profile, .state = BOX_STARTING, .wake_sandbox = -1, .wake_node = -1, .inspect = -1};
	int inspect[2] = {-1, -1}; /* ours, the sandbox's */
	box->born_us = er_clock_mono_us();
	int memfd = er_channel_memfd(err);
	if (memfd < 0)
		goto fail;
	if (!er_channel_map(&box->channel, memfd, true, err))
		goto fail;
	box->wake_sandbox = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	box->wake_node = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (box->wake_sandbox < 0 || box->wake_node < 0) {
		er_fail_errno(err, ER_ERR_SYSTEM, "cannot create the eventfds of a sandbox");
		goto fail;
	}
	if (h->config.events.inspect != NULL && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, inspect) < 0) {
		er_fail_errno(err, ER_ERR_SYSTEM, "cannot make the debugger's socket of a sandbox");
		goto fail;
	}
	do
		h->next_slot++;
	while (h->next_slot == 0 || er_idmap_get(&h->slots, h->next_slot) != NULL);
	box->slot = h->next_slot;
	if (!er_spawner_ask(h->spawner, box->slot, profile, memfd, box->wake_sandbox, box->wake_node, inspect[1], err))
		goto fail;
	close(memfd);
	if (inspect[1] >= 0)
		close(inspect[1]);
	box->inspect = inspect[0];
	er_list_init(&box->warm);
	er_list_init(&box->active);
	er_list_push(&h->boxes, &box->link);
	er_idmap_add(&h->slots, box->slot, box);
	uv_poll_init(h->loop, &box->poll, box->wake_node);
	box->poll.data = box;
	uv_poll_start(&box->poll, UV_READABLE, on_wake);
	uv_unref((uv_handle_t *)&box->poll);
	er_list_push(&h->active, &box->active);
	h->open_handles++;
	er_stat_add(&h->stats.spawned, 1);
	box->counted = true;
	if (h->privileged) { /* as the spawner starts it */
		box->share = BOX_BACKGROUND;
		box->background_us = box->born_us;
	}
	er_pulse_ask(h->config.pulse, PULSE_START_US);
	h->starting[profile]++;
	return box;
fail:
	if (memfd >= 0)
		close(memfd);
	for (int i = 0; i < 2; i++)
		if (inspect[i] >= 0)
			close(inspect[i]);
	if (box->wake_sandbox >= 0)
		close(box->wake_sandbox);
	if (box->wake_node >= 0)
		close(box->wake_node);
	er_channel_unmap(&box->channel);
	er_free(box);
	return NULL;
}

void er_box_kill(er_box *box)
{
	ER_CHECK(box, MAGIC);
	if (box->state == BOX_DYING || box->state == BOX_GONE)
		return;
	box->state = BOX_DYING;
	er_list_remove(&box->warm);
	er_spawner_kill(box->host->spawner, box->slot);
}

void er_box_sweep(er_box *box, uint64_t now_us)
{
	if (box->state == BOX_STARTING && now_us - box->born_us > START_MS * 1000ULL)
		er_box_kill(box);
	else if (box->state == BOX_STARTING)
		/* it does not wait for ever on a machine that is busy */
		er_box_demote(box, box->share != BOX_ORDINARY);
	/* in case the spawner did not hear it the first time */
	else if (box->state == BOX_DYING)
		er_spawner_kill(box->host->spawner, box->slot);
}

/* Pages of its own: resident ones without those of files (proc(5), statm). A few microseconds. */
uint64_t er_box_anonymous_kb(const er_box *box)
{
	if (box->pid <= 0)
		return 0;
	char path[48], text[128];
	snprintf(path, sizeof path, "/proc/%d/statm", (int)box->pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	uint64_t resident = 0, shared = 0;
	er_slice rest = er_slice_of(text, n > 0 ? (size_t)n : 0), size, word;
	if (!er_slice_split(&rest, ' ', &size) || !er_slice_split(&rest, ' ', &word) || !er_slice_u64(word, &resident) ||
	    !er_slice_split(&rest, ' ', &word) || !er_slice_u64(word, &shared) || resident < shared)
		return 0;
	return (resident - shared) * ((uint64_t)sysconf(_SC_PAGESIZE) / 1024U);
}

static void on_poll_closed(uv_handle_t *handle)
{
	er_box *box = handle->data;
	ER_CHECK(box, MAGIC);
	ER_ASSERT(box->state == BOX_GONE && box->instance == NULL);
	er_isolate_host *h = box->host;
	close(box->wake_sandbox);
	close(box->wake_node);
	if (box->inspect >= 0)
		close(box->inspect);
	er_channel_unmap(&box->channel);
	box->magic = 0;
	er_free(box);
	er_host_handle_closed(h);
}

/* Its process is gone (or the host closes): forgets it. */
void er_box_close(er_box *box)
{
	if (box->state == BOX_GONE)
		return;
	ER_CHECK(box, MAGIC);
	ER_ASSERT(box->host->starting[box->profile] >= box->counted);
	box->state = BOX_GONE;
	box->instance = NULL;
	box->host->starting[box->profile] -= box->counted;
	er_list_remove(&box->warm);
	er_list_remove(&box->active);
	er_list_remove(&box->link);
	er_idmap_del(&box->host->slots, box->slot);
	uv_close((uv_handle_t *)&box->poll, on_poll_closed);
}

er_box *er_box_of_slot(er_isolate_host *h, uint32_t slot)
{
	er_box *box = er_idmap_get(&h->slots, slot);
	if (box == NULL)
		return NULL;
	ER_CHECK(box, MAGIC);
	ER_ASSERT(box->slot == slot && box->host == h && box->state != BOX_GONE);
	return box;
}
