/* Runs a fuzz target's corpus without libFuzzer: every file of the folders and files on the command line, and the empty input.
 * A crash or a sanitizer's report is the failure; a missing folder is an empty corpus. */
#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t run_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return 0;
	size_t n = 0;
	uint8_t *data = NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		/* exactly as large as the input, so that a read beyond it is seen */
		data = er_alloc((size_t)st.st_size + !st.st_size);
		while (n < (size_t)st.st_size) {
			ssize_t got = read(fd, data + n, (size_t)st.st_size - n);
			if (got <= 0)
				break;
			n += (size_t)got;
		}
	}
	close(fd);
	if (!data)
		return 0;
	(void)LLVMFuzzerTestOneInput(data, n);
	er_free(data);
	return 1;
}

static size_t run_path(const char *path)
{
	DIR *dir = opendir(path);
	size_t ran = 0;
	if (!dir)
		return run_file(path);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		char *name = er_printf("%s/%s", path, e->d_name);
		ran += run_file(name);
		er_free(name);
	}
	closedir(dir);
	return ran;
}

int main(int argc, char **argv)
{
	size_t ran = 0;
	uint8_t *nothing = er_alloc(1);
	(void)LLVMFuzzerTestOneInput(nothing, 0);
	er_free(nothing);
	for (int i = 1; i < argc; i++)
		ran += run_path(argv[i]);
	printf("%zu inputs replayed\n", ran);
	return 0;
}
