/* A `drain` belongs to itself: it is the body's sink from er_body_drain on, and ends with the
 * body's end, its failure, or its own cancel. */
#include "http/body_drain.h"

#include "base/mem.h"

/* Who drips such bodies holds their connections: of this thread so many at once, and no more. */
enum { DRAINS_MAX = 64 };
static __thread unsigned drains;

typedef struct drain {
	er_body *body; /* own reference */
	size_t left;
} drain;

static void end(drain *d, bool cancel)
{
	er_body *b = d->body;
	er_free(d);
	ER_ASSERT(drains > 0);
	drains--;
	er_body_sink(b, NULL, NULL);
	if (cancel)
		er_body_cancel(b, ER_ERR_CANCELLED);
	er_body_unref(b);
}

static void readable(void *ctx)
{
	drain *d = ctx;
	for (er_piece piece;;) {
		er_body_status s = er_body_read(d->body, 0, &piece);
		if (s == ER_BODY_WAIT)
			return;
		if (s != ER_BODY_PIECE)
			break;
		bool enough = piece.n > d->left;
		d->left -= enough ? 0 : piece.n;
		er_piece_drop(&piece);
		if (enough) {
			end(d, true);
			return;
		}
	}
	end(d, false);
}

void er_body_drain(er_body *b, size_t most)
{
	static const er_body_sink_ops ops = {.readable = readable};
	if (b == NULL)
		return;
	if (er_body_length(b) > (int64_t)most || drains >= DRAINS_MAX) {
		er_body_cancel(b, ER_ERR_CANCELLED);
		er_body_unref(b);
		return;
	}
	drain *d = ER_NEW(drain);
	*d = (drain){.body = b, .left = most};
	drains++;
	er_body_sink(b, &ops, d);
	readable(d);
}
