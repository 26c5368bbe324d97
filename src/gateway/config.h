/* The node's configuration: an immutable snapshot, reference-counted (atomic), swapped whole. Gateway threads hold a reference while they use it.
 * Parsing (node.jsonc) is apart from serving. */
#ifndef ER_GATEWAY_CONFIG_H
#define ER_GATEWAY_CONFIG_H

#include "base/err.h"
#include "channel/frame.h"
#include "isolate/routine.h"

/* "host/path*", "*.host", "*.host/path*", "*" ; the first rule that matches wins. */
typedef struct er_route {
	er_slice pattern; /* as written */
	er_slice host;    /* lower case, without "*."; empty with any_host */
	er_slice path;    /* prefix or whole; "/" if the pattern has none */
	bool any_host, sub_hosts, path_prefix;
	er_routine *routine; /* owned by the config */
} er_route;

/* The gateway's own bounds (reference: RFC 9112, slow clients). */
typedef struct er_gateway_limits {
	uint32_t request_line, field, header, fields; /* bytes, bytes, bytes, count: 8 KB, 8 KB, 32 KB, 100 */
	uint32_t header_ms;                           /* from the first byte to the end of the head: 10 s */
	uint32_t min_body_rate;                       /* bytes a second, after a grace of 5 s: 240 */
	uint32_t keep_alive_ms;                       /* 60 s */
	uint32_t requests;                            /* a connection: 1000; 0: no bound */
	uint32_t per_address;                         /* connections: 256 by default; 0: no bound */
	uint32_t connections;                         /* of the whole node */
	uint64_t body;                                /* bytes of one upload; 0: no bound */
	uint32_t drain_ms;                            /* graceful shutdown: 30 s */
	uint32_t upgrade_ms;                          /* a successor must be ready in that time: 60 s */
} er_gateway_limits;

typedef struct er_config {
	uint32_t refs;
	char **listen; /* "127.0.0.1:8787", "[::]:80"; at least one */
	size_t n_listen;
	char *admin; /* address of /health and /metrics, or NULL */
	unsigned threads;
	char *origin; /* "http://host:port": the standard process of every host, or NULL */
	er_level min_level;
	unsigned pool, pool_hardened, max_instances;
	er_gateway_limits limits;
	er_limits routine_max; /* the node's maximum */
	er_routine **routines;
	size_t n_routines;
	er_route *routes;
	size_t n_routes;
	char *access_log; /* path, "-" (standard output), or NULL: none */
	bool log_json;
	struct er_route_index *index; /* of `routes`; made by er_config_seal, owned */
	bool dev; /* er dev: NAME.localhost and every other host reach the only routine; loopback subrequests allowed */
} er_config;

/* A configuration with every default and no routine. One reference. */
er_config *er_config_new(void);
er_config *er_config_ref(er_config *c);
void er_config_unref(er_config *c);

void er_config_add_listen(er_config *c, er_slice address);

/* Reads node.jsonc. Paths in it are relative to its folder. A mistake says file:line:column, the field, and what was expected. */
er_config *er_config_load(const char *path, er_err *err);
/* The same from its text; `shown` is the file's name in messages, `folder` (with "/" at its end, or empty) where relative paths begin. */
er_config *er_config_read(er_slice text, const char *shown, er_slice folder, er_err *err);
/* Adds a routine (takes the reference) and, with a pattern, its route. A name also routes NAME.localhost after all explicit routes. */
/* A routine whose limits exceed c->routine_max is refused, as is code of limits.code_n bytes or more. */
ER_MUST_CHECK bool er_config_add_routine(er_config *c, er_routine *r, er_err *err);
ER_MUST_CHECK bool er_config_add_route(er_config *c, er_slice pattern, er_slice routine_name, er_err *err);
/* Sorts the rules for er_config_route; the last thing before a configuration is handed to a node. Idempotent. */
void er_config_seal(er_config *c);
/* First rule wins; NULL: no routine. `host` lower case without port, `path` without query. The configuration must be sealed. */
er_routine *er_config_route(const er_config *c, er_slice host, er_slice path);

#endif
