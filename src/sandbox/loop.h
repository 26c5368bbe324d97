/* The event loop: frames of the node, timers, the engine's own work, sleep. One thread. */
#ifndef ER_SANDBOX_LOOP_H
#define ER_SANDBOX_LOOP_H

/* Returns when the node has said CLOSE and the last request is over, or when the channel is
 * broken. */
void er_loop_run(void);

#endif
