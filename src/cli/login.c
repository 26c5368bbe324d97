/* er login: remembers a node and its token as a profile; er logout forgets it; er whoami asks who
 * one is there.
 *
 * A profile is written only after the node has said who the token is of. The token is asked for
 * without an echo, or read from a pipe, and its buffer is wiped; --token is for scripts. The file
 * of the profiles is profile.c's. */
#include "cli/profile.h"
#include "cli/prompt.h"
#include "cli/row.h"

#include <limits.h>
#include <stdlib.h>

enum { TOKEN_MAX = 4096 };

typedef struct login {
	er_remote remote;
	const char *where, *name, *token, *ca;
	bool list;
} login;

/* ---- er login --list ---- */

/* The profiles of this person, and which one is used when none is named. */
static int list(login *l)
{
	er_profiles p;
	er_err err = {0};
	er_remote *r = &l->remote;
	if (!er_profiles_load(&p, &err)) {
		er_remote_fail_err(r, &err);
		er_profiles_fini(&p);
		return er_remote_close(r);
	}
	static const char *const heads[] = {"", "PROFILE", "NODE", "TOKEN"};
	const char *current = er_profiles_current(&p);
	er_out o = {0};
	er_table t;
	er_table_init(&t, &r->arena, heads, 4);
	er_out_open(&o, NULL, '{');
	er_out_open(&o, "items", '[');
	ER_JSON_MEMBERS(one, er_json_member(p.root, "profiles"))
	{
		bool is_current = current && er_slice_eq(one->key, er_slice_cstr(current));
		bool has_token = er_json_member(one, "token") != NULL;
		er_table_add(&t, is_current ? ER_LIT("*") : ER_LIT(""));
		er_table_add(&t, one->key);
		er_table_add(&t, er_json_str(one, "node"));
		er_table_add(&t, has_token ? ER_LIT("stored") : ER_LIT("-"));
		er_out_open(&o, NULL, '{');
		er_out_str(&o, "profile", one->key);
		er_out_str(&o, "node", er_json_str(one, "node"));
		er_out_bool(&o, "current", is_current);
		er_out_bool(&o, "token", has_token);
		er_out_close(&o, '}');
	}
	er_out_close(&o, ']');
	if (r->json)
		er_show_json(&o);
	else
		er_table_print(&t, "there are no profiles; er login URL makes one");
	er_out_fini(&o);
	er_profiles_fini(&p);
	return er_remote_close(r);
}

/* ---- er login ---- */

/* Of what people and editors put around a word. */
static er_slice trimmed(er_slice s)
{
	while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r' || s.p[s.n - 1] == ' '))
		s.n--;
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = er_slice_from(s, 1);
	return s;
}

/* A header's value: visible ASCII. */
static bool token_ok(er_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	return s.n > 0 && s.n <= TOKEN_MAX;
}

/* From the command line, a person or a pipe. A socket needs none. */
static bool take_token(login *l, er_target *t, er_err *err)
{
	er_buf b = {0};
	ER_ASSERT(t->url != NULL && t->token == NULL);
	bool ok = true;
	if (l->token) {
		er_buf_put_cstr(&b, l->token);
	} else if (t->socket) {
		return true;
	} else if (er_prompt_person()) {
		er_buf question = {0};
		er_buf_printf(&question, "Token for %s (not shown): ", t->url);
		er_buf_putc(&question, 0);
		ok = er_prompt_secret((const char *)er_buf_slice(&question).p, &b, err);
		er_buf_fini(&question);
	} else {
		ok = er_prompt_read(NULL, TOKEN_MAX, &b, err);
	}
	er_slice token = trimmed(er_buf_slice(&b));
	if (ok && !token_ok(token))
		ok = er_fail(err, ER_ERR_INVALID,
		             token.n ? "that is no token: it is one word of visible characters"
		                     : "a token is missing: --token TOKEN, or by a pipe, or at a terminal. An administrator of the node "
		                       "makes one: er token add NAME --role deploy");
	if (ok)
		t->token = er_strdup_slice(token);
	er_prompt_wipe(&b);
	return ok;
}

