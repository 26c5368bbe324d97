/* The bundler child: node with tools/bundle.mjs, which makes a routine's one script out of its
 * sources. It says one line of JSON a build (tools/bundle.mjs describes it). It is started, read
 * and ended on the caller's uv loop; it ends when its standard input closes, so it never outlives
 * this process, however this process ends. */
#ifndef ER_CLI_BUNDLER_H
#define ER_CLI_BUNDLER_H

#include "base/arena.h"
#include "base/chunk.h"
#include "base/err.h"
#include "cli/caret.h"
#include "cli/project.h"

#include <uv.h>

enum { ER_BUNDLE_INPUTS = 10, ER_BUNDLE_PARTS = 5 };

/* One build. Strings live in its arena. */
typedef struct er_bundle {
	er_arena arena;
	bool ok;            /* code is there and below the size limit */
	er_piece code, map; /* set if ok; er_bundle_free drops what was not taken */
	uint64_t bytes;     /* of the code, also if it is too large */
	uint64_t ms, files;
	er_diag *diags; /* errors and warnings */
	size_t n_diags;
	struct er_bundle_input {
		er_slice path;
		uint64_t bytes;
	} inputs[ER_BUNDLE_INPUTS]; /* the biggest */
	size_t n_inputs;
	/* the biggest, too, but packages as wholes: "path" is how to call one */
	struct er_bundle_input parts[ER_BUNDLE_PARTS];
	size_t n_parts;
	struct er_bundle_global {
		er_slice name;
		er_diag diag; /* for whoever finds that it does not exist */
	} * globals;      /* what the code uses and does not define; NULL: not asked for */
	size_t n_globals;
} er_bundle;

/* Of a project without code. */
er_bundle *er_bundle_none(void);
void er_bundle_free(er_bundle *b);

typedef enum er_minify { ER_MINIFY_DEFAULT, ER_MINIFY_NONE, ER_MINIFY_FULL } er_minify;

typedef struct er_bundler er_bundler;
typedef struct er_bundler_options {
	const er_project *project; /* borrowed until er_bundler_start returns */
	er_minify minify;
	bool globals; /* tell them */
	bool watch;   /* again after every change of a source */
	/* takes b. If the child cannot go on, the last b says so */
	void (*on_bundle)(void *ctx, er_bundle *b);
	/* the child is gone; never after er_bundler_close */
	void (*on_end)(void *ctx);
	void *ctx;
} er_bundler_options;

/* NULL: node or the script is not there. */
er_bundler *er_bundler_start(uv_loop_t *loop, const er_bundler_options *options, er_err *err);
/* Ends the child; no callback comes any more. Freed when the loop has closed its handles. */
void er_bundler_close(er_bundler *bd);
/* Builds once, on a loop of its own. Never NULL: what went wrong is in diags. */
er_bundle *er_bundler_once(const er_project *project, er_minify minify, bool globals);

#endif
