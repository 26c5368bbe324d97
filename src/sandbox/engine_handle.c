/* Objects of JavaScript by which it knows what C holds for it (held.h). The object's own memory has
 * a pointer to an er_handle, which the object owns, and that points to what is held, or to nothing
 * once that has ended: so neither side ever looks at the other when it may be gone. */
#include "sandbox/engine.h"

#include "base/mem.h"
#include "sandbox/held.h"
#include "sandbox/jsc.h"
#include "sandbox/sandbox.h"

static JSClassRef class;

/* In a collection, or in the sweeping that follows: nothing of JavaScript may be touched. */
static void finalize(JSObjectRef object)
{
	er_handle *handle = JSObjectGetPrivate(object);
	ER_ASSERT(handle != NULL);
	if (handle->held != NULL)
		er_held_lose(handle->held);
	ER_ASSERT(handle->held == NULL);
	er_free(handle);
}

static void make_class(void)
{
	JSClassDefinition d = kJSClassDefinitionEmpty;
	d.attributes = kJSClassAttributeNoAutomaticPrototype;
	d.className = "Handle";
	d.finalize = finalize;
	class = JSClassCreate(&d);
	ER_ASSERT(class != NULL);
}

/* The collector marks on threads of its own, which a busy machine may leave without a core: a few
 * decoders of 16 MB each would be past the limit before it is done. So what C holds has to stay
 * within an eighth of the limit more than what the last collection here left, or there is another
 * one, at once. */
static void keep_within(size_t cost)
{
	enum { PARTS = 8 };
	static size_t left;
	size_t limit = (size_t)er_sb.limits.memory_kb * 1024, held = er_sb.helds.bytes;
	if (held < left)
		left = held;
	if (limit == 0 || held - left + cost <= limit / PARTS)
		return;
	JSSynchronousGarbageCollectForDebugging(er_engine_js);
	left = er_sb.helds.bytes;
}

er_value er_js_handle(er_held *h, size_t cost)
{
	if (class == NULL)
		make_class();
	ER_ASSERT(h != NULL && h->handle == NULL);
	keep_within(cost);
	er_handle *handle = ER_NEW(er_handle);
	er_held_known_by(h, handle);
	JSObjectRef object = JSObjectMake(er_engine_js, class, handle);
	ER_ASSERT(object != NULL);
	er_js_cost(h, cost);
	return object;
}

void er_js_cost(er_held *h, size_t more)
{
	er_held_cost(h, more);
	JSReportExtraMemoryCost(er_engine_js, more);
}

er_held *er_js_handle_of(er_value v, er_held_kind kind)
{
	if (class == NULL || v == NULL || !JSValueIsObjectOfClass(er_engine_js, v, class))
		return NULL;
	const er_handle *handle = JSObjectGetPrivate((JSObjectRef)(uintptr_t)v);
	ER_ASSERT(handle != NULL && (handle->held == NULL || handle->held->handle == handle));
	return handle->held != NULL && handle->held->kind == kind ? handle->held : NULL;
}
