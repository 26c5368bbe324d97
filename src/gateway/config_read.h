/* Inside config_*.c: reading node.jsonc with every mistake at its place. */
#ifndef ER_GATEWAY_CONFIG_READ_H
#define ER_GATEWAY_CONFIG_READ_H

#include "base/jsonc.h"
#include "gateway/config.h"

/* One reading of a file, on the stack of er_config_read. */
typedef struct er_config_reader {
	er_arena arena;
	er_slice text;
	const char *shown; /* the file's name, for messages */
	er_slice folder;   /* relative paths begin here */
	er_config *config;
	er_env env; /* whose settings are read */
	/* of the listener that is read */
	er_slice address;
	const er_transport_kind *transport;
	er_err *err;
	void *into; /* what the present object fills */
} er_config_reader;

/* One member that an object may have. */
typedef struct er_config_key {
	er_slice name;
	bool (*read)(er_config_reader *r, const er_json *v);
} er_config_key;

/* "file:line:column: field: what was expected"; false. */
bool er_config_wrong(er_config_reader *r, const er_json *v, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Reads each member by its key; an unknown one is a mistake with a suggestion. */
bool er_config_object(er_config_reader *r, const er_json *v, const er_config_key *keys, size_t n, void *into);
/* Every member has one of these names. */
bool er_config_known(er_config_reader *r, const er_json *v, const er_slice *names, size_t n);
bool er_config_string(er_config_reader *r, const er_json *v, char **out);
/* A whole number in [least, most], times `unit`. */
bool er_config_number(er_config_reader *r, const er_json *v, uint32_t least, uint32_t most, uint32_t unit, uint32_t *out);
/* Reads a whole file of at most `most` bytes into the arena; NULL slice on failure, with errno. */
bool er_config_file(er_config_reader *r, const char *path, size_t most, er_slice *out);
/* A path of the file as an absolute one (or relative to the process, if the file was). In the
 * arena. */
const char *er_config_path(er_config_reader *r, er_slice path);

/* config_routine.c: one member of "routines"; "routineLimits". */
bool er_config_read_routine(er_config_reader *r, const er_json *v);
bool er_config_read_limits(er_config_reader *r, const er_json *v, er_limits *out);
/* An array of ranges; *out is allocated and the caller's. */
bool er_config_read_ranges(er_config_reader *r, const er_json *v, er_cidr **out, size_t *n);

#endif
