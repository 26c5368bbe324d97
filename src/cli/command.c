/* One command of the tree, whichever it is: whether it runs, running it, and its table
 * of options. */
#include "cli/row.h"

#include "base/mem.h"

bool er_cli_runs(const er_cli_command *c)
{
	ER_ASSERT(c->run == NULL || c->row == NULL); /* one or the other */
	return c->run || c->row;
}

int er_cli_run(const er_cli_command *c, int argc, char **argv)
{
	ER_ASSERT(er_cli_runs(c) && argc >= 1);
	return c->row ? er_row_run(c->row, argc, argv) : c->run(argc, argv);
}

void er_cli_describe(const er_cli_command *c, void (*sink)(void *ctx, const er_command *cmd), void *ctx)
{
	ER_ASSERT(sink != NULL);
	char name[] = "er";
	char *argv[] = {name, NULL};
	if (!er_cli_runs(c))
		return;
	er_args_describe(sink, ctx);
	(void)er_cli_run(c, 1, argv);
	er_args_describe(NULL, NULL);
}
