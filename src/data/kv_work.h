/* Inside the data room: the threads that read and write the KV for all gateway threads, and the
 * jobs that they get. One for each node.
 *
 * A job belongs to its maker until er_kv_submit, then to the threads until its `done` is called on
 * the thread of its port; `done` frees it (er_kv_job_free). It cannot be called back: who no longer
 * wants it waits for it and drops what it brings. */
#ifndef ER_DATA_KV_WORK_H
#define ER_DATA_KV_WORK_H

#include "base/buf.h"
#include "cache/port.h"
#include "data/hot.h"
#include "data/kv.h"
#include "store/kv.h"

typedef enum er_kv_job_kind { ER_KV_JOB_LOOK, ER_KV_JOB_PART, ER_KV_JOB_LIST, ER_KV_JOB_WRITE } er_kv_job_kind;

typedef struct er_kv_job er_kv_job;
struct er_kv_job {
	er_list link;
	er_wait wait;
	er_kv_job_kind kind;
	void (*done)(er_kv_job *j);
	void *owner;
	er_kv_place *place; /* of which it is */
	er_arena arena;     /* of the slices below */
	int64_t ns;         /* LOOK, LIST */
	er_slice name;      /* of the namespace */
	er_slice key;       /* LOOK; LIST: the prefix */
	er_slice after;     /* LIST */
	unsigned most;      /* LIST */
	int64_t parts;      /* PART: whose; LOOK brings: the number of a value in parts, held; else 0 */
	unsigned part;      /* PART: which */
	er_kv_op op;        /* WRITE; its slices lie in the arena or in `bytes` */
	er_buf bytes;       /* WRITE: the value; LIST brings: JSON */
	/* what it brings */
	er_hot_value found; /* LOOK */
	uint64_t size;      /* LOOK: of a value in parts */
	er_piece piece;     /* PART */
	er_err err;         /* of all but WRITE, which has it in `op` */
};

er_kv_job *er_kv_job_new(er_kv_job_kind kind, er_port *port, void (*done)(er_kv_job *j), void *owner);
void er_kv_job_free(er_kv_job *j);

er_hot *er_kv_work_hot(er_kv_work *w);
er_store *er_kv_work_store(er_kv_work *w);
void er_kv_submit(er_kv_work *w, er_kv_job *j);

#endif
