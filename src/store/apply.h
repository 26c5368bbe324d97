/* One er_store_apply under way, and the functions that know one kind of change each. They write
 * tables and say what the log keeps of it; a change that would change nothing writes no log row and
 * takes no sequence. */
#ifndef ER_STORE_APPLY_H
#define ER_STORE_APPLY_H

#include "base/json_out.h"
#include "store/room.h"

/* One transaction under way: what its changes have become so far. */
typedef struct er_apply {
	er_store *s;
	er_db *db;
	er_err *err;
	er_applied out;
	int64_t now_ms;
	/* the routine of the last VERSION_ADD, borrowed from the change; its number is out.version */
	er_slice added;
	bool namespaces; /* the list of namespaces is another one now */
	bool freed;      /* rows of size were removed */
} er_apply;

typedef bool er_apply_fn(er_apply *a, const er_change *c);

/* change_version.c */
er_apply_fn er_apply_routine_delete, er_apply_version_add, er_apply_version_delete;
/* change_deploy.c */
er_apply_fn er_apply_deploy, er_apply_routes;
/* change_setting.c */
er_apply_fn er_apply_var_set, er_apply_secret_set, er_apply_setting_delete;
/* change_access.c */
er_apply_fn er_apply_token_add, er_apply_token_delete;
er_apply_fn er_apply_namespace_add, er_apply_namespace_delete;
er_apply_fn er_apply_address_allow, er_apply_address_deny; /* change_address.c */
/* Of a change of a site: what it says is purged with it. */
bool er_apply_purge_of_site(er_apply *a, const er_change *c);
er_apply_fn er_apply_site_set, er_apply_site_delete; /* change_site.c */
er_apply_fn er_apply_purge;                          /* change_purge.c */
er_apply_fn er_apply_key_rotate;                     /* rotate.c */

/* change.c: what all kinds have in common. */
/* The first and the last of a transaction: the sequence into out.sequence, and from there. *before:
 * as it was. */
ER_MUST_CHECK bool er_sequence_read(er_apply *a, uint64_t *before);
ER_MUST_CHECK bool er_sequence_write(er_apply *a, uint64_t before);

/* Takes the next sequence and writes the log row; `data` is an object that is still open. It is
 * closed and emptied. */
ER_MUST_CHECK bool er_apply_log(er_apply *a, const er_change *c, er_out *data);
ER_MUST_CHECK bool er_apply_known(er_apply *a, er_slice routine);
/* Runs a statement with one text. */
ER_MUST_CHECK bool er_apply_run_text(er_apply *a, const char *sql, er_slice text);

/* history.c: removes what is more than the store keeps. `before`: the sequence that the transaction
 * began with. */
ER_MUST_CHECK bool er_trim_deployments(er_apply *a, er_slice routine);
ER_MUST_CHECK bool er_trim_log(er_apply *a, uint64_t before);

/* The start of a log row's data: an object; its environment. */
er_out er_log_begin(void);
void er_log_env(er_out *data, er_env env);

#endif
