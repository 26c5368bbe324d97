/* Inside the cache room: a question of the cache to what is behind it, and those who wait for the
 * answer's head.
 *
 *   ASKED ──► STORED  the response is for everybody: all that wait read it
 *         ──► ALONE   it is not: who began the fill has it, the others ask by themselves
 *         ──► STALE   the origin fails, and the stored response may be used instead
 *         ──► FAILED  the origin fails: all that wait get the same error
 *
 * While it is ASKED it may first ask the disk, where what it finds is as good as an answer: what is
 * good is STORED, and what is stale is validated.
 *
 * A fill lives on the thread that began it; what waits may be on any. Counted (atomic). */
#ifndef ER_CACHE_FILL_H
#define ER_CACHE_FILL_H

#include "base/states.h"
#include "cache/disk.h"
#include "cache/index.h"
#include "cache/law.h"
#include "cache/port.h"
#include "cache/rules.h"
#include "cache/stored.h"
#include "http/exchange.h"

#define ER_FILL_STATES(X, P) \
	X(P, ASKED, "asked", "the head of the response is not there") \
	X(P, STORED, "stored", "a response that all may have is on its way into the store, or whole") \
	X(P, STALE, "stale", "the origin fails, and what is stored may be used") \
	X(P, ALONE, "alone", "the response is for one") \
	X(P, FAILED, "failed", "the origin fails")

#define ER_FILL_EVENTS(X, P) \
	X(P, KEPT, "kept", "the response may be stored, or the stored one is good") \
	X(P, SPARED, "spared", "the response is an error, and the stored one may be used") \
	X(P, OWN, "own", "the response may not be stored") \
	X(P, ERROR, "error", "there is no response, or the fill was ended")

ER_STATES_TYPES(er_fill, FILL, ER_FILL_STATES, ER_FILL_EVENTS);
extern const er_states er_fill_states;

enum { ER_FILL_MAGIC = 0x46494c4c };

typedef struct er_fill er_fill;
typedef struct er_index er_index; /* index.h */
typedef struct er_task er_task;   /* task.h */

struct er_fill {
	uint32_t magic;
	uint32_t refs;        /* atomic */
	pthread_mutex_t lock; /* state, waiting, stored, and the error */
	er_state state;
	er_list waiting;   /* er_wait of tasks, while ASKED */
	er_stored *stored; /* STORED, STALE: own reference; ALONE: what its first task gets, or NULL */
	/* FAILED */
	int status;
	er_err_kind error;
	char text[160];

	/* of its thread alone */
	struct er_cache *cache;
	er_list link; /* cache->fills */
	er_arena arena;
	er_slice key;
	uint64_t hash;
	/* of pieces, if the answer may be one (pieces.h); else empty. It is its key then */
	er_slice piece_key;
	uint64_t piece_hash, piece_purges;
	bool of_piece;
	/* what purges its response, but for the tags that nobody knows yet; and when it was made: the
	 * same for its life, read by every thread */
	er_scopes scopes;
	uint64_t number;       /* of purge.h */
	er_cache_rules *rules; /* own reference */
	/* of the routine that began it, in the fill's arena; NULL: none */
	er_cache_wishes *wishes;
	er_wishes *network; /* with them: what whoever asks the network is told, likewise */
	er_cache_law law;   /* rules and wishes, once the question is made */
	/* the question, without fields and body; in the fill's arena */
	er_request question;
	bool listed;     /* in the index: others may wait for it */
	bool kept;       /* what came is in the store, or would be if there were room */
	uint64_t purges; /* er_index_purges of the key when it began */
	er_asker asker;
	er_exchange *x;               /* own reference, until the head */
	er_fields wanted;             /* fields of the request as it came to the cache; in x's arena */
	int64_t asked;                /* since 1970 */
	bool with_body;               /* the question has a body: its answer is for nobody else */
	bool own_target;              /* so has what it asks for: parameters that are not in the key */
	er_stored *stale;             /* that it validates, or NULL: own reference */
	er_task *first;               /* that began it and still waits, or NULL */
	bool counts;                  /* a task began it: what becomes of it is counted */
	struct er_cache_stats *stats; /* there (cache.h) */
	bool refresh;                 /* what the disk has is validated, also if it is fresh */
	bool unsure;                  /* `stale` may be void: it is not used if the origin fails */
	bool again;                   /* a 304 was of something else: it asks for the second time */
	er_content *content;          /* that it writes; own reference */
	er_body *down;                /* that it reads; own reference */
	er_stored *written;           /* whose content that is; own reference */
	er_wait room;                 /* for readers of a content that passes by */
	uint64_t weighed;             /* bytes of it that the index knows of */
	const er_chain *chain;
	/* the disk: it may be asked first, nobody else is asked, it is being asked, and it knew */
	bool asks_disk, asks_disk_only, finds, from_disk;
	er_disk_find find;
	uint64_t finds_since_ms; /* loop time */
	er_disk_stream *stream;  /* takes what passes by, or NULL */
	er_coding coding;        /* in which its asker would have what is stored; ER_CODINGS: none */
	bool passes_by, waits;
	uint64_t waits_since_ms; /* loop time */
};

