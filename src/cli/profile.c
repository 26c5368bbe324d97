/* Which node a command talks to (profile.h), and the file of the profiles. The file is read by
 * every command that has to choose, and written by er login and er logout alone: whole or not at
 * all, under another name and renamed. A file that is not well-formed is refused with its place and
 * never overwritten: tokens would be lost. Two commands that write at the same time: the later
 * one's file stays. */
#include "cli/profile.h"

#include "base/json_out.h"
#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1024 * 1024, VALUES_MAX = 100000, CHUNK = 64 * 1024 };

static const char *environment(const char *name)
{
	const char *v = getenv(name);
	return v && *v ? v : NULL;
}

/* ---- the file ---- */

static char *profiles_path(void)
{
	const char *config = environment("XDG_CONFIG_HOME"), *home = environment("HOME");
	if (config)
		return er_printf("%s/edgeroutine/profiles.json", config);
	return er_printf("%s/.config/edgeroutine/profiles.json", home ? home : "/nonexistent");
}

static bool text_or_none(const er_json *v)
{
	return v == NULL || v->type == ER_JSON_STRING;
}

/* What the rest of this file relies on. */
static bool well_formed(const er_json *root)
{
	const er_json *list = er_json_member(root, "profiles");
	if (!er_json_is(list, ER_JSON_OBJECT) || !text_or_none(er_json_member(root, "current")))
		return false;
	ER_JSON_MEMBERS(one, list)
	{
		if (!er_json_is(er_json_member(one, "node"), ER_JSON_STRING) || !text_or_none(er_json_member(one, "token")) ||
		    !text_or_none(er_json_member(one, "ca")))
			return false;
	}
	return true;
}

/* The file's bytes in the arena. */
static bool read_file(er_profiles *p, int fd, er_slice *out, er_err *err)
{
	er_buf b = {0};
	ssize_t n = 1;
	while (n > 0 && er_buf_len(&b) <= FILE_MAX) {
		n = read(fd, er_buf_reserve(&b, CHUNK), CHUNK);
		if (n > 0)
			er_buf_wrote(&b, (size_t)n);
	}
	bool ok = n >= 0 || er_fail_errno(err, ER_ERR_IO, "cannot read the profiles in %s", p->path);
	ok = ok && (er_buf_len(&b) <= FILE_MAX || er_fail(err, ER_ERR_INVALID, "%s is too large for a list of profiles", p->path));
	*out = er_arena_copy(&p->arena, er_buf_slice(&b));
	er_buf_fini(&b);
	return ok;
}

static bool parse(er_profiles *p, er_slice text, er_err *err)
{
	er_err why = {0};
	size_t at = 0;
	p->root = er_json_parse(&p->arena, text, VALUES_MAX, &at, &why);
	if (p->root == NULL) {
		er_text_pos pos = er_text_where(text, at);
		return er_fail(err, ER_ERR_INVALID, "%s:%u:%u: %s; repair or delete it", p->path, pos.line, pos.column, why.text);
	}
	return well_formed(p->root) || er_fail(err, ER_ERR_INVALID, "%s is no list of profiles; repair or delete it", p->path);
}

