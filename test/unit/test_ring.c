/* The ring between two real processes: nothing lost, nothing torn, no wake-up missed; and a peer
 * that writes what it likes into the shared words. */
#include "base/mem.h"
#include "channel/frame.h"
#include "channel/ring.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* xorshift: both processes compute the same bytes. */
static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static er_channel map(int fd, bool node)
{
	er_channel ch;
	er_err err;
	if (!er_channel_map(&ch, fd, node, &err)) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	return ch;
}

static int memfd(void)
{
	er_err err;
	int fd = er_channel_memfd(&err);
	assert_true(fd >= 0);
	return fd;
}

/* False: nobody woke us for ten seconds. */
static bool wait_for(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t count;
	if (poll(&p, 1, 10000) != 1)
		return false;
	return read(fd, &count, 8) == 8;
}

static void wake(int fd)
{
	uint64_t one = 1;
	if (write(fd, &one, 8) != 8)
		abort();
}

enum { FRAMES = 400000 };

static size_t frame_size(uint64_t *seed)
{
	uint64_t v = next(seed);
	/* mostly small, sometimes as large as can be */
	return v % 64 == 0 ? next(seed) % (ER_RING_SIZE / 2) + 1 : v % 8 == 0 ? next(seed) % 4096 + 1 : next(seed) % 64 + 1;
}

/* Writes frames of known sizes and bytes. `pause`: now and then it stops, so that the reader
 * goes to sleep. */
static int produce(er_ring *out, int room, int data, uint64_t seed, bool pause)
{
	uint64_t mood = seed ^ 0x5555;
	for (int i = 0; i < FRAMES; i++) {
		size_t n = frame_size(&seed);
		uint8_t *p;
		while ((p = er_ring_reserve(out, n)) == NULL) {
			if (out->broken)
				return 2;
			if (er_ring_publish(out))
				wake(data);
			if (!wait_for(room))
				return 3;
		}
		memset(p, (int)(uint8_t)next(&seed), n);
		p[n - 1] = (uint8_t)i;
		er_ring_commit(out, n);
		uint64_t m = next(&mood);
		if (m % 4 == 0 && er_ring_publish(out))
			wake(data);
		if (pause && m % 8192 == 1)
			usleep(200);
	}
	if (er_ring_publish(out))
		wake(data);
	return 0;
}

/* Returns the number of frames that were as they should be. */
static int consume(er_ring *in, int room, int data, uint64_t seed, bool pause)
{
	uint64_t mood = seed ^ 0xaaaa;
	for (int i = 0; i < FRAMES;) {
		er_slice s = er_ring_peek(in);
		if (in->broken)
			return i;
		if (s.n == 0) {
			if (er_ring_sleep(in) && !wait_for(data))
				return i;
			er_ring_awake(in);
			continue;
		}
		uint64_t before = seed;
		size_t n = frame_size(&seed);
		if (s.n < n) {
			/* published in the middle of nothing: the producer commits whole frames */
			seed = before;
			return -i;
		}
		uint8_t byte = (uint8_t)next(&seed);
		for (size_t k = 0; k + 1 < n; k++)
			if (s.p[k] != byte)
				return -i;
		if (s.p[n - 1] != (uint8_t)i)
			return -i;
		if (er_ring_release(in, n))
			wake(room);
		i++;
		if (pause && next(&mood) % 8192 == 1)
			usleep(200);
	}
	return FRAMES;
}

static void stress(bool slow_producer, bool slow_consumer)
{
	int fd = memfd(), room = eventfd(0, 0), data = eventfd(0, 0);
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		er_channel ch = map(fd, false);
		_exit(produce(&ch.out, room, data, 12345, slow_producer));
	}
	er_channel ch = map(fd, true);
	int good = consume(&ch.in, room, data, 12345, slow_consumer);
	if (good != FRAMES)
		kill(pid, SIGKILL);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(good, FRAMES);
	assert_int_equal(status, 0);
	er_channel_unmap(&ch);
	close(fd);
	close(room);
	close(data);
}

