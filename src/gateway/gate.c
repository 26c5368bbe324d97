/* The gate: how many are in. One counter for the node, which is read without the lock before a
 * connection is accepted, and a map from address to count under it. The count of an address is the
 * map's value itself, a number in the place of a pointer; it is never 0, since such an entry is
 * deleted. Several threads may pass er_gate_open at the same moment, so the node's bound can be
 * exceeded by one a thread. */
#include "gateway/gate.h"

#include "base/cidr.h"
#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>

struct er_gate {
	pthread_mutex_t lock;
	er_map *addresses; /* address -> count, as a number in the pointer */
	uint32_t inside;   /* atomic */
	uint32_t connections, per_address;
};

er_gate *er_gate_new(void)
{
	er_gate *g = ER_NEW(er_gate);
	pthread_mutex_init(&g->lock, NULL);
	g->addresses = er_map_new();
	return g;
}

void er_gate_free(er_gate *g)
{
	if (g == NULL)
		return;
	ER_ASSERT(g->inside > 0 || er_map_len(g->addresses) == 0);
	er_map_free(g->addresses);
	pthread_mutex_destroy(&g->lock);
	er_free(g);
}

void er_gate_limit(er_gate *g, uint32_t connections, uint32_t per_address)
{
	__atomic_store_n(&g->connections, connections, __ATOMIC_RELAXED);
	__atomic_store_n(&g->per_address, per_address, __ATOMIC_RELAXED);
}

bool er_gate_open(const er_gate *g)
{
	uint32_t most = __atomic_load_n(&g->connections, __ATOMIC_RELAXED);
	return most == 0 || __atomic_load_n(&g->inside, __ATOMIC_RELAXED) < most;
}

static er_slice key_of(const struct sockaddr_storage *peer, struct in6_addr *addr)
{
	if (!er_cidr_of_sockaddr((const struct sockaddr *)peer, addr))
		*addr = (struct in6_addr){0};
	return er_slice_of(addr, IN6_IS_ADDR_V4MAPPED(addr) ? 16 : 8);
}

bool er_gate_begin(er_gate *g, const struct sockaddr_storage *client)
{
	struct in6_addr addr;
	er_slice key = key_of(client, &addr);
	uint32_t most = __atomic_load_n(&g->per_address, __ATOMIC_RELAXED);
	pthread_mutex_lock(&g->lock);
	uintptr_t n = (uintptr_t)er_map_get(g->addresses, key);
	bool ok = most == 0 || n < most;
	if (ok)
		er_map_set(g->addresses, key, (void *)(n + 1));
	pthread_mutex_unlock(&g->lock);
	return ok;
}

void er_gate_end(er_gate *g, const struct sockaddr_storage *client)
{
	struct in6_addr addr;
	er_slice key = key_of(client, &addr);
	pthread_mutex_lock(&g->lock);
	uintptr_t n = (uintptr_t)er_map_get(g->addresses, key);
	ER_ASSERT(n > 0);
	if (n == 1)
		er_map_del(g->addresses, key);
	else
		er_map_set(g->addresses, key, (void *)(n - 1));
	pthread_mutex_unlock(&g->lock);
}

bool er_gate_enter(er_gate *g, const struct sockaddr_storage *client)
{
	if (client != NULL && !er_gate_begin(g, client))
		return false;
	__atomic_add_fetch(&g->inside, 1, __ATOMIC_RELAXED);
	return true;
}

void er_gate_leave(er_gate *g, const struct sockaddr_storage *client)
{
	if (client != NULL)
		er_gate_end(g, client);
	ER_ASSERT(__atomic_sub_fetch(&g->inside, 1, __ATOMIC_RELAXED) != UINT32_MAX);
}
