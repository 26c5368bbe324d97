/* The HTTP/1 codec against raw bytes: every request of the corpus below is run whole, byte by byte
 * and cut at every place, and must give the same verdict each time: exactly N requests seen, or
 * refused with that status. */
#include "http/h1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const er_h1_limits limits = {.request_line = 8192, .field = 8192, .header = 32768, .fields = 100, .body = 1 << 20};

/* What was seen, as text: "METHOD authority target {name: value;...} [body]" a request, then
 * "!status" if it was refused. */
typedef struct seen {
	int requests; /* complete ones */
	int heads;
	int status; /* 0: not refused */
	er_buf text;
	size_t left; /* input not used when it stopped */
	er_h1_head_info last;
	bool idle;
} seen;

static void note_head(seen *s, const er_exchange *x)
{
	const er_request *req = &x->req;
	er_buf_printf(&s->text, "%.*s %.*s %.*s {", ER_FMT(req->method), ER_FMT(req->authority), ER_FMT(req->target));
	for (uint32_t i = 0; i < req->fields.n; i++)
		er_buf_printf(&s->text, "%.*s: %.*s;", ER_FMT(req->fields.v[i].name), ER_FMT(req->fields.v[i].value));
	er_buf_puts(&s->text, "} [");
}

/* Gives the parser one read. False: refused. */
static bool feed(er_h1 *p, er_exchange *x, seen *s, er_slice input)
{
	for (;;) {
		er_slice bytes;
		x->req.scheme = ER_LIT("http");
		switch (er_h1_next(p, &input, x, &bytes)) {
		case ER_H1_MORE:
			assert_int_equal(input.n, 0);
			return true;
		case ER_H1_HEAD:
			s->heads++;
			s->last = *er_h1_head_info_of(p);
			note_head(s, x);
			break;
		case ER_H1_BODY:
			assert_true(bytes.n > 0);
			er_buf_put(&s->text, bytes);
			break;
		case ER_H1_END:
			s->requests++;
			er_buf_puts(&s->text, "]\n");
			assert_true(er_exchange_reset(x));
			break;
		case ER_H1_ERROR:
			s->status = er_h1_error(p, NULL);
			s->left = input.n;
			er_buf_printf(&s->text, "!%d\n", s->status);
			return false;
		}
	}
}

/* `step`: bytes a read; `cut`: one cut at that place instead, when step is 0. */
static seen run(er_slice raw, size_t step, size_t cut, const er_h1_limits *with)
{
	seen s = {0};
	er_h1 *p = er_h1_new(with);
	er_exchange *x = er_exchange_new();
	for (size_t at = 0; at < raw.n;) {
		size_t n = step ? step : at < cut ? cut - at : raw.n - at;
		if (n > raw.n - at)
			n = raw.n - at;
		/* A read's memory is gone afterwards: nothing may point into it. */
		uint8_t *copy = er_alloc(n);
		er_copy(copy, raw.p + at, n);
		bool ok = feed(p, x, &s, er_slice_of(copy, n));
		memset(copy, 0xee, n);
		er_free(copy);
		if (!ok)
			break;
		at += n;
	}
	s.idle = er_h1_idle(p);
	er_exchange_unref(x);
	er_h1_free(p);
	return s;
}

typedef struct verdict {
	const char *what;
	const char *raw;
	size_t n;
	int requests;
	int status;
} verdict;

#define ACCEPT(what, n, raw) \
	{ \
		what, raw, sizeof(raw) - 1, n, 0 \
	}
#define REFUSE(what, status, raw) \
	{ \
		what, raw, sizeof(raw) - 1, 0, status \
	}
#define THEN_REFUSE(what, n, status, raw) \
	{ \
		what, raw, sizeof(raw) - 1, n, status \
	}
#define H "Host: a\r\n"

