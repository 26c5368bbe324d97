/* Socket calls that never wait, without what glibc puts around them: in a process with threads its
 * recv, send and sendmsg each open and close a point at which pthread_cancel may end the thread
 * (two locked instructions each way). Nobody cancels a thread here. Results and errno as of
 * recv(2), send(2) and sendmsg(2). */
#ifndef ER_BASE_SOCK_H
#define ER_BASE_SOCK_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline ssize_t er_sock_recv(int fd, void *to, size_t n)
{
	return syscall(SYS_recvfrom, fd, to, n, MSG_DONTWAIT, NULL, NULL);
}

/* What a receive would give, and goes on to give. */
static inline ssize_t er_sock_peek(int fd, void *to, size_t n)
{
	return syscall(SYS_recvfrom, fd, to, n, MSG_DONTWAIT | MSG_PEEK, NULL, NULL);
}

/* A peer that is gone is an error (EPIPE) and no signal. */
static inline ssize_t er_sock_send(int fd, const void *from, size_t n)
{
	return syscall(SYS_sendto, fd, from, n, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

static inline ssize_t er_sock_sendmsg(int fd, const struct msghdr *msg)
{
	return syscall(SYS_sendmsg, fd, msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Open, with nothing to read: neither bytes nor an end. */
static inline bool er_sock_silent(int fd)
{
	uint8_t byte;
	return syscall(SYS_recvfrom, fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL) < 0 && errno == EAGAIN;
}

#endif
