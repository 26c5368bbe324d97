/* What the desk's commands share: showing what a build said. The commands themselves: each takes its own name as argv[0] and returns
 * the exit status (args.h). */
#ifndef ER_CLI_DESK_H
#define ER_CLI_DESK_H

#include "cli/bundler.h"

int er_cmd_init(int argc, char **argv);
int er_cmd_build(int argc, char **argv);
int er_cmd_check(int argc, char **argv);
int er_cmd_dev(int argc, char **argv);

/* Writes diagnostics to standard error, as text. */
void er_desk_show(const er_diag *diags, size_t n);
/* The same for a failed command: with `json` as {"ok":false,"errors":[...],"warnings":[...]} on standard output. */
void er_desk_show_failure(const er_diag *diags, size_t n, bool json);
/* Loads the project and builds it once; what goes wrong is shown. NULL: it failed. The project must be freed in either case. */
er_bundle *er_desk_build(er_project *p, const char *where, er_minify minify, bool json);

#endif
