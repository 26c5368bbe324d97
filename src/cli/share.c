/* Where the files are that come with er: beside the executable in a build, in ../lib/edgeroutine
 * when it is installed, in ../tools or above the build directory in the source tree. The executable
 * is found by the kernel's link, so that neither PATH nor the current folder matter. */
#include "cli/share.h"

#include "base/mem.h"

#include <limits.h>
#include <unistd.h>

bool er_share_find(const char *name, er_buf *path, er_err *err)
{
	ER_ASSERT(name != NULL && name[0] != '/');
	static const char *const places[] = {"", "../lib/edgeroutine/", "../tools/", "../"};
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe);
	if (n <= 0 || (size_t)n >= sizeof exe)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot find this executable");
	while (n > 0 && exe[n - 1] != '/')
		n--;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		er_buf_clear(path);
		er_buf_put(path, er_slice_of(exe, (size_t)n));
		er_buf_put_cstr(path, places[i]);
		er_buf_put_cstr(path, name);
		er_buf_putc(path, 0);
		if (access((const char *)er_buf_slice(path).p, R_OK) == 0)
			return true;
	}
	return er_fail(
	    err, ER_ERR_UNAVAILABLE,
	    "%s is neither in %.*s nor in ../lib/edgeroutine or ../tools beside it: er is not installed whole (make install)", name,
	    (int)n, exe);
}
