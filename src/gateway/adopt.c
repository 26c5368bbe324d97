/* Sockets for one address. They come from inherit.h, if the process before this one or systemd gave
 * some for the address, and from net/listen.h otherwise. The array belongs to the caller; on
 * failure everything that was opened or inherited here is closed again. A node adopts at its start,
 * and for an address that a reload of node.jsonc adds. */
#include "gateway/adopt.h"

#include "base/mem.h"
#include "net/listen.h"

#include <unistd.h>

/* Nobody had it: all sockets are new, and listen already. */
static unsigned open_anew(const char *address, unsigned want, int **fds, unsigned *n, er_err *err)
{
	ER_ASSERT(want > 0);
	*fds = er_alloc(want * sizeof **fds);
	*n = want;
	unsigned port = er_listen_open(address, *fds, want, err);
	if (port == 0) {
		er_free(*fds);
		*fds = NULL;
		*n = 0;
	}
	return port;
}

unsigned er_adopt(er_inherited *from, const char *kind, const char *address, unsigned want, int **fds, unsigned *n, er_err *err)
{
	*n = er_inherited_take(from, kind, address, fds);
	if (*n == 0)
		return open_anew(address, want, fds, n, err);
	ER_ASSERT(*fds != NULL);
	unsigned have = *n;
	if (have < want) {
		*fds = er_realloc(*fds, want * sizeof **fds);
		if (!er_listen_more((*fds)[0], *fds + have, want - have, err)) {
			while (have-- > 0)
				close((*fds)[have]);
			er_free(*fds);
			*fds = NULL;
			*n = 0;
			return 0;
		}
		*n = want;
	}
	return er_listen_port((*fds)[0]);
}
