/* What the client asks (cdp.h): a table of commands, each either answered here, or asked of the
 * engine in its own dialect, with the kind of answer that is wanted (cdp_inside.h).
 *
 * Three groups need no sandbox: what switches a domain on or off, what is kept for the next sandbox
 * (breakpoints, pausing), and what is answered with nothing because there is nothing to do. */
#include "cli/cdp_inside.h"

#include <stdio.h>
#include <stdlib.h>

enum { INVALID = -32602, UNKNOWN = -32601, SERVER = -32000 };

static const char NO_SANDBOX[] = "no instance of the routine runs: send it a request";
static const char OTHER_SANDBOX[] = "the object is of a sandbox that is gone";

/* ---- parameters ---- */

static const er_json *param(const er_cdp_command *cmd, const char *name)
{
	return er_json_member(cmd->params, name);
}

static er_slice raw(const er_cdp_command *cmd, const er_json *v)
{
	er_cdp_said s = {.text = cmd->text};
	return er_cdp_raw(&s, v);
}

/* A member of the client's, under the engine's name. */
static void copy_as(er_out *o, const char *key, const er_cdp_command *cmd, const char *name)
{
	const er_json *v = param(cmd, name);
	if (v != NULL)
		er_out_json(o, key, raw(cmd, v));
}

static void copy(er_out *o, const er_cdp_command *cmd, const char *name)
{
	copy_as(o, name, cmd, name);
}

/* A name of the engine's that the client says. False: the client was told why not. */
static bool ref(er_cdp *c, er_out *o, const er_cdp_command *cmd, const char *key, const er_json *v)
{
	er_slice name;
	if (!er_cdp_ref(er_json_as_str(v), c->generation, &name)) {
		er_cdp_refuse(c, cmd->id, SERVER, OTHER_SANDBOX);
		er_out_fini(o);
		return false;
	}
	er_out_str(o, key, name);
	return true;
}

static bool location(er_cdp *c, er_out *o, const er_cdp_command *cmd, const char *key, const er_json *v)
{
	er_slice id;
	if (!er_cdp_ref(er_json_str(v, "scriptId"), c->generation, &id)) {
		er_cdp_refuse(c, cmd->id, SERVER, OTHER_SANDBOX);
		er_out_fini(o);
		return false;
	}
	er_out_open(o, key, '{');
	er_out_str(o, "scriptId", id);
	er_out_u64(o, "lineNumber", er_json_u64(v, "lineNumber"));
	er_out_u64(o, "columnNumber", er_json_u64(v, "columnNumber"));
	er_out_close(o, '}');
	return true;
}

/* ---- what is kept for every sandbox ---- */

static void tell(er_cdp *c, const char *method, const char *key, er_slice json)
{
	if (!c->target)
		return;
	er_out o = er_cdp_open();
	er_out_json(&o, key, json);
	(void)er_cdp_ask(c, ER_CDP_DROP, (er_slice){0}, method, &o);
}

static er_slice boolean(bool v)
{
	return v ? ER_LIT("true") : ER_LIT("false");
}

static bool stops(const er_cdp *c)
{
	return c->active && !c->skip;
}

static void tell_exceptions(er_cdp *c, bool quiet)
{
	tell(c, "Debugger.setPauseOnExceptions", "state",
	     quiet || c->skip || c->exceptions == NULL ? ER_LIT("\"none\"") : er_slice_cstr(c->exceptions));
}

static void tell_stops(er_cdp *c)
{
	tell(c, "Debugger.setBreakpointsActive", "active", boolean(stops(c)));
	tell(c, "Debugger.setPauseOnDebuggerStatements", "enabled", boolean(!c->skip));
	tell_exceptions(c, false);
}

void er_cdp_quiet(er_cdp *c, bool begin)
{
	if (!c->debugger || c->paused || !c->target)
		return;
	if (!begin) {
		tell_stops(c);
		return;
	}
	tell(c, "Debugger.setBreakpointsActive", "active", ER_LIT("false"));
	tell(c, "Debugger.setPauseOnDebuggerStatements", "enabled", ER_LIT("false"));
	tell_exceptions(c, true);
}

static void blackbox(er_cdp *c, er_slice url, bool regex)
{
	er_out o = er_cdp_open();
	er_out_str(&o, "url", url);
	er_out_bool(&o, "shouldBlackbox", true);
	er_out_bool(&o, "caseSensitive", true);
	er_out_bool(&o, "isRegex", regex);
	(void)er_cdp_ask(c, ER_CDP_DROP, (er_slice){0}, "Debugger.setShouldBlackboxURL", &o);
}

static void tell_blackboxed(er_cdp *c)
{
	if (c->blackboxed == NULL || !c->target)
		return;
	er_arena a;
	er_arena_init(&a);
	const er_json *list = er_json_answer(&a, er_slice_cstr(c->blackboxed));
	ER_JSON_EACH(p, list)
	blackbox(c, er_json_as_str(p), true);
	er_arena_fini(&a);
}

