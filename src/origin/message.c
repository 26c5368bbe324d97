/* What may be sent to a server, and what of a server's answer may be handed on.
 *
 * Rules without a state of their own: fetch.c calls er_message_request once, when a fetch
 * begins, and er_message_response when the head of the answer that is handed on is whole.
 * decode.c and curl_hop.c ask er_message_framing at the end of each final head. What they write
 * lies in the exchange's arena. */
#include "origin/message.h"

#include "base/base64.h"
#include "base/mem.h"
#include "http/identity.h"
#include "http/status.h"
#include "http/url.h"
#include "http/websocket.h"
#include "origin/coding.h"

#include <sys/random.h>

static bool method_ok(er_slice m)
{
	return er_field_name_ok(m) && m.n <= 32 && !er_slice_ieq(m, ER_LIT("CONNECT")) && !er_slice_ieq(m, ER_LIT("TRACE"));
}

static bool target_ok(er_slice method, er_slice t)
{
	if (er_slice_eq(t, ER_LIT("*")))
		return er_slice_eq(method, ER_LIT("OPTIONS"));
	if (t.n == 0 || t.p[0] != '/' || t.n > 32 * 1024)
		return false;
	for (size_t i = 0; i < t.n; i++)
		if (t.p[i] <= 0x20 || t.p[i] == 0x7f || t.p[i] == '#')
			return false;
	return true;
}

/* The usual host name needs no parser: lower-case letters, digits, hyphen, dot, and
 * perhaps a port. */
static bool plain_authority(er_slice a)
{
	size_t colon = er_slice_find(a, ':');
	er_slice port = er_slice_from(a, colon + 1);
	uint64_t number;
	if (colon < a.n && (port.n > 5 || !er_slice_u64(port, &number) || number == 0 || number > 65535))
		return false;
	for (size_t i = 0; i < colon; i++)
		if (!((a.p[i] >= 'a' && a.p[i] <= 'z') || (a.p[i] >= '0' && a.p[i] <= '9') || a.p[i] == '-' || a.p[i] == '.'))
			return false;
	return colon > 0 && colon <= 253;
}

bool er_message_authority_ok(er_slice scheme, er_slice authority)
{
	if (plain_authority(authority))
		return true;
	if (authority.n == 0 || authority.n > 300)
		return false;
	er_buf text = {0};
	er_buf_put(&text, scheme);
	er_buf_puts(&text, "://");
	er_buf_put(&text, authority);
	er_url u;
	bool ok = er_url_parse(&u, er_buf_slice(&text), NULL);
	if (ok) {
		ok = er_slice_eq(er_url_get(&u, ER_URL_HOST), authority);
		er_url_fini(&u);
	}
	er_buf_fini(&text);
	return ok;
}

/* Not for a server's eyes, or written by the transport from what it knows. */
static bool own_field(er_slice name)
{
	return er_slice_ieq(name, ER_LIT("host")) || er_slice_ieq(name, ER_LIT("expect")) ||
	       er_slice_ieq(name, ER_LIT("content-length"));
}

/* The handshake (RFC 6455 4.1). A client's key goes on as it came; who asks for
 * himself has none. */
static void upgrade_fields(er_fetch *f)
{
	er_arena *a = &f->x->arena;
	int status;
	er_fields_add(&f->fields, a, ER_LIT("connection"), ER_LIT("Upgrade"));
	er_fields_add(&f->fields, a, ER_LIT("upgrade"), ER_LIT("websocket"));
	if (er_websocket_malformed(&f->fields, &status) == NULL)
		return;
	uint8_t nonce[ER_WEBSOCKET_NONCE], *key = er_arena_alloc(a, ER_WEBSOCKET_KEY);
	ER_ASSERT(getrandom(nonce, sizeof nonce, 0) == (ssize_t)sizeof nonce);
	er_base64_write(er_slice_of(nonce, sizeof nonce), key);
	er_fields_del(&f->fields, ER_LIT("sec-websocket-key"));
	er_fields_set(&f->fields, a, ER_LIT("sec-websocket-key"), er_slice_of(key, ER_WEBSOCKET_KEY));
	er_fields_del(&f->fields, ER_LIT("sec-websocket-version"));
	er_fields_set(&f->fields, a, ER_LIT("sec-websocket-version"), ER_LIT(ER_WEBSOCKET_VERSION));
}

