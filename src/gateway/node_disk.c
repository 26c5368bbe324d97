/* Without a state: reads a configuration, and looks at the data folder. A file of the node's own
 * choice keeps the size that it has: what is free on the disk changes with each start, and a file
 * that shrinks loses what was at its end. */
#include "gateway/node_disk.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define MB (1024ULL * 1024)
enum { FREE_PART = 10, OWN_MB_MOST = 10 * 1024 };

/* In MB; 0: there is no room worth a file. */
static uint64_t own_size(const char *data, const char *path)
{
	struct stat st;
	struct statvfs fs;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size >= ER_VOLUME_LEAST) {
		uint64_t mb = ((uint64_t)st.st_size + MB - 1) / MB;
		return mb < OWN_MB_MOST ? mb : OWN_MB_MOST;
	}
	if (statvfs(data, &fs) != 0) {
		er_log(ER_LOG_WARN, "cache", "the cache has no file: %s: %s", data, strerror(errno));
		return 0;
	}
	uint64_t mb = (uint64_t)fs.f_bavail * fs.f_frsize / MB / FREE_PART;
	return mb < ER_CONFIG_DISK_MB_LEAST ? 0 : mb < OWN_MB_MOST ? mb : OWN_MB_MOST;
}

static er_disk *open_own(const char *data)
{
	char *path = er_printf("%s/cache", data);
	uint64_t mb = own_size(data, path);
	er_volume_options o = {.io = &er_disk_files, .path = path, .bytes = mb * MB};
	er_disk *d = mb > 0 ? er_disk_new(&o, 1) : NULL;
	er_free(path);
	return d;
}

bool er_node_has_disk(const er_config *c)
{
	return (c->origin != NULL || c->n_sites > 0) && c->cache_mb > 0 &&
	       (c->cache_disks_said ? c->n_cache_disks > 0 : c->data != NULL);
}

er_disk *er_node_open_disk(const er_config *c)
{
	er_volume_options o[ER_CONFIG_DISKS];
	if (!er_node_has_disk(c))
		return NULL;
	if (!c->cache_disks_said)
		return c->data != NULL ? open_own(c->data) : NULL;
	for (size_t i = 0; i < c->n_cache_disks; i++)
		o[i] = (er_volume_options){
		    .io = &er_disk_files, .path = c->cache_disks[i].path, .bytes = (uint64_t)c->cache_disks[i].size_mb * MB};
	return c->n_cache_disks > 0 ? er_disk_new(o, (unsigned)c->n_cache_disks) : NULL;
}

bool er_node_disks_differ(const er_config *a, const er_config *b)
{
	bool same = er_node_has_disk(a) == er_node_has_disk(b) && a->cache_disks_said == b->cache_disks_said &&
	            a->n_cache_disks == b->n_cache_disks;
	for (size_t i = 0; same && i < a->n_cache_disks; i++) {
		const er_config_disk *x = &a->cache_disks[i], *y = &b->cache_disks[i];
		same = x->size_mb == y->size_mb && er_slice_eq(er_slice_cstr(x->path), er_slice_cstr(y->path));
	}
	return !same;
}
