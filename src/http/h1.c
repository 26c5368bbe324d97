/* Requests in. The head is collected until its blank line and copied once, into the exchange's
 * arena; there llhttp goes over it in one run, so that every slice of the request points into that
 * copy and no verdict depends on how the bytes were cut into reads. What llhttp lets pass is
 * refused here: by lines before it runs (scan_head), and by meaning after (read_fields). */
#include "http/h1.h"

#include "base/mem.h"
#include "http/authority.h"
#include "http/websocket.h"

#include <llhttp.h>

enum {
	/* Bytes of chunk lines, extensions and trailers that one upload may spend above 16 a chunk
	 * and 1/8 of the data: a client that sends framing instead of data costs parsing and
	 * brings nothing. */
	FRAMING_SPARE = 16 * 1024,
	CONNECTION_NAMES = 100, /* other fields that Connection may list */
	HOST_KEPT = 64,
	HELD_KEPT = 8 * 1024, /* a bigger collecting buffer is given back after its head */
};

typedef enum h1_state { AT_HEAD, AT_LENGTH, AT_CHUNKED, AT_END, FAILED } h1_state;

/* One connection's parser, used again for each request. */
struct er_h1 {
	h1_state state;
	er_h1_limits limits;
	er_h1_head_info info;

	/* the head, while it is collected */
	er_buf held;      /* its bytes so far; empty when all of it lies in the input */
	size_t line;      /* where the line that is being read begins */
	size_t scanned;   /* no line end before this place but those that were seen */
	uint32_t lines;   /* complete ones */
	size_t fields_at; /* where the first line after the request line begins */
	bool blank_taken; /* the one empty line before a request that RFC 9112 2.2 asks us to ignore */
	size_t method_n, target_at, target_n;

	/* the upload */
	uint64_t left; /* AT_LENGTH */
	uint64_t taken, framing, chunks;
	er_slice piece;   /* what on_body saw */
	bool complete;    /* on_message_complete */
	er_buf trailers;  /* "name:value\n" of each field behind the body */
	bool in_value;    /* the last piece of a trailer was one of its value */
	er_fields *into;  /* where the header callbacks write; NULL: trailers, dropped */
	bool name_closed; /* each name is there, and the colon follows at once */

	/* The last Host that was valid and already as we write it: a client's next one is most
	 * likely the same. */
	uint8_t host[HOST_KEPT];
	size_t host_n;

	int status;
	const char *why;
	llhttp_t llhttp;
};

static bool fail(er_h1 *p, int status, const char *why)
{
	p->state = FAILED;
	p->status = status;
	p->why = why;
	return false;
}

/* ---- llhttp's callbacks ---- */

static int on_header_field(llhttp_t *l, const char *at, size_t n)
{
	er_h1 *p = l->data;
	if (p->into == NULL)
		return 0;
	/* scan_head counted the lines and made room for all of them. */
	ER_ASSERT(p->into->n < p->into->cap);
	p->into->v[p->into->n++] = (er_field){er_slice_of(at, n), {0}};
	if (n == 0 || at[n] != ':')
		p->name_closed = false;
	return 0;
}

static int on_header_value(llhttp_t *l, const char *at, size_t n)
{
	er_h1 *p = l->data;
	if (p->into != NULL)
		p->into->v[p->into->n - 1].value = er_slice_trim(er_slice_of(at, n));
	return 0;
}

static int on_headers_complete(llhttp_t *l)
{
	er_h1 *p = l->data;
	p->complete = true;
	/* What follows is HTTP/1 until somebody answers with 101. */
	l->upgrade = 0;
	return 0;
}

static int on_chunk_header(llhttp_t *l)
{
	er_h1 *p = l->data;
	p->chunks++;
	return 0;
}

static int on_body(llhttp_t *l, const char *at, size_t n)
{
	er_h1 *p = l->data;
	p->piece = er_slice_of(at, n);
	return HPE_PAUSED;
}