static er_cdp_asked *ask_breakpoint(er_cdp *c, er_cdp_kind kind, er_slice client, const er_cdp_breakpoint *b)
{
	er_out o = {0};
	er_buf_put_cstr(&o.b, b->params); /* with its brace, without the end */
	er_cdp_asked *a = er_cdp_ask(c, kind, client, "Debugger.setBreakpointByUrl", &o);
	if (a != NULL)
		a->number = b->number;
	return a;
}

/* The URL as a regular expression, so that the engine's name of this breakpoint is no other's. */
static void put_exactly(er_out *o, const char *key, er_slice url)
{
	er_buf b = {0};
	er_buf_putc(&b, '^');
	for (size_t i = 0; i < url.n; i++) {
		uint8_t c = url.p[i], letter = er_lower(c);
		if (c < 0x80 && !(letter >= 'a' && letter <= 'z') && !(c >= '0' && c <= '9'))
			er_buf_putc(&b, '\\');
		er_buf_putc(&b, c);
	}
	er_buf_putc(&b, '$');
	er_out_str(o, key, er_buf_slice(&b));
	er_buf_fini(&b);
}

/* The engine has no breakpoint of this kind: one at the very first place of the script does the
 * same, since a bundle begins with a statement that is none of the author's. */
static void ask_beginning(er_cdp *c)
{
	er_out o = er_cdp_open();
	er_out_u64(&o, "lineNumber", 0);
	er_out_u64(&o, "columnNumber", 0);
	put_exactly(&o, "urlRegex", er_slice_cstr(c->url));
	(void)er_cdp_ask(c, ER_CDP_BEGINNING, (er_slice){0}, "Debugger.setBreakpointByUrl", &o);
}

static void set_up_debugger(er_cdp *c)
{
	(void)er_cdp_ask(c, ER_CDP_DROP, (er_slice){0}, "Debugger.enable", NULL);
	blackbox(c, ER_LIT("^er:"), true);
	tell_blackboxed(c);
	tell_stops(c);
	if (c->async_depth > 0) {
		char depth[24];
		int n = snprintf(depth, sizeof depth, "%llu", (unsigned long long)c->async_depth);
		tell(c, "Debugger.setAsyncStackTraceDepth", "depth", er_slice_of(depth, (size_t)n));
	}
	if (c->at_beginning)
		ask_beginning(c);
	ER_LIST_EACH(l, &c->breakpoints)
	(void)ask_breakpoint(c, ER_CDP_AGAIN, (er_slice){0}, ER_CONTAINER(l, er_cdp_breakpoint, link));
}

void er_cdp_set_up(er_cdp *c)
{
	static const char *const always[] = {"Inspector.enable", "Runtime.enable", "Console.enable"};
	for (size_t i = 0; i < sizeof always / sizeof *always; i++)
		(void)er_cdp_ask(c, ER_CDP_DROP, (er_slice){0}, always[i], NULL);
	if (c->debugger)
		set_up_debugger(c);
}

void er_cdp_announce(er_cdp *c)
{
	if (!c->runtime || !c->target)
		return;
	er_out o = er_cdp_open();
	er_out_open(&o, "context", '{');
	er_out_u64(&o, "id", c->generation);
	er_out_cstr(&o, "origin", "");
	er_out_cstr(&o, "name", "er dev");
	er_cdp_put_ref(&o, "uniqueId", c->generation, ER_LIT("context"));
	er_out_json(&o, "auxData", ER_LIT("{\"isDefault\":true}"));
	er_out_close(&o, '}');
	er_cdp_event(c, "Runtime.executionContextCreated", &o);
}

/* ---- breakpoints ---- */

er_cdp_breakpoint *er_cdp_breakpoint_of(er_cdp *c, uint32_t number)
{
	ER_LIST_EACH(l, &c->breakpoints)
	{
		er_cdp_breakpoint *b = ER_CONTAINER(l, er_cdp_breakpoint, link);
		if (b->number == number)
			return b;
	}
	return NULL;
}

void er_cdp_forget_breakpoint(er_cdp *c, er_cdp_breakpoint *b)
{
	er_list_remove(&b->link);
	c->n_breakpoints--;
	er_free(b->params);
	er_free(b->engine);
	er_free(b);
}

void er_cdp_remove_at_engine(er_cdp *c, er_slice engine)
{
	er_out o = er_cdp_open();
	er_out_str(&o, "breakpointId", engine);
	(void)er_cdp_ask(c, ER_CDP_DROP, (er_slice){0}, "Debugger.removeBreakpoint", &o);
}

/* A condition, in the engine's form. */
static void put_options(er_out *o, const er_cdp_command *cmd)
{
	er_slice condition = er_json_str(cmd->params, "condition");
	if (condition.n == 0)
		return;
	er_out_open(o, "options", '{');
	er_out_str(o, "condition", condition);
	er_out_close(o, '}');
}

