/* A deployment: one piece of memory with its own routes and their strings behind it, counted, never
 * changed. It owns a reference of each version and of its
 * static files. Which of two versions a client gets is a function
 * of its address, the routine's name and the deployment's id alone, so all threads and nodes agree
 * without talking to each other, and a new deployment draws anew. */
#include "gateway/deployment.h"

#include "base/cidr.h"
#include "base/mem.h"

/* The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input moves every bit of
 * the output. */
static uint64_t mix(uint64_t v)
{
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9U;
	v = (v ^ v >> 27) * 0x94d049bb133111ebU;
	return v ^ v >> 31;
}

static uint64_t seed_of(er_slice name, uint64_t id)
{
	uint64_t h = mix(id + 0x9e3779b97f4a7c15U);
	for (size_t i = 0; i < name.n; i++)
		h = mix(h ^ name.p[i]);
	return h;
}

static size_t bytes_of(const er_route *rules, size_t n)
{
	size_t bytes = 0;
	for (size_t i = 0; i < n; i++)
		bytes += er_route_bytes(&rules[i]);
	return bytes;
}

er_deployment *er_deployment_new(const er_deployment *like)
{
	ER_ASSERT((unsigned)like->env < ER_ENV_COUNT_ && like->version[0] != NULL);
	static_assert(sizeof(er_deployment) % _Alignof(er_route) == 0, "its routes lie behind it");
	static_assert(ER_STORE_SPLIT == 2, "one share and the rest: `percent` says only one of them");
	size_t rules = like->n_own * sizeof *like->own;
	er_deployment *d = er_alloc(sizeof *d + rules + bytes_of(like->own, like->n_own));
	*d = *like;
	d->refs = 1;
	d->name = d->version[0]->name;
	d->seed = seed_of(d->name, d->id);
	d->own = (er_route *)(d + 1);
	uint8_t *at = (uint8_t *)(d + 1) + rules;
	for (size_t i = 0; i < d->n_own; i++)
		at = er_route_copy(&d->own[i], &like->own[i], at);
	ER_ASSERT(at == (uint8_t *)(d + 1) + rules + bytes_of(d->own, d->n_own));
	return d;
}

er_deployment *er_deployment_ref(er_deployment *d)
{
	ER_ASSERT(__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED) > 1);
	return d;
}

void er_deployment_unref(er_deployment *d)
{
	if (d == NULL)
		return;
	uint32_t left = __atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL);
	ER_ASSERT(left != UINT32_MAX);
	if (left > 0)
		return;
	for (unsigned i = 0; i < ER_STORE_SPLIT; i++)
		er_routine_unref(d->version[i]);
	for (unsigned i = 0; i < ER_STORE_SPLIT; i++)
		er_assets_unref(d->assets[i]);
	er_free(d);
}

er_routine *er_deployment_split(const er_deployment *d, const struct sockaddr_storage *client)
{
	struct in6_addr addr = {0};
	uint64_t half[2];
	static_assert(sizeof half == sizeof addr, "network and the rest");
	ER_ASSERT(d->version[1] != NULL);
	(void)er_cidr_of_sockaddr((const struct sockaddr *)client, &addr);
	memcpy(half, &addr, sizeof half);
	uint64_t h = mix(half[0] ^ d->seed);
	if (IN6_IS_ADDR_V4MAPPED(&addr))
		h = mix(h ^ half[1]);
	return (h >> 32) * 100 >> 32 < d->percent ? d->version[0] : d->version[1];
}
