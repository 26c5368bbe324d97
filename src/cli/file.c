/* The one loop around write(2) of the commands. */
#include "cli/file.h"

#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { WAIT_MS = 1000 };

bool er_write_all(int fd, er_slice bytes)
{
	ER_ASSERT(fd >= 0);
	while (bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno == EAGAIN) {
			/* A pipe or a terminal that somebody else set non-blocking. */
			struct pollfd p = {.fd = fd, .events = POLLOUT};
			(void)poll(&p, 1, WAIT_MS);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes = er_slice_from(bytes, (size_t)n);
	}
	return true;
}

bool er_write_close(int fd, er_slice bytes)
{
	if (fd < 0)
		return false;
	bool written = er_write_all(fd, bytes);
	int why = errno;
	/* A disk that fills up may say so only here. */
	bool closed = close(fd) == 0;
	if (!written)
		errno = why;
	return written && closed;
}
