/* Responses out: the head is written anew from the structure; nothing of anybody's framing is
 * passed on.
 *
 * er_h1_write_head writes the status line, the fields that may be sent, and then says how the body
 * ends (RFC 9112 6.3): by its length if that is known, by chunks to an HTTP/1.1 client, by the end
 * of the connection to an older one, or not at all. Its result tells the session how to send what
 * follows. Names and values that could break the message are left out, whoever gave them.
 * Everything goes into the caller's buffer; nothing is kept. */
#include "base/mem.h"
#include "http/status.h"
#include "http/date.h"
#include "http/h1.h"

const char *er_h1_reason(int status)
{
	switch (status) {
#define REASON(code, text) \
	case code: \
		return text;
		REASON(100, "Continue")
		REASON(101, "Switching Protocols")
		REASON(102, "Processing")
		REASON(103, "Early Hints")
		REASON(200, "OK")
		REASON(201, "Created")
		REASON(202, "Accepted")
		REASON(203, "Non-Authoritative Information")
		REASON(204, "No Content")
		REASON(205, "Reset Content")
		REASON(206, "Partial Content")
		REASON(207, "Multi-Status")
		REASON(208, "Already Reported")
		REASON(226, "IM Used")
		REASON(300, "Multiple Choices")
		REASON(301, "Moved Permanently")
		REASON(302, "Found")
		REASON(303, "See Other")
		REASON(304, "Not Modified")
		REASON(305, "Use Proxy")
		REASON(307, "Temporary Redirect")
		REASON(308, "Permanent Redirect")
		REASON(400, "Bad Request")
		REASON(401, "Unauthorized")
		REASON(402, "Payment Required")
		REASON(403, "Forbidden")
		REASON(404, "Not Found")
		REASON(405, "Method Not Allowed")
		REASON(406, "Not Acceptable")
		REASON(407, "Proxy Authentication Required")
		REASON(408, "Request Timeout")
		REASON(409, "Conflict")
		REASON(410, "Gone")
		REASON(411, "Length Required")
		REASON(412, "Precondition Failed")
		REASON(413, "Content Too Large")
		REASON(414, "URI Too Long")
		REASON(415, "Unsupported Media Type")
		REASON(416, "Range Not Satisfiable")
		REASON(417, "Expectation Failed")
		REASON(418, "I'm a teapot")
		REASON(421, "Misdirected Request")
		REASON(422, "Unprocessable Content")
		REASON(423, "Locked")
		REASON(424, "Failed Dependency")
		REASON(425, "Too Early")
		REASON(426, "Upgrade Required")
		REASON(428, "Precondition Required")
		REASON(429, "Too Many Requests")
		REASON(431, "Request Header Fields Too Large")
		REASON(451, "Unavailable For Legal Reasons")
		REASON(500, "Internal Server Error")
		REASON(501, "Not Implemented")
		REASON(502, "Bad Gateway")
		REASON(503, "Service Unavailable")
		REASON(504, "Gateway Timeout")
		REASON(505, "HTTP Version Not Supported")
		REASON(506, "Variant Also Negotiates")
		REASON(507, "Insufficient Storage")
		REASON(508, "Loop Detected")
		REASON(511, "Network Authentication Required")
#undef REASON
	default:
		return "";
	}
}

/* What the codec writes itself, and what concerned another connection. */
static bool skipped(er_slice name)
{
	switch (name.n) {
	case 14:
		return er_slice_ieq(name, ER_LIT("content-length"));
	case 2:
	case 7:
	case 10:
	case 16:
	case 17:
	case 18:
	case 19:
		return er_field_hop_by_hop(name);
	default:
		return false;
	}
}

/* Writes over reserved room: how much is counted first, so that each field is two copies and no
 * test of the buffer. True: they have a Date, of which one is written. */
static bool write_fields(er_buf *out, const er_fields *fields)
{
	bool dated = false;
	size_t room = 0;
	for (uint32_t i = 0; i < fields->n; i++)
		room += fields->v[i].name.n + fields->v[i].value.n + 4;
	uint8_t *to = er_buf_reserve(out, room);
	uint8_t *from = to;
	for (uint32_t i = 0; i < fields->n; i++) {
		er_slice name = fields->v[i].name, value = fields->v[i].value;
		if (skipped(name) || !er_field_name_ok(name) || !er_field_value_ok(value))
			continue;
		if (name.n == 4 && er_slice_ieq(name, ER_LIT("date"))) {
			int64_t at;
			if (dated || !er_date_parse(value, 0, &at))
				continue;
			dated = true;
		}
		to = er_append(er_append(to, name), ER_LIT(": "));
		to = er_append(er_append(to, value), ER_LIT("\r\n"));
	}
	er_buf_wrote(out, (size_t)(to - from));
	return dated;
}

