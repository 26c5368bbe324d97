/* What every command to a node shares: its options, the connection, calls of the API with their
 * failures said to the person (or, with --json, as {"error": {...}} on standard output), and the
 * name of the routine that is meant.
 *
 *     er_remote r = {0};
 *     const er_option options[] = {ER_REMOTE_OPTIONS(&r)};
 *     ...
 *     if (er_remote_get(&r, er_remote_path(&r.arena, "/v1/routines/{}/versions", name), &answer))
 *         ...
 *     return er_remote_close(&r); */
#ifndef ER_CLI_REMOTE_H
#define ER_CLI_REMOTE_H

#include "cli/args.h"
#include "cli/cell.h"
#include "cli/client.h"

/* One command's talk with a node. All zero before the options are read; er_remote_close ends it. */
typedef struct er_remote {
	const char *node, *profile, *timeout;
	bool json;
	/* after the first call */
	er_arena arena;
	er_target target;
	er_client *client; /* NULL: not connected yet */
	unsigned call_ms;  /* how long er_remote_call waits; 0: a minute */
	unsigned wait_ms;  /* of --timeout; 0: each call has its own */
	int status;        /* what the command will end with */
} er_remote;

#define ER_REMOTE_OPTIONS(r) \
	{"node", 0, "WHERE", "the node: http(s)://HOST[:PORT] or the path of its socket", NULL, &(r)->node}, \
	    {"profile", 'p', "NAME", "the node of this profile (er login --list)", NULL, &(r)->profile}, \
	    {"timeout", 0, "SECONDS", "how long to wait for the node; 60 if not given", NULL, &(r)->timeout}, \
	{ \
		"json", 0, NULL, "the node's answer as JSON on standard output", &(r)->json, NULL \
	}

/* Appends a part of a path, percent-encoded; "." and ".." as well, which would be steps in the path
 * and not names. */
void er_remote_put_segment(er_buf *b, er_slice s);
/* A path with every {} filled by the next argument (const char *), percent-encoded. */
er_slice er_remote_path(er_arena *a, const char *fmt, ...);
/* Appends "?name=value" or "&name=value" if value is not NULL. `path` grows in the arena. */
er_slice er_remote_query(er_arena *a, er_slice path, const char *name, const char *value);

typedef struct er_answer {
	er_reply reply;
	const er_json *json; /* of a JSON body, in the er_remote's arena; or NULL */
} er_answer;
void er_answer_fini(er_answer *a);

/* The connection; made at the first call. False: said. */
bool er_remote_connect(er_remote *r);
/* False: there was no 2xx answer; that was said, and r->status is set. The answer must be finished
 * in either case. `body`: JSON, or empty. */
bool er_remote_call(er_remote *r, const char *method, er_slice path, er_slice body, er_answer *out);
/* The same with everything that a call can have. */
bool er_remote_send(er_remote *r, const er_ask *call, er_answer *out);
bool er_remote_get(er_remote *r, er_slice path, er_answer *out);
/* A GET that says nothing when it fails: its JSON, in `a`, or NULL. *status: of the answer, 0 if
 * there was none. */
const er_json *er_remote_try(er_remote *r, er_arena *a, er_slice path, int *status);
/* Like GET, but follows "next" and puts all items (at most `most`, 0: all) into one answer. */
bool er_remote_list(er_remote *r, er_slice path, uint64_t most, er_answer *out);
/* The answer is a list of these, from now on. */
void er_remote_set_items(er_remote *r, er_answer *out, er_json_list *items);
/* The same of a list that takes "limit". */
bool er_remote_pages(er_remote *r, er_slice path, uint64_t most, er_answer *out);
/* Prints the answer's body as it came, with a newline. */
void er_remote_print(const er_answer *a);
/* Shows a list: the answer as it came, or its items as a table; nothing if `ok` is false, which was
 * said. Finishes the answer. */
void er_remote_show_list(er_remote *r, er_answer *a, bool ok, const er_column *columns, const char *empty);
/* "warnings" of an answer, to standard error; with --json they are in the answer. */
void er_remote_warnings(const er_remote *r, const er_json *answer);
/* Like er_remote_print; {"ok":true} if the answer has no body. */
void er_remote_done(const er_answer *a);

/* A call that changes something. That it was done is said: with the answer (--json), or in these
 * words. */
void er_remote_change(er_remote *r, const char *method, er_slice path, er_slice body, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* A failure of this side: said like the API's. `code` as in the API: "invalid", "unreachable"
 * ... */
void er_remote_fail(er_remote *r, int status, const char *code, const char *text);
void er_remote_fail_err(er_remote *r, const er_err *err);
/* What a refused or failed call means: says it, sets r->status. */
void er_remote_refused(er_remote *r, const er_answer *a);

/* The routine that is meant: `name` if given, else of er.jsonc here or in a folder above. In the
 * arena; NULL: said. */
const char *er_remote_routine(er_remote *r, const char *name);
/* "production" (also for NULL, "prod", "p") or "staging" ("stage", "s"); NULL: said. */
const char *er_remote_env(er_remote *r, const char *name);
/* A whole number in [least, most]; false: said. */
bool er_remote_number(er_remote *r, const char *what, const char *text, uint64_t least, uint64_t most, uint64_t *out);

/* Frees everything and returns r->status. */
int er_remote_close(er_remote *r);

#endif
