/* The session, and what the engine says (cdp.h). Each question to the engine has a record with what
 * becomes of its answer; the records go with their sandbox, and their clients are told.
 *
 *    client ──► er_cdp_client ──► cdp_commands.c ──► er_cdp_ask ──► engine
 *           ◄── er_cdp_reply ◄── answered ◄── er_cdp_engine ◄──
 *           ◄── er_cdp_event ◄── one function of `events`  ◄──
 *
 * The engine says nothing between two stops of a stepping; a client wants to hear that the code ran
 * on, and is told so when the step was taken. */
#include "cli/cdp_inside.h"

#include <stdio.h>

enum { MAGIC = 0x43445020 };

/* ---- scripts ---- */

static er_slice url_of(const er_cdp *c, er_slice id)
{
	const er_cdp_script *s = er_cdp_find_script(c, id);
	return s != NULL ? er_slice_cstr(s->url) : (er_slice){NULL, 0};
}

/* Frames of the prelude: also of scripts that the session has not heard of. */
static bool frame_hidden(const er_cdp *c, const er_json *frame)
{
	const er_cdp_script *s = er_cdp_find_script(c, er_json_str(er_json_member(frame, "location"), "scriptId"));
	return s == NULL || s->hidden;
}

static void on_script(er_cdp *c, const er_cdp_said *s, const er_json *p)
{
	er_slice url = er_json_str(p, "url"), id = er_json_str(p, "scriptId");
	if (c->n_scripts == ER_CDP_SCRIPTS)
		return;
	if (c->n_scripts == c->cap_scripts) {
		c->cap_scripts = c->cap_scripts ? c->cap_scripts * 2 : 16;
		c->scripts = er_realloc(c->scripts, c->cap_scripts * sizeof *c->scripts);
	}
	er_cdp_script *made = &c->scripts[c->n_scripts++];
	*made = (er_cdp_script){.id = er_strdup_slice(er_slice_head(id, ER_CDP_ID)),
	                        .url = er_strdup_slice(er_slice_head(url, ER_CDP_URL)),
	                        .end_line = er_json_u64(p, "endLine"),
	                        .end_column = er_json_u64(p, "endColumn"),
	                        .hidden = er_cdp_hidden(url)};
	if (made->hidden)
		return;
	static const char *const numbers[] = {"startLine", "startColumn", "endLine", "endColumn"};
	bool main = c->url != NULL && er_slice_eq(url, er_slice_cstr(c->url));
	er_out o = er_cdp_open();
	er_cdp_put_ref(&o, "scriptId", s->generation, id);
	er_out_str(&o, "url", url);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		er_out_u64(&o, numbers[i], er_json_u64(p, numbers[i]));
	er_out_u64(&o, "executionContextId", s->generation);
	er_out_cstr(&o, "hash", "");
	er_out_cstr(&o, "scriptLanguage", "JavaScript");
	er_out_bool(&o, "isModule", er_json_true(p, "module"));
	er_out_str(&o, "sourceMapURL", main ? er_slice_cstr(c->map) : er_json_str(p, "sourceMapURL"));
	er_cdp_event(c, "Debugger.scriptParsed", &o);
}

/* ---- events of the engine ---- */

static er_cdp_breakpoint *named(const er_cdp *c, er_slice engine)
{
	ER_LIST_EACH(l, &c->breakpoints)
	{
		er_cdp_breakpoint *b = ER_CONTAINER(l, er_cdp_breakpoint, link);
		if (b->engine != NULL && er_slice_eq(er_slice_cstr(b->engine), engine))
			return b;
	}
	return NULL;
}

static void put_breakpoint(er_out *o, const char *key, uint32_t number)
{
	char text[24];
	int n = snprintf(text, sizeof text, "er:%u", number);
	er_out_str(o, key, er_slice_of(text, (size_t)n));
}

static void on_resolved(er_cdp *c, const er_cdp_said *s, const er_json *p)
{
	const er_cdp_breakpoint *b = named(c, er_json_str(p, "breakpointId"));
	if (b == NULL)
		return;
	er_out o = er_cdp_open();
	put_breakpoint(&o, "breakpointId", b->number);
	er_cdp_put_location(&o, "location", s, er_json_member(p, "location"));
	er_cdp_event(c, "Debugger.breakpointResolved", &o);
}

