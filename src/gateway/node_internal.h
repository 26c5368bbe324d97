/* Inside the node: what node.c (start, stop), node_change.c (configurations on their way in) and
 * node_control.c (what the control plane asks for) share. All on the control thread but for what is
 * marked. */
#ifndef ER_GATEWAY_NODE_INTERNAL_H
#define ER_GATEWAY_NODE_INTERNAL_H

#include "base/clock.h"
#include "base/rounds.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/kv.h"
#include "gateway/admin.h"
#include "gateway/files.h"
#include "gateway/inherit.h"
#include "net/listen.h"
#include "gateway/node.h"
#include "gateway/node_disk.h"
#include "gateway/stored.h"
#include "gateway/tail.h"
#include "gateway/worker.h"
#include "isolate/spawner.h"
#include "store/kv.h"

#include <pthread.h>

enum { NODE_MAGIC = 0x4e4f4445, NODE_TRIALS = 4 };

/* One address that clients reach us at: at least a descriptor a thread (descriptor i is thread i
 * mod n's), owned by the threads' servers. */
typedef struct er_listening {
	char *address;
	const er_transport_kind *transport;
	er_env env;
	bool prefaced;
	unsigned port;
	int *fds;
	unsigned n;
} er_listening;

/* Somebody wants what it serves to change, or to follow the store. */
typedef struct er_wish {
	er_list link;
	er_config *file;    /* what node.jsonc says now; NULL: as before */
	er_listening *next; /* with `file`: its addresses; those that are open already are empty */
	er_node_done *done;
	void *ctx;
} er_wish;

/* A version that is tried: waits for its turn, is on a thread, or comes back. */
typedef struct er_trial {
	er_list link;
	er_node *node;
	er_routine *routine;
	er_control_probed *done;
	void *ctx;
	er_isolate_start result;
	er_buf error, stack;
} er_trial;

/* The node, on the control thread, from er_node_new to its last handle. */
struct er_node {
	uint32_t magic;
	uv_loop_t *loop;
	er_config *file;   /* what node.jsonc says */
	er_config *config; /* what is served */
	er_node_options options;
	er_spawner spawner;
	/* shared by all threads, with the gate and the log */
	er_pulse *pulse;
	er_gate *gate;
	er_access_log *log;
	er_index *cache;           /* of all threads; NULL: nothing is stored */
	er_disk *disk;             /* of all threads; NULL: there is none */
	er_compressor *compressor; /* of all threads */
	er_assets_memory *assets;  /* the same */
	er_cidr *own;
	size_t n_own;
	er_worker **workers;
	unsigned n, running, ended; /* ended: atomic */
	er_listening *listens;
	size_t n_listens;
	/* threads have something to tell: `tried`, `let_go`, `acknowledged`, `ended` */
	uv_async_t async;
	uv_timer_t trim; /* when nothing has changed for a while */
	bool async_open; /* both */
	er_geo *geo;     /* of all threads (node_geo.c) */
	uv_timer_t geo_timer;
	uv_work_t geo_work;
	bool geo_busy, geo_again; /* it is being renewed; and is to be once more */
	/* set: nothing is begun any more; called when `geo_open` is 0: so many of timer and work are
	 * still to end */
	void (*geo_closed)(void *ctx);
	void *geo_ctx;
	unsigned geo_open;
	er_admin *admin;
	unsigned admin_port;
	char *admin_path;
	unsigned handles;                    /* of ours on the loop */
	uint32_t pinged;                     /* the last question to the threads */
	uint64_t started_us, last_reload_us; /* wall time */
	uint64_t reloads_ok, reloads_failed, activations, upgrades_failed;
	bool last_reload_failed;
	bool stopping, over;
	bool broken; /* no routine can run any more; atomic */
	bool broken_told;
	void (*done)(void *ctx);
	void *done_ctx;

	/* the store */
	er_store *store;
	er_kv_work *kv; /* of all threads; NULL: there is no store */
	er_control *control;
	er_stored_source source;
	er_tail *tail;
	er_metrics_finder *finders; /* one a thread */

	/* changes */
	er_rounds wishes;
	er_config *changing;   /* on its way in; NULL: none */
	unsigned acknowledged; /* threads that have it; atomic */

	/* versions that are tried */
	er_list trials; /* waiting */
	/* how many are on a thread; the thread that gets the next one */
	unsigned trying, next_worker;
	uint64_t prefetch_number; /* the last one that was given */
	/* what runs by the clock (node_cron.c); NULL: not begun, or over */
	struct er_node_crons *crons;
	uint64_t timed_number;

	/* what threads bring back */
	pthread_mutex_t lock;
	er_list tried; /* trials */
	er_list prefetched;
	er_list purged; /* by routines (purged.h) */
	/* configurations that threads have let go of, freed on the control thread */
	er_config **let_go;
	size_t n_let_go, cap_let_go;
};