struct er_cache_place;
/* One reference, its own: it goes by itself once it was started. `stale`: to validate (a reference
 * is taken), or NULL. */
er_fill *er_fill_new(const struct er_cache_place *place, er_slice key, uint64_t hash, er_stored *stale);
/* Sends x's request; of a listed fill for all, without this client's conditions and ranges.
 * f->first hears of the head by er_cache's `head`, perhaps before this returns. */
void er_fill_start(er_fill *f, const er_exchange *x, const er_chain *chain);
er_fill *er_fill_ref(er_fill *f);
void er_fill_unref(er_fill *f);
/* Has `wait` wait for the head; false: it is there. From any thread. */
ER_MUST_CHECK bool er_fill_wait(er_fill *f, er_wait *wait);
/* Has the disk been asked for longer than anybody should wait? */
bool er_fill_is_late(const er_fill *f);
/* Waits for the disk no longer. */
void er_fill_go_on(er_fill *f);
/* Looks whether a slow reader holds up the others for too long. False: nobody does. */
bool er_fill_watch(er_fill *f);
/* The task that began it has left. */
void er_fill_left(er_fill *f);
/* Ends it now. */
void er_fill_stop(er_fill *f, er_err_kind why);

/* ---- fill_ask.c: what it asks the origin ---- */
/* Makes f->x and f->wanted of the client's request. */
void er_fill_question(er_fill *f, const er_exchange *x);
/* The same of what it has asked before, for all, with x. */
void er_fill_question_again(er_fill *f, const er_exchange *x);
/* The question is one for a validation. */
void er_fill_validators(er_exchange *x, const er_stored *stale);
/* The answer is to something that the question does not ask: a 304 without conditions (RFC 9110
 * 15.4.5), a 206 without a range (15.3.7). A sentence that says so, or NULL. */
ER_MUST_CHECK const char *er_fill_unasked(const er_exchange *x);

/* ---- fill_disk.c: what came goes to the disk, if there is one ---- */
/* A coded form of its content is there: the index counts it and the disk has it, too. Once for each
 * form; again costs nothing. Any thread; `d` may be NULL. */
void er_keep_form(er_index *ix, er_disk *d, er_stored *s, er_coding coding);
/* Memory has no room for it any more: what was used there is used on the disk, too, or goes there.
 * For er_index_on_evicted; `disk` is an er_disk. */
void er_keep_evicted(void *disk, er_index *ix, er_stored *s, uint64_t purges);
/* What was used in memory and is not on the disk goes there, the most used first, as much as the
 * disk takes in a second or two: the node ends. */
void er_keep_hot(er_index *ix, er_disk *d);
/* The response was put into the index, or (`in` false) found no place there. It goes to the disk,
 * where nothing older of its key is left. Any thread; `d` may be NULL. */
void er_keep_put(er_disk *d, er_index *ix, er_stored *s, bool in);
/* The response is whole. */
void er_fill_store(er_fill *f, er_stored *s);
/* What the disk has of the key is not what the origin says. */
void er_fill_void(er_fill *f);
/* A body of that length may go there, although it is too long for the memory. */
bool er_fill_fits_disk(const er_fill *f, int64_t length);
/* The content is about to pass by: what there is of it goes to the disk, and what comes. */
void er_fill_stream(er_fill *f);
void er_fill_stream_piece(er_fill *f, er_piece piece);
void er_fill_stream_end(er_fill *f, bool whole);

#endif
