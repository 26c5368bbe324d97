/* The node that one file of tests runs on (er test): a node of its own with one routine, the
 * bundled tests, on a port of this machine, and data in a folder that is new. It says what happens
 * as `er dev --json` does, and ends when its standard input closes, so that it never outlives who
 * started it. */
#ifndef ER_CLI_STAGE_H
#define ER_CLI_STAGE_H

typedef struct er_stage {
	const char *where;      /* the project's folder */
	const char *code, *map; /* files: the script of the tests, and its source map */
	const char *data;       /* a folder for the key-value store, which need not be there */
	const char *timeout;    /* milliseconds of a test */
} er_stage;

/* From the start to the end of the input. The exit status. */
int er_stage_run(const er_stage *s);

#endif
