/* The limits of a routine and those of the gateway, each in one table: how configuration files
 * spell it, what it is where nothing is said, what may be said, and what it means. Every reader of
 * settings and every writer of a message takes names and numbers from here. Pure, any thread. */
#ifndef ER_MODEL_LIMITS_H
#define ER_MODEL_LIMITS_H

#include "base/slice.h"

/* Of a routine: name, default, smallest, largest, a node's maximum where its operator says nothing,
 * how many units of the member make one of the name, member, meaning.
 * Their order stays: canonical settings, which the store compares, are written in it. */
#define ER_LIMITS_TABLE(X) \
	X(cpuMs, 50, 1, 60000, 1000, 1000, cpu_us, "CPU time of one request, over all its turns") \
	X(loadCpuMs, 400, 1, 60000, 1000, 1000, load_cpu_us, "CPU time of top-level code") \
	X(memoryMb, 128, 16, 4096, 512, 1024, memory_kb, "memory of an instance") \
	X(responseMs, 120000, 1, 3600000, 600000, 1, response_ms, \
	  "until the head of the answer; from then on, silence between two parts of it") \
	X(subrequests, 32, 0, 10000, 1000, 1, subrequests, "of one request, redirects included") \
	X(timers, 1000, 0, 100000, 10000, 1, timers, "live at once") \
	X(idleSeconds, 1800, 1, 86400, 86400, 1, idle_s, "an instance without requests ends after this") \
	X(codeBytes, 1048576, 1024, 16777216, 4194304, 1, code_n, "the script must have less") \
	X(sockets, 10000, 0, 16000, 16000, 1, sockets, "WebSockets of an instance at once, those that it opens included") \
	X(messageBytes, 16777216, 125, 1073741824, 67108864, 1, message_n, \
	  "bytes of one WebSocket message that comes; above: closed with 1009")

typedef struct er_limits {
#define X(name, normal, least, most, node, unit, member, meaning) uint32_t member;
	ER_LIMITS_TABLE(X)
#undef X
} er_limits;

#define ER_LIMITS_DEFAULT_(name, normal, least, most, node, unit, member, meaning) .member = (normal) * (unit),
#define ER_LIMITS_DEFAULT ((er_limits){ER_LIMITS_TABLE(ER_LIMITS_DEFAULT_)})
/* What a node allows if its operator says nothing. */
#define ER_LIMITS_NODE_(name, normal, least, most, node, unit, member, meaning) .member = (node) * (unit),
#define ER_LIMITS_NODE ((er_limits){ER_LIMITS_TABLE(ER_LIMITS_NODE_)})

/* Of the gateway: name, default, smallest, largest, type of the member, member, meaning. */
#define ER_GATEWAY_LIMITS_TABLE(X) \
	X(requestLine, 8192, 64, 65536, uint32_t, request_line, "bytes of the request line; above: 414") \
	X(field, 8192, 64, 65536, uint32_t, field, "bytes of one header field; above: 431") \
	X(header, 32768, 256, 262144, uint32_t, header, "bytes of the whole header; above: 431") \
	X(fields, 100, 1, 1000, uint32_t, fields, "header fields; above: 431") \
	X(body, 0, 0, ER_LIMIT_NONE, uint64_t, body, "bytes of one upload; 0: no bound; above: 413") \
	X(headerMs, 10000, 100, 600000, uint32_t, header_ms, "from the first byte of a head to its last; then 408") \
	X(minBodyRate, 240, 0, 1000000000, uint32_t, min_body_rate, \
	  "bytes a second of an upload after 5 s of grace; slower: 408; 0: any rate") \
	X(keepAliveMs, 60000, 100, 3600000, uint32_t, keep_alive_ms, \
	  "time of an idle connection; also of a client that takes nothing of its answer") \
	X(socketIdleMs, 600000, 1000, 86400000, uint32_t, socket_idle_ms, \
	  "time without a byte of a WebSocket, in both directions; then the connection ends") \
	X(requests, 1000, 0, 1000000000, uint32_t, requests, "requests of one connection; 0: no bound") \
	X(perAddress, 256, 0, 1000000, uint32_t, per_address, \
	  "connections of one address (IPv6: of one /64), and requests under way that trusted proxies make for it; above: closed, " \
	  "429; 0: no bound") \
	X(connections, 16384, 0, 10000000, uint32_t, connections, \
	  "connections of the node; above it clients wait in the kernel's queue; 0: no bound") \
	X(originConnections, 8192, 16, 10000000, uint32_t, origin_connections, \
	  "connections of the node to servers (origin and subrequests), idle ones included; above it requests wait") \
	X(kvNamespaceMb, 1024, 1, 16777216, uint32_t, kv_namespace_mb, \
	  "keys and values of one namespace of the key-value store; above: a put fails") \
	X(kvMemoryMb, 32, 0, 65536, uint32_t, kv_memory_mb, \
	  "of memory for values of the key-value store that were read lately; taken when the node starts") \
	X(drainMs, 30000, 0, 3600000, uint32_t, drain_ms, "how long requests may go on when the node ends or is taken over") \
	X(upgradeMs, 60000, 100, 3600000, uint32_t, upgrade_ms, "a successor must be ready in this time")

/* The largest whole number that every JSON reader takes exactly (RFC 8259 6). */
#define ER_LIMIT_NONE ((UINT64_C(1) << 53) - 1)

typedef struct er_gateway_limits {
#define X(name, normal, least, most, type, member, meaning) type member;
	ER_GATEWAY_LIMITS_TABLE(X)
#undef X
} er_gateway_limits;

#define ER_GATEWAY_LIMITS_DEFAULT_(name, normal, least, most, type, member, meaning) .member = (normal),
#define ER_GATEWAY_LIMITS_DEFAULT ((er_gateway_limits){ER_GATEWAY_LIMITS_TABLE(ER_GATEWAY_LIMITS_DEFAULT_)})

/* A row of either table. */
typedef struct er_limit {
	er_slice name;
	uint64_t normal, least, most; /* in units of the name */
	uint32_t unit;
	size_t offset, size; /* of the member */
	const char *meaning;
} er_limit;

/* The rows in their order. */
const er_limit *er_limits_rows(size_t *n);         /* of er_limits */
const er_limit *er_gateway_limits_rows(size_t *n); /* of er_gateway_limits */

/* The member of the struct that the row belongs to, in units of the name. */
uint64_t er_limit_get(const er_limit *row, const void *limits);
void er_limit_set(const er_limit *row, void *limits, uint64_t value);

/* The first limit in which l is above `most`; NULL: in none. */
const er_limit *er_limits_above(const er_limits *l, const er_limits *most);
/* What is above `most` becomes that. True: something was. */
bool er_limits_lower(er_limits *l, const er_limits *most);
/* `most` becomes what l has above it. True: something was. */
bool er_limits_raise(er_limits *most, const er_limits *l);
/* As er_limits_lower for what has its default: a default is nobody's wish, so where a node allows
 * less, that is what the routine gets. */
void er_limits_lower_defaults(er_limits *l, const er_limits *most);

#endif
