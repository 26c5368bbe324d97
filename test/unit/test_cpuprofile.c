/* A profile of CPU time: whose time it says it was, from samples of several stretches, sandboxes
 * and versions. */
#include "cli/cpuprofile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAME(name, url, line) "{\"sourceID\":\"2\",\"name\":\"" name "\",\"line\":" #line ",\"column\":1,\"url\":\"" url "\"}"
#define AT(time, frames) "{\"timestamp\":" #time ",\"stackFrames\":[" frames "]}"
#define SAMPLES(list) "{\"stackTraces\":[" list "]}"
#define F FRAME("f", "file:///p/.er/routine.js", 2)
#define G FRAME("g", "file:///p/.er/routine.js", 3)

static void samples(er_cpuprofile *p, const char *json, double end)
{
	er_arena a;
	er_arena_init(&a);
	er_cpuprofile_samples(p, er_json_answer(&a, er_slice_cstr(json)), end);
	er_arena_fini(&a);
}

/* The caller's, and with its NUL. */
static char *text_of(const er_cpuprofile *p)
{
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_cpuprofile_put(p, &o);
	er_out_close(&o, '}');
	char *text = er_strdup_slice(er_buf_slice(&o.b));
	er_out_fini(&o);
	return text;
}

static void says(const er_cpuprofile *p, const char *part)
{
	char *text = text_of(p);
	if (strstr(text, part) == NULL)
		fail_msg("%s is not in %s", part, text);
	er_free(text);
}

static void test_stacks_become_one_tree(void **state)
{
	(void)state;
	er_cpuprofile *p = er_cpuprofile_new();
	samples(p, SAMPLES(AT(0.010, G "," F) "," AT(0.011, F) "," AT(0.012, G "," F)), 0.02);
	says(p, "\"samples\":[3,2,3],\"timeDeltas\":[0,1000,1000],\"startTime\":10000,\"endTime\":12000");
	says(p, "{\"id\":3,\"callFrame\":{\"functionName\":\"g\",\"scriptId\":\"0\",\"url\":\"file:///p/.er/routine.js\","
	        "\"lineNumber\":2,\"columnNumber\":0},\"hitCount\":2,\"children\":[]}");
	/* the prelude's own time is its caller's, and nobody's if nobody called */
	samples(p, SAMPLES(AT(0.021, FRAME("x", "er:prelude", 9) "," F) "," AT(0.022, FRAME("x", "er:prelude", 9))), 0.03);
	says(p, "\"samples\":[3,2,3,2,4]");
	says(p, "\"functionName\":\"(program)\"");
	er_cpuprofile_free(p);
}

static void test_idle_time_is_nobodys(void **state)
{
	(void)state;
	er_cpuprofile *p = er_cpuprofile_new();
	/* as the engine tells of stretches, to the microsecond */
	er_cpuprofile_ran(p, 0.010, 0.0115);
	er_cpuprofile_ran(p, 2.0, 2.002);
	samples(p, SAMPLES(AT(0.011, F) "," AT(2.001, F)), 2.1);
	says(p, "\"samples\":[2,3,2,3],\"timeDeltas\":[0,500,1989500,1000]");
	says(p, "\"functionName\":\"(idle)\"");
	assert_int_equal(er_cpuprofile_count(p), 2);
	/* and without */
	samples(p, SAMPLES(AT(3.0, F) "," AT(3.001, F)), 3.1);
	says(p, "\"samples\":[2,3,2,3,2,2],\"timeDeltas\":[0,500,1989500,1000,998000,1000]");
	assert_int_equal(er_cpuprofile_count(p), 4);
	er_cpuprofile_free(p);
}

static void test_samples_without_a_time_follow_each_other(void **state)
{
	(void)state;
	er_cpuprofile *p = er_cpuprofile_new();
	er_cpuprofile_clock(p, 5.0, 100000000);
	samples(p, SAMPLES(AT(0, F) "," AT(0, F) "," AT(6.0, F)), 6.1);
	says(p, "\"timeDeltas\":[0,1000,1000,997000],\"startTime\":100001000,\"endTime\":101000000");
	/* never beyond what comes next */
	samples(p, SAMPLES(AT(0, F) "," AT(0, F) "," AT(0, F) "," AT(6.1004, F)), 6.2);
	says(p, "1000,99100,100,100,100],\"startTime\"");
	/* another sandbox, with a clock of its own that goes back */
	er_cpuprofile_clock(p, 1.0, 101300000);
	samples(p, SAMPLES(AT(1.01, F)), 2.0);
	says(p, "\"endTime\":101310000");
	er_cpuprofile_free(p);
}

