/* er secret: values that go to the node and never come back. They are taken from a prompt, a pipe or a file: an argument is seen by everybody on the machine. */
#include "cli/cli.h"
#include "cli/prompt.h"
#include "cli/remote.h"

#include <stdlib.h>

enum { SECRET_MAX = 64 * 1024, BULK_MAX = 1024 * 1024 };

#define SECRET_OPTIONS(env, name) \
	{"env", 'e', "ENV", "production (default) or staging", NULL, (env)}, \
	{ \
		"name", 'n', "NAME", "the routine, instead of er.jsonc's name", NULL, (name) \
	}

static er_slice secrets_path(er_remote *r, const char *routine, const char *env)
{
	return er_remote_path(&r->arena, "/v1/routines/{}/environments/{}/secrets", routine, env);
}

static void secret_row(er_table *t, er_arena *a, const json_t *one)
{
	const char *plain = json_string_value(one);
	er_table_add_styled(t, ER_BOLD, er_slice_cstr(plain ? plain : er_json_str(one, "name")));
	er_table_add(t, er_show_time(a, er_json_str(one, "at")));
	er_table_add(t, er_slice_cstr(er_json_str(one, "by")));
}

int er_cmd_secret_list(int argc, char **argv)
{
	er_remote r = {0};
	const char *env = NULL, *name = NULL;
	const er_option options[] = {SECRET_OPTIONS(&env, &name), ER_REMOTE_OPTIONS(&r)};
	const er_command cmd = {
	    .usage = "er secret [list] [--env ENV] [options]",
	    .about = "Lists the names of a routine's secrets in an environment. Values never leave the node.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	};
	int rc = er_args_parse(&cmd, argc, argv, NULL);
	if (rc >= 0)
		return rc;
	er_answer a = {0};
	const char *where = er_remote_env(&r, env);
	const char *routine = where ? er_remote_routine(&r, name) : NULL;
	static const char *const heads[] = {"NAME", "SET AT", "BY"};
	bool ok = routine && er_remote_list(&r, secrets_path(&r, routine, where), 0, &a);
	return er_remote_show_list(&r, &a, ok,
	                           &(er_listing){heads, 3, secret_row, "there are no secrets; er secret put NAME makes one"});
}

/* ---- put ---- */

/* The value: of --value, a file, a pipe or a person. One newline at the end is the editor's, not the secret's. */
static bool take_value(const char *secret, const char *value, const char *file, er_buf *out, er_err *err)
{
	if (value) {
		er_show_note(ER_YELLOW, "warning: ",
		             ER_LIT("a secret in an argument is in the shell's history and seen by everybody on this machine; a prompt "
		                    "or a pipe is better"));
		er_buf_put_cstr(out, value);
		return true;
	}
	if (file == NULL && er_prompt_person()) {
		er_buf question = {0};
		er_buf_printf(&question, "Value of %s (not shown): ", secret);
		er_buf_putc(&question, 0);
		bool ok = er_prompt_secret((const char *)er_buf_slice(&question).p, out, err);
		er_buf_fini(&question);
		return ok;
	}
	if (!er_prompt_read(file, SECRET_MAX, out, err))
		return false;
	if (er_buf_len(out) && out->p[out->end - 1] == '\n')
		out->end--;
	if (er_buf_len(out) && out->p[out->end - 1] == '\r')
		out->end--;
	return true;
}

static void put(er_remote *r, const char *routine, const char *env, const char *secret, const er_buf *value)
{
	er_slice v = er_buf_slice(value);
	json_t *body = v.n ? json_pack("{s:s%}", "value", (const char *)v.p, v.n) : NULL;
	er_slice path = secrets_path(r, routine, env), last = er_remote_path(&r->arena, "/{}", secret);
	if (body == NULL) {
		er_remote_fail(r, ER_EXIT_USAGE, "invalid",
		               v.n ? "the value is not UTF-8; encode it, as base64 for example" : "the value is empty; nothing was set");
		return;
	}
	er_remote_change(r, "PUT", er_arena_printf(&r->arena, "%.*s%.*s", ER_FMT(path), ER_FMT(last)), body,
	                 "set the secret %s for %s in %s\n", secret, routine, env);
	json_decref(body);
}

int er_cmd_secret_put(int argc, char **argv)
{
	er_remote r = {0};
	const char *env = NULL, *name = NULL, *secret = NULL, *value = NULL, *file = NULL;
	const er_option options[] = {
	    SECRET_OPTIONS(&env, &name),
	    {"file", 'f', "FILE", "take the value from this file; - is standard input", NULL, &file},
	    {"value", 0, "TEXT", "the value itself; others on this machine can see it", NULL, &value},
	    ER_REMOTE_OPTIONS(&r),
	};
	const er_command cmd = {
	    .usage = "er secret put NAME [--env ENV] [--file FILE] [options]",
	    .about = "Sets a secret; the code sees it as env.NAME at once. At a terminal the value is asked for and not shown; "
	             "otherwise it is read from standard input. "
	             "One newline at its end is left out. The node keeps it encrypted and never gives it back.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &secret);
	if (rc >= 0)
		return rc;
	er_buf v = {0};
	er_err err = {0};
	const char *where = er_remote_env(&r, env);
	const char *routine = where ? er_remote_routine(&r, name) : NULL;
	if (routine && !take_value(secret, value, file, &v, &err))
		er_remote_fail_err(&r, &err);
	else if (routine)
		put(&r, routine, where, secret, &v);
	er_prompt_wipe(&v);
	return er_remote_close(&r);
}

int er_cmd_secret_rm(int argc, char **argv)
{
	er_remote r = {0};
	const char *env = NULL, *name = NULL, *secret = NULL;
	const er_option options[] = {SECRET_OPTIONS(&env, &name), ER_REMOTE_OPTIONS(&r)};
	const er_command cmd = {
	    .usage = "er secret rm NAME [--env ENV] [options]",
	    .about = "Removes a secret from an environment.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &secret);
	if (rc >= 0)
		return rc;
	const char *where = er_remote_env(&r, env);
	const char *routine = where ? er_remote_routine(&r, name) : NULL;
	if (routine)
		er_remote_change(&r, "DELETE",
		                 er_remote_path(&r.arena, "/v1/routines/{}/environments/{}/secrets/{}", routine, where, secret), NULL,
		                 "removed the secret %s of %s from %s\n", secret, routine, where);
	return er_remote_close(&r);
}

/* ---- bulk ---- */

/* 'a' or "a" lose their quotes. */
static er_slice unquoted(er_slice s)
{
	bool quoted = s.n >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.n - 1] == s.p[0];
	return quoted ? er_slice_of(s.p + 1, s.n - 2) : s;
}

/* Lines NAME=value, as .env files have them: # begins a comment line, `export ` is left out. */
static json_t *parse_env(er_slice text, er_err *err)
{
	json_t *all = json_object();
	er_slice line;
	for (unsigned n = 1; er_slice_split(&text, '\n', &line); n++) {
		if (er_slice_ends(line, ER_LIT("\r")))
			line.n--;
		line = er_slice_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (er_slice_starts(line, ER_LIT("export ")))
			line = er_slice_trim(er_slice_from(line, 7));
		size_t equals = er_slice_find(line, '=');
		er_slice name = er_slice_trim(er_slice_head(line, equals)),
		         value = unquoted(er_slice_trim(er_slice_from(line, equals + 1)));
		json_t *v = equals < line.n && name.n ? json_stringn((const char *)(value.n ? value.p : name.p), value.n) : NULL;
		char *key = er_strdup_slice(name);
		bool ok = v && json_object_set_new(all, key, v) == 0;
		er_free(key);
		if (!ok) {
			er_fail(err, ER_ERR_INVALID, "line %u: NAME=value is expected", n);
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static json_t *parse_bulk(er_slice text, er_err *err)
{
	er_slice rest = text;
	while (rest.n && (rest.p[0] == ' ' || rest.p[0] == '\n' || rest.p[0] == '\t' || rest.p[0] == '\r'))
		rest = er_slice_from(rest, 1);
	if (!er_slice_starts(rest, ER_LIT("{")))
		return parse_env(text, err);
	json_error_t why;
	json_t *all = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &why), *one;
	const char *name;
	if (all == NULL) {
		er_fail(err, ER_ERR_INVALID, "line %d: %s", why.line, why.text);
		return NULL;
	}
	json_object_foreach(all, name, one)
	{
		if (!json_is_string(one)) {
			er_fail(err, ER_ERR_INVALID, "\"%s\": a string is expected", name);
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

int er_cmd_secret_bulk(int argc, char **argv)
{
	er_remote r = {0};
	const char *env = NULL, *name = NULL, *file = NULL;
	const er_option options[] = {SECRET_OPTIONS(&env, &name), ER_REMOTE_OPTIONS(&r)};
	const er_command cmd = {
	    .usage = "er secret bulk [FILE] [--env ENV] [options]",
	    .about = "Sets many secrets in one change: all or none. FILE (or standard input) is a JSON object {\"NAME\": \"value\"} "
	             "or lines NAME=value.",
	    .details = ER_EXIT_STATUSES,
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &file);
	if (rc >= 0)
		return rc;
	er_buf text = {0};
	er_err err = {0};
	json_t *all = NULL;
	const char *where = er_remote_env(&r, env);
	const char *routine = where ? er_remote_routine(&r, name) : NULL;
	bool ok = routine && er_prompt_read(file, BULK_MAX, &text, &err) && (all = parse_bulk(er_buf_slice(&text), &err)) != NULL;
	if (routine && !ok)
		er_remote_fail_err(&r, &err);
	else if (ok && json_object_size(all) == 0)
		er_remote_fail(&r, ER_EXIT_USAGE, "invalid", "there are no secrets in it");
	else if (ok)
		er_remote_change(&r, "POST", secrets_path(&r, routine, where), all, "set %zu secrets for %s in %s\n",
		                 json_object_size(all), routine, where);
	json_decref(all);
	er_prompt_wipe(&text);
	return er_remote_close(&r);
}