/* It stands before the first statement of the script, as the client wanted. */
static bool at_beginning(const er_cdp *c, const er_json *p)
{
	return c->beginning != NULL &&
	       er_slice_eq(er_json_str(er_json_member(p, "data"), "breakpointId"), er_slice_cstr(c->beginning));
}

static void put_beginning(er_out *o, const er_cdp *c, const er_cdp_said *s, const er_json *p)
{
	const er_json *top = er_json_first(er_json_member(p, "callFrames"), ER_JSON_ARRAY);
	er_out_cstr(o, "reason", "instrumentation");
	er_out_open(o, "data", '{');
	er_cdp_put_ref(o, "scriptId", s->generation, er_json_str(er_json_member(top, "location"), "scriptId"));
	er_out_cstr(o, "url", c->url);
	er_out_cstr(o, "sourceMapURL", c->map);
	er_out_close(o, '}');
	er_out_open(o, "hitBreakpoints", '[');
	er_out_cstr(o, NULL, ER_CDP_BEGINNING_ID);
	er_out_close(o, ']');
}

/* Why it stands, in Chrome's words. */
static void put_reason(er_out *o, const er_cdp *c, const er_cdp_said *s, const er_json *p)
{
	if (at_beginning(c, p)) {
		put_beginning(o, c, s, p);
		return;
	}
	er_slice reason = er_json_str(p, "reason");
	const er_json *data = er_json_member(p, "data");
	bool thrown = er_slice_eq(reason, ER_LIT("exception"));
	er_out_cstr(o, "reason", thrown ? "exception" : er_slice_eq(reason, ER_LIT("assert")) ? "assert" : "other");
	if (thrown && er_json_is(data, ER_JSON_OBJECT))
		er_cdp_put_object(o, "data", s, data);
	const er_cdp_breakpoint *b = named(c, er_json_str(data, "breakpointId"));
	er_out_open(o, "hitBreakpoints", '[');
	if (b != NULL)
		put_breakpoint(o, NULL, b->number);
	er_out_close(o, ']');
}

/* Nobody wants to stand in the prelude: it goes on until the routine's code is on top. */
static void on_paused(er_cdp *c, const er_cdp_said *s, const er_json *p)
{
	const er_json *frames = er_json_member(p, "callFrames"), *top = er_json_first(frames, ER_JSON_ARRAY);
	bool thrown = er_slice_eq(er_json_str(p, "reason"), ER_LIT("exception"));
	size_t shown = 0;
	ER_JSON_EACH(f, frames)
	shown += frame_hidden(c, f) ? 0 : 1;
	if (shown == 0 || (frame_hidden(c, top) && !thrown)) {
		(void)er_cdp_ask(c, ER_CDP_DROP, (er_slice){0}, shown == 0 ? "Debugger.resume" : "Debugger.stepOut", NULL);
		return;
	}
	er_cdp_resumed(c);
	c->paused = true;
	er_out o = er_cdp_open();
	er_out_open(&o, "callFrames", '[');
	ER_JSON_EACH(f, frames)
	if (!frame_hidden(c, f))
		er_cdp_put_frame(&o, s, f, url_of(c, er_json_str(er_json_member(f, "location"), "scriptId")));
	er_out_close(&o, ']');
	put_reason(&o, c, s, p);
	if (at_beginning(c, p)) {
		er_free(c->beginning);
		c->beginning = NULL;
	}
	if (er_json_member(p, "asyncStackTrace") != NULL)
		er_cdp_put_stack(&o, "asyncStackTrace", s, er_json_member(p, "asyncStackTrace"));
	er_cdp_event(c, "Debugger.paused", &o);
}

static void on_resumed(er_cdp *c, const er_cdp_said *s, const er_json *p)
{
	(void)s;
	(void)p;
	er_cdp_resumed(c);
}

static const char *console_type(const er_json *m)
{
	static const char *const same[] = {"dir",
	                                   "dirxml",
	                                   "table",
	                                   "trace",
	                                   "clear",
	                                   "startGroup",
	                                   "endGroup",
	                                   "assert",
	                                   "profile",
	                                   "profileEnd",
	                                   "startGroupCollapsed"};
	static const char *const levels[] = {"info", "warning", "error", "debug"};
	er_slice type = er_json_str(m, "type"), level = er_json_str(m, "level");
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		if (er_slice_eq(type, er_slice_cstr(same[i])))
			return same[i];
	if (er_slice_eq(type, ER_LIT("timing")))
		return "timeEnd";
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		if (er_slice_eq(level, er_slice_cstr(levels[i])))
			return levels[i];
	return "log";
}

