/* Where tests make the disk fail: er_store_options.fault is asked before every write, truncation,
 * fsync, rename and removal, of ours and, by a SQLite VFS over the system's, of SQLite's. Without
 * such a hook nothing of this is in the way. */
#ifndef ER_STORE_FAULT_H
#define ER_STORE_FAULT_H

#include "base/err.h"

#include <stddef.h>

typedef struct er_fault {
	bool (*hook)(void *ctx, const char *what);
	void *ctx;
} er_fault;

/* False: the test wants this to fail; errno is EIO. */
ER_MUST_CHECK bool er_fault_pass(const er_fault *f, const char *what);

typedef struct er_fault_vfs er_fault_vfs;
/* NULL without a hook. */
er_fault_vfs *er_fault_vfs_new(er_fault f);
void er_fault_vfs_free(er_fault_vfs *v);
/* What sqlite3_open_v2 wants; NULL for the system's own. */
const char *er_fault_vfs_name(const er_fault_vfs *v);

#endif
