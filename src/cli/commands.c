/* The tree of commands, as data: groups, leaves that are functions, leaves that are rows. main.c
 * walks it by the words of the command line; the manual and the completion walk all of it. A group
 * that does something by itself does what its first leaf does. */
#include "cli/row.h"

#include "base/mem.h"

#define LEAF(word, text, function) .name = (word), .summary = (text), .run = (function)
#define ROW(word, text, data) .name = (word), .summary = (text), .row = &(data)
#define GROUP(list) .subs = (list), .n_subs = sizeof(list) / sizeof *(list)

static const er_cli_command versions[] = {
    {ROW("list", "the versions of a routine, newest first", er_row_versions)},
    {ROW("show", "one version: settings, size, where it runs; or its code", er_row_versions_show)},
    {ROW("prune", "delete old versions that no environment runs", er_row_versions_prune)},
    {ROW("rm", "delete one version", er_row_versions_rm)},
};

static const er_cli_command routine[] = {
    {ROW("list", "the routines of the node", er_row_routine_list)},
    {ROW("rm", "delete a routine with all that belongs to it", er_row_routine_rm)},
    {ROW("addresses", "the private addresses that a routine may reach", er_row_routine_addresses)},
    {ROW("allow", "let a routine reach a private address", er_row_routine_allow)},
    {ROW("deny", "take that back", er_row_routine_deny)},
};

static const er_cli_command route[] = {
    {ROW("list", "the rules in their order", er_row_route_list)},
    {ROW("add", "send a host and path to a routine", er_row_route_add)},
    {ROW("rm", "take a rule away", er_row_route_rm)},
    {ROW("test", "show which rule a URL takes", er_row_route_test)},
};

static const er_cli_command site[] = {
    {ROW("list", "the sites, their hosts and servers", er_row_site_list)},
    {ROW("show", "one site: how its servers do, and its settings", er_row_site_show)},
    {ROW("add", "answer a host from an origin", er_row_site_add)},
    {ROW("rm", "remove a site", er_row_site_rm)},
    {ROW("test", "show what takes a URL", er_row_site_test)},
};

static const er_cli_command cache[] = {
    {ROW("status", "what is stored, how much it answers, and why not more", er_row_cache_status)},
    {ROW("explain", "what is stored of a URL, or why nothing is", er_row_cache_explain)},
};

static const er_cli_command env[] = {
    {ROW("list", "the variables of an environment", er_row_env_list)},
    {ROW("set", "set one", er_row_env_set)},
    {ROW("rm", "remove one", er_row_env_rm)},
};

static const er_cli_command secret[] = {
    {ROW("list", "the names of the secrets; values never come back", er_row_secret_list)},
    {ROW("put", "set one: value from a prompt, a pipe or a file", er_row_secret_put)},
    {ROW("rm", "remove one", er_row_secret_rm)},
    {ROW("bulk", "set many from a JSON or .env file", er_row_secret_bulk)},
};

static const er_cli_command kv_namespace[] = {
    {ROW("list", "the namespaces with their sizes", er_row_kv_namespace_list)},
    {ROW("add", "make one", er_row_kv_namespace_add)},
    {ROW("rm", "delete one with everything in it", er_row_kv_namespace_rm)},
};

static const er_cli_command kv[] = {
    {ROW("namespace", "add, list, rm", er_row_kv_namespace_list), GROUP(kv_namespace)},
    {ROW("get", "a value, as it is", er_row_kv_get)},
    {ROW("put", "store a value: an argument, a pipe or a file", er_row_kv_put)},
    {ROW("delete", "delete a key", er_row_kv_delete)},
    {ROW("list", "keys, by prefix", er_row_kv_list)},
    {ROW("import", "store many from NDJSON", er_row_kv_import)},
    {ROW("export", "write a namespace as NDJSON", er_row_kv_export)},
};

static const er_cli_command cron[] = {
    {ROW("list", "what runs by the clock, and when next", er_row_cron_list)},
    {ROW("run", "run it now", er_row_cron_run)},
    {ROW("history", "how the last runs went", er_row_cron_history)},
};