bool er_profiles_load(er_profiles *p, er_err *err)
{
	*p = (er_profiles){.path = profiles_path()};
	int fd = open(p->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
		return er_fail_errno(err, ER_ERR_IO, "cannot read the profiles in %s", p->path);
	if (fd < 0) {
		p->root = er_json_made(&p->arena, ER_LIT("{\"profiles\":{}}"));
		return true;
	}
	struct stat st;
	/* Written by an older tool or by hand: the tokens are for nobody else's eyes. */
	if (fstat(fd, &st) == 0 && (st.st_mode & 077) && st.st_uid == geteuid())
		(void)fchmod(fd, 0600);
	er_slice text;
	bool ok = read_file(p, fd, &text, err);
	close(fd);
	return ok && parse(p, text, err);
}

/* Those above the file; the path is ours and absolute. */
static bool make_folders(const char *path, er_err *err)
{
	char *copy = er_strdup_cstr(path);
	bool ok = true;
	for (char *slash = strchr(copy + 1, '/'); ok && slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		ok = mkdir(copy, 0700) == 0 || errno == EEXIST || er_fail_errno(err, ER_ERR_IO, "cannot make the folder %s", copy);
		*slash = '/';
	}
	er_free(copy);
	return ok;
}

bool er_profiles_save(const er_profiles *p, er_err *err)
{
	ER_ASSERT(p->path != NULL && well_formed(p->root));
	if (!make_folders(p->path, err))
		return false;
	er_buf text = {0};
	er_json_write_lines(&text, p->root);
	er_buf_putc(&text, '\n');
	char *temp = er_printf("%s.%ld.tmp", p->path, (long)getpid());
	int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && er_write_all(fd, er_buf_slice(&text)) && fsync(fd) == 0;
	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	ok = ok && rename(temp, p->path) == 0;
	if (!ok) {
		er_fail_errno(err, ER_ERR_IO, "cannot write %s", p->path);
		(void)unlink(temp);
	}
	er_free(temp);
	er_buf_fini(&text);
	return ok;
}

void er_profiles_fini(er_profiles *p)
{
	er_arena_fini(&p->arena);
	er_free(p->path);
	*p = (er_profiles){0};
}

const er_json *er_profiles_get(const er_profiles *p, const char *name)
{
	ER_ASSERT(name != NULL);
	return er_json_member(er_json_member(p->root, "profiles"), name);
}

/* NULL: there is no such member. */
static const char *text_of(er_arena *a, const er_json *v)
{
	return v != NULL ? er_arena_cstr(a, er_json_as_str(v)) : NULL;
}

const char *er_profiles_current(er_profiles *p)
{
	return text_of(&p->arena, er_json_member(p->root, "current"));
}

/* The list with another profile of that name, or (NULL) without it. */
static void put_profile(er_profiles *p, er_slice name, const er_json *one)
{
	const er_json *list = er_json_with(&p->arena, er_json_member(p->root, "profiles"), name, one);
	p->root = er_json_with(&p->arena, p->root, ER_LIT("profiles"), list);
}

void er_profiles_set(er_profiles *p, const char *name, const char *node, const char *token, const char *ca)
{
	ER_ASSERT(er_profile_name_ok(er_slice_cstr(name)) && node != NULL);
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_cstr(&o, "node", node);
	if (token != NULL)
		er_out_cstr(&o, "token", token);
	if (ca != NULL)
		er_out_cstr(&o, "ca", ca);
	er_out_close(&o, '}');
	put_profile(p, er_slice_cstr(name), er_json_made(&p->arena, er_out_take(&o, &p->arena)));
	const er_json current = {.type = ER_JSON_STRING, .text = er_arena_copy(&p->arena, er_slice_cstr(name))};
	p->root = er_json_with(&p->arena, p->root, ER_LIT("current"), &current);
}

void er_profiles_forget(er_profiles *p, const char *name)
{
	ER_ASSERT(name != NULL);
	if (er_slice_eq(er_json_str(p->root, "current"), er_slice_cstr(name)))
		p->root = er_json_with(&p->arena, p->root, ER_LIT("current"), NULL);
	put_profile(p, er_slice_cstr(name), NULL);
}

bool er_profile_name_ok(er_slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];
		if (!((er_lower(c) >= 'a' && er_lower(c) <= 'z') || (c >= '0' && c <= '9') || er_slice_find(ER_LIT("._-"), c) < 3))
			return false;
	}
	return name.n > 0 && name.n < 64;
}

/* ---- which node ---- */

/* The token goes with the node that it was given for. */
static bool from_profile(er_target *t, er_profiles *p, const char *name, er_err *err)
{
	ER_ASSERT(name != NULL && t->url == NULL);
	const er_json *one = er_profiles_get(p, name);
	if (one == NULL)
		return er_fail(err, ER_ERR_NO_ROUTE,
		               "there is no profile \"%s\"; er login --list shows them, er login URL --profile %s makes it", name, name);
	if (!er_target_parse(t, er_json_str(one, "node"), err))
		return false;
	const char *token = text_of(&p->arena, er_json_member(one, "token")), *ca = text_of(&p->arena, er_json_member(one, "ca"));
	t->token = token ? er_strdup_cstr(token) : NULL;
	t->ca = ca ? er_strdup_cstr(ca) : NULL;
	t->profile = er_strdup_cstr(name);
	return true;
}

/* A socket that somebody else put into this folder gets nothing of ours. */
static bool socket_of_ours(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_uid == geteuid() || st.st_uid == 0);
}

/* A node that was started here, or the machine's own. */
static bool from_machine(er_target *t, er_err *err)
{
	ER_ASSERT(t->url == NULL && t->socket == NULL);
	static const char *const places[] = {"data/admin.sock", "/var/lib/edgeroutine/admin.sock"};
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		if (!socket_of_ours(places[i]))
			continue;
		t->socket = er_strdup_cstr(places[i]);
		t->url = er_strdup_cstr("http://localhost");
		return true;
	}
	return er_fail(err, ER_ERR_CONNECT,
	               "which node? There is no profile, and neither ./data/admin.sock nor /var/lib/edgeroutine/admin.sock is there. "
	               "Start one here: er node --data data; or name one: er login URL");
}

/* What is said on the command line goes before the environment, and that before what is
 * remembered. */
static bool find(er_target *t, er_profiles *p, const char *node, const char *profile, er_err *err)
{
	if (node == NULL && profile == NULL) {
		node = environment("ER_NODE");
		profile = environment("ER_PROFILE");
	}
	if (node)
		return er_target_parse(t, er_slice_cstr(node), err);
	if (profile == NULL)
		profile = er_profiles_current(p);
	return profile ? from_profile(t, p, profile, err) : from_machine(t, err);
}

bool er_target_find(er_target *t, const char *node, const char *profile, er_err *err)
{
	er_profiles p;
	*t = (er_target){0};
	bool ok = er_profiles_load(&p, err) && find(t, &p, node, profile, err);
	er_profiles_fini(&p);
	ER_ASSERT(!ok || t->url != NULL);
	const char *token = environment("ER_TOKEN"), *ca = environment("ER_CA");
	if (ok && token) {
		er_free(t->token);
		t->token = er_strdup_cstr(token);
	}
	if (ok && ca) {
		er_free(t->ca);
		t->ca = er_strdup_cstr(ca);
	}
	return ok;
}
