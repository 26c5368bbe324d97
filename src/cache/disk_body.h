/* A long body that lies on a disk in parts, as the bytes behind a content (content.h). */
#ifndef ER_CACHE_DISK_BODY_H
#define ER_CACHE_DISK_BODY_H

#include "cache/disk_volume.h"

/* The content of a response whose head lies under `head`: `length` bytes in parts of `key` and
 * `id`. The volume must outlive it. One reference. */
er_content *er_disk_body_content(er_volume *v, er_disk_hash key, er_disk_hash head, uint64_t id, uint64_t length);

#endif
