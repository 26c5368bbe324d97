/* Routines of the store in a configuration: what control says is deployed becomes deployments whose
 * code is read from the store when it is needed. */
#ifndef ER_GATEWAY_STORED_H
#define ER_GATEWAY_STORED_H

#include "control/control.h"
#include "gateway/config.h"

/* Where the code and the static files of stored versions come from. */
typedef struct er_stored_source {
	er_code_source code;
	er_assets_source assets;
} er_stored_source;
void er_stored_source_init(er_stored_source *out, er_store *store);
void er_stored_source_fini(er_stored_source *source);
/* Adds what the snapshot says behind what node.jsonc says. Deployments that did not change are
 * those of `before` (which may be NULL). `source` must outlive the configuration and all its
 * routines. */
void er_stored_add(er_config *c, const er_config *before, const er_snapshot *snapshot, er_stored_source *source);

#endif
