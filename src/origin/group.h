/* An origin group: the servers that one site's answers come from, which of them is asked next, and
 * which are out. Immutable but for the servers' state, which is atomic; counted (atomic); shared by
 * all threads and by every configuration in which nothing of it changed, so that the state stays.
 *
 * A server is out for two reasons. Passive: so many requests in a row failed, and it is left alone
 * for a while. Active: probes of its health fail (health.h), until they do well again. If every
 * server is out, all are asked as if none were: a group never refuses by itself. */
#ifndef ER_ORIGIN_GROUP_H
#define ER_ORIGIN_GROUP_H

#include "base/arena.h"
#include "base/err.h"
#include "http/fields.h"
#include "http/wishes.h"
#include "model/pattern.h"
#include "origin/tls.h"

#include <pthread.h>

enum { ER_GROUP_SERVERS = 32, ER_GROUP_RETRIES = 5, ER_GROUP_FIELDS = 32, ER_GROUP_REDIRECTS = 10 };

/* What Host, and the name in TLS, say to a server. */
typedef enum er_group_host {
	/* a server that is named by an address: the client's; else the server's */
	ER_GROUP_HOST_AUTO,
	ER_GROUP_HOST_CLIENT, /* what the client asked for */
	ER_GROUP_HOST_SERVER, /* the server's own name */
	ER_GROUP_HOST_NAMED,  /* er_group_spec.host_name */
} er_group_host;

typedef struct er_upstream_spec {
	er_slice scheme, authority; /* "https", "a.example:8443" */
	uint32_t weight;            /* share among the primaries, or the backups; at least 1 */
	bool backup;                /* asked only when no primary can be */
} er_upstream_spec;

typedef struct er_group_spec {
	er_upstream_spec servers[ER_GROUP_SERVERS];
	size_t n;
	er_group_host host;
	er_slice host_name; /* NAMED */
	/* name in TLS, and what the certificate is checked for; empty: as Host */
	er_slice sni;
	er_tls_pem tls;                   /* that er_tls_new takes */
	er_field fields[ER_GROUP_FIELDS]; /* of every request, in place of the client's */
	size_t n_fields;
	/* so many redirects in a row are followed by the node; 0: they go to the client */
	uint32_t redirects;
	/* of the site, as patterns (http/pattern.h): a redirect to one of them is for the group */
	const er_slice *hosts;
	size_t n_hosts;
	/* further servers, or attempts, of a request that can be sent again */
	uint32_t retries;
	uint32_t connect_ms, head_ms, idle_ms; /* 0: the defaults of er_wishes */
	uint32_t failures;                     /* in a row, until a server is left alone; 0: never */
	uint32_t out_ms;                       /* for so long */
	/* probes; every_ms 0: none */
	uint32_t every_ms, timeout_ms, healthy, unhealthy, status_least, status_most;
	er_slice path;
	/* who said so: the operator's word needs no guard for its servers; else, and wherever a
	 * redirect leads, `allow` is what the guard lets through */
	bool trusted;
	const er_cidr *allow;
	size_t n_allow;
} er_group_spec;

enum { ER_UPSTREAM_TEXT = 240 };

/* Why a server last failed; at_ms 0: it never did. */
typedef struct er_upstream_failure {
	int64_t at_ms;    /* since 1970 */
	er_err_kind kind; /* OK: it answered, and badly */
	char text[ER_UPSTREAM_TEXT];
} er_upstream_failure;

typedef struct er_upstream {
	er_slice scheme, authority;
	const char *connect_to; /* with its port: where a request goes that says another host */
	uint32_t weight;
	bool backup, is_address;
	/* atomic */
	uint32_t failures;     /* in a row */
	uint64_t out_until_us; /* monotonic */
	bool sick;             /* by probes */
	uint64_t asked, failed;
	/* under the group's lock */
	er_upstream_failure last;
	/* the prober's */
	uint32_t good, bad; /* in a row */
} er_upstream;

typedef struct er_group {
	uint32_t magic, refs;
	er_arena arena;
	er_slice site;
	er_group_spec spec; /* its slices are the group's; without the texts of `tls` */
	er_pattern *hosts;  /* of the spec */
	size_t n_hosts;
	er_tls *tls; /* own reference; NULL: the system's authorities, and no certificate */
	er_upstream servers[ER_GROUP_SERVERS];
	size_t n;
	uint64_t turn; /* atomic */
	pthread_mutex_t lock;
} er_group;

/* "http://10.0.0.5:8080", "https://www.example.com"; no path. False: *err says what was expected.
 * Slices point into `url`. */
ER_MUST_CHECK bool er_group_server_url(er_slice url, er_slice *scheme, er_slice *authority, er_err *err);
/* Defaults of everything but the servers. */
er_group_spec er_group_defaults(void);
/* Copies all of it. At least one server. One reference. */
er_group *er_group_new(er_slice site, const er_group_spec *spec);
er_group *er_group_ref(er_group *g);
void er_group_unref(er_group *g);

/* The server that is asked next, not one of `tried` (bit by index) as long as there is another.
 * `now_us`: monotonic. */
size_t er_group_choose(er_group *g, uint32_t tried, uint64_t now_us);
/* How the server did: it is left alone after so many failures in a row, and asked again by one
 * request after that. */
void er_group_tell(er_group *g, size_t server, bool failed, uint64_t now_us);
/* Why it failed, of a request or a probe: kept for whoever asks how the server does. */
void er_group_blame(er_group *g, size_t server, er_err_kind kind, er_slice text);
er_upstream_failure er_group_blamed(er_group *g, size_t server);
/* A probe's result. */
void er_group_probed(er_group *g, size_t server, bool well);
typedef enum er_upstream_state { ER_UPSTREAM_UP, ER_UPSTREAM_LEFT_ALONE, ER_UPSTREAM_SICK } er_upstream_state;
er_upstream_state er_group_state(const er_group *g, size_t server, uint64_t now_us);
const char *er_upstream_state_name(er_upstream_state s); /* "up", "left alone", "sick" */

#endif