/* Copies the fields that may go out, without those of this connection, and offers codings. */
static bool request_fields(er_fetch *f, const char **why)
{
	const er_fields *from = &f->x->req.fields;
	bool connection = false, dropped = false;
	f->fields = (er_fields){.v = er_arena_alloc(&f->x->arena, (from->n + 5) * sizeof(er_field)), .cap = from->n + 5};
	for (uint32_t i = 0; i < from->n; i++) {
		er_field it = from->v[i];
		if (!er_field_name_ok(it.name) || !er_field_value_ok(it.value)) {
			*why = "a header field has a name or value that is not allowed in HTTP";
			return false;
		}
		connection = connection || er_slice_ieq(it.name, ER_LIT("connection"));
		if (own_field(it.name))
			continue;
		dropped = dropped || er_field_hop_by_hop(it.name);
		ER_ASSERT(f->fields.n < f->fields.cap);
		f->fields.v[f->fields.n++] = it;
	}
	if (connection || dropped)
		er_fields_strip_hop_by_hop(&f->fields);
	if (f->upgrade)
		upgrade_fields(f);
	else if (f->wishes.decompress != ER_DECOMPRESS_MANUAL)
		er_fields_set(&f->fields, &f->x->arena, ER_LIT("accept-encoding"), er_coding_offer(&f->fields, &f->x->arena));
	return true;
}

static bool wants_length(er_slice method)
{
	return er_slice_eq(method, ER_LIT("POST")) || er_slice_eq(method, ER_LIT("PUT")) || er_slice_eq(method, ER_LIT("PATCH"));
}

/* The upload and its length; what the fields say must agree with what there is. */
static bool request_body(er_fetch *f, const char **why)
{
	const er_slice *said = er_fields_get(&f->x->req.fields, ER_LIT("content-length"));
	uint64_t length = 0;
	if (said != NULL && (!er_slice_u64(*said, &length) || length > INT64_MAX)) {
		*why = "Content-Length is not a number";
		return false;
	}
	f->upload = f->is_head ? NULL : f->x->req.body;
	if (f->upload == NULL) {
		if (length != 0 && !f->is_head) {
			*why = "Content-Length says there is a body, but there is none";
			return false;
		}
		f->length_zero = !f->is_head && (said != NULL || wants_length(f->method));
		return true;
	}
	f->upload_length = said != NULL ? (int64_t)length : er_body_length(f->upload);
	/* Trailers need the chunked coding (RFC 9112 7.1.2). */
	if (f->upload_length < 0 && er_body_finished(f->upload) && er_body_untouched(f->upload) &&
	    er_body_trailers(f->upload) == NULL)
		f->upload_length = (int64_t)er_body_buffered(f->upload);
	return true;
}

bool er_message_request(er_fetch *f, const char **why)
{
	ER_ASSERT(f->x != NULL && f->upload == NULL);
	const er_request *req = &f->x->req;
	f->method = req->method;
	f->scheme = req->scheme;
	f->authority = req->authority;
	f->target = req->target;
	f->is_head = er_slice_eq(f->method, ER_LIT("HEAD"));
	f->upgrade = req->upgrade;
	if (!er_slice_eq(f->scheme, ER_LIT("http")) && !er_slice_eq(f->scheme, ER_LIT("https")))
		*why = "only http and https can be fetched";
	else if (!method_ok(f->method))
		*why = "this method cannot be fetched";
	else if (!target_ok(f->method, f->target) || !er_message_authority_ok(f->scheme, f->authority))
		*why = "the URL is not valid";
	else if (f->host.n > 0 && !er_message_authority_ok(f->scheme, f->host))
		*why = "the header Host is not a host";
	else
		return request_fields(f, why) && request_body(f, why);
	return false;
}

