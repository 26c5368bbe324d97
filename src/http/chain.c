/* The chain is a sorted array of at most ER_PLACES_N links in the object of its maker: nothing is
 * allocated here, and a look-up walks the few links that there are. er_chain_add is called while
 * the chain is made, the others for each exchange that enters a place or goes on from one. */
#include "http/chain.h"

#include "base/mem.h"

void er_chain_add(er_chain *c, er_place place, er_handler handler)
{
	ER_ASSERT(place < ER_PLACES_N && handler.handle != NULL && handler.name != NULL);
	ER_ASSERT(c->n < ER_PLACES_N && (c->n == 0 || c->links[c->n - 1].place < place));
	c->links[c->n++] = (er_link){.place = place, .handler = handler};
}

bool er_chain_has(const er_chain *c, er_place place)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->links[i].place == place)
			return true;
	return false;
}

const er_handler *er_chain_at(const er_chain *c, er_place place)
{
	ER_ASSERT(c->n <= ER_PLACES_N);
	uint32_t i = 0;
	while (i < c->n && c->links[i].place < place)
		i++;
	ER_ASSERT(i < c->n);
	return &c->links[i].handler;
}

const er_handler *er_chain_behind(const er_chain *c, er_place place)
{
	ER_ASSERT(place < ER_PLACES_N);
	return er_chain_at(c, (er_place)(place + 1));
}
