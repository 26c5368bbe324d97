/* Inside the isolate room, for its .c files: all layers, from the ground up.
 *
 *   host        what all files share on one thread (host.h)
 *   box         a sandbox process and its channel: starting, warm, in use, dying (box.h)
 *   flow        a body on its way through the channel, in either direction (flow.h)
 *   lease       the right to have one subrequest under way (lease.h)
 *   call        one exchange in an instance (call.h)
 *   sub         one subrequest of a call (sub.h)
 *   service     a routine version on this thread: its instance, failures, suspension (service.h)
 *   instance    a box that runs one routine version, and its calls (instance.h)
 *   start       somebody waits for an instance to have loaded, without a request (start.h)
 *   load        how an instance gets its code (load.h)
 *   frames      what the sandboxes say (frames.h)
 *   dispatch    which instance runs an exchange (dispatch.h)
 *   death       how boxes and instances end (death.h)
 *   supervise   limits that the node holds, whatever the sandbox says (supervise.h)
 *   isolate     all of it, with the spawner's socket and the timers (isolate.h)
 */
#ifndef ER_ISOLATE_INTERNAL_H
#define ER_ISOLATE_INTERNAL_H

#include "base/clock.h"
#include "base/log.h"
#include "isolate/death.h"
#include "isolate/dispatch.h"
#include "isolate/frames.h"
#include "isolate/host.h"
#include "isolate/load.h"
#include "isolate/sourcemap.h"
#include "isolate/spawner.h"
#include "isolate/start.h"
#include "isolate/sub.h"
#include "isolate/supervise.h"

#endif
