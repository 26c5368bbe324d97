/* The machine: one VM, one context, the prelude in it, and the way in and out.
 *
 * er_engine_start makes all of it, once, before the lock-down is complete; nothing is ever taken
 * down. The order matters: the run loop before the VM, values and strings before natives, natives
 * before the prelude, and code from strings off after it. `engine.hooks` and `engine.er` are
 * protected from the collector.
 *
 * From then on JavaScript runs by er_engine_call (a hook), er_engine_eval (the routine's script, a
 * part of the prelude), and microtasks after either. Who calls has begun a turn. What JavaScript
 * throws is data. */
#include "sandbox/engine.h"

#include "base/mem.h"
#include "sandbox/embed.h"
#include "sandbox/inspect.h"
#include "sandbox/jsc.h"
#include "sandbox/sandbox.h"

#include <malloc.h>
#include <stdio.h>

static struct {
	JSGlobalContextRef ctx;
	JSContextGroupRef group;
	JSObjectRef er;
	JSObjectRef hooks[ER_HOOK_COUNT_];
	void *lock;           /* JSC's holder */
	const void *scope[2]; /* JSC's */
	bool held;
	bool watched; /* hooks.turnOver is wanted */
	char version[64];
} engine;

/* What no routine may have: ways to block the thread, and memory that threads could share. Then
 * what is slow on its first use, run once here. */
static const char HARDEN[] =
    "(function () {\n"
    "delete Atomics.wait; delete Atomics.waitAsync; delete Atomics.notify;\n"
    "if (typeof WebAssembly === 'object') {\n"
    "	const Native = WebAssembly.Memory, construct = Reflect.construct, create = Object.create;\n"
    "	const Memory = function Memory(descriptor) {\n"
    "		if (!new.target) throw new TypeError('calling WebAssembly.Memory constructor without new is invalid');\n"
    "		if (descriptor === null || (typeof descriptor !== 'object' && typeof descriptor !== 'function'))\n"
    "			return construct(Native, [descriptor], new.target);\n"
    "		if (descriptor.shared) throw new TypeError('shared WebAssembly memories are not available');\n"
    /* The engine gets a copy: a getter that says one thing now and another then is asked once. */
    "		const plain = create(null), { initial, minimum, maximum } = descriptor;\n"
    "		if (initial !== undefined) plain.initial = initial;\n"
    "		if (minimum !== undefined) plain.minimum = minimum;\n"
    "		if (maximum !== undefined) plain.maximum = maximum;\n"
    "		return construct(Native, [plain], new.target);\n"
    "	};\n"
    "	Object.defineProperty(Memory, 'prototype', { value: Native.prototype, writable: false });\n"
    "	Object.defineProperty(Native.prototype, 'constructor', { value: Memory, writable: true, configurable: true, enumerable: "
    "false });\n"
    "	Object.defineProperty(WebAssembly, 'Memory', { value: Memory, writable: true, configurable: true, enumerable: false });\n"
    "}\n"
    /* The first small ArrayBuffer makes the engine's allocator take a block for its kind, up to 64
     * MB of addresses at once, used or not: now it is not charged to the routine. */
    "new Uint8Array(64).buffer;\n"
    "new Date().toString(); /x/u.test('y'); JSON.parse('{\"a\":[1]}');\n"
    "})()";

er_js er_engine_js;
bool er_engine_public_only;

const char *er_engine_version(void)
{
	return engine.version;
}

/* ---- the lock ---- */

void er_engine_enter(void)
{
	if (!er_native_direct())
		return;
	ER_ASSERT(!engine.held);
	er_jsc_lock(&engine.lock, engine.group);
	engine.scope[0] = engine.group;
	engine.scope[1] = engine.ctx;
	er_jsc_scope_begin(engine.scope);
	engine.held = true;
}

void er_engine_leave(void)
{
	if (!engine.held)
		return;
	engine.held = false;
	er_jsc_scope_end(engine.scope);
	er_jsc_unlock(&engine.lock);
}

/* Who holds no lock has run them when the call gave it back. */
void er_engine_microtasks(void)
{
	if (engine.held)
		er_jsc_microtasks(engine.group);
}

