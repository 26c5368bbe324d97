/* er node rotate-key: a running node makes a new key for its secrets. */
#include "cli/row.h"

static void show_rotated(er_row_call *c, const er_json *answer)
{
	(void)c;
	uint64_t n = er_json_u64(answer, "secrets");
	er_show_printf("the secrets have a new key; %llu %s encrypted anew (change %llu)\n"
	               "Keep a copy of the data folder's file \"key\" elsewhere. Backups from before need the key from before.\n",
	               (unsigned long long)n, n == 1 ? "is" : "are", (unsigned long long)er_json_u64(answer, "sequence"));
}

const er_row er_row_node_rotate_key = {
    .usage = "er node rotate-key [options]",
    .about = "Makes a new key for a running node's secrets and encrypts all of them with it. Routines keep running and see the "
             "same values.\n"
             "It is done whole or not at all, also if the node is killed meanwhile. The file \"key\" of the data folder is the "
             "new key\n"
             "afterwards; the old one is gone from there: copy it before if backups that were made with it are to be kept.",
    .request = "POST /v1/rotate-key",
    .wait_ms = 600000,
    .show = show_rotated,
};
