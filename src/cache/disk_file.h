/* The files that the disk store lies on: everything that touches a disk goes through this table, so
 * that a test can put a slow, failing, truncated or corrupted disk below the store.
 *
 * All but `read_now` may wait for the disk, and are never called by a thread with a loop. Errors
 * are negative errno. A file is named by its descriptor. Any thread may read; one thread writes. */
#ifndef ER_CACHE_DISK_FILE_H
#define ER_CACHE_DISK_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct er_disk_io {
	void *self;
	/* Opens the file, or makes it (its folder, too), and locks it for this process; -EWOULDBLOCK:
	 * another process has it. Nothing of it is read that nobody asked for. */
	int (*open)(void *self, const char *path);
	int64_t (*size)(void *self, int fd);
	/* The file has this size from now on, and the disk has room for all of it. */
	int (*resize)(void *self, int fd, uint64_t size);
	/* How many bytes were read: fewer only at the end of the file. */
	ssize_t (*read)(void *self, int fd, void *to, size_t n, uint64_t at);
	/* The same of what the kernel has in memory; never waits for the disk. -EAGAIN: it has not got
	 * all of it, or cannot tell. */
	ssize_t (*read_now)(void *self, int fd, void *to, size_t n, uint64_t at);
	/* All of it, or an error. */
	int (*write)(void *self, int fd, const void *from, size_t n, uint64_t at);
	/* Another process may have it from now on; it may still be read. */
	void (*unlock)(void *self, int fd);
	void (*close)(void *self, int fd);
} er_disk_io;

/* Real files. */
extern const er_disk_io er_disk_files;

#endif
