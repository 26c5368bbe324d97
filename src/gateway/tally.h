/* How the versions of a routine's present deployment do, on one thread: requests, failures, time.
 * Written by that thread, read by the control thread; a newer deployment begins anew in the same
 * memory, and what is still counted for an older one is dropped. */
#ifndef ER_GATEWAY_TALLY_H
#define ER_GATEWAY_TALLY_H

#include "gateway/deployment.h"

/* Buckets of the time: linear below 64 us, then eight to each doubling, so that a percentile is at
 * most an eighth too high. */
enum { ER_TALLY_BUCKETS = 184 };

typedef struct er_tally_version {
	uint32_t number;
	uint32_t failures;
	uint64_t requests;
	uint32_t wall[ER_TALLY_BUCKETS];
} er_tally_version;

typedef struct er_tally {
	uint64_t deployment; /* 0 while it begins anew; atomic */
	/* made at the first request of such a one, and kept; atomic */
	er_tally_version *version[ER_STORE_SPLIT];
} er_tally;

void er_tally_free(er_tally *t);

/* One finished request of that version of the deployment. */
void er_tally_count(er_tally *t, const er_deployment *d, const er_routine *version, uint64_t wall_us, bool failed);

/* A sum over threads. */
typedef struct er_tally_sum {
	uint64_t requests, failures;
	uint64_t wall[ER_TALLY_BUCKETS];
} er_tally_sum;
/* Adds what there is of that deployment; another one counts nothing. */
void er_tally_add(er_tally_sum sum[ER_STORE_SPLIT], const er_tally *t, uint64_t deployment);
/* The time within which `percent` of the requests were answered; 0: there were none. */
uint64_t er_tally_percentile(const er_tally_sum *s, unsigned percent);

#endif