void er_cdp_kept_breakpoint(er_cdp *c, er_slice client, const er_cdp_breakpoint *b)
{
	char name[24];
	int n = snprintf(name, sizeof name, "er:%u", b->number);
	er_out o = er_cdp_open();
	er_out_str(&o, "breakpointId", er_slice_of(name, (size_t)n));
	er_out_json(&o, "locations", ER_LIT("[]"));
	er_cdp_reply(c, client, &o);
}

static void set_breakpoint_by_url(er_cdp *c, const er_cdp_command *cmd)
{
	if (c->n_breakpoints >= ER_CDP_BREAKPOINTS) {
		er_cdp_refuse(c, cmd->id, SERVER, "too many breakpoints");
		return;
	}
	er_out o = er_cdp_open();
	er_out_u64(&o, "lineNumber", er_json_u64(cmd->params, "lineNumber"));
	copy(&o, cmd, "url");
	copy(&o, cmd, "urlRegex");
	copy(&o, cmd, "columnNumber");
	put_options(&o, cmd);
	if (er_buf_len(&o.b) > ER_CDP_BREAKPOINT_MAX) {
		er_out_fini(&o);
		er_cdp_refuse(c, cmd->id, SERVER, "the breakpoint's condition or URL is too long");
		return;
	}
	er_cdp_breakpoint *b = ER_NEW(er_cdp_breakpoint);
	*b = (er_cdp_breakpoint){.number = ++c->next_breakpoint, .params = er_strdup_slice(er_buf_slice(&o.b))};
	er_out_fini(&o);
	er_list_push(&c->breakpoints, &b->link);
	c->n_breakpoints++;
	if (c->target && c->debugger) {
		if (ask_breakpoint(c, ER_CDP_BREAKPOINT, cmd->id, b) == NULL)
			er_cdp_forget_breakpoint(c, b);
		return;
	}
	er_cdp_kept_breakpoint(c, cmd->id, b);
}

/* The script that a location is in, and what the engine calls it; NULL: it is another sandbox's,
 * and the command is refused. */
static const er_cdp_script *script_at(er_cdp *c, const er_cdp_command *cmd, const er_json *location, er_slice *id)
{
	const er_cdp_script *s = er_cdp_ref(er_json_str(location, "scriptId"), c->generation, id) ? er_cdp_find_script(c, *id) : NULL;
	if (s == NULL)
		er_cdp_refuse(c, cmd->id, SERVER, OTHER_SANDBOX);
	return s;
}

/* In one script of this sandbox, and gone with it. */
static void set_breakpoint(er_cdp *c, const er_cdp_command *cmd)
{
	const er_json *at = param(cmd, "location");
	er_slice id;
	if (script_at(c, cmd, at, &id) == NULL)
		return;
	er_out o = er_cdp_open();
	if (!location(c, &o, cmd, "location", at))
		return;
	put_options(&o, cmd);
	(void)er_cdp_ask(c, ER_CDP_PLACED, cmd->id, "Debugger.setBreakpoint", &o);
}

static void forget_beginning(er_cdp *c)
{
	c->at_beginning = false;
	if (c->beginning != NULL && c->target)
		er_cdp_remove_at_engine(c, er_slice_cstr(c->beginning));
	er_free(c->beginning);
	c->beginning = NULL;
}

/* Of the kinds that Chrome has: before a script runs, or before one with a source map does. The
 * routine's has one. */
static void set_instrumentation(er_cdp *c, const er_cdp_command *cmd)
{
	er_slice kind = er_json_str(cmd->params, "instrumentation");
	if (!er_slice_eq(kind, ER_LIT("beforeScriptExecution")) && !er_slice_eq(kind, ER_LIT("beforeScriptWithSourceMapExecution"))) {
		er_cdp_refuse(c, cmd->id, INVALID, "there is no such instrumentation");
		return;
	}
	if (!c->at_beginning && c->target && c->debugger)
		ask_beginning(c);
	c->at_beginning = true;
	er_out o = er_cdp_open();
	er_out_cstr(&o, "breakpointId", ER_CDP_BEGINNING_ID);
	er_cdp_reply(c, cmd->id, &o);
}

static void remove_breakpoint(er_cdp *c, const er_cdp_command *cmd)
{
	er_slice id = er_json_str(cmd->params, "breakpointId");
	if (er_slice_eq(id, ER_LIT(ER_CDP_BEGINNING_ID))) {
		forget_beginning(c);
		er_cdp_reply_empty(c, cmd->id);
		return;
	}
	uint64_t number = 0;
	bool ours = er_slice_starts(id, ER_LIT("er:")) && er_slice_u64(er_slice_from(id, 3), &number) && number <= UINT32_MAX;
	er_cdp_breakpoint *b = ours ? er_cdp_breakpoint_of(c, (uint32_t)number) : NULL;
	er_slice engine = b != NULL ? (b->engine != NULL ? er_slice_cstr(b->engine) : (er_slice){0}) : id;
	if (engine.n > 0 && c->target)
		er_cdp_remove_at_engine(c, engine);
	if (b != NULL)
		er_cdp_forget_breakpoint(c, b);
	er_cdp_reply_empty(c, cmd->id);
}

