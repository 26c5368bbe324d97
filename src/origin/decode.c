/* er_decode lies in the connection (plain) or the transfer (libcurl) that reads an answer.
 * er_decode_begin makes it ready for the next one, and er_decode_feed takes bytes in pieces of any
 * size: STATUS -> FIELDS, back to STATUS after an informational answer, then by the head's framing
 * LENGTH, CLOSE or the chunked states, and at the end OVER. A fault notes its text on the fetch and
 * is BROKEN for good; whoever feeds closes then.
 *
 * A line that has not come whole is kept in `held`, at most ER_ORIGIN_HEAD_MAX bytes. Body bytes
 * are handed on as parts of the chunk that they were read into; small ones are copied, and so is
 * all that libcurl reads. */
#include "origin/decode.h"

#include "base/mem.h"
#include "http/status.h"
#include "origin/message.h"

enum {
	/* Bytes of chunk lines, extensions and trailers that an answer may have above 16 a chunk and
	 * 1/8 of the data: as a client's upload. */
	FRAMING_SPARE = 16 * 1024,
	SIZE_DIGITS = 15, /* of a chunk: no such size overflows */
};

static bool broken(er_decode *a)
{
	a->state = ER_DECODE_BROKEN;
	return false;
}

void er_decode_begin(er_decode *a)
{
	er_buf held = a->held;
	er_buf_clear(&held);
	*a = (er_decode){.held = held};
}

void er_decode_fini(er_decode *a)
{
	er_buf_fini(&a->held);
}

/* ---- lines ---- */

/* The next whole line, without its end; valid until the next call. False: not all of it is there,
 * or it is none. */
static bool take_line(er_decode *a, er_fetch *f, er_slice *in, er_slice *line)
{
	size_t end = er_slice_find(*in, '\n');
	bool whole = end < in->n;
	size_t n = whole ? end + 1 : in->n;
	if (er_buf_len(&a->held) + n > ER_ORIGIN_HEAD_MAX) {
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s answered with a line of more than %d bytes", ER_FMT(f->authority),
		               ER_ORIGIN_HEAD_MAX);
		return broken(a);
	}
	er_slice part = er_slice_head(*in, n);
	*in = er_slice_from(*in, n);
	if (!whole || er_buf_len(&a->held) > 0)
		er_buf_put(&a->held, part);
	ER_ASSERT(er_buf_len(&a->held) <= ER_ORIGIN_HEAD_MAX);
	if (!whole)
		return false;
	*line = er_buf_len(&a->held) > 0 ? er_buf_slice(&a->held) : part;
	if (line->n < 2 || line->p[line->n - 2] != '\r') {
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s answered with a line that does not end with CR LF", ER_FMT(f->authority));
		return broken(a);
	}
	line->n -= 2;
	return true;
}

static void line_done(er_decode *a)
{
	er_buf_clear(&a->held);
}

/* ---- the head ---- */

static bool not_http(er_decode *a, er_fetch *f)
{
	er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s did not answer in HTTP: its status line is not \"HTTP/1.1\" and three digits",
	               ER_FMT(f->authority));
	return broken(a);
}

static bool digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9112 4: "HTTP/1.1 200 OK"; the space before an empty reason may be missing, as
 * it often is. */
static bool status_line(er_decode *a, er_fetch *f, er_slice line)
{
	bool http = line.n >= 12 && er_slice_starts(line, ER_LIT("HTTP/")) && line.p[6] == '.' && line.p[8] == ' ';
	if (http && (line.p[5] != '1' || (line.p[7] != '0' && line.p[7] != '1')) && digit(line.p[5]) && digit(line.p[7])) {
		er_fetch_ended(f, ER_ERR_RESPONSE,
		               "%.*s answered with a status line of HTTP/%c.%c where only HTTP/1.1 and 1.0 are spoken",
		               ER_FMT(f->authority), line.p[5], line.p[7]);
		return broken(a);
	}
	bool ok = http && line.p[5] == '1' && (line.p[7] == '0' || line.p[7] == '1') && digit(line.p[9]) && digit(line.p[10]) &&
	          digit(line.p[11]) && (line.n == 12 || line.p[12] == ' ') && er_field_value_ok(line);
	if (!ok)
		return not_http(a, f);
	a->http10 = line.p[7] == '0';
	a->close = a->keep_alive = false;
	unsigned status = (unsigned)(line.p[9] - '0') * 100 + (unsigned)(line.p[10] - '0') * 10 + (unsigned)(line.p[11] - '0');
	if (!er_fetch_status(f, status, er_slice_trim(er_slice_from(line, 13))))
		return broken(a);
	a->state = ER_DECODE_FIELDS;
	return true;
}

