/* A deployment on its way: read from its request, tried in a sandbox, written to the store, put
 * into force, answered. Jobs of one routine are applied in the order in which they came, however
 * long each one's trial takes. */
#ifndef ER_CONTROL_JOB_H
#define ER_CONTROL_JOB_H

#include "control/warn.h"

typedef enum er_job_state { ER_JOB_WAITS, ER_JOB_PROBING, ER_JOB_READY, ER_JOB_APPLIED } er_job_state;

/* Lives until it is answered. Its strings lie in the arena of its call; those of the guard's own
 * job lie in `own`. */
typedef struct er_job {
	uint32_t magic;
	er_list link;
	er_control *control;
	er_call *call; /* NULL: the guard's own */
	er_arena own;  /* of the guard's */
	er_arena *arena;
	er_job_state state;
	er_slice routine;
	er_env env;
	/* Fills `split` (and what else depends on what runs now), just before it is applied. NULL:
	 * there is nothing to fill. */
	bool (*prepare)(struct er_job *job);

	/* what is wanted */
	bool adds, deploys, with_routes;
	er_settings settings; /* adds */
	er_version_data data;
	uint32_t canary; /* per cent of clients for the new version; 0: all */
	er_split split;
	er_guard guard;
	er_cause cause;
	er_slice reason;
	uint32_t rollback_to;
	uint64_t guarded; /* the guard's: the deployment it is about */

	/* what became of it */
	er_problem problem;
	uint64_t cpu_us, memory_kb;
	er_applied applied;
	bool had_previous, created, unchanged; /* unchanged: it runs already, just so */
	er_split previous;
	er_version_counters before[ER_STORE_SPLIT];
	er_route_rule *rules, *rules_before; /* rules NULL: unchanged */
	size_t n_rules, n_before;
	er_warnings warnings;
	uint64_t applied_us;
	er_activation activation;
} er_job;

er_job *er_job_new(er_control *c, er_call *call, er_slice routine, er_env env);
/* Refused: answers (with job->problem) and frees. */
void er_job_refuse(er_job *job);
/* A token that is confined to routines must not catch requests of hosts that are not its own
 * (grant.c): a version whose routes would do that runs in the job's environment only where somebody
 * has given the routine that rule. A version's routes are in force where it runs, in the list or
 * not. */
ER_MUST_CHECK bool er_job_may_route(er_job *job, const er_settings *s);
/* Takes its place in the line. */
void er_job_submit(er_job *job);

#endif
