/* Preloaded into a program (LD_PRELOAD), a disk that is slow, fails or is full, and a clock that is
 * wrong. The test says which, at any time, in a file of words that this library maps
 * (ER_FAULTS=FILE; see test/e2e/lib/faulty.mjs). Only files below ER_FAULTS_UNDER are meant. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* In the order of faulty.mjs. */
enum { CLOCK_S, READ_MS, READ_ERRNO, WRITE_MS, WRITE_ERRNO, ROOM, READS, WORDS };

static volatile int64_t none[WORDS], *words = none;
static const char *under = "";

__attribute__((constructor)) static void begin(void)
{
	const char *file = getenv("ER_FAULTS"), *place = getenv("ER_FAULTS_UNDER");
	int fd = file != NULL ? open(file, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd >= 0 ? mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (p != MAP_FAILED)
		words = p;
	if (fd >= 0)
		(void)!close(fd);
	if (place != NULL)
		under = place;
}

static void *next_of(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);
	if (p == NULL)
		abort();
	return p;
}

static int meant(int fd)
{
	char link[64], path[1024];
	if (under[0] == '\0')
		return 0;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	return n > 0 && strncmp(path, under, strlen(under)) == 0;
}

/* Waits for the disk, and says what it says: 0 or errno. */
static int disk(int fd, int ms, int error)
{
	if ((words[ms] == 0 && words[error] == 0) || !meant(fd))
		return 0;
	int64_t wait = words[ms];
	struct timespec t = {.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000};
	if (wait > 0)
		nanosleep(&t, NULL);
	return (int)words[error];
}

static int reads(int fd)
{
	int error = disk(fd, READ_MS, READ_ERRNO);
	if (words[READ_MS] != 0 || words[READ_ERRNO] != 0)
		__atomic_fetch_add(&words[READS], 1, __ATOMIC_RELAXED);
	return error;
}

#define FAILS(error) \
	do { \
		int e_ = (error); \
		if (e_ != 0) { \
			errno = e_; \
			return -1; \
		} \
	} while (0)

ssize_t pread64(int fd, void *to, size_t n, off64_t at)
{
	static ssize_t (*real)(int, void *, size_t, off64_t);
	if (real == NULL)
		real = (ssize_t(*)(int, void *, size_t, off64_t))next_of("pread64");
	FAILS(reads(fd));
	return real(fd, to, n, at);
}

ssize_t pread(int fd, void *to, size_t n, off_t at)
{
	return pread64(fd, to, n, at);
}

/* What is to be had at once is not to be had of a slow disk, nor of one that fails. */
ssize_t preadv64v2(int fd, const struct iovec *v, int n, off64_t at, int flags)
{
	static ssize_t (*real)(int, const struct iovec *, int, off64_t, int);
	if (real == NULL)
		real = (ssize_t(*)(int, const struct iovec *, int, off64_t, int))next_of("preadv64v2");
	if ((flags & RWF_NOWAIT) != 0 && (words[READ_MS] != 0 || words[READ_ERRNO] != 0) && meant(fd))
		FAILS(EAGAIN);
	if ((flags & RWF_NOWAIT) == 0)
		FAILS(reads(fd));
	return real(fd, v, n, at, flags);
}

ssize_t preadv2(int fd, const struct iovec *v, int n, off_t at, int flags)
{
	return preadv64v2(fd, v, n, at, flags);
}

ssize_t pwrite64(int fd, const void *from, size_t n, off64_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off64_t);
	if (real == NULL)
		real = (ssize_t(*)(int, const void *, size_t, off64_t))next_of("pwrite64");
	FAILS(disk(fd, WRITE_MS, WRITE_ERRNO));
	return real(fd, from, n, at);
}

ssize_t pwrite(int fd, const void *from, size_t n, off_t at)
{
	return pwrite64(fd, from, n, at);
}

ssize_t write(int fd, const void *from, size_t n)
{
	static ssize_t (*real)(int, const void *, size_t);
	if (real == NULL)
		real = (ssize_t(*)(int, const void *, size_t))next_of("write");
	int error = disk(fd, WRITE_MS, WRITE_ERRNO);
	/* A full disk takes a part before it takes nothing. */
	if (error == ENOSPC && n > 1 && __atomic_exchange_n(&words[ROOM], 0, __ATOMIC_RELAXED) != 0)
		return real(fd, from, n / 2 + 1);
	FAILS(error);
	return real(fd, from, n);
}

int fallocate64(int fd, int mode, off64_t at, off64_t n)
{
	static int (*real)(int, int, off64_t, off64_t);
	if (real == NULL)
		real = (int (*)(int, int, off64_t, off64_t))next_of("fallocate64");
	FAILS(disk(fd, WRITE_MS, WRITE_ERRNO));
	return real(fd, mode, at, n);
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
	return fallocate64(fd, mode, at, n);
}

/* ---- the clock of the day; the one that only counts is never wrong ---- */

int clock_gettime(clockid_t id, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);
	if (real == NULL)
		real = (int (*)(clockid_t, struct timespec *))next_of("clock_gettime");
	int rc = real(id, t);
	if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		t->tv_sec += words[CLOCK_S];
	return rc;
}

int gettimeofday(struct timeval *t, void *zone)
{
	struct timespec now;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	*t = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *out)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}
