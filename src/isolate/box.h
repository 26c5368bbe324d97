/* Inside the isolate room: a box is a sandbox process and its channel. box.c has its life. The
 * host owns it, and the host's thread alone touches it. */
#ifndef ER_ISOLATE_BOX_H
#define ER_ISOLATE_BOX_H

#include "base/list.h"
#include "channel/frame.h"
#include "isolate/isolate.h"
#include "isolate/spawner.h"

#include <uv.h>

typedef struct er_box er_box;
typedef struct er_instance er_instance;

typedef enum box_state { BOX_STARTING, BOX_WARM, BOX_USED, BOX_DYING, BOX_GONE } box_state;
/* The share of the cores that a process gets: like every other process; what the others leave; a
 * small share, when the others have left nothing for a while. */
typedef enum box_share { BOX_ORDINARY, BOX_BACKGROUND, BOX_SMALL } box_share;

/* One process. It is never used for a second version: code that ran cannot be taken out again. */
struct er_box {
	uint32_t magic;
	er_isolate_host *host;
	uint32_t slot;
	enum er_profile profile;
	box_state state;
	pid_t pid;
	er_channel channel;
	int wake_sandbox, wake_node; /* eventfds, -1 when closed */
	/* our end of the debugger's socket, until it is handed on; -1: none */
	int inspect;
	uv_poll_t poll;
	bool counted; /* in host->starting: it has not said READY yet */
	box_share share;
	uint64_t background_us; /* since when without any CPU worth the name */
	er_instance *instance;
	er_list link;   /* host->boxes */
	er_list warm;   /* host->warm[profile] */
	er_list active; /* host->active: its ring is looked at before each sleep */
	uint64_t born_us;
};

er_box *er_box_start(er_isolate_host *h, enum er_profile profile, er_err *err);
/* Asks the spawner to end the process. The box lives until the spawner says that the process is
 * gone. */
void er_box_kill(er_box *box);
/* The box that the spawner speaks of. NULL: it is gone. */
er_box *er_box_of_slot(er_isolate_host *h, uint32_t slot);
/* READY: the box is WARM, or is killed because it reached too low a level. False: the sandbox broke
 * the rules. */
bool er_box_on_ready(er_box *box, const er_frame *f, er_slice payload);
/* The sandbox may see what was written so far; wakes it if it sleeps. */
void er_box_publish(er_box *box);
/* Wakes the sandbox. */
void er_box_wake(er_box *box);
/* The host looks at the box's ring before the loop sleeps, and publishes what was written. */
void er_box_activate(er_box *box);
/* The loop does not sleep before it has looked at the box again. */
void er_box_poke(er_box *box);
/* CPU time of the process. 0: not known. */
uint64_t er_box_cpu_us(const er_box *box);
/* on: the process gets what the others leave of the cores, and a small share where they leave
 * nothing. off: an ordinary share again. */
void er_box_demote(er_box *box, bool on);
/* The process has used CPU lately, so the others do leave it something. */
void er_box_fed(er_box *box, uint64_t now_us);
/* Memory of its own, shared with no other process. 0: not known. */
uint64_t er_box_anonymous_kb(const er_box *box);
/* Ends a box that takes too long to start; asks again for the end of one that is dying. */
void er_box_sweep(er_box *box, uint64_t now_us);
/* The process is gone, or the host closes. Frees the box when libuv has let go of its handle. */
void er_box_close(er_box *box);

#endif
