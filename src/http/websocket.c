/* Keys and their answers. The answer proves that the server has understood the question, and
 * nothing else: it needs no secret, and SHA-1 is what the RFC says. */
#include "http/websocket.h"

#include "base/base64.h"
#include "base/mem.h"

#include <openssl/evp.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/* Sec-WebSocket-Key: 16 bytes in base64. */
static bool key_ok(er_slice key)
{
	uint8_t nonce[ER_WEBSOCKET_KEY];
	if (key.n != ER_WEBSOCKET_KEY || key.p[22] != '=' || key.p[23] != '=')
		return false;
	er_copy(nonce, key.p, 22);
	return er_base64_read(er_slice_of(nonce, 22), nonce);
}

static uint32_t count(const er_fields *fields, er_slice name)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < fields->n; i++)
		n += er_slice_ieq(fields->v[i].name, name);
	return n;
}

const char *er_websocket_malformed(const er_fields *request, int *status)
{
	const er_slice *version = er_fields_get(request, ER_LIT("sec-websocket-version")),
	               *key = er_fields_get(request, ER_LIT("sec-websocket-key"));
	*status = 426;
	if (version == NULL || !er_slice_eq(*version, ER_LIT(ER_WEBSOCKET_VERSION)))
		return "WebSocket is spoken in version 13 only (Sec-WebSocket-Version)";
	*status = 400;
	if (key == NULL || !key_ok(*key) || count(request, ER_LIT("sec-websocket-key")) != 1)
		return "Sec-WebSocket-Key is not 16 bytes in base64, said once";
	return NULL;
}

void er_websocket_accept(er_slice key, uint8_t accept[ER_WEBSOCKET_ACCEPT])
{
	uint8_t text[ER_WEBSOCKET_KEY + sizeof GUID - 1], sum[20];
	ER_ASSERT(key.n == ER_WEBSOCKET_KEY);
	er_copy(text, key.p, key.n);
	er_copy(text + key.n, (const uint8_t *)GUID, sizeof GUID - 1);
	ER_ASSERT(EVP_Digest(text, sizeof text, sum, NULL, EVP_sha1(), NULL) == 1);
	er_base64_write(er_slice_of(sum, sizeof sum), accept);
}

const char *er_websocket_refused(const er_fields *answer, er_slice key)
{
	uint8_t accept[ER_WEBSOCKET_ACCEPT];
	const er_slice *upgrade = er_fields_get(answer, ER_LIT("upgrade")), *connection = er_fields_get(answer, ER_LIT("connection")),
	               *said = er_fields_get(answer, ER_LIT("sec-websocket-accept"));
	if (upgrade == NULL || !er_slice_ieq(*upgrade, ER_LIT("websocket")))
		return "switches to another protocol than websocket";
	if (connection == NULL || !er_field_has_token(*connection, ER_LIT("upgrade")))
		return "switches without Connection: Upgrade";
	er_websocket_accept(key, accept);
	if (said == NULL || !er_slice_eq(*said, er_slice_of(accept, sizeof accept)))
		return "has not taken the key of the handshake (Sec-WebSocket-Accept)";
	return NULL;
}
