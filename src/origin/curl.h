/* Inside this room's libcurl transport: one multi handle a pool, driven by the loop.
 *
 * libcurl forbids most calls from inside its callbacks, and whatever a body or an asker does may end in any of them. So callbacks only take
 * notes (er_fetch_push and friends) and queue their hop; er_curl_drain acts when libcurl has returned. */
#ifndef ER_ORIGIN_CURL_H
#define ER_ORIGIN_CURL_H

#include "origin/fetch.h"

#include <curl/curl.h>

typedef struct er_curl_hop er_curl_hop;

typedef struct er_curl_multi {
	CURLM *multi;
	CURLSH *share; /* TLS sessions, of this pool only */
	er_origin *o;
	uv_timer_t timer; /* libcurl's */
	uv_timer_t soon;  /* ours: drain in the loop's next turn */
	unsigned timers;  /* not closed yet */
	er_list ready;    /* hops with something to act on */
	er_list spare;    /* hops without a fetch, for the next ones */
	unsigned spares;
	bool in_curl, draining;
	bool kick; /* libcurl wants to be called at once */
	bool dead; /* free it when draining is over */
} er_curl_multi;

struct er_curl_hop {
	er_list link; /* ready or spare */
	er_curl_multi *m;
	CURL *easy;
	er_fetch *f;
	struct curl_slist *headers, *connect_to;
	er_buf text; /* scratch */
	bool added, done;
	CURLcode result;
	bool write_paused, read_paused, want_upload, upload_end;
	bool news;    /* something of the answer came since the last service */
	er_piece *up; /* of the upload, not yet given to libcurl */
	unsigned up_n, up_at;
	char error[CURL_ERROR_SIZE];
};

/* Of the pool, made when there is none yet. */
er_curl_multi *er_curl_multi_of(er_pool *p);
/* libcurl is called with `in_curl` set, and after it has returned: */
void er_curl_drain(er_curl_multi *m);
/* The same in the loop's next turn: a reader that asks for more and more must not keep everybody else waiting. */
void er_curl_drain_soon(er_curl_multi *m);
void er_curl_queue(er_curl_hop *h);

/* curl_hop.c */
void er_curl_service(er_curl_hop *h);
void er_curl_hop_free(er_curl_hop *h);

#endif
