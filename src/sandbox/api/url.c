/* URLs: http/url.h for JavaScript. The engine's side of a URL is its href, one string; the places
 * of its parts lie in er.urlParts, which the parse fills. A setter parses the href, changes the
 * part and gives a new href. So a URL object holds no memory of C's, and nothing has to be freed
 * when it is collected. */
#include "sandbox/api/api.h"

#include "base/mem.h"
#include "http/url.h"

/* Where the parts of the URL lie that was parsed or set last: JavaScript reads them as er.urlParts
 * straight after the call, before it calls another native. */
uint32_t er_api_url_parts[ER_API_URL_PARTS];

static void put_parts(const er_url *u)
{
	const uint32_t parts[] = {u->protocol_end, u->username_end,   u->host_start,   u->host_end,
	                          u->port,         u->pathname_start, u->search_start, u->hash_start};
	static_assert(sizeof parts == sizeof er_api_url_parts, "as many as JavaScript has");
	memcpy(er_api_url_parts, parts, sizeof parts);
}

/* `given`: what was parsed; it is the value if nothing about it had to change. */
static er_value href_value(const er_url *u, er_value given, er_slice text)
{
	put_parts(u);
	er_slice href = er_url_href(u);
	ER_ASSERT(u->protocol_end > 0 && u->host_start <= u->host_end && u->pathname_start <= href.n);
	return given != NULL && er_js_is_string(given) && er_slice_eq(href, text) ? given : er_js_latin1(href);
}

ER_NATIVE(urlParse)
{
	er_text input, base_text;
	er_url base = {0}, u;
	bool with_base = !er_js_is_undefined(a->base);
	if (with_base) {
		if (!er_js_utf8_arg(a->base, &base_text, exception))
			return NULL;
		bool ok = er_url_parse(&base, er_text_slice(&base_text), NULL);
		er_text_fini(&base_text);
		if (!ok)
			return er_js_undefined();
	}
	er_value v = NULL;
	if (er_js_utf8_arg(a->input, &input, exception)) {
		v = er_js_undefined();
		if (!with_base && er_js_is_string(a->input) && er_url_plain(&u, er_text_slice(&input))) {
			put_parts(&u);
			v = a->input;
		} else if (er_url_parse(&u, er_text_slice(&input), with_base ? &base : NULL)) {
			v = href_value(&u, a->input, er_text_slice(&input));
			er_url_fini(&u);
		}
		er_text_fini(&input);
	}
	if (with_base)
		er_url_fini(&base);
	return v;
}

static bool part_of(er_slice name, er_url_part *part)
{
	static const char *const names[] = {
	    [ER_URL_HREF] = "href",         [ER_URL_PROTOCOL] = "protocol", [ER_URL_USERNAME] = "username",
	    [ER_URL_PASSWORD] = "password", [ER_URL_HOST] = "host",         [ER_URL_HOSTNAME] = "hostname",
	    [ER_URL_PORT] = "port",         [ER_URL_PATHNAME] = "pathname", [ER_URL_SEARCH] = "search",
	    [ER_URL_HASH] = "hash"};
	static_assert(sizeof names / sizeof *names == ER_URL_HASH + 1, "a name for each part");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (er_slice_eq(name, er_slice_cstr(names[i]))) {
			*part = (er_url_part)i;
			return true;
		}
	}
	return false;
}

static er_value set_part(er_url *u, er_slice name, er_slice value)
{
	er_url_part part;
	if (!part_of(name, &part))
		return er_js_undefined();
	if (part == ER_URL_HREF) {
		er_url whole;
		if (!er_url_parse(&whole, value, NULL))
			return er_js_undefined();
		er_value v = href_value(&whole, NULL, (er_slice){0});
		er_url_fini(&whole);
		return v;
	}
	(void)er_url_set(u, part, value); /* a refused value leaves the URL as it is */
	return href_value(u, NULL, (er_slice){0});
}

ER_NATIVE(urlSet)
{
	er_text href, name, value;
	er_url u;
	if (!er_js_utf8_arg(a->href, &href, exception))
		return NULL;
	bool ok = er_url_parse(&u, er_text_slice(&href), NULL);
	er_text_fini(&href);
	if (!ok)
		return er_js_undefined();
	er_value v = NULL;
	if (er_js_utf8_arg(a->part, &name, exception)) {
		if (er_js_utf8_arg(a->value, &value, exception)) {
			v = set_part(&u, er_text_slice(&name), er_text_slice(&value));
			er_text_fini(&value);
		}
		er_text_fini(&name);
	}
	er_url_fini(&u);
	return v;
}

ER_NATIVE(urlOrigin)
{
	er_text href;
	er_url u;
	if (!er_js_utf8_arg(a->href, &href, exception))
		return NULL;
	er_value v = er_js_undefined();
	if (er_url_parse(&u, er_text_slice(&href), NULL)) {
		er_buf out;
		er_buf_init(&out);
		er_url_origin(&u, &out);
		v = er_js_latin1(er_buf_slice(&out));
		er_buf_fini(&out);
		er_url_fini(&u);
	}
	er_text_fini(&href);
	return v;
}

ER_NATIVE(domainToASCII)
{
	er_text name;
	if (!er_js_utf8_arg(a->string, &name, exception))
		return NULL;
	er_buf out;
	er_buf_init(&out);
	er_value v = er_url_domain_to_ascii(er_text_slice(&name), &out) ? er_js_latin1(er_buf_slice(&out)) : er_js_undefined();
	er_buf_fini(&out);
	er_text_fini(&name);
	return v;
}
