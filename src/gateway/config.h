/* The node's configuration: an immutable snapshot, reference-counted (atomic), swapped whole.
 * Gateway threads hold a reference while they use it. Parsing (node.jsonc) is apart from serving.
 *
 * It has tables for each environment: deployments by the name of their routine, and rules. Routines
 * and rules of node.jsonc are in every environment, before those of the store. */
#ifndef ER_GATEWAY_CONFIG_H
#define ER_GATEWAY_CONFIG_H

#include "base/err.h"
#include "channel/frame.h"
#include "gateway/deployment.h"
#include "geo/geo.h"
#include "gateway/site.h"
#include "model/limits.h"
#include "net/transport.h"

/* A listener: an address that clients come to, what they are talked to over, and the environment
 * behind it. */
typedef struct er_listen {
	char *address; /* "127.0.0.1:8787", "[::]:80" */
	const er_transport_kind *transport;
	er_env env;
	bool prefaced; /* connections begin with a header of the PROXY protocol */
} er_listen;

/* What one environment serves. */
typedef struct er_env_tables {
	er_rule *rules; /* in their order; routes of the configuration or of a deployment */
	size_t n_rules, cap_rules;
	struct er_map *names;         /* of a routine -> index of its deployment + 1 */
	struct er_route_index *index; /* of the rules; made by er_config_seal */
} er_env_tables;

/* One file of the cache's disk store. */
typedef struct er_config_disk {
	char *path;
	uint32_t size_mb;
} er_config_disk;

enum { ER_CONFIG_DISKS = 16, ER_CONFIG_DISK_MB_LEAST = 64, ER_CONFIG_DISK_MB_MOST = 8 * 1024 * 1024 };

/* Built up by one thread, sealed, and then never changed; any thread may hold a reference. */
typedef struct er_config {
	uint32_t refs;
	er_arena arena;    /* routes */
	er_listen *listen; /* at least one */
	size_t n_listen;
	/* "*.staging.example.com": what stands for the star is the host in staging; or a whole host */
	char **staging_hosts;
	size_t n_staging_hosts;
	char *admin; /* address of /health, /metrics and /v1, or NULL */
	char *data;  /* folder of the store, or NULL */
	/* gateway threads; by default as many as there are cores */
	unsigned threads;
	char *name_servers; /* "192.0.2.53,[2001:db8::53]:5353", or NULL: those of the machine */
	/* "http://host:port": where the answers for hosts come from that no site has, or NULL */
	char *origin;
	er_site **sites; /* references; those of the file first */
	size_t n_sites;
	struct er_map *site_names, *site_hosts; /* name, and host as written -> index + 1 */
	er_sites *by_host;                      /* of all, and of `origin`; made by er_config_seal */
	/* of memory for responses of the origin; 0: nothing is stored */
	uint32_t cache_mb;
	er_config_disk *cache_disks;
	size_t n_cache_disks;
	bool cache_disks_said; /* the file says which, or that there are none */
	er_level min_level;
	/* of the whole node: warm sandboxes of each profile, instances, subrequests under way */
	unsigned pool, pool_hardened, max_instances, max_subrequests;
	er_gateway_limits limits;
	/* what a routine's own limits may not exceed */
	er_limits routine_max; /* the node's maximum */
	er_cidr *addresses;    /* private ones that deployed routines may be allowed */
	size_t n_addresses;
	er_cidr *trusted; /* proxies that are believed whom they ask for; NULL: none */
	size_t n_trusted;
	er_geo_spec geo;             /* where clients are */
	er_retention keep;           /* of the store */
	er_deployment **deployments; /* of all environments; references */
	size_t n_deployments, cap_deployments;
	size_t n_file;   /* routines of node.jsonc */
	size_t n_hidden; /* stored routines that one of node.jsonc hides */
	er_env_tables env[ER_ENV_COUNT_];
	char *access_log; /* path, "-" (standard output), or NULL: none */
	bool log_json, sealed;
	/* er dev: NAME.localhost reaches that routine, every other host the first one; loopback
	 * subrequests allowed */
	bool dev;
	/* of er dev: those that it answers beside its own (gateway/own_host.h) */
	char *own_hosts;
	/* of er dev: whom every client is taken for; ss_family 0: for whom it is */
	struct sockaddr_storage client;
} er_config;

