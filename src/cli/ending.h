/* The last part of a program's end, in which signals must not change how it ends. */
#ifndef ER_CLI_ENDING_H
#define ER_CLI_ENDING_H

#include <stddef.h>
#include <uv.h>

/* Closes signal watchers of a loop that is about to run dry, and ignores their signals from
 * then on. libuv gives a signal its default action back when its last watcher is closed: a
 * second SIGTERM that arrives while memory is freed would end the process by that signal,
 * although all its work was done and its status should be 0. The signals are blocked in the
 * calling thread meanwhile; the other threads of a node block them always. Watchers that are
 * closing already are left. */
void er_ending_close_signals(uv_signal_t *const *watchers, size_t n);

#endif
