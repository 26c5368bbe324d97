/* The end of a box. When the spawner says that its process is gone, what the process said last is
 * read. A box that held code takes its instance along; one that did not is missed by the pool. */
#include "isolate/internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

void er_death_box(er_box *box, int wait_status, const char *said)
{
	er_instance *in = box->instance;
	ER_ASSERT(box->state != BOX_GONE && (in == NULL || in->box == box));
	bool expected = box->state == BOX_DYING;
	box->pid = 0;
	if (in != NULL) {
		/* What it said before it died still counts: a response that is in the ring is
		 * a response. */
		if (!expected)
			er_frames_read_all(box);
		box->instance = NULL;
		er_instance_died(in, wait_status);
	} else if (!expected || box->counted) {
		char why[320];
		if (said[0] != '\0')
			snprintf(why, sizeof why, "%s", said);
		else if (WIFSIGNALED(wait_status))
			snprintf(why, sizeof why, "killed by signal %d (%s)", WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
		else
			snprintf(why, sizeof why, "exited with status %d", WEXITSTATUS(wait_status));
		er_pool_box_lost(box, why);
	}
	er_box_close(box);
}
