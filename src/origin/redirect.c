#include "origin/redirect.h"

er_redirect_step er_redirect_step_of(int status, er_slice method)
{
	bool safe = er_slice_eq(method, ER_LIT("GET")) || er_slice_eq(method, ER_LIT("HEAD"));
	switch (status) {
	case 301:
	case 302:
	case 303:
	case 308:
		return safe ? ER_REDIRECT_SAME : ER_REDIRECT_GET;
	case 307:
		return safe ? ER_REDIRECT_SAME : ER_REDIRECT_REFUSED;
	default:
		return ER_REDIRECT_NOT;
	}
}

void er_redirect_fields(er_fields *fields, bool body_dropped, bool other_origin)
{
	/* Fetch standard, "request-body-header name" and HTTP-redirect fetch. */
	static const er_slice body[] = {ER_LIT("content-encoding"), ER_LIT("content-language"), ER_LIT("content-location"),
	                                ER_LIT("content-type"), ER_LIT("content-length")};
	static const er_slice secret[] = {ER_LIT("authorization"), ER_LIT("cookie"), ER_LIT("proxy-authorization")};
	for (size_t i = 0; body_dropped && i < sizeof body / sizeof *body; i++)
		er_fields_del(fields, body[i]);
	for (size_t i = 0; other_origin && i < sizeof secret / sizeof *secret; i++)
		er_fields_del(fields, secret[i]);
}
