/* Answers of an origin: the first byte says how the rest is cut into writes and what is asked, the
 * rest is what a server on a loopback socket says before it hangs up, whatever it was asked. Real
 * sockets, so that both transports are tried: the plain one is told the address beforehand, and
 * gives what it cannot take to libcurl, which asks the same server again; redirects come back to it
 * as well. Every fetch must end, answered, and what it answered must be fit to be sent on. */
#include "base/mem.h"
#include "origin/fetch.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { GIVE_UP_MS = 5000, BODY_MAX = 64 << 20 };

typedef struct run {
	er_asker asker;
	er_slice answer;
	size_t step; /* bytes a write */
	bool answered, over, late;
	size_t body;
	er_exchange *x;
} run;

static uv_loop_t loop;
static er_origin *origin;
static er_cidr loopback;
static uv_tcp_t listener;
static struct sockaddr_in address;
static char authority[32], named[32];
static run *now;

static void on_closed(uv_handle_t *h)
{
	er_free(h);
}

static void hang_up(uv_stream_t *s)
{
	if (!uv_is_closing((uv_handle_t *)s))
		uv_close((uv_handle_t *)s, on_closed);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
	static char bytes[4096];
	(void)h, (void)hint;
	*buf = uv_buf_init(bytes, sizeof bytes);
}

/* Something was asked: says its piece and hangs up. */
static void on_asked(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	(void)buf;
	if (n == 0)
		return;
	er_slice left = n > 0 && now != NULL ? now->answer : (er_slice){0};
	while (left.n > 0) {
		er_slice head = er_slice_head(left, now->step);
		uv_buf_t out = uv_buf_init((char *)(uintptr_t)head.p, (unsigned)head.n);
		int wrote = uv_try_write(s, &out, 1);
		if (wrote <= 0)
			break;
		left = er_slice_from(left, (size_t)wrote);
	}
	hang_up(s);
}

static void on_connection(uv_stream_t *server, int status)
{
	(void)status;
	uv_tcp_t *c = ER_NEW(uv_tcp_t);
	uv_tcp_init(&loop, c);
	if (uv_accept(server, (uv_stream_t *)c) != 0) {
		hang_up((uv_stream_t *)c);
		return;
	}
	uv_tcp_nodelay(c, 1);
	uv_read_start((uv_stream_t *)c, on_alloc, on_asked);
}

static void set_up(void)
{
	er_err err;
	uv_loop_init(&loop);
	ER_ASSERT(er_cidr_parse(ER_LIT("127.0.0.0/8"), &loopback));
	origin = er_origin_new(&loop, NULL, 0, &err);
	ER_ASSERT(origin != NULL);
	uv_tcp_init(&loop, &listener);
	address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	ER_ASSERT(uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) == 0);
	int len = sizeof address;
	uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &len);
	ER_ASSERT(uv_listen((uv_stream_t *)&listener, 64, on_connection) == 0);
	snprintf(authority, sizeof authority, "127.0.0.1:%u", ntohs(address.sin_port));
	snprintf(named, sizeof named, "localhost:%u", ntohs(address.sin_port));
}

static void take(void *ctx)
{
	run *r = ctx;
	for (er_piece piece;;) {
		er_body_status s = er_body_read(r->x->res.body, 0, &piece);
		if (s == ER_BODY_WAIT)
			return;
		if (s != ER_BODY_PIECE)
			break;
		r->body += piece.n;
		er_piece_drop(&piece);
		if (r->body > BODY_MAX)
			break; /* a small answer that inflates: enough is seen */
	}
	er_body_sink(r->x->res.body, NULL, NULL);
	r->over = true;
}

static const er_body_sink_ops take_ops = {.readable = take};

static void check(const er_exchange *x)
{
	ER_ASSERT(x->res.status >= 200 && x->res.status <= 999);
	for (uint32_t i = 0; i < x->res.fields.n; i++) {
		er_slice name = x->res.fields.v[i].name, value = x->res.fields.v[i].value;
		ER_ASSERT(name.n > 0);
		for (size_t k = 0; k < name.n; k++)
			ER_ASSERT(name.p[k] > ' ' && name.p[k] != ':' && name.p[k] < 0x7f);
		for (size_t k = 0; k < value.n; k++)
			ER_ASSERT(value.p[k] != '\r' && value.p[k] != '\n' && value.p[k] != '\0');
		ER_ASSERT(!er_slice_ieq(name, ER_LIT("transfer-encoding")) && !er_slice_ieq(name, ER_LIT("connection")));
	}
}

static void on_answer(er_asker *asker, er_exchange *x)
{
	run *r = ER_CONTAINER(asker, run, asker);
	ER_ASSERT(!r->answered);
	r->answered = true;
	check(x);
	if (x->res.body == NULL) {
		r->over = true;
		return;
	}
	er_body_sink(x->res.body, &take_ops, r);
	take(r);
}

static void on_late(uv_timer_t *t)
{
	*(bool *)t->data = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool ready;
	if (n < 1 || n > 256 * 1024)
		return 0;
	if (!ready)
		set_up();
	ready = true;
	static const size_t steps[] = {1, 3, 17, 256 * 1024};
	uint8_t how = data[0];
	run r = {.answer = er_slice_of(data + 1, n - 1), .step = n > 4096 ? 256 * 1024 : steps[how & 3], .x = er_exchange_new()};
	now = &r;
	er_exchange *x = r.x;
	r.asker.answered = on_answer;
	x->asker = &r.asker;
	x->req.method = how & 4 ? ER_LIT("HEAD") : ER_LIT("GET");
	x->req.scheme = ER_LIT("http");
	x->req.authority = er_slice_cstr(authority);
	x->req.target = ER_LIT("/");
	x->wishes = (er_wishes){.max_hops = 3,
	                        .allow = &loopback,
	                        .n_allow = 1,
	                        .redirect = how & 8 ? ER_REDIRECT_MANUAL : ER_REDIRECT_FOLLOW,
	                        .decompress = how & 16   ? ER_DECOMPRESS_MANUAL
	                                      : how & 32 ? ER_DECOMPRESS_FALLBACK_IDENTITY
	                                                 : ER_DECOMPRESS};
	/* A pool of its own each time: no connection is left of the input before. */
	x->wishes.pool = x;
	/* An address goes by ourselves; a name that has two is libcurl's first. */
	if (how & 64)
		x->req.authority = er_slice_cstr(named);
	er_exchange_start(x, er_origin_handler(origin));
	uv_timer_t timer;
	uv_timer_init(&loop, &timer);
	timer.data = &r.late;
	uv_timer_start(&timer, on_late, GIVE_UP_MS, 0);
	while (!r.over && !r.late)
		uv_run(&loop, UV_RUN_ONCE);
	ER_ASSERT(r.over);
	now = NULL;
	uv_close((uv_handle_t *)&timer, NULL);
	er_origin_forget(origin, x);
	uv_run(&loop, UV_RUN_NOWAIT);
	er_exchange_unref(x);
	return 0;
}
