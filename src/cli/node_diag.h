/* What is wrong with a node's configuration, and what is allowed but probably not meant. */
#ifndef ER_CLI_NODE_DIAG_H
#define ER_CLI_NODE_DIAG_H

#include "base/arena.h"
#include "cli/caret.h"
#include "gateway/config.h"

/* "path:line:column: text", as er_config_load says it, at its place with the line that it is about.
 * A text without a place belongs to `file`. */
er_diag er_node_diag(er_arena *a, const char *file, const char *text);

enum { ER_NODE_WARNINGS_MAX = 64 };

typedef struct er_node_warnings {
	er_arena *arena;
	const char *file;
	er_diag v[ER_NODE_WARNINGS_MAX];
	size_t n;
} er_node_warnings;

/* What this machine would not let the node do (errors), and what would surprise its operator
 * (warnings). */
void er_node_warn(er_node_warnings *w, const er_config *c);

#endif