static er_value eval(er_slice code, bool built_in, const char *source_url, er_value *exception)
{
	ER_ASSERT(engine.ctx != NULL && source_url != NULL);
	JSStringRef script = er_js_script(code, built_in);
	JSStringRef url = JSStringCreateWithUTF8CString(source_url);
	JSValueRef v = JSEvaluateScript(engine.ctx, script, NULL, url, 1, exception);
	JSStringRelease(url);
	JSStringRelease(script);
	return v;
}

er_value er_engine_eval(er_slice code, const char *source_url, er_value *exception)
{
	return eval(code, false, source_url, exception);
}

er_value er_engine_eval_builtin(er_slice code, const char *source_url, er_value *exception)
{
	return eval(code, true, source_url, exception);
}

static const char *const given[] = {
#define X(name) #name,
    ER_GIVEN_TABLE(X)
#undef X
};

void er_engine_set(er_given which, er_value v)
{
	static_assert(sizeof given / sizeof *given == ER_GIVEN_COUNT_, "a name for each");
	ER_ASSERT((unsigned)which < ER_GIVEN_COUNT_);
	er_js_set(engine.er, given[which], v);
}

er_value er_engine_get(er_given which)
{
	ER_ASSERT((unsigned)which < ER_GIVEN_COUNT_);
	return er_js_get(engine.er, given[which]);
}

void er_engine_watch_turns(bool on)
{
	engine.watched = on;
}

static void turn_over(JSValueRef *exc)
{
	JSObjectCallAsFunction(engine.ctx, engine.hooks[ER_HOOK_turnOver], NULL, 0, NULL, exc);
	er_engine_microtasks();
}

static er_value call_hook(er_hook hook, size_t argc, const er_value argv[])
{
	JSValueRef exc = NULL;
	ER_ASSERT((unsigned)hook < ER_HOOK_COUNT_ && engine.hooks[hook] != NULL);
	for (size_t i = 0; i < argc; i++)
		ER_ASSERT(argv[i] != NULL); /* each argument of the contract was given */
	er_value v = JSObjectCallAsFunction(engine.ctx, engine.hooks[hook], NULL, argc, argv, &exc);
	er_engine_microtasks();
	if (__builtin_expect(engine.watched, 0) && exc == NULL)
		turn_over(&exc);
	if (__builtin_expect(exc == NULL, 1))
		return v;
	JSValueRef args[2] = {exc, JSValueMakeBoolean(engine.ctx, false)};
	exc = NULL;
	JSObjectCallAsFunction(engine.ctx, engine.hooks[ER_HOOK_uncaught], NULL, 2, args, &exc);
	er_engine_microtasks();
	return NULL;
}

void er_engine_call(er_hook hook, size_t argc, const er_value argv[])
{
	(void)call_hook(hook, argc, argv);
}

bool er_engine_ask(er_hook hook, size_t argc, const er_value argv[])
{
	er_value v = call_hook(hook, argc, argv);
	return v != NULL && JSValueToBoolean(engine.ctx, v);
}

er_value er_engine_loaded(void)
{
	JSValueRef exc = NULL;
	JSObjectCallAsFunction(engine.ctx, engine.hooks[ER_HOOK_loaded], NULL, 0, NULL, &exc);
	er_engine_microtasks();
	return exc;
}

er_value er_engine_describe(er_value error)
{
	JSValueRef exc = NULL;
	er_value v = JSObjectCallAsFunction(engine.ctx, engine.hooks[ER_HOOK_describe], NULL, 1, &error, &exc);
	return exc == NULL && v != NULL && JSValueIsObject(engine.ctx, v) ? v : NULL;
}

static void define_natives(void)
{
	for (size_t i = 0; i < ER_NATIVE_COUNT_; i++)
		er_js_set(engine.er, er_api_natives[i].name, er_native_function(&er_api_natives[i]));
}

static bool fail_js(er_err *err, const char *what, er_value exc)
{
	er_text t;
	er_value ignored = NULL;
	if (exc == NULL || !er_js_utf8(exc, &t, &ignored))
		return er_fail(err, ER_ERR_INTERNAL, "%s", what);
	er_fail(err, ER_ERR_INTERNAL, "%s: %.*s", what, ER_FMT(er_text_slice(&t)));
	er_text_fini(&t);
	return false;
}