static const er_cli_command token[] = {
    {ROW("list", "who may do what", er_row_token_list)},
    {ROW("add", "make a token; it is shown once", er_row_token_add)},
    {ROW("rm", "end a token", er_row_token_rm)},
};

static const er_cli_command node[] = {
    {LEAF("check", "say whether a node would start with a configuration, and what it would do", er_cmd_node_check)},
    {ROW("backup", "copy what is deployed on a running node, with its KV data, into a folder", er_row_node_backup)},
    {LEAF("restore", "make a data folder out of a backup", er_cmd_node_restore)},
    {ROW("rotate-key", "make a new key for a running node's secrets", er_row_node_rotate_key)},
};

static const er_cli_command commands[] = {
    {LEAF("init", "make a new routine from a template, or from another project (--from)", er_cmd_init), .heading = "At the desk"},
    {LEAF("dev", "run a routine here as production would, and again after every save", er_cmd_dev)},
    {LEAF("test", "run a routine's tests in sandboxes like those of a node", er_cmd_test)},
    {LEAF("check", "say whether a node would take a routine: its size, its er.jsonc, its top-level code", er_cmd_check)},
    {LEAF("build", "bundle a routine into one script", er_cmd_build)},
    {LEAF("types", "write the types of what a routine and its env have, for TypeScript and editors", er_cmd_types)},

    {LEAF("login", "remember a node and its token as a profile", er_cmd_login), .heading = "To a node"},
    {LEAF("logout", "forget a profile", er_cmd_logout)},
    {ROW("whoami", "as whom the node knows you", er_row_whoami)},
    {LEAF("deploy", "build, check and run a routine on the node", er_cmd_deploy)},
    {ROW("publish", "let production run what staging runs", er_row_publish)},
    {ROW("rollback", "run the version before, or a given one, again", er_row_rollback)},
    {ROW("versions", "what was uploaded: list, show, prune, rm", er_row_versions), GROUP(versions)},
    {ROW("deployments", "what ran when, and who did it", er_row_deployments)},
    {ROW("status", "the node, and what runs on it how well", er_row_status)},
    {ROW("routine", "all routines: list, rm, addresses, allow, deny", er_row_routine_list), GROUP(routine)},
    {ROW("route", "which host and path takes which routine: list, add, rm, test", er_row_route_list), GROUP(route)},
    {ROW("site", "hosts answered as a CDN: list, show, add, rm, test", er_row_site_list), GROUP(site)},
    {ROW("cache", "what the node has stored: status, explain", er_row_cache_status), GROUP(cache)},
    {ROW("prefetch", "store answers before clients ask: URLs, files of them, sitemaps", er_row_prefetch)},
    {ROW("purge", "say what may not be used any more of what is stored", er_row_purge)},
    {ROW("env", "variables of an environment: list, set, rm", er_row_env_list), GROUP(env)},
    {ROW("secret", "secrets of an environment: put, list, rm, bulk", er_row_secret_list), GROUP(secret)},
    {LEAF("kv", "data on the node: namespace, get, put, delete, list, import, export", NULL), GROUP(kv)},
    {ROW("cron", "what routines do by the clock: list, run, history", er_row_cron_list), GROUP(cron)},
    {LEAF("tail", "watch requests, console and exceptions as they come", er_cmd_tail)},
    {LEAF("logs", "the same for what has been", er_cmd_logs)},
    {ROW("token", "who may use the admin API: add, list, rm", er_row_token_list), GROUP(token)},
    {ROW("audit", "every change, and who made it", er_row_audit)},

    {LEAF("node", "run a node that serves routines; check, backup, restore, rotate-key", er_cmd_node), GROUP(node),
     .own_help = true, .heading = "The rest"},
    {LEAF("completion", "completion for bash, zsh or fish", er_cmd_completion)},
    {LEAF("manual", "the manual page of all of this", er_cmd_manual)},
};

const er_cli_command er_cli_root = {LEAF("er", "EdgeRoutine, JavaScript on the edge in sandboxes of its own", NULL),
                                    GROUP(commands)};
