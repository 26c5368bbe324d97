/* The translation between a debugger and the engine: what each hears of what the other said, over
 * the lives of several sandboxes. */
#include "base/buf.h"
#include "cli/cdp.h"
#include "cli/inspect_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct ears {
	er_buf client, engine;
	unsigned gone_on;
	er_cdp *c;
} ears;

static void put(er_buf *b, er_slice json)
{
	er_buf_put(b, json);
	er_buf_putc(b, '\n');
}

static void to_client(void *ctx, er_slice json)
{
	put(&((ears *)ctx)->client, json);
}

static void to_engine(void *ctx, er_slice json)
{
	put(&((ears *)ctx)->engine, json);
}

static void go(void *ctx)
{
	((ears *)ctx)->gone_on++;
}

static void begin(ears *e)
{
	*e = (ears){0};
	e->c = er_cdp_new(&(er_cdp_ports){.to_client = to_client, .to_engine = to_engine, .go = go, .ctx = e});
}

static void end(ears *e)
{
	er_cdp_free(e->c);
	er_buf_fini(&e->client);
	er_buf_fini(&e->engine);
}

static void says(ears *e, const char *json)
{
	er_buf_clear(&e->client);
	er_buf_clear(&e->engine);
	er_cdp_client(e->c, er_slice_cstr(json));
}

static void engine_says(ears *e, const char *json)
{
	er_buf_clear(&e->client);
	er_buf_clear(&e->engine);
	er_cdp_engine(e->c, er_slice_cstr(json));
}

static bool has(er_buf *b, const char *text)
{
	er_buf_putc(b, 0);
	bool found = strstr((const char *)er_buf_slice(b).p, text) != NULL;
	b->end--;
	return found;
}

static void sandbox(ears *e)
{
	er_buf_clear(&e->client);
	er_buf_clear(&e->engine);
	er_cdp_began(e->c, ER_LIT("file:///a.js"), ER_LIT("data:map"));
}

static const char SCRIPT[] = "{\"method\":\"Debugger.scriptParsed\",\"params\":{\"scriptId\":\"2\",\"url\":\"file:///"
                             "a.js\",\"startLine\":0,\"startColumn\":0,"
                             "\"endLine\":7,\"endColumn\":31,\"isContentScript\":false,\"sourceMapURL\":\"\",\"module\":false}}";
static const char PRELUDE[] = "{\"method\":\"Debugger.scriptParsed\",\"params\":{\"scriptId\":\"1\",\"url\":\"er:prelude\"}}";
#define FRAME(id, script) \
	"{\"callFrameId\":\"" id "\",\"functionName\":\"f\",\"location\":{\"scriptId\":\"" script \
	"\",\"lineNumber\":2,\"columnNumber\":1}," \
	"\"scopeChain\":[{\"object\":{\"type\":\"object\",\"objectId\":\"s1\"},\"type\":\"closure\",\"name\":\"f\"},{\"object\":{" \
	"\"type\":" \
	"\"object\",\"objectId\":\"s2\"},\"type\":\"closure\",\"name\":\"f\"},{\"object\":{\"type\":\"object\"},\"type\":" \
	"\"global\"}]," \
	"\"this\":{\"type\":\"undefined\"}}"
#define PAUSED(frames) "{\"method\":\"Debugger.paused\",\"params\":{\"callFrames\":[" frames "],\"reason\":\"other\"}}"

static void test_a_breakpoint_is_set_again_in_each_sandbox(void **state)
{
	(void)state;
	ears e;
	begin(&e);
	says(&e, "{\"id\":1,\"method\":\"Debugger.enable\"}");
	says(&e, "{\"id\":2,\"method\":\"Debugger.setBreakpointByUrl\",\"params\":{\"lineNumber\":4,\"url\":\"file:///a.js\","
	         "\"condition\":\"a > 1\"}}");
	assert_true(has(&e.client, "{\"id\":2,\"result\":{\"breakpointId\":\"er:1\",\"locations\":[]}}"));
	for (int i = 0; i < 2; i++) {
		sandbox(&e);
		assert_true(has(&e.engine, "\"method\":\"Debugger.enable\""));
		assert_true(has(&e.engine, "{\"lineNumber\":4,\"url\":\"file:///a.js\",\"options\":{\"condition\":\"a > 1\"}}"));
	}
	says(&e, "{\"id\":3,\"method\":\"Debugger.removeBreakpoint\",\"params\":{\"breakpointId\":\"er:1\"}}");
	assert_true(has(&e.client, "{\"id\":3,\"result\":{}}"));
	sandbox(&e);
	assert_false(has(&e.engine, "setBreakpointByUrl"));
	end(&e);
}