static void possible_breakpoints(er_cdp *c, const er_cdp_command *cmd)
{
	const er_json *start = param(cmd, "start"), *end = param(cmd, "end");
	er_slice id;
	const er_cdp_script *s = script_at(c, cmd, start, &id);
	if (s == NULL)
		return;
	er_out o = er_cdp_open();
	if (!location(c, &o, cmd, "start", start))
		return;
	er_out_open(&o, "end", '{');
	er_out_str(&o, "scriptId", id);
	er_out_u64(&o, "lineNumber", end != NULL ? er_json_u64(end, "lineNumber") : s->end_line);
	er_out_u64(&o, "columnNumber", end != NULL ? er_json_u64(end, "columnNumber") : s->end_column);
	er_out_close(&o, '}');
	(void)er_cdp_ask(c, ER_CDP_LOCATIONS, cmd->id, "Debugger.getBreakpointLocations", &o);
}

/* ---- the debugger ---- */

static void enable_debugger(er_cdp *c, const er_cdp_command *cmd)
{
	bool first = !c->debugger;
	c->debugger = true;
	er_out o = er_cdp_open();
	er_out_cstr(&o, "debuggerId", "er");
	er_cdp_reply(c, cmd->id, &o);
	if (c->target && first)
		set_up_debugger(c);
}

/* As Chrome does it, all that was set is gone: a client sets it again when it switches the domain
 * on again. */
static void disable_debugger(er_cdp *c, const er_cdp_command *cmd)
{
	if (c->target && c->debugger)
		(void)er_cdp_ask(c, ER_CDP_DROP, (er_slice){0}, "Debugger.disable", NULL);
	c->debugger = false;
	c->paused = false;
	c->active = true;
	c->skip = false;
	c->async_depth = 0;
	c->at_beginning = false;
	char **const texts[] = {&c->exceptions, &c->blackboxed, &c->beginning};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		er_free(*texts[i]);
		*texts[i] = NULL;
	}
	while (!er_list_empty(&c->breakpoints))
		er_cdp_forget_breakpoint(c, ER_CONTAINER(c->breakpoints.next, er_cdp_breakpoint, link));
	er_cdp_forget_scripts(c); /* the engine tells them again, too */
	er_cdp_reply_empty(c, cmd->id);
}

static void set_active(er_cdp *c, const er_cdp_command *cmd)
{
	c->active = er_json_true(cmd->params, "active");
	tell_stops(c);
	er_cdp_reply_empty(c, cmd->id);
}

static void set_skip(er_cdp *c, const er_cdp_command *cmd)
{
	c->skip = er_json_true(cmd->params, "skip");
	tell_stops(c);
	er_cdp_reply_empty(c, cmd->id);
}

/* The engine has no "caught": it is a part of "all". */
static void set_exceptions(er_cdp *c, const er_cdp_command *cmd)
{
	er_slice state = er_json_str(cmd->params, "state");
	const char *said = er_slice_eq(state, ER_LIT("all")) || er_slice_eq(state, ER_LIT("caught")) ? "\"all\""
	                   : er_slice_eq(state, ER_LIT("uncaught"))                                  ? "\"uncaught\""
	                                                                                             : "\"none\"";
	er_free(c->exceptions);
	c->exceptions = er_strdup_cstr(said);
	tell_exceptions(c, false);
	er_cdp_reply_empty(c, cmd->id);
}

static void set_async(er_cdp *c, const er_cdp_command *cmd)
{
	uint64_t depth = er_json_u64(cmd->params, "maxDepth");
	c->async_depth = depth < 32 ? depth : 32;
	if (c->debugger && c->target) {
		er_out o = er_cdp_open();
		er_out_u64(&o, "depth", c->async_depth);
		(void)er_cdp_ask(c, ER_CDP_DROP, (er_slice){0}, "Debugger.setAsyncStackTraceDepth", &o);
	}
	er_cdp_reply_empty(c, cmd->id);
}

static void set_blackboxed(er_cdp *c, const er_cdp_command *cmd)
{
	er_free(c->blackboxed);
	er_slice list = raw(cmd, param(cmd, "patterns"));
	c->blackboxed = list.n > 0 ? er_strdup_slice(list) : NULL;
	if (c->debugger)
		tell_blackboxed(c);
	er_cdp_reply_empty(c, cmd->id);
}

static void step(er_cdp *c, const er_cdp_command *cmd, const char *method)
{
	(void)er_cdp_ask(c, ER_CDP_STEPPED, cmd->id, method, NULL);
}

static void resume(er_cdp *c, const er_cdp_command *cmd)
{
	step(c, cmd, "Debugger.resume");
}

