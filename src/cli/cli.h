/* The `er` executable: one tree of commands (commands.c), each a row of data (row.h) or a function.
 * The tree writes `er --help` and the shells' completion as well.
 *
 * Exit statuses are in cli/args.h. */
#ifndef ER_CLI_CLI_H
#define ER_CLI_CLI_H

#include "cli/args.h"

typedef struct er_row er_row;

/* One with neither run nor row does nothing by itself. */
typedef struct er_cli_command {
	const char *name;
	const char *summary; /* one line of `er --help` */
	/* argv[0] is the command's name. With sub-commands: what runs when none is named; or NULL */
	int (*run)(int argc, char **argv);
	const er_row *row;                 /* instead of run: a command as data (row.h) */
	const struct er_cli_command *subs; /* or NULL */
	size_t n_subs;
	bool own_help;       /* its own --help names the sub-commands */
	const char *heading; /* stands above this line of `er --help`; or NULL */
} er_cli_command;

/* The root: its sub-commands are what follows `er`. */
extern const er_cli_command er_cli_root;

/* command.c: one of them. */
/* Whether it does something without a sub-command; and that, with argv[0] as its name. */
bool er_cli_runs(const er_cli_command *c);
int er_cli_run(const er_cli_command *c, int argc, char **argv);
/* Hands its table of options to `sink`, if it does something by itself: for what is generated from
 * the tables (completion, documentation). */
void er_cli_describe(const er_cli_command *c, void (*sink)(void *ctx, const er_command *cmd), void *ctx);

int er_cmd_node(int argc, char **argv);
int er_cmd_node_check(int argc, char **argv);
int er_cmd_node_restore(int argc, char **argv);
int er_cmd_init(int argc, char **argv);
int er_cmd_dev(int argc, char **argv);
int er_cmd_build(int argc, char **argv);
int er_cmd_check(int argc, char **argv);
int er_cmd_test(int argc, char **argv);
int er_cmd_types(int argc, char **argv);

int er_cmd_login(int argc, char **argv);
int er_cmd_logout(int argc, char **argv);
int er_cmd_deploy(int argc, char **argv);
int er_cmd_tail(int argc, char **argv);
int er_cmd_logs(int argc, char **argv);
int er_cmd_completion(int argc, char **argv);
int er_cmd_manual(int argc, char **argv);

extern const er_row er_row_cron_list, er_row_cron_run, er_row_cron_history;
extern const er_row er_row_audit, er_row_cache_explain, er_row_cache_status, er_row_prefetch, er_row_purge, er_row_site_add,
    er_row_site_list, er_row_site_rm, er_row_site_show, er_row_site_test, er_row_deployments, er_row_env_list, er_row_env_rm,
    er_row_env_set, er_row_kv_delete, er_row_kv_export, er_row_kv_get, er_row_kv_import, er_row_kv_list, er_row_kv_namespace_add,
    er_row_kv_namespace_list, er_row_kv_namespace_rm, er_row_kv_put, er_row_node_backup, er_row_node_rotate_key, er_row_publish,
    er_row_rollback, er_row_route_add, er_row_route_list, er_row_route_rm, er_row_route_test, er_row_routine_addresses,
    er_row_routine_allow, er_row_routine_deny, er_row_routine_list, er_row_routine_rm, er_row_secret_bulk, er_row_secret_list,
    er_row_secret_put, er_row_secret_rm, er_row_status, er_row_token_add, er_row_token_list, er_row_token_rm, er_row_versions,
    er_row_versions_prune, er_row_versions_rm, er_row_versions_show, er_row_whoami;

#endif
