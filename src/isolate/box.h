/* A sandbox process and its channel: starting, warm, in use, dying. Inside the isolate room. */
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
/* Its share of the cores: like everybody's; what the others leave; a small one, since the others left nothing for a while. */
typedef enum box_share { BOX_ORDINARY, BOX_BACKGROUND, BOX_SMALL } box_share;

struct er_box {
	uint32_t magic;
	er_isolate_host *host;
	uint32_t slot;
	enum er_profile profile;
	box_state state;
	pid_t pid;
	er_channel channel;
	int wake_sandbox, wake_node; /* eventfds, -1 when closed */
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
void er_box_kill(er_box *box);
void er_box_on_spawner(er_isolate_host *h, const er_spawner_event *ev);
/* Reads frames; false if the box is to be thrown away (already done). */
void er_box_drain(er_box *box);
void er_box_publish(er_box *box);
void er_box_activate(er_box *box);
/* The loop looks at it in its next round. */
void er_box_poke(er_box *box);
uint64_t er_box_cpu_us(const er_box *box);
/* While it computes on and on it gets what the others leave, and never nothing: where they leave none, it is given a small share. */
void er_box_demote(er_box *box, bool on);
/* It has had CPU lately: what it waits for is not the others. */
void er_box_fed(er_box *box, uint64_t now_us);
/* 0: not known. */
uint64_t er_box_anonymous_kb(const er_box *box);
void er_box_sweep(er_box *box, uint64_t now_us);
void er_box_close(er_box *box);

#endif