/* A socket is remembered by its whole path: the next command may stand elsewhere. */
static bool take_target(login *l, er_target *t, er_err *err)
{
	if (!er_target_parse(t, er_slice_cstr(l->where), err))
		return false;
	char full[PATH_MAX];
	if (t->socket && realpath(t->socket, full)) {
		er_free(t->socket);
		t->socket = er_strdup_cstr(full);
	}
	if (l->ca && realpath(l->ca, full) == NULL)
		return er_fail_errno(err, ER_ERR_IO, "--ca %s", l->ca);
	t->ca = l->ca ? er_strdup_cstr(full) : NULL;
	return take_token(l, t, err);
}

static bool store(const login *l, const er_target *t, er_err *err)
{
	er_profiles p;
	ER_ASSERT(l->name != NULL && t->url != NULL);
	bool ok = er_profiles_load(&p, err);
	if (ok) {
		er_profiles_set(&p, l->name, er_target_shown(t), t->token, t->ca);
		ok = er_profiles_save(&p, err);
	}
	er_profiles_fini(&p);
	return ok;
}

/* A token in the clear is said, and not refused: a tunnel may be around it. */
static void welcome(login *l, const er_answer *who)
{
	er_remote *r = &l->remote;
	bool open_air =
	    r->target.token && !er_target_local(&r->target) && er_slice_starts(er_slice_cstr(r->target.url), ER_LIT("http://"));
	if (open_air)
		er_show_note(ER_YELLOW, "warning: ",
		             ER_LIT("the token goes over the network unencrypted; put TLS or a tunnel in front of the admin address"));
	if (r->json) {
		er_out o = {0};
		er_out_open(&o, NULL, '{');
		er_out_cstr(&o, "profile", l->name);
		er_out_cstr(&o, "node", er_target_shown(&r->target));
		er_out_json(&o, "whoami", er_cell_json(&r->arena, who->json));
		er_show_json(&o);
		return;
	}
	er_show_printf("logged in to %s as %.*s (%.*s); profile \"%s\" is the current one\n", er_target_shown(&r->target),
	               ER_FMT(er_json_str(who->json, "name")), ER_FMT(er_json_str(who->json, "role")), l->name);
}

/* In this order: the name, the node and the token, the node's word for it, the file. */
static int log_in(login *l)
{
	ER_ASSERT(l->where != NULL && l->name != NULL);
	er_remote *r = &l->remote;
	er_err err = {0};
	er_answer who = {0};
	if (!er_profile_name_ok(er_slice_cstr(l->name)))
		er_remote_fail(r, ER_EXIT_USAGE, "invalid", "--profile: a name of letters, digits, - . _ is expected, at most 63");
	else if (!take_target(l, &r->target, &err) || (r->client = er_client_new(&r->target, &err)) == NULL)
		er_remote_fail_err(r, &err);
	else if (er_remote_get(r, ER_LIT("/v1/whoami"), &who) && !store(l, &r->target, &err))
		er_remote_fail_err(r, &err);
	else if (r->status == 0)
		welcome(l, &who);
	er_answer_fini(&who);
	return er_remote_close(r);
}

