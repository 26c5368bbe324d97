/* Tells the service manager that the node is alive (WATCHDOG=1), twice in the time that it allows,
 * and only while every gateway thread still turns: each is asked, and one that has not answered the
 * last question keeps the message back. So a stuck thread ends the node (systemd: WatchdogSec=),
 * which a new start cures, instead of leaving a share of its clients without an answer. A stuck
 * control thread sends nothing anyway.
 *
 * On the control thread's loop. */
#ifndef ER_GATEWAY_WATCHDOG_H
#define ER_GATEWAY_WATCHDOG_H

#include "gateway/node.h"
#include "gateway/notify.h"

typedef struct er_watchdog er_watchdog;

/* NULL: nobody wants it. `node` and `notify` are borrowed until the end. */
er_watchdog *er_watchdog_start(uv_loop_t *loop, er_node *node, er_notify *notify);
/* NULL is fine. The memory goes when the loop has closed its timer. */
void er_watchdog_end(er_watchdog *w);

#endif
