/* The plan of descriptors. A part is kept for what is neither client, server nor sandbox; the rest
 * is shared out among these three. The smallest wish is served first: what it leaves of its fair
 * share goes to the larger ones. The node makes the plan at its start and at each reload, and the
 * gate, the origin room and the isolate room are given their figures of it. */
#include "gateway/files.h"

#include "base/mem.h"

#include <sys/resource.h>

enum {
	/* databases, logs, the control API's clients, what libraries open for a moment */
	KEPT = 256,
	KEPT_A_THREAD = 32, /* a loop, listeners, name servers, a sandbox that starts */
	OF_A_SANDBOX = 2,   /* the two eventfds of its channel */
	LEAVING = 8,        /* sandboxes on their way out, beside as many as there may be */
	LEAST = 16,         /* of each, if so many are wished, whatever the limit is */
	WITHOUT_BOUND = 1 << 30,
};

uint64_t er_files_limit(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return 1024;
	if (r.rlim_cur < r.rlim_max) {
		rlim_t was = r.rlim_cur;
		r.rlim_cur = r.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &r) != 0)
			r.rlim_cur = was;
	}
	return r.rlim_cur;
}

/* The smallest wish first: what it leaves of its share is the others'. */
static void share_out(uint64_t room, const uint64_t wish[3], uint64_t got[3])
{
	bool served[3] = {false};
	for (unsigned left = 3; left > 0; left--) {
		unsigned least = 0;
		while (served[least])
			least++;
		for (unsigned i = least + 1; i < 3; i++)
			if (!served[i] && wish[i] < wish[least])
				least = i;
		uint64_t fair = room / left;
		got[least] = wish[least] < fair ? wish[least] : fair;
		ER_ASSERT(got[least] <= room);
		room -= got[least];
		served[least] = true;
	}
}

/* Less than was wished, but not nothing. */
static uint32_t at_least(uint64_t got, uint64_t wish)
{
	if (got >= wish || got >= LEAST)
		return (uint32_t)got;
	return (uint32_t)(wish < LEAST ? wish : LEAST);
}

er_files er_files_plan(const er_config *c, uint64_t limit)
{
	ER_ASSERT(c->threads > 0);
	uint64_t threads = c->threads, warm = c->pool + c->pool_hardened;
	uint64_t kept = KEPT + KEPT_A_THREAD * threads;
	uint64_t room = limit > 2 * kept ? limit - kept : limit / 2;
	uint64_t a_thread = 2 * (uint64_t)c->max_instances + LEAVING + warm;
	uint64_t wish[3] = {c->limits.connections > 0 ? c->limits.connections : WITHOUT_BOUND, c->limits.origin_connections,
	                    OF_A_SANDBOX * threads * a_thread};
	uint64_t got[3];
	share_out(room, wish, got);
	ER_ASSERT(got[0] + got[1] + got[2] <= room);
	uint64_t sandboxes = got[2] / OF_A_SANDBOX / threads, others = LEAVING + warm;
	uint64_t instances = sandboxes > others ? (sandboxes - others) / 2 : 0;
	er_files f = {.clients = at_least(got[0], wish[0]),
	              .servers = at_least(got[1], wish[1]),
	              .instances = (uint32_t)(instances > 1 ? instances : 1)};
	f.all = (c->limits.connections == 0 || got[0] == wish[0]) && got[1] == wish[1] && got[2] == wish[2];
	return f;
}
