/* Who asks the control API, and what they may do. Control thread. */
#ifndef ER_CONTROL_AUTH_H
#define ER_CONTROL_AUTH_H

#include "store/store.h"

typedef struct er_call er_call;
typedef struct er_auth er_auth;

/* Who asks. Slices live as long as the call. */
typedef struct er_actor {
	er_slice name;
	er_role role;
	er_slice *routines; /* n_routines 0: all */
	size_t n_routines;
	er_slice *hosts; /* granted: "www.example.com", "*.example.com" */
	size_t n_hosts;
	er_slice *kv; /* granted: er_kv_grant_name */
	size_t n_kv;
} er_actor;

/* The count of failures by address; the tokens themselves are in the store. */
er_auth *er_auth_new(void);
void er_auth_free(er_auth *a);
/* Who is it? False: call->problem. */
bool er_auth_check(er_auth *a, er_store *store, er_call *call);
/* May this actor do that? False: call->problem. */
bool er_auth_allows(er_call *call);
/* Borrows the row's slices. */
er_actor er_actor_of(const er_token_row *row);
/* The token is confined to no routine, or to this one among others. */
bool er_actor_has(const er_actor *actor, er_slice routine);
/* The token is confined to no routine, or was granted this namespace of the KV: to read, or to read
 * and write. */
bool er_actor_opens(const er_actor *actor, er_slice namespace, bool to_write);
/* "shop, cart and 3 more": what the caller's token is confined to. In the call's arena. */
er_slice er_actor_routines(er_call *call);
/* A new token: "er_" and 43 letters of base64url. Lives in a. */
er_slice er_auth_token(er_arena *a);

#endif