static void nothing_is_lost_and_nobody_sleeps_for_ever(void **state)
{
	(void)state;
	stress(false, false);
	stress(true, false);
	stress(false, true);
	stress(true, true);
}

/* ---- a hostile peer ---- */

_Noreturn static void vandal(int fd, uint64_t seed)
{
	er_channel ch = map(fd, false);
	er_ring_shared *shared[2] = {&ch.control->to_node, &ch.control->to_sandbox};
	uint8_t *data = (uint8_t *)ch.mem + ER_CHANNEL_CONTROL;
	for (;;) {
		er_ring_shared *s = shared[next(&seed) & 1];
		uint64_t v = next(&seed);
		switch (v >> 8 & 7) {
		case 0:
			atomic_store(&s->tail, next(&seed));
			break;
		case 1:
			atomic_store(&s->head, next(&seed));
			break;
		case 2:
		case 3: /* small steps, which look right for a while */
			atomic_fetch_add(&s->tail, v >> 16 & 0xff);
			break;
		case 4:
			atomic_fetch_add(&s->head, v >> 16 & 0xff);
			break;
		case 5:
			atomic_store(&s->asleep, (uint32_t)v >> 12 & 1);
			atomic_store(&s->starved, (uint32_t)v >> 13 & 1);
			break;
		default:
			memcpy(data + next(&seed) % (4 * (size_t)ER_RING_SIZE - 8), &v, 8);
			break;
		}
	}
}

/* The node's side goes on as if nothing were wrong, until it finds the ring broken. */
static void live_with(er_channel *ch, uint64_t seed, int rounds)
{
	volatile uint8_t sink = 0;
	for (int i = 0; i < rounds; i++) {
		er_slice s = er_ring_peek(&ch->in);
		assert_true(s.n <= ER_RING_SIZE);
		if (ch->in.broken)
			assert_int_equal(s.n, 0);
		for (size_t k = 0; k < s.n; k += 4096)
			sink ^= s.p[k];
		if (s.n > 0)
			sink ^= s.p[s.n - 1];
		er_frame f;
		er_slice payload;
		size_t whole;
		if (er_frame_read(s, &f, &payload, &whole) == ER_FRAME_OK) {
			assert_true(whole <= s.n && payload.n <= ER_FRAME_MAX);
			assert_true(payload.p >= s.p && payload.p + payload.n <= s.p + s.n);
			(void)!er_ring_release(&ch->in, whole);
		} else if (s.n > 0) {
			(void)!er_ring_release(&ch->in, next(&seed) % (s.n + 1));
		} else if (er_ring_sleep(&ch->in)) {
			er_ring_awake(&ch->in);
		}
		er_frame out = {.n = (uint32_t)(next(&seed) % ER_FRAME_DATA), .type = ER_FRAME_BODY_DATA, .id = 1};
		uint8_t *p = er_frame_write(&ch->out, &out);
		if (p != NULL)
			memset(p, 7, out.n);
		(void)!er_ring_publish(&ch->out);
		assert_true(ch->out.mine - ch->out.theirs <= ER_RING_SIZE || ch->out.broken);
	}
}

