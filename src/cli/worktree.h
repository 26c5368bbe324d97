/* Is a folder in a git work tree, and would git take it? For a warning: a data folder with secrets
 * and keys does not belong into a repository. Git itself is not started: what a repository says
 * could run programs. Its ignore files are read here (gitignore(5), without the user's own). */
#ifndef ER_CLI_WORKTREE_H
#define ER_CLI_WORKTREE_H

#include "base/arena.h"

/* The work tree that would take `folder` (which exists), in the arena; NULL: there is none, or it
 * ignores the folder. */
const char *er_worktree_of(er_arena *a, const char *folder);

#endif
