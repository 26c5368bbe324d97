/* Routines that run by the clock: which time of each was the last that was taken, and how their
 * runs went. Not in the change log: a run changes nothing of what the node serves.
 *
 * A time is taken in one transaction, which is on the disk before the run begins, and only by
 * whoever finds an earlier one there: so no time is taken twice, whoever asks, and whatever ends in
 * between. Control thread. */
#ifndef ER_STORE_CRON_H
#define ER_STORE_CRON_H

#include "store/store.h"

enum { ER_CRON_RUNS = 100 /* of one routine, that are remembered */ };

/* word, meaning */
#define ER_CRON_OUTCOMES(X) \
	X(RUNNING, "running") \
	X(OK, "ok") \
	X(FAILED, "failed") \
	X(SKIPPED, "skipped") /* the run before it was still going on */ \
	X(MISSED, "missed")   /* nobody was there, and it was too long ago when somebody was */ \
	X(LOST, "lost")       /* the node ended while it ran */
typedef enum er_cron_outcome {
#define X(name, word) ER_CRON_##name,
	ER_CRON_OUTCOMES(X)
#undef X
	    ER_CRON_OUTCOMES_N
} er_cron_outcome;
const char *er_cron_outcome_name(er_cron_outcome o);

typedef struct er_cron_run {
	int64_t id; /* 0: it is none yet */
	er_slice routine, cron;
	int64_t minute; /* that was meant, since 1970 */
	int64_t at_ms;  /* when it was taken */
	er_cron_outcome outcome;
	bool manual; /* somebody asked for it */
	int status;  /* of the handler's answer; 0: none */
	er_slice error;
	uint64_t cpu_us, wall_us;
} er_cron_run;

/* One time that is due. `run`: its outcome so far (RUNNING, SKIPPED, MISSED). manual: it takes no
 * time, and is only noted. */
typedef struct er_cron_claim {
	er_cron_run run;
	bool begins; /* nothing is due: times up to this minute are not meant */
	bool taken;  /* set: it was this call that took it; run.id is its number */
} er_cron_claim;

/* All of them in one transaction. */
ER_MUST_CHECK bool er_store_cron_claim(er_store *s, er_cron_claim *v, size_t n, er_err *err);
/* How a run went. */
ER_MUST_CHECK bool er_store_cron_end(er_store *s, const er_cron_run *run, er_err *err);
/* The last minute that was taken; -1: none ever was. */
ER_MUST_CHECK bool er_store_cron_last(er_store *s, er_slice routine, er_slice cron, int64_t *minute, er_err *err);
/* What was running when the node ended is lost. Before anything is claimed. */
ER_MUST_CHECK bool er_store_cron_lost(er_store *s, er_err *err);
/* Newest first. `before`: a number of a run, 0: from the newest on. */
ER_MUST_CHECK bool er_store_cron_runs(er_store *s, er_arena *a, er_slice routine, int64_t before, unsigned most,
                                      er_cron_run **out, size_t *n, er_err *err);

#endif
