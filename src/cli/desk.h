/* What the desk's commands share: building, and showing what a build said. */
#ifndef ER_CLI_DESK_H
#define ER_CLI_DESK_H

#include "cli/bundler.h"

/* Writes diagnostics to standard error, as text. */
void er_desk_show(const er_diag *diags, size_t n);
/* The same for a failed command: with `json` as
 * {"ok":false,"error":{"code","message"},"errors":[...],"warnings":[...]} on standard output. */
void er_desk_show_failure(const er_diag *diags, size_t n, bool json);
/* ,"error":{...} of the first error there is; nothing if there is none. */
void er_desk_json_error(er_out *o, const er_diag *diags, size_t n);
/* Loads the project and builds it once (`globals`: with its free names); what goes wrong is shown.
 * A project of static files alone has a bundle without code. NULL: it failed. The project must be
 * freed in either case. */
er_bundle *er_desk_build(er_project *p, const char *where, er_minify minify, bool globals, bool json);

#endif
