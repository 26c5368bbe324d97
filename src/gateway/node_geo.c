/* Where clients are (geo/geo.h), on the control thread: when its databases are looked at again, and
 * what is told of them. The reading itself is on a thread of libuv's, since a file may be large and
 * its disk slow; one at a time. */
#include "gateway/node_internal.h"
#include "gateway/vitals.h"

enum { LOOK_MS = 60 * 1000 };

/* ---- renewal ---- */

static void one_less(er_node *n)
{
	ER_ASSERT(n->geo_open > 0);
	if (--n->geo_open == 0 && n->geo_closed != NULL)
		n->geo_closed(n->geo_ctx);
}

/* On the other thread. */
static void renew(uv_work_t *work)
{
	er_geo_renew(((er_node *)work->data)->geo);
}

static void on_renewed(uv_work_t *work, int status)
{
	er_node *n = work->data;
	ER_CHECK(n, NODE_MAGIC);
	ER_ASSERT(n->geo_busy && (status == 0 || status == UV_ECANCELED));
	n->geo_busy = false;
	if (n->geo_again && n->geo_closed == NULL)
		er_node_renew_geo(n);
	one_less(n);
}

void er_node_renew_geo(er_node *n)
{
	n->geo_again = n->geo_busy;
	if (n->geo_busy || n->geo_closed != NULL)
		return;
	er_geo_want(n->geo, &n->file->geo);
	n->geo_work.data = n;
	n->geo_busy = true;
	n->geo_open++;
	uv_queue_work(n->loop, &n->geo_work, renew, on_renewed);
}

static void on_timer(uv_timer_t *timer)
{
	er_node *n = timer->data;
	if (n->file->geo.n > 0)
		er_node_renew_geo(n);
}

void er_node_start_geo(er_node *n)
{
	n->geo = er_geo_new();
	er_geo_want(n->geo, &n->file->geo);
	er_geo_renew(n->geo);
	uv_timer_init(n->loop, &n->geo_timer);
	uv_unref((uv_handle_t *)&n->geo_timer);
	n->geo_timer.data = n;
	n->geo_open++;
	uv_timer_start(&n->geo_timer, on_timer, LOOK_MS, LOOK_MS);
}

static void on_timer_closed(uv_handle_t *timer)
{
	one_less(timer->data);
}

void er_node_stop_geo(er_node *n, void (*closed)(void *ctx), void *ctx)
{
	ER_ASSERT(n->geo_closed == NULL && n->geo_open > 0);
	n->geo_closed = closed;
	n->geo_ctx = ctx;
	uv_close((uv_handle_t *)&n->geo_timer, on_timer_closed);
}

/* ---- what is told ---- */

static void write_built(void *ctx, const er_geo_state *s)
{
	if (s->built_s == 0)
		return;
	er_buf_puts(ctx, "er_geo_built_timestamp_seconds{database=");
	er_metric_label(ctx, s->path);
	er_buf_puts(ctx, ",type=");
	er_metric_label(ctx, s->type);
	er_buf_printf(ctx, "} %llu\n", (unsigned long long)s->built_s);
}

static void write_current(void *ctx, const er_geo_state *s)
{
	er_buf_puts(ctx, "er_geo_current{database=");
	er_metric_label(ctx, s->path);
	er_buf_printf(ctx, "} %d\n", s->fault.n == 0);
}

void er_node_write_geo_metrics(const er_node *n, er_buf *out)
{
	if (n->file->geo.n == 0)
		return;
	er_metric_family(out, "er_geo_built_timestamp_seconds", "gauge", "When the database in force was made, by its own word.");
	er_geo_states(n->geo, write_built, out);
	er_metric_family(out, "er_geo_current", "gauge", "1: the file as it is now is in force; 0: it cannot be read.");
	er_geo_states(n->geo, write_current, out);
	er_metric_u64(out, "er_geo_failures_total", "counter", "Files of places that could not be read.", er_geo_failures(n->geo));
}

static void write_state(void *ctx, const er_geo_state *s)
{
	er_out *out = ctx;
	uint64_t now = er_clock_wall_us() / 1000000;
	er_out_open(out, NULL, '{');
	er_out_str(out, "database", s->path);
	er_out_opt(out, "type", s->type);
	if (s->built_s > 0) {
		er_out_u64(out, "built_s", s->built_s);
		er_out_u64(out, "age_s", now > s->built_s ? now - s->built_s : 0);
	}
	if (s->bytes > 0)
		er_out_u64(out, "bytes", s->bytes);
	er_out_opt(out, "fault", s->fault);
	er_out_close(out, '}');
}

void er_node_write_geo_state(const er_node *n, er_out *out)
{
	if (n->file->geo.n == 0)
		return;
	er_out_open(out, "geo", '[');
	er_geo_states(n->geo, write_state, out);
	er_out_close(out, ']');
}
