/* The upload of a fetch, as its transport takes it.
 *
 * What a hop before has sent already comes first (replay.c), then what the body has. Each byte is
 * counted against the length that the request says. The body's source is called here, and it may
 * end the fetch; so this is called outside of a library's callbacks. */
#include "base/mem.h"
#include "origin/fetch.h"

er_body_status er_fetch_upload(er_fetch *f, size_t max, er_piece *out)
{
	ER_CHECK(f, ER_FETCH_MAGIC);
	ER_ASSERT(f->upload != NULL && !er_fetch_over(f));
	if (er_replay_next(&f->replay, out)) {
		f->uploaded += out->n;
		er_fetch_alive(f);
		return ER_BODY_PIECE;
	}
	er_body_status s = er_body_read(f->upload, max, out);
	if (er_fetch_over(f) || f->upload == NULL) {
		if (s == ER_BODY_PIECE)
			er_piece_drop(out);
		return ER_BODY_ERROR;
	}
	switch (s) {
	case ER_BODY_PIECE:
		f->uploaded += out->n;
		er_fetch_alive(f);
		if (f->upload_length >= 0 && f->uploaded > (uint64_t)f->upload_length) {
			er_piece_drop(out);
			er_fetch_ended(f, ER_ERR_INVALID, "the request's body is longer than its Content-Length says");
			return ER_BODY_ERROR;
		}
		er_replay_keep(&f->replay, *out);
		return s;
	case ER_BODY_WAIT:
		return s;
	case ER_BODY_END:
		if (f->upload_length < 0 || f->uploaded == (uint64_t)f->upload_length)
			return s;
		er_fetch_ended(f, ER_ERR_INVALID, "the request's body is shorter than its Content-Length says");
		return ER_BODY_ERROR;
	default:
		er_fetch_ended(f, er_body_error(f->upload), "the request's body broke off (%s)", er_err_name(er_body_error(f->upload)));
		return ER_BODY_ERROR;
	}
}
