/* The `er` executable: one table of commands, one file a command.
 *
 * Exit statuses: 0 done, 1 failed, 2 called wrongly (cli/args.h). */
#ifndef ER_CLI_CLI_H
#define ER_CLI_CLI_H

typedef struct er_cli_command {
	const char *name;
	const char *summary;               /* one line of `er --help` */
	int (*run)(int argc, char **argv); /* argv[0] is the command's name */
} er_cli_command;

int er_cmd_node(int argc, char **argv);
int er_cmd_init(int argc, char **argv);
int er_cmd_dev(int argc, char **argv);
int er_cmd_build(int argc, char **argv);
int er_cmd_check(int argc, char **argv);

#endif
