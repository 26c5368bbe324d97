/* The settings of a version: what er.jsonc says about running (name, main, compat, routes, limits,
 * vars, profile, fallback, kv, services, assets), as JSON that came over the wire, lies in the
 * store or stands in a file, checked member by member. The one reader serves the API, which
 * refuses, the gateway, which makes an er_routine of a stored version or of one of node.jsonc, and
 * the tool, which reads the file. Mistakes know their place in the text.
 *
 * Pure: everything it returns lives in the caller's arena (or in the JSON it was given). */
#ifndef ER_CONTROL_SETTINGS_H
#define ER_CONTROL_SETTINGS_H

#include "assets/files.h"
#include "base/chunk.h"
#include "base/jsonc.h"
#include "control/problem.h"
#include "isolate/routine.h"
#include "model/names.h"
#include "model/limits.h"
#include "store/store.h"

enum {
	ER_SETTINGS_ROUTES = 100,
	ER_SETTINGS_KV = 100, /* and of services */
	ER_SETTINGS_CRONS = 50,
	ER_SETTINGS_PATTERNS = 100,   /* of assets.runRoutineFirst */
	ER_SETTINGS_VARS = 32 * 1024, /* bytes of a version's own variables, as JSON */
	/* Bytes of an environment's variables and secrets, as JSON: with a version's own they must fit
	 * one frame to the sandbox. */
	ER_SETTINGS_STORED = 24 * 1024,
};

typedef struct er_settings {
	er_slice name, main;
	er_limits limits; /* ER_LIMITS_DEFAULT where nothing is said */
	uint32_t compat;  /* ER_COMPAT_* */
	enum er_profile profile;
	bool fallback;
	er_slice *routes; /* "host/path*", in the one spelling of er_pattern_normal */
	size_t n_routes;
	er_data_binding *kv; /* namespaces that the code opens, as members of env */
	size_t n_kv;
	er_data_binding *services; /* routines that the code calls, likewise */
	size_t n_services;
	er_slice crons; /* when its scheduled event comes: expressions (model/cron.h), a line each */
	er_slice vars;  /* an object, as JSON text */
	bool has_assets;
	er_assets_settings assets; /* of static files, if it has some */
} er_settings;
#define ER_SETTINGS_DEFAULT ((er_settings){.limits = ER_LIMITS_DEFAULT, .vars = ER_LIT("{}")})

/* v: an object, or NULL for every default. The path in front of field names is `at` ("settings", or
 * empty). */
ER_MUST_CHECK bool er_settings_read(er_arena *a, const er_json *v, er_slice at, er_settings *out, er_problem *problem);
/* What v says takes the place of what is in *out; the rest stays. */
ER_MUST_CHECK bool er_settings_more(er_arena *a, const er_json *v, er_slice at, er_settings *out, er_problem *problem);
/* The same of a project's file, which may say its "routes" for each environment: {"production":
 * [...], "staging": [...]}. */
ER_MUST_CHECK bool er_settings_file(er_arena *a, const er_json *v, er_env env, er_settings *out, er_problem *problem);
/* An object of limits that are rows of a table (model/limits.h), into the struct that they belong
 * to. What is not said stays. */
ER_MUST_CHECK bool er_settings_limits(const er_json *v, er_slice at, const er_limit *rows, size_t n, void *out,
                                      er_problem *problem);
/* From JSON text (of the store). */
ER_MUST_CHECK bool er_settings_parse(er_arena *a, er_slice json, er_settings *out, er_problem *problem);
/* Appends v, a checked object, in one spelling: known members in one order, without name. The same
 * settings are then the same bytes, which the store compares. */
void er_settings_write(er_buf *b, const er_json *v);
/* No limit above the node's maximum. */
ER_MUST_CHECK bool er_settings_within(const er_settings *s, const er_limits *most, er_slice at, er_problem *problem);
/* The `env` object of a routine: a version's own variables, and over them what the store says for
 * the environment (er_store_env). Both are JSON objects; where a name is in both, the later one
 * holds (ECMA-262 JSON.parse). The piece is wiped when it is dropped. */
er_piece er_settings_env(er_slice vars, er_slice stored);

#endif
