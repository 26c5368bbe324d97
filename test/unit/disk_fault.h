/* A disk below the disk store that is slow, fails or stands still when the test says so. */
#ifndef TEST_DISK_FAULT_H
#define TEST_DISK_FAULT_H

#include "cache/disk_file.h"

#include <stdbool.h>
#include <time.h>

/* The real files, and what the test does to them. All members atomic: many threads read. */
typedef struct fault {
	er_disk_io io;
	int read_ms;         /* each read takes so long, and nothing is read at once */
	int read_error;      /* each read fails */
	int write_error;     /* each write fails */
	bool reads_wait;     /* each read waits until this is false, and nothing is read at once */
	bool writes_wait;    /* each write waits until this is false */
	bool steps;          /* each write, when it is done, waits until `let` is as high as `wrote` */
	uint64_t reads, now; /* how many there were; and those that did not wait */
	uint64_t wrote, let; /* how many writes are done, and may go on */
} fault;

#define GET(f, member) __atomic_load_n(&(f)->member, __ATOMIC_SEQ_CST)
#define SET(f, member, value) __atomic_store_n(&(f)->member, (value), __ATOMIC_SEQ_CST)

static inline void sleep_ms(int ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

static inline int fault_open(void *self, const char *path)
{
	(void)self;
	return er_disk_files.open(NULL, path);
}
static inline int64_t fault_size(void *self, int fd)
{
	(void)self;
	return er_disk_files.size(NULL, fd);
}
static inline int fault_resize(void *self, int fd, uint64_t size)
{
	(void)self;
	return er_disk_files.resize(NULL, fd, size);
}
static inline ssize_t fault_read(void *self, int fd, void *to, size_t n, uint64_t at)
{
	fault *f = self;
	__atomic_fetch_add(&f->reads, 1, __ATOMIC_SEQ_CST);
	if (GET(f, read_ms) > 0)
		sleep_ms(GET(f, read_ms));
	while (GET(f, reads_wait))
		sleep_ms(1);
	if (GET(f, read_error) != 0)
		return -GET(f, read_error);
	return er_disk_files.read(NULL, fd, to, n, at);
}
static inline ssize_t fault_read_now(void *self, int fd, void *to, size_t n, uint64_t at)
{
	fault *f = self;
	__atomic_fetch_add(&f->now, 1, __ATOMIC_SEQ_CST);
	if (GET(f, read_ms) > 0 || GET(f, read_error) != 0 || GET(f, reads_wait))
		return -EAGAIN;
	return er_disk_files.read_now(NULL, fd, to, n, at);
}
static inline int fault_write(void *self, int fd, const void *from, size_t n, uint64_t at)
{
	fault *f = self;
	while (GET(f, writes_wait))
		sleep_ms(1);
	if (GET(f, write_error) != 0)
		return -GET(f, write_error);
	int e = er_disk_files.write(NULL, fd, from, n, at);
	uint64_t nth = __atomic_add_fetch(&f->wrote, 1, __ATOMIC_SEQ_CST);
	while (GET(f, steps) && GET(f, let) < nth)
		sleep_ms(1);
	return e;
}
static inline void fault_unlock(void *self, int fd)
{
	(void)self;
	er_disk_files.unlock(NULL, fd);
}
static inline void fault_close(void *self, int fd)
{
	(void)self;
	er_disk_files.close(NULL, fd);
}

static inline void fault_init(fault *f)
{
	*f = (fault){.io = {.self = f,
	                    .open = fault_open,
	                    .size = fault_size,
	                    .resize = fault_resize,
	                    .read = fault_read,
	                    .read_now = fault_read_now,
	                    .write = fault_write,
	                    .unlock = fault_unlock,
	                    .close = fault_close}};
}

#endif
