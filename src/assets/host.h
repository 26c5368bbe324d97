/* What the handler's files share on one thread: what is being read, and who waits for it. */
#ifndef ER_ASSETS_HOST_H
#define ER_ASSETS_HOST_H

#include "assets/assets.h"
#include "base/list.h"

/* An exchange that waits for a reading; in the exchange's arena. Whoever waits holds a reference to
 * the exchange, and lets go of it. */
typedef struct er_assets_waiter {
	er_list link;
	er_exchange *x;
	/* `content`: of a file, borrowed; NULL and !ok: it could not be read */
	void (*news)(struct er_assets_waiter *w, bool ok, er_content *content);
} er_assets_waiter;

struct er_assets_host {
	uint32_t magic;
	uv_loop_t *loop;
	er_port *port;
	er_assets_memory *memory;
	er_compressor *compressor; /* or NULL */
	er_list readings;          /* under way */
	bool closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* The version's table (file NULL), or the whole of a file, which is in memory then. The file is the
 * version's. `w` is told later, unless it is removed (er_list_remove). */
void er_assets_read(er_assets_host *h, er_assets *s, const er_assets_file *file, er_assets_waiter *w);

#endif
