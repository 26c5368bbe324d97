/* JavaScript, as the rest of the sandbox sees it. Only the engine's own files (engine*.c) include
 * JavaScriptCore; to the others a value is an opaque pointer. Values live as long as they are on
 * the C stack (the collector scans it) or protected; never keep one in memory. */
#ifndef ER_SANDBOX_ENGINE_H
#define ER_SANDBOX_ENGINE_H

#include "base/err.h"
#include "base/slice.h"
#include "channel/contract.h"
#include "sandbox/held.h"
#include "sandbox/native.h"

typedef enum er_given {
#define X(name) ER_GIVEN_##name,
	ER_GIVEN_TABLE(X)
#undef X
	    ER_GIVEN_COUNT_
} er_given;
typedef enum er_hook {
#define X(name, args) ER_HOOK_##name,
	ER_HOOK_TABLE(X)
#undef X
	    ER_HOOK_COUNT_
} er_hook;

/* ---- the machine ---- */
/* VM, context, natives, prelude; warms what would be slow on first use. */
ER_MUST_CHECK bool er_engine_start(er_err *err);
extern er_js er_engine_js; /* the context; set once at the start */
/* Before the start: as if the engine had none of what its C API does not promise. For tests, and to
 * find out whether a fault lies there. */
extern bool er_engine_public_only;
/* "JavaScriptCore 2.50.6", and whether only its public API is used. */
const char *er_engine_version(void);
/* Runs what promises and queueMicrotask have left: after what ran JavaScript without a hook. Hooks
 * do it themselves. */
void er_engine_microtasks(void);
/* Runs a script; its value, or NULL with *exception. */
er_value er_engine_eval(er_slice code, const char *source_url, er_value *exception);
/* The same for a script that is built into the program: never changed, never freed. The engine
 * reads it where it lies, if it can, instead of keeping a copy in each sandbox. */
er_value er_engine_eval_builtin(er_slice code, const char *source_url, er_value *exception);
/* Calls a hook with the present turn as its owner's. An exception goes to hooks.uncaught. */
void er_engine_call(er_hook hook, size_t argc, const er_value argv[]);
/* These, from a hook's name and its arguments by theirs: ER_HOOK(credit, .key =
 * key, .n = n). */
#define ER_HOOK(hook, ...) \
	ER_HOOK_##hook, ER_HOOK_ARGS_##hook, (const er_value *)(const void *)&(const er_hook_args_##hook) \
	{ \
		__VA_ARGS__ \
	}
/* The same of a hook that says yes or no. */
bool er_engine_ask(er_hook hook, size_t argc, const er_value argv[]);
/* Is hooks.turnOver to be called after each hook and its microtasks? */
void er_engine_watch_turns(bool on);
/* Calls hooks.loaded(); what it throws, or NULL. */
er_value er_engine_loaded(void);
/* Between these two the engine's lock is held, so that each call need not take it: for a batch of
 * turns, never while waiting. */
void er_engine_enter(void);
void er_engine_leave(void);
/* Calls hooks.describe(error), inside a turn: an object with name, message and stack. NULL: that
 * failed. */
er_value er_engine_describe(er_value error);
/* Sets a member of `er`. */
void er_engine_set(er_given which, er_value v);
er_value er_engine_get(er_given which);
/* Gives memory back; takes milliseconds. */
void er_engine_collect(void);
/* One round of the engine's loop; `wait`: until there is something to do. True: something was. */
bool er_engine_turn(bool wait);
/* The engine's own work: collections that are due, asynchronous compilation. */
void er_engine_iterate(void);
/* Waits for the node to wake us and for the engine's own loop, for at most `ms` (-1: for ever), or
 * less. True: the engine has work of its own. */
bool er_engine_wait(int ms);
/* Before the engine starts: its loop. After it: `fd`, the eventfd by which the node wakes us;
 * nobody else may read it. */
void er_engine_wait_start(void);
ER_MUST_CHECK bool er_engine_wait_watch(int fd, er_err *err);

/* ---- natives (engine_native.c) ---- */
/* Once, after the engine has started: finds out how natives can be made. */
void er_native_start(void);
/* They are called without the C API. */
bool er_native_direct(void);
/* A function that calls it. */
er_object er_native_function(const er_native *n);

/* ---- values (engine_value.c) ---- */
/* Once, after the engine has started, in this order: the engine's files stand on one another so.
 * The natives' start comes before the last, which is called under the engine's lock. */
void er_js_value_start(void);
void er_js_peek_start(void);
void er_js_string_start(void);
void er_js_json_start(void);
er_value er_js_undefined(void);
er_value er_js_null(void);
er_value er_js_bool(bool b);
er_value er_js_number(double d);
bool er_js_is_undefined(er_value v);
bool er_js_is_string(er_value v);
/* An object as a literal makes it: no proxy, no array, nothing with ways of its own. False also
 * where this engine does not let us see. */