/* A configuration with every default and no routine. One reference. */
er_config *er_config_new(void);
/* Any thread. */
er_config *er_config_ref(er_config *c);
/* Any thread; the last one frees, which takes long for a large one. NULL is fine. */
void er_config_unref(er_config *c);

/* Copies the address, which er_listen_parse must have understood. Returns it, for what else there
 * is to say of it; good until the next one is added. */
er_listen *er_config_add_listen(er_config *c, er_env env, er_slice address, const er_transport_kind *transport);
/* Takes away what was added. */
void er_config_clear_listen(er_config *c);
/* One more file of the cache; copies the path. ER_CONFIG_DISKS at most. */
void er_config_add_disk(er_config *c, er_slice path, uint32_t size_mb);

/* Reads node.jsonc. Paths in it are relative to its folder. A mistake says file:line:column, the
 * field, and what was expected. */
er_config *er_config_load(const char *path, er_err *err);
/* The same from its text; `shown` is the file's name in messages, `folder` (with "/" at its end, or
 * empty) where relative paths begin. */
er_config *er_config_read(er_slice text, const char *shown, er_slice folder, er_err *err);
/* Adds a routine to every environment (takes the reference). A name also routes NAME.localhost
 * after all rules. A routine whose limits exceed c->routine_max is refused, as is code of
 * limits.code_n bytes or more. */
ER_MUST_CHECK bool er_config_add_routine(er_config *c, er_routine *r, er_err *err);
/* The static files of a routine that er_config_add_routine has added; a reference is taken. */
void er_config_add_files(er_config *c, er_slice routine, er_assets *files);
/* A rule in every environment. */
ER_MUST_CHECK bool er_config_add_route(er_config *c, er_slice pattern, er_slice routine_name, er_err *err);
/* A deployment (takes the reference) whose name its environment does not have yet. */
void er_config_add_deployment(er_config *c, er_deployment *d);
/* A rule of one environment; false: it is not understood, or there is no such routine, and nothing
 * was done. The pattern's strings are copied. */
ER_MUST_CHECK bool er_config_add_rule(er_config *c, er_env env, er_slice pattern, er_slice routine_name, uint32_t position);
/* The rules that came with a deployment's versions, behind those there are. */
void er_config_add_own_rules(er_config *c, const er_deployment *d);
/* A site (takes the reference). False: another one has its name or one of its hosts already, and
 * *err says which. */
ER_MUST_CHECK bool er_config_add_site(er_config *c, er_site *s, er_err *err);
/* Whose host this is, lower case without port, in either environment. NULL: nobody's. The
 * configuration must be sealed. Borrowed. */
const er_site *er_config_site(const er_config *c, er_slice host);
/* By the routine's name; borrowed. NULL: that environment has none. */
er_deployment *er_config_find(const er_config *c, er_env env, er_slice name);
/* The same settings, and what node.jsonc serves: not sealed, for more to be added. One
 * reference. */
er_config *er_config_copy(const er_config *file);
/* What did not change keeps its deployments of the configuration before, and with them its
 * instances. */
void er_config_keep(er_config *c, const er_config *before);
/* The same for sites, with what is known of their servers. */
void er_config_keep_sites(er_config *c, const er_config *before);
/* Sorts the rules for er_config_route; the last thing before a configuration is handed to a node.
 * Idempotent. */
void er_config_seal(er_config *c);

typedef struct er_found {
	er_env env;
	const er_deployment *deployment; /* NULL: no routine */
	uint32_t index;                  /* of it, in the configuration */
	const er_rule *rule;             /* NULL: NAME.localhost */
} er_found;
/* The routine of that name. */
bool er_config_named(const er_config *c, er_env env, er_slice name, er_found *out);
/* First rule wins. `env`: of the listener; the host may say another one (NAME.staging.localhost,
 * staging_hosts). `host` lower case without port, `path` without query. The configuration must be
 * sealed. */
bool er_config_route(const er_config *c, er_env env, er_slice host, er_slice path, er_found *out);

#endif