/* A trailer comes in pieces of any size. Its length is bounded with the rest of the framing. */
static int on_trailer_field(llhttp_t *l, const char *at, size_t n)
{
	er_h1 *p = l->data;
	if (p->in_value)
		er_buf_putc(&p->trailers, '\n');
	p->in_value = false;
	er_buf_put(&p->trailers, er_slice_of(at, n));
	return 0;
}

static int on_trailer_value(llhttp_t *l, const char *at, size_t n)
{
	er_h1 *p = l->data;
	if (!p->in_value)
		er_buf_putc(&p->trailers, ':');
	p->in_value = true;
	er_buf_put(&p->trailers, er_slice_of(at, n));
	return 0;
}

static int on_message_complete(llhttp_t *l)
{
	er_h1 *p = l->data;
	p->complete = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t head_settings = {
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
};

static const llhttp_settings_t body_settings = {
    .on_chunk_header = on_chunk_header,
    .on_body = on_body,
    .on_header_field = on_trailer_field,
    .on_header_value = on_trailer_value,
    .on_message_complete = on_message_complete,
};

/* ---- the head, line by line ---- */

/* How many bytes may stand in a request target: visible ASCII without "#". */
static size_t target_n(er_slice s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] > ' ' && s.p[n] < 0x7f && s.p[n] != '#')
		n++;
	return n;
}

/* RFC 9112 3: method SP request-target SP HTTP-version, and nothing more tolerant than that. */
static bool scan_request_line(er_h1 *p, er_slice line)
{
	p->method_n = er_field_name_n(line);
	er_slice method = er_slice_head(line, p->method_n);
	if (method.n == 0 || (method.n < line.n && line.p[method.n] != ' '))
		return fail(p, 400, "the request line does not begin with a method");
	p->target_at = p->method_n + 1;
	er_slice rest = er_slice_from(line, p->target_at);
	p->target_n = target_n(rest);
	if (p->target_n < rest.n && rest.p[p->target_n] != ' ' && er_slice_find(rest, ' ') < rest.n)
		return fail(p, 400, "the request target holds a character that it may not");
	if (p->target_n == 0 || p->target_n == rest.n || rest.p[p->target_n] != ' ')
		return fail(p, 400, "the request line is not: method, target, version");
	er_slice version = er_slice_from(rest, p->target_n + 1);
	if (version.n != 8 || !er_slice_starts(version, ER_LIT("HTTP/")) || version.p[5] < '0' || version.p[5] > '9' ||
	    version.p[6] != '.' || version.p[7] < '0' || version.p[7] > '9')
		return fail(p, 400, "the request line does not end with an HTTP version");
	if (version.p[5] != '1' || version.p[7] > '1')
		return fail(p, 505, "this server speaks HTTP/1.1 and HTTP/1.0 here");
	p->info.http10 = version.p[7] == '0';
	/* RFC 9110 15.5.6: known, and allowed on no resource of ours. */
	if (er_slice_eq(method, ER_LIT("CONNECT")) || er_slice_eq(method, ER_LIT("TRACE")))
		return fail(p, 405, "CONNECT and TRACE are not allowed");
	return true;
}

/* `n` bytes of the current line are there, with or without its end. */
static bool line_fits(er_h1 *p, size_t n)
{
	if (p->lines == 0)
		return n <= (size_t)p->limits.request_line + 1 || fail(p, 414, "the request line is too long");
	if (n > (size_t)p->limits.field + 1)
		return fail(p, 431, "a header field is too long");
	return true;
}

static bool scan_line(er_h1 *p, er_slice line)
{
	if (p->lines == 0)
		return scan_request_line(p, line);
	if (line.p[0] == ' ' || line.p[0] == '\t')
		return fail(p, 400, "a header field is folded over two lines");
	if (p->lines > p->limits.fields)
		return fail(p, 431, "too many header fields");
	return true;
}

