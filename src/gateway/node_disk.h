/* The files of the cache's disk store: which ones a node has. */
#ifndef ER_GATEWAY_NODE_DISK_H
#define ER_GATEWAY_NODE_DISK_H

#include "cache/disk.h"
#include "gateway/config.h"

/* What the configuration names; or, if it names nothing and there is a data folder, a file in that:
 * a tenth of what is free, ten gigabytes at most. It has no file if there is none, or nothing to be
 * stored. Files are opened later, by threads of their own. */
er_disk *er_node_open_disk(const er_config *c);
/* From now on it has the files of this configuration. `again`: a file that has failed is tried
 * again. */
void er_node_change_disk(er_disk *d, const er_config *c, bool again);
/* It names files, or has one of its own choice. */
bool er_node_has_disk(const er_config *c);
#endif
