/* The decoder goes from frame to frame: the head is collected until it is whole, then checked as a
 * whole; then the payload is taken as it comes, its mask taken off while it is copied to where its
 * message lies. A control frame may stand between the frames of a message, and has a place of its
 * own. Text is checked as its bytes come, so that a peer that sends something else is told at the
 * first wrong byte, not when a message of megabytes is whole. */
#include "http/ws.h"

#include "base/mem.h"

#include <string.h>

void er_ws_fini(er_ws *w)
{
	er_buf_fini(&w->message);
	er_buf_fini(&w->plain);
}

bool er_ws_idle(const er_ws *w)
{
	return w->head_n == 0 && w->kind == 0;
}

bool er_ws_code_ok(unsigned code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != ER_WS_NO_STATUS && code != ER_WS_ABNORMAL) ||
	       (code >= 3000 && code <= 4999);
}

static bool broken(er_ws *w, uint16_t code, const char *why)
{
	w->broken = code;
	w->why = why;
	return false;
}

/* ---- UTF-8 ---- */

/* Bytes of the front that are ASCII, eight at a time. */
static size_t ascii(er_slice s)
{
	size_t n = 0;
	for (uint64_t eight; s.n - n >= 8; n += 8) {
		memcpy(&eight, s.p + n, 8);
		if (eight & 0x8080808080808080U)
			break;
	}
	return n;
}

/* The first byte of a character of several. RFC 3629 4. */
static bool lead(er_ws *w, uint8_t c)
{
	w->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	w->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	w->need = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
	return c >= 0xc2 && c <= 0xf4;
}

static bool utf8(er_ws *w, er_slice s)
{
	for (size_t i = w->need == 0 ? ascii(s) : 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (w->need > 0) {
			if (c < w->low || c > w->high)
				return false;
			w->low = 0x80;
			w->high = 0xbf;
			w->need--;
		} else if (c >= 0x80 && !lead(w, c)) {
			return false;
		}
	}
	return true;
}

/* ---- masks ---- */

void er_ws_mask(uint8_t *to, const uint8_t *from, size_t n, const uint8_t mask[4], uint64_t at)
{
	uint8_t turned[8];
	for (unsigned i = 0; i < 8; i++)
		turned[i] = mask[(at + i) & 3];
	uint64_t key, eight;
	memcpy(&key, turned, 8);
	size_t i = 0;
	for (; n - i >= 8; i += 8) {
		memcpy(&eight, from + i, 8);
		eight ^= key;
		memcpy(to + i, &eight, 8);
	}
	for (unsigned k = 0; i < n; i++, k++)
		to[i] = from[i] ^ turned[k];
}

/* ---- the head of a frame ---- */

/* How many bytes it has, as far as those that have come can say. */
static size_t head_size(const er_ws *w)
{
	if (w->head_n < 2)
		return 2;
	uint8_t n = w->head[1] & 0x7f;
	return 2 + (n == 126 ? 2U : n == 127 ? 8U : 0U) + (w->head[1] & 0x80 ? 4U : 0U);
}

/* The length, which must have been said with as few bytes as it needs (5.2). */
static bool read_length(er_ws *w)
{
	uint64_t n = w->head[1] & 0x7f;
	unsigned bytes = n == 126 ? 2 : n == 127 ? 8 : 0;
	if (bytes > 0)
		n = 0;
	for (unsigned i = 0; i < bytes; i++)
		n = n << 8 | w->head[2 + i];
	if ((bytes == 2 && n < 126) || (bytes == 8 && (n <= UINT16_MAX || n >> 63)))
		return broken(w, ER_WS_PROTOCOL, "a frame's length is not said in the shortest way");
	w->left = n;
	w->at = 0;
	if (w->head[1] & 0x80)
		memcpy(w->mask, w->head + 2 + bytes, sizeof w->mask);
	return true;
}

static bool begin_control(er_ws *w)
{
	w->small_n = 0;
	if (w->opcode != ER_WS_CLOSE && w->opcode != ER_WS_PING && w->opcode != ER_WS_PONG)
		return broken(w, ER_WS_PROTOCOL, "a frame has an opcode that does not exist");
	if (!w->fin || w->left > ER_WS_CONTROL_MAX)
		return broken(w, ER_WS_PROTOCOL, "a control frame is longer than 125 bytes, or comes in parts");
	return true;
}

static bool begin_data(er_ws *w, bool rsv1)
{
	if (w->opcode > ER_WS_BINARY)
		return broken(w, ER_WS_PROTOCOL, "a frame has an opcode that does not exist");
	if ((w->opcode == ER_WS_CONTINUATION) != (w->kind != 0))
		return broken(w, ER_WS_PROTOCOL,
		              w->kind != 0 ? "a message begins inside of another one" : "a frame continues no message");
	if (w->kind == 0) {
		w->kind = w->opcode;
		w->compressed = rsv1;
		w->need = 0;
	}
	if (w->left > w->most || er_buf_len(&w->message) > w->most - w->left)
		return broken(w, ER_WS_TOO_BIG, "a message is longer than it may be");
	return true;
}

/* All of the head is there. */
static bool begin_frame(er_ws *w)
{
	uint8_t first = w->head[0];
	bool masked = w->head[1] & 0x80, rsv1 = first & 0x40;
	w->fin = first & 0x80;
	w->opcode = first & 0x0f;
	w->control = w->opcode >= ER_WS_CLOSE;
	/* The first frame of a message says that it is compressed (RFC 7692 6). */
	if ((first & 0x30) || (rsv1 && (!w->deflate || w->control || w->opcode == ER_WS_CONTINUATION)))
		return broken(w, ER_WS_PROTOCOL, "a frame has a bit set that nobody agreed on");
	if (masked == w->client)
		return broken(w, ER_WS_PROTOCOL, w->client ? "a frame of the server is masked" : "a frame of the client is not masked");
	if (!read_length(w) || !(w->control ? begin_control(w) : begin_data(w, rsv1)))
		return false;
	w->in_payload = true;
	return true;
}