/* Over reserved room: how much is counted first, so that each part is a copy and no test of the
 * buffer. */
void er_message_write(const er_fetch *f, er_buf *out)
{
	const er_slice version = ER_LIT(" HTTP/1.1\r\nHost: "), zero = ER_LIT("Content-Length: 0\r\n");
	er_slice host = f->host.n > 0 ? f->host : f->authority;
	size_t room = f->method.n + 1 + f->target.n + version.n + host.n + zero.n + 4;
	for (uint32_t i = 0; i < f->fields.n; i++)
		room += f->fields.v[i].name.n + f->fields.v[i].value.n + 4;
	er_buf_clear(out);
	uint8_t *from = er_buf_reserve(out, room), *to = er_append(from, f->method);
	*to++ = ' ';
	to = er_append(er_append(er_append(to, f->target), version), host);
	for (uint32_t i = 0; i < f->fields.n; i++) {
		to = er_append(er_append(to, ER_LIT("\r\n")), f->fields.v[i].name);
		to = er_append(er_append(to, ER_LIT(": ")), f->fields.v[i].value);
	}
	to = er_append(to, ER_LIT("\r\n"));
	if (f->length_zero)
		to = er_append(to, zero);
	to = er_append(to, ER_LIT("\r\n"));
	ER_ASSERT((size_t)(to - from) <= room);
	er_buf_wrote(out, (size_t)(to - from));
}

/* ---- responses ---- */

/* RFC 9110 8.6: one number, or the same several times. -1: none; -2: not to be trusted. */
static int64_t content_length(const er_fields *fields)
{
	int64_t length = -1;
	for (uint32_t i = 0; i < fields->n; i++) {
		if (!er_slice_ieq(fields->v[i].name, ER_LIT("content-length")))
			continue;
		er_slice rest = fields->v[i].value, part;
		if (rest.n == 0 || rest.p[rest.n - 1] == ',')
			return -2;
		while (er_slice_split(&rest, ',', &part)) {
			uint64_t n;
			if (!er_slice_u64(er_slice_trim(part), &n) || n > INT64_MAX || (length >= 0 && n != (uint64_t)length))
				return -2;
			length = (int64_t)n;
		}
	}
	return length;
}

static uint32_t count_of(const er_fields *fields, er_slice name)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < fields->n; i++)
		n += er_slice_ieq(fields->v[i].name, name);
	return n;
}

/* RFC 9112 6.1: a message with more than one plain "chunked" is one of a coding that we do not
 * know, or a smuggler's. */
static bool chunked_ok(er_fetch *f, bool http10)
{
	er_slice value = *er_fields_get(&f->res, ER_LIT("transfer-encoding"));
	if (http10)
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s answered with Transfer-Encoding in HTTP/1.0, where it does not exist",
		               ER_FMT(f->authority));
	else if (count_of(&f->res, ER_LIT("transfer-encoding")) > 1)
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s answered with more than one Transfer-Encoding", ER_FMT(f->authority));
	else if (!er_slice_ieq(value, ER_LIT("chunked")))
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s answered with Transfer-Encoding \"%.*s\", where only \"chunked\" is understood",
		               ER_FMT(f->authority), ER_FMT(er_slice_head(value, 60)));
	else if (count_of(&f->res, ER_LIT("content-length")) > 0)
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s answered with Transfer-Encoding and Content-Length in one message",
		               ER_FMT(f->authority));
	else
		return true;
	return false;
}