/* node_listen.c */
/* How many clients may be in. */
void er_node_limit(er_node *n, const er_config *file);
/* Opens an address that is not open yet, or takes it over; nothing of it is served yet. */
ER_MUST_CHECK bool er_node_open(er_node *n, const er_listen *at, er_listening *out, er_err *err);
/* The same address, to be served otherwise than `was` is: further descriptors of its sockets. */
ER_MUST_CHECK bool er_node_open_again(const er_listening *was, const er_listen *at, er_listening *out, er_err *err);
/* The threads' servers listen on its descriptors from now on, and own them. */
void er_node_give(er_node *n, const er_listening *l);
/* Frees the record. `close_fds`: the descriptors were never given to a thread. */
void er_node_forget(er_listening *l, bool close_fds);
/* The socket, under the name that both generations know. */
const char *er_node_listen_kind(er_env env);

/* node_vitals.c */
/* Appends what it has beside the counters of its threads. */
void er_node_write_metrics(const er_node *n, er_buf *out);
/* Appends further members of the state. */
void er_node_write_state(const er_node *n, er_out *out);

/* node_geo.c */
/* What node.jsonc names is read, now: nobody is served yet. */
void er_node_start_geo(er_node *n);
/* It may name something else, or a file may be another one. On a thread that may block; what is
 * found is in force a moment later. */
void er_node_renew_geo(er_node *n);
/* Nothing is renewed any more. `closed` later. */
void er_node_stop_geo(er_node *n, void (*closed)(void *ctx), void *ctx);
void er_node_write_geo_metrics(const er_node *n, er_buf *out);
/* A member of the state. */
void er_node_write_geo_state(const er_node *n, er_out *out);

/* node_change.c */
/* The configuration of what node.jsonc and the store say; NULL: *err. Sealed. */
er_config *er_node_assemble(er_node *n, er_config *file, er_err *err);
/* Somebody wants a new configuration: of `file`, or of the store alone (NULL). Takes `next`. `done`
 * once, when it is in force, or with the reason why not; never after the node stops. */
void er_node_wish(er_node *n, er_config *file, er_listening *next, er_node_done *done, void *ctx);
/* A thread may have taken the change. */
void er_node_changed(er_node *n);
/* Nobody is told any more. */
void er_node_drop_wishes(er_node *n);

/* node_cache.c */
/* For er_control_ops: members of what is open. */
void er_node_write_cache(const er_node *n, er_out *out);
void er_node_explain_cache(const er_node *n, er_arena *a, er_env env, const er_site *site, const er_where *where, er_out *out);
/* What routines purge is written to the store, and in force; and they are told. */
void er_node_purged(er_node *n);
/* er_worker_options.purged */
void er_node_on_purged(void *ctx, struct er_purged_by *p);
/* What the store has of purges, before anything is served. */
ER_MUST_CHECK bool er_node_start_purges(er_node *n, er_err *err);

/* node_prefetch.c: for er_control_ops. */
uint64_t er_node_prefetch(er_node *n, const er_prefetch_ask *ask, er_prefetch_done *done, void *done_ctx);
void er_node_prefetch_stop(er_node *n, uint64_t number);
/* Some may have come back. */
void er_node_prefetched(er_node *n);

/* node_cron.c */
/* Routines run by the clock from now on. */
void er_node_start_crons(er_node *n);
/* Another configuration is in force. */
void er_node_crons_renew(er_node *n);
/* Some runs may have come back. */
void er_node_timed_back(er_node *n);
/* An event of the tail: it may be of a run that somebody waits for. */
void er_node_timed_says(er_node *n, const er_tail_event *e);
void er_node_write_cron_metrics(const er_node *n, er_buf *out);
/* For er_control_ops. */
void er_node_write_crons(const er_node *n, er_slice routine, er_out *out);
ER_MUST_CHECK bool er_node_cron_run(er_node *n, er_slice routine, er_slice cron, er_control_ran *done, void *ctx, er_err *err);
/* Nothing is begun any more. `closed` later; false: there is nothing to close. */
bool er_node_stop_crons(er_node *n, void (*closed)(void *ctx));
void er_node_free_crons(er_node *n);

/* node_sites.c: for er_control_ops. */
size_t er_node_write_sites(const er_node *n, er_slice name, bool whole, er_out *out);
bool er_node_site_taken(const er_node *n, er_arena *a, const er_site_settings *s, er_slice *by, er_slice *what);
/* Members of what is open; NULL: no site has the host. */
const er_site *er_node_explain_site(const er_node *n, const er_where *where, er_out *out);

/* node_control.c */
ER_MUST_CHECK bool er_node_start_control(er_node *n, er_err *err);
/* Trials that came back. */
void er_node_tried(er_node *n);
/* Takes down what er_node_start_control has made, but for the store. `closed` when all of it has
 * closed, perhaps at once. */
void er_node_stop_control(er_node *n, void (*closed)(void *ctx), void *ctx);

#endif
