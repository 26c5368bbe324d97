/* Inside a gateway thread: what worker.c (the chain, messages, life), worker_config.c
 * (configurations come and go) and worker_events.c (finished requests, what routines say) share.
 * All on the thread itself. */
#ifndef ER_GATEWAY_WORKER_INTERNAL_H
#define ER_GATEWAY_WORKER_INTERNAL_H

#include "base/list.h"
#include "cache/own.h"
#include "gateway/worker.h"
#include "origin/health.h"

#include <pthread.h>

/* A configuration as this thread uses it. It lives until it is not the current one and the last
 * exchange that began under it is over. */
typedef struct er_worker_snapshot {
	er_config *config;
	unsigned uses;
	bool current;
	er_routine_metrics **metrics; /* by the deployment's index; made when it is asked for */
} er_worker_snapshot;

/* Where clients of one environment come in. */
typedef struct er_worker_door {
	er_worker *worker;
	er_env env;
	er_handler handler; /* of the server: what is refused before it enters the chain */
	er_chain chain;     /* of the environment: routine → cache → standard process → origin */
	er_cache_place cache;
	er_cache_place apart; /* of what routines fetch from elsewhere */
	er_data_place data;
	er_own_place own;         /* caches of routines themselves */
	er_cache_stats own_stats; /* of these: no hits or misses of clients */
	er_server *server;
} er_worker_door;

/* A configuration on its way in: instances that it needs are started first. They may be told of
 * when it is in force already. */
typedef struct er_worker_change {
	er_worker *worker;
	er_config *config; /* NULL: in force */
	unsigned waiting;  /* for so many instances, and one for its maker */
} er_worker_change;

typedef struct er_worker_message er_worker_message; /* worker.c */

/* A routine by its name, as long as the thread lives. Its address is what er_wishes.pool says in
 * those of its questions that outlive its instances: their connections are apart from all others,
 * too. */
typedef struct er_worker_guest {
	uint64_t second; /* of the loop's time */
	size_t purges;   /* in that */
} er_worker_guest;

/* A gateway thread. Others reach it by the mailbox, and only read its counters and `pong`. */
struct er_worker {
	uint32_t magic;
	er_worker_options o;
	uv_loop_t loop;
	uv_async_t async;
	uv_timer_t log_timer, drain_timer, warm_timer;
	er_delay delay; /* of its loop */
	pthread_t thread;
	bool runs, loop_open;
	er_worker_door doors[ER_ENV_COUNT_];
	/* doors whose server has not closed yet */
	unsigned open_servers;
	er_origin *origin;
	er_health *health; /* of the node's groups; NULL: another thread has it, or it has closed */
	er_cache *cache;   /* NULL: nothing is stored */
	er_assets_host *assets;
	er_geo_view *geo;
	er_kv_place *kv; /* NULL: there is no store, or it has closed */
	er_port *port;   /* of what waits for the control thread (worker_own.c) */
	er_isolate_host *isolate;
	er_server_stats stats;
	er_worker_snapshot *current;
	er_worker_change *change; /* not in force yet */
	er_metrics metrics;
	er_buf log;
	uint64_t log_lines;
	er_list unsettled; /* requests whose line waits for the end of their work (worker_events.c) */
	unsigned n_unsettled;
	er_list prefetches;    /* under way (worker_prefetch.c) */
	struct er_map *guests; /* by the name of a routine: er_worker_guest */
	uint64_t tail_second;  /* of the loop's time */
	unsigned tail_left;    /* events of ordinary requests that it may still have */
	/* stopping: no new connections; closing: what is left is being taken down */
	bool stopping, closing;
	uint64_t drain_until_ms;
	uint32_t pong; /* atomic: the last question that it answered */
	/* the mailbox */
	pthread_mutex_t lock;
	er_worker_message *first, **last;
	er_isolate_stats last_isolate; /* what the control thread reads once it has told us to stop */
};

/* worker_config.c */
/* Name servers and connections to servers, as the present configuration says. */
void er_worker_reach(er_worker *w);
/* The origin groups whose health is checked are those of the present configuration. */
void er_worker_watch(er_worker *w);
/* Makes it the current one, with a reference of its own; the one before lives on while it has
 * exchanges. */
void er_worker_use(er_worker *w, er_config *config);
/* Starts the instances that it needs, and puts it into force when they run, or after WARM_MS. */
void er_worker_begin_change(er_worker *w, er_config *config);
/* The one that is on its way in comes into force now; nothing if there is none. */
void er_worker_finish_change(er_worker *w);
/* It may have been the last exchange of it. */
void er_worker_release(er_worker *w, er_worker_snapshot *s);

/* worker_own.c */
er_worker_guest *er_worker_guest_of(er_worker *w, er_slice routine);
void er_worker_free_guests(er_worker *w);
/* The door's handler of ER_DATA_CACHE. */
void er_worker_serve_own(er_worker_door *d);

/* worker_files.c */
/* This version answers: its static files, if it is their turn, else its code. */
void er_worker_run_routine(er_worker_door *d, er_exchange *x, const er_found *found, er_routine *r);
/* The door's handler of ER_DATA_ASSETS. */
void er_worker_serve_files(er_worker_door *d);

/* worker_named.c */
/* The routine that the exchange names answers. */
void er_worker_ask_named(er_worker_door *d, er_exchange *x);

/* worker_timed.c */
struct er_timed;
void er_worker_begin_timed(er_worker *w, struct er_timed *t);
/* er dev: a client's request for /__scheduled?cron=... stands for a time. */
bool er_worker_is_time(const er_config *config, er_exchange *x);

/* worker_prefetch.c */
struct er_prefetch;
void er_worker_fetch(er_worker *w, struct er_prefetch *p);
void er_worker_fetch_stop(er_worker *w, uint64_t number);
/* All of them. */
void er_worker_fetch_none(er_worker *w);

/* worker_events.c */
/* For the isolates; the context is the worker. */
er_isolate_events er_worker_isolate_events(er_worker *w);
/* Lines that still wait, as they are. */
void er_worker_write_unsettled(er_worker *w);
/* The same of an exchange that no client asked: it has no line of the access log. */
void er_worker_count_named(er_worker *w, const er_finished *f);
/* er_server_options.finished: the account of an exchange is as complete as its answer is. */
void er_worker_finished(void *ctx, const er_finished *f);
/* Hands the lines so far to the writer of the access log. */
void er_worker_submit_log(er_worker *w);

#endif
