/* Ends. When the spawner says that a process is gone, er_death_box reads what it said last. A box
 * that held code takes its instance along; one that did not is missed by the pool.
 *
 * er_death_instance judges why the instance ended, ends each call, tells whoever waits, and frees
 * the instance. A call that the end left unharmed is dispatched anew. */
#include "isolate/internal.h"

#include "base/mem.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

typedef struct verdict {
	er_err_kind why;
	uint64_t used, limit;
	uint32_t request; /* 0: nobody in particular */
	er_budget budget; /* CPU: whose */
	bool clean;
} verdict;

/* It ended itself in a way in which programs end when they get no memory. A filter's
 * kill is none. */
static bool gave_up(int wait_status)
{
	int sig = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
	return sig == SIGABRT || sig == SIGTRAP || sig == SIGILL || sig == SIGSEGV;
}

/* Why it ended: what the node did, else what the kernel says, else what the sandbox says of itself
 * (which can only harm its own routine). */
static verdict judge(const er_instance *in, int wait_status)
{
	const er_limits *l = &in->routine->limits;
	verdict v = {.why = in->kill_reason, .used = in->kill_used, .limit = in->kill_limit, .budget = in->budget};
	const er_obituary *o = in->box ? &in->box->channel.control->obituary : NULL;
	if (o != NULL)
		v.request = atomic_load(&o->request);
	if (v.why != ER_ERR_OK) {
		v.clean = v.why == ER_ERR_CANCELLED || v.why == ER_ERR_EXCEPTION || v.why == ER_ERR_UNAVAILABLE;
		return v;
	}
	if (o == NULL) {
		v.why = ER_ERR_UNAVAILABLE;
		return v;
	}
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0 && in->closing) {
		v.clean = true;
		return v;
	}
	er_err_kind said = atomic_load(&o->reason);
	v.why = ER_ERR_CRASH;
	uint32_t budget = atomic_load(&o->detail);
	if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL)
		v.why = ER_ERR_MEMORY; /* not ours: the kernel's, for want of memory */
	else if (said == ER_ERR_OK && gave_up(wait_status) && in->memory_seen_kb >= l->memory_kb - l->memory_kb / 8)
		v.why = ER_ERR_MEMORY; /* it could not even say so */
	else if (said == ER_ERR_CPU || said == ER_ERR_MEMORY)
		v.why = said;
	if (v.why == ER_ERR_CPU) {
		v.used = atomic_load(&o->cpu_us);
		v.budget = budget < ER_BUDGET_COUNT_ ? (er_budget)budget : ER_BUDGET_REQUEST;
		v.limit = v.budget == ER_BUDGET_TOP_LEVEL ? l->load_cpu_us : v.budget == ER_BUDGET_ENGINE ? ER_ENGINE_CPU_US : l->cpu_us;
	} else if (v.why == ER_ERR_MEMORY) {
		v.used = er_instance_memory_kb(in);
		v.limit = l->memory_kb;
	}
	return v;
}

/* A crash is worth a closer look than its kind: which signal, and whether the sandbox could still
 * say so itself. */
static void log_crash(const er_instance *in, int wait_status)
{
	const er_obituary *o = in->box ? &in->box->channel.control->obituary : NULL;
	unsigned said = o ? atomic_load(&o->detail) : 0;
	int sig = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : said < NSIG ? (int)said : 0;
	er_log(ER_LOG_WARN, "isolate", "routine %.*s: its sandbox crashed (%s %d%s%s)", ER_FMT(in->routine->name),
	       sig ? "signal" : "exit status", sig ? sig : WEXITSTATUS(wait_status), sig ? ", " : "", sig ? strsignal(sig) : "");
}

/* A sandbox that was ended in the middle of a turn has not told what that took. Its obituary
 * says so, or the process's clock as last seen does: what no call has told is then whose it
 * probably was. */
