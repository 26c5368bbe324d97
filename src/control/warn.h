/* What a deployment is warned of: it goes on, and its answer says so. Sentences live in the call's
 * arena. */
#ifndef ER_CONTROL_WARN_H
#define ER_CONTROL_WARN_H

#include "control/internal.h"

typedef struct er_warnings {
	er_slice v[24];
	size_t n;
} er_warnings;
/* One more sentence, if there is room; in the arena. */
void er_warn(er_warnings *w, er_arena *a, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* env.NAME in the code that nobody defines. */
void er_warn_env(er_warnings *w, er_control *c, er_arena *a, er_slice routine, er_env env, er_slice code, const er_settings *s);
/* Routes that can never be reached, or that take another routine's requests. */
void er_warn_routes(er_warnings *w, er_control *c, er_arena *a, er_slice routine, er_env env, const er_settings *s,
                    const er_route_rule *rules, size_t n);
/* Namespaces that the version names and the store does not have. */
void er_warn_kv(er_warnings *w, er_control *c, er_arena *a, const er_settings *s);
/* Routines that the version calls and the environment does not have. */
void er_warn_services(er_warnings *w, er_control *c, er_arena *a, er_slice routine, er_env env, const er_settings *s);
void er_warnings_write(const er_warnings *w, er_out *out);

#endif
