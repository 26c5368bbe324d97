/* What an instance does, as a table (base/states.h): from its code to its end. */
#ifndef ER_ISOLATE_INSTANCE_STATES_H
#define ER_ISOLATE_INSTANCE_STATES_H

#include "base/states.h"

#define ER_INSTANCE_STATES(X, P) \
	X(P, READING, "reading", "its code is read, by a thread of the pool or from another instance of the version") \
	X(P, WAITING, "waiting", "for a sandbox") \
	X(P, SENDING, "sending", "its code goes into the ring as far as there is room") \
	X(P, STARTING, "starting", "the sandbox has all of it and runs the top-level code") \
	X(P, READY, "ready", "requests are answered") \
	X(P, FAILED, "failed", "the top-level code threw; the sandbox is being ended") \
	X(P, DEAD, "dead", "the sandbox is gone, or never came")

#define ER_INSTANCE_EVENTS(X, P) \
	X(P, NO_BOX, "no sandbox", "the pool has none ready") \
	X(P, BOX, "sandbox", "one is its own now") \
	X(P, SENT, "sent", "the last part of its code is in the ring") \
	X(P, LOADED, "loaded", "the sandbox says that the top-level code has ended well") \
	X(P, THREW, "threw", "likewise, that it has thrown") \
	X(P, DIED, "died", "the process is gone, or what never had one is given up")

ER_STATES_TYPES(er_instance, INSTANCE, ER_INSTANCE_STATES, ER_INSTANCE_EVENTS);

extern const er_states er_instance_states;

#endif
