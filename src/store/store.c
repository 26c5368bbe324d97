/* The store as an object: opened by the node before it serves, closed after every thread that reads
 * has ended. What it is for, store.h says; what it does stands in the other files of the room.
 *
 * Opening goes in this order: the folder, its lock, the question whether something is missing,
 * control.db, kv.db, assets.db, the folder once more (the new files' names must be on the disk),
 * what is read into memory, and the key if a rotation was left half done. Whatever fails closes
 * what is open.
 *
 * Who uses which part: `control` the control thread alone; `readers` and `kv_readers` any thread, a
 * connection a call; `kv` whoever holds kv_lock, `assets` whoever holds asset_lock; `names` under
 * its lock; `keys` under theirs. `sequence` is the control thread's. */
#include "store/store.h"

#include "base/buf.h"
#include "base/clock.h"
#include "store/files.h"
#include "store/room.h"
#include "store/schema.h"

#include <unistd.h>

enum { SHARED_S = 120 /* a predecessor that says nothing of itself drains no longer than that, as a rule */ };

/* With everything that cannot fail; nothing is open yet. */
static er_store *new_store(const er_store_options *o)
{
	ER_ASSERT(o->dir != NULL);
	er_store *s = ER_NEW(er_store);
	s->magic = ER_STORE_MAGIC;
	s->lock_fd = s->use_fd = -1;
	s->dir = er_strdup_cstr(o->dir);
	s->control_path = er_printf("%s/control.db", o->dir);
	s->kv_path = er_printf("%s/kv.db", o->dir);
	s->assets_path = er_printf("%s/assets.db", o->dir);
	s->key_path = o->key_file != NULL ? er_strdup_cstr(o->key_file) : er_printf("%s/key", o->dir);
	s->quota = o->versions_quota ? o->versions_quota : ER_VERSIONS_QUOTA;
	s->keep = o->keep;
	s->fault = (er_fault){o->fault, o->fault_ctx};
	s->vfs = er_fault_vfs_new(s->fault);
	er_pool_init(&s->readers, s->control_path, er_store_vfs(s));
	er_pool_init(&s->kv_readers, s->kv_path, er_store_vfs(s));
	er_pool_init(&s->asset_readers, s->assets_path, er_store_vfs(s));
	pthread_mutex_init(&s->asset_lock, NULL);
	pthread_mutex_init(&s->sweep_lock, NULL);
	pthread_mutex_init(&s->keys.lock, NULL);
	pthread_mutex_init(&s->kv_lock, NULL);
	pthread_mutex_init(&s->kv_holds.lock, NULL);
	pthread_rwlock_init(&s->names_lock, NULL);
	return s;
}

/* A KV without the control data is what is left of a node, not a new one: control.db is made, and
 * more than empty, before kv.db is. */
static bool nothing_lost(const er_store *s, er_err *err)
{
	return !er_file_empty(s->control_path) || er_file_empty(s->kv_path) ||
	       er_fail(err, ER_ERR_INVALID,
	               "%s is missing while %s is there: put it back, or move the data folder away and restore it from a backup (er "
	               "node restore)",
	               s->control_path, s->kv_path);
}

/* The same of static files, which versions name: they are put before. */
static bool no_assets_lost(const er_store *s, er_err *err)
{
	bool named;
	if (!er_file_empty(s->assets_path))
		return true;
	er_query q = er_query_of(s->control, "SELECT 1 FROM version WHERE assets IS NOT NULL LIMIT 1");
	if (!er_query_any(&q, &named, err))
		return false;
	return !named || er_fail(err, ER_ERR_INVALID,
	                         "%s is missing, and versions in %s have static files: put it back, or move the data folder away and "
	                         "restore it from a backup (er node restore)",
	                         s->assets_path, s->control_path);
}

/* What this node is: its id, made with the folder, and where its log stands. */
static bool load_node(er_store *s, er_err *err)
{
	_Static_assert(sizeof s->node_id == 2 * 16 + 1, "16 bytes in hex, as the first step of the schema makes them");
	er_query q = er_query_of(s->control, "SELECT id, sequence FROM node");
	bool there = er_query_row(&q) && er_col_bytes(&q, 0).n == sizeof s->node_id - 1;
	if (there) {
		er_copy(s->node_id, er_col_bytes(&q, 0).p, sizeof s->node_id - 1);
		s->sequence = (uint64_t)er_col_int(&q, 1);
	}
	if (!er_query_end(&q, err))
		return false;
	return there || er_fail(err, ER_ERR_IO, "%s has no node id: it is damaged; restore it from a backup (er node restore)",
	                        s->control_path);
}

static bool open_all(er_store *s, er_err *err)
{
	bool inherited;
	if (!er_dir_make(s->dir, err) || (s->lock_fd = er_dir_lock(s->dir, &inherited, err)) < 0 ||
	    (s->use_fd = er_dir_use(s->dir, err)) < 0 || !nothing_lost(s, err))
		return false;
	if ((s->control = er_db_open(s->control_path, er_store_vfs(s), &er_schema_control, err)) == NULL)
		return false;
	if ((s->kv = er_db_open(s->kv_path, er_store_vfs(s), &er_schema_kv, err)) == NULL)
		return false;
	if (!no_assets_lost(s, err) || (s->assets = er_db_open(s->assets_path, er_store_vfs(s), &er_schema_assets, err)) == NULL)
		return false;
	/* The names of new databases. */
	if (!er_dir_sync(&s->fault, s->dir, err) || !load_node(s, err) || !er_namespaces_read(s->control, &s->names, err))
		return false;
	if (inherited)
		s->shared_until_us = er_clock_mono_us() + SHARED_S * UINT64_C(1000000);
	/* Nothing is said if it cannot: whoever needs the key hears why. */
	er_key_heal(s);
	return true;
}

er_store *er_store_open(const er_store_options *options, er_err *err)
{
	er_store *s = new_store(options);
	if (open_all(s, err))
		return s;
	er_store_close(s);
	return NULL;
}

void er_store_close(er_store *s)
{
	if (s == NULL)
		return;
	ER_CHECK(s, ER_STORE_MAGIC);
	/* Readers first: the last connection to a database folds its log in. The lock last of what is
	 * open: until then no other node may come. */
	er_pool_fini(&s->readers);
	er_pool_fini(&s->kv_readers);
	er_db_close(s->control);
	er_db_close(s->kv);
	er_pool_fini(&s->asset_readers);
	er_db_close(s->assets);
	er_fault_vfs_free(s->vfs);
	if (s->use_fd >= 0)
		close(s->use_fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	er_namespaces_fini(&s->names);
	pthread_mutex_destroy(&s->keys.lock);
	er_wipe(&s->keys, sizeof s->keys);
	pthread_mutex_destroy(&s->kv_lock);
	pthread_mutex_destroy(&s->asset_lock);
	pthread_mutex_destroy(&s->sweep_lock);
	pthread_mutex_destroy(&s->kv_holds.lock);
	er_free(s->kv_holds.all);
	pthread_rwlock_destroy(&s->names_lock);
	er_free(s->dir);
	er_free(s->control_path);
	er_free(s->kv_path);
	er_free(s->assets_path);
	er_free(s->key_path);
	s->magic = 0;
	er_free(s);
}

int er_store_lock_fd(const er_store *s)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	return s->lock_fd;
}

er_slice er_store_node_id(const er_store *s)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	return er_slice_of(s->node_id, sizeof s->node_id - 1);
}

uint64_t er_store_sequence(const er_store *s)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	return s->sequence;
}
