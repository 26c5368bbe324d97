/* The life of a socket:
 *
 *    open ── our Close, or the peer's, or a fault ──► one Close each way ──► our last byte is out: FIN ──► over
 *      └──────────────── a body breaks off, or is let go of ─────────────────────────────────────────────────┘
 *
 * "over" is told to JavaScript once (hooks.socketClosed), and the record goes. Each message is a
 * turn of its own, with a request's CPU limit of its own (er_turn_begin_message): a connection may
 * live for days, but no message may compute for long. Behind a hook nothing is known of the socket:
 * it is looked up again. */
#include "sandbox/socket.h"

#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/engine.h"
#include "sandbox/sandbox.h"

#include <sys/random.h>

enum {
	PONGS_MAX = 64 * 1024,  /* of answers that nobody reads: further Pings are not answered */
	COMPRESSED_LEAST = 512, /* shorter messages are not compressed */
};

static er_idmap *map_of(bool sub)
{
	return &er_sb.sockets.by_id[sub];
}

er_socket *er_socket_find(uint32_t id, bool sub)
{
	return er_idmap_get(map_of(sub), id);
}

static void say(const er_socket *s, er_frame_type type, uint8_t flags, uint32_t arg)
{
	er_frame f = {.type = (uint8_t)type, .id = s->id, .flags = flags | (s->sub ? ER_FF_SUB : 0), .arg = arg};
	er_out_frame(&f, (er_slice){0});
}

er_socket *er_socket_open(uint32_t id, bool sub, bool client, uint64_t most, er_slice extensions, er_request *owner)
{
	if (id == 0 || er_socket_find(id, sub) != NULL)
		return NULL;
	er_socket *s = ER_NEW(er_socket);
	*s = (er_socket){.id = id, .sub = sub, .credit = ER_CREDIT_START, .code = ER_WS_ABNORMAL};
	s->ws = (er_ws){.client = client, .most = most};
	s->bits = er_ws_agreed(extensions, client);
	s->ws.deflate = s->bits > 0;
	er_held_init(&s->held, ER_HELD_socket, owner);
	er_idmap_add(map_of(sub), id, s);
	owner->sockets_n++;
	say(s, ER_FRAME_PULL, 0, ER_PULL_WINDOW);
	return s;
}

static void socket_end(er_held *h)
{
	er_socket *s = ER_CONTAINER(h, er_socket, held);
	er_request *owner = h->owner;
	ER_ASSERT(owner != NULL && owner->sockets_n > 0);
	owner->sockets_n--;
	er_idmap_del(map_of(s->sub), s->id);
	er_held_fini(h);
	er_ws_fini(&s->ws);
	er_buf_fini(&s->reason);
	er_buf_fini(&s->waiting);
	er_free(s);
}

const er_held_ops er_held_ops_socket = {.end = socket_end};

/* Nothing more is said of a subrequest's bodies. */
static void forget(er_socket *s)
{
	uint32_t id = s->id;
	bool sub = s->sub;
	er_held_end(&s->held);
	if (!sub) {
		er_body_up_over(id, false);
		return;
	}
	er_frame f = {.type = ER_FRAME_BODY_CANCEL, .id = id, .flags = ER_FF_SUB, .aux = ER_ERR_CANCELLED};
	if (er_sub_find(id) != NULL)
		er_out_frame(&f, (er_slice){0});
	er_body_down_over(id, true);
	er_body_up_over(id, true);
}

/* ---- what goes out ---- */

/* A frame in parts: head, then payload, which is masked as it is copied. */
typedef struct parts {
	uint8_t head[ER_WS_HEAD_MAX];
	size_t head_n;
	er_slice payload;
	const uint8_t *mask;
} parts;

/* n bytes of the frame, from `at` on. */
static void copy(const parts *p, uint8_t *to, size_t at, size_t n)
{
	size_t k = at < p->head_n ? p->head_n - at : 0;
	k = k < n ? k : n;
	er_copy(to, p->head + at, k);
	at = at + k - p->head_n;
	if (n == k)
		return;
	if (p->mask != NULL)
		er_ws_mask(to + k, p->payload.p + at, n - k, p->mask, at);
	else
		er_copy(to + k, p->payload.p + at, n - k);
}

