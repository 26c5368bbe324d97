/* What C holds for JavaScript: in an object of its own, and ended with it by the collector. */
#include "sandbox/engine.h"

#include "base/mem.h"
#include "sandbox/jsc.h"

static JSClassRef class;

/* In a collection, or in the sweeping that follows: nothing of JavaScript may be touched. */
static void finalize(JSObjectRef object)
{
	er_handle *h = JSObjectGetPrivate(object);
	if (h != NULL)
		h->end(h);
}

er_value er_js_handle(er_handle *h, size_t cost)
{
	if (class == NULL) {
		JSClassDefinition d = kJSClassDefinitionEmpty;
		d.attributes = kJSClassAttributeNoAutomaticPrototype;
		d.className = "Handle";
		d.finalize = finalize;
		class = JSClassCreate(&d);
	}
	ER_ASSERT(h != NULL && h->end != NULL);
	JSObjectRef object = JSObjectMake(er_engine_js, class, h);
	JSReportExtraMemoryCost(er_engine_js, cost);
	return object;
}

er_handle *er_js_handle_of(er_value v)
{
	if (class == NULL || v == NULL || !JSValueIsObjectOfClass(er_engine_js, v, class))
		return NULL;
	return JSObjectGetPrivate((JSObjectRef)(uintptr_t)v);
}

void er_js_handle_end(er_value v)
{
	er_handle *h = er_js_handle_of(v);
	if (h == NULL)
		return;
	JSObjectSetPrivate((JSObjectRef)(uintptr_t)v, NULL);
	h->end(h);
}
