/* What the engine's inspector says of values, stacks and profiles, said as the Chrome DevTools
 * protocol has it. Pure: trees of JSON in (json_tree.h), text out. `text` is the message that the
 * tree was read from; what both dialects say alike is copied from it.
 *
 * Names of objects, frames and scripts count in one sandbox only. For the client they are
 * "GENERATION:NAME" (er_cdp_put_ref), so that a name of a sandbox that is gone is known as such. */
#ifndef ER_CLI_CDP_VALUE_H
#define ER_CLI_CDP_VALUE_H

#include "base/json_out.h"
#include "base/json_tree.h"

typedef struct er_cdp_said {
	er_slice text; /* the whole message */
	unsigned generation;
} er_cdp_said;

/* A name of the engine's, for the client. */
void er_cdp_put_ref(er_out *o, const char *key, unsigned generation, er_slice name);
/* A name that the client says, for the engine. False: it is of another generation, or none of
 * ours. */
bool er_cdp_ref(er_slice said, unsigned generation, er_slice *name);
/* The text of a value as it stands in the message; empty if it is not there. */
er_slice er_cdp_raw(const er_cdp_said *s, const er_json *v);

/* RemoteObject. Nothing is written if v is no object. */
void er_cdp_put_object(er_out *o, const char *key, const er_cdp_said *s, const er_json *v);
/* `result` and `exceptionDetails` of what was evaluated. `v`: the engine's answer. */
void er_cdp_put_evaluated(er_out *o, const er_cdp_said *s, const er_json *v);
/* `exceptionDetails` with this RemoteObject. */
void er_cdp_put_thrown(er_out *o, const er_cdp_said *s, const er_json *object);
/* `result` and `internalProperties` of Runtime.getProperties. `accessors`: those with a getter or
 * setter only. */
void er_cdp_put_properties(er_out *o, const er_cdp_said *s, const er_json *v, bool accessors);
/* Location {scriptId, lineNumber, columnNumber}. */
void er_cdp_put_location(er_out *o, const char *key, const er_cdp_said *s, const er_json *v);
/* Debugger.CallFrame. `url`: of its script. */
void er_cdp_put_frame(er_out *o, const er_cdp_said *s, const er_json *v, er_slice url);
/* Runtime.StackTrace out of a Console.StackTrace, without the frames of the prelude. */
void er_cdp_put_stack(er_out *o, const char *key, const er_cdp_said *s, const er_json *v);
/* Scripts and frames of the prelude, which nobody wants to see. */
static inline bool er_cdp_hidden(er_slice url)
{
	return er_slice_starts(url, ER_LIT("er:"));
}

#endif
