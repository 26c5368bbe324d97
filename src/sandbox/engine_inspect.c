/* The engine's remote inspector without a network. The engine asks GLib for a connection to "the
 * inspector's server", and reads, writes and watches it by a handful of functions of GIO. These are
 * defined here, before GIO's: the connection is the descriptor that the spawner left open, and
 * nothing of it needs a system call that the filter does not allow anyway. In a sandbox that is not
 * for debugging the engine never calls them: its inspector is not started.
 *
 * What the engine says goes out as it is. What is said to it comes in records; those that are for
 * the sandbox itself are taken out on the way (g_socket_receive).
 *
 * At a breakpoint the engine turns GLib's default loop without ever waiting
 * (g_main_context_iteration of no context). Here that call waits, and turns the loop that this
 * sandbox has. */
#include "sandbox/inspect.h"

#include "base/mem.h"
#include "channel/inspect.h"
#include "sandbox/engine.h"
#include "sandbox/jsc.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <glib-object.h>
#include <glib.h>
#include <poll.h>
#include <unistd.h>

enum { IO_IN = 1, IO_OUT = 4, WOULD_BLOCK = 27 /* G_IO_ERROR_WOULD_BLOCK */ };

static struct {
	GObject *connection; /* what the engine takes for one; also for its socket */
	void (*connected)(GObject *client, void *result, void *data);
	void *connected_data;
	uint8_t head[ER_INSPECT_HEAD];
	size_t head_n;
	uint32_t left; /* bytes of the record that are still to come */
	unsigned hold; /* turns of the loop in which nothing is read */
	bool ended;
} wire;

/* When a debugger has left, the engine ends its session in a later turn of the loop, in which
 * nothing more urgent is to be done. Who comes at once would have the old session beside its own,
 * and lose what the old one's end takes away. */
enum { HOLD_TURNS = 2 };

/* ---- what the engine takes for GIO ---- */

#define GIO __attribute__((visibility("default"), used))

/* A source of the loop: the descriptor has something to read, or can be written to. */
typedef struct watch {
	GSource source;
	GPollFD fd;
} watch;

static gboolean watch_ready(GSource *source)
{
	if (wire.hold > 0) {
		wire.hold--;
		return FALSE;
	}
	const watch *w = (const watch *)source;
	return (w->fd.revents & (w->fd.events | G_IO_HUP | G_IO_ERR)) != 0;
}

static gboolean watch_prepare(GSource *source, gint *ms)
{
	(void)source;
	*ms = wire.hold > 0 ? 0 : -1;
	return FALSE;
}

static gboolean watch_dispatch(GSource *source, GSourceFunc fn, gpointer data)
{
	const watch *w = (const watch *)source;
	return ((gboolean(*)(void *, int, gpointer))(void *)fn)(wire.connection, w->fd.events, data);
}

static GSourceFuncs watch_funcs = {watch_prepare, watch_ready, watch_dispatch, NULL, NULL, NULL};

GIO void g_socket_client_connect_to_host_async(void *client, const char *host, unsigned port, void *cancellable,
                                               void (*done)(GObject *, void *, void *), void *data)
{
	(void)client, (void)host, (void)port, (void)cancellable;
	wire.connected = done;
	wire.connected_data = data;
}

GIO void *g_socket_client_connect_to_host_finish(void *client, void *result, GError **error)
{
	(void)client, (void)result, (void)error;
	return g_object_ref(wire.connection);
}

GIO void *g_socket_connection_get_socket(void *connection)
{
	return connection;
}

GIO void g_socket_set_blocking(void *socket, gboolean blocking)
{
	(void)socket, (void)blocking;
}

GIO GSource *g_socket_create_source(void *socket, int condition, void *cancellable)
{
	(void)socket, (void)cancellable;
	GSource *source = g_source_new(&watch_funcs, sizeof(watch));
	watch *w = (watch *)source;
	w->fd = (GPollFD){.fd = ER_FD_INSPECT, .events = (gushort)(condition & (IO_IN | IO_OUT))};
	g_source_add_poll(source, &w->fd);
	return source;
}

static bool readable(void)
{
	struct pollfd p = {.fd = ER_FD_INSPECT, .events = POLLIN};
	return poll(&p, 1, 0) > 0;
}

/* A record's head is whole: what it says to the sandbox. */
static void take_head(void)
{
	uint32_t head;
	memcpy(&head, wire.head, sizeof head);
	wire.head_n = 0;
	wire.left = head & ER_INSPECT_RECORD_MAX;
	switch (head >> 24) {
	case ER_INSPECT_GO:
		er_sb.inspect.go = true;
		break;
	case ER_INSPECT_ATTACHED:
		er_sb.inspect.attached = true;
		break;
	case ER_INSPECT_DETACHED:
		er_sb.inspect.attached = false;
		wire.hold = HOLD_TURNS;
		break;
	default:
		break;
	}
}

/* Bytes for the engine: at most n. -1: none now. 0: the debugger's end is closed. */
static ssize_t read_some(void *to, size_t n)
{
	while (!wire.ended && wire.hold == 0 && readable()) {
		bool body = wire.left > 0;
		size_t most = body ? (wire.left < n ? wire.left : n) : ER_INSPECT_HEAD - wire.head_n;
		ssize_t got = read(ER_FD_INSPECT, body ? to : wire.head + wire.head_n, most);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			wire.ended = true;
			er_sb.inspect.attached = false;
			er_sb.inspect.go = true;
			break;
		}
		if (body) {
			wire.left -= (uint32_t)got;
			return got;
		}
		wire.head_n += (size_t)got;
		if (wire.head_n == ER_INSPECT_HEAD)
			take_head();
	}
	return wire.ended ? 0 : -1;
}

