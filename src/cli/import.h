/* er init --from DIR: tools/import.mjs makes a project of ours out of another one; this starts it
 * and shows what it says. */
#ifndef ER_CLI_IMPORT_H
#define ER_CLI_IMPORT_H

#include <stdbool.h>

/* `name` may be NULL: the other project's. Returns the exit status. */
int er_import(const char *from, const char *name, bool json);

#endif
