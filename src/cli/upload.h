/* Sends the static files of a version that the node has not got yet. */
#ifndef ER_CLI_UPLOAD_H
#define ER_CLI_UPLOAD_H

#include "cli/folder.h"
#include "cli/remote.h"

typedef struct er_upload {
	uint64_t files, bytes; /* that were sent */
} er_upload;

/* Asks the node which it lacks and sends these, with a line of progress at a terminal.
 * False: said. */
bool er_upload_files(er_remote *r, const char *routine, const er_folder *f, er_upload *out);
/* [{"path", "sha256", "bytes"}], as a deploy names them. */
void er_upload_put(er_out *o, const char *key, const er_folder *f);

#endif
