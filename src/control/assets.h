/* The static files of a version, as a request names them. */
#ifndef ER_CONTROL_ASSETS_H
#define ER_CONTROL_ASSETS_H

#include "control/internal.h"

/* Reads [{"path", "sha256", "bytes"}], of at most ER_ASSETS_FILES; checks that all files are on the
 * node, and their rules. Fills the manifest. False: call->problem. */
ER_MUST_CHECK bool er_assets_take(er_call *call, const er_json *array, er_version_data *out);

#endif
