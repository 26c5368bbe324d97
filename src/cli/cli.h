/* The `er` executable: one tree of commands (commands.c), one file a command. The tree writes `er --help` and the shells' completion as well.
 *
 * Exit statuses are in cli/args.h. */
#ifndef ER_CLI_CLI_H
#define ER_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

typedef struct er_cli_command {
	const char *name;
	const char *summary; /* one line of `er --help` */
	int (*run)(int argc,
	           char **argv); /* argv[0] is the command's name. With sub-commands: what runs when none is named; or NULL */
	const struct er_cli_command *subs; /* or NULL */
	size_t n_subs;
	bool own_help;       /* its own --help names the sub-commands */
	const char *heading; /* stands above this line of `er --help`; or NULL */
} er_cli_command;

/* The root: its sub-commands are what follows `er`. */
extern const er_cli_command er_cli_root;

int er_cmd_node(int argc, char **argv);
int er_cmd_node_check(int argc, char **argv);
int er_cmd_node_backup(int argc, char **argv);
int er_cmd_node_restore(int argc, char **argv);
int er_cmd_node_rotate_key(int argc, char **argv);
int er_cmd_init(int argc, char **argv);
int er_cmd_dev(int argc, char **argv);
int er_cmd_build(int argc, char **argv);
int er_cmd_check(int argc, char **argv);

int er_cmd_login(int argc, char **argv);
int er_cmd_logout(int argc, char **argv);
int er_cmd_whoami(int argc, char **argv);
int er_cmd_deploy(int argc, char **argv);
int er_cmd_publish(int argc, char **argv);
int er_cmd_rollback(int argc, char **argv);
int er_cmd_status(int argc, char **argv);
int er_cmd_versions(int argc, char **argv);
int er_cmd_versions_show(int argc, char **argv);
int er_cmd_versions_prune(int argc, char **argv);
int er_cmd_versions_rm(int argc, char **argv);
int er_cmd_deployments(int argc, char **argv);
int er_cmd_routine_list(int argc, char **argv);
int er_cmd_routine_rm(int argc, char **argv);
int er_cmd_route_list(int argc, char **argv);
int er_cmd_route_add(int argc, char **argv);
int er_cmd_route_rm(int argc, char **argv);
int er_cmd_route_test(int argc, char **argv);
int er_cmd_env_list(int argc, char **argv);
int er_cmd_env_set(int argc, char **argv);
int er_cmd_env_rm(int argc, char **argv);
int er_cmd_secret_list(int argc, char **argv);
int er_cmd_secret_put(int argc, char **argv);
int er_cmd_secret_rm(int argc, char **argv);
int er_cmd_secret_bulk(int argc, char **argv);
int er_cmd_kv_namespace_list(int argc, char **argv);
int er_cmd_kv_namespace_add(int argc, char **argv);
int er_cmd_kv_namespace_rm(int argc, char **argv);
int er_cmd_kv_get(int argc, char **argv);
int er_cmd_kv_put(int argc, char **argv);
int er_cmd_kv_delete(int argc, char **argv);
int er_cmd_kv_list(int argc, char **argv);
int er_cmd_kv_import(int argc, char **argv);
int er_cmd_kv_export(int argc, char **argv);
int er_cmd_tail(int argc, char **argv);
int er_cmd_logs(int argc, char **argv);
int er_cmd_token_list(int argc, char **argv);
int er_cmd_token_add(int argc, char **argv);
int er_cmd_token_rm(int argc, char **argv);
int er_cmd_audit(int argc, char **argv);
int er_cmd_completion(int argc, char **argv);

#endif
