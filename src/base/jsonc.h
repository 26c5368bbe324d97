/* JSON, for files that people write (RFC 8259 plus line comments, block comments and trailing
 * commas) and for what comes over a wire (RFC 8259). The tree remembers where everything stood, so
 * that a mistake in the meaning ("port": "80") can be shown at its line and column as well as one
 * in the form. json_tree.h reads it comfortably.
 *
 * The tree, its strings and its numbers live in the caller's arena; the text must live as long as
 * positions are asked for. Duplicate keys, depth over ER_JSON_DEPTH and files over 1 MB are
 * mistakes. Errors are ER_ERR_INVALID, and *err_at is the offset. */
#ifndef ER_BASE_JSONC_H
#define ER_BASE_JSONC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

typedef enum er_json_type {
	ER_JSON_NULL,
	ER_JSON_BOOL,
	ER_JSON_NUMBER,
	ER_JSON_STRING,
	ER_JSON_ARRAY,
	ER_JSON_OBJECT,
} er_json_type;

/* A value, in the arena of the parse. Children of an object or array are a list. */
typedef struct er_json {
	er_json_type type;
	bool boolean;
	double number;
	er_slice text;         /* STRING: decoded UTF-8; NUMBER: as written */
	size_t at, end;        /* where the value stands in the text: [at, end) */
	er_slice key;          /* of a member of an object, decoded */
	size_t key_at;         /* where the key's quote stands */
	struct er_json *first; /* ARRAY, OBJECT: the children in order */
	struct er_json *next;  /* the next child of the same parent */
} er_json;

/* NULL: a mistake; *err says what in words without the position, *err_at where. */
er_json *er_jsonc_parse(er_arena *a, er_slice text, size_t *err_at, er_err *err);
/* The same without comments, trailing commas and byte order mark (RFC 8259), for what comes over a
 * wire: UTF-8 only, at most `values` values (each takes some 90 bytes, however short it is in the
 * text). How long the text may be is the caller's to bound. */
er_json *er_json_parse(er_arena *a, er_slice text, size_t values, size_t *err_at, er_err *err);

enum { ER_JSON_DEPTH = 64, ER_JSON_DEPTH_MOST = 128 };

/* What a reader of a wire allows, and what it wants to have. */
typedef struct er_json_bounds {
	size_t values;  /* at most so many are kept */
	unsigned depth; /* at most ER_JSON_DEPTH_MOST; 0: ER_JSON_DEPTH */
	/* Of the outermost object only members of these names are kept, if no escape is in the name.
	 * The others are checked for their form, though not for names that occur twice, and take no
	 * memory. n_only 0: all are kept. */
	const er_slice *only;
	size_t n_only;
} er_json_bounds;
/* As er_json_parse. */
er_json *er_json_read(er_arena *a, er_slice text, const er_json_bounds *bounds, size_t *err_at, er_err *err);
/* The member, or NULL; also NULL if v is NULL or no object. */
const er_json *er_json_get(const er_json *v, er_slice key);
/* "an object", "a number", ... for messages. */
const char *er_json_type_name(er_json_type type);
/* Appends v as plain JSON. */
void er_json_write(er_buf *b, const er_json *v);

typedef struct er_text_pos {
	unsigned line, column; /* from 1; the column counts code points */
	er_slice line_text;    /* the whole line, without its end */
	size_t line_at;        /* the offset of its first byte */
} er_text_pos;
er_text_pos er_text_where(er_slice text, size_t at);

#endif