/* ---- the payload ---- */

static bool take_payload(er_ws *w, er_slice *in)
{
	size_t n = w->left < in->n ? (size_t)w->left : in->n;
	uint8_t *to = w->control ? w->small + w->small_n : er_buf_reserve(&w->message, n);
	if (w->client)
		er_copy(to, in->p, n);
	else
		er_ws_mask(to, in->p, n, w->mask, w->at);
	*in = er_slice_from(*in, n);
	w->left -= n;
	w->at += n;
	if (w->control) {
		w->small_n = (uint8_t)(w->small_n + n);
		return true;
	}
	er_buf_wrote(&w->message, n);
	if (w->kind != ER_WS_TEXT || w->compressed || utf8(w, er_slice_of(to, n)))
		return true;
	return broken(w, ER_WS_NOT_UTF8, "a text message is not UTF-8");
}

/* ---- the end of a frame ---- */

static er_ws_event say_broken(const er_ws *w, er_ws_said *said)
{
	*said = (er_ws_said){.code = w->broken, .why = w->why};
	return ER_WS_BROKEN;
}

static er_ws_event end_control(er_ws *w, er_ws_said *said)
{
	*said = (er_ws_said){.opcode = w->opcode, .payload = er_slice_of(w->small, w->small_n), .code = ER_WS_NO_STATUS};
	if (w->opcode != ER_WS_CLOSE)
		return ER_WS_CONTROL;
	if (w->small_n == 0)
		return ER_WS_CLOSED;
	said->code = 0;
	if (w->small_n >= 2)
		said->code = (uint16_t)(w->small[0] << 8 | w->small[1]);
	said->payload = er_slice_from(said->payload, 2);
	if (w->small_n < 2 || !er_ws_code_ok(said->code))
		(void)broken(w, ER_WS_PROTOCOL, "a Close has a code that may not be sent");
	else if (!er_utf8_valid(said->payload))
		(void)broken(w, ER_WS_NOT_UTF8, "the reason of a Close is not UTF-8");
	return w->broken ? say_broken(w, said) : ER_WS_CLOSED;
}

static er_ws_event end_message(er_ws *w, er_ws_said *said)
{
	er_slice payload = er_buf_slice(&w->message);
	if (w->compressed) {
		er_ws_inflated how = er_ws_inflate(payload, w->most, &w->plain);
		payload = er_buf_slice(&w->plain);
		if (how == ER_WS_INFLATED_TOO_LARGE)
			(void)broken(w, ER_WS_TOO_BIG, "a message is longer than it may be");
		else if (how == ER_WS_INFLATED_BAD)
			(void)broken(w, ER_WS_NOT_UTF8, "a compressed message is malformed");
		else if (w->kind == ER_WS_TEXT && !er_utf8_valid(payload))
			(void)broken(w, ER_WS_NOT_UTF8, "a text message is not UTF-8");
	} else if (w->need > 0) {
		(void)broken(w, ER_WS_NOT_UTF8, "a text message ends inside of a character");
	}
	if (w->broken)
		return say_broken(w, said);
	*said = (er_ws_said){.opcode = w->kind, .payload = payload};
	w->kind = 0;
	w->told = true;
	return ER_WS_MESSAGE;
}

/* Nothing is kept between two messages: there may be very many sockets, and most say nothing. */
static void forget(er_ws *w)
{
	w->told = false;
	er_buf_fini(&w->message);
	er_buf_fini(&w->plain);
}

er_ws_event er_ws_next(er_ws *w, er_slice *in, er_ws_said *said)
{
	if (w->told)
		forget(w);
	while (w->broken == 0) {
		if (!w->in_payload) {
			while (w->head_n < head_size(w) && in->n > 0) {
				w->head[w->head_n++] = in->p[0];
				*in = er_slice_from(*in, 1);
			}
			if (w->head_n < head_size(w))
				return ER_WS_MORE;
			if (!begin_frame(w))
				break;
		}
		if (w->left > 0) {
			if (in->n == 0)
				return ER_WS_MORE;
			if (!take_payload(w, in))
				break;
			if (w->left > 0)
				return ER_WS_MORE;
		}
		w->in_payload = false;
		w->head_n = 0;
		if (w->control)
			return end_control(w, said);
		if (w->fin)
			return end_message(w, said);
	}
	return say_broken(w, said);
}

/* ---- what goes out ---- */

size_t er_ws_head(uint8_t to[ER_WS_HEAD_MAX], er_ws_opcode opcode, bool compressed, uint64_t n, const uint8_t *mask)
{
	unsigned bytes = n <= 125 ? 0 : n <= UINT16_MAX ? 2 : 8;
	size_t at = 2;
	to[0] = (uint8_t)(0x80 | (compressed ? 0x40 : 0) | opcode);
	to[1] = (uint8_t)((mask != NULL ? 0x80 : 0) | (bytes == 0 ? n : bytes == 2 ? 126 : 127));
	for (unsigned i = bytes; i > 0; i--)
		to[at++] = (uint8_t)(n >> (8 * (i - 1)));
	if (mask == NULL)
		return at;
	memcpy(to + at, mask, 4);
	return at + 4;
}
