/* A command to a node as a row of data: its words and options, the request, and what is said of the
 * answer. A command that does more than one request has a function for that in its row. The rows
 * stand beside their subject (route.c, token.c ...), the tree of commands names them, and
 * er_cli_run runs them. Rows are constant. What a call makes is in the arena of its er_remote or in
 * the call itself, and er_row_run frees it.
 *
 * Templates: {0} to {2} are the words, {routine} is the routine that is meant, any other {name} is
 * the option of that name. In a path they are percent-encoded. */
#ifndef ER_CLI_ROW_H
#define ER_CLI_ROW_H

#include "cli/cell.h"
#include "cli/cli.h"
#include "cli/remote.h"

enum { ER_ROW_WORDS = 50, ER_ROW_OPTIONS = 12, ER_ROW_FIELDS = 5 };

/* An option of a row; er_args_parse sees it as an er_option. */
typedef struct er_row_option {
	const char *name;
	char letter;
	const char *value, *help; /* as in er_option */
	const char *preset;       /* its value if it is not given; or NULL */
	uint64_t least, most;     /* a whole number between these; `most` 0: text */
} er_row_option;

/* The environment (its {env} is the full word), the routine, and the yes before a row's
 * question. */
#define ER_ROW_ENV .name = "env", .letter = 'e', .value = "ENV", .help = "production (default) or staging"
#define ER_ROW_NAME .name = "name", .letter = 'n', .value = "NAME", .help = "the routine, instead of er.jsonc's name"
#define ER_ROW_YES .name = "yes", .letter = 'y', .help = "do not ask"

typedef enum er_row_kind {
	ER_ROW_TEXT,
	ER_ROW_NUMBER,  /* of an option with bounds */
	ER_ROW_VERSION, /* the number of one */
	ER_ROW_LIST,    /* "a, b": ["a", "b"] */
} er_row_kind;

/* A member of the request's body. It is left out if its value is not given. */
typedef struct er_row_field {
	const char *key, *from; /* `from`: what a template has between its braces */
	er_row_kind kind;
} er_row_field;

typedef struct er_row_call er_row_call;

struct er_row {
	const char *usage, *about;
	const char *details;    /* NULL: the exit statuses */
	unsigned char words[2]; /* positional arguments: at least, at most */
	er_row_option options[ER_ROW_OPTIONS];

	/* Looked at before the request, in this order; numbers that every call has come first. */
	bool version; /* the first word is the number of a version */
	/* what names the routine, as in a template; er.jsonc does if it is not given. NULL: none is
	 * meant */
	const char *routine;
	const char *question; /* asked unless --yes is there; or NULL */

	void (*run)(er_row_call *c); /* does more than one request, instead of all below; or NULL */

	/* "GET /v1/routes?environment={env}": the method, and a template of the path */
	const char *request;
	unsigned wait_ms;  /* for the answer; 0: as long as other calls */
	const char *query; /* an option that is a parameter of the path if it is given; or NULL */
	er_row_field body[ER_ROW_FIELDS];
	/* instead: writes the members of the body; false: it said why */
	bool (*make_body)(er_row_call *c, er_out *body);
	/* said of a body that is none; NULL: a member that is none is left out */
	const char *not_utf8;

	/* The answer: a list, or a sentence, or what is not a plain sentence. --json prints it as it
	 * came. */
	er_column columns[ER_TABLE_COLUMNS];
	const char *empty;     /* said of a list without items; NULL: it is no list */
	bool paged;            /* the list takes "limit"; at most --limit items, if the row has it */
	const char *unmatched; /* said instead of `empty` if `query` is given; or NULL */
	const char *said;      /* a template, without a newline at its end */
	void (*show)(er_row_call *c, const er_json *answer);
};

/* One call of a row: the arguments as they were read. Borrowed from argv. */
struct er_row_call {
	const er_row *row;
	er_remote remote;
	const char *words[ER_ROW_WORDS], *texts[ER_ROW_OPTIONS], *routine;
	bool flags[ER_ROW_OPTIONS]; /* of switches */
};

/* What a template has for {key}; NULL: not given. */
const char *er_row_value(const er_row_call *c, er_slice key);
bool er_row_flag(const er_row_call *c, er_slice name);
/* Of an option with bounds. False: said. */
bool er_row_number(er_row_call *c, er_slice name, uint64_t *out);
/* "a, b": ["a", "b"], a member of a body. */
void er_row_list(er_out *body, const char *key, er_slice text);
/* Says what is wrong with how it was called: the end status is that of a usage. Returns false. */
bool er_row_refuse(er_row_call *c, const char *text);
/* argv[0] is the command's name. Returns the exit status. */
int er_row_run(const er_row *row, int argc, char **argv);

#endif
