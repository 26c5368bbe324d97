/* A routine version as the node runs it: immutable, shared by all gateway threads,
 * reference-counted (atomic).
 *
 * The code of a routine of a file is in memory from the start. Other routines have a source:
 * code, map and variables are read when a first instance needs them, shared by all instances,
 * and let go with the last one. A node that knows ten thousand routines pays for those that run. */
#ifndef ER_ISOLATE_ROUTINE_H
#define ER_ISOLATE_ROUTINE_H

#include "base/arena.h"
#include "base/chunk.h"
#include "base/cidr.h"
#include "base/err.h"
#include "base/slice.h"

#include <pthread.h>

enum er_profile { ER_PROFILE_STANDARD, ER_PROFILE_HARDENED };

/* Seed values of the product; a routine may ask for other ones within the node's maximum. */
typedef struct er_limits {
	uint32_t cpu_us;      /* a request: 50 ms */
	uint32_t load_cpu_us; /* top-level code: 400 ms */
	uint32_t memory_kb;   /* 128 MB */
	uint32_t response_ms; /* 120 s */
	uint32_t subrequests; /* 32 */
	uint32_t timers;      /* 1000 live */
	uint32_t code_n;      /* 1 MB: must be below */
	uint32_t idle_s;      /* an instance without requests ends after this */
} er_limits;
/* How configuration files spell them: name, least, most, factor to the unit of er_limits,
 * member. */
#define ER_LIMITS_TABLE(X) \
	X(cpuMs, 1, 60000, 1000, cpu_us) \
	X(loadCpuMs, 1, 60000, 1000, load_cpu_us) \
	X(memoryMb, 16, 4096, 1024, memory_kb) \
	X(responseMs, 1, 3600000, 1, response_ms) \
	X(subrequests, 0, 10000, 1, subrequests) \
	X(timers, 0, 100000, 1, timers) \
	X(idleSeconds, 1, 86400, 1, idle_s) \
	X(codeBytes, 1024, 16777216, 1, code_n)
#define ER_LIMITS_DEFAULT \
	((er_limits){.cpu_us = 50000, \
	             .load_cpu_us = 400000, \
	             .memory_kb = 128 * 1024, \
	             .response_ms = 120000, \
	             .subrequests = 32, \
	             .timers = 1000, \
	             .code_n = 1024 * 1024, \
	             .idle_s = 1800})

/* What an instance is loaded with. */
typedef struct er_code {
	uint32_t refs;
	er_piece script;     /* UTF-8 */
	er_piece source_map; /* JSON, or empty */
	er_piece env;        /* an object of variables, as JSON text */
} er_code;

typedef struct er_routine er_routine;

/* Where a routine was made, and so who may allow it private addresses. */
typedef enum er_routine_home { ER_HOME_FILE, ER_HOME_STORE, ER_HOME_DESK } er_routine_home;

/* Where code comes from that is not in memory. Outlives the routines that name it. */
typedef struct er_code_source {
	pthread_mutex_t lock; /* of er_routine.held of all its routines, and of the counts */
	/* Fills the pieces of *out, as r->key says. May block; several threads may call it at once.
	 * False: *err says why. */
	bool (*load)(void *ctx, const er_routine *r, er_code *out, er_err *err);
	void *ctx;
} er_code_source;

struct er_routine {
	uint32_t refs;
	uint8_t environment; /* as its owner counts them */
	er_routine_home home;
	er_slice name;
	er_slice version;       /* shown in logs */
	er_slice source_url;    /* what stacks call the script */
	er_code_source *source; /* NULL: the next three are there */
	er_slice key;           /* for the source: which code */
	er_piece code;          /* UTF-8 script */
	er_piece source_map;    /* JSON, or empty */
	er_slice env_json;      /* an object of variables, as JSON text */
	er_limits limits;
	uint32_t compat; /* ER_COMPAT_* */
	enum er_profile profile;
	bool fallback;  /* on failure before an answer: the rest of the chain answers */
	er_cidr *allow; /* subrequest targets allowed beyond the guard */
	size_t n_allow;
	er_code *held; /* by instances, if it came from the source; no reference of ours */
};

/* All slices are copied; the pieces are taken. One reference. */
er_routine *er_routine_new(const er_routine *like);
er_routine *er_routine_ref(er_routine *r);
/* "an administrator ...": what to do when an address is refused that it should reach. */
er_slice er_routine_remedy(const er_routine *r, er_arena *a);
void er_routine_unref(er_routine *r);

/* The routine's code with a reference, if it is in memory. NULL: er_routine_read gets it. */
er_code *er_routine_code(er_routine *r);
/* The same from its source. Blocks. NULL: *err says why. */
er_code *er_routine_read(er_routine *r, er_err *err);
/* Gives the reference back. NULL is fine. */
void er_routine_drop(er_routine *r, er_code *code);

#endif
