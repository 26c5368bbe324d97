/* The files of the cache's disk store: which ones a node has. */
#ifndef ER_GATEWAY_NODE_DISK_H
#define ER_GATEWAY_NODE_DISK_H

#include "cache/disk.h"
#include "gateway/config.h"

/* What the configuration names; or, if it names nothing and there is a data folder, a file in that:
 * a tenth of what is free, ten gigabytes at most. NULL: there is none, or nothing to be stored. The
 * files are opened later, by threads of their own. */
er_disk *er_node_open_disk(const er_config *c);
/* It names files, or has one of its own choice. */
bool er_node_has_disk(const er_config *c);
/* The two would not have the same files. */
bool er_node_disks_differ(const er_config *a, const er_config *b);

#endif
