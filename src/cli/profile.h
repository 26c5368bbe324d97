/* Which node a command talks to, in this order: --node, --profile, ER_NODE, ER_PROFILE, the profile
 * that `er login` made the current one, and then a node of this machine: ./data/admin.sock,
 * /var/lib/edgeroutine/admin.sock. ER_TOKEN goes before a profile's token; a profile's token is
 * sent to its own node only.
 *
 * The profiles are one JSON file, $XDG_CONFIG_HOME/edgeroutine/profiles.json (or ~/.config/...),
 * mode 0600 because tokens are in it:
 *     {"current": "default", "profiles": {"default": {"node": "https://...", "token": "er_...", "ca":
 * "/path"}}} */
#ifndef ER_CLI_PROFILE_H
#define ER_CLI_PROFILE_H

#include "base/json_tree.h"
#include "cli/client.h"

typedef struct er_profiles {
	er_arena arena;
	char *path;
	const er_json *root; /* as above, always well-formed; what else is in the file stays there */
} er_profiles;

/* An absent file is an empty one. False: it cannot be read or is none. Fini in either case. */
ER_MUST_CHECK bool er_profiles_load(er_profiles *p, er_err *err);
/* Whole or not at all, mode 0600, its folder 0700. */
ER_MUST_CHECK bool er_profiles_save(const er_profiles *p, er_err *err);
void er_profiles_fini(er_profiles *p);
/* NULL: there is none of that name. */
const er_json *er_profiles_get(const er_profiles *p, const char *name);
/* The current one's name, or NULL. In the arena. */
const char *er_profiles_current(er_profiles *p);
/* A profile of this node, in the place of one of that name, which becomes the current one. token
 * and ca: or NULL. Not saved yet. */
void er_profiles_set(er_profiles *p, const char *name, const char *node, const char *token, const char *ca);
/* There is none of that name any more. Not saved yet. */
void er_profiles_forget(er_profiles *p, const char *name);

/* [a-zA-Z0-9._-], at most 63. */
bool er_profile_name_ok(er_slice name);
/* `node` and `profile`: of the command line, or NULL. NOT_FOUND-like failures are ER_ERR_NO_ROUTE.
 * Fini in either case. */
ER_MUST_CHECK bool er_target_find(er_target *t, const char *node, const char *profile, er_err *err);

#endif
