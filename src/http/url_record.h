/* Inside the URL module: a URL taken apart, as the WHATWG URL Standard's "URL record". Its slices
 * point into an arena that lives for one parse or one setter, into the input, or into the href of
 * the URL that it came from; er_url_record_write makes an er_url of it. */
#ifndef ER_HTTP_URL_RECORD_H
#define ER_HTTP_URL_RECORD_H

#include "base/arena.h"
#include "http/url.h"

enum { ER_URL_INPUT_MAX = 64 * 1024 };

typedef struct er_url_record {
	er_slice scheme; /* lower case, without ":" */
	er_slice username, password;
	er_slice host; /* serialized */
	er_slice path; /* opaque, or each segment with its "/" before it */
	er_slice query, fragment;
	uint32_t port; /* ER_URL_ABSENT: none, or the scheme's own */
	bool has_host, opaque, has_query, has_fragment;
} er_url_record;

/* Percent-encode sets (URL Standard 1.3), as bits of er_url_encode's `set`. */
enum {
	ER_URL_SET_C0 = 1,
	ER_URL_SET_FRAGMENT = 2,
	ER_URL_SET_QUERY = 4,
	ER_URL_SET_SPECIAL_QUERY = 8,
	ER_URL_SET_PATH = 16,
	ER_URL_SET_USERINFO = 32,
};
/* How much of it, from the start, is not to be encoded. */
size_t er_url_unencoded(er_slice in, uint8_t set);
/* `in` itself when nothing is to be encoded. */
er_slice er_url_encode(er_arena *a, er_slice in, uint8_t set);
/* The same into memory of the caller, which has room for three bytes a byte; behind
 * the last one. */
uint8_t *er_url_encode_to(uint8_t *to, er_slice in, uint8_t set);

er_slice er_url_join(er_arena *a, er_slice first, er_slice second);

/* -1: not special; 0: file; else the default port. */
int er_url_special_port(er_slice scheme);
static inline bool er_url_special(er_slice scheme)
{
	return er_url_special_port(scheme) >= 0;
}

/* `in` without tabs and newlines. */
er_slice er_url_drop_newlines(er_arena *a, er_slice in);
/* The length of the scheme before the first ":"; 0: there is none. */
size_t er_url_scheme_length(er_slice in);
/* How much of `in` is host and port, or userinfo: up to "/", "?", "#", in special schemes "\". */
size_t er_url_host_length(er_slice in, bool special);
/* The ":" before the port, not one in brackets; host.n if there is none. */
size_t er_url_host_colon(er_slice host);
/* "C:" or "C|". */
bool er_url_windows_drive(er_slice s);
/* Adds the segments of `in` (which ends with the path) to `path`. */
er_slice er_url_path_add(er_arena *a, er_slice scheme, er_slice path, er_slice in);

er_url_record er_url_record_of(const er_url *u);
/* Replaces *u (which must be initialised). */
void er_url_record_write(er_url *u, const er_url_record *r);

#endif
