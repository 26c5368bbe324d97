/* Inside the isolate room, for its .c files: all layers. README.md has them, from the lowest to the
 * highest; a file calls only lower ones. */
#ifndef ER_ISOLATE_INTERNAL_H
#define ER_ISOLATE_INTERNAL_H

#include "base/clock.h"
#include "base/log.h"
#include "isolate/death.h"
#include "isolate/dispatch.h"
#include "isolate/frames.h"
#include "isolate/host.h"
#include "isolate/load.h"
#include "isolate/pool.h"
#include "isolate/sourcemap.h"
#include "isolate/spawner.h"
#include "isolate/start.h"
#include "isolate/sub.h"
#include "isolate/supervise.h"
#include "isolate/supply.h"

#endif
