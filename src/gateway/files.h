/* Who may have how many of the process's descriptors: clients, connections to servers, sandboxes.
 * What one of the three takes is never missing for the others, nor for listeners, logs, databases
 * and the loops. */
#ifndef ER_GATEWAY_FILES_H
#define ER_GATEWAY_FILES_H

#include "gateway/config.h"

/* How many there may be; of the whole node, but `instances`, which is of a thread. */
typedef struct er_files {
	uint32_t clients, servers, instances;
	bool all; /* the configuration's wishes are fulfilled */
} er_files;

/* Raises the process's limit as far as it goes, and says what it is. */
uint64_t er_files_limit(void);
/* Each gets what it wishes if the sum fits into `limit`; else those who wish for more than a fair
 * share get that. Pure. */
er_files er_files_plan(const er_config *c, uint64_t limit);

#endif
