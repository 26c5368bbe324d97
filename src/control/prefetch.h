/* Filling the cache before clients ask: jobs of URLs, and the line in which they are asked.
 *
 * A job belongs to the control plane, lives in memory alone, and is forgotten when the node ends;
 * what it had stored by then is stored. At most ER_PREFETCH_AT_ONCE URLs are under way, and of one
 * site no more than the job says that is asked. Jobs take turns, a URL each. The asking is the
 * gateway's (er_control_ops.prefetch).
 *
 * Control thread. */
#ifndef ER_CONTROL_PREFETCH_H
#define ER_CONTROL_PREFETCH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "control/problem.h"
#include "http/fields.h"
#include "model/env.h"

enum {
	ER_PREFETCH_URLS = 5000, /* of one job */
	ER_PREFETCH_URL_MAX = 8192,
	ER_PREFETCH_FIELDS = 16, /* of the requests of a job */
	ER_PREFETCH_FIELD_MAX = 2048,
	ER_PREFETCH_JOBS = 64,        /* that are not over */
	ER_PREFETCH_JOBS_SHARE = 16,  /* of one token */
	ER_PREFETCH_BYTES = 32 << 20, /* of their URLs, together */
	ER_PREFETCH_KEPT = 64,        /* jobs that are over, and can be asked about */
	ER_PREFETCH_AT_ONCE = 16,     /* URLs under way */
	ER_PREFETCH_SHARE = 4,        /* of them, of one site, if the job says nothing else */
	ER_PREFETCH_TOLD = 100,       /* URLs of a job that are told with what was wrong */
	ER_PREFETCH_LATE_S = 600,     /* a URL that takes longer is given up */
	ER_CONTENT_MAX = 50 << 20,    /* of a document: what a sitemap may have */
};

/* What became of a URL. */
#define ER_PREFETCH_ENDS(X) \
	X(HIT, "hit", "it was stored already") \
	X(STORED, "stored", "it is stored now, or was validated") \
	X(NOT_STORED, "not-stored", "its answer may not be stored, or is not cached here") \
	X(FAILED, "failed", "there is no answer, or it is an error") \
	X(STOPPED, "stopped", "it was given up on request")

typedef enum er_prefetch_end {
#define X(name, text, meaning) ER_PREFETCH_##name,
	ER_PREFETCH_ENDS(X)
#undef X
	    ER_PREFETCH_ENDS_N
} er_prefetch_end;

/* One URL that is to be asked for as a client asks. */
typedef struct er_prefetch_ask {
	er_env env;
	/* in the spelling of requests */
	er_slice scheme, authority, target;
	const er_field *fields;
	uint32_t n_fields;
	bool refresh; /* what is fresh is validated */
	size_t most;  /* the answer itself is wanted, up to so many bytes; 0: it is not */
} er_prefetch_ask;

/* Borrowed for the call of er_prefetch_done. */
typedef struct er_prefetch_result {
	er_prefetch_end end;
	int status; /* of the answer; 0: there is none */
	uint64_t bytes;
	const char *reason; /* NOT_STORED, FAILED: one word, which lives for ever */
	char text[200];     /* what it means, for a person */
	er_buf *body;       /* if it was wanted and has come whole; may be taken */
} er_prefetch_result;

typedef void er_prefetch_done(void *ctx, const er_prefetch_result *result);

typedef struct er_control er_control;
typedef struct er_prefetches er_prefetches;
typedef struct er_prefetch_job er_prefetch_job;

typedef struct er_prefetch_url {
	er_slice url; /* "https://shop.example/cart?a=1" in the spelling of requests */
	uint32_t scheme_n, authority_n;
} er_prefetch_url;

static inline er_slice er_prefetch_authority(const er_prefetch_url *u)
{
	return er_slice_head(er_slice_from(u->url, u->scheme_n + 3), u->authority_n);
}

/* Its parts, as they are asked for. */
static inline void er_prefetch_set_url(er_prefetch_ask *ask, const er_prefetch_url *u)
{
	ask->scheme = er_slice_head(u->url, u->scheme_n);
	ask->authority = er_prefetch_authority(u);
	ask->target = er_slice_from(u->url, u->scheme_n + 3 + u->authority_n);
}

/* What a job is made of; copied. */
typedef struct er_prefetch_order {
	er_env env;
	const er_prefetch_url *urls;
	uint32_t n;
	const er_field *fields;
	uint32_t n_fields;
	uint32_t parallel;   /* so many URLs of one site may be under way, whoever's they are */
	bool refresh, local; /* local: by the socket, and not with a token */
	er_slice by;
} er_prefetch_order;

/* A URL that was not stored. */
typedef struct er_prefetch_told {
	er_slice url;
	er_prefetch_end end;
	int status;
	const char *reason;
	er_slice text;
} er_prefetch_told;

/* A job, to be read. */
struct er_prefetch_job {
	er_list link; /* jobs that are not over, whose turn is next first; or those that are */
	uint64_t id;
	er_arena arena; /* urls and fields; empty when it is over */
	er_arena kept;  /* what lives on: `by`, `told` */
	er_prefetch_order order;
	size_t bytes;
	uint32_t next, under_way; /* of order.urls */
	uint32_t ends[ER_PREFETCH_ENDS_N];
	uint64_t stored_bytes;
	bool cancelled, over;
	int64_t at_ms, over_ms;
	er_prefetch_told told[ER_PREFETCH_TOLD];
	uint32_t n_told, untold;
};

er_prefetches *er_prefetches_new(er_control *c);
/* What is under way is not heard of any more. */
void er_prefetches_free(er_prefetches *p);
/* Once a second: gives up what takes too long. */
void er_prefetches_tick(er_prefetches *p, uint64_t now_us);

/* NULL: *problem. */
er_prefetch_job *er_prefetch_start(er_prefetches *p, const er_prefetch_order *order, er_problem *problem);
/* NULL: there is none, or it is too long ago. */
er_prefetch_job *er_prefetch_find(er_prefetches *p, uint64_t id);
/* Nothing more of it is asked, and what is under way is given up. Of one that is over: nothing. */
void er_prefetch_cancel(er_prefetches *p, er_prefetch_job *job);
/* Calls `each` with all, the newest first. */
void er_prefetch_each(er_prefetches *p, void (*each)(void *ctx, const er_prefetch_job *job), void *ctx);
const char *er_prefetch_end_name(er_prefetch_end end);

#endif
