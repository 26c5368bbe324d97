#include "channel/ring.h"

#include "base/mem.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(er_channel_control) <= ER_CHANNEL_CONTROL, "the control page holds both directions");
_Static_assert((ER_RING_SIZE & (ER_RING_SIZE - 1)) == 0, "indices are masked");

int er_channel_memfd(er_err *err)
{
	int fd = memfd_create("er-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		er_fail_errno(err, ER_ERR_SYSTEM, "cannot create shared memory for a sandbox");
		return -1;
	}
	/* A sandbox that could shrink the file would make the node fault on it. */
	if (ftruncate(fd, ER_CHANNEL_MEM) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		er_fail_errno(err, ER_ERR_SYSTEM, "cannot size and seal the shared memory of a sandbox");
		close(fd);
		return -1;
	}
	return fd;
}

static bool map_at(void *at, size_t n, int fd, off_t off)
{
	return mmap(at, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, off) != MAP_FAILED;
}

bool er_channel_map(er_channel *ch, int memfd, bool node, er_err *err)
{
	size_t n = ER_CHANNEL_CONTROL + 4 * (size_t)ER_RING_SIZE;
	uint8_t *mem = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot reserve address space for a channel");
	bool ok = map_at(mem, ER_CHANNEL_CONTROL, memfd, 0);
	uint8_t *at = mem + ER_CHANNEL_CONTROL;
	for (int ring = 0; ring < 2; ring++)
		for (int copy = 0; copy < 2; copy++, at += ER_RING_SIZE)
			ok = ok && map_at(at, ER_RING_SIZE, memfd, ER_CHANNEL_CONTROL + (off_t)ring * ER_RING_SIZE);
	if (!ok) {
		er_fail_errno(err, ER_ERR_SYSTEM, "cannot map the shared memory of a channel");
		munmap(mem, n);
		return false;
	}
	er_channel_control *control = (er_channel_control *)(void *)mem;
	er_ring to_sandbox = {.shared = &control->to_sandbox, .data = mem + ER_CHANNEL_CONTROL};
	er_ring to_node = {.shared = &control->to_node, .data = mem + ER_CHANNEL_CONTROL + 2 * (size_t)ER_RING_SIZE};
	*ch = (er_channel){.control = control, .mem = mem, .mem_n = n};
	ch->in = node ? to_node : to_sandbox;
	ch->out = node ? to_sandbox : to_node;
	return true;
}

void er_channel_unmap(er_channel *ch)
{
	if (ch->mem != NULL)
		munmap(ch->mem, ch->mem_n);
	*ch = (er_channel){0};
}

/* The consumer's head can only move forward, and never past what was published. */
static void read_head(er_ring *r)
{
	uint64_t head = atomic_load_explicit(&r->shared->head, memory_order_acquire);
	if (head < r->theirs || head > r->mine)
		r->broken = true;
	else
		r->theirs = head;
}

uint8_t *er_ring_reserve(er_ring *r, size_t n)
{
	ER_ASSERT(n <= ER_RING_SIZE);
	if (r->mine - r->theirs + n > ER_RING_SIZE) {
		read_head(r);
		if (!r->broken && r->mine - r->theirs + n > ER_RING_SIZE) {
			atomic_store_explicit(&r->shared->starved, 1, memory_order_seq_cst);
			atomic_thread_fence(memory_order_seq_cst);
			read_head(r);
			if (r->mine - r->theirs + n > ER_RING_SIZE)
				return NULL;
			atomic_store_explicit(&r->shared->starved, 0, memory_order_relaxed);
		}
	}
	return r->broken ? NULL : r->data + (r->mine & (ER_RING_SIZE - 1));
}

bool er_ring_publish(er_ring *r)
{
	if (atomic_load_explicit(&r->shared->tail, memory_order_relaxed) == r->mine)
		return false;
	atomic_store_explicit(&r->shared->tail, r->mine, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&r->shared->asleep, memory_order_relaxed) != 0 &&
	       atomic_exchange_explicit(&r->shared->asleep, 0, memory_order_acq_rel) != 0;
}

er_slice er_ring_peek(er_ring *r)
{
	uint64_t tail = atomic_load_explicit(&r->shared->tail, memory_order_acquire);
	if (tail < r->theirs || tail - r->mine > ER_RING_SIZE)
		r->broken = true;
	if (r->broken)
		return (er_slice){0};
	r->theirs = tail;
	return er_slice_of(r->data + (r->mine & (ER_RING_SIZE - 1)), (size_t)(tail - r->mine));
}

bool er_ring_release(er_ring *r, size_t n)
{
	ER_ASSERT(n <= r->theirs - r->mine);
	r->mine += n;
	atomic_store_explicit(&r->shared->head, r->mine, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&r->shared->starved, memory_order_relaxed) != 0 &&
	       atomic_exchange_explicit(&r->shared->starved, 0, memory_order_acq_rel) != 0;
}

bool er_ring_sleep(er_ring *r)
{
	atomic_store_explicit(&r->shared->asleep, 1, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&r->shared->tail, memory_order_acquire) == r->mine)
		return true;
	er_ring_awake(r);
	return false;
}

void er_ring_awake(er_ring *r)
{
	atomic_store_explicit(&r->shared->asleep, 0, memory_order_relaxed);
}