bool er_js_is_plain(er_value v);
/* NaN when it is not a number and does not become one. */
double er_js_to_number(er_value v);
/* 0 when it is not a number in range. */
uint32_t er_js_to_u32(er_value v);
uint64_t er_js_to_u64(er_value v);
bool er_js_to_bool(er_value v);

/* Strings out of JavaScript: bytes in a buffer of the caller, on the heap when long, or borrowed
 * from the string. */
typedef struct er_text {
	uint8_t *p;
	size_t n;
	bool borrowed;                         /* never written to */
	_Alignas(uint64_t) uint8_t room[1024]; /* UTF-16 is written there, too */
} er_text;
static inline er_slice er_text_slice(const er_text *t)
{
	return er_slice_of(t->p, t->n);
}
/* UTF-8; lone surrogates become U+FFFD. False: *exception is set. Always er_text_fini after
 * true. */
ER_MUST_CHECK bool er_js_utf8(er_value v, er_text *out, er_value *exception);
/* A byte a character. Characters over 255: fails with TypeError. */
ER_MUST_CHECK bool er_js_bytestring(er_value v, er_text *out, er_value *exception);
/* Both without a copy where the string has these bytes already: valid while the string lives, as a
 * native's argument does. */
ER_MUST_CHECK bool er_js_utf8_arg(er_value v, er_text *out, er_value *exception);
ER_MUST_CHECK bool er_js_bytestring_arg(er_value v, er_text *out, er_value *exception);
/* The characters of a string where they lie, a byte each; false: it is none, or has them otherwise.
 * Valid while the string lives. */
bool er_js_peek(er_value v, er_slice *latin1);
/* The same of a string that has units of UTF-16: n of them. */
bool er_js_peek_wide(er_value v, const uint16_t **units, size_t *n);
/* A promise, of any realm. False also if the engine's cells are not as they were known. */
bool er_js_is_promise(er_value v);
/* A promise that is pending, and nobody waits for it. False also if the engine's objects are not as
 * they were known. */
bool er_js_is_bare(er_value v);
/* A promise that somebody waits for, or has. False also if that cannot be seen. */
bool er_js_is_handled(er_value v);
/* UTF-16 units in *out (n counts bytes), without a copy where the string has them. */
ER_MUST_CHECK bool er_js_utf16_arg(er_value v, er_text *out, er_value *exception);
void er_text_fini(er_text *t);

/* Strings into JavaScript. */
er_value er_js_ascii(const char *s);
er_value er_js_latin1(er_slice s);
er_value er_js_from_utf16(const uint16_t *p, size_t n);
/* A string that the caller writes: n characters, a byte each, at `room`. */
typedef struct er_filling {
	uint8_t *room;
	size_t n;
	void *string; /* the engine's; NULL: the room is of the heap until it is a string */
} er_filling;
/* False: there is no memory. After true one of the two others. */
ER_MUST_CHECK bool er_js_fill(er_filling *f, size_t n);
er_value er_js_filled(er_filling *f);
void er_js_fill_drop(er_filling *f);
/* Malformed sequences become U+FFFD. */
er_value er_js_from_utf8(er_slice s);

/* What JSON.parse makes of UTF-8; NULL: it is none, or the engine has no way to parse bytes: let
 * JSON.parse say. */
er_value er_js_parse_json(er_slice utf8);
/* Borrows the bytes of a Uint8Array, another view or an ArrayBuffer, until JavaScript runs again.
 * False: it is none. */
bool er_js_bytes(er_value v, er_slice *out);
/* A new Uint8Array. */
er_value er_js_u8_copy(er_slice s, er_value *exception);
/* A Uint8Array of n bytes whose memory is returned through *mem, to be written before anything else
 * is asked of the engine; NULL with *exception when there is none. */
er_value er_js_u8_new(size_t n, uint8_t **mem, er_value *exception);
/* A Uint32Array over static memory. */
er_value er_js_u32_static(uint32_t *p, size_t n);
er_value er_js_object(void);
void er_js_set(er_value object, const char *name, er_value v);
/* Undefined when absent or when the getter throws. */
er_value er_js_get(er_value object, const char *name);

/* ---- handles (engine_handle.c) ---- */
/* The object's part of what is held; held.h says what ends it. */
typedef struct er_handle {
	er_held *held; /* NULL: it has ended */
} er_handle;
/* An object by which JavaScript knows it. `cost`: the bytes behind it, so that the collector comes
 * when there are many. */
er_value er_js_handle(er_held *h, size_t cost);
/* What a handle stands for has become so much larger. */
void er_js_cost(er_held *h, size_t more);
/* NULL: it is none of that kind, or has ended. */
er_held *er_js_handle_of(er_value v, er_held_kind kind);

/* Returns NULL, so that `return er_js_throw(...)` reads well. */
er_value er_js_throw(er_value *exception, const char *type, const char *message);

#endif
