/* From a folder upwards to the first .git; then the question whether the ignore files between the
 * two keep the folder out. As in gitignore(5), the last line of a file that says something about a
 * path counts, the nearest file goes before those above it, .git/info/exclude comes last, and what
 * lies in an ignored folder is ignored. A file that cannot be read says nothing. Everything is in
 * the caller's arena. */
#include "cli/worktree.h"

#include "base/mem.h"
#include "cli/project.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { IGNORE_MAX = 1024 * 1024 };

/* The folder that it lies in; of "/" itself "/". */
static er_slice above(er_slice path)
{
	ER_ASSERT(path.n > 0 && path.p[0] == '/');
	while (path.n > 0 && path.p[path.n - 1] != '/')
		path.n--;
	return er_slice_head(path, path.n > 1 ? path.n - 1 : path.n);
}

/* A clone has the folder .git, a worktree or a submodule a file of that name. */
static bool is_root(er_arena *a, er_slice folder)
{
	struct stat st;
	const char *git = er_arena_cstr(a, er_arena_printf(a, "%.*s/.git", ER_FMT(folder)));
	if (stat(git, &st) != 0)
		return false;
	return S_ISREG(st.st_mode) || stat(er_arena_cstr(a, er_arena_printf(a, "%s/HEAD", git)), &st) == 0;
}

/* Does this line match `path` (relative to where the file stands), a folder? */
static bool matches(er_arena *a, er_slice line, er_slice path)
{
	while (line.n > 0 && line.p[line.n - 1] == '/')
		line.n--;
	if (line.n == 0)
		return false;
	bool anchored = er_slice_find(line, '/') < line.n;
	if (er_slice_starts(line, ER_LIT("**/"))) {
		line = er_slice_from(line, 3);
		anchored = er_slice_find(line, '/') < line.n;
	} else if (line.p[0] == '/') {
		line = er_slice_from(line, 1);
	}
	ER_ASSERT(path.n > 0);
	er_slice name = path;
	for (size_t i = path.n; !anchored && i > 0; i--)
		if (path.p[i - 1] == '/') {
			name = er_slice_from(path, i);
			break;
		}
	return fnmatch(er_arena_cstr(a, line), er_arena_cstr(a, name), FNM_PATHNAME) == 0;
}

/* 1: the file's last line about `path` ignores it, -1: takes it back, 0: says nothing. */
static int verdict(er_arena *a, er_slice file, er_slice path)
{
	er_err err;
	er_slice text, line;
	int found = 0;
	if (!er_project_read(a, er_arena_cstr(a, file), IGNORE_MAX, &text, &err))
		return 0;
	while (er_slice_split(&text, '\n', &line)) {
		while (line.n > 0 && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' '))
			line.n--;
		bool back = line.n > 0 && line.p[0] == '!';
		if (line.n > 0 && line.p[0] != '#' && matches(a, er_slice_from(line, back), path))
			found = back ? -1 : 1;
	}
	return found;
}

/* The nearest ignore file that says something decides; what lies in an ignored folder is
 * ignored. */
static bool ignored(er_arena *a, er_slice root, er_slice folder)
{
	ER_ASSERT(er_slice_starts(folder, root));
	if (verdict(a, er_arena_printf(a, "%.*s/.gitignore", ER_FMT(folder)), ER_LIT("control.db")) > 0)
		return true;
	for (er_slice at = folder; at.n > root.n; at = above(at)) {
		int said = 0;
		for (er_slice dir = above(at); said == 0; dir = above(dir)) {
			er_slice path = er_slice_from(at, dir.n + (dir.n > 1));
			said = verdict(a, er_arena_printf(a, "%.*s/.gitignore", ER_FMT(dir)), path);
			if (dir.n <= root.n) {
				if (said == 0)
					said = verdict(a, er_arena_printf(a, "%.*s/.git/info/exclude", ER_FMT(dir)), path);
				break;
			}
		}
		if (said > 0)
			return true;
	}
	return false;
}

const char *er_worktree_of(er_arena *a, const char *folder)
{
	char real[PATH_MAX];
	if (realpath(folder, real) == NULL)
		return NULL;
	er_slice at = er_slice_cstr(real);
	for (er_slice root = at; root.n > 0; root = root.n > 1 ? above(root) : er_slice_head(root, 0))
		if (is_root(a, root))
			return ignored(a, root, at) ? NULL : er_arena_cstr(a, root);
	return NULL;
}
