/* JavaScriptCore's C API, with the functions that are exported but have no installed header. For engine*.c only. */
#ifndef ER_SANDBOX_JSC_H
#define ER_SANDBOX_JSC_H

#include <JavaScriptCore/JavaScript.h>
#include <stddef.h>
#include <stdint.h>

extern void JSGlobalContextSetUnhandledRejectionCallback(JSGlobalContextRef ctx, JSObjectRef function, JSValueRef *exception);
extern void JSGlobalContextSetEvalEnabled(JSGlobalContextRef ctx, bool enabled, JSStringRef message);
extern void JSGlobalContextSetInspectable(JSGlobalContextRef ctx, bool inspectable);
extern void JSRemoteInspectorDisableAutoStart(void);
extern void JSSynchronousGarbageCollectForDebugging(JSContextRef ctx);
/* WTF::releaseFastMallocFreeMemory(): what the engine's allocator keeps for later goes back to the kernel. Not of the C API: absent in versions that
 * may come, and then only a second later by itself. */
extern void er_jsc_release_memory(void) __asm__("_ZN3WTF27releaseFastMallocFreeMemoryEv") __attribute__((weak));
/* WTF::initializeMainThread(): makes the calling thread's run loop the main one. The C API never does, and the engine's timer for full collections asks for
 * the main run loop without looking whether there is one: a sandbox that rested with garbage died of it. Before the first context group. */
extern void er_jsc_main_thread(void) __asm__("_ZN3WTF20initializeMainThreadEv") __attribute__((weak));
/* Ref<StringImpl> WTF::StringImpl::create(span<const unsigned char>) and RefPtr<OpaqueJSString> OpaqueJSString::tryCreate(String &&). The C API makes
 * a string of bytes by widening it to UTF-16 in order to see that there was no need to; these copy it once. A Ref, a RefPtr and a String are a pointer
 * each, returned through `out`; the String is taken. Absent or different in another version: the mangled names say the types. */
extern void er_jsc_bytes_create(void **out, const uint8_t *p,
                                size_t n) __asm__("_ZN3WTF10StringImpl6createESt4spanIKhLm18446744073709551615EE")
    __attribute__((weak));
extern void er_jsc_string_create(JSStringRef *out, void **string) __asm__("_ZN14OpaqueJSString9tryCreateEON3WTF6StringE")
    __attribute__((weak));
/* From the GLib API, whose headers do not mix with these. */
extern unsigned jsc_get_major_version(void);
extern unsigned jsc_get_minor_version(void);
extern unsigned jsc_get_micro_version(void);

#endif