int er_cmd_login(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	login l = {.name = "default"};
	const er_option options[] = {
	    {"profile", 'p', "NAME", "call it so; \"default\" if not given", NULL, &l.name},
	    {"token", 't', "TOKEN", "the token; better by a prompt or a pipe, which others on this machine cannot see", NULL,
	     &l.token},
	    {"ca", 0, "FILE", "trust the certificates of this file (PEM) instead of the system's", NULL, &l.ca},
	    {"list", 'l', NULL, "show the profiles; * is the current one", &l.list, NULL},
	    {"json", 0, NULL, "the result as one JSON object on standard output", &l.remote.json, NULL},
	};
	const er_command cmd = {
	    .usage = "er login URL|SOCKET [--profile NAME]",
	    .about = "Asks the node who you are and remembers it as a profile, which becomes the current one. URL: "
	             "http(s)://HOST[:PORT]; SOCKET: a path. "
	             "The token comes from --token, from standard input, or from a question at the terminal. A socket needs none.",
	    .details = "Profiles are in $XDG_CONFIG_HOME/edgeroutine/profiles.json (~/.config), readable by you alone. Any command "
	               "takes another one with "
	               "--profile NAME or ER_PROFILE; ER_NODE and ER_TOKEN do without profiles.\n" ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &l.where);
	if (rc >= 0)
		return rc;
	if (l.list)
		return list(&l);
	if (l.where == NULL) {
		er_remote_fail(&l.remote, ER_EXIT_USAGE, "invalid",
		               "which node? er login http://HOST:PORT, or er login /path/to/admin.sock");
		return er_remote_close(&l.remote);
	}
	return log_in(&l);
}

/* ---- er logout ---- */

static void show_removed(const char *name)
{
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_cstr(&o, "profile", name);
	er_out_bool(&o, "removed", true);
	er_show_json(&o);
}

int er_cmd_logout(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	er_remote r = {0};
	const char *name = NULL;
	const er_option options[] = {{"json", 0, NULL, "the result as one JSON object on standard output", &r.json, NULL}};
	const er_command cmd = {
	    .usage = "er logout [PROFILE]",
	    .about = "Forgets a profile and its token; without a name the current one. The token stays valid on the node: er token "
	             "rm ends it there.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = 1,
	    .max_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &name);
	if (rc >= 0)
		return rc;
	er_profiles p;
	er_err err = {0};
	bool ok = er_profiles_load(&p, &err);
	const char *current = ok ? er_profiles_current(&p) : NULL;
	name = name || current == NULL ? name : er_arena_cstr(&r.arena, er_slice_cstr(current));
	if (ok && (name == NULL || er_profiles_get(&p, name) == NULL))
		ok = er_fail(&err, ER_ERR_NO_ROUTE,
		             name ? "there is no profile \"%s\"; er login --list shows them" : "there is no current profile%s",
		             name ? name : "");
	if (ok) {
		er_profiles_forget(&p, name);
		ok = er_profiles_save(&p, &err);
	}
	if (!ok)
		er_remote_fail_err(&r, &err);
	else if (r.json)
		show_removed(name);
	else
		er_show_printf("forgot the profile \"%s\"\n", name);
	er_profiles_fini(&p);
	return er_remote_close(&r);
}

/* ---- er whoami ---- */

/* In one line. */
static void show_whoami(er_row_call *c, const er_json *who)
{
	const er_target *t = &c->remote.target;
	er_slice routines = er_cell_names(&c->remote.arena, er_json_member(who, "routines"));
	er_slice hosts = er_cell_names(&c->remote.arena, er_json_member(who, "hosts"));
	er_slice kv = er_cell_names(&c->remote.arena, er_json_member(who, "kv"));
	er_show_printf("%.*s (%.*s) at %s%s%s%s", ER_FMT(er_json_str(who, "name")), ER_FMT(er_json_str(who, "role")),
	               er_target_shown(t), t->profile ? ", profile \"" : "", t->profile ? t->profile : "", t->profile ? "\"" : "");
	er_show_printf("%s%.*s%s%.*s%s%.*s\n", routines.n > 0 ? "; only " : "", ER_FMT(routines), hosts.n > 0 ? " on " : "",
	               ER_FMT(hosts), kv.n > 0 ? "; KV " : "", ER_FMT(kv));
}

const er_row er_row_whoami = {
    .usage = "er whoami [options]",
    .about = "Shows which node commands go to, and as whom it knows you: name, role (read, deploy, admin) and, if you are "
             "confined, your routines.",
    .request = "GET /v1/whoami",
    .show = show_whoami,
};
