/* Long answers of the API, and the bound of all of them together (download.c). Control thread. */
#ifndef ER_CONTROL_DOWNLOAD_H
#define ER_CONTROL_DOWNLOAD_H

#include "control/internal.h"

enum {
	ER_DOWNLOADS = 64,
	ER_DOWNLOADS_BYTES = 128 << 20, /* of all, or one alone */
	ER_DOWNLOAD_LEAST = 64 << 10,   /* what has no more is none */
};

/* Answers 200 with the bytes, or refuses; takes the piece, and frees the call. */
void er_call_piece(er_call *call, er_slice type, er_piece piece);
/* One that writes its own body, and holds so many bytes. False: call->problem says why not. */
ER_MUST_CHECK bool er_download_begin(er_call *call, uint64_t bytes);
void er_download_end(er_control *c, uint64_t bytes);
/* Control closes. */
void er_downloads_drop(er_control *c);

#endif
