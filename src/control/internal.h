/* Inside src/control: the object, a call (one request of the API on its way), a job (one deployment
 * on its way). */
#ifndef ER_CONTROL_INTERNAL_H
#define ER_CONTROL_INTERNAL_H

#include "base/json_out.h"
#include "base/jsonc.h"
#include "base/rounds.h"
#include "control/auth.h"
#include "control/content.h"
#include "control/control.h"
#include "control/members.h"
#include "control/problem.h"
#include "control/settings.h"
#include "control/world.h"
#include "store/kv.h"

enum {
	ER_CONTROL_MAGIC = 0x4354524c,
	ER_CALL_MAGIC = 0x4341444c,
	/* bytes of bodies that are being read or worked on, all together */
	ER_UPLOADS_MAX = 160 << 20,
	ER_UPLOADS_SHARE = 64 << 20, /* of one token */
	ER_BODY_MAX = 24 << 20,      /* of one code upload */
	ER_BULK_MAX = 37 << 20,      /* of one bulk import: the longest value as base64, and some */
	ER_JSON_VALUES = 400000,     /* in one body */
	ER_JOBS_MAX = 256,           /* deployments that wait */
	/* of one token: who floods waits behind others, and not they behind it */
	ER_JOBS_SHARE = 32,
	ER_PROBES_MAX = 4, /* of them, tried in a sandbox at the same time */
};

typedef struct er_hub er_hub;
typedef struct er_guards er_guards;

/* One change that waits for its activation, or is in the one that runs. */
typedef struct er_activation {
	er_list link;
	/* takes back in the store what could not be activated; NULL: it stays */
	void (*undo)(void *ctx);
	void (*done)(void *ctx, const er_err *err);
	/* instead of `done` when control closes: frees ctx; NULL: ctx has another owner */
	void (*drop)(void *ctx);
	void *ctx;
} er_activation;