/* As much as the node takes now; the rest waits. */
static void emit(er_socket *s, const parts *p)
{
	size_t total = p->head_n + p->payload.n, at = 0;
	while (at < total && s->credit > 0 && er_buf_len(&s->waiting) == 0) {
		size_t n = total - at < ER_FRAME_DATA ? total - at : ER_FRAME_DATA;
		n = n < s->credit ? n : s->credit;
		er_frame f = {.type = ER_FRAME_BODY_DATA, .id = s->id, .flags = s->sub ? ER_FF_SUB : 0, .n = (uint32_t)n};
		copy(p, er_out_begin(&f, NULL), at, n);
		er_out_end();
		s->credit -= (uint32_t)n;
		at += n;
	}
	if (at == total)
		return;
	copy(p, er_buf_reserve(&s->waiting, total - at), at, total - at);
	er_buf_wrote(&s->waiting, total - at);
}

static void send_frame(er_socket *s, er_ws_opcode opcode, er_slice payload, bool compressed)
{
	uint8_t mask[4];
	bool masks = s->ws.client;
	if (masks)
		ER_ASSERT(getrandom(mask, sizeof mask, 0) == (ssize_t)sizeof mask);
	parts p = {.payload = payload, .mask = masks ? mask : NULL};
	p.head_n = er_ws_head(p.head, opcode, compressed, payload.n, p.mask);
	emit(s, &p);
}

bool er_socket_send(er_socket *s, er_ws_opcode opcode, er_slice payload)
{
	if (s->closing || s->closed)
		return false;
	if (er_buf_len(&s->waiting) + payload.n > ER_SOCKET_WAITING_MAX && er_buf_len(&s->waiting) > 0)
		return false;
	if (s->turn_ns != er_sb.turn.start_ns) {
		s->turn_ns = er_sb.turn.start_ns;
		s->waited = er_buf_len(&s->waiting);
		s->sent = 0;
	}
	s->sent += payload.n;
	er_buf small = {0};
	bool compressed = s->bits > 0 && payload.n >= COMPRESSED_LEAST && payload.n <= UINT32_MAX / 2 &&
	                  er_ws_deflate(payload, s->bits, &small) && er_buf_len(&small) < payload.n;
	send_frame(s, opcode, compressed ? er_buf_slice(&small) : payload, compressed);
	er_buf_fini(&small);
	return true;
}

uint64_t er_socket_waiting(const er_socket *s)
{
	return s->turn_ns == er_sb.turn.start_ns ? s->waited + s->sent : er_buf_len(&s->waiting);
}

