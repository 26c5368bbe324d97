/* Inside the control room: documents that calls wait for (GET /v1/content, api_prefetch.c). */
#ifndef ER_CONTROL_CONTENT_H
#define ER_CONTROL_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

struct er_call;
struct er_control;

enum {
	ER_CONTENTS_MAX = 2,    /* documents on their way */
	ER_CONTENT_LATE_S = 120 /* one that takes longer is given up */
};

typedef struct er_content_flight {
	struct er_call *call; /* NULL: none */
	uint64_t number, since_us;
	bool late;
} er_content_flight;

/* Gives up what takes too long. */
void er_api_content_tick(struct er_control *c, uint64_t now_us);

#endif