/* Looks for the blank line in what is there of the head. False: more is needed, or it failed. */
static bool scan_head(er_h1 *p, er_slice s, size_t *head_n)
{
	while (p->scanned < s.n) {
		size_t end = p->scanned + er_slice_find(er_slice_from(s, p->scanned), '\n');
		if (!line_fits(p, end - p->line))
			return false;
		if (p->lines > 0 && end - p->fields_at > (size_t)p->limits.header + 2)
			return fail(p, 431, "the header fields are too long");
		if (end == s.n) {
			p->scanned = s.n;
			return false;
		}
		if (end == p->line || s.p[end - 1] != '\r')
			return fail(p, 400, "a line must end with CR LF");
		er_slice line = er_slice_of(s.p + p->line, end - 1 - p->line);
		if (line.n == 0) {
			*head_n = end + 1;
			return true;
		}
		if (!scan_line(p, line))
			return false;
		p->line = p->scanned = end + 1;
		if (p->lines++ == 0)
			p->fields_at = p->line;
	}
	return false;
}

/* ---- what the head means ---- */

typedef enum known {
	K_OTHER,
	K_HOST,
	K_CONTENT_LENGTH,
	K_TRANSFER_ENCODING,
	K_CONNECTION,
	K_EXPECT,
	K_TE,
	K_UPGRADE,
	K_HOP, /* the rest of what concerns this connection only */
} known;

/* Whether the codec has something to do with the field; by length first, because most names are
 * none of these. */
static known classify(er_slice name)
{
	switch (name.n) {
	case 2:
		return er_slice_ieq(name, ER_LIT("te")) ? K_TE : K_OTHER;
	case 4:
		return er_slice_ieq(name, ER_LIT("host")) ? K_HOST : K_OTHER;
	case 6:
		return er_slice_ieq(name, ER_LIT("expect")) ? K_EXPECT : K_OTHER;
	case 10:
		if (er_slice_ieq(name, ER_LIT("connection")))
			return K_CONNECTION;
		return er_field_hop_by_hop(name) ? K_HOP : K_OTHER;
	case 14:
		return er_slice_ieq(name, ER_LIT("content-length")) ? K_CONTENT_LENGTH : K_OTHER;
	case 17:
		return er_slice_ieq(name, ER_LIT("transfer-encoding")) ? K_TRANSFER_ENCODING : K_OTHER;
	case 7: /* upgrade, trailer */
		if (er_slice_ieq(name, ER_LIT("upgrade")))
			return K_UPGRADE;
		return er_field_hop_by_hop(name) ? K_HOP : K_OTHER;
	case 16: /* proxy-connection */
	case 18: /* proxy-authenticate */
	case 19: /* proxy-authorization */
		return er_field_hop_by_hop(name) ? K_HOP : K_OTHER;
	default:
		return K_OTHER;
	}
}

/* What the fields of one head say about it, before it is decided. */
typedef struct framing {
	bool has_host, has_length, chunked;
	er_slice host;
	uint64_t length;
	bool connection, close, keep_alive;
	bool upgrade, websocket;   /* Connection names Upgrade; Upgrade names websocket */
	uint32_t connection_lists; /* how many fields of this message Connection names */
} framing;

static void read_connection(framing *f, er_slice value)
{
	f->connection = true;
	for (er_slice part; er_slice_split(&value, ',', &part);) {
		part = er_slice_trim(part);
		if (er_slice_ieq(part, ER_LIT("close")))
			f->close = true;
		else if (er_slice_ieq(part, ER_LIT("keep-alive")))
			f->keep_alive = true;
		else if (er_slice_ieq(part, ER_LIT("upgrade")))
			f->upgrade = true;
		else if (part.n > 0 && !er_field_hop_by_hop(part))
			f->connection_lists++;
	}
}

/* What the field says about the message itself: where it goes, how it is framed, what becomes of
 * the connection. False: refused, and said. */