static gssize would_block(GError **error)
{
	g_set_error_literal(error, g_quark_from_static_string("g-io-error-quark"), WOULD_BLOCK, "nothing now");
	return -1;
}

GIO gssize g_socket_receive(void *socket, char *buffer, gsize size, void *cancellable, GError **error)
{
	(void)socket, (void)cancellable;
	ssize_t n = read_some(buffer, size);
	return n >= 0 ? n : would_block(error);
}

/* Waits for room: the debugger's end always reads. */
GIO gssize g_socket_send(void *socket, const char *buffer, gsize size, void *cancellable, GError **error)
{
	(void)socket, (void)cancellable, (void)error;
	for (gsize done = 0; done < size && !wire.ended;) {
		ssize_t n = write(ER_FD_INSPECT, buffer + done, size - done);
		if (n < 0 && errno != EINTR)
			wire.ended = true;
		else if (n > 0)
			done += (gsize)n;
	}
	return (gssize)size;
}

/* The engine calls it with no context, and only while the code stands. */
GIO gboolean g_main_context_iteration(GMainContext *context, gboolean may_block)
{
	if (context != NULL || !er_sb.inspect.on)
		return er_engine_turn(may_block);
	er_sb.inspect.told = true;
	er_frame f = {.type = ER_FRAME_DEBUG, .aux = ER_INSPECT_STANDS};
	er_out_frame(&f, (er_slice){0});
	er_out_flush();
	return er_engine_turn(true);
}

/* ---- the sandbox's side ---- */

/* The engine's own console, which shows values to the debugger, hears of everything that the
 * routine's console is told. */
static const char CONSOLES[] =
    "(function (ours, engines) {\n"
    "	const { apply, defineProperty } = Reflect;\n"
    "	for (const name of Object.keys(ours)) {\n"
    "		const own = ours[name], other = engines[name];\n"
    "		if (typeof own !== 'function' || typeof other !== 'function') continue;\n"
    "		const both = { [name](...values) { apply(other, engines, values); return apply(own, this, values); } }[name];\n"
    "		defineProperty(ours, name, { __proto__: null, value: both, writable: true, enumerable: true, configurable: true });\n"
    "	}\n"
    "})";

static JSValueRef engines_console;

bool er_inspect_prepare(er_err *err)
{
	if (er_jsc_inspector_address == NULL || er_jsc_cstring == NULL)
		return er_fail(err, ER_ERR_INTERNAL,
		               "this version of JavaScriptCore has no remote inspector: er dev works without --inspect");
	void *address;
	er_jsc_cstring(&address, "er:0");
	er_jsc_inspector_address(&address);
	wire.connection = g_object_new(G_TYPE_OBJECT, NULL);
	return true;
}

static JSValueRef console(void)
{
	return er_js_get(JSContextGetGlobalObject(er_engine_js), "console");
}

void er_inspect_begin(void)
{
	engines_console = console();
	JSValueProtect(er_engine_js, engines_console);
}

void er_inspect_start(void)
{
	JSStringRef script = er_js_script(er_slice_cstr(CONSOLES), true), url = JSStringCreateWithUTF8CString("er:inspect");
	JSValueRef exc = NULL, fn = JSEvaluateScript(er_engine_js, script, NULL, url, 1, &exc);
	JSStringRelease(script);
	JSStringRelease(url);
	JSValueRef args[2] = {console(), engines_console};
	ER_ASSERT(fn != NULL && JSValueIsObject(er_engine_js, fn));
	JSObjectCallAsFunction(er_engine_js, (JSObjectRef)fn, NULL, 2, args, &exc);
	ER_ASSERT(exc == NULL);
	JSStringRef name = JSStringCreateWithUTF8CString("er");
	JSGlobalContextSetName(JSContextGetGlobalContext(er_engine_js), name);
	JSStringRelease(name);
	JSGlobalContextSetInspectable(JSContextGetGlobalContext(er_engine_js), true);
	JSRemoteInspectorStart();
	ER_ASSERT(wire.connected != NULL);
	wire.connected(NULL, NULL, wire.connected_data);
}

void er_inspect_wait(void)
{
	if (!er_sb.inspect.on || er_sb.inspect.go)
		return;
	er_frame f = {.type = ER_FRAME_DEBUG, .aux = ER_INSPECT_STANDS};
	er_out_frame(&f, (er_slice){0});
	er_out_flush();
	er_sb.inspect.told = true;
	while (!er_sb.inspect.go)
		(void)er_engine_turn(true);
	while (er_engine_turn(false))
		;
	er_inspect_tell();
}

void er_inspect_tell(void)
{
	static bool attached;
	er_inspect *i = &er_sb.inspect;
	if (!i->told && attached == i->attached)
		return;
	i->told = false;
	attached = i->attached;
	er_frame f = {.type = ER_FRAME_DEBUG, .aux = attached ? ER_INSPECT_WATCHED : ER_INSPECT_RUNS};
	er_out_frame(&f, (er_slice){0});
}
