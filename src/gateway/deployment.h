/* What one environment runs of one routine: a version, or two with a share of the clients each.
 * Immutable, counted (atomic), shared by all threads and by every configuration in which nothing of
 * it changed: so its versions keep their instances. */
#ifndef ER_GATEWAY_DEPLOYMENT_H
#define ER_GATEWAY_DEPLOYMENT_H

#include "assets/files.h"
#include "gateway/route.h"
#include "isolate/routine.h"
#include "store/store.h"

#include <sys/socket.h>

typedef struct er_deployment {
	uint32_t refs;
	er_env env;
	/* 0: a routine of node.jsonc, which knows no deployments */
	uint64_t id;
	uint64_t revision;                   /* the same: nothing of it changed */
	uint64_t env_revision;               /* the same: nor did its variables and secrets */
	er_routine *version[ER_STORE_SPLIT]; /* own references; [1] NULL: every client gets [0] */
	/* static files of each, own references; NULL: it has none */
	er_assets *assets[ER_STORE_SPLIT];
	uint32_t number[ER_STORE_SPLIT]; /* of the versions; 0 with id 0 */
	uint32_t percent;                /* of clients that get [0] */
	uint64_t seed;                   /* of the choice */
	er_slice name;                   /* of the routine */
	er_route *own;                   /* routes that came with the versions */
	size_t n_own;
} er_deployment;

/* The static files of one of its versions, or NULL. */
static inline er_assets *er_deployment_assets(const er_deployment *d, const er_routine *version)
{
	return d->assets[version != d->version[0]];
}
/* The i-th version has code: it may be static files alone. */
static inline bool er_deployment_runs(const er_deployment *d, unsigned i)
{
	return d->version[i] != NULL && (d->assets[i] == NULL || !d->assets[i]->alone);
}

/* Takes the references of the versions and their files; the rest is copied, and so are the rules'
 * strings. One reference. */
er_deployment *er_deployment_new(const er_deployment *like);
/* Any thread. */
er_deployment *er_deployment_ref(er_deployment *d);
/* Any thread; the last one lets go of the versions and frees. */
void er_deployment_unref(er_deployment *d);

/* Of a deployment with two versions: by a hash of address and seed. */
er_routine *er_deployment_split(const er_deployment *d, const struct sockaddr_storage *client);
/* The version that this client gets: always the same one while the deployment lives, on every
 * thread. Its address decides (an IPv6 client is its /64), no cookie. */
static inline er_routine *er_deployment_choose(const er_deployment *d, const struct sockaddr_storage *client)
{
	return d->version[1] == NULL ? d->version[0] : er_deployment_split(d, client);
}

#endif
