/* Which node a command talks to (profile.h), and the file of the profiles. The file is read by
 * every command that has to choose, and written by er login and er logout alone: whole or not at
 * all, under another name and renamed. A file that is not well-formed is refused with its place and
 * never overwritten: tokens would be lost. Two commands that write at the same time: the later
 * one's file stays. */
#include "cli/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* What the rest of this file relies on. */
static bool well_formed(const json_t *root)
{
	const json_t *list = json_object_get(root, "profiles"), *current = json_object_get(root, "current");
	if (!json_is_object(list) || (current && !json_is_string(current)))
		return false;
	const char *name;
	json_t *one;
	json_object_foreach((json_t *)(uintptr_t)list, name, one)
	{
		const json_t *token = json_object_get(one, "token"), *ca = json_object_get(one, "ca");
		if (!json_is_string(json_object_get(one, "node")) || (token && !json_is_string(token)) || (ca && !json_is_string(ca)))
			return false;
	}
	return true;
}

bool er_profiles_load(er_profiles *p, er_err *err)
{
	*p = (er_profiles){.path = profiles_path()};
	int fd = open(p->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
		return er_fail_errno(err, ER_ERR_IO, "cannot read the profiles in %s", p->path);
	if (fd < 0) {
		p->root = json_pack("{s:{}}", "profiles");
		ER_ASSERT(p->root != NULL);
		return true;
	}
	struct stat st;
	/* Written by an older tool or by hand: the tokens are for nobody else's eyes. */
	if (fstat(fd, &st) == 0 && (st.st_mode & 077) && st.st_uid == geteuid())
		(void)fchmod(fd, 0600);
	json_error_t why;
	p->root = json_loadfd(fd, 0, &why);
	close(fd);
	if (p->root == NULL)
		return er_fail(err, ER_ERR_INVALID, "%s:%d:%d: %s; repair or delete it", p->path, why.line, why.column, why.text);
	return well_formed(p->root) || er_fail(err, ER_ERR_INVALID, "%s is no list of profiles; repair or delete it", p->path);
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
	ER_ASSERT(p->path != NULL && json_is_object(p->root));
	if (!make_folders(p->path, err))
		return false;
	char *temp = er_printf("%s.%ld.tmp", p->path, (long)getpid());
	int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && json_dumpfd(p->root, fd, JSON_INDENT(2)) == 0 && write(fd, "\n", 1) == 1 && fsync(fd) == 0;
	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	ok = ok && rename(temp, p->path) == 0;
	if (!ok) {
		er_fail_errno(err, ER_ERR_IO, "cannot write %s", p->path);
		(void)unlink(temp);
	}
	er_free(temp);
	return ok;
}

void er_profiles_fini(er_profiles *p)
{
	json_decref(p->root);
	er_free(p->path);
	*p = (er_profiles){0};
}

json_t *er_profiles_get(const er_profiles *p, const char *name)
{
	ER_ASSERT(name != NULL);
	return json_object_get(json_object_get(p->root, "profiles"), name);
}

const char *er_profiles_current(const er_profiles *p)
{
	return json_string_value(json_object_get(p->root, "current"));
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
static bool from_profile(er_target *t, const er_profiles *p, const char *name, er_err *err)
{
	ER_ASSERT(name != NULL && t->url == NULL);
	const json_t *one = er_profiles_get(p, name);
	if (one == NULL)
		return er_fail(err, ER_ERR_NO_ROUTE,
		               "there is no profile \"%s\"; er login --list shows them, er login URL --profile %s makes it", name, name);
	if (!er_target_parse(t, er_slice_cstr(json_string_value(json_object_get(one, "node"))), err))
		return false;
	const char *token = json_string_value(json_object_get(one, "token")), *ca = json_string_value(json_object_get(one, "ca"));
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
static bool find(er_target *t, const er_profiles *p, const char *node, const char *profile, er_err *err)
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
