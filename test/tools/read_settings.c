/* Reads settings as the node and `er` do, many in one process: what costs time is to start one.
 *
 *   read-settings node FOLDER/     each line of standard input is a node.jsonc of that folder
 *   read-settings project FOLDER/  ... an er.jsonc, which is written there
 *
 * For each line a line comes out: empty if the settings are right, else what is wrong. */
#include "base/mem.h"
#include "cli/project.h"
#include "gateway/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		putchar(text[i] == '\n' ? ' ' : text[i]);
	putchar('\n');
}

static void read_node(er_slice text, const char *folder)
{
	er_err err = {0};
	er_config *c = er_config_read(text, "node.jsonc", er_slice_cstr(folder), &err);
	if (c != NULL)
		say("", 0);
	else
		say(err.text, strlen(err.text));
	if (c != NULL)
		er_config_unref(c);
}

static void read_project(er_slice text, const char *folder)
{
	char *path = er_printf("%ser.jsonc", folder);
	FILE *f = fopen(path, "w");
	if (f == NULL || fwrite(text.p, 1, text.n, f) != text.n || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
	er_free(path);
	er_project p = {0};
	er_diag d = {0};
	if (er_project_load(&p, folder, &d))
		say("", 0);
	else
		say((const char *)d.text.p, d.text.n);
	er_project_free(&p);
}

int main(int argc, char **argv)
{
	bool node = argc == 3 && strcmp(argv[1], "node") == 0;
	if (argc != 3 || (!node && strcmp(argv[1], "project") != 0)) {
		fprintf(stderr, "usage: read-settings node|project FOLDER\n");
		return 2;
	}
	char *line = NULL;
	size_t cap = 0;
	for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
		er_slice text = er_slice_of(line, (size_t)n);
		if (node)
			read_node(text, argv[2]);
		else
			read_project(text, argv[2]);
	}
	free(line);
	return 0;
}