static bool read_field(er_h1 *p, framing *f, const er_field *it, known what)
{
	switch (what) {
	case K_HOST:
		if (f->has_host)
			return fail(p, 400, "there is more than one Host");
		f->has_host = true;
		f->host = it->value;
		return true;
	case K_CONTENT_LENGTH:
		if (f->has_length)
			return fail(p, 400, "there is more than one Content-Length");
		f->has_length = true;
		if (!er_slice_u64(it->value, &f->length) || f->length > INT64_MAX)
			return fail(p, 400, "Content-Length is not a number of bytes");
		return true;
	case K_TRANSFER_ENCODING:
		/* Anything but one "chunked" is a coding that we do not know, or a trick; RFC 9112 6.1
		 * offers 501 for the first. */
		if (f->chunked || !er_slice_ieq(it->value, ER_LIT("chunked")))
			return fail(p, 400, "Transfer-Encoding is not exactly one \"chunked\"");
		if (p->info.http10)
			return fail(p, 400, "Transfer-Encoding does not exist in HTTP/1.0");
		f->chunked = true;
		return true;
	case K_CONNECTION:
		read_connection(f, it->value);
		/* Each is looked for among all fields: nobody may ask for thousands. */
		return f->connection_lists <= CONNECTION_NAMES || fail(p, 400, "Connection names too many fields");
	case K_EXPECT:
		if (!er_slice_ieq(it->value, ER_LIT("100-continue")))
			return fail(p, 417, "the only expectation that can be met is 100-continue");
		p->info.expect_continue = !p->info.http10;
		return true;
	case K_TE:
		p->info.trailers = p->info.trailers || er_field_has_token(it->value, ER_LIT("trailers"));
		return true;
	case K_UPGRADE:
		f->websocket = f->websocket || er_field_has_token(it->value, ER_LIT("websocket"));
		return true;
	case K_OTHER:
	case K_HOP:
		break;
	}
	return true;
}

/* Reads what concerns framing and takes it out of the fields, with Host and what is hop-by-hop. */
static bool read_fields(er_h1 *p, er_fields *fields, framing *f)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < fields->n; i++) {
		er_field it = fields->v[i];
		known what = classify(it.name);
		if (what != K_OTHER && !read_field(p, f, &it, what))
			return false;
		/* Connection itself stays until what it lists is gone. */
		if (what == K_OTHER || what == K_CONNECTION)
			fields->v[kept++] = it;
	}
	fields->n = kept;
	if (f->connection_lists > 0)
		er_fields_strip_hop_by_hop(fields);
	else if (f->connection)
		er_fields_del(fields, ER_LIT("connection"));
	return true;
}

static bool settle_framing(er_h1 *p, const framing *f)
{
	if (f->chunked && f->has_length)
		return fail(p, 400, "Transfer-Encoding and Content-Length in one message");
	if (f->has_length && p->limits.body != 0 && f->length > p->limits.body)
		return fail(p, 413, "the upload is too large");
	p->info.content_length = f->chunked ? -1 : (int64_t)f->length;
	p->info.has_body = f->chunked || f->length > 0;
	p->info.keep_alive = !f->close && (!p->info.http10 || f->keep_alive);
	p->info.expect_continue = p->info.expect_continue && p->info.has_body;
	p->left = f->length;
	return true;
}

/* RFC 9112 3.2.2: scheme "://" authority path-and-query. Cuts the authority off and leaves the rest
 * as the target. */
static bool read_absolute(er_h1 *p, er_exchange *x, er_slice *authority)
{
	er_slice t = x->req.target;
	bool https = t.n > 8 && er_slice_ieq(er_slice_head(t, 8), ER_LIT("https://"));
	bool http = t.n > 7 && er_slice_ieq(er_slice_head(t, 7), ER_LIT("http://"));
	if (!http && !https)
		return fail(p, 400, "the request target is neither a path nor an http URL");
	/* RFC 9110 7.4: what is asked for over the wrong transport is not ours to answer. */
	if (x->req.scheme.n > 0 && https != er_slice_eq(x->req.scheme, ER_LIT("https")))
		return fail(p, 421, "the scheme of the request target is not that of the connection");
	er_slice rest = er_slice_from(t, https ? 8 : 7);
	size_t n = 0;
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	*authority = er_slice_head(rest, n);
	er_slice path = er_slice_from(rest, n);
	if (path.n == 0)
		x->req.target = er_slice_eq(x->req.method, ER_LIT("OPTIONS")) ? ER_LIT("*") : ER_LIT("/");
	else if (path.p[0] == '?')
		x->req.target = er_arena_printf(&x->arena, "/%.*s", ER_FMT(path));
	else
		x->req.target = path;
	return true;
}