/* A breakpoint of a removed name would stop the code with nobody to take it away. */
static void test_a_breakpoint_that_is_removed_at_once_is_gone(void **state)
{
	(void)state;
	ears e;
	begin(&e);
	says(&e, "{\"id\":1,\"method\":\"Debugger.enable\"}");
	sandbox(&e);
	says(&e, "{\"id\":2,\"method\":\"Debugger.setBreakpointByUrl\",\"params\":{\"lineNumber\":4,\"url\":\"file:///a.js\"}}");
	const char *asked = strstr((const char *)er_buf_slice(&e.engine).p, "\"id\":");
	unsigned id = (unsigned)strtoul(asked + 5, NULL, 10);
	says(&e, "{\"id\":3,\"method\":\"Debugger.removeBreakpoint\",\"params\":{\"breakpointId\":\"er:1\"}}");
	char answer[200];
	(void)snprintf(answer, sizeof answer, "{\"id\":%u,\"result\":{\"breakpointId\":\"x:4:0\",\"locations\":[]}}", id);
	engine_says(&e, answer);
	assert_true(has(&e.client, "{\"id\":2,\"error\""));
	assert_true(has(&e.engine, "\"method\":\"Debugger.removeBreakpoint\",\"params\":{\"breakpointId\":\"x:4:0\"}"));
	/* the same of one that a new sandbox is told of: nobody asked, nobody is answered */
	says(&e, "{\"id\":4,\"method\":\"Debugger.setBreakpointByUrl\",\"params\":{\"lineNumber\":4,\"url\":\"file:///a.js\"}}");
	sandbox(&e);
	says(&e, "{\"id\":5,\"method\":\"Debugger.removeBreakpoint\",\"params\":{\"breakpointId\":\"er:2\"}}");
	for (unsigned n = 1; n < 60; n++) {
		(void)snprintf(answer, sizeof answer, "{\"id\":%u,\"result\":{\"breakpointId\":\"y:4:0\",\"locations\":[]}}", n);
		er_cdp_engine(e.c, er_slice_cstr(answer));
	}
	assert_false(has(&e.client, "null"));
	assert_true(has(&e.engine, "\"breakpointId\":\"y:4:0\""));
	end(&e);
}

/* A client that took it for failed would never remove it: the code would stop there for ever. */
static void test_a_breakpoint_set_while_the_sandbox_goes_is_kept_and_said(void **state)
{
	(void)state;
	ears e;
	begin(&e);
	says(&e, "{\"id\":1,\"method\":\"Debugger.enable\"}");
	sandbox(&e);
	says(&e, "{\"id\":2,\"method\":\"Debugger.setBreakpointByUrl\",\"params\":{\"lineNumber\":4,\"url\":\"file:///a.js\"}}");
	says(&e, "{\"id\":3,\"method\":\"Runtime.evaluate\",\"params\":{\"expression\":\"1\"}}");
	sandbox(&e);
	assert_true(has(&e.client, "{\"id\":2,\"result\":{\"breakpointId\":\"er:1\",\"locations\":[]}}"));
	assert_true(has(&e.client, "{\"id\":3,\"error\""));
	assert_true(has(&e.engine, "{\"lineNumber\":4,\"url\":\"file:///a.js\"}"));
	end(&e);
}

/* As Chrome does it: a client that switches the domain on again sets all of it again. */
static void test_what_was_set_ends_with_the_domain(void **state)
{
	(void)state;
	ears e;
	begin(&e);
	says(&e, "{\"id\":1,\"method\":\"Debugger.enable\"}");
	says(&e, "{\"id\":2,\"method\":\"Debugger.setBreakpointByUrl\",\"params\":{\"lineNumber\":4,\"url\":\"file:///a.js\"}}");
	says(&e, "{\"id\":3,\"method\":\"Debugger.setInstrumentationBreakpoint\",\"params\":{\"instrumentation\":"
	         "\"beforeScriptExecution\"}}");
	assert_true(has(&e.client, "\"er:beginning\""));
	sandbox(&e);
	assert_true(has(&e.engine, "\"urlRegex\":\"^file\\\\:\\\\/\\\\/\\\\/a\\\\.js$\""));
	says(&e, "{\"id\":4,\"method\":\"Debugger.disable\"}");
	says(&e, "{\"id\":5,\"method\":\"Debugger.enable\"}");
	assert_false(has(&e.engine, "setBreakpointByUrl"));
	sandbox(&e);
	assert_false(has(&e.engine, "setBreakpointByUrl"));
	end(&e);
}

/* What a client can have kept of it. */
static void test_what_a_client_has_kept_is_bounded(void **state)
{
	(void)state;
	ears e;
	begin(&e);
	er_buf b = {0};
	er_buf_puts(&b, "{\"id\":1,\"method\":\"Debugger.setBreakpointByUrl\",\"params\":{\"lineNumber\":1,\"url\":\"");
	for (size_t i = 0; i < 100000; i++)
		er_buf_putc(&b, 'a');
	er_buf_puts(&b, "\"}}");
	er_buf_clear(&e.client);
	er_cdp_client(e.c, er_buf_slice(&b));
	assert_true(has(&e.client, "too long"));
	says(&e, "{\"id\":123456789012345678901234567890123456789,\"method\":\"Debugger.enable\"}");
	assert_int_equal(er_buf_len(&e.client), 0);
	er_buf_fini(&b);
	end(&e);
}

