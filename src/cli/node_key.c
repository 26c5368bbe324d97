/* er node rotate-key: a running node makes a new key for its secrets. */
#include "cli/cli.h"
#include "cli/remote.h"

enum { ROTATE_MS = 600000 };

static void rotate(er_remote *r)
{
	er_answer a;
	er_ask ask = {.method = "POST", .path = ER_LIT("/v1/rotate-key"), .timeout_ms = ROTATE_MS};
	if (er_remote_send(r, &ask, &a)) {
		uint64_t n = er_json_u64(a.json, "secrets");
		if (r->json)
			er_remote_print(&a);
		else
			er_show_printf(
			    "the secrets have a new key; %llu %s encrypted anew (change %llu)\n"
			    "Keep a copy of the data folder's file \"key\" elsewhere. Backups from before need the key from before.\n",
			    (unsigned long long)n, n == 1 ? "is" : "are", (unsigned long long)er_json_u64(a.json, "sequence"));
	}
	er_answer_fini(&a);
}

int er_cmd_node_rotate_key(int argc, char **argv)
{
	er_remote r = {0};
	const er_option options[] = {ER_REMOTE_OPTIONS(&r)};
	const er_command cmd = {
	    .usage = "er node rotate-key [options]",
	    .about =
	        "Makes a new key for a running node's secrets and encrypts all of them with it. Routines keep running and see the "
	        "same values.\n"
	        "It is done whole or not at all, also if the node is killed meanwhile. The file \"key\" of the data folder is the "
	        "new key\n"
	        "afterwards; the old one is gone from there: copy it before if backups that were made with it are to be kept.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	};
	int rc = er_args_parse(&cmd, argc, argv, NULL);
	if (rc >= 0)
		return rc;
	rotate(&r);
	return er_remote_close(&r);
}
