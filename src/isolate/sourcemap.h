/* Source maps, revision 3 (ECMA-426): from the one script that runs back to the files that its
 * author wrote, and the engine's stacks rewritten with them.
 *
 * Both inputs are hostile: the map comes from whoever deployed the routine, the stack from a
 * sandbox. Parsing is bounded in time and memory (a map of at most 32 MB, 65,536 sources, a
 * million mappings of 16 bytes), a lookup is a binary search, and what is written is at most 200
 * lines of at most 600 bytes (50 frames in a row), without control characters.
 *
 * A parsed map is immutable: any thread. Positions that people see count from 1. */
#ifndef ER_ISOLATE_SOURCEMAP_H
#define ER_ISOLATE_SOURCEMAP_H

#include "base/buf.h"
#include "base/err.h"

typedef struct er_sourcemap er_sourcemap;

/* NULL: not a source map that we take; *err says why. An empty slice is an error too: callers
 * that have no map pass NULL below. */
er_sourcemap *er_sourcemap_parse(er_slice json, er_err *err);
void er_sourcemap_free(er_sourcemap *m);

typedef struct er_source_pos {
	er_slice source; /* as in the map's "sources"; lives as long as the map */
	uint32_t line, column;
} er_source_pos;
/* line and column of the script, from 1. False: nothing is mapped there. */
bool er_sourcemap_find(const er_sourcemap *m, uint32_t line, uint32_t column, er_source_pos *out);

/* The other way, for what er_sourcemap_find said: where that stands in the script (out->source is
 * empty). It looks at every mapping. */
bool er_sourcemap_back(const er_sourcemap *m, er_slice source, uint32_t line, uint32_t column, er_source_pos *out);

/* Appends the frames of a JavaScriptCore stack ("fn@url:line:column" a line) as "    at fn
 * (src/index.ts:12:5)" lines. Frames of `source_url` are mapped if there is a map (m may be
 * NULL); frames of the prelude ("er:...") and of the bundler's wrapping are left out. A line
 * that begins with ER_STACK_TEXT is no frame but text between two stacks ("caused by ..."),
 * indented by two. */
enum { ER_STACK_TEXT = '\t' };
void er_sourcemap_stack(const er_sourcemap *m, er_slice source_url, er_slice jsc_stack, er_buf *out);

/* Reads a frame as that writes it. name: empty if it has none. False: it has no place. */
bool er_stack_place(er_slice frame, er_slice *name, er_slice *path, uint64_t *line, uint64_t *column);

/* Is there anything in a console line that er_sourcemap_text would change? */
bool er_sourcemap_text_wants(er_slice source_url, er_slice text);
/* Appends the text with every frame in it written as er_sourcemap_stack does: lines that are
 * frames, and frames and positions inside of lines. At most 200 of them; the rest is left as it
 * is. */
void er_sourcemap_text(const er_sourcemap *m, er_slice source_url, er_slice text, er_buf *out);

#endif