static void tell_untold(er_instance *in, er_call *named)
{
	const er_obituary *o = in->box ? &in->box->channel.control->obituary : NULL;
	if (named != NULL && o != NULL && in->kill_reason == ER_ERR_OK) {
		er_call_cpu(named, atomic_load(&o->cpu_us));
		return;
	}
	if (named == NULL && !er_list_empty(&in->calls))
		named = ER_CONTAINER(in->calls.next, er_call, link);
	if (named == NULL)
		return;
	uint64_t told = in->cpu_told_us, used = in->cpu_tick_us > in->cpu_busy_us ? in->cpu_tick_us - in->cpu_busy_us : 0;
	ER_LIST_EACH(l, &in->calls)
	told += ER_CONTAINER(l, er_call, link)->cpu_us;
	if (used > told)
		er_call_cpu(named, (uint32_t)(named->cpu_us + (used - told)));
}

void er_death_instance(er_instance *in, int wait_status)
{
	ER_CHECK(in, ER_INSTANCE_MAGIC);
	er_isolate_host *h = in->host;
	er_service *s = in->service;
	verdict v = judge(in, wait_status);
	in->budget = v.budget;
	ER_ASSERT(v.clean || v.why != ER_ERR_OK);
	er_call *blamed = er_idmap_get(&in->by_id, v.request);
	if (!v.clean)
		tell_untold(in, blamed);
	bool started = er_instance_ready(in);
	er_instance_move(in, INSTANCE_ON_DIED);
	if (s->instance == in)
		s->instance = NULL;
	if (in->start != NULL && in->start->trial) {
		er_start_failed(in, v.why, v.used, v.limit);
	} else if (!v.clean) {
		if (v.why == ER_ERR_CRASH)
			log_crash(in, wait_status);
		er_instance_report(in, blamed ? er_call_exchange(blamed) : NULL, v.why, v.used, v.limit);
		er_service_failed(s, v.why);
	}
	er_start_failed(in, v.why, v.used, v.limit);
	ER_ASSERT(in->start == NULL);
	/* Top-level code fails whoever waited for it: trying again would end the same way. Else, with
	 * nobody named, the oldest call is the suspect. */
	bool all = !started;
	bool nobodys = v.why == ER_ERR_CPU && (v.budget == ER_BUDGET_BACKGROUND || v.budget == ER_BUDGET_ENGINE);
	if (v.request == 0 && !in->culprit_gone && !all && !nobodys && !er_list_empty(&in->calls))
		blamed = ER_CONTAINER(in->calls.next, er_call, link);
	while (!er_list_empty(&in->calls)) {
		er_call *c = ER_CONTAINER(in->calls.next, er_call, link);
		uint8_t retries;
		er_exchange *again = er_call_orphaned(c, (all && !v.clean) || (c == blamed && !v.clean),
		                                      v.why == ER_ERR_OK ? ER_ERR_CRASH : v.why, v.used, v.limit, &retries);
		if (again == NULL)
			continue;
		er_dispatch(s, again, retries);
		er_exchange_unref(again);
	}
	er_instance_free(in);
	er_pool_fill(h);
}

void er_death_lost(er_box *box, const char *why)
{
	er_isolate_host *h = box->host;
	enum er_profile p = box->profile;
	if (er_pool_box_lost(box, why))
		for (er_list *l; (l = er_list_pop(&h->waiting[p])) != NULL;)
			er_death_instance(ER_CONTAINER(l, er_instance, waiting), 0);
	er_pool_fill(h);
}

void er_death_box(er_box *box, int wait_status, const char *said)
{
	er_instance *in = box->instance;
	ER_ASSERT(box->state != BOX_GONE && (in == NULL || in->box == box));
	bool expected = box->state == BOX_DYING;
	box->pid = 0;
	if (in != NULL) {
		/* What it said before it died still counts: a response that is in the ring is
		 * a response. */
		if (!expected)
			er_frames_read_all(box);
		box->instance = NULL;
		er_death_instance(in, wait_status);
	} else if (!expected || box->counted) {
		char why[320];
		if (said[0] != '\0')
			snprintf(why, sizeof why, "%s", said);
		else if (WIFSIGNALED(wait_status))
			snprintf(why, sizeof why, "killed by signal %d (%s)", WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
		else
			snprintf(why, sizeof why, "exited with status %d", WEXITSTATUS(wait_status));
		er_death_lost(box, why);
	}
	er_box_close(box);
}
