/* The addresses that clients reach the node at: opened (or inherited), given out to the threads,
 * forgotten; and how many clients may be in. */
#include "gateway/adopt.h"
#include "gateway/node_internal.h"

#include <fcntl.h>
#include <unistd.h>

const char *er_node_listen_kind(er_env env)
{
	return env == ER_ENV_PRODUCTION ? "listen" : "listen-staging";
}

bool er_node_open(er_node *n, const er_listen *at, er_listening *out, er_err *err)
{
	ER_ASSERT(n->n > 0 && (unsigned)at->env < ER_ENV_COUNT_);
	*out = (er_listening){.transport = at->transport, .env = at->env, .prefaced = at->prefaced};
	out->port = er_adopt(n->options.inherited, er_node_listen_kind(at->env), at->address, n->n, &out->fds, &out->n, err);
	if (out->port == 0)
		return false;
	out->address = er_strdup_cstr(at->address);
	return true;
}

bool er_node_open_again(const er_listening *was, const er_listen *at, er_listening *out, er_err *err)
{
	ER_ASSERT(was->address != NULL && was->n > 0);
	*out = (er_listening){.transport = at->transport, .env = at->env, .prefaced = at->prefaced, .port = was->port};
	out->fds = er_alloc(was->n * sizeof *out->fds);
	for (; out->n < was->n; out->n++) {
		out->fds[out->n] = fcntl(was->fds[out->n], F_DUPFD_CLOEXEC, 3);
		if (out->fds[out->n] >= 0)
			continue;
		er_node_forget(out, true);
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot copy a socket of %s", at->address);
	}
	out->address = er_strdup_cstr(at->address);
	return true;
}

void er_node_give(er_node *n, const er_listening *l)
{
	const er_listen how = {.transport = l->transport, .env = l->env, .prefaced = l->prefaced};
	ER_ASSERT(l->n >= n->n && l->address != NULL);
	for (unsigned i = 0; i < l->n; i++) {
		er_listen_begin(l->fds[i]);
		er_worker_listen(n->workers[i % n->n], l->fds[i], &how);
	}
}

void er_node_forget(er_listening *l, bool close_fds)
{
	for (unsigned i = 0; close_fds && i < l->n; i++)
		close(l->fds[i]);
	er_free(l->fds);
	er_free(l->address);
	*l = (er_listening){0};
}

void er_node_limit(er_node *n, const er_config *file)
{
	uint64_t limit = er_files_limit();
	er_files files = er_files_plan(file, limit);
	er_gate_limit(n->gate, files.clients, file->limits.per_address);
	if (!files.all && !file->dev)
		er_log(
		    ER_LOG_INFO, "node",
		    "the process may open %llu files (RLIMIT_NOFILE), so there can be %u connections of clients, %u to servers, and %u "
		    "sandboxes a thread",
		    (unsigned long long)limit, files.clients, files.servers, files.instances);
}
