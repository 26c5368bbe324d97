/* Files that are too long for the memory: contents whose bytes are read part by part, on threads
 * that may wait for the disk, as fast as their reader takes them. */
#ifndef ER_ASSETS_LONG_H
#define ER_ASSETS_LONG_H

#include "assets/files.h"
#include "cache/content.h"

enum { ER_ASSETS_PART = 128 * 1024 };

/* One reference. The source outlives it. */
er_content *er_assets_long(er_assets_source *source, er_slice routine, const er_assets_file *file);

#endif
