/* JavaScriptCore's C API, with the functions that are exported but have no installed header. For
 * engine*.c only. */
#ifndef ER_SANDBOX_JSC_H
#define ER_SANDBOX_JSC_H

#include "base/slice.h"

#include <JavaScriptCore/JavaScript.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern void JSGlobalContextSetUnhandledRejectionCallback(JSGlobalContextRef ctx, JSObjectRef function, JSValueRef *exception);
extern void JSGlobalContextSetEvalEnabled(JSGlobalContextRef ctx, bool enabled, JSStringRef message);
extern void JSGlobalContextSetInspectable(JSGlobalContextRef ctx, bool inspectable);
extern void JSRemoteInspectorDisableAutoStart(void);
extern void JSSynchronousGarbageCollectForDebugging(JSContextRef ctx);
extern void JSReportExtraMemoryCost(JSContextRef ctx, size_t size);
/* WTF::releaseFastMallocFreeMemory(): what the engine's allocator keeps for later goes back to the
 * kernel. Not of the C API: absent in versions that may come, and then only a second later by
 * itself. */
extern void er_jsc_release_memory(void) __asm__("_ZN3WTF27releaseFastMallocFreeMemoryEv") __attribute__((weak));
/* WTF::initializeMainThread(): makes the calling thread's run loop the main one. The C API never
 * does, and the engine's timer for full collections asks for the main run loop without looking
 * whether there is one: a sandbox that rested with garbage died of it. Before the first context
 * group. */
extern void er_jsc_main_thread(void) __asm__("_ZN3WTF20initializeMainThreadEv") __attribute__((weak));
/* Ref<StringImpl> WTF::StringImpl::create(span<const unsigned char>) and RefPtr<OpaqueJSString>
 * OpaqueJSString::tryCreate(String &&). The C API makes a string of bytes by widening it to UTF-16
 * in order to see that there was no need to; these copy it once. A Ref, a RefPtr and a String are a
 * pointer each, returned through `out`; the String is taken. Absent or different in another
 * version: the mangled names say the types. */
extern void er_jsc_bytes_create(void **out, const uint8_t *p,
                                size_t n) __asm__("_ZN3WTF10StringImpl6createESt4spanIKhLm18446744073709551615EE")
    __attribute__((weak));
extern void er_jsc_string_create(JSStringRef *out, void **string) __asm__("_ZN14OpaqueJSString9tryCreateEON3WTF6StringE")
    __attribute__((weak));
/* Ref<StringImpl> WTF::StringImpl::createWithoutCopyingNonEmpty(span<const unsigned char>): the
 * characters stay where they are, and must for as long as anybody has the string. */
extern void er_jsc_bytes_in_place(void **out, const uint8_t *p, size_t n) __asm__(
    "_ZN3WTF10StringImpl28createWithoutCopyingNonEmptyESt4spanIKhLm18446744073709551615EE") __attribute__((weak));
/* Ref<StringImpl> WTF::StringImpl::createUninitialized(size_t, span<T> &) of bytes and of UTF-16
 * units: a string that the caller fills. JSString *JSC::jsStringWithCacheSlowCase(VM &, StringImpl
 * &) makes it a value, without a copy: the value has a reference of its own. Of two characters or
 * more, and under the engine's lock. WTF::StringImpl::destroy(StringImpl *): of one whose last
 * reference is gone. */
typedef struct er_jsc_span {
	void *p;
	size_t n;
} er_jsc_span;
extern void er_jsc_bytes_new(void **out, size_t n, er_jsc_span *room) __asm__(
    "_ZN3WTF10StringImpl19createUninitializedEmRSt4spanIhLm18446744073709551615EE") __attribute__((weak));
extern void er_jsc_units_new(void **out, size_t n, er_jsc_span *room) __asm__(
    "_ZN3WTF10StringImpl19createUninitializedEmRSt4spanIDsLm18446744073709551615EE") __attribute__((weak));
extern JSValueRef er_jsc_string_value(const void *vm,
                                      void *string) __asm__("_ZN3JSC25jsStringWithCacheSlowCaseERNS_2VMERN3WTF10StringImplE")
    __attribute__((weak));
