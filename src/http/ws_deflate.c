/* permessage-deflate (RFC 7692). This end always asks for messages without context from one to the
 * next, in both directions, and may do so (7.1.1): zlib's windows are then needed only while a
 * message is worked on, and one of each direction serves all. They are made at the first message
 * that needs them. */
#include "http/ws.h"

#include "base/mem.h"

#include <zlib.h>

enum {
	WINDOW = 15,
	WINDOW_LEAST = 9, /* zlib makes no streams of 8 bits that others can read */
	LEVEL = 1,        /* the routine pays for it, and text of a few KB gains little by more */
	MEMORY = 8,
	STEP = 16 * 1024,
};

/* of a flush, which messages leave out (7.2.1) */
static const uint8_t tail[4] = {0, 0, 0xff, 0xff};

/* ---- messages ---- */

static er_ws_inflated inflate_part(z_stream *z, er_slice in, uint64_t most, er_buf *out)
{
	z->next_in = (Bytef *)(uintptr_t)in.p;
	z->avail_in = (uInt)in.n;
	for (;;) {
		uint64_t left = most - er_buf_len(out);
		/* one byte more than there may be shows that there is one */
		size_t room = left < STEP ? (size_t)left + 1 : STEP;
		z->next_out = er_buf_reserve(out, room);
		z->avail_out = (uInt)room;
		int rc = inflate(z, Z_SYNC_FLUSH);
		er_buf_wrote(out, room - z->avail_out);
		if (er_buf_len(out) > most)
			return ER_WS_INFLATED_TOO_LARGE;
		if (rc == Z_STREAM_END) /* a last block is allowed (7.2.3.4), and begins anew */
			rc = inflateReset(z);
		if (rc != Z_OK && rc != Z_BUF_ERROR)
			return ER_WS_INFLATED_BAD;
		if (z->avail_in == 0 && z->avail_out > 0)
			return ER_WS_INFLATED;
		if (rc == Z_BUF_ERROR)
			return ER_WS_INFLATED_BAD;
	}
}

er_ws_inflated er_ws_inflate(er_slice in, uint64_t most, er_buf *out)
{
	static z_stream z;
	static bool made;
	if (!made && inflateInit2(&z, -WINDOW) != Z_OK)
		return ER_WS_INFLATED_BAD;
	made = true;
	ER_ASSERT(er_buf_len(out) == 0 && inflateReset(&z) == Z_OK);
	er_ws_inflated how = inflate_part(&z, in, most, out);
	return how == ER_WS_INFLATED ? inflate_part(&z, er_slice_of(tail, sizeof tail), most, out) : how;
}

bool er_ws_deflate(er_slice in, int bits, er_buf *out)
{
	static z_stream z[WINDOW + 1];
	static bool made[WINDOW + 1];
	ER_ASSERT(bits >= WINDOW_LEAST && bits <= WINDOW);
	z_stream *s = &z[bits];
	if (!made[bits] && deflateInit2(s, LEVEL, Z_DEFLATED, -bits, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	made[bits] = true;
	ER_ASSERT(deflateReset(s) == Z_OK);
	s->next_in = (Bytef *)(uintptr_t)in.p;
	s->avail_in = (uInt)in.n;
	do {
		s->next_out = er_buf_reserve(out, STEP);
		s->avail_out = STEP;
		int rc = deflate(s, Z_SYNC_FLUSH);
		ER_ASSERT(rc == Z_OK || rc == Z_BUF_ERROR);
		er_buf_wrote(out, STEP - s->avail_out);
	} while (s->avail_out == 0);
	ER_ASSERT(er_buf_len(out) >= sizeof tail);
	out->end -= sizeof tail;
	return true;
}

/* ---- the agreement (7.1) ---- */

/* One offer, or an answer, as far as it concerns this end. */
typedef struct wish {
	bool deflate;         /* it is for this extension, and well-formed */
	bool client_takes;    /* client_no_context_takeover */
	bool server_takes;    /* server_no_context_takeover */
	bool client_bits;     /* client_max_window_bits, with a number or without */
	unsigned server_bits; /* 0: not said */
} wish;

/* "10" or 10: 8 to 15. 0: neither. */
static unsigned bits_of(er_slice value)
{
	uint64_t n;
	if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
		value = er_slice_of(value.p + 1, value.n - 2);
	bool ok = er_slice_u64(value, &n) && n >= 8 && n <= 15 && value.p[0] != '0';
	return ok ? (unsigned)n : 0;
}

/* Each parameter once, with a value where it has one. */
static bool read_parameter(wish *w, er_slice part, bool answer)
{
	size_t at = er_slice_find(part, '=');
	bool valued = at < part.n;
	er_slice name = er_slice_trim(er_slice_head(part, at)), value = er_slice_trim(er_slice_from(part, at + valued));
	if (er_slice_ieq(name, ER_LIT("client_no_context_takeover"))) {
		bool again = w->client_takes;
		w->client_takes = true;
		return !again && !valued;
	}
	if (er_slice_ieq(name, ER_LIT("server_no_context_takeover"))) {
		bool again = w->server_takes;
		w->server_takes = true;
		return !again && !valued;
	}
	if (er_slice_ieq(name, ER_LIT("client_max_window_bits"))) {
		bool again = w->client_bits;
		w->client_bits = true;
		return !again && (valued ? bits_of(value) > 0 : !answer);
	}
	bool again = w->server_bits > 0;
	w->server_bits = valued ? bits_of(value) : 0;
	return er_slice_ieq(name, ER_LIT("server_max_window_bits")) && !again && w->server_bits > 0;
}

static wish read_wish(er_slice text, bool answer)
{
	wish w = {0};
	er_slice part;
	bool first = true;
	while (er_slice_split(&text, ';', &part)) {
		part = er_slice_trim(part);
		if (first ? !er_slice_ieq(part, ER_LIT("permessage-deflate")) : !read_parameter(&w, part, answer))
			return (wish){0};
		first = false;
	}
	w.deflate = !first;
	return w;
}

int er_ws_accept_offer(er_slice offers, er_buf *answer)
{
	er_slice offer;
	while (er_slice_split(&offers, ',', &offer)) {
		wish w = read_wish(er_slice_trim(offer), false);
		if (!w.deflate || (w.server_bits > 0 && w.server_bits < WINDOW_LEAST))
			continue;
		er_buf_puts(answer, "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
		if (w.server_bits > 0)
			er_buf_printf(answer, "; server_max_window_bits=%u", w.server_bits);
		return w.server_bits > 0 ? (int)w.server_bits : WINDOW;
	}
	return 0;
}

bool er_ws_read_answer(er_slice answer, bool *deflate)
{
	*deflate = false;
	if (er_slice_trim(answer).n == 0)
		return true;
	wish w = read_wish(er_slice_trim(answer), true);
	*deflate = w.deflate && w.server_takes && !w.client_bits;
	return *deflate;
}

int er_ws_agreed(er_slice answer, bool client)
{
	wish w = read_wish(er_slice_trim(answer), true);
	if (!w.deflate)
		return 0;
	return client || w.server_bits < WINDOW_LEAST ? WINDOW : (int)w.server_bits;
}