static void write_status_line(er_buf *out, const er_response *res)
{
	er_slice reason = res->reason;
	if (reason.n == 0 || !er_field_value_ok(reason))
		reason = er_slice_cstr(er_h1_reason(res->status));
	int status = res->status;
	uint8_t *from = er_buf_reserve(out, 15 + reason.n), *to = er_append(from, ER_LIT("HTTP/1.1 "));
	*to++ = (uint8_t)('0' + status / 100 % 10);
	*to++ = (uint8_t)('0' + status / 10 % 10);
	*to++ = (uint8_t)('0' + status % 10);
	*to++ = ' ';
	to = er_append(er_append(to, reason), ER_LIT("\r\n"));
	er_buf_wrote(out, (size_t)(to - from));
}

static void write_length(er_buf *out, uint64_t n)
{
	er_buf_puts(out, "Content-Length: ");
	er_buf_put_u64(out, n);
	er_buf_puts(out, "\r\n");
}

/* The length of the body if it is known now: it was said, or all of it is already here. */
static int64_t body_length(const er_body *b)
{
	if (b == NULL)
		return 0;
	int64_t n = er_body_length(b);
	if (n < 0 && er_body_finished(b) && er_body_untouched(b))
		n = (int64_t)er_body_buffered(b);
	return n;
}

/* Answers without a body may still say how long it would be (RFC 9110 8.6): from the body that came
 * along, or from the field of whoever answered. */
static void write_length_without_body(er_buf *out, const er_response *res)
{
	uint64_t n;
	const er_slice *said = er_fields_get(&res->fields, ER_LIT("content-length"));
	int64_t known = res->body != NULL ? body_length(res->body) : -1;
	if (known >= 0)
		write_length(out, (uint64_t)known);
	else if (res->body == NULL && said != NULL && er_slice_u64(*said, &n))
		write_length(out, n);
}

/* The field that says how the body ends, if one is needed (RFC 9110 8.6, RFC 9112 6). */
static er_h1_framing write_framing(er_buf *out, const er_response *res, const er_h1_head_info *info)
{
	if (er_status_switches(res->status)) {
		er_buf_puts(out, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
		return ER_H1_SWITCHED;
	}
	if (res->status < 200 || res->status == 204)
		return ER_H1_NO_BODY;
	if (info->head || res->status == 304) {
		write_length_without_body(out, res);
		return ER_H1_NO_BODY;
	}
	if (res->status == 205) {
		write_length(out, 0);
		return ER_H1_NO_BODY;
	}
	/* Only the chunked coding has a place for trailers; a length that was said in advance
	 * goes first. */
	bool follow = info->trailers && !info->http10 && res->body != NULL && er_body_length(res->body) < 0 &&
	              er_body_trailers(res->body) != NULL;
	int64_t n = follow ? -1 : body_length(res->body);
	if (n >= 0) {
		write_length(out, (uint64_t)n);
		return ER_H1_LENGTH;
	}
	if (info->http10)
		return ER_H1_UNTIL_CLOSE;
	er_buf_puts(out, "Transfer-Encoding: chunked\r\n");
	return ER_H1_CHUNKED;
}

void er_h1_write_informational(er_buf *out, int status, const er_fields *fields)
{
	ER_ASSERT(er_status_handed_on(status));
	er_response res = {.status = status};
	write_status_line(out, &res);
	(void)write_fields(out, fields);
	er_buf_puts(out, "\r\n");
}

er_h1_framing er_h1_write_head(er_buf *out, const er_response *res, const er_h1_head_info *info, bool keep_alive, er_slice date)
{
	ER_ASSERT(res->status >= 100 && res->status <= 999);
	write_status_line(out, res);
	bool dated = write_fields(out, &res->fields);
	if (res->status == 426) /* RFC 9110 15.5.22: MUST */
		er_buf_puts(out, "Upgrade: websocket\r\n");
	er_h1_framing framing = write_framing(out, res, info);
	if (framing == ER_H1_SWITCHED)
		dated = true; /* nothing of it is a message that has an age */
	else if (!keep_alive || framing == ER_H1_UNTIL_CLOSE)
		er_buf_puts(out, "Connection: close\r\n");
	else if (info->http10)
		er_buf_puts(out, "Connection: keep-alive\r\n");
	if (!dated && date.n > 0) {
		er_buf_puts(out, "Date: ");
		er_buf_put(out, date);
		er_buf_puts(out, "\r\n");
	}
	er_buf_puts(out, "\r\n");
	return framing;
}

/* From the last character to the first, so that no digit has to be counted before. */
er_slice er_h1_chunk_size(size_t n, uint8_t text[ER_H1_CHUNK_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	size_t at = ER_H1_CHUNK_SIZE;
	text[--at] = '\n';
	text[--at] = '\r';
	do {
		text[--at] = (uint8_t)hex[n & 15];
		n >>= 4;
	} while (n);
	return er_slice_of(text + at, ER_H1_CHUNK_SIZE - at);
}

void er_h1_write_last_chunk(er_buf *out, const er_fields *trailers)
{
	er_buf_puts(out, "0\r\n");
	for (uint32_t i = 0; trailers != NULL && i < trailers->n; i++) {
		er_buf_put(out, trailers->v[i].name);
		er_buf_puts(out, ": ");
		er_buf_put(out, trailers->v[i].value);
		er_buf_puts(out, "\r\n");
	}
	er_buf_puts(out, "\r\n");
}