static void put_arguments(er_out *o, const er_cdp_said *s, const er_json *m)
{
	const er_json *parameters = er_json_member(m, "parameters");
	er_out_open(o, "args", '[');
	ER_JSON_EACH(v, parameters)
	er_cdp_put_object(o, NULL, s, v);
	if (parameters == NULL) {
		er_out_open(o, NULL, '{');
		er_out_cstr(o, "type", "string");
		er_out_str(o, "value", er_json_str(m, "text"));
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
}

static double milliseconds(const er_json *m)
{
	double t = er_json_as_double(er_json_member(m, "timestamp"), 0);
	return t > 0 && t < 1e11 ? t * 1000 : 0;
}

/* A line of the console; or what the engine itself has to say. */
static void on_message(er_cdp *c, const er_cdp_said *s, const er_json *p)
{
	const er_json *m = er_json_member(p, "message"), *stack = er_json_member(m, "stackTrace");
	bool console = er_slice_eq(er_json_str(m, "source"), ER_LIT("console-api"));
	if (console ? !c->runtime : !c->log)
		return;
	er_out o = er_cdp_open();
	if (console) {
		er_out_cstr(&o, "type", console_type(m));
		put_arguments(&o, s, m);
		er_out_u64(&o, "executionContextId", s->generation);
		er_out_fixed(&o, "timestamp", milliseconds(m), 3);
		if (stack != NULL)
			er_cdp_put_stack(&o, "stackTrace", s, stack);
		er_cdp_event(c, "Runtime.consoleAPICalled", &o);
		return;
	}
	er_out_open(&o, "entry", '{');
	er_out_cstr(&o, "source", "javascript");
	er_slice level = er_json_str(m, "level");
	er_out_cstr(&o, "level",
	            er_slice_eq(level, ER_LIT("error"))     ? "error"
	            : er_slice_eq(level, ER_LIT("warning")) ? "warning"
	                                                    : "info");
	er_out_str(&o, "text", er_json_str(m, "text"));
	er_out_fixed(&o, "timestamp", milliseconds(m), 3);
	er_out_close(&o, '}');
	er_cdp_event(c, "Log.entryAdded", &o);
}

static double seconds(const er_json *v, const char *name)
{
	return er_json_as_double(er_json_member(v, name), 0);
}

/* Between two of these nothing runs. */
static void on_ran(er_cdp *c, const er_cdp_said *s, const er_json *p)
{
	const er_json *event = er_json_member(p, "event");
	(void)s;
	if (c->profile != NULL)
		er_cpuprofile_ran(c->profile, seconds(event, "startTime"), seconds(event, "endTime"));
}

/* The profile's times are those of the engine's clock. */
static void on_tracking(er_cdp *c, const er_cdp_said *s, const er_json *p)
{
	double at = seconds(p, "timestamp");
	(void)s;
	if (c->profile != NULL && at > 0 && at < 1e9)
		er_cpuprofile_clock(c->profile, at, (uint64_t)(at * 1e6));
}

/* Whoever waits for the profile gets it. */
static void give_profile(er_cdp *c)
{
	if (c->profile_for == NULL || c->profile == NULL)
		return;
	er_out o = er_cdp_open();
	er_out_open(&o, "profile", '{');
	er_cpuprofile_put(c->profile, &o);
	er_out_close(&o, '}');
	er_cdp_reply(c, er_slice_cstr(c->profile_for), &o);
	er_cdp_forget_profile(c);
}

static void on_profile(er_cdp *c, const er_cdp_said *s, const er_json *p)
{
	(void)s;
	if (c->profile != NULL)
		er_cpuprofile_samples(c->profile, er_json_member(p, "samples"), seconds(p, "timestamp"));
	give_profile(c);
}

static const struct {
	const char *method;
	void (*handle)(er_cdp *c, const er_cdp_said *s, const er_json *params);
} events[] = {
    {"Debugger.scriptParsed", on_script},
    {"Debugger.breakpointResolved", on_resolved},
    {"Debugger.paused", on_paused},
    {"Debugger.resumed", on_resumed},
    {"Console.messageAdded", on_message},
    {"ScriptProfiler.trackingComplete", on_profile},
    {"ScriptProfiler.trackingUpdate", on_ran},
    {"ScriptProfiler.trackingStart", on_tracking},
};

/* ---- answers of the engine ---- */

/* A promise that the client wants the value of. */
static bool is_promise(const er_json *result)
{
	const er_json *v = er_json_member(result, "result");
	return !er_json_true(result, "wasThrown") && er_slice_eq(er_json_str(v, "className"), ER_LIT("Promise")) &&
	       er_json_str(v, "objectId").n > 0;
}

static void await(er_cdp *c, const er_cdp_asked *a, er_slice client, const er_json *result)
{
	er_out o = er_cdp_open();
	er_out_str(&o, "promiseObjectId", er_json_str(er_json_member(result, "result"), "objectId"));
	er_out_bool(&o, "generatePreview", !a->by_value);
	er_out_bool(&o, "returnByValue", a->by_value);
	(void)er_cdp_ask(c, ER_CDP_EVALUATED, client, "Runtime.awaitPromise", &o);
}

/* What was to be awaited is no promise, and was asked for by reference. */
static void value_of(er_cdp *c, er_slice client, er_slice object)
{
	er_out o = er_cdp_open();
	er_out_str(&o, "objectId", object);
	er_out_cstr(&o, "functionDeclaration", "function () { return this; }");
	er_out_bool(&o, "returnByValue", true);
	(void)er_cdp_ask(c, ER_CDP_EVALUATED, client, "Runtime.callFunctionOn", &o);
}

/* The function is called on the global object. */
static void call_on(er_cdp *c, const er_cdp_asked *a, er_slice client, const er_json *result)
{
	er_slice object = er_json_str(er_json_member(result, "result"), "objectId");
	er_out o = er_cdp_open();
	er_out_str(&o, "objectId", object);
	er_buf_putc(&o.b, ',');
	er_buf_put_cstr(&o.b, a->then);
	er_cdp_quiet(c, true);
	er_cdp_asked *next = er_cdp_ask(c, a->await ? ER_CDP_AWAITING : ER_CDP_EVALUATED, client, "Runtime.callFunctionOn", &o);
	if (next != NULL)
		next->by_value = a->by_value;
	er_cdp_quiet(c, false);
}

/* The copy that is listed in an object's place. */
static void list_copy(er_cdp *c, er_slice client, const er_json *result)
{
	er_out o = er_cdp_open();
	er_out_str(&o, "objectId", er_json_str(er_json_member(result, "result"), "objectId"));
	er_out_bool(&o, "ownProperties", true);
	er_out_bool(&o, "generatePreview", true);
	(void)er_cdp_ask(c, ER_CDP_PROPERTIES, client, "Runtime.getProperties", &o);
}

/* What the engine says of where a breakpoint is. */
static void breakpoint_set(er_cdp *c, const er_cdp_asked *a, er_slice client, const er_cdp_said *s, const er_json *result)
{
	er_cdp_breakpoint *b = er_cdp_breakpoint_of(c, a->number);
	if (b == NULL) { /* it was removed before the engine had a name for it */
		er_cdp_remove_at_engine(c, er_json_str(result, "breakpointId"));
		if (client.n > 0)
			er_cdp_refuse(c, client, -32000, "the breakpoint was removed meanwhile");
		return;
	}
	er_free(b->engine);
	b->engine = er_strdup_slice(er_json_str(result, "breakpointId"));
	er_out o = er_cdp_open();
	put_breakpoint(&o, "breakpointId", b->number);
	const er_json *locations = er_json_member(result, "locations");
	er_out_open(&o, "locations", '[');
	ER_JSON_EACH(l, locations)
	{
		if (a->kind == ER_CDP_BREAKPOINT)
			er_cdp_put_location(&o, NULL, s, l);
	}
	er_out_close(&o, ']');
	if (a->kind == ER_CDP_BREAKPOINT)
		er_cdp_reply(c, client, &o);
	else
		er_out_fini(&o);
}

static void beginning_set(er_cdp *c, const er_json *result)
{
	if (!c->at_beginning) {
		er_cdp_remove_at_engine(c, er_json_str(result, "breakpointId"));
		return;
	}
	er_free(c->beginning);
	c->beginning = er_strdup_slice(er_json_str(result, "breakpointId"));
}

/* DevTools asks whether what was typed is whole, before it evaluates it. */
static void put_parsed(er_out *o, const er_json *result)
{
	er_slice kind = er_json_str(result, "result");
	if (kind.n == 0 || er_slice_eq(kind, ER_LIT("none")))
		return;
	bool more = er_slice_eq(kind, ER_LIT("recoverable"));
	er_buf b = {0};
	if (more)
		er_buf_puts(&b, "SyntaxError: Unexpected end of input");
	else
		er_buf_put(&b, er_json_str(result, "message"));
	er_out_open(o, "exceptionDetails", '{');
	er_out_u64(o, "exceptionId", 1);
	er_out_cstr(o, "text", "Uncaught");
	er_out_u64(o, "lineNumber", 0);
	er_out_u64(o, "columnNumber", 0);
	er_out_open(o, "exception", '{');
	er_out_cstr(o, "type", "object");
	er_out_cstr(o, "subtype", "error");
	er_out_cstr(o, "className", "SyntaxError");
	er_out_str(o, "description", er_buf_slice(&b));
	er_out_close(o, '}');
	er_out_close(o, '}');
	er_buf_fini(&b);
}

static void put_locations(er_out *o, const er_cdp_said *s, const er_json *result)
{
	er_out_open(o, "locations", '[');
	ER_JSON_EACH(l, er_json_member(result, "locations"))
	er_cdp_put_location(o, NULL, s, l);
	er_out_close(o, ']');
}

static void succeeded(er_cdp *c, const er_cdp_asked *a, er_slice client, const er_cdp_said *s, const er_json *result)
{
	er_out o = er_cdp_open();
	switch (a->kind) {
	case ER_CDP_STEPPED:
		er_cdp_reply(c, client, &o);
		er_cdp_resumed(c);
		return;
	case ER_CDP_EVALUATED:
		er_cdp_put_evaluated(&o, s, result);
		break;
	case ER_CDP_AWAITING:
		if (is_promise(result)) {
			er_out_fini(&o);
			await(c, a, client, result);
			return;
		}
		if (a->by_value && er_json_str(er_json_member(result, "result"), "objectId").n > 0 &&
		    !er_json_true(result, "wasThrown")) {
			er_out_fini(&o);
			value_of(c, client, er_json_str(er_json_member(result, "result"), "objectId"));
			return;
		}
		er_cdp_put_evaluated(&o, s, result);
		break;
	case ER_CDP_PROPERTIES:
	case ER_CDP_ACCESSORS:
		er_cdp_put_properties(&o, s, result, a->kind == ER_CDP_ACCESSORS);
		break;
	case ER_CDP_LOCATIONS:
		put_locations(&o, s, result);
		break;
	case ER_CDP_PLACED:
		er_out_str(&o, "breakpointId", er_json_str(result, "breakpointId"));
		er_cdp_put_location(&o, "actualLocation", s, er_json_member(result, "actualLocation"));
		break;
	case ER_CDP_PARSED:
		put_parsed(&o, result);
		break;
	case ER_CDP_RAW:
		ER_JSON_MEMBERS(m, result)
		{
			char *key = er_strdup_slice(m->key);
			er_out_json(&o, key, er_cdp_raw(s, m));
			er_free(key);
		}
		break;
	default:
		break;
	}
	er_cdp_reply(c, client, &o);
}

static void failed(er_cdp *c, const er_cdp_asked *a, er_slice client, const er_json *error)
{
	er_cdp_breakpoint *b = a->kind == ER_CDP_BREAKPOINT ? er_cdp_breakpoint_of(c, a->number) : NULL;
	if (b != NULL)
		er_cdp_forget_breakpoint(c, b);
	if (client.n > 0)
		er_cdp_refuse_text(c, client, -32000, er_json_str(error, "message"));
}

static void answered(er_cdp *c, const er_cdp_said *s, uint64_t id, const er_json *message)
{
	er_cdp_asked *a = NULL;
	ER_LIST_EACH(l, &c->asked)
	{
		er_cdp_asked *it = ER_CONTAINER(l, er_cdp_asked, link);
		if (it->id == id) {
			a = it;
			break;
		}
	}
	if (a == NULL)
		return;
	er_list_remove(&a->link);
	er_list_init(&a->link);
	er_slice client = a->client != NULL ? er_slice_cstr(a->client) : (er_slice){NULL, 0};
	const er_json *result = er_json_member(message, "result"), *error = er_json_member(message, "error");
	if (error != NULL)
		failed(c, a, client, error);
	else if (a->kind == ER_CDP_BREAKPOINT || a->kind == ER_CDP_AGAIN)
		breakpoint_set(c, a, client, s, result);
	else if (a->kind == ER_CDP_STOPPED) /* the samples came before, if there are any */
		give_profile(c);
	else if (a->kind == ER_CDP_GLOBAL)
		call_on(c, a, client, result);
	else if (a->kind == ER_CDP_UNINDEXED)
		list_copy(c, client, result);
	else if (a->kind == ER_CDP_BEGINNING)
		beginning_set(c, result);
	else if (a->kind == ER_CDP_ASSIGNED && er_json_true(result, "wasThrown"))
		er_cdp_refuse_text(c, client, -32000, er_json_str(er_json_member(result, "result"), "description"));
	else if (a->kind != ER_CDP_DROP && client.n > 0)
		succeeded(c, a, client, s, result);
	er_cdp_forget_asked(c, a);
}

void er_cdp_engine(er_cdp *c, er_slice json)
{
	ER_CHECK(c, MAGIC);
	er_arena a;
	er_arena_init(&a);
	const er_json *m = er_json_answer(&a, json);
	er_cdp_said s = {.text = json, .generation = c->generation};
	uint64_t id;
	if (c->target && er_json_whole(er_json_member(m, "id"), &id)) {
		answered(c, &s, id, m);
	} else if (c->target) {
		er_slice method = er_json_str(m, "method");
		for (size_t i = 0; i < sizeof events / sizeof *events; i++)
			if (er_slice_eq(method, er_slice_cstr(events[i].method)))
				events[i].handle(c, &s, er_json_member(m, "params"));
	}
	er_arena_fini(&a);
}

void er_cdp_client(er_cdp *c, er_slice json)
{
	ER_CHECK(c, MAGIC);
	er_arena a;
	er_arena_init(&a);
	const er_json *m = er_json_answer(&a, json), *id = er_json_member(m, "id");
	if (er_json_is(id, ER_JSON_NUMBER) && id->end - id->at <= ER_CDP_ID) {
		er_cdp_said s = {.text = json};
		er_cdp_command cmd = {.id = er_cdp_raw(&s, id), .params = er_json_member(m, "params"), .text = json};
		er_cdp_handle(c, er_json_str(m, "method"), &cmd);
	}
	er_arena_fini(&a);
}

/* The id of the sandbox's own script; NULL: the client has not been told of it. */
static const char *main_script(const er_cdp *c)
{
	for (size_t i = c->n_scripts; i-- > 0 && c->url != NULL;)
		if (er_slice_eq(er_slice_cstr(c->scripts[i].url), er_slice_cstr(c->url)))
			return c->scripts[i].id;
	return NULL;
}

/* The place of the exception, and its stack; a client leads them to the sources by itself. */
static void put_thrown_at(er_out *o, const er_cdp *c, const er_cdp_place *places, size_t n)
{
	const char *script = main_script(c);
	bool known = n > 0 && script != NULL;
	er_out_u64(o, "lineNumber", known ? places[0].line - 1 : 0);
	er_out_u64(o, "columnNumber", known ? places[0].column - 1 : 0);
	if (!known)
		return;
	er_cdp_put_ref(o, "scriptId", c->generation, er_slice_cstr(script));
	er_out_cstr(o, "url", c->url);
	er_out_open(o, "stackTrace", '{');
	er_out_open(o, "callFrames", '[');
	for (size_t i = 0; i < n; i++) {
		er_out_open(o, NULL, '{');
		er_out_str(o, "functionName", places[i].name);
		er_cdp_put_ref(o, "scriptId", c->generation, er_slice_cstr(script));
		er_out_cstr(o, "url", c->url);
		er_out_u64(o, "lineNumber", places[i].line - 1);
		er_out_u64(o, "columnNumber", places[i].column - 1);
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
	er_out_close(o, '}');
}

void er_cdp_exception(er_cdp *c, er_slice text, er_slice stack, const er_cdp_place *places, size_t n, double time_ms)
{
	ER_CHECK(c, MAGIC);
	if (!c->runtime)
		return;
	er_buf b = {0};
	er_buf_put(&b, text);
	er_buf_putc(&b, '\n');
	er_buf_put(&b, stack);
	er_slice all = er_buf_slice(&b);
	while (all.n > 0 && all.p[all.n - 1] == '\n')
		all.n--;
	er_out o = er_cdp_open();
	er_out_fixed(&o, "timestamp", time_ms, 3);
	er_out_open(&o, "exceptionDetails", '{');
	er_out_u64(&o, "exceptionId", 1);
	er_out_cstr(&o, "text", "Uncaught");
	put_thrown_at(&o, c, places, n);
	er_out_u64(&o, "executionContextId", c->generation);
	er_out_open(&o, "exception", '{');
	er_out_cstr(&o, "type", "object");
	er_out_cstr(&o, "subtype", "error");
	er_out_str(&o, "className", er_slice_head(text, er_slice_find(text, ':')));
	er_out_str(&o, "description", all);
	er_out_close(&o, '}');
	er_out_close(&o, '}');
	er_cdp_event(c, "Runtime.exceptionThrown", &o);
	er_buf_fini(&b);
}

/* ---- the session ---- */

er_cdp *er_cdp_new(const er_cdp_ports *ports)
{
	er_cdp *c = ER_NEW(er_cdp);
	*c = (er_cdp){.magic = MAGIC, .ports = *ports, .active = true};
	er_list_init(&c->asked);
	er_list_init(&c->breakpoints);
	return c;
}

void er_cdp_began(er_cdp *c, er_slice url, er_slice map)
{
	ER_CHECK(c, MAGIC);
	er_cdp_ended(c);
	c->generation++;
	c->target = true;
	er_free(c->url);
	er_free(c->map);
	c->url = er_strdup_slice(url);
	c->map = er_strdup_slice(map);
	er_cdp_set_up(c);
	er_cdp_announce(c);
}

void er_cdp_ended(er_cdp *c)
{
	ER_CHECK(c, MAGIC);
	if (!c->target)
		return;
	c->target = false;
	for (er_list *l; (l = c->asked.next) != &c->asked;) {
		er_cdp_asked *a = ER_CONTAINER(l, er_cdp_asked, link);
		const er_cdp_breakpoint *kept = a->kind == ER_CDP_BREAKPOINT ? er_cdp_breakpoint_of(c, a->number) : NULL;
		if (a->client != NULL && kept != NULL)
			er_cdp_kept_breakpoint(c, er_slice_cstr(a->client), kept);
		else if (a->client != NULL)
			er_cdp_refuse(c, er_slice_cstr(a->client), -32000, "the sandbox that was asked is gone");
		er_cdp_forget_asked(c, a);
	}
	if (c->profile_for != NULL)
		er_cdp_refuse(c, er_slice_cstr(c->profile_for), -32000, "the sandbox that was profiled is gone");
	er_cdp_forget_profile(c);
	er_cdp_resumed(c);
	er_cdp_forget_scripts(c);
	er_free(c->beginning);
	c->beginning = NULL;
	ER_LIST_EACH(l, &c->breakpoints)
	{
		er_cdp_breakpoint *b = ER_CONTAINER(l, er_cdp_breakpoint, link);
		er_free(b->engine);
		b->engine = NULL;
	}
	if (!c->runtime)
		return;
	er_out o = er_cdp_open();
	er_cdp_event(c, "Runtime.executionContextsCleared", &o);
}

void er_cdp_free(er_cdp *c)
{
	ER_CHECK(c, MAGIC);
	while (!er_list_empty(&c->asked))
		er_cdp_forget_asked(c, ER_CONTAINER(c->asked.next, er_cdp_asked, link));
	while (!er_list_empty(&c->breakpoints))
		er_cdp_forget_breakpoint(c, ER_CONTAINER(c->breakpoints.next, er_cdp_breakpoint, link));
	er_cdp_forget_scripts(c);
	er_free(c->scripts);
	er_free(c->url);
	er_free(c->map);
	er_free(c->exceptions);
	er_free(c->blackboxed);
	er_free(c->beginning);
	er_cdp_forget_profile(c);
	c->magic = 0;
	er_free(c);
}