static void test_places_are_those_of_the_sources(void **state)
{
	(void)state;
	er_cpuprofile *p = er_cpuprofile_new();
	/* line 2 of the script is line 1 of the source */
	er_cpuprofile_script(
	    p, ER_LIT("file:///p/.er/routine.js"),
	    ER_LIT("{\"version\":3,\"sources\":[\"src/a.ts\"],\"names\":[],\"mappings\":\";AAAA\",\"sourceRoot\":\"../\"}"));
	samples(p, SAMPLES(AT(0.010, F)), 0.02);
	says(p, "\"url\":\"file:///p/src/a.ts\",\"lineNumber\":0,\"columnNumber\":0");
	/* a bundle's wrapper is nobody's: its time is that of the file whose code stands there */
	samples(p,
	        SAMPLES(AT(0.011, "{\"sourceID\":\"2\",\"name\":\"\",\"line\":1,\"column\":1,\"url\":\"file:///p/.er/routine.js\","
	                          "\"expressionLocation\":{\"line\":2,\"column\":5}}")),
	        0.02);
	says(p, "{\"functionName\":\"(top level)\",\"scriptId\":\"0\",\"url\":\"file:///p/src/a.ts\",\"lineNumber\":0,");
	/* the next version has another map, and what was stays */
	er_cpuprofile_script(p, ER_LIT("file:///p/.er/routine.js"), ER_LIT("no map"));
	er_cpuprofile_generation(p, 7);
	samples(p, SAMPLES(AT(0.030, F) "," AT(0.031, F)), 0.04);
	says(p, "\"scriptId\":\"7:2\",\"url\":\"file:///p/.er/routine.js\",\"lineNumber\":1");
	er_cpuprofile_file files[2];
	assert_int_equal(er_cpuprofile_files(p, files, 2), 2);
	assert_true(er_slice_eq(files[0].url, ER_LIT("file:///p/src/a.ts")));
	assert_int_equal(files[0].samples, 2);
	assert_int_equal(files[1].samples, 2);
	er_cpuprofile_free(p);
}

/* A sandbox may say anything: nothing of it makes the profile grow without end. */
static void test_what_a_sandbox_says_is_bounded(void **state)
{
	(void)state;
	er_cpuprofile *p = er_cpuprofile_new();
	static const char *const nonsense[] = {"null", "7", "{\"stackTraces\":7}", "{\"stackTraces\":[7,{},{\"stackFrames\":[9]}]}",
	                                       SAMPLES(AT(-1e300, F) "," AT(1e300, F) "," AT(0, ""))};
	for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++)
		samples(p, nonsense[i], i % 2 ? 1e300 : -1e300);
	er_buf b = {0};
	er_buf_puts(&b, "{\"stackTraces\":[");
	for (unsigned i = 0; i < 30000; i++)
		er_buf_printf(&b, "%s{\"timestamp\":1,\"stackFrames\":[{\"name\":\"f%u\",\"line\":1,\"column\":1,\"url\":\"u\"}]}",
		              i ? "," : "", i);
	er_buf_puts(&b, "]}");
	er_buf_putc(&b, 0);
	samples(p, (const char *)er_buf_slice(&b).p, 2);
	char *text = text_of(p);
	assert_null(strstr(text, "\"id\":20001"));
	assert_non_null(strstr(text, "\"id\":20000"));
	er_free(text);
	er_buf_fini(&b);
	er_cpuprofile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stacks_become_one_tree),
	    cmocka_unit_test(test_idle_time_is_nobodys),
	    cmocka_unit_test(test_samples_without_a_time_follow_each_other),
	    cmocka_unit_test(test_places_are_those_of_the_sources),
	    cmocka_unit_test(test_what_a_sandbox_says_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
