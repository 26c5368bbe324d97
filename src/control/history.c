#include "control/internal.h"

bool er_split_same(const er_split *a, const er_split *b)
{
	return a->version[0] == b->version[0] && a->version[1] == b->version[1] && (a->version[1] == 0 || a->percent == b->percent);
}

static bool restores(const er_deployment_row *row)
{
	return er_slice_starts(row->reason, ER_LIT("rollback")) || er_slice_starts(row->reason, ER_LIT("guard")) ||
	       er_slice_starts(row->reason, ER_LIT("activation failed"));
}

int er_history_before(const er_deployment_row *rows, size_t n)
{
	size_t at = 0;
	if (n == 0)
		return -1;
	/* What the present one restored: the nearest deployment before it of the same versions that was none itself. */
	for (size_t i = 1; restores(&rows[0]) && i < n; i++)
		if (!restores(&rows[i]) && er_split_same(&rows[i].split, &rows[0].split)) {
			at = i;
			break;
		}
	/* Before that, whatever ran: also what was restored there, and never what it was restored from. */
	for (size_t i = at + 1; i < n; i++)
		if (!er_split_same(&rows[i].split, &rows[at].split))
			return (int)i;
	return -1;
}
