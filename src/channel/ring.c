/* The ring's arithmetic and its memory.
 *
 * The memory is a memfd: a control page, then a ring for each direction. Each process maps the page
 * once and each ring twice in a row, so that a frame which wraps round the end is one piece of
 * addresses to reader and writer. er_channel_memfd makes the file (the node, for each sandbox), and
 * er_channel_map maps it in either process; the file lives as long as one of the two has it mapped.
 * er_channel_unmap is the node's, when the sandbox's box is taken apart; the sandbox never unmaps.
 *
 * Indices count bytes since the beginning and never wrap in practice (64 bits); only where a byte
 * lies is taken modulo the ring. A side keeps its own index in its own memory (`mine`) and what it
 * last believed of the other's (`theirs`):
 *
 *    producer   mine = tail, theirs = head     free: ER_RING_SIZE - (mine - theirs)
 *    consumer   mine = head, theirs = tail     readable: theirs - mine
 *
 * Trust line. All words of er_ring_shared can be written by the other process at any time. So an
 * index is read once into a local, checked, and then kept; one that cannot be makes the ring
 * `broken`, which is for ever and looks like "nothing to read, no room". Nothing here asserts what
 * was read from there. A side's own word (the tail of a producer) is only published, never taken as
 * its state.
 *
 * Waking is a handshake in both directions, each side writing its word before it looks at the
 * other's, with a full fence between: the consumer says `asleep` and looks at `tail` again, the
 * producer moves `tail` and looks at `asleep`; the same with `starved` and `head`. So at least one
 * of them notices. */
#include "channel/ring.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

static_assert(sizeof(er_channel_control) <= ER_CHANNEL_CONTROL, "the control page holds both directions");
static_assert((ER_RING_SIZE & (ER_RING_SIZE - 1)) == 0, "indices are masked");
static_assert(ER_CHANNEL_MEM == ER_CHANNEL_CONTROL + 2 * ER_RING_SIZE, "the file holds the control page and both rings");
static_assert(ER_CHANNEL_CONTROL % 4096 == 0 && ER_RING_SIZE % 4096 == 0, "the parts of the file are mapped one by one");
static_assert(offsetof(er_ring_shared, head) >= offsetof(er_ring_shared, tail) + 64,
              "what the producer writes and what the consumer writes share no cache line");
static_assert(offsetof(er_channel_control, obituary) >= 2 * sizeof(er_ring_shared), "the obituary overlaps no ring's words");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "two processes share these words, and no lock");

/* The reservation: the control page, then each ring twice. */
enum { MAPPED = ER_CHANNEL_CONTROL + 4 * ER_RING_SIZE };

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
	const size_t n = MAPPED;
	ER_ASSERT(memfd >= 0);
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
	ER_ASSERT(at == mem + n);
	ER_ASSERT((uintptr_t)mem % _Alignof(er_channel_control) == 0);
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
	if (ch->mem != NULL) {
		ER_ASSERT(ch->mem_n == MAPPED && ch->control == ch->mem);
		munmap(ch->mem, ch->mem_n);
	}
	*ch = (er_channel){0};
}

/* Producer: takes the consumer's index over. That one is the other side's word, so it is read once
 * and believed only if it moved forward and not past what was written. The asserts are about this
 * side's own memory: after every belief the two indices enclose at most a ring. */
static void read_head(er_ring *r)
{
	ER_ASSERT(r->theirs <= r->mine && r->mine - r->theirs <= ER_RING_SIZE);
	uint64_t head = atomic_load_explicit(&r->shared->head, memory_order_acquire);
	if (head < r->theirs || head > r->mine)
		r->broken = true;
	else
		r->theirs = head;
}

uint8_t *er_ring_reserve(er_ring *r, size_t n)
{
	ER_ASSERT(n <= ER_RING_SIZE && r->data != NULL);
	if (r->mine - r->theirs + n > ER_RING_SIZE) {
		read_head(r);
		if (!r->broken && r->mine - r->theirs + n > ER_RING_SIZE) {
			/* First the word, then a second look: the consumer reads in the other order
			 * (er_ring_release), so one of the two sees what the other did, and no
			 * wake-up is lost. */
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
	ER_ASSERT(r->theirs <= r->mine && r->mine - r->theirs <= ER_RING_SIZE);
	/* The producer's own word, read back: a consumer that wrote to it would only fool itself. */
	if (atomic_load_explicit(&r->shared->tail, memory_order_relaxed) == r->mine)
		return false;
	atomic_store_explicit(&r->shared->tail, r->mine, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&r->shared->asleep, memory_order_relaxed) != 0 &&
	       atomic_exchange_explicit(&r->shared->asleep, 0, memory_order_acq_rel) != 0;
}

er_slice er_ring_peek(er_ring *r)
{
	ER_ASSERT(r->mine <= r->theirs && r->theirs - r->mine <= ER_RING_SIZE);
	uint64_t tail = atomic_load_explicit(&r->shared->tail, memory_order_acquire);
	/* The other side's word: it may not go back, nor be further ahead than a ring holds. */
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
	ER_ASSERT(r->mine <= r->theirs);
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
