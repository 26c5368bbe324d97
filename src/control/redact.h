/* Secrets do not leave the node in what a routine prints or throws: their values are replaced by
 * ***. Values below REDACT_LEAST bytes are let alone: they would be found everywhere. Strings that
 * a routine itself changed (base64, parts of a secret) are not recognised. */
#ifndef ER_CONTROL_REDACT_H
#define ER_CONTROL_REDACT_H

#include "base/arena.h"
#include "base/jsonc.h"
#include "store/store.h"

enum { ER_REDACT_LEAST = 6 };

typedef struct er_secrets er_secrets;

/* The secrets of a routine in an environment, from the store; also when they cannot be read (then
 * there are none, and *err says why). */
er_secrets *er_secrets_read(er_store *store, er_slice routine, er_env env, er_err *err);
/* Wipes them. NULL is fine. */
void er_secrets_free(er_secrets *s);
bool er_secrets_none(const er_secrets *s);
/* Overwrites the strings of an `env` object that was parsed: their arena goes back to the heap. */
void er_secrets_wipe(const er_json *env);
/* s itself if it holds no secret, else a copy in a. */
er_slice er_secrets_hide(const er_secrets *s, er_arena *a, er_slice text);

#endif
