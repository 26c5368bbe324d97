/* Runs a fuzz target over files and folders of files, without libFuzzer: what a fuzzer found once
 * stays fixed. */
#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	if (f == NULL || fstat(fileno(f), &st) != 0) {
		perror(path);
		return -1;
	}
	uint8_t *data = er_alloc((size_t)st.st_size);
	size_t n = fread(data, 1, (size_t)st.st_size, f);
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	er_free(data);
	return 1;
}

static int run_folder(const char *path)
{
	DIR *dir = opendir(path);
	if (dir == NULL)
		return run_file(path);
	int done = 0;
	for (struct dirent *it; (it = readdir(dir)) != NULL;) {
		if (it->d_name[0] == '.')
			continue;
		char *file = er_printf("%s/%s", path, it->d_name);
		int n = run_folder(file);
		er_free(file);
		if (n < 0) {
			closedir(dir);
			return -1;
		}
		done += n;
	}
	closedir(dir);
	return done;
}

int main(int argc, char **argv)
{
	int done = 0;
	for (int i = 1; i < argc; i++) {
		int n = run_folder(argv[i]);
		if (n < 0)
			return 1;
		done += n;
	}
	printf("%d inputs replayed\n", done);
	return done > 0 ? 0 : 1;
}