er_framing er_message_framing(er_fetch *f, bool http10, uint64_t *length)
{
	if (er_fields_get(&f->res, ER_LIT("transfer-encoding")) != NULL)
		return chunked_ok(f, http10) ? ER_FRAMING_CHUNKED : ER_FRAMING_BROKEN;
	int64_t n = content_length(&f->res);
	ER_ASSERT(n >= -2);
	if (n == -2) {
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s answered with a Content-Length that is not one number", ER_FMT(f->authority));
		return ER_FRAMING_BROKEN;
	}
	*length = n < 0 ? 0 : (uint64_t)n;
	return n < 0 ? ER_FRAMING_CLOSE : ER_FRAMING_LENGTH;
}

static bool is_gzip(er_slice token)
{
	return er_slice_ieq(token, ER_LIT("gzip")) || er_slice_ieq(token, ER_LIT("x-gzip"));
}

/* Looks at all Content-Encoding fields: how many codings, how many of them gzip. */
static void codings(const er_fields *fields, unsigned *all, unsigned *gzip)
{
	*all = *gzip = 0;
	for (uint32_t i = 0; i < fields->n; i++) {
		if (!er_slice_ieq(fields->v[i].name, ER_LIT("content-encoding")))
			continue;
		er_slice rest = fields->v[i].value, part;
		while (er_slice_split(&rest, ',', &part)) {
			part = er_slice_trim(part);
			if (part.n == 0 || er_slice_ieq(part, ER_LIT("identity")))
				continue;
			*all += 1;
			*gzip += is_gzip(part);
		}
	}
}

static bool decide_coding(er_fetch *f, bool *gzip, const char **why)
{
	unsigned all, zipped;
	*gzip = false;
	if (f->wishes.decompress == ER_DECOMPRESS_MANUAL)
		return true;
	codings(&f->res, &all, &zipped);
	if (all == 0)
		return true;
	*gzip = all == 1 && zipped == 1;
	if (*gzip || !f->wishes.classic || f->wishes.decompress == ER_DECOMPRESS_FALLBACK_IDENTITY)
		return true;
	*why = "the response has a content coding other than gzip, which `decompress: \"decompress\"` does not undo; use \"manual\" "
	       "or \"fallbackIdentity\"";
	return false;
}

bool er_message_response(er_fetch *f, int64_t *length, bool *gzip, const char **why)
{
	ER_ASSERT(f->x != NULL && er_fetch_head_whole(f));
	bool no_body = er_status_bodyless(f->status) || er_status_switches(f->status);
	/* RFC 9112 6.3: Transfer-Encoding overrides Content-Length; a message with both is a
	 * smuggler's, and we forward neither. */
	bool coded = er_fields_get(&f->res, ER_LIT("transfer-encoding")) != NULL;
	*length = coded ? -1 : content_length(&f->res);
	if (*length == -2) {
		*why = "the response's Content-Length is not one number";
		return false;
	}
	if (er_status_switches(f->status)) {
		*why = er_websocket_refused(&f->res, *er_fields_get(&f->fields, ER_LIT("sec-websocket-key")));
		if (*why != NULL) {
			*why = er_arena_cstr(&f->x->arena, er_arena_printf(&f->x->arena, "%.*s %s", ER_FMT(f->authority), *why));
			return false;
		}
		*length = -1;
	}
	er_fields_strip_hop_by_hop(&f->res);
	er_identity_strip(&f->res);
	/* They mean nothing in a response, and a routine's own Headers would hide them. */
	er_fields_del(&f->res, ER_LIT("host"));
	er_fields_del(&f->res, ER_LIT("expect"));
	*gzip = false;
	if (!no_body && !f->is_head && !decide_coding(f, gzip, why))
		return false;
	if (*gzip) {
		er_fields_del(&f->res, ER_LIT("content-encoding"));
		*length = -1;
	}
	if (*length < 0)
		er_fields_del(&f->res, ER_LIT("content-length"));
	else if (er_fields_get(&f->res, ER_LIT("content-length")) != NULL)
		er_fields_set(&f->res, &f->x->arena, ER_LIT("content-length"), er_arena_u64(&f->x->arena, (uint64_t)*length));
	return true;
}