/* One field of the head. What it says of the connection is noted for the pool. */
static bool field_line(er_decode *a, er_fetch *f, er_slice line)
{
	if (line.p[0] == ' ' || line.p[0] == '\t') {
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s answered with a folded header field", ER_FMT(f->authority));
		return broken(a);
	}
	/* Without a colon the name is the whole line, and space before the colon is part of it: both
	 * are refused with the name. */
	size_t colon = er_slice_find(line, ':');
	er_slice name = er_slice_head(line, colon), value = er_slice_trim(er_slice_from(line, colon + 1));
	if (colon == line.n)
		name = (er_slice){0};
	if (!er_fetch_field(f, name, value))
		return broken(a);
	if (er_slice_ieq(name, ER_LIT("connection"))) {
		a->close = a->close || er_field_has_token(value, ER_LIT("close"));
		a->keep_alive = a->keep_alive || er_field_has_token(value, ER_LIT("keep-alive"));
	}
	return true;
}

/* The blank line: what follows? */
static bool end_head(er_decode *a, er_fetch *f)
{
	ER_ASSERT(a->state == ER_DECODE_FIELDS && !er_fetch_head_whole(f));
	if (er_status_switches(f->status)) { /* what follows has no framing of HTTP */
		er_fetch_head(f);
		a->state = ER_DECODE_CLOSE;
		a->until_close = true;
		return true;
	}
	if (f->status < 200) {
		er_fetch_informed(f);
		a->state = ER_DECODE_STATUS;
		return true;
	}
	uint64_t length = 0;
	er_framing framing = er_message_framing(f, a->http10, &length);
	if (framing == ER_FRAMING_BROKEN)
		return broken(a);
	er_fetch_head(f);
	a->bodyless = f->is_head || f->status == 204 || f->status == 304;
	a->left = length;
	if (a->bodyless || (framing == ER_FRAMING_LENGTH && length == 0))
		a->state = ER_DECODE_OVER;
	else if (framing == ER_FRAMING_LENGTH)
		a->state = ER_DECODE_LENGTH;
	else if (framing == ER_FRAMING_CHUNKED)
		a->state = ER_DECODE_SIZE;
	else
		a->state = ER_DECODE_CLOSE;
	a->until_close = a->state == ER_DECODE_CLOSE;
	return true;
}

/* One line of a head, if it has come whole. False: there is none yet, or the answer is broken. */
static bool head_line(er_decode *a, er_fetch *f, er_slice *in)
{
	er_slice line;
	if (!take_line(a, f, in, &line)) {
		/* Another protocol is known by its first bytes: it may never send a line. */
		er_slice five = er_slice_head(er_buf_slice(&a->held), 5);
		bool other = a->state == ER_DECODE_STATUS && !er_slice_eq(five, er_slice_head(ER_LIT("HTTP/"), five.n));
		return other && not_http(a, f);
	}
	bool ok;
	if (a->state == ER_DECODE_STATUS)
		ok = status_line(a, f, line);
	else
		ok = line.n == 0 ? end_head(a, f) : field_line(a, f, line);
	line_done(a);
	return ok;
}

/* ---- the body ---- */

static void push(er_fetch *f, er_slice bytes, er_chunk *chunk)
{
	/* A piece of the chunk that was read into, unless it is so small a part that a reader who waits
	 * would keep mostly air alive. */
	if (chunk != NULL && bytes.n >= chunk->cap / 4)
		er_fetch_push(f, (er_piece){er_chunk_ref(chunk), bytes.p, bytes.n});
	else
		er_fetch_push_copy(f, bytes);
}

/* Takes what is there of `left`. */
static void take_data(er_decode *a, er_fetch *f, er_slice *in, er_chunk *chunk)
{
	er_slice part = er_slice_head(*in, a->left < in->n ? (size_t)a->left : in->n);
	*in = er_slice_from(*in, part.n);
	ER_ASSERT(part.n <= a->left);
	a->left -= part.n;
	a->taken += part.n;
	if (part.n > 0)
		push(f, part, chunk);
}

static bool bad_chunk(er_decode *a, er_fetch *f, const char *why)
{
	er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s broke off its answer: %s", ER_FMT(f->authority), why);
	return broken(a);
}

static bool framing_fits(er_decode *a, er_fetch *f, size_t n)
{
	ER_ASSERT(a->state != ER_DECODE_CLOSE && a->state != ER_DECODE_LENGTH);
	a->framing += n;
	return a->framing <= FRAMING_SPARE + a->chunks * 16 + a->taken / 8 ||
	       bad_chunk(a, f, "chunk extensions or trailers are too long");
}

static void begin_size(er_decode *a)
{
	a->state = ER_DECODE_SIZE;
	a->left = 0;
	a->digits = 0;
}

