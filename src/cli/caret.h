/* A mistake at its place in a file, as compilers show it:
 *
 *     src/index.ts:12:5: error: could not find "lodash"
 *       import _ from "lodash";
 *                     ^^^^^^^^
 *
 * Slices are borrowed. */
#ifndef ER_CLI_CARET_H
#define ER_CLI_CARET_H

#include "base/json_out.h"

typedef struct er_diag {
	bool warning;
	er_slice path;                 /* empty: no place is known */
	unsigned line, column, length; /* from 1, in code points; line 0: only the path is known */
	er_slice text, line_text;
	const struct er_diag *notes;
	size_t n_notes;
} er_diag;

void er_caret_put(er_buf *b, bool colour, const er_diag *d);
/* {"severity":"error","path":...,"line":...,"column":...,"text":...,"notes":[...]} */
void er_caret_json(er_out *o, const char *key, const er_diag *d);
/* [ ... ] of those of one severity. */
void er_caret_json_list(er_out *o, const char *key, const er_diag *d, size_t n, bool warnings);

#endif