static void step_into(er_cdp *c, const er_cdp_command *cmd)
{
	step(c, cmd, "Debugger.stepInto");
}

static void step_over(er_cdp *c, const er_cdp_command *cmd)
{
	step(c, cmd, "Debugger.stepOver");
}

static void step_out(er_cdp *c, const er_cdp_command *cmd)
{
	step(c, cmd, "Debugger.stepOut");
}

static void pause_(er_cdp *c, const er_cdp_command *cmd)
{
	(void)er_cdp_ask(c, ER_CDP_EMPTY, cmd->id, "Debugger.pause", NULL);
}

static void continue_to(er_cdp *c, const er_cdp_command *cmd)
{
	er_out o = er_cdp_open();
	if (location(c, &o, cmd, "location", param(cmd, "location")))
		(void)er_cdp_ask(c, ER_CDP_STEPPED, cmd->id, "Debugger.continueToLocation", &o);
}

static void script_source(er_cdp *c, const er_cdp_command *cmd)
{
	er_out o = er_cdp_open();
	if (ref(c, &o, cmd, "scriptId", param(cmd, "scriptId")))
		(void)er_cdp_ask(c, ER_CDP_RAW, cmd->id, "Debugger.getScriptSource", &o);
}

static void search(er_cdp *c, const er_cdp_command *cmd)
{
	er_out o = er_cdp_open();
	if (!ref(c, &o, cmd, "scriptId", param(cmd, "scriptId")))
		return;
	copy(&o, cmd, "query");
	copy(&o, cmd, "caseSensitive");
	copy(&o, cmd, "isRegex");
	(void)er_cdp_ask(c, ER_CDP_RAW, cmd->id, "Debugger.searchInContent", &o);
}

/* ---- evaluating ---- */

/* The members that Runtime.evaluate, evaluateOnCallFrame and callFunctionOn have in common. */
static void put_common(er_out *o, const er_cdp_command *cmd)
{
	copy(o, cmd, "objectGroup");
	copy(o, cmd, "generatePreview");
	/* a promise by value would be nothing that can be awaited */
	if (!er_json_true(cmd->params, "awaitPromise"))
		copy(o, cmd, "returnByValue");
	copy_as(o, "emulateUserGesture", cmd, "userGesture");
	copy_as(o, "doNotPauseOnExceptionsAndMuteConsole", cmd, "silent");
}

/* The engine cannot tell beforehand what has side effects: DevTools takes this answer and shows no
 * result before Enter is pressed. */
static bool refuse_eager(er_cdp *c, const er_cdp_command *cmd)
{
	if (!er_json_true(cmd->params, "throwOnSideEffect"))
		return false;
	er_out o = er_cdp_open();
	er_out_json(&o, "result", ER_LIT("{\"type\":\"undefined\"}"));
	er_out_json(&o, "exceptionDetails",
	            ER_LIT("{\"exceptionId\":1,\"text\":\"Uncaught\",\"lineNumber\":0,\"columnNumber\":0,\"exception\":{\"type\":"
	                   "\"object\",\"subtype\":\"error\",\"className\":\"EvalError\",\"description\":\"EvalError: Possible "
	                   "side-effect in debug-evaluate\"}}"));
	er_cdp_reply(c, cmd->id, &o);
	return true;
}

static bool awaits(const er_cdp_command *cmd)
{
	return er_json_true(cmd->params, "awaitPromise");
}

/* Asks for a value, or for what a promise brings. */
static void ask_value(er_cdp *c, const er_cdp_command *cmd, const char *method, er_out *o)
{
	er_cdp_quiet(c, true);
	er_cdp_asked *a = er_cdp_ask(c, awaits(cmd) ? ER_CDP_AWAITING : ER_CDP_EVALUATED, cmd->id, method, o);
	if (a != NULL)
		a->by_value = er_json_true(cmd->params, "returnByValue");
	er_cdp_quiet(c, false);
}

static void evaluate(er_cdp *c, const er_cdp_command *cmd)
{
	if (refuse_eager(c, cmd))
		return;
	er_out o = er_cdp_open();
	copy(&o, cmd, "expression");
	copy(&o, cmd, "includeCommandLineAPI");
	put_common(&o, cmd);
	ask_value(c, cmd, "Runtime.evaluate", &o);
}

static void evaluate_on_frame(er_cdp *c, const er_cdp_command *cmd)
{
	if (refuse_eager(c, cmd))
		return;
	er_out o = er_cdp_open();
	if (!ref(c, &o, cmd, "callFrameId", param(cmd, "callFrameId")))
		return;
	copy(&o, cmd, "expression");
	copy(&o, cmd, "includeCommandLineAPI");
	put_common(&o, cmd);
	(void)er_cdp_ask(c, ER_CDP_EVALUATED, cmd->id, "Debugger.evaluateOnCallFrame", &o);
}

