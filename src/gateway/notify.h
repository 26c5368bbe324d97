/* What a service says to its manager: sd_notify(3) without its library. A datagram of "NAME=VALUE"
 * lines to the socket of NOTIFY_SOCKET; without that variable everything here does nothing.
 *
 *   READY=1                                        started, or a reload is over
 *   RELOADING=1 + MONOTONIC_USEC=                  a reload begins
 *   STOPPING=1                                     the end begins
 *   STATUS=                                        one line for `systemctl status`
 *   MAINPID=                                       another process is the service now (upgrade)
 *   WATCHDOG=1                                     alive
 *
 * One thread. */
#ifndef ER_GATEWAY_NOTIFY_H
#define ER_GATEWAY_NOTIFY_H

#include "base/err.h"

#include <stdint.h>

typedef struct er_notify er_notify;

/* Never NULL. A socket that cannot be reached is logged once. Takes WATCHDOG_USEC and WATCHDOG_PID
 * into account. */
er_notify *er_notify_open(void);
/* NULL is fine. */
void er_notify_close(er_notify *n);
/* Somebody listens. */
bool er_notify_on(const er_notify *n);
/* How often at least WATCHDOG=1 is wanted; 0: it is not. */
uint64_t er_notify_watchdog_us(const er_notify *n);
/* One message of one or several lines. Never blocks; false: it did not get through. */
bool er_notify_send(er_notify *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The two messages that carry a clock or need a pair of lines. */
void er_notify_reloading(er_notify *n);
/* READY=1 with a line for `systemctl status`. */
void er_notify_ready(er_notify *n, const char *status);

#endif
