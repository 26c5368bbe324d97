/* What readers of the store get (store.h): versions, tokens, settings, private addresses. All of it
 * lives in the arena that was given. at_ms: since 1970, as in all rows. */
#ifndef ER_STORE_ROWS_H
#define ER_STORE_ROWS_H

#include "base/hash.h"
#include "base/slice.h"
#include "model/env.h"
#include "model/role.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A version without its code; *_n are bytes. */
typedef struct er_version_row {
	er_slice routine;
	/* sequence of the change that made the routine: another one for each routine of the name */
	uint64_t born;
	uint32_t number;
	er_hash code, source_map, assets;
	uint32_t code_n, map_n, assets_files; /* assets_files 0: it has no manifest */
	uint64_t assets_bytes;
	er_slice settings, description, actor;
	int64_t at_ms;
	bool deployed[ER_ENV_COUNT_]; /* an environment points to it now */
} er_version_row;

/* A token, as far as it may be shown. No routines: it is confined to none; no hosts, or no
 * namespaces of the KV: none were granted. */
typedef struct er_token_row {
	er_slice name;
	er_role role;
	er_slice *routines;
	size_t n_routines;
	er_slice *hosts;
	size_t n_hosts;
	er_slice *kv; /* er_kv_grant_name */
	size_t n_kv;
	er_slice actor;
	int64_t at_ms;
} er_token_row;

typedef struct er_setting_row {
	er_slice name, value; /* value empty for secrets */
	bool secret;
	int64_t at_ms;
	er_slice actor;
} er_setting_row;

typedef struct er_address_row {
	er_slice routine, range, actor;
	int64_t at_ms;
} er_address_row;

#endif
