/* Natives: functions in C that the prelude calls. JSC::JSFunction::create makes one that the
 * engine's code calls directly; it is exported but not of the C API, so it is used only when this
 * engine has it and calls the way it is meant to. Otherwise the C API's callback, some 100 ns
 * slower. */
#include "sandbox/engine.h"

#include "base/mem.h"
#include "sandbox/jsc.h"

#include <stdio.h>

static bool direct; /* the engine has the functions, and they do what they did */

static er_value no_constructor(void *global, const er_value frame[])
{
	(void)frame;
	er_value exception = NULL;
	er_js_throw(&exception, "TypeError", "not a constructor");
	return er_native_return(global, NULL, exception);
}

er_value er_native_return(void *global, er_value v, er_value exception)
{
	if (__builtin_expect(exception != NULL, 0)) {
		er_jsc_throw(JSContextGetGroup(er_engine_js), global, exception);
		return NULL;
	}
	return v != NULL ? v : er_js_undefined();
}

er_value er_native_miscounted(const char *name, er_value *exception)
{
	char why[128];
	ER_ASSERT(name != NULL && exception != NULL);
	snprintf(why, sizeof why, "er.%s takes another number of arguments", name);
	return er_js_throw(exception, "TypeError", why);
}

static er_object make(const char *name, er_native_host *fn)
{
	ER_ASSERT(name != NULL && fn != NULL);
	void *string = NULL, *lock;
	er_slice s = er_slice_cstr(name);
	er_jsc_bytes_create(&string, s.p, s.n);
	/* functions of the C API take it themselves */
	er_jsc_lock(&lock, JSContextGetGroup(er_engine_js));
	void *made =
	    er_jsc_function_create(JSContextGetGroup(er_engine_js), er_engine_js, 0, &string, fn, 0, 0, no_constructor, NULL);
	er_jsc_unlock(&lock);
	return made; /* the name's reference stays: there are some fifty, for ever */
}

/* ---- does it do what it did? ---- */

static bool seen;

ER_NATIVE_PRIVATE(n_probe)
{
	seen = argc == 3 && er_js_to_number(argv[0]) == 41 && er_js_is_undefined(argv[1]) && argv[2] == er_js_bool(true);
	if (argc == 0)
		return er_js_throw(exception, "RangeError", "as asked");
	return er_js_number(7);
}

static bool probe(void)
{
	if (er_engine_public_only || er_jsc_function_create == NULL || er_jsc_bytes_create == NULL || er_jsc_throw == NULL ||
	    er_jsc_lock == NULL || er_jsc_unlock == NULL || er_jsc_microtasks == NULL || er_jsc_scope_begin == NULL ||
	    er_jsc_scope_end == NULL || sizeof(er_value) != 8)
		return false;
	er_object fn = make("probe", n_probe_host);
	if (fn == NULL || !JSValueIsObject(er_engine_js, fn) || !JSObjectIsFunction(er_engine_js, fn))
		return false;
	er_value exc = NULL, args[3] = {er_js_number(41), er_js_undefined(), er_js_bool(true)};
	er_value v = JSObjectCallAsFunction(er_engine_js, fn, NULL, 3, args, &exc);
	if (!seen || exc != NULL || v == NULL || er_js_to_number(v) != 7)
		return false;
	v = JSObjectCallAsFunction(er_engine_js, fn, NULL, 0, NULL, &exc);
	return exc != NULL && v == NULL && JSValueIsObject(er_engine_js, exc);
}

void er_native_start(void)
{
	direct = probe();
}

bool er_native_direct(void)
{
	return direct;
}

er_object er_native_function(const er_native *n)
{
	ER_ASSERT(n->name != NULL && n->host != NULL && n->callback != NULL);
	if (direct)
		return make(n->name, n->host);
	JSStringRef name = JSStringCreateWithUTF8CString(n->name);
	JSObjectRef fn = JSObjectMakeFunctionWithCallback(er_engine_js, name, n->callback);
	JSStringRelease(name);
	return fn;
}
