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
#include "http/data.h"
#include "model/limits.h"
#include "model/profile.h"

#include <pthread.h>

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
	/* tells it from others that had its name before: a number of the store, never 0; 0: a file has
	 * it, and whoever wrote that knows what the name is */
	uint64_t born;
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
	bool fallback;       /* on failure before an answer: the rest of the chain answers */
	bool files;          /* its version has static files, which it may ask for */
	er_data_binding *kv; /* namespaces of the key-value store that the code opens */
	size_t n_kv;
	er_data_binding *services; /* routines that the code calls */
	size_t n_services;
	er_slice crons; /* when its scheduled event comes: expressions, a line each */
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
