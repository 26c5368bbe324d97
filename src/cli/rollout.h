/* What a deployment's options mean, for er deploy: pure parsers of what a person types, and the
 * body that the API wants. */
#ifndef ER_CLI_ROLLOUT_H
#define ER_CLI_ROLLOUT_H

#include "base/json_out.h"
#include "cli/bundler.h"

enum { ER_ROLLOUT_VERSIONS = 2 };

/* Versions and their shares, which make 100. */
typedef struct er_rollout_split {
	struct {
		uint64_t version, percent;
	} v[ER_ROLLOUT_VERSIONS];
	size_t n;
} er_rollout_split;

/* When a deployment goes back by itself. */
typedef struct er_rollout_guard {
	uint64_t error_percent, p99_percent, least_requests, watch_s;
} er_rollout_guard;

/* "12" or "12:90,13:10". False: *err says what is expected. */
ER_MUST_CHECK bool er_rollout_read_split(er_slice text, er_rollout_split *out, er_err *err);
/* As the API wants it: [{"version": 12, "percent": 90}, ...]. */
void er_rollout_put_split(er_out *o, const char *key, const er_rollout_split *split);
/* "10%" or "10": 1 to 99. */
ER_MUST_CHECK bool er_rollout_percent(er_slice text, unsigned *out, er_err *err);
/* "on", or "errors=5,p99=50,requests=100,watch=300" (each may be left out). */
ER_MUST_CHECK bool er_rollout_read_guard(er_slice text, er_rollout_guard *out, er_err *err);
void er_rollout_put_guard(er_out *o, const char *key, const er_rollout_guard *guard);
/* "90", "90s", "10m", "2h", "1d" in seconds. */
ER_MUST_CHECK bool er_rollout_seconds(er_slice text, uint64_t *out);
/* What er.jsonc says about running, as the API wants it; with the routes of this environment. */
void er_rollout_put_settings(er_out *o, const char *key, const er_project *p, er_env env);

#endif