static void test_nobody_stands_in_the_prelude(void **state)
{
	(void)state;
	ears e;
	begin(&e);
	says(&e, "{\"id\":1,\"method\":\"Debugger.enable\"}");
	sandbox(&e);
	engine_says(&e, PRELUDE);
	assert_int_equal(er_buf_len(&e.client), 0);
	engine_says(&e, SCRIPT);
	assert_true(has(&e.client, "\"scriptId\":\"1:2\""));
	assert_true(has(&e.client, "\"sourceMapURL\":\"data:map\""));
	engine_says(&e, PAUSED(FRAME("a", "1")));
	assert_int_equal(er_buf_len(&e.client), 0);
	assert_true(has(&e.engine, "Debugger.resume"));
	engine_says(&e, PAUSED(FRAME("a", "1") "," FRAME("b", "2")));
	assert_true(has(&e.engine, "Debugger.stepOut"));
	engine_says(&e, PAUSED(FRAME("b", "2") "," FRAME("a", "1")));
	assert_true(has(&e.client, "\"callFrameId\":\"1:b\""));
	assert_false(has(&e.client, "\"1:a\""));
	/* one local scope, and the block in it */
	assert_true(has(&e.client, "\"type\":\"block\",\"object\":{\"type\":\"object\",\"objectId\":\"1:s1\"}"));
	assert_true(has(&e.client, "\"type\":\"local\",\"object\":{\"type\":\"object\",\"objectId\":\"1:s2\"}"));
	end(&e);
}

static void test_names_of_a_sandbox_that_is_gone_are_refused(void **state)
{
	(void)state;
	ears e;
	begin(&e);
	says(&e, "{\"id\":1,\"method\":\"Runtime.evaluate\",\"params\":{\"expression\":\"1\"}}");
	assert_true(has(&e.client, "no instance of the routine runs"));
	sandbox(&e);
	says(&e, "{\"id\":2,\"method\":\"Runtime.getProperties\",\"params\":{\"objectId\":\"1:o\"}}");
	assert_true(has(&e.engine, "\"objectId\":\"o\""));
	er_buf_clear(&e.client);
	sandbox(&e);
	assert_true(has(&e.client, "{\"id\":2,\"error\":"));
	says(&e, "{\"id\":3,\"method\":\"Runtime.getProperties\",\"params\":{\"objectId\":\"1:o\"}}");
	assert_true(has(&e.client, "sandbox that is gone"));
	says(&e, "{\"id\":4,\"method\":\"Made.up\"}");
	assert_true(has(&e.client, "-32601"));
	says(&e, "{\"id\":5,\"method\":\"Runtime.runIfWaitingForDebugger\"}");
	assert_int_equal(e.gone_on, 1);
	end(&e);
}

static void test_what_both_say_may_be_anything(void **state)
{
	(void)state;
	ears e;
	begin(&e);
	sandbox(&e);
	static const char *const nonsense[] = {"",
	                                       "{",
	                                       "[]",
	                                       "7",
	                                       "{\"id\":1}",
	                                       "{\"id\":\"x\",\"method\":\"Debugger.enable\"}",
	                                       "null",
	                                       "{\"method\":\"Debugger.paused\"}",
	                                       "{\"id\":99,\"result\":{}}"};
	for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
		says(&e, nonsense[i]);
		engine_says(&e, nonsense[i]);
	}
	end(&e);
}

static void test_the_wire_is_read_in_whole_messages(void **state)
{
	(void)state;
	er_buf b = {0};
	er_slice text = ER_LIT("{}");
	er_wire_put(&b, "SendMessageToFrontend", 7, &text);
	er_slice all = er_slice_from(er_buf_slice(&b), ER_INSPECT_HEAD);
	er_wire_message m;
	size_t whole;
	for (size_t n = 0; n < all.n; n++)
		assert_int_equal(er_wire_read(er_slice_head(all, n), &m, &whole), ER_WIRE_WAIT);
	assert_int_equal(er_wire_read(all, &m, &whole), ER_WIRE_OK);
	assert_int_equal(whole, all.n);
	assert_int_equal(m.target, 7);
	assert_true(er_slice_eq(m.name, ER_LIT("SendMessageToFrontend")) && er_slice_eq(m.text, text));
	assert_int_equal(er_wire_read(ER_LIT("\xff\xff\xff\xff\x01 name"), &m, &whole), ER_WIRE_BROKEN);
	er_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_breakpoint_is_set_again_in_each_sandbox),
	    cmocka_unit_test(test_nobody_stands_in_the_prelude),
	    cmocka_unit_test(test_names_of_a_sandbox_that_is_gone_are_refused),
	    cmocka_unit_test(test_what_both_say_may_be_anything),
	    cmocka_unit_test(test_the_wire_is_read_in_whole_messages),
	    cmocka_unit_test(test_a_breakpoint_that_is_removed_at_once_is_gone),
	    cmocka_unit_test(test_a_breakpoint_set_while_the_sandbox_goes_is_kept_and_said),
	    cmocka_unit_test(test_what_was_set_ends_with_the_domain),
	    cmocka_unit_test(test_what_a_client_has_kept_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