/* The control plane of a node, all of it on the control thread. Freed by er_control_end. */
struct er_control {
	uint32_t magic;
	er_control_options o;
	er_handler remote, local;
	er_world *world;
	er_auth *auth;
	er_hub *hub;
	er_guards *guards;
	er_list calls;     /* all, so that closing finds them */
	er_list exports;   /* bulk answers that are still being read */
	er_list downloads; /* other long ones; what follows: of both (download.h) */
	unsigned n_downloads;
	uint64_t download_bytes;
	struct er_backup *backup;
	er_prefetches *prefetches;
	er_content_flight contents[ER_CONTENTS_MAX]; /* documents on their way (api_prefetch.c) */
	/* bytes of bodies that calls hold, bounded by ER_UPLOADS_MAX */
	size_t uploads;
	er_list jobs; /* in the order in which they came */
	/* length of `jobs`; how many of them are being tried in a sandbox */
	unsigned n_jobs, probes;
	er_rounds activations;
	/* what failed was taken back, and the node is given the store's picture once more */
	bool repairing;
	er_err failure; /* why, while repairing */
	bool paused;    /* no change may be applied */
	bool on_disk;   /* what the cache has may be on a disk */
	/* ticks until static files are swept again */
	unsigned assets_ticks;
	struct er_asset_sweeping *sweeping; /* under way on a thread of the pool, or NULL */
	uv_timer_t tick;
	unsigned ticks;
	bool sweeps; /* there are more expired KV entries than one tick removes */
	/* handles_closed: nothing of it is on the loop any more, but perhaps a backup */
	bool closing, handles_closed;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* ---- api.c: the table ---- */

typedef enum er_api_body { ER_API_NONE, ER_API_JSON, ER_API_BYTES } er_api_body;

/* A row of the API. What it says is checked before `run` is called, which answers the call. */
typedef struct er_api {
	const char *method;
	const char *path;  /* "/v1/routines/{routine}/versions/{version}" */
	const char *query; /* names of parameters, comma between; "" */
	er_role role;      /* at least */
	bool confined;     /* a token that is confined to routines may call it */
	er_api_body body;
	uint32_t most; /* bytes of the body */
	void (*run)(er_call *call);
} er_api;

/* All of it, for the tests that hold docs/openapi.json to it. */
const er_api *er_api_table(size_t *n);
/* Finds the entry and fills the call's parameters. False: call->problem. */
bool er_api_match(er_call *call);

/* ---- grant.c ---- */
/* What is asked about rules of one environment in one call. */
typedef struct er_grant {
	er_control *control;
	er_arena *arena;
	const er_actor *actor;
	er_env env;
	bool read; /* the rules of others are below */
	/* arrays of er_pattern: those of the lists; those that came with versions */
	er_buf listed, own[ER_ENV_COUNT_];
} er_grant;
/* Reads nothing yet: the rules of others come from the store when a rule is first asked about. */
void er_grant_init(er_grant *g, er_control *control, er_arena *a, const er_actor *actor, er_env env);
void er_grant_fini(er_grant *g);
/* May this actor put a rule with that pattern into force for a routine of its own? False:
 * *problem. */
ER_MUST_CHECK bool er_grant_allows(er_grant *g, er_slice pattern, er_problem *problem);
/* A host that is granted to a token, in its one spelling. */
ER_MUST_CHECK bool er_grant_read(er_arena *a, er_slice text, er_slice at, er_slice *out, er_problem *problem);

/* ---- call.c ---- */

/* A request to the API, from er_call_handle to its answer. It lives also if its client leaves,
 * because what it has begun goes on. */
struct er_call {
	uint32_t magic;
	er_control *control;
	er_exchange *x; /* a reference */
	er_list link;
	const er_api *api;
	er_arena *arena; /* the exchange's */
	er_slice routine, ns, key, name, path, query;
	uint32_t version;
	uint64_t number; /* of a job */
	er_env env;      /* of the path */
	er_actor actor;
	char source[64]; /* client address, for the log */
	bool local;
	/* The body and what was parsed of it may hold secrets: overwritten when they go, whatever their
	 * size. */
	er_buf body;
	er_arena parsed;
	/* its body is being read; calls that have none never read */
	bool reading;
	const er_json *json; /* of ER_API_JSON; an empty object if nothing was sent */
	er_problem problem;
	er_out out;
	int status; /* of the answer, while `activation` waits */
	er_activation activation;
};

/* Do both come with the same token? What comes by the socket has none. */
bool er_call_same_token(const er_call *a, const er_call *b);
/* Sends call->out with that status; frees the call. */
void er_call_answer(er_call *call, int status);
/* Sends call->problem; frees the call. */
void er_call_refuse(er_call *call);
/* A body of its own. Takes the reference; frees the call. */
void er_call_stream(er_call *call, int status, er_slice type, er_body *body);
/* Adds a header to the answer that follows. */
void er_call_header(er_call *call, er_slice name, er_slice value);
/* Frees the call, which must have been answered or its asker gone. */
void er_call_drop(er_call *call);
/* The key of a KV value, out of the path or the query. False: call->problem. */
bool er_call_take_key(er_call *call, er_slice value);
/* "%41" and the like; false: broken. Lives in the call's arena. */
bool er_call_decode(er_call *call, er_slice raw, er_slice *out);
/* The parameter of the query, decoded; p NULL: not given. False: call->problem. */
bool er_call_query(er_call *call, er_slice name, er_slice *out);
/* A number with bounds; *out stays as it is when not given. */
bool er_call_query_number(er_call *call, er_slice name, uint64_t least, uint64_t most, uint64_t *out);
/* "environment"; production when not given and not required. */
bool er_call_query_env(er_call *call, bool required, er_env *out);
/* call->json against members. */
#define er_call_members(call, members, into) \
	er_members_read((call)->json, (er_slice){0}, members, sizeof(members) / sizeof *(members), into, &(call)->problem)
/* A change in the name of the caller. */
er_change er_call_change(const er_call *call, er_change_kind kind);
/* False, with the reason: another process is taking over. Whatever changes the store asks this
 * first. */
ER_MUST_CHECK bool er_control_may_change(const er_control *c, er_problem *problem);
/* er_store_apply, and the world is right again afterwards. */
ER_MUST_CHECK bool er_control_apply(er_control *c, const er_change *changes, size_t n, er_applied *applied, er_problem *problem);
/* The same for a call; false: call->problem. */
bool er_call_apply(er_call *call, const er_change *changes, size_t n, er_applied *applied);
/* Applies one change, and writes what such a call is answered with: {"sequence": N}. False:
 * refused, and answered. */
ER_MUST_CHECK bool er_call_apply_one(er_call *call, const er_change *change);
/* After er_call_apply: activates, then answers with call->out and `status` (or says that it could
 * not be activated). */
void er_call_activate(er_call *call, int status);

/* ---- receive.c ---- */
/* A request of the API, from here on to its end. */
void er_call_handle(void *self, er_exchange *x, bool local);
/* Closing: answers 503, wherever it was. */
void er_call_abandon(er_call *call);

/* ---- activate.c ---- */
/* Puts the store's picture into force, for this and all that wait with it; then a->done. */
void er_activate(er_control *c, er_activation *a);

/* ---- deploy.c, job.c ---- */
void er_deploy_version(er_call *call); /* POST versions */
void er_deploy_new(er_call *call);     /* POST deploy */
void er_deploy_set(er_call *call);     /* PUT environments/E */
/* POST publish: production runs what staging runs. */
void er_deploy_publish(er_call *call);
/* POST rollback: to what ran before, or to a version that is named. */
void er_deploy_rollback(er_call *call);
/* By the guard: back to what ran before `deployment`, unless something else was deployed
 * meanwhile. */
void er_deploy_back(er_control *c, er_slice routine, er_env env, uint64_t deployment, const char *reason);
/* Closing: forgets all of them; their calls are answered by whoever closes. */
void er_jobs_drop(er_control *c);

/* ---- guard.c ---- */
/* What a guard does: back to what ran before `deployment`. */
typedef void er_guard_back(er_control *c, er_slice routine, er_env env, uint64_t deployment, const char *reason);
er_guards *er_guards_new(er_control *c, er_guard_back *back);
void er_guards_free(er_guards *g);
/* A deployment with a guard goes live; `before`: the last counters of what ran until now (n_before
 * versions of `split`). */
void er_guard_watch(er_guards *g, const er_deployment_row *row, const er_split *before, const er_version_counters *counters);
/* Something else runs there now. */
void er_guard_forget(er_guards *g, er_slice routine, er_env env);
/* Looks at the counters of all that are watched; may deploy (er_deploy_back). */
void er_guards_tick(er_guards *g, uint64_t now_us);
/* "", "watching", "passed" for what runs there; "went-back": the guard of the deployment before
 * made this one. */
const char *er_guard_state(const er_guards *g, const er_deployment_row *row);

/* ---- tail_hub.c ---- */
er_hub *er_hub_new(er_control *c);
void er_hub_free(er_hub *h);
/* To every tail whose filter takes it, and into the history. */
void er_hub_event(er_hub *h, const er_tail_event *e);
/* n events did not fit the queue: tails say so to their clients. */
void er_hub_lost(er_hub *h, uint64_t n);
void er_hub_tick(er_hub *h, uint64_t now_us);
/* GET tail: the call becomes a stream that ends with the client. */
void er_hub_tail(er_hub *h, er_call *call);
/* Ends the tails that were opened with a token that is no longer one. */
void er_hub_revoked(er_hub *h, er_slice token);
/* GET logs: what the history has, and then it ends. */
void er_hub_logs(er_hub *h, er_call *call);
/* A deployment went live, or was taken back. */
void er_hub_deployed(er_hub *h, const er_deployment_row *row, er_slice text);

/* ---- api_kv_bulk.c ---- */
void er_exports_drop(er_control *c);

/* ---- purge_tidy.c ---- */
/* The cache's table of purges and the store's are kept short. */
void er_purges_tidy(er_control *c);

/* ---- api_node.c ---- */
/* A backup runs in a thread of the pool, and calls `over` when it has ended; false: none runs. */
bool er_backup_await(er_control *c, void (*over)(er_control *c));
/* Its call is about to be answered. */
void er_backup_forget(er_control *c);

/* ---- what several families write ---- */
void er_out_split(er_out *out, const char *key, const er_split *split);
void er_out_guard(er_out *out, const char *key, const er_guard *guard);
/* Those routines of node.jsonc that the caller may see, as elements of the list that is open in the
 * answer. */
void er_out_file_routines(er_call *call, bool versions);

/* ---- the families: what the table calls. Each answers and ends its call ---- */
typedef void er_api_fn(er_call *call);
er_api_fn er_api_root, er_api_openapi, er_api_whoami, er_api_status, er_api_audit, er_api_backup, er_api_rotate_key,
    er_api_reload, er_api_upgrade, er_api_routines, er_api_routine, er_api_routine_delete, er_api_versions, er_api_version,
    er_api_version_code, er_api_version_map, er_api_version_delete, er_api_prune, er_api_deployments, er_api_environment,
    er_api_vars, er_api_var, er_api_var_put, er_api_var_delete, er_api_secrets, er_api_secret_put, er_api_secret_bulk,
    er_api_secret_delete, er_api_addresses, er_api_address_allow, er_api_address_deny, er_api_routes, er_api_routes_put,
    er_api_route_add, er_api_route_delete, er_api_route_test, er_api_namespaces, er_api_namespace_put, er_api_namespace_delete,
    er_api_keys, er_api_value, er_api_value_put, er_api_value_delete, er_api_bulk_in, er_api_bulk_out, er_api_tokens,
    er_api_token_add, er_api_token_delete, er_api_tail, er_api_logs, er_api_sites, er_api_site, er_api_site_put,
    er_api_site_delete, er_api_purge, er_api_cache, er_api_explain, er_api_prefetch, er_api_prefetch_list, er_api_prefetch_job,
    er_api_prefetch_cancel, er_api_content, er_api_assets_missing, er_api_assets_put, er_api_crons_all, er_api_crons,
    er_api_cron_run, er_api_cron_history;

#endif