/* The scheme decides which port need not be said, and is the same for all requests of a
 * connection. */
static bool read_host(er_h1 *p, er_exchange *x, er_slice host)
{
	if (host.n > 0 && er_slice_eq(host, er_slice_of(p->host, p->host_n))) {
		x->req.authority = host;
		return true;
	}
	if (!er_authority_read(&x->arena, host, x->req.scheme, &x->req.authority))
		return false;
	if (x->req.authority.p == host.p && x->req.authority.n == host.n && host.n <= HOST_KEPT) {
		er_copy(p->host, host.p, host.n);
		p->host_n = host.n;
	}
	return true;
}

/* RFC 9112 3.2: the form of the target, and the host that is meant. */
static bool read_target(er_h1 *p, er_exchange *x, const framing *f)
{
	if (!f->has_host && !p->info.http10)
		return fail(p, 400, "there is no Host");
	er_request *req = &x->req;
	req->authority = (er_slice){0};
	/* A Host is checked even where the target overrules it. */
	if (f->has_host && !read_host(p, x, f->host))
		return fail(p, 400, "Host is not a host name");
	if (req->target.p[0] == '/')
		return true;
	if (er_slice_eq(req->target, ER_LIT("*"))) {
		if (!er_slice_eq(req->method, ER_LIT("OPTIONS")))
			return fail(p, 400, "the target * is for OPTIONS only");
		return true;
	}
	er_slice authority;
	if (!read_absolute(p, x, &authority))
		return false;
	if (!er_authority_read(&x->arena, authority, req->scheme, &req->authority))
		return fail(p, 400, "the request target's host is not a host name");
	return true;
}

/* A handshake of WebSocket (RFC 6455 4.2.1). A wish for any other protocol, or one that is said in
 * another way, is none that has to be granted (RFC 9110 7.8). */
static bool read_upgrade(er_h1 *p, er_exchange *x, const framing *f)
{
	er_fields *fields = &x->req.fields;
	if (!f->upgrade || !f->websocket || p->info.http10 || p->info.has_body || !er_slice_eq(x->req.method, ER_LIT("GET")))
		return true;
	int status;
	const char *why = er_websocket_malformed(fields, &status);
	if (why != NULL)
		return fail(p, status, why);
	x->req.upgrade = true;
	er_fields_add(fields, &x->arena, ER_LIT("upgrade"), ER_LIT("websocket"));
	return true;
}

/* Other than tabs and the ends of lines. */
static bool holds_control(er_slice head)
{
	for (size_t i = 0; i < head.n; i++) {
		uint8_t c = head.p[i];
		bool end = c == '\n' || (c == '\r' && i + 1 < head.n && head.p[i + 1] == '\n');
		if ((c < ' ' && c != '\t' && !end) || c == 0x7f)
			return true;
	}
	return false;
}

/* One whole head. llhttp checks the form, and none of its leniencies is switched on; what it lets
 * pass all the same is looked at afterwards. */
static bool run_llhttp(er_h1 *p, er_slice head)
{
	llhttp_init(&p->llhttp, HTTP_REQUEST, &head_settings);
	p->llhttp.data = p;
	p->complete = false;
	p->name_closed = true;
	llhttp_errno_t err = llhttp_execute(&p->llhttp, (const char *)head.p, head.n);
	/* The request line was well-formed: what llhttp does not know is the method, or it
	 * belongs to RTSP. */
	if (err == HPE_INVALID_METHOD || err == HPE_INVALID_CONSTANT)
		return fail(p, 501, "the method is not implemented");
	if ((err != HPE_OK || !p->complete) && holds_control(head))
		return fail(p, 400, "a header field holds a control character");
	if (err != HPE_OK || !p->complete) {
		const char *why = llhttp_get_error_reason(&p->llhttp);
		return fail(p, 400, why != NULL && why[0] != '\0' ? why : "the head is malformed");
	}
	return p->name_closed || fail(p, 400, "a header field has no name, or space before its colon");
}

