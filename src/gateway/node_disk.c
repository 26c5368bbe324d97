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

bool er_node_has_disk(const er_config *c)
{
	return (c->origin != NULL || c->n_sites > 0) && c->cache_mb > 0 &&
	       (c->cache_disks_said ? c->n_cache_disks > 0 : c->data != NULL);
}

/* *own: its path, to be freed. */
static unsigned files_of(const er_config *c, const er_disk *now, er_volume_options *o, char **own)
{
	*own = NULL;
	if (!er_node_has_disk(c))
		return 0;
	if (!c->cache_disks_said) {
		*own = er_printf("%s/cache", c->data);
		uint64_t bytes = now != NULL ? er_disk_bytes_of(now, *own) : 0;
		*o = (er_volume_options){.io = &er_disk_files, .path = *own, .bytes = bytes > 0 ? bytes : own_size(c->data, *own) * MB};
		return o->bytes > 0 ? 1 : 0;
	}
	for (size_t i = 0; i < c->n_cache_disks; i++)
		o[i] = (er_volume_options){
		    .io = &er_disk_files, .path = c->cache_disks[i].path, .bytes = (uint64_t)c->cache_disks[i].size_mb * MB};
	return (unsigned)c->n_cache_disks;
}

er_disk *er_node_open_disk(const er_config *c)
{
	er_volume_options o[ER_CONFIG_DISKS];
	char *own;
	unsigned n = files_of(c, NULL, o, &own);
	er_disk *d = er_disk_new(o, n);
	er_free(own);
	return d;
}

void er_node_change_disk(er_disk *d, const er_config *c, bool again)
{
	er_volume_options o[ER_CONFIG_DISKS];
	char *own;
	unsigned n = files_of(c, d, o, &own);
	if (!er_disk_change(d, o, n, again))
		er_log(ER_LOG_WARN, "cache", "\"cache.disk\" changed too often: it takes effect when the node is started again");
	er_free(own);
}