extern void er_jsc_string_end(void *string) __asm__("_ZN3WTF10StringImpl7destroyEPS0_") __attribute__((weak));
/* JSValue JSC::JSONParse(JSGlobalObject *, StringView): of characters that need not become a string
 * first. A StringView is a pointer, a length and whether a character is a byte, passed in two
 * registers; an empty value: not JSON. */
typedef struct er_jsc_view {
	const void *characters;
	uint32_t length;
	bool bytes;
} er_jsc_view;
extern JSValueRef er_jsc_json(const void *global,
                              er_jsc_view text) __asm__("_ZN3JSC9JSONParseEPNS_14JSGlobalObjectEN3WTF10StringViewE")
    __attribute__((weak));
/* void JSC::VMEntryScope::setUpSlow() and tearDownSlow(): what a call from outside does first and
 * last (it looks at the time zone, for one). While a scope is there calls within it need not. A
 * scope is two pointers: the VM and the global object. */
extern void er_jsc_scope_begin(const void *scope[2]) __asm__("_ZN3JSC12VMEntryScope9setUpSlowEv") __attribute__((weak));
extern void er_jsc_scope_end(const void *scope[2]) __asm__("_ZN3JSC12VMEntryScope12tearDownSlowEv") __attribute__((weak));
/* JSFunction *JSC::JSFunction::create(VM &, JSGlobalObject *, unsigned length, const String &name,
 * NativeFunction, ImplementationVisibility, Intrinsic, NativeFunction constructor, const
 * DOMJIT::Signature *). A NativeFunction is a pointer; a context is a JSGlobalObject, a context
 * group a VM. */
extern void *er_jsc_function_create(
    const void *vm, const void *global, unsigned length, void *const *name, void *fn, uint8_t visibility, uint8_t intrinsic,
    void *constructor,
    const void
        *signature) __asm__("_ZN3JSC10JSFunction6createERNS_2VMEPNS_14JSGlobalObjectEjRKN3WTF6StringENS5_11FunctionPtrILNS5_"
                            "6PtrTagE1EFlS4_PNS_9CallFrameEELNS5_"
                            "18FunctionAttributesE2EEENS_24ImplementationVisibilityENS_9IntrinsicESF_PKNS_6DOMJIT9SignatureE")
    __attribute__((weak));
/* Exception *JSC::VM::throwException(JSGlobalObject *, JSValue). */
extern void *er_jsc_throw(const void *vm, void *global,
                          JSValueRef exception) __asm__("_ZN3JSC2VM14throwExceptionEPNS_14JSGlobalObjectENS_7JSValueE")
    __attribute__((weak));
/* JSC::JSLockHolder::JSLockHolder(VM &), its destructor, and JSC::VM::drainMicrotasks(): the C API
 * takes the lock at every call and runs the microtasks when it lets go of it. The holder is one
 * pointer. */
extern void er_jsc_lock(void **holder, const void *vm) __asm__("_ZN3JSC12JSLockHolderC1ERNS_2VME") __attribute__((weak));
extern void er_jsc_unlock(void **holder) __asm__("_ZN3JSC12JSLockHolderD1Ev") __attribute__((weak));
extern void er_jsc_microtasks(const void *vm) __asm__("_ZN3JSC2VM15drainMicrotasksEv") __attribute__((weak));
/* The engine's remote inspector: it connects to the address that was set. WTF::CString is a
 * pointer, and taken. For sandboxes that are debugged (engine_inspect.c). */
extern void JSRemoteInspectorStart(void);
extern void er_jsc_cstring(void **out, const char *text) __asm__("_ZN3WTF7CStringC1EPKc") __attribute__((weak));
extern void
er_jsc_inspector_address(void **cstring) __asm__("_ZN9Inspector15RemoteInspector25setInspectorServerAddressEON3WTF7CStringE")
    __attribute__((weak));
/* From the GLib API, whose headers do not mix with these. */
extern unsigned jsc_get_major_version(void);
extern unsigned jsc_get_minor_version(void);
extern unsigned jsc_get_micro_version(void);

/* ---- of the engine's files for each other ---- */
/* A script's text (engine_string.c); to be released. `built_in`: its bytes are there for ever. */
JSStringRef er_js_script(er_slice code, bool built_in);

#endif
