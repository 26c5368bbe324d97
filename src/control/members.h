/* Reading a JSON object against a description of its members: type, bounds, whether it must be
 * there. The first mistake is refused with the field's path and what was expected; an unknown
 * member with the nearest known one. */
#ifndef ER_CONTROL_MEMBERS_H
#define ER_CONTROL_MEMBERS_H

#include "base/jsonc.h"
#include "control/problem.h"

typedef enum er_member_type {
	ER_MEMBER_STRING, /* er_slice; bounds: bytes */
	ER_MEMBER_NUMBER, /* uint32_t; a whole number within the bounds */
	ER_MEMBER_WIDE,   /* uint64_t; the same */
	ER_MEMBER_BOOL,   /* bool */
	ER_MEMBER_OBJECT, /* const er_json * */
	ER_MEMBER_ARRAY,  /* const er_json *; bounds: elements */
	ER_MEMBER_ANY,    /* const er_json * */
} er_member_type;

/* What is expected of one member of an object, and where its value goes. */
typedef struct er_member {
	er_slice name;
	er_member_type type;
	bool required;
	size_t offset; /* in what is filled */
	uint64_t least, most;
} er_member;

/* ER_MEMBER(body, "version", version, ER_MEMBER_NUMBER, true, 1, UINT32_MAX) */
#define ER_MEMBER(type_, json, member, kind, required_, least_, most_) \
	{ \
		ER_LIT(json), kind, required_, offsetof(type_, member), least_, most_ \
	}

/* Members that are not there stay as they are in *into. `at` is the path of v itself, or empty. */
ER_MUST_CHECK bool er_members_read(const er_json *v, er_slice at, const er_member *members, size_t n, void *into,
                                   er_problem *problem);
/* The same of a whole array of members. */
#define ER_MEMBERS_READ(v, at, members, into, problem) \
	er_members_read(v, at, members, sizeof(members) / sizeof *(members), into, problem)

/* "at.name", "at[3]": a path for a message, on the caller's stack. */
typedef struct er_path {
	char text[ER_PROBLEM_FIELD];
} er_path;
er_path er_path_member(er_slice at, er_slice name);
er_path er_path_element(er_slice at, size_t i);
/* False: the value v, at path, is not what was expected. */
bool er_members_refuse(er_problem *problem, const er_path *path, const er_json *v, const char *expected);
/* All elements are strings of least..most bytes. */
ER_MUST_CHECK bool er_members_strings(const er_json *array, er_slice at, uint64_t least, uint64_t most, er_problem *problem);

#endif
