/* Natives (api/ *.c) are plain functions defined with ER_NATIVE, one for each line of
 * ER_NATIVE_TABLE (channel/contract.h); the prelude finds them as members of `er`. They throw by
 * setting *exception (er_js_throw) and returning NULL. A native has its arguments by the names of
 * the contract: `a` is a view of them where they lie. A call with fewer or more throws before the
 * native is entered. Arguments stay alive while the native runs.
 *
 * A native is called the way the engine calls its own functions: arguments where they lie in the
 * frame, no lock dropped and taken again. That is not in the C API; where the engine has no such
 * way any more, the C API's callbacks do the same more slowly (engine_native.c). */
#ifndef ER_SANDBOX_NATIVE_H
#define ER_SANDBOX_NATIVE_H

#include "channel/contract.h"

#include <stddef.h>
#include <stdint.h>

struct OpaqueJSContext;
struct OpaqueJSValue;
typedef const struct OpaqueJSContext *er_js;
typedef const struct OpaqueJSValue *er_value;
typedef struct OpaqueJSValue *er_object;

typedef er_value er_native_fn(size_t argc, const er_value argv[], er_value *exception);
typedef er_value er_native_host(void *global, const er_value frame[]);
typedef er_value er_native_callback(er_js js, er_object function, er_object self, size_t argc, const er_value argv[],
                                    er_value *exception);

/* The places of an engine's frame: the caller's frame, where to go back, code, the function; then
 * the count of arguments and `this`, and these. */
enum { ER_FRAME_ARGC = 4, ER_FRAME_THIS = 5, ER_FRAME_ARGV = 6 };
_Static_assert(ER_FRAME_THIS == ER_FRAME_ARGC + 1 && ER_FRAME_ARGV == ER_FRAME_THIS + 1,
               "`this` is the first thing that is counted, and the arguments follow it");
/* What a native gives back to the engine: the value, or the exception thrown. */
er_value er_native_return(void *global, er_value v, er_value exception);

/* The arguments of a native, er_args_NAME, and of a hook, er_hook_args_NAME: a member for each, in
 * their order. */
#define ER_COUNT(...) ER_NTH_(__VA_OPT__(__VA_ARGS__, ) 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define ER_NTH_(a, b, c, d, e, f, g, h, i, n, ...) n
#define ER_MEMBERS(...) __VA_OPT__(er_value __VA_ARGS__;)
#define X(name, args) \
	typedef struct er_args_##name { \
		ER_MEMBERS args \
	} er_args_##name; \
	enum { ER_NATIVE_ARGS_##name = ER_COUNT args }; \
	_Static_assert(sizeof(er_args_##name) == ER_NATIVE_ARGS_##name * sizeof(er_value), \
	               "they lie one after the other, as in the engine's frame");
ER_NATIVE_TABLE(X)
#undef X
#define X(name, args) \
	typedef struct er_hook_args_##name { \
		ER_MEMBERS args \
	} er_hook_args_##name; \
	enum { ER_HOOK_ARGS_##name = ER_COUNT args };
ER_HOOK_TABLE(X)
#undef X
/* A native was called with another number of arguments than the contract says: throws. */
er_value er_native_miscounted(const char *name, er_value *exception);

#define ER_NATIVE_DEFINE(linkage, fn) \
	static er_native_fn fn; \
	linkage er_value fn##_host(void *global, const er_value frame[]) \
	{ \
		er_value exception = NULL; \
		er_value v = fn((uint32_t)(uintptr_t)frame[ER_FRAME_ARGC] - 1, frame + ER_FRAME_ARGV, &exception); \
		return er_native_return(global, v, exception); \
	} \
	linkage __attribute__((unused)) \
	er_value fn##_callback(er_js js __attribute__((unused)), er_object function __attribute__((unused)), \
	                       er_object self __attribute__((unused)), size_t argc, const er_value argv[], er_value *exception) \
	{ \
		return fn(argc, argv, exception); \
	} \
	static er_value fn(size_t argc __attribute__((unused)), const er_value argv[] __attribute__((unused)), \
	                   er_value *exception __attribute__((unused)))
/* One of ours alone: no member of `er`, any number of arguments. */
#define ER_NATIVE_PRIVATE(fn) ER_NATIVE_DEFINE(static, fn)

/* One of the contract: er.name, with its arguments as members of *a. */
#define ER_NATIVE(name) \
	static er_value er_native_##name(const er_args_##name *a, er_value *exception); \
	static er_value er_native_##name##_counted(size_t argc, const er_value argv[], er_value *exception) \
	{ \
		if (__builtin_expect(argc != ER_NATIVE_ARGS_##name, 0)) \
			return er_native_miscounted(#name, exception); \
		return er_native_##name((const er_args_##name *)(const void *)argv, exception); \
	} \
	er_value er_native_##name##_host(void *global, const er_value frame[]) \
	{ \
		er_value exception = NULL; \
		er_value v = \
		    er_native_##name##_counted((uint32_t)(uintptr_t)frame[ER_FRAME_ARGC] - 1, frame + ER_FRAME_ARGV, &exception); \
		return er_native_return(global, v, exception); \
	} \
	er_value er_native_##name##_callback(er_js js __attribute__((unused)), er_object function __attribute__((unused)), \
	                                     er_object self __attribute__((unused)), size_t argc, const er_value argv[], \
	                                     er_value *exception) \
	{ \
		return er_native_##name##_counted(argc, argv, exception); \
	} \
	static er_value er_native_##name(const er_args_##name *a __attribute__((unused)), er_value *exception __attribute__((unused)))

typedef struct er_native {
	const char *name;
	er_native_host *host;
	er_native_callback *callback;
} er_native;
#define ER_NATIVE_AS(name, fn) \
	{ \
		name, fn##_host, fn##_callback \
	}

#define X(name, args) er_native_host er_native_##name##_host;
ER_NATIVE_TABLE(X)
#undef X
#define X(name, args) er_native_callback er_native_##name##_callback;
ER_NATIVE_TABLE(X)
#undef X
enum {
#define X(name, args) ER_NATIVE_##name,
	ER_NATIVE_TABLE(X)
#undef X
	    ER_NATIVE_COUNT_
};
/* What api/ gives to the engine, which calls nothing there by name: the natives, in the order of
 * the contract (api/natives.c); the one of the tests (api/attack.c); the memory behind er.urlParts
 * (api/url.c). */
extern const er_native er_api_natives[ER_NATIVE_COUNT_];
extern const er_native er_api_attack;
enum { ER_API_URL_PARTS = 8 };
extern uint32_t er_api_url_parts[ER_API_URL_PARTS];

#endif
