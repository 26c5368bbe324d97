/* Rules without a state. */
#include "cache/coded.h"

#include "http/directives.h"

/* ---- types ---- */

/* Whole types, besides text/..., ...+json, ...+xml. Pictures, sound, films, archives and woff fonts
 * are compressed in themselves. */
static const char *const types[] = {
    "application/ecmascript",
    "application/javascript",
    "application/json",
    "application/json5",
    "application/jsonl",
    "application/ndjson",
    "application/postscript",
    "application/rtf",
    "application/sql",
    "application/toml",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-font-opentype",
    "application/x-font-otf",
    "application/x-font-truetype",
    "application/x-font-ttf",
    "application/x-javascript",
    "application/x-ndjson",
    "application/x-sh",
    "application/x-yaml",
    "application/xml",
    "application/xml-dtd",
    "application/yaml",
    "font/collection",
    "font/otf",
    "font/sfnt",
    "font/ttf",
    "image/bmp",
    "image/vnd.microsoft.icon",
    "image/x-icon",
    "model/obj",
};

static bool ends_with(er_slice text, er_slice end)
{
	return text.n >= end.n && er_slice_ieq(er_slice_from(text, text.n - end.n), end);
}

static bool begins_with(er_slice text, er_slice begin)
{
	return text.n >= begin.n && er_slice_ieq(er_slice_head(text, begin.n), begin);
}

static bool compresses(er_slice type)
{
	type = er_slice_trim(er_slice_head(type, er_slice_find(type, ';')));
	if (er_slice_ieq(type, ER_LIT("text/event-stream"))) /* lives of its single events */
		return false;
	if (begins_with(type, ER_LIT("text/")) || ends_with(type, ER_LIT("+json")) || ends_with(type, ER_LIT("+xml")))
		return true;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (er_slice_ieq(type, er_slice_cstr(types[i])))
			return true;
	return false;
}

/* ---- the response ---- */

/* Says something of the bytes as they are: coded, of a part, or vouched for by whoever signed. */
static bool binds_bytes(er_slice name)
{
	static const char *const fields[] = {"content-encoding", "content-range", "content-md5", "digest",
	                                     "content-digest",   "repr-digest",   "signature",   "signature-input"};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (er_slice_ieq(name, er_slice_cstr(fields[i])))
			return true;
	return false;
}

static bool names_accept_encoding(er_slice vary)
{
	er_slice name;
	while (er_slice_split(&vary, ',', &name)) {
		name = er_slice_trim(name);
		if (er_slice_ieq(name, ER_LIT("accept-encoding")) || er_slice_eq(name, ER_LIT("*")))
			return true;
	}
	return false;
}

er_codable er_codable_of(int status, const er_fields *response)
{
	const er_slice *type = er_fields_get(response, ER_LIT("content-type"));
	bool varies = false;
	if (type == NULL || !compresses(*type) || status == 206 || er_cache_control(response).no_transform)
		return ER_CODABLE_NOT;
	for (uint32_t i = 0; i < response->n; i++) {
		const er_field *f = &response->v[i];
		if (binds_bytes(f->name))
			return ER_CODABLE_NOT;
		varies = varies || (er_slice_ieq(f->name, ER_LIT("vary")) && names_accept_encoding(f->value));
	}
	return varies ? ER_CODABLE_VARIES : ER_CODABLE;
}

/* ---- the request ---- */

size_t er_coded_order(const er_exchange *x, unsigned allowed, er_coding out[static ER_CODINGS])
{
	er_accept_encoding said;
	if (allowed == 0 || (x->depth > 0 && x->wishes.decompress != ER_DECOMPRESS_MANUAL))
		return 0;
	er_accept_encoding_read(&x->req.fields, &said);
	if (!said.said || er_cache_control(&x->req.fields).no_transform)
		return 0;
	size_t n = er_accept_encoding_order(&said, out), kept = 0;
	for (size_t i = 0; i < n; i++)
		if (allowed & 1u << out[i])
			out[kept++] = out[i];
	return kept;
}

er_slice er_coded_tag(er_arena *a, er_slice tag)
{
	return er_slice_starts(tag, ER_LIT("W/")) ? tag : er_arena_printf(a, "W/%.*s", ER_FMT(tag));
}
