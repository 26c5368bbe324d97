/* The tree of commands. */
#include "cli/cli.h"

#define LEAF(word, text, function) .name = (word), .summary = (text), .run = (function)
#define GROUP(list) .subs = (list), .n_subs = sizeof(list) / sizeof *(list)

static const er_cli_command versions[] = {
    {LEAF("list", "the versions of a routine, newest first", er_cmd_versions)},
    {LEAF("show", "one version: settings, size, where it runs; or its code", er_cmd_versions_show)},
    {LEAF("prune", "delete old versions that no environment runs", er_cmd_versions_prune)},
    {LEAF("rm", "delete one version", er_cmd_versions_rm)},
};

static const er_cli_command routine[] = {
    {LEAF("list", "the routines of the node", er_cmd_routine_list)},
    {LEAF("rm", "delete a routine with all that belongs to it", er_cmd_routine_rm)},
};

static const er_cli_command route[] = {
    {LEAF("list", "the rules in their order", er_cmd_route_list)},
    {LEAF("add", "send a host and path to a routine", er_cmd_route_add)},
    {LEAF("rm", "take a rule away", er_cmd_route_rm)},
    {LEAF("test", "show which rule a URL takes", er_cmd_route_test)},
};

static const er_cli_command env[] = {
    {LEAF("list", "the variables of an environment", er_cmd_env_list)},
    {LEAF("set", "set one", er_cmd_env_set)},
    {LEAF("rm", "remove one", er_cmd_env_rm)},
};

static const er_cli_command secret[] = {
    {LEAF("list", "the names of the secrets; values never come back", er_cmd_secret_list)},
    {LEAF("put", "set one: value from a prompt, a pipe or a file", er_cmd_secret_put)},
    {LEAF("rm", "remove one", er_cmd_secret_rm)},
    {LEAF("bulk", "set many from a JSON or .env file", er_cmd_secret_bulk)},
};

static const er_cli_command kv_namespace[] = {
    {LEAF("list", "the namespaces with their sizes", er_cmd_kv_namespace_list)},
    {LEAF("add", "make one", er_cmd_kv_namespace_add)},
    {LEAF("rm", "delete one with everything in it", er_cmd_kv_namespace_rm)},
};

static const er_cli_command kv[] = {
    {LEAF("namespace", "add, list, rm", er_cmd_kv_namespace_list), GROUP(kv_namespace)},
    {LEAF("get", "a value, as it is", er_cmd_kv_get)},
    {LEAF("put", "store a value: an argument, a pipe or a file", er_cmd_kv_put)},
    {LEAF("delete", "delete a key", er_cmd_kv_delete)},
    {LEAF("list", "keys, by prefix", er_cmd_kv_list)},
    {LEAF("import", "store many from NDJSON", er_cmd_kv_import)},
    {LEAF("export", "write a namespace as NDJSON", er_cmd_kv_export)},
};

static const er_cli_command token[] = {
    {LEAF("list", "who may do what", er_cmd_token_list)},
    {LEAF("add", "make a token; it is shown once", er_cmd_token_add)},
    {LEAF("rm", "end a token", er_cmd_token_rm)},
};

static const er_cli_command node[] = {
    {LEAF("check", "say whether a node would start with a configuration, and what it would do", er_cmd_node_check)},
    {LEAF("backup", "copy what is deployed on a running node, with its KV data, into a folder", er_cmd_node_backup)},
    {LEAF("restore", "make a data folder out of a backup", er_cmd_node_restore)},
    {LEAF("rotate-key", "make a new key for a running node's secrets", er_cmd_node_rotate_key)},
};

static const er_cli_command commands[] = {
    {LEAF("init", "make a new routine from a template, or from another project (--from)", er_cmd_init), .heading = "At the desk"},
    {LEAF("dev", "run a routine here as production would, and again after every save", er_cmd_dev)},
    {LEAF("check", "say whether a node would take a routine: its size, its er.jsonc, its top-level code", er_cmd_check)},
    {LEAF("build", "bundle a routine into one script", er_cmd_build)},

    {LEAF("login", "remember a node and its token as a profile", er_cmd_login), .heading = "To a node"},
    {LEAF("logout", "forget a profile", er_cmd_logout)},
    {LEAF("whoami", "as whom the node knows you", er_cmd_whoami)},
    {LEAF("deploy", "build, check and run a routine on the node", er_cmd_deploy)},
    {LEAF("publish", "let production run what staging runs", er_cmd_publish)},
    {LEAF("rollback", "run the version before, or a given one, again", er_cmd_rollback)},
    {LEAF("versions", "what was uploaded: list, show, prune, rm", er_cmd_versions), GROUP(versions)},
    {LEAF("deployments", "what ran when, and who did it", er_cmd_deployments)},
    {LEAF("status", "the node, and what runs on it how well", er_cmd_status)},
    {LEAF("routine", "all routines: list, rm", er_cmd_routine_list), GROUP(routine)},
    {LEAF("route", "which host and path takes which routine: list, add, rm, test", er_cmd_route_list), GROUP(route)},
    {LEAF("env", "variables of an environment: list, set, rm", er_cmd_env_list), GROUP(env)},
    {LEAF("secret", "secrets of an environment: put, list, rm, bulk", er_cmd_secret_list), GROUP(secret)},
    {LEAF("kv", "data on the node: namespace, get, put, delete, list, import, export", NULL), GROUP(kv)},
    {LEAF("tail", "watch requests, console and exceptions as they come", er_cmd_tail)},
    {LEAF("logs", "the same for what has been", er_cmd_logs)},
    {LEAF("token", "who may use the admin API: add, list, rm", er_cmd_token_list), GROUP(token)},
    {LEAF("audit", "every change, and who made it", er_cmd_audit)},

    {LEAF("node", "run a node that serves routines; check, backup, restore, rotate-key", er_cmd_node), GROUP(node),
     .own_help = true, .heading = "The rest"},
    {LEAF("completion", "completion for bash, zsh or fish", er_cmd_completion)},
};

const er_cli_command er_cli_root = {LEAF("er", "EdgeRoutine, JavaScript on the edge in sandboxes of its own", NULL),
                                    GROUP(commands)};