/* One byte of the line before a chunk, or of the line end behind it. RFC 9112 7.1. */
static bool chunk_byte(er_decode *a, er_fetch *f, uint8_t c)
{
	int hex;
	switch (a->state) {
	case ER_DECODE_SIZE:
		hex = er_hex_digit(c);
		if (hex >= 0 && a->digits < SIZE_DIGITS) {
			a->left = a->left << 4 | (unsigned)hex;
			a->digits++;
			return true;
		}
		if (a->digits == 0 || hex >= 0 || (c != '\r' && c != ';' && c != ' ' && c != '\t'))
			return bad_chunk(a, f, "a chunk's size is not a hexadecimal number");
		a->state = c == '\r' ? ER_DECODE_SIZE_LF : ER_DECODE_EXTENSION;
		return true;
	case ER_DECODE_EXTENSION:
		if (c == '\r')
			a->state = ER_DECODE_SIZE_LF;
		else if ((c < ' ' && c != '\t') || c == 0x7f)
			return bad_chunk(a, f, "a chunk's line holds a control character");
		return true;
	case ER_DECODE_SIZE_LF:
		if (c != '\n')
			return bad_chunk(a, f, "a chunk's line does not end with CR LF");
		a->chunks += a->left > 0;
		a->state = a->left > 0 ? ER_DECODE_DATA : ER_DECODE_TRAILERS;
		return true;
	case ER_DECODE_DATA_CR:
		a->state = ER_DECODE_DATA_LF;
		return c == '\r' || bad_chunk(a, f, "a chunk is longer than its size");
	case ER_DECODE_DATA_LF:
		begin_size(a);
		return c == '\n' || bad_chunk(a, f, "a chunk is longer than its size");
	default:
		ER_ASSERT(false && "a state of a chunk's line");
		return false;
	}
}

static bool chunk_line(er_decode *a, er_fetch *f, er_slice *in)
{
	size_t n = 0;
	bool ok = true;
	while (ok && n < in->n && a->state != ER_DECODE_DATA && a->state != ER_DECODE_TRAILERS)
		ok = chunk_byte(a, f, in->p[n++]);
	*in = er_slice_from(*in, n);
	return ok && framing_fits(a, f, n);
}

/* Trailers go to the body; those that may be none are dropped there. */
static bool trailer_line(er_decode *a, er_fetch *f, er_slice *in)
{
	er_slice line;
	size_t before = in->n;
	bool whole = take_line(a, f, in, &line);
	if (a->state == ER_DECODE_BROKEN || !framing_fits(a, f, before - in->n) || !whole)
		return false;
	if (line.n == 0) {
		a->state = ER_DECODE_OVER;
	} else {
		size_t colon = er_slice_find(line, ':');
		if (colon == line.n || !er_field_name_ok(er_slice_head(line, colon)) ||
		    !er_field_value_ok(er_slice_from(line, colon + 1)))
			return bad_chunk(a, f, "a trailer is malformed");
		er_fetch_trailer(f, er_slice_head(line, colon), er_slice_trim(er_slice_from(line, colon + 1)));
	}
	line_done(a);
	return true;
}

/* ---- all ---- */

/* False: more is needed, or it is broken. */
static bool step(er_decode *a, er_fetch *f, er_slice *in, er_chunk *chunk)
{
	switch (a->state) {
	case ER_DECODE_STATUS:
	case ER_DECODE_FIELDS:
		return head_line(a, f, in);
	case ER_DECODE_LENGTH:
		take_data(a, f, in, chunk);
		if (a->left == 0)
			a->state = ER_DECODE_OVER;
		return true;
	case ER_DECODE_CLOSE:
		a->left = UINT64_MAX;
		take_data(a, f, in, chunk);
		return true;
	case ER_DECODE_DATA:
		take_data(a, f, in, chunk);
		if (a->left == 0)
			a->state = ER_DECODE_DATA_CR;
		return true;
	case ER_DECODE_SIZE:
	case ER_DECODE_EXTENSION:
	case ER_DECODE_SIZE_LF:
	case ER_DECODE_DATA_CR:
	case ER_DECODE_DATA_LF:
		return chunk_line(a, f, in);
	case ER_DECODE_TRAILERS:
		return trailer_line(a, f, in);
	case ER_DECODE_OVER:
	case ER_DECODE_BROKEN:
		break;
	}
	return false;
}

er_decode_state er_decode_feed(er_decode *a, er_fetch *f, er_slice *in, er_chunk *chunk)
{
	ER_ASSERT(a->state <= ER_DECODE_BROKEN);
	ER_ASSERT(chunk == NULL || (in->p >= chunk->bytes && in->p + in->n <= chunk->bytes + chunk->cap));
	a->begun = a->begun || in->n > 0;
	while (in->n > 0 && step(a, f, in, chunk))
		;
	return a->state;
}

er_decode_state er_decode_end(er_decode *a, er_fetch *f)
{
	if (a->state == ER_DECODE_CLOSE)
		a->state = ER_DECODE_OVER;
	if (a->state == ER_DECODE_OVER || a->state == ER_DECODE_BROKEN)
		return a->state;
	if (!a->begun)
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s closed the connection without an answer", ER_FMT(f->authority));
	else
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s broke off its answer", ER_FMT(f->authority));
	(void)broken(a);
	return a->state;
}

bool er_decode_keeps(const er_decode *a)
{
	return a->state == ER_DECODE_OVER && !a->until_close && !a->close && (!a->http10 || a->keep_alive);
}
