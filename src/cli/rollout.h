/* What a deployment's options mean, for er deploy: pure parsers of what a person types, and the
 * body that the API wants. */
#ifndef ER_CLI_ROLLOUT_H
#define ER_CLI_ROLLOUT_H

#include "cli/bundler.h"

#include <jansson.h>

/* "12" or "12:90,13:10" -> [{"version": 12, "percent": 90}, ...]. NULL: *err says what is
 * expected. */
json_t *er_rollout_split(er_slice text, er_err *err);
/* "10%" or "10": 1 to 99. */
ER_MUST_CHECK bool er_rollout_percent(er_slice text, unsigned *out, er_err *err);
/* "on", or "errors=5,p99=50,requests=100,watch=300" (each may be left out) -> the API's guard.
 * NULL: *err. */
json_t *er_rollout_guard(er_slice text, er_err *err);
/* "90", "90s", "10m", "2h", "1d" in seconds. */
ER_MUST_CHECK bool er_rollout_seconds(er_slice text, uint64_t *out);
/* What er.jsonc says about running, as the API wants it; with the routes of this environment. */
json_t *er_rollout_settings(const er_project *p, er_env env);

#endif
