/* Addresses to listen on: "127.0.0.1:8787", "[::1]:80", "localhost:0", ":8080" (every address, IPv4
 * and IPv6). */
#ifndef ER_NET_LISTEN_H
#define ER_NET_LISTEN_H

#include "base/err.h"
#include "base/slice.h"

#include <sys/socket.h>

/* False: *err says what was expected. */
ER_MUST_CHECK bool er_listen_parse(er_slice address, struct sockaddr_storage *out, er_err *err);
/* Fills fds[0..n) with non-blocking sockets that listen there, one a thread; the kernel spreads
 * connections over them. With port 0 all share the port that the first one got. Returns the port, 0
 * on failure (then nothing is open). Fails if any other process listens there. */
unsigned er_listen_open(const char *address, int *fds, unsigned n, er_err *err);
/* Could it? Opens nothing that stays. True for port 0. */
ER_MUST_CHECK bool er_listen_check(const char *address, er_err *err);
/* The port that a socket is bound to; 0: none. */
unsigned er_listen_port(int fd);
/* Fills fds[0..n) with further sockets for the address of `fd`, which listens there already and may
 * be another process's too. They are bound, and take nobody before er_listen_begin: who waits in a
 * socket of a process that fails is lost. Where the kernel allows no further socket (one of systemd
 * without ReusePort=, a port below 1024 without the privilege), they are duplicates of `fd`. */
ER_MUST_CHECK bool er_listen_more(int fd, int *fds, unsigned n, er_err *err);
/* Harmless for one that listens already. */
void er_listen_begin(int fd);

#endif