/* The prelude's functions that C calls, by name; protected from the collector for good. */
static bool find_hooks(er_value hooks, er_err *err)
{
	static const char *const names[] = {
#define X(name, args) #name,
	    ER_HOOK_TABLE(X)
#undef X
	};
	static_assert(sizeof names / sizeof *names == ER_HOOK_COUNT_, "a name for each hook");
	for (int i = 0; i < ER_HOOK_COUNT_; i++) {
		er_value fn = er_js_get(hooks, names[i]);
		if (!JSValueIsObject(engine.ctx, fn) || !JSObjectIsFunction(engine.ctx, (JSObjectRef)fn))
			return er_fail(err, ER_ERR_INTERNAL, "the prelude has no hook %s", names[i]);
		engine.hooks[i] = (JSObjectRef)fn;
		JSValueProtect(engine.ctx, fn);
	}
	return true;
}

/* Hardens the global object, runs the prelude, and shuts eval off behind it. */
static bool run_prelude(er_err *err)
{
	er_value exc = NULL;
	er_slice script;
	if (er_engine_eval_builtin(er_slice_cstr(HARDEN), "er:harden", &exc) == NULL)
		return fail_js(err, "cannot harden the global object", exc);
	if (!er_embed_find("prelude", &script))
		return er_fail(err, ER_ERR_INTERNAL, "no prelude is built in");
	er_value fn = er_engine_eval_builtin(script, "er:prelude", &exc);
	if (fn == NULL || !JSValueIsObject(engine.ctx, fn))
		return fail_js(err, "the prelude does not run", exc);
	er_value arg = engine.er;
	er_value hooks = JSObjectCallAsFunction(engine.ctx, (JSObjectRef)fn, NULL, 1, &arg, &exc);
	if (hooks == NULL || !JSValueIsObject(engine.ctx, hooks))
		return fail_js(err, "the prelude does not run", exc);
	if (!find_hooks(hooks, err))
		return false;
	JSGlobalContextSetUnhandledRejectionCallback(engine.ctx, engine.hooks[ER_HOOK_rejection], &exc);
	JSStringRef why = JSStringCreateWithUTF8CString("code from strings is not allowed: eval and new Function are off");
	JSGlobalContextSetEvalEnabled(engine.ctx, false, why);
	JSStringRelease(why);
	return true;
}

/* Tests only. After the prelude, which never sees it. */
static void expose_attacks(void)
{
	er_js_set(JSContextGetGlobalObject(engine.ctx), "__er_attack", er_native_function(&er_api_attack));
}

bool er_engine_start(er_err *err)
{
	ER_ASSERT(engine.ctx == NULL);
	er_engine_wait_start();
	JSRemoteInspectorDisableAutoStart();
	if (er_sb.inspect.on && !er_inspect_prepare(err))
		return false;
	if (er_jsc_main_thread == NULL)
		return er_fail(err, ER_ERR_INTERNAL,
		               "this version of JavaScriptCore has no WTF::initializeMainThread: it would crash when it rests");
	er_jsc_main_thread();
	engine.group = JSContextGroupCreate();
	engine.ctx = JSGlobalContextCreateInGroup(engine.group, NULL);
	if (engine.ctx == NULL)
		return er_fail(err, ER_ERR_INTERNAL, "the JavaScript engine does not start");
	er_engine_js = engine.ctx;
	er_js_value_start();
	er_js_peek_start();
	er_js_string_start();
	er_native_start();
	er_engine_enter(); /* JSON is parsed in natives, which are called under the lock */
	er_js_json_start();
	er_engine_leave();
	JSGlobalContextSetInspectable(engine.ctx, false);
	if (er_sb.inspect.on)
		er_inspect_begin();
	snprintf(engine.version, sizeof engine.version, "JavaScriptCore %u.%u.%u%s", jsc_get_major_version(), jsc_get_minor_version(),
	         jsc_get_micro_version(), er_native_direct() ? "" : " by its public API alone");
	engine.er = JSObjectMake(engine.ctx, NULL, NULL);
	JSValueProtect(engine.ctx, engine.er);
	define_natives();
	er_engine_set(ER_GIVEN_urlParts, er_js_u32_static(er_api_url_parts, ER_API_URL_PARTS));
	if (!run_prelude(err))
		return false;
	if (er_sb.lock.attack_hooks)
		expose_attacks();
	if (er_sb.inspect.on)
		er_inspect_start();
	return er_engine_wait_watch(er_sb.wake_me, err);
}

void er_engine_collect(void)
{
	JSSynchronousGarbageCollectForDebugging(engine.ctx);
	if (er_jsc_release_memory != NULL)
		er_jsc_release_memory();
	malloc_trim(0);
}
