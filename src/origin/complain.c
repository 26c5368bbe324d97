/* A server has a place of the table for as long as it was named within ER_COMPLAIN_MS; servers are
 * told apart by a hash of their names. When all places are taken, further servers share one. */
#include "origin/complain.h"

#include "base/log.h"

#include <stdio.h>

/* What a person does next. NULL: it is nothing that an origin has done. */
static const char *remedy(er_err_kind kind)
{
	switch (kind) {
	case ER_ERR_DNS:
		return "Check the name in the site's origin, and the name servers (resolver.servers, /etc/resolv.conf)";
	case ER_ERR_CONNECT:
		return "Check that the server runs, and that this machine reaches it";
	case ER_ERR_TLS:
		return "Check the server's certificate and its name (origin.sni), and this machine's authorities and clock";
	case ER_ERR_TIMEOUT:
		return "Look what holds the server up; origin.connectMs, headMs and idleMs say how long the node waits";
	case ER_ERR_RESPONSE:
	case ER_ERR_IO:
		return "Look into the server's own log; clients get nothing of such an answer, or see that it is cut";
	case ER_ERR_REFUSED_ADDRESS:
	case ER_ERR_REFUSED_PORT:
		return "Check the addresses of the name; \"private\" of the site's origin allows private ones";
	default:
		return NULL;
	}
}

/* FNV-1a. */
static uint64_t hash_of(er_slice server)
{
	uint64_t h = 14695981039346656037u;
	for (size_t i = 0; i < server.n; i++)
		h = (h ^ server.p[i]) * 1099511628211u;
	return h;
}

static size_t place_of(er_complaints *c, uint64_t server, uint64_t now_ms)
{
	size_t free = ER_COMPLAIN_SERVERS;
	for (size_t i = 0; i < ER_COMPLAIN_SERVERS; i++) {
		if (c->places[i].used && c->places[i].server == server)
			return i;
		bool old = !c->places[i].used || now_ms - c->places[i].said_ms >= ER_COMPLAIN_MS;
		if (old && free == ER_COMPLAIN_SERVERS)
			free = i;
	}
	if (free == ER_COMPLAIN_SERVERS)
		return server % ER_COMPLAIN_SERVERS;
	c->places[free].used = false;
	return free;
}

bool er_complain(er_complaints *c, er_slice server, uint64_t id, er_err_kind kind, er_slice text, uint64_t now_ms)
{
	const char *what_next = remedy(kind);
	if (what_next == NULL)
		return false;
	uint64_t name = hash_of(server);
	size_t at = place_of(c, name, now_ms);
	if (!c->places[at].used)
		c->places[at].since = 0;
	if (c->places[at].used && now_ms - c->places[at].said_ms < ER_COMPLAIN_MS) {
		c->places[at].since++;
		return false;
	}
	char more[64] = "", whose[40] = "";
	if (id != 0) /* else it is a health check */
		snprintf(whose, sizeof whose, ", request %016llx", (unsigned long long)id);
	if (c->places[at].since > 0)
		snprintf(more, sizeof more, ", and %u failures more since the last line", c->places[at].since);
	c->places[at].used = true;
	c->places[at].server = name;
	c->places[at].said_ms = now_ms;
	c->places[at].since = 0;
	text = er_slice_trim(text);
	er_log(ER_LOG_WARN, "origin", "%.*s failed (%s%s%s): %.*s. %s", ER_FMT(server), er_err_name(kind), whose, more, ER_FMT(text),
	       what_next);
	return true;
}
