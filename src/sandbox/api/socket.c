/* WebSockets: what the prelude says to them (sandbox/socket.h). Keys are a routine's and may name
 * anything; a socket that is over does nothing, because the prelude cannot know yet. */
#include "sandbox/api/api.h"

#include "base/mem.h"

static er_socket *socket_of(er_value key)
{
	er_key k = er_key_of(key);
	return er_socket_find(k.id, k.sub);
}

/* What this end, as a server, answers to a client's Sec-WebSocket-Extensions; "": nothing of it. */
ER_NATIVE(socketAccept)
{
	er_text offer;
	if (!er_js_bytestring_arg(a->offer, &offer, exception))
		return NULL;
	er_buf answer = {0};
	(void)er_ws_accept_offer(er_text_slice(&offer), &answer);
	er_value v = er_js_latin1(er_buf_slice(&answer));
	er_buf_fini(&answer);
	er_text_fini(&offer);
	return v;
}

/* A server's answer to our offer is one that this end can keep to. */
ER_NATIVE(socketAgreed)
{
	er_text answer;
	bool deflate;
	if (!er_js_bytestring_arg(a->answer, &answer, exception))
		return NULL;
	bool ok = er_ws_read_answer(er_text_slice(&answer), &deflate);
	er_text_fini(&answer);
	return er_js_bool(ok);
}

/* False: the bodies of that key are over already, or have a socket. */
ER_NATIVE(socketOpen)
{
	er_key k = er_key_of(a->key);
	er_request *owner = er_request_find(er_js_to_u32(a->owner));
	er_text extensions;
	if (owner == NULL || owner->id == 0 || owner->over || owner->draining || (!k.sub && k.id != owner->id))
		return er_js_bool(false);
	er_sub *sub = k.sub ? er_sub_find(k.id) : NULL;
	if (k.sub && (sub == NULL || er_sub_owner(sub) != owner))
		return er_js_bool(false);
	if (!er_js_bytestring_arg(a->extensions, &extensions, exception))
		return NULL;
	er_socket *s =
	    er_socket_open(k.id, k.sub, er_js_to_bool(a->client), er_sb.limits.message_n, er_text_slice(&extensions), owner);
	er_text_fini(&extensions);
	if (s != NULL && sub != NULL)
		sub->up = true;
	return er_js_bool(s != NULL);
}

/* A string is a text message, bytes are a binary one. False: nothing may be sent any more, or too
 * much waits. */
ER_NATIVE(socketSend)
{
	er_socket *s = socket_of(a->key);
	er_slice bytes;
	if (s == NULL)
		return er_js_bool(false);
	if (!er_js_is_string(a->data) && er_js_bytes(a->data, &bytes))
		return er_js_bool(er_socket_send(s, ER_WS_BINARY, bytes));
	er_text text;
	if (!er_js_utf8_arg(a->data, &text, exception))
		return NULL;
	bool sent = er_socket_send(s, ER_WS_TEXT, er_text_slice(&text));
	er_text_fini(&text);
	return er_js_bool(sent);
}

ER_NATIVE(socketWaiting)
{
	const er_socket *s = socket_of(a->key);
	return er_js_number(s != NULL ? (double)er_socket_waiting(s) : 0);
}

ER_NATIVE(socketClose)
{
	er_socket *s = socket_of(a->key);
	er_text reason;
	if (s == NULL)
		return er_js_undefined();
	if (!er_js_utf8_arg(a->reason, &reason, exception))
		return NULL;
	er_socket_close(s, (uint16_t)er_js_to_u32(a->code), er_text_slice(&reason));
	er_text_fini(&reason);
	return er_js_undefined();
}

ER_NATIVE(socketEnd)
{
	er_socket *s = socket_of(a->key);
	if (s != NULL)
		er_socket_end(s);
	return er_js_undefined();
}
