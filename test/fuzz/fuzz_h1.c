/* The HTTP/1 codec on bytes of anybody's. The first two bytes say how the rest is cut into reads;
 * the verdict must be the same as when it comes in one piece, nothing that was refused by the
 * grammar may come out, and what comes out must be writable and readable again. */
#include "base/mem.h"
#include "http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const er_h1_limits limits = {.request_line = 256, .field = 256, .header = 1024, .fields = 12, .body = 4096};

static void check_request(const er_request *req)
{
	ER_ASSERT(er_field_name_ok(req->method));
	ER_ASSERT(req->target.n > 0 && (req->target.p[0] == '/' || er_slice_eq(req->target, ER_LIT("*"))));
	for (size_t i = 0; i < req->target.n; i++)
		ER_ASSERT(req->target.p[i] > ' ' && req->target.p[i] < 0x7f && req->target.p[i] != '#');
	for (size_t i = 0; i < req->authority.n; i++)
		ER_ASSERT(req->authority.p[i] > ' ' && req->authority.p[i] < 0x7f &&
		          !(req->authority.p[i] >= 'A' && req->authority.p[i] <= 'Z'));
	ER_ASSERT(req->fields.n <= limits.fields);
	for (uint32_t i = 0; i < req->fields.n; i++) {
		const er_field *f = &req->fields.v[i];
		ER_ASSERT(er_field_name_ok(f->name) && er_field_value_ok(f->value) && !er_field_hop_by_hop(f->name));
		ER_ASSERT(!er_slice_ieq(f->name, ER_LIT("host")) && !er_slice_ieq(f->name, ER_LIT("content-length")));
	}
}

/* Writes the fields of a request as a response and looks that it is one head. */
static void check_response(const er_exchange *x)
{
	er_buf out;
	er_buf_init(&out);
	er_response res = {.status = 200, .fields = x->req.fields, .reason = x->req.method};
	er_h1_head_info info = {0};
	(void)er_h1_write_head(&out, &res, &info, true, ER_LIT("Sun, 06 Nov 1994 08:49:37 GMT"));
	er_slice s = er_buf_slice(&out);
	size_t blank = 0;
	for (size_t i = 0; i + 3 < s.n; i++)
		if (memcmp(s.p + i, "\r\n\r\n", 4) == 0)
			blank++;
	ER_ASSERT(blank == 1 && er_slice_ends(s, ER_LIT("\r\n\r\n")));
	er_buf_fini(&out);
}

/* True: goes on. */
static bool feed(er_h1 *p, er_exchange *x, er_slice in, er_buf *seen)
{
	for (;;) {
		er_slice bytes;
		x->req.scheme = ER_LIT("http");
		switch (er_h1_next(p, &in, x, &bytes)) {
		case ER_H1_MORE:
			ER_ASSERT(in.n == 0);
			return true;
		case ER_H1_HEAD:
			check_request(&x->req);
			check_response(x);
			er_buf_printf(seen, "%.*s %.*s %.*s %d[", ER_FMT(x->req.method), ER_FMT(x->req.authority), ER_FMT(x->req.target),
			              (int)x->req.fields.n);
			break;
		case ER_H1_BODY:
			ER_ASSERT(bytes.n > 0);
			er_buf_put(seen, bytes);
			break;
		case ER_H1_END:
			er_buf_puts(seen, "]");
			ER_ASSERT(er_exchange_reset(x));
			break;
		case ER_H1_ERROR:
			er_buf_printf(seen, "!%d", er_h1_error(p, NULL));
			ER_ASSERT(er_h1_next(p, &in, x, &bytes) == ER_H1_ERROR);
			return false;
		}
	}
}

static void run(er_slice all, size_t step, size_t grow, er_buf *seen)
{
	er_h1 *p = er_h1_new(&limits);
	er_exchange *x = er_exchange_new();
	while (all.n > 0) {
		/* A copy of exactly this size, gone after the call. */
		er_slice now = er_slice_head(all, step);
		uint8_t *copy = er_alloc(now.n);
		er_copy(copy, now.p, now.n);
		bool go_on = feed(p, x, er_slice_of(copy, now.n), seen);
		er_free(copy);
		if (!go_on)
			break;
		all = er_slice_from(all, now.n);
		step += grow;
	}
	er_exchange_unref(x);
	er_h1_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2)
		return 0;
	er_slice all = er_slice_of(data + 2, n - 2);
	er_buf whole, cut;
	er_buf_init(&whole);
	er_buf_init(&cut);
	run(all, all.n, 0, &whole);
	run(all, (size_t)(data[0] & 63) + 1, data[1] & 15, &cut);
	ER_ASSERT(er_slice_eq(er_buf_slice(&whole), er_buf_slice(&cut)));
	er_buf_fini(&whole);
	er_buf_fini(&cut);
	return 0;
}