static const verdict corpus[] = {
    /* ---- what must go on working ---- */
    ACCEPT("the plainest request", 1, "GET / HTTP/1.1\r\n" H "\r\n"),
    ACCEPT("two requests in one read", 2, "GET /1 HTTP/1.1\r\n" H "\r\nGET /2 HTTP/1.1\r\n" H "\r\n"),
    ACCEPT("an upload, then a request", 2, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n" H "\r\n"),
    ACCEPT("an empty upload", 2, "POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"),
    ACCEPT("a chunked upload, then a request", 2,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"),
    ACCEPT("Chunked in capitals", 1, "POST / HTTP/1.1\r\n" H "TRANSFER-ENCODING: CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n"),
    ACCEPT("chunk sizes with leading zeros and capitals", 1,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n00A\r\n0123456789\r\n000\r\n\r\n"),
    ACCEPT("chunk extensions", 1,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1;a;b=c\r\nx\r\n1;a=\"b\";c\r\ny\r\n0;d\r\n\r\n"),
    ACCEPT("trailers", 2,
           "POST / HTTP/1.1\r\n" H
           "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nDigest: z\r\nHost: evil\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"),
    ACCEPT("GET with a body", 2, "GET / HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\n" H "\r\n"),
    ACCEPT("an empty line before a request", 1, "\r\nGET / HTTP/1.1\r\n" H "\r\n"),
    ACCEPT("an empty line after an upload, as old clients send", 2,
           "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nx\r\nGET / HTTP/1.1\r\n" H "\r\n"),
    ACCEPT("HTTP/1.0 without Host", 1, "GET / HTTP/1.0\r\n\r\n"),
    ACCEPT("HTTP/1.0 ignores an expectation", 1, "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"),
    ACCEPT("an absolute target", 1, "GET http://b/x HTTP/1.1\r\n" H "\r\n"),
    ACCEPT("OPTIONS *", 1, "OPTIONS * HTTP/1.1\r\n" H "\r\n"),
    ACCEPT("an upgrade that is not taken", 2,
           "GET / HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"),
    ACCEPT(
        "an upgrade with an upload", 2,
        "POST / HTTP/1.1\r\n" H
        "Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n" H
        "\r\n"),
    ACCEPT("a method of WebDAV", 1, "PROPFIND / HTTP/1.1\r\n" H "\r\n"),
    ACCEPT("a request after Connection: close is the caller's to ignore", 2,
           "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"),
    ACCEPT("a value with obs-text", 1, "GET / HTTP/1.1\r\n" H "X: caf\xc3\xa9\r\n\r\n"),
    ACCEPT("an empty value", 1, "GET / HTTP/1.1\r\n" H "X:\r\n\r\n"),
    ACCEPT("a value of white space", 1, "GET / HTTP/1.1\r\n" H "X: \t \r\n\r\n"),
    ACCEPT("Host with the scheme's port", 1, "GET / HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    ACCEPT("Host as an IPv6 address", 1, "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
    ACCEPT("an unfinished request is not counted", 1, "GET / HTTP/1.1\r\n" H "\r\nGET / HT"),
    ACCEPT("an unfinished upload is not counted", 0, "POST / HTTP/1.1\r\n" H "Content-Length: 6\r\n\r\nhello"),
    ACCEPT("an unfinished chunked upload is not counted", 0,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),

    /* ---- Content-Length and Transfer-Encoding ---- */
    REFUSE("CL.TE", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"),
    REFUSE("TE.CL", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
    REFUSE("TE.TE with a second unknown one", 400,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n"),
    REFUSE("TE.TE with a first unknown one", 400,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    REFUSE("chunked twice", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    REFUSE("chunked in two fields", 400,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    REFUSE("gzip, chunked", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    REFUSE("chunked, identity", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    REFUSE("identity", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n"),
    REFUSE("xchunked", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    REFUSE("chunkedx", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n"),
    REFUSE("quoted chunked", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    REFUSE("chunked with a parameter", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n"),
    REFUSE("a comma after chunked", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n"),
    REFUSE("a comma before chunked", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"),
    REFUSE("a vertical tab before chunked", 400,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
           "chunked\r\n\r\n0\r\n\r\n"),
    REFUSE("an empty Transfer-Encoding", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n"),
    REFUSE("an empty Transfer-Encoding beside Content-Length", 400,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \r\nContent-Length: 3\r\n\r\nabc"),
    REFUSE("Transfer-Encoding in HTTP/1.0", 400, "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    REFUSE("Transfer-Encoding folded", 400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    REFUSE("space before the colon of Transfer-Encoding", 400,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    REFUSE("tab before the colon of Transfer-Encoding", 400,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    REFUSE("space before Transfer-Encoding", 400, "POST / HTTP/1.1\r\n" H " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    REFUSE("differing Content-Length", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    REFUSE("Content-Length twice the same", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    REFUSE("Content-Length as a list", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\nhello"),
    REFUSE("Content-Length with a plus", 400, "POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\nhello"),
    REFUSE("Content-Length with a minus", 400, "POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\nhello"),
    REFUSE("Content-Length in hexadecimal", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\nhello"),
    REFUSE("Content-Length with a space inside", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 1 0\r\n\r\nhello"),
    REFUSE("Content-Length with an underscore", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 1_0\r\n\r\n0123456789"),
    REFUSE("an empty Content-Length", 400, "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n"),
    REFUSE("Content-Length of 2^64", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551616\r\n\r\n"),
    REFUSE("Content-Length of 2^63", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 9223372036854775808\r\n\r\n"),
    REFUSE("Content-Length above the bound", 413, "POST / HTTP/1.1\r\n" H "Content-Length: 1048577\r\n\r\n"),
    REFUSE("Content-Length folded", 400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n 5\r\n\r\nhello"),

/* ---- chunks ---- */
#define CHUNKED "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
    REFUSE("a chunk size with 0x", 400, CHUNKED "0x5\r\nhello\r\n0\r\n\r\n"),
    REFUSE("a chunk size with a plus", 400, CHUNKED "+5\r\nhello\r\n0\r\n\r\n"),
    REFUSE("a chunk size with a minus", 400, CHUNKED "-5\r\nhello\r\n0\r\n\r\n"),
    REFUSE("a chunk size with a space after", 400, CHUNKED "5 \r\nhello\r\n0\r\n\r\n"),
    REFUSE("a chunk size with a space before", 400, CHUNKED " 5\r\nhello\r\n0\r\n\r\n"),
    REFUSE("an empty chunk size", 400, CHUNKED "\r\nhello\r\n0\r\n\r\n"),
    REFUSE("a chunk size that overflows", 400, CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    REFUSE("a chunk size that ends with LF", 400, CHUNKED "5\nhello\r\n0\r\n\r\n"),
    REFUSE("a chunk size that ends with CR", 400, CHUNKED "5\rhello\r\n0\r\n\r\n"),
    REFUSE("chunk data that is longer than said", 400, CHUNKED "5\r\nhello!\r\n0\r\n\r\n"),
    REFUSE("chunk data that ends with LF", 400, CHUNKED "5\r\nhello\n0\r\n\r\n"),
    REFUSE("chunk data that ends with nothing", 400, CHUNKED "5\r\nhello0\r\n\r\n"),
    REFUSE("an LF in a chunk extension", 400, CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n"),
    REFUSE("a CR in a chunk extension", 400, CHUNKED "5;a\rb\r\nhello\r\n0\r\n\r\n"),
    REFUSE("a NUL in a chunk extension", 400, CHUNKED "5;a\0b\r\nhello\r\n0\r\n\r\n"),
    REFUSE("a last chunk that ends with LF", 400, CHUNKED "0\n\r\n"),
    REFUSE("a trailer without a colon", 400, CHUNKED "0\r\nGET / HTTP/1.1\r\n" H "\r\n"),
    REFUSE("a trailer with space before the colon", 400, CHUNKED "0\r\nA : b\r\n\r\n"),
    REFUSE("trailers that end with LF", 400, CHUNKED "0\r\nA: b\n\n"),
    REFUSE("a trailer that changes the framing", 400, CHUNKED "0\r\nTransfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n"),

    /* ---- lines and characters ---- */
    REFUSE("LF as a line end", 400, "GET / HTTP/1.1\nHost: a\n\n"),
    REFUSE("LF at the end of a field", 400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    REFUSE("LF as the blank line", 400, "GET / HTTP/1.1\r\n" H "\n"),
    REFUSE("LF before a request", 400, "\nGET / HTTP/1.1\r\n" H "\r\n"),
    REFUSE("two empty lines before a request", 400, "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"),
    REFUSE("a bare CR in a value", 400, "GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n"),
    REFUSE("a bare CR as a line end", 400, "GET / HTTP/1.1\r\n" H "X: a\rContent-Length: 5\r\n\r\nhello"),
    REFUSE("CR CR LF", 400, "GET / HTTP/1.1\r\n" H "X: a\r\r\n\r\n"),
    REFUSE("a bare CR in the request line", 400, "GET /\r HTTP/1.1\r\n" H "\r\n"),
    REFUSE("NUL in a value", 400, "GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n"),
    REFUSE("NUL in a name", 400, "GET / HTTP/1.1\r\n" H "X\0Y: a\r\n\r\n"),
    REFUSE("NUL in the target", 400, "GET /\0 HTTP/1.1\r\n" H "\r\n"),
    REFUSE("DEL in a value", 400, "GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n"),
    REFUSE("a control character in a value", 400, "GET / HTTP/1.1\r\n" H "X: \x01\r\n\r\n"),
    REFUSE("a field folded with a space", 400, "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n"),
    REFUSE("a field folded with a tab", 400, "GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n"),
    REFUSE("a fold of nothing but a space", 400, "GET / HTTP/1.1\r\n" H "X: a\r\n \r\n\r\n"),
    REFUSE("a space after the request line", 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    REFUSE("space before a colon", 400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    REFUSE("space before another colon", 400, "GET / HTTP/1.1\r\n" H "X : a\r\n\r\n"),
    REFUSE("tab before a colon", 400, "GET / HTTP/1.1\r\n" H "X\t: a\r\n\r\n"),
    REFUSE("space inside a name", 400, "GET / HTTP/1.1\r\n" H "X Y: a\r\n\r\n"),
    REFUSE("an empty name", 400, "GET / HTTP/1.1\r\n" H ": a\r\n\r\n"),
    REFUSE("a field without a colon", 400, "GET / HTTP/1.1\r\n" H "X\r\n\r\n"),
    REFUSE("a name with a comma", 400, "GET / HTTP/1.1\r\n" H "X,Y: a\r\n\r\n"),
    REFUSE("a name with a letter beyond ASCII", 400, "GET / HTTP/1.1\r\n" H "X\xe9: a\r\n\r\n"),
    REFUSE("a name in parentheses", 400, "GET / HTTP/1.1\r\n" H "(X): a\r\n\r\n"),

    /* ---- the request line ---- */
    REFUSE("two spaces before the target", 400, "GET  / HTTP/1.1\r\n" H "\r\n"),
    REFUSE("two spaces before the version", 400, "GET /  HTTP/1.1\r\n" H "\r\n"),
    REFUSE("a space after the version", 400, "GET / HTTP/1.1 \r\n" H "\r\n"),
    REFUSE("a space in the target", 400, "GET /a b HTTP/1.1\r\n" H "\r\n"),
    REFUSE("a tab in the request line", 400, "GET\t/ HTTP/1.1\r\n" H "\r\n"),
    REFUSE("a space before the method", 400, " GET / HTTP/1.1\r\n" H "\r\n"),
    REFUSE("no version: HTTP/0.9", 400, "GET /\r\n\r\n"),
    REFUSE("no target", 400, "GET HTTP/1.1\r\n" H "\r\n"),
    REFUSE("a fragment in the target", 400, "GET /a#b HTTP/1.1\r\n" H "\r\n"),
    REFUSE("a target beyond ASCII", 400, "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n"),
    REFUSE("a relative target", 400, "GET a HTTP/1.1\r\n" H "\r\n"),
    REFUSE("GET *", 400, "GET * HTTP/1.1\r\n" H "\r\n"),
    REFUSE("a target of another scheme", 400, "GET ftp://a/ HTTP/1.1\r\n" H "\r\n"),
    REFUSE("an absolute target without a host", 400, "GET http:///x HTTP/1.1\r\n" H "\r\n"),
    REFUSE("an absolute target with a user", 400, "GET http://u@a/ HTTP/1.1\r\n" H "\r\n"),
    REFUSE("an absolute target of the other scheme", 421, "GET https://a/ HTTP/1.1\r\n" H "\r\n"),
    REFUSE("http in small letters as the version", 400, "GET / http/1.1\r\n" H "\r\n"),
    REFUSE("version 1.2", 505, "GET / HTTP/1.2\r\n" H "\r\n"),
    REFUSE("version 3.0", 505, "GET / HTTP/3.0\r\n" H "\r\n"),
    REFUSE("version 0.9", 505, "GET / HTTP/0.9\r\n" H "\r\n"),
    REFUSE("version 1.10", 400, "GET / HTTP/1.10\r\n" H "\r\n"),
    REFUSE("the preface of HTTP/2", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    REFUSE("RTSP", 400, "DESCRIBE / RTSP/1.0\r\n" H "\r\n"),
    REFUSE("a method of RTSP", 501, "DESCRIBE / HTTP/1.1\r\n" H "\r\n"),
    REFUSE("an unknown method", 501, "BREW / HTTP/1.1\r\n" H "\r\n"),
    REFUSE("a method in small letters", 501, "get / HTTP/1.1\r\n" H "\r\n"),
    REFUSE("a method that begins like a known one", 501, "GETX / HTTP/1.1\r\n" H "\r\n"),
    REFUSE("a method that is not a token", 400, "G@T / HTTP/1.1\r\n" H "\r\n"),
    REFUSE("CONNECT", 405, "CONNECT a:443 HTTP/1.1\r\n" H "\r\n"),
    REFUSE("TRACE", 405, "TRACE / HTTP/1.1\r\n" H "\r\n"),
    REFUSE("a TLS hello", 400, "\x16\x03\x01\x02\x00\x01"),
    REFUSE("noise", 400, "\x80"),

    /* ---- Host ---- */
    REFUSE("no Host", 400, "GET / HTTP/1.1\r\n\r\n"),
    REFUSE("no Host beside an absolute target", 400, "GET http://a/ HTTP/1.1\r\n\r\n"),
    REFUSE("two Hosts", 400, "GET / HTTP/1.1\r\n" H "Host: b\r\n\r\n"),
    REFUSE("the same Host twice", 400, "GET / HTTP/1.1\r\n" H H "\r\n"),
    REFUSE("an empty Host", 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    REFUSE("Host as a list", 400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    REFUSE("Host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    REFUSE("Host with a user", 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    REFUSE("Host with a space", 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    REFUSE("Host beyond ASCII", 400, "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n"),
    REFUSE("Host with a port too large", 400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
    REFUSE("Host with a port of letters", 400, "GET / HTTP/1.1\r\nHost: a:http\r\n\r\n"),
    REFUSE("Host with two ports", 400, "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n"),
    REFUSE("Host with nothing but a port", 400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
    REFUSE("Host with a broken IPv6 address", 400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    REFUSE("Host with no IPv6 address in brackets", 400, "GET / HTTP/1.1\r\nHost: [a.b]\r\n\r\n"),
    REFUSE("Host with an empty label", 400, "GET / HTTP/1.1\r\nHost: a..b\r\n\r\n"),
    REFUSE("Host with two dots at its end", 400, "GET / HTTP/1.1\r\nHost: a..\r\n\r\n"),
    REFUSE("Host that begins with a dot", 400, "GET / HTTP/1.1\r\nHost: .a\r\n\r\n"),
    REFUSE("Host that is only a dot", 400, "GET / HTTP/1.1\r\nHost: .\r\n\r\n"),
    REFUSE("Host that ends like an address and is none", 400, "GET / HTTP/1.1\r\nHost: 1.2.3.256\r\n\r\n"),
    REFUSE("Host with encoded letters", 400, "GET / HTTP/1.1\r\nHost: %61\r\n\r\n"),
    REFUSE("an absolute target whose host has a backslash", 400, "GET http://a\\@b/ HTTP/1.1\r\n" H "\r\n"),
    REFUSE("an absolute target with one slash", 400, "GET http:/a/ HTTP/1.1\r\n" H "\r\n"),
    REFUSE("a bad Host beside a good absolute target", 400, "GET http://a/ HTTP/1.1\r\nHost: a@b\r\n\r\n"),

    /* ---- the rest ---- */
    REFUSE("another expectation", 417, "POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx"),
    THEN_REFUSE("a good request, then noise", 1, 400, "GET / HTTP/1.1\r\n" H "\r\n\x01"),
    THEN_REFUSE("an upload, then what was smuggled", 1, 501,
                "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhelloXGET / HTTP/1.1\r\n" H "\r\n"),
};

static void same_verdict_however_the_bytes_are_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof corpus / sizeof *corpus; i++) {
		const verdict *v = &corpus[i];
		er_slice raw = er_slice_of(v->raw, v->n);
		seen whole = run(raw, raw.n, 0, &limits);
		if (whole.requests != v->requests || whole.status != v->status)
			fail_msg("%s: %d requests and status %d, wanted %d and %d", v->what, whole.requests, whole.status, v->requests,
			         v->status);
		for (size_t cut = 0; cut <= raw.n; cut++) {
			/* cut 0: byte by byte */
			seen cutted = run(raw, cut == 0, cut, &limits);
			if (!er_slice_eq(er_buf_slice(&whole.text), er_buf_slice(&cutted.text)))
				fail_msg("%s, cut at %zu: %.*swanted: %.*s", v->what, cut, ER_FMT(er_buf_slice(&cutted.text)),
				         ER_FMT(er_buf_slice(&whole.text)));
			er_buf_fini(&cutted.text);
		}
		er_buf_fini(&whole.text);
	}
}

static void reads(const char *raw, const char *want)
{
	seen s = run(er_slice_cstr(raw), strlen(raw), 0, &limits);
	er_buf_putc(&s.text, '\0');
	assert_string_equal((const char *)s.text.p, want);
	er_buf_fini(&s.text);
}

static void request_is_what_was_asked_for(void **state)
{
	(void)state;
	reads("GET /a?b HTTP/1.1\r\nHost: Example.COM:80\r\nAccept:  */* \r\nX-A: 1\r\nx-a: 2\r\n\r\n",
	      "GET example.com /a?b {Accept: */*;X-A: 1;x-a: 2;} []\n");
	reads("GET http://B.example:8080?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET b.example:8080 /?q {} []\n");
	reads("GET HTTP://b HTTP/1.1\r\nHost: a\r\n\r\n", "GET b / {} []\n");
	reads("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS b * {} []\n");
	reads("GET //evil/x HTTP/1.1\r\nHost: a:\r\n\r\n", "GET a //evil/x {} []\n");
	/* a host in one spelling */
	reads("GET / HTTP/1.1\r\nHost: 127.0.0.1:8787\r\n\r\n", "GET 127.0.0.1:8787 / {} []\n");
	reads("GET / HTTP/1.1\r\nHost: 0x7F.1:8787\r\n\r\n", "GET 127.0.0.1:8787 / {} []\n");
	reads("GET / HTTP/1.1\r\nHost: 2130706433\r\n\r\n", "GET 127.0.0.1 / {} []\n");
	reads("GET / HTTP/1.1\r\nHost: 127.0.0.1.\r\n\r\n", "GET 127.0.0.1 / {} []\n");
	reads("GET / HTTP/1.1\r\nHost: [0:0:0:0:0:0:0:1]\r\n\r\n", "GET [::1] / {} []\n");
	reads("GET / HTTP/1.1\r\nHost: [::FFFF:127.0.0.1]:80\r\n\r\n", "GET [::ffff:7f00:1] / {} []\n");
	reads("GET / HTTP/1.1\r\nHost: a.b:0080\r\n\r\n", "GET a.b / {} []\n");
	reads("GET / HTTP/1.1\r\nHost: a.b:08080\r\n\r\n", "GET a.b:8080 / {} []\n");
	reads("GET / HTTP/1.1\r\nHost: a.b.:0\r\n\r\n", "GET a.b.:0 / {} []\n");
	reads("GET / HTTP/1.1\r\nHost: 1a.2b\r\n\r\n", "GET 1a.2b / {} []\n");
	reads("GET / HTTP/1.1\r\nHost: [2001:DB8::1]:443\r\n\r\n", "GET [2001:db8::1]:443 / {} []\n");
	reads("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: "
	      "Digest\r\n\r\n3;x=\"y\"\r\nabc\r\n2\r\nde\r\n0\r\nDigest: z\r\n\r\n",
	      "PUT a / {} [abcde]\n");
}

/* What a connection remembers of its last Host is used for the same bytes only. */
static void hosts_of_one_connection_may_differ(void **state)
{
	(void)state;
#define GET_OF(host) "GET / HTTP/1.1\r\nHost: " host "\r\n\r\n"
	reads(GET_OF("a.example") GET_OF("a.example") GET_OF("a.example:80") GET_OF("A.example") GET_OF("a.example.")
	          GET_OF("b.example") GET_OF("a.example:8080") GET_OF("a.example:8080") GET_OF("a.example"),
	      "GET a.example / {} []\nGET a.example / {} []\nGET a.example / {} []\nGET a.example / {} []\nGET a.example. / {} []\n"
	      "GET b.example / {} []\nGET a.example:8080 / {} []\nGET a.example:8080 / {} []\nGET a.example / {} []\n");
	seen s = run(ER_LIT(GET_OF("a.example") GET_OF("a.example/")), 0, 0, &limits);
	assert_int_equal(s.requests, 1);
	assert_int_equal(s.status, 400);
	er_buf_fini(&s.text);
#undef GET_OF
}

static void connections_own_fields_do_not_travel(void **state)
{
	(void)state;
	reads("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Private, Cookie, host\r\nX-Private: 1\r\nCookie: c\r\nX: "
	      "2\r\nTE: trailers\r\n"
	      "Keep-Alive: 5\r\nProxy-Connection: x\r\nProxy-Authorization: y\r\nUpgrade: z\r\nTrailer: t\r\nExpect: "
	      "100-continue\r\n\r\n",
	      "GET a / {Cookie: c;X: 2;} []\n");
	reads("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: authorization, x-forwarded-for\r\nAuthorization: "
	      "b\r\nX-Forwarded-For: c\r\n\r\n",
	      "GET a / {Authorization: b;X-Forwarded-For: c;} []\n");
}

static er_h1_head_info info_of(const char *raw)
{
	seen s = run(er_slice_cstr(raw), strlen(raw), 0, &limits);
	assert_int_equal(s.heads, 1);
	er_buf_fini(&s.text);
	return s.last;
}

static void connection_stays_open_exactly_when_it_may(void **state)
{
	(void)state;
	assert_true(info_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n").keep_alive);
	assert_false(info_of("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n").keep_alive);
	assert_false(info_of("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n").keep_alive);
	assert_false(info_of("GET / HTTP/1.0\r\n\r\n").keep_alive);
	assert_true(info_of("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
	assert_true(info_of("GET / HTTP/1.0\r\n\r\n").http10);
	assert_true(info_of("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").head);
	assert_true(info_of("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx").expect_continue);
	assert_false(info_of("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n").expect_continue);
	assert_int_equal(info_of("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").content_length, -1);
}

static void repeat(er_buf *b, const char *text, size_t times)
{
	for (size_t i = 0; i < times; i++)
		er_buf_put_cstr(b, text);
}

/* Builds "before", n times "part", "after", and gives the status (0: accepted). */
static int status_of(const char *before, const char *part, size_t n, const char *after, size_t step)
{
	er_buf b;
	er_buf_init(&b);
	er_buf_put_cstr(&b, before);
	repeat(&b, part, n);
	er_buf_put_cstr(&b, after);
	seen s = run(er_buf_slice(&b), step, 0, &limits);
	er_buf_fini(&b);
	er_buf_fini(&s.text);
	return s.status;
}

static void nobody_can_fill_the_memory_with_a_head(void **state)
{
	(void)state;
	for (size_t step = 1; step < 100000; step = step * 7 + 100) {
		assert_int_equal(status_of("GET /", "x", 8192 - 14, " HTTP/1.1\r\n" H "\r\n", step), 0);
		assert_int_equal(status_of("GET /", "x", 8192 - 13, " HTTP/1.1\r\n" H "\r\n", step), 414);
		assert_int_equal(status_of("GET /", "x", 100000, "", step), 414);
		assert_int_equal(status_of("GET / HTTP/1.1\r\n" H "X:", "x", 8190, "\r\n\r\n", step), 0);
		assert_int_equal(status_of("GET / HTTP/1.1\r\n" H "X:", "x", 8191, "\r\n\r\n", step), 431);
		assert_int_equal(status_of("GET / HTTP/1.1\r\n" H "X:", "x", 100000, "", step), 431);
		assert_int_equal(status_of("GET / HTTP/1.1\r\n" H, "X: y\r\n", 99, "\r\n", step), 0);
		assert_int_equal(status_of("GET / HTTP/1.1\r\n" H, "X: y\r\n", 100, "\r\n", step), 431);
		assert_int_equal(status_of("GET / HTTP/1.1\r\n" H,
		                           "X: 0123456789012345678901234567890123456789012345678901234567890123456789"
		                           "0123456789012345678901234567890123456789012345678901234567890123456789"
		                           "0123456789012345678901234567890123456789012345678901234567890123456789"
		                           "0123456789012345678901234567890123456789012345678901234567890123456789"
		                           "0123456789012345678901234567890123456789012345678901234567890123456789\r\n",
		                           95, "\r\n", step),
		                 431);
	}
}

static void nobody_can_spend_our_time_with_framing(void **state)
{
	(void)state;
	for (size_t step = 50; step < 100000; step = step * 7 + 100) {
		assert_int_equal(status_of(CHUNKED, "1\r\nx\r\n", 50000, "0\r\n\r\n", step), 0);
		assert_int_equal(status_of(CHUNKED "1;", "x", 50000, "\r\nx\r\n0\r\n\r\n", step), 400);
		assert_int_equal(status_of(CHUNKED, "1;0123456789012345678901234567890123456789\r\nx\r\n", 2000, "0\r\n\r\n", step), 400);
		assert_int_equal(status_of(CHUNKED "0\r\n", "X: y\r\n", 10000, "\r\n", step), 400);
		assert_int_equal(status_of(CHUNKED "0\r\nX:", "y", 50000, "\r\n", step), 400);
		assert_int_equal(status_of(CHUNKED, "10\r\n0123456789abcdef\r\n", 65536, "0\r\n\r\n", step), 0);
		assert_int_equal(status_of(CHUNKED, "10\r\n0123456789abcdef\r\n", 65537, "0\r\n\r\n", step), 413);
	}
}

/* ---- responses ---- */

static const char *const date = "Sun, 06 Nov 1994 08:49:37 GMT";

static er_h1_framing writes(er_response *res, er_h1_head_info info, bool keep_alive, const char *want)
{
	er_buf out;
	er_buf_init(&out);
	er_h1_framing framing = er_h1_write_head(&out, res, &info, keep_alive, er_slice_cstr(date));
	er_buf_putc(&out, '\0');
	assert_string_equal((const char *)out.p, want);
	er_buf_fini(&out);
	return framing;
}

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

static void response_says_how_long_it_is(void **state)
{
	(void)state;
	er_response res = {.status = 200};
	er_h1_head_info plain = {0}, head = {.head = true}, old = {.http10 = true};
	assert_int_equal(writes(&res, plain, true, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" DATE "\r\n"), ER_H1_LENGTH);
	res.body = er_body_of(er_piece_copy(ER_LIT("hello")));
	assert_int_equal(writes(&res, plain, true, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" DATE "\r\n"), ER_H1_LENGTH);
	assert_int_equal(writes(&res, head, true, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" DATE "\r\n"), ER_H1_NO_BODY);
	assert_int_equal(writes(&res, plain, false, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n" DATE "\r\n"),
	                 ER_H1_LENGTH);
	assert_int_equal(writes(&res, old, true, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n" DATE "\r\n"),
	                 ER_H1_LENGTH);
	res.status = 204;
	assert_int_equal(writes(&res, plain, true, "HTTP/1.1 204 No Content\r\n" DATE "\r\n"), ER_H1_NO_BODY);
	res.status = 304;
	assert_int_equal(writes(&res, plain, true, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n" DATE "\r\n"), ER_H1_NO_BODY);
	res.status = 599;
	assert_int_equal(writes(&res, plain, true, "HTTP/1.1 599 \r\nContent-Length: 5\r\n" DATE "\r\n"), ER_H1_LENGTH);
	er_body_unref(res.body);

	res = (er_response){.status = 200, .body = er_body_new(ER_BODY_UNKNOWN)};
	assert_int_equal(writes(&res, plain, true, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" DATE "\r\n"), ER_H1_CHUNKED);
	assert_int_equal(writes(&res, old, true, "HTTP/1.1 200 OK\r\nConnection: close\r\n" DATE "\r\n"), ER_H1_UNTIL_CLOSE);
	(void)er_body_write(res.body, er_piece_copy(ER_LIT("all")));
	er_body_finish(res.body);
	assert_int_equal(writes(&res, plain, true, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" DATE "\r\n"), ER_H1_LENGTH);
	er_body_unref(res.body);
}

static void routine_cannot_split_a_response(void **state)
{
	(void)state;
	er_arena a;
	er_arena_init(&a);
	er_response res = {.status = 200, .reason = ER_LIT("OK\r\nSet-Cookie: x")};
	er_fields_add(&res.fields, &a, ER_LIT("A"), ER_LIT("b"));
	er_fields_add(&res.fields, &a, ER_LIT("B"), ER_LIT("x\r\nC: d"));
	er_fields_add(&res.fields, &a, ER_LIT("D: e\r\nF"), ER_LIT("x"));
	er_fields_add(&res.fields, &a, ER_LIT(""), ER_LIT("x"));
	er_fields_add(&res.fields, &a, ER_LIT("G"), er_slice_of("a\0b", 3));
	er_fields_add(&res.fields, &a, ER_LIT("Content-Length"), ER_LIT("7"));
	er_fields_add(&res.fields, &a, ER_LIT("transfer-encoding"), ER_LIT("chunked"));
	er_fields_add(&res.fields, &a, ER_LIT("connection"), ER_LIT("close"));
	er_fields_add(&res.fields, &a, ER_LIT("date"), ER_LIT("never"));
	er_h1_head_info info = {0};
	writes(&res, info, true, "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\n" DATE "\r\n");
	info.head = true;
	res.reason = ER_LIT("Fine");
	writes(&res, info, true, "HTTP/1.1 200 Fine\r\nA: b\r\nContent-Length: 7\r\n" DATE "\r\n");
	er_arena_fini(&a);
}

static void an_answer_keeps_its_own_date_and_has_one(void **state)
{
	(void)state;
	er_arena a;
	er_arena_init(&a);
	er_response res = {.status = 200};
	er_fields_add(&res.fields, &a, ER_LIT("date"), ER_LIT("never"));
	er_fields_add(&res.fields, &a, ER_LIT("Date"), ER_LIT("Sat, 05 Nov 1994 07:00:00 GMT"));
	er_fields_add(&res.fields, &a, ER_LIT("DATE"), ER_LIT("Fri, 04 Nov 1994 07:00:00 GMT"));
	er_h1_head_info info = {0};
	writes(&res, info, true, "HTTP/1.1 200 OK\r\nDate: Sat, 05 Nov 1994 07:00:00 GMT\r\nContent-Length: 0\r\n\r\n");
	er_arena_fini(&a);
}

static void a_length_without_a_body_is_said_by_whoever_knows_it(void **state)
{
	(void)state;
	er_arena a;
	er_arena_init(&a);
	er_response res = {.status = 200};
	er_fields_add(&res.fields, &a, ER_LIT("Content-Length"), ER_LIT("7"));
	er_h1_head_info get = {0}, head = {.head = true};
	writes(&res, get, true, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" DATE "\r\n");
	writes(&res, head, true, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n" DATE "\r\n");
	res.body = er_body_new(ER_BODY_UNKNOWN); /* the field is about another one */
	writes(&res, head, true, "HTTP/1.1 200 OK\r\n" DATE "\r\n");
	er_body_unref(res.body);
	er_arena_fini(&a);
}

static void chunks_are_written_as_they_are_read(void **state)
{
	(void)state;
	er_buf b;
	er_buf_init(&b);
	uint8_t size[ER_H1_CHUNK_SIZE];
	er_buf_puts(&b, CHUNKED);
	static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	for (size_t n = 1; n <= 36; n++) {
		er_buf_put(&b, er_h1_chunk_size(n, size));
		er_buf_put(&b, er_slice_of(letters, n));
		er_buf_puts(&b, "\r\n");
	}
	er_h1_write_last_chunk(&b, NULL);
	seen s = run(er_buf_slice(&b), 3, 0, &limits);
	assert_int_equal(s.requests, 1);
	assert_int_equal(s.status, 0);
	assert_true(er_slice_eq(er_h1_chunk_size(SIZE_MAX, size), ER_LIT("ffffffffffffffff\r\n")));
	er_buf_fini(&b);
	er_buf_fini(&s.text);
}

static void idle_is_known_for_the_keep_alive_timer(void **state)
{
	(void)state;
	seen s = run(ER_LIT("GET / HTTP/1.1\r\n" H "\r\n"), 1, 0, &limits);
	assert_true(s.idle);
	er_buf_fini(&s.text);
	s = run(ER_LIT("GET / HTTP/1.1\r\n" H "\r\nG"), 1, 0, &limits);
	assert_false(s.idle);
	er_buf_fini(&s.text);
	s = run(ER_LIT("GET / HTTP/1.1\r\n" H "\r\n\r\n"), 1, 0, &limits);
	assert_true(s.idle);
	er_buf_fini(&s.text);
}

/* In pieces of every size they are the same. */
static void trailers_are_read_wherever_the_bytes_are_cut(void **state)
{
	(void)state;
	static const char text[] = CHUNKED "3\r\nabc\r\n0\r\ngrpc-status: 0\r\nx-sum:   a b \r\nempty:\r\n\r\n" CHUNKED "0\r\n\r\n";
	for (size_t step = 1; step < sizeof text; step++) {
		er_h1 *p = er_h1_new(&limits);
		er_exchange *x = er_exchange_new();
		er_buf all;
		er_buf_init(&all);
		unsigned ends = 0, of_last = 0;
		for (size_t at = 0; at < sizeof text - 1; at += step) {
			er_slice in = er_slice_of(text + at, step < sizeof text - 1 - at ? step : sizeof text - 1 - at), bytes;
			for (er_h1_event ev; (ev = er_h1_next(p, &in, x, &bytes)) != ER_H1_MORE;) {
				assert_int_not_equal(ev, ER_H1_ERROR);
				if (ev != ER_H1_END)
					continue;
				ends++;
				of_last = 0;
				er_slice rest = er_h1_trailers(p), name, value;
				for (; er_h1_trailer(&rest, &name, &value); of_last++)
					er_buf_printf(&all, "%.*s=%.*s;", ER_FMT(name), ER_FMT(value));
				(void)er_exchange_reset(x);
			}
		}
		assert_int_equal(ends, 2);
		assert_int_equal(of_last, 0); /* those of the first are not the second's */
		er_slice want = ER_LIT("grpc-status=0;x-sum=a b;empty=;");
		if (!er_slice_eq(er_buf_slice(&all), want))
			fail_msg("in steps of %zu: %.*s", step, ER_FMT(er_buf_slice(&all)));
		er_buf_fini(&all);
		er_exchange_unref(x);
		er_h1_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(same_verdict_however_the_bytes_are_cut),
	    cmocka_unit_test(request_is_what_was_asked_for),
	    cmocka_unit_test(hosts_of_one_connection_may_differ),
	    cmocka_unit_test(connections_own_fields_do_not_travel),
	    cmocka_unit_test(connection_stays_open_exactly_when_it_may),
	    cmocka_unit_test(nobody_can_fill_the_memory_with_a_head),
	    cmocka_unit_test(nobody_can_spend_our_time_with_framing),
	    cmocka_unit_test(response_says_how_long_it_is),
	    cmocka_unit_test(routine_cannot_split_a_response),
	    cmocka_unit_test(an_answer_keeps_its_own_date_and_has_one),
	    cmocka_unit_test(a_length_without_a_body_is_said_by_whoever_knows_it),
	    cmocka_unit_test(chunks_are_written_as_they_are_read),
	    cmocka_unit_test(idle_is_known_for_the_keep_alive_timer),
	    cmocka_unit_test(trailers_are_read_wherever_the_bytes_are_cut),
	};
	return cmocka_run_group_tests_name("h1", tests, NULL, NULL);
}