/* `whole` is the head with its blank line. */
static bool parse_head(er_h1 *p, er_slice whole, er_exchange *x)
{
	er_slice head = er_arena_copy(&x->arena, whole);
	er_fields *fields = &x->req.fields;
	*fields = (er_fields){.cap = p->lines};
	fields->v = er_arena_alloc(&x->arena, fields->cap * sizeof *fields->v);
	p->into = fields;
	bool ok = run_llhttp(p, head);
	p->into = NULL;
	if (!ok)
		return false;
	x->req.method = er_slice_head(head, p->method_n);
	x->req.target = er_slice_of(head.p + p->target_at, p->target_n);
	p->info.head = er_slice_eq(x->req.method, ER_LIT("HEAD"));
	framing f = {0};
	return read_fields(p, fields, &f) && settle_framing(p, &f) && read_target(p, x, &f) && read_upgrade(p, x, &f);
}

static void begin_message(er_h1 *p)
{
	p->state = AT_HEAD;
	p->line = p->scanned = 0;
	p->lines = 0;
	p->blank_taken = false;
	p->taken = p->framing = p->chunks = 0;
	if (p->held.cap > HELD_KEPT)
		er_buf_fini(&p->held);
	else
		er_buf_clear(&p->held);
}

static void end_head(er_h1 *p)
{
	p->state = !p->info.has_body ? AT_END : p->info.content_length < 0 ? AT_CHUNKED : AT_LENGTH;
	if (p->state == AT_CHUNKED) {
		/* llhttp stands before the first chunk; from here on it gets the input itself. */
		p->llhttp.settings = (void *)(uintptr_t)&body_settings;
		p->complete = false;
	}
	er_buf_clear(&p->trailers);
	p->in_value = false;
}

/* Before the first byte of a head is kept. False: nothing of a request is there. */
static bool begin_head(er_h1 *p, er_slice *input)
{
	static const char crlf[2] = "\r\n";
	if (!p->blank_taken && input->n >= 2 && memcmp(input->p, crlf, 2) == 0) {
		*input = er_slice_from(*input, 2);
		p->blank_taken = true;
	}
	if (input->n == 0)
		return false;
	p->info = (er_h1_head_info){0};
	/* A TLS hello or other noise is refused at its first byte, not after a time-out. */
	if (!er_field_name_ok(er_slice_head(*input, 1)) && !(input->n == 1 && input->p[0] == '\r' && !p->blank_taken))
		return fail(p, 400, "this is not HTTP");
	return true;
}

/* Collects bytes until the head is whole and hands it to the parser in one piece. A head that came
 * in one read is parsed where it lies; only what was cut is copied (`held`). */
static er_h1_event next_head(er_h1 *p, er_slice *input, er_exchange *x)
{
	size_t head_n = 0;
	size_t had = er_buf_len(&p->held);
	if (had == 1 && p->held.p[p->held.start] == '\r' && input->n > 0) {
		/* The CR of an empty line before the request came alone. */
		if (input->p[0] != '\n')
			return fail(p, 400, "this is not HTTP"), ER_H1_ERROR;
		*input = er_slice_from(*input, 1);
		er_buf_clear(&p->held);
		p->scanned = had = 0;
		p->blank_taken = true;
	}
	if (had == 0 && !begin_head(p, input))
		return p->state == FAILED ? ER_H1_ERROR : ER_H1_MORE;
	er_slice s = *input;
	if (had > 0) {
		er_buf_put(&p->held, *input);
		s = er_buf_slice(&p->held);
	}
	if (!scan_head(p, s, &head_n)) {
		if (p->state == FAILED)
			return ER_H1_ERROR;
		if (had == 0)
			er_buf_put(&p->held, *input);
		*input = er_slice_from(*input, input->n);
		return ER_H1_MORE;
	}
	if (!parse_head(p, er_slice_head(s, head_n), x))
		return ER_H1_ERROR;
	*input = er_slice_from(*input, head_n - had);
	end_head(p);
	return ER_H1_HEAD;
}