void er_socket_close(er_socket *s, uint16_t code, er_slice reason)
{
	uint8_t payload[ER_WS_CONTROL_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
	if (s->closing)
		return;
	s->closing = true;
	reason = er_slice_head(reason, ER_WS_CONTROL_MAX - 2);
	er_copy(payload + 2, reason.p, reason.n);
	send_frame(s, ER_WS_CLOSE, er_slice_of(payload, code == 0 ? 0 : 2 + reason.n), false);
}

static void say_fin(er_socket *s)
{
	/* what does not reach the peer any more is no whole stream */
	if (er_buf_len(&s->waiting) > 0)
		say(s, ER_FRAME_BODY_FAIL, 0, 0);
	else
		say(s, ER_FRAME_BODY_DATA, ER_FF_FIN, s->sub ? 0 : er_turn_cpu_us(s->held.owner));
}

void er_socket_end(er_socket *s)
{
	say_fin(s);
	forget(s);
}

/* ---- the end ---- */

/* It is over: JavaScript hears why, in a turn of the owner. */
static void tell_closed(er_socket *s, bool in_turn)
{
	er_request *owner = s->held.owner;
	uint32_t id = s->id;
	bool sub = s->sub;
	if (!in_turn)
		er_turn_begin(owner, er_sb.limits.cpu_us);
	er_value reason = er_js_from_utf8(er_buf_slice(&s->reason)), code = er_js_number(s->code), clean = er_js_bool(s->clean);
	er_socket_end(s);
	er_engine_call(ER_HOOK(socketClosed, .key = er_key_value(id, sub), .code = code, .reason = reason, .clean = clean));
	if (!in_turn)
		er_turn_end();
}

/* The peer's Close, or a fault: our own goes out, and behind it the end. */
static void begin_end(er_socket *s, uint16_t code, er_slice said, bool clean)
{
	s->closed = true;
	s->clean = clean;
	s->code = clean ? code : ER_WS_ABNORMAL;
	er_buf_put(&s->reason, said);
	/* An answer says the code back (RFC 6455 5.5.1). */
	er_socket_close(s, code == ER_WS_NO_STATUS ? 0 : code, (er_slice){0});
}

static bool may_go(const er_socket *s)
{
	return s->closed && er_buf_len(&s->waiting) == 0;
}

/* ---- what comes ---- */

static void on_control(er_socket *s, const er_ws_said *said)
{
	if (said->opcode == ER_WS_PING && !s->closing && er_buf_len(&s->waiting) < PONGS_MAX)
		send_frame(s, ER_WS_PONG, said->payload, false);
}

static void on_message(er_socket *s, const er_ws_said *said, er_value *exception)
{
	bool text = said->opcode == ER_WS_TEXT;
	er_value key = er_key_value(s->id, s->sub);
	er_value data = text ? er_js_from_utf8(said->payload) : er_js_u8_copy(said->payload, exception);
	if (data != NULL)
		er_engine_call(ER_HOOK(socketData, .key = key, .data = data));
}

/* One event of the codec, in a turn of its own. False: all of the input is used, or the socket is
 * over. */
static bool step(uint32_t id, bool sub, er_slice *in)
{
	er_socket *s = er_socket_find(id, sub);
	if (s == NULL || s->closed)
		return false;
	er_ws_said said;
	er_value exception = NULL;
	bool on = true;
	er_turn_begin_message(s->held.owner, er_sb.limits.cpu_us);
	switch (er_ws_next(&s->ws, in, &said)) {
	case ER_WS_MORE:
		on = false;
		break;
	case ER_WS_MESSAGE:
		on_message(s, &said, &exception);
		break;
	case ER_WS_CONTROL:
		on_control(s, &said);
		break;
	case ER_WS_CLOSED:
		begin_end(s, said.code, said.payload, true);
		break;
	case ER_WS_BROKEN:
		begin_end(s, said.code, er_slice_cstr(said.why), false);
		break;
	}
	s = er_socket_find(id, sub);
	if (s != NULL && may_go(s))
		tell_closed(s, true);
	er_turn_end();
	return on;
}

static void lose(er_socket *s)
{
	if (!s->closed)
		begin_end(s, ER_WS_ABNORMAL, (er_slice){0}, false);
	tell_closed(s, false);
}

bool er_socket_data(const er_frame *f, er_slice payload)
{
	bool sub = f->flags & ER_FF_SUB;
	er_socket *s = er_socket_find(f->id, sub);
	if (s == NULL)
		return false;
	s->owed += f->n;
	if (s->owed >= ER_PULL_WINDOW / 2) {
		say(s, ER_FRAME_PULL, 0, s->owed);
		s->owed = 0;
	}
	while (step(f->id, sub, &payload))
		;
	s = er_socket_find(f->id, sub);
	if (s != NULL && (f->flags & ER_FF_FIN))
		lose(s);
	return true;
}

bool er_socket_lost(const er_frame *f)
{
	er_socket *s = er_socket_find(f->id, f->flags & ER_FF_SUB);
	if (s != NULL)
		lose(s);
	return s != NULL;
}

bool er_socket_unheard(const er_frame *f)
{
	er_socket *s = er_socket_find(f->id, f->flags & ER_FF_SUB);
	if (s == NULL)
		return false;
	s->closing = true;
	er_buf_fini(&s->waiting);
	if (may_go(s))
		tell_closed(s, false);
	return true;
}

bool er_socket_credit(const er_frame *f)
{
	er_socket *s = er_socket_find(f->id, f->flags & ER_FF_SUB);
	if (s == NULL)
		return false;
	s->credit += f->arg;
	while (er_buf_len(&s->waiting) > 0 && s->credit > 0) {
		er_slice part = er_slice_head(er_buf_slice(&s->waiting), s->credit < ER_FRAME_DATA ? s->credit : ER_FRAME_DATA);
		er_frame out = {.type = ER_FRAME_BODY_DATA, .id = s->id, .flags = s->sub ? ER_FF_SUB : 0, .n = (uint32_t)part.n};
		er_out_frame(&out, part);
		er_buf_consume(&s->waiting, part.n);
		s->credit -= (uint32_t)part.n;
	}
	if (er_buf_len(&s->waiting) == 0) {
		er_buf_fini(&s->waiting);
		if (may_go(s))
			tell_closed(s, false);
	}
	return true;
}
