/* Inside config_*.c: reading node.jsonc with every mistake at its place. */
#ifndef ER_GATEWAY_CONFIG_READ_H
#define ER_GATEWAY_CONFIG_READ_H

#include "base/jsonc.h"
#include "control/members.h"
#include "gateway/config.h"

/* One reading of a file, on the stack of er_config_read. */
typedef struct er_config_reader {
	er_arena arena;
	er_slice text;
	const char *shown; /* the file's name, for messages */
	er_slice folder;   /* relative paths begin here */
	er_config *config;
	er_err *err;
} er_config_reader;

/* "file:line:column: what is wrong"; false. */
bool er_config_wrong_at(er_config_reader *r, size_t at, const char *text);
/* The same at a value, with its name: "file:line:column: "field": what was expected". */
bool er_config_wrong(er_config_reader *r, const er_json *v, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* What a reader of settings refused, at its place in this file. False. */
bool er_config_refused(er_config_reader *r, const er_problem *problem);
/* er_members_read. */
bool er_config_members(er_config_reader *r, const er_json *v, er_slice at, const er_member *members, size_t n, void *into);
/* "limits" and "routineLimits", by the rows of their table. */
bool er_config_read_limits(er_config_reader *r, const er_json *v, const er_limit *rows, size_t n, void *out);
/* An array of ranges, with `services` also with ports; *out is allocated and the caller's. */
bool er_config_read_ranges(er_config_reader *r, const er_json *v, bool services, er_cidr **out, size_t *n);
/* Reads a whole file of at most `most` bytes into the arena; NULL slice on failure, with errno. */
bool er_config_file(er_config_reader *r, const char *path, size_t most, er_slice *out);
/* A path of the file as an absolute one (or relative to the process, if the file was). In the
 * arena. */
const char *er_config_path(er_config_reader *r, er_slice path);

/* config_geo.c: "geo". */
bool er_config_read_geo(er_config_reader *r, const er_json *v);
/* config_routine.c: one member of "routines". */
bool er_config_read_routine(er_config_reader *r, const er_json *v);

#endif
