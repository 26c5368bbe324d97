#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static struct {
	er_log_level least;
	int json;
} setup = {ER_LOG_INFO, 0};

void er_log_setup(er_log_level least, int json)
{
	setup.least = least;
	setup.json = json;
}

/* For a person's terminal: no text may forge a line of its own or move the cursor. */
static void tame(char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < 0x20 && *text != '\t' && *text != '\n') || *text == 0x7f)
			*text = '?';
}

static void put_lines(er_buf *b, const char *text)
{
	er_slice rest = er_slice_cstr(text), line;
	for (bool first = true; er_slice_split(&rest, '\n', &line); first = false) {
		if (!first)
			er_buf_puts(b, "    ");
		er_buf_put(b, line);
		er_buf_putc(b, '\n');
	}
}

void er_log(er_log_level level, const char *room, const char *fmt, ...)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	if (level < setup.least)
		return;
	char text[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);

	uint64_t now = er_clock_wall_us();
	time_t sec = (time_t)(now / 1000000U);
	struct tm tm;
	gmtime_r(&sec, &tm);
	char when[40];
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);

	er_buf b;
	er_buf_init(&b);
	if (setup.json) {
		er_buf_printf(&b, "{\"time\":\"%s.%03uZ\",\"level\":\"%s\",\"room\":\"%s\",\"msg\":", when,
		              (unsigned)(now / 1000U % 1000U), names[level], room);
		er_buf_put_json(&b, er_slice_cstr(text));
		er_buf_puts(&b, "}\n");
	} else {
		tame(text);
		er_buf_printf(&b, "%s.%03uZ %-5s %s: ", when, (unsigned)(now / 1000U % 1000U), names[level], room);
		put_lines(&b, text[0] != '\0' ? text : " ");
	}
	er_slice line = er_buf_slice(&b);
	(void)!write(STDERR_FILENO, line.p, line.n);
	er_buf_fini(&b);
}