static bool is_name(er_slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i], letter = er_lower(c);
		bool digit = c >= '0' && c <= '9';
		if (!(letter >= 'a' && letter <= 'z') && c != '_' && c != '$' && c < 0x80 && !(digit && i > 0))
			return false;
	}
	return s.n > 0;
}

/* The engine has no such command: the assignment is evaluated in the frame. Values that are no
 * objects can be written down there. */
static void set_variable(er_cdp *c, const er_cdp_command *cmd)
{
	const er_json *to = param(cmd, "newValue"), *value = er_json_member(to, "value");
	er_slice name = er_json_str(cmd->params, "variableName"), special = er_json_str(to, "unserializableValue");
	if (!is_name(name) || er_json_member(to, "objectId") != NULL || special.n > 400 || er_json_is(value, ER_JSON_OBJECT) ||
	    er_json_is(value, ER_JSON_ARRAY)) {
		er_cdp_refuse(c, cmd->id, SERVER, "only a value that is no object can be assigned; evaluate an assignment instead");
		return;
	}
	er_out o = er_cdp_open();
	if (!ref(c, &o, cmd, "callFrameId", param(cmd, "callFrameId")))
		return;
	er_buf b = {0};
	er_buf_printf(&b, "%.*s = ", ER_FMT(name));
	er_buf_put(&b, value != NULL ? raw(cmd, value) : special.n > 0 ? special : ER_LIT("undefined"));
	er_out_str(&o, "expression", er_buf_slice(&b));
	er_buf_fini(&b);
	er_out_bool(&o, "doNotPauseOnExceptionsAndMuteConsole", true);
	(void)er_cdp_ask(c, ER_CDP_ASSIGNED, cmd->id, "Debugger.evaluateOnCallFrame", &o);
}

