/* A body on its way through the channel, either direction, under credit. Inside the isolate room. */
#ifndef ER_ISOLATE_FLOW_H
#define ER_ISOLATE_FLOW_H

#include "base/list.h"
#include "http/body.h"

typedef struct er_instance er_instance;

/* A node's body on its way into the sandbox: only as much as PULL asked for. */
typedef struct er_outflow {
	er_instance *instance;
	er_body *body; /* own reference; NULL: none */
	uint32_t id;
	bool sub;
	bool attached, over, pumping;
	uint64_t credit;
	er_list blocked; /* instance->blocked: waits for room in the ring */
} er_outflow;

/* A sandbox's body on its way out. */
typedef struct er_inflow {
	er_instance *instance;
	er_body *body; /* own reference; NULL: none or over */
	uint32_t id;
	bool sub;
	bool full;
	uint32_t allowed; /* bytes the sandbox may still send */
	uint32_t owed;    /* bytes taken and not yet granted again */
	bool *left;       /* of an er_inflow_data on the stack: the flow ended under it */
} er_inflow;

void er_outflow_init(er_outflow *f, er_instance *in, er_body *body, uint32_t id, bool sub);
void er_outflow_fini(er_outflow *f);
void er_outflow_pull(er_outflow *f, uint32_t n);
void er_outflow_pump(er_outflow *f);
/* The body itself for a relay: taken from the flow, whose sink is detached. NULL if there is none. One reference. */
er_body *er_outflow_take(er_outflow *f);
void er_outflow_drain(er_outflow *f);

/* Makes the body that the sandbox will fill; returns a second reference for the reader. */
er_body *er_inflow_init(er_inflow *f, er_instance *in, uint32_t id, bool sub, int64_t length);
void er_inflow_fini(er_inflow *f, er_err_kind reason);
/* False: the sandbox broke the rules. */
bool er_inflow_data(er_inflow *f, er_slice bytes, bool fin);

#endif