/* ---- the upload ---- */

static er_h1_event next_of_length(er_h1 *p, er_slice *input, er_slice *bytes)
{
	if (input->n == 0)
		return ER_H1_MORE;
	*bytes = er_slice_head(*input, p->left < input->n ? (size_t)p->left : input->n);
	*input = er_slice_from(*input, bytes->n);
	p->left -= bytes->n;
	if (p->left == 0)
		p->state = AT_END;
	return ER_H1_BODY;
}

/* The next piece of a chunked upload. What is framing and not data is bounded: a client may not
 * make the node read chunk extensions for ever. */
static er_h1_event next_chunked(er_h1 *p, er_slice *input, er_slice *bytes)
{
	if (input->n == 0)
		return ER_H1_MORE;
	p->piece = (er_slice){0};
	llhttp_errno_t err = llhttp_execute(&p->llhttp, (const char *)input->p, input->n);
	size_t used = input->n;
	if (err == HPE_PAUSED) {
		used = (size_t)((const uint8_t *)llhttp_get_error_pos(&p->llhttp) - input->p);
		llhttp_resume(&p->llhttp);
	} else if (err != HPE_OK) {
		fail(p, 400, "the chunked coding is malformed");
		return ER_H1_ERROR;
	}
	*input = er_slice_from(*input, used);
	p->taken += p->piece.n;
	p->framing += used - p->piece.n;
	if (p->limits.body != 0 && p->taken > p->limits.body) {
		fail(p, 413, "the upload is too large");
		return ER_H1_ERROR;
	}
	if (p->framing > FRAMING_SPARE + p->chunks * 16 + p->taken / 8) {
		fail(p, 400, "chunk extensions or trailers are too long");
		return ER_H1_ERROR;
	}
	if (p->complete)
		p->state = AT_END;
	if (p->piece.n > 0) {
		*bytes = p->piece;
		return ER_H1_BODY;
	}
	return p->complete ? (begin_message(p), ER_H1_END) : ER_H1_MORE;
}

er_h1_event er_h1_next(er_h1 *p, er_slice *input, er_exchange *x, er_slice *bytes)
{
	*bytes = (er_slice){0};
	switch (p->state) {
	case AT_HEAD:
		return next_head(p, input, x);
	case AT_LENGTH:
		return next_of_length(p, input, bytes);
	case AT_CHUNKED:
		return next_chunked(p, input, bytes);
	case AT_END:
		begin_message(p);
		return ER_H1_END;
	case FAILED:
		break;
	}
	return ER_H1_ERROR;
}

er_h1 *er_h1_new(const er_h1_limits *limits)
{
	er_h1 *p = ER_NEW(er_h1);
	p->limits = *limits;
	begin_message(p);
	return p;
}

void er_h1_free(er_h1 *p)
{
	if (p == NULL)
		return;
	er_buf_fini(&p->held);
	er_buf_fini(&p->trailers);
	er_free(p);
}

const er_h1_head_info *er_h1_head_info_of(const er_h1 *p)
{
	return &p->info;
}

er_slice er_h1_trailers(const er_h1 *p)
{
	return er_buf_len(&p->trailers) > 0 ? er_buf_slice(&p->trailers) : (er_slice){0};
}

bool er_h1_trailer(er_slice *rest, er_slice *name, er_slice *value)
{
	er_slice line;
	if (!er_slice_split(rest, '\n', &line))
		return false;
	size_t colon = er_slice_find(line, ':');
	*name = er_slice_head(line, colon);
	*value = colon < line.n ? er_slice_trim(er_slice_from(line, colon + 1)) : (er_slice){0};
	return true;
}

bool er_h1_idle(const er_h1 *p)
{
	return p->state == AT_HEAD && er_buf_len(&p->held) == 0;
}

int er_h1_error(const er_h1 *p, const char **why)
{
	if (why != NULL)
		*why = p->why;
	return p->status;
}
