/* Signals at the end of a program; see the header. Called once, by whoever owns the loop. */
#include "cli/ending.h"

#include "base/mem.h"

#include <signal.h>

void er_ending_close_signals(uv_signal_t *const *watchers, size_t n)
{
	ER_ASSERT(n > 0);
	sigset_t ours, before;
	sigemptyset(&ours);
	for (size_t i = 0; i < n; i++)
		if (!uv_is_closing((uv_handle_t *)watchers[i]))
			sigaddset(&ours, watchers[i]->signum);
	pthread_sigmask(SIG_BLOCK, &ours, &before);
	for (size_t i = 0; i < n; i++) {
		if (uv_is_closing((uv_handle_t *)watchers[i]))
			continue;
		int number = watchers[i]->signum;
		ER_ASSERT(number > 0);
		uv_close((uv_handle_t *)watchers[i], NULL);
		(void)signal(number, SIG_IGN);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