static void hostile_sandbox_hurts_only_its_own_ring(void **state)
{
	(void)state;
	for (uint64_t round = 1; round <= 60; round++) {
		int fd = memfd();
		er_channel ch = map(fd, true);
		fflush(NULL);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			vandal(fd, round * 7919);
		live_with(&ch, round, 3000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		/* once broken, for ever */
		bool in = ch.in.broken, out = ch.out.broken;
		atomic_store(&ch.in.shared->tail, ch.in.mine);
		atomic_store(&ch.out.shared->head, ch.out.mine);
		(void)er_ring_peek(&ch.in);
		(void)er_ring_reserve(&ch.out, 8);
		assert_true(ch.in.broken || !in);
		assert_true(ch.out.broken || !out);
		er_channel_unmap(&ch);
		close(fd);
	}
}

/* ---- single steps ---- */

static void sandbox_cannot_shrink_the_memory_under_the_node(void **state)
{
	(void)state;
	int fd = memfd();
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(ftruncate(fd, ER_CHANNEL_MEM * 2), -1);
	close(fd);
}

static void bad_index_breaks_the_ring(void **state)
{
	(void)state;
	const uint64_t bad_tails[] = {UINT64_MAX, (uint64_t)ER_RING_SIZE + 101, 99, 0};
	for (size_t i = 0; i < 4; i++) {
		int fd = memfd();
		er_channel ch = map(fd, true);
		atomic_store(&ch.in.shared->tail, 100);
		assert_int_equal(er_ring_peek(&ch.in).n, 100);
		(void)!er_ring_release(&ch.in, 50);
		atomic_store(&ch.in.shared->tail, bad_tails[i]);
		assert_int_equal(er_ring_peek(&ch.in).n, 0);
		assert_true(ch.in.broken);
		/* a head beyond what was written, or going back */
		assert_non_null(er_ring_reserve(&ch.out, ER_RING_SIZE));
		er_ring_commit(&ch.out, ER_RING_SIZE);
		assert_null(er_ring_reserve(&ch.out, 8));
		assert_int_equal(atomic_load(&ch.out.shared->starved), 1);
		atomic_store(&ch.out.shared->head, 64);
		assert_non_null(er_ring_reserve(&ch.out, 8));
		atomic_store(&ch.out.shared->head, i % 2 ? 63 : (uint64_t)ER_RING_SIZE + 1);
		assert_null(er_ring_reserve(&ch.out, 128));
		assert_true(ch.out.broken);
		er_channel_unmap(&ch);
		close(fd);
	}
}

static void what_wraps_is_read_in_one_piece(void **state)
{
	(void)state;
	int fd = memfd();
	er_channel node = map(fd, true), box = map(fd, false);
	for (int i = 0; i < 100; i++) {
		size_t n = ER_RING_SIZE / 3 + 1000;
		uint8_t *p = er_ring_reserve(&node.out, n);
		assert_non_null(p);
		memset(p, i, n);
		er_ring_commit(&node.out, n);
		assert_int_equal(er_ring_peek(&box.in).n, 0);
		(void)!er_ring_publish(&node.out);
		er_slice s = er_ring_peek(&box.in);
		assert_int_equal(s.n, n);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(s.p[k], i);
		(void)!er_ring_release(&box.in, n);
	}
	er_channel_unmap(&node);
	er_channel_unmap(&box);
	close(fd);
}

static void sleeper_is_woken_once(void **state)
{
	(void)state;
	int fd = memfd();
	er_channel node = map(fd, true), box = map(fd, false);
	assert_true(er_ring_sleep(&box.in));
	assert_non_null(er_ring_reserve(&node.out, 8));
	er_ring_commit(&node.out, 8);
	assert_true(er_ring_publish(&node.out));
	assert_false(er_ring_publish(&node.out));
	assert_non_null(er_ring_reserve(&node.out, 8));
	er_ring_commit(&node.out, 8);
	assert_false(er_ring_publish(&node.out)); /* already awake */
	assert_false(er_ring_sleep(&box.in));     /* there is something */
	er_channel_unmap(&node);
	er_channel_unmap(&box);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sandbox_cannot_shrink_the_memory_under_the_node),
	    cmocka_unit_test(bad_index_breaks_the_ring),
	    cmocka_unit_test(what_wraps_is_read_in_one_piece),
	    cmocka_unit_test(sleeper_is_woken_once),
	    cmocka_unit_test(nothing_is_lost_and_nobody_sleeps_for_ever),
	    cmocka_unit_test(hostile_sandbox_hurts_only_its_own_ring),
	};
	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
