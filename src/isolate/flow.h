/* Inside the isolate room: a body on its way through the channel, in either direction, under
 * credit (flow.c). A flow is a member of a call or a subrequest, which ends it. */
#ifndef ER_ISOLATE_FLOW_H
#define ER_ISOLATE_FLOW_H

#include "base/act.h"
#include "base/list.h"
#include "http/body.h"
#include "http/body_tee.h"

typedef struct er_instance er_instance;
typedef struct er_outflow er_outflow;

/* A body of the node on its way into the sandbox: only as much as PULL asked for. */
struct er_outflow {
	er_instance *instance;
	er_body *body; /* own reference; NULL: none */
	/* The sandbox was told the end of the body by er_outflow_pump; may free the flow. NULL: nobody
	 * wants to hear. er_outflow_init makes it NULL. */
	void (*ended)(er_outflow *f);
	uint32_t id;
	bool sub;
	bool attached;   /* it is the body's sink */
	bool over;       /* its end was said to the sandbox */
	bool messages;   /* the body is one direction of a WebSocket */
	er_act act;      /* er_outflow_pump */
	uint64_t credit; /* bytes that PULL asked for and that were not sent yet */
	er_list blocked; /* instance->blocked: waits for room in the ring */
};

/* A body that the sandbox fills. */
typedef struct er_inflow {
	er_instance *instance;
	er_body *body; /* own reference; NULL: none or over */
	uint32_t id;
	bool sub;
	bool full;        /* the reader is behind: no further credit until it has room */
	uint32_t allowed; /* bytes the sandbox may still send */
	uint32_t owed;    /* bytes taken and not yet granted again */
	uint64_t left;    /* bytes of a response that are still to come; UINT64_MAX: nobody knows */
	bool *gone;       /* of an er_inflow_data on the stack: the flow ended under it */
} er_inflow;

void er_outflow_init(er_outflow *f, er_instance *in, er_body *body, uint32_t id, bool sub);
void er_outflow_fini(er_outflow *f);
void er_outflow_pull(er_outflow *f, uint32_t n);
/* False: it waits for room in the ring. A flow that is over may be gone afterwards. */
bool er_outflow_pump(er_outflow *f);
/* The body itself for a relay: taken from the flow, whose sink is detached. NULL if there is
 * none. One reference. */
er_body *er_outflow_take(er_outflow *f);
/* The flow is over, and nobody wants the rest of the body. */
void er_outflow_cancel(er_outflow *f, er_err_kind reason);
/* The flow is over, and the rest of the chain reads the body, which somebody else holds. */
void er_outflow_pass(er_outflow *f);
/* A second reader of the body, which nobody has begun to read: the flow goes on with one branch,
 * the other is returned. `held`: whose reference to the same body is exchanged as well (NULL:
 * nobody's). One reference. */
er_body *er_outflow_split(er_outflow *f, er_tee_budget *budget, er_body **held);
void er_outflow_drain(er_outflow *f);

/* Makes the body that the sandbox will fill; returns a second reference for the reader. */
er_body *er_inflow_init(er_inflow *f, er_instance *in, uint32_t id, bool sub, int64_t length);
/* The same with a body that is there already, of which the sandbox becomes the source. */
void er_inflow_fill(er_inflow *f, er_instance *in, uint32_t id, bool sub, er_body *body);
/* The body itself, for somebody else who becomes its source. One reference. NULL: it is over, or
 * the sandbox has begun to fill it. */
er_body *er_inflow_take(er_inflow *f);
void er_inflow_fini(er_inflow *f, er_err_kind reason);
/* False: the sandbox broke the rules. */
bool er_inflow_data(er_inflow *f, er_slice bytes, bool fin);

#endif
