/* Inside the isolate room: a service is a routine version on one thread. It has the handler of
 * the version's exchanges (dispatch.c), knows the instance that takes calls, and counts failures.
 * service.c has its life. The host owns it, and the host's thread alone touches it. */
#ifndef ER_ISOLATE_SERVICE_H
#define ER_ISOLATE_SERVICE_H

#include "base/list.h"
#include "http/exchange.h"
#include "isolate/isolate.h"
#include "isolate/lease.h"
#include "isolate/sourcemap.h"

typedef struct er_service er_service;
typedef struct er_instance er_instance;
typedef struct er_reading er_reading; /* supply.c */

enum { BACKOFF_MAX_MS = 60000 /* a suspension lasts no longer */ };

struct er_service {
	er_handler handler;
	er_isolate_host *host;
	er_routine *routine; /* own reference */
	er_share *share;     /* own reference */
	er_sourcemap *map;
	bool map_tried;
	er_instance *instance; /* the one that takes calls, or NULL */
	unsigned n_instances;  /* with those that are closing */
	er_list resting;       /* host->resting, while it has none */
	er_reading *reading;   /* of its code; NULL: none is under way */
	bool retired;          /* takes nothing new: it ends with its last instance */
	/* failures and back-off: times of the last failures, newest first, at least as many as the
	 * lightest ones that suspend it */
	uint64_t failed_us[16];
	unsigned weight[16];
	uint64_t suspended_until_us;
	uint32_t backoff_ms;
};

/* The service of the version, which is made if there is none. `handle`: what its handler does. */
er_service *er_service_of(er_isolate_host *h, er_routine *r, void (*handle)(void *self, er_exchange *x));
void er_service_failed(er_service *s, er_err_kind why);
/* The version has failed a moment ago: until that is past, its sandboxes get only the CPU that
 * others leave. */
bool er_service_suspect(const er_service *s, uint64_t now_us);
/* An instance of the service is gone. Without any instance the service rests; a sweep frees it
 * when its failures count no longer. A retired service is freed at once. */
void er_service_let_go(er_service *s);
/* The parsed source map of that code; kept while there are instances. */
const er_sourcemap *er_service_map(er_service *s, const er_code *code);
void er_service_sweep(er_isolate_host *h, uint64_t now_us);

#endif
