/* A routine's project: the folder of er.jsonc and what is written there, or a single source file
 * with every default.
 *
 *     {
 *       "name": "shop-auth",                     // [a-z0-9-], at most 63; default: the folder's (or file's) name
 *       "main": "src/index.ts",                  // default: the first of src/index.ts, src/index.js, index.ts, index.js
 *       "compat": { "envLast": false,            // fetch(request, ctx, env) instead of fetch(request, env, ctx)
 *                   "classic": false,            // for code of the first generation
 *                   "nodejs": false,             // Buffer and process exist without an import
 *                   "redirect": "follow" },      // or "manual": fetch()'s default, and that of "classic"
 *       "routes": ["shop.example/api*"],         // or { "production": [...], "staging": [...] }
 *       "limits": { "cpuMs": 50, "loadCpuMs": 400, "memoryMb": 128, "responseMs": 120000, "subrequests": 32, "timers": 1000,
 *                   "idleSeconds": 1800, "codeBytes": 1048576 },
 *       "vars": { "GREETING": "hello" },         // env.GREETING; any JSON
 *       "kv": ["sessions"],                      // env.sessions; or {"SESSIONS": "sessions"}
 *       "services": { "AUTH": "auth" },          // env.AUTH.fetch() asks the routine auth; or ["auth"]
 *       "crons": ["0 3 * * *"],              // when its scheduled event comes (model/cron.h)
 *       "profile": "standard",                   // or "hardened": no JIT, no WebAssembly
 *       "fallback": false                        // on a failure before the answer: the standard CDN process answers
 *     }
 *
 * Everything lives in the project's arena. */
#ifndef ER_CLI_PROJECT_H
#define ER_CLI_PROJECT_H

#include "base/arena.h"
#include "base/err.h"
#include "cli/caret.h"
#include "channel/frame.h"
#include "assets/files.h"
#include "isolate/routine.h"
#include "store/store.h"

/* All of it lies in the arena; er_project_free ends everything at once. */
typedef struct er_project {
	er_arena arena;
	char *root; /* absolute folder */
	/* put before a path that is relative to root, it gives one relative to the current folder: "",
	 * "shop/", "../" */
	er_slice prefix;
	char *file;     /* er.jsonc, as shown; NULL: there is none */
	char *file_abs; /* its absolute path; NULL: there is none */
	char *main;     /* entry, relative to root; NULL: static files alone */
	er_slice name;
	uint32_t compat;
	struct er_project_routes {
		er_slice *v;
		size_t n;
	} routes[ER_ENV_COUNT_]; /* by er_env; written as one list: both have it */
	er_data_binding *kv;
	size_t n_kv;
	er_data_binding *services;
	size_t n_services;
	er_slice crons; /* a line each */
	/* as written in er.jsonc, or empty: what a deploy sends */
	er_slice compat_json, limits_json, kv_json, services_json, crons_json;
	er_limits limits;
	er_slice vars;        /* JSON text of an object */
	er_slice assets_json; /* as written in er.jsonc; empty: it has no static files */
	er_assets_settings assets;
	char *assets_folder; /* absolute */
	enum er_profile profile;
	bool fallback;
	/* what its script is called where it runs; empty: "routine.js" */
	er_slice source_url;
} er_project;

/* `where`: an entry file, a folder, or NULL for the current folder. er.jsonc is looked for there
 * and in the folders above. False: `*diag` says what is wrong and where; it lives as long as the
 * project, which must be freed in either case. */
ER_MUST_CHECK bool er_project_load(er_project *p, const char *where, er_diag *diag);
void er_project_free(er_project *p);
/* The routine as a node runs it. Takes both pieces. `allow`: private addresses that subrequests may
 * reach (at the desk). */
er_routine *er_project_routine(const er_project *p, er_piece code, er_piece map, er_slice version, er_cidr *allow,
                               size_t n_allow);
/* Reads a whole file of at most `max` bytes into the arena. False: *err says why. */
ER_MUST_CHECK bool er_project_read(er_arena *a, const char *path, size_t max, er_slice *out, er_err *err);

#endif