/* The arguments of a function that is called. False: the client was told why not. */
static bool put_call_arguments(er_cdp *c, er_out *o, const er_cdp_command *cmd)
{
	er_out_open(o, "arguments", '[');
	ER_JSON_EACH(v, param(cmd, "arguments"))
	{
		const er_json *object = er_json_member(v, "objectId"), *value = er_json_member(v, "value");
		er_out_open(o, NULL, '{');
		if (object != NULL && !ref(c, o, cmd, "objectId", object))
			return false;
		if (object == NULL && value != NULL)
			er_out_json(o, "value", raw(cmd, value));
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
	return true;
}

static void call_function(er_cdp *c, const er_cdp_command *cmd)
{
	if (refuse_eager(c, cmd))
		return;
	const er_json *object = param(cmd, "objectId");
	er_out o = object != NULL ? er_cdp_open() : (er_out){0};
	if (object != NULL && !ref(c, &o, cmd, "objectId", object))
		return;
	copy(&o, cmd, "functionDeclaration");
	if (!put_call_arguments(c, &o, cmd))
		return;
	put_common(&o, cmd);
	if (object != NULL) {
		ask_value(c, cmd, "Runtime.callFunctionOn", &o);
		return;
	}
	size_t n = er_buf_len(&o.b);
	if (c->kept + n > ER_CDP_KEPT) {
		er_out_fini(&o);
		er_cdp_refuse(c, cmd->id, SERVER, "too many commands are open");
		return;
	}
	er_out global = er_cdp_open();
	er_out_cstr(&global, "expression", "globalThis");
	er_cdp_asked *a = er_cdp_ask(c, ER_CDP_GLOBAL, cmd->id, "Runtime.evaluate", &global);
	if (a != NULL) {
		a->then = er_strdup_slice(er_buf_slice(&o.b));
		a->then_n = n;
		c->kept += n;
		a->await = awaits(cmd);
		a->by_value = er_json_true(cmd->params, "returnByValue");
	}
	er_out_fini(&o);
}

/* The engine lists an array's elements, all of them, and nothing else of it: a copy of the rest,
 * which is no array, is listed in its place. */
static const char UNINDEXED[] =
    "function () { const to = { __proto__: null }, put = Object.defineProperty; for (const key of Reflect.ownKeys(this)) if "
    "(typeof key === 'symbol' || !/^(?:0|[1-9][0-9]*)$/.test(key)) put(to, key, Object.getOwnPropertyDescriptor(this, key)); "
    "return put(to, '__proto__', { value: Object.getPrototypeOf(this) }); }";

static void unindexed(er_cdp *c, const er_cdp_command *cmd)
{
	er_out o = er_cdp_open();
	if (!ref(c, &o, cmd, "objectId", param(cmd, "objectId")))
		return;
	er_out_cstr(&o, "functionDeclaration", UNINDEXED);
	er_out_bool(&o, "doNotPauseOnExceptionsAndMuteConsole", true);
	(void)er_cdp_ask(c, ER_CDP_UNINDEXED, cmd->id, "Runtime.callFunctionOn", &o);
}

static void properties(er_cdp *c, const er_cdp_command *cmd)
{
	if (er_json_true(cmd->params, "nonIndexedPropertiesOnly") && !er_json_true(cmd->params, "accessorPropertiesOnly")) {
		unindexed(c, cmd);
		return;
	}
	er_out o = er_cdp_open();
	if (!ref(c, &o, cmd, "objectId", param(cmd, "objectId")))
		return;
	copy(&o, cmd, "ownProperties");
	copy(&o, cmd, "generatePreview");
	bool accessors = er_json_true(cmd->params, "accessorPropertiesOnly");
	(void)er_cdp_ask(c, accessors ? ER_CDP_ACCESSORS : ER_CDP_PROPERTIES, cmd->id, "Runtime.getProperties", &o);
}

static void await_promise(er_cdp *c, const er_cdp_command *cmd)
{
	er_out o = er_cdp_open();
	if (!ref(c, &o, cmd, "promiseObjectId", param(cmd, "promiseObjectId")))
		return;
	copy(&o, cmd, "returnByValue");
	copy(&o, cmd, "generatePreview");
	(void)er_cdp_ask(c, ER_CDP_EVALUATED, cmd->id, "Runtime.awaitPromise", &o);
}

/* Also of a sandbox that is gone: then it is released. */
static void release(er_cdp *c, const er_cdp_command *cmd)
{
	er_slice name;
	if (er_cdp_ref(er_json_str(cmd->params, "objectId"), c->generation, &name)) {
		er_out o = er_cdp_open();
		er_out_str(&o, "objectId", name);
		(void)er_cdp_ask(c, ER_CDP_DROP, (er_slice){0}, "Runtime.releaseObject", &o);
	}
	er_cdp_reply_empty(c, cmd->id);
}

static void release_group(er_cdp *c, const er_cdp_command *cmd)
{
	er_out o = er_cdp_open();
	copy(&o, cmd, "objectGroup");
	(void)er_cdp_ask(c, ER_CDP_EMPTY, cmd->id, "Runtime.releaseObjectGroup", &o);
}

static void compile(er_cdp *c, const er_cdp_command *cmd)
{
	er_out o = er_cdp_open();
	copy_as(&o, "source", cmd, "expression");
	(void)er_cdp_ask(c, ER_CDP_PARSED, cmd->id, "Runtime.parse", &o);
}

/* ---- the runtime ---- */

static void enable_runtime(er_cdp *c, const er_cdp_command *cmd)
{
	bool first = !c->runtime;
	c->runtime = true;
	if (first)
		er_cdp_announce(c);
	er_cdp_reply_empty(c, cmd->id);
}

static void disable_runtime(er_cdp *c, const er_cdp_command *cmd)
{
	c->runtime = false;
	er_cdp_reply_empty(c, cmd->id);
}

static void enable_log(er_cdp *c, const er_cdp_command *cmd)
{
	c->log = true;
	er_cdp_reply_empty(c, cmd->id);
}

static void run_if_waiting(er_cdp *c, const er_cdp_command *cmd)
{
	er_cdp_reply_empty(c, cmd->id);
	if (c->ports.go != NULL)
		c->ports.go(c->ports.ctx);
}

static void isolate_id(er_cdp *c, const er_cdp_command *cmd)
{
	er_out o = er_cdp_open();
	er_out_cstr(&o, "id", "er");
	er_cdp_reply(c, cmd->id, &o);
}

/* The names that a console completes. */
static void lexical_names(er_cdp *c, const er_cdp_command *cmd)
{
	er_out o = er_cdp_open();
	er_out_json(&o, "names", ER_LIT("[]"));
	er_cdp_reply(c, cmd->id, &o);
}

/* ---- profiles ---- */

static void start_profile(er_cdp *c, const er_cdp_command *cmd)
{
	if (c->profile != NULL) {
		er_cdp_reply_empty(c, cmd->id);
		return;
	}
	c->profile = er_cpuprofile_new();
	er_cpuprofile_generation(c->profile, c->generation);
	er_out o = er_cdp_open();
	er_out_bool(&o, "includeSamples", true);
	(void)er_cdp_ask(c, ER_CDP_EMPTY, cmd->id, "ScriptProfiler.startTracking", &o);
}

static void stop_profile(er_cdp *c, const er_cdp_command *cmd)
{
	if (c->profile == NULL || c->profile_for != NULL) {
		er_cdp_refuse(c, cmd->id, SERVER, "no profile is being taken");
		return;
	}
	c->profile_for = er_strdup_slice(cmd->id);
	(void)er_cdp_ask(c, ER_CDP_STOPPED, (er_slice){0}, "ScriptProfiler.stopTracking", NULL);
}

static void collect(er_cdp *c, const er_cdp_command *cmd)
{
	(void)er_cdp_ask(c, ER_CDP_DROP, (er_slice){0}, "Heap.enable", NULL);
	(void)er_cdp_ask(c, ER_CDP_EMPTY, cmd->id, "Heap.gc", NULL);
}

static void no_snapshot(er_cdp *c, const er_cdp_command *cmd)
{
	er_cdp_refuse(c, cmd->id, SERVER, "the engine has no heap snapshots in V8's format");
}

/* ---- the table ---- */

static void nothing(er_cdp *c, const er_cdp_command *cmd)
{
	er_cdp_reply_empty(c, cmd->id);
}

/* `sandbox`: the command needs one. */
static const struct {
	const char *method;
	void (*handle)(er_cdp *c, const er_cdp_command *cmd);
	bool sandbox;
} commands[] = {
    {"Debugger.enable", enable_debugger, false},
    {"Debugger.disable", disable_debugger, false},
    {"Debugger.setBreakpointByUrl", set_breakpoint_by_url, false},
    {"Debugger.setBreakpoint", set_breakpoint, true},
    {"Debugger.setInstrumentationBreakpoint", set_instrumentation, false},
    {"Debugger.removeBreakpoint", remove_breakpoint, false},
    {"Debugger.getPossibleBreakpoints", possible_breakpoints, true},
    {"Debugger.setBreakpointsActive", set_active, false},
    {"Debugger.setSkipAllPauses", set_skip, false},
    {"Debugger.setPauseOnExceptions", set_exceptions, false},
    {"Debugger.setAsyncCallStackDepth", set_async, false},
    {"Debugger.setBlackboxPatterns", set_blackboxed, false},
    {"Debugger.setBlackboxExecutionContexts", nothing, false},
    {"Debugger.resume", resume, true},
    {"Debugger.pause", pause_, true},
    {"Debugger.stepInto", step_into, true},
    {"Debugger.stepOver", step_over, true},
    {"Debugger.stepOut", step_out, true},
    {"Debugger.continueToLocation", continue_to, true},
    {"Debugger.evaluateOnCallFrame", evaluate_on_frame, true},
    {"Debugger.setVariableValue", set_variable, true},
    {"Debugger.getScriptSource", script_source, true},
    {"Debugger.searchInContent", search, true},
    {"Runtime.enable", enable_runtime, false},
    {"Runtime.disable", disable_runtime, false},
    {"Runtime.evaluate", evaluate, true},
    {"Runtime.callFunctionOn", call_function, true},
    {"Runtime.getProperties", properties, true},
    {"Runtime.awaitPromise", await_promise, true},
    {"Runtime.releaseObject", release, true},
    {"Runtime.releaseObjectGroup", release_group, true},
    {"Runtime.compileScript", compile, true},
    {"Runtime.runIfWaitingForDebugger", run_if_waiting, false},
    {"Runtime.getIsolateId", isolate_id, false},
    {"Runtime.globalLexicalScopeNames", lexical_names, false},
    {"Runtime.discardConsoleEntries", nothing, false},
    {"Runtime.setAsyncCallStackDepth", set_async, false},
    {"Runtime.setCustomObjectFormatterEnabled", nothing, false},
    {"Runtime.setMaxCallStackSizeToCapture", nothing, false},
    {"Console.enable", nothing, false},
    {"Console.disable", nothing, false},
    {"Console.clearMessages", nothing, false},
    {"Log.enable", enable_log, false},
    {"Log.disable", nothing, false},
    {"Log.clear", nothing, false},
    {"Log.startViolationsReport", nothing, false},
    {"Log.stopViolationsReport", nothing, false},
    {"Profiler.enable", nothing, false},
    {"Profiler.disable", nothing, false},
    {"Profiler.setSamplingInterval", nothing, false},
    {"Profiler.start", start_profile, true},
    {"Profiler.stop", stop_profile, true},
    {"HeapProfiler.enable", nothing, false},
    {"HeapProfiler.disable", nothing, false},
    {"HeapProfiler.collectGarbage", collect, true},
    {"HeapProfiler.takeHeapSnapshot", no_snapshot, false},
    {"HeapProfiler.startTrackingHeapObjects", no_snapshot, false},
    {"Inspector.enable", nothing, false},
    {"Network.enable", nothing, false},
    {"Network.disable", nothing, false},
    {"NodeRuntime.enable", nothing, false},
    {"NodeRuntime.notifyWhenWaitingForDisconnect", nothing, false},
    {"NodeWorker.enable", nothing, false},
    {"Target.setAutoAttach", nothing, false},
    {"Target.setDiscoverTargets", nothing, false},
    {"Target.setRemoteLocations", nothing, false},
};

void er_cdp_handle(er_cdp *c, er_slice method, const er_cdp_command *cmd)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (!er_slice_eq(method, er_slice_cstr(commands[i].method)))
			continue;
		if (commands[i].sandbox && !c->target)
			er_cdp_refuse(c, cmd->id, SERVER, NO_SANDBOX);
		else
			commands[i].handle(c, cmd);
		return;
	}
	char why[160];
	(void)snprintf(why, sizeof why, "'%.*s' wasn't found", ER_FMT(er_slice_head(method, 120)));
	er_cdp_refuse(c, cmd->id, UNKNOWN, why);
}
